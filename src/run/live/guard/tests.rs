//! Loops that howl, and loud music that does not.

use super::*;

const RATE: u32 = 48_000;

fn guard(channels: usize) -> Guard {
    Guard::new(SampleRate::new(RATE).unwrap(), channels)
}

/// Even noise from -1 to 1.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}

/// What became of a loop.
#[derive(Debug, Default)]
struct Story {
    /// Seconds from the first frame at full scale to the first catch; NaN where none came.
    to_catch: f64,
    catches: usize,
    /// Mean level of the whole in dB of full scale, and of the second half.
    mean: f64,
    late: f64,
    peak: f32,
}

/// A loudspeaker whose sound comes back through `path` (taps: delay in frames and gain)
/// besides a quiet hiss of `noise`; blocks of 64 frames.
fn closed(path: &[(usize, f32)], noise: f32, seconds: f64) -> Story {
    const BLOCK: usize = 64;
    let frames = (seconds * f64::from(RATE)) as usize / BLOCK * BLOCK;
    let longest = path.iter().map(|tap| tap.0).max().unwrap();
    let size = (longest + BLOCK + 1).next_power_of_two();
    let mut heard = vec![0.0f32; size];
    let (mut guard, mut hiss) = (guard(1), Noise(7));
    let mut story = Story {
        to_catch: f64::NAN,
        ..Story::default()
    };
    let (mut power, mut late, mut full) = (0.0, 0.0, None);
    for start in (0..frames).step_by(BLOCK) {
        let mut block = [0.0; BLOCK];
        for (n, x) in block.iter_mut().enumerate() {
            let back =
                |&(delay, gain): &(usize, f32)| gain * heard[(start + n + size - delay) % size];
            *x = noise * hiss.next() + path.iter().map(back).sum::<f32>();
            if x.abs() >= 1.0 {
                full = full.or(Some(start));
            }
        }
        if guard.process(&mut block) {
            story.catches += 1;
            if story.catches == 1 {
                story.to_catch = (start - full.unwrap()) as f64 / f64::from(RATE);
            }
        }
        for (n, y) in block.into_iter().enumerate() {
            heard[(start + n) % size] = y;
            story.peak = story.peak.max(y.abs());
            power += f64::from(y * y);
            late += if start >= frames / 2 {
                f64::from(y * y)
            } else {
                0.0
            };
        }
    }
    story.mean = 10.0 * (power / frames as f64).log10();
    story.late = 10.0 * (2.0 * late / frames as f64).log10();
    story
}

/// Decaying noise: as many taps as are enough to be dense, at the peak gain `gain` over all
/// frequencies (coarsely: the worst of a grid).
fn room(rt60: f64, gain: f32, seed: u64) -> Vec<(usize, f32)> {
    let mut noise = Noise(seed);
    let frames = rt60 * f64::from(RATE);
    let mut taps: Vec<(usize, f32)> = (0..160)
        .map(|k| {
            let at = 240.0 + frames * f64::from(k) / 160.0 + 50.0 * f64::from(noise.next().abs());
            (
                at as usize,
                noise.next() * 10f32.powf(-3.0 * (at / frames) as f32),
            )
        })
        .collect();
    let most = (1..4000)
        .map(|f| {
            let w = std::f64::consts::TAU * f64::from(f) * 2.0 / f64::from(RATE);
            let (mut re, mut im) = (0.0, 0.0);
            for &(at, g) in &taps {
                let (sin, cos) = (w * at as f64).sin_cos();
                re += f64::from(g) * cos;
                im += f64::from(g) * sin;
            }
            re.hypot(im)
        })
        .fold(0.0, f64::max);
    taps.iter_mut().for_each(|tap| tap.1 *= gain / most as f32);
    taps
}

/// Runs a sound of one channel that does not answer; what came out, and how often it was taken
/// for a run-away.
fn open(sound: &[f32]) -> (Vec<f32>, usize) {
    let (mut guard, mut out) = (guard(1), sound.to_vec());
    let caught = out
        .chunks_mut(64)
        .filter_map(|block| guard.process(block).then_some(()));
    let times = caught.count();
    (out, times)
}

fn sound(seconds: f64, at: impl Fn(f64) -> f64) -> Vec<f32> {
    let frames = (seconds * f64::from(RATE)) as usize;
    (0..frames)
        .map(|n| at(n as f64 / f64::from(RATE)) as f32)
        .collect()
}

