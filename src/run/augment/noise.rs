//! A noise from a file, as long as it is wanted and at the rate that is wanted.

use std::path::{Path, PathBuf};

use super::AugmentError;
use super::ports::squares;
#[cfg(feature = "resample")]
use super::resample::Resampler;
use crate::io::{FileSource, ReadError, Sink, Source, Spec, Spool};
use crate::run::RunError;
use crate::signal::{Sample, SampleRate};

/// Frames that are moved at a time.
const BLOCK: usize = 8192;

/// Something to be added to a result.
#[derive(Debug, Clone, PartialEq)]
pub struct Noise {
    /// A sound file of any kind and rate. Where it has as many channels as the result, each goes
    /// to its own; otherwise the mean of its channels goes to all.
    pub file: PathBuf,
    /// Where in the file it begins, as a share of its length, 0 to 1; where it ends, it goes on
    /// from the start.
    pub place: f64,
    /// Power of the reverberant signal over that of the noise in dB, over all frames and channels
    /// that are delivered.
    pub snr_db: f64,
}

impl Noise {
    fn name(&self) -> String {
        self.file.display().to_string()
    }

    pub(super) fn check(&self) -> Result<(), AugmentError> {
        let (file, place, snr_db) = (self.name(), self.place, self.snr_db);
        if !(0.0..=1.0).contains(&place) {
            return Err(AugmentError::NoisePlace { file, place });
        }
        if !(-200.0..=200.0).contains(&snr_db) {
            return Err(AugmentError::Snr { file, snr_db });
        }
        Ok(())
    }
}

/// A noise as long as a result, of one channel for all or one for each.
pub(super) struct Bed {
    pub(super) spool: Spool,
    /// Sum of the squares of all its samples.
    squares: f64,
    /// The file's rate, where it was another.
    pub(super) resampled_from: Option<SampleRate>,
    /// Its channels, where their mean was taken.
    pub(super) averaged_from: Option<usize>,
}

impl Bed {
    /// Reads `frames` frames for a result with this spec.
    pub(super) fn lay<T: Sample>(
        noise: &Noise,
        spec: Spec,
        frames: u64,
        near: &Path,
    ) -> Result<Self, RunError> {
        let source = FileSource::open(&noise.file)?;
        let (from, to) = (source.spec().rate, spec.rate);
        let all = match Source::<T>::frames(&source) {
            Some(frames) => frames,
            None => count::<T>(FileSource::open(&noise.file)?)?,
        };
        let start = match (noise.place * all as f64) as u64 {
            start if start < all => start,
            _ => 0,
        };
        let channels = match source.spec().channels {
            equal if equal == spec.channels => equal,
            _ => 1,
        };
        let given = source.spec().channels;
        let spec = Spec { channels, ..spec };
        let wanted = u128::from(frames) * u128::from(from.hz()) / u128::from(to.hz());
        let mut feed = Feed::<T>::new(noise, source, channels);
        // A clip that goes round and round is held; it is shorter than what it makes.
        if 2 * u128::from(all) < wanted {
            feed.hold(spec, near)?;
        }
        feed.seek(start)?;
        let mut bed = Self {
            spool: Spool::beside(near, spec)?,
            squares: 0.0,
            resampled_from: Some(from).filter(|from| *from != to),
            averaged_from: Some(given).filter(|given| *given != channels),
        };
        if from == to {
            let mut block = vec![vec![T::zero(); BLOCK]; channels];
            while bed.spool.frames() < frames {
                feed.fill(&mut block)?;
                bed.take(&block, 0, frames)?;
            }
        } else {
            bed.resampled(feed, noise, (from, to), frames)?;
        }
        if bed.squares == 0.0 {
            return Err(AugmentError::NoiseSilent {
                file: noise.name(),
                from: start as f64 / f64::from(from.hz()),
                seconds: frames as f64 / f64::from(to.hz()),
                snr_db: noise.snr_db,
            }
            .into());
        }
        Ok(bed)
    }

    /// Mean square of a sample.
    pub(super) fn power(&self) -> f64 {
        let samples = self.spool.frames() * self.channels() as u64;
        self.squares / samples as f64
    }

    /// Channels, one for all or one for each.
    pub(super) fn channels(&self) -> usize {
        Sink::<f64>::spec(&self.spool).channels
    }

    /// Takes the frames of a block from `skip` on, until there are `most`.
    fn take<T: Sample>(
        &mut self,
        block: &[Vec<T>],
        skip: usize,
        most: u64,
    ) -> Result<(), RunError> {
        let left = (most - self.spool.frames()).min(block[0].len() as u64) as usize;
        let range = skip..block[0].len().min(skip + left);
        for channel in block {
            self.squares += squares(&channel[range.clone()]);
        }
        self.spool.put(block, range)?;
        Ok(())
    }

