//! Products for two blocks at once, so that what is fetched from memory serves both.
//!
//! When a level sums up the bins of block k, X(k-p) H(p) over all partitions p, it knows all but
//! one term of block k + 1 as well: X(k-p) H(p+1). Both sums run over the same spectra. So a tile of
//! bins takes turns: in one block it leads, and makes its sum for the block and what is known of the
//! next, which is put aside; in the next block it follows, and adds the newest term to that. A run of
//! neighbouring tiles leads in the one block, the run beside it in the other, so that both cost the
//! same; or the halves of each tile take turns, where two tiles are not to be had, or too much work in
//! one go or for the registers.

// Loops over registers, by index: see `fft/pass.rs`.
#![allow(clippy::needless_range_loop)]

use std::ops::Range;

use super::delay_line::DelayLine;
use super::fft::butterfly::Complex;
use super::product::{
    Partitions, Pasts, Path, Run, TILE, complex, operands, slots, tile_of, with_its_room,
};
use crate::kernel::{Buffer, Lane, Rows, RowsMut, Scalar};

/// What takes turns in leading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turns {
    /// So many neighbouring tiles, a power of two, then as many others.
    Tiles(usize),
    /// The halves of each tile.
    Halves,
}

/// A run that meets the partitions from `part` on in this block, those from `part + 1` on in the
/// next, or both.
#[derive(Clone, Copy, Debug)]
struct Twin {
    run: Run,
    now: bool,
    next: bool,
}

/// What one output keeps from block to block at one level.
#[derive(Debug)]
pub(crate) struct Pairs<T> {
    /// The partition that the newest block of the past meets.
    first: usize,
    leading: Vec<Twin>,
    following: Vec<Run>,
    /// The sums put aside, tile by tile.
    bins: Buffer<T>,
    /// Whether there is anything in what was put aside for this block, and for the next.
    resumes: bool,
    leaves: bool,
    /// Whether these responses made the block before as well.
    goes_on: bool,
}

/// With the same room: a copy does not allocate while running, either.
impl<T: Clone> Clone for Pairs<T> {
    fn clone(&self) -> Self {
        Self {
            leading: with_its_room(&self.leading),
            following: with_its_room(&self.following),
            bins: self.bins.clone(),
            ..*self
        }
    }
}

impl<T: Scalar> Pairs<T> {
    /// For blocks of `block` bins, so many paths, and so many partitions of each, of which `first` is
    /// the one that the newest block of the past meets.
    pub fn new(block: usize, paths: usize, partitions: usize, first: usize) -> Self {
        Self {
            first,
            leading: Vec::with_capacity(paths * partitions),
            following: Vec::with_capacity(paths * partitions),
            bins: Buffer::zeros(2 * block),
            resumes: false,
            leaves: false,
            goes_on: true,
        }
    }

    /// Forgets everything: all past is silence.
    pub fn reset(&mut self) {
        (self.leaves, self.goes_on) = (false, true);
    }

    /// What was put aside does not belong to the responses of the next block.
    pub fn begin_anew(&mut self) {
        (self.leaves, self.goes_on) = (false, false);
    }

    /// Lists the products of a block, which reaches to so many partitions, where the next one will
    /// reach to so many; returns whether there are any.
    pub fn collect(
        &mut self,
        paths: &[Path<T>],
        lines: &[DelayLine<T>],
        reach: [usize; 2],
    ) -> bool {
        self.leading.clear();
        self.following.clear();
        self.resumes = std::mem::take(&mut self.leaves);
        // Without what was put aside, all terms are new.
        let first = self.first;
        let new = match std::mem::replace(&mut self.goes_on, true) {
            true => first..first + 1,
            false => first..reach[0],
        };
        for (index, path) in paths.iter().enumerate() {
            let (line, response) = (&lines[path.input], &*path.partitions);
            if !line.all_silent() {
                self.lead(index, line, response, reach);
                let (new, following) = (new.clone(), &mut self.following);
                Run::list(index, line, response, first, new, following);
            }
        }
        self.leaves = self.leading.iter().any(|twin| twin.next);
        self.resumes || !self.leading.is_empty() || !self.following.is_empty()
    }

