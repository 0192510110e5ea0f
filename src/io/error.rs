//! What can go wrong at a port; every text names the file, the value and the way out.

use std::io;
use std::path::Path;

use thiserror::Error;

use crate::signal::SampleRate;

/// Why something could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
#[allow(missing_docs)] // each variant's message says it
pub enum ReadError {
    #[error("{file}: no such file; check the name")]
    Missing { file: String },
    #[error("{file}: is a folder; name a file in it")]
    Folder { file: String },
    #[error("{file}: no permission to read it; change its mode or copy it")]
    Denied { file: String },
    #[error("{file}: cannot be read: {source}; try a copy of it")]
    Io { file: String, source: io::Error },
    #[error("{file}: holds nothing at all; a WAV file was expected")]
    Nothing { file: String },
    #[error("{file}: not a WAV file, it {looks}; convert it to WAV first")]
    NotWav { file: String, looks: String },
    #[error("{file}: nothing that can be read here, it {looks}; {remedy}")]
    Unknown {
        file: String,
        looks: String,
        remedy: &'static str,
    },
    #[error("{file}: its WAV header is wrong: {what}; write the file anew from its origin")]
    Header { file: String, what: String },
    #[error("{file}: holds {what}; convert it to 16, 24 or 32-bit integer or float")]
    Unsupported { file: String, what: String },
    #[error("{file}: holds {what}, for which there is no decoder here; convert it to WAV first")]
    Codec { file: String, what: String },
    #[error("{file}: cannot be decoded at frame {frame}: {cause}; get a whole copy")]
    Decode {
        file: String,
        frame: u64,
        cause: String,
    },
    #[error(
        "{file}: cut short: the header promises {promised} bytes of samples, {found} are there; get a whole copy"
    )]
    Truncated {
        file: String,
        promised: u64,
        found: u64,
    },
    #[error(
        "{file}: cut short: its header promises {promised} frames, {found} are there; get a whole copy"
    )]
    Short {
        file: String,
        promised: u64,
        found: u64,
    },
    #[error("{file}: holds no samples; at least one frame is needed")]
    Empty { file: String },
    #[error("{file}: {what}; {remedy}")]
    Refused {
        file: String,
        what: String,
        remedy: String,
    },
    #[error("{one} has {rate} where {other} has {expected}; resample one of them first")]
    Rates {
        one: String,
        rate: SampleRate,
        other: String,
        expected: SampleRate,
    },
    #[error("{file}: {why}")]
    Response { file: String, why: String },
}

impl ReadError {
    pub(super) fn refused(
        file: impl Into<String>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let (file, what, remedy) = (file.into(), what.into(), remedy.into());
        Self::Refused { file, what, remedy }
    }

    /// Says what the operating system's error means for a file that was to be read.
    pub(crate) fn from_io(file: &str, source: io::Error) -> Self {
        let file = file.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::Missing { file },
            io::ErrorKind::IsADirectory => Self::Folder { file },
            io::ErrorKind::PermissionDenied => Self::Denied { file },
            _ => Self::Io { file, source },
        }
    }
}

/// Why something could not be written.
#[derive(Debug, Error)]
#[non_exhaustive]
#[allow(missing_docs)] // each variant's message says it
pub enum WriteError {
    #[error("{file}: exists already; pass -y to replace it, or choose another name")]
    Exists { file: String },
    #[error("{file}: is a folder; name a file in it")]
    Folder { file: String },
    #[error("{file}: the folder {folder} does not exist; make it first")]
    NoFolder { file: String, folder: String },
    #[error("{file}: no permission to write in {folder}; choose another folder")]
    Denied { file: String, folder: String },
    #[error("{file}: is write-protected; make it writable first, or choose another name")]
    Protected { file: String },
    #[error("{file}: is the same file as {other}; choose another name for the result")]
    SameFile { file: String, other: String },
    #[error("{file}: no space left; nothing was delivered; make room or write elsewhere")]
    Full { file: String },
    #[error(
        "{file}: grew past the size that the system allows; nothing was delivered; raise the limit or write elsewhere"
    )]
    SizeLimit { file: String },
    #[error("{file}: {why}; what was written before that stays; {remedy}")]
    Midway {
        file: String,
        why: String,
        remedy: &'static str,
    },
    #[error("{file}: the reader of the pipe has gone")]
    BrokenPipe { file: String },
    #[error("{file}: cannot be written: {source}; nothing was delivered")]
    Io { file: String, source: io::Error },
    #[error(
        "{file}: {channels} channels of {format} at {rate} Hz do not fit into a WAV header; use fewer channels or a lower rate"
    )]
    TooWide {
        file: String,
        channels: usize,
        format: String,
        rate: u32,
    },
    #[error("{file}: {what}; {remedy}")]
    Refused {
        file: String,
        what: String,
        remedy: String,
    },
}

impl WriteError {
    #[cfg(feature = "wav")]
    pub(super) fn refused(path: &Path, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        let file = path.display().to_string();
        let (what, remedy) = (what.into(), remedy.into());
        Self::Refused { file, what, remedy }
    }

    /// The same for what cannot be taken back.
    #[cfg(feature = "wav")]
    pub(super) fn from_pipe(path: &Path, source: io::Error) -> Self {
        let (file, why, remedy) = match Self::from_io(path, source) {
            Self::Full { file } => (file, "no space left".into(), "make room or write elsewhere"),
            Self::SizeLimit { file } => (
                file,
                "grew past the size that the system allows".into(),
                "raise the limit or write elsewhere",
            ),
            Self::Io { file, source } => {
                let why = format!("cannot be written: {source}");
                (file, why, "write elsewhere")
            }
            other => return other,
        };
        Self::Midway { file, why, remedy }
    }

    /// Says what the operating system's error means for a file that was to be written.
    pub(crate) fn from_io(path: &Path, source: io::Error) -> Self {
        let file = path.display().to_string();
        let folder = || match path.parent() {
            Some(parent) if parent != Path::new("") => parent.display().to_string(),
            _ => "this folder".to_owned(),
        };
        match source.kind() {
            io::ErrorKind::AlreadyExists => Self::Exists { file },
            io::ErrorKind::IsADirectory => Self::Folder { file },
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                if !path.parent().is_some_and(Path::is_dir) =>
            {
                let folder = folder();
                Self::NoFolder { file, folder }
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                let folder = folder();
                Self::Denied { file, folder }
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { file },
            io::ErrorKind::FileTooLarge => Self::SizeLimit { file },
            io::ErrorKind::BrokenPipe => Self::BrokenPipe { file },
            _ => Self::Io { file, source },
        }
    }
}
