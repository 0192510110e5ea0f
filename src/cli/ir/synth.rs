//! `faltung ir synth`: the impulse response of a recipe, as a file.

use super::{Failure, Output, tell};
use crate::ir::Recipe;
use crate::signal::SampleRate;

/// Write the impulse response of a recipe to a WAV file
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  faltung ir synth hall hall.wav -r 96k
  faltung ir synth room=6x4x3,rt60=0.5s room.wav
  faltung ir synth lowpass=3k,taps=101,window=kaiser:8.6 low.wav")]
pub(super) struct Args {
    /// Recipe, such as `hall`, `room=6x4x3` or `lowpass=3k`; see `faltung ir list`
    #[arg(value_name = "RECIPE")]
    recipe: String,

    #[command(flatten)]
    output: Output,

    /// Sample rate: `48k`
    #[arg(short, long, default_value = "48k", value_parser = super::rate)]
    rate: SampleRate,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let recipe = args.recipe.strip_prefix("synth:").unwrap_or(&args.recipe);
    let recipe = recipe.parse::<Recipe>()?;
    let ir = recipe.render(args.rate)?;
    args.output.write(&ir)?;
    if !args.output.quiet {
        recipe.assumed(args.rate)?.into_iter().for_each(tell);
    }
    Ok(())
}
