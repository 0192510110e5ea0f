//! `faltung plan`: how a response would be cut, with what latency, cost and memory, and why.

use std::path::PathBuf;

use serde_json::json;

use super::{Failure, note, print};
use crate::dsp::plan::{Latency, Outline, Plan};
use crate::dsp::routing::Routing;
use crate::io::Origin;
use crate::ir::ImpulseResponse;
use crate::signal::SampleRate;

/// Show how an impulse response would be convolved
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Impulse response: a file, or `synth:` and a recipe (see `faltung ir list`)
    #[arg(value_name = "IR")]
    ir: PathBuf,

    /// Sample rate of the stream [default: the file's; 48k for a recipe]
    #[arg(short, long, value_parser = super::rate)]
    rate: Option<SampleRate>,

    /// Input channels [default: 2 for four IR channels, 8 for HeSuVi's 7 and 14, else as many
    /// as the IR has]
    #[arg(long, value_name = "N")]
    inputs: Option<usize>,

    /// Delay that would be accepted in exchange for less work, in frames
    #[arg(long, value_name = "FRAMES", default_value_t = 0)]
    latency: usize,

    /// As files are rendered: in blocks of one size, as large as costs least
    #[arg(long, conflicts_with = "latency")]
    files: bool,

    /// As it is played live, where another response may take over
    #[arg(long, conflicts_with = "files")]
    swaps: bool,

    /// Compute in f64 instead of f32
    #[arg(long)]
    double: bool,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
The parts: the head is convolved in the time domain, so that nothing waits; where there are
squares, what the first half of level 1's block is to the second is made of spectra in between,
and in smaller squares what the halves of these halves are to one another; each level holds
partitions of one size as spectra. A level that is spread answers to what came at least one of
its blocks before the block it makes, so that its work has a whole block's time; what is later
is the level's before it, so their taps overlap. Where responses may be exchanged (--swaps,
always with `faltung live`) each tap has one level for good, which costs more. The plan is the
one with the least predicted cost. Files need no answer in time: there (--files) all blocks have
one size, and their latency is taken out of the result.

Examples:
  faltung plan hall.wav
  faltung plan synth:cathedral -r 44.1k --latency 256
  faltung plan hall.wav --swaps
  faltung plan hall.wav --files";

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let origin = Origin::new(&args.ir)?;
    let made_at = args.rate.map_or_else(|| SampleRate::new(48_000), Ok)?;
    let loaded = origin.load_as_it_is(made_at)?;
    note(&loaded.notes(), origin.file().is_none());
    let rate = args.rate.unwrap_or(loaded.ir.rate());
    let ir = loaded.at(rate)?.ir;
    let plan = match (args.files, args.latency) {
        (true, _) => Plan::for_throughput(ir.frames()),
        (false, 0) => Plan::new(ir.frames()),
        (false, frames) => Plan::new(ir.frames()).with_latency(Latency::AtMost(frames)),
    };
    let plan = if args.swaps { plan.for_swaps() } else { plan };
    let (routing, outline) = outline(&ir, plan, args.inputs, args.double)?;
    if args.json {
        print(|out| writeln!(out, "{}", to_json(&ir, &routing, &outline)))
    } else {
        let (name, frames, irs) = (ir.name(), ir.frames(), ir.channel_count());
        print(|out| {
            writeln!(
                out,
                "{name}: {frames} frames at {rate}, {irs} ch; {routing}"
            )?;
            writeln!(out, "{outline}")?;
            let load = load(&outline, rate);
            writeln!(out, "load      about {load:.2} % of one core at {rate}")
        })
    }
}

/// How a response would be convolved at its own rate, with a stream of so many channels (2 for four
/// IR channels, 8 for HeSuVi's 7 and 14, else as many as the IR has, where it is not said).
pub(super) fn outline(
    ir: &ImpulseResponse,
    plan: Plan,
    inputs: Option<usize>,
    double: bool,
) -> Result<(Routing, Outline), Failure> {
    let irs = ir.channel_count();
    let inputs = inputs.unwrap_or(Routing::usual_inputs(irs));
    let routing = Routing::for_channels(inputs, irs)?;
    let outline = if double {
        plan.outline::<f64>(inputs, irs, &routing)?
    } else {
        plan.outline::<f32>(inputs, irs, &routing)?
    };
    Ok((routing, outline))
}

/// Per cent of one core that it takes at a rate.
pub(super) fn load(outline: &Outline, rate: SampleRate) -> f64 {
    outline.ns_per_frame() * f64::from(rate.hz()) / 1e7
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
        "squares": outline.squares().collect::<Vec<_>>(),
        "levels": outline.levels().map(level).collect::<Vec<_>>(),
        "ns_per_frame": outline.ns_per_frame(),
        "bytes": outline.bytes(),
        "cpu": outline.cpu().to_string(),
    })
}
