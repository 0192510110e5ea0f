//! What measuring through devices promises, on scripted ones: a loop whose every frame is known.
#![cfg(feature = "live")]

mod signals;

use std::collections::VecDeque;
use std::f64::consts::{PI, TAU};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use faltung::io::memory::{MemoryPorts, Script};
use faltung::io::port::{Clocks, Direction, FaultKind};
use faltung::ir::measure::{DriftOption, Options, Sweep, SweepSetup, deconvolve};
use faltung::run::measure::{
    Deck, Disturbance, Measured, MeasuringError, Program, Progress, Session, Setup, Stage,
    TakeError, Zero,
};
use faltung::{Audio, SampleRate};
use rustfft::num_complex::Complex;
use signals::Noise;

const RATE: u32 = 48_000;
/// Frames of a cycle.
const PERIOD: usize = 256;

fn rate(hz: u32) -> SampleRate {
    SampleRate::new(hz).unwrap()
}

/// What lies between a loudspeaker's channel and a microphone's.
#[derive(Clone)]
struct Way {
    from: usize,
    to: usize,
    /// Frame and gain of each tap.
    taps: Vec<(usize, f32)>,
}

fn way(from: usize, to: usize, taps: &[(usize, f32)]) -> Way {
    let taps = taps.to_vec();
    Way { from, to, taps }
}

/// Devices whose loudspeaker is heard by their microphone, ten times as fast as in truth.
struct Loop {
    script: Script,
    over: Arc<AtomicBool>,
    cycles: Option<JoinHandle<()>>,
}

/// What happens in a cycle beside.
type Accident = Box<dyn FnMut(&Script, usize, &mut [f32]) + Send>;

impl Loop {
    fn new(channels: [usize; 2], ways: &[Way]) -> (Box<MemoryPorts>, Self) {
        Self::with(channels, ways, Box::new(|_, _, _| {}))
    }

    /// `accident` sees the number of the cycle and what the microphone is about to hear.
    fn with(channels: [usize; 2], ways: &[Way], accident: Accident) -> (Box<MemoryPorts>, Self) {
        Self::at([RATE; 2], channels, ways, accident)
    }

    /// Where the microphone takes every n-th frame of what it hears.
    fn at(
        rates: [u32; 2],
        channels: [usize; 2],
        ways: &[Way],
        mut accident: Accident,
    ) -> (Box<MemoryPorts>, Self) {
        let share = (rates[1] / rates[0]) as usize;
        let clocks = match share {
            1 => Clocks::One,
            _ => Clocks::Two,
        };
        let (ports, script) = MemoryPorts::new(rates.map(rate), channels, clocks);
        let (over, ways) = (Arc::new(AtomicBool::new(false)), ways.to_vec());
        let (ended, devices) = (over.clone(), script.clone());
        let cycles = thread::spawn(move || {
            let [ins, outs] = channels;
            let longest = ways.iter().flat_map(|way| way.taps.iter().map(|tap| tap.0));
            let longest = longest.max().unwrap_or(0);
            let mut past: VecDeque<Vec<f32>> = vec![vec![0.0; outs]; longest + 1].into();
            let mut out = vec![0.0; PERIOD * outs];
            let mut cycle = 0;
            while !ended.load(SeqCst) {
                let time = Duration::from_secs_f64(PERIOD as f64 / f64::from(RATE));
                devices.advance(time);
                devices.play(&mut out);
                let mut heard = vec![0.0; PERIOD * ins];
                for (played, heard) in out.chunks(outs).zip(heard.chunks_mut(ins)) {
                    past.push_front(played.to_vec());
                    past.truncate(longest + 1);
                    for way in &ways {
                        for &(delay, gain) in &way.taps {
                            heard[way.to] += gain * past[delay][way.from];
                        }
                    }
                }
                accident(&devices, cycle, &mut heard);
                let taken = heard.chunks(ins).step_by(share).flatten();
                let taken: Vec<f32> = taken.copied().collect();
                devices.record(&taken);
                cycle += 1;
                if cycle % 8 == 0 {
                    thread::sleep(8 * time / 10);
                }
            }
        });
        let cycles = Some(cycles);
        (
            Box::new(ports),
            Self {
                script,
                over,
                cycles,
            },
        )
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        self.over.store(true, SeqCst);
        let _ = self.cycles.take().map(JoinHandle::join);
    }
}

