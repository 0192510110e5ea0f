//! Impulse responses from a recipe: what may follow `synth:` wherever a response is asked for.
//!
//! The same recipe gives the same response, to the bit, every time; at another rate it gives
//! the same room, delay or filter in seconds and Hz.

mod filter;
mod space;

use std::fmt;
use std::str::FromStr;

use super::units::{self, UnitError};
use super::{ImpulseResponse, IrError};
use crate::signal::SampleRate;
use filter::Band;
use space::Space;

/// Longest response of a delay or an echo, in seconds.
const LONGEST: f64 = 60.0;
/// Echoes below this share of the first (-100 dB) are left out.
const INAUDIBLE: f64 = 1e-5;

/// A response that can be made at any rate, without a file.
///
/// ```
/// # use faltung::{SampleRate, ir::Recipe};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hall = "hall".parse::<Recipe>()?.render(SampleRate::new(48_000)?)?;
/// assert_eq!((hall.name(), hall.channel_count()), ("synth:hall", 2));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Identity,
    Delay { seconds: f64 },
    Echo { seconds: f64, feedback: f64 },
    Space(&'static Space),
    Filter { band: Band, minimum_phase: bool },
}

/// One line of [`catalogue`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatalogueEntry {
    /// An example that works as it stands, without `synth:` in front.
    pub usage: &'static str,
    /// Channels, length, level and the like, on one line.
    pub about: &'static str,
}

impl CatalogueEntry {
    const fn new(usage: &'static str, about: &'static str) -> Self {
        Self { usage, about }
    }

    /// What stands before the first `=`.
    fn name(&self) -> &'static str {
        self.usage.split('=').next().unwrap_or(self.usage)
    }
}

/// Every recipe there is, with an example.
pub fn catalogue() -> &'static [CatalogueEntry] {
    const {
        &[
            CatalogueEntry::new("identity", "mono, one tap of 1: what goes in comes out"),
            CatalogueEntry::new("delay=250ms", "mono, one tap of 1 after a time"),
            CatalogueEntry::new(
                "echo=300ms,0.5",
                "mono, repeats, each 0.5 (or -6dB) of the one before, down to -100 dB",
            ),
            CatalogueEntry::new("room", space::ROOM.about),
            CatalogueEntry::new("plate", space::PLATE.about),
            CatalogueEntry::new("hall", space::HALL.about),
            CatalogueEntry::new("cathedral", space::CATHEDRAL.about),
            CatalogueEntry::new(
                "lowpass=3k",
                "mono, linear phase, 0 dB below, -6 dB at 3 kHz, -100 dB from 12.5 % above",
            ),
            CatalogueEntry::new(
                "highpass=80",
                "mono, linear phase, 0 dB above, -6 dB at 80 Hz, -100 dB from 12.5 % below",
            ),
            CatalogueEntry::new(
                "bandpass=300-3400",
                "mono, linear phase, 0 dB between, -6 dB at both, -100 dB outside",
            ),
            CatalogueEntry::new(
                "notch=50",
                "mono, linear phase, -100 dB at 50 Hz, -6 dB 10 % beside, 0 dB from 20 %",
            ),
            CatalogueEntry::new(
                "min:lowpass=3k",
                "min: before any filter: minimum phase, the same magnitude, hardly any delay",
            ),
        ]
    }
}

impl Recipe {
    /// The taps at a rate, named `synth:` and the recipe.
    ///
    /// # Errors
    /// [`IrError::AboveNyquist`] for a filter's frequency at or above half of the rate,
    /// [`IrError::TooLong`] for a delay or an echo of more than 60 s or a filter of more than 10 s.
    pub fn render(&self, rate: SampleRate) -> Result<ImpulseResponse, IrError> {
        let channels = match &self.kind {
            Kind::Identity => vec![vec![1.0]],
            Kind::Delay { seconds } => vec![self.repeats(rate, *seconds, &[0.0, 1.0])?],
            Kind::Echo { seconds, feedback } => {
                let times = match feedback.abs() {
                    0.0 => 0.0,
                    share => (INAUDIBLE.ln() / share.ln()).floor(),
                };
                self.check_length(seconds * times)?;
                let levels: Vec<f64> = (0..=times as i32).map(|n| feedback.powi(n)).collect();
                vec![self.repeats(rate, *seconds, &levels)?]
            }
            Kind::Space(space) => space.render(rate),
            Kind::Filter {
                band,
                minimum_phase,
            } => {
                let taps = band.design(rate, &self.text)?;
                vec![if *minimum_phase {
                    super::minimum_phase::minimum_phase(&taps)
                } else {
                    taps
                }]
            }
        };
        Ok(ImpulseResponse::from_wide(rate, channels)?.named(self.to_string()))
    }

