//! The way from the convolver to the sink: dry and wet on one time line, and what of it is kept.

use std::collections::VecDeque;

use super::shape::Shape;
use super::{Render, RunError, Tail};
use crate::dsp::mode::Mode;
use crate::io::Sink;
use crate::signal::{Sample, SampleRate};

/// Takes wet blocks with the input that they answer, then the tail, and writes the result.
pub(super) struct Delivery<'a, T, K> {
    way: Way<T>,
    sink: &'a mut K,
    /// Hands on what is written at once.
    immediate: bool,
    /// Input frames so far.
    heard: u64,
}

enum Way<T> {
    /// What comes is the result, but for its gain and a delay of so many frames.
    Straight { gain: T, delay: usize },
    /// It is to be mixed and cut.
    Mixed(Box<Mixed<T>>),
}

struct Mixed<T> {
    mixer: Mixer<T>,
    shape: Shape<T>,
    full: Vec<Vec<T>>,
    result: Vec<Vec<T>>,
}

/// What is known of the convolver.
pub(super) struct Wet {
    pub inputs: usize,
    pub outputs: usize,
    pub latency: usize,
    pub predelay: usize,
    /// Frames of the response, its pre-delay included.
    pub response: usize,
}

impl<'a, T: Sample, K: Sink<T>> Delivery<'a, T, K> {
    /// `shape` where the options alone do not say it.
    pub fn new(
        options: &Render,
        rate: SampleRate,
        wet: &Wet,
        shape: Option<Shape<T>>,
        sink: &'a mut K,
    ) -> Self {
        let whole = (options.mode, options.tail) == (Mode::Full, Tail::Full);
        let way = if whole && options.dry == 0.0 && wet.latency == 0 && shape.is_none() {
            Way::Straight {
                gain: T::of(options.wet * options.gain),
                delay: wet.predelay,
            }
        } else {
            let shape =
                shape.unwrap_or_else(|| Shape::new(options, rate, wet.response, wet.outputs));
            Way::Mixed(Box::new(Mixed {
                mixer: Mixer::new(options, wet),
                shape,
                full: vec![Vec::new(); wet.outputs],
                result: vec![Vec::new(); wet.outputs],
            }))
        };
        Self {
            way,
            sink,
            immediate: options.immediate,
            heard: 0,
        }
    }

    /// Input frames so far.
    pub fn heard(&self) -> u64 {
        self.heard
    }

    /// Whether the result holds the input itself.
    pub fn needs_input(&self) -> bool {
        matches!(&self.way, Way::Mixed(mixed) if !mixed.mixer.dry.is_empty())
    }

    /// Whether answers to the input are still held back.
    pub fn waits(&self) -> bool {
        match &self.way {
            Way::Straight { .. } => false,
            Way::Mixed(mixed) => mixed.mixer.told < mixed.mixer.heard,
        }
    }

    /// Whether nothing that follows would be kept, once the input has ended.
    pub fn has_enough(&self) -> bool {
        matches!(&self.way, Way::Mixed(mixed) if mixed.shape.has_enough())
    }

    /// Takes so many frames of input, themselves if they are [needed](Self::needs_input), and what
    /// the convolver gave for them, or after them while the latency held it back: as many frames
    /// or others.
    pub fn body(
        &mut self,
        frames: usize,
        input: &[&[T]],
        wet: &mut [Vec<T>],
    ) -> Result<(), RunError> {
        self.heard += frames as u64;
        match &mut self.way {
            Way::Straight { .. } => self.straight(wet),
            Way::Mixed(mixed) => {
                mixed.mixer.hear(frames, input);
                mixed.mixer.take_wet(wet);
                mixed.mixer.answer(&mut mixed.full);
                mixed.shape.answer(&mixed.full, &mut mixed.result);
                self.write()
            }
        }
    }

    /// Everything of the input was there, and its answers. Of a tail that ends at a level, `whole`
    /// frames are kept, however quiet.
    pub fn end_of_input(&mut self, whole: usize) -> Result<(), RunError> {
        match &mut self.way {
            Way::Straight { .. } => Ok(()),
            Way::Mixed(mixed) => {
                mixed.shape.end_of_input(whole);
                self.sound_on()
            }
        }
    }

