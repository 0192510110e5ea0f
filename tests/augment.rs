//! One file through one response, as training data is made: time, length, level, early part, noise
//! and SNR, against numpy and scipy (assets/golden/augment.py) and against their definition.
#![cfg(feature = "cli")]

mod common;
mod signals;

use std::fs;
use std::path::{Path, PathBuf};

use common::{F32, I16, I24, Kind, Room, Wav, float, wav};
use faltung::io::{FileSource, SampleFormat};
use faltung::run::{
    Align, Augment, Done, Kit, Length, LevelMatch, Noise, Render, RunError, Tail, Targets,
    reverberate,
};
use faltung::{Audio, ImpulseResponse, Mode, Sample, SampleRate, convolve};
use signals::Noise as Random;

const RATE: u32 = common::RATE;

fn response(channels: &[Vec<f64>]) -> ImpulseResponse {
    let narrow = |taps: &Vec<f64>| taps.iter().map(|&tap| tap as f32).collect();
    let channels = channels.iter().map(narrow).collect();
    ImpulseResponse::new(Audio::new(SampleRate::new(RATE).unwrap(), channels).unwrap()).unwrap()
}

/// A job in a folder: in.wav becomes wet.wav and, where wanted, early.wav.
struct Job<'a> {
    room: &'a Room,
    ir: &'a [Vec<f64>],
    how: Augment,
    noise: Option<Noise>,
    format: SampleFormat,
}

impl<'a> Job<'a> {
    fn new(room: &'a Room, ir: &'a [Vec<f64>], how: Augment) -> Self {
        Self {
            room,
            ir,
            how,
            noise: None,
            format: SampleFormat::F32,
        }
    }

    /// With the file noise.wav of the folder.
    fn noise(self, place: f64, snr_db: f64) -> Self {
        let file = self.room.path("noise.wav");
        let noise = Noise {
            file,
            place,
            snr_db,
        };
        Self {
            noise: Some(noise),
            ..self
        }
    }

    fn run<T: Sample>(&self) -> Result<Done, RunError> {
        let (wet, early) = (self.room.path("wet.wav"), self.room.path("early.wav"));
        let to = Targets {
            wet: &wet,
            early: self.how.early.map(|_| early.as_path()),
            container: None,
            format: Some(self.format),
            replace: true,
        };
        self.run_to::<T>(&to)
    }

    fn run_to<T: Sample>(&self, to: &Targets<'_>) -> Result<Done, RunError> {
        let source = FileSource::open(&self.room.path("in.wav")).unwrap();
        let kit = Kit::<T>::new(&response(self.ir), source.spec().channels, &self.how)?;
        let noise = self.noise.as_ref();
        reverberate(source, &kit, &self.how, noise, to, &mut |_| {})
    }

    /// The channels of both files too; the early one's are none if there is none.
    fn made(&self) -> (Done, Vec<Vec<f64>>, Vec<Vec<f64>>) {
        let done = self.run::<f64>().unwrap();
        let wet = self.room.read("wet.wav").channels;
        let early = match self.how.early {
            Some(_) => self.room.read("early.wav").channels,
            None => Vec::new(),
        };
        (done, wet, early)
    }

    fn refused(&self) -> String {
        self.run::<f64>().unwrap_err().to_string()
    }
}

fn full(x: &[f64], h: &[f64]) -> Vec<f64> {
    convolve(x, h, Mode::Full).unwrap()
}

fn power(channels: &[Vec<f64>]) -> f64 {
    let samples: usize = channels.iter().map(Vec::len).sum();
    channels.iter().flatten().map(|v| v * v).sum::<f64>() / samples as f64
}

/// Largest difference in dB of the largest expected value.
fn error_db(got: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len());
    let most = expected.iter().fold(0.0f64, |most, v| most.max(v.abs()));
    let worst = got.iter().zip(expected);
    let worst = worst.fold(0.0f64, |worst, (a, b)| worst.max((a - b).abs()));
    20.0 * (worst.max(1e-30) / most).log10()
}

#[track_caller]
fn near(got: &[f64], expected: &[f64], bound_db: f64, what: &str) {
    let error = error_db(got, expected);
    assert!(error < bound_db, "{what}: {error:.1} dB");
}

// ---------------------------------------------------------------- against numpy and scipy

fn asset(name: &str) -> Vec<Vec<f64>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
    Wav::parse(&fs::read(folder.join(name)).unwrap()).channels
}

