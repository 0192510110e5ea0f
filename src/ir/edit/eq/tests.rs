use std::path::Path;

use super::*;
use crate::ir::edit::tests::{edit, ir, magnitude, refused};

fn impulse(hz: u32) -> ImpulseResponse {
    ir(hz, vec![vec![1.0]])
}

/// Level at `f` Hz after an equaliser, in dB.
fn level(text: &str, hz: u32, f: f64) -> f64 {
    let (out, _) = edit(&impulse(hz), &format!("eq={text}"));
    20.0 * magnitude(out.channel(0), hz, f).log10()
}

#[test]
fn bands_have_their_gain_where_they_are_said_to_at_every_rate() {
    for hz in [44_100, 96_000] {
        for (band, f, db) in [
            ("lowcut:80", 80.0, -3.0103),
            ("lowcut:80", 20.0, -24.1),
            ("highcut:8k:24dB", 8000.0, -3.0103),
            ("highcut:8k:24dB", 1000.0, 0.0),
            ("lowcut:200:6dB", 200.0, -3.0103),
            ("highcut:2k:18dB", 2000.0, -3.0103),
            ("peak:1k:-3dB:q2", 1000.0, -3.0),
            ("peak:1k:+6dB", 50.0, 0.0),
            ("lowshelf:200:+2dB", 200.0, 1.0),
            ("lowshelf:200:+2dB", 1.0, 2.0),
            ("highshelf:6k:-4dB", 6000.0, -2.0),
            ("highshelf:6k:-4dB", 21_900.0, -4.0),
            ("notch:50:q5", 500.0, 0.0),
        ] {
            let got = level(band, hz, f);
            assert!(
                (got - db).abs() < 0.05,
                "{band} at {hz}: {got} dB at {f} Hz"
            );
        }
        // Half of the gain's dB at 1/q octaves' ends: f2 - f1 = f/q by the cookbook's definition,
        // geometrically around the middle.
        let half = 1.0 / 4.0;
        for f in [
            1000.0 * (f64::hypot(1.0, half) - half),
            1000.0 * (f64::hypot(1.0, half) + half),
        ] {
            let got = level("peak:1k:-6dB:q2", hz, f);
            assert!((got + 3.0).abs() < 0.05, "{got} dB at {f} Hz");
        }
        assert!(level("notch:1k", hz, 1000.0) < -80.0);
    }
}

#[test]
fn a_tilt_is_a_straight_line_over_log_frequency() {
    for hz in [44_100, 96_000] {
        for db in [-3.0, -1.0, 2.5] {
            for f in [25.0, 63.0, 250.0, 1000.0, 4000.0, 16_000.0, 19_000.0] {
                let (got, want) = (
                    level(&format!("tilt:{db}dB"), hz, f),
                    db * (f / 1000.0).log2(),
                );
                assert!(
                    (got - want).abs() < 0.05,
                    "{db} at {hz}: {got} dB at {f} Hz, not {want}"
                );
            }
        }
    }
}

#[test]
fn slopes_fall_by_what_they_say() {
    for (slope, octave) in [("6dB", 6.0), ("12dB", 12.0), ("30dB", 30.0), ("48", 48.0)] {
        let (a, b) = (
            level(&format!("highcut:500:{slope}"), 48_000, 1000.0),
            level(&format!("highcut:500:{slope}"), 48_000, 2000.0),
        );
        // Nyquist bends the line a little, and the first octave is not yet quite straight.
        assert!((a - b - octave).abs() < 1.2, "{slope}: {a} and {b} dB");
    }
}

#[test]
fn what_rings_for_longer_than_30_s_is_faded_there() {
    let (out, _) = edit(&ir(1000, vec![vec![1.0]]), "eq=peak:100:60dB:q100");
    assert_eq!(out.frames(), 30_001);
    let taps = out.channel(0);
    let peak = |taps: &[f32]| taps.iter().fold(0.0f32, |peak, tap| peak.max(tap.abs()));
    // Still loud before the fade, silent at its end.
    let (before, end) = (peak(&taps[29_800..29_940]), peak(&taps[29_999..]));
    assert!(
        before > 1e-4 * peak(taps) && end < 0.01 * before,
        "{before} {end}"
    );
}

