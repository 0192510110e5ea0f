//! Time-domain FIR: the zero-latency head.

// Loops over registers, by index: see `fft/pass.rs`.
#![allow(clippy::needless_range_loop)]

use crate::kernel::{self, Body, Cpu, Lane, Rows};
use crate::signal::Sample;

/// out[t] = sum over j of taps[j] x[t - j], where `history` holds the taps.len() - 1 frames before
/// the first new one, then the out.len() new ones.
///
/// Every output is the same sum in the same order, whatever the number of outputs and wherever they
/// fall in the call. The order is that of [`outputs`] and depends on the number of taps and the CPU.
#[track_caller]
pub fn fir<T: Sample>(cpu: Cpu, taps: &[T], history: &[T], out: &mut [T]) {
    assert!(
        history.len() + 1 == taps.len().max(1) + out.len(),
        "{} frames of history for {} taps and {} frames of output",
        history.len(),
        taps.len(),
        out.len()
    );
    kernel::run(cpu, Fir { taps, history, out });
}

struct Fir<'a, T> {
    taps: &'a [T],
    history: &'a [T],
    out: &'a mut [T],
}

impl<T: Sample> Body<T> for Fir<'_, T> {
    #[inline(always)]
    fn run<L: Lane<T = T>>(self) {
        let Fir { taps, history, out } = self;
        let mut t = 0;
        while out.len() - t >= 4 * L::N {
            outputs::<L, 4, 7, false>(taps, &history[t..], &mut out[t..]);
            t += 4 * L::N;
        }
        if out.len() - t >= 2 * L::N {
            outputs::<L, 2, 5, false>(taps, &history[t..], &mut out[t..]);
            t += 2 * L::N;
        }
        if out.len() - t >= L::N {
            outputs::<L, 1, 4, false>(taps, &history[t..], &mut out[t..]);
            t += L::N;
        }
        if out.len() > t {
            outputs::<L, 1, 4, true>(taps, &history[t..], &mut out[t..]);
        }
    }
}

/// The first V vectors of output, or, if PART, the last few outputs, less than a vector. W = V + 3.
///
/// Counted from the oldest input, tap i goes with the vectors of input that begin at i, i + N ..
/// Taps that are N apart share most of these vectors; so four groups of N taps are taken at once.
/// Odd and even groups are summed apart, so that no sum waits for the one before.
#[inline(always)]
fn outputs<L: Lane, const V: usize, const W: usize, const PART: bool>(
    taps: &[L::T],
    history: &[L::T],
    out: &mut [L::T],
) {
    let mut even = [L::splat(L::T::default()); V];
    let mut odd = even;
    let mut first = 0;
    while first + 4 * L::N <= taps.len() {
        let x = Input::<L, PART>::new(&history[first..], L::N, W, out.len());
        let g = &taps[taps.len() - first - 4 * L::N..][..4 * L::N];
        for i in 0..L::N {
            let mut window = [L::splat(L::T::default()); W];
            for w in 0..W {
                window[w] = x.get(i, w);
            }
            let tap = |group: usize| 4 * L::N - 1 - i - group * L::N;
            let (g0, g1) = (L::splat(g[tap(0)]), L::splat(g[tap(1)]));
            for v in 0..V {
                even[v] = window[v].mul_add(g0, even[v]);
                odd[v] = window[v + 1].mul_add(g1, odd[v]);
            }
            let (g2, g3) = (L::splat(g[tap(2)]), L::splat(g[tap(3)]));
            for v in 0..V {
                even[v] = window[v + 2].mul_add(g2, even[v]);
                odd[v] = window[v + 3].mul_add(g3, odd[v]);
            }
        }
        first += 4 * L::N;
    }
    while first < taps.len() {
        add_group::<L, V, PART>(taps, history, first, out.len(), &mut even);
        first += L::N;
        std::mem::swap(&mut even, &mut odd);
    }
    // Swapped or not, the sum of both is the same.
    for v in 0..V {
        let sum = even[v].add(odd[v]);
        if PART {
            kernel::store_part(out, out.len(), sum);
        } else {
            kernel::store(&mut out[v * L::N..], sum);
        }
    }
}

/// Adds the products of the taps `first..first + N`, or as many as there are.
#[inline(always)]
fn add_group<L: Lane, const V: usize, const PART: bool>(
    taps: &[L::T],
    history: &[L::T],
    first: usize,
    count: usize,
    sum: &mut [L; V],
) {
    let len = L::N.min(taps.len() - first);
    let x = Input::<L, PART>::new(&history[first..], len, V, count);
    for (i, &g) in taps[taps.len() - first - len..][..len]
        .iter()
        .rev()
        .enumerate()
    {
        for v in 0..V {
            sum[v] = x.get(i, v).mul_add(L::splat(g), sum[v]);
        }
    }
}

/// Sample of input, that begin at any frame.
enum Input<'a, L: Lane, const PART: bool> {
    Whole(Rows<'a, L>),
    /// Only the first few lanes, so that nothing beyond the input is read.
    Part(&'a [L::T], usize),
}

impl<'a, L: Lane, const PART: bool> Input<'a, L, PART> {
    #[inline(always)]
    fn new(history: &'a [L::T], starts: usize, vectors: usize, count: usize) -> Self {
        if PART {
            Self::Part(history, count)
        } else {
            Self::Whole(Rows::new(history, 0, 1, starts, vectors))
        }
    }

    /// The vector that begins at frame `i + vector * N`.
    #[inline(always)]
    fn get(&self, i: usize, vector: usize) -> L {
        match *self {
            Self::Whole(ref rows) => rows.get(i, vector),
            Self::Part(history, count) => kernel::load_part(&history[i + vector * L::N..], count),
        }
    }
}

/// Work of so many taps for so many outputs, in the units of the levels' tasks.
pub(crate) fn cost(taps: usize, outputs: usize) -> u64 {
    (taps * outputs / 64) as u64
}
