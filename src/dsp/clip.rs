//! One-shot convolution of two clips, with numpy's meaning.

use num_complex::Complex;
use thiserror::Error;

use super::convolver::Convolver;
use super::mode::Mode;
use super::plan::{Latency, Partition, Plan};
use crate::signal::Sample;

/// Why two clips cannot be convolved.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
#[allow(missing_docs)] // each variant's message says it
pub enum ConvolveError {
    #[error("a cannot be empty")]
    EmptyA,
    #[error("v cannot be empty")]
    EmptyV,
    #[error(
        "integers are convolved exactly, by the direct sum; an FFT would round (use Method::Auto or Method::Direct)"
    )]
    FftOnIntegers,
}

/// How a convolution is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Method {
    /// The cheaper one, by the rule that [`convolve_with`] states.
    #[default]
    Auto,
    /// The sum as it is defined, N x M products.
    Direct,
    /// Overlap-save by FFT; floats and complex only.
    Fft,
}

mod sealed {
    pub trait Sealed: Sized {}
}

/// A number that [`convolve`] takes: the integers `i8`..`i64` and `u8`..`u64` (wrapping, exact),
/// `f32`, `f64`, and [`Complex`] of both (not conjugated). Sealed.
pub trait Element: sealed::Sealed + Copy + Send + Sync + 'static {
    #[doc(hidden)]
    const ZERO: Self;
    #[doc(hidden)]
    fn plus(self, other: Self) -> Self;
    #[doc(hidden)]
    fn plus_product(self, a: Self, b: Self) -> Self;
    /// The full convolution by FFT, `short` being the shorter input; `None` for integers.
    #[doc(hidden)]
    fn by_fft(long: &[Self], short: &[Self]) -> Option<Vec<Self>>;
    /// Weight of a product of the direct sum beside an operation of the FFT; 0 where no FFT may
    /// be used.
    #[doc(hidden)]
    const WEIGHT: f64;
}

macro_rules! integer {
    ($($t:ty)*) => {$(
        impl sealed::Sealed for $t {}
        impl Element for $t {
            const ZERO: Self = 0;
            const WEIGHT: f64 = 0.0;
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            #[inline(always)]
            fn plus_product(self, a: Self, b: Self) -> Self {
                self.wrapping_add(a.wrapping_mul(b))
            }
            fn by_fft(_: &[Self], _: &[Self]) -> Option<Vec<Self>> {
                None
            }
        }
    )*};
}
integer!(i8 i16 i32 i64 u8 u16 u32 u64);

macro_rules! float {
    ($($t:ty: $weight:expr),*) => {$(
        impl sealed::Sealed for $t {}
        impl Element for $t {
            const ZERO: Self = 0.0;
            const WEIGHT: f64 = $weight;
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self + other
            }
            #[inline(always)]
            fn plus_product(self, a: Self, b: Self) -> Self {
                self + a * b
            }
            fn by_fft(long: &[Self], short: &[Self]) -> Option<Vec<Self>> {
                Some(with_faults_apart(long, short, |x| x.is_finite(), overlap_save))
            }
        }
        impl sealed::Sealed for Complex<$t> {}
        impl Element for Complex<$t> {
            const ZERO: Self = Complex::new(0.0, 0.0);
            const WEIGHT: f64 = $weight;
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self + other
            }
            #[inline(always)]
            fn plus_product(self, a: Self, b: Self) -> Self {
                self + a * b
            }
            fn by_fft(long: &[Self], short: &[Self]) -> Option<Vec<Self>> {
                let finite = |x: Self| x.re.is_finite() && x.im.is_finite();
                Some(with_faults_apart(long, short, finite, complex_overlap_save))
            }
        }
    )*};
}
float!(f32: 0.3, f64: 0.5);

/// Discrete convolution of `a` and `v`: what `numpy.convolve(a, v, mode)` gives.
///
/// The inputs change places when `v` is longer. For N and M samples, `Full` has N + M - 1,
/// `Same` max(N, M) (from (min - 1) / 2 of full on), `Valid` max - min + 1. Integers wrap as
/// numpy's do, complex values are not conjugated, NaN and infinity reach exactly the samples
/// that they reach in the sum. The method is chosen by cost, see [`convolve_with`].
///
/// ```
/// use faltung::{convolve, Mode};
/// assert_eq!(convolve(&[1, 5], &[3, 4, 2], Mode::Full)?, [3, 19, 22, 10]);
/// assert_eq!(convolve(&[1, 5], &[3, 4, 2], Mode::Same)?, [3, 19, 22]);
/// assert_eq!(convolve(&[1, 5], &[3, 4, 2], Mode::Valid)?, [19, 22]); // 3 - 2 + 1 = 2 samples
/// # Ok::<(), faltung::ConvolveError>(())
/// ```
///
/// # Errors
/// `a cannot be empty`, `v cannot be empty`.
pub fn convolve<E: Element>(a: &[E], v: &[E], mode: Mode) -> Result<Vec<E>, ConvolveError> {
    convolve_with(a, v, mode, Method::Auto)
}

