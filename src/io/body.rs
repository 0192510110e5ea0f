//! The samples of a file that are stored one by one, from their first byte to their last.

use std::io::{self, BufReader, Read};

use super::pcm::{self, Layout};
use super::{Replaced, SampleFormat};
use crate::signal::Sample;

/// Interleaved samples that are read frame by frame.
pub(super) struct Body {
    reader: BufReader<Box<dyn Read + Send>>,
    layout: Layout,
    /// Settled yet, for 24 bits in four bytes.
    layout_known: bool,
    big_endian: bool,
    /// Bytes of a frame.
    frame: u64,
    /// Bytes that shall be there; none where only the end tells.
    promised: Option<u64>,
    /// Frames read so far.
    at: u64,
    replaced: Replaced,
    bytes: Vec<u8>,
}

/// Why nothing more comes, though more was expected.
pub(super) enum Cut {
    /// The medium fails.
    Io(io::Error),
    /// So many bytes are there, of so many that should be.
    Short { promised: u64, found: u64 },
}

impl Body {
    /// What `reader` has from here on.
    pub fn new(
        reader: BufReader<Box<dyn Read + Send>>,
        layout: Layout,
        channels: usize,
        promised: Option<u64>,
    ) -> Self {
        Self {
            reader,
            layout,
            layout_known: layout != Layout::Low24In32,
            big_endian: false,
            frame: channels as u64 * layout.bytes() as u64,
            promised,
            at: 0,
            replaced: Replaced::default(),
            bytes: Vec::new(),
        }
    }

    /// The same with the highest byte of each sample first, or not.
    pub fn big_endian(self, big_endian: bool) -> Self {
        Self { big_endian, ..self }
    }

    /// Length in frames, where it is known.
    pub fn frames(&self) -> Option<u64> {
        self.promised.map(|bytes| bytes / self.frame)
    }

    /// Frames read so far.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Samples so far that were not finite.
    pub fn replaced(&self) -> Replaced {
        self.replaced
    }

    /// Fills the vectors from their start; returns how many frames that were, 0 only at the end.
    pub fn read<T: Sample>(&mut self, block: &mut [Vec<T>]) -> Result<usize, Cut> {
        let frame = self.frame;
        let room = block.first().map_or(0, Vec::len) as u64;
        let left = self.promised.map(|bytes| bytes - self.at * frame);
        let want = left.map_or(room * frame, |left| left.min(room * frame));
        self.bytes.resize(want as usize, 0);
        let got = self.fill().map_err(Cut::Io)?;
        let found = self.at * frame + got as u64;
        let promised = match self.promised {
            Some(promised) if got < want as usize => Some(promised),
            None if !found.is_multiple_of(frame) => Some(found.next_multiple_of(frame)),
            _ => None,
        };
        if let Some(promised) = promised {
            return Err(Cut::Short { promised, found });
        }
        let bytes = &mut self.bytes[..got];
        if self.big_endian {
            pcm::swap_bytes(bytes, self.layout.bytes());
        }
        if !self.layout_known
            && let Some(low) = pcm::lies_low(bytes)
        {
            self.layout_known = true;
            if !low {
                self.layout = Layout::Plain(SampleFormat::I32);
            }
        }
        let frames = got / frame as usize;
        pcm::decode(self.layout, bytes, block, 0..frames);
        if self.layout.format().steps().is_none() {
            pcm::replace_nonfinite(block, 0..frames, self.at, &mut self.replaced);
        }
        self.at += frames as u64;
        Ok(frames)
    }

    /// Reads as many bytes as `self.bytes` holds, fewer only at the end.
    fn fill(&mut self) -> io::Result<usize> {
        let mut got = 0;
        while got < self.bytes.len() {
            match self.reader.read(&mut self.bytes[got..]) {
                Ok(0) => break,
                Ok(more) => got += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(got)
    }
}

/// What all sources answer alike that have a `name`, a `spec` and a `body`.
macro_rules! usual_answers {
    () => {
        fn name(&self) -> &str {
            &self.name
        }

        fn spec(&self) -> $crate::io::Spec {
            self.spec
        }

        fn frames(&self) -> Option<u64> {
            self.body.frames()
        }

        fn replaced(&self) -> $crate::io::Replaced {
            self.body.replaced()
        }
    };
}
pub(super) use usual_answers;
