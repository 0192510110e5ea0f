//! Known systems, measured: what goes in comes back.

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

use super::*;
use crate::signal::Audio;
use crate::{Mode, Recipe, convolve};

fn rate(hz: u32) -> SampleRate {
    SampleRate::new(hz).unwrap()
}

fn setup(seconds: f64) -> SweepSetup {
    SweepSetup {
        seconds,
        silence: 1.2,
        ..SweepSetup::new(rate(48_000))
    }
}

/// White noise, evenly distributed, of the given root mean square.
fn noise(seed: u64, frames: usize, rms: f64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((state >> 11) as f64 / (1u64 << 53) as f64 - 0.5) * 12f64.sqrt() * rms
    };
    (0..frames).map(next).collect()
}

/// What a system with these taps makes of a signal, its tail included.
fn through(signal: &[f64], taps: &[f64]) -> Vec<f64> {
    convolve(signal, taps, Mode::Full).unwrap()
}

fn heard(hz: u32, channels: &[&[f64]]) -> Audio<f32> {
    let narrow = |x: &&[f64]| x.iter().map(|&x| x as f32).collect();
    Audio::new(rate(hz), channels.iter().map(narrow).collect()).unwrap()
}

fn plus(mut a: Vec<f64>, b: &[f64]) -> Vec<f64> {
    a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
    a
}

fn rms(x: &[f64]) -> f64 {
    (x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64).sqrt()
}

fn db(x: f64) -> f64 {
    20.0 * x.max(1e-30).log10()
}

fn spectrum(taps: impl Iterator<Item = f64>, size: usize) -> Vec<Complex<f64>> {
    let mut bins: Vec<_> = taps.map(|x| Complex::new(x, 0.0)).collect();
    bins.resize(size, Complex::default());
    FftPlanner::new().plan_fft_forward(size).process(&mut bins);
    bins
}

/// Largest difference of two responses from one frequency to another, relative to the largest
/// of the second, in dB. The first begins `early` frames before the second.
fn off(got: &[f32], want: &[f64], early: usize, hz: u32, from: f64, to: f64) -> f64 {
    let size = (got.len().max(want.len() + early)).next_power_of_two();
    let a = spectrum(got.iter().map(|&x| f64::from(x)), size);
    let b = spectrum(
        std::iter::repeat_n(0.0, early).chain(want.iter().copied()),
        size,
    );
    let bin = |f: f64| (f / f64::from(hz) * size as f64) as usize;
    let range = bin(from) + 1..bin(to);
    let most = |of: &dyn Fn(usize) -> f64| range.clone().map(of).fold(0.0, f64::max);
    db(most(&|k| (a[k] - b[k]).norm()) / most(&|k| b[k].norm()))
}

/// Taps of a two-pole low-pass, as far as they matter.
fn two_pole(hz: f64, q: f64) -> Vec<f64> {
    // The bilinear low-pass of the Audio EQ Cookbook (Bristow-Johnson).
    let w = std::f64::consts::TAU * hz / 48_000.0;
    let alpha = w.sin() / (2.0 * q);
    let a0 = 1.0 + alpha;
    let (b0, a1, a2) = (
        (1.0 - w.cos()) / 2.0 / a0,
        -2.0 * w.cos() / a0,
        (1.0 - alpha) / a0,
    );
    let b = [b0, 2.0 * b0, b0];
    let mut y = vec![0.0; 8_000];
    for n in 0..y.len() {
        let past = |k: usize| if n >= k { y[n - k] } else { 0.0 };
        y[n] = b.get(n).copied().unwrap_or(0.0) - a1 * past(1) - a2 * past(2);
    }
    y
}

fn keep() -> Options {
    Options {
        keep_delay: true,
        ..Options::default()
    }
}

