//! How fast one clock runs by the other, and how fast the ring between them must be read.
//!
//! A callback tells two numbers: when it began and how many frames there have been. Both are true
//! on average and neither at the moment, as callbacks come late, in bursts, and in any size. A
//! delay-locked loop of second order for each device draws the straight line through them (Fons
//! Adriaensen, "Using a DLL to filter time", LAC 2005); the distance of the two lines is the
//! fill, free of the callbacks' jitter, and the quotient of their slopes the drift; the reader's
//! ratio is the drift and a little more that brings the fill to its target (after "Controlling
//! adaptive resampling", LAC 2012).
//!
//! The bandwidth of the loops is not set but follows from what is known: the gains are those of a
//! Kalman filter for a line whose slope wanders (R. E. Kalman, 1960). It begins with the slope of
//! the best line through the first points, and settles to the loop of w = (WANDER / jitter)^(1/4)
//! rad/s, damping 0.71: 1/w is half a minute for even callbacks, and two and a half for bursts of
//! tens of milliseconds. It could be quicker where there is hardly any jitter, but has no need to
//! be, as the fill is corrected besides, and would take a slow beat of callbacks for a drift.
//!
//! - **Bursts.** A count counts for as long as it was the last one told: of several callbacks
//!   within a millisecond and a gap, nearly only the last, which is the one on the line.
//! - **Late callbacks** count by at most three standard deviations.
//! - **Jumps.** Where all points stay off the line for a while, the line moves and keeps its slope.
//! - **The computer's own clock**, which is slewed by NTP, is the same for both; so are the gains
//!   of both loops, and it cancels out.
//!
//! Nothing here looks at a clock, allocates, or fails.

#[cfg(test)]
mod tests;

/// How far a device's rate wanders: its variance in (fractions of the rate)^2 per second. A
/// millionth in 100 s.
const WANDER: f64 = 1e-14;
/// Expected difference of a device's rate from its nominal one (standard deviation, as a share).
const SPREAD: f64 = 300e-6;
/// Jitter to begin with, and the least that is believed, in s^2 s: that of 1 ms every 10 ms.
const JITTER: f64 = 1e-8;
/// Jitter is averaged over so many seconds where it rises, and where it falls.
const MEMORY: (f64, f64) = (20.0, 300.0);
/// Longest time for which a point counts, in seconds.
const LONGEST: f64 = 0.05;
/// Points beyond so many standard deviations count as if they were there.
const LIMIT: f64 = 3.0;
/// What is off the line by so much (standard deviations, and seconds), for so long (seconds), has
/// jumped.
const JUMP: (f64, f64, f64) = (5.0, 0.002, 0.4);

/// The ratio follows what is wanted of it in so many seconds, so that no callback is heard in it,
/// and changes by at most so much per second (1.7 cents).
const SMOOTH: f64 = 1.0;
const SLEW: f64 = 1e-3;
/// How much of the ratio may serve to correct the fill: 3.5 cents.
const EASE: f64 = 2e-3;
/// How much the ratio may differ from the nominal one.
const REACH: f64 = 1e-2;
/// Share of an error of the fill that is corrected per second, when it is beyond doubt.
const QUICK: f64 = 0.4;
/// An error of the fill is beyond doubt from so many standard deviations.
const DOUBT: f64 = 4.0;
/// The drift is known when its standard deviation is below this.
const KNOWN: f64 = 20e-6;
/// The fill is held when it is as near to its target, in seconds and beyond doubt; it is lost from
/// four times that.
const NEAR: f64 = 1e-3;

/// Steers the ratio of a resampler so that the frames between two devices stay as many.
///
/// Frames are input frames. The *fill* is what has been captured less what has been played, both
/// by their lines, in the instant after an output callback: the frames in the ring and those held
/// by the resampler. Just before an input callback they are fewer by its period. So the least
/// target is the input's largest period, the resampler's delay, and what callbacks may be late.
pub(super) struct Clock {
    /// Nominal input frames per second.
    rate: f64,
    target: f64,
    input: Line,
    output: Line,
    /// The last input callback: when, and frames until then.
    captured: Option<(f64, u64)>,
    /// The last output callback: when, and frames played before it.
    played: Option<(f64, f64)>,
    /// Input frames that would have been played at the nominal ratio.
    unsteered: f64,
    /// The ratio of the last output callback and of the one before.
    ratio: f64,
    before: f64,
    fill: f64,
    /// Standard deviation of `fill`.
    unsure: f64,
    locked: bool,
}

impl Clock {
    /// For an input of `rate` frames per second as it says; `target` is the fill to hold, in input
    /// frames.
    pub(super) fn new(rate: f64, target: f64) -> Self {
        Self {
            rate,
            target,
            input: Line::new(),
            output: Line::new(),
            captured: None,
            played: None,
            unsteered: 0.0,
            ratio: 1.0,
            before: 1.0,
            fill: target,
            unsure: f64::INFINITY,
            locked: false,
        }
    }

