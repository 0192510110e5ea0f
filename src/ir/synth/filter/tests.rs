use super::*;
use crate::ir::Recipe;
use crate::ir::synth::Kind;
use crate::ir::synth::golden::Golden;

fn taps(text: &str, hz: u32) -> Vec<f64> {
    let rate = SampleRate::new(hz).unwrap();
    let ir = text.parse::<Recipe>().unwrap().render(rate).unwrap();
    ir.channel(0).iter().map(|&tap| f64::from(tap)).collect()
}

/// Level at `f` Hz in dB.
fn level(taps: &[f64], hz: u32, f: f64) -> f64 {
    let step = 2.0 * PI * f / f64::from(hz);
    let (re, im) = taps
        .iter()
        .enumerate()
        .fold((0.0, 0.0), |(re, im), (n, tap)| {
            let (sin, cos) = (step * n as f64).sin_cos();
            (re + tap * cos, im + tap * sin)
        });
    10.0 * f64::max(re * re + im * im, 1e-30).log10()
}

/// Largest and smallest level between two frequencies, in dB.
fn span(taps: &[f64], hz: u32, low: f64, high: f64) -> (f64, f64) {
    (0..=150)
        .map(|i| level(taps, hz, low + (high - low) * f64::from(i) / 150.0))
        .fold((f64::NEG_INFINITY, f64::INFINITY), |(most, least), db| {
            (most.max(db), least.min(db))
        })
}