    /// One tap per level at 0, 1, 2, .. times `seconds`, rounded to the nearest frame.
    fn repeats(&self, rate: SampleRate, seconds: f64, levels: &[f64]) -> Result<Vec<f64>, IrError> {
        let last = seconds * (levels.len() - 1) as f64;
        self.check_length(last)?;
        let mut taps = vec![0.0; rate.frames(last) + 1];
        for (n, level) in levels.iter().enumerate() {
            taps[rate.frames(seconds * n as f64)] += level;
        }
        Ok(taps)
    }

    fn check_length(&self, seconds: f64) -> Result<(), IrError> {
        if seconds <= LONGEST {
            return Ok(());
        }
        Err(IrError::TooLong {
            recipe: self.text.clone(),
            seconds,
            most: LONGEST,
            remedy: "choose a shorter time or, for an echo, less feedback",
        })
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "synth:{}", self.text)
    }
}

impl FromStr for Recipe {
    type Err = IrError;

    /// Reads what follows `synth:`; a `synth:` in front is read over.
    fn from_str(text: &str) -> Result<Self, IrError> {
        let text = text.trim();
        let text = text.strip_prefix("synth:").unwrap_or(text);
        let (minimum_phase, rest) = match text.strip_prefix("min:") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (name, value) = match rest.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim())),
            None => (rest.trim(), None),
        };
        let reading = Reading { text, name, value };
        let kind = match name {
            "identity" => reading.plain(Kind::Identity)?,
            "delay" => Kind::Delay {
                seconds: reading.number(units::seconds)?,
            },
            "echo" => {
                let (time, feedback) = reading.pair(',', "a time and a feedback are needed")?;
                let seconds = reading.unit(units::seconds(time))?;
                let feedback = reading.unit(units::gain(feedback))?;
                if seconds == 0.0 {
                    return Err(reading.usage("an echo needs a time above 0"));
                }
                if feedback.abs() >= 1.0 {
                    return Err(reading.usage("a feedback of 1 (0 dB) or more never ends"));
                }
                Kind::Echo { seconds, feedback }
            }
            "room" => reading.plain(Kind::Space(&space::ROOM))?,
            "plate" => reading.plain(Kind::Space(&space::PLATE))?,
            "hall" => reading.plain(Kind::Space(&space::HALL))?,
            "cathedral" => reading.plain(Kind::Space(&space::CATHEDRAL))?,
            "lowpass" | "highpass" | "notch" => {
                let hz = reading.number(units::hertz)?;
                let band = match name {
                    "lowpass" => Band::Below(hz),
                    "highpass" => Band::Above(hz),
                    _ => Band::Without(hz),
                };
                Kind::Filter {
                    band,
                    minimum_phase,
                }
            }
            "bandpass" => {
                let (low, high) = reading.pair('-', "two frequencies are needed")?;
                let low = reading.unit(units::hertz(low))?;
                let high = reading.unit(units::hertz(high))?;
                if low >= high {
                    return Err(reading.usage("the lower frequency comes first"));
                }
                Kind::Filter {
                    band: Band::Between(low, high),
                    minimum_phase,
                }
            }
            _ => return Err(unknown(name)),
        };
        if minimum_phase && !matches!(kind, Kind::Filter { .. }) {
            return Err(Reading {
                name: "min:lowpass",
                ..reading
            }
            .usage("`min:` is for filters"));
        }
        Ok(Self {
            text: text.to_owned(),
            kind,
        })
    }
}

/// A recipe's text on its way to a [`Kind`].
struct Reading<'a> {
    text: &'a str,
    name: &'a str,
    value: Option<&'a str>,
}

impl<'a> Reading<'a> {
    /// A recipe that takes no value.
    fn plain(&self, kind: Kind) -> Result<Kind, IrError> {
        if self.value.is_none() {
            Ok(kind)
        } else {
            Err(self.usage("this recipe takes no value"))
        }
    }

    /// A recipe that takes one number.
    fn number(&self, read: fn(&str) -> Result<f64, UnitError>) -> Result<f64, IrError> {
        let value = self.value.ok_or_else(|| self.usage("a value is needed"))?;
        self.unit(read(value))
    }

    /// A recipe that takes two values.
    fn pair(&self, between: char, problem: &'static str) -> Result<(&'a str, &'a str), IrError> {
        let pair = self.value.and_then(|value| value.split_once(between));
        pair.ok_or_else(|| self.usage(problem))
    }

    fn unit(&self, result: Result<f64, UnitError>) -> Result<f64, IrError> {
        result.map_err(|source| IrError::Unit {
            recipe: self.text.to_owned(),
            source,
        })
    }

    fn usage(&self, problem: &'static str) -> IrError {
        let entry = catalogue().iter().find(|entry| entry.name() == self.name);
        let example = entry.map_or("identity", |entry| entry.usage);
        IrError::Usage {
            recipe: self.text.to_owned(),
            problem,
            example,
        }
    }
}