fn room(hz: u32) -> Vec<f64> {
    let ir = "room".parse::<Recipe>().unwrap().render(rate(hz)).unwrap();
    // Done within 0.4 s.
    let fade = |n: usize| (1.0 - n as f64 / (0.4 * f64::from(hz))).max(0.0);
    ir.channel(0)
        .iter()
        .enumerate()
        .map(|(n, &x)| f64::from(x) * fade(n))
        .collect()
}

/// The recording by a clock that runs fast by `ppm`.
fn drifted(x: &[f64], ppm: f64) -> Vec<f64> {
    let narrow: Vec<f32> = x.iter().map(|&x| x as f32).collect();
    let step = 1.0 / (1.0 + ppm * 1e-6);
    let frames = (x.len() as f64 / step) as usize;
    drift::Interpolator::new().cut(&narrow, 0.0, step, frames)
}

/// A second, so that nothing is cut off before what follows.
fn late(taps: &[f64]) -> Vec<f64> {
    [&[0.0; 48_000][..], taps].concat()
}

#[track_caller]
fn text(recorded: &Audio<f32>, excitation: impl Into<Excitation>, words: &[&str]) {
    let text = deconvolve(recorded, &excitation.into(), &Options::default())
        .unwrap_err()
        .to_string();
    for word in words {
        assert!(text.contains(word), "no `{word}` in: {text}");
    }
}

#[test]
fn known_filters_come_back_within_80_db_in_band_and_without_a_drift() {
    let sweep = Sweep::new(setup(8.0)).unwrap();
    for (name, taps) in [
        ("one tap", vec![1.0]),
        ("30 taps", noise(6, 30, 0.2)),
        ("64 taps", noise(3, 64, 0.2)),
        ("300 taps", noise(5, 300, 0.2)),
        ("low-pass 1 kHz", two_pole(1000.0, 0.7)),
        ("low-pass 200 Hz", two_pole(200.0, 0.7)),
        ("low-pass 8 kHz", two_pole(8000.0, 2.0)),
    ] {
        let taps = late(&taps);
        let recorded = heard(48_000, &[&through(sweep.samples(), &taps)]);
        let found = deconvolve(&recorded, &(&sweep).into(), &keep()).unwrap();
        assert_eq!(found.drift.ppm, 0.0, "{name}");
        // The fades and the band's upper slope take some at both ends.
        let error = off(found.ir.channel(0), &taps, 0, 48_000, 21.0, 19_400.0);
        println!("{name}: {error:.1} dB");
        assert!(error < -80.0, "{name}: {error:.1} dB");
    }
}

#[test]
fn noise_comes_through_as_theory_says_and_repeats_lower_it_by_3_db_a_doubling() {
    let room = late(&room(48_000));
    let mut levels = Vec::new();
    for repeats in [1, 2, 4, 8] {
        let sweep = Sweep::new(SweepSetup {
            repeats,
            ..setup(1.0)
        })
        .unwrap();
        let clean = through(sweep.samples(), &room);
        // 40 dB under the sweep as it is heard.
        let sigma = 0.01 * rms(&clean[105_600..105_600 + sweep.one().len()]);
        let recorded = plus(noise(7, clean.len(), sigma), &clean);
        let options = Options {
            drift: DriftOption::Ignore,
            ..keep()
        };
        let excitation = Excitation::from(&sweep);
        let [with, without] = [&recorded, &clean]
            .map(|x| deconvolve(&heard(48_000, &[x]), &excitation, &options).unwrap());
        let pairs = with.ir.channel(0).iter().zip(without.ir.channel(0));
        let off: Vec<f64> = pairs.map(|(a, b)| f64::from(a - b)).collect();
        let inverse = inverse::Inverse::new(&excitation, 48_000);
        let theory = db(sigma) + 10.0 * (inverse.noise_gain() / repeats as f64).log10();
        // Before the sound there is silence.
        let got = db(rms(&off[48_000..]));
        println!("{repeats}: {got:.2} dB, theory {theory:.2} dB");
        // Most of it lies in the last kHz, of which 2 s have some 4,000 degrees of freedom: 0.1 dB.
        assert!(
            (got - theory).abs() < 0.5,
            "{repeats}: {got:.2} dB, theory {theory:.2} dB"
        );
        let peak = with
            .ir
            .channel(0)
            .iter()
            .fold(0.0f32, |peak, x| peak.max(x.abs()));
        let said = with.noise_db.unwrap() + db(f64::from(peak));
        assert!(
            (said - theory).abs() < 1.0,
            "{repeats}: said {said:.2} dB, theory {theory:.2} dB"
        );
        assert!(
            (with.snr_db.unwrap() - 40.0).abs() < 1.0,
            "{:?}",
            with.snr_db
        );
        levels.push(got);
    }
    for pair in levels.windows(2) {
        assert!((pair[0] - pair[1] - 3.01).abs() < 0.5, "{levels:.2?}");
    }
}

