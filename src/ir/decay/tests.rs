use super::*;
use crate::ir::band::OCTAVES;

fn rate(hz: u32) -> SampleRate {
    SampleRate::new(hz).unwrap()
}

/// Gaussian noise, by Box and Muller.
fn noise(seed: u64, frames: usize) -> Vec<f64> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut uniform = || {
        x = x
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        ((x >> 11) as f64 + 0.5) / 2f64.powi(53)
    };
    let frame = |_| {
        let radius = (-2.0 * uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * uniform()).cos()
    };
    (0..frames).map(frame).collect()
}

fn gain(db: f64) -> f64 {
    10f64.powf(db / 20.0)
}

/// Noise that falls by 60 dB in `rt60` seconds.
fn falling(seed: u64, hz: u32, rt60: f64, seconds: f64) -> Vec<f64> {
    let frames = rate(hz).frames(seconds);
    let at = |n: usize| gain(-60.0 * n as f64 / f64::from(hz) / rt60);
    let noise = noise(seed, frames).into_iter().enumerate();
    noise.map(|(n, x)| 0.1 * at(n) * x).collect()
}

/// The same over a floor of `floor` dB relative to its beginning.
fn over_floor(seed: u64, hz: u32, rt60: f64, seconds: f64, floor: f64) -> Vec<f64> {
    let taps = falling(seed, hz, rt60, seconds);
    let floors = noise(seed + 1000, taps.len());
    taps.iter()
        .zip(floors)
        .map(|(x, n)| x + 0.1 * gain(floor) * n)
        .collect()
}

/// Taps of one size and turning sign, that fall by 60 dB in `rt60` seconds: no chance in them.
fn steady(hz: u32, rt60: f64, seconds: f64) -> Vec<f64> {
    let sign = |n: usize| if n * n % 7 < 3 { 1.0 } else { -1.0 };
    let at = |n: usize| gain(-60.0 * n as f64 / f64::from(hz) / rt60);
    (0..rate(hz).frames(seconds))
        .map(|n| sign(n) * at(n))
        .collect()
}

#[track_caller]
fn near(got: f64, want: f64, share: f64, what: &str) {
    let off = got / want - 1.0;
    assert!(
        off.abs() <= share,
        "{what}: {got} is {:.2} % off {want}",
        1e2 * off
    );
}

/// Standard deviation of a decay time relative to it, for a filter of bandwidth `width`: that of
/// one integrated response (ISO 3382-2:2008, annex A, after Davy 1979 and 1988).
fn deviation(what: &str, width: f64, rt60: f64) -> f64 {
    let factor = if what == "T30" { 0.55 } else { 0.88 };
    factor / (width * rt60).sqrt()
}

