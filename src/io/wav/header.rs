//! The header that is written: sizes of 32 bits, of 64 bits (RF64, EBU Tech 3306), or open.

use std::path::Path;

use super::format;
use crate::io::tags::Tags;
use crate::io::{Spec, WriteError};

/// The largest length that 32 bits can name: the one above stands for "open" or "see elsewhere".
pub(super) const LIMIT: u64 = u32::MAX as u64 - 1;
/// Bytes of the chunk that names sizes of 64 bits, or keeps its place.
const LONG: usize = 8 + 28;

/// What stands before the samples; the length of the data chunk comes last.
pub(super) struct Header {
    bytes: Vec<u8>,
    /// Whether there is a place for sizes of 64 bits.
    place: bool,
    /// The largest length that may be named in 32 bits.
    limit: u64,
}

impl Header {
    /// That of a file whose length is left open.
    ///
    /// `place` reserves room for sizes of 64 bits: a JUNK chunk, which readers pass over.
    pub fn new(
        name: &Path,
        spec: Spec,
        tags: &Tags,
        place: bool,
        limit: u64,
    ) -> Result<Self, WriteError> {
        let mut bytes = b"RIFF\xff\xff\xff\xffWAVE".to_vec();
        if place {
            chunk(&mut bytes, b"JUNK", &[0; LONG - 8]);
        }
        chunk(&mut bytes, b"fmt ", &format::chunk(name, spec, tags)?);
        if let Some(bext) = tags.bext_of(spec) {
            chunk(&mut bytes, b"bext", &bext);
        }
        if let Some(list) = tags.list() {
            chunk(&mut bytes, b"LIST", &list);
        }
        bytes.extend(b"data\xff\xff\xff\xff");
        Ok(Self {
            bytes,
            place,
            limit,
        })
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What the RIFF chunk counts: all but its own 8 bytes. Chunks end at even bytes.
    fn riff(&self, samples: u64) -> u64 {
        self.bytes.len() as u64 - 8 + samples.next_multiple_of(2)
    }

    /// Whether 32 bits can name the lengths of a file with so many bytes of samples.
    pub fn fits(&self, samples: u64) -> bool {
        self.riff(samples) <= self.limit
    }

    /// Names the lengths: so many bytes of samples, in frames of so many bytes. What is too long
    /// and has no place to say so keeps its open length, which lasts until the file ends.
    pub fn name_sizes(&mut self, samples: u64, frame: usize) {
        let (riff, last) = (self.riff(samples), self.bytes.len() - 4);
        let (short, long) = (self.fits(samples), !self.fits(samples) && self.place);
        let mut put = |at: usize, new: &[u8]| self.bytes[at..at + new.len()].copy_from_slice(new);
        put(0, if long { b"RF64" } else { b"RIFF" });
        let named = |size: u64| if short { size as u32 } else { u32::MAX }.to_le_bytes();
        put(4, &named(riff));
        put(last, &named(samples));
        if long {
            put(12, b"ds64");
            let frames = samples / frame.max(1) as u64;
            for (k, size) in [riff, samples, frames].into_iter().enumerate() {
                put(20 + 8 * k, &size.to_le_bytes());
            }
        }
    }
}

/// Appends a chunk.
fn chunk(bytes: &mut Vec<u8>, id: &[u8; 4], content: &[u8]) {
    let Ok(len) = u32::try_from(content.len()) else {
        return;
    };
    bytes.extend(id);
    bytes.extend(len.to_le_bytes());
    bytes.extend(content);
    if len % 2 == 1 {
        bytes.push(0);
    }
}