#[test]
fn two_clocks_are_told_and_undone() {
    let room = late(&room(48_000));
    for (seconds, repeats, drifts) in [
        (3.0, 1, &[-300.0, 100.0, 1200.0][..]),
        (10.0, 1, &[300.0]),
        (3.0, 3, &[-300.0, 100.0]),
    ] {
        let sweep = Sweep::new(SweepSetup {
            repeats,
            ..setup(seconds)
        })
        .unwrap();
        let clean = through(sweep.samples(), &room);
        for &ppm in drifts {
            let recorded = drifted(&clean, ppm);
            let recorded = plus(noise(9, recorded.len(), 0.01 * rms(&recorded)), &recorded);
            let found =
                deconvolve(&heard(48_000, &[&recorded]), &(&sweep).into(), &keep()).unwrap();
            let left = found.drift.ppm - ppm;
            let error = off(found.ir.channel(0), &room, 0, 48_000, 50.0, 15_000.0);
            println!("{seconds} s x {repeats}, {ppm} ppm: off by {left:.4} ppm, {error:.1} dB");
            let most = if repeats > 1 { 0.01 } else { 2.0 };
            assert!(left.abs() < most, "{ppm} ppm: off by {left:.3} ppm");
            // A delay by the drift that is left, up to the sweep's own and that of its place in the
            // recording, turns the phase by 2 pi f times as much; the noise is 40 dB down.
            let place = 1.2 + seconds + setup(seconds).growth() + 1.0;
            let turn = std::f64::consts::TAU * 15_000.0 * (left * 1e-6).abs() * place;
            let bound = db(turn + 0.02);
            assert!(
                error < bound,
                "{ppm} ppm: {error:.1} dB, bound {bound:.1} dB"
            );
        }
        let found = deconvolve(&heard(48_000, &[&clean]), &(&sweep).into(), &keep()).unwrap();
        assert_eq!(found.drift.ppm, 0.0);
    }
}

#[test]
fn a_given_drift_is_undone_as_it_is() {
    let room = late(&room(48_000));
    let sweep = Sweep::new(setup(2.0)).unwrap();
    let recorded = heard(48_000, &[&drifted(&through(sweep.samples(), &room), 250.0)]);
    let options = Options {
        drift: DriftOption::Ppm(250.0),
        ..keep()
    };
    let found = deconvolve(&recorded, &(&sweep).into(), &options).unwrap();
    let error = off(found.ir.channel(0), &room, 0, 48_000, 50.0, 15_000.0);
    assert!(error < -70.0, "{error:.1} dB");
}

