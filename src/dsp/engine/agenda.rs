//! In what order, and in what pieces, a level does the work of one block.

use std::ops::Range;
use std::sync::Arc;

use crate::dsp::cost::DESKS;
use crate::dsp::fft::Transform;
use crate::dsp::pairs::Turns;
use crate::dsp::product::Path;
use crate::dsp::scheme::{LevelShape, Pace};
use crate::signal::Sample;

/// Work on one channel, of which a call does as much as falls to it.
#[derive(Debug, Clone)]
pub(crate) enum Task {
    /// An input's transform.
    Forward { input: usize },
    /// Which products an output consists of.
    Collect { output: usize },
    /// An output's transform, the products included; or, ahead of the input's newest block, the
    /// products alone. Outputs that take turns have a desk each.
    Output { output: usize, desk: usize },
}

/// A task, or a stretch of it: its steps, in pieces that are done in one go.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub task: Task,
    /// First step, or tile.
    pub begin: usize,
    pub pieces: Arc<[Piece]>,
}

/// The end of a piece, counted from its entry's begin: steps, tiles and cost.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Piece {
    pub steps: u32,
    pub tiles: u32,
    pub cost: u32,
}

impl Entry {
    /// A task without steps.
    fn whole(task: Task, cost: u32) -> Self {
        let piece = Piece {
            steps: 1,
            tiles: 0,
            cost,
        };
        Self {
            task,
            begin: 0,
            pieces: [piece].into(),
        }
    }

    pub fn cost(&self) -> u32 {
        self.pieces.last().map_or(0, |last| last.cost)
    }

    /// Where piece `piece` begins.
    #[inline]
    pub fn before(&self, piece: usize) -> Piece {
        let last = piece.checked_sub(1);
        last.map_or(Piece::default(), |last| self.pieces[last])
    }

    /// The piece, from `piece` on, behind which so much is done, or the last.
    #[inline]
    pub fn until(&self, piece: usize, due: i64) -> usize {
        let begun = i64::from(self.before(piece).cost);
        let last = self.pieces.len() - 1;
        let mut piece = piece;
        while piece < last && i64::from(self.pieces[piece].cost) - begun < due {
            piece += 1;
        }
        piece
    }
}

/// What a task is worth: its share in the order of work, which is the same for every block, and the
/// work that it really was.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Done {
    pub due: i64,
    pub work: i64,
}

impl Done {
    /// Work that was due, and how much of it was spared; none if nothing was to be done.
    #[inline]
    pub fn of(due: u32, spared: Option<u32>) -> Self {
        spared.map_or(Self::default(), |spared| Self {
            due: i64::from(due),
            work: i64::from(due - spared.min(due)),
        })
    }
}

/// What a product costs in one tile, in sixteenths of the agendas' units.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Price(u32);

impl Price {
    /// Of `ns` nanoseconds for each of `bins` bins.
    pub fn new(ns: f64, bins: usize) -> Self {
        Self((32.0 * ns * bins as f64).round() as u32)
    }

    /// Of so many products.
    #[inline]
    pub fn of(self, products: usize) -> u32 {
        products as u32 * self.0 / 16
    }
}

/// A level's work, of which the agenda is the part that is spread over the calls.
#[derive(Debug)]
pub(crate) struct Work<'a, T: Sample> {
    pub transform: &'a Transform<T>,
    pub shape: LevelShape,
    pub inputs: usize,
    /// The ways to each output.
    pub paths: &'a [Vec<Path<T>>],
    pub turns: Option<Turns>,
    pub price: Price,
    /// What outputs that take turns may do in one go.
    pub turn: u32,
}

