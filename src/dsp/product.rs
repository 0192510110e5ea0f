//! Products of spectra, summed over the partitions of a response and over inputs.
//!
//! A spectrum of B bins lies in tiles: TILE real parts, then their TILE imaginary parts. Several
//! spectra (the past blocks of an input, the partitions of a response) lie tile-major: all first
//! tiles side by side, then all second tiles, and so on, so that a sum over partitions reads memory
//! from front to back. How long a tile is and what order the bins have, the transform decides.

// Loops over registers, by index: see `fft/pass.rs`.
#![allow(clippy::needless_range_loop)]

use std::ops::Range;
use std::sync::Arc;

use super::delay_line::DelayLine;
use super::fft::butterfly::Complex;
use super::spectra::Spectra;
use crate::kernel::{Lane, Rows, Scalar};

/// Sample in a tile, of real parts as of imaginary ones.
pub(crate) const TILE: usize = 4;

/// A response's share in one level.
#[derive(Debug)]
pub(crate) struct Partitions<T> {
    pub spectra: Spectra<T>,
    /// Partitions that hold nothing but zeros.
    pub silent: Vec<bool>,
    /// Whether there is none of them.
    pub all_sound: bool,
}

/// A way from an input to an output at one level.
#[derive(Debug, Clone)]
pub(crate) struct Path<T> {
    pub input: usize,
    pub partitions: Arc<Partitions<T>>,
}

/// Neighbouring slots of an input's past that meet neighbouring partitions of a response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Index of the path.
    pub path: usize,
    /// First slot of the past.
    pub slot: usize,
    /// First partition of the response.
    pub part: usize,
    pub count: usize,
}

impl Run {
    /// Lists the products of some of a response's partitions with an input's past, in runs that
    /// leave out silence. The newest block of the past meets partition `first`.
    pub fn list<T: Scalar>(
        path: usize,
        past: &DelayLine<T>,
        response: &Partitions<T>,
        first: usize,
        parts: Range<usize>,
        runs: &mut Vec<Run>,
    ) {
        let (slots, end) = (past.spectra().slots(), response.silent.len().min(parts.end));
        let mut part = parts.start;
        while part < end {
            // The ring breaks where its slots do.
            let slot = past.slot(part - first);
            let most = (slots - slot).min(end - part);
            let silent = |k: &usize| past.is_silent(slot + k) || response.silent[part + k];
            let count = match past.all_sound() && response.all_sound {
                true => most,
                false => (0..most).find(silent).unwrap_or(most),
            };
            runs.extend((count > 0).then_some(Run {
                path,
                slot,
                part,
                count,
            }));
            part += count.max(1);
        }
    }
}

/// A copy of a list with room for as much as the list itself has.
pub(crate) fn with_its_room<R: Copy>(list: &Vec<R>) -> Vec<R> {
    let mut copy = Vec::with_capacity(list.capacity());
    copy.extend_from_slice(list);
    copy
}

/// A spectrum in the making: the sum over all runs of X[slot + k] H[part + k], k = 0..count.
pub(crate) struct Sum<'a, T> {
    /// Bins to add to, tile by tile.
    pub begun: Option<&'a [T]>,
    pub runs: &'a [Run],
    pub paths: &'a [Path<T>],
    pub pasts: Pasts<'a, T>,
}

/// The past spectra of all inputs: what the input of a path points into.
#[derive(Clone, Copy)]
pub(crate) enum Pasts<'a, T> {
    /// Rings that turn.
    Lines(&'a [DelayLine<T>]),
    /// Blocks of a stored signal, each in its own place.
    Stored(&'a [&'a Spectra<T>]),
}

impl<'a, T: Scalar> Pasts<'a, T> {
    #[inline(always)]
    fn spectra(self, input: usize) -> &'a Spectra<T> {
        match self {
            Self::Lines(lines) => lines[input].spectra(),
            Self::Stored(blocks) => blocks[input],
        }
    }
}

/// What a run multiplies in tile `tile`: its slots of the past, and `parts` partitions.
#[inline(always)]
pub(crate) fn operands<'a, L: Lane>(
    paths: &'a [Path<L::T>],
    pasts: Pasts<'a, L::T>,
    run: Run,
    parts: usize,
    tile: usize,
) -> (Rows<'a, L>, Rows<'a, L>) {
    let path = &paths[run.path];
    let rows = |spectra: &'a Spectra<L::T>, first: usize, count: usize| {
        let size = 2 * TILE * L::N;
        let start = (tile * spectra.slots() + first) * size;
        Rows::new(spectra.samples(), start, size, count, 2 * TILE)
    };
    (
        rows(pasts.spectra(path.input), run.slot, run.count),
        rows(&path.partitions.spectra, run.part, parts),
    )
}

/// How many slots the spectra have that a run multiplies: those of the past, and the partitions.
#[inline(always)]
pub(crate) fn slots<T: Scalar>(paths: &[Path<T>], pasts: Pasts<'_, T>, run: Run) -> [usize; 2] {
    let path = &paths[run.path];
    [
        pasts.spectra(path.input).slots(),
        path.partitions.spectra.slots(),
    ]
}

/// Vector `v` of row `row` of a tile.
#[inline(always)]
pub(crate) fn complex<L: Lane>(rows: &Rows<'_, L>, row: usize, v: usize) -> Complex<L> {
    Complex {
        re: rows.get(row, v),
        im: rows.get(row, TILE + v),
    }
}

/// A tile of one spectrum.
#[inline(always)]
pub(crate) fn tile_of<L: Lane>(bins: &[L::T], tile: usize) -> Rows<'_, L> {
    let size = 2 * TILE * L::N;
    Rows::new(bins, tile * size, size, 1, 2 * TILE)
}

/// The sum's tile `tile`, in registers throughout.
#[inline(always)]
pub(crate) fn sum_tile<L: Lane>(sum: &Sum<'_, L::T>, tile: usize) -> [Complex<L>; TILE] {
    let mut acc = [Complex::<L>::zero(); TILE];
    if let Some(bins) = sum.begun {
        let bins = tile_of::<L>(bins, tile);
        for v in 0..TILE {
            acc[v] = complex(&bins, 0, v);
        }
    }
    // X H is two products in each part. Where registers suffice, each has a sum of its own, so
    // that none waits for the one before.
    let apart = L::REGISTERS >= 32;
    let mut other = [Complex::<L>::zero(); TILE];
    for &run in sum.runs {
        let (x, h) = operands::<L>(sum.paths, sum.pasts, run, run.count, tile);
        for k in 0..run.count {
            for v in 0..TILE {
                let (x, h) = (complex(&x, k, v), complex(&h, k, v));
                if apart {
                    acc[v].re = x.re.mul_add(h.re, acc[v].re);
                    acc[v].im = x.re.mul_add(h.im, acc[v].im);
                    other[v].re = x.im.mul_add(h.im, other[v].re);
                    other[v].im = x.im.mul_add(h.re, other[v].im);
                } else {
                    acc[v] = x.mul_add(h, acc[v]);
                }
            }
        }
    }
    if apart {
        for v in 0..TILE {
            acc[v].re = acc[v].re.sub(other[v].re);
            acc[v].im = acc[v].im.add(other[v].im);
        }
    }
    acc
}
