//! A finished result in full precision, kept until its level is known: in memory while it is
//! small, on disk beyond.

use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::pcm::extremes;
use super::{Levels, PartFile, ReadError, Replaced, Sink, Source, Spec, WriteError};
use crate::signal::Sample;

/// Frames of a page: what is written to and read from the medium at a time.
const PAGE: usize = 4096;
/// Bytes that stay in memory.
const ROOM: usize = 32 << 20;

/// Takes blocks like any sink, and then hands them on to another, with a gain, or gives them back
/// like a source.
///
/// The first 32 MiB stay in memory. What is beyond goes to a scratch file, which takes the disk
/// space of the rest, 4 or 8 bytes a sample, and removes itself.
#[derive(Debug)]
pub struct Spool {
    /// Beside which the scratch file lies.
    neighbour: PathBuf,
    name: String,
    spec: Spec,
    levels: Levels,
    /// Bytes of a sample; 0 before the first one.
    width: usize,
    /// Bytes that may stay in memory.
    room: usize,
    /// Whole pages in memory: the first ones. A page is planar, channel after channel.
    pages: Vec<Vec<u8>>,
    /// The pages behind them.
    rest: Option<PartFile>,
    /// The page that is being filled.
    open: Vec<u8>,
    /// The page of the scratch file that is being read, and its number among all.
    loaded: (Vec<u8>, Option<usize>),
    /// Frame to be read next.
    at: u64,
}

impl Spool {
    /// Space for a result; a scratch file, where one is needed, lies beside `neighbour`.
    ///
    /// # Errors
    /// None now; the folder is asked only when the memory does not do.
    pub fn beside(neighbour: &Path, spec: Spec) -> Result<Self, WriteError> {
        Ok(Self::with_room(neighbour, spec, ROOM))
    }

    fn with_room(neighbour: &Path, spec: Spec, room: usize) -> Self {
        Self {
            neighbour: neighbour.to_owned(),
            name: neighbour.display().to_string(),
            spec,
            levels: Levels::default(),
            width: 0,
            room,
            pages: Vec::new(),
            rest: None,
            open: Vec::new(),
            loaded: (Vec::new(), None),
            at: 0,
        }
    }

    /// Frames written so far.
    pub fn frames(&self) -> u64 {
        self.levels.frames
    }

    /// Goes to a frame, counted from 0: the next one to be read.
    pub fn seek(&mut self, frame: u64) {
        self.at = frame.min(self.levels.frames);
    }

