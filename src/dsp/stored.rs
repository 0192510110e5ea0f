//! Stored signals, for speed alone: blocks that may be computed in any order, on any thread.
//!
//! With the whole input at hand nothing has to be ready in time, so blocks can be as large as
//! costs least (overlap-save with equal blocks: Stockham 1966; Kulp 1988), and the work falls into
//! two kinds of tasks without state: to transform a block of the input, and to compute a block of
//! the output from the spectra of the blocks that it answers to. Every sum runs in one fixed order,
//! so the bits do not depend on who does what, or when.

use std::collections::BTreeSet;
use std::sync::Arc;

use num_traits::Float;

use super::error::BuildError;
use super::fft::{Slot, Transform};
use super::plan::{Plan, Prepared};
use super::product::{Pasts, Path, Run, Sum};
use super::routing::Routing;
use super::spectra::Spectra;
use crate::kernel::Buffer;
use crate::signal::Sample;

/// A matrix of responses for signals that are there as a whole. It holds no input and no output:
/// all methods take `&self`, clones share everything.
///
/// Block `k` is the frames from `k * block()` on. Its output is the sum of the answers to the blocks
/// `k - reach()` to `k` of the input; behind the input's end follow blocks of silence until the
/// tail is out.
///
/// ```
/// use faltung::dsp::stored::StoredConvolver;
/// use faltung::{Plan, Routing};
/// let ir = vec![0.5f32; 100];
/// let plan = Plan::for_throughput(ir.len());
/// let convolver = StoredConvolver::new(&plan, 1, &[ir], &Routing::Shared)?;
/// let mut desk = convolver.desk();
/// let input = [vec![1.0; convolver.block()]];
/// let first = convolver.analyse(&input, &mut desk, None);
/// let mut out = [vec![0.0; convolver.block()]]; // one block of output 0
/// convolver.answer(0, &[&first], &mut desk, &mut out);
/// assert!((out[0][1] - 1.0).abs() < 1e-3);
/// # Ok::<(), faltung::BuildError>(())
/// ```
#[derive(Debug, Clone)]
pub struct StoredConvolver<T: Sample> {
    shared: Arc<Shared<T>>,
}

#[derive(Debug)]
struct Shared<T: Sample> {
    transform: Arc<Transform<T>>,
    inputs: usize,
    /// To each output.
    paths: Vec<Vec<Path<T>>>,
    /// Frames of the longest response.
    frames: usize,
    /// Partitions of the longest response.
    partitions: usize,
}

/// Some inputs of a matrix, and all outputs that hear any of them.
#[derive(Debug, Clone)]
pub struct Part<T: Sample> {
    /// Their places in the matrix, and with them the order in `convolver`.
    pub inputs: Vec<usize>,
    /// The same for outputs.
    pub outputs: Vec<usize>,
    /// The way from these to those.
    pub convolver: StoredConvolver<T>,
}

/// The spectra of one block of all inputs.
#[derive(Debug, Clone)]
pub struct Analysis<T: Sample> {
    /// One for each input; none where there was nothing to hear.
    spectra: Vec<(bool, Spectra<T>)>,
}

/// Room for the work of one thread.
#[derive(Debug, Clone)]
pub struct Desk<T: Sample> {
    /// One area for each block that is computed at once.
    work: Vec<Buffer<T>>,
    /// A block without what is too small to count; none before there was any such thing.
    cleared: Buffer<T>,
}

/// Bins between two blocks that are computed at once: their operands stay near meanwhile.
const TURN: usize = 1024;

impl<T: Sample> StoredConvolver<T> {
    /// Prepares the responses by `plan`, which [`Plan::for_throughput`] makes, and connects them.
    ///
    /// # Errors
    /// As [`Plan::prepare`]; counts that do not fit the routing; [`BuildError::NotStored`] for any
    /// other plan.
    pub fn new<I: AsRef<[T]>>(
        plan: &Plan,
        inputs: usize,
        irs: &[I],
        routing: &Routing,
    ) -> Result<Self, BuildError> {
        // Counts first: they are cheaper to check than responses to prepare.
        routing.routes(inputs, irs.len())?;
        Self::from_prepared(inputs, &plan.prepare_all(irs)?, routing)
    }

