//! File to file: one pass over any length in constant memory.
//!
//! The result is defined on the time line of the full convolution. With x the input of N frames,
//! h the impulse response of M frames and P the pre-delay,
//!
//! ```text
//! full[n] = gain * (dry * x[n] + wet * (x * h)[n - P]),    0 <= n < N + P + M - 1
//! ```
//!
//! so the dry signal is as if the response began with an impulse at 0, and the pre-delay as if it
//! began with P frames of silence. The mode is cut out of this sum, with M + P for the length of
//! the response: `same` begins at frame (min(N, M + P) - 1) / 2, dry and wet alike, so the two
//! keep their distance whatever the mode is. The tail is what lies at N and behind.
//!
//! Other responses may take over at frames of the input, by the same code that exchanges them live.

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::dsp::control::{Control, ControlError, Settings, Swap};
use crate::dsp::convolver::MatrixConvolver;
use crate::dsp::error::BuildError;
use crate::dsp::mode::{Excerpt, Mode};
use crate::dsp::plan::{Latency, Plan};
use crate::dsp::routing::Routing;
use crate::io::{Levels, ReadError, Replaced, Sink, Source, Spec, Spool, WriteError};
use crate::ir::ImpulseResponse;
use crate::signal::{Sample, SampleRate};

/// Frames that are read, convolved and written at a time.
const BLOCK: usize = 8192;
/// Delay in frames that buys all the speed there is.
const MOST_LATENCY: usize = 1 << 16;
/// Responses up to this length run without latency: in the time domain they cost no more, and
/// one tap of 1 then leaves every bit as it was.
const EXACT: usize = 32;
/// Level in dB below the peak under which nothing is left of a response but rounding.
const ROUNDING: f64 = -120.0;

/// How much of what sounds on after the input's end is kept, in mode `full`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Tail {
    /// All of it: pre-delay and length of the response, less one frame. Where responses take over
    /// from others, it is the last one's, and more only as long as the others are heard.
    #[default]
    Full,
    /// None: the result is as long as the input.
    Cut,
    /// So many seconds, or less where the full tail is shorter.
    Seconds(f64),
    /// Up to the last frame in which some channel reaches this level in dB, relative to the peak
    /// of the whole result. Quiet stretches are held back until something louder follows, so this
    /// takes memory for the tail at most.
    Down(f64),
}

/// What is to be done with a source and an impulse response.
///
/// ```
/// use faltung::run::{Render, Tail};
/// let half = Render { dry: 0.5, wet: 0.5, tail: Tail::Down(-60.0), ..Render::default() };
/// # let _ = half;
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Render {
    /// Part of the full convolution to keep.
    pub mode: Mode,
    /// What is kept after the input's end; anything but [`Tail::Full`] in mode `full` only.
    pub tail: Tail,
    /// Factor of the input itself in the result.
    pub dry: f64,
    /// Factor of the convolved input in the result.
    pub wet: f64,
    /// Factor of the whole result.
    pub gain: f64,
    /// Seconds by which the convolved input comes later.
    pub predelay: f64,
    /// How responses connect inputs with outputs; by the channel counts if not given.
    pub routing: Option<Routing>,
    /// Delay inside the convolver, which the result does not show; what costs least if not given,
    /// and always none where responses take over from others.
    pub latency: Option<Latency>,
    /// Lowers a result that exceeds full scale instead of refusing it.
    pub guard: bool,
}

impl Default for Render {
    /// All wet, full tail, no gain.
    fn default() -> Self {
        Self {
            mode: Mode::Full,
            tail: Tail::Full,
            dry: 0.0,
            wet: 1.0,
            gain: 1.0,
            predelay: 0.0,
            routing: None,
            latency: None,
            guard: false,
        }
    }
}

/// Another response, and when it takes over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SwapAt<'a> {
    /// Frame of the input, counted from 0.
    pub frame: u64,
    /// As many channels as the first response.
    pub ir: &'a ImpulseResponse,
    /// What becomes of the response before it.
    pub swap: Swap,
}

/// What was done.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// Rate of input and result.
    pub rate: SampleRate,
    /// Frames read.
    pub frames_in: u64,
    /// Frames written.
    pub frames_out: u64,
    /// Frames of the result after the input's end; 0 in modes `same` and `valid`.
    pub tail: u64,
    /// Gain in dB that was applied to the whole result, the guard's included.
    pub gain_db: f64,
    /// Gain in dB that the guard found necessary; 0 where it was not.
    pub guard_db: f64,
    /// Level, clipping and dither of what was written.
    pub levels: Levels,
    /// Input samples that were no numbers.
    pub replaced: Replaced,
    /// Swaps that were made, in the order of time; the input ended before the others.
    pub swaps: usize,
    /// Time taken.
    pub elapsed: Duration,
}

