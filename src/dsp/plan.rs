//! The build phase: how a response is cut, and the response cut and transformed.

use std::sync::Arc;

use num_complex::Complex;
use thiserror::Error;

use super::fft::Fft;
use super::routing::Route;
use super::scheme::{Direct, Layout, Scheme, Uniform};
use crate::signal::Sample;

/// Why a convolver cannot be built.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
#[allow(missing_docs)] // each variant's message says it
pub enum BuildError {
    #[error("the impulse response is empty; it needs at least one tap")]
    EmptyIr,
    #[error("tap {tap} of impulse response {ir} is {value}; repair or trim the response")]
    NotFinite { ir: usize, tap: usize, value: f64 },
    #[error(
        "impulse response has {frames} frames, the plan holds {capacity}; raise `capacity` or trim it"
    )]
    TooLong { frames: usize, capacity: usize },
    #[error(
        "partitions of {block} frames cannot be; give a power of two from {} to {}",
        Plan::MIN_BLOCK,
        Plan::MAX_BLOCK
    )]
    Block { block: usize },
    #[error(
        "{inputs} input channel(s) and {irs} impulse response channel(s) do not fit: give one IR channel, or one for each input channel, or four (LL, LR, RL, RR) for a stereo input, or two for a mono input"
    )]
    Routing { inputs: usize, irs: usize },
    #[error("the route from input {} through response {} to output {} leads nowhere; all are counted from 0", .0.input, .0.ir, .0.output)]
    Route(Route),
    #[error("the responses were prepared with different plans; prepare all of them with one")]
    MixedPlans,
}

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
}

impl Plan {
    /// Smallest partition in frames.
    pub const MIN_BLOCK: usize = 2;
    /// Largest partition in frames.
    pub const MAX_BLOCK: usize = 1 << 17;

    /// For responses of up to `capacity` frames, without latency, cut as costs least.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            latency: Latency::Zero,
            partition: Partition::Auto,
        }
    }

    /// Accepts a delay in exchange for less work.
    pub fn with_latency(self, latency: Latency) -> Self {
        Self { latency, ..self }
    }

    /// Fixes how responses are cut.
    pub fn with_partition(self, partition: Partition) -> Self {
        Self { partition, ..self }
    }

    /// Longest response in frames.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    fn layout(&self) -> Result<Layout, BuildError> {
        let latency = match self.latency {
            Latency::Zero => 0,
            Latency::AtMost(frames) => frames,
        };
        match self.partition {
            Partition::Direct => Ok(Direct.layout(self.capacity, latency)),
            Partition::Uniform { block } => {
                if !block.is_power_of_two() || !(Self::MIN_BLOCK..=Self::MAX_BLOCK).contains(&block)
                {
                    return Err(BuildError::Block { block });
                }
                Ok(Uniform { block }.layout(self.capacity, latency))
            }
            Partition::Auto => {
                Ok(Uniform::cheapest(self.capacity, latency).layout(self.capacity, latency))
            }
        }
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
        let layout = Arc::new(self.layout()?);
        let mut bench = Workbench::new(&layout);
        let mut all: Vec<Prepared<T>> = Vec::with_capacity(irs.len());
        for (index, ir) in irs.iter().enumerate() {
            let ir = ir.as_ref();
            let twin = irs[..index].iter().position(|other| other.as_ref() == ir);
            let prepared = match twin {
                Some(twin) => all[twin].clone(),
                None => {
                    self.check(index, ir)?;
                    bench.prepare(&layout, ir)
                }
            };
            all.push(prepared);
        }
        Ok(all)
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

/// A response cut and transformed: cheap to clone, the spectra are shared.
#[derive(Debug, Clone)]
pub struct Prepared<T: Sample = f32> {
    pub(super) layout: Arc<Layout>,
    pub(super) frames: usize,
    /// Taps of the time domain, the latency's zeros in front.
    pub(super) head: Arc<[T]>,
    /// For each level the spectra of its partitions, one after the other; as many as the
    /// response fills.
    pub(super) levels: Arc<[Vec<Complex<T>>]>,
}

impl<T: Sample> Prepared<T> {
    /// Length of the response in frames.
    pub fn frames(&self) -> usize {
        self.frames
    }
}

/// What it takes to transform responses of one layout.
struct Workbench<T> {
    ffts: Vec<Fft<T>>,
    scratch: Vec<Complex<T>>,
}

impl<T: Sample> Workbench<T> {
    fn new(layout: &Layout) -> Self {
        let ffts: Vec<Fft<T>> = layout.levels.iter().map(|l| Fft::new(l.block)).collect();
        let scratch = ffts.iter().map(Fft::scratch_len).max().unwrap_or(0);
        Self {
            ffts,
            scratch: vec![Complex::new(T::zero(), T::zero()); scratch],
        }
    }

    fn prepare(&mut self, layout: &Arc<Layout>, ir: &[T]) -> Prepared<T> {
        // Taps by delay: the latency's zeros come first.
        let delayed = [&vec![T::zero(); layout.latency], ir].concat();
        let head = &delayed[..delayed.len().min(layout.head)];
        let levels = layout.levels.iter().zip(&self.ffts).map(|(level, fft)| {
            let taps = &delayed[delayed.len().min(level.offset)..delayed.len().min(level.end())];
            let mut spectra = vec![
                Complex::new(T::zero(), T::zero());
                taps.len().div_ceil(level.block) * level.block
            ];
            let parts = spectra
                .chunks_mut(level.block)
                .zip(taps.chunks(level.block));
            for (spectrum, taps) in parts {
                fft.partition(taps, spectrum, &mut self.scratch);
            }
            spectra
        });
        Prepared {
            frames: ir.len(),
            head: head.into(),
            levels: levels.collect(),
            layout: layout.clone(),
        }
    }
}
