//! Ring of past input frames that can always be read in one piece.

use crate::signal::Sample;

/// Past input of one channel. Positions are absolute frames since the last reset.
#[derive(Debug, Clone)]
pub(crate) struct History<T> {
    /// `mirror` frames that repeat the ring's end, then the ring.
    buffer: Vec<T>,
    mirror: usize,
    /// Which of the latest frames were not finite and count as zero.
    faults: Vec<bool>,
    last_fault: Option<usize>,
}

impl<T: Sample> History<T> {
    /// Keeps at least `lookback` frames before a write, and windows of `2 * block` frames; no
    /// write may cross a multiple of `granule`, which divides `block`. Faults are remembered for
    /// `latency` frames.
    pub fn new(lookback: usize, block: usize, granule: usize, latency: usize) -> Self {
        let ring = lookback.max(2 * block).next_multiple_of(block);
        Self {
            buffer: vec![T::zero(); lookback + ring],
            mirror: lookback,
            faults: vec![false; (latency + granule).next_multiple_of(granule)],
            last_fault: None,
        }
    }

    fn ring(&self) -> usize {
        self.buffer.len() - self.mirror
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.buffer.fill(T::zero());
        self.faults.fill(false);
        self.last_fault = None;
    }

    /// Writes frames from position `at` on; what is not finite becomes zero and is remembered.
    pub fn write(&mut self, at: usize, frames: usize, input: impl Iterator<Item = T>) {
        let (ring, mirror) = (self.ring(), self.mirror);
        let start = at % ring;
        if start == 0 {
            self.buffer.copy_within(ring..ring + mirror, 0);
        }
        let target = &mut self.buffer[mirror + start..][..frames];
        // A sum with 0 x for every sample is 0 unless one of them is not finite.
        let mut probe = T::zero();
        for (slot, x) in target.iter_mut().zip(input) {
            *slot = x;
            probe += x * T::zero();
        }
        let first = at % self.faults.len();
        let faults = &mut self.faults[first..][..frames];
        if probe == T::zero() {
            faults.fill(false);
            return;
        }
        for (n, (slot, fault)) in target.iter_mut().zip(faults).enumerate() {
            *fault = !slot.is_finite();
            if *fault {
                *slot = T::zero();
                self.last_fault = Some(at + n);
            }
        }
    }

    /// The latest `lookback` frames before position `at`, then `frames` from there on.
    pub fn recent(&self, at: usize, lookback: usize, frames: usize) -> &[T] {
        let start = self.mirror + at % self.ring();
        &self.buffer[start - lookback..start + frames]
    }

    /// The block of `block` frames that ends before position `end`, a multiple of `block`.
    pub fn block(&self, end: usize, block: usize) -> &[T] {
        let ring = self.ring();
        let start = self.mirror + (end + ring - block) % ring;
        &self.buffer[start..start + block]
    }

    /// Whether the frame at position `at` was not finite.
    pub fn is_fault(&self, at: usize) -> bool {
        self.faults[at % self.faults.len()]
    }

    /// The latest frame that was not finite.
    pub fn last_fault(&self) -> Option<usize> {
        self.last_fault
    }
}
