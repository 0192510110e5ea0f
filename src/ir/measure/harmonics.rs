//! What a sweep tells of distortion: the harmonics' responses, which come before the linear one.

use std::f64::consts::PI;

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

use super::inverse::Range;

/// Highest harmonic that is looked at.
const HIGHEST: usize = 8;
/// Frequencies per octave at which harmonics are compared.
const POINTS: f64 = 12.0;
/// Longest response of a harmonic in seconds.
const LONGEST: f64 = 0.2;

/// Distortion of one order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Harmonic {
    /// 2 for twice the frequency, and so on.
    pub order: usize,
    /// Level relative to the linear response at the frequency that excites it: the mean power
    /// over the range of frequencies whose harmonic is within the sweep's band, in dB.
    pub db: f64,
    /// The same for a stretch of equal length in which there is noise alone: what is not well
    /// above this is noise.
    pub floor_db: f64,
}

impl Harmonic {
    /// Whether it stands at least 6 dB above the noise.
    pub fn is_heard(&self) -> bool {
        self.db > self.floor_db + 6.0
    }
}

/// Total harmonic distortion as a share of the linear response: the root of the sum of the powers
/// of all harmonics above the noise. None where there are none to be judged.
pub fn thd(harmonics: &[Harmonic]) -> Option<f64> {
    if harmonics.is_empty() {
        return None;
    }
    let heard = harmonics.iter().filter(|harmonic| harmonic.is_heard());
    let power: f64 = heard.map(|harmonic| 10f64.powf(harmonic.db / 10.0)).sum();
    Some(power.sqrt())
}

/// By a deconvolved recording: `at(time, frames)` gives what stands at a time in frames after the
/// response's beginning, which is negative for what comes before it.
pub(super) fn harmonics(
    at: impl Fn(f64, usize) -> Vec<f64>,
    earliest: f64,
    rate: f64,
    growth: f64,
    band: Range,
) -> Vec<Harmonic> {
    let time = |order: usize| -growth * (order as f64).ln() * rate;
    // Harmonic n comes L ln(n / (n - 1)) before harmonic n - 1.
    let length = |order: usize| {
        let room = growth * (order as f64 / (order as f64 - 1.0)).ln() * rate;
        room.min(LONGEST * rate)
    };
    let lowest = 2.0 * band.from;
    let orders: Vec<usize> = (2..=HIGHEST)
        .take_while(|&order| {
            let whole = time(order + 1) > earliest;
            // A gate of two periods of the lowest frequency, and an octave to compare.
            whole
                && length(order) * lowest * order as f64 > 2.0 * rate
                && band.to / order as f64 > 2.0 * lowest
        })
        .collect();
    let Some(&last) = orders.last() else {
        return Vec::new();
    };
    let size = ((LONGEST * rate) as usize).next_power_of_two() * 2;
    let fft = FftPlanner::new().plan_fft_forward(size);
    let spectrum = |time: f64, length: f64| {
        // The fades are long, so that the linear response's ringing at the band's lower end, which
        // reaches that far back, does not leak into all frequencies.
        let (before, frames) = (0.25 * length, (0.98 * length) as usize);
        let mut gated = at(time - before, frames);
        let fade = (0.2 * length) as usize;
        for n in 0..fade.min(frames / 2) {
            let weight = 0.5 - 0.5 * (PI * (n as f64 + 0.5) / fade as f64).cos();
            gated[n] *= weight;
            gated[frames - 1 - n] *= weight;
        }
        let mut bins: Vec<_> = gated.into_iter().map(|x| Complex::new(x, 0.0)).collect();
        bins.resize(size, Complex::default());
        fft.process(&mut bins);
        bins
    };
    // The linear one has room for all of it, and more than enough.
    let linear = spectrum(0.0, LONGEST * rate);
    orders
        .iter()
        .map(|&order| {
            let n = order as f64;
            let range = band.to / n / lowest;
            let points = (POINTS * range.log2()).ceil() as usize;
            let of = |bins: &[Complex<f64>], hz: f64| {
                let place = hz / rate * size as f64;
                let (low, share) = (place as usize, place.fract());
                (1.0 - share) * bins[low].norm_sqr() + share * bins[low + 1].norm_sqr()
            };
            let sum = |bins: &[Complex<f64>], times: f64| -> f64 {
                let hz = (0..points).map(|k| lowest * range.powf((k as f64 + 0.5) / points as f64));
                hz.map(|hz| of(bins, times * hz)).sum()
            };
            let below = sum(&linear, 1.0);
            let level =
                |time: f64, length: f64| 10.0 * (sum(&spectrum(time, length), n) / below).log10();
            // Between the last harmonic that is looked at and the next; longer gates hold more of it.
            let between = last as f64 + 0.5;
            let quiet = 0.8 * growth * ((last as f64 + 1.0) / between).ln() * rate;
            let more = 10.0 * (length(order) / quiet).log10();
            Harmonic {
                order,
                db: level(time(order), length(order)),
                floor_db: level(-growth * between.ln() * rate, quiet) + more,
            }
        })
        .collect()
}
