//! Schemes: how an impulse response is cut. One file per scheme, each gives a layout.

mod direct;
mod uniform;

pub(crate) use direct::Direct;
pub(crate) use uniform::Uniform;

/// Partitions of one size, convolved in the frequency domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LevelShape {
    /// Frames of a partition, and of the grid on which its windows begin.
    pub block: usize,
    /// Delay in frames that the first tap of the first partition stands for.
    pub offset: usize,
    /// Number of partitions.
    pub partitions: usize,
}

impl LevelShape {
    /// Delay behind the last tap.
    pub fn end(&self) -> usize {
        self.offset + self.block * self.partitions
    }
}

/// A cut response. Positions are delays in frames: a latency shifts every tap by as much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Delay at which tap 0 comes out.
    pub latency: usize,
    /// Delays below this are convolved in the time domain.
    pub head: usize,
    /// Levels in order of delay, each beginning where the one before ends.
    pub levels: Vec<LevelShape>,
}

impl Layout {
    /// Largest grid step on which nothing changes within a segment.
    pub fn granule(&self) -> usize {
        const WITHOUT_LEVELS: usize = 64;
        self.levels.first().map_or(WITHOUT_LEVELS, |l| l.block)
    }
}

/// Cuts responses of up to `frames` taps with at most `latency` frames of delay.
pub(crate) trait Scheme {
    fn layout(&self, frames: usize, latency: usize) -> Layout;
    /// Predicted cost per frame of a layout, in nanoseconds on a machine of 2020.
    fn cost(layout: &Layout) -> f64
    where
        Self: Sized,
    {
        let head = 0.06 * (layout.head - layout.latency.min(layout.head)) as f64;
        let level =
            |l: &LevelShape| 3.0 + 1.5 * (l.block as f64).log2() + 0.6 * l.partitions as f64;
        head + layout.levels.iter().map(level).sum::<f64>()
    }
}
