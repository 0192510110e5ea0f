//! The partitions of one size at work: windows in, products summed, blocks out.

use std::ops::Range;
use std::sync::Arc;

use super::delay_line::DelayLine;
use super::fft::Transform;
use super::history::History;
use super::product::{Path, Run, Sum};
use super::scheme::{LevelShape, Pace};
use crate::kernel::{Buffer, Cpu};
use crate::signal::Sample;

/// A piece of work that is done in one go, small against a block's share of all work.
#[derive(Debug, Clone)]
enum Task {
    /// Steps of an input's transform.
    Forward { input: usize, steps: Range<usize> },
    /// Which products an output consists of.
    Collect { output: usize },
    /// Steps of an output's transform, the products included.
    Inverse { output: usize, steps: Range<usize> },
}

/// One level of all channels.
#[derive(Debug, Clone)]
pub(crate) struct Level<T: Sample> {
    pace: Pace,
    transform: Transform<T>,
    lines: Vec<DelayLine<T>>,
    /// The ways to each output.
    paths: Vec<Vec<Path<T>>>,
    /// All work of one block in its order, with its cost.
    agenda: Arc<[(Task, u32)]>,
    /// The first task that is still to do.
    next: usize,
    /// Position at which the windows of this work end.
    at: usize,
    forward_work: Buffer<T>,
    outputs: Vec<Output<T>>,
}

/// An output's state at one level.
#[derive(Debug, Clone)]
struct Output<T> {
    runs: Vec<Run>,
    work: Buffer<T>,
    making: Block<T>,
    playing: Block<T>,
}

#[derive(Debug, Clone)]
struct Block<T> {
    samples: Buffer<T>,
    /// Otherwise it is silence, whatever the samples say.
    sounds: bool,
}

impl<T: Sample> Level<T> {
    /// `paths` has the ways to each output.
    pub fn new(cpu: Cpu, shape: LevelShape, inputs: usize, paths: Vec<Vec<Path<T>>>) -> Self {
        let transform = Transform::<T>::new(shape.block, cpu);
        let block = || Block {
            samples: Buffer::zeros(shape.block),
            sounds: false,
        };
        let output = |paths: &Vec<Path<T>>| Output {
            runs: Vec::with_capacity(paths.iter().map(|p| p.partitions.silent.len() + 1).sum()),
            work: Buffer::zeros(transform.work_len()),
            making: block(),
            playing: block(),
        };
        let agenda = agenda(&transform, inputs, &paths, u32::MAX);
        Self {
            pace: shape.pace,
            lines: vec![DelayLine::new(shape.block, shape.partitions); inputs],
            outputs: paths.iter().map(output).collect(),
            paths,
            next: agenda.len(),
            agenda,
            at: 0,
            forward_work: Buffer::zeros(transform.work_len()),
            transform,
        }
    }

    pub fn block(&self) -> usize {
        self.transform.block()
    }

    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// All work of one block.
    pub fn work_of_block(&self) -> i64 {
        self.agenda.iter().map(|(_, cost)| i64::from(*cost)).sum()
    }

    /// Cuts the work into tasks that cost about `task` each, or a step if that is more.
    pub fn cut(&mut self, task: u32) {
        self.agenda = agenda(&self.transform, self.lines.len(), &self.paths, task);
        self.next = self.agenda.len();
    }

    pub fn reset(&mut self) {
        self.lines.iter_mut().for_each(DelayLine::reset);
        for output in &mut self.outputs {
            output.making.sounds = false;
            output.playing.sounds = false;
        }
        self.next = self.agenda.len();
    }

    /// Adds this level's share of the frames from position `at` on.
    pub fn add(&self, output: usize, at: usize, target: &mut [T]) {
        let playing = &self.outputs[output].playing;
        if playing.sounds {
            let share = &playing.samples[at & (self.block() - 1)..];
            for (y, &x) in target.iter_mut().zip(share) {
                *y += x;
            }
        }
    }

    /// A block is full at position `at`: what was made begins to play, and the windows that end
    /// here are the next work. Returns the work done here.
    pub fn turn(&mut self, at: usize, histories: &[History<T>]) -> i64 {
        let mut done = self.finish(histories);
        self.at = at;
        self.next = 0;
        for (line, history) in self.lines.iter_mut().zip(histories) {
            line.turn(history.is_silent_since(at.saturating_sub(2 * self.transform.block())));
        }
        match self.pace {
            Pace::AtOnce => {
                done += self.finish(histories);
                self.play();
            }
            Pace::Spread => self.play(),
        }
        done
    }