#[test]
fn decays_of_known_time_are_found_within_2_per_cent_or_what_theory_grants_their_band() {
    // Time, rate, decays.
    let cases = [
        (0.3, 44_100, 10),
        (0.5, 48_000, 10),
        (1.0, 96_000, 6),
        (2.0, 44_100, 6),
        (4.0, 48_000, 4),
        (6.0, 44_100, 3),
    ];
    // Every error over its deviation, for wide and narrow bands.
    let mut all: Vec<f64> = Vec::new();
    for (rt60, hz, count) in cases {
        for floor in [None, Some(-40.0), Some(-50.0), Some(-60.0)] {
            let bands = OCTAVES.map(|hz| Some(Band::octave(hz)));
            for band in std::iter::once(None).chain(bands) {
                let width = band.map_or(f64::from(hz) / 2.0, |band| band.width());
                let (mut errors, mut what) = (Vec::new(), "T30");
                for seed in 0..count {
                    let seconds = 1.2 * rt60 + 0.1;
                    let taps = match floor {
                        None => falling(seed, hz, rt60, seconds),
                        Some(floor) => over_floor(seed, hz, rt60, seconds, floor),
                    };
                    let decay = match band {
                        None => Decay::of(&taps, rate(hz)),
                        Some(band) => Decay::in_band(&taps, rate(hz), band),
                    };
                    let decay = decay.unwrap();
                    // A floor at -40 dB leaves T20, for which the range must reach 35 dB: in the
                    // narrowest bands of the shortest decays chance decides.
                    let time = if floor == Some(-40.0) {
                        decay.t20()
                    } else {
                        decay.t30()
                    };
                    what = if floor == Some(-40.0) { "T20" } else { "T30" };
                    match time {
                        Ok(time) => errors.push(time / rt60 - 1.0),
                        Err(why) => assert!(width * rt60 < 150.0, "{band:?} {rt60} s: {why}"),
                    }
                }
                let shown = format!("{what} of {rt60} s at {hz} Hz, floor {floor:?}, {band:?}");
                assert!(2 * errors.len() > count as usize, "{shown}: {errors:?}");
                let deviation = deviation(what, width, rt60);
                let mean = errors.iter().sum::<f64>() / errors.len() as f64;
                let granted = 3.0 * deviation / (errors.len() as f64).sqrt();
                assert!(
                    mean.abs() < granted.max(0.02),
                    "{shown}: {mean}, granted {granted}"
                );
                if band.is_none() {
                    // All frequencies together are wide enough for each single decay.
                    let worst = errors.iter().fold(0.0, |most: f64, e| most.max(e.abs()));
                    assert!(worst < (3.0 * deviation).max(0.02), "{shown}: {errors:?}");
                }
                all.extend(errors.iter().map(|error| error / deviation));
            }
        }
    }
    // No bias, and no more chance than theory has. (The four floors share their decays.)
    let count = all.len() as f64;
    let mean = all.iter().sum::<f64>() / count;
    let rms = (all.iter().map(|e| e * e).sum::<f64>() / count).sqrt();
    println!("{count} decays: mean {mean:.3}, rms {rms:.3} deviations");
    assert!(
        mean.abs() < 3.0 / (count / 4.0).sqrt(),
        "{mean} over {count}"
    );
    assert!(rms < 1.1, "{rms} over {count}");
}

#[test]
fn a_decay_without_chance_is_found_exactly() {
    for (rt60, hz) in [(0.3, 44_100), (6.0, 48_000)] {
        let decay = Decay::of(&steady(hz, rt60, 1.1 * rt60), rate(hz)).unwrap();
        for time in [decay.edt(), decay.t20(), decay.t30()] {
            near(time.unwrap(), rt60, 1e-4, "decay time");
        }
        near(decay.range, 66.0, 1e-3, "range");
        let line = decay.fit(-20.0, -40.0).unwrap();
        near(line.slope, -60.0 / rt60, 1e-4, "slope");
        assert!(line.level.abs() < 0.01, "{line:?}");
        // What lies behind the end: sum of q^n from there on.
        let q = gain(-120.0 / f64::from(hz) / rt60);
        near(decay.energy(), 1.0 / (1.0 - q), 1e-4, "energy");
    }
}

#[test]
fn the_curve_begins_at_0_never_rises_and_ends_at_the_crossing() {
    let taps = over_floor(5, 48_000, 1.0, 1.5, -50.0);
    let mut late = vec![0.0; 4800];
    late.extend(&taps);
    for band in [None, Some(Band::octave(500.0))] {
        let decay = match band {
            None => Decay::of(&late, rate(48_000)).unwrap(),
            Some(band) => Decay::in_band(&late, rate(48_000), band).unwrap(),
        };
        let curve = decay.curve();
        assert_eq!(curve[0], 0.0);
        assert!(curve.windows(2).all(|pair| pair[1] <= pair[0]));
        assert_eq!(curve.len(), decay.end - decay.onset);
        assert!((4800..4810).contains(&decay.onset), "{}", decay.onset);
        // 50 dB below after 50/60 s; a level is known to 1 dB or so, which is 2 % of it.
        let crossing = (decay.end - 4800) as f64 / 48e3;
        near(crossing, 50.0 / 60.0, 0.05, "crossing");
        assert!((decay.range - 50.0).abs() < 2.0, "{}", decay.range);
    }
    // 0.1 of Gaussian noise at -50 dB.
    let noise = Decay::of(&late, rate(48_000)).unwrap().noise.unwrap();
    assert!((noise + 70.0).abs() < 0.3, "{noise}");
}

