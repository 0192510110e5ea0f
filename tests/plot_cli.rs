//! Pictures through the binary: whole files, readable ones, and refusals that leave nothing.
#![cfg(feature = "cli")]

use std::fs;

mod common;
use common::*;

const KINDS: [&str; 7] = [
    "sheet",
    "waveform",
    "decay",
    "magnitude",
    "group-delay",
    "spectrogram",
    "waterfall",
];

/// A room with `hall.wav`: two channels that decay by 60 dB in 0.4 s after 10 ms of silence.
fn hall() -> Room {
    let room = Room::new();
    let channel = |seed| {
        let noise = noise(seed, RATE as usize / 2, 24);
        let fall = |n: usize| db(-60.0 * n as f64 / (0.4 * f64::from(RATE)));
        let taps = noise
            .iter()
            .enumerate()
            .map(|(n, x)| x * fall(n))
            .collect::<Vec<_>>();
        delayed(&taps, RATE as usize / 100)
    };
    room.wav("hall.wav", &float(&[channel(1), channel(2)]));
    room
}

/// Width and height of a PNG, from its header.
fn png_size(bytes: &[u8]) -> (u32, u32) {
    assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

/// What is written in an SVG, tag by tag: every tag is closed, every text is inside.
fn texts(svg: &str) -> Vec<String> {
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert_eq!(
        svg.matches("<text ").count(),
        svg.matches("</text>").count()
    );
    let mut parts = svg.split("base64,");
    let first = parts.next();
    let after = parts.map(|part| part.split_once('"').unwrap().1);
    for part in first.into_iter().chain(after) {
        assert!(
            !part.contains("NaN") && !part.contains("inf"),
            "a number is none"
        );
    }
    let texts = svg.split("<text ").skip(1);
    texts
        .map(|text| text.split(['>', '<']).nth(1).unwrap().to_owned())
        .collect()
}

#[track_caller]
fn holds(texts: &[String], words: &[&str]) {
    for word in words {
        let found = texts.iter().any(|text| text.contains(word));
        assert!(found, "no `{word}` in {texts:?}");
    }
}

#[test]
fn every_kind_is_drawn_in_both_formats_and_both_themes() {
    let room = hall();
    for kind in KINDS {
        for dark in ["", " --dark"] {
            let line = format!("ir plot hall.wav --kind {kind}{dark} -y -o");
            let ran = room.faltung(&format!("{line} out.svg")).ok();
            ran.says(&["hall.wav", "out.svg", kind]);
            assert_eq!(
                ran.err.lines().count(),
                2,
                "one line, and the note on pre-delay: {}",
                ran.err
            );
            room.faltung(&format!("{line} out.png")).ok();
            let svg = fs::read_to_string(room.path("out.svg")).unwrap();
            let size = if kind == "sheet" {
                (1600, 1200)
            } else {
                (1200, 700)
            };
            assert!(svg.contains(&format!("width=\"{}\" height=\"{}\"", size.0, size.1)));
            assert_eq!(
                svg.contains("fill=\"#ffffff\""),
                dark.is_empty(),
                "{kind}{dark}"
            );
            assert!(svg.len() < 1_000_000, "{kind}: {} bytes", svg.len());
            holds(&texts(&svg), &["hall.wav", "48000 Hz, 2 channels, 510 ms"]);
            let png = fs::read(room.path("out.png")).unwrap();
            assert_eq!(png_size(&png), size, "{kind}");
        }
    }
}

#[test]
fn a_sheet_tells_what_stands_at_the_axes_and_what_was_found() {
    let room = hall();
    room.faltung("ir plot hall.wav --channel 2 -o out.svg").ok();
    let svg = fs::read_to_string(room.path("out.svg")).unwrap();
    let texts = texts(&svg);
    holds(
        &texts,
        &[
            "time / ms",
            "frequency / Hz",
            "gain / dB",
            "level / dB",
            "amplitude",
        ],
    );
    holds(&texts, &["20", "1k", "20k", "onset 10.0 ms", "1/6 octave"]);
    // 60 dB in 0.4 s: T20 and T30 of such noise stray by a few per cent; 399 would be as right.
    let time = |name: &str| -> f64 {
        let text = texts.iter().find(|text| text.starts_with(name)).unwrap();
        text[name.len()..]
            .trim()
            .strip_suffix(" ms")
            .unwrap()
            .parse()
            .unwrap()
    };
    for name in ["T20", "T30"] {
        assert!((time(name) - 400.0).abs() < 20.0, "{name} {}", time(name));
    }
    // The spectrogram and its colour scale.
    assert_eq!(svg.matches("data:image/png;base64,").count(), 2);
}

#[test]
fn several_responses_lie_over_one_another_and_are_told_apart() {
    let room = hall();
    let line = "ir plot hall.wav synth:room synth:plate -o out.svg";
    room.faltung(&format!("{line} --kind magnitude --smooth 1/3"))
        .ok();
    let svg = fs::read_to_string(room.path("out.svg")).unwrap();
    holds(
        &texts(&svg),
        &[
            "hall.wav, channel 1",
            "synth:room",
            "synth:plate",
            "1/3 octave",
        ],
    );
    for colour in ["#0072b2", "#d55e00", "#009e73"] {
        assert!(svg.contains(colour), "{colour}");
    }
    room.faltung(&format!("{line} -y")).ok();
    let sheet = fs::read_to_string(room.path("out.svg")).unwrap();
    // A spectrogram of each, with its scale, and T30 of each in one chart.
    assert_eq!(sheet.matches("data:image/png;base64,").count(), 6);
    let times = texts(&sheet)
        .iter()
        .filter(|text| text.contains(": T30 "))
        .count();
    assert_eq!(times, 3);
}

#[test]
fn size_and_channel_are_what_was_asked_for() {
    let room = hall();
    room.faltung("ir plot hall.wav -o a.png --size 640x480")
        .ok();
    assert_eq!(png_size(&fs::read(room.path("a.png")).unwrap()), (640, 480));
    room.faltung("ir plot hall.wav -o 1.svg --kind decay --channel 1")
        .ok();
    room.faltung("ir plot hall.wav -o 2.svg --kind decay --channel 2")
        .ok();
    let read = |name: &str| fs::read_to_string(room.path(name)).unwrap();
    assert_ne!(read("1.svg"), read("2.svg"));
    room.faltung("ir plot hall.wav -o 3.svg --channel 3")
        .refused_midway(&["hall.wav", "2 channel(s)", "3"]);
    room.faltung("ir plot hall.wav -o 3.svg --channel 0")
        .wrong_usage();
    for size in ["640", "640x", "10x10", "640x99999", "-1x5"] {
        room.faltung(&format!("ir plot hall.wav -o 3.svg --size {size}"))
            .wrong_usage();
    }
    assert!(!room.path("3.svg").exists());
}

#[test]
fn the_ending_decides_the_format_and_another_is_refused() {
    let room = hall();
    room.faltung("ir plot hall.wav -o a.SVG --kind decay").ok();
    assert!(
        fs::read_to_string(room.path("a.SVG"))
            .unwrap()
            .starts_with("<svg")
    );
    for name in ["a.jpg", "a", "svg", "a.svg.gz"] {
        let ran = room.faltung(&format!("ir plot hall.wav -o {name}"));
        ran.says(&[name, ".svg", ".png"]);
        ran.wrong_usage();
        assert!(!room.path(name).exists());
    }
}

#[test]
fn nothing_is_overwritten_or_left_half_written() {
    let room = hall();
    room.bytes("old.svg", b"mine");
    room.faltung("ir plot hall.wav -o old.svg")
        .refused(&["old.svg", "-y"]);
    assert_eq!(fs::read(room.path("old.svg")).unwrap(), b"mine");
    room.faltung("ir plot hall.wav -o old.svg -y --kind decay -q")
        .ok();
    assert!(
        fs::read_to_string(room.path("old.svg"))
            .unwrap()
            .starts_with("<svg")
    );
    room.faltung("ir plot nowhere.wav -o new.svg")
        .refused(&["nowhere.wav"]);
    room.faltung("ir plot hall.wav -o no/such/folder.svg")
        .refused(&["folder"]);
    assert_eq!(room.files(), ["hall.wav", "old.svg"]);
}

#[test]
fn silence_single_taps_and_odd_rates_are_drawn_without_harm() {
    let room = Room::new();
    room.wav("silence.wav", &float(&[vec![0.0; 4800], vec![0.0; 4800]]));
    room.wav("none.wav", &float(&[vec![0.0]]));
    room.wav("one.wav", &float(&[vec![-0.5]]));
    room.wav("two.wav", &float(&[vec![0.0, 1.0]]));
    room.wav("late.wav", &float(&[delayed(&[1.0], 4799)]));
    room.wav("low.wav", &float(&[taps(3, 4000)]).rate(8000));
    room.wav("high.wav", &float(&[taps(4, 96_000)]).rate(192_000));
    room.wav("slow.wav", &float(&[taps(5, 100)]).rate(1));
    let files = [
        "silence", "none", "one", "two", "late", "low", "high", "slow",
    ];
    for name in files {
        for kind in KINDS {
            let line = format!("ir plot {name}.wav --kind {kind} --size 300x300 -yq -o");
            room.faltung(&format!("{line} out.svg")).ok();
            texts(&fs::read_to_string(room.path("out.svg")).unwrap());
            room.faltung(&format!("{line} out.png")).ok();
        }
    }
    let all = files.map(|name| format!("{name}.wav")).join(" ");
    room.faltung(&format!("ir plot {all} -yq -o out.svg")).ok();
    let texts = texts(&fs::read_to_string(room.path("out.svg")).unwrap());
    holds(&texts, &files);
    let nine = format!("{all} one.wav");
    room.faltung(&format!("ir plot {nine} -yq -o out.svg"))
        .refused(&["9 curves", "at most 8"]);
}

#[test]
fn a_name_is_written_so_that_it_breaks_no_svg() {
    let room = hall();
    fs::rename(room.path("hall.wav"), room.path("a<b>&\"c\u{1}.wav")).unwrap();
    let name = "a<b>&\"c\u{1}.wav";
    room.faltung(&format!("ir plot {name} -o out.svg --kind decay"))
        .ok();
    let svg = fs::read_to_string(room.path("out.svg")).unwrap();
    holds(&texts(&svg), &["a&lt;b&gt;&amp;\"c\u{fffd}.wav"]);
}

#[test]
fn recipes_are_made_at_the_rate_that_is_asked_for() {
    let room = Room::new();
    let line = "ir plot synth:room --kind magnitude -y -o out.svg";
    for (rate, want) in [
        ("", "48000 Hz"),
        (" -r 44.1k", "44100 Hz"),
        (" -r 96k", "96000 Hz"),
    ] {
        room.faltung(&format!("{line}{rate}")).ok();
        holds(
            &texts(&fs::read_to_string(room.path("out.svg")).unwrap()),
            &[want],
        );
    }
}
