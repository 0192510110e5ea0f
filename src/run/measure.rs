//! Measuring through devices: a sweep is played, what comes back meanwhile is recorded, and the
//! response is made of both.
//!
//! ```text
//! player -> loudspeaker ~ room ~ microphone -> capture -> ring -> Deck::take -> deconvolve
//! ```
//!
//! [`Deck`] plays and records, whatever it is; [`Session`] is what is done with it.

mod course;
mod deck;
mod player;
mod response;
mod session;
mod setup;

pub use deck::{Deck, Disturbance, Program, Progress, Take, TakeError};
pub use session::{Heard, Measured, Session, Stage, Turn, Watch};
pub use setup::{MeasuringError, Setup, Zero};
