//! The noise floor: cut, with a fade that goes on as the decay does.

use super::{EditError, frames, wide};
use crate::ir::ImpulseResponse;
use crate::ir::decay::{Decay, Line, Unjudged};

/// How far below the noise floor the fade goes before the response ends, in dB.
pub(super) const BELOW: f64 = 40.0;
/// Last part of the fade, in seconds, in which what is left goes to nothing.
const LAST: f64 = 0.01;

/// Where a decay sinks into noise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoisePoint {
    /// Lundeby's crossing in frames: decay and noise are equally strong.
    pub frame: usize,
    /// Mean square of the noise in dB relative to a tap of 1.
    pub noise: f64,
    /// How the decay falls towards it, in dB per second; negative.
    pub slope: f64,
}

impl ImpulseResponse {
    /// Where the response sinks into its noise, in the channel that does so last; none where no
    /// channel reaches its noise.
    ///
    /// # Errors
    /// [`EditError::Unjudged`] where no channel has a decay that can be judged.
    pub fn noise_point(&self) -> Result<Option<NoisePoint>, EditError> {
        let (mut last, mut why, mut judged) = (None::<NoisePoint>, None, false);
        for taps in wide(self) {
            let point = Decay::of(&taps, self.rate()).and_then(|decay| {
                let Some(noise) = decay.noise else {
                    return Ok(None);
                };
                let slope = late(&decay)?.slope;
                let frame = decay.end;
                Ok(Some(NoisePoint {
                    frame,
                    noise,
                    slope,
                }))
            });
            match point {
                Err(reason) => why = Some(reason),
                Ok(point) => {
                    judged = true;
                    let later = point.filter(|new| last.is_none_or(|old| old.frame < new.frame));
                    last = later.or(last);
                }
            }
        }
        match why {
            Some(source) if !judged => Err(EditError::Unjudged {
                operation: "trim-noise",
                source,
            }),
            _ => Ok(last),
        }
    }

    /// Takes the noise floor away and goes on as the decay did.
    ///
    /// From well before [`noise_point`](Self::noise_point) on, taps are multiplied by
    /// sqrt(D / (D + N)), D and N being the power of the decay and of the noise: 1 where the decay
    /// rules, -3 dB at the point, and beyond it the decay's own slope, so that the noise itself
    /// becomes the end of the decay. It ends 40 dB below the floor. All channels get the same fade;
    /// without a floor nothing changes.
    ///
    /// # Errors
    /// [`EditError::Unjudged`] where no channel has a decay that can be judged.
    pub fn trim_noise(self) -> Result<Self, EditError> {
        match self.noise_point()? {
            None => Ok(self),
            Some(point) => Ok(point.cut(self)?),
        }
    }
}

/// The slope that leads into the noise: through the lower half of what lies above it.
fn late(decay: &Decay) -> Result<Line, Unjudged> {
    let to = 10.0 - decay.range;
    decay
        .fit((to / 2.0).min(-5.0), to.min(-6.0))
        .or_else(|_| decay.fit(0.0, -10.0))
}

impl NoisePoint {
    /// Power of the decay over that of the noise, `after` frames after the point.
    fn ratio(&self, seconds: f64) -> f64 {
        10f64.powf(self.slope * seconds / 10.0)
    }

    fn cut(&self, ir: ImpulseResponse) -> Result<ImpulseResponse, EditError> {
        let rate = ir.rate();
        let after = rate.frames(-BELOW / self.slope);
        let end = self.frame.saturating_add(after).min(ir.frames());
        let last = rate.frames(LAST).min(end);
        Ok(ir.mapped(rate, |taps| {
            let mut taps = taps[..end].to_vec();
            for (n, tap) in taps.iter_mut().enumerate() {
                let away = (n as f64 - self.frame as f64) / f64::from(rate.hz());
                // D / (D + N) = 1 / (1 + N / D)
                *tap *= (1.0 + 1.0 / self.ratio(away)).sqrt().recip();
            }
            super::fade::fall(&mut taps[end - last..]);
            Ok(taps)
        })?)
    }
}

