//! Schemes: how an impulse response is cut. One file per scheme, each gives a layout.

mod direct;
mod levels;
mod uniform;

pub(crate) use direct::Direct;
pub(crate) use levels::Levels;
pub(crate) use uniform::Uniform;

use crate::kernel::{Cpu, Vectors};

/// When a level works on a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// The products of earlier blocks spread evenly over the calls before, the rest in the call that
    /// fills the block: the answer begins with the next.
    AtOnce,
    /// Spread evenly over the next block: the answer begins with the one behind that.
    Spread,
}

/// Partitions of one size, convolved in the frequency domain.
///
/// On the grid of a level every block of the input answers in blocks of output at so many blocks'
/// distance: partition p is what it is to the block [`nearest`](Self::nearest) + p blocks later, taps
/// (nearest + p - 1) B to (nearest + p + 1) B.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LevelShape {
    /// Frames of a block, on the grid and in a window.
    pub block: usize,
    /// When its work is done.
    pub pace: Pace,
    /// Number of partitions.
    pub partitions: usize,
    /// Taps that are its own; others in the windows of its partitions are zero.
    pub taps: (usize, usize),
    /// Where shares go [by block](Shares::ByBlock): blocks of this level in one of the next, if there
    /// is one.
    pub ratio: Option<usize>,
}

/// Who answers to what, where both this level and the next could.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shares {
    /// Each tap has its level, so that one level may play other responses than the next.
    ByTap,
    /// A level of R times the size looks back from its own block of output to all input two or more of
    /// its blocks earlier, and all that is later is left to the one before: what that has to look back
    /// to grows from R blocks by one with each block, up to 2 R - 1, and begins anew (as in on-line
    /// multiplication of power series: Fischer & Stockmeyer 1974, van der Hoeven 2003). A quarter fewer
    /// products, and half the head, but a tap passes from level to level.
    ByBlock,
}

impl LevelShape {
    /// Of what makes a square of so many frames: all that one block is to the next.
    pub fn square(block: usize) -> Self {
        Self {
            block,
            pace: Pace::AtOnce,
            partitions: 1,
            taps: (0, usize::MAX),
            ratio: None,
        }
    }

    /// Blocks from one of the input to the first of the output that this level makes of it.
    pub fn nearest(&self) -> usize {
        match self.pace {
            Pace::AtOnce => 1,
            Pace::Spread => 2,
        }
    }

    /// Delay in frames that the head has to bridge before this level.
    pub fn offset(&self) -> usize {
        self.nearest() * self.block
    }

    /// The first partition whose products are spread: that of the newest block cannot be, where the
    /// answer begins when the block is full.
    pub fn first_spread(&self) -> usize {
        match self.pace {
            Pace::AtOnce => 1,
            Pace::Spread => 0,
        }
    }

    /// How many of the partitions make the block of output that `made` blocks of input lead to:
    /// those that number 0 to `made - 1`.
    pub fn reach(&self, made: usize) -> usize {
        let Some(ratio) = self.ratio else {
            return self.partitions;
        };
        let output = made + self.nearest() - 1;
        let distance = ratio + output % ratio;
        self.partitions.min(distance + 1 - self.nearest())
    }

    /// Partitions that make a block of output, on average.
    pub fn mean_reach(&self) -> f64 {
        let blocks = self.ratio.unwrap_or(1);
        let reaches = (1..=blocks).map(|made| self.reach(made));
        reaches.sum::<usize>() as f64 / blocks as f64
    }

    /// The first tap that the level answers to.
    pub fn first_tap(&self) -> usize {
        self.taps.0.max((self.nearest() - 1) * self.block + 1)
    }

    /// Partitions for taps that end before `end`.
    fn partitions_until(&self, end: usize) -> usize {
        // The distance at which the last tap still answers.
        let last = (end - 1).div_ceil(self.block);
        last + 1 - self.nearest()
    }

    /// Whether products of samples `T` are made for two blocks at once (see `pairs.rs`): where there are
    /// enough of them to gain by it, and fewer will do where whole tiles fit the registers.
    pub fn in_pairs<T: Vectors>(&self, cpu: Cpu) -> bool {
        let least = if cpu.registers::<T>() >= 32 { 4 } else { 8 };
        self.partitions >= least
    }
}

/// A cut response. Positions are delays in frames: a latency shifts every tap by as much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Delay at which tap 0 comes out.
    pub latency: usize,
    /// Taps of the time domain. Where shares go by block they answer only to the frames that nothing else
    /// does: of the first level's block that goes on, or of a part of it, and where that level is spread of
    /// the one before.
    pub head: usize,
    /// If given, frames of the least [square](Self::squares).
    pub square: Option<usize>,
    /// Levels in order of size.
    pub levels: Vec<LevelShape>,
    pub shares: Shares,
}

impl Layout {
    /// Largest grid step within which no level begins anything.
    pub fn granule(&self) -> usize {
        const WITHOUT_LEVELS: usize = 64;
        self.levels.first().map_or(WITHOUT_LEVELS, |l| l.block)
    }

