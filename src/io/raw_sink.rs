//! Samples without a header, interleaved and little-endian, as [`raw`] reads them.

use std::path::Path;

use super::medium::{Medium, usual_answers};
use super::pcm::Encoder;
use super::{Sink, Spec, WriteError, raw};
use crate::signal::Sample;

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
        if let Some(told) = raw::format_of(path).filter(|&told| told != spec.format) {
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
    usual_answers!();

    fn write(&mut self, block: &[Vec<T>]) -> Result<(), WriteError> {
        self.encoder.encode(block, &mut self.bytes);
        self.medium.write_all(&self.bytes)
    }

    fn finish(self) -> Result<(), WriteError> {
        self.medium.finish(&[])
    }
}
