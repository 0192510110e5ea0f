//! The running machine of a matrix of responses: writes inputs, emits outputs, keeps the grid.

use std::ops::Range;

use super::compiled::Compiled;
use super::direct;
use super::error::BuildError;
use super::history::History;
use super::level::Level;
use super::plan::Prepared;
use super::product::Path;
use super::routing::{Route, Routing};
use super::scheme::Pace;
use crate::kernel::Cpu;
use crate::signal::Sample;

/// What every face of the convolver drives. A caller's block is cut into segments that do not
/// cross the grid of the smallest level; for each segment all inputs are written, then all
/// outputs emitted, then the position advances.
///
/// The levels' work is spread evenly over the frames, with the earliest deadline first: as each
/// level's deadline is its next block and block sizes divide one another, that order meets all
/// of them at a constant rate of work (Liu & Layland 1973).
#[derive(Debug, Clone)]
pub(crate) struct Engine<T: Sample> {
    cpu: Cpu,
    compiled: &'static Compiled<T>,
    latency: usize,
    tail: usize,
    /// Frames of the smallest level's block; a power of two, as all blocks are.
    granule: usize,
    /// Frames since the last reset.
    position: usize,
    /// Frames of latency and tail that the input so far still has to come out.
    pending: usize,
    histories: Vec<History<T>>,
    /// The routes to each output, with their responses.
    routes: Vec<Vec<(Route, Prepared<T>)>>,
    /// In order of size.
    levels: Vec<Level<T>>,
    /// Work per frame that keeps every deadline, and what is due now; both scaled by `SCALE`.
    rate: i64,
    due: i64,
    /// All work so far, in units of `Level::work`.
    work: u64,
    /// For each output the frame up to which an input fault harms it.
    harmed_until: Vec<usize>,
    scratch: Vec<T>,
    /// What the levels add to each output, up to the next step of the grid.
    shares: Vec<Vec<T>>,
}

const SCALE: i64 = 1 << 16;

/// A task's share of the work is that of so many frames: small beside a call of 64.
const TASK: i64 = 24;

impl<T: Sample> Engine<T> {
    pub fn new(inputs: usize, irs: &[Prepared<T>], routing: &Routing) -> Result<Self, BuildError> {
        let list = routing.routes(inputs, irs.len())?;
        let (layout, cpu) = (irs[0].layout.clone(), irs[0].cpu);
        if irs.iter().any(|ir| ir.cpu != cpu || *ir.layout != *layout) {
            return Err(BuildError::MixedPlans);
        }
        let outputs = routing.outputs(inputs, irs.len());
        let mut routes: Vec<Vec<(Route, Prepared<T>)>> = vec![Vec::new(); outputs];
        for route in list {
            routes[route.output].push((route, irs[route.ir].clone()));
        }
        let granule = layout.granule();
        // While a level works on two blocks, up to one more comes in.
        let blocks = layout.levels.last().map_or(granule, |l| 4 * l.block);
        let history = History::new(cpu, layout.head, blocks, granule, layout.latency);
        let levels = layout.levels.iter().enumerate().map(|(index, &shape)| {
            let path = |(route, prepared): &(Route, Prepared<T>)| Path {
                input: route.input,
                partitions: prepared.levels[index].clone(),
            };
            let paths = routes.iter().map(|r| r.iter().map(path).collect());
            Level::new(cpu, shape, inputs, paths.collect())
        });
        let mut levels: Vec<Level<T>> = levels.collect();
        let rate = |level: &Level<T>| (level.work_of_block() * SCALE) / level.block() as i64 + 1;
        let spread = levels.iter().filter(|level| level.pace() == Pace::Spread);
        let spread: i64 = spread.map(rate).sum();
        let task = TASK * levels.iter().map(rate).sum::<i64>() / SCALE;
        let spread_levels = levels
            .iter_mut()
            .filter(|level| level.pace() == Pace::Spread);
        spread_levels.for_each(|level| level.cut(task.try_into().unwrap_or(u32::MAX)));
        let longest = irs.iter().map(Prepared::frames).max().unwrap_or(1);
        Ok(Self {
            cpu,
            compiled: Compiled::table(),
            latency: layout.latency,
            tail: longest - 1,
            granule,
            position: 0,
            pending: 0,
            histories: vec![history; inputs],
            rate: spread,
            due: 0,
            work: 0,
            routes,
            levels,
            harmed_until: vec![0; outputs],
            scratch: vec![T::zero(); granule],
            shares: vec![vec![T::zero(); granule]; outputs],
        })
    }

    pub fn inputs(&self) -> usize {
        self.histories.len()
    }

