//! What was played: one sweep or period, how often, and what is known of it.

use std::fmt;
use std::str::FromStr;

use super::recognise::{chirp, periods, strokes};
use super::{MeasureError, Mls, MlsSetup, Sweep, SweepSetup};
use crate::ir::UnitError;
use crate::ir::units;
use crate::signal::{Audio, SampleRate};

/// What kind of signal an [`Excitation`] is.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// An exponential sweep.
    Sweep {
        /// First frequency in Hz.
        from: f64,
        /// Last frequency in Hz.
        to: f64,
        /// Seconds in which the frequency grows by e.
        growth: f64,
    },
    /// A maximum-length sequence, or anything else that repeats without a gap.
    Periodic,
    /// Anything else.
    Other,
}

/// A measuring signal as the deconvolution sees it. Made of a [`Sweep`], an [`Mls`], a recipe's
/// text or the samples of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Excitation {
    pub(super) rate: SampleRate,
    pub(super) kind: Kind,
    /// One sweep or period.
    pub(super) one: Vec<f64>,
    /// Frames of it before its first sound.
    pub(super) quiet: usize,
    /// Frames before the first.
    pub(super) lead: usize,
    /// Frames from the beginning of one to that of the next.
    pub(super) spacing: usize,
    /// How many are played; of a periodic one, the first is for settling.
    pub(super) plays: usize,
    /// Frames of silence after each, in which the response may ring out.
    pub(super) silence: usize,
}

impl Excitation {
    /// Recognises a signal by its samples: the first channel that is not silent. A file of
    /// [`Sweep`] or [`Mls`] is found out with its repeats; anything else is taken as it is, once.
    ///
    /// # Errors
    /// [`MeasureError::NoSignal`] where all is silent.
    pub fn recognise(played: &Audio<f32>) -> Result<Self, MeasureError> {
        let rate = played.rate();
        let sounds = |samples: &&Vec<f32>| samples.iter().any(|&x| x.is_finite() && x != 0.0);
        let samples = played.channels().iter().find(sounds);
        let samples = samples.ok_or(MeasureError::NoSignal)?;
        let samples: Vec<f64> = samples.iter().map(|&x| f64::from(x)).collect();
        if let Some((lead, frames, plays)) = periods(&samples) {
            return Ok(Self {
                rate,
                kind: Kind::Periodic,
                one: samples[lead..lead + frames].to_vec(),
                quiet: 0,
                lead,
                spacing: frames,
                plays,
                silence: samples.len() - lead - plays * frames,
            });
        }
        let strokes = strokes(&samples, rate);
        let one = samples[strokes.lead..strokes.lead + strokes.frames].to_vec();
        let kind = match chirp(&one, rate).filter(|chirp| chirp.exponential) {
            Some(chirp) => Kind::Sweep {
                from: chirp.from,
                to: chirp.to,
                growth: chirp.growth,
            },
            None => Kind::Other,
        };
        Ok(Self {
            rate,
            kind,
            one,
            quiet: strokes.quiet,
            lead: strokes.lead,
            spacing: strokes.spacing,
            plays: strokes.plays,
            silence: strokes.silence,
        })
    }

    /// Reads a recipe as [`SweepSetup`] and [`MlsSetup`] write it; without a rate in it, at
    /// `rate`.
    ///
    /// # Errors
    /// For a text that is no recipe, or a signal that cannot be made.
    pub fn recipe(text: &str, rate: SampleRate) -> Result<Self, MeasureError> {
        if text.starts_with("mls:") {
            Ok(Mls::new(MlsSetup::recipe(text, rate)?)?.into())
        } else {
            Ok(Sweep::new(SweepSetup::recipe(text, rate)?)?.into())
        }
    }

    /// Whether a text begins as a recipe does.
    pub fn is_recipe(text: &str) -> bool {
        text.starts_with("sweep:") || text.starts_with("mls:")
    }

