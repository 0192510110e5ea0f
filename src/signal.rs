//! The ground everything stands on: samples, sample rates, planar audio.

use std::any::{Any, TypeId};
use std::fmt;
use std::num::NonZeroU32;

use num_traits::{FromPrimitive, Signed};
use thiserror::Error;

use crate::kernel::Vectors;

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// A floating-point sample: `f32` (the default everywhere) or `f64`. Sealed.
pub trait Sample:
    sealed::Sealed
    + Vectors
    + FromPrimitive
    + Signed
    + std::ops::AddAssign
    + std::ops::MulAssign
    + std::iter::Sum
    + fmt::Display
{
    /// Rounds to the nearest representable value.
    fn of(value: f64) -> Self;
    /// The same value in double precision.
    fn wide(self) -> f64;
    /// The least magnitude that is not zero (infinity where all are) and the largest (not finite
    /// where one is not).
    #[doc(hidden)]
    fn magnitudes(samples: &[Self]) -> (Self, Self);
}

/// The one of two things, for f32 and for f64, that is for the sample type `T`.
pub(crate) fn of_type<T: Sample, A: Any>(
    single: &'static dyn Any,
    double: &'static dyn Any,
) -> &'static A {
    let chosen = match TypeId::of::<T>() == TypeId::of::<f32>() {
        true => single,
        false => double,
    };
    chosen
        .downcast_ref()
        .expect("samples are f32 or f64, and sealed")
}

/// On the bits, whose order as integers is that of the magnitudes: this becomes vector code
/// where the comparison of floats would not.
macro_rules! magnitudes {
    ($bits:ty) => {
        #[inline(always)]
        fn magnitudes(samples: &[Self]) -> (Self, Self) {
            let infinity = Self::INFINITY.to_bits() as $bits;
            let (mut least, mut most) = (infinity, 0);
            for x in samples {
                let magnitude = x.to_bits() as $bits & <$bits>::MAX;
                let nonzero = if magnitude == 0 { infinity } else { magnitude };
                least = least.min(nonzero);
                most = most.max(magnitude);
            }
            (Self::from_bits(least as _), Self::from_bits(most as _))
        }
    };
}

impl Sample for f32 {
    #[inline(always)]
    fn of(value: f64) -> Self {
        value as f32
    }
    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }
    magnitudes!(i32);
}

impl Sample for f64 {
    #[inline(always)]
    fn of(value: f64) -> Self {
        value
    }
    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }
    magnitudes!(i64);
}

/// What is wrong with audio that was put together by hand.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
#[allow(missing_docs)] // each variant's message says it
pub enum SignalError {
    #[error("a sample rate of 0 Hz has no meaning; give frames per second, such as 48000")]
    ZeroRate,
    #[error("audio needs at least one channel")]
    NoChannels,
    #[error(
        "channel {channel} has {frames} frames where channel 0 has {expected}; make them equally long"
    )]
    UnequalChannels {
        channel: usize,
        frames: usize,
        expected: usize,
    },
}

/// Frames per second; never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SampleRate(NonZeroU32);

impl SampleRate {
    /// A rate in Hz. Fails on 0.
    pub fn new(hz: u32) -> Result<Self, SignalError> {
        NonZeroU32::new(hz).map(Self).ok_or(SignalError::ZeroRate)
    }

    /// Frames per second.
    pub fn hz(self) -> u32 {
        self.0.get()
    }

    /// Length of `seconds` in frames, rounded to the nearest; negative and NaN count as 0.
    pub fn frames(self, seconds: f64) -> usize {
        (seconds * f64::from(self.hz())).round().max(0.0) as usize
    }

    /// Duration of `frames` in seconds.
    pub fn seconds(self, frames: usize) -> f64 {
        frames as f64 / f64::from(self.hz())
    }
}

impl fmt::Display for SampleRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} Hz", self.hz())
    }
}

/// Planar audio: one slice per channel, all of one length, at one rate.
#[derive(Debug, Clone, PartialEq)]
pub struct Audio<T = f32> {
    rate: SampleRate,
    channels: Vec<Vec<T>>,
}

impl<T> Audio<T> {
    /// Takes the channels as they are. Fails without channels or on unequal lengths.
    pub fn new(rate: SampleRate, channels: Vec<Vec<T>>) -> Result<Self, SignalError> {
        let expected = channels.first().ok_or(SignalError::NoChannels)?.len();
        match channels.iter().position(|c| c.len() != expected) {
            None => Ok(Self { rate, channels }),
            Some(channel) => Err(SignalError::UnequalChannels {
                channel,
                frames: channels[channel].len(),
                expected,
            }),
        }
    }

    /// Sample rate of all channels.
    pub fn rate(&self) -> SampleRate {
        self.rate
    }

    /// Length in frames.
    pub fn frames(&self) -> usize {
        self.channels[0].len()
    }

    /// All channels, each `frames()` samples long.
    pub fn channels(&self) -> &[Vec<T>] {
        &self.channels
    }

    /// One channel, counted from 0.
    #[track_caller]
    pub fn channel(&self, index: usize) -> &[T] {
        &self.channels[index]
    }

    /// Gives the channels away.
    pub fn into_channels(self) -> Vec<Vec<T>> {
        self.channels
    }
}
