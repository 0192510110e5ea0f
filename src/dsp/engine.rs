//! The running machine of a matrix of responses: writes inputs, emits outputs, keeps the grid.

mod agenda;
mod head;
mod level;
pub(crate) mod responses;
mod shelf;
mod step;
mod voice;

use super::channels::Channels;
use super::compiled::{self, Compiled};
use super::direct;
use super::error::BuildError;
use super::fade::Fade;
use super::handover::Parcel;
use super::history::History;
use super::plan::{Plan, Prepared};
use super::routing::Routing;
use crate::kernel::{self, Buffer, Cpu};
use crate::signal::Sample;
use agenda::Done;
use head::{Head, Inputs};
use level::Level;
use responses::Responses;
use shelf::Shelf;
pub(crate) use step::step;

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
    /// For a single frame.
    step: compiled::Step<T>,
    latency: usize,
    /// Frames of the smallest level's block; a power of two, as all blocks are.
    granule: usize,
    /// Frames since the last reset.
    position: usize,
    /// Position behind the last frame that was input and not tail, if there was any.
    input_end: Option<usize>,
    histories: Vec<History<T>>,
    /// The responses that play; usually it is one set of them.
    shelf: Shelf<T>,
    head: Head<T>,
    /// In order of size.
    levels: Vec<Level<T>>,
    /// What makes the squares, in order of size, but for one that needs no level.
    squares: Vec<Level<T>>,
    fade: Fade<T>,
    /// All work per frame, and what is due now; both scaled by `SCALE`.
    rate: i64,
    rate_is_raised: bool,
    due: i64,
    /// Position up to which the work that is spread has fallen due.
    spread_until: usize,
    /// Work of a granule's last call, which cannot be spread.
    at_once: i64,
    /// All work so far, in units of the agendas.
    work: u64,
    /// For each output the frame up to which an input fault harms it.
    harmed_until: Vec<usize>,
    /// Position behind the last of the inputs' faults; 0 if there was none.
    faults_end: usize,
    /// What the levels add to each output, up to the next step of the grid: a granule after the other.
    shares: Buffer<T>,
    /// Room for a single frame, of the inputs and of the outputs.
    frame: [Vec<T>; 2],
}

const SCALE: i64 = 1 << 16;

/// Fewer frames of input are not worth being fetched.
const FAR: usize = 16;

/// What levels have made is fetched so many outputs before it is mixed.
const AHEAD: usize = 2;

/// At multiples of so many frames at the latest the head takes over a new set.
const HEAD_STEP: usize = 64;

// With each step of the grid and of the head a group of outputs begins, too, so no group has two sets.
const _: () = assert!(Plan::MIN_BLOCK.is_multiple_of(direct::GROUP));
const _: () = assert!(HEAD_STEP.is_multiple_of(direct::GROUP));

impl<T: Sample> Engine<T> {
    /// For one set of responses for good.
    pub fn new(inputs: usize, irs: &[Prepared<T>], routing: &Routing) -> Result<Self, BuildError> {
        let routes = routing.routes(inputs, irs.len())?;
        let outputs = routing.outputs(inputs, irs.len());
        let set = Responses::new(0, inputs, outputs, &routes, irs, None)?;
        Ok(Self::with_set(inputs, Parcel::new(set), None))
    }

    /// If `fade` is given, other sets may take over from this one.
    pub fn with_set(inputs: usize, set: Box<Parcel<Responses<T>>>, fade: Option<Fade<T>>) -> Self {
        let bench = set.value.bench.clone();
        let (layout, cpu) = (&bench.layout, bench.cpu);
        let outputs = set.value.routes.len();
        let granule = layout.granule();
        // While a level works on a block, up to one more comes in.
        let blocks = layout.levels.last().map_or(granule, |l| 2 * l.block);
        let history = History::new(cpu, layout.head, blocks, granule, layout.latency);
        let shelf = Shelf::new(set, bench.levels.len() + 1);
        let level = |index| Level::new(index, inputs, fade.is_some(), &shelf);
        let mut levels: Vec<Level<T>> = (0..bench.levels.len()).map(level).collect();
        let squares = levels.split_off(bench.squares().start);
        let compiled = Compiled::table();
        let head = Head::new(cpu, layout, inputs, &shelf);
        let step = match inputs == 1 && outputs == 1 && head.ways() == 1 {
            true => compiled.step_one,
            false => compiled.step,
        };
        let mut engine = Self {
            cpu,
            step,
            latency: layout.latency,
            granule,
            position: 0,
            input_end: None,
            histories: vec![history; inputs],
            rate: 0,
            rate_is_raised: false,
            due: 0,
            spread_until: 0,
            at_once: 0,
            work: 0,
            head,
            shelf,
            levels,
            squares,
            fade: fade.unwrap_or_else(|| Fade::new(0)),
            harmed_until: vec![0; outputs],
            faults_end: 0,
            shares: Buffer::zeros(outputs * granule),
            frame: [inputs, outputs].map(|channels| vec![T::zero(); channels]),
        };
        engine.set_rate();
        engine
    }

