//! Against numpy.convolve and scipy.signal, really run: see assets/golden/make.py.

use std::fmt::Debug;
use std::path::Path;

use faltung::{
    Complex, Convolver, Element, Method, Mode, ModeConvolver, Sample, convolve, convolve_with,
};

const MODES: [(Mode, &str); 3] = [
    (Mode::Full, "full"),
    (Mode::Same, "same"),
    (Mode::Valid, "valid"),
];

/// Knuth's MMIX generator, as in make.py.
struct Lcg(u64);

impl Lcg {
    /// The top `bits` bits as a signed number.
    fn next(&mut self, bits: u32) -> i64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 as i64) >> (64 - bits)
    }

    /// Anything from 0 to `most`.
    fn upto(&mut self, most: usize) -> usize {
        (self.next(33) + (1 << 32)) as usize % (most + 1)
    }
}

/// A CSV table beside its blob.
struct Golden {
    rows: Vec<Vec<String>>,
    blob: Vec<u8>,
}

impl Golden {
    fn read(stem: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/golden");
        let csv = std::fs::read_to_string(folder.join(format!("{stem}.csv"))).unwrap();
        let row = |line: &str| line.split(',').map(String::from).collect();
        Self {
            rows: csv.lines().skip(1).map(row).collect(),
            blob: std::fs::read(folder.join(format!("{stem}.bin"))).unwrap(),
        }
    }

    fn values<T: Stored>(&self, at: usize, len: usize) -> Vec<T> {
        self.blob[at..at + len * size_of::<T>()]
            .chunks_exact(size_of::<T>())
            .map(T::stored)
            .collect()
    }

    /// The values that two neighbouring columns point to: place, length.
    fn column<T: Stored>(&self, row: &[String], column: usize) -> Vec<T> {
        let at = row[column].parse().unwrap();
        self.values(at, row[column + 1].parse().unwrap())
    }
}

/// One pair of inputs with numpy's three results.
struct Case<T> {
    name: String,
    a: Vec<T>,
    v: Vec<T>,
    numpy: [Vec<T>; 3],
    /// Byte place of the full result in double precision.
    wide_at: Option<usize>,
}

fn cases<T: Stored>(golden: &Golden) -> Vec<Case<T>> {
    let cases: Vec<_> = golden
        .rows
        .iter()
        .filter(|row| row[1] == T::NAME)
        .map(|row| Case {
            name: format!("{} {}", row[1], row[0]),
            a: golden.column(row, 2),
            v: golden.column(row, 4),
            numpy: [6, 8, 10].map(|column| golden.column(row, column)),
            wide_at: row[12].parse().ok(),
        })
        .collect();
    assert!(cases.len() > 20, "{} has {} cases", T::NAME, cases.len());
    cases
}

/// A sample type as the blob holds it.
trait Stored: Copy + Debug + PartialEq {
    const NAME: &str;
    fn stored(bytes: &[u8]) -> Self;
}

macro_rules! stored {
    ($($T:ty = $name:literal),*) => {$(
        impl Stored for $T {
            const NAME: &str = $name;
            fn stored(bytes: &[u8]) -> Self {
                Self::from_le_bytes(bytes.try_into().unwrap())
            }
        }
    )*};
}
stored!(i8 = "i8", i16 = "i16", i32 = "i32", i64 = "i64");
stored!(u8 = "u8", u16 = "u16", u32 = "u32", u64 = "u64");
stored!(f32 = "f32", f64 = "f64");

impl Stored for Complex<f32> {
    const NAME: &str = "c64";
    fn stored(bytes: &[u8]) -> Self {
        Self::new(f32::stored(&bytes[..4]), f32::stored(&bytes[4..]))
    }
}

impl Stored for Complex<f64> {
    const NAME: &str = "c128";
    fn stored(bytes: &[u8]) -> Self {
        Self::new(f64::stored(&bytes[..8]), f64::stored(&bytes[8..]))
    }
}

/// A float or complex sample, seen in double precision.
trait Inexact: Stored {
    const EPS: f64;
    fn double(self) -> Complex<f64>;
}

impl Inexact for f32 {
    const EPS: f64 = f32::EPSILON as f64;
    fn double(self) -> Complex<f64> {
        Complex::new(self.into(), 0.0)
    }
}

impl Inexact for f64 {
    const EPS: f64 = f64::EPSILON;
    fn double(self) -> Complex<f64> {
        Complex::new(self, 0.0)
    }
}

