//! Measuring: signals to excite a room or a device with, and what their recording tells of it.
//!
//! A [`Sweep`] (or an [`Mls`]) is played and recorded; [`deconvolve`] makes the impulse response
//! of the recording, or says why it cannot.
//!
//! ```
//! # use faltung::{Audio, SampleRate, ir::measure::{Options, Sweep, SweepSetup, deconvolve}};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let rate = SampleRate::new(48_000)?;
//! let sweep = Sweep::new(SweepSetup { seconds: 1.0, silence: 0.3, ..SweepSetup::new(rate) })?;
//! // Instead of a room: half of it, 100 frames later.
//! let mut recorded = vec![0.0; 100];
//! recorded.extend(sweep.samples().iter().map(|&x| 0.5 * x as f32));
//! let recorded = Audio::new(rate, vec![recorded])?;
//! let options = Options { keep_delay: true, ..Options::default() };
//! let found = deconvolve(&recorded, &sweep.into(), &options)?;
//! let peak = |&a: &usize, &b: &usize| found.ir.channel(0)[a].total_cmp(&found.ir.channel(0)[b]);
//! assert_eq!((0..found.ir.frames()).max_by(peak), Some(100));
//! # Ok(())
//! # }
//! ```

mod clipping;
mod deconvolve;
mod drift;
mod excitation;
mod harmonics;
mod heard;
mod hint;
mod inverse;
mod mls;
mod noise;
mod recognise;
mod repeats;
mod search;
mod sweep;
#[cfg(test)]
mod tests;

use thiserror::Error;

use super::{IrError, UnitError};
use crate::signal::SampleRate;
pub use clipping::Clipping;
pub use deconvolve::{Deconvolved, Options, deconvolve};
pub use drift::{Drift, DriftOption};
pub use excitation::{Excitation, Kind};
pub use harmonics::{Harmonic, thd};
pub use mls::{Mls, MlsSetup};
pub use noise::OctaveSnr;
pub use recognise::{Chirp, chirp};
pub use repeats::Repeat;
pub use sweep::{Sweep, SweepSetup};

