//! The transform of one block size, made for convolution.
//!
//! What a block x of B frames is to the block of output q blocks later goes through 2 B taps: the
//! lower B, l, from tap (q - 1) B on, where the product runs over into the block, and the upper B, u,
//! from tap q B on. They make B complex points l + i u, a polynomial in z modulo z^B - i; the block
//! is a polynomial too. In the product, whatever passes z^B comes back times i:
//!
//!   x (l + i u)  mod  z^B - i  =  x l low - x u high  +  i (x l high + x u low)
//!
//! and the imaginary part, x l high + x u low, is exactly the B frames of output (the "right-angle"
//! convolution; Nussbaumer 1981). So one transform of B complex points serves where usually a real one
//! of 2 B stands, with no DC or Nyquist bin apart and no bins to untangle. And it is the response that
//! is cut into overlapping windows, once; a block of the signal is transformed alone, and what it is to
//! each block of output is one product.
//!
//! Forward, z^B - i is split into ever smaller factors z^m - w, each node of that tree with its own
//! constant root, down to the bins, which are the values at the B roots of z^B = i; back, the same
//! steps the other way. What order the bins have does not matter to a product: it is that of the
//! tree, shuffled within a tile. Neither direction scales; [`Transform::response`] puts the 1/B
//! into the response.

pub(crate) mod butterfly;
mod pass;
mod roots;
mod square;
mod steps;
#[cfg(test)]
mod tests;

use super::compiled::Compiled;
use super::pairs;
use super::product::{Sum, TILE};
use crate::kernel::{self, Buffer, Cpu};
use crate::signal::Sample;
pub(super) use pass::Points;
use pass::{Collect, Piece};
use roots::{LeafRoots, PassRoots};
use std::ops::Range;
use steps::{ForwardSteps, InverseSteps};

/// Points that are worked on at once, down to the bins, because they stay in the nearest cache with
/// their constants.
const LOCAL: usize = 1024;

/// Points whose local passes run one after the other, before their leaves.
const GROUP: usize = 2048;

/// Real parts of a node that the nearer caches do not keep, in bytes.
const FAR: usize = 64 << 10;

/// Points in the butterflies of one step.
const STEP: usize = 512;

/// Where a spectrum is written.
#[derive(Debug)]
pub struct Slot<'a, T> {
    /// Several spectra, tile-major.
    pub spectra: &'a mut [T],
    /// Which of them.
    pub index: usize,
    /// Whether they lie far away, so that each tile is asked for ahead.
    pub far: bool,
}

impl<'a, T> Slot<'a, T> {
    /// One that the caches hold, or in which one tile lies beside the next.
    pub fn near(spectra: &'a mut [T], index: usize) -> Self {
        Self {
            spectra,
            index,
            far: false,
        }
    }
}

/// The transform of blocks of one size: a plan, without state.
#[derive(Clone, Debug)]
pub struct Transform<T: Sample> {
    compiled: &'static Compiled<T>,
    block: usize,
    cpu: Cpu,
    /// Bins in a tile, and points in a leaf.
    tile: usize,
    /// Points between whose ends the work area has no gap.
    local: usize,
    passes: Vec<PassRoots<T>>,
    leaves: LeafRoots<T>,
    /// Depth first, as they run forward; the inverse runs them from the last to the first.
    steps: Vec<Step>,
}

/// What the way back begins with.
pub(crate) enum Bins<'a, T: 'static> {
    Sum(Sum<'a, T>),
    Pairs(pairs::Bins<'a, T>),
}

impl<'a, T> From<Sum<'a, T>> for Bins<'a, T> {
    fn from(sum: Sum<'a, T>) -> Self {
        Self::Sum(sum)
    }
}

impl<'a, T> From<pairs::Bins<'a, T>> for Bins<'a, T> {
    fn from(bins: pairs::Bins<'a, T>) -> Self {
        Self::Pairs(bins)
    }
}

/// The butterflies of `nodes` nodes from `node` on, over their columns `from..from + len`, or a leaf.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// The pass; one past the last for leaves.
    pass: u32,
    node: u32,
    nodes: u32,
    from: u32,
    len: u32,
}

