//! The build phase: how a response is cut, and the response cut and transformed.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use num_traits::Float;

use super::cost::{self, Counts};
use super::direct;
use super::error::BuildError;
use super::fft::Transform;
use super::product::Partitions;
use super::routing::Routing;
use super::scheme::{Direct, Layout, LevelShape, Levels, Pace, Scheme, Shares, Uniform};
use super::spectra::Spectra;
use crate::kernel::Cpu;
use crate::signal::Sample;

/// How much delay the caller accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Latency {
    /// None: the first tap answers in the frame of its input.
    #[default]
    Zero,
    /// At most so many frames; `latency()` tells how many it became.
    AtMost(usize),
}

/// How a response is cut into partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Partition {
    /// Whatever costs least.
    #[default]
    Auto,
    /// Not at all: the time domain alone.
    Direct,
    /// Equal blocks behind a head of one block.
    Uniform {
        /// Frames of a partition, a power of two.
        block: usize,
    },
    /// Blocks that grow with their distance, behind a head of one block.
    Levels {
        /// Frames of the smallest partition, a power of two.
        first: usize,
        /// How many times larger the next level's partitions are, a power of two from 2 on.
        growth: usize,
    },
}

/// How responses of up to a certain length will be convolved.
///
/// ```
/// use faltung::{Convolver, Latency, Plan};
/// let plan = Plan::new(48_000).with_latency(Latency::AtMost(256));
/// let ready = plan.prepare(&[0.5f32; 1000])?; // may allocate, may fail
/// let mut reverb = Convolver::from(ready.clone()); // the spectra are shared
/// assert!(reverb.latency() <= 256);
/// # Ok::<(), faltung::BuildError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    capacity: usize,
    latency: Latency,
    partition: Partition,
    shares: Shares,
    cpu: Cpu,
}

impl Plan {
    /// Smallest partition in frames.
    pub const MIN_BLOCK: usize = 16;
    /// Largest partition in frames.
    pub const MAX_BLOCK: usize = 1 << 17;

