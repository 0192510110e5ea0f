//! `faltung live`: microphone to loudspeaker.

mod action;
mod console;
mod face;
mod input;
mod json;
mod measure;
mod meter;
mod osc;
mod outlet;
mod screen;
mod second;
mod takes;
mod watch;
mod words;

use std::io::stdout;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::choice::Devices;
use super::signals::Graceful;
use super::{Failure, tell};
use crate::dsp::control::{Bypass, Swap};
use crate::dsp::plan::Latency;
use crate::io::Origin;
use crate::io::device::DevicePorts;
use crate::io::port::Clocks;
use crate::ir::{UnitError, units};
use crate::run::live::{Live, Recording, Setup, State, Status, What, measure_latency};
use action::Desk;
use console::{Console, Ending, Shown};
use input::Input;
use osc::Remote;
use outlet::Outlet;
use screen::Screen;
use takes::Takes;
use watch::Watch;

/// Put a microphone through an impulse response, to a loudspeaker.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Impulse responses: files, or `synth:` and a recipe (see `faltung ir list`); the first
    /// is heard first
    #[arg(value_name = "IR", required_unless_present = "measure_latency")]
    irs: Vec<PathBuf>,

    #[command(flatten)]
    devices: Devices,

    /// Share of the convolved sound; the rest is the input itself: `30%`
    #[arg(long, default_value = "100%", value_parser = units::fraction)]
    mix: f64,

    /// Level of the convolved sound: `-3dB`, or a factor
    #[arg(long, default_value = "0dB", value_parser = gain, allow_hyphen_values = true)]
    gain: f64,

    /// Delay of the convolved sound: `20ms`
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = units::seconds)]
    predelay: f64,

    /// Delay of the convolver that is accepted in exchange for less work, in frames
    #[arg(long, value_name = "FRAMES", default_value_t = 0)]
    latency: usize,

    /// Sound kept between microphone and loudspeaker, so that neither waits: `20ms` [default:
    /// as much as the devices turn out to need]
    #[arg(long, value_name = "TIME", value_parser = units::seconds)]
    fill: Option<f64>,

    /// Whether one clock drives both devices: `one` or `two` [default: what the host tells]
    #[arg(long, value_name = "COUNT", value_parser = clocks)]
    clocks: Option<Clocks>,

    /// How another response takes over: `warm`, it answers to what was heard before, too; `ring`,
    /// the old one rings out; `cut`, the old one fades out
    #[arg(long, value_name = "MODE", default_value_t, value_parser = str::parse::<Swap>)]
    swap_mode: Swap,

    /// Let a level that runs away pass
    #[arg(long)]
    no_guard: bool,

    /// Write what is played to a WAV file
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,

    /// Replace the recording's file if it exists
    #[arg(short = 'y', long, requires = "record")]
    yes: bool,

    /// End after this time: `10s`
    #[arg(long, value_name = "TIME", value_parser = duration)]
    duration: Option<Duration>,

    /// Listen to OSC messages on this address [default without one: 127.0.0.1:9000]
    #[arg(
        long,
        value_name = "ADDR",
        num_args = 0..=1,
        default_missing_value = osc::DEFAULT,
        value_parser = osc::address,
    )]
    osc: Option<SocketAddr>,

    /// Allow an address that other machines reach
    #[arg(long, requires = "osc")]
    osc_public: bool,

    /// Measure the delay through a loop from loudspeaker to microphone, and end
    #[arg(long, conflicts_with_all = ["record", "osc", "duration"])]
    measure_latency: bool,

    /// Print a line a second instead of drawing on the terminal
    #[arg(long)]
    no_face: bool,

    /// Print one JSON object a line on the standard output: status each second, and every event
    #[arg(long)]
    json: bool,

    /// Say nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

const EXAMPLES: &str = "\
Keys:
  n p, right left   next, previous response      b   bypass, the tail rings on
  1-9               that response                B   bypass, at once
  m M, up down      more, less of the effect     R   record, or end the recording
  + -               gain 1 dB up, down           r   load the response again
  ? h               help                         q   quit (also Esc, Ctrl-C)

A response whose file changes is loaded again by itself. Without a terminal there is a line a
second instead of the face. Ctrl-C ends with a fade; a second one at once.

OSC: /ir (number or path), /mix (0 to 1), /gain (dB), /bypass, /record, /reload, /status.

Begin with headphones: a microphone that hears its own loudspeaker howls.

