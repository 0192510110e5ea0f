use super::geometry::air;
use super::*;
use crate::ir::synth::golden::Golden;
use crate::ir::synth::space::tests::{decay_time, octave};
use crate::ir::synth::{Kind, Recipe};

fn room(text: &str) -> Shoebox {
    match text.parse::<Recipe>().unwrap().kind {
        Kind::Room(room) => *room,
        other => panic!("{text} is {other:?}"),
    }
}

fn render(text: &str, hz: u32) -> Vec<Vec<f64>> {
    room(text)
        .render(SampleRate::new(hz).unwrap(), text)
        .unwrap()
}

fn energy(taps: &[f64]) -> f64 {
    taps.iter().map(|tap| tap * tap).sum()
}

fn decibels(energy: f64) -> f64 {
    10.0 * energy.log10()
}

/// Rows of one kind: recipe, rate, number of bands, values.
fn golden(kind: &str, columns: impl Fn(usize) -> usize) -> Vec<(String, u32, usize, Vec<f64>)> {
    let golden = Golden::read("shoebox", 6);
    let rows = golden.rows().iter().filter(|row| row[0] == kind);
    rows.map(|row| {
        let [rate, bands, count] = [1, 2, 4].map(|column| row[column].parse::<usize>().unwrap());
        let values = golden.values(&row[3], count * columns(bands));
        (row[5].clone(), rate as u32, bands, values)
    })
    .collect()
}

#[test]
fn image_times_and_amplitudes_are_those_of_pyroomacoustics() {
    let cases = golden("images", |bands| 1 + bands);
    assert_eq!(cases.len(), 4);
    for (text, _, bands, values) in cases {
        let (room, mut ours) = (room(&text), Vec::new());
        let losses = room.losses();
        room.each_image(0, |far, hits| {
            let levels: Vec<f64> = (0..bands)
                .map(|b| losses.amplitude(far, &hits, b))
                .collect();
            ours.push((far / SPEED, levels));
        });
        assert_eq!(ours.len(), values.len() / (1 + bands), "{text}");
        for theirs in values.chunks(1 + bands) {
            // Single precision on their side: places, distances and amplitudes keep 2^-24 of
            // their size in each of a few steps.
            let near = |a: f64, b: f64| (a - b).abs() <= 16.0 * f64::from(f32::EPSILON) * b;
            let found = ours.iter().position(|(time, levels)| {
                let mut pairs = levels.iter().zip(&theirs[1..]);
                near(*time, theirs[0]) && pairs.all(|(a, b)| near(*a, *b))
            });
            let found = found.unwrap_or_else(|| panic!("{text}: no image like {theirs:?}"));
            ours.swap_remove(found);
        }
    }
}

#[test]
fn responses_are_those_of_pyroomacoustics_but_for_its_table_of_sincs() {
    let cases = golden("rir", |_| 1);
    assert_eq!(cases.len(), 3);
    for (text, hz, _, theirs) in cases {
        let ours = render(&text, hz).remove(0);
        // What surrounds a frame can differ in proportion to its level.
        let (room, mut around) = (room(&text), vec![0.0; theirs.len()]);
        let losses = room.losses();
        room.each_image(0, |far, hits| {
            let at = far / SPEED * f64::from(hz);
            let until = (at as usize + REACH + 2).min(around.len());
            let from = (at as usize).saturating_sub(REACH + 1).min(until);
            let level = losses.amplitude(far, &hits, 0);
            around[from..until].iter_mut().for_each(|x| *x += level);
        });
        let mut worst: f64 = 0.0;
        for (n, theirs) in theirs.iter().enumerate() {
            let ours = ours.get(n).copied().unwrap_or(0.0);
            // Straight lines between 20 values per frame: h^2 / 8 times the largest second
            // derivative, pi^2 / 3.
            let table = PI * PI / 3.0 / (8.0 * 400.0);
            // Their window stands on a frame, ours on the image, less than a frame apart: its
            // slope times the sinc is pi / 80 sin(pi x / 40) / (pi x) at most.
            let window = PI / 80.0 / 40.0;
            // A sinc's slope is 1.4 per frame at most. Time is in single precision, twice rounded;
            // so are the places in the table, summed up from -41 in steps of a twentieth: half a
            // unit of each size of number per step.
            let unit = f64::from(f32::EPSILON);
            let steps = [(9.0, 32.0), (16.0, 16.0), (8.0, 8.0), (8.0, 4.0)];
            let summed: f64 = steps
                .iter()
                .map(|(span, size)| 20.0 * span * 0.5 * size * unit)
                .sum();
            let place = 1.4 * (n as f64 * unit + summed);
            let allowed = (table + window + place + 1e-6) * around[n];
            let off = (ours - theirs).abs();
            assert!(off <= allowed, "{text}: {ours} for {theirs} at {n}");
            worst = worst.max(off);
        }
        println!("{text}: off by {worst:.2e} at most");
    }
}

