//! The running machine of a matrix of responses: writes inputs, emits outputs, keeps the grid.

mod agenda;
mod level;
pub(crate) mod responses;
mod shelf;
mod voice;

use super::channels::Channels;
use super::compiled::Compiled;
use super::direct::{self, Begun};
use super::error::BuildError;
use super::fade::Fade;
use super::handover::Parcel;
use super::history::{Frames, History, Slice};
use super::plan::{Plan, Prepared};
use super::routing::Routing;
use crate::kernel::{self, Cpu};
use crate::signal::Sample;
use agenda::Done;
use level::Level;
use responses::Responses;
use shelf::Shelf;

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
    fade: Fade<T>,
    /// All work per frame, and what is due now; both scaled by `SCALE`.
    rate: i64,
    rate_is_raised: bool,
    due: i64,
    /// Work of a granule that cannot be spread: of its last call, and of the head, for so many routes.
    at_once: i64,
    heads: usize,
    /// All work so far, in units of the agendas.
    work: u64,
    /// For each output the frame up to which an input fault harms it.
    harmed_until: Vec<usize>,
    /// Position behind the last of the inputs' faults; 0 if there was none.
    faults_end: usize,
    /// What the levels add to each output, up to the next step of the grid.
    shares: Vec<Vec<T>>,
}

/// Which responses the time domain plays.
#[derive(Debug, Clone)]
struct Head<T> {
    set: usize,
    /// The set that is faded out, and the frames of the fade so far.
    leaving: Option<(usize, usize)>,
    /// The outputs of both, in a fade.
    scratch: [Vec<T>; 2],
    reach: Reach,
    /// For each output and each route to it.
    begun: Vec<Vec<Begun<T>>>,
}

const SCALE: i64 = 1 << 16;

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