/// Why a session failed.
#[derive(Debug, Error)]
#[non_exhaustive]
#[allow(missing_docs)] // each variant's message says it
pub enum RunError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("{input} with {ir}: {source}")]
    Build {
        input: String,
        ir: String,
        source: BuildError,
    },
    #[error("{ir}: has {ir_rate} where {input} has {rate}; resample it first")]
    Rates {
        ir: String,
        ir_rate: SampleRate,
        input: String,
        rate: SampleRate,
    },
    #[error(
        "{inputs} dry channels have no place in {outputs} output channels; leave the dry signal out"
    )]
    Dry { inputs: usize, outputs: usize },
    #[error(
        "the tail is part of mode full; mode {mode} has none to shorten, so leave one of them out"
    )]
    TailOfMode { mode: Mode },
    #[error(
        "mode {mode} goes by the length of one response, so nothing can be swapped there; render in mode full"
    )]
    SwapInMode { mode: Mode },
    #[error(
        "{ir}: has {channels} channel(s) where {first} has {expected}; swap between responses of equally many"
    )]
    SwapChannels {
        ir: String,
        channels: usize,
        first: String,
        expected: usize,
    },
    #[error("{one} and {other}: both take over at frame {frame} of the input; move one of them")]
    SwapTwice {
        frame: u64,
        one: String,
        other: String,
    },
    #[error("{ir}: cannot take over at frame {frame} of the input: {source}")]
    Swap {
        ir: String,
        frame: u64,
        source: ControlError,
    },
    #[error(
        "{file}: the result exceeds full scale in {clipped} sample(s), peak {peak_db:+.1} dB; nothing was delivered; a gain of {gain_db:.1} dB fits, the guard applies it, and f32 holds it as it is"
    )]
    OverFullScale {
        file: String,
        clipped: u64,
        peak_db: f64,
        gain_db: f64,
    },
    #[error(
        "{file}: {count} value(s) of the result are beyond what a float can hold; nothing was delivered; lower the input or the impulse response"
    )]
    Overflow { file: String, count: u64 },
}

/// A source and a convolver, ready to run.
#[derive(Debug)]
pub struct Session<T: Sample, S> {
    source: S,
    convolver: MatrixConvolver<T>,
    /// Only where responses take over from others.
    swaps: Option<Swaps<T>>,
    routing: Routing,
    spec: Spec,
    options: Render,
    /// Frames by which the wet signal comes later: as ordered, and the response's leading zeros.
    predelay: usize,
}

/// The responses that are still to take over.
#[derive(Debug)]
struct Swaps<T: Sample> {
    control: Control<T>,
    /// In the order of time.
    waiting: VecDeque<Waiting<T>>,
    made: usize,
    /// Frames of the response that has taken over last, or the first.
    newest: usize,
}

#[derive(Debug)]
struct Waiting<T> {
    frame: u64,
    name: String,
    taps: Vec<Vec<T>>,
    swap: Swap,
}

impl<T: Sample> Swaps<T> {
    /// Makes the swap of frame `now`, if there is one.
    fn make(&mut self, now: u64) -> Result<(), RunError> {
        if let Some(next) = self.waiting.front().filter(|next| next.frame == now) {
            let done = self.control.set_irs(&next.taps, next.swap);
            done.map_err(|source| RunError::Swap {
                ir: next.name.clone(),
                frame: now,
                source,
            })?;
            self.newest = next.taps[0].len();
            self.made += 1;
            self.waiting.pop_front();
        }
        Ok(())
    }

    /// Frames from `now` on that one call may take.
    fn until_next(&self, now: u64) -> usize {
        let next = self.waiting.front().map_or(u64::MAX, |next| next.frame);
        usize::try_from(next - now).unwrap_or(usize::MAX)
    }
}

/// Leading zeros that all channels share. A delay costs less than partitions of zeros, and it
/// rounds nothing.
fn leading_zeros(ir: &ImpulseResponse) -> usize {
    let channels = ir.audio().channels().iter();
    let first = channels
        .filter_map(|taps| taps.iter().position(|&tap| tap != 0.0))
        .min();
    first.unwrap_or(0)
}

