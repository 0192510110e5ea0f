//! The loudspeaker's half: frames out of the ring, through the convolver and the guard, to the
//! device. All that is heard is made here, in the output's callback.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use ringbuf::HeapCons;
use ringbuf::traits::{Consumer, Observer};

use super::capture::Stamp;
use super::clock::Clock;
use super::guard::Guard;
use super::probe::Probe;
use super::recorder::Tape;
use super::reserve::{Call, Reserve, Start};
use super::stats::{Stats, measure};
use super::varispeed::Varispeed;
use crate::dsp::convolver::MatrixConvolver;
use crate::dsp::fade::{Fade, Ramp};
use crate::io::port::Moment;

/// Frames that are handled at a time.
const PIECE: usize = 512;
/// Seconds over which sound fades in at the beginning and out at the end.
const FADE: f64 = 0.05;
/// Frames over which the input fades around a gap.
const GAP: usize = 64;
/// Seconds too much from which frames are left out although the resampler could catch up.
const FAR: f64 = 0.1;
/// Seconds over which the least fill is looked for before anything follows from it.
const WINDOW: f64 = 4.0;

/// What makes the output out of the input.
pub(super) enum Engine {
    /// The convolver.
    Convolver(Box<MatrixConvolver<f32>>),
    /// The measurement of the latency.
    Probe(Probe),
}

impl Engine {
    fn process(&mut self, input: &[f32], output: &mut [f32]) {
        match self {
            Self::Convolver(convolver) => convolver.process_interleaved(input, output),
            Self::Probe(probe) => probe.process(input, output),
        }
    }
}

/// How one clock follows the other.
pub(super) struct Follow {
    pub clock: Clock,
    pub varispeed: Varispeed,
    /// Output frames per input frame, relative to the nominal ones.
    pub ratio: f64,
}

/// What a playback is made of.
pub(super) struct Parts {
    pub ring: HeapCons<f32>,
    pub stamps: HeapCons<Stamp>,
    pub stats: Arc<Stats>,
    pub engine: Engine,
    /// Where there are two clocks.
    pub follow: Option<Follow>,
    pub guard: Option<Guard>,
    pub tape: Tape,
    pub reserve: Reserve,
    /// Channels of input and output signal.
    pub inputs: usize,
    pub outputs: usize,
    /// Channels of the device, and those that each output signal is played on.
    pub channels: usize,
    pub speakers: Vec<Vec<usize>>,
    pub input_rate: f64,
    pub output_rate: f64,
}

/// Runs in the output's callback.
pub(super) struct Playback {
    parts: Parts,
    /// Sound was heard before: what is missing now is a gap.
    begun: bool,
    /// Frames since the input was heard again; none while it is waited for.
    since: Option<usize>,
    /// Frames taken out of the ring.
    read: u64,
    latest: Stamp,
    envelope: Ramp<f32>,
    gap: Fade<f32>,
    /// What would have been heard next where frames are left out, and the last frame that was.
    old: Vec<f32>,
    last: Vec<f32>,
    /// Frames since the ring ran dry.
    dry_for: usize,
    window: Window,
    wet: Vec<f32>,
    dry: Vec<f32>,
}

/// The least fill behind a callback.
struct Window {
    until: f64,
    lowest: f64,
}

impl Window {
    const NEW: Self = Self {
        until: f64::NEG_INFINITY,
        lowest: f64::INFINITY,
    };
}

impl Playback {
    pub fn new(parts: Parts) -> Self {
        Self {
            begun: false,
            since: None,
            read: 0,
            latest: Stamp {
                at: f64::NEG_INFINITY,
                delay: 0.0,
                total: 0,
            },
            envelope: Ramp::new(0.0, (FADE * parts.output_rate) as usize),
            gap: Fade::new(GAP),
            old: vec![0.0; GAP * parts.inputs],
            last: vec![0.0; parts.inputs],
            dry_for: usize::MAX,
            window: Window::NEW,
            dry: vec![0.0; PIECE * parts.inputs],
            wet: vec![0.0; PIECE * parts.outputs],
            parts,
        }
    }

