//! `faltung ir edit`: operations on impulse responses, through the binary.
#![cfg(feature = "cli")]

use std::process::Command;
use std::slice::from_ref;

mod common;
use common::*;

/// A room of 0.5 s behind 20 ms of silence, over a noise floor 50 dB below it.
fn room_response() -> Vec<f64> {
    let (decay, floor) = (noise(5, 38_400, 24), noise(6, 38_400, 24));
    let sound = decay.iter().zip(&floor).enumerate().map(|(n, (x, y))| {
        let fall = 10f64.powf(-3.0 * n as f64 / 24_000.0);
        0.3 * (x * fall + y * db(-50.0))
    });
    let silent = floor[..960].iter().map(|y| 0.3 * y * db(-50.0));
    silent.chain(sound).collect()
}

/// The operations that `--help` lists, each as it stands there.
fn listed(room: &Room) -> Vec<String> {
    let help = room.faltung("ir edit --help").ok();
    let operations = help.stdout().split("Operations:").nth(1).unwrap();
    operations
        .lines()
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| !line.starts_with("   "))
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .collect()
}

#[test]
fn every_operation_of_the_help_works_as_it_stands() {
    let room = Room::new();
    let left = room_response();
    room.wav("in.wav", &float(&[left.clone(), scaled(&left, 0.5)]));
    let operations = listed(&room);
    assert!(operations.len() > 25, "{operations:?}");
    for operation in operations {
        let ran = room
            .faltung(&format!("ir edit in.wav out.wav {operation} -y"))
            .ok();
        let lines: Vec<_> = ran.err.lines().collect();
        // What `mix` loads may have a note of its own; the last line is the file's.
        let told = format!("faltung: {operation}: ");
        assert!(
            lines.iter().any(|line| line.starts_with(&told)),
            "{}",
            ran.err
        );
        assert!(
            lines[lines.len() - 1].contains("in.wav -> out.wav"),
            "{}",
            ran.err
        );
        assert!(
            !ran.err.contains("NaN") && ran.out.is_empty(),
            "{}",
            ran.err
        );
        assert!(
            room.read("out.wav").channels[0]
                .iter()
                .any(|&tap| tap != 0.0),
            "{operation}"
        );
    }
}

#[test]
fn operations_are_carried_out_in_the_order_in_which_they_are_written() {
    let room = Room::new();
    let x = taps(1, 480);
    room.wav("in.wav", &float(from_ref(&x)));
    let run = |operations: &str| {
        let ran = room
            .faltung(&format!("ir edit in.wav out.wav {operations} -y"))
            .ok();
        (room.read("out.wav").channels.swap_remove(0), ran.err)
    };
    let (a, said) = run("predelay=5ms reverse gain=0.5");
    let (b, _) = run("gain=0.5 reverse predelay=5ms");
    let silence = vec![0.0; 240];
    let back: Vec<f64> = x.iter().rev().map(|x| 0.5 * x).collect();
    same_within(
        &[a, b],
        &[
            [&back[..], &silence].concat(),
            [&silence[..], &back].concat(),
        ],
        0.0,
        "order",
    );
    let names: Vec<_> = said
        .lines()
        .map(|line| line.split(": ").nth(1).unwrap())
        .collect();
    assert_eq!(
        names[..3],
        ["predelay=5ms", "reverse", "gain=0.5"],
        "{said}"
    );
    assert_eq!(names.len(), 4, "{said}");
}

#[test]
fn a_room_is_cleaned_up_in_one_line() {
    let room = Room::new();
    room.wav("in.wav", &float(&[room_response()]));
    let ran = room
        .faltung("ir edit in.wav out.wav trim trim-noise normalize=l1")
        .ok();
    // 20 ms of silence, of which 1 ms stays; the floor of -50 dB is met after 0.42 s.
    ran.says(&["912 frames (19.00 ms) from the start", "Lundeby", "gain "]);
    let out = room.read("out.wav");
    let sum: f64 = out.channels[0].iter().map(|tap| tap.abs()).sum();
    assert!((sum - 1.0).abs() < 1e-4, "{sum}");
    assert!((33_000..38_400).contains(&out.frames()), "{}", out.frames());
}

#[test]
fn a_recipe_is_made_at_the_rate_and_a_pipe_is_read_and_written() {
    let room = Room::new();
    room.faltung("ir edit synth:lowpass=3k out.wav minimum-phase -r 96k")
        .ok();
    assert_eq!(room.read("out.wav").rate, 96_000);
    let x = taps(2, 300);
    let piped = room
        .faltung_fed("ir edit - - gain=-1 -q", &float(from_ref(&x)).bytes())
        .ok();
    assert_eq!(piped.err, "");
    same_within(
        &Wav::parse(&piped.out).channels,
        &[scaled(&x, -1.0)],
        0.0,
        "pipe",
    );
    room.wav("in.wav", &float(from_ref(&x)));
    room.faltung("ir edit in.wav no.wav gain=1 -r 96k")
        .refused(&["in.wav", "48000 Hz", "resample=96000"]);
}

#[test]
fn another_response_is_mixed_in_and_brought_to_the_rate_with_a_notice() {
    let room = Room::new();
    room.wav("in.wav", &float(&[vec![1.0; 48]]));
    room.wav("other.wav", &float(&[vec![0.0; 882]]).rate(44_100));
    let ran = room
        .faltung("ir edit in.wav out.wav mix=other.wav,25%")
        .ok();
    ran.says(&["resampled from 44100 Hz to 48000 Hz", "other.wav"]);
    let out = room.read("out.wav");
    assert_eq!(
        (out.rate, out.frames(), out.channels[0][47]),
        (48_000, 960, 0.75)
    );
    room.faltung("ir edit in.wav two.wav mix=none.wav,25%")
        .refused(&["mix", "none.wav"]);
}

