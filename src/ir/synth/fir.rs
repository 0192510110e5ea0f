//! Taps of linear phase from a window: the methods of scipy.signal.firwin and firwin2.

use std::f64::consts::PI;

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

/// Points of a sampled curve per tap, at least.
const DENSITY: usize = 8;
/// Windowed sincs that pass `bands` (of Nyquist, from 0 to 1, rising), -6 dB at their edges. The
/// gain is exactly 1 in the first band: at 0 Hz or Nyquist where it reaches so far, otherwise in
/// its middle.
pub(super) fn passes(bands: &[(f64, f64)], window: &[f64]) -> Vec<f64> {
    let middle = (window.len() as f64 - 1.0) / 2.0;
    let ideal = |n: f64| -> f64 {
        let pass = |&(low, high): &(f64, f64)| {
            if n == 0.0 {
                high - low
            } else {
                ((PI * high * n).sin() - (PI * low * n).sin()) / (PI * n)
            }
        };
        bands.iter().map(pass).sum()
    };
    let mut taps: Vec<f64> = window
        .iter()
        .enumerate()
        .map(|(n, w)| w * ideal(n as f64 - middle))
        .collect();
    let unity = match bands[0] {
        (0.0, _) => 0.0,
        (_, 1.0) => 1.0,
        (low, high) => 0.5 * (low + high),
    };
    let waves = taps.iter().enumerate();
    let gain: f64 = waves
        .map(|(n, tap)| tap * (PI * unity * (n as f64 - middle)).cos())
        .sum();
    taps.iter_mut().for_each(|tap| *tap /= gain);
    taps
}

/// An odd number of taps whose gain follows `gain` (over frequency, of Nyquist): sampled, brought
/// back to time, windowed.
pub(super) fn samples(gain: impl Fn(f64) -> f64, window: &[f64]) -> Vec<f64> {
    let half = (DENSITY * window.len()).next_power_of_two();
    let size = 2 * half;
    let mut bins: Vec<Complex<f64>> = (0..size)
        .map(|k| k.min(size - k) as f64 / half as f64)
        .map(|share| Complex::new(gain(share) / size as f64, 0.0))
        .collect();
    FftPlanner::new().plan_fft_inverse(size).process(&mut bins);
    // Zero phase, so the middle is at 0 and what lies before it at the end.
    let middle = window.len() / 2;
    let taps = window.iter().enumerate();
    taps.map(|(n, w)| w * bins[(size + n - middle) % size].re)
        .collect()
}

/// An odd number of antisymmetric taps that turn every frequency by 90 degrees back: 2 / (pi n) at
/// odd n from the middle (Oppenheim & Schafer, "Discrete Hilbert transforms").
pub(super) fn hilbert(window: &[f64]) -> Vec<f64> {
    let middle = window.len() / 2;
    let taps = window.iter().enumerate();
    taps.map(|(n, w)| match n.abs_diff(middle) {
        odd if odd % 2 == 1 => w * 2.0 / (PI * (n as f64 - middle as f64)),
        _ => 0.0,
    })
    .collect()
}
