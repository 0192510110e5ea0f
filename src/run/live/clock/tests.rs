//! Two devices in simulated time, for a day in seconds; and what is heard.
//!
//! Measured at +200 ppm, the same for the other drifts within the last digit; from ten minutes on,
//! the fill against its mean (`cargo test run::live::clock -- --nocapture` prints all of it):
//!
//! | callbacks | lock | ratio rms / peak | fill |
//! | --- | --- | --- | --- |
//! | 256 frames, or 1 to 1,023 anew each time, never late | 8.5 s | 0.00 / 0.01 ppm | 0.0 frames |
//! | 256 frames, up to 1 ms late | 8.5 s | 0.22 / 0.77 ppm | 0.9 frames |
//! | and 20 ms once in 500 times | 8.5 s | 0.21 / 0.79 ppm | 0.8 frames |
//! | 1,024 frames, up to 1 ms late, 24 h | 16 s | 0.42 / 2.1 ppm | 1.9 frames |
//! | PulseAudio's pieces in and bursts out, 1 and 20 ms late, 24 h | 45 s | 0.92 / 3.5 ppm | 18 frames |
//! | 1,024 frames looked for every 10 ms | 23 s | 0.20 / 0.71 ppm | 2.6 frames |
//! | looked for every 21.3 ms | | 2.8 / 6.3 ppm (6.8 / 43 at +1000) | 1.8 frames |
//! | looked for every 21.33 ms | | 93 / 300 ppm | 540 frames |
//!
//! What remains is the callbacks' jitter below the loop's bandwidth. To lock takes as long as the
//! drift takes to be known to 20 ppm, and with 1,024 frames as long as the first fill is off.

use std::f64::consts::TAU;

use super::super::varispeed::Varispeed;
use super::*;

/// xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn frames(&mut self, least: u64, most: u64) -> u64 {
        least + (self.next() * (most - least + 1) as f64) as u64
    }

    fn between(&mut self, least: f64, most: f64) -> f64 {
        least + self.next() * (most - least)
    }
}

/// When callbacks come, and how large they are.
#[derive(Debug, Clone, Copy)]
enum Calls {
    /// As soon as so many frames are there.
    Fixed(u64),
    /// As soon as so many frames are there, from 1 to 1,023 anew each time.
    Random,
    /// A server looks every 5 to 40 ms, and passes what is there in pieces of 1 to 1,023 frames.
    Pieces,
    /// A server looks every 5 to 60 ms, and asks for 1,032 to 2,048 frames as often as there is
    /// room.
    Bursts,
    /// A server looks at this even interval in seconds for so many frames: its callbacks are late
    /// by a sawtooth, the slower the nearer the interval is to the frames' time.
    Beat(u64, f64),
}

/// How late they are besides.
#[derive(Debug, Clone, Copy)]
enum Late {
    Never,
    /// Up to a millisecond, evenly.
    Milli,
    /// The same, and 20 ms once in 500 times.
    Spikes,
}

/// A device's clock and its callbacks.
struct Device {
    rate: f64,
    /// Millionths by which it is faster, and by which it becomes so per second.
    ppm: f64,
    ramp: f64,
    calls: Calls,
    late: Late,
    /// From when until when no callback comes.
    stall: (f64, f64),
    /// When so many frames are lost.
    loss: (f64, f64),
    random: Random,
    /// Frames of all callbacks so far.
    total: u64,
    /// When the server looked, or the last callback was due.
    look: f64,
    /// When the last callback came.
    last: f64,
}

impl Device {
    fn new(rate: f64, ppm: f64, (calls, late): (Calls, Late), seed: u64) -> Self {
        Self {
            rate,
            ppm,
            ramp: 0.0,
            calls,
            late,
            stall: (0.0, 0.0),
            loss: (f64::INFINITY, 0.0),
            random: Random(0x9E37_79B9_7F4A_7C15 ^ seed),
            total: 0,
            look: 0.0,
            last: 0.0,
        }
    }

    /// Frames that its clock has counted, less those that were lost.
    fn position(&self, time: f64) -> f64 {
        let (when, frames) = self.loss;
        let lost = if time < when { 0.0 } else { frames };
        self.rate * time * (1.0 + 1e-6 * (self.ppm + 0.5 * self.ramp * time)) - lost
    }