#[test]
fn what_rings_on_is_kept_until_it_is_silent() {
    let (out, said) = edit(&impulse(48_000), "eq=peak:100:+12dB:q20");
    assert!(said.contains("longer"), "{said}");
    let taps = out.channel(0);
    // What is left out is below -140 dB; what is kept comes down to there.
    let end = taps[taps.len() - 1].abs();
    let peak = taps.iter().fold(0.0f32, |peak, tap| peak.max(tap.abs()));
    assert!(end > 1e-7 * peak && end < 3e-7 * peak, "{end}");
    // At least as long as it was.
    let long = ir(48_000, vec![[&[1.0][..], &[0.0; 20_000]].concat()]);
    assert_eq!(edit(&long, "eq=highcut:8k").0.frames(), 20_001);
}

/// The impulse responses that scipy makes of the same filters.
#[test]
fn filters_are_those_of_scipy() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/golden");
    let csv = std::fs::read_to_string(folder.join("edit.csv")).unwrap();
    let blob = std::fs::read(folder.join("edit.bin")).unwrap();
    let mut seen = 0;
    for row in csv
        .lines()
        .skip(1)
        .map(|line| line.split(';').collect::<Vec<_>>())
    {
        let [text, rate, at, len] = row[..] else {
            panic!("{row:?}")
        };
        let Some(bands) = text.strip_prefix("eq=") else {
            continue;
        };
        let (rate, at, len) = (
            rate.parse().unwrap(),
            at.parse::<usize>().unwrap(),
            len.parse::<usize>().unwrap(),
        );
        let values = blob[at..at + 8 * len].chunks_exact(8);
        let scipy: Vec<f64> = values
            .map(|x| f64::from_le_bytes(x.try_into().unwrap()))
            .collect();
        let reading = crate::ir::edit::reading::Reading::new(text);
        let read = super::read(&reading).unwrap();
        let rate = SampleRate::new(rate).unwrap();
        let mut taps = vec![0.0; len];
        taps[0] = 1.0;
        for section in read.iter().flat_map(|band| section::of(band, rate)) {
            section.run(&mut taps);
        }
        for (n, (ours, theirs)) in taps.iter().zip(&scipy).enumerate() {
            // Both round at every step; a pole at radius r repeats an error 1/(1-r) times, some
            // 1,000 for the lowest cut here.
            assert!(
                (ours - theirs).abs() < 1e-11,
                "{bands}, frame {n}: {ours}, scipy {theirs}"
            );
        }
        seen += 1;
    }
    assert!(seen >= 10, "{seen} filters in edit.csv");
}

#[test]
fn a_silent_response_stays_silent_and_as_long() {
    let silent = ir(48_000, vec![vec![0.0; 10]; 3]);
    for text in ["eq=lowcut:80", "eq=tilt:-1dB,peak:1k:+3dB"] {
        assert_eq!(edit(&silent, text).0, silent);
    }
}

#[test]
fn what_is_no_filter_is_refused() {
    for text in [
        "eq",
        "eq=",
        "eq=bell:1k:3dB",
        "eq=lowcut",
        "eq=lowcut:fast",
        "eq=lowcut:0.5",
        "eq=lowcut:80:13dB",
        "eq=lowcut:80:60dB",
        "eq=lowcut:80:12dB:q2",
        "eq=peak:1k",
        "eq=peak:1k:3dB:q0",
        "eq=peak:1k:90dB",
        "eq=peak:1k:0",
        "eq=tilt",
        "eq=tilt:-20dB",
        "eq=notch:50:wide",
    ] {
        refused(text, text);
    }
    let error = impulse(8000)
        .equalize(&[EqBand::Notch { hz: 5000.0, q: 1.0 }])
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("5000 Hz") && text.contains("4000 Hz"),
        "{text}"
    );
}
