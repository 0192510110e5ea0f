//! `faltung plan`: how a response would be cut, with what latency, cost and memory, and why.

use std::path::PathBuf;

use serde_json::json;

use super::{Failure, print};
use crate::dsp::plan::{Latency, Outline, Plan};
use crate::dsp::routing::Routing;
use crate::ir::{ImpulseResponse, Recipe};
use crate::signal::SampleRate;

/// Show how an impulse response would be convolved
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Impulse response: a WAV file, or `synth:` and a recipe (see `faltung ir list`)
    #[arg(value_name = "IR")]
    ir: PathBuf,

    /// Sample rate of the stream [default: the file's; 48k for a recipe]
    #[arg(short, long, value_parser = super::ir::rate)]
    rate: Option<SampleRate>,

    /// Input channels [default: 2 for four IR channels, else as many as the IR has]
    #[arg(long, value_name = "N")]
    inputs: Option<usize>,

    /// Delay that would be accepted in exchange for less work, in frames
    #[arg(long, value_name = "FRAMES", default_value_t = 0)]
    latency: usize,

    /// Compute in f64 instead of f32
    #[arg(long)]
    double: bool,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
The parts: the head is convolved in the time domain, so that nothing waits; each level holds
partitions of one size as spectra. A level that is spread begins two of its blocks after tap 0,
so that its work has a whole block's time. The plan is the one with the least predicted cost.

Examples:
  faltung plan hall.wav
  faltung plan synth:cathedral -r 44.1k --latency 256";

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let recipe = args.ir.to_str().and_then(|ir| ir.strip_prefix("synth:"));
    let ir = match recipe {
        Some(recipe) => {
            let rate = args.rate.map_or_else(|| SampleRate::new(48_000), Ok)?;
            recipe.parse::<Recipe>()?.render(rate)?
        }
        None => ImpulseResponse::read(&args.ir)?,
    };
    let rate = args.rate.unwrap_or(ir.rate());
    let ir = ir.resample(rate)?;
    let irs = ir.channel_count();
    let inputs = args.inputs.unwrap_or(if irs == 4 { 2 } else { irs });
    let routing = Routing::for_channels(inputs, irs)?;
    let latency = match args.latency {
        0 => Latency::Zero,
        frames => Latency::AtMost(frames),
    };
    let plan = Plan::new(ir.frames()).with_latency(latency);
    let outline = if args.double {
        plan.outline::<f64>(inputs, irs, &routing)?
    } else {
        plan.outline::<f32>(inputs, irs, &routing)?
    };
    if args.json {
        print(|out| writeln!(out, "{}", to_json(&ir, &routing, &outline)))
    } else {
        let (name, frames) = (ir.name(), ir.frames());
        print(|out| {
            writeln!(
                out,
                "{name}: {frames} frames at {rate}, {irs} ch; {routing}"
            )?;
            writeln!(out, "{outline}")?;
            let load = outline.ns_per_frame() * f64::from(rate.hz()) / 1e7;
            writeln!(out, "load      about {load:.2} % of one core at {rate}")
        })
    }
}

fn to_json(ir: &ImpulseResponse, routing: &Routing, outline: &Outline) -> serde_json::Value {
    let level = |(block, tap, partitions)| json!({ "block": block, "from_tap": tap, "partitions": partitions });
    json!({
        "ir": ir.name(),
        "rate": ir.rate().hz(),
        "channels": ir.channel_count(),
        "frames": ir.frames(),
        "routing": routing.to_string(),
        "latency": outline.latency(),
        "head": outline.head(),
        "levels": outline.levels().map(level).collect::<Vec<_>>(),
        "ns_per_frame": outline.ns_per_frame(),
        "bytes": outline.bytes(),
        "cpu": outline.cpu().to_string(),
    })
}