impl Inexact for Complex<f32> {
    const EPS: f64 = f32::EPSILON as f64;
    fn double(self) -> Complex<f64> {
        Complex::new(self.re.into(), self.im.into())
    }
}

impl Inexact for Complex<f64> {
    const EPS: f64 = f64::EPSILON;
    fn double(self) -> Complex<f64> {
        self
    }
}

fn norm<T: Inexact>(x: &[T]) -> f64 {
    x.iter().map(|x| x.double().norm_sqr()).sum::<f64>().sqrt()
}

/// What the contract allows: 8 * eps * log2(FFT length) * ||x|| * ||h||.
fn bound<T: Inexact>(x: &[T], h: &[T]) -> f64 {
    let length = (x.len() + h.len()).next_power_of_two() as f64;
    8.0 * T::EPS * length.log2() * norm(x) * norm(h)
}

/// Greatest |ours - theirs|.
fn worst<A: Inexact, B: Inexact>(ours: &[A], theirs: &[B]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let error = |(a, b): (&A, &B)| (a.double() - b.double()).norm();
    ours.iter().zip(theirs).map(error).fold(0.0, |most, e| {
        assert!(!e.is_nan());
        f64::max(most, e)
    })
}

fn decibels(ratio: f64) -> f64 {
    20.0 * ratio.log10()
}

#[test]
fn integers_of_every_width_wrap_bit_for_bit_as_numpy_does() {
    let golden = Golden::read("small");
    macro_rules! check {
        ($($T:ty),*) => {$(for case in cases::<$T>(&golden) {
            for ((mode, called), numpy) in MODES.into_iter().zip(&case.numpy) {
                let ours = convolve(&case.a, &case.v, mode).unwrap();
                assert_eq!(&ours, numpy, "{} {called}", case.name);
            }
        })*};
    }
    check!(i8, i16, i32, i64, u8, u16, u32, u64);
}

/// One-shot, all modes, whatever method is forced; `double` gives the full result in double
/// precision.
fn one_shot<T: Inexact + Element>(double: impl Fn(&Golden, &Case<T>) -> Vec<Complex<f64>>) {
    let golden = Golden::read("small");
    for case in cases::<T>(&golden) {
        let allowed = bound(&case.a, &case.v);
        let double = double(&golden, &case);
        for method in [Method::Auto, Method::Direct, Method::Fft] {
            for ((mode, called), numpy) in MODES.into_iter().zip(&case.numpy) {
                let ours = convolve_with(&case.a, &case.v, mode, method).unwrap();
                assert_eq!(ours.len(), numpy.len(), "{} {called}", case.name);
                let error = worst(&ours, numpy);
                // Numpy has rounded too.
                assert!(error <= 2.0 * allowed, "{} {called}: {error:e}", case.name);
            }
            let full = convolve_with(&case.a, &case.v, Mode::Full, method).unwrap();
            let error = worst(&full, &double);
            assert!(error <= allowed, "{} {method:?}: {error:e}", case.name);
            let scale = double.iter().map(|y| y.norm()).fold(1.0, f64::max);
            let error = decibels(error / scale);
            // The plain sum, forced upon long inputs, rounds as often as it adds.
            let holds = method == Method::Direct || error < -120.0;
            assert!(holds, "{} {method:?}: {error} dB", case.name);
        }
    }
}

#[test]
fn floats_agree_with_numpy_in_every_mode_by_every_method() {
    one_shot::<f32>(|golden, case| {
        let full: Vec<f64> = golden.values(case.wide_at.unwrap(), case.numpy[0].len());
        full.into_iter().map(Inexact::double).collect()
    });
    one_shot::<f64>(|_, case| case.numpy[0].iter().map(|y| y.double()).collect());
}

#[test]
fn complex_numbers_agree_with_numpy_in_every_mode_by_every_method() {
    one_shot::<Complex<f32>>(|golden, case| {
        golden.values(case.wide_at.unwrap(), case.numpy[0].len())
    });
    one_shot::<Complex<f64>>(|_, case| case.numpy[0].clone());
}

#[test]
fn the_three_worked_examples_come_out_to_the_bit_also_in_floats() {
    for (mode, expected) in [
        (Mode::Full, &[3, 19, 22, 10][..]),
        (Mode::Same, &[3, 19, 22]),
        (Mode::Valid, &[19, 22]),
    ] {
        assert_eq!(convolve(&[1, 5], &[3, 4, 2], mode).unwrap(), expected);
        let float: Vec<f64> = convolve(&[1.0, 5.0], &[3.0, 4.0, 2.0], mode).unwrap();
        let expected: Vec<f64> = expected.iter().map(|&y| y.into()).collect();
        assert_eq!(float, expected);
    }
}

