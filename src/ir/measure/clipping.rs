//! Samples that stand at the limit of what a converter or a file can hold.

use crate::signal::Audio;

/// Shortest run of equal extreme samples that is a sign of clipping.
const RUN: usize = 3;
/// Steps of the recording's resolution within which a smooth curve may leave its flat top.
const STEPS: f32 = 4.0;

/// Clipped samples of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Clipping {
    /// How many.
    pub samples: usize,
    /// Frame and channel of the first, both from 0.
    pub first: Option<(usize, usize)>,
}

impl Clipping {
    /// Looks for runs of three and more equal samples at a channel's highest or lowest value,
    /// that the curve does not come to smoothly: the flat top of a slow sine in 16 bits is none.
    pub fn of(recorded: &Audio<f32>) -> Self {
        Self::at_least(recorded, 0.0)
    }

    /// The same with limits below a level, linear, left out: a two-valued signal that comes back
    /// through a cable has nothing but extremes.
    pub(super) fn at_least(recorded: &Audio<f32>, level: f32) -> Self {
        let mut found = Self::default();
        for (index, channel) in recorded.channels().iter().enumerate() {
            let (samples, first) = clipped(channel, level);
            found.samples += samples;
            let first = first.map(|frame| (frame, index));
            found.first = match (found.first, first) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
        found
    }
}

fn clipped(samples: &[f32], level: f32) -> (usize, Option<usize>) {
    let (low, high) = samples.iter().fold((0.0f32, 0.0f32), |(low, high), &x| {
        (low.min(x), high.max(x))
    });
    // The least step between neighbours is the resolution, or below it all the same.
    let steps = samples.windows(2).map(|pair| (pair[1] - pair[0]).abs());
    let step = steps
        .filter(|&step| step > 0.0)
        .fold(f32::INFINITY, f32::min);
    let (mut count, mut first, mut n) = (0, None, 0);
    while n < samples.len() {
        let limit = samples[n];
        let run = samples[n..].iter().take_while(|&&x| x == limit).count();
        let extreme = (limit == high || limit == low) && limit.abs() > level;
        if extreme && run >= RUN {
            let beside = [n.checked_sub(1), Some(n + run)];
            let jump = |at: Option<usize>| {
                let beside = at.and_then(|at| samples.get(at));
                beside.is_some_and(|x| (x - limit).abs() > STEPS * step)
            };
            if beside.into_iter().any(jump) {
                count += run;
                first = first.or(Some(n));
            }
        }
        n += run;
    }
    (count, first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::SampleRate;

    fn of(samples: Vec<f32>) -> Clipping {
        Clipping::of(
            &Audio::new(
                SampleRate::new(48_000).unwrap(),
                vec![vec![0.0; samples.len()], samples],
            )
            .unwrap(),
        )
    }

    fn sine(hz: f64, level: f64, bits: Option<i32>) -> Vec<f32> {
        let at = |n: usize| {
            let x = level * (std::f64::consts::TAU * hz / 48_000.0 * n as f64).sin();
            let x = x.clamp(-1.0, 1.0);
            match bits {
                Some(bits) => {
                    (x * 2f64.powi(bits - 1))
                        .round()
                        .min(2f64.powi(bits - 1) - 1.0)
                        / 2f64.powi(bits - 1)
                }
                None => x,
            }
        };
        (0..48_000).map(|n| at(n) as f32).collect()
    }

    #[test]
    fn a_sine_is_not_clipped_however_flat_its_top_is() {
        for bits in [None, Some(16), Some(24)] {
            for hz in [20.0, 100.0, 997.0, 6_000.0] {
                let found = of(sine(hz, 0.5, bits));
                assert_eq!(found, Clipping::default(), "{hz} Hz, {bits:?} bits");
            }
        }
    }

    #[test]
    fn a_sine_over_full_scale_is_clipped_from_its_first_top_on() {
        for bits in [None, Some(16), Some(24)] {
            for hz in [20.0, 100.0, 997.0] {
                // What comes before is as quiet as a recording can be.
                let step = 2f32.powi(1 - bits.unwrap_or(24));
                let mut samples = vec![0.0, step];
                samples.extend(sine(hz, 1.1, bits));
                let found = of(samples);
                // sin > 1/1.1 for a share of 2 acos(1/1.1) / 2 pi of each half period.
                let share = 2.0 * (1.0f64 / 1.1).acos() / std::f64::consts::PI;
                let frame = ((1.0f64 / 1.1).asin() / (std::f64::consts::TAU * hz / 48_000.0)).ceil()
                    as usize
                    + 2;
                let (first, channel) = found.first.unwrap();
                assert!(
                    first.abs_diff(frame) <= 1 && channel == 1,
                    "{first} for {frame}"
                );
                // Each run begins and ends between two frames.
                let want = 48_000.0 * share;
                assert!(
                    (found.samples as f64 - want).abs() <= 2.0 * 2.0 * hz,
                    "{} for {want}",
                    found.samples
                );
            }
        }
    }

    #[test]
    fn silence_is_not_clipped() {
        assert_eq!(of(vec![0.0; 100]), Clipping::default());
    }
}
