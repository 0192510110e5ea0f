//! The exponential sine sweep, synchronised.

use std::f64::consts::{LN_2, PI, TAU};

use super::MeasureError;
use crate::signal::SampleRate;

/// Shortest and longest sweep in seconds.
const LENGTHS: [f64; 2] = [0.02, 300.0];
/// Longest silence in seconds.
const LONGEST_SILENCE: f64 = 60.0;
/// Most repeats.
pub(super) const MOST_REPEATS: usize = 1000;
/// Highest frequency unless asked for, as a share of half the rate: converters' filters begin there.
const HIGHEST: f64 = 0.95;

/// What a [`Sweep`] is made from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SweepSetup {
    /// Frames per second.
    pub rate: SampleRate,
    /// Length of one sweep in seconds, about: the synchronisation moves it by up to half a period
    /// of the first frequency, `ln(to / from)` times.
    pub seconds: f64,
    /// First frequency in Hz.
    pub from: f64,
    /// Last frequency in Hz.
    pub to: f64,
    /// Peak, linear: 1 is full scale.
    pub level: f64,
    /// Fade at the beginning of each sweep, in seconds, within its length.
    pub fade_in: f64,
    /// Fade at the end of each sweep, in seconds, within its length.
    pub fade_out: f64,
    /// How many sweeps, one after the other.
    pub repeats: usize,
    /// Silence before the first and after each sweep, in seconds.
    pub silence: f64,
}

impl SweepSetup {
    /// One sweep of 10 s from 20 Hz to 20 kHz (or to 95 % of half the rate) with a peak of
    /// -6 dB, fades of 50 and 10 ms, and silences of 2 s.
    pub fn new(rate: SampleRate) -> Self {
        Self {
            rate,
            seconds: 10.0,
            from: 20.0,
            to: (HIGHEST * nyquist(rate)).min(20_000.0),
            level: 0.5,
            fade_in: 0.05,
            fade_out: 0.01,
            repeats: 1,
            silence: 2.0,
        }
    }

    /// Time in which the frequency grows by e, in seconds; the n-th harmonic's response comes
    /// `ln n` times as long before the linear one.
    ///
    /// L = round(f1 T / ln(f2 / f1)) / f1 (Novak, Lotton & Simon 2015, eq. 47): with whole
    /// periods of the first frequency in L, the harmonics' phases are those of the sweep itself.
    pub fn growth(&self) -> f64 {
        (self.from * self.seconds / (self.to / self.from).ln()).round() / self.from
    }

    /// Length of one sweep in frames.
    pub fn frames(&self) -> usize {
        self.rate.frames(self.growth() * (self.to / self.from).ln())
    }

    fn check(&self) -> Result<(), MeasureError> {
        let Self {
            rate,
            seconds,
            from,
            to,
            ..
        } = *self;
        let [least, most] = LENGTHS;
        if !(least..=most).contains(&seconds) {
            return Err(MeasureError::Length {
                seconds,
                least,
                most,
            });
        }
        let nyquist = nyquist(rate);
        let range = from > 0.0 && to < nyquist && (to / from).ln() >= 0.49 * LN_2;
        if !range {
            return Err(MeasureError::Range {
                from,
                to,
                rate,
                nyquist,
            });
        }
        if self.growth() * from < 1.0 {
            return Err(MeasureError::TooFast {
                seconds,
                from,
                least: (to / from).ln() / from,
            });
        }
        if !(self.level > 0.0 && self.level <= 1.0) {
            return Err(MeasureError::Level { level: self.level });
        }
        let (fade_in, fade_out) = (self.fade_in, self.fade_out);
        if !(fade_in >= 0.0 && fade_out >= 0.0 && fade_in + fade_out <= seconds) {
            return Err(MeasureError::Fades {
                fade_in,
                fade_out,
                seconds,
            });
        }
        if !(0.0..=LONGEST_SILENCE).contains(&self.silence) {
            return Err(MeasureError::Silence {
                seconds: self.silence,
                most: LONGEST_SILENCE,
            });
        }
        if !(1..=MOST_REPEATS).contains(&self.repeats) {
            return Err(MeasureError::Repeats {
                repeats: self.repeats,
                most: MOST_REPEATS,
            });
        }
        Ok(())
    }
}

