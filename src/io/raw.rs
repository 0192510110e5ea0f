//! Samples without a header: what is not in the file is written behind its name.

use std::fmt;
use std::io::BufReader;
use std::path::Path;

use super::body::{Body, Cut, usual_answers};
use super::name::{Given, Options};
use super::open::Opened;
use super::pcm::Layout;
use super::{ReadError, SampleFormat, Source, Spec, Tags};
use crate::signal::Sample;

/// The format that an extension stands for: rePhase's and most others' names for floats, sox's
/// for integers.
pub(super) fn format_of(file: &Path) -> Option<SampleFormat> {
    let extension = file.extension()?.to_str()?.to_ascii_lowercase();
    Some(match extension.as_str() {
        "f32" => SampleFormat::F32,
        "f64" | "dbl" => SampleFormat::F64,
        "s16" => SampleFormat::I16,
        "s24" => SampleFormat::I24,
        "s32" => SampleFormat::I32,
        _ => return None,
    })
}

/// How the samples are stored: as it was written, or else as the extension says.
pub(super) fn layout(file: &Path, options: &Options) -> Option<Layout> {
    let usual = || format_of(file).map(Layout::Plain);
    options.encoding().or_else(usual)
}

fn in_words(layout: Layout) -> &'static str {
    match layout {
        Layout::Plain(SampleFormat::U8) => "unsigned 8-bit integers",
        Layout::Plain(SampleFormat::I16) => "16-bit integers",
        Layout::Plain(SampleFormat::I24) => "24-bit integers",
        Layout::Plain(SampleFormat::I32) | Layout::Low24In32 => "32-bit integers",
        Layout::Plain(SampleFormat::F32) => "32-bit floats",
        Layout::Plain(SampleFormat::F64) => "64-bit floats",
        Layout::ALaw => "A-law",
        Layout::MuLaw => "mu-law",
    }
}

/// Bare samples, interleaved if there are several channels: a file or a pipe, read from its start
/// to its end.
pub struct RawSource {
    name: String,
    spec: Spec,
    layout: Layout,
    body: Body,
    /// It has none, and whoever asks gets these.
    tags: Tags,
    notes: Vec<String>,
}

impl RawSource {
    pub(super) fn from_opened(
        opened: Opened,
        layout: Option<Layout>,
        options: &Options,
    ) -> Result<Self, ReadError> {
        let (name, size) = (opened.name.clone(), opened.size);
        let takes = |given| {
            matches!(
                given,
                Given::Rate(_) | Given::Channels(_) | Given::Encoding(_) | Given::BigEndian
            )
        };
        options.only(&name, "raw samples", takes)?;
        let Some(layout) = layout else {
            return Err(ReadError::refused(
                &name,
                "raw samples tell no encoding",
                format!(
                    "write it and the rate behind the name, such as {name}@i16,48k, or convert it to WAV first"
                ),
            ));
        };
        let Some(rate) = options.rate() else {
            return Err(ReadError::refused(
                &name,
                "raw samples tell no rate",
                format!(
                    "write it behind the name, such as {name}@48k, or @48k,2ch for two channels"
                ),
            ));
        };
        let channels = options.channels().unwrap_or(1);
        if opened.head.is_empty() {
            return Err(ReadError::Empty { file: name });
        }
        let frame = channels * layout.bytes();
        if let Some(bytes) = size.filter(|bytes| !bytes.is_multiple_of(frame as u64)) {
            return Err(no_whole_frames(&name, bytes, layout, channels));
        }
        let order = match options.big_endian() {
            _ if layout.bytes() == 1 => "",
            true => ", big-endian",
            false => ", little-endian",
        };
        let taken_as = format!(
            "taken as {}{order}, {channels} ch, {rate}",
            in_words(layout)
        );
        let reader = BufReader::with_capacity(1 << 16, opened.into_reader());
        Ok(Self {
            spec: Spec {
                rate,
                channels,
                format: layout.format(),
            },
            layout,
            body: Body::new(reader, layout, channels, size).big_endian(options.big_endian()),
            tags: Tags::default(),
            notes: vec![format!("{name}: {taken_as}")],
            name,
        })
    }

    /// Rate, channels and format.
    pub fn spec(&self) -> Spec {
        self.spec
    }

    /// Length in frames; not known of a pipe.
    pub fn frames(&self) -> Option<u64> {
        self.body.frames()
    }

    /// Nothing: there is no place for it.
    pub fn tags(&self) -> &Tags {
        &self.tags
    }

    /// What was assumed, for people.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The same of all files that are taken alike.
    #[cfg(feature = "batch")]
    pub(crate) fn taken_as(&self) -> &str {
        let note = self.notes[0].strip_prefix(&self.name);
        note.map_or("", |note| note.trim_start_matches(": "))
    }
}

fn no_whole_frames(file: &str, bytes: u64, layout: Layout, channels: usize) -> ReadError {
    ReadError::refused(
        file,
        format!(
            "its {bytes} bytes are no whole number of frames of {} bytes ({channels} ch, {})",
            channels * layout.bytes(),
            in_words(layout),
        ),
        "name the encoding and the channels that it has, such as @48k,f64,2ch",
    )
}

impl fmt::Debug for RawSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("RawSource");
        fields.field("name", &self.name).field("spec", &self.spec);
        fields.field("at", &self.body.at()).finish_non_exhaustive()
    }
}

impl<T: Sample> Source<T> for RawSource {
    usual_answers!();

    fn read(&mut self, block: &mut [Vec<T>]) -> Result<usize, ReadError> {
        self.body.read(block).map_err(|cut| match cut {
            Cut::Io(error) => ReadError::from_io(&self.name, error),
            Cut::Short { promised, found } if self.frames().is_some() => ReadError::refused(
                &self.name,
                format!("had {promised} bytes when it was opened, and ends after {found}"),
                "wait until nobody writes to it, or get a whole copy",
            ),
            Cut::Short { found, .. } => {
                no_whole_frames(&self.name, found, self.layout, self.spec.channels)
            }
        })
    }
}