/// The signals of augment.py by their names there.
fn signal(name: &str) -> Vec<Vec<f64>> {
    let padded = |taps: &[f64], before: usize, after: usize| {
        [&vec![0.0; before], taps, &vec![0.0; after]].concat()
    };
    match name {
        "voice" => vec![asset("voice.wav")[0][12_000..60_000].to_vec()],
        "duo" => {
            let voice = asset("voice.wav").remove(0);
            vec![
                voice[12_000..36_000].to_vec(),
                voice[60_000..84_000].to_vec(),
            ]
        }
        "talk" => asset("voice.wav"),
        "clap" => asset("clap.wav"),
        "hall" => {
            let hall = asset("hall.wav");
            vec![
                padded(&hall[0][..9600], 96, 24),
                padded(&hall[1][..9600], 120, 0),
            ]
        }
        "studio" => {
            let studio = asset("studio-4ch.wav");
            studio
                .iter()
                .map(|taps| padded(&taps[..4800], 30, 0))
                .collect()
        }
        "made" => {
            let mut state = 1u64;
            let mut taps: Vec<f64> = (0..6000)
                .map(|n| {
                    state = state.wrapping_mul(6364136223846793005);
                    state = state.wrapping_add(1442695040888963407);
                    let value = (state as i64 >> 48) as f64 / 32768.0;
                    0.125 * value * 0.5f64.powi(n / 512)
                })
                .collect();
            taps[..400].fill(0.0);
            taps[135..140].copy_from_slice(&[0.125, 0.5, 1.0, 0.75, 0.25]);
            vec![taps]
        }
        other => panic!("no signal {other}"),
    }
}

/// One row of augment.csv.
struct Row<'a>(Vec<&'a str>);

impl Row<'_> {
    fn number(&self, column: usize) -> Option<f64> {
        self.0[column].parse().ok()
    }

    fn whole(&self, column: usize) -> usize {
        self.0[column].parse().unwrap()
    }

    fn how(&self) -> Augment {
        Augment {
            render: Render {
                gain: 10f64.powf(self.number(5).unwrap() / 20.0),
                ..Render::default()
            },
            align: self.0[2].parse().unwrap(),
            length: self.0[3].parse().unwrap(),
            level: self.0[4].parse().unwrap(),
            early: self.number(6),
        }
    }
}

/// Every 211th frame of each channel against the stored ones, and the energy of all.
fn compare(row: &Row, got: &[Vec<f64>], stored: &[u8], energy: f64, what: &str) {
    let (channels, frames) = (row.whole(14), row.whole(15));
    assert_eq!((got.len(), got[0].len()), (channels, frames), "{what}");
    let stored = stored.chunks_exact(8);
    let mut stored = stored.map(|raw| f64::from_le_bytes(raw.try_into().unwrap()));
    for channel in got {
        let some: Vec<f64> = channel.iter().step_by(211).copied().collect();
        let expected: Vec<f64> = stored.by_ref().take(some.len()).collect();
        near(&some, &expected, -110.0, what);
    }
    let found: f64 = got.iter().flatten().map(|v| v * v).sum();
    assert!(
        (found / energy - 1.0).abs() < 1e-6,
        "{what}: {found} {energy}"
    );
}

#[test]
fn results_are_those_of_numpy_and_scipy() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/golden");
    let table = fs::read_to_string(folder.join("augment.csv")).unwrap();
    let blob = fs::read(folder.join("augment.bin")).unwrap();
    let mut seen = 0;
    for line in table.lines().skip(1) {
        let row = Row(line.split(';').collect());
        let room = Room::new();
        room.wav("in.wav", &wav(I16, &signal(row.0[0])));
        let ir = signal(row.0[1]);
        let mut job = Job::new(&room, &ir, row.how());
        if let Some(place) = row.number(8) {
            let kind = if row.0[7] == "clap" { I24 } else { I16 };
            room.wav("noise.wav", &wav(kind, &signal(row.0[7])));
            job = job.noise(place, row.number(9).unwrap());
        }
        for single in [true, false] {
            let done = match single {
                true => job.run::<f32>(),
                false => job.run::<f64>(),
            };
            let done = done.unwrap();
            assert_eq!(done.shift, row.whole(10) as u64, "{line}");
            // Theirs by the curve through all taps on a grid of a thousandth.
            let fraction = row.number(11).unwrap();
            assert!((done.fraction - fraction).abs() < 0.01, "{line}: {done:?}");
            assert!(
                (done.level_db - row.number(12).unwrap()).abs() < 1e-4,
                "{line}"
            );
            assert_eq!(done.noise_gain_db.is_some(), row.number(13).is_some());
            let noise = done.noise_gain_db.unwrap_or(0.0) - row.number(13).unwrap_or(0.0);
            assert!(noise.abs() < 1e-4, "{line}: {done:?}");
            let at = row.whole(18);
            let wet = room.read("wet.wav").channels;
            compare(&row, &wet, &blob[at..], row.number(16).unwrap(), line);
            if let Some(energy) = row.number(17) {
                let at = at + 8 * wet.len() * wet[0].len().div_ceil(211);
                let early = room.read("early.wav").channels;
                compare(&row, &early, &blob[at..], energy, line);
            }
        }
        seen += 1;
    }
    assert_eq!(seen, 24);
}

