//! A finished result in full precision, kept on disk until its level is known.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::{Levels, PartFile, Sink, Spec, WriteError};
use crate::signal::Sample;

/// Takes blocks like any sink, and then hands them on to another, with a gain.
///
/// It needs the disk space of the result, 4 or 8 bytes a sample, and no memory to speak of; it
/// removes itself.
#[derive(Debug)]
pub struct Spool {
    file: PartFile,
    path: PathBuf,
    name: String,
    spec: Spec,
    levels: Levels,
    bytes: Vec<u8>,
}

impl Spool {
    /// Scratch space beside `neighbour`.
    ///
    /// # Errors
    /// When the folder is missing or closed.
    pub fn beside(neighbour: &Path, spec: Spec) -> Result<Self, WriteError> {
        Ok(Self {
            file: PartFile::scratch(neighbour)?,
            path: neighbour.to_owned(),
            name: neighbour.display().to_string(),
            spec,
            levels: Levels::default(),
            bytes: Vec::new(),
        })
    }

    /// Writes everything to `sink`, times `gain`; `T` as it was written.
    ///
    /// # Errors
    /// When either medium fails.
    pub fn play<T: Sample>(mut self, gain: f64, sink: &mut impl Sink<T>) -> Result<(), WriteError> {
        const BLOCK: u64 = 4096;
        self.file.seek(0)?;
        let width = size_of::<T>();
        let mut block = vec![Vec::new(); self.spec.channels];
        let mut left = self.levels.frames;
        while left > 0 {
            let frames = left.min(BLOCK) as usize;
            left -= frames as u64;
            self.bytes.resize(frames * block.len() * width, 0);
            let got = self.file.reader().read_exact(&mut self.bytes);
            got.map_err(|error| WriteError::from_io(&self.path, error))?;
            let stride = block.len() * width;
            for (k, channel) in block.iter_mut().enumerate() {
                channel.clear();
                let samples = self.bytes[k * width..].chunks(stride);
                channel.extend(samples.map(|raw| T::of(take(&raw[..width]) * gain)));
            }
            sink.write(&block)?;
        }
        Ok(())
    }
}

/// Appends the 4 or 8 bytes of a sample.
fn put<T: Sample>(value: T, bytes: &mut Vec<u8>) {
    if size_of::<T>() == 4 {
        bytes.extend_from_slice(&(value.wide() as f32).to_le_bytes());
    } else {
        bytes.extend_from_slice(&value.wide().to_le_bytes());
    }
}

/// The sample in 4 or 8 bytes.
fn take(raw: &[u8]) -> f64 {
    match *raw {
        [a, b, c, d] => f64::from(f32::from_le_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => f64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => 0.0,
    }
}

impl<T: Sample> Sink<T> for Spool {
    fn name(&self) -> &str {
        &self.name
    }

    fn spec(&self) -> Spec {
        self.spec
    }

    fn can_take_back(&self) -> bool {
        true
    }

    fn write(&mut self, block: &[Vec<T>]) -> Result<(), WriteError> {
        self.levels.watch(block);
        self.bytes.clear();
        for frame in 0..block.first().map_or(0, Vec::len) {
            for channel in block {
                put(channel[frame], &mut self.bytes);
            }
        }
        self.file.write_all(&self.bytes)
    }

    fn levels(&self) -> Levels {
        self.levels
    }

    fn finish(self) -> Result<(), WriteError> {
        Ok(())
    }
}