    /// What kind of signal it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Frames per second.
    pub fn rate(&self) -> SampleRate {
        self.rate
    }

    /// Length of one sweep or period in frames.
    pub fn frames(&self) -> usize {
        self.one.len()
    }

    /// How many are listened to.
    pub fn repeats(&self) -> usize {
        match self.kind {
            Kind::Periodic => self.plays - 1,
            _ => self.plays,
        }
    }
}

impl From<&Sweep> for Excitation {
    fn from(sweep: &Sweep) -> Self {
        let setup = sweep.setup();
        let silence = setup.rate.frames(setup.silence);
        Self {
            rate: setup.rate,
            kind: Kind::Sweep {
                from: setup.from,
                to: setup.to,
                growth: setup.growth(),
            },
            one: sweep.one().to_vec(),
            quiet: 0,
            lead: silence,
            spacing: setup.frames() + silence,
            plays: setup.repeats,
            silence,
        }
    }
}

impl From<&Mls> for Excitation {
    fn from(mls: &Mls) -> Self {
        let setup = mls.setup();
        let silence = setup.rate.frames(setup.silence);
        Self {
            rate: setup.rate,
            kind: Kind::Periodic,
            one: mls.one().to_vec(),
            quiet: 0,
            lead: silence,
            spacing: setup.frames(),
            plays: setup.repeats + 1,
            silence,
        }
    }
}

impl From<Sweep> for Excitation {
    fn from(sweep: Sweep) -> Self {
        Self::from(&sweep)
    }
}

impl From<Mls> for Excitation {
    fn from(mls: Mls) -> Self {
        Self::from(&mls)
    }
}

impl fmt::Display for Excitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.rate.seconds(self.one.len());
        match self.kind {
            Kind::Sweep { from, to, growth } => {
                let seconds = growth * (to / from).ln();
                write!(
                    f,
                    "exponential sweep, {from:.0} Hz to {to:.0} Hz, {seconds:.3} s"
                )?;
            }
            Kind::Periodic => write!(f, "periods of {} frames", self.one.len())?,
            Kind::Other => write!(f, "signal of {seconds:.3} s")?,
        }
        write!(f, ", {} x", self.repeats())
    }
}

// ---------------------------------------------------------------- recipes, as text

impl fmt::Display for SweepSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "sweep:{}-{},{}s,level={},fade={}s/{}s,repeats={},silence={}s,rate={}",
            self.from,
            self.to,
            self.seconds,
            self.level,
            self.fade_in,
            self.fade_out,
            self.repeats,
            self.silence,
            self.rate.hz(),
        )
    }
}

impl fmt::Display for MlsSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "mls:{},level={},repeats={},silence={}s,rate={}",
            self.order,
            self.level,
            self.repeats,
            self.silence,
            self.rate.hz(),
        )
    }
}

impl SweepSetup {
    /// Reads `sweep:FROM-TO,SECONDS` and, as far as they are given, `level=`, `fade=IN/OUT`,
    /// `repeats=`, `silence=` and `rate=`; what is left out is as [`new`](Self::new) has it.
    ///
    /// # Errors
    /// For a text that is no such recipe.
    pub fn recipe(text: &str, rate: SampleRate) -> Result<Self, MeasureError> {
        let recipe = Recipe { text };
        let mut parts = recipe.parts("sweep:")?;
        let setup = Self::new(recipe.rate(&parts)?.unwrap_or(rate));
        let mut setup = match parts.remove(0).split_once('-') {
            Some((from, to)) => Self {
                from: recipe.unit(units::hertz(from))?,
                to: recipe.unit(units::hertz(to))?,
                ..setup
            },
            None => return Err(recipe.wrong("two frequencies are needed")),
        };
        for part in parts {
            match part.split_once('=') {
                None => setup.seconds = recipe.unit(units::seconds(part))?,
                Some(("level", value)) => setup.level = recipe.unit(units::gain(value))?,
                Some(("fade", value)) => {
                    let (fade_in, fade_out) = value.split_once('/').unwrap_or((value, value));
                    setup.fade_in = recipe.unit(units::seconds(fade_in))?;
                    setup.fade_out = recipe.unit(units::seconds(fade_out))?;
                }
                Some(("repeats", value)) => setup.repeats = recipe.count(value)?,
                Some(("silence", value)) => setup.silence = recipe.unit(units::seconds(value))?,
                Some(("rate", _)) => {}
                Some((other, _)) => {
                    return Err(recipe.wrong(format!("a sweep takes no `{other}`")));
                }
            }
        }
        Ok(setup)
    }
}