    #[cfg(feature = "resample")]
    fn resampled<T: Sample>(
        &mut self,
        mut feed: Feed<T>,
        noise: &Noise,
        (from, to): (SampleRate, SampleRate),
        frames: u64,
    ) -> Result<(), RunError> {
        let failed = |cause: String| AugmentError::NoiseRate {
            file: noise.name(),
            from,
            to,
            cause,
        };
        let mut resampler = Resampler::new(from, to, feed.channels).map_err(failed)?;
        let mut input = vec![vec![T::zero(); resampler.frames_in()]; feed.channels];
        let mut output = vec![vec![T::zero(); resampler.frames_out()]; feed.channels];
        let mut skip = resampler.delay();
        while self.spool.frames() < frames {
            feed.fill(&mut input)?;
            resampler.run(&input, &mut output).map_err(failed)?;
            let now = skip.min(output[0].len());
            skip -= now;
            self.take(&output, now, frames)?;
        }
        Ok(())
    }

    #[cfg(not(feature = "resample"))]
    fn resampled<T: Sample>(
        &mut self,
        _: Feed<T>,
        noise: &Noise,
        (from, to): (SampleRate, SampleRate),
        _: u64,
    ) -> Result<(), RunError> {
        let refused = AugmentError::NoiseRate {
            file: noise.name(),
            from,
            to,
            cause: "this build has no resampler".into(),
        };
        Err(refused.into())
    }
}

/// Length of a file that does not tell it.
fn count<T: Sample>(mut source: FileSource) -> Result<u64, ReadError> {
    let mut block = vec![vec![T::zero(); BLOCK]; source.spec().channels];
    let mut frames = 0;
    loop {
        match source.read(&mut block)? {
            0 => return Ok(frames),
            more => frames += more as u64,
        }
    }
}

/// The clip without end, in the channels that are wanted.
struct Feed<'a, T> {
    noise: &'a Noise,
    source: FileSource,
    /// The whole clip, where it is held.
    held: Option<Spool>,
    channels: usize,
    /// As it is read.
    raw: Vec<Vec<T>>,
    /// Read since the clip's start: a clip that gives nothing would never end.
    any: bool,
}

impl<'a, T: Sample> Feed<'a, T> {
    fn new(noise: &'a Noise, source: FileSource, channels: usize) -> Self {
        Self {
            raw: vec![vec![T::zero(); BLOCK]; source.spec().channels],
            noise,
            source,
            held: None,
            channels,
            any: true,
        }
    }

    /// Reads the whole clip, to be read from there.
    fn hold(&mut self, spec: Spec, near: &Path) -> Result<(), RunError> {
        let mut spool = Spool::beside(near, spec)?;
        let mut block = vec![vec![T::zero(); BLOCK]; self.channels];
        loop {
            let frames = self.read(&mut block, 0..BLOCK)?;
            if frames == 0 {
                break;
            }
            spool.put(&block, 0..frames)?;
        }
        self.held = Some(spool);
        Ok(())
    }

    /// Goes to a frame of the clip; from its start.
    fn seek(&mut self, start: u64) -> Result<(), RunError> {
        if let Some(held) = &mut self.held {
            held.seek(start);
            return Ok(());
        }
        let mut left = start;
        while left > 0 {
            let now = left.min(BLOCK as u64) as usize;
            for channel in &mut self.raw {
                channel.resize(now, T::zero());
            }
            match self.source.read(&mut self.raw)? {
                0 => break,
                frames => left -= frames as u64,
            }
        }
        Ok(())
    }

    /// Fills the whole block, round and round.
    fn fill(&mut self, block: &mut [Vec<T>]) -> Result<(), RunError> {
        let frames = block[0].len();
        let mut done = 0;
        while done < frames {
            let got = match &mut self.held {
                Some(held) => held.take_at(block, done..frames)?,
                None => self.read(block, done..frames)?,
            };
            if got == 0 {
                self.rewind()?;
            } else {
                self.any = true;
            }
            done += got;
        }
        Ok(())
    }

    fn rewind(&mut self) -> Result<(), RunError> {
        if !std::mem::replace(&mut self.any, false) {
            let file = self.noise.name();
            return Err(ReadError::Empty { file }.into());
        }
        match &mut self.held {
            Some(held) => held.seek(0),
            None => self.source = FileSource::open(&self.noise.file)?,
        }
        Ok(())
    }

    /// Reads from the file into these frames of the block.
    fn read(
        &mut self,
        block: &mut [Vec<T>],
        range: std::ops::Range<usize>,
    ) -> Result<usize, RunError> {
        for channel in &mut self.raw {
            channel.resize(range.len().min(BLOCK), T::zero());
        }
        let frames = self.source.read(&mut self.raw)?;
        let to = range.start..range.start + frames;
        if let ([mean], [_, _, ..]) = (&mut *block, &self.raw[..]) {
            let share = 1.0 / self.raw.len() as f64;
            for (k, to) in mean[to].iter_mut().enumerate() {
                let sum: f64 = self.raw.iter().map(|channel| channel[k].wide()).sum();
                *to = T::of(sum * share);
            }
        } else {
            for (channel, raw) in block.iter_mut().zip(&self.raw) {
                channel[to.clone()].copy_from_slice(&raw[..frames]);
            }
        }
        Ok(frames)
    }
}
