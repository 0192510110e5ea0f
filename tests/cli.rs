//! The binary itself, on real files: what comes out, what is said, what is left behind.
#![cfg(feature = "cli")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::slice::from_ref;

mod common;
use common::*;

/// A room with `in.wav` (mono, 700 frames) and `ir.wav` (mono, 300 frames), both f32.
fn simple() -> (Room, Vec<f64>, Vec<f64>) {
    let (room, x, h) = (Room::new(), noise(1, 700, 16), taps(2, 300));
    room.wav("in.wav", &float(from_ref(&x)));
    room.wav("ir.wav", &float(from_ref(&h)));
    (room, x, h)
}

// ---------------------------------------------------------------- formats

const KINDS: [(Kind, bool); 10] = [
    (U8, false),
    (I16, false),
    (I24, false),
    (I24In4, false),
    (I32, false),
    (F32, false),
    (I16, true),
    (I24, true),
    (I24In4, true),
    (F32, true),
];

/// Random values of the whole range of a format, and its ends.
fn whole_range(kind: Kind, seed: u64, frames: usize) -> Vec<f64> {
    let bits = if kind == F32 { 24 } else { kind.bits() };
    let mut x = scaled(&noise(seed, frames, bits), 4.0);
    x[3] = -1.0;
    x[4] = 1.0 - 2f64.powi(1 - bits as i32);
    x
}

#[test]
fn an_identity_response_gives_every_sample_of_every_format_back() {
    let room = Room::new();
    room.wav("one.wav", &float(&[vec![1.0]]));
    for (kind, extensible) in KINDS {
        for channels in [1, 2, 3, 6] {
            let planar: Vec<_> = (0..channels).map(|k| whole_range(kind, k, 5000)).collect();
            let input = Wav {
                extensible,
                ..wav(kind, &planar)
            };
            room.wav("in.wav", &input);
            for ir in ["synth:identity", "one.wav"] {
                room.faltung(&format!("render in.wav {ir} out.wav -y")).ok();
                let out = room.read("out.wav");
                let what = format!("{kind:?} extensible {extensible} {ir}");
                assert_eq!((out.rate, out.kind.bits()), (RATE, kind.bits()), "{what}");
                assert_eq!(out.kind == F32, kind == F32, "{what}");
                same_within(&out.channels, &planar, 0.0, &what);
            }
        }
    }
}

#[test]
fn a_wider_format_holds_a_narrower_one_exactly() {
    let room = Room::new();
    let x = whole_range(U8, 1, 300);
    room.wav("in.wav", &wav(U8, from_ref(&x)));
    for (name, kind) in [("i16", I16), ("i24", I24), ("i32", I32), ("f32", F32)] {
        room.faltung(&format!(
            "render in.wav synth:identity {name}.wav --format {name}"
        ))
        .ok();
        let out = room.read(&format!("{name}.wav"));
        assert_eq!(out.kind, kind);
        same_within(&out.channels, from_ref(&x), 0.0, name);
    }
}

#[test]
fn integer_output_is_dithered_by_two_steps_at_most_and_the_same_each_time() {
    let room = Room::new();
    let h = taps(9, 300);
    room.wav("ir.wav", &float(from_ref(&h)));
    for kind in [U8, I16, I24, I24In4] {
        let x = noise(3, 4000, kind.bits());
        room.wav("in.wav", &wav(kind, from_ref(&x)));
        room.faltung("render in.wav ir.wav out.wav -y").ok();
        let out = room.read("out.wav");
        assert_eq!(out.kind.bits(), kind.bits());
        let expected = full(&x, &h);
        same_within(
            &out.channels,
            from_ref(&expected),
            2.0 * kind.step(),
            "dither",
        );
        // Triangular dither of two steps' width, then rounding: variance 1/6 + 1/12 of a step.
        let error: Vec<f64> = out.channels[0]
            .iter()
            .zip(&expected)
            .map(|(a, b)| a - b)
            .collect();
        let error = level(&error) / kind.step();
        assert!(
            (0.45..0.55).contains(&error),
            "{kind:?}: error of {error} steps"
        );
        room.faltung("render in.wav ir.wav again.wav -y").ok();
        assert_eq!(room.read("again.wav"), out, "{kind:?}");
    }
}

#[test]
fn the_input_format_is_kept_and_format_changes_it() {
    let (room, x, h) = simple();
    for (name, kind) in [("i16", I16), ("i24", I24), ("i32", I32), ("f32", F32)] {
        room.faltung(&format!("render in.wav ir.wav {name}.wav --format {name}"))
            .ok();
        let out = room.read(&format!("{name}.wav"));
        assert_eq!(out.kind, kind);
        let allowed = FLOAT + if kind == F32 { 0.0 } else { 2.0 * kind.step() };
        same_within(&out.channels, &[full(&x, &h)], allowed, name);
    }
    room.faltung("render in.wav ir.wav out.wav").ok();
    assert_eq!(room.read("out.wav").kind, F32);
}

// ---------------------------------------------------------------- modes and tails

#[test]
fn modes_have_the_sizes_and_values_of_numpy_also_when_the_input_is_shorter() {
    let room = Room::new();
    for (n, m) in [
        (1, 1),
        (1, 5),
        (5, 1),
        (2, 3),
        (6, 6),
        (500, 700),
        (700, 700),
        (701, 700),
        (3000, 700),
    ] {
        let (x, h) = (noise(n as u64, n, 16), taps(m as u64, m));
        room.wav("in.wav", &float(&[x.clone(), scaled(&x, -0.5)]));
        room.wav("ir.wav", &float(from_ref(&h)));
        let (long, short, f) = (n.max(m), n.min(m), full(&x, &h));
        for (mode, part) in [
            ("full", &f[..]),
            ("same", &f[(short - 1) / 2..][..long]),
            ("valid", &f[short - 1..long]),
        ] {
            room.faltung(&format!("render in.wav ir.wav out.wav --mode {mode} -y"))
                .ok();
            let expected = [part.to_vec(), scaled(part, -0.5)];
            let what = format!("{n} frames, {m} taps, {mode}");
            same_within(&room.read("out.wav").channels, &expected, FLOAT, &what);
        }
    }
}

#[test]
fn the_tail_is_whole_unless_cut_or_given_a_length() {
    let (room, x, h) = simple();
    let f = full(&x, &h);
    for (tail, frames) in [
        ("", 999),
        ("--tail full", 999),
        ("--tail cut", 700),
        ("--tail 0", 700),
        ("--tail 2ms", 796),
        ("--tail 0.002s", 796),
        ("--tail 2.5s", 999),
    ] {
        room.faltung(&format!("render in.wav ir.wav out.wav {tail} -y"))
            .ok();
        let out = room.read("out.wav");
        same_within(&out.channels, &[f[..frames].to_vec()], FLOAT, tail);
    }
}