    /// When it has counted so many frames.
    fn time(&self, frames: f64) -> f64 {
        let lost = if self.look < self.loss.0 {
            0.0
        } else {
            self.loss.1
        };
        let mut time = self.look;
        for _ in 0..3 {
            let speed = 1.0 + 1e-6 * (self.ppm + 0.5 * self.ramp * time);
            time = (frames + lost) / self.rate / speed;
        }
        time
    }

    fn there(&self) -> u64 {
        (self.position(self.look) as u64).saturating_sub(self.total)
    }

    /// The next callback: when, and how many frames.
    fn next(&mut self) -> (f64, u64) {
        let frames = match self.calls {
            Calls::Fixed(frames) | Calls::Beat(frames, _) => frames,
            Calls::Random => self.random.frames(1, 1023),
            Calls::Pieces => {
                while self.there() == 0 {
                    self.look = self.look.max(self.last) + self.random.between(0.005, 0.04);
                }
                self.random.frames(1, 1023).min(self.there())
            }
            Calls::Bursts => {
                while self.there() < 1032 {
                    self.look = self.look.max(self.last) + self.random.between(0.005, 0.06);
                }
                self.random.frames(1032, self.there().min(2048))
            }
        };
        self.total += frames;
        match self.calls {
            Calls::Fixed(_) | Calls::Random => self.look = self.time(self.total as f64),
            Calls::Beat(_, every) => {
                let due = self.time(self.total as f64);
                if due > self.look {
                    self.look = (due / every).ceil() * every;
                }
            }
            Calls::Pieces | Calls::Bursts => {}
        }
        let late = match self.late {
            Late::Never => 0.0,
            Late::Spikes if self.random.next() < 0.002 => 0.02,
            Late::Milli | Late::Spikes => 1e-3 * self.random.next(),
        };
        let mut time = self.look + late;
        if time > self.stall.0 && time < self.stall.1 {
            time = self.stall.1;
        }
        // One thread serves them all.
        self.last = time.max(self.last + 50e-6);
        (self.last, frames)
    }
}

/// What there is to see at an output callback.
struct Moment {
    at: f64,
    /// The ratio against the right one, in ppm.
    error: f64,
    /// The fill by the devices' true clocks, in input frames.
    fill: f64,
    /// Input frames in the ring after the callback has read.
    left: f64,
}

/// Two devices and the ring between them.
struct Pair {
    input: Device,
    output: Device,
    clock: Clock,
    random: Random,
    /// The computer's clock is fast by so many millionths from then on.
    slew: (f64, f64),
    /// Share of the input callbacks of which the clock is not told, and how many others wait.
    lost: f64,
    waiting: Vec<(f64, u64)>,
    pushed: u64,
    read: f64,
    capture: (f64, u64),
    started: bool,
}

const RATE: f64 = 48_000.0;
const TARGET: f64 = 4_800.0;

impl Pair {
    fn new(ppm: f64, input: (Calls, Late), output: (Calls, Late)) -> Self {
        Self::of(RATE, RATE, ppm, input, output)
    }

    fn of(from: f64, to: f64, ppm: f64, input: (Calls, Late), output: (Calls, Late)) -> Self {
        let mut input = Device::new(from, ppm, input, 1);
        let capture = input.next();
        Self {
            input,
            output: Device::new(to, 0.0, output, 2),
            clock: Clock::new(from, TARGET),
            random: Random(77),
            slew: (f64::INFINITY, 0.0),
            lost: 0.0,
            waiting: Vec::with_capacity(1_000),
            pushed: 0,
            read: 0.0,
            capture,
            started: false,
        }
    }

    /// The computer's clock.
    fn told(&self, time: f64) -> f64 {
        let (when, ppm) = self.slew;
        time + 1e-6 * ppm * (time - when).max(0.0)
    }