    /// For responses of up to `capacity` frames, without latency, cut as costs least.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            latency: Latency::Zero,
            partition: Partition::Auto,
            shares: Shares::ByBlock,
            cpu: Cpu::detect(),
        }
    }

    /// For responses of up to `capacity` frames and signals that are stored, where nothing has to
    /// be ready in time: equal blocks, as large as costs least. As a stream it has a latency of one
    /// block; [`StoredConvolver`](crate::dsp::stored::StoredConvolver), which cuts the same way, none.
    pub fn for_throughput(capacity: usize) -> Self {
        let plan = Self::new(capacity);
        let block = cost::stored_block(plan.cpu, capacity, Self::MAX_BLOCK);
        plan.with_partition(Partition::Uniform { block })
            .with_latency(Latency::AtMost(block))
    }

    /// The same for responses that others may take over from while they play, as
    /// [`Control::set_prepared`](crate::Control::set_prepared) has it. Each tap is then answered to by one
    /// part for good, which costs some more work; without, neighbouring parts share the taps by where
    /// the frame that they make lies.
    pub fn for_swaps(self) -> Self {
        let shares = Shares::ByTap;
        Self { shares, ..self }
    }

    /// Changes the length of the longest response, in frames.
    pub fn with_capacity(self, capacity: usize) -> Self {
        Self { capacity, ..self }
    }

    /// Accepts a delay in exchange for less work.
    pub fn with_latency(self, latency: Latency) -> Self {
        Self { latency, ..self }
    }

    /// Fixes how responses are cut.
    pub fn with_partition(self, partition: Partition) -> Self {
        Self { partition, ..self }
    }

    /// Fixes the instructions that are used, instead of the best that this machine has. Results
    /// differ between them in their last bits.
    pub fn with_cpu(self, cpu: Cpu) -> Self {
        Self { cpu, ..self }
    }

    /// Longest response in frames.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    fn layout<T: Sample>(&self, counts: Counts) -> Result<Layout, BuildError> {
        let latency = match self.latency {
            Latency::Zero => 0,
            Latency::AtMost(frames) => frames,
        };
        let power_of_two = |block: usize, least: usize| {
            let fits = block.is_power_of_two() && (least..=Self::MAX_BLOCK).contains(&block);
            fits.then_some(()).ok_or(BuildError::Block {
                block,
                least,
                most: Self::MAX_BLOCK,
            })
        };
        let layout = match self.partition {
            Partition::Auto => {
                let (cpu, shares) = (self.cpu, self.shares);
                return Ok(cost::cheapest::<T>(
                    cpu,
                    self.capacity,
                    latency,
                    counts,
                    shares,
                ));
            }
            Partition::Direct => Direct.layout(self.capacity, latency, self.shares),
            Partition::Uniform { block } => {
                power_of_two(block, Self::MIN_BLOCK)?;
                Uniform { block }.layout(self.capacity, latency, self.shares)
            }
            Partition::Levels { first, growth } => {
                power_of_two(first, Self::MIN_BLOCK)?;
                power_of_two(growth, 2)?;
                Levels::growing(first, growth, Self::MAX_BLOCK, self.capacity).layout(
                    self.capacity,
                    latency,
                    self.shares,
                )
            }
        };
        Ok(cost::with_squares::<T>(self.cpu, layout, counts))
    }

    /// Cuts and transforms a response of 1 to `capacity` taps.
    ///
    /// # Errors
    /// An empty or too long response, taps that are not finite, an impossible block size.
    pub fn prepare<T: Sample>(&self, ir: &[T]) -> Result<Prepared<T>, BuildError> {
        let mut all = self.prepare_all(&[ir])?;
        Ok(all.remove(0))
    }

    /// Prepares several responses; equal ones share their spectra.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub fn prepare_all<T: Sample, I: AsRef<[T]>>(
        &self,
        irs: &[I],
    ) -> Result<Vec<Prepared<T>>, BuildError> {
        self.prepare_for(irs, Counts::MONO)
    }

    /// Prepares responses for a matrix of so many channels and routes.
    pub(super) fn prepare_for<T: Sample, I: AsRef<[T]>>(
        &self,
        irs: &[I],
        counts: Counts,
    ) -> Result<Vec<Prepared<T>>, BuildError> {
        let bench = Arc::new(Workbench::new(self.cpu, self.layout::<T>(counts)?));
        self.prepare_on(&bench, irs)
    }

    /// Prepares responses on a workbench that there is already.
    pub(super) fn prepare_on<T: Sample, I: AsRef<[T]>>(
        &self,
        bench: &Arc<Workbench<T>>,
        irs: &[I],
    ) -> Result<Vec<Prepared<T>>, BuildError> {
        let mut all: Vec<Prepared<T>> = Vec::with_capacity(irs.len());
        for (index, ir) in irs.iter().enumerate() {
            let ir = ir.as_ref();
            let twin = irs[..index].iter().position(|other| other.as_ref() == ir);
            let prepared = match twin {
                Some(twin) => all[twin].clone(),
                None => {
                    self.check(index, ir)?;
                    bench.prepare(ir)
                }
            };
            all.push(prepared);
        }
        Ok(all)
    }

    /// What the plan comes to for responses of its capacity, sample type `T`, so many inputs and
    /// outputs and a routing between them.
    ///
    /// # Errors
    /// An impossible block size, counts that do not fit the routing.
    pub fn outline<T: Sample>(
        &self,
        inputs: usize,
        irs: usize,
        routing: &Routing,
    ) -> Result<Outline, BuildError> {
        let counts = Counts::new(inputs, irs, routing)?;
        let layout = self.layout::<T>(counts)?;
        Ok(Outline {
            cpu: self.cpu,
            ns_per_frame: cost::per_frame::<T>(self.cpu, &layout, counts),
            bytes: cost::bytes::<T>(self.cpu, &layout, counts),
            layout,
            counts,
        })
    }

    fn check<T: Sample>(&self, index: usize, ir: &[T]) -> Result<(), BuildError> {
        if ir.is_empty() {
            return Err(BuildError::EmptyIr);
        }
        if ir.len() > self.capacity {
            return Err(BuildError::TooLong {
                frames: ir.len(),
                capacity: self.capacity,
            });
        }
        match ir.iter().position(|tap| !tap.is_finite()) {
            None => Ok(()),
            Some(tap) => Err(BuildError::NotFinite {
                ir: index,
                tap,
                value: ir[tap].wide(),
            }),
        }
    }
}