#[test]
fn a_tail_ends_where_it_has_fallen_below_the_level_asked_for() {
    let room = Room::new();
    // 60 dB in half a second, of one second.
    let ring = |i: usize| db(-120.0 * i as f64 / f64::from(RATE)) * 0.5;
    let h: Vec<f64> = (0..RATE as usize).map(ring).collect();
    room.wav("in.wav", &float(&[impulse(100)]));
    room.wav("ir.wav", &float(from_ref(&h)));
    let mut before = 0;
    for (tail, seconds) in [("-30dB", 0.25), ("-60dB", 0.5), ("-90dB", 0.75)] {
        room.faltung(&format!("render in.wav ir.wav out.wav --tail {tail} -y"))
            .ok();
        let out = room.read("out.wav").channels.remove(0);
        // By peak or by the energy that is still to come: within 0.1 s of the slope.
        let off = out.len() as f64 / f64::from(RATE) - seconds;
        assert!(off.abs() < 0.1, "--tail {tail}: {} frames", out.len());
        assert!(out.len() > before);
        before = out.len();
        same_within(from_ref(&out), &[h[..out.len()].to_vec()], FLOAT, tail);
    }
}

// ---------------------------------------------------------------- routing

#[test]
fn one_response_serves_every_channel() {
    let room = Room::new();
    let (planar, h): (Vec<_>, _) = ((0..5).map(|k| noise(k, 400, 16)).collect(), taps(1, 90));
    room.wav("in.wav", &float(&planar));
    room.wav("ir.wav", &float(from_ref(&h)));
    room.faltung("render in.wav ir.wav out.wav").ok();
    let expected: Vec<_> = planar.iter().map(|x| full(x, &h)).collect();
    same_within(&room.read("out.wav").channels, &expected, FLOAT, "1 on 5");
}

#[test]
fn as_many_responses_as_channels_pair_off() {
    for channels in [2, 3, 6] {
        let room = Room::new();
        let planar: Vec<_> = (0..channels).map(|k| noise(k, 400, 16)).collect();
        let taps: Vec<_> = (0..channels).map(|k| taps(k, 90)).collect();
        room.wav("in.wav", &float(&planar));
        room.wav("ir.wav", &float(&taps));
        room.faltung("render in.wav ir.wav out.wav").ok();
        let expected: Vec<_> = planar.iter().zip(&taps).map(|(x, h)| full(x, h)).collect();
        same_within(&room.read("out.wav").channels, &expected, FLOAT, "N on N");
    }
}

#[test]
fn a_stereo_response_makes_stereo_of_mono() {
    let (room, x, h) = simple();
    let g = taps(7, 300);
    room.wav("ir.wav", &float(&[h.clone(), g.clone()]));
    room.faltung("render in.wav ir.wav out.wav").ok();
    let out = room.read("out.wav").channels;
    same_within(&out, &[full(&x, &h), full(&x, &g)], FLOAT, "mono to stereo");
}

#[test]
fn four_responses_on_stereo_are_true_stereo_in_the_order_that_is_printed_or_chosen() {
    let room = Room::new();
    let (l, r) = (noise(1, 400, 16), noise(2, 400, 16));
    let [a, b, c, d] = [1, 2, 3, 4].map(|k| taps(k, 130));
    room.wav("in.wav", &float(&[l.clone(), r.clone()]));
    room.wav(
        "ir.wav",
        &float(&[a.clone(), b.clone(), c.clone(), d.clone()]),
    );
    let mix = |ll: &[f64], lr: &[f64], rl: &[f64], rr: &[f64]| {
        [
            sum(&full(&l, ll), &full(&r, rl)),
            sum(&full(&l, lr), &full(&r, rr)),
        ]
    };
    let ran = room.faltung("render in.wav ir.wav out.wav").ok();
    ran.says(&["LL, LR, RL, RR"]);
    let out = room.read("out.wav").channels;
    same_within(&out, &mix(&a, &b, &c, &d), FLOAT, "LL, LR, RL, RR");
    let ran = room
        .faltung("render in.wav ir.wav out.wav -y --order LL,RL,LR,RR")
        .ok();
    ran.says(&["LL, RL, LR, RR"]);
    let out = room.read("out.wav").channels;
    same_within(&out, &mix(&a, &c, &b, &d), FLOAT, "LL, RL, LR, RR");
    room.faltung("render in.wav ir.wav out.wav -y --order LL,LR,RL,RL")
        .wrong_usage();
}

#[test]
fn channel_counts_that_do_not_fit_are_refused_with_both_counts() {
    let room = Room::new();
    for (inputs, irs) in [(2, 3), (3, 2), (3, 4), (5, 4)] {
        let planar: Vec<_> = (0..inputs).map(|k| noise(k, 50, 16)).collect();
        let taps: Vec<_> = (0..irs).map(|k| taps(k, 9)).collect();
        room.wav("in.wav", &float(&planar));
        room.wav("ir.wav", &float(&taps));
        let ran = room.faltung("render in.wav ir.wav out.wav");
        ran.refused(&[&inputs.to_string(), &irs.to_string()]);
        assert_eq!(room.files(), ["in.wav", "ir.wav"]);
    }
}

// ---------------------------------------------------------------- levels

#[test]
fn mix_dry_wet_gain_and_predelay_do_what_they_say_and_nothing_more() {
    let (room, x, h) = simple();
    let wet = full(&x, &h);
    let late = 960; // 20 ms
    let mix = |dry: f64, wet_gain: f64| sum(&scaled(&x, dry), &scaled(&wet, wet_gain));
    for (options, expected) in [
        ("", wet.clone()),
        ("--mix 100%", wet.clone()),
        ("--mix 30%", mix(0.7, 0.3)),
        ("--mix 0%", mix(1.0, 0.0)),
        ("--dry -6dB --wet 0dB", mix(db(-6.0), 1.0)),
        ("--dry 0dB --wet -12dB", mix(1.0, db(-12.0))),
        ("--dry -6dB", mix(db(-6.0), 1.0)),
        ("--wet -6dB", scaled(&wet, db(-6.0))),
        ("--gain -3dB", scaled(&wet, db(-3.0))),
        ("--gain 3dB --mix 50%", scaled(&mix(0.5, 0.5), db(3.0))),
        ("--predelay 20ms", delayed(&wet, late)),
        (
            "--predelay 20ms --mix 50%",
            sum(&scaled(&x, 0.5), &scaled(&delayed(&wet, late), 0.5)),
        ),
    ] {
        room.faltung(&format!("render in.wav ir.wav out.wav {options} -y"))
            .ok();
        same_within(&room.read("out.wav").channels, &[expected], FLOAT, options);
    }
    room.faltung("render in.wav ir.wav new.wav --mix 30% --dry -6dB")
        .wrong_usage();
}

#[test]
fn dry_sound_follows_the_channels_of_the_routing() {
    let (room, x, h) = simple();
    let g = taps(7, 300);
    room.wav("ir.wav", &float(&[h.clone(), g.clone()]));
    room.faltung("render in.wav ir.wav out.wav --dry 0dB").ok();
    let expected = [sum(&x, &full(&x, &h)), sum(&x, &full(&x, &g))];
    same_within(
        &room.read("out.wav").channels,
        &expected,
        FLOAT,
        "dry on both",
    );
}

/// A room whose result reaches four times full scale.
fn loud() -> Room {
    let room = Room::new();
    let x: Vec<f64> = noise(1, 3000, 16).iter().map(|x| x * 2.0).collect();
    room.wav("in.wav", &wav(I16, &[x]));
    room.wav("ir.wav", &float(&[vec![8.0, 0.25]]));
    room
}

