//! FLAC, Ogg Vorbis, MPEG audio, AAC, ALAC, AIFF, CAF, Matroska and ADPCM, through `symphonia`.
//!
//! Lossy codecs put frames before the sound and behind it. Where the file tells how many (a LAME
//! tag, Ogg's page positions, an edit list or iTunes' note in MP4, CAF's packet table), they are
//! taken away; where it does not, it is said.

mod about;
mod mp4;
mod ogg;
mod riff;

use std::fmt;
use std::io::{self, Cursor, ErrorKind, Read};
use std::path::Path;

use symphonia::core::audio::GenericAudioBufferRef;
use symphonia::core::codecs::audio::well_known::{
    CODEC_ID_AAC, CODEC_ID_ADPCM_IMA_QT, CODEC_ID_ADPCM_IMA_WAV, CODEC_ID_ADPCM_MS, CODEC_ID_ALAC,
    CODEC_ID_MP1, CODEC_ID_MP2, CODEC_ID_MP3, CODEC_ID_OPUS, CODEC_ID_VORBIS,
};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::well_known::{FORMAT_ID_ISOMP4, FORMAT_ID_MKV, FORMAT_ID_OGG};
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackType};
use symphonia::core::io::{MediaSource as Medium, MediaSourceStream, ReadOnlySource};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;
use symphonia::default;

use super::kind;
use super::open::Opened;
use super::{ReadError, Replaced, SampleFormat, Source, Spec, Tags, pcm};
use crate::signal::{Sample, SampleRate, SignalError};

/// A sound in any format but WAV, decoded from its start to its end in constant memory; only MP4,
/// CAF and Matroska from a pipe are kept whole.
pub struct MediaSource {
    name: String,
    spec: Spec,
    reader: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    /// Decoded frames that are not handed out yet, from `from` on.
    decoded: Vec<Vec<f64>>,
    from: usize,
    /// Frames at the start that are still to be left out.
    skip: u64,
    /// Frames in all, where the file tells.
    frames: Option<u64>,
    /// That number must be right.
    exact: bool,
    /// Frames by which a whole file may fall short of what it promises.
    slack: u64,
    /// The codec gives back every bit.
    lossless: bool,
    /// Where the pages of Ogg Vorbis lie.
    pages: Option<Pages>,
    /// Frames handed out.
    at: u64,
    replaced: Replaced,
    notes: Vec<String>,
    tags: Tags,
}

