//! The partitions of one size at work: windows in, products summed, blocks out.

use num_complex::Complex;

use super::delay_line::DelayLine;
use super::fft::Fft;
use super::history::History;
use super::plan::Prepared;
use super::routing::Route;
use super::scheme::LevelShape;
use crate::signal::Sample;

/// One level of all channels.
#[derive(Debug, Clone)]
pub(crate) struct Level<T: Sample> {
    index: usize,
    fft: Fft<T>,
    lines: Vec<DelayLine<T>>,
    /// For each output the block that is being played.
    blocks: Vec<Vec<T>>,
    sum: Vec<Complex<T>>,
    scratch: Vec<Complex<T>>,
}

impl<T: Sample> Level<T> {
    pub fn new(index: usize, shape: LevelShape, inputs: usize, outputs: usize) -> Self {
        let fft = Fft::new(shape.block);
        let zero = Complex::new(T::zero(), T::zero());
        Self {
            index,
            lines: vec![DelayLine::new(shape.block, shape.partitions); inputs],
            blocks: vec![vec![T::zero(); shape.block]; outputs],
            sum: vec![zero; shape.block],
            scratch: vec![zero; fft.scratch_len()],
            fft,
        }
    }

    pub fn block(&self) -> usize {
        self.fft.block()
    }

    pub fn reset(&mut self) {
        self.lines.iter_mut().for_each(DelayLine::reset);
        self.blocks.iter_mut().for_each(|b| b.fill(T::zero()));
    }

    /// Adds this level's share of the frames from position `at` on.
    pub fn add(&self, output: usize, at: usize, target: &mut [T]) {
        let share = &self.blocks[output][at % self.block()..];
        for (y, &x) in target.iter_mut().zip(share) {
            *y += x;
        }
    }

    /// The grid was reached: transforms the windows that end before position `at`, and makes the
    /// blocks that play from there on.
    pub fn turn(
        &mut self,
        at: usize,
        histories: &[History<T>],
        routes: &[Vec<(Route, Prepared<T>)>],
    ) {
        let block = self.block();
        for (line, history) in self.lines.iter_mut().zip(histories) {
            let previous = history.block(at - block, block);
            let current = history.block(at, block);
            self.fft
                .forward(previous, current, line.push(), &mut self.scratch);
        }
        for (output, routes) in self.blocks.iter_mut().zip(routes) {
            self.sum.fill(Complex::new(T::zero(), T::zero()));
            for (route, prepared) in routes {
                // Y[now] = sum over p of X[now - p] * H[p]
                let partitions = prepared.levels[self.index].chunks(block);
                let past = self.lines[route.input].newest_first();
                for (x, h) in past.zip(partitions) {
                    for ((y, &x), &h) in self.sum.iter_mut().zip(x).zip(h) {
                        *y = *y + x * h;
                    }
                }
            }
            self.fft.inverse(&mut self.sum, output, &mut self.scratch);
        }
    }
}
