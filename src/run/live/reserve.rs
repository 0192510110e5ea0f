//! How many frames must lie between the two callbacks: found out by watching them before sound
//! begins, so that neither ever waits and nothing is held back in vain.
//!
//! While it waits it keeps the account that playing would have: V, what would lie in the ring had
//! the output taken its frames from the first callback on. The lowest V, seen behind a callback,
//! tells how much must be put in beforehand. With `age` for the frames that the input's clock has
//! counted since the input's last callback,
//!
//! ```text
//! lowest = min(V behind a call, mean(V behind a call + age) - period of the input)
//! ```
//!
//! where the second term is what the account would show if a callback of the input came just
//! after one of the output: their order may change at any time. After an interruption the same
//! fill is gathered again, and a little more.

/// Seconds that are not watched: servers fill their buffers first.
const SETTLE: f64 = 0.1;
/// Seconds and calls that are watched.
const WATCH: f64 = 0.35;
const CALLS: usize = 8;
/// Longest silence of the input that does not begin the watch anew, in seconds.
const SILENCE: f64 = 0.3;
/// Least frames in reserve.
const LEAST: f64 = 32.0;
/// Most seconds in reserve.
const MOST: f64 = 0.5;

/// What an output callback finds when it begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    /// Seconds since the ports were made.
    pub at: f64,
    /// Frames that the input has put into the ring so far.
    pub pushed: f64,
    /// Frames that the input's clock has counted since its last callback.
    pub age: f64,
    /// Frames of the input that this callback will take.
    pub takes: f64,
}

/// When sound may begin, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Start {
    /// Frames that shall lie in the ring when the callback begins; older ones are left out.
    pub before: f64,
    /// Frames between the callbacks that this makes in the mean, those counted that the input has
    /// not delivered yet.
    pub fill: f64,
}

/// Watches callbacks until sound may begin.
#[derive(Debug, Clone)]
pub(super) struct Reserve {
    rate: f64,
    /// What was asked for, in frames between the callbacks.
    fixed: Option<f64>,
    /// Frames kept beyond what was seen to be needed.
    margin: f64,
    /// One cycle calls both devices: no margin is needed.
    lockstep: bool,
    /// Frames between the callbacks, once it is known how many there must be.
    fill: Option<f64>,
    watch: Option<Watch>,
}

#[derive(Debug, Clone)]
struct Watch {
    begun: f64,
    /// The account, from the end of the settling on.
    base: Option<f64>,
    taken: f64,
    seen: usize,
    lowest: f64,
    behind: f64,
    fill: f64,
}

impl Reserve {
    /// For an input of this rate. `lockstep` says that one cycle calls both devices, so that no
    /// margin is needed.
    pub fn new(rate: f64, fixed: Option<f64>, lockstep: bool) -> Self {
        Self {
            rate,
            fixed,
            margin: 0.0,
            lockstep,
            fill: None,
            watch: None,
        }
    }

    /// Frames kept beyond what was seen to be needed.
    pub fn margin(&self) -> f64 {
        self.margin
    }

    /// Whether so much was asked for.
    pub fn is_fixed(&self) -> bool {
        self.fixed.is_some()
    }

    /// The fill was found to be better so.
    pub fn set_fill(&mut self, frames: f64) {
        self.fill = Some(frames);
    }

    /// The reserve was too small: more of it from now on, by this much.
    pub fn raise(&mut self, frames: f64) {
        let margin = (self.margin + frames.max(LEAST)).min(MOST * self.rate);
        if let Some(fill) = &mut self.fill {
            *fill += margin - self.margin;
        }
        self.margin = margin;
    }

    /// An output callback begins while sound waits. `period` is the input's.
    pub fn wait(&mut self, call: Call, period: f64) -> Option<Start> {
        let fill = match self.fill {
            Some(fill) => fill,
            None => {
                let fill = self.watch(call, period)?;
                *self.fill.insert(fill)
            }
        };
        // What the input's clock has counted, and its device not delivered, is still to come.
        let mut before = fill - call.age;
        if self.lockstep && period > 0.0 {
            // Whole periods: how late the cycle's calls come says nothing.
            before = (before / period).round() * period;
        }
        let before = before.max(call.takes);
        Some(Start { before, fill })
    }

