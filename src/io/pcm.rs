//! Samples to bytes and back, in whole blocks: integer and float PCM, little-endian.
//!
//! An integer of n bits stands for its value over 2^(n - 1), both ways, so what was read is
//! written as it was. Where a value falls between two integers, triangular noise of one step to
//! either side is added before rounding (TPDF dither: the mean and the variance of the error do
//! not depend on the signal). A value that an integer holds exactly is written as it is, so
//! silence stays silence and an untouched signal untouched.

use std::ops::Range;

use super::{Replaced, SampleFormat};
use crate::signal::Sample;

/// How samples lie in the bytes that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// As a [`SampleFormat`] says.
    Plain(SampleFormat),
    /// 24 bits in the low three of four bytes, as some programs write them.
    Low24In32,
    /// 64-bit float.
    F64,
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
            Layout::F64 => 8,
            Layout::ALaw | Layout::MuLaw => 1,
        }
    }

    /// The format that comes nearest.
    pub(crate) fn format(self) -> SampleFormat {
        match self {
            Layout::Plain(format) => format,
            Layout::Low24In32 => SampleFormat::I24,
            Layout::F64 => SampleFormat::F32,
            Layout::ALaw | Layout::MuLaw => SampleFormat::I16,
        }
    }
}

/// What an octet of A-law stands for, in steps of 16 bits (ITU-T G.711, table 1).
fn a_law(octet: u8) -> i16 {
    let code = octet ^ 0x55;
    let (segment, step) = ((code >> 4) & 7, i16::from(code & 15));
    let magnitude = match segment {
        0 => 16 * step + 8,
        _ => (16 * step + 264) << (segment - 1),
    };
    if code & 0x80 == 0 {
        -magnitude
    } else {
        magnitude
    }
}

