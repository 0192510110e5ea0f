//! Pictures of impulse responses, as SVG or PNG, in memory.
//!
//! ```
//! use faltung::plot::{Kind, Picture, Theme};
//! use faltung::{Recipe, SampleRate};
//!
//! let hall = "hall".parse::<Recipe>()?.render(SampleRate::new(48_000)?)?;
//! let irs = [&hall];
//! let picture = Picture::new(&irs).kind(Kind::Magnitude).theme(Theme::Dark);
//! assert!(picture.svg()?.starts_with("<svg"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod axis;
mod decay;
mod font;
mod frame;
mod group_delay;
mod magnitude;
mod png;
mod scene;
mod sheet;
mod spectrogram;
mod svg;
mod theme;
mod trace;
mod waterfall;
mod waveform;

use std::fmt;
use std::str::FromStr;

use plotters::drawing::IntoDrawingArea;
use thiserror::Error;

use crate::ir::{ImpulseResponse, UnitError};
use scene::{Pen, Scene};
use sheet::Page;
use theme::Look;
pub use theme::{MOST_TRACES, Theme};
use trace::Trace;

/// Least and greatest width and height in pixels.
pub const SIZES: (u32, u32) = (300, 6000);
/// Most frames of a response: above, its transform would need gigabytes.
pub const MOST_FRAMES: usize = 1 << 24;

/// Why a picture could not be drawn.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum PlotError {
    /// There is nothing to draw.
    #[error("a picture needs at least one impulse response")]
    Nothing,
    /// There are more curves than colours.
    #[error(
        "{count} curves cannot be told apart; draw at most {MOST_TRACES} at once, or choose one channel (--channel N)"
    )]
    TooMany {
        /// How many there are.
        count: usize,
    },
    /// A response does not have the channel that was asked for.
    #[error("{name} has {count} channel(s), and none of the number {channel}; they count from 1")]
    NoSuchChannel {
        /// Name of the response.
        name: String,
        /// Channels it has.
        count: usize,
        /// Channel that was asked for, counted from 1.
        channel: usize,
    },
    /// A response is too long.
    #[error(
        "{name} has {frames} frames, more than the {MOST_FRAMES} that can be drawn; \
         trim it or bring it to a lower rate"
    )]
    TooLong {
        /// Name of the response.
        name: String,
        /// Its length.
        frames: usize,
    },
    /// The picture would be too small to read or too large to hold.
    #[error(
        "a picture of {width}x{height} pixels cannot be made; width and height must lie \
         between {} and {}", SIZES.0, SIZES.1
    )]
    Size {
        /// Width that was asked for.
        width: u32,
        /// Height that was asked for.
        height: u32,
    },
    /// The drawing library refused.
    #[error("the picture could not be drawn: {cause}; ask for a larger one")]
    Drawing {
        /// What it said.
        cause: String,
    },
    /// The pixels could not be encoded.
    #[error("the pixels could not be made a PNG: {cause}")]
    Encoder {
        /// What the encoder said.
        cause: String,
    },
}

/// What a picture shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kind {
    /// All of the below on one sheet; with several responses all but the waterfall, with more than
    /// three no spectrograms either.
    #[default]
    Sheet,
    /// The taps over time, each channel in its lane, with the onset and the end of the decay.
    Waveform,
    /// Schroeder's energy decay curve, with the lines of T20 and T30.
    Decay,
    /// Gain over frequency, smoothed, and faintly behind it as it is.
    Magnitude,
    /// Group delay over frequency, counted from the onset.
    GroupDelay,
    /// Level over time and frequency.
    Spectrogram,
    /// Cumulative spectral decay.
    Waterfall,
}

const KINDS: [(&str, Kind); 7] = [
    ("sheet", Kind::Sheet),
    ("waveform", Kind::Waveform),
    ("decay", Kind::Decay),
    ("magnitude", Kind::Magnitude),
    ("group-delay", Kind::GroupDelay),
    ("spectrogram", Kind::Spectrogram),
    ("waterfall", Kind::Waterfall),
];

