//! Texts and speaker positions, as far as `symphonia` finds them.

use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::AudioCodecId;
use symphonia::core::codecs::audio::well_known::{
    CODEC_ID_AAC, CODEC_ID_ALAC, CODEC_ID_FLAC, CODEC_ID_VORBIS,
};
use symphonia::core::formats::FormatReader;
use symphonia::core::meta::{RawValue, StandardTag, Tag};

use super::super::{Tags, tags, vorbis};

/// What a file says beside its samples, once its header is read. `channels` is how they were
/// decoded.
pub(super) fn tags(
    reader: &mut dyn FormatReader,
    codec: AudioCodecId,
    channels: &Channels,
) -> Tags {
    let mut tags = Tags::default();
    let (mut told, mut of_album) = (None, None);
    let mut log = reader.metadata();
    loop {
        if let Some(revision) = log.current() {
            let of_tracks = revision.per_track.iter().map(|track| &track.metadata);
            let all = of_tracks.chain([&revision.media]);
            for tag in all.flat_map(|container| &container.tags) {
                if tag.raw.key.eq_ignore_ascii_case(vorbis::MASK) {
                    told = text(&tag.raw.value).and_then(|text| vorbis::mask(&text));
                } else if let Some(StandardTag::AlbumArtist(text)) = &tag.std {
                    of_album.get_or_insert_with(|| text.to_string());
                } else if let Some((id, text)) = info(tag) {
                    let text = match tag.raw.key.as_str() {
                        // AIFF's, which are taken as Latin-1.
                        "NAME" | "AUTH" | "(c) " | "ANNO" => again(text),
                        _ => text,
                    };
                    // What is said first is said best: a short tag at the end repeats it cut.
                    let new = tags.info.iter().all(|(other, _)| *other != id);
                    if new && !text.is_empty() {
                        tags.info.push((id, text));
                    }
                }
            }
        }
        if log.pop().is_none() {
            break;
        }
    }
    // In Matroska this is the only artist.
    if let Some(text) = of_album
        && tags.info.iter().all(|(id, _)| id != b"IART")
    {
        tags.info.push((*b"IART", text));
    }
    let told = told.filter(|mask: &u32| mask.count_ones() as usize == channels.count());
    tags.mask = told.or_else(|| mask(codec, channels));
    tags
}

/// A text that was decoded as Latin-1, as UTF-8 if its bytes are that.
fn again(text: String) -> String {
    let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
    bytes.map_or(text, |bytes| tags::text(&bytes))
}

/// The positions that the codec gives its channels; none for one and two, which need no words, and
/// where the container may have left them open.
fn mask(codec: AudioCodecId, channels: &Channels) -> Option<u32> {
    let Channels::Positioned(positions) = channels else {
        return None;
    };
    // The first 18 are those of WAV.
    let mask = u32::try_from(positions.bits()).ok();
    let mask = mask.filter(|&mask| mask < 1 << 18)?;
    let guessed = mask == (1 << channels.count()) - 1;
    let by_codec = [CODEC_ID_FLAC, CODEC_ID_VORBIS, CODEC_ID_AAC, CODEC_ID_ALAC].contains(&codec);
    let plain =
        channels.count() <= 2 && (guessed || Some(mask) == vorbis::usual_mask(channels.count()));
    (!plain && (by_codec || !guessed)).then_some(mask)
}

/// A tag as LIST INFO has it.
fn info(tag: &Tag) -> Option<([u8; 4], String)> {
    use StandardTag as Is;
    let (id, text): (&[u8; 4], String) = match tag.std.as_ref() {
        // In AIFF, where it names the author, and not a program.
        Some(Is::Encoder(text)) if tag.raw.key == "AUTH" => (b"IART", text.to_string()),
        Some(Is::TrackTitle(text)) => (b"INAM", text.to_string()),
        Some(Is::Artist(text) | Is::Author(text)) => (b"IART", text.to_string()),
        Some(Is::Album(text)) => (b"IPRD", text.to_string()),
        // ffmpeg's name for a comment in Vorbis.
        Some(Is::Comment(text) | Is::Description(text)) => (b"ICMT", text.to_string()),
        Some(Is::RecordingDate(text) | Is::ReleaseDate(text)) => (b"ICRD", text.to_string()),
        Some(Is::Genre(text)) => (b"IGNR", text.to_string()),
        Some(Is::TrackNumber(number)) => (b"ITRK", number.to_string()),
        Some(Is::Copyright(text)) => (b"ICOP", text.to_string()),
        Some(Is::Encoder(text)) => (b"ISFT", text.to_string()),
        Some(Is::Engineer(text)) => (b"IENG", text.to_string()),
        Some(Is::Language(text)) => (b"ILNG", text.to_string()),
        Some(_) => return None,
        None => {
            // What ID3 has no frame for goes by a name within a frame that is for all.
            let name = match (tag.raw.key.as_str(), tag.raw.sub_fields.as_deref()) {
                ("TXXX", Some([name, ..])) => text(&name.value)?,
                (key, _) => key.to_owned(),
            };
            let id = vorbis::info(&name)?;
            return text(&tag.raw.value).map(|text| (id, text));
        }
    };
    Some((*id, text))
}

fn text(value: &RawValue) -> Option<String> {
    match value {
        RawValue::String(text) => Some(text.to_string()),
        _ => None,
    }
}
