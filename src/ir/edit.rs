//! Operations on an impulse response, as people write them: `trim`, `decay=0.7`, `normalize=energy`.
//!
//! Each is a method of [`ImpulseResponse`] too. Channels are treated as one set: what is cut is
//! cut in all of them, what is raised is raised in all of them. Times, gains and filters mean the
//! same at every rate.

mod channels;
mod curve;
mod decay;
mod eq;
mod error;
mod fade;
mod invert;
mod level;
mod noise;
mod phase;
#[cfg(feature = "resample")]
mod rate;
mod reading;
mod split;
mod time;
mod trim;

use std::fmt;
use std::str::FromStr;

use super::units;
use super::{ImpulseResponse, IrError};
use crate::signal::SampleRate;
pub use curve::Curve;
pub use decay::{DecayChange, DecayFactor};
pub use eq::EqBand;
pub use error::EditError;
pub use fade::{Over, Shape, Window};
pub use invert::{Inversion, Inverted, Phase};
pub use level::Norm;
pub use noise::NoisePoint;
pub use split::Split;
pub use trim::Trim;

use channels::Mix;
use invert::Invert;
use reading::Reading;

/// Longest response that an operation makes, in seconds.
const LONGEST: f64 = 600.0;

/// One line of [`catalogue`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatalogueEntry {
    /// An example that works as it stands.
    pub usage: &'static str,
    /// What it does and what else it takes, on one line.
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

/// Every operation there is, with examples.
pub fn catalogue() -> &'static [CatalogueEntry] {
    const {
        &[
            CatalogueEntry::new("trim", "drop the pre-delay; 1 ms stays before the onset"),
            CatalogueEntry::new(
                "trim=keep:5ms,end:-80dB",
                "keep 5 ms of it; end at -80 dB (`trim=end`: at -100 dB)",
            ),
            CatalogueEntry::new(
                "trim-noise",
                "end where the decay meets its noise (Lundeby), falling on as before",
            ),
            CatalogueEntry::new("fade-in=5ms", "half a cosine over the first frames"),
            CatalogueEntry::new("fade-out=50ms", "half a cosine over the last frames"),
            CatalogueEntry::new(
                "window=hann",
                "falling from the onset to the end; hamming, blackman, kaiser:9",
            ),
            CatalogueEntry::new(
                "window=tukey:0.2,20ms",
                "a gate that ends 20 ms after the onset; `whole`: over all of it",
            ),
            CatalogueEntry::new("gain=-3dB", "or, as a factor, 0.5"),
            CatalogueEntry::new("polarity", "turn the sign of every tap"),
            CatalogueEntry::new(
                "normalize=energy",
                "white noise passes at 0 dB; also peak, l1 (never clips), loudness",
            ),
            CatalogueEntry::new("normalize=peak:-1dB", "any of them to another level"),
            #[cfg(feature = "resample")]
            CatalogueEntry::new("resample=96k", "the same filter at another rate"),
            CatalogueEntry::new("reverse", "last frame first"),
            #[cfg(feature = "resample")]
            CatalogueEntry::new(
                "stretch=1.5",
                "slower, as a tape: times longer, pitch lower",
            ),
            CatalogueEntry::new("decay=0.7", "RT60 times 0.7, in every octave"),
            CatalogueEntry::new("decay=125:1.2,4k:0.5", "times 1.2 at 125 Hz, 0.5 at 4 kHz"),
            CatalogueEntry::new("predelay=20ms", "silence in front"),
            CatalogueEntry::new("length=500ms", "cut, or silence at the end, to this length"),
            CatalogueEntry::new(
                "eq=lowcut:80,highcut:8k:24dB,tilt:-1dB",
                "12 dB per octave unless told; tilt per octave, around 1 kHz",
            ),
            CatalogueEntry::new(
                "eq=peak:1k:-3dB:q2,lowshelf:200:+2dB,highshelf:6k:-4dB,notch:50",
                "frequency, gain, q",
            ),
            CatalogueEntry::new("minimum-phase", "the same magnitude with the least delay"),
            CatalogueEntry::new(
                "linear-phase",
                "the same magnitude, symmetric, half its length late",
            ),
            CatalogueEntry::new(
                "invert=band:40-16k,max:12dB",
                "the filter that undoes the response there; length:200ms",
            ),
            CatalogueEntry::new(
                "invert=phase:min,smooth:1/6,target:tilt:-1dB",
                "min, linear: its magnitude alone; target:FILE of lines of Hz and dB",
            ),
            CatalogueEntry::new("mono", "the mean of all channels"),
            CatalogueEntry::new("channel=1", "one channel alone"),
            CatalogueEntry::new("width=1.5", "0 is mono, 1 as it is, 2 twice as wide"),
            CatalogueEntry::new(
                "mix=synth:room,30%",
                "30 % of another response, 70 % of this one",
            ),
            CatalogueEntry::new(
                "mix=synth:delay=1ms,-6dB",
                "another response added at -6 dB",
            ),
            CatalogueEntry::new("early=80ms", "what comes up to 80 ms after the onset"),
            CatalogueEntry::new(
                "late=80ms,fade:5ms",
                "the rest: early and late add up to the whole",
            ),
        ]
    }
}

