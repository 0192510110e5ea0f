//! Inversion: the filter that undoes a response within a band.

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

use super::curve::Curve;
use super::reading::{Reading, keyed};
use super::{EditError, Supply, fade, frames, signed, wide};
use crate::ir::ImpulseResponse;
use crate::ir::minimum_phase::from_log_magnitude;
use crate::signal::SampleRate;

/// Width of the transition from correction to none on either side of the band, in octaves.
const EDGE: f64 = 0.5;
/// Least and most frames of the filter unless told: 0.17 s and 2.7 s at 48 kHz.
const LENGTHS: (usize, usize) = (1 << 13, 1 << 17);
/// Longest filter in seconds.
const LONGEST: f64 = 30.0;
/// Transform length over the length of the longer of response and filter.
const ROOM: usize = 4;
/// How often a filter is made again where its largest gain came out above the boost.
const ROUNDS: usize = 4;

/// What the phase of an inverse filter does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Undoes that of the response: both together are an impulse, half of the filter late.
    Mixed,
    /// The least: no delay, only the magnitude is undone.
    Minimum,
    /// Linear: only the magnitude is undone, half of the filter late.
    Linear,
}

/// How a response is inverted; see [`ImpulseResponse::invert`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Inversion {
    /// Band in Hz that is corrected.
    pub band: (f64, f64),
    /// Most that any frequency is raised by, in dB above the mean level within the band.
    pub boost: f64,
    /// What response and filter are to have together, up to its mean level.
    pub target: Curve,
    /// What the phase does.
    pub phase: Phase,
    /// Fraction of an octave that the response's magnitude is smoothed over, such as 6 for a sixth.
    pub smooth: Option<f64>,
    /// Length in seconds; none for twice that of the response, from 8,192 to 131,072 frames.
    pub seconds: Option<f64>,
}

impl Default for Inversion {
    /// 40 Hz to 16 kHz, up to 12 dB, flat, mixed phase, not smoothed.
    fn default() -> Self {
        Self {
            band: (40.0, 16_000.0),
            boost: 12.0,
            target: Curve::flat(),
            phase: Phase::Mixed,
            smooth: None,
            seconds: None,
        }
    }
}

/// What an inverse filter came to.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Inverted {
    /// Frames by which response and filter together are late; for minimum phase, what the filter
    /// adds.
    pub delay: usize,
    /// Mean power of the response within the band in dB, which stays as it is.
    pub level: f64,
    /// Most that any frequency is raised by, in dB, and where, in Hz.
    pub boost: (f64, f64),
    /// What is left between the corrected response and the target within the band in dB: the
    /// largest, with its sign, and where, in Hz. It is smoothed as the response was.
    pub rest: (f64, f64),
}

impl ImpulseResponse {
    /// Every channel's inverse filter: the two together have the target's magnitude within the
    /// band, at the level that the response had there in the mean (over log f, over all channels),
    /// and outside it the response stays as it is.
    ///
    /// Regularised as by Kirkeby & Nelson 1999 ("Digital filter design for inversion problems in
    /// sound reproduction", JAES 47): G = H* / (|H|^2 + b), where b(f) is 0 wherever |G| stays
    /// below the allowed boost and elsewhere as large as it must be to hold it there; with mixed
    /// phase it lets G fall towards a zero of H, where the phase jumps. Half an octave on either side
    /// of the band leads over to a gain of 1.
    ///
    /// # Errors
    /// [`EditError::Silent`] where there is nothing within the band, [`EditError::AboveNyquist`],
    /// [`EditError::TooLong`] for more than 30 s, [`EditError::Usage`] for a band of no width.
    pub fn invert(self, inversion: &Inversion) -> Result<(Self, Inverted), EditError> {
        let (rate, onset) = (self.rate(), self.onset());
        let operation = "invert";
        let onset = onset.ok_or(EditError::Silent { operation })?;
        let job = Job::new(inversion, &self)?;
        let spectra: Vec<_> = wide(&self).iter().map(|taps| job.spectrum(taps)).collect();
        let level = job.level(&spectra).ok_or(EditError::Silent { operation })?;
        let mut report = Inverted {
            delay: match inversion.phase {
                Phase::Minimum => 0,
                Phase::Mixed | Phase::Linear => job.length / 2,
            },
            level,
            boost: (f64::NEG_INFINITY, 0.0),
            rest: (0.0, 0.0),
        };
        let mut filters = Vec::with_capacity(spectra.len());
        for spectrum in &spectra {
            // A silent channel has no inverse, and gets none.
            let filter = if spectrum.magnitude.iter().all(|&m| m == 0.0) {
                vec![0.0; job.length]
            } else {
                job.filter(spectrum, level, onset)
            };
            job.judge(&filter, spectrum, &mut report);
            filters.push(filter);
        }
        let name = self.name().to_owned();
        Ok((Self::from_wide(rate, filters)?.named(name), report))
    }
}

