//! Decay time: every octave band made to fall faster or slower.

use std::f64::consts::{LN_10, PI};

use rustfft::num_complex::Complex;

use super::noise::BELOW;
use super::reading::{Reading, keyed};
use super::{EditError, check_length, fade, frames, wide};
use crate::ir::ImpulseResponse;
use crate::ir::decay::{Decay, Unjudged};
use crate::ir::log_line;
use crate::ir::synth::bands::{BANDS, LOWEST_BAND, split};
use crate::ir::synth::noise::Noise;
use crate::signal::SampleRate;

/// Least and largest factor.
const FACTORS: (f64, f64) = (0.05, 20.0);
/// Heights in dB of the straight lines that stand for a decay curve: the first, and all that follow.
const FIRST: f64 = 25.0;
const PIECE: f64 = 10.0;
/// Share of a response, from its onset on, that is followed before noise takes over.
const KEPT: f64 = 0.8;
/// Crossfade from the recorded to the synthesised part of a band, in seconds.
const JOINT: f64 = 0.02;
/// Fade at the end of a band, in seconds.
const LAST: f64 = 0.02;
/// Silence before synthesised noise that takes up the filters' ringing, in seconds.
const LEAD: f64 = 0.05;
const SEED: u64 = 0x0de0;

/// How many times as long a response's decay becomes: one factor, or several at frequencies in
/// between which the factor changes along a straight line over log f; beyond the outermost it stays.
#[derive(Debug, Clone, PartialEq)]
pub struct DecayFactor {
    /// Hz and factor, rising in Hz; never empty.
    points: Vec<(f64, f64)>,
}

impl DecayFactor {
    /// The same factor at every frequency.
    ///
    /// # Errors
    /// [`EditError::Usage`] for a factor below 0.05 or above 20.
    pub fn uniform(factor: f64) -> Result<Self, EditError> {
        Self::new(vec![(1000.0, factor)])
    }

    /// Factors at frequencies in Hz, in any order.
    ///
    /// # Errors
    /// [`EditError::Usage`] for none at all, a factor below 0.05 or above 20, or two at one
    /// frequency.
    pub fn new(mut points: Vec<(f64, f64)>) -> Result<Self, EditError> {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let allowed = |factor: &f64| (FACTORS.0..=FACTORS.1).contains(factor);
        let problem = if points.is_empty() {
            "a factor is needed".to_owned()
        } else if !points
            .iter()
            .all(|(hz, factor)| *hz > 0.0 && allowed(factor))
        {
            format!("a factor lies between {} and {}", FACTORS.0, FACTORS.1)
        } else if points.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            "there is one factor for each frequency".to_owned()
        } else {
            return Ok(Self { points });
        };
        Err(EditError::Usage {
            operation: "decay".to_owned(),
            problem,
            example: "decay=125:1.2,4k:0.5",
        })
    }

    pub(super) fn read(reading: &Reading) -> Result<Self, EditError> {
        let value = reading.value()?;
        let factors = if value.contains(':') {
            let mut points = Vec::new();
            for item in reading.items() {
                let (hz, factor) = keyed(item);
                let factor = factor.ok_or_else(|| reading.usage("a band is written as 4k:0.5"))?;
                points.push((reading.hertz(hz)?, reading.factor(factor)?));
            }
            Self::new(points)
        } else {
            Self::uniform(reading.factor(value)?)
        };
        factors.map_err(|error| match error {
            EditError::Usage { problem, .. } => reading.usage(problem),
            other => other,
        })
    }

    /// The factor at a frequency in Hz.
    pub fn at(&self, hz: f64) -> f64 {
        log_line::at(&self.points, hz).unwrap_or(1.0)
    }
}

/// What a change of decay did to one octave band.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DecayChange {
    /// Midband frequency in Hz.
    pub hz: f64,
    /// RT60 in seconds that it had, the mean of the channels; none where no decay could be judged,
    /// and the band stayed as it was.
    pub before: Option<f64>,
    /// How many times as long it became.
    pub factor: f64,
}

