//! `faltung ir edit`: operations on an impulse response, in the order in which they are written.

use super::{Output, rate, read, tell};
use crate::cli::{Failure, note};
use crate::io::{Origin, ReadError};
use crate::ir::ImpulseResponse;
use crate::ir::edit::{Curve, EditError, Operation, Supply, catalogue};
use crate::signal::SampleRate;

/// Change an impulse response: trim, fade, level, decay, equalise, invert, ..
///
/// Operations are carried out in the order in which they are written; each tells in one line what
/// it did. The channels of a response are treated as one set.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, after_help = help())]
pub(super) struct Args {
    /// Impulse response: a file (`-` is a pipe), or a recipe such as `synth:hall`
    #[arg(value_name = "IN")]
    input: String,

    #[command(flatten)]
    output: Output,

    /// What to do, one after the other; see below
    #[arg(value_name = "OP", required = true)]
    operations: Vec<String>,

    /// Sample rate of a recipe: `96k`; 48k without it
    #[arg(short, long, value_parser = rate)]
    rate: Option<SampleRate>,
}

/// Every operation with an example, and a few of them in a row.
fn help() -> String {
    let mut text = String::from("Operations:\n");
    let short = |usage: &str| usage.len() <= 24;
    for entry in catalogue() {
        if short(entry.usage) {
            text += &format!("  {:24}  {}\n", entry.usage, entry.about);
        } else {
            text += &format!("  {}\n  {:24}  {}\n", entry.usage, "", entry.about);
        }
    }
    text + "\n\
A value may also follow its operation as a word of its own: `normalize peak`.

Examples:
  faltung ir edit hall.wav dry.wav trim trim-noise decay=0.7 normalize=energy
  faltung ir edit hall.wav warm.wav eq=lowcut:80,tilt:-1dB fade-out=50ms
  faltung ir edit hall.wav early.wav early=80ms
  faltung ir edit speaker.wav fix.wav invert=band:60-16k,phase:min,smooth:1/6"
}

/// Reads operations; a word that is none may be the value of the one before it.
fn operations(words: &[String]) -> Result<Vec<Operation>, Failure> {
    let is = |name: &str, with: &str| {
        let mut usages = catalogue().iter().map(|entry| entry.usage);
        usages.any(|usage| usage.starts_with(name) && usage[name.len()..].starts_with(with))
    };
    let mut whole: Vec<String> = Vec::new();
    for word in words {
        let value = !word.contains('=') && !is(word, "");
        match whole.last_mut().filter(|last| value && is(last, "=")) {
            Some(last) => *last = format!("{last}={word}"),
            None => whole.push(word.clone()),
        }
    }
    let read = |word: &String| {
        word.parse()
            .map_err(|error: EditError| Failure::usage(error.to_string()))
    };
    whole.iter().map(read).collect()
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let operations = operations(&args.operations)?;
    let quiet = args.output.quiet;
    let mut ir = read(&args.input, args.rate, quiet)?;
    for operation in &operations {
        let (changed, done) = operation
            .apply(ir, &mut Shelf { quiet })
            .map_err(|error| Failure::because(format!("{}: {error}", args.input)))?;
        if !quiet {
            tell(format!("{operation}: {done}"));
        }
        ir = changed;
    }
    args.output.write(&ir)
}

/// Files and recipes that operations name.
struct Shelf {
    quiet: bool,
}

impl Supply for Shelf {
    fn response(&mut self, name: &str, rate: SampleRate) -> Result<ImpulseResponse, String> {
        let origin = name.parse::<Origin>().map_err(|error| error.to_string())?;
        let loaded = origin
            .load_as_it_is(rate)
            .map_err(|error| error.to_string())?;
        note(&loaded.notes(), self.quiet);
        Ok(loaded.ir)
    }

    fn curve(&mut self, name: &str) -> Result<Curve, String> {
        let text = std::fs::read_to_string(name)
            .map_err(|error| ReadError::from_io(name, error).to_string())?;
        Curve::parse(&text).map_err(|error| format!("{name}: {error}"))
    }
}