    pub fn outputs(&self) -> usize {
        self.routes.len()
    }

    pub fn latency(&self) -> usize {
        self.latency
    }

    pub fn tail(&self) -> usize {
        self.tail
    }

    pub fn pending(&self) -> usize {
        self.pending
    }

    pub fn work(&self) -> u64 {
        self.work
    }

    pub fn reset(&mut self) {
        self.position = 0;
        self.pending = 0;
        self.due = 0;
        self.histories.iter_mut().for_each(History::reset);
        self.levels.iter_mut().for_each(Level::reset);
        self.harmed_until.fill(0);
        self.shares
            .iter_mut()
            .for_each(|share| share.fill(T::zero()));
    }

    /// Runs through so many frames in segments: `step` writes every input and emits every output
    /// of the frames it is given.
    pub fn in_segments(&mut self, frames: usize, mut step: impl FnMut(&mut Self, Range<usize>)) {
        let mut at = 0;
        while at < frames {
            let to_grid = self.granule - (self.position & (self.granule - 1));
            let n = to_grid.min(frames - at);
            step(self, at..at + n);
            self.advance(n);
            at += n;
        }
    }

    /// Working space for one segment, to be handed back by [`restore`](Self::restore).
    pub fn borrow_scratch(&mut self) -> Vec<T> {
        std::mem::take(&mut self.scratch)
    }

    pub fn restore(&mut self, scratch: Vec<T>) {
        self.scratch = scratch;
    }

    /// Takes one input's frames of this segment.
    pub fn write(&mut self, input: usize, frames: usize, samples: impl Iterator<Item = T>) {
        self.histories[input].write(self.position, frames, samples);
    }

    /// Makes one output's frames of this segment; every input must have been written.
    pub fn emit(&mut self, output: usize, target: &mut [T]) {
        let within = self.position & (self.granule - 1);
        target.copy_from_slice(&self.shares[output][within..within + target.len()]);
        for (route, prepared) in &self.routes[output] {
            let (taps, history) = (&prepared.head[..], &self.histories[route.input]);
            let lookback = taps.len().saturating_sub(1);
            if taps.is_empty() || history.is_silent_since(self.position.saturating_sub(lookback)) {
                continue;
            }
            let recent = history.recent(self.position, lookback, target.len());
            (self.compiled.fir)(self.cpu, taps, recent, target);
            self.work += direct::cost(taps.len(), target.len());
        }
        self.mark_faults(output, target);
    }

    /// The segment is done: does the work that falls to it.
    fn advance(&mut self, frames: usize) {
        self.position += frames;
        self.due += self.rate * frames as i64;
        let mut busy = 0;
        while self.due > 0 {
            let Some(level) = self.levels.get_mut(busy) else {
                // All is done ahead of time; nothing can be due before the next block.
                self.due = 0;
                break;
            };
            match level.work(&self.histories) {
                Some(work) => {
                    self.due -= work * SCALE;
                    self.work += work as u64;
                }
                None => busy += 1,
            }
        }
        for level in &mut self.levels {
            if self.position & (level.block() - 1) != 0 {
                break;
            }
            self.work += level.turn(self.position, &self.histories) as u64;
        }
        if self.position & (self.granule - 1) == 0 {
            for (output, share) in self.shares.iter_mut().enumerate() {
                share.fill(T::zero());
                for level in &self.levels {
                    level.add(output, self.position, share);
                }
            }
        }
    }

    /// Called once per block of input.
    pub fn took_input(&mut self, frames: usize) {
        if frames > 0 {
            self.pending = self.latency + self.tail;
        }
    }

    /// Called once per block of tail.
    pub fn took_tail(&mut self, frames: usize) {
        self.pending -= frames;
    }

    /// An input fault makes its whole answer unknown: NaN for as long as the response is. The
    /// machine itself goes on with zero, so afterwards the output is clean to the bit.
    fn mark_faults(&mut self, output: usize, target: &mut [T]) {
        let first = self.position;
        let alive = |h: &History<T>| {
            h.last_fault()
                .is_some_and(|fault| fault + self.latency + self.granule >= first)
        };
        if self.harmed_until[output] <= first && !self.histories.iter().any(alive) {
            return;
        }
        for (n, y) in target.iter_mut().enumerate() {
            let now = first + n;
            for (route, prepared) in &self.routes[output] {
                let answers = now.checked_sub(self.latency);
                if answers.is_some_and(|at| self.histories[route.input].is_fault(at)) {
                    let until = &mut self.harmed_until[output];
                    *until = (*until).max(now + prepared.frames());
                }
            }
            if now < self.harmed_until[output] {
                *y = T::nan();
            }
        }
    }
}