    /// Connects responses that one such plan has prepared.
    ///
    /// # Errors
    /// As [`new`](Self::new); responses of different plans.
    pub fn from_prepared(
        inputs: usize,
        irs: &[Prepared<T>],
        routing: &Routing,
    ) -> Result<Self, BuildError> {
        let routes = routing.routes(inputs, irs.len())?;
        let bench = &irs[0].bench;
        if irs.iter().any(|ir| !ir.bench.fits(bench)) {
            return Err(BuildError::MixedPlans);
        }
        let transform = match (&bench.transforms[..], &bench.layout.levels[..]) {
            ([transform], [level]) if bench.layout.latency == level.offset() => transform.clone(),
            _ => return Err(BuildError::NotStored),
        };
        let mut paths = vec![Vec::new(); routing.outputs(inputs, irs.len())];
        for route in &routes {
            paths[route.output].push(Path {
                input: route.input,
                partitions: irs[route.ir].levels[0].clone(),
            });
        }
        let partitions = irs.iter().map(|ir| ir.levels[0].silent.len());
        Ok(Self {
            shared: Arc::new(Shared {
                transform,
                inputs,
                paths,
                frames: irs.iter().map(Prepared::frames).max().unwrap_or(1),
                partitions: partitions.max().unwrap_or(1),
            }),
        })
    }

    /// Number of input channels.
    pub fn inputs(&self) -> usize {
        self.shared.inputs
    }

    /// Number of output channels.
    pub fn outputs(&self) -> usize {
        self.shared.paths.len()
    }

    /// Frames of a block.
    pub fn block(&self) -> usize {
        self.shared.transform.block()
    }

    /// Frames of output after the input has ended: the longest response's length - 1.
    pub fn tail_len(&self) -> usize {
        self.shared.frames - 1
    }

    /// How many earlier blocks an output answers to.
    pub fn reach(&self) -> usize {
        self.shared.partitions - 1
    }

    /// The parts that have nothing to do with one another: no output hears inputs of two of them.
    /// An input that no output hears is in none.
    pub fn parts(&self) -> Vec<Part<T>> {
        let shared = &*self.shared;
        let mut parts: Vec<(BTreeSet<usize>, BTreeSet<usize>)> = Vec::new();
        for (output, paths) in shared.paths.iter().enumerate() {
            let mut inputs: BTreeSet<usize> = paths.iter().map(|path| path.input).collect();
            let mut outputs = BTreeSet::from([output]);
            parts.retain_mut(|part| {
                let apart = part.0.is_disjoint(&inputs);
                if !apart {
                    inputs.append(&mut part.0);
                    outputs.append(&mut part.1);
                }
                apart
            });
            parts.push((inputs, outputs));
        }
        let part = |(inputs, outputs): (BTreeSet<usize>, BTreeSet<usize>)| {
            let place = |path: &Path<T>| Path {
                input: inputs.range(..path.input).count(),
                partitions: path.partitions.clone(),
            };
            let paths = outputs.iter().map(|&output| &shared.paths[output]);
            let paths: Vec<Vec<Path<T>>> = paths
                .map(|paths| paths.iter().map(place).collect())
                .collect();
            let all = paths.iter().flatten();
            let partitions = all.map(|path| path.partitions.silent.len()).max();
            Part {
                convolver: Self {
                    shared: Arc::new(Shared {
                        transform: shared.transform.clone(),
                        inputs: inputs.len(),
                        paths,
                        frames: shared.frames,
                        partitions: partitions.unwrap_or(1),
                    }),
                },
                inputs: inputs.into_iter().collect(),
                outputs: outputs.into_iter().collect(),
            }
        };
        parts.into_iter().map(part).collect()
    }

