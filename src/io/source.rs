//! A sound to be heard, whatever its format is.

use std::path::Path;

use super::kind::{self, Kind};
#[cfg(feature = "formats")]
use super::media::MediaSource;
use super::name;
use super::open::Opened;
use super::wav::WavSource;
use super::{ReadError, Replaced, Source, Spec, Tags};
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
}

/// Does the same for all kinds.
macro_rules! each {
    ($self:expr, $source:ident => $do:expr) => {
        match $self {
            FileSource::Wav($source) => $do,
            #[cfg(feature = "formats")]
            FileSource::Media($source) => $do,
        }
    };
}

impl FileSource {
    /// Opens a file; `-` is the standard input.
    ///
    /// # Errors
    /// When the file cannot be read, or is no sound. Raw samples are read as responses only.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let opened = Opened::at(path, kind::LOOK).map_err(|error| match error {
            ReadError::Missing { file } if name::has_options(&file) => ReadError::refused(
                file,
                "no such file, and what stands behind `@` is for responses alone",
                "where these are raw samples, make them WAV first",
            ),
            other => other,
        })?;
        #[cfg(feature = "formats")]
        if is_media(&opened.head) {
            return MediaSource::from_opened(opened).map(|source| Self::Media(Box::new(source)));
        }
        match Kind::of(&opened.head) {
            Some(Kind::Hdf5) => Err(ReadError::Unknown {
                looks: kind::looks(&opened.head),
                file: opened.name,
                remedy: "such a file may be an impulse response, but is no sound",
            }),
            _ => WavSource::from_opened(opened).map(|source| Self::Wav(Box::new(source))),
        }
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
        }
    }
}

/// Whether `symphonia` is to be asked.
#[cfg(feature = "formats")]
pub(super) fn is_media(head: &[u8]) -> bool {
    Kind::of(head) == Some(Kind::Media) || kind::may_be_mpeg(head)
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
