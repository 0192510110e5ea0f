//! Preparation: impulse responses and what can be done to them before they run.
//!
//! An [`ImpulseResponse`] is edited here, where memory may be taken and a step may fail. Each
//! operation takes it whole and gives it back, so that steps chain. Nothing here reads files.

pub mod acoustics;
pub mod band;
pub mod compare;
pub mod decay;
pub mod edit;
pub mod info;
pub mod level;
mod log_line;
pub mod measure;
mod minimum_phase;
pub(crate) mod onset;
#[cfg(feature = "resample")]
mod resample;
pub mod spectrum;
pub mod synth;
pub(crate) mod units;
mod window;

use thiserror::Error;

use crate::signal::{Audio, SampleRate};
pub use synth::Recipe;
pub use units::UnitError;

/// Why an impulse response could not be made or changed.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum IrError {
    /// There is nothing to convolve with.
    #[error("an impulse response of 0 frames has nothing to convolve with; give at least one tap")]
    Empty,
    /// A tap is NaN or infinite.
    #[error(
        "the impulse response has {value} in channel {channel} at frame {frame}; \
         export it again without NaN or infinity"
    )]
    NotFinite {
        /// Channel, counted from 0.
        channel: usize,
        /// Frame, counted from 0.
        frame: usize,
        /// What stands there.
        value: f32,
    },
    /// The two rates lie too far apart.
    #[error(
        "from {from} to {to} is a factor of more than {most}; \
         check the rate in the file's header, or resample in steps"
    )]
    RatesTooFar {
        /// Rate of the response.
        from: SampleRate,
        /// Rate that was asked for.
        to: SampleRate,
        /// Largest factor, up or down.
        most: u32,
    },
    /// The two rates have no common measure of a workable size.
    #[error(
        "from {from} to {to} needs transforms of {frames} frames, more than {most}; \
         choose a rate that shares a larger common factor with {from}"
    )]
    RatesUnrelated {
        /// Rate of the response.
        from: SampleRate,
        /// Rate that was asked for.
        to: SampleRate,
        /// Block that the pair of rates needs.
        frames: u64,
        /// Largest block.
        most: u64,
    },
    /// The resampler refused.
    #[error("resampling from {from} to {to} failed: {cause}")]
    Resampler {
        /// Rate of the response.
        from: SampleRate,
        /// Rate that was asked for.
        to: SampleRate,
        /// What the resampler said.
        cause: String,
    },
    /// No recipe has this name.
    #[error("there is no recipe `{name}`; known are {known}")]
    UnknownRecipe {
        /// What was asked for.
        name: String,
        /// All names.
        known: String,
    },
    /// A recipe was given values it does not take, or lacks those it needs.
    #[error("`{recipe}`: {problem}; write for example `synth:{example}`")]
    Usage {
        /// What was written after `synth:`.
        recipe: String,
        /// What is wrong with it.
        problem: String,
        /// A recipe that works.
        example: &'static str,
    },
    /// A number of a recipe could not be read.
    #[error("`{recipe}`: {source}")]
    Unit {
        /// What was written after `synth:`.
        recipe: String,
        /// The number, and an example.
        source: UnitError,
    },
    /// A filter's frequency lies where the rate has none.
    #[error(
        "`{recipe}`: {hz} Hz is not below {nyquist} Hz, half of the rate {rate}; \
         choose a lower frequency or work at a higher rate"
    )]
    AboveNyquist {
        /// What was written after `synth:`.
        recipe: String,
        /// Frequency that was asked for.
        hz: f64,
        /// Half of the rate in Hz.
        nyquist: f64,
        /// Rate to render at.
        rate: SampleRate,
    },
    /// A recipe would give more taps than is sensible.
    #[error("`{recipe}` would be {seconds:.1} s long, more than {most} s; {remedy}")]
    TooLong {
        /// What was written after `synth:`.
        recipe: String,
        /// Length it would have.
        seconds: f64,
        /// Length it may have.
        most: f64,
        /// What to change.
        remedy: &'static str,
    },
}

/// The response of a room, a filter or a device to one impulse: finite taps, planar, with a rate.
///
/// Holds at least one channel and one frame, and no NaN or infinity; [`new`](Self::new) sees to
/// that, and every operation keeps it so.
#[derive(Debug, Clone, PartialEq)]
pub struct ImpulseResponse {
    audio: Audio<f32>,
    name: String,
}

