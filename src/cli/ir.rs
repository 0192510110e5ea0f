//! `faltung ir`: impulse responses, looked at and made.

use std::path::PathBuf;

use super::{Failure, decibels, print, tell};
use crate::io::{SampleFormat, Sink, Spec, WavSink};
use crate::ir::{Recipe, synth, units};
use crate::signal::SampleRate;

/// List and make impulse responses.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Show the recipes that may follow `synth:` wherever an impulse response is asked for
    List,
    /// Write the impulse response of a recipe to a WAV file
    #[command(after_help = "Example:\n  faltung ir synth hall hall.wav -r 48k")]
    Synth(Synth),
}

#[derive(Debug, clap::Args)]
struct Synth {
    /// Recipe, such as `hall` or `lowpass=3k`; see `faltung ir list`
    #[arg(value_name = "RECIPE")]
    recipe: String,

    /// WAV file that is made; `-` is the standard output
    #[arg(value_name = "OUT")]
    output: PathBuf,

    /// Sample rate: `48k`
    #[arg(short, long, default_value = "48k", value_parser = rate)]
    rate: SampleRate,

    /// Sample format: `u8`, `i16`, `i24`, `i32` or `f32`
    #[arg(long, default_value_t = SampleFormat::F32, value_parser = str::parse::<SampleFormat>)]
    format: SampleFormat,

    /// Replace OUT if it exists
    #[arg(short = 'y', long)]
    yes: bool,

    /// Say nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

pub(super) fn rate(text: &str) -> Result<SampleRate, String> {
    let hz = units::hertz(text).map_err(|error| error.to_string())?;
    if hz.fract() != 0.0 || hz > f64::from(u32::MAX) {
        return Err(format!(
            "`{text}` is no whole number of frames a second; write for example 48k"
        ));
    }
    SampleRate::new(hz as u32).map_err(|error| error.to_string())
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    match &args.verb {
        Verb::List => list(),
        Verb::Synth(args) => make(args),
    }
}

fn list() -> Result<(), Failure> {
    let recipes = synth::catalogue();
    let width = recipes
        .iter()
        .map(|recipe| recipe.usage.len())
        .max()
        .unwrap_or(0);
    print(|out| {
        recipes.iter().try_for_each(|recipe| {
            let (usage, about) = (recipe.usage, recipe.about);
            writeln!(out, "synth:{usage:width$}  {about}")
        })
    })
}

fn make(args: &Synth) -> Result<(), Failure> {
    let recipe = args.recipe.strip_prefix("synth:").unwrap_or(&args.recipe);
    let ir = recipe.parse::<Recipe>()?.render(args.rate)?;
    let spec = Spec {
        rate: ir.rate(),
        channels: ir.channel_count(),
        format: args.format,
    };
    let frames = Some(ir.frames() as u64);
    let mut sink = WavSink::create(&args.output, spec, frames, args.yes)?;
    sink.write(ir.audio().channels())?;
    let levels = Sink::<f32>::levels(&sink);
    if levels.clipped > 0 {
        return Err(Failure::because(format!(
            "{}: the response reaches {}, more than {} holds; write --format f32",
            args.output.display(),
            decibels(20.0 * levels.peak().log10()),
            args.format,
        )));
    }
    Sink::<f32>::finish(sink)?;
    if !args.quiet {
        tell(format!(
            "{} -> {}: {}, {} ch, {:.3} s, {}",
            ir.name(),
            args.output.display(),
            ir.rate(),
            ir.channel_count(),
            ir.rate().seconds(ir.frames()),
            args.format,
        ));
    }
    Ok(())
}
