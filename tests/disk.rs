//! Disks that are full, folders that are closed or go away, inputs that change while they are
//! read: one clear line, and nothing half done.
#![cfg(all(feature = "cli", target_os = "linux"))]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

mod common;
use common::*;

/// Set in the process that has mounts of its own.
const INSIDE: &str = "FALTUNG_TEST_MOUNTS";

/// Whether this process may mount what it likes. If not, the test `name` is run once more in one
/// that may, where there can be one; `FALTUNG_FORMATS=required` insists.
#[track_caller]
fn may_mount(name: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    // As root, or as root of a space of its own.
    for who in ["-m", "-rm"] {
        let try_out = "mount -t tmpfs -o size=64k none /mnt";
        let tried = Command::new("unshare")
            .args([who, "sh", "-c", try_out])
            .output();
        if !tried.is_ok_and(|ran| ran.status.success()) {
            continue;
        }
        let ran = Command::new("unshare")
            .arg(who)
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(INSIDE, "1")
            .output()
            .unwrap();
        let [out, err] = [&ran.stdout, &ran.stderr].map(|text| String::from_utf8_lossy(text));
        assert!(ran.status.success(), "{out}{err}");
        assert!(out.contains("1 passed"), "{out}{err}");
        return false;
    }
    let required = std::env::var("FALTUNG_FORMATS").is_ok_and(|word| word == "required");
    assert!(!required, "no file system can be mounted here");
    eprintln!("skipped: no file system can be mounted here");
    false
}

/// A file system of so many KiB in a new folder, gone when dropped.
struct Disk(PathBuf);

impl Disk {
    fn new(room: &Room, name: &str, kilobytes: usize) -> Self {
        let folder = room.path(name);
        fs::create_dir(&folder).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={kilobytes}k"), "none"])
            .arg(&folder)
            .status();
        assert!(mounted.unwrap().success());
        Self(folder)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // So that the room can be cleared, also after a failure.
        let _ = Command::new("umount").arg(&self.0).status();
        let _ = fs::remove_dir(&self.0);
    }
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| name(entry).into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A folder of sounds, of 100 ms and of 2 s in turns, and a response for them.
fn corpus(room: &Room, files: usize) {
    fs::create_dir(room.path("in")).unwrap();
    for k in 0..files {
        let frames = if k % 2 == 0 { 1600 } else { 32_000 };
        let sound = wav(I16, &[noise(k as u64, frames, 16)]).rate(16_000);
        room.wav(&format!("in/{k:02}.wav"), &sound);
    }
    room.wav("ir.wav", &float(&[taps(9, 800)]).rate(16_000));
}

/// A manifest's lines; each is whole, the last one too.
#[track_caller]
fn whole_lines(manifest: &[u8]) -> Vec<serde_json::Value> {
    let ended: Vec<_> = manifest.split_inclusive(|&byte| byte == b'\n').collect();
    assert!(ended.iter().all(|line| line.ends_with(b"\n")));
    let whole = |line: &&[u8]| serde_json::from_slice(line).expect("a whole line");
    ended.iter().map(whole).collect()
}

// ---------------------------------------------------------------- a disk that is full

#[test]
fn a_full_disk_keeps_what_was_there_and_nothing_half_done() {
    if !may_mount("a_full_disk_keeps_what_was_there_and_nothing_half_done") {
        return;
    }
    let room = Room::new();
    let disk = Disk::new(&room, "disk", 256);
    room.wav("in.wav", &wav(I16, &[noise(1, 400_000, 16)]));
    room.wav("short.wav", &wav(I16, &[noise(1, 40_000, 16)]));
    room.wav("ir.wav", &float(&[taps(9, 4800)]));
    room.faltung("render short.wav ir.wav whole.wav").ok();
    let whole = fs::read(room.path("whole.wav")).unwrap();
    let disk = &disk.0;
    // Also where the guard holds the result back on that disk.
    for how in ["", " -y", " --guard", " --format f32"] {
        room.faltung(&format!("render in.wav ir.wav disk/out.wav{how}"))
            .refused_midway(&["disk/out.wav", "no space left", "nothing was delivered"]);
        assert_eq!(names(disk), [""; 0], "{how}");
    }
    // What fits is delivered, and stays when something longer does not.
    room.faltung("render short.wav ir.wav disk/out.wav").ok();
    for how in ["-y", "-y --guard"] {
        room.faltung(&format!("render in.wav ir.wav disk/out.wav {how}"))
            .refused_midway(&["disk/out.wav", "no space left"]);
        assert_eq!(names(disk), ["out.wav"], "{how}");
        assert!(fs::read(disk.join("out.wav")).unwrap() == whole, "{how}");
    }
    // 80 kB twice fit, so the old one need not go first.
    room.faltung("render short.wav ir.wav disk/out.wav -y").ok();
    assert!(fs::read(disk.join("out.wav")).unwrap() == whole);
}

#[test]
fn a_batch_onto_a_full_disk_delivers_what_fits_and_names_what_does_not() {
    if !may_mount("a_batch_onto_a_full_disk_delivers_what_fits_and_names_what_does_not") {
        return;
    }
    let room = Room::new();
    let disk = Disk::new(&room, "disk", 256);
    corpus(&room, 16);
    room.faltung("batch in --ir ir.wav --out whole -q").ok();
    let same = |name: &str| {
        let [ours, whole] = ["disk", "whole"].map(|folder| fs::read(room.path(folder).join(name)));
        ours.unwrap() == whole.unwrap()
    };
    let line = "batch in --ir ir.wav --out disk --manifest done.jsonl -j 2";
    let ran = room.faltung(line);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
    ran.says(&["no space left"]);
    let delivered = names(&disk.0);
    // Some of the shorter ones fit in any order.
    assert!((3..16).contains(&delivered.len()), "{delivered:?}");
    assert!(delivered.iter().all(|name| same(name)), "{delivered:?}");
    // Each of the others has its line in the manifest, with a reason that names it.
    let noted = fs::read_to_string(room.path("done.jsonl")).unwrap();
    let mut failed = 0;
    for line in noted.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        if line["status"] != "ok" {
            let told = line.to_string();
            assert!(told.contains("no space left"), "{told}");
            failed += 1;
        }
    }
    assert_eq!(noted.lines().count(), 16);
    assert_eq!(failed + delivered.len(), 16);
    // More room, and it goes on.
    drop(disk);
    let disk = Disk::new(&room, "disk", 4096);
    room.faltung(&format!("{line} --resume -q")).ok();
    assert_eq!(names(&disk.0).len(), 16);
    assert!(names(&disk.0).iter().all(|name| same(name)));
}