#[test]
fn a_target_curve_comes_from_a_file_and_a_bad_one_is_refused_with_its_line() {
    let room = Room::new();
    let mut taps = impulse(64);
    taps[1] = 0.5;
    room.wav("in.wav", &float(&[taps]));
    room.bytes("house.txt", b"# Hz dB\n100 3\n10000 -3\n");
    let ran = room
        .faltung("ir edit in.wav out.wav invert=target:house.txt")
        .ok();
    ran.says(&["delays by 4096 frames", "within 0."]);
    room.bytes("bad.txt", b"100 3\nten -3\n");
    room.faltung("ir edit in.wav no.wav invert=target:bad.txt")
        .refused(&["bad.txt", "line 2", "100 -3.5"]);
    room.faltung("ir edit in.wav no.wav invert=target:gone.txt")
        .refused(&["gone.txt"]);
    assert!(!room.files().contains(&"no.wav".to_owned()));
}

#[test]
fn what_cannot_be_done_is_refused_and_leaves_no_file() {
    let room = Room::new();
    room.wav("silent.wav", &float(&[vec![0.0; 100], vec![0.0; 100]]));
    room.wav("one.wav", &float(&[vec![1.0]]));
    for (line, words) in [
        ("one.wav out.wav width=2", ["one.wav", "1 channel"]),
        ("one.wav out.wav channel=2", ["channel 2", "1 channel"]),
        (
            "one.wav out.wav decay=0.5",
            ["decay: no decay", "too short"],
        ),
        (
            "one.wav out.wav trim-noise",
            ["trim-noise: no decay", "too short"],
        ),
        ("one.wav out.wav gain=+900dB", ["gain=+900dB", "less gain"]),
        ("one.wav out.wav eq=highcut:30k", ["30000 Hz", "24000 Hz"]),
        ("one.wav out.wav predelay=11min", ["predelay", "600 s"]),
        ("gone.wav out.wav trim", ["gone.wav", ""]),
    ] {
        room.faltung(&format!("ir edit {line}")).refused(&words);
    }
    for operation in [
        "trim",
        "normalize=energy",
        "decay=2",
        "trim-noise",
        "invert",
        "early=1ms",
    ] {
        let line = format!("ir edit silent.wav out.wav {operation} -q");
        let ran = room.faltung(&line);
        assert_eq!(ran.code, Some(1), "{line}");
        // After the note that the response is silent.
        assert!(ran.err.contains("all taps are 0"), "{line}: {}", ran.err);
    }
    assert_eq!(room.files(), ["one.wav", "silent.wav"]);
    room.faltung("ir edit one.wav silent.wav gain=1 -q")
        .refused(&["silent.wav", "-y"]);
}

#[test]
fn a_value_may_follow_its_operation_as_a_word() {
    let room = Room::new();
    room.wav("in.wav", &float(&[room_response()]));
    let apart = room.faltung("ir edit in.wav apart.wav trim normalize peak fade-out 5ms reverse");
    let joined = room.faltung("ir edit in.wav joined.wav trim normalize=peak fade-out=5ms reverse");
    let (apart, joined) = (apart.ok(), joined.ok());
    assert_eq!(
        room.read("apart.wav").channels,
        room.read("joined.wav").channels
    );
    assert_eq!(apart.err.replace("apart.wav", "joined.wav"), joined.err);
    for line in ["trim soon", "reverse peak", "peak", "normalize=peak -1dB"] {
        room.faltung(&format!("ir edit in.wav out.wav {line}"))
            .wrong_usage();
    }
}

#[test]
fn wrong_usage_names_the_operation_the_value_and_an_example() {
    let room = Room::new();
    room.wav("one.wav", &float(&[vec![1.0]]));
    for (operation, words) in [
        ("trimm", ["`trimm`", "trim-noise"]),
        ("fade-out=50", ["`50`", "`250ms`"]),
        ("normalize=rms", ["`rms`", "normalize=energy"]),
        ("decay=125:x", ["`x`", "decay=0.7"]),
        ("eq=bell:1k:3dB", ["`bell`", "highshelf"]),
        ("invert=band:40", ["40-16k", "invert="]),
    ] {
        let ran = room.faltung(&format!("ir edit one.wav out.wav {operation}"));
        ran.says(&words);
        ran.wrong_usage();
    }
    for line in ["ir edit one.wav", "ir edit one.wav out.wav"] {
        room.faltung(line).wrong_usage();
    }
    assert_eq!(room.files(), ["one.wav"]);
}

#[test]
fn responses_of_seven_and_fourteen_channels_stay_whole() {
    let room = Room::new();
    let left = room_response();
    for channels in [7, 14] {
        let set: Vec<_> = (0..channels).map(|k| delayed(&left, 5 * k)).collect();
        let longest = set[channels - 1].len();
        let set: Vec<_> = set
            .into_iter()
            .map(|mut taps| {
                taps.resize(longest, 0.0);
                taps
            })
            .collect();
        room.wav("in.wav", &float(&set));
        room.faltung("ir edit in.wav out.wav trim trim-noise decay=0.6 eq=lowcut:80 normalize=loudness resample=44.1k -y -q").ok();
        let out = room.read("out.wav");
        assert_eq!((out.channels.len(), out.rate), (channels, 44_100));
        assert!(out.channels.iter().all(|taps| peak(taps) > 1e-3));
    }
    let mut command = Command::new(BINARY);
    command.args(["ir", "edit", "in.wav", "mono.wav", "mono", "channel=1"]);
    room.run(command, "mono", b"")
        .ok()
        .says(&["the mean of 14 channels"]);
}