Examples:
  faltung live hall.wav
  faltung live hall.wav plate.wav synth:room --mix 30% --record take.wav
  faltung live eq.wav --host jack -p 64 --in-ch 1,2 --out-ch 3,4
  faltung live hall.wav --duration 10s --json > log
  faltung live --measure-latency";

fn clocks(text: &str) -> Result<Clocks, String> {
    match text {
        "one" | "1" => Ok(Clocks::One),
        "two" | "2" => Ok(Clocks::Two),
        _ => Err(format!("`{text}` is no count of clocks; write one or two")),
    }
}

fn gain(text: &str) -> Result<f64, String> {
    let gain = units::gain(text).map_err(|error| error.to_string())?;
    if 20.0 * gain.abs().log10() > action::MOST_DB + 1e-9 {
        return Err(format!(
            "`{text}` is more than the {} dB that can be; lower it, or amplify the response's file",
            action::MOST_DB
        ));
    }
    Ok(gain)
}

fn duration(text: &str) -> Result<Duration, UnitError> {
    let refuse = || UnitError {
        value: text.to_owned(),
        what: "a duration above 0",
        example: "`10s`, `250ms` or `90min`",
    };
    let seconds = units::seconds(text).map_err(|_| refuse())?;
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|time| !time.is_zero())
        .ok_or_else(refuse)
}

impl Args {
    fn setup(&self) -> Result<Setup, Failure> {
        let mut irs = Vec::with_capacity(self.irs.len());
        for ir in &self.irs {
            let origin = Origin::new(ir)?;
            if origin.reads_stdin() {
                return Err(Failure::usage(
                    "a live session loads responses more than once, which `-`, the standard input, does not allow; give a file",
                ));
            }
            irs.push(origin);
        }
        if irs.is_empty() {
            irs.push("synth:identity".parse()?);
        }
        Ok(Setup {
            irs,
            inputs: self.devices.inputs(),
            outputs: self.devices.outputs(),
            mix: self.mix,
            gain: self.gain,
            predelay: self.predelay,
            latency: match self.latency {
                0 => Latency::Zero,
                frames => Latency::AtMost(frames),
            },
            swap: self.swap_mode,
            guard: !self.no_guard,
            fill: self.fill,
            clocks: self.clocks,
            record: self.record.clone(),
            replace: self.yes,
        })
    }

    fn ports(&self) -> Box<DevicePorts> {
        Box::new(DevicePorts::new(self.devices.choice()))
    }

    fn remote(&self, inputs: &SyncSender<Input>) -> Result<Option<Remote>, Failure> {
        let Some(address) = self.osc else {
            return Ok(None);
        };
        if osc::is_public(&address) && !self.osc_public {
            return Err(Failure::usage(format!(
                "--osc {address} can be reached by other machines, and whoever reaches it plays along and has files opened; write --osc-public if that is meant, or --osc {}",
                osc::DEFAULT
            )));
        }
        let remote = Remote::new(address, inputs.clone()).map_err(|error| {
            Failure::because(format!(
                "cannot listen on {address}: {error}; choose another port with --osc"
            ))
        })?;
        Ok(Some(remote))
    }
}

/// Bursts of `--measure-latency`.
const BURSTS: usize = 10;

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let setup = args.setup()?;
    if args.measure_latency {
        let measured = measure_latency(setup, args.ports(), BURSTS)?;
        return measure::report(&measured, args.json, args.quiet);
    }
    let drawn = !args.json && !args.no_face && screen::is_possible();
    let (sender, inputs) = sync_channel(1024);
    let remote = args.remote(&sender)?;
    let desk = Desk {
        origins: setup.irs.clone(),
        index: 0,
        mix: setup.mix,
        gain: setup.gain,
        bypass: Bypass::Off,
        recording: setup.record.is_some(),
        takes: Takes::new(setup.record.clone(), setup.record.is_some()),
    };
    let live = Live::start(setup, args.ports())?;
    let graceful = Graceful::begin(drawn);
    // What the clock cannot reach has no end.
    let until = args
        .duration
        .and_then(|time| Instant::now().checked_add(time));
    let mut console = Console {
        desk,
        inputs,
        remote,
        watch: None,
        shown: Shown::Lines { quiet: args.quiet },
        notes: Vec::new(),
        recorded: Vec::new(),
        failed: Vec::new(),
    };
    watch(&mut console, &sender);
    let told = begin(args, &mut console, &live, &graceful);
    if told.is_ok() && drawn {
        match Screen::take(sender.clone()) {
            Ok(screen) => console.shown = Shown::Face(Box::new(screen), Box::default()),
            Err(error) => tell(format!("no face on this terminal: {error}")),
        }
    }
    let ending = match told {
        Ok(()) => console.run(&live, until, || graceful.asked()),
        Err(ending) => ending,
    };
    end(args, console, live, &graceful, ending)
}

