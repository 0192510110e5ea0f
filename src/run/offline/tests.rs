//! Sessions against the definition.

use super::*;
use crate::dsp::clip::convolve;
use crate::dsp::routing::Route;
use crate::io::{ReadError, SampleFormat, Sink, Source, Spec, WriteError};
use crate::signal::Audio;

const RATE: u32 = 1000;

fn noise(seed: u64, frames: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        // Few bits, so that f32 holds them and sums stay exact enough to compare.
        ((state >> 40) as f64 / (1u64 << 23) as f64 - 1.0) * 0.5
    };
    (0..frames).map(|_| f64::from(next() as f32)).collect()
}

fn spec(channels: usize, format: SampleFormat) -> Spec {
    Spec {
        rate: SampleRate::new(RATE).unwrap(),
        channels,
        format,
    }
}

/// A source that hands out pieces.
struct Memory {
    channels: Vec<Vec<f64>>,
    at: usize,
    /// Most frames of the piece that begins at a frame.
    most: fn(usize) -> usize,
}

impl Memory {
    /// Hands out odd pieces.
    fn new(channels: Vec<Vec<f64>>) -> Self {
        Self {
            channels,
            at: 0,
            most: |at| 1 + (at * 7 + 331) % 5003,
        }
    }
}

impl Source<f64> for Memory {
    fn name(&self) -> &str {
        "memory"
    }
    fn spec(&self) -> Spec {
        spec(self.channels.len(), SampleFormat::F32)
    }
    fn frames(&self) -> Option<u64> {
        Some(self.channels[0].len() as u64)
    }
    fn read(&mut self, block: &mut [Vec<f64>]) -> Result<usize, ReadError> {
        let left = self.channels[0].len() - self.at;
        let frames = left.min(block[0].len()).min((self.most)(self.at));
        for (to, from) in block.iter_mut().zip(&self.channels) {
            to[..frames].copy_from_slice(&from[self.at..self.at + frames]);
        }
        self.at += frames;
        Ok(frames)
    }
    fn replaced(&self) -> Replaced {
        Replaced::default()
    }
}

/// A sink that keeps everything, with full scale or without.
struct Kept<'a> {
    spec: Spec,
    into: &'a mut Vec<Vec<f64>>,
    levels: Levels,
}

impl Sink<f64> for Kept<'_> {
    fn name(&self) -> &str {
        "/tmp/faltung-kept"
    }
    fn spec(&self) -> Spec {
        self.spec
    }
    fn can_take_back(&self) -> bool {
        true
    }
    fn write(&mut self, block: &[Vec<f64>]) -> Result<(), WriteError> {
        self.levels.watch(block);
        let over = |v: &&f64| self.spec.format != SampleFormat::F32 && v.abs() > 1.0;
        self.levels.clipped += block.iter().flatten().filter(over).count() as u64;
        let beyond = |v: &&f64| !v.is_finite();
        self.levels.nonfinite += block.iter().flatten().filter(beyond).count() as u64;
        for (into, block) in self.into.iter_mut().zip(block) {
            into.extend_from_slice(block);
        }
        Ok(())
    }
    fn levels(&self) -> Levels {
        self.levels
    }
    fn finish(self) -> Result<(), WriteError> {
        Ok(())
    }
}

fn response(channels: Vec<Vec<f64>>) -> ImpulseResponse {
    let narrow = |c: Vec<f64>| c.into_iter().map(|v| v as f32).collect();
    let channels = channels.into_iter().map(narrow).collect();
    ImpulseResponse::new(Audio::new(SampleRate::new(RATE).unwrap(), channels).unwrap()).unwrap()
}

fn try_render(
    input: Vec<Vec<f64>>,
    ir: Vec<Vec<f64>>,
    options: Render,
    format: SampleFormat,
) -> Result<(Vec<Vec<f64>>, Report), RunError> {
    deliver(
        Session::new(Memory::new(input), &response(ir), options)?,
        format,
    )
}

fn deliver(
    session: Session<f64, Memory>,
    format: SampleFormat,
) -> Result<(Vec<Vec<f64>>, Report), RunError> {
    let mut into = vec![Vec::new(); session.outputs()];
    let spec = spec(session.outputs(), format);
    let promised = session.frames_out();
    let sink = Kept {
        spec,
        into: &mut into,
        levels: Levels::default(),
    };
    let report = session.run(sink, &mut |_| {})?;
    if let Some(promised) = promised {
        assert_eq!(promised, into[0].len() as u64, "frames_out");
    }
    assert_eq!(report.frames_out, into[0].len() as u64);
    Ok((into, report))
}

