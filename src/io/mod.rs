//! Ports: where samples come from and go to; the only rooms that know foreign file formats.
//!
//! A [`Source`] hands out planar blocks and a [`Sink`] takes them, so that a session never sees a
//! file format. Another format is one more file here and one more line.

#[cfg(feature = "formats")]
mod aiff;
#[cfg(feature = "wav")]
mod body;
#[cfg(feature = "live")]
pub mod device;
mod error;
#[cfg(feature = "formats")]
mod flac;
#[cfg(feature = "wav")]
mod kind;
#[cfg(feature = "formats")]
mod media;
#[cfg(feature = "wav")]
mod medium;
#[cfg(feature = "live")]
pub mod memory;
#[cfg(feature = "wav")]
mod name;
#[cfg(feature = "wav")]
mod open;
#[cfg(all(feature = "wav", feature = "resample"))]
mod origin;
mod part;
mod pcm;
#[cfg(feature = "live")]
pub mod port;
#[cfg(feature = "wav")]
mod raw;
#[cfg(feature = "wav")]
mod raw_sink;
#[cfg(feature = "wav")]
mod response;
#[cfg(feature = "wav")]
mod sink;
#[cfg(feature = "formats")]
mod sofa;
#[cfg(feature = "wav")]
mod source;
mod spool;
#[cfg(feature = "wav")]
mod tags;
#[cfg(feature = "wav")]
mod text;
#[cfg(feature = "formats")]
mod vorbis;
#[cfg(feature = "wav")]
pub mod wav;

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use crate::signal::{Sample, SampleRate};

#[cfg(feature = "formats")]
pub use aiff::AiffSink;
pub use error::{ReadError, WriteError};
#[cfg(feature = "formats")]
pub use flac::FlacSink;
#[cfg(feature = "formats")]
pub use media::MediaSource;
#[cfg(all(feature = "wav", feature = "resample"))]
pub use origin::{LoadError, Loaded, Origin};
pub use part::{PartFile, remove_parts, remove_stale_parts};
pub use pcm::Levels;
#[cfg(feature = "wav")]
pub use raw::RawSource;
#[cfg(feature = "wav")]
pub use raw_sink::RawSink;
#[cfg(feature = "wav")]
pub use response::Response;
#[cfg(feature = "wav")]
pub use sink::{Container, FileSink};
#[cfg(feature = "wav")]
pub use source::FileSource;
pub use spool::Spool;
#[cfg(feature = "wav")]
pub use tags::Tags;
#[cfg(feature = "wav")]
pub use wav::{WavSink, WavSource};

/// How a sample is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SampleFormat {
    /// 8-bit integer; unsigned in a WAV file.
    U8,
    /// 16-bit integer.
    I16,
    /// 24-bit integer.
    I24,
    /// 32-bit integer.
    I32,
    /// 32-bit float; without a full scale.
    F32,
    /// 64-bit float; without a full scale.
    F64,
}

impl SampleFormat {
    /// All formats, narrowest first.
    pub const ALL: [Self; 6] = [
        Self::U8,
        Self::I16,
        Self::I24,
        Self::I32,
        Self::F32,
        Self::F64,
    ];

    /// Bytes that one sample takes.
    pub fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::I16 => 2,
            Self::I24 => 3,
            Self::I32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// Steps from 0 to full scale, 2^(bits - 1); none for float.
    pub fn steps(self) -> Option<f64> {
        match self {
            Self::F32 | Self::F64 => None,
            integer => Some((1u64 << (8 * integer.bytes() - 1)) as f64),
        }
    }

    /// The largest gain, in whole tenths of a decibel, that brings a result with these extreme
    /// values within full scale; 0 or less, and 0 where it fits as it is.
    pub fn gain_that_fits(self, levels: &Levels) -> f64 {
        // The highest integer is one step below full scale, and half a step more is rounded to it;
        // a float may just reach full scale.
        let step = self.steps().map_or(0.0, f64::recip);
        let highest = 1.0 - step;
        let fits = levels.high < highest + 0.5 * step || levels.high <= highest;
        if fits && levels.low >= -1.0 - 0.5 * step {
            return 0.0;
        }
        let above = highest / levels.high.max(f64::MIN_POSITIVE);
        let below = 1.0 / (-levels.low).max(f64::MIN_POSITIVE);
        let room = above.min(below);
        // 0.001 dB of reserve for the rounding of the product.
        (10.0 * (20.0 * room.log10() - 0.001)).floor() / 10.0
    }
}