fn noise(frames: usize) -> Vec<f32> {
    let mut noise: Vec<f32> = Noise(3).samples(frames);
    noise.iter_mut().for_each(|x| *x *= 0.25);
    noise
}

fn program(signal: &[f32], turns: &[&[usize]]) -> Program {
    Program {
        signal: signal.to_vec(),
        turns: turns.iter().map(|turn| turn.to_vec()).collect(),
        lead: 0.1,
        tail: 0.5,
    }
}

fn on(_: &Progress) -> bool {
    true
}

// ---------------------------------------------------------------- playing and recording

#[test]
fn what_is_played_is_recorded_to_the_bit_and_where_it_began_is_known() {
    let ways = [way(1, 0, &[(777, 0.5)]), way(0, 2, &[(5, -0.25)])];
    let (ports, _loop) = Loop::new([3, 2], &ways);
    let mut deck = Deck::open(&[0, 2], ports).unwrap();
    let signal = noise(30_000);
    for _ in 0..2 {
        let take = deck.take(program(&signal, &[&[1], &[0]]), &mut on).unwrap();
        assert_eq!(take.disturbed, None);
        let began = take.began.unwrap();
        // The cycle's own time is exact here.
        assert!((began - began.round()).abs() < 1e-3, "{began}");
        let at = began.round() as usize;
        let heard = |channel: usize, from: usize, gain: f32| {
            let heard = &take.recorded.channel(channel)[from..from + signal.len()];
            heard.iter().zip(&signal).all(|(y, x)| *y == gain * x)
        };
        assert!(heard(0, at + 777, 0.5), "the first turn");
        assert!(heard(1, at + signal.len() + 5, -0.25), "the second turn");
        let loud = |channel: usize| take.recorded.channel(channel).iter().filter(|x| **x != 0.0);
        for channel in 0..2 {
            let sounding = signal.iter().filter(|x| **x != 0.0).count();
            assert_eq!(
                loud(channel).count(),
                sounding,
                "channel {channel}: in no other turn"
            );
        }
    }
}

#[test]
fn silence_is_recorded_for_as_long_as_is_asked() {
    let (ports, _loop) = Loop::new([1, 1], &[]);
    let mut deck = Deck::open(&[0], ports).unwrap();
    let take = deck.take(program(&[], &[]), &mut on).unwrap();
    assert_eq!((take.recorded.frames(), take.began), (28_800, None));
}

#[test]
fn a_take_that_lost_frames_says_so() {
    // Some time in a take, the microphone's frames of four cycles are gone; the loop knows when
    // by the sound that it hears.
    let mut since = None;
    let accident = move |script: &Script, cycle: usize, heard: &mut [f32]| {
        since = since.or_else(|| heard.iter().any(|x| *x != 0.0).then_some(cycle));
        if since.is_some_and(|since| cycle == since + 150) {
            script.advance(Duration::from_secs_f64(
                4.0 * PERIOD as f64 / f64::from(RATE),
            ));
        }
    };
    let (ports, _loop) = Loop::with([1, 1], &[way(0, 0, &[(0, 1.0)])], Box::new(accident));
    let mut deck = Deck::open(&[0], ports).unwrap();
    let take = deck
        .take(program(&noise(72_000), &[&[0]]), &mut on)
        .unwrap();
    let Some(Disturbance::Jump { milliseconds, .. }) = take.disturbed else {
        panic!("{:?}", take.disturbed);
    };
    assert!(
        (15.0..25.0).contains(&milliseconds),
        "{milliseconds} ms of 21.3"
    );
    // The next one is as it should be.
    let take = deck
        .take(program(&noise(72_000), &[&[0]]), &mut on)
        .unwrap();
    assert_eq!(take.disturbed, None);
}