// ---------------------------------------------------------------- time and length

/// A quiet slope, a direct sound at frame 40 and noise behind.
fn late_response(seed: u64, frames: usize) -> Vec<f64> {
    let mut taps: Vec<f64> = Random(seed).response(frames);
    taps.iter_mut().for_each(|tap| *tap *= 0.1);
    taps[..40].fill(0.0);
    taps[38..43].copy_from_slice(&[0.05, 0.3, 1.0, 0.3, 0.05]);
    // As the taps are when they are read.
    taps.iter().map(|&tap| f64::from(tap as f32)).collect()
}

fn sound(seed: u64, frames: usize) -> Vec<f64> {
    let samples: Vec<f64> = Random(seed).samples(frames);
    samples.iter().map(|v| f64::from(0.1 * *v as f32)).collect()
}

#[test]
fn every_length_and_tail_begins_at_the_direct_sound_and_ends_where_it_should() {
    let room = Room::new();
    let (x, h) = (sound(1, 9000), late_response(2, 3000));
    room.wav("in.wav", &float(std::slice::from_ref(&x)));
    let x: Vec<f64> = room.read("in.wav").channels.remove(0);
    let expected = full(&x, &h);
    let (n, end) = (9000, expected.len());
    let seconds = |frames: usize| frames as f64 / f64::from(RATE);
    for (align, shift) in [(Align::None, 0), (Align::Onset, 40)] {
        for (length, tail, frames) in [
            (Length::Same, Tail::Full, n),
            (Length::Same, Tail::Seconds(1.0), n),
            (Length::Full, Tail::Full, end - shift),
            (Length::Full, Tail::Cut, n),
            (Length::Full, Tail::Seconds(seconds(700)), n + 700),
            (
                Length::Full,
                Tail::Seconds(seconds(2990)),
                (n + 2990).min(end - shift),
            ),
        ] {
            let render = Render {
                tail,
                ..Render::default()
            };
            let how = Augment {
                render,
                length,
                align,
                ..Augment::default()
            };
            let ir = [h.clone()];
            // Straight to the file, and by way of the spool.
            for level in [LevelMatch::None, LevelMatch::Keep] {
                let how = Augment {
                    level,
                    ..how.clone()
                };
                let (done, wet, _) = Job::new(&room, &ir, how).made();
                let what = format!("{align} {length} {tail:?} {level}");
                assert_eq!((done.shift, wet[0].len()), (shift as u64, frames), "{what}");
                let gain = 10f64.powf(done.level_db / 20.0);
                let expected = expected[shift..shift + frames].iter().map(|v| v * gain);
                near(&wet[0], &expected.collect::<Vec<f64>>(), -130.0, &what);
                let report = &done.report;
                assert_eq!(
                    (report.frames_in, report.frames_out),
                    (n as u64, frames as u64)
                );
                assert_eq!(report.tail, (frames - n) as u64);
            }
        }
    }
}

#[test]
fn a_tail_down_to_a_level_leaves_the_input_s_length() {
    let room = Room::new();
    // All of the sound at the start, and a direct sound that comes late: nothing is left behind it.
    let x = [sound(1, 50), vec![0.0; 500]].concat();
    room.wav("in.wav", &float(&[x]));
    let ir = [[vec![0.0; 100], vec![1.0]].concat()];
    let how = Augment {
        render: Render {
            tail: Tail::Down(-60.0),
            ..Render::default()
        },
        align: Align::Onset,
        ..Augment::default()
    };
    for level in [LevelMatch::None, LevelMatch::Keep] {
        let how = Augment {
            level,
            ..how.clone()
        };
        let (_, wet, _) = Job::new(&room, &ir, how).made();
        assert!(wet == room.read("in.wav").channels, "{level}");
    }
}

