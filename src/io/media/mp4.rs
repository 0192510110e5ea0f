//! Where the sound lies within an MP4 file, which `symphonia` reads from its first frame on.
//!
//! Either the edit list tells (ISO/IEC 14496-12, 8.6.6) or, in iTunes' files, the note `iTunSMPB`:
//! numbers in base 16, the second being the frames before the sound, the fourth its length.

use std::io::{self, Read, Seek, SeekFrom};

/// The part of a track that is the sound, in its frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edit {
    pub skip: u64,
    pub frames: Option<u64>,
}

/// The longest movie header that is looked into, in bytes.
const MOST: u64 = 1 << 26;

/// Looks for the edit of the first track of sound; the file stands at its start then. Broken boxes
/// tell nothing, and are left to the decoder to complain about.
pub(super) fn edit(file: &mut (impl Read + Seek)) -> io::Result<Option<Edit>> {
    let found = movie(file);
    file.rewind()?;
    Ok(found?.and_then(|movie| in_movie(&movie)))
}

/// The content of the box `moov`.
fn movie(file: &mut (impl Read + Seek)) -> io::Result<Option<Vec<u8>>> {
    let mut first = true;
    loop {
        let mut head = Vec::new();
        file.by_ref().take(16).read_to_end(&mut head)?;
        let Some((kind, header, length)) = header(&head) else {
            return Ok(None);
        };
        // Other files than MP4 are not walked through.
        if std::mem::take(&mut first) && &kind != b"ftyp" {
            return Ok(None);
        }
        let back = header as i64 - head.len() as i64;
        file.seek(SeekFrom::Current(back))?;
        // A length of 0 stands for the rest of the file.
        let content = match length {
            0 => MOST,
            length => length.saturating_sub(header as u64),
        };
        if &kind == b"moov" {
            let mut movie = Vec::new();
            file.by_ref()
                .take(content.min(MOST))
                .read_to_end(&mut movie)?;
            return Ok(Some(movie));
        }
        if length == 0 || content > 1 << 60 {
            return Ok(None);
        }
        file.seek(SeekFrom::Current(content as i64))?;
    }
}

/// Kind, length of the header and length of a whole box.
fn header(bytes: &[u8]) -> Option<([u8; 4], usize, u64)> {
    let length = u64::from(long(bytes, 0)?);
    let kind = bytes.get(4..8)?.try_into().ok()?;
    match length {
        1 => Some((
            kind,
            16,
            u64::from_be_bytes(bytes.get(8..16)?.try_into().ok()?),
        )),
        _ => Some((kind, 8, length)),
    }
}

fn long(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The boxes within a box.
fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let (kind, header, length) = header(bytes)?;
        let length = match length {
            0 => bytes.len(),
            length => usize::try_from(length).ok()?.min(bytes.len()),
        };
        let content = bytes.get(header..length)?;
        bytes = &bytes[length..];
        Some((kind, content))
    })
}

/// What a path of boxes leads to.
fn inside<'a>(bytes: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    path.iter().try_fold(bytes, |bytes, want| {
        let mut all = boxes(bytes);
        all.find(|(kind, _)| kind == *want)
            .map(|(_, content)| content)
    })
}

fn in_movie(movie: &[u8]) -> Option<Edit> {
    let sound = |(kind, track): &([u8; 4], &[u8])| {
        kind == b"trak"
            && inside(track, &[b"mdia", b"hdlr"]).and_then(|handler| handler.get(8..12))
                == Some(b"soun")
    };
    let (_, track) = boxes(movie).find(sound)?;
    noted(movie).or_else(|| listed(movie, track))
}

/// What iTunes noted.
fn noted(movie: &[u8]) -> Option<Edit> {
    // The box `meta` begins with a version and flags.
    let meta = inside(movie, &[b"udta", b"meta"])?.get(4..)?;
    let tags = inside(meta, &[b"ilst"])?;
    let note = boxes(tags).find_map(|(kind, tag)| {
        let name = inside(tag, &[b"name"])?.get(4..)?;
        (&kind == b"----" && name == b"iTunSMPB").then(|| inside(tag, &[b"data"])?.get(8..))?
    })?;
    let mut numbers = str::from_utf8(note)
        .ok()?
        .split_ascii_whitespace()
        .map(|number| u64::from_str_radix(number, 16).ok());
    let skip = numbers.nth(1)??;
    let frames = numbers.nth(1)??;
    Some(Edit {
        skip,
        frames: (frames > 0).then_some(frames),
    })
}

