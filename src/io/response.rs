//! Impulse responses from files: whatever people have, by the name that they write.

use std::path::Path;

use super::kind::{self, Kind};
use super::name::{self, Options, Part};
use super::open::Opened;
use super::wav::WavSource;
use super::{RawSource, ReadError, Replaced, Source, raw, text};
#[cfg(feature = "formats")]
use super::{media::MediaSource, sofa};
use crate::ir::ImpulseResponse;
use crate::signal::Audio;

/// Bytes that are looked at to tell text from samples.
const LOOK: usize = 4096;

/// A response as it was read, and what was assumed.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// The response, called what it was called.
    pub ir: ImpulseResponse,
    /// For people, a line each.
    pub notes: Vec<String>,
}

impl Response {
    /// Reads an impulse response, all channels, whatever its format; `-` is the standard input.
    ///
    /// `a.wav+b.wav` joins the channels of files; `hall.wav` stands for `hall_L.wav` and
    /// `hall_R.wav` where only those exist. What a file does not tell is written behind `@`:
    /// `ir.f32@48k`, `ir.f64@44.1k,2ch`, `head.sofa@az=30,el=0`.
    ///
    /// # Errors
    /// When a file cannot be read, does not tell all that is needed, or holds what is no impulse
    /// response, such as NaN; when files that are to be joined have different rates.
    pub fn read(name: impl AsRef<Path>) -> Result<Self, ReadError> {
        let name = name.as_ref();
        let named = name::resolve(name)?;
        let mut notes = named.notes;
        let mut all = Vec::with_capacity(named.parts.len());
        for Part { file, options } in &named.parts {
            let (called, audio, assumed) = read(file, options)?;
            notes.extend(assumed);
            all.push((called, audio));
        }
        let called = match &all[..] {
            [(called, _)] if named.parts[0].options == Options::default() => called.clone(),
            _ => name.display().to_string(),
        };
        let audio = join(&called, all, &mut notes)?;
        let refuse = |why: String| ReadError::Response {
            file: called.clone(),
            why,
        };
        let ir = ImpulseResponse::new(audio).map_err(|error| refuse(error.to_string()))?;
        let ir = ir.named(&called);
        Ok(Self { ir, notes })
    }

    /// The files that a name stands for, each with what is written behind it; the name itself
    /// where there are none.
    #[cfg(feature = "resample")]
    pub(crate) fn files(name: &Path) -> Vec<(std::path::PathBuf, String)> {
        let pair = |part: Part| (part.file, part.options.words());
        match name::resolve(name) {
            Ok(named) => named.parts.into_iter().map(pair).collect(),
            Err(_) => vec![(name.to_owned(), String::new())],
        }
    }
}

impl ImpulseResponse {
    /// Reads an impulse response as [`Response::read`](crate::io::Response::read) does, without
    /// what was assumed.
    ///
    /// # Errors
    /// As there.
    pub fn read(name: impl AsRef<Path>) -> Result<Self, ReadError> {
        Response::read(name).map(|response| response.ir)
    }

    /// Reads an impulse response to the end of an open WAV file.
    ///
    /// # Errors
    /// When the file cannot be read, or holds what is no impulse response, such as NaN.
    pub fn from_wav(mut source: WavSource) -> Result<Self, ReadError> {
        let file = Source::<f32>::name(&source).to_owned();
        let ir = Self::new(to_end(&mut source)?);
        let ir = ir.map_err(|error| ReadError::Response {
            file: file.clone(),
            why: error.to_string(),
        })?;
        Ok(ir.named(file))
    }
}

