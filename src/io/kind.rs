//! What a file is, by how it begins; the name is a hint at best.

/// What the first bytes tell for certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// RIFF WAVE and its kin of 64 bits, Wave64 also.
    Wav,
    /// FLAC, Ogg, MP3 and AAC behind a tag, MP4, AIFF, CAF, Matroska, and ADPCM in WAV.
    Media,
    /// HDF5, in which SOFA is kept.
    Hdf5,
}

/// Magic numbers, where they stand, and what they are the beginning of.
const MAGIC: [(usize, &[u8], Option<Kind>, &str); 13] = [
    (0, b"fLaC", Some(Kind::Media), "a FLAC file"),
    (0, b"OggS", Some(Kind::Media), "an Ogg file"),
    (0, b"ID3", Some(Kind::Media), "an MP3 file"),
    (0, b"FORM", Some(Kind::Media), "an AIFF file"),
    (0, b"caff", Some(Kind::Media), "a CAF file"),
    (4, b"ftyp", Some(Kind::Media), "an MP4 file"),
    (
        0,
        b"\x1aE\xdf\xa3",
        Some(Kind::Media),
        "a Matroska or WebM file",
    ),
    (
        0,
        b"\x89HDF\r\n\x1a\n",
        Some(Kind::Hdf5),
        "an HDF5 file, such as SOFA",
    ),
    (0, b"RIFX", None, "a big-endian RIFX file"),
    (0, b"riff\x2e\x91\xcf\x11", Some(Kind::Wav), "a Wave64 file"),
    (0, b"wvpk", None, "a WavPack file"),
    (0, b"MAC ", None, "a Monkey's Audio file"),
    (0, b"PK\x03\x04", None, "a ZIP archive"),
];

/// Bytes that are enough to tell, and to find out how long packed samples are.
pub(super) const LOOK: usize = 256;

impl Kind {
    /// What the bytes are the beginning of, if they tell.
    pub fn of(first: &[u8]) -> Option<Self> {
        if matches!(first.get(..4), Some(b"RIFF" | b"RF64" | b"BW64")) {
            // What ends before is left to the reader of WAV to complain about.
            let wave = first.get(8..12).is_none_or(|kind| kind == b"WAVE");
            let kind = if is_adpcm(first) {
                Self::Media
            } else {
                Self::Wav
            };
            return wave.then_some(kind);
        }
        known(first).and_then(|(kind, _)| kind)
    }
}

/// Whether a WAV file begins with the format chunk of Microsoft's or of the IMA's ADPCM, for which
/// there is a decoder among the others.
fn is_adpcm(first: &[u8]) -> bool {
    cfg!(feature = "formats")
        && first.get(12..16) == Some(b"fmt ")
        && matches!(first.get(20..22), Some([2 | 0x11, 0]))
}

fn known(first: &[u8]) -> Option<(Option<Kind>, &'static str)> {
    let fits = |(at, magic, ..): &&(usize, &[u8], Option<Kind>, &str)| {
        first.get(*at..).is_some_and(|rest| rest.starts_with(magic))
    };
    MAGIC
        .iter()
        .find(fits)
        .map(|&(_, _, kind, words)| (kind, words))
}

/// Whether an MPEG audio frame (MP3) or an ADTS frame (AAC) may begin here. Other things may begin
/// so, too.
pub(super) fn may_be_mpeg(first: &[u8]) -> bool {
    match *first {
        [0xff, second, third, ..] if second & 0xe0 == 0xe0 => {
            let layer = (second >> 1) & 3;
            let adts = second & 0xf6 == 0xf0;
            // Version, bitrate and rate that are no reserved values.
            let mpeg = layer != 0
                && (second >> 3) & 3 != 1
                && !matches!(third >> 4, 0 | 15)
                && (third >> 2) & 3 != 3;
            adts || mpeg
        }
        _ => false,
    }
}

