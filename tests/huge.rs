//! Five GiB through an impulse response: beyond what 32 bits count, in little memory.
//!
//! `cargo test --test huge -- --ignored` writes 5 GiB into the temporary folder.
#![cfg(all(feature = "cli", target_os = "linux"))]

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

mod common;
use common::*;

const CHANNELS: usize = 4;
/// Bytes of a frame, 32 bits each.
const FRAME: u64 = 4 * CHANNELS as u64;
/// 5 GiB.
const FRAMES: u64 = (5 << 30) / FRAME;
/// Frames of the response.
const TAPS: usize = 600;
/// Frames of sound that begin at each of the places, and lie in a hole otherwise.
const BURST: usize = 500;

/// Near the start, over the 2 GiB and the 4 GiB of the samples, and up to the very end.
const PLACES: [u64; 5] = [
    1000,
    (2 << 30) / FRAME - 200,
    (4 << 30) / FRAME - 300,
    (4 << 30) / FRAME + 12_345_678,
    FRAMES - BURST as u64,
];

/// Each channel's sound at a place.
fn burst(place: u64) -> Vec<Vec<f64>> {
    let channel = |k| noise(place + k, BURST, 16);
    (0..CHANNELS as u64).map(channel).collect()
}

/// RF64 (EBU Tech 3306): a place for the sizes comes first, then as ever.
fn header(format: &[u8], frames: u64) -> Vec<u8> {
    let samples = frames * FRAME;
    let mut header = b"RF64\xff\xff\xff\xffWAVEds64".to_vec();
    header.extend(28u32.to_le_bytes());
    let whole = 4 + (8 + 28) + (8 + format.len() as u64) + 8 + samples;
    for size in [whole, samples, frames] {
        header.extend(size.to_le_bytes());
    }
    header.extend(0u32.to_le_bytes());
    header.extend(b"fmt ");
    header.extend((format.len() as u32).to_le_bytes());
    header.extend(format);
    header.extend(b"data\xff\xff\xff\xff");
    header
}

/// Where the samples begin, and how many bytes of them the sizes of 64 bits name.
fn samples(file: &mut File) -> (u64, u64) {
    let mut start = vec![0; 4096];
    file.read_exact(&mut start).unwrap();
    let long = |at: usize| u64::from_le_bytes(start[at..at + 8].try_into().unwrap());
    let short = |at: usize| u32::from_le_bytes(start[at..at + 4].try_into().unwrap());
    assert_eq!(&start[..16], b"RF64\xff\xff\xff\xffWAVEds64");
    assert!(short(16) >= 28);
    let (whole, samples, frames) = (long(20), long(28), long(36));
    let size = file.metadata().unwrap().len();
    assert_eq!(whole, size - 8, "the size of the whole");
    // The fact chunk's count, which some leave at 0 for what has none.
    assert!([0, samples / FRAME].contains(&frames), "{frames} frames");
    let mut at = 12;
    let mut fmt = None;
    loop {
        let (id, len) = (&start[at..at + 4], short(at + 4));
        at += 8;
        match id {
            b"data" => {
                assert_eq!(len, u32::MAX);
                break;
            }
            b"fmt " => fmt = Some((start[at..at + 16].to_vec(), start[at + 24])),
            _ => {}
        }
        at += (len + len % 2) as usize;
    }
    let (fmt, kind) = fmt.expect("fmt before data");
    let word = |at: usize| u16::from_le_bytes([fmt[at], fmt[at + 1]]);
    assert!(word(0) == 3 || (word(0), kind) == (0xfffe, 3), "float");
    assert_eq!([word(2), word(12), word(14)], [4, 16, 32]);
    assert_eq!(&fmt[4..8], RATE.to_le_bytes());
    (at as u64, samples)
}