impl<T: Sample> Transform<T> {
    /// For blocks of `block` frames, a power of two from 16 on.
    #[track_caller]
    pub fn new(block: usize, cpu: Cpu) -> Self {
        assert!(
            block.is_power_of_two() && block >= 16,
            "a block of {block} frames; it must be a power of two, 16 or more"
        );
        let cpu = cpu.at_most::<T>(block / TILE);
        let tile = TILE * cpu.lanes::<T>();
        let radices = radices(block / tile);
        // The largest subtree that is local.
        let mut local = block;
        for radix in &radices {
            if local > LOCAL {
                local /= radix;
            }
        }
        let (passes, leaves) = roots::tree(block, &radices, cpu.lanes::<T>());
        let mut transform = Self {
            compiled: Compiled::table(),
            block,
            cpu,
            tile,
            local,
            passes,
            leaves,
            steps: Vec::new(),
        };
        transform.plan(0, 0, 1, block);
        transform
    }

    /// Adds the steps of `nodes` nodes of pass `pass`, from `node` on, each of `points` points.
    fn plan(&mut self, pass: usize, node: usize, nodes: usize, points: usize) {
        let step = |node: usize, nodes: usize, from: usize, len: usize| Step {
            pass: pass as u32,
            node: node as u32,
            nodes: nodes as u32,
            from: from as u32,
            len: len as u32,
        };
        let Some(radix) = self.passes.get(pass).map(|pass| pass.radix) else {
            self.steps
                .extend((node..node + nodes).map(|leaf| step(leaf, 1, 0, 1)));
            return;
        };
        let columns = points / radix;
        if points <= self.local {
            // Neighbours that lie equally far apart, pass by pass.
            let run = if points == self.local {
                nodes
            } else {
                self.local / points
            };
            let run = run.min((STEP / points).max(1));
            let firsts = (node..node + nodes).step_by(run);
            self.steps
                .extend(firsts.map(|first| step(first, run.min(node + nodes - first), 0, columns)));
            self.plan(pass + 1, node * radix, nodes * radix, columns);
        } else {
            let len = columns.min(self.local).min(STEP / radix);
            self.steps.extend(
                (0..columns)
                    .step_by(len)
                    .map(|from| step(node, 1, from, len)),
            );
            let run = if columns > self.local {
                1
            } else {
                (GROUP / columns).clamp(1, radix)
            };
            for child in (0..radix).step_by(run) {
                self.plan(pass + 1, node * radix + child, run, columns);
            }
        }
    }

    pub fn block(&self) -> usize {
        self.block
    }

    /// Samples of the work area, which carries a transform from step to step.
    pub fn work_len(&self) -> usize {
        self.block / self.local * self.local_stride()
    }

    /// Steps of one transform, the same number in both directions.
    pub fn steps(&self) -> usize {
        self.steps.len()
    }

    /// Does some steps of the transform of `block` into slot `slot` of `spectra`.
    ///
    /// Steps come in order and all of them make one transform; how they are cut into calls changes
    /// no bit. `block` is read by early steps only, the slot is written by late ones.
    pub fn forward(&self, steps: Range<usize>, block: &[T], work: &mut [T], slot: Slot<'_, T>) {
        let points = Points {
            re: block,
            im: None,
        };
        (self.compiled.forward)(self, steps, points, work, slot);
    }

    pub(super) fn run_forward(
        &self,
        steps: Range<usize>,
        points: Points<'_, T>,
        work: &mut [T],
        slot: Slot<'_, T>,
    ) {
        let len = slot.spectra.len();
        let slots = len >> (self.block.ilog2() + 1);
        let fits = |points: &[T]| points.len() == self.block;
        assert!(
            fits(points.re) && points.im.is_none_or(fits),
            "a block of another size"
        );
        assert!(
            slot.index < slots && len == 2 * self.block * slots,
            "no such slot"
        );
        let body = ForwardSteps {
            transform: self,
            steps,
            points,
            work,
            slot,
            slots,
        };
        kernel::run(self.cpu, body);
    }

