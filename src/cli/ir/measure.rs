//! `faltung ir measure`: a sweep through a sound device and back, and the response of what lies
//! between.

mod files;
mod report;
mod words;

use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};

use super::super::choice::Devices;
use super::super::signals::Graceful;
use super::super::{Failure, clean, print, tell};
use crate::io::device::{Choice, DevicePorts};
use crate::io::port::Ports;
use crate::ir::measure::SweepSetup;
use crate::ir::units;
use crate::run::measure::{MeasuringError, Progress, Session, Setup, Stage, TakeError, Zero};
use crate::signal::SampleRate;
use files::Files;

/// Play a sweep, record it at once, and write the impulse response
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// WAV file of the response, 32-bit float; sweep, recording and report are written beside it
    #[arg(value_name = "OUT", required_unless_present = "check")]
    response: Option<PathBuf>,

    #[command(flatten)]
    devices: Devices,

    /// Length of the sweep: `10s`
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::seconds)]
    seconds: f64,

    /// First frequency
    #[arg(long, value_name = "FREQ", default_value = "20", value_parser = units::hertz)]
    from: f64,

    /// Last frequency [default: 20k, or a little less than half the rate]
    #[arg(long, value_name = "FREQ", value_parser = units::hertz)]
    to: Option<f64>,

    /// Peak of the sweep, beside full scale
    #[arg(long, default_value = "-12dB", value_parser = units::gain, allow_hyphen_values = true)]
    level: f64,

    /// Sweeps that are averaged
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    repeats: usize,

    /// Silence before the first sweep and after each: longer than the room sounds on
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = units::seconds)]
    silence: f64,

    /// Channel of the microphone to which the output is cabled: the response then begins when the
    /// sound is sent
    #[arg(long, value_name = "CHANNEL", value_parser = channel)]
    loopback: Option<usize>,

    /// Take level and colour of the loop away, too
    #[arg(long, requires = "loopback")]
    divide: bool,

    /// Frames that the devices take beyond what their host states, as a measurement with
    /// --loopback prints them: the response then begins when the sound is sent
    #[arg(
        long,
        value_name = "FRAMES",
        conflicts_with = "loopback",
        allow_hyphen_values = true
    )]
    latency: Option<f64>,

    /// Keep all the delay, that of the devices included; the response begins when the host says
    /// that the sound is sent
    #[arg(long, conflicts_with_all = ["loopback", "latency"])]
    keep_delay: bool,

    /// Takes at most, where some are disturbed by xruns or lost frames
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = count)]
    tries: usize,

    /// Only listen to the silence and to a soft sweep, print the levels, and end
    #[arg(long, conflicts_with_all = ["response", "sweep", "recording", "report", "ir_only"])]
    check: bool,

    /// Another file for the sweep [default: OUT-sweep.wav]
    #[arg(long, value_name = "FILE")]
    sweep: Option<PathBuf>,

    /// Another file for what was recorded [default: OUT-recording.wav]
    #[arg(long, value_name = "FILE")]
    recording: Option<PathBuf>,

    /// Another file for the report, in JSON [default: OUT-report.json]
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// Write the response, and of the others only those that are named
    #[arg(long)]
    ir_only: bool,

    /// Replace files that exist
    #[arg(short = 'y', long)]
    yes: bool,

    /// Print the report on the standard output, in JSON
    #[arg(long)]
    json: bool,

    /// Say nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

const EXAMPLES: &str = "\
Begin with a low level of the loudspeaker. A soft sweep is played first, and what would be too loud
for the microphone's input is not played at all. Channel 1 of each device is taken unless others are
named.

With several outputs each is measured in turn; the response has a channel for each input, of the
first output, then those of the second: LL, LR, RL, RR for two and two, which is true stereo.

Examples:
  faltung ir measure --check
  faltung ir measure room.wav --in-ch 1,2 --level -20dB
  faltung ir measure hall.wav --in-ch 1,2 --out-ch 1,2 --seconds 20s --silence 5s
  faltung ir measure room.wav --in-ch 1 --loopback 2
  faltung ir measure amp.wav --host jack --in-ch 3 --out-ch 3 --latency 41.5";

fn channel(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..) => Ok(number),
        _ => Err(format!(
            "`{text}` is no channel; they are counted from 1, write for example 2"
        )),
    }
}

fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=100) => Ok(number),
        _ => Err(format!("`{text}` is no number from 1 to 100")),
    }
}

