//! One output at one level: products listed and summed, blocks made and played.

use std::ops::Range;

use super::responses::Share;
use crate::dsp::delay_line::DelayLine;
use crate::dsp::fft::{Bins, Transform};
use crate::dsp::pairs::Pairs;
use crate::dsp::product::{Pasts, Path, Run, Sum, with_its_room};
use crate::dsp::scheme::{LevelShape, Pace};
use crate::kernel::{Buffer, Cpu};
use crate::signal::Sample;

/// Steps of a task that are done in one go, and how many tiles of a sum they make.
#[derive(Debug, Clone)]
pub(super) struct Stretch {
    pub steps: Range<usize>,
    pub tiles: u32,
}

/// Where an output is made: what transforms it, and the area that carries it from stretch to stretch.
pub(super) struct Desk<'a, T: Sample> {
    pub transform: &'a Transform<T>,
    pub work: &'a mut [T],
}

/// What one set of responses makes of the inputs for one output, at one level.
#[derive(Debug)]
pub(super) struct Voice<T> {
    runs: Vec<Run>,
    /// In place of them, where products are made for two blocks at once.
    pub pairs: Option<Pairs<T>>,
    /// Products of the block in the making that each bin is spared.
    spared: usize,
    pub ahead: Option<Ahead<T>>,
    pub making: Block<T>,
    pub playing: Block<T>,
}

/// What the next block of output is of all input but the newest block, where that cannot be spread.
#[derive(Debug, Clone)]
pub(super) struct Ahead<T> {
    bins: Buffer<T>,
    /// Otherwise it is silence, whatever the bins say.
    sounds: bool,
    /// Whether it was made by the responses that go on.
    counts: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Block<T> {
    pub samples: Buffer<T>,
    /// Otherwise it is silence, whatever the samples say.
    pub sounds: bool,
    /// Frames of the fade that lie before this block, if it takes part in one.
    pub fade: Option<usize>,
}

/// With the same room for runs: a copy does not allocate while running, either.
impl<T: Clone> Clone for Voice<T> {
    fn clone(&self) -> Self {
        Self {
            runs: with_its_room(&self.runs),
            pairs: self.pairs.clone(),
            spared: self.spared,
            ahead: self.ahead.clone(),
            making: self.making.clone(),
            playing: self.playing.clone(),
        }
    }
}

impl<T: Sample> Block<T> {
    #[cold]
    pub fn add_weighted(&self, within: usize, weight: impl Fn(usize) -> T, target: &mut [T]) {
        if self.sounds {
            for (n, (y, &x)) in target.iter_mut().zip(&self.samples[within..]).enumerate() {
                *y += x * weight(n);
            }
        }
    }
}

impl<T: Sample> Voice<T> {
    pub fn new(cpu: Cpu, shape: LevelShape, routes: usize) -> Self {
        let block = || Block {
            samples: Buffer::zeros(shape.block),
            sounds: false,
            fade: None,
        };
        let pairs = || Pairs::new(shape.block, routes, shape.partitions, shape.first_spread());
        let ahead = || Ahead {
            bins: Buffer::zeros(2 * shape.block),
            sounds: false,
            counts: true,
        };
        let spread = shape.pace == Pace::Spread;
        Self {
            // A run for each partition at most, and one more where the ring of the past breaks.
            runs: Vec::with_capacity(match shape.in_pairs::<T>(cpu) && spread {
                true => 0,
                false => routes * (shape.partitions + 1),
            }),
            pairs: shape.in_pairs::<T>(cpu).then(pairs),
            ahead: (!spread).then(ahead),
            spared: 0,
            making: block(),
            playing: block(),
        }
    }

    pub fn play(&mut self) {
        std::mem::swap(&mut self.making, &mut self.playing);
    }

    pub fn silence(&mut self) {
        for block in [&mut self.making, &mut self.playing] {
            (block.sounds, block.fade) = (false, None);
        }
        self.pairs.iter_mut().for_each(Pairs::reset);
        if let Some(ahead) = &mut self.ahead {
            (ahead.sounds, ahead.counts) = (false, true);
        }
    }

    /// The responses are others from the next block on.
    pub fn begin_anew(&mut self) {
        self.pairs.iter_mut().for_each(Pairs::begin_anew);
        if let Some(ahead) = &mut self.ahead {
            ahead.counts = false;
        }
    }