fn unknown(name: &str) -> IrError {
    let known: Vec<&str> = catalogue().iter().map(|entry| entry.usage).collect();
    IrError::UnknownRecipe {
        name: name.to_owned(),
        known: known.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(hz: u32) -> SampleRate {
        SampleRate::new(hz).unwrap()
    }

    fn render(text: &str, hz: u32) -> Result<ImpulseResponse, IrError> {
        text.parse::<Recipe>()?.render(rate(hz))
    }

    #[test]
    fn every_line_of_the_catalogue_works_as_it_stands_and_keeps_its_name() {
        for entry in catalogue() {
            let ir = render(entry.usage, 44_100).unwrap();
            assert_eq!(ir.name(), format!("synth:{}", entry.usage));
            assert_eq!(ir.rate(), rate(44_100));
            let channels = if entry.about.starts_with("stereo") {
                2
            } else {
                1
            };
            assert_eq!(ir.channel_count(), channels, "{}", entry.usage);
            assert!(
                !entry.about.contains('\n') && entry.about.len() < 90,
                "{}",
                entry.about
            );
        }
    }

    #[test]
    fn a_recipe_gives_the_same_bits_every_time() {
        for entry in catalogue() {
            let (one, two) = (render(entry.usage, 22_050), render(entry.usage, 22_050));
            assert_eq!(one.unwrap(), two.unwrap(), "{}", entry.usage);
        }
    }

    #[test]
    fn identity_and_delay_are_one_tap_of_one() {
        assert_eq!(render("identity", 48_000).unwrap().channel(0), [1.0]);
        let delay = render("synth:delay=250ms", 48_000).unwrap();
        assert_eq!(delay.frames(), 12_001);
        assert_eq!(delay.channel(0)[12_000], 1.0);
        assert_eq!(
            delay.channel(0).iter().filter(|&&tap| tap != 0.0).count(),
            1
        );
        assert_eq!(render("delay=0s", 48_000).unwrap().channel(0), [1.0]);
    }

    #[test]
    fn an_echo_falls_by_its_feedback_down_to_100_db() {
        for text in [
            "echo=10ms,0.5",
            "echo=10ms,-6.020599913279624dB",
            "echo=10ms,-0.5",
        ] {
            let ir = render(text, 48_000).unwrap();
            // 0.5^16 = -96.3 dB is the last one above -100 dB.
            assert_eq!(ir.frames(), 16 * 480 + 1, "{text}");
            let sign: f32 = if text.contains(",-0.5") { -1.0 } else { 1.0 };
            for n in 0..=16 {
                let (got, want) = (ir.channel(0)[n * 480], (sign * 0.5).powi(n as i32));
                assert!(
                    (got - want).abs() < 1e-6 * want.abs(),
                    "{text}: {n}: {got} {want}"
                );
            }
        }
        assert_eq!(render("echo=10ms,0", 48_000).unwrap().channel(0), [1.0]);
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_the_value_and_an_example() {
        for (text, value, example) in [
            ("hal", "`hal`", "hall"),
            ("", "``", "identity"),
            ("min:", "``", "min:lowpass=3k"),
            ("delay", "`delay`", "synth:delay=250ms"),
            ("delay=fast", "`fast`", "`250ms`"),
            ("delay=250", "`250`", "`250ms`"),
            ("delay=2min", "120.0 s", "60 s"),
            ("hall=3s", "`hall=3s`", "synth:hall"),
            ("echo=300ms", "`echo=300ms`", "synth:echo=300ms,0.5"),
            ("echo=300ms,loud", "`loud`", "`-6dB`"),
            ("echo=0s,0.5", "`echo=0s,0.5`", "synth:echo=300ms,0.5"),
            ("echo=1s,0dB", "`echo=1s,0dB`", "synth:echo=300ms,0.5"),
            ("echo=1s,0.99", "60 s", "less feedback"),
            ("lowpass=x", "`x`", "`3kHz`"),
            ("lowpass=24k", "24000 Hz", "higher rate"),
            ("lowpass=0", "`0`", "`3kHz`"),
            ("highpass=1e9", "1000000000 Hz", "24000 Hz"),
            ("highpass=0.01", "10 s", "higher frequency"),
            ("bandpass=300", "`bandpass=300`", "synth:bandpass=300-3400"),
            (
                "bandpass=3k-300",
                "`bandpass=3k-300`",
                "synth:bandpass=300-3400",
            ),
            ("bandpass=300-30k", "30000 Hz", "24000 Hz"),
            ("notch=23k", "25300 Hz", "24000 Hz"),
            ("min:hall", "`min:hall`", "synth:min:lowpass=3k"),
        ] {
            let error = render(text, 48_000).unwrap_err().to_string();
            assert!(
                error.contains(value) && error.contains(example),
                "{text}: {error}"
            );
        }
    }
}
