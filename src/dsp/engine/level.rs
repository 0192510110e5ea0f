//! The partitions of one size at work: windows in, products summed, blocks out.

use std::ops::Range;
use std::sync::Arc;

use super::agenda::Task;
use super::responses::Share;
use super::shelf::Shelf;
use crate::dsp::delay_line::DelayLine;
use crate::dsp::fade::Fade;
use crate::dsp::fft::Transform;
use crate::dsp::history::History;
use crate::dsp::pairs::Pairs;
use crate::dsp::product::{Pasts, Path, Run, Sum, with_its_room};
use crate::dsp::scheme::{LevelShape, Pace};
use crate::kernel::Buffer;
use crate::signal::Sample;

/// One level of all channels.
#[derive(Debug, Clone)]
pub(crate) struct Level<T: Sample> {
    /// Which one it is, from the smallest on.
    index: usize,
    pace: Pace,
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
    /// Position at which the windows of this work end.
    at: usize,
    forward_work: Buffer<T>,
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

#[derive(Debug)]
struct Voice<T> {
    runs: Vec<Run>,
    /// In place of them, where products are made for two blocks at once.
    pairs: Option<Pairs<T>>,
    work: Buffer<T>,
    making: Block<T>,
    playing: Block<T>,
}

#[derive(Debug, Clone)]
struct Block<T> {
    samples: Buffer<T>,
    /// Otherwise it is silence, whatever the samples say.
    sounds: bool,
    /// Frames of the fade that lie before this block, if it takes part in one.
    fade: Option<usize>,
}

/// With the same room for runs: a copy does not allocate while running, either.
impl<T: Clone> Clone for Voice<T> {
    fn clone(&self) -> Self {
        Self {
            runs: with_its_room(&self.runs),
            pairs: self.pairs.clone(),
            work: self.work.clone(),
            making: self.making.clone(),
            playing: self.playing.clone(),
        }
    }
}

impl<T: Sample> Block<T> {
    #[cold]
    fn add_weighted(&self, within: usize, weight: impl Fn(usize) -> T, target: &mut [T]) {
        if self.sounds {
            for (n, (y, &x)) in target.iter_mut().zip(&self.samples[within..]).enumerate() {
                *y += x * weight(n);
            }
        }
    }
}

impl<T: Sample> Voice<T> {
    fn new(shape: LevelShape, work: usize, routes: usize) -> Self {
        let block = || Block {
            samples: Buffer::zeros(shape.block),
            sounds: false,
            fade: None,
        };
        let pairs = || Pairs::new(shape.block, routes, shape.partitions);
        Self {
            // A run for each partition at most, and one more where the ring of the past breaks.
            runs: Vec::with_capacity(match shape.in_pairs() {
                true => 0,
                false => routes * (shape.partitions + 1),
            }),
            pairs: shape.in_pairs().then(pairs),
            work: Buffer::zeros(work),
            making: block(),
            playing: block(),
        }
    }

    fn play(&mut self) {
        std::mem::swap(&mut self.making, &mut self.playing);
    }

    fn silence(&mut self) {
        for block in [&mut self.making, &mut self.playing] {
            (block.sounds, block.fade) = (false, None);
        }
        self.pairs.iter_mut().for_each(Pairs::reset);
    }

    /// Lists the products as runs of neighbouring slots that all sound.
    fn collect(&mut self, paths: &[Path<T>], lines: &[DelayLine<T>]) -> bool {
        if let Some(pairs) = &mut self.pairs {
            self.making.sounds = pairs.collect(paths, lines);
            return self.making.sounds;
        }
        self.runs.clear();
        let mut done = false;
        for (index, path) in paths.iter().enumerate() {
            let line = &lines[path.input];
            if !line.all_silent() {
                Run::list(index, line, &path.partitions, 0..usize::MAX, &mut self.runs);
                done = true;
            }
        }
        self.making.sounds = !self.runs.is_empty();
        done
    }

    fn inverse(
        &mut self,
        transform: &Transform<T>,
        block: usize,
        steps: Range<usize>,
        share: &Share<T>,
        output: usize,
        lines: &[DelayLine<T>],
    ) -> bool {
        if !self.making.sounds {
            return false;
        }
        let paths = &share.paths[output];
        let pasts = Pasts::Lines(lines);
        let (work, out) = (&mut self.work, &mut self.making.samples);
        match (&mut self.pairs, share.turns) {
            (Some(pairs), Some(turns)) => {
                let bins = pairs.bins(block, turns, paths, pasts);
                transform.inverse(steps, bins, work, out);
            }
            _ => {
                let runs = &self.runs;
                transform.inverse(steps, &Sum { runs, paths, pasts }, work, out);
            }
        }
        true
    }
}

impl<T: Sample> Level<T> {
    /// Plays the newest set of the shelf, of which it is a user already. `exchange` is whether
    /// other sets will come.
    pub fn new(index: usize, inputs: usize, exchange: bool, shelf: &Shelf<T>) -> Self {
        let set = shelf.get(shelf.current());
        let (shape, transform) = (
            set.bench.layout.levels[index],
            set.bench.transforms[index].clone(),
        );
        let tasks = set.shares[index].agenda.len();
        let output = |paths: &Vec<Path<T>>| {
            let voice = || Voice::new(shape, transform.work_len(), paths.len());
            Output {
                voice: voice(),
                leaving: exchange.then(voice),
            }
        };
        Self {
            index,
            pace: shape.pace,
            lines: vec![DelayLine::new(shape.block, shape.partitions); inputs],
            outputs: set.shares[index].paths.iter().map(output).collect(),
            set: shelf.current(),
            leaving: None,
            last: None,
            next: tasks,
            tasks,
            at: 0,
            forward_work: Buffer::zeros(transform.work_len()),
            transform,
        }
    }