impl MediaSource {
    /// Opens a file; `-` is the standard input.
    ///
    /// # Errors
    /// When the file cannot be read, or is of no format or codec that is known.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        Self::from_opened(Opened::at(path, kind::LOOK)?)
    }

    pub(super) fn from_opened(opened: Opened) -> Result<Self, ReadError> {
        let name = opened.name.clone();
        let refuse = |error| ReadError::from_io(&name, error);
        let head = &opened.head;
        let jumps = head.get(4..8) == Some(b"ftyp")
            || head.starts_with(b"caff")
            || head.starts_with(b"\x1aE\xdf\xa3");
        let ogg = head.starts_with(b"OggS");
        let fact = riff::fact(&opened.head);
        let mut passed = None;
        let (edit, medium): (_, Box<dyn Medium>) = match opened.into_file() {
            Ok(mut file) if ogg => {
                passed = Some(ogg::Passed::at_end(&mut file).map_err(refuse)?);
                (None, Box::new(file))
            }
            Ok(mut file) => (mp4::edit(&mut file).map_err(refuse)?, Box::new(file)),
            Err(mut pipe) if jumps => {
                // What says where the sound lies may stand behind it, and a whole Matroska file is
                // told from a cut one by its length.
                let mut bytes = Vec::new();
                pipe.read_to_end(&mut bytes).map_err(refuse)?;
                let mut bytes = Cursor::new(bytes);
                (mp4::edit(&mut bytes).map_err(refuse)?, Box::new(bytes))
            }
            Err(pipe) if ogg => {
                let passed = passed.insert(ogg::Passed::default()).clone();
                let pipe = ogg::Watched { pipe, passed };
                (None, Box::new(ReadOnlySource::new(pipe)))
            }
            Err(pipe) => (None, Box::new(ReadOnlySource::new(pipe))),
        };
        let stream = MediaSourceStream::new(medium, Default::default());
        let (formats, metadata) = (FormatOptions::default(), MetadataOptions::default());
        let probed = default::get_probe().probe(&Hint::new(), stream, formats, metadata);
        let reader = probed.map_err(|error| broken(&name, 0, error))?;
        let Some(track) = reader.default_track(TrackType::Audio) else {
            return Err(ReadError::Empty { file: name });
        };
        let parameters = track.codec_params.as_ref().and_then(|all| all.audio());
        let Some(parameters) = parameters.cloned() else {
            return Err(ReadError::Empty { file: name });
        };
        let decoder = default::get_codecs()
            .make_audio_decoder(&parameters, &AudioDecoderOptions::default())
            .map_err(|error| match (parameters.codec, error) {
                (CODEC_ID_OPUS, _) => codec(&name, "Opus"),
                (CODEC_ID_AAC, Error::Unsupported(what)) => codec(
                    &name,
                    format!("AAC of another kind than LC in one or two channels ({what})"),
                ),
                (_, error) => broken(&name, 0, error),
            })?;
        let ogg = reader.format_info().format == FORMAT_ID_OGG;
        let pages = (ogg && parameters.codec == CODEC_ID_VORBIS).then(|| Pages {
            next: None,
            end: track.num_frames.and_then(|end| i64::try_from(end).ok()),
            passed,
        });
        let mut ends = Ends::of(track, &parameters, edit, &*reader);
        if !ends.exact {
            ends.frames = ends.frames.into_iter().chain(fact).min();
        }
        let mut source = Self {
            spec: Spec {
                rate: SampleRate::new(1).map_err(|error| no_rate(&name, error))?,
                channels: 1,
                format: SampleFormat::F32,
            },
            track: track.id,
            reader,
            decoder,
            decoded: Vec::new(),
            from: 0,
            skip: 0,
            frames: ends.frames,
            exact: ends.exact,
            // A packet of ALAC, the longest: CAF's table may count the last one as whole. An MP3's
            // tag counts right.
            slack: match parameters.codec {
                CODEC_ID_MP3 => 0,
                _ if ends.exact => 0,
                _ => 4096,
            },
            lossless: ends.exact || parameters.codec == CODEC_ID_ALAC,
            pages,
            at: 0,
            replaced: Replaced::default(),
            notes: Vec::new(),
            tags: Tags::default(),
            name,
        };
        // The first frames tell what the header may not.
        let Some(spec) = source.decode()? else {
            return Err(ReadError::Empty { file: source.name });
        };
        source.spec = spec;
        source.skip = ends.skip;
        let channels = source.decoder.last_decoded().spec().channels().clone();
        source.tags = about::tags(&mut *source.reader, parameters.codec, &channels);
        let note = ends.note.map(|note| note.in_words(&source.name, spec.rate));
        source.notes.extend(note);
        Ok(source)
    }

    /// Rate, channels and the format of WAV that comes nearest: as many bits for what is stored
    /// without loss, else `f32`.
    pub fn spec(&self) -> Spec {
        self.spec
    }

    /// What was assumed, for people.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Texts and speaker positions, where the file tells them.
    pub fn tags(&self) -> &Tags {
        &self.tags
    }

    /// Length in frames, where it is known for certain.
    pub fn frames(&self) -> Option<u64> {
        self.frames.filter(|_| self.exact)
    }

    /// Decodes the next packet that gives frames, in place of those that were handed out; none at
    /// the end.
    fn decode(&mut self) -> Result<Option<Spec>, ReadError> {
        loop {
            let packet = match self.reader.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => return Ok(None),
                Err(error) => return Err(self.broken(error)),
            };
            if packet.track_id != self.track {
                continue;
            }
            let lost = self.pages.as_mut().map_or(0, |pages| pages.take(&packet));
            self.refuse_lost(lost)?;
            let buffer = match self.decoder.decode(&packet) {
                Ok(buffer) => buffer,
                Err(error) => return Err(broken(&self.name, self.at, error)),
            };
            if buffer.frames() == 0 {
                continue;
            }
            self.from = 0;
            buffer.copy_to_vecs_planar(&mut self.decoded);
            let rate = SampleRate::new(buffer.spec().rate());
            let (channels, room) = (buffer.num_planes(), room(&buffer));
            // Lossy decoders give floats because it is convenient.
            let float = match buffer {
                GenericAudioBufferRef::F64(_) if self.lossless => SampleFormat::F64,
                _ => SampleFormat::F32,
            };
            let bits = bits(self.decoder.codec_params());
            return Ok(Some(Spec {
                rate: rate.map_err(|error| no_rate(&self.name, error))?,
                channels,
                format: room.filter(|_| self.lossless).map_or(float, |room| {
                    integer(bits.map_or(room, |bits| bits.min(room)))
                }),
            }));
        }
    }

    fn refuse_lost(&self, lost: i64) -> Result<(), ReadError> {
        let cause = match lost {
            Pages::LEAST.. => format!("pages that hold {lost} frames are lost or spoiled"),
            i64::MIN..=Pages::LESS => "pages are out of order".to_owned(),
            _ => return Ok(()),
        };
        let (file, frame) = (self.name.clone(), self.at);
        Err(ReadError::Decode { file, frame, cause })
    }

    fn broken(&self, error: Error) -> ReadError {
        broken(&self.name, self.at, error)
    }

    /// Frames that are decoded and may be handed out; 0 at the end.
    fn ready(&mut self) -> Result<usize, ReadError> {
        loop {
            let have = self.decoded.first().map_or(0, Vec::len) - self.from;
            let skip = self.skip.min(have as u64);
            self.skip -= skip;
            self.from += skip as usize;
            let left = self
                .frames
                .map_or(u64::MAX, |frames| frames.saturating_sub(self.at));
            let ready = left.min(have as u64 - skip) as usize;
            if ready > 0 || left == 0 {
                return Ok(ready);
            }
            match self.decode()? {
                Some(spec)
                    if (spec.rate, spec.channels) != (self.spec.rate, self.spec.channels) =>
                {
                    let cause = format!(
                        "{} and {} ch become {} and {} ch",
                        self.spec.rate, self.spec.channels, spec.rate, spec.channels
                    );
                    let (file, frame) = (self.name.clone(), self.at);
                    return Err(ReadError::Decode { file, frame, cause });
                }
                Some(_) => {}
                None => return self.end(),
            }
        }
    }

    fn end(&mut self) -> Result<usize, ReadError> {
        self.refuse_lost(
            self.pages
                .as_ref()
                .map_or(0, |pages| pages.left(self.track)),
        )?;
        match self.frames {
            Some(promised) if promised > self.at + self.slack => Err(ReadError::Short {
                file: self.name.clone(),
                promised,
                found: self.at,
            }),
            _ => Ok(0),
        }
    }
}

