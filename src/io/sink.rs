//! Files that results are written to, in the container that is asked for.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

#[cfg(feature = "formats")]
use super::aiff::AiffSink;
#[cfg(feature = "formats")]
use super::flac::FlacSink;
use super::raw;
use super::raw_sink::RawSink;
use super::wav::WavSink;
use super::{Levels, SampleFormat, Sink, Spec, Tags, WriteError};
use crate::signal::Sample;

/// What a result is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Container {
    /// WAV.
    Wav,
    /// FLAC: integers of 8, 16 and 24 bits, packed without loss.
    Flac,
    /// AIFF; AIFF-C for floats.
    Aiff,
    /// Samples without a header, interleaved and little-endian.
    Raw,
}

impl Container {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Wav, Self::Flac, Self::Aiff, Self::Raw];

    /// What the extension of a name stands for, in whatever case; none for others.
    ///
    /// ```
    /// use faltung::io::Container;
    /// assert_eq!(Container::of("wet.flac".as_ref()), Some(Container::Flac));
    /// assert_eq!(Container::of("wet.f32".as_ref()), Some(Container::Raw));
    /// assert_eq!(Container::of("wet.xyz".as_ref()), None);
    /// ```
    pub fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        Some(match extension.as_str() {
            "wav" | "wave" | "bwf" | "rf64" => Self::Wav,
            "flac" => Self::Flac,
            "aif" | "aiff" | "aifc" | "afc" => Self::Aiff,
            "raw" | "pcm" | "f32" | "f64" | "dbl" | "s16" | "s24" | "s32" => Self::Raw,
            _ => return None,
        })
    }

    /// What the extension of a name says that is known as another kind of sound, which is not
    /// written here, such as `mp3`; none for all others.
    pub fn foreign(path: &Path) -> Option<String> {
        const FOREIGN: [&str; 33] = [
            "8svx", "aac", "ac3", "adts", "alac", "amr", "ape", "au", "caf", "dts", "eac3", "m4a",
            "m4b", "mka", "mkv", "mov", "mp1", "mp2", "mp3", "mp4", "mpc", "oga", "ogg", "ogv",
            "opus", "snd", "spx", "tta", "voc", "w64", "webm", "wma", "wv",
        ];
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        FOREIGN.contains(&&*extension).then_some(extension)
    }

    /// The sample format that the extension of a raw file stands for, such as `f32` or `s16`; none
    /// for all others.
    pub fn format_of(path: &Path) -> Option<SampleFormat> {
        raw::format_of(path)
    }

    /// The extension that such files are given, without a dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Flac => "flac",
            Self::Aiff => "aiff",
            Self::Raw => "raw",
        }
    }

    /// Whether such samples are kept as they are.
    pub fn holds(self, format: SampleFormat) -> bool {
        self.nearest(format) == format
    }

    /// The format that holds most of what such samples hold: for FLAC 24 bits in place of 32 bits
    /// and of floats, else the same.
    pub fn nearest(self, format: SampleFormat) -> SampleFormat {
        match self {
            Self::Flac if format.steps().is_none() || format.bytes() > 3 => SampleFormat::I24,
            _ => format,
        }
    }
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.extension())
    }
}

impl FromStr for Container {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let same = |container: &Self| container.extension() == text;
        let known = Self::ALL.into_iter().find(same);
        known.ok_or_else(|| {
            format!("unknown kind of file `{text}`; there are wav, flac, aiff and raw")
        })
    }
}

/// A file in the making, or a pipe that carries one.
#[non_exhaustive]
pub enum FileSink {
    /// WAV.
    Wav(Box<WavSink>),
    /// FLAC.
    #[cfg(feature = "formats")]
    Flac(Box<FlacSink>),
    /// AIFF and AIFF-C.
    #[cfg(feature = "formats")]
    Aiff(Box<AiffSink>),
    /// Samples without a header.
    Raw(Box<RawSink>),
}

/// Does the same for all kinds.
macro_rules! each {
    ($self:expr, $sink:ident => $do:expr) => {
        match $self {
            FileSink::Wav($sink) => $do,
            #[cfg(feature = "formats")]
            FileSink::Flac($sink) => $do,
            #[cfg(feature = "formats")]
            FileSink::Aiff($sink) => $do,
            FileSink::Raw($sink) => $do,
        }
    };
}

