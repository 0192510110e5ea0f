//! Where in a recording the measuring signal was heard.

use super::excitation::{Excitation, Kind};
use super::inverse::Inverse;

/// Least level of the response's peak over the mean of all around it, in dB. The highest of a
/// million samples of noise stands 14 dB above their mean, that of a sweep taken for another 3 dB
/// above the mean of where it is smeared to, and even a cathedral's response without direct sound
/// some 30 dB above that of the ten seconds around it.
pub(super) const LEAST_CONTRAST: f64 = 20.0;
/// Least height of a repeat's peak beside the highest one's.
const ALIKE: f64 = 0.25;
/// Largest difference between two clocks that is believed, in ppm.
pub(super) const MOST_DRIFT: f64 = 2000.0;

/// A channel, deconvolved from end to end.
pub(super) struct Trace {
    /// In f32, for these may be many.
    samples: Vec<f32>,
    /// Where the recording's frame 0 stands.
    origin: usize,
}

impl Trace {
    pub fn of(recorded: &[f32], inverse: &Inverse) -> Self {
        let reach = inverse.signal + inverse.skirt;
        let block = inverse.size - reach - inverse.skirt;
        let mut samples = vec![0.0; reach + recorded.len() + inverse.skirt];
        let wide = |x: &[f32]| -> Vec<f64> { x.iter().map(|&x| f64::from(x)).collect() };
        for (pair, two) in recorded.chunks(2 * block).enumerate() {
            let (a, b) = two.split_at(block.min(two.len()));
            let done = inverse.apply(&wide(a), &wide(b));
            for (k, (done, len)) in done.iter().zip([a.len(), b.len()]).enumerate() {
                let at = (2 * pair + k) * block;
                let len = if len == 0 { continue } else { len };
                // Times before the block's beginning stand at the end.
                let (after, before) = (&done[..len + inverse.skirt], &done[inverse.size - reach..]);
                let add = |sum: &mut [f32], more: &[f64]| {
                    sum.iter_mut()
                        .zip(more)
                        .for_each(|(sum, x)| *sum += *x as f32);
                };
                add(&mut samples[at..], before);
                add(&mut samples[at + reach..], after);
            }
        }
        Self {
            samples,
            // A piece of the signal is found later than the signal.
            origin: reach + inverse.offset,
        }
    }

    /// Samples from a time of the recording on, which may be negative; 0 where there are none.
    pub fn cut(&self, from: isize, frames: usize) -> Vec<f64> {
        let begin = from + self.origin as isize;
        let at = |n: isize| usize::try_from(n).ok().and_then(|n| self.samples.get(n));
        (begin..begin + frames as isize)
            .map(|n| at(n).map_or(0.0, |&x| f64::from(x)))
            .collect()
    }

    fn highest(&self, from: isize, to: isize) -> Option<(isize, f64)> {
        let clamp =
            |n: isize| (n + self.origin as isize).clamp(0, self.samples.len() as isize) as usize;
        let part = &self.samples[clamp(from)..clamp(to)];
        let (at, x) = part
            .iter()
            .enumerate()
            .max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))?;
        Some((
            clamp(from) as isize + at as isize - self.origin as isize,
            f64::from(x.abs()),
        ))
    }

    fn power(&self, from: isize, to: isize) -> f64 {
        let clamp =
            |n: isize| (n + self.origin as isize).clamp(0, self.samples.len() as isize) as usize;
        let part = &self.samples[clamp(from)..clamp(to)];
        part.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / part.len().max(1) as f64
    }

    /// Finds the signal and its repeats.
    pub fn find(&self, excitation: &Excitation) -> Found {
        let (one, spacing) = (excitation.one.len() as isize, excitation.spacing as isize);
        let all = self.samples.len() as isize - self.origin as isize;
        let Some((best, peak)) = self.highest(-(self.origin as isize), all) else {
            return Found {
                at: Vec::new(),
                contrast_db: f64::NEG_INFINITY,
            };
        };
        let around = match excitation.kind {
            // The neighbours' peaks are none of what surrounds this one.
            Kind::Periodic => self.power(best - one / 2, best + one / 2),
            _ => self.power(best - one, best + one.max(spacing - one)),
        };
        let mut at = vec![best];
        for step in [-1, 1] {
            let mut from = best;
            let stray = (spacing as f64 * MOST_DRIFT * 1e-6) as isize + 64;
            while at.len() < excitation.plays {
                let (low, high) = (from + step * spacing - stray, from + step * spacing + stray);
                match self.highest(low, high) {
                    Some((next, height)) if height > ALIKE * peak => {
                        at.push(next);
                        from = next;
                    }
                    _ => break,
                }
            }
        }
        at.sort_unstable();
        Found {
            at,
            contrast_db: 10.0 * (peak * peak / around).log10(),
        }
    }
}

/// What [`Trace::find`] found.
pub(super) struct Found {
    /// Frames of the recording at which a repeat's sound began, going by the highest peak.
    pub at: Vec<isize>,
    /// Level of the highest peak over the mean of all around it.
    pub contrast_db: f64,
}