impl MlsSetup {
    /// Reads `mls:ORDER` and, as far as they are given, `level=`, `repeats=`, `silence=` and
    /// `rate=`; what is left out is as [`new`](Self::new) has it.
    ///
    /// # Errors
    /// For a text that is no such recipe.
    pub fn recipe(text: &str, rate: SampleRate) -> Result<Self, MeasureError> {
        let recipe = Recipe { text };
        let mut parts = recipe.parts("mls:")?;
        let mut setup = Self::new(recipe.rate(&parts)?.unwrap_or(rate));
        setup.order = recipe.count(parts.remove(0))? as u32;
        for part in parts {
            match part.split_once('=') {
                Some(("level", value)) => setup.level = recipe.unit(units::gain(value))?,
                Some(("repeats", value)) => setup.repeats = recipe.count(value)?,
                Some(("silence", value)) => setup.silence = recipe.unit(units::seconds(value))?,
                Some(("rate", _)) => {}
                _ => return Err(recipe.wrong(format!("a sequence takes no `{part}`"))),
            }
        }
        Ok(setup)
    }
}

impl FromStr for SweepSetup {
    type Err = MeasureError;

    /// As [`SweepSetup::recipe`], at 48 kHz unless it says otherwise.
    fn from_str(text: &str) -> Result<Self, MeasureError> {
        let rate = SampleRate::new(48_000);
        Self::recipe(text, rate.map_err(|_| MeasureError::NoSignal)?)
    }
}

/// A recipe's text on its way to a setup.
#[derive(Clone, Copy)]
struct Recipe<'a> {
    text: &'a str,
}

impl<'a> Recipe<'a> {
    /// What stands between the commas; at least one part.
    fn parts(self, prefix: &str) -> Result<Vec<&'a str>, MeasureError> {
        let text = self.text.trim().strip_prefix(prefix);
        let text = text.ok_or_else(|| self.wrong(format!("it does not begin with `{prefix}`")))?;
        Ok(text.split(',').map(str::trim).collect())
    }

    fn rate(self, parts: &[&str]) -> Result<Option<SampleRate>, MeasureError> {
        let given = parts.iter().find_map(|part| part.strip_prefix("rate="));
        let Some(text) = given else { return Ok(None) };
        let hz = self.unit(units::hertz(text))?;
        let whole = hz.fract() == 0.0 && hz <= f64::from(u32::MAX);
        let rate = SampleRate::new(if whole { hz as u32 } else { 0 });
        rate.map(Some)
            .map_err(|_| self.wrong(format!("`{text}` is no whole number of frames a second")))
    }

    fn count(self, text: &str) -> Result<usize, MeasureError> {
        let wrong = |_| self.wrong(format!("`{text}` is no number of them"));
        text.parse().map_err(wrong)
    }

    fn unit<T>(self, result: Result<T, UnitError>) -> Result<T, MeasureError> {
        result.map_err(|source| MeasureError::Unit {
            recipe: self.text.to_owned(),
            source,
        })
    }

    fn wrong(self, problem: impl Into<String>) -> MeasureError {
        MeasureError::Usage {
            recipe: self.text.to_owned(),
            problem: problem.into(),
        }
    }
}
