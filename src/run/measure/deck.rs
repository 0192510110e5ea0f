//! A pair of devices that play and record at once: what a tape deck is to a studio.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use ringbuf::traits::{Consumer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};
use thiserror::Error;

use super::course::Course;
use super::player::{Job, Player};
use crate::io::port::{DeviceError, Direction, Fault, FaultKind, Pair, Ports, Stream};
use crate::run::live::capture::{Capture, Stamp};
use crate::run::live::connection::{fault_into, let_go};
use crate::run::live::patch;
use crate::run::live::stats::{Side, Stats};
use crate::run::live::{Counts, Level, LiveError};
use crate::signal::Audio;

/// How often it looks.
const TICK: Duration = Duration::from_millis(10);
/// A device that has not called for so long is gone. Servers that nobody hurries call every two
/// seconds, which is no harm here.
const SILENCE: Duration = Duration::from_secs(3);
/// One that was just opened may take longer.
const SILENCE_AT_FIRST: Duration = Duration::from_secs(5);
/// What devices take until they call evenly.
const SETTLING: Duration = Duration::from_millis(500);
/// What a sound that is broken off may take to fade out.
const FADING: Duration = Duration::from_millis(300);
/// Seconds of input that fit into the ring: a machine that is busy for so long is not fit to
/// measure with.
const RING: f64 = 5.0;
/// Stamps and faults that wait to be read.
const STAMPS: usize = 1 << 16;
const FAULTS: usize = 64;
/// A jump of less than this, or than half a callback's frames last, may be a late callback.
const JUMP: f64 = 0.003;
/// The most that a device may ask for between the end of what is played and the end of the take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is played.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    /// Samples within full scale, at the output's rate.
    pub signal: Vec<f32>,
    /// The channels of the output device, from 0, that play it: all of a turn at once, one turn
    /// after the other. Without a turn nothing is played.
    pub turns: Vec<Vec<usize>>,
    /// Seconds that are recorded before the beginning.
    pub lead: f64,
    /// Seconds that are recorded after the end.
    pub tail: f64,
}

/// How far a take is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Seconds recorded so far.
    pub seconds: f64,
    /// Seconds that it takes.
    pub of: f64,
    /// Levels of the channels recorded, since the last look.
    pub levels: Vec<Level>,
}

/// What was recorded while something was played.
#[derive(Debug, Clone, PartialEq)]
pub struct Take {
    /// The channels of the input, at its rate.
    pub recorded: Audio<f32>,
    /// The frame of it, with a fraction, in which the first frame that was played would be heard
    /// if it took no longer than the hosts state; before the beginning if it is negative. None
    /// where nothing was played.
    pub began: Option<f64>,
    /// Where samples were NaN or infinite and became 0: how many.
    pub nonfinite: u64,
    /// What makes it unfit to measure with.
    pub disturbed: Option<Disturbance>,
}

/// Why a take is not what was played, or not what was there to be heard.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
#[allow(missing_docs)] // each variant's message says it
pub enum Disturbance {
    #[error("{times} xrun(s) of the {side} device")]
    Xrun { side: Direction, times: u64 },
    #[error("{frames} frame(s) of input lost: the machine was too busy to take them")]
    Overflow { frames: u64 },
    #[error("{samples} sample(s) of the input device were no numbers and became 0")]
    NonFinite { samples: u64 },
    #[error("the {side} device's frames jump by {milliseconds:.1} ms: some were lost or doubled")]
    Jump {
        side: Direction,
        /// Above 0 where frames are missing.
        milliseconds: f64,
    },
}