/// An exponential sine sweep (Farina 2000), synchronised (Novak, Lotton & Simon 2015), with its
/// silences and repeats: what is played.
#[derive(Debug, Clone, PartialEq)]
pub struct Sweep {
    setup: SweepSetup,
    samples: Vec<f64>,
}

impl Sweep {
    /// Makes the samples.
    ///
    /// # Errors
    /// For a setup that makes no sense, with the number and what would.
    pub fn new(setup: SweepSetup) -> Result<Self, MeasureError> {
        setup.check()?;
        let one = one(&setup);
        let silence = vec![0.0; setup.rate.frames(setup.silence)];
        let mut samples = silence.clone();
        samples.reserve_exact(setup.repeats * (one.len() + silence.len()));
        for _ in 0..setup.repeats {
            samples.extend_from_slice(&one);
            samples.extend_from_slice(&silence);
        }
        Ok(Self { setup, samples })
    }

    /// All of it: silence, then each sweep and a silence after it.
    pub fn samples(&self) -> &[f64] {
        &self.samples
    }

    /// Frames per second.
    pub fn rate(&self) -> SampleRate {
        self.setup.rate
    }

    /// What it was made from.
    pub fn setup(&self) -> &SweepSetup {
        &self.setup
    }

    /// One sweep without silence.
    pub(super) fn one(&self) -> &[f64] {
        let begin = self.setup.rate.frames(self.setup.silence);
        &self.samples[begin..begin + self.setup.frames()]
    }
}

fn one(setup: &SweepSetup) -> Vec<f64> {
    let (growth, frames) = (setup.growth(), setup.frames());
    let fade = |seconds: f64, frames_off: usize| {
        let length = setup.rate.frames(seconds) as f64;
        match (frames_off as f64 + 0.5) / length {
            inside if inside < 1.0 => 0.5 - 0.5 * (PI * inside).cos(),
            _ => 1.0,
        }
    };
    // x(t) = sin(2 pi f1 L exp(t / L)); f1 L is whole, so it begins with 0.
    let sample = |n: usize| {
        let t = setup.rate.seconds(n);
        let periods = setup.from * growth * (t / growth).exp_m1();
        setup.level
            * fade(setup.fade_in, n)
            * fade(setup.fade_out, frames - 1 - n)
            * (TAU * periods.fract()).sin()
    };
    (0..frames).map(sample).collect()
}

