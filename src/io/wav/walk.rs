//! The way through the chunks of a WAV file, with an eye on what lies.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use crate::io::ReadError;
use crate::io::kind::{self, Kind};
use crate::io::tags::{self, Tags};

/// How a Wave64 file begins (Sony Pictures Digital 2003): chunks are named by GUIDs there, and their
/// lengths have 64 bits.
const RIFF_64: [u8; 16] = *b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0";
/// How the names of its other chunks go on behind four letters.
const GUID_64: [u8; 12] = *b"\xf3\xac\xd3\x11\x8c\xd1\0\xc0\x4f\x8e\xdb\x8a";

/// Chunks that are looked at behind the samples.
const CHUNKS_BEHIND: usize = 64;

/// The way through the chunks of a RIFF file.
pub(super) struct Walk<'a> {
    name: &'a str,
    reader: &'a mut BufReader<Box<dyn Read + Send>>,
    /// Bytes passed.
    at: u64,
    size: Option<u64>,
    /// Length of the data chunk, where 64 bits tell it (EBU Tech 3306).
    long: Option<u64>,
    /// Length of the whole without its first 8 bytes, as 32 bits tell it.
    riff: u32,
    /// A Wave64 file.
    wave_64: bool,
    tags: Tags,
}

impl<'a> Walk<'a> {
    /// At the first byte of a file; `size` in bytes where it is known.
    pub fn new(
        name: &'a str,
        reader: &'a mut BufReader<Box<dyn Read + Send>>,
        size: Option<u64>,
    ) -> Self {
        Self {
            name,
            reader,
            at: 0,
            size,
            long: None,
            riff: 0,
            wave_64: false,
            tags: Tags::default(),
        }
    }

    /// Bytes passed.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Whether chunks as a RIFF file has them may follow behind the samples.
    pub fn has_riff_chunks(&self) -> bool {
        !self.wave_64
    }

    /// What was found on the way.
    pub fn into_tags(self) -> Tags {
        self.tags
    }

    /// The content of the format chunk, and the length of the data chunk that follows it; the
    /// reader stands at the first sample then. Pipes write a length that stands for "open".
    pub fn find_samples(&mut self) -> Result<(Vec<u8>, Option<u64>), ReadError> {
        self.magic()?;
        if self.wave_64 {
            return self.find_samples_64();
        }
        let mut fmt = None;
        loop {
            let Some((id, len)) = self.chunk()? else {
                return Err(self.wrong(match fmt {
                    None => "it ends before the format chunk",
                    Some(_) => "it ends before the samples",
                }));
            };
            match &id {
                b"fmt " => {
                    fmt = Some(self.format(len.into())?);
                    self.skip_padding(len)?;
                }
                b"data" => {
                    let Some(fmt) = fmt else {
                        return Err(self.wrong("samples come before the format chunk"));
                    };
                    if let (Some(long), u32::MAX) = (self.long, len) {
                        return Ok((
                            fmt,
                            Some(long).filter(|&long| long != 0 && long != u64::MAX),
                        ));
                    }
                    return Ok((fmt, self.data_length(len)));
                }
                b"ds64" => self.long = Some(self.long_sizes(len)?),
                b"LIST" | b"bext" if len as usize <= tags::MOST => {
                    let content = self.take(len.into())?;
                    if content.len() < len as usize {
                        return Err(self.lies(id, len.into(), content.len() as u64));
                    }
                    self.tags.take(id, content);
                    self.skip_padding(len)?;
                }
                _ => {
                    self.skip(id, len.into())?;
                    self.skip_padding(len)?;
                }
            }
        }
    }

    /// The same for a Wave64 file.
    fn find_samples_64(&mut self) -> Result<(Vec<u8>, Option<u64>), ReadError> {
        // What follows the twelve bytes passed.
        let rest = self.take(28)?;
        if rest.len() < 28 || rest[..4] != RIFF_64[12..] || rest[16..] != GUID_64 {
            return Err(self.wrong("it is no Wave64 file behind its first bytes"));
        }
        let mut fmt = None;
        loop {
            let head = self.take(24)?;
            let (Some((id, guid)), Some(len)) = (head.split_first_chunk(), head.last_chunk())
            else {
                return Err(self.wrong("it ends before the samples"));
            };
            let len = u64::from_le_bytes(*len);
            let ours = guid.starts_with(&GUID_64);
            // The length counts its own 24 bytes.
            let Some(content) = len.checked_sub(24) else {
                let id = id.escape_ascii();
                return Err(self.wrong(format!("its chunk `{id}` claims {len} bytes")));
            };
            match id {
                b"data" if ours => {
                    let Some(fmt) = fmt else {
                        return Err(self.wrong("samples come before the format chunk"));
                    };
                    // ffmpeg's way to say that the length is open; 0 of others.
                    let open = len == 24 && self.left() != Some(0) || content > i64::MAX as u64;
                    return Ok((fmt, (!open).then_some(content)));
                }
                b"fmt " if ours => fmt = Some(self.format(content)?),
                _ => self.skip(*id, content)?,
            }
            // Chunks begin at multiples of 8 bytes.
            self.take(content.next_multiple_of(8) - content)?;
        }
    }

