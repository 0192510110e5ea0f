//! The convolvers that a program holds: one channel, or a matrix of them.

use super::cost::Counts;
use super::engine::Engine;
use super::error::BuildError;
use super::plan::{Latency, Partition, Plan, Prepared};
use super::routing::Routing;
use crate::kernel::Cpu;
use crate::signal::Sample;

/// One channel through one impulse response, block by block.
///
/// What `process` gives over all blocks, and then `drain`, is the full convolution of the whole
/// input; its bits do not depend on how the input was cut into blocks. After building, nothing
/// here allocates, locks, waits or fails.
///
/// A sample that is not finite makes the output NaN for one length of the response, from the
/// frame in which it is heard on; afterwards the output is clean again, to the bit.
///
/// ```
/// use faltung::Convolver;
/// let mut echo = Convolver::new(&[1.0, 0.0, 0.5])?;
/// let mut wet = [0.0; 2];
/// echo.process(&[1.0, 2.0], &mut wet);
/// assert_eq!(wet, [1.0, 2.0]);
/// let mut tail = [0.0; 8];
/// assert_eq!(echo.drain(&mut tail), 2);
/// assert_eq!(tail[..2], [0.5, 1.0]);
/// # Ok::<(), faltung::BuildError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Convolver<T: Sample = f32> {
    engine: Engine<T>,
}

impl Convolver<f32> {
    /// Begins a build with wishes; the sample type comes from the response.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl<T: Sample> Convolver<T> {
    /// A convolver without latency.
    ///
    /// # Errors
    /// An empty response, or a tap that is not finite.
    pub fn new(ir: &[T]) -> Result<Self, BuildError> {
        Builder::default().build(ir)
    }

    /// Convolves a block of any length, also 0.
    ///
    /// # Panics
    /// When the lengths differ.
    #[track_caller]
    pub fn process(&mut self, input: &[T], output: &mut [T]) {
        check_length(input.len(), output.len());
        self.engine.in_segments(input.len(), |engine, now| {
            engine.write(0, now.len(), input[now.clone()].iter().copied());
            engine.emit(0, &mut output[now]);
        });
        self.engine.took_input(input.len());
    }

    /// Convolves a block in its place.
    pub fn process_in_place(&mut self, block: &mut [T]) {
        self.engine.in_segments(block.len(), |engine, now| {
            let block = &mut block[now];
            engine.write(0, block.len(), block.iter().copied());
            engine.emit(0, block);
        });
        self.engine.took_input(block.len());
    }

    /// Writes the next frames of what still has to come out (latency and tail) and returns their
    /// number; fewer than asked for at the end, 0 when all is out. The rest of `output` is left
    /// as it is. Input that follows is convolved as if silence had been processed meanwhile.
    pub fn drain(&mut self, output: &mut [T]) -> usize {
        let frames = self.engine.pending().min(output.len());
        self.engine.in_segments(frames, |engine, now| {
            engine.write(0, now.len(), std::iter::repeat_n(T::zero(), now.len()));
            engine.emit(0, &mut output[now]);
        });
        self.engine.took_tail(frames);
        frames
    }

    /// Forgets all input, as if just built.
    pub fn reset(&mut self) {
        self.engine.reset();
    }

    /// Delay from input to output in frames, without the response's own pre-delay.
    pub fn latency(&self) -> usize {
        self.engine.latency()
    }

    /// Frames of output after the input has ended and the latency has passed: the response's
    /// length - 1.
    pub fn tail_len(&self) -> usize {
        self.engine.tail()
    }

    /// Work done so far, counted, in units of the cost model; for tests of how evenly it falls.
    #[doc(hidden)]
    pub fn counted_work(&self) -> u64 {
        self.engine.work()
    }
}

impl<T: Sample> From<Prepared<T>> for Convolver<T> {
    fn from(prepared: Prepared<T>) -> Self {
        let engine = Engine::new(1, &[prepared], &Routing::Shared);
        Self {
            engine: engine.expect("one input and one response always fit"),
        }
    }
}

