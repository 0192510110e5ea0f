//! What both sides of a session see: the one that holds it, and the thread that watches.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::stats::{Side, Stats};
use super::status::{Counts, Event, Heard, Path, Recording, State, Status, What};
use crate::dsp::control::{Bypass, Control};
use crate::io::Origin;
use crate::io::port::{Clocks, Pair};

/// Events that are kept for whoever asks.
const EVENTS: usize = 1000;

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

    /// Events since the last call.
    pub fn events(&self) -> Vec<Event> {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.drain(..).collect()
    }

    /// How things stand.
    pub fn status(&self) -> Status {
        let front = self.front();
        let (stats, pair) = (&front.stats, &front.pair);
        let (in_rate, out_rate) = (pair.input.rate.hz(), pair.output.rate.hz());
        let scale = f64::from(out_rate) / f64::from(in_rate);
        let period = |side: &Side, ordered: Option<usize>| match side.period.get() {
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
