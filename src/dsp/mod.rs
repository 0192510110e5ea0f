//! The pure core: no input or output, no clock, no log, no thread. Building allocates, running
//! does not.

pub mod clip;
mod compiled;
pub mod convolver;
mod cost;
mod delay_line;
mod direct;
mod engine;
pub mod error;
mod fft;
mod history;
mod level;
pub mod mode;
pub mod plan;
mod product;
pub mod routing;
mod scheme;
mod spectra;