    pub fn inputs(&self) -> usize {
        self.histories.len()
    }

    pub fn outputs(&self) -> usize {
        self.harmed_until.len()
    }

    /// Most frames of a segment.
    pub fn granule(&self) -> usize {
        self.granule
    }

    pub fn latency(&self) -> usize {
        self.latency
    }

    /// Frames of the longest response that plays, less one.
    pub fn tail(&self) -> usize {
        self.shelf.longest() - 1
    }

    /// Frames of latency and tail that the input so far still has to come out.
    pub fn pending(&self) -> usize {
        let end = self.input_end.map(|end| end + self.latency + self.tail());
        end.map_or(0, |end| end.saturating_sub(self.position))
    }

    pub fn work(&self) -> u64 {
        self.work
    }

    /// Forgets all input; the newest responses play at once.
    pub fn reset(&mut self) {
        self.position = 0;
        self.input_end = None;
        (self.spread_until, self.due) = (0, 0);
        self.histories.iter_mut().for_each(History::reset);
        let shelf = &mut self.shelf;
        let levels = self.levels.iter_mut().chain(&mut self.squares);
        levels.for_each(|level| level.reset(shelf));
        self.head.reset(shelf);
        self.set_rate();
        self.harmed_until.fill(0);
        self.faults_end = 0;
        self.shares.fill(T::zero());
    }

    /// Puts up another set of responses: the head and each level take it over at their next
    /// step, or when the fade that they are in has ended.
    pub fn exchange(&mut self, set: Box<Parcel<Responses<T>>>) {
        self.shelf.put(set);
    }

    /// A set that nothing plays any more.
    pub fn fetch_done(&mut self) -> Option<Box<Parcel<Responses<T>>>> {
        self.shelf.fetch_done()
    }

    /// The set whose head plays.
    pub fn heard(&self) -> u64 {
        self.shelf.get(self.head.set()).id
    }

    /// The newest set, whether it plays already or not.
    pub fn newest(&self) -> u64 {
        self.shelf.get(self.shelf.current()).id
    }

    /// Whether the newest set plays throughout and no other is still heard.
    pub fn is_settled(&self) -> bool {
        self.shelf.is_settled()
    }

    /// Runs between a caller's buffers.
    #[inline]
    pub fn run(&mut self, frames: usize, channels: &mut impl Channels<T>) {
        match frames == 1 && self.head.is_steady(self.position) {
            true => self.step(channels),
            false => self.run_segments(frames, channels),
        }
    }

    /// The levels' work does not ask for a segment's input, and comes first: meanwhile the input is
    /// fetched, which often lies far away.
    #[inline(never)]
    fn run_segments(&mut self, frames: usize, channels: &mut impl Channels<T>) {
        let mut at = 0;
        while at < frames {
            let now = at..at + self.segment().min(frames - at);
            if now.len() >= FAR {
                for channel in 0..self.inputs() {
                    if let Some(samples) = channels.read_slice(channel, now.clone()) {
                        kernel::prefetch(samples);
                    }
                }
            }
            let until = self.position + now.len();
            // As in a step: what is within a group waits for its end.
            if until / direct::GROUP > self.position / direct::GROUP {
                self.spread(until);
            }
            for channel in 0..self.inputs() {
                let history = &mut self.histories[channel];
                match channels.read_slice(channel, now.clone()) {
                    Some(samples) => history.write_slice(self.position, samples),
                    None => {
                        let samples = channels.read(channel, now.clone());
                        history.write(self.position, now.len(), samples);
                    }
                }
                self.faults_end = self.faults_end.max(history.faults_end());
            }
            for channel in 0..self.outputs() {
                channels.write(channel, now.clone(), |target| self.emit(channel, target));
            }
            self.advance(now.len());
            at = now.end;
        }
    }

