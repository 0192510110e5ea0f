//! Who watches: opens the devices, notices when they fall silent, gets them back, and carries out
//! what is asked. Runs on a thread of its own, which may wait.

use std::mem;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use ringbuf::HeapRb;
use ringbuf::traits::Split;

use super::capture::Capture;
use super::clock::Clock;
use super::connection::{Connection, fault_into, let_go};
use super::guard::Guard;
use super::library::{Fit, Library};
use super::outage::Outage;
use super::patch::{fit, inputs, speakers};
use super::playback::{Engine, Follow, Parts, Playback};
use super::probe::{self, Probe};
use super::recorder::Recorder;
use super::reserve::Reserve;
use super::setup::{LiveError, Setup};
use super::shared::{Command, Front, Shared};
use super::stats::{Side, Stats};
use super::status::{Counts, Heard, Load, Path, Recording, State, Status, What};
use super::varispeed::Varispeed;
use crate::dsp::control::{Bypass, Settings};
use crate::dsp::convolver::MatrixConvolver;
use crate::dsp::plan::Plan;
use crate::io::port::{Clocks, Direction, FaultKind, Pair, Port, Ports};
use crate::io::{LoadError, Loaded, Origin, WriteError};
use crate::ir::ImpulseResponse;

/// How often it looks.
const TICK: Duration = Duration::from_millis(20);
/// Events of one kind come no closer than this.
const QUIET: Duration = Duration::from_millis(500);
/// A device that has not called for so long is gone.
const SILENCE: Duration = Duration::from_millis(1500);
/// One that was just opened may take longer.
const SILENCE_AT_FIRST: Duration = Duration::from_secs(3);
/// So long after the devices were opened it is told that no sound passes yet.
const SLOW: Duration = Duration::from_secs(5);
/// What the sound may take to fade out.
const FADING: Duration = Duration::from_millis(300);
/// Seconds of input that fit between the callbacks.
const RING: f64 = 2.0;
/// Stamps and faults that wait to be read.
const STAMPS: usize = 4096;
const FAULTS: usize = 64;
/// Most seconds of pre-delay, and between the callbacks.
const MOST_PREDELAY: f64 = 10.0;
const MOST_FILL: f64 = 0.8;

/// A session's own thread.
pub(super) struct Supervisor {
    setup: Setup,
    ports: Box<dyn Ports>,
    shared: Arc<Shared>,
    library: Library,
    fit: Fit,
    recorder: Recorder,
    connection: Option<Connection>,
    /// The bursts that came back, where the latency is measured.
    probe: Option<usize>,
    /// While a device is gone.
    outage: Option<Outage>,
    /// The recording that ended last.
    recorded: Option<Recording>,
    loads: (Sender<Arrival>, Receiver<Arrival>),
    /// A thread loads a response; what shall be done when it has.
    loading: Option<Then>,
    chosen: usize,
    told: Told,
}

/// A response that a thread has loaded.
struct Arrival {
    index: usize,
    loaded: Result<Loaded, LoadError>,
}

/// What follows when a response has been loaded.
#[derive(Clone, Copy)]
enum Then {
    /// It is heard.
    Take,
    /// Nobody wants it any more.
    Forget,
    /// Another one is wanted meanwhile.
    Load(usize),
}

/// What was told last, and when.
struct Told {
    counts: Counts,
    at: Instant,
    running: bool,
    slow: bool,
    notices: Vec<String>,
}

impl Told {
    /// Tells what is worth telling once.
    fn once(&mut self, shared: &Shared, notice: &str) {
        if !self.notices.iter().any(|told| told == notice) {
            self.notices.push(notice.to_owned());
            shared.tell(What::Notice(notice.to_owned()));
        }
    }
}