impl ImpulseResponse {
    /// Multiplies the decay time (RT60) of every octave band, 125 Hz to 8 kHz, the outermost ones
    /// with all below and above.
    ///
    /// From the onset on, each band is raised by L(t/f) - L(t) dB, L(t) being its decay curve and f
    /// the factor: where it decays along a line, that is exp(-t (1/fT - 1/T) ln 1000) for a decay
    /// time of T; where the line has a bend, the bend moves. The curve is the mean of the channels,
    /// so that their balance stays. The bands' filters have zero phase and add up to 1: a factor of 1 changes nothing.
    /// A band's noise floor is not raised with its decay: it is turned into the decay's end, as
    /// [`trim_noise`](Self::trim_noise) does. Where a longer decay needs more frames than there
    /// are, noise of the same level and slope goes on from there, another one in each channel. The
    /// length changes with that of the longest band, so that the response ends at the level at
    /// which it ended. Tells what was done, band by band.
    ///
    /// # Errors
    /// [`EditError::Silent`] where all taps are 0, [`EditError::Unjudged`] where no band has a
    /// decay that can be judged, [`EditError::TooLong`] for a result of more than ten minutes.
    pub fn change_decay(self, factor: &DecayFactor) -> Result<(Self, Vec<DecayChange>), EditError> {
        let operation = "decay";
        let onset = self.onset().ok_or(EditError::Silent { operation })?;
        let (rate, frames) = (self.rate(), self.frames());
        let channels = wide(&self);
        let judged =
            judge(&channels, rate).map_err(|source| EditError::Unjudged { operation, source })?;
        let plans: Vec<Plan> = judged
            .into_iter()
            .enumerate()
            .map(|(band, heard)| {
                let factor = factor.at(centre(band));
                Plan::new(factor, heard, onset, frames, rate)
            })
            .collect();
        let length = plans.iter().map(|plan| plan.end).max().unwrap_or(frames);
        check_length(operation, rate.seconds(length))?;
        let mut out = vec![vec![0.0; length]; channels.len()];
        for (number, (out, channels)) in out.chunks_mut(2).zip(channels.chunks(2)).enumerate() {
            let noise = tails(2 * number, &plans, rate);
            let both = pair(channels);
            let parts = split(&both, f64::from(rate.hz()));
            for ((plan, (_, part)), tail) in plans.iter().zip(parts).zip(noise) {
                for (side, out) in out.iter_mut().enumerate() {
                    let side_of = |x: &Complex<f64>| if side == 0 { x.re } else { x.im };
                    let part = part.iter().map(side_of).collect();
                    plan.run(2 * number + side, part, tail.iter().map(side_of), out);
                }
            }
        }
        let changes = plans.iter().enumerate().map(|(band, plan)| DecayChange {
            hz: centre(band),
            before: plan.change.as_ref().map(|change| change.rt60),
            factor: plan.change.as_ref().map_or(1.0, |change| change.factor),
        });
        let changes = changes.collect();
        let name = self.name().to_owned();
        Ok((Self::from_wide(rate, out)?.named(name), changes))
    }
}

/// Midband frequency of a band in Hz.
fn centre(band: usize) -> f64 {
    LOWEST_BAND * f64::from(1 << band)
}

/// Two channels, the second one silent where there is only one.
fn pair(channels: &[Vec<f64>]) -> [Vec<f64>; 2] {
    let silence = || vec![0.0; channels[0].len()];
    [
        channels[0].clone(),
        channels.get(1).cloned().unwrap_or_else(silence),
    ]
}

/// One channel's decay in one band.
#[derive(Debug, Clone)]
struct Heard {
    rt60: f64,
    fall: Fall,
    /// Frame at which it meets its noise floor, if it does.
    noise: Option<usize>,
}

impl Heard {
    fn of(taps: &[f64], rate: SampleRate) -> Result<Self, Unjudged> {
        let decay = Decay::of(taps, rate)?;
        let rt60 = decay
            .t30()
            .or_else(|_| decay.t20())
            .or_else(|_| Ok(decay.fit(-5.0, -15.0)?.rt60()))
            .or_else(|_: Unjudged| decay.edt())?;
        // Coupled rooms and neighbouring bands bend the decay: its later part in pieces of 10 dB.
        let early = decay.t20().unwrap_or(rt60);
        let mut pieces = vec![FIRST / 60.0 * early];
        let mut from = FIRST;
        while let Ok(line) = decay.fit(-from, -from - PIECE) {
            pieces.push(PIECE / 60.0 * line.rt60());
            from += PIECE;
        }
        Ok(Self {
            rt60,
            fall: Fall { pieces },
            noise: decay.noise.map(|_| decay.end),
        })
    }
}

/// A decay curve: straight lines through levels.
#[derive(Debug, Clone)]
struct Fall {
    /// Seconds in which it falls by the first [`FIRST`] dB, and then by each [`PIECE`]; the last
    /// line goes on for ever. Never empty.
    pieces: Vec<f64>,
}