fn render(x: &[f64], h: &[f64], options: Render) -> Vec<f64> {
    let done = try_render(
        vec![x.to_vec()],
        vec![h.to_vec()],
        options,
        SampleFormat::F32,
    );
    done.unwrap().0.remove(0)
}

#[track_caller]
fn near(got: &[f64], expected: &[f64], what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (k, (a, b)) in got.iter().zip(expected).enumerate() {
        assert!((a - b).abs() < 1e-11, "{what}: frame {k} is {a}, not {b}");
    }
}

/// The definition at the head of this file, by the one-shot convolution.
fn defined(x: &[f64], h: &[f64], options: &Render, predelay: usize) -> Vec<f64> {
    let late = [&vec![0.0; predelay], h].concat();
    let mut full = convolve(x, &late, Mode::Full).unwrap();
    full.iter_mut().for_each(|v| *v *= options.wet);
    for (sum, dry) in full.iter_mut().zip(x) {
        *sum += options.dry * dry;
    }
    full.iter_mut().for_each(|v| *v *= options.gain);
    full[options.mode.range(x.len(), late.len())].to_vec()
}

#[test]
fn a_session_gives_what_the_definition_says_in_every_mode() {
    for (n, m) in [
        (1, 1),
        (5, 3),
        (3, 5),
        (4, 4),
        (2, 9000),
        (9000, 2),
        (20_000, 777),
        (777, 9001),
    ] {
        let (x, h) = (noise(1, n), noise(2, m));
        for mode in [Mode::Full, Mode::Same, Mode::Valid] {
            for (dry, predelay) in [(0.0, 0), (0.25, 0), (0.25, 30), (0.0, 9500), (0.5, 9500)] {
                for latency in [None, Some(Latency::Zero), Some(Latency::AtMost(512))] {
                    let options = Render {
                        mode,
                        dry,
                        wet: 0.75,
                        gain: 0.5,
                        predelay: predelay as f64 / f64::from(RATE),
                        latency,
                        ..Render::default()
                    };
                    let expected = defined(&x, &h, &options, predelay);
                    let what = format!("{n} * {m}, {options:?}");
                    near(&render(&x, &h, options), &expected, &what);
                }
            }
        }
    }
}

/// The bits of all channels.
fn bits(channels: &[Vec<f64>]) -> Vec<Vec<u64>> {
    let bits = |channel: &Vec<f64>| channel.iter().map(|value| value.to_bits()).collect();
    channels.iter().map(bits).collect()
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let room: Vec<Vec<f64>> = (5..9).map(|seed| noise(seed, 20_000)).collect();
    for (n, tail, dry, gain) in [
        (200_000, Tail::Full, 0.0, 1.0),
        (200_000, Tail::Full, 0.5, 0.25),
        (8192 * 3, Tail::Full, 0.0, 0.5),
        (8192 * 3 + 1, Tail::Cut, 0.0, 1.0),
        (50, Tail::Seconds(9.0), 0.0, 1.0),
        (50_000, Tail::Down(-10.0), 0.0, 1.0),
    ] {
        let input = vec![noise(1, n), noise(2, n)];
        let with = |threads, latency| {
            let options = Render {
                tail,
                dry,
                gain,
                predelay: 0.7,
                threads: Some(threads),
                latency,
                ..Render::default()
            };
            let done = try_render(input.clone(), room.clone(), options, SampleFormat::F32);
            done.unwrap()
        };
        let (alone, report) = with(1, None);
        assert_eq!(report.threads, 1);
        for threads in [2, 3, 8] {
            let (together, _) = with(threads, None);
            assert!(
                bits(&together) == bits(&alone),
                "{n} frames, {threads} threads"
            );
        }
        let (stream, _) = with(1, Some(Latency::Zero));
        for (alone, stream) in alone.iter().zip(&stream) {
            near(alone, stream, &format!("{n} frames, {tail:?}"));
        }
    }
}

