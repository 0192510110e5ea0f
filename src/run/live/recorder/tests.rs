//! Recordings on real files, and on disks with faults.

use std::fs;

use std::time::Instant;

use super::*;
use crate::io::{Sink, Source, WavSource};

fn folder(name: &str) -> PathBuf {
    let name = format!("faltung-recorder-{name}-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut names: Vec<_> = entries
        .map(|e| e.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn hz(rate: u32) -> SampleRate {
    SampleRate::new(rate).unwrap()
}

/// Samples that tell where they belong.
fn woven(frames: std::ops::Range<usize>, channels: usize) -> Vec<f32> {
    let all = frames.start * channels..frames.end * channels;
    all.map(|n| (n + 1) as f32 / (1 << 24) as f32).collect()
}

/// The file's samples, interleaved, and its rate.
fn read(path: &Path) -> (Vec<f32>, u32) {
    let mut source = WavSource::open(path).unwrap();
    let spec = source.spec();
    let frames = source.frames().unwrap() as usize;
    let mut block = vec![vec![0.0f32; frames]; spec.channels];
    let mut got = 0;
    while got < frames {
        got += Source::read(&mut source, &mut block).unwrap();
        assert_eq!(got, frames, "read in one piece");
    }
    let samples = (0..frames).flat_map(|n| block.iter().map(move |c| c[n]));
    (samples.collect(), spec.rate.hz())
}

/// Waits for something that another thread does.
fn until(what: &str, mut there: impl FnMut() -> bool) {
    let start = Instant::now();
    while !there() {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{what} never came"
        );
        thread::sleep(Duration::from_millis(2));
    }
}

/// A disk with a fault.
struct Faulty {
    file: Box<WavSink>,
    delay: Duration,
    /// Bytes that it still has room for.
    room: usize,
}

impl Medium for Faulty {
    fn put(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        thread::sleep(self.delay);
        let fits = bytes.len().min(self.room);
        Medium::put(&mut *self.file, &bytes[..fits])?;
        self.room -= fits;
        if fits < bytes.len() {
            let file = Sink::<f32>::name(&*self.file).to_owned();
            return Err(WriteError::Full { file });
        }
        Ok(())
    }
    fn finish(self: Box<Self>, bytes: u64) -> Result<(), WriteError> {
        Medium::finish(self.file, bytes)
    }
}

fn file(path: &Path, rate: u32, channels: usize) -> Box<WavSink> {
    let spec = Spec {
        rate: hz(rate),
        channels,
        format: SampleFormat::F32,
    };
    Box::new(WavSink::create(path, spec, None, false).unwrap())
}

fn faulty(recorder: &mut Recorder, path: &Path, delay: Duration, room: usize) {
    let file = file(path, 48_000, 2);
    let medium = Box::new(Faulty { file, delay, room });
    recorder.begin(medium, path, hz(48_000), 2).unwrap();
}

const NO_DELAY: Duration = Duration::ZERO;

#[test]
fn what_is_heard_is_in_the_file_to_the_bit() {
    let folder = folder("bits");
    for (channels, rate) in [(1, 44_100), (2, 48_000), (3, 96_000), (8, 192_000)] {
        let path = folder.join(format!("{channels}.wav"));
        let mut recorder = Recorder::new();
        let mut tape = recorder.tape(hz(rate), channels);
        recorder.start(&path, hz(rate), channels, false).unwrap();
        let mut sound = woven(0..30_000, channels);
        sound[5] = -0.0;
        sound[6] = 1e-42;
        let mut at = 0;
        for frames in [0, 1, 64, 500, 4_096, 1, 77].into_iter().cycle() {
            let frames = frames.min(30_000 - at);
            tape.write(&sound[at * channels..(at + frames) * channels]);
            at += frames;
            if at == 30_000 {
                break;
            }
        }
        assert!(!path.exists(), "hidden until it is whole");
        let recording = recorder.stop().unwrap().unwrap();
        assert_eq!((recording.frames, recording.lost), (30_000, 0));
        assert_eq!(recording.path, path);
        let (got, got_rate) = read(&path);
        assert_eq!(got_rate, rate);
        assert!(
            got.iter()
                .zip(&sound)
                .all(|(a, b)| a.to_bits() == b.to_bits())
        );
        assert_eq!(got.len(), sound.len());
        assert_eq!(hound::WavReader::open(&path).unwrap().duration(), 30_000);
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_file_holds_what_came_between_start_and_stop_and_nothing_else() {
    let folder = folder("toggle");
    let mut recorder = Recorder::new();
    let mut tape = recorder.tape(hz(48_000), 2);
    for round in 0..20 {
        let path = folder.join(format!("{round}.wav"));
        tape.write(&[9.0; 200]);
        recorder.start(&path, hz(48_000), 2, false).unwrap();
        let sound = woven(round * 1_000..round * 1_000 + 37 * (round + 1), 2);
        sound.chunks(74).for_each(|block| tape.write(block));
        if round % 3 == 0 {
            until("the frames", || {
                recorder.status().unwrap().frames == 37 * (round as u64 + 1)
            });
        }
        recorder.stop().unwrap().unwrap();
        tape.write(&[9.0; 200]);
        assert_eq!(recorder.stop().unwrap(), None);
        assert_eq!(recorder.status(), None);
        assert!(read(&path).0 == sound, "round {round}");
    }
    assert_eq!(recorder.poll(), None);
    assert_eq!(files(&folder).len(), 20);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_audio_thread_may_write_while_files_come_and_go() {
    let folder = folder("threads");
    let mut recorder = Recorder::new();
    let mut tape = recorder.tape(hz(48_000), 1);
    let on = Arc::new(AtomicBool::new(true));
    let audio = thread::spawn({
        let on = Arc::clone(&on);
        move || {
            let mut at = 0;
            while on.load(Ordering::Relaxed) {
                tape.write(&woven(at..at + 32, 1));
                at = (at + 32) % (1 << 23);
                thread::sleep(Duration::from_micros(200));
            }
        }
    });
    for round in 0..10 {
        let path = folder.join(format!("{round}.wav"));
        recorder.start(&path, hz(48_000), 1, false).unwrap();
        until("sound", || recorder.status().unwrap().frames > 500);
        let recording = recorder.stop().unwrap().unwrap();
        let sound = read(&path).0;
        assert_eq!((sound.len() as u64, recording.lost), (recording.frames, 0));
        // Without a gap from the first to the last.
        let step = 1.0 / (1 << 24) as f32;
        assert!(sound.windows(2).all(|pair| pair[1] - pair[0] == step));
    }
    on.store(false, Ordering::Relaxed);
    audio.join().unwrap();
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn where_the_disk_is_too_slow_silence_keeps_the_time() {
    let folder = folder("slow");
    let path = folder.join("a.wav");
    let mut recorder = Recorder::new();
    let mut tape = recorder.tape(hz(48_000), 2);
    // The ring is filled faster than this disk can empty it.
    faulty(&mut recorder, &path, Duration::from_millis(25), usize::MAX);
    let sound = woven(0..700_000, 2);
    let (first, rest) = sound.split_at(2 * 1_000);
    tape.write(first);
    thread::sleep(Duration::from_millis(100));
    rest[..2 * 650_000]
        .chunks(2_000)
        .for_each(|block| tape.write(block));
    until("room", || tape.ring.vacant_len() > 200_000);
    rest[2 * 650_000..]
        .chunks(2_000)
        .for_each(|block| tape.write(block));
    let start = Instant::now();
    let recording = recorder.stop().unwrap().unwrap();
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    assert_eq!(recording.frames, 651_000 + 49_000);
    assert!(recording.lost > 20_000, "{}", recording.lost);
    let got = read(&path).0;
    assert_eq!(got.len(), sound.len());
    let silent = got.iter().zip(&sound).filter(|(got, sound)| got != sound);
    let lost = silent.inspect(|(got, _)| assert_eq!(**got, 0.0)).count();
    assert_eq!(lost as u64, 2 * recording.lost);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn frames_lost_at_the_very_end_are_silence_too() {
    let folder = folder("end");
    let path = folder.join("a.wav");
    let mut recorder = Recorder::new();
    let mut tape = recorder.tape(hz(8_000), 1);
    let file = file(&path, 8_000, 1);
    let delay = Duration::from_millis(300);
    let medium = Box::new(Faulty {
        file,
        delay,
        room: usize::MAX,
    });
    recorder.begin(medium, &path, hz(8_000), 1).unwrap();
    tape.write(&[0.5; 100]);
    thread::sleep(Duration::from_millis(100));
    // More than the ring can hold at all.
    tape.write(&vec![0.5; 8_000 * 20 + 1]);
    let recording = recorder.stop().unwrap().unwrap();
    assert_eq!((recording.frames, recording.lost), (160_101, 160_001));
    assert_eq!(read(&path).0[100..], [0.0; 160_001]);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_full_disk_ends_the_recording_once_and_the_frames_before_it_are_there() {
    let folder = folder("full");
    let path = folder.join("a.wav");
    let mut recorder = Recorder::new();
    let mut tape = recorder.tape(hz(48_000), 2);
    faulty(&mut recorder, &path, NO_DELAY, 8 * 1_000 + 5);
    tape.write(&woven(0..1_000, 2));
    until("the frames", || recorder.status().unwrap().frames == 1_000);
    tape.write(&woven(1_000..2_000, 2));
    until("the end", || recorder.status().is_none());
    tape.write(&woven(2_000..3_000, 2));
    let Some(What::RecordingFailed { why: text }) = recorder.poll() else {
        panic!("no word of it")
    };
    assert!(
        text.contains("no space left") && text.contains("a.wav"),
        "{text}"
    );
    let frames = 1_000;
    let recording = Recording {
        path: path.clone(),
        frames,
        lost: 0,
    };
    assert_eq!(recorder.poll(), Some(What::Recorded(recording)));
    assert_eq!(recorder.poll(), None);
    assert_eq!(recorder.stop().unwrap(), None);
    assert_eq!(read(&path).0, woven(0..1_000, 2));
    // With room for nothing, there is nothing to deliver.
    let path = folder.join("b.wav");
    faulty(&mut recorder, &path, NO_DELAY, 3);
    tape.write(&woven(0..1_000, 2));
    until("the end", || recorder.status().is_none());
    let news = recorder.poll();
    assert!(
        matches!(news, Some(What::RecordingFailed { .. })),
        "{news:?}"
    );
    assert_eq!(files(&folder), ["a.wav"]);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_recording_that_outgrows_32_bits_becomes_rf64() {
    let folder = folder("long");
    // Named in 32 bits up to 1,000 frames less the header.
    let spec = Spec {
        rate: hz(48_000),
        channels: 2,
        format: SampleFormat::F32,
    };
    for (frames, id) in [(900, b"RIFF"), (1_000, b"RF64"), (30_000, b"RF64")] {
        let path = folder.join(format!("{frames}.wav"));
        let mut recorder = Recorder::new();
        let mut tape = recorder.tape(spec.rate, 2);
        let file = WavSink::create_short(&path, spec, 8_000).unwrap();
        recorder.begin(Box::new(file), &path, spec.rate, 2).unwrap();
        tape.write(&woven(0..500, 2));
        tape.write(&woven(500..frames, 2));
        let recording = recorder.stop().unwrap().unwrap();
        assert_eq!((recording.frames, recording.lost), (frames as u64, 0));
        assert_eq!(recorder.poll(), None);
        assert_eq!(&fs::read(&path).unwrap()[..4], id, "{frames} frames");
        assert_eq!(read(&path).0, woven(0..frames, 2));
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_device_that_comes_back_goes_on_in_the_same_file_or_in_the_next() {
    let folder = folder("back");
    let path = folder.join("a.wav");
    fs::write(folder.join("a-2.wav"), "theirs").unwrap();
    let mut recorder = Recorder::new();
    // Also before there is any device.
    recorder.start(&path, hz(48_000), 2, false).unwrap();
    let mut tape = recorder.tape(hz(48_000), 2);
    tape.write(&woven(0..1_000, 2));
    let mut again = recorder.tape(hz(48_000), 2);
    again.write(&woven(1_000..2_000, 2));
    assert_eq!(recorder.poll(), None);
    let mut other = recorder.tape(hz(44_100), 1);
    other.write(&woven(0..500, 1));
    let recording = |path: &Path, frames| {
        let path = path.to_owned();
        Recording {
            path,
            frames,
            lost: 0,
        }
    };
    assert_eq!(
        recorder.poll(),
        Some(What::Recorded(recording(&path, 2_000)))
    );
    let next = folder.join("a-3.wav");
    let started = What::RecordingStarted { path: next.clone() };
    assert_eq!(recorder.poll(), Some(started));
    assert_eq!(recorder.poll(), None);
    assert_eq!(recorder.stop().unwrap(), Some(recording(&next, 500)));
    assert_eq!(read(&path), (woven(0..2_000, 2), 48_000));
    assert_eq!(read(&next), (woven(0..500, 1), 44_100));
    assert_eq!(fs::read(folder.join("a-2.wav")).unwrap(), b"theirs");
    assert_eq!(another(&next), folder.join("a-4.wav"));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_exists_stays_unless_asked_and_what_cannot_be_is_refused() {
    let folder = folder("exists");
    let path = folder.join("a.wav");
    fs::write(&path, "old").unwrap();
    let mut recorder = Recorder::new();
    let refused = recorder.start(&path, hz(48_000), 2, false);
    assert!(matches!(refused, Err(WriteError::Exists { .. })));
    assert_eq!(recorder.status(), None);
    recorder.start(&path, hz(48_000), 2, true).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(recorder.stop().unwrap().unwrap().frames, 0);
    assert_eq!(hound::WavReader::open(&path).unwrap().duration(), 0);
    assert!(recorder.start(&path, hz(48_000), 20_000, true).is_err());
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_recorder_dropped_leaves_nothing() {
    let folder = folder("dropped");
    let mut recorder = Recorder::new();
    let mut tape = recorder.tape(hz(48_000), 2);
    recorder
        .start(&folder.join("a.wav"), hz(48_000), 2, false)
        .unwrap();
    tape.write(&woven(0..1_000, 2));
    assert_eq!(files(&folder).len(), 1);
    drop(recorder);
    assert!(files(&folder).is_empty());
    tape.write(&woven(0..1_000, 2));
    fs::remove_dir_all(folder).unwrap();
}