#[test]
fn a_sequence_gives_the_same_room_also_on_another_clock() {
    let mls = Mls::new(MlsSetup {
        silence: 1.2,
        ..MlsSetup::new(rate(48_000))
    })
    .unwrap();
    let room = late(&room(48_000));
    let clean = through(mls.samples(), &room);
    for (ppm, bound) in [(0.0, -80.0), (30.0, -40.0), (-300.0, -40.0)] {
        let recorded = heard(48_000, &[&drifted(&clean, ppm)]);
        let found = deconvolve(&recorded, &(&mls).into(), &keep()).unwrap();
        let error = off(found.ir.channel(0), &room, 0, 48_000, 50.0, 15_000.0);
        println!("{ppm} ppm: {:?}, {error:.1} dB", found.drift);
        assert!((found.drift.ppm - ppm).abs() < 0.05, "{:?}", found.drift);
        assert!(error < bound, "{ppm} ppm: {error:.1} dB");
        assert_eq!(found.repeats.len(), 4);
    }
}

#[test]
fn any_other_signal_does_as_well() {
    let burst = noise(11, 96_000, 0.1);
    let played = heard(48_000, &[&burst]);
    let excitation = Excitation::recognise(&played).unwrap();
    assert_eq!(excitation.kind(), Kind::Other);
    let taps = late(&room(48_000)[..4_800]);
    let clean = through(&burst, &taps);
    for ppm in [0.0, 200.0] {
        let recorded = heard(
            48_000,
            &[&[drifted(&clean, ppm), vec![0.0; 48_000]].concat()],
        );
        let found = deconvolve(&recorded, &excitation, &keep()).unwrap();
        let pairs = found
            .ir
            .channel(0)
            .iter()
            .zip(taps.iter().chain(std::iter::repeat(&0.0)));
        let difference: Vec<f64> = pairs.map(|(a, b)| f64::from(*a) - b).collect();
        let error = db(
            (difference.len() as f64 / taps.len() as f64).sqrt() * rms(&difference) / rms(&taps),
        );
        println!("{ppm} ppm: {:?}, {error:.1} dB", found.drift);
        assert!((found.drift.ppm - ppm).abs() < 2.0, "{:?}", found.drift);
        // The upper 3 % of the band are not there, nor what lies below 40 Hz; some bins of a noise
        // are near 0. With the drift, 1 ppm of the 3 s turns 20 kHz by 0.4.
        assert!(error < -10.0, "{ppm} ppm: {error:.1} dB");
    }
}

#[test]
fn harmonics_are_told_at_their_level_and_left_out() {
    // Up to 7 kHz, so that no harmonic is folded back.
    let sweep = Sweep::new(SweepSetup {
        to: 7_000.0,
        ..setup(5.0)
    })
    .unwrap();
    // cos 2a = 1 - 2 sin^2 a and sin 3a = 3 sin a - 4 sin^3 a: for a sine of 0.5, 0.04 x^2 has a
    // second harmonic of 0.005, which is 1 % of it, and 0.04 x^3 a third of 0.00125, 0.25 %.
    let bent: Vec<f64> = sweep
        .samples()
        .iter()
        .map(|x| x + 0.04 * x * x + 0.04 * x * x * x)
        .collect();
    // So early that the band's own ringing is not cut off.
    let early = Options {
        lead: 0.3,
        ..Options::default()
    };
    let found = deconvolve(&heard(48_000, &[&bent]), &(&sweep).into(), &early).unwrap();
    for (order, share) in [(2, 0.01), (3, 0.0025)] {
        let harmonic = found
            .harmonics
            .iter()
            .find(|harmonic| harmonic.order == order)
            .unwrap();
        println!("{harmonic:?}");
        // The fundamental is 0.5 + 0.04 * 0.75 * 0.125 = 0.50375 of 0.5: 0.06 dB more.
        assert!((harmonic.db - db(share)).abs() < 0.2, "{harmonic:?}");
    }
    for harmonic in &found.harmonics[2..] {
        assert!(harmonic.db < -80.0, "{harmonic:?}");
    }
    let share = thd(&found.harmonics).unwrap();
    assert!((share - 0.01f64.hypot(0.0025)).abs() < 0.0003, "{share}");
    let clean = deconvolve(&heard(48_000, &[sweep.samples()]), &(&sweep).into(), &early).unwrap();
    let scaled: Vec<f64> = clean
        .ir
        .channel(0)
        .iter()
        .map(|&x| 1.0075 * f64::from(x))
        .collect();
    let error = off(found.ir.channel(0), &scaled, 0, 48_000, 50.0, 6_000.0);
    assert!(error < -80.0, "{error:.1} dB");
}