    /// Room for the work of one thread; allocates.
    pub fn desk(&self) -> Desk<T> {
        let transform = &self.shared.transform;
        Desk {
            work: vec![Buffer::zeros(transform.work_len())],
            cleared: Buffer::zeros(0),
        }
    }

    /// Transforms a block of the input, one slice for each channel. What an earlier call gave may be
    /// handed over as `used`, to save the memory.
    ///
    /// Samples below the square of the machine's precision, beside the largest of their block, count
    /// as zero. A sample that is not finite harms all answers of its block.
    ///
    /// # Panics
    /// When a count of channels or a length differs.
    #[track_caller]
    pub fn analyse<I: AsRef<[T]>>(
        &self,
        now: &[I],
        desk: &mut Desk<T>,
        used: Option<Analysis<T>>,
    ) -> Analysis<T> {
        let block = self.block();
        assert!(now.len() == self.inputs(), "one slice for each input");
        let fits = |channel: &I| channel.as_ref().len() == block;
        assert!(now.iter().all(fits), "a block of another length");
        let fits = |(_, spectra): &(bool, Spectra<T>)| spectra.samples().len() == 2 * block;
        let mut analysis = used
            .filter(|used| used.spectra.len() == self.inputs() && used.spectra.iter().all(fits))
            .unwrap_or_else(|| Analysis {
                spectra: vec![(false, Spectra::new(block, 1)); self.inputs()],
            });
        for ((sounds, spectra), now) in analysis.spectra.iter_mut().zip(now) {
            *sounds = self.transform(now.as_ref(), desk, spectra.samples_mut());
        }
        analysis
    }

    /// Transforms a block of one channel, and tells whether there was anything in it.
    fn transform(&self, block: &[T], desk: &mut Desk<T>, spectra: &mut [T]) -> bool {
        let transform = &self.shared.transform;
        let (least, most) = transform.magnitudes(block);
        if most == T::zero() {
            return false;
        }
        let floor = most * T::epsilon() * T::epsilon();
        let steps = 0..transform.steps();
        let mut block = block;
        if least < floor {
            if desk.cleared.is_empty() {
                desk.cleared = Buffer::zeros(block.len());
            }
            for (to, &from) in desk.cleared.iter_mut().zip(block) {
                let counts = Float::abs(from) >= floor;
                *to = if counts { from } else { T::zero() };
            }
            block = &desk.cleared;
        }
        transform.forward(steps, block, &mut desk.work[0], Slot::near(spectra, 0));
        true
    }

    /// Blocks of output that are best computed at once: each response and each spectrum of the
    /// input is then fetched once for all of them. Fewer where a block of all channels is large,
    /// for as many have to be there at once.
    pub fn group(&self) -> usize {
        /// Samples of a large block.
        const LARGE: usize = 1 << 19;
        let samples = self.inputs().max(self.outputs()) * self.block();
        match self.shared.partitions {
            ..4 => 1,
            4..8 => 2,
            _ if samples < LARGE => 4,
            _ => 2,
        }
    }

