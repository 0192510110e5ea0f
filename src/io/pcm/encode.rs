//! Samples to bytes, with dither, clipping and bookkeeping.

use std::ops::Range;

use super::noise::Noise;
use super::{Compiled, Levels, SampleFormat, TILE, cpu, tile};
use crate::kernel::{self, Body, Cpu, Lane};
use crate::signal::Sample;

/// Turns blocks into bytes.
#[derive(Debug, Clone)]
pub(crate) struct Encoder {
    format: SampleFormat,
    channels: usize,
    /// Frame of the stream at which the next block begins.
    at: u64,
    pub(crate) levels: Levels,
}

impl Encoder {
    pub(crate) fn new(format: SampleFormat, channels: usize) -> Self {
        Self {
            format,
            channels,
            at: 0,
            levels: Levels::default(),
        }
    }

    /// Interleaves the block that follows into `bytes`, which it fills anew.
    pub(crate) fn encode<T: Sample>(&mut self, block: &[Vec<T>], bytes: &mut Vec<u8>) {
        self.encode_at(self.at, block, bytes);
        self.at += block.first().map_or(0, Vec::len) as u64;
    }

    /// The same for a block that begins at this frame of the stream. Blocks may come in any order:
    /// the bytes depend on nothing else.
    pub(crate) fn encode_at<T: Sample>(
        &mut self,
        frame: u64,
        block: &[Vec<T>],
        bytes: &mut Vec<u8>,
    ) {
        debug_assert_eq!(block.len(), self.channels);
        let frames = block.first().map_or(0, Vec::len);
        bytes.resize(frames * self.channels * self.format.bytes(), 0);
        let run = Compiled::<T>::table().encode;
        run(cpu(), self.format, frame, block, bytes, &mut self.levels);
    }
}

pub(super) fn run<T: Sample>(
    cpu: Cpu,
    format: SampleFormat,
    frame: u64,
    block: &[Vec<T>],
    bytes: &mut [u8],
    levels: &mut Levels,
) {
    let job = Job {
        format,
        frame,
        block,
        bytes,
        levels,
    };
    kernel::run(cpu, job);
}

struct Job<'a, T> {
    format: SampleFormat,
    /// Of the stream, at which the block begins.
    frame: u64,
    block: &'a [Vec<T>],
    bytes: &'a mut [u8],
    levels: &'a mut Levels,
}

impl<T: Sample> Body<T> for Job<'_, T> {
    #[inline(always)]
    fn run<L: Lane<T = T>>(self) {
        self.levels.watch(self.block);
        let steps = self.format.steps().unwrap_or(1.0);
        // A float of 24 bits holds all that these integers need; 32 bits do not fit.
        let narrow = |from: &[T], to: &mut [i32], noise, at: u64, levels: &mut Levels| {
            quantise::<T, f32>(steps, from, to, noise, at as u32, levels)
        };
        let wide = |from: &[T], to: &mut [i32], noise, at: u64, levels: &mut Levels| {
            quantise::<T, f64>(steps, from, to, noise, at as u32, levels)
        };
        let single = size_of::<T>() == 4;
        match self.format {
            SampleFormat::U8 if single => self.tiles(narrow, octets),
            SampleFormat::I16 if single => self.tiles(narrow, shorts),
            SampleFormat::I24 if single => self.tiles(narrow, triples),
            SampleFormat::U8 => self.tiles(wide, octets),
            SampleFormat::I16 => self.tiles(wide, shorts),
            SampleFormat::I24 => self.tiles(wide, triples),
            SampleFormat::I32 => self.tiles(wide, words),
            SampleFormat::F32 => self.tiles(floats, words),
            SampleFormat::F64 => self.tiles(doubles, long_words),
        }
    }
}

