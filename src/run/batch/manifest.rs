//! What became of each file, a JSON object on a line, valid at any moment.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::BatchError;
use super::draw::Fnv;
use super::find::{slashed, with_slashes};
use super::stamp::Key;
use crate::run::augment::{Done, Noise};
use crate::signal::SampleRate;

/// What became of one file.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Record {
    /// Its id, or its path from the folder that was named; for people, where that is no text.
    pub id: String,
    /// Path of the sound, for people.
    pub input: String,
    /// Its response, as it was given or found.
    pub ir: String,
    /// The result's path from the folder of the results.
    pub out: PathBuf,
    /// What was made, or why it was not.
    pub result: Result<Box<Made>, String>,
    /// Time taken.
    pub elapsed: Duration,
    /// Changes with everything that settles the result.
    pub key: String,
    /// It failed where a file lies that was not to be replaced.
    pub kept: bool,
    /// It failed, and a file of its name is there all the same, from before.
    pub older: bool,
}

/// A result.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Made {
    /// Channels of the sound.
    pub inputs: usize,
    /// Channels of the result.
    pub outputs: usize,
    /// Size of the result's file.
    pub bytes: u64,
    /// The result of the early part, from the folder of the results.
    pub early: Option<String>,
    /// Size of its file; 0 where there is none.
    pub early_bytes: u64,
    /// The noise that was added.
    pub noise: Option<Noise>,
    /// The rate of the response, where it was another.
    pub resampled_from: Option<SampleRate>,
    /// Frame of the response's direct sound, with its fraction.
    pub onset: Option<f64>,
    /// What was assumed when the sound was read.
    pub notes: Vec<String>,
    /// The rest.
    pub done: Done,
}

impl Made {
    /// Seconds of the sound that was heard.
    pub fn seconds_in(&self) -> f64 {
        self.done
            .report
            .rate
            .seconds(self.done.report.frames_in as usize)
    }
}

/// JSON has no infinity.
fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

impl Record {
    /// As it stands in the manifest.
    pub fn json(&self) -> Value {
        let out = slashed(&self.out);
        let mut json = match &self.result {
            Err(why) => json!({
                "id": self.id,
                "status": "error",
                "input": self.input,
                "ir": self.ir,
                "out": out.to_string_lossy(),
                "error": why,
                "older": self.older,
            }),
            Ok(made) => self.made(made),
        };
        if out.to_str().is_none() {
            json["out_bytes"] = json!(hex(out.as_encoded_bytes()));
        }
        if self.kept {
            json["kept"] = json!(true);
        }
        json["elapsed"] = json!(self.elapsed.as_secs_f64());
        json["version"] = json!(VERSION);
        json["key"] = json!(self.key);
        json
    }

    fn made(&self, made: &Made) -> Value {
        let done = &made.done;
        let (report, levels) = (&done.report, &done.report.levels);
        json!({
            "id": self.id,
            "status": "ok",
            "input": self.input,
            "ir": self.ir,
            "out": with_slashes(&self.out),
            "rate": report.rate.hz(),
            "channels_in": made.inputs,
            "channels": made.outputs,
            "format": done.format.to_string(),
            "frames_in": report.frames_in,
            "frames_out": report.frames_out,
            "seconds": report.rate.seconds(report.frames_out as usize),
            "bytes": made.bytes,
            "gain_db": finite(report.gain_db),
            "level_db": finite(done.level_db),
            "onset": made.onset,
            "shift": done.shift,
            "fraction": done.fraction,
            "peak": finite(levels.peak()),
            "peak_db": finite(20.0 * levels.peak().log10()),
            "clipped": levels.clipped,
            "dithered": levels.dithered,
            "nonfinite": report.replaced.count,
            "noise": made.noise.as_ref().map(|noise| json!({
                "file": noise.file.to_string_lossy(),
                "place": noise.place,
                "resampled_from": done.noise_resampled_from.map(SampleRate::hz),
                "averaged_from": done.noise_averaged_from,
                "snr_db": done.snr_db.and_then(finite),
                "gain_db": done.noise_gain_db.and_then(finite),
            })),
            "early": made.early.as_ref().map(|out| json!({
                "out": out,
                "bytes": made.early_bytes,
                "frames": done.early.as_ref().map(|early| early.frames_out),
                "clipped": done.early.as_ref().map(|early| early.levels.clipped),
            })),
            "resampled_from": made.resampled_from.map(SampleRate::hz),
            "notes": made.notes,
        })
    }
}

pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Of an earlier run, what is needed to know whether a result is still right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Before {
    pub key: Key,
    /// Made by this version of the program.
    pub this_version: bool,
    /// Size of the result's file; none where there was no result.
    pub bytes: Option<u64>,
    /// Size of the early part's file, where there is one.
    pub early: Option<u64>,
    /// It failed, for what lay there was not to be replaced.
    pub kept: bool,
}

/// What an earlier run tells.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// The last of each result, by the hash of its name.
    last: HashMap<u64, Before>,
    /// Whether there is a manifest of a run that did not come to its end: results may be there of
    /// which it had no time to tell.
    pub unfinished: bool,
    /// Whether there is a manifest.
    pub exists: bool,
}

