//! Impulse responses from a recipe: what may follow `synth:` wherever a response is asked for.
//!
//! The same recipe gives the same response, to the bit, every time; at another rate it gives
//! the same room, delay or filter in seconds and Hz.

pub(super) mod bands;
mod catalogue;
mod filter;
mod fir;
#[cfg(test)]
mod golden;
mod images;
pub(super) mod noise;
mod octaves;
mod reading;
mod shoebox;
mod space;
mod tail;

use std::fmt;
use std::str::FromStr;

use super::units;
use super::{ImpulseResponse, IrError};
use crate::signal::SampleRate;
pub use catalogue::{CatalogueEntry, Parameter, catalogue};
use filter::Filter;
use reading::Reading;
use shoebox::Shoebox;
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
    Space(Box<Space>),
    Room(Box<Shoebox>),
    Filter(Filter),
}

impl Recipe {
    /// The taps at a rate, named `synth:` and the recipe.
    ///
    /// # Errors
    /// [`IrError::AboveNyquist`] for a frequency of a filter at or above half of the rate,
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
            Kind::Room(room) => room.render(rate, &self.text)?,
            Kind::Filter(filter) => vec![filter.render(rate, &self.text)?],
        };
        Ok(ImpulseResponse::from_wide(rate, channels)?.named(self.to_string()))
    }

    /// What the recipe leaves open and how it was settled, for people, one line each: places and
    /// absorption of a room, its decay, where images end, taps and delay of a filter.
    ///
    /// # Errors
    /// As for [`render`](Self::render).
    pub fn assumed(&self, rate: SampleRate) -> Result<Vec<String>, IrError> {
        match &self.kind {
            Kind::Identity | Kind::Delay { .. } | Kind::Echo { .. } => Ok(Vec::new()),
            Kind::Space(space) => Ok(space.assumed()),
            Kind::Room(room) => Ok(room.assumed()),
            Kind::Filter(filter) => filter.assumed(rate, &self.text),
        }
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
        let mut reading = Reading::new(text, rest)?;
        let kind = match (reading.name, reading.value) {
            ("identity", _) => {
                reading.plain()?;
                Kind::Identity
            }
            ("delay", _) => Kind::Delay {
                seconds: reading.number(units::seconds)?,
            },
            ("echo", _) => echo(&mut reading)?,
            ("room", Some(_)) => Kind::Room(Box::new(Shoebox::read(&mut reading)?)),
            ("room", None) => space(&space::ROOM, &mut reading)?,
            ("plate", _) => space(&space::PLATE, &mut reading)?,
            ("hall", _) => space(&space::HALL, &mut reading)?,
            ("cathedral", _) => space(&space::CATHEDRAL, &mut reading)?,
            _ => Kind::Filter(Filter::read(&mut reading, minimum_phase)?),
        };
        if minimum_phase && !matches!(kind, Kind::Filter(_)) {
            return Err(reading.no_filter());
        }
        reading.finish()?;
        Ok(Self {
            text: text.to_owned(),
            kind,
        })
    }
}

fn space(space: &Space, reading: &mut Reading) -> Result<Kind, IrError> {
    Ok(Kind::Space(Box::new(space.clone().with(reading)?)))
}

fn echo(reading: &mut Reading) -> Result<Kind, IrError> {
    let (time, feedback) = reading.both("a time and a feedback are needed")?;
    let seconds = reading.unit(units::seconds(time))?;
    let feedback = reading.unit(units::gain(feedback))?;
    if seconds == 0.0 {
        return Err(reading.usage("an echo needs a time above 0"));
    }
    if feedback.abs() >= 1.0 {
        return Err(reading.usage("a feedback of 1 (0 dB) or more never ends"));
    }
    Ok(Kind::Echo { seconds, feedback })
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
    fn every_parameter_of_the_catalogue_changes_what_comes_out() {
        for entry in catalogue() {
            let plain = render(entry.usage, 22_050).unwrap();
            let plain = plain.audio().channels();
            for parameter in entry.parameters {
                let text = format!("{},{}", entry.usage, parameter.usage);
                let ir = render(&text, 22_050).unwrap_or_else(|error| panic!("{error}"));
                assert_ne!(ir.audio().channels(), plain, "{text}");
                assert!(parameter.about.len() < 95, "{}", parameter.about);
            }
        }
    }

    #[test]
    fn what_was_assumed_is_told_for_every_recipe_that_assumes() {
        for entry in catalogue() {
            let lines = entry.usage.parse::<Recipe>().unwrap().assumed(rate(48_000));
            let lines = lines.unwrap().join("\n");
            let word = match entry.name() {
                "identity" | "delay" | "echo" => "",
                "room" | "hall" | "cathedral" | "plate" => "RT60 ",
                _ => " taps, ",
            };
            assert!(lines.contains(word), "{}: {lines}", entry.usage);
            assert_eq!(word.is_empty(), lines.is_empty(), "{}", entry.usage);
        }
    }

    #[test]
    fn a_room_too_short_for_eyring_says_so() {
        let told = |text: &str| {
            let lines = text.parse::<Recipe>().unwrap().assumed(rate(48_000));
            lines.unwrap().join("\n").contains("the images' own")
        };
        assert!(told("room=6x4x3,rt60=0.1"));
        assert!(!told("room=6x4x3,rt60=0.5") && !told("room=6x4x3,rt60=0.1,order=all"));
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