impl Fall {
    /// The mean of several.
    fn mean<'a>(of: impl Iterator<Item = &'a Self> + Clone) -> Self {
        let piece = |k: usize| {
            let each = of.clone().filter_map(|fall| fall.pieces.get(k));
            let count = each.clone().count();
            (count > 0).then(|| each.sum::<f64>() / count as f64)
        };
        Self {
            pieces: (0..).map_while(piece).collect(),
        }
    }

    fn height(piece: usize) -> f64 {
        if piece == 0 { FIRST } else { PIECE }
    }

    /// Level in dB, 0 at the onset, after a time in seconds.
    fn at(&self, seconds: f64) -> f64 {
        let (mut begin, mut level) = (0.0, 0.0);
        for (k, piece) in self.pieces.iter().enumerate() {
            let share = (seconds - begin) / piece;
            if share < 1.0 || k + 1 == self.pieces.len() {
                return level - share * Self::height(k);
            }
            begin += piece;
            level -= Self::height(k);
        }
        level
    }

    /// Time in which its last line falls by 60 dB.
    fn last_rt60(&self) -> f64 {
        let last = self.pieces.len() - 1;
        60.0 / Self::height(last) * self.pieces[last]
    }
}

/// Every band's decay in every channel; none where it cannot be judged. Refused where that is so
/// everywhere.
fn judge(channels: &[Vec<f64>], rate: SampleRate) -> Result<Vec<Vec<Option<Heard>>>, Unjudged> {
    let mut judged = vec![Vec::new(); BANDS];
    let mut why = Unjudged::Silent;
    for channels in channels.chunks(2) {
        for (band, part) in split(&pair(channels), f64::from(rate.hz())) {
            let (left, right) = part
                .iter()
                .map(|x| (x.re, x.im))
                .unzip::<_, _, Vec<_>, Vec<_>>();
            for taps in [left, right].iter().take(channels.len()) {
                if 0.5 * centre(band) >= 0.5 * f64::from(rate.hz()) {
                    // Half of the rate lies below the band.
                    judged[band].push(None);
                    continue;
                }
                let heard = Heard::of(taps, rate).map_err(|reason| why = reason);
                judged[band].push(heard.ok());
            }
        }
    }
    if judged.iter().flatten().all(Option::is_none) {
        return Err(why);
    }
    Ok(judged)
}

/// What happens to one band.
struct Plan {
    onset: usize,
    rate: SampleRate,
    /// Frame at which it ends.
    end: usize,
    /// None where it stays.
    change: Option<Change>,
}

struct Change {
    factor: f64,
    /// Mean of the channels, as the decay curve.
    rt60: f64,
    fall: Fall,
    /// Frame from which on noise takes over, where the response itself is too short.
    joint: Option<usize>,
    heard: Vec<Option<Heard>>,
}

impl Plan {
    fn new(
        factor: f64,
        heard: Vec<Option<Heard>>,
        onset: usize,
        frames: usize,
        rate: SampleRate,
    ) -> Self {
        let known = || heard.iter().flatten();
        if known().next().is_none() || factor == 1.0 {
            return Self {
                onset,
                rate,
                end: frames,
                change: None,
            };
        }
        let rt60 = known().map(|heard| heard.rt60).sum::<f64>() / known().count() as f64;
        let fall = Fall::mean(known().map(|heard| &heard.fall));
        let below = rate.frames(BELOW / 60.0 * fall.last_rt60());
        let ends = known().map(|heard| match heard.noise {
            Some(noise) => noise.saturating_add(below).min(frames),
            None => frames,
        });
        let sounding = ends.max().unwrap_or(frames).saturating_sub(onset);
        let end = onset + ((factor * sounding as f64).round() as usize).max(1);
        // A response that was faded out at its end, as most are, is not followed to the last.
        let joint = onset + (KEPT * (frames - onset) as f64) as usize;
        Self {
            onset,
            rate,
            end,
            change: Some(Change {
                factor,
                rt60,
                fall,
                joint: (end > frames).then_some(joint),
                heard,
            }),
        }
    }

