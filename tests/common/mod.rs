//! What the tests of the binary share: a folder, runs of the binary, WAV by hand, signals.

// No test uses all of it.
#![allow(dead_code, unused_imports)]

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

#[cfg(unix)]
pub mod terminal;

// ---------------------------------------------------------------- a folder to work in

/// A temporary folder, gone at the end.
pub struct Room(pub PathBuf);

impl Room {
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("faltung-cli-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Everything that lies here, sorted.
    pub fn files(&self) -> Vec<String> {
        let name = |entry: std::io::Result<fs::DirEntry>| {
            entry.unwrap().file_name().into_string().unwrap()
        };
        let mut files: Vec<_> = fs::read_dir(&self.0).unwrap().map(name).collect();
        files.sort();
        files
    }

    pub fn bytes(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub fn wav(&self, name: &str, wav: &Wav) {
        self.bytes(name, &wav.bytes());
    }

    pub fn read(&self, name: &str) -> Wav {
        Wav::parse(&fs::read(self.path(name)).unwrap())
    }

    /// Runs the binary here, the words of `line` being its arguments.
    pub fn faltung(&self, line: &str) -> Ran {
        self.faltung_fed(line, b"")
    }

    /// The same with bytes on its standard input.
    pub fn faltung_fed(&self, line: &str, input: &[u8]) -> Ran {
        let mut command = Command::new(BINARY);
        command.args(line.split_whitespace());
        self.run(command, line, input)
    }

    pub fn run(&self, mut command: Command, line: &str, input: &[u8]) -> Ran {
        let mut child = command
            .current_dir(&self.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = child.stdin.take().unwrap();
        let input = input.to_vec();
        // A program that refuses need not read its input: a broken pipe is no fault here.
        let feeder = std::thread::spawn(move || drop(pipe.write_all(&input)));
        let output = child.wait_with_output().unwrap();
        feeder.join().unwrap();
        Ran {
            line: line.into(),
            code: output.status.code(),
            out: output.stdout,
            err: String::from_utf8(output.stderr).expect("stderr in UTF-8"),
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub const BINARY: &str = env!("CARGO_BIN_EXE_faltung");

/// What a run left behind.
pub struct Ran {
    pub line: String,
    pub code: Option<i32>,
    pub out: Vec<u8>,
    pub err: String,
}

impl Ran {
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "faltung {}\n{}", self.line, self.err);
        self
    }

    /// Refused: exit code 1 and one line, that begins with the program's name and holds `words`.
    #[track_caller]
    pub fn refused(self, words: &[&str]) -> Self {
        let Self { line, err, .. } = &self;
        assert_eq!(self.code, Some(1), "faltung {line}\n{err}");
        assert_eq!(err.lines().count(), 1, "faltung {line}\n{err}");
        assert!(err.starts_with("faltung: "), "faltung {line}\n{err}");
        assert!(!err.contains("panicked"), "faltung {line}\n{err}");
        for word in words {
            assert!(err.contains(word), "faltung {line}: no `{word}` in\n{err}");
        }
        self
    }

    /// Refused after the status line was out: the same for the last line.
    #[track_caller]
    pub fn refused_midway(mut self, words: &[&str]) -> Self {
        let lines: Vec<_> = self.err.lines().collect();
        assert!(lines.len() <= 2, "faltung {}\n{}", self.line, self.err);
        self.err = lines[lines.len() - 1..].join("\n");
        self.refused(words)
    }

    /// The same after whatever was told.
    #[track_caller]
    pub fn refused_in_the_end(mut self, words: &[&str]) -> Self {
        self.err = self.err.lines().last().unwrap_or_default().to_owned();
        self.refused(words)
    }

    #[track_caller]
    pub fn wrong_usage(self) {
        assert_eq!(self.code, Some(2), "faltung {}\n{}", self.line, self.err);
        assert!(!self.err.is_empty() && !self.err.contains("panicked"));
    }

    #[track_caller]
    pub fn says(&self, words: &[&str]) {
        for word in words {
            let (line, err) = (&self.line, &self.err);
            assert!(err.contains(word), "faltung {line}: no `{word}` in\n{err}");
        }
    }

    pub fn stdout(&self) -> &str {
        std::str::from_utf8(&self.out).expect("stdout in UTF-8")
    }
}

// ---------------------------------------------------------------- WAV, written and read by hand

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    U8,
    I16,
    I24,
    /// 24 bits in the lower three of four bytes, as `arecord -f S24_LE` writes them.
    I24In4,
    I32,
    F32,
    F64,
}
pub use Kind::{F32, F64, I16, I24, I24In4, I32, U8};

impl Kind {
    pub fn bits(self) -> u32 {
        match self {
            U8 => 8,
            I16 => 16,
            I24 | I24In4 => 24,
            I32 | F32 => 32,
            F64 => 64,
        }
    }

    pub fn bytes(self) -> usize {
        match self {
            U8 => 1,
            I16 => 2,
            I24 => 3,
            I24In4 | I32 | F32 => 4,
            F64 => 8,
        }
    }

    /// One step of an integer format.
    pub fn step(self) -> f64 {
        2f64.powi(1 - self.bits() as i32)
    }

    pub fn write(self, value: f64, out: &mut Vec<u8>) {
        match self {
            F32 => return out.extend((value as f32).to_le_bytes()),
            F64 => return out.extend(value.to_le_bytes()),
            _ => {}
        }
        let scaled = value / self.step();
        let (int, limit) = (scaled as i64, 1 << (self.bits() - 1));
        assert!(
            int as f64 == scaled && (-limit..limit).contains(&int),
            "{value} as {self:?}"
        );
        match self {
            U8 => out.push((int + 128) as u8),
            I24In4 => out.extend((int as u32 & 0xff_ffff).to_le_bytes()),
            _ => out.extend(&int.to_le_bytes()[..self.bytes()]),
        }
    }

    pub fn read(self, bytes: &[u8]) -> f64 {
        if self == F64 {
            return f64::from_le_bytes(bytes.try_into().unwrap());
        }
        let mut four = [0; 4];
        four[..bytes.len()].copy_from_slice(bytes);
        let int = match self {
            F32 => return f32::from_le_bytes(four).into(),
            U8 => i32::from(bytes[0]) - 128,
            _ => (i32::from_le_bytes(four) << (32 - self.bits())) >> (32 - self.bits()),
        };
        f64::from(int) * self.step()
    }
}

/// A WAV file: planar, values in units of full scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Wav {
    pub rate: u32,
    pub kind: Kind,
    pub extensible: bool,
    pub channels: Vec<Vec<f64>>,
}

pub const RATE: u32 = 48_000;

/// A file of float samples.
pub fn float(channels: &[Vec<f64>]) -> Wav {
    wav(F32, channels)
}

pub fn wav(kind: Kind, channels: &[Vec<f64>]) -> Wav {
    Wav {
        rate: RATE,
        kind,
        extensible: false,
        channels: channels.to_vec(),
    }
}

impl Wav {
    pub fn rate(self, rate: u32) -> Self {
        Self { rate, ..self }
    }

    pub fn frames(&self) -> usize {
        self.channels[0].len()
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut data = Vec::new();
        for frame in 0..self.frames() {
            for channel in &self.channels {
                self.kind.write(channel[frame], &mut data);
            }
        }
        container(&self.format(), &data)
    }

    pub fn format(&self) -> Vec<u8> {
        let (channels, width) = (self.channels.len() as u16, self.kind.bytes() as u16);
        let tag: u16 = if self.kind == F32 { 3 } else { 1 };
        let bits = self.kind.bits() as u16;
        let mut fmt = Vec::new();
        fmt.extend(if self.extensible { 0xfffe } else { tag }.to_le_bytes());
        fmt.extend(channels.to_le_bytes());
        fmt.extend(self.rate.to_le_bytes());
        fmt.extend((self.rate * u32::from(channels * width)).to_le_bytes());
        fmt.extend((channels * width).to_le_bytes());
        if self.extensible {
            fmt.extend((width * 8).to_le_bytes());
            fmt.extend(22u16.to_le_bytes());
            fmt.extend(bits.to_le_bytes());
            fmt.extend(0u32.to_le_bytes());
            fmt.extend(tag.to_le_bytes());
            fmt.extend(b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71");
        } else {
            fmt.extend(bits.to_le_bytes());
        }
        fmt
    }

    pub fn parse(bytes: &[u8]) -> Self {
        let word = |at: usize| u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap());
        let long = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!((&bytes[..4], &bytes[8..12]), (&b"RIFF"[..], &b"WAVE"[..]));
        let (mut at, mut format) = (12, None);
        loop {
            let (id, len, body) = (&bytes[at..at + 4], long(at + 4), at + 8);
            at = body + len as usize + len as usize % 2;
            if id == b"fmt " {
                let extensible = word(body) == 0xfffe;
                let tag = word(if extensible { body + 24 } else { body });
                let bits = word(if extensible { body + 18 } else { body + 14 });
                let channels = usize::from(word(body + 2));
                let width = usize::from(word(body + 12)) / channels;
                let kind = match (tag, bits, width) {
                    (1, 8, 1) => U8,
                    (1, 16, 2) => I16,
                    (1, 24, 3) => I24,
                    (1, 24, 4) => I24In4,
                    (1, 32, 4) => I32,
                    (3, 32, 4) => F32,
                    (3, 64, 8) => F64,
                    other => panic!("format {other:?}"),
                };
                format = Some((long(body + 4), kind, extensible, channels));
            }
            if id == b"data" {
                let (rate, kind, extensible, channels) = format.expect("fmt before data");
                // What went through a pipe may not know its length.
                let end = bytes.len().min(body + len as usize);
                let mut planar = vec![Vec::new(); channels];
                for frame in bytes[body..end].chunks_exact(kind.bytes() * channels) {
                    for (channel, sample) in planar.iter_mut().zip(frame.chunks(kind.bytes())) {
                        channel.push(kind.read(sample));
                    }
                }
                return Self {
                    rate,
                    kind,
                    extensible,
                    channels: planar,
                };
            }
        }
    }
}

/// A RIFF file of a fmt chunk and a data chunk.
pub fn container(format: &[u8], data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(b"RIFF");
    out.extend((20 + format.len() as u32 + data.len() as u32).to_le_bytes());
    out.extend(b"WAVEfmt ");
    out.extend((format.len() as u32).to_le_bytes());
    out.extend(format);
    out.extend(b"data");
    out.extend((data.len() as u32).to_le_bytes());
    out.extend(data);
    out
}

// ---------------------------------------------------------------- signals and what they should give

/// Whole multiples of 2^(1-bits), up to a quarter of full scale.
pub fn noise(seed: u64, frames: usize, bits: u32) -> Vec<f64> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let frame = |_| {
        x = x
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        ((x as i64) >> (64 - bits + 2)) as f64 / f64::from(1u32 << (bits - 1))
    };
    (0..frames).map(frame).collect()
}

/// A decaying response whose absolute values sum to less than one.
pub fn taps(seed: u64, frames: usize) -> Vec<f64> {
    let decay = |(i, x): (usize, f64)| {
        let level = 2f64.powf(-8.0 * i as f64 / frames as f64);
        f64::from((8.0 * x * level / frames as f64) as f32)
    };
    noise(seed, frames, 16)
        .into_iter()
        .enumerate()
        .map(decay)
        .collect()
}

pub fn sine(hz: f64, rate: u32, frames: usize) -> Vec<f64> {
    let step = std::f64::consts::TAU * hz / f64::from(rate);
    (0..frames)
        .map(|i| 0.25 * (step * i as f64).sin())
        .collect()
}

pub fn impulse(frames: usize) -> Vec<f64> {
    let mut x = vec![0.0; frames];
    x[0] = 1.0;
    x
}

pub fn full(x: &[f64], h: &[f64]) -> Vec<f64> {
    let mut y = vec![0.0; x.len() + h.len() - 1];
    for (i, x) in x.iter().enumerate() {
        for (k, h) in h.iter().enumerate() {
            y[i + k] += x * h;
        }
    }
    y
}

pub fn sum(a: &[f64], b: &[f64]) -> Vec<f64> {
    let at = |x: &[f64], i: usize| x.get(i).copied().unwrap_or(0.0);
    let longest = a.len().max(b.len());
    (0..longest).map(|i| at(a, i) + at(b, i)).collect()
}

pub fn scaled(x: &[f64], gain: f64) -> Vec<f64> {
    x.iter().map(|x| x * gain).collect()
}

pub fn delayed(x: &[f64], frames: usize) -> Vec<f64> {
    [vec![0.0; frames], x.to_vec()].concat()
}

pub fn db(decibels: f64) -> f64 {
    10f64.powf(decibels / 20.0)
}

pub fn peak(x: &[f64]) -> f64 {
    x.iter().fold(0.0, |most, x| most.max(x.abs()))
}

/// Root mean square.
pub fn level(x: &[f64]) -> f64 {
    (x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64).sqrt()
}

#[track_caller]
pub fn same_within(ours: &[Vec<f64>], expected: &[Vec<f64>], allowed: f64, what: &str) {
    assert_eq!(ours.len(), expected.len(), "channels, {what}");
    for (k, (ours, expected)) in ours.iter().zip(expected).enumerate() {
        assert_eq!(ours.len(), expected.len(), "frames of channel {k}, {what}");
        for (i, (a, b)) in ours.iter().zip(expected).enumerate() {
            let off = (a - b).abs();
            assert!(off <= allowed, "channel {k} frame {i}: {a} for {b}, {what}");
        }
    }
}

/// Rounding of f32 on its way.
pub const FLOAT: f64 = 1e-6;
