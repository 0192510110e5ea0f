//! Equaliser: cuts, shelves, peaks and a tilt.

mod section;

use super::reading::{Reading, keyed};
use super::{EditError, counted, fade, frames, signed};
use crate::dsp::clip::convolve;
use crate::dsp::mode::Mode;
use crate::ir::ImpulseResponse;
use crate::ir::minimum_phase::from_log_magnitude;
use crate::signal::SampleRate;
use section::Section;

/// Fade in seconds of a ringing that is cut.
const END: f64 = 0.05;
/// What rings on after the last tap is kept down to this share of the largest tap, -140 dB.
const SILENCE: f64 = 1e-7;
/// Largest gain up or down in dB.
const MOST_GAIN: f64 = 60.0;
/// Frequency in Hz at which a tilt leaves the level as it is.
const PIVOT: f64 = 1000.0;
/// Frequencies in Hz between which a tilt tilts; beyond it holds its gain.
const TILTED: (f64, f64) = (20.0, 20_000.0);
/// Shortest transform that a tilt's filter is made by, in seconds.
const TILT_LENGTH: f64 = 1.0;

/// One band of an equaliser; frequencies in Hz, gains in dB.
///
/// The filters are bilinear transforms of analogue ones, with their frequencies kept: cuts of
/// Butterworth, the others of the Audio EQ Cookbook (R. Bristow-Johnson; W3C Note 2021). They run
/// over the taps, so the response stays causal, and phase changes as it does in an equaliser.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum EqBand {
    /// High-pass, -3 dB at `hz`, falling by 6 dB per octave and `order`.
    LowCut {
        /// -3 dB here.
        hz: f64,
        /// 1 to 8.
        order: usize,
    },
    /// Low-pass, -3 dB at `hz`, falling by 6 dB per octave and `order`.
    HighCut {
        /// -3 dB here.
        hz: f64,
        /// 1 to 8.
        order: usize,
    },
    /// Gain below a frequency, half of its dB there.
    LowShelf {
        /// Middle of the slope.
        hz: f64,
        /// Gain below.
        db: f64,
        /// Steepness; 0.707 is as steep as it gets without a bump.
        q: f64,
    },
    /// Gain above a frequency, half of its dB there.
    HighShelf {
        /// Middle of the slope.
        hz: f64,
        /// Gain above.
        db: f64,
        /// Steepness; 0.707 is as steep as it gets without a bump.
        q: f64,
    },
    /// Gain around a frequency.
    Peak {
        /// The middle.
        hz: f64,
        /// Gain there.
        db: f64,
        /// The middle over the distance of the points of half of the gain's dB.
        q: f64,
    },
    /// Nothing at a frequency.
    Notch {
        /// The middle.
        hz: f64,
        /// The middle over the distance of the -3 dB points.
        q: f64,
    },
    /// A straight line over log f, 0 dB at 1 kHz, from 20 Hz to 20 kHz; minimum phase.
    Tilt {
        /// Gain per octave.
        db: f64,
    },
}

impl EqBand {
    fn hz(&self) -> Option<f64> {
        match *self {
            Self::LowCut { hz, .. }
            | Self::HighCut { hz, .. }
            | Self::LowShelf { hz, .. }
            | Self::HighShelf { hz, .. }
            | Self::Peak { hz, .. }
            | Self::Notch { hz, .. } => Some(hz),
            Self::Tilt { .. } => None,
        }
    }

    fn read(item: &str, reading: &Reading) -> Result<Self, EditError> {
        let (key, rest) = keyed(item);
        let mut values = rest
            .into_iter()
            .flat_map(|rest| rest.split(':'))
            .map(str::trim);
        let mut next = |what: &str| {
            let problem = || reading.usage(format!("`{item}` lacks {what}"));
            values.next().ok_or_else(problem)
        };
        let band = match key {
            "tilt" => Self::Tilt {
                db: reading.decibels(next("a gain per octave")?, 12.0)?,
            },
            "lowcut" | "highcut" => {
                let hz = reading.hertz(next("a frequency")?)?;
                let order = order(values.next(), reading)?;
                match key {
                    "lowcut" => Self::LowCut { hz, order },
                    _ => Self::HighCut { hz, order },
                }
            }
            "lowshelf" | "highshelf" | "peak" => {
                let hz = reading.hertz(next("a frequency")?)?;
                let db = reading.decibels(next("a gain")?, MOST_GAIN)?;
                let flat = std::f64::consts::FRAC_1_SQRT_2;
                let usual = if key == "peak" { 1.0 } else { flat };
                let q = quality(values.next(), usual, reading)?;
                match key {
                    "lowshelf" => Self::LowShelf { hz, db, q },
                    "highshelf" => Self::HighShelf { hz, db, q },
                    _ => Self::Peak { hz, db, q },
                }
            }
            "notch" => Self::Notch {
                hz: reading.hertz(next("a frequency")?)?,
                q: quality(values.next(), 10.0, reading)?,
            },
            _ => {
                let known = "lowcut, highcut, lowshelf, highshelf, peak, notch and tilt";
                return Err(reading.unknown(key, known));
            }
        };
        match values.next() {
            None => Ok(band),
            Some(more) => Err(reading.usage(format!("`{item}` has `{more}` too much"))),
        }
    }
}

