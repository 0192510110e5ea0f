//! One recording through one response, for training: at a defined time and level, with noise at
//! a defined SNR, and beside it what only the early part of the response makes of it.
//!
//! The result is defined as follows. x is the input of N frames, `full` its whole convolution as
//! [`offline`](super::offline) defines it, s the shift (0, or the response's direct sound with
//! [`Align::Onset`]), and L the frames that are delivered.
//!
//! ```text
//! wet[n]   = g * full[n + s],               0 <= n < L
//! out[n]   = guard * (wet[n] + a * noise[n])
//! early[n] = guard * g * (full of the response cut at d + E)[n + s],   d its direct sound
//! g        = gain * sqrt(mean of x[n]^2 / mean of full[n + s]^2, both over 0 <= n < N)
//! a        = sqrt(mean of wet[n]^2 / mean of noise[n]^2, both over 0 <= n < L) / 10^(snr / 20)
//! ```
//!
//! The means go over all channels. With [`LevelMatch::None`] g is the gain alone. L is N with
//! [`Length::Same`]; with [`Length::Full`] it is what [`Tail`] leaves of N - s and the tail, but
//! never less than N where the response leaves less than that.
//!
//! **Against Kaldi's `wav-reverberate`** (`--normalize-output`): there each channel is matched for
//! itself, here one gain keeps their balance; there the noise counts as part of what is matched,
//! here the speech alone has the input's level, whatever the noise; there the SNR goes by the
//! power of the early part, from 1 ms before the largest tap to 50 ms behind it, here by that of
//! all that is reverberant. Here the power of the result goes over the input's length, so that a
//! long tail does not lower the speech, and is the same for both lengths.
//!
//! **The early part** ends with a hard cut, as the early and late energies of a response are
//! commonly told apart (ISO 3382-1: C50, D50). A fade would spread the two over one another; as it
//! is, the reverberant file is the early one and the late one added up.

mod direct;
mod error;
mod noise;
mod ports;
#[cfg(feature = "resample")]
mod resample;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;

use super::offline::{Ready, Render, Report, RunError, Session, Tail, from_db, to_db};
use crate::dsp::mode::Mode;
use crate::io::{
    Container, FileSink, FileSource, Levels, SampleFormat, Sink, Source, Spec, Spool, Tags,
    WriteError,
};
use crate::ir::{ImpulseResponse, IrError};
use crate::signal::{Audio, Sample, SampleRate};
use direct::Direct;
use noise::Bed;
use ports::{Account, Heard, Placed, amplified, pad, squares};

pub use error::AugmentError;
pub use noise::Noise;

/// How long a result is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Length {
    /// With the tail, as [`Render::tail`] has it, counted from the input's end.
    #[default]
    Full,
    /// As long as the input.
    Same,
}

/// What is moved to the input's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Align {
    /// Nothing: the result begins with the response's first frame.
    #[default]
    None,
    /// The direct sound of the response, of its earliest channel and for all of them, so that the
    /// channels keep their differences. It goes by whole frames. A pre-delay that was ordered stays.
    Onset,
}

/// What the level of a result goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LevelMatch {
    /// The response's own gain.
    #[default]
    None,
    /// The input's power: one gain for all channels. [`Render::gain`] comes on top of it. Where
    /// input or result is silent, there is none.
    Keep,
}

/// Names of the choices, in both directions.
macro_rules! named {
    ($choice:ident, $what:literal, $known:literal, $($name:literal => $variant:ident),+) => {
        impl fmt::Display for $choice {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$variant => $name,)+
                })
            }
        }

        impl FromStr for $choice {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($name => Ok(Self::$variant),)+
                    _ => Err(format!(
                        concat!("unknown ", $what, " `{}`; there are ", $known), text
                    )),
                }
            }
        }
    };
}

named!(Length, "length", "full and same", "full" => Full, "same" => Same);
named!(Align, "alignment", "none and onset", "none" => None, "onset" => Onset);
named!(LevelMatch, "level", "none and keep", "none" => None, "keep" => Keep);

