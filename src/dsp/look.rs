//! What there is to know of samples before they enter the machine.

use crate::kernel::{self, Body, Cpu, Lane, Rows, RowsMut};
use crate::signal::Sample;

/// Lanes of the largest vector: each keeps a peak of its own, for to find the highest of them takes
/// longer than to look at a block.
pub(crate) const PEAKS: usize = 16;

/// [`Sample::magnitudes`] with the CPU's best instructions.
pub(super) fn magnitudes<T: Sample>(cpu: Cpu, samples: &[T]) -> (T, T) {
    let mut found = (T::zero(), T::zero());
    let body = Magnitudes {
        of: samples,
        found: &mut found,
    };
    kernel::run(cpu, body);
    found
}

struct Magnitudes<'a, T> {
    of: &'a [T],
    found: &'a mut (T, T),
}

impl<T: Sample> Body<T> for Magnitudes<'_, T> {
    #[inline(always)]
    fn run<L: Lane<T = T>>(self) {
        *self.found = T::magnitudes(self.of);
    }
}

/// Whether all samples are finite, and zero or of at least this magnitude. If so they raise the peaks,
/// each one of them. They are copied to a place of their length, if there is one.
pub(super) fn look<T: Sample>(
    cpu: Cpu,
    at: &[T],
    to: Option<&mut [T]>,
    least: T,
    peaks: &mut [T; PEAKS],
) -> bool {
    let mut ordinary = false;
    let body = Look {
        at,
        to,
        least,
        peaks,
        ordinary: &mut ordinary,
    };
    kernel::run(cpu, body);
    ordinary
}

/// The highest peak; by halves, so that few of the comparisons wait for others.
#[inline]
pub(super) fn highest<T: Sample>(peaks: &[T; PEAKS]) -> T {
    let mut peaks = *peaks;
    let mut half = PEAKS / 2;
    while half > 0 {
        for n in 0..half {
            if peaks[n + half] > peaks[n] {
                peaks[n] = peaks[n + half];
            }
        }
        half /= 2;
    }
    peaks[0]
}

struct Look<'a, T> {
    at: &'a [T],
    to: Option<&'a mut [T]>,
    least: T,
    peaks: &'a mut [T; PEAKS],
    ordinary: &'a mut bool,
}

impl<T: Sample> Body<T> for Look<'_, T> {
    #[inline(always)]
    fn run<L: Lane<T = T>>(mut self) {
        let (least, most) = (L::splat(self.least), L::splat(T::max_value()));
        let mut peaks = Rows::<L>::new(self.peaks, 0, L::N, 1, 1).get(0, 0);
        let mut ordinary = true;
        let vectors = self.at.len() / L::N;
        if vectors > 0 {
            let from = Rows::<L>::new(self.at, 0, L::N, vectors, 1);
            let to = self.to.as_deref_mut();
            let mut to = to.map(|to| RowsMut::<L>::new(to, 0, L::N, vectors, 1));
            for v in 0..vectors {
                let x = from.get(v, 0);
                if let Some(to) = &mut to {
                    to.set(v, 0, x);
                }
                ordinary &= x.abs().is_zero_or_within(least, most);
                peaks = x.abs().max(peaks);
            }
        }
        for n in vectors * L::N..self.at.len() {
            if let Some(to) = &mut self.to {
                to[n] = self.at[n];
            }
            let magnitude = L::splat(self.at[n]).abs();
            ordinary &= magnitude.is_zero_or_within(least, most);
            peaks = magnitude.max(peaks);
        }
        if ordinary {
            kernel::store(&mut self.peaks[..], peaks);
        }
        *self.ordinary = ordinary;
    }
}
