//! A stream at another speed, steered while it runs: what one clock has captured, read by another.
//!
//! rubato's asynchronous resampler, a windowed sinc of which intermediate points are tabulated and
//! joined by cubics. Chosen by measurement (48 to 48 kHz at +200 ppm, so that all phases occur):
//!
//! | taps, window, cutoff | flat to 0.1 dB at 44.1 / 48 kHz | -100 dB from | SNR 1 / 15 / 20 kHz | delay |
//! | --- | --- | --- | --- | --- |
//! | 64, Blackman-Harris, 0.97 | 19.7 / 21.5 kHz | 1.087 Nyquist | 138 / 123 / 117 dB | 32 frames |
//! | **96, Blackman-Harris, 0.96** | 20.1 / 21.8 kHz | 1.038 Nyquist | 135 / 136 / 117 dB | 48 frames |
//! | 128, Blackman-Harris squared, 0.96 | 20.0 / 21.7 kHz | 1.052 Nyquist | 137 / 138 / 138 dB | 64 frames |
//!
//! The second has the shortest delay of those that keep 20 kHz at 44.1 kHz. SNR is that of a sine
//! of full scale after the best sine of its frequency is taken away. 64, 128 and 256 tabulated
//! points per frame measure alike, so it is the smallest table (24 KiB). Cost: 47 ns a frame in
//! mono, 65 in stereo (AVX, one core).

#[cfg(test)]
mod tests;

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Adjustable, Async, FixedAsync, Resampler, Resizable, SincInterpolationParameters,
    SincInterpolationType, WindowFunction,
};
use thiserror::Error;

/// Taps of the filter where the rate does not fall; as many more as it falls, else.
const TAPS: usize = 96;
/// Where it has lost 6 dB, as a share of the lower Nyquist frequency.
const CUTOFF: f32 = 0.96;
/// Tabulated points of the filter per input frame.
const POINTS: usize = 64;
/// Most output frames of one step of the resampler.
const STEP: usize = 64;
/// Largest factor between two rates.
const MOST_RATIO: f64 = 64.0;
/// By how much the ratio may leave the nominal one, either way.
pub(super) const MOST_RELATIVE: f64 = 1.02;

/// Why there is no resampler for a pair of rates.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("{channels} channel(s) cannot be resampled by {nominal}: {why}")]
pub(super) struct VarispeedError {
    channels: usize,
    nominal: f64,
    why: String,
}

/// Reads interleaved frames at a speed that may change with every call.
///
/// `new` allocates; nothing else does.
pub(super) struct Varispeed {
    filter: Async<f32>,
    channels: usize,
    /// Output rate over input rate, as the devices state them.
    nominal: f64,
    /// The last frame's ratio relative to `nominal`.
    relative: f64,
    taps: usize,
    /// Where the last frame's filter begins, in input frames after the last one taken: rubato's
    /// own count, which it does not tell.
    index: f64,
    input: Vec<f32>,
}

impl Varispeed {
    /// For interleaved frames of `channels`, at `nominal` output frames per input frame.
    ///
    /// # Errors
    /// Without channels, and for rates more than a factor of 64 apart.
    pub(super) fn new(channels: usize, nominal: f64) -> Result<Self, VarispeedError> {
        let failed = |why: String| VarispeedError {
            channels,
            nominal,
            why,
        };
        if channels == 0 {
            return Err(failed("there is nothing to resample".into()));
        }
        if !(1.0 / MOST_RATIO..=MOST_RATIO).contains(&nominal) {
            return Err(failed(format!("the most is a factor of {MOST_RATIO}")));
        }
        // Going down, the filter must be as much longer as it is lower: rubato lowers its cutoff,
        // and leaves its length alone.
        let taps = (TAPS as f64 / nominal.min(1.0)).ceil() as usize;
        let taps = taps.next_multiple_of(8);
        let parameters = SincInterpolationParameters {
            sinc_len: taps,
            f_cutoff: Some(CUTOFF),
            oversampling_factor: POINTS,
            interpolation: SincInterpolationType::Cubic,
            window: WindowFunction::BlackmanHarris,
        };
        let filter = Async::new_sinc(
            nominal,
            MOST_RELATIVE,
            &parameters,
            STEP,
            channels,
            FixedAsync::Output,
        )
        .map_err(|why| failed(why.to_string()))?;
        let input = vec![0.0; channels * filter.input_frames_max()];
        let mut new = Self {
            filter,
            channels,
            nominal,
            relative: 1.0,
            taps,
            index: 0.0,
            input,
        };
        new.reset();
        Ok(new)
    }