#[test]
fn an_xrun_in_a_take_is_told_and_one_between_takes_is_not() {
    let (ports, playing) = Loop::new([1, 1], &[way(0, 0, &[(0, 1.0)])]);
    let mut deck = Deck::open(&[0], ports).unwrap();
    let silent = program(&[], &[]);
    deck.take(silent.clone(), &mut on).unwrap();
    playing.script.fault(Direction::Input, FaultKind::Xrun, "");
    assert_eq!(deck.take(silent.clone(), &mut on).unwrap().disturbed, None);
    let mut once = Some(());
    let mut watch = |progress: &Progress| {
        if progress.seconds > 0.2 && once.take().is_some() {
            playing.script.fault(Direction::Output, FaultKind::Xrun, "");
        }
        true
    };
    let take = deck.take(silent, &mut watch).unwrap();
    let (side, times) = (Direction::Output, 1);
    assert_eq!(take.disturbed, Some(Disturbance::Xrun { side, times }));
}

#[test]
fn a_device_that_goes_ends_the_take_with_its_reason() {
    let (ports, playing) = Loop::new([1, 1], &[]);
    let mut deck = Deck::open(&[0], ports).unwrap();
    let mut watch = |progress: &Progress| {
        if progress.seconds > 0.2 {
            let kind = FaultKind::Lost;
            playing.script.fault(Direction::Input, kind, "unplugged");
        }
        true
    };
    let lost = deck.take(program(&noise(48_000), &[&[0]]), &mut watch);
    let Err(TakeError::Lost { why }) = lost else {
        panic!("{lost:?}");
    };
    assert!(why.contains("unplugged"), "{why}");
}

#[test]
fn a_device_that_falls_silent_without_a_word_is_lost_too() {
    let (ports, playing) = Loop::new([1, 1], &[]);
    let mut deck = Deck::open(&[0], ports).unwrap();
    deck.take(program(&[], &[]), &mut on).unwrap();
    let script = playing.script.clone();
    drop(playing);
    let mut watch = |_: &Progress| {
        script.advance(Duration::from_millis(100));
        true
    };
    let lost = deck.take(program(&noise(48_000), &[&[0]]), &mut watch);
    assert!(matches!(lost, Err(TakeError::Lost { .. })), "{lost:?}");
}

#[test]
fn who_stops_a_take_hears_it_fade() {
    let heard = Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = heard.clone();
    let accident = move |_: &Script, _: usize, heard: &mut [f32]| {
        log.lock().unwrap().extend_from_slice(heard);
    };
    let (ports, _loop) = Loop::with([1, 1], &[way(0, 0, &[(0, 1.0)])], Box::new(accident));
    let mut deck = Deck::open(&[0], ports).unwrap();
    let tone = vec![0.5; 480_000];
    let mut watch = |progress: &Progress| progress.levels[0].peak < 0.5;
    let stopped = deck.take(program(&tone, &[&[0]]), &mut watch);
    assert!(matches!(stopped, Err(TakeError::Stopped)), "{stopped:?}");
    drop(deck);
    let heard = heard.lock().unwrap();
    let last = heard.iter().rposition(|x| *x == 0.5).unwrap();
    let steps = heard[last..]
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).abs());
    // 50 ms down to silence.
    assert!(steps.fold(0.0, f32::max) < 1.01 * 0.5 / 2400.0);
    assert_eq!(heard.last(), Some(&0.0));
}

#[test]
fn channels_that_are_not_there_and_what_cannot_be_played_are_refused() {
    let (ports, _loop) = Loop::new([1, 2], &[]);
    let refused = Deck::open(&[1], ports).map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("1 channel(s), channel 2"), "{refused}");
    let (ports, _loop) = Loop::new([1, 2], &[]);
    let mut deck = Deck::open(&[0], ports).unwrap();
    let refused = deck.take(program(&[0.1], &[&[2]]), &mut on).unwrap_err();
    assert!(refused.to_string().contains("channel 3"), "{refused}");
    for signal in [vec![], vec![1.1], vec![f32::NAN]] {
        let refused = deck.take(program(&signal, &[&[0]]), &mut on).unwrap_err();
        assert!(matches!(refused, TakeError::Signal { .. }), "{refused}");
    }
}

