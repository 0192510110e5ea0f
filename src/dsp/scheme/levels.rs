//! Partitions that grow with their distance (Gardner 1995; Garcia 2002), on an absolute grid.

use super::{Layout, LevelShape, Pace, Scheme};

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
    fn layout(&self, frames: usize, latency: usize) -> Layout {
        let shape = |block, pace| LevelShape {
            block,
            pace,
            partitions: 0,
        };
        let mut levels: Vec<LevelShape> = self
            .blocks
            .iter()
            .map(|&block| shape(block, Pace::Spread))
            .collect();
        levels[0].pace = self.first;
        let begin = levels[0].offset();
        let latency = if latency >= begin { begin } else { 0 };
        let end = frames + latency;
        for index in 0..levels.len() {
            let next = levels.get(index + 1).map_or(end, LevelShape::offset);
            let level = &mut levels[index];
            level.partitions = next.saturating_sub(level.offset()).div_ceil(level.block);
        }
        Layout {
            latency,
            head: begin - latency,
            levels,
        }
        .until(end)
    }
}
