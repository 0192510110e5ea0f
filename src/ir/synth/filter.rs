//! Filters of linear or minimum phase.
//!
//! Without a number of taps, low-pass and its kin come by the windowed-sinc method with Kaiser's
//! window, as long as 100 dB need: Kaiser 1974, "Nonrecursive digital filter design using the I0-sinh window function"; the
//! formulas for length and shape are those of Oppenheim & Schafer, "FIR filter design by
//! windowing".

#[cfg(test)]
mod tests;

use std::f64::consts::PI;

use super::fir;
use super::reading::Reading;
use crate::ir::log_line;
use crate::ir::units::{self, UnitError};
use crate::ir::window::{Window, kaiser_beta};
use crate::ir::{IrError, minimum_phase::minimum_phase};
use crate::signal::SampleRate;

/// Attenuation that the window is shaped for, in dB; sums of two edges still keep 100.
const ATTENUATION: f64 = 108.0;
/// Width of a transition, relative to its frequency.
const TRANSITION: f64 = 0.25;
/// Distance of a notch's -6 dB points from its centre, relative to its frequency.
const NOTCH: f64 = 0.1;
/// Longest filter in seconds.
const LONGEST: f64 = 10.0;

/// Lowest frequency of what has no edge.
const LOWEST: f64 = 20.0;
/// Taps of a curve without a number of them, in periods of its lowest frequency, and their bounds.
const PERIODS: f64 = 4.0;
const USUAL_TAPS: (f64, f64) = (511.0, 65_535.0);
/// Steepest tilt in dB per octave.
const STEEPEST: f64 = 24.0;
/// What a gain of 0 is taken for in a curve, in dB.
const SILENCE: f64 = -200.0;

/// A filter with one channel.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Filter {
    shape: Shape,
    taps: Option<usize>,
    window: Window,
    minimum_phase: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Shape {
    Band(Band),
    /// Frequencies in Hz, rising, with levels in dB: straight lines over log frequency between,
    /// level before the first and after the last.
    Curve(Vec<(f64, f64)>),
    /// A quarter of a turn, at every frequency.
    Hilbert,
}

/// What a filter lets through; frequencies in Hz, -6 dB there.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Band {
    Below(f64),
    Above(f64),
    Between(f64, f64),
    Outside(f64, f64),
    /// Outside of a tenth on both sides.
    Without(f64),
}

impl Filter {
    /// The filter that the name stands for.
    pub(super) fn read(reading: &mut Reading, minimum_phase: bool) -> Result<Self, IrError> {
        let shape = match reading.name {
            "lowpass" => Shape::Band(Band::Below(reading.number(units::hertz)?)),
            "highpass" => Shape::Band(Band::Above(reading.number(units::hertz)?)),
            "notch" => Shape::Band(Band::Without(reading.number(units::hertz)?)),
            "bandpass" => {
                let (low, high) = reading.span()?;
                Shape::Band(Band::Between(low, high))
            }
            "bandstop" => {
                let (low, high) = reading.span()?;
                Shape::Band(Band::Outside(low, high))
            }
            "curve" => Shape::Curve(curve(reading)?),
            "tilt" => Shape::Curve(tilt(reading)?),
            _ if minimum_phase => return Err(reading.no_filter()),
            _ => {
                reading.plain()?;
                Shape::Hilbert
            }
        };
        let taps = reading
            .whole("taps", 3..=1 << 24)?
            .map(|taps| taps as usize);
        let window = reading.parameter("window", str::parse)?;
        if let Shape::Band(_) = shape
            && window.is_some()
            && taps.is_none()
        {
            return Err(reading.usage("a `window` needs a number of `taps`"));
        }
        // An even number has its middle between two taps, and no gain at half of the rate.
        let odd = match shape {
            Shape::Band(Band::Below(_) | Band::Between(..)) => false,
            Shape::Band(_) | Shape::Curve(_) | Shape::Hilbert => true,
        };
        if let Some(taps) = taps.filter(|taps| odd && taps % 2 == 0) {
            let odd = format!("{} or {}", taps - 1, taps + 1);
            let what = "the number of taps of a filter that passes half of the rate";
            return Err(reading.outside(what, taps, &odd));
        }
        Ok(Self {
            shape,
            taps,
            window: window.unwrap_or(Window::Hamming),
            minimum_phase,
        })
    }

