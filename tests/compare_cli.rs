//! `faltung ir compare` on files: what is found, what is told, what is refused.
#![cfg(feature = "cli")]

use std::slice::from_ref;

mod common;
use common::*;

fn json(ran: &Ran) -> serde_json::Value {
    serde_json::from_str(ran.stdout()).unwrap()
}

/// A room with `a.wav` and, 30 frames later, at half the level and turned, `b.wav`.
fn moved() -> Room {
    let (room, a) = (Room::new(), taps(1, 2000));
    let late: Vec<f64> = vec![0.0; 30];
    let b: Vec<f64> = late.into_iter().chain(a.iter().map(|x| -0.5 * x)).collect();
    room.wav("a.wav", &float(from_ref(&a)));
    room.wav("b.wav", &float(from_ref(&b)));
    room
}

#[test]
fn delay_and_gain_are_told_and_nothing_is_left() {
    let room = moved();
    let ran = room.faltung("ir compare a.wav b.wav --json").ok();
    let told = json(&ran);
    assert_eq!(told["delay_frames"], 30.0);
    assert!(
        (told["gain"].as_f64().unwrap() + 2.0).abs() < 1e-9,
        "{told}"
    );
    assert_eq!(
        (&told["inverted"], &told["equal"]),
        (&true.into(), &false.into())
    );
    assert!(
        told["null_db"].as_f64().is_none_or(|db| db < -200.0),
        "{told}"
    );
    let ran = room.faltung("ir compare a.wav b.wav").ok();
    for words in [
        "30.000 frames (0.625 ms) earlier",
        "6.0 dB inverted",
        "null",
        "1000",
    ] {
        assert!(ran.stdout().contains(words), "{words}: {}", ran.stdout());
    }
}

#[test]
fn equal_files_are_called_equal() {
    let room = moved();
    let told = json(&room.faltung("ir compare a.wav a.wav --json").ok());
    assert_eq!(
        (&told["equal"], &told["null_db"]),
        (&true.into(), &serde_json::Value::Null)
    );
    let ran = room.faltung("ir compare a.wav a.wav").ok();
    assert!(
        ran.stdout().contains("nothing left") && ran.stdout().contains("not at all"),
        "{}",
        ran.stdout()
    );
}

#[test]
fn another_rate_is_resampled_with_a_notice_and_a_recipe_takes_the_files() {
    let room = moved();
    room.faltung("ir synth lowpass=3k low48.wav").ok();
    room.faltung("ir synth lowpass=3k low96.wav -r 96k").ok();
    let ran = room.faltung("ir compare low48.wav low96.wav --json").ok();
    ran.says(&["low96.wav: resampled from 96000 Hz to 48000 Hz"]);
    let told = json(&ran);
    // The same filter at another rate: what the resampler's and the filter's own bounds leave.
    assert!(told["null_db"].as_f64().unwrap() < -80.0, "{told}");
    assert!(told["gain_db"].as_f64().unwrap().abs() < 0.01, "{told}");
    for line in ["low96.wav synth:lowpass=3k", "synth:lowpass=3k low96.wav"] {
        let ran = room.faltung(&format!("ir compare {line} --json")).ok();
        let told = json(&ran);
        assert_eq!(
            (&told["rate"], &told["equal"]),
            (&96_000.into(), &true.into())
        );
        assert_eq!(ran.err, "");
    }
}

#[test]
fn one_channel_is_compared_where_counts_differ() {
    let room = moved();
    room.faltung("ir synth room room.wav").ok();
    room.faltung("ir compare room.wav a.wav")
        .refused(&["room.wav has 2 ch, a.wav has 1 ch; bring both to the same number, or choose one channel (--channel N)"]);
    let told = json(
        &room
            .faltung("ir compare room.wav a.wav --channel 2 --json")
            .ok(),
    );
    assert_eq!(told["channels"], 1);
    room.faltung("ir compare room.wav a.wav --channel 3")
        .refused(&["channel 3"]);
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let room = moved();
    room.wav("silent.wav", &float(&[vec![0.0; 50]]));
    room.faltung("ir compare a.wav silent.wav")
        .refused_midway(&["silent.wav is silent"]);
    room.faltung("ir compare a.wav none.wav")
        .refused(&["none.wav"]);
    room.faltung("ir compare a.wav").wrong_usage();
}
