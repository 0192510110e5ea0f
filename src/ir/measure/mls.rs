//! The maximum-length sequence.

use super::MeasureError;
use super::sweep::MOST_REPEATS;
use crate::signal::SampleRate;

/// Orders that can be made.
pub(super) const ORDERS: std::ops::RangeInclusive<u32> = 10..=20;
/// Feedback taps of a primitive polynomial for each order (Alfke 1996, Xilinx XAPP 052, table 3).
const TAPS: [&[u32]; 11] = [
    &[10, 7],
    &[11, 9],
    &[12, 6, 4, 1],
    &[13, 4, 3, 1],
    &[14, 5, 3, 1],
    &[15, 14],
    &[16, 15, 13, 4],
    &[17, 14],
    &[18, 11],
    &[19, 6, 2, 1],
    &[20, 17],
];

/// What an [`Mls`] is made from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MlsSetup {
    /// Frames per second.
    pub rate: SampleRate,
    /// Order n, 10 to 20: one period has 2^n - 1 frames. It must outlast the response.
    pub order: u32,
    /// Level of every sample, linear: 1 is full scale.
    pub level: f64,
    /// Periods that are listened to; one more is played before them, for what is measured to
    /// settle.
    pub repeats: usize,
    /// Silence before the first and after the last period, in seconds.
    pub silence: f64,
}

impl MlsSetup {
    /// Order 16 (1.4 s at 48 kHz) at -12 dB, listened to four times, silences of 2 s.
    pub fn new(rate: SampleRate) -> Self {
        Self {
            rate,
            order: 16,
            level: 0.25,
            repeats: 4,
            silence: 2.0,
        }
    }

    /// Length of one period in frames.
    pub fn frames(&self) -> usize {
        (1 << self.order) - 1
    }
}

/// A maximum-length sequence, period after period (Rife & Vanderkooy 1989): what is played.
#[derive(Debug, Clone, PartialEq)]
pub struct Mls {
    setup: MlsSetup,
    samples: Vec<f64>,
}

impl Mls {
    /// Makes the samples.
    ///
    /// # Errors
    /// For a setup that makes no sense, with the number and what would.
    pub fn new(setup: MlsSetup) -> Result<Self, MeasureError> {
        let MlsSetup {
            rate,
            order,
            level,
            repeats,
            silence,
        } = setup;
        if !ORDERS.contains(&order) {
            return Err(MeasureError::Order { order });
        }
        if !(level > 0.0 && level <= 1.0) {
            return Err(MeasureError::Level { level });
        }
        if !(1..=MOST_REPEATS).contains(&repeats) {
            return Err(MeasureError::Repeats {
                repeats,
                most: MOST_REPEATS,
            });
        }
        if !(0.0..=60.0).contains(&silence) {
            return Err(MeasureError::Silence {
                seconds: silence,
                most: 60.0,
            });
        }
        let period = period(order, level);
        let silence = vec![0.0; rate.frames(silence)];
        let mut samples = silence.clone();
        for _ in 0..=repeats {
            samples.extend_from_slice(&period);
        }
        samples.extend_from_slice(&silence);
        Ok(Self { setup, samples })
    }

    /// All of it: silence, the periods, silence.
    pub fn samples(&self) -> &[f64] {
        &self.samples
    }

    /// Frames per second.
    pub fn rate(&self) -> SampleRate {
        self.setup.rate
    }

    /// What it was made from.
    pub fn setup(&self) -> &MlsSetup {
        &self.setup
    }

    /// One period.
    pub(super) fn one(&self) -> &[f64] {
        let begin = self.setup.rate.frames(self.setup.silence);
        &self.samples[begin..begin + self.setup.frames()]
    }
}

/// One period of a shift register with linear feedback that begins with all ones.
fn period(order: u32, level: f64) -> Vec<f64> {
    let taps = TAPS[(order - ORDERS.start()) as usize];
    let mask = (1u32 << order) - 1;
    let mut register = mask;
    let step = |_| {
        let bit = register >> (order - 1) & 1;
        let fed: u32 = taps.iter().map(|tap| register >> (tap - 1) & 1).sum();
        register = (register << 1 | fed & 1) & mask;
        if bit == 1 { level } else { -level }
    };
    (0..mask).map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustfft::{FftPlanner, num_complex::Complex};

    #[test]
    fn every_order_has_the_spectrum_of_a_maximum_length_sequence() {
        for order in ORDERS {
            let sequence = period(order, 1.0);
            let n = sequence.len();
            assert_eq!(sequence.iter().sum::<f64>().abs(), 1.0, "order {order}");
            let mut bins: Vec<_> = sequence.iter().map(|&x| Complex::new(x, 0.0)).collect();
            FftPlanner::new().plan_fft_forward(n).process(&mut bins);
            // The circular autocorrelation is n at 0 and -1 elsewhere, so |X|^2 = n + 1.
            for bin in &bins[1..] {
                let off = bin.norm_sqr() / (n + 1) as f64 - 1.0;
                assert!(off.abs() < 1e-9, "order {order}: {off}");
            }
        }
    }

    #[test]
    fn one_period_more_than_is_listened_to_is_played() {
        let rate = SampleRate::new(48_000).unwrap();
        let setup = MlsSetup {
            order: 10,
            repeats: 3,
            silence: 0.1,
            ..MlsSetup::new(rate)
        };
        let mls = Mls::new(setup).unwrap();
        assert_eq!(mls.samples().len(), 4_800 + 4 * 1_023 + 4_800);
        assert_eq!(mls.samples()[4_800 + 3 * 1_023..][..1_023], *mls.one());
    }

    #[test]
    fn what_cannot_be_made_is_refused_with_its_number() {
        let setup = MlsSetup::new(SampleRate::new(48_000).unwrap());
        for (setup, number) in [
            (MlsSetup { order: 9, ..setup }, "order 9"),
            (MlsSetup { order: 21, ..setup }, "order 21"),
            (
                MlsSetup {
                    level: 0.0,
                    ..setup
                },
                "level of 0",
            ),
            (
                MlsSetup {
                    repeats: 0,
                    ..setup
                },
                "0 repeats",
            ),
            (
                MlsSetup {
                    silence: 61.0,
                    ..setup
                },
                "61 s",
            ),
        ] {
            let text = Mls::new(setup).unwrap_err().to_string();
            assert!(text.contains(number), "{text}");
        }
    }
}
