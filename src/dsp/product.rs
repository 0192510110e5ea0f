//! Products of spectra, summed over the partitions of a response and over inputs.
//!
//! A spectrum of B bins lies in tiles: TILE real parts, then their TILE imaginary parts. Several
//! spectra (the past blocks of an input, the partitions of a response) lie tile-major: all first
//! tiles side by side, then all second tiles, and so on, so that a sum over partitions reads memory
//! from front to back. How long a tile is and what order the bins have, the transform decides.

// Loops over registers, by index: see `fft/pass.rs`.
#![allow(clippy::needless_range_loop)]

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
    /// Lists the products of a response with an input's past, in runs that leave out silence.
    pub fn list<T: Scalar>(
        path: usize,
        past: &DelayLine<T>,
        response: &Partitions<T>,
        runs: &mut Vec<Run>,
    ) {
        let parts = response.silent.len();
        if past.all_sound() && response.all_sound {
            let (slot, unbroken) = (past.newest(), past.spectra().slots() - past.newest());
            let count = unbroken.min(parts);
            runs.extend((count > 0).then_some(Run {
                path,
                slot,
                part: 0,
                count,
            }));
            let (part, count) = (count, parts - count);
            runs.extend((count > 0).then_some(Run {
                path,
                slot: 0,
                part,
                count,
            }));
            return;
        }
        let mut open: Option<Run> = None;
        for (part, (&none, (slot, silent))) in response.silent.iter().zip(past.slots()).enumerate()
        {
            let fits = |run: &Run| slot == run.slot + run.count;
            open = match open {
                Some(run) if !none && !silent && fits(&run) => Some(Run {
                    count: run.count + 1,
                    ..run
                }),
                run => {
                    runs.extend(run);
                    (!none && !silent).then_some(Run {
                        path,
                        slot,
                        part,
                        count: 1,
                    })
                }
            };
        }
        runs.extend(open);
    }
}

/// A spectrum in the making: the sum over all runs of X[slot + k] H[part + k], k = 0..count.
pub(crate) struct Sum<'a, T> {
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

/// The sum's tile `tile`, in registers throughout.
#[inline(always)]
pub(crate) fn sum_tile<L: Lane>(sum: &Sum<'_, L::T>, tile: usize) -> [Complex<L>; TILE] {
    let mut acc = [Complex::<L>::zero(); TILE];
    // X H is two products in each part. Where registers suffice, each has a sum of its own, so
    // that none waits for the one before.
    let apart = L::REGISTERS >= 32;
    let mut other = acc;
    let size = 2 * TILE * L::N;
    for run in sum.runs {
        let path = &sum.paths[run.path];
        let (past, response) = (sum.pasts.spectra(path.input), &path.partitions.spectra);
        let row = |spectra: &Spectra<L::T>, first: usize| (tile * spectra.slots() + first) * size;
        let x = Rows::<L>::new(
            past.samples(),
            row(past, run.slot),
            size,
            run.count,
            2 * TILE,
        );
        let h = Rows::<L>::new(
            response.samples(),
            row(response, run.part),
            size,
            run.count,
            2 * TILE,
        );
        for k in 0..run.count {
            for v in 0..TILE {
                let (xr, xi) = (x.get(k, v), x.get(k, TILE + v));
                let (hr, hi) = (h.get(k, v), h.get(k, TILE + v));
                acc[v].re = xr.mul_add(hr, acc[v].re);
                acc[v].im = xr.mul_add(hi, acc[v].im);
                if apart {
                    other[v].re = xi.mul_add(hi, other[v].re);
                    other[v].im = xi.mul_add(hr, other[v].im);
                } else {
                    acc[v].re = xi.neg_mul_add(hi, acc[v].re);
                    acc[v].im = xi.mul_add(hr, acc[v].im);
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
