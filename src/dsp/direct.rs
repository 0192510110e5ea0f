//! Time-domain FIR: the zero-latency head.

// Loops over registers, by index: see `fft/pass.rs`.
#![allow(clippy::needless_range_loop)]

use std::ops::Range;

use crate::kernel::{self, Body, Cpu, Lane, Rows};
use crate::signal::Sample;

/// Outputs are made in groups of so many, on the grid of positions.
pub(crate) const GROUP: usize = 16;
/// The frames before a group go by turns to so many sums, or to half as many, so that none has to
/// wait for the one before.
const CHAINS: usize = 4;

/// The taps in the order of [`fir`]: between zeros for what lies beyond the first and the last.
pub(crate) fn arrange<T: Sample>(taps: &[T]) -> Vec<T> {
    if taps.is_empty() {
        return Vec::new();
    }
    let before = (taps.len() - 1).next_multiple_of(CHAINS);
    let mut arranged = vec![T::zero(); before + 2 * GROUP - 1];
    arranged[GROUP - 1..][..taps.len()].copy_from_slice(taps);
    arranged
}

/// Frames before a group that its outputs answer to.
pub(crate) fn lookback<T>(arranged: &[T]) -> usize {
    (arranged.len() + 1).saturating_sub(2 * GROUP)
}

/// A group of outputs in the making: what the frames so far are to each of them.
#[derive(Debug, Clone)]
#[repr(align(64))]
pub(crate) struct Begun<T>([T; GROUP]);

impl<T: Sample> Begun<T> {
    /// After silence.
    pub fn new() -> Self {
        Self([T::zero(); GROUP])
    }
}

/// What outputs from position `at` on answer to: the frames of the group that it falls in and up to
/// `reach` before it (all of those for the groups behind it, too).
pub(crate) struct Past<'a, T> {
    /// The [`lookback`] before the group, then the group's frames up to the last output's.
    pub frames: &'a [T],
    pub at: usize,
    pub reach: usize,
    /// Whether those of the group up to this position have been answered to already.
    pub begun: bool,
}

/// out[t] = share[t] + sum over j of taps[j] x[at + t - j], x as `past` has it; without a share it is
/// added to what `out` was. `begun` is what the last call left, if that went up to `at`.
///
/// The outputs of a group are the lanes of vectors, and each frame goes to all of them at once, with
/// the taps shifted by its place: first those before the group, the latest first, then those of the
/// group as they come. So every output is the same sum in the same order, wherever it falls in the
/// call, and a single frame costs one product. Only a zero that products underflow to has this sign or
/// that, by what else the lanes go through; it is not seen in a sum with a share, whose zeros are
/// positive.
pub fn fir<T: Sample>(
    cpu: Cpu,
    taps: &[T],
    past: Past<'_, T>,
    share: Option<&[T]>,
    out: &mut [T],
    begun: &mut Begun<T>,
) {
    let Past {
        frames, at, reach, ..
    } = past;
    let (from, before) = (at % GROUP, lookback(taps));
    assert!(
        taps.len() >= 2 * GROUP - 1 && frames.len() == before + from + out.len(),
        "{} frames of history for {before} and {from} frames before {} of output",
        frames.len(),
        out.len()
    );
    assert!(
        share.is_none_or(|share| share.len() == out.len()),
        "a share of another length"
    );
    let body = Fir {
        taps,
        history: frames,
        from,
        reach,
        share,
        out,
        sums: &mut begun.0,
        goes_on: past.begun && from > 0,
    };
    kernel::run(cpu, body);
}

/// The taps of [`next`], of those that are arranged for [`fir`]: as many as there are frames in a group.
#[derive(Debug, Clone)]
#[repr(align(64))]
pub(crate) struct First<T>([T; 2 * GROUP]);

impl<T: Sample> First<T> {
    /// `arranged` may be empty.
    pub fn of(arranged: &[T]) -> Self {
        let mut first = [T::zero(); 2 * GROUP];
        let count = arranged.len().min(2 * GROUP - 1);
        first[..count].copy_from_slice(&arranged[..count]);
        Self(first)
    }
}

/// What the single frame `x` at position `at` adds, where `begun` has come to it.
#[inline(always)]
pub fn next<L: Lane>(taps: &First<L::T>, x: L::T, at: usize, begun: &mut Begun<L::T>) -> L::T {
    let (from, x) = (at % GROUP, L::splat(x));
    // By itself, for a lane of what was only just written would have to be waited for.
    let sum = x.mul_add(L::splat(taps.0[GROUP - 1]), L::splat(begun.0[from]));
    let mut y = [L::T::default(); GROUP];
    kernel::store(&mut y, sum);
    let taps = Rows::<L>::new(&taps.0, 0, 1, GROUP, GROUP / L::N);
    let mut sums = load::<L>(&begun.0);
    add(&mut sums, x, &taps, GROUP - 1 - from);
    keep(&sums, &mut begun.0);
    y[0]
}