/// Why there is no take.
#[derive(Debug, Error)]
#[non_exhaustive]
#[allow(missing_docs)] // each variant's message says it
pub enum TakeError {
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Channels(#[from] LiveError),
    #[error("the device was lost: {why}; see that it stays connected, and measure again")]
    Lost { why: String },
    #[error("a signal of {frames} frames that reaches {peak} cannot be played; full scale is 1")]
    Signal { frames: usize, peak: f32 },
    #[error("stopped")]
    Stopped,
}

/// A pair of devices that play and record at once. They run from when they are opened until it is
/// dropped, whatever is done meanwhile.
pub struct Deck {
    pair: Pair,
    inputs: Vec<usize>,
    ports: Box<dyn Ports>,
    streams: Vec<Box<dyn Stream>>,
    faults: Receiver<(Direction, Fault)>,
    stats: Arc<Stats>,
    opened: Duration,
    settled: bool,
    ring: HeapCons<f32>,
    /// Frames taken out of the ring.
    read: u64,
    stamps: [HeapCons<Stamp>; 2],
    jobs: HeapProd<Job>,
    done: HeapCons<Job>,
    /// What hosts have told beside.
    notices: Vec<String>,
}

impl Deck {
    /// Opens the devices and lets them run: to record these channels, from 0. The output is
    /// silent.
    ///
    /// # Errors
    /// When a device cannot be had, or has no such channel.
    pub fn open(inputs: &[usize], mut ports: Box<dyn Ports>) -> Result<Self, TakeError> {
        let pair = ports.find()?;
        let (input, output) = (&pair.input, &pair.output);
        patch::check(inputs, Direction::Input, input)?;
        let stats = Arc::new(Stats::new(inputs.len(), 0));
        let (in_rate, out_rate) = (f64::from(input.rate.hz()), f64::from(output.rate.hz()));
        let (ring_in, ring) = HeapRb::new((RING * in_rate) as usize * inputs.len()).split();
        let (heard_in, heard) = HeapRb::new(STAMPS).split();
        let (played_in, played) = HeapRb::new(STAMPS).split();
        let (jobs, jobs_out) = HeapRb::new(1).split();
        let (done_in, done) = HeapRb::new(1).split();
        let mut capture = Capture::new(
            ring_in,
            heard_in,
            stats.clone(),
            input.channels,
            inputs.to_vec(),
            in_rate,
        );
        let mut player = Player::new(
            jobs_out,
            done_in,
            played_in,
            stats.clone(),
            output.channels,
            out_rate,
        );
        let (told, faults) = mpsc::sync_channel(FAULTS);
        let once = pair.lockstep;
        let on_fault = |side: Direction| fault_into(stats.clone(), side, once, told.clone());
        let from = ports.open_input(
            Box::new(move |data, moment| capture.call(data, moment)),
            on_fault(Direction::Input),
        )?;
        let mut streams = vec![from];
        let opened = ports
            .open_output(
                Box::new(move |out, moment| player.call(out, moment)),
                on_fault(Direction::Output),
            )
            .and_then(|to| {
                streams.push(to);
                streams.iter().try_for_each(|stream| stream.start())
            });
        if let Err(error) = opened {
            let_go(streams);
            return Err(error.into());
        }
        stats.running.store(true, Relaxed);
        let opened = ports.now();
        Ok(Self {
            pair,
            inputs: inputs.to_vec(),
            ports,
            streams,
            faults,
            stats,
            opened,
            settled: false,
            ring,
            read: 0,
            stamps: [heard, played],
            jobs,
            done,
            notices: Vec::new(),
        })
    }

    /// The devices as they were opened.
    pub fn pair(&self) -> &Pair {
        &self.pair
    }

    /// Frames of a callback, of input and output, as they were seen.
    pub fn periods(&self) -> [f64; 2] {
        [&self.stats.input, &self.stats.output].map(|side| side.period.get())
    }

    /// What hosts have told beside, since the last call.
    pub fn notices(&mut self) -> Vec<String> {
        mem::take(&mut self.notices)
    }

    /// Plays and records. `watch` sees how it goes, some hundred times a second, and says whether
    /// it shall go on.
    ///
    /// # Errors
    /// When a channel does not exist, the signal is beyond full scale, a device has gone, or
    /// `watch` does not want to go on.
    pub fn take(
        &mut self,
        program: Program,
        watch: &mut dyn FnMut(&Progress) -> bool,
    ) -> Result<Take, TakeError> {
        let Program {
            signal,
            turns,
            lead,
            tail,
        } = program;
        for speakers in &turns {
            patch::check(speakers, Direction::Output, &self.pair.output)?;
        }
        let frames = signal.len();
        let peak = signal.iter().fold(0.0, |peak: f32, x| peak.max(x.abs()));
        // What is no number does not show in the peak.
        let sound = frames > 0 && peak <= 1.0 && signal.iter().all(|x| x.is_finite());
        if !turns.is_empty() && !sound {
            return Err(TakeError::Signal { frames, peak });
        }
        self.settle(watch)?;
        let job = (!turns.is_empty()).then_some(Job {
            signal,
            turns,
            at: 0,
            began: 0,
        });
        self.roll(job, [lead, tail], watch)
    }

