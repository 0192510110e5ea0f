//! WAV files, read from their start to their end.

use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::format;
use super::walk::{self, Walk};
use crate::io::body::{Body, Cut, usual_answers};
use crate::io::open::Opened;
use crate::io::tags::Tags;
use crate::io::{ReadError, Source, Spec};
use crate::signal::Sample;

/// A WAV file, or a pipe that carries one, read from its start to its end.
pub struct WavSource {
    name: String,
    spec: Spec,
    body: Body,
    tags: Tags,
}

impl WavSource {
    /// Opens a file; `-` is the standard input.
    ///
    /// # Errors
    /// When the file cannot be read, is no WAV file, or is not what its header says.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        Self::from_opened(Opened::at(path, 0)?)
    }

    pub(in crate::io) fn from_opened(opened: Opened) -> Result<Self, ReadError> {
        let (name, size) = (opened.name.clone(), opened.size);
        let mut file = match opened.into_file() {
            Ok(file) => file,
            Err(pipe) => return Self::new(&name, Box::new(pipe), size),
        };
        // The same place in the file, for both.
        let same = file.try_clone();
        let same = same.map_err(|error| ReadError::from_io(&name, error))?;
        let (mut source, end) = Self::begin(&name, Box::new(same), size)?;
        if let (Some(end), Some(size)) = (end, size)
            && end < size
        {
            let looked = file.stream_position().and_then(|here| {
                // What is said there is welcome, but nobody's duty.
                let _ = walk::tags_from(&mut file, end, &mut source.tags);
                file.seek(SeekFrom::Start(here))
            });
            looked.map_err(|error| ReadError::from_io(&name, error))?;
        }
        Ok(source)
    }

    /// Reads a WAV stream from anything; `size` in bytes where it is known beforehand.
    ///
    /// # Errors
    /// When it cannot be read, is no WAV, or is shorter than its header says.
    pub fn new(
        name: &str,
        reader: Box<dyn Read + Send>,
        size: Option<u64>,
    ) -> Result<Self, ReadError> {
        Self::begin(name, reader, size).map(|(source, _)| source)
    }

    /// The source, and the byte at which its samples end, where that is known.
    fn begin(
        name: &str,
        reader: Box<dyn Read + Send>,
        size: Option<u64>,
    ) -> Result<(Self, Option<u64>), ReadError> {
        let mut reader = BufReader::with_capacity(1 << 16, reader);
        let mut walk = Walk::new(name, &mut reader, size);
        let (fmt, promised) = walk.find_samples()?;
        let (begin, riff) = (walk.at(), walk.has_riff_chunks());
        let mut tags = walk.into_tags();
        let (spec, layout, mask) = format::judge(name, &fmt)?;
        tags.mask = mask;
        let frame = spec.channels as u64 * layout.bytes() as u64;
        let found = size.map(|size| size.saturating_sub(begin));
        let file = || name.to_owned();
        if let (Some(promised), Some(found)) = (promised, found)
            && promised > found
        {
            let file = file();
            return Err(ReadError::Truncated {
                file,
                promised,
                found,
            });
        }
        if let Some(promised) = promised
            && promised % frame != 0
        {
            let what = format!(
                "its data chunk of {promised} bytes is no whole number of frames of {frame} bytes"
            );
            return Err(ReadError::Header { file: file(), what });
        }
        if promised.or(found) == Some(0) {
            return Err(ReadError::Empty { file: file() });
        }
        // Where the header leaves the length open, the file's size still tells it.
        let promised = promised.or(found.map(|found| found - found % frame));
        let source = Self {
            name: file(),
            spec,
            body: Body::new(reader, layout, spec.channels, promised),
            tags,
        };
        let end = promised.filter(|_| riff);
        let end = end.map(|promised| begin.saturating_add(promised));
        Ok((source, end))
    }

    /// Rate, channels and format.
    pub fn spec(&self) -> Spec {
        self.spec
    }

    /// Length in frames, where the header or the file's size tells it.
    pub fn frames(&self) -> Option<u64> {
        self.body.frames()
    }

    /// What the file says beside its samples. Of a pipe, only what stands before them.
    pub fn tags(&self) -> &Tags {
        &self.tags
    }
}

impl std::fmt::Debug for WavSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut fields = f.debug_struct("WavSource");
        fields.field("name", &self.name).field("spec", &self.spec);
        fields.field("at", &self.body.at()).finish_non_exhaustive()
    }
}

impl<T: Sample> Source<T> for WavSource {
    usual_answers!();

    fn read(&mut self, block: &mut [Vec<T>]) -> Result<usize, ReadError> {
        self.body.read(block).map_err(|cut| match cut {
            Cut::Io(error) => ReadError::from_io(&self.name, error),
            Cut::Short { promised, found } => ReadError::Truncated {
                file: self.name.clone(),
                promised,
                found,
            },
        })
    }
}
