//! How long sound takes from the loudspeaker's callback through a loop back to it.
//!
//! A short burst is played again and again, and what comes back is compared with it: where their
//! correlation is largest, the burst has come back. The burst is a stretch of a maximum length
//! sequence, whose correlation with itself is a single peak (Rife and Vanderkooy, "Transfer-Function
//! Measurement with Maximum-Length Sequences", JAES 37(6), 1989).

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use crate::dsp::clip::convolve;
use crate::dsp::mode::Mode;
use crate::signal::SampleRate;

/// Frames of a burst: one period of a sequence of order 11.
const BURST: usize = 2047;
/// Seconds from burst to burst.
const PERIOD: f64 = 1.0;
/// How often what comes back is looked at.
const TICK: Duration = Duration::from_millis(20);
/// Level of the burst: -12 dB of full scale.
const LEVEL: f32 = 0.25;
/// A burst that is found stands out from everything else by this factor.
const CLEAR: f64 = 8.0;

/// Plays the bursts and keeps what comes back.
pub(super) struct Probe {
    burst: Vec<f32>,
    /// Frames from burst to burst.
    period: usize,
    at: usize,
    inputs: usize,
    outputs: usize,
    heard: HeapProd<f32>,
}

impl Probe {
    /// For so many bursts, one at the beginning of every period; what comes back, all channels
    /// summed, can be had from the other end.
    pub fn new(
        inputs: usize,
        outputs: usize,
        rate: SampleRate,
        bursts: usize,
    ) -> (Self, HeapCons<f32>) {
        let period = rate.frames(PERIOD);
        // A few more than are wanted: the first come before sound passes.
        let (heard, from) = HeapRb::new(period * (bursts + 8)).split();
        let probe = Self {
            burst: burst(),
            period,
            at: 0,
            inputs,
            outputs,
            heard,
        };
        (probe, from)
    }

    /// One block, interleaved.
    pub fn process(&mut self, input: &[f32], output: &mut [f32]) {
        let frames = input
            .chunks_exact(self.inputs)
            .zip(output.chunks_exact_mut(self.outputs));
        for (x, y) in frames {
            let sample = self.burst.get(self.at).copied().unwrap_or(0.0);
            y.fill(sample);
            self.at = (self.at + 1) % self.period;
            if self.heard.vacant_len() > 0 {
                let _ = self.heard.try_push(x.iter().sum());
            }
        }
    }
}

/// A maximum length sequence from x^11 + x^9 + 1.
fn burst() -> Vec<f32> {
    let mut state = 1u32;
    let step = |_| {
        let bit = (state >> 10 ^ state >> 8) & 1;
        state = (state << 1 | bit) & 0x7ff;
        if bit == 1 { LEVEL } else { -LEVEL }
    };
    (0..BURST).map(step).collect()
}

/// The round trips of bursts in frames, from when sound passes on; fewer where some do not come
/// back.
pub(super) fn round_trips(
    mut heard: HeapCons<f32>,
    running: &AtomicBool,
    rate: SampleRate,
    bursts: usize,
) -> Vec<f64> {
    let period = rate.frames(PERIOD);
    let mut found = Vec::new();
    let mut stretch: Vec<f32> = Vec::with_capacity(period);
    let mut sound = 0;
    let end = Instant::now() + Duration::from_secs_f64(PERIOD * (bursts + 6) as f64);
    while found.len() < bursts && sound < bursts + 3 && Instant::now() < end {
        thread::sleep(TICK);
        let running = running.load(Relaxed);
        while let Some(sample) = heard.try_pop() {
            stretch.push(sample);
            if stretch.len() < period {
                continue;
            }
            // The first whole stretch after the beginning may have begun before it.
            if running {
                sound += 1;
            }
            if sound > 1 {
                found.extend(find(&stretch));
            }
            stretch.clear();
        }
    }
    found.truncate(bursts);
    found
}

/// Frames after which the burst comes back in what was heard from its beginning on, with a
/// fraction; none where it cannot be told from the rest.
fn find(heard: &[f32]) -> Option<f64> {
    let mut reversed = burst();
    reversed.reverse();
    let full = convolve(heard, &reversed, Mode::Full).ok()?;
    // correlation[lag] = sum over n of heard[lag + n] * burst[n]
    let correlation = full.get(BURST - 1..)?;
    let size = |k: usize| f64::from(correlation[k]).abs();
    let peak = (0..correlation.len()).max_by(|&a, &b| size(a).total_cmp(&size(b)))?;
    let mean = (0..correlation.len()).map(|k| size(k).powi(2)).sum::<f64>();
    let rest = (mean / correlation.len() as f64).sqrt();
    if size(peak) < CLEAR * rest || size(peak) == 0.0 {
        return None;
    }
    if peak == 0 || peak + 1 >= correlation.len() {
        return Some(peak as f64);
    }
    // The top of a parabola through three points.
    let (a, b, c) = (size(peak - 1), size(peak), size(peak + 1));
    let curve = a - 2.0 * b + c;
    let shift = if curve < 0.0 {
        0.5 * (a - c) / curve
    } else {
        0.0
    };
    Some(peak as f64 + shift.clamp(-0.5, 0.5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_burst_is_as_often_high_as_low_but_for_one() {
        let burst = burst();
        let high = burst.iter().filter(|&&x| x > 0.0).count();
        assert_eq!((high, burst.len()), (1024, 2047));
    }

    #[test]
    fn a_delay_is_found_in_noise_and_at_a_low_level_either_polarity() {
        let rate = SampleRate::new(24_000).unwrap();
        let (mut probe, mut back) = Probe::new(1, 2, rate, 1);
        let delay = 1234;
        let mut line = std::collections::VecDeque::from(vec![0.0f32; delay]);
        let mut noise = 1u32;
        for _ in 0..24_000 {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let hiss = 0.02 * (noise as f32 / u32::MAX as f32 - 0.5);
            let mut out = [0.0; 2];
            let input = line.pop_front().unwrap() * -0.05 + hiss;
            probe.process(&[input], &mut out);
            line.push_back(out[1]);
        }
        let mut heard = vec![0.0; 24_000];
        assert_eq!(back.pop_slice(&mut heard), 24_000);
        let found = find(&heard).unwrap();
        assert!((found - delay as f64).abs() < 0.2, "{found}");
    }

    #[test]
    fn nothing_is_found_in_silence_or_noise() {
        assert_eq!(find(&[0.0; 24_000]), None);
        let mut noise = 1u32;
        let hiss: Vec<f32> = (0..24_000)
            .map(|_| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                noise as f32 / u32::MAX as f32 - 0.5
            })
            .collect();
        assert_eq!(find(&hiss), None);
    }
}