    /// Waits until both devices call, and do so evenly.
    fn settle(&mut self, watch: &mut dyn FnMut(&Progress) -> bool) -> Result<(), TakeError> {
        let mut since = None;
        while !self.settled {
            self.look()?;
            let called = [&self.stats.input, &self.stats.output].map(Side::last);
            if called.iter().all(Option::is_some) {
                let since = *since.get_or_insert_with(Instant::now);
                self.settled = since.elapsed() >= SETTLING;
            }
            self.go_on(watch, 0.0, 0.0)?;
            thread::sleep(TICK);
        }
        Ok(())
    }

    fn go_on(
        &self,
        watch: &mut dyn FnMut(&Progress) -> bool,
        seconds: f64,
        of: f64,
    ) -> Result<(), TakeError> {
        let levels = Stats::levels(&self.stats.input_meters);
        let progress = Progress {
            seconds,
            of,
            levels,
        };
        match watch(&progress) {
            true => Ok(()),
            false => Err(TakeError::Stopped),
        }
    }

    /// Plays the job, if there is one, and records until its end and the tail.
    fn roll(
        &mut self,
        mut job: Option<Job>,
        [lead, tail]: [f64; 2],
        watch: &mut dyn FnMut(&Progress) -> bool,
    ) -> Result<Take, TakeError> {
        let channels = self.inputs.len();
        let (rate, out_rate) = (self.pair.input.rate, self.pair.output.rate);
        let mut recorded = vec![Vec::new(); channels];
        let mut stamps = [Vec::new(), Vec::new()];
        self.stats.hush.store(false, Relaxed);
        // What came before is not part of it.
        self.gather(&mut recorded, &mut stamps);
        recorded.iter_mut().for_each(Vec::clear);
        stamps.iter_mut().for_each(Vec::clear);
        let before = self.stats.counts();
        let first = self.read;
        let played = job
            .as_ref()
            .map_or(0.0, |job| out_rate.seconds(job.frames()));
        let whole = rate.frames(lead + played + tail);
        let mut end = job.is_none().then_some(whole);
        // For what comes after a job that is finished somewhat later.
        let room = whole + rate.frames(1.0);
        recorded
            .iter_mut()
            .for_each(|channel| channel.reserve(room));
        let mut finished = None;
        let mut waits = Duration::ZERO;
        while end.is_none_or(|end| recorded[0].len() < end) {
            thread::sleep(TICK);
            self.gather(&mut recorded, &mut stamps);
            self.look()?;
            if recorded[0].len() >= rate.frames(lead)
                && let Some(job) = job.take()
            {
                // There is room: the job before was taken back.
                let _ = self.jobs.try_push(job);
            }
            if let Some(job) = self.done.try_pop() {
                finished = Some(job);
                end = Some(recorded[0].len() + rate.frames(tail));
            }
            // One that calls but does not play on would be waited for for ever.
            if end.is_none() && recorded[0].len() > whole {
                waits += TICK;
                if waits > PATIENCE {
                    let why = "the output does not play on".to_owned();
                    return Err(TakeError::Lost { why });
                }
            }
            let so_far = rate.seconds(recorded[0].len());
            if let Err(stopped) = self.go_on(watch, so_far, lead + played + tail) {
                self.break_off(finished.is_none());
                return Err(stopped);
            }
        }

        let end = end.unwrap_or(0);
        recorded
            .iter_mut()
            .for_each(|channel| channel.truncate(end));
        let after = self.stats.counts();
        let courses = [
            Course::new(&stamps[0], f64::from(rate.hz()), -1.0),
            Course::new(&stamps[1], f64::from(out_rate.hz()), 1.0),
        ];
        let began = finished.and_then(|job| {
            let [heard, played] = [courses[0].as_ref()?, courses[1].as_ref()?];
            Some(heard.frame(played.time(job.began as f64)) - first as f64)
        });
        let disturbed = disturbance(&after, &before).or_else(|| self.jump(&courses));
        let recorded = Audio::new(rate, recorded).map_err(|_| LiveError::NoChannel {
            direction: Direction::Input,
            device: self.pair.input.device.clone(),
        })?;
        Ok(Take {
            recorded,
            began,
            nonfinite: after.nonfinite - before.nonfinite,
            disturbed,
        })
    }

