#![doc = include_str!("../README.md")]
#![deny(missing_docs)]
#![deny(unsafe_code)]

#[cfg(feature = "cli")]
pub mod cli;
pub mod dsp;
#[cfg(feature = "wav")]
pub mod io;
pub mod ir;
#[cfg(feature = "plot")]
pub mod plot;
#[cfg(feature = "wav")]
pub mod run;
pub mod signal;

#[allow(unsafe_code)] // the only place
mod kernel;

pub use dsp::clip::{ConvolveError, Element, Method, convolve, convolve_with};
pub use dsp::control::{Bypass, Control, ControlError, Settings, Status, Swap};
pub use dsp::convolver::{Builder, Convolver, MatrixConvolver};
pub use dsp::error::BuildError;
pub use dsp::mode::{Excerpt, Mode, ModeConvolver};
pub use dsp::plan::{Latency, Outline, Partition, Plan, Prepared};
pub use dsp::routing::{Route, Routing, StereoOrder};
pub use ir::{ImpulseResponse, IrError, Recipe};
pub use kernel::Cpu;
pub use num_complex::Complex;
pub use signal::{Audio, Sample, SampleRate, SignalError};