/// The first gain in dB that a message names, such as `-12.05dB` or `-12.05 dB`.
fn named_gain(message: &str) -> String {
    let end = |at: usize| message[..at].trim_end().len();
    let start = |at: usize| {
        let digits = message[..end(at)].trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        digits.strip_suffix('-').map(str::len)
    };
    let (at, start) = message
        .match_indices("dB")
        .find_map(|(at, _)| Some((at, start(at)?)))
        .unwrap_or_else(|| panic!("no gain in {message}"));
    format!("{}dB", &message[start..end(at)])
}

#[test]
fn over_full_scale_is_not_delivered_and_the_gain_named_fits() {
    let room = loud();
    let ran = room
        .faltung("render in.wav ir.wav out.wav")
        .refused_midway(&["out.wav", "--guard", "dB"]);
    assert_eq!(room.files(), ["in.wav", "ir.wav"]);
    let gain = named_gain(&ran.err);
    room.faltung(&format!("render in.wav ir.wav out.wav --gain {gain}"))
        .ok();
    let most = peak(&room.read("out.wav").channels[0]);
    assert!(most <= 1.0 && most > db(-1.0), "{gain} gives {most}");
}

#[test]
fn guard_applies_the_gain_that_fits_and_says_which() {
    let room = loud();
    let ran = room.faltung("render in.wav ir.wav out.wav --guard").ok();
    let out = room.read("out.wav").channels.remove(0);
    assert!(peak(&out) <= 1.0 && peak(&out) > db(-1.0), "{}", peak(&out));
    // It is the result, turned down, not a clipped one.
    let y = full(&room.read("in.wav").channels[0], &[8.0, 0.25]);
    let gain = level(&out) / level(&y);
    same_within(&[out], &[scaled(&y, gain)], 3.0 * I16.step(), "guarded");
    let said = named_gain(&ran.err);
    let said: f64 = said.trim_end_matches("dB").parse().unwrap();
    assert!(
        (said - 20.0 * gain.log10()).abs() < 0.06,
        "{said} dB for {gain}"
    );
}

#[test]
fn guard_leaves_alone_what_fits() {
    let (room, x, h) = simple();
    room.faltung("render in.wav ir.wav out.wav --guard --format i24")
        .ok();
    let out = room.read("out.wav").channels;
    same_within(
        &out,
        &[full(&x, &h)],
        FLOAT + 2.0 * I24.step(),
        "nothing to guard",
    );
}

#[test]
fn float_output_keeps_what_lies_over_full_scale() {
    let room = loud();
    room.faltung("render in.wav ir.wav out.wav --format f32")
        .ok();
    let y = full(&room.read("in.wav").channels[0], &[8.0, 0.25]);
    assert!(peak(&y) > 3.0);
    same_within(&room.read("out.wav").channels, &[y], 4.0 * FLOAT, "f32");
}

#[test]
fn a_pipe_clips_over_full_scale_counts_and_ends_with_1() {
    let room = loud();
    let ran = room.faltung("render in.wav ir.wav -");
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    let y = full(&room.read("in.wav").channels[0], &[8.0, 0.25]);
    let over = y.iter().filter(|y| y.abs() > 1.0).count();
    let clipped: Vec<_> = y.iter().map(|y| y.clamp(-1.0, 1.0 - I16.step())).collect();
    same_within(
        &Wav::parse(&ran.out).channels,
        &[clipped],
        2.0 * I16.step(),
        "clipped",
    );
    let counts = ran.err.split(|c: char| !c.is_ascii_digit());
    let near = |n: usize| n.abs_diff(over) <= 5; // dither decides at the very edge
    let told = counts.filter_map(|n| n.parse().ok()).any(near);
    assert!(told, "{over} samples clip; {}", ran.err);
}

// ---------------------------------------------------------------- rates

#[test]
fn a_response_at_another_rate_keeps_time_and_level_and_it_is_said() {
    let room = Room::new();
    // 10 ms late at 44.1 kHz is 10 ms late at 48 kHz.
    let ir = delayed(&[0.5], 441);
    room.wav(
        "ir.wav",
        &float(&[[ir, vec![0.0; 800]].concat()]).rate(44_100),
    );
    let x = sine(1000.0, RATE, 12_000);
    room.wav("in.wav", &float(from_ref(&x)));
    let ran = room.faltung("render in.wav ir.wav out.wav").ok();
    ran.says(&["44100", "48000"]);
    let out = room.read("out.wav");
    assert_eq!(out.rate, RATE);
    let expected = scaled(&delayed(&x, 480), 0.5);
    let settled = 2000..11_000;
    let (ours, expected) = (&out.channels[0][settled.clone()], &expected[settled]);
    // -100 dB of the sine's level.
    same_within(
        &[ours.to_vec()],
        &[expected.to_vec()],
        0.125e-5,
        "10 ms later",
    );
}

#[test]
fn a_low_pass_at_another_rate_stays_the_same_low_pass() {
    let room = Room::new();
    for (ir_rate, rate) in [
        (44_100, 48_000),
        (48_000, 44_100),
        (96_000, 48_000),
        (22_050, 48_000),
    ] {
        // Hann-windowed sinc, 1 kHz, gain 1, 20 ms long.
        let (half, cut) = (ir_rate as i64 / 100, 1000.0 / f64::from(ir_rate));
        let tap = |i: i64| {
            let t = i as f64 * std::f64::consts::PI;
            let sinc = if i == 0 {
                2.0 * cut
            } else {
                (2.0 * cut * t).sin() / t
            };
            sinc * (0.5 + 0.5 * (t / (half + 1) as f64).cos())
        };
        let h: Vec<f64> = (-half..=half).map(tap).collect();
        room.wav("ir.wav", &float(&[h]).rate(ir_rate));
        for (hz, expected) in [(400.0, 1.0), (1000.0, 0.5), (3000.0, 0.0)] {
            let x = sine(hz, rate, rate as usize / 2);
            room.wav("in.wav", &float(from_ref(&x)).rate(rate));
            room.faltung("render in.wav ir.wav out.wav -y").ok();
            let settled = rate as usize / 10..rate as usize * 2 / 5;
            let gain = level(&room.read("out.wav").channels[0][settled]) / (0.25 / 2f64.sqrt());
            let what = format!("{hz} Hz, {ir_rate} to {rate}: {gain}");
            assert!((gain - expected).abs() < 2e-3, "{what}");
        }
    }
}

// ---------------------------------------------------------------- responses without a file

const SYNTHS: [&str; 15] = [
    "identity",
    "delay=250ms",
    "room",
    "hall",
    "plate",
    "cathedral",
    "lowpass=3k",
    "highpass=80",
    "bandpass=300-3400",
    "notch=50",
    "echo=300ms,0.5",
    "min:lowpass=3k",
    "min:highpass=80",
    "min:bandpass=300-3400",
    "min:notch=50",
]; // the names of the issue

/// The response that a name stands for, one vector per channel.
fn synth(room: &Room, name: &str, rate: u32) -> Vec<Vec<f64>> {
    room.wav("impulse.wav", &float(&[impulse(1)]).rate(rate));
    room.faltung(&format!("render impulse.wav synth:{name} response.wav -y"))
        .ok();
    let out = room.read("response.wav");
    assert_eq!(out.rate, rate);
    out.channels
}