/// Wishes for a [`Convolver`].
///
/// ```
/// use faltung::{Convolver, Latency};
/// let reverb = Convolver::builder()
///     .latency(Latency::AtMost(64))
///     .capacity(48_000)
///     .build(&[0.5f32; 4_800])?;
/// assert!(reverb.latency() <= 64);
/// # Ok::<(), faltung::BuildError>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Builder {
    capacity: Option<usize>,
    latency: Latency,
    partition: Partition,
    cpu: Option<Cpu>,
}

impl Builder {
    /// Delay that is accepted in exchange for less work.
    pub fn latency(self, latency: Latency) -> Self {
        Self { latency, ..self }
    }

    /// Longest response in frames that the convolver is laid out for; the length of the response
    /// it is built with, if not given.
    pub fn capacity(self, frames: usize) -> Self {
        Self {
            capacity: Some(frames),
            ..self
        }
    }

    /// How the response is cut.
    pub fn partition(self, partition: Partition) -> Self {
        Self { partition, ..self }
    }

    /// Instructions that are used, instead of the best that this machine has.
    pub fn cpu(self, cpu: Cpu) -> Self {
        Self {
            cpu: Some(cpu),
            ..self
        }
    }

    /// Prepares the response and builds the convolver.
    ///
    /// # Errors
    /// As [`Plan::prepare`].
    pub fn build<T: Sample>(&self, ir: &[T]) -> Result<Convolver<T>, BuildError> {
        Plan::new(self.capacity.unwrap_or(ir.len()))
            .with_latency(self.latency)
            .with_partition(self.partition)
            .with_cpu(self.cpu.unwrap_or_else(Cpu::detect))
            .prepare(ir)
            .map(Convolver::from)
    }
}

/// Several inputs through a matrix of responses to several outputs.
///
/// Each input is transformed once, whatever the number of routes it feeds, each output
/// transformed back once, and the spectra of equal responses are shared. Everything that is said
/// of [`Convolver`] holds for each channel.
///
/// ```
/// use faltung::{MatrixConvolver, Plan, Routing};
/// let irs = [[1.0, 0.0], [0.0, 0.25], [0.0, 0.25], [1.0, 0.0]]; // LL, LR, RL, RR
/// let mut room = MatrixConvolver::new(&Plan::new(2), 2, &irs, &Routing::TrueStereo)?;
/// let mut wet = [[0.0; 3]; 2];
/// room.process(&[[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]], &mut wet);
/// assert_eq!(wet, [[1.0, 0.0, 0.0], [0.0, 0.25, 0.0]]);
/// # Ok::<(), faltung::BuildError>(())
/// ```
#[derive(Debug, Clone)]
pub struct MatrixConvolver<T: Sample = f32> {
    engine: Engine<T>,
}

impl<T: Sample> MatrixConvolver<T> {
    /// Prepares the responses by `plan` and connects them.
    ///
    /// # Errors
    /// As [`Plan::prepare`]; counts that do not fit the routing.
    pub fn new<I: AsRef<[T]>>(
        plan: &Plan,
        inputs: usize,
        irs: &[I],
        routing: &Routing,
    ) -> Result<Self, BuildError> {
        // Counts first: they are cheaper to check than responses to prepare.
        let counts = Counts::new(inputs, irs.len(), routing)?;
        Self::from_prepared(inputs, &plan.prepare_for(irs, counts)?, routing)
    }

    /// Connects responses that one plan has prepared.
    ///
    /// # Errors
    /// Counts that do not fit the routing, responses of different plans.
    pub fn from_prepared(
        inputs: usize,
        irs: &[Prepared<T>],
        routing: &Routing,
    ) -> Result<Self, BuildError> {
        let engine = Engine::new(inputs, irs, routing)?;
        Ok(Self { engine })
    }

    /// Number of input channels.
    pub fn inputs(&self) -> usize {
        self.engine.inputs()
    }

    /// Number of output channels.
    pub fn outputs(&self) -> usize {
        self.engine.outputs()
    }

    /// Delay from input to output in frames, without the responses' own pre-delay.
    pub fn latency(&self) -> usize {
        self.engine.latency()
    }

