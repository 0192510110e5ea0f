//! The files of a measurement: all of them or none.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Args;
use crate::cli::Failure;
use crate::io::{PartFile, SampleFormat, Sink, Spec, WavSink};
use crate::run::measure::Measured;
use crate::signal::Audio;

/// Where the results go.
pub(super) struct Files {
    response: PathBuf,
    sweep: Option<PathBuf>,
    recording: Option<PathBuf>,
    report: Option<PathBuf>,
    replace: bool,
}

/// A file that is whole but has no name yet.
enum Ready {
    Sound(WavSink),
    Text(PartFile),
}

impl Files {
    /// Names for all, none of them taken.
    ///
    /// # Errors
    /// When a file exists and may not be replaced, two have one name, or a folder is missing.
    pub fn new(output: &Path, args: &Args) -> Result<Self, Failure> {
        let named = |name: &Option<PathBuf>, end: &str| {
            let beside = || (!args.ir_only).then(|| beside(output, end));
            name.clone().or_else(beside)
        };
        let files = Self {
            response: output.to_owned(),
            sweep: named(&args.sweep, "-sweep.wav"),
            recording: named(&args.recording, "-recording.wav"),
            report: named(&args.report, "-report.json"),
            replace: args.yes,
        };
        let names = files.names();
        for (k, name) in names.iter().enumerate() {
            // What cannot be taken back is no place for what is delivered whole or not at all.
            let other = fs::metadata(name).is_ok_and(|about| !about.is_file() && !about.is_dir());
            if other || *name == Path::new("-") {
                return Err(Failure::usage(format!(
                    "{}: is no file; a measurement is written to files only, name one (--json prints the report)",
                    name.display()
                )));
            }
            if names[..k].contains(name) {
                return Err(Failure::usage(format!(
                    "{}: is named twice; give each result its own file",
                    name.display()
                )));
            }
            // Told before a sound is made; nothing is left of it.
            drop(PartFile::create(name, args.yes)?);
        }
        Ok(files)
    }

    /// All names, in the order in which they are delivered: the response last, so that where it is
    /// the others are.
    fn names(&self) -> Vec<&Path> {
        let others = [&self.report, &self.recording, &self.sweep];
        let others = others.into_iter().flatten().map(PathBuf::as_path);
        others.chain([self.response.as_path()]).collect()
    }

    /// Writes all of them; those that were delivered are removed where a later one fails.
    ///
    /// # Errors
    /// When a medium fails or is full.
    pub fn write(&self, measured: &Measured, report: &Value) -> Result<(), Failure> {
        let mut ready: Vec<(&Path, Ready)> = Vec::new();
        if let Some(name) = &self.report {
            let mut file = PartFile::create(name, self.replace)?;
            file.write_all(format!("{report:#}\n").as_bytes())?;
            ready.push((name, Ready::Text(file)));
        }
        let sounds = [
            (self.recording.as_ref(), &measured.recorded),
            (self.sweep.as_ref(), &measured.sweep),
            (Some(&self.response), measured.ir.audio()),
        ];
        for (name, audio) in sounds {
            if let Some(name) = name {
                ready.push((name, Ready::Sound(sink(name, audio, self.replace)?)));
            }
        }
        let mut delivered: Vec<&Path> = Vec::new();
        for (name, file) in ready {
            let done = match file {
                Ready::Sound(sink) => Sink::<f32>::finish(sink),
                Ready::Text(file) => file.finish(),
            };
            if let Err(error) = done {
                for name in delivered {
                    // One that cannot be removed cannot be helped.
                    let _ = fs::remove_file(name);
                }
                return Err(error.into());
            }
            delivered.push(name);
        }
        Ok(())
    }
}

/// `room.wav` and `-sweep.wav` make `room-sweep.wav`.
fn beside(output: &Path, end: &str) -> PathBuf {
    let mut name = output
        .file_stem()
        .map_or_else(OsString::new, OsString::from);
    name.push(end);
    output.with_file_name(name)
}

fn sink(name: &Path, audio: &Audio<f32>, replace: bool) -> Result<WavSink, Failure> {
    let spec = Spec {
        rate: audio.rate(),
        channels: audio.channels().len(),
        format: SampleFormat::F32,
    };
    let frames = Some(audio.frames() as u64);
    let mut sink = WavSink::create(name, spec, frames, replace)?;
    sink.write(audio.channels())?;
    Ok(sink)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_others_are_named_after_the_response() {
        let name = |output: &str| beside(Path::new(output), "-sweep.wav");
        assert_eq!(name("room.wav"), Path::new("room-sweep.wav"));
        assert_eq!(name("a.b/c.d.wav"), Path::new("a.b/c.d-sweep.wav"));
        assert_eq!(name("room"), Path::new("room-sweep.wav"));
    }
}
