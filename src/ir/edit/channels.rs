//! Channels: fewer, wider, or mixed with another response's.

use super::reading::Reading;
use super::{EditError, Supply, counted, signed};
use crate::ir::{ImpulseResponse, units};

impl ImpulseResponse {
    /// The mean of all channels, as one.
    ///
    /// # Errors
    /// None but what [`EditError::Response`] may bring.
    pub fn mono(self) -> Result<Self, EditError> {
        let share = 1.0 / self.channel_count() as f64;
        Ok(self.across(|channels| {
            let mut mean = vec![0.0; channels[0].len()];
            for taps in &channels {
                mean.iter_mut()
                    .zip(taps)
                    .for_each(|(sum, tap)| *sum += share * tap);
            }
            vec![mean]
        })?)
    }

    /// One channel alone, counted from 0.
    ///
    /// # Errors
    /// [`EditError::NoSuchChannel`] where there are not so many.
    pub fn only_channel(self, index: usize) -> Result<Self, EditError> {
        if index >= self.channel_count() {
            return Err(EditError::NoSuchChannel {
                channel: index + 1,
                channels: self.channel_count(),
            });
        }
        Ok(self.across(|mut channels| vec![channels.swap_remove(index)])?)
    }

    /// Scales the difference of left and right: 0 is mono, 1 as it was, 2 twice as wide. Of true
    /// stereo (LL, LR, RL, RR) the two answers to each input, so that it is as though the output
    /// had been widened.
    ///
    /// # Errors
    /// [`EditError::Channels`] unless there are two channels or four.
    pub fn width(self, factor: f64) -> Result<Self, EditError> {
        if !matches!(self.channel_count(), 2 | 4) {
            return Err(EditError::Channels {
                operation: "width",
                needs: "2 (left, right) or 4 (LL, LR, RL, RR)",
                channels: self.channel_count(),
            });
        }
        Ok(self.across(|mut channels| {
            for pair in channels.chunks_exact_mut(2) {
                let [left, right] = pair else { continue };
                for (l, r) in left.iter_mut().zip(right) {
                    let (middle, side) = (0.5 * (*l + *r), 0.5 * factor * (*l - *r));
                    (*l, *r) = (middle + side, middle - side);
                }
            }
            channels
        })?)
    }

    /// Adds another response, each at its own gain; the shorter one is followed by silence, and a
    /// single channel goes to all channels of the other.
    ///
    /// # Errors
    /// [`EditError::Mismatch`] where both have several channels and not the same number, or where
    /// their rates differ.
    pub fn mix(self, own: f64, other: &Self, gain: f64) -> Result<Self, EditError> {
        let (ours, theirs) = (self.channel_count(), other.channel_count());
        if self.rate() != other.rate() || (ours != theirs && ours.min(theirs) > 1) {
            let of = |ir: &Self| format!("{} channels at {}", ir.channel_count(), ir.rate());
            return Err(EditError::Mismatch {
                this: of(&self),
                other: of(other),
            });
        }
        let frames = self.frames().max(other.frames());
        Ok(self.across(|channels| {
            let mix = |k: usize| {
                let mut taps = channels[k.min(ours - 1)].clone();
                taps.resize(frames, 0.0);
                taps.iter_mut().for_each(|tap| *tap *= own);
                let added = other.channel(k.min(theirs - 1));
                let pairs = taps.iter_mut().zip(added);
                pairs.for_each(|(tap, &other)| *tap += gain * f64::from(other));
                taps
            };
            (0..ours.max(theirs)).map(mix).collect()
        })?)
    }
}

pub(super) fn mono(ir: ImpulseResponse) -> Result<(ImpulseResponse, String), EditError> {
    let report = format!("the mean of {}", counted(ir.channel_count(), "channel"));
    Ok((ir.mono()?, report))
}