/// What is to be done with every file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Augment {
    /// Mix, gain, pre-delay, routing and guard as in a [`Session`]; in mode `full` only. The guard
    /// lowers wet and early file alike.
    pub render: Render,
    /// How long the result is.
    pub length: Length,
    /// What is moved to the input's place.
    pub align: Align,
    /// What its level goes by.
    pub level: LevelMatch,
    /// Seconds behind the direct sound at which the response's early part ends, for the early
    /// file.
    pub early: Option<f64>,
}

/// A response made ready once, for all files of one rate and channel count.
#[derive(Debug)]
pub struct Kit<T: Sample> {
    whole: Ready<T>,
    early: Option<Ready<T>>,
    inputs: usize,
    direct: Option<Direct>,
    /// Frames by which results are moved forward.
    shift: u64,
}

impl<T: Sample> Kit<T> {
    /// Makes a response ready for files of `inputs` channels at its rate.
    ///
    /// # Errors
    /// When options contradict one another, or the channels do not fit.
    pub fn new(ir: &ImpulseResponse, inputs: usize, how: &Augment) -> Result<Self, RunError> {
        if how.render.mode != Mode::Full {
            let mode = how.render.mode;
            return Err(AugmentError::Mode { mode }.into());
        }
        let aligned = how.align == Align::Onset;
        if aligned && how.render.dry != 0.0 {
            return Err(AugmentError::DryAligned.into());
        }
        let direct = Direct::of(ir);
        let early = match how.early {
            None => None,
            Some(seconds) if seconds > 0.0 && seconds.is_finite() => {
                let begin = direct.map_or(0, |direct| direct.frame);
                let kept = cut(ir, begin.saturating_add(ir.rate().frames(seconds).max(1)));
                let kept = kept.map_err(|source| AugmentError::Cut {
                    ir: ir.name().to_owned(),
                    source,
                })?;
                Some(Ready::new(&kept, inputs, &how.render)?)
            }
            Some(seconds) => return Err(AugmentError::EarlyLength { seconds }.into()),
        };
        Ok(Self {
            whole: Ready::new(ir, inputs, &how.render)?,
            early,
            inputs,
            direct,
            shift: direct
                .filter(|_| aligned)
                .map_or(0, |direct| direct.frame as u64),
        })
    }

    /// When the direct sound of the response comes, in frames, with fraction: the peak of the
    /// band-limited curve through its taps, in the earliest channel. None where it is silent.
    pub fn onset(&self) -> Option<f64> {
        self.direct.map(|direct| direct.time())
    }

    /// What runs a file through the whole response, or through the early part of it.
    fn session<S: Source<T>>(
        &self,
        source: S,
        part: Part,
        render: Render,
    ) -> Result<Session<T, S>, RunError> {
        let ready = match part {
            Part::Whole => &self.whole,
            Part::Early => self.early.as_ref().unwrap_or(&self.whole),
        };
        Session::with_ready(source, ready, render)
    }
}

/// Which part of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    Early,
}

/// The first frames of a response, at least one.
fn cut(ir: &ImpulseResponse, frames: usize) -> Result<ImpulseResponse, IrError> {
    let frames = frames.clamp(1, ir.frames());
    let channels = ir.audio().channels().iter();
    let channels = channels.map(|taps| taps[..frames].to_vec()).collect();
    let audio = Audio::new(ir.rate(), channels).map_err(|_| IrError::Empty)?;
    Ok(ImpulseResponse::new(audio)?.named(ir.name()))
}

/// Where the results of a file go.
#[derive(Debug, Clone, Copy)]
pub struct Targets<'a> {
    /// The reverberant file.
    pub wet: &'a Path,
    /// The same through the early part of the response, without noise.
    pub early: Option<&'a Path>,
    /// Kind of both files; if not given, what the name of the reverberant one says, or else WAV.
    pub container: Option<Container>,
    /// Sample format of both; if not given, the one nearest to the input's.
    pub format: Option<SampleFormat>,
    /// Replaces what exists.
    pub replace: bool,
}

