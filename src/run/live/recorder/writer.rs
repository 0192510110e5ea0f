//! The half of a recording that meets the disk: out of the ring, into the file, on its own thread.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::Duration;

use ringbuf::HeapCons;
use ringbuf::traits::{Consumer, Observer};

use super::{End, LABEL, Reel, Shared, unpack};
use crate::io::{Sink, WavSink, WriteError};

/// How often the ring is emptied.
const TICK: Duration = Duration::from_millis(20);
/// Samples are written in pieces of about so many bytes.
const PIECE: usize = 1 << 16;

/// The half that meets the disk, on its own thread.
pub(super) struct Writer {
    number: u32,
    channels: usize,
    medium: Box<dyn Medium>,
    reel: Option<Arc<Reel>>,
    /// Reels that follow.
    more: Receiver<Arc<Reel>>,
    shared: Arc<Shared>,
    /// Frames lost on this reel that labels told of.
    told_of: u64,
    words: Vec<u32>,
    bytes: Vec<u8>,
}

/// Why writing has stopped.
pub(super) enum Stopped {
    /// As it should.
    Asked,
    /// Nobody wants the file.
    GivenUp,
    Failed(WriteError),
}

impl Writer {
    pub fn new(
        number: u32,
        channels: usize,
        medium: Box<dyn Medium>,
        (reel, more): (Option<Arc<Reel>>, Receiver<Arc<Reel>>),
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            number,
            channels,
            medium,
            reel,
            more,
            shared,
            told_of: 0,
            words: Vec::new(),
            bytes: Vec::new(),
        }
    }

    /// Writes until there is a reason to stop.
    pub fn run(&mut self) -> Stopped {
        loop {
            // Read before the ring is, so that what was there when it was set is written.
            let stop = self.shared.stop.load(Ordering::Acquire);
            if let Err(stopped) = self.drain() {
                return stopped;
            }
            if stop {
                let rest = self.last_lost().and_then(|()| self.flush());
                return rest.err().unwrap_or(Stopped::Asked);
            }
            thread::park_timeout(TICK);
        }
    }

    /// Everything on the reel, and on those that came after it.
    fn drain(&mut self) -> Result<(), Stopped> {
        loop {
            let next = self.more.try_recv().ok();
            if let Some(reel) = self.reel.clone() {
                let ring = reel.ring.lock();
                self.empty(&mut ring.unwrap_or_else(PoisonError::into_inner))?;
            }
            let Some(next) = next else { return Ok(()) };
            self.last_lost()?;
            (self.reel, self.told_of) = (Some(next), 0);
        }
    }

    fn empty(&mut self, ring: &mut HeapCons<u32>) -> Result<(), Stopped> {
        let mut label = [0; LABEL];
        // As much as was there to begin with: a slow disk is not to keep this from its end.
        let mut left = ring.occupied_len();
        while left >= LABEL && ring.pop_slice(&mut label) == LABEL {
            let [number, lost, frames] = label;
            let samples = frames as usize * self.channels;
            left = left.saturating_sub(LABEL + samples);
            if number != self.number {
                // It came too late for the recording before.
                ring.skip(samples);
                continue;
            }
            self.told_of += u64::from(lost);
            self.silence(u64::from(lost))?;
            let mut words = std::mem::take(&mut self.words);
            words.resize(samples, 0);
            ring.pop_slice(&mut words);
            let done = self.put(words.iter().copied());
            self.words = words;
            done?;
        }
        self.flush()
    }

    /// Frames lost since the last block that found room.
    fn last_lost(&mut self) -> Result<(), Stopped> {
        let told = self.reel.as_ref().map_or(0, |reel| {
            unpack(reel.told.load(Ordering::Acquire), self.number)
        });
        let rest = told.saturating_sub(self.told_of);
        self.told_of += rest;
        self.silence(rest)?;
        self.flush()
    }

    /// Silence in the place of what was lost.
    fn silence(&mut self, frames: u64) -> Result<(), Stopped> {
        self.shared.lost.fetch_add(frames, Ordering::Relaxed);
        // A piece at a time, whatever their number.
        for _ in 0..frames {
            self.put(std::iter::repeat_n(0, self.channels))?;
        }
        Ok(())
    }

    /// Whole frames that are written, or about to be.
    fn frames(&self) -> u64 {
        let waiting = self.bytes.len() / (4 * self.channels);
        self.shared.frames.load(Ordering::Relaxed) + waiting as u64
    }

    fn put(&mut self, words: impl Iterator<Item = u32>) -> Result<(), Stopped> {
        self.bytes.extend(words.flat_map(u32::to_le_bytes));
        if self.bytes.len() >= PIECE {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Stopped> {
        if self.shared.give_up.load(Ordering::Acquire) {
            return Err(Stopped::GivenUp);
        }
        if !self.bytes.is_empty() {
            self.medium.put(&self.bytes).map_err(Stopped::Failed)?;
            let frames = self.frames();
            self.shared.frames.store(frames, Ordering::Relaxed);
            self.bytes.clear();
        }
        Ok(())
    }

    /// Delivers what was written, and says so.
    pub fn end(self, stopped: Stopped, done: &SyncSender<Result<End, WriteError>>) {
        let frames = self.shared.frames.load(Ordering::Relaxed);
        let lost = self.shared.lost.load(Ordering::Relaxed);
        let bytes = frames * 4 * self.channels as u64;
        let why = match &stopped {
            Stopped::Asked | Stopped::GivenUp => None,
            Stopped::Failed(WriteError::Full { .. }) => Some("no space left".to_owned()),
            Stopped::Failed(WriteError::SizeLimit { .. }) => {
                Some("it grew past the size that the system allows".to_owned())
            }
            Stopped::Failed(WriteError::Io { source, .. }) => Some(source.to_string()),
            Stopped::Failed(error) => Some(error.to_string()),
        };
        let answer = match stopped {
            Stopped::GivenUp => {
                drop(self.medium);
                Ok(End { frames, lost, why })
            }
            // Not a frame: then the failure is all there is to tell.
            Stopped::Failed(error) if frames == 0 => Err(error),
            _ => {
                let finished = self.medium.finish(bytes);
                finished.map(|()| End { frames, lost, why })
            }
        };
        // Nobody may be left to be told.
        let _ = done.send(answer);
    }
}

/// Where the samples go.
pub(super) trait Medium: Send {
    /// Appends samples, or a part of them where it fails.
    fn put(&mut self, bytes: &[u8]) -> Result<(), WriteError>;
    /// Delivers so many bytes of samples.
    fn finish(self: Box<Self>, bytes: u64) -> Result<(), WriteError>;
}

impl Medium for WavSink {
    fn put(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.append(bytes)
    }

    fn finish(mut self: Box<Self>, bytes: u64) -> Result<(), WriteError> {
        // Away with what a failed write may have left behind the last whole frame.
        self.cut(bytes)?;
        Sink::<f32>::finish(*self)
    }
}