/// Fewer frames of input are not worth being fetched.
const FAR: usize = 16;

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
        let begun = |routes: &Vec<_>| vec![Begun::new(); routes.len()];
        let begun = set.value.routes.iter().map(begun).collect();
        let granule = layout.granule();
        // While a level works on a block, up to one more comes in.
        let blocks = layout.levels.last().map_or(granule, |l| 2 * l.block);
        let heads = match layout.head {
            0 => 0,
            _ => set.value.routes.iter().map(Vec::len).sum(),
        };
        let history = History::new(cpu, layout.head, blocks, granule, layout.latency);
        let shelf = Shelf::new(set, layout.levels.len() + 1);
        let level = |index| Level::new(index, inputs, fade.is_some(), &shelf);
        let levels: Vec<Level<T>> = (0..layout.levels.len()).map(level).collect();
        let mut engine = Self {
            cpu,
            compiled: Compiled::table(),
            latency: layout.latency,
            granule,
            position: 0,
            input_end: None,
            histories: vec![history; inputs],
            rate: 0,
            rate_is_raised: false,
            due: 0,
            at_once: 0,
            heads,
            work: 0,
            head: Head {
                set: shelf.current(),
                leaving: None,
                scratch: [vec![T::zero(); granule], vec![T::zero(); granule]],
                reach: Reach {
                    before: layout.head_reach(0),
                    grows: layout.head_reach(granule - 1) > layout.head_reach(0),
                },
                begun,
            },
            shelf,
            levels,
            fade: fade.unwrap_or_else(|| Fade::new(0)),
            harmed_until: vec![0; outputs],
            faults_end: 0,
            shares: vec![vec![T::zero(); granule]; outputs],
        };
        engine.set_rate();
        engine
    }

    pub fn inputs(&self) -> usize {
        self.histories.len()
    }

    pub fn outputs(&self) -> usize {
        self.shares.len()
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
        self.due = 0;
        self.histories.iter_mut().for_each(History::reset);
        let shelf = &mut self.shelf;
        self.levels.iter_mut().for_each(|level| level.reset(shelf));
        if let Some((set, _)) = self.head.leaving.take() {
            shelf.release(set);
        }
        shelf.release(self.head.set);
        self.head.set = shelf.take();
        let begun = self.head.begun.iter_mut().flatten();
        begun.for_each(Begun::forget);
        self.set_rate();
        self.harmed_until.fill(0);
        self.faults_end = 0;
        self.shares
            .iter_mut()
            .for_each(|share| share.fill(T::zero()));
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
        self.shelf.get(self.head.set).id
    }

    /// The newest set, whether it plays already or not.
    pub fn newest(&self) -> u64 {
        self.shelf.get(self.shelf.current()).id
    }

    /// Whether the newest set plays throughout and no other is still heard.
    pub fn is_settled(&self) -> bool {
        self.shelf.is_settled()
    }

    /// Runs between a caller's buffers, in segments. The levels' work does not ask for this segment's
    /// input, and comes first: meanwhile the input is fetched, which often lies far away.
    #[inline]
    pub fn run(&mut self, frames: usize, channels: &mut impl Channels<T>) {
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
            self.spread(now.len());
            for channel in 0..self.inputs() {
                match channels.read_slice(channel, now.clone()) {
                    Some(samples) => self.write(channel, now.len(), Slice(samples)),
                    None => self.write(channel, now.len(), channels.read(channel, now.clone())),
                }
            }
            for channel in 0..self.outputs() {
                channels.write(channel, now.clone(), |target| self.emit(channel, target));
            }
            self.advance(now.len());
            at = now.end;
        }
    }

    /// Begins a segment; returns its frames at most.
    #[inline]
    fn segment(&mut self) -> usize {
        // While a set is to take over, the head's step is small, that it may be heard soon.
        let grid = match self.shelf.is_settled() {
            true => self.granule,
            false => self.granule.min(HEAD_STEP),
        };
        let within = self.position & (grid - 1);
        if within == 0 {
            self.turn_head();
        }
        grid - within
    }

    /// The head's step of the grid: it takes over the newest set.
    fn turn_head(&mut self) {
        let Head { set, leaving, .. } = &mut self.head;
        if let Some((old, done)) = *leaving
            && done >= self.fade.frames()
        {
            self.shelf.release(old);
            *leaving = None;
        }
        if leaving.is_none() && *set != self.shelf.current() {
            let old = std::mem::replace(set, self.shelf.take());
            *leaving = Some((old, 0));
        }
    }

    /// Takes one input's frames of this segment.
    #[inline]
    fn write(&mut self, input: usize, frames: usize, samples: impl Frames<T>) {
        let history = &mut self.histories[input];
        history.write(self.position, frames, samples);
        self.faults_end = self.faults_end.max(history.faults_end());
    }

    /// Makes one output's frames of this segment; every input must have been written.
    #[inline]
    fn emit(&mut self, output: usize, target: &mut [T]) {
        let within = self.position & (self.granule - 1);
        let share = &self.shares[output][within..within + target.len()];
        match target {
            // A call would cost more than what it copies.
            [y] => *y = share[0],
            _ => target.copy_from_slice(share),
        }
        let fades = self.head.leaving.filter(|&(leaving, _)| {
            let (new, old) = (self.shelf.get(self.head.set), self.shelf.get(leaving));
            !new.same_head(old, output)
        });
        match fades {
            None => self.work += self.add_head(self.head.set, output, target),
            Some((leaving, done)) => self.emit_faded(output, leaving, done, target),
        }
        if self.faults_end > 0 {
            self.mark_faults(output, target);
        }
    }

    /// Adds what the heads of a set make of the inputs; returns the work.
    #[inline]
    fn add_head(&mut self, set: usize, output: usize, target: &mut [T]) -> u64 {
        let (mut work, reach) = (0, self.head.reach);
        let routes = self.shelf.get(set).routes[output].iter();
        for ((route, prepared), begun) in routes.zip(&mut self.head.begun[output]) {
            let (taps, history) = (&prepared.head[..], &self.histories[route.input]);
            if let [y] = target
                && begun.goes_on(self.position)
            {
                let x = history.at(self.position);
                (self.compiled.next)(self.cpu, taps, x, self.position, y, begun);
                work += direct::cost::<T>(0, 1);
                continue;
            }
            // The group of outputs begins here.
            let begin = self.position - self.position % direct::GROUP;
            let lookback = direct::lookback(taps);
            let reach = reach.at(begin & (self.granule - 1));
            let most = lookback.min(reach);
            if taps.is_empty() || history.is_silent_since(begin.saturating_sub(most)) {
                continue;
            }
            let frames = self.position - begin + target.len();
            let recent = history.recent(begin, lookback, frames);
            (self.compiled.fir)(self.cpu, taps, recent, self.position, reach, target, begun);
            work += direct::cost::<T>(lookback.min(most + target.len() / 2), target.len());
        }
        work
    }

    #[cold]
    fn emit_faded(&mut self, output: usize, leaving: usize, done: usize, target: &mut [T]) {
        let mut scratch = std::mem::take(&mut self.head.scratch);
        let [new, old] = &mut scratch;
        let (new, old) = (&mut new[..target.len()], &mut old[..target.len()]);
        for (set, share) in [(self.head.set, &mut *new), (leaving, &mut *old)] {
            share.fill(T::zero());
            // Neither goes on with the other's.
            self.head.begun[output].iter_mut().for_each(Begun::forget);
            self.work += self.add_head(set, output, share);
        }
        for (n, y) in target.iter_mut().enumerate() {
            *y += self.fade.cross(done + n, old[n], new[n]);
        }
        self.head.scratch = scratch;
    }

    /// Does the levels' work that falls to a segment of so many frames.
    fn spread(&mut self, frames: usize) {
        let within = self.position & (self.granule - 1);
        let until = within + frames;
        self.due += self.rate * frames as i64;
        self.due -= self.head_work(until) - self.head_work(within);
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
    fn advance(&mut self, frames: usize) {
        self.position += frames;
        if let Some((_, done)) = &mut self.head.leaving {
            *done += frames;
        }
        if self.position & (self.granule - 1) == 0 {
            // All that was due is done, or there was nothing to do.
            self.due = self.due.min(0);
            self.turn();
        }
    }

    /// The head's work in the first `frames` of a granule, scaled.
    fn head_work(&self, frames: usize) -> i64 {
        let Head { reach, .. } = self.head;
        let sum = reach.at(0) + reach.at(frames) + 2 * direct::GROUP;
        (self.heads * frames * sum * size_of::<T>()) as i64 * (SCALE / 256)
    }

    /// A step of the grid.
    fn turn(&mut self) {
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
        for (output, share) in self.shares.iter_mut().enumerate() {
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
        let at_once = self.at_once * SCALE + self.head_work(self.granule);
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
            for (route, prepared) in &self.shelf.get(self.head.set).routes[output] {
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
