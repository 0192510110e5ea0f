//! Transitions without a click: the curve of a fade, and gains that move in small steps.

use std::sync::Arc;

use crate::signal::Sample;

/// A fade from 0 to 1 that begins and ends with slope 0: w(x) = x^2 (3 - 2 x). Fading one sound
/// out by 1 - w while another fades in by w changes nothing where both are equal.
#[derive(Debug, Clone)]
pub(crate) struct Fade<T>(Arc<[T]>);

impl<T: Sample> Fade<T> {
    /// A fade of so many frames; 0 is a cut.
    pub fn new(frames: usize) -> Self {
        let weight = |n: usize| {
            let x = (n as f64 + 0.5) / frames as f64;
            T::of(x * x * (3.0 - 2.0 * x))
        };
        Self((0..frames).map(weight).collect())
    }

    pub fn frames(&self) -> usize {
        self.0.len()
    }

    /// The weight of what comes, `at` frames after the beginning.
    #[inline]
    pub fn weight(&self, at: usize) -> T {
        self.0.get(at).copied().unwrap_or(T::one())
    }

    /// One frame of a sound that fades into another.
    #[inline]
    pub fn cross(&self, at: usize, old: T, new: T) -> T {
        let weight = self.weight(at);
        new * weight + old * (T::one() - weight)
    }

    /// Fades a block in that begins `at` frames after the beginning of the fade.
    pub fn rise(&self, at: usize, block: &mut [T]) {
        for (n, x) in block.iter_mut().enumerate() {
            *x *= self.weight(at + n);
        }
    }

    /// Fades it out. What has faded out is silence, also where it was no number.
    pub fn fall(&self, at: usize, block: &mut [T]) {
        if at >= self.frames() {
            block.fill(T::zero());
        }
        for (n, x) in block.iter_mut().enumerate() {
            *x *= T::one() - self.weight(at + n);
        }
    }
}

/// A gain that moves to its target in equal steps, one a frame.
#[derive(Debug, Clone)]
pub(crate) struct Ramp<T> {
    target: T,
    step: T,
    left: usize,
    frames: usize,
}

impl<T: Sample> Ramp<T> {
    /// At rest, for movements of so many frames.
    pub fn new(value: T, frames: usize) -> Self {
        Self {
            target: value,
            step: T::zero(),
            left: 0,
            frames,
        }
    }

    /// Begins to move, from where it is.
    pub fn to(&mut self, target: T) {
        if target != self.target {
            let (value, frames) = (self.value(), T::of(self.frames.max(1) as f64));
            self.left = self.frames;
            self.step = target / frames - value / frames;
            self.target = target;
        }
    }

    /// The gain of this frame.
    #[inline]
    pub fn value(&self) -> T {
        match self.left {
            0 => self.target,
            left => self.target - self.step * T::of(left as f64),
        }
    }

    /// The gain of this frame, and then moves on to the next.
    #[inline]
    pub fn next(&mut self) -> T {
        self.left = self.left.saturating_sub(1);
        self.value()
    }

    /// Moves on by so many frames at once.
    pub fn skip(&mut self, frames: usize) {
        self.left = self.left.saturating_sub(frames);
    }

    /// Is at its target at once.
    pub fn arrive(&mut self) {
        self.left = 0;
    }

    /// Whether it rests at 1.
    pub fn is_open(&self) -> bool {
        self.left == 0 && self.target == T::one()
    }

    /// Whether it rests at 0.
    pub fn is_closed(&self) -> bool {
        self.left == 0 && self.target == T::zero()
    }
}
