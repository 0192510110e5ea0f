//! The pure core: no input or output, no clock, no log, no thread. Building allocates, running
//! does not.

mod agenda;
mod channels;
pub mod clip;
mod compiled;
pub mod control;
pub mod convolver;
mod cost;
mod delay;
mod delay_line;
mod direct;
mod engine;
pub mod error;
mod fade;
mod fft;
#[allow(unsafe_code)] // beside the kernel the only place: pointers that change their owner
mod handover;
mod history;
mod level;
mod link;
mod machine;
pub mod mode;
pub mod plan;
mod product;
mod responses;
pub mod routing;
mod scheme;
mod shelf;
mod spectra;
mod stage;
