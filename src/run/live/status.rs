//! What a live session tells of itself: how it stands, and what has happened.

use std::fmt;
use std::ops::Add;
use std::path::PathBuf;
use std::time::Duration;

use crate::dsp::control::Bypass;
use crate::io::port::{Clocks, Direction, Port};
use crate::signal::SampleRate;

/// Where a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// Streams are open; the buffer between them fills.
    Starting,
    /// Sound passes.
    Running,
    /// A device has gone; so many attempts to get it back have failed.
    Lost {
        /// Attempts so far.
        attempts: u32,
    },
    /// The session has ended.
    Stopped,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting => f.pad("starting"),
            Self::Running => f.pad("running"),
            Self::Lost { .. } => f.pad("lost"),
            Self::Stopped => f.pad("stopped"),
        }
    }
}

/// The delay from the microphone's frame to the loudspeaker's, by its causes, in frames of the
/// output's rate. Converters and cables are not in it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Path {
    /// A frame waits for the input's period to be full.
    pub input: f64,
    /// Frames held between the two callbacks, so that neither has to wait.
    pub ring: f64,
    /// The filter that lets one clock follow the other; 0 where there is one clock.
    pub resampler: f64,
    /// The convolver.
    pub engine: f64,
    /// A frame waits for the output's period to be played.
    pub output: f64,
}

impl Path {
    /// All of it.
    pub fn total(&self) -> f64 {
        self.input + self.ring + self.resampler + self.engine + self.output
    }
}

/// Level of one channel since the last look.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Level {
    /// Largest magnitude; 1 is full scale.
    pub peak: f32,
    /// Root of the mean square.
    pub rms: f32,
}

/// Time taken by the output's callbacks as a share of the time that their frames last.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Load {
    /// Mean since the last look.
    pub mean: f32,
    /// Worst since the last look.
    pub worst: f32,
    /// Worst since the session began.
    pub worst_ever: f32,
}

/// What went wrong so far, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Times that the input device was not served in time, as it says.
    pub input_xruns: u64,
    /// Times that the output device was not served in time, as it says.
    pub output_xruns: u64,
    /// Times that the output found too little input and played silence.
    pub starved: u64,
    /// Frames of silence that were played for lack of input, once sound had begun.
    pub starved_frames: u64,
    /// Frames of input for which there was no room.
    pub overflowed_frames: u64,
    /// Frames of input left out because too many had gathered.
    pub skipped_frames: u64,
    /// Samples of input that were NaN or infinite and became 0.
    pub nonfinite: u64,
    /// Samples of the output that were beyond full scale where no guard held them.
    pub clipped: u64,
    /// Times that the guard caught a level that ran away.
    pub caught: u64,
    /// Times that devices were opened again.
    pub reconnects: u64,
}

impl Counts {
    /// Interruptions that can be heard, whoever caused them.
    pub fn dropouts(&self) -> u64 {
        self.input_xruns + self.output_xruns + self.starved
    }

    /// Frames that were lost or left out.
    pub fn lost_frames(&self) -> u64 {
        self.starved_frames + self.overflowed_frames + self.skipped_frames
    }
}

impl Add for Counts {
    type Output = Self;

    /// What two connections counted together.
    fn add(self, other: Self) -> Self {
        Self {
            input_xruns: self.input_xruns + other.input_xruns,
            output_xruns: self.output_xruns + other.output_xruns,
            starved: self.starved + other.starved,
            starved_frames: self.starved_frames + other.starved_frames,
            overflowed_frames: self.overflowed_frames + other.overflowed_frames,
            skipped_frames: self.skipped_frames + other.skipped_frames,
            nonfinite: self.nonfinite + other.nonfinite,
            clipped: self.clipped + other.clipped,
            caught: self.caught + other.caught,
            reconnects: self.reconnects + other.reconnects,
        }
    }
}

/// The response that is heard, or is about to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// Its place in the list.
    pub index: usize,
    /// What it is called.
    pub name: String,
    /// Channels.
    pub channels: usize,
    /// Length at the stream's rate.
    pub frames: usize,
    /// The rate it was resampled from, if it was.
    pub resampled_from: Option<SampleRate>,
    /// It is being loaded, or takes over just now.
    pub pending: bool,
}

/// A recording under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// The file, which appears when the recording ends.
    pub path: PathBuf,
    /// Frames so far.
    pub frames: u64,
    /// Frames for which the disk was too slow.
    pub lost: u64,
}

