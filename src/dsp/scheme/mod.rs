//! Schemes: how an impulse response is cut. One file per scheme, each gives a layout.

mod direct;
mod levels;
mod uniform;

pub(crate) use direct::Direct;
pub(crate) use levels::Levels;
pub(crate) use uniform::Uniform;

/// When a level works on a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// In the call that fills the block: the answer begins one block after the window's middle.
    AtOnce,
    /// Spread evenly over the next block: the answer begins two blocks after it.
    Spread,
}

/// Partitions of one size, convolved in the frequency domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LevelShape {
    /// Frames of a partition, and of the grid on which its windows begin.
    pub block: usize,
    /// When its work is done.
    pub pace: Pace,
    /// Number of partitions.
    pub partitions: usize,
}

impl LevelShape {
    /// Delay in frames that the first tap of the first partition stands for.
    pub fn offset(&self) -> usize {
        match self.pace {
            Pace::AtOnce => self.block,
            Pace::Spread => 2 * self.block,
        }
    }

    /// Whether products are made for two blocks at once (see `pairs.rs`): where there are enough of
    /// them to gain by it.
    pub fn in_pairs(&self) -> bool {
        const LEAST: usize = 8;
        self.partitions >= LEAST
    }

    /// Delay behind the last tap.
    pub fn end(&self) -> usize {
        self.offset() + self.block * self.partitions
    }
}

/// A cut response. Positions are delays in frames: a latency shifts every tap by as much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Delay at which tap 0 comes out.
    pub latency: usize,
    /// Delays below this are convolved in the time domain.
    pub head: usize,
    /// Levels in order of delay and of size, each beginning where the one before ends.
    pub levels: Vec<LevelShape>,
}

impl Layout {
    /// Largest grid step within which no level begins anything.
    pub fn granule(&self) -> usize {
        const WITHOUT_LEVELS: usize = 64;
        self.levels.first().map_or(WITHOUT_LEVELS, |l| l.block)
    }

    /// The same cut for responses that end before delay `end`.
    pub fn until(mut self, end: usize) -> Self {
        self.levels.retain(|level| level.offset() < end);
        if let Some(last) = self.levels.last_mut() {
            let most = (end - last.offset()).div_ceil(last.block);
            last.partitions = last.partitions.min(most);
        }
        if self.levels.is_empty() {
            self.head = end;
        }
        self
    }
}

/// Cuts responses of up to `frames` taps, with at most `latency` frames of delay.
pub(crate) trait Scheme {
    fn layout(&self, frames: usize, latency: usize) -> Layout;
}
