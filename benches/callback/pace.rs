//! How fast the machine is just now, and whether others disturb it.

use std::hint::black_box;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use realfft::RealToComplex;
use realfft::num_complex::Complex;

use crate::clock::cpu_ns;

/// A reading so many times the least of the run tells that the machine is disturbed.
const DISTURBED: f64 = 1.05;
/// Readings at the beginning of a run.
const FIRST: usize = 50;

/// A transform that is the same everywhere, timed again and again.
pub struct Pace {
    transform: Arc<dyn RealToComplex<f32>>,
    input: Vec<f32>,
    output: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
    /// The least reading of the run.
    least: f64,
    /// How long the run may still wait for the machine to come to rest.
    patience: Duration,
}

impl Pace {
    /// ns for realfft's forward transform of 1,024 samples on the machine, and in the state, for
    /// which the cost model gave its bounds.
    pub const REFERENCE: f64 = 1015.0;

    /// May wait so long in all.
    pub fn new(patience: Duration) -> Self {
        let transform = realfft::RealFftPlanner::new().plan_fft_forward(1024);
        let mut pace = Self {
            input: transform.make_input_vec(),
            output: transform.make_output_vec(),
            scratch: transform.make_scratch_vec(),
            transform,
            least: f64::INFINITY,
            patience,
        };
        for _ in 0..FIRST {
            pace.read();
        }
        pace
    }

    /// ns of one transform.
    pub fn read(&mut self) -> f64 {
        const TIMES: usize = 4000;
        let begin = cpu_ns();
        for _ in 0..TIMES {
            self.transform
                .process_with_scratch(&mut self.input, &mut self.output, &mut self.scratch)
                .expect("the lengths fit");
            black_box(&mut self.output);
        }
        let ns = (cpu_ns() - begin) / TIMES as f64;
        self.least = self.least.min(ns);
        ns
    }

    /// Whether a reading tells of a machine that nobody disturbs.
    pub fn is_quiet(&self, reading: f64) -> bool {
        reading <= DISTURBED * self.least
    }

    /// Waits until the machine is quiet, as long as there is patience; the last reading.
    pub fn rest(&mut self) -> f64 {
        const NAP: Duration = Duration::from_secs(1);
        loop {
            let reading = self.read();
            if self.is_quiet(reading) || self.patience < NAP {
                return reading;
            }
            thread::sleep(NAP);
            self.patience -= NAP;
        }
    }
}