    /// Adds the band of a channel, reshaped, to `out`. `noise` is its noise from the joint on.
    fn run(
        &self,
        channel: usize,
        mut part: Vec<f64>,
        noise: impl Iterator<Item = f64>,
        out: &mut [f64],
    ) {
        if let Some(change) = &self.change {
            let hz = f64::from(self.rate.hz());
            if let Some(Heard {
                noise: Some(noise),
                fall,
                ..
            }) = &change.heard[channel]
            {
                for (n, tap) in part.iter_mut().enumerate() {
                    // D / (D + N) = 1 / (1 + N / D), 60 dB being a factor of 10^6.
                    let after = (n as f64 - *noise as f64) / hz;
                    let noise = 1e6f64.powf(after / fall.last_rt60());
                    *tap *= (1.0 + noise).sqrt().recip();
                }
            }
            // The curve that it falls along is stretched: g(t) = L(t/f) - L(t).
            for (n, tap) in part.iter_mut().skip(self.onset).enumerate() {
                let t = n as f64 / hz;
                *tap *= as_factor(change.fall.at(t / change.factor) - change.fall.at(t));
            }
            if let Some(joint) = change.joint {
                let slower = |n: usize| {
                    let t = (n - self.onset) as f64 / hz;
                    change.fall.at(t / change.factor)
                };
                self.extend(joint, &mut part, noise, |n| {
                    as_factor(slower(n) - slower(joint))
                });
            }
            part.truncate(self.end);
            let last = self.rate.frames(LAST).min((part.len() - self.onset) / 4);
            let from = part.len() - last;
            fade::fall(&mut part[from..]);
        }
        out.iter_mut().zip(part).for_each(|(out, tap)| *out += tap);
    }

    /// Lets noise of mean square 1 take over from a band at its joint, at its level; `fall` tells how
    /// that goes on, 1 at the joint.
    fn extend(
        &self,
        joint: usize,
        part: &mut Vec<f64>,
        noise: impl Iterator<Item = f64>,
        fall: impl Fn(usize) -> f64,
    ) {
        // The level at the joint, from the third of the response before it.
        let first = joint - (joint - self.onset) / 3;
        let before = part.iter().enumerate().take(joint).skip(first);
        let power: f64 = before.map(|(n, tap)| (tap / fall(n)).powi(2)).sum();
        let level = (power / (joint - first).max(1) as f64).sqrt();
        let over = self.rate.frames(JOINT).clamp(1, part.len() - joint);
        part.resize(self.end, 0.0);
        part[joint + over..].fill(0.0);
        for (k, (tap, noise)) in part[joint..].iter_mut().zip(noise).enumerate() {
            // Equal power: the two know nothing of each other.
            let turn = PI * 0.5 * ((k as f64 + 0.5) / over as f64).min(1.0);
            *tap = *tap * turn.cos() + noise * level * fall(joint + k) * turn.sin();
        }
    }
}

fn as_factor(db: f64) -> f64 {
    (LN_10 / 20.0 * db).exp()
}

/// Noise of mean square 1 for two channels, in every band that is too short; empty in the others.
fn tails(first_channel: usize, plans: &[Plan], rate: SampleRate) -> Vec<Vec<Complex<f64>>> {
    let length = |plan: &Plan| {
        let joint = plan.change.as_ref().and_then(|change| change.joint);
        joint.map_or(0, |joint| plan.end - joint)
    };
    let longest = plans.iter().map(length).max().unwrap_or(0);
    if longest == 0 {
        return vec![Vec::new(); plans.len()];
    }
    let lead = rate.frames(LEAD);
    let white = |channel| {
        let mut noise = Noise::new(SEED, channel);
        (0..lead + longest + lead).map(|_| noise.normal()).collect()
    };
    let both = [white(first_channel), white(first_channel + 1)];
    split(&both, f64::from(rate.hz()))
        .zip(plans)
        .map(|((_, mut part), plan)| {
            part.drain(..lead);
            let power = part.iter().map(Complex::norm_sqr).sum::<f64>();
            let level = (power / 2.0 / part.len() as f64).sqrt();
            part.truncate(length(plan));
            part.iter_mut()
                .filter(|_| level > 0.0)
                .for_each(|x| *x /= level);
            part
        })
        .collect()
}

pub(super) fn change(
    ir: ImpulseResponse,
    factor: &DecayFactor,
) -> Result<(ImpulseResponse, String), EditError> {
    let (rate, before) = (ir.rate(), ir.frames());
    let (ir, changes) = ir.change_decay(factor)?;
    let each = changes.iter().map(|change| match change.before {
        Some(before) => {
            let after = before * change.factor;
            format!("{} Hz {before:.2} -> {after:.2} s", change.hz)
        }
        None => format!("{} Hz as it was", change.hz),
    });
    let report = format!(
        "RT60 {}; {} -> {}",
        each.collect::<Vec<_>>().join(", "),
        frames(before, rate),
        frames(ir.frames(), rate)
    );
    Ok((ir, report))
}

#[cfg(test)]
mod tests;