/// What a [`Plan`] comes to: prints as a table of its parts with their delays in frames, the
/// latency, and the predicted cost in time and memory.
#[derive(Debug, Clone)]
pub struct Outline {
    cpu: Cpu,
    layout: Layout,
    counts: Counts,
    ns_per_frame: f64,
    bytes: usize,
}

impl Outline {
    /// Delay from input to output in frames.
    pub fn latency(&self) -> usize {
        self.layout.latency
    }

    /// Taps that are convolved in the time domain.
    pub fn head(&self) -> usize {
        self.layout.head - self.layout.latency.min(self.layout.head)
    }

    /// Where what one part of a block of the first level is to the next is made in one go between them,
    /// instead of in the time domain: the frames of such parts, in growing order up to half a block.
    pub fn squares(&self) -> impl Iterator<Item = usize> {
        self.layout.squares()
    }

    /// For each level the frames of a block, the first tap that it answers to, and the number of
    /// partitions. Levels overlap, but in a plan [for swaps](Plan::for_swaps): a tap is answered to by
    /// the one or the other, by where the frame that it makes lies in the larger block.
    pub fn levels(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        let latency = self.layout.latency;
        let levels = self.layout.levels.iter();
        levels.map(move |l| (l.block, l.first_tap().saturating_sub(latency), l.partitions))
    }

    /// Predicted time for one frame of all channels, in nanoseconds, on the machine on which the
    /// cost model was measured (EPYC, Zen 4).
    pub fn ns_per_frame(&self) -> f64 {
        self.ns_per_frame
    }

    /// Memory for spectra, delay lines and buffers, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Instructions that are used.
    pub fn cpu(&self) -> Cpu {
        self.cpu
    }
}

impl fmt::Display for Outline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "part      block  from tap  partitions  work")?;
        if self.head() > 0 {
            writeln!(
                f,
                "head          -         0  {:>10}  every frame",
                self.head()
            )?;
        }
        for part in self.squares() {
            writeln!(
                f,
                "square    {part:>5}         1           1  when every second of its blocks is full"
            )?;
        }
        for (index, (level, (_, from, _))) in
            self.layout.levels.iter().zip(self.levels()).enumerate()
        {
            let work = match level.pace {
                Pace::AtOnce => "when its block is full",
                Pace::Spread => "spread over the next block",
            };
            writeln!(
                f,
                "level {}  {:>7}  {from:>8}  {:>10}  {work}",
                index + 1,
                level.block,
                level.partitions
            )?;
        }
        let Counts {
            inputs,
            outputs,
            routes,
        } = self.counts;
        writeln!(f, "latency   {} frames", self.layout.latency)?;
        writeln!(
            f,
            "channels  {inputs} in, {outputs} out, {routes} response(s)"
        )?;
        writeln!(
            f,
            "cost      about {:.1} ns per frame ({})",
            self.ns_per_frame, self.cpu
        )?;
        write!(
            f,
            "memory    {:.1} MiB",
            self.bytes as f64 / f64::from(1 << 20)
        )
    }
}

/// A response cut and transformed: cheap to clone, the spectra are shared.
#[derive(Debug, Clone)]
pub struct Prepared<T: Sample = f32> {
    pub(super) bench: Arc<Workbench<T>>,
    frames: usize,
    /// Taps of the time domain with the latency's zeros, as [`direct::arrange`] has them.
    pub(super) head: Arc<[T]>,
    /// Its share in the square that needs no level, one partition at most, if there is such a square.
    pub(super) square: Option<Arc<Partitions<T>>>,
    /// The response's share in each level.
    pub(super) levels: Vec<Arc<Partitions<T>>>,
}

impl<T: Sample> Prepared<T> {
    /// Length of the response in frames.
    pub fn frames(&self) -> usize {
        self.frames
    }
}

