//! The partitions of one size at work: windows in, products summed, blocks out.

use std::ops::Range;
use std::sync::Arc;

use super::agenda::{Done, Entry, Task};
use super::responses::Share;
use super::shelf::Shelf;
use super::voice::{Desk, Stretch, Voice};
use crate::dsp::compiled::Compiled;
use crate::dsp::delay_line::DelayLine;
use crate::dsp::fade::Fade;
use crate::dsp::fft::{Slot, Transform};
use crate::dsp::history::History;
use crate::dsp::product::Path;
use crate::dsp::scheme::{LevelShape, Pace};
use crate::kernel::{self, Buffer, Cpu};
use crate::signal::Sample;

/// One level of all channels.
#[derive(Debug, Clone)]
pub(crate) struct Level<T: Sample> {
    cpu: Cpu,
    compiled: &'static Compiled<T>,
    /// Which one it is, from the smallest on.
    index: usize,
    shape: LevelShape,
    transform: Arc<Transform<T>>,
    lines: Vec<DelayLine<T>>,
    /// The set that is played, and the one it takes over from.
    set: usize,
    leaving: Option<Leaving>,
    /// A set whose last block is still being played.
    last: Option<usize>,
    /// The first task that is still to do: those of the set, then, while it takes over, those of
    /// the other that are not for the inputs.
    next: usize,
    tasks: usize,
    /// The first of its pieces that is.
    piece: usize,
    /// Position at which the windows of this work end.
    at: usize,
    forward_work: Buffer<T>,
    /// For outputs in the making, which are few: what is used again and again stays near.
    desks: Vec<Buffer<T>>,
    outputs: Vec<Output<T>>,
}

/// The set that is faded out.
#[derive(Debug, Clone, Copy)]
struct Leaving {
    set: usize,
    /// Frames of the fade that lie before the block in the making.
    before: usize,
}

/// An output's state at one level: one voice, and a second one if sets are to be exchanged.
#[derive(Debug, Clone)]
struct Output<T> {
    voice: Voice<T>,
    leaving: Option<Voice<T>>,
}

impl<T: Sample> Level<T> {
    /// Plays the newest set of the shelf, of which it is a user already. `exchange` is whether
    /// other sets will come.
    pub fn new(index: usize, inputs: usize, exchange: bool, shelf: &Shelf<T>) -> Self {
        let set = shelf.get(shelf.current());
        let (shape, transform) = (set.bench.levels[index], set.bench.transforms[index].clone());
        let tasks = set.shares[index].agenda.len();
        let agenda = set.shares[index].agenda.iter();
        let desk = |entry: &Entry| match entry.task {
            Task::Output { desk, .. } => desk + 1,
            _ => 1,
        };
        let desks = agenda.map(desk).max().unwrap_or(1);
        let output = |paths: &Vec<Path<T>>| {
            let voice = || Voice::new(set.bench.cpu, shape, paths.len());
            Output {
                voice: voice(),
                leaving: exchange.then(voice),
            }
        };
        Self {
            cpu: set.bench.cpu,
            compiled: Compiled::table(),
            index,
            shape,
            lines: vec![DelayLine::new(shape.block, shape.partitions); inputs],
            outputs: set.shares[index].paths.iter().map(output).collect(),
            set: shelf.current(),
            leaving: None,
            last: None,
            next: tasks,
            tasks,
            piece: 0,
            at: 0,
            forward_work: Buffer::zeros(transform.work_len()),
            desks: vec![Buffer::zeros(transform.work_len()); desks],
            transform,
        }
    }

    pub fn block(&self) -> usize {
        self.transform.block()
    }

    /// How many blocks of input there are for this work.
    fn number(&self) -> usize {
        self.at >> self.block().ilog2()
    }

    /// The partitions that the block which is spread now reaches to, and the next.
    fn reach(&self) -> [usize; 2] {
        let number = self.number() + self.shape.first_spread();
        [self.shape.reach(number), self.shape.reach(number + 1)]
    }

    /// Work of the block in the making that is to be spread evenly.
    pub fn work_to_spread(&self, shelf: &Shelf<T>) -> i64 {
        let (all, _) = self.share(shelf).work;
        let extra = self.leaving_share(shelf).map_or(0, |share| share.work.1);
        all + extra
    }

    /// Work that is done at once when a block is full.
    pub fn work_at_once(&self, shelf: &Shelf<T>) -> i64 {
        self.share(shelf).at_once(self.lines.len())
    }

