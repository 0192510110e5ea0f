//! Sessions: a source, a convolver and a sink, from the first frame to the last.

pub mod offline;

pub use offline::{Render, Report, RunError, Session, SwapAt, Tail};
