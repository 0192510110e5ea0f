//! What work costs: measured nanoseconds, and the cheapest layout by them.

use std::ops::Range;

use super::error::BuildError;
use super::fft::Transform;
use super::routing::Routing;
use super::scheme::{Layout, LevelShape, Levels, Pace, Scheme, Shares};
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

    /// Channels that go in and come out.
    fn ends(&self) -> f64 {
        (self.inputs + self.outputs) as f64 / 2.0
    }

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
/// Fitted to the least times of some hundred runs (one channel and 16, with AVX-512 64 as well, responses of
/// 25 ms to 10 s, up to 200 layouts each, calls of 64 frames) of an EPYC of the Zen 4 generation, with each
/// kind.
#[derive(Debug, Clone, Copy)]
struct Table {
    /// One tap of the head, for one frame.
    tap: f64,
    /// The least square, for one frame of its block, where it needs no level; infinite where none does
    /// without.
    square: f64,
    /// Forward and inverse transform together, for one frame: at least so much; at 64, and for each
    /// doubling.
    transforms: (f64, f64, f64),
    /// What they cost beside that where the spectra that they write and read come from the last level of
    /// cache, among many channels, each of which pushes away what others have nearer; or from memory. 0
    /// where the products' price has that in it.
    distance: [f64; 2],
    /// One product, for one bin, when its operands come from the first, the second, or a more
    /// distant level of cache, or from memory; made in pairs.
    products: [f64; 4],
    /// What they cost beside that where they are not: more has to be fetched.
    alone: [f64; 4],
}

fn table(lanes_f32: usize) -> Table {
    match lanes_f32 {
        16.. => Table {
            tap: 0.0168,
            square: 1.0,
            transforms: (1.19, 0.77, 0.21),
            distance: [1.0, 4.0],
            products: [0.065, 0.085, 0.15, 0.40],
            alone: [1.1, 1.5, 1.8, 2.0],
        },
        8.. => Table {
            tap: 0.0175,
            square: f64::INFINITY,
            transforms: (2.2, 0.25, 0.44),
            distance: [0.0; 2],
            products: [0.125, 0.11, 0.21, 0.55],
            alone: [1.1, 1.2, 1.6, 2.0],
        },
        _ => Table {
            tap: 0.071,
            square: f64::INFINITY,
            transforms: (6.0, 1.25, 1.2),
            distance: [0.0; 2],
            products: [0.30, 0.30, 0.36, 0.53],
            alone: [1.0, 1.0, 1.2, 2.0],
        },
    }
}

impl Table {
    /// Both transforms of a block, for one frame.
    fn transforms(&self, block: usize) -> f64 {
        let (least, at_64, doubling) = self.transforms;
        least.max(at_64 + doubling * (block as f64 / 64.0).log2())
    }
}

/// Frames of a usual call.
pub(crate) const CALL: usize = 64;
/// Fixed cost of a frame that goes in and comes out, where no call is cut into segments.
const FRAME: f64 = 1.48;
/// What it costs to do work piece by piece, for a frame that goes in and comes out: if there is any
/// level that is spread, and for each.
const PIECES: f64 = 0.19;
const LEVEL: f64 = 0.38;
/// Fixed cost of a block at once, whatever its size, for each input and output.
const BLOCK: f64 = 156.0;
/// The same for a square that a level makes.
const SQUARE: f64 = 50.0;

/// Samples that a block at once touches, for one frame: spectra, what was made ahead, input and output.
const TOUCHED: f64 = 12.0;
/// What it waits for them, in nanoseconds for one frame, by where they lie; from the longest calls of 16 and
/// 64 channels.
const WAIT: [f64; 4] = [0.0, 0.0, 0.48, 1.9];

/// Room in the levels of cache, in bytes; of the last, which others use as well, what is ours.
const CACHES: [usize; 3] = [32 << 10, 600 << 10, 12 << 20];

/// Predicted nanoseconds per frame, all channels together.
pub(crate) fn per_frame<T: Sample>(cpu: Cpu, layout: &Layout, counts: Counts) -> f64 {
    let table = table(cpu.lanes::<f32>());
    let width = size_of::<T>() as f64 / 4.0;
    let (ends, routes) = (counts.ends(), counts.routes as f64);
    let spread = layout.levels.iter().any(|level| level.pace == Pace::Spread);
    let segments = (CALL as f64 / layout.granule() as f64).max(1.0);
    let fixed = FRAME * segments + if spread { PIECES } else { 0.0 };
    let mut sum = head::<T>(cpu, layout, counts) + fixed * ends;
    let prices = product_prices::<T>(cpu, &layout.levels, counts);
    let depths = depths::<T>(&layout.levels, counts);
    for ((level, price), depth) in layout.levels.iter().zip(prices).zip(depths) {
        let block = BLOCK / level.block as f64;
        let (pieces, others) = match level.pace {
            Pace::AtOnce => (block, 0.0),
            Pace::Spread => (LEVEL.max(block), 1.0 - 1.0 / ends.max(1.0)),
        };
        let [last, memory] = table.distance;
        let distance = average(&[0.0, 0.0, last * others, memory], depth);
        let transforms = table.transforms(level.block) + distance;
        sum += (width * transforms + pieces) * ends;
        sum += width * price * routes * level.mean_reach();
    }
    sum
}

