//! What can go wrong with a file that is to be reverberated, beside reading, running and writing.

use thiserror::Error;

use crate::dsp::mode::Mode;
use crate::ir::IrError;
use crate::signal::SampleRate;

/// Why a file could not be reverberated.
#[derive(Debug, Error)]
#[non_exhaustive]
#[allow(missing_docs)] // each variant's message says it
pub enum AugmentError {
    #[error(
        "mode {mode} cuts the result by the response's length; here the length decides, full or same, so use mode full"
    )]
    Mode { mode: Mode },
    #[error(
        "the dry signal lies at its place already, and moving the result to the direct sound would move it away; leave out the dry signal or the alignment"
    )]
    DryAligned,
    #[error(
        "{seconds} s is no length for the early part of a response; give a time behind the direct sound, such as 0.05"
    )]
    EarlyLength { seconds: f64 },
    #[error(
        "{file}: how long the early part of the response is was not said; give a time behind the direct sound, such as 0.05"
    )]
    EarlyUnsaid { file: String },
    #[error(
        "{file}: has {channels} channel(s) where the response was made ready for {expected}; make it ready for {channels}"
    )]
    Channels {
        file: String,
        channels: usize,
        expected: usize,
    },
    #[error(
        "{file}: is silent for all of the {seconds:.3} s from {from:.3} s on, so no gain gives an SNR of {snr_db} dB; choose another place or another noise"
    )]
    NoiseSilent {
        file: String,
        from: f64,
        seconds: f64,
        snr_db: f64,
    },
    #[error("{file}: a noise cannot begin at {place} of its length; give a share from 0 to 1")]
    NoisePlace { file: String, place: f64 },
    #[error("{file}: an SNR of {snr_db} dB cannot be made; give one from -200 to 200")]
    Snr { file: String, snr_db: f64 },
    #[error("{file}: cannot be brought from {from} to {to}: {cause}; resample it first")]
    NoiseRate {
        file: String,
        from: SampleRate,
        to: SampleRate,
        cause: String,
    },
    #[error("{ir}: its early part cannot be cut out: {source}")]
    Cut { ir: String, source: IrError },
}