/// Where an operation gets what it names. `()` has nothing.
pub trait Supply {
    /// The response of a name, at its own rate; a recipe's at `rate`.
    ///
    /// # Errors
    /// The reason, with the name in it.
    fn response(&mut self, name: &str, rate: SampleRate) -> Result<ImpulseResponse, String> {
        let _ = rate;
        Err(format!("`{name}` cannot be loaded here"))
    }

    /// The target curve of a name.
    ///
    /// # Errors
    /// The reason, with the name in it.
    fn curve(&mut self, name: &str) -> Result<Curve, String> {
        Err(format!("`{name}` cannot be loaded here"))
    }
}

impl Supply for () {}

/// One change to a response, read from text.
///
/// ```
/// # use faltung::{SampleRate, ir::{Recipe, edit::Operation}};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hall = "hall".parse::<Recipe>()?.render(SampleRate::new(48_000)?)?;
/// let (short, done) = "decay=0.5".parse::<Operation>()?.apply(hall, &mut ())?;
/// assert_eq!(short.frames(), 72_000);
/// assert!(done.contains("144000 frames (3.000 s) -> 72000 frames"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Trim(Trim),
    TrimNoise,
    FadeIn(f64),
    FadeOut(f64),
    Window(Window),
    Gain(f64),
    Normalize(Norm, f64),
    #[cfg(feature = "resample")]
    Resample(SampleRate),
    #[cfg(feature = "resample")]
    Stretch(f64),
    Reverse,
    Decay(DecayFactor),
    Predelay(f64),
    Length(f64),
    Eq(Vec<EqBand>),
    MinimumPhase,
    LinearPhase,
    Invert(Invert),
    Mono,
    Channel(usize),
    Width(f64),
    Mix(Mix),
    Early(Split),
    Late(Split),
}

impl Operation {
    /// Changes a response; tells in one line what it did, in numbers.
    ///
    /// # Errors
    /// Where the response does not allow it, or `supply` does not have what it names.
    pub fn apply(
        &self,
        ir: ImpulseResponse,
        supply: &mut dyn Supply,
    ) -> Result<(ImpulseResponse, String), EditError> {
        let done = match &self.kind {
            Kind::Trim(trim) => trim.run(ir),
            Kind::TrimNoise => noise::trim(ir),
            Kind::FadeIn(seconds) => fade::fade_in(ir, *seconds),
            Kind::FadeOut(seconds) => fade::fade_out(ir, *seconds),
            Kind::Window(window) => window.run(ir),
            Kind::Gain(factor) => level::gain(ir, *factor),
            Kind::Normalize(norm, db) => level::normalize(ir, *norm, *db),
            #[cfg(feature = "resample")]
            Kind::Resample(rate) => rate::resample(ir, *rate),
            #[cfg(feature = "resample")]
            Kind::Stretch(factor) => rate::stretch(ir, *factor),
            Kind::Reverse => time::reverse(ir),
            Kind::Decay(factor) => decay::change(ir, factor),
            Kind::Predelay(seconds) => time::predelay(ir, *seconds),
            Kind::Length(seconds) => time::set_length(ir, *seconds),
            Kind::Eq(bands) => eq::equalize(ir, bands),
            Kind::MinimumPhase => phase::minimum(ir),
            Kind::LinearPhase => phase::linear(ir),
            Kind::Invert(invert) => invert.run(ir, supply),
            Kind::Mono => channels::mono(ir),
            Kind::Channel(index) => channels::only(ir, *index),
            Kind::Width(factor) => channels::width(ir, *factor),
            Kind::Mix(mix) => mix.run(ir, supply),
            Kind::Early(split) => split::early(ir, *split),
            Kind::Late(split) => split::late(ir, *split),
        };
        done.map_err(|error| match error {
            EditError::Response(IrError::NotFinite { .. }) => EditError::Overflow {
                operation: self.text.clone(),
            },
            other => other,
        })
    }
}