/// Where the packets of Ogg Vorbis lie, by the positions that its pages tell. A page that is lost
/// or spoiled is passed over in silence, but those behind it do not move.
struct Pages {
    /// Where the next packet begins; none before the first.
    next: Option<i64>,
    /// Where the last one ends, if that is known beforehand.
    end: Option<i64>,
    /// What tells it also where a page before it is spoiled, or in a pipe.
    passed: Option<ogg::Passed>,
}

impl Pages {
    /// The fewest frames of a packet: what differs by less is a matter of rounding.
    const LEAST: i64 = 32;
    const LESS: i64 = -Self::LEAST;

    /// Frames that are missing before this packet; below 0 where it comes too early.
    fn take(&mut self, packet: &Packet) -> i64 {
        let at = packet.pts.get();
        let frames = packet.trim_start.get().saturating_add(packet.dur.get());
        let next = at.saturating_add_unsigned(frames);
        at.saturating_sub(self.next.replace(next).unwrap_or(at))
    }

    /// Frames that are missing at the end.
    fn left(&self, serial: u32) -> i64 {
        let passed = || self.passed.as_ref()?.end(serial);
        match (passed().or(self.end), self.next) {
            (Some(end), Some(next)) => end.saturating_sub(next).max(0),
            _ => 0,
        }
    }
}