impl FileSink {
    /// Begins the file at `path`, which appears when the sink is finished. `-` is the standard
    /// output; what is no plain file, such as `/dev/null`, is written to as a pipe is.
    ///
    /// `frames`, where known, lets a pipe carry a header with the true length, and refuses
    /// beforehand what would not fit. Of the tags, FLAC takes the texts and the positions, AIFF the
    /// positions, title, author, copyright and comment, raw samples none.
    ///
    /// # Errors
    /// When the file exists and `replace` is not set, its folder is missing or closed, or the
    /// container has no place for such samples or for so many.
    pub fn create(
        path: &Path,
        container: Container,
        spec: Spec,
        frames: Option<u64>,
        tags: &Tags,
        replace: bool,
    ) -> Result<Self, WriteError> {
        match container {
            Container::Wav => WavSink::create_with(path, spec, frames, tags, replace)
                .map(|sink| Self::Wav(Box::new(sink))),
            #[cfg(feature = "formats")]
            Container::Flac => FlacSink::create(path, spec, frames, tags, replace)
                .map(|sink| Self::Flac(Box::new(sink))),
            #[cfg(feature = "formats")]
            Container::Aiff => AiffSink::create(path, spec, frames, tags, replace)
                .map(|sink| Self::Aiff(Box::new(sink))),
            #[cfg(not(feature = "formats"))]
            Container::Flac | Container::Aiff => Err(WriteError::refused(
                path,
                format!("{container} is not built in"),
                "write WAV, or build with the feature `formats`",
            )),
            Container::Raw => {
                RawSink::create(path, spec, replace).map(|sink| Self::Raw(Box::new(sink)))
            }
        }
    }
}

impl fmt::Debug for FileSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("FileSink");
        fields.field("name", &each!(self, sink => Sink::<f32>::name(&**sink)));
        fields.finish_non_exhaustive()
    }
}

impl<T: Sample> Sink<T> for FileSink {
    fn name(&self) -> &str {
        each!(self, sink => Sink::<T>::name(&**sink))
    }

    fn path(&self) -> &Path {
        each!(self, sink => Sink::<T>::path(&**sink))
    }

    fn spec(&self) -> Spec {
        each!(self, sink => Sink::<T>::spec(&**sink))
    }

    fn can_take_back(&self) -> bool {
        each!(self, sink => Sink::<T>::can_take_back(&**sink))
    }

    fn write(&mut self, block: &[Vec<T>]) -> Result<(), WriteError> {
        each!(self, sink => sink.write(block))
    }

    fn flush(&mut self) -> Result<(), WriteError> {
        each!(self, sink => Sink::<T>::flush(&mut **sink))
    }

    fn levels(&self) -> Levels {
        each!(self, sink => Sink::<T>::levels(&**sink))
    }

    fn finish(self) -> Result<(), WriteError> {
        each!(self, sink => Sink::<T>::finish(*sink))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_read_as_it_is_printed_and_found_by_its_extension() {
        for container in Container::ALL {
            assert_eq!(container.to_string().parse(), Ok(container));
            let name = format!("some.folder/Name.{}", container.extension().to_uppercase());
            assert_eq!(Container::of(Path::new(&name)), Some(container));
        }
        assert!("mp3".parse::<Container>().is_err());
        for name in ["x", "x.mp3", "wav", ".flac", "-"] {
            assert_eq!(Container::of(Path::new(name)), None, "{name}");
        }
    }

    #[test]
    fn what_is_written_is_not_foreign() {
        for name in ["x.mp3", "X.OPUS", "x.w64"] {
            let path = Path::new(name);
            assert!(Container::foreign(path).is_some(), "{name}");
            assert_eq!(Container::of(path), None, "{name}");
        }
        for name in ["x.wav", "x.AIFC", "x.xyz", "mp3", "-"] {
            assert_eq!(Container::foreign(Path::new(name)), None, "{name}");
        }
    }

    #[test]
    fn what_a_container_does_not_hold_has_a_nearest_that_it_does() {
        for container in Container::ALL {
            for format in SampleFormat::ALL {
                let nearest = container.nearest(format);
                assert!(container.holds(nearest), "{container} {format}");
            }
        }
        assert_eq!(
            Container::Flac.nearest(SampleFormat::F32),
            SampleFormat::I24
        );
        assert_eq!(
            Container::Flac.nearest(SampleFormat::I16),
            SampleFormat::I16
        );
    }
}