fn chord(t: f64) -> f64 {
    let tones = [110.0, 164.81, 220.0, 277.18, 329.63];
    tones
        .iter()
        .map(|f| (std::f64::consts::TAU * f * t).sin())
        .sum::<f64>()
        / 5.0
}

/// A beat of 120 a minute over chords: decays of 150 ms, up to 6 dB over full scale.
fn beat(t: f64) -> f64 {
    let since = t % 0.5;
    let drum = (-since / 0.05).exp() * (std::f64::consts::TAU * 60.0 * since).sin();
    2.2 * drum + 0.8 * chord(t)
}

/// Pressed without mercy: chords and noise 6 dB over full scale, a breath every few seconds.
fn dense(seconds: f64) -> Vec<f32> {
    let mut noise = Noise(5);
    let mut phrase = 0.0;
    let mut sound = sound(seconds, chord);
    for (n, x) in sound.iter_mut().enumerate() {
        if n % 96_000 == 0 {
            phrase = f64::from(noise.next().abs());
        }
        // Breaths of 0 to 400 ms at no particular time, 10 dB down.
        let at = (n % 96_000) as f64 / 48_000.0;
        let quiet = at > 1.0 + phrase / 2.0 && at < 1.0 + phrase / 2.0 + 0.4 * phrase;
        let gain = if quiet { 0.65 } else { 2.0 };
        *x = gain * (*x * 1.2 + 0.3 * noise.next());
    }
    sound
}

/// Seconds in which more than `db` were taken from a sound that was loud.
fn taken(sound: &[f32], out: &[f32], db: f64) -> f64 {
    let hop = RATE as usize / 20;
    let most = |x: &[f32]| x.iter().fold(0.0f32, |a, b| a.max(b.abs()));
    let low = 10f64.powf(-db / 20.0);
    let pairs = sound
        .chunks(hop)
        .zip(out.chunks(hop))
        .map(|(x, y)| (most(x), most(y)));
    let hit = pairs
        .filter(|&(x, y)| x > 0.9 && f64::from(y) < low)
        .count();
    hit as f64 / 20.0
}

#[test]
fn what_is_within_full_scale_passes_to_the_bit() {
    let mut noise = Noise(1);
    let mut sound: Vec<f32> = (0..200_000).map(|_| noise.next()).collect();
    let organ = 10f64.powf(-0.05);
    sound.extend(self::sound(5.0, |t| organ * chord(t)));
    sound.extend(self::sound(5.0, |t| {
        (std::f64::consts::TAU * 100.0 * t).sin().signum()
    }));
    sound.extend([1.0, -1.0, -0.0, 0.0, f32::MIN_POSITIVE, 1e-40]);
    for channels in [1, 2, 5] {
        let mut out = sound.clone();
        assert!(!guard(channels).process(&mut out));
        assert!(
            sound
                .iter()
                .zip(&out)
                .all(|(x, y)| x.to_bits() == y.to_bits())
        );
    }
}

#[test]
fn an_over_is_held_in_all_channels_and_then_every_bit_passes_again() {
    let mut sound: Vec<f32> = sound(4.0, |t| 0.5 * chord(t))
        .iter()
        .flat_map(|&x| [x, -x])
        .collect();
    sound[20_000] = 4.0;
    let mut out = sound.clone();
    let mut guard = guard(2);
    guard.process(&mut out[..20_002]);
    assert_eq!(out[20_000], 1.0);
    assert_eq!(out[20_001], sound[20_001] * 0.25);
    assert!(
        (guard.reduction_db() + 12.04).abs() < 0.01,
        "{}",
        guard.reduction_db()
    );
    guard.process(&mut out[20_002..]);
    assert_eq!(guard.reduction_db(), 0.0);
    let back = 20_000 + 2 * 48_000 * 2;
    assert_eq!(sound[back..], out[back..]);
    assert_ne!(sound[back / 2..back], out[back / 2..back]);
    // The gain moves by at most 1/T of the way in a frame.
    for n in (20_004..back)
        .step_by(2)
        .filter(|&n| sound[n - 2].abs() > 0.01 && sound[n].abs() > 0.01)
    {
        let step = out[n] / sound[n] - out[n - 2] / sound[n - 2];
        assert!(step.abs() < 0.75 / (0.12 * 48_000.0) * 1.1, "{n}: {step}");
    }
}