#[test]
fn the_decay_of_all_images_is_that_of_pyroomacoustics_and_of_noise_that_of_eyring() {
    let cases = golden("t30", |_| 3);
    assert_eq!(cases.len(), 4);
    for (text, hz, _, values) in cases {
        let [measured, eyring, seconds] = values[..] else {
            panic!("{values:?}")
        };
        let stated = room(&text).eyring(0);
        let mut images =
            render(&format!("{text},order=all,highpass=off,flight=keep"), hz).remove(0);
        images.truncate((seconds * f64::from(hz)).round() as usize);
        let images = decay_time(&images, hz.into());
        let usual = decay_time(&render(&text, hz)[0], hz.into());
        println!(
            "{text}: all images {images:.3} s, pyroomacoustics {measured:.3} s; \
             with noise {usual:.3} s, Eyring {stated:.3} s, pyroomacoustics {eyring:.3} s"
        );
        assert!((stated / eyring - 1.0).abs() < 1e-3);
        // A frame or two of a line's ends, and single precision.
        assert!((images / measured - 1.0).abs() < 1e-3);
        assert!((usual / eyring - 1.0).abs() < 0.05);
    }
}

#[test]
fn every_band_decays_as_it_was_asked_to() {
    let wanted = [0.9, 0.8, 0.7, 0.6, 0.5, 0.45, 0.4];
    for (text, hz) in [
        ("room=9x7x4,rt60=0.9/0.8/0.7/0.6/0.5/0.45/0.4", 48_000),
        (
            "room=9x7x4,rt60=0.9/0.8/0.7/0.6/0.5/0.45/0.4,humidity=40%",
            96_000,
        ),
    ] {
        for taps in render(text, hz) {
            let times: Vec<f64> = (0..BANDS)
                .map(|band| decay_time(&octave(&taps, hz.into(), band), hz.into()))
                .collect();
            println!("{text}: {times:.3?}");
            for (band, time) in times.iter().enumerate() {
                // As for the spaces: neighbours mix, and noise is as uncertain as 1 / sqrt(B T).
                let near = &wanted[band.saturating_sub(1)..(band + 2).min(BANDS)];
                let (least, most) = (near[near.len() - 1], near[0]);
                let bound = 3.0 / (0.7 * 125.0 * f64::from(1 << band) * least).sqrt();
                assert!(
                    (least * (1.0 - bound)..most * (1.0 + bound)).contains(time),
                    "{text}: band {band}, {time} s"
                );
            }
        }
    }
}

#[test]
fn noise_takes_over_without_a_step() {
    for text in [
        "room=6x4x3,rt60=0.4",
        "room=12x9x5,rt60=0.7s",
        // Far from diffuse: carpet, soft ceiling, hard walls.
        "room=8x6x3,absorption=0.1,floor=0.5,ceiling=0.6",
    ] {
        let room = room(text);
        // The mean of the energies over some noises and places.
        let (mut mixed, mut images) = (Vec::new(), Vec::new());
        let windows = |taps: &[f64], into: &mut Vec<f64>| {
            let from = (0.25 * room.mixing() * 48_000.0) as usize;
            let step = (0.25 * room.mixing() * 48_000.0) as usize;
            into.resize(5, 0.0);
            for (k, sum) in into.iter_mut().enumerate() {
                *sum += energy(&taps[from + k * step..from + (k + 1) * step]);
            }
        };
        for seed in 1..=4 {
            let way = f64::from(seed) * 0.4;
            let places = format!("{text},mic={}x{}x1.3", 3.1 + 0.3 * way, 1.2 + way);
            for taps in render(&format!("{places},seed={seed},level=0dB"), 48_000) {
                windows(&taps, &mut mixed);
            }
            for taps in render(&format!("{places},order=all,level=0dB"), 48_000) {
                windows(&taps, &mut images);
            }
        }
        let steps: Vec<f64> = mixed
            .iter()
            .zip(&images)
            .map(|(a, b)| decibels(a / b))
            .collect();
        println!("{text}: noise to images {steps:.2?} dB from a quarter of the mixing time");
        // Before the joint they are the same. In it, eight times N frames of noise vary by
        // sqrt(2 / 8 N), less than 0.1 dB; images come with a spread of their own, as few as they
        // are and one on another where they coincide, which the mean leaves out.
        assert!(steps[..2].iter().all(|db| db.abs() < 0.01), "{steps:?}");
        assert!(steps[2..].iter().all(|db| db.abs() < 1.0), "{steps:?}");
    }
}

