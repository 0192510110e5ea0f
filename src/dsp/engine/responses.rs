//! The responses of a whole matrix as the engine wants them: by level and output, with the order
//! of the work. Built before it is needed; nothing here changes while it plays.

use std::sync::Arc;

use super::agenda::{Entry, Price, Task, Work};
use crate::dsp::cost::{self, CALL, Counts};
use crate::dsp::direct;
use crate::dsp::error::BuildError;
use crate::dsp::pairs::Turns;
use crate::dsp::plan::{Prepared, Workbench};
use crate::dsp::product::{Partitions, Path};
use crate::dsp::routing::Route;
use crate::dsp::scheme::LevelShape;
use crate::signal::Sample;

/// What one level has to do with these responses.
#[derive(Debug, Clone)]
pub(crate) struct Share<T> {
    /// The ways to each output.
    pub paths: Vec<Vec<Path<T>>>,
    /// Who takes turns where products are made in pairs.
    pub turns: Option<Turns>,
    /// Whether the spectra come from afar.
    pub far: bool,
    pub price: Price,
    /// All work of one block that is spread, in its order.
    pub agenda: Vec<Entry>,
    /// This work of one block, and how much of it is not for the inputs.
    pub work: (i64, i64),
    /// What is done at once when a block is full, for an input and for each output.
    pub input_at_once: u32,
    pub outputs_at_once: Vec<u32>,
}

impl<T: Sample> Share<T> {
    fn new(work: &Work<'_, T>, far: bool) -> Self {
        let agenda = work.agenda();
        let outputs_at_once = (0..work.paths.len()).map(|output| work.output_at_once(output));
        let cost = |entry: &Entry| i64::from(entry.cost());
        let forward = |entry: &&Entry| matches!(entry.task, Task::Forward { .. });
        let all: i64 = agenda.iter().map(cost).sum();
        let inputs: i64 = agenda.iter().filter(forward).map(cost).sum();
        Self {
            paths: work.paths.to_vec(),
            turns: work.turns,
            far,
            price: work.price,
            agenda,
            work: (all, all - inputs),
            input_at_once: work.input_at_once(),
            outputs_at_once: outputs_at_once.collect(),
        }
    }

    /// All that is done at once when a block is full.
    pub fn at_once(&self, inputs: usize) -> i64 {
        let outputs = self.outputs_at_once.iter().map(|&cost| i64::from(cost));
        inputs as i64 * i64::from(self.input_at_once) + outputs.sum::<i64>()
    }
}

/// One set of responses with its routes.
#[derive(Debug, Clone)]
pub(crate) struct Responses<T: Sample> {
    /// Counts the sets that one convolver is given.
    pub id: u64,
    pub bench: Arc<Workbench<T>>,
    /// Frames of the longest.
    pub frames: usize,
    /// The routes to each output, with their responses.
    pub routes: Vec<Vec<(Route, Prepared<T>)>>,
    /// By level.
    pub shares: Vec<Share<T>>,
    /// Cost of one task, at most, if its steps allow.
    pub task: u32,
}

/// What leads side by side is fetched from memory in one go; more than so many tiles gain nothing.
const LONGEST_RUN: usize = 8;

/// A task's share of all work is that of so many frames: small beside a usual call.
const TASK: f64 = 21.0;