    /// Takes a block of the tail.
    pub fn tail(&mut self, wet: &mut [Vec<T>]) -> Result<(), RunError> {
        match &mut self.way {
            Way::Straight { .. } => self.straight(wet),
            Way::Mixed(mixed) => {
                mixed.mixer.take_wet(wet);
                self.sound_on()
            }
        }
    }

    fn straight(&mut self, wet: &mut [Vec<T>]) -> Result<(), RunError> {
        let Way::Straight { gain, delay } = &mut self.way else {
            return Ok(());
        };
        const PIECE: usize = 8192;
        while *delay > 0 {
            let frames = PIECE.min(*delay);
            self.sink.write(&vec![vec![T::zero(); frames]; wet.len()])?;
            *delay -= frames;
        }
        if *gain != T::one() {
            for value in wet.iter_mut().flatten() {
                *value *= *gain;
            }
        }
        self.sink.write(wet)?;
        self.hand_on()
    }

    fn sound_on(&mut self) -> Result<(), RunError> {
        if let Way::Mixed(mixed) = &mut self.way {
            mixed.mixer.sound_on(&mut mixed.full);
            mixed.shape.sound_on(&mixed.full, &mut mixed.result);
        }
        self.write()
    }

    fn write(&mut self) -> Result<(), RunError> {
        if let Way::Mixed(mixed) = &self.way {
            self.sink.write(&mixed.result)?;
        }
        self.hand_on()
    }

    fn hand_on(&mut self) -> Result<(), RunError> {
        if self.immediate {
            self.sink.flush()?;
        }
        Ok(())
    }
}

/// Puts wet and dry on the time line of the full convolution.
struct Mixer<T> {
    /// Wet frames still to be dropped: the convolver's latency.
    skip: usize,
    /// Wet frames on their way; they begin as the pre-delay's silence.
    wet: Vec<VecDeque<T>>,
    /// Input frames that wait for their wet ones; none where no dry signal is wanted.
    dry: Vec<VecDeque<T>>,
    wet_gain: T,
    dry_gain: T,
    /// Input frames so far.
    heard: u64,
    /// Frames given out that answer input frames.
    told: u64,
}

impl<T: Sample> Mixer<T> {
    fn new(options: &Render, wet: &Wet) -> Self {
        let dry = if options.dry == 0.0 { 0 } else { wet.inputs };
        Self {
            skip: wet.latency,
            wet: vec![VecDeque::from(vec![T::zero(); wet.predelay]); wet.outputs],
            dry: vec![VecDeque::new(); dry],
            wet_gain: T::of(options.wet * options.gain),
            dry_gain: T::of(options.dry * options.gain),
            heard: 0,
            told: 0,
        }
    }

    fn hear(&mut self, frames: usize, input: &[&[T]]) {
        self.heard += frames as u64;
        for (dry, input) in self.dry.iter_mut().zip(input) {
            dry.extend(input.iter());
        }
    }

    fn take_wet(&mut self, wet: &[Vec<T>]) {
        let skip = self.skip.min(wet[0].len());
        self.skip -= skip;
        for (waiting, wet) in self.wet.iter_mut().zip(wet) {
            waiting.extend(wet[skip..].iter());
        }
    }

    /// The frames that answer input frames, as far as they are there.
    fn answer(&mut self, full: &mut [Vec<T>]) {
        let frames = self.wet[0].len().min((self.heard - self.told) as usize);
        self.told += frames as u64;
        self.give(frames, full);
        if let Some(last) = self.dry.len().checked_sub(1) {
            for (k, full) in full.iter_mut().enumerate() {
                let dry = self.dry[k.min(last)].iter();
                for (sum, &dry) in full.iter_mut().zip(dry) {
                    *sum += dry * self.dry_gain;
                }
            }
        }
        for dry in &mut self.dry {
            dry.drain(..frames);
        }
    }

    /// The frames after the input's end, as far as they are there.
    fn sound_on(&mut self, full: &mut [Vec<T>]) {
        self.give(self.wet[0].len(), full);
    }

    fn give(&mut self, frames: usize, full: &mut [Vec<T>]) {
        for (wet, full) in self.wet.iter_mut().zip(full) {
            full.clear();
            let (old, new) = wet.as_slices();
            let first = frames.min(old.len());
            full.extend(old[..first].iter().map(|&wet| wet * self.wet_gain));
            full.extend(new[..frames - first].iter().map(|&wet| wet * self.wet_gain));
            wet.drain(..frames);
        }
    }
}