    fn lead(
        &mut self,
        path: usize,
        line: &DelayLine<T>,
        response: &Partitions<T>,
        reach: [usize; 2],
    ) {
        let all = line.all_sound() && response.all_sound;
        // Partition `part` meets this block's past in the one, `part + 1` in the other.
        let [now, next] = reach.map(|reach| reach.min(response.silent.len()));
        let next = next.saturating_sub(1);
        let sounds = |part: usize| all || !response.silent[part];
        let kind = |slot: usize, part: usize| match all || !line.is_silent(slot) {
            true => (part < now && sounds(part), part < next && sounds(part + 1)),
            false => (false, false),
        };
        let (both, parts) = (now.min(next), now.max(next));
        let mut part = self.first;
        while part < parts {
            // The ring breaks where its slots do.
            let slot = line.slot(part - self.first);
            let most = (line.spectra().slots() - slot).min(parts - part);
            let (now, next) = kind(slot, part);
            let count = match all {
                true if part < both => most.min(both - part),
                true => most,
                false => (1..most)
                    .find(|k| kind(slot + k, part + k) != (now, next))
                    .unwrap_or(most),
            };
            let run = Run {
                path,
                slot,
                part,
                count,
            };
            let twin = Twin { run, now, next };
            self.leading.extend((now || next).then_some(twin));
            part += count;
        }
    }

    /// How many products each bin takes, on average of what leads and what follows.
    pub fn products(&self) -> usize {
        let leading = self.leading.iter().map(|twin| {
            let sums = usize::from(twin.now) + usize::from(twin.next);
            sums * twin.run.count
        });
        let following = self.following.iter().map(|run| run.count);
        (leading.sum::<usize>() + following.sum::<usize>()) / 2
    }

    /// The bins of block number `block` of the grid, as it was collected; what comes from `far` is asked
    /// for a tile ahead.
    pub fn bins<'a>(
        &'a mut self,
        block: usize,
        turns: Turns,
        far: bool,
        paths: &'a [Path<T>],
        pasts: Pasts<'a, T>,
    ) -> Bins<'a, T> {
        Bins {
            pairs: self,
            block,
            order: Order {
                turns,
                batch: 0..0,
                back: false,
            },
            far,
            paths,
            pasts,
        }
    }
}

/// A spectrum in the making, and what is known of the next.
pub(crate) struct Bins<'a, T> {
    pairs: &'a mut Pairs<T>,
    block: usize,
    order: Order,
    far: bool,
    paths: &'a [Path<T>],
    pasts: Pasts<'a, T>,
}

/// In what order tiles are made: those of a batch from front to back; then it is the turn of as many
/// before them, on the way back, or behind.
#[derive(Debug)]
struct Order {
    turns: Turns,
    batch: Range<usize>,
    back: bool,
}

impl Order {
    /// How many tiles behind this one, as counts wrap, is the next that leads, or follows, as it does.
    #[inline(always)]
    fn alike(&self, tile: usize) -> usize {
        match self.turns {
            Turns::Tiles(run) if (tile + 1).is_multiple_of(run) => {
                self.until(tile, tile + 1 + run, tile & run)
            }
            Turns::Tiles(_) => 1,
            Turns::Halves => self.until(tile, tile + 1, 0),
        }
    }

    /// The same for a tile of the run that follows between this one, in a run that leads, and the next
    /// such run.
    #[inline(always)]
    fn follower(&self, tile: usize, run: usize) -> usize {
        self.until(tile, tile + run, tile & (run - 1))
    }

    /// The same for tile `next`, if it belongs to this batch, or else for that of the next batch which
    /// lies as far `within` it.
    #[inline(always)]
    fn until(&self, tile: usize, next: usize, within: usize) -> usize {
        let next = match self.back && next >= self.batch.end {
            true => (self.batch.start + within).wrapping_sub(self.batch.len()),
            false => next,
        };
        next.wrapping_sub(tile)
    }
}

