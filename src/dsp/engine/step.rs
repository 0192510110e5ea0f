//! A single frame of all channels in one go, for callers that go from frame to frame.

use super::Engine;
use crate::kernel::{self, Body, Lane};
use crate::signal::Sample;

/// A frame between samples of all inputs and of all outputs.
struct Step<'a, T: Sample> {
    engine: &'a mut Engine<T>,
    inputs: &'a [T],
    outputs: &'a mut [T],
}

/// Takes the inputs and makes the outputs of the frame at the engine's position, where its head is
/// steady.
pub(crate) fn step<T: Sample>(engine: &mut Engine<T>, inputs: &[T], outputs: &mut [T]) {
    let body = Step {
        engine,
        inputs,
        outputs,
    };
    kernel::run(body.engine.cpu, body);
}

impl<T: Sample> Body<T> for Step<'_, T> {
    #[inline(always)]
    fn run<L: Lane<T = T>>(self) {
        let engine = self.engine;
        let at = engine.position;
        let slot = engine.histories[0].slot(at);
        let samples = &self.inputs[..engine.histories.len()];
        let mut faults = false;
        for (channel, history) in engine.histories.iter_mut().enumerate() {
            faults |= history.push(at, slot, samples[channel]);
        }
        let outputs = &mut self.outputs[..engine.harmed_until.len()];
        let mut place = at & (engine.granule - 1);
        for y in &mut *outputs {
            *y = engine.shares[place];
            place += engine.granule;
        }
        engine.work += engine.head.step::<L>(at, slot, &engine.histories, outputs);
        if faults {
            engine.find_faults(outputs);
        }
    }
}