/// |H| at one frequency.
fn gain_at(h: &[f64], hz: f64, rate: u32) -> f64 {
    let step = std::f64::consts::TAU * hz / f64::from(rate);
    let part = |wave: fn(f64) -> f64| -> f64 {
        h.iter()
            .enumerate()
            .map(|(i, h)| h * wave(step * i as f64))
            .sum()
    };
    part(f64::cos).hypot(part(f64::sin))
}

#[test]
fn every_synth_name_sounds_and_is_the_same_twice() {
    let room = Room::new();
    for name in SYNTHS {
        let h = synth(&room, name, RATE);
        assert!(
            h.iter()
                .all(|h| peak(h) > 0.0 && h.iter().all(|x| x.is_finite())),
            "{name}"
        );
        assert_eq!(synth(&room, name, RATE), h, "{name}");
    }
}

#[test]
fn delays_and_echoes_come_when_they_should_at_any_rate() {
    let room = Room::new();
    for rate in [44_100, 48_000, 96_000] {
        let at = rate as usize / 4;
        let h = synth(&room, "delay=250ms", rate);
        same_within(&h, &[delayed(&[1.0], at)], FLOAT, "delay=250ms");
        let h = synth(&room, "echo=300ms,0.5", rate).remove(0);
        let at = rate as usize * 3 / 10;
        let expected = [
            delayed(&[1.0], 0),
            delayed(&[0.5], at - 1),
            delayed(&[0.25], at - 1),
        ];
        same_within(
            &[h[..=2 * at].to_vec()],
            &[expected.concat()],
            FLOAT,
            "echo",
        );
    }
}

#[test]
fn synth_filters_pass_and_stop_where_they_say_at_any_rate_in_both_phases() {
    let room = Room::new();
    for rate in [44_100, 48_000, 96_000] {
        for (name, passed, stopped) in [
            (
                "lowpass=3k",
                &[100.0, 1000.0, 2500.0][..],
                &[4000.0, 10_000.0, 18_000.0][..],
            ),
            ("highpass=80", &[160.0, 1000.0, 18_000.0], &[20.0]),
            (
                "bandpass=300-3400",
                &[600.0, 1000.0, 2800.0],
                &[100.0, 5000.0, 15_000.0],
            ),
            ("notch=50", &[10.0, 200.0, 1000.0, 15_000.0], &[50.0]),
        ] {
            for phase in ["", "min:"] {
                let h = synth(&room, &format!("{phase}{name}"), rate).remove(0);
                for &hz in passed {
                    let gain = 20.0 * gain_at(&h, hz, rate).log10();
                    assert!(
                        gain.abs() < 0.2,
                        "{phase}{name} at {rate}: {hz} Hz {gain} dB"
                    );
                }
                for &hz in stopped {
                    let gain = 20.0 * gain_at(&h, hz, rate).log10();
                    assert!(gain < -85.0, "{phase}{name} at {rate}: {hz} Hz {gain} dB");
                }
            }
        }
    }
}

#[test]
fn linear_phase_is_symmetric_and_minimum_phase_is_early() {
    let room = Room::new();
    for name in ["lowpass=3k", "bandpass=300-3400"] {
        let linear = synth(&room, name, RATE).remove(0);
        let mirrored: Vec<_> = linear.iter().rev().copied().collect();
        same_within(from_ref(&linear), &[mirrored], FLOAT, name);
        let minimum = synth(&room, &format!("min:{name}"), RATE).remove(0);
        let centre = |h: &[f64]| -> f64 {
            let energy: f64 = h.iter().map(|x| x * x).sum();
            h.iter()
                .enumerate()
                .map(|(i, x)| i as f64 * x * x)
                .sum::<f64>()
                / energy
        };
        let (late, early) = (centre(&linear), centre(&minimum));
        assert!(early < late / 3.0, "{name}: {early} against {late}");
    }
}

#[test]
fn rooms_are_stereo_differ_between_the_ears_and_decay_as_stated() {
    let room = Room::new();
    let list = room.faltung("ir list").ok();
    for name in ["room", "hall", "plate", "cathedral"] {
        let h = synth(&room, name, RATE);
        assert_eq!(h.len(), 2, "{name}");
        let late = RATE as usize / 10..RATE as usize / 2;
        let (l, r) = (&h[0][late.clone()], &h[1][late]);
        let product: f64 = l.iter().zip(r).map(|(l, r)| l * r).sum();
        let correlation = product / (level(l) * level(r) * l.len() as f64);
        assert!(correlation.abs() < 0.3, "{name}: correlation {correlation}");
        // Schroeder's backward sum from -5 to -35 dB, times two, against the RT60 of the list.
        let mut rest: Vec<f64> = h[0]
            .iter()
            .rev()
            .scan(0.0, |e, x| {
                *e += x * x;
                Some(*e)
            })
            .collect();
        rest.reverse();
        let fallen = |decibels: f64| {
            let limit = rest[0] * 10f64.powf(decibels / 10.0);
            rest.iter().position(|&e| e < limit).unwrap() as f64 / f64::from(RATE)
        };
        let rt60 = 2.0 * (fallen(-35.0) - fallen(-5.0));
        let line = list
            .stdout()
            .lines()
            .find(|line| line.contains(&format!("synth:{name} ")));
        let line = line.unwrap_or_else(|| panic!("no {name} in\n{}", list.stdout()));
        let numbers = line.split(|c: char| !c.is_ascii_digit() && c != '.');
        let stated = numbers.filter_map(|n| n.parse::<f64>().ok());
        let fits = stated.clone().any(|s| (s / rt60 - 1.0).abs() < 0.3);
        assert!(fits, "{name}: measured {rt60:.2} s, {line}");
    }
}

#[test]
fn the_list_of_responses_has_one_line_for_each() {
    let ran = Room::new().faltung("ir list").ok();
    for name in [
        "identity",
        "delay",
        "room",
        "hall",
        "plate",
        "cathedral",
        "lowpass",
        "highpass",
        "bandpass",
        "notch",
        "echo",
        "min:",
    ] {
        let found = ran.stdout().lines().any(|line| line.contains(name));
        assert!(found, "no {name} in\n{}", ran.stdout());
    }
}

#[test]
fn ir_synth_writes_the_response_that_the_name_stands_for() {
    let room = Room::new();
    for (name, rate, hz) in [("hall", "48k", 48_000), ("min:lowpass=3k", "44.1k", 44_100)] {
        room.faltung(&format!("ir synth {name} made.wav -r {rate} -y"))
            .ok();
        let made = room.read("made.wav");
        assert_eq!((made.rate, made.kind), (hz, F32));
        same_within(&made.channels, &synth(&room, name, hz), FLOAT, name);
    }
    nothing_is_left(&room, "ir synth nowhere new.wav", &["nowhere"]);
    nothing_is_left(&room, "ir synth hall made.wav", &["made.wav", "-y"]);
}