/// A response in the frequency domain.
struct Spectrum {
    bins: Vec<Complex<f64>>,
    /// Magnitude at the bins 0 to size/2, smoothed if asked for.
    magnitude: Vec<f64>,
}

/// An inversion at a rate, with its transform.
struct Job<'a> {
    of: &'a Inversion,
    /// Hz from bin to bin.
    step: f64,
    size: usize,
    /// Frames of the filter.
    length: usize,
}

impl<'a> Job<'a> {
    fn new(of: &'a Inversion, ir: &ImpulseResponse) -> Result<Self, EditError> {
        let (rate, operation) = (ir.rate(), "invert");
        let nyquist = f64::from(rate.hz()) / 2.0;
        if of.band.1 > nyquist {
            return Err(EditError::AboveNyquist {
                operation,
                hz: of.band.1,
                nyquist,
                rate,
            });
        }
        if !(of.band.0 > 0.0 && of.band.0 < of.band.1) {
            return Err(EditError::Usage {
                operation: operation.to_owned(),
                problem: format!("{} to {} Hz is no band", of.band.0, of.band.1),
                example: "invert=band:40-16k",
            });
        }
        let length = match of.seconds {
            None => (2 * ir.frames())
                .next_power_of_two()
                .clamp(LENGTHS.0, LENGTHS.1),
            Some(seconds) if seconds > LONGEST => {
                return Err(EditError::TooLong {
                    operation,
                    seconds,
                    most: LONGEST,
                });
            }
            Some(seconds) => rate.frames(seconds).max(2),
        };
        let size = (ROOM * length.max(ir.frames())).next_power_of_two();
        Ok(Self {
            of,
            step: f64::from(rate.hz()) / size as f64,
            size,
            length,
        })
    }

    fn transform(&self, taps: &[f64]) -> Vec<Complex<f64>> {
        let mut bins: Vec<Complex<f64>> = taps.iter().map(|&tap| tap.into()).collect();
        bins.resize(self.size, Complex::default());
        FftPlanner::new()
            .plan_fft_forward(self.size)
            .process(&mut bins);
        bins
    }

    fn spectrum(&self, taps: &[f64]) -> Spectrum {
        let bins = self.transform(taps);
        let power: Vec<f64> = bins[..=self.size / 2]
            .iter()
            .map(Complex::norm_sqr)
            .collect();
        let magnitude = self.smoothed(power).into_iter().map(f64::sqrt).collect();
        Spectrum { bins, magnitude }
    }

    /// Mean power over the fraction of an octave around each bin.
    fn smoothed(&self, power: Vec<f64>) -> Vec<f64> {
        let Some(fraction) = self.of.smooth else {
            return power;
        };
        let half = 2f64.powf(0.5 / fraction);
        let mut sums = vec![0.0; power.len() + 1];
        for (k, power) in power.iter().enumerate() {
            sums[k + 1] = sums[k] + power;
        }
        (0..power.len())
            .map(|k| {
                let from = (k as f64 / half).round() as usize;
                let to = ((k as f64 * half).round() as usize).min(power.len() - 1);
                (sums[to + 1] - sums[from]).max(0.0) / (to + 1 - from) as f64
            })
            .collect()
    }

    /// Bins of the band.
    fn band(&self) -> std::ops::RangeInclusive<usize> {
        let first = (self.of.band.0 / self.step).ceil() as usize;
        let last = (self.of.band.1 / self.step).floor() as usize;
        // A band between two bins is taken at the nearer one.
        let last = last.min(self.size / 2);
        first.clamp(1, last.max(1))..=last.max(1)
    }

    /// The target's factor at a bin.
    fn target(&self, bin: usize) -> f64 {
        10f64.powf(self.of.target.at(bin as f64 * self.step) / 20.0)
    }

    /// Mean power beyond the target within the band over log f, in dB; none of silence.
    fn level(&self, spectra: &[Spectrum]) -> Option<f64> {
        let (mut power, mut weight) = (0.0, 0.0);
        for bin in self.band() {
            // d log f = df / f
            let share = 1.0 / bin as f64;
            for spectrum in spectra {
                power += share * (spectrum.magnitude[bin] / self.target(bin)).powi(2);
                weight += share;
            }
        }
        Some(10.0 * (power / weight).log10()).filter(|level| level.is_finite())
    }