    pub fn block(&self) -> usize {
        self.transform.block()
    }

    /// Which block of the grid the windows of this work end.
    fn number(&self) -> usize {
        self.at >> self.block().ilog2()
    }

    /// Work of the block in the making that is to be spread evenly.
    pub fn work_to_spread(&self, shelf: &Shelf<T>) -> i64 {
        match self.pace {
            Pace::AtOnce => 0,
            Pace::Spread => {
                let (all, _) = self.share(shelf).work;
                let extra = self.leaving_share(shelf).map_or(0, |share| share.work.1);
                all + extra
            }
        }
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
        self.next = self.tasks;
    }

    /// Adds this level's share of the frames from position `at` on.
    #[inline]
    pub fn add(&self, output: usize, at: usize, fade: &Fade<T>, target: &mut [T]) {
        let within = at & (self.transform.block() - 1);
        let Output { voice, leaving } = &self.outputs[output];
        let block = &voice.playing;
        match block.fade {
            None if block.sounds => {
                for (y, &x) in target.iter_mut().zip(&block.samples[within..]) {
                    *y += x;
                }
            }
            None => {}
            Some(before) => {
                let weight = |n: usize| fade.weight(before + within + n);
                block.add_weighted(within, weight, target);
                if let Some(voice) = leaving {
                    let weight = |n: usize| T::one() - weight(n);
                    voice.playing.add_weighted(within, weight, target);
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
        if self.pace == Pace::Spread {
            self.play();
        }
        self.at = at;
        for (line, history) in self.lines.iter_mut().zip(histories) {
            line.turn(history.is_silent_since(at.saturating_sub(2 * self.transform.block())));
        }
        self.begin(shelf, fade);
        if self.pace == Pace::AtOnce {
            done += self.finish(histories, shelf);
            self.play();
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
                match self.pace {
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
        self.next = 0;
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
                    output.voice.pairs.iter_mut().for_each(Pairs::begin_anew);
                }
            }
        }
    }

    /// Does what is left of this block's work.
    fn finish(&mut self, histories: &[History<T>], shelf: &Shelf<T>) -> i64 {
        let mut done = 0;
        while let Some(work) = self.work(histories, shelf) {
            done += work;
        }
        done
    }

    /// Does the next task and returns its cost, or nothing when all is done.
    #[inline]
    pub fn work(&mut self, histories: &[History<T>], shelf: &Shelf<T>) -> Option<i64> {
        if self.next >= self.tasks {
            return None;
        }
        let share = self.share(shelf);
        let Some((task, cost)) = share.agenda.get(self.next) else {
            return Some(self.work_for_leaving(self.next - share.agenda.len(), shelf));
        };
        self.next += 1;
        let done = match task {
            Task::Forward { input, steps } => {
                self.forward(*input, steps.clone(), &histories[*input])
            }
            Task::Collect { output } => {
                let voice = &mut self.outputs[*output].voice;
                voice.collect(&share.paths[*output], &self.lines)
            }
            Task::Inverse { output, steps } => {
                let block = self.number();
                let voice = &mut self.outputs[*output].voice;
                let (transform, lines) = (&self.transform, &self.lines);
                voice.inverse(transform, block, steps.clone(), share, *output, lines)
            }
        };
        Some(if done { i64::from(*cost) } else { 0 })
    }

    /// The same for the set that is faded out: its outputs only.
    #[cold]
    fn work_for_leaving(&mut self, task: usize, shelf: &Shelf<T>) -> i64 {
        self.next += 1;
        let Some(share) = self.leaving_share(shelf) else {
            return 0;
        };
        let (task, cost) = &share.agenda[task];
        let (Task::Collect { output } | Task::Inverse { output, .. }) = task else {
            return 0;
        };
        let block = self.number();
        let Output { voice, leaving } = &mut self.outputs[*output];
        let (Some(_), Some(leaving)) = (voice.making.fade, leaving) else {
            return 0;
        };
        let done = match task {
            Task::Inverse { steps, .. } => leaving.inverse(
                &self.transform,
                block,
                steps.clone(),
                share,
                *output,
                &self.lines,
            ),
            _ => leaving.collect(&share.paths[*output], &self.lines),
        };
        if done { i64::from(*cost) } else { 0 }
    }

    #[inline]
    fn forward(&mut self, input: usize, steps: Range<usize>, history: &History<T>) -> bool {
        let line = &mut self.lines[input];
        if line.newest_is_silent() {
            return false;
        }
        let block = self.transform.block();
        let (previous, current) = (
            history.block(self.at - block, block),
            history.block(self.at, block),
        );
        let newest = line.newest();
        let spectra = line.spectra_mut().samples_mut();
        self.transform.forward(
            steps,
            previous,
            current,
            &mut self.forward_work,
            spectra,
            newest,
        );
        true
    }
}
