//! FLAC, through `flac_codec`, which codes the frames and writes the header; what the header tells
//! of the whole is gathered here, so that a pipe gets the same frames as a file.

use std::io::{self, Write};
use std::num::NonZero;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use flac_codec::encode::{FlacStreamWriter, Options};
use flac_codec::metadata::{BlockList, Padding, Streaminfo, VorbisComment, write_blocks};

use super::medium::{Medium, usual_answers};
use super::pcm::Encoder;
use super::{Container, SampleFormat, Sink, Spec, Tags, WriteError, vorbis};
use crate::signal::Sample;

/// Frames (of samples) that are coded together.
const BLOCK: u16 = 4096;
/// Bytes left free behind the texts, so that others can add to them without writing all anew.
const PADDING: u16 = 4096;
/// The most channels.
const CHANNELS: usize = 8;
/// The number of frames is told in 36 bits.
const MOST_FRAMES: u64 = (1 << 36) - 1;

/// A FLAC file in the making, or a pipe that carries one.
pub struct FlacSink {
    text: String,
    spec: Spec,
    medium: Medium,
    encoder: Encoder,
    bytes: Vec<u8>,
    /// Interleaved samples that do not fill a block yet.
    waiting: Vec<i32>,
    coder: FlacStreamWriter<Coded>,
    coded: Coded,
    head: BlockList,
    digest: md5::Context,
    /// Frames coded.
    frames: u64,
    /// The shortest and the longest block when coded, in bytes.
    sizes: Option<(u32, u32)>,
}

impl FlacSink {
    /// Begins the file at `path`, which appears when the sink is finished. `-` is the standard
    /// output; the header tells it the length if `frames` is known, and no checksum.
    ///
    /// # Errors
    /// When the file exists and `replace` is not set, its folder is missing or closed, or FLAC has
    /// no such rate, channels or format.
    pub fn create(
        path: &Path,
        spec: Spec,
        frames: Option<u64>,
        tags: &Tags,
        replace: bool,
    ) -> Result<Self, WriteError> {
        let head = head(path, spec, tags)?;
        Self::new(Medium::create(path, replace)?, spec, frames, head)
    }

    /// Writes to anything that cannot be taken back.
    ///
    /// # Errors
    /// When the medium fails, or FLAC has no such rate, channels or format.
    pub fn pipe(
        name: &Path,
        writer: Box<dyn Write + Send>,
        spec: Spec,
        frames: Option<u64>,
        tags: &Tags,
    ) -> Result<Self, WriteError> {
        let head = head(name, spec, tags)?;
        Self::new(Medium::pipe(name, writer), spec, frames, head)
    }

    fn new(
        medium: Medium,
        spec: Spec,
        frames: Option<u64>,
        mut head: BlockList,
    ) -> Result<Self, WriteError> {
        head.streaminfo_mut().total_samples = frames
            .filter(|&frames| frames <= MOST_FRAMES)
            .and_then(NonZero::new);
        let coded = Coded::default();
        let mut sink = Self {
            text: medium.name().display().to_string(),
            spec,
            medium,
            encoder: Encoder::new(spec.format, spec.channels),
            bytes: Vec::new(),
            waiting: Vec::new(),
            coder: FlacStreamWriter::new(coded.clone(), options()),
            coded,
            head,
            digest: md5::Context::new(),
            frames: 0,
            sizes: None,
        };
        let header = sink.header()?;
        sink.medium.write_all(&header)?;
        Ok(sink)
    }

    fn header(&self) -> Result<Vec<u8>, WriteError> {
        let mut bytes = Vec::new();
        let written = write_blocks(&mut bytes, self.head.blocks());
        written.map_err(|error| self.refuse(&error))?;
        Ok(bytes)
    }

    fn refuse(&self, error: &flac_codec::Error) -> WriteError {
        refuse(Path::new(&self.text), error.to_string())
    }

    /// Codes what waits, whole blocks only unless it is the end.
    fn code(&mut self, end: bool) -> Result<(), WriteError> {
        let block = usize::from(BLOCK) * self.spec.channels;
        let whole = self.waiting.len() - self.waiting.len() % block;
        let ready = if end { self.waiting.len() } else { whole };
        let (rate, channels) = (self.spec.rate.hz(), self.spec.channels as u8);
        let bits = bits(self.spec.format);
        for samples in self.waiting[..ready].chunks(block) {
            let coded = self.coder.write(rate, channels, bits, samples);
            coded.map_err(|error| self.refuse(&error))?;
            let mut bytes = self.coded.take();
            let size = bytes.len() as u32;
            let (least, most) = self.sizes.unwrap_or((size, size));
            self.sizes = Some((least.min(size), most.max(size)));
            self.frames += (samples.len() / self.spec.channels) as u64;
            self.medium.write_all(&bytes)?;
            bytes.clear();
            self.coded.give(bytes);
        }
        self.waiting.drain(..ready);
        Ok(())
    }
}

