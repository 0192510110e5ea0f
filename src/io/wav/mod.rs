//! WAV files, also beyond 4 GiB (RF64, EBU Tech 3306) and with what they say beside the samples.
//!
//! The chunks are walked here, with an eye on what lies; `hound` judges the format chunk of plain
//! and extensible PCM. Samples move in blocks of bytes: one by one they would cost ten times as
//! much as the rest of a copy.

mod format;
mod header;
mod sink;
mod source;
mod walk;

pub use sink::WavSink;
pub use source::WavSource;

#[cfg(test)]
mod tests;
