//! The rate, and time stretched by it.

use super::reading::Reading;
use super::{EditError, check_length, frames};
use crate::ir::{ImpulseResponse, IrError, units};
use crate::signal::{Audio, SampleRate};

/// Least and largest factor of a stretch.
const FACTORS: (f64, f64) = (0.1, 10.0);
/// Largest denominator of the fraction that stands for a factor.
const MOST: u32 = 5000;
/// How near that fraction is wherever one is to be had: a frame in 50,000.
const NEAR: f64 = 2e-5;

impl ImpulseResponse {
    /// Plays it slower (a factor above 1) or faster, as a tape would: every time is multiplied, and
    /// every frequency divided. The gain at a frequency moves with it. Above 1 nothing is left
    /// above Nyquist over the factor; below 1 what would lie above Nyquist is filtered off.
    ///
    /// # Errors
    /// [`EditError::Usage`] for a factor below 0.1 or above 10, [`EditError::TooLong`] for a result
    /// of more than ten minutes.
    pub fn stretch(self, factor: f64) -> Result<Self, EditError> {
        if !(FACTORS.0..=FACTORS.1).contains(&factor) {
            return Err(EditError::Usage {
                operation: format!("stretch={factor}"),
                problem: outside(),
                example: "stretch=1.5",
            });
        }
        let (rate, name) = (self.rate(), self.name().to_owned());
        check_length("stretch", factor * rate.seconds(self.frames()))?;
        // Resampled from `below` to `above` frames, then taken at the rate it had.
        let (above, below) = ratio(factor);
        let stretched = self.taken_at(whole(below))?.resample(whole(above))?;
        Ok(stretched.taken_at(rate)?.named(name))
    }

    /// The same taps, said to be at another rate.
    fn taken_at(self, rate: SampleRate) -> Result<Self, IrError> {
        let channels = self.into_audio().into_channels();
        Self::new(Audio::new(rate, channels).map_err(|_| IrError::Empty)?)
    }
}

pub(super) fn read(reading: &Reading) -> Result<SampleRate, EditError> {
    let hz = reading.number(units::hertz)?;
    let rate = (hz.fract() == 0.0 && hz <= f64::from(u32::MAX)).then(|| SampleRate::new(hz as u32));
    match rate {
        Some(Ok(rate)) => Ok(rate),
        _ => Err(reading.usage("a rate is a whole number of frames a second")),
    }
}

pub(super) fn read_factor(reading: &Reading) -> Result<f64, EditError> {
    let factor = reading.factor(reading.value()?)?;
    reading.within(factor, FACTORS.0, FACTORS.1, &outside())
}

fn outside() -> String {
    format!("the factor lies between {} and {}", FACTORS.0, FACTORS.1)
}

fn whole(hz: u32) -> SampleRate {
    SampleRate::new(hz).expect("both sides of the ratio of a factor above 0 are above 0")
}

/// The fraction of the smallest numbers that is near enough, or else the nearest.
fn ratio(factor: f64) -> (u32, u32) {
    let above = |below: u32| (f64::from(below) * factor).round();
    let off = |below: &u32| (above(*below) / f64::from(*below) / factor - 1.0).abs();
    let near = (1..=MOST).find(|below| off(below) < NEAR);
    let nearest = || (1..=MOST).min_by(|a, b| off(a).total_cmp(&off(b)));
    let below = near.or_else(nearest).unwrap_or(1);
    (above(below) as u32, below)
}

pub(super) fn resample(
    ir: ImpulseResponse,
    to: SampleRate,
) -> Result<(ImpulseResponse, String), EditError> {
    let (from, before) = (ir.rate(), ir.frames());
    let ir = ir.resample(to)?;
    let report = format!("{from} -> {to}, {before} frames -> {}", ir.frames());
    Ok((ir, report))
}

pub(super) fn stretch(
    ir: ImpulseResponse,
    factor: f64,
) -> Result<(ImpulseResponse, String), EditError> {
    let (rate, before) = (ir.rate(), ir.frames());
    let ir = ir.stretch(factor)?;
    let mut report = format!("{} -> {}", frames(before, rate), frames(ir.frames(), rate));
    if factor > 1.0 {
        let top = f64::from(rate.hz()) / 2.0 / factor;
        report += &format!("; nothing is left above {top:.0} Hz");
    }
    Ok((ir, report))
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;
    use crate::ir::Recipe;
    use crate::ir::edit::tests::{edit, ir, refused};

    /// Magnitude at `f` Hz.
    fn at(ir: &ImpulseResponse, f: f64) -> f64 {
        let step = TAU * f / f64::from(ir.rate().hz());
        let taps = ir.channel(0).iter().enumerate();
        let (re, im) = taps.fold((0.0, 0.0), |(re, im), (n, &tap)| {
            let (sin, cos) = (step * n as f64).sin_cos();
            (re + f64::from(tap) * cos, im + f64::from(tap) * sin)
        });
        re.hypot(im)
    }

    #[test]
    fn a_stretched_low_pass_has_its_corner_lower_and_its_gain_unchanged() {
        let rate = SampleRate::new(48_000).unwrap();
        let low = "lowpass=3k"
            .parse::<Recipe>()
            .unwrap()
            .render(rate)
            .unwrap();
        for factor in [0.5, 1.0 / 3.0, 0.9, 1.234_567, 1.5, 4.0] {
            let (slow, said) = edit(&low, &format!("stretch={factor}"));
            assert_eq!(slow.rate(), rate);
            let frames = (factor * low.frames() as f64).ceil() as usize;
            assert!(
                (frames..frames + 600 * factor.ceil() as usize).contains(&slow.frames()),
                "{said}"
            );
            // Two places of the transition, where a wrong ratio would show most.
            for f in [100.0, 2000.0, 2900.0, 3000.0, 3100.0] {
                let (got, want) = (at(&slow, f / factor), at(&low, f));
                assert!((got - want).abs() < 1e-3, "{factor}, {f} Hz: {got}, {want}");
            }
        }
    }

    #[test]
    fn resample_changes_the_rate_and_says_so() {
        let two = ir(48_000, vec![vec![0.0; 4800]; 2]);
        let (up, said) = edit(&two, "resample=96k");
        assert_eq!((up.rate().hz(), up.frames()), (96_000, 9600));
        assert_eq!(said, "48000 Hz -> 96000 Hz, 4800 frames -> 9600");
        for text in [
            "resample",
            "resample=48000.5",
            "resample=fast",
            "stretch",
            "stretch=0.01",
            "stretch=11",
            "stretch=x",
        ] {
            refused(text, text);
        }
    }

    #[test]
    fn a_factor_becomes_a_fraction_of_small_numbers() {
        assert_eq!(ratio(1.5), (3, 2));
        assert_eq!(ratio(1.0 / 3.0), (1, 3));
        for factor in [0.1, 0.777, std::f64::consts::PI, 9.999] {
            let (above, below) = ratio(factor);
            let off = f64::from(above) / f64::from(below) / factor - 1.0;
            assert!(off.abs() < NEAR, "{factor}: {off}");
        }
    }
}