impl<T: Sample> Work<'_, T> {
    /// The order of one block's work: outputs that hear the same inputs go side by side, so that
    /// they find the inputs' spectra in the cache; an input is transformed just before it is needed.
    /// Where runs of tiles take turns two of them stay together, one that leads and one that follows,
    /// so that the cost is the same in every block.
    pub fn agenda(&self) -> Vec<Entry> {
        let heard = |output: usize| -> Vec<usize> {
            let paths = self.paths[output].iter();
            paths.map(|path| path.input).collect()
        };
        let mut agenda = Vec::new();
        let mut transformed = vec![false; self.inputs];
        let mut output = 0;
        while output < self.paths.len() {
            let together = (output + 1..self.paths.len())
                .take_while(|&next| next < output + DESKS && heard(next) == heard(output));
            let group = output..output + 1 + together.count();
            output = group.end;
            if self.shape.pace == Pace::Spread {
                for input in heard(group.start) {
                    if !std::mem::replace(&mut transformed[input], true) {
                        agenda.push(self.forward(input));
                    }
                }
            }
            for output in group.clone() {
                let products = self.products(output);
                if products > 0 || self.shape.pace == Pace::Spread {
                    agenda.push(Entry::whole(Task::Collect { output }, 10 + products as u32));
                }
            }
            match self.shape.pace {
                Pace::Spread => agenda.extend(self.inverse(group)),
                Pace::AtOnce => agenda.extend(self.ahead(group)),
            }
        }
        agenda
    }

    /// What is to be done at once for each input, when its block is full.
    pub fn input_at_once(&self) -> u32 {
        let steps = 0..self.transform.steps();
        match self.shape.pace {
            Pace::Spread => 0,
            Pace::AtOnce => steps.map(|step| self.transform.forward_cost(step)).sum(),
        }
    }

    /// The same for an output.
    pub fn output_at_once(&self, output: usize) -> u32 {
        let (steps, routes) = (0..self.transform.steps(), self.paths[output].len());
        let cost = |step| self.inverse_cost(step, routes);
        match self.shape.pace {
            Pace::Spread => 0,
            Pace::AtOnce => steps.map(cost).sum(),
        }
    }

    /// A step on the way back, with so many products; if they are made in pairs, on average of the
    /// steps that it is joined to.
    fn inverse_cost(&self, step: usize, products: usize) -> u32 {
        let products = match self.transform.tile_made(step) {
            None => 0,
            Some(_) => self.price.of(products),
        };
        self.transform.inverse_cost(step) + products
    }

    /// The products of an output that are spread.
    fn products(&self, output: usize) -> usize {
        let first = self.shape.first_spread();
        let parts = self.paths[output].iter().map(|path| {
            let all = path.partitions.silent.len();
            all.saturating_sub(first)
        });
        parts.sum()
    }

    fn forward(&self, input: usize) -> Entry {
        let cost = |step| self.transform.forward_cost(step);
        let steps = 0..self.transform.steps();
        Entry {
            task: Task::Forward { input },
            begin: 0,
            pieces: pieces(steps, cost, |_| false, |_| false),
        }
    }

    fn inverse(&self, group: Range<usize>) -> Vec<Entry> {
        let transform = self.transform;
        let cost = |output: usize, step: usize| self.inverse_cost(step, self.products(output));
        let each = |step| cost(group.start, step);
        // From the last to the first.
        let joined = |step| match (self.turns, transform.tile_made(step)) {
            (Some(Turns::Tiles(run)), Some(tile)) => !(tile + 1).is_multiple_of(2 * run),
            _ => false,
        };
        let tiles = |step| transform.tile_made(step).is_some();
        let mut entries = Vec::new();
        for steps in self.turns_of(&group, transform.steps(), each, joined) {
            for output in group.clone() {
                entries.push(Entry {
                    task: Task::Output {
                        output,
                        desk: output - group.start,
                    },
                    begin: steps.start,
                    pieces: pieces(steps.clone(), |step| cost(output, step), joined, tiles),
                });
            }
        }
        entries
    }

    fn ahead(&self, group: Range<usize>) -> Vec<Entry> {
        // What is written down is as much as two products.
        let cost = |output: usize| self.price.of(self.products(output) + 2);
        let each = |_| cost(group.start);
        let joined = |tile: usize| match self.turns {
            Some(Turns::Tiles(run)) => !tile.is_multiple_of(2 * run),
            _ => false,
        };
        let mut entries = Vec::new();
        for tiles in self.turns_of(&group, self.transform.tiles(), each, joined) {
            for output in group.clone().filter(|&output| self.products(output) > 0) {
                entries.push(Entry {
                    task: Task::Output {
                        output,
                        desk: output - group.start,
                    },
                    begin: tiles.start,
                    pieces: pieces(tiles.clone(), |_| cost(output), joined, |_| true),
                });
            }
        }
        entries
    }

    /// Steps in stretches after which the next output of a group has its turn, never before a step
    /// that is joined to the one before; all of them, if there is only one output.
    fn turns_of(
        &self,
        group: &Range<usize>,
        steps: usize,
        cost: impl Fn(usize) -> u32,
        joined: impl Fn(usize) -> bool,
    ) -> Vec<Range<usize>> {
        let most = if group.len() > 1 { self.turn } else { u32::MAX };
        let mut stretches: Vec<(Range<usize>, u32)> = Vec::new();
        for step in 0..steps {
            match stretches.last_mut() {
                Some((range, sum)) if joined(step) || sum.saturating_add(cost(step)) <= most => {
                    range.end += 1;
                    *sum += cost(step);
                }
                _ => stretches.push((step..step + 1, cost(step))),
            }
        }
        stretches.into_iter().map(|(range, _)| range).collect()
    }
}

/// Each step is a piece, but one that is joined to the one before.
fn pieces(
    steps: Range<usize>,
    cost: impl Fn(usize) -> u32,
    joined: impl Fn(usize) -> bool,
    makes_tile: impl Fn(usize) -> bool,
) -> Arc<[Piece]> {
    let mut pieces: Vec<Piece> = Vec::new();
    for step in steps {
        let mut piece = pieces.last().copied().unwrap_or_default();
        piece.steps += 1;
        piece.tiles += u32::from(makes_tile(step));
        piece.cost += cost(step);
        if joined(step) {
            pieces.pop();
        }
        pieces.push(piece);
    }
    pieces.into()
}
