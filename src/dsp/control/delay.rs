//! A plain delay: the latest frames of one channel.

use crate::signal::Sample;

/// Remembers at least so many frames.
#[derive(Debug, Clone)]
pub(crate) struct Delay<T> {
    /// A power of two.
    ring: Vec<T>,
    /// Frames so far.
    position: usize,
}

impl<T: Sample> Delay<T> {
    /// For delays of up to `most` frames behind blocks of up to `block`.
    pub fn new(most: usize, block: usize) -> Self {
        Self {
            ring: vec![T::zero(); (most + block).next_power_of_two()],
            position: 0,
        }
    }

    pub fn reset(&mut self) {
        self.ring.fill(T::zero());
    }

    pub fn push(&mut self, block: &[T]) {
        let mask = self.ring.len() - 1;
        for (n, &x) in block.iter().enumerate() {
            self.ring[(self.position + n) & mask] = x;
        }
        self.position += block.len();
    }

    /// Frame `n` of the latest block of `block` frames, `delay` frames before it.
    #[inline]
    pub fn read(&self, block: usize, n: usize, delay: usize) -> T {
        let at = self.position + self.ring.len() - block + n - delay;
        self.ring[at & (self.ring.len() - 1)]
    }
}