/// Why a measuring signal could not be made, or a recording gives no impulse response.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum MeasureError {
    /// The sweep's length makes no sense.
    #[error("a sweep of {seconds} s cannot be made; it may last {least} s to {most} s")]
    Length {
        /// Length that was asked for.
        seconds: f64,
        /// Shortest.
        least: f64,
        /// Longest.
        most: f64,
    },
    /// The sweep's frequencies make no sense.
    #[error(
        "a sweep from {from} Hz to {to} Hz cannot be made at {rate}; \
         it goes upward by at least half an octave and stays below {nyquist} Hz"
    )]
    Range {
        /// First frequency.
        from: f64,
        /// Last frequency.
        to: f64,
        /// Rate to make it at.
        rate: SampleRate,
        /// Half of the rate.
        nyquist: f64,
    },
    /// The sweep is too short to begin at that frequency.
    #[error(
        "a sweep of {seconds} s spends less than one period at {from} Hz; \
         make it at least {least:.3} s long or begin at a higher frequency"
    )]
    TooFast {
        /// Length that was asked for.
        seconds: f64,
        /// First frequency.
        from: f64,
        /// Least length.
        least: f64,
    },
    /// The peak level is no level below full scale.
    #[error("a peak level of {level} cannot be played; it lies above 0 and is 1 (0 dB) at most")]
    Level {
        /// Level that was asked for, linear.
        level: f64,
    },
    /// The fades leave nothing between them.
    #[error("fades of {fade_in} s and {fade_out} s do not fit into {seconds} s; shorten them")]
    Fades {
        /// Fade at the beginning.
        fade_in: f64,
        /// Fade at the end.
        fade_out: f64,
        /// Length of the sweep.
        seconds: f64,
    },
    /// The silence makes no sense.
    #[error("a silence of {seconds} s cannot be made; it may last 0 s to {most} s")]
    Silence {
        /// Length that was asked for.
        seconds: f64,
        /// Longest.
        most: f64,
    },
    /// The number of repeats makes no sense.
    #[error("{repeats} repeats cannot be made; 1 to {most} can")]
    Repeats {
        /// Number that was asked for.
        repeats: usize,
        /// Most.
        most: usize,
    },
    /// There is no such maximum-length sequence here.
    #[error("there is no maximum-length sequence of order {order} here; 10 to 20 can be had")]
    Order {
        /// Order that was asked for.
        order: u32,
    },
    /// A recipe of a measuring signal could not be read.
    #[error("`{recipe}`: {problem}; write for example `sweep:20-20k,10s` or `mls:16`")]
    Usage {
        /// What was written.
        recipe: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A number of such a recipe could not be read.
    #[error("`{recipe}`: {source}")]
    Unit {
        /// What was written.
        recipe: String,
        /// The number, and an example.
        source: UnitError,
    },
    /// What should have been played holds no sound.
    #[error("the measuring signal is silent; give the file that was played")]
    NoSignal,
    /// An option of the deconvolution makes no sense.
    #[error("{what} of {value} cannot be; {remedy}")]
    Option {
        /// Which.
        what: &'static str,
        /// Its value.
        value: f64,
        /// What can be.
        remedy: &'static str,
    },
    /// Recording and signal have different rates.
    #[error(
        "the recording is at {recorded}, the measuring signal at {played}; \
         resample the recording to {played}, or give the signal's recipe instead of its file"
    )]
    Rates {
        /// Rate of the recording.
        recorded: SampleRate,
        /// Rate of the signal.
        played: SampleRate,
    },
    /// Repeats that should be alike are not.
    #[error(
        "the repeats differ by {noise_db:.1} dB of their level, of which the noise explains {explained_db:.1} dB: frames were lost or doubled, or something moved; record them again, or give one alone"
    )]
    Disagree {
        /// Their difference, relative to their level, in dB.
        noise_db: f64,
        /// What the noise before them would make, in dB.
        explained_db: f64,
    },
    /// The recording is silent.
    #[error("the recording is silent in every channel; check the microphone and its input")]
    Silent,
    /// A sample of the recording is NaN or infinite.
    #[error("the recording has {value} in channel {channel} at frame {frame}; record it again")]
    NotFinite {
        /// Channel, counted from 0.
        channel: usize,
        /// Frame, counted from 0.
        frame: usize,
        /// What stands there.
        value: f32,
    },
    /// The recording is clipped.
    #[error(
        "the recording is clipped: {samples} samples stand at its limit, the first at \
         {seconds:.3} s in channel {channel}, counted from 0; lower the input's gain or the \
         sweep's level and record again"
    )]
    Clipped {
        /// How many samples.
        samples: usize,
        /// Where the first is.
        seconds: f64,
        /// Its channel, counted from 0.
        channel: usize,
    },
    /// The recording is not one of this signal.
    #[error(
        "the measuring signal is not in the recording: the response's peak stands {contrast_db:.1} dB \
         above everything else, {least_db} dB are needed; {hint}"
    )]
    NotFound {
        /// Level of the peak over the mean of everything, in dB.
        contrast_db: f64,
        /// What is needed.
        least_db: f64,
        /// What may have happened.
        hint: String,
    },
    /// The recording is one of another sweep.
    #[error("the recording does not match the measuring signal: {hint}")]
    OtherSweep {
        /// What was recorded instead.
        hint: String,
    },
    /// The recording lacks a part of the signal.
    #[error(
        "the recording lacks the {side} {missing:.3} s of the measuring signal's {seconds:.3} s; \
         record all of it, with some silence before and after"
    )]
    Incomplete {
        /// `first` or `last`.
        side: &'static str,
        /// How much, in seconds.
        missing: f64,
        /// Length of the signal.
        seconds: f64,
    },
    /// The clocks differ by more than clocks do.
    #[error(
        "the recording runs {ppm:.0} ppm off the measuring signal, more than {most} ppm, \
         which no two clocks do; {hint}"
    )]
    TooMuchDrift {
        /// Drift that fits best.
        ppm: f64,
        /// Largest that is believed.
        most: f64,
        /// What may have happened.
        hint: String,
    },
    /// What was found is no impulse response.
    #[error(transparent)]
    Ir(#[from] IrError),
}
