//! Linear-phase filters by the windowed-sinc method with Kaiser's window.
//!
//! Kaiser 1974, "Nonrecursive digital filter design using the I0-sinh window function"; the
//! formulas for length and shape are those of Oppenheim & Schafer, "FIR filter design by
//! windowing".

use std::f64::consts::PI;

use crate::ir::IrError;
use crate::signal::SampleRate;

/// Attenuation that the window is shaped for, in dB; sums of two edges still keep 100.
const ATTENUATION: f64 = 108.0;
/// Width of a transition, relative to its frequency.
const TRANSITION: f64 = 0.25;
/// Distance of a notch's -6 dB points from its centre, relative to its frequency.
const NOTCH: f64 = 0.1;
/// Longest filter in seconds.
const LONGEST: f64 = 10.0;

/// What a filter lets through; frequencies in Hz, -6 dB there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Band {
    Below(f64),
    Above(f64),
    Between(f64, f64),
    Without(f64),
}

impl Band {
    /// An odd number of symmetric taps with unity gain in the pass band. `recipe` is for errors.
    pub(super) fn design(self, rate: SampleRate, recipe: &str) -> Result<Vec<f64>, IrError> {
        let nyquist = f64::from(rate.hz()) / 2.0;
        let (low, high) = match self {
            Self::Below(hz) | Self::Above(hz) => (hz, hz),
            Self::Between(low, high) => (low, high),
            Self::Without(hz) => (hz * (1.0 - NOTCH), hz * (1.0 + NOTCH)),
        };
        if high >= nyquist {
            let (recipe, hz) = (recipe.to_owned(), (high * 1e3).round() / 1e3);
            return Err(IrError::AboveNyquist {
                recipe,
                hz,
                nyquist,
                rate,
            });
        }
        // Hz from the end of the pass band to the stop band. It ends before Nyquist where it can
        // (a filter within 1/2,000 of the rate of it is as steep as one there), and the two
        // transitions of a band meet at its middle at most.
        let width = match self {
            Self::Without(hz) => 2.0 * NOTCH * hz,
            Self::Between(low, high) => (TRANSITION * low).min(high - low),
            Self::Below(hz) | Self::Above(hz) => TRANSITION * hz,
        };
        let steepest = nyquist / 1000.0;
        let width = width.min((2.0 * (nyquist - high)).max(steepest));

        // Order M = (A - 8) / (2.285 dw), made even: an odd number of taps.
        let order = (ATTENUATION - 8.0) / (2.285 * PI * width / nyquist);
        let seconds = order / f64::from(rate.hz());
        if seconds > LONGEST {
            return Err(IrError::TooLong {
                recipe: recipe.to_owned(),
                seconds,
                most: LONGEST,
                remedy: "choose a higher frequency or a wider band",
            });
        }
        let half = (order / 2.0).ceil() as usize;
        let window = kaiser(half);
        let below = |hz: f64| lowpass(hz / nyquist, &window);
        Ok(match self {
            Self::Below(_) => below(high),
            Self::Above(_) => complement(below(low)),
            Self::Between(..) => subtract(below(high), &below(low)),
            Self::Without(_) => complement(subtract(below(high), &below(low))),
        })
    }
}

/// 2 * half + 1 weights with side lobes at -[`ATTENUATION`] dB.
fn kaiser(half: usize) -> Vec<f64> {
    let beta = 0.1102 * (ATTENUATION - 8.7);
    let peak = bessel_i0(beta);
    let span = half.max(1) as f64;
    let at = |n: usize| (n as f64 - half as f64) / span;
    (0..=2 * half)
        .map(|n| bessel_i0(beta * (1.0 - at(n) * at(n)).sqrt()) / peak)
        .collect()
}

/// Modified Bessel function of the first kind, order 0: the sum of ((x/2)^k / k!)^2.
fn bessel_i0(x: f64) -> f64 {
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1.0);
    while term > f64::EPSILON * sum {
        term *= (x / (2.0 * k)) * (x / (2.0 * k));
        sum += term;
        k += 1.0;
    }
    sum
}

/// A windowed sinc with -6 dB at `cutoff` (of Nyquist) and a gain of exactly 1 at 0 Hz.
fn lowpass(cutoff: f64, window: &[f64]) -> Vec<f64> {
    let middle = (window.len() / 2) as f64;
    let sinc = |n: f64| {
        if n == 0.0 {
            cutoff
        } else {
            (PI * cutoff * n).sin() / (PI * n)
        }
    };
    let mut taps: Vec<f64> = window
        .iter()
        .enumerate()
        .map(|(n, w)| w * sinc(n as f64 - middle))
        .collect();
    let sum: f64 = taps.iter().sum();
    taps.iter_mut().for_each(|tap| *tap /= sum);
    taps
}

/// Everything but what `taps` let through.
fn complement(mut taps: Vec<f64>) -> Vec<f64> {
    let middle = taps.len() / 2;
    taps.iter_mut().for_each(|tap| *tap = -*tap);
    taps[middle] += 1.0;
    taps
}