#[test]
fn a_batch_whose_manifest_finds_no_room_ends_with_1_and_leaves_nothing_half_done() {
    if !may_mount("a_batch_whose_manifest_finds_no_room_ends_with_1_and_leaves_nothing_half_done") {
        return;
    }
    let room = Room::new();
    corpus(&room, 16);
    room.faltung("batch in --ir ir.wav --out whole -q").ok();
    // Not one result fits; the manifest's first lines do, on the second one.
    for kilobytes in [4, 8, 100] {
        let disk = Disk::new(&room, "disk", kilobytes);
        let ran = room.faltung("batch in --ir ir.wav --out disk -j 2");
        assert_eq!(ran.code, Some(1), "{}", ran.err);
        assert!(!ran.err.contains("panicked"), "{}", ran.err);
        let err = ran.err.to_lowercase();
        assert!(err.contains("no space left"), "{}", ran.err);
        for name in names(&disk.0) {
            let found = fs::read(disk.0.join(&name)).unwrap();
            if name == "faltung.jsonl" {
                whole_lines(&found);
            } else {
                let whole = fs::read(room.path("whole").join(&name));
                assert!(whole.is_ok_and(|whole| whole == found), "{name}");
            }
        }
    }
}

#[test]
fn a_manifest_that_may_not_grow_has_whole_lines_only_and_the_run_goes_on_from_there() {
    let room = Room::new();
    corpus(&room, 16);
    room.faltung("batch in --ir ir.wav --out whole -q").ok();
    fs::create_dir(room.path("out")).unwrap();
    // Lines of some 400 bytes; results need more than 4 KiB, so that each is an error.
    let limited = |workers: usize| {
        let line = format!("batch in --ir ir.wav --out out -y -q -j {workers}");
        let mut command = Command::new("prlimit");
        command.args(["--fsize=4096", BINARY]);
        command.args(line.split(' '));
        let ran = room.run(command, &line, b"");
        assert_eq!(ran.code, Some(1), "{}", ran.err);
        ran.says(&["faltung.jsonl: ", "too large", "--resume"]);
        assert_eq!(names(&room.path("out")), ["faltung.jsonl"]);
        let lines = whole_lines(&fs::read(room.path("out/faltung.jsonl")).unwrap());
        assert!((1..16).contains(&lines.len()), "{}", lines.len());
        // One after the other is told: none is missing before the last.
        let left = lines.iter().map(|line| line["left"].as_u64().unwrap());
        assert!(left.eq((0..16).rev().take(lines.len())));
    };
    limited(1);
    limited(4);
    room.faltung("batch in --ir ir.wav --out out --resume -q")
        .ok();
    for k in 0..16 {
        let [ours, whole] =
            ["out", "whole"].map(|folder| fs::read(room.path(&format!("{folder}/{k:02}.wav"))));
        assert!(ours.unwrap() == whole.unwrap(), "{k}");
    }
    let lines = whole_lines(&fs::read(room.path("out/faltung.jsonl")).unwrap());
    assert_eq!(lines.last().unwrap()["left"], 0);
}

