//! WAV files. `hound` judges and writes the headers; samples move in blocks of bytes.
//!
//! hound's way of reading and writing sample by sample costs ten times as much as the rest of a
//! copy, and its walk through the chunks trusts every length. So the chunks are walked here, with
//! an eye on what lies, and hound is given the format chunk alone.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Cursor, Read, Write};
use std::path::{Path, PathBuf};

use super::kind::{self, Kind};
use super::open::Opened;
use super::pcm::{self, Encoder, Layout};
use super::{Levels, PartFile, ReadError, Replaced, SampleFormat, Sink, Source, Spec, WriteError};
use crate::signal::{Sample, SampleRate};

/// What messages call the standard output.
const STDOUT: &str = "standard output";

/// A WAV file, or a pipe that carries one, read from its start to its end.
pub struct WavSource {
    name: String,
    spec: Spec,
    layout: Layout,
    /// Settled yet, for 24 bits in four bytes.
    layout_known: bool,
    reader: BufReader<Box<dyn Read + Send>>,
    /// Bytes of samples that the header promises; none where it leaves the length open.
    promised: Option<u64>,
    /// Frames read so far.
    at: u64,
    replaced: Replaced,
    bytes: Vec<u8>,
}

impl WavSource {
    /// Opens a file; `-` is the standard input.
    ///
    /// # Errors
    /// When the file cannot be read, is no WAV file, or is not what its header says.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        Self::from_opened(Opened::at(path, 0)?)
    }

    pub(super) fn from_opened(opened: Opened) -> Result<Self, ReadError> {
        let (name, size) = (opened.name.clone(), opened.size);
        Self::new(&name, opened.into_reader(), size)
    }

    /// Reads a WAV stream from anything; `size` in bytes where it is known beforehand.
    ///
    /// # Errors
    /// When it cannot be read, is no WAV, or is shorter than its header says.
    pub fn new(
        name: &str,
        reader: Box<dyn Read + Send>,
        size: Option<u64>,
    ) -> Result<Self, ReadError> {
        let mut reader = BufReader::with_capacity(1 << 16, reader);
        let mut walk = Walk {
            name,
            reader: &mut reader,
            at: 0,
            size,
            long: None,
            open: false,
        };
        let (fmt, promised) = walk.find_samples()?;
        let begin = walk.at;
        let (spec, layout) = judge(name, &fmt)?;
        let frame = spec.channels as u64 * layout.bytes() as u64;
        let found = size.map(|size| size.saturating_sub(begin));
        let file = || name.to_owned();
        if let (Some(promised), Some(found)) = (promised, found)
            && promised > found
        {
            let file = file();
            return Err(ReadError::Truncated {
                file,
                promised,
                found,
            });
        }
        if let Some(promised) = promised
            && promised % frame != 0
        {
            let what = format!(
                "its data chunk of {promised} bytes is no whole number of frames of {frame} bytes"
            );
            return Err(ReadError::Header { file: file(), what });
        }
        if promised.or(found) == Some(0) {
            return Err(ReadError::Empty { file: file() });
        }
        // Where the header leaves the length open, the file's size still tells it.
        let promised = promised.or(found.map(|found| found - found % frame));
        Ok(Self {
            name: file(),
            spec,
            layout,
            layout_known: layout != Layout::Low24In32,
            reader,
            promised,
            at: 0,
            replaced: Replaced::default(),
            bytes: Vec::new(),
        })
    }

    /// Rate, channels and format.
    pub fn spec(&self) -> Spec {
        self.spec
    }

    /// Length in frames, where the header or the file's size tells it.
    pub fn frames(&self) -> Option<u64> {
        self.promised.map(|bytes| bytes / self.frame_bytes())
    }

    fn frame_bytes(&self) -> u64 {
        self.spec.channels as u64 * self.layout.bytes() as u64
    }

    /// Reads as many bytes as `self.bytes` holds, fewer only at the end.
    fn fill(&mut self) -> Result<usize, ReadError> {
        let mut got = 0;
        while got < self.bytes.len() {
            match self.reader.read(&mut self.bytes[got..]) {
                Ok(0) => break,
                Ok(more) => got += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ReadError::from_io(&self.name, error)),
            }
        }
        Ok(got)
    }
}

