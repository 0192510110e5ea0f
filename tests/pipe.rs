//! Sound that goes through pipes: among other programs, with little delay, without an end, and to
//! readers that leave.
#![cfg(all(feature = "cli", unix))]

use std::fs;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

mod common;
use common::*;

/// Frames that may go in behind a frame before its answer comes out.
const BEHIND: usize = 1024;

/// A run with a pipe at either end, that is killed if it hangs.
struct Piped {
    child: Child,
    input: Option<ChildStdin>,
    output: Option<ChildStdout>,
    /// Lets the watch-dog go.
    alive: Sender<()>,
}

impl Piped {
    fn new(room: &Room, line: &str) -> Self {
        let mut child = Command::new(BINARY)
            .args(line.split_whitespace())
            .current_dir(&room.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (alive, watched) = channel();
        let id = Pid::from_child(&child);
        thread::spawn(move || {
            // A minute is long for what takes a second; a hang becomes a failure.
            if watched.recv_timeout(Duration::from_secs(60)) == Err(RecvTimeoutError::Timeout) {
                let _ = kill_process(id, Signal::KILL);
            }
        });
        Self {
            input: child.stdin.take(),
            output: child.stdout.take(),
            child,
            alive,
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        self.input.as_mut().unwrap().write_all(bytes).unwrap();
    }

    /// Appends what comes until so many bytes are there; fewer only at the end.
    fn take(&mut self, heard: &mut Vec<u8>, until: usize) {
        let output = self.output.as_mut().unwrap();
        let mut piece = vec![0; 1 << 16];
        while heard.len() < until {
            let want = piece.len().min(until - heard.len());
            match output.read(&mut piece[..want]).unwrap() {
                0 => break,
                got => heard.extend(&piece[..got]),
            }
        }
    }

    /// Its exit code and what it said.
    fn end(mut self) -> (Option<i32>, String) {
        drop((self.input.take(), self.output.take()));
        let output = self.child.wait_with_output().unwrap();
        drop(self.alive);
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    }
}

/// The header of a stream that does not know its length, as ffmpeg writes it.
fn open_header(like: &Wav) -> Vec<u8> {
    let mut header = container(&like.format(), &[]);
    let last = header.len() - 4;
    header[4..8].fill(0xff);
    header[last..].fill(0xff);
    header
}

/// Bytes before the first sample, once they are there.
fn header_of(wav: &[u8]) -> Option<usize> {
    let found = wav.windows(4).position(|id| id == b"data");
    found.map(|at| at + 8)
}

// ---------------------------------------------------------------- among other programs

#[test]
fn a_line_of_programs_gives_what_files_give() {
    let room = Room::new();
    let hall = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/hall.wav");
    let voice = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/voice.wav");
    fs::copy(hall, room.path("hall.wav")).unwrap();
    let sh = |line: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", line]);
        room.run(command, line, b"")
    };
    if sh(&format!("ffmpeg -v error -i {voice} x.mp3")).code != Some(0) {
        let required = std::env::var("FALTUNG_FORMATS").is_ok_and(|word| word == "required");
        assert!(!required, "there is no ffmpeg");
        eprintln!("skipped: there is no ffmpeg to make the files with");
        return;
    }
    for (codec, allowed) in [
        // Rounding may fall to the other side where the block sizes differ.
        ("pcm_s16le", 1.01 * I16.step()),
        ("pcm_f32le", FLOAT),
    ] {
        let decode = format!("ffmpeg -v error -y -i x.mp3 -c:a {codec}");
        sh(&format!("{decode} -f wav y.wav")).ok();
        room.faltung("render y.wav hall.wav z.wav -y").ok();
        let expected = room.read("z.wav");
        // A reader that takes what comes, and what is told in a file of its own.
        sh(&format!(
            "{decode} -f wav - | {BINARY} render - hall.wav - 2>told | cat >piped.wav"
        ))
        .ok();
        let piped = room.read("piped.wav");
        assert_eq!((piped.rate, piped.kind), (expected.rate, expected.kind));
        assert!(level(&expected.channels[0]) > 1e-3, "nothing to be heard");
        same_within(&piped.channels, &expected.channels, allowed, codec);
        let told = fs::read_to_string(room.path("told")).unwrap();
        assert!(told.contains(" -> -: 2 ch"), "{told}");
        // And another program can read it from the pipe.
        let ran = sh(&format!(
            "{decode} -f wav - | {BINARY} render - hall.wav - -q | ffmpeg -v error -i - -f f32le -c:a pcm_f32le -"
        ))
        .ok();
        assert_eq!(ran.err, "");
        let bytes = ran.out.len();
        let [frames, channels] = [expected.frames(), expected.channels.len()];
        assert_eq!(bytes, 4 * frames * channels);
    }
}

// ---------------------------------------------------------------- while it is played

#[test]
fn answers_come_while_the_input_is_open_at_most_1024_frames_behind() {
    let room = Room::new();
    let frames = 30_000;
    for (kind, channels, taps_of) in [(F32, 1, 20), (F32, 2, 96_000), (I16, 2, 12_000)] {
        let sound: Vec<_> = (0..channels).map(|k| noise(k, frames, 16)).collect();
        let sound = wav(kind, &sound);
        room.wav("in.wav", &sound);
        room.wav("ir.wav", &float(&[taps(9, taps_of)]));
        room.faltung("render in.wav ir.wav out.wav -y").ok();
        let expected = room.read("out.wav");
        let bytes = sound.bytes();
        let samples = &bytes[header_of(&bytes).unwrap()..];
        let frame = kind.bytes() * sound.channels.len();
        let mut piped = Piped::new(&room, "render - ir.wav - -q");
        piped.put(&open_header(&sound));
        let (mut heard, mut put, mut header) = (Vec::new(), 0, None);
        // Pieces of all kinds of sizes, as programs write them.
        for size in [1, 1023, 1, 100, 2000, 480, 7, 4096, 1024]
            .into_iter()
            .cycle()
        {
            let next = (put + size).min(frames);
            piped.put(&samples[put * frame..next * frame]);
            put = next;
            if let Some(due) = put.checked_sub(BEHIND).filter(|&due| due > 0) {
                if header.is_none() {
                    piped.take(&mut heard, 128);
                    header = header_of(&heard);
                }
                let header = header.unwrap_or(heard.len());
                let until = header + due * frame;
                piped.take(&mut heard, until);
                let came = (heard.len() - header) / frame;
                assert!(
                    came >= due,
                    "{kind:?}, {taps_of} taps: {put} frames went in, only {came} came out"
                );
            }
            if put == frames {
                break;
            }
        }
        drop(piped.input.take());
        piped.take(&mut heard, usize::MAX);
        assert_eq!(piped.end(), (Some(0), String::new()));
        let allowed = if kind == F32 {
            FLOAT
        } else {
            1.01 * kind.step()
        };
        let heard = Wav::parse(&heard).channels;
        same_within(&heard, &expected.channels, allowed, "through the pipe");
    }
}

// ---------------------------------------------------------------- readers that leave

#[test]
fn a_reader_that_has_enough_is_left_quietly_with_code_1() {
    let room = Room::new();
    room.wav("in.wav", &wav(I16, &[noise(1, 500_000, 16)]));
    room.wav("ir.wav", &float(&[taps(9, 4800)]));
    for enough in [0, 1, 100, 100_000] {
        let mut piped = Piped::new(&room, "render in.wav ir.wav - -q");
        piped.take(&mut Vec::new(), enough);
        assert_eq!(
            piped.end(),
            (Some(1), String::new()),
            "after {enough} bytes"
        );
    }
    // Not even the status line is followed by anything.
    let mut piped = Piped::new(&room, "render in.wav ir.wav -");
    piped.take(&mut Vec::new(), 100);
    let (code, err) = piped.end();
    assert_eq!((code, err.lines().count()), (Some(1), 1), "{err}");
    assert_eq!(room.files(), ["in.wav", "ir.wav"]);
}

/// The kernel's high-water mark of a process in bytes.
#[cfg(target_os = "linux")]
fn most_memory(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    1024 * kilobytes.expect("a high-water mark")
}

#[cfg(target_os = "linux")]
#[test]
fn an_input_without_an_end_takes_no_more_memory_and_stops_when_the_reader_does() {
    let room = Room::new();
    room.wav("ir.wav", &float(&[taps(9, 24_000)]));
    let sound = float(&[noise(1, 48_000, 16), noise(2, 48_000, 16)]);
    let bytes = sound.bytes();
    let again = bytes[header_of(&bytes).unwrap()..].to_vec();
    without_an_end(
        &room,
        "render - ir.wav - -q",
        &open_header(&sound),
        again.clone(),
    );
    without_an_end(&room, "render -@f32,48k,2ch ir.wav - -q", b"", again);
}

/// Hears a sound that begins so and goes on with the same second, of two channels in `f32`.
#[cfg(target_os = "linux")]
fn without_an_end(room: &Room, line: &str, begin: &[u8], again: Vec<u8>) {
    let mut piped = Piped::new(room, line);
    let mut input = piped.input.take().unwrap();
    input.write_all(begin).unwrap();
    let feeder = thread::spawn(move || {
        let mut seconds = 0;
        while input.write_all(&again).is_ok() {
            seconds += 1;
        }
        seconds
    });
    let mut take = |bytes: usize| {
        let mut heard = Vec::new();
        piped.take(&mut heard, bytes);
        assert_eq!(heard.len(), bytes, "it ended by itself");
        most_memory(&piped.child)
    };
    let (early, late) = (take(4 << 20), take(48 << 20));
    println!(
        "{} kB after 4 MiB, {} kB after 52 MiB",
        early >> 10,
        late >> 10
    );
    assert!(late < early + (2 << 20), "from {early} to {late} bytes");
    assert_eq!(piped.end(), (Some(1), String::new()));
    // It had to be told by the pipe, so it heard no less than was read: 52 MiB at 8 bytes a frame.
    assert!(feeder.join().unwrap() >= (52 << 20) / (8 * 48_000) - 1);
}