    /// How much of the correction a bin gets: 1 within the band, 0 from half an octave outside.
    fn share(&self, bin: usize) -> f64 {
        let hz = bin as f64 * self.step;
        let outside = (self.of.band.0 / hz)
            .log2()
            .max((hz / self.of.band.1).log2())
            / EDGE;
        0.5 + 0.5 * (std::f64::consts::PI * outside.clamp(0.0, 1.0)).cos()
    }

    /// The filter whose largest gain, which the cut to its length moves a little, stays within the
    /// boost that is allowed.
    fn filter(&self, of: &Spectrum, level: f64, onset: usize) -> Vec<f64> {
        let allowed = 10f64.powf(self.of.boost / 20.0);
        let mut most = allowed;
        let mut taps = self.filter_up_to(most, of, level, onset);
        for _ in 0..ROUNDS {
            let done = self.transform(&taps);
            let gain = done.iter().fold(0.0, |gain: f64, bin| gain.max(bin.norm()));
            if gain <= allowed {
                break;
            }
            most *= allowed / gain;
            taps = self.filter_up_to(most, of, level, onset);
        }
        taps
    }

    fn filter_up_to(&self, most: f64, of: &Spectrum, level: f64, onset: usize) -> Vec<f64> {
        let level = 10f64.powf(level / 20.0);
        let gain: Vec<f64> = of
            .magnitude
            .iter()
            .enumerate()
            .map(|(bin, m)| {
                // |G| = T |H| / (|H|^2 + b), with b = 0 up to the boost. Beyond it, b holds |G|
                // there, or lets it fall to 0 with H where the phase of H jumps at a zero.
                let wanted = level * self.target(bin);
                let near = m * most / wanted;
                match self.of.phase {
                    _ if near >= 1.0 => wanted / m,
                    Phase::Mixed => most * near * (2.0 - near),
                    Phase::Minimum | Phase::Linear => most,
                }
            })
            .collect();
        let mut taps = match self.of.phase {
            Phase::Minimum => {
                let mut taps =
                    from_log_magnitude(self.size, |bin| self.share(bin) * gain[bin].ln());
                taps.truncate(self.length);
                taps
            }
            Phase::Linear => self.centred(|bin| gain[bin].powf(self.share(bin)).into()),
            // The pre-delay stays: to undo it, the filter would have to be as long. So nothing is
            // delayed against what lies outside the band.
            Phase::Mixed => self.centred(|bin| {
                let turn = std::f64::consts::TAU * (bin * onset % self.size) as f64;
                let later = Complex::from_polar(1.0, -turn / self.size as f64);
                let norm = of.bins[bin].norm();
                let undo = if norm > 0.0 {
                    of.bins[bin].conj() / norm * later
                } else {
                    Complex::from(1.0)
                };
                let share = self.share(bin);
                undo * share * gain[bin] + (1.0 - share)
            }),
        };
        // Whatever is cut off at the ends is faded there.
        let quarter = self.length / 4;
        if self.of.phase != Phase::Minimum {
            fade::rise(&mut taps[..quarter]);
        }
        let from = self.length - quarter;
        fade::fall(&mut taps[from..]);
        taps
    }

    /// The taps of a response given at the bins 0 to size/2, time 0 in their middle.
    fn centred(&self, at: impl Fn(usize) -> Complex<f64>) -> Vec<f64> {
        let bins = (0..self.size).map(|k| match k {
            _ if k == 0 || k == self.size / 2 => at(k).re.into(),
            _ if k < self.size / 2 => at(k),
            _ => at(self.size - k).conj(),
        });
        let mut bins: Vec<Complex<f64>> = bins.collect();
        FftPlanner::new()
            .plan_fft_inverse(self.size)
            .process(&mut bins);
        let before = self.length / 2;
        let (later, sooner) = (&bins[..self.length - before], &bins[self.size - before..]);
        let taps = sooner.iter().chain(later);
        taps.map(|bin| bin.re / self.size as f64).collect()
    }

    /// What a filter does and leaves.
    fn judge(&self, filter: &[f64], of: &Spectrum, report: &mut Inverted) {
        let done = self.transform(filter);
        let power = done[..=self.size / 2].iter().zip(&of.bins);
        let together = self.smoothed(power.map(|(g, h)| (g * h).norm_sqr()).collect());
        for (bin, gain) in done[..=self.size / 2].iter().enumerate() {
            let db = 10.0 * gain.norm_sqr().log10();
            if db > report.boost.0 {
                report.boost = (db, bin as f64 * self.step);
            }
        }
        for bin in self
            .band()
            .filter(|_| of.magnitude.iter().any(|&m| m > 0.0))
        {
            let target = report.level + self.of.target.at(bin as f64 * self.step);
            let rest = 10.0 * together[bin].log10() - target;
            if rest.abs() > report.rest.0.abs() {
                report.rest = (rest, bin as f64 * self.step);
            }
        }
    }
}