/// [`convolve`] by a chosen [`Method`].
///
/// The rule of `Auto`, for lengths L >= S: integers, and inputs with S <= 32, take the direct
/// sum of L x S products. Floats and complex take overlap-save by FFT when its estimated cost,
/// `300 B` operations to set up and `(L + S) / B` blocks of `B (2 log2 B + 16)` operations, with B
/// from S up to 8 S (whichever is cheapest), is below L x S products of the weight 0.3 (`f32`) or
/// 0.5 (`f64`): the direct sum runs in vectors. So 1,000 x 1,000 is about where they meet.
///
/// Rounding of the FFT is relative to the norms of the inputs, max |error| <=
/// 8 eps log2(FFT length) ||a|| ||v||, where the direct sum's is relative to the products that
/// meet in one sample: force `Direct` where tiny samples beside huge ones matter.
///
/// # Errors
/// As [`convolve`], and [`ConvolveError::FftOnIntegers`].
pub fn convolve_with<E: Element>(
    a: &[E],
    v: &[E],
    mode: Mode,
    method: Method,
) -> Result<Vec<E>, ConvolveError> {
    if a.is_empty() {
        return Err(ConvolveError::EmptyA);
    }
    if v.is_empty() {
        return Err(ConvolveError::EmptyV);
    }
    let (long, short) = if v.len() > a.len() { (v, a) } else { (a, v) };
    let wanted = mode.range(long.len(), short.len());
    let use_fft = match method {
        Method::Auto => fft_is_cheaper(E::WEIGHT, long.len(), short.len()),
        Method::Direct => false,
        Method::Fft if E::WEIGHT == 0.0 => return Err(ConvolveError::FftOnIntegers),
        Method::Fft => true,
    };
    if use_fft && let Some(mut full) = E::by_fft(long, short) {
        full.truncate(wanted.end);
        full.drain(..wanted.start);
        return Ok(full);
    }
    let mut out = vec![E::ZERO; wanted.len()];
    direct_sum(long, short, wanted.start, &mut out);
    Ok(out)
}

/// Operations for each frame of the block before the first one is transformed.
const SET_UP: f64 = 300.0;

fn block_cost(block: usize) -> f64 {
    block as f64 * (2.0 * (block as f64).log2() + 16.0)
}

/// The block of overlap-save that costs least, and its cost.
fn best_block(long: usize, short: usize) -> (usize, f64) {
    let cost = |block: usize| {
        let blocks = (long + short).div_ceil(block);
        SET_UP * block as f64 + blocks as f64 * block_cost(block)
    };
    let smallest = short
        .next_power_of_two()
        .clamp(Plan::MIN_BLOCK, Plan::MAX_BLOCK);
    (0..4)
        .map(|doubled| (smallest << doubled).min(Plan::MAX_BLOCK))
        .map(|block| (block, cost(block)))
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .expect("four candidates")
}

fn fft_is_cheaper(weight: f64, long: usize, short: usize) -> bool {
    short > 32 && best_block(long, short).1 < weight * long as f64 * short as f64
}

/// out[k] = sum over j of short[j] long[from + k - j], one run over j for each tile of outputs.
/// Runs of taps are summed apart and then added, so that rounding grows with their length and
/// number, not with their product (Higham 1993).
fn direct_sum<E: Element>(long: &[E], short: &[E], from: usize, out: &mut [E]) {
    const TILE: usize = 1024;
    const RUN: usize = 32;
    let mut sums = [E::ZERO; TILE];
    for (tile, out) in out.chunks_mut(TILE).enumerate() {
        let first = from + tile * TILE;
        for (run, taps) in short.chunks(RUN).enumerate() {
            let sums = &mut sums[..out.len()];
            sums.fill(E::ZERO);
            for (j, &tap) in (run * RUN..).zip(taps) {
                // Outputs k for which first + k - j lies inside `long`.
                let begin = j.saturating_sub(first);
                let end = (long.len() + j).saturating_sub(first).min(out.len());
                if begin < end {
                    let x = &long[first + begin - j..first + end - j];
                    for (y, &x) in sums[begin..end].iter_mut().zip(x) {
                        *y = y.plus_product(x, tap);
                    }
                }
            }
            for (y, &sum) in out.iter_mut().zip(sums.iter()) {
                *y = y.plus(sum);
            }
        }
    }
}