#[test]
fn no_floor_is_invented_where_a_response_is_cut() {
    for seconds in [0.4, 0.6, 0.9, 2.0] {
        let taps = falling(7, 48_000, 1.0, seconds);
        let mut padded = taps.clone();
        padded.resize(taps.len() + 24_000, 0.0);
        for taps in [&taps, &padded] {
            let decay = Decay::of(taps, rate(48_000)).unwrap();
            assert_eq!(decay.noise, None, "cut at {seconds} s");
            assert_eq!(decay.end, rate(48_000).frames(seconds));
            // 60 dB a second; the energy behind the end is known to some dB.
            assert!(
                (decay.range - 60.0 * seconds).abs() < 2.0,
                "{}",
                decay.range
            );
            near(decay.edt().unwrap(), 1.0, 0.05, "EDT");
            match decay.t20() {
                Ok(time) => near(time, 1.0, 0.02, "T20"),
                Err(why) => {
                    assert!(seconds == 0.4, "{why}");
                    let text = why.to_string();
                    assert!(text.contains("dB, T20 needs 35"), "{text}");
                }
            }
            assert_eq!(decay.t30().is_ok(), seconds > 0.75);
        }
    }
}

#[test]
fn floors_of_every_kind_are_seen_through() {
    let (hz, frames) = (48_000, 96_000);
    let taps = falling(9, hz, 1.0, 2.0);
    let sine = |n: usize| (std::f64::consts::TAU * 50.0 * n as f64 / 48e3).sin();
    let hum: Vec<f64> = (0..frames).map(|n| 0.1 * gain(-47.0) * sine(n)).collect();
    let dc = vec![0.1 * gain(-50.0); frames];
    let dither: Vec<f64> = noise(10, frames).iter().map(|x| x / 32_768.0).collect();
    for (name, floor, level) in [
        ("hum", hum, Some(-70.0)),
        ("DC", dc, Some(-70.0)),
        ("dither", dither, Some(-90.3)),
    ] {
        let taps: Vec<f64> = taps.iter().zip(floor).map(|(x, y)| x + y).collect();
        let taps = if name == "dither" {
            taps.iter()
                .map(|x| (32_768.0 * x).round() / 32_768.0)
                .collect()
        } else {
            taps
        };
        let decay = Decay::of(&taps, rate(hz)).unwrap();
        near(decay.t30().unwrap(), 1.0, 0.02, name);
        let found = decay.noise.unwrap() - level.unwrap();
        // Rounding to 16 bits adds 1/12 step^2 to dither's 1.
        assert!(found.abs() < 0.5, "{name}: off by {found} dB");
    }
    let coarse: Vec<f64> = taps
        .iter()
        .map(|x| (32_768.0 * x).round() / 32_768.0)
        .collect();
    near(
        Decay::of(&coarse, rate(hz)).unwrap().t30().unwrap(),
        1.0,
        0.02,
        "16 bits",
    );
}

#[test]
fn two_slopes_give_two_times_and_no_floor() {
    let (hz, seconds) = (48_000, 3.0);
    let (first, second) = (falling(11, hz, 0.5, seconds), falling(12, hz, 2.0, seconds));
    let taps: Vec<f64> = first
        .iter()
        .zip(second)
        .map(|(a, b)| a + gain(-25.0) * b)
        .collect();
    let decay = Decay::of(&taps, rate(hz)).unwrap();
    assert_eq!(decay.noise, None);
    // In the mean: energies 0.5 and 2 * 10^-2.5, each falling at its own rate.
    let curve = |t: f64| {
        let energy = |t: f64| 0.5 * 10f64.powf(-12.0 * t) + 2.0 * 10f64.powf(-2.5 - 3.0 * t);
        10.0 * (energy(t) / energy(0.0)).log10()
    };
    let points = |from: f64, to: f64| {
        let time = |n: usize| n as f64 / 1e3;
        let inside = (0..3000).filter(move |&n| (to..=from).contains(&curve(time(n))));
        inside
            .map(move |n| (time(n), curve(time(n))))
            .collect::<Vec<_>>()
    };
    for (from, to) in [(0.0, -10.0), (-5.0, -25.0), (-5.0, -35.0)] {
        let expected = Line::through(points(from, to).into_iter()).unwrap().rt60();
        let found = decay.fit(from, to).unwrap().rt60();
        near(found, expected, 0.03, &format!("{from} to {to}"));
    }
}

