//! AIFF, and AIFF-C for floats. `aifc` writes the headers; samples move in blocks of bytes.

use std::io::Cursor;
use std::path::Path;

use aifc::{AifcWriteInfo, AifcWriter, FileFormat};

use super::medium::{Medium, usual_answers};
use super::pcm::{self, Encoder};
use super::{SampleFormat, Sink, Spec, Tags, WriteError};
use crate::signal::Sample;

/// Bytes of the two numbers that stand between the length of the sample chunk and the samples.
const OFFSETS: u64 = 8;

/// An AIFF file in the making, or a pipe that carries one.
pub struct AiffSink {
    text: String,
    spec: Spec,
    medium: Medium,
    encoder: Encoder,
    bytes: Vec<u8>,
    header: Header,
    /// Bytes of samples.
    written: u64,
}

impl AiffSink {
    /// Begins the file at `path`, which appears when the sink is finished. `-` is the standard
    /// output, for which `frames` must be known: the length of an AIFF file stands at its start.
    ///
    /// # Errors
    /// When the file exists and `replace` is not set, its folder is missing or closed, or the
    /// result cannot fit.
    pub fn create(
        path: &Path,
        spec: Spec,
        frames: Option<u64>,
        tags: &Tags,
        replace: bool,
    ) -> Result<Self, WriteError> {
        let header = Header::new(path, spec, tags)?;
        let medium = Medium::create(path, replace)?;
        let bytes = frames.map(|frames| frames.saturating_mul(spec.frame_bytes() as u64));
        let mut sink = Self {
            text: medium.name().display().to_string(),
            spec,
            medium,
            encoder: Encoder::new(spec.format, spec.channels),
            bytes: Vec::new(),
            header,
            written: 0,
        };
        sink.fits(bytes.unwrap_or(0))?;
        if bytes.is_none() && !sink.medium.can_take_back() {
            return Err(WriteError::refused(
                Path::new(&sink.text),
                "an AIFF file tells its length at its start, and that of the result is not known",
                "write to a file, or --type wav or flac into the pipe",
            ));
        }
        let header = sink.header.naming(bytes.unwrap_or(0), spec);
        sink.medium.write_all(&header)?;
        Ok(sink)
    }

    /// Refuses what the lengths of 32 bits cannot name.
    fn fits(&self, samples: u64) -> Result<(), WriteError> {
        if samples <= self.header.most() {
            return Ok(());
        }
        Err(WriteError::refused(
            Path::new(&self.text),
            format!("{samples} bytes of samples do not fit into an AIFF file, which ends at 4 GiB"),
            "write WAV or FLAC, take a narrower --format or a shorter input",
        ))
    }
}

impl<T: Sample> Sink<T> for AiffSink {
    usual_answers!();

    fn write(&mut self, block: &[Vec<T>]) -> Result<(), WriteError> {
        self.encoder.encode(block, &mut self.bytes);
        let written = self.written + self.bytes.len() as u64;
        self.fits(written)?;
        turn(&mut self.bytes, self.spec.format);
        self.medium.write_all(&self.bytes)?;
        self.written = written;
        Ok(())
    }

    fn finish(mut self) -> Result<(), WriteError> {
        if self.written % 2 == 1 {
            self.medium.write_all(&[0])?;
        }
        let header = self.header.naming(self.written, self.spec);
        self.medium.finish(&header)
    }
}

/// Little-endian samples become big-endian ones, and 8 bits signed.
fn turn(bytes: &mut [u8], format: SampleFormat) {
    match format.bytes() {
        1 => bytes.iter_mut().for_each(|byte| *byte ^= 0x80),
        width => pcm::swap_bytes(bytes, width),
    }
}

/// All that comes before the first sample.
struct Header {
    bytes: Vec<u8>,
    /// Where the number of frames stands.
    frames: usize,
}

impl Header {
    fn new(path: &Path, spec: Spec, tags: &Tags) -> Result<Self, WriteError> {
        let refuse = || {
            let (channels, format, rate) = (spec.channels, spec.format, spec.rate.hz());
            WriteError::refused(
                path,
                format!(
                    "{channels} channels of {format} at {rate} Hz do not fit into an AIFF header"
                ),
                "use fewer channels",
            )
        };
        let sample_format = match (spec.format.steps(), spec.format.bytes()) {
            (Some(_), 1) => aifc::SampleFormat::I8,
            (Some(_), 2) => aifc::SampleFormat::I16,
            (Some(_), 3) => aifc::SampleFormat::I24,
            (Some(_), _) => aifc::SampleFormat::I32,
            (None, 4) => aifc::SampleFormat::F32,
            (None, _) => aifc::SampleFormat::F64,
        };
        let (file_format, frames) = match spec.format.steps() {
            Some(_) => (FileFormat::Aiff, 22),
            None => (FileFormat::Aifc, 34),
        };
        let info = AifcWriteInfo {
            file_format,
            channels: i16::try_from(spec.channels).map_err(|_| refuse())?,
            sample_rate: spec.rate.hz().into(),
            sample_format,
        };
        let mut bytes = Vec::new();
        let written = AifcWriter::new(Cursor::new(&mut bytes), &info).and_then(|mut writer| {
            for (id, text) in texts(tags) {
                writer.write_chunk(id, &text)?;
            }
            if let Some(layout) = layout(spec, tags) {
                writer.write_chunk(b"CHAN", &layout)?;
            }
            // A chunk of samples begins with the first of them.
            writer.write_samples_raw(&[0, 0], 0)?;
            writer.finalize()
        });
        written.map_err(|_| refuse())?;
        bytes.truncate(bytes.len() - 2);
        Ok(Self { bytes, frames })
    }

    /// Bytes of samples that the lengths can name, one less for the byte that makes an odd length
    /// even.
    fn most(&self) -> u64 {
        u64::from(u32::MAX) - (self.bytes.len() as u64 - 8) - 1
    }

    /// The header of a file with so many bytes of samples, no more than `most`.
    fn naming(&self, samples: u64, spec: Spec) -> Vec<u8> {
        let mut header = self.bytes.clone();
        let mut name = |at: usize, number: u64| {
            header[at..at + 4].copy_from_slice(&(number as u32).to_be_bytes());
        };
        let length = self.bytes.len();
        name(4, length as u64 - 8 + samples + samples % 2);
        name(self.frames, samples / spec.frame_bytes() as u64);
        name(length - 12, samples + OFFSETS);
        header
    }
}

/// Texts by the names of their chunks; comments of all kinds are annotations.
fn texts(tags: &Tags) -> impl Iterator<Item = (&'static [u8; 4], Vec<u8>)> {
    tags.info.iter().filter_map(|(id, text)| {
        let chunk = match id {
            b"INAM" => b"NAME",
            b"IART" => b"AUTH",
            b"ICOP" => b"(c) ",
            b"ICMT" => b"ANNO",
            _ => return None,
        };
        // In Latin-1 if it is possible, as readers take it to be.
        let latin: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
        Some((chunk, latin.unwrap_or_else(|| text.clone().into_bytes())))
    })
}

/// Apple's channel layout, told by the same bits as in WAV, where there are positions for all
/// channels.
fn layout(spec: Spec, tags: &Tags) -> Option<Vec<u8>> {
    const BY_BITS: u32 = 1 << 16;
    let mask = tags.mask?;
    // The first 18 bits mean the same.
    let known = mask < 1 << 18 && mask.count_ones() as usize == spec.channels;
    known.then(|| [BY_BITS, mask, 0].map(u32::to_be_bytes).concat())
}