impl fmt::Display for Operation {
    /// As it was written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Operation {
    type Err = EditError;

    fn from_str(text: &str) -> Result<Self, EditError> {
        let reading = Reading::new(text);
        let kind = match reading.name {
            "trim" => Kind::Trim(Trim::read(&reading)?),
            "trim-noise" => reading.plain(Kind::TrimNoise)?,
            "fade-in" => Kind::FadeIn(reading.number(units::seconds)?),
            "fade-out" => Kind::FadeOut(reading.number(units::seconds)?),
            "window" => Kind::Window(Window::read(&reading)?),
            "gain" => Kind::Gain(reading.number(units::gain)?),
            "polarity" => reading.plain(Kind::Gain(-1.0))?,
            "normalize" => {
                let (norm, db) = level::read(&reading)?;
                Kind::Normalize(norm, db)
            }
            #[cfg(feature = "resample")]
            "resample" => Kind::Resample(rate::read(&reading)?),
            #[cfg(feature = "resample")]
            "stretch" => Kind::Stretch(rate::read_factor(&reading)?),
            "reverse" => reading.plain(Kind::Reverse)?,
            "decay" => Kind::Decay(DecayFactor::read(&reading)?),
            "predelay" => Kind::Predelay(reading.number(units::seconds)?),
            "length" => match reading.number(units::seconds)? {
                0.0 => return Err(reading.usage("a length above 0 is needed")),
                seconds => Kind::Length(seconds),
            },
            "eq" => Kind::Eq(eq::read(&reading)?),
            "minimum-phase" => reading.plain(Kind::MinimumPhase)?,
            "linear-phase" => reading.plain(Kind::LinearPhase)?,
            "invert" => Kind::Invert(Invert::read(&reading)?),
            "mono" => reading.plain(Kind::Mono)?,
            "channel" => match reading.value()?.parse::<usize>() {
                Ok(channel) if channel > 0 => Kind::Channel(channel - 1),
                _ => return Err(reading.usage("channels are counted 1, 2, 3")),
            },
            "width" => {
                let problem = "a width lies between 0 and 2";
                let factor = reading.factor(reading.value()?)?;
                Kind::Width(reading.within(factor, 0.0, 2.0, problem)?)
            }
            "mix" => Kind::Mix(Mix::read(&reading)?),
            "early" => Kind::Early(Split::read(&reading)?),
            "late" => Kind::Late(Split::read(&reading)?),
            name => return Err(unknown(name)),
        };
        Ok(Self {
            text: reading.text.to_owned(),
            kind,
        })
    }
}

fn unknown(name: &str) -> EditError {
    let mut known: Vec<&str> = catalogue().iter().map(CatalogueEntry::name).collect();
    known.dedup();
    EditError::Unknown {
        name: name.to_owned(),
        known: known.join(", "),
    }
}

fn check_length(operation: &'static str, seconds: f64) -> Result<(), EditError> {
    if seconds <= LONGEST {
        return Ok(());
    }
    Err(EditError::TooLong {
        operation,
        seconds,
        most: LONGEST,
    })
}

/// All channels in f64.
fn wide(ir: &ImpulseResponse) -> Vec<Vec<f64>> {
    let wide = |taps: &Vec<f32>| taps.iter().map(|&tap| f64::from(tap)).collect();
    ir.audio().channels().iter().map(wide).collect()
}

impl ImpulseResponse {
    /// The same name over channels made of all channels at once, in f64.
    fn across(self, change: impl FnOnce(Vec<Vec<f64>>) -> Vec<Vec<f64>>) -> Result<Self, IrError> {
        let channels = change(wide(&self));
        Ok(Self::from_wide(self.rate(), channels)?.named(self.name()))
    }
}

/// `480 frames (10.00 ms)`.
fn frames(count: usize, rate: SampleRate) -> String {
    let seconds = rate.seconds(count);
    let time = if seconds < 1.0 {
        format!("{:.2} ms", 1e3 * seconds)
    } else {
        format!("{seconds:.3} s")
    };
    format!("{} ({time})", counted(count, "frame"))
}

/// `1 frame`, `2 frames`.
fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// `+3.0 dB`.
fn signed(db: f64) -> String {
    let rounded = (db * 10.0).round() / 10.0;
    format!("{:+.1} dB", if rounded == 0.0 { 0.0 } else { rounded })
}

#[cfg(test)]
mod tests;
