//! Samples without a header, interleaved and little-endian, as [`raw`](super::raw) reads them.

use std::path::Path;

use super::medium::Medium;
use super::pcm::Encoder;
use super::{Levels, SampleFormat, Sink, Spec, WriteError};
use crate::signal::Sample;

/// The format that the extension of a name stands for, by the same names that are read: `.f32`,
/// `.f64` or `.dbl`, `.s16`, `.s24`, `.s32`; none for others.
pub(super) fn told(path: &Path) -> Option<SampleFormat> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    let word = match extension.as_str() {
        "f32" => "f32",
        "f64" | "dbl" => "f64",
        "s16" => "i16",
        "s24" => "i24",
        "s32" => "i32",
        _ => return None,
    };
    word.parse().ok()
}

/// Bare samples, on their way to a file or into a pipe.
pub struct RawSink {
    text: String,
    spec: Spec,
    medium: Medium,
    encoder: Encoder,
    bytes: Vec<u8>,
}

impl RawSink {
    /// Begins the file at `path`, which appears when the sink is finished. `-` is the standard
    /// output.
    ///
    /// # Errors
    /// When the file exists and `replace` is not set, its folder is missing or closed, or its
    /// extension stands for another format.
    pub fn create(path: &Path, spec: Spec, replace: bool) -> Result<Self, WriteError> {
        if let Some(told) = told(path).filter(|&told| told != spec.format) {
            return Err(WriteError::refused(
                path,
                format!(
                    "its name stands for {told}, the samples are {}",
                    spec.format
                ),
                format!("take --format {told}, or call it .raw"),
            ));
        }
        let medium = Medium::create(path, replace)?;
        Ok(Self {
            text: medium.name().display().to_string(),
            spec,
            medium,
            encoder: Encoder::new(spec.format, spec.channels),
            bytes: Vec::new(),
        })
    }
}

impl<T: Sample> Sink<T> for RawSink {
    fn name(&self) -> &str {
        &self.text
    }

    fn spec(&self) -> Spec {
        self.spec
    }

    fn can_take_back(&self) -> bool {
        self.medium.can_take_back()
    }

    fn write(&mut self, block: &[Vec<T>]) -> Result<(), WriteError> {
        self.encoder.encode(block, &mut self.bytes);
        self.medium.write_all(&self.bytes)
    }

    fn flush(&mut self) -> Result<(), WriteError> {
        self.medium.flush()
    }

    fn levels(&self) -> Levels {
        self.encoder.levels
    }

    fn finish(self) -> Result<(), WriteError> {
        self.medium.finish(&[])
    }
}
