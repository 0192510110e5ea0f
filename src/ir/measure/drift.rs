//! Two clocks: how much faster the recorder's runs than the player's, and undoing it.
//!
//! A recording whose clock runs fast by d holds every part of the signal (1 + d) times as long.
//! Three ways to find d, the best first: repeats come (1 + d) times as far apart; an exponential
//! sweep's response is smeared by d times the sweep's own group delay and is most compact once
//! that is undone; the parts of any other signal arrive later and later.

mod compact;
mod interpolate;

use std::f64::consts::{PI, TAU};
use std::sync::Arc;

use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};

use super::excitation::Excitation;
use super::inverse::{Range, good_size};
use super::search::Trace;
pub(super) use compact::of_sweep;
pub(super) use interpolate::Interpolator;

/// What to do about two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum DriftOption {
    /// Estimate the drift, and undo it where it is beyond doubt.
    #[default]
    Estimate,
    /// Undo this one, in ppm; positive where the recorder's clock is the faster one.
    Ppm(f64),
    /// There is none: both went by one clock.
    Ignore,
}

/// Drift of the recorder's clock against the player's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drift {
    /// What was undone, in ppm; positive where the recorder's clock is the faster one. 0 where
    /// none was found that is beyond doubt.
    pub ppm: f64,
    /// Standard error of the estimate; none where there is none.
    pub error_ppm: Option<f64>,
    /// The least drift that would have been beyond doubt; none where none was looked for.
    pub floor_ppm: Option<f64>,
}

impl Drift {
    pub(super) const NONE: Self = Self {
        ppm: 0.0,
        error_ppm: None,
        floor_ppm: None,
    };

    /// An estimate that counts above a floor; both are shares, not ppm.
    fn judged(estimate: f64, error: f64, floor: f64) -> Self {
        let floor = floor.max(BEYOND_DOUBT * error);
        let ppm = if estimate.abs() > floor {
            1e6 * estimate
        } else {
            0.0
        };
        Self {
            ppm,
            error_ppm: (ppm != 0.0).then_some(1e6 * error),
            floor_ppm: Some(1e6 * floor),
        }
    }
}

/// Standard errors that an estimate must exceed to count.
const BEYOND_DOUBT: f64 = 5.0;
/// Least shift over the whole measurement that is undone, in frames.
const LEAST_SHIFT: f64 = 0.01;

// ---------------------------------------------------------------- from repeats

/// By the distances of repeats that were found `at` these frames.
pub(super) fn of_repeats(
    trace: &Trace,
    at: &[isize],
    excitation: &Excitation,
    band: Range,
) -> Drift {
    let rate = f64::from(excitation.rate.hz());
    let size = ((0.2 * rate) as usize)
        .next_power_of_two()
        .min(excitation.spacing.next_power_of_two());
    let early = size / 8;
    let lags = Lags::new(size, rate, band);
    let cut = |at: isize| trace.cut(at - early as isize, size);
    let first = cut(at[0]);
    let times: Vec<f64> = (0..at.len())
        .map(|k| (k * excitation.spacing) as f64)
        .collect();
    let late: Vec<(f64, f64)> = at
        .iter()
        .zip(&times)
        .map(|(&at_k, time)| {
            let (lag, error) = lags.between(&first, &cut(at_k));
            ((at_k - at[0]) as f64 + lag - time, error)
        })
        .collect();
    let Some((slope, error)) = slope(&times, &late) else {
        return Drift::NONE;
    };
    let whole = times[times.len() - 1] + excitation.one.len() as f64;
    Drift::judged(slope, error, LEAST_SHIFT / whole)
}

/// Delays between pieces of equal length.
struct Lags {
    forward: Arc<dyn Fft<f64>>,
    backward: Arc<dyn Fft<f64>>,
    size: usize,
    /// Bins within the band.
    bins: std::ops::Range<usize>,
}

impl Lags {
    fn new(size: usize, rate: f64, band: Range) -> Self {
        let mut planner = FftPlanner::new();
        let bin = |f: f64| ((f / rate * size as f64) as usize).clamp(1, size / 2 - 1);
        Self {
            forward: planner.plan_fft_forward(size),
            backward: planner.plan_fft_inverse(size),
            size,
            bins: bin(band.from)..bin(band.to).max(bin(band.from) + 1),
        }
    }

    fn spectrum(&self, piece: &[f64]) -> Vec<Complex<f64>> {
        // The ends are faded: what is cut off there differs.
        let fade = self.size / 16;
        let weight = |n: usize| match n.min(self.size - 1 - n) {
            inside if inside < fade => 0.5 - 0.5 * (PI * (inside as f64 + 0.5) / fade as f64).cos(),
            _ => 1.0,
        };
        let mut bins: Vec<_> = piece
            .iter()
            .enumerate()
            .map(|(n, x)| Complex::new(x * weight(n), 0.0))
            .collect();
        self.forward.process(&mut bins);
        bins
    }