/// 12 dB per octave, or what is written.
fn order(slope: Option<&str>, reading: &Reading) -> Result<usize, EditError> {
    let Some(slope) = slope else { return Ok(2) };
    let bare = slope.to_ascii_lowercase();
    let db = reading.factor(bare.strip_suffix("db").unwrap_or(&bare))?;
    match db / 6.0 {
        order if order.fract() == 0.0 && (1.0..=8.0).contains(&order) => Ok(order as usize),
        _ => Err(reading.usage("a slope is 6dB, 12dB, 18dB .. 48dB per octave")),
    }
}

/// `q2` or `2`.
fn quality(q: Option<&str>, usual: f64, reading: &Reading) -> Result<f64, EditError> {
    let Some(q) = q else { return Ok(usual) };
    let q = reading.factor(q.strip_prefix(['q', 'Q']).unwrap_or(q))?;
    reading.within(q, 0.05, 100.0, "q lies between 0.05 and 100")
}

pub(super) fn read(reading: &Reading) -> Result<Vec<EqBand>, EditError> {
    reading.value()?;
    reading
        .items()
        .map(|item| EqBand::read(item, reading))
        .collect()
}

impl ImpulseResponse {
    /// Runs all channels through an equaliser, one band after the other. What rings on after the
    /// last tap is kept until -140 dB of the largest; of what rings for more than 30 s, the rest is
    /// faded out.
    ///
    /// # Errors
    /// [`EditError::AboveNyquist`] for a frequency that the rate does not have.
    pub fn equalize(self, bands: &[EqBand]) -> Result<Self, EditError> {
        let rate = self.rate();
        let nyquist = f64::from(rate.hz()) / 2.0;
        if let Some(hz) = bands
            .iter()
            .filter_map(EqBand::hz)
            .find(|&hz| hz >= nyquist)
        {
            return Err(EditError::AboveNyquist {
                operation: "eq",
                hz,
                nyquist,
                rate,
            });
        }
        let sections: Vec<Section> = bands
            .iter()
            .flat_map(|band| section::of(band, rate))
            .collect();
        let tilts: Vec<Vec<f64>> = bands
            .iter()
            .filter_map(|band| match *band {
                EqBand::Tilt { db } => Some(tilt(db, rate)),
                _ => None,
            })
            .collect();
        let ring: f64 = sections.iter().map(|section| section.ringing(rate)).sum();
        Ok(self.mapped(rate, |taps| {
            let mut out = taps.to_vec();
            out.resize(taps.len() + rate.frames(ring), 0.0);
            sections.iter().for_each(|section| section.run(&mut out));
            for tilt in &tilts {
                // Neither is empty.
                out = convolve(&out, tilt, Mode::Full).unwrap_or(out);
            }
            let peak = out.iter().fold(0.0, |peak: f64, tap| peak.max(tap.abs()));
            let last = out.iter().rposition(|tap| tap.abs() > SILENCE * peak);
            out.truncate(last.map_or(0, |last| last + 1).max(taps.len()));
            if ring >= section::LONGEST && out.len() == taps.len() + rate.frames(ring) {
                let from = out.len() - rate.frames(END);
                fade::fall(&mut out[from..]);
            }
            Ok(out)
        })?)
    }
}

/// The minimum-phase filter of a tilt.
fn tilt(db: f64, rate: SampleRate) -> Vec<f64> {
    let size = rate.frames(TILT_LENGTH).next_power_of_two().max(1 << 12);
    let step = f64::from(rate.hz()) / size as f64;
    let mut taps = from_log_magnitude(size, |bin| {
        let octaves = ((bin as f64 * step).clamp(TILTED.0, TILTED.1) / PIVOT).log2();
        db * octaves / 20.0 * std::f64::consts::LN_10
    });
    // The later half of the cepstrum's circle is what came around from the front.
    taps.truncate(size / 2);
    let peak = taps.iter().fold(0.0, |peak: f64, tap| peak.max(tap.abs()));
    let last = taps
        .iter()
        .rposition(|tap| tap.abs() > 0.1 * SILENCE * peak);
    taps.truncate(last.map_or(1, |last| last + 1));
    taps
}

pub(super) fn equalize(
    ir: ImpulseResponse,
    bands: &[EqBand],
) -> Result<(ImpulseResponse, String), EditError> {
    let (rate, before) = (ir.rate(), ir.frames());
    let peak = ir.level().peak;
    let ir = ir.equalize(bands)?;
    let mut report = format!("{} in a row", counted(bands.len(), "filter"));
    if peak > 0.0 {
        let change = 20.0 * (ir.level().peak / peak).log10();
        report += &format!(", largest tap {}", signed(change));
    }
    if ir.frames() > before {
        report += &format!(", {} longer", frames(ir.frames() - before, rate));
    }
    Ok((ir, report))
}

#[cfg(test)]
mod tests;
