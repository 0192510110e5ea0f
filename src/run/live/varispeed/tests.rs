//! What the resampler lets pass, what it keeps out, and whether it knows where it is.

use std::f64::consts::TAU;

use super::*;

const RATES: [(f64, f64); 6] = [
    (48e3, 48e3),
    (44.1e3, 48e3),
    (48e3, 44.1e3),
    (96e3, 48e3),
    (48e3, 96e3),
    (192e3, 8e3),
];

/// `frames` of a sine of that many turns per input frame, by calls of `sizes` in turn.
fn sine(nominal: f64, ratio: f64, turns: f64, frames: usize, sizes: &[usize]) -> Vec<f32> {
    let mut varispeed = Varispeed::new(1, nominal).unwrap();
    let (mut at, mut out) = (0u64, vec![0.0; frames]);
    let mut pull = |input: &mut [f32]| {
        for x in input {
            *x = (TAU * (turns * at as f64).fract()).sin() as f32;
            at += 1;
        }
    };
    let mut rest = &mut out[..];
    for size in sizes.iter().cycle() {
        let (now, later) = rest.split_at_mut((*size).min(rest.len()));
        varispeed.fill(ratio, now, &mut pull);
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    out
}

/// Level of the best sine of that many turns per frame in dB of full scale, and of the rest.
fn fit(signal: &[f32], turns: f64) -> (f64, f64) {
    let [mut ss, mut sc, mut cc, mut xs, mut xc] = [0.0; 5];
    for (n, x) in signal.iter().enumerate() {
        let (s, c) = (TAU * turns * n as f64).sin_cos();
        let x = f64::from(*x);
        ss += s * s;
        sc += s * c;
        cc += c * c;
        xs += x * s;
        xc += x * c;
    }
    let det = ss * cc - sc * sc;
    let (a, b) = ((xs * cc - xc * sc) / det, (xc * ss - xs * sc) / det);
    let rest: f64 = signal
        .iter()
        .enumerate()
        .map(|(n, x)| {
            let (s, c) = (TAU * turns * n as f64).sin_cos();
            (f64::from(*x) - a * s - b * c).powi(2)
        })
        .sum();
    let full = signal.len() as f64 / 2.0;
    (10.0 * (a * a + b * b).log10(), 10.0 * (rest / full).log10())
}

/// Level at `hz`, and of everything that is not at `hz`, once the filter is full.
fn tone(from: f64, to: f64, ratio: f64, hz: f64) -> (f64, f64) {
    let out = sine(to / from, ratio, hz / from, 30_000, &[256]);
    fit(&out[6_000..], hz / to / ratio)
}

#[test]
fn the_pass_band_is_flat_to_a_tenth_of_a_db() {
    for (from, to, top) in [
        (48e3, 48e3, 21.7e3),
        (44.1e3, 48e3, 20e3),
        (48e3, 44.1e3, 20e3),
        (96e3, 48e3, 21.7e3),
        (48e3, 96e3, 21.7e3),
    ] {
        for hz in [20.0, 1e3, 10e3, 15e3, 18e3, top] {
            let (level, _) = tone(from, to, 1.0002, hz);
            assert!(
                level.abs() < 0.1,
                "{from} to {to}: {hz} Hz at {level:.3} dB"
            );
        }
    }
}

#[test]
fn what_is_no_sine_any_more_is_more_than_100_db_below() {
    for (from, to) in [(48e3, 48e3), (44.1e3, 48e3), (48e3, 44.1e3), (96e3, 48e3)] {
        for ratio in [1.0002, 0.9998, 1.001, 1.0] {
            for hz in [1e3, 15e3] {
                let (level, rest) = tone(from, to, ratio, hz);
                let snr = level - rest;
                println!("{from} to {to} at {ratio}: {hz} Hz, SNR {snr:.0} dB");
                assert!(
                    snr > 120.0,
                    "{from} to {to} at {ratio}: {hz} Hz, SNR {snr:.0} dB"
                );
            }
        }
    }
}

#[test]
fn going_down_nothing_folds_back() {
    // From 1.038 of the lower Nyquist frequency; what lies between folds to above 0.962 of it.
    for (from, to) in [(48e3, 44.1e3), (96e3, 48e3), (192e3, 8e3)] {
        for share in [1.04, 1.1, 1.3, 1.9] {
            let hz = share * to / 2.0;
            if hz < from / 2.0 {
                let out = sine(to / from, 1.0, hz / from, 30_000, &[256]);
                let power: f64 = out[6_000..].iter().map(|x| f64::from(x * x)).sum();
                let level = 10.0 * (2.0 * power / 24_000.0).log10();
                assert!(
                    level < -96.0,
                    "{from} to {to}: {hz} Hz leaves {level:.0} dB"
                );
            }
        }
    }
}

#[test]
fn held_tells_where_the_next_frame_is() {
    for (from, to) in RATES {
        let mut varispeed = Varispeed::new(2, to / from).unwrap();
        let turns = 0.02 * (to / from).min(1.0);
        let mut taken = 0;
        let mut out = vec![0.0; 2 * 3_000];
        for round in 0..200 {
            let position = f64::from(taken) - varispeed.held();
            let frames = [1, 3, 64, 65, 441, 7, 2_048][round % 7];
            // A ramp's first stride is the next one, not the last: so keep the ratio for a while.
            let ratio = [1.0, 1.001, 0.995][round / 7 % 3];
            let steady = round % 7 > 0;
            varispeed.fill(ratio, &mut out[..2 * frames], &mut |input| {
                for frame in input.chunks_mut(2) {
                    let x = (TAU * turns * f64::from(taken)).sin() as f32;
                    frame.copy_from_slice(&[x, -x]);
                    taken += 1;
                }
            });
            let held = varispeed.held();
            let delay = varispeed.delay();
            let stride = from / to;
            assert!(
                round < 10 || (held - delay > -stride - 0.1 && held - delay < 1.1 + stride),
                "{from} to {to}: {held} held, {delay} delay"
            );
            if steady && position > 2.0 * delay {
                // rubato adds up the gain of its table in f32, which is 1e-5 off; at this pitch
                // an error of 2e-5 is 3e-4 frames.
                let error = f64::from(out[0]) - (TAU * turns * position).sin();
                assert!(
                    error.abs() < 2e-5,
                    "{from} to {to}: off by {error:e} at {position}, call {round}"
                );
                assert_eq!(out[0], -out[1]);
            }
        }
    }
}

#[test]
fn an_impulse_arrives_after_the_delay() {
    for (from, to) in RATES {
        let nominal = to / from;
        let mut varispeed = Varispeed::new(1, nominal).unwrap();
        let before = varispeed.held();
        let (mut at, click) = (0, 5_000);
        let mut out = vec![0.0; (10_000.0 * nominal) as usize];
        varispeed.fill(1.0, &mut out, &mut |input| {
            for x in input {
                *x = if at == click { 1.0 } else { 0.0 };
                at += 1;
            }
        });
        // Group delay at 0 Hz: the centre of gravity.
        let sum: f64 = out.iter().map(|x| f64::from(*x)).sum();
        let moment: f64 = (out.iter().enumerate())
            .map(|(n, x)| n as f64 * f64::from(*x))
            .sum();
        let arrived = moment / sum / nominal;
        let delay = arrived - f64::from(click);
        assert!(
            (delay - before).abs() < 2e-3,
            "{from} to {to}: {delay}, held {before}"
        );
        assert!((delay - varispeed.delay()).abs() < 1.1 + 1.0 / nominal);
    }
}

#[test]
fn splitting_the_calls_changes_nothing() {
    // The position is summed in other portions, and the tables are f32.
    for (from, to) in RATES {
        let turns = 0.03 * (to / from).min(1.0);
        let whole = sine(to / from, 1.0, turns, 20_000, &[20_000]);
        for sizes in [&[1][..], &[0, 63, 64, 65, 1000], &[480], &[1, 2047]] {
            let parts = sine(to / from, 1.0, turns, 20_000, sizes);
            let error = (whole.iter().zip(&parts))
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            assert!(error < 1e-6, "{from} to {to}, {sizes:?}: {error:e}");
        }
    }
}

#[test]
fn a_change_of_speed_has_no_click() {
    // Between the extremes and back in calls of 100 frames: the step from one frame to the next
    // is a sine's, and its curvature too.
    let mut varispeed = Varispeed::new(1, 1.0).unwrap();
    let turns = 0.01;
    let mut at = 0;
    let mut out = vec![0.0; 40_000];
    for (n, part) in out.chunks_mut(100).enumerate() {
        let ratio = if n % 2 == 0 { 1.02 } else { 1.0 / 1.02 };
        varispeed.fill(ratio, part, &mut |input| {
            for x in input {
                *x = (TAU * turns * f64::from(at)).sin() as f32;
                at += 1;
            }
        });
    }
    // Second differences of the sine at its fastest, and of the change of stride at the slope's
    // steepest: 4 % in 100 frames.
    let w = TAU * turns;
    let most = (1.02 * w).powi(2) + w * 0.0004 + 1e-5;
    for x in out[200..].windows(3) {
        let bend = (x[0] - 2.0 * x[1] + x[2]).abs();
        assert!(f64::from(bend) < most, "{bend} of {most}");
    }
}

#[test]
fn after_a_reset_it_is_as_new() {
    let mut varispeed = Varispeed::new(1, 48.0 / 44.1).unwrap();
    let mut out = [vec![0.0; 3_000], vec![0.0; 3_000]];
    for out in &mut out {
        let mut n = 0.0;
        varispeed.fill(1.0, out, &mut |input| {
            for x in input {
                n += 0.1;
                *x = f32::sin(n);
            }
        });
        varispeed.reset();
    }
    assert_eq!(out[0], out[1]);
}

#[test]
fn senseless_ratios_do_no_harm() {
    let mut varispeed = Varispeed::new(2, 1.0).unwrap();
    let mut out = [1.0; 2 * 1_000];
    for ratio in [
        f64::NAN,
        0.0,
        -1.0,
        f64::INFINITY,
        1e300,
        2.0,
        f64::NEG_INFINITY,
    ] {
        varispeed.fill(ratio, &mut out, &mut |input| input.fill(0.5));
        assert!(out.iter().all(|x| x.abs() < 1.0), "{ratio}");
        assert!(varispeed.held().is_finite());
    }
    varispeed.fill(1.0, &mut [], &mut |_| panic!("nothing is needed"));
    for nominal in [f64::NAN, 0.0, -1.0, f64::INFINITY, 1e-9, 65.0] {
        assert!(Varispeed::new(2, nominal).is_err(), "{nominal}");
    }
    assert!(Varispeed::new(0, 1.0).is_err());
}