    /// Computes one output in several successive blocks, one slice for each, from the analyses of
    /// the same blocks of the input and the `reach()` before them, the latest first; fewer at the
    /// start.
    ///
    /// # Panics
    /// When there is no such output, or a length differs.
    #[track_caller]
    pub fn answer<O: AsMut<[T]>>(
        &self,
        output: usize,
        past: &[&Analysis<T>],
        desk: &mut Desk<T>,
        out: &mut [O],
    ) {
        let Shared {
            transform,
            inputs,
            paths,
            ..
        } = &*self.shared;
        let mut fits = |out: &mut O| out.as_mut().len() == self.block();
        assert!(out.iter_mut().all(&mut fits), "a block of another length");
        assert!(out.len() <= past.len(), "more blocks than analyses");
        // Input `i` of the block `age` blocks ago is at `age * inputs + i`.
        let all = past.iter().flat_map(|analysis| &analysis.spectra);
        let spectra: Vec<&Spectra<T>> = all.map(|(_, spectra)| spectra).collect();
        let sounds = |age: usize, input: usize| past[age].spectra[input].0;
        let answers = (0..out.len()).rev().map(|latest| {
            let (mut aged, mut runs) = (Vec::new(), Vec::new());
            for path in &paths[output] {
                let silent = path.partitions.silent.iter().enumerate();
                for (part, &none) in silent.take(past.len() - latest) {
                    let age = latest + part;
                    if none || !sounds(age, path.input) {
                        continue;
                    }
                    runs.push(Run {
                        path: aged.len(),
                        slot: 0,
                        part,
                        count: 1,
                    });
                    aged.push(Path {
                        input: age * inputs + path.input,
                        partitions: path.partitions.clone(),
                    });
                }
            }
            (aged, runs)
        });
        let answers: Vec<(Vec<Path<T>>, Vec<Run>)> = answers.collect();
        while desk.work.len() < out.len() {
            desk.work.push(Buffer::zeros(transform.work_len()));
        }
        let steps = transform.steps();
        // Alone, all at once; else a turn for each, while the operands are near.
        let some = match out.len() {
            1 => steps,
            _ => (steps * TURN).div_ceil(self.block()),
        };
        for from in (0..steps).step_by(some) {
            let each = answers.iter().zip(&mut desk.work).zip(&mut *out);
            for (((paths, runs), work), out) in each {
                let sum = Sum {
                    begun: None,
                    runs,
                    paths,
                    pasts: Pasts::Stored(&spectra),
                };
                if !runs.is_empty() {
                    let steps = from..(from + some).min(steps);
                    transform.inverse(steps, sum, work, out.as_mut());
                }
            }
        }
        for ((_, runs), out) in answers.iter().zip(out) {
            if runs.is_empty() {
                out.as_mut().fill(T::zero());
            }
        }
    }
}

impl<T: Sample> Analysis<T> {
    /// Whether nothing of the input is in it.
    pub fn is_silent(&self) -> bool {
        self.spectra.iter().all(|(sounds, _)| !sounds)
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;
    use crate::dsp::clip::{Method, convolve_with};
    use crate::dsp::mode::Mode;
    use crate::dsp::plan::{Latency, Partition};
    use crate::dsp::routing::Route;

    fn noise(seed: u32, frames: usize) -> Vec<f32> {
        let mut state = seed;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        };
        std::iter::repeat_with(next).take(frames).collect()
    }

    fn small(capacity: usize, block: usize) -> Plan {
        Plan::new(capacity)
            .with_partition(Partition::Uniform { block })
            .with_latency(Latency::AtMost(block))
    }

    /// The whole of it, so many blocks at once.
    fn in_groups(
        convolver: &StoredConvolver<f32>,
        input: &[Vec<f32>],
        group: usize,
    ) -> Vec<Vec<f32>> {
        let (block, frames) = (convolver.block(), input[0].len() + convolver.tail_len());
        let mut desk = convolver.desk();
        let mut out = vec![Vec::new(); convolver.outputs()];
        let mut past: Vec<Analysis<f32>> = Vec::new();
        let blocks: Vec<usize> = (0..frames.div_ceil(block)).collect();
        for group in blocks.chunks(group) {
            for k in group {
                let cut = |channel: &Vec<f32>| {
                    let from = channel.iter().skip(k * block).take(block);
                    let mut cut: Vec<f32> = from.copied().collect();
                    cut.resize(block, 0.0);
                    cut
                };
                let now: Vec<Vec<f32>> = input.iter().map(cut).collect();
                let enough = past.len() > convolver.reach() + group.len();
                let used = enough.then(|| past.pop()).flatten();
                past.insert(0, convolver.analyse(&now, &mut desk, used));
            }
            let all: Vec<&Analysis<f32>> = past.iter().collect();
            for (output, out) in out.iter_mut().enumerate() {
                let mut answer = vec![vec![f32::NAN; block]; group.len()];
                convolver.answer(output, &all, &mut desk, &mut answer);
                out.extend(answer.into_iter().flatten());
            }
        }
        out.iter_mut().for_each(|channel| channel.truncate(frames));
        out
    }

