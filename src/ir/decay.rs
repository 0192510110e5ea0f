//! How a response's energy decays: Schroeder's curve, freed of its noise floor, and lines through it.
//!
//! Backward integration (Schroeder 1965) up to the point where the decay meets the noise floor, found
//! by the iterations of Lundeby et al. 1995 ("Uncertainties of measurements in room acoustics",
//! Acustica 81). The floor's power is subtracted before integration (Chu 1978), and what lies
//! beyond that point is made good for by the late decay's line. Guski & Vorlaender 2014
//! ("Comparison of noise compensation methods") found the three together to be the most exact.
//! A response that is cut before it reaches a floor has none subtracted; its missing end is made
//! good for likewise. Lines are fitted and named as ISO 3382-1:2009 has them.

mod floor;

use thiserror::Error;

use super::band::{self, Band};
use super::onset::onset;
use crate::signal::SampleRate;
use floor::Floor;

/// How far the noise must lie below the end of a fit, in dB (ISO 3382-1:2009).
const ABOVE_NOISE: f64 = 10.0;
/// Least decay time times bandwidth that a filter run backwards leaves as it is (Jacobsen &
/// Rindel 1987).
const LEAST_BT: f64 = 4.0;
/// Share of the distance between two levels that a line must fall itself: the rest may be steps, such
/// as that of the direct sound.
const LEAST_FALL: f64 = 0.2;
/// Fewest frames that make a decay.
const FEWEST: usize = 8;

/// Why a decay, or a value from it, could not be judged.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum Unjudged {
    /// All taps are 0.
    #[error("all taps are 0")]
    Silent,
    /// There are too few frames.
    #[error("too short for a decay: {frames} of {least} frames from the onset on")]
    TooShort {
        /// Frames there are.
        frames: usize,
        /// Frames that are needed.
        least: usize,
    },
    /// The energy becomes hardly less, or more.
    #[error("the level hardly falls")]
    NoDecay,
    /// The noise floor or the end of the response comes too soon.
    #[error("the decay range is {range:.1} dB, {what} needs {need:.0}")]
    Range {
        /// What was asked for.
        what: &'static str,
        /// Decay range in dB.
        range: f64,
        /// Decay range that is needed in dB.
        need: f64,
    },
    /// The curve is a step where a line was asked for.
    #[error("the curve goes from {from:.0} to {to:.0} dB in a step, which leaves no slope to fit")]
    Step {
        /// Level in dB at which the line would begin.
        from: f64,
        /// Level in dB at which it would end.
        to: f64,
    },
    /// The band's filter would be measured and not the response.
    #[error("{rt60:.3} s is too short for the octave filter at {hz} Hz, which needs {least:.3} s")]
    Filter {
        /// Midband frequency in Hz.
        hz: f64,
        /// Decay time found, in seconds.
        rt60: f64,
        /// Shortest decay time that the filter leaves as it is, in seconds.
        least: f64,
    },
    /// The band does not lie below half of the rate.
    #[error("the band ends at {high:.0} Hz, not below {nyquist} Hz, half of the rate")]
    AboveNyquist {
        /// Upper edge of the band in Hz.
        high: f64,
        /// Half of the rate in Hz.
        nyquist: f64,
    },
    /// There is no energy after a time.
    #[error("what comes after {ms} ms lies below the noise floor or behind the end")]
    NothingAfter {
        /// The time in milliseconds.
        ms: f64,
    },
}

/// The decay of one channel, or of one of its octave bands.
///
/// ```
/// # use faltung::{SampleRate, ir::decay::Decay};
/// // 2 s that fall by 60 dB a second.
/// let fall = |n: u32| 10f64.powf(-3.0 * f64::from(n) / 48e3) * if n % 3 == 0 { 1.0 } else { -1.0 };
/// let taps: Vec<f64> = (0..96_000).map(fall).collect();
/// let decay = Decay::of(&taps, SampleRate::new(48_000)?)?;
/// assert!((decay.t30()? - 1.0).abs() < 1e-3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Decay {
    /// Frame at which the sound begins: the first tap of the channel within 20 dB of its largest.
    pub onset: usize,
    /// Power of the noise floor, its mean square in dB relative to a tap of 1. None where none was
    /// reached.
    pub noise: Option<f64>,
    /// Frame at which the decay meets its noise floor (Lundeby's crossing); without a floor, the
    /// end of the response.
    pub end: usize,
    /// How far the curve falls between these two, in dB: the decay range.
    pub range: f64,
    rate: SampleRate,
    band: Option<Band>,
    curve: Vec<f64>,
    /// What all of it came to, floor subtracted and end made good for.
    energy: f64,
    beyond: Beyond,
}