fn taps_behind<T: Sample>(lead: usize, ir: &ImpulseResponse) -> Vec<Vec<T>> {
    let wide = |&tap: &f32| T::of(f64::from(tap));
    let channels = ir.audio().channels().iter();
    channels
        .map(|taps| taps[lead..].iter().map(wide).collect())
        .collect()
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
    /// that the input is too short for are left out. See [`Control::set_irs`] for how they do it.
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
        let spec = source.spec();
        let all = || swaps.iter().map(|swap| swap.ir).chain([ir]);
        if let Some(other) = all().find(|ir| ir.rate() != spec.rate) {
            return Err(RunError::Rates {
                ir: other.name().to_owned(),
                ir_rate: other.rate(),
                input: source.name().to_owned(),
                rate: spec.rate,
            });
        }
        if options.mode != Mode::Full && options.tail != Tail::Full {
            return Err(RunError::TailOfMode { mode: options.mode });
        }
        let swaps = in_order(swaps, ir, options.mode)?;
        let build = |error| RunError::Build {
            input: source.name().to_owned(),
            ir: ir.name().to_owned(),
            source: error,
        };
        let (inputs, irs) = (spec.channels, ir.channel_count());
        let routing = match options.routing.clone() {
            Some(routing) => routing,
            None => Routing::for_channels(inputs, irs).map_err(build)?,
        };
        // One delay for all of them, so that each sounds when it should.
        let lead = all().map(leading_zeros).min().unwrap_or(0);
        let longest = all().map(ImpulseResponse::frames).max().unwrap_or(1);
        let taps = taps_behind(lead, ir);
        let plan = Plan::new(longest - lead);
        let (convolver, swaps) = if swaps.is_empty() {
            let latency = options.latency.unwrap_or(match longest - lead {
                ..=EXACT => Latency::Zero,
                _ => Latency::AtMost(MOST_LATENCY),
            });
            let plan = plan.with_latency(latency);
            let convolver = MatrixConvolver::new(&plan, inputs, &taps, &routing).map_err(build)?;
            (convolver, None)
        } else {
            // Without latency, for a latency lets blocks begin large, and a response takes over
            // where a block begins: it would do so a second or more beside the time asked for.
            let plan = plan.with_latency(Latency::Zero);
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
            let waiting = swaps.into_iter().map(waiting).collect();
            let swaps = Swaps {
                control,
                waiting,
                made: 0,
                newest: taps[0].len(),
            };
            (convolver, Some(swaps))
        };
        let outputs = convolver.outputs();
        if options.dry != 0.0 && inputs != 1 && inputs != outputs {
            return Err(RunError::Dry { inputs, outputs });
        }
        Ok(Self {
            predelay: spec.rate.frames(options.predelay) + lead,
            source,
            convolver,
            swaps,
            routing,
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
        self.convolver.outputs()
    }

    /// Delay inside the convolver in frames; the result does not show it.
    pub fn latency(&self) -> usize {
        self.convolver.latency()
    }

    /// Frames that the source will give, where it knows.
    pub fn frames_in(&self) -> Option<u64> {
        self.source.frames()
    }

    /// Frames of the result after the input's end, where they are known beforehand.
    pub fn tail(&self) -> Option<u64> {
        let full = (self.predelay + self.convolver.tail_len()) as u64;
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
        self.predelay + self.convolver.tail_len() + 1
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
        let format = sink.spec().format;
        let mut guard_db = 0.0;
        let frames_in = if self.options.guard {
            let near = match sink.can_take_back() {
                true => Path::new(sink.name()).to_owned(),
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
            elapsed: started.elapsed(),
        })
    }

    /// Moves everything from the source through the convolver to the sink; returns the frames read.
    fn pump<K: Sink<T>>(
        &mut self,
        sink: &mut K,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, RunError> {
        let (inputs, outputs) = (self.spec.channels, self.outputs());
        let latency = self.convolver.latency();
        let mut mixer = Mixer::new(&self.options, inputs, outputs, latency, self.predelay);
        let mut shape = match (self.options.tail, &self.swaps) {
            // What was exchanged for something shorter leaves only rounding behind.
            (Tail::Full, Some(_)) => Shape::Down(Fade::new(ROUNDING, outputs)),
            _ => Shape::new(
                &self.options,
                self.spec.rate,
                self.response_frames(),
                outputs,
            ),
        };
        let mut input = vec![vec![T::zero(); BLOCK]; inputs];
        let mut wet = vec![vec![T::zero(); BLOCK]; outputs];
        let mut full = vec![Vec::with_capacity(BLOCK); outputs];
        let mut result = vec![Vec::with_capacity(BLOCK); outputs];
        loop {
            let frames = self.source.read(&mut input)?;
            if frames == 0 {
                break;
            }
            let input = firsts(&input, frames);
            self.convolve(mixer.heard, &input, &mut wet)?;
            mixer.hear(&input);
            mixer.take_wet(&firsts(&wet, frames));
            mixer.answer(&mut full);
            shape.answer(&full, &mut result);
            sink.write(&result)?;
            progress(mixer.heard);
        }
        if mixer.heard == 0 {
            let file = self.source.name().to_owned();
            return Err(ReadError::Empty { file }.into());
        }
        // The answers to the last inputs, as long as the latency holds them back.
        while mixer.told < mixer.heard {
            let frames = self.convolver.drain(&mut wet);
            if frames == 0 {
                break;
            }
            mixer.take_wet(&firsts(&wet, frames));
            mixer.answer(&mut full);
            shape.answer(&full, &mut result);
            sink.write(&result)?;
        }
        // Then what sounds on.
        let whole = match (self.options.tail, &self.swaps) {
            (Tail::Full, Some(swaps)) => self.predelay + swaps.newest - 1,
            _ => 0,
        };
        shape.end_of_input(whole);
        loop {
            mixer.sound_on(&mut full);
            shape.sound_on(&full, &mut result);
            sink.write(&result)?;
            let frames = match shape.has_enough() {
                true => 0,
                false => self.convolver.drain(&mut wet),
            };
            if frames == 0 {
                return Ok(mixer.heard);
            }
            mixer.take_wet(&firsts(&wet, frames));
        }
    }

    /// Convolves a block that begins at frame `start` of the input, with the swaps that fall in it.
    fn convolve(&mut self, start: u64, input: &[&[T]], wet: &mut [Vec<T>]) -> Result<(), RunError> {
        let frames = input[0].len();
        let Some(swaps) = &mut self.swaps else {
            self.convolver.process(input, &mut firsts_mut(wet, frames));
            return Ok(());
        };
        let mut at = 0;
        while at < frames {
            let now = start + at as u64;
            swaps.make(now)?;
            let end = frames.min(at + swaps.until_next(now));
            let input: Vec<&[T]> = input.iter().map(|channel| &channel[at..end]).collect();
            let mut wet: Vec<&mut [T]> = wet.iter_mut().map(|wet| &mut wet[at..end]).collect();
            self.convolver.process(&input, &mut wet);
            at = end;
        }
        Ok(())
    }
}

/// The swaps in the order of time, if they fit together and fit the first response.
fn in_order<'a>(
    swaps: &[SwapAt<'a>],
    first: &ImpulseResponse,
    mode: Mode,
) -> Result<Vec<SwapAt<'a>>, RunError> {
    if !swaps.is_empty() && mode != Mode::Full {
        return Err(RunError::SwapInMode { mode });
    }
    let expected = first.channel_count();
    let fits = |swap: &&SwapAt| swap.ir.channel_count() == expected;
    if let Some(SwapAt { ir, .. }) = swaps.iter().find(|swap| !fits(swap)) {
        return Err(RunError::SwapChannels {
            ir: ir.name().to_owned(),
            channels: ir.channel_count(),
            first: first.name().to_owned(),
            expected,
        });
    }
    let mut swaps = swaps.to_vec();
    swaps.sort_by_key(|swap| swap.frame);
    if let Some(pair) = swaps.windows(2).find(|pair| pair[0].frame == pair[1].frame) {
        return Err(RunError::SwapTwice {
            frame: pair[0].frame,
            one: pair[0].ir.name().to_owned(),
            other: pair[1].ir.name().to_owned(),
        });
    }
    Ok(swaps)
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

/// A factor in dB; the sign is lost.
fn to_db(factor: f64) -> f64 {
    20.0 * factor.abs().log10()
}

fn from_db(db: f64) -> f64 {
    10f64.powf(db / 20.0)
}

fn firsts<T>(block: &[Vec<T>], frames: usize) -> Vec<&[T]> {
    block.iter().map(|channel| &channel[..frames]).collect()
}

fn firsts_mut<T>(block: &mut [Vec<T>], frames: usize) -> Vec<&mut [T]> {
    block
        .iter_mut()
        .map(|channel| &mut channel[..frames])
        .collect()
}

/// Puts wet and dry on the time line of the full convolution.
struct Mixer<T> {
    /// Wet frames still to be dropped: the convolver's latency.
    skip: usize,
    /// Wet frames on their way; they begin as the pre-delay's silence.
    wet: Vec<VecDeque<T>>,
    /// Input frames that wait for their wet ones; none where no dry signal is wanted.
    dry: Vec<VecDeque<T>>,
    wet_gain: T,
    dry_gain: T,
    /// Input frames so far.
    heard: u64,
    /// Frames given out that answer input frames.
    told: u64,
}

impl<T: Sample> Mixer<T> {
    fn new(
        options: &Render,
        inputs: usize,
        outputs: usize,
        latency: usize,
        predelay: usize,
    ) -> Self {
        let dry = if options.dry == 0.0 { 0 } else { inputs };
        Self {
            skip: latency,
            wet: vec![VecDeque::from(vec![T::zero(); predelay]); outputs],
            dry: vec![VecDeque::new(); dry],
            wet_gain: T::of(options.wet * options.gain),
            dry_gain: T::of(options.dry * options.gain),
            heard: 0,
            told: 0,
        }
    }

    fn hear(&mut self, input: &[&[T]]) {
        self.heard += input[0].len() as u64;
        for (dry, input) in self.dry.iter_mut().zip(input) {
            dry.extend(input.iter());
        }
    }

    fn take_wet(&mut self, wet: &[&[T]]) {
        let skip = self.skip.min(wet[0].len());
        self.skip -= skip;
        for (waiting, wet) in self.wet.iter_mut().zip(wet) {
            waiting.extend(wet[skip..].iter());
        }
    }

    /// The frames that answer input frames, as far as they are there.
    fn answer(&mut self, full: &mut [Vec<T>]) {
        let frames = self.wet[0].len().min((self.heard - self.told) as usize);
        self.told += frames as u64;
        self.give(frames, full);
        if let Some(last) = self.dry.len().checked_sub(1) {
            for (k, full) in full.iter_mut().enumerate() {
                let dry = self.dry[k.min(last)].iter();
                for (sum, &dry) in full.iter_mut().zip(dry) {
                    *sum += dry * self.dry_gain;
                }
            }
        }
        for dry in &mut self.dry {
            dry.drain(..frames);
        }
    }

    /// The frames after the input's end, as far as they are there.
    fn sound_on(&mut self, full: &mut [Vec<T>]) {
        self.give(self.wet[0].len(), full);
    }

    fn give(&mut self, frames: usize, full: &mut [Vec<T>]) {
        for (wet, full) in self.wet.iter_mut().zip(full) {
            full.clear();
            let (old, new) = wet.as_slices();
            let first = frames.min(old.len());
            full.extend(old[..first].iter().map(|&wet| wet * self.wet_gain));
            full.extend(new[..frames - first].iter().map(|&wet| wet * self.wet_gain));
            wet.drain(..frames);
        }
    }
}

/// Cuts the result out of the full convolution while it streams.
enum Shape<T> {
    Excerpt(Excerpt<T>),
    /// The whole, and so many frames of tail at most.
    Most(u64),
    /// The whole, and the tail down to a level.
    Down(Fade<T>),
}

impl<T: Sample> Shape<T> {
    fn new(options: &Render, rate: SampleRate, response: usize, channels: usize) -> Self {
        match (options.mode, options.tail) {
            (Mode::Full, Tail::Full) => Self::Most(u64::MAX),
            (Mode::Full, Tail::Cut) => Self::Most(0),
            (Mode::Full, Tail::Seconds(most)) => Self::Most(rate.frames(most) as u64),
            (Mode::Full, Tail::Down(db)) => Self::Down(Fade::new(db, channels)),
            (mode, _) => Self::Excerpt(Excerpt::new(mode, response, channels)),
        }
    }

    /// Takes frames that answer input frames, and fills `result` with what is decided.
    fn answer(&mut self, full: &[Vec<T>], result: &mut [Vec<T>]) {
        result.iter_mut().for_each(Vec::clear);
        match self {
            Self::Excerpt(excerpt) => excerpt.push(full, result),
            Self::Most(_) => append(full, result, full[0].len()),
            Self::Down(fade) => {
                fade.watch(full);
                append(full, result, full[0].len());
            }
        }
    }

    /// `whole` is how many frames of a tail that ends at a level are kept, however quiet.
    fn end_of_input(&mut self, whole: usize) {
        match self {
            Self::Excerpt(excerpt) => excerpt.end_of_input(),
            Self::Most(_) => {}
            Self::Down(fade) => fade.whole = whole,
        }
    }

    /// Takes frames of the tail, and fills `result` with what is decided.
    fn sound_on(&mut self, full: &[Vec<T>], result: &mut [Vec<T>]) {
        result.iter_mut().for_each(Vec::clear);
        match self {
            Self::Excerpt(excerpt) => excerpt.push_tail(full, result),
            Self::Most(left) => {
                let frames = (full[0].len() as u64).min(*left);
                *left -= frames;
                append(full, result, frames as usize);
            }
            Self::Down(fade) => fade.sound_on(full, result),
        }
    }

    /// True when nothing that follows would be kept.
    fn has_enough(&self) -> bool {
        matches!(self, Self::Most(0))
    }
}

fn append<T: Copy>(from: &[Vec<T>], to: &mut [Vec<T>], frames: usize) {
    for (from, to) in from.iter().zip(to) {
        to.extend_from_slice(&from[..frames]);
    }
}

/// Ends a tail after its last frame that is loud enough.
struct Fade<T> {
    /// Level as a factor of the peak.
    level: f64,
    peak: f64,
    /// Frames that are kept, however quiet.
    whole: usize,
    /// Quiet frames that something louder may follow.
    held: Vec<Vec<T>>,
}

impl<T: Sample> Fade<T> {
    fn new(db: f64, channels: usize) -> Self {
        Self {
            level: from_db(db),
            peak: 0.0,
            whole: 0,
            held: vec![Vec::new(); channels],
        }
    }

    fn watch(&mut self, full: &[Vec<T>]) {
        let mut levels = Levels::default();
        levels.watch(full);
        self.peak = self.peak.max(levels.peak());
    }

    /// What is loud by the peak so far need not be loud by a later, higher peak; but that peak
    /// itself is loud and comes later, so what was let through belongs to the result anyway.
    fn sound_on(&mut self, full: &[Vec<T>], result: &mut [Vec<T>]) {
        self.watch(full);
        let least = self.level * self.peak;
        let loud = |value: &T| value.wide().abs() >= least && *value != T::zero();
        let last = full
            .iter()
            .filter_map(|channel| channel.iter().rposition(loud))
            .max();
        let whole = self.whole.min(full[0].len());
        self.whole -= whole;
        let kept = last.map_or(0, |last| last + 1).max(whole);
        if kept > 0 {
            for (held, result) in self.held.iter_mut().zip(&mut *result) {
                result.append(held);
            }
            append(full, result, kept);
        }
        for (held, full) in self.held.iter_mut().zip(full) {
            held.extend_from_slice(&full[kept..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::clip::convolve;
    use crate::io::SampleFormat;
    use crate::signal::Audio;

    const RATE: u32 = 1000;

    fn noise(seed: u64, frames: usize) -> Vec<f64> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            // Few bits, so that f32 holds them and sums stay exact enough to compare.
            ((state >> 40) as f64 / (1u64 << 23) as f64 - 1.0) * 0.5
        };
        (0..frames).map(|_| f64::from(next() as f32)).collect()
    }

    fn spec(channels: usize, format: SampleFormat) -> Spec {
        Spec {
            rate: SampleRate::new(RATE).unwrap(),
            channels,
            format,
        }
    }

    /// A source that hands out pieces.
    struct Memory {
        channels: Vec<Vec<f64>>,
        at: usize,
        /// Most frames of the piece that begins at a frame.
        most: fn(usize) -> usize,
    }

    impl Memory {
        /// Hands out odd pieces.
        fn new(channels: Vec<Vec<f64>>) -> Self {
            Self {
                channels,
                at: 0,
                most: |at| 1 + (at * 7 + 331) % 5003,
            }
        }
    }

    impl Source<f64> for Memory {
        fn name(&self) -> &str {
            "memory"
        }
        fn spec(&self) -> Spec {
            spec(self.channels.len(), SampleFormat::F32)
        }
        fn frames(&self) -> Option<u64> {
            Some(self.channels[0].len() as u64)
        }
        fn read(&mut self, block: &mut [Vec<f64>]) -> Result<usize, ReadError> {
            let left = self.channels[0].len() - self.at;
            let frames = left.min(block[0].len()).min((self.most)(self.at));
            for (to, from) in block.iter_mut().zip(&self.channels) {
                to[..frames].copy_from_slice(&from[self.at..self.at + frames]);
            }
            self.at += frames;
            Ok(frames)
        }
        fn replaced(&self) -> Replaced {
            Replaced::default()
        }
    }

    /// A sink that keeps everything, with full scale or without.
    struct Kept<'a> {
        spec: Spec,
        into: &'a mut Vec<Vec<f64>>,
        levels: Levels,
    }

    impl Sink<f64> for Kept<'_> {
        fn name(&self) -> &str {
            "/tmp/faltung-kept"
        }
        fn spec(&self) -> Spec {
            self.spec
        }
        fn can_take_back(&self) -> bool {
            true
        }
        fn write(&mut self, block: &[Vec<f64>]) -> Result<(), WriteError> {
            self.levels.watch(block);
            let over = |v: &&f64| self.spec.format != SampleFormat::F32 && v.abs() > 1.0;
            self.levels.clipped += block.iter().flatten().filter(over).count() as u64;
            let beyond = |v: &&f64| !v.is_finite();
            self.levels.nonfinite += block.iter().flatten().filter(beyond).count() as u64;
            append(block, self.into, block[0].len());
            Ok(())
        }
        fn levels(&self) -> Levels {
            self.levels
        }
        fn finish(self) -> Result<(), WriteError> {
            Ok(())
        }
    }

    fn response(channels: Vec<Vec<f64>>) -> ImpulseResponse {
        let narrow = |c: Vec<f64>| c.into_iter().map(|v| v as f32).collect();
        let channels = channels.into_iter().map(narrow).collect();
        ImpulseResponse::new(Audio::new(SampleRate::new(RATE).unwrap(), channels).unwrap()).unwrap()
    }

    fn try_render(
        input: Vec<Vec<f64>>,
        ir: Vec<Vec<f64>>,
        options: Render,
        format: SampleFormat,
    ) -> Result<(Vec<Vec<f64>>, Report), RunError> {
        deliver(
            Session::new(Memory::new(input), &response(ir), options)?,
            format,
        )
    }

    fn deliver(
        session: Session<f64, Memory>,
        format: SampleFormat,
    ) -> Result<(Vec<Vec<f64>>, Report), RunError> {
        let mut into = vec![Vec::new(); session.outputs()];
        let spec = spec(session.outputs(), format);
        let promised = session.frames_out();
        let sink = Kept {
            spec,
            into: &mut into,
            levels: Levels::default(),
        };
        let report = session.run(sink, &mut |_| {})?;
        if let Some(promised) = promised {
            assert_eq!(promised, into[0].len() as u64, "frames_out");
        }
        assert_eq!(report.frames_out, into[0].len() as u64);
        Ok((into, report))
    }

    fn render(x: &[f64], h: &[f64], options: Render) -> Vec<f64> {
        let done = try_render(
            vec![x.to_vec()],
            vec![h.to_vec()],
            options,
            SampleFormat::F32,
        );
        done.unwrap().0.remove(0)
    }

    #[track_caller]
    fn near(got: &[f64], expected: &[f64], what: &str) {
        assert_eq!(got.len(), expected.len(), "{what}");
        for (k, (a, b)) in got.iter().zip(expected).enumerate() {
            assert!((a - b).abs() < 1e-11, "{what}: frame {k} is {a}, not {b}");
        }
    }

    /// The definition at the head of this file, by the one-shot convolution.
    fn defined(x: &[f64], h: &[f64], options: &Render, predelay: usize) -> Vec<f64> {
        let late = [&vec![0.0; predelay], h].concat();
        let mut full = convolve(x, &late, Mode::Full).unwrap();
        full.iter_mut().for_each(|v| *v *= options.wet);
        for (sum, dry) in full.iter_mut().zip(x) {
            *sum += options.dry * dry;
        }
        full.iter_mut().for_each(|v| *v *= options.gain);
        full[options.mode.range(x.len(), late.len())].to_vec()
    }

    #[test]
    fn a_session_gives_what_the_definition_says_in_every_mode() {
        for (n, m) in [
            (1, 1),
            (5, 3),
            (3, 5),
            (4, 4),
            (2, 9000),
            (9000, 2),
            (20_000, 777),
            (777, 9001),
        ] {
            let (x, h) = (noise(1, n), noise(2, m));
            for mode in [Mode::Full, Mode::Same, Mode::Valid] {
                for (dry, predelay) in [(0.0, 0), (0.25, 0), (0.25, 30), (0.0, 9500), (0.5, 9500)] {
                    for latency in [Latency::Zero, Latency::AtMost(512)] {
                        let options = Render {
                            mode,
                            dry,
                            wet: 0.75,
                            gain: 0.5,
                            predelay: predelay as f64 / f64::from(RATE),
                            latency: Some(latency),
                            ..Render::default()
                        };
                        let expected = defined(&x, &h, &options, predelay);
                        let what = format!("{n} * {m}, {options:?}");
                        near(&render(&x, &h, options), &expected, &what);
                    }
                }
            }
        }
    }

    #[test]
    fn leading_zeros_of_a_response_are_a_delay_that_rounds_nothing() {
        let x = noise(1, 12_000);
        let h = [vec![0.0; 5000], vec![1.0], vec![0.0; 10]].concat();
        let expected = [vec![0.0; 5000], x.clone(), vec![0.0; 10]].concat();
        assert_eq!(render(&x, &h, Render::default()), expected);
        assert_eq!(
            render(&x, &[0.0; 100], Render::default()),
            vec![0.0; 12_099]
        );
    }

    #[test]
    fn a_tail_ends_where_it_was_told() {
        let (x, h) = (noise(1, 9000), noise(2, 3000));
        let full = render(&x, &h, Render::default());
        let with = |tail| {
            render(
                &x,
                &h,
                Render {
                    tail,
                    ..Render::default()
                },
            )
        };
        assert_eq!(with(Tail::Cut), full[..9000]);
        assert_eq!(with(Tail::Seconds(1.5)), full[..10_500]);
        assert_eq!(with(Tail::Seconds(100.0)), full);
        assert_eq!(with(Tail::Seconds(0.0)), full[..9000]);
    }

    #[test]
    fn a_tail_fades_to_the_last_frame_that_reaches_its_level() {
        let decay = |k: usize| 10f64.powf(-(k as f64) / 4000.0);
        let peak = |c: &[f64]| c.iter().fold(0.0f64, |peak, v| peak.max(v.abs()));
        let fading: Vec<f64> = noise(2, 30_000)
            .iter()
            .enumerate()
            .map(|(k, v)| v * decay(k))
            .collect();
        // Louder at its end than anything before: nothing may be lost, whatever was held back.
        let rising: Vec<f64> = fading.iter().rev().copied().collect();
        for (n, h) in [(700, &fading), (700, &rising), (10_000, &fading)] {
            let x = noise(1, n);
            let full = render(&x, h, Render::default());
            for db in [-20.0, -40.0, -60.0, -300.0, f64::NEG_INFINITY] {
                let least = from_db(db) * peak(&full);
                let loud = |v: &f64| v.abs() >= least && *v != 0.0;
                let end = full
                    .iter()
                    .rposition(loud)
                    .map_or(0, |last| last + 1)
                    .max(n);
                let got = render(
                    &x,
                    h,
                    Render {
                        tail: Tail::Down(db),
                        ..Render::default()
                    },
                );
                assert_eq!(got, full[..end], "{n} frames, {db} dB");
            }
        }
        let silence = Render {
            tail: Tail::Down(-60.0),
            ..Render::default()
        };
        assert_eq!(render(&[0.0; 50], &[1.0; 20], silence), [0.0; 50]);
    }

    #[test]
    fn dry_goes_to_every_output_of_a_mono_input_and_channel_by_channel_else() {
        let options = Render {
            dry: 1.0,
            wet: 0.5,
            ..Render::default()
        };
        let stereo = vec![vec![2.0], vec![4.0]];
        let (out, _) = try_render(
            vec![vec![1.0]],
            stereo.clone(),
            options.clone(),
            SampleFormat::F32,
        )
        .unwrap();
        assert_eq!(out, [[2.0], [3.0]]);
        let (out, _) =
            try_render(stereo, vec![vec![1.0]], options.clone(), SampleFormat::F32).unwrap();
        assert_eq!(out, [[3.0], [6.0]]);
        let routing = Some(Routing::Custom {
            outputs: 3,
            routes: Vec::new(),
        });
        let options = Render { routing, ..options };
        let refused = try_render(
            vec![vec![1.0]; 2],
            vec![vec![1.0]],
            options,
            SampleFormat::F32,
        );
        assert!(refused.unwrap_err().to_string().contains("2 dry channels"));
    }

    #[test]
    fn over_full_scale_is_refused_with_a_gain_that_fits_and_the_guard_applies_it() {
        let (x, h) = (noise(1, 20_000), noise(2, 50));
        let both = |guard, gain| {
            let options = Render {
                guard,
                gain,
                ..Render::default()
            };
            try_render(vec![x.clone()], vec![h.clone()], options, SampleFormat::I24)
        };
        let gain_db = match both(false, 8.0).unwrap_err() {
            RunError::OverFullScale {
                gain_db, clipped, ..
            } if clipped > 0 => gain_db,
            other => panic!("{other}"),
        };
        let (fitting, report) = both(false, from_db(gain_db)).unwrap();
        assert!(
            (0.98..1.0).contains(&report.levels.peak()),
            "{:?}",
            report.levels
        );
        let (guarded, report) = both(true, 8.0).unwrap();
        assert!(
            (0.98..1.0).contains(&report.levels.peak()),
            "{:?}",
            report.levels
        );
        assert!((report.gain_db - to_db(8.0) - report.guard_db).abs() < 1e-9);
        assert!((report.gain_db - gain_db).abs() <= 0.1 + 1e-9);
        assert_eq!(guarded[0].len(), fitting[0].len());
        // Where nothing exceeds full scale, the guard changes no bit.
        let (plain, _) = both(false, 0.1).unwrap();
        let (guarded, report) = both(true, 0.1).unwrap();
        assert_eq!((plain, 0.0), (guarded, report.guard_db));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let refused = |input: usize, irs: usize, options| {
            let input = vec![vec![1.0]; input];
            let done = try_render(input, vec![vec![1.0]; irs], options, SampleFormat::F32);
            done.unwrap_err().to_string()
        };
        let text = refused(3, 2, Render::default());
        assert!(
            text.starts_with("memory with impulse response: 3 input"),
            "{text}"
        );
        let options = Render {
            mode: Mode::Same,
            tail: Tail::Cut,
            ..Render::default()
        };
        assert!(refused(1, 1, options).contains("mode same"));
        let empty = try_render(
            vec![vec![]],
            vec![vec![1.0]],
            Render::default(),
            SampleFormat::F32,
        );
        assert!(empty.unwrap_err().to_string().contains("no samples"));
    }

    #[test]
    fn swaps_come_at_their_frames_however_the_source_is_read() {
        let (x, irs) = (
            noise(1, 30_000),
            [noise(2, 7000), noise(3, 300), noise(4, 2500)],
        );
        let irs = irs.map(|h| response(vec![h]));
        for swap in [Swap::Warm, Swap::Ring, Swap::Cut] {
            // Close to one another, so that some have to wait; the last one behind the end.
            let times = [8191, 8192, 8193, 9000, 12_345, 12_500, 25_000, 30_000];
            let swap_at = |(index, &frame): (usize, &u64)| SwapAt {
                frame,
                ir: &irs[(index + 1) % 3],
                swap,
            };
            let swaps: Vec<SwapAt> = times.iter().enumerate().map(swap_at).rev().collect();
            let made = |most: fn(usize) -> usize| {
                let source = Memory {
                    most,
                    ..Memory::new(vec![x.clone()])
                };
                let session = Session::with_swaps(source, &irs[0], &swaps, Render::default());
                let (out, report) = deliver(session.unwrap(), SampleFormat::F32).unwrap();
                assert_eq!(report.swaps, 7, "{swap:?}");
                let bits = out[0].iter().map(|value| value.to_bits());
                bits.collect::<Vec<u64>>()
            };
            let whole = made(|_| usize::MAX);
            for most in [|_| 1, |_| 64, |_| 1000, |at| 1 + (at * 7 + 331) % 5003] {
                assert!(made(most) == whole, "{swap:?}");
            }
        }
    }

    #[test]
    fn swaps_that_do_not_fit_are_refused() {
        let irs = [response(vec![vec![1.0]]), response(vec![vec![1.0]; 2])];
        let refused = |mode, swaps: &[(u64, usize)]| {
            let swap_at = |&(frame, ir): &(u64, usize)| SwapAt {
                frame,
                ir: &irs[ir],
                swap: Swap::Warm,
            };
            let swaps: Vec<SwapAt> = swaps.iter().map(swap_at).collect();
            let options = Render {
                mode,
                ..Render::default()
            };
            let source = Memory::new(vec![vec![1.0; 9]]);
            Session::<f64, _>::with_swaps(source, &irs[0], &swaps, options)
                .err()
                .map_or(String::new(), |error| error.to_string())
        };
        assert_eq!(refused(Mode::Full, &[(1, 0), (0, 0)]), "");
        assert!(refused(Mode::Same, &[(1, 0)]).contains("mode same"));
        assert!(refused(Mode::Full, &[(1, 0), (2, 1)]).contains("2 channel(s)"));
        assert!(refused(Mode::Full, &[(5, 0), (2, 0), (5, 0)]).contains("frame 5"));
    }

    #[test]
    fn a_response_at_another_rate_is_refused() {
        let audio = Audio::new(SampleRate::new(44_100).unwrap(), vec![vec![1.0]]).unwrap();
        let ir = ImpulseResponse::new(audio).unwrap();
        let source = Memory::new(vec![vec![1.0]]);
        let text = Session::<f64, _>::new(source, &ir, Render::default())
            .err()
            .unwrap()
            .to_string();
        assert!(
            text.contains("44100 Hz") && text.contains("1000 Hz"),
            "{text}"
        );
    }

    #[test]
    fn values_beyond_a_float_are_refused() {
        let options = Render {
            gain: 10.0,
            ..Render::default()
        };
        let input = vec![vec![1e308]];
        let refused = try_render(input, vec![vec![2.0]], options, SampleFormat::F32).unwrap_err();
        assert!(
            matches!(refused, RunError::Overflow { count: 1, .. }),
            "{refused}"
        );
    }
}
