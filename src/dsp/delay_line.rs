//! Ring of past input spectra: the frequency-domain delay line.

use super::spectra::Spectra;
use crate::kernel::Scalar;

/// The latest spectra of one input at one level. The ring runs backwards: the spectrum p blocks
/// before the newest is in slot `(newest + p) % slots`.
#[derive(Debug, Clone)]
pub(crate) struct DelayLine<T> {
    spectra: Spectra<T>,
    newest: usize,
    /// Slots that hold nothing but silence, whatever is written in them, and their number.
    silent: Vec<bool>,
    silences: usize,
}

impl<T: Scalar> DelayLine<T> {
    pub fn new(block: usize, slots: usize) -> Self {
        Self {
            spectra: Spectra::new(block, slots),
            newest: 0,
            silent: vec![true; slots],
            silences: slots,
        }
    }

    /// Forgets everything, without touching the spectra.
    pub fn reset(&mut self) {
        self.silent.fill(true);
        self.silences = self.silent.len();
    }

    /// Moves on by one block, of which it is known whether it is silent.
    pub fn turn(&mut self, silent: bool) {
        self.newest = self.newest.checked_sub(1).unwrap_or(self.silent.len() - 1);
        let slot = &mut self.silent[self.newest];
        self.silences = self.silences + usize::from(silent) - usize::from(*slot);
        *slot = silent;
    }

    pub fn newest(&self) -> usize {
        self.newest
    }

    pub fn spectra(&self) -> &Spectra<T> {
        &self.spectra
    }

    pub fn spectra_mut(&mut self) -> &mut Spectra<T> {
        &mut self.spectra
    }

    /// Whether the newest spectrum is silent.
    pub fn newest_is_silent(&self) -> bool {
        self.silent[self.newest]
    }

    /// Where the spectrum `age` blocks before the newest is.
    pub fn slot(&self, age: usize) -> usize {
        let slot = self.newest + age;
        slot.checked_sub(self.silent.len()).unwrap_or(slot)
    }

    pub fn is_silent(&self, slot: usize) -> bool {
        self.silent[slot]
    }

    /// Whether no slot is silent.
    pub fn all_sound(&self) -> bool {
        self.silences == 0
    }

    /// Whether every slot is silent.
    pub fn all_silent(&self) -> bool {
        self.silences == self.silent.len()
    }
}
