//! The constants of the transform's tree: roots of unity by node.
//!
//! A node stands for the residues modulo z^m - w with w = exp(2 pi i f); `f` counts turns. The
//! tree's root has w = i, f = 1/4. As z^m - w = (z^(m/2) - s) (z^(m/2) + s) with s^2 = w, the two
//! children of a node have f/2 and f/2 + 1/2; all these numbers are exact in f64.

use crate::kernel::Buffer;
use crate::signal::Sample;

fn cos_sin(turns: f64) -> [f64; 2] {
    // Quarter turns are taken out exactly, so that both are good to their last bits.
    let quarters = (4.0 * turns).round();
    let (sin, cos) = (std::f64::consts::TAU * (turns - quarters / 4.0)).sin_cos();
    match quarters.rem_euclid(4.0) as u32 {
        0 => [cos, sin],
        1 => [-sin, cos],
        2 => [-cos, -sin],
        _ => [sin, -cos],
    }
}

/// The node reached from `f` by a butterfly of `radix`, as its `child`; rows come in this order.
fn child(f: f64, radix: usize, child: usize) -> f64 {
    if radix == 1 {
        return f;
    }
    let half = radix / 2;
    // The first halving decides the top bit.
    self::child(f / 2.0 + (child / half) as f64 / 2.0, half, child % half)
}

/// The roots that a butterfly needs: r, r^2 .. r^(radix - 1) with r^radix = w.
fn roots(f: f64, radix: usize) -> impl Iterator<Item = f64> {
    (1..radix).map(move |j| j as f64 * f / radix as f64)
}

/// Constants of one pass, node by node.
#[derive(Clone, Debug)]
pub struct PassRoots<T> {
    pub radix: usize,
    /// Points of each node.
    pub points: usize,
    table: Buffer<T>,
}

impl<T: Sample> PassRoots<T> {
    fn new(nodes: &[f64], points: usize, radix: usize) -> Self {
        let values = nodes
            .iter()
            .flat_map(|&f| roots(f, radix))
            .flat_map(cos_sin);
        let table = Buffer::from_slice(&values.map(T::of).collect::<Vec<T>>());
        Self {
            radix,
            points,
            table,
        }
    }

    /// Cosine and sine of each root of `nodes` nodes, from `node` on.
    pub fn of(&self, node: usize, nodes: usize) -> &[T] {
        let each = 2 * (self.radix - 1);
        &self.table[node * each..(node + nodes) * each]
    }
}

/// Constants of the leaves: 4 vectors of `lanes` samples down to single bins.
///
/// A leaf is a radix-4 pass over its 4 vectors, and then further ones in which lanes of one vector
/// belong to different nodes, so that their constants are vectors too.
#[derive(Clone, Debug)]
pub struct LeafRoots<T> {
    pub first: PassRoots<T>,
    lanes: usize,
    rest: Buffer<T>,
}

/// Sample of constants in a leaf, after its first pass: cosine and sine of r, r^2, r^3 for a radix-4
/// level, cosine and sine of r for each pair of vectors of a radix-2 level.
pub const fn leaf_vectors(lanes: usize) -> usize {
    match lanes {
        4 => 6,
        8 => 6 + 4,
        _ => 6 + 6,
    }
}

impl<T: Sample> LeafRoots<T> {
    fn new(nodes: &[f64], lanes: usize) -> Self {
        let group = lanes / 4;
        let mut rest = Vec::with_capacity(nodes.len() * leaf_vectors(lanes) * lanes);
        let mut level = |roots: &dyn Fn(usize) -> Vec<f64>| {
            let by_lane: Vec<Vec<f64>> = (0..lanes).map(roots).collect();
            for j in 0..by_lane[0].len() {
                rest.extend(by_lane.iter().map(|lane| T::of(cos_sin(lane[j])[0])));
                rest.extend(by_lane.iter().map(|lane| T::of(cos_sin(lane[j])[1])));
            }
        };
        for &leaf in nodes {
            // Lanes of group k belong to child k of the leaf.
            let parent = |lane: usize| child(leaf, 4, lane / group);
            level(&|lane| roots(parent(lane), 4).collect());
            // Lane q of group k belongs to grandchild (k, q).
            match lanes {
                4 => {}
                8 => {
                    for pair in 0..2 {
                        let node = |lane| child(parent(lane), 4, 2 * pair + lane % 2);
                        level(&|lane| roots(node(lane), 2).collect());
                    }
                }
                _ => level(&|lane| roots(child(parent(lane), 4, lane % 4), 4).collect()),
            }
        }
        let first = PassRoots::new(nodes, 4 * lanes, 4);
        Self {
            first,
            lanes,
            rest: Buffer::from_slice(&rest),
        }
    }

    /// The vectors of constants of `leaves` leaves, from `leaf` on.
    pub fn rest(&self, leaf: usize, leaves: usize) -> &[T] {
        let each = leaf_vectors(self.lanes) * self.lanes;
        &self.rest[leaf * each..(leaf + leaves) * each]
    }
}

/// All constants of a tree with passes of these radices above leaves of 4 vectors.
pub fn tree<T: Sample>(
    block: usize,
    radices: &[usize],
    lanes: usize,
) -> (Vec<PassRoots<T>>, LeafRoots<T>) {
    let mut nodes = vec![0.25];
    let mut passes = Vec::new();
    for &radix in radices {
        passes.push(PassRoots::new(&nodes, block / nodes.len(), radix));
        nodes = nodes
            .iter()
            .flat_map(|&f| (0..radix).map(move |k| child(f, radix, k)))
            .collect();
    }
    (passes, LeafRoots::new(&nodes, lanes))
}
