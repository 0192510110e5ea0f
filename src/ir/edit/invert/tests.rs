use super::*;
use crate::dsp::clip::convolve;
use crate::dsp::mode::Mode;
use crate::ir::Recipe;
use crate::ir::edit::Operation;
use crate::ir::edit::tests::{edit, ir, magnitude, refused};

fn db(factor: f64) -> f64 {
    20.0 * factor.log10()
}

/// A loudspeaker of sorts: cuts at both ends, two bumps and a dip, and 3 ms away.
fn loudspeaker(hz: u32) -> ImpulseResponse {
    let mut taps = vec![0.0; 2048];
    taps[hz as usize * 3 / 1000] = 0.2;
    let text = "eq=lowcut:30,highcut:18k,peak:120:+5dB,peak:900:-6dB:q2,highshelf:4k:-3dB";
    edit(&ir(hz, vec![taps]), text).0
}

/// Level of two responses in a row at `f` Hz.
fn together(a: &ImpulseResponse, b: &ImpulseResponse, f: f64) -> f64 {
    let hz = a.rate().hz();
    db(magnitude(a.channel(0), hz, f)) + db(magnitude(b.channel(0), hz, f))
}

/// 241 frequencies from `low` to `high`.
fn frequencies(low: f64, high: f64) -> impl Iterator<Item = f64> {
    (0..=240).map(move |k| low * (high / low).powf(f64::from(k) / 240.0))
}

#[test]
fn response_and_inverse_are_flat_within_the_band_and_not_raised_outside() {
    for hz in [44_100, 96_000] {
        let speaker = loudspeaker(hz);
        for text in [
            "invert",
            "invert=phase:min",
            "invert=phase:linear,band:40-16k",
        ] {
            let (inverse, said) = edit(&speaker, text);
            println!("{text} at {hz}: {said}");
            let level: Vec<f64> = frequencies(40.0, 16e3)
                .map(|f| together(&speaker, &inverse, f))
                .collect();
            let middle = level.iter().sum::<f64>() / level.len() as f64;
            for (f, level) in frequencies(40.0, 16e3).zip(&level) {
                assert!(
                    (level - middle).abs() < 0.5,
                    "{text} at {hz}: {level} dB at {f} Hz"
                );
            }
            // Half an octave outside nothing is raised any more.
            let outside = frequencies(5.0, 28.0).chain(frequencies(22.7e3, 0.499 * f64::from(hz)));
            for f in outside.filter(|&f| f < 0.499 * f64::from(hz)) {
                let gain = db(magnitude(inverse.channel(0), hz, f));
                assert!(gain < 0.5, "{text} at {hz}: {gain} dB at {f} Hz");
            }
        }
    }
}

#[test]
fn the_level_within_the_band_stays() {
    let speaker = loudspeaker(48_000);
    let (_, done) = speaker.clone().invert(&Inversion::default()).unwrap();
    let power = frequencies(40.0, 16e3).map(|f| magnitude(speaker.channel(0), 48_000, f).powi(2));
    let mean = 10.0 * (power.sum::<f64>() / 241.0).log10();
    assert!((done.level - mean).abs() < 0.1, "{done:?}, {mean}");
    let louder = speaker
        .gain(10.0)
        .unwrap()
        .invert(&Inversion::default())
        .unwrap()
        .1;
    assert!(
        (louder.level - done.level - 20.0).abs() < 1e-4,
        "{louder:?}"
    );
    assert!((louder.boost.0 - done.boost.0).abs() < 1e-3, "{louder:?}");
}

#[test]
fn with_mixed_phase_both_together_are_an_impulse_at_the_delay() {
    let speaker = loudspeaker(48_000);
    let (inverse, done) = speaker.clone().invert(&Inversion::default()).unwrap();
    assert_eq!(done.delay, inverse.frames() / 2);
    let both = convolve(speaker.channel(0), inverse.channel(0), Mode::Full).unwrap();
    let peak = both.iter().fold(0.0f32, |peak, tap| peak.max(tap.abs()));
    let at = both.iter().position(|tap| tap.abs() == peak).unwrap();
    assert_eq!(at, speaker.onset().unwrap() + done.delay);
    // Besides the impulse of the band there is hardly anything: 30 dB down from 5 ms on.
    for (n, tap) in both.iter().enumerate() {
        if n.abs_diff(at) > 240 {
            assert!(tap.abs() < 0.03 * peak, "frame {n}: {tap} of {peak}");
        }
    }
    let (_, done) = speaker
        .clone()
        .invert(&Inversion {
            phase: Phase::Minimum,
            ..Inversion::default()
        })
        .unwrap();
    assert_eq!(done.delay, 0);
}

#[test]
fn no_boost_exceeds_what_is_allowed_and_the_rest_is_told() {
    // A notch of 40 dB and more cannot be filled.
    let mut taps = vec![0.0; 4096];
    taps[0] = 1.0;
    let (holed, _) = edit(&ir(48_000, vec![taps]), "eq=notch:1k:q2");
    for (max, phase) in [(6.0, "min"), (12.0, "mixed"), (12.0, "linear")] {
        let (inverse, said) = edit(&holed, &format!("invert=max:{max}dB,phase:{phase}"));
        println!("{said}");
        assert!(said.contains("the limit"), "{said}");
        let most = frequencies(20.0, 20e3).map(|f| db(magnitude(inverse.channel(0), 48_000, f)));
        let most = most.fold(f64::NEG_INFINITY, f64::max);
        assert!(most < max + 0.01, "{phase}: {most} dB");
        // The worst is left in the notch.
        let worst = said.split("worst -").nth(1).unwrap();
        let (left, at) = worst.split_once(" dB at ").unwrap();
        let at: f64 = at.split(' ').next().unwrap().parse().unwrap();
        assert!(
            left.parse::<f64>().unwrap() > 20.0 && (at - 1000.0).abs() < 10.0,
            "{said}"
        );
    }
}

