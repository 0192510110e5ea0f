//! Taps of linear phase from a window: the methods of scipy.signal.firwin and firwin2.

use std::f64::consts::PI;
use std::fmt;
use std::str::FromStr;

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

use crate::ir::units::UnitError;

/// Points of a sampled curve per tap, at least.
const DENSITY: usize = 8;
/// Largest shape of Kaiser's window; its side lobes are 400 dB down there.
const MOST_BETA: f64 = 50.0;

/// A window, symmetric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Window {
    Rect,
    Hann,
    Hamming,
    Blackman,
    BlackmanHarris,
    Kaiser(f64),
}

impl FromStr for Window {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let beta = text.strip_prefix("kaiser:").map(str::parse);
        match (text, beta) {
            ("rect", _) => Ok(Self::Rect),
            ("hann", _) => Ok(Self::Hann),
            ("hamming", _) => Ok(Self::Hamming),
            ("blackman", _) => Ok(Self::Blackman),
            ("blackmanharris", _) => Ok(Self::BlackmanHarris),
            (_, Some(Ok(beta))) if (0.0..=MOST_BETA).contains(&beta) => Ok(Self::Kaiser(beta)),
            _ => Err(UnitError {
                value: text.to_owned(),
                what: "a window",
                example: "`hamming`, `hann`, `blackman`, `blackmanharris`, `rect` or, with a beta \
                          from 0 to 50, `kaiser:8.6`",
            }),
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rect => f.write_str("rect"),
            Self::Hann => f.write_str("hann"),
            Self::Hamming => f.write_str("hamming"),
            Self::Blackman => f.write_str("blackman"),
            Self::BlackmanHarris => f.write_str("blackmanharris"),
            Self::Kaiser(beta) => write!(f, "kaiser:{beta}"),
        }
    }
}

impl Window {
    /// So many weights, 1 in the middle.
    pub(super) fn weights(self, count: usize) -> Vec<f64> {
        let middle = (count as f64 - 1.0) / 2.0;
        let span = if count > 1 { middle } else { 1.0 };
        // From -1 at the first to 1 at the last.
        let at = (0..count).map(|n| (n as f64 - middle) / span);
        let cosines: &[f64] = match self {
            Self::Rect => &[1.0],
            Self::Hann => &[0.5, 0.5],
            Self::Hamming => &[0.54, 0.46],
            Self::Blackman => &[0.42, 0.5, 0.08],
            // Harris 1978, "On the use of windows", the minimum of four terms.
            Self::BlackmanHarris => &[0.35875, 0.48829, 0.14128, 0.01168],
            Self::Kaiser(beta) => {
                let peak = bessel_i0(beta);
                return at
                    .map(|x| bessel_i0(beta * (1.0 - x * x).sqrt()) / peak)
                    .collect();
            }
        };
        let sum = |x: f64| {
            let terms = cosines.iter().enumerate();
            terms.map(|(k, a)| a * (PI * k as f64 * x).cos()).sum()
        };
        at.map(sum).collect()
    }
}

/// Shape of Kaiser's window for side lobes so many dB below, from 50 dB on.
pub(super) fn kaiser_beta(attenuation: f64) -> f64 {
    0.1102 * (attenuation - 8.7)
}

/// Modified Bessel function of the first kind, order 0: the sum of ((x/2)^k / k!)^2.
pub(in crate::ir) fn bessel_i0(x: f64) -> f64 {
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1.0);
    while term > f64::EPSILON * sum {
        term *= (x / (2.0 * k)) * (x / (2.0 * k));
        sum += term;
        k += 1.0;
    }
    sum
}

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