impl fmt::Display for SampleFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::U8 => "u8",
            Self::I16 => "i16",
            Self::I24 => "i24",
            Self::I32 => "i32",
            Self::F32 => "f32",
            Self::F64 => "f64",
        })
    }
}

impl FromStr for SampleFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let same = |format: &Self| format.to_string() == text;
        let known = Self::ALL.into_iter().find(same);
        known.ok_or_else(|| {
            format!("unknown sample format `{text}`; there are u8, i16, i24, i32, f32 and f64")
        })
    }
}

/// What a stream of samples looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    /// Frames per second.
    pub rate: SampleRate,
    /// Channels, at least one.
    pub channels: usize,
    /// How the samples are stored.
    pub format: SampleFormat,
}

impl Spec {
    /// Bytes that one frame takes.
    pub fn frame_bytes(&self) -> usize {
        self.channels * self.format.bytes()
    }
}

/// Samples that were NaN or infinite and were read as 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Replaced {
    /// How many there were.
    pub count: u64,
    /// Frame and channel of the first, both from 0.
    pub first: Option<(u64, usize)>,
}

/// Where samples come from.
pub trait Source<T: Sample> {
    /// What messages call it: the file's name.
    fn name(&self) -> &str;

    /// Rate, channels and format.
    fn spec(&self) -> Spec;

    /// Length in frames, where it is known before the end.
    fn frames(&self) -> Option<u64>;

    /// Fills the vectors, one per channel and all equally long, from their start; returns how
    /// many frames that were, 0 only at the end.
    ///
    /// # Errors
    /// When the medium fails, or ends before its own header says so.
    fn read(&mut self, block: &mut [Vec<T>]) -> Result<usize, ReadError>;

    /// Samples so far that were not finite.
    fn replaced(&self) -> Replaced;
}

/// Where samples go.
pub trait Sink<T: Sample> {
    /// What messages call it: the file's name.
    fn name(&self) -> &str;

    /// The same as the system has it.
    fn path(&self) -> &Path {
        Path::new(self.name())
    }

    /// Rate, channels and format.
    fn spec(&self) -> Spec;

    /// True where nothing is delivered before [`finish`](Self::finish); false for a pipe.
    fn can_take_back(&self) -> bool;

    /// Takes a block, one vector per channel, all equally long.
    ///
    /// # Errors
    /// When the medium fails or is full.
    fn write(&mut self, block: &[Vec<T>]) -> Result<(), WriteError>;

    /// Hands on what was written, where somebody may wait for it.
    ///
    /// # Errors
    /// When the medium fails or is full.
    fn flush(&mut self) -> Result<(), WriteError> {
        Ok(())
    }

    /// What was written so far, and how well it fitted.
    fn levels(&self) -> Levels;

    /// Delivers the result. A sink dropped without it leaves nothing behind.
    ///
    /// # Errors
    /// When the medium fails or is full.
    fn finish(self) -> Result<(), WriteError>
    where
        Self: Sized;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gain_that_fits_is_the_last_tenth_of_a_decibel_below_full_scale() {
        for format in SampleFormat::ALL {
            let highest = format.steps().map_or(1.0, |steps| (steps - 1.0) / steps);
            for peak in [1.005, 1.0116, 1.5, 2.0, 3.98, 40.0, 1e6] {
                for (high, low) in [(peak, -0.1), (0.1, -peak), (peak, -peak)] {
                    let levels = Levels {
                        high,
                        low,
                        ..Levels::default()
                    };
                    let gain = format.gain_that_fits(&levels);
                    let fits = |db: f64| {
                        let g = 10f64.powf(db / 20.0);
                        high * g <= highest && low * g >= -1.0
                    };
                    assert!(fits(gain), "{format} {high} {low}: {gain} dB");
                    assert!(!fits(gain + 0.102), "{format} {high} {low}: {gain} dB");
                }
            }
            let quiet = Levels {
                high: 0.5,
                low: -1.0,
                ..Levels::default()
            };
            assert_eq!(format.gain_that_fits(&quiet), 0.0);
        }
    }

    #[test]
    fn a_format_is_read_as_it_is_printed() {
        for format in SampleFormat::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        assert!("i12".parse::<SampleFormat>().is_err());
    }
}