    /// Runs until `seconds`. `play` is told the ratio and the frames to make, and tells what has
    /// been played by then, in input frames.
    fn run_with(
        &mut self,
        seconds: f64,
        mut play: impl FnMut(f64, u64) -> f64,
        mut see: impl FnMut(&Clock, Moment),
    ) {
        let nominal = self.output.rate / self.input.rate;
        while self.output.last < seconds {
            let made = self.output.total;
            let (at, frames) = self.output.next();
            // Of those told to the clock, the newest one comes at the next output callback.
            for (at, total) in self.waiting.drain(..) {
                self.clock.captured(at, total);
            }
            while self.capture.0 <= at {
                self.pushed += self.capture.1;
                if self.random.next() >= self.lost {
                    let (then, pushed) = (self.told(self.capture.0), self.pushed);
                    self.waiting.push((then, pushed));
                }
                self.capture = self.input.next();
            }
            if !self.started {
                // On average half an input callback is on its way.
                if (self.pushed as f64) < TARGET + frames as f64 / nominal - 256.0 {
                    continue;
                }
                self.started = true;
            }
            let ratio = self.clock.played(self.told(at), self.read);
            let due = (self.output.position(at) - made as f64) / nominal / ratio;
            let fill = self.input.position(at) - self.read - due;
            self.read = play(ratio, frames);
            let ppm = self.input.ppm + self.input.ramp * at;
            let moment = Moment {
                at,
                error: 1e6 * (ratio * (1.0 + 1e-6 * ppm) - 1.0),
                fill,
                left: self.pushed as f64 - self.read,
            };
            see(&self.clock, moment);
        }
    }

    fn run(&mut self, seconds: f64, see: impl FnMut(&Clock, Moment)) {
        let nominal = self.output.rate / self.input.rate;
        let mut read = self.read;
        let play = |ratio: f64, frames: u64| {
            read += frames as f64 / nominal / ratio;
            read
        };
        self.run_with(seconds, play, see);
    }

    /// Ratio noise that the loops let through, in ppm rms: white jitter of density J (s^2 s)
    /// through a loop of w rad/s with damping 0.71 leaves J w^3 / 2.8 of variance on the slope
    /// and 1.06 J w on the place, of which w is taken to correct the fill.
    fn noise(&self) -> f64 {
        let shared = self.clock.input.jitter.max(self.clock.output.jitter);
        let w = (WANDER / shared).powf(0.25);
        let of = |line: &Line| {
            let slope = line.jitter * w.powi(3) / 2.8;
            let place = 1.06 * line.jitter * w;
            (slope, place)
        };
        let (a, b) = (of(&self.clock.input), of(&self.clock.output));
        1e6 * ((a.0 + b.0).sqrt() + w * (a.1 + b.1).sqrt())
    }

    /// Standard deviation of the fill in frames, likewise.
    fn blur(&self) -> f64 {
        let shared = self.clock.input.jitter.max(self.clock.output.jitter);
        let w = (WANDER / shared).powf(0.25);
        let sum = self.clock.input.jitter + self.clock.output.jitter;
        self.clock.rate * (1.06 * sum * w).sqrt()
    }
}

/// What a run came to.
#[derive(Debug, Default)]
struct Report {
    /// When the clock locked, and how often it lost it.
    locked: Option<f64>,
    unlocked: usize,
    /// Of the ratio's error in ppm, once settled.
    rms: f64,
    peak: f64,
    /// Of its error from lock on.
    early: f64,
    /// Of the true fill against its mean, once settled.
    off: f64,
    /// Of the fill that the clock sees against its target, from lock on.
    seen: f64,
    /// Least frames left in the ring.
    left: f64,
}

/// Runs for so long; it counts as settled from `settled` on.
fn report(pair: &mut Pair, seconds: f64, settled: f64) -> Report {
    let mut report = Report {
        left: f64::INFINITY,
        ..Report::default()
    };
    let (mut squares, mut sum, mut weight, mut last) = (0.0, 0.0, 0.0, 0.0);
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    let mut locked = false;
    pair.run(seconds, |clock, now| {
        report.left = report.left.min(now.left);
        report.unlocked += usize::from(locked && !clock.locked());
        locked = clock.locked();
        if locked && report.locked.is_none() {
            report.locked = Some(now.at);
        }
        if report.locked.is_some() {
            report.early = report.early.max(now.error.abs());
            report.seen = report.seen.max((clock.fill() - TARGET).abs());
        }
        if now.at > settled {
            let dt = now.at - last;
            squares += dt * now.error * now.error;
            sum += dt * now.fill;
            weight += dt;
            low = low.min(now.fill);
            high = high.max(now.fill);
            report.peak = report.peak.max(now.error.abs());
        }
        last = now.at;
    });
    report.rms = (squares / weight).sqrt();
    report.off = (high - sum / weight).max(sum / weight - low);
    report
}