impl<T: Scalar> Bins<'_, T> {
    /// Says which tiles are made now, from front to back, and whether it is then the turn of as many
    /// before them, or behind: what is far away is asked for in that order.
    #[inline(always)]
    pub fn begin(&mut self, batch: Range<usize>, back: bool) {
        (self.order.batch, self.order.back) = (batch, back);
    }

    /// The sum's tile `tile`.
    #[inline(always)]
    pub fn tile<L: Lane<T = T>>(&mut self, tile: usize) -> [Complex<L>; TILE] {
        let even = self.block & 1 == 0;
        let [ab, cd] = match self.order.turns {
            Turns::Tiles(run) => [even == (tile & run == 0); 2],
            Turns::Halves => [even, !even],
        };
        match self.far {
            true => self.tile_by::<L, true>(tile, [ab, cd]),
            false => self.tile_by::<L, false>(tile, [ab, cd]),
        }
    }

    /// The same, by whether its halves lead.
    #[inline(always)]
    fn tile_by<L: Lane<T = T>, const FAR: bool>(
        &mut self,
        tile: usize,
        [ab, cd]: [bool; 2],
    ) -> [Complex<L>; TILE] {
        if L::REGISTERS >= 32 && ab == cd {
            return match ab {
                true => self.lead::<L, TILE, FAR>(tile, 0),
                false => self.follow::<L, TILE, FAR>(tile, 0),
            };
        }
        // Both sums and the operands of half a tile stay in 16 registers.
        let mut half = |leads: bool, first: usize| -> [Complex<L>; TILE / 2] {
            match leads {
                true => self.lead::<L, { TILE / 2 }, FAR>(tile, first),
                false => self.follow::<L, { TILE / 2 }, FAR>(tile, first),
            }
        };
        // What leads comes first: it leaves no register for the results of the other half.
        if ab {
            let [a, b] = half(ab, 0);
            let [c, d] = half(cd, TILE / 2);
            [a, b, c, d]
        } else {
            let [c, d] = half(cd, TILE / 2);
            let [a, b] = half(ab, 0);
            [a, b, c, d]
        }
    }

    /// How many samples are so many tiles of what a run multiplies: of the past, and of the response.
    #[inline(always)]
    fn beyond<L: Lane<T = T>>(&self, run: Run, tiles: usize) -> [usize; 2] {
        let slots = slots(self.paths, self.pasts, run);
        slots.map(|slots| (slots * 2 * TILE * L::N).wrapping_mul(tiles))
    }

    /// Asks for what a tile needs that follows. Those are done too soon to ask for one another: a tile that
    /// leads does it for one of them.
    #[inline(always)]
    fn fetch_follower<L: Lane<T = T>>(&self, tile: usize, run: usize) {
        let tiles = self.order.follower(tile, run);
        if self.pairs.resumes {
            let aside = tile_of::<L>(&self.pairs.bins, tile);
            let beyond = (2 * TILE * L::N).wrapping_mul(tiles);
            fetch::<L, TILE>(&aside, 0, 0, beyond);
        }
        for &run in &self.pairs.following {
            let (x, h) = operands::<L>(self.paths, self.pasts, run, run.count, tile);
            let [past, response] = self.beyond::<L>(run, tiles);
            for k in 0..run.count {
                fetch::<L, TILE>(&x, k, 0, past);
                fetch::<L, TILE>(&h, k, 0, response);
            }
        }
    }

    /// `V` vectors of a tile from `first` on, for this block and the next.
    #[inline(always)]
    fn lead<L: Lane<T = T>, const V: usize, const FAR: bool>(
        &mut self,
        tile: usize,
        first: usize,
    ) -> [Complex<L>; V] {
        let mut now = [Complex::<L>::zero(); V];
        let mut next = now;
        let alike = self.order.alike(tile);
        if FAR
            && first == 0
            && let Turns::Tiles(run) = self.order.turns
        {
            self.fetch_follower::<L>(tile, run);
        }
        for &twin in &self.pairs.leading {
            let run = twin.run;
            let parts = run.count + usize::from(twin.next);
            let (x, h) = operands::<L>(self.paths, self.pasts, run, parts, tile);
            let [past, response] = self.beyond::<L>(run, alike);
            if FAR {
                fetch::<L, V>(&h, 0, first, response);
            }
            if twin.now && twin.next {
                let mut here = [Complex::<L>::zero(); V];
                for v in 0..V {
                    here[v] = complex(&h, 0, first + v);
                }
                for k in 0..run.count {
                    if FAR {
                        fetch::<L, V>(&x, k, first, past);
                        fetch::<L, V>(&h, k + 1, first, response);
                    }
                    for v in 0..V {
                        let x = complex(&x, k, first + v);
                        let there = complex(&h, k + 1, first + v);
                        now[v] = x.mul_add(here[v], now[v]);
                        next[v] = x.mul_add(there, next[v]);
                        here[v] = there;
                    }
                }
            } else if twin.now {
                now = add(now, run.count, &x, &h, 0, first);
            } else {
                next = add(next, run.count, &x, &h, 1, first);
            }
        }
        if self.pairs.leaves {
            let size = 2 * TILE * L::N;
            let mut aside = RowsMut::<L>::new(&mut self.pairs.bins, tile * size, size, 1, 2 * TILE);
            let beyond = size.wrapping_mul(alike);
            for v in 0..V {
                if FAR {
                    aside.fetch(0, first + v, beyond);
                    aside.fetch(0, TILE + first + v, beyond);
                }
                aside.set(0, first + v, next[v].re);
                aside.set(0, TILE + first + v, next[v].im);
            }
        }
        now
    }

    /// `V` vectors of a tile from `first` on, which led in the block before.
    #[inline(always)]
    fn follow<L: Lane<T = T>, const V: usize, const FAR: bool>(
        &self,
        tile: usize,
        first: usize,
    ) -> [Complex<L>; V] {
        let mut sum = [Complex::<L>::zero(); V];
        if self.pairs.resumes {
            let aside = tile_of::<L>(&self.pairs.bins, tile);
            for v in 0..V {
                sum[v] = complex(&aside, 0, first + v);
            }
        }
        for &run in &self.pairs.following {
            let (x, h) = operands::<L>(self.paths, self.pasts, run, run.count, tile);
            if FAR && self.order.turns == Turns::Halves {
                let [past, response] = self.beyond::<L>(run, self.order.alike(tile));
                fetch::<L, V>(&x, 0, first, past);
                fetch::<L, V>(&h, 0, first, response);
            }
            sum = add(sum, run.count, &x, &h, 0, first);
        }
        sum
    }
}