/// What was done with a file.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Done {
    /// Of the reverberant file; its gain holds `level_db` and the guard's.
    pub report: Report,
    /// Whole frames by which the result was moved forward.
    pub shift: u64,
    /// What is left of the direct sound's delay then, in frames, from -0.5 to 0.5; 0 where nothing
    /// was to be aligned.
    pub fraction: f64,
    /// Gain in dB that matched the level; 0 where not asked.
    pub level_db: f64,
    /// The SNR that was made in dB; none without noise, and where the result is silent.
    pub snr_db: Option<f64>,
    /// Gain in dB of the noise, the guard's included; minus infinity where the result is silent
    /// and none was added.
    pub noise_gain_db: Option<f64>,
    /// The noise's rate, where it was another.
    pub noise_resampled_from: Option<SampleRate>,
    /// The noise's channels, where the mean of them was added to all.
    pub noise_averaged_from: Option<usize>,
    /// Of the early file.
    pub early: Option<Report>,
    /// Sample format of the files.
    pub format: SampleFormat,
}

/// Puts one file through a response, and delivers all of its results or none. `how` is what the
/// kit was made for; `progress` hears now and then how many input frames are done.
///
/// Takes constant memory where neither level, noise, guard nor early file is asked for; else
/// 32 MiB at most for the result, for the noise and, with an early file, twice for that, and the
/// disk beside the result beyond.
///
/// # Errors
/// When rates or channels do not fit, reading or writing fails, the noise is silent, or a result
/// exceeds the full scale of an integer format and there is no guard.
pub fn reverberate<T: Sample>(
    source: FileSource,
    kit: &Kit<T>,
    how: &Augment,
    noise: Option<&Noise>,
    to: &Targets<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<Done, RunError> {
    let started = Instant::now();
    let input = source.spec();
    check(&source, kit, noise, to)?;
    let spooled = how.level == LevelMatch::Keep || noise.is_some() || how.render.guard;
    let near = neighbour(to.wet);
    let tags = source.tags().clone();
    let container = to.container.or_else(|| Container::of(to.wet));
    let container = container.unwrap_or(Container::Wav);
    let format = to.format.unwrap_or_else(|| container.nearest(input.format));

    let copy = to.early.map(|_| Spool::beside(&near, input)).transpose()?;
    let mut account = Account::new(how.level == LevelMatch::Keep, copy);
    let heard = Heard {
        source,
        account: &mut account,
    };
    let session = kit.session(heard, Part::Whole, placed(how, kit.shift, input.rate))?;
    let spec = Spec {
        channels: session.outputs(),
        format,
        ..input
    };
    let tags = match spec.channels == input.channels {
        true => tags,
        false => Tags { mask: None, ..tags },
    };
    let planned = session.frames_out().map(|frames| frames - kit.shift);
    let create = |path| FileSink::create(path, container, spec, planned, &tags, to.replace);
    let mut wet = create(to.wet)?;
    let mut early = to.early.map(create).transpose()?;

    // The result, or what becomes it when its level is known.
    let mut spool = match spooled {
        true => Some(Spool::beside(&near, spec)?),
        false => None,
    };
    let ran = match &mut spool {
        Some(spool) => session.run(Placed::<T, _>::new(spool, kit.shift, 1.0), progress),
        None => session.run(Placed::<T, _>::new(&mut wet, kit.shift, 1.0), progress),
    };
    if let Some(error) = account.failed.take() {
        return Err(error.into());
    }
    let ran = ran?;
    let frames_in = ran.frames_in;
    match &mut spool {
        Some(spool) => pad::<T>(spool, frames_in)?,
        None => pad::<T>(&mut wet, frames_in)?,
    }

    let (mut scale, mut bed) = match &mut spool {
        Some(spool) => Scale::of::<T>(spool, &account, (how, noise), &near)?,
        None => (Scale::default(), None),
    };
    let frames = match &spool {
        Some(spool) => spool.frames(),
        None => Sink::<T>::levels(&wet).frames,
    };
    let mut dry = account.copy.take();
    let mut early_spool = None;
    if how.render.guard {
        let mut extremes = match &mut spool {
            Some(spool) => mixed::<T>(spool, bed.as_mut(), &scale, |_| Ok(()))?,
            None => Levels::default(),
        };
        if let Some(dry) = &mut dry {
            let mut spool = Spool::beside(&near, spec)?;
            early_part(kit, how, dry, frames, scale.wet, &mut spool)?;
            let levels = Sink::<T>::levels(&spool);
            extremes.high = extremes.high.max(levels.high);
            extremes.low = extremes.low.min(levels.low);
            early_spool = Some(spool);
        }
        scale.guard_db = format.gain_that_fits(&extremes);
        let guard = from_db(scale.guard_db);
        scale.wet *= guard;
        scale.noise *= guard;
    }
    if let Some(spool) = &mut spool {
        mixed::<T>(spool, bed.as_mut(), &scale, |block| wet.write(block))?;
    }
    if let (Some(early), Some(dry)) = (&mut early, &mut dry) {
        match early_spool {
            Some(spool) => spool.play::<T>(from_db(scale.guard_db), early)?,
            None => early_part(kit, how, dry, frames, scale.wet, early)?,
        }
    }

    let gain_db = to_db(how.render.gain) + scale.guard_db;
    judge::<T>(&wet, early.as_ref(), gain_db)?;
    let level_db = to_db(scale.level);
    let report = |sink: &FileSink| {
        let levels = Sink::<T>::levels(sink);
        Report {
            frames_out: levels.frames,
            tail: levels.frames.saturating_sub(frames_in),
            gain_db: gain_db + level_db,
            guard_db: scale.guard_db,
            levels,
            elapsed: started.elapsed(),
            ..ran.clone()
        }
    };
    let mut done = Done {
        report: report(&wet),
        shift: kit.shift,
        fraction: match how.align {
            Align::None => 0.0,
            Align::Onset => kit.direct.map_or(0.0, |direct| direct.fraction),
        },
        level_db,
        snr_db: bed.as_ref().and(noise).map(|noise| noise.snr_db),
        noise_gain_db: noise.map(|_| to_db(scale.noise)),
        noise_resampled_from: bed.as_ref().and_then(|bed| bed.resampled_from),
        noise_averaged_from: bed.as_ref().and_then(|bed| bed.averaged_from),
        early: early.as_ref().map(report),
        format,
    };
    deliver::<T>(wet, early, to)?;
    done.report.elapsed = started.elapsed();
    Ok(done)
}

/// What can be refused before anything is read.
fn check<T: Sample>(
    source: &FileSource,
    kit: &Kit<T>,
    noise: Option<&Noise>,
    to: &Targets<'_>,
) -> Result<(), RunError> {
    let (channels, expected) = (source.spec().channels, kit.inputs);
    if channels != expected {
        let refused = AugmentError::Channels {
            file: Source::<T>::name(source).to_owned(),
            channels,
            expected,
        };
        return Err(refused.into());
    }
    if let Some(noise) = noise {
        noise.check()?;
    }
    if let Some(early) = to.early {
        let file = early.display().to_string();
        if early == to.wet {
            let other = to.wet.display().to_string();
            return Err(WriteError::SameFile { file, other }.into());
        }
        if kit.early.is_none() {
            return Err(AugmentError::EarlyUnsaid { file }.into());
        }
    }
    Ok(())
}

/// Beside which scratch files lie: the result, if it is a file.
fn neighbour(wet: &Path) -> PathBuf {
    let plain = fs::metadata(wet).map_or(wet != Path::new("-"), |about| about.is_file());
    match plain {
        true => wet.to_owned(),
        false => std::env::temp_dir().join("faltung"),
    }
}

/// What a session does so that the result is there when its first `shift` frames are dropped.
fn placed(how: &Augment, shift: u64, rate: SampleRate) -> Render {
    let behind = |frames: usize| Tail::Seconds(rate.seconds(frames + shift as usize));
    let tail = match (how.length, how.render.tail) {
        (Length::Same, _) | (Length::Full, Tail::Cut) => behind(0),
        (Length::Full, Tail::Seconds(most)) => behind(rate.frames(most)),
        (Length::Full, tail) => tail,
    };
    Render {
        tail,
        guard: false,
        // What is matched has its gain behind that.
        gain: match how.level {
            LevelMatch::None => how.render.gain,
            LevelMatch::Keep => 1.0,
        },
        ..how.render.clone()
    }
}

/// Factors that are known when the whole has been heard.
#[derive(Debug)]
struct Scale {
    /// What matches the level.
    level: f64,
    /// Of what comes from the session: level, gain and guard as far as they come behind it.
    wet: f64,
    /// Of the noise.
    noise: f64,
    guard_db: f64,
}

impl Default for Scale {
    fn default() -> Self {
        Self {
            level: 1.0,
            wet: 1.0,
            noise: 0.0,
            guard_db: 0.0,
        }
    }
}

impl Scale {
    /// By what has been heard of the input and of the result, and with the noise that is added.
    fn of<T: Sample>(
        spool: &mut Spool,
        input: &Account,
        (how, noise): (&Augment, Option<&Noise>),
        near: &Path,
    ) -> Result<(Self, Option<Bed>), RunError> {
        let mut scale = Self::default();
        let powers = Powers::of::<T>(spool, input.frames)?;
        if how.level == LevelMatch::Keep {
            scale.level = matching(input.power(), powers.first);
            scale.wet = scale.level * how.render.gain;
        }
        let power = powers.all * scale.wet * scale.wet;
        let Some(noise) = noise.filter(|_| power > 0.0 && power.is_finite()) else {
            return Ok((scale, None));
        };
        let bed = Bed::lay::<T>(noise, Sink::<T>::spec(spool), spool.frames(), near)?;
        scale.noise = (power / bed.power()).sqrt() * from_db(-noise.snr_db);
        Ok((scale, Some(bed)))
    }
}

/// Mean squares over all channels.
struct Powers {
    /// Over the input's length.
    first: f64,
    /// Over all frames.
    all: f64,
}

impl Powers {
    fn of<T: Sample>(spool: &mut Spool, input: u64) -> Result<Self, WriteError> {
        const BLOCK: usize = 4096;
        let channels = Sink::<T>::spec(spool).channels;
        let mut block = vec![vec![T::zero(); BLOCK]; channels];
        let (mut first, mut rest, mut at) = (0.0, 0.0, 0);
        spool.seek(0);
        loop {
            let frames = spool.take(&mut block)?;
            if frames == 0 {
                break;
            }
            let edge = (input.max(at) - at).min(frames as u64) as usize;
            for channel in &block {
                first += squares(&channel[..edge]);
                rest += squares(&channel[edge..frames]);
            }
            at += frames as u64;
        }
        let mean = |sum: f64, frames: u64| sum / (frames as f64 * channels as f64);
        Ok(Self {
            first: mean(first, input.min(at)),
            all: mean(first + rest, at),
        })
    }
}

/// The factor between two mean squares; 1 where there is none.
fn matching(wanted: f64, found: f64) -> f64 {
    let factor = (wanted / found).sqrt();
    if factor.is_normal() { factor } else { 1.0 }
}

/// Adds up result and noise from the start; hands on each block, and tells the extremes.
fn mixed<T: Sample>(
    spool: &mut Spool,
    mut bed: Option<&mut Bed>,
    scale: &Scale,
    mut take: impl FnMut(&[Vec<T>]) -> Result<(), WriteError>,
) -> Result<Levels, WriteError> {
    const BLOCK: usize = 4096;
    let channels = Sink::<T>::spec(spool).channels;
    let mut block = vec![vec![T::zero(); BLOCK]; channels];
    let mut noise = vec![vec![T::zero(); BLOCK]; bed.as_ref().map_or(0, |bed| bed.channels())];
    let mut levels = Levels::default();
    spool.seek(0);
    if let Some(bed) = &mut bed {
        bed.spool.seek(0);
    }
    loop {
        for channel in &mut block {
            channel.resize(BLOCK, T::zero());
        }
        let frames = spool.take(&mut block)?;
        if frames == 0 {
            return Ok(levels);
        }
        for channel in &mut block {
            channel.truncate(frames);
        }
        if let Some(bed) = &mut bed {
            bed.spool.take_at(&mut noise, 0..frames)?;
        }
        for (k, channel) in block.iter_mut().enumerate() {
            match noise.get(k).or(noise.first()) {
                None => {
                    for value in channel {
                        *value = amplified(*value, scale.wet);
                    }
                }
                Some(noise) => {
                    for (value, noise) in channel.iter_mut().zip(noise) {
                        *value = T::of(value.wide() * scale.wet + noise.wide() * scale.noise);
                    }
                }
            }
        }
        levels.watch(&block);
        take(&block)?;
    }
}

/// The dry signal once more, through the early part of the response: as many frames as the
/// reverberant result has.
fn early_part<T: Sample, K: Sink<T>>(
    kit: &Kit<T>,
    how: &Augment,
    dry: &mut Spool,
    frames: u64,
    gain: f64,
    sink: &mut K,
) -> Result<(), RunError> {
    let rate = sink.spec().rate;
    let behind = (frames + kit.shift - dry.frames()) as usize;
    let render = Render {
        tail: Tail::Seconds(rate.seconds(behind)),
        ..placed(how, kit.shift, rate)
    };
    let session = kit.session(dry.replay(), Part::Early, render)?;
    session.run(Placed::new(sink, kit.shift, gain), &mut |_| {})?;
    Ok(pad(sink, frames)?)
}

/// Refuses results that do not fit their format, both by the gain that lets both fit.
fn judge<T: Sample>(
    wet: &FileSink,
    early: Option<&FileSink>,
    gain_db: f64,
) -> Result<(), RunError> {
    let results = [Some(wet), early];
    let both = || {
        results
            .iter()
            .flatten()
            .map(|sink| (*sink, Sink::<T>::levels(*sink)))
    };
    let name = |sink: &FileSink| Sink::<T>::name(sink).to_owned();
    if let Some((sink, levels)) = both().find(|(_, levels)| levels.nonfinite > 0) {
        return Err(RunError::Overflow {
            file: name(sink),
            count: levels.nonfinite,
        });
    }
    // A pipe cannot be taken back; the report counts what was clipped there.
    let over = both().find(|(sink, levels)| levels.clipped > 0 && Sink::<T>::can_take_back(*sink));
    let Some((sink, levels)) = over else {
        return Ok(());
    };
    let format = Sink::<T>::spec(sink).format;
    let fits = both().map(|(_, levels)| format.gain_that_fits(&levels));
    let fits = gain_db + fits.fold(0.0, f64::min);
    Err(RunError::OverFullScale {
        file: name(sink),
        clipped: levels.clipped,
        peak_db: to_db(levels.peak()),
        // Down to what is printed; what is a tenth already stays one.
        gain_db: (fits * 10.0 + 1e-6).floor() / 10.0,
    })
}

/// Both files or none.
fn deliver<T: Sample>(
    wet: FileSink,
    early: Option<FileSink>,
    to: &Targets<'_>,
) -> Result<(), WriteError> {
    let Some(early) = early else {
        return Sink::<T>::finish(wet);
    };
    Sink::<T>::finish(early)?;
    let done = Sink::<T>::finish(wet);
    if let (Err(_), Some(path)) = (&done, to.early) {
        // The other one's error is the one to be told.
        let _ = fs::remove_file(path);
    }
    done
}