fn subtract(mut from: Vec<f64>, taps: &[f64]) -> Vec<f64> {
    from.iter_mut().zip(taps).for_each(|(a, b)| *a -= b);
    from
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Recipe;

    fn taps(text: &str, hz: u32) -> Vec<f64> {
        let rate = SampleRate::new(hz).unwrap();
        let ir = text.parse::<Recipe>().unwrap().render(rate).unwrap();
        ir.channel(0).iter().map(|&tap| f64::from(tap)).collect()
    }

    /// Level at `f` Hz in dB.
    fn level(taps: &[f64], hz: u32, f: f64) -> f64 {
        let step = 2.0 * PI * f / f64::from(hz);
        let (re, im) = taps
            .iter()
            .enumerate()
            .fold((0.0, 0.0), |(re, im), (n, tap)| {
                let (sin, cos) = (step * n as f64).sin_cos();
                (re + tap * cos, im + tap * sin)
            });
        10.0 * f64::max(re * re + im * im, 1e-30).log10()
    }

    /// Largest and smallest level between two frequencies, in dB.
    fn span(taps: &[f64], hz: u32, low: f64, high: f64) -> (f64, f64) {
        (0..=150)
            .map(|i| level(taps, hz, low + (high - low) * f64::from(i) / 150.0))
            .fold((f64::NEG_INFINITY, f64::INFINITY), |(most, least), db| {
                (most.max(db), least.min(db))
            })
    }

    /// Recipe, pass bands, stop bands, frequencies at -6 dB.
    type Case = (&'static str, Vec<(f64, f64)>, Vec<(f64, f64)>, Vec<f64>);

    fn cases(hz: u32) -> Vec<Case> {
        let top = f64::from(hz) / 2.0;
        vec![
            (
                "lowpass=3k",
                vec![(0.0, 2625.0)],
                vec![(3375.0, top)],
                vec![3e3],
            ),
            (
                "lowpass=20k",
                vec![(0.0, 17.5e3)],
                vec![(top.min(22.5e3), top)],
                vec![20e3],
            ),
            (
                "highpass=80",
                vec![(90.0, top)],
                vec![(0.0, 70.0)],
                vec![80.0],
            ),
            (
                "highpass=10k",
                vec![(11.25e3, top)],
                vec![(0.0, 8750.0)],
                vec![10e3],
            ),
            (
                "bandpass=300-3400",
                vec![(337.5, 3362.5)],
                vec![(0.0, 262.5), (3437.5, top)],
                vec![300.0, 3400.0],
            ),
            (
                "bandpass=1k-1100",
                vec![],
                vec![(0.0, 950.0), (1150.0, top)],
                vec![1e3, 1.1e3],
            ),
            (
                "notch=50",
                vec![(0.0, 40.0), (60.0, top)],
                vec![(50.0, 50.0)],
                vec![45.0, 55.0],
            ),
            (
                "notch=1k",
                vec![(0.0, 800.0), (1200.0, top)],
                vec![(1e3, 1e3)],
                vec![900.0, 1100.0],
            ),
        ]
    }

    #[test]
    fn filters_pass_at_unity_and_stop_at_100_db() {
        for hz in [44_100, 96_000] {
            for (text, pass, stop, halves) in cases(hz) {
                let taps = taps(text, hz);
                assert_eq!(taps.len() % 2, 1, "{text}");
                assert!(taps.iter().eq(taps.iter().rev()), "{text} is not symmetric");
                let mut shown = format!("{text} at {hz}: {} taps", taps.len());
                for (low, high) in pass {
                    let (most, least) = span(&taps, hz, low, high);
                    shown += &format!(", pass {least:.6} to {most:.6} dB");
                    // Ripple equals the attenuation: 2 * 10^-5 of 1 at two edges.
                    assert!(most < 2e-4 && least > -2e-4, "{shown}");
                }
                for (low, high) in stop {
                    let (most, _) = span(&taps, hz, low, high);
                    shown += &format!(", stop {most:.1} dB");
                    assert!(most < -100.0, "{shown}");
                }
                for f in halves {
                    let db = level(&taps, hz, f);
                    assert!((db + 6.02).abs() < 0.05, "{shown}, {db} dB at {f} Hz");
                }
                println!("{shown}");
            }
        }
    }

    #[test]
    fn minimum_phase_keeps_the_magnitude_and_loses_the_delay() {
        for hz in [44_100, 96_000] {
            for (text, pass, stop, _) in cases(hz) {
                let linear = taps(text, hz);
                let least = taps(&format!("min:{text}"), hz);
                assert_eq!(least.len(), linear.len());
                let mut off: f64 = 0.0;
                for (low, high) in pass {
                    for i in 0..=150 {
                        let f = low + (high - low) * f64::from(i) / 150.0;
                        off = off.max((level(&least, hz, f) - level(&linear, hz, f)).abs());
                    }
                }
                let stop = stop
                    .into_iter()
                    .map(|(low, high)| span(&least, hz, low, high).0);
                let stop = stop.fold(f64::NEG_INFINITY, f64::max);
                // Centre of energy, the mean delay of what passes.
                let delay = |taps: &[f64]| {
                    let energy: f64 = taps.iter().map(|tap| tap * tap).sum();
                    let moment = taps.iter().enumerate().map(|(n, tap)| n as f64 * tap * tap);
                    moment.sum::<f64>() / energy
                };
                let (before, after) = (delay(&linear), delay(&least));
                let shown = format!(
                    "min:{text} at {hz}: off by {off:.6} dB, stop {stop:.1} dB, \
                     mean delay {before:.1} -> {after:.1} frames"
                );
                println!("{shown}");
                assert!(
                    off < 0.001 && stop < -97.0 && after < 0.65 * before,
                    "{shown}"
                );
            }
        }
    }

    #[test]
    fn a_filter_right_below_nyquist_is_still_made() {
        let taps = taps("lowpass=23999", 48_000);
        let (most, least) = span(&taps, 48_000, 0.0, 23_900.0);
        assert!(most < 2e-4 && least > -2e-4, "{least} to {most} dB");
    }
}
