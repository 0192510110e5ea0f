//! What a session shall do, and why it cannot.

use std::path::PathBuf;

use thiserror::Error;

use crate::dsp::control::Swap;
use crate::dsp::error::BuildError;
use crate::dsp::plan::Latency;
use crate::io::port::{Clocks, DeviceError, Direction};
use crate::io::{LoadError, Origin, WriteError};

/// What a session shall do.
#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    /// The responses that can be chosen, at least one; the first is heard first.
    pub irs: Vec<Origin>,
    /// Channels of the input device that are heard, from 0; the first two, or the only one, if
    /// not given.
    pub inputs: Option<Vec<usize>>,
    /// Channels of the output device that are played, from 0; as many as the responses make if
    /// not given, and two for a single one.
    pub outputs: Option<Vec<usize>>,
    /// Share of the convolved sound, 0 to 1.
    pub mix: f64,
    /// Gain of the convolved sound, as a factor.
    pub gain: f64,
    /// Delay of the convolved sound in seconds.
    pub predelay: f64,
    /// Delay that the convolver may have.
    pub latency: Latency,
    /// How another response takes over.
    pub swap: Swap,
    /// Holds the output within full scale, and pulls a level down that runs away.
    pub guard: bool,
    /// Seconds that shall lie between the callbacks; as few as are seen to be needed if not
    /// given.
    pub fill: Option<f64>,
    /// Whether one clock drives both devices; what the host tells if not given.
    pub clocks: Option<Clocks>,
    /// A file to which what is heard is recorded from the beginning.
    pub record: Option<PathBuf>,
    /// Recordings may replace files.
    pub replace: bool,
}

impl Default for Setup {
    /// No response yet; all wet, no gain, zero latency, with a guard.
    fn default() -> Self {
        Self {
            irs: Vec::new(),
            inputs: None,
            outputs: None,
            mix: 1.0,
            gain: 1.0,
            predelay: 0.0,
            latency: Latency::Zero,
            swap: Swap::Warm,
            guard: true,
            fill: None,
            clocks: None,
            record: None,
            replace: false,
        }
    }
}

/// Why a session cannot begin.
#[derive(Debug, Error)]
#[non_exhaustive]
#[allow(missing_docs)] // each variant's message says it
pub enum LiveError {
    #[error("a session needs an impulse response; name one, such as synth:hall")]
    NoResponse,
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Record(#[from] WriteError),
    #[error("{direction} {device}: has {channels} channel(s), channel {asked} was asked for")]
    Channel {
        direction: Direction,
        device: String,
        channels: usize,
        asked: usize,
    },
    #[error("{direction} {device}: no channel is left to use; name at least one")]
    NoChannel {
        direction: Direction,
        device: String,
    },
    #[error(
        "{given} output channel(s) were named, the responses make {made}; name as many, or leave them out"
    )]
    Outputs { given: usize, made: usize },
    #[error("{irs}: {source}")]
    Build { irs: String, source: BuildError },
    #[error("{what} of {seconds} s is more than {most} s; choose less")]
    TooMuch {
        what: &'static str,
        seconds: f64,
        most: f64,
    },
    #[error("from {from} to {to} Hz: the resampler cannot do that: {why}; choose rates with -r")]
    Rates { from: u32, to: u32, why: String },
    #[error(
        "none of {bursts} bursts came back to the input; connect the output to it, or raise the level"
    )]
    NoLoop { bursts: usize },
}
