//! Time-domain FIR: the zero-latency head.

// Loops over registers, by index: see `fft/pass.rs`.
#![allow(clippy::needless_range_loop)]

use crate::kernel::{self, Body, Cpu, Lane, Rows};
use crate::signal::Sample;

/// Taps come in groups of so many.
pub(crate) const GROUP: usize = 16;

/// The taps in the order of [`fir`]: the last one first, zeros before it to make whole groups.
pub(crate) fn arrange<T: Sample>(taps: &[T]) -> Vec<T> {
    let zeros = taps.len().next_multiple_of(GROUP) - taps.len();
    let zeros = std::iter::repeat_n(T::zero(), zeros);
    zeros.chain(taps.iter().rev().copied()).collect()
}

/// out[t] += sum over i of taps[i] history[t + i], where `history` holds the taps.len() - 1 frames
/// before the first new one, then the out.len() new ones; `taps` as [`arrange`] has them.
///
/// Every output is the same sum in the same order, whatever the number of outputs and wherever they
/// fall in the call. The products of each i modulo GROUP have a sum of their own, from the oldest
/// on; these sums are added four by four. So one output is a product of vectors along the taps, many
/// are products of vectors along time, and both come out the same to the bit.
#[track_caller]
pub fn fir<T: Sample>(cpu: Cpu, taps: &[T], history: &[T], out: &mut [T]) {
    assert!(
        taps.len().is_multiple_of(GROUP) && history.len() + 1 == taps.len().max(1) + out.len(),
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
        while L::REGISTERS >= 32 && out.len() - t >= 4 * L::N {
            vectors::<L, 4>(taps, &history[t..], &mut out[t..]);
            t += 4 * L::N;
        }
        while out.len() - t >= 2 * L::N {
            vectors::<L, 2>(taps, &history[t..], &mut out[t..]);
            t += 2 * L::N;
        }
        while out.len() - t >= L::N {
            vectors::<L, 1>(taps, &history[t..], &mut out[t..]);
            t += L::N;
        }
        while t < out.len() {
            out[t] += one::<L>(taps, &history[t..][..taps.len()]);
            t += 1;
        }
    }
}

/// The first V vectors of output.
///
/// Each pass over the taps has four of the sums, as many as there are registers for.
#[inline(always)]
fn vectors<L: Lane, const V: usize>(taps: &[L::T], history: &[L::T], out: &mut [L::T]) {
    let mut total = [L::splat(L::T::default()); V];
    for pass in 0..GROUP / 4 {
        let mut sums = [[L::splat(L::T::default()); V]; 4];
        let mut first = 0;
        while first + 4 * GROUP <= taps.len() {
            groups::<L, V, 4>(taps, history, first, pass, &mut sums);
            first += 4 * GROUP;
        }
        while first < taps.len() {
            groups::<L, V, 1>(taps, history, first, pass, &mut sums);
            first += GROUP;
        }
        for v in 0..V {
            let [a, b, c, d] = [sums[0][v], sums[1][v], sums[2][v], sums[3][v]];
            let sum = a.add(b).add(c.add(d));
            total[v] = if pass == 0 { sum } else { total[v].add(sum) };
        }
    }
    let at = Rows::<L>::new(out, 0, L::N, V, 1);
    for v in 0..V {
        total[v] = at.get(v, 0).add(total[v]);
    }
    for v in 0..V {
        kernel::store(&mut out[v * L::N..], total[v]);
    }
}

/// Adds the products of four taps of each of G groups, from tap `first` on.
///
/// Tap i of all groups goes with the vectors of input that begin at i, i + UNIT, i + 2 UNIT ..,
/// and groups share most of them.
#[inline(always)]
fn groups<L: Lane, const V: usize, const G: usize>(
    taps: &[L::T],
    history: &[L::T],
    first: usize,
    pass: usize,
    sums: &mut [[L; V]; 4],
) {
    const MOST: usize = 16;
    let unit = L::N.min(GROUP);
    let (per_group, per_vector) = (GROUP / unit, L::N / unit);
    let count = (G - 1) * per_group + (V - 1) * per_vector + 1;
    let x = Rows::<L>::new(history, first, 1, GROUP + (count - 1) * unit, 1);
    let taps = &taps[first..][..G * GROUP];
    for k in 0..4 {
        let i = 4 * pass + k;
        let mut window = [L::splat(L::T::default()); MOST];
        for w in 0..count {
            window[w] = x.get(i + w * unit, 0);
        }
        for g in 0..G {
            let tap = L::splat(taps[g * GROUP + i]);
            for v in 0..V {
                let x = window[g * per_group + v * per_vector];
                sums[k][v] = x.mul_add(tap, sums[k][v]);
            }
        }
    }
}

/// One output.
#[inline(always)]
fn one<L: Lane>(taps: &[L::T], history: &[L::T]) -> L::T {
    let (groups, vectors) = (taps.len() / GROUP, GROUP / L::N);
    let mut sums = [L::splat(L::T::default()); 4];
    if groups > 0 {
        let x = Rows::<L>::new(history, 0, GROUP, groups, vectors);
        let taps = Rows::<L>::new(taps, 0, GROUP, groups, vectors);
        for group in 0..groups {
            for v in 0..vectors {
                sums[v] = x.get(group, v).mul_add(taps.get(group, v), sums[v]);
            }
        }
    }
    let mut s = [L::T::default(); GROUP];
    for v in 0..vectors {
        kernel::store(&mut s[v * L::N..], sums[v]);
    }
    let mut total = L::T::default();
    for pass in 0..GROUP / 4 {
        let [a, b, c, d] = [
            s[4 * pass],
            s[4 * pass + 1],
            s[4 * pass + 2],
            s[4 * pass + 3],
        ];
        let sum = (a + b) + (c + d);
        total = if pass == 0 { sum } else { total + sum };
    }
    total
}

/// Work of so many taps for so many outputs, in the units of the levels' tasks.
pub(crate) fn cost(taps: usize, outputs: usize) -> u64 {
    (taps * outputs / 64) as u64
}
