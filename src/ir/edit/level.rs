//! Level: gain, polarity, and normalisation by what counts.

use std::f64::consts::LN_10;
use std::fmt;

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

use super::reading::{Reading, keyed};
use super::{EditError, signed};
use crate::dsp::routing::Routing;
use crate::ir::ImpulseResponse;
use crate::signal::SampleRate;

/// Band in Hz in which energy counts, so that it is the same at every rate that holds the band.
const AUDIBLE: (f64, f64) = (20.0, 20_000.0);

/// What [`ImpulseResponse::normalize`] brings to a level. All are taken of the channel that has
/// most of it, so that the channels keep their balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Norm {
    /// The largest tap. Depends on the rate: a response that is resampled keeps its gain, so at
    /// twice the rate there are twice as many taps of half the size.
    Peak,
    /// The sum of the taps' magnitudes, the most that any input within +-1 can become. The same at
    /// every rate to within what lies above the lower Nyquist frequency. Of four channels as true
    /// stereo (LL, LR, RL, RR) the two that meet in one output are added.
    L1,
    /// The gain on white noise from 20 Hz to 20 kHz (or Nyquist): the mean of |H|^2 over that band.
    /// The same at every rate.
    Energy,
    /// The gain of loudness on pink noise, K-weighted as in ITU-R BS.1770-4. The same at every
    /// rate.
    Loudness,
}

impl fmt::Display for Norm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Peak => "peak",
            Self::L1 => "worst-case gain",
            Self::Energy => "gain on white noise, 20 Hz to 20 kHz",
            Self::Loudness => "loudness of pink noise",
        })
    }
}

impl ImpulseResponse {
    /// Multiplies all taps; a negative factor turns the polarity.
    ///
    /// # Errors
    /// [`EditError::Response`] where a tap outgrows f32.
    pub fn gain(self, factor: f64) -> Result<Self, EditError> {
        let rate = self.rate();
        Ok(self.mapped(rate, |taps| {
            Ok(taps.iter().map(|tap| tap * factor).collect())
        })?)
    }

    /// Brings a measure of the whole set to `level`, a factor, by one gain for all channels; gives
    /// the gain too.
    ///
    /// # Errors
    /// [`EditError::Silent`] where there is none of it.
    pub fn normalize(self, norm: Norm, level: f64) -> Result<(Self, f64), EditError> {
        let gain = level / self.measure(norm)?;
        Ok((self.gain(gain)?, gain))
    }

    fn measure(&self, norm: Norm) -> Result<f64, EditError> {
        let level = match norm {
            Norm::Peak => self.level().peak,
            Norm::L1 => {
                // What meets in one output adds up.
                let each: Vec<f64> = self.levels().iter().map(|level| level.l1).collect();
                let inputs = Routing::usual_inputs(each.len());
                let mut sums = vec![0.0; each.len().max(2)];
                // As many inputs as a set is made for always have a routing.
                let routes = Routing::for_channels(inputs, each.len())
                    .and_then(|routing| routing.routes(inputs, each.len()))
                    .unwrap_or_default();
                for route in routes {
                    sums[route.output] += each[route.ir];
                }
                sums.into_iter().fold(0.0, f64::max)
            }
            Norm::Energy => {
                let channels = self.audio().channels().iter();
                let each = channels.map(|taps| white_noise_gain(taps, self.rate()));
                each.fold(0.0, f64::max)
            }
            Norm::Loudness => self.level().loudness,
        };
        let operation = "normalize";
        if level > 0.0 {
            Ok(level)
        } else {
            Err(EditError::Silent { operation })
        }
    }
}

/// Gain of RMS on noise that is white within [`AUDIBLE`] and silent elsewhere.
fn white_noise_gain(taps: &[f32], rate: SampleRate) -> f64 {
    let hz = f64::from(rate.hz());
    // Two seconds and more: a bin is half a Hz wide at most, little beside 20 Hz.
    let size = (2 * taps.len().max(rate.hz() as usize)).next_power_of_two();
    let mut bins: Vec<Complex<f64>> = taps.iter().map(|&tap| f64::from(tap).into()).collect();
    bins.resize(size, Complex::default());
    FftPlanner::new().plan_fft_forward(size).process(&mut bins);
    let step = hz / size as f64;
    let (low, high) = (AUDIBLE.0.min(hz / 4.0), AUDIBLE.1.min(hz / 2.0));
    let (mut power, mut width) = (0.0, 0.0);
    for (k, bin) in bins[..=size / 2].iter().enumerate() {
        let f = k as f64 * step;
        let share = ((f + 0.5 * step).min(high) - (f - 0.5 * step).max(low)).max(0.0);
        power += share * bin.norm_sqr();
        width += share;
    }
    (power / width).sqrt()
}

/// What is to be normalised, to how many dB.
pub(super) fn read(reading: &Reading) -> Result<(Norm, f64), EditError> {
    let (norm, level) = keyed(reading.value()?);
    let norm = match norm {
        "peak" => Norm::Peak,
        "l1" => Norm::L1,
        "energy" => Norm::Energy,
        "loudness" => Norm::Loudness,
        _ => return Err(reading.unknown(norm, "peak, l1, energy and loudness")),
    };
    let db = level.map_or(Ok(0.0), |level| reading.decibels(level, 200.0))?;
    Ok((norm, db))
}

pub(super) fn gain(
    ir: ImpulseResponse,
    factor: f64,
) -> Result<(ImpulseResponse, String), EditError> {
    let mut report = match factor {
        0.0 => "silence".to_owned(),
        _ => signed(20.0 * factor.abs().log10()),
    };
    if factor < 0.0 {
        report += ", polarity turned";
    }
    Ok((ir.gain(factor)?, report))
}

