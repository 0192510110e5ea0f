//! Samples without a header, little-endian: what is not in the file is written behind its name.

use std::path::Path;

use super::name::{Given, Options};
use super::pcm::{self, Layout};
use super::{ReadError, SampleFormat};
use crate::signal::Audio;

/// The encoding that an extension stands for: rePhase's and most others' names for floats, sox's
/// for integers.
pub(super) fn encoding(file: &Path) -> Option<Layout> {
    let extension = file.extension()?.to_str()?.to_ascii_lowercase();
    Some(match extension.as_str() {
        "f32" => Layout::Plain(SampleFormat::F32),
        "f64" | "dbl" => Layout::Plain(SampleFormat::F64),
        "s16" => Layout::Plain(SampleFormat::I16),
        "s24" => Layout::Plain(SampleFormat::I24),
        "s32" => Layout::Plain(SampleFormat::I32),
        _ => return None,
    })
}

fn in_words(layout: Layout) -> &'static str {
    match layout {
        Layout::Plain(SampleFormat::U8) => "unsigned 8-bit integers",
        Layout::Plain(SampleFormat::I16) => "16-bit integers",
        Layout::Plain(SampleFormat::I24) => "24-bit integers",
        Layout::Plain(SampleFormat::I32) | Layout::Low24In32 => "32-bit integers",
        Layout::Plain(SampleFormat::F32) => "32-bit floats",
        Layout::Plain(SampleFormat::F64) => "64-bit floats",
        Layout::ALaw => "A-law",
        Layout::MuLaw => "mu-law",
    }
}

/// The samples, interleaved if there are several channels, and what was assumed.
pub(super) fn read(
    file: &str,
    bytes: &[u8],
    layout: Layout,
    options: &Options,
) -> Result<(Audio<f32>, Vec<String>), ReadError> {
    let takes = |given| {
        matches!(
            given,
            Given::Rate(_) | Given::Channels(_) | Given::Encoding(_)
        )
    };
    options.only(file, "raw samples", takes)?;
    let Some(rate) = options.rate() else {
        return Err(ReadError::refused(
            file,
            "raw samples tell no rate",
            format!("write it behind the name, such as {file}@48k, or @48k,2ch for two channels"),
        ));
    };
    let channels = options.channels().unwrap_or(1);
    let frame = channels.saturating_mul(layout.bytes());
    if bytes.is_empty() {
        return Err(ReadError::Empty { file: file.into() });
    }
    if !bytes.len().is_multiple_of(frame) {
        return Err(ReadError::refused(
            file,
            format!(
                "its {} bytes are no whole number of frames of {frame} bytes ({channels} ch, {})",
                bytes.len(),
                in_words(layout),
            ),
            "name the encoding and the channels that it has, such as @48k,f64,2ch",
        ));
    }
    let frames = bytes.len() / frame;
    let mut planes = vec![vec![0.0f32; frames]; channels];
    pcm::decode(layout, bytes, &mut planes, 0..frames);
    let mut notes = vec![format!(
        "{file}: taken as {}, little-endian, {channels} ch, {rate}",
        in_words(layout)
    )];
    let peak = planes
        .iter()
        .flatten()
        .fold(0.0f32, |peak, x| peak.max(x.abs()));
    if peak > 1e6 {
        notes.push(format!(
            "{file}: its peak is {peak:.1e}, as when the encoding is another one"
        ));
    }
    let audio = Audio::new(rate, planes);
    let audio = audio.map_err(|error| ReadError::Response {
        file: file.into(),
        why: error.to_string(),
    })?;
    Ok((audio, notes))
}
