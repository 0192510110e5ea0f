//! The filter that makes an impulse of a measuring signal.

use std::sync::Arc;

use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};

use super::excitation::{Excitation, Kind};

/// What the division by the signal's spectrum is kept from blowing up with, as a share of its
/// power density there: -70 dB, so that what is in band comes out exact to -140 dB, and to -80 dB
/// where the fades at its ends take 30 dB off.
const CARE: f64 = 1e-7;
/// The same for a signal whose spectrum may have holes.
const CARE_OF_HOLES: f64 = 1e-4;
/// Power density relative to the highest below which a signal of unknown kind counts as absent:
/// -60 dB.
const ABSENT: f64 = 1e-6;
/// Care where nothing counts any more.
const MOST_CARE: f64 = 0.1;
/// Where the pass band falls off: from the first factor of the signal's lowest frequency to the
/// second, and the same for its highest. Noise there is as strong as a sweep is weak, so the upper
/// slope, which is many hertz wide, lies within the sweep.
const SLOPES: [[f64; 2]; 2] = [[1.0, 0.5], [0.97, 1.0]];

/// Longest piece of a signal to look for, in frames: 1,000 ppm move its end by 8 frames.
const PIECE: usize = 8191;

/// Frequencies in Hz.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Range {
    pub from: f64,
    pub to: f64,
}

/// `W X* / (|X|^2 + c P)` with the signal's spectrum X, its smooth power density P, a c that is small
/// in band, and W = 1 in the signal's band with raised cosines (over log f) at its ends: a regularised
/// inverse (Kirkeby & Nelson 1999), zero phase apart from the signal's own.
pub(super) struct Inverse {
    pub size: usize,
    gains: Vec<Complex<f64>>,
    forward: Arc<dyn Fft<f64>>,
    backward: Arc<dyn Fft<f64>>,
    pub band: Range,
    /// Frames that the filter's own ringing takes before and after.
    pub skirt: usize,
    /// Frames of the signal.
    pub signal: usize,
    /// Frames of it that were left out at its beginning.
    pub offset: usize,
}

impl Inverse {
    /// For blocks of up to `reach` frames.
    pub fn new(excitation: &Excitation, reach: usize) -> Self {
        let rate = f64::from(excitation.rate.hz());
        let lowest = match excitation.kind {
            Kind::Sweep { from, .. } => from,
            _ => 20.0,
        };
        let skirt = (rate * (8.0 / lowest).clamp(0.01, 1.0)) as usize;
        let size = good_size(reach + excitation.one.len() + 2 * skirt);
        Self::of_size(excitation, size, skirt)
    }

    /// For finding the signal: of anything but a sweep, a piece that two clocks hardly smear. Then
    /// the signal begins `offset` frames before what is found.
    pub fn finding(excitation: &Excitation, reach: usize) -> Self {
        let one = &excitation.one;
        if matches!(excitation.kind, Kind::Sweep { .. }) || one.len() <= PIECE {
            return Self::new(excitation, reach);
        }
        let energy = |from: usize| one[from..from + PIECE].iter().map(|x| x * x).sum::<f64>();
        let pieces = (0..=one.len() - PIECE)
            .step_by(PIECE / 2)
            .map(|from| (energy(from), from));
        let offset = match excitation.kind {
            Kind::Periodic => 0,
            _ => pieces
                .max_by(|a, b| a.0.total_cmp(&b.0))
                .map_or(0, |(_, from)| from),
        };
        let one = one[offset..offset + PIECE].to_vec();
        let inverse = Self::new(
            &Excitation {
                one,
                ..excitation.clone()
            },
            reach,
        );
        Self { offset, ..inverse }
    }

    /// For one period of a periodic signal: what wraps around belongs there.
    pub fn circular(excitation: &Excitation) -> Self {
        Self::of_size(excitation, excitation.one.len(), 0)
    }