    /// Levels of such blocks, in growing order, of which the first works at the given pace and the
    /// others are spread, for responses that end before delay `end`. Those that begin
    /// behind it are left out.
    pub fn of_levels(
        latency: usize,
        blocks: &[usize],
        first: Pace,
        end: usize,
        shares: Shares,
    ) -> Self {
        let mut levels: Vec<LevelShape> = Vec::new();
        for &block in blocks {
            let mut level = LevelShape {
                block,
                pace: if levels.is_empty() {
                    first
                } else {
                    Pace::Spread
                },
                partitions: 0,
                taps: (0, usize::MAX),
                ratio: None,
            };
            if level.offset() >= end {
                break;
            }
            level.partitions = level.partitions_until(end);
            if shares == Shares::ByTap {
                level.taps.0 = level.offset();
            }
            if let Some(before) = levels.last_mut() {
                before.partitions = match shares {
                    Shares::ByTap => {
                        before.taps.1 = level.offset();
                        before.partitions_until(level.offset())
                    }
                    Shares::ByBlock => {
                        let ratio = block / before.block;
                        before.ratio = Some(ratio);
                        2 * ratio - before.nearest()
                    }
                };
            }
            levels.push(level);
        }
        let head = match levels.first() {
            Some(level) => level.offset() - latency,
            None => end,
        };
        Self {
            latency,
            head,
            square: None,
            levels,
            shares,
        }
    }

    /// With squares, the least of `least` frames, if there can be any: where the time domain answers to the
    /// frames of one block, and that is larger.
    pub fn with_squares(self, least: Option<usize>) -> Self {
        let first = self.levels.first();
        let first = first.filter(|_| self.shares == Shares::ByBlock && self.head > 0);
        let fits = |least: &usize| {
            first.is_some_and(|level| level.pace == Pace::AtOnce && level.block > *least)
        };
        let square = least.filter(fits);
        Self {
            head: square.unwrap_or(self.head),
            square,
            ..self
        }
    }

    /// What the first half of the first level's block is to the second, in one go between them; what the
    /// first half of each half is to its second; and so on down to the least: the frames of these parts,
    /// in growing order. What is left to the time domain answers to the least part that goes on.
    pub fn squares(&self) -> impl Iterator<Item = usize> + use<> {
        let half = self.granule() / 2;
        let sizes = std::iter::successors(self.square, |part| Some(2 * part));
        sizes.take_while(move |&part| part <= half)
    }

    /// Frames after which the time domain begins anew, at the latest: the granule, or the least part of it.
    pub fn stride(&self) -> usize {
        self.square.unwrap_or(self.granule())
    }

    /// What the head answers to on average, in frames.
    pub fn mean_head(&self) -> f64 {
        match self.head {
            0 => 0.0,
            _ => (self.head_reach(0) + self.head_reach(self.stride() - 1)) as f64 / 2.0,
        }
    }

    /// Frames before position `at` that the head answers to, as far as there are taps.
    pub fn head_reach(&self, at: usize) -> usize {
        match (self.shares, self.levels.first()) {
            (Shares::ByBlock, Some(level)) => level.offset() - level.block + at % self.stride(),
            _ => self.head,
        }
    }
}

/// Cuts responses of up to `frames` taps, with at most `latency` frames of delay.
pub(crate) trait Scheme {
    fn layout(&self, frames: usize, latency: usize, shares: Shares) -> Layout;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_squares_where_the_time_domain_answers_to_one_block_and_nowhere_else() {
        let layout = |blocks: &[usize], first: Pace, latency: usize, shares: Shares| {
            let layout = Layout::of_levels(latency, blocks, first, 10_000 + latency, shares);
            let with_square = layout.clone().with_squares(Some(128));
            assert_eq!(layout.clone().with_squares(None), layout);
            if with_square.square.is_none() {
                assert_eq!(with_square, layout);
            }
            with_square
        };
        let with_square = layout(&[256, 2048], Pace::AtOnce, 0, Shares::ByBlock);
        assert_eq!((with_square.square, with_square.head), (Some(128), 128));
        let reaches = [0, 16, 112, 128, 240, 256].map(|at| with_square.head_reach(at));
        assert_eq!(reaches, [0, 16, 112, 0, 112, 0]);
        assert_eq!(with_square.squares().collect::<Vec<_>>(), [128]);
        let more = layout(&[1024], Pace::AtOnce, 0, Shares::ByBlock);
        assert_eq!((more.stride(), more.head), (128, 128));
        assert_eq!(more.squares().collect::<Vec<_>>(), [128, 256, 512]);
        for none in [
            layout(&[], Pace::AtOnce, 0, Shares::ByBlock),
            layout(&[128, 2048], Pace::AtOnce, 0, Shares::ByBlock),
            layout(&[256, 2048], Pace::Spread, 0, Shares::ByBlock),
            layout(&[256, 2048], Pace::AtOnce, 256, Shares::ByBlock),
            layout(&[256, 2048], Pace::AtOnce, 0, Shares::ByTap),
        ] {
            assert_eq!((none.square, none.squares().next()), (None, None));
        }
    }
}