pub(super) fn only(
    ir: ImpulseResponse,
    index: usize,
) -> Result<(ImpulseResponse, String), EditError> {
    let report = format!(
        "{} of {}",
        index + 1,
        counted(ir.channel_count(), "channel")
    );
    Ok((ir.only_channel(index)?, report))
}

pub(super) fn width(
    ir: ImpulseResponse,
    factor: f64,
) -> Result<(ImpulseResponse, String), EditError> {
    let report = match factor {
        0.0 => "the difference of left and right is gone".to_owned(),
        _ => format!(
            "the difference of left and right {}",
            signed(20.0 * factor.log10())
        ),
    };
    Ok((ir.width(factor)?, report))
}

/// What `mix` adds, and how.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mix {
    other: String,
    /// Gains of the response itself and of the other one.
    gains: (f64, f64),
}

impl Mix {
    pub(super) fn read(reading: &Reading) -> Result<Self, EditError> {
        let (other, amount) = reading
            .value()?
            .rsplit_once(',')
            .filter(|(other, _)| !other.trim().is_empty())
            .ok_or_else(|| {
                reading.usage("a response and a share (30%) or a gain (-6dB) are needed")
            })?;
        let gains = match units::fraction(amount) {
            Ok(share) => (1.0 - share, share),
            Err(_) if amount.trim().to_ascii_lowercase().ends_with("db") => {
                (1.0, reading.unit(units::gain(amount))?)
            }
            Err(error) => return Err(reading.unit(Err(error)).unwrap_err()),
        };
        Ok(Self {
            other: other.trim().to_owned(),
            gains,
        })
    }

    pub(super) fn run(
        &self,
        ir: ImpulseResponse,
        supply: &mut dyn Supply,
    ) -> Result<(ImpulseResponse, String), EditError> {
        let rate = ir.rate();
        let missing = |cause| EditError::Missing {
            operation: "mix",
            cause,
        };
        let other = supply.response(&self.other, rate).map_err(missing)?;
        let from = other.rate();
        #[cfg(feature = "resample")]
        let other = other.resample(rate)?;
        let ir = ir.mix(self.gains.0, &other, self.gains.1)?;
        let mut report = format!(
            "{} at {}, {} at {}",
            ir.name(),
            signed(20.0 * self.gains.0.log10()),
            self.other,
            signed(20.0 * self.gains.1.abs().log10())
        );
        if from != rate {
            report += &format!(", resampled from {from} to {rate}");
        }
        Ok((ir, report))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::edit::Operation;
    use crate::ir::edit::tests::{edit, ir, refused};
    use crate::signal::SampleRate;

    #[test]
    fn mono_is_the_mean_and_channel_picks_one() {
        let set = ir(1000, vec![vec![1.0, 0.0], vec![0.0, 0.5], vec![0.5, 1.0]]);
        let (mono, _) = edit(&set, "mono");
        assert_eq!(
            (mono.channel_count(), mono.channel(0)),
            (1, &[0.5, 0.5][..])
        );
        let (second, _) = edit(&set, "channel=2");
        assert_eq!(
            (second.channel_count(), second.channel(0)),
            (1, &[0.0, 0.5][..])
        );
        let error = set.only_channel(3).unwrap_err().to_string();
        assert!(
            error.contains("channel 4") && error.contains("3 channels"),
            "{error}"
        );
        for text in ["channel", "channel=0", "channel=1.5", "mono=2"] {
            refused(text, text);
        }
    }

    #[test]
    fn width_scales_the_difference_and_keeps_the_sum() {
        let stereo = ir(1000, vec![vec![1.0, 0.5], vec![0.5, -0.5]]);
        let (mono, _) = edit(&stereo, "width=0");
        assert_eq!(
            (mono.channel(0), mono.channel(1)),
            (&[0.75, 0.0][..], &[0.75, 0.0][..])
        );
        assert_eq!(edit(&stereo, "width=1").0, stereo);
        let (wide, _) = edit(&stereo, "width=2");
        assert_eq!(
            (wide.channel(0), wide.channel(1)),
            (&[1.25, 1.0][..], &[0.25, -1.0][..])
        );
        // True stereo: each input's two answers.
        let four = ir(1000, vec![vec![1.0], vec![0.5], vec![0.0], vec![1.0]]);
        let (mono, _) = edit(&four, "width=0");
        let taps: Vec<f32> = (0..4).map(|k| mono.channel(k)[0]).collect();
        assert_eq!(taps, [0.75, 0.75, 0.5, 0.5]);
        let error = ir(1000, vec![vec![1.0]])
            .width(0.5)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("1 channel") && error.contains("2 (left"),
            "{error}"
        );
        for text in ["width", "width=-1", "width=2.1", "width=wide"] {
            refused(text, text);
        }
    }