    fn of_size(excitation: &Excitation, size: usize, skirt: usize) -> Self {
        let mut planner = FftPlanner::new();
        let forward = planner.plan_fft_forward(size);
        let backward = planner.plan_fft_inverse(size);
        let mut bins: Vec<Complex<f64>> = Vec::with_capacity(size);
        bins.extend(excitation.one.iter().map(|&x| Complex::new(x, 0.0)));
        bins.resize(size, Complex::default());
        forward.process(&mut bins);

        let rate = f64::from(excitation.rate.hz());
        let step = rate / size as f64;
        let half = size / 2;
        let (density, care, band) = match excitation.kind {
            // |X|^2 of an exponential sweep without fades: A^2 L / (4 f), A its amplitude.
            Kind::Sweep { from, to, growth } => {
                let peak = excitation
                    .one
                    .iter()
                    .fold(0.0, |peak: f64, x| peak.max(x.abs()));
                let scale = (peak * rate).powi(2) * growth / 4.0;
                let density = (0..=half)
                    .map(|k| scale / (step * k as f64).max(from))
                    .collect();
                (density, CARE, Range { from, to })
            }
            Kind::Periodic => {
                let mean = bins[1..=half].iter().map(Complex::norm_sqr).sum::<f64>() / half as f64;
                let whole = Range {
                    from: 0.0,
                    to: f64::INFINITY,
                };
                // A sequence is as strong at all frequencies but 0, where only its imbalance is.
                let care = if skirt == 0 { CARE } else { 1.0 };
                (vec![mean; half + 1], care, whole)
            }
            Kind::Other => {
                let density = smooth(&bins[..=half]);
                let most = density.iter().fold(0.0, |most: f64, &p| most.max(p));
                let present = |p: &f64| *p > ABSENT * most;
                let from = density.iter().position(present).unwrap_or(0) as f64 * step;
                let to = density.iter().rposition(present).unwrap_or(half) as f64 * step;
                (density, CARE_OF_HOLES, Range { from, to })
            }
        };
        let scale = 1.0 / size as f64;
        for k in 0..=half {
            let x = bins[k];
            let weight = band.weight(step * k as f64);
            // The less a frequency counts, the more care.
            let care = care.powf(weight) * MOST_CARE.powf(1.0 - weight);
            let power = x.norm_sqr() + care * density[k];
            let gain = if power > 0.0 {
                x.conj() * (scale * weight / power)
            } else {
                Complex::default()
            };
            bins[k] = gain;
            if k > 0 {
                bins[size - k] = gain.conj();
            }
        }
        if matches!(excitation.kind, Kind::Periodic) && skirt == 0 {
            // At 0 Hz there is nothing but the imbalance of one sample, and converters' offsets.
            bins[0] = Complex::default();
        }
        Self {
            size,
            gains: bins,
            forward,
            backward,
            band,
            skirt,
            signal: excitation.one.len(),
            offset: 0,
        }
    }

    /// Deconvolves two real signals at once, each at most `size` long: times before their
    /// beginning stand at the end.
    pub fn apply(&self, a: &[f64], b: &[f64]) -> [Vec<f64>; 2] {
        // The filter is real, so real and imaginary part do not mix.
        let at = |x: &[f64], n: usize| x.get(n).copied().unwrap_or(0.0);
        let mut bins: Vec<Complex<f64>> = (0..self.size)
            .map(|n| Complex::new(at(a, n), at(b, n)))
            .collect();
        self.forward.process(&mut bins);
        bins.iter_mut()
            .zip(&self.gains)
            .for_each(|(bin, gain)| *bin *= gain);
        self.backward.process(&mut bins);
        [
            bins.iter().map(|x| x.re).collect(),
            bins.iter().map(|x| x.im).collect(),
        ]
    }

    /// Noise power at the output for white noise of power 1 at the input: the energy of the
    /// filter's own response.
    #[cfg(test)]
    pub fn noise_gain(&self) -> f64 {
        // Parseval; the gains hold a factor of 1 / size for the way back.
        self.gains.iter().map(Complex::norm_sqr).sum::<f64>() * self.size as f64
    }
}

impl Range {
    /// 1 within, 0 beyond the slopes; a band without an end has none there.
    fn weight(self, f: f64) -> f64 {
        let [below, above] = SLOPES;
        let slope = |f: f64, [begin, end]: [f64; 2], of: f64| {
            let share = (f / (begin * of)).ln() / (end / begin).ln();
            0.5 + 0.5 * (std::f64::consts::PI * share.clamp(0.0, 1.0)).cos()
        };
        let low = if self.from > 0.0 {
            slope(f, below, self.from)
        } else {
            1.0
        };
        let high = if self.to.is_finite() {
            slope(f, above, self.to)
        } else {
            1.0
        };
        low * high
    }
}

/// Power density smoothed over a third of an octave, and at least nine bins.
fn smooth(bins: &[Complex<f64>]) -> Vec<f64> {
    let mut sums = Vec::with_capacity(bins.len() + 1);
    sums.push(0.0);
    let mut sum = 0.0;
    for bin in bins {
        sum += bin.norm_sqr();
        sums.push(sum);
    }
    let mean = |k: usize| {
        let reach = (k as f64 * 0.115) as usize + 4;
        let (low, high) = (k.saturating_sub(reach), (k + reach + 1).min(bins.len()));
        (sums[high] - sums[low]).max(0.0) / (high - low) as f64
    };
    (0..bins.len()).map(mean).collect()
}

/// The smallest 2^a 3^b from `least` on: sizes that transform fast.
pub(super) fn good_size(least: usize) -> usize {
    let mut best = least.next_power_of_two();
    let mut threes = 3;
    while threes < best {
        let size = threes * least.div_ceil(threes).next_power_of_two();
        best = best.min(size);
        threes *= 3;
    }
    best
}
