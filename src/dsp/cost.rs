//! What work costs: measured nanoseconds, and the cheapest layout by them.

use super::error::BuildError;
use super::routing::Routing;
use super::scheme::{Layout, LevelShape, Levels, Pace, Scheme};
use crate::kernel::Cpu;
use crate::signal::Sample;

/// How many of each there are; what is shared between routes is paid once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub inputs: usize,
    pub outputs: usize,
    pub routes: usize,
}

impl Counts {
    pub const MONO: Self = Self {
        inputs: 1,
        outputs: 1,
        routes: 1,
    };

    /// Fails where the counts do not fit the routing.
    pub fn new(inputs: usize, irs: usize, routing: &Routing) -> Result<Self, BuildError> {
        Ok(Self {
            inputs,
            outputs: routing.outputs(inputs, irs),
            routes: routing.routes(inputs, irs)?.len(),
        })
    }
}

/// Costs of f32 on one kind of CPU, in nanoseconds; f64 has half the lanes and costs twice.
/// Measured with `cargo bench --bench kernels` on a Xeon at 2.5 GHz (Cascade Lake).
#[derive(Debug, Clone, Copy)]
struct Table {
    /// One tap of the head, for one frame.
    tap: f64,
    /// Forward and inverse transform together, for one frame, at 64 and for each doubling.
    transforms: (f64, f64),
    /// One product, for one bin, when its operands come from the first, the second, or a more
    /// distant level of cache.
    products: [f64; 3],
}

fn table(lanes_f32: usize) -> Table {
    match lanes_f32 {
        16.. => Table {
            tap: 0.0155,
            transforms: (0.85, 0.10),
            products: [0.067, 0.115, 0.40],
        },
        8.. => Table {
            tap: 0.0225,
            transforms: (1.15, 0.18),
            products: [0.091, 0.125, 0.42],
        },
        _ => Table {
            tap: 0.08,
            transforms: (4.0, 0.6),
            products: [0.30, 0.32, 0.50],
        },
    }
}

/// Fixed cost of a frame that goes in or comes out, and of one more level's share in it.
const FRAME: f64 = 0.5;
const SHARE: f64 = 0.12;

/// Room in the first and in the second level of cache, in bytes.
const CACHES: [usize; 2] = [24 << 10, 900 << 10];

/// Predicted nanoseconds per frame, all channels together.
pub(crate) fn per_frame<T: Sample>(cpu: Cpu, layout: &Layout, counts: Counts) -> f64 {
    let table = table(cpu.lanes::<f32>());
    let width = size_of::<T>() as f64 / 4.0;
    let (ins, outs, routes) = (
        counts.inputs as f64,
        counts.outputs as f64,
        counts.routes as f64,
    );
    let taps = layout.head.saturating_sub(layout.latency) as f64;
    let mut sum = routes * table.tap * width * taps + FRAME * (ins + outs) / 2.0;
    let mut resident = 0;
    for level in &layout.levels {
        // A level's data is touched again after one block; until then that of all smaller ones
        // has passed several times.
        resident +=
            level.partitions * level.block * 2 * size_of::<T>() * (counts.inputs + counts.routes);
        let distance = CACHES.iter().filter(|&&room| resident > room).count();
        let doublings = (level.block as f64 / 64.0).log2();
        let transforms = table.transforms.0 + table.transforms.1 * doublings;
        let beyond = if level.block >= 16_384 { 0.4 } else { 0.0 };
        sum += width * (transforms + beyond) * (ins + outs) / 2.0;
        sum += width * table.products[distance] * routes * level.partitions as f64;
        sum += SHARE * outs;
    }
    sum
}

/// Bytes of spectra, delay lines and buffers, all channels together.
pub(crate) fn bytes<T: Sample>(layout: &Layout, counts: Counts) -> usize {
    let Counts {
        inputs,
        outputs,
        routes,
    } = counts;
    let largest = layout.levels.last().map_or(0, |level| level.block);
    let level = |l: &LevelShape| {
        2 * l.block * l.partitions * (inputs + routes) + l.block * (2 + 4 * outputs)
    };
    let samples = layout.levels.iter().map(level).sum::<usize>()
        + routes * layout.head
        + inputs * (layout.head + 4 * largest);
    samples * size_of::<T>()
}

/// Levels that work at once may be so large; larger ones would be felt in the call they fall in.
const LARGEST_AT_ONCE: usize = 64;
const SMALLEST: usize = 16;
const LARGEST: usize = 65_536;

/// The layout that costs least.
pub(crate) fn cheapest<T: Sample>(
    cpu: Cpu,
    frames: usize,
    latency: usize,
    counts: Counts,
) -> Layout {
    let mut best: Option<(f64, Layout)> = None;
    let mut consider = |layout: Layout| {
        let cost = per_frame::<T>(cpu, &layout, counts);
        if best.as_ref().is_none_or(|(least, _)| cost < *least) {
            best = Some((cost, layout));
        }
    };
    if frames <= 512 {
        consider(super::scheme::Direct.layout(frames, latency));
    }
    let mut block = SMALLEST;
    while block <= LARGEST {
        for pace in [Pace::AtOnce, Pace::Spread] {
            let begin = if pace == Pace::AtOnce {
                block
            } else {
                2 * block
            };
            let bridged = begin <= 1024 || begin <= latency;
            if bridged && (pace == Pace::Spread || block <= LARGEST_AT_ONCE) {
                extend(&mut vec![block], frames, &mut |blocks| {
                    let levels = Levels {
                        blocks: blocks.to_vec(),
                        first: pace,
                    };
                    consider(levels.layout(frames, latency));
                });
            }
        }
        block *= 2;
    }
    best.expect("there is always a candidate").1
}

/// Calls `consider` with every growing sequence of sizes that begins like `blocks`.
fn extend(blocks: &mut Vec<usize>, frames: usize, consider: &mut impl FnMut(&[usize])) {
    consider(blocks);
    let last = *blocks.last().expect("never empty");
    for growth in [2, 4, 8, 16] {
        let next = last * growth;
        if next <= LARGEST && 2 * next < frames && blocks.len() < 6 {
            blocks.push(next);
            extend(blocks, frames, consider);
            blocks.pop();
        }
    }
}