struct Shelf;

impl Supply for Shelf {
    fn curve(&mut self, name: &str) -> Result<Curve, String> {
        assert_eq!(name, "house:a.txt");
        Ok(Curve::new(vec![(100.0, 3.0), (10_000.0, -3.0)]).unwrap())
    }
}

#[test]
fn a_target_is_met_whether_it_is_a_tilt_or_a_file() {
    let speaker = loudspeaker(48_000);
    for (text, target) in [
        ("invert=target:tilt:-1dB", Curve::tilt(-1.0)),
        ("invert=target:flat,phase:min", Curve::flat()),
        (
            "invert=target:house:a.txt,length:0.4s",
            Curve::new(vec![(100.0, 3.0), (10_000.0, -3.0)]).unwrap(),
        ),
    ] {
        let operation = text.parse::<Operation>().unwrap();
        let (inverse, _) = operation.apply(speaker.clone(), &mut Shelf).unwrap();
        let off: Vec<f64> = frequencies(40.0, 16e3)
            .map(|f| together(&speaker, &inverse, f) - target.at(f))
            .collect();
        let middle = off.iter().sum::<f64>() / off.len() as f64;
        assert!(
            off.iter().all(|off| (off - middle).abs() < 0.5),
            "{text}: {off:.2?}"
        );
    }
}

#[test]
fn smoothing_leaves_a_rooms_fine_structure_alone() {
    let rate = SampleRate::new(48_000).unwrap();
    let room = "room".parse::<Recipe>().unwrap().render(rate).unwrap();
    let (rough, _) = edit(&room, "invert=phase:min");
    let (smooth, said) = edit(&room, "invert=phase:min,smooth:1/3");
    println!("{said}");
    // Change of gain from one frequency to the next, 0.04 octaves apart.
    let steps = |ir: &ImpulseResponse| {
        let gain: Vec<f64> = frequencies(50.0, 10e3)
            .map(|f| db(magnitude(ir.channel(0), 48_000, f)))
            .collect();
        gain.windows(2)
            .map(|pair| (pair[1] - pair[0]).abs())
            .fold(0.0, f64::max)
    };
    let (rough, smooth) = (steps(&rough), steps(&smooth));
    println!("{rough:.1} dB, smoothed {smooth:.1} dB");
    assert!(smooth < 0.4 * rough, "{rough} {smooth}");
}

#[test]
fn length_and_channels_are_what_was_asked_for() {
    let speaker = loudspeaker(48_000);
    let (inverse, said) = edit(&speaker, "invert=length:100ms");
    assert_eq!(inverse.frames(), 4800);
    assert!(said.contains("delays by 2400 frames (50.00 ms)"), "{said}");
    // A silent channel stays so and harms nobody.
    let taps = speaker.channel(0).to_vec();
    let set = ir(48_000, vec![taps.clone(), vec![0.0; taps.len()], taps]);
    let (inverse, _) = edit(&set, "invert");
    assert!(inverse.channel(1).iter().all(|&tap| tap == 0.0));
    assert_eq!(inverse.channel(0), inverse.channel(2));
    assert!(
        ir(48_000, vec![vec![0.0; 99]])
            .invert(&Inversion::default())
            .is_err()
    );
}

#[test]
fn what_cannot_be_inverted_so_is_refused() {
    for text in [
        "invert=flat",
        "invert=band:40",
        "invert=band:16k-40",
        "invert=max:-3dB",
        "invert=max:99dB",
        "invert=phase:zero",
        "invert=smooth:6",
        "invert=smooth:1/0",
        "invert=length:0s",
        "invert=length:31s",
        "invert=target:tilt:steep",
    ] {
        refused(text, text);
    }
    let slow = ir(8000, vec![vec![1.0; 10]]);
    let error = |text: &str| {
        let operation = text.parse::<Operation>().unwrap();
        operation
            .apply(slow.clone(), &mut ())
            .unwrap_err()
            .to_string()
    };
    assert!(error("invert=band:100-5k").contains("4000 Hz"));
    assert!(error("invert=target:a.txt").contains("`a.txt`"));
    // Without a band the usual one is taken as far as it goes.
    assert!(edit(&slow, "invert").1.contains("40 Hz to 3600 Hz"));
}

#[test]
fn the_pre_delay_stays_however_long_it_is() {
    for (frames, text) in [(4800, "invert=length:150ms"), (60_000, "invert")] {
        let mut taps = vec![0.0; frames + 1];
        taps[frames] = 1.0;
        let (inverse, said) = edit(&ir(48_000, vec![taps.clone()]), text);
        let both = convolve(&taps, inverse.channel(0), Mode::Full).unwrap();
        let top = (0..both.len()).max_by(|&a, &b| both[a].total_cmp(&both[b]));
        assert_eq!(top, Some(frames + inverse.frames() / 2), "{said}");
        assert!((both[top.unwrap()] - 1.0).abs() < 0.02, "{said}");
    }
}

#[test]
fn sets_whose_channels_meet_are_told_to_be_inverted_one_by_one() {
    let pulse = || vec![1.0, 0.5];
    let (_, said) = edit(
        &ir(48_000, vec![pulse(), pulse(), pulse(), pulse()]),
        "invert",
    );
    assert!(said.contains("by itself"), "{said}");
    let (_, said) = edit(&ir(48_000, vec![pulse(), pulse()]), "invert");
    assert!(!said.contains("by itself"), "{said}");
}