/// Bytes in which a manifest shows that it is one.
const SIGHT: u64 = 1 << 20;

/// Whether a file may be taken for a manifest: it is empty, holds a record, or the beginning of
/// the first one.
pub(super) fn is_manifest(path: &Path) -> Result<bool, BatchError> {
    let refuse = BatchError::manifest(path);
    let file = File::open(path).map_err(&refuse)?;
    let (mut reader, mut line) = (BufReader::new(file.take(SIGHT)), Vec::new());
    let mut first = true;
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line).map_err(&refuse)?;
        if read == 0 {
            return Ok(first);
        }
        if line.ends_with(b"\n") {
            if parse(&line).is_some() {
                return Ok(true);
            }
        } else if first {
            // A run that was killed while it wrote.
            let whole = serde_json::from_slice::<Value>(&line).is_ok();
            let begin = b"{\"id\":";
            let ours = line.starts_with(begin) || begin.starts_with(&line);
            return Ok(ours && !whole);
        }
        first = false;
    }
}

impl Past {
    /// Reads a manifest, if there is one; what is no record, such as the last line of a run that
    /// was killed, is passed over.
    pub fn read(path: &Path) -> Result<Self, BatchError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(BatchError::manifest(path)(error)),
        };
        let (mut reader, mut line) = (BufReader::new(file), Vec::new());
        let mut past = Self {
            last: HashMap::new(),
            unfinished: true,
            exists: true,
        };
        loop {
            line.clear();
            let read = reader.read_until(b'\n', &mut line);
            if read.map_err(BatchError::manifest(path))? == 0 {
                return Ok(past);
            }
            // Without its end a line is torn, and will be cut off.
            match line.ends_with(b"\n").then(|| parse(&line)).flatten() {
                Some((out, before, left)) => {
                    past.last.insert(out, before);
                    past.unfinished = left != Some(0);
                }
                None => past.unfinished = true,
            }
        }
    }

    pub fn of(&self, out: impl AsRef<Path>) -> Option<&Before> {
        let out = slashed(out.as_ref());
        self.last.get(&hash(out.as_encoded_bytes()))
    }
}

fn hash(out: &[u8]) -> u64 {
    Fnv::new().with(out).value()
}

/// The bytes of a name that is no text.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let byte = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    pairs.iter().map(byte).collect()
}

/// The hash of a result's name, what is told of it, and how many were left then.
fn parse(line: &[u8]) -> Option<(u64, Before, Option<u64>)> {
    let json: Value = serde_json::from_slice(line).ok()?;
    let out = match &json["out_bytes"] {
        Value::String(bytes) => hash(&from_hex(bytes)?),
        _ => hash(json["out"].as_str()?.as_bytes()),
    };
    let before = Before {
        key: Key::parse(json["key"].as_str()?)?,
        this_version: json["version"].as_str() == Some(VERSION),
        bytes: match json["status"].as_str()? {
            "ok" => Some(json["bytes"].as_u64()?),
            _ => None,
        },
        early: json["early"]["bytes"].as_u64(),
        kept: json["kept"].as_bool() == Some(true),
    };
    Some((out, before, json["left"].as_u64()))
}

/// The manifest while it is written.
#[derive(Debug)]
pub(super) struct Manifest {
    file: File,
    line: Vec<u8>,
    /// Bytes of the lines that are whole.
    whole: u64,
    /// Whether a line is missing.
    broken: bool,
}

impl Manifest {
    /// Opens it to go on with it, or empties it first. Nobody else may be writing it.
    pub fn open(path: &Path, go_on: bool) -> Result<Self, BatchError> {
        let refuse = BatchError::manifest(path);
        let opened = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path);
        let mut file = opened.map_err(&refuse)?;
        // A file system without locks does without this help.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(BatchError::ManifestBusy {
                file: path.to_owned(),
            });
        }
        let whole = match go_on {
            true => whole_lines(&mut file).map_err(&refuse)?,
            false => 0,
        };
        file.set_len(whole).map_err(&refuse)?;
        Ok(Self {
            file,
            line: Vec::new(),
            whole,
            broken: false,
        })
    }

    /// Appends a line in one piece, or nothing; after one that is missing none follows, for by its count
    /// of what is left the run would seem to have come to its end.
    pub fn write(&mut self, record: &Value) -> std::io::Result<()> {
        if self.broken {
            return Err(std::io::Error::other("a line before this one is missing"));
        }
        self.line.clear();
        writeln!(self.line, "{record}")?;
        let written = self.file.write_all(&self.line);
        if written.is_ok() {
            self.whole += self.line.len() as u64;
        } else {
            self.broken = true;
            // A full disk may have taken its beginning. Where that stays, `--resume` cuts it off.
            let _ = self.file.set_len(self.whole);
        }
        written
    }
}