/// Any number of frames.
struct Fir<'a, T> {
    taps: &'a [T],
    history: &'a [T],
    from: usize,
    reach: usize,
    share: Option<&'a [T]>,
    out: &'a mut [T],
    sums: &'a mut [T; GROUP],
    goes_on: bool,
}

impl<T: Sample> Body<T> for Fir<'_, T> {
    #[inline(always)]
    fn run<L: Lane<T = T>>(mut self) {
        let mut t = 0;
        if self.from > 0 {
            t = self.out.len().min(GROUP - self.from);
            self.part::<L>(0, self.from, t);
        }
        let groups = |many: usize, left: usize| many * GROUP <= left;
        // As many as there are registers for.
        while L::N >= 16 && groups(4, self.out.len() - t) {
            t = self.whole::<L, 4>(t);
        }
        while L::N >= 8 && groups(2, self.out.len() - t) {
            t = self.whole::<L, 2>(t);
        }
        while groups(1, self.out.len() - t) {
            t = self.whole::<L, 1>(t);
        }
        if t < self.out.len() {
            self.goes_on = false;
            self.part::<L>(t, 0, self.out.len() - t);
        }
    }
}

impl<T: Sample> Fir<'_, T> {
    /// Frames that the group of output `t` looks back to.
    #[inline(always)]
    fn reach(&self, t: usize) -> usize {
        self.reach.saturating_add((self.from + t) / GROUP * GROUP)
    }

    /// The outputs of V groups, from `t` on; returns the one behind them.
    #[inline(always)]
    fn whole<L: Lane<T = T>, const V: usize>(&mut self, t: usize) -> usize {
        let per = GROUP / L::N;
        let history = &self.history[self.from + t..];
        let mut sums = before::<L, V>(self.taps, history, self.reach(t));
        let taps = Rows::<L>::new(self.taps, 0, 1, GROUP, per);
        let now = &history[lookback(self.taps)..][..V * GROUP];
        for j in 0..GROUP {
            for v in 0..V {
                let x = L::splat(now[v * GROUP + j]);
                add(&mut sums[v], x, &taps, GROUP - 1 - j);
            }
        }
        for v in 0..V {
            for p in 0..per {
                let at = t + v * GROUP + p * L::N;
                let share = match self.share {
                    Some(share) => Rows::<L>::new(share, at, L::N, 1, 1).get(0, 0),
                    None => Rows::new(self.out, at, L::N, 1, 1).get(0, 0),
                };
                kernel::store(&mut self.out[at..], share.add(sums[v][p]));
            }
        }
        t + V * GROUP
    }

    /// So many outputs of one group, from `t` on, the first of which is its output `from`.
    #[inline(always)]
    fn part<L: Lane<T = T>>(&mut self, t: usize, from: usize, count: usize) {
        let history = &self.history[self.from + t - from..];
        let (mut sums, done) = match self.goes_on {
            true => (load::<L>(self.sums), from),
            false => {
                let [sums] = before::<L, 1>(self.taps, history, self.reach(t));
                (sums, 0)
            }
        };
        let taps = Rows::<L>::new(self.taps, 0, 1, GROUP, GROUP / L::N);
        let now = &history[lookback(self.taps)..][..from + count];
        for (j, &x) in now.iter().enumerate().skip(done) {
            add(&mut sums, L::splat(x), &taps, GROUP - 1 - j);
        }
        keep(&sums, self.sums);
        let outputs = self.out[t..][..count].iter_mut();
        if let Some(share) = self.share {
            let sums = self.sums[from..].iter().zip(&share[t..]);
            outputs.zip(sums).for_each(|(y, (&sum, &x))| *y = x + sum);
            return;
        }
        for (y, &sum) in outputs.zip(&self.sums[from..]) {
            *y += sum;
        }
    }
}

/// A group's sums in registers.
type Sums<L> = [L; 4];

#[inline(always)]
fn load<L: Lane>(sums: &[L::T; GROUP]) -> Sums<L> {
    let per = GROUP / L::N;
    let rows = Rows::<L>::new(sums, 0, GROUP, 1, per);
    let mut loaded = [L::splat(L::T::default()); 4];
    for p in 0..per {
        loaded[p] = rows.get(0, p);
    }
    loaded
}

#[inline(always)]
fn keep<L: Lane>(sums: &Sums<L>, kept: &mut [L::T; GROUP]) {
    for p in 0..GROUP / L::N {
        kernel::store(&mut kept[p * L::N..], sums[p]);
    }
}