    /// The taps. `recipe` is for errors.
    pub(super) fn render(&self, rate: SampleRate, recipe: &str) -> Result<Vec<f64>, IrError> {
        let taps = self.design(rate, recipe)?;
        Ok(if self.minimum_phase {
            minimum_phase(&taps)
        } else {
            taps
        })
    }

    /// What a person would want to know and did not write.
    pub(super) fn assumed(&self, rate: SampleRate, recipe: &str) -> Result<Vec<String>, IrError> {
        let taps = self.design(rate, recipe)?.len();
        let window = match (&self.shape, self.taps) {
            (Shape::Band(_), None) => format!("Kaiser's window for {ATTENUATION} dB"),
            _ => format!("window {}", self.window),
        };
        let phase = if self.minimum_phase {
            String::from("minimum phase")
        } else {
            let delay = (taps - 1) as f64 / 2.0;
            let ms = 1e3 * delay / f64::from(rate.hz());
            format!("linear phase, which delays by {delay} frames ({ms:.2} ms)")
        };
        Ok(vec![format!("{taps} taps, {window}; {phase}")])
    }

    /// The symmetric (Hilbert's: antisymmetric) taps.
    fn design(&self, rate: SampleRate, recipe: &str) -> Result<Vec<f64>, IrError> {
        let hz = f64::from(rate.hz());
        let lowest = match &self.shape {
            Shape::Band(band) => match self.taps {
                None => return band.design(rate, recipe),
                Some(_) => LOWEST,
            },
            Shape::Curve(points) => points.first().map_or(LOWEST, |(hz, _)| *hz),
            Shape::Hilbert => LOWEST,
        };
        let usual = (PERIODS * hz / lowest).clamp(USUAL_TAPS.0, USUAL_TAPS.1) as usize | 1;
        let count = self.taps.unwrap_or(usual);
        if rate.seconds(count) > LONGEST {
            return Err(IrError::TooLong {
                recipe: recipe.to_owned(),
                seconds: rate.seconds(count),
                most: LONGEST,
                remedy: "give fewer taps",
            });
        }
        let window = self.window.weights(count);
        Ok(match &self.shape {
            Shape::Band(band) => {
                let (low, high) = band.edges(rate, recipe)?;
                let [low, high] = [low, high].map(|edge| 2.0 * edge / hz);
                match band {
                    Band::Below(_) => fir::passes(&[(0.0, high)], &window),
                    Band::Above(_) => fir::passes(&[(low, 1.0)], &window),
                    Band::Between(..) => fir::passes(&[(low, high)], &window),
                    Band::Outside(..) | Band::Without(_) => {
                        fir::passes(&[(0.0, low), (high, 1.0)], &window)
                    }
                }
            }
            Shape::Curve(points) => {
                let gain = |share: f64| {
                    10f64.powf(log_line::at(points, share * hz / 2.0).unwrap_or(0.0) / 20.0)
                };
                fir::samples(gain, &window)
            }
            Shape::Hilbert => fir::hilbert(&window),
        })
    }
}

/// `20:0dB/100:-3dB/10k:-20dB`.
fn curve(reading: &Reading) -> Result<Vec<(f64, f64)>, IrError> {
    let text = reading.value.unwrap_or_default();
    let mut points: Vec<(f64, f64)> = Vec::new();
    for part in text.split('/') {
        let Some((hz, gain)) = part.split_once(':') else {
            let problem = format!("`{part}` is not a frequency and a gain, such as `100:-3dB`");
            return Err(reading.usage(problem));
        };
        let hz = reading.unit(units::hertz(hz))?;
        let gain = reading.unit(units::gain(gain))?;
        if gain < 0.0 {
            return Err(reading.outside("a gain", gain, "0 and more, or any number of dB"));
        }
        if points.last().is_some_and(|(before, _)| *before >= hz) {
            return Err(reading.usage("the frequencies rise from point to point"));
        }
        points.push((hz, (20.0 * gain.log10()).max(SILENCE)));
    }
    Ok(points)
}