#[test]
fn complex_numbers_are_not_conjugated() {
    let i = Complex::new(0.0, 1.0);
    assert_eq!(
        convolve(&[i], &[i], Mode::Full).unwrap(),
        [Complex::new(-1.0, 0.0)]
    );
}

#[test]
fn an_empty_input_is_named() {
    let none: [f32; 0] = [];
    let a = convolve(&none, &[1.0], Mode::Full).unwrap_err();
    assert_eq!(a.to_string(), "a cannot be empty");
    let v = convolve(&[1], &[], Mode::Same).unwrap_err();
    assert_eq!(v.to_string(), "v cannot be empty");
}

#[test]
fn an_fft_is_refused_on_integers_because_it_would_round() {
    let refused = convolve_with(&[1, 5], &[3, 4, 2], Mode::Full, Method::Fft).unwrap_err();
    assert!(refused.to_string().contains("exact"), "{refused}");
}

/// All of `x` through `process` and `drain`, cut at random, also into calls of no frames.
fn streamed<T: Sample>(x: &[T], h: &[T], longest: usize, seed: u64) -> Vec<T> {
    let mut rng = Lcg(seed);
    let mut convolver = Convolver::new(h).unwrap();
    assert_eq!(convolver.latency(), 0);
    assert_eq!(convolver.tail_len(), h.len() - 1);
    let mut y = vec![T::zero(); x.len()];
    let mut at = 0;
    while at < x.len() {
        let to = x.len().min(at + rng.upto(longest));
        convolver.process(&x[at..to], &mut y[at..to]);
        at = to;
    }
    loop {
        let mut tail = vec![T::zero(); 1 + rng.upto(longest)];
        let frames = convolver.drain(&mut tail);
        if frames == 0 {
            return y;
        }
        y.extend_from_slice(&tail[..frames]);
    }
}

fn streams_agree<T: Sample + Inexact>(golden: &Golden) {
    for (seed, case) in cases::<T>(golden).into_iter().enumerate() {
        let allowed = bound(&case.a, &case.v);
        for longest in [1, 7, 200, 4096] {
            let ours = streamed(&case.a, &case.v, longest, seed as u64);
            let error = worst(&ours, &case.numpy[0]);
            assert!(error <= 2.0 * allowed, "{}: {error:e}", case.name);
        }
    }
}

#[test]
fn streaming_in_random_pieces_gives_numpys_full_result() {
    let golden = Golden::read("small");
    streams_agree::<f32>(&golden);
    streams_agree::<f64>(&golden);
}

fn modes_agree<T: Sample + Inexact>(golden: &Golden) {
    for (seed, case) in cases::<T>(golden).into_iter().enumerate() {
        let allowed = bound(&case.a, &case.v);
        for ((mode, called), numpy) in MODES.into_iter().zip(&case.numpy) {
            for longest in [1, 7, 200, 4096] {
                let mut rng = Lcg(seed as u64);
                let mut convolver = ModeConvolver::new(&case.v, mode).unwrap();
                let (mut rest, mut ours) = (&case.a[..], Vec::new());
                while !rest.is_empty() {
                    let (piece, after) = rest.split_at(rng.upto(longest).min(rest.len()));
                    let mut out = Vec::new();
                    convolver.process(piece, &mut out);
                    ours.append(&mut out);
                    rest = after;
                }
                let mut out = Vec::new();
                convolver.finish(&mut out);
                ours.append(&mut out);
                assert_eq!(ours.len(), numpy.len(), "{} {called}", case.name);
                let error = worst(&ours, numpy);
                assert!(error <= 2.0 * allowed, "{} {called}: {error:e}", case.name);
            }
        }
    }
}

#[test]
fn streaming_in_every_mode_gives_numpys_result_also_when_the_input_is_the_shorter_one() {
    let golden = Golden::read("small");
    modes_agree::<f32>(&golden);
    modes_agree::<f64>(&golden);
}

/// `burst` of make.py.
fn burst(seed: u64, frames: usize) -> Vec<f64> {
    let mut rng = Lcg(seed);
    let frame = |i: i64| {
        let noise = rng.next(23);
        let saw = (i % 320 - 160) * (1 << 13);
        ((noise + saw) >> (2 * (i % 12_000 / 3_000))) as f64 / f64::from(1 << 23)
    };
    (0..frames as i64).map(frame).collect()
}

