//! What results are called: a template with the parts of the input's name.

use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use super::BatchError;
use crate::io::Container;

/// How the names of results are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Dir,
    Stem,
    Ext,
    Ir,
    Id,
    Index,
}

const KNOWN: [(&str, Piece); 6] = [
    ("dir", Piece::Dir),
    ("stem", Piece::Stem),
    ("ext", Piece::Ext),
    ("ir", Piece::Ir),
    ("id", Piece::Id),
    ("index", Piece::Index),
];

/// What stands for the words in braces.
#[derive(Debug, Clone, Default)]
pub(super) struct Parts {
    pub dir: OsString,
    pub stem: OsString,
    pub ext: String,
    pub ir: String,
    pub id: OsString,
    pub index: u64,
}

impl Template {
    /// Reads `{dir}/{stem}.{ext}` and the like; there are `dir`, `stem`, `ext`, `ir`, `id` and
    /// `index`.
    ///
    /// # Errors
    /// For a word in braces that means nothing here, or a brace without its other half.
    pub fn new(text: &str) -> Result<Self, BatchError> {
        let refuse = |why: String| BatchError::Template {
            template: text.to_owned(),
            why,
        };
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find(['{', '}']) {
            if open > 0 {
                pieces.push(Piece::Text(rest[..open].to_owned()));
            }
            let close = rest[open..].find('}').filter(|&close| close > 0);
            let Some(close) = close.map(|close| open + close) else {
                return Err(refuse("a brace lacks its other half".into()));
            };
            let word = &rest[open + 1..close];
            let Some((_, piece)) = KNOWN.iter().find(|(name, _)| *name == word) else {
                return Err(refuse(format!(
                    "`{{{word}}}` means nothing; there are {{dir}}, {{stem}}, {{ext}}, {{ir}}, {{id}} and {{index}}"
                )));
            };
            pieces.push(piece.clone());
            rest = &rest[close + 1..];
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        if text.is_empty() {
            return Err(refuse("it is empty".into()));
        }
        Ok(Self {
            text: text.to_owned(),
            pieces,
        })
    }

    /// The kind of file that its end names, if it does.
    pub(crate) fn container(&self) -> Option<Container> {
        match self.pieces.last()? {
            // What stands before it may be what makes an extension of it.
            Piece::Text(text) => Container::of(Path::new(&format!("x{text}"))),
            _ => None,
        }
    }

    /// The name of a result, relative to the folder of all.
    pub(super) fn fill(&self, parts: &Parts) -> Result<PathBuf, BatchError> {
        let mut name = OsString::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => name.push(text),
                Piece::Dir => name.push(&parts.dir),
                Piece::Stem => name.push(&parts.stem),
                Piece::Ext => name.push(&parts.ext),
                Piece::Ir => name.push(&parts.ir),
                Piece::Id => name.push(&parts.id),
                Piece::Index => name.push(format!("{:06}", parts.index)),
            }
        }
        within(&name).map_err(|why| BatchError::Template {
            template: self.text.clone(),
            why,
        })
    }
}

/// A name below a folder; an empty folder's name between two slashes is left out.
pub(super) fn within(name: impl AsRef<OsStr>) -> Result<PathBuf, String> {
    let name = name.as_ref();
    let bytes = name.as_encoded_bytes();
    let refuse = |why: &str| Err(format!("`{}` {why}", name.display()));
    let mut path = PathBuf::new();
    for step in Path::new(name).components() {
        match step {
            Component::Normal(step) => path.push(step),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                return refuse("leads out of the folder of the results");
            }
        }
    }
    if bytes.contains(&0) {
        return refuse("leads out of the folder of the results");
    }
    if path.as_os_str().is_empty() || bytes.ends_with(b"/") {
        return refuse("is no name of a file");
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> Parts {
        Parts {
            dir: "anna/one".into(),
            stem: "a".into(),
            ext: "wav".into(),
            ir: "hall".into(),
            id: "utt-1".into(),
            index: 12,
        }
    }

    #[test]
    fn words_in_braces_become_what_they_stand_for() {
        let filled = |text: &str, parts: &Parts| Template::new(text).unwrap().fill(parts).unwrap();
        assert_eq!(
            filled("{dir}/{stem}.{ir}.{ext}", &parts()),
            PathBuf::from("anna/one/a.hall.wav")
        );
        assert_eq!(
            filled("x{index}-{id}", &parts()),
            PathBuf::from("x000012-utt-1")
        );
        let flat = Parts {
            dir: OsString::new(),
            ..parts()
        };
        assert_eq!(filled("{dir}/{stem}.{ext}", &flat), PathBuf::from("a.wav"));
    }

    #[test]
    fn what_means_nothing_or_leads_away_is_refused() {
        for wrong in ["{what}", "{", "a}", "{dir", "{}", ""] {
            assert!(Template::new(wrong).is_err(), "{wrong}");
        }
        for wrong in ["../{stem}", "{dir}/../../{stem}", "{dir}/", "/", "."] {
            let filled = Template::new(wrong).unwrap().fill(&parts());
            assert!(filled.is_err(), "{wrong}: {filled:?}");
        }
    }
}
