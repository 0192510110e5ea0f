//! What was written, and how well it fitted.

use super::extremes;
use crate::signal::Sample;

/// What was written so far, and how well it fitted.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Levels {
    /// Frames written.
    pub frames: u64,
    /// Largest value, 1.0 being full scale; 0 at least.
    pub high: f64,
    /// Smallest value; 0 at most.
    pub low: f64,
    /// Samples that the format could not hold and that were clipped.
    pub clipped: u64,
    /// Samples that were rounded, with dither.
    pub dithered: u64,
    /// Samples that were no number, and were written as 0.
    pub nonfinite: u64,
}

impl Levels {
    /// Largest magnitude, 1.0 being full scale.
    pub fn peak(&self) -> f64 {
        self.high.max(-self.low)
    }

    /// Takes in what was counted elsewhere, over other frames of the same stream.
    pub fn merge(&mut self, other: &Self) {
        self.frames += other.frames;
        self.high = self.high.max(other.high);
        self.low = self.low.min(other.low);
        self.clipped += other.clipped;
        self.dithered += other.dithered;
        self.nonfinite += other.nonfinite;
    }

    /// Counts the frames and keeps the extremes.
    #[inline(always)]
    pub(crate) fn watch<T: Sample>(&mut self, block: &[Vec<T>]) {
        self.frames += block.first().map_or(0, Vec::len) as u64;
        for channel in block {
            let (high, low) = extremes(channel);
            self.high = self.high.max(high.wide());
            self.low = self.low.min(low.wide());
        }
    }
}
