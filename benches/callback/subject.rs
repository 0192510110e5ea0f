//! What is measured: faltung and its peers in Rust, behind one face.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use faltung::{Convolver, Cpu, Latency, MatrixConvolver, Plan, Routing, Sample};
use fft_convolver::{FFTConvolver, TwoStageFFTConvolver};
use realfft::FftNum;

use crate::clock::{cpu_ns, heap};
use crate::signals::response;

/// Channel c hears the noise this many frames later than channel c - 1.
pub const CHANNEL_SHIFT: usize = 997;

/// What has to be convolved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Job {
    pub channels: usize,
    /// 1: shared by all channels; `channels`: each its own; 4 for true stereo.
    pub irs: usize,
    pub ir_frames: usize,
    /// Frames of a call.
    pub block: usize,
    pub latency: Latency,
    /// Instructions for faltung.
    pub cpu: Cpu,
}

impl Job {
    pub fn routing(&self) -> Routing {
        match (self.channels, self.irs) {
            (_, 1) => Routing::Shared,
            (2, 4) => Routing::TrueStereo,
            _ => Routing::Each,
        }
    }

    /// Input, output and response of each connection.
    pub fn routes(&self) -> Vec<faltung::Route> {
        self.routing()
            .routes(self.channels, self.irs)
            .expect("the counts fit")
    }

    fn responses<T: Sample>(&self) -> Vec<Vec<T>> {
        (0..self.irs).map(|k| response(self.ir_frames, k)).collect()
    }
}

/// Frames of the parts of a round, multiples of every block.
#[derive(Debug, Clone, Copy)]
pub struct Lengths {
    /// Until every partition is in use.
    pub warm: usize,
    /// With a clock around every call.
    pub calls: usize,
    /// With a clock around the whole.
    pub mean: usize,
    /// For comparison with the reference.
    pub check: usize,
}

impl Lengths {
    pub fn total(&self) -> usize {
        self.warm + self.calls + self.mean + self.check
    }
}

/// What one round gave.
pub struct Round {
    pub ns_per_frame: f64,
    /// ns of each call, in order.
    pub calls: Vec<f64>,
    /// The last output channel over the checked frames.
    pub checked: Vec<f64>,
}

/// What is known before the first round.
#[derive(Debug, Clone)]
pub struct About {
    pub name: String,
    /// How it was set up, where there was a choice.
    pub setting: String,
    /// Found with an impulse, not asked for.
    pub latency: usize,
    pub bytes: usize,
    pub setup_ms: f64,
}

/// Someone who convolves, for a round at a time.
pub trait Subject {
    fn about(&self) -> &About;
    /// From reset: warm-up, timed calls, timed whole, checked frames.
    fn round(&mut self, lengths: Lengths, clock_cost: f64) -> Round;
}

/// The frames of a channel that the next call takes.
struct Window<T> {
    samples: Arc<[T]>,
    channel: usize,
    at: usize,
    frames: usize,
    /// A copy of them, as a driver would just have written it, if there is one.
    fresh: Vec<T>,
}

impl<T> AsRef<[T]> for Window<T> {
    #[inline]
    fn as_ref(&self) -> &[T] {
        match &self.fresh[..] {
            [] => &self.samples[self.at..self.at + self.frames],
            fresh => fresh,
        }
    }
}

/// Planar input and output of one call.
struct Buffers<T> {
    input: Vec<Window<T>>,
    output: Vec<Vec<T>>,
}

impl<T: Sample> Buffers<T> {
    fn new(job: &Job, samples: &Arc<[T]>) -> Self {
        let window = |channel| Window {
            samples: samples.clone(),
            channel,
            at: 0,
            frames: job.block,
            fresh: Vec::with_capacity(job.block),
        };
        Self {
            input: (0..job.channels).map(window).collect(),
            output: vec![vec![T::zero(); job.block]; job.channels],
        }
    }

    #[inline]
    fn seek(&mut self, at: usize) {
        for window in &mut self.input {
            window.at = at + CHANNEL_SHIFT * window.channel;
            window.fresh.clear();
        }
    }

    /// The same, with a copy that lies near.
    fn fetch(&mut self, at: usize) {
        self.seek(at);
        for window in &mut self.input {
            let frames = window.at..window.at + window.frames;
            window.fresh.extend_from_slice(&window.samples[frames]);
        }
    }

    fn replace_input(&mut self, samples: &Arc<[T]>) {
        for window in &mut self.input {
            window.samples = samples.clone();
        }
    }
}

trait Engine<T> {
    fn reset(&mut self);
    fn process(&mut self, buffers: &mut Buffers<T>);
}

impl<T: Sample> Engine<T> for Convolver<T> {
    fn reset(&mut self) {
        Convolver::reset(self);
    }
    fn process(&mut self, Buffers { input, output }: &mut Buffers<T>) {
        Convolver::process(self, input[0].as_ref(), &mut output[0]);
    }
}