/// `decay` of make.py.
fn decay(seed: u64, frames: usize, halving: usize, shift: i32) -> Vec<f64> {
    let mut rng = Lcg(seed);
    let frame = |i: usize| {
        let (octaves, inside) = (i / halving, i % halving);
        let value = (rng.next(24) * (2 * halving - inside) as i64) as f64;
        let value = value / 2f64.powi(octaves as i32) / (2 * halving) as f64 / 2f64.powi(23);
        f64::from(value as f32) / 2f64.powi(shift)
    };
    (0..frames).map(frame).collect()
}

/// One of scipy's long results.
struct Long {
    name: String,
    x: Vec<f64>,
    h: Vec<f64>,
    stride: usize,
    values: Vec<f64>,
    norm: f64,
    peak: f64,
}

fn longs() -> Vec<Long> {
    let golden = Golden::read("long");
    let long = |row: &Vec<String>| {
        let n = |column: usize| row[column].parse::<usize>().unwrap();
        let stored = golden.values::<f64>(n(9), n(10) + 2);
        let (values, norms) = stored.split_at(n(10));
        Long {
            name: format!("{} ({})", row[0], row[1]),
            x: burst(n(2) as u64, n(3)),
            h: decay(n(4) as u64, n(5), n(6), n(7) as i32),
            stride: n(8),
            values: values.to_vec(),
            norm: norms[0],
            peak: norms[1],
        }
    };
    golden.rows.iter().map(long).collect()
}

impl Long {
    /// Holds a full result against scipy's; the greatest error.
    fn check<T: Inexact>(&self, y: &[T], x: &[T], h: &[T], how: &str) -> f64 {
        let (name, allowed) = (&self.name, bound(x, h));
        assert_eq!(y.len(), self.x.len() + self.h.len() - 1, "{name} {how}");
        let strided: Vec<T> = y.iter().copied().step_by(self.stride).collect();
        let error = worst(&strided, &self.values);
        let errors = strided
            .iter()
            .zip(&self.values)
            .map(|(a, b)| (a.double() - b).norm_sqr());
        let rms = (errors.sum::<f64>() / strided.len() as f64).sqrt();
        let signal = self.norm / (y.len() as f64).sqrt();
        println!(
            "{name:22} {how:16} worst {:7.1} dB of full scale, error {:7.1} dB below the result",
            decibels(error),
            -decibels(rms / signal)
        );
        assert!(error <= allowed, "{name} {how}: {error:e} > {allowed:e}");
        // What lies between the strides: the norm of all, and the peak.
        let off = (norm(y) - self.norm).abs();
        let most = allowed * (y.len() as f64).sqrt();
        assert!(off <= most, "{name} {how}: norm is off by {off:e}");
        let peak = y.iter().map(|y| y.double().norm()).fold(0.0, f64::max);
        let off = (peak - self.peak).abs();
        assert!(off <= allowed, "{name} {how}: peak is off by {off:e}");
        error
    }
}

fn narrow(x: &[f64]) -> Vec<f32> {
    let narrow: Vec<f32> = x.iter().map(|&x| x as f32).collect();
    assert!(narrow.iter().zip(x).all(|(&n, &x)| f64::from(n) == x));
    narrow
}

#[test]
fn long_responses_agree_with_scipy_in_f32_to_better_than_minus_120_db() {
    for long in longs() {
        assert!(long.peak > 0.5 && long.peak <= 1.0);
        let (x, h) = (narrow(&long.x), narrow(&long.h));
        let mut errors = vec![(
            "f32 one-shot",
            convolve_with(&x, &h, Mode::Full, Method::Fft).unwrap(),
        )];
        errors.push(("f32 stream, 64", streamed(&x, &h, 64, 3)));
        errors.push(("f32 stream, 4096", streamed(&x, &h, 4096, 4)));
        for (how, y) in errors {
            let error = decibels(long.check(&y, &x, &h, how));
            assert!(error < -120.0, "{} {how}: {error} dB", long.name);
        }
    }
}

#[test]
fn long_responses_agree_with_scipy_in_f64() {
    for long in longs() {
        let (x, h) = (&long.x, &long.h);
        let one_shot = convolve_with(x, h, Mode::Full, Method::Fft).unwrap();
        long.check(&one_shot, x, h, "f64 one-shot");
        long.check(&streamed(x, h, 1000, 5), x, h, "f64 stream, 1000");
    }
}