/// What it takes to transform and to convolve responses of one layout.
#[derive(Debug)]
pub(crate) struct Workbench<T: Sample> {
    pub cpu: Cpu,
    pub layout: Layout,
    /// The layout's levels, then those that make its squares.
    pub levels: Vec<LevelShape>,
    /// One for each of them.
    pub transforms: Vec<Arc<Transform<T>>>,
    /// That of the square that needs no level, if there is such a square.
    pub square: Option<Transform<T>>,
}

impl<T: Sample> Workbench<T> {
    fn new(cpu: Cpu, layout: Layout) -> Self {
        let alone = Transform::<T>::square_block(cpu);
        let squares = layout.squares().filter(|&part| Some(part) != alone);
        let levels = layout.levels.iter().copied();
        let levels: Vec<LevelShape> = levels.chain(squares.map(LevelShape::square)).collect();
        let transform = |level: &LevelShape| Arc::new(Transform::new(level.block, cpu));
        let square = layout.square.filter(|&least| Some(least) == alone);
        Self {
            cpu,
            transforms: levels.iter().map(transform).collect(),
            square: square.map(|part| Transform::new(part, cpu)),
            levels,
            layout,
        }
    }

    /// Which levels make squares.
    pub fn squares(&self) -> Range<usize> {
        self.layout.levels.len()..self.levels.len()
    }

    /// Whether responses of both can meet in one engine.
    pub fn fits(&self, other: &Self) -> bool {
        self.cpu == other.cpu && self.layout == other.layout
    }

    fn prepare(self: &Arc<Self>, ir: &[T]) -> Prepared<T> {
        // Taps by delay: the latency's zeros come first. Taps that are nothing beside the
        // largest, by eps squared, become zero: what they would add is far below the rounding,
        // and subnormal numbers would cost much.
        let peak = ir
            .iter()
            .fold(T::zero(), |peak, &tap| peak.max(Float::abs(tap)));
        let floor = peak * T::epsilon() * T::epsilon();
        let tap = |&tap: &T| {
            if Float::abs(tap) < floor {
                T::zero()
            } else {
                tap
            }
        };
        let latency = std::iter::repeat_n(T::zero(), self.layout.latency);
        let delayed: Vec<T> = latency.chain(ir.iter().map(tap)).collect();
        let until = |delay: usize| delay.min(delayed.len());
        let square = self.square.as_ref().map(|transform| {
            let window = &delayed[..until(2 * transform.block())];
            partitions(transform, std::iter::once(window))
        });
        let levels = self.levels.iter().zip(&self.transforms);
        let levels = levels.map(|(level, transform)| {
            let block = level.block;
            let (first, last) = level.taps;
            let mut own = delayed[..until(last)].to_vec();
            own[..until(first)].fill(T::zero());
            let within = |delay: usize| delay.min(own.len());
            let window = |part: usize| {
                let middle = (level.nearest() + part) * block;
                &own[within(middle - block)..within(middle + block)]
            };
            partitions(transform, (0..level.partitions).map(window))
        });
        Prepared {
            bench: self.clone(),
            frames: ir.len(),
            head: direct::arrange(&delayed[..until(self.layout.head)]).into(),
            square,
            levels: levels.collect(),
        }
    }
}

/// Transforms windows of a response, as many as there are taps for.
fn partitions<'a, T: Sample>(
    transform: &Transform<T>,
    windows: impl Iterator<Item = &'a [T]>,
) -> Arc<Partitions<T>> {
    // Tap 0 of a window is nothing to the block of output that it is for.
    let windows: Vec<&[T]> = windows.take_while(|window| window.len() > 1).collect();
    let mut spectra = Spectra::new(transform.block(), windows.len());
    for (slot, window) in windows.iter().enumerate() {
        transform.response(window, spectra.samples_mut(), slot);
    }
    let silent = |window: &&[T]| window[1..].iter().all(|&tap| tap == T::zero());
    let silent: Vec<bool> = windows.iter().map(silent).collect();
    let all_sound = !silent.contains(&true);
    Arc::new(Partitions {
        spectra,
        silent,
        all_sound,
    })
}