// ---------------------------------------------------------------- measuring

/// A second of sweep, softer than full scale by 12 dB.
fn setup(inputs: &[usize], outputs: &[usize], zero: Zero) -> Setup {
    Setup {
        sweep: SweepSetup {
            seconds: 1.0,
            level: 0.25,
            silence: 0.3,
            ..SweepSetup::new(rate(RATE))
        },
        inputs: inputs.to_vec(),
        outputs: outputs.to_vec(),
        zero,
        tries: 3,
    }
}

fn go_on(_: Stage<'_>, _: &Progress) -> bool {
    true
}

fn measured(
    setup: Setup,
    channels: [usize; 2],
    ways: &[Way],
    accident: Accident,
) -> Result<Measured, MeasuringError> {
    let (ports, _loop) = Loop::with(channels, ways, accident);
    let mut session = Session::open(setup, ports)?;
    session.check(&mut go_on)?;
    session.measure(&mut go_on)
}

fn nothing() -> Accident {
    Box::new(|_, _, _| {})
}

/// How far a response is from these taps, in dB beside the largest: the largest difference to
/// what they are within the band of the sweep.
fn off(response: &[f32], taps: &[(usize, f32)], sweep: &SweepSetup) -> f64 {
    const BEFORE: usize = 24_000;
    let sweep = Sweep::new(*sweep).unwrap();
    let silence = || vec![0.0; BEFORE];
    let played = sweep.samples().iter().map(|&x| x as f32).collect();
    let recorded = [silence(), played, silence()].concat();
    let recorded = Audio::new(sweep.rate(), vec![recorded]).unwrap();
    let options = Options {
        drift: DriftOption::Ignore,
        keep_delay: true,
        ..Options::default()
    };
    let one = deconvolve(&recorded, &sweep.into(), &options).unwrap().ir;
    let one = |n: usize| one.channel(0).get(n).copied().unwrap_or(0.0);
    let most = taps
        .iter()
        .fold(0.0, |most: f32, tap| most.max(tap.1.abs()));
    let off = response.iter().enumerate().map(|(n, x)| {
        let wanted = taps.iter().map(|&(at, gain)| gain * one(BEFORE + n - at));
        (x - wanted.sum::<f32>()).abs()
    });
    20.0 * f64::from(off.fold(0.0, f32::max) / most).log10()
}

/// What scripted devices leave is the rounding of a sweep to f32, and of the taps: far below what
/// is asked here, which is what a measurement promises in its band.
const NEAR: f64 = -80.0;

#[test]
fn a_known_room_comes_back_from_its_first_sound_on() {
    let taps = [(2000, 0.5), (2100, -0.25), (5000, 0.1)];
    let setup = setup(&[0], &[0], Zero::Onset);
    let sweep = setup.sweep;
    let found = measured(setup, [1, 1], &[way(0, 0, &taps)], nothing()).unwrap();
    assert_eq!((found.ir.channel_count(), found.turns.len()), (1, 1));
    // The first sound may ring a few frames before the first tap.
    let sound = found.arrival.round() as usize;
    assert!((1990..=2000).contains(&sound), "{sound}");
    let taps = taps.map(|(at, gain)| (at - sound + 240, gain));
    let off = off(found.ir.channel(0), &taps, &sweep);
    assert!(off < NEAR, "{off} dB");
    assert_eq!(found.loopback, None);
    assert!(
        (found.peaks[0] - 0.25 * 0.85).abs() < 0.25 * 0.35,
        "{}",
        found.peaks[0]
    );
}

