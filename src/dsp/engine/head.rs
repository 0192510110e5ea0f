//! The time domain of all outputs: which responses it plays, and what of each output is begun.

use super::responses::Responses;
use super::shelf::Shelf;
use crate::dsp::compiled::Compiled;
use crate::dsp::direct::{self, Begun, First, Past};
use crate::dsp::fade::Fade;
use crate::dsp::history::History;
use crate::dsp::scheme::Layout;
use crate::kernel::{Cpu, Lane};
use crate::signal::Sample;

#[derive(Debug, Clone)]
pub(crate) struct Head<T: Sample> {
    cpu: Cpu,
    compiled: &'static Compiled<T>,
    /// Frames after which it begins anew.
    stride: usize,
    reach: Reach,
    /// The parts of a granule that answer to one another in one go, with the work of such a square.
    squares: Vec<(usize, i64)>,
    set: usize,
    /// The set that is faded out, and the frames of the fade so far.
    leaving: Option<(usize, usize)>,
    /// The outputs of both, in a fade.
    scratch: [Vec<T>; 2],
    /// The routes by outputs, and the first of each output.
    ways: Vec<Way<T>>,
    firsts: Vec<usize>,
    /// Position that all of them have come to; none counts before it is known.
    until: usize,
    /// Whether there are taps.
    sounds: bool,
}

/// A route, with what a single frame takes side by side.
#[derive(Debug, Clone)]
struct Way<T> {
    begun: Begun<T>,
    /// Those of the set that plays.
    taps: First<T>,
    input: usize,
    output: usize,
}

const UNKNOWN: usize = usize::MAX;

/// How far back the head looks: so many frames before a granule's begin, and, if it grows, all that
/// have come since.
#[derive(Debug, Clone, Copy)]
struct Reach {
    before: usize,
    grows: bool,
}

impl Reach {
    /// Frames before the one that is so many behind a granule's begin.
    #[inline]
    fn at(self, within: usize) -> usize {
        self.before + if self.grows { within } else { 0 }
    }
}

/// What the head looks at, besides itself, when it makes frames from position `at` on.
pub(crate) struct Inputs<'a, T: Sample> {
    pub at: usize,
    pub histories: &'a [History<T>],
    pub shelf: &'a Shelf<T>,
    pub fade: &'a Fade<T>,
}

impl<T: Sample> Head<T> {
    /// Plays the newest set of the shelf, of which it is a user already.
    pub fn new(cpu: Cpu, layout: &Layout, inputs: usize, shelf: &Shelf<T>) -> Self {
        let (set, stride) = (shelf.current(), layout.stride());
        let Responses {
            bench,
            routes,
            shares,
            ..
        } = shelf.get(set);
        let count = routes.iter().map(Vec::len).sum::<usize>() as i64;
        let alone = bench.square.iter();
        let alone = alone.map(|transform| {
            let work = i64::from(transform.square_cost());
            (transform.block(), count * work)
        });
        let made = bench.squares();
        let made = made.map(|index| (bench.levels[index].block, shares[index].at_once(inputs)));
        let ways = routes.iter().flatten().map(|(route, prepared)| Way {
            begun: Begun::new(),
            taps: First::of(&prepared.head),
            input: route.input,
            output: route.output,
        });
        let counts = routes.iter().map(Vec::len);
        let firsts = counts.scan(0, |first, count| {
            Some(std::mem::replace(first, *first + count))
        });
        let scratch = || vec![T::zero(); stride];
        Self {
            cpu,
            compiled: Compiled::table(),
            stride,
            reach: Reach {
                before: layout.head_reach(0),
                grows: layout.head_reach(stride - 1) > layout.head_reach(0),
            },
            squares: alone.chain(made).collect(),
            set,
            leaving: None,
            scratch: [scratch(), scratch()],
            ways: ways.collect(),
            firsts: firsts.collect(),
            until: UNKNOWN,
            sounds: layout.head > 0,
        }
    }

    /// How many routes there are.
    pub fn ways(&self) -> usize {
        self.ways.len()
    }

    /// Frames after which it begins anew, at the latest: the granule, or a part of it.
    #[inline]
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// The set that plays.
    pub fn set(&self) -> usize {
        self.set
    }

    /// Forgets all input; the newest set plays at once.
    pub fn reset(&mut self, shelf: &mut Shelf<T>) {
        if let Some((set, _)) = self.leaving.take() {
            shelf.release(set);
        }
        shelf.release(self.set);
        self.play(shelf);
        self.until = UNKNOWN;
    }

    /// The head's step of the grid: it takes over the newest set.
    pub fn turn(&mut self, shelf: &mut Shelf<T>, fade: &Fade<T>) {
        if let Some((old, done)) = self.leaving
            && done >= fade.frames()
        {
            shelf.release(old);
            self.leaving = None;
        }
        if self.leaving.is_none() && self.set != shelf.current() {
            self.leaving = Some((self.set, 0));
            self.play(shelf);
        }
    }

    /// Takes the newest set.
    fn play(&mut self, shelf: &mut Shelf<T>) {
        self.set = shelf.take();
        let routes = shelf.get(self.set).routes.iter().flatten();
        for (way, (_, prepared)) in self.ways.iter_mut().zip(routes) {
            way.taps = First::of(&prepared.head);
        }
    }

    /// All outputs are done up to position `until`, so many frames.
    #[inline]
    pub fn advance(&mut self, until: usize, frames: usize) {
        self.until = until;
        if let Some((_, done)) = &mut self.leaving {
            *done += frames;
            // Neither set goes on with the other's.
            self.until = UNKNOWN;
        }
    }

    /// The same for a single frame where it [is steady](Self::is_steady).
    #[inline]
    pub fn go_on(&mut self, until: usize) {
        debug_assert!(self.leaving.is_none(), "in a fade nothing is steady");
        self.until = until;
    }