/// Adds a frame, with the taps from `row` on.
#[inline(always)]
fn add<L: Lane>(sums: &mut Sums<L>, x: L, taps: &Rows<'_, L>, row: usize) {
    for p in 0..GROUP / L::N {
        sums[p] = x.mul_add(taps.get(row, p), sums[p]);
    }
}

/// Several sums for each of V groups, in registers.
type Chained<L, const V: usize> = [[Sums<L>; V]; CHAINS];

/// Steps back over as many frames as there are in a group.
const ROUND: usize = GROUP / CHAINS;

/// Adds the frames of `STEPS` steps back, from `step` on, for the groups from `FIRST` on. By value, so
/// that the sums stay in registers whatever else is inlined around them.
#[inline(always)]
fn go_back<L: Lane, const V: usize, const FIRST: usize, const STEPS: usize>(
    frames: [&[[L::T; CHAINS]]; V],
    taps: [Rows<'_, L>; CHAINS],
    step: usize,
    mut sums: Chained<L, V>,
) -> Chained<L, V> {
    let last = frames[0].len() - 1;
    for step in step..step + STEPS {
        for k in 0..CHAINS {
            for v in FIRST..V {
                let x = L::splat(frames[v][last - step][CHAINS - 1 - k]);
                add(&mut sums[k % chains::<L>()][v], x, &taps[k], step);
            }
        }
    }
    sums
}

/// The same for any number of steps.
#[inline(always)]
fn go_far_back<L: Lane, const V: usize, const FIRST: usize>(
    frames: [&[[L::T; CHAINS]]; V],
    taps: [Rows<'_, L>; CHAINS],
    steps: Range<usize>,
    mut sums: Chained<L, V>,
) -> Chained<L, V> {
    if FIRST >= V {
        return sums;
    }
    let mut step = steps.start;
    // So there are few rounds, whose number the CPU foresees.
    while step + ROUND <= steps.end {
        sums = go_back::<L, V, FIRST, ROUND>(frames, taps, step, sums);
        step += ROUND;
    }
    while step < steps.end {
        sums = go_back::<L, V, FIRST, 1>(frames, taps, step, sums);
        step += 1;
    }
    sums
}

/// As many as there are registers for.
#[inline(always)]
const fn chains<L: Lane>() -> usize {
    if L::REGISTERS >= 32 { CHAINS } else { 2 }
}

/// What the frames before each of V groups are to it: `reach` of them to the first group, and for each
/// later one a group more, as far as there are taps.
#[inline(always)]
fn before<L: Lane, const V: usize>(taps: &[L::T], history: &[L::T], reach: usize) -> [Sums<L>; V] {
    let (per, count) = (GROUP / L::N, lookback(taps));
    let mut sums = [[[L::splat(L::T::default()); 4]; V]; CHAINS];
    let steps = count / CHAINS;
    if steps == 0 {
        return sums[0];
    }
    let mut frames: [&[[L::T; CHAINS]]; V] = [&[]; V];
    for v in 0..V {
        (frames[v], _) = history[v * GROUP..][..count].as_chunks();
    }
    let mut rows = [Rows::<L>::new(taps, GROUP, CHAINS, steps, per); CHAINS];
    for k in 1..CHAINS {
        rows[k] = Rows::new(taps, GROUP + k, CHAINS, steps, per);
    }
    let mut until = [0; 4];
    for v in 0..V {
        until[v] = reach.saturating_add(v * GROUP).div_ceil(CHAINS).min(steps);
    }
    let [a, b, c, d] = until;
    sums = go_far_back::<L, V, 0>(frames, rows, 0..a, sums);
    if V == 4 && d == a + 3 * ROUND {
        sums = go_back::<L, V, 1, ROUND>(frames, rows, a, sums);
        sums = go_back::<L, V, 2, ROUND>(frames, rows, a + ROUND, sums);
        sums = go_back::<L, V, 3, ROUND>(frames, rows, a + 2 * ROUND, sums);
    } else {
        sums = go_far_back::<L, V, 1>(frames, rows, a..b, sums);
        sums = go_far_back::<L, V, 2>(frames, rows, b..c, sums);
        sums = go_far_back::<L, V, 3>(frames, rows, c..d, sums);
    }
    let mut total = sums[0];
    for v in 0..V {
        for p in 0..per {
            let half = sums[0][v][p].add(sums[1][v][p]);
            total[v][p] = match chains::<L>() {
                CHAINS => half.add(sums[2][v][p].add(sums[3][v][p])),
                _ => half,
            };
        }
    }
    total
}

/// Work of outputs that look back to so many frames before their group, in the units of the levels'
/// tasks.
pub(crate) fn cost<T>(before: usize, outputs: usize) -> u64 {
    ((before + GROUP) * outputs * size_of::<T>()).div_ceil(128) as u64
}
