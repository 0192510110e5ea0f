//! What is heard goes to a WAV file, off the audio thread.
//!
//! The audio half, [`Tape`], pushes every block into a ring, with a label before it: the number
//! of the recording that it belongs to, and how many frames found no room before it. So a block
//! tells by itself which file it goes to, whenever it is read, and silence can stand where frames
//! were lost. The session starts and stops by changing one number; nobody waits for the audio
//! thread, and it waits for nobody.

mod writer;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, Thread};
use std::time::Duration;

use ringbuf::traits::{Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use self::writer::{Medium, Writer};
use super::status::{Recording, What};
use crate::io::{SampleFormat, Spec, WavSink, WriteError};
use crate::signal::SampleRate;

/// Seconds that the ring holds, however short the blocks are.
const ROOM: f64 = 5.0;
/// Words before a block: recording, frames lost before it, frames of it.
const LABEL: usize = 3;
/// How long a disk may take for a piece, or to finish a file.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take to give one up.
const GIVE_UP: Duration = Duration::from_secs(1);

/// The half for the audio thread.
pub(super) struct Tape {
    channels: usize,
    wanted: Arc<AtomicU32>,
    ring: HeapProd<u32>,
    /// The recording that blocks go to, 0 for none.
    current: u32,
    /// Frames lost that no label tells of yet, and all that this recording has lost.
    untold: u32,
    lost: u64,
    /// The latter with the recording's number, for the other side.
    told: Arc<AtomicU64>,
}

impl Tape {
    /// Takes a block, interleaved, if a recording is on. Real time.
    pub fn write(&mut self, block: &[f32]) {
        let wanted = self.wanted.load(Ordering::Acquire);
        if wanted != self.current {
            self.current = wanted;
            (self.untold, self.lost) = (0, 0);
            self.told.store(pack(wanted, 0), Ordering::Release);
        }
        let frames = block.len() / self.channels;
        if wanted == 0 || frames == 0 {
            return;
        }
        let samples = &block[..frames * self.channels];
        if self.ring.vacant_len() < LABEL + samples.len() {
            self.untold = self.untold.saturating_add(frames as u32);
            self.lost += frames as u64;
            let told = pack(wanted, self.lost);
            self.told.store(told, Ordering::Release);
            return;
        }
        // Label and samples are published together.
        let label = [wanted, self.untold, frames as u32];
        let words = label.into_iter().chain(samples.iter().map(|x| x.to_bits()));
        self.ring.push_iter(words);
        self.untold = 0;
    }
}

/// A recording's number and a count of frames in one word.
fn pack(number: u32, frames: u64) -> u64 {
    u64::from(number as u16) << 48 | frames.min((1 << 48) - 1)
}

/// The count, where it belongs to this recording.
fn unpack(word: u64, number: u32) -> u64 {
    let ours = word >> 48 == u64::from(number as u16);
    if ours { word & ((1 << 48) - 1) } else { 0 }
}

/// The other end of a tape.
struct Reel {
    rate: SampleRate,
    channels: usize,
    ring: Mutex<HeapCons<u32>>,
    told: Arc<AtomicU64>,
}

/// The half for the session: starts, stops, and tells what has become of it.
pub(super) struct Recorder {
    wanted: Arc<AtomicU32>,
    /// Recordings so far.
    count: u32,
    reel: Option<Arc<Reel>>,
    running: Option<Running>,
    news: VecDeque<What>,
}

/// A recording under way, as the session sees it.
struct Running {
    path: PathBuf,
    rate: SampleRate,
    channels: usize,
    shared: Arc<Shared>,
    reels: Sender<Arc<Reel>>,
    end: Receiver<Result<End, WriteError>>,
    writer: Thread,
}

/// What both sides of a recording see.
#[derive(Default)]
struct Shared {
    frames: AtomicU64,
    lost: AtomicU64,
    stop: AtomicBool,
    give_up: AtomicBool,
}

/// A file delivered, and why it ended by itself, if it did.
struct End {
    frames: u64,
    lost: u64,
    why: Option<String>,
}

impl Recorder {
    /// Nothing is recorded yet.
    pub fn new() -> Self {
        Self {
            wanted: Arc::default(),
            count: 0,
            reel: None,
            running: None,
            news: VecDeque::new(),
        }
    }

    /// Makes a new audio half; the one before it is heard no more. A recording goes on through
    /// the new one if rate and channels are the same; otherwise it ends, and another begins beside
    /// it, called `name-2.wav`. The time without a tape is not in the file. What came of that,
    /// [`poll`](Self::poll) tells.
    pub fn tape(&mut self, rate: SampleRate, channels: usize) -> Tape {
        let channels = channels.max(1);
        let frames = rate.frames(ROOM);
        // Room for a label at every frame.
        let (producer, consumer) = HeapRb::new(frames * (channels + LABEL)).split();
        let told = Arc::<AtomicU64>::default();
        let reel = Arc::new(Reel {
            rate,
            channels,
            ring: Mutex::new(consumer),
            told: Arc::clone(&told),
        });
        self.reel = Some(Arc::clone(&reel));
        match &self.running {
            Some(running) if (running.rate, running.channels) == (rate, channels) => {
                // Where it has ended by itself, nobody wants it.
                let _ = running.reels.send(reel);
            }
            Some(running) => {
                let path = another(&running.path);
                let on = !running.ended();
                self.finish();
                if on {
                    match self.start(&path, rate, channels, false) {
                        Ok(()) => self.news.push_back(What::RecordingStarted { path }),
                        Err(error) => self.news.push_back(failed(&error)),
                    }
                }
            }
            None => {}
        }
        Tape {
            channels,
            wanted: Arc::clone(&self.wanted),
            ring: producer,
            current: 0,
            untold: 0,
            lost: 0,
            told,
        }
    }

    /// Begins a file of 32-bit floats that will be called `path`. One under way is finished first.
    ///
    /// # Errors
    /// When the file exists and `replace` is not set, or cannot be made.
    pub fn start(
        &mut self,
        path: &Path,
        rate: SampleRate,
        channels: usize,
        replace: bool,
    ) -> Result<(), WriteError> {
        self.finish();
        let spec = Spec {
            rate,
            channels,
            format: SampleFormat::F32,
        };
        let file = WavSink::create(path, spec, None, replace)?;
        self.begin(Box::new(file), path, rate, channels)
    }

    fn begin(
        &mut self,
        medium: Box<dyn Medium>,
        path: &Path,
        rate: SampleRate,
        channels: usize,
    ) -> Result<(), WriteError> {
        // 0 means none; the label's other end keeps 16 bits of it.
        self.count = self.count % 0xffff + 1;
        let number = self.count;
        let shared = Arc::<Shared>::default();
        let (reels, more) = mpsc::channel();
        let (done, end) = mpsc::sync_channel(1);
        let fits = |reel: &&Arc<Reel>| (reel.rate, reel.channels) == (rate, channels);
        let reel = self.reel.as_ref().filter(fits).map(Arc::clone);
        let heard = Arc::clone(&shared);
        let mut writer = Writer::new(number, channels, medium, (reel, more), heard);
        let wanted = Arc::clone(&self.wanted);
        let write = move || {
            let stopped = writer.run();
            // A recording that ends by itself leaves the tape still.
            let _ = wanted.compare_exchange(number, 0, Ordering::AcqRel, Ordering::Relaxed);
            writer.end(stopped, &done);
        };
        let spawned = thread::Builder::new().name("recorder".into()).spawn(write);
        let handle = spawned.map_err(|error| WriteError::from_io(path, error))?;
        self.running = Some(Running {
            path: path.to_owned(),
            rate,
            channels,
            shared,
            reels,
            end,
            writer: handle.thread().clone(),
        });
        self.wanted.store(number, Ordering::Release);
        Ok(())
    }

    /// Ends the recording: all that was written to the tape before is in the file, which has its
    /// name now. None where nothing was recorded. A disk that hangs is waited for 20 s at most.
    ///
    /// # Errors
    /// When the file could not be delivered.
    pub fn stop(&mut self) -> Result<Option<Recording>, WriteError> {
        let Some(running) = self.running.take() else {
            return Ok(None);
        };
        self.wanted.store(0, Ordering::Release);
        running.shared.stop.store(true, Ordering::Release);
        running.writer.unpark();
        let mut at = None;
        let answer = loop {
            let frames = running.shared.frames.load(Ordering::Relaxed);
            // The ring holds so much and no more, so this comes to an end.
            match running.end.recv_timeout(PATIENCE) {
                Err(RecvTimeoutError::Timeout) if at.replace(frames) != Some(frames) => {}
                answer => break answer,
            }
        };
        let end = answer.unwrap_or_else(|_| {
            running.shared.give_up.store(true, Ordering::Release);
            let seconds = PATIENCE.as_secs();
            let what = format!("the disk has not answered for {seconds} s");
            Err(WriteError::Io {
                file: running.path.display().to_string(),
                source: io::Error::new(io::ErrorKind::TimedOut, what),
            })
        })?;
        Ok(Some(self.delivered(running.path, end)))
    }

    /// Says why it ended, if it did so by itself.
    fn delivered(&mut self, path: PathBuf, end: End) -> Recording {
        let End { frames, lost, why } = end;
        if let Some(why) = why {
            let why = format!("{} ended early: {why}", path.display());
            self.news.push_back(What::RecordingFailed { why });
        }
        Recording { path, frames, lost }
    }

    /// Ends the recording and keeps what came of it as news.
    fn finish(&mut self) {
        match self.stop() {
            Ok(None) => {}
            Ok(Some(recording)) => self.news.push_back(What::Recorded(recording)),
            Err(error) => self.news.push_back(failed(&error)),
        }
    }

    /// How the recording stands.
    pub fn status(&self) -> Option<Recording> {
        let running = self.running.as_ref().filter(|running| !running.ended())?;
        Some(Recording {
            path: running.path.clone(),
            frames: running.shared.frames.load(Ordering::Relaxed),
            lost: running.shared.lost.load(Ordering::Relaxed),
        })
    }

    /// What has happened without being asked for, one thing a call: a recording that ended by
    /// itself, or one that went on in another file.
    pub fn poll(&mut self) -> Option<What> {
        if self.news.is_empty() && self.running.as_ref().is_some_and(Running::ended) {
            self.finish();
        }
        self.news.pop_front()
    }
}

impl Running {
    /// Whether the writer has gone, so that its answer is there or about to be.
    fn ended(&self) -> bool {
        Arc::strong_count(&self.shared) == 1
    }
}

impl Drop for Recorder {
    /// What was not stopped is given up.
    fn drop(&mut self) {
        self.wanted.store(0, Ordering::Release);
        if let Some(running) = self.running.take() {
            running.shared.give_up.store(true, Ordering::Release);
            running.writer.unpark();
            // It answers when the part is gone.
            let _ = running.end.recv_timeout(GIVE_UP);
        }
    }
}

fn failed(error: &WriteError) -> What {
    let why = error.to_string();
    What::RecordingFailed { why }
}

/// The first free name of `name-2.wav`, `name-3.wav` and so on; a number already there counts on.
fn another(path: &Path) -> PathBuf {
    let text = |part: Option<&std::ffi::OsStr>| part.map(|p| p.to_string_lossy().into_owned());
    let stem = text(path.file_stem()).unwrap_or_default();
    let ending = text(path.extension()).map_or(String::new(), |e| format!(".{e}"));
    let counted = stem.rsplit_once('-').and_then(|(name, number)| {
        let number = number.parse::<u32>().ok().filter(|&n| n >= 2)?;
        Some((name.to_owned(), number))
    });
    let (name, last) = counted.unwrap_or((stem, 1));
    let named = |n| path.with_file_name(format!("{name}-{n}{ending}"));
    let free = |path: &PathBuf| path.symlink_metadata().is_err();
    let next = last.saturating_add(1);
    (next..)
        .map(named)
        .find(free)
        .unwrap_or_else(|| named(next))
}
