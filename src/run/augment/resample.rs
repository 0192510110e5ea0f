//! A stream at another rate, block by block.
//!
//! rubato's synchronous FFT resampler with the filter that responses are resampled with, see
//! [`resample`](crate::ImpulseResponse::resample): 256 frames of the lower rate to either side. A
//! waveform keeps its level.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler as _, WindowFunction};

use crate::signal::{Sample, SampleRate};

/// Half of the interpolation filter in frames of the lower rate.
const HALF: u64 = 256;
/// Largest factor between two rates.
const MOST_RATIO: u32 = 64;
/// Largest block in frames.
const MOST_BLOCK: u64 = 1 << 22;

/// Takes blocks of one length and gives blocks of another.
pub(super) struct Resampler {
    filter: Fft<f64>,
    channels: usize,
    input: Vec<f64>,
    output: Vec<f64>,
}

impl Resampler {
    /// # Errors
    /// What is wrong with the two rates.
    pub(super) fn new(from: SampleRate, to: SampleRate, channels: usize) -> Result<Self, String> {
        let (a, b) = (from.hz(), to.hz());
        if u64::from(a.max(b)) > u64::from(a.min(b)) * u64::from(MOST_RATIO) {
            return Err(format!("that is a factor of more than {MOST_RATIO}"));
        }
        let common = gcd(a, b);
        let (a, b) = (u64::from(a / common), u64::from(b / common));
        // Even at both sides, so that the delay is whole frames.
        let units = (2 * HALF).div_ceil(a.min(b)).next_multiple_of(2);
        if units * a.max(b) > MOST_BLOCK {
            return Err("the two have hardly a common factor".into());
        }
        let filter = Fft::new_custom(
            from.hz() as usize,
            to.hz() as usize,
            (units * a) as usize,
            1,
            channels,
            WindowFunction::BlackmanHarris2,
            FixedSync::Both,
        )
        .map_err(|error| error.to_string())?;
        Ok(Self {
            input: vec![0.0; filter.fft_size_in() * channels],
            output: vec![0.0; filter.fft_size_out() * channels],
            filter,
            channels,
        })
    }

    /// Frames of a block that it takes.
    pub(super) fn frames_in(&self) -> usize {
        self.filter.fft_size_in()
    }

    /// Frames of a block that it gives.
    pub(super) fn frames_out(&self) -> usize {
        self.filter.fft_size_out()
    }

    /// Frames at the output before the first one that counts.
    pub(super) fn delay(&self) -> usize {
        self.filter.output_delay()
    }

    /// One block.
    pub(super) fn run<T: Sample>(
        &mut self,
        input: &[Vec<T>],
        output: &mut [Vec<T>],
    ) -> Result<(), String> {
        let channels = self.channels;
        for (k, channel) in input.iter().enumerate() {
            let places = self.input[k..].iter_mut().step_by(channels);
            for (to, from) in places.zip(channel) {
                *to = from.wide();
            }
        }
        let (frames_in, frames_out) = (self.frames_in(), self.frames_out());
        let source = InterleavedSlice::new(&self.input, channels, frames_in)
            .map_err(|error| error.to_string())?;
        let mut sink = InterleavedSlice::new_mut(&mut self.output, channels, frames_out)
            .map_err(|error| error.to_string())?;
        let done = self.filter.process_into_buffer(&source, &mut sink, None);
        done.map_err(|error| error.to_string())?;
        for (k, channel) in output.iter_mut().enumerate() {
            let places = self.output[k..].iter().step_by(channels);
            for (to, from) in channel.iter_mut().zip(places) {
                *to = T::of(*from);
            }
        }
        Ok(())
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
