//! The format chunk, read and written.

use std::io::Cursor;
use std::path::Path;

use crate::io::pcm::Layout;
use crate::io::tags::Tags;
use crate::io::{ReadError, SampleFormat, Spec, WriteError};
use crate::signal::SampleRate;

/// The tag of a longer chunk that keeps the old one further behind.
const EXTENSIBLE: u16 = 0xfffe;
/// What follows the old tag there, to make it a GUID.
const GUID: [u8; 14] = *b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71";

/// What the content of a format chunk means; hound has the last word. And the speaker positions,
/// where there is one for each channel.
pub(super) fn judge(name: &str, fmt: &[u8]) -> Result<(Spec, Layout, Option<u32>), ReadError> {
    let file = || name.to_owned();
    let wrong = |what: String| ReadError::Header { file: file(), what };
    let unsupported = |what: String| ReadError::Unsupported { file: file(), what };
    let short = |at: usize| {
        fmt.get(at..at + 2)
            .map(|b| u16::from_le_bytes([b[0], b[1]]))
    };
    let (Some(tag), Some(channels), Some(align), Some(bits)) =
        (short(0), short(2), short(12), short(14))
    else {
        let len = fmt.len();
        return Err(wrong(format!(
            "its format chunk has {len} bytes, 16 are needed"
        )));
    };
    let rate = u32::from_le_bytes([fmt[4], fmt[5], fmt[6], fmt[7]]);
    if channels == 0 {
        return Err(wrong("it names 0 channels".into()));
    }
    let rate = SampleRate::new(rate).map_err(|_| wrong("it names a sample rate of 0 Hz".into()))?;
    // The extensible format keeps the old tag at the start of a longer one.
    let extensible = tag == EXTENSIBLE;
    let kind = if extensible {
        short(24).unwrap_or(tag)
    } else {
        tag
    };
    match (kind, bits) {
        (1, _) | (3, 32 | 64) | (6 | 7, 8) => {}
        (3, bits) => return Err(unsupported(format!("{bits}-bit float samples"))),
        (2 | 0x11, _) => return Err(unsupported("ADPCM samples".into())),
        (6 | 7, bits) => return Err(unsupported(format!("{bits}-bit A-law or mu-law samples"))),
        (0x31, _) => return Err(unsupported("GSM samples".into())),
        (0x50 | 0x55, _) => return Err(unsupported("MPEG audio".into())),
        (tag, _) => return Err(unsupported(format!("samples of the kind {tag:#06x}"))),
    }
    if align == 0 || align % channels != 0 {
        return Err(wrong(format!(
            "frames of {align} bytes do not divide into {channels} channels"
        )));
    }
    let bytes = align / channels;
    let layout = match (kind, bytes) {
        (3, 8) if bits == 64 => Layout::Plain(SampleFormat::F64),
        (6, 1) => Layout::ALaw,
        (7, 1) => Layout::MuLaw,
        _ => hound_layout(fmt, extensible, bytes).map_err(|error| match error {
            Some(hound::Error::Unsupported) => unsupported("samples of an unknown kind".into()),
            Some(hound::Error::FormatError(reason)) => wrong(reason.into()),
            Some(other) => wrong(other.to_string()),
            None => unsupported(format!("{bits}-bit samples in {bytes} bytes each")),
        })?,
    };
    let spec = Spec {
        rate,
        channels: usize::from(channels),
        format: layout.format(),
    };
    let mask = match fmt.get(20..24) {
        Some(&[a, b, c, d]) if extensible => Some(u32::from_le_bytes([a, b, c, d])),
        _ => None,
    };
    let mask = mask.filter(|mask| mask.count_ones() as usize == spec.channels);
    Ok((spec, layout, mask))
}

