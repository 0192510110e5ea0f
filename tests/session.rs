//! What a live session promises, on scripted devices: every callback is the test's own.
#![cfg(feature = "live")]

mod signals;

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use faltung::io::Origin;
use faltung::io::memory::{MemoryPorts, Script};
use faltung::io::port::{Clocks, DeviceError, Direction, FaultKind};
use faltung::run::live::{Event, Live, LiveError, Setup, State, Status, What};
use faltung::{Mode, SampleRate, convolve};
use signals::Noise;

const RATE: u32 = 48_000;

fn rate(hz: u32) -> SampleRate {
    SampleRate::new(hz).unwrap()
}

fn setup(irs: &[&str]) -> Setup {
    Setup {
        irs: irs.iter().map(|ir| ir.parse().unwrap()).collect(),
        ..Setup::default()
    }
}

/// A session and the devices it runs on.
struct Rig {
    script: Script,
    live: Live,
    channels: [usize; 2],
    noise: Noise,
    /// All that the microphone heard, and the loudspeaker played.
    dry: Vec<f32>,
    wet: Vec<f32>,
}

impl Rig {
    fn new(setup: Setup, channels: [usize; 2], clocks: Clocks) -> Self {
        Self::at([rate(RATE); 2], setup, channels, clocks)
    }

    fn at(rates: [SampleRate; 2], setup: Setup, channels: [usize; 2], clocks: Clocks) -> Self {
        let (ports, script) = MemoryPorts::new(rates, channels, clocks);
        let live = Live::start(setup, Box::new(ports)).unwrap();
        Self {
            script,
            live,
            channels,
            noise: Noise(7),
            dry: Vec::new(),
            wet: Vec::new(),
        }
    }

    /// One callback of the microphone.
    fn record(&mut self, frames: usize) -> bool {
        let samples = frames * self.channels[0];
        let mut block: Vec<f32> = self.noise.samples(samples);
        block.iter_mut().for_each(|x| *x *= 0.1);
        self.dry.extend_from_slice(&block);
        self.script.record(&block)
    }

    /// One callback of the loudspeaker.
    fn play(&mut self, frames: usize) -> bool {
        let mut block = vec![0.0; frames * self.channels[1]];
        let played = self.script.play(&mut block);
        self.wet.extend_from_slice(&block);
        played
    }

    /// So many seconds of both, in callbacks of these sizes.
    fn pass(&mut self, seconds: f64, frames: usize) {
        let calls = (seconds * f64::from(RATE)) as usize / frames;
        for _ in 0..calls {
            self.script
                .advance(Duration::from_secs_f64(frames as f64 / f64::from(RATE)));
            self.record(frames);
            self.play(frames);
        }
    }