#[test]
fn nothing_goes_beyond_full_scale_and_what_is_no_number_poisons_nothing() {
    let mut noise = Noise(3);
    let mut sound: Vec<f32> = (0..100_000).map(|_| 3.0 * noise.next()).collect();
    for (n, bad) in [
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MAX,
        f32::MIN,
    ]
    .into_iter()
    .enumerate()
    {
        sound[10_000 + 4_001 * n] = bad;
    }
    // It may be asked, and end just then: down for 2 s, and 5 s to come back.
    sound.extend(self::sound(20.0, |t| 0.5 * chord(t)));
    for channels in [1, 2] {
        let (mut guard, mut out) = (guard(channels), sound.clone());
        guard.process(&mut out);
        assert!(out.iter().all(|y| y.abs() <= 1.0));
        assert_eq!(out[10_000], 0.0);
        assert_eq!(guard.reduction_db(), 0.0);
        let end = sound.len() - 10_000;
        assert_eq!(sound[end..], out[end..]);
    }
}

#[test]
fn splitting_the_calls_changes_no_bit() {
    let sound: Vec<f32> = dense(12.0).iter().flat_map(|&x| [x, 0.7 * x]).collect();
    let mut whole = sound.clone();
    guard(2).process(&mut whole);
    for split in [1, 63, 64, 1_000, 4_096] {
        let (mut guard, mut pieces) = (guard(2), sound.clone());
        guard.process(&mut []);
        pieces.chunks_mut(2 * split).for_each(|block| {
            guard.process(block);
        });
        assert!(whole == pieces, "split {split}");
    }
}

#[test]
fn a_howl_is_caught_whatever_the_loop_and_stays_low() {
    // Loops that answer fast, and slow ones.
    for delay in [0.005, 0.02, 0.1, 0.5, 1.0, 2.0] {
        for gain in [1.2, 2.0, 4.0, 10.0] {
            for noise in [0.02, 0.1] {
                let story = closed(&[((delay * f64::from(RATE)) as usize, gain)], noise, 40.0);
                let name = format!("{gain} after {delay} s, noise {noise}: {story:?}");
                assert!(story.peak <= 1.0, "{name}");
                // A slow loop first grows until it presses without a pause.
                assert!(story.to_catch < 1.5 + 4.0 * delay, "{name}");
                assert!(
                    story.mean < if delay > 0.2 { -11.0 } else { -16.0 },
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn a_howl_through_a_room_is_caught() {
    for rt60 in [0.3, 1.0, 3.0] {
        for gain in [1.2, 2.0, 5.0] {
            for seed in [3, 4] {
                let story = closed(&room(rt60, gain, seed), 0.001, 15.0);
                let name = format!("{gain}, {rt60} s: {story:?}");
                assert!(
                    story.peak <= 1.0 && story.to_catch < 3.0 && story.mean < -10.0,
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn a_room_that_does_not_howl_is_left_alone() {
    for gain in [0.5, 0.9, 0.97] {
        let path = [(480, gain)];
        assert_eq!(closed(&path, 0.02, 20.0).catches, 0);
    }
}

#[test]
fn loud_music_is_not_taken_for_a_howl() {
    let square = |level: f64| {
        sound(60.0, move |t| {
            level * (std::f64::consts::TAU * 100.0 * t).sin().signum()
        })
    };
    for (name, sound) in [
        ("beat", sound(60.0, beat)),
        ("organ, 6 dB over", sound(60.0, |t| 2.0 * chord(t))),
        ("square, 6 dB over", square(2.0)),
        ("swell", sound(60.0, |t| (0.05 * t).min(3.0) * chord(t))),
        ("dense", dense(60.0)),
    ] {
        let (out, times) = open(&sound);
        let (muted, dipped) = (taken(&sound, &out, 15.0), taken(&sound, &out, 7.0));
        println!(
            "{name}: caught {times}, down by 15 dB for {muted:.2} s, by 7 dB for {dipped:.2} s of 60"
        );
        assert!(out.iter().all(|y| y.abs() <= 1.0));
        assert!(muted <= 3.0 && dipped <= 15.0, "{name}");
        assert!(times == 0 || name == "dense", "{name}");
    }
}

#[test]
fn music_that_pauses_while_it_is_asked_is_back_when_it_is_loud_again() {
    let pause = 0.8..2.0;
    let sound = sound(
        4.0,
        |t| if pause.contains(&t) { 0.05 } else { 1.8 } * chord(t),
    );
    let (out, times) = open(&sound);
    assert_eq!(times, 1);
    // 100 ms to notice, 700 ms back up.
    assert!(taken(&sound, &out, 15.0) < 0.6);
    assert_eq!(taken(&sound[3 * 48_000..], &out[3 * 48_000..], 3.0), 0.0);
}