#[test]
fn channels_keep_their_delays_and_levels() {
    let sweep = Sweep::new(setup(2.0)).unwrap();
    let at = |frames: usize, level: f64| -> Vec<f64> {
        let shifted = [
            &vec![0.0; frames],
            sweep.samples(),
            &vec![0.0; 1000 - frames],
        ]
        .concat();
        shifted.iter().map(|x| level * x).collect()
    };
    let recorded = heard(48_000, &[&at(700, 0.1), &at(300, 0.5), &at(310, -0.25)]);
    let found = deconvolve(&recorded, &(&sweep).into(), &Options::default()).unwrap();
    let peak = |k: usize| {
        let taps = found.ir.channel(k);
        let at = (0..taps.len())
            .max_by(|&a, &b| taps[a].abs().total_cmp(&taps[b].abs()))
            .unwrap();
        (at, taps[at])
    };
    let (frame, level) = peak(1);
    for (k, late, share) in [(0, 400, 0.2), (2, 10, -0.5)] {
        let (at, tap) = peak(k);
        assert_eq!(at, frame + late, "channel {k}");
        assert!(
            (tap / level - share).abs() < 1e-4,
            "channel {k}: {}",
            tap / level
        );
    }
    // The first sound is a little before the peak: a band's limits ring.
    assert_eq!(found.onset, 240);
    assert!((237..=243).contains(&frame), "{frame}");
    assert!(found.delay.abs_diff(300) <= 3, "{}", found.delay);
}

#[test]
fn a_repeat_with_a_slam_is_told_and_left_out() {
    let sweep = Sweep::new(SweepSetup {
        repeats: 4,
        ..setup(1.0)
    })
    .unwrap();
    let room = late(&room(48_000));
    let clean = through(sweep.samples(), &room);
    let mut recorded = plus(noise(21, clean.len(), 0.001 * rms(&clean)), &clean);
    let slam = noise(22, 4_800, 0.2 * rms(&clean));
    // In the third of the four.
    let begin = 105_600 + 2 * (sweep.one().len() + 57_600) + 20_000;
    recorded[begin..begin + 4_800]
        .iter_mut()
        .zip(&slam)
        .for_each(|(x, slam)| *x += slam);
    let found = deconvolve(&heard(48_000, &[&recorded]), &(&sweep).into(), &keep()).unwrap();
    let used: Vec<bool> = found.repeats.iter().map(|repeat| repeat.used).collect();
    assert_eq!(used, [true, true, false, true], "{:?}", found.repeats);
    // Without a slam and without noise there is no reason to do without any, the last included.
    for excitation in [
        Excitation::from(&sweep),
        Excitation::recognise(&heard(48_000, &[sweep.samples()])).unwrap(),
    ] {
        let quiet = deconvolve(&heard(48_000, &[&clean]), &excitation, &keep()).unwrap();
        let good = |repeat: &Repeat| repeat.used && repeat.noise_db < Some(-80.0);
        assert!(quiet.repeats.iter().all(good), "{:?}", quiet.repeats);
    }
}

#[test]
fn the_noise_of_each_repeat_follows_from_their_differences() {
    let signal = noise(30, 48_000, 1.0);
    let levels = [0.01, 0.02, 0.01, 0.05];
    let all: Vec<Vec<f64>> = (levels.iter().zip(31..))
        .map(|(&level, seed)| plus(noise(seed, 48_000, level), &signal))
        .collect();
    for (got, level) in repeats::noise(&all).into_iter().zip(levels) {
        // Chance products of two noises: 0.05 * 0.02 / sqrt(48000) of each is 1 % of 0.01^2 ...
        let off = 10.0 * (got / (48_000.0 * level * level)).log10();
        assert!(off.abs() < 0.8, "{level}: {off:.2} dB");
    }
    assert_eq!(repeats::outliers(&all), [3]);
}