impl FromStr for Kind {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let found = KINDS.iter().find(|(name, _)| *name == text);
        found.map(|&(_, kind)| kind).ok_or_else(|| UnitError {
            value: text.to_owned(),
            what: "a kind of picture",
            example: "`sheet`, `waveform`, `decay`, `magnitude`, `group-delay`, `spectrogram` \
                      or `waterfall`",
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = KINDS.iter().find(|(_, kind)| kind == self);
        f.write_str(name.map_or("", |(name, _)| name))
    }
}

/// Over how much of an octave spectra are averaged: 1/1 to 1/48.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Smoothing(u32);

impl Smoothing {
    /// The finest.
    pub const FINEST: u32 = 48;

    /// One part of an octave that is cut into so many; none outside 1 to 48.
    pub fn new(parts: u32) -> Option<Self> {
        (1..=Self::FINEST).contains(&parts).then_some(Self(parts))
    }

    /// In octaves.
    pub fn octaves(self) -> f64 {
        1.0 / f64::from(self.0)
    }
}

impl Default for Smoothing {
    /// A sixth of an octave.
    fn default() -> Self {
        Self(6)
    }
}

impl FromStr for Smoothing {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let parts = text.trim().strip_prefix("1/").unwrap_or(text.trim());
        let parts = parts.parse().ok().and_then(Self::new);
        parts.ok_or_else(|| UnitError {
            value: text.to_owned(),
            what: "a part of an octave from 1/1 to 1/48",
            example: "`1/3`, `1/6` or `1/24`",
        })
    }
}

impl fmt::Display for Smoothing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("1 octave"),
            parts => write!(f, "1/{parts} octave"),
        }
    }
}

/// A picture to be made of one response, or of several for comparison.
#[derive(Debug, Clone)]
pub struct Picture<'a> {
    irs: &'a [&'a ImpulseResponse],
    kind: Kind,
    theme: Theme,
    smoothing: Smoothing,
    channel: Option<usize>,
    size: Option<(u32, u32)>,
}

