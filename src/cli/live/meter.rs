//! The movement of a level meter: up at once, down slowly, and a mark that stays a while.

use std::time::Duration;

/// Lowest level that a meter shows, in dB of full scale.
pub(super) const FLOOR: f32 = -60.0;
/// How fast it falls, in dB per second.
const FALL: f32 = 20.0;
/// How long the mark of the highest level stays.
const HOLD: Duration = Duration::from_millis(1500);
/// Whatever is below is silence.
const SILENCE: f32 = -120.0;

/// A magnitude in dB of full scale, within bounds that can be drawn; no number is silence.
pub(super) fn db(magnitude: f32) -> f32 {
    let db = 20.0 * magnitude.log10();
    if db.is_nan() {
        SILENCE
    } else {
        db.clamp(SILENCE, 60.0)
    }
}

/// A meter's pointer and its mark.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Meter {
    level: f32,
    mark: f32,
    since: Duration,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            level: SILENCE,
            mark: SILENCE,
            since: Duration::ZERO,
        }
    }
}

impl Meter {
    /// Where the pointer is, in dB of full scale.
    pub(super) fn level(&self) -> f32 {
        self.level
    }

    /// Where the mark is; never below the pointer.
    pub(super) fn mark(&self) -> f32 {
        self.mark
    }

    /// Sees the largest magnitude of the time that has passed.
    pub(super) fn see(&mut self, peak: f32, passed: Duration) {
        let now = db(peak);
        self.level = now.max(self.level - FALL * passed.as_secs_f32());
        if now >= self.mark {
            self.mark = now;
            self.since = Duration::ZERO;
            return;
        }
        self.since += passed;
        let falling = self.since.saturating_sub(HOLD).min(passed);
        self.mark = self.level.max(self.mark - FALL * falling.as_secs_f32());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(50);

    fn run(meter: &mut Meter, peak: f32, steps: usize) {
        (0..steps).for_each(|_| meter.see(peak, STEP));
    }

    #[test]
    fn it_rises_at_once_and_falls_by_20_db_in_a_second() {
        let mut meter = Meter::default();
        meter.see(1.0, STEP);
        assert_eq!(meter.level(), 0.0);
        run(&mut meter, 0.0, 20);
        assert!((meter.level() + 20.0).abs() < 1e-3, "{meter:?}");
    }

    #[test]
    fn the_mark_stays_for_a_second_and_a_half_and_then_falls() {
        let mut meter = Meter::default();
        meter.see(0.5, STEP);
        run(&mut meter, 0.0, 30);
        assert!((meter.mark() - db(0.5)).abs() < 1e-6, "{meter:?}");
        run(&mut meter, 0.0, 10);
        assert!((meter.mark() - db(0.5) + 10.0).abs() < 1e-3, "{meter:?}");
    }

    #[test]
    fn the_mark_is_never_below_the_pointer() {
        let mut meter = Meter::default();
        for step in 0..400 {
            meter.see(((step * 7919) % 100) as f32 / 100.0, STEP);
            assert!(meter.mark() >= meter.level(), "{meter:?}");
        }
    }

    #[test]
    fn what_is_no_number_is_silence_and_infinity_has_an_end() {
        let mut meter = Meter::default();
        meter.see(f32::NAN, STEP);
        assert_eq!(meter, Meter::default());
        meter.see(f32::INFINITY, STEP);
        assert_eq!(meter.level(), 60.0);
        meter.see(0.0, Duration::from_secs(1_000_000));
        assert_eq!(meter.level(), SILENCE);
    }
}
