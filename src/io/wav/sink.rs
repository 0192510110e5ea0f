//! WAV files in the making.

use std::io::Write;
use std::path::Path;

use super::header::{Header, LIMIT};
use crate::io::medium::{Medium, usual_answers};
use crate::io::pcm::Encoder;
use crate::io::tags::Tags;
use crate::io::{Sink, Spec, WriteError};
use crate::signal::Sample;

/// A WAV file in the making, or a pipe that carries one.
///
/// What outgrows 4 GiB becomes RF64 by itself (EBU Tech 3306). A pipe can do so only where its
/// length is known beforehand; otherwise its header leaves the length open, and it may be as long
/// as it likes.
pub struct WavSink {
    text: String,
    spec: Spec,
    medium: Medium,
    /// On its own, so that a sink stays small enough to be moved about.
    encoder: Box<Encoder>,
    bytes: Vec<u8>,
    header: Header,
    written: u64,
}

impl WavSink {
    /// Begins the file at `path`, which appears when the sink is finished. `-` is the standard
    /// output; what is no plain file, such as `/dev/null`, is written to as a pipe is.
    ///
    /// `frames`, where known, lets a pipe carry a header with the true length, and a file do
    /// without room for a longer one.
    ///
    /// # Errors
    /// When the file exists and `replace` is not set, its folder is missing or closed, or the
    /// format does not fit into a header.
    pub fn create(
        path: &Path,
        spec: Spec,
        frames: Option<u64>,
        replace: bool,
    ) -> Result<Self, WriteError> {
        Self::create_with(path, spec, frames, &Tags::default(), replace)
    }

    /// The same with what the file shall say beside its samples. Speaker positions are written
    /// where there is one for each channel; the broadcast extension gets a line in its coding
    /// history (EBU R 98) and loses the loudness that it no longer has.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_with(
        path: &Path,
        spec: Spec,
        frames: Option<u64>,
        tags: &Tags,
        replace: bool,
    ) -> Result<Self, WriteError> {
        Self::new(Medium::create(path, replace)?, spec, frames, tags, LIMIT)
    }

    /// Writes to anything that cannot be taken back.
    ///
    /// # Errors
    /// When the medium fails, or the format does not fit into a header.
    pub fn pipe(
        name: &Path,
        writer: Box<dyn Write + Send>,
        spec: Spec,
        frames: Option<u64>,
    ) -> Result<Self, WriteError> {
        Self::pipe_with(name, writer, spec, frames, &Tags::default())
    }

    /// The same with what the file shall say beside its samples.
    ///
    /// # Errors
    /// As [`pipe`](Self::pipe).
    pub fn pipe_with(
        name: &Path,
        writer: Box<dyn Write + Send>,
        spec: Spec,
        frames: Option<u64>,
        tags: &Tags,
    ) -> Result<Self, WriteError> {
        Self::new(Medium::pipe(name, writer), spec, frames, tags, LIMIT)
    }

    /// `limit` is the largest length that may be named in 32 bits.
    pub(super) fn new(
        mut medium: Medium,
        spec: Spec,
        frames: Option<u64>,
        tags: &Tags,
        limit: u64,
    ) -> Result<Self, WriteError> {
        let bytes = frames.map(|frames| frames.saturating_mul(spec.frame_bytes() as u64));
        let plain = Header::new(medium.name(), spec, tags, false, limit)?;
        let pipe = !medium.can_take_back();
        let mut header = match bytes {
            Some(bytes) if plain.fits(bytes) => plain,
            None if pipe => plain,
            _ => Header::new(medium.name(), spec, tags, true, limit)?,
        };
        if let Some(bytes) = bytes {
            header.name_sizes(bytes, spec.frame_bytes());
        }
        medium.write_all(header.bytes())?;
        Ok(Self {
            text: medium.name().display().to_string(),
            spec,
            medium,
            encoder: Box::new(Encoder::new(spec.format, spec.channels)),
            bytes: Vec::new(),
            header,
            written: 0,
        })
    }

    /// Appends samples that are stored as the spec has it, straight into a file. What fails is not
    /// counted.
    #[cfg(feature = "live")]
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.medium.write_all(bytes)?;
        self.medium.settle()?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// The file at `path`, which becomes RF64 from `limit` bytes on.
    #[cfg(all(test, feature = "live"))]
    pub(crate) fn create_short(path: &Path, spec: Spec, limit: u64) -> Result<Self, WriteError> {
        let medium = Medium::create(path, false)?;
        Self::new(medium, spec, None, &Tags::default(), limit)
    }

    /// Forgets what lies behind so many bytes of samples, where that is possible.
    #[cfg(feature = "live")]
    pub(crate) fn cut(&mut self, bytes: u64) -> Result<(), WriteError> {
        let end = self.header.bytes().len() as u64 + bytes;
        if self.medium.cut(end)? {
            self.written = bytes;
        }
        Ok(())
    }

    /// True where nothing is delivered before the end.
    pub fn can_take_back(&self) -> bool {
        self.medium.can_take_back()
    }
}

impl<T: Sample> Sink<T> for WavSink {
    usual_answers!();

    fn write(&mut self, block: &[Vec<T>]) -> Result<(), WriteError> {
        self.encoder.encode(block, &mut self.bytes);
        self.written += self.bytes.len() as u64;
        self.medium.write_all(&self.bytes)
    }

    fn finish(mut self) -> Result<(), WriteError> {
        if self.written % 2 == 1 {
            self.medium.write_all(&[0])?;
        }
        self.header
            .name_sizes(self.written, self.spec.frame_bytes());
        self.medium.finish(self.header.bytes())
    }
}
