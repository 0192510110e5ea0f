//! Every command that README.md and the guides show, run as it stands there.
#![cfg(all(feature = "cli", unix))]

use std::fs;
use std::path::Path;
use std::process::Command;

mod common;
use common::*;

/// What asks for a sound device: it must be understood; tests/live.rs has the sound.
const SOUND: [&str; 3] = ["faltung live ", "faltung devices", "faltung ir measure "];

/// The command lines of a page, with where they stand.
fn commands(page: &str) -> Vec<(usize, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let text = fs::read_to_string(path).unwrap();
    let (mut inside, mut lines) = (false, Vec::new());
    for (number, line) in text.lines().enumerate() {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            _ if inside => lines.push((number + 1, line.to_string())),
            _ => {}
        }
    }
    lines
}

/// Runs a page from its top to its end in one folder that has the assets; returns how many
/// commands that were.
fn follow(page: &str) -> usize {
    let room = Room::new();
    for folder in ["assets", "assets/golden"] {
        fs::create_dir(room.path(folder)).unwrap();
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for entry in fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                fs::copy(&path, room.path(folder).join(path.file_name().unwrap())).unwrap();
            }
        }
    }
    let folder = Path::new(BINARY).parent().unwrap().to_str().unwrap();
    let path = format!("{folder}:{}", std::env::var("PATH").unwrap());
    let mut count = 0;
    for (number, line) in commands(page) {
        let line = line.replace("cargo run --release -- ", "faltung ");
        // The set-up is what built this.
        let mut line = line.replace("sh setup.sh && ", "");
        if SOUND.iter().any(|sound| line.starts_with(sound)) {
            if cfg!(not(feature = "live")) {
                continue;
            }
            let (command, _) = line.split_once('#').unwrap_or((&line, ""));
            line = format!("{} --help", command.trim_end());
        }
        if !line.contains("faltung ") || line.starts_with("cargo ") {
            continue;
        }
        let mut command = Command::new("sh");
        command.args(["-c", &line]).env("PATH", &path);
        let ran = room.run(command, &line, b"");
        let place = format!("{page} line {number}: {line}");
        assert_eq!(ran.code, Some(0), "{place}\n{}", ran.err);
        // `# prints 3 19 22 10` at the end of a line is what it prints.
        if let Some((_, printed)) = line.split_once("# prints ") {
            assert_eq!(ran.stdout().trim_end(), printed, "{place}");
        }
        count += 1;
    }
    count
}

#[test]
fn every_command_of_the_readme_runs() {
    let count = follow("README.md");
    assert!(count >= 20, "{count} commands found");
}

#[test]
fn every_command_of_the_guide_to_files_runs() {
    let count = follow("docs/files.md");
    assert!(count >= 15, "{count} commands found");
}

#[test]
fn every_command_of_the_lab_guide_runs() {
    let count = follow("docs/lab.md");
    assert!(count >= 20, "{count} commands found");
}
