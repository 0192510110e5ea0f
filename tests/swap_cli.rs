//! `faltung render --swap`: what takes over, when, and what is said about it.
#![cfg(feature = "cli")]

use std::fs;
use std::slice::from_ref;

mod common;
use common::*;

/// When `b.wav` takes over, in frames and as an option: between two steps of any grid.
const AT: usize = 24_187;
const SWAP: &str = "--swap 503.895834ms=b.wav";
/// Frames behind it after which nothing of a swap is left, for short responses.
const LATER: usize = 2 * RATE as usize;
/// A difference that is no more than rounding, beside the level of the signal.
const ROUNDING: f64 = -110.0;

/// A room with 3.2 s of `in.wav` and the responses `a.wav` (6,000 frames) and `b.wav` (2,500).
fn scene() -> Room {
    let room = Room::new();
    room.wav("in.wav", &float(&[noise(1, 153_601, 24)]));
    room.wav("a.wav", &float(&[taps(2, 6000)]));
    room.wav("b.wav", &float(&[taps(3, 2500)]));
    room
}

/// What `render in.wav WORDS` makes, with the response as its first word.
#[track_caller]
fn rendered(room: &Room, words: &str) -> Vec<f64> {
    let (ir, options) = words.split_once(' ').unwrap_or((words, ""));
    room.faltung(&format!("render in.wav {ir} out.wav -y {options}"))
        .ok();
    room.read("out.wav").channels.remove(0)
}

/// The difference in dB, beside the level of what is expected.
fn off(ours: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(ours.len(), expected.len());
    let difference: Vec<f64> = ours.iter().zip(expected).map(|(a, b)| a - b).collect();
    20.0 * (peak(&difference) / level(expected)).log10()
}

#[track_caller]
fn equal(ours: &[f64], expected: &[f64], what: &str) {
    let off = off(ours, expected);
    assert!(off < ROUNDING, "{what}: {off:.1} dB");
}

#[test]
fn a_swap_is_the_first_response_before_and_the_second_after() {
    let room = scene();
    let (a, b) = (rendered(&room, "a.wav"), rendered(&room, "b.wav"));
    for mode in ["warm", "ring", "cut"] {
        let got = rendered(&room, &format!("a.wav {SWAP} --swap-mode {mode}"));
        assert_eq!(got.len(), b.len(), "{mode}");
        equal(&got[..AT], &a[..AT], &format!("before, {mode}"));
        let after = AT + LATER;
        equal(&got[after..], &b[after..], &format!("after, {mode}"));
        // And it begins when it should: head and fade need less than that.
        let soon = AT..AT + 2048;
        assert!(off(&got[soon.clone()], &a[soon]) > -40.0, "{mode}");
    }
    assert_eq!(
        rendered(&room, &format!("a.wav {SWAP}")),
        rendered(&room, &format!("a.wav {SWAP} --swap-mode warm")),
        "warm is the default"
    );
}

#[test]
fn warm_answers_to_what_was_heard_ring_and_cut_do_not() {
    let room = scene();
    // Sound up to the swap, then silence.
    let mut x = noise(1, 40_000, 24);
    x[AT - 64..].fill(0.0);
    room.wav("in.wav", &float(&[x]));
    // Only a late echo, behind every fade.
    for name in ["a.wav", "b.wav"] {
        let mut h = vec![0.0; 9000];
        (h[0], h[8000]) = (0.25, if name == "a.wav" { 0.5 } else { -0.5 });
        room.wav(name, &float(&[h]));
    }
    let (a, b) = (rendered(&room, "a.wav"), rendered(&room, "b.wav"));
    // What the last 3,000 frames of sound answer at the echo, and nothing else is heard then.
    let echo = AT + 5000 - 64..AT + 8000 - 64;
    let got = |mode| {
        let out = rendered(&room, &format!("a.wav {SWAP} --swap-mode {mode}"));
        out[echo.clone()].to_vec()
    };
    equal(&got("warm"), &b[echo.clone()], "warm: the new one's answer");
    equal(&got("ring"), &a[echo.clone()], "ring: the old one's answer");
    assert!(
        peak(&got("cut")) < 1e-6 * peak(&a[echo.clone()]),
        "cut: none"
    );
}

#[test]
fn a_swap_to_the_same_response_is_none() {
    let room = scene();
    let plain = rendered(&room, "a.wav");
    for mode in ["warm", "ring"] {
        let words = format!("a.wav --swap 0.5s=a.wav --swap 701ms=a.wav --swap-mode {mode}");
        equal(&rendered(&room, &words), &plain, mode);
    }
}