/// How a session stands. Levels and loads are those since the last look.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// Where it is.
    pub state: State,
    /// Since it began.
    pub time: Duration,
    /// The microphone.
    pub input: Port,
    /// The loudspeaker.
    pub output: Port,
    /// Channels of the input device that are heard, from 0.
    pub inputs: Vec<usize>,
    /// Channels of the output device that are played, from 0.
    pub outputs: Vec<usize>,
    /// How the response connects them, in words.
    pub routing: String,
    /// Whether one clock drives both.
    pub clocks: Clocks,
    /// The delay, by its causes.
    pub latency: Path,
    /// Frames between the callbacks, smoothed, at the input's rate.
    pub fill: f64,
    /// Frames that are meant to be there.
    pub target: f64,
    /// By how many millionths the input's clock is faster than the output's; none where there is
    /// one clock, or nothing is known yet.
    pub drift_ppm: Option<f64>,
    /// Time taken by callbacks.
    pub load: Load,
    /// Levels of the input channels heard.
    pub input_levels: Vec<Level>,
    /// Levels of the output channels played.
    pub output_levels: Vec<Level>,
    /// What went wrong.
    pub counts: Counts,
    /// When the last dropout was.
    pub last_dropout: Option<Duration>,
    /// What the guard takes away just now, in dB; 0 or less. None where there is no guard.
    pub guard_db: Option<f64>,
    /// All responses that can be chosen.
    pub irs: Vec<String>,
    /// The chosen one.
    pub ir: Heard,
    /// Share of the convolved sound, 0 to 1.
    pub mix: f64,
    /// Gain of the convolved sound, as a factor.
    pub gain: f64,
    /// Whether the convolver is bypassed.
    pub bypass: Bypass,
    /// The recording under way.
    pub recording: Option<Recording>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When, since the session began.
    pub at: Duration,
    /// What.
    pub what: What,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.at.as_secs_f64();
        let minutes = (seconds / 60.0).floor();
        write!(
            f,
            "{minutes:02}:{:05.2} {}",
            seconds - 60.0 * minutes,
            self.what
        )
    }
}

/// What can happen.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum What {
    /// Something was settled otherwise than asked, or is worth knowing.
    Notice(String),
    /// Sound passes, for the first time or again.
    Started,
    /// The device was not served in time.
    Xrun {
        /// Which device.
        side: Direction,
        /// How often since the last such event.
        times: u64,
    },
    /// The output found too little input.
    Starved {
        /// Frames of silence since the last such event.
        frames: u64,
    },
    /// There was no room for input.
    Overflowed {
        /// Frames since the last such event.
        frames: u64,
    },
    /// Input was left out because too much had gathered.
    Skipped {
        /// Frames since the last such event.
        frames: u64,
    },
    /// Input was NaN or infinite and became 0.
    NonFinite {
        /// Samples since the last such event.
        samples: u64,
    },
    /// The level ran away and was caught.
    Caught,
    /// A device has gone.
    Lost {
        /// Why, as far as is known.
        why: String,
    },
    /// It could not be had again, and will be tried once more after a while.
    Retry {
        /// Why.
        why: String,
        /// After how long.
        after: Duration,
    },
    /// It is back.
    Resumed {
        /// How long nothing was heard.
        after: Duration,
    },
    /// Another response is heard.
    Response(Heard),
    /// A response could not be had; the one before it stays.
    ResponseFailed {
        /// Why.
        why: String,
    },
    /// A recording has begun.
    RecordingStarted {
        /// The file that will be.
        path: PathBuf,
    },
    /// A recording has ended, and the file is there.
    Recorded(Recording),
    /// A recording has failed.
    RecordingFailed {
        /// Why.
        why: String,
    },
}

impl What {
    /// Its name where a program reads it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Notice(_) => "notice",
            Self::Started => "started",
            Self::Xrun { .. } => "xrun",
            Self::Starved { .. } => "starved",
            Self::Overflowed { .. } => "overflowed",
            Self::Skipped { .. } => "skipped",
            Self::NonFinite { .. } => "nonfinite",
            Self::Caught => "caught",
            Self::Lost { .. } => "lost",
            Self::Retry { .. } => "retry",
            Self::Resumed { .. } => "resumed",
            Self::Response(_) => "response",
            Self::ResponseFailed { .. } => "response_failed",
            Self::RecordingStarted { .. } => "recording_started",
            Self::Recorded(_) => "recorded",
            Self::RecordingFailed { .. } => "recording_failed",
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Notice(text) => f.write_str(text),
            Self::Started => f.write_str("sound passes"),
            Self::Xrun { side, times } => write!(f, "{times} xrun(s) of the {side} device"),
            Self::Starved { frames } => {
                write!(f, "input came too late: {frames} frame(s) of silence played")
            }
            Self::Overflowed { frames } => {
                write!(f, "output came too late: {frames} frame(s) of input lost")
            }
            Self::Skipped { frames } => {
                write!(f, "{frames} frame(s) of input left out to catch up")
            }
            Self::NonFinite { samples } => {
                write!(f, "{samples} input sample(s) were no numbers and became 0")
            }
            Self::Caught => f.write_str(
                "the level ran away and was pulled down: move microphone and loudspeaker apart, or lower the gain (--no-guard lets it pass)",
            ),
            Self::Lost { why } => write!(f, "lost: {why}"),
            Self::Retry { why, after } => {
                write!(f, "not back yet: {why}; next try in {:.2} s", after.as_secs_f64())
            }
            Self::Resumed { after } => {
                write!(f, "back after {:.1} s", after.as_secs_f64())
            }
            Self::Response(ir) => {
                write!(f, "response {}: {}, {} frames", ir.index + 1, ir.name, ir.frames)?;
                match ir.resampled_from {
                    Some(from) => write!(f, ", resampled from {from}"),
                    None => Ok(()),
                }
            }
            Self::ResponseFailed { why } => write!(f, "{why}; the response before it stays"),
            Self::RecordingStarted { path } => write!(f, "recording to {}", path.display()),
            Self::Recorded(recording) => {
                let Recording { path, frames, lost } = recording;
                write!(f, "recorded {frames} frame(s) to {}", path.display())?;
                match lost {
                    0 => Ok(()),
                    lost => write!(f, "; {lost} frame(s) lost, the disk was too slow"),
                }
            }
            Self::RecordingFailed { why } => write!(f, "recording failed: {why}"),
        }
    }
}
