//! The transform's work in pieces: a butterfly over a range of columns, a run of leaves.

// Loops over registers, by index: closures and iterator adapters are functions of their own, which
// are not always compiled into the CPU's version of the body.
#![allow(clippy::needless_range_loop)]

use std::ops::Range;

use super::Bins;
use super::butterfly::{Complex, Forward, Inverse, Join, Point, Real, Root, Split};
use super::roots::leaf_vectors;
use crate::dsp::product::{TILE, sum_tile};
use crate::kernel::{self, Body, Lane, Rows, RowsMut};
use crate::signal::Sample;

/// Where the rows of a butterfly lie: real and imaginary part of the first, from row to row, how many
/// samples of each; and from node to node.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    pub starts: [usize; 2],
    pub stride: usize,
    pub len: usize,
    pub apart: usize,
    pub nodes: usize,
}

impl Piece {
    #[inline(always)]
    fn starts(&self, node: usize) -> [usize; 2] {
        let [re, im] = self.starts;
        [re + node * self.apart, im + node * self.apart]
    }
}

#[inline(always)]
pub fn splat_roots<L: Lane, const K: usize>(table: &[L::T]) -> [Root<L>; K] {
    let table = &kernel::reread(table)[..2 * K];
    // Used once, a constant is an operand in memory; used twice, it would be read ahead.
    let again = match L::REGISTERS >= 32 {
        true => &kernel::reread(table)[..2 * K],
        false => table,
    };
    let mut roots = [Root::none(); K];
    for j in 0..K {
        let (c, s) = (2 * j, 2 * j + 1);
        roots[j] = Root {
            c: [L::splat(table[c]), L::splat(again[c])],
            s: [L::splat(table[s]), L::splat(again[s])],
        };
    }
    roots
}

#[inline(always)]
pub fn load_roots<L: Lane, const K: usize>(
    table: &Rows<'_, L>,
    row: usize,
    first: usize,
) -> [Root<L>; K] {
    let mut roots = [Root::none(); K];
    for j in 0..K {
        roots[j] = Root {
            c: [table.get(row, first + 2 * j); 2],
            s: [table.get(row, first + 2 * j + 1); 2],
        };
    }
    roots
}

#[inline(always)]
fn load<L: Lane, const R: usize>(
    re: &RowsMut<'_, L>,
    im: &RowsMut<'_, L>,
    column: usize,
) -> [Complex<L>; R] {
    let mut x = [Complex::zero(); R];
    for row in 0..R {
        x[row] = Complex {
            re: re.get(row, column),
            im: im.get(row, column),
        };
    }
    x
}

#[inline(always)]
fn store<L: Lane, const R: usize>(
    re: &mut RowsMut<'_, L>,
    im: &mut RowsMut<'_, L>,
    column: usize,
    x: [Complex<L>; R],
) {
    for row in 0..R {
        re.set(row, column, x[row].re);
        im.set(row, column, x[row].im);
    }
}

/// Points that a transform begins with.
#[derive(Clone, Copy, Debug)]
pub struct Points<'a, T> {
    pub re: &'a [T],
    /// None where all of them are real.
    pub im: Option<&'a [T]>,
}

#[inline(always)]
fn real_points<L: Lane, const R: usize>(rows: &Rows<'_, L>, column: usize) -> [Real<L>; R] {
    let mut x = [Real(L::splat(L::T::default())); R];
    for row in 0..R {
        x[row] = Real(rows.get(row, column));
    }
    x
}

// ---------------------------------------------------------------------------------------------
// Passes

/// The butterflies of some neighbouring nodes, over some of their columns.
pub struct ForwardPass<'a, T> {
    /// What the first pass begins with.
    pub source: Option<(Points<'a, T>, Piece)>,
    pub work: &'a mut [T],
    pub piece: Piece,
    pub radix: usize,
    /// Each node's roots.
    pub roots: &'a [T],
}

impl<T: Sample> Body<T> for ForwardPass<'_, T> {
    #[inline(always)]
    fn run<L: Lane<T = T>>(self) {
        match self.radix {
            2 => self.nodes::<L, 2, 1>(),
            4 => self.nodes::<L, 4, 3>(),
            _ => self.nodes::<L, 8, 7>(),
        }
    }
}

