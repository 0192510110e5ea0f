//! What of the full convolution is the result, decided while it streams.

use super::{Render, Tail, from_db};
use crate::dsp::mode::{Excerpt, Mode};
use crate::io::Levels;
use crate::signal::{Sample, SampleRate};

/// Cuts the result out of the full convolution while it streams.
pub(super) enum Shape<T> {
    Excerpt(Excerpt<T>),
    /// The whole, and so many frames of tail at most.
    Most(u64),
    /// The whole, and the tail down to a level.
    Down(Fade<T>),
}

impl<T: Sample> Shape<T> {
    pub fn new(options: &Render, rate: SampleRate, response: usize, channels: usize) -> Self {
        match (options.mode, options.tail) {
            (Mode::Full, Tail::Full) => Self::Most(u64::MAX),
            (Mode::Full, Tail::Cut) => Self::Most(0),
            (Mode::Full, Tail::Seconds(most)) => Self::Most(rate.frames(most) as u64),
            (Mode::Full, Tail::Down(db)) => Self::Down(Fade::new(db, channels)),
            (mode, _) => Self::Excerpt(Excerpt::new(mode, response, channels)),
        }
    }

    /// Takes frames that answer input frames, and fills `result` with what is decided.
    pub fn answer(&mut self, full: &[Vec<T>], result: &mut [Vec<T>]) {
        result.iter_mut().for_each(Vec::clear);
        match self {
            Self::Excerpt(excerpt) => excerpt.push(full, result),
            Self::Most(_) => append(full, result, full[0].len()),
            Self::Down(fade) => {
                fade.watch(full);
                append(full, result, full[0].len());
            }
        }
    }

    /// `whole` is how many frames of a tail that ends at a level are kept, however quiet.
    pub fn end_of_input(&mut self, whole: usize) {
        match self {
            Self::Excerpt(excerpt) => excerpt.end_of_input(),
            Self::Most(_) => {}
            Self::Down(fade) => fade.whole = whole,
        }
    }

    /// Takes frames of the tail, and fills `result` with what is decided.
    pub fn sound_on(&mut self, full: &[Vec<T>], result: &mut [Vec<T>]) {
        result.iter_mut().for_each(Vec::clear);
        match self {
            Self::Excerpt(excerpt) => excerpt.push_tail(full, result),
            Self::Most(left) => {
                let frames = (full[0].len() as u64).min(*left);
                *left -= frames;
                append(full, result, frames as usize);
            }
            Self::Down(fade) => fade.sound_on(full, result),
        }
    }

    /// True when nothing that follows would be kept.
    pub fn has_enough(&self) -> bool {
        matches!(self, Self::Most(0))
    }
}

fn append<T: Copy>(from: &[Vec<T>], to: &mut [Vec<T>], frames: usize) {
    for (from, to) in from.iter().zip(to) {
        to.extend_from_slice(&from[..frames]);
    }
}

/// Ends a tail after its last frame that is loud enough.
pub(super) struct Fade<T> {
    /// Level as a factor of the peak.
    level: f64,
    peak: f64,
    /// Frames that are kept, however quiet.
    whole: usize,
    /// Quiet frames that something louder may follow.
    held: Vec<Vec<T>>,
}

impl<T: Sample> Fade<T> {
    pub fn new(db: f64, channels: usize) -> Self {
        Self {
            level: from_db(db),
            peak: 0.0,
            whole: 0,
            held: vec![Vec::new(); channels],
        }
    }

    fn watch(&mut self, full: &[Vec<T>]) {
        let mut levels = Levels::default();
        levels.watch(full);
        self.peak = self.peak.max(levels.peak());
    }

    /// What is loud by the peak so far need not be loud by a later, higher peak; but that peak
    /// itself is loud and comes later, so what was let through belongs to the result anyway.
    fn sound_on(&mut self, full: &[Vec<T>], result: &mut [Vec<T>]) {
        self.watch(full);
        let least = self.level * self.peak;
        let loud = |value: &T| value.wide().abs() >= least && *value != T::zero();
        let last = full
            .iter()
            .filter_map(|channel| channel.iter().rposition(loud))
            .max();
        let whole = self.whole.min(full[0].len());
        self.whole -= whole;
        let kept = last.map_or(0, |last| last + 1).max(whole);
        if kept > 0 {
            for (held, result) in self.held.iter_mut().zip(&mut *result) {
                result.append(held);
            }
            append(full, result, kept);
        }
        for (held, full) in self.held.iter_mut().zip(full) {
            held.extend_from_slice(&full[kept..]);
        }
    }
}