    fn play(&mut self) {
        for output in &mut self.outputs {
            std::mem::swap(&mut output.making, &mut output.playing);
        }
    }

    /// Does what is left of this block's work.
    fn finish(&mut self, histories: &[History<T>]) -> i64 {
        std::iter::from_fn(|| self.work(histories)).sum()
    }

    /// Does the next task and returns its cost, or nothing when all is done.
    pub fn work(&mut self, histories: &[History<T>]) -> Option<i64> {
        let (task, cost) = self.agenda.get(self.next)?.clone();
        self.next += 1;
        let done = match task {
            Task::Forward { input, steps } => self.forward(input, steps, &histories[input]),
            Task::Collect { output } => self.collect(output),
            Task::Inverse { output, steps } => self.inverse(output, steps),
        };
        Some(if done { i64::from(cost) } else { 0 })
    }

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

    /// Lists the products of an output as runs of neighbouring slots that all sound.
    fn collect(&mut self, output: usize) -> bool {
        let Output { runs, making, .. } = &mut self.outputs[output];
        runs.clear();
        let mut done = false;
        for (index, path) in self.paths[output].iter().enumerate() {
            let line = &self.lines[path.input];
            if !line.all_silent() {
                Run::list(index, line, &path.partitions, runs);
                done = true;
            }
        }
        making.sounds = !runs.is_empty();
        done
    }

    fn inverse(&mut self, output: usize, steps: Range<usize>) -> bool {
        let paths = &self.paths[output];
        let Output {
            runs, work, making, ..
        } = &mut self.outputs[output];
        if !making.sounds {
            return false;
        }
        let sum = Sum {
            runs,
            paths,
            lines: &self.lines,
        };
        self.transform
            .inverse(steps, &sum, work, &mut making.samples);
        true
    }
}

/// The order of one block's work: outputs that hear the same inputs go side by side, so that
/// they find the inputs' spectra in the cache; an input is transformed just before it is needed.
fn agenda<T: Sample>(
    transform: &Transform<T>,
    inputs: usize,
    paths: &[Vec<Path<T>>],
    task: u32,
) -> Arc<[(Task, u32)]> {
    let heard = |output: usize| -> Vec<usize> { paths[output].iter().map(|p| p.input).collect() };
    let mut agenda = Vec::new();
    let mut transformed = vec![false; inputs];
    let mut output = 0;
    while output < paths.len() {
        let together = (output + 1..paths.len())
            .take_while(|&next| next < output + 4 && heard(next) == heard(output));
        let group = output..output + 1 + together.count();
        output = group.end;
        for input in heard(group.start) {
            if !std::mem::replace(&mut transformed[input], true) {
                let cost = |step| transform.forward_cost(step);
                for (steps, cost) in pieces(transform.steps(), task, cost) {
                    agenda.push((Task::Forward { input, steps }, cost));
                }
            }
        }
        for output in group.clone() {
            let runs: usize = paths[output]
                .iter()
                .map(|p| p.partitions.silent.len())
                .sum();
            agenda.push((Task::Collect { output }, 10 + runs as u32));
        }
        let products = |output: usize| {
            paths[output]
                .iter()
                .map(|p| p.partitions.silent.len())
                .sum()
        };
        let cost = |output, step| transform.inverse_cost(step, products(output));
        for (steps, _) in pieces(transform.steps(), task, |step| cost(group.start, step)) {
            for output in group.clone() {
                let cost = steps.clone().map(|step| cost(output, step)).sum();
                agenda.push((
                    Task::Inverse {
                        output,
                        steps: steps.clone(),
                    },
                    cost,
                ));
            }
        }
    }
    agenda.into()
}

/// Cuts steps into pieces of about one task's cost.
fn pieces(steps: usize, task: u32, cost: impl Fn(usize) -> u32) -> Vec<(Range<usize>, u32)> {
    let mut pieces: Vec<(Range<usize>, u32)> = Vec::new();
    for step in 0..steps {
        match pieces.last_mut() {
            Some((range, sum)) if *sum + cost(step) <= task => {
                range.end += 1;
                *sum += cost(step);
            }
            _ => pieces.push((step..step + 1, cost(step))),
        }
    }
    pieces
}