#[test]
fn bad_recordings_are_refused_with_the_reason() {
    let sweep = Sweep::new(setup(2.0)).unwrap();
    let room = room(48_000);
    let clean = through(sweep.samples(), &room);
    let one = |x: &[f64]| heard(48_000, &[x]);

    let peak = clean.iter().fold(0.0f64, |peak, x| peak.max(x.abs()));
    let clipped: Vec<f64> = clean
        .iter()
        .map(|x| x.clamp(-0.5 * peak, 0.5 * peak))
        .collect();
    text(&one(&clipped), &sweep, &["clipped", "lower"]);
    text(&one(&vec![0.0; 200_000]), &sweep, &["silent", "microphone"]);
    text(
        &one(&noise(40, 200_000, 0.1)),
        &sweep,
        &["not in the recording", "dB", "no sweep at all"],
    );
    text(
        &one(&noise(40, 200_000, 1e-5)),
        &sweep,
        &["peak is -95 dB", "gain"],
    );
    text(
        &heard(44_100, &[&clean]),
        &sweep,
        &["44100 Hz", "48000 Hz", "recipe"],
    );
    let (lead, frames) = (57_600, sweep.one().len());
    text(
        &one(&clean[lead + 12_000..]),
        &sweep,
        &["first 0.2", "of the measuring signal's 2."],
    );
    text(
        &one(&clean[..lead + frames - 12_000]),
        &sweep,
        &["last 0.2"],
    );

    let longer = Sweep::new(setup(3.0)).unwrap();
    text(
        &one(&through(longer.samples(), &room)),
        &sweep,
        &["from 20 Hz to 20000 Hz in 2.07 s", "Hz in 3.1"],
    );
    let wider = Sweep::new(SweepSetup {
        from: 60.0,
        to: 12_000.0,
        ..setup(2.0)
    })
    .unwrap();
    text(
        &one(&through(wider.samples(), &room)),
        &sweep,
        &["in 1.9", "give the one that was played"],
    );
    // Hardly longer: no trace tells it, but the response is smeared.
    let near = Sweep::new(SweepSetup {
        from: 200.0,
        ..setup(2.0)
    })
    .unwrap();
    let nearly = Sweep::new(SweepSetup {
        from: 200.0,
        ..setup(2.06)
    })
    .unwrap();
    assert_ne!(near.one().len(), nearly.one().len());
    text(
        &one(&through(nearly.samples(), &room)),
        &near,
        &["ppm off", "no two clocks"],
    );
    // Made for 44.1 kHz and played at 48 kHz, recorded at 44.1 kHz: all comes faster and higher.
    let made = SweepSetup {
        to: 15_000.0,
        seconds: 2.0,
        ..SweepSetup::new(rate(44_100))
    };
    let fast = SweepSetup {
        from: made.from * 48.0 / 44.1,
        to: made.to * 48.0 / 44.1,
        seconds: made.growth() * (made.to / made.from).ln() * 44.1 / 48.0,
        ..made
    };
    let [made, fast] = [made, fast].map(|setup| Sweep::new(setup).unwrap());
    let recorded = heard(44_100, &[&through(fast.samples(), &room)]);
    text(
        &recorded,
        &made,
        &["may be the measuring signal played at 48000 Hz instead of 44100 Hz"],
    );
}

