//! A source and a convolver, ready to run, and their way to the end.

use std::time::Instant;

use super::delivery::{Delivery, Wet};
use super::ready::{self, Machine, Ready, leading_zeros, taps_behind};
use super::shape::{Fade, Shape};
use super::stored;
use super::swaps::{Swaps, Waiting, in_order};
use super::{Render, Report, RunError, SwapAt, Tail, from_db, to_db};
use crate::dsp::control::Settings;
use crate::dsp::convolver::MatrixConvolver;
use crate::dsp::mode::Mode;
use crate::dsp::plan::Plan;
use crate::dsp::routing::Routing;
use crate::io::{Levels, ReadError, Sink, Source, Spec, Spool};
use crate::ir::ImpulseResponse;
use crate::signal::{Sample, SampleRate};

/// Frames that are read, convolved and written at a time where they come as a stream.
const BLOCK: usize = 8192;
/// The same where somebody waits for them.
const IMMEDIATE: usize = 1024;
/// Level in dB below the peak under which nothing is left of a response but rounding.
const ROUNDING: f64 = -120.0;

/// A source and a convolver, ready to run.
#[derive(Debug)]
pub struct Session<T: Sample, S> {
    source: S,
    machine: Machine<T>,
    /// Only where responses take over from others.
    swaps: Option<Swaps<T>>,
    routing: Routing,
    spec: Spec,
    options: Render,
    /// Frames by which the wet signal comes later: as ordered, and the response's leading zeros.
    predelay: usize,
}

impl<T: Sample, S: Source<T>> Session<T, S> {
    /// Connects a source with a response of the same rate.
    ///
    /// # Errors
    /// When rates or channel counts do not fit, or options contradict one another.
    pub fn new(source: S, ir: &ImpulseResponse, options: Render) -> Result<Self, RunError> {
        Self::with_swaps(source, ir, &[], options)
    }

