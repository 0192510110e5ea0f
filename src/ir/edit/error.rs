//! Why an operation was not carried out.

use thiserror::Error;

use super::counted;
use crate::ir::IrError;
use crate::ir::decay::Unjudged;
use crate::ir::units::UnitError;
use crate::signal::SampleRate;

/// Why a response was not changed.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum EditError {
    /// No operation has this name.
    #[error("there is no operation `{name}`; known are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// All names.
        known: String,
    },
    /// An operation was given values it does not take, or lacks those it needs.
    #[error("`{operation}`: {problem}; write for example `{example}`")]
    Usage {
        /// What was written.
        operation: String,
        /// What is wrong with it.
        problem: String,
        /// An operation that works.
        example: &'static str,
    },
    /// A number of an operation could not be read.
    #[error("`{operation}`: {source}")]
    Unit {
        /// What was written.
        operation: String,
        /// The number, and an example.
        source: UnitError,
    },
    /// There is nothing to work on.
    #[error("{operation}: all taps are 0, and nothing tells where the sound is or how loud")]
    Silent {
        /// Name of the operation.
        operation: &'static str,
    },
    /// No decay was found in the response.
    #[error("{operation}: no decay can be judged: {source}")]
    Unjudged {
        /// Name of the operation.
        operation: &'static str,
        /// Why not.
        source: Unjudged,
    },
    /// A filter's frequency lies where the rate has none.
    #[error(
        "{operation}: {hz} Hz is not below {nyquist} Hz, half of the rate {rate}; \
         choose a lower frequency or resample first"
    )]
    AboveNyquist {
        /// Name of the operation.
        operation: &'static str,
        /// Frequency that was asked for.
        hz: f64,
        /// Half of the rate in Hz.
        nyquist: f64,
        /// Rate of the response.
        rate: SampleRate,
    },
    /// The operation is for another number of channels.
    #[error("{operation} needs {needs} channels, the response has {}", counted(*channels, "channel"))]
    Channels {
        /// Name of the operation.
        operation: &'static str,
        /// Numbers of channels that it takes.
        needs: &'static str,
        /// Channels of the response.
        channels: usize,
    },
    /// A channel that is not there was asked for.
    #[error("channel {channel} does not exist, the response has {}; count from 1", counted(*channels, "channel"))]
    NoSuchChannel {
        /// Channel, counted from 1.
        channel: usize,
        /// How many there are.
        channels: usize,
    },
    /// Two responses do not fit together.
    #[error(
        "mix: {this} and {other} do not fit together; bring both to one rate and to the same \
         number of channels, or one of them to a single channel"
    )]
    Mismatch {
        /// Channels and rate of the response.
        this: String,
        /// Channels and rate of the other one.
        other: String,
    },
    /// The result would be longer than is sensible.
    #[error(
        "{operation}: the result would be {seconds:.1} s long, more than {most} s; choose less"
    )]
    TooLong {
        /// Name of the operation.
        operation: &'static str,
        /// Length it would have.
        seconds: f64,
        /// Length it may have.
        most: f64,
    },
    /// A target curve makes no sense.
    #[error(
        "the target curve cannot be used: {problem}; it needs lines such as `100 -3.5`, Hz and dB"
    )]
    Curve {
        /// What is wrong with it.
        problem: String,
    },
    /// A response or a curve that the operation names could not be had.
    #[error("{operation}: {cause}")]
    Missing {
        /// Name of the operation.
        operation: &'static str,
        /// Why not.
        cause: String,
    },
    /// The result cannot be an impulse response, or the response could not be resampled.
    #[error(transparent)]
    Response(#[from] IrError),
    /// A tap became larger than f32 holds.
    #[error("`{operation}`: a tap outgrows 32-bit floats; ask for less gain")]
    Overflow {
        /// What was written.
        operation: String,
    },
}