    /// Fills what the device will play.
    pub fn call(&mut self, out: &mut [f32], moment: Moment) {
        let begun = Instant::now();
        let frames = out.len() / self.parts.channels;
        let rate = self.parts.output_rate;
        self.parts.stats.output.called(moment, frames, rate);
        self.look(moment.at.as_secs_f64(), frames);
        if self.parts.stats.hush.load(Relaxed) {
            self.envelope.to(0.0);
            let silent = self.envelope.is_closed();
            self.parts.stats.silent.store(silent, Relaxed);
        }
        let channels = self.parts.channels;
        for piece in out.chunks_mut(PIECE * channels) {
            self.piece(piece);
        }
        if let Some(guard) = &self.parts.guard {
            let db = guard.reduction_db();
            self.parts.stats.guard_db.set(f64::from(db));
        }
        let span = frames as f64 / rate;
        self.parts.stats.worked(begun.elapsed(), span);
    }

    fn held(&self) -> usize {
        self.parts.ring.occupied_len() / self.parts.inputs
    }

    /// Frames of the input that so many of the output take.
    fn takes(&self, frames: usize) -> f64 {
        frames as f64 * self.parts.input_rate / self.parts.output_rate
    }

    /// At the beginning of a callback: what the input has told, whether sound may begin, whether
    /// there is enough of it.
    fn look(&mut self, at: f64, frames: usize) {
        while let Some(stamp) = self.parts.stamps.try_pop() {
            self.latest = stamp;
            if let Some(follow) = &mut self.parts.follow {
                follow.clock.captured(stamp.at, stamp.total);
            }
        }
        let rate = self.parts.input_rate;
        let age = ((at - self.latest.at) * rate).clamp(0.0, rate);
        let takes = self.takes(frames);
        if self.since.is_none() {
            self.wait(at, age, takes);
        }
        if self.since.is_some() {
            self.follow(at, age, takes);
        }
    }

    /// What the clock counts behind an output callback, counted before it: the delay of what that
    /// callback plays first.
    fn takes_usually(&self) -> f64 {
        let period = self.parts.stats.output.period.get();
        period * self.parts.input_rate / self.parts.output_rate
    }

    fn wait(&mut self, at: f64, age: f64, takes: f64) {
        let call = Call {
            at,
            pushed: self.latest.total as f64,
            age,
            takes,
        };
        let period = self.parts.stats.input.period.get();
        let start = self.parts.reserve.wait(call, period);
        // The resampler begins with so many frames of silence, which it has taken from nowhere.
        let follow = self.parts.follow.as_ref();
        let delay = follow.map_or(0.0, |follow| follow.varispeed.delay());
        let start = start.map(|start| Start {
            fill: start.fill + delay,
            ..start
        });
        // What the account knows of: a callback of the input may be under way, and its first frames
        // in the ring already.
        let told = self.latest.total.saturating_sub(self.read) as usize;
        // Nothing that was said before sound begins is kept for long.
        let most = self.parts.ring.capacity().get() / self.parts.inputs / 2;
        let takes_usually = self.takes_usually();
        match start.filter(|start| told as f64 >= start.before.round()) {
            Some(start) => {
                self.leave_out(told - start.before.round() as usize);
                self.parts.stats.target.set(start.fill);
                self.parts.stats.fill.set(start.fill);
                if let Some(follow) = &mut self.parts.follow {
                    follow.clock.set_target(start.fill - takes_usually);
                    follow.clock.restart();
                    follow.varispeed.reset();
                }
                self.window = Window::NEW;
                self.old.fill(0.0);
                self.since = Some(0);
                self.begun = true;
                self.envelope.to(1.0);
                self.parts.stats.running.store(true, Relaxed);
            }
            None => self.leave_out(told.saturating_sub(most)),
        }
    }

    /// Drops the oldest frames of the ring.
    fn leave_out(&mut self, frames: usize) {
        let skipped = self.parts.ring.skip(frames * self.parts.inputs);
        self.read += (skipped / self.parts.inputs) as u64;
    }

    /// Leaves frames out while sound passes; what would have come fades into what comes.
    fn catch_up(&mut self, frames: f64) {
        let frames = frames as usize;
        let peeked = self.parts.ring.peek_slice(&mut self.old);
        self.old[peeked..].fill(0.0);
        self.leave_out(frames);
        self.since = Some(0);
        let skipped = &self.parts.stats.skipped_frames;
        skipped.fetch_add(frames as u64, Relaxed);
        if let Some(follow) = &mut self.parts.follow {
            follow.clock.restart();
        }
    }

