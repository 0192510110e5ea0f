//! A corpus through impulse responses: many files, many workers, one manifest.
//!
//! [`Corpus`] holds the sounds and [`Irs`] the responses. [`Batch::work`] settles which sound goes
//! through which response, under which name, and refuses what cannot end well before anything is
//! done; [`Work::run`] does it.
//!
//! Which response, which noise, from where and how loud: that hangs on [`Batch::seed`] and the
//! sound's key alone, its id or its path from the folder that was named, with `/` between the
//! steps; not on other files, their order, the number of workers or the shard. [`Draw`] tells how.
//! Four lots are drawn for each key, in this order and whether they are needed or not: the response,
//! the noise's file, the place in it, the ratio within its range. With [`Pick::All`] the key is
//! the sound's, a tab, and the response's word for names. [`Pick::Cycle`] goes by the place in the
//! list of all sounds instead, and so hangs on the others.

mod corpus;
mod crew;
mod draw;
mod error;
mod find;
mod irs;
mod list;
mod manifest;
mod name;
mod shelf;
mod stamp;
mod work;

use std::fmt;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::io::{Container, SampleFormat};
use crate::run::augment::Augment;

pub use corpus::Corpus;
pub use crew::{Event, Failed, Summary};
pub use draw::Draw;
pub use error::BatchError;
pub use irs::Irs;
pub use list::ListKind;
pub use manifest::{Made, Record};
pub use name::Template;
pub use work::{Again, Work};

/// How a sound's response is found among several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pick {
    /// By lot.
    #[default]
    Random,
    /// One after the other.
    Cycle,
    /// Each sound goes through all of them.
    All,
}

impl fmt::Display for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Random => "random",
            Self::Cycle => "cycle",
            Self::All => "all",
        })
    }
}

impl FromStr for Pick {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "random" => Ok(Self::Random),
            "cycle" => Ok(Self::Cycle),
            "all" => Ok(Self::All),
            _ => Err(format!(
                "there is no way to pick called `{text}`; there are random, cycle and all"
            )),
        }
    }
}

/// A part of the work, for one of several machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    number: u32,
    of: u32,
}

impl Default for Shard {
    /// All of it.
    fn default() -> Self {
        Self { number: 1, of: 1 }
    }
}

impl Shard {
    /// The share with this number, from 1, of so many; none where there is no such share.
    pub fn new(number: u32, of: u32) -> Option<Self> {
        (1..=of).contains(&number).then_some(Self { number, of })
    }

    /// Whether it is all of the work.
    pub fn is_whole(self) -> bool {
        self.of == 1
    }

    /// Whether the task with this index, from 0, belongs to it.
    pub fn has(self, index: u32) -> bool {
        index % self.of == self.number - 1
    }

    /// The manifest's usual name.
    fn manifest(self) -> String {
        match self.of {
            1 => "faltung.jsonl".to_owned(),
            _ => format!("faltung.{}-of-{}.jsonl", self.number, self.of),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/');
        let numbers = parts.and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        let shard = numbers.and_then(|(number, of)| Self::new(number, of));
        shard.ok_or_else(|| {
            format!("`{text}` is no shard; write for example `2/8`, the second of eight, from `1/8` to `8/8`")
        })
    }
}

/// Noise that is added to results.
#[derive(Debug, Clone, PartialEq)]
pub struct NoiseRange {
    /// Where it comes from, a file for each result by lot.
    pub files: Vec<PathBuf>,
    /// Least and largest ratio to the noise in dB; by lot in between.
    pub snr_db: (f64, f64),
}

impl NoiseRange {
    /// Finds the files: sounds of folders, what fits patterns, or single files.
    ///
    /// # Errors
    /// When nothing is there.
    pub fn find(names: &[PathBuf], snr_db: (f64, f64)) -> Result<Self, BatchError> {
        let mut files = Vec::new();
        for name in names {
            let found = find::whole(name)?;
            files.extend(found.files.iter().map(|file| found.root.join(file)));
        }
        Ok(Self { files, snr_db })
    }
}

/// What becomes of results that are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Earlier {
    /// They stay, and are errors; a manifest is refused.
    #[default]
    Keep,
    /// They are replaced; the manifest begins anew.
    Replace,
    /// Those that the manifest tells of and that are still right are left alone, others replaced.
    Resume,
}

/// What is to be done with a corpus.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Folder of the results.
    pub out: PathBuf,
    /// Names of results below it; by the input's path or its id if not given.
    pub name: Option<Template>,
    /// Where the manifest is written; `faltung.jsonl` among the results if not given.
    pub manifest: Option<PathBuf>,
    /// Where a Kaldi `wav.scp` of the results is written at the end; of a shard with its number in
    /// the name.
    pub scp: Option<PathBuf>,
    /// How responses are found.
    pub pick: Pick,
    /// Settles all lots.
    pub seed: u64,
    /// Which part of the work is done.
    pub shard: Shard,
    /// Files that are worked on at a time.
    pub jobs: NonZeroUsize,
    /// What becomes of earlier results.
    pub earlier: Earlier,
    /// Stop at the first failure.
    pub fail_fast: bool,
    /// What is done with each file.
    pub how: Augment,
    /// Noise that is added.
    pub noise: Option<NoiseRange>,
    /// Kind of the results' files; the input's where it can be written, or WAV, if not given.
    pub container: Option<Container>,
    /// Sample format of the results; the input's, or the nearest, if not given.
    pub format: Option<SampleFormat>,
}

impl Batch {
    /// Everything as it usually is, with results in this folder.
    pub fn into_folder(out: impl AsRef<Path>) -> Self {
        Self {
            out: out.as_ref().to_owned(),
            name: None,
            manifest: None,
            scp: None,
            pick: Pick::default(),
            seed: 0,
            shard: Shard::default(),
            jobs: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            earlier: Earlier::default(),
            fail_fast: false,
            how: Augment::default(),
            noise: None,
            container: None,
            format: None,
        }
    }

    /// Where the manifest is written.
    pub fn manifest(&self) -> PathBuf {
        let usual = || self.out.join(self.shard.manifest());
        self.manifest.clone().unwrap_or_else(usual)
    }

    /// Where the list of the results is written: of a shard `wav.2-of-8.scp` for `wav.scp`.
    pub fn scp(&self) -> Option<PathBuf> {
        let scp = self.scp.clone()?;
        if self.shard.is_whole() {
            return Some(scp);
        }
        let mut name = scp.file_stem().unwrap_or_default().to_owned();
        name.push(format!(".{}-of-{}", self.shard.number, self.shard.of));
        if let Some(extension) = scp.extension() {
            name.push(".");
            name.push(extension);
        }
        Some(scp.with_file_name(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_counts_from_one() {
        let shard: Shard = "2/3".parse().unwrap();
        let mine: Vec<u32> = (0..7).filter(|&index| shard.has(index)).collect();
        assert_eq!(mine, [1, 4]);
        assert_eq!(shard.manifest(), "faltung.2-of-3.jsonl");
        for wrong in ["0/3", "4/3", "1", "1/0", "a/b", "-1/2", ""] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}