#[test]
fn parts_of_a_matrix_that_share_nothing_are_computed_apart() {
    // Two inputs to one output, one to two, others alone, input 8 to nobody; output 3 is silent. So
    // many channels that their blocks are read and written in pieces, and several blocks at once.
    let routes = [
        (0, 0, 0),
        (1, 0, 1),
        (2, 1, 0),
        (2, 2, 1),
        (3, 4, 2),
        (4, 5, 0),
        (5, 6, 0),
        (6, 7, 1),
        (7, 8, 2),
    ];
    let routes = routes.map(|(input, output, ir)| Route { input, output, ir });
    let mut irs: Vec<Vec<f64>> = (20..23).map(|seed| noise(seed, 150_000)).collect();
    irs[1][90_000..].fill(0.0);
    irs[2][700..].fill(0.0);
    for (n, dry) in [(300_000, 0.0), (40_000, 0.25)] {
        let input: Vec<Vec<f64>> = (1..10).map(|seed| noise(seed, n)).collect();
        let with = |threads, latency| {
            let options = Render {
                dry,
                routing: Some(Routing::Custom {
                    outputs: 9,
                    routes: routes.to_vec(),
                }),
                threads: Some(threads),
                latency,
                ..Render::default()
            };
            let done = try_render(input.clone(), irs.clone(), options, SampleFormat::F32);
            done.unwrap().0
        };
        let alone = with(1, None);
        for threads in [2, 5] {
            let together = with(threads, None);
            assert!(bits(&together) == bits(&alone), "{threads} threads");
        }
        assert!(dry != 0.0 || alone[3].iter().all(|&value| value == 0.0));
        let stream = with(1, Some(Latency::Zero));
        for (alone, stream) in alone.iter().zip(&stream) {
            near(alone, stream, &format!("{n} frames"));
        }
    }
}

#[test]
fn one_ready_response_serves_many_sessions() {
    let (x, h) = (noise(1, 30_000), noise(2, 9000));
    let ready = Ready::new(&response(vec![h.clone()]), 1, &Render::default()).unwrap();
    let expected = render(&x, &h, Render::default());
    for _ in 0..2 {
        let source = Memory::new(vec![x.clone()]);
        let session = Session::with_ready(source, &ready, Render::default()).unwrap();
        let (out, _) = deliver(session, SampleFormat::F32).unwrap();
        assert_eq!(out[0], expected);
    }
    let two = Memory::new(vec![x; 2]);
    let refused = Session::with_ready(two, &ready, Render::default());
    let text = refused.err().unwrap().to_string();
    assert!(
        text.contains("2 channel(s) where impulse response was made ready for 1"),
        "{text}"
    );
}

/// A source that breaks in the middle, by an error or a panic.
struct Broken(Memory, bool);

impl Source<f64> for Broken {
    fn name(&self) -> &str {
        "broken"
    }
    fn spec(&self) -> Spec {
        Source::<f64>::spec(&self.0)
    }
    fn frames(&self) -> Option<u64> {
        None
    }
    fn read(&mut self, block: &mut [Vec<f64>]) -> Result<usize, ReadError> {
        if self.0.at > 60_000 {
            assert!(!self.1, "the source panics");
            return Err(ReadError::Missing {
                file: "broken".into(),
            });
        }
        self.0.read(block)
    }
    fn replaced(&self) -> Replaced {
        Replaced::default()
    }
}

#[test]
fn what_breaks_ends_all_threads() {
    for threads in [1, 4] {
        let run = |panics| {
            let source = Broken(Memory::new(vec![noise(1, 100_000)]), panics);
            let options = Render {
                threads: Some(threads),
                ..Render::default()
            };
            let session = Session::new(source, &response(vec![noise(2, 9000)]), options).unwrap();
            let mut into = vec![Vec::new()];
            let sink = Kept {
                spec: spec(1, SampleFormat::F32),
                into: &mut into,
                levels: Levels::default(),
            };
            session.run(sink, &mut |_| {})
        };
        assert!(run(false).unwrap_err().to_string().contains("no such file"));
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(true)));
        assert!(caught.is_err());
    }
}

#[test]
fn leading_zeros_of_a_response_are_a_delay_that_rounds_nothing() {
    let x = noise(1, 12_000);
    let h = [vec![0.0; 5000], vec![1.0], vec![0.0; 10]].concat();
    let expected = [vec![0.0; 5000], x.clone(), vec![0.0; 10]].concat();
    assert_eq!(render(&x, &h, Render::default()), expected);
    assert_eq!(
        render(&x, &[0.0; 100], Render::default()),
        vec![0.0; 12_099]
    );
}