#[test]
fn channels_keep_their_differences_and_a_pre_delay_that_was_ordered_stays() {
    let room = Room::new();
    let x = sound(1, 2000);
    room.wav("in.wav", &float(&[x]));
    let x = room.read("in.wav").channels.remove(0);
    let late = |at: usize| [vec![0.0; at], vec![1.0], vec![0.0; 200 - at]].concat();
    let how = Augment {
        render: Render {
            predelay: 10.0 / f64::from(RATE),
            ..Render::default()
        },
        align: Align::Onset,
        length: Length::Same,
        ..Augment::default()
    };
    let (done, wet, _) = Job::new(&room, &[late(57), late(50)], how).made();
    assert_eq!((done.shift, done.fraction), (50, 0.0));
    for (channel, later) in wet.iter().zip([17, 10]) {
        near(
            channel,
            &[&vec![0.0; later], &x[..2000 - later]].concat(),
            -130.0,
            "moved",
        );
    }
}

// ---------------------------------------------------------------- the early part

#[test]
fn early_and_late_add_up_to_the_whole() {
    let room = Room::new();
    let (x, h) = (sound(1, 7000), late_response(2, 3000));
    room.wav("in.wav", &float(&[x]));
    let ir = [h.clone()];
    let cut = 40 + 240;
    let how = |align, length, level| Augment {
        align,
        length,
        level,
        early: Some(0.005),
        ..Augment::default()
    };
    for align in [Align::None, Align::Onset] {
        for length in [Length::Full, Length::Same] {
            for level in [LevelMatch::None, LevelMatch::Keep] {
                let what = format!("{align} {length} {level}");
                let job = Job::new(&room, &ir, how(align, length, level));
                let (done, wet, early) = job.made();
                assert_eq!(done.early.as_ref().unwrap().frames_out, wet[0].len() as u64);
                // The same shift and gain, by the definition.
                let x = room.read("in.wav").channels.remove(0);
                let late = [&vec![0.0; cut], &h[cut..]].concat();
                let late = full(&x, &late).split_off(done.shift as usize);
                let gain = 10f64.powf(done.level_db / 20.0);
                let sum = early[0]
                    .iter()
                    .zip(&late)
                    .map(|(early, late)| early + gain * late);
                near(&wet[0], &sum.collect::<Vec<f64>>(), -130.0, &what);
                let only = full(&x, &h[..cut]).split_off(done.shift as usize);
                let only = only.iter().map(|v| v * gain).chain(std::iter::repeat(0.0));
                let only: Vec<f64> = only.take(wet[0].len()).collect();
                near(&early[0], &only, -130.0, &what);
            }
        }
    }
}

#[test]
fn noise_leaves_the_early_file_as_it_is() {
    let room = Room::new();
    room.wav("in.wav", &float(&[sound(1, 5000)]));
    room.wav("noise.wav", &float(&[sound(3, 700)]));
    let ir = [late_response(2, 2000)];
    let how = Augment {
        level: LevelMatch::Keep,
        early: Some(0.01),
        ..Augment::default()
    };
    let (_, clean, early) = Job::new(&room, &ir, how.clone()).made();
    let (_, noisy, with) = Job::new(&room, &ir, how).noise(0.0, 10.0).made();
    assert!(early == with && clean != noisy);
}

// ---------------------------------------------------------------- level and noise

