//! Random numbers that are the same everywhere.

use std::f64::consts::PI;

/// SplitMix64 (Steele, Lea & Flood 2014), from a seed.
pub(in crate::ir) struct Noise(u64);

impl Noise {
    /// Of one channel; each has its own.
    pub(in crate::ir) fn new(seed: u64, channel: usize) -> Self {
        Self(seed << 32 | channel as u64)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Above 0, up to 1.
    fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// Mean 0, variance 1 (Box & Muller 1958).
    pub(in crate::ir) fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (2.0 * PI * self.uniform()).cos()
    }
}