impl Args {
    fn zero(&self) -> Zero {
        match (self.loopback, self.latency) {
            (Some(channel), _) => Zero::Loopback {
                channel: channel - 1,
                divide: self.divide,
            },
            (None, Some(frames)) => Zero::Sent(frames),
            (None, None) if self.keep_delay => Zero::Sent(0.0),
            (None, None) => Zero::Onset,
        }
    }

    /// The sweep at the lower of the devices' rates: what goes beyond it cannot be had.
    fn sweep(&self, lower: SampleRate) -> SweepSetup {
        let usual = SweepSetup::new(lower);
        SweepSetup {
            seconds: self.seconds,
            from: self.from,
            to: self.to.unwrap_or(usual.to),
            level: self.level,
            repeats: self.repeats,
            silence: self.silence,
            ..usual
        }
    }

    /// What the ports are asked for: one rate for both, if they can.
    fn choice(&self) -> Result<Choice, Failure> {
        let mut choice = self.devices.choice();
        choice.inputs = choice.inputs.max(self.loopback.unwrap_or(0));
        if choice.rate.is_none() {
            let pair = DevicePorts::new(choice.clone()).find()?;
            let same = Choice {
                rate: Some(pair.output.rate),
                ..choice.clone()
            };
            let found = DevicePorts::new(same.clone()).find();
            if found.is_ok_and(|pair| pair.input.rate == pair.output.rate) {
                choice = same;
            }
        }
        Ok(choice)
    }
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let files = match &args.response {
        Some(response) => Some(Files::new(response, args)?),
        None => None,
    };
    let choice = args.choice()?;
    let pair = DevicePorts::new(choice.clone()).find()?;
    let setup = Setup {
        sweep: args.sweep(pair.input.rate.min(pair.output.rate)),
        inputs: args.devices.inputs().unwrap_or_else(|| vec![0]),
        outputs: args.devices.outputs().unwrap_or_else(|| vec![0]),
        zero: args.zero(),
        tries: args.tries,
    };
    let mut session = Session::open(setup.clone(), Box::new(DevicePorts::new(choice)))?;
    if !args.quiet {
        words::assumptions(&session, &setup)
            .into_iter()
            .for_each(tell);
    }
    let graceful = Graceful::begin(false);
    let bar = bar(args.quiet);
    let mut attempts = 1;
    let mut watch = |stage: Stage<'_>, progress: &Progress| {
        if let Stage::Sweep {
            attempt,
            because: Some(why),
        } = stage
            && attempt > attempts
        {
            attempts = attempt;
            bar.suspend(|| {
                tell(format!(
                    "take {} was disturbed: {why}; once more",
                    attempt - 1
                ))
            });
        }
        bar.set_length((1e3 * progress.of) as u64);
        bar.set_position((1e3 * progress.seconds) as u64);
        bar.set_message(words::progress(stage, progress));
        !graceful.asked()
    };
    let heard = session.check(&mut watch);
    let measured = match heard {
        Ok(heard) => {
            if !args.quiet {
                bar.suspend(|| words::heard(&heard).into_iter().for_each(tell));
            }
            match &files {
                Some(_) => session
                    .measure(&mut watch)
                    .map(|measured| (heard, Some(measured))),
                None => Ok((heard, None)),
            }
        }
        Err(error) => Err(error),
    };
    bar.finish_and_clear();
    if !args.quiet {
        let notices = session.notices();
        notices.iter().for_each(|notice| tell(clean(notice)));
    }
    let (heard, measured) = measured.map_err(|error| match error {
        MeasuringError::Take(TakeError::Stopped) => {
            Failure::because("stopped; nothing was written")
        }
        other => Failure::because(clean(&other.to_string())),
    })?;
    // From here on nothing sounds: a request to stop ends the process.
    drop(graceful);
    let report = report::Report {
        session: &session,
        setup: &setup,
        heard: &heard,
        measured: measured.as_ref(),
    };
    if let (Some(files), Some(measured)) = (files, &measured) {
        files.write(measured, &report.json())?;
    }
    if args.json {
        return print(|out| writeln!(out, "{}", report.json()));
    }
    match &measured {
        Some(measured) if !args.quiet => {
            let lines = words::summary(&setup, &heard, measured);
            print(|out| lines.iter().try_for_each(|line| writeln!(out, "{line}")))
        }
        _ => Ok(()),
    }
}

fn bar(quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(1);
    let style = ProgressStyle::with_template("{wide_bar} {msg}");
    style
        .map(|style| bar.clone().with_style(style))
        .unwrap_or(bar)
}
