//! `faltung ir sweep`: a signal to measure with.

use std::path::Path;

use super::super::print;
use super::{Failure, Output};
use crate::ir::ImpulseResponse;
use crate::ir::measure::{Mls, MlsSetup, Sweep, SweepSetup};
use crate::ir::units;
use crate::signal::{Audio, SampleRate};

/// Write a sine sweep (or a maximum-length sequence) to measure with
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    output: Output,

    /// Length of a sweep, about: it ends on a whole number of periods [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = units::seconds)]
    seconds: Option<f64>,

    /// First frequency [default: 20]
    #[arg(long, value_name = "FREQ", value_parser = units::hertz)]
    from: Option<f64>,

    /// Last frequency [default: 20k, or 95 % of half the rate]
    #[arg(long, value_name = "FREQ", value_parser = units::hertz)]
    to: Option<f64>,

    /// Peak [default: -6dB; -12dB for a sequence]
    #[arg(long, value_name = "GAIN", value_parser = units::gain, allow_hyphen_values = true)]
    level: Option<f64>,

    /// Fade at the beginning of a sweep [default: 50ms]
    #[arg(long, value_name = "TIME", value_parser = units::seconds)]
    fade_in: Option<f64>,

    /// Fade at the end of a sweep [default: 10ms]
    #[arg(long, value_name = "TIME", value_parser = units::seconds)]
    fade_out: Option<f64>,

    /// How many, to be averaged [default: 1; 4 and one to settle for a sequence]
    #[arg(long, value_name = "COUNT")]
    repeats: Option<usize>,

    /// Silence before the first and after each sweep (after the last period of a sequence): longer
    /// than the room rings [default: 2s]
    #[arg(long, value_name = "TIME", value_parser = units::seconds)]
    silence: Option<f64>,

    /// Sample rate: `48k`
    #[arg(short, long, default_value = "48k", value_parser = super::rate)]
    rate: SampleRate,

    /// A maximum-length sequence of this order instead, 10 to 20: 2^ORDER - 1 frames a period
    #[arg(long, value_name = "ORDER", conflicts_with_all = ["seconds", "from", "to", "fade_in", "fade_out"])]
    mls: Option<u32>,
}

const EXAMPLES: &str = "\
The line that is printed is a recipe: `faltung ir deconvolve` takes it in place of the file.

Examples:
  faltung ir sweep sweep.wav                             10 s, 20 Hz to 20 kHz, at 48 kHz
  faltung ir sweep sweep.wav --repeats 4 --format i24    four, to be averaged
  faltung ir sweep mls.wav --mls 16                      periods of 65535 frames";

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let (samples, recipe) = match args.mls {
        Some(order) => {
            let default = MlsSetup::new(args.rate);
            let mls = Mls::new(MlsSetup {
                order,
                level: args.level.unwrap_or(default.level),
                repeats: args.repeats.unwrap_or(default.repeats),
                silence: args.silence.unwrap_or(default.silence),
                ..default
            })?;
            (narrow(mls.samples()), mls.setup().to_string())
        }
        None => {
            let default = SweepSetup::new(args.rate);
            let sweep = Sweep::new(SweepSetup {
                rate: args.rate,
                seconds: args.seconds.unwrap_or(default.seconds),
                from: args.from.unwrap_or(default.from),
                to: args.to.unwrap_or(default.to),
                level: args.level.unwrap_or(default.level),
                fade_in: args.fade_in.unwrap_or(default.fade_in),
                fade_out: args.fade_out.unwrap_or(default.fade_out),
                repeats: args.repeats.unwrap_or(default.repeats),
                silence: args.silence.unwrap_or(default.silence),
            })?;
            (narrow(sweep.samples()), sweep.setup().to_string())
        }
    };
    let signal = ImpulseResponse::new(Audio::new(args.rate, vec![samples])?)?;
    args.output.write(&signal.named("measuring signal"))?;
    if args.output.output == Path::new("-") {
        return Ok(());
    }
    print(|out| writeln!(out, "{recipe}"))
}

fn narrow(samples: &[f64]) -> Vec<f32> {
    samples.iter().map(|&x| x as f32).collect()
}
