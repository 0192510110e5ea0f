//! What both sides of a session see: the one that holds it, and the thread that watches.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::stats::{Side, Stats};
use super::status::{Event, Load, Path, Status, What};
use crate::dsp::control::Control;
use crate::io::Origin;

/// Events that are kept for whoever asks.
const EVENTS: usize = 1000;

/// What both sides of a session see; the audio threads never do.
pub(super) struct Shared {
    front: Mutex<Front>,
    events: Mutex<VecDeque<Event>>,
    begun: Instant,
}

/// How things stand, and who knows the rest.
pub(super) struct Front {
    /// All but what the audio threads tell; of counts and loads, those of earlier connections.
    pub status: Status,
    pub stats: Arc<Stats>,
    pub control: Option<Control<f32>>,
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
        let stats = &front.stats;
        let mut now = front.status.clone();
        let (in_rate, out_rate) = (now.input.rate.hz(), now.output.rate.hz());
        let scale = f64::from(out_rate) / f64::from(in_rate);
        let period = |side: &Side, ordered: Option<usize>| match side.period.get() {
            0.0 => ordered.unwrap_or(0) as f64,
            seen => seen,
        };
        let input_period = period(&stats.input, now.input.period);
        let output_period = period(&stats.output, now.output.period);
        let fill = stats.fill.get();
        // The fill counts what the input has not delivered yet and what the resampler holds.
        let ring = scale * (fill - input_period) - now.latency.resampler;
        now.latency = Path {
            input: scale * input_period.max(stats.input.delay.get()),
            ring: ring.max(0.0),
            output: output_period.max(stats.output.delay.get()),
            ..now.latency
        };
        now.time = self.time();
        now.fill = fill;
        now.target = stats.target.get();
        now.drift_ppm = Some(stats.drift_ppm.get()).filter(|drift| drift.is_finite());
        let load = stats.load();
        now.load = Load {
            worst_ever: load.worst_ever.max(now.load.worst_ever),
            ..load
        };
        now.input_levels = Stats::levels(&stats.input_meters);
        now.output_levels = Stats::levels(&stats.output_meters);
        now.counts = now.counts + stats.counts();
        now.guard_db = now.guard_db.map(|_| stats.guard_db.get());
        let control = front.control.as_ref().and_then(|c| c.status().ok());
        now.ir.pending |= control.is_some_and(|control| control.is_pending());
        now
    }
}

impl Front {
    /// Passes settings on to the convolver. One that has just gone with its device gets them
    /// when it is built anew.
    pub fn hand_over(&self) {
        if let Some(control) = &self.control {
            let _ = control.set_mix(self.status.mix);
            let _ = control.set_gain(self.status.gain);
            let _ = control.bypass(self.status.bypass);
        }
    }
}