impl Supervisor {
    /// Opens the devices; with `probe`, to measure the latency by so many bursts.
    pub fn start(
        setup: Setup,
        mut ports: Box<dyn Ports>,
        probe: Option<usize>,
    ) -> Result<Self, LiveError> {
        if setup.irs.is_empty() {
            return Err(LiveError::NoResponse);
        }
        for (what, seconds, most) in [
            ("a pre-delay", setup.predelay, MOST_PREDELAY),
            ("a fill", setup.fill.unwrap_or(0.0), MOST_FILL),
        ] {
            if !(0.0..=most).contains(&seconds) {
                return Err(LiveError::TooMuch {
                    what,
                    seconds,
                    most,
                });
            }
        }
        let pair = ports.find()?;
        let library = Library::new(&setup.irs, pair.output.rate)?;
        let fit = fit(&library, inputs(&setup, &pair.input)?.len())?;
        let guard = setup.guard && probe.is_none();
        let status = Status {
            state: State::Starting,
            time: Duration::ZERO,
            input: pair.input.clone(),
            output: pair.output.clone(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            routing: String::new(),
            clocks: pair.clocks,
            latency: Path::default(),
            fill: 0.0,
            target: 0.0,
            drift_ppm: None,
            load: Load::default(),
            input_levels: Vec::new(),
            output_levels: Vec::new(),
            counts: Counts::default(),
            last_dropout: None,
            guard_db: guard.then_some(0.0),
            irs: library.names(),
            ir: heard(&library, 0),
            mix: setup.mix,
            gain: setup.gain,
            bypass: Bypass::Off,
            recording: None,
        };
        let front = Front {
            status,
            stats: Arc::new(Stats::new(0, 0)),
            control: None,
        };
        let mut supervisor = Self {
            ports,
            shared: Arc::new(Shared::new(front)),
            library,
            fit,
            recorder: Recorder::new(),
            connection: None,
            probe,
            outage: None,
            recorded: None,
            loads: mpsc::channel(),
            loading: None,
            chosen: 0,
            told: Told {
                counts: Counts::default(),
                at: Instant::now(),
                running: false,
                slow: false,
                notices: Vec::new(),
            },
            setup,
        };
        supervisor.open(pair)?;
        let recording = supervisor.setup.record.clone();
        let begun = recording.map_or(Ok(()), |path| supervisor.begin_recording(path));
        if let Err(error) = begun {
            supervisor.close();
            return Err(error.into());
        }
        Ok(supervisor)
    }

    pub fn shared(&self) -> Arc<Shared> {
        self.shared.clone()
    }

    /// Watches until it is told to stop; says `over` when nothing is recorded any more, and again
    /// when the devices are closed.
    pub fn run(mut self, orders: &Receiver<Command>, over: &Sender<()>) {
        loop {
            match orders.recv_timeout(TICK) {
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(Command::Select(index)) => self.select(index),
                Ok(Command::Add(origin)) => {
                    let index = self.library.add(origin);
                    self.shared.front().status.irs = self.library.names();
                    self.load(index);
                }
                Ok(Command::Reload) => self.load(self.chosen),
                Ok(Command::Record(path)) => self.record(path),
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.look();
        }
        self.fade_out();
        self.record(None);
        {
            let mut front = self.shared.front();
            front.status.recording = self.recorded.take();
            front.status.state = State::Stopped;
        }
        let _ = over.send(());
        self.close();
    }

    /// Finds the devices and opens them.
    fn connect(&mut self) -> Result<(), LiveError> {
        let pair = self.ports.find()?;
        self.open(pair)
    }

    /// Builds both halves for these devices, opens them and lets them run.
    fn open(&mut self, pair: Pair) -> Result<(), LiveError> {
        let (input, output) = (&pair.input, &pair.output);
        let inputs = inputs(&self.setup, input)?;
        self.library.at(output.rate, self.chosen)?;
        self.fit = fit(&self.library, inputs.len())?;
        let clocks = match input.rate == output.rate {
            true => self.setup.clocks.unwrap_or(pair.clocks),
            false => Clocks::Two,
        };
        let signals = self.fit.outputs;
        let speakers = speakers(&self.setup, output, signals)?;
        let stats = Arc::new(Stats::new(inputs.len(), signals));
        let (in_rate, out_rate) = (f64::from(input.rate.hz()), f64::from(output.rate.hz()));

        let (engine, control, heard_back, latency) = match self.probe {
            Some(bursts) => {
                let (probe, from) = Probe::new(inputs.len(), signals, output.rate, bursts);
                (Engine::Probe(probe), None, Some(from), 0)
            }
            None => {
                let ir = self.library.get(self.chosen).cloned();
                let ir = ir.ok_or(LiveError::NoResponse)?;
                let taps = self.fit.taps(&ir.ir).unwrap_or_default();
                let predelay = output.rate.frames(self.setup.predelay);
                // Room for a response that was made longer and is loaded again.
                let capacity = self.library.longest().max(output.rate.frames(0.5)) * 5 / 4;
                let plan = Plan::new(capacity).with_latency(self.setup.latency);
                let settings = Settings {
                    max_predelay: predelay,
                    ..Settings::default()
                };
                let routing = &self.fit.routing;
                let built =
                    MatrixConvolver::with_control(&plan, inputs.len(), &taps, routing, settings);
                let (convolver, handle) = built.map_err(|source| LiveError::Build {
                    irs: ir.ir.name().to_owned(),
                    source,
                })?;
                let _ = handle.set_predelay(predelay);
                let latency = convolver.latency();
                (
                    Engine::Convolver(Box::new(convolver)),
                    Some(handle),
                    None,
                    latency,
                )
            }
        };

        let follow = match clocks {
            Clocks::One => None,
            Clocks::Two => {
                let refused = |why: String| LiveError::Rates {
                    from: input.rate.hz(),
                    to: output.rate.hz(),
                    why,
                };
                let varispeed = Varispeed::new(inputs.len(), out_rate / in_rate);
                Some(Follow {
                    varispeed: varispeed.map_err(|why| refused(why.to_string()))?,
                    clock: Clock::new(in_rate, 0.0),
                    ratio: 1.0,
                })
            }
        };
        let resampler_delay = follow.as_ref().map_or(0.0, |f| f.varispeed.delay());
        let tape = self.recorder.tape(output.rate, signals);
        let (ring_in, ring_out) = HeapRb::new((RING * in_rate) as usize * inputs.len()).split();
        let (stamps_in, stamps_out) = HeapRb::new(STAMPS).split();
        let fixed = self.setup.fill.map(|seconds| seconds * in_rate);
        let lockstep = clocks == Clocks::One && pair.lockstep;
        let mut capture = Capture::new(
            ring_in,
            stamps_in,
            stats.clone(),
            input.channels,
            inputs.clone(),
            in_rate,
        );
        let guard = self.setup.guard && self.probe.is_none();
        let mut playback = Playback::new(Parts {
            ring: ring_out,
            stamps: stamps_out,
            stats: stats.clone(),
            engine,
            follow,
            guard: guard.then(|| Guard::new(output.rate, signals)),
            tape,
            reserve: Reserve::new(in_rate, fixed, lockstep),
            inputs: inputs.len(),
            outputs: signals,
            channels: output.channels,
            speakers: speakers.clone(),
            input_rate: in_rate,
            output_rate: out_rate,
        });
        let (told, faults) = mpsc::sync_channel(FAULTS);
        let once = pair.lockstep;
        let on_fault = |side: Direction| fault_into(stats.clone(), side, once, told.clone());
        let from = self.ports.open_input(
            Box::new(move |data, moment| capture.call(data, moment)),
            on_fault(Direction::Input),
        )?;
        let to = self.ports.open_output(
            Box::new(move |out, moment| playback.call(out, moment)),
            on_fault(Direction::Output),
        );
        let to = match to {
            Ok(to) => to,
            Err(error) => {
                let_go(vec![from]);
                return Err(error.into());
            }
        };
        if let Err(error) = from.start().and_then(|()| to.start()) {
            let_go(vec![from, to]);
            return Err(error.into());
        }

        for notice in &pair.notices {
            self.told.once(&self.shared, notice);
        }
        self.tell_change(&pair);
        self.tell_notes();
        self.told.counts = Counts::default();
        self.told.running = false;
        self.told.slow = false;
        {
            let mut front = self.shared.front();
            front.stats = stats.clone();
            front.control = control;
            let now = &mut front.status;
            (now.input, now.output) = (pair.input, pair.output);
            // What the device says when it is open counts for more.
            now.input.period = from.period().or(now.input.period);
            now.output.period = to.period().or(now.output.period);
            now.state = State::Starting;
            now.clocks = clocks;
            now.inputs = inputs;
            now.outputs = speakers.concat();
            now.routing = self.fit.routing.to_string();
            now.latency = Path {
                resampler: resampler_delay * out_rate / in_rate,
                engine: latency as f64,
                ..Path::default()
            };
            now.irs = self.library.names();
            now.ir = heard(&self.library, self.chosen);
            front.hand_over();
        }
        self.connection = Some(Connection {
            streams: [from, to],
            faults,
            stats,
            opened: self.ports.now(),
            heard: heard_back,
        });
        Ok(())
    }

    /// Says, once, what was assumed of the chosen response and what is surprising about it; a
    /// recipe is what it says.
    fn tell_notes(&mut self) {
        let file = self.library.origin(self.chosen).and_then(Origin::file);
        if let (Some(_), Some(loaded)) = (file, self.library.get(self.chosen)) {
            for note in loaded.notes() {
                self.told.once(&self.shared, &note);
            }
        }
    }

    /// Says so where devices have come back otherwise than they went.
    fn tell_change(&self, new: &Pair) {
        let old = self.shared.front().status.clone();
        let words = |port: &Port| format!("{}, {}, {} ch", port.device, port.rate, port.channels);
        for (way, old, new) in [
            (Direction::Input, &old.input, &new.input),
            (Direction::Output, &old.output, &new.output),
        ] {
            if words(old) != words(new) {
                let text = format!("{way} is now {}; it was {}", words(new), words(old));
                self.shared.tell(What::Notice(text));
            }
        }
        if old.output.rate != new.output.rate {
            let heard = heard(&self.library, self.chosen);
            self.shared.tell(What::Response(heard));
        }
    }

    /// One look at everything.
    fn look(&mut self) {
        while let Ok(load) = self.loads.1.try_recv() {
            self.loaded(load);
        }
        self.look_at_recording();
        if self.outage.is_some() {
            self.retry();
        }
        if let Some(why) = self.look_at_streams() {
            self.lose(why);
        }
        self.look_at_counts();
        let front = self.shared.front();
        if let Some(control) = &front.control {
            control.collect();
        }
    }

    /// Why the streams are of no use any more, if so.
    fn look_at_streams(&mut self) -> Option<String> {
        let connection = self.connection.as_ref()?;
        let mut lost = None;
        while let Ok((side, fault)) = connection.faults.try_recv() {
            match fault.kind {
                FaultKind::Lost => lost = lost.or(Some(format!("{side} device: {}", fault.text))),
                FaultKind::Notice | FaultKind::Xrun => {
                    let notice = format!("{side} device: {}", fault.text);
                    self.told.once(&self.shared, &notice);
                }
            }
        }
        let now = self.ports.now();
        let stats = &connection.stats;
        let waits = !stats.running.load(Relaxed) && now.saturating_sub(connection.opened) > SLOW;
        if waits && !mem::replace(&mut self.told.slow, true) {
            let text = "no sound passes yet: the devices' calls are too rare or too uneven; another period (-p) may help";
            self.shared.tell(What::Notice(text.to_owned()));
        }
        let silent = |side: &Side| {
            let (last, patience) = match side.last() {
                Some(last) => (last, SILENCE),
                None => (connection.opened, SILENCE_AT_FIRST),
            };
            now.saturating_sub(last) > patience
        };
        let sides = [
            (Direction::Input, &stats.input),
            (Direction::Output, &stats.output),
        ];
        let asleep = sides.iter().find(|(_, side)| silent(side));
        lost.or_else(|| {
            asleep.map(|(side, _)| {
                let seconds = SILENCE.as_secs_f64();
                format!("the {side} device has not called for {seconds} s")
            })
        })
    }

    fn lose(&mut self, why: String) {
        self.shared.tell(What::Lost { why });
        self.close();
        // One that opens and dies at once is still the same outage.
        let outage = match self.outage.take() {
            None => Outage::begin(),
            Some(before) => before.longer(),
        };
        let attempts = outage.attempts;
        let mut front = self.shared.front();
        front.status.state = State::Lost { attempts };
        front.status.last_dropout = Some(self.shared.time());
        drop(front);
        self.outage = Some(outage);
    }

    fn retry(&mut self) {
        let due = self.outage.as_ref().is_some_and(Outage::is_due);
        if self.connection.is_some() || !due {
            return;
        }
        // That sound passes again is told when it does.
        if let Err(error) = self.connect()
            && let Some(outage) = self.outage.take()
        {
            let outage = outage.longer();
            let (attempts, after) = (outage.attempts, outage.wait);
            self.outage = Some(outage);
            self.shared.front().status.state = State::Lost { attempts };
            let why = error.to_string();
            self.shared.tell(What::Retry { why, after });
        }
    }

    /// Tells what the audio threads have counted.
    fn look_at_counts(&mut self) {
        let Some(connection) = &self.connection else {
            return;
        };
        let stats = &connection.stats;
        if stats.running.load(Relaxed) && !mem::replace(&mut self.told.running, true) {
            self.shared.front().status.state = State::Running;
            let outage = self.outage.take();
            let what = match outage {
                None => What::Started,
                Some(outage) => {
                    self.shared.front().status.counts.reconnects += 1;
                    let after = outage.since.elapsed();
                    What::Resumed { after }
                }
            };
            self.shared.tell(what);
        }
        if self.told.at.elapsed() >= QUIET {
            self.tell_counts();
        }
    }

    fn tell_counts(&mut self) {
        let Some(connection) = &self.connection else {
            return;
        };
        let stats = &connection.stats;
        let (new, old) = (stats.counts(), self.told.counts);
        if new == old {
            return;
        }
        self.told.at = Instant::now();
        self.told.counts = new;
        if new.dropouts() > old.dropouts() {
            let time = self.shared.time();
            self.shared.front().status.last_dropout = Some(time);
        }
        let tell = |more: u64, what: &dyn Fn(u64) -> What| {
            if more > 0 {
                self.shared.tell(what(more));
            }
        };
        let xruns = |side| move |times| What::Xrun { side, times };
        tell(new.input_xruns - old.input_xruns, &xruns(Direction::Input));
        tell(
            new.output_xruns - old.output_xruns,
            &xruns(Direction::Output),
        );
        tell(new.starved_frames - old.starved_frames, &|frames| {
            What::Starved { frames }
        });
        tell(new.overflowed_frames - old.overflowed_frames, &|frames| {
            What::Overflowed { frames }
        });
        tell(new.skipped_frames - old.skipped_frames, &|frames| {
            What::Skipped { frames }
        });
        tell(new.nonfinite - old.nonfinite, &|samples| What::NonFinite {
            samples,
        });
        tell(new.caught - old.caught, &|_| What::Caught);
    }

    fn select(&mut self, index: usize) {
        if index >= self.library.count() {
            let count = self.library.count();
            let why = format!(
                "there is no response {}; there are {count}",
                index.saturating_add(1)
            );
            return self.shared.tell(What::ResponseFailed { why });
        }
        // A file may have changed since it was heard last.
        let file = self.library.origin(index).and_then(Origin::file);
        if file.is_some() || self.library.get(index).is_none() {
            return self.load(index);
        }
        self.loading = self.loading.and(Some(Then::Forget));
        let loaded = self.library.get(index).cloned();
        self.take(index, loaded);
    }

    /// Loads a response on a thread of its own, one at a time; the latest wish counts.
    fn load(&mut self, index: usize) {
        self.shared.front().status.ir.pending = true;
        if let Some(then) = &mut self.loading {
            *then = Then::Load(index);
            return;
        }
        let Some(origin) = self.library.origin(index).cloned() else {
            return;
        };
        let (rate, done) = (self.library.rate(), self.loads.0.clone());
        let load = move || {
            let loaded = origin.load(rate);
            let _ = done.send(Arrival { index, loaded });
        };
        match thread::Builder::new().spawn(load) {
            Ok(_) => self.loading = Some(Then::Take),
            Err(error) => self.refuse(error.to_string()),
        }
    }

    fn refuse(&self, why: String) {
        self.shared.front().status.ir.pending = false;
        self.shared.tell(What::ResponseFailed { why });
    }

    fn loaded(&mut self, arrival: Arrival) {
        let Arrival { index, loaded } = arrival;
        match (self.loading.take(), loaded) {
            (Some(Then::Load(other)), _) => self.load(other),
            (Some(Then::Forget), _) => {}
            // The device came back at another rate meanwhile.
            (_, Ok(loaded)) if loaded.ir.rate() != self.library.rate() => self.load(index),
            (_, Ok(loaded)) => {
                let before = self.library.put(index, Some(Arc::new(loaded)));
                self.take(index, before);
            }
            (_, Err(error)) => self.refuse(error.to_string()),
        }
    }

    /// Lets a response of the library be heard, or puts back what was in its place `before`.
    fn take(&mut self, index: usize, before: Option<Arc<Loaded>>) {
        let Some(loaded) = self.library.get(index).cloned() else {
            return;
        };
        let control = self.shared.front().control.clone();
        let taken = match (self.fit.taps(&loaded.ir), control) {
            (Some(taps), Some(control)) => control.set_irs(&taps, self.setup.swap).is_ok(),
            _ => false,
        };
        if !taken {
            if let Err(error) = self.would_fit() {
                self.library.put(index, before);
                return self.refuse(error.to_string());
            }
            let chosen = mem::replace(&mut self.chosen, index);
            if self.connection.is_some() && !self.rebuild(&loaded) {
                self.library.put(index, before);
                self.chosen = chosen;
                if let Err(error) = self.connect() {
                    self.lose(error.to_string());
                }
                return;
            }
        }
        self.chosen = index;
        self.tell_notes();
        let heard = heard(&self.library, index);
        {
            let mut front = self.shared.front();
            front.status.irs = self.library.names();
            front.status.ir = heard.clone();
        }
        self.shared.tell(What::Response(heard));
    }

    /// Whether all responses fit the devices.
    fn would_fit(&self) -> Result<(), LiveError> {
        let front = self.shared.front();
        let inputs = inputs(&self.setup, &front.status.input)?;
        let fit = fit(&self.library, inputs.len())?;
        speakers(&self.setup, &front.status.output, fit.outputs).map(drop)
    }

    /// Longer than was planned for, or other channels: the convolver is built anew.
    fn rebuild(&mut self, loaded: &Loaded) -> bool {
        let text = format!(
            "{} needs a larger convolver; sound stops for a moment",
            loaded.ir.name()
        );
        self.shared.tell(What::Notice(text));
        self.fade_out();
        self.close();
        let connected = self.connect();
        if let Err(error) = &connected {
            self.refuse(error.to_string());
        }
        connected.is_ok()
    }

    fn begin_recording(&mut self, path: PathBuf) -> Result<(), WriteError> {
        let rate = self.shared.front().status.output.rate;
        let signals = self.fit.outputs;
        self.recorded = None;
        self.recorder
            .start(&path, rate, signals, self.setup.replace)?;
        self.shared.tell(What::RecordingStarted { path });
        self.shared.front().status.recording = self.recorder.status();
        Ok(())
    }

    fn record(&mut self, path: Option<PathBuf>) {
        match path {
            Some(path) => {
                if let Err(error) = self.begin_recording(path) {
                    let why = error.to_string();
                    self.shared.tell(What::RecordingFailed { why });
                }
            }
            None => {
                match self.recorder.stop() {
                    Ok(None) => {}
                    Ok(Some(recording)) => {
                        self.recorded = Some(recording.clone());
                        self.shared.tell(What::Recorded(recording));
                    }
                    Err(error) => {
                        let why = error.to_string();
                        self.shared.tell(What::RecordingFailed { why });
                    }
                }
                self.look_at_recording();
            }
        }
    }

    fn look_at_recording(&mut self) {
        while let Some(what) = self.recorder.poll() {
            self.shared.tell(what);
        }
        self.shared.front().status.recording = self.recorder.status();
    }

    /// Asks for silence and waits until it is heard.
    fn fade_out(&mut self) {
        let Some(connection) = &self.connection else {
            return;
        };
        let stats = &connection.stats;
        stats.hush.store(true, Relaxed);
        let end = Instant::now() + FADING;
        while !stats.silent.load(Relaxed) && Instant::now() < end {
            thread::sleep(Duration::from_millis(5));
        }
        let rate = f64::from(self.shared.front().status.output.rate.hz());
        let played = Duration::from_secs_f64((stats.output.delay.get() / rate).clamp(0.0, 0.25));
        thread::sleep(played);
    }

    /// Closes the streams.
    pub fn close(&mut self) {
        self.tell_counts();
        let Some(connection) = self.connection.take() else {
            return;
        };
        {
            let mut front = self.shared.front();
            let now = &mut front.status;
            now.counts = now.counts + connection.stats.counts();
            let worst = connection.stats.load().worst_ever;
            now.load.worst_ever = now.load.worst_ever.max(worst);
            front.stats = Arc::new(Stats::new(0, 0));
            front.control = None;
        }
        let_go(connection.streams.into());
    }

    /// The round trips of bursts, once sound passes.
    pub fn measure(&mut self, bursts: usize) -> Vec<f64> {
        let rate = self.shared.front().status.output.rate;
        let connection = self.connection.as_mut();
        let heard = connection.and_then(|c| Some((c.heard.take()?, c.stats.clone())));
        heard.map_or_else(Vec::new, |(heard, stats)| {
            probe::round_trips(heard, &stats.running, rate, bursts)
        })
    }
}

fn heard(library: &Library, index: usize) -> Heard {
    let loaded = library.get(index);
    let ir = loaded.map(|loaded| &loaded.ir);
    Heard {
        index,
        name: library.name(index),
        channels: ir.map_or(0, ImpulseResponse::channel_count),
        frames: ir.map_or(0, ImpulseResponse::frames),
        resampled_from: loaded.and_then(|loaded| loaded.resampled_from()),
        pending: false,
    }
}