#[test]
fn a_plan_covers_every_tap_within_the_latency_that_was_accepted() {
    let room = Room::new();
    for (line, channels, frames) in [
        ("plan synth:hall -r 44.1k --json", 2, 132_300),
        ("plan synth:hall --json --latency 512 --double", 2, 144_000),
        ("plan synth:identity --json --inputs 3", 1, 1),
        ("plan synth:hall --json --swaps", 2, 144_000),
    ] {
        let ran = room.faltung(line).ok();
        let plan: serde_json::Value = serde_json::from_str(ran.stdout()).unwrap();
        let number = |value: &serde_json::Value| value.as_u64().unwrap();
        assert_eq!(number(&plan["channels"]), channels, "{line}");
        assert_eq!(number(&plan["frames"]), frames, "{line}");
        let most = if line.contains("512") { 512 } else { 0 };
        assert!(number(&plan["latency"]) <= most, "{line}");
        let mut covered = number(&plan["head"]);
        for level in plan["levels"].as_array().unwrap() {
            // They overlap, and leave no gap; where others may take over, each tap is one level's.
            let from = number(&level["from_tap"]);
            let swaps = line.contains("--swaps");
            assert!(
                from == covered || from < covered && !swaps,
                "{line}: {level}"
            );
            // Half of the last window is what is left of the one before.
            let windows = number(&level["partitions"]) - u64::from(swaps);
            let until = from + number(&level["block"]) * windows;
            assert!(until > covered, "{line}: {level}");
            covered = until;
        }
        assert!(covered >= frames, "{line}: {covered} taps");
        // From the head's taps on up to half of the first level's block.
        let squares = plan["squares"].as_array().unwrap();
        let mut part = number(&plan["head"]);
        for square in squares {
            assert_eq!(number(square), part, "{line}");
            part *= 2;
        }
        if !squares.is_empty() {
            assert_eq!(part, number(&plan["levels"][0]["block"]), "{line}");
        }
        assert!(plan["ns_per_frame"].as_f64().unwrap() > 0.0 && number(&plan["bytes"]) > 0);
    }
    let table = room.faltung("plan synth:hall").ok();
    for word in [
        "head",
        "level 1",
        "latency   0 frames",
        "ns per frame",
        "MiB",
    ] {
        assert!(
            table.stdout().contains(word),
            "no `{word}` in\n{}",
            table.stdout()
        );
    }
    room.faltung("plan missing.wav").refused(&["missing.wav"]);
    room.faltung("plan synth:hall --inputs 3")
        .refused(&["3", "2"]);
    room.faltung("plan synth:hall --latency soon").wrong_usage();
}

#[test]
fn a_synth_name_that_is_unknown_or_impossible_is_refused() {
    let (room, ..) = simple();
    for (name, words) in [
        ("nowhere", &["nowhere", "hall"][..]),
        ("lowpass", &["lowpass"]),
        ("lowpass=30k", &["lowpass=30k", "24"]), // at or above half the rate
        ("lowpass=0", &["0"]),
        ("bandpass=3400-300", &["bandpass=3400-300"]),
        ("delay=soon", &["soon"]),
        ("echo=300ms", &["echo"]),
        ("", &["hall"]),
    ] {
        let before = room.files();
        room.faltung(&format!("render in.wav synth:{name} out.wav"))
            .refused(words);
        assert_eq!(room.files(), before);
    }
}

// ---------------------------------------------------------------- numbers

#[test]
fn convolve_prints_the_worked_examples() {
    let room = Room::new();
    for (line, expected) in [
        ("convolve 1,5 3,4,2 --mode full", "3 19 22 10\n"),
        ("convolve 1,5 3,4,2", "3 19 22 10\n"),
        ("convolve 1,5 3,4,2 --mode valid", "19 22\n"),
        ("convolve 1,5 3,4,2 --mode same", "3 19 22\n"),
        ("convolve 3,4,2 1,5 --mode same", "3 19 22\n"),
        ("convolve -1,2 -3", "3 -6\n"),
        ("convolve 7 6", "42\n"),
        (
            "convolve 1000000000,1 4000000000",
            "4000000000000000000 4000000000\n",
        ),
        ("convolve 0.5,1 2,0.25", "1.0 2.125 0.25\n"),
    ] {
        let ran = room.faltung(line).ok();
        assert_eq!(
            (ran.stdout(), &ran.err[..]),
            (expected, ""),
            "faltung {line}"
        );
    }
}

#[test]
fn convolve_reads_files_and_standard_input_with_any_separators() {
    let room = Room::new();
    room.bytes("a.txt", b"1\n5\n");
    room.bytes("v.csv", b"3, 4, 2\n");
    for (line, input) in [
        ("convolve a.txt v.csv", ""),
        ("convolve - v.csv", "1 5"),
        ("convolve a.txt -", "3\t4\n2\n"),
        ("convolve a.txt 3,4,2", ""),
    ] {
        let ran = room.faltung_fed(line, input.as_bytes()).ok();
        assert_eq!(ran.stdout(), "3 19 22 10\n", "faltung {line}");
    }
}

#[test]
fn convolve_refuses_what_is_no_list_of_numbers() {
    let room = Room::new();
    room.bytes("empty.txt", b"");
    room.faltung("convolve 1,two 3").refused(&["two"]);
    room.faltung("convolve empty.txt 3").refused(&["empty"]);
    room.faltung("convolve 3 empty.txt").refused(&["empty"]);
    room.faltung("convolve missing.txt 3")
        .refused(&["missing.txt"]);
    room.faltung_fed("convolve - -", b"1 2").wrong_usage();
    room.faltung("convolve 1,2").wrong_usage();
    room.faltung("convolve 1,2 3 --mode most").wrong_usage();
}

// ---------------------------------------------------------------- pipes, words, numbers for programs

#[test]
fn a_pipe_at_either_end_gives_what_a_file_gives() {
    let (room, ..) = simple();
    room.faltung("render in.wav ir.wav out.wav").ok();
    let file = room.read("out.wav");
    let input = fs::read(room.path("in.wav")).unwrap();
    for kind in ["f32", "i16"] {
        room.faltung(&format!("render in.wav ir.wav out.wav -y --format {kind}"))
            .ok();
        let file = room.read("out.wav");
        let out = room
            .faltung(&format!("render in.wav ir.wav - --format {kind}"))
            .ok()
            .out;
        assert_eq!(Wav::parse(&out), file, "to a pipe, {kind}");
    }
    room.faltung_fed("render - ir.wav piped.wav", &input).ok();
    assert_eq!(room.read("piped.wav"), file, "from a pipe");
    let out = room.faltung_fed("render - ir.wav -", &input).ok().out;
    // There every frame comes as soon as it can, by other sums.
    let immediate = Wav::parse(&out);
    assert_eq!(immediate.channels.len(), file.channels.len());
    for (immediate, file) in immediate.channels.iter().zip(&file.channels) {
        assert_eq!(immediate.len(), file.len(), "from a pipe to a pipe");
        let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-6;
        assert!(
            immediate.iter().zip(file).all(near),
            "from a pipe to a pipe"
        );
    }
    // Also a response may come through the pipe.
    let ir = fs::read(room.path("ir.wav")).unwrap();
    room.faltung_fed("render in.wav - ir-piped.wav", &ir).ok();
    assert_eq!(room.read("ir-piped.wav"), file, "response from a pipe");
}

#[test]
fn a_stream_that_does_not_know_its_length_is_read_to_its_end() {
    let (room, x, h) = simple();
    let mut bytes = float(from_ref(&x)).bytes();
    bytes[4..8].fill(0xff);
    bytes[40..44].fill(0xff); // as ffmpeg and sox write into pipes
    room.faltung_fed("render - ir.wav out.wav", &bytes).ok();
    same_within(
        &room.read("out.wav").channels,
        &[full(&x, &h)],
        FLOAT,
        "endless header",
    );
}

