//! Noise that can be made again, and what it takes to compare.

// No test uses all of it.
#![allow(dead_code)]

use faltung::Sample;

/// A small generator of its own, so that a failure can be repeated.
pub struct Noise(pub u64);

impl Noise {
    pub fn next(&mut self) -> u64 {
        // SplitMix64 (Steele, Lea & Flood 2014)
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub fn samples<T: Sample>(&mut self, len: usize) -> Vec<T> {
        let unit = |bits: u64| (bits >> 11) as f64 / (1u64 << 52) as f64 - 1.0;
        (0..len).map(|_| T::of(unit(self.next()))).collect()
    }

    /// A decaying response, down by 60 dB at its end.
    pub fn response<T: Sample>(&mut self, len: usize) -> Vec<T> {
        let noise: Vec<f64> = self.samples(len);
        let decay = |n: usize| 10f64.powf(-3.0 * n as f64 / len as f64);
        noise
            .iter()
            .enumerate()
            .map(|(n, x)| T::of(x * decay(n)))
            .collect()
    }

    /// Lengths of calls that add up to `total`, zeros between.
    pub fn calls(&mut self, total: usize, longest: usize) -> Vec<usize> {
        let mut calls = Vec::new();
        let mut left = total;
        while left > 0 {
            let n = self.below(longest + 1).min(left);
            calls.push(n);
            left -= n;
        }
        calls
    }
}

pub fn norm<T: Sample>(x: &[T]) -> f64 {
    x.iter().map(|x| x.wide() * x.wide()).sum::<f64>().sqrt()
}

pub fn wide<T: Sample>(x: &[T]) -> Vec<f64> {
    x.iter().map(|x| x.wide()).collect()
}