pub(super) fn normalize(
    ir: ImpulseResponse,
    norm: Norm,
    db: f64,
) -> Result<(ImpulseResponse, String), EditError> {
    let (ir, gain) = ir.normalize(norm, (db * LN_10 / 20.0).exp())?;
    let gain = 20.0 * gain.log10();
    let report = format!(
        "gain {} to all channels, {norm} {} -> {}",
        signed(gain),
        signed(db - gain),
        signed(db)
    );
    Ok((ir, report))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Recipe;
    use crate::ir::edit::tests::{edit, ir, refused};

    fn recipe(text: &str, hz: u32) -> ImpulseResponse {
        let rate = SampleRate::new(hz).unwrap();
        text.parse::<Recipe>().unwrap().render(rate).unwrap()
    }

    #[test]
    fn gain_and_polarity_multiply_every_tap() {
        let two = ir(48_000, vec![vec![1.0, -0.5], vec![0.25, 0.0]]);
        let (half, said) = edit(&two, "gain=0.5");
        assert_eq!(
            (half.channel(0), half.channel(1)),
            (&[0.5, -0.25][..], &[0.125, 0.0][..])
        );
        assert!(said.contains("-6.0 dB"), "{said}");
        let (turned, _) = edit(&two, "polarity");
        assert_eq!(turned.channel(0), [-1.0, 0.5]);
        assert_eq!(edit(&two, "gain=-1").0, turned);
        let (quiet, _) = edit(&two, "gain=-20dB");
        assert_eq!(quiet.channel(1), [0.025, 0.0]);
    }

    #[test]
    fn one_gain_brings_the_whole_set_to_the_level_that_was_asked_for() {
        let set = ir(48_000, vec![vec![0.5, -0.25, 0.0], vec![0.1, 0.1, 0.1]]);
        let (peak, said) = edit(&set, "normalize=peak");
        assert_eq!(peak.channel(0), [1.0, -0.5, 0.0]);
        assert_eq!(peak.channel(1), [0.2; 3]);
        assert!(said.contains("gain +6.0 dB"), "{said}");
        let (l1, _) = edit(&set, "normalize=l1:-6dB");
        let sum: f32 = l1.channel(0).iter().map(|tap| tap.abs()).sum();
        assert!((sum - 10f32.powf(-0.3)).abs() < 1e-6);
        for norm in ["energy", "loudness"] {
            let loud = edit(&set, &format!("normalize={norm}")).0;
            let again = edit(&loud, &format!("normalize={norm}:-3dB")).1;
            assert!(again.contains("gain -3.0 dB"), "{again}");
        }
    }

    #[test]
    fn true_stereo_within_the_worst_case_never_clips() {
        let four = ir(48_000, vec![vec![0.5], vec![-0.25], vec![0.75], vec![0.5]]);
        let (safe, _) = edit(&four, "normalize=l1");
        // The left output hears LL and RL, 1.25 together.
        assert_eq!(safe.channel(0)[0] + safe.channel(2)[0], 1.0);
    }

    #[test]
    #[cfg(feature = "resample")]
    fn the_level_after_normalisation_is_the_same_at_every_rate() {
        // A resampled response keeps its filter up to 0.9 of the lower Nyquist frequency, 19.8 kHz;
        // 0.8 % of white noise's band lies above, 0.04 dB; for pink noise it is less.
        let gain = |text: &str, hz, norm| {
            let at = recipe(text, 48_000);
            let at = at.resample(SampleRate::new(hz).unwrap()).unwrap();
            20.0 * at.normalize(norm, 1.0).unwrap().1.log10()
        };
        for text in ["hall", "room", "lowpass=3k", "bandpass=300-3400"] {
            for norm in [Norm::Energy, Norm::Loudness] {
                let at = [44_100, 48_000, 96_000].map(|hz| gain(text, hz, norm));
                println!("{text}, {norm}: {at:.4?} dB");
                for other in at {
                    assert!((other - at[1]).abs() < 0.04, "{text}, {norm}: {at:?}");
                }
            }
        }
        // The sum of magnitudes is near an integral where the response is smooth at the lower rate.
        for text in ["lowpass=3k", "bandpass=300-3400"] {
            let at = [44_100, 48_000, 96_000].map(|hz| gain(text, hz, Norm::L1));
            println!("{text}, l1: {at:.4?} dB");
            for other in at {
                assert!((other - at[1]).abs() < 0.1, "{text}: {at:?}");
            }
        }
    }

    #[test]
    fn energy_is_the_gain_on_white_noise_within_the_band() {
        for hz in [44_100, 192_000] {
            let lone = ir(hz, vec![vec![0.0, 0.5, 0.0]]);
            assert!((lone.measure(Norm::Energy).unwrap() - 0.5).abs() < 1e-12);
        }
        // Of 19,980 Hz, 3,100 pass: -8.09 dB; its edges are symmetric at -6 dB, and with power
        // weighted a little less comes through, at most 12.5 % of both frequencies.
        let passed = recipe("bandpass=300-3400", 48_000)
            .measure(Norm::Energy)
            .unwrap();
        let db = 20.0 * passed.log10();
        assert!((-8.3..=-8.09).contains(&db), "{db} dB");
    }

    #[test]
    fn silence_and_unknown_norms_are_refused() {
        let silent = ir(48_000, vec![vec![0.0; 10]; 2]);
        for norm in [Norm::Peak, Norm::L1, Norm::Energy, Norm::Loudness] {
            assert!(silent.clone().normalize(norm, 1.0).is_err());
        }
        for text in [
            "normalize",
            "normalize=rms",
            "normalize=peak:loud",
            "normalize=peak:0",
        ] {
            refused(text, text);
        }
    }
}
