//! The test signal, and what came of it: where it lies in a recording, and how near it is.
use std::f64::consts::PI;
use std::fmt;
use std::sync::Arc;

use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};

use crate::common::{Wav, noise};

/// A voice for so many frames: forwards, backwards, upside down, never the same twice, over a
/// floor of noise, so that no moment of it is without a shape.
pub fn voice(frames: usize) -> Vec<f32> {
    let file = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/voice.wav")).unwrap();
    let voice = Wav::parse(&file).channels.remove(0);
    let mut signal: Vec<f32> = noise(7, frames, 16)
        .iter()
        .map(|x| *x as f32 / 64.0)
        .collect();
    for (turn, part) in signal.chunks_mut(voice.len()).enumerate() {
        let gain = [0.5, 0.4, -0.5, -0.4][turn % 4];
        for (i, y) in part.iter_mut().enumerate() {
            let at = if turn % 2 == 0 {
                i
            } else {
                voice.len() - 1 - i
            };
            *y += gain * voice[at] as f32;
        }
    }
    signal
}

/// Root mean square.
pub fn rms(x: &[f32]) -> f64 {
    let sum: f64 = x.iter().map(|x| f64::from(*x).powi(2)).sum();
    (sum / x.len().max(1) as f64).sqrt()
}

pub fn db(ratio: f64) -> f64 {
    20.0 * ratio.log10()
}

/// Part of a signal, with silence where it has none.
pub fn part(x: &[f32], from: i64, frames: usize) -> Vec<f32> {
    let at = |i: i64| usize::try_from(i).ok().and_then(|i| x.get(i)).copied();
    (from..from + frames as i64)
        .map(|i| at(i).unwrap_or(0.0))
        .collect()
}

// ---------------------------------------------------------------- where it lies

/// Cross-correlation through spectra, weighted such that its peak is sharp.
struct Correlator {
    size: usize,
    forward: Arc<dyn Fft<f64>>,
    inverse: Arc<dyn Fft<f64>>,
}

impl Correlator {
    fn new(frames: usize) -> Self {
        let (size, mut planner) = (frames.next_power_of_two(), FftPlanner::new());
        let (forward, inverse) = (
            planner.plan_fft_forward(size),
            planner.plan_fft_inverse(size),
        );
        Self {
            size,
            forward,
            inverse,
        }
    }

    fn spectrum(&self, x: &[f32]) -> Vec<Complex<f64>> {
        let mut spectrum = vec![Complex::default(); self.size];
        spectrum
            .iter_mut()
            .zip(x)
            .for_each(|(y, x)| y.re = (*x).into());
        self.forward.process(&mut spectrum);
        spectrum
    }

    /// The lag of `y` behind `x`, refined by a parabola through the peak's three values.
    fn lag(&self, x: &[f32], y: &[f32]) -> f64 {
        let (x, mut y) = (self.spectrum(x), self.spectrum(y));
        let mean = y
            .iter()
            .zip(&x)
            .map(|(y, x)| (y * x.conj()).norm())
            .sum::<f64>();
        let floor = 1e-3 * mean / self.size as f64 + f64::MIN_POSITIVE;
        for (y, x) in y.iter_mut().zip(&x) {
            *y *= x.conj();
            *y /= (y.norm() + floor).sqrt();
        }
        self.inverse.process(&mut y);
        let at = |lag: usize| y[lag % self.size].re;
        let best = (0..self.size)
            .max_by(|a, b| at(*a).total_cmp(&at(*b)))
            .unwrap();
        let (before, here, after) = (at(best + self.size - 1), at(best), at(best + 1));
        let bend = before - 2.0 * here + after;
        let fine = if bend < 0.0 {
            0.5 * (before - after) / bend
        } else {
            0.0
        };
        let whole = if best > self.size / 2 {
            best as f64 - self.size as f64
        } else {
            best as f64
        };
        whole + fine
    }
}

/// The frame of `recorded` at which `expected` begins.
pub fn align(expected: &[f32], recorded: &[f32]) -> i64 {
    let correlator = Correlator::new(expected.len() + recorded.len());
    correlator.lag(expected, recorded).round() as i64
}

/// How late `recorded` is at several frames of `expected`, `offset` being about how late it is.
pub fn delays(expected: &[f32], recorded: &[f32], offset: i64, window: usize) -> Vec<(f64, f64)> {
    let correlator = Correlator::new(2 * window);
    let (mut about, mut found) = (offset, Vec::new());
    for from in (0..expected.len().saturating_sub(window)).step_by(window / 2) {
        let ours = part(recorded, from as i64 + about, window);
        if rms(&ours) > 1e-4 {
            let delay = about as f64 + correlator.lag(&expected[from..from + window], &ours);
            found.push(((from + window / 2) as f64, delay));
            about = delay.round() as i64;
        }
    }
    // A moment that resembles another one is where its neighbours are.
    let raw: Vec<f64> = found.iter().map(|(_, delay)| *delay).collect();
    for (near, (_, delay)) in raw.windows(5).zip(found.iter_mut().skip(2)) {
        let mut near = near.to_vec();
        near.sort_by(f64::total_cmp);
        if (*delay - near[2]).abs() > 16.0 {
            *delay = near[2];
        }
    }
    // Again with the pace thus found, which makes the peaks sharp and puts them in the middle.
    for _ in 0..2 {
        let pace = 1e-6 * slope_ppm(&found).0;
        for (middle, delay) in &mut found {
            let from = *middle - window as f64 / 2.0;
            let late = |i: usize| *delay + pace * (i as f64 - window as f64 / 2.0);
            let ours = |i| between(recorded, from + i as f64 + late(i));
            let ours: Vec<f32> = (0..window).map(ours).collect();
            *delay += correlator.lag(&expected[from as usize..][..window], &ours);
        }
    }
    smooth(&found)
}

