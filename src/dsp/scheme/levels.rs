//! Partitions that grow with their distance (Gardner 1995; Garcia 2002), on an absolute grid.

use super::{Layout, Pace, Scheme, Shares};

pub(crate) struct Levels {
    /// Block sizes in growing order, powers of two.
    pub blocks: Vec<usize>,
    /// How the first level works; the others are spread.
    pub first: Pace,
}

impl Levels {
    /// Sizes from `first` on that grow by `growth` as far as the response's length asks for it.
    pub fn growing(first: usize, growth: usize, largest: usize, frames: usize) -> Self {
        let sizes = std::iter::successors(Some(first), |&block| block.checked_mul(growth));
        let fits = |&block: &usize| block == first || (block <= largest && 2 * block < frames);
        Levels {
            blocks: sizes.take_while(fits).collect(),
            first: Pace::AtOnce,
        }
    }
}

impl Scheme for Levels {
    fn layout(&self, frames: usize, latency: usize, shares: Shares) -> Layout {
        let begin = match self.first {
            Pace::AtOnce => self.blocks[0],
            Pace::Spread => 2 * self.blocks[0],
        };
        let latency = if latency >= begin { begin } else { 0 };
        Layout::of_levels(latency, &self.blocks, self.first, frames + latency, shares)
    }
}
