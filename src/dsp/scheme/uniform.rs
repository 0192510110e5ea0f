//! Overlap-save with equal blocks (Stockham 1966; Kulp 1988), behind a head in the time domain.

use super::{Layout, LevelShape, Scheme};

pub(crate) struct Uniform {
    /// Frames of every partition, a power of two.
    pub block: usize,
}

impl Uniform {
    /// The cheapest block size for a response of so many frames.
    pub fn cheapest(frames: usize, latency: usize) -> Self {
        let cost = |block: usize| Self::cost(&Uniform { block }.layout(frames, latency));
        let block = (5..=13)
            .map(|power| 1 << power)
            .min_by(|&a, &b| cost(a).total_cmp(&cost(b)))
            .expect("nine candidates");
        Uniform { block }
    }
}

impl Scheme for Uniform {
    fn layout(&self, frames: usize, latency: usize) -> Layout {
        // A block's answer is ready when the block is full: one block of delay. Either the
        // caller accepts that, or the head bridges it.
        let latency = if latency >= self.block { self.block } else { 0 };
        let end = frames + latency;
        let level = LevelShape {
            block: self.block,
            offset: self.block,
            partitions: end.saturating_sub(self.block).div_ceil(self.block),
        };
        Layout {
            latency,
            head: if latency > 0 { 0 } else { end.min(self.block) },
            levels: Vec::from_iter((level.partitions > 0).then_some(level)),
        }
    }
}