#[test]
fn the_level_kept_is_the_input_s_over_its_own_length_and_the_gain_comes_on_top() {
    let room = Room::new();
    let x = [sound(1, 4000), sound(2, 4000)];
    room.wav("in.wav", &float(&x));
    let x = room.read("in.wav").channels;
    let loud: Vec<f64> = late_response(3, 6000).iter().map(|tap| 3.0 * tap).collect();
    let ir = [loud, late_response(4, 6000)];
    let mut levels = Vec::new();
    for (length, gain) in [
        (Length::Full, 1.0),
        (Length::Same, 1.0),
        (Length::Full, 0.5),
    ] {
        let how = Augment {
            render: Render {
                gain,
                ..Render::default()
            },
            length,
            align: Align::Onset,
            level: LevelMatch::Keep,
            ..Augment::default()
        };
        let (done, wet, _) = Job::new(&room, &ir, how).made();
        let first: Vec<Vec<f64>> = wet.iter().map(|c| c[..4000].to_vec()).collect();
        let ratio = power(&first) / power(&x) / (gain * gain);
        assert!((ratio - 1.0).abs() < 1e-6, "{length} {gain}: {ratio}");
        // One gain for both channels: the first stays the louder one.
        assert!(power(&first[..1]) > 2.0 * power(&first[1..]));
        let told = done.report.gain_db - done.level_db;
        assert!((told - 20.0 * gain.log10()).abs() < 1e-9);
        levels.push(done.level_db);
    }
    assert!(levels.iter().all(|level| (level - levels[0]).abs() < 1e-9));
}

#[test]
fn silence_stays_silence_without_gain_and_without_noise() {
    let room = Room::new();
    room.wav("in.wav", &float(&[vec![0.0; 3000]]));
    room.wav("noise.wav", &float(&[sound(3, 700)]));
    let ir = [late_response(2, 2000)];
    let how = Augment {
        level: LevelMatch::Keep,
        align: Align::Onset,
        ..Augment::default()
    };
    let (done, wet, _) = Job::new(&room, &ir, how).noise(0.3, 5.0).made();
    assert!(wet[0].iter().all(|v| *v == 0.0));
    assert_eq!((done.level_db, done.snr_db), (0.0, None));
    assert_eq!(done.noise_gain_db, Some(f64::NEG_INFINITY));
    // A response of silence is no reason to divide by it either.
    room.wav("in.wav", &float(&[sound(1, 3000)]));
    let silent = [vec![0.0; 100]];
    let how = Augment {
        level: LevelMatch::Keep,
        align: Align::Onset,
        early: Some(0.05),
        ..Augment::default()
    };
    let (done, wet, early) = Job::new(&room, &silent, how).made();
    assert!(wet.iter().chain(&early).flatten().all(|v| *v == 0.0));
    assert_eq!((done.level_db, done.shift), (0.0, 0));
}

#[test]
fn noise_has_its_snr_and_its_place_and_goes_round_whatever_its_channels_are() {
    let room = Room::new();
    room.wav("in.wav", &float(&[sound(1, 20_000)]));
    let ir = [late_response(2, 1000), late_response(3, 1000)];
    let plain = Augment::default;
    let (_, clean, _) = Job::new(&room, &ir, plain()).made();
    let frames = clean[0].len();
    // Shorter than the result and longer, held and read again.
    for clip in [1, 777, 15_000, 100_000] {
        for channels in 1..=3 {
            let clip: Vec<Vec<f64>> = (0..channels).map(|k| sound(10 + k, clip)).collect();
            room.wav("noise.wav", &float(&clip));
            let clip = room.read("noise.wav").channels;
            for (place, snr) in [(0.0, 10.0), (0.5, -5.0), (0.999, 0.0), (1.0, 40.0)] {
                let (done, noisy, _) = Job::new(&room, &ir, plain()).noise(place, snr).made();
                let what = format!("{channels} channels of {}, {place}, {snr}", clip[0].len());
                let gain = 10f64.powf(done.noise_gain_db.unwrap() / 20.0);
                let start = (place * clip[0].len() as f64) as usize % clip[0].len();
                let laid = |k: usize| -> Vec<f64> {
                    let at = |n: usize| (start + n) % clip[0].len();
                    let value = |n: usize| match channels {
                        2 => clip[k][at(n)],
                        _ => clip.iter().map(|c| c[at(n)]).sum::<f64>() / channels as f64,
                    };
                    (0..frames).map(value).collect()
                };
                let laid = [laid(0), laid(1)];
                let made = 10.0 * (power(&clean) / power(&laid)).log10() - 20.0 * gain.log10();
                assert!((made - snr).abs() < 1e-4, "{what}: {made}");
                assert_eq!(done.snr_db, Some(snr));
                for k in 0..2 {
                    let sum = clean[k]
                        .iter()
                        .zip(&laid[k])
                        .map(|(v, noise)| v + gain * noise);
                    near(&noisy[k], &sum.collect::<Vec<f64>>(), -125.0, &what);
                }
            }
        }
    }
}