#[test]
fn swaps_come_in_the_order_of_time_and_back_again() {
    let room = scene();
    let a = rendered(&room, "a.wav");
    let words = "a.wav --swap 250ms=a.wav --swap 150ms=b.wav";
    let got = rendered(&room, words);
    assert_eq!(got.len(), a.len());
    let later = 12_000 + LATER;
    equal(&got[later..], &a[later..], "the later one stays");
    let other = rendered(&room, "a.wav --swap 150ms=b.wav --swap 250ms=a.wav");
    assert_eq!(got, other, "in any order");
    let at_once = rendered(&room, "a.wav --swap 0s=b.wav");
    let b = rendered(&room, "b.wav");
    equal(&at_once[LATER..], &b[LATER..], "from the first frame on");
}

#[test]
fn the_tail_is_the_last_responses_unless_another_still_rings() {
    let room = scene();
    room.wav("short.wav", &float(&[taps(4, 100)]));
    let n = 153_601;
    let frames = |words: &str| rendered(&room, words).len();
    assert_eq!(frames("a.wav --swap 1s=short.wav"), n + 99);
    assert_eq!(frames("short.wav --swap 1s=a.wav"), n + 5999);
    assert_eq!(frames("a.wav --swap 1s=short.wav --predelay 10ms"), n + 579);
    assert_eq!(frames("a.wav --swap 1s=short.wav --tail cut"), n);
    assert_eq!(frames("short.wav --swap 1s=a.wav --tail 10ms"), n + 480);
    // 2 ms before the end: the first one has nearly all of its tail still to ring.
    let ringing = frames("a.wav --swap 3.198s=short.wav --swap-mode ring");
    assert!((n + 5000..n + 6000 + 1024).contains(&ringing), "{ringing}");
}

#[test]
fn leading_silence_stays_where_it_is() {
    let room = scene();
    let late = |frames: usize, h: &[f64]| float(&[delayed(h, frames)]);
    room.wav("a.wav", &late(700, &taps(2, 3000)));
    room.wav("b.wav", &late(1900, &taps(3, 1000)));
    let (a, b) = (rendered(&room, "a.wav"), rendered(&room, "b.wav"));
    let got = rendered(&room, &format!("a.wav {SWAP}"));
    equal(&got[..AT], &a[..AT], "before");
    equal(&got[AT + LATER..], &b[AT + LATER..], "after");
}

#[test]
fn a_pipe_gives_what_a_file_gives() {
    let room = scene();
    let line = "a.wav out.wav -y --swap 1s=b.wav --swap 1.001s=a.wav --swap 1.03s=b.wav";
    for mode in ["warm", "ring", "cut"] {
        let words = format!("{line} --swap-mode {mode}");
        room.faltung(&format!("render in.wav {words}")).ok();
        let file = room.read("out.wav");
        let input = fs::read(room.path("in.wav")).unwrap();
        room.faltung_fed(&format!("render - {words}"), &input).ok();
        assert_eq!(room.read("out.wav"), file, "{mode}");
        let words = words.replace("out.wav", "-");
        let piped = room.faltung_fed(&format!("render - {words}"), &input).ok();
        assert_eq!(Wav::parse(&piped.out), file, "{mode}");
    }
}

#[test]
fn recipes_resampled_files_and_true_stereo_are_swapped_too() {
    let room = scene();
    let line = "render in.wav synth:hall out.wav --swap 1s=synth:echo=300ms,0.5";
    room.faltung(line).refused(&["synth:echo", "1 ch", "2"]);
    let words = "synth:lowpass=3k --swap 1s=synth:highpass=80 --swap 1.5s=b.wav";
    equal(
        &rendered(&room, words)[RATE as usize * 7 / 2 - 48_000..][..1000],
        &rendered(&room, "b.wav")[RATE as usize * 7 / 2 - 48_000..][..1000],
        "behind all of them",
    );
    // The same response at another rate is the same sound, and it is said.
    room.faltung("ir synth lowpass=3k low.wav -r 96k").ok();
    let ran = room
        .faltung("render in.wav a.wav out.wav -y --swap 1s=low.wav")
        .ok();
    ran.says(&["low.wav: 1 ch", "resampled from 96000 Hz"]);
    let (got, from) = (room.read("out.wav"), 3 * RATE as usize);
    let plain = rendered(&room, "low.wav");
    equal(&got.channels[0][from..], &plain[from..], "resampled");

    let four = |seed: u64| -> Vec<_> { (0..4).map(|k| taps(seed + k, 2000)).collect() };
    room.wav(
        "in.wav",
        &float(&[noise(1, 120_000, 24), noise(2, 120_000, 24)]),
    );
    room.wav("a.wav", &float(&four(10)));
    room.wav("b.wav", &float(&four(20)));
    room.faltung("render in.wav a.wav out.wav -y --swap 100ms=b.wav")
        .ok();
    let got = room.read("out.wav").channels;
    room.faltung("render in.wav b.wav out.wav -y").ok();
    for (got, b) in got.iter().zip(&room.read("out.wav").channels) {
        equal(&got[LATER + 4800..], &b[LATER + 4800..], "true stereo");
    }
}