#[test]
fn the_level_is_unity_at_1_khz_or_that_of_the_direct_sound() {
    for (text, hz) in [
        ("room=6x4x3,rt60=0.5", 48_000),
        ("room=6x4x3,rt60=0.5,order=6", 44_100),
        ("room=6x4x3,absorption=0.3/0.3/0.25/0.2/0.2/0.2/0.2", 48_000),
        ("room=6x4x3,absorption=0.3/0.3/0.25/0.2/0.2/0.2/0.2", 96_000),
    ] {
        // The mean over places: at one of them the images of a band interfere, which spreads the
        // level by 0.8 dB here.
        let mut levels = Vec::new();
        for mic in [
            "4x3x1.2",
            "3.1x2.7x1.7",
            "5x1.2x1.1",
            "2.2x3.1x2.1",
            "4.4x0.9x1.6",
            "1x2x0.9",
        ] {
            for taps in render(&format!("{text},source=2.2x1.1x1.4,mic={mic}"), hz) {
                // Room for the octave's ringing before the direct sound.
                let taps = [vec![0.0; hz as usize / 10], taps].concat();
                let mut impulse = vec![0.0; taps.len()];
                impulse[taps.len() / 2] = 1.0;
                let [part, share] = [taps, impulse].map(|x| energy(&octave(&x, hz.into(), 3)));
                levels.push(part / share);
            }
        }
        let db = decibels(levels.iter().sum::<f64>() / levels.len() as f64);
        println!("{text} at {hz}: {db:.2} dB");
        // Three times 0.8 dB / sqrt(12).
        assert!(db.abs() < 0.7, "{text} at {hz}: {db} dB");
    }
    // 3 m away: 1/3, after 3 m / 343 m/s.
    let places = "room=8x6x4,source=2x2x1.5,mic=5x2x1.5,channels=1,order=0,highpass=off";
    let taps = render(&format!("{places},level=-6.020599913279624dB"), 34_300).remove(0);
    assert!((taps[0] - 0.5 / 3.0).abs() < 1e-12 && energy(&taps[1..]) < 1e-24);
    let taps = render(&format!("{places},level=0dB,flight=keep"), 34_300).remove(0);
    assert!((taps[300] - 1.0 / 3.0).abs() < 1e-12);
}

#[test]
fn both_microphones_hear_the_source_at_once_and_the_left_one_lies_left() {
    let room = room("room=8x6x4,source=2x2x1.5,mic=5x4x1.5,spacing=50cm");
    let [left, right] = room.ears()[..] else {
        panic!("{:?}", room.ears())
    };
    let away = |ear: &[f64; 3]| super::super::images::distance(&room.source, ear);
    assert!((away(&left) - away(&right)).abs() < 1e-12);
    assert!((super::super::images::distance(&left, &right) - 0.5).abs() < 1e-12);
    // Looking towards smaller length and width, left is towards smaller width.
    assert!(
        left[0] > right[0] && left[1] < right[1],
        "{left:?} {right:?}"
    );
    let channels = render("room=8x6x4,level=0dB,highpass=off", 48_000);
    let direct = 1.0 / super::tests::room("room=8x6x4").direct();
    for taps in &channels {
        assert!((taps[0] - direct).abs() < 0.05 * direct);
    }
    let late = 12_000;
    let (a, b) = (&channels[0][late..], &channels[1][late..]);
    let product: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
    assert!((product / (energy(a) * energy(b)).sqrt()).abs() < 0.1);
}

#[test]
fn air_takes_what_iso_9613_says() {
    // ISO 9613-2:1996, table 2, at 20 degrees and 70 %: dB per km, rounded to a tenth, and for the
    // exact centres, which are up to 0.7 % lower than 8 kHz and its like; with f^2, 1.4 %.
    let table = [0.3, 1.1, 2.8, 5.0, 9.0, 22.9, 76.6];
    for (energy, want) in air(0.7).into_iter().zip(table) {
        let got = 1e3 * decibels(energy.exp());
        assert!((got - want).abs() < 0.05 + 0.015 * want, "{got} for {want}");
    }
}

#[test]
fn a_room_that_absorbs_as_asked_decays_as_asked() {
    // 24 ln 10 V / (c S a), a = -ln(1 - 0.2): V = 72, S = 108.
    let want = 24.0 * 10f64.ln() * 72.0 / (343.0 * 108.0 * -(0.8f64.ln()));
    assert!((room("room=6x4x3,absorption=20%").eyring(3) - want).abs() < 1e-12);
    for text in ["0.5", "0.5s", "500ms"] {
        let room = room(&format!("room=6x4x3,rt60={text},humidity=50%"));
        for band in 0..BANDS {
            assert!((room.eyring(band) - 0.5).abs() < 1e-12);
        }
    }
    let walls = room("room=6x4x3,absorption=0.1,floor=0.7,left=100%");
    // 12 m2 at one end, 24 m2 of floor, 72 m2 of the rest.
    let want = (12.0 * 1.0 + 24.0 * 0.7 + 72.0 * 0.1) / 108.0;
    assert!((walls.absorption(0) - want).abs() < 1e-12);
}