    /// Whether a single frame at position `at` is nothing special: what is begun goes on.
    #[inline]
    pub fn is_steady(&self, at: usize) -> bool {
        self.until == at && !at.is_multiple_of(direct::GROUP)
    }

    /// The work in the first `frames` of a granule, in so many parts of the agendas' units.
    #[inline]
    pub fn work(&self, frames: usize, parts: i64) -> i64 {
        let routes = if self.sounds { self.ways.len() } else { 0 };
        let work = |frames: usize| {
            let sum = self.reach.at(0) + self.reach.at(frames) + 2 * direct::GROUP;
            (routes * frames * sum * size_of::<T>()) as i64 * (parts / 256)
        };
        let (whole, rest) = (frames / self.stride, frames % self.stride);
        // Behind every odd one of these parts.
        let square = |&(part, work): &(usize, i64)| ((frames + part) / (2 * part)) as i64 * work;
        let squares = self.squares.iter().map(square).sum::<i64>() * parts;
        whole as i64 * work(self.stride) + work(rest) + squares
    }

    /// Behind every second of the least parts: adds what it is to an output's next one. Returns the work.
    pub fn square(&self, inputs: &Inputs<'_, T>, output: usize, y: &mut [T]) -> u64 {
        let (set, at) = (inputs.shelf.get(self.set), inputs.at);
        let Some(transform) = &set.bench.square else {
            return 0;
        };
        let mut done = 0;
        for (route, prepared) in &set.routes[output] {
            let history = &inputs.histories[route.input];
            if let Some(window) = &prepared.square
                && window.silent.first() == Some(&false)
                && !history.is_silent_since(at - transform.block())
            {
                let block = history.block(at, transform.block());
                transform.square(block, window.spectra.samples(), y);
                done += u64::from(transform.square_cost());
            }
        }
        done
    }

    /// Makes an output's frames from position `at` on: the levels' share of them, and what the taps make
    /// of the inputs. Returns the work.
    #[inline]
    pub fn emit(&mut self, inputs: &Inputs<'_, T>, output: usize, share: &[T], y: &mut [T]) -> u64 {
        if let Some((leaving, done)) = self.leaving {
            let (new, old) = (inputs.shelf.get(self.set), inputs.shelf.get(leaving));
            if !new.same_head(old, output) {
                y.copy_from_slice(share);
                return self.cross(inputs, output, leaving, done, y);
            }
        }
        let mut share = Some(share);
        let work = self.add(inputs, self.set, output, &mut share, y);
        if let Some(share) = share {
            y.copy_from_slice(share);
        }
        work
    }

    /// Adds what the taps of a set make of the inputs, to the share, if it is still there, or to what
    /// there is; returns the work.
    #[inline]
    fn add(
        &mut self,
        inputs: &Inputs<'_, T>,
        set: usize,
        output: usize,
        share: &mut Option<&[T]>,
        y: &mut [T],
    ) -> u64 {
        let (mut work, at) = (0, inputs.at);
        let goes_on = self.is_steady(at);
        // Where the group of outputs begins.
        let begin = at - at % direct::GROUP;
        let reach = self.reach.at(begin & (self.stride - 1));
        let routes = inputs.shelf.get(set).routes[output].iter();
        for ((_, prepared), way) in routes.zip(&mut self.ways[self.firsts[output]..]) {
            let (taps, history) = (&prepared.head[..], &inputs.histories[way.input]);
            let lookback = direct::lookback(taps);
            let most = lookback.min(reach);
            if taps.is_empty() || history.is_silent_since(begin.saturating_sub(most)) {
                way.begun = Begun::new();
                continue;
            }
            let past = Past {
                frames: history.recent(begin, lookback, at - begin + y.len()),
                at,
                reach,
                begun: goes_on,
            };
            (self.compiled.fir)(self.cpu, taps, past, share.take(), y, &mut way.begun);
            let most = if goes_on { 0 } else { most };
            work += direct::cost::<T>(lookback.min(most + y.len() / 2), y.len());
        }
        work
    }

    /// Adds a single frame to `y`, a sample for each output, where the head
    /// [is steady](Self::is_steady); it is in this slot of the histories. Returns the work.
    #[inline(always)]
    pub fn step<L: Lane<T = T>, const ONE: bool>(
        &mut self,
        at: usize,
        slot: usize,
        histories: &[History<T>],
        y: &mut [T],
    ) -> u64 {
        if !self.sounds {
            return 0;
        }
        let count = if ONE { 1 } else { self.ways.len() };
        for way in &mut self.ways[..count] {
            let (input, output) = if ONE { (0, 0) } else { (way.input, way.output) };
            let x = histories[input].get(slot);
            let sum = direct::next::<L>(&way.taps, x, at, &mut way.begun);
            y[output] += sum;
        }
        direct::cost::<T>(0, 1) * count as u64
    }

    /// Adds both sets, the one instead of the other.
    #[cold]
    fn cross(
        &mut self,
        inputs: &Inputs<'_, T>,
        output: usize,
        leaving: usize,
        done: usize,
        y: &mut [T],
    ) -> u64 {
        let (mut work, mut scratch) = (0, std::mem::take(&mut self.scratch));
        let [new, old] = &mut scratch;
        let (new, old) = (&mut new[..y.len()], &mut old[..y.len()]);
        for (set, sum) in [(self.set, &mut *new), (leaving, &mut *old)] {
            sum.fill(T::zero());
            work += self.add(inputs, set, output, &mut None, sum);
        }
        for (n, y) in y.iter_mut().enumerate() {
            *y += inputs.fade.cross(done + n, old[n], new[n]);
        }
        self.scratch = scratch;
        work
    }
}