#[test]
fn one_status_line_tells_rate_routing_latency_gain_and_tail() {
    let (room, ..) = simple();
    let ran = room
        .faltung("render in.wav ir.wav out.wav --gain -3dB")
        .ok();
    assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    ran.says(&["48000 Hz", "IR", "latency ", "-3", "dB", "tail"]);
    assert!(ran.out.is_empty());
    let ran = room.faltung("render in.wav ir.wav out.wav -y -q").ok();
    assert_eq!((&ran.err[..], ran.out.len()), ("", 0));
}

#[test]
fn json_tells_the_same_to_a_program() {
    let (room, ..) = simple();
    let ran = room
        .faltung("render in.wav ir.wav out.wav --gain -3dB --json")
        .ok();
    let told: serde_json::Value = serde_json::from_str(ran.stdout()).unwrap();
    let output = &told["output"];
    assert_eq!(
        (&output["rate"], &output["channels"]),
        (&48_000.into(), &1.into())
    );
    assert_eq!(
        (&output["frames"], &output["format"]),
        (&999.into(), &"f32".into())
    );
    assert_eq!(told["tail"], 299);
    assert!(told["latency"].is_u64(), "{told}");
    assert!(
        (told["gain_db"].as_f64().unwrap() + 3.0).abs() < 1e-9,
        "{told}"
    );
}

#[test]
fn help_is_there_and_wrong_usage_ends_with_2() {
    let (room, ..) = simple();
    for line in [
        "--help",
        "render --help",
        "convolve --help",
        "ir --help",
        "--version",
    ] {
        assert!(!room.faltung(line).ok().out.is_empty(), "faltung {line}");
    }
    for line in [
        "",
        "rendr in.wav ir.wav out.wav",
        "render in.wav ir.wav",
        "render in.wav ir.wav out.wav more.wav",
        "render in.wav ir.wav out.wav --mode most",
        "render in.wav ir.wav out.wav --tail soon",
        "render in.wav ir.wav out.wav --mix 130%",
        "render in.wav ir.wav out.wav --gain loud",
        "render in.wav ir.wav out.wav --predelay -20ms",
        "render in.wav ir.wav out.wav --format mp3",
        "render in.wav ir.wav out.wav --loud",
        "render - - out.wav",
        "render in.wav ir.wav out.wav --mode same --tail cut",
    ] {
        room.faltung(line).wrong_usage();
        assert_eq!(room.files(), ["in.wav", "ir.wav"], "faltung {line}");
    }
}

// ---------------------------------------------------------------- bad input

/// Runs `render in.wav ir.wav out.wav`, which must refuse, say `words` and leave nothing.
#[track_caller]
fn nothing_is_left(room: &Room, line: &str, words: &[&str]) {
    let before = room.files();
    room.faltung(line).refused(words);
    assert_eq!(room.files(), before, "faltung {line}");
}

#[test]
fn missing_files_are_named() {
    let (room, ..) = simple();
    nothing_is_left(&room, "render none.wav ir.wav out.wav", &["none.wav"]);
    nothing_is_left(&room, "render in.wav none.wav out.wav", &["none.wav"]);
    nothing_is_left(&room, "render in.wav ir.wav none/out.wav", &["none"]);
    fs::create_dir(room.path("folder")).unwrap();
    nothing_is_left(&room, "render folder ir.wav out.wav", &["folder"]);
    nothing_is_left(&room, "render in.wav folder out.wav", &["folder"]);
    nothing_is_left(&room, "render in.wav ir.wav folder -y", &["folder"]);
}

/// Files that are no good, each with a word that the message must hold.
fn malformed() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let good = wav(I16, &[noise(1, 100, 16), noise(2, 100, 16)]);
    let (format, bytes) = (good.format(), good.bytes());
    let data = &bytes[44..];
    // The fmt chunk with one place of it overwritten.
    let with = |at: usize, new: &[u8]| {
        let mut format = format.clone();
        format[at..at + new.len()].copy_from_slice(new);
        container(&format, data)
    };
    let patched = |at: usize, new: u32| {
        let mut bytes = bytes.clone();
        bytes[at..at + 4].copy_from_slice(&new.to_le_bytes());
        bytes
    };
    let mut silent = with(4, &[0; 4]); // rate 0 makes 0 bytes a second
    silent[28..32].fill(0);
    let words = |text: &str| text.as_bytes().to_vec();
    vec![
        ("nothing", vec![], "bad.wav"),
        (
            "text",
            words("Mary had a little lamb, its fleece was white"),
            "WAV",
        ),
        ("four bytes", words("RIFF"), "bad.wav"),
        (
            "no WAVE",
            words("RIFF\x10\0\0\0AVI LIST\x04\0\0\0    "),
            "WAV",
        ),
        ("no data chunk", bytes[..36].to_vec(), "bad.wav"),
        ("half a header", bytes[..30].to_vec(), "bad.wav"),
        (
            "truncated data",
            bytes[..bytes.len() - 100].to_vec(),
            "short",
        ),
        (
            "truncated in a sample",
            bytes[..bytes.len() - 1].to_vec(),
            "short",
        ),
        ("no data though promised", bytes[..44].to_vec(), "bad.wav"),
        ("data size far too large", patched(40, 0x7fff_fff0), "short"),
        ("data size not whole frames", patched(40, 398), "bad.wav"),
        (
            "fmt size far too large",
            patched(16, 0xffff_fff0),
            "bad.wav",
        ),
        ("fmt size too small", patched(16, 4), "bad.wav"),
        ("zero channels", with(2, &[0, 0]), "channels"),
        ("zero rate", silent, "rate"),
        ("zero bits", with(14, &[0, 0]), "bits"),
        ("more bits than bytes", with(14, &[64, 0]), "bits"),
        ("MP3 in WAV", with(0, &[0x55, 0]), "bad.wav"),
        ("lying block size", with(12, &[0xff, 0xff]), "bad.wav"),
        ("no data", container(&format, &[]), "no samples"),
        (
            "data before fmt",
            [&bytes[..12], b"data\x04\0\0\0\0\0\0\0"].concat(),
            "bad.wav",
        ),
    ]
}

#[test]
fn malformed_input_and_malformed_responses_end_in_one_clear_line() {
    for (what, bytes, word) in malformed() {
        let (room, ..) = simple();
        println!("{what}");
        room.bytes("bad.wav", &bytes);
        nothing_is_left(&room, "render bad.wav ir.wav out.wav", &["bad.wav", word]);
        nothing_is_left(&room, "render in.wav bad.wav out.wav", &["bad.wav", word]);
        // By its file name or as the standard input, after the status line or before.
        let word = if word == "bad.wav" {
            "standard input"
        } else {
            word
        };
        room.faltung_fed("render - ir.wav out.wav", &bytes)
            .refused_midway(&[word]);
        assert_eq!(room.files(), ["bad.wav", "in.wav", "ir.wav"], "{what}");
    }
}

#[test]
fn every_cut_of_a_file_ends_in_one_clear_line() {
    let (room, ..) = simple();
    let bytes = Wav {
        extensible: true,
        ..wav(I24, &[noise(1, 6, 24)])
    }
    .bytes();
    for length in 0..bytes.len() {
        room.bytes("bad.wav", &bytes[..length]);
        nothing_is_left(&room, "render bad.wav ir.wav out.wav", &["bad.wav"]);
    }
    room.bytes("bad.wav", &bytes);
    room.faltung("render bad.wav ir.wav out.wav").ok();
}

