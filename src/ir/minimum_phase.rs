//! The same magnitude with the least delay.

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

use super::{ImpulseResponse, IrError};

/// Transform length over response length: what keeps the cepstrum from folding onto itself.
const ROOM: usize = 16;
/// Shortest transform.
const SHORTEST: usize = 1 << 15;
/// Magnitudes below this share of the largest (-140 dB) are taken as this: the logarithm of a
/// zero has no value.
const FLOOR: f64 = 1e-7;

impl ImpulseResponse {
    /// Every channel with its magnitude response kept and its energy moved to the front as far
    /// as any causal filter of that magnitude allows. Length and rate stay.
    ///
    /// The homomorphic method: the cepstrum of the magnitude, folded onto positive times, is
    /// that of the minimum-phase response (Oppenheim & Schafer, Discrete-Time Signal
    /// Processing, "The complex cepstrum"). The transform is 16 times as long as the response,
    /// so that the magnitude in the pass band of a linear-phase low-pass is kept to 0.001 dB.
    pub fn minimum_phase(self) -> Result<Self, IrError> {
        let rate = self.rate();
        self.mapped(rate, |taps| Ok(minimum_phase(taps)))
    }
}

/// The minimum-phase taps of the same length and magnitude.
pub(super) fn minimum_phase(taps: &[f64]) -> Vec<f64> {
    let size = (ROOM * taps.len()).next_power_of_two().max(SHORTEST);
    let mut bins: Vec<Complex<f64>> = taps.iter().map(|&tap| Complex::new(tap, 0.0)).collect();
    bins.resize(size, Complex::default());
    FftPlanner::new().plan_fft_forward(size).process(&mut bins);
    let peak = bins.iter().fold(0.0, |peak: f64, bin| peak.max(bin.norm()));
    if peak == 0.0 {
        return taps.to_vec();
    }
    let mut least = from_log_magnitude(size, |bin| bins[bin].norm().max(FLOOR * peak).ln());
    least.truncate(taps.len());
    least
}

/// `size` taps (an even number) of minimum phase whose magnitude has the natural logarithm
/// `magnitude` at the bins 0 to size/2.
pub(super) fn from_log_magnitude(size: usize, magnitude: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut planner = FftPlanner::new();
    let (forward, inverse) = (
        planner.plan_fft_forward(size),
        planner.plan_fft_inverse(size),
    );
    let scale = 1.0 / size as f64;
    // Cepstrum: the inverse transform of log |H|; real and even.
    let mut bins: Vec<Complex<f64>> = (0..size)
        .map(|k| Complex::new(magnitude(k.min(size - k)), 0.0))
        .collect();
    inverse.process(&mut bins);
    // Folded: once at 0 and at the middle, twice between, nothing at negative times.
    for (n, bin) in bins.iter_mut().enumerate() {
        let times = match n {
            _ if n == 0 || n == size / 2 => 1.0,
            _ if n < size / 2 => 2.0,
            _ => 0.0,
        };
        *bin = Complex::new(bin.re * scale * times, 0.0);
    }
    forward.process(&mut bins);
    bins.iter_mut().for_each(|bin| *bin = bin.exp());
    inverse.process(&mut bins);
    bins.iter().map(|bin| bin.re * scale).collect()
}
