//! The drift by the smear of a single exponential sweep's response.

use std::f64::consts::{PI, TAU};
use std::sync::Arc;

use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};

use super::super::excitation::{Excitation, Kind};
use super::super::inverse::{Range, good_size};
use super::super::search::Trace;
use super::Drift;

/// Least smear of a single sweep that is undone, as the root mean square of its phase in radians.
const LEAST_PHASE: f64 = 0.01;
/// How much larger that must be than what phase is left once it is undone: what is measured has a
/// phase of its own, which some drift or other makes smaller.
const LEAST_SHARE: f64 = 3.0;
/// Most that may be left, in radians: beyond that nothing is compact about the direct sound.
const MOST_REST: f64 = 0.5;
/// What counts as direct sound around the response's peak, in seconds.
const GATE: f64 = 2e-3;
/// Blocks of the spectrum that are left out in turn to learn how sure an estimate is.
const BLOCKS: usize = 6;

/// By the smear of the response to a single exponential sweep, found `at` this frame. It is that
/// of a sweep with another growth, too: `most` tells how far to look.
pub(in super::super) fn of_sweep(
    trace: &Trace,
    at: isize,
    excitation: &Excitation,
    most: f64,
) -> Drift {
    let Kind::Sweep { from, to, growth } = excitation.kind else {
        return Drift::NONE;
    };
    let rate = f64::from(excitation.rate.hz());
    let most = most * 1e-6;
    let smear = most * (excitation.one.len() as f64 + growth * rate);
    let size = ((4.0 * smear + 0.1 * rate) as usize).next_power_of_two();
    let smeared = trace.cut(at - size as isize / 2, size);
    let compact = Compact::new(
        &smeared,
        rate,
        Range {
            from: 1.5 * from,
            to,
        },
        growth,
    );

    // In steps that turn the highest frequency's phase by less than it takes to lose the peak;
    // first with low frequencies alone if there would be too many.
    let mut top = to.min(120.0 / (growth * most));
    let (mut best, mut reach) = (0.0, most);
    loop {
        let step = 0.4 / (top * growth);
        let count = (reach / step).ceil() as i32;
        let tried = (-count..=count).map(|k| best + f64::from(k) * step);
        let heights = tried.map(|drift| (compact.height(drift, top), drift));
        best = heights
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map_or(0.0, |(_, drift)| drift);
        if top >= to {
            reach = 1.5 * step;
            break;
        }
        reach = 2.0 * step;
        top = (4.0 * top).min(to);
    }
    let peak = |without: Option<usize>| {
        let height = |drift: f64| compact.peak(drift, without);
        golden(best - reach, best + reach, height)
    };
    let estimate = peak(None);
    let others: Vec<f64> = (0..BLOCKS).map(|block| peak(Some(block))).collect();
    let mean = others.iter().sum::<f64>() / BLOCKS as f64;
    // The jackknife's variance: (n - 1) / n times the sum of squares.
    let spread: f64 = others.iter().map(|x| (x - mean).powi(2)).sum();
    let error = (spread * (BLOCKS as f64 - 1.0) / BLOCKS as f64).sqrt();
    let rest = compact.rest(estimate, rate);
    let floor = if rest > MOST_REST {
        f64::INFINITY
    } else {
        (LEAST_SHARE * rest).max(LEAST_PHASE)
    };
    Drift::judged(estimate, error, floor / compact.phase())
}

/// How compact a response becomes once a drift is undone.
struct Compact {
    bins: Vec<Bin>,
    first: usize,
    size: usize,
    fft: Arc<dyn Fft<f64>>,
}

/// A bin of the band.
struct Bin {
    x: Complex<f64>,
    /// Frequency in Hz.
    f: f64,
    /// Phase in radians that a drift of 1 adds.
    smear: f64,
    block: usize,
}

impl Compact {
    fn new(smeared: &[f64], rate: f64, band: Range, growth: f64) -> Self {
        let size = smeared.len();
        let mut planner = FftPlanner::new();
        let mut all: Vec<_> = smeared.iter().map(|&x| Complex::new(x, 0.0)).collect();
        planner.plan_fft_forward(size).process(&mut all);
        let bin = |f: f64| ((f / rate * size as f64) as usize).clamp(1, size / 2 - 1);
        let (first, last) = (bin(band.from), bin(band.to));
        let energy: f64 = all[first..=last].iter().map(Complex::norm_sqr).sum();
        let mut below = 0.0;
        let bins = (first..=last).map(|k| {
            let block = (BLOCKS as f64 * below / energy) as usize;
            below += all[k].norm_sqr();
            let f = k as f64 * rate / size as f64;
            Bin {
                x: all[k],
                f,
                // With the phase of the sweep's spectrum, p(f) = 2 pi f L (1 - ln(f / f1)) (Novak
                // et al. 2015, eq. 43), a drift adds p(f (1 + d)) - p(f).
                smear: -TAU * f * growth * (f / band.from).ln(),
                block: block.min(BLOCKS - 1),
            }
        });
        let mut compact = Self {
            bins: bins.collect(),
            first,
            size,
            fft: planner.plan_fft_inverse(size),
        };
        compact.centre();
        compact
    }

