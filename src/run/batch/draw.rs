//! Choices by lot that a seed and a name settle for ever, here and in any other program.
//!
//! The state begins as the 64-bit FNV-1a hash (offset basis `0xcbf29ce484222325`, prime
//! `0x100000001b3`) of the seed's eight bytes, lowest first, and the bytes of the name, in UTF-8 where it is text.
//! Each draw is a step of splitmix64:
//!
//! ```text
//! state = state + 0x9e3779b97f4a7c15
//! z = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9
//! z = (z ^ (z >> 27)) * 0x94d049bb133111eb
//! draw = z ^ (z >> 31)
//! ```
//!
//! all modulo 2^64. A number below n is the upper 64 bits of the 128-bit product draw * n, a number
//! from 0 to 1 the upper 53 bits of the draw over 2^53.

/// The hash FNV-1a, 64 bits wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fnv(u64);

impl Fnv {
    pub fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub fn with(self, bytes: &[u8]) -> Self {
        let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        Self(bytes.iter().fold(self.0, step))
    }

    /// A text and its end, so that `ab`, `c` is not `a`, `bc`.
    pub fn with_text(self, text: &str) -> Self {
        self.with(text.as_bytes()).with(&[0xff])
    }

    pub fn with_number(self, number: u64) -> Self {
        self.with(&number.to_le_bytes())
    }

    pub fn value(self) -> u64 {
        self.0
    }
}

/// The lots of one file.
///
/// ```
/// use faltung::run::batch::Draw;
/// let mut draw = Draw::new(7, "anna/001.wav");
/// let (ir, place) = (draw.below(200), draw.unit());
/// assert!(ir < 200 && (0.0..1.0).contains(&place));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draw {
    state: u64,
}

impl Draw {
    /// The lots of this name under this seed.
    pub fn new(seed: u64, name: impl AsRef<[u8]>) -> Self {
        let state = Fnv::new().with_number(seed).with(name.as_ref()).value();
        Self { state }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The next number below `n`; 0 where there is none.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// The next number from 0 to 1, without 1.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_and_the_generator_are_the_published_ones() {
        // Test vectors of the authors: FNV's own page, and splitmix64 from seed 1234567.
        assert_eq!(Fnv::new().value(), 0xcbf2_9ce4_8422_2325);
        assert_eq!(Fnv::new().with(b"a").value(), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(Fnv::new().with(b"foobar").value(), 0x8594_4171_f739_67e8);
        let mut draw = Draw { state: 1_234_567 };
        let published = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!(published, std::array::from_fn(|_| draw.bits()));
    }

    #[test]
    fn lots_are_even_and_stay_within_their_range() {
        let mut counts = [0u32; 10];
        let mut sum = 0.0;
        for file in 0..10_000 {
            let mut draw = Draw::new(1, format!("speaker/{file}.wav"));
            counts[draw.below(10)] += 1;
            let unit = draw.unit();
            assert!((0.0..1.0).contains(&unit));
            sum += unit;
        }
        // Five standard deviations: sqrt(10000 * 0.1 * 0.9) = 30, and sqrt(10000 / 12) = 29.
        assert!(
            counts.iter().all(|&count| count.abs_diff(1000) < 150),
            "{counts:?}"
        );
        assert!((sum - 5000.0f64).abs() < 145.0, "{sum}");
        assert_eq!(Draw::new(0, "x").below(0), 0);
        assert_eq!(Draw::new(0, "x").below(1), 0);
    }
}
