//! Why a session failed.

use thiserror::Error;

use crate::dsp::control::ControlError;
use crate::dsp::error::BuildError;
use crate::dsp::mode::Mode;
use crate::io::{ReadError, WriteError};
use crate::signal::SampleRate;

/// Why a session failed.
#[derive(Debug, Error)]
#[non_exhaustive]
#[allow(missing_docs)] // each variant's message says it
pub enum RunError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("{input} with {ir}: {source}")]
    Build {
        input: String,
        ir: String,
        source: BuildError,
    },
    #[error("{ir}: has {ir_rate} where {input} has {rate}; resample it first")]
    Rates {
        ir: String,
        ir_rate: SampleRate,
        input: String,
        rate: SampleRate,
    },
    #[error(
        "{input}: has {channels} channel(s) where {ir} was made ready for {expected}; make it ready for {channels}"
    )]
    Inputs {
        input: String,
        channels: usize,
        ir: String,
        expected: usize,
    },
    #[error(
        "{inputs} dry channels have no place in {outputs} output channels; leave the dry signal out"
    )]
    Dry { inputs: usize, outputs: usize },
    #[error(
        "the tail is part of mode full; mode {mode} has none to shorten, so leave one of them out"
    )]
    TailOfMode { mode: Mode },
    #[error(
        "mode {mode} goes by the length of one response, so nothing can be swapped there; render in mode full"
    )]
    SwapInMode { mode: Mode },
    #[error(
        "{ir}: has {channels} channel(s) where {first} has {expected}; swap between responses of equally many"
    )]
    SwapChannels {
        ir: String,
        channels: usize,
        first: String,
        expected: usize,
    },
    #[error("{one} and {other}: both take over at frame {frame} of the input; move one of them")]
    SwapTwice {
        frame: u64,
        one: String,
        other: String,
    },
    #[error("{ir}: cannot take over at frame {frame} of the input: {source}")]
    Swap {
        ir: String,
        frame: u64,
        source: ControlError,
    },
    #[error(
        "{file}: the result exceeds full scale in {clipped} sample(s), peak {peak_db:+.1} dB; nothing was delivered; a gain of {gain_db:.1} dB fits, the guard applies it, and floats hold it as it is where the kind of file has them"
    )]
    OverFullScale {
        file: String,
        clipped: u64,
        peak_db: f64,
        gain_db: f64,
    },
    #[error(
        "{file}: {count} value(s) of the result are beyond what a float can hold; nothing was delivered; lower the input or the impulse response"
    )]
    Overflow { file: String, count: u64 },
    #[error(transparent)]
    Augment(#[from] crate::run::augment::AugmentError),
}
