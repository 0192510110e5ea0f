//! The signal found in a recording: in which channel, which repeats, on which clock.

use super::drift::{self, Drift, DriftOption};
use super::excitation::{Excitation, Kind};
use super::inverse::Inverse;
use super::search::{Found, LEAST_CONTRAST, MOST_DRIFT, Trace};
use super::{MeasureError, hint};
use crate::signal::Audio;

/// The signal in the channel in which it was found.
pub(super) struct Heard {
    pub channel: usize,
    trace: Trace,
    pub found: Found,
    /// Repeats that are there from beginning to end.
    pub complete: Vec<isize>,
    /// How many repeats were heard before the first complete one.
    pub skipped: usize,
    /// Frames to leave out between a silence and a sound.
    apart: usize,
}

impl Heard {
    pub fn find(
        recorded: &Audio<f32>,
        excitation: &Excitation,
        inverse: &Inverse,
    ) -> Result<Self, MeasureError> {
        let energy =
            |channel: &Vec<f32>| channel.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
        let energies: Vec<f64> = recorded.channels().iter().map(energy).collect();
        let mut order: Vec<usize> = (0..energies.len()).filter(|&k| energies[k] > 0.0).collect();
        order.sort_by(|&a, &b| energies[b].total_cmp(&energies[a]));
        let mut most = f64::NEG_INFINITY;
        for &channel in &order {
            let trace = Trace::of(recorded.channel(channel), inverse);
            let found = trace.find(excitation);
            let least = match excitation.kind {
                // A room's own ringing is among what surrounds a peak of theirs; of others' signals
                // none comes to 13 dB.
                Kind::Periodic if found.at.len() > 1 => LEAST_OF_PERIODS,
                _ => LEAST_CONTRAST,
            };
            if found.contrast_db < least {
                most = most.max(found.contrast_db);
                continue;
            }
            let other = |factor| hint::other_sweep(recorded.channel(channel), excitation, factor);
            let complete = match complete(&found, excitation, recorded.frames()) {
                Ok(complete) => match other(hint::OTHER) {
                    Some(hint) => return Err(MeasureError::OtherSweep { hint }),
                    None => complete,
                },
                Err(error) => {
                    return Err(match other(hint::OTHER_OF_A_PART) {
                        Some(hint) => MeasureError::OtherSweep { hint },
                        None => error,
                    });
                }
            };
            let before = complete[0] - found.at[0];
            let skipped = (before as f64 / excitation.spacing as f64).round() as usize;
            return Ok(Self {
                channel,
                trace,
                found,
                complete,
                skipped,
                apart: excitation.rate.frames(APART),
            });
        }
        Err(MeasureError::NotFound {
            contrast_db: most,
            least_db: LEAST_CONTRAST,
            hint: hint::not_found(recorded.channel(order[0]), excitation),
        })
    }

    /// What the recording holds before the signal is heard for the first time, or the last `most`
    /// frames of it.
    pub fn silence(&self, channel: &[f32], most: usize) -> Vec<f64> {
        let sound = self.found.at.iter().copied().min().unwrap_or(0);
        let end = sound - self.apart as isize;
        let end = usize::try_from(end).unwrap_or(0).min(channel.len());
        let begin = end - end.min(most);
        let cut = channel[begin..end].iter().map(|&x| f64::from(x));
        // A constant is no noise, and would leak into all bands.
        let mean = cut.clone().sum::<f64>() / cut.len().max(1) as f64;
        cut.map(|x| x - mean).collect()
    }

    pub fn drift(
        &self,
        recorded: &Audio<f32>,
        excitation: &Excitation,
        inverse: &Inverse,
        option: DriftOption,
    ) -> Result<Drift, MeasureError> {
        let drift = match option {
            DriftOption::Ignore => return Ok(Drift::NONE),
            DriftOption::Ppm(ppm) => {
                return Ok(Drift { ppm, ..Drift::NONE });
            }
            DriftOption::Estimate if self.found.at.len() > 1 => {
                drift::of_repeats(&self.trace, &self.found.at, excitation, inverse.band)
            }
            DriftOption::Estimate if matches!(excitation.kind, Kind::Sweep { .. }) => {
                // A peak that stands out less may be smeared by more than a drift.
                let clear = self.found.contrast_db > CLEAR;
                let most = if clear { MOST_DRIFT } else { OTHER_SWEEP };
                drift::of_sweep(&self.trace, self.found.at[0], excitation, 1.02 * most)
            }
            DriftOption::Estimate => {
                let channel = recorded.channel(self.channel);
                drift::of_parts(channel, self.found.at[0], excitation, inverse.band)
            }
        };
        if drift.ppm.abs() > MOST_DRIFT {
            return Err(MeasureError::TooMuchDrift {
                ppm: drift.ppm,
                most: MOST_DRIFT,
                hint: hint::not_found(recorded.channel(self.channel), excitation),
            });
        }
        Ok(drift)
    }
}

/// Contrast in dB above which a response is surely that of the sweep that was given.
const CLEAR: f64 = 50.0;
/// How far a sweep that may be another one is looked for, in ppm.
const OTHER_SWEEP: f64 = 60_000.0;
/// Least contrast of a periodic signal that is found more than once, in dB.
const LEAST_OF_PERIODS: f64 = 15.5;
/// What is left out between a silence and the first sound, in seconds.
const APART: f64 = 0.02;

/// The repeats that lie wholly within the recording.
fn complete(
    found: &Found,
    excitation: &Excitation,
    frames: usize,
) -> Result<Vec<isize>, MeasureError> {
    let one = &excitation.one;
    let peak = one.iter().fold(0.0, |peak: f64, x| peak.max(x.abs()));
    let sounds = |x: &f64| x.abs() > 0.01 * peak;
    let begin = one.iter().position(sounds).unwrap_or(0) as isize;
    let end = one
        .iter()
        .rposition(sounds)
        .map_or(one.len(), |end| end + 1) as isize;
    let missing = |at: isize| ((-(at + begin)).max(0), (at + end - frames as isize).max(0));
    // A periodic signal's first period is for settling.
    let candidates = match excitation.kind {
        Kind::Periodic => &found.at[1.min(found.at.len() - 1)..],
        _ => &found.at[..],
    };
    let whole = |at: &isize| {
        missing(*at) == (0, 0) && (found.at.len() > 1 || excitation.kind != Kind::Periodic)
    };
    let complete: Vec<isize> = candidates.iter().copied().filter(whole).collect();
    if complete.is_empty() {
        let best = candidates
            .iter()
            .map(|&at| missing(at))
            .min_by_key(|(a, b)| a + b);
        let (before, after) = best.unwrap_or((0, 0));
        let rate = excitation.rate;
        return Err(MeasureError::Incomplete {
            side: if before > after { "first" } else { "last" },
            missing: rate.seconds((before.max(after)) as usize),
            seconds: rate.seconds(one.len()),
        });
    }
    Ok(complete)
}