    /// While sound passes: keeps the fill where it is meant to be.
    fn follow(&mut self, at: f64, age: f64, takes: f64) {
        let told = self.latest.total.saturating_sub(self.read) as f64;
        let behind = self.held() as f64 - takes;
        let takes_usually = self.takes_usually();
        let stats = &self.parts.stats;
        match &mut self.parts.follow {
            // Of a callback of the input that is under way, nothing is counted before it is told.
            None => stats.fill.follow(told + age, 0.02),
            Some(Follow {
                clock,
                varispeed,
                ratio,
            }) => {
                *ratio = clock.played(at, self.read as f64 - varispeed.held());
                stats.fill.set(clock.fill() + takes_usually);
                let drift = clock.drift_ppm();
                stats.drift_ppm.set(drift.unwrap_or(f64::NAN));
            }
        }
        let window = &mut self.window;
        window.lowest = window.lowest.min(behind);
        if at < window.until {
            return;
        }
        let first = window.until == f64::NEG_INFINITY;
        let lowest = std::mem::replace(&mut window.lowest, f64::INFINITY);
        window.until = at + WINDOW;
        if first {
            return;
        }
        let margin = self.parts.reserve.margin();
        let spare = lowest - margin;
        let period = stats.input.period.get().max(takes);
        let target = stats.target.get();
        // More gathers than is meant to be there where the output has missed callbacks.
        let excess = spare.min(stats.fill.get() - target);
        let most = match self.parts.follow {
            None => period,
            Some(_) => period.max(FAR * self.parts.input_rate),
        };
        if excess >= most {
            stats.fill.set(stats.fill.get() - excess);
            return self.catch_up(excess);
        }
        // A callback that came later than any before is remembered by a larger reserve; what is
        // never needed is given up slowly, unless it was asked for.
        if let Some(Follow {
            clock, varispeed, ..
        }) = &mut self.parts.follow
        {
            let change = match spare {
                short if short < -0.5 * margin => -short,
                much if much > 3.0 * margin && !self.parts.reserve.is_fixed() => -0.1 * much,
                _ => 0.0,
            };
            if change != 0.0 && clock.locked() {
                let target = clock.target() + change;
                clock.set_target(target);
                let fill = target + takes_usually;
                self.parts.reserve.set_fill(fill - varispeed.delay());
                self.parts.stats.target.set(fill);
            }
        }
    }

    /// A part of a callback.
    fn piece(&mut self, out: &mut [f32]) {
        let frames = out.len() / self.parts.channels;
        self.read(frames);
        let parts = &mut self.parts;
        let dry = &self.dry[..frames * parts.inputs];
        let wet = &mut self.wet[..frames * parts.outputs];
        parts.engine.process(dry, wet);
        if parts.guard.as_mut().is_some_and(|guard| guard.process(wet)) {
            parts.stats.caught.fetch_add(1, Relaxed);
        }
        if !self.envelope.is_open() {
            for frame in wet.chunks_exact_mut(parts.outputs) {
                let gain = self.envelope.next();
                frame.iter_mut().for_each(|y| *y *= gain);
            }
        }
        if parts.guard.is_none() {
            let beyond = wet.iter().filter(|y| y.abs() > 1.0).count();
            parts.stats.clipped.fetch_add(beyond as u64, Relaxed);
        }
        measure(&parts.stats.output_meters, wet, parts.output_rate);
        let (channels, outputs) = (parts.channels, parts.outputs);
        for (to, from) in out
            .chunks_exact_mut(channels)
            .zip(wet.chunks_exact(outputs))
        {
            for (speakers, &y) in parts.speakers.iter().zip(from) {
                for &speaker in speakers {
                    to[speaker] = y;
                }
            }
        }
        parts.tape.write(wet);
    }

