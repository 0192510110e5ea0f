//! Overlap-save with equal blocks (Stockham 1966; Kulp 1988), behind a head in the time domain.

use super::{Layout, Pace, Scheme, Shares};

pub(crate) struct Uniform {
    /// Frames of every partition, a power of two.
    pub block: usize,
}

impl Scheme for Uniform {
    fn layout(&self, frames: usize, latency: usize, shares: Shares) -> Layout {
        // A block's answer is ready when the block is full: one block of delay. Either the
        // caller accepts that, or the head bridges it.
        let accepted = latency >= self.block;
        let latency = if accepted { self.block } else { 0 };
        Layout::of_levels(
            latency,
            &[self.block],
            Pace::AtOnce,
            frames + latency,
            shares,
        )
    }
}