    /// Gives everything once more, from the start; `T` as it was written.
    pub fn replay<T: Sample>(&mut self) -> impl Source<T> + '_ {
        self.seek(0);
        Replay(self)
    }

    /// Fills the vectors, one per channel and all equally long, from their start; returns how many
    /// frames that were, 0 only at the end. `T` as it was written.
    ///
    /// # Errors
    /// When the medium fails.
    pub fn take<T: Sample>(&mut self, block: &mut [Vec<T>]) -> Result<usize, WriteError> {
        let frames = block.first().map_or(0, Vec::len);
        self.take_at(block, 0..frames)
    }

    /// The same into these frames of the block.
    pub(crate) fn take_at<T: Sample>(
        &mut self,
        block: &mut [Vec<T>],
        range: Range<usize>,
    ) -> Result<usize, WriteError> {
        let (mut done, wanted) = (0, range.len());
        while done < wanted && self.at < self.levels.frames {
            let (page, from) = (self.at / PAGE as u64, (self.at % PAGE as u64) as usize);
            let last = (self.levels.frames - page * PAGE as u64).min(PAGE as u64) as usize;
            let frames = (last - from).min(wanted - done);
            let width = self.width;
            let bytes = self.page(page as usize)?;
            for (k, channel) in block.iter_mut().enumerate() {
                let begin = (k * PAGE + from) * width;
                let raw = &bytes[begin..begin + frames * width];
                let to = range.start + done..range.start + done + frames;
                unpack(raw, width, &mut channel[to]);
            }
            done += frames;
            self.at += frames as u64;
        }
        Ok(done)
    }

    /// Writes everything to `sink`, times `gain`; `T` as it was written.
    ///
    /// # Errors
    /// When either medium fails.
    pub fn play<T: Sample>(mut self, gain: f64, sink: &mut impl Sink<T>) -> Result<(), WriteError> {
        self.seek(0);
        let mut block = vec![vec![T::zero(); PAGE]; self.spec.channels];
        loop {
            let frames = self.take(&mut block)?;
            if frames == 0 {
                return Ok(());
            }
            for channel in &mut block {
                channel.truncate(frames);
                amplify(channel, gain);
            }
            sink.write(&block)?;
            for channel in &mut block {
                channel.resize(PAGE, T::zero());
            }
        }
    }

    /// A page by its number.
    fn page(&mut self, index: usize) -> Result<&[u8], WriteError> {
        let filed = self.filed();
        match index.checked_sub(self.pages.len()) {
            None => Ok(&self.pages[index]),
            Some(beyond) if beyond < filed => {
                if self.loaded.1 != Some(index) {
                    self.load(index, beyond)?;
                }
                Ok(&self.loaded.0)
            }
            Some(_) => Ok(&self.open),
        }
    }

    /// Whole pages in the scratch file.
    fn filed(&self) -> usize {
        (self.levels.frames / PAGE as u64) as usize - self.pages.len()
    }

    fn page_bytes(&self) -> usize {
        PAGE * self.spec.channels * self.width
    }

    /// Reads the page of the scratch file that has so many before it.
    fn load(&mut self, index: usize, beyond: usize) -> Result<(), WriteError> {
        let bytes = self.page_bytes();
        let (page, number) = &mut self.loaded;
        *number = None;
        page.resize(bytes, 0);
        if let Some(file) = &mut self.rest {
            file.seek((beyond * bytes) as u64)?;
            let got = file.reader().read_exact(page);
            got.map_err(|error| WriteError::from_io(&self.neighbour, error))?;
            *number = Some(index);
        }
        Ok(())
    }

    /// Takes these frames of a block.
    pub(crate) fn put<T: Sample>(
        &mut self,
        block: &[Vec<T>],
        range: Range<usize>,
    ) -> Result<(), WriteError> {
        self.width = size_of::<T>();
        for channel in block {
            let (high, low) = extremes(&channel[range.clone()]);
            self.levels.high = self.levels.high.max(high.wide());
            self.levels.low = self.levels.low.min(low.wide());
        }
        let mut at = range.start;
        while at < range.end {
            let from = (self.levels.frames % PAGE as u64) as usize;
            let now = (PAGE - from).min(range.end - at);
            self.open.resize(self.page_bytes(), 0);
            for (k, channel) in block.iter().enumerate() {
                let begin = (k * PAGE + from) * self.width;
                let raw = &mut self.open[begin..begin + now * self.width];
                pack(&channel[at..at + now], self.width, raw);
            }
            at += now;
            self.levels.frames += now as u64;
            if from + now == PAGE {
                self.close_page()?;
            }
        }
        Ok(())
    }

    /// Puts the open page, which is full, where its place is.
    fn close_page(&mut self) -> Result<(), WriteError> {
        let bytes = self.page_bytes();
        if self.rest.is_none() && (self.pages.len() + 1) * bytes <= self.room {
            self.pages.push(std::mem::take(&mut self.open));
            return Ok(());
        }
        let file = match &mut self.rest {
            Some(file) => file,
            empty => empty.insert(PartFile::scratch(&self.neighbour)?),
        };
        // Its place behind those before it, wherever reading has gone.
        let page = self.levels.frames / PAGE as u64 - 1 - self.pages.len() as u64;
        file.seek(page * bytes as u64)?;
        file.write_all(&self.open)
    }
}

/// Multiplies samples by `gain`; by 1 it leaves every bit.
fn amplify<T: Sample>(samples: &mut [T], gain: f64) {
    if gain != 1.0 {
        for sample in samples {
            *sample = T::of(sample.wide() * gain);
        }
    }
}

/// Samples to their 4 or 8 bytes each.
fn pack<T: Sample>(samples: &[T], width: usize, bytes: &mut [u8]) {
    if width == 4 {
        let (raw, _) = bytes.as_chunks_mut::<4>();
        for (raw, sample) in raw.iter_mut().zip(samples) {
            *raw = (sample.wide() as f32).to_le_bytes();
        }
    } else {
        let (raw, _) = bytes.as_chunks_mut::<8>();
        for (raw, sample) in raw.iter_mut().zip(samples) {
            *raw = sample.wide().to_le_bytes();
        }
    }
}

/// The samples in bytes.
fn unpack<T: Sample>(bytes: &[u8], width: usize, samples: &mut [T]) {
    if width == 4 {
        let (raw, _) = bytes.as_chunks::<4>();
        for (sample, &raw) in samples.iter_mut().zip(raw) {
            *sample = T::of(f64::from(f32::from_le_bytes(raw)));
        }
    } else {
        let (raw, _) = bytes.as_chunks::<8>();
        for (sample, &raw) in samples.iter_mut().zip(raw) {
            *sample = T::of(f64::from_le_bytes(raw));
        }
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
        self.put(block, 0..block.first().map_or(0, Vec::len))
    }

    fn levels(&self) -> Levels {
        self.levels
    }

    fn finish(self) -> Result<(), WriteError> {
        Ok(())
    }
}

/// A spool that is read.
struct Replay<'a>(&'a mut Spool);

