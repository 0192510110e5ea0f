//! Where an impulse response comes from: a file, or a recipe.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use thiserror::Error;

use super::{ReadError, Response};
use crate::ir::{ImpulseResponse, IrError, Recipe};
use crate::signal::SampleRate;

/// Where a response can be loaded from, as often as needed: `hall.wav` or `synth:hall`.
#[derive(Debug, Clone, PartialEq)]
pub enum Origin {
    /// A file or several, by a name as [`Response::read`] takes it; `-` is the standard input,
    /// which can be read only once.
    File(PathBuf),
    /// What stands behind `synth:`.
    Recipe(Recipe),
}

impl Origin {
    /// From a path as it was given: with `synth:` before it, it is a recipe.
    ///
    /// # Errors
    /// For a recipe that does not exist, or values it does not take.
    pub fn new(path: &Path) -> Result<Self, IrError> {
        let recipe = path.to_str().and_then(|ir| ir.strip_prefix("synth:"));
        match recipe {
            Some(recipe) => recipe.parse().map(Self::Recipe),
            None => Ok(Self::File(path.to_owned())),
        }
    }

    /// The name of the file or the files, if it is no recipe.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(file) => Some(file),
            Self::Recipe(_) => None,
        }
    }

    /// The files that the name stands for, as they are there now; none for a recipe.
    pub fn files(&self) -> Vec<PathBuf> {
        self.files_as_written().map(|(file, _)| file).collect()
    }

    /// The same with what is written behind each.
    pub(crate) fn files_as_written(&self) -> impl Iterator<Item = (PathBuf, String)> {
        let files = self.file().map(Response::files);
        files.unwrap_or_default().into_iter()
    }

    /// Whether it is read from the standard input, alone or with other files.
    pub fn reads_stdin(&self) -> bool {
        self.files().iter().any(|file| file == Path::new("-"))
    }

    /// Reads or makes the response at the rate of a stream.
    ///
    /// # Errors
    /// When the file cannot be read, or the response cannot be brought to the rate.
    pub fn load(&self, rate: SampleRate) -> Result<Loaded, LoadError> {
        self.load_as_it_is(rate)?.at(rate)
    }

    /// Reads the response at the file's own rate, or makes a recipe's at `rate`.
    ///
    /// # Errors
    /// When the file cannot be read, or the recipe cannot be made at the rate.
    pub fn load_as_it_is(&self, rate: SampleRate) -> Result<Loaded, LoadError> {
        let (ir, assumed) = match self {
            Self::Recipe(recipe) => (recipe.render(rate)?, Vec::new()),
            Self::File(file) => {
                let Response { ir, notes } = Response::read(file)?;
                (ir, notes)
            }
        };
        let measured = (ir.rate(), ir.frames());
        let silence = silence(&ir);
        Ok(Loaded {
            ir,
            measured,
            silence,
            assumed,
        })
    }
}

impl FromStr for Origin {
    type Err = IrError;

    fn from_str(text: &str) -> Result<Self, IrError> {
        Self::new(Path::new(text))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => file.display().fmt(f),
            Self::Recipe(recipe) => write!(f, "{recipe}"),
        }
    }
}

/// A response at the rate of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The response.
    pub ir: ImpulseResponse,
    /// Rate and length before it was resampled.
    pub measured: (SampleRate, usize),
    /// Seconds before the first tap within 60 dB of the largest; none where all are 0.
    pub silence: Option<f64>,
    /// What was assumed when it was read, for people, a line each.
    pub assumed: Vec<String>,
}

fn silence(ir: &ImpulseResponse) -> Option<f64> {
    let channels = ir.audio().channels();
    let taps = channels.iter().flatten();
    let peak = taps.fold(0.0f32, |peak, tap| peak.max(tap.abs()));
    let sounds = |tap: &f32| tap.abs() > 1e-3 * peak;
    let first = channels
        .iter()
        .filter_map(|taps| taps.iter().position(sounds))
        .min();
    first.map(|frame| ir.rate().seconds(frame))
}

impl Loaded {
    /// The same at another rate.
    ///
    /// # Errors
    /// When the response cannot be brought to it.
    pub fn at(&self, rate: SampleRate) -> Result<Self, LoadError> {
        let ir = self.ir.clone().resample(rate);
        let ir = ir.map_err(|source| LoadError::Resample {
            name: self.ir.name().to_owned(),
            source,
        })?;
        Ok(Self {
            ir,
            measured: self.measured,
            silence: self.silence,
            assumed: self.assumed.clone(),
        })
    }

    /// What was assumed, and what people would take for a fault if nobody told: a response whose
    /// sound begins late delays everything, and a silent one silences it.
    pub fn notes(&self) -> Vec<String> {
        let name = self.ir.name();
        let silence = match self.silence {
            None => Some(format!(
                "{name}: the impulse response is silent, and so is the result"
            )),
            Some(silence) if silence >= 5e-3 => Some(format!(
                "{name}: begins with {:.1} ms of silence, kept as pre-delay",
                1e3 * silence
            )),
            Some(_) => None,
        };
        self.assumed.iter().cloned().chain(silence).collect()
    }

    /// The rate it was resampled from, if it was.
    pub fn resampled_from(&self) -> Option<SampleRate> {
        Some(self.measured.0).filter(|&from| from != self.ir.rate())
    }
}

/// Why a response could not be loaded.
#[derive(Debug, Error)]
#[non_exhaustive]
#[allow(missing_docs)] // each variant's message says it
pub enum LoadError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Recipe(#[from] IrError),
    #[error("{name}: {source}")]
    Resample { name: String, source: IrError },
}