    /// Bytes of samples, where 32 bits tell them; the reader stands before the first.
    fn data_length(&self, len: u32) -> Option<u64> {
        let left = self.left();
        let said = u64::from(len);
        // 2^31 - 4096 is sox's way to say that it is open, 2^32 - 1 most others', 0 of some, and
        // of those that ended before they could name it.
        let unnamed = matches!(self.riff, 0 | u32::MAX) || u64::from(self.riff) + 8 <= self.at;
        let open = matches!(len, 0x7fff_f000 | 0x7fff_ffff | u32::MAX) || len == 0 && unnamed;
        if open && left.is_none_or(|left| left != said) {
            return None;
        }
        // A writer that did not know the limit named the rest of a division by 2^32. What follows
        // then is the end, or a few chunks more.
        const WHOLE: u64 = 1 << 32;
        const MORE: u64 = 1 << 20;
        match left {
            Some(left) if left >= said + WHOLE && (left - said) % WHOLE <= MORE => {
                Some(left - (left - said) % WHOLE)
            }
            _ => Some(said),
        }
    }

    /// Bytes to the end of the file, where its size is known.
    fn left(&self) -> Option<u64> {
        self.size.map(|size| size.saturating_sub(self.at))
    }

    fn wrong(&self, what: impl Into<String>) -> ReadError {
        let file = self.name.to_owned();
        ReadError::Header {
            file,
            what: what.into(),
        }
    }

    /// Reads up to `bytes`; fewer at the end.
    fn take(&mut self, bytes: u64) -> Result<Vec<u8>, ReadError> {
        let mut taken = Vec::new();
        let read = self.reader.by_ref().take(bytes).read_to_end(&mut taken);
        read.map_err(|error| ReadError::from_io(self.name, error))?;
        self.at += taken.len() as u64;
        Ok(taken)
    }

    fn magic(&mut self) -> Result<(), ReadError> {
        let file = self.name.to_owned();
        let first = self.take(12)?;
        if first.is_empty() {
            return Err(ReadError::Nothing { file });
        }
        match Kind::of(&first) {
            Some(Kind::Wav) if RIFF_64.starts_with(&first) => {
                self.wave_64 = true;
                Ok(())
            }
            Some(Kind::Wav) if first.len() == 12 => {
                self.riff = u32::from_le_bytes([first[4], first[5], first[6], first[7]]);
                Ok(())
            }
            _ => Err(ReadError::NotWav {
                file,
                looks: kind::looks(&first),
            }),
        }
    }

    /// Name and length of the next chunk; none at the end of the file.
    fn chunk(&mut self) -> Result<Option<([u8; 4], u32)>, ReadError> {
        let head = self.take(8)?;
        Ok(match *head {
            [a, b, c, d, e, f, g, h] => Some(([a, b, c, d], u32::from_le_bytes([e, f, g, h]))),
            _ => None,
        })
    }

    fn lies(&self, id: [u8; 4], len: u64, found: u64) -> ReadError {
        let id = id.escape_ascii();
        self.wrong(format!(
            "its chunk `{id}` claims {len} bytes, {found} are there"
        ))
    }

    /// The length of the data chunk, which the sizes of 64 bits tell.
    fn long_sizes(&mut self, len: u32) -> Result<u64, ReadError> {
        let sizes = self.take(u64::from(len).min(1 << 16))?;
        match sizes.get(8..16).map(TryInto::try_into) {
            Some(Ok(data)) if sizes.len() == len as usize => {
                self.skip_padding(len)?;
                Ok(u64::from_le_bytes(data))
            }
            _ => Err(self.lies(*b"ds64", len.into(), sizes.len() as u64)),
        }
    }

    fn format(&mut self, len: u64) -> Result<Vec<u8>, ReadError> {
        // The longest that its own length field can name.
        if len > 18 + 65_535 {
            return Err(self.wrong(format!("its format chunk claims {len} bytes")));
        }
        let fmt = self.take(len)?;
        if (fmt.len() as u64) < len {
            return Err(self.lies(*b"fmt ", len, fmt.len() as u64));
        }
        Ok(fmt)
    }

    fn skip(&mut self, id: [u8; 4], len: u64) -> Result<(), ReadError> {
        let refuse = |error| ReadError::from_io(self.name, error);
        let mut chunk = self.reader.by_ref().take(len);
        let passed = io::copy(&mut chunk, &mut io::sink()).map_err(refuse)?;
        self.at += passed;
        if passed < len {
            return Err(self.lies(id, len, passed));
        }
        Ok(())
    }

    /// Chunks begin at even bytes; some writers do not know that, so only a zero is passed over.
    fn skip_padding(&mut self, len: u32) -> Result<(), ReadError> {
        let refuse = |error| ReadError::from_io(self.name, error);
        if len % 2 == 1 && self.reader.fill_buf().map_err(refuse)?.first() == Some(&0) {
            self.reader.consume(1);
            self.at += 1;
        }
        Ok(())
    }
}

/// Texts and the broadcast extension from this byte of a file on.
pub(super) fn tags_from(
    file: &mut (impl Read + Seek),
    start: u64,
    tags: &mut Tags,
) -> io::Result<()> {
    file.seek(SeekFrom::Start(start))?;
    // The samples may have needed a byte to be even.
    let mut odd = start % 2 == 1;
    let mut head = [0; 8];
    for _ in 0..CHUNKS_BEHIND {
        file.read_exact(&mut head[..1])?;
        if !(odd && head[0] == 0) {
            file.read_exact(&mut head[1..])?;
        } else {
            file.read_exact(&mut head)?;
        }
        let [a, b, c, d, e, f, g, h] = head;
        let (id, len) = ([a, b, c, d], u32::from_le_bytes([e, f, g, h]));
        if matches!(&id, b"LIST" | b"bext") && len as usize <= tags::MOST {
            let mut content = Vec::new();
            file.take(len.into()).read_to_end(&mut content)?;
            tags.take(id, content);
        } else {
            file.seek(SeekFrom::Current(len.into()))?;
        }
        odd = len % 2 == 1;
    }
    Ok(())
}