/// What is taken to lie after a decay's end: an exponential.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Beyond {
    /// Energy of all of it.
    pub energy: f64,
    /// What that would be, were its power at first that of the floor.
    pub hidden: f64,
    /// Mean time from the end to it, in frames.
    pub delay: f64,
}

impl Decay {
    /// The decay of all frequencies.
    ///
    /// # Errors
    /// [`Unjudged::Silent`], [`Unjudged::TooShort`], [`Unjudged::NoDecay`].
    pub fn of(taps: &[f64], rate: SampleRate) -> Result<Self, Unjudged> {
        let (onset, taps) = sounding(taps)?;
        let energy = taps.iter().map(|tap| tap * tap).collect();
        Self::integrate(energy, 0.0, onset, rate, None)
    }

    /// The decay of an octave band. It begins where the whole response does: the filter runs over
    /// what follows the onset, and what it spreads before the onset counts as if it came there.
    ///
    /// # Errors
    /// Those of [`of`](Self::of), and [`Unjudged::AboveNyquist`].
    pub fn in_band(taps: &[f64], rate: SampleRate, band: Band) -> Result<Self, Unjudged> {
        let (onset, taps) = sounding(taps)?;
        if !band.fits(rate) {
            return Err(Unjudged::AboveNyquist {
                high: band.high(),
                nyquist: f64::from(rate.hz()) / 2.0,
            });
        }
        let lead = band.ringing(rate);
        let filtered = band::filter_with_lead(taps, rate, band, lead);
        let mut energy: Vec<f64> = filtered.iter().map(|y| y * y).collect();
        let mut energy = energy.split_off(lead);
        let before = filtered[..lead].iter().map(|y| y * y).sum();
        // At its end the filter has not come up yet: a response cut in its decay, or its floor,
        // would seem to fall.
        let settled = taps.len().saturating_sub(band.settling(rate));
        if settled < FEWEST {
            return Err(Unjudged::TooShort {
                frames: taps.len(),
                least: band.settling(rate) + FEWEST,
            });
        }
        energy.truncate(settled);
        Self::integrate(energy, before, onset, rate, Some(band))
    }

    /// `energy` from the onset on, one value per frame; `before` is what came sooner.
    fn integrate(
        energy: Vec<f64>,
        before: f64,
        onset: usize,
        rate: SampleRate,
        band: Option<Band>,
    ) -> Result<Self, Unjudged> {
        let Floor { noise, end, beyond } = Floor::find(&energy, rate, band)?;
        let mut sums = energy;
        sums.truncate(end);
        // Schroeder's integral, backwards. Where the floor's fluctuations would let it rise, it
        // stays as it was.
        let (mut sum, mut most) = (beyond.energy, beyond.energy);
        for value in sums.iter_mut().rev() {
            sum += *value - noise.unwrap_or(0.0);
            most = sum.max(most);
            *value = most;
        }
        let whole = most + before;
        let mut curve = sums;
        for value in &mut curve {
            *value = 10.0 * (*value / whole).log10();
        }
        curve[0] = 0.0;
        Ok(Self {
            onset,
            noise: noise.map(|power| 10.0 * power.log10()),
            end: onset + end,
            range: -10.0 * (beyond.energy.max(beyond.hidden) / whole).log10(),
            rate,
            band,
            curve,
            energy: whole,
            beyond,
        })
    }

    /// The energy that is still to come, in dB: 0 at the onset, one value per frame from there to
    /// [`end`](Self::end), never rising.
    pub fn curve(&self) -> &[f64] {
        &self.curve
    }

    /// Sum of the squared taps from the onset on, floor subtracted and end made good for.
    pub fn energy(&self) -> f64 {
        self.energy
    }

    /// What lies after [`end`](Self::end).
    pub(super) fn beyond(&self) -> Beyond {
        self.beyond
    }

