//! Seven octave bands that add up to the whole.

use std::f64::consts::PI;
use std::sync::Arc;

use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};

/// Centre of the lowest octave band in Hz; the others follow at factors of 2. The lowest takes
/// everything below, the highest everything above.
pub(in crate::ir) const LOWEST_BAND: f64 = 125.0;
pub(in crate::ir) const BANDS: usize = 7;
/// The band around 1 kHz, that levels go by.
pub(in crate::ir) const KILOHERTZ: usize = 3;

/// Gains of the bands and transforms for two signals of one length, one in the real and one in
/// the imaginary parts. Between two centres one band gives way to the next as cos^2 over log
/// frequency; the bands' phase is zero.
struct Bank {
    /// Octaves above the lowest centre, per bin up to Nyquist.
    octaves: Vec<f64>,
    forward: Arc<dyn Fft<f64>>,
    inverse: Arc<dyn Fft<f64>>,
}

impl Bank {
    fn new(frames: usize, hz: f64) -> Self {
        // Some room behind, so that a band's ringing around the end does not come back at the start.
        let size = (frames + frames / 8 + 4096).next_power_of_two();
        let mut planner = FftPlanner::new();
        let octaves = (0..=size / 2)
            .map(|k| (k as f64 * hz / size as f64 / LOWEST_BAND).log2())
            .map(|octave| octave.clamp(0.0, (BANDS - 1) as f64))
            .collect();
        Self {
            octaves,
            forward: planner.plan_fft_forward(size),
            inverse: planner.plan_fft_inverse(size),
        }
    }

    fn size(&self) -> usize {
        self.forward.len()
    }

    /// Gain of a band in a bin, divided by the size of the transform. It is real and the same at
    /// both frequencies of a pair, which keeps the two signals apart.
    fn gain(&self, band: usize, bin: usize) -> f64 {
        let octave = self.octaves[bin.min(self.size() - bin)];
        let away = (octave - band as f64).abs().min(1.0);
        (PI * 0.5 * away).cos().powi(2) / self.size() as f64
    }

    fn spectrum(&self, [a, b]: &[Vec<f64>; 2]) -> Vec<Complex<f64>> {
        let mut bins: Vec<_> = a.iter().zip(b).map(|(&a, &b)| Complex::new(a, b)).collect();
        bins.resize(self.size(), Complex::default());
        self.forward.process(&mut bins);
        bins
    }
}

/// The octave bands of two signals of one length, each band as long as they, one signal in the
/// real and one in the imaginary parts; added up they are the signals again.
pub(in crate::ir) fn split(
    signals: &[Vec<f64>; 2],
    hz: f64,
) -> impl Iterator<Item = (usize, Vec<Complex<f64>>)> {
    let frames = signals[0].len();
    let bank = Bank::new(frames, hz);
    let spectrum = bank.spectrum(signals);
    (0..BANDS).map(move |band| {
        let mut bins: Vec<_> = spectrum
            .iter()
            .enumerate()
            .map(|(k, x)| x * bank.gain(band, k))
            .collect();
        bank.inverse.process(&mut bins);
        bins.truncate(frames);
        (band, bins)
    })
}

/// The other way round: of every pair of signals that `of` gives, one octave band, added up.
pub(in crate::ir) fn merge(
    frames: usize,
    hz: f64,
    mut of: impl FnMut(usize) -> [Vec<f64>; 2],
) -> [Vec<f64>; 2] {
    let bank = Bank::new(frames, hz);
    let mut sum = vec![Complex::default(); bank.size()];
    for band in 0..BANDS {
        let bins = bank.spectrum(&of(band));
        for (k, (sum, x)) in sum.iter_mut().zip(bins).enumerate() {
            *sum += x * bank.gain(band, k);
        }
    }
    bank.inverse.process(&mut sum);
    sum.truncate(frames);
    [
        sum.iter().map(|x| x.re).collect(),
        sum.iter().map(|x| x.im).collect(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bands_add_up_to_the_whole_both_ways() {
        let signals = [
            (0..3000).map(|n| (n as f64).sin()).collect::<Vec<_>>(),
            (0..3000).map(|n| (n as f64 * n as f64).cos()).collect(),
        ];
        let mut sum = [vec![0.0; 3000], vec![0.0; 3000]];
        for (_, part) in split(&signals, 44_100.0) {
            for (n, x) in part.iter().enumerate() {
                sum[0][n] += x.re;
                sum[1][n] += x.im;
            }
        }
        let merged = merge(3000, 44_100.0, |_| signals.clone());
        for (channel, signal) in signals.iter().enumerate() {
            for (n, want) in signal.iter().enumerate() {
                // Transforms of 8,192: 8 eps log2(size) of the norm, which is below 55.
                let allowed = 8.0 * f64::EPSILON * 13.0 * 55.0;
                assert!((sum[channel][n] - want).abs() < allowed);
                assert!((merged[channel][n] - want).abs() < allowed);
            }
        }
    }

    #[test]
    fn a_tone_at_a_centre_belongs_to_one_band_alone() {
        let hz = 48_000.0;
        let tone: Vec<f64> = (0..48_000)
            .map(|n| (2.0 * PI * 1000.0 * n as f64 / hz).sin())
            .collect();
        let zero = vec![0.0; tone.len()];
        let merged = merge(tone.len(), hz, |band| {
            let tone = if band == KILOHERTZ { &zero } else { &tone };
            [tone.clone(), zero.clone()]
        });
        // Away from the ends, where the tone's beginning is no tone; 1 kHz is no bin's own.
        let middle = &merged[0][12_000..36_000];
        assert!(middle.iter().all(|x| x.abs() < 1e-3));
    }
}