    /// A single frame within a group of outputs. What is to be spread waits for the group's end: it
    /// would cost more to look after it than to do it.
    #[inline]
    fn step(&mut self, channels: &mut impl Channels<T>) {
        if let Some((inputs, outputs)) = channels.frame() {
            self.step_between(inputs, outputs);
            return;
        }
        let mut frame = std::mem::take(&mut self.frame);
        let [inputs, outputs] = &mut frame;
        for (channel, slot) in inputs.iter_mut().enumerate() {
            channels.read(channel, 0..1).for_each(|x| *slot = x);
        }
        self.step_between(inputs, outputs);
        for (channel, &y) in outputs.iter().enumerate() {
            channels.write(channel, 0..1, |target| target.fill(y));
        }
        self.frame = frame;
    }

    /// The same for one sample of each channel.
    #[inline]
    fn step_between(&mut self, inputs: &[T], outputs: &mut [T]) {
        (self.step)(self, inputs, outputs);
        let until = self.position + 1;
        match until.is_multiple_of(direct::GROUP) {
            true => self.end_group(until),
            false => {
                self.position = until;
                self.head.go_on(until);
            }
        }
    }

    /// A group of outputs ends with a single frame: what has waited for that.
    #[inline(never)]
    fn end_group(&mut self, until: usize) {
        let histories = self.histories.iter_mut();
        histories.for_each(|history| history.advance(until));
        self.spread(until);
        self.advance(1);
    }

    /// After a single frame of which some input was not finite, now or before: marks the outputs that it
    /// harms, a sample of each.
    #[cold]
    fn find_faults(&mut self, outputs: &mut [T]) {
        let ends = self.histories.iter().map(History::faults_end);
        self.faults_end = ends.max().unwrap_or(0);
        for (output, y) in outputs.chunks_mut(1).enumerate() {
            self.mark_faults(output, y);
        }
    }

    /// Begins a segment; returns its frames at most.
    #[inline]
    fn segment(&mut self) -> usize {
        // While a set is to take over, the head's step is small, that it may be heard soon.
        let grid = match self.shelf.is_settled() {
            true => self.head.stride(),
            false => self.head.stride().min(HEAD_STEP),
        };
        let within = self.position & (grid - 1);
        if within == 0 {
            self.head.turn(&mut self.shelf, &self.fade);
        }
        grid - within
    }

    /// Makes one output's frames of this segment; every input must have been written.
    #[inline]
    fn emit(&mut self, output: usize, target: &mut [T]) {
        let first = output * self.granule + (self.position & (self.granule - 1));
        let share = &self.shares[first..first + target.len()];
        let inputs = Inputs {
            at: self.position,
            histories: &self.histories,
            shelf: &self.shelf,
            fade: &self.fade,
        };
        self.work += self.head.emit(&inputs, output, share, target);
        if self.faults_end > 0 {
            self.mark_faults(output, target);
        }
    }

    /// Does the levels' work that falls to the frames up to position `until`.
    fn spread(&mut self, until: usize) {
        let frames = until - std::mem::replace(&mut self.spread_until, until);
        let within = (until - frames) & (self.granule - 1);
        let until = within + frames;
        self.due += self.rate * frames as i64;
        self.due -= self.head.work(until, SCALE) - self.head.work(within, SCALE);
        if until == self.granule {
            self.due -= self.at_once * SCALE;
        }
        let mut busy = 0;
        while self.due > 0 {
            let Some(level) = self.levels.get_mut(busy) else {
                break;
            };
            let due = self.due / SCALE + 1;
            match level.work(due, &self.histories, &self.shelf) {
                Some(Done { due, work }) => {
                    self.due -= due * SCALE;
                    self.work += work as u64;
                }
                None => busy += 1,
            }
        }
    }

    /// The segment is done.
    #[inline]
    fn advance(&mut self, frames: usize) {
        self.position += frames;
        self.head.advance(self.position, frames);
        if self.position & (self.head.stride() - 1) == 0 {
            match self.position & (self.granule - 1) {
                0 => self.turn(),
                within => self.square(within),
            }
        }
    }

