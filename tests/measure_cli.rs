//! `faltung ir measure` where there is nothing to measure through: what it refuses, and when.
#![cfg(all(feature = "cli", feature = "live"))]

mod common;

use common::Room;

/// A host that no machine has.
const NOWHERE: &str = "--host gramophone";

#[test]
fn a_host_that_is_not_there_is_named() {
    let room = Room::new();
    let refused = room.faltung(&format!("ir measure room.wav {NOWHERE}"));
    refused.refused(&["`gramophone`", "faltung devices"]);
    assert!(room.files().is_empty());
}

#[test]
fn files_that_exist_are_told_before_a_device_is_looked_for() {
    for name in [
        "room.wav",
        "room-sweep.wav",
        "room-recording.wav",
        "room-report.json",
    ] {
        let room = Room::new();
        room.bytes(name, b"mine");
        let line = format!("ir measure room.wav {NOWHERE}");
        room.faltung(&line).refused(&[name, "-y"]);
        assert_eq!(room.files(), [name]);
        room.faltung(&format!("{line} -y")).refused(&["gramophone"]);
        assert_eq!(std::fs::read(room.path(name)).unwrap(), b"mine");
        if name != "room.wav" {
            let line = format!("{line} --ir-only");
            room.faltung(&line).refused(&["gramophone"]);
        }
    }
}

#[test]
fn a_folder_that_is_missing_is_told_too() {
    let room = Room::new();
    let refused = room.faltung(&format!("ir measure here/room.wav {NOWHERE}"));
    refused.refused(&["here", "does not exist"]);
    let line = format!("ir measure room.wav --report there/report.json {NOWHERE}");
    room.faltung(&line).refused(&["there", "does not exist"]);
}

#[test]
fn what_makes_no_sense_is_wrong_usage() {
    let room = Room::new();
    for line in [
        "",
        "-",
        "room.wav --report room.wav",
        "room.wav --sweep /dev/null",
        "room.wav --loopback 2 --latency 10",
        "room.wav --latency 10 --keep-delay",
        "room.wav --divide",
        "room.wav --loopback 0",
        "room.wav --tries 0",
        "room.wav --check",
        "--check --report r.json",
        "room.wav --seconds 10x",
        "room.wav --level loud",
        "room.wav --in-ch 0",
    ] {
        let ran = room.faltung(&format!("ir measure {line}"));
        assert_eq!(ran.code, Some(2), "{line}\n{}", ran.err);
        ran.wrong_usage();
        assert!(room.files().is_empty(), "{line}");
    }
}
