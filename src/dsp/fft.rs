//! The transform of one block size, made for convolution.
//!
//! Overlap-save looks at two neighbouring blocks of B frames, the previous one p and the current
//! one c. They make B complex points u = p + i c, a polynomial in z modulo z^B - i. A partition h
//! of a response is a polynomial too. In the product, whatever passes z^B comes back times i:
//!
//!   (p + i c) h  mod  z^B - i  =  p h low - c h high  +  i (p h high + c h low)
//!
//! and the imaginary part, c h low + p h high, is exactly the B frames of output that belong to the
//! current block (the "right-angle" convolution; Nussbaumer 1981). So one transform of B complex
//! points serves where usually a real one of 2 B stands, with no DC or Nyquist bin apart and no
//! bins to untangle.
//!
//! Forward, z^B - i is split into ever smaller factors z^m - w, each node of that tree with its own
//! constant root, down to the bins, which are the values at the B roots of z^B = i; back, the same
//! steps the other way. What order the bins have does not matter to a product: it is that of the
//! tree, shuffled within a tile. Neither direction scales; [`Transform::response`] puts the 1/B
//! into the response.

pub(crate) mod butterfly;
mod pass;
mod roots;
#[cfg(test)]
mod tests;

use super::compiled::Compiled;
use super::pairs;
use super::product::{Sum, TILE};
use crate::kernel::{self, Buffer, Cpu};
use crate::signal::Sample;
use pass::{ForwardLeaves, ForwardPass, InverseLeaves, InversePass, Piece};
use roots::{LeafRoots, PassRoots};
use std::ops::Range;

/// Points that are worked on at once, down to the bins, because they stay in the nearest cache with
/// their constants.
const LOCAL: usize = 1024;

/// Points whose local passes run one after the other, before their leaves.
const GROUP: usize = 2048;

/// Points in the butterflies of one step.
const STEP: usize = 1024;

/// The transform of blocks of one size: a plan, without state.
#[derive(Clone, Debug)]
pub struct Transform<T: 'static> {
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
    Sum(&'a Sum<'a, T>),
    Pairs(pairs::Bins<'a, T>),
}

impl<'a, T> From<&'a Sum<'a, T>> for Bins<'a, T> {
    fn from(sum: &'a Sum<'a, T>) -> Self {
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

    /// Does some steps of the transform of the blocks `prev` and `cur` into slot `slot` of `spectra`.
    ///
    /// Steps come in order and all of them make one transform; how they are cut into calls changes
    /// no bit. `prev` and `cur` are read by early steps only, the slot is written by late ones.
    pub fn forward(
        &self,
        steps: Range<usize>,
        prev: &[T],
        cur: &[T],
        work: &mut [T],
        spectra: &mut [T],
        slot: usize,
    ) {
        (self.compiled.forward)(self, steps, prev, cur, work, spectra, slot);
    }

    pub(super) fn run_forward(
        &self,
        steps: Range<usize>,
        prev: &[T],
        cur: &[T],
        work: &mut [T],
        spectra: &mut [T],
        slot: usize,
    ) {
        let slots = spectra.len() >> (self.block.ilog2() + 1);
        assert!(
            prev.len() == self.block && cur.len() == self.block,
            "a block of another size"
        );
        assert!(
            slot < slots && spectra.len() == 2 * self.block * slots,
            "no such slot"
        );
        let mut next = steps.start;
        while next < steps.end {
            let step = self.steps[next];
            next += 1;
            let (pass, node) = (step.pass as usize, step.node as usize);
            if let Some(roots) = self.passes.get(pass) {
                let piece = self.piece(step);
                let source = Piece {
                    starts: [step.from as usize; 2],
                    stride: self.block >> roots.radix.ilog2(),
                    ..piece
                };
                let body = ForwardPass {
                    source: (pass == 0).then_some(([prev, cur], source)),
                    work,
                    piece,
                    radix: roots.radix,
                    roots: roots.of(node, step.nodes as usize),
                };
                kernel::run(self.cpu, body);
            } else {
                // Neighbouring leaves of one call run as one, as far as their input has no gap.
                let first = next - 1;
                while next < steps.end && self.steps[next].pass == step.pass {
                    if self.begins_local(self.steps[next].node) {
                        break;
                    }
                    next += 1;
                }
                let leaves = next - first;
                let [re, im] = self.leaf_starts(node);
                let source = if self.passes.is_empty() {
                    [prev, cur]
                } else {
                    let len = leaves * self.tile;
                    [&work[re..re + len], &work[im..im + len]]
                };
                let body = ForwardLeaves {
                    source,
                    leaves,
                    first: self.leaves.first.of(node, leaves),
                    rest: self.leaves.rest(node, leaves),
                    spectra,
                    start: (node * slots + slot) * 2 * self.tile,
                    stride: slots * 2 * self.tile,
                };
                kernel::run(self.cpu, body);
            }
        }
    }

    /// Does some steps of the way back from `bins`, whose imaginary part, in `out`, is the output
    /// that belongs to the current block.
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
        let mut next = steps.start;
        while next < steps.end {
            let step = self.inverse_step(next);
            next += 1;
            let (pass, node) = (step.pass as usize, step.node as usize);
            if let Some(roots) = self.passes.get(pass) {
                let piece = self.piece(step);
                let sink = Piece {
                    starts: [step.from as usize; 2],
                    stride: self.block >> roots.radix.ilog2(),
                    ..piece
                };
                let body = InversePass {
                    work,
                    piece,
                    sink: (pass == 0).then_some((&mut *out, sink)),
                    radix: roots.radix,
                    roots: roots.of(node, step.nodes as usize),
                };
                kernel::run(self.cpu, body);
            } else {
                let first = next - 1;
                let mut node = node;
                while next < steps.end && self.inverse_step(next).pass == step.pass {
                    if self.begins_local(node as u32) {
                        break;
                    }
                    node -= 1;
                    next += 1;
                }
                let leaves = next - first;
                let all = self.passes.is_empty();
                let body = InverseLeaves {
                    bins: &mut bins,
                    leaf: node,
                    leaves,
                    first: self.leaves.first.of(node, leaves),
                    rest: self.leaves.rest(node, leaves),
                    work: if all { &mut *out } else { &mut *work },
                    starts: if all { [0; 2] } else { self.leaf_starts(node) },
                    last: all,
                };
                kernel::run(self.cpu, body);
            }
        }
    }