pub(super) fn trim(ir: ImpulseResponse) -> Result<(ImpulseResponse, String), EditError> {
    let Some(point) = ir.noise_point()? else {
        return Ok((ir, "no noise floor is reached, nothing is cut".to_owned()));
    };
    let (rate, before) = (ir.rate(), ir.frames());
    let ir = point.cut(ir)?;
    let report = format!(
        "meets its noise at {} (Lundeby), falls on from there by {:.1} dB/s; \
         {} cut from the end",
        frames(point.frame, rate),
        -point.slope,
        frames(before - ir.frames(), rate)
    );
    Ok((ir, report))
}

#[cfg(test)]
mod tests {
    use crate::ir::edit::tests::{edit, ir};
    use crate::ir::synth::noise::Noise;

    /// Noise that falls by 60 dB in `rt60` seconds, over a floor `floor` dB below its beginning.
    fn decaying(rt60: f64, floor: f64, seconds: f64, seed: u64) -> Vec<f32> {
        let (mut decay, mut noise) = (Noise::new(seed, 0), Noise::new(seed, 1));
        let level = 10f64.powf(floor / 20.0);
        (0..(48_000.0 * seconds) as usize)
            .map(|n| {
                let fall = 10f64.powf(-3.0 * n as f64 / 48_000.0 / rt60);
                (0.2 * (fall * decay.normal() + level * noise.normal())) as f32
            })
            .collect()
    }

    #[test]
    fn the_decay_goes_on_through_the_point_where_the_noise_was() {
        // 60 dB in 0.5 s meet a floor at -50 dB after 0.417 s = 20,000 frames.
        let noisy = ir(48_000, vec![decaying(0.5, -50.0, 2.0, 1)]);
        let point = noisy.noise_point().unwrap().unwrap();
        // Lundeby's point is a crossing of two lines, of which the decay's slope is known to 5 %
        // of 120 dB/s over the 50 dB down to it: 2.5 dB, 21 ms.
        assert!(point.frame.abs_diff(20_000) < 1000, "{point:?}");
        assert!((point.slope / -120.0 - 1.0).abs() < 0.05, "{point:?}");
        let (clean, said) = edit(&noisy, "trim-noise");
        assert!(said.contains("Lundeby"), "{said}");
        // 40 dB more at 120 dB/s.
        assert!(clean.frames().abs_diff(point.frame + 16_000) < 1000);
        // The level, 20 ms at a time, stays within 3 dB of the decay without noise: 3 standard
        // deviations of 960 values' power (4.34 dB x sqrt(2 / 960) = 0.2 dB), and the point and slope
        // as above.
        for n in (0..clean.frames() - 1500).step_by(960) {
            let power: f64 = clean.channel(0)[n..n + 960]
                .iter()
                .map(|&x| f64::from(x).powi(2))
                .sum();
            let db = 10.0 * (power / 960.0 / 0.04).log10();
            let want = -120.0 * (n + 480) as f64 / 48_000.0;
            assert!(
                (db - want).abs() < 3.0,
                "frame {n}: {db:.1} dB, {want:.1} dB"
            );
        }
        // The early part stays.
        for n in 0..4800 {
            let (a, b) = (clean.channel(0)[n], noisy.channel(0)[n]);
            assert!((a - b).abs() <= 0.01 * b.abs(), "{n}");
        }
    }

    #[test]
    fn all_channels_fade_at_the_latest_point() {
        let (long, short) = (decaying(0.6, -50.0, 2.0, 2), decaying(0.3, -50.0, 2.0, 3));
        let alone = ir(48_000, vec![long.clone()]).noise_point().unwrap();
        let both = ir(48_000, vec![short, long]);
        assert_eq!(both.noise_point().unwrap(), alone);
        let cut = both.trim_noise().unwrap();
        let one = ir(48_000, vec![cut.channel(0).to_vec()]);
        assert!(one.frames() > alone.unwrap().frame);
    }

    #[test]
    fn a_response_without_a_floor_stays_and_one_without_a_decay_is_refused() {
        let pure = ir(48_000, vec![decaying(0.5, -300.0, 0.4, 4)]);
        let (same, said) = edit(&pure, "trim-noise");
        assert!(said.contains("no noise floor") && same == pure, "{said}");
        let silent = ir(48_000, vec![vec![0.0; 1000]]).trim_noise().unwrap_err();
        assert!(silent.to_string().contains("all taps are 0"), "{silent}");
        assert!(ir(48_000, vec![vec![1.0]]).trim_noise().is_err());
    }
}