/// Has the files of all responses watched.
fn watch(console: &mut Console, inputs: &SyncSender<Input>) {
    match Watch::new(inputs.clone()) {
        Ok(mut watch) => {
            let files = console.desk.origins.iter().flat_map(Origin::files);
            for file in files {
                if let Err(error) = watch.add(&file) {
                    console.notes.push(console::unwatched(&file, &error));
                }
            }
            console.watch = Some(watch);
        }
        Err(error) => console
            .notes
            .push(format!("files are not watched for changes: {error}")),
    }
}

/// Tells what is assumed, once it is known.
fn begin(
    args: &Args,
    console: &mut Console,
    live: &Live,
    graceful: &Graceful,
) -> Result<(), std::io::Result<Ending>> {
    // The devices' callbacks show their true periods.
    let patience = Instant::now() + Duration::from_secs(3);
    let mut status = live.status();
    while status.state == State::Starting && Instant::now() < patience && !graceful.asked() {
        thread::sleep(Duration::from_millis(10));
        status = live.status();
    }
    let osc = console.remote.as_ref().map(Remote::address);
    if args.json {
        let mut out = Box::new(Outlet::new(stdout()).map_err(Err)?);
        let written = console::write(&mut out, &json::start(&status, osc));
        console.shown = Shown::Json(out);
        return written.map_err(|error| match error.kind() {
            std::io::ErrorKind::BrokenPipe => Ok(Ending::Gone),
            _ => Err(error),
        });
    }
    if !args.quiet {
        words::assumptions(&status).into_iter().for_each(tell);
        if let Some(address) = osc {
            tell(format!("osc      {address}"));
        }
    }
    Ok(())
}

/// Gives the terminal back, lets the sound fade, and tells how it went.
fn end(
    args: &Args,
    console: Console,
    live: Live,
    graceful: &Graceful,
    ending: std::io::Result<Ending>,
) -> Result<(), Failure> {
    let Console {
        shown,
        mut recorded,
        mut failed,
        ..
    } = console;
    // The terminal first: Ctrl-C is a signal again, and ends at once.
    graceful.ending();
    let json = match shown {
        Shown::Json(out) => Some(out),
        on_terminal => {
            drop(on_terminal);
            None
        }
    };
    let under_way = live.status().recording;
    let (status, events) = live.stop();
    let mut ended = false;
    for event in events {
        match event.what {
            What::Recorded(recording) => {
                ended = true;
                recorded.push(recording);
            }
            What::RecordingFailed { why } => {
                ended = true;
                failed.push(why);
            }
            _ => {}
        }
    }
    if let Some(last) = under_way.filter(|_| !ended) {
        failed.push(format!("{} was not finished", last.path.display()));
    }
    match json {
        Some(mut out) => {
            // Whoever has left does not miss it.
            let _ = console::write(&mut out, &json::summary(&status, &recorded, &failed));
        }
        None if args.quiet => {}
        None => {
            tell(words::summary(&status));
            for take in &recorded {
                tell(words::clean(&in_words(take, &status)));
            }
        }
    }
    for why in &failed {
        tell(words::clean(&format!("recording failed: {why}")));
    }
    match ending {
        Err(error) => Err(Failure::because(format!("standard output: {error}"))),
        Ok(Ending::Itself) => Err(Failure::because(
            "the session ended by itself; see the events above, or run it with --no-face",
        )),
        Ok(Ending::Asked | Ending::Gone) if failed.is_empty() => Ok(()),
        Ok(Ending::Asked | Ending::Gone) => Err(Failure::Told),
    }
}

