//! The running machine of a matrix of responses: writes inputs, emits outputs, keeps the grid.

use super::direct::fir;
use super::history::History;
use super::level::Level;
use super::plan::{BuildError, Prepared};
use super::routing::{Route, Routing};
use crate::signal::Sample;

/// What every face of the convolver drives. A caller's block is cut into segments that do not
/// cross the grid of the smallest level; for each segment all inputs are written, then all
/// outputs emitted, then the position advances.
#[derive(Debug, Clone)]
pub(crate) struct Engine<T: Sample> {
    latency: usize,
    tail: usize,
    granule: usize,
    /// Frames since the last reset.
    position: usize,
    /// Frames of latency and tail that the input so far still has to come out.
    pending: usize,
    histories: Vec<History<T>>,
    /// The routes to each output, with their responses.
    routes: Vec<Vec<(Route, Prepared<T>)>>,
    levels: Vec<Level<T>>,
    /// For each output the frame up to which an input fault harms it.
    harmed_until: Vec<usize>,
    scratch: Vec<T>,
}

impl<T: Sample> Engine<T> {
    pub fn new(inputs: usize, irs: &[Prepared<T>], routing: &Routing) -> Result<Self, BuildError> {
        let list = routing.routes(inputs, irs.len())?;
        let layout = irs[0].layout.clone();
        if irs.iter().any(|ir| *ir.layout != *layout) {
            return Err(BuildError::MixedPlans);
        }
        let outputs = routing.outputs(inputs, irs.len());
        let mut routes = vec![Vec::new(); outputs];
        for route in list {
            routes[route.output].push((route, irs[route.ir].clone()));
        }
        let granule = layout.granule();
        let largest = layout.levels.iter().map(|l| l.block).max();
        let history = History::new(
            layout.head,
            largest.unwrap_or(granule),
            granule,
            layout.latency,
        );
        let levels = layout.levels.iter().enumerate();
        let longest = irs.iter().map(Prepared::frames).max().unwrap_or(1);
        Ok(Self {
            latency: layout.latency,
            tail: longest - 1,
            granule,
            position: 0,
            pending: 0,
            histories: vec![history; inputs],
            routes,
            levels: levels
                .map(|(index, &shape)| Level::new(index, shape, inputs, outputs))
                .collect(),
            harmed_until: vec![0; outputs],
            scratch: vec![T::zero(); granule],
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

    pub fn reset(&mut self) {
        self.position = 0;
        self.pending = 0;
        self.histories.iter_mut().for_each(History::reset);
        self.levels.iter_mut().for_each(Level::reset);
        self.harmed_until.fill(0);
    }

    /// Frames up to the next point of the grid, at most `frames`.
    pub fn segment(&self, frames: usize) -> usize {
        frames.min(self.granule - self.position % self.granule)
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
        target.fill(T::zero());
        for (route, prepared) in &self.routes[output] {
            let taps = &prepared.head[..];
            if !taps.is_empty() {
                let history = &self.histories[route.input];
                let recent = history.recent(self.position, taps.len() - 1, target.len());
                fir(taps, recent, target);
            }
        }
        for level in &self.levels {
            level.add(output, self.position, target);
        }
        self.mark_faults(output, target);
    }

    /// The segment is done.
    pub fn advance(&mut self, frames: usize) {
        self.position += frames;
        for level in &mut self.levels {
            if self.position.is_multiple_of(level.block()) {
                level.turn(self.position, &self.histories, &self.routes);
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
