//! The face of a live session, for the thread that may wait.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;

use super::stats::Stats;
use super::status::{Counts, Event, Heard, Path, Recording, State, Status, What};
use super::supervisor::Supervisor;
use crate::dsp::control::{Bypass, Control, Swap};
use crate::dsp::error::BuildError;
use crate::dsp::plan::Latency;
use crate::io::port::{Clocks, DeviceError, Direction, Pair, Port, Ports};
use crate::io::{LoadError, Origin, WriteError};
use crate::signal::SampleRate;

/// What may be waited for when a session ends.
const PATIENCE: Duration = Duration::from_millis(900);
/// The same while a recording is brought to its end.
const PATIENCE_RECORDING: Duration = Duration::from_secs(10);
/// Events that are kept for whoever asks.
const EVENTS: usize = 1000;

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
        self.0.front().state = State::Stopped;
    }
}

/// What both sides of a session see; the audio threads never do.
pub(super) struct Shared {
    front: Mutex<Front>,
    events: Mutex<VecDeque<Event>>,
    begun: Instant,
}

/// How things stand, but for what the audio threads count.
pub(super) struct Front {
    pub state: State,
    pub pair: Pair,
    pub clocks: Clocks,
    pub inputs: Vec<usize>,
    pub outputs: Vec<usize>,
    pub routing: String,
    /// Frames of the output's rate.
    pub engine_latency: f64,
    /// Frames of the input's rate.
    pub resampler_delay: f64,
    pub stats: Arc<Stats>,
    pub control: Option<Control<f32>>,
    /// What earlier connections counted.
    pub past: Counts,
    pub worst_load: f32,
    pub last_dropout: Option<Duration>,
    pub guard: bool,
    pub irs: Vec<String>,
    pub ir: Heard,
    pub mix: f64,
    pub gain: f64,
    pub bypass: Bypass,
    pub recording: Option<Recording>,
}

/// What the session's own thread is asked to do.
pub(super) enum Command {
    Select(usize),
    Add(Origin),
    Reload,
    Record(Option<PathBuf>),
    Stop,
}

impl Shared {
    pub fn new(front: Front) -> Self {
        Self {
            front: Mutex::new(front),
            events: Mutex::default(),
            begun: Instant::now(),
        }
    }

    pub fn front(&self) -> MutexGuard<'_, Front> {
        self.front.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn time(&self) -> Duration {
        self.begun.elapsed()
    }

    pub fn tell(&self, what: What) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if events.len() == EVENTS {
            events.pop_front();
        }
        let at = self.time();
        events.push_back(Event { at, what });
    }

    fn events(&self) -> Vec<Event> {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.drain(..).collect()
    }

    fn status(&self) -> Status {
        let front = self.front();
        let (stats, pair) = (&front.stats, &front.pair);
        let (in_rate, out_rate) = (pair.input.rate.hz(), pair.output.rate.hz());
        let scale = f64::from(out_rate) / f64::from(in_rate);
        let period = |side: &super::stats::Side, ordered: Option<usize>| match side.period.get() {
            0.0 => ordered.unwrap_or(0) as f64,
            seen => seen,
        };
        let input_period = period(&stats.input, pair.input.period);
        let output_period = period(&stats.output, pair.output.period);
        let fill = stats.fill.get();
        // The fill counts what the input has not delivered yet and what the resampler holds.
        let latency = Path {
            input: scale * input_period.max(stats.input.delay.get()),
            ring: scale * (fill - input_period - front.resampler_delay).max(0.0),
            resampler: scale * front.resampler_delay,
            engine: front.engine_latency,
            output: output_period.max(stats.output.delay.get()),
        };
        let mut load = stats.load();
        load.worst_ever = load.worst_ever.max(front.worst_load);
        let drift = stats.drift_ppm.get();
        let pending = front.control.as_ref().and_then(|c| c.status().ok());
        let pending = pending.is_some_and(|status| status.is_pending());
        Status {
            state: front.state,
            time: self.time(),
            input: pair.input.clone(),
            output: pair.output.clone(),
            inputs: front.inputs.clone(),
            outputs: front.outputs.clone(),
            routing: front.routing.clone(),
            clocks: front.clocks,
            latency,
            fill,
            target: stats.target.get(),
            drift_ppm: Some(drift).filter(|drift| drift.is_finite()),
            load,
            input_levels: Stats::levels(&stats.input_meters),
            output_levels: Stats::levels(&stats.output_meters),
            counts: sum(front.past, stats.counts()),
            last_dropout: front.last_dropout,
            guard_db: front.guard.then(|| stats.guard_db.get()),
            irs: front.irs.clone(),
            ir: Heard {
                pending: front.ir.pending || pending,
                ..front.ir.clone()
            },
            mix: front.mix,
            gain: front.gain,
            bypass: front.bypass,
            recording: front.recording.clone(),
        }
    }
}

/// What two connections counted together.
pub(super) fn sum(a: Counts, b: Counts) -> Counts {
    Counts {
        input_xruns: a.input_xruns + b.input_xruns,
        output_xruns: a.output_xruns + b.output_xruns,
        starved: a.starved + b.starved,
        starved_frames: a.starved_frames + b.starved_frames,
        overflowed_frames: a.overflowed_frames + b.overflowed_frames,
        skipped_frames: a.skipped_frames + b.skipped_frames,
        nonfinite: a.nonfinite + b.nonfinite,
        clipped: a.clipped + b.clipped,
        caught: a.caught + b.caught,
        reconnects: a.reconnects + b.reconnects,
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
            front.mix = mix.clamp(0.0, 1.0);
        }
        front.hand_over();
    }

    /// Sets the gain of the convolved sound, as a factor; what is no number changes nothing.
    pub fn set_gain(&self, gain: f64) {
        let mut front = self.shared.front();
        if (gain as f32).is_finite() {
            front.gain = gain;
        }
        front.hand_over();
    }

    /// Takes the convolver out of the way of the sound, or back.
    pub fn bypass(&self, bypass: Bypass) {
        let mut front = self.shared.front();
        front.bypass = bypass;
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
        let records = self.shared.front().recording.is_some();
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

impl Front {
    /// Passes settings on to the convolver. One that has just gone with its device gets them
    /// when it is built anew.
    pub fn hand_over(&self) {
        if let Some(control) = &self.control {
            let _ = control.set_mix(self.mix);
            let _ = control.set_gain(self.gain);
            let _ = control.bypass(self.bypass);
        }
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