#[test]
fn noise_at_another_rate_keeps_its_pitch_and_has_its_snr() {
    let room = Room::new();
    let frames = 30_000;
    room.wav("in.wav", &float(&[sound(1, frames)]));
    let ir = [vec![1.0]];
    let (_, clean, _) = Job::new(&room, &ir, Augment::default()).made();
    for (rate, clip) in [
        (44_100, 60_000),
        (16_000, 20_000),
        (96_000, 70_000),
        (44_100, 4410),
    ] {
        // 1 kHz, whole periods in every clip.
        let tone = |n: usize| {
            let phase = std::f64::consts::TAU * 1000.0 * n as f64 / f64::from(rate);
            f64::from((0.2 * phase.sin()) as f32)
        };
        let tone: Vec<f64> = (0..clip).map(tone).collect();
        room.wav("noise.wav", &float(&[tone]).rate(rate));
        let (_, noisy, _) = Job::new(&room, &ir, Augment::default())
            .noise(0.0, 6.0)
            .made();
        let noise: Vec<f64> = noisy[0].iter().zip(&clean[0]).map(|(a, b)| a - b).collect();
        let snr = 10.0 * (power(&clean) / power(std::slice::from_ref(&noise))).log10();
        assert!((snr - 6.0).abs() < 1e-3, "{rate}: {snr}");
        // But for the start, where what lies before the clip is silence, it is the tone.
        let (mut sine, mut cosine) = (0.0, 0.0);
        let inner = 1920..29_760;
        for n in inner.clone() {
            let (s, c) = (std::f64::consts::TAU * n as f64 / 48.0).sin_cos();
            sine += s * noise[n];
            cosine += c * noise[n];
        }
        let share = 2.0 / inner.len() as f64;
        let (sine, cosine) = (sine * share, cosine * share);
        let rest = inner.clone().map(|n| {
            let (s, c) = (std::f64::consts::TAU * n as f64 / 48.0).sin_cos();
            (noise[n] - sine * s - cosine * c).powi(2)
        });
        let rest = rest.sum::<f64>() * share / (sine * sine + cosine * cosine);
        let rest = 10.0 * rest.log10();
        assert!(
            rest < -100.0,
            "{rate}, {clip} frames: {rest:.1} dB beside the tone"
        );
        // It begins when it should.
        assert!((cosine / sine).abs() < 1e-3, "{rate}: {}", cosine / sine);
    }
}

// ---------------------------------------------------------------- full scale, and both or none

fn loud(room: &Room) -> [Vec<f64>; 1] {
    room.wav("in.wav", &wav(I16, &[vec![0.5; 4000]]));
    room.wav("noise.wav", &float(&[sound(3, 700)]));
    [[vec![2.5], vec![0.0; 999], vec![-1.5]].concat()]
}