/// Frames that encoders of AAC put before the sound.
const AAC: (usize, usize) = (1024, 2112);

/// Where the sound begins and ends within what is decoded.
struct Ends {
    skip: u64,
    frames: Option<u64>,
    exact: bool,
    /// What is to be said where that is not known.
    note: Option<Note>,
}

/// Why it is not known where the sound begins or ends.
struct Note {
    why: &'static str,
    /// How many frames usually come before the sound then, at least and at most.
    usual: (usize, usize),
}

impl Note {
    fn in_words(&self, name: &str, rate: SampleRate) -> String {
        let Self { why, usual } = self;
        let (least, most) = *usual;
        if most == 0 {
            return format!("{name}: {why}; frames that were put behind it are kept");
        }
        let ms = 1e3 * rate.seconds(most);
        let (frames, up_to) = match least == most {
            true => (format!("{most} frames"), ""),
            false => (format!("{least} to {most} frames"), "up to "),
        };
        format!(
            "{name}: {why}; such files begin with {frames} ({up_to}{ms:.0} ms) that were put before the sound, and end with some behind it; they are kept"
        )
    }
}

impl Ends {
    fn of(
        track: &Track,
        parameters: &AudioCodecParameters,
        edit: Option<mp4::Edit>,
        reader: &dyn FormatReader,
    ) -> Self {
        let mut ends = Self {
            skip: 0,
            frames: None,
            exact: false,
            note: None,
        };
        let say = |why, usual| Some(Note { why, usual });
        let container = reader.format_info().format;
        match parameters.codec {
            // These decoders take the frames away themselves.
            CODEC_ID_VORBIS if container == FORMAT_ID_MKV => {
                ends.note = say(
                    "Vorbis in Matroska does not tell where the sound ends",
                    (0, 0),
                );
            }
            CODEC_ID_VORBIS => {}
            CODEC_ID_MP1 | CODEC_ID_MP2 => {
                // The filter bank's, there and back.
                ends.note = say(
                    "MPEG audio of layers I and II does not tell its encoder's delay",
                    (481, 481),
                );
            }
            CODEC_ID_MP3 => match track.delay {
                Some(_) => ends.frames = track.num_frames,
                None => {
                    ends.note = say(
                        "an MP3 without a LAME tag does not tell its encoder's delay",
                        (529, 1681),
                    );
                }
            },
            CODEC_ID_AAC | CODEC_ID_ALAC if container == FORMAT_ID_ISOMP4 => match edit {
                Some(edit) => {
                    let decoded = track.num_frames.map(|all| all.saturating_sub(edit.skip));
                    ends.skip = edit.skip;
                    ends.frames = edit.frames.into_iter().chain(decoded).min();
                }
                None if parameters.codec == CODEC_ID_ALAC => ends.frames = track.num_frames,
                None => {
                    ends.note = say(
                        "an AAC file without an edit list does not tell its encoder's delay",
                        AAC,
                    );
                }
            },
            CODEC_ID_AAC => match track.delay {
                Some(delay) => {
                    ends.skip = delay.into();
                    ends.frames = track.num_frames;
                }
                None if container == FORMAT_ID_MKV => {
                    let why = "AAC in Matroska does not tell its encoder's delay to the frame";
                    ends.note = say(why, AAC);
                }
                None => ends.note = say("raw AAC does not tell its encoder's delay", AAC),
            },
            // The last block of ADPCM is filled up, and what tells so may be missing.
            CODEC_ID_ADPCM_MS | CODEC_ID_ADPCM_IMA_WAV | CODEC_ID_ADPCM_IMA_QT => {
                ends.frames = track.num_frames;
            }
            codec => {
                ends.skip = track.delay.map_or(0, u64::from);
                ends.frames = track.num_frames;
                // The last packet of ALAC may be shorter than CAF's table has it.
                ends.exact = codec != CODEC_ID_ALAC;
            }
        }
        ends
    }
}