#[test]
fn what_does_not_fit_is_refused_with_the_way_out() {
    let room = scene();
    room.wav("stereo.wav", &float(&[taps(4, 100), taps(5, 100)]));
    let files = room.files();
    let refused = |words: &str, say: &[&str]| {
        let line = format!("render in.wav a.wav out.wav {words}");
        room.faltung(&line).refused(say);
        assert_eq!(room.files(), files, "{line}");
    };
    let counts = [
        "stereo.wav: has 2 channel(s)",
        "a.wav has 1",
        "equally many",
    ];
    refused("--swap 1s=stereo.wav", &counts);
    let twice = [
        "b.wav and a.wav",
        "both take over at frame 48000",
        "move one",
    ];
    refused(
        "--swap 1s=b.wav --swap 2s=b.wav --swap 1000ms=a.wav",
        &twice,
    );
    refused("--swap 1s=none.wav", &["none.wav"]);
    refused("--swap 1s=synth:nowhere", &["`nowhere`"]);
    for words in [
        "--swap 1s",
        "--swap 1s=",
        "--swap b.wav",
        "--swap 1=b.wav",
        "--swap -1s=b.wav",
        "--swap-mode ring",
        "--swap 1s=b.wav --swap-mode hard",
        "--swap 1s=b.wav --mode same",
        "--swap 1s=- --swap 2s=-",
    ] {
        let line = format!("render in.wav a.wav out.wav {words}");
        room.faltung(&line).wrong_usage();
        assert_eq!(room.files(), files, "{line}");
    }
    room.faltung("render - a.wav out.wav --swap 1s=-")
        .wrong_usage();
    room.faltung("render in.wav a.wav b.wav -y --swap 1s=b.wav")
        .refused(&["b.wav"]);
}

#[test]
fn a_swap_behind_the_end_is_reported_and_left_out() {
    let room = scene();
    let plain = rendered(&room, "a.wav");
    for words in ["--swap 3.3s=b.wav", "--swap 9min=b.wav"] {
        let line = format!("render in.wav a.wav out.wav -y {words}");
        let ran = room.faltung(&line).ok();
        ran.says(&["in.wav: ends at 3.200 s", "b.wav", "never reached"]);
        equal(&room.read("out.wav").channels[0], &plain, words);
    }
    let ran = room.faltung("render in.wav a.wav out.wav -y -q --swap 3.3s=b.wav");
    assert_eq!(ran.ok().err, "");
}

#[test]
fn the_status_line_and_json_tell_the_swaps() {
    let room = scene();
    let line = "render in.wav a.wav out.wav --json --swap 4s=a.wav --swap 1.5s=b.wav";
    let ran = room.faltung(&format!("{line} --swap-mode ring")).ok();
    assert_eq!(ran.err.lines().count(), 2, "{}", ran.err);
    ran.says(&[
        "latency 0",
        "at 1.500 s ring swap to b.wav",
        "at 4.000 s ring swap to a.wav",
    ]);
    let told: serde_json::Value = serde_json::from_str(ran.stdout()).unwrap();
    let swap = |index: usize| &told["swaps"][index];
    assert_eq!(
        (&swap(0)["time"], &swap(0)["frame"], &swap(0)["mode"]),
        (&1.5.into(), &72_000.into(), &"ring".into())
    );
    assert_eq!(
        (&swap(0)["reached"], &swap(1)["reached"]),
        (&true.into(), &false.into())
    );
    assert_eq!(swap(0)["ir"]["name"], "b.wav");
    let ran = room.faltung("render in.wav a.wav out.wav -y --json").ok();
    let told: serde_json::Value = serde_json::from_str(ran.stdout()).unwrap();
    assert_eq!(told["swaps"], serde_json::json!([]));
}

#[test]
fn full_scale_is_watched_over_all_of_it() {
    let room = scene();
    let loud = scaled(&taps(3, 2500), 400.0);
    room.wav("b.wav", &float(from_ref(&loud)));
    let line = format!("render in.wav a.wav out.wav --format i24 {SWAP}");
    room.faltung(&line).refused_midway(&["exceeds full scale"]);
    let ran = room.faltung(&format!("{line} --guard")).ok();
    ran.says(&["--guard applied -"]);
    let top = peak(&room.read("out.wav").channels[0]);
    assert!((0.98..=1.0).contains(&top), "{top}");
}