fn in_words(take: &Recording, status: &Status) -> String {
    let seconds = take.frames as f64 / f64::from(status.output.rate.hz());
    let lost = match take.lost {
        0 => String::new(),
        lost => format!(", {lost} frame(s) lost"),
    };
    format!("recorded {}, {seconds:.3} s{lost}", take.path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::SampleFormat;
    use crate::io::port::Port;
    use crate::run::live::{Counts, Event, Heard, Level, Load, Path as Delay, What};
    use crate::signal::SampleRate;
    use action::Session;
    use clap::{Args as _, FromArgMatches};
    use std::cell::RefCell;
    use std::fs;
    use std::io;
    use std::path::Path;
    use std::sync::{Arc, Mutex};

    /// A folder that goes with its test.
    pub(super) struct Folder(PathBuf);

    impl Folder {
        pub fn new(name: &str) -> Self {
            let name = format!("faltung-live-{name}-{}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        pub fn path(&self) -> &Path {
            &self.0
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// A place to write that others can read.
    #[derive(Clone, Default)]
    pub(super) struct Sheet(pub Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sheet {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A reader who has gone.
    pub(super) struct Left;

    impl io::Write for Left {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// How a session might stand.
    pub(super) fn status() -> Status {
        let port = Port {
            host: "jack".into(),
            device: "system".into(),
            rate: SampleRate::new(48_000).unwrap(),
            channels: 2,
            period: Some(256),
            format: SampleFormat::F32,
        };
        let level = |peak| Level { peak, rms: 0.1 };
        Status {
            state: State::Running,
            time: Duration::from_secs(75),
            input: port.clone(),
            output: port,
            inputs: vec![0, 1],
            outputs: vec![0, 1],
            routing: "each channel its own".into(),
            clocks: Clocks::Two,
            latency: Delay {
                input: 256.0,
                ring: 512.0,
                resampler: 64.0,
                engine: 0.0,
                output: 256.0,
            },
            fill: 510.5,
            target: 512.0,
            drift_ppm: Some(1.25),
            load: Load {
                mean: 0.05,
                worst: 0.11,
                worst_ever: 0.2,
            },
            input_levels: vec![level(0.5), level(0.25)],
            output_levels: vec![level(0.0), level(0.0)],
            counts: Counts {
                input_xruns: 2,
                starved: 1,
                starved_frames: 640,
                nonfinite: 4,
                reconnects: 1,
                ..Counts::default()
            },
            last_dropout: Some(Duration::from_secs(74)),
            guard_db: Some(-0.4),
            irs: vec!["hall.wav".into(), "plate.wav".into()],
            ir: Heard {
                index: 0,
                name: "hall.wav".into(),
                channels: 2,
                frames: 96_000,
                resampled_from: Some(SampleRate::new(44_100).unwrap()),
                pending: false,
            },
            mix: 1.0,
            gain: 1.0,
            bypass: Bypass::Off,
            recording: None,
        }
    }

    pub(super) fn recording() -> Recording {
        Recording {
            path: "take-x.wav".into(),
            frames: 48_000,
            lost: 0,
        }
    }

    /// Wishes with so many responses and a name for recordings that no file has.
    pub(super) fn desk(count: usize) -> Desk {
        let recipe = |k: usize| format!("synth:delay={}ms", k + 1).parse().unwrap();
        Desk {
            origins: (0..count).map(recipe).collect(),
            index: 0,
            mix: 1.0,
            gain: 1.0,
            bypass: Bypass::Off,
            recording: false,
            takes: Takes::new(Some("take-x.wav".into()), false),
        }
    }

    /// A session that writes down what is asked of it.
    pub(super) struct Fake {
        calls: RefCell<Vec<String>>,
        events: RefCell<Vec<Event>>,
        status: RefCell<Status>,
    }

    impl Fake {
        pub fn new() -> Self {
            Self {
                calls: RefCell::default(),
                events: RefCell::default(),
                status: RefCell::new(status()),
            }
        }

        pub fn calls(&self) -> Vec<String> {
            self.calls.borrow().clone()
        }

        pub fn say(&self, what: What) {
            let at = Duration::from_secs(1);
            self.events.borrow_mut().push(Event { at, what });
        }

        pub fn change(&self, change: impl FnOnce(&mut Status)) {
            change(&mut self.status.borrow_mut());
        }

        fn note(&self, call: String) {
            self.calls.borrow_mut().push(call);
        }
    }

    impl Session for Fake {
        fn status(&self) -> Status {
            self.status.borrow().clone()
        }
        fn events(&self) -> Vec<Event> {
            self.events.take()
        }
        fn select(&self, index: usize) {
            self.note(format!("select {index}"));
        }
        fn add(&self, origin: Origin) {
            self.note(format!("add {origin}"));
        }
        fn reload(&self) {
            self.note("reload".into());
        }
        fn set_mix(&self, mix: f64) {
            self.note(format!("mix {mix:.2}"));
        }
        fn set_gain(&self, gain: f64) {
            self.note(format!("gain {gain:.2}"));
        }
        fn bypass(&self, bypass: Bypass) {
            self.note(format!("bypass {bypass:?}"));
        }
        fn record(&self, path: Option<PathBuf>) {
            let path = path.map_or("none".into(), |path| path.display().to_string());
            self.note(format!("record {path}"));
        }
    }

    fn args(line: &str) -> Result<Args, clap::Error> {
        let command = Args::augment_args(clap::Command::new("live"));
        let words = std::iter::once("live").chain(line.split_whitespace());
        Args::from_arg_matches(&command.try_get_matches_from(words)?)
    }

    #[test]
    fn what_is_written_is_what_is_set_up() {
        let line = "synth:hall synth:room --in-ch 1,2 --out-ch 3-4 --mix 30% --gain -6dB \
            --predelay 20ms --latency 64 --fill 10ms --clocks two --swap-mode ring --no-guard \
            --record out.wav -y";
        let setup = args(line).unwrap().setup().unwrap();
        let want = Setup {
            irs: vec!["synth:hall".parse().unwrap(), "synth:room".parse().unwrap()],
            inputs: Some(vec![0, 1]),
            outputs: Some(vec![2, 3]),
            mix: units::fraction("30%").unwrap(),
            gain: units::gain("-6dB").unwrap(),
            predelay: 0.02,
            latency: Latency::AtMost(64),
            swap: Swap::Ring,
            guard: false,
            fill: Some(0.01),
            clocks: Some(Clocks::Two),
            record: Some("out.wav".into()),
            replace: true,
        };
        assert_eq!(setup, want);
    }

    #[test]
    fn nothing_written_is_all_wet_as_it_is_and_guarded() {
        let setup = args("hall.wav").unwrap().setup().unwrap();
        assert_eq!((setup.mix, setup.gain, setup.predelay), (1.0, 1.0, 0.0));
        assert_eq!((setup.latency, setup.swap), (Latency::Zero, Swap::Warm));
        assert!(setup.guard && setup.record.is_none() && setup.clocks.is_none());
        assert!(args("hall.wav").unwrap().osc.is_none());
    }

    #[test]
    fn wrong_values_are_named() {
        for (line, hint) in [
            ("", "IR"),
            ("a.wav --period 0", "256"),
            ("a.wav --period many", "256"),
            ("a.wav --clocks 3", "one or two"),
            ("a.wav --gain 61dB", "60 dB"),
            ("a.wav --mix 2", "30%"),
            ("a.wav --duration 0", "10s"),
            ("a.wav --duration 10", "10s"),
            ("a.wav --duration 1e30s", "10s"),
            ("a.wav --swap-mode hot", "warm"),
            ("a.wav -y", "--record"),
            ("a.wav --osc-public", "--osc"),
            ("--osc a.wav", "--osc="),
            ("a.wav --measure-latency --record x.wav", "--record"),
        ] {
            let error = args(line).unwrap_err().to_string();
            assert!(error.contains(hint), "{line}: {error}");
        }
    }

    #[test]
    fn the_standard_input_is_no_response_of_a_live_session() {
        let refused = args("-").unwrap().setup();
        assert!(matches!(refused, Err(Failure::Usage(text)) if text.contains("`-`")));
    }

    #[test]
    fn a_public_address_needs_the_word() {
        let (sender, _inputs) = sync_channel(1);
        let refused = args("a.wav --osc 0.0.0.0:0").unwrap().remote(&sender);
        assert!(matches!(refused, Err(Failure::Usage(text)) if text.contains("--osc-public")));
        let public = args("a.wav --osc 0.0.0.0:0 --osc-public").unwrap();
        assert!(public.remote(&sender).unwrap().is_some());
        let private = args("a.wav --osc=0").unwrap();
        assert!(private.remote(&sender).unwrap().is_some());
        let default = args("a.wav --osc").unwrap().osc.unwrap();
        assert_eq!(default.to_string(), osc::DEFAULT);
    }

    #[test]
    fn a_port_in_use_is_told_with_the_way_out() {
        let (sender, _inputs) = sync_channel(1);
        let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let line = format!("a.wav --osc {}", taken.local_addr().unwrap());
        let refused = args(&line).unwrap().remote(&sender);
        assert!(matches!(refused, Err(Failure::Line(text)) if text.contains("another port")));
    }
}