#[test]
fn in_a_batch_a_result_that_the_system_finds_too_large_is_that_files_error() {
    let room = Room::new();
    corpus(&room, 4);
    room.faltung("batch in --ir ir.wav --out whole -q").ok();
    // 32 KiB in units of 512 bytes, or of 1024 where sh is bash.
    let line = format!("ulimit -f 48; exec {BINARY} batch in --ir ir.wav --out out");
    let mut command = Command::new("sh");
    command.args(["-c", &line]);
    let ran = room.run(command, &line, b"");
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    ran.says(&["01.wav", "03.wav", "size"]);
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
    assert_eq!(
        names(&room.path("out")),
        ["00.wav", "02.wav", "faltung.jsonl"]
    );
    for name in ["00.wav", "02.wav"] {
        let [ours, whole] = ["out", "whole"].map(|folder| fs::read(room.path(folder).join(name)));
        assert!(ours.unwrap() == whole.unwrap(), "{name}");
    }
}

// ---------------------------------------------------------------- folders

#[test]
fn a_batch_into_a_closed_folder_says_so_and_writes_nothing() {
    let room = Room::new();
    corpus(&room, 2);
    fs::create_dir(room.path("locked")).unwrap();
    let mode = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
    fs::set_permissions(room.path("locked"), mode(0o555)).unwrap();
    room.bytes("secret", b"");
    fs::set_permissions(room.path("secret"), mode(0)).unwrap();
    for out in ["locked", "locked/deeper"] {
        let line = format!("batch in --ir ir.wav --out {out}");
        let mut command = Command::new(BINARY);
        command.args(line.split_whitespace());
        if fs::read(room.path("secret")).is_ok() {
            command.uid(65_534).gid(65_534); // root may write everywhere, nobody may not
        }
        let ran = room.run(command, &line, b"");
        assert_eq!(ran.code, Some(1), "{}", ran.err);
        assert!(!ran.err.contains("panicked"), "{}", ran.err);
        ran.says(&["locked"]);
        let err = ran.err.to_lowercase();
        assert!(err.contains("permission"), "{}", ran.err);
        assert_eq!(names(&room.path("locked")), [""; 0]);
    }
}

/// Waits until something holds; a minute is long for what takes a moment.
#[track_caller]
fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if holds() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("{what}: never came");
}

#[test]
fn a_target_folder_that_goes_away_meanwhile_is_named() {
    let room = Room::new();
    room.wav("ir.wav", &float(&[taps(9, 4800)]));
    let input = wav(I16, &[noise(1, 300_000, 16)]).bytes();
    for how in ["", "--guard"] {
        fs::create_dir(room.path("gone")).unwrap();
        let mut child = Command::new(BINARY)
            .args(["render", "-", "ir.wav", "gone/out.wav", "-q"])
            .args(how.split_whitespace())
            .current_dir(&room.0)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = child.stdin.take().unwrap();
        pipe.write_all(&input[..input.len() / 2]).unwrap();
        wait_for("a part", || !names(&room.path("gone")).is_empty());
        fs::remove_dir_all(room.path("gone")).unwrap();
        // It may give up before it has heard everything.
        let _ = pipe.write_all(&input[input.len() / 2..]);
        drop(pipe);
        let output = child.wait_with_output().unwrap();
        let ran = Ran {
            line: format!("render - ir.wav gone/out.wav {how}"),
            code: output.status.code(),
            out: output.stdout,
            err: String::from_utf8(output.stderr).unwrap(),
        };
        ran.refused(&["gone/out.wav", "folder", "does not exist"]);
        assert_eq!(room.files(), ["ir.wav"]);
    }
}

