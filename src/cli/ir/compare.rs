//! `faltung ir compare`: how two impulse responses differ.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{Failure, decibels, print, read, tell};
use crate::cli::gain;
use crate::ir::ImpulseResponse;
use crate::ir::compare::{Comparison, compare};
use crate::signal::SampleRate;

/// Differences below this are those of double precision.
const NOTHING_DB: f64 = -250.0;

/// Tell how two impulse responses differ: a null test after delay and gain are matched
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Impulse response that is the measure
    #[arg(value_name = "A")]
    a: String,

    /// Impulse response that is brought to it: moved by one delay and turned up or down by one
    /// gain for all channels
    #[arg(value_name = "B")]
    b: String,

    /// Compare this channel alone, counted from 1; one of a single channel is taken as it is
    #[arg(long, value_name = "N")]
    channel: Option<usize>,

    /// Sample rate for recipes [default: that of the other, else 48k]
    #[arg(short, long, value_parser = super::rate)]
    rate: Option<SampleRate>,

    /// Print one JSON object
    #[arg(long)]
    json: bool,

    /// Say nothing but the result and errors
    #[arg(short, long)]
    quiet: bool,
}

const EXAMPLES: &str = "\
The null is the energy of A - B beside that of A, in dB: 0 dB is nothing in common, -6 dB a factor
of 2, below -130 dB the rounding of 32-bit floats. Bands are octaves; their level is that of B over
A as they are, their null that after the match of the whole. In JSON, delay_frames is by how much
B comes later, and gain_db what B was turned up by to match.

Examples:
  faltung ir compare before.wav after.wav
  faltung ir compare synth:lowpass=3k synth:min:lowpass=3k --json";

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let recipe = |ir: &str| ir.starts_with("synth:");
    // A recipe has no rate of its own and takes the other's.
    let read = |ir, rate| read(ir, rate, args.quiet);
    let (a, b) = match (recipe(&args.a), recipe(&args.b)) {
        (true, false) => {
            let b = read(&args.b, None)?;
            (read(&args.a, args.rate.or(Some(b.rate())))?, b)
        }
        (false, true) => {
            let a = read(&args.a, None)?;
            let b = read(&args.b, args.rate.or(Some(a.rate())))?;
            (a, b)
        }
        _ => (read(&args.a, args.rate)?, read(&args.b, args.rate)?),
    };
    let b_rate = b.rate();
    let b = b.resample(a.rate())?;
    if b_rate != a.rate() && !args.quiet {
        let name = b.name();
        tell(format!("{name}: resampled from {b_rate} to {}", a.rate()));
    }
    let (a, b) = match args.channel {
        None => (a, b),
        Some(channel) if channel != 1 && a.channel_count() + b.channel_count() == 2 => {
            return Err(Failure::because(format!(
                "both have one channel; there is no channel {channel}"
            )));
        }
        Some(channel) => (alone(a, channel)?, alone(b, channel)?),
    };
    let told = compare(&a, &b)?;
    print(|out| match args.json {
        true => writeln!(out, "{}", for_programs(&a, &b, &told)),
        false => out.write_all(for_people(&a, &b, &told).as_bytes()),
    })
}

/// One channel, counted from 1; one of a single channel is taken as it is.
fn alone(ir: ImpulseResponse, channel: usize) -> Result<ImpulseResponse, Failure> {
    if ir.channel_count() == 1 {
        return Ok(ir);
    }
    let name = ir.name().to_owned();
    let index = channel.wrapping_sub(1);
    ir.only_channel(index)
        .map_err(|error| Failure::because(format!("{name}: {error}")))
}

/// A share of energy in dB; none below what double precision can tell.
fn level(energy: f64) -> Option<f64> {
    Some(10.0 * energy.log10()).filter(|&db| db > NOTHING_DB)
}

fn for_people(a: &ImpulseResponse, b: &ImpulseResponse, told: &Comparison) -> String {
    let null = |energy: f64| level(energy).map_or("nothing left".into(), decibels);
    let opt = |energy: Option<f64>, text: &dyn Fn(f64) -> String| energy.map_or("-".into(), text);
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "  {name:12}{value}");
    };
    let ms = 1e3 * told.delay.abs() / f64::from(a.rate().hz());
    let moved = match told.delay {
        0.0 => "not at all".to_owned(),
        delay => format!(
            "{:.3} frames ({ms:.3} ms) {}",
            delay.abs(),
            if delay > 0.0 { "earlier" } else { "later" }
        ),
    };
    line("B moved", moved);
    line("B turned", gain(told.gain));
    line("as they are", null(told.raw));
    line("null", null(told.residual));
    if told.channels.len() > 1 {
        for (index, &left) in told.channels.iter().enumerate() {
            line(&format!("  channel {}", index + 1), opt(left, &null));
        }
    }
    let _ = writeln!(text, "\n  {:>6}  {:>13}  {:>13}", "Hz", "level B/A", "null");
    for band in &told.bands {
        let over = opt(band.level, &|energy| match energy {
            0.0 => "B silent".into(),
            _ => decibels(10.0 * energy.log10()),
        });
        let left = opt(band.residual, &null);
        let _ = writeln!(text, "  {:>6}  {over:>13}  {left:>13}", band.hz);
    }
    let (rate, channels) = (a.rate(), a.channel_count());
    format!(
        "{} against {} ({rate}, {channels} ch)\n{text}",
        b.name(),
        a.name()
    )
}

fn for_programs(a: &ImpulseResponse, b: &ImpulseResponse, told: &Comparison) -> Value {
    let db = |energy: Option<f64>| energy.and_then(level);
    json!({
        "a": a.name(),
        "b": b.name(),
        "rate": a.rate().hz(),
        "channels": a.channel_count(),
        "delay_frames": told.delay,
        "delay_s": told.delay / f64::from(a.rate().hz()),
        "gain": told.gain,
        "gain_db": 20.0 * told.gain.abs().log10(),
        "inverted": told.gain < 0.0,
        "equal": told.raw == 0.0,
        "raw_db": level(told.raw),
        "null_db": level(told.residual),
        "channel_null_db": told.channels.iter().map(|&left| db(left)).collect::<Vec<_>>(),
        "bands": told.bands.iter().map(|band| json!({
            "hz": band.hz,
            "level_db": db(band.level),
            "null_db": db(band.residual),
        })).collect::<Vec<_>>(),
    })
}