    /// Does some steps of the way back from `bins`, whose imaginary part, in `out`, is the output.
    ///
    /// `bins` are read by early steps only, `out` is written by late ones.
    pub fn inverse<'a>(
        &self,
        steps: Range<usize>,
        bins: impl Into<Bins<'a, T>>,
        work: &mut [T],
        out: &mut [T],
    ) {
        (self.compiled.inverse)(self, steps, bins.into(), work, out);
    }

    pub(super) fn run_inverse(
        &self,
        steps: Range<usize>,
        mut bins: Bins<'_, T>,
        work: &mut [T],
        out: &mut [T],
    ) {
        assert!(out.len() == self.block, "a block of another size");
        let body = InverseSteps {
            transform: self,
            steps,
            bins: &mut bins,
            work,
            out,
        };
        kernel::run(self.cpu, body);
    }

    /// The block whose [square](Self::square) costs less than the time domain would, if there is one on
    /// this CPU: of two tiles, where they fit its registers.
    pub fn square_block(cpu: Cpu) -> Option<usize> {
        let fits = cpu.lanes::<T>() * size_of::<T>() >= 64;
        fits.then_some(square::TILES * TILE * cpu.lanes::<T>())
    }

    /// Adds to `out` what `block` is to the block behind it, through one window of a response, whose
    /// spectrum is given; for blocks of the [one size](Self::square_block).
    pub fn square(&self, block: &[T], spectrum: &[T], out: &mut [T]) {
        (self.compiled.square)(self, block, spectrum, out);
    }

    pub(super) fn run_square(&self, block: &[T], spectrum: &[T], out: &mut [T]) {
        assert!(
            self.tiles() == square::TILES && block.len() == self.block,
            "a block of another size"
        );
        let body = square::Square {
            transform: self,
            block,
            spectrum,
            out,
        };
        kernel::run(self.cpu, body);
    }

    /// Makes some tiles of a spectrum and writes them to `bins`, instead of transforming them back.
    pub fn collect<'a>(&self, tiles: Range<usize>, from: impl Into<Bins<'a, T>>, bins: &mut [T]) {
        (self.compiled.collect)(self, tiles, from.into(), bins);
    }

    pub(super) fn run_collect(&self, tiles: Range<usize>, mut from: Bins<'_, T>, bins: &mut [T]) {
        assert!(
            tiles.end <= self.tiles() && bins.len() == 2 * self.block,
            "a block of another size"
        );
        let body = Collect {
            tiles,
            from: &mut from,
            bins,
        };
        kernel::run(self.cpu, body);
    }

    /// Bins of a tile.
    pub fn tile(&self) -> usize {
        self.tile
    }

    /// Tiles of a spectrum.
    pub fn tiles(&self) -> usize {
        self.block / self.tile
    }

    /// Puts the spectrum of a window of a response, of at most two blocks, into slot `part` of
    /// `spectra`, ready to be multiplied. Allocates.
    #[track_caller]
    pub fn response(&self, window: &[T], spectra: &mut [T], part: usize) {
        let scale = T::of(1.0 / self.block as f64);
        let mut points = Buffer::zeros(2 * self.block);
        for (point, &tap) in points.iter_mut().zip(window) {
            *point = tap * scale;
        }
        let (lower, upper) = points.split_at(self.block);
        let points = Points {
            re: lower,
            im: Some(upper),
        };
        let mut work = Buffer::zeros(self.work_len());
        (self.compiled.forward)(
            self,
            0..self.steps(),
            points,
            &mut work,
            Slot::near(spectra, part),
        );
    }

    /// The smallest magnitude but zero, and the largest.
    pub fn magnitudes(&self, block: &[T]) -> (T, T) {
        (self.compiled.magnitudes)(self.cpu, block)
    }

    /// The way back takes the same steps from the last to the first.
    #[inline(always)]
    fn inverse_step(&self, step: usize) -> Step {
        self.steps[self.steps.len() - 1 - step]
    }

    /// How much work a step of `forward` is, in units of about half a nanosecond.
    pub fn forward_cost(&self, step: usize) -> u32 {
        let step = self.steps[step];
        let cost = self.cost(step, 6);
        // Passes go through all of it, leaves to their slot tile by tile, each to a distant place.
        if self.is_far(step) {
            cost * 7 / 4
        } else {
            cost
        }
    }

    /// How much work a square is.
    pub fn square_cost(&self) -> u32 {
        let width = size_of::<T>() as u32 / 4;
        width * self.block as u32 * 2
    }

    /// How much work a step of `inverse` is, without the products.
    pub fn inverse_cost(&self, step: usize) -> u32 {
        let step = self.inverse_step(step);
        let cost = self.cost(step, 8);
        // What it goes through was written a while ago, and other levels' work has come between.
        let is_pass = (step.pass as usize) < self.passes.len();
        if is_pass && self.is_far(step) {
            2 * cost
        } else {
            cost
        }
    }

    /// Whether a step goes through more than the nearer caches keep.
    fn is_far(&self, step: Step) -> bool {
        let pass = self.passes.get(step.pass as usize);
        let points = pass.map_or(self.block, |pass| pass.points);
        points * size_of::<T>() >= FAR
    }

    /// The tile of bins that this step of `inverse` makes, if it does; they come from the last to the
    /// first.
    pub fn tile_made(&self, step: usize) -> Option<usize> {
        let Step { pass, node, .. } = self.inverse_step(step);
        (pass as usize == self.passes.len()).then_some(node as usize)
    }

    /// What a tile costs on the way back, without the products.
    pub fn tile_cost(&self) -> u32 {
        self.leaf_cost(8)
    }

    fn leaf_cost(&self, ninths: u32) -> u32 {
        let width = size_of::<T>() as u32 / 4;
        width * self.tile as u32 * ninths / 9
    }

    fn cost(&self, step: Step, leaf: u32) -> u32 {
        let width = size_of::<T>() as u32 / 4;
        match self.passes.get(step.pass as usize) {
            Some(pass) => {
                let points = step.nodes * step.len * pass.radix as u32;
                width * points * pass.radix.ilog2() / 11
            }
            None => self.leaf_cost(leaf),
        }
    }

    // The work area: local subtrees one after the other, each with its real parts, then its
    // imaginary ones, then a gap. Strides that are a power of two would put all rows of a
    // butterfly into the same few places of the caches.

    #[inline(always)]
    fn local_stride(&self) -> usize {
        let gap = if self.local < self.block { 16 } else { 0 };
        2 * self.local + gap
    }

    /// Where point `point` lies, its real and its imaginary part.
    #[inline(always)]
    fn place(&self, point: usize) -> [usize; 2] {
        let (subtree, within) = (point >> self.local.ilog2(), point & (self.local - 1));
        let at = subtree * self.local_stride() + within;
        [at, at + self.local]
    }

    /// Where the rows of a step's butterflies lie.
    #[inline(always)]
    fn piece(&self, step: Step) -> Piece {
        let pass = &self.passes[step.pass as usize];
        let first = step.node as usize * pass.points + step.from as usize;
        let starts = self.place(first);
        Piece {
            starts,
            stride: self.place(first + (pass.points >> pass.radix.ilog2()))[0] - starts[0],
            len: step.len as usize,
            apart: self.place(first + pass.points)[0] - starts[0],
            nodes: step.nodes as usize,
        }
    }

    #[inline(always)]
    fn leaf_starts(&self, leaf: usize) -> [usize; 2] {
        self.place(leaf * self.tile)
    }

    /// Whether a leaf is the first of a local subtree, so that there is a gap before it.
    #[inline(always)]
    fn begins_local(&self, leaf: u32) -> bool {
        (leaf as usize * self.tile) & (self.local - 1) == 0
    }
}

/// The radices of the passes above the leaves.
fn radices(mut factor: usize) -> Vec<usize> {
    let mut radices = Vec::new();
    while factor > 1 {
        let radix = match factor {
            2 => 2,
            4 | 16 => 4,
            _ => 8,
        };
        radices.push(radix);
        factor /= radix;
    }
    radices
}