/// Asks for what lies `beyond` samples behind the vectors of a tile's row from `first` on.
#[inline(always)]
fn fetch<L: Lane, const V: usize>(rows: &Rows<'_, L>, row: usize, first: usize, beyond: usize) {
    for v in 0..V {
        rows.fetch(row, first + v, beyond);
        rows.fetch(row, TILE + first + v, beyond);
    }
}

/// Adds the products of `count` slots with as many partitions from row `part` on, in the vectors from
/// `first` on.
#[inline(always)]
fn add<L: Lane, const V: usize>(
    mut sum: [Complex<L>; V],
    count: usize,
    x: &Rows<'_, L>,
    h: &Rows<'_, L>,
    part: usize,
    first: usize,
) -> [Complex<L>; V] {
    for k in 0..count {
        for v in 0..V {
            let (x, h) = (complex(x, k, first + v), complex(h, part + k, first + v));
            sum[v] = x.mul_add(h, sum[v]);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::dsp::scheme::{LevelShape, Pace};
    use crate::dsp::spectra::Spectra;
    use crate::kernel::{self, Body, Cpu};

    /// All tiles, one after the other.
    struct All<'a, 'b> {
        bins: Bins<'a, f64>,
        out: &'b mut [f64],
    }

    impl Body<f64> for All<'_, '_> {
        #[inline(always)]
        fn run<L: Lane<T = f64>>(mut self) {
            let size = 2 * TILE * L::N;
            let tiles = self.out.len() / size;
            self.bins.begin(0..tiles, true);
            for tile in 0..tiles {
                let sum = self.bins.tile::<L>(tile);
                for v in 0..TILE {
                    let at = tile * size + v * L::N;
                    kernel::store(&mut self.out[at..], sum[v].re);
                    kernel::store(&mut self.out[at + TILE * L::N..], sum[v].im);
                }
            }
        }
    }

    struct Noise(u32);

    impl Noise {
        fn next(&mut self) -> f64 {
            self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(self.0 >> 8) / f64::from(1 << 23) - 1.0
        }

        fn fill(&mut self, samples: &mut [f64]) {
            samples.iter_mut().for_each(|sample| *sample = self.next());
        }
    }

    const BLOCK: usize = 64;
    const SLOTS: usize = 7;

    fn response(noise: &mut Noise, silent: &[bool]) -> Arc<Partitions<f64>> {
        let mut spectra = Spectra::new(BLOCK, silent.len());
        noise.fill(spectra.samples_mut());
        Arc::new(Partitions {
            spectra,
            silent: silent.to_vec(),
            all_sound: !silent.contains(&true),
        })
    }

    /// A slot's share of tile-major samples.
    fn part(spectra: &Spectra<f64>, slot: usize, size: usize) -> Vec<f64> {
        let tiles = spectra.samples().chunks(size).skip(slot);
        tiles.step_by(spectra.slots()).flatten().copied().collect()
    }

    /// The sums of products of each block, by definition, and as the pairs have them.
    fn compare(cpu: Cpu, silent: &[bool], quiet: &[usize], anew: &[usize]) {
        for turns in [Turns::Halves, Turns::Tiles(1), Turns::Tiles(2)] {
            for (first, ratio) in [(0, None), (1, None), (0, Some(2)), (1, Some(4))] {
                for far in [false, true] {
                    compare_by((turns, far), first, ratio, cpu, silent, quiet, anew);
                }
            }
        }
    }

    fn compare_by(
        (turns, far): (Turns, bool),
        first: usize,
        ratio: Option<usize>,
        cpu: Cpu,
        silent: &[bool],
        quiet: &[usize],
        anew: &[usize],
    ) {
        let shape = LevelShape {
            block: BLOCK,
            pace: Pace::Spread,
            partitions: SLOTS,
            taps: (0, usize::MAX),
            ratio,
        };
        let (size, tile) = (2 * TILE * cpu.lanes::<f64>(), TILE * cpu.lanes::<f64>());
        let mut noise = Noise(1);
        let mut paths: Vec<Path<f64>> = [0, 1, 0]
            .map(|input| Path {
                input,
                partitions: response(&mut noise, silent),
            })
            .into();
        let mut lines = vec![DelayLine::<f64>::new(BLOCK, SLOTS); 2];
        let mut pairs = Pairs::new(BLOCK, paths.len(), SLOTS, first);
        for block in 0..40 {
            for (input, line) in lines.iter_mut().enumerate() {
                line.turn(quiet.contains(&(block + 2 * input)));
                let newest = line.newest();
                let samples = line.spectra_mut().samples_mut();
                for tile in samples.chunks_mut(SLOTS * size) {
                    noise.fill(&mut tile[newest * size..][..size]);
                }
            }
            if anew.contains(&block) {
                paths[1].partitions = response(&mut noise, silent);
                pairs.begin_anew();
            }
            let mut sum = vec![0.0; 2 * BLOCK];
            for path in &paths {
                let line = &lines[path.input];
                let parts = silent.iter().take(shape.reach(block)).enumerate();
                for (k, &none) in parts.skip(first) {
                    if none || line.is_silent(line.slot(k - first)) {
                        continue;
                    }
                    let x = part(line.spectra(), line.slot(k - first), size);
                    let h = part(&path.partitions.spectra, k, size);
                    let each = sum.chunks_mut(size).zip(x.chunks(size)).zip(h.chunks(size));
                    for ((sum, x), h) in each {
                        for n in 0..tile {
                            sum[n] += x[n] * h[n] - x[tile + n] * h[tile + n];
                            sum[tile + n] += x[n] * h[tile + n] + x[tile + n] * h[n];
                        }
                    }
                }
            }
            let mut out = vec![0.0; 2 * BLOCK];
            let reach = [shape.reach(block), shape.reach(block + 1)];
            if pairs.collect(&paths, &lines, reach) {
                let bins = pairs.bins(block, turns, far, &paths, Pasts::Lines(&lines));
                let out = &mut out[..];
                kernel::run(cpu, All { bins, out });
            }
            for (n, (a, b)) in out.iter().zip(&sum).enumerate() {
                assert!((a - b).abs() < 1e-12, "{cpu}, block {block}, {n}: {a}, {b}");
            }
        }
    }

    #[test]
    fn what_is_asked_for_is_what_comes_next() {
        for (run, pieces) in [(1, 1), (2, 1), (8, 1), (1, 3), (4, 2)] {
            for (back, even) in [(false, false), (false, true), (true, false), (true, true)] {
                let len = 2 * run * pieces;
                let mut starts: Vec<usize> = (1..5).map(|batch| batch * len).collect();
                if back {
                    starts.reverse();
                }
                let (mut next, mut asked) = (None, Vec::new());
                for start in starts {
                    let order = Order {
                        turns: Turns::Tiles(run),
                        batch: start..start + len,
                        back,
                    };
                    for tile in order.batch.clone() {
                        if even == (tile & run == 0) {
                            assert!(next.is_none_or(|next| next == tile), "{order:?}, {tile}");
                            next = Some(tile.wrapping_add(order.alike(tile)));
                            asked.push(tile.wrapping_add(order.follower(tile, run)));
                        } else if next.is_some() {
                            assert!(asked.contains(&tile), "{order:?}, {tile}");
                            asked.retain(|&asked| asked != tile);
                        }
                    }
                }
                assert!(asked.len() <= run, "some were passed over: {asked:?}");
            }
        }
        let halves = |tile: usize| {
            let order = Order {
                turns: Turns::Halves,
                batch: 8..16,
                back: true,
            };
            tile.wrapping_add(order.alike(tile))
        };
        assert_eq!([8, 14, 15].map(halves), [9, 15, 0]);
    }

    #[test]
    fn two_blocks_at_once_are_the_sums_of_each() {
        for cpu in Cpu::available() {
            compare(cpu, &[false; SLOTS], &[], &[]);
            compare(cpu, &[false; 1], &[], &[]);
            compare(cpu, &[false; 4], &[], &[]);
        }
    }

    #[test]
    fn silent_blocks_and_partitions_are_left_out_of_both() {
        let (some, most) = (
            [false, true, false, false, true, true, false],
            [true, true, true, false, true, true, true],
        );
        let quiet: Vec<usize> = (5..9).chain([12, 14]).chain(18..30).collect();
        for cpu in Cpu::available() {
            compare(cpu, &[false; SLOTS], &quiet, &[]);
            compare(cpu, &some, &quiet, &[]);
            compare(cpu, &most, &quiet, &[]);
        }
    }

    #[test]
    fn other_responses_begin_without_what_was_put_aside() {
        for cpu in Cpu::available() {
            compare(cpu, &[false; SLOTS], &[], &[0, 9, 10, 11, 20]);
            compare(
                cpu,
                &[false, true, false, false, false],
                &[8, 9, 10],
                &[10, 21],
            );
        }
    }
}
