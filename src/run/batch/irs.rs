//! The impulse responses of a batch.

use std::path::Path;

use super::draw::Fnv;
use super::find::{self, with_slashes};
use super::{BatchError, stamp};
use crate::io::{FileSource, Origin, ReadError};

/// The impulse responses of a batch, in the order in which they were named; those of a folder or a
/// pattern by their names.
#[derive(Debug, Default)]
pub struct Irs {
    all: Vec<Ir>,
}

/// One response: where it comes from, and what it is called in names of results.
#[derive(Debug)]
pub(super) struct Ir {
    pub origin: Origin,
    /// As it was given, or found.
    pub called: String,
    /// For `{ir}`.
    pub word: String,
    /// Changes when the response does.
    pub stamp: u64,
}

impl Irs {
    /// Without any.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what a name leads to: a recipe such as `synth:room`; the sounds of a folder and of all
    /// folders within; what fits a pattern; or else a response as `Origin` takes it.
    ///
    /// # Errors
    /// When nothing is there, or there is no such recipe.
    pub fn add(&mut self, name: &Path) -> Result<(), BatchError> {
        let origin = Origin::new(name)?;
        let many = match origin.file() {
            Some(file) => file.is_dir() || origin.files().iter().any(|file| !file.exists()),
            None => false,
        };
        if !many {
            self.all.push(Ir::new(origin, None)?);
            return Ok(());
        }
        // Lots are drawn among all of them, so all have to be there.
        let found = find::whole(name)?;
        for file in found.files {
            let path = found.root.join(&file);
            self.all.push(Ir::new(Origin::File(path), Some(&file))?);
        }
        Ok(())
    }

    /// Adds what an entry of a list names; whether it is there, that entry will tell.
    pub(super) fn add_named(&mut self, name: &Path) -> Result<u32, BatchError> {
        let origin = Origin::new(name)?;
        self.all.push(Ir::new(origin, None)?);
        Ok(self.all.len() as u32 - 1)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// True before anything was added.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn get(&self, at: u32) -> &Ir {
        &self.all[at as usize]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Ir> {
        self.all.iter()
    }
}

impl Ir {
    fn new(origin: Origin, found: Option<&Path>) -> Result<Self, BatchError> {
        if origin.reads_stdin() {
            return Err(BatchError::Read(ReadError::Response {
                file: "standard input".into(),
                why: "can be read only once, and a batch may need it at several rates; write it to a file first"
                    .into(),
            }));
        }
        let called = origin.to_string();
        let word = match (&origin, found) {
            (Origin::Recipe(_), _) => called.trim_start_matches("synth:").to_owned(),
            (_, Some(found)) => with_slashes(&FileSource::file(found).with_extension("")),
            (_, None) => {
                let stem = FileSource::file(Path::new(&called)).file_stem();
                stem.unwrap_or_default().to_string_lossy().into_owned()
            }
        };
        // A recipe is its name; a file lies where it does, however its path is written.
        let named = match &origin {
            Origin::Recipe(_) => Fnv::new().with_text(&called),
            Origin::File(_) => Fnv::new(),
        };
        let stamp = origin.files_as_written().fold(named, |hash, (file, how)| {
            hash.with_number(stamp::written(stamp::file(&file), &how))
        });
        Ok(Self {
            word: plain(&word),
            stamp: stamp.value(),
            origin,
            called,
        })
    }
}

/// Without what divides folders, or is nothing but trouble in a name.
fn plain(word: &str) -> String {
    let kept = |letter: char| letter.is_alphanumeric() || "-_.+,@= ".contains(letter);
    let word: String = word
        .chars()
        .map(|letter| if kept(letter) { letter } else { '_' })
        .collect();
    word.trim_start_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_has_a_word_for_names_and_a_stamp_of_its_own() {
        let mut irs = Irs::new();
        for recipe in ["synth:room", "synth:lowpass=3k", "synth:hall"] {
            irs.add(Path::new(recipe)).unwrap();
        }
        let words: Vec<_> = irs.iter().map(|ir| ir.word.as_str()).collect();
        assert_eq!(words, ["room", "lowpass=3k", "hall"]);
        assert!(irs.get(0).stamp != irs.get(2).stamp);
        assert!(irs.add(Path::new("synth:nonsense")).is_err());
        assert!(irs.add(Path::new("-")).is_err());
        assert_eq!(plain("big/hall:1"), "big_hall_1");
    }
}
