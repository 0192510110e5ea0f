//! A sound to be heard, whatever its format is.

use std::path::Path;

use super::kind::{self, Kind};
#[cfg(feature = "formats")]
use super::media::MediaSource;
use super::name::{self, Options};
use super::open::Opened;
use super::wav::WavSource;
use super::{Container, RawSource, ReadError, Replaced, Source, Spec, Tags, raw};
use crate::signal::Sample;

/// A file or a pipe, read from its start to its end; what it is, its content tells.
#[derive(Debug)]
#[non_exhaustive]
pub enum FileSource {
    /// WAV.
    Wav(Box<WavSource>),
    /// What `symphonia` decodes.
    #[cfg(feature = "formats")]
    Media(Box<MediaSource>),
    /// Samples without a header.
    Raw(Box<RawSource>),
}

/// Does the same for all kinds.
macro_rules! each {
    ($self:expr, $source:ident => $do:expr) => {
        match $self {
            FileSource::Wav($source) => $do,
            #[cfg(feature = "formats")]
            FileSource::Media($source) => $do,
            FileSource::Raw($source) => $do,
        }
    };
}

impl FileSource {
    /// Opens a file; `-` is the standard input. What raw samples do not tell themselves is written
    /// behind `@`, as for a [`Response`](super::Response): `voice.s16@48k`, `talk.pcm@i16,8k,2ch`.
    ///
    /// # Errors
    /// When the file cannot be read, is no sound, or does not tell all that is needed.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let (file, options) = name::sound(path)?;
        let opened = Opened::at(file, kind::LOOK)?;
        let plain = |what| options.only(&opened.name, what, |_| false);
        let layout = raw::layout(file, &options);
        let is_raw = layout.is_some()
            || options != Options::default()
            || Container::of(file) == Some(Container::Raw);
        match Kind::of(&opened.head) {
            Some(Kind::Hdf5) => Err(ReadError::Unknown {
                looks: kind::looks(&opened.head),
                file: opened.name,
                remedy: "such a file may be an impulse response, but is no sound",
            }),
            #[cfg(feature = "formats")]
            kind if kind == Some(Kind::Media)
                || layout.is_none() && kind::may_be_mpeg(&opened.head) =>
            {
                plain("a file that tells its rate and channels itself")?;
                MediaSource::from_opened(opened).map(|source| Self::Media(Box::new(source)))
            }
            None if is_raw => RawSource::from_opened(opened, layout, &options)
                .map(|source| Self::Raw(Box::new(source))),
            _ => {
                plain("a WAV file")?;
                WavSource::from_opened(opened).map(|source| Self::Wav(Box::new(source)))
            }
        }
    }

    /// The file that a name leads to, without what stands behind `@`.
    pub fn file(name: &Path) -> &Path {
        name::sound(name).map_or(name, |(file, _)| file)
    }

    /// What stands behind `@`.
    #[cfg(feature = "batch")]
    pub(crate) fn options(name: &Path) -> String {
        name::sound(name).map_or_else(|_| String::new(), |(_, options)| options.words())
    }

    /// Rate, channels and format.
    pub fn spec(&self) -> Spec {
        each!(self, source => source.spec())
    }

    /// What the file says beside its samples.
    pub fn tags(&self) -> &Tags {
        each!(self, source => source.tags())
    }

    /// What was assumed, for people.
    pub fn notes(&self) -> &[String] {
        match self {
            Self::Wav(_) => &[],
            #[cfg(feature = "formats")]
            Self::Media(source) => source.notes(),
            Self::Raw(source) => source.notes(),
        }
    }
}

impl<T: Sample> Source<T> for FileSource {
    fn name(&self) -> &str {
        each!(self, source => Source::<T>::name(&**source))
    }

    fn spec(&self) -> Spec {
        FileSource::spec(self)
    }

    fn frames(&self) -> Option<u64> {
        each!(self, source => source.frames())
    }

    fn read(&mut self, block: &mut [Vec<T>]) -> Result<usize, ReadError> {
        each!(self, source => source.read(block))
    }

    fn replaced(&self) -> Replaced {
        each!(self, source => Source::<T>::replaced(&**source))
    }
}