#[test]
fn walls_that_take_everything_leave_the_direct_sound() {
    let text = "room=6x4x3,absorption=1,order=5,level=0dB,highpass=off,channels=1";
    let taps = render(text, 48_000).remove(0);
    assert!((taps[0] * room(text).direct() - 1.0).abs() < 1e-12);
    assert!(energy(&taps[1..]) < 1e-24);
    // Between dead side walls a flutter echo is left; nothing of it is NaN.
    let taps = render(
        "room=6x4x3,absorption=1,floor=0.3,ceiling=0.3,left=0.8",
        48_000,
    );
    assert!(taps.iter().flatten().all(|tap| tap.is_finite()));
}

#[test]
fn the_high_pass_passes_and_stops() {
    for (hz, cutoff) in [(48_000.0, 20.0), (44_100.0, 500.0)] {
        let mut taps = vec![0.0; 96_000];
        taps[0] = 1.0;
        highpass(&mut taps, cutoff / hz);
        let level = |f: f64| {
            let (mut re, mut im) = (0.0, 0.0);
            for (n, tap) in taps.iter().enumerate() {
                let (sin, cos) = (2.0 * PI * f / hz * n as f64).sin_cos();
                (re, im) = (re + tap * cos, im + tap * sin);
            }
            decibels(re * re + im * im)
        };
        assert!((level(cutoff) + 3.0103).abs() < 1e-3);
        assert!((level(cutoff / 10.0) + 40.0).abs() < 0.2);
        assert!(level(10.0 * cutoff).abs() < 1e-3);
    }
}

#[test]
fn what_no_room_can_be_is_refused_with_what_can() {
    for (text, words) in [
        ("room=6x4", &["`6x4`", "6x4x3"][..]),
        ("room=6x4xhigh", &["`high`", "`20cm`"]),
        ("room=6x4x0.2", &["0.2 m", "0.5 to 200 m"]),
        ("room=6x4x3,rt60=soon", &["`soon`", "`250ms`"]),
        ("room=6x4x3,rt60=0.01", &["0.01 s", "0.05 to 30 s"]),
        (
            "room=60x40x20,rt60=0.1",
            &["0.1 s", "0.191 to 30 s at 125 Hz"],
        ),
        ("room=60x40x20,rt60=3,humidity=50%", &["3 s", "8000 Hz"]),
        ("room=6x4x3,rt60=1/2", &["2 values", "7"]),
        ("room=6x4x3,rt60=1,floor=0.3", &["`floor`", "leave"]),
        ("room=6x4x3,absorption=1.2", &["`1.2`", "`30%`"]),
        ("room=6x4x3,absorption=0", &["never falls silent"]),
        ("room=6x4x3,absorption=1", &["is 1,", "0.99"]),
        ("room=6x4x3,absorption=0.0001", &["60 s", "absorb more"]),
        ("room=6x4x3,source=7x1x1", &["7 m along the length", "6 m"]),
        ("room=6x4x3,mic=5x0.05x1", &["along the width", "4 m"]),
        ("room=6x4x3,source=2x2x1,mic=2x2x1,channels=1", &["10 cm"]),
        (
            "room=6x4x3,channels=1,spacing=1m",
            &["`spacing`", "no effect"],
        ),
        ("room=6x4x3,order=3,seed=1", &["`seed`", "no effect"]),
        ("room=6x4x3,order=201", &["`201`", "200"]),
        ("room=200x200x200,order=150", &["60 s", "lower order"]),
        (
            "room=3x2x2,rt60=3s,order=all",
            &["million images", "20 million"],
        ),
        ("room=6x4x3,flight=on", &["`on`", "`keep` or `cut`"]),
        ("room=6x4x3,highpass=2k", &["2000 Hz", "`off`"]),
        ("room=6x4x3,level=loud", &["`loud`", "`-6dB`"]),
        ("room=6x4x3,humidity=wet", &["`wet`", "`30%`"]),
        ("room=6x4x3,0.5", &["`0.5` needs a name", "rt60"]),
    ] {
        let Err(error) = text.parse::<Recipe>() else {
            panic!("{text} is taken")
        };
        let error = error.to_string();
        for word in words {
            assert!(error.contains(word), "{text}: no `{word}` in {error}");
        }
        assert!(
            !error.contains("not finite") && error.contains(text),
            "{error}"
        );
    }
    let low = "room=6x4x3,highpass=1k".parse::<Recipe>().unwrap();
    let error = low.render(SampleRate::new(1500).unwrap()).unwrap_err();
    assert!(
        error.to_string().contains("1000 Hz is not below 750 Hz"),
        "{error}"
    );
}