#[test]
fn what_is_no_decay_is_told() {
    let of = |taps: &[f64]| Decay::of(taps, rate(48_000)).map(|decay| decay.range);
    assert_eq!(of(&[0.0; 100]), Err(Unjudged::Silent));
    assert_eq!(of(&[]), Err(Unjudged::Silent));
    let short = Unjudged::TooShort {
        frames: 1,
        least: 8,
    };
    assert_eq!(of(&[0.0, 1.0, 0.0]), Err(short.clone()));
    let octave = Band::octave(1000.0);
    let single = Decay::in_band(&[1.0], rate(48_000), octave);
    assert_eq!(single.unwrap_err(), short);
    assert_eq!(of(&noise(1, 48_000)), Err(Unjudged::NoDecay));
    let mut rising = falling(2, 48_000, 1.0, 1.0);
    rising.reverse();
    assert_eq!(of(&rising), Err(Unjudged::NoDecay));
    let taps = falling(3, 22_050, 0.5, 1.0);
    let above = Decay::in_band(&taps, rate(22_050), Band::octave(8000.0));
    let text = above.unwrap_err().to_string();
    assert!(text.contains("11220 Hz, not below 11025 Hz"), "{text}");
}

#[test]
fn steps_have_no_slope() {
    // A tap above a floor, and echoes.
    let mut tap = noise(4, 48_000);
    tap.iter_mut().for_each(|x| *x *= 1e-4);
    tap[0] = 1.0;
    let decay = Decay::of(&tap, rate(48_000)).unwrap();
    assert!((decay.noise.unwrap() + 80.0).abs() < 0.2);
    assert!(
        matches!(decay.edt(), Err(Unjudged::Step { .. })),
        "{:?}",
        decay.edt()
    );
    assert!(
        matches!(decay.t20(), Err(Unjudged::Step { .. })),
        "{:?}",
        decay.t20()
    );
    let echo = |n: usize| {
        if n.is_multiple_of(4800) {
            gain(-(n as f64) / 4800.0)
        } else {
            0.0
        }
    };
    let echoes: Vec<f64> = (0..480_000).map(echo).collect();
    let decay = Decay::of(&echoes, rate(48_000)).unwrap();
    // 1 dB each 0.1 s: stairs, but many of them.
    near(decay.t30().unwrap(), 6.0, 0.02, "echoes");
}

#[test]
fn a_filter_that_rings_longer_than_the_room_is_told() {
    let taps = falling(6, 48_000, 0.03, 0.5);
    let band = Band::octave(125.0);
    let decay = Decay::in_band(&taps, rate(48_000), band).unwrap();
    let why = decay.t30().unwrap_err();
    assert!(matches!(why, Unjudged::Filter { .. }), "{why}");
    assert!(why.to_string().contains("125 Hz"), "{why}");
    // The same room is no trouble where the band is wide.
    let wide = Decay::in_band(&taps, rate(48_000), Band::octave(8000.0)).unwrap();
    near(
        wide.t30().unwrap(),
        0.03,
        3.0 * deviation("T30", 5640.0, 0.03),
        "8 kHz",
    );
}

#[test]
fn energy_that_a_filter_spreads_before_the_onset_is_kept() {
    // A strong direct sound at frame 0 and a weak tail: the band's curve steps down at the onset
    // by the direct sound's share, as all frequencies together do.
    let mut taps = falling(8, 48_000, 1.0, 1.5);
    taps[0] = 10.0;
    let share = |taps: &[f64]| {
        let later: f64 = taps[1..].iter().map(|x| x * x).sum();
        10.0 * (later / (later + taps[0] * taps[0])).log10()
    };
    let rate = rate(48_000);
    for hz in [125.0, 1000.0] {
        let band = Band::octave(hz);
        let decay = Decay::in_band(&taps, rate, band).unwrap();
        // After the ringing's mean time of 2 / pi B the tail has fallen by as much.
        let fell = 60.0 * 2.0 / (std::f64::consts::PI * band.width());
        let step = decay.curve()[1] - share(&taps);
        // One band's share of the tail's energy is 4.3 / sqrt(B T / 13.8) dB uncertain.
        let granted = 3.0 * 4.34 / (band.width() / 13.8).sqrt();
        assert!(
            (step + fell).abs() < granted,
            "{hz} Hz: {step} dB and {fell}"
        );
    }
}