    /// Lists the products that are spread as runs of neighbouring slots that all sound: of as many
    /// partitions as this block reaches to, and the next.
    pub fn collect(
        &mut self,
        paths: &[Path<T>],
        lines: &[DelayLine<T>],
        reach: [usize; 2],
    ) -> bool {
        let first = usize::from(self.ahead.is_some());
        let (sounds, products) = match &mut self.pairs {
            Some(pairs) => (pairs.collect(paths, lines, reach), pairs.products()),
            None => {
                self.list(paths, lines, first, first..reach[0]);
                let counts = self.runs.iter().map(|run| run.count);
                (!self.runs.is_empty(), counts.sum())
            }
        };
        let all = paths.iter().map(|path| path.partitions.silent.len());
        let most = all.map(|all| all.saturating_sub(first)).sum::<usize>();
        self.spared = most.saturating_sub(products);
        match &mut self.ahead {
            Some(ahead) => (ahead.sounds, ahead.counts) = (sounds, true),
            None => self.making.sounds = sounds,
        }
        sounds
    }

    /// Lists products, where the newest block meets partition `first`.
    fn list(
        &mut self,
        paths: &[Path<T>],
        lines: &[DelayLine<T>],
        first: usize,
        parts: Range<usize>,
    ) {
        self.runs.clear();
        for (index, path) in paths.iter().enumerate() {
            let line = &lines[path.input];
            if !line.all_silent() {
                let (parts, runs) = (parts.clone(), &mut self.runs);
                Run::list(index, line, &path.partitions, first, parts, runs);
            }
        }
    }

    /// The block of output that begins here, by what was made ahead and the newest input; `reach` is
    /// how far it looks back, if nothing was.
    pub fn answer(
        &mut self,
        desk: Desk<'_, T>,
        share: &Share<T>,
        output: usize,
        lines: &[DelayLine<T>],
        reach: usize,
    ) -> i64 {
        let Desk { transform, work } = desk;
        let paths = &share.paths[output];
        let counts = self.ahead.as_ref().is_some_and(|ahead| ahead.counts);
        self.list(paths, lines, 0, 0..if counts { 1 } else { reach });
        let begun = self.ahead.as_ref().filter(|ahead| counts && ahead.sounds);
        let begun = begun.map(|ahead| &ahead.bins[..]);
        self.making.sounds = begun.is_some() || !self.runs.is_empty();
        if !self.making.sounds {
            return 0;
        }
        let sum = Sum {
            begun,
            runs: &self.runs,
            paths,
            pasts: Pasts::Lines(lines),
        };
        let (steps, out) = (0..transform.steps(), &mut self.making.samples);
        transform.inverse(steps, sum, work, out);
        let more = self.runs.iter().map(|run| run.count).sum::<usize>();
        let more = share.price.of(more.saturating_sub(paths.len()));
        let tiles = transform.tiles() as i64;
        i64::from(share.outputs_at_once[output]) + tiles * i64::from(more)
    }

    /// A stretch of the work that is spread: back from the sum of the products, or the sum alone where
    /// the newest block is still to come. Returns the work that was spared, or nothing if all is silent.
    pub fn go_on(
        &mut self,
        desk: Desk<'_, T>,
        block: usize,
        stretch: Stretch,
        share: &Share<T>,
        output: usize,
        lines: &[DelayLine<T>],
    ) -> Option<u32> {
        let Desk { transform, work } = desk;
        let ahead = self.ahead.as_ref();
        if !ahead.map_or(self.making.sounds, |ahead| ahead.sounds) {
            return None;
        }
        let Stretch { steps, tiles } = stretch;
        let bins = products(&mut self.pairs, &self.runs, share, block, output, lines);
        match &mut self.ahead {
            Some(ahead) => transform.collect(steps, bins, &mut ahead.bins),
            None => transform.inverse(steps, bins, work, &mut self.making.samples),
        }
        Some(tiles * share.price.of(self.spared))
    }
}

/// The products of an output that are spread, as they were collected for block number `block`.
fn products<'a, T: Sample>(
    pairs: &'a mut Option<Pairs<T>>,
    runs: &'a [Run],
    share: &'a Share<T>,
    block: usize,
    output: usize,
    lines: &'a [DelayLine<T>],
) -> Bins<'a, T> {
    let (paths, pasts) = (&share.paths[output][..], Pasts::Lines(lines));
    match (pairs, share.turns) {
        (Some(pairs), Some(turns)) => pairs.bins(block, turns, share.far, paths, pasts).into(),
        _ => Sum {
            begun: None,
            runs,
            paths,
            pasts,
        }
        .into(),
    }
}