#[test]
fn what_was_played_is_recognised_by_its_samples() {
    for hz in [44_100, 48_000, 96_000] {
        let made = SweepSetup {
            seconds: 2.0,
            repeats: 3,
            silence: 0.4,
            ..SweepSetup::new(rate(hz))
        };
        let sweep = Sweep::new(made).unwrap();
        // As 16 bits hold it.
        let played: Vec<f64> = sweep
            .samples()
            .iter()
            .map(|x| (x * 32_768.0).round() / 32_768.0)
            .collect();
        let found = Excitation::recognise(&heard(hz, &[&played])).unwrap();
        let want = Excitation::from(&sweep);
        assert_eq!((found.repeats(), found.spacing), (3, want.spacing), "{hz}");
        let Kind::Sweep { from, to, growth } = found.kind() else {
            panic!("{found:?}")
        };
        println!("{from} {to} {growth} for {}", made.growth());
        assert!(
            (growth / made.growth() - 1.0).abs() < 2e-3,
            "{growth} for {}",
            made.growth()
        );
        assert!(
            (from / 20.0 - 1.0).abs() < 0.1 && (to / 20_000.0 - 1.0).abs() < 0.02,
            "{from} {to}"
        );
    }
    let setup = MlsSetup {
        order: 12,
        repeats: 3,
        silence: 0.3,
        ..MlsSetup::new(rate(48_000))
    };
    let mls = Mls::new(setup).unwrap();
    let found = Excitation::recognise(&heard(48_000, &[mls.samples()])).unwrap();
    assert_eq!(
        (found.kind(), found.frames(), found.repeats()),
        (Kind::Periodic, 4_095, 3)
    );
    assert_eq!(found.lead, Excitation::from(&mls).lead);
    let silent = Excitation::recognise(&heard(48_000, &[&[0.0; 100]]));
    assert_eq!(silent, Err(MeasureError::NoSignal));
}

#[test]
fn a_file_of_a_sweep_measures_as_well_as_its_recipe() {
    let sweep = Sweep::new(SweepSetup {
        repeats: 2,
        ..setup(8.0)
    })
    .unwrap();
    let room = late(&room(48_000));
    let recorded = heard(48_000, &[&through(sweep.samples(), &room)]);
    let file = Excitation::recognise(&heard(48_000, &[sweep.samples()])).unwrap();
    let found = deconvolve(&recorded, &file, &keep()).unwrap();
    let recipe = deconvolve(&recorded, &(&sweep).into(), &keep()).unwrap();
    // A file's sound begins at -60 dB: 126 t of the sine times (63 t)^2 / 4 of the fade come to
    // 1e-3 after 2.0 ms, which are 97 frames.
    assert!(found.heard_at.abs_diff(recipe.heard_at) <= 97 + 1);
    assert!(found.delay.abs_diff(recipe.delay) <= 1);
    let error = off(found.ir.channel(0), &room, 0, 48_000, 50.0, 19_000.0);
    assert!(error < -80.0, "{error:.1} dB");
}

#[test]
fn recipes_are_read_as_they_are_written() {
    let sweep = SweepSetup {
        repeats: 3,
        fade_in: 0.1,
        level: 0.25,
        from: 31.5,
        ..setup(4.5)
    };
    assert_eq!(
        SweepSetup::recipe(&sweep.to_string(), rate(8_000)),
        Ok(sweep)
    );
    let mls = MlsSetup {
        order: 14,
        repeats: 7,
        ..MlsSetup::new(rate(96_000))
    };
    assert_eq!(MlsSetup::recipe(&mls.to_string(), rate(8_000)), Ok(mls));
    let short = SweepSetup::recipe("sweep:50-10k,5s,level=-20dB", rate(44_100)).unwrap();
    assert_eq!(
        (short.from, short.to, short.seconds, short.rate.hz()),
        (50.0, 10_000.0, 5.0, 44_100)
    );
    assert!((short.level - 0.1).abs() < 1e-12);
    for (wrong, word) in [
        ("sweep:20", "two frequencies"),
        ("sweep:20-20k,fast", "`fast`"),
        ("sweep:20-20k,5s,colour=red", "`colour`"),
        ("sweep:20-20k,repeats=-1", "`-1`"),
        ("sweep:20-20k,rate=0.5", "`0.5`"),
        ("mls:", "``"),
        ("mls:16,fade=1s", "`fade=1s`"),
        ("mls:9", "order 9"),
    ] {
        let text = Excitation::recipe(wrong, rate(48_000))
            .unwrap_err()
            .to_string();
        assert!(text.contains(word), "{text}");
    }
}

