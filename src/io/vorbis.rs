//! Vorbis comments, which FLAC, Ogg and Matroska carry, and the texts of RIFF's LIST INFO: which
//! stands for which.

use super::Tags;

/// A field that tells the speaker positions of a FLAC file.
pub(super) const MASK: &str = "WAVEFORMATEXTENSIBLE_CHANNEL_MASK";

/// Fields and the four letters that mean the same; the first of several is written.
const FIELDS: [([u8; 4], &str); 12] = [
    (*b"INAM", "TITLE"),
    (*b"IART", "ARTIST"),
    (*b"IPRD", "ALBUM"),
    (*b"ICMT", "COMMENT"),
    (*b"ICRD", "DATE"),
    (*b"IGNR", "GENRE"),
    (*b"ITRK", "TRACKNUMBER"),
    (*b"IPRT", "TRACKNUMBER"),
    (*b"ICOP", "COPYRIGHT"),
    (*b"ISFT", "ENCODER"),
    (*b"IENG", "ENGINEER"),
    (*b"ILNG", "LANGUAGE"),
];

/// The positions of so many channels that a FLAC file has unless it says otherwise (RFC 9639,
/// 9.1.3).
pub(super) fn usual_mask(channels: usize) -> Option<u32> {
    Some(match channels {
        1 => 0x4,
        2 => 0x3,
        3 => 0x7,
        4 => 0x33,
        5 => 0x37,
        6 => 0x3f,
        7 => 0x70f,
        8 => 0x63f,
        _ => return None,
    })
}

/// What tags say, as fields and their texts.
pub(super) fn comments(tags: &Tags, channels: usize) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for (id, text) in &tags.info {
        if let Some(field) = field(*id).filter(|_| !text.is_empty()) {
            fields.push((field, text.clone()));
        }
    }
    // Readers do not agree on the usual ones of more than two.
    let needed = |mask: &u32| *mask != 0 && (channels > 2 || Some(*mask) != usual_mask(channels));
    if let Some(mask) = tags.mask_of(channels).filter(needed) {
        fields.push((MASK.into(), format!("{mask:#06x}")));
    }
    fields
}

/// The field of four letters; letters without one are a field of their own.
fn field(id: [u8; 4]) -> Option<String> {
    let known = FIELDS.iter().find(|(known, _)| *known == id);
    match known {
        Some((_, field)) => Some((*field).to_owned()),
        None if is_info(&id) => Some(id.iter().copied().map(char::from).collect()),
        None => None,
    }
}

/// The four letters of a field, whatever its case.
pub(super) fn info(field: &str) -> Option<[u8; 4]> {
    let same = |(_, known): &&([u8; 4], &str)| known.eq_ignore_ascii_case(field);
    match FIELDS.iter().find(same) {
        Some((id, _)) => Some(*id),
        None => field.as_bytes().try_into().ok().filter(is_info),
    }
}

/// Whether four letters look like those of LIST INFO.
fn is_info(id: &[u8; 4]) -> bool {
    id[0] == b'I'
        && id
            .iter()
            .all(|&c| c.is_ascii_uppercase() || c.is_ascii_digit())
}

/// A mask as it is written in a field.
pub(super) fn mask(text: &str) -> Option<u32> {
    let text = text.trim();
    match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_finds_its_way_there_and_back() {
        for (id, name) in FIELDS {
            assert_eq!(field(id).as_deref(), Some(name));
            let back = info(&name.to_lowercase()).unwrap();
            assert_eq!(field(back).as_deref(), Some(name));
        }
        assert_eq!(field(*b"IKEY").as_deref(), Some("IKEY"));
        assert_eq!(info("IKEY"), Some(*b"IKEY"));
        assert_eq!(field(*b"I=\0\n"), None);
        assert_eq!(info("DESCRIPTION"), None);
    }

    #[test]
    fn the_mask_is_said_of_more_than_two_channels_and_where_it_is_not_the_usual_one() {
        let said = |mask, channels| {
            let tags = Tags {
                mask,
                ..Tags::default()
            };
            let mut fields = comments(&tags, channels);
            fields.pop().map(|(name, text)| {
                assert_eq!(name, MASK);
                super::mask(&text).unwrap()
            })
        };
        for channels in 1..=8 {
            let mask = usual_mask(channels).unwrap();
            let told = (channels > 2).then_some(mask);
            assert_eq!(said(Some(mask), channels), told);
            assert_eq!(mask.count_ones() as usize, channels);
        }
        assert_eq!(said(Some(0x60f), 6), Some(0x60f));
        // Of another number of channels, and none.
        assert_eq!(said(Some(0x60f), 4), None);
        assert_eq!(said(Some(0), 2), None);
        assert_eq!(said(None, 6), None);
    }
}
