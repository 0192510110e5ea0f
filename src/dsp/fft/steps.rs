//! Several steps of a transform in one go, each on its piece of the work area.

use std::ops::Range;

use super::pass::{ForwardLeaves, ForwardPass, InverseLeaves, InversePass, Piece, Points};
use super::{Bins, Slot, Transform};
use crate::kernel::{Body, Lane};
use crate::signal::Sample;

/// Steps of the way forward, in one go.
pub struct ForwardSteps<'a, T: Sample> {
    pub transform: &'a Transform<T>,
    pub steps: Range<usize>,
    pub points: Points<'a, T>,
    pub work: &'a mut [T],
    pub slot: Slot<'a, T>,
    pub slots: usize,
}

impl<T: Sample> Body<T> for ForwardSteps<'_, T> {
    #[inline(always)]
    fn run<L: Lane<T = T>>(self) {
        let transform = self.transform;
        let mut next = self.steps.start;
        while next < self.steps.end {
            let step = transform.steps[next];
            next += 1;
            let (pass, node) = (step.pass as usize, step.node as usize);
            if let Some(roots) = transform.passes.get(pass) {
                let piece = transform.piece(step);
                let source = Piece {
                    starts: [step.from as usize; 2],
                    stride: transform.block >> roots.radix.ilog2(),
                    ..piece
                };
                let body = ForwardPass {
                    source: (pass == 0).then_some((self.points, source)),
                    work: &mut *self.work,
                    piece,
                    radix: roots.radix,
                    roots: roots.of(node, step.nodes as usize),
                };
                body.run::<L>();
            } else {
                // Neighbouring leaves of one call run as one, as far as their input has no gap.
                let first = next - 1;
                while next < self.steps.end && transform.steps[next].pass == step.pass {
                    if transform.begins_local(transform.steps[next].node) {
                        break;
                    }
                    next += 1;
                }
                let leaves = next - first;
                let [re, im] = transform.leaf_starts(node);
                let source = if transform.passes.is_empty() {
                    self.points
                } else {
                    let len = leaves * transform.tile;
                    Points {
                        re: &self.work[re..re + len],
                        im: Some(&self.work[im..im + len]),
                    }
                };
                let body = ForwardLeaves {
                    source,
                    leaves,
                    first: transform.leaves.first.of(node, leaves),
                    rest: transform.leaves.rest(node, leaves),
                    spectra: &mut *self.slot.spectra,
                    start: (node * self.slots + self.slot.index) * 2 * transform.tile,
                    stride: self.slots * 2 * transform.tile,
                    far: self.slot.far,
                };
                body.run::<L>();
            }
        }
    }
}

/// Steps of the way back.
pub struct InverseSteps<'a, 'b, T: Sample> {
    pub transform: &'a Transform<T>,
    pub steps: Range<usize>,
    pub bins: &'a mut Bins<'b, T>,
    pub work: &'a mut [T],
    pub out: &'a mut [T],
}

impl<T: Sample> Body<T> for InverseSteps<'_, '_, T> {
    #[inline(always)]
    fn run<L: Lane<T = T>>(self) {
        let transform = self.transform;
        let mut next = self.steps.start;
        while next < self.steps.end {
            let step = transform.inverse_step(next);
            next += 1;
            let (pass, node) = (step.pass as usize, step.node as usize);
            if let Some(roots) = transform.passes.get(pass) {
                let piece = transform.piece(step);
                let sink = Piece {
                    starts: [step.from as usize; 2],
                    stride: transform.block >> roots.radix.ilog2(),
                    ..piece
                };
                let body = InversePass {
                    work: &mut *self.work,
                    piece,
                    sink: (pass == 0).then_some((&mut *self.out, sink)),
                    radix: roots.radix,
                    roots: roots.of(node, step.nodes as usize),
                };
                body.run::<L>();
            } else {
                let first = next - 1;
                let mut node = node;
                while next < self.steps.end && transform.inverse_step(next).pass == step.pass {
                    if transform.begins_local(node as u32) {
                        break;
                    }
                    node -= 1;
                    next += 1;
                }
                let leaves = next - first;
                let all = transform.passes.is_empty();
                let body = InverseLeaves {
                    bins: &mut *self.bins,
                    leaf: node,
                    leaves,
                    first: transform.leaves.first.of(node, leaves),
                    rest: transform.leaves.rest(node, leaves),
                    work: if all { &mut *self.out } else { &mut *self.work },
                    starts: if all {
                        [0; 2]
                    } else {
                        transform.leaf_starts(node)
                    },
                    last: all,
                };
                body.run::<L>();
            }
        }
    }
}