/// Bytes up to the end of the last whole line.
fn whole_lines(file: &mut File) -> std::io::Result<u64> {
    let mut end = file.seek(SeekFrom::End(0))?;
    let mut block = vec![0; 4096];
    while end > 0 {
        let start = end.saturating_sub(block.len() as u64);
        let block = &mut block[..(end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(block)?;
        if let Some(at) = block.iter().rposition(|&byte| byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("faltung-manifest-{name}-{}", std::process::id()))
    }

    fn failed(out: &str) -> Value {
        let key = Key {
            options: 1,
            ir: 2,
            input: 3,
            noise: 0,
        };
        let record = Record {
            id: "a".into(),
            input: "a.wav".into(),
            ir: "synth:room".into(),
            out: out.into(),
            result: Err("broken".into()),
            elapsed: Duration::ZERO,
            key: key.text(),
            kept: false,
            older: false,
        };
        record.json()
    }

    #[test]
    fn a_torn_last_line_is_passed_over_and_cut_off() {
        let path = path("torn");
        let mut manifest = Manifest::open(&path, false).unwrap();
        manifest.write(&failed("a.wav")).unwrap();
        manifest.write(&failed("b.wav")).unwrap();
        drop(manifest);
        let whole = fs::read(&path).unwrap();
        let first = whole.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        // Wherever a run was killed, what was whole stays, and what follows is whole.
        for cut in first..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let past = Past::read(&path).unwrap();
            assert!(past.of("a.wav").is_some(), "{cut}");
            assert!(past.of("b.wav").is_none(), "{cut}");
            Manifest::open(&path, true)
                .unwrap()
                .write(&failed("c.wav"))
                .unwrap();
            let text = fs::read_to_string(&path).unwrap();
            let lines: Vec<Value> = text
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect();
            let outs: Vec<_> = lines
                .iter()
                .map(|line| line["out"].as_str().unwrap())
                .collect();
            assert_eq!(outs, ["a.wav", "c.wav"], "{cut}");
        }
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn what_is_no_manifest_is_known() {
        let path = path("other");
        let mut manifest = Manifest::open(&path, false).unwrap();
        assert!(is_manifest(&path).unwrap());
        manifest.write(&failed("a.wav")).unwrap();
        drop(manifest);
        let whole = fs::read(&path).unwrap();
        for cut in [2, 10, whole.len() / 2, whole.len()] {
            fs::write(&path, &whole[..cut]).unwrap();
            assert!(is_manifest(&path).unwrap(), "{cut}");
        }
        let others: [&[u8]; 5] = [
            b"RIFF\x24\0\0\0WAVEfmt \n and more",
            b"RIFF",
            b"{\"path\": \"a.wav\"}\n",
            b"{\"id\":1}",
            b"\n",
        ];
        for other in others {
            fs::write(&path, other).unwrap();
            assert!(!is_manifest(&path).unwrap(), "{other:?}");
        }
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn whether_a_run_came_to_its_end_is_told_by_its_last_line() {
        let path = path("end");
        assert!(!Past::read(&path).unwrap().exists);
        let mut manifest = Manifest::open(&path, false).unwrap();
        assert!(Past::read(&path).unwrap().unfinished);
        for (left, unfinished) in [(1, true), (0, false)] {
            let mut line = failed("a.wav");
            line["left"] = json!(left);
            manifest.write(&line).unwrap();
            assert_eq!(Past::read(&path).unwrap().unfinished, unfinished, "{left}");
        }
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn the_last_line_of_a_result_counts() {
        let path = path("last");
        let mut manifest = Manifest::open(&path, false).unwrap();
        manifest.write(&failed("a.wav")).unwrap();
        let mut made = failed("a.wav");
        made["status"] = json!("ok");
        made["bytes"] = json!(77);
        manifest.write(&made).unwrap();
        let past = Past::read(&path).unwrap();
        let before = past.of("a.wav").unwrap();
        assert_eq!((before.bytes, before.this_version), (Some(77), true));
        assert!(past.of("b.wav").is_none());
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn after_a_line_that_is_missing_none_follows() {
        let path = path("missing");
        let mut manifest = Manifest::open(&path, false).unwrap();
        manifest.write(&failed("a.wav")).unwrap();
        let whole = fs::read(&path).unwrap();
        // One that cannot be written to, as on a full disk, until there is room again.
        let closed = File::open(&path).unwrap();
        let open = std::mem::replace(&mut manifest.file, closed);
        assert!(manifest.write(&failed("b.wav")).is_err());
        manifest.file = open;
        assert!(manifest.write(&failed("c.wav")).is_err());
        assert_eq!(fs::read(&path).unwrap(), whole);
        drop(manifest);
        // The next run goes on.
        let mut manifest = Manifest::open(&path, true).unwrap();
        manifest.write(&failed("b.wav")).unwrap();
        assert!(Past::read(&path).unwrap().of("b.wav").is_some());
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn only_one_run_writes_a_manifest() {
        let path = path("busy");
        let first = Manifest::open(&path, false).unwrap();
        let second = Manifest::open(&path, true);
        assert!(matches!(second, Err(BatchError::ManifestBusy { .. })));
        drop(first);
        assert!(Manifest::open(&path, true).is_ok());
        fs::remove_file(path).unwrap();
    }
}
