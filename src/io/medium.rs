//! Where the bytes of a result go: to a file that gets its name at the end, or away at once.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::{PartFile, WriteError};

/// What messages call the standard output.
const STDOUT: &str = "standard output";
/// Bytes that are handed to a file at a time, at least.
const PIECE: usize = 1 << 18;

/// A file in the making, or a pipe.
pub(super) struct Medium {
    name: PathBuf,
    way: Way,
}

enum Way {
    /// To a file that gets its name at the end, with what is not yet in it.
    File(PartFile, Vec<u8>),
    /// Away at once.
    Pipe(BufWriter<Box<dyn Write + Send>>),
}

impl Medium {
    /// Begins the file at `path`. `-` is the standard output; what is no plain file, such as
    /// `/dev/null`, is written to as a pipe is.
    ///
    /// # Errors
    /// When the file exists and `replace` is not set, or its folder is missing or closed.
    pub fn create(path: &Path, replace: bool) -> Result<Self, WriteError> {
        if path == Path::new("-") {
            return Ok(Self::pipe(Path::new(STDOUT), Box::new(io::stdout())));
        }
        match fs::metadata(path) {
            Ok(about) if !about.is_file() && !about.is_dir() => {
                let opened = File::options().write(true).open(path);
                let file = opened.map_err(|error| WriteError::from_io(path, error))?;
                Ok(Self::pipe(path, Box::new(file)))
            }
            _ => Ok(Self {
                name: path.to_owned(),
                way: Way::File(PartFile::create(path, replace)?, Vec::new()),
            }),
        }
    }

    /// Anything that cannot be taken back.
    pub fn pipe(name: &Path, writer: Box<dyn Write + Send>) -> Self {
        // Some readers need more than the header in their first piece to know the format.
        let writer = BufWriter::with_capacity(1 << 16, writer);
        let name = name.to_owned();
        let way = Way::Pipe(writer);
        Self { name, way }
    }

    /// What messages call it.
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// True where nothing is delivered before the end.
    pub fn can_take_back(&self) -> bool {
        matches!(self.way, Way::File(..))
    }

    /// Appends bytes, in large pieces.
    ///
    /// # Errors
    /// When the medium fails or is full.
    pub fn write_all(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        match &mut self.way {
            Way::File(file, waiting) if waiting.is_empty() && bytes.len() >= PIECE => {
                file.write_all(bytes)
            }
            Way::File(_, waiting) => {
                waiting.extend_from_slice(bytes);
                match waiting.len() {
                    PIECE.. => self.settle(),
                    _ => Ok(()),
                }
            }
            Way::Pipe(writer) => {
                let written = writer.write_all(bytes);
                written.map_err(|error| WriteError::from_pipe(&self.name, error))
            }
        }
    }

    /// Into the file with what is waiting; a pipe goes on as it is.
    ///
    /// # Errors
    /// When the medium fails or is full.
    pub fn settle(&mut self) -> Result<(), WriteError> {
        match &mut self.way {
            Way::File(file, waiting) => {
                let done = file.write_all(waiting);
                waiting.clear();
                done
            }
            Way::Pipe(_) => Ok(()),
        }
    }

    /// Hands on what was written, to whoever may wait for it.
    ///
    /// # Errors
    /// When the medium fails or is full.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        match &mut self.way {
            Way::File(..) => self.settle(),
            Way::Pipe(writer) => {
                let flushed = writer.flush();
                flushed.map_err(|error| WriteError::from_pipe(&self.name, error))
            }
        }
    }

    /// Forgets what lies behind so many bytes, and says whether that was possible.
    ///
    /// # Errors
    /// When the medium fails.
    #[cfg(feature = "live")]
    pub fn cut(&mut self, end: u64) -> Result<bool, WriteError> {
        self.settle()?;
        let Way::File(file, _) = &mut self.way else {
            return Ok(false);
        };
        let cut = file.reader().set_len(end);
        cut.map_err(|error| WriteError::from_io(&self.name, error))?;
        file.seek(end)?;
        Ok(true)
    }

    /// Delivers the result, with `head` over its first bytes; what went through a pipe stays as it
    /// is.
    ///
    /// # Errors
    /// When the medium fails or is full, or the name was taken meanwhile.
    pub fn finish(mut self, head: &[u8]) -> Result<(), WriteError> {
        self.flush()?;
        if let Way::File(mut file, _) = self.way {
            file.seek(0)?;
            file.write_all(head)?;
            file.finish()?;
        }
        Ok(())
    }
}

/// What all sinks answer alike that have a `text` for messages, a `spec`, a `medium` and an
/// `encoder`.
macro_rules! usual_answers {
    () => {
        fn name(&self) -> &str {
            &self.text
        }

        fn path(&self) -> &std::path::Path {
            self.medium.name()
        }

        fn spec(&self) -> $crate::io::Spec {
            self.spec
        }

        fn can_take_back(&self) -> bool {
            self.medium.can_take_back()
        }

        fn flush(&mut self) -> Result<(), $crate::io::WriteError> {
            self.medium.flush()
        }

        fn levels(&self) -> $crate::io::Levels {
            self.encoder.levels
        }
    };
}
pub(super) use usual_answers;