#[test]
fn the_devices_own_delay_is_taken_away_where_it_is_known_and_kept_where_it_is_asked_for() {
    for (latency, at) in [(0.0, 3144), (3000.0, 144)] {
        let setup = setup(&[0], &[0], Zero::Sent(latency));
        let sweep = setup.sweep;
        let found = measured(setup, [1, 1], &[way(0, 0, &[(3144, -0.5)])], nothing()).unwrap();
        let off = off(found.ir.channel(0), &[(at, -0.5)], &sweep);
        assert!(off < NEAR, "{off} dB at {at}");
    }
}

/// The same as the largest difference in the spectrum from 2 to 16 kHz, phase and all.
///
/// A response that begins with frame 0 lacks what the lower edge of the band, 20 Hz, rings before:
/// a step of 2 * 20 / 48,000 at most, of which 0.003 are left at 2 kHz: -50 dB.
fn off_in_the_middle(response: &[f32], taps: &[(usize, f32)]) -> f64 {
    let off = |k: usize| {
        let step = TAU * 2000.0 * 8f64.powf(k as f64 / 40.0) / f64::from(RATE);
        let turned = |n: usize, x: f32| Complex::from_polar(f64::from(x), -step * n as f64);
        let sum: Complex<f64> = response
            .iter()
            .enumerate()
            .map(|(n, &x)| turned(n, x))
            .sum();
        let wanted: Complex<f64> = taps.iter().map(|&(n, x)| turned(n, x)).sum();
        (sum - wanted).norm()
    };
    let most = taps
        .iter()
        .fold(0.0, |most: f32, tap| most.max(tap.1.abs()));
    20.0 * ((0..=40).map(off).fold(0.0, f64::max) / f64::from(most)).log10()
}

#[test]
fn a_loopback_tells_when_the_sound_was_sent_and_may_be_divided_by() {
    let ways = [
        way(0, 0, &[(3144, 0.5), (3500, 0.2)]),
        way(0, 1, &[(3000, 0.8)]),
    ];
    for (divide, gain) in [(false, 1.0), (true, 1.0 / 0.8)] {
        // Whether or not it is named among the inputs.
        for inputs in [&[0][..], &[0, 1]] {
            let channel = 1;
            let zero = Zero::Loopback { channel, divide };
            let setup = setup(inputs, &[0], zero);
            let sweep = setup.sweep;
            let found = measured(setup, [2, 1], &ways, nothing()).unwrap();
            assert_eq!(found.ir.channel_count(), 1);
            assert_eq!(found.recorded.channels().len(), 2);
            assert!((found.loopback.unwrap() - 3000.0).abs() < 0.01);
            let taps = [(144, 0.5 * gain), (500, 0.2 * gain)];
            match divide {
                false => {
                    let off = off(found.ir.channel(0), &taps, &sweep);
                    assert!(off < NEAR, "{off} dB");
                }
                // The loop's band is divided out, too: there is no edge at 20 kHz any more.
                true => {
                    let off = off_in_the_middle(found.ir.channel(0), &taps);
                    assert!(off < -45.0, "{off} dB");
                }
            }
        }
    }
}

#[test]
fn two_outputs_and_two_inputs_make_true_stereo_with_one_time_for_all() {
    let taps = [[1000, 1200], [1300, 1100]];
    let gains = [[0.5, 0.3], [-0.2, 0.4]];
    let mut ways = Vec::new();
    for (from, (taps, gains)) in taps.iter().zip(&gains).enumerate() {
        for (to, (&at, &gain)) in taps.iter().zip(gains).enumerate() {
            ways.push(way(from, to, &[(at, gain)]));
        }
    }
    let setup = setup(&[0, 1], &[0, 1], Zero::Sent(0.0));
    let sweep = setup.sweep;
    let found = measured(setup, [2, 2], &ways, nothing()).unwrap();
    // LL, LR, RL, RR.
    let wanted = taps.concat().into_iter().zip(gains.concat());
    for (k, tap) in wanted.enumerate() {
        let off = off(found.ir.channel(k), &[tap], &sweep);
        assert!(off < NEAR, "channel {k}: {off} dB");
    }
    assert_eq!(found.ir.channel_count(), 4);
}

