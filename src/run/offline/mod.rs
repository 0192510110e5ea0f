//! File to file: one pass over any length in constant memory.
//!
//! The result is defined on the time line of the full convolution. With x the input of N frames,
//! h the impulse response of M frames and P the pre-delay,
//!
//! ```text
//! full[n] = gain * (dry * x[n] + wet * (x * h)[n - P]),    0 <= n < N + P + M - 1
//! ```
//!
//! so the dry signal is as if the response began with an impulse at 0, and the pre-delay as if it
//! began with P frames of silence. The mode is cut out of this sum, with M + P for the length of
//! the response: `same` begins at frame (min(N, M + P) - 1) / 2, dry and wet alike, so the two
//! keep their distance whatever the mode is. The tail is what lies at N and behind.
//!
//! Other responses may take over at frames of the input, by the same code that exchanges them live.
//!
//! A result that nobody waits for is computed in large blocks on all cores ([`StoredConvolver`]);
//! one that somebody listens to meanwhile, or whose responses change, block by block as it comes.
//!
//! [`StoredConvolver`]: crate::dsp::stored::StoredConvolver

mod delivery;
mod error;
mod ready;
mod session;
mod shape;
mod stored;
mod swaps;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::dsp::control::Swap;
use crate::dsp::mode::Mode;
use crate::dsp::plan::Latency;
use crate::dsp::routing::Routing;
use crate::io::{Levels, Replaced};
use crate::ir::ImpulseResponse;
use crate::signal::SampleRate;

pub use error::RunError;
pub use ready::Ready;
pub use session::Session;

/// How much of what sounds on after the input's end is kept, in mode `full`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Tail {
    /// All of it: pre-delay and length of the response, less one frame. Where responses take over
    /// from others, it is the last one's, and more only as long as the others are heard.
    #[default]
    Full,
    /// None: the result is as long as the input.
    Cut,
    /// So many seconds, or less where the full tail is shorter.
    Seconds(f64),
    /// Up to the last frame in which some channel reaches this level in dB, relative to the peak
    /// of the whole result. Quiet stretches are held back until something louder follows, so this
    /// takes memory for the tail at most.
    Down(f64),
}

/// What is to be done with a source and an impulse response.
///
/// ```
/// use faltung::run::{Render, Tail};
/// let half = Render { dry: 0.5, wet: 0.5, tail: Tail::Down(-60.0), ..Render::default() };
/// # let _ = half;
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Render {
    /// Part of the full convolution to keep.
    pub mode: Mode,
    /// What is kept after the input's end; anything but [`Tail::Full`] in mode `full` only.
    pub tail: Tail,
    /// Factor of the input itself in the result.
    pub dry: f64,
    /// Factor of the convolved input in the result.
    pub wet: f64,
    /// Factor of the whole result.
    pub gain: f64,
    /// Seconds by which the convolved input comes later.
    pub predelay: f64,
    /// How responses connect inputs with outputs; by the channel counts if not given.
    pub routing: Option<Routing>,
    /// Delay inside a convolver that runs as a stream, which the result does not show; always none
    /// where responses take over from others. If not given, whole blocks are computed at once,
    /// which costs least.
    pub latency: Option<Latency>,
    /// Hands out every frame as soon as its input is there, at the price of speed: for a pipe that
    /// somebody listens to.
    pub immediate: bool,
    /// Threads that compute; as many as there are cores if not given. The result is the same to
    /// the bit.
    pub threads: Option<usize>,
    /// Lowers a result that exceeds full scale instead of refusing it.
    pub guard: bool,
}

impl Default for Render {
    /// All wet, full tail, no gain.
    fn default() -> Self {
        Self {
            mode: Mode::Full,
            tail: Tail::Full,
            dry: 0.0,
            wet: 1.0,
            gain: 1.0,
            predelay: 0.0,
            routing: None,
            latency: None,
            immediate: false,
            threads: None,
            guard: false,
        }
    }
}

/// Another response, and when it takes over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SwapAt<'a> {
    /// Frame of the input, counted from 0.
    pub frame: u64,
    /// As many channels as the first response.
    pub ir: &'a ImpulseResponse,
    /// What becomes of the response before it.
    pub swap: Swap,
}

/// What was done.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// Rate of input and result.
    pub rate: SampleRate,
    /// Frames read.
    pub frames_in: u64,
    /// Frames written.
    pub frames_out: u64,
    /// Frames of the result after the input's end; 0 in modes `same` and `valid`.
    pub tail: u64,
    /// Gain in dB that was applied to the whole result, the guard's included.
    pub gain_db: f64,
    /// Gain in dB that the guard found necessary; 0 where it was not.
    pub guard_db: f64,
    /// Level, clipping and dither of what was written.
    pub levels: Levels,
    /// Input samples that were no numbers.
    pub replaced: Replaced,
    /// Swaps that were made, in the order of time; the input ended before the others.
    pub swaps: usize,
    /// Threads that computed.
    pub threads: usize,
    /// Time taken.
    pub elapsed: Duration,
}

/// A factor in dB; the sign is lost.
pub(super) fn to_db(factor: f64) -> f64 {
    20.0 * factor.abs().log10()
}

pub(super) fn from_db(db: f64) -> f64 {
    10f64.powf(db / 20.0)
}