    /// Waits until the session's own thread has seen to something; callbacks go on meanwhile.
    #[track_caller]
    fn until(&mut self, what: &str, mut done: impl FnMut(&Status, &[Event]) -> bool) -> Status {
        let begun = Instant::now();
        let mut events = Vec::new();
        loop {
            let status = self.live.status();
            events.extend(self.live.events());
            if done(&status, &events) {
                return status;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "{what}: {status:?} {events:?}"
            );
            self.pass(0.02, 240);
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[track_caller]
    fn running(setup: Setup, channels: [usize; 2], clocks: Clocks) -> Self {
        let mut rig = Self::new(setup, channels, clocks);
        rig.until("sound passes", |status, _| status.state == State::Running);
        rig
    }

    /// Ends the session while callbacks go on.
    fn stop(self) -> (Status, Vec<f32>) {
        let Self {
            script,
            live,
            channels,
            ..
        } = self;
        let ending = thread::spawn(move || live.stop());
        let mut last = Vec::new();
        while !ending.is_finished() {
            let mut block = vec![0.0; 240 * channels[1]];
            script.record(&vec![0.1; 240 * channels[0]]);
            if script.play(&mut block) {
                last.extend_from_slice(&block);
            }
            thread::sleep(Duration::from_millis(2));
        }
        (ending.join().unwrap().0, last)
    }
}

fn happened(events: &[Event], name: &str) -> bool {
    events.iter().any(|event| event.what.name() == name)
}

/// Where `signal` lies in `whole`, with no sample other than it is.
fn find(signal: &[f32], whole: &[f32]) -> Option<usize> {
    let probe = &signal[..64.min(signal.len())];
    let at = whole
        .windows(probe.len())
        .position(|window| window == probe)?;
    (whole.get(at..at + signal.len()) == Some(signal)).then_some(at)
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("faltung-{}-{name}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn with_one_clock_every_bit_passes_whatever_the_callbacks_are() {
    let mut rig = Rig::running(setup(&["synth:identity"]), [1, 1], Clocks::One);
    rig.pass(0.2, 240);
    let from = rig.dry.len();
    for k in 0..400 {
        // Unequal and changing sizes, equal in the long run.
        rig.script.advance(Duration::from_millis(10));
        let odd = 1 + (k * 37) % 479;
        rig.record(odd);
        rig.record(480 - odd);
        let odd = 1 + (k * 91) % 479;
        rig.play(480 - odd);
        rig.play(odd);
    }
    let heard = &rig.dry[from..from + 400 * 480 - 4800];
    assert!(find(heard, &rig.wet).is_some(), "not bit-exact");
    let counts = rig.live.status().counts;
    assert_eq!(counts.lost_frames() + counts.dropouts(), 0, "{counts:?}");
}

#[test]
fn what_is_heard_is_the_convolution() {
    let recipe = "synth:echo=10ms,0.5";
    let mut rig = Rig::running(setup(&[recipe]), [1, 1], Clocks::One);
    rig.pass(2.0, 256);
    let origin: Origin = recipe.parse().unwrap();
    let ir = origin.load(rate(RATE)).unwrap().ir;
    let want = convolve(&rig.dry, ir.channel(0), Mode::Full).unwrap();
    // Behind the fade, and behind the response of what was left out before sound began.
    let stretch = &want[rig.dry.len() - 24_000..rig.dry.len() - 12_000];
    let off = |at: usize| {
        let pairs = stretch.iter().zip(&rig.wet[at..]);
        pairs.fold(0.0f32, |most, (a, b)| most.max((a - b).abs()))
    };
    let last = rig.wet.len() - stretch.len();
    let best = (last.saturating_sub(24_000)..last)
        .map(off)
        .fold(f32::MAX, f32::min);
    assert!(best < 1e-6, "{best}");
}

#[test]
fn the_first_sound_fades_in_and_the_last_fades_out() {
    let mut rig = Rig::new(setup(&["synth:identity"]), [1, 1], Clocks::One);
    let mut play = |seconds: f64| {
        for _ in 0..(seconds * 200.0) as usize {
            rig.script.advance(Duration::from_millis(5));
            rig.script.record(&[0.5; 240]);
            rig.play(240);
        }
    };
    play(1.5);
    let first = rig.wet.iter().position(|&y| y != 0.0).expect("sound");
    let steps = |wet: &[f32]| {
        let pairs = wet.windows(2);
        pairs.fold(0.0f32, |most, pair| most.max((pair[1] - pair[0]).abs()))
    };
    assert!(steps(&rig.wet) < 0.02, "a click: {}", steps(&rig.wet));
    assert!(first > 4800, "sound before the callbacks were watched");
    assert!(rig.wet[first..].contains(&0.5));
    let Rig { script, live, .. } = rig;
    let ending = thread::spawn(move || live.stop());
    let mut wet = vec![0.5];
    while !ending.is_finished() {
        let mut block = [0.0; 240];
        script.record(&[0.5; 240]);
        if script.play(&mut block) {
            wet.extend_from_slice(&block);
        }
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(wet.last(), Some(&0.0));
    assert!(steps(&wet) < 0.02, "a click: {}", steps(&wet));
    assert_eq!(ending.join().unwrap().0.state, State::Stopped);
}

#[test]
fn nothing_finite_is_heard_of_nan() {
    let mut rig = Rig::running(setup(&["synth:identity"]), [1, 1], Clocks::One);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        rig.script.record(&[bad, 0.25]);
    }
    rig.until("counted", |status, events| {
        status.counts.nonfinite == 3 && happened(events, "nonfinite")
    });
    assert!(rig.wet.iter().all(|y| y.is_finite()));
}

#[test]
fn starvation_is_counted_and_sound_comes_back_without_a_click() {
    let mut rig = Rig::new(setup(&["synth:identity"]), [1, 1], Clocks::One);
    // A constant: every step of more than a fade's is a click.
    let pass = |rig: &mut Rig, record: bool, calls: usize| {
        for _ in 0..calls {
            rig.script.advance(Duration::from_millis(5));
            if record {
                rig.script.record(&[0.5; 240]);
            }
            rig.play(240);
        }
    };
    pass(&mut rig, true, 300);
    let before = rig.live.status().latency.ring;
    pass(&mut rig, false, 10);
    pass(&mut rig, true, 300);
    let counts = rig.live.status().counts;
    assert_eq!(counts.starved, 1, "{counts:?}");
    assert!(counts.starved_frames >= 240, "{counts:?}");
    let (first, last) = (rig.wet.iter().position(|&y| y != 0.0), rig.wet.last());
    assert_eq!(last, Some(&0.5), "sound is back");
    let steps = rig.wet[first.unwrap()..].windows(2);
    let step = steps.fold(0.0f32, |most, pair| most.max((pair[1] - pair[0]).abs()));
    assert!(step < 0.05, "a click: {step}");
    let after = rig.live.status().latency.ring;
    assert!(after > before, "the reserve grows: {before} {after}");
}

#[test]
fn input_that_gathers_is_left_out_and_told() {
    let mut rig = Rig::running(setup(&["synth:identity"]), [1, 1], Clocks::One);
    rig.pass(9.0, 240);
    let before = rig.live.status().latency.ring;
    // The output misses ten callbacks.
    for _ in 0..10 {
        rig.script.advance(Duration::from_millis(5));
        rig.record(240);
    }
    rig.pass(0.5, 240);
    assert!(rig.live.status().latency.ring > before + 1000.0);
    rig.pass(12.0, 240);
    let status = rig.live.status();
    assert!(status.latency.ring < before + 300.0, "{:?}", status.latency);
    assert!(
        (2000..2800).contains(&status.counts.skipped_frames),
        "{:?}",
        status.counts
    );
    rig.until("told", |_, events| happened(events, "skipped"));
}

#[test]
fn two_clocks_are_followed() {
    let mut rig = Rig::new(setup(&["synth:identity"]), [1, 1], Clocks::Two);
    // The microphone's clock is 300 ppm faster.
    let (mut due, mut lost) = (0.0, 0);
    for k in 0..24_000 {
        rig.script.advance(Duration::from_micros(5000));
        due += 240.0 * (1.0 + 300e-6);
        let frames = (due as usize) - rig.dry.len();
        rig.record(frames);
        rig.play(240);
        if k == 12_000 {
            lost = rig.live.status().counts.lost_frames();
        }
    }
    let status = rig.live.status();
    assert_eq!(status.counts.lost_frames(), lost, "{:?}", status.counts);
    assert_eq!(status.counts.dropouts(), 0, "{:?}", status.counts);
    let drift = status.drift_ppm.expect("known after two minutes");
    assert!((drift - 300.0).abs() < 5.0, "{drift}");
    assert!((status.fill - status.target).abs() < 60.0, "{status:?}");
}

#[test]
fn unequal_rates_are_resampled_and_said() {
    let rates = [rate(44_100), rate(RATE)];
    let mut rig = Rig::at(rates, setup(&["synth:identity"]), [1, 1], Clocks::One);
    assert_eq!(rig.live.status().clocks, Clocks::Two);
    // 1 kHz at the microphone is 1 kHz at the loudspeaker.
    let mut n = 0;
    for _ in 0..1000 {
        rig.script.advance(Duration::from_millis(10));
        let block: Vec<f32> = (n..n + 441)
            .map(|n| (n as f32 * 1000.0 / 44_100.0 * std::f32::consts::TAU).sin())
            .collect();
        n += 441;
        rig.script.record(&block);
        rig.play(480);
    }
    let heard = &rig.wet[rig.wet.len() - 48_000..];
    let crossings = heard
        .windows(2)
        .filter(|w| w[0] < 0.0 && w[1] >= 0.0)
        .count();
    assert!((998..=1002).contains(&crossings), "{crossings}");
}

#[test]
fn channels_go_where_they_are_sent() {
    let chosen = Setup {
        inputs: Some(vec![2]),
        outputs: Some(vec![3, 1]),
        ..setup(&["synth:identity"])
    };
    let mut rig = Rig::new(chosen, [3, 4], Clocks::One);
    for _ in 0..300 {
        rig.script.advance(Duration::from_millis(5));
        rig.script.record(&[0.1, 0.2, 0.4].repeat(240));
        rig.play(240);
    }
    assert_eq!(rig.wet[rig.wet.len() - 4..], [0.0, 0.4, 0.0, 0.4]);
}

#[test]
fn channels_that_are_not_there_are_refused() {
    let (ports, _script) = MemoryPorts::new([rate(RATE); 2], [2, 2], Clocks::One);
    let wrong = Setup {
        inputs: Some(vec![0, 4]),
        ..setup(&["synth:identity"])
    };
    let error = Live::start(wrong, Box::new(ports)).err().unwrap();
    assert!(
        error.to_string().contains("2 channel(s), channel 5"),
        "{error}"
    );
    let (ports, _script) = MemoryPorts::new([rate(RATE); 2], [2, 2], Clocks::One);
    let error = Live::start(Setup::default(), Box::new(ports))
        .err()
        .unwrap();
    assert!(matches!(error, LiveError::NoResponse));
}

#[test]
fn a_lost_device_is_opened_again() {
    let mut rig = Rig::running(setup(&["synth:identity"]), [1, 1], Clocks::One);
    let opened = rig.script.opened();
    rig.script.refuse(Some(DeviceError::HostGone {
        host: "memory".to_owned(),
        why: "unplugged".to_owned(),
    }));
    rig.script
        .fault(Direction::Input, FaultKind::Lost, "unplugged");
    rig.until("it is tried again and again", |status, events| {
        let retries = events.iter().filter(|event| event.what.name() == "retry");
        happened(events, "lost") && retries.count() >= 2 && status.state != State::Running
    });
    rig.script.refuse(None);
    let status = rig.until("it is back", |status, events| {
        status.state == State::Running && happened(events, "resumed")
    });
    assert_eq!(status.counts.reconnects, 1);
    assert_eq!(rig.script.opened(), opened + 2);
}

#[test]
fn a_storm_of_faults_opens_the_devices_once() {
    let mut rig = Rig::running(setup(&["synth:identity"]), [1, 1], Clocks::One);
    for _ in 0..1000 {
        rig.script.fault(Direction::Output, FaultKind::Lost, "gone");
        rig.script.fault(Direction::Output, FaultKind::Xrun, "");
    }
    let status = rig.until("it is back", |status, events| {
        status.state == State::Running && happened(events, "resumed")
    });
    assert_eq!(status.counts.reconnects, 1);
    assert_eq!(status.counts.output_xruns, 1000);
}

#[test]
fn a_device_that_falls_silent_is_noticed() {
    let mut rig = Rig::running(setup(&["synth:identity"]), [1, 1], Clocks::One);
    // Only the output calls.
    let begun = Instant::now();
    let mut events = Vec::new();
    while !happened(&events, "lost") {
        assert!(begun.elapsed() < Duration::from_secs(20), "{events:?}");
        rig.script.advance(Duration::from_millis(100));
        rig.play(4800);
        thread::sleep(Duration::from_millis(5));
        events.extend(rig.live.events());
    }
    let named = events.iter().any(|event| match &event.what {
        What::Lost { why } => why.contains("input device has not called"),
        _ => false,
    });
    assert!(named, "{events:?}");
    rig.until("it is opened again", |status, events| {
        status.state == State::Running && happened(events, "resumed")
    });
}

#[test]
fn a_device_that_comes_back_at_another_rate_gets_the_response_at_that_rate() {
    let mut rig = Rig::running(setup(&["synth:delay=100ms"]), [1, 1], Clocks::One);
    assert_eq!(rig.live.status().ir.frames, 4801);
    rig.script.change(|pair| {
        pair.input.rate = rate(96_000);
        pair.output.rate = rate(96_000);
    });
    rig.script
        .fault(Direction::Output, FaultKind::Lost, "the rate has changed");
    let status = rig.until("it is back", |status, events| {
        status.state == State::Running && happened(events, "resumed")
    });
    assert_eq!((status.ir.frames, status.output.rate.hz()), (9601, 96_000));
}

#[test]
fn responses_follow_one_another_also_with_other_channels() {
    let irs = ["synth:identity", "synth:hall", "synth:delay=5ms"];
    let mut rig = Rig::running(setup(&irs), [2, 2], Clocks::One);
    assert_eq!(rig.live.status().irs.len(), 3);
    for index in [1, 2, 0] {
        rig.live.select(index);
        let status = rig.until("it is heard", |status, events| {
            happened(events, "response") && !status.ir.pending && status.ir.index == index
        });
        assert_eq!(status.ir.name, irs[index]);
    }
    rig.live.select(3);
    rig.until("refused", |status, events| {
        happened(events, "response_failed") && status.ir.index == 0
    });
    // Longer than anything before: the convolver is built anew.
    rig.live.add("synth:cathedral".parse().unwrap());
    let status = rig.until("it is heard", |status, events| {
        happened(events, "response") && status.state == State::Running && status.ir.index == 3
    });
    assert_eq!(status.irs.len(), 4);
    rig.live.add(Origin::File("no-such-file.wav".into()));
    rig.until("refused", |status, events| {
        happened(events, "response_failed") && status.ir.index == 3 && !status.ir.pending
    });
}

#[test]
fn a_changed_file_is_loaded_again() {
    let folder = folder("reload");
    let file = folder.join("ir.wav");
    let write = |recipe: &str| {
        let origin: Origin = recipe.parse().unwrap();
        let ir = origin.load(rate(44_100)).unwrap().ir;
        write_wav(&file, &ir);
    };
    write("synth:delay=10ms");
    let mut rig = Rig::new(setup(&[file.to_str().unwrap()]), [1, 1], Clocks::One);
    let status = rig.until("sound passes, and the silence is told", |status, events| {
        let told = events.iter().any(|event| match &event.what {
            What::Notice(text) => text.contains("10.0 ms of silence"),
            _ => false,
        });
        told && status.state == State::Running
    });
    let ir = status.ir;
    assert_eq!(ir.resampled_from, Some(rate(44_100)));
    write("synth:delay=20ms");
    rig.live.reload();
    let status = rig.until("loaded", |status, events| {
        happened(events, "response") && !status.ir.pending
    });
    assert!(status.ir.frames > ir.frames);
    fs::write(&file, b"not a WAV file").unwrap();
    rig.live.reload();
    rig.until("refused", |status, events| {
        happened(events, "response_failed") && !status.ir.pending
    });
    fs::remove_dir_all(folder).unwrap();
}

fn write_wav(file: &std::path::Path, ir: &faltung::ImpulseResponse) {
    use faltung::io::{SampleFormat, Sink, Spec, WavSink};
    let spec = Spec {
        rate: ir.rate(),
        channels: ir.channel_count(),
        format: SampleFormat::F32,
    };
    let mut sink = WavSink::create(file, spec, None, true).unwrap();
    Sink::<f32>::write(&mut sink, ir.audio().channels()).unwrap();
    Sink::<f32>::finish(sink).unwrap();
}

#[test]
fn a_recording_is_what_was_played() {
    let folder = folder("record");
    let file = folder.join("out.wav");
    let mut rig = Rig::running(setup(&["synth:hall"]), [1, 2], Clocks::One);
    rig.live.record(Some(file.clone()));
    rig.until("it records", |status, _| status.recording.is_some());
    rig.pass(1.0, 256);
    rig.live.record(None);
    rig.until("it ends", |status, events| {
        happened(events, "recorded") && status.recording.is_none()
    });
    let recorded = faltung::ImpulseResponse::read(&file).unwrap();
    let channels = recorded.audio().channels();
    let interleaved: Vec<f32> = (0..recorded.frames())
        .flat_map(|n| [channels[0][n], channels[1][n]])
        .collect();
    assert!(recorded.frames() > 40_000, "{}", recorded.frames());
    assert!(
        find(&interleaved, &rig.wet).is_some(),
        "not what was played"
    );
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_session_ends_although_its_devices_do_not_call_any_more() {
    let rig = Rig::running(setup(&["synth:hall"]), [1, 2], Clocks::One);
    let begun = Instant::now();
    assert_eq!(rig.live.stop().0.state, State::Stopped);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_session_ends_while_its_device_is_gone() {
    let mut rig = Rig::running(setup(&["synth:hall"]), [1, 2], Clocks::One);
    rig.script.refuse(Some(DeviceError::HostGone {
        host: "memory".to_owned(),
        why: "unplugged".to_owned(),
    }));
    rig.script
        .fault(Direction::Input, FaultKind::Lost, "unplugged");
    rig.until("lost", |status, _| {
        matches!(status.state, State::Lost { .. })
    });
    let (status, _) = rig.stop();
    assert_eq!(status.state, State::Stopped);
}

/// A constant is heard, so that every step is a click.
struct Steady {
    script: Script,
    live: Live,
    wet: Vec<f32>,
}

impl Steady {
    fn new(setup: Setup, clocks: Clocks, lockstep: bool) -> Self {
        let (ports, script) = MemoryPorts::new([rate(RATE); 2], [1, 1], clocks);
        script.change(|pair| pair.lockstep = lockstep);
        let live = Live::start(setup, Box::new(ports)).unwrap();
        Self {
            script,
            live,
            wet: Vec::new(),
        }
    }

    fn call(&mut self, recorded: usize, played: usize) {
        let time = recorded.max(played) as f64 / f64::from(RATE);
        self.script.advance(Duration::from_secs_f64(time));
        self.script.record(&vec![0.5; recorded]);
        let mut block = vec![0.0; played];
        self.script.play(&mut block);
        self.wet.extend_from_slice(&block);
    }

    fn pass(&mut self, seconds: f64, frames: usize) {
        for _ in 0..(seconds * f64::from(RATE)) as usize / frames {
            self.call(frames, frames);
        }
    }

    /// The largest step from that frame on.
    fn step_from(&self, from: usize) -> f32 {
        let pairs = self.wet[from..].windows(2);
        pairs.fold(0.0f32, |most, pair| most.max((pair[1] - pair[0]).abs()))
    }
}

/// A fade over 64 frames never goes faster than this.
const SMOOTH: f32 = 0.5 * 1.5 / 64.0 + 1e-3;

#[test]
fn a_gap_never_clicks_wherever_it_falls() {
    for (clocks, lockstep) in [
        (Clocks::One, true),
        (Clocks::One, false),
        (Clocks::Two, false),
    ] {
        for left in [0, 1, 10, 63, 64, 65, 100, 239] {
            let mut rig = Steady::new(setup(&["synth:identity"]), clocks, lockstep);
            rig.pass(1.5, 240);
            let from = rig.wet.len() - 10;
            rig.call(left, 240);
            for _ in 0..6 {
                rig.call(0, 240);
            }
            rig.pass(1.0, 240);
            let (step, counts) = (rig.step_from(from), rig.live.status().counts);
            assert!(counts.starved >= 1, "{clocks:?} {left}: {counts:?}");
            assert_eq!(rig.wet.last().map(|y| (y * 1e4).round()), Some(5000.0));
            // Between two clocks a filter rings by a little.
            let most = if clocks == Clocks::Two {
                2.0 * SMOOTH
            } else {
                SMOOTH
            };
            assert!(
                step < most,
                "{clocks:?} {lockstep} {left}: a step of {step}"
            );
        }
    }
}

#[test]
fn lateness_that_the_reserve_has_held_costs_nothing() {
    let fill = Setup {
        fill: Some(0.05),
        ..setup(&["synth:identity"])
    };
    let mut rig = Steady::new(fill, Clocks::One, false);
    rig.pass(9.0, 256);
    for _ in 0..4 {
        // Four callbacks late, and then all at once.
        for _ in 0..4 {
            rig.call(0, 256);
        }
        rig.script.record(&[0.5; 4 * 256]);
        rig.pass(9.0, 256);
    }
    let counts = rig.live.status().counts;
    assert_eq!(counts.lost_frames() + counts.dropouts(), 0, "{counts:?}");
}

#[test]
fn a_fill_that_was_asked_for_stays() {
    let fill = Setup {
        fill: Some(0.2),
        ..setup(&["synth:identity"])
    };
    let mut rig = Steady::new(fill, Clocks::Two, false);
    rig.pass(2.0, 512);
    let target = rig.live.status().target;
    rig.pass(90.0, 512);
    let status = rig.live.status();
    assert_eq!(status.target, target);
    assert!((status.fill - 9600.0).abs() < 500.0, "{}", status.fill);
}

#[test]
fn what_has_gathered_between_two_clocks_is_left_out() {
    let mut rig = Steady::new(setup(&["synth:identity"]), Clocks::Two, false);
    rig.pass(20.0, 240);
    let before = rig.live.status().latency.total();
    // The output misses a second.
    for _ in 0..200 {
        rig.call(240, 0);
    }
    let from = rig.wet.len();
    rig.pass(15.0, 240);
    let status = rig.live.status();
    assert!(status.counts.skipped_frames > 40_000, "{:?}", status.counts);
    let after = status.latency.total();
    assert!(after < before + 5_000.0, "{before} {after}");
    assert!(
        rig.step_from(from) < 2.0 * SMOOTH,
        "{}",
        rig.step_from(from)
    );
}

#[test]
fn a_response_that_fits_no_device_is_refused_and_the_one_before_it_stays() {
    let folder = folder("misfit");
    let file = folder.join("three.wav");
    let taps = vec![vec![0.5f32; 10]; 3];
    let audio = faltung::Audio::new(rate(RATE), taps).unwrap();
    write_wav(&file, &faltung::ImpulseResponse::new(audio).unwrap());
    let mut rig = Rig::running(setup(&["synth:identity"]), [2, 2], Clocks::One);
    let opened = rig.script.opened();
    rig.live.add(Origin::File(file));
    let status = rig.until("refused", |status, events| {
        happened(events, "response_failed") && !status.ir.pending
    });
    assert_eq!((status.state, status.ir.index), (State::Running, 0));
    assert_eq!(rig.script.opened(), opened, "the devices stay open");
    // Nor does it stand in the way of what comes after it.
    rig.live.add("synth:cathedral".parse().unwrap());
    rig.until("heard", |status, events| {
        happened(events, "response") && status.state == State::Running && status.ir.index == 2
    });
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn devices_that_die_when_they_are_opened_are_not_opened_without_end() {
    let rig = Rig::running(setup(&["synth:identity"]), [1, 1], Clocks::One);
    let (begun, opened) = (Instant::now(), rig.script.opened());
    let mut events = Vec::new();
    while begun.elapsed() < Duration::from_secs(4) {
        rig.script
            .fault(Direction::Output, FaultKind::Lost, "dies at once");
        thread::sleep(Duration::from_millis(5));
        events.extend(rig.live.events());
    }
    // After 0.25, 0.5, 1, 2 s; two streams each.
    let times = (rig.script.opened() - opened) / 2;
    assert!((1..=5).contains(&times), "{times} {events:?}");
    assert!(!happened(&events, "resumed"), "{events:?}");
}

#[test]
fn a_missing_file_is_no_reason_to_stay_lost_at_another_rate() {
    let folder = folder("gone");
    let file = folder.join("ir.wav");
    let origin: Origin = "synth:delay=100ms".parse().unwrap();
    write_wav(&file, &origin.load(rate(RATE)).unwrap().ir);
    let irs = ["synth:delay=50ms", file.to_str().unwrap()];
    let mut rig = Rig::running(setup(&irs), [1, 1], Clocks::One);
    rig.live.select(1);
    rig.until("chosen", |status, _| {
        status.ir.index == 1 && !status.ir.pending
    });
    fs::remove_dir_all(folder).unwrap();
    rig.script.change(|pair| {
        pair.input.rate = rate(96_000);
        pair.output.rate = rate(96_000);
    });
    rig.script
        .fault(Direction::Output, FaultKind::Lost, "another rate");
    let status = rig.until("back", |status, events| {
        let told = events.iter().any(|event| match &event.what {
            What::Notice(text) => text.contains("96000 Hz"),
            _ => false,
        });
        status.state == State::Running && happened(events, "resumed") && told
    });
    assert!(
        (9_600..10_500).contains(&status.ir.frames),
        "{:?}",
        status.ir
    );
}

#[test]
fn the_counts_before_a_loss_are_told() {
    let mut rig = Rig::running(setup(&["synth:identity"]), [1, 1], Clocks::One);
    for _ in 0..10 {
        rig.script.fault(Direction::Output, FaultKind::Xrun, "");
    }
    rig.script.fault(Direction::Output, FaultKind::Lost, "gone");
    rig.until("told", |_, events| {
        let xruns = events.iter().map(|event| match event.what {
            What::Xrun { times, .. } => times,
            _ => 0,
        });
        happened(events, "lost") && xruns.sum::<u64>() == 10
    });
}

#[test]
fn the_latest_of_many_wishes_counts() {
    let folder = folder("wishes");
    let file = folder.join("ir.wav");
    let origin: Origin = "synth:delay=20ms".parse().unwrap();
    write_wav(&file, &origin.load(rate(RATE)).unwrap().ir);
    let irs = ["synth:identity", file.to_str().unwrap()];
    let mut rig = Rig::running(setup(&irs), [1, 1], Clocks::One);
    for _ in 0..300 {
        rig.live.select(1);
        rig.live.reload();
    }
    rig.live.select(0);
    let wished = Instant::now();
    let mut after = Vec::new();
    while wished.elapsed() < Duration::from_millis(600) {
        rig.pass(0.02, 240);
        thread::sleep(Duration::from_millis(5));
        after.extend(rig.live.events());
    }
    let status = rig.live.status();
    assert_eq!((status.ir.index, status.ir.pending), (0, false));
    // Not one load for each wish.
    let heard = after.iter().filter(|event| event.what.name() == "response");
    assert!(heard.count() < 300, "{}", after.len());
    fs::remove_dir_all(folder).unwrap();
}
