//! Overlap-save with equal blocks (Stockham 1966; Kulp 1988), behind a head in the time domain.

use super::{Layout, LevelShape, Pace, Scheme};

pub(crate) struct Uniform {
    /// Frames of every partition, a power of two.
    pub block: usize,
}

impl Scheme for Uniform {
    fn layout(&self, frames: usize, latency: usize) -> Layout {
        // A block's answer is ready when the block is full: one block of delay. Either the
        // caller accepts that, or the head bridges it.
        let accepted = latency >= self.block;
        let latency = if accepted { self.block } else { 0 };
        let level = LevelShape {
            block: self.block,
            pace: Pace::AtOnce,
            partitions: frames.div_ceil(self.block),
        };
        Layout {
            latency,
            head: self.block - latency,
            levels: vec![level],
        }
        .until(frames + latency)
    }
}