/// A straight line over log frequency, as a curve of two points.
fn tilt(reading: &mut Reading) -> Result<Vec<(f64, f64)>, IrError> {
    let slope = 20.0 * reading.number(positive_gain)?.log10();
    if slope.abs() > STEEPEST {
        let value = format!("{slope:.1} dB per octave");
        return Err(reading.outside("a tilt", value, "-24dB to 24dB"));
    }
    let pivot = reading.parameter("pivot", units::hertz)?.unwrap_or(1000.0);
    // Up to a frequency beyond all rates.
    let ends = [LOWEST, 1e6 * LOWEST];
    Ok(ends.map(|hz| (hz, slope * (hz / pivot).log2())).to_vec())
}

fn positive_gain(text: &str) -> Result<f64, UnitError> {
    units::gain(text).and_then(|gain| {
        let error = || UnitError {
            value: text.to_owned(),
            what: "a gain above 0",
            example: "`-3dB` or `6dB`",
        };
        (gain > 0.0).then_some(gain).ok_or_else(error)
    })
}

impl Band {
    /// Frequencies of -6 dB, below half of the rate. `recipe` is for errors.
    fn edges(self, rate: SampleRate, recipe: &str) -> Result<(f64, f64), IrError> {
        let nyquist = f64::from(rate.hz()) / 2.0;
        let (low, high) = match self {
            Self::Below(hz) | Self::Above(hz) => (hz, hz),
            Self::Between(low, high) | Self::Outside(low, high) => (low, high),
            Self::Without(hz) => (hz * (1.0 - NOTCH), hz * (1.0 + NOTCH)),
        };
        if high >= nyquist {
            let (recipe, hz) = (recipe.to_owned(), (high * 1e3).round() / 1e3);
            return Err(IrError::AboveNyquist {
                recipe,
                hz,
                nyquist,
                rate,
            });
        }
        Ok((low, high))
    }

    /// An odd number of symmetric taps with unity gain in the pass band. `recipe` is for errors.
    fn design(self, rate: SampleRate, recipe: &str) -> Result<Vec<f64>, IrError> {
        let nyquist = f64::from(rate.hz()) / 2.0;
        let (low, high) = self.edges(rate, recipe)?;
        // Hz from the end of the pass band to the stop band. It ends before Nyquist where it can
        // (a filter within 1/2,000 of the rate of it is as steep as one there), and the two
        // transitions of a band meet at its middle at most.
        let width = match self {
            Self::Without(hz) => 2.0 * NOTCH * hz,
            Self::Between(low, high) | Self::Outside(low, high) => {
                (TRANSITION * low).min(high - low)
            }
            Self::Below(hz) | Self::Above(hz) => TRANSITION * hz,
        };
        let steepest = nyquist / 1000.0;
        let width = width.min((2.0 * (nyquist - high)).max(steepest));

        // Order M = (A - 8) / (2.285 dw), made even: an odd number of taps.
        let order = (ATTENUATION - 8.0) / (2.285 * PI * width / nyquist);
        let seconds = order / f64::from(rate.hz());
        if seconds > LONGEST {
            return Err(IrError::TooLong {
                recipe: recipe.to_owned(),
                seconds,
                most: LONGEST,
                remedy: "choose a higher frequency or a wider band",
            });
        }
        let half = (order / 2.0).ceil() as usize;
        let window = Window::Kaiser(kaiser_beta(ATTENUATION)).weights(2 * half + 1);
        let below = |hz: f64| fir::passes(&[(0.0, hz / nyquist)], &window);
        Ok(match self {
            Self::Below(_) => below(high),
            Self::Above(_) => complement(below(low)),
            Self::Between(..) => subtract(below(high), &below(low)),
            Self::Outside(..) | Self::Without(_) => complement(subtract(below(high), &below(low))),
        })
    }
}

/// Everything but what `taps` let through.
fn complement(mut taps: Vec<f64>) -> Vec<f64> {
    let middle = taps.len() / 2;
    taps.iter_mut().for_each(|tap| *tap = -*tap);
    taps[middle] += 1.0;
    taps
}

fn subtract(mut from: Vec<f64>, taps: &[f64]) -> Vec<f64> {
    from.iter_mut().zip(taps).for_each(|(a, b)| *a -= b);
    from
}