    /// The same whatever the number of blocks at once.
    fn full(convolver: &StoredConvolver<f32>, input: &[Vec<f32>]) -> Vec<Vec<f32>> {
        let alone = in_groups(convolver, input, 1);
        let bits = |all: &[Vec<f32>]| -> Vec<u32> {
            all.iter().flatten().map(|value| value.to_bits()).collect()
        };
        for group in [2, 3, 5] {
            assert!(
                bits(&in_groups(convolver, input, group)) == bits(&alone),
                "{group}"
            );
        }
        alone
    }

    #[track_caller]
    fn near(got: &[f32], x: &[f32], h: &[f32], others: &[f32]) {
        let wide = |x: &[f32]| -> Vec<f64> { x.iter().map(|&v| f64::from(v)).collect() };
        let norm = |x: &[f32]| wide(x).iter().map(|v| v * v).sum::<f64>().sqrt();
        let exact = convolve_with(&wide(x), &wide(h), Mode::Full, Method::Direct).unwrap();
        let bound = 8.0 * f64::from(f32::EPSILON) * 20.0 * norm(x) * norm(h);
        assert_eq!(got.len(), exact.len());
        for (n, (&y, exact)) in got.iter().zip(exact).enumerate() {
            let other = others.get(n).map_or(0.0, |&v| f64::from(v));
            let error = f64::from(y) - other - exact;
            assert!(error.abs() <= bound, "frame {n}: {y} is {error:e} off");
        }
    }

    #[test]
    fn blocks_make_the_full_convolution() {
        for (frames, taps, block) in [(1, 1, 16), (1000, 300, 64), (100, 1000, 64), (4096, 64, 64)]
        {
            let (x, h) = (noise(1, frames), noise(2, taps));
            let plan = small(taps, block);
            let convolver = StoredConvolver::new(&plan, 1, &[&h[..]], &Routing::Shared).unwrap();
            assert_eq!(convolver.block(), block);
            assert_eq!(convolver.reach(), (taps - 1).div_ceil(block));
            let got = full(&convolver, from_ref(&x));
            near(&got[0], &x, &h, &[]);
        }
        let (x, h) = (noise(1, 70_000), noise(2, 3000));
        let plan = Plan::for_throughput(h.len());
        let convolver = StoredConvolver::new(&plan, 1, &[&h[..]], &Routing::Shared).unwrap();
        near(&full(&convolver, from_ref(&x))[0], &x, &h, &[]);
    }

    #[test]
    fn a_matrix_sums_its_routes_and_leaves_silence_out() {
        let mut left = noise(1, 2000);
        left[..900].fill(0.0);
        let right = vec![0.0; 2000];
        let irs: Vec<Vec<f32>> = (3..7).map(|seed| noise(seed, 200)).collect();
        let mut holey = irs.clone();
        holey[1][64..192].fill(0.0);
        let plan = small(200, 64);
        let convolver = StoredConvolver::new(&plan, 2, &holey, &Routing::TrueStereo).unwrap();
        let got = full(&convolver, &[left.clone(), right.clone()]);
        near(&got[0], &left, &holey[0], &[]);
        near(&got[1], &left, &holey[1], &[]);
        assert!(got[0][..800].iter().all(|&v| v.to_bits() == 0));
        // With both inputs the answers add up.
        let right = noise(9, 2000);
        let both = full(&convolver, &[left.clone(), right.clone()]);
        let zeros = vec![0.0; 2000];
        let alone = full(&convolver, &[zeros, right]);
        near(&both[0], &left, &holey[0], &alone[0]);
        near(&both[1], &left, &holey[1], &alone[1]);
    }

