//! Microphone to loudspeaker: two callbacks, a ring between them, and someone who watches.
//!
//! ```text
//! microphone -> capture -> ring -> playback: (varispeed) -> convolver -> guard -> loudspeaker
//!                            \_ clock _/          control, tape, stats
//!                                                     supervisor <- Live
//! ```
//!
//! [`Live`] is what a program holds. Its wishes go to a thread that may wait, the supervisor; the
//! two callbacks share nothing with it but atomics, rings and the convolver's own control.

pub(super) mod capture;
mod clock;
pub(super) mod connection;
mod guard;
mod library;
mod outage;
pub(super) mod patch;
mod playback;
mod probe;
mod recorder;
mod reserve;
mod session;
mod setup;
mod shared;
pub(super) mod stats;
mod status;
mod supervisor;
mod varispeed;

pub use session::{Live, Measured, measure_latency};
pub use setup::{LiveError, Setup};
pub use status::{Counts, Event, Heard, Level, Load, Path, Recording, State, Status, What};
