//! Samples to bytes and back, in whole blocks: integer and float PCM, little-endian.
//!
//! An integer of n bits stands for its value over 2^(n - 1), both ways, so what was read is
//! written as it was. Where a value falls between two integers, triangular noise of one step to
//! either side is added before rounding (TPDF dither: the mean and the variance of the error do
//! not depend on the signal). A value that an integer holds exactly is written as it is, so
//! silence stays silence and an untouched signal untouched.
//!
//! Everything goes in tiles that stay in the nearest cache: bytes to whole numbers, side by side,
//! and these to the channels; or back. Each step is a plain loop that the compiler turns into
//! vectors, once for each CPU (see [`kernel::run`](crate::kernel::run)). The results are the same
//! bits on all of them.

use std::ops::Range;
use std::sync::OnceLock;

use super::{Replaced, SampleFormat};
use crate::kernel::{self, Body, Cpu, Lane};
use crate::signal::{self, Sample};

mod decode;
mod encode;
mod law;
mod levels;
mod noise;

pub(crate) use encode::Encoder;
pub use levels::Levels;

/// Samples that are done at a time: with their bytes and planes they fit into the nearest cache.
const TILE: usize = 1024;

/// How samples lie in the bytes that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// As a [`SampleFormat`] says.
    Plain(SampleFormat),
    /// 24 bits in the low three of four bytes, as some programs write them.
    Low24In32,
    /// A-law, 8 bits for 13 (ITU-T G.711).
    ALaw,
    /// mu-law, 8 bits for 14 (ITU-T G.711).
    MuLaw,
}

impl Layout {
    pub(crate) fn bytes(self) -> usize {
        match self {
            Layout::Plain(format) => format.bytes(),
            Layout::Low24In32 => 4,
            Layout::ALaw | Layout::MuLaw => 1,
        }
    }

    /// The format that comes nearest.
    pub(crate) fn format(self) -> SampleFormat {
        match self {
            Layout::Plain(format) => format,
            Layout::Low24In32 => SampleFormat::I24,
            Layout::ALaw | Layout::MuLaw => SampleFormat::I16,
        }
    }
}

/// Interleaved bytes to the frames `at` of planar vectors.
pub(crate) fn decode<T: Sample>(
    layout: Layout,
    bytes: &[u8],
    block: &mut [Vec<T>],
    at: Range<usize>,
) {
    (Compiled::<T>::table().decode)(cpu(), layout, bytes, block, at);
}

/// Sets what is not finite to 0 and counts it; `start` is the stream's frame at `at.start`.
pub(crate) fn replace_nonfinite<T: Sample>(
    block: &mut [Vec<T>],
    at: Range<usize>,
    start: u64,
    replaced: &mut Replaced,
) {
    for (k, channel) in block.iter_mut().enumerate() {
        let samples = &mut channel[at.clone()];
        if (Compiled::<T>::table().all_finite)(cpu(), samples) {
            continue;
        }
        for (i, sample) in samples.iter_mut().enumerate() {
            if !sample.is_finite() {
                *sample = T::zero();
                replaced.count += 1;
                let here = (start + i as u64, k);
                replaced.first = Some(replaced.first.map_or(here, |first| first.min(here)));
            }
        }
    }
}

/// Turns each sample of so many bytes round: the last of its bytes becomes the first.
pub(crate) fn swap_bytes(bytes: &mut [u8], width: usize) {
    fn reverse<const N: usize>(bytes: &mut [u8]) {
        let (samples, _) = bytes.as_chunks_mut::<N>();
        samples.iter_mut().for_each(|sample| sample.reverse());
    }
    match width {
        1 => {}
        2 => reverse::<2>(bytes),
        3 => reverse::<3>(bytes),
        4 => reverse::<4>(bytes),
        _ => reverse::<8>(bytes),
    }
}

/// Whether 24-bit samples in four bytes lie in the low three: some programs put them there, while
/// the format's definition wants the high three. `None` while the samples fit both.
pub(crate) fn lies_low(bytes: &[u8]) -> Option<bool> {
    let (samples, _) = bytes.as_chunks::<4>();
    samples.iter().find_map(|&[low, _, high, top]| {
        let extends = top == 0 || (top == 0xff && high >= 0x80);
        match (low, extends) {
            (0, true) => None,
            (0, false) => Some(false),
            // A low byte in use and a top byte that is none of the sign: 32 bits after all.
            (_, low) => Some(low),
        }
    })
}

/// Largest and smallest value, 0 included; NaN is passed over.
#[inline(always)]
pub(crate) fn extremes<T: Sample>(samples: &[T]) -> (T, T) {
    // Sixteen lanes, so that the compiler may keep them in one register or a few.
    let mut high = [T::zero(); 16];
    let mut low = [T::zero(); 16];
    let (lanes, rest) = samples.as_chunks::<16>();
    for lane in lanes {
        for k in 0..16 {
            let v = lane[k];
            high[k] = if v > high[k] { v } else { high[k] };
            low[k] = if v < low[k] { v } else { low[k] };
        }
    }
    for (k, &v) in rest.iter().enumerate() {
        high[k] = if v > high[k] { v } else { high[k] };
        low[k] = if v < low[k] { v } else { low[k] };
    }
    let zero = T::zero();
    let most = high
        .into_iter()
        .fold(zero, |a, b| if b > a { b } else { a });
    let least = low.into_iter().fold(zero, |a, b| if b < a { b } else { a });
    (most, least)
}

/// The best that this machine has; asked for once.
fn cpu() -> Cpu {
    static CPU: OnceLock<Cpu> = OnceLock::new();
    *CPU.get_or_init(Cpu::detect)
}

type Decode<T> = fn(Cpu, Layout, &[u8], &mut [Vec<T>], Range<usize>);
type Encode<T> = fn(Cpu, SampleFormat, u64, &[Vec<T>], &mut [u8], &mut Levels);

/// The loops for one sample type, compiled here and not anew in every crate that uses them.
struct Compiled<T: 'static> {
    decode: Decode<T>,
    encode: Encode<T>,
    all_finite: fn(Cpu, &[T]) -> bool,
}

impl<T: Sample> Compiled<T> {
    const fn new() -> Self {
        Self {
            decode: decode::run,
            encode: encode::run,
            all_finite,
        }
    }

    /// The table of the sample type.
    fn table() -> &'static Self {
        static F32: Compiled<f32> = Compiled::new();
        static F64: Compiled<f64> = Compiled::new();
        signal::of_type::<T, Self>(&F32, &F64)
    }
}

struct AllFinite<'a, T>(&'a [T], &'a mut bool);

impl<T: Sample> Body<T> for AllFinite<'_, T> {
    #[inline(always)]
    fn run<L: Lane<T = T>>(self) {
        // No early end: that would be no vectors.
        let wrong = |all: u32, v: &T| all | u32::from(!v.is_finite());
        *self.1 = self.0.iter().fold(0, wrong) == 0;
    }
}

fn all_finite<T: Sample>(cpu: Cpu, samples: &[T]) -> bool {
    let mut all = true;
    kernel::run(cpu, AllFinite(samples, &mut all));
    all
}

/// Room for the samples of a tile; more channels than a tile has samples need a larger one.
fn tile<'a, W: Copy + Default>(
    channels: usize,
    near: &'a mut [W; TILE],
    far: &'a mut Vec<W>,
) -> &'a mut [W] {
    if channels <= TILE {
        return near;
    }
    far.resize(channels, W::default());
    far
}

#[cfg(test)]
mod tests;
