//! Ring of past input spectra: the frequency-domain delay line.

use num_complex::Complex;

use crate::signal::Sample;

/// The latest spectra of one input at one level.
#[derive(Debug, Clone)]
pub(crate) struct DelayLine<T> {
    spectra: Vec<Complex<T>>,
    block: usize,
    /// Slot of the newest spectrum.
    now: usize,
    /// Spectra pushed since the last reset, at most as many as there are slots: what lies
    /// further back is silence.
    filled: usize,
}

impl<T: Sample> DelayLine<T> {
    pub fn new(block: usize, partitions: usize) -> Self {
        Self {
            spectra: vec![Complex::new(T::zero(), T::zero()); block * partitions],
            block,
            now: 0,
            filled: 0,
        }
    }

    fn slots(&self) -> usize {
        self.spectra.len() / self.block
    }

    /// Forgets everything, without touching the spectra.
    pub fn reset(&mut self) {
        self.now = 0;
        self.filled = 0;
    }

    /// Makes room for the newest spectrum and gives its slot.
    pub fn push(&mut self) -> &mut [Complex<T>] {
        self.now = (self.now + 1) % self.slots();
        self.filled = (self.filled + 1).min(self.slots());
        &mut self.spectra[self.now * self.block..][..self.block]
    }

    /// The spectra from the newest to the oldest.
    pub fn newest_first(&self) -> impl Iterator<Item = &[Complex<T>]> {
        let slots = self.slots();
        (0..self.filled).map(move |age| {
            let slot = (self.now + slots - age) % slots;
            &self.spectra[slot * self.block..][..self.block]
        })
    }
}