/// What is written after `invert`: an [`Inversion`] whose target may still lie in a file, and whose
/// band is the usual one as far as the rate has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Invert {
    band: Option<(f64, f64)>,
    target_file: Option<String>,
    inversion: Inversion,
}

impl Invert {
    pub(super) fn read(reading: &Reading) -> Result<Self, EditError> {
        reading.once(&[])?;
        let mut inversion = Inversion::default();
        let (mut band, mut target_file) = (None, None);
        for item in reading.items() {
            let (key, Some(value)) = keyed(item) else {
                return Err(reading.unknown(item, KNOWN));
            };
            match key {
                "band" => {
                    let problem = || reading.usage("a band is written as 40-16k");
                    let (low, high) = value.split_once('-').ok_or_else(problem)?;
                    let (low, high) = (reading.hertz(low)?, reading.hertz(high)?);
                    if low >= high {
                        return Err(reading.usage("the lower frequency comes first"));
                    }
                    band = Some((low, high));
                }
                "max" => {
                    let db = reading.decibels(value, 60.0)?;
                    inversion.boost = reading.within(db, 0.0, 60.0, "a boost is 0dB or more")?;
                }
                "phase" => {
                    inversion.phase = match value {
                        "mixed" => Phase::Mixed,
                        "min" => Phase::Minimum,
                        "linear" => Phase::Linear,
                        _ => return Err(reading.unknown(value, "mixed, min and linear")),
                    }
                }
                "smooth" => {
                    let fraction = value.strip_prefix("1/").unwrap_or("");
                    let fraction = reading.factor(fraction).unwrap_or(0.0);
                    let problem = "a smoothing is a fraction of an octave, 1/1 to 1/96";
                    inversion.smooth = Some(reading.within(fraction, 1.0, 96.0, problem)?);
                }
                "length" => {
                    let seconds = reading.seconds(value)?;
                    let problem = "a length lies above 0 and up to 30s";
                    inversion.seconds = Some(reading.within(seconds, 1e-6, LONGEST, problem)?);
                }
                "target" => match keyed(value) {
                    ("flat", None) => inversion.target = Curve::flat(),
                    ("tilt", Some(db)) => {
                        inversion.target = Curve::tilt(reading.decibels(db, 12.0)?)
                    }
                    _ => target_file = Some(value.to_owned()),
                },
                _ => return Err(reading.unknown(item, KNOWN)),
            }
        }
        Ok(Self {
            band,
            target_file,
            inversion,
        })
    }

    pub(super) fn run(
        &self,
        ir: ImpulseResponse,
        supply: &mut dyn Supply,
    ) -> Result<(ImpulseResponse, String), EditError> {
        let mut inversion = self.inversion.clone();
        if let Some(file) = &self.target_file {
            let missing = |cause| EditError::Missing {
                operation: "invert",
                cause,
            };
            inversion.target = supply.curve(file).map_err(missing)?;
        }
        inversion.band = self.band.unwrap_or_else(|| {
            let (low, high) = inversion.band;
            let most = 0.45 * f64::from(ir.rate().hz());
            (low.min(most / 2.0), high.min(most))
        });
        let apart = match ir.channel_count() {
            4 | 7 | 14 => "; each channel by itself: what crosses between sides is not undone",
            _ => "",
        };
        let (ir, done) = ir.invert(&inversion)?;
        let report = done.tell(&inversion, ir.rate()) + apart;
        Ok((ir, report))
    }
}

impl Inverted {
    fn tell(&self, how: &Inversion, rate: SampleRate) -> String {
        let hz = |hz: f64| format!("{hz:.0} Hz");
        let delay = match self.delay {
            0 => "adds no delay".to_owned(),
            delay => format!("delays by {}", frames(delay, rate)),
        };
        let limit = if self.boost.0 > how.boost - 0.1 {
            ", the limit"
        } else {
            ""
        };
        format!(
            "{delay}; largest boost {} at {}{limit}; {} to {} within {:.1} dB of the target, worst \
             {} at {}; level kept at {} in the mean",
            signed(self.boost.0),
            hz(self.boost.1),
            hz(how.band.0),
            hz(how.band.1),
            self.rest.0.abs(),
            signed(self.rest.0),
            hz(self.rest.1),
            signed(self.level),
        )
    }
}

const KNOWN: &str = "band:40-16k, max:12dB, target:flat, target:tilt:-1dB, target:FILE, phase:min, \
                     smooth:1/6 and length:200ms";

#[cfg(test)]
mod tests;
