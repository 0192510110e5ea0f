//! Repeats: how well they agree, which to leave out, and their mean.

use super::drift::{Drift, Interpolator};
use super::excitation::{Excitation, Kind};

/// What is left out between a repeat and the next, in seconds.
const APART: f64 = 0.02;

/// One repeat of the signal in the recording.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Repeat {
    /// Frame of the recording at which it was heard.
    pub frame: f64,
    /// Power of what is in this repeat alone (its noise), relative to the power of the repeats'
    /// mean, in dB; none for a single one, and one value for both of two.
    pub noise_db: Option<f64>,
    /// Whether it is part of the result.
    pub used: bool,
}

/// Noise energy of each of several recordings of the same, by their differences.
///
/// With the noises independent, the energy of a difference is the sum of both noises' energies:
/// D(i,j) = e(i) + e(j). The sum over j of D(i,j) is n |y(i)|^2 + sum |y(j)|^2 - 2 y(i) . sum y(j),
/// and (n - 2) e(i) is that less the sum of all D(i,j) with i < j over n - 1.
pub(super) fn noise(repeats: &[impl AsRef<[f64]>]) -> Vec<f64> {
    let n = repeats.len() as f64;
    if repeats.len() < 2 {
        return vec![0.0; repeats.len()];
    }
    // Around the mean, so that small differences of large numbers do not arise.
    let mean = mean(repeats.iter());
    let off: Vec<f64> = repeats
        .iter()
        .map(|repeat| {
            repeat
                .as_ref()
                .iter()
                .zip(&mean)
                .map(|(x, m)| (x - m).powi(2))
                .sum()
        })
        .collect();
    // With the mean taken off, the sum over all is 0: D(i) = n |y(i)|^2 + sum |y(j)|^2.
    let all: f64 = off.iter().sum();
    if repeats.len() == 2 {
        return vec![all; 2];
    }
    let pairs = n * all; // the sum of all D(i,j) with i < j
    off.iter()
        .map(|off| ((n * off + all) - pairs / (n - 1.0)) / (n - 2.0))
        .map(|e| e.max(0.0))
        .collect()
}

/// Which repeats the mean is better without.
///
/// The mean of n has the noise energy sum e / n^2. Without one of energy e(k) beside others of
/// energy e, that is e / (n - 1), which is less where e(k) > e (2n - 1) / (n - 1): between 2 and
/// 2.5 times as much. Twice that is asked for, so that chance alone leaves none out.
pub(super) fn outliers(repeats: &[Vec<f64>]) -> Vec<usize> {
    let mut left: Vec<usize> = (0..repeats.len()).collect();
    let mut out = Vec::new();
    while left.len() >= 3 {
        let kept: Vec<&[f64]> = left.iter().map(|&k| &*repeats[k]).collect();
        let energies = noise(&kept);
        let (worst, &most) = match energies
            .iter()
            .enumerate()
            .max_by(|a, b| a.1.total_cmp(b.1))
        {
            Some(worst) => worst,
            None => break,
        };
        let mut others: Vec<f64> = energies.clone();
        others.remove(worst);
        others.sort_by(f64::total_cmp);
        let usual = others[others.len() / 2];
        let n = left.len() as f64;
        // What rounding leaves is no noise.
        let floor = 1e-10 * kept[0].iter().map(|x| x * x).sum::<f64>();
        if most <= (2.0 * usual * (2.0 * n - 1.0) / (n - 1.0)).max(floor) {
            break;
        }
        out.push(left.remove(worst));
    }
    out
}

/// Frame by frame.
pub(super) fn mean(repeats: impl Iterator<Item = impl AsRef<[f64]>>) -> Vec<f64> {
    let (mut mean, mut count): (Vec<f64>, usize) = (Vec::new(), 0);
    for repeat in repeats {
        let repeat = repeat.as_ref();
        mean.resize(repeat.len(), 0.0);
        mean.iter_mut().zip(repeat).for_each(|(mean, x)| *mean += x);
        count += 1;
    }
    mean.iter_mut().for_each(|mean| *mean /= count as f64);
    mean
}

/// Where the repeats begin in the recording, and how much it is stretched.
pub(super) struct Cuts {
    pub starts: Vec<f64>,
    pub step: f64,
    /// Frames of a repeat: before it is heard, the signal's own, and after it.
    pub before: usize,
    one: usize,
    after: usize,
    /// Frames after it that were asked for and belong to the next repeat.
    lacking: usize,
    interpolator: Interpolator,
}

impl Cuts {
    /// For repeats that were found near these frames. A whole period is cut of a periodic signal,
    /// from a little before its beginning, so that it ends before the last one does.
    pub fn new(
        at: &[isize],
        drift: &Drift,
        excitation: &Excitation,
        before: usize,
        after: usize,
    ) -> Self {
        let step = 1.0 + drift.ppm * 1e-6;
        let apart = excitation.spacing as f64 * step;
        // On the grid of what was played, had recording and playing begun together.
        let first = at
            .first()
            .map_or(0.0, |&at| (at as f64 / step).round() * step);
        let start = |&at: &isize| first + ((at as f64 - first) / apart).round() * apart;
        let one = excitation.one.len();
        let periodic = excitation.kind == Kind::Periodic;
        // The next repeat is none of this one's response. Its first sound may come before its peak.
        let apart = excitation.rate.frames(APART);
        let room = match excitation.plays {
            1 => after,
            _ => excitation.spacing.saturating_sub(one + apart),
        };
        let lacking = after.saturating_sub(room + apart);
        Self {
            starts: at.iter().map(start).collect(),
            step,
            before: if periodic { one / 8 } else { before },
            one: if periodic { one - one / 8 } else { one },
            after: if periodic { 0 } else { after.min(room) },
            lacking: if periodic { 0 } else { lacking },
            interpolator: Interpolator::new(),
        }
    }

    /// The repeats of a channel, on the player's clock.
    pub fn of<'a>(&'a self, channel: &'a [f32]) -> impl ExactSizeIterator<Item = Vec<f64>> + 'a {
        let frames = self.before + self.one + self.after;
        self.starts.iter().map(move |start| {
            let begin = start - self.before as f64 * self.step;
            self.interpolator.cut(channel, begin, self.step, frames)
        })
    }

    /// Frames by which a recording, or what it holds of a repeat, ends before the response does.
    pub fn short(&self, recorded: usize) -> usize {
        let frames = (self.one + self.after) as f64;
        let last = self
            .starts
            .last()
            .map_or(0.0, |start| start + frames * self.step);
        self.lacking + (last - recorded as f64).max(0.0) as usize
    }
}
