//! What the audio threads tell the session: numbers behind atomics, never a wait.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::time::Duration;

use super::status::{Counts, Level, Load};
use crate::io::port::Moment;

/// A number that one thread writes and others read.
#[derive(Debug, Default)]
pub(in crate::run) struct Figure(AtomicU64);

impl Figure {
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Relaxed);
    }

    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Relaxed))
    }

    /// Follows a number that jumps about; the first one is taken as it is.
    pub fn follow(&self, value: f64, share: f64) {
        let old = self.get();
        let first = old == 0.0;
        self.set(if first {
            value
        } else {
            old + share * (value - old)
        });
    }
}

/// The largest number since the last look; never negative.
#[derive(Debug, Default)]
pub(in crate::run) struct Peak(AtomicU32);

impl Peak {
    pub fn see(&self, value: f32) {
        // The bits of floats that are not negative have the order of the floats.
        self.0.fetch_max(value.max(0.0).to_bits(), Relaxed);
    }

    pub fn take(&self) -> f32 {
        f32::from_bits(self.0.swap(0, Relaxed))
    }

    pub fn get(&self) -> f32 {
        f32::from_bits(self.0.load(Relaxed))
    }
}

/// Level of one channel.
#[derive(Debug, Default)]
pub(in crate::run) struct Meter {
    peak: Peak,
    square: Figure,
}

/// Time in which a meter's mean square follows.
const METER_SECONDS: f64 = 0.3;

impl Meter {
    fn level(&self) -> Level {
        Level {
            peak: self.peak.take(),
            rms: self.square.get().max(0.0).sqrt() as f32,
        }
    }
}

/// Levels of the channels of interleaved frames.
pub(in crate::run) fn measure(meters: &[Meter], block: &[f32], rate: f64) {
    let channels = meters.len();
    let frames = block.len() / channels.max(1);
    let share = 1.0 - (-(frames as f64) / (rate * METER_SECONDS)).exp();
    for (c, meter) in meters.iter().enumerate() {
        let (mut peak, mut sum) = (0.0f32, 0.0f64);
        let samples = block.get(c..).unwrap_or(&[]);
        for &x in samples.iter().step_by(channels) {
            peak = peak.max(x.abs());
            sum += f64::from(x) * f64::from(x);
        }
        meter.peak.see(peak);
        let old = meter.square.get();
        let mean = sum / frames.max(1) as f64;
        // What is no number does not stay.
        let new = old + share * (mean - old);
        meter.square.set(if new.is_finite() { new } else { 0.0 });
    }
}

/// One device's calls.
#[derive(Debug, Default)]
pub(in crate::run) struct Side {
    last: AtomicU64,
    calls: AtomicU64,
    /// Frames of a callback, smoothed.
    pub period: Figure,
    /// Frames of the host's word on its delay, smoothed.
    pub delay: Figure,
    pub xruns: AtomicU64,
}

impl Side {
    /// Notes a callback of so many frames.
    pub fn called(&self, moment: Moment, frames: usize, rate: f64) {
        let at = u64::try_from(moment.at.as_nanos()).unwrap_or(u64::MAX);
        self.last.store(at, Relaxed);
        let calls = self.calls.fetch_add(1, Relaxed) + 1;
        // Means at first: a server's first calls are no measure.
        let share = |least: f64| least.max(1.0 / calls as f64);
        self.period.follow(frames as f64, share(0.02));
        let delay = moment.delay.as_secs_f64() * rate;
        self.delay.follow(delay, share(0.02));
    }

    /// When the last callback was, if there was one.
    pub fn last(&self) -> Option<Duration> {
        let called = self.calls.load(Relaxed) > 0;
        called.then(|| Duration::from_nanos(self.last.load(Relaxed)))
    }
}

/// All that both halves tell of one connection.
#[derive(Debug, Default)]
pub(in crate::run) struct Stats {
    pub input: Side,
    pub output: Side,
    pub starved: AtomicU64,
    pub starved_frames: AtomicU64,
    pub overflowed_frames: AtomicU64,
    pub skipped_frames: AtomicU64,
    pub nonfinite: AtomicU64,
    pub clipped: AtomicU64,
    pub caught: AtomicU64,
    /// Frames between the callbacks, and how many are meant to be there; of the input's rate.
    pub fill: Figure,
    pub target: Figure,
    /// NaN where it is not known.
    pub drift_ppm: Figure,
    pub guard_db: Figure,
    busy: AtomicU64,
    span: AtomicU64,
    worst: Peak,
    worst_ever: Peak,
    pub input_meters: Vec<Meter>,
    pub output_meters: Vec<Meter>,
    /// Sound passes.
    pub running: AtomicBool,
    /// The session asks for silence.
    pub hush: AtomicBool,
    /// There is silence now.
    pub silent: AtomicBool,
}

impl Stats {
    pub fn new(inputs: usize, outputs: usize) -> Self {
        let meters = |count| (0..count).map(|_| Meter::default()).collect();
        let stats = Self {
            input_meters: meters(inputs),
            output_meters: meters(outputs),
            ..Self::default()
        };
        stats.drift_ppm.set(f64::NAN);
        stats
    }

    /// A callback took `busy` where it had `span`.
    pub fn worked(&self, busy: Duration, span: f64) {
        let busy = busy.as_secs_f64();
        self.busy.fetch_add((1e9 * busy) as u64, Relaxed);
        self.span.fetch_add((1e9 * span) as u64, Relaxed);
        if span > 0.0 {
            let load = (busy / span) as f32;
            self.worst.see(load);
            self.worst_ever.see(load);
        }
    }

    pub fn load(&self) -> Load {
        let (busy, span) = (self.busy.swap(0, Relaxed), self.span.swap(0, Relaxed));
        Load {
            mean: if span == 0 {
                0.0
            } else {
                busy as f32 / span as f32
            },
            worst: self.worst.take(),
            worst_ever: self.worst_ever.get(),
        }
    }

    pub fn levels(meters: &[Meter]) -> Vec<Level> {
        meters.iter().map(Meter::level).collect()
    }

    pub fn counts(&self) -> Counts {
        let get = |count: &AtomicU64| count.load(Relaxed);
        Counts {
            input_xruns: get(&self.input.xruns),
            output_xruns: get(&self.output.xruns),
            starved: get(&self.starved),
            starved_frames: get(&self.starved_frames),
            overflowed_frames: get(&self.overflowed_frames),
            skipped_frames: get(&self.skipped_frames),
            nonfinite: get(&self.nonfinite),
            clipped: get(&self.clipped),
            caught: get(&self.caught),
            reconnects: 0,
        }
    }
}