    /// Puts the spectrum of a partition of a response, of at most a block, into slot `part` of
    /// `spectra`, ready to be multiplied. Allocates.
    #[track_caller]
    pub fn response(&self, taps: &[T], spectra: &mut [T], part: usize) {
        let scale = T::of(1.0 / self.block as f64);
        let mut points = Buffer::zeros(self.block);
        for (point, &tap) in points.iter_mut().zip(taps) {
            *point = tap * scale;
        }
        let zeros = Buffer::zeros(self.block);
        let mut work = Buffer::zeros(self.work_len());
        self.forward(0..self.steps(), &points, &zeros, &mut work, spectra, part);
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

    /// How much work a step of `forward` is, in units of about a nanosecond.
    pub fn forward_cost(&self, step: usize) -> u32 {
        self.cost(self.steps[step])
    }

    /// How much work a step of `inverse` is, when its sum has `products` products per bin; if they
    /// are made in pairs, on average of the step and the one it is joined to.
    pub fn inverse_cost(&self, step: usize, products: usize, in_pairs: bool) -> u32 {
        let step = self.inverse_step(step);
        let products = match (self.passes.get(step.pass as usize), in_pairs) {
            (Some(_), _) => 0,
            (None, false) => products * self.tile / 8,
            (None, true) => (products + 1) * self.tile / 12,
        };
        self.cost(step) + products as u32
    }

    /// Whether this step of `inverse` makes the second tile of two neighbours.
    pub fn ends_pair(&self, step: usize) -> bool {
        let step = self.inverse_step(step);
        step.pass as usize == self.passes.len() && step.node & 1 == 0
    }

    /// What two neighbouring tiles cost, if there are two.
    pub fn pair_cost(&self, products: usize) -> Option<u32> {
        let tile = |step| self.inverse_cost(step, products, true);
        let second = (0..self.steps()).find(|&step| self.ends_pair(step))?;
        (self.block > self.tile).then(|| 2 * tile(second))
    }

    fn cost(&self, step: Step) -> u32 {
        match self.passes.get(step.pass as usize) {
            Some(pass) => step.nodes * step.len * pass.radix as u32 * pass.radix.ilog2() / 24,
            None => self.tile as u32 / 3,
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