#[test]
fn a_tail_ends_where_it_was_told() {
    let (x, h) = (noise(1, 9000), noise(2, 3000));
    let full = render(&x, &h, Render::default());
    let with = |tail| {
        render(
            &x,
            &h,
            Render {
                tail,
                ..Render::default()
            },
        )
    };
    assert_eq!(with(Tail::Cut), full[..9000]);
    assert_eq!(with(Tail::Seconds(1.5)), full[..10_500]);
    assert_eq!(with(Tail::Seconds(100.0)), full);
    assert_eq!(with(Tail::Seconds(0.0)), full[..9000]);
}

#[test]
fn a_tail_fades_to_the_last_frame_that_reaches_its_level() {
    let decay = |k: usize| 10f64.powf(-(k as f64) / 4000.0);
    let peak = |c: &[f64]| c.iter().fold(0.0f64, |peak, v| peak.max(v.abs()));
    let fading: Vec<f64> = noise(2, 30_000)
        .iter()
        .enumerate()
        .map(|(k, v)| v * decay(k))
        .collect();
    // Louder at its end than anything before: nothing may be lost, whatever was held back.
    let rising: Vec<f64> = fading.iter().rev().copied().collect();
    for (n, h) in [(700, &fading), (700, &rising), (10_000, &fading)] {
        let x = noise(1, n);
        let full = render(&x, h, Render::default());
        for db in [-20.0, -40.0, -60.0, -300.0, f64::NEG_INFINITY] {
            let least = from_db(db) * peak(&full);
            let loud = |v: &f64| v.abs() >= least && *v != 0.0;
            let end = full
                .iter()
                .rposition(loud)
                .map_or(0, |last| last + 1)
                .max(n);
            let got = render(
                &x,
                h,
                Render {
                    tail: Tail::Down(db),
                    ..Render::default()
                },
            );
            assert_eq!(got, full[..end], "{n} frames, {db} dB");
        }
    }
    let silence = Render {
        tail: Tail::Down(-60.0),
        ..Render::default()
    };
    assert_eq!(render(&[0.0; 50], &[1.0; 20], silence), [0.0; 50]);
}

#[test]
fn dry_goes_to_every_output_of_a_mono_input_and_channel_by_channel_else() {
    let options = Render {
        dry: 1.0,
        wet: 0.5,
        ..Render::default()
    };
    let stereo = vec![vec![2.0], vec![4.0]];
    let (out, _) = try_render(
        vec![vec![1.0]],
        stereo.clone(),
        options.clone(),
        SampleFormat::F32,
    )
    .unwrap();
    assert_eq!(out, [[2.0], [3.0]]);
    let (out, _) = try_render(stereo, vec![vec![1.0]], options.clone(), SampleFormat::F32).unwrap();
    assert_eq!(out, [[3.0], [6.0]]);
    let routing = Some(Routing::Custom {
        outputs: 3,
        routes: Vec::new(),
    });
    let options = Render { routing, ..options };
    let refused = try_render(
        vec![vec![1.0]; 2],
        vec![vec![1.0]],
        options,
        SampleFormat::F32,
    );
    assert!(refused.unwrap_err().to_string().contains("2 dry channels"));
}

#[test]
fn over_full_scale_is_refused_with_a_gain_that_fits_and_the_guard_applies_it() {
    let (x, h) = (noise(1, 20_000), noise(2, 50));
    let both = |guard, gain| {
        let options = Render {
            guard,
            gain,
            ..Render::default()
        };
        try_render(vec![x.clone()], vec![h.clone()], options, SampleFormat::I24)
    };
    let gain_db = match both(false, 8.0).unwrap_err() {
        RunError::OverFullScale {
            gain_db, clipped, ..
        } if clipped > 0 => gain_db,
        other => panic!("{other}"),
    };
    let (fitting, report) = both(false, from_db(gain_db)).unwrap();
    assert!(
        (0.98..1.0).contains(&report.levels.peak()),
        "{:?}",
        report.levels
    );
    let (guarded, report) = both(true, 8.0).unwrap();
    assert!(
        (0.98..1.0).contains(&report.levels.peak()),
        "{:?}",
        report.levels
    );
    assert!((report.gain_db - to_db(8.0) - report.guard_db).abs() < 1e-9);
    assert!((report.gain_db - gain_db).abs() <= 0.1 + 1e-9);
    assert_eq!(guarded[0].len(), fitting[0].len());
    // Where nothing exceeds full scale, the guard changes no bit.
    let (plain, _) = both(false, 0.1).unwrap();
    let (guarded, report) = both(true, 0.1).unwrap();
    assert_eq!((plain, 0.0), (guarded, report.guard_db));
}

