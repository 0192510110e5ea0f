//! `faltung ir`: impulse responses, made, measured, shaped, judged and looked at.

mod compare;
mod deconvolve;
mod edit;
mod info;
#[cfg(feature = "live")]
mod measure;
mod plot;
mod sweep;
mod synth;

use std::path::PathBuf;

use super::{Failure, decibels, note, print, rate, tell};
use crate::io::{Origin, SampleFormat, Sink, Spec, WavSink};
use crate::ir::{ImpulseResponse, synth as recipes};
use crate::signal::SampleRate;

/// Make, measure, shape, judge and look at impulse responses.
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
    Synth(synth::Args),
    Info(info::Args),
    Plot(plot::Args),
    Compare(compare::Args),
    Edit(edit::Args),
    Sweep(sweep::Args),
    Deconvolve(deconvolve::Args),
    #[cfg(feature = "live")]
    Measure(Box<measure::Args>),
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    match &args.verb {
        Verb::List => list(),
        Verb::Synth(args) => synth::run(args),
        Verb::Info(args) => info::run(args),
        Verb::Plot(args) => plot::run(args),
        Verb::Compare(args) => compare::run(args),
        Verb::Edit(args) => edit::run(args),
        Verb::Sweep(args) => sweep::run(args),
        Verb::Deconvolve(args) => deconvolve::run(args),
        #[cfg(feature = "live")]
        Verb::Measure(args) => measure::run(args),
    }
}

fn list() -> Result<(), Failure> {
    let recipes = recipes::catalogue();
    let width = |usages: &mut dyn Iterator<Item = &'static str>| usages.map(str::len).max();
    let wide = width(&mut recipes.iter().map(|recipe| recipe.usage)).unwrap_or(0);
    let parameters = || recipes.iter().flat_map(|recipe| recipe.parameters);
    let narrow = width(&mut parameters().map(|parameter| parameter.usage)).unwrap_or(0);
    print(|out| {
        // What neighbours have in common is shown once, behind the last of them.
        for alike in recipes.chunk_by(|a, b| a.parameters == b.parameters) {
            for recipe in alike {
                let (usage, about) = (recipe.usage, recipe.about);
                writeln!(out, "synth:{usage:wide$}  {about}")?;
            }
            for parameter in alike[0].parameters {
                let (usage, about) = (parameter.usage, parameter.about);
                writeln!(out, "    ,{usage:narrow$}  {about}")?;
            }
        }
        Ok(())
    })
}

/// A response at its own rate, or a recipe's at `rate` (48 kHz without one); what was assumed is
/// told. A file at another rate than the one asked for is refused.
fn read(ir: &str, rate: Option<SampleRate>, quiet: bool) -> Result<ImpulseResponse, Failure> {
    let made_at = rate.map_or_else(|| SampleRate::new(48_000), Ok)?;
    let loaded = ir.parse::<Origin>()?.load_as_it_is(made_at)?;
    note(&loaded.notes(), quiet);
    if let Some(rate) = rate.filter(|&rate| rate != loaded.ir.rate()) {
        return Err(Failure::because(format!(
            "{ir}: is at {}, and --rate is for recipes; `faltung ir edit` with resample={} changes it",
            loaded.ir.rate(),
            rate.hz(),
        )));
    }
    Ok(loaded.ir)
}

/// Where a response is written, and how.
#[derive(Debug, clap::Args)]
struct Output {
    /// WAV file that is made; `-` is the standard output
    #[arg(value_name = "OUT")]
    output: PathBuf,

    /// Sample format: `u8`, `i16`, `i24`, `i32`, `f32` or `f64`
    #[arg(long, default_value_t = SampleFormat::F32, value_parser = str::parse::<SampleFormat>)]
    format: SampleFormat,

    /// Replace OUT if it exists
    #[arg(short = 'y', long)]
    yes: bool,

    /// Say nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

impl Output {
    /// Writes a response and says so, in one line.
    fn write(&self, ir: &ImpulseResponse) -> Result<(), Failure> {
        let spec = Spec {
            rate: ir.rate(),
            channels: ir.channel_count(),
            format: self.format,
        };
        let frames = Some(ir.frames() as u64);
        let mut sink = WavSink::create(&self.output, spec, frames, self.yes)?;
        sink.write(ir.audio().channels())?;
        let levels = Sink::<f32>::levels(&sink);
        if levels.clipped > 0 {
            return Err(Failure::because(format!(
                "{}: the response reaches {}, more than {} holds; write --format f32",
                self.output.display(),
                decibels(20.0 * levels.peak().log10()),
                self.format,
            )));
        }
        Sink::<f32>::finish(sink)?;
        if ir.onset().is_none() {
            let silent = format!("{}: all taps are 0", self.output.display());
            note(&[silent], self.quiet);
        }
        if !self.quiet {
            tell(format!(
                "{} -> {}: {}, {} ch, {:.3} s, {}",
                ir.name(),
                self.output.display(),
                ir.rate(),
                ir.channel_count(),
                ir.rate().seconds(ir.frames()),
                self.format,
            ));
        }
        Ok(())
    }
}