/// Recipe, pass bands, stop bands, frequencies at -6 dB.
type Case = (&'static str, Vec<(f64, f64)>, Vec<(f64, f64)>, Vec<f64>);

fn cases(hz: u32) -> Vec<Case> {
    let top = f64::from(hz) / 2.0;
    vec![
        (
            "lowpass=3k",
            vec![(0.0, 2625.0)],
            vec![(3375.0, top)],
            vec![3e3],
        ),
        (
            "lowpass=20k",
            vec![(0.0, 17.5e3)],
            vec![(top.min(22.5e3), top)],
            vec![20e3],
        ),
        (
            "highpass=80",
            vec![(90.0, top)],
            vec![(0.0, 70.0)],
            vec![80.0],
        ),
        (
            "highpass=10k",
            vec![(11.25e3, top)],
            vec![(0.0, 8750.0)],
            vec![10e3],
        ),
        (
            "bandpass=300-3400",
            vec![(337.5, 3362.5)],
            vec![(0.0, 262.5), (3437.5, top)],
            vec![300.0, 3400.0],
        ),
        (
            "bandpass=1k-1100",
            vec![],
            vec![(0.0, 950.0), (1150.0, top)],
            vec![1e3, 1.1e3],
        ),
        (
            "bandstop=300-3400",
            vec![(0.0, 262.5), (3437.5, top)],
            vec![(337.5, 3362.5)],
            vec![300.0, 3400.0],
        ),
        (
            "notch=50",
            vec![(0.0, 40.0), (60.0, top)],
            vec![(50.0, 50.0)],
            vec![45.0, 55.0],
        ),
        (
            "notch=1k",
            vec![(0.0, 800.0), (1200.0, top)],
            vec![(1e3, 1e3)],
            vec![900.0, 1100.0],
        ),
    ]
}

#[test]
fn filters_pass_at_unity_and_stop_at_100_db() {
    for hz in [44_100, 96_000] {
        for (text, pass, stop, halves) in cases(hz) {
            let taps = taps(text, hz);
            assert_eq!(taps.len() % 2, 1, "{text}");
            assert!(taps.iter().eq(taps.iter().rev()), "{text} is not symmetric");
            let mut shown = format!("{text} at {hz}: {} taps", taps.len());
            for (low, high) in pass {
                let (most, least) = span(&taps, hz, low, high);
                shown += &format!(", pass {least:.6} to {most:.6} dB");
                // Ripple equals the attenuation: 2 * 10^-5 of 1 at two edges.
                assert!(most < 2e-4 && least > -2e-4, "{shown}");
            }
            for (low, high) in stop {
                let (most, _) = span(&taps, hz, low, high);
                shown += &format!(", stop {most:.1} dB");
                assert!(most < -100.0, "{shown}");
            }
            for f in halves {
                let db = level(&taps, hz, f);
                assert!((db + 6.02).abs() < 0.05, "{shown}, {db} dB at {f} Hz");
            }
            println!("{shown}");
        }
    }
}

#[test]
fn minimum_phase_keeps_the_magnitude_and_loses_the_delay() {
    for hz in [44_100, 96_000] {
        for (text, pass, stop, _) in cases(hz) {
            let linear = taps(text, hz);
            let least = taps(&format!("min:{text}"), hz);
            assert_eq!(least.len(), linear.len());
            let mut off: f64 = 0.0;
            for (low, high) in pass {
                for i in 0..=150 {
                    let f = low + (high - low) * f64::from(i) / 150.0;
                    off = off.max((level(&least, hz, f) - level(&linear, hz, f)).abs());
                }
            }
            let stop = stop
                .into_iter()
                .map(|(low, high)| span(&least, hz, low, high).0);
            let stop = stop.fold(f64::NEG_INFINITY, f64::max);
            // Centre of energy, the mean delay of what passes.
            let delay = |taps: &[f64]| {
                let energy: f64 = taps.iter().map(|tap| tap * tap).sum();
                let moment = taps.iter().enumerate().map(|(n, tap)| n as f64 * tap * tap);
                moment.sum::<f64>() / energy
            };
            let (before, after) = (delay(&linear), delay(&least));
            let shown = format!(
                "min:{text} at {hz}: off by {off:.6} dB, stop {stop:.1} dB, \
                 mean delay {before:.1} -> {after:.1} frames"
            );
            println!("{shown}");
            assert!(
                off < 0.001 && stop < -97.0 && after < 0.65 * before,
                "{shown}"
            );
        }
    }
}

#[test]
fn a_filter_right_below_nyquist_is_still_made() {
    let taps = taps("lowpass=23999", 48_000);
    let (most, least) = span(&taps, 48_000, 0.0, 23_900.0);
    assert!(most < 2e-4 && least > -2e-4, "{least} to {most} dB");
}

/// Taps before they are rounded.
fn wide(text: &str, hz: u32) -> Result<Vec<f64>, IrError> {
    let recipe = text.parse::<Recipe>()?;
    match &recipe.kind {
        Kind::Filter(filter) => filter.render(SampleRate::new(hz).unwrap(), text),
        other => panic!("{text} is {other:?}"),
    }
}

#[test]
fn windowed_filters_and_curves_are_those_of_scipy() {
    let golden = Golden::read("filters", 4);
    assert_eq!(golden.rows().len(), 52);
    for row in golden.rows() {
        let [hz, count] = [0, 2].map(|column| row[column].parse::<usize>().unwrap());
        let (text, theirs) = (&row[3], golden.values(&row[1], count));
        let ours = wide(text, hz as u32).unwrap();
        assert_eq!(ours.len(), count, "{text}");
        for (n, (a, b)) in ours.iter().zip(&theirs).enumerate() {
            assert!(
                (a - b).abs() < 1e-12,
                "{text} at {hz}, tap {n}: {a} for {b}"
            );
        }
    }
}

#[test]
fn a_curve_goes_through_its_points_in_both_phases() {
    for phase in ["", "min:"] {
        let taps = wide(&format!("{phase}curve=100:0dB/1k:-6dB/8k:3dB"), 48_000).unwrap();
        // 1,921 taps see 50 Hz: the corners are round over so much, and nothing else is.
        for (f, want) in [(20.0, 0.0), (316.2, -3.0), (3000.0, -1.245), (20e3, 3.0)] {
            let db = level(&taps, 48_000, f);
            assert!(
                (db - want).abs() < 0.1,
                "{phase}: {db} dB at {f} Hz, not {want}"
            );
        }
    }
    let taps = wide("curve=1k:0dB/2k:-infdB,taps=2001", 48_000).unwrap();
    assert!(level(&taps, 48_000, 3000.0) < -60.0 && level(&taps, 48_000, 900.0).abs() < 0.1);
}

#[test]
fn a_tilt_is_straight_over_octaves() {
    for (text, slope, pivot) in [
        ("tilt=-3dB", -3.0, 1000.0),
        ("min:tilt=-3dB", -3.0, 1000.0),
        ("tilt=6dB,pivot=200", 6.0, 200.0),
    ] {
        for hz in [44_100, 96_000] {
            let taps = wide(text, hz).unwrap();
            for octave in -3..=4 {
                let f = 1000.0 * 2f64.powi(octave);
                let (db, want) = (level(&taps, hz, f), slope * (f / pivot).log2());
                assert!(
                    (db - want).abs() < 0.1,
                    "{text}: {db} dB at {f} Hz, not {want}"
                );
            }
        }
    }
}

#[test]
fn hilbert_turns_by_90_degrees_and_keeps_the_level() {
    for hz in [44_100, 96_000] {
        let taps = wide("hilbert", hz).unwrap();
        let odd = taps.iter().zip(taps.iter().rev());
        // Antisymmetric: 90 degrees exactly, and not the other way round.
        assert!(odd.clone().all(|(a, b)| a == &-b) && taps[taps.len() / 2 + 1] > 0.0);
        for f in [20.0, 100.0, 1000.0, f64::from(hz) / 2.0 - 20.0] {
            // Hamming's transition is 4 taps' rates wide in all, 10 Hz on each side.
            assert!(
                level(&taps, hz, f).abs() < 0.1,
                "{f}: {}",
                level(&taps, hz, f)
            );
        }
    }
}

#[test]
fn filters_that_cannot_be_are_refused_with_those_that_can() {
    for (text, words) in [
        ("highpass=80,taps=100", &["100", "99 or 101"][..]),
        ("bandstop=45-55,taps=64", &["64", "63 or 65"]),
        ("curve=100:0dB,taps=100", &["99 or 101"]),
        ("hilbert,taps=10", &["9 or 11"]),
        ("lowpass=3k,taps=2", &["from 3", "not `2`"]),
        ("lowpass=3k,taps=many", &["not `many`"]),
        ("lowpass=3k,taps=1000000", &["20.8 s", "fewer taps"]),
        (
            "lowpass=3k,taps=11,window=round",
            &["`round`", "kaiser:8.6"],
        ),
        (
            "lowpass=3k,taps=11,window=kaiser:-1",
            &["`kaiser:-1`", "0 to 50"],
        ),
        ("lowpass=24k,taps=11", &["24000 Hz", "higher rate"]),
        ("bandstop=300", &["two frequencies"]),
        ("curve", &["frequency and a gain", "curve=100:0dB"]),
        ("curve=100", &["`100`", "frequency and a gain"]),
        ("curve=100:0dB/50:0dB", &["rise"]),
        ("curve=100:-1", &["is -1", "dB"]),
        ("tilt=0", &["`0`", "above 0"]),
        ("tilt=-30dB", &["-30.0 dB", "-24dB"]),
        ("min:hilbert", &["`min:`", "min:lowpass=3k"]),
        ("hilbert=3", &["no value"]),
    ] {
        let error = wide(text, 48_000).unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "{text}: no `{word}` in {error}");
        }
    }
}
