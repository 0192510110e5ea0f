//! Bytes to samples.

use std::ops::Range;

use super::law::{A_LAW, MU_LAW};
use super::{Layout, SampleFormat, TILE, tile};
use crate::kernel::{self, Body, Cpu, Lane};
use crate::signal::Sample;

pub(super) fn run<T: Sample>(
    cpu: Cpu,
    layout: Layout,
    bytes: &[u8],
    block: &mut [Vec<T>],
    at: Range<usize>,
) {
    let job = Job {
        layout,
        bytes,
        block,
        at,
    };
    kernel::run(cpu, job);
}

struct Job<'a, T> {
    layout: Layout,
    bytes: &'a [u8],
    block: &'a mut [Vec<T>],
    at: Range<usize>,
}

impl<T: Sample> Body<T> for Job<'_, T> {
    #[inline(always)]
    fn run<L: Lane<T = T>>(self) {
        let float = |word: u32| T::of(f64::from(f32::from_bits(word)));
        let double = |word: u64| T::of(f64::from_bits(word));
        // Whole numbers are brought to the top of 32 bits, so one conversion serves them all.
        let scale = T::of(const { 1.0 / (1u64 << 31) as f64 });
        let whole = |word: u32| T::from_i32(word as i32).unwrap_or_else(T::zero) * scale;
        match self.layout {
            Layout::Plain(SampleFormat::F32) => self.tiles(words, float),
            Layout::Plain(SampleFormat::F64) => self.tiles(long_words, double),
            Layout::Plain(SampleFormat::U8) => {
                let octet = |[a]: [u8; 1]| u32::from(a ^ 0x80) << 24;
                self.tiles(|from, to| each(from, to, octet), whole)
            }
            Layout::Plain(SampleFormat::I16) => {
                let short = |raw: [u8; 2]| u32::from(u16::from_le_bytes(raw)) << 16;
                self.tiles(|from, to| each(from, to, short), whole)
            }
            Layout::Plain(SampleFormat::I24) => self.tiles(triples, whole),
            Layout::Plain(SampleFormat::I32) => self.tiles(words, whole),
            Layout::Low24In32 => {
                let low = |raw: [u8; 4]| u32::from_le_bytes(raw) << 8;
                self.tiles(|from, to| each(from, to, low), whole)
            }
            Layout::ALaw => {
                let law = |[a]: [u8; 1]| u32::from(A_LAW[usize::from(a)] as u16) << 16;
                self.tiles(|from, to| each(from, to, law), whole)
            }
            Layout::MuLaw => {
                let law = |[a]: [u8; 1]| u32::from(MU_LAW[usize::from(a)] as u16) << 16;
                self.tiles(|from, to| each(from, to, law), whole)
            }
        }
    }
}

impl<T: Sample> Job<'_, T> {
    /// `unpack` makes words of the bytes of a tile, `sample` a sample of a word.
    #[inline(always)]
    fn tiles<W: Copy + Default>(
        self,
        unpack: impl Fn(&[u8], &mut [W]),
        sample: impl Fn(W) -> T + Copy,
    ) {
        let channels = self.block.len();
        if channels == 0 {
            return;
        }
        let (mut near, mut far) = ([W::default(); TILE], Vec::new());
        let woven = tile(channels, &mut near, &mut far);
        let most = woven.len() / channels;
        let frame = channels * self.layout.bytes();
        let mut at = self.at;
        for bytes in self.bytes.chunks(most * frame) {
            let frames = (bytes.len() / frame).min(at.len());
            let woven = &mut woven[..frames * channels];
            unpack(&bytes[..frames * frame], woven);
            part(woven, self.block, at.start..at.start + frames, sample);
            at.start += frames;
        }
    }
}

/// Deals the words of a tile out to the channels.
#[inline(always)]
fn part<T: Sample, W: Copy>(
    woven: &[W],
    block: &mut [Vec<T>],
    at: Range<usize>,
    sample: impl Fn(W) -> T,
) {
    match block {
        [only] => {
            for (to, &word) in only[at].iter_mut().zip(woven) {
                *to = sample(word);
            }
        }
        [left, right] => {
            let (pairs, _) = woven.as_chunks::<2>();
            let to = left[at.clone()].iter_mut().zip(&mut right[at]);
            for ((left, right), &[l, r]) in to.zip(pairs) {
                *left = sample(l);
                *right = sample(r);
            }
        }
        _ => {
            let channels = block.len();
            for (k, channel) in block.iter_mut().enumerate() {
                let frames = woven.chunks_exact(channels);
                for (to, frame) in channel[at.clone()].iter_mut().zip(frames) {
                    *to = sample(frame[k]);
                }
            }
        }
    }
}

#[inline(always)]
fn each<const N: usize>(from: &[u8], to: &mut [u32], word: impl Fn([u8; N]) -> u32) {
    let (samples, _) = from.as_chunks::<N>();
    for (to, &raw) in to.iter_mut().zip(samples) {
        *to = word(raw);
    }
}

#[inline(always)]
fn words(from: &[u8], to: &mut [u32]) {
    each(from, to, u32::from_le_bytes);
}

#[inline(always)]
fn long_words(from: &[u8], to: &mut [u64]) {
    let (samples, _) = from.as_chunks::<8>();
    for (to, &raw) in to.iter_mut().zip(samples) {
        *to = u64::from_le_bytes(raw);
    }
}

/// Three bytes each, to the top of a word; four of them are three words long.
#[inline(always)]
fn triples(from: &[u8], to: &mut [u32]) {
    let (fours, rest) = from.as_chunks::<12>();
    let (places, last) = to.as_chunks_mut::<4>();
    for (to, raw) in places.iter_mut().zip(fours) {
        let (words, _) = raw.as_chunks::<4>();
        let [a, b, c] = [words[0], words[1], words[2]].map(u32::from_le_bytes);
        *to = [
            a << 8,
            (a >> 16) & 0xff00 | b << 16,
            (b >> 8) & 0x00ff_ff00 | c << 24,
            c & 0xffff_ff00,
        ];
    }
    let (samples, _) = rest.as_chunks::<3>();
    for (to, &[a, b, c]) in last.iter_mut().zip(samples) {
        *to = u32::from_le_bytes([0, a, b, c]);
    }
}
