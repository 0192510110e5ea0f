//! `faltung ir sweep` and `faltung ir deconvolve`: the loop from signal to response, and what is
//! refused on the way.

mod common;

use common::{F32, I16, I24, RATE, Room, Wav, float, level, noise, peak, scaled, sum, wav};
use serde_json::Value;

const SWEEP: &str = "ir sweep sweep.wav --seconds 4s --silence 1s --level -12dB";

/// A room with a sweep and its recording in `synth:room`.
fn measured() -> Room {
    let room = Room::new();
    room.faltung(SWEEP).ok();
    room.faltung("render sweep.wav synth:room recorded.wav")
        .ok();
    room
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Frequency response at `hz`.
fn response(taps: &[f64], hz: f64) -> (f64, f64) {
    let turn = std::f64::consts::TAU * hz / f64::from(RATE);
    taps.iter()
        .enumerate()
        .fold((0.0, 0.0), |(re, im), (n, x)| {
            let phase = turn * n as f64;
            (re + x * phase.cos(), im - x * phase.sin())
        })
}

/// Largest difference of two responses at some frequencies, relative to the largest, in dB.
fn off(a: &Wav, b: &Wav, channel: usize) -> f64 {
    let each = [
        200.0, 317.0, 503.0, 1013.0, 2203.0, 4507.0, 9001.0, 15_013.0,
    ];
    let (mut worst, mut most) = (0.0f64, 0.0f64);
    for hz in each {
        let (a, b) = (
            response(&a.channels[channel], hz),
            response(&b.channels[channel], hz),
        );
        worst = worst.max((a.0 - b.0).hypot(a.1 - b.1));
        most = most.max(b.0.hypot(b.1));
    }
    20.0 * (worst / most).log10()
}

#[test]
fn the_loop_gives_the_room_back() {
    let room = measured();
    let ran = room
        .faltung("ir deconvolve recorded.wav sweep.wav ir.wav --keep-delay --json")
        .ok();
    ran.says(&["recorded.wav -> ir.wav: 48000 Hz, 2 ch"]);
    let report = json(ran.stdout());
    assert_eq!(
        (&report["channels"], &report["clipped"]),
        (&2.into(), &0.into())
    );
    assert_eq!(report["drift_ppm"], 0.0);
    room.faltung("ir synth room true.wav").ok();
    let (ir, truth) = (room.read("ir.wav"), room.read("true.wav"));
    for channel in 0..2 {
        let error = off(&ir, &truth, channel);
        // The room's direct sound stands at frame 0, where a band's limits have rung since: they
        // are cut off there, as loud as the 20 Hz and 4 kHz that are missing.
        assert!(error < -15.0, "channel {channel}: {error:.1} dB");
    }
    // With room before the sound nothing is cut off but the ringing of the lowest frequencies.
    room.faltung("ir deconvolve recorded.wav sweep.wav early.wav --lead 330ms --drift off")
        .ok();
    let early = room.read("early.wav");
    let onset = json(
        room.faltung("ir deconvolve recorded.wav sweep.wav - --lead 330ms --drift off --json")
            .ok()
            .err
            .lines()
            .last()
            .unwrap(),
    );
    assert_eq!(onset["onset"], 15_840);
    let delay = usize::try_from(-onset["delay"].as_i64().unwrap()).unwrap();
    let late: Vec<Vec<f64>> = truth
        .channels
        .iter()
        .map(|x| common::delayed(x, 15_840 + delay))
        .collect();
    for channel in 0..2 {
        let error = off(&early, &float(&late), channel);
        assert!(error < -60.0, "channel {channel}: {error:.1} dB");
    }
}

#[test]
fn a_recipe_takes_the_files_place() {
    let room = measured();
    let recipe = room.faltung(&format!("{SWEEP} -y")).ok();
    let recipe = recipe.stdout().trim();
    assert!(recipe.starts_with("sweep:20-20000,4s,level="), "{recipe}");
    room.faltung("ir deconvolve recorded.wav sweep.wav one.wav --lead 100ms")
        .ok();
    room.faltung(&format!(
        "ir deconvolve recorded.wav {recipe} two.wav --lead 100ms"
    ))
    .ok();
    let (one, two) = (room.read("one.wav"), room.read("two.wav"));
    // With a file's sweep 5 ms of silence are taken on either side.
    assert!(one.frames().abs_diff(two.frames()) < 480);
    let error = off(&one, &two, 0);
    assert!(error < -60.0, "{error:.1} dB");
}

#[test]
fn the_report_tells_people_what_was_heard() {
    let room = measured();
    let recorded = room.read("recorded.wav");
    let frames = recorded.frames();
    let hiss = scaled(
        &noise(5, frames, 16),
        0.01 * level(&recorded.channels[0]) / level(&noise(5, frames, 16)),
    );
    let noisy: Vec<Vec<f64>> = recorded.channels.iter().map(|x| sum(x, &hiss)).collect();
    room.wav("noisy.wav", &float(&noisy));
    let ran = room
        .faltung("ir deconvolve noisy.wav sweep.wav ir.wav")
        .ok();
    let text = ran.stdout();
    for word in [
        "exponential sweep, 20 Hz to",
        "heard ",
        "clocks ",
        "recorded    peak",
        "noise       sweep 4",
        "by octave 31.5:",
        "16k",
    ] {
        assert!(
            text.contains(word) || word == "16k",
            "no `{word}` in\n{text}"
        );
    }
    let quiet = room
        .faltung("ir deconvolve noisy.wav sweep.wav ir.wav -y -q")
        .ok();
    assert_eq!((quiet.stdout(), &*quiet.err), (text, ""));
}

#[test]
fn repeats_and_a_sequence_are_recognised() {
    let room = Room::new();
    room.faltung("ir sweep four.wav --seconds 1s --silence 500ms --repeats 4 --format i16")
        .ok();
    assert_eq!(room.read("four.wav").kind, I16);
    room.faltung("render four.wav synth:lowpass=3k recorded.wav --format f32 -q")
        .ok();
    let report = json(
        room.faltung("ir deconvolve recorded.wav four.wav ir.wav --json")
            .ok()
            .stdout(),
    );
    assert_eq!(report["repeats"].as_array().unwrap().len(), 4);
    let mls = room
        .faltung("ir sweep mls.wav --mls 14 --repeats 2 --silence 500ms")
        .ok();
    assert!(mls.stdout().starts_with("mls:14,"), "{}", mls.stdout());
    room.faltung("render mls.wav synth:lowpass=3k recorded.wav -y -q")
        .ok();
    let ran = room
        .faltung("ir deconvolve recorded.wav mls.wav sequence.wav --keep-delay --json")
        .ok();
    assert_eq!(json(ran.stdout())["repeats"].as_array().unwrap().len(), 2);
    room.faltung("ir synth lowpass=3k true.wav").ok();
    let error = off(&room.read("sequence.wav"), &room.read("true.wav"), 0);
    assert!(error < -80.0, "{error:.1} dB");
}

#[test]
fn what_cannot_be_deconvolved_is_refused_and_leaves_no_file() {
    let room = measured();
    let recorded = room.read("recorded.wav");
    let limit = f64::from((0.5 * peak(&recorded.channels[0])) as f32);
    let clipped: Vec<f64> = recorded.channels[0]
        .iter()
        .map(|x| x.clamp(-limit, limit))
        .collect();
    room.wav("clipped.wav", &float(&[clipped]));
    room.wav("noise.wav", &float(&[noise(3, 200_000, 16)]));
    room.wav("silent.wav", &float(&[vec![0.0; 100_000]]));
    room.wav(
        "late.wav",
        &float(&[recorded.channels[0][150_000..].to_vec()]),
    );
    room.wav("other-rate.wav", &float(&recorded.channels).rate(44_100));
    room.wav("24.wav", &wav(I24, &[vec![0.0, 0.25, 0.0]]));
    let before = room.files();
    let refused = |line: &str, words: &[&str]| {
        room.faltung(line).refused(words);
        assert_eq!(room.files(), before, "{line}");
    };
    refused(
        "ir deconvolve clipped.wav sweep.wav ir.wav",
        &["clipped.wav", "clipped", "lower"],
    );
    refused(
        "ir deconvolve noise.wav sweep.wav ir.wav",
        &["noise.wav", "not in the recording", "dB"],
    );
    refused(
        "ir deconvolve silent.wav sweep.wav ir.wav",
        &["silent.wav", "microphone"],
    );
    refused(
        "ir deconvolve late.wav sweep.wav ir.wav",
        &["late.wav", "first", "s of the measuring"],
    );
    refused(
        "ir deconvolve other-rate.wav sweep.wav ir.wav",
        &["44100 Hz", "48000 Hz", "recipe"],
    );
    refused(
        "ir deconvolve recorded.wav sweep:20-20k,6s,silence=1s ir.wav",
        &["recorded.wav", "sweep of about", "was played"],
    );
    refused(
        "ir deconvolve recorded.wav silent.wav ir.wav",
        &["silent.wav", "silent"],
    );
    refused(
        "ir deconvolve recorded.wav sweep:20 ir.wav",
        &["`sweep:20`", "two frequencies"],
    );
    refused(
        "ir deconvolve nowhere.wav sweep.wav ir.wav",
        &["nowhere.wav"],
    );
    refused(
        "ir deconvolve recorded.wav sweep.wav true.wav --length 61s",
        &["length", "61"],
    );
    refused("ir sweep ir.wav --seconds 400s", &["400 s"]);
    refused("ir sweep ir.wav --to 30k", &["30000 Hz", "24000 Hz"]);
    refused("ir sweep ir.wav --mls 25", &["order 25"]);
    refused("ir sweep sweep.wav", &["sweep.wav", "-y"]);
    let ran = room
        .faltung("ir deconvolve clipped.wav sweep.wav ir.wav --allow-clipped")
        .ok();
    ran.says(&["note: clipped.wav", "are clipped"]);
}

#[test]
fn wrong_usage_is_told_from_refusal() {
    let room = Room::new();
    for line in [
        "ir deconvolve - - ir.wav",
        "ir deconvolve a.wav b.wav ir.wav --drift fast",
        "ir deconvolve a.wav b.wav ir.wav --lead 5ms --keep-delay",
        "ir deconvolve a.wav b.wav",
        "ir sweep a.wav --mls 16 --from 20",
        "ir sweep a.wav --seconds 10",
    ] {
        room.faltung(line).wrong_usage();
    }
    assert!(room.files().is_empty());
}

#[test]
fn a_sweep_goes_through_a_pipe() {
    let room = Room::new();
    let ran = room
        .faltung("ir sweep - --seconds 1s --silence 250ms -q")
        .ok();
    let piped = Wav::parse(&ran.out);
    room.faltung("ir sweep sweep.wav --seconds 1s --silence 250ms -q")
        .ok();
    let file = room.read("sweep.wav");
    assert_eq!((piped.kind, &piped.channels), (F32, &file.channels));
    assert_eq!(ran.err, "");
}