    /// The fill, once it is known.
    fn watch(&mut self, call: Call, period: f64) -> Option<f64> {
        if call.age > (SILENCE * self.rate).max(4.0 * period) {
            self.watch = None;
            return None;
        }
        let watch = self.watch.get_or_insert(Watch {
            begun: call.at,
            base: None,
            taken: 0.0,
            seen: 0,
            lowest: 0.0,
            behind: 0.0,
            fill: 0.0,
        });
        if call.at < watch.begun + SETTLE {
            return None;
        }
        let base = *watch.base.get_or_insert(call.pushed);
        let before = call.pushed - base - watch.taken;
        watch.taken += call.takes;
        let behind = before - call.takes;
        watch.seen += 1;
        // Means over all calls so far.
        let share = 1.0 / watch.seen as f64;
        watch.fill += share * (before + call.age - watch.fill);
        watch.behind += share * (behind + call.age - watch.behind);
        watch.lowest = watch.lowest.min(behind);
        if call.at < watch.begun + SETTLE + WATCH || watch.seen < CALLS {
            return None;
        }
        if !self.lockstep {
            // Half of the longer period: what callbacks may be early or late by.
            let longer = period.max(call.takes);
            self.margin = self.margin.max((longer / 2.0).max(LEAST));
        }
        let mut lowest = watch.lowest.min(watch.behind - period);
        if self.lockstep && period > 0.0 {
            lowest = -period * (-lowest / period - 0.25).ceil();
        }
        let seen = watch.fill + self.margin - lowest;
        self.watch = None;
        Some(self.fixed.unwrap_or(seen))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two devices that call by these rules: (time, frames) each; returns the start and the lowest
    /// fill behind a callback in the ten seconds after it.
    fn play(
        mut inputs: impl Iterator<Item = (f64, f64)>,
        outputs: impl Iterator<Item = (f64, f64)>,
        period: f64,
        mut reserve: Reserve,
    ) -> (Start, f64) {
        let (mut pushed, mut read, mut last) = (0.0, 0.0, 0.0);
        let mut next = inputs.next().unwrap();
        let (mut start, mut lowest): (Option<Start>, f64) = (None, f64::INFINITY);
        for (at, takes) in outputs {
            while next.0 <= at {
                pushed += next.1;
                last = next.0;
                next = inputs.next().unwrap();
            }
            let age = (at - last) * reserve.rate;
            if start.is_none() {
                let call = Call {
                    at,
                    pushed,
                    age,
                    takes,
                };
                start = reserve.wait(call, period);
                start = start.filter(|start| pushed >= start.before);
                match start {
                    Some(start) => read = pushed - start.before,
                    None => continue,
                }
            }
            read += takes;
            lowest = lowest.min(pushed - read);
            if at > 10.0 {
                break;
            }
        }
        (start.expect("sound begins"), lowest)
    }

    fn every(period: f64, offset: f64) -> impl Iterator<Item = (f64, f64)> {
        (1..).map(move |k| (offset + f64::from(k) * period / 48_000.0, period))
    }

    #[test]
    fn one_cycle_for_both_holds_one_period_whatever_their_order() {
        for offset in [-1e-5, 1e-5] {
            let reserve = Reserve::new(48_000.0, None, true);
            let (start, lowest) = play(every(256.0, 0.0), every(256.0, offset), 256.0, reserve);
            assert!((start.fill - 512.0).abs() < 2.0, "{offset}: {start:?}");
            assert!(lowest >= 0.0, "{offset}: {lowest}");
        }
    }

    #[test]
    fn unequal_periods_never_run_dry() {
        for (a, b) in [
            (64.0, 1024.0),
            (1024.0, 64.0),
            (441.0, 512.0),
            (1000.0, 1001.0),
        ] {
            for offset in [0.0, 0.3e-3, 5e-3] {
                let reserve = Reserve::new(48_000.0, None, false);
                let (start, lowest) = play(every(a, 0.0), every(b, offset), a, reserve);
                assert!(lowest >= 0.0, "{a} {b} {offset}: {lowest}");
                // Not more than both periods, the margin, and what one watch cannot know.
                let most = a + b + a.max(b).max(64.0) / 2.0 + a.min(b) + 1.0;
                assert!(start.fill <= most, "{a} {b} {offset}: {start:?} > {most}");
            }
        }
    }

    #[test]
    fn bursts_are_held() {
        // Four callbacks at once, then none for four periods.
        let bursts = (1..).flat_map(|k| {
            (0..4).map(move |i| {
                (
                    f64::from(k) * 4.0 * 256.0 / 48_000.0 + f64::from(i) * 1e-4,
                    256.0,
                )
            })
        });
        let reserve = Reserve::new(48_000.0, None, false);
        let (_, lowest) = play(bursts, every(256.0, 1e-3), 256.0, reserve);
        assert!(lowest >= 0.0, "{lowest}");
    }

    #[test]
    fn after_a_gap_the_same_fill_is_gathered_and_a_little_more() {
        let mut reserve = Reserve::new(48_000.0, None, false);
        reserve.set_fill(1000.0);
        reserve.raise(100.0);
        let mut call = Call {
            at: 1.0,
            pushed: 5000.0,
            age: 0.0,
            takes: 256.0,
        };
        let start = |before| {
            Some(Start {
                before,
                fill: 1100.0,
            })
        };
        assert_eq!(reserve.wait(call, 256.0), start(1100.0));
        call.age = 200.0;
        assert_eq!(reserve.wait(call, 256.0), start(900.0));
        // A silent input never seems to have delivered enough.
        call.age = 48_000.0;
        assert_eq!(reserve.wait(call, 256.0), start(256.0));
    }

    #[test]
    fn what_is_asked_for_is_kept() {
        let reserve = Reserve::new(48_000.0, Some(2400.0), false);
        let (start, _) = play(every(256.0, 0.0), every(256.0, 1e-3), 256.0, reserve);
        assert!((start.fill - 2400.0).abs() < 1e-6, "{start:?}");
    }

    #[test]
    fn a_silent_input_begins_nothing() {
        let mut reserve = Reserve::new(48_000.0, None, false);
        for k in 0..1000 {
            let call = Call {
                at: 0.01 * f64::from(k),
                pushed: 0.0,
                age: 48_000.0,
                takes: 480.0,
            };
            assert_eq!(reserve.wait(call, 0.0), None);
        }
    }
}