/// What the edit list tells: of its entries, the first that is no pause.
fn listed(movie: &[u8], track: &[u8]) -> Option<Edit> {
    let list = inside(track, &[b"edts", b"elst"])?;
    let wide = *list.first()? == 1;
    let number = |at: usize| match wide {
        true => Some(u64::from_be_bytes(list.get(at..at + 8)?.try_into().ok()?)),
        false => long(list, at).map(u64::from),
    };
    let (width, pause) = if wide {
        (8, u64::MAX)
    } else {
        (4, u64::from(u32::MAX))
    };
    let entry = |k: usize| 8 + k * (2 * width + 4);
    let entries = (0..long(list, 4)? as usize).map_while(|k| {
        let at = entry(k);
        Some((number(at)?, number(at + width)?))
    });
    let (length, skip) = entries.into_iter().find(|&(_, start)| start != pause)?;
    let of_movie = scale(inside(movie, &[b"mvhd"])?)?.0;
    let (of_track, all) = scale(inside(track, &[b"mdia", b"mdhd"])?)?;
    // The length is told in the movie's units, often of 1 ms, and rounded to them; the track's
    // own end is exact, where it is no more than that away.
    let exact = u128::from(length) * u128::from(of_track);
    let rounded = exact.div_ceil(u128::from(of_movie)) as u64;
    let unit = of_track.div_ceil(of_movie);
    let own = all.saturating_sub(skip);
    let frames = if own.abs_diff(rounded) <= unit {
        own
    } else {
        rounded
    };
    Some(Edit {
        skip,
        frames: (length > 0).then_some(frames),
    })
}

/// Units a second and the duration, of `mvhd` or `mdhd`.
fn scale(header: &[u8]) -> Option<(u64, u64)> {
    let (scale, duration) = match header.first()? {
        1 => (
            long(header, 20)?,
            u64::from_be_bytes(header.get(24..32)?.try_into().ok()?),
        ),
        _ => (long(header, 12)?, u64::from(long(header, 16)?)),
    };
    (scale > 0).then_some((u64::from(scale), duration))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let length = 8 + content.len() as u32;
        [&length.to_be_bytes()[..], kind, content].concat()
    }

    fn longs(values: &[u32]) -> Vec<u8> {
        values
            .iter()
            .flat_map(|value| value.to_be_bytes())
            .collect()
    }

    /// A movie of 1 ms units with a track of 48 kHz and so many frames.
    fn movie(frames: u32, list: &[u8], more: &[u8]) -> Vec<u8> {
        let handler = [&longs(&[0, 0])[..], b"soun", &[0; 12]].concat();
        let media = [
            boxed(b"mdhd", &longs(&[0, 0, 0, 48_000, frames, 0])),
            boxed(b"hdlr", &handler),
        ];
        let edits = boxed(b"edts", &boxed(b"elst", list));
        let track = [edits, boxed(b"mdia", &media.concat())].concat();
        let header = boxed(b"mvhd", &longs(&[0, 0, 0, 1000, 0]));
        let moov = [header, boxed(b"trak", &track), more.to_vec()].concat();
        let all = [
            boxed(b"ftyp", b"M4A "),
            boxed(b"mdat", &[7; 100]),
            boxed(b"moov", &moov),
        ];
        all.concat()
    }

    fn of(file: &[u8]) -> Option<Edit> {
        edit(&mut Cursor::new(file)).unwrap()
    }

    #[test]
    fn the_edit_list_tells_and_its_rounding_is_undone() {
        let list = |length: u32| longs(&[0, 2, 20, u32::MAX, 0, length, 1024, 0x1_0000]);
        // 24,001 frames are 500.02 ms.
        for rounded in [500, 501] {
            let edit = of(&movie(25_025, &list(rounded), b"")).unwrap();
            assert_eq!((edit.skip, edit.frames), (1024, Some(24_001)));
        }
        let shorter = of(&movie(25_025, &list(400), b"")).unwrap();
        assert_eq!(shorter.frames, Some(19_200));
        let mut wide = vec![1, 0, 0, 0, 0, 0, 0, 1];
        wide.extend(500u64.to_be_bytes());
        wide.extend(2112u64.to_be_bytes());
        wide.extend([0, 1, 0, 0]);
        let edit = of(&movie(26_113, &wide, b"")).unwrap();
        assert_eq!((edit.skip, edit.frames), (2112, Some(24_001)));
    }

    #[test]
    fn the_note_of_itunes_tells_and_goes_first() {
        let text = b" 00000000 00000840 000001CA 0000000000005DC1 00000000";
        let tag = [
            boxed(b"mean", b"\0\0\0\0com.apple.iTunes"),
            boxed(b"name", b"\0\0\0\0iTunSMPB"),
            boxed(b"data", &[&[0, 0, 0, 1, 0, 0, 0, 0], &text[..]].concat()),
        ];
        let list = boxed(b"ilst", &boxed(b"----", &tag.concat()));
        let meta = boxed(b"udta", &boxed(b"meta", &[&[0; 4], &list[..]].concat()));
        let edits = longs(&[0, 1, 500, 1024, 0x1_0000]);
        let edit = of(&movie(26_113, &edits, &meta)).unwrap();
        assert_eq!((edit.skip, edit.frames), (0x840, Some(24_001)));
    }

    #[test]
    fn nothing_makes_the_walk_panic_or_hang() {
        let good = movie(25_025, &longs(&[0, 1, 500, 1024, 0x1_0000]), b"");
        assert!(of(&good).is_some());
        assert_eq!(of(b"RIFF"), None);
        for at in 0..good.len() {
            of(&good[..at]);
            for byte in [0, 1, 0x7f, 0xff] {
                let mut bad = good.clone();
                bad[at] = byte;
                of(&bad);
            }
        }
    }
}