/// Holds all drifts against the bounds that follow from the jitter; `slack` is the time in seconds
/// for which callbacks may be late, and so frames be missing from the ring.
fn holds(
    name: &str,
    input: (Calls, Late),
    output: (Calls, Late),
    hours: f64,
    slack: f64,
    lock: f64,
) {
    for ppm in [200.0, -200.0, 1000.0, 0.0] {
        let mut pair = Pair::new(ppm, input, output);
        let got = report(&mut pair, 3600.0 * hours, 600.0);
        let (noise, blur) = (pair.noise(), pair.blur());
        let drift = pair.clock.drift_ppm().unwrap();
        let locked = got.locked.unwrap();
        println!(
            "{name:20} {ppm:5} ppm, {hours:2} h: lock {locked:4.1} s, ratio {:.2} rms {:.2} peak \
             (bound {noise:.2}; {:.0} from lock on), fill {:.1} (sigma {blur:.1}; {:.0} from lock \
             on), least {:.0}, drift {drift:.2}",
            got.rms, got.peak, got.early, got.off, got.seen, got.left,
        );
        assert!(locked < lock, "locked after {locked} s");
        assert_eq!(got.unlocked, 0);
        // Five sigma: once in a million independent values, of which a day has a hundred thousand.
        assert!(got.rms < noise, "rms {} of {noise}", got.rms);
        assert!(got.peak < 5.0 * noise, "peak {} of {noise}", got.peak);
        assert!(got.off < 5.0 * blur + 1.0, "fill {} of {blur}", got.off);
        assert!(got.early < 1e6 * (EASE + 5.0 * KNOWN), "{}", got.early);
        // Least: an input callback, half of one at the start, what may be late.
        let least = TARGET - 1.5 * 1024.0 - slack * RATE;
        assert!(got.left > least.max(0.0), "{} left of {least}", got.left);
        assert!((drift - ppm).abs() < 5.0 * noise, "drift {drift}");
    }
}

use Calls::{Beat, Bursts, Fixed, Pieces, Random as Any};
use Late::{Milli, Never, Spikes};

#[test]
fn a_day_of_even_callbacks() {
    // The fill is a callback off when it begins, and the ratio brings it back by 2,000 ppm.
    let lock = 10.0 + 1024.0 / (EASE * RATE);
    holds(
        "1024",
        (Fixed(1024), Milli),
        (Fixed(1024), Milli),
        24.0,
        1e-3,
        lock,
    );
}

#[test]
fn a_day_of_bursts() {
    // An output burst drains at most 60 ms at once, but for frames whose time has come.
    holds(
        "bursts, late",
        (Pieces, Spikes),
        (Bursts, Spikes),
        24.0,
        0.06,
        60.0,
    );
}

#[test]
fn hours_of_other_callbacks() {
    for (name, input, output, slack, lock) in [
        (
            "256, never late",
            (Fixed(256), Never),
            (Fixed(256), Never),
            0.0,
            10.0,
        ),
        ("256", (Fixed(256), Milli), (Fixed(256), Milli), 1e-3, 10.0),
        (
            "256, 20 ms late",
            (Fixed(256), Spikes),
            (Fixed(256), Spikes),
            0.02,
            10.0,
        ),
        ("1 to 1023", (Any, Never), (Any, Never), 0.0, 10.0),
        ("1 to 1023, late", (Any, Spikes), (Any, Spikes), 0.02, 10.0),
        (
            "256 to bursts",
            (Fixed(256), Never),
            (Bursts, Spikes),
            0.04,
            60.0,
        ),
        (
            "pieces to 480",
            (Pieces, Milli),
            (Fixed(480), Milli),
            0.04,
            60.0,
        ),
        (
            "beats at 33 Hz",
            (Beat(1024, 0.01), Never),
            (Beat(1024, 0.01), Never),
            0.01,
            60.0,
        ),
    ] {
        holds(name, input, output, 2.0, slack, lock);
    }
}