/// Each point on the straight line through its neighbours: a delay changes slowly, and a single
/// window of music is a poor ruler.
fn smooth(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    const NEAR: usize = 5;
    let on_the_line = |k: usize| {
        let near = &points[k.saturating_sub(NEAR)..points.len().min(k + NEAR + 1)];
        if near.len() < 3 {
            return points[k];
        }
        let (at, slope) = (points[k].0, 1e-6 * slope_ppm(near).0);
        let mut here: Vec<f64> = near.iter().map(|(t, d)| d - slope * (t - at)).collect();
        here.sort_by(f64::total_cmp);
        (at, here[here.len() / 2])
    };
    (0..points.len()).map(on_the_line).collect()
}

/// The slope of a line through points, in millionths, and how far a point is from it at most.
/// Outliers have no say: it is the median slope of all pairs (Theil 1950, Sen 1968).
pub fn slope_ppm(points: &[(f64, f64)]) -> (f64, f64) {
    let mut slopes: Vec<f64> = Vec::new();
    for (i, a) in points.iter().enumerate() {
        slopes.extend(points[i + 1..].iter().map(|b| (b.1 - a.1) / (b.0 - a.0)));
    }
    slopes.sort_by(f64::total_cmp);
    let slope = slopes.get(slopes.len() / 2).copied().unwrap_or(f64::NAN);
    let mut rests: Vec<f64> = points.iter().map(|(t, d)| d - slope * t).collect();
    rests.sort_by(f64::total_cmp);
    let middle = rests[rests.len() / 2];
    let off = rests.iter().map(|rest| (rest - middle).abs());
    (1e6 * slope, off.fold(0.0, f64::max))
}

// ---------------------------------------------------------------- how near it is

/// What a recording is beside what was expected.
#[derive(Debug)]
pub struct Compared {
    /// Largest difference, beside the expected signal's level (RMS), in dB.
    pub largest_db: f64,
    /// Level of the difference, likewise.
    pub residual_db: f64,
    /// Stretches, in frames of what was expected, where the difference is more than noise.
    pub gaps: Vec<(usize, usize)>,
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            largest_db,
            residual_db,
            gaps,
        } = self;
        write!(
            f,
            "difference {residual_db:.1} dB, {largest_db:.1} at most, {} gaps",
            gaps.len()
        )?;
        match gaps.first() {
            Some((from, to)) => write!(f, " (first from {from} to {to})"),
            None => Ok(()),
        }
    }
}

/// A stretch of this many frames is looked at as one.
const STRETCH: usize = 64;

/// Compares sample by sample at that offset.
pub fn compare(expected: &[f32], recorded: &[f32], offset: i64) -> Compared {
    let recorded = part(recorded, offset, expected.len());
    let off: Vec<f32> = recorded.iter().zip(expected).map(|(a, b)| a - b).collect();
    let level = rms(expected);
    let largest = off.iter().fold(0f32, |most, x| most.max(x.abs()));
    // A stretch that is wrong by a tenth of the signal's level cannot be noise.
    let wrong = |k: &usize| rms(&off[k * STRETCH..off.len().min((k + 1) * STRETCH)]) > 0.1 * level;
    let mut gaps: Vec<(usize, usize)> = Vec::new();
    for k in (0..off.len().div_ceil(STRETCH)).filter(wrong) {
        let (from, to) = (k * STRETCH, (k + 1) * STRETCH);
        match gaps.last_mut() {
            Some(gap) if from <= gap.1 + 4 * STRETCH => gap.1 = to,
            _ => gaps.push((from, to)),
        }
    }
    Compared {
        largest_db: db(f64::from(largest) / level),
        residual_db: db(rms(&off) / level),
        gaps,
    }
}

/// The same where two clocks are between: `expected` is read at a pace that follows the recording.
pub fn compare_following(expected: &[f32], recorded: &[f32], window: usize) -> Compared {
    let offset = align(expected, recorded);
    let delays = delays(expected, recorded, offset, window);
    let late = |frame: f64| {
        let next = delays.partition_point(|(at, _)| *at < frame);
        let (a, b) = (
            delays[next.saturating_sub(1)],
            delays[next.min(delays.len() - 1)],
        );
        let share = ((frame - a.0) / (b.0 - a.0).max(1.0)).clamp(0.0, 1.0);
        a.1 + share * (b.1 - a.1)
    };
    let ours: Vec<f32> = (0..expected.len())
        .map(|frame| between(recorded, frame as f64 + late(frame as f64)))
        .collect();
    // The ends have but one neighbour to be placed by.
    let inner = window / 2..expected.len() - window;
    compare(&expected[inner.clone()], &ours[inner], 0)
}

/// A signal between its frames: a sinc over 64 of them, under a Hann window.
pub fn between(x: &[f32], at: f64) -> f32 {
    let (whole, share) = (at.floor(), at - at.floor());
    if share < 1e-9 {
        return part(x, whole as i64, 1)[0];
    }
    let sine = (PI * share).sin() / PI;
    let tap = |k: i64| {
        let (t, sign) = (share - k as f64, if k % 2 == 0 { 1.0 } else { -1.0 });
        let sample = usize::try_from(whole as i64 + k)
            .ok()
            .and_then(|i| x.get(i));
        let sample = f64::from(sample.copied().unwrap_or(0.0));
        sample * sign * sine / t * (0.5 * PI * t / 32.0).cos().powi(2)
    };
    (-31..=32).map(tap).sum::<f64>() as f32
}