// ---------------------------------------------------------------- inputs

/// A run in the middle of a file: it waits for the reader of its result.
struct Held {
    child: Child,
    heard: Vec<u8>,
}

impl Held {
    fn new(room: &Room) -> Self {
        let mut child = Command::new(BINARY)
            .args(["render", "in.wav", "ir.wav", "-", "-q"])
            .current_dir(&room.0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Once something comes, the file is open; a pipe holds much less than the rest.
        let mut heard = vec![0; 100];
        child
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut heard)
            .unwrap();
        Self { child, heard }
    }

    fn go_on(mut self) -> Ran {
        let mut out = self.heard;
        let pipe = self.child.stdout.as_mut().unwrap();
        pipe.read_to_end(&mut out).unwrap();
        let output = self.child.wait_with_output().unwrap();
        Ran {
            line: "render in.wav ir.wav -".into(),
            code: output.status.code(),
            out,
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// An input of 6 MB, with its length in the header or left open, and what it should give.
fn long(open: bool) -> (Room, Vec<u8>, Vec<u8>) {
    let room = Room::new();
    room.wav("ir.wav", &float(&[taps(9, 4800)]));
    let mut bytes = wav(I16, &[noise(1, 1_500_000, 16), noise(2, 1_500_000, 16)]).bytes();
    if open {
        bytes[4..8].fill(0xff);
        bytes[40..44].fill(0xff);
    }
    room.bytes("in.wav", &bytes);
    let expected = room.faltung("render in.wav ir.wav - -q").ok().out;
    assert!(expected.len() > bytes.len());
    (room, bytes, expected)
}

#[test]
fn an_input_that_vanishes_or_grows_while_it_is_read_is_read_as_it_was() {
    for open in [false, true] {
        let (room, bytes, expected) = long(open);
        let held = Held::new(&room);
        let mut file = fs::File::options();
        let mut file = file.append(true).open(room.path("in.wav")).unwrap();
        file.write_all(&bytes[44..]).unwrap();
        let ran = held.go_on().ok();
        assert!(ran.out == expected, "grown, open {open}");
        room.bytes("in.wav", &bytes);
        let held = Held::new(&room);
        fs::remove_file(room.path("in.wav")).unwrap();
        let ran = held.go_on().ok();
        assert!(ran.out == expected, "gone, open {open}");
    }
}

#[test]
fn an_input_that_shrinks_while_it_is_read_is_cut_short() {
    for open in [false, true] {
        let (room, bytes, _) = long(open);
        let held = Held::new(&room);
        let file = fs::File::options().write(true).open(room.path("in.wav"));
        file.unwrap().set_len(3_000_044).unwrap();
        let promised = format!("promises {} bytes", bytes.len() - 44);
        held.go_on()
            .refused(&["in.wav", "cut short", &promised, "3000000 are there"]);
    }
}

#[test]
fn in_a_batch_an_input_that_is_missing_or_cut_is_that_files_error_alone() {
    let room = Room::new();
    corpus(&room, 6);
    room.faltung("batch in --ir ir.wav --out whole -q").ok();
    let cut = fs::read(room.path("in/03.wav")).unwrap();
    room.bytes("in/03.wav", &cut[..cut.len() / 2]);
    fs::remove_file(room.path("in/04.wav")).unwrap();
    let list: String = (0..6).map(|k| format!("in/{k:02}.wav\n")).collect();
    room.bytes("list.txt", list.as_bytes());
    let ran = room.faltung("batch --list list.txt --ir ir.wav --out out --name {stem}.{ext}");
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
    ran.says(&["03.wav", "cut short", "04.wav", "no such file"]);
    let delivered = names(&room.path("out"));
    assert_eq!(
        delivered,
        ["00.wav", "01.wav", "02.wav", "05.wav", "faltung.jsonl"]
    );
    for name in &delivered[..4] {
        let [ours, whole] = ["out", "whole"].map(|folder| fs::read(room.path(folder).join(name)));
        assert!(ours.unwrap() == whole.unwrap(), "{name}");
    }
}
