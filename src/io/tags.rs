//! What a sound file says beside its samples: texts, speaker positions, the broadcast extension.

use super::{SampleFormat, Spec};

/// The most that is kept of one file, in bytes: a header may claim any length.
pub(super) const MOST: usize = 1 << 20;

/// Bytes of the broadcast extension before its coding history (EBU Tech 3285).
const BEXT: usize = 602;

/// What a sound file says beside its samples, as far as it is carried along.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tags {
    /// Speaker positions, a bit for each channel, as WAVEFORMATEXTENSIBLE has them; none where
    /// unsaid.
    pub mask: Option<u32>,
    /// Texts by the four letters of RIFF's LIST INFO: INAM, IART, ICMT, ...
    pub info: Vec<([u8; 4], String)>,
    /// The broadcast extension chunk (EBU Tech 3285) as it was found.
    pub bext: Option<Vec<u8>>,
}

impl Tags {
    /// Takes in the content of a chunk; what is malformed in it is left out.
    pub(super) fn take(&mut self, id: [u8; 4], content: Vec<u8>) {
        match &id {
            b"LIST" => {
                if let Some(list) = content.strip_prefix(b"INFO") {
                    self.take_info(list);
                }
            }
            b"bext" if content.len() >= BEXT && self.bext.is_none() => self.bext = Some(content),
            _ => {}
        }
    }

    fn take_info(&mut self, mut list: &[u8]) {
        let mut room = MOST
            - self
                .info
                .iter()
                .map(|(_, text)| text.len())
                .sum::<usize>()
                .min(MOST);
        while let Some((&[a, b, c, d, e, f, g, h], rest)) = list.split_first_chunk::<8>() {
            let len = u32::from_le_bytes([e, f, g, h]) as usize;
            let raw = &rest[..len.min(rest.len())];
            let text = text(raw);
            let id = [a, b, c, d];
            if !text.is_empty() && text.len() <= room && id.iter().all(u8::is_ascii_graphic) {
                room -= text.len();
                self.info.push((id, text));
            }
            // Texts begin at even bytes; some writers do not know that.
            let pad = len % 2 == 1 && rest.get(len) == Some(&0);
            list = rest.get(len + usize::from(pad)..).unwrap_or_default();
        }
    }

    /// The content of a LIST chunk with all texts; none where there are none.
    pub(super) fn list(&self) -> Option<Vec<u8>> {
        let mut list = b"INFO".to_vec();
        for (id, text) in &self.info {
            // A zero ends a text.
            let text = text.split('\0').next().unwrap_or_default();
            let Ok(len) = u32::try_from(text.len() + 1) else {
                continue;
            };
            list.extend(id);
            list.extend(len.to_le_bytes());
            list.extend(text.as_bytes());
            list.push(0);
            if len % 2 == 1 {
                list.push(0);
            }
        }
        (list.len() > 4).then_some(list)
    }

    /// The broadcast extension for a result of this kind: with one line more in its coding history
    /// (EBU R 98), and without the loudness of another sound. The time reference stays.
    pub(super) fn bext_of(&self, spec: Spec) -> Option<Vec<u8>> {
        let mut bext = self.bext.clone().filter(|bext| bext.len() >= BEXT)?;
        let version = u16::from_le_bytes([bext[346], bext[347]]);
        if version >= 2 {
            for field in bext[412..422].chunks_exact_mut(2) {
                field.copy_from_slice(&0x7fff_u16.to_le_bytes());
            }
        }
        while bext.len() > BEXT && bext.last() == Some(&0) {
            bext.pop();
        }
        if bext.len() > BEXT && !bext.ends_with(b"\r\n") {
            bext.extend(b"\r\n");
        }
        bext.extend(history(spec).as_bytes());
        Some(bext)
    }

    /// The speaker positions, if they are those of so many channels.
    pub(super) fn mask_of(&self, channels: usize) -> Option<u32> {
        self.mask
            .filter(|mask| mask.count_ones() as usize == channels)
    }
}

/// One line of a coding history (EBU R 98).
fn history(spec: Spec) -> String {
    let (rate, bits) = (spec.rate.hz(), 8 * spec.format.bytes());
    let mode = match spec.channels {
        1 => ",M=mono",
        2 => ",M=stereo",
        _ => "",
    };
    let float = match spec.format {
        SampleFormat::F32 | SampleFormat::F64 => " float",
        _ => "",
    };
    let version = env!("CARGO_PKG_VERSION");
    format!("A=PCM,F={rate},W={bits}{mode},T=faltung {version}{float}\r\n")
}