#[test]
fn slow_beats() {
    // 1,024 frames every 21.3 ms are late by a sawtooth of 13.6 s, every 21.33 ms of 136 s: for as
    // long the device's rate looks wrong by 1,565 and 157 ppm. Nothing can know better before the
    // first tooth ends. Then the loop is slow enough for the first; for the second (and that of
    // the other device, which takes 505 s at +200 ppm) it would have to remember an hour.
    for (every, rms, peak) in [(0.0213, 30.0, 100.0), (0.02133, 157.0, 1e6 * EASE)] {
        for ppm in [200.0, -200.0, 1000.0, 0.0] {
            let calls = (Beat(1024, every), Milli);
            let mut pair = Pair::new(ppm, calls, calls);
            let got = report(&mut pair, 6.0 * 3600.0, 600.0);
            println!(
                "beats of {every} s {ppm:5} ppm: ratio {:.2} rms {:.2} peak ({:.0} from lock on), \
                 fill {:.1}, least {:.0}",
                got.rms, got.peak, got.early, got.off, got.left
            );
            assert!(got.rms < rms && got.peak < peak, "{} {}", got.rms, got.peak);
            assert!(got.left > 0.0);
        }
    }
}

#[test]
fn a_drift_that_drifts_is_followed() {
    // 50 ppm in an hour. A loop of w rad/s lags behind by 1.4 a/w of slope, and the fill by a/w^2
    // and by what the slope lacks, over w.
    for (name, input, output) in [
        ("256", (Fixed(256), Milli), (Fixed(256), Milli)),
        ("bursts", (Pieces, Spikes), (Bursts, Spikes)),
    ] {
        let mut pair = Pair::new(100.0, input, output);
        pair.input.ramp = 50.0 / 3600.0;
        let got = report(&mut pair, 2.0 * 3600.0, 1200.0);
        let shared = pair.clock.input.jitter.max(pair.clock.output.jitter);
        let w = (WANDER / shared).powf(0.25);
        let a = pair.input.ramp;
        let (slope, fill) = (1.4 * a / w, RATE * 1e-6 * 2.4 * a / w / w);
        println!(
            "{name}, 50 ppm/h: ratio {:.2} rms {:.2} peak (lag {slope:.2}), fill {:.1} (lag {fill:.1})",
            got.rms, got.peak, got.off
        );
        assert!(got.rms < slope + pair.noise());
        assert!(got.peak < 2.0 * slope + 5.0 * pair.noise());
        assert!(got.off < fill + 5.0 * pair.blur());
        assert_eq!(got.unlocked, 0);
        let drift = pair.clock.drift_ppm().unwrap();
        assert!(
            (drift - 200.0).abs() < slope + 5.0 * pair.noise(),
            "{drift}"
        );
    }
}

/// Largest error of the ratio in ppm from 600 s on, of a run of 900 s.
fn kick(pair: &mut Pair) -> f64 {
    report(pair, 900.0, 600.0).peak
}

#[test]
fn a_stall_and_its_catching_up_do_not_kick() {
    for (name, input, output) in [
        ("256", (Fixed(256), Milli), (Fixed(256), Milli)),
        ("1024", (Fixed(1024), Milli), (Fixed(1024), Milli)),
        ("bursts", (Pieces, Spikes), (Bursts, Spikes)),
    ] {
        for (stalled, which) in ["input", "output", "both"].into_iter().enumerate() {
            let mut pair = Pair::new(200.0, input, output);
            // The ring would be empty meanwhile; this is of the clock.
            if stalled != 1 {
                pair.input.stall = (700.0, 700.3);
            }
            if stalled != 0 {
                pair.output.stall = (700.0, 700.3);
            }
            let kick = kick(&mut pair);
            let bound = 5.0 * pair.noise();
            println!("{name}, 300 ms stall of {which}: {kick:.2} ppm (bound {bound:.2})");
            assert!(kick < bound, "{name}, {which}: {kick} of {bound}");
            assert!(pair.clock.locked());
        }
    }
}

