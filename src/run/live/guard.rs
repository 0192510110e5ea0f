//! What stands before the loudspeaker, so that a microphone near it cannot howl at full level.
//!
//! **Limiter.** Gain falls at once where a frame exceeds full scale and comes back along an
//! exponential (a feed-forward peak limiter without look-ahead; Zölzer (ed.), DAFX, 2nd ed. 2011,
//! on dynamic range control). One gain for all channels. While nothing exceeds full scale every
//! bit passes.
//!
//! **Run-away.** How loud it is does not tell a howl from music; whether it answers does. When
//! the limiter has pressed without a pause for a while, the guard takes the loudspeaker down by a
//! few dB and listens: in a closed loop what comes in falls too, one delay of the loop later, and
//! from another source it does not. What has followed is pulled down (gain reduction on detection,
//! as van Waterschoot and Moonen, "Fifty years of acoustic feedback control", Proc. IEEE 99(2),
//! 2011, call it; the question is our own). The pull is the second question: a source that is loud
//! again while the loudspeaker is down cannot be its echo, and gets its gain back at once.
//!
//! **Limits.** Only what presses the limiter is asked about: a howl that stays below full scale is
//! not. Loops slower than 2.4 s, and those that answer with single clicks, are limited and not
//! caught. Music that presses without a pause is 9 dB down for 2.4 s each time it is asked, ever
//! more rarely; where it pauses by itself just then, that counts as caught, and it is down until
//! it is loud again, or for as long as a howl would be. No look-ahead: an over is flattened where
//! it begins.

#[cfg(test)]
mod tests;

use crate::signal::SampleRate;

/// Seconds over which levels are taken; half a period of 20 Hz.
const HOP: f64 = 0.025;
/// Hops without an over that are no pause yet.
const GAP: u32 = 4;
/// Hops of pressing after which the guard asks, and after which it asks what it caught before.
const ASK: u32 = 24;
const ASK_AGAIN: u32 = 10;
/// The question: the loudspeaker is taken down by 9 dB, and what comes in is to fall by 4 dB.
const DIP: f32 = 0.355;
const FOLLOWS: f32 = 0.631;
/// Factors of a hop by which the lowest level follows one that rises: 78 dB a second, and 17 while
/// an answer is awaited.
const RISE: f32 = 1.25;
const RISE_ASKED: f32 = 1.05;
/// Hops that it stays so, to be an answer.
const SURE: u32 = 3;
/// Hops that the answer may take.
const WAIT: u32 = 96;
/// Hops after a question that brought no answer; doubles up to the second number.
const PATIENCE: u32 = 80;
const MOST_PATIENCE: u32 = 1_280;
/// How far a run-away is pulled down: 40 dB.
const DOWN: f32 = 0.01;
/// Hops that it is held there; doubles with each time, so often at most.
const HOLD: u32 = 80;
const MOST_DOUBLINGS: u32 = 4;
/// Hops of calm after which it is forgotten.
const FORGET: u32 = 2_400;
/// Speeds of the gain in dB a second: down, back after a question, back after a run-away.
const FALL: f64 = 1_000.0;
const BACK: f64 = 60.0;
const RETURN: f64 = 8.0;
/// Limiter: seconds that the gain stays, and the time constant of its way back.
const STAY: f64 = 0.02;
const RELEASE: f64 = 0.12;
/// So near to 1, the limiter's gain is 1: a step of -100 dB.
const NEAR: f64 = 1e-5;

/// What the guard is about.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mood {
    /// Sound passes.
    Open,
    /// The loudspeaker is a little down, to see what follows.
    Asking { hops: u32, low: u32 },
    /// A run-away is held down.
    Holding { left: u32 },
}

/// A limiter for all channels, and a catch for what runs away. Latency 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guard {
    channels: usize,
    limiter: Limiter,
    hand: Hand,
    mood: Mood,
    /// Frames of a hop, and those of it that have passed.
    hop: usize,
    at: usize,
    /// Largest magnitude that came in during this hop, and during those before it.
    peak: f32,
    past: [f32; GAP as usize],
    /// Hops that the limiter has pressed without a pause; hops since it last did.
    pressed: u32,
    calm: u32,
    /// The lowest level while it pressed, of late.
    lowest: f32,
    /// Hops until the next question; the number it begins with; the level that did not answer.
    wait: u32,
    patience: u32,
    innocent: f32,
    /// Run-aways not yet forgotten.
    strikes: u32,
}

impl Guard {
    /// For interleaved blocks of so many channels.
    pub fn new(rate: SampleRate, channels: usize) -> Self {
        Self {
            channels: channels.max(1),
            limiter: Limiter::new(rate),
            hand: Hand::new(rate),
            mood: Mood::Open,
            hop: rate.frames(HOP).max(1),
            at: 0,
            peak: 0.0,
            past: [0.0; GAP as usize],
            pressed: 0,
            calm: 0,
            lowest: 0.0,
            wait: 0,
            patience: PATIENCE,
            innocent: 0.0,
            strikes: 0,
        }
    }

    /// Guards a block, interleaved, of any number of frames; true where a run-away was caught in
    /// it. Afterwards no sample is beyond full scale, and what was no number is 0.
    pub fn process(&mut self, block: &mut [f32]) -> bool {
        let mut caught = false;
        for frame in block.chunks_mut(self.channels) {
            let mut peak = 0.0f32;
            for x in frame.iter_mut() {
                if !x.is_finite() {
                    *x = 0.0;
                }
                peak = peak.max(x.abs());
            }
            self.peak = self.peak.max(peak);
            let (limit, hand) = (self.limiter.next(peak), self.hand.next());
            if limit < 1.0 || hand < 1.0 {
                for x in frame {
                    *x = (*x * limit).clamp(-1.0, 1.0) * hand;
                }
            }
            self.at += 1;
            if self.at == self.hop {
                caught |= self.end_hop();
            }
        }
        caught
    }

