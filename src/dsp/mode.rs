//! Which part of the full convolution is wanted, at once or while it streams.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::convolver::Convolver;
use super::error::BuildError;
use crate::signal::Sample;

/// The part of the full convolution to keep, with numpy's meaning.
///
/// For inputs of N and M samples, with L = max(N, M) and S = min(N, M):
///
/// | mode | samples | of full |
/// | --- | --- | --- |
/// | `Full` | N + M - 1 | all |
/// | `Same` | L | from (S - 1) / 2, integer division |
/// | `Valid` | L - S + 1 | from S - 1: where both overlap completely |
///
/// Some tutorials give the size of `valid` as L - S - 1; it is L - S **+** 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// Everything, N + M - 1 samples.
    #[default]
    Full,
    /// The middle max(N, M) samples.
    Same,
    /// The max - min + 1 samples for which no edge was padded.
    Valid,
}

impl Mode {
    /// The samples of the full result that this mode keeps. Neither length may be zero.
    pub fn range(self, n: usize, m: usize) -> Range<usize> {
        let (long, short) = (n.max(m), n.min(m));
        match self {
            Mode::Full => 0..long + short - 1,
            Mode::Same => (short - 1) / 2..(short - 1) / 2 + long,
            Mode::Valid => short - 1..long,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Full => "full",
            Mode::Same => "same",
            Mode::Valid => "valid",
        })
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "full" => Ok(Mode::Full),
            "same" => Ok(Mode::Same),
            "valid" => Ok(Mode::Valid),
            _ => Err(format!(
                "unknown mode `{text}`; there are full, same and valid"
            )),
        }
    }
}

/// Cuts `same` or `valid` out of the full convolution while it streams.
///
/// numpy swaps the inputs when the second is longer, so where the wanted part begins is known
/// only when the input has reached the length of the impulse response, or has ended. Until then
/// frames are held back: at most as many as the response has.
#[derive(Debug, Clone)]
pub struct Excerpt<T> {
    mode: Mode,
    ir_frames: usize,
    /// Input frames so far; their final number once `ended`.
    input_frames: usize,
    ended: bool,
    /// Frame of the full result at which `held` begins.
    at: usize,
    held: Vec<VecDeque<T>>,
}

impl<T: Copy> Excerpt<T> {
    /// For `channels` channels, convolved with responses of at most `ir_frames` frames.
    pub fn new(mode: Mode, ir_frames: usize, channels: usize) -> Self {
        Self {
            mode,
            ir_frames,
            input_frames: 0,
            ended: false,
            at: 0,
            held: (0..channels).map(|_| VecDeque::new()).collect(),
        }
    }

    /// Takes frames of the full result that came with equally many input frames; what is decided
    /// is appended to `out`, one vector per channel.
    pub fn push<I: AsRef<[T]>>(&mut self, full: &[I], out: &mut [Vec<T>]) {
        self.input_frames += full.first().map_or(0, |c| c.as_ref().len());
        self.hold(full);
        self.release(out);
    }

    /// The input has ended, so its length is known.
    pub fn end_of_input(&mut self) {
        self.ended = true;
    }

    /// Takes frames of the tail, after [`end_of_input`](Self::end_of_input).
    pub fn push_tail<I: AsRef<[T]>>(&mut self, full: &[I], out: &mut [Vec<T>]) {
        self.hold(full);
        self.release(out);
    }

    fn hold<I: AsRef<[T]>>(&mut self, full: &[I]) {
        for (held, new) in self.held.iter_mut().zip(full) {
            held.extend(new.as_ref());
        }
    }

    /// The part of the full result that is certainly wanted, and from where on nothing is known.
    fn decided(&self) -> Range<usize> {
        let (n, m) = (self.input_frames, self.ir_frames);
        if n == 0 {
            return 0..0;
        }
        let now = self.mode.range(n, m);
        if self.ended {
            now
        } else if n >= m {
            // The start is settled; as for the end, whatever came with input frames is wanted.
            now.start..n
        } else {
            // A longer input moves the start up: what lies before it is certainly not wanted.
            now.start..now.start
        }
    }

    fn release(&mut self, out: &mut [Vec<T>]) {
        let wanted = self.decided();
        let Some(frames) = self.held.first().map(VecDeque::len) else {
            return;
        };
        let skip = wanted.start.saturating_sub(self.at).min(frames);
        let keep = wanted.end.saturating_sub(self.at + skip).min(frames - skip);
        for (held, out) in self.held.iter_mut().zip(out) {
            held.drain(..skip);
            out.extend(held.drain(..keep));
        }
        self.at += skip + keep;
    }
}

/// A [`Convolver`] that gives `same` or `valid` of a stream of any length.
///
/// For offline use: it holds back frames and its output grows vectors.
///
/// ```
/// use faltung::{Mode, ModeConvolver};
/// let mut valid = ModeConvolver::new(&[3.0, 4.0, 2.0], Mode::Valid)?;
/// let mut out = Vec::new();
/// valid.process(&[1.0], &mut out); // shorter than the response: nothing is decided yet
/// valid.process(&[5.0], &mut out);
/// valid.finish(&mut out);
/// assert_eq!(out, [19.0, 22.0]);
/// # Ok::<(), faltung::BuildError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ModeConvolver<T: Sample = f32> {
    convolver: Convolver<T>,
    excerpt: Excerpt<T>,
    scratch: Vec<T>,
}

impl<T: Sample> ModeConvolver<T> {
    /// Fails as [`Convolver::new`] does.
    pub fn new(ir: &[T], mode: Mode) -> Result<Self, BuildError> {
        Ok(Self {
            convolver: Convolver::new(ir)?,
            excerpt: Excerpt::new(mode, ir.len(), 1),
            scratch: Vec::new(),
        })
    }

    /// Takes any number of input frames and appends what is decided to `out`.
    pub fn process(&mut self, input: &[T], out: &mut Vec<T>) {
        self.scratch.resize(input.len(), T::zero());
        self.convolver.process(input, &mut self.scratch);
        self.excerpt
            .push(&[&self.scratch], std::slice::from_mut(out));
    }

    /// Ends the input and appends the rest.
    pub fn finish(mut self, out: &mut Vec<T>) {
        self.excerpt.end_of_input();
        self.scratch.resize(4096, T::zero());
        loop {
            let frames = self.convolver.drain(&mut self.scratch);
            self.excerpt
                .push_tail(&[&self.scratch[..frames]], std::slice::from_mut(out));
            if frames == 0 {
                return;
            }
        }
    }
}