impl<T: Sample> Job<'_, T> {
    /// `word` makes words of a piece of a channel, `pack` bytes of the words of all channels.
    #[inline(always)]
    fn tiles<W: Copy + Default>(
        self,
        word: impl Fn(&[T], &mut [W], Noise, u64, &mut Levels),
        pack: impl Fn(&[W], &mut [u8]),
    ) {
        let channels = self.block.len();
        let frames = self.block.first().map_or(0, Vec::len);
        let (mut near, mut far) = ([[W::default(); TILE]; 2], [Vec::new(), Vec::new()]);
        let ([near, near_too], [far, far_too]) = (&mut near, &mut far);
        let planes = tile(channels, near, far);
        let woven = tile(channels, near_too, far_too);
        let most = planes.len() / channels.max(1);
        let frame = channels * self.format.bytes();
        let mut done = 0;
        while done < frames {
            let at = self.frame + done as u64;
            // Up to where the noise has another key.
            let same_key = usize::try_from((1 << 32) - (at & 0xffff_ffff)).unwrap_or(most);
            let piece = done..done + most.min(frames - done).min(same_key);
            let planes = &mut planes[..channels * piece.len()];
            for (k, plane) in planes.chunks_exact_mut(piece.len()).enumerate() {
                let samples = &self.block[k][piece.clone()];
                word(samples, plane, Noise::of(k, at), at, self.levels);
            }
            let bytes = &mut self.bytes[piece.start * frame..piece.end * frame];
            if channels == 1 {
                pack(planes, bytes);
            } else {
                let woven = &mut woven[..planes.len()];
                weave(planes, woven, channels);
                pack(woven, bytes);
            }
            done = piece.end;
        }
    }
}

/// Channels side by side become frames.
#[inline(always)]
fn weave<W: Copy>(planes: &[W], woven: &mut [W], channels: usize) {
    let frames = planes.len() / channels;
    if channels == 2 {
        let (left, right) = planes.split_at(frames);
        let (pairs, _) = woven.as_chunks_mut::<2>();
        for ((pair, &l), &r) in pairs.iter_mut().zip(left).zip(right) {
            *pair = [l, r];
        }
        return;
    }
    for (k, plane) in planes.chunks_exact(frames).enumerate() {
        for (frame, &word) in woven.chunks_exact_mut(channels).zip(plane) {
            frame[k] = word;
        }
    }
}

/// Floats in which steps are counted.
trait Count: Sample {
    /// The nearest whole number, ties to even; for up to 25 bits in single precision and 33 in
    /// double.
    fn nearest(self) -> Self;
    /// A whole number, of 24 bits at most in single precision and 32 in double.
    fn whole(self) -> i32;
    /// From a number of at most 17 bits.
    fn from_noise(noise: i32) -> Self;
}

impl Count for f32 {
    #[inline(always)]
    fn nearest(self) -> Self {
        // From 2^23 on a float has no room for a fraction.
        let magnitude = self.abs();
        let rounded = (magnitude + 8_388_608.0) - 8_388_608.0;
        let nearest = if magnitude < 8_388_608.0 {
            rounded
        } else {
            magnitude
        };
        nearest.copysign(self)
    }

    #[inline(always)]
    fn whole(self) -> i32 {
        // From 2^23 to 2^24 floats follow one another as the numbers do; `as` would be slow.
        let magnitude = (self.abs() + 8_388_608.0).to_bits() as i32 - 0x4b00_0000;
        let sign = self.to_bits() as i32 >> 31;
        (magnitude ^ sign) - sign
    }

    #[inline(always)]
    fn from_noise(noise: i32) -> Self {
        noise as f32
    }
}

/// From 2^52 on a double has no room for a fraction; half as much again keeps negative numbers in
/// the same octave.
const OCTAVE: f64 = 6_755_399_441_055_744.0;

impl Count for f64 {
    #[inline(always)]
    fn nearest(self) -> Self {
        (self + OCTAVE) - OCTAVE
    }

    #[inline(always)]
    fn whole(self) -> i32 {
        // The low bits of the sum are the number.
        (self + OCTAVE).to_bits() as i32
    }

    #[inline(always)]
    fn from_noise(noise: i32) -> Self {
        noise.into()
    }
}

/// Rounds to whole steps, of which there are so many from 0 to full scale.
#[inline(always)]
fn quantise<T: Sample, C: Count>(
    steps: f64,
    from: &[T],
    to: &mut [i32],
    noise: Noise,
    at: u32,
    levels: &mut Levels,
) {
    let (zero, one, scale) = (C::zero(), C::one(), C::of(steps));
    let (lowest, highest) = (-scale, scale - one);
    let step = C::of(1.0 / 65_536.0);
    let (mut dithered, mut outside) = (0, 0);
    for (i, (to, &sample)) in to.iter_mut().zip(from).enumerate() {
        // What is far outside stays just outside; NaN, too, which compares with nothing.
        let value = within(C::of(sample.wide()) * scale, lowest - one, highest + one);
        let nearest = value.nearest();
        let rest = value - nearest;
        let fits = (nearest >= lowest) & (nearest <= highest);
        // Only what no integer of the format is equal to is given noise.
        let between = fits & (rest != zero);
        let noise = noise.triangle(at.wrapping_add(i as u32));
        let noise = if between { noise } else { 0 };
        let moved = (rest + C::from_noise(noise) * step).nearest();
        *to = within(nearest + moved, lowest, highest).whole();
        dithered += u32::from(between);
        outside += u32::from(!fits);
    }
    levels.dithered += u64::from(dithered);
    if outside > 0 {
        count_outside(lowest..highest, scale, from, to, levels);
    }
}

