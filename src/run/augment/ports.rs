//! Around the ports of a session: what is read is metered and kept, what comes out is placed.

use crate::io::{Levels, ReadError, Replaced, Sink, Source, Spec, Spool, WriteError};
use crate::signal::Sample;

/// What is known of the dry signal when it has passed.
#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) frames: u64,
    /// Whether its power is asked for.
    measured: bool,
    /// Sum of the squares of all samples, and how many they are.
    squares: f64,
    samples: u64,
    /// The signal itself, where it is needed again.
    pub(super) copy: Option<Spool>,
    /// Why it could not be kept.
    pub(super) failed: Option<WriteError>,
}

impl Account {
    /// With its power, if that is asked for, and a copy of the signal, if there is space for one.
    pub(super) fn new(measured: bool, copy: Option<Spool>) -> Self {
        Self {
            measured,
            copy,
            ..Self::default()
        }
    }

    /// Mean square of a sample, where it was asked for.
    pub(super) fn power(&self) -> f64 {
        self.squares / self.samples as f64
    }
}

/// A source of which account is taken.
pub(super) struct Heard<'a, S> {
    pub(super) source: S,
    pub(super) account: &'a mut Account,
}

impl<T: Sample, S: Source<T>> Source<T> for Heard<'_, S> {
    fn name(&self) -> &str {
        self.source.name()
    }

    fn spec(&self) -> Spec {
        self.source.spec()
    }

    fn frames(&self) -> Option<u64> {
        self.source.frames()
    }

    fn read(&mut self, block: &mut [Vec<T>]) -> Result<usize, ReadError> {
        let frames = self.source.read(block)?;
        self.account.frames += frames as u64;
        if self.account.measured {
            self.account.samples += (frames * block.len()) as u64;
            let channels = block.iter().map(|channel| squares(&channel[..frames]));
            self.account.squares += channels.sum::<f64>();
        }
        if let Some(copy) = &mut self.account.copy
            && let Err(error) = copy.put(block, 0..frames)
        {
            // The session ends here; who began it looks for the true cause.
            self.account.failed = Some(error);
            let file = self.source.name().to_owned();
            return Err(ReadError::Empty { file });
        }
        Ok(frames)
    }

    fn replaced(&self) -> Replaced {
        self.source.replaced()
    }
}

/// A sink that drops the first frames and lets pass the others, times a gain. It is neither judged
/// nor finished by the session.
pub(super) struct Placed<'a, T, K> {
    pub(super) sink: &'a mut K,
    /// Frames still to be dropped.
    skip: u64,
    gain: f64,
    block: Vec<Vec<T>>,
}

impl<'a, T: Sample, K: Sink<T>> Placed<'a, T, K> {
    pub(super) fn new(sink: &'a mut K, skip: u64, gain: f64) -> Self {
        Self {
            block: vec![Vec::new(); sink.spec().channels],
            sink,
            skip,
            gain,
        }
    }
}

impl<T: Sample, K: Sink<T>> Sink<T> for Placed<'_, T, K> {
    fn name(&self) -> &str {
        self.sink.name()
    }

    fn spec(&self) -> Spec {
        self.sink.spec()
    }

    fn can_take_back(&self) -> bool {
        self.sink.can_take_back()
    }

    fn write(&mut self, block: &[Vec<T>]) -> Result<(), WriteError> {
        let frames = block.first().map_or(0, Vec::len);
        let skip = self.skip.min(frames as u64) as usize;
        self.skip -= skip as u64;
        if skip == 0 && self.gain == 1.0 {
            return self.sink.write(block);
        }
        for (to, from) in self.block.iter_mut().zip(block) {
            to.clear();
            let gain = self.gain;
            to.extend(from[skip..].iter().map(|v| amplified(*v, gain)));
        }
        self.sink.write(&self.block)
    }

    fn levels(&self) -> Levels {
        Levels {
            clipped: 0,
            ..self.sink.levels()
        }
    }

    fn finish(self) -> Result<(), WriteError> {
        Ok(())
    }
}

/// Adds silence until the sink has so many frames.
pub(super) fn pad<T: Sample>(sink: &mut impl Sink<T>, frames: u64) -> Result<(), WriteError> {
    const BLOCK: u64 = 8192;
    let mut left = frames.saturating_sub(sink.levels().frames);
    while left > 0 {
        let now = left.min(BLOCK);
        left -= now;
        sink.write(&vec![vec![T::zero(); now as usize]; sink.spec().channels])?;
    }
    Ok(())
}

/// By 1 to the bit.
pub(super) fn amplified<T: Sample>(value: T, gain: f64) -> T {
    match gain {
        1.0 => value,
        gain => T::of(value.wide() * gain),
    }
}

/// Sum of the squares, in double precision.
pub(super) fn squares<T: Sample>(samples: &[T]) -> f64 {
    // Eight lanes, so that none waits for the one before it.
    let mut lanes = [0.0f64; 8];
    let (groups, rest) = samples.as_chunks::<8>();
    for group in groups {
        for (lane, value) in lanes.iter_mut().zip(group) {
            *lane += value.wide() * value.wide();
        }
    }
    let rest: f64 = rest.iter().map(|value| value.wide() * value.wide()).sum();
    lanes.iter().sum::<f64>() + rest
}