impl<T: Sample> Source<T> for Replay<'_> {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn spec(&self) -> Spec {
        self.0.spec
    }

    fn frames(&self) -> Option<u64> {
        Some(self.0.levels.frames)
    }

    fn read(&mut self, block: &mut [Vec<T>]) -> Result<usize, ReadError> {
        self.0.take(block).map_err(|error| ReadError::Io {
            file: self.0.name.clone(),
            source: match error {
                WriteError::Io { source, .. } => source,
                other => io::Error::other(other),
            },
        })
    }

    fn replaced(&self) -> Replaced {
        Replaced::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::SampleFormat;
    use crate::signal::SampleRate;

    fn spec(channels: usize) -> Spec {
        Spec {
            rate: SampleRate::new(1000).unwrap(),
            channels,
            format: SampleFormat::F32,
        }
    }

    fn signal<T: Sample>(channels: usize, frames: usize) -> Vec<Vec<T>> {
        let value = |k: usize, n: usize| T::of((n as f64 * 0.1 + k as f64).sin());
        let channel = |k| (0..frames).map(|n| value(k, n)).collect();
        (0..channels).map(channel).collect()
    }

    fn cut<T: Sample>(signal: &[Vec<T>], from: usize, to: usize) -> Vec<Vec<T>> {
        signal.iter().map(|c| c[from..to].to_vec()).collect()
    }

    /// Written in pieces of changing length.
    fn filled<T: Sample>(neighbour: &Path, signal: &[Vec<T>], room: usize) -> Spool {
        let mut spool = Spool::with_room(neighbour, spec(signal.len()), room);
        let mut at = 0;
        for piece in [1, 0, 4095, 4096, 5000, 8192, 1, usize::MAX] {
            let end = signal[0].len().min(at + piece.min(signal[0].len()));
            spool.write(&cut(signal, at, end)).unwrap();
            at = end;
        }
        assert_eq!(spool.frames(), signal[0].len() as u64);
        spool
    }

    /// Everything that a sink was given.
    struct Kept<T>(Vec<Vec<T>>);

    impl<T: Sample> Sink<T> for Kept<T> {
        fn name(&self) -> &str {
            "kept"
        }
        fn spec(&self) -> Spec {
            spec(self.0.len())
        }
        fn can_take_back(&self) -> bool {
            true
        }
        fn write(&mut self, block: &[Vec<T>]) -> Result<(), WriteError> {
            for (kept, channel) in self.0.iter_mut().zip(block) {
                kept.extend(channel);
            }
            Ok(())
        }
        fn levels(&self) -> Levels {
            Levels::default()
        }
        fn finish(self) -> Result<(), WriteError> {
            Ok(())
        }
    }

    fn folder(name: &str) -> PathBuf {
        let name = format!("faltung-spool-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn comes_back<T: Sample>(folder: &Path) {
        let near = folder.join("out.wav");
        for channels in [1, 3] {
            let signal = signal::<T>(channels, 30_001);
            let page = PAGE * channels * size_of::<T>();
            // All in memory, some, none.
            for room in [usize::MAX, 3 * page, 0] {
                let mut spool = filled(&near, &signal, room);
                let files = std::fs::read_dir(folder).unwrap().count();
                assert_eq!(files, usize::from(room < usize::MAX), "room {room}");
                assert!(spool.pages.len() * page <= room);
                for at in [0, 5, 4096, 20_000, 12_288, 30_000, 30_001] {
                    spool.seek(at as u64);
                    let mut block = vec![vec![T::zero(); 9000]; channels];
                    let frames = spool.take(&mut block).unwrap();
                    assert_eq!(frames, 9000.min(30_001 - at));
                    assert!(cut(&block, 0, frames) == cut(&signal, at, at + frames));
                }
                let mut kept = Kept::<T>(vec![Vec::new(); channels]);
                spool.play(1.0, &mut kept).unwrap();
                assert!(kept.0 == signal, "{channels} channels, room {room}");
                assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
            }
        }
    }

    #[test]
    fn what_was_written_comes_back_to_the_bit_from_memory_and_from_disk() {
        let folder = folder("back");
        comes_back::<f32>(&folder);
        comes_back::<f64>(&folder);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn writing_goes_on_behind_what_was_read() {
        let folder = folder("between");
        let signal = signal::<f32>(2, 30_000);
        let mut spool = Spool::with_room(&folder.join("x"), spec(2), 0);
        let mut block = vec![vec![0.0f32; 100]; 2];
        for at in (0..30_000).step_by(3000) {
            spool.write(&cut(&signal, at, at + 3000)).unwrap();
            spool.seek(at as u64 / 2);
            assert_eq!(spool.take(&mut block).unwrap(), 100);
            assert!(block == cut(&signal, at / 2, at / 2 + 100));
        }
        let mut kept = Kept::<f32>(vec![Vec::new(); 2]);
        spool.play(0.5, &mut kept).unwrap();
        let half = |c: &Vec<f32>| c.iter().map(|v| v * 0.5).collect();
        assert!(kept.0 == signal.iter().map(half).collect::<Vec<Vec<f32>>>());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_folder_that_is_missing_is_named_when_the_memory_does_not_do() {
        let near = Path::new("/nowhere/at/all/out.wav");
        let mut spool = Spool::with_room(near, spec(1), 0);
        let refused = spool.write(&signal::<f32>(1, 5000)).unwrap_err();
        let text = refused.to_string();
        assert!(text.contains("/nowhere/at/all does not exist"), "{text}");
    }
}