#[test]
fn a_device_that_loses_frames_is_caught_up_with() {
    for frames in [960.0, -960.0, 4000.0] {
        for input in [true, false] {
            let calls = (Fixed(256), Milli);
            let mut pair = Pair::new(200.0, calls, calls);
            let device = if input {
                &mut pair.input
            } else {
                &mut pair.output
            };
            device.loss = (300.0, frames);
            let (mut peak, mut back): (f64, f64) = (0.0, 0.0);
            pair.run(400.0, |_, now| {
                if now.at > 299.0 {
                    peak = peak.max(now.error.abs());
                }
                if (now.fill - TARGET).abs() > 0.002 * RATE {
                    back = now.at - 300.0;
                }
            });
            println!("{frames} frames lost (input: {input}): {back:.1} s, {peak:.0} ppm");
            assert!(peak < 1e6 * EASE + 20.0, "{peak}");
            assert!(back < 10.0 + frames.abs() / (EASE * RATE), "{back}");
            assert!(pair.clock.locked());
        }
    }
}

#[test]
fn the_computers_clock_cancels_out() {
    for (name, input, output) in [
        ("256", (Fixed(256), Milli), (Fixed(256), Milli)),
        ("256 and 1024", (Fixed(256), Never), (Fixed(1024), Milli)),
        ("bursts", (Pieces, Spikes), (Bursts, Spikes)),
        ("256 to bursts", (Fixed(256), Never), (Bursts, Spikes)),
    ] {
        for slew in [10.0, 100.0, 500.0] {
            let mut pair = Pair::new(200.0, input, output);
            pair.slew = (700.0, slew);
            let kick = kick(&mut pair);
            let bound = 5.0 * pair.noise();
            println!("{name}, clock slewed by {slew} ppm: {kick:.2} ppm (bound {bound:.2})");
            assert!(kick < bound, "{name}, {slew}: {kick} of {bound}");
        }
    }
}

#[test]
fn reports_may_be_missing() {
    let mut pair = Pair::new(200.0, (Fixed(256), Milli), (Fixed(256), Milli));
    pair.lost = 0.3;
    let got = report(&mut pair, 3600.0, 600.0);
    assert!(got.rms < pair.noise() && got.peak < 5.0 * pair.noise());
    assert!(got.locked.unwrap() < 10.0 && got.unlocked == 0);
}

#[test]
fn a_restart_keeps_the_drift() {
    for (name, input, output, lock) in [
        ("256", (Fixed(256), Milli), (Fixed(256), Milli), 5.0),
        ("bursts", (Pieces, Spikes), (Bursts, Spikes), 30.0),
    ] {
        let mut pair = Pair::new(200.0, input, output);
        pair.run(300.0, |_, _| ());
        pair.clock.restart();
        // 500 frames are skipped, and the device begins to count anew.
        pair.read += 500.0;
        pair.waiting.clear();
        assert!(!pair.clock.locked());
        let drift = pair.clock.drift_ppm().unwrap();
        assert!((drift - 200.0).abs() < 5.0 * pair.noise(), "{drift}");
        let (mut locked, mut peak): (f64, f64) = (f64::INFINITY, 0.0);
        pair.run(400.0, |clock, now| {
            if clock.locked() {
                locked = locked.min(now.at - 300.0);
            }
            peak = peak.max(now.error.abs());
        });
        println!("{name}: locked again {locked:.1} s after a restart, {peak:.0} ppm");
        assert!(locked < lock + 500.0 / (EASE * RATE), "{locked}");
        assert!(peak < 1e6 * EASE + 20.0);
    }
}

