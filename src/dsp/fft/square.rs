//! A block of two tiles through one window of a response and back, without leaving the registers.
//!
//! Where the time domain answers to all frames since a block began, its taps and frames make a triangle.
//! The triangle of 2 B frames is two of B frames and a square: what the first B frames are to the second
//! (on-line multiplication; Fischer & Stockmeyer 1974, van der Hoeven 2003). All that goes into the
//! square is known when the first half is, and it is one product modulo z^B - i, taps 0 to 2 B - 1 being
//! the window.

// Loops over registers, by index: see `pass.rs`.
#![allow(clippy::needless_range_loop)]

use super::Transform;
use super::butterfly::{Complex, Forward, Inverse, Join, Real, Split};
use super::pass::{down, groups, last_back, load_roots, splat_roots, split, within};
use super::roots::leaf_vectors;
use crate::dsp::product::TILE;
use crate::kernel::{self, Body, Lane, Rows, RowsMut};
use crate::signal::Sample;

/// Tiles of the block, and leaves of its transform.
pub const TILES: usize = 2;

pub struct Square<'a, T: Sample> {
    pub transform: &'a Transform<T>,
    pub block: &'a [T],
    /// The window's.
    pub spectrum: &'a [T],
    /// What the block is to the next is added here.
    pub out: &'a mut [T],
}

impl<T: Sample> Body<T> for Square<'_, T> {
    // Stage by stage, so that one leaf computes while the other waits.
    #[inline(always)]
    fn run<L: Lane<T = T>>(self) {
        let (tile, each) = (TILE * L::N, leaf_vectors(L::N));
        let roots = self.transform.passes[0].of(0, 1);
        let first = self.transform.leaves.first.of(0, TILES);
        let rest = self.transform.leaves.rest(0, TILES);
        // There is no room to keep the constants for the way back.
        let again = kernel::reread(rest);
        let rest = Rows::<L>::new(rest, 0, each * L::N, TILES, each);
        let again = Rows::<L>::new(again, 0, each * L::N, TILES, each);
        let x = Rows::<L>::new(self.block, 0, tile, TILES, TILE);
        let h = Rows::<L>::new(self.spectrum, 0, 2 * tile, TILES, 2 * TILE);
        let mut out = RowsMut::<L>::new(self.out, 0, tile, TILES, TILE);
        let mut y = [[Complex::<L>::zero(); TILE]; TILES];
        for v in 0..TILE {
            let pass = Forward::<L, 1>(splat_roots(roots));
            [y[0][v], y[1][v]] = pass.of([Real(x.get(0, v)), Real(x.get(1, v))]);
        }
        for m in 0..TILES {
            y[m] = groups(split(y[m], &first[m * 6..]));
        }
        let mut y = down(y, &rest);
        for m in 0..TILES {
            for v in 0..TILE {
                let (re, im) = (h.get(m, v), h.get(m, TILE + v));
                y[m][v] = y[m][v].mul(Complex { re, im });
            }
            y[m] = last_back(y[m], &again, m);
        }
        for m in 0..TILES {
            y[m] = Inverse::<L, 3>(load_roots(&again, m, 0)).of(within(y[m]));
        }
        for m in 0..TILES {
            y[m] = Inverse::<L, 3>(splat_roots(&first[m * 6..])).of(groups(y[m]));
        }
        for v in 0..TILE {
            let pass = Inverse::<L, 1>(splat_roots(roots));
            let [a, b] = pass.of([y[0][v], y[1][v]]);
            out.set(0, v, out.get(0, v).add(a.im));
            out.set(1, v, out.get(1, v).add(b.im));
        }
    }
}
