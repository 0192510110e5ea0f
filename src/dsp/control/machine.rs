//! What stands behind every face of the convolver: an engine and, if a [`Control`] belongs to it,
//! the stage that carries out its wishes.
//!
//! [`Control`]: crate::dsp::control::Control

use super::stage::Stage;
use crate::dsp::channels::Channels;
use crate::dsp::engine::Engine;
use crate::signal::Sample;

#[derive(Debug)]
pub(crate) struct Machine<T: Sample> {
    engine: Engine<T>,
    stage: Option<Box<Stage<T>>>,
}

/// A copy goes on from the same state, but nobody controls it: it keeps the responses that play
/// and the gains as they are now.
impl<T: Sample> Clone for Machine<T> {
    fn clone(&self) -> Self {
        Self {
            engine: self.engine.clone(),
            stage: self.stage.as_ref().map(|stage| Box::new(stage.alone())),
        }
    }
}

impl<T: Sample> Machine<T> {
    pub fn new(engine: Engine<T>, stage: Option<Stage<T>>) -> Self {
        let stage = stage.map(Box::new);
        Self { engine, stage }
    }

    pub fn engine(&self) -> &Engine<T> {
        &self.engine
    }

    /// Most frames that are written at once.
    pub fn at_once(&self) -> usize {
        let stage = if self.stage.is_some() {
            Stage::<T>::CHUNK
        } else {
            0
        };
        self.engine.granule().max(stage)
    }

    /// Frames of latency and tail that the input so far still has to come out.
    pub fn pending(&self) -> usize {
        match &self.stage {
            None => self.engine.pending(),
            Some(stage) => stage.pending(),
        }
    }

    pub fn reset(&mut self) {
        if let Some(stage) = &mut self.stage {
            stage.reset(&mut self.engine);
        }
        self.engine.reset();
    }

    /// Convolves frames of input.
    #[inline]
    pub fn process(&mut self, frames: usize, channels: &mut impl Channels<T>) {
        match &mut self.stage {
            None => {
                self.engine.run(frames, channels);
                self.engine.took_input(frames);
            }
            Some(stage) => stage.process(&mut self.engine, frames, channels, true),
        }
    }

    /// Makes frames of the tail, not more than are pending.
    pub fn drain(&mut self, frames: usize, channels: &mut impl Channels<T>) {
        match &mut self.stage {
            None => self.engine.run(frames, channels),
            Some(stage) => stage.process(&mut self.engine, frames, channels, false),
        }
    }
}
