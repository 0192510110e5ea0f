//! What a measurement shall do, and why it cannot.

use thiserror::Error;

use super::deck::{Disturbance, TakeError};
use crate::ir::IrError;
use crate::ir::measure::{MeasureError, SweepSetup};

/// What shall be measured, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    /// The sweep; its rate becomes the output's.
    pub sweep: SweepSetup,
    /// Channels of the input device, from 0.
    pub inputs: Vec<usize>,
    /// Channels of the output device, from 0, measured one after the other. The response has a
    /// channel for each input, of the first output; then those of the second, and so on: for two
    /// and two LL, LR, RL, RR, which is true stereo.
    pub outputs: Vec<usize>,
    /// When frame 0 of the response is.
    pub zero: Zero,
    /// How often a take that was disturbed is made, at most.
    pub tries: usize,
}

/// When frame 0 of a response is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Zero {
    /// 5 ms before the first sound: when it was sent is not known.
    Onset,
    /// When the sound was sent, if the devices take no longer than their hosts state, and so many
    /// frames of the input's rate.
    Sent(f64),
    /// When it came to this channel of the input device, to which the output is cabled.
    Loopback {
        /// From 0.
        channel: usize,
        /// Whether what the loop does to the sound, in level and colour, is taken away, too.
        divide: bool,
    },
}

/// Why there is no response.
#[derive(Debug, Error)]
#[non_exhaustive]
#[allow(missing_docs)] // each variant's message says it
pub enum MeasuringError {
    #[error(transparent)]
    Take(#[from] TakeError),
    #[error(transparent)]
    Sweep(#[from] MeasureError),
    #[error(transparent)]
    Response(#[from] IrError),
    #[error("no input is left beside the loopback on channel {channel}; name others")]
    NoInput { channel: usize },
    #[error(
        "input channel {channel} would clip: the sweep would reach {reached:+.1} dB of full scale; lower the level by {by:.0} dB, or turn the input down"
    )]
    WouldClip {
        channel: usize,
        reached: f64,
        by: f64,
    },
    #[error(
        "input channel {channel} is clipped: {samples} samples are at full scale, the first at {seconds:.2} s; lower the level, or turn the input down"
    )]
    Clipped {
        channel: usize,
        samples: usize,
        seconds: f64,
    },
    #[error(
        "nothing came back on input channel {channel}: not a sample differs from 0; see whether the microphone is on that channel and not muted"
    )]
    Silent { channel: usize },
    #[error(
        "input channel {channel} hardly hears output channel {output}: the response stands out by {prominence:.0} dB, {least:.0} are needed; see that both are connected, or raise the level"
    )]
    Unheard {
        channel: usize,
        output: usize,
        prominence: f64,
        least: f64,
    },
    #[error(
        "input channel {channel}, the loopback, hardly hears the sweep: its response stands out by {prominence:.0} dB, {least:.0} are needed; see whether the cable leads there"
    )]
    NoLoop {
        channel: usize,
        prominence: f64,
        least: f64,
    },
    #[error(
        "all of {tries} takes were disturbed, the last by this: {last}; close what keeps the machine busy, or choose a longer period"
    )]
    Disturbed { tries: usize, last: Disturbance },
}