    /// The next frames of the input at the output's rate, into `dry`. Where there are none, the
    /// last one fades out, and silence follows.
    fn read(&mut self, frames: usize) {
        let inputs = self.parts.inputs;
        let dry = &mut self.dry[..frames * inputs];
        let (ring, read) = (&mut self.parts.ring, &mut self.read);
        let (gap, old, last) = (&self.gap, &self.old, &mut self.last);
        let (since, dry_for) = (&mut self.since, &mut self.dry_for);
        let mut left = match since {
            Some(_) => ring.occupied_len() / inputs,
            None => 0,
        };
        let mut short = 0;
        let mut pull = |block: &mut [f32]| {
            let wanted = block.len() / inputs;
            let taken = left.min(wanted);
            let (there, missing) = block.split_at_mut(taken * inputs);
            ring.pop_slice(there);
            left -= taken;
            *read += taken as u64;
            if let Some(since) = since {
                let faded = there.chunks_exact_mut(inputs).zip(*since..GAP);
                for (frame, n) in faded {
                    for (x, &old) in frame.iter_mut().zip(&old[n * inputs..]) {
                        *x = gap.cross(n, old, *x);
                    }
                }
                *since = since.saturating_add(taken);
                short += wanted - taken;
            }
            if let Some(frame) = there.chunks_exact(inputs).next_back() {
                last.copy_from_slice(frame);
                *dry_for = 0;
            }
            for frame in missing.chunks_exact_mut(inputs) {
                for (x, &last) in frame.iter_mut().zip(last.iter()) {
                    *x = gap.cross(*dry_for, last, 0.0);
                }
                *dry_for = dry_for.saturating_add(1);
            }
        };
        match &mut self.parts.follow {
            None => pull(dry),
            Some(Follow {
                varispeed, ratio, ..
            }) => varispeed.fill(*ratio, dry, &mut pull),
        }
        let stats = &self.parts.stats;
        match self.since {
            None if self.begun => {
                stats.starved_frames.fetch_add(frames as u64, Relaxed);
            }
            Some(_) if short > 0 => {
                stats.starved.fetch_add(1, Relaxed);
                stats.starved_frames.fetch_add(short as u64, Relaxed);
                let period = stats.input.period.get();
                self.parts.reserve.raise(period / 2.0);
                self.since = None;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ringbuf::HeapRb;
    use ringbuf::traits::{Producer, Split};

    use super::super::recorder::Recorder;
    use super::*;
    use crate::signal::SampleRate;

    /// When the output is called, while a callback of the input puts its frames into the ring.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Order {
        Before,
        Between,
        /// All frames are there, and nothing tells of them yet.
        Untold,
        Behind,
    }

    /// An output that shares one cycle with its input, if their order is this one until sound has passed
    /// for so many cycles, and that one from then on: frames that it missed, frames that it left out, and
    /// how far the fill that was shown was from what was meant.
    fn cycles(period: usize, first: Order, changes: usize, then: Order) -> (u64, u64, f64) {
        let rate = SampleRate::new(48_000).unwrap();
        let hz = f64::from(rate.hz());
        let stats = Arc::new(Stats::new(1, 1));
        let (mut ring, out_of_ring) = HeapRb::new(48_000).split();
        let (mut stamps, out_of_stamps) = HeapRb::new(64).split();
        let mut playback = Playback::new(Parts {
            ring: out_of_ring,
            stamps: out_of_stamps,
            stats: stats.clone(),
            engine: Engine::Probe(Probe::new(1, 1, rate, 1).0),
            follow: None,
            guard: None,
            tape: Recorder::new().tape(rate, 1),
            reserve: Reserve::new(hz, None, true),
            inputs: 1,
            outputs: 1,
            channels: 1,
            speakers: vec![vec![0]],
            input_rate: hz,
            output_rate: hz,
        });
        let (half, mut out) = (vec![0.0; period / 2], vec![0.0; period]);
        let (mut total, mut passed, mut off) = (0, 0, 0.0f64);
        for cycle in 0..1000 {
            let order = if passed < changes { first } else { then };
            let moment = Moment {
                at: Duration::from_secs_f64((cycle * period) as f64 / hz),
                delay: Duration::ZERO,
            };
            let mut call = |here| {
                if here == order {
                    playback.call(&mut out, moment);
                }
            };
            call(Order::Before);
            ring.push_slice(&half);
            call(Order::Between);
            ring.push_slice(&half);
            call(Order::Untold);
            total += period as u64;
            let at = moment.at.as_secs_f64();
            let told = stamps.try_push(Stamp {
                at,
                delay: 0.0,
                total,
            });
            assert!(told.is_ok());
            stats.input.called(moment, period, hz);
            call(Order::Behind);
            if stats.running.load(Relaxed) {
                passed += 1;
                off = off.max((stats.fill.get() - stats.target.get()).abs());
            }
        }
        assert!(passed > changes + 400, "sound never begins");
        let [missed, skipped] = [&stats.starved_frames, &stats.skipped_frames];
        (missed.load(Relaxed), skipped.load(Relaxed), off)
    }

    #[test]
    fn sound_that_begins_amid_a_callback_of_the_input_lacks_nothing_later() {
        let orders = [Order::Before, Order::Between, Order::Untold, Order::Behind];
        for first in orders {
            for then in orders {
                for changes in [50, 500] {
                    let (missed, skipped, off) = cycles(1024, first, changes, then);
                    let when = format!("{first:?}, after {changes} cycles {then:?}");
                    assert_eq!((missed, skipped), (0, 0), "{when}");
                    assert!(off < 1.0, "{when}: the fill shown is off by {off} frames");
                }
            }
        }
    }
}
