//! The caller's buffers, whatever their shape: where a machine reads its inputs and writes its
//! outputs.

use std::ops::Range;

use crate::signal::Sample;

/// Some frames of all channels.
pub(crate) trait Channels<T> {
    /// The frames `now` of an input.
    fn read(&self, channel: usize, now: Range<usize>) -> impl Iterator<Item = T>;

    /// The same, where they lie side by side.
    fn read_slice(&self, _channel: usize, _now: Range<usize>) -> Option<&[T]> {
        None
    }

    /// One sample of each input and room for one of each output, where there is a single frame and they
    /// lie side by side.
    fn frame(&mut self) -> Option<(&[T], &mut [T])> {
        None
    }

    /// Has the frames `now` of an output made, all of them.
    fn write(&mut self, channel: usize, now: Range<usize>, make: impl FnOnce(&mut [T]));
}

/// One channel from a buffer to another.
pub(crate) struct Mono<'a, T> {
    pub input: &'a [T],
    pub output: &'a mut [T],
}

impl<T: Sample> Channels<T> for Mono<'_, T> {
    fn read(&self, _: usize, now: Range<usize>) -> impl Iterator<Item = T> {
        self.input[now].iter().copied()
    }

    fn read_slice(&self, _: usize, now: Range<usize>) -> Option<&[T]> {
        Some(&self.input[now])
    }

    fn frame(&mut self) -> Option<(&[T], &mut [T])> {
        Some((self.input, self.output))
    }

    fn write(&mut self, _: usize, now: Range<usize>, make: impl FnOnce(&mut [T])) {
        make(&mut self.output[now]);
    }
}

/// One channel in its place.
pub(crate) struct InPlace<'a, T>(pub &'a mut [T]);

impl<T: Sample> Channels<T> for InPlace<'_, T> {
    fn read(&self, _: usize, now: Range<usize>) -> impl Iterator<Item = T> {
        self.0[now].iter().copied()
    }

    fn read_slice(&self, _: usize, now: Range<usize>) -> Option<&[T]> {
        Some(&self.0[now])
    }

    fn write(&mut self, _: usize, now: Range<usize>, make: impl FnOnce(&mut [T])) {
        make(&mut self.0[now]);
    }
}

/// A buffer for each channel.
pub(crate) struct Planar<'a, I, O> {
    pub input: &'a [I],
    pub output: &'a mut [O],
}

impl<T: Sample, I: AsRef<[T]>, O: AsMut<[T]>> Channels<T> for Planar<'_, I, O> {
    fn read(&self, channel: usize, now: Range<usize>) -> impl Iterator<Item = T> {
        self.input[channel].as_ref()[now].iter().copied()
    }

    fn read_slice(&self, channel: usize, now: Range<usize>) -> Option<&[T]> {
        Some(&self.input[channel].as_ref()[now])
    }

    fn write(&mut self, channel: usize, now: Range<usize>, make: impl FnOnce(&mut [T])) {
        make(&mut self.output[channel].as_mut()[now]);
    }
}

/// One buffer with the channels side by side, frame by frame.
pub(crate) struct Interleaved<'a, T> {
    pub input: &'a [T],
    pub inputs: usize,
    pub output: &'a mut [T],
    pub outputs: usize,
    /// Room for the frames that are written at once.
    pub scratch: &'a mut [T],
}

impl<T: Sample> Channels<T> for Interleaved<'_, T> {
    fn read(&self, channel: usize, now: Range<usize>) -> impl Iterator<Item = T> {
        let frames = &self.input[now.start * self.inputs..now.end * self.inputs];
        frames[channel..].iter().step_by(self.inputs).copied()
    }

    fn frame(&mut self) -> Option<(&[T], &mut [T])> {
        Some((self.input, self.output))
    }

    fn write(&mut self, channel: usize, now: Range<usize>, make: impl FnOnce(&mut [T])) {
        let made = &mut self.scratch[..now.len()];
        make(made);
        let frames = &mut self.output[now.start * self.outputs..now.end * self.outputs];
        let slots = frames[channel..].iter_mut().step_by(self.outputs);
        for (slot, &y) in slots.zip(&*made) {
            *slot = y;
        }
    }
}

/// Silence at every input.
pub(crate) struct Tail<'a, O>(pub &'a mut [O]);

impl<T: Sample, O: AsMut<[T]>> Channels<T> for Tail<'_, O> {
    fn read(&self, _: usize, now: Range<usize>) -> impl Iterator<Item = T> {
        std::iter::repeat_n(T::zero(), now.len())
    }

    fn write(&mut self, channel: usize, now: Range<usize>, make: impl FnOnce(&mut [T])) {
        make(&mut self.0[channel].as_mut()[now]);
    }
}