    /// What is taken away just now, in dB; 0 or less.
    pub fn reduction_db(&self) -> f32 {
        20.0 * (self.limiter.gain as f32 * self.hand.gain)
            .max(1e-6)
            .log10()
    }

    /// Looks at the level, and decides; true where a run-away is caught.
    fn end_hop(&mut self) -> bool {
        self.past.rotate_left(1);
        self.past[GAP as usize - 1] = self.peak;
        let over = self.peak > 1.0;
        (self.at, self.peak) = (0, 0.0);
        let level = self.past.into_iter().fold(0.0, f32::max);
        self.wait = self.wait.saturating_sub(1);
        match self.mood {
            Mood::Open => {
                self.watch(over, level);
                let sure = if self.strikes > 0 { ASK_AGAIN } else { ASK };
                let ready = self.wait == 0 || self.lowest > 2.0 * self.innocent;
                if self.pressed >= sure && ready {
                    self.mood = Mood::Asking { hops: 0, low: 0 };
                    self.hand.go(self.hand.gain * DIP, FALL);
                }
                false
            }
            Mood::Asking { hops, low } => {
                // What still grows answers from where it has got to.
                self.lowest = self.lowest.max(level.min(self.lowest * RISE_ASKED));
                let follows = level < self.lowest * FOLLOWS;
                let low = if follows { low + 1 } else { 0 };
                if low == SURE {
                    let hold = HOLD << self.strikes.min(MOST_DOUBLINGS);
                    self.strikes += 1;
                    self.mood = Mood::Holding { left: hold };
                    self.hand.go(DOWN, FALL);
                    return true;
                }
                self.mood = Mood::Asking {
                    hops: hops + 1,
                    low,
                };
                if hops >= WAIT && low == 0 {
                    self.innocent = self.lowest;
                    self.wait = self.patience;
                    self.patience = (2 * self.patience).min(MOST_PATIENCE);
                    self.open(BACK);
                }
                false
            }
            Mood::Holding { left } => {
                self.mood = Mood::Holding { left: left - 1 };
                if level >= self.lowest * FOLLOWS {
                    // Loud without us: it was no run-away.
                    self.strikes -= 1;
                    self.innocent = self.lowest;
                    self.wait = self.patience;
                    self.patience = (2 * self.patience).min(MOST_PATIENCE);
                    self.open(BACK);
                } else if left == 1 {
                    self.open(RETURN);
                }
                false
            }
        }
    }

    /// Counts how long the limiter has pressed, and how low the level was meanwhile.
    fn watch(&mut self, over: bool, level: f32) {
        self.calm = if over { 0 } else { self.calm.saturating_add(1) };
        if self.calm >= GAP {
            self.pressed = 0;
            self.lowest = 0.0;
        } else if over || self.pressed > 0 {
            self.lowest = match self.pressed {
                0 => level,
                _ => level.min(self.lowest * RISE),
            };
            self.pressed += 1;
        }
        if self.calm >= FORGET {
            (self.strikes, self.patience, self.innocent) = (0, PATIENCE, 0.0);
        }
    }

    fn open(&mut self, speed: f64) {
        self.mood = Mood::Open;
        (self.pressed, self.calm) = (0, 0);
        self.hand.go(1.0, speed);
    }
}

/// A gain that keeps every frame within full scale.
#[derive(Debug, Clone, Copy)]
struct Limiter {
    /// In f64, or its last steps to 1 would be lost in rounding.
    gain: f64,
    /// Frames that the gain still stays.
    stays: usize,
    stay: usize,
    /// Share of the way to 1 that a frame takes.
    release: f64,
}

impl Limiter {
    fn new(rate: SampleRate) -> Self {
        let frames = RELEASE * f64::from(rate.hz());
        Self {
            gain: 1.0,
            stays: 0,
            stay: rate.frames(STAY),
            release: -f64::exp_m1(-1.0 / frames),
        }
    }

    /// The gain of a frame with this peak.
    #[inline]
    fn next(&mut self, peak: f32) -> f32 {
        let peak = f64::from(peak);
        if self.stays > 0 {
            self.stays -= 1;
        } else if self.gain < 1.0 {
            // g += (1 - g) (1 - exp(-1 / (T fs)))
            self.gain += (1.0 - self.gain) * self.release;
            if self.gain > 1.0 - NEAR {
                self.gain = 1.0;
            }
        }
        if peak * self.gain > 1.0 {
            self.gain = 1.0 / peak;
            self.stays = self.stay;
        }
        self.gain as f32
    }
}

/// A gain that moves by so many dB a frame.
#[derive(Debug, Clone, Copy)]
struct Hand {
    gain: f32,
    target: f32,
    /// Factor of a frame.
    step: f32,
    rate: f64,
}

impl Hand {
    fn new(rate: SampleRate) -> Self {
        Self {
            gain: 1.0,
            target: 1.0,
            step: 1.0,
            rate: f64::from(rate.hz()),
        }
    }

    /// Begins to move, at so many dB a second.
    fn go(&mut self, target: f32, speed: f64) {
        let down = target < self.gain;
        let db = if down { -speed } else { speed } / self.rate;
        // 10^(db / 20), within reach of f32 also at the highest rates.
        self.step = f64::exp(db * std::f64::consts::LN_10 / 20.0) as f32;
        self.target = target;
    }

    #[inline]
    fn next(&mut self) -> f32 {
        if self.gain > self.target {
            self.gain = (self.gain * self.step).max(self.target);
        } else if self.gain < self.target {
            self.gain = (self.gain * self.step).min(self.target);
        }
        self.gain
    }
}