#[test]
fn what_does_not_fit_is_refused() {
    let refused = |input: usize, irs: usize, options| {
        let input = vec![vec![1.0]; input];
        let done = try_render(input, vec![vec![1.0]; irs], options, SampleFormat::F32);
        done.unwrap_err().to_string()
    };
    let text = refused(3, 2, Render::default());
    assert!(
        text.starts_with("memory with impulse response: 3 input"),
        "{text}"
    );
    let options = Render {
        mode: Mode::Same,
        tail: Tail::Cut,
        ..Render::default()
    };
    assert!(refused(1, 1, options).contains("mode same"));
    let empty = try_render(
        vec![vec![]],
        vec![vec![1.0]],
        Render::default(),
        SampleFormat::F32,
    );
    assert!(empty.unwrap_err().to_string().contains("no samples"));
}

#[test]
fn swaps_come_at_their_frames_however_the_source_is_read() {
    let (x, irs) = (
        noise(1, 30_000),
        [noise(2, 7000), noise(3, 300), noise(4, 2500)],
    );
    let irs = irs.map(|h| response(vec![h]));
    for swap in [Swap::Warm, Swap::Ring, Swap::Cut] {
        // Close to one another, so that some have to wait; the last one behind the end.
        let times = [8191, 8192, 8193, 9000, 12_345, 12_500, 25_000, 30_000];
        let swap_at = |(index, &frame): (usize, &u64)| SwapAt {
            frame,
            ir: &irs[(index + 1) % 3],
            swap,
        };
        let swaps: Vec<SwapAt> = times.iter().enumerate().map(swap_at).rev().collect();
        let made = |most: fn(usize) -> usize| {
            let source = Memory {
                most,
                ..Memory::new(vec![x.clone()])
            };
            let session = Session::with_swaps(source, &irs[0], &swaps, Render::default());
            let (out, report) = deliver(session.unwrap(), SampleFormat::F32).unwrap();
            assert_eq!(report.swaps, 7, "{swap:?}");
            let bits = out[0].iter().map(|value| value.to_bits());
            bits.collect::<Vec<u64>>()
        };
        let whole = made(|_| usize::MAX);
        for most in [|_| 1, |_| 64, |_| 1000, |at| 1 + (at * 7 + 331) % 5003] {
            assert!(made(most) == whole, "{swap:?}");
        }
    }
}

#[test]
fn swaps_that_do_not_fit_are_refused() {
    let irs = [response(vec![vec![1.0]]), response(vec![vec![1.0]; 2])];
    let refused = |mode, swaps: &[(u64, usize)]| {
        let swap_at = |&(frame, ir): &(u64, usize)| SwapAt {
            frame,
            ir: &irs[ir],
            swap: Swap::Warm,
        };
        let swaps: Vec<SwapAt> = swaps.iter().map(swap_at).collect();
        let options = Render {
            mode,
            ..Render::default()
        };
        let source = Memory::new(vec![vec![1.0; 9]]);
        Session::<f64, _>::with_swaps(source, &irs[0], &swaps, options)
            .err()
            .map_or(String::new(), |error| error.to_string())
    };
    assert_eq!(refused(Mode::Full, &[(1, 0), (0, 0)]), "");
    assert!(refused(Mode::Same, &[(1, 0)]).contains("mode same"));
    assert!(refused(Mode::Full, &[(1, 0), (2, 1)]).contains("2 channel(s)"));
    assert!(refused(Mode::Full, &[(5, 0), (2, 0), (5, 0)]).contains("frame 5"));
}

#[test]
fn a_response_at_another_rate_is_refused() {
    let audio = Audio::new(SampleRate::new(44_100).unwrap(), vec![vec![1.0]]).unwrap();
    let ir = ImpulseResponse::new(audio).unwrap();
    let source = Memory::new(vec![vec![1.0]]);
    let text = Session::<f64, _>::new(source, &ir, Render::default())
        .err()
        .unwrap()
        .to_string();
    assert!(
        text.contains("44100 Hz") && text.contains("1000 Hz"),
        "{text}"
    );
}

#[test]
fn values_beyond_a_float_are_refused() {
    let options = Render {
        gain: 10.0,
        ..Render::default()
    };
    let input = vec![vec![1e308]];
    let refused = try_render(input, vec![vec![2.0]], options, SampleFormat::F32).unwrap_err();
    assert!(
        matches!(refused, RunError::Overflow { count: 1, .. }),
        "{refused}"
    );
}