    /// The same with other responses that take over at frames of the input, in any order. Those
    /// that the input is too short for are left out. See [`Control::set_irs`](crate::Control::set_irs)
    /// for how they do it.
    ///
    /// # Errors
    /// As [`new`](Self::new), for each response; when two take over at the same frame; in any mode
    /// but `full`.
    pub fn with_swaps(
        source: S,
        ir: &ImpulseResponse,
        swaps: &[SwapAt<'_>],
        options: Render,
    ) -> Result<Self, RunError> {
        let (inputs, name) = (source.spec().channels, source.name());
        let all = || swaps.iter().map(|swap| swap.ir).chain([ir]);
        for ir in all() {
            check_rate(ir.name(), ir.rate(), &source)?;
        }
        let swaps = in_order(swaps, ir, options.mode)?;
        if swaps.is_empty() {
            let ready = Ready::for_input(name, ir, inputs, &options)?;
            return Self::with_ready(source, &ready, options);
        }
        let build = |source| RunError::Build {
            input: name.to_owned(),
            ir: ir.name().to_owned(),
            source,
        };
        let routing = ready::routing(&options, inputs, ir).map_err(build)?;
        // One delay for all of them, so that each sounds when it should.
        let lead = all().map(leading_zeros).min().unwrap_or(0);
        let longest = all().map(ImpulseResponse::frames).max().unwrap_or(1);
        let taps = taps_behind(lead, ir);
        // Without latency, for a latency lets blocks begin large, and a response takes over
        // where a block begins: it would do so a second or more beside the time asked for.
        let plan = Plan::new(longest - lead);
        let settings = Settings {
            // The mixer has its own.
            max_predelay: 0,
            ..Settings::default()
        };
        let (convolver, control) =
            MatrixConvolver::with_control(&plan, inputs, &taps, &routing, settings)
                .map_err(build)?;
        let waiting = |swap: SwapAt| Waiting {
            frame: swap.frame,
            name: swap.ir.name().to_owned(),
            taps: taps_behind(lead, swap.ir),
            swap: swap.swap,
        };
        let swaps = Swaps {
            control,
            waiting: swaps.into_iter().map(waiting).collect(),
            made: 0,
            newest: taps[0].len(),
        };
        let ready = Ready {
            name: ir.name().to_owned(),
            rate: ir.rate(),
            inputs,
            routing,
            lead,
            machine: Machine::Stream(Box::new(convolver)),
        };
        let mut session = Self::with_ready(source, &ready, options)?;
        // The very one that the control speaks to, not a clone.
        session.machine = ready.machine;
        session.swaps = Some(swaps);
        Ok(session)
    }

    /// Connects a source with a response that was made ready for it, by the same options.
    ///
    /// # Errors
    /// When rates or channel counts do not fit, or options contradict one another.
    pub fn with_ready(source: S, ready: &Ready<T>, options: Render) -> Result<Self, RunError> {
        let spec = source.spec();
        check_rate(&ready.name, ready.rate, &source)?;
        if spec.channels != ready.inputs {
            return Err(RunError::Inputs {
                input: source.name().to_owned(),
                channels: spec.channels,
                ir: ready.name.clone(),
                expected: ready.inputs,
            });
        }
        if options.mode != Mode::Full && options.tail != Tail::Full {
            return Err(RunError::TailOfMode { mode: options.mode });
        }
        let (inputs, outputs) = (spec.channels, ready.outputs());
        if options.dry != 0.0 && inputs != 1 && inputs != outputs {
            return Err(RunError::Dry { inputs, outputs });
        }
        Ok(Self {
            predelay: spec.rate.frames(options.predelay) + ready.lead,
            source,
            machine: ready.machine.clone(),
            swaps: None,
            routing: ready.routing.clone(),
            spec,
            options,
        })
    }

    /// How responses connect inputs with outputs.
    pub fn routing(&self) -> &Routing {
        &self.routing
    }

    /// Channels of the result.
    pub fn outputs(&self) -> usize {
        self.machine.outputs()
    }

    /// Delay inside the convolver in frames; the result does not show it.
    pub fn latency(&self) -> usize {
        self.machine.latency()
    }

    /// Frames that are computed at once, and threads that do so: 1 where the blocks depend on one
    /// another.
    pub fn blocks(&self) -> (usize, usize) {
        match &self.machine {
            Machine::Stream(_) => (self.stream_block(), 1),
            Machine::Stored(convolver) => (convolver.block(), self.threads()),
        }
    }

    fn stream_block(&self) -> usize {
        if self.options.immediate {
            IMMEDIATE
        } else {
            BLOCK
        }
    }

    /// As ordered, or one for each core; no more than there are blocks.
    fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, |cores| cores.get());
        let threads = self.options.threads.unwrap_or_else(cores).max(1);
        match (&self.machine, self.frames_out()) {
            (Machine::Stored(convolver), Some(frames)) => {
                let blocks = frames.div_ceil(convolver.block() as u64).max(1);
                threads.min(usize::try_from(blocks).unwrap_or(usize::MAX))
            }
            _ => threads,
        }
    }

    /// Frames that the source will give, where it knows.
    pub fn frames_in(&self) -> Option<u64> {
        self.source.frames()
    }

    /// Frames of the result after the input's end, where they are known beforehand.
    pub fn tail(&self) -> Option<u64> {
        let full = (self.predelay + self.machine.tail_len()) as u64;
        match self.options.tail {
            _ if self.options.mode != Mode::Full => Some(0),
            Tail::Cut => Some(0),
            // It depends on what plays when the input ends.
            _ if self.swaps.is_some() => None,
            Tail::Full => Some(full),
            Tail::Seconds(most) => Some(full.min(self.spec.rate.frames(most) as u64)),
            Tail::Down(_) => None,
        }
    }

    /// Frames of the result, where they are known beforehand.
    pub fn frames_out(&self) -> Option<u64> {
        let n = self.source.frames()?;
        if self.options.mode == Mode::Full {
            return Some(n + self.tail()?);
        }
        let range = self.options.mode.range(n as usize, self.response_frames());
        Some(range.len() as u64)
    }

    /// Length of the response with its pre-delay.
    fn response_frames(&self) -> usize {
        self.predelay + self.machine.tail_len() + 1
    }

    /// Runs to the end, delivers the result and tells about it. `progress` hears now and then how
    /// many input frames are done.
    ///
    /// # Errors
    /// When reading or writing fails; when the result exceeds the full scale of an integer format
    /// and can be taken back. A pipe cannot: there the result is clipped and the report's
    /// `levels` count it.
    pub fn run<K: Sink<T>>(
        mut self,
        mut sink: K,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Report, RunError> {
        let started = Instant::now();
        let (_, threads) = self.blocks();
        let format = sink.spec().format;
        let mut guard_db = 0.0;
        let frames_in = if self.options.guard {
            let near = match sink.can_take_back() {
                true => sink.path().to_owned(),
                false => std::env::temp_dir().join("faltung"),
            };
            let mut spool = Spool::beside(&near, sink.spec())?;
            let frames_in = self.pump(&mut spool, progress)?;
            let levels = Sink::<T>::levels(&spool);
            refuse_overflow(sink.name(), &levels)?;
            guard_db = format.gain_that_fits(&levels);
            spool.play(from_db(guard_db), &mut sink)?;
            frames_in
        } else {
            self.pump(&mut sink, progress)?
        };
        let levels = sink.levels();
        refuse_overflow(sink.name(), &levels)?;
        let gain_db = to_db(self.options.gain) + guard_db;
        if levels.clipped > 0 && sink.can_take_back() {
            let fits = gain_db + format.gain_that_fits(&levels);
            return Err(RunError::OverFullScale {
                file: sink.name().to_owned(),
                clipped: levels.clipped,
                peak_db: to_db(levels.peak()),
                // Down to what is printed; what is a tenth already stays one.
                gain_db: (fits * 10.0 + 1e-6).floor() / 10.0,
            });
        }
        sink.finish()?;
        Ok(Report {
            rate: self.spec.rate,
            frames_in,
            frames_out: levels.frames,
            tail: match self.options.mode {
                Mode::Full => levels.frames.saturating_sub(frames_in),
                _ => 0,
            },
            gain_db,
            guard_db,
            levels,
            replaced: self.source.replaced(),
            swaps: self.swaps.map_or(0, |swaps| swaps.made),
            threads,
            elapsed: started.elapsed(),
        })
    }

    /// Moves everything from the source through the convolver to the sink; returns the frames read.
    fn pump<K: Sink<T>>(
        &mut self,
        sink: &mut K,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, RunError> {
        let wet = Wet {
            inputs: self.spec.channels,
            outputs: self.outputs(),
            latency: self.latency(),
            predelay: self.predelay,
            response: self.response_frames(),
        };
        let shape = match (self.options.tail, &self.swaps) {
            // What was exchanged for something shorter leaves only rounding behind.
            (Tail::Full, Some(_)) => Some(Shape::Down(Fade::new(ROUNDING, wet.outputs))),
            _ => None,
        };
        let threads = self.threads();
        let mut delivery = Delivery::new(&self.options, self.spec.rate, &wet, shape, sink);
        match &self.machine {
            Machine::Stored(convolver) => {
                let source = &mut self.source;
                stored::pump(convolver, threads, source, &mut delivery, progress)?;
            }
            Machine::Stream(_) => self.stream(&mut delivery, progress)?,
        }
        match delivery.heard() {
            0 => {
                let file = self.source.name().to_owned();
                Err(ReadError::Empty { file }.into())
            }
            heard => Ok(heard),
        }
    }

    /// Block by block, as they come.
    fn stream<K: Sink<T>>(
        &mut self,
        delivery: &mut Delivery<'_, T, K>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), RunError> {
        let block = self.stream_block();
        let mut input = vec![vec![T::zero(); block]; self.spec.channels];
        let mut wet = vec![Vec::new(); self.outputs()];
        loop {
            let frames = self.source.read(&mut input)?;
            if frames == 0 {
                break;
            }
            let input: Vec<&[T]> = input.iter().map(|channel| &channel[..frames]).collect();
            self.convolve(delivery.heard(), &input, &mut wet)?;
            delivery.body(frames, &input, &mut wet)?;
            progress(delivery.heard());
        }
        if delivery.heard() == 0 {
            return Ok(());
        }
        // The answers to the last inputs, as long as the latency holds them back.
        while delivery.waits() && self.drain(block, &mut wet) {
            delivery.body(0, &[], &mut wet)?;
        }
        // Then what sounds on.
        let whole = match (self.options.tail, &self.swaps) {
            (Tail::Full, Some(swaps)) => self.predelay + swaps.newest - 1,
            _ => 0,
        };
        delivery.end_of_input(whole)?;
        while !delivery.has_enough() && self.drain(block, &mut wet) {
            delivery.tail(&mut wet)?;
        }
        Ok(())
    }

    /// Fills the vectors with up to so many frames of what still has to come out; false when all
    /// is out.
    fn drain(&mut self, block: usize, wet: &mut [Vec<T>]) -> bool {
        let Machine::Stream(convolver) = &mut self.machine else {
            return false;
        };
        wet.iter_mut().for_each(|wet| wet.resize(block, T::zero()));
        let frames = convolver.drain(wet);
        wet.iter_mut().for_each(|wet| wet.truncate(frames));
        frames > 0
    }

    /// Convolves a block that begins at frame `start` of the input, with the swaps that fall in it.
    fn convolve(&mut self, start: u64, input: &[&[T]], wet: &mut [Vec<T>]) -> Result<(), RunError> {
        let Machine::Stream(convolver) = &mut self.machine else {
            return Ok(());
        };
        let frames = input[0].len();
        wet.iter_mut().for_each(|wet| wet.resize(frames, T::zero()));
        let Some(swaps) = &mut self.swaps else {
            convolver.process(input, wet);
            return Ok(());
        };
        let mut at = 0;
        while at < frames {
            let now = start + at as u64;
            swaps.make(now)?;
            let end = frames.min(at + swaps.until_next(now));
            let input: Vec<&[T]> = input.iter().map(|channel| &channel[at..end]).collect();
            let mut wet: Vec<&mut [T]> = wet.iter_mut().map(|wet| &mut wet[at..end]).collect();
            convolver.process(&input, &mut wet);
            at = end;
        }
        Ok(())
    }
}

fn check_rate<T: Sample>(
    ir: &str,
    ir_rate: SampleRate,
    source: &impl Source<T>,
) -> Result<(), RunError> {
    let rate = source.spec().rate;
    if ir_rate == rate {
        return Ok(());
    }
    Err(RunError::Rates {
        ir: ir.to_owned(),
        ir_rate,
        input: source.name().to_owned(),
        rate,
    })
}

fn refuse_overflow(file: &str, levels: &Levels) -> Result<(), RunError> {
    match levels.nonfinite {
        0 => Ok(()),
        count => Err(RunError::Overflow {
            file: file.to_owned(),
            count,
        }),
    }
}
