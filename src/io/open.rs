//! A file or a pipe, opened, with a look at how it begins.

use std::fs::File;
use std::io::{self, Chain, Cursor, Read, Seek};
use std::path::Path;

use super::ReadError;

/// What messages call the standard input.
const STDIN: &str = "standard input";

/// What was opened, standing at its start.
pub(super) struct Opened {
    /// What messages call it.
    pub name: String,
    /// How it begins; as much as was asked for, or all of it.
    pub head: Vec<u8>,
    /// Bytes in all, where that is known.
    pub size: Option<u64>,
    medium: Medium,
}

enum Medium {
    /// A plain file, back at its start.
    File(File),
    /// Behind the head.
    Pipe(Box<dyn Read + Send + Sync>),
}

/// A pipe with its head before it again.
pub(super) type Whole = Chain<Cursor<Vec<u8>>, Box<dyn Read + Send + Sync>>;

impl Opened {
    /// Opens a file, `-` being the standard input, and looks at so many bytes.
    pub fn at(path: &Path, look: usize) -> Result<Self, ReadError> {
        if path == Path::new("-") {
            let name = STDIN.to_owned();
            return Self::pipe(name, Box::new(io::stdin()), look);
        }
        let name = path.display().to_string();
        let refuse = |error| ReadError::from_io(&name, error);
        let mut file = File::open(path).map_err(refuse)?;
        let about = file.metadata().map_err(refuse)?;
        if about.is_dir() {
            return Err(ReadError::Folder { file: name });
        }
        if !about.is_file() {
            return Self::pipe(name, Box::new(file), look);
        }
        let mut head = Vec::new();
        let looked = file.by_ref().take(look as u64).read_to_end(&mut head);
        looked.and_then(|_| file.rewind()).map_err(refuse)?;
        Ok(Self {
            name,
            head,
            size: Some(about.len()),
            medium: Medium::File(file),
        })
    }

    fn pipe(
        name: String,
        mut pipe: Box<dyn Read + Send + Sync>,
        look: usize,
    ) -> Result<Self, ReadError> {
        let mut head = Vec::new();
        let looked = pipe.by_ref().take(look as u64).read_to_end(&mut head);
        looked.map_err(|error| ReadError::from_io(&name, error))?;
        Ok(Self {
            name,
            head,
            size: None,
            medium: Medium::Pipe(pipe),
        })
    }

    /// To be read from its start.
    pub fn into_reader(self) -> Box<dyn Read + Send> {
        match self.into_file() {
            Ok(file) => Box::new(file),
            Err(pipe) => Box::new(pipe),
        }
    }

    /// The file, at its start, if it is one.
    pub fn into_file(self) -> Result<File, Whole> {
        match self.medium {
            Medium::File(file) => Ok(file),
            Medium::Pipe(pipe) => Err(Cursor::new(self.head).chain(pipe)),
        }
    }

    /// All of it, from its start.
    pub fn into_bytes(self) -> Result<Vec<u8>, ReadError> {
        let name = self.name.clone();
        let mut bytes = Vec::new();
        let read = self.into_reader().read_to_end(&mut bytes);
        read.map_err(|error| ReadError::from_io(&name, error))?;
        Ok(bytes)
    }
}