#[test]
fn devices_of_two_rates_need_no_resampling() {
    let mut setup = setup(&[0], &[0], Zero::Sent(0.0));
    // Beyond it every second frame would not be enough.
    setup.sweep.to = 10_000.0;
    let ways = [way(0, 0, &[(2400, 0.5)])];
    let (ports, _loop) = Loop::at([RATE / 2, RATE], [1, 1], &ways, nothing());
    let sweep = SweepSetup {
        rate: rate(RATE / 2),
        ..setup.sweep
    };
    let mut session = Session::open(setup, ports).unwrap();
    let found = session.measure(&mut go_on).unwrap();
    assert_eq!(found.ir.rate(), rate(RATE / 2));
    let off = off(found.ir.channel(0), &[(1200, 0.5)], &sweep);
    // The fades are counted in frames, from half a frame on: 4e-4 of 0.25 they differ at two rates.
    assert!(off < -50.0, "{off} dB");
}

/// A signal between its frames: a sinc over 64 of them, under a Hann window.
fn between(x: &[f32], at: f64) -> f32 {
    let whole = at.floor() as i64;
    let tap = |k: i64| {
        let t = at - (whole + k) as f64;
        let sinc = if t == 0.0 {
            1.0
        } else {
            (PI * t).sin() / (PI * t)
        };
        let sample = usize::try_from(whole + k).ok().and_then(|k| x.get(k));
        f64::from(sample.copied().unwrap_or(0.0)) * sinc * (PI * t / 64.0).cos().powi(2)
    };
    (-31..=32).map(tap).sum::<f64>() as f32
}

#[test]
fn clocks_that_drift_apart_are_told_and_outputs_keep_their_distance() {
    const PPM: f64 = 200.0;
    let mut setup = setup(&[0], &[0, 1], Zero::Sent(0.0));
    setup.sweep.seconds = 2.0;
    let (ports, script) = MemoryPorts::new([rate(RATE); 2], [1, 2], Clocks::Two);
    let over = Arc::new(AtomicBool::new(false));
    let ended = over.clone();
    let devices = thread::spawn(move || {
        // What reaches the microphone, in the loudspeaker's frames: both channels, the second
        // 200 frames later.
        let (mut air, mut heard) = (vec![0.0f32; 1200], 0usize);
        let mut out = [0.0; 2 * PERIOD];
        let time = Duration::from_secs_f64(PERIOD as f64 / f64::from(RATE));
        while !ended.load(SeqCst) {
            script.advance(time);
            script.play(&mut out);
            let now = air.len() - 1200;
            air.resize(air.len() + PERIOD, 0.0);
            for (k, frame) in out.chunks(2).enumerate() {
                air[now + k + 1000] += 0.5 * frame[0];
                air[now + k + 1200] += 0.5 * frame[1];
            }
            // Its clock is faster: it takes more frames in the same time.
            let due = ((now + PERIOD) as f64 * (1.0 + 1e-6 * PPM)) as usize;
            let at = |n: usize| between(&air, n as f64 / (1.0 + 1e-6 * PPM));
            let block: Vec<f32> = (heard..due).map(at).collect();
            heard = due;
            script.record(&block);
            thread::sleep(time / 4);
        }
    });
    let mut session = Session::open(setup, Box::new(ports)).unwrap();
    let found = session.measure(&mut go_on);
    drop(session);
    over.store(true, SeqCst);
    devices.join().unwrap();
    let found = found.unwrap();
    assert_eq!(found.disturbed, []);
    let drift = found.turns[0].told.drift.ppm;
    assert!((drift - PPM).abs() < 2.0, "{drift} ppm");
    let top = |taps: &[f32]| {
        let tops = (0..taps.len()).max_by(|a, b| taps[*a].abs().total_cmp(&taps[*b].abs()));
        (tops.unwrap() as f64, taps[tops.unwrap()])
    };
    let [(first, _), (second, _)] = [0, 1].map(|k| top(found.ir.channel(k)));
    // Turns are 2.6 s apart: 2 ppm of it are a quarter of a frame, and each is rounded to one.
    assert!((second - first - 200.0).abs() <= 1.0, "{first} {second}");
    // The stamps tell when it was sent: callbacks of 256 frames of one clock that come with
    // 256.05 of the other's.
    assert!((first - 1000.0).abs() <= 2.0, "{first}");
}

