//! How the frames of a device lie in time, as its callbacks tell.
//!
//! Single callbacks come late, by as much as the machine is busy, and hosts round the delays that
//! they state. So a straight line is laid through medians.

use crate::run::live::capture::Stamp;

/// Stretches that a course is divided into, at most.
const STRETCHES: usize = 64;
/// Callbacks that a stretch has at least.
const LEAST: usize = 3;
/// Stretches on either side of a place that is looked at for a jump; fewer near the ends.
const BESIDE: usize = 4;

/// When the frames of a device were at the microphone, or will be at the loudspeaker.
#[derive(Debug, Clone)]
pub(super) struct Course {
    /// Frames, and seconds less what these frames last nominally: a stretch's median of each.
    points: Vec<(f64, f64)>,
    rate: f64,
    /// Seconds that a frame lasts beyond its nominal time.
    slope: f64,
    /// Seconds, as in `points`, at frame 0.
    level: f64,
}

impl Course {
    /// Of a device's callbacks in a row, `sign` being the direction in which its delay lies: -1
    /// for an input, 1 for an output. None where there are too few.
    pub fn new(stamps: &[Stamp], rate: f64, sign: f64) -> Option<Self> {
        // A stamp's total counts its own frames: those before it tell its first one.
        let pairs = stamps.windows(2);
        let points: Vec<(f64, f64)> = pairs
            .map(|pair| {
                let frame = pair[0].total as f64;
                (frame, pair[1].at + sign * pair[1].delay - frame / rate)
            })
            .collect();
        let length = points.len().div_ceil(STRETCHES).max(LEAST);
        let points: Vec<_> = points
            .chunks_exact(length)
            .map(|stretch| {
                let half = |pick: fn(&(f64, f64)) -> f64| median(stretch.iter().map(pick));
                (half(|point| point.0), half(|point| point.1))
            })
            .collect();
        if points.is_empty() {
            return None;
        }
        // Theil 1950, Sen 1968: the median slope of all pairs.
        let slopes = points.iter().enumerate().flat_map(|(k, a)| {
            let later = points[k + 1..].iter();
            later.map(move |b| (b.1 - a.1) / (b.0 - a.0))
        });
        let slopes: Vec<f64> = slopes.collect();
        let slope = if slopes.is_empty() {
            0.0
        } else {
            median(slopes.into_iter())
        };
        let level = median(points.iter().map(|point| point.1 - slope * point.0));
        Some(Self {
            points,
            rate,
            slope,
            level,
        })
    }

    /// Seconds at which a frame was, or will be.
    pub fn time(&self, frame: f64) -> f64 {
        self.level + frame * (self.slope + 1.0 / self.rate)
    }

    /// The frame, with a fraction, that was there at that time.
    pub fn frame(&self, time: f64) -> f64 {
        (time - self.level) / (self.slope + 1.0 / self.rate)
    }

    /// The largest jump in seconds: above 0 where frames are missing, below where there are too
    /// many.
    pub fn jump(&self) -> f64 {
        let flat = |point: &(f64, f64)| point.1 - self.slope * point.0;
        let jump = |at: usize| {
            let end = (at + BESIDE).min(self.points.len());
            let before = self.points[at.saturating_sub(BESIDE)..at].iter().map(flat);
            median(self.points[at..end].iter().map(flat)) - median(before)
        };
        (1..self.points.len())
            .map(jump)
            .max_by(|a, b| a.abs().total_cmp(&b.abs()))
            .unwrap_or(0.0)
    }
}

/// The middle value, or the mean of the two; 0 of none.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => sorted[half],
        _ => 0.5 * (sorted[half - 1] + sorted[half]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: f64 = 48_000.0;

    /// Callbacks of `period` frames whose clock is so much too fast, late now and then; `lost`
    /// frames are missing from the middle on.
    fn stamps(count: usize, period: u64, ppm: f64, lost: u64) -> Vec<Stamp> {
        stamps_with(count, period, ppm, (lost, count / 2))
    }

    /// The same where the frames are missing from that callback on.
    fn stamps_with(count: usize, period: u64, ppm: f64, (lost, from): (u64, usize)) -> Vec<Stamp> {
        let stamp = |k: usize| {
            let total = (k as u64 + 1) * period;
            let gone = if k >= from { lost } else { 0 };
            let late = if k % 7 == 3 { 0.004 } else { 0.0 };
            let time = (total - period + gone) as f64 / (RATE * (1.0 + 1e-6 * ppm));
            Stamp {
                at: 1.0 + time + late,
                delay: 0.01,
                total,
            }
        };
        (0..count).map(stamp).collect()
    }

    #[test]
    fn frames_and_times_belong_together_however_late_single_calls_are() {
        for ppm in [0.0, 300.0, -300.0] {
            let course = Course::new(&stamps(1000, 256, ppm, 0), RATE, -1.0).unwrap();
            for frame in [0.0, 1000.5, 256e3] {
                let expected = 0.99 + frame / (RATE * (1.0 + 1e-6 * ppm));
                // One call in seven is late, which moves the median of a stretch by a fourteenth of
                // its 16 calls, or one: what the clock drifts meanwhile is off.
                let most = (1.0 / 14.0 + 1.0 / 16.0) * 16.0 * 256.0 / RATE * 300e-6;
                let off = course.time(frame) - expected;
                assert!(off.abs() < most + 1e-9, "{off} at {ppm} ppm");
                let off = course.frame(expected) - frame;
                assert!(off.abs() < most * RATE + 1e-3, "{off} at {ppm} ppm");
            }
        }
    }

    #[test]
    fn frames_that_are_missing_are_a_jump_and_a_drift_is_none() {
        for ppm in [0.0, 1000.0, -1000.0] {
            let jump = |lost| {
                let stamps = stamps(1000, 256, ppm, lost);
                Course::new(&stamps, RATE, 1.0).unwrap().jump()
            };
            assert!(jump(0).abs() < 1e-4, "{} at {ppm} ppm", jump(0));
            // The slope takes a part of it: of the jump, over all stretches, what lies between
            // the middles of those on either side.
            let (lost, share) = (1024.0 / RATE, BESIDE as f64 / STRETCHES as f64);
            let off = (jump(1024) - lost).abs();
            assert!(off < 2.0 * share * lost + 1e-4, "{} at {ppm}", jump(1024));
        }
    }

    #[test]
    fn a_jump_near_an_end_is_found_too() {
        for from in [40, 960] {
            let stamps = stamps_with(1000, 256, 0.0, (1024, from));
            let jump = Course::new(&stamps, RATE, 1.0).unwrap().jump();
            let lost = 1024.0 / RATE;
            assert!((jump - lost).abs() < 0.2 * lost, "{jump} from {from} on");
        }
    }

    #[test]
    fn too_few_calls_have_no_course() {
        assert!(Course::new(&stamps(3, 256, 0.0, 0), RATE, 1.0).is_none());
        let short = Course::new(&stamps(4, 256, 0.0, 0), RATE, 1.0).unwrap();
        assert_eq!(short.jump(), 0.0);
    }
}