/// The same for mu-law (ITU-T G.711, table 2).
fn mu_law(octet: u8) -> i16 {
    let code = !octet;
    let (segment, step) = ((code >> 4) & 7, i16::from(code & 15));
    let magnitude = ((8 * step + 132) << segment) - 132;
    if code & 0x80 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

/// Interleaved bytes to the frames `at` of planar vectors.
pub(crate) fn decode<T: Sample>(
    layout: Layout,
    bytes: &[u8],
    block: &mut [Vec<T>],
    at: Range<usize>,
) {
    const fn over(bits: u32) -> f64 {
        1.0 / (1u64 << (bits - 1)) as f64
    }
    match layout {
        Layout::Plain(SampleFormat::U8) => planes(bytes, block, at, |[a]: [u8; 1]| {
            T::of((f64::from(a) - 128.0) * const { over(8) })
        }),
        Layout::Plain(SampleFormat::I16) => planes(bytes, block, at, |raw: [u8; 2]| {
            T::of(f64::from(i16::from_le_bytes(raw)) * const { over(16) })
        }),
        Layout::Plain(SampleFormat::I24) => planes(bytes, block, at, |[a, b, c]: [u8; 3]| {
            // In the upper three bytes, so the sign is in its place.
            T::of(f64::from(i32::from_le_bytes([0, a, b, c])) * const { over(32) })
        }),
        Layout::Low24In32 => planes(bytes, block, at, |[a, b, c, _]: [u8; 4]| {
            T::of(f64::from(i32::from_le_bytes([0, a, b, c])) * const { over(32) })
        }),
        Layout::Plain(SampleFormat::I32) => planes(bytes, block, at, |raw: [u8; 4]| {
            T::of(f64::from(i32::from_le_bytes(raw)) * const { over(32) })
        }),
        Layout::Plain(SampleFormat::F32) => planes(bytes, block, at, |raw: [u8; 4]| {
            T::of(f64::from(f32::from_le_bytes(raw)))
        }),
        Layout::F64 => planes(bytes, block, at, |raw: [u8; 8]| {
            T::of(f64::from_le_bytes(raw))
        }),
        Layout::ALaw => planes(bytes, block, at, |[octet]: [u8; 1]| {
            T::of(f64::from(a_law(octet)) * const { over(16) })
        }),
        Layout::MuLaw => planes(bytes, block, at, |[octet]: [u8; 1]| {
            T::of(f64::from(mu_law(octet)) * const { over(16) })
        }),
    }
}

#[inline(always)]
fn planes<T: Sample, const N: usize>(
    bytes: &[u8],
    block: &mut [Vec<T>],
    at: Range<usize>,
    sample: impl Fn([u8; N]) -> T,
) {
    let channels = block.len();
    let (samples, _) = bytes.as_chunks::<N>();
    if let [channel] = block {
        for (to, raw) in channel[at].iter_mut().zip(samples) {
            *to = sample(*raw);
        }
        return;
    }
    if let [left, right] = block {
        let (pairs, _) = samples.as_chunks::<2>();
        let to = left[at.clone()].iter_mut().zip(&mut right[at]);
        for ((left, right), [l, r]) in to.zip(pairs) {
            *left = sample(*l);
            *right = sample(*r);
        }
        return;
    }
    for (k, channel) in block.iter_mut().enumerate() {
        let from = samples[k.min(samples.len())..].iter().step_by(channels);
        for (to, raw) in channel[at.clone()].iter_mut().zip(from) {
            *to = sample(*raw);
        }
    }
}

/// Sets what is not finite to 0 and counts it; `start` is the stream's frame at `at.start`.
pub(crate) fn replace_nonfinite<T: Sample>(
    block: &mut [Vec<T>],
    at: Range<usize>,
    start: u64,
    replaced: &mut Replaced,
) {
    for (k, channel) in block.iter_mut().enumerate() {
        for (i, sample) in channel[at.clone()].iter_mut().enumerate() {
            if !sample.is_finite() {
                *sample = T::zero();
                replaced.count += 1;
                let here = (start + i as u64, k);
                replaced.first = Some(replaced.first.map_or(here, |first| first.min(here)));
            }
        }
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

/// What was written so far, and how well it fitted.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Levels {
    /// Frames written.
    pub frames: u64,
    /// Largest value, 1.0 being full scale; 0 at least.
    pub high: f64,
    /// Smallest value; 0 at most.
    pub low: f64,
    /// Samples that the format could not hold and that were clipped.
    pub clipped: u64,
    /// Samples that were rounded, with dither.
    pub dithered: u64,
    /// Samples that were no number, and were written as 0.
    pub nonfinite: u64,
}

impl Levels {
    /// Largest magnitude, 1.0 being full scale.
    pub fn peak(&self) -> f64 {
        self.high.max(-self.low)
    }

    /// Counts the frames and keeps the extremes.
    pub(crate) fn watch<T: Sample>(&mut self, block: &[Vec<T>]) {
        self.frames += block.first().map_or(0, Vec::len) as u64;
        for channel in block {
            let (high, low) = extremes(channel);
            self.high = self.high.max(high.wide());
            self.low = self.low.min(low.wide());
        }
    }
}

/// Largest and smallest value, 0 included; NaN is passed over.
pub(crate) fn extremes<T: Sample>(samples: &[T]) -> (T, T) {
    // Eight lanes, so that the compiler may keep them in one register.
    let mut high = [T::zero(); 8];
    let mut low = [T::zero(); 8];
    let (lanes, rest) = samples.as_chunks::<8>();
    let mut see = |k: usize, v: T| {
        high[k] = if v > high[k] { v } else { high[k] };
        low[k] = if v < low[k] { v } else { low[k] };
    };
    for lane in lanes {
        for (k, &v) in lane.iter().enumerate() {
            see(k, v);
        }
    }
    for (k, &v) in rest.iter().enumerate() {
        see(k, v);
    }
    let zero = T::zero();
    let most = high
        .into_iter()
        .fold(zero, |a, b| if b > a { b } else { a });
    let least = low.into_iter().fold(zero, |a, b| if b < a { b } else { a });
    (most, least)
}

/// Turns blocks into bytes, with dither, clipping and bookkeeping.
#[derive(Debug, Clone)]
pub(crate) struct Encoder {
    format: SampleFormat,
    /// One a channel, so that the noise does not depend on how the signal is cut into blocks.
    noise: Vec<Noise>,
    pub(crate) levels: Levels,
}

impl Encoder {
    pub(crate) fn new(format: SampleFormat, channels: usize) -> Self {
        Self {
            format,
            noise: (0..channels as u64).map(Noise::new).collect(),
            levels: Levels::default(),
        }
    }

    /// Interleaves a block into `bytes`, which it fills anew.
    pub(crate) fn encode<T: Sample>(&mut self, block: &[Vec<T>], bytes: &mut Vec<u8>) {
        self.levels.watch(block);
        let frames = block.first().map_or(0, Vec::len);
        bytes.resize(frames * block.len() * self.format.bytes(), 0);
        match self.format {
            SampleFormat::U8 => self.integers(block, bytes, |v| [(v + 128) as u8]),
            SampleFormat::I16 => self.integers(block, bytes, |v| (v as i16).to_le_bytes()),
            SampleFormat::I24 => self.integers(block, bytes, |v| {
                let [a, b, c, _] = v.to_le_bytes();
                [a, b, c]
            }),
            SampleFormat::I32 => self.integers(block, bytes, i32::to_le_bytes),
            SampleFormat::F32 => self.floats(block, bytes),
        }
    }

    #[inline(always)]
    fn integers<T: Sample, const N: usize>(
        &mut self,
        block: &[Vec<T>],
        bytes: &mut [u8],
        pack: impl Fn(i32) -> [u8; N],
    ) {
        let mut quantiser = Quantiser {
            steps: self.format.steps().unwrap_or(1.0),
            levels: self.levels,
        };
        let frame = N * block.len();
        for (k, (channel, noise)) in block.iter().zip(&mut self.noise).enumerate() {
            let to = bytes[(k * N).min(channel.len() * frame)..].chunks_mut(frame);
            for (place, &sample) in to.zip(channel) {
                place[..N].copy_from_slice(&pack(quantiser.step(sample.wide(), noise)));
            }
        }
        self.levels = quantiser.levels;
    }

    fn floats<T: Sample>(&mut self, block: &[Vec<T>], bytes: &mut [u8]) {
        let (places, _) = bytes.as_chunks_mut::<4>();
        for (k, channel) in block.iter().enumerate() {
            let to = places.iter_mut().skip(k).step_by(block.len());
            let mut nonfinite = 0;
            for (place, &sample) in to.zip(channel) {
                let value = sample.wide() as f32;
                nonfinite += u64::from(!value.is_finite());
                *place = if value.is_finite() { value } else { 0.0 }.to_le_bytes();
            }
            self.levels.nonfinite += nonfinite;
        }
    }
}

/// Rounds to whole steps.
struct Quantiser {
    /// Steps from 0 to full scale.
    steps: f64,
    levels: Levels,
}

impl Quantiser {
    #[inline(always)]
    fn step(&mut self, sample: f64, noise: &mut Noise) -> i32 {
        let value = sample * self.steps;
        let nearest = to_nearest(value);
        let exact = nearest == value;
        if exact && nearest >= -self.steps && nearest < self.steps {
            nearest as i32
        } else {
            self.step_between(value, noise)
        }
    }

    /// For what no integer of the format is equal to.
    #[inline]
    fn step_between(&mut self, value: f64, noise: &mut Noise) -> i32 {
        let (lowest, highest) = (-self.steps, self.steps - 1.0);
        let nearest = to_nearest(value);
        if value.is_nan() {
            self.levels.nonfinite += 1;
            return 0;
        }
        if nearest < lowest || nearest > highest {
            self.levels.clipped += 1;
            self.levels.nonfinite += u64::from(value.is_infinite());
            return value.clamp(lowest, highest) as i32;
        }
        self.levels.dithered += 1;
        let dithered = to_nearest(value + noise.triangle());
        dithered.clamp(lowest, highest) as i32
    }
}

/// The nearest integer, ties to even; what is too large for that stays out of every range.
#[inline(always)]
fn to_nearest(value: f64) -> f64 {
    // Adding and taking away 1.5 * 2^52 leaves no room for a fraction.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    (value + ROUND) - ROUND
}

/// A small generator (splitmix64), the same in every run.
#[derive(Debug, Clone)]
struct Noise(u64);

impl Noise {
    fn new(channel: u64) -> Self {
        Self(channel.wrapping_mul(0xd1b5_4a32_d192_ed03) ^ 0x6661_6c74_756e_6721)
    }

    /// Sum of two even distributions of one step each: between -1 and 1, most often near 0.
    #[inline(always)]
    fn triangle(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        let (a, b) = ((z >> 32) as i64, (z & 0xffff_ffff) as i64);
        (a - b) as f64 * (1.0 / 4_294_967_296.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode<T: Sample>(format: SampleFormat, block: &[Vec<T>]) -> (Vec<u8>, Levels) {
        let mut encoder = Encoder::new(format, block.len());
        let mut bytes = Vec::new();
        encoder.encode(block, &mut bytes);
        (bytes, encoder.levels)
    }

    #[test]
    fn what_was_read_is_written_as_it_was() {
        // Every byte value in every place, as 1, 2 and 3 channels.
        let raw: Vec<u8> = (0..12_288u32).map(|i| (i * 167 + i / 256) as u8).collect();
        for format in [
            SampleFormat::U8,
            SampleFormat::I16,
            SampleFormat::I24,
            SampleFormat::I32,
        ] {
            for channels in [1, 2, 3] {
                let frames = raw.len() / (format.bytes() * channels);
                let raw = &raw[..frames * format.bytes() * channels];
                let mut block = vec![vec![0.0f64; frames]; channels];
                decode(Layout::Plain(format), raw, &mut block, 0..frames);
                let (bytes, levels) = encode(format, &block);
                assert_eq!(bytes, raw, "{format}");
                assert_eq!((levels.dithered, levels.clipped), (0, 0));
                if format != SampleFormat::I32 {
                    let narrow: Vec<Vec<f32>> = block
                        .iter()
                        .map(|c| c.iter().map(|&v| v as f32).collect())
                        .collect();
                    assert_eq!(encode(format, &narrow).0, raw, "{format} through f32");
                }
            }
        }
    }

    #[test]
    fn companded_samples_are_those_of_the_recommendation() {
        // Ends of segments, in the units of G.711 (13 and 14 bits), from its tables.
        for (octet, value) in [
            (0xd5, 1),
            (0x55, -1),
            (0xaa, 4032),
            (0x2a, -4032),
            (0xc5, 33),
        ] {
            assert_eq!(a_law(octet), 8 * value, "{octet:#x}");
        }
        for (octet, value) in [
            (0xff, 0),
            (0x7f, 0),
            (0x80, 8031),
            (0x00, -8031),
            (0xf0, 30),
        ] {
            assert_eq!(mu_law(octet), 4 * value, "{octet:#x}");
        }
    }

    #[test]
    fn the_dither_does_not_depend_on_how_the_signal_is_cut() {
        let channel = |k: usize| {
            (0..1000)
                .map(|i| ((i * 7 + k) as f32 * 0.37).sin() * 0.4)
                .collect()
        };
        let block: Vec<Vec<f32>> = (0..2).map(channel).collect();
        let (whole, _) = encode(SampleFormat::I16, &block);
        let mut encoder = Encoder::new(SampleFormat::I16, 2);
        let (mut pieces, mut bytes) = (Vec::new(), Vec::new());
        for piece in [0..1, 1..1, 1..500, 500..1000] {
            let cut: Vec<Vec<f32>> = block.iter().map(|c| c[piece.clone()].to_vec()).collect();
            encoder.encode(&cut, &mut bytes);
            pieces.extend_from_slice(&bytes);
        }
        assert_eq!(whole, pieces);
    }

    #[test]
    fn the_dither_is_triangular() {
        // The error of a value between two steps: mean 0 and variance 1/4 of a step squared
        // (1/6 of the noise and 1/12 of the rounding), wherever between the steps it lies.
        const N: usize = 200_000;
        for part in [0.1, 0.25, 0.5, 0.9] {
            let block = [vec![(100.0 + part) / 32_768.0; N]];
            let (bytes, levels) = encode::<f64>(SampleFormat::I16, &block);
            let (samples, _) = bytes.as_chunks::<2>();
            let error = |raw: &[u8; 2]| f64::from(i16::from_le_bytes(*raw)) - 100.0 - part;
            let mean = samples.iter().map(error).sum::<f64>() / N as f64;
            let power = samples.iter().map(|s| error(s).powi(2)).sum::<f64>() / N as f64;
            // Four standard deviations of the mean of N draws.
            assert!(
                mean.abs() < 4.0 * (0.25 / N as f64).sqrt(),
                "{part}: mean {mean}"
            );
            assert!((power - 0.25).abs() < 0.005, "{part}: variance {power}");
            assert_eq!(levels.dithered, N as u64);
        }
    }

    #[test]
    fn full_scale_is_one_step_less_above_than_below() {
        let (bytes, levels) = encode(
            SampleFormat::I16,
            &[vec![1.0, -1.0, 0.0, 32_767.0 / 32_768.0]],
        );
        assert_eq!(bytes, [0xff, 0x7f, 0x00, 0x80, 0, 0, 0xff, 0x7f]);
        assert_eq!((levels.clipped, levels.dithered), (1, 0));
        assert_eq!((levels.high, levels.low), (1.0, -1.0));
    }

    #[test]
    fn dither_alone_never_counts_as_clipping() {
        let (bytes, levels) = encode(SampleFormat::I16, &[vec![32_766.9 / 32_768.0; 1000]]);
        assert_eq!(levels.clipped, 0);
        let (samples, _) = bytes.as_chunks::<2>();
        assert!(samples.iter().all(|&s| i16::from_le_bytes(s) >= 32_765));
    }

    #[test]
    fn what_is_no_number_is_counted_and_written_as_zero_or_clipped() {
        let (_, levels) = encode(SampleFormat::I24, &[vec![f64::NAN, f64::INFINITY, 1e300]]);
        assert_eq!((levels.nonfinite, levels.clipped), (2, 2));
        let (bytes, levels) = encode(SampleFormat::F32, &[vec![f64::NAN, f64::INFINITY, 1e300]]);
        assert_eq!((levels.nonfinite, bytes), (3, vec![0; 12]));
    }

    #[test]
    fn twenty_four_bits_in_four_bytes_are_found_on_either_side() {
        let low = |v: i32| v.to_le_bytes();
        let high = |v: i32| (v << 8).to_le_bytes();
        assert_eq!(lies_low(&[0; 64]), None);
        assert_eq!(lies_low(&[low(0), low(-5)].concat()), Some(true));
        assert_eq!(lies_low(&[low(0), low(8_000_001)].concat()), Some(true));
        assert_eq!(lies_low(&[high(0), high(-4_000_000)].concat()), Some(false));
        assert_eq!(lies_low(&[high(0), high(8_000_001)].concat()), Some(false));
    }
}
