//! What the output should be, in f64, and how far it is away.

use std::sync::Arc;

use faltung::{Method, Mode, Sample, convolve_with};

use crate::signals::response;
use crate::subject::{CHANNEL_SHIFT, Job, Lengths};

/// Latency that the reference allows for, in frames.
const ROOM: usize = 8192;

/// The last output channel around the checked frames.
pub struct Reference {
    /// Input and response of each route to that channel.
    routes: Vec<(Vec<f64>, Vec<f64>)>,
    /// By FFT, from `ROOM` frames before the checked ones.
    output: Vec<f64>,
}

impl Reference {
    pub fn new<T: Sample>(job: &Job, lengths: Lengths, samples: &Arc<[T]>) -> Self {
        let end = lengths.total();
        let begin = end - lengths.check - ROOM - (job.ir_frames - 1);
        let wide = |x: &[T]| x.iter().map(|x| x.wide()).collect::<Vec<f64>>();
        let last = job.channels - 1;
        let routes = job
            .routes()
            .into_iter()
            .filter(|route| route.output == last);
        let routes: Vec<_> = routes
            .map(|route| {
                let shift = CHANNEL_SHIFT * route.input;
                let heard = wide(&samples[begin + shift..end + shift]);
                (heard, wide(&response::<T>(job.ir_frames, route.ir)))
            })
            .collect();
        let mut output = vec![0.0; ROOM + lengths.check];
        for (input, ir) in &routes {
            let valid = convolve_with(input, ir, Mode::Valid, Method::Fft).expect("not empty");
            for (y, x) in output.iter_mut().zip(valid) {
                *y += x;
            }
        }
        let this = Self { routes, output };
        let positions = this.positions(16);
        let error = decibels(&positions, |k| this.output[k], |k| this.exact(k));
        assert!(error < -250.0, "the reference is off by {error:.1} dB");
        this
    }

    fn positions(&self, count: usize) -> Vec<usize> {
        let frames = self.output.len() - ROOM;
        (0..count)
            .map(|i| ROOM + i * (frames - 1) / (count - 1))
            .collect()
    }

    /// The sum as it is defined, as if in twice the precision (Ogita, Rump and Oishi 2005).
    fn exact(&self, k: usize) -> f64 {
        let (mut sum, mut rest) = (0.0f64, 0.0f64);
        for (input, ir) in &self.routes {
            for (&x, &h) in input[k..k + ir.len()].iter().rev().zip(ir) {
                let product = x * h;
                let total = sum + product;
                let back = total - sum;
                rest += (sum - (total - back)) + (product - back) + x.mul_add(h, -product);
                sum = total;
            }
        }
        sum + rest
    }

    /// Error in dB relative to the output's RMS; where the output is `precise`, the reference is
    /// the exact sum at a few positions.
    pub fn error(&self, checked: &[f64], latency: usize, precise: bool) -> f64 {
        let first = ROOM - latency;
        let output = |k: usize| checked[k - first];
        if precise {
            let positions: Vec<usize> = self.positions(64).iter().map(|k| k - latency).collect();
            return decibels(&positions, output, |k| self.exact(k));
        }
        let all: Vec<usize> = (first..first + checked.len()).collect();
        decibels(&all, output, |k| self.output[k])
    }
}

/// RMS of the difference over the RMS of the truth.
fn decibels(at: &[usize], output: impl Fn(usize) -> f64, truth: impl Fn(usize) -> f64) -> f64 {
    let (mut error, mut power) = (0.0, 0.0);
    for &k in at {
        let truth = truth(k);
        error += (output(k) - truth).powi(2);
        power += truth * truth;
    }
    10.0 * (error / power).log10()
}