/// One file: what messages call it, its channels, and what was assumed.
fn read(file: &Path, options: &Options) -> Result<(String, Audio<f32>, Vec<String>), ReadError> {
    let opened = Opened::at(file, LOOK)?;
    let called = opened.name.clone();
    let (audio, notes) = match (Kind::of(&opened.head), raw::layout(file, options)) {
        (Some(Kind::Wav), _) => {
            options.only(&called, "a WAV file", |_| false)?;
            (to_end(&mut WavSource::from_opened(opened)?)?, Vec::new())
        }
        #[cfg(feature = "formats")]
        (Some(Kind::Media), _) => media(&called, opened, options)?,
        #[cfg(feature = "formats")]
        (Some(Kind::Hdf5), _) => sofa::read(&called, opened.into_bytes()?, options)?,
        (None, layout @ Some(_)) => bare(RawSource::from_opened(opened, layout, options)?)?,
        _ if opened.head.is_empty() => return Err(ReadError::Nothing { file: called }),
        #[cfg(feature = "formats")]
        (None, None) if kind::may_be_mpeg(&opened.head) => media(&called, opened, options)?,
        (None, None) if kind::is_text(&opened.head) => {
            text::read(&called, &opened.into_bytes()?, options)?
        }
        #[cfg(not(feature = "formats"))]
        (Some(_), _) => {
            return Err(ReadError::NotWav {
                file: called,
                looks: kind::looks(&opened.head),
            });
        }
        (None, None) => {
            return Err(ReadError::Unknown {
                file: called,
                looks: kind::looks(&opened.head),
                remedy: "convert it to WAV first or, if these are raw samples, name their encoding and rate, such as @f32,48k",
            });
        }
    };
    Ok((called, audio, notes))
}

fn bare(mut source: RawSource) -> Result<(Audio<f32>, Vec<String>), ReadError> {
    let audio = to_end(&mut source)?;
    let mut notes = source.notes().to_vec();
    let taps = audio.channels().iter().flatten();
    let peak = taps.fold(0.0f32, |peak, tap| peak.max(tap.abs()));
    if peak > 1e6 {
        let file = Source::<f32>::name(&source);
        notes.push(format!(
            "{file}: its peak is {peak:.1e}, as when the encoding is another one"
        ));
    }
    Ok((audio, notes))
}

#[cfg(feature = "formats")]
fn media(
    called: &str,
    opened: Opened,
    options: &Options,
) -> Result<(Audio<f32>, Vec<String>), ReadError> {
    options.only(
        called,
        "a file that tells its rate and channels itself",
        |_| false,
    )?;
    let mut source = MediaSource::from_opened(opened)?;
    let audio = to_end(&mut source)?;
    Ok((audio, source.notes().to_vec()))
}

/// All that a source has.
fn to_end(source: &mut impl Source<f32>) -> Result<Audio<f32>, ReadError> {
    const BLOCK: usize = 1 << 14;
    let spec = source.spec();
    let refuse = |source: &dyn Source<f32>, why: String| ReadError::Response {
        file: source.name().to_owned(),
        why,
    };
    let mut channels: Vec<Vec<f32>> = vec![Vec::new(); spec.channels];
    let mut block = vec![vec![0.0f32; BLOCK]; spec.channels];
    loop {
        let frames = source.read(&mut block)?;
        if frames == 0 {
            break;
        }
        for (channel, new) in channels.iter_mut().zip(&block) {
            channel.extend_from_slice(&new[..frames]);
        }
        let replaced: Replaced = source.replaced();
        if let Some((frame, channel)) = replaced.first {
            // A port replaces them in a signal; in a response they would be heard for ever.
            return Err(refuse(
                source,
                format!(
                    "the impulse response has a value that is no number (NaN or infinity) at frame {frame}, channel {channel}; measure or write it anew"
                ),
            ));
        }
    }
    if channels[0].is_empty() {
        let file = source.name().to_owned();
        return Err(ReadError::Empty { file });
    }
    Audio::new(spec.rate, channels).map_err(|error| refuse(source, error.to_string()))
}

/// The channels of all files, in their order; shorter ones are padded with silence.
fn join(
    called: &str,
    all: Vec<(String, Audio<f32>)>,
    notes: &mut Vec<String>,
) -> Result<Audio<f32>, ReadError> {
    let (first, rate) = (all[0].0.clone(), all[0].1.rate());
    if let Some((other, audio)) = all.iter().find(|(_, audio)| audio.rate() != rate) {
        return Err(ReadError::Rates {
            one: other.clone(),
            rate: audio.rate(),
            other: first,
            expected: rate,
        });
    }
    let frames = all
        .iter()
        .map(|(_, audio)| audio.frames())
        .max()
        .unwrap_or(0);
    let mut channels = Vec::new();
    for (file, audio) in all {
        if audio.frames() < frames {
            notes.push(format!(
                "{file}: has {} frames where others have {frames}, and is padded with silence",
                audio.frames()
            ));
        }
        for mut channel in audio.into_channels() {
            channel.resize(frames, 0.0);
            channels.push(channel);
        }
    }
    Audio::new(rate, channels).map_err(|error| ReadError::Response {
        file: called.to_owned(),
        why: error.to_string(),
    })
}
