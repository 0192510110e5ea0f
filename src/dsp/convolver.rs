//! The convolvers that a program holds: one channel, or a matrix of them.

use super::channels::{InPlace, Interleaved, Mono, Planar, Tail};
use super::control::machine::Machine;
use super::control::{Control, Settings};
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
    machine: Machine<T>,
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
        let frames = input.len();
        self.machine.process(frames, &mut Mono { input, output });
    }

    /// Convolves a block in its place.
    pub fn process_in_place(&mut self, block: &mut [T]) {
        self.machine.process(block.len(), &mut InPlace(block));
    }

    /// Writes the next frames of what still has to come out (latency and tail) and returns their
    /// number; fewer than asked for at the end, 0 when all is out. The rest of `output` is left
    /// as it is. Input that follows is convolved as if silence had been processed meanwhile.
    pub fn drain(&mut self, output: &mut [T]) -> usize {
        self.machine.drain(output.len(), &mut Tail(&mut [output]))
    }

    /// Forgets all input, as if just built.
    pub fn reset(&mut self) {
        self.machine.reset();
    }

    /// Delay from input to output in frames, without the response's own pre-delay.
    pub fn latency(&self) -> usize {
        self.machine.engine().latency()
    }

    /// Frames of output after the input has ended and the latency has passed: the response's
    /// length - 1.
    pub fn tail_len(&self) -> usize {
        self.machine.engine().tail()
    }

    /// Work done so far, counted, in units of the cost model; for tests of how evenly it falls.
    #[doc(hidden)]
    pub fn counted_work(&self) -> u64 {
        self.machine.engine().work()
    }
}

impl<T: Sample> From<Prepared<T>> for Convolver<T> {
    fn from(prepared: Prepared<T>) -> Self {
        let engine = Engine::new(1, &[prepared], &Routing::Shared);
        let engine = engine.expect("one input and one response always fit");
        Self {
            machine: Machine::new(engine, None),
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
    settings: Settings,
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

    /// How changes are made, for [`build_with_control`](Self::build_with_control).
    pub fn settings(self, settings: Settings) -> Self {
        Self { settings, ..self }
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
        self.plan(ir.len()).prepare(ir).map(Convolver::from)
    }

    /// As [`build`](Self::build), together with a [`Control`] for another thread.
    ///
    /// # Errors
    /// As [`Plan::prepare`].
    pub fn build_with_control<T: Sample>(
        &self,
        ir: &[T],
    ) -> Result<(Convolver<T>, Control<T>), BuildError> {
        let plan = self.plan(ir.len()).for_swaps();
        let ready = vec![plan.prepare(ir)?];
        let (machine, control) = Control::new(plan, 1, ready, &Routing::Shared, self.settings)?;
        Ok((Convolver { machine }, control))
    }

    fn plan(&self, frames: usize) -> Plan {
        Plan::new(self.capacity.unwrap_or(frames))
            .with_latency(self.latency)
            .with_partition(self.partition)
            .with_cpu(self.cpu.unwrap_or_else(Cpu::detect))
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
    machine: Machine<T>,
    /// Room for what is written to interleaved channels.
    scratch: Vec<T>,
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
        Ok(Self::with_machine(Machine::new(
            Engine::new(inputs, irs, routing)?,
            None,
        )))
    }

    /// As [`new`](Self::new), together with a [`Control`] for another thread.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_control<I: AsRef<[T]>>(
        plan: &Plan,
        inputs: usize,
        irs: &[I],
        routing: &Routing,
        settings: Settings,
    ) -> Result<(Self, Control<T>), BuildError> {
        let counts = Counts::new(inputs, irs.len(), routing)?;
        let plan = plan.for_swaps();
        let irs = plan.prepare_for(irs, counts)?;
        let (machine, control) = Control::new(plan, inputs, irs, routing, settings)?;
        Ok((Self::with_machine(machine), control))
    }

    fn with_machine(machine: Machine<T>) -> Self {
        let scratch = vec![T::zero(); machine.at_once()];
        Self { machine, scratch }
    }

    /// Number of input channels.
    pub fn inputs(&self) -> usize {
        self.machine.engine().inputs()
    }

    /// Number of output channels.
    pub fn outputs(&self) -> usize {
        self.machine.engine().outputs()
    }

    /// Delay from input to output in frames, without the responses' own pre-delay.
    pub fn latency(&self) -> usize {
        self.machine.engine().latency()
    }

    /// Frames of output after the input has ended and the latency has passed: the longest
    /// response's length - 1.
    pub fn tail_len(&self) -> usize {
        self.machine.engine().tail()
    }

    /// Work done so far, counted, in units of the cost model; for tests of how evenly it falls.
    #[doc(hidden)]
    pub fn counted_work(&self) -> u64 {
        self.machine.engine().work()
    }

    /// Forgets all input, as if just built.
    pub fn reset(&mut self) {
        self.machine.reset();
    }

    /// Convolves one block of planar channels, of any length.
    ///
    /// # Panics
    /// When a count of channels or a length differs.
    #[track_caller]
    pub fn process<I: AsRef<[T]>, O: AsMut<[T]>>(&mut self, input: &[I], output: &mut [O]) {
        let engine = self.machine.engine();
        check_channels("input", input.len(), engine.inputs());
        check_channels("output", output.len(), engine.outputs());
        let frames = input[0].as_ref().len();
        for channel in &input[1..] {
            check_length(frames, channel.as_ref().len());
        }
        for channel in output.iter_mut() {
            check_length(frames, channel.as_mut().len());
        }
        self.machine.process(frames, &mut Planar { input, output });
    }

    /// Convolves one block of interleaved frames: `input` holds `inputs()` samples for each
    /// frame, `output` `outputs()`.
    ///
    /// # Panics
    /// When the lengths are not whole frames, or not equally many.
    #[track_caller]
    pub fn process_interleaved(&mut self, input: &[T], output: &mut [T]) {
        let engine = self.machine.engine();
        let (inputs, outputs) = (engine.inputs(), engine.outputs());
        let frames = input.len() / inputs;
        check_length(input.len(), frames * inputs);
        check_length(frames * outputs, output.len());
        let mut channels = Interleaved {
            input,
            inputs,
            output,
            outputs,
            scratch: &mut self.scratch,
        };
        self.machine.process(frames, &mut channels);
    }

    /// Writes the next frames of what still has to come out (latency and tail) and returns their
    /// number, as [`Convolver::drain`] does.
    ///
    /// # Panics
    /// When a count of channels or a length differs.
    #[track_caller]
    pub fn drain<O: AsMut<[T]>>(&mut self, output: &mut [O]) -> usize {
        let outputs = self.machine.engine().outputs();
        check_channels("output", output.len(), outputs);
        let room = output.first_mut().map_or(0, |o| o.as_mut().len());
        for channel in output.iter_mut() {
            check_length(room, channel.as_mut().len());
        }
        self.machine.drain(room, &mut Tail(output))
    }
}

#[inline]
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