/// Half of the rate, in Hz.
pub(super) fn nyquist(rate: SampleRate) -> f64 {
    f64::from(rate.hz()) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup() -> SweepSetup {
        SweepSetup::new(SampleRate::new(48_000).unwrap())
    }

    #[test]
    fn the_first_frequency_has_whole_periods_in_the_growth_time() {
        for (seconds, from, to) in [
            (10.0, 20.0, 20_000.0),
            (1.0, 33.0, 7_000.0),
            (0.5, 100.0, 150.0),
        ] {
            let setup = SweepSetup {
                seconds,
                from,
                to,
                ..setup()
            };
            let periods = setup.growth() * from;
            assert!((periods - periods.round()).abs() < 1e-9, "{periods}");
            let length = setup.rate.seconds(setup.frames());
            let octaves = (to / from).ln();
            // Half a period of rounding, ln(f2/f1) times, and half a frame.
            assert!(
                (length - seconds).abs() <= 0.5 / from * octaves + 0.5 / 48_000.0,
                "{length}"
            );
        }
    }

    #[test]
    fn the_frequency_grows_exponentially_from_the_first_to_the_last() {
        let setup = SweepSetup {
            fade_in: 0.0,
            fade_out: 0.0,
            ..setup()
        };
        let sweep = one(&setup);
        // Zero crossings upward, between frames: the phase is whole there.
        let mut worst: f64 = 0.0;
        let mut crossings = 0;
        for (n, pair) in sweep.windows(2).enumerate() {
            if pair[0] < 0.0 && pair[1] >= 0.0 {
                let t = (n as f64 + pair[0] / (pair[0] - pair[1])) / 48_000.0;
                let f = setup.from * (t / setup.growth()).exp();
                let periods = setup.from * setup.growth() * (t / setup.growth()).exp_m1();
                // A chord cuts the sine's zero off by less than (2 pi f / rate)^2 / 16 of a period.
                if f < 2_000.0 {
                    worst = worst.max((periods - periods.round()).abs());
                    crossings += 1;
                }
            }
        }
        assert!(
            worst < (TAU * 2_000.0 / 48_000.0f64).powi(2) / 16.0,
            "{worst}"
        );
        let periods = setup.from * setup.growth() * (2_000.0 / setup.from - 1.0);
        assert!(
            (f64::from(crossings) - periods).abs() <= 2.0,
            "{crossings} of {periods}"
        );
    }

    #[test]
    fn silences_repeats_level_and_fades_are_where_they_should_be() {
        let setup = SweepSetup {
            seconds: 1.0,
            repeats: 3,
            silence: 0.25,
            level: 0.25,
            ..setup()
        };
        let sweep = Sweep::new(setup).unwrap();
        let (one, gap) = (setup.frames(), 12_000);
        assert_eq!(sweep.samples().len(), gap + 3 * (one + gap));
        for k in 0..3 {
            let begin = gap + k * (one + gap);
            assert_eq!(sweep.samples()[begin..begin + one], *sweep.one(), "{k}");
            assert!(
                sweep.samples()[begin - gap..begin]
                    .iter()
                    .all(|&x| x == 0.0)
            );
        }
        let peak = |x: &[f64]| x.iter().fold(0.0f64, |peak, x| peak.max(x.abs()));
        assert!((0.2499..=0.25).contains(&peak(sweep.one())));
        // A fade is under half of the peak in its first half, and ends where the sweep does.
        assert!(peak(&sweep.one()[..1200]) <= 0.125 && peak(&sweep.one()[one - 240..]) <= 0.125);
        assert!(peak(&sweep.one()[one - 1..]) < 1e-5);
    }

    #[test]
    fn what_cannot_be_made_is_refused_with_its_number() {
        let cases: [(SweepSetup, &str); 12] = [
            (
                SweepSetup {
                    seconds: 0.0,
                    ..setup()
                },
                "0 s",
            ),
            (
                SweepSetup {
                    seconds: f64::NAN,
                    ..setup()
                },
                "NaN s",
            ),
            (
                SweepSetup {
                    seconds: 301.0,
                    ..setup()
                },
                "300 s",
            ),
            (
                SweepSetup {
                    from: 0.0,
                    ..setup()
                },
                "0 Hz",
            ),
            (
                SweepSetup {
                    to: 24_000.0,
                    ..setup()
                },
                "24000 Hz",
            ),
            (
                SweepSetup {
                    to: 10.0,
                    ..setup()
                },
                "half an octave",
            ),
            (
                SweepSetup {
                    seconds: 0.1,
                    ..setup()
                },
                "less than one period at 20 Hz",
            ),
            (
                SweepSetup {
                    level: 1.1,
                    ..setup()
                },
                "1.1",
            ),
            (
                SweepSetup {
                    level: f64::NAN,
                    ..setup()
                },
                "NaN",
            ),
            (
                SweepSetup {
                    fade_in: 11.0,
                    ..setup()
                },
                "11 s",
            ),
            (
                SweepSetup {
                    repeats: 0,
                    ..setup()
                },
                "0 repeats",
            ),
            (
                SweepSetup {
                    silence: -1.0,
                    ..setup()
                },
                "-1 s",
            ),
        ];
        for (setup, number) in cases {
            let text = Sweep::new(setup).unwrap_err().to_string();
            assert!(text.contains(number), "{text}");
        }
    }
}