impl<T: Sample> Engine<T> for MatrixConvolver<T> {
    fn reset(&mut self) {
        MatrixConvolver::reset(self);
    }
    fn process(&mut self, Buffers { input, output }: &mut Buffers<T>) {
        MatrixConvolver::process(self, input, output);
    }
}

/// A convolver of one channel that knows no matrix.
trait Single<T> {
    fn reset(&mut self);
    fn process(&mut self, input: &[T], output: &mut [T]);
}

impl<T: FftNum> Single<T> for FFTConvolver<T> {
    fn reset(&mut self) {
        FFTConvolver::reset(self);
    }
    fn process(&mut self, input: &[T], output: &mut [T]) {
        FFTConvolver::process(self, input, output).expect("the lengths are equal");
    }
}

impl<T: FftNum> Single<T> for TwoStageFFTConvolver<T> {
    fn reset(&mut self) {
        TwoStageFFTConvolver::reset(self);
    }
    fn process(&mut self, input: &[T], output: &mut [T]) {
        TwoStageFFTConvolver::process(self, input, output).expect("the lengths are equal");
    }
}

/// One of them for each route, their outputs added.
struct Bank<S, T> {
    routes: Vec<(usize, usize, S)>,
    sum: Vec<T>,
}

impl<S: Single<T>, T: Sample> Engine<T> for Bank<S, T> {
    fn reset(&mut self) {
        for (_, _, single) in &mut self.routes {
            single.reset();
        }
    }
    fn process(&mut self, Buffers { input, output }: &mut Buffers<T>) {
        let mut written = [false; 64];
        for (from, to, single) in &mut self.routes {
            let (input, output) = (input[*from].as_ref(), &mut output[*to]);
            if std::mem::replace(&mut written[*to], true) {
                single.process(input, &mut self.sum);
                for (y, &x) in output.iter_mut().zip(&self.sum) {
                    *y += x;
                }
            } else {
                single.process(input, output);
            }
        }
    }
}

/// An engine of this process with its buffers.
struct InProcess<T, E> {
    about: About,
    block: usize,
    buffers: Buffers<T>,
    engine: E,
}

impl<T: Sample, E: Engine<T>> InProcess<T, E> {
    fn new(
        name: &str,
        setting: String,
        job: &Job,
        samples: &Arc<[T]>,
        build: impl FnOnce() -> E,
    ) -> Self {
        let (bytes, begin) = (heap(), Instant::now());
        let engine = build();
        let (setup, bytes) = (begin.elapsed(), heap() - bytes);
        let about = About {
            name: name.into(),
            setting,
            latency: 0,
            bytes,
            setup_ms: setup.as_secs_f64() * 1e3,
        };
        let (block, buffers) = (job.block, Buffers::new(job, samples));
        let mut this = Self {
            about,
            block,
            buffers,
            engine,
        };
        this.find_latency(job, samples);
        this
    }

    fn find_latency(&mut self, job: &Job, samples: &Arc<[T]>) {
        let frames = 8192 + CHANNEL_SHIFT * job.channels;
        self.buffers.replace_input(&impulses(frames).into());
        for at in (0..8192).step_by(self.block) {
            self.call(at);
            let heard = |y: &T| y.wide().abs() >= 0.5;
            if let Some(first) = self.buffers.output[job.channels - 1].iter().position(heard) {
                self.about.latency = at + first;
                break;
            }
        }
        self.buffers.replace_input(samples);
    }

    #[inline]
    fn call(&mut self, at: usize) {
        self.buffers.seek(at);
        self.engine.process(&mut self.buffers);
    }
}

impl<T: Sample, E: Engine<T>> Subject for InProcess<T, E> {
    fn about(&self) -> &About {
        &self.about
    }

    fn round(&mut self, lengths: Lengths, clock_cost: f64) -> Round {
        let block = self.block;
        let mut parts = [lengths.warm, lengths.calls, lengths.mean, lengths.check]
            .into_iter()
            .scan(0, |begin, frames| {
                let part = (*begin..*begin + frames).step_by(block);
                *begin += frames;
                Some(part)
            });
        let mut next = || parts.next().expect("four parts");

        self.engine.reset();
        next().for_each(|at| self.call(at));

        let mut calls = Vec::with_capacity(lengths.calls / block);
        for at in next() {
            self.buffers.fetch(at);
            let begin = Instant::now();
            self.engine.process(&mut self.buffers);
            let took = begin.elapsed().as_nanos() as f64;
            calls.push((took - clock_cost).max(0.0));
        }

        let timed = next();
        let begin = cpu_ns();
        timed.clone().for_each(|at| self.call(at));
        let with_engine = cpu_ns() - begin;
        // What it takes to move the buffers on, which calls of a frame would feel.
        let begin = cpu_ns();
        timed.for_each(|at| {
            self.buffers.seek(at);
            black_box(self.buffers.input[0].as_ref());
        });
        let without = cpu_ns() - begin;
        let ns_per_frame = (with_engine - without).max(0.0) / lengths.mean as f64;

        let mut checked = Vec::with_capacity(lengths.check);
        for at in next() {
            self.call(at);
            let output = self.buffers.output.last().expect("at least one channel");
            checked.extend(output.iter().map(|y| y.wide()));
        }
        Round {
            ns_per_frame,
            calls,
            checked,
        }
    }
}

