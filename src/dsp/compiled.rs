//! The heavy loops, compiled here once for f32 and once for f64.
//!
//! Generic code is compiled anew in every crate that uses it; these loops, in their versions for
//! each CPU, would take every user's build a minute. A table of functions ends that.

use std::ops::Range;

use super::direct::{self, Begun, Past};
use super::engine::{self, Engine};
use super::fft::{Bins, Points, Slot, Transform};
use super::look::{self, PEAKS};
use super::mix;
use crate::kernel::Cpu;
use crate::signal::{self, Sample};

type Forward<T> = fn(&Transform<T>, Range<usize>, Points<'_, T>, &mut [T], Slot<'_, T>);
type Fir<T> = fn(Cpu, &[T], Past<'_, T>, Option<&[T]>, &mut [T], &mut Begun<T>);
type Square<T> = fn(&Transform<T>, &[T], &[T], &mut [T]);
type Look<T> = fn(Cpu, &[T], Option<&mut [T]>, T, &mut [T; PEAKS]) -> bool;
type Add<T> = fn(Cpu, &[T], &mut [T]);
type Collect<T> = fn(&Transform<T>, Range<usize>, Bins<'_, T>, &mut [T]);
pub(crate) type Step<T> = fn(&mut Engine<T>, &[T], &mut [T]);
type Inverse<T> = fn(&Transform<T>, Range<usize>, Bins<'_, T>, &mut [T], &mut [T]);

/// The loops for one sample type.
#[derive(Debug)]
pub(crate) struct Compiled<T: Sample> {
    /// See [`Transform::forward`].
    pub forward: Forward<T>,
    /// See [`Transform::inverse`].
    pub inverse: Inverse<T>,
    /// See [`Transform::collect`].
    pub collect: Collect<T>,
    /// See [`Transform::square`].
    pub square: Square<T>,
    /// See [`direct::fir`].
    pub fir: Fir<T>,
    /// See [`engine::step()`].
    pub step: Step<T>,
    /// The same for one way from one input to one output.
    pub step_one: Step<T>,
    /// See [`Sample::magnitudes`].
    pub magnitudes: fn(Cpu, &[T]) -> (T, T),
    /// See [`look::look`].
    pub look: Look<T>,
    /// See [`mix::add`].
    pub add: Add<T>,
}

impl<T: Sample> Compiled<T> {
    const fn new() -> Self {
        Self {
            forward: Transform::run_forward,
            inverse: Transform::run_inverse,
            collect: Transform::run_collect,
            square: Transform::run_square,
            fir: direct::fir,
            step: engine::step::<T, false>,
            step_one: engine::step::<T, true>,
            magnitudes: look::magnitudes,
            look: look::look,
            add: mix::add,
        }
    }

    /// The table of the sample type.
    pub fn table() -> &'static Self {
        static F32: Compiled<f32> = Compiled::new();
        static F64: Compiled<f64> = Compiled::new();
        signal::of_type::<T, Self>(&F32, &F64)
    }
}
