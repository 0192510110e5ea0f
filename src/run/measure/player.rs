//! The loudspeaker's half: plays one signal, on one channel after another.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use ringbuf::traits::{Consumer, Producer};
use ringbuf::{HeapCons, HeapProd};

use crate::dsp::fade::Ramp;
use crate::io::port::Moment;
use crate::run::live::capture::Stamp;
use crate::run::live::stats::Stats;

/// Seconds over which a signal that is broken off fades out.
const FADE: f64 = 0.05;

/// A signal and where it is played. Comes from the thread that may wait, and goes back to it.
pub(super) struct Job {
    pub signal: Vec<f32>,
    /// Channels of the device that play it, turn by turn.
    pub turns: Vec<Vec<usize>>,
    /// Frames played so far.
    pub at: usize,
    /// Frames that the device had asked for when it began.
    pub began: u64,
}

impl Job {
    pub fn frames(&self) -> usize {
        self.signal.len() * self.turns.len()
    }
}

/// Runs in the output's callback.
pub(super) struct Player {
    jobs: HeapCons<Job>,
    done: HeapProd<Job>,
    stamps: HeapProd<Stamp>,
    stats: Arc<Stats>,
    /// Channels of the device.
    channels: usize,
    rate: f64,
    job: Option<Job>,
    envelope: Ramp<f32>,
    /// Frames asked for so far.
    total: u64,
}

impl Player {
    pub fn new(
        jobs: HeapCons<Job>,
        done: HeapProd<Job>,
        stamps: HeapProd<Stamp>,
        stats: Arc<Stats>,
        channels: usize,
        rate: f64,
    ) -> Self {
        Self {
            jobs,
            done,
            stamps,
            stats,
            channels,
            rate,
            job: None,
            envelope: Ramp::new(1.0, (FADE * rate) as usize),
            total: 0,
        }
    }

    /// Fills what the device will play.
    pub fn call(&mut self, out: &mut [f32], moment: Moment) {
        let frames = out.len() / self.channels;
        if self.job.is_none() {
            self.job = self.jobs.try_pop();
            if let Some(job) = &mut self.job {
                job.began = self.total;
                self.envelope.to(1.0);
                self.envelope.arrive();
            }
        }
        if self.stats.hush.load(Relaxed) {
            self.envelope.to(0.0);
        }
        if let Some(job) = &mut self.job {
            for frame in out.chunks_exact_mut(self.channels) {
                let turn = job.turns.get(job.at / job.signal.len());
                let sample = job.signal[job.at % job.signal.len()] * self.envelope.next();
                for &speaker in turn.into_iter().flatten() {
                    frame[speaker] = sample;
                }
                job.at += usize::from(turn.is_some());
            }
        }
        self.total += frames as u64;
        let _ = self.stamps.try_push(Stamp {
            at: moment.at.as_secs_f64(),
            delay: moment.delay.as_secs_f64(),
            total: self.total,
        });
        self.stats.output.called(moment, frames, self.rate);
        let broken_off = self.envelope.is_closed();
        let over = |job: &mut Job| broken_off || job.at >= job.frames();
        if let Some(job) = self.job.take_if(over) {
            // There is room: no job comes before the last one was taken back.
            if let Err(full) = self.done.try_push(job) {
                self.job = Some(full);
            }
        }
    }
}