#[test]
fn no_single_byte_of_a_header_makes_it_panic() {
    let (room, ..) = simple();
    let bytes = wav(I16, &[noise(1, 20, 16)]).bytes();
    for at in 0..44 {
        for new in [0, 1, 0x7f, 0xff] {
            let mut bytes = bytes.clone();
            bytes[at] = new;
            room.bytes("bad.wav", &bytes);
            let ran = room.faltung("render bad.wav synth:identity out.wav -y");
            match ran.code {
                Some(0) => fs::remove_file(room.path("out.wav")).unwrap(),
                _ => drop(ran.refused(&["bad.wav"])),
            }
            assert_eq!(
                room.files(),
                ["bad.wav", "in.wav", "ir.wav"],
                "byte {at} = {new}"
            );
        }
    }
}

#[test]
fn faults_in_the_input_become_silence_and_are_counted() {
    let (room, mut x, h) = simple();
    for (at, fault) in [(0, f64::NAN), (50, f64::INFINITY), (699, f64::NEG_INFINITY)] {
        x[at] = fault;
    }
    room.wav("in.wav", &float(from_ref(&x)));
    let ran = room.faltung("render in.wav ir.wav out.wav --mix 50%").ok();
    ran.says(&["3"]);
    let clean: Vec<_> = x
        .iter()
        .map(|x| if x.is_finite() { *x } else { 0.0 })
        .collect();
    let expected = sum(&scaled(&clean, 0.5), &scaled(&full(&clean, &h), 0.5));
    same_within(&room.read("out.wav").channels, &[expected], FLOAT, "faults");
    let ran = room
        .faltung("render in.wav ir.wav out.wav -y -q --json")
        .ok();
    let told: serde_json::Value = serde_json::from_str(ran.stdout()).unwrap();
    assert_eq!(told["input"]["nonfinite"], 3, "{told}");
}

#[test]
fn faults_in_a_response_are_refused() {
    let (room, _, mut h) = simple();
    for fault in [f64::NAN, f64::INFINITY] {
        h[17] = fault;
        room.wav("ir.wav", &float(from_ref(&h)));
        nothing_is_left(&room, "render in.wav ir.wav out.wav", &["ir.wav", "17"]);
    }
}

#[test]
fn output_onto_input_or_response_is_refused_under_any_name() {
    let (room, ..) = simple();
    let (input, ir) = (fs::read(room.path("in.wav")), fs::read(room.path("ir.wav")));
    fs::create_dir(room.path("sub")).unwrap();
    let mut names = vec![
        "in.wav",
        "./in.wav",
        "sub/../in.wav",
        "ir.wav",
        "sub/../ir.wav",
    ];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("in.wav", room.path("link.wav")).unwrap();
        std::os::unix::fs::symlink("ir.wav", room.path("ir-link.wav")).unwrap();
        fs::hard_link(room.path("in.wav"), room.path("hard.wav")).unwrap();
        names.extend(["link.wav", "ir-link.wav", "hard.wav"]);
    }
    for name in names {
        nothing_is_left(&room, &format!("render in.wav ir.wav {name} -y"), &[name]);
    }
    // Also where only the shell knows the name.
    #[cfg(unix)]
    for line in [
        "render - ir.wav in.wav -y < in.wav",
        "render - ir.wav hard.wav -y < in.wav",
        "render in.wav - ir.wav -y < ir.wav",
    ] {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("exec {BINARY} {line}")]);
        room.run(command, line, b"")
            .refused(&["is the same file as -"]);
    }
    assert_eq!(fs::read(room.path("in.wav")).unwrap(), input.unwrap());
    assert_eq!(fs::read(room.path("ir.wav")).unwrap(), ir.unwrap());
}

#[test]
fn an_existing_output_is_kept_unless_y_is_given() {
    let (room, ..) = simple();
    room.bytes("out.wav", b"dear");
    nothing_is_left(&room, "render in.wav ir.wav out.wav", &["out.wav", "-y"]);
    assert_eq!(fs::read(room.path("out.wav")).unwrap(), b"dear");
    room.faltung("render in.wav ir.wav out.wav -y").ok();
    assert_eq!(room.read("out.wav").frames(), 999);
}

#[test]
fn a_failure_keeps_the_old_output_even_with_y() {
    let room = loud();
    room.bytes("out.wav", b"dear");
    room.faltung("render in.wav ir.wav out.wav -y")
        .refused_midway(&["dB"]);
    assert_eq!(room.files(), ["in.wav", "ir.wav", "out.wav"]);
    assert_eq!(fs::read(room.path("out.wav")).unwrap(), b"dear");
}