impl<T: Sample> ForwardPass<'_, T> {
    #[inline(always)]
    fn nodes<L: Lane<T = T>, const R: usize, const K: usize>(self)
    where
        Forward<L, K>: Split<L, R>,
    {
        let Piece {
            stride, len, nodes, ..
        } = self.piece;
        let columns = len / L::N;
        if let Some((points, at)) = self.source {
            let [mut re, mut im] =
                RowsMut::<L>::pair(self.work, self.piece.starts, stride, R, columns);
            let reals = Rows::<L>::new(points.re, at.starts[0], at.stride, R, columns);
            match points.im {
                None => {
                    for column in 0..columns {
                        let butterfly = Forward::<L, K>(splat_roots(self.roots));
                        let y = butterfly.of(real_points(&reals, column));
                        store(&mut re, &mut im, column, y);
                    }
                }
                Some(points) => {
                    let imaginaries = Rows::<L>::new(points, at.starts[1], at.stride, R, columns);
                    for column in 0..columns {
                        let mut x = [Complex::zero(); R];
                        for row in 0..R {
                            x[row] = Complex {
                                re: reals.get(row, column),
                                im: imaginaries.get(row, column),
                            };
                        }
                        let butterfly = Forward::<L, K>(splat_roots(self.roots));
                        store(&mut re, &mut im, column, butterfly.of(x));
                    }
                }
            }
            return;
        }
        for (node, roots) in self.roots.chunks_exact(2 * K).take(nodes).enumerate() {
            let starts = self.piece.starts(node);
            let [mut re, mut im] = RowsMut::<L>::pair(self.work, starts, stride, R, columns);
            for column in 0..columns {
                let butterfly = Forward::<L, K>(splat_roots(roots));
                let y = butterfly.of(load(&re, &im, column));
                store(&mut re, &mut im, column, y);
            }
        }
    }
}

/// The way back.
pub struct InversePass<'a, T> {
    pub work: &'a mut [T],
    pub piece: Piece,
    /// The output block, for the last pass: it takes the imaginary part only.
    pub sink: Option<(&'a mut [T], Piece)>,
    pub radix: usize,
    pub roots: &'a [T],
}

impl<T: Sample> Body<T> for InversePass<'_, T> {
    #[inline(always)]
    fn run<L: Lane<T = T>>(self) {
        match self.radix {
            2 => self.nodes::<L, 2, 1>(),
            4 => self.nodes::<L, 4, 3>(),
            _ => self.nodes::<L, 8, 7>(),
        }
    }
}

impl<T: Sample> InversePass<'_, T> {
    #[inline(always)]
    fn nodes<L: Lane<T = T>, const R: usize, const K: usize>(self)
    where
        Inverse<L, K>: Join<L, R>,
    {
        let Piece {
            stride, len, nodes, ..
        } = self.piece;
        let columns = len / L::N;
        if let Some((out, at)) = self.sink {
            let [re, im] = RowsMut::<L>::pair(self.work, self.piece.starts, stride, R, columns);
            let mut out = RowsMut::<L>::new(out, at.starts[1], at.stride, R, columns);
            for column in 0..columns {
                let butterfly = Inverse::<L, K>(splat_roots(self.roots));
                let x = butterfly.of(load(&re, &im, column));
                for row in 0..R {
                    out.set(row, column, x[row].im);
                }
            }
            return;
        }
        for (node, roots) in self.roots.chunks_exact(2 * K).take(nodes).enumerate() {
            let starts = self.piece.starts(node);
            let [mut re, mut im] = RowsMut::<L>::pair(self.work, starts, stride, R, columns);
            for column in 0..columns {
                let butterfly = Inverse::<L, K>(splat_roots(roots));
                let x = butterfly.of(load(&re, &im, column));
                store(&mut re, &mut im, column, x);
            }
        }
    }
}

// ---------------------------------------------------------------------------------------------
// Leaves

impl<T: Sample> Bins<'_, T> {
    #[inline(always)]
    fn tile<L: Lane<T = T>>(&mut self, tile: usize) -> [Complex<L>; TILE] {
        match self {
            Self::Sum(sum) => sum_tile::<L>(sum, tile),
            Self::Pairs(bins) => bins.tile::<L>(tile),
        }
    }

    /// See [`pairs::Bins::begin`].
    #[inline(always)]
    fn begin(&mut self, batch: Range<usize>, back: bool) {
        if let Self::Pairs(bins) = self {
            bins.begin(batch, back);
        }
    }
}