/// A one at the frame 0 of every channel; what channel 0 hears later does not matter.
fn impulses<T: Sample>(frames: usize) -> Vec<T> {
    let at = |t: usize| {
        if t.is_multiple_of(CHANNEL_SHIFT) {
            T::one()
        } else {
            T::zero()
        }
    };
    (0..frames).map(at).collect()
}

/// faltung itself.
pub fn faltung<T: Sample>(name: &str, job: &Job, samples: &Arc<[T]>) -> Box<dyn Subject> {
    let irs = job.responses::<T>();
    let plan = Plan::new(job.ir_frames);
    let plan = plan.with_latency(job.latency).with_cpu(job.cpu);
    if job.channels == 1 {
        let build = || Convolver::from(plan.prepare(&irs[0]).expect("a sound response"));
        return Box::new(InProcess::new(name, String::new(), job, samples, build));
    }
    let build =
        || MatrixConvolver::new(&plan, job.channels, &irs, &job.routing()).expect("it fits");
    Box::new(InProcess::new(name, String::new(), job, samples, build))
}

/// `fft-convolver` with equal blocks; the block that is fastest here.
pub fn uniform<T: Sample + FftNum>(job: &Job, samples: &Arc<[T]>) -> Box<dyn Subject> {
    let build = |block: usize, ir: &[T]| {
        let mut single = FFTConvolver::default();
        single.init(block, ir).expect("a sound response");
        single
    };
    let blocks = (0..6).map(|double| job.block.max(16) << double);
    let blocks = blocks
        .filter(|&block| block <= 8192)
        .map(|block| (block, block));
    let (block, _) = fastest(job, samples, blocks, |(block, _), ir| build(block, ir));
    let bank = || bank(job, |ir| build(block, ir));
    Box::new(InProcess::new(
        UNIFORM,
        format!("block {block}"),
        job,
        samples,
        bank,
    ))
}

/// `fft-convolver` in two stages; the head and the tail that are fastest here.
pub fn two_stage<T: Sample + FftNum>(job: &Job, samples: &Arc<[T]>) -> Box<dyn Subject> {
    let build = |(head, tail), ir: &[T]| {
        let mut single = TwoStageFFTConvolver::default();
        single.init(head, tail, ir).expect("a sound response");
        single
    };
    // Its own choice of the tail, and twice and four times that.
    let heads = (0..4).map(|double| job.block.max(16) << double);
    let pairs = heads.filter(|&head| head <= 2048).flat_map(|head| {
        let tail = fft_convolver::compute_tail_block_size(head, job.ir_frames);
        [tail, 2 * tail, 4 * tail].map(|tail| (head, tail))
    });
    let (head, tail) = fastest(job, samples, pairs, build);
    let bank = || bank(job, |ir| build((head, tail), ir));
    let setting = format!("blocks {head} and {tail}");
    Box::new(InProcess::new(TWO_STAGE, setting, job, samples, bank))
}

pub const UNIFORM: &str = "fft-convolver uniform";
pub const TWO_STAGE: &str = "fft-convolver two-stage";

fn bank<S, T: Sample>(job: &Job, build: impl Fn(&[T]) -> S) -> Bank<S, T> {
    let irs = job.responses::<T>();
    let routes = job.routes().into_iter();
    let routes = routes.map(|route| (route.input, route.output, build(&irs[route.ir])));
    Bank {
        routes: routes.collect(),
        sum: vec![T::zero(); job.block],
    }
}

/// The setting that takes least time for one channel, over at least one of its periods.
fn fastest<S: Single<T>, T: Sample>(
    job: &Job,
    samples: &Arc<[T]>,
    settings: impl Iterator<Item = (usize, usize)>,
    build: impl Fn((usize, usize), &[T]) -> S,
) -> (usize, usize) {
    let ir = response(job.ir_frames, 0);
    let mut output = vec![T::zero(); job.block];
    let mut cost = |setting: (usize, usize)| {
        let mut single = build(setting, &ir);
        let frames = setting.1.clamp(4096, 65_536);
        let mut pass = || {
            let begin = cpu_ns();
            for input in samples[..frames].chunks_exact(job.block) {
                single.process(input, &mut output);
            }
            cpu_ns() - begin
        };
        (0..3)
            .map(|_| pass() / frames as f64)
            .fold(f64::INFINITY, f64::min)
    };
    settings
        .map(|setting| (setting, cost(setting)))
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .expect("at least one setting")
        .0
}