/// Bits of the integers that were decoded; none for floats.
fn room(buffer: &GenericAudioBufferRef<'_>) -> Option<u32> {
    use GenericAudioBufferRef::{F32, F64, S8, S16, S24, U8, U16, U24};
    Some(match buffer {
        F32(_) | F64(_) => return None,
        U8(_) | S8(_) => 8,
        U16(_) | S16(_) => 16,
        U24(_) | S24(_) => 24,
        _ => 32,
    })
}

/// Bits of a sample before it was coded, where that is told.
fn bits(parameters: &AudioCodecParameters) -> Option<u32> {
    // ALAC's own header, which may stand behind two boxes of 12 bytes, has them in its sixth byte.
    let header = parameters
        .extra_data
        .as_deref()
        .map(|data| match data.get(4..8) {
            Some(b"frma") => data.get(24..).unwrap_or_default(),
            _ => data,
        });
    let bits = match (parameters.codec, header) {
        (CODEC_ID_ALAC, Some(header)) => header.get(5).map(|&bits| bits.into()),
        _ => parameters.bits_per_sample,
    };
    bits.filter(|&bits| bits > 0)
}

/// The format of WAV that holds so many bits.
fn integer(bits: u32) -> SampleFormat {
    match bits {
        0..=8 => SampleFormat::U8,
        9..=16 => SampleFormat::I16,
        17..=24 => SampleFormat::I24,
        _ => SampleFormat::I32,
    }
}

fn codec(name: &str, what: impl Into<String>) -> ReadError {
    ReadError::Codec {
        file: name.to_owned(),
        what: what.into(),
    }
}

fn no_rate(name: &str, error: SignalError) -> ReadError {
    ReadError::Response {
        file: name.to_owned(),
        why: error.to_string(),
    }
}

fn broken(name: &str, frame: u64, error: Error) -> ReadError {
    let cause = match error {
        Error::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            "the file ends too early".to_owned()
        }
        Error::IoError(error) if error.kind() != io::ErrorKind::Other => {
            return ReadError::from_io(name, error);
        }
        // A file that was cut before its index.
        Error::Unsupported(what) if what.contains("missing") => {
            "the file ends too early".to_owned()
        }
        Error::Unsupported(what) => {
            return codec(name, format!("a kind of sound or container ({what})"));
        }
        Error::ResetRequired => "its format changes there".to_owned(),
        other => other.to_string(),
    };
    ReadError::Decode {
        file: name.to_owned(),
        frame,
        cause,
    }
}

impl fmt::Debug for MediaSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("MediaSource");
        fields.field("name", &self.name).field("spec", &self.spec);
        fields.field("at", &self.at).finish_non_exhaustive()
    }
}

impl<T: Sample> Source<T> for MediaSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn spec(&self) -> Spec {
        self.spec
    }

    fn frames(&self) -> Option<u64> {
        MediaSource::frames(self)
    }

    fn read(&mut self, block: &mut [Vec<T>]) -> Result<usize, ReadError> {
        let room = block.first().map_or(0, Vec::len);
        let mut done = 0;
        while done < room {
            let ready = self.ready()?.min(room - done);
            if ready == 0 {
                break;
            }
            for (to, from) in block.iter_mut().zip(&self.decoded) {
                let from = &from[self.from..self.from + ready];
                for (to, &from) in to[done..].iter_mut().zip(from) {
                    *to = T::of(from);
                }
            }
            let at = done..done + ready;
            if self.spec.format == SampleFormat::F32 {
                pcm::replace_nonfinite(block, at, self.at, &mut self.replaced);
            }
            self.from += ready;
            self.at += ready as u64;
            done += ready;
        }
        Ok(done)
    }

    fn replaced(&self) -> Replaced {
        self.replaced
    }
}