    /// Frames of output after the input has ended and the latency has passed: the longest
    /// response's length - 1.
    pub fn tail_len(&self) -> usize {
        self.engine.tail()
    }

    /// Work done so far, counted, in units of the cost model; for tests of how evenly it falls.
    #[doc(hidden)]
    pub fn counted_work(&self) -> u64 {
        self.engine.work()
    }

    /// Forgets all input, as if just built.
    pub fn reset(&mut self) {
        self.engine.reset();
    }

    /// Convolves one block of planar channels, of any length.
    ///
    /// # Panics
    /// When a count of channels or a length differs.
    #[track_caller]
    pub fn process<I: AsRef<[T]>, O: AsMut<[T]>>(&mut self, input: &[I], output: &mut [O]) {
        let engine = &mut self.engine;
        check_channels("input", input.len(), engine.inputs());
        check_channels("output", output.len(), engine.outputs());
        let frames = input[0].as_ref().len();
        for channel in &input[1..] {
            check_length(frames, channel.as_ref().len());
        }
        for channel in output.iter_mut() {
            check_length(frames, channel.as_mut().len());
        }
        engine.in_segments(frames, |engine, now| {
            for (channel, input) in input.iter().enumerate() {
                let input = &input.as_ref()[now.clone()];
                engine.write(channel, now.len(), input.iter().copied());
            }
            for (channel, output) in output.iter_mut().enumerate() {
                engine.emit(channel, &mut output.as_mut()[now.clone()]);
            }
        });
        engine.took_input(frames);
    }

    /// Convolves one block of interleaved frames: `input` holds `inputs()` samples for each
    /// frame, `output` `outputs()`.
    ///
    /// # Panics
    /// When the lengths are not whole frames, or not equally many.
    #[track_caller]
    pub fn process_interleaved(&mut self, input: &[T], output: &mut [T]) {
        let engine = &mut self.engine;
        let (inputs, outputs) = (engine.inputs(), engine.outputs());
        let frames = input.len() / inputs;
        check_length(input.len(), frames * inputs);
        check_length(frames * outputs, output.len());
        let mut planar = engine.borrow_scratch();
        engine.in_segments(frames, |engine, now| {
            let (n, input) = (now.len(), &input[now.start * inputs..now.end * inputs]);
            for channel in 0..inputs {
                let samples = input[channel..].iter().step_by(inputs).copied();
                engine.write(channel, n, samples);
            }
            let output = &mut output[now.start * outputs..now.end * outputs];
            for channel in 0..outputs {
                engine.emit(channel, &mut planar[..n]);
                let slots = output[channel..].iter_mut().step_by(outputs);
                for (slot, &y) in slots.zip(&planar[..n]) {
                    *slot = y;
                }
            }
        });
        engine.restore(planar);
        engine.took_input(frames);
    }

    /// Writes the next frames of what still has to come out (latency and tail) and returns their
    /// number, as [`Convolver::drain`] does.
    ///
    /// # Panics
    /// When a count of channels or a length differs.
    #[track_caller]
    pub fn drain<O: AsMut<[T]>>(&mut self, output: &mut [O]) -> usize {
        let engine = &mut self.engine;
        check_channels("output", output.len(), engine.outputs());
        let room = output.first_mut().map_or(0, |o| o.as_mut().len());
        for channel in output.iter_mut() {
            check_length(room, channel.as_mut().len());
        }
        let frames = engine.pending().min(room);
        engine.in_segments(frames, |engine, now| {
            for channel in 0..engine.inputs() {
                engine.write(
                    channel,
                    now.len(),
                    std::iter::repeat_n(T::zero(), now.len()),
                );
            }
            for (channel, output) in output.iter_mut().enumerate() {
                engine.emit(channel, &mut output.as_mut()[now.clone()]);
            }
        });
        engine.took_tail(frames);
        frames
    }
}

#[track_caller]
fn check_length(left: usize, right: usize) {
    assert!(
        left == right,
        "buffers of unequal length: {left} and {right} samples"
    );
}

#[track_caller]
fn check_channels(side: &str, given: usize, expected: usize) {
    assert!(
        given == expected,
        "{given} {side} channel(s) given, the convolver has {expected}"
    );
}