    /// Fills `out`, whatever its length, moving evenly from the last call's ratio to `ratio`
    /// (output frames per input frame, relative to the nominal ones; near 1). `pull` is asked for
    /// input frames in small portions, interleaved, and must fill what it is given.
    pub(super) fn fill(&mut self, ratio: f64, out: &mut [f32], pull: &mut impl FnMut(&mut [f32])) {
        let from = self.relative;
        let to = if ratio.is_finite() {
            ratio.clamp(1.0 / MOST_RELATIVE, MOST_RELATIVE)
        } else {
            from
        };
        let frames = out.len() / self.channels;
        let mut done = 0;
        for part in out.chunks_mut(STEP * self.channels) {
            done += part.len() / self.channels;
            let ratio = from + (to - from) * (done as f64 / frames.max(1) as f64);
            if self.step(ratio, part, pull).is_none() {
                part.fill(0.0);
            }
        }
    }

    /// At most [`STEP`] frames; none when the resampler refuses, which it has no reason to.
    fn step(
        &mut self,
        ratio: f64,
        out: &mut [f32],
        pull: &mut impl FnMut(&mut [f32]),
    ) -> Option<()> {
        let frames = out.len() / self.channels;
        self.filter.set_chunk_size(frames).ok()?;
        self.filter.set_resample_ratio_relative(ratio, true).ok()?;
        let needed = self.filter.input_frames_next();
        let input = self.input.get_mut(..needed * self.channels)?;
        pull(input);
        let input = InterleavedSlice::new(input, self.channels, needed).ok()?;
        let mut output = InterleavedSlice::new_mut(out, self.channels, frames).ok()?;
        self.filter
            .process_into_buffer(&input, &mut output, None)
            .ok()?;
        // The filter moves by 1/ratio for each frame, and 1/ratio goes from the last frame's to
        // the new one's in equal strides, the first of them taken before the first frame.
        let (first, last) = (self.stride(self.relative), self.stride(ratio));
        self.index += frames as f64 * 0.5 * (first + last) + 0.5 * (last - first);
        self.index -= needed as f64;
        self.relative = ratio;
        Some(())
    }

    /// Input frames from one output frame to the next.
    fn stride(&self, relative: f64) -> f64 {
        1.0 / (self.nominal * relative)
    }

    /// Input frames that must have been taken after the one that is played: half of the filter.
    pub(super) fn delay(&self) -> f64 {
        (self.taps / 2) as f64
    }

    /// Input frames that have been taken and whose time has not come yet, counted from the
    /// instant that the next frame will show: [`delay`](Self::delay), and a fraction. Frames taken
    /// less these are what has been played.
    pub(super) fn held(&self) -> f64 {
        // rubato's filter of `taps` points that begins at input frame i is centred at
        // i + taps/2 - 1 and one tabulated point.
        let centre = self.taps as f64 / 2.0 - 1.0 + 1.0 / POINTS as f64;
        -(self.index + self.stride(self.relative) + centre)
    }

    /// Forgets the sound and keeps the speed.
    pub(super) fn reset(&mut self) {
        self.filter.reset();
        if self
            .filter
            .set_resample_ratio_relative(self.relative, false)
            .is_err()
        {
            self.relative = 1.0;
        }
        // rubato begins with a filter that has all but one of its points in the silence before.
        self.index = 1.0 - self.taps as f64;
    }
}