#[test]
fn what_exceeds_full_scale_is_refused_with_the_gain_that_fits_and_the_guard_lowers_both() {
    for snr in [None, Some(30.0)] {
        let room = Room::new();
        let ir = loud(&room);
        let how = |gain, guard| Augment {
            render: Render {
                gain,
                guard,
                ..Render::default()
            },
            early: Some(0.005),
            ..Augment::default()
        };
        let job = |gain, guard| {
            let job = Job {
                format: SampleFormat::I16,
                ..Job::new(&room, &ir, how(gain, guard))
            };
            match snr {
                Some(snr) => job.noise(0.0, snr),
                None => job,
            }
        };
        let gain_db = match job(1.0, false).run::<f32>() {
            Err(RunError::OverFullScale { file, gain_db, .. }) => {
                assert!(file.ends_with("wet.wav"), "{file}");
                gain_db
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(room.files(), ["in.wav", "noise.wav"]);
        let fits = 10f64.powf(gain_db / 20.0);
        let done = job(fits, false).run::<f32>().unwrap();
        assert!((0.98..1.0).contains(&done.report.levels.peak()), "{done:?}");
        let (plain, early) = (room.read("wet.wav"), room.read("early.wav"));
        let done = job(1.0, true).run::<f32>().unwrap();
        assert!((done.report.guard_db - gain_db).abs() < 0.11, "{done:?}");
        assert_eq!(done.early.as_ref().unwrap().guard_db, done.report.guard_db);
        assert_eq!((done.report.levels.clipped, plain.kind), (0, I16));
        // Lowered alike: the two runs differ by one factor, or the tenth that is rounded off.
        let factor = 10f64.powf((done.report.gain_db - gain_db) / 20.0);
        for (file, other) in [("wet.wav", plain), ("early.wav", early)] {
            let other: Vec<f64> = other.channels[0].iter().map(|v| v * factor).collect();
            near(&room.read(file).channels[0], &other, -75.0, file);
        }
    }
}

#[test]
fn an_early_file_that_exceeds_full_scale_takes_the_other_with_it() {
    let room = Room::new();
    let slope = (0..4000).map(|n| f64::from(n) / 8192.0).collect();
    room.wav("in.wav", &wav(I16, &[slope]));
    // What comes later takes away what is too much.
    let ir = [vec![1.5, 1.0, -1.0]];
    let job = Job {
        format: SampleFormat::I16,
        ..Job::new(
            &room,
            &ir,
            Augment {
                early: Some(2.0 / f64::from(RATE)),
                length: Length::Same,
                ..Augment::default()
            },
        )
    };
    let text = job.refused();
    assert!(text.contains("early.wav: the result exceeds"), "{text}");
    assert!(text.contains("a gain of -1.8 dB fits"), "{text}");
    assert_eq!(room.files(), ["in.wav"]);
}

#[test]
fn where_one_file_cannot_be_delivered_neither_is() {
    let room = Room::new();
    room.wav("in.wav", &float(&[sound(1, 500)]));
    let ir = [late_response(2, 300)];
    let how = Augment {
        early: Some(0.05),
        ..Augment::default()
    };
    let job = Job::new(&room, &ir, how);
    let (wet, early) = (room.path("wet.wav"), room.path("early.wav"));
    let to = Targets {
        wet: &wet,
        early: Some(&early),
        container: None,
        format: None,
        replace: false,
    };
    room.bytes("early.wav", b"theirs");
    let text = job.run_to::<f32>(&to).unwrap_err().to_string();
    assert!(text.contains("early.wav: exists already"), "{text}");
    assert_eq!(room.files(), ["early.wav", "in.wav"]);
    // The name of the first taken while the second is on its way.
    fs::remove_file(&early).unwrap();
    let source = FileSource::open(&room.path("in.wav")).unwrap();
    let kit = Kit::<f32>::new(&response(&ir), 1, &job.how).unwrap();
    let taken = wet.clone();
    let mut progress = |_| fs::write(&taken, "theirs").unwrap();
    let refused = reverberate(source, &kit, &job.how, None, &to, &mut progress);
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("wet.wav: exists already"), "{text}");
    assert_eq!(room.files(), ["in.wav", "wet.wav"]);
    let same = Targets {
        early: Some(&wet),
        ..to
    };
    let text = job.run_to::<f32>(&same).unwrap_err().to_string();
    assert!(text.contains("wet.wav"), "{text}");
}

#[test]
fn the_input_s_format_is_kept_and_what_needs_nothing_is_what_render_makes() {
    for kind in [I16, I24, F32] {
        let room = Room::new();
        let steps = 1.0 / 64.0;
        let x: Vec<f64> = sound(1, 5000)
            .iter()
            .map(|v| (v / steps).round() * steps)
            .collect();
        room.wav("in.wav", &wav(kind, &[x]));
        let h: Vec<f64> = late_response(2, 800).iter().map(|tap| 0.25 * tap).collect();
        room.wav("ir.wav", &float(std::slice::from_ref(&h)));
        let ir = [h];
        let wet = room.path("wet.wav");
        let to = Targets {
            wet: &wet,
            early: None,
            container: None,
            format: None,
            replace: false,
        };
        let done = Job::new(&room, &ir, Augment::default())
            .run_to::<f32>(&to)
            .unwrap();
        room.faltung("render in.wav ir.wav rendered.wav -q").ok();
        let bytes = |name: &str| fs::read(room.path(name)).unwrap();
        assert!(bytes("wet.wav") == bytes("rendered.wav"), "{kind:?}");
        assert_eq!(done.format.bytes(), Kind::bytes(kind));
    }
}

// ---------------------------------------------------------------- what is refused

#[test]
fn what_does_not_fit_is_refused_with_names_and_values() {
    let room = Room::new();
    room.wav("in.wav", &float(&[sound(1, 3000)]));
    let silence = [vec![0.0; 1000], sound(2, 1000)].concat();
    room.wav("noise.wav", &float(&[silence]));
    let ir = [late_response(2, 500)];
    let with = |how| Job::new(&room, &ir, how);
    let plain = Augment::default;
    let short = |render| Augment {
        render,
        align: Align::Onset,
        length: Length::Same,
        ..plain()
    };
    let dry = Render {
        dry: 0.5,
        ..Render::default()
    };
    let same = Render {
        mode: Mode::Same,
        ..Render::default()
    };
    let early = |early| Augment {
        early: Some(early),
        ..plain()
    };
    room.wav("short.wav", &float(&[sound(1, 100)]));
    for (job, words) in [
        (with(short(dry)), "the dry signal lies at its place"),
        (with(short(same)), "mode same"),
        (with(early(0.0)), "0 s is no length"),
        (with(early(f64::NAN)), "NaN s is no length"),
        (
            with(plain()).noise(1.5, 0.0),
            "noise.wav: a noise cannot begin at 1.5",
        ),
        (
            with(plain()).noise(0.0, f64::NAN),
            "noise.wav: an SNR of NaN dB",
        ),
    ] {
        let text = job.refused();
        assert!(text.contains(words), "{text}");
    }
    let (wet, early) = (room.path("wet.wav"), room.path("early.wav"));
    let to = Targets {
        wet: &wet,
        early: Some(&early),
        container: None,
        format: None,
        replace: false,
    };
    let text = with(plain()).run_to::<f32>(&to).unwrap_err().to_string();
    assert!(
        text.contains("early.wav: how long the early part"),
        "{text}"
    );
    let source = FileSource::open(&room.path("in.wav")).unwrap();
    let kit = Kit::<f32>::new(&response(&ir), 2, &plain()).unwrap();
    let refused = reverberate(source, &kit, &plain(), None, &to, &mut |_| {});
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("in.wav: has 1 channel(s) where"), "{text}");
    let refused = Kit::<f32>::new(&response(&[vec![1.0], vec![1.0]]), 3, &plain());
    let text = refused.unwrap_err().to_string();
    assert!(
        text.contains("an input of 3 channel(s) with impulse response"),
        "{text}"
    );
    // Silent as far as it is used, but not where it goes on.
    room.wav("in.wav", &float(&[sound(1, 400)]));
    let text = with(plain()).noise(0.0, 3.0).refused();
    assert!(
        text.contains("noise.wav: is silent for all of the 0.019 s from 0.000 s"),
        "{text}"
    );
    with(plain()).noise(0.5, 3.0).run::<f32>().unwrap();
    let missing = Noise {
        file: PathBuf::from("/nowhere/noise.wav"),
        place: 0.0,
        snr_db: 0.0,
    };
    let job = Job {
        noise: Some(missing),
        ..with(plain())
    };
    assert!(job.refused().contains("/nowhere/noise.wav: no such file"));
    room.wav("noise.wav", &float(&[sound(2, 1000)]).rate(8_000_000));
    let text = with(plain()).noise(0.0, 3.0).refused();
    assert!(
        text.contains("noise.wav: cannot be brought from 8000000 Hz to 48000 Hz"),
        "{text}"
    );
    assert_eq!(
        room.files(),
        ["in.wav", "noise.wav", "short.wav", "wet.wav"]
    );
}

#[test]
fn a_kit_serves_all_threads_and_tells_its_onset() {
    fn shared<T: Send + Sync>(_: &T) {}
    let kit = Kit::<f32>::new(&response(&[late_response(2, 500)]), 1, &Augment::default());
    let kit = kit.unwrap();
    shared(&kit);
    let onset = kit.onset().unwrap();
    assert!((onset - 40.0).abs() < 0.01, "{onset}");
}

#[test]
fn choices_are_read_as_they_are_printed() {
    fn both<T: std::str::FromStr<Err = String> + std::fmt::Display + Default>(names: [&str; 2]) {
        for name in names {
            assert_eq!(name.parse::<T>().unwrap().to_string(), name);
        }
        assert_eq!(T::default().to_string(), names[0]);
        let text = "x".parse::<T>().err().unwrap();
        assert!(text.contains("`x`") && text.contains(names[1]), "{text}");
    }
    both::<Length>(["full", "same"]);
    both::<Align>(["none", "onset"]);
    both::<LevelMatch>(["none", "keep"]);
}