    /// An input callback began `at` seconds; with it, `total` frames have been put into the ring.
    /// To be told in order; some may be missing, and they may come late.
    pub(super) fn captured(&mut self, at: f64, total: u64) {
        if !at.is_finite() {
            return;
        }
        if let Some((then, frames)) = self.captured {
            if total < frames {
                self.input.lift();
            } else {
                let jitter = self.input.jitter.max(self.output.jitter);
                let ahead = frames as f64 / self.rate - then;
                self.input.pass(then, ahead, at - then, jitter);
            }
        }
        self.captured = Some((at, total));
    }

    /// An output callback began `at` seconds; `read` input frames have been played before it (those
    /// taken from the ring less those that the resampler holds). Gives its ratio, output frames per
    /// input frame relative to the nominal ones.
    pub(super) fn played(&mut self, at: f64, read: f64) -> f64 {
        if !at.is_finite() || !read.is_finite() {
            return self.ratio;
        }
        let mut elapsed = 0.0;
        match self.played {
            Some((then, frames)) if read >= frames => {
                // 1/ratio went evenly from the one to the other.
                self.unsteered += (read - frames) / (0.5 / self.before + 0.5 / self.ratio);
                elapsed = (at - then).clamp(0.0, LONGEST);
                let jitter = self.input.jitter.max(self.output.jitter);
                let ahead = self.unsteered / self.rate - then;
                self.output.pass(then, ahead, at - then, jitter);
            }
            Some(_) => self.output.lift(),
            None => self.unsteered = read,
        }
        self.played = Some((at, read));
        self.look(at, read);
        self.before = self.ratio;
        let step = (self.wanted() - self.ratio) * (elapsed / SMOOTH);
        self.ratio += step.clamp(-SLEW * elapsed, SLEW * elapsed);
        self.ratio
    }

    /// Where the lines are, and what follows from it.
    fn look(&mut self, at: f64, read: f64) {
        let (input, output) = (self.input.at(at), self.output.at(at));
        let (Some((captured, doubt)), Some((played, more))) = (input, output) else {
            self.unsure = f64::INFINITY;
            self.locked = false;
            return;
        };
        // Between callbacks the reader is where its line is, at the ratio it had last.
        let since = played * self.rate + at * self.rate - self.unsteered;
        let played = read + since / self.ratio;
        self.fill = (captured + at) * self.rate - played;
        self.unsure = (doubt + more).sqrt() * self.rate;
        let near = NEAR * self.rate * if self.locked { 4.0 } else { 1.0 };
        self.locked = self.known() && self.unsure < near && self.off() < near;
    }

    /// By how many frames the fill is off its target, beyond doubt.
    fn off(&self) -> f64 {
        ((self.fill - self.target).abs() - DOUBT * self.unsure).max(0.0)
    }

    /// The ratio to steer towards.
    fn wanted(&self) -> f64 {
        let mut speed = (1.0 + self.input.slope) / (1.0 + self.output.slope);
        if self.unsure.is_finite() {
            let error = self.fill - self.target;
            let jitter = self.input.jitter.max(self.output.jitter);
            let slow = (WANDER / jitter).powf(0.25).min(QUICK);
            let correction = slow * error + (QUICK - slow) * self.off().copysign(error);
            speed *= 1.0 + (correction / self.rate).clamp(-EASE, EASE);
        }
        (1.0 / speed).clamp(1.0 - REACH, 1.0 + REACH)
    }

    fn known(&self) -> bool {
        let least = if self.locked { 2.0 * KNOWN } else { KNOWN };
        self.input.variance[2] + self.output.variance[2] < least * least
    }

    /// After a gap, a starvation, an overflow or a skip: counts and times begin anew, what is known
    /// of the devices' clocks stays. Reports of before must not follow where counts have changed.
    pub(super) fn restart(&mut self) {
        self.input.lift();
        self.output.lift();
        self.captured = None;
        self.played = None;
        self.fill = self.target;
        self.locked = false;
        self.unsure = f64::INFINITY;
    }

    /// Frames between capture and playing, smoothed; the target until something is known.
    pub(super) fn fill(&self) -> f64 {
        self.fill
    }

    /// By how many millionths the input's clock is faster than the output's, as they state their
    /// rates; none until it is known to 20.
    pub(super) fn drift_ppm(&self) -> Option<f64> {
        let drift = (1.0 + self.input.slope) / (1.0 + self.output.slope) - 1.0;
        self.known().then_some(drift * 1e6)
    }

    /// Whether the drift is known and the fill at its target.
    pub(super) fn locked(&self) -> bool {
        self.locked
    }

    /// Another fill to hold, in input frames.
    pub(super) fn set_target(&mut self, frames: f64) {
        self.target = frames;
    }

