//! Sessions: a source, a convolver and a sink, from the first frame to the last.

pub mod augment;
#[cfg(feature = "batch")]
pub mod batch;
#[cfg(feature = "live")]
pub mod live;
#[cfg(feature = "live")]
pub mod measure;
pub mod offline;

pub use augment::{
    Align, Augment, AugmentError, Done, Kit, Length, LevelMatch, Noise, Targets, reverberate,
};
pub use offline::{Ready, Render, Report, RunError, Session, SwapAt, Tail};