    /// Takes from the smear what a delay and a turn of phase explain, so that the peak stays.
    fn centre(&mut self) {
        let sum = |of: &dyn Fn(&Bin) -> f64| {
            self.bins
                .iter()
                .map(|bin| bin.x.norm_sqr() * of(bin))
                .sum::<f64>()
        };
        let all = sum(&|_| 1.0);
        let (f, p) = (sum(&|bin| bin.f) / all, sum(&|bin| bin.smear) / all);
        let slope = sum(&|bin| (bin.f - f) * (bin.smear - p)) / sum(&|bin| (bin.f - f).powi(2));
        self.bins
            .iter_mut()
            .for_each(|bin| bin.smear -= p + slope * (bin.f - f));
    }

    /// The spectrum with a drift undone, up to a frequency and without one block.
    fn undone(&self, drift: f64, top: f64, without: Option<usize>) -> Vec<Complex<f64>> {
        let mut spectrum = vec![Complex::default(); self.size];
        for (to, bin) in spectrum[self.first..].iter_mut().zip(&self.bins) {
            if bin.f <= top && Some(bin.block) != without {
                *to = bin.x * Complex::cis(-drift * bin.smear);
            }
        }
        spectrum
    }

    /// Where the envelope is highest, in whole frames, and its power there.
    fn highest(&self, mut spectrum: Vec<Complex<f64>>) -> (usize, f64) {
        self.fft.process(&mut spectrum);
        let powers = spectrum.iter().map(Complex::norm_sqr).enumerate();
        powers
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .unwrap_or((0, 0.0))
    }

    fn height(&self, drift: f64, top: f64) -> f64 {
        self.highest(self.undone(drift, top, None)).1
    }

    /// Power of the envelope's peak, be it between two frames.
    fn peak(&self, drift: f64, without: Option<usize>) -> f64 {
        let spectrum = self.undone(drift, f64::INFINITY, without);
        let (frame, mut peak) = self.highest(spectrum.clone());
        let mut at = frame as f64;
        let used = &spectrum[self.first..self.first + self.bins.len()];
        let power = |time: f64| {
            let turn = Complex::cis(TAU * time / self.size as f64);
            let mut phase = Complex::cis(TAU * time * self.first as f64 / self.size as f64);
            let mut sum = Complex::new(0.0, 0.0);
            for bin in used {
                sum += bin * phase;
                phase *= turn;
            }
            sum.norm_sqr()
        };
        // A parabola through three points, twice as close the second time.
        for reach in [0.5, 0.1] {
            let (before, after) = (power(at - reach), power(at + reach));
            let curve = before - 2.0 * peak + after;
            if curve < 0.0 {
                at += (0.5 * reach * (before - after) / curve).clamp(-reach, reach);
                peak = power(at);
            }
        }
        peak
    }

    /// Root mean square of the smear's phase for a drift of 1, weighted with the response's power.
    fn phase(&self) -> f64 {
        let sum = |of: &dyn Fn(&Bin) -> f64| {
            self.bins
                .iter()
                .map(|bin| bin.x.norm_sqr() * of(bin))
                .sum::<f64>()
        };
        (sum(&|bin| bin.smear.powi(2)) / sum(&|_| 1.0)).sqrt()
    }

    /// What is left of phase in the direct sound once a drift is undone: how far the frequencies
    /// around the peak are from adding up, as the root mean square of small phases that would keep
    /// them from it as much.
    fn rest(&self, drift: f64, rate: f64) -> f64 {
        let mut response = self.undone(drift, f64::INFINITY, None);
        let (peak, _) = self.highest(response.clone());
        self.fft.process(&mut response);
        let half = (0.5 * GATE * rate) as usize;
        let mut direct: Vec<Complex<f64>> = (0..2 * half)
            .map(|n| {
                let weight = (PI * n as f64 / (2 * half) as f64).sin().powi(2);
                response[(peak + self.size + n - half) % self.size] * weight
            })
            .collect();
        // The peak lies between two frames: all phases are taken to it through a finer envelope.
        let size = good_size(8 * half);
        direct.resize(size, Complex::default());
        let mut planner = FftPlanner::new();
        planner.plan_fft_forward(size).process(&mut direct);
        let all: f64 = direct.iter().map(|bin| bin.norm()).sum();
        // The upper half of the bins stands for negative frequencies, of which there are none.
        direct.truncate(size / 2);
        direct.resize(4 * size, Complex::default());
        planner.plan_fft_inverse(4 * size).process(&mut direct);
        let highest = direct.iter().map(|x| x.norm()).fold(0.0, f64::max);
        (-2.0 * (highest / all).min(1.0).ln()).sqrt()
    }
}

/// Where a function of one hill between two values has its top, by golden sections.
fn golden(mut low: f64, mut high: f64, of: impl Fn(f64) -> f64) -> f64 {
    let share = 0.5 * (5f64.sqrt() - 1.0);
    let (mut a, mut b) = (high - share * (high - low), low + share * (high - low));
    let (mut of_a, mut of_b) = (of(a), of(b));
    for _ in 0..24 {
        if of_a > of_b {
            (high, b, of_b) = (b, a, of_a);
            a = high - share * (high - low);
            of_a = of(a);
        } else {
            (low, a, of_a) = (a, b, of_b);
            b = low + share * (high - low);
            of_b = of(b);
        }
    }
    0.5 * (low + high)
}
