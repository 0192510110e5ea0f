//! Why a whole batch cannot be begun, or has to stop; what befalls one file is that file's record.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::io::{Container, ReadError, WriteError};
use crate::ir::IrError;

/// Why a batch cannot be begun, or has to stop.
#[derive(Debug, Error)]
#[non_exhaustive]
#[allow(missing_docs)] // each variant's message says it
pub enum BatchError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Recipe(#[from] IrError),
    #[error("{}: {why}", file.display())]
    Walk { file: PathBuf, why: String },
    #[error("{pattern}: is no pattern: {why}; a file of this name does not exist either")]
    Pattern { pattern: String, why: String },
    #[error("{pattern}: nothing fits this pattern")]
    NothingFits { pattern: String },
    #[error(
        "{}: no sound lies here; taken are the extensions {extensions}, and a pattern such as '{}/**/*.xyz' takes others",
        folder.display(),
        folder.display()
    )]
    NoSound { folder: PathBuf, extensions: String },
    #[error(
        "{pattern}: all that fits this pattern lies in {}, where the results go; choose another --out",
        folder.display()
    )]
    OnlyResults { pattern: String, folder: PathBuf },
    #[error("there is nothing to be done: no sound was named")]
    NoInput,
    #[error("{input}: has no impulse response; name one with --ir, or in the list as `ir`")]
    NoIr { input: String },
    #[error("{list}, line {line}: {why}")]
    List {
        list: String,
        line: u64,
        why: String,
    },
    #[error("{list}: {why}")]
    WholeList { list: String, why: String },
    #[error("the name `{template}`: {why}")]
    Template { template: String, why: String },
    #[error(
        "{one} and {other}: both would become {out}; tell them apart with --name, such as --name '{{dir}}/{{stem}}.{{index}}.{{ext}}' (or by `out`, in a list)"
    )]
    Twice {
        one: String,
        other: String,
        out: String,
    },
    #[error(
        "{out}: would replace {input}, which is read; choose another --out or --name (or --manifest, --scp)"
    )]
    OverInput { out: String, input: String },
    #[error(
        "{}: would be filled while it is read; let the results go to another folder, also one within it",
        folder.display()
    )]
    Same { folder: PathBuf },
    #[error(
        "{}: tells of an earlier run; --resume goes on with it, -y begins anew, and --manifest names another file",
        file.display()
    )]
    ManifestExists { file: PathBuf },
    #[error("{}: another run is writing it; wait for its end, or name another file with --manifest", file.display())]
    ManifestBusy { file: PathBuf },
    #[error(
        "{}: is no manifest of a batch, and stays as it is; name another file with --manifest",
        file.display()
    )]
    NoManifest { file: PathBuf },
    #[error(
        "{file}: would be {one} and {other} at once; choose another --manifest, --scp or --name"
    )]
    Met {
        file: String,
        one: &'static str,
        other: &'static str,
    },
    #[error(
        "{}: is no list of results in the folder of --out, and stays as it is; name another file with --scp",
        file.display()
    )]
    NoList { file: PathBuf },
    #[error("{}: is a file, not a folder; choose another --out", folder.display())]
    NotFolder { folder: PathBuf },
    #[error(
        "{file}: is there, but {why}; move it away or choose another --out, or begin anew with -y instead of --resume, which replaces it (results of unknown origin: {count})"
    )]
    Unknown {
        file: String,
        why: String,
        count: usize,
    },
    #[error(
        "{one} and {other}: both would have the id `{id}` in {scp}; give them ids in a list, or names that differ with --name"
    )]
    SameId {
        one: String,
        other: String,
        id: String,
        scp: String,
    },
    #[error(
        "{out:?}: holds the end of a line, which {scp} cannot hold; name it otherwise with --name, or leave --scp out"
    )]
    TwoLines { out: String, scp: String },
    #[error("{out}: is named as {named}, but would be {kind}; change --type or the name")]
    Kinds {
        out: String,
        named: Container,
        kind: Container,
    },
    #[error(
        "{out}: the name has {bytes} bytes, and 255 at most can be written; shorten it with --name"
    )]
    LongName { out: String, bytes: usize },
    #[error("{}: {why}; --manifest names another file", file.display())]
    Manifest { file: PathBuf, why: std::io::Error },
    #[error("there are more than {most} tasks; divide the inputs")]
    TooMany { most: u32 },
}

impl BatchError {
    pub(super) fn manifest(file: &Path) -> impl Fn(std::io::Error) -> Self {
        move |why| Self::Manifest {
            file: file.to_owned(),
            why,
        }
    }
}