    /// Takes what has come from the callbacks.
    fn gather(&mut self, recorded: &mut [Vec<f32>], stamps: &mut [Vec<Stamp>; 2]) {
        for (to, from) in stamps.iter_mut().zip(&mut self.stamps) {
            to.extend(from.pop_iter());
        }
        let mut block = [0.0; 4096];
        let frame = recorded.len();
        let whole = block.len() / frame * frame;
        loop {
            let got = self.ring.pop_slice(&mut block[..whole]);
            for samples in block[..got].chunks_exact(frame) {
                for (channel, &x) in recorded.iter_mut().zip(samples) {
                    channel.push(x);
                }
            }
            self.read += (got / frame) as u64;
            if got < whole {
                break;
            }
        }
    }

    /// Whether the devices still run.
    fn look(&mut self) -> Result<(), TakeError> {
        let mut lost = None;
        while let Ok((side, fault)) = self.faults.try_recv() {
            let text = format!("{side} device: {}", fault.text);
            match fault.kind {
                FaultKind::Lost => lost = lost.or(Some(text)),
                FaultKind::Notice | FaultKind::Xrun => self.notices.push(text),
            }
        }
        let now = self.ports.now();
        let silent = |side: &Side| {
            let (last, patience) = match side.last() {
                Some(last) => (last, SILENCE),
                None => (self.opened, SILENCE_AT_FIRST),
            };
            now.saturating_sub(last) > patience
        };
        let sides = [
            (Direction::Input, &self.stats.input),
            (Direction::Output, &self.stats.output),
        ];
        let asleep = sides.iter().find(|(_, side)| silent(side));
        let asleep = asleep.map(|(side, _)| {
            let seconds = SILENCE.as_secs_f64();
            format!("the {side} device has not called for {seconds} s")
        });
        match lost.or(asleep) {
            Some(why) => Err(TakeError::Lost { why }),
            None => Ok(()),
        }
    }

    /// Lets what sounds fade out.
    fn break_off(&mut self, playing: bool) {
        self.stats.hush.store(true, Relaxed);
        let end = Instant::now() + FADING;
        while playing && self.done.try_pop().is_none() && Instant::now() < end {
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// A jump of either device's frames that no late callback explains.
    fn jump(&self, courses: &[Option<Course>; 2]) -> Option<Disturbance> {
        let sides = [
            (Direction::Input, &self.stats.input, self.pair.input.rate),
            (Direction::Output, &self.stats.output, self.pair.output.rate),
        ];
        let jumps = sides.iter().zip(courses).filter_map(|(side, course)| {
            let (side, stats, rate) = *side;
            let jump = course.as_ref()?.jump();
            let callback = stats.period.get() / f64::from(rate.hz());
            let milliseconds = 1e3 * jump;
            let large = jump.abs() > JUMP.max(0.5 * callback);
            large.then_some(Disturbance::Jump { side, milliseconds })
        });
        jumps.into_iter().next()
    }
}

impl Drop for Deck {
    fn drop(&mut self) {
        let_go(mem::take(&mut self.streams));
    }
}

/// What was counted meanwhile.
fn disturbance(after: &Counts, before: &Counts) -> Option<Disturbance> {
    let xruns = [
        (Direction::Input, after.input_xruns - before.input_xruns),
        (Direction::Output, after.output_xruns - before.output_xruns),
    ];
    let xrun = xruns.into_iter().find(|&(_, times)| times > 0);
    let xrun = xrun.map(|(side, times)| Disturbance::Xrun { side, times });
    let frames = after.overflowed_frames - before.overflowed_frames;
    let overflow = (frames > 0).then_some(Disturbance::Overflow { frames });
    let samples = after.nonfinite - before.nonfinite;
    let nonfinite = (samples > 0).then_some(Disturbance::NonFinite { samples });
    xrun.or(overflow).or(nonfinite)
}