/// Characters up to the first zero: UTF-8, or Latin-1 where they are none.
pub(super) fn text(raw: &[u8]) -> String {
    let raw = raw.split(|&byte| byte == 0).next().unwrap_or_default();
    match str::from_utf8(raw) {
        Ok(text) => text.to_owned(),
        Err(_) => raw.iter().map(|&byte| char::from(byte)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::SampleRate;

    fn spec(channels: usize, format: SampleFormat) -> Spec {
        Spec {
            rate: SampleRate::new(48_000).unwrap(),
            channels,
            format,
        }
    }

    fn info(texts: &[(&[u8; 4], &str)]) -> Vec<([u8; 4], String)> {
        texts
            .iter()
            .map(|(id, text)| (**id, text.to_string()))
            .collect()
    }

    #[test]
    fn texts_are_written_as_they_are_read() {
        let tags = Tags {
            info: info(&[
                (b"INAM", "Größe"),
                (b"IART", "odd"),
                (b"ICMT", "even"),
                (b"ICMT", "two"),
            ]),
            ..Tags::default()
        };
        let mut again = Tags::default();
        again.take(*b"LIST", tags.list().unwrap());
        assert_eq!(again, tags);
        assert_eq!(Tags::default().list(), None);
        // A list of something else.
        again.take(*b"LIST", b"adtlnote\x05\0\0\0what\0".to_vec());
        assert_eq!(again, tags);
    }

    #[test]
    fn texts_of_before_utf_8_are_latin_1() {
        let mut tags = Tags::default();
        tags.take(
            *b"LIST",
            b"INFOINAM\x05\0\0\0Gr\xf6\xdfe\0IART\x03\0\0\0a\0b\0".to_vec(),
        );
        assert_eq!(tags.info, info(&[(b"INAM", "Größe"), (b"IART", "a")]));
    }

    #[test]
    fn a_list_that_lies_gives_what_is_there_and_no_more_than_a_mebibyte_is_kept() {
        let mut tags = Tags::default();
        tags.take(*b"LIST", b"INFOINAM\xff\xff\xff\xffabc".to_vec());
        assert_eq!(tags.info, info(&[(b"INAM", "abc")]));
        for cut in 0..13 {
            let mut tags = Tags::default();
            tags.take(*b"LIST", b"INFOINAM\x02\0\0\0a"[..cut].to_vec());
            assert!(tags.info.len() <= 1);
        }
        let mut list = b"INFO".to_vec();
        for _ in 0..3 {
            list.extend(b"ICMT");
            list.extend(600_000u32.to_le_bytes());
            list.resize(list.len() + 600_000, b'x');
        }
        let mut tags = Tags::default();
        tags.take(*b"LIST", list.clone());
        tags.take(*b"LIST", list);
        assert_eq!(tags.info.len(), 1);
    }

    #[test]
    fn a_broadcast_extension_gets_a_line_of_history_and_loses_its_loudness() {
        for (version, loudness) in [(1u8, 7), (2, 0x7fff)] {
            let mut found: Vec<u8> = (0..BEXT).map(|i| (i % 251) as u8).collect();
            found[346..348].copy_from_slice(&[version, 0]);
            found[412..422].copy_from_slice(&[7, 0, 7, 0, 7, 0, 7, 0, 7, 0]);
            found.extend(b"A=ANALOGUE,M=mono,T=Studer\0\0\0");
            let mut tags = Tags::default();
            tags.take(*b"bext", found.clone());
            assert_eq!(tags.bext.as_ref(), Some(&found));
            let ours = tags.bext_of(spec(2, SampleFormat::I24)).unwrap();
            let line = concat!(
                "A=PCM,F=48000,W=24,M=stereo,T=faltung ",
                env!("CARGO_PKG_VERSION")
            );
            let history = format!("A=ANALOGUE,M=mono,T=Studer\r\n{line}\r\n");
            assert_eq!(ours[BEXT..], *history.as_bytes());
            assert_eq!(ours[..412], found[..412]);
            assert_eq!(ours[422..BEXT], found[422..BEXT]);
            for field in ours[412..422].chunks_exact(2) {
                assert_eq!(u16::from_le_bytes([field[0], field[1]]), loudness);
            }
        }
        let mut short = Tags::default();
        short.take(*b"bext", vec![1; BEXT - 1]);
        assert_eq!(short, Tags::default());
    }

    #[test]
    fn a_mask_is_that_of_as_many_channels_or_none() {
        let tags = Tags {
            mask: Some(0x3f),
            ..Tags::default()
        };
        assert_eq!(tags.mask_of(6), Some(0x3f));
        assert_eq!((tags.mask_of(5), Tags::default().mask_of(6)), (None, None));
    }
}
