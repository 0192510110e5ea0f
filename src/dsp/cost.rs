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
/// Fitted to the least times of some seventy runs (mono, true stereo and 16 channels, responses of
/// 0.05 to 10 s, six to eight layouts each) with AVX-512 on an EPYC of the Zen 5 generation; the
/// others in about the ratios that a Cascade Lake Xeon has shown.
#[derive(Debug, Clone, Copy)]
struct Table {
    /// One tap of the head, for one frame.
    tap: f64,
    /// Forward and inverse transform together, for one frame, at 64 and for each doubling.
    transforms: (f64, f64),
    /// One product, for one bin, when its operands come from the first, the second, or a more
    /// distant level of cache, or from memory.
    products: [f64; 4],
}

fn table(lanes_f32: usize) -> Table {
    match lanes_f32 {
        16.. => Table {
            tap: 0.0125,
            transforms: (0.45, 0.20),
            products: [0.055, 0.10, 0.19, 0.38],
        },
        8.. => Table {
            tap: 0.019,
            transforms: (0.70, 0.30),
            products: [0.08, 0.11, 0.20, 0.40],
        },
        _ => Table {
            tap: 0.065,
            transforms: (2.2, 0.9),
            products: [0.25, 0.26, 0.30, 0.50],
        },
    }
}

/// Fixed cost of a frame that goes in or comes out.
const FRAME: f64 = 0.45;
/// What it costs to do work piece by piece, for a frame that goes in or comes out, if any level is
/// spread.
const PIECES: f64 = 0.8;
/// Fixed cost of a level's block, whatever its size, for each input and output.
const BLOCK: f64 = 110.0;

/// What the same products cost beside that where they are made in pairs: half as much is fetched.
const IN_PAIRS: [f64; 4] = [0.9, 0.65, 0.6, 0.6];

/// Room in the levels of cache, in bytes.
const CACHES: [usize; 3] = [32 << 10, 900 << 10, 30 << 20];

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
    let spread = layout.levels.iter().any(|level| level.pace == Pace::Spread);
    let fixed = FRAME + if spread { PIECES } else { 0.0 };
    let mut sum = routes * table.tap * width * taps + fixed * (ins + outs) / 2.0;
    let mut resident = 0;
    for level in &layout.levels {
        // A level's data is touched again after one block; until then that of all smaller ones
        // has passed several times. So what is nearest stays nearest.
        let bytes =
            level.partitions * level.block * 2 * size_of::<T>() * (counts.inputs + counts.routes);
        let mut prices = table.products;
        if level.in_pairs() {
            prices
                .iter_mut()
                .zip(IN_PAIRS)
                .for_each(|(price, share)| *price *= share);
        }
        let product = average(&prices, resident, resident + bytes);
        resident += bytes;
        let doublings = (level.block as f64 / 64.0).log2();
        let transforms = table.transforms.0 + table.transforms.1 * doublings;
        sum += (width * transforms + BLOCK / level.block as f64) * (ins + outs) / 2.0;
        sum += width * product * routes * level.partitions as f64;
    }
    sum
}

/// The average price between two depths of the data, in bytes.
fn average(prices: &[f64; 4], from: usize, to: usize) -> f64 {
    let rooms = CACHES.into_iter().chain([usize::MAX]);
    let mut begin = 0;
    let parts = rooms.zip(prices).map(|(end, price)| {
        let part = to.min(end).saturating_sub(from.max(begin));
        begin = end;
        price * part as f64
    });
    parts.sum::<f64>() / (to - from).max(1) as f64
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
        let aside = if l.in_pairs() { 2 } else { 0 };
        2 * l.block * l.partitions * (inputs + routes) + l.block * (2 + (4 + aside) * outputs)
    };
    let samples = layout.levels.iter().map(level).sum::<usize>()
        + routes * layout.head
        + inputs * (layout.head + 4 * largest);
    samples * size_of::<T>()
}

/// Levels that work at once may be so large; larger ones would be felt in the call they fall in.
const LARGEST_AT_ONCE: usize = 64;
const SMALLEST: usize = 16;
/// Larger ones save nothing that can be measured, and fall less evenly.
const LARGEST: usize = 32_768;

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

/// Smallest block for stored signals: a smaller one is too little work for a thread.
const STORED: usize = 16_384;
/// Partitions of a stored response from which on blocks grow. Its spectra come from distant memory,
/// once for every group of blocks: what counts is how much is answered at once, and half as many
/// blocks of twice the size take half the products. Still larger ones cost more memory than time.
const FEW: usize = 16;

/// The block for stored signals that costs least, up to `largest`.
pub(crate) fn stored_block(cpu: Cpu, frames: usize, largest: usize) -> usize {
    let most = (frames / FEW).next_power_of_two();
    let most = most.clamp(2 * STORED, largest);
    let sizes = std::iter::successors(Some(STORED), |block| Some(2 * block));
    let cost = |&block: &usize| {
        // Several blocks are answered at once, which saves about as much as pairs do.
        let layout = super::scheme::Uniform { block }.layout(frames, block);
        per_frame::<f32>(cpu, &layout, Counts::MONO)
    };
    sizes
        .take_while(|&block| block <= most)
        .min_by(|a, b| cost(a).total_cmp(&cost(b)))
        .expect("there are some sizes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_stored_signals_grow_with_the_response() {
        const LARGEST: usize = 1 << 17;
        let blocks = |frames| stored_block(Cpu::detect(), frames, LARGEST);
        for frames in [
            1, 1000, 16_384, 24_000, 96_000, 480_000, 960_000, 3_000_000, 30_000_000,
        ] {
            let block = blocks(frames);
            assert!(block.is_power_of_two() && (STORED..=LARGEST).contains(&block));
            assert!(
                block == LARGEST || frames.div_ceil(block) <= FEW,
                "{frames}: {block}"
            );
        }
        assert_eq!((blocks(1000), blocks(30_000_000)), (STORED, LARGEST));
    }
}
