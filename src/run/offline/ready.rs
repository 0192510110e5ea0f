//! A response made ready: once, for any number of sessions.

use super::{Render, RunError};
use crate::dsp::convolver::MatrixConvolver;
use crate::dsp::error::BuildError;
use crate::dsp::plan::{Latency, Plan};
use crate::dsp::routing::Routing;
use crate::dsp::stored::StoredConvolver;
use crate::ir::ImpulseResponse;
use crate::signal::{Sample, SampleRate};

/// Responses up to this length run as a stream without latency: in the time domain they cost no
/// more, and one tap of 1 then leaves every bit as it was.
const EXACT: usize = 32;

/// A response made ready for inputs of one rate and number of channels. Clones share its spectra,
/// so it may be prepared once for any number of sessions, on any number of threads.
#[derive(Debug, Clone)]
pub struct Ready<T: Sample> {
    pub(super) name: String,
    pub(super) rate: SampleRate,
    pub(super) inputs: usize,
    pub(super) routing: Routing,
    /// Leading zeros that were taken away: a delay.
    pub(super) lead: usize,
    pub(super) machine: Machine<T>,
}

/// How it is convolved.
#[derive(Debug, Clone)]
pub(super) enum Machine<T: Sample> {
    /// Block by block, as it comes.
    Stream(Box<MatrixConvolver<T>>),
    /// In large blocks, on any number of threads.
    Stored(StoredConvolver<T>),
}

impl<T: Sample> Ready<T> {
    /// Prepares a response for inputs of so many channels, as `options` will have it: routing,
    /// latency and whether answers come at once are settled here.
    ///
    /// # Errors
    /// When the channels do not fit.
    pub fn new(ir: &ImpulseResponse, inputs: usize, options: &Render) -> Result<Self, RunError> {
        let input = format!("an input of {inputs} channel(s)");
        Self::for_input(&input, ir, inputs, options)
    }

    pub(super) fn for_input(
        input: &str,
        ir: &ImpulseResponse,
        inputs: usize,
        options: &Render,
    ) -> Result<Self, RunError> {
        let build = |source| RunError::Build {
            input: input.to_owned(),
            ir: ir.name().to_owned(),
            source,
        };
        let routing = routing(options, inputs, ir).map_err(build)?;
        let lead = leading_zeros(ir);
        let taps = taps_behind(lead, ir);
        let frames = ir.frames() - lead;
        let machine = machine(frames, inputs, &taps, &routing, options).map_err(build)?;
        Ok(Self {
            name: ir.name().to_owned(),
            rate: ir.rate(),
            inputs,
            routing,
            lead,
            machine,
        })
    }

    /// How the response connects inputs with outputs.
    pub fn routing(&self) -> &Routing {
        &self.routing
    }

    /// Channels of a result.
    pub fn outputs(&self) -> usize {
        self.machine.outputs()
    }
}

fn machine<T: Sample>(
    frames: usize,
    inputs: usize,
    taps: &[Vec<T>],
    routing: &Routing,
    options: &Render,
) -> Result<Machine<T>, BuildError> {
    let latency = match options.latency {
        Some(latency) => Some(latency),
        None if options.immediate || frames <= EXACT => Some(Latency::Zero),
        None => None,
    };
    Ok(match latency {
        Some(latency) => {
            let plan = Plan::new(frames).with_latency(latency);
            Machine::Stream(Box::new(MatrixConvolver::new(
                &plan, inputs, taps, routing,
            )?))
        }
        None => {
            let plan = Plan::for_throughput(frames);
            Machine::Stored(StoredConvolver::new(&plan, inputs, taps, routing)?)
        }
    })
}

impl<T: Sample> Machine<T> {
    pub fn outputs(&self) -> usize {
        match self {
            Self::Stream(convolver) => convolver.outputs(),
            Self::Stored(convolver) => convolver.outputs(),
        }
    }

    pub fn latency(&self) -> usize {
        match self {
            Self::Stream(convolver) => convolver.latency(),
            Self::Stored(_) => 0,
        }
    }

    pub fn tail_len(&self) -> usize {
        match self {
            Self::Stream(convolver) => convolver.tail_len(),
            Self::Stored(convolver) => convolver.tail_len(),
        }
    }
}

/// As ordered, or by the channel counts.
pub(super) fn routing(
    options: &Render,
    inputs: usize,
    ir: &ImpulseResponse,
) -> Result<Routing, BuildError> {
    match &options.routing {
        Some(routing) => Ok(routing.clone()),
        None => Routing::for_channels(inputs, ir.channel_count()),
    }
}

/// Leading zeros that all channels share. A delay costs less than partitions of zeros, and it
/// rounds nothing.
pub(super) fn leading_zeros(ir: &ImpulseResponse) -> usize {
    let channels = ir.audio().channels().iter();
    let first = channels
        .filter_map(|taps| taps.iter().position(|&tap| tap != 0.0))
        .min();
    first.unwrap_or(0)
}

pub(super) fn taps_behind<T: Sample>(lead: usize, ir: &ImpulseResponse) -> Vec<Vec<T>> {
    let wide = |&tap: &f32| T::of(f64::from(tap));
    let channels = ir.audio().channels().iter();
    channels
        .map(|taps| taps[lead..].iter().map(wide).collect())
        .collect()
}
