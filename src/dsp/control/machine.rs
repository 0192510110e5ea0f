//! What stands behind every face of the convolver: an engine and, if a [`Control`] belongs to it,
//! the stage that carries out its wishes.
//!
//! [`Control`]: crate::dsp::control::Control

use super::stage::Stage;
use crate::dsp::channels::Channels;
use crate::dsp::engine::Engine;
use crate::signal::Sample;

#[derive(Debug, Clone)]
pub(crate) struct Machine<T: Sample> {
    engine: Engine<T>,
    stage: Option<Box<Stage<T>>>,
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
            Some(stage) => stage.process(&mut self.engine, frames, channels),
        }
    }

    /// Makes frames of the tail, as many as there are and as there is room for; returns their
    /// number.
    pub fn drain(&mut self, room: usize, channels: &mut impl Channels<T>) -> usize {
        match &mut self.stage {
            None => {
                let frames = self.engine.pending().min(room);
                self.engine.run(frames, channels);
                frames
            }
            Some(stage) => stage.drain(&mut self.engine, room, channels),
        }
    }
}
