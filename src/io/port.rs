//! Audio ports: what a live session asks of a pair of devices, whoever provides them.
//!
//! The callbacks see interleaved `f32`, whatever the device's own format is, and the time of a
//! clock that both share. They run on the devices' own threads, in real time.

use std::time::Duration;

use thiserror::Error;

use super::SampleFormat;
use crate::signal::SampleRate;

/// One direction of a device as it was opened, or will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The host it was reached through, such as `jack`; empty for none.
    pub host: String,
    /// The device's name.
    pub device: String,
    /// Frames per second.
    pub rate: SampleRate,
    /// Channels of the device.
    pub channels: usize,
    /// Frames of a callback as ordered; none where the device decides.
    pub period: Option<usize>,
    /// How the device stores a sample.
    pub format: SampleFormat,
}

/// Whether input and output count frames by the same clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Clocks {
    /// One clock: as many frames come in as go out, for ever.
    One,
    /// Two clocks, which drift apart.
    Two,
}

/// The devices of a session, looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The microphone.
    pub input: Port,
    /// The loudspeaker.
    pub output: Port,
    /// As far as the host tells.
    pub clocks: Clocks,
    /// One cycle calls both, one after the other or side by side.
    pub lockstep: bool,
    /// What was settled otherwise than asked, for people.
    pub notices: Vec<String>,
}

/// Which way sound flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the device.
    Input,
    /// To the device.
    Output,
}

impl std::fmt::Display for Direction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Input => "input",
            Self::Output => "output",
        })
    }
}

/// What a device tells beside its callbacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What follows from it.
    pub kind: FaultKind,
    /// What the host said.
    pub text: String,
}

/// What follows from a [`Fault`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The device was not served in time; it goes on.
    Xrun,
    /// The stream is of no use any more and must be opened again.
    Lost,
    /// Worth telling; nothing follows.
    Notice,
}

/// When a callback is, and where its frames are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moment {
    /// When it began, since the ports were made.
    pub at: Duration,
    /// How long ago, as the host says, its first frame was at the microphone; or how long it will
    /// take to the loudspeaker. 0 where the host does not know.
    pub delay: Duration,
}

/// Takes what was recorded: interleaved frames of all the device's channels.
pub type OnInput = Box<dyn FnMut(&[f32], Moment) + Send>;
/// Gives what shall be played, likewise; the buffer comes filled with silence.
pub type OnOutput = Box<dyn FnMut(&mut [f32], Moment) + Send>;
/// Hears of faults, on a thread of the host's.
pub type OnFault = Box<dyn FnMut(Fault) + Send>;

/// A pair of devices, or something that acts as one.
///
/// A session looks for them, opens both streams, starts them, and drops the streams to end; after
/// a fault it begins anew.
pub trait Ports: Send {
    /// Looks for the devices and settles how they will be opened.
    ///
    /// # Errors
    /// When there are none, or none such.
    fn find(&mut self) -> Result<Pair, DeviceError>;

    /// Opens the input as the last [`find`](Self::find) settled it. It may run at once.
    ///
    /// # Errors
    /// When the device refuses.
    fn open_input(
        &mut self,
        on_input: OnInput,
        on_fault: OnFault,
    ) -> Result<Box<dyn Stream>, DeviceError>;

    /// Opens the output likewise.
    ///
    /// # Errors
    /// When the device refuses.
    fn open_output(
        &mut self,
        on_output: OnOutput,
        on_fault: OnFault,
    ) -> Result<Box<dyn Stream>, DeviceError>;

    /// The time that callbacks are told.
    fn now(&self) -> Duration;
}

/// An open stream. To drop it closes it, which may take long when the device has gone.
pub trait Stream: Send {
    /// Lets the callbacks begin.
    ///
    /// # Errors
    /// When the device refuses.
    fn start(&self) -> Result<(), DeviceError>;

    /// Frames of a callback, where the device tells.
    fn period(&self) -> Option<usize>;
}

/// Why a device cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
#[allow(missing_docs)] // each variant's message says it
pub enum DeviceError {
    #[error("there is no host `{name}` here; choose one of {known} (see `faltung devices`)")]
    UnknownHost { name: String, known: String },
    #[error("host {host} cannot be reached: {why}; start it, or choose another with --host")]
    HostGone { host: String, why: String },
    #[error("host {host} has no {direction} device; connect one, or choose another with --host")]
    None { host: String, direction: Direction },
    #[error("no {direction} device of host {host} matches `{name}`; there are {candidates}")]
    Unknown {
        host: String,
        direction: Direction,
        name: String,
        candidates: String,
    },
    #[error(
        "`{name}` matches several {direction} devices of host {host}: {candidates}; write more of the name, or its number"
    )]
    Ambiguous {
        host: String,
        direction: Direction,
        name: String,
        candidates: String,
    },
    #[error("{direction} {device}: {what}; it offers {offers}")]
    Unsupported {
        direction: Direction,
        device: String,
        what: String,
        offers: String,
    },
    #[error("{direction} {device}: cannot be opened: {why}")]
    Refused {
        direction: Direction,
        device: String,
        why: String,
    },
}
