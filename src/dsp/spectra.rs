//! Several spectra of one block size, stored tile by tile.

use crate::kernel::Buffer;
use crate::kernel::Scalar;

/// `slots` spectra of B bins each, tile-major: the first tiles of all slots side by side, then
/// the second tiles, so that a sum over slots reads memory from front to back.
#[derive(Debug, Clone)]
pub(crate) struct Spectra<T> {
    samples: Buffer<T>,
    slots: usize,
}

impl<T: Scalar> Spectra<T> {
    /// Zeros.
    pub fn new(block: usize, slots: usize) -> Self {
        Self {
            samples: Buffer::zeros(2 * block * slots),
            slots,
        }
    }

    pub fn slots(&self) -> usize {
        self.slots
    }

    pub fn samples(&self) -> &[T] {
        &self.samples
    }

    pub fn samples_mut(&mut self) -> &mut [T] {
        &mut self.samples
    }
}