#[test]
fn what_would_clip_is_not_played_and_what_was_clipped_is_refused() {
    let (ports, _loop) = Loop::new([1, 1], &[way(0, 0, &[(100, 8.0)])]);
    let mut session = Session::open(setup(&[0], &[0], Zero::Onset), ports).unwrap();
    let refused = session.check(&mut go_on).unwrap_err();
    // 0.25 times 8 is 6 dB above full scale, and 1 dB shall be left.
    let MeasuringError::WouldClip {
        channel: 1,
        reached,
        by,
    } = refused
    else {
        panic!("{refused}");
    };
    assert!(
        (reached - 6.0).abs() < 0.3 && (by - 7.0).abs() <= 1.0,
        "{reached} {by}"
    );
    drop(session);

    let clip: Accident = Box::new(|_, _, heard| {
        heard.iter_mut().for_each(|x| *x = x.clamp(-1.0, 1.0));
    });
    let (ports, _loop) = Loop::with([1, 1], &[way(0, 0, &[(100, 4.5)])], clip);
    let mut session = Session::open(setup(&[0], &[0], Zero::Onset), ports).unwrap();
    let refused = session.measure(&mut go_on).unwrap_err().to_string();
    assert!(refused.contains("channel 1 is clipped"), "{refused}");
}

#[test]
fn silence_and_noise_without_a_sweep_are_refused() {
    let setup = || setup(&[1], &[0], Zero::Onset);
    let ways = [way(0, 0, &[(100, 1.0)])];
    let refused = measured(setup(), [2, 1], &ways, nothing()).unwrap_err();
    assert!(
        matches!(refused, MeasuringError::Silent { channel: 2 }),
        "{refused}"
    );
    let mut hiss = Noise(5);
    let hiss: Accident = Box::new(move |_, _, heard| {
        let noise: Vec<f32> = hiss.samples(heard.len());
        heard
            .iter_mut()
            .zip(noise)
            .for_each(|(x, noise)| *x += 0.01 * noise);
    });
    let refused = measured(setup(), [2, 1], &ways, hiss).unwrap_err();
    assert!(matches!(refused, MeasuringError::Sweep(_)), "{refused}");
}

#[test]
fn a_stereo_device_without_crosstalk_is_measured_and_a_dead_input_is_refused() {
    let ways = [way(0, 0, &[(500, 0.5)]), way(1, 1, &[(500, 0.4)])];
    let both = setup(&[0, 1], &[0, 1], Zero::Sent(0.0));
    let sweep = both.sweep;
    let found = measured(both, [3, 2], &ways, nothing()).unwrap();
    for (k, gain) in [(0, 0.5), (3, 0.4)] {
        let off = off(found.ir.channel(k), &[(500, gain)], &sweep);
        assert!(off < NEAR, "channel {k}: {off} dB");
    }
    for k in [1, 2] {
        let loudest = found
            .ir
            .channel(k)
            .iter()
            .fold(0.0, |most: f32, x| most.max(x.abs()));
        assert!(loudest < 1e-6, "channel {k}: {loudest}");
    }
    let mut hiss = Noise(5);
    let hiss: Accident = Box::new(move |_, _, heard| {
        let noise: Vec<f32> = hiss.samples(heard.len());
        let dead = heard.iter_mut().zip(noise).skip(2).step_by(3);
        dead.for_each(|(x, noise)| *x += 1e-3 * noise);
    });
    let dead = setup(&[0, 1, 2], &[0, 1], Zero::Sent(0.0));
    let refused = measured(dead, [3, 2], &ways, hiss).unwrap_err();
    assert!(
        matches!(refused, MeasuringError::Unheard { channel: 3, .. }),
        "{refused}"
    );
}

