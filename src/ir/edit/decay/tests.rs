use super::*;
use crate::ir::Recipe;
use crate::ir::edit::tests::{edit, ir, refused};

const HZ: u32 = 48_000;

fn rate() -> SampleRate {
    SampleRate::new(HZ).unwrap()
}

fn hall() -> ImpulseResponse {
    "hall".parse::<Recipe>().unwrap().render(rate()).unwrap()
}

/// Noise that falls by 60 dB in `rt60` seconds, over a floor in dB of its beginning.
fn decaying(rt60: f64, floor: f64, seconds: f64, seed: u64) -> Vec<f32> {
    let (mut decay, mut noise) = (Noise::new(seed, 0), Noise::new(seed, 1));
    let level = 10f64.powf(floor / 20.0);
    (0..(f64::from(HZ) * seconds) as usize)
        .map(|n| {
            let fall = 10f64.powf(-3.0 * n as f64 / f64::from(HZ) / rt60);
            (0.2 * (fall * decay.normal() + level * noise.normal())) as f32
        })
        .collect()
}

/// T30 of every octave of a channel.
fn times(ir: &ImpulseResponse, channel: usize) -> Vec<f64> {
    let taps = wide(ir).swap_remove(channel);
    crate::ir::band::OCTAVES
        .iter()
        .map(|&hz| {
            let band = crate::ir::band::Band::octave(hz);
            Decay::in_band(&taps, ir.rate(), band)
                .unwrap()
                .t30()
                .unwrap()
        })
        .collect()
}

#[test]
fn every_octaves_decay_time_is_multiplied() {
    let hall = hall();
    for (text, factors) in [
        ("decay=0.5", [0.5; 7]),
        ("decay=1.8", [1.8; 7]),
        (
            "decay=125:1.5,8k:0.6",
            std::array::from_fn(|k| 1.5 - 0.9 * k as f64 / 6.0),
        ),
    ] {
        let (changed, said) = edit(&hall, text);
        println!("{said}");
        for channel in 0..2 {
            let (before, after) = (times(&hall, channel), times(&changed, channel));
            println!("{text}: {before:.2?} -> {after:.2?}");
            for band in 0..7usize {
                // Octaves share their borders with their neighbours, and noise's decay in a band is
                // as uncertain as 1 / sqrt(B T), here twice.
                let near = &factors[band.saturating_sub(1)..(band + 2).min(7)];
                let least = near.iter().copied().fold(f64::INFINITY, f64::min);
                let most = near.iter().copied().fold(0.0, f64::max);
                let wide = 0.7 * LOWEST_BAND * f64::from(1 << band);
                let bound = 0.02 + 2.0 / (wide * before[band].min(after[band])).sqrt();
                let ratio = after[band] / before[band];
                let within = least * (1.0 - bound)..most * (1.0 + bound);
                assert!(within.contains(&ratio), "{text}, {band}: {ratio}, {bound}");
            }
        }
        let sounding = factors.iter().copied().fold(0.0, f64::max);
        assert_eq!(
            changed.frames(),
            (sounding * hall.frames() as f64).round() as usize,
            "{text}"
        );
    }
}

#[test]
fn a_factor_of_one_changes_nothing() {
    let hall = hall();
    let (same, said) = edit(&hall, "decay=1");
    assert!(said.contains("125 Hz as it was"), "{said}");
    assert_eq!(same.frames(), hall.frames());
    for (a, b) in same.channel(0).iter().zip(hall.channel(0)) {
        // Rounded once more to f32.
        assert!((a - b).abs() <= 1e-7, "{a} {b}");
    }
}

#[test]
fn what_comes_before_and_at_the_onset_stays() {
    let late = hall().predelay(0.05).unwrap();
    for text in ["decay=0.5", "decay=2"] {
        let (changed, _) = edit(&late, text);
        let onset = late.onset().unwrap();
        assert_eq!(changed.onset(), Some(onset));
        let (before, after) = (late.channel(0)[onset], changed.channel(0)[onset]);
        assert!(
            (after / before - 1.0).abs() < 0.02,
            "{text}: {before} {after}"
        );
    }
}

#[test]
fn a_longer_decay_does_not_raise_the_noise_floor() {
    // 0.5 s down to a floor at -50 dB, which is reached after 0.42 s.
    let noisy = ir(HZ, vec![decaying(0.5, -50.0, 1.5, 5)]);
    let (long, said) = edit(&noisy, "decay=2");
    println!("{said}");
    // What follows is 1 s to fall by 60 dB, from start to end, with neither floor nor step. Levels of
    // 50 ms of noise, 2,400 values, are certain to 0.13 dB; the bands' decay times to some per cent,
    // 3 dB over the 60.
    for n in (0..long.frames() - 2400).step_by(2400) {
        let part = long.channel(0)[n..n + 2400].iter();
        let power = part.map(|&x| f64::from(x).powi(2)).sum::<f64>() / 2400.0 / 0.04;
        let (got, want) = (
            10.0 * power.log10(),
            -60.0 * (n + 1200) as f64 / f64::from(HZ),
        );
        if want < -80.0 {
            break;
        }
        assert!(
            (got - want).abs() < 4.0,
            "frame {n}: {got:.1} dB, {want:.1} dB"
        );
    }
    let end = long.frames() as f64 / f64::from(HZ);
    assert!((1.4..1.75).contains(&end), "{end} s");
}

#[test]
fn noise_takes_over_without_a_step_where_the_response_is_too_short() {
    // Cut at -48 dB.
    let short = ir(
        HZ,
        vec![decaying(0.5, -300.0, 0.4, 6), decaying(0.5, -300.0, 0.4, 7)],
    );
    let (long, said) = edit(&short, "decay=2");
    assert_eq!(long.frames(), 38_400, "{said}");
    for channel in 0..2 {
        let level = |n: usize| {
            let part = long.channel(channel)[n..n + 1200].iter();
            10.0 * (part.map(|&x| f64::from(x).powi(2)).sum::<f64>() / 1200.0 / 0.04).log10()
        };
        // Around the joint, at 80 % of 19,200 frames, and beyond.
        for n in (12_000..36_000).step_by(1200) {
            let want = -60.0 * (n + 600) as f64 / f64::from(HZ);
            assert!(
                (level(n) - want).abs() < 3.0,
                "frame {n}: {:.1} dB, {want:.1} dB",
                level(n)
            );
        }
    }
    // The channels' tails know nothing of each other.
    let tail = |channel: usize| &long.channel(channel)[20_000..];
    let product =
        |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
    let together =
        product(tail(0), tail(1)) / (product(tail(0), tail(0)) * product(tail(1), tail(1))).sqrt();
    assert!(together.abs() < 0.1, "{together}");
}

#[test]
fn what_has_no_decay_or_no_sense_is_refused() {
    for text in [
        "decay",
        "decay=fast",
        "decay=0",
        "decay=21",
        "decay=125:1.2,0.5",
        "decay=125:1.2,125:2",
        "decay=x:1",
    ] {
        refused(text, text);
    }
    let factor = DecayFactor::uniform(0.5).unwrap();
    for taps in [vec![1.0], vec![0.0; 100], vec![1.0; 4800]] {
        let error = ir(HZ, vec![taps])
            .change_decay(&factor)
            .unwrap_err()
            .to_string();
        assert!(error.contains("decay: "), "{error}");
    }
    assert!(
        (DecayFactor::new(vec![(1000.0, 1.0), (4000.0, 0.5)])
            .unwrap()
            .at(2000.0)
            - 0.75)
            .abs()
            < 1e-12
    );
}
