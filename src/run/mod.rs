//! Sessions: a source, a convolver and a sink, from the first frame to the last.

#[cfg(feature = "live")]
pub mod live;
#[cfg(feature = "live")]
pub mod measure;
pub mod offline;

pub use offline::{Ready, Render, Report, RunError, Session, SwapAt, Tail};