    /// Frames `..within` of a granule are done: the part that ends here answers to the one behind it.
    #[inline(never)]
    fn square(&mut self, within: usize) {
        let part = 1 << within.trailing_zeros();
        let made = self
            .squares
            .iter_mut()
            .find(|square| square.block() == part);
        let Some(square) = made else {
            return self.square_alone(within);
        };
        let (histories, shelf) = (&self.histories, &mut self.shelf);
        self.work += square.turn(self.position, histories, shelf, &self.fade) as u64;
        let shares = self.shares.chunks_exact_mut(self.granule);
        for (output, share) in shares.enumerate() {
            let share = &mut share[within..within + part];
            square.add(output, self.position, &self.fade, share);
        }
    }

    /// The same where it needs no level.
    fn square_alone(&mut self, within: usize) {
        let inputs = Inputs {
            at: self.position,
            histories: &self.histories,
            shelf: &self.shelf,
            fade: &self.fade,
        };
        let shares = self.shares.chunks_exact_mut(self.granule);
        for (output, share) in shares.enumerate() {
            let next = &mut share[within..within + self.head.stride()];
            self.work += self.head.square(&inputs, output, next);
        }
    }

    /// A step of the grid.
    #[inline(never)]
    fn turn(&mut self) {
        // All that was due is done, or there was nothing to do.
        self.due = self.due.min(0);
        for level in &mut self.levels {
            if self.position & (level.block() - 1) != 0 {
                break;
            }
            let (histories, shelf) = (&self.histories, &mut self.shelf);
            self.work += level.turn(self.position, histories, shelf, &self.fade) as u64;
        }
        if !self.shelf.is_settled() || self.rate_is_raised {
            self.set_rate();
        }
        let outputs = self.outputs();
        let shares = self.shares.chunks_exact_mut(self.granule);
        for (output, share) in shares.enumerate() {
            // What others play has been pushed far away.
            if output + AHEAD < outputs {
                let fetch =
                    |level: &Level<T>| level.fetch(output + AHEAD, self.position, self.granule);
                self.levels.iter().for_each(fetch);
            }
            // Not even one level is copied: with a positive zero below, no zero of a share is negative.
            share.fill(T::zero());
            for level in &self.levels {
                level.add(output, self.position, &self.fade, share);
            }
        }
    }

    fn set_rate(&mut self) {
        let rate = |level: &Level<T>| {
            let work = level.work_to_spread(&self.shelf);
            work * SCALE / level.block() as i64 + i64::from(work > 0)
        };
        let spread: i64 = self.levels.iter().map(rate).sum();
        let first = self.levels.first();
        self.at_once = first.map_or(0, |level| level.work_at_once(&self.shelf));
        let at_once = self.at_once * SCALE + self.head.work(self.granule, SCALE);
        self.rate = spread + at_once / self.granule as i64 + 1;
        self.rate_is_raised = !self.shelf.is_settled();
    }

    /// Called once per block of input, behind its last frame.
    pub fn took_input(&mut self, frames: usize) {
        if frames > 0 {
            self.input_end = Some(self.position);
        }
    }

    /// An input fault makes its whole answer unknown: NaN for as long as the response is. The
    /// machine itself goes on with zero, so afterwards the output is clean to the bit.
    #[cold]
    fn mark_faults(&mut self, output: usize, target: &mut [T]) {
        let heard = self.faults_end + self.latency + self.granule > self.position;
        if !heard && self.harmed_until[output] <= self.position {
            return;
        }
        for (n, y) in target.iter_mut().enumerate() {
            let now = self.position + n;
            for (route, prepared) in &self.shelf.get(self.head.set()).routes[output] {
                let answers = now.checked_sub(self.latency);
                if answers.is_some_and(|at| self.histories[route.input].is_fault(at)) {
                    let frames = match self.shelf.is_settled() {
                        true => prepared.frames(),
                        false => self.shelf.longest(),
                    };
                    let until = &mut self.harmed_until[output];
                    *until = (*until).max(now + frames);
                }
            }
            if now < self.harmed_until[output] {
                *y = T::nan();
            }
        }
    }
}
