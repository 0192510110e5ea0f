//! The microphone's half: channels chosen, faults replaced, frames into the ring.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use ringbuf::HeapProd;
use ringbuf::traits::{Observer, Producer};

use super::stats::{Stats, measure};
use crate::io::port::Moment;

/// Frames that are handled at a time.
const PIECE: usize = 512;

/// How many frames had been captured at a certain time.
#[derive(Debug, Clone, Copy)]
pub(in crate::run) struct Stamp {
    /// Seconds since the ports were made.
    pub at: f64,
    /// Seconds between the microphone or loudspeaker and this callback, as the host says.
    pub delay: f64,
    /// Frames in the ring so far, those of this callback included.
    pub total: u64,
}

/// Runs in the input's callback.
pub(in crate::run) struct Capture {
    pub ring: HeapProd<f32>,
    pub stamps: HeapProd<Stamp>,
    pub stats: Arc<Stats>,
    /// Channels of the device.
    channels: usize,
    /// Those that are heard.
    heard: Vec<usize>,
    rate: f64,
    scratch: Vec<f32>,
    total: u64,
}

impl Capture {
    pub fn new(
        ring: HeapProd<f32>,
        stamps: HeapProd<Stamp>,
        stats: Arc<Stats>,
        channels: usize,
        heard: Vec<usize>,
        rate: f64,
    ) -> Self {
        let scratch = vec![0.0; PIECE * heard.len()];
        Self {
            ring,
            stamps,
            stats,
            channels,
            heard,
            rate,
            scratch,
            total: 0,
        }
    }

    /// Takes what the device has recorded.
    pub fn call(&mut self, data: &[f32], moment: Moment) {
        let frames = data.len() / self.channels;
        let mut nonfinite = 0;
        for piece in data.chunks(PIECE * self.channels) {
            let count = piece.len() / self.channels;
            let block = &mut self.scratch[..count * self.heard.len()];
            let targets = block.chunks_exact_mut(self.heard.len());
            for (to, from) in targets.zip(piece.chunks_exact(self.channels)) {
                for (to, &channel) in to.iter_mut().zip(&self.heard) {
                    let x = from[channel];
                    let good = x.is_finite();
                    nonfinite += u64::from(!good);
                    *to = if good { x } else { 0.0 };
                }
            }
            measure(&self.stats.input_meters, block, self.rate);
            // Whole frames only.
            let room = self.ring.vacant_len() / self.heard.len();
            let taken = count.min(room);
            self.ring.push_slice(&block[..taken * self.heard.len()]);
            self.total += taken as u64;
            if taken < count && self.stats.running.load(Relaxed) {
                let lost = (count - taken) as u64;
                self.stats.overflowed_frames.fetch_add(lost, Relaxed);
            }
        }
        if nonfinite > 0 {
            self.stats.nonfinite.fetch_add(nonfinite, Relaxed);
        }
        // Where the other side does not look for a while, the oldest stamps tell enough.
        let _ = self.stamps.try_push(Stamp {
            at: moment.at.as_secs_f64(),
            delay: moment.delay.as_secs_f64(),
            total: self.total,
        });
        self.stats.input.called(moment, frames, self.rate);
    }
}