    /// How much later `b` comes than `a`, in frames, and its standard error.
    fn between(&self, a: &[f64], b: &[f64]) -> (f64, f64) {
        let (a, b) = (self.spectrum(a), self.spectrum(b));
        let cross: Vec<_> = a.iter().zip(&b).map(|(a, b)| b * a.conj()).collect();
        let mut lags = vec![Complex::default(); self.size];
        lags[self.bins.clone()].copy_from_slice(&cross[self.bins.clone()]);
        self.backward.process(&mut lags);
        let best = (0..self.size)
            .max_by(|&i, &j| lags[i].re.total_cmp(&lags[j].re))
            .unwrap_or(0);
        let mut lag = best as f64
            - if best > self.size / 2 {
                self.size as f64
            } else {
                0.0
            };
        // Beyond whole frames: the slope of the phase, least squares with the cross power as weight.
        let turn = TAU / self.size as f64;
        let phase = |k: usize, lag: f64| (cross[k] * Complex::cis(turn * k as f64 * lag)).arg();
        let steep: f64 = self
            .bins
            .clone()
            .map(|k| cross[k].norm() * (turn * k as f64).powi(2))
            .sum();
        if steep <= 0.0 {
            return (lag, f64::INFINITY);
        }
        for _ in 0..4 {
            let sum: f64 = self
                .bins
                .clone()
                .map(|k| cross[k].norm() * turn * k as f64 * phase(k, lag))
                .sum();
            lag -= sum / steep;
        }
        let rest = self
            .bins
            .clone()
            .map(|k| (cross[k].norm() * turn * k as f64 * phase(k, lag)).powi(2));
        (lag, rest.sum::<f64>().sqrt() / steep)
    }
}

/// Weighted least squares through (time, value with its standard error): the slope and its error.
/// Values that lie far from the rest are left out.
fn slope(times: &[f64], values: &[(f64, f64)]) -> Option<(f64, f64)> {
    let mut kept: Vec<usize> = (0..times.len())
        .filter(|&k| values[k].1.is_finite())
        .collect();
    loop {
        if kept.len() < 2 {
            return None;
        }
        // An error of a thousandth of a frame is as good as none.
        let weight = |k: usize| values[k].1.max(1e-3).powi(-2);
        let sum = |of: &dyn Fn(usize) -> f64| kept.iter().map(|&k| weight(k) * of(k)).sum::<f64>();
        let all = sum(&|_| 1.0);
        let (t, v) = (sum(&|k| times[k]) / all, sum(&|k| values[k].0) / all);
        let steep = sum(&|k| (times[k] - t).powi(2));
        let slope = sum(&|k| (times[k] - t) * (values[k].0 - v)) / steep;
        let off = |k: usize| values[k].0 - v - slope * (times[k] - t);
        let mut offs: Vec<f64> = kept.iter().map(|&k| off(k).abs()).collect();
        offs.sort_by(f64::total_cmp);
        let usual = offs[offs.len() / 2];
        let far = |k: &usize| off(*k).abs() > 5.0 * usual.max(0.02);
        if kept.len() > 3 && kept.iter().any(far) {
            let worst = kept
                .iter()
                .copied()
                .max_by(|&a, &b| off(a).abs().total_cmp(&off(b).abs()));
            kept.retain(|k| Some(*k) != worst);
            continue;
        }
        // The errors that were given, and what the values say of it themselves.
        let given = steep.recip();
        let free = kept.len().saturating_sub(2).max(1) as f64;
        let seen = sum(&|k| off(k).powi(2)) / free / steep;
        return Some((slope, given.max(seen).sqrt()));
    }
}

// ---------------------------------------------------------------- from the parts of anything

/// Parts into which a signal is cut.
const PARTS: usize = 8;

/// By the arrival of the parts of a signal that was found `at` this frame.
pub(super) fn of_parts(recorded: &[f32], at: isize, excitation: &Excitation, band: Range) -> Drift {
    let rate = f64::from(excitation.rate.hz());
    let part = excitation.one.len() / PARTS;
    let around = (0.1 * rate) as usize;
    if part < around {
        return Drift::NONE;
    }
    let size = good_size(part + 2 * around);
    let mut planner = FftPlanner::new();
    let (forward, backward) = (
        planner.plan_fft_forward(size),
        planner.plan_fft_inverse(size),
    );
    let spectrum = |x: &mut dyn Iterator<Item = f64>| {
        let mut bins: Vec<_> = x.map(|x| Complex::new(x, 0.0)).collect();
        bins.resize(size, Complex::default());
        forward.process(&mut bins);
        bins
    };
    let responses: Vec<(f64, Vec<f64>)> = (0..PARTS)
        .map(|k| {
            let begin = k * part;
            let from = at + begin as isize - around as isize;
            let heard = (from..from + (part + 2 * around) as isize).map(|n| {
                let sample = usize::try_from(n).ok().and_then(|n| recorded.get(n));
                sample.map_or(0.0, |&x| f64::from(x))
            });
            let x = spectrum(&mut excitation.one[begin..begin + part].iter().copied());
            let y = spectrum(&mut heard.into_iter());
            let mean = x.iter().map(Complex::norm_sqr).sum::<f64>() / size as f64;
            let mut h: Vec<_> = x
                .iter()
                .zip(&y)
                .map(|(x, y)| y * x.conj() / (x.norm_sqr() + mean))
                .collect();
            backward.process(&mut h);
            let middle = (begin + part / 2) as f64;
            (middle, h[..2 * around].iter().map(|x| x.re).collect())
        })
        .collect();
    let energy = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>();
    let Some((_, strongest)) = responses
        .iter()
        .max_by(|a, b| energy(&a.1).total_cmp(&energy(&b.1)))
    else {
        return Drift::NONE;
    };
    let lags = Lags::new(2 * around, rate, band);
    let times: Vec<f64> = responses.iter().map(|(time, _)| *time).collect();
    let late: Vec<_> = responses
        .iter()
        .map(|(_, part)| lags.between(strongest, part))
        .collect();
    let Some((slope, error)) = slope(&times, &late) else {
        return Drift::NONE;
    };
    Drift::judged(slope, error, LEAST_SHIFT / excitation.one.len() as f64)
}