/// NaN becomes the lowest.
#[inline(always)]
fn within<C: Sample>(value: C, lowest: C, highest: C) -> C {
    let value = if value > lowest { value } else { lowest };
    if value < highest { value } else { highest }
}

/// For the rare piece with samples that the format cannot hold.
#[inline(never)]
fn count_outside<T: Sample, C: Count>(
    range: Range<C>,
    scale: C,
    from: &[T],
    to: &mut [i32],
    levels: &mut Levels,
) {
    for (to, sample) in to.iter_mut().zip(from) {
        let value = sample.wide();
        if value.is_nan() {
            levels.nonfinite += 1;
            *to = 0;
            continue;
        }
        let steps = value * scale.wide();
        let nearest = steps.round_ties_even();
        if nearest < range.start.wide() || nearest > range.end.wide() {
            levels.clipped += 1;
            levels.nonfinite += u64::from(value.is_infinite());
        }
    }
}

#[inline(always)]
fn floats<T: Sample>(from: &[T], to: &mut [i32], _: Noise, _: u64, levels: &mut Levels) {
    let mut nonfinite = 0;
    for (to, &sample) in to.iter_mut().zip(from) {
        let value = sample.wide() as f32;
        let finite = value.is_finite();
        nonfinite += u32::from(!finite);
        *to = if finite { value.to_bits() as i32 } else { 0 };
    }
    levels.nonfinite += u64::from(nonfinite);
}

#[inline(always)]
fn doubles<T: Sample>(from: &[T], to: &mut [u64], _: Noise, _: u64, levels: &mut Levels) {
    let mut nonfinite = 0;
    for (to, &sample) in to.iter_mut().zip(from) {
        let value = sample.wide();
        let finite = value.is_finite();
        nonfinite += u32::from(!finite);
        *to = if finite { value.to_bits() } else { 0 };
    }
    levels.nonfinite += u64::from(nonfinite);
}

#[inline(always)]
fn octets(from: &[i32], to: &mut [u8]) {
    for (to, &v) in to.iter_mut().zip(from) {
        *to = (v + 128) as u8;
    }
}

#[inline(always)]
fn shorts(from: &[i32], to: &mut [u8]) {
    let (places, _) = to.as_chunks_mut::<2>();
    for (to, &v) in places.iter_mut().zip(from) {
        *to = (v as i16).to_le_bytes();
    }
}

/// Three bytes each; four of them are three words long.
#[inline(always)]
fn triples(from: &[i32], to: &mut [u8]) {
    let (fours, rest) = from.as_chunks::<4>();
    let (places, last) = to.as_chunks_mut::<12>();
    for (to, four) in places.iter_mut().zip(fours) {
        let [a, b, c, d] = four.map(|v| v as u32 & 0x00ff_ffff);
        let (words, _) = to.as_chunks_mut::<4>();
        words[0] = (a | b << 24).to_le_bytes();
        words[1] = (b >> 8 | c << 16).to_le_bytes();
        words[2] = (c >> 16 | d << 8).to_le_bytes();
    }
    let (places, _) = last.as_chunks_mut::<3>();
    for (to, &v) in places.iter_mut().zip(rest) {
        let [a, b, c, _] = v.to_le_bytes();
        *to = [a, b, c];
    }
}

#[inline(always)]
fn words(from: &[i32], to: &mut [u8]) {
    let (places, _) = to.as_chunks_mut::<4>();
    for (to, v) in places.iter_mut().zip(from) {
        *to = v.to_le_bytes();
    }
}

#[inline(always)]
fn long_words(from: &[u64], to: &mut [u8]) {
    let (places, _) = to.as_chunks_mut::<8>();
    for (to, v) in places.iter_mut().zip(from) {
        *to = v.to_le_bytes();
    }
}