/// Frames from `place` on, planar.
fn frames(file: &mut File, begin: u64, place: u64, frames: usize) -> Vec<Vec<f64>> {
    let mut bytes = vec![0; frames * FRAME as usize];
    file.seek(SeekFrom::Start(begin + place * FRAME)).unwrap();
    file.read_exact(&mut bytes).unwrap();
    let mut planar = vec![Vec::new(); CHANNELS];
    for (k, sample) in bytes.chunks(4).enumerate() {
        planar[k % CHANNELS].push(F32.read(sample));
    }
    planar
}

/// Bytes that are free where a folder lies.
fn free(folder: &Path) -> u64 {
    let df = Command::new("df").arg("-Pk").arg(folder).output().unwrap();
    let text = String::from_utf8(df.stdout).unwrap();
    let blocks = text
        .lines()
        .nth(1)
        .and_then(|line| line.split_whitespace().nth(3));
    1024 * blocks.unwrap().parse::<u64>().unwrap()
}

#[ignore = "writes 5 GiB"]
#[test]
fn five_gib_keep_every_place_and_take_little_memory() {
    let room = Room::new();
    let (there, needed) = (free(&room.0), FRAMES * FRAME + (64 << 20));
    assert!(
        there > needed,
        "{}: {} MiB are free and {} needed; set TMPDIR to a folder with more",
        room.0.display(),
        there >> 20,
        needed >> 20
    );
    let h = taps(77, TAPS);
    room.wav("ir.wav", &float(std::slice::from_ref(&h)));
    let like = float(&vec![vec![0.0]; CHANNELS]);
    let header = header(&like.format(), FRAMES);
    let mut input = File::create(room.path("in.wav")).unwrap();
    input.write_all(&header).unwrap();
    let begin = header.len() as u64;
    // Between the bursts the file has holes, which read as zeros and take no room.
    input.set_len(begin + FRAMES * FRAME).unwrap();
    for place in PLACES {
        let sound = float(&burst(place)).bytes();
        let sound = &sound[sound.len() - BURST * FRAME as usize..];
        input.seek(SeekFrom::Start(begin + place * FRAME)).unwrap();
        input.write_all(sound).unwrap();
    }
    drop(input);
    let mut child = Command::new(BINARY)
        .args(["render", "in.wav", "ir.wav", "out.wav", "-q"])
        .current_dir(&room.0)
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    // The kernel's high-water mark only grows; the last look is near the end.
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        most = most.max(kilobytes.unwrap_or(0));
        thread::sleep(Duration::from_millis(5));
    }
    assert!(child.wait().unwrap().success());
    println!("peak of {:.1} MB", f64::from(most) / 1024.0);
    assert!(most > 1000, "nothing was measured");
    assert!(most < 100 * 1024, "peak of {most} kB");
    assert_eq!(room.files(), ["in.wav", "ir.wav", "out.wav"]);

    let mut output = File::open(room.path("out.wav")).unwrap();
    let (begin, bytes) = samples(&mut output);
    let length = FRAMES + TAPS as u64 - 1;
    assert_eq!(bytes, length * FRAME);
    assert_eq!(output.metadata().unwrap().len(), begin + bytes);
    const SILENT: usize = 5000;
    let silence = vec![vec![0.0; SILENT]; CHANNELS];
    // Rounding spreads over the transforms' blocks, far below the sound.
    let hush = 1e-9;
    for place in PLACES {
        let expected: Vec<_> = burst(place).iter().map(|x| full(x, &h)).collect();
        let answer = BURST + TAPS - 1;
        let ours = frames(&mut output, begin, place, answer);
        assert!(level(&ours[0]) > 1e-3, "nothing to be heard at {place}");
        same_within(&ours, &expected, FLOAT, &format!("the burst at {place}"));
        let after = place + answer as u64;
        if after < length {
            let ours = frames(&mut output, begin, after, SILENT);
            let far = format!("the silence after {place}");
            same_within(&ours, &silence, FLOAT, &far);
        }
    }
    // Half way between them there is nothing.
    for pair in PLACES.windows(2) {
        let middle = pair[0].midpoint(pair[1]);
        let ours = frames(&mut output, begin, middle, SILENT);
        same_within(&ours, &silence, hush, &format!("the silence at {middle}"));
    }
}