#[cfg(unix)]
#[test]
fn without_permission_nothing_is_read_or_written() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    let (room, ..) = simple();
    let binary = room.path("faltung");
    fs::copy(BINARY, &binary).unwrap();
    let allow = |name: &str, mode| {
        fs::set_permissions(room.path(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    fs::create_dir(room.path("locked")).unwrap();
    fs::write(room.path("secret.wav"), b"RIFF").unwrap();
    allow("locked", 0o555);
    allow("secret.wav", 0o000);
    allow("faltung", 0o755);
    for (line, name) in [
        ("render secret.wav ir.wav locked/out.wav", "secret.wav"),
        ("render in.wav secret.wav locked/out.wav", "secret.wav"),
        ("render in.wav ir.wav locked/out.wav", "locked"),
    ] {
        let mut command = Command::new(&binary);
        command.args(line.split_whitespace());
        if fs::read(room.path("secret.wav")).is_ok() {
            command.uid(65_534).gid(65_534); // root may read everything, nobody may not
        }
        room.run(command, line, b"").refused(&[name]);
        assert_eq!(fs::read_dir(room.path("locked")).unwrap().count(), 0);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_ends_in_one_line_and_leaves_nothing() {
    let room = Room::new();
    room.wav("in.wav", &wav(I16, &[noise(1, 200_000, 16)]));
    // A limit on the size of files stands for a disk that fills up in the middle.
    let line = format!("ulimit -f 64; exec {BINARY} render in.wav synth:identity out.wav");
    let mut command = Command::new("sh");
    command.args(["-c", &line]);
    room.run(command, &line, b"").refused_midway(&["out.wav"]);
    assert_eq!(room.files(), ["in.wav"]);
    // And a device that is full from the start.
    let line = format!("exec {BINARY} render in.wav synth:identity - >/dev/full");
    let mut command = Command::new("sh");
    command.args(["-c", &line]);
    let ran = room
        .run(command, &line, b"")
        .refused_midway(&["no space left"]);
    assert!(!ran.err.contains("nothing was delivered"), "{}", ran.err);
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_leaves_nothing() {
    let (room, ..) = simple();
    let input = wav(I16, &[noise(1, 300_000, 16)]).bytes();
    let mut signals = vec!["-INT", "-TERM"];
    // A terminal's going away, unless the tests themselves are to outlive it; the other one besides.
    if cfg!(target_os = "linux") {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        if status.contains("SigIgn:\t0000000000000000")
            || status.contains("SigIgn:\t0000000000001000")
        {
            signals.extend(["-HUP", "-QUIT"]);
        }
    }
    for signal in signals {
        let line = format!("ulimit -c 0; exec {BINARY} render - ir.wav out.wav");
        let mut child = Command::new("sh")
            .args(["-c", &line])
            .current_dir(&room.0)
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // It waits for the second half.
        let mut pipe = child.stdin.take().unwrap();
        pipe.write_all(&input[..input.len() / 2]).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(300));
        let id = child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &id])
                .status()
                .unwrap()
                .success()
        );
        assert!(!child.wait().unwrap().success());
        assert_eq!(room.files(), ["in.wav", "ir.wav"], "{signal}");
    }
}

#[cfg(unix)]
#[test]
fn a_link_and_a_named_pipe_stay_what_they_are() {
    let (room, ..) = simple();
    room.faltung("render in.wav ir.wav out.wav").ok();
    let file = room.read("out.wav");
    room.bytes("real.wav", b"old");
    std::os::unix::fs::symlink("real.wav", room.path("link.wav")).unwrap();
    room.faltung("render in.wav ir.wav link.wav -y").ok();
    assert!(room.path("link.wav").is_symlink());
    assert_eq!(room.read("real.wav"), file);
    let line =
        format!("mkfifo pipe; cat pipe & {BINARY} render in.wav ir.wav pipe; wait; test -p pipe");
    let mut command = Command::new("sh");
    command.args(["-c", &line]);
    let ran = room.run(command, &line, b"").ok();
    assert_eq!(Wav::parse(&ran.out), file);
}

#[cfg(unix)]
#[test]
fn a_reader_that_leaves_early_causes_no_panic() {
    let room = Room::new();
    room.wav("in.wav", &wav(I16, &[noise(1, 500_000, 16)]));
    let line = format!("{BINARY} render in.wav synth:identity - -q | head -c 100 >/dev/null");
    let mut command = Command::new("sh");
    command.args(["-c", &line]);
    let ran = room.run(command, &line, b"");
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
    let line = format!("{BINARY} ir list | true");
    let mut command = Command::new("sh");
    command.args(["-c", &line]);
    let ran = room.run(command, &line, b"");
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
}

#[cfg(unix)]
#[test]
fn the_standard_input_is_read_once_under_whatever_name() {
    let (room, ..) = simple();
    for line in [
        "render - /dev/stdin out.wav",
        "render /dev/stdin /dev/fd/0 out.wav",
        "render in.wav - out.wav --swap 1s=/dev/stdin",
    ] {
        room.faltung_fed(line, b"RIFF").wrong_usage();
    }
    // A file behind it can be read twice.
    let line = "render /dev/stdin /dev/stdin out.wav < ir.wav";
    let mut command = Command::new("sh");
    command.args(["-c", &format!("exec {BINARY} {line}")]);
    room.run(command, line, b"").ok();
}

#[test]
fn a_name_of_another_kind_of_sound_is_refused_and_an_unknown_one_is_told() {
    let (room, ..) = simple();
    for name in ["out.mp3", "out.OGG", "out.w64"] {
        let words = [name, "is not written here", ".flac", "--type wav"];
        nothing_is_left(&room, &format!("render in.wav ir.wav {name}"), &words);
    }
    for (line, told) in [
        ("out.mp3 --type wav", "f32 in wav;"),
        ("out.xyz", "f32 in wav;"),
        ("out.wav", "f32;"),
        ("- -y", "f32;"),
    ] {
        let ran = room.faltung(&format!("render in.wav ir.wav {line}")).ok();
        ran.says(&[told]);
    }
}

#[test]
fn json_beside_a_sound_on_the_standard_output_stands_alone() {
    let (room, ..) = simple();
    let ran = room
        .faltung("render in.wav ir.wav - --format i16 --gain -20dB --json")
        .ok();
    let told: serde_json::Value = serde_json::from_str(&ran.err).unwrap();
    assert_eq!(told["output"]["frames"], 999);
}

#[test]
fn what_has_no_effect_or_no_place_is_told() {
    let (room, ..) = simple();
    room.faltung("render in.wav ir.wav out.wav -j 3 --swap 1ms=synth:identity")
        .ok()
        .says(&["-j 3 has no effect here", "--swap"]);
    room.faltung("render in.wav ir.wav out.wav -y -j 1 --predelay 0.02ms")
        .ok()
        .says(&["pre-delay 0.020 ms"]);
    room.wav("six.wav", &wav(I16, &vec![noise(1, 100, 16); 6]));
    room.wav("14.wav", &wav(I16, &vec![noise(1, 100, 10); 14]));
    room.faltung("render six.wav 14.wav wet.wav --mix 50%")
        .refused(&["six.wav with 14.wav", "dry channels"]);
    let room = loud();
    room.faltung("render in.wav ir.wav out.flac")
        .refused_midway(&["--type wav --format f32"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_that_somebody_had_ignored_ends_nothing() {
    let (room, ..) = simple();
    let input = wav(I16, &[noise(1, 300_000, 16)]).bytes();
    let mut child = Command::new("sh")
        .args([
            "-c",
            &format!("trap '' HUP; exec {BINARY} render - ir.wav out.wav"),
        ])
        .current_dir(&room.0)
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let (first, second) = input.split_at(input.len() / 2);
    pipe.write_all(first).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    let kill = Command::new("kill")
        .args(["-HUP", &child.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
    pipe.write_all(second).unwrap();
    drop(pipe);
    assert!(child.wait().unwrap().success());
    assert_eq!(room.read("out.wav").frames(), 300_299);
}

// ---------------------------------------------------------------- memory

#[cfg(target_os = "linux")]
#[test]
fn ten_minutes_of_stereo_need_less_than_60_mb() {
    let room = Room::new();
    // Ten seconds, sixty times over.
    let piece = wav(I16, &[noise(1, 480_000, 16), noise(2, 480_000, 16)]).bytes();
    let (head, data) = piece.split_at(44);
    let size = data.len() as u32 * 60;
    let mut file = fs::File::create(room.path("in.wav")).unwrap();
    file.write_all(&head[..4]).unwrap();
    file.write_all(&(size + 36).to_le_bytes()).unwrap();
    file.write_all(&head[8..40]).unwrap();
    file.write_all(&size.to_le_bytes()).unwrap();
    let mut bare = fs::File::create(room.path("in.s16")).unwrap();
    for _ in 0..60 {
        file.write_all(data).unwrap();
        bare.write_all(data).unwrap();
    }
    drop((file, bare));
    memory_of_ten_minutes(&room, "in.wav");
    memory_of_ten_minutes(&room, "in.s16@48k,2ch");
}

#[cfg(target_os = "linux")]
fn memory_of_ten_minutes(room: &Room, input: &str) {
    let mut child = Command::new(BINARY)
        .args(["render", input, "synth:room", "out.wav", "--guard", "-yq"])
        .current_dir(&room.0)
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    // The kernel's high-water mark only grows; the last look is within 2 ms of the end.
    let status = Path::new("/proc")
        .join(child.id().to_string())
        .join("status");
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        most = most.max(kilobytes.unwrap_or(0));
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert!(child.wait().unwrap().success());
    println!("peak of {:.1} MB", f64::from(most) / 1024.0);
    assert!(most > 1000, "nothing was measured");
    assert!(most < 60 * 1024, "peak of {most} kB");
    let frames = fs::metadata(room.path("out.wav")).unwrap().len() / 4;
    assert!(frames > 600 * 48_000);
}