/// Whether these are characters, as far as one can see.
pub(super) fn is_text(first: &[u8]) -> bool {
    // A character may be cut in two at the end.
    let whole = match str::from_utf8(first) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none() || latin(first),
    };
    let control = |byte: &u8| *byte < b' ' && !b"\t\r\n\x0c".contains(byte);
    !first.is_empty() && whole && !first.iter().any(control)
}

/// Mostly ASCII: a degree sign, or a name, of before UTF-8.
fn latin(first: &[u8]) -> bool {
    8 * first.iter().filter(|byte| !byte.is_ascii()).count() < first.len()
}

/// What the beginning of a file that cannot be read looks like, for people.
pub(super) fn looks(first: &[u8]) -> String {
    match (first.get(..4).unwrap_or(first), first.get(8..12)) {
        (b"RIFF" | b"RF64" | b"BW64", Some(kind)) => {
            format!("is a RIFF file of the kind `{}`", kind.escape_ascii())
        }
        (b"RIFF" | b"RF64" | b"BW64", None) => "ends within its header".into(),
        _ => match known(first) {
            Some((_, words)) => format!("is {words}"),
            None if may_be_mpeg(first) => "looks like an MP3 file".into(),
            None => {
                let begin = &first[..first.len().min(4)];
                format!("begins with `{}`", begin.escape_ascii())
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_tells_the_kind() {
        assert_eq!(Kind::of(b"RIFF....WAVEfmt "), Some(Kind::Wav));
        assert_eq!(Kind::of(b"BW64....WAVEds64"), Some(Kind::Wav));
        assert_eq!(Kind::of(b"RIFF....AVI "), None);
        assert_eq!(Kind::of(b"....ftypM4A "), Some(Kind::Media));
        assert_eq!(Kind::of(b"\x89HDF\r\n\x1a\n"), Some(Kind::Hdf5));
        assert_eq!(Kind::of(b""), None);
        assert_eq!(Kind::of(b"\x1aE\xdf\xa3"), Some(Kind::Media));
        assert_eq!(Kind::of(b"RIFX....WAVE"), None);
        assert!(looks(b"RIFX....WAVE").contains("big-endian"));
    }

    #[cfg(feature = "formats")]
    #[test]
    fn packed_samples_in_a_wav_file_are_told_from_plain_ones() {
        let wav = |tag: u8| [b"RIFF....WAVEfmt \x32\0\0\0", &[tag, 0][..]].concat();
        assert_eq!(Kind::of(&wav(2)), Some(Kind::Media));
        assert_eq!(Kind::of(&wav(0x11)), Some(Kind::Media));
        for plain in [1, 3, 6, 7, 0xfe] {
            assert_eq!(Kind::of(&wav(plain)), Some(Kind::Wav));
        }
        // Too short to tell.
        assert_eq!(Kind::of(&wav(2)[..20]), Some(Kind::Wav));
        assert!(wav(2).len() <= LOOK);
    }

    #[test]
    fn frames_of_mpeg_audio_are_told_from_silence_and_floats() {
        assert!(may_be_mpeg(b"\xff\xfb\x90\x64"));
        assert!(may_be_mpeg(b"\xff\xf1\x50\x80"));
        for other in [
            &b"\xff\xff\xff\xff"[..],
            b"\0\0\0\0",
            b"\xff\xfb",
            b"\xff\xfb\xf0\x64",
        ] {
            assert!(!may_be_mpeg(other), "{other:?}");
        }
    }

    #[test]
    fn text_is_told_from_samples() {
        assert!(is_text(b"* REW\r\n0.5\t-1e-3\n"));
        assert!(is_text(b"at 20 \xb0C\n0.5\n0.25\n1\n2\n3\n4\n5\n"));
        assert!(!is_text(&0.5f32.to_le_bytes()));
        assert!(!is_text(b""));
        // A number whose last character is not here yet.
        assert!(is_text("0.5 µ".as_bytes().split_last().unwrap().1));
    }
}