    struct Shelf(ImpulseResponse);

    impl Supply for Shelf {
        fn response(&mut self, name: &str, _: SampleRate) -> Result<ImpulseResponse, String> {
            assert_eq!(name, "synth:echo=1ms,0.5");
            Ok(self.0.clone())
        }
    }

    fn mixed(
        a: Vec<Vec<f32>>,
        b: Vec<Vec<f32>>,
        amount: &str,
    ) -> Result<ImpulseResponse, EditError> {
        let text = format!("mix=synth:echo=1ms,0.5,{amount}");
        let operation = text.parse::<Operation>().unwrap();
        let mixed = operation.apply(ir(1000, a), &mut Shelf(ir(1000, b)));
        mixed.map(|(ir, _)| ir)
    }

    #[test]
    fn a_share_crosses_over_and_a_gain_adds() {
        let (a, b) = (vec![vec![1.0f32, 0.5]], vec![vec![0.0f32, 0.0, 1.0]]);
        let both = mixed(a.clone(), b.clone(), "25%").unwrap();
        assert_eq!(both.channel(0), [0.75, 0.375, 0.25]);
        let both = mixed(a.clone(), b.clone(), "0dB").unwrap();
        assert_eq!(both.channel(0), [1.0, 0.5, 1.0]);
        let wide = mixed(a.clone(), vec![vec![1.0], vec![-1.0]], "0.5").unwrap();
        assert_eq!(
            (wide.channel(0), wide.channel(1)),
            (&[1.0, 0.25][..], &[0.0, 0.25][..])
        );
        let wide = mixed(vec![vec![1.0], vec![-1.0]], a, "0dB").unwrap();
        assert_eq!(
            (wide.channel(0), wide.channel(1)),
            (&[2.0, 0.5][..], &[0.0, 0.5][..])
        );
        let error = mixed(vec![vec![1.0]; 2], vec![vec![1.0]; 3], "0.5").unwrap_err();
        assert!(error.to_string().contains("3 channels"), "{error}");
    }

    #[test]
    #[cfg(feature = "resample")]
    fn the_other_response_is_brought_to_the_rate_and_that_is_said() {
        let operation = "mix=synth:echo=1ms,0.5,100%".parse::<Operation>().unwrap();
        let mut shelf = Shelf(ir(2000, vec![vec![0.0; 2000]]));
        let (mixed, said) = operation
            .apply(ir(1000, vec![vec![1.0]]), &mut shelf)
            .unwrap();
        assert_eq!((mixed.rate().hz(), mixed.frames()), (1000, 1000));
        assert!(said.contains("resampled from 2000 Hz to 1000 Hz"), "{said}");
    }

    #[test]
    fn a_mix_without_its_parts_is_refused() {
        for text in [
            "mix",
            "mix=a.wav",
            "mix=,0.5",
            "mix=a.wav,loud",
            "mix=a.wav,1.5",
            "mix=a.wav,xdB",
        ] {
            refused(text, text);
        }
        let operation = "mix=a.wav,0.5".parse::<Operation>().unwrap();
        let error = operation
            .apply(ir(1000, vec![vec![1.0]]), &mut ())
            .unwrap_err();
        assert!(error.to_string().contains("a.wav"), "{error}");
    }
}
