//! A single frame of all channels in one go, for callers that go from frame to frame.

use super::Engine;
use crate::kernel::{self, Body, Lane};
use crate::signal::Sample;

/// A frame between samples of all inputs and of all outputs; of `ONE` input that takes one way to one
/// output, so that there is nothing to loop over.
struct Step<'a, T: Sample, const ONE: bool> {
    engine: &'a mut Engine<T>,
    inputs: &'a [T],
    outputs: &'a mut [T],
}

/// Takes the inputs and makes the outputs of the frame at the engine's position, where its head is
/// steady; where `ONE` input takes one way to one output, or any number of each.
pub(crate) fn step<T: Sample, const ONE: bool>(
    engine: &mut Engine<T>,
    inputs: &[T],
    outputs: &mut [T],
) {
    let body = Step::<T, ONE> {
        engine,
        inputs,
        outputs,
    };
    kernel::run(body.engine.cpu, body);
}

impl<T: Sample, const ONE: bool> Body<T> for Step<'_, T, ONE> {
    #[inline(always)]
    fn run<L: Lane<T = T>>(self) {
        let engine = self.engine;
        let count = |all: usize| if ONE { 1 } else { all };
        let at = engine.position;
        let histories = count(engine.histories.len());
        let histories = &mut engine.histories[..histories];
        let slot = histories[0].slot(at);
        let samples = &self.inputs[..histories.len()];
        let mut faults = false;
        for (history, &x) in histories.iter_mut().zip(samples) {
            faults |= history.push(at, slot, x);
        }
        let outputs = &mut self.outputs[..count(engine.harmed_until.len())];
        let mut place = at & (engine.granule - 1);
        for y in &mut *outputs {
            *y = engine.shares[place];
            place += engine.granule;
        }
        engine.work += engine.head.step::<L, ONE>(at, slot, histories, outputs);
        if faults {
            engine.find_faults(outputs);
        }
    }
}