    #[test]
    fn a_matrix_falls_into_parts_that_share_no_input() {
        let irs: Vec<Vec<f32>> = vec![noise(1, 200), noise(2, 90)];
        let routes = [(3, 0, 0), (1, 1, 1), (0, 2, 0), (1, 4, 0), (3, 4, 1)];
        let routing = Routing::Custom {
            outputs: 5,
            routes: routes
                .map(|(input, output, ir)| Route { input, output, ir })
                .to_vec(),
        };
        let convolver = StoredConvolver::new(&small(200, 64), 4, &irs, &routing).unwrap();
        let input: Vec<Vec<f32>> = (5..9).map(|seed| noise(seed, 1000)).collect();
        let whole = full(&convolver, &input);
        let mut parts = convolver.parts();
        parts.sort_by_key(|part| part.outputs[0]);
        let places = parts
            .iter()
            .map(|part| (&part.inputs[..], &part.outputs[..]));
        let places: Vec<(&[usize], &[usize])> = places.collect();
        // Nobody hears input 2; output 3 hears nothing.
        let expected: [(&[usize], &[usize]); 3] =
            [(&[1, 3], &[0, 1, 4]), (&[0], &[2]), (&[], &[3])];
        assert_eq!(places, expected);
        for part in &parts[..2] {
            let its: Vec<Vec<f32>> = part.inputs.iter().map(|&k| input[k].clone()).collect();
            let got = full(&part.convolver, &its);
            for (got, &output) in got.iter().zip(&part.outputs) {
                assert_eq!(got, &whole[output], "output {output}");
            }
        }
    }

    #[test]
    fn what_is_too_small_to_count_is_left_out() {
        let mut x = noise(1, 500);
        let h = noise(2, 100);
        let convolver =
            StoredConvolver::new(&small(100, 64), 1, &[&h[..]], &Routing::Shared).unwrap();
        x[100..140].fill(0.0);
        let clean = full(&convolver, from_ref(&x));
        x[100..140].fill(1e-40);
        assert_eq!(full(&convolver, from_ref(&x)), clean);
        // Where nothing is louder, it counts.
        let faint = vec![vec![1e-30; 500]];
        let got = full(&convolver, &faint);
        near(&got[0], &faint[0], &h, &[]);
        assert!(got[0].iter().any(|&v| v != 0.0));
    }

    #[test]
    fn a_fault_harms_its_answers_and_nothing_else() {
        let mut x = noise(1, 1000);
        let h = noise(2, 100);
        let convolver =
            StoredConvolver::new(&small(100, 64), 1, &[&h[..]], &Routing::Shared).unwrap();
        let clean = full(&convolver, from_ref(&x)).remove(0);
        for fault in [f32::NAN, f32::INFINITY] {
            x[500] = fault;
            let got = full(&convolver, from_ref(&x)).remove(0);
            // Its block, the one after, and one for each further partition.
            let harmed = 500 / 64 * 64..(500 / 64 + 3) * 64;
            for (n, (got, clean)) in got.iter().zip(&clean).enumerate() {
                match harmed.contains(&n) {
                    true => assert!(!got.is_finite(), "{fault}, frame {n}"),
                    false => assert_eq!(got, clean, "{fault}, frame {n}"),
                }
            }
        }
    }

    #[test]
    fn a_plan_for_a_stream_is_refused() {
        let h = noise(2, 5000);
        let refused = StoredConvolver::new(&Plan::new(5000), 1, &[&h[..]], &Routing::Shared);
        assert_eq!(refused.err(), Some(BuildError::NotStored));
    }
}