impl<T: Sample> Responses<T> {
    /// `task` is what one task may cost; without it, it follows from the work there is.
    pub fn new(
        id: u64,
        inputs: usize,
        outputs: usize,
        list: &[Route],
        irs: &[Prepared<T>],
        task: Option<u32>,
    ) -> Result<Self, BuildError> {
        let bench = &irs[0].bench;
        if irs.iter().any(|ir| !ir.bench.fits(bench)) {
            return Err(BuildError::MixedPlans);
        }
        let mut routes: Vec<Vec<(Route, Prepared<T>)>> = vec![Vec::new(); outputs];
        for route in list {
            routes[route.output].push((*route, irs[route.ir].clone()));
        }
        let most_routes = routes.iter().map(Vec::len).max().unwrap_or(1);
        let counts = Counts {
            inputs,
            outputs,
            routes: list.len(),
        };
        let prices = cost::product_prices::<T>(bench.cpu, &bench.levels, counts);
        let far = cost::far::<T>(&bench.levels, counts);
        let share = |level: usize, task: u32| {
            let path = |(route, prepared): &(Route, Prepared<T>)| Path {
                input: route.input,
                partitions: prepared.levels[level].clone(),
            };
            let paths: Vec<Vec<Path<T>>> = routes
                .iter()
                .map(|r| r.iter().map(path).collect())
                .collect();
            let (transform, shape) = (&bench.transforms[level], &bench.levels[level]);
            // By layout, routes and task alone, which all sets of one convolver have in common.
            let width = size_of::<T>() as f64 / 4.0;
            let price = Price::new(prices[level] * width, transform.tile());
            let tile = transform.tile_cost() + price.of(shape.partitions * most_routes);
            let fits = |run: &usize| {
                // The first level's tiles are few, and the first to be made in each block.
                let most = match (level, *run) {
                    (0, 1) => task.saturating_mul(7) / 4,
                    _ => task,
                };
                2 * run <= transform.tiles() && 2 * *run as u32 * tile <= most
            };
            // With 16 registers a tile that leads as a whole does so by halves, of which the second has
            // too few; that is felt where nothing waits for memory.
            let whole = far[level] || bench.cpu.registers::<T>() >= 32;
            let run = [LONGEST_RUN, 4, 2, 1].into_iter().find(fits);
            let turns = match run.filter(|_| whole) {
                Some(run) => Turns::Tiles(run),
                None => Turns::Halves,
            };
            let turns = shape.in_pairs::<T>(bench.cpu).then_some(turns);
            let work = Work {
                transform,
                shape: *shape,
                inputs,
                paths: &paths,
                turns,
                price,
                turn: task,
            };
            Share::new(&work, far[level])
        };
        let task = task.unwrap_or_else(|| {
            let per_frame = |(level, shape): (usize, &LevelShape)| {
                let share = share(level, u32::MAX);
                let work = share.work.0 + share.at_once(inputs);
                // A square is made in every second block.
                let blocks = 1 + usize::from(bench.squares().contains(&level));
                work as f64 / (blocks * shape.block) as f64
            };
            let levels: f64 = bench.levels.iter().enumerate().map(per_frame).sum();
            let head = direct::cost::<T>(bench.layout.mean_head() as usize, CALL) as f64;
            let square = bench.square.as_ref().map_or(0.0, |transform| {
                f64::from(transform.square_cost()) / (2 * transform.block()) as f64
            });
            let route = head / CALL as f64 + square;
            (TASK * (levels + list.len() as f64 * route)) as u32
        });
        let levels = 0..bench.levels.len();
        let shares = levels.map(|level| share(level, task)).collect();
        Ok(Self {
            id,
            bench: bench.clone(),
            frames: irs.iter().map(Prepared::frames).max().unwrap_or(1),
            shares,
            routes,
            task,
        })
    }

    /// Whether an output's heads are the very same in both.
    pub fn same_head(&self, other: &Self, output: usize) -> bool {
        let pairs = self.routes[output].iter().zip(&other.routes[output]);
        pairs
            .into_iter()
            .all(|(a, b)| Arc::ptr_eq(&a.1.head, &b.1.head))
    }

    /// Whether an output's partitions at one level are the very same in both.
    pub fn same_partitions(&self, other: &Self, level: usize, output: usize) -> bool {
        let (ours, theirs) = (&self.shares[level].paths, &other.shares[level].paths);
        let pairs = ours[output].iter().zip(&theirs[output]);
        let same = |a: &Arc<Partitions<T>>, b: &Arc<Partitions<T>>| Arc::ptr_eq(a, b);
        pairs
            .into_iter()
            .all(|(a, b)| same(&a.partitions, &b.partitions))
    }
}
