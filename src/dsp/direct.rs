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
pub(crate) struct Begun<T> {
    sums: [T; GROUP],
    /// Position behind the last of these frames; none counts before it is known.
    until: usize,
}

impl<T: Sample> Begun<T> {
    pub fn new() -> Self {
        Self {
            sums: [T::zero(); GROUP],
            until: usize::MAX,
        }
    }

    /// Whether a frame at this position is the next of the group.
    #[inline]
    pub fn goes_on(&self, at: usize) -> bool {
        self.until == at && !at.is_multiple_of(GROUP)
    }

    /// The frames are others now, or the taps.
    pub fn forget(&mut self) {
        self.until = usize::MAX;
    }
}

/// out[t] += sum over j of taps[j] x[at + t - j], for the frames of the group that position `at` falls
/// in and up to `reach` before it (all of those for the groups behind it, too). `history` holds the
/// [`lookback`] before the group, then the group's frames up to those that `out` answers to; `begun`
/// is what the last call left, if that went up to `at`.
///
/// The outputs of a group are the lanes of vectors, and each frame goes to all of them at once, with
/// the taps shifted by its place: first those before the group, the latest first, then those of the
/// group as they come. So every output is the same sum in the same order, wherever it falls in the
/// call, and a single frame costs one product.
pub fn fir<T: Sample>(
    cpu: Cpu,
    taps: &[T],
    history: &[T],
    at: usize,
    reach: usize,
    out: &mut [T],
    begun: &mut Begun<T>,
) {
    let (from, before) = (at % GROUP, lookback(taps));
    assert!(
        taps.len() >= 2 * GROUP - 1 && history.len() == before + from + out.len(),
        "{} frames of history for {before} and {from} frames before {} of output",
        history.len(),
        out.len()
    );
    let goes_on = begun.goes_on(at);
    begun.until = at + out.len();
    let body = Fir {
        taps,
        history,
        from,
        reach,
        out,
        sums: &mut begun.sums,
        goes_on,
    };
    kernel::run(cpu, body);
}

/// The same for the single frame `x`, where `begun` [goes on](Begun::goes_on) at its position.
pub fn next<T: Sample>(cpu: Cpu, taps: &[T], x: T, at: usize, out: &mut T, begun: &mut Begun<T>) {
    begun.until = at + 1;
    let body = Next {
        taps,
        x,
        at,
        out,
        sums: &mut begun.sums,
    };
    kernel::run(cpu, body);
}

/// One more frame of a group.
struct Next<'a, T> {
    taps: &'a [T],
    x: T,
    at: usize,
    out: &'a mut T,
    sums: &'a mut [T; GROUP],
}

impl<T: Sample> Body<T> for Next<'_, T> {
    #[inline(always)]
    fn run<L: Lane<T = T>>(self) {
        let (from, x) = (self.at % GROUP, L::splat(self.x));
        // By itself, for a lane of what was only just written would have to be waited for.
        let sum = x.mul_add(L::splat(self.taps[GROUP - 1]), L::splat(self.sums[from]));
        let mut y = [T::zero(); GROUP];
        kernel::store(&mut y, sum);
        *self.out += y[0];
        let taps = Rows::<L>::new(self.taps, 0, 1, GROUP, GROUP / L::N);
        let mut sums = load::<L>(self.sums);
        add(&mut sums, x, &taps, GROUP - 1 - from);
        keep(&sums, self.sums);
    }
}

/// Any number of frames.
struct Fir<'a, T> {
    taps: &'a [T],
    history: &'a [T],
    from: usize,
    reach: usize,
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
        let out = &mut self.out[t..][..V * GROUP];
        for v in 0..V {
            for p in 0..per {
                let out = &mut out[v * GROUP + p * L::N..][..L::N];
                let y = Rows::<L>::new(out, 0, L::N, 1, 1).get(0, 0);
                kernel::store(out, y.add(sums[v][p]));
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

/// Adds the frames of these steps back, for the groups from `FIRST` on. By value, so that the sums stay
/// in registers whatever else is inlined around them.
#[inline(always)]
fn go_back<L: Lane, const V: usize, const FIRST: usize>(
    frames: [&[[L::T; CHAINS]]; V],
    taps: [Rows<'_, L>; CHAINS],
    steps: Range<usize>,
    mut sums: Chained<L, V>,
) -> Chained<L, V> {
    if FIRST >= V {
        return sums;
    }
    let last = frames[0].len() - 1;
    for step in steps {
        for k in 0..CHAINS {
            for v in FIRST..V {
                let x = L::splat(frames[v][last - step][CHAINS - 1 - k]);
                add(&mut sums[k % chains::<L>()][v], x, &taps[k], step);
            }
        }
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
    sums = go_back::<L, V, 0>(frames, rows, 0..a, sums);
    sums = go_back::<L, V, 1>(frames, rows, a..b, sums);
    sums = go_back::<L, V, 2>(frames, rows, b..c, sums);
    sums = go_back::<L, V, 3>(frames, rows, c..d, sums);
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