/// The last `4 N` points of each subtree, down to the bins, in registers.
pub struct ForwardLeaves<'a, T> {
    /// The leaves' input, leaf after leaf.
    pub source: Points<'a, T>,
    pub leaves: usize,
    pub first: &'a [T],
    pub rest: &'a [T],
    /// Tiles are written from `start` on, `stride` apart.
    pub spectra: &'a mut [T],
    pub start: usize,
    pub stride: usize,
    /// Whether each tile is asked for ahead.
    pub far: bool,
}

impl<T: Sample> Body<T> for ForwardLeaves<'_, T> {
    #[inline(always)]
    fn run<L: Lane<T = T>>(mut self) {
        let mut leaf = 0;
        // Two at once, where the registers suffice: one computes while the other waits.
        while L::REGISTERS >= 32 && leaf + 2 <= self.leaves {
            self.some::<L, 2>(leaf);
            leaf += 2;
        }
        while leaf < self.leaves {
            self.some::<L, 1>(leaf);
            leaf += 1;
        }
    }
}

/// What is far away is asked for so many tiles before it is written.
const AHEAD: usize = 4;

impl<T: Sample> ForwardLeaves<'_, T> {
    #[inline(always)]
    fn some<L: Lane<T = T>, const M: usize>(&mut self, leaf: usize) {
        let tile = TILE * L::N;
        let each = leaf_vectors(L::N);
        let re = Rows::<L>::new(self.source.re, leaf * tile, tile, M, TILE);
        let rest = Rows::<L>::new(self.rest, leaf * each * L::N, each * L::N, M, each);
        let first = &self.first[leaf * 6..][..M * 6];
        let start = self.start + leaf * self.stride;
        let mut to = RowsMut::<L>::new(self.spectra, start, self.stride, M, 2 * TILE);
        let mut x = [[Complex::zero(); TILE]; M];
        match self.source.im {
            None => {
                for m in 0..M {
                    let mut real = [Real(L::splat(L::T::default())); TILE];
                    for v in 0..TILE {
                        real[v] = Real(re.get(m, v));
                    }
                    x[m] = groups(split(real, &first[m * 6..]));
                }
            }
            Some(im) => {
                let im = Rows::<L>::new(im, leaf * tile, tile, M, TILE);
                for m in 0..M {
                    for v in 0..TILE {
                        x[m][v] = Complex {
                            re: re.get(m, v),
                            im: im.get(m, v),
                        };
                    }
                }
                for m in 0..M {
                    x[m] = groups(split(x[m], &first[m * 6..]));
                }
            }
        }
        if self.far {
            for m in 0..M {
                for v in 0..2 * TILE {
                    to.fetch(m, v, AHEAD * self.stride);
                }
            }
        }
        let x = down(x, &rest);
        for m in 0..M {
            for v in 0..TILE {
                to.set(m, v, x[m][v].re);
                to.set(m, TILE + v, x[m][v].im);
            }
        }
    }
}

/// Some tiles of a sum, written down.
pub struct Collect<'a, 'b, T: 'static> {
    pub tiles: Range<usize>,
    pub from: &'a mut Bins<'b, T>,
    pub bins: &'a mut [T],
}

impl<T: Sample> Body<T> for Collect<'_, '_, T> {
    #[inline(always)]
    fn run<L: Lane<T = T>>(self) {
        let size = 2 * TILE * L::N;
        let (first, tiles) = (self.tiles.start, self.tiles.len());
        let mut to = RowsMut::<L>::new(self.bins, first * size, size, tiles, 2 * TILE);
        self.from.begin(self.tiles, false);
        for tile in 0..tiles {
            let sum = self.from.tile::<L>(first + tile);
            for v in 0..TILE {
                to.set(tile, v, sum[v].re);
                to.set(tile, TILE + v, sum[v].im);
            }
        }
    }
}

/// The way back, which begins with summing up the bins.
pub struct InverseLeaves<'a, 'b, T: 'static> {
    pub bins: &'a mut Bins<'b, T>,
    pub leaf: usize,
    pub leaves: usize,
    pub first: &'a [T],
    pub rest: &'a [T],
    /// Where the leaves' real and imaginary output goes, leaf after leaf.
    pub work: &'a mut [T],
    pub starts: [usize; 2],
    /// Whether this is all: then `work` is the output block and takes the imaginary part only.
    pub last: bool,
}

