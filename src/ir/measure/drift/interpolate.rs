//! Samples between samples.

use std::f64::consts::PI;

/// Half of the interpolation kernel in frames.
const HALF: usize = 48;
/// Kernels between two frames; between two of them it goes in a straight line, off by less than
/// (pi / 2048)^2 / 8 = -130 dB.
const PHASES: usize = 2048;

/// Samples between samples: a sinc under a Blackman-Harris window (Harris 1978), whose slope of
/// four bins leaves all below 0.45 of the rate alone, to -100 dB.
pub(in super::super) struct Interpolator {
    kernels: Vec<f64>,
}

impl Interpolator {
    pub fn new() -> Self {
        let window = |x: f64| {
            let turn = PI * x / HALF as f64;
            0.35875
                + 0.48829 * turn.cos()
                + 0.14128 * (2.0 * turn).cos()
                + 0.01168 * (3.0 * turn).cos()
        };
        let kernel = |x: f64| match PI * x {
            zero if zero.abs() < 1e-12 => 1.0,
            px => px.sin() / px * window(x),
        };
        let mut kernels = Vec::with_capacity((PHASES + 1) * 2 * HALF);
        for phase in 0..=PHASES {
            let past = phase as f64 / PHASES as f64;
            kernels.extend((0..2 * HALF).map(|k| kernel(k as f64 - (HALF - 1) as f64 - past)));
        }
        Self { kernels }
    }

    /// Samples at `start + n * step`; outside of the recording there is silence. Bit for bit those
    /// of the recording where these are whole frames.
    pub fn cut(&self, recorded: &[f32], start: f64, step: f64, frames: usize) -> Vec<f64> {
        let sample = |n: isize| {
            let sample = usize::try_from(n).ok().and_then(|n| recorded.get(n));
            sample.map_or(0.0, |&x| f64::from(x))
        };
        if step == 1.0 && start.fract() == 0.0 {
            return (0..frames)
                .map(|n| sample(start as isize + n as isize))
                .collect();
        }
        let at = |n: usize| {
            let place = start + n as f64 * step;
            let whole = place.floor();
            let fine = (place - whole) * PHASES as f64;
            let (phase, share) = (fine as usize, fine.fract());
            let kernels = &self.kernels[phase * 2 * HALF..(phase + 2) * 2 * HALF];
            let (low, high) = kernels.split_at(2 * HALF);
            let first = whole as isize - (HALF as isize - 1);
            let taps = low
                .iter()
                .zip(high)
                .map(|(low, high)| low + share * (high - low));
            match usize::try_from(first)
                .ok()
                .and_then(|n| recorded.get(n..n + 2 * HALF))
            {
                Some(near) => taps.zip(near).map(|(tap, &x)| tap * f64::from(x)).sum(),
                None => taps.zip(first..).map(|(tap, n)| tap * sample(n)).sum(),
            }
        };
        (0..frames).map(at).collect()
    }
}