impl<T: Sample> Sink<T> for FlacSink {
    usual_answers!();

    fn write(&mut self, block: &[Vec<T>]) -> Result<(), WriteError> {
        self.encoder.encode(block, &mut self.bytes);
        let bytes = &mut self.bytes;
        match self.spec.format.bytes() {
            1 => {
                // FLAC's are signed.
                bytes.iter_mut().for_each(|byte| *byte ^= 0x80);
                self.waiting
                    .extend(bytes.iter().map(|&byte| i32::from(byte as i8)));
            }
            2 => {
                let (samples, _) = bytes.as_chunks::<2>();
                let wide = samples
                    .iter()
                    .map(|&raw| i32::from(i16::from_le_bytes(raw)));
                self.waiting.extend(wide);
            }
            _ => {
                let (samples, _) = bytes.as_chunks::<3>();
                let wide = |&[a, b, c]: &[u8; 3]| i32::from_le_bytes([0, a, b, c]) >> 8;
                self.waiting.extend(samples.iter().map(wide));
            }
        }
        self.digest.consume(bytes);
        self.code(false)
    }

    fn finish(mut self) -> Result<(), WriteError> {
        self.code(true)?;
        let about = self.head.streaminfo_mut();
        about.total_samples = NonZero::new(self.frames).filter(|all| all.get() <= MOST_FRAMES);
        about.md5 = Some(self.digest.clone().finalize().0);
        // Told in 24 bits.
        let told = |size: u32| NonZero::new(size).filter(|size| size.get() < 1 << 24);
        about.minimum_frame_size = self.sizes.and_then(|(least, _)| told(least));
        about.maximum_frame_size = self.sizes.and_then(|(_, most)| told(most));
        let header = self.header()?;
        self.medium.finish(&header)
    }
}

/// Searches that pay: trying all ways to join two channels takes half as long again for files that
/// are smaller by some thousandths.
fn options() -> Options {
    Options::default().fast_channel_correlation(true)
}

fn bits(format: SampleFormat) -> u32 {
    8 * format.bytes() as u32
}

/// The blocks before the first frame; refuses what FLAC does not have.
fn head(path: &Path, spec: Spec, tags: &Tags) -> Result<BlockList, WriteError> {
    let hz = spec.rate.hz();
    let format = spec.format;
    let refused = |what: String, remedy: &str| Err(WriteError::refused(path, what, remedy));
    if !Container::Flac.holds(format) {
        let what = format!("FLAC holds integers of 8, 16 and 24 bits, and no {format}");
        return refused(what, "take --format i24, or write WAV");
    }
    if spec.channels > CHANNELS {
        let what = format!(
            "FLAC holds up to {CHANNELS} channels, and not {}",
            spec.channels
        );
        return refused(what, "write WAV");
    }
    if !(hz <= 65_535 || hz.is_multiple_of(10) && hz <= 655_350) {
        let what = format!(
            "FLAC tells rates up to 65535 Hz, and tens of Hz up to 655350 Hz, and not {hz} Hz"
        );
        return refused(what, "write WAV");
    }
    let channels = u8::try_from(spec.channels).ok().and_then(NonZero::new);
    let (Some(channels), Ok(bits_per_sample)) = (channels, bits(format).try_into()) else {
        return refused(
            format!("FLAC has no {} channels", spec.channels),
            "write WAV",
        );
    };
    let mut blocks = BlockList::new(Streaminfo {
        minimum_block_size: BLOCK,
        maximum_block_size: BLOCK,
        minimum_frame_size: None,
        maximum_frame_size: None,
        sample_rate: hz,
        channels,
        bits_per_sample,
        total_samples: None,
        md5: None,
    });
    let mut comment = VorbisComment::default();
    for (field, text) in vorbis::comments(tags, spec.channels) {
        comment.insert(&field, text);
    }
    blocks.insert(comment);
    let size = PADDING.into();
    blocks.insert(Padding { size });
    Ok(blocks)
}

fn refuse(path: &Path, what: String) -> WriteError {
    WriteError::refused(path, format!("FLAC cannot be coded: {what}"), "write WAV")
}

/// Where the coder puts a block, to be fetched from there.
#[derive(Debug, Clone, Default)]
struct Coded(Arc<Mutex<Vec<u8>>>);

impl Coded {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Hands empty space back, to be used again.
    fn give(&self, empty: Vec<u8>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = empty;
    }
}

impl Write for Coded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
