//! The pure core: no input or output, no clock, no log, no thread. Building allocates, running
//! does not.

mod channels;
pub mod clip;
mod compiled;
pub mod control;
pub mod convolver;
mod cost;
mod delay_line;
mod direct;
mod engine;
pub mod error;
pub(crate) mod fade;
mod fft;
#[allow(unsafe_code)] // beside the kernel the only place: pointers that change their owner
mod handover;
mod history;
mod look;
mod mix;
pub mod mode;
mod pairs;
pub mod plan;
mod product;
pub mod routing;
mod scheme;
mod spectra;
pub mod stored;