impl std::fmt::Debug for WavSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut fields = f.debug_struct("WavSource");
        fields.field("name", &self.name).field("spec", &self.spec);
        fields.field("at", &self.at).finish_non_exhaustive()
    }
}

impl<T: Sample> Source<T> for WavSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn spec(&self) -> Spec {
        self.spec
    }

    fn frames(&self) -> Option<u64> {
        WavSource::frames(self)
    }

    fn read(&mut self, block: &mut [Vec<T>]) -> Result<usize, ReadError> {
        let frame = self.frame_bytes();
        let room = block.first().map_or(0, Vec::len) as u64;
        let left = self.promised.map(|bytes| bytes - self.at * frame);
        let want = left.map_or(room * frame, |left| left.min(room * frame));
        self.bytes.resize(want as usize, 0);
        let got = self.fill()?;
        let done = self.at * frame + got as u64;
        let promised = match self.promised {
            Some(promised) if got < want as usize => Some(promised),
            None if !done.is_multiple_of(frame) => Some(done.next_multiple_of(frame)),
            _ => None,
        };
        if let Some(promised) = promised {
            return Err(ReadError::Truncated {
                file: self.name.clone(),
                promised,
                found: done,
            });
        }
        let bytes = &self.bytes[..got];
        if !self.layout_known
            && let Some(low) = pcm::lies_low(bytes)
        {
            self.layout_known = true;
            if !low {
                self.layout = Layout::Plain(SampleFormat::I32);
            }
        }
        let frames = got / frame as usize;
        pcm::decode(self.layout, bytes, block, 0..frames);
        if self.spec.format == SampleFormat::F32 {
            pcm::replace_nonfinite(block, 0..frames, self.at, &mut self.replaced);
        }
        self.at += frames as u64;
        Ok(frames)
    }

    fn replaced(&self) -> Replaced {
        self.replaced
    }
}

/// The way through the chunks of a RIFF file.
struct Walk<'a> {
    name: &'a str,
    reader: &'a mut BufReader<Box<dyn Read + Send>>,
    /// Bytes passed.
    at: u64,
    size: Option<u64>,
    /// Length of the data chunk, where 64 bits tell it (EBU Tech 3306).
    long: Option<u64>,
    /// The length of the whole was left open.
    open: bool,
}