impl<'a> Picture<'a> {
    /// A light sheet of the responses: of one, all channels; of several, the first of each.
    pub fn new(irs: &'a [&'a ImpulseResponse]) -> Self {
        Self {
            irs,
            kind: Kind::default(),
            theme: Theme::default(),
            smoothing: Smoothing::default(),
            channel: None,
            size: None,
        }
    }

    /// What it shows.
    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// Its colours.
    #[must_use]
    pub fn theme(mut self, theme: Theme) -> Self {
        self.theme = theme;
        self
    }

    /// Over how much of an octave magnitude, group delay and waterfall are averaged.
    #[must_use]
    pub fn smoothing(mut self, smoothing: Smoothing) -> Self {
        self.smoothing = smoothing;
        self
    }

    /// Only this channel of each response, counted from 0.
    #[must_use]
    pub fn channel(mut self, channel: usize) -> Self {
        self.channel = Some(channel);
        self
    }

    /// Width and height in pixels; without it, a sheet has 1600 and 1200, one kind alone 1200
    /// and 700.
    #[must_use]
    pub fn size(mut self, width: u32, height: u32) -> Self {
        self.size = Some((width, height));
        self
    }

    /// Draws it as an SVG document.
    ///
    /// # Errors
    /// For no responses or too many, a channel that is not there, a response or a size beyond
    /// what can be drawn.
    pub fn svg(&self) -> Result<String, PlotError> {
        let names: Vec<&str> = self.irs.iter().map(|ir| ir.name()).collect();
        let title = format!("{} of {}", self.kind, names.join(", "));
        svg::write(&self.draw()?, &title)
    }

    /// Draws it as a PNG file.
    ///
    /// # Errors
    /// As [`svg`](Self::svg).
    pub fn png(&self) -> Result<Vec<u8>, PlotError> {
        png::write(&self.draw()?)
    }

    fn draw(&self) -> Result<Scene, PlotError> {
        let sheet = self.kind == Kind::Sheet;
        let usual = if sheet { (1600, 1200) } else { (1200, 700) };
        let (width, height) = self.size.unwrap_or(usual);
        let allowed = SIZES.0..=SIZES.1;
        if !allowed.contains(&width) || !allowed.contains(&height) {
            return Err(PlotError::Size { width, height });
        }
        let traces = self.traces()?;
        // Letters that suit the size: the same on a sheet as on a picture of one kind.
        let (across, down) = if sheet { (112.0, 84.0) } else { (84.0, 49.0) };
        let em = (f64::from(width) / across).min(f64::from(height) / down);
        let look = Look::new(self.theme, em);
        let mut scene = Scene {
            size: (width, height),
            shapes: Vec::new(),
        };
        let page = Page {
            irs: self.irs,
            traces: &traces,
            smoothing: self.smoothing,
        };
        let drawn = page.draw(&Pen(&mut scene).into_drawing_area(), &look, self.kind);
        drawn.map_err(|cause| PlotError::Drawing {
            cause: cause.to_string(),
        })?;
        Ok(scene)
    }

    /// The channels that are drawn, named and coloured.
    fn traces(&self) -> Result<Vec<Trace<'a>>, PlotError> {
        let mut traces = Vec::new();
        for ir in self.irs {
            let (name, count, frames) = (ir.name().to_owned(), ir.channel_count(), ir.frames());
            if frames > MOST_FRAMES {
                return Err(PlotError::TooLong { name, frames });
            }
            let channels = match (self.channel, self.irs) {
                (Some(channel), _) if channel >= count => {
                    let channel = channel + 1;
                    return Err(PlotError::NoSuchChannel {
                        name,
                        count,
                        channel,
                    });
                }
                (Some(channel), _) => channel..channel + 1,
                (None, [_]) => 0..count,
                (None, _) => 0..1,
            };
            for channel in channels {
                let label = match (self.irs, count) {
                    ([_], _) => format!("channel {}", channel + 1),
                    (_, 1) => name.clone(),
                    (_, _) => format!("{name}, channel {}", channel + 1),
                };
                traces.push((*ir, channel, label));
            }
        }
        match traces.len() {
            0 => Err(PlotError::Nothing),
            count if count > MOST_TRACES => Err(PlotError::TooMany { count }),
            _ => Ok(traces
                .into_iter()
                .enumerate()
                .map(|(n, (ir, channel, label))| Trace::new(ir, channel, label, n))
                .collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::{Audio, SampleRate};

    fn ir(channels: usize, frames: usize) -> ImpulseResponse {
        let mut taps = vec![0.0; frames];
        taps[0] = 1.0;
        let audio = Audio::new(SampleRate::new(48_000).unwrap(), vec![taps; channels]);
        ImpulseResponse::new(audio.unwrap()).unwrap()
    }

    #[test]
    fn what_cannot_be_drawn_is_refused_with_a_way_out() {
        let (one, nine, long) = (ir(2, 9), ir(9, 9), ir(1, MOST_FRAMES + 1));
        let refused = |picture: Picture<'_>| {
            let error = picture.svg().unwrap_err();
            assert_eq!(picture.png().unwrap_err(), error);
            error.to_string()
        };
        assert!(refused(Picture::new(&[])).contains("at least one"));
        assert!(refused(Picture::new(&[&nine])).contains("at most 8"));
        assert!(refused(Picture::new(&[&one]).channel(2)).contains("none of the number 3"));
        assert!(refused(Picture::new(&[&one]).size(299, 300)).contains("299x300"));
        assert!(refused(Picture::new(&[&one]).size(300, 6001)).contains("6000"));
        assert!(refused(Picture::new(&[&long])).contains("16777217 frames"));
        // One of nine is no crowd.
        assert!(Picture::new(&[&nine]).channel(8).svg().is_ok());
    }

    #[test]
    fn kinds_and_smoothings_are_read_as_they_are_written() {
        for (name, kind) in KINDS {
            assert_eq!(
                (name.parse(), kind.to_string()),
                (Ok(kind), name.to_owned())
            );
        }
        assert!(
            "bode"
                .parse::<Kind>()
                .unwrap_err()
                .to_string()
                .contains("group-delay")
        );
        for (text, parts) in [("1/3", 3), ("24", 24), ("1/1", 1), (" 1/48 ", 48)] {
            assert_eq!(text.parse::<Smoothing>(), Ok(Smoothing(parts)));
        }
        for text in ["", "0", "1/0", "2/3", "1/49", "-3", "third"] {
            assert!(text.parse::<Smoothing>().is_err(), "{text}");
        }
    }
}