#[test]
fn a_loopback_that_hears_nothing_but_noise_is_refused() {
    let mut hiss = Noise(5);
    let hiss: Accident = Box::new(move |_, _, heard| {
        let noise: Vec<f32> = hiss.samples(heard.len());
        heard
            .iter_mut()
            .zip(noise)
            .for_each(|(x, noise)| *x += 1e-3 * noise);
    });
    let (channel, divide) = (1, false);
    let setup = setup(&[0], &[0], Zero::Loopback { channel, divide });
    let refused = measured(setup, [2, 1], &[way(0, 0, &[(100, 0.5)])], hiss).unwrap_err();
    assert!(
        matches!(refused, MeasuringError::NoLoop { channel: 2, .. }),
        "{refused}"
    );
}

#[test]
fn a_disturbed_take_is_made_again_but_not_for_ever() {
    let ways = [way(0, 0, &[(100, 0.5)])];
    for (times, tries) in [(1, 3), (9, 2)] {
        let (ports, playing) = Loop::new([1, 1], &ways);
        let setup = Setup {
            tries,
            ..setup(&[0], &[0], Zero::Onset)
        };
        let mut session = Session::open(setup, ports).unwrap();
        let mut last = 0;
        let mut watch = |stage: Stage<'_>, progress: &Progress| {
            if let Stage::Sweep { attempt, because } = stage
                && progress.seconds > 0.5
                && attempt > last
            {
                assert_eq!(because.is_some(), attempt > 1);
                last = attempt;
                if attempt <= times {
                    playing.script.fault(Direction::Input, FaultKind::Xrun, "");
                }
            }
            true
        };
        let found = session.measure(&mut watch);
        match found {
            Ok(found) => assert_eq!((times, found.disturbed.len()), (1, 1)),
            Err(MeasuringError::Disturbed { tries, .. }) => assert_eq!((times, tries), (9, 2)),
            Err(other) => panic!("{other}"),
        }
        assert_eq!(last, 2);
    }
}

#[test]
fn frames_that_come_too_early_are_told() {
    // All sound comes 16 cycles late, 85 ms, but eight cycles late in the sweep.
    for garbled in [false, true] {
        let (mut queue, mut loud) = (VecDeque::from(vec![vec![0.0; PERIOD]; 16]), 0);
        let accident = move |_: &Script, _: usize, heard: &mut [f32]| {
            loud += usize::from(heard.iter().any(|x| x.abs() > 0.05));
            queue.push_back(heard.to_vec());
            let late = queue.pop_front().unwrap();
            if !(garbled && (430..438).contains(&loud)) {
                heard.copy_from_slice(&late);
            }
        };
        let ways = [way(0, 0, &[(100, 0.5)])];
        let (ports, _loop) = Loop::with([1, 1], &ways, Box::new(accident));
        // Long enough that its distortion lies further ahead.
        let mut setup = setup(&[0], &[0], Zero::Sent(0.0));
        setup.sweep.seconds = 3.0;
        let mut session = Session::open(setup, ports).unwrap();
        let found = session.measure(&mut go_on).unwrap();
        let early = found.turns[0].early_db;
        // 43 ms near the end, a tenth of the frequencies; or nothing but what the edges of the band ring.
        assert!(
            if garbled {
                early > -20.0
            } else {
                early < -50.0
            },
            "{early} dB, {garbled}"
        );
    }
}

#[test]
fn a_session_without_an_input_or_with_a_sweep_beyond_the_rate_is_refused() {
    let refused = |setup: Setup| {
        let (ports, _loop) = Loop::new([1, 1], &[]);
        Session::open(setup, ports)
            .map(|_| ())
            .unwrap_err()
            .to_string()
    };
    let (channel, divide) = (0, false);
    let text = refused(setup(&[0], &[0], Zero::Loopback { channel, divide }));
    assert!(text.contains("channel 1"), "{text}");
    let mut high = setup(&[0], &[0], Zero::Onset);
    high.sweep.to = 30_000.0;
    let text = refused(high);
    assert!(text.contains("30000"), "{text}");
}