    /// The line of least squares through the curve between two levels in dB, such as -5 and -35.
    ///
    /// # Errors
    /// [`Unjudged::Range`] where the decay range does not exceed the lower level by 10 dB,
    /// [`Unjudged::Step`] where hardly a frame lies between the levels, [`Unjudged::Filter`] where
    /// the band's filter decays hardly faster.
    pub fn fit(&self, from_db: f64, to_db: f64) -> Result<Line, Unjudged> {
        self.named_fit("this fit", from_db, to_db)
    }

    /// Early decay time in seconds: 0 to -10 dB, as RT60.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub fn edt(&self) -> Result<f64, Unjudged> {
        Ok(self.named_fit("EDT", 0.0, -10.0)?.rt60())
    }

    /// Decay time in seconds from -5 to -25 dB, as RT60.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub fn t20(&self) -> Result<f64, Unjudged> {
        Ok(self.named_fit("T20", -5.0, -25.0)?.rt60())
    }

    /// Decay time in seconds from -5 to -35 dB, as RT60.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub fn t30(&self) -> Result<f64, Unjudged> {
        Ok(self.named_fit("T30", -5.0, -35.0)?.rt60())
    }

    fn named_fit(&self, what: &'static str, from: f64, to: f64) -> Result<Line, Unjudged> {
        self.reaches(what, to)?;
        let first = |level: f64| self.curve.partition_point(|&db| db > level);
        let (begin, end) = (if from < 0.0 { first(from) } else { 0 }, first(to));
        let points = self.curve[begin..end].iter().enumerate();
        let time = |n: usize| self.rate.seconds(begin + n);
        let least = LEAST_FALL * (to - from) / self.rate.seconds(end - begin);
        let line = Line::through(points.map(|(n, &db)| (time(n), db)))
            .filter(|line| line.slope < least)
            .ok_or(Unjudged::Step { from, to })?;
        match self.band {
            Some(band) if line.rt60() * band.width() < LEAST_BT => Err(Unjudged::Filter {
                hz: band.hz(),
                rt60: line.rt60(),
                least: LEAST_BT / band.width(),
            }),
            _ => Ok(line),
        }
    }

    /// Whether the noise lies far enough below a level.
    pub(super) fn reaches(&self, what: &'static str, to: f64) -> Result<(), Unjudged> {
        let need = ABOVE_NOISE - to;
        if self.range < need {
            let range = self.range;
            return Err(Unjudged::Range { what, range, need });
        }
        Ok(())
    }
}

/// The onset, and the taps from there to the last one that is not 0.
fn sounding(taps: &[f64]) -> Result<(usize, &[f64]), Unjudged> {
    let onset = onset(taps).ok_or(Unjudged::Silent)?;
    let last = taps.iter().rposition(|&tap| tap != 0.0).unwrap_or(onset);
    let taps = &taps[onset..=last];
    if taps.len() < FEWEST {
        return Err(Unjudged::TooShort {
            frames: taps.len(),
            least: FEWEST,
        });
    }
    Ok((onset, taps))
}

/// A straight decay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// dB per second, negative where the energy falls.
    pub slope: f64,
    /// dB at the onset.
    pub level: f64,
}

impl Line {
    /// Time in seconds in which it falls by 60 dB.
    pub fn rt60(&self) -> f64 {
        -60.0 / self.slope
    }

    /// Least squares through points of seconds and dB; none through fewer than two.
    fn through(points: impl Iterator<Item = (f64, f64)> + Clone) -> Option<Self> {
        let (mut count, mut t_sum, mut db_sum) = (0.0, 0.0, 0.0);
        for (t, db) in points.clone() {
            count += 1.0;
            t_sum += t;
            db_sum += db;
        }
        let (t_mean, db_mean) = (t_sum / count, db_sum / count);
        let (mut square, mut product) = (0.0, 0.0);
        for (t, db) in points {
            square += (t - t_mean) * (t - t_mean);
            product += (t - t_mean) * (db - db_mean);
        }
        let slope = product / square;
        slope.is_finite().then_some(Self {
            slope,
            level: db_mean - slope * t_mean,
        })
    }
}

#[cfg(test)]
mod tests;