#[test]
fn another_target_is_approached_by_the_same_limits() {
    let mut pair = Pair::new(-200.0, (Fixed(256), Milli), (Fixed(256), Milli));
    pair.run(60.0, |_, _| ());
    pair.clock.set_target(TARGET + 1_000.0);
    assert_eq!(pair.clock.target(), TARGET + 1_000.0);
    let (mut last, mut before) = (0.0, 0.0);
    pair.run(90.0, |_, now| {
        assert!(now.error.abs() < 1e6 * EASE + 20.0);
        assert!(last == 0.0 || (now.error - last).abs() <= 1e6 * SLEW * 1.01 * (now.at - before));
        (last, before) = (now.error, now.at);
    });
    assert!((pair.clock.fill() - TARGET - 1_000.0).abs() < 10.0);
}

#[test]
fn nonsense_is_survived() {
    let mut random = Random(5);
    let mut clock = Clock::new(RATE, 500.0);
    let odd = [f64::NAN, f64::INFINITY, 0.0, -1.0, 5.0, 5.0, 1e6, 3.0];
    let (mut total, mut read) = (0, 0.0);
    for n in 0..20_000 {
        let at = n as f64 * 0.01;
        let pick = |random: &mut Random, usual: f64| {
            if random.next() < 0.2 {
                odd[random.frames(0, 7) as usize]
            } else {
                usual
            }
        };
        total += 480;
        read += 480.0;
        clock.captured(
            pick(&mut random, at),
            pick(&mut random, total as f64) as u64,
        );
        let ratio = clock.played(pick(&mut random, at), pick(&mut random, read));
        assert!((ratio - 1.0).abs() <= REACH, "{ratio}");
        if random.next() < 0.001 {
            clock.restart();
        }
    }
    assert!(clock.fill().is_finite());
}

#[test]
fn nothing_is_claimed_before_it_is_known() {
    let mut clock = Clock::new(RATE, 500.0);
    assert_eq!(
        (clock.fill(), clock.drift_ppm(), clock.locked()),
        (500.0, None, false)
    );
    for n in 0..100 {
        assert_eq!(clock.played(0.01 * f64::from(n), 480.0 * f64::from(n)), 1.0);
    }
    assert_eq!((clock.drift_ppm(), clock.locked()), (None, false));
}

/// A sine of 1 kHz by the input's clock through both, and what became of it: one f32 per output
/// frame, `seconds` of it, and the input frames that one output frame should take.
fn heard(pair: &mut Pair, seconds: f64) -> Vec<f32> {
    let turns = 1000.0 / pair.input.rate;
    let mut varispeed = Varispeed::new(1, pair.output.rate / pair.input.rate).unwrap();
    let mut out = vec![0.0; 4096];
    let mut heard = Vec::new();
    let mut taken = 0u64;
    // Until the first call, the filter's silence has been played.
    pair.read = -varispeed.held();
    let play = |ratio: f64, frames: u64| {
        let out = &mut out[..frames as usize];
        varispeed.fill(ratio, out, &mut |input| {
            for x in input {
                *x = (TAU * (turns * taken as f64).fract()).sin() as f32;
                taken += 1;
            }
        });
        heard.extend_from_slice(out);
        taken as f64 - varispeed.held()
    };
    let mut least = f64::INFINITY;
    pair.run_with(seconds, play, |_, now| least = least.min(now.left));
    assert!(least > 0.0, "the ring ran dry");
    heard
}

/// Instantaneous frequency in ppm of `turns` per frame, by the phase of windows of 480 frames.
fn deviations(signal: &[f32], turns: f64) -> Vec<f64> {
    let phases: Vec<f64> = (signal.chunks_exact(480).enumerate())
        .map(|(n, window)| {
            let (mut re, mut im) = (0.0, 0.0);
            for (k, x) in window.iter().enumerate() {
                let (s, c) = (TAU * (turns * (480 * n + k) as f64).fract()).sin_cos();
                // A Hann window keeps the mirror image away.
                let hann = 0.5 - 0.5 * (TAU * (k as f64 + 0.5) / 480.0).cos();
                re += hann * f64::from(*x) * c;
                im += hann * f64::from(*x) * s;
            }
            re.atan2(im) / TAU
        })
        .collect();
    (phases.windows(2))
        .map(|pair| {
            let step = pair[1] - pair[0];
            1e6 * (step - step.round()) / (480.0 * turns)
        })
        .collect()
}