/// Runs `finite_only` with every non-finite sample replaced by zero, then adds the products of
/// the samples left out, so that a NaN harms only what it harms in the sum.
fn with_faults_apart<E: Element>(
    long: &[E],
    short: &[E],
    finite: impl Fn(E) -> bool + Copy,
    finite_only: impl Fn(&[E], &[E]) -> Vec<E>,
) -> Vec<E> {
    let split = |x: &[E]| -> (Vec<E>, Vec<usize>) {
        let faults = (0..x.len()).filter(|&i| !finite(x[i])).collect();
        let clean = x.iter().map(|&x| if finite(x) { x } else { E::ZERO });
        (clean.collect(), faults)
    };
    let ((clean_long, faults_long), (clean_short, faults_short)) = (split(long), split(short));
    let mut out = finite_only(&clean_long, &clean_short);
    let mut add = |at: usize, fault: E, others: &[E]| {
        for (y, &x) in out[at..].iter_mut().zip(others) {
            *y = y.plus_product(x, fault);
        }
    };
    for i in faults_long {
        add(i, long[i], short);
    }
    for j in faults_short {
        add(j, short[j], &clean_long);
    }
    out
}

/// Overlap-save with blocks of the cheapest size (Stockham 1966); the full convolution.
fn overlap_save<T: Sample + Element>(long: &[T], short: &[T]) -> Vec<T> {
    let (block, _) = best_block(long.len(), short.len());
    let plan = Plan::new(short.len())
        .with_partition(Partition::Uniform { block })
        .with_latency(Latency::AtMost(block));
    let prepared = plan
        .prepare(short)
        .expect("finite, and neither empty nor too long");
    let mut convolver = Convolver::from(prepared);
    let mut out = vec![T::zero(); block + long.len() + short.len() - 1];
    let (body, tail) = out.split_at_mut(long.len());
    convolver.process(long, body);
    convolver.drain(tail);
    out.drain(..block);
    out
}

/// The four real convolutions of a complex one.
fn complex_overlap_save<T: Sample + Element>(
    long: &[Complex<T>],
    short: &[Complex<T>],
) -> Vec<Complex<T>> {
    let parts = |x: &[Complex<T>]| -> (Vec<T>, Vec<T>) { x.iter().map(|x| (x.re, x.im)).unzip() };
    let ((lr, li), (sr, si)) = (parts(long), parts(short));
    let (rr, ii) = (overlap_save(&lr, &sr), overlap_save(&li, &si));
    let (ri, ir) = (overlap_save(&lr, &si), overlap_save(&li, &sr));
    let re = rr.iter().zip(&ii).map(|(&a, &b)| a - b);
    let im = ri.iter().zip(&ir).map(|(&a, &b)| a + b);
    re.zip(im).map(|(re, im)| Complex::new(re, im)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_direct_sum_and_the_fft_agree_within_the_bound() {
        for (n, m) in [(1, 1), (2, 1), (100, 33), (1000, 999), (5000, 40)] {
            let noise = |len: usize, seed: u32| -> Vec<f64> {
                let mut state = seed;
                std::iter::repeat_with(|| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    f64::from(state >> 8) / f64::from(1 << 23) - 1.0
                })
                .take(len)
                .collect()
            };
            let (a, v) = (noise(n, 1), noise(m, 2));
            let norm = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
            let bound = 8.0 * f64::EPSILON * ((n + m) as f64).log2().max(1.0) * norm(&a) * norm(&v);
            for mode in [Mode::Full, Mode::Same, Mode::Valid] {
                let direct = convolve_with(&a, &v, mode, Method::Direct).unwrap();
                let fft = convolve_with(&a, &v, mode, Method::Fft).unwrap();
                assert_eq!(direct.len(), mode.range(n, m).len());
                assert_eq!(direct.len(), fft.len());
                for (d, f) in direct.iter().zip(&fft) {
                    assert!((d - f).abs() <= bound, "{n} {m} {mode}: {d} {f}");
                }
            }
        }
    }

    #[test]
    fn a_nan_reaches_the_same_samples_by_both_methods() {
        let mut a = vec![1.0f32; 300];
        let v = vec![0.5f32; 70];
        a[100] = f32::NAN;
        a[250] = f32::INFINITY;
        let direct = convolve_with(&a, &v, Mode::Full, Method::Direct).unwrap();
        let fft = convolve_with(&a, &v, Mode::Full, Method::Fft).unwrap();
        for (k, (d, f)) in direct.iter().zip(&fft).enumerate() {
            assert_eq!(d.is_nan(), f.is_nan(), "sample {k}");
            assert_eq!(d.is_infinite(), f.is_infinite(), "sample {k}");
        }
    }
}