impl Walk<'_> {
    /// The content of the format chunk, and the length of the data chunk that follows it; the
    /// reader stands at the first sample then. Pipes write a length that stands for "open".
    fn find_samples(&mut self) -> Result<(Vec<u8>, Option<u64>), ReadError> {
        self.magic()?;
        let mut fmt = None;
        loop {
            let Some((id, len)) = self.chunk()? else {
                return Err(self.wrong(match fmt {
                    None => "it ends before the format chunk",
                    Some(_) => "it ends before the samples",
                }));
            };
            match &id {
                b"fmt " => fmt = Some(self.format(len)?),
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
                    // 2^31 - 4096 is sox's way to say it, 2^32 - 1 most others', 0 of some.
                    let open = matches!(len, 0x7fff_f000 | 0x7fff_ffff | u32::MAX)
                        || len == 0 && self.open;
                    let open = open && self.left().is_none_or(|left| left != u64::from(len));
                    return Ok((fmt, (!open).then_some(u64::from(len))));
                }
                b"ds64" => self.long = Some(self.long_sizes(len)?),
                _ => self.skip(id, len)?,
            }
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
            Some(Kind::Wav) if first.len() == 12 => {
                self.open = matches!(first[4..8], [0, 0, 0, 0] | [0xff, 0xff, 0xff, 0xff]);
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

    fn lies(&self, id: [u8; 4], len: u32, found: u64) -> ReadError {
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
            _ => Err(self.lies(*b"ds64", len, sizes.len() as u64)),
        }
    }

    fn format(&mut self, len: u32) -> Result<Vec<u8>, ReadError> {
        // The longest that its own length field can name.
        if len > 18 + 65_535 {
            return Err(self.wrong(format!("its format chunk claims {len} bytes")));
        }
        let fmt = self.take(u64::from(len))?;
        if fmt.len() < len as usize {
            return Err(self.lies(*b"fmt ", len, fmt.len() as u64));
        }
        self.skip_padding(len)?;
        Ok(fmt)
    }

    fn skip(&mut self, id: [u8; 4], len: u32) -> Result<(), ReadError> {
        let refuse = |error| ReadError::from_io(self.name, error);
        let mut chunk = self.reader.by_ref().take(u64::from(len));
        let passed = io::copy(&mut chunk, &mut io::sink()).map_err(refuse)?;
        self.at += passed;
        if passed < u64::from(len) {
            return Err(self.lies(id, len, passed));
        }
        self.skip_padding(len)
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

/// What the content of a format chunk means; hound has the last word.
fn judge(name: &str, fmt: &[u8]) -> Result<(Spec, Layout), ReadError> {
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
    let extensible = tag == 0xfffe;
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
        (3, 8) if bits == 64 => Layout::F64,
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
    Ok((spec, layout))
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

/// Where the bytes of a result go.
enum Medium {
    /// To a file that gets its name at the end.
    File(PartFile),
    /// Away at once.
    Pipe(BufWriter<Box<dyn Write + Send>>),
}

/// A WAV file in the making, or a pipe that carries one.
pub struct WavSink {
    name: PathBuf,
    text: String,
    spec: Spec,
    medium: Medium,
    encoder: Encoder,
    bytes: Vec<u8>,
    /// Bytes before the first sample.
    header: u64,
    /// Bytes of samples that a header can still name; none for a pipe of open length.
    limit: Option<u64>,
    written: u64,
}

impl WavSink {
    /// Begins the file at `path`, which appears when the sink is finished. `-` is the standard
    /// output; what is no plain file, such as `/dev/null`, is written to as a pipe is.
    ///
    /// `frames`, where known, lets a pipe carry a header with the true length, and refuses
    /// beforehand what would not fit into a WAV file.
    ///
    /// # Errors
    /// When the file exists and `replace` is not set, its folder is missing or closed, or the
    /// result cannot fit.
    pub fn create(
        path: &Path,
        spec: Spec,
        frames: Option<u64>,
        replace: bool,
    ) -> Result<Self, WriteError> {
        if path == Path::new("-") {
            return Self::pipe(Path::new(STDOUT), Box::new(io::stdout()), spec, frames);
        }
        match fs::metadata(path) {
            Ok(about) if !about.is_file() && !about.is_dir() => {
                let opened = File::options().write(true).open(path);
                let file = opened.map_err(|error| WriteError::from_io(path, error))?;
                Self::pipe(path, Box::new(file), spec, frames)
            }
            _ => {
                let file = PartFile::create(path, replace)?;
                Self::new(path, Medium::File(file), spec, frames)
            }
        }
    }

    /// Writes to anything that cannot be taken back.
    ///
    /// # Errors
    /// When the medium fails, or the result cannot fit into a WAV file.
    pub fn pipe(
        name: &Path,
        writer: Box<dyn Write + Send>,
        spec: Spec,
        frames: Option<u64>,
    ) -> Result<Self, WriteError> {
        // Some readers need more than the header in their first piece to know the format.
        let writer = BufWriter::with_capacity(1 << 16, writer);
        Self::new(name, Medium::Pipe(writer), spec, frames)
    }

    fn new(
        name: &Path,
        medium: Medium,
        spec: Spec,
        frames: Option<u64>,
    ) -> Result<Self, WriteError> {
        let mut header = header(name, spec)?;
        let limit = most_samples(&header);
        let mut sink = Self {
            name: name.to_owned(),
            text: name.display().to_string(),
            spec,
            medium,
            encoder: Encoder::new(spec.format, spec.channels),
            bytes: Vec::new(),
            header: header.len() as u64,
            limit: Some(limit),
            written: 0,
        };
        let bytes = frames.map(|frames| frames.saturating_mul(spec.frame_bytes() as u64));
        if let Some(bytes) = bytes.filter(|&bytes| bytes > limit) {
            return Err(sink.too_long(bytes));
        }
        if let Medium::Pipe(_) = sink.medium {
            match bytes {
                Some(bytes) => name_sizes(&mut header, bytes),
                None => {
                    sink.limit = None;
                    leave_open(&mut header);
                }
            }
        }
        sink.put(&header)?;
        Ok(sink)
    }

    fn too_long(&self, bytes: u64) -> WriteError {
        let file = self.text.clone();
        WriteError::TooLong { file, bytes }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        match &mut self.medium {
            Medium::File(file) => file.write_all(bytes),
            Medium::Pipe(writer) => {
                let written = writer.write_all(bytes);
                written.map_err(|error| WriteError::from_io(&self.name, error))
            }
        }
    }

    /// Appends samples that are stored as the spec has it. What fails is not counted.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        let written = self.written + bytes.len() as u64;
        if self.limit.is_some_and(|limit| written > limit) {
            return Err(self.too_long(written));
        }
        self.put(bytes)?;
        self.written = written;
        Ok(())
    }

    /// Bytes of samples that fit into the file; none for a pipe, which has no end.
    #[cfg(feature = "live")]
    pub(crate) fn most(&self) -> Option<u64> {
        self.limit
    }

    /// Forgets what lies behind so many bytes of samples, where that is possible.
    #[cfg(feature = "live")]
    pub(crate) fn cut(&mut self, bytes: u64) -> Result<(), WriteError> {
        if let Medium::File(file) = &mut self.medium {
            let cut = file.reader().set_len(self.header + bytes);
            cut.map_err(|error| WriteError::from_io(&self.name, error))?;
            file.seek(self.header + bytes)?;
            self.written = bytes;
        }
        Ok(())
    }

    /// True where nothing is delivered before the end.
    pub fn can_take_back(&self) -> bool {
        matches!(self.medium, Medium::File(_))
    }
}

impl<T: Sample> Sink<T> for WavSink {
    fn name(&self) -> &str {
        &self.text
    }

    fn spec(&self) -> Spec {
        self.spec
    }

    fn can_take_back(&self) -> bool {
        WavSink::can_take_back(self)
    }

    fn write(&mut self, block: &[Vec<T>]) -> Result<(), WriteError> {
        let mut bytes = std::mem::take(&mut self.bytes);
        self.encoder.encode(block, &mut bytes);
        let done = self.append(&bytes);
        self.bytes = bytes;
        done
    }

    fn levels(&self) -> Levels {
        self.encoder.levels
    }

    fn finish(mut self) -> Result<(), WriteError> {
        if self.written % 2 == 1 {
            self.put(&[0])?;
        }
        match self.medium {
            Medium::File(mut file) => {
                let mut header = header(&self.name, self.spec)?;
                name_sizes(&mut header, self.written);
                debug_assert_eq!(header.len() as u64, self.header);
                file.seek(0)?;
                file.write_all(&header)?;
                file.finish()
            }
            Medium::Pipe(mut writer) => {
                let flushed = writer.flush();
                flushed.map_err(|error| WriteError::from_io(&self.name, error))
            }
        }
    }
}

/// The header of an empty file, as hound writes it; the length of the data chunk comes last.
fn header(name: &Path, spec: Spec) -> Result<Vec<u8>, WriteError> {
    let bytes = spec.format.bytes();
    let align = u16::try_from(spec.channels * bytes).ok();
    let per_second = align.and_then(|align| spec.rate.hz().checked_mul(u32::from(align)));
    let too_wide = || WriteError::TooWide {
        file: name.display().to_string(),
        channels: spec.channels,
        format: spec.format.to_string(),
        rate: spec.rate.hz(),
    };
    // hound multiplies them unchecked.
    if per_second.is_none() {
        return Err(too_wide());
    }
    let mut header = Vec::new();
    let foreign = hound::WavSpec {
        channels: spec.channels as u16,
        sample_rate: spec.rate.hz(),
        bits_per_sample: 8 * bytes as u16,
        sample_format: match spec.format {
            SampleFormat::F32 => hound::SampleFormat::Float,
            _ => hound::SampleFormat::Int,
        },
    };
    let written = hound::WavWriter::new(Cursor::new(&mut header), foreign);
    written
        .and_then(hound::WavWriter::finalize)
        .map_err(|_| too_wide())?;
    Ok(header)
}

/// Bytes of samples that fit behind this header: the RIFF chunk counts all but its own 8 bytes.
fn most_samples(header: &[u8]) -> u64 {
    // One less, for the byte that makes an odd length even.
    u64::from(u32::MAX) - (header.len() as u64 - 8) - 1
}

fn name_sizes(header: &mut [u8], samples: u64) {
    let last = header.len() - 4;
    let riff = last as u64 + 4 - 8 + samples + samples % 2;
    header[4..8].copy_from_slice(&(riff as u32).to_le_bytes());
    header[last..].copy_from_slice(&(samples as u32).to_le_bytes());
}

/// The lengths that stand for "until the pipe ends".
fn leave_open(header: &mut [u8]) {
    let last = header.len() - 4;
    header[4..8].fill(0xff);
    header[last..].fill(0xff);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A WAV file made by hound.
    fn made(spec: hound::WavSpec, samples: usize) -> Vec<u8> {
        let mut file = Vec::new();
        let mut writer = hound::WavWriter::new(Cursor::new(&mut file), spec).unwrap();
        for i in 0..samples {
            match spec.sample_format {
                hound::SampleFormat::Float => writer.write_sample(value(i) as f32).unwrap(),
                hound::SampleFormat::Int => {
                    let top = f64::from(1 << (spec.bits_per_sample - 2)) * 2.0;
                    writer.write_sample((value(i) * top) as i32).unwrap();
                }
            }
        }
        writer.finalize().unwrap();
        file
    }

    fn value(i: usize) -> f64 {
        (i as f64 * 0.7).sin() * 0.9
    }

    fn spec(channels: u16, bits: u16, float: bool) -> hound::WavSpec {
        hound::WavSpec {
            channels,
            sample_rate: 48_000,
            bits_per_sample: bits,
            sample_format: match float {
                true => hound::SampleFormat::Float,
                false => hound::SampleFormat::Int,
            },
        }
    }

    fn open(file: &[u8]) -> Result<WavSource, ReadError> {
        let reader = Box::new(Cursor::new(file.to_vec()));
        WavSource::new("x.wav", reader, Some(file.len() as u64))
    }

    fn all(mut source: WavSource, block: usize) -> Result<Vec<Vec<f64>>, ReadError> {
        let mut buffer = vec![vec![0.0; block]; source.spec.channels];
        let mut channels = vec![Vec::new(); source.spec.channels];
        loop {
            let frames = source.read(&mut buffer)?;
            if frames == 0 {
                return Ok(channels);
            }
            for (channel, new) in channels.iter_mut().zip(&buffer) {
                channel.extend_from_slice(&new[..frames]);
            }
        }
    }

    #[test]
    fn blocks_hold_what_hound_reads_one_by_one() {
        for (channels, bits, float) in [
            (1, 8, false),
            (2, 16, false),
            (3, 24, false),
            (2, 32, false),
            (5, 32, true),
        ] {
            let spec = spec(channels, bits, float);
            let file = made(spec, 30 * usize::from(channels));
            let mut reader = hound::WavReader::new(Cursor::new(&file)).unwrap();
            let expected: Vec<f64> = if float {
                reader
                    .samples::<f32>()
                    .map(|s| f64::from(s.unwrap()))
                    .collect()
            } else {
                let scale = 2f64.powi(i32::from(bits) - 1);
                reader
                    .samples::<i32>()
                    .map(|s| f64::from(s.unwrap()) / scale)
                    .collect()
            };
            for block in [1, 7, 30, 100] {
                let source = open(&file).unwrap();
                assert_eq!(source.frames(), Some(30));
                let got = all(source, block).unwrap();
                let woven: Vec<f64> = (0..30)
                    .flat_map(|i| got.iter().map(move |c| c[i]))
                    .collect();
                assert_eq!(woven, expected, "{channels} channels of {bits} bits");
            }
        }
    }

    #[test]
    fn twenty_four_bits_in_four_bytes_are_read_from_either_side() {
        let values = [0i32, 5, -8_000_001, 3];
        for shift in [0, 8] {
            let mut file = made(spec(1, 32, false), 4);
            let data = file.len() - 16;
            file[38..40].copy_from_slice(&24u16.to_le_bytes());
            for (k, v) in values.iter().enumerate() {
                file[data + 4 * k..][..4].copy_from_slice(&(v << shift).to_le_bytes());
            }
            let got = all(open(&file).unwrap(), 100).unwrap();
            assert_eq!(
                got[0],
                values.map(|v| f64::from(v) / 8_388_608.0),
                "shift {shift}"
            );
        }
    }

    #[test]
    fn what_a_sink_writes_a_source_and_hound_read_back() {
        for format in SampleFormat::ALL {
            let path = std::env::temp_dir()
                .join(format!("faltung-wav-{format}-{}.wav", std::process::id()));
            let rate = SampleRate::new(44_100).unwrap();
            let spec = Spec {
                rate,
                channels: 3,
                format,
            };
            let mut sink = WavSink::create(&path, spec, Some(5), true).unwrap();
            let block = vec![vec![0.5f64, -1.0, 0.0, 0.25, 0.125]; 3];
            sink.write(&block).unwrap();
            assert!(!path.exists());
            Sink::<f64>::finish(sink).unwrap();
            let file = fs::read(&path).unwrap();
            fs::remove_file(&path).unwrap();
            assert_eq!(file.len() % 2, 0);
            let riff = u32::from_le_bytes([file[4], file[5], file[6], file[7]]);
            assert_eq!(riff as usize + 8, file.len());
            assert_eq!(
                hound::WavReader::new(Cursor::new(&file))
                    .unwrap()
                    .duration(),
                5
            );
            let source = open(&file).unwrap();
            assert_eq!(source.spec(), spec);
            assert_eq!(all(source, 2).unwrap(), block);
        }
    }

    #[test]
    fn a_file_cut_short_is_refused_with_both_numbers() {
        let file = made(spec(2, 16, false), 100);
        let error = open(&file[..file.len() - 50]).unwrap_err().to_string();
        assert!(
            error.contains("promises 200 bytes") && error.contains("150 are there"),
            "{error}"
        );
        let pipe = Box::new(Cursor::new(file[..file.len() - 50].to_vec()));
        let error = all(WavSource::new("pipe", pipe, None).unwrap(), 7)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("promises 200 bytes") && error.contains("150 are there"),
            "{error}"
        );
    }

    #[test]
    fn a_length_left_open_runs_to_the_end() {
        for open_length in [u32::MAX, 0x7fff_f000] {
            let mut file = made(spec(2, 16, false), 100);
            file[40..44].copy_from_slice(&open_length.to_le_bytes());
            assert_eq!(open(&file).unwrap().frames(), Some(50));
            let pipe = Box::new(Cursor::new(file));
            let source = WavSource::new("pipe", pipe, None).unwrap();
            assert_eq!(source.frames(), None);
            assert_eq!(all(source, 7).unwrap()[1].len(), 50);
        }
    }

    #[test]
    fn a_length_of_zero_is_open_where_the_whole_has_none_either() {
        for riff in [0, u32::MAX] {
            let mut file = made(spec(2, 16, false), 100);
            file[4..8].copy_from_slice(&riff.to_le_bytes());
            file[40..44].fill(0);
            assert_eq!(open(&file).unwrap().frames(), Some(50));
            let pipe = Box::new(Cursor::new(file));
            let source = WavSource::new("pipe", pipe, None).unwrap();
            assert_eq!(all(source, 7).unwrap()[1].len(), 50);
        }
    }

    #[test]
    fn lengths_of_64_bits_are_read_and_believed() {
        let wav = made(spec(2, 16, false), 100);
        for magic in [b"RF64", b"BW64"] {
            for (data, frames) in [(200u64, Some(50)), (196, Some(49)), (0, Some(50))] {
                let mut ds64 = b"ds64\x1c\0\0\0".to_vec();
                ds64.extend(300u64.to_le_bytes());
                ds64.extend(data.to_le_bytes());
                ds64.extend(50u64.to_le_bytes());
                ds64.extend(0u32.to_le_bytes());
                let mut file = [&wav[..12], &ds64[..], &wav[12..]].concat();
                file[..4].copy_from_slice(magic);
                file[4..8].fill(0xff);
                file[76..80].fill(0xff);
                assert_eq!(open(&file).unwrap().frames(), frames, "{data}");
            }
        }
        let cut = [&b"RF64\xff\xff\xff\xffWAVEds64\x1c\0\0\0"[..], &[0; 9]].concat();
        let text = open(&cut).unwrap_err().to_string();
        assert!(
            text.contains("`ds64` claims 28 bytes, 9 are there"),
            "{text}"
        );
    }

    /// A file of one channel with this tag, these bits and these bytes of samples.
    fn raw(tag: u16, bits: u16, data: &[u8]) -> Vec<u8> {
        let bytes = bits.div_ceil(8);
        let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0".to_vec();
        for word in [tag, 1] {
            file.extend(word.to_le_bytes());
        }
        for long in [48_000, 48_000 * u32::from(bytes)] {
            file.extend(long.to_le_bytes());
        }
        for word in [bytes, bits] {
            file.extend(word.to_le_bytes());
        }
        file.extend(b"data");
        file.extend((data.len() as u32).to_le_bytes());
        file.extend(data);
        file
    }

    #[test]
    fn doubles_are_read_to_the_last_bit() {
        let values = [0.1f64, -1.0 / 3.0, 1e-300, 1.5];
        let data: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let source = open(&raw(3, 64, &data)).unwrap();
        assert_eq!(source.spec().format, SampleFormat::F32);
        assert_eq!(all(source, 3).unwrap(), [values]);
    }

    #[test]
    fn companded_and_odd_sample_sizes_are_read() {
        let one = |file: Vec<u8>| all(open(&file).unwrap(), 8).unwrap().remove(0);
        // Full scale of both laws, in 16 bits.
        assert_eq!(one(raw(6, 8, &[0xaa, 0x2a])), [0.984375, -0.984375]);
        let mu = 32_124.0 / 32_768.0;
        assert_eq!(
            one(raw(7, 8, &[0x80, 0x00, 0xff, 0xff])),
            [mu, -mu, 0.0, 0.0]
        );
        // 12 bits at the top of two bytes, 20 at the top of three.
        assert_eq!(
            one(raw(1, 12, &[0x00, 0x40, 0xf0, 0xff])),
            [0.5, -1.0 / 2048.0]
        );
        assert_eq!(
            one(raw(1, 20, &[0x00, 0x00, 0xc0, 0, 0, 0x20])),
            [-0.5, 0.25]
        );
    }

    #[test]
    fn chunks_of_odd_length_are_passed_with_and_without_padding() {
        let file = made(spec(1, 16, false), 10);
        for pad in [&b""[..], b"\0"] {
            let extra = [&file[..12], b"LIST\x03\0\0\0abc", pad, &file[12..]].concat();
            assert_eq!(open(&extra).unwrap().frames(), Some(10));
        }
    }

    #[test]
    fn headers_that_lie_are_refused_in_one_clear_line() {
        let good = made(spec(2, 16, false), 100);
        let with = |at: usize, bytes: &[u8]| {
            let mut file = good.clone();
            file[at..at + bytes.len()].copy_from_slice(bytes);
            open(&file).unwrap_err().to_string()
        };
        let cases = [
            (with(22, &[0, 0]), "0 channels"),
            (with(24, &[0; 4]), "0 Hz"),
            (with(40, &[0; 4]), "no samples"),
            (with(40, &[201, 0, 0, 0]), "promises 201 bytes"),
            (
                with(40, &[199, 0, 0, 0]),
                "199 bytes is no whole number of frames of 4",
            ),
            (with(0, b"RIFX"), "big-endian"),
            (with(0, b"fLaC"), "FLAC"),
            (with(0, b"\x01\x02zz"), r"begins with `\x01\x02zz`"),
            (with(8, b"AVI "), "of the kind `AVI `"),
            (with(20, &[2, 0]), "ADPCM"),
            (with(20, &[7, 0]), "16-bit A-law or mu-law"),
            (with(20, &[3, 0]), "16-bit float"),
            (with(34, &[20, 0]), "bits exceeds size"),
            (with(32, &[3, 0]), "3 bytes do not divide into 2"),
            (with(16, &[15, 0, 0, 0]), "15 bytes, 16 are needed"),
            (with(16, &[255; 4]), "claims 4294967295 bytes"),
            (with(12, b"junk"), "samples come before the format"),
            (with(36, b"junk"), "ends before the samples"),
        ];
        for (text, part) in cases {
            assert!(
                text.contains(part) && text.starts_with("x.wav: "),
                "{part}: {text}"
            );
            assert!(!text.contains('\n') && text.contains(';'), "{text}");
        }
        for (file, part) in [
            (&b""[..], "nothing at all"),
            (b"RIFF", "ends within its header"),
        ] {
            let text = open(file).unwrap_err().to_string();
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn no_header_makes_the_reader_panic_or_hang() {
        let kinds = [
            spec(2, 16, false),
            spec(3, 24, false),
            spec(1, 32, true),
            spec(1, 8, false),
        ];
        let mut state = 1u64;
        let mut random = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as usize
        };
        for kind in kinds {
            let good = made(kind, 60);
            let header = good.len() - 60 * usize::from(kind.bits_per_sample / 8);
            let try_out = |file: &[u8]| {
                let _ = open(file).map(|source| all(source, 16));
                let pipe = Box::new(Cursor::new(file.to_vec()));
                let _ = WavSource::new("pipe", pipe, None).map(|source| all(source, 16));
            };
            for at in 0..header {
                for byte in [0, 1, 2, 3, 0x7f, 0x80, 0xfe, 0xff] {
                    let mut file = good.clone();
                    file[at] = byte;
                    try_out(&file);
                }
                try_out(&good[..at]);
            }
            for _ in 0..2000 {
                let mut file = good.clone();
                for _ in 0..1 + random() % 5 {
                    file[random() % header] = random() as u8;
                }
                try_out(&file);
            }
        }
    }

    #[test]
    fn what_is_no_number_is_read_as_zero_and_counted() {
        let mut file = made(spec(2, 32, true), 20);
        let data = file.len() - 80;
        file[data + 4 * 7..][..4].copy_from_slice(&f32::NAN.to_le_bytes());
        file[data + 4 * 10..][..4].copy_from_slice(&f32::INFINITY.to_le_bytes());
        let mut source = open(&file).unwrap();
        let mut block = vec![vec![1.0f32; 4]; 2];
        while source.read(&mut block).unwrap() > 0 {
            assert!(block.iter().flatten().all(|v| v.is_finite()));
        }
        let replaced = Source::<f32>::replaced(&source);
        assert_eq!((replaced.count, replaced.first), (2, Some((3, 1))));
    }

    #[test]
    fn what_does_not_fit_into_a_header_is_refused() {
        let rate = SampleRate::new(4_000_000_000).unwrap();
        let spec = |channels, rate| Spec {
            rate,
            channels,
            format: SampleFormat::I24,
        };
        let sink = |spec, frames| {
            let path = Path::new("x.wav");
            WavSink::pipe(path, Box::new(io::sink()), spec, frames)
                .err()
                .map(|e| e.to_string())
        };
        assert!(sink(spec(2, rate), None).unwrap().contains("4000000000 Hz"));
        let rate = SampleRate::new(48_000).unwrap();
        assert!(
            sink(spec(30_000, rate), None)
                .unwrap()
                .contains("30000 channels")
        );
        assert!(
            sink(spec(2, rate), Some(720_000_000))
                .unwrap()
                .contains("4 GiB")
        );
        assert!(sink(spec(2, rate), Some(715_000_000)).is_none());
    }
}