/// What is left of the windows of 8,192 frames when the best sine of the best frequency is taken
/// away, the worst of them, in dB below it.
fn snr(signal: &[f32], turns: f64) -> f64 {
    let worst = signal.chunks_exact(8192).map(|window| {
        // Least squares of sine and cosine and, for the frequency, of both times the time.
        let mut frequency = turns;
        let mut best = f64::NEG_INFINITY;
        for _ in 0..3 {
            let (mut normal, mut right) = ([[0.0; 4]; 4], [0.0; 4]);
            for (n, x) in window.iter().enumerate() {
                let t = n as f64 / 8192.0 - 0.5;
                let (s, c) = (TAU * (frequency * n as f64).fract()).sin_cos();
                let row = [s, c, t * s, t * c];
                for i in 0..4 {
                    for j in 0..4 {
                        normal[i][j] += row[i] * row[j];
                    }
                    right[i] += row[i] * f64::from(*x);
                }
            }
            let [a, b, da, db] = solve(normal, right);
            let power: f64 = window.len() as f64 * (a * a + b * b) / 2.0;
            let rest: f64 = (window.iter().enumerate())
                .map(|(n, x)| {
                    let t = n as f64 / 8192.0 - 0.5;
                    let (s, c) = (TAU * (frequency * n as f64).fract()).sin_cos();
                    (f64::from(*x) - (a + t * da) * s - (b + t * db) * c).powi(2)
                })
                .sum();
            best = best.max(10.0 * (power / rest).log10());
            frequency += (a * db - b * da) / (a * a + b * b) / TAU / 8192.0;
        }
        best
    });
    worst.fold(f64::INFINITY, f64::min)
}

/// Gauss, with the diagonal as pivots: for normal equations.
fn solve(mut a: [[f64; 4]; 4], mut x: [f64; 4]) -> [f64; 4] {
    for i in 0..4 {
        for j in 0..4 {
            if i != j {
                let f = a[j][i] / a[i][i];
                let pivot = a[i];
                for (a, pivot) in a[j].iter_mut().zip(pivot) {
                    *a -= f * pivot;
                }
                x[j] -= f * x[i];
            }
        }
    }
    for i in 0..4 {
        x[i] /= a[i][i];
    }
    x
}

#[test]
fn a_minute_of_a_sine() {
    for (name, from, to, input, output) in [
        ("256", 48e3, 48e3, (Fixed(256), Milli), (Fixed(256), Milli)),
        ("bursts", 48e3, 48e3, (Pieces, Spikes), (Bursts, Spikes)),
        (
            "44.1k to 48k",
            44.1e3,
            48e3,
            (Fixed(256), Milli),
            (Fixed(256), Milli),
        ),
        (
            "48k to 44.1k",
            48e3,
            44.1e3,
            (Fixed(256), Milli),
            (Bursts, Milli),
        ),
        (
            "96k to 48k",
            96e3,
            48e3,
            (Fixed(256), Milli),
            (Fixed(256), Milli),
        ),
    ] {
        let mut pair = Pair::of(from, to, 200.0, input, output);
        let settled = if matches!(output.0, Bursts) {
            300.0
        } else {
            60.0
        };
        let heard = heard(&mut pair, settled + 60.0);
        // The input's kilohertz, by the output's clock.
        let turns = 1000.0 * (1.0 + 200e-6) / to;
        let settled = &heard[(settled * to) as usize..];
        let fm = deviations(settled, turns);
        let mean = fm.iter().sum::<f64>() / fm.len() as f64;
        let rms = (fm.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / fm.len() as f64).sqrt();
        let peak = fm
            .iter()
            .fold(0.0, |peak: f64, x| peak.max((x - mean).abs()));
        let snr = snr(settled, turns);
        let noise = pair.noise();
        println!("{name}: mean {mean:.2} ppm, FM {rms:.2} rms {peak:.2} peak ppm, SNR {snr:.0} dB");
        // The mean over a minute is noise of the loop too, as its time is no shorter.
        assert!(
            rms < noise && mean.abs() < 3.0 * noise && peak < 5.0 * noise,
            "of {noise}"
        );
        assert!(snr > 100.0, "{snr}");
    }
}