/// The share of the head and of the squares in its place.
fn head<T: Sample>(cpu: Cpu, layout: &Layout, counts: Counts) -> f64 {
    let width = size_of::<T>() as f64 / 4.0;
    let tap = counts.routes as f64 * table(cpu.lanes::<f32>()).tap * width;
    // Of each two parts one has a square.
    let squares = layout.squares();
    let squares = squares.map(|part| square::<T>(cpu, part, counts) / 2.0);
    tap * layout.mean_head() + squares.sum::<f64>()
}

/// What squares of so many frames cost for one of these.
fn square<T: Sample>(cpu: Cpu, part: usize, counts: Counts) -> f64 {
    let table = table(cpu.lanes::<f32>());
    let width = size_of::<T>() as f64 / 4.0;
    let (ends, routes) = (counts.ends(), counts.routes as f64);
    if Transform::<T>::square_block(cpu) == Some(part) {
        return routes * table.square * width;
    }
    let [price, ..] = table.products;
    let transforms = width * table.transforms(part);
    (transforms + SQUARE / part as f64) * ends + width * price * table.alone[0] * routes
}

/// What one product of f32 costs for one bin, in nanoseconds, for each level.
pub(crate) fn product_prices<T: Sample>(
    cpu: Cpu,
    levels: &[LevelShape],
    counts: Counts,
) -> Vec<f64> {
    let table = table(cpu.lanes::<f32>());
    let price = |(level, depth): (&LevelShape, Range<usize>)| {
        let mut prices = table.products;
        if !level.in_pairs::<T>(cpu) {
            let alone = prices.iter_mut().zip(table.alone);
            alone.for_each(|(price, more)| *price *= more);
        }
        average(&prices, depth)
    };
    let depths = depths::<T>(levels, counts);
    levels.iter().zip(depths).map(price).collect()
}

/// Where each level's spectra lie, in bytes from the nearest on. They are touched again after one block;
/// until then those of all smaller levels have passed several times. So what is nearest stays nearest.
fn depths<T: Sample>(
    levels: &[LevelShape],
    counts: Counts,
) -> impl Iterator<Item = Range<usize>> + '_ {
    let channels = counts.inputs + counts.routes;
    let bytes =
        move |level: &LevelShape| level.partitions * level.block * 2 * size_of::<T>() * channels;
    levels.iter().map(move |level| {
        let smaller = levels.iter().filter(|other| other.block < level.block);
        let begin = smaller.map(bytes).sum();
        begin..begin + bytes(level)
    })
}

/// Which levels' spectra come from memory, at least in part.
pub(crate) fn far<T: Sample>(levels: &[LevelShape], counts: Counts) -> Vec<bool> {
    let [.., ours] = CACHES;
    let depths = depths::<T>(levels, counts);
    depths.map(|depth| depth.end > ours).collect()
}

/// How many times the work of the mean call of 64 frames the fullest has, at least, and how many times
/// its time: that in which the smallest level's block is full, for its transforms cannot be spread, nor can
/// the head, which is largest then.
/// `per_frame` is what a frame costs on average.
fn unevenness<T: Sample>(cpu: Cpu, layout: &Layout, counts: Counts, per_frame: f64) -> [f64; 2] {
    let Some(level) = layout.levels.first() else {
        return [1.0; 2];
    };
    if level.pace == Pace::Spread || level.block <= CALL {
        return [1.0; 2];
    }
    let table = table(cpu.lanes::<f32>());
    let width = size_of::<T>() as f64 / 4.0;
    let (ends, routes, call) = (counts.ends(), counts.routes as f64, CALL as f64);
    let taps = match layout.head {
        0 => 0.0,
        _ => layout.head_reach(level.block - CALL / 2) as f64,
    };
    let head = routes * table.tap * width * taps * call;
    let block = level.block as f64;
    let transforms = width * table.transforms(level.block) * block;
    let work = head + (transforms + BLOCK + FRAME * call) * ends;
    // What the second level of cache does not keep from block to block lies among the spectra.
    let [_, near, _] = CACHES;
    let touched = (TOUCHED * block * ends) as usize * size_of::<T>();
    let all = depths::<T>(&layout.levels, counts).last();
    let wait = match touched > near {
        true => width * block * ends * average(&WAIT, 0..all.map_or(0, |all| all.end)),
        false => 0.0,
    };
    [work, work + wait].map(|fullest| fullest / (per_frame * call))
}

/// The average price of the data at these depths, in bytes.
fn average(prices: &[f64; 4], depth: Range<usize>) -> f64 {
    let rooms = CACHES.into_iter().chain([usize::MAX]);
    let mut begin = 0;
    let parts = rooms.zip(prices).map(|(end, price)| {
        let part = depth.end.min(end).saturating_sub(depth.start.max(begin));
        begin = end;
        price * part as f64
    });
    parts.sum::<f64>() / depth.len().max(1) as f64
}

