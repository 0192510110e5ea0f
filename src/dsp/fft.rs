//! The transform of one block size, made for overlap-save of real blocks; hides the FFT crate.
//!
//! A window of overlap-save is a previous block p and a current block c of B real samples each.
//! Read as p + c z^B and reduced modulo z^B - i it becomes u = p + i c: B complex points. A
//! partition h of B real taps is itself. Modulo z^B - i, the product
//! w h = y0 + y1 z^B + y2 z^2B becomes (y0 - y2) + i y1, so its imaginary part is y1, exactly the
//! B valid samples of overlap-save (the right-angle convolution; Nussbaumer 1981).
//!
//! The product is taken pointwise at the B roots of z^B = i: a complex DFT of B points after a
//! twist by exp(i pi n / 2B). There is no DC or Nyquist bin to treat apart.

use std::fmt;
use std::sync::Arc;

use num_complex::Complex;
use rustfft::FftPlanner;

use crate::signal::Sample;

/// Transforms of blocks of one size. Cheap to clone; holds no state.
#[derive(Clone)]
pub(crate) struct Fft<T> {
    forward: Arc<dyn rustfft::Fft<T>>,
    inverse: Arc<dyn rustfft::Fft<T>>,
    /// exp(i pi n / 2B)
    twist: Arc<[Complex<T>]>,
}

impl<T> fmt::Debug for Fft<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fft({})", self.twist.len())
    }
}

impl<T: Sample> Fft<T> {
    /// For blocks of `block` frames, a power of two.
    pub fn new(block: usize) -> Self {
        let mut planner = FftPlanner::new();
        let step = std::f64::consts::FRAC_PI_2 / block as f64;
        let twist = (0..block).map(|n| {
            let (sin, cos) = (step * n as f64).sin_cos();
            Complex::new(T::of(cos), T::of(sin))
        });
        Self {
            forward: planner.plan_fft_forward(block),
            inverse: planner.plan_fft_inverse(block),
            twist: twist.collect(),
        }
    }

    /// Frames of a block, bins of a spectrum.
    pub fn block(&self) -> usize {
        self.twist.len()
    }

    /// Working space that both directions need, in complex values.
    pub fn scratch_len(&self) -> usize {
        self.forward
            .get_inplace_scratch_len()
            .max(self.inverse.get_inplace_scratch_len())
    }

    /// Spectrum of the window (`previous`, `current`).
    pub fn forward(
        &self,
        previous: &[T],
        current: &[T],
        spectrum: &mut [Complex<T>],
        scratch: &mut [Complex<T>],
    ) {
        let points = previous.iter().zip(current).zip(self.twist.iter());
        for (bin, ((&p, &c), &twist)) in spectrum.iter_mut().zip(points) {
            *bin = Complex::new(p, c) * twist;
        }
        self.forward.process_with_scratch(spectrum, scratch);
    }

    /// Spectrum of a partition of at most `block` taps, scaled so that
    /// [`inverse`](Self::inverse) needs no scaling.
    pub fn partition(&self, taps: &[T], spectrum: &mut [Complex<T>], scratch: &mut [Complex<T>]) {
        let scale = T::of(1.0 / self.block() as f64);
        spectrum.fill(Complex::new(T::zero(), T::zero()));
        for (bin, (&tap, &twist)) in spectrum.iter_mut().zip(taps.iter().zip(self.twist.iter())) {
            *bin = twist.scale(tap * scale);
        }
        self.forward.process_with_scratch(spectrum, scratch);
    }

    /// The valid samples of overlap-save; destroys the spectrum.
    pub fn inverse(
        &self,
        spectrum: &mut [Complex<T>],
        output: &mut [T],
        scratch: &mut [Complex<T>],
    ) {
        self.inverse.process_with_scratch(spectrum, scratch);
        for (out, (bin, twist)) in output
            .iter_mut()
            .zip(spectrum.iter().zip(self.twist.iter()))
        {
            // imaginary part of bin * conj(twist)
            *out = bin.im * twist.re - bin.re * twist.im;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_imaginary_part_is_the_valid_part_of_the_linear_convolution() {
        for block in [1, 2, 4, 16, 64, 1024] {
            let fft = Fft::<f64>::new(block);
            let noise = |seed: usize| -> Vec<f64> {
                (0..block)
                    .map(|n| (((n + 1) * (seed * 7919 + 31)) % 97) as f64 / 48.0 - 1.0)
                    .collect()
            };
            let (previous, current, taps) = (noise(1), noise(2), noise(3));
            let zero = Complex::new(0.0, 0.0);
            let mut scratch = vec![zero; fft.scratch_len()];
            let (mut x, mut h) = (vec![zero; block], vec![zero; block]);
            fft.forward(&previous, &current, &mut x, &mut scratch);
            fft.partition(&taps, &mut h, &mut scratch);
            for (x, h) in x.iter_mut().zip(&h) {
                *x *= h;
            }
            let mut output = vec![0.0; block];
            fft.inverse(&mut x, &mut output, &mut scratch);
            let window = [previous, current].concat();
            for (n, &got) in output.iter().enumerate() {
                let want: f64 = (0..block).map(|j| taps[j] * window[block + n - j]).sum();
                assert!(
                    (got - want).abs() < 1e-11,
                    "block {block} frame {n}: {got} {want}"
                );
            }
        }
    }
}