    /// The fill to hold, in input frames.
    pub(super) fn target(&self) -> f64 {
        self.target
    }
}

/// The straight line through the points (time, seconds that the device is ahead of it).
struct Line {
    /// The time of the last point, once there is one.
    point: Option<f64>,
    /// Seconds ahead at that time.
    ahead: f64,
    /// Seconds gained per second.
    slope: f64,
    /// Of `ahead`; of both; of `slope`.
    variance: [f64; 3],
    /// Variance of a point times the seconds for which it counts, averaged by the latter.
    jitter: f64,
    /// Seconds of points so far.
    age: f64,
    /// The jitter that `variance` was reckoned with.
    scale: f64,
    /// For how long the points have been off the line; negative below it.
    off: f64,
}

impl Line {
    fn new() -> Self {
        Self {
            point: None,
            ahead: 0.0,
            slope: 0.0,
            variance: [0.0, 0.0, SPREAD * SPREAD],
            jitter: JITTER,
            age: 0.1,
            scale: JITTER,
            off: 0.0,
        }
    }

    /// Begins elsewhere, with the same slope.
    fn lift(&mut self) {
        self.point = None;
        self.off = 0.0;
    }

    /// The value at a time, and its variance.
    fn at(&self, time: f64) -> Option<(f64, f64)> {
        let dt = (time - self.point?).max(0.0);
        let [v, c, s] = self.variance;
        let variance = v + dt * (2.0 * c + dt * (s + WANDER * dt / 3.0));
        Some((self.ahead + self.slope * dt, variance))
    }

    /// Passes a point that counts for `weight` seconds. `jitter` sets the gain.
    fn pass(&mut self, time: f64, ahead: f64, weight: f64, jitter: f64) {
        if weight <= 0.0 {
            return;
        }
        let weight = weight.min(LONGEST);
        self.rescale(jitter);
        let (Some((expected, variance)), Some(point)) = (self.at(time), self.point) else {
            self.set(time, ahead, weight, jitter);
            return;
        };
        let dt = (time - point).max(0.0);
        let [_, c, s] = self.variance;
        let [v, c, s] = [variance, c + dt * (s + WANDER * dt / 2.0), s + WANDER * dt];
        let error = ahead - expected;
        let total = v + jitter / weight;
        if self.jumped(error, total, weight) {
            self.jitter = self.jitter.max(weight * (error / LIMIT).powi(2));
            self.variance[2] = s;
            self.set(time, ahead, weight, jitter);
            return;
        }

        let own = LIMIT * (v + self.jitter / weight).sqrt();
        let jitter = weight * error.abs().min(own).powi(2);
        let (rise, fall) = MEMORY;
        let span = if jitter > self.jitter { rise } else { fall };
        let span = (self.age / 3.0).min(span);
        self.jitter += (weight / span).min(1.0) * (jitter - self.jitter);
        self.jitter = self.jitter.max(JITTER);
        self.age += weight;

        let limit = LIMIT * total.sqrt();
        let error = error.clamp(-limit, limit);
        let gain = [v / total, c / total];
        self.ahead = expected + gain[0] * error;
        self.slope += gain[1] * error;
        // Rounding must not make a variance negative.
        let left = (s - gain[1] * c).max(WANDER * weight);
        self.variance = [v * (1.0 - gain[0]), c * (1.0 - gain[0]), left];
        self.point = Some(time);
    }

    /// Doubts what was drawn before as the points of then would be doubted now, so that the gains
    /// stay those of the best line when the jitter turns out otherwise.
    fn rescale(&mut self, jitter: f64) {
        if jitter == self.scale {
            return;
        }
        let [v, c, s] = self.variance;
        let factor = jitter / self.scale;
        // Information adds up: what was expected of the slope, and what the points told of it.
        let expected = 1.0 / (SPREAD * SPREAD);
        let told = (1.0 / s - expected).max(0.0);
        let slope = 1.0 / (expected + told / factor);
        self.variance = [v * factor, c * (factor * slope / s).sqrt(), slope];
        self.scale = jitter;
    }

    /// Goes through this point, of that variance.
    fn set(&mut self, time: f64, ahead: f64, weight: f64, jitter: f64) {
        self.point = Some(time);
        self.ahead = ahead;
        self.variance[0] = jitter / weight;
        self.variance[1] = 0.0;
        self.off = 0.0;
    }

    /// Whether points have been off to one side for so long that they are right.
    fn jumped(&mut self, error: f64, variance: f64, weight: f64) -> bool {
        let (deviations, seconds, time) = JUMP;
        if error.abs() < seconds.max(deviations * variance.sqrt()) {
            self.off = 0.0;
        } else if error * self.off < 0.0 {
            self.off = weight.copysign(error);
        } else {
            self.off += weight.copysign(error);
        }
        self.off.abs() > time
    }
}