impl ImpulseResponse {
    /// Takes audio as taps.
    ///
    /// # Errors
    /// [`IrError::Empty`] for 0 frames, [`IrError::NotFinite`] for the first NaN or infinity.
    pub fn new(audio: Audio<f32>) -> Result<Self, IrError> {
        if audio.frames() == 0 {
            return Err(IrError::Empty);
        }
        for (channel, taps) in audio.channels().iter().enumerate() {
            if let Some(frame) = taps.iter().position(|tap| !tap.is_finite()) {
                return Err(IrError::NotFinite {
                    channel,
                    frame,
                    value: taps[frame],
                });
            }
        }
        Ok(Self {
            audio,
            name: String::from("impulse response"),
        })
    }

    /// Gives it a name for people: a file's, or a recipe's.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Its name; `impulse response` unless it was given one.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sample rate of all channels.
    pub fn rate(&self) -> SampleRate {
        self.audio.rate()
    }

    /// Length in frames; at least 1.
    pub fn frames(&self) -> usize {
        self.audio.frames()
    }

    /// Number of channels; at least 1.
    pub fn channel_count(&self) -> usize {
        self.audio.channels().len()
    }

    /// Taps of one channel, counted from 0.
    #[track_caller]
    pub fn channel(&self, index: usize) -> &[f32] {
        self.audio.channel(index)
    }

    /// All channels with their rate.
    pub fn audio(&self) -> &Audio<f32> {
        &self.audio
    }

    /// Gives the audio away.
    pub fn into_audio(self) -> Audio<f32> {
        self.audio
    }

    /// The same name over new taps: `change` sees each channel once, in f64, and all results are
    /// padded with silence to the longest. Rounds to f32 at the end.
    fn mapped(
        self,
        rate: SampleRate,
        mut change: impl FnMut(&[f64]) -> Result<Vec<f64>, IrError>,
    ) -> Result<Self, IrError> {
        let mut channels = Vec::with_capacity(self.channel_count());
        for taps in self.audio.channels() {
            let wide: Vec<f64> = taps.iter().map(|&tap| f64::from(tap)).collect();
            channels.push(change(&wide)?);
        }
        Ok(Self::from_wide(rate, channels)?.named(self.name))
    }

    /// Rounds f64 taps to f32, padding shorter channels with silence.
    fn from_wide(rate: SampleRate, channels: Vec<Vec<f64>>) -> Result<Self, IrError> {
        let frames = channels.iter().map(Vec::len).max().unwrap_or(0);
        let narrow = |taps: Vec<f64>| {
            let mut taps: Vec<f32> = taps.into_iter().map(|tap| tap as f32).collect();
            taps.resize(frames, 0.0);
            taps
        };
        // Equal lengths are made above; only "no channels" can be left to complain about.
        let audio = Audio::new(rate, channels.into_iter().map(narrow).collect())
            .map_err(|_| IrError::Empty)?;
        Self::new(audio)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audio(channels: Vec<Vec<f32>>) -> Audio<f32> {
        Audio::new(SampleRate::new(48_000).unwrap(), channels).unwrap()
    }

    #[test]
    fn no_frames_are_refused() {
        assert_eq!(
            ImpulseResponse::new(audio(vec![vec![]])),
            Err(IrError::Empty)
        );
    }

    #[test]
    fn a_tap_that_is_not_finite_is_refused_with_its_place_and_value() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let error = ImpulseResponse::new(audio(vec![vec![0.0; 3], vec![1.0, bad, 0.0]]));
            let text = error.unwrap_err().to_string();
            let want = format!("{bad} in channel 1 at frame 1");
            assert!(text.contains(&want), "{text}");
        }
    }

    #[test]
    fn what_goes_in_comes_out() {
        let ir = ImpulseResponse::new(audio(vec![vec![1.0, 0.5], vec![0.0, -0.5]])).unwrap();
        assert_eq!(
            (ir.frames(), ir.channel_count(), ir.rate().hz()),
            (2, 2, 48_000)
        );
        assert_eq!(ir.name(), "impulse response");
        let ir = ir.named("two taps");
        assert_eq!(ir.name(), "two taps");
        assert_eq!(ir.channel(1), [0.0, -0.5]);
        assert_eq!(ir.clone().into_audio(), *ir.audio());
    }
}