impl<T: Sample> Body<T> for InverseLeaves<'_, '_, T> {
    #[inline(always)]
    fn run<L: Lane<T = T>>(self) {
        let tile = TILE * L::N;
        let each = leaf_vectors(L::N);
        let rest = Rows::<L>::new(self.rest, 0, each * L::N, self.leaves, each);
        let [mut re, mut im] = RowsMut::<L>::pair(self.work, self.starts, tile, self.leaves, TILE);
        self.bins.begin(self.leaf..self.leaf + self.leaves, true);
        for (leaf, first) in self.first.chunks_exact(6).take(self.leaves).enumerate() {
            let mut y = self.bins.tile::<L>(self.leaf + leaf);
            y = within(last_back(y, &rest, leaf));
            y = Inverse::<L, 3>(load_roots(&rest, leaf, 0)).of(y);
            y = groups(y);
            y = Inverse::<L, 3>(splat_roots(first)).of(y);
            for v in 0..TILE {
                if !self.last {
                    re.set(leaf, v, y[v].re);
                }
                im.set(leaf, v, y[v].im);
            }
        }
    }
}

/// The first pass of a leaf.
#[inline(always)]
pub fn split<L: Lane>(x: [impl Point<L>; TILE], roots: &[L::T]) -> [Complex<L>; TILE] {
    Forward::<L, 3>(splat_roots(roots)).of(x)
}

/// The other passes of leaves side by side: one computes while the other waits.
#[inline(always)]
pub fn down<L: Lane, const M: usize>(
    mut x: [[Complex<L>; TILE]; M],
    rest: &Rows<'_, L>,
) -> [[Complex<L>; TILE]; M] {
    for m in 0..M {
        x[m] = within(Forward::<L, 3>(load_roots(rest, m, 0)).of(x[m]));
    }
    for m in 0..M {
        x[m] = last(x[m], rest, m);
    }
    x
}

/// The last pass of a leaf, if there are lanes enough for a third.
#[inline(always)]
fn last<L: Lane>(
    [a, b, c, d]: [Complex<L>; TILE],
    rest: &Rows<'_, L>,
    leaf: usize,
) -> [Complex<L>; TILE] {
    if L::N == 8 {
        let [s, q] = load_roots::<L, 2>(rest, leaf, 6);
        let ([a, b], [c, d]) = (Forward([s]).of([a, b]), Forward([q]).of([c, d]));
        [a, b, c, d]
    } else if L::N == 16 {
        Forward::<L, 3>(load_roots(rest, leaf, 6)).of([a, b, c, d])
    } else {
        [a, b, c, d]
    }
}

/// And back.
#[inline(always)]
pub fn last_back<L: Lane>(
    [a, b, c, d]: [Complex<L>; TILE],
    rest: &Rows<'_, L>,
    leaf: usize,
) -> [Complex<L>; TILE] {
    if L::N == 8 {
        let [s, q] = load_roots::<L, 2>(rest, leaf, 6);
        let ([a, b], [c, d]) = (Inverse([s]).of([a, b]), Inverse([q]).of([c, d]));
        [a, b, c, d]
    } else if L::N == 16 {
        Inverse::<L, 3>(load_roots(rest, leaf, 6)).of([a, b, c, d])
    } else {
        [a, b, c, d]
    }
}

#[inline(always)]
pub fn groups<L: Lane>([a, b, c, d]: [Complex<L>; TILE]) -> [Complex<L>; TILE] {
    let re = L::groups([a.re, b.re, c.re, d.re]);
    let im = L::groups([a.im, b.im, c.im, d.im]);
    zip(re, im)
}

#[inline(always)]
pub fn within<L: Lane>([a, b, c, d]: [Complex<L>; TILE]) -> [Complex<L>; TILE] {
    let re = L::within([a.re, b.re, c.re, d.re]);
    let im = L::within([a.im, b.im, c.im, d.im]);
    zip(re, im)
}

#[inline(always)]
fn zip<L: Lane>(re: [L; TILE], im: [L; TILE]) -> [Complex<L>; TILE] {
    let mut x = [Complex::zero(); TILE];
    for v in 0..TILE {
        x[v] = Complex {
            re: re[v],
            im: im[v],
        };
    }
    x
}
