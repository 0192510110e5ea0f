//! The face of a live session, for the thread that may wait.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::setup::{LiveError, Setup};
use super::shared::{Command, Shared};
use super::status::{Event, Path, State, Status};
use super::supervisor::Supervisor;
use crate::dsp::control::Bypass;
use crate::io::Origin;
use crate::io::port::{Port, Ports};
use crate::signal::SampleRate;

/// What may be waited for when a session ends.
const PATIENCE: Duration = Duration::from_millis(900);
/// The same while a recording is brought to its end.
const PATIENCE_RECORDING: Duration = Duration::from_secs(10);

/// A session that runs. Dropped, it ends without a word.
pub struct Live {
    shared: Arc<Shared>,
    commands: Sender<Command>,
    done: Receiver<()>,
}

/// Says that a session has ended, however it did.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.front().status.state = State::Stopped;
    }
}

impl Live {
    /// Opens the devices and lets sound pass.
    ///
    /// # Errors
    /// When a device or a response cannot be had, or they do not fit one another.
    pub fn start(setup: Setup, ports: Box<dyn Ports>) -> Result<Self, LiveError> {
        let supervisor = Supervisor::start(setup, ports, None)?;
        let shared = supervisor.shared();
        let (commands, orders) = mpsc::channel();
        let (over, done) = mpsc::channel();
        let ended = Ended(shared.clone());
        thread::spawn(move || {
            supervisor.run(&orders, &over);
            drop(ended);
            let _ = over.send(());
        });
        Ok(Self {
            shared,
            commands,
            done,
        })
    }

    /// How the session stands. Levels and loads are those since the last call.
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// What has happened since the last call.
    pub fn events(&self) -> Vec<Event> {
        self.shared.events()
    }

    /// Another response of the list; a number beyond it is told as an event.
    pub fn select(&self, index: usize) {
        self.order(Command::Select(index));
    }

    /// Appends a response to the list and selects it; one that cannot be loaded stays in the list.
    pub fn add(&self, origin: Origin) {
        self.order(Command::Add(origin));
    }

    /// Loads the chosen response again from where it came.
    pub fn reload(&self) {
        self.order(Command::Reload);
    }

    /// Sets the share of the convolved sound, held within 0 to 1.
    pub fn set_mix(&self, mix: f64) {
        let mut front = self.shared.front();
        if mix.is_finite() {
            front.status.mix = mix.clamp(0.0, 1.0);
        }
        front.hand_over();
    }

    /// Sets the gain of the convolved sound, as a factor; what is no number changes nothing.
    pub fn set_gain(&self, gain: f64) {
        let mut front = self.shared.front();
        if (gain as f32).is_finite() {
            front.status.gain = gain;
        }
        front.hand_over();
    }

    /// Takes the convolver out of the way of the sound, or back.
    pub fn bypass(&self, bypass: Bypass) {
        let mut front = self.shared.front();
        front.status.bypass = bypass;
        front.hand_over();
    }

    /// Begins to record what is heard, or ends it. Success and failure come as events.
    pub fn record(&self, path: Option<PathBuf>) {
        self.order(Command::Record(path));
    }

    /// Fades out, closes the devices and any recording, and tells how it went, and what happened
    /// meanwhile. A device that does not let go is left behind after about a second; a disk that
    /// still writes a recording is waited for.
    pub fn stop(self) -> (Status, Vec<Event>) {
        let begun = Instant::now();
        self.order(Command::Stop);
        let records = self.shared.front().status.recording.is_some();
        let patience = if records {
            PATIENCE_RECORDING
        } else {
            PATIENCE
        };
        let recorded = self.done.recv_timeout(patience);
        if recorded.is_ok() {
            let left = PATIENCE.saturating_sub(begun.elapsed());
            let _ = self.done.recv_timeout(left);
        }
        (self.shared.status(), self.shared.events())
    }

    fn order(&self, command: Command) {
        // The thread ends only after `stop`.
        let _ = self.commands.send(command);
    }
}

/// What a loop from output to input takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The output's rate.
    pub rate: SampleRate,
    /// The round trip of each burst that came back, in frames of the output's rate.
    pub frames: Vec<f64>,
    /// The delay as it is stated.
    pub stated: Path,
    /// The microphone's end of the loop.
    pub input: Port,
    /// The loudspeaker's.
    pub output: Port,
}

/// Plays short bursts and measures how long they take through a loop from the output to the
/// input: the whole way of a sound from microphone to loudspeaker, and the loop's own.
///
/// # Errors
/// As [`Live::start`]; when nothing comes back.
pub fn measure_latency(
    setup: Setup,
    ports: Box<dyn Ports>,
    bursts: usize,
) -> Result<Measured, LiveError> {
    let mut supervisor = Supervisor::start(setup, ports, Some(bursts))?;
    let frames = supervisor.measure(bursts);
    let status = supervisor.shared().status();
    supervisor.close();
    if frames.is_empty() {
        return Err(LiveError::NoLoop { bursts });
    }
    Ok(Measured {
        rate: status.output.rate,
        frames,
        stated: status.latency,
        input: status.input,
        output: status.output,
    })
}