    fn share<'a>(&self, shelf: &'a Shelf<T>) -> &'a Share<T> {
        &shelf.get(self.set).shares[self.index]
    }

    fn leaving_share<'a>(&self, shelf: &'a Shelf<T>) -> Option<&'a Share<T>> {
        let Leaving { set, .. } = self.leaving?;
        Some(&shelf.get(set).shares[self.index])
    }

    /// Forgets all input; the newest set plays at once.
    pub fn reset(&mut self, shelf: &mut Shelf<T>) {
        self.lines.iter_mut().for_each(DelayLine::reset);
        for output in &mut self.outputs {
            output.voice.silence();
            output.leaving.iter_mut().for_each(Voice::silence);
        }
        let leaving = self.leaving.take().map(|leaving| leaving.set);
        for set in [leaving, self.last.take()].into_iter().flatten() {
            shelf.release(set);
        }
        shelf.release(self.set);
        self.set = shelf.take();
        self.tasks = self.share(shelf).agenda.len();
        (self.next, self.piece) = (self.tasks, 0);
    }

    /// Has so many frames of an output fetched that are to be added soon.
    #[inline]
    pub fn fetch(&self, output: usize, at: usize, frames: usize) {
        let within = at & (self.transform.block() - 1);
        let block = &self.outputs[output].voice.playing;
        if block.sounds {
            kernel::prefetch(&block.samples[within..within + frames]);
        }
    }

    /// Adds this level's share of the frames from position `at` on.
    #[inline]
    pub fn add(&self, output: usize, at: usize, fade: &Fade<T>, share: &mut [T]) {
        let within = at & (self.transform.block() - 1);
        let Output { voice, leaving } = &self.outputs[output];
        let block = &voice.playing;
        match block.fade {
            None if block.sounds => {
                let samples = &block.samples[within..within + share.len()];
                (self.compiled.add)(self.cpu, samples, share);
            }
            None => {}
            Some(before) => {
                let weight = |n: usize| fade.weight(before + within + n);
                block.add_weighted(within, weight, share);
                if let Some(voice) = leaving {
                    let weight = |n: usize| T::one() - weight(n);
                    voice.playing.add_weighted(within, weight, share);
                }
            }
        }
    }

    /// A block is full at position `at`: what was made begins to play, and the windows that end
    /// here are the next work. Returns the work done here.
    pub fn turn(
        &mut self,
        at: usize,
        histories: &[History<T>],
        shelf: &mut Shelf<T>,
        fade: &Fade<T>,
    ) -> i64 {
        let mut done = self.finish(histories, shelf);
        if self.shape.pace == Pace::Spread {
            self.play();
        }
        self.at = at;
        for (line, history) in self.lines.iter_mut().zip(histories) {
            line.turn(history.is_silent_since(at - self.transform.block()));
        }
        self.begin(shelf, fade);
        if self.shape.pace == Pace::AtOnce {
            done += self.answer(histories, shelf);
            self.play();
        }
        done
    }

    /// Makes the block of output that begins here.
    fn answer(&mut self, histories: &[History<T>], shelf: &Shelf<T>) -> i64 {
        let (share, old) = (self.share(shelf), self.leaving_share(shelf));
        let (mut done, mut input) = (0, 0);
        for output in 0..self.outputs.len() {
            // Just before they are heard, while they are near.
            let heard = share.paths[output].iter().map(|path| path.input + 1).max();
            while input < heard.unwrap_or(0) {
                done += self.take(input, &histories[input], share);
                input += 1;
            }
            done += self.answer_one(output, share, old);
        }
        done
    }

    /// An input's newest block, at once.
    fn take(&mut self, input: usize, history: &History<T>, share: &Share<T>) -> i64 {
        let steps = 0..self.transform.steps();
        match self.forward(input, steps, history, share.far) {
            true => i64::from(share.input_at_once),
            false => 0,
        }
    }

    /// One output's block, at once.
    fn answer_one(&mut self, output: usize, share: &Share<T>, old: Option<&Share<T>>) -> i64 {
        let reach = self.shape.reach(self.number());
        let (transform, lines) = (&*self.transform, &self.lines[..]);
        let work = &mut self.desks[0][..];
        let mut answer = |voice: &mut Voice<T>, share| {
            let desk = Desk {
                transform,
                work: &mut *work,
            };
            voice.answer(desk, share, output, lines, reach)
        };
        let Output { voice, leaving } = &mut self.outputs[output];
        let mut done = answer(voice, share);
        if let (Some(_), Some(old), Some(leaving)) = (voice.making.fade, old, leaving) {
            done += answer(leaving, old);
        }
        done
    }

    fn play(&mut self) {
        for output in &mut self.outputs {
            output.voice.play();
            output.leaving.iter_mut().for_each(Voice::play);
        }
    }

    /// Begins the work of a block: with the newest set, unless a fade is still going on.
    fn begin(&mut self, shelf: &mut Shelf<T>, fade: &Fade<T>) {
        if let Some(set) = self.last.take() {
            shelf.release(set);
        }
        if let Some(leaving) = &mut self.leaving {
            leaving.before += self.transform.block();
            if leaving.before >= fade.frames() {
                match self.shape.pace {
                    Pace::AtOnce => shelf.release(leaving.set),
                    // What was just made of it begins to play.
                    Pace::Spread => self.last = Some(leaving.set),
                }
                self.leaving = None;
            }
        }
        let exchanged = self.leaving.is_none() && self.set != shelf.current();
        if exchanged {
            let set = std::mem::replace(&mut self.set, shelf.take());
            self.leaving = Some(Leaving { set, before: 0 });
        }
        (self.next, self.piece) = (0, 0);
        self.tasks = self.share(shelf).agenda.len();
        let Some(leaving) = self.leaving else {
            for output in &mut self.outputs {
                output.voice.making.fade = None;
            }
            return;
        };
        let (new, old) = (shelf.get(self.set), shelf.get(leaving.set));
        self.tasks += old.shares[self.index].agenda.len();
        for (index, output) in self.outputs.iter_mut().enumerate() {
            let fades = !new.same_partitions(old, self.index, index);
            output.voice.making.fade = fades.then_some(leaving.before);
            if let Some(leaving) = &mut output.leaving {
                leaving.making.sounds = false;
                // What was put aside for the set that leaves goes with it.
                if exchanged && fades {
                    std::mem::swap(&mut leaving.pairs, &mut output.voice.pairs);
                    std::mem::swap(&mut leaving.ahead, &mut output.voice.ahead);
                    output.voice.begin_anew();
                }
            }
        }
    }

    /// Does what is left of this block's work.
    fn finish(&mut self, histories: &[History<T>], shelf: &Shelf<T>) -> i64 {
        let mut done = 0;
        while let Some(Done { work, .. }) = self.work(i64::MAX, histories, shelf) {
            done += work;
        }
        done
    }

    /// Goes on with the next task, as far as that much is due and by one piece at least; nothing
    /// when all is done.
    #[inline(always)]
    pub fn work(&mut self, due: i64, histories: &[History<T>], shelf: &Shelf<T>) -> Option<Done> {
        if self.next >= self.tasks {
            return None;
        }
        let share = self.share(shelf);
        let (entry, share, leaves) = match share.agenda.get(self.next) {
            Some(entry) => (entry, share, false),
            None => {
                let old = self.leaving_share(shelf)?;
                (&old.agenda[self.next - share.agenda.len()], old, true)
            }
        };
        let (from, until) = (self.piece, entry.until(self.piece, due));
        let (begin, end) = (entry.before(from), entry.pieces[until]);
        self.piece = until + 1;
        if self.piece == entry.pieces.len() {
            (self.next, self.piece) = (self.next + 1, 0);
        }
        let stretch = Stretch {
            steps: entry.begin + begin.steps as usize..entry.begin + end.steps as usize,
            tiles: end.tiles - begin.tiles,
        };
        let spared = match leaves {
            false => self.go_on(&entry.task, stretch, share, histories),
            true => self.go_on_leaving(&entry.task, stretch, share),
        };
        Some(Done::of(end.cost - begin.cost, spared))
    }

    /// Does a stretch of a task; returns the work that was spared, or nothing if there was none.
    #[inline]
    fn go_on(
        &mut self,
        task: &Task,
        stretch: Stretch,
        share: &Share<T>,
        histories: &[History<T>],
    ) -> Option<u32> {
        match *task {
            Task::Forward { input } => {
                let done = self.forward(input, stretch.steps, &histories[input], share.far);
                done.then_some(0)
            }
            Task::Collect { output } => {
                let (lines, reach) = (&self.lines[..], self.reach());
                let voice = &mut self.outputs[output].voice;
                let done = voice.collect(&share.paths[output], lines, reach);
                done.then_some(0)
            }
            Task::Output { output, desk } => {
                let (block, lines) = (self.number(), &self.lines[..]);
                let (voice, transform) = (&mut self.outputs[output].voice, &*self.transform);
                let work = &mut self.desks[desk][..];
                let desk = Desk { transform, work };
                voice.go_on(desk, block, stretch, share, output, lines)
            }
        }
    }

    /// The same for the set that is faded out: its outputs only.
    #[cold]
    fn go_on_leaving(&mut self, task: &Task, stretch: Stretch, share: &Share<T>) -> Option<u32> {
        let (Task::Collect { output } | Task::Output { output, .. }) = *task else {
            return None;
        };
        let (block, reach) = (self.number(), self.reach());
        let Output { voice, leaving } = &mut self.outputs[output];
        // Of the block that this work began with.
        let fade = match self.shape.pace {
            Pace::AtOnce => voice.playing.fade,
            Pace::Spread => voice.making.fade,
        };
        let (Some(_), Some(leaving)) = (fade, leaving) else {
            return None;
        };
        let (transform, lines) = (&*self.transform, &self.lines[..]);
        match *task {
            Task::Output { desk, .. } => {
                let work = &mut self.desks[desk][..];
                let desk = Desk { transform, work };
                leaving.go_on(desk, block, stretch, share, output, lines)
            }
            _ => {
                let done = leaving.collect(&share.paths[output], lines, reach);
                done.then_some(0)
            }
        }
    }

    #[inline]
    fn forward(
        &mut self,
        input: usize,
        steps: Range<usize>,
        history: &History<T>,
        far: bool,
    ) -> bool {
        let line = &mut self.lines[input];
        if line.newest_is_silent() {
            return false;
        }
        let block = history.block(self.at, self.transform.block());
        let slot = Slot {
            index: line.newest(),
            spectra: line.spectra_mut().samples_mut(),
            far,
        };
        let work = &mut self.forward_work;
        self.transform.forward(steps, block, work, slot);
        true
    }
}