/// Outputs of a level that take turns, at most, and so are in the making at one time.
pub(crate) const DESKS: usize = 4;

/// Bytes of spectra, delay lines and buffers, all channels together.
pub(crate) fn bytes<T: Sample>(cpu: Cpu, layout: &Layout, counts: Counts) -> usize {
    let Counts {
        inputs,
        outputs,
        routes,
    } = counts;
    let largest = layout.levels.last().map_or(0, |level| level.block);
    let level = |l: &LevelShape| {
        let aside = if l.in_pairs::<T>(cpu) { 2 } else { 0 };
        // Those that hear more than one input hear the same ones, as a rule.
        let desks = if routes > outputs {
            outputs.min(DESKS)
        } else {
            1
        };
        2 * l.block * l.partitions * (inputs + routes)
            + l.block * (2 + 2 * desks + (2 + aside) * outputs)
    };
    let square = |part: usize| level(&LevelShape::square(part));
    let samples = layout.levels.iter().map(level).sum::<usize>()
        + layout.squares().map(square).sum::<usize>()
        + routes * layout.head
        + inputs * (layout.head + 4 * largest);
    samples * size_of::<T>()
}

/// Levels that work at once may be so large.
const LARGEST_AT_ONCE: usize = 512;
/// And they may be felt so much in the call they fall in, by its work and by its time.
const UNEVENNESS: [f64; 2] = [1.4, 1.7];
const SMALLEST: usize = 16;
/// Larger ones save nothing that can be measured, and fall less evenly.
const LARGEST: usize = 32_768;

/// The layout that costs least.
pub(crate) fn cheapest<T: Sample>(
    cpu: Cpu,
    frames: usize,
    latency: usize,
    counts: Counts,
    shares: Shares,
) -> Layout {
    let mut best: Option<(f64, Layout)> = None;
    let mut consider = |layout: Layout| {
        let layout = with_squares::<T>(cpu, layout, counts);
        let cost = per_frame::<T>(cpu, &layout, counts);
        let even = || {
            let fullest = unevenness::<T>(cpu, &layout, counts, cost);
            fullest.iter().zip(UNEVENNESS).all(|(&is, most)| is <= most)
        };
        if best.as_ref().is_none_or(|(least, _)| cost < *least) && even() {
            best = Some((cost, layout));
        }
    };
    if frames <= 512 {
        consider(super::scheme::Direct.layout(frames, latency, shares));
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
                    consider(levels.layout(frames, latency, shares));
                });
            }
        }
        block *= 2;
    }
    best.expect("there is always a candidate").1
}

/// Least squares that are worth a thought, where none does without a level.
const SQUARES: [usize; 2] = [128, 256];

/// The same layout with squares, or without, as costs less.
pub(crate) fn with_squares<T: Sample>(cpu: Cpu, layout: Layout, counts: Counts) -> Layout {
    let alone = Transform::<T>::square_block(cpu);
    let least = alone
        .into_iter()
        .chain(SQUARES.into_iter().filter(|_| alone.is_none()));
    // All else stays as it is.
    let cost = |least| head::<T>(cpu, &layout.clone().with_squares(least), counts);
    let least = std::iter::once(None).chain(least.map(Some));
    let best = least.min_by(|&a, &b| cost(a).total_cmp(&cost(b)));
    layout.with_squares(best.flatten())
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
        let layout = super::scheme::Uniform { block }.layout(frames, block, Shares::ByBlock);
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

    /// So many channels, each with a response of its own.
    fn own(channels: usize) -> Counts {
        Counts {
            inputs: channels,
            outputs: channels,
            routes: channels,
        }
    }

    #[test]
    fn what_many_channels_touch_at_once_is_waited_for() {
        let fullest = |cpu: Cpu, channels: usize, blocks: &[usize]| {
            let counts = own(channels);
            let levels = Levels {
                blocks: blocks.to_vec(),
                first: Pace::AtOnce,
            };
            let layout = levels.layout(24_000, 0, Shares::ByBlock);
            let cost = per_frame::<f32>(cpu, &layout, counts);
            unevenness::<f32>(cpu, &layout, counts, cost)
        };
        for cpu in Cpu::available() {
            for channels in [1, 16] {
                let [work, time] = fullest(cpu, channels, &[512, 4096]);
                assert_eq!(work, time, "{cpu}, {channels}");
            }
            let [work, time] = fullest(cpu, 64, &[512, 4096]);
            assert!(time > work, "{cpu}");
            // Half of it in a block half as large.
            let [less_work, less_time] = fullest(cpu, 64, &[256, 4096]);
            assert!(less_time - less_work < 0.6 * (time - work), "{cpu}");
        }
    }

    #[test]
    fn what_caches_hold_is_not_far() {
        let far = |frames: usize, channels: usize| {
            let counts = own(channels);
            let layout = cheapest::<f32>(Cpu::detect(), frames, 0, counts, Shares::ByBlock);
            far::<f32>(&layout.levels, counts)
        };
        assert!(!far(96_000, 1).contains(&true));
        let many = far(96_000, 16);
        assert_eq!((many.first(), many.last()), (Some(&false), Some(&true)));
    }

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