/// How hound reads a format chunk with samples of so many bytes; no error of its own where such
/// samples are not known here.
fn hound_layout(fmt: &[u8], extensible: bool, bytes: u16) -> Result<Layout, Option<hound::Error>> {
    let spec = hound_spec(fmt, extensible, bytes)?;
    use hound::SampleFormat::{Float, Int};
    Ok(match (spec.sample_format, bytes, spec.bits_per_sample) {
        (Int, 1, 8) => Layout::Plain(SampleFormat::U8),
        // Fewer bits than the bytes hold are aligned to the top, so the rest is zeros.
        (Int, 2, 9..=16) => Layout::Plain(SampleFormat::I16),
        (Int, 3, 17..=24) => Layout::Plain(SampleFormat::I24),
        (Int, 4, 24) => Layout::Low24In32,
        (Int, 4, 25..=32) => Layout::Plain(SampleFormat::I32),
        (Float, 4, 32) => Layout::Plain(SampleFormat::F32),
        _ => return Err(None),
    })
}

/// hound's reading of a format chunk.
fn hound_spec(fmt: &[u8], extensible: bool, bytes: u16) -> Result<hound::WavSpec, hound::Error> {
    // Whatever follows the first 16 bytes has a meaning in the extensible format only.
    let mut fmt = if extensible { fmt } else { &fmt[..16] }.to_vec();
    let bits = u16::from_le_bytes([fmt[14], fmt[15]]);
    // hound wants whole bytes, which 12 or 20 bits fill from the top.
    if bits > 0 && bits.div_ceil(8) == bytes && bits % 8 != 0 {
        fmt[14..16].copy_from_slice(&(8 * bytes).to_le_bytes());
    }
    let mut header = b"RIFF\0\0\0\0WAVEfmt ".to_vec();
    header.extend_from_slice(&(fmt.len() as u32).to_le_bytes());
    header.extend_from_slice(&fmt);
    header.extend_from_slice(b"data\0\0\0\0");
    let reader = hound::WavReader::new(Cursor::new(header))?;
    Ok(reader.spec())
}

/// The content of the format chunk of a file to be written. More than two channels, more than 16
/// bits and unusual speakers need the extensible one.
pub(super) fn chunk(name: &Path, spec: Spec, tags: &Tags) -> Result<Vec<u8>, WriteError> {
    let bits = 8 * spec.format.bytes() as u16;
    let align = u16::try_from(spec.frame_bytes()).ok();
    let widths = align.and_then(|align| {
        let per_second = spec.rate.hz().checked_mul(u32::from(align))?;
        Some((align, per_second))
    });
    let Some((align, per_second)) = widths else {
        return Err(WriteError::TooWide {
            file: name.display().to_string(),
            channels: spec.channels,
            format: spec.format.to_string(),
            rate: spec.rate.hz(),
        });
    };
    let tag: u16 = match spec.format {
        SampleFormat::F32 | SampleFormat::F64 => 3,
        _ => 1,
    };
    // Front centre alone; front left and right; what more channels are for is not guessed.
    let usual = match spec.channels {
        1 => 0x4,
        2 => 0x3,
        _ => 0,
    };
    let mask = tags.mask_of(spec.channels).unwrap_or(usual);
    let extensible = spec.channels > 2 || bits > 16 || mask != usual;
    let mut chunk = Vec::new();
    let first = if extensible { EXTENSIBLE } else { tag };
    chunk.extend(first.to_le_bytes());
    chunk.extend((spec.channels as u16).to_le_bytes());
    chunk.extend(spec.rate.hz().to_le_bytes());
    chunk.extend(per_second.to_le_bytes());
    chunk.extend(align.to_le_bytes());
    chunk.extend(bits.to_le_bytes());
    if extensible {
        // Bytes that follow, and bits in use.
        chunk.extend(22u16.to_le_bytes());
        chunk.extend(bits.to_le_bytes());
        chunk.extend(mask.to_le_bytes());
        chunk.extend(tag.to_le_bytes());
        chunk.extend(GUID);
    }
    Ok(chunk)
}