#[test]
fn between_frames_stands_what_a_sine_has_there() {
    let interpolator = drift::Interpolator::new();
    for share in [0.01, 0.2, 0.4, 0.45] {
        let sine = |t: f64| (std::f64::consts::TAU * share * t + 0.3).sin();
        let samples: Vec<f32> = (0..4_000).map(|n| sine(f64::from(n)) as f32).collect();
        let (start, step) = (1_000.37, 1.000_123);
        let got = interpolator.cut(&samples, start, step, 2_000);
        let worst = got
            .iter()
            .enumerate()
            .map(|(n, x)| (x - sine(start + n as f64 * step)).abs());
        let worst = db(worst.fold(0.0, f64::max));
        println!("{share}: {worst:.1} dB");
        assert!(worst < -100.0, "{share} of the rate: {worst:.1} dB");
    }
    let plain = interpolator.cut(&[0.5, 0.25], -1.0, 1.0, 4);
    assert_eq!(plain, [0.0, 0.5, 0.25, 0.0]);
}

#[test]
fn a_channel_that_hears_nothing_does_not_move_the_others() {
    let sweep = Sweep::new(setup(1.0)).unwrap();
    let clean = late(&through(sweep.samples(), &room(48_000)));
    let y = plus(clean.clone(), &noise(1, clean.len(), 1e-4));
    let ask = |channels: &[&[f64]]| {
        deconvolve(
            &heard(48_000, channels),
            &(&sweep).into(),
            &Options::default(),
        )
        .unwrap()
    };
    let alone = ask(&[&y]);
    assert!(alone.faint.is_empty());
    for other in [vec![0.0; y.len()], noise(7, y.len(), 3e-4)] {
        let both = ask(&[&y, &other]);
        assert_eq!(both.faint, [1]);
        assert_eq!((both.onset, both.delay), (alone.onset, alone.delay));
        let (a, b) = (alone.ir.channel(0), both.ir.channel(0));
        let off: Vec<f64> = a.iter().zip(b).map(|(a, b)| f64::from(a - b)).collect();
        let all: Vec<f64> = a.iter().map(|&a| f64::from(a)).collect();
        // The two share one transform in double precision; taps are rounded to f32.
        assert!(db(rms(&off) / rms(&all)) < -130.0);
    }
}

#[test]
fn strong_distortion_is_not_taken_for_the_first_sound() {
    let sweep = Sweep::new(setup(2.0)).unwrap();
    let options = Options {
        allow_clipped: true,
        ..Options::default()
    };
    let ask = |y: &[f64]| deconvolve(&heard(48_000, &[y]), &(&sweep).into(), &options).unwrap();
    let clean = late(&through(sweep.samples(), &room(48_000)));
    let loud: Vec<f64> = clean.iter().map(|&y| (5.0 * y).tanh()).collect();
    let (clean, loud) = (ask(&clean), ask(&loud));
    assert!(
        loud.delay.abs_diff(clean.delay) <= 5,
        "{} {}",
        loud.delay,
        clean.delay
    );
}

#[test]
fn repeats_between_which_frames_were_lost_are_no_response() {
    let sweep = Sweep::new(SweepSetup {
        repeats: 2,
        ..setup(1.0)
    })
    .unwrap();
    let clean = late(&through(sweep.samples(), &room(48_000)));
    let mut y = plus(clean.clone(), &noise(1, clean.len(), 1e-4));
    // In the middle of the second sweep.
    let at = 48_000 + (1.2 * 48e3) as usize * 2 + 48_000 + 24_000;
    y.drain(at..at + 64);
    text(&heard(48_000, &[&y]), &sweep, &["repeats differ", "lost"]);
}
