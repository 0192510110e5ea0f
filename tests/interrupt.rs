//! Fifty runs that are struck down at a random moment: whatever has a final name is whole and
//! right, nothing that was there is lost, and what was begun can be gone on with.
//!
//! The moments spread over the time that an undisturbed run takes; where in it they fall is drawn
//! anew each time. `FALTUNG_SEED` draws the same once more.
#![cfg(all(feature = "cli", unix))]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process};

mod common;
use common::*;

/// The one that nobody hears, and the two that can be answered.
const SIGNALS: [Signal; 3] = [Signal::KILL, Signal::TERM, Signal::INT];

/// A run shorter than this is hard to hit.
const LONG_ENOUGH: Duration = Duration::from_millis(150);

// ---------------------------------------------------------------- chance

/// Numbers by splitmix64 (Steele, Lea and Flood 2014).
struct Dice(u64);

impl Dice {
    /// Begins anew each time, and says where.
    fn new() -> Self {
        let given = std::env::var("FALTUNG_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok());
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let seed = given.unwrap_or(now.unwrap().as_nanos() as u64);
        println!("FALTUNG_SEED={seed}");
        Self(seed)
    }

    /// From 0 to 1.
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

// ---------------------------------------------------------------- runs

/// A run that ended by itself or not.
struct Struck {
    what: String,
    status: ExitStatus,
    err: String,
}

fn command(room: &Room, line: &str) -> Command {
    let mut command = Command::new(BINARY);
    command.args(line.split_whitespace()).current_dir(&room.0);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(Stdio::piped());
    command
}

/// The least time of three undisturbed runs, each after `before`.
fn time(room: &Room, line: &str, before: impl Fn()) -> Duration {
    let once = |_| {
        before();
        let started = Instant::now();
        room.faltung(line).ok();
        started.elapsed()
    };
    (0..3).map(once).min().unwrap()
}

/// Runs the binary and strikes it after so long.
fn strike(room: &Room, line: &str, signal: Signal, after: Duration) -> Struck {
    let child = command(room, line).spawn().unwrap();
    thread::sleep(after);
    // Nobody has waited for it yet, so the number is still its own.
    kill_process(Pid::from_child(&child), signal).unwrap();
    let output = child.wait_with_output().unwrap();
    Struck {
        what: format!("faltung {line}, signal {} after {after:?}", signal.as_raw()),
        status: output.status,
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Struck {
    /// It was in time, or the run was over. Nothing else may have happened.
    #[track_caller]
    fn ended_by(&self, signal: Signal) -> bool {
        let Self { what, status, err } = self;
        let struck = status.signal() == Some(signal.as_raw());
        assert!(struck || status.success(), "{what}: {status}\n{err}");
        assert!(!err.contains("panicked"), "{what}\n{err}");
        struck
    }
}

fn is_part(name: &str) -> bool {
    name.ends_with(".faltung-tmp")
}

// ---------------------------------------------------------------- one file

#[test]
fn a_render_struck_down_leaves_the_old_or_the_new_and_nothing_between() {
    let room = Room::new();
    let mut dice = Dice::new();
    room.wav("ir.wav", &float(&[taps(1, 48_000), taps(2, 48_000)]));
    // Long enough to be hit.
    let mut seconds = 10;
    let took = loop {
        let frames = 48_000 * seconds;
        let sound = wav(I16, &[noise(3, frames, 16), noise(4, frames, 16)]);
        room.wav("in.wav", &sound);
        let took = time(&room, "render in.wav ir.wav out.wav -y -q", || ());
        if took >= LONG_ENOUGH || seconds >= 160 {
            break took;
        }
        seconds *= 2;
    };
    println!("{seconds} s of stereo take {took:?}");
    let old = b"what was there before".to_vec();
    let jobs = [
        ("render in.wav ir.wav out.wav", None),
        ("render in.wav ir.wav out.wav -y", Some(&old)),
        ("render in.wav ir.wav out.wav -y --guard", Some(&old)),
        ("render in.wav ir.wav out.wav --format f32 -q", None),
    ];
    let undisturbed = jobs.map(|(line, _)| {
        let _ = fs::remove_file(room.path("out.wav"));
        room.faltung(line).ok();
        fs::read(room.path("out.wav")).unwrap()
    });
    let others = ["in.wav", "ir.wav"];
    let kept = others.map(|name| fs::read(room.path(name)).unwrap());
    let (mut in_time, mut parts) = (0, 0);
    const ROUNDS: usize = 27;
    for round in 0..ROUNDS {
        let signal = SIGNALS[round % 3];
        let ((line, old), new) = (jobs[round % 4], &undisturbed[round % 4]);
        let _ = fs::remove_file(room.path("out.wav"));
        if let Some(old) = old {
            room.bytes("out.wav", old);
        }
        // Each signal comes once in every ninth of the time.
        let moment = ((round / 3) as f64 + dice.roll()) / (ROUNDS / 3) as f64;
        let struck = strike(&room, line, signal, took.mul_f64(moment));
        let what = &struck.what;
        let was_in_time = struck.ended_by(signal);
        in_time += usize::from(was_in_time);
        match fs::read(room.path("out.wav")) {
            Ok(bytes) if bytes == *new => {}
            Ok(bytes) => {
                assert!(was_in_time, "{what}: it went well, and is something else");
                let whole = old.is_some_and(|old| bytes == *old);
                assert!(whole, "{what}: {} bytes of something", bytes.len());
            }
            Err(_) => assert!(was_in_time && old.is_none(), "{what}: nothing is there"),
        }
        for name in room.files() {
            if is_part(&name) {
                assert_eq!(signal, Signal::KILL, "{what}: {name} is left");
                parts += 1;
                fs::remove_file(room.path(&name)).unwrap();
            } else {
                let known = others.contains(&name.as_str()) || name == "out.wav";
                assert!(known, "{what}: {name} is left");
            }
        }
    }
    for (name, kept) in others.iter().zip(kept) {
        assert!(fs::read(room.path(name)).unwrap() == kept, "{name}");
    }
    println!("{in_time} of {ROUNDS} in time, {parts} parts left by those killed");
    assert!(in_time >= ROUNDS / 4, "the signals came too late");
    assert!(parts > 0, "nothing was killed while it wrote");
}

#[test]
fn a_program_that_reads_along_is_told_what_was_interrupted() {
    let room = Room::new();
    room.wav("ir.wav", &float(&[taps(1, 4800)]));
    let sound = wav(F32, &[noise(3, 2_000_000, 16)]).bytes();
    room.bytes("old.wav", b"what was there before");
    // Where it goes, what is left of it, and whether the report goes beside it.
    for (out, delivered, signal, name) in [
        ("out.wav", "nothing", Signal::INT, "SIGINT"),
        ("old.wav -y", "nothing", Signal::TERM, "SIGTERM"),
        ("out.wav --guard", "nothing", Signal::INT, "SIGINT"),
        ("-", "part", Signal::TERM, "SIGTERM"),
    ] {
        let line = format!("render - ir.wav {out} --json");
        let mut child = command(&room, &line)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut pipe, mut out) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let half = sound[..6_000_000].to_vec();
        let feeder = thread::spawn(move || pipe.write_all(&half).map(|()| pipe));
        let reader = thread::spawn(move || {
            let mut bytes = Vec::new();
            out.read_to_end(&mut bytes).map(|_| bytes)
        });
        // The end of its input never comes: the pipe stays open.
        let pipe = feeder.join().unwrap().unwrap();
        thread::sleep(Duration::from_millis(500));
        kill_process(Pid::from_child(&child), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        drop(pipe);
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            output.status.signal(),
            Some(signal.as_raw()),
            "{line}\n{err}"
        );
        let bytes = reader.join().unwrap().unwrap();
        let report = match delivered {
            "part" => {
                assert_eq!(&bytes[..4], b"RIFF");
                &err
            }
            _ => str::from_utf8(&bytes).unwrap(),
        };
        assert_eq!(report.lines().count(), 1, "{line}\n{report}");
        let report: serde_json::Value = serde_json::from_str(report).unwrap();
        assert_eq!(report["event"], "summary", "{report}");
        assert_eq!(report["interrupted"], name, "{report}");
        assert_eq!(report["output"]["delivered"], delivered, "{report}");
        assert_eq!(report["input"]["of"], 2_000_000, "{report}");
        let frames = report["input"]["frames"].as_u64().unwrap();
        assert!((500_000..1_500_000).contains(&frames), "{report}");
        assert!(report["seconds"].as_f64().unwrap() > 0.4, "{report}");
        assert_eq!(room.files(), ["ir.wav", "old.wav"], "{line}");
        assert_eq!(
            fs::read(room.path("old.wav")).unwrap(),
            b"what was there before"
        );
    }
    room.bytes("in.wav", &sound);
    let ran = room.faltung("render in.wav ir.wav out.wav --json").ok();
    let report: serde_json::Value = serde_json::from_str(ran.stdout()).unwrap();
    assert!(report["interrupted"].is_null(), "{report}");
    assert_eq!(report["output"]["delivered"], "all", "{report}");
}

// ---------------------------------------------------------------- many files

/// What lies under a folder but the manifest, by name.
fn results(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().unwrap() != "faltung.jsonl" {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// Which file lies behind each name: what is written anew is another.
fn numbers(folder: &Path) -> BTreeMap<String, u64> {
    let number = |name: String| {
        let about = fs::metadata(folder.join(&name)).unwrap();
        (name, about.ino())
    };
    results(folder).into_keys().map(number).collect()
}

/// The last status of each task, as the manifest has it; a last line may be torn, no other.
#[track_caller]
fn manifest(folder: &Path, what: &str) -> BTreeMap<String, String> {
    let text = fs::read_to_string(folder.join("faltung.jsonl")).unwrap_or_default();
    let mut lines: Vec<_> = text.split('\n').collect();
    // After the last end of a line comes nothing, or what was torn.
    lines.pop();
    let mut last = BTreeMap::new();
    for line in lines {
        let line: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|why| panic!("{what}: {why}: {line}"));
        let word = |key: &str| {
            line[key]
                .as_str()
                .unwrap_or_else(|| panic!("{what}: {line}"))
        };
        last.insert(word("id").to_owned(), word("status").to_owned());
    }
    last
}

#[test]
fn a_batch_struck_down_goes_on_to_what_an_undisturbed_one_makes() {
    let room = Room::new();
    let mut dice = Dice::new();
    for folder in ["in", "in/deeper", "irs"] {
        fs::create_dir(room.path(folder)).unwrap();
    }
    for (seed, name) in [(1, "irs/a.wav"), (2, "irs/b.wav")] {
        room.wav(name, &float(&[taps(seed, 12_000)]).rate(16_000));
    }
    let line = "batch in --ir irs --out out --pick random --seed 7 -j 2 -q";
    let out = room.path("out");
    let clean = || drop(fs::remove_dir_all(&out));
    let mut files = 0;
    let took = loop {
        // As many again.
        let more = (2 * files).max(32);
        for k in files..more {
            let folder = if k % 3 == 0 { "in/deeper" } else { "in" };
            let sound = noise(k as u64, 16_000 + 700 * (k % 40), 16);
            let name = format!("{folder}/{k:03}.wav");
            room.wav(&name, &wav(I16, &[sound]).rate(16_000));
        }
        files = more;
        let took = time(&room, line, clean);
        if took >= LONG_ENOUGH || files >= 512 {
            break took;
        }
    };
    println!("{files} files take {took:?}");
    let (inputs, undisturbed) = (results(&room.path("in")), results(&out));
    assert_eq!(undisturbed.len(), files);
    let (mut in_time, mut parts, mut resumed) = (0, 0, 0);
    const ROUNDS: usize = 23;
    for round in 0..ROUNDS {
        let signal = SIGNALS[round % 3];
        clean();
        // Every other time there is something to replace.
        let old = round / 3 % 2 == 1;
        let line = match old {
            true => format!("{line} -y"),
            false => line.to_owned(),
        };
        if old {
            for name in undisturbed.keys() {
                let path = out.join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, name).unwrap();
            }
        }
        let moment = ((round / 3) as f64 + dice.roll()) / ROUNDS.div_ceil(3) as f64;
        let struck = strike(&room, &line, signal, took.mul_f64(moment));
        let what = &struck.what;
        let was_in_time = struck.ended_by(signal);
        in_time += usize::from(was_in_time);
        let found = results(&out);
        for (name, bytes) in &found {
            if is_part(name) {
                assert_eq!(signal, Signal::KILL, "{what}: {name} is left");
                parts += 1;
                continue;
            }
            let new = undisturbed.get(name);
            let new = new.unwrap_or_else(|| panic!("{what}: {name} is nobody's"));
            let whole = bytes == new || old && *bytes == name.as_bytes();
            assert!(whole, "{what}: {name} has {} bytes", bytes.len());
        }
        if old {
            let missing = undisturbed.keys().find(|name| !found.contains_key(*name));
            assert_eq!(missing, None, "{what}: lost");
        }
        let noted = manifest(&out, what);
        let done = noted.values().filter(|status| *status == "ok").count();
        // What is noted as done is there.
        let new = found
            .iter()
            .filter(|(name, bytes)| undisturbed.get(*name) == Some(*bytes));
        assert!(done <= new.count(), "{what}: noted and not done");
        // All the others go on as well, of which some have been told to stop.
        if signal == Signal::KILL || round % 2 == 0 {
            let before = numbers(&out);
            room.faltung(&format!("{} --resume", line.trim_end_matches(" -y")))
                .ok();
            assert!(
                results(&out) == undisturbed,
                "{what}: not the same in the end"
            );
            let noted = manifest(&out, what);
            assert!(noted.values().all(|status| status == "ok"), "{what}");
            assert_eq!(noted.len(), files, "{what}");
            let after = numbers(&out);
            let kept = after
                .iter()
                .filter(|(name, n)| before.get(*name) == Some(n));
            assert!(kept.count() >= done, "{what}: done twice");
            resumed += usize::from(0 < done && done < files);
        }
    }
    assert!(results(&room.path("in")) == inputs, "the inputs");
    println!(
        "{in_time} of {ROUNDS} in time, {parts} parts left by those killed, {resumed} resumed"
    );
    assert!(in_time >= ROUNDS / 4, "the signals came too late");
    assert!(parts > 0, "nothing was killed while it wrote");
    assert!(resumed > 0, "nothing was resumed in the middle");
}
