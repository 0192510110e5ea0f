//! Commands: one file each, with `Args` and `run`. They speak to people and hold no algorithm.

mod batch;
#[cfg(feature = "live")]
mod choice;
mod convolve;
#[cfg(feature = "live")]
mod devices;
#[cfg(feature = "live")]
mod hush;
mod ir;
#[cfg(feature = "live")]
mod live;
mod plan;
mod progress;
mod render;
mod signals;
mod sound;

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::ir::units;
use crate::signal::SampleRate;

/// A streaming convolver: puts a sound through an impulse response.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  faltung render voice.wav hall.wav out.wav           a voice in a hall
  faltung render voice.wav synth:cathedral out.wav    the same without a recorded hall
  faltung batch corpus --ir rooms/ --out wet          a whole corpus in many rooms
  faltung live synth:hall                             microphone to loudspeaker, in a hall
  faltung devices                                     what sound can come from and go to
  faltung convolve 1,5 3,4,2                          prints 3 19 22 10
  faltung ir list                                     what may follow `synth:`
  faltung plan hall.wav                               how it would be convolved, at what cost

`faltung help COMMAND` tells more about each.";

#[derive(Debug, Subcommand)]
enum Command {
    Render(Box<render::Args>),
    Batch(Box<batch::Args>),
    Convolve(convolve::Args),
    Ir(ir::Args),
    Plan(plan::Args),
    #[cfg(feature = "live")]
    Live(Box<live::Args>),
    #[cfg(feature = "live")]
    Devices(devices::Args),
}

/// Runs the command line of this process: exit code 0 for success, 1 for failure, 2 for wrong
/// usage.
pub fn main() -> ExitCode {
    let words = understanding().try_get_matches();
    let cli = match words.and_then(|words| Cli::from_arg_matches(&words)) {
        Ok(cli) => cli,
        Err(usage) => {
            // Help that nobody reads is no failure.
            let _ = usage.print();
            return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2));
        }
    };
    signals::tidy_up_when_told_to_stop();
    let done = match &cli.command {
        Command::Render(args) => render::run(args),
        Command::Batch(args) => batch::run(args),
        Command::Convolve(args) => convolve::run(args),
        Command::Ir(args) => ir::run(args),
        Command::Plan(args) => plan::run(args),
        #[cfg(feature = "live")]
        Command::Live(args) => live::run(args),
        #[cfg(feature = "live")]
        Command::Devices(args) => devices::run(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Told) => ExitCode::FAILURE,
        Err(Failure::Usage(text)) => {
            tell(format!("{text}; `faltung help` tells more"));
            ExitCode::from(2)
        }
        Err(Failure::Line(text)) => {
            tell(text);
            ExitCode::FAILURE
        }
    }
}

/// The commands as the words of this process are to be read: `-@i16,48k` is no option, but the
/// standard input with what raw samples do not tell.
fn understanding() -> clap::Command {
    fn names_may_begin_so(command: clap::Command) -> clap::Command {
        let name = |arg: clap::Arg| match arg.is_positional() {
            true => arg.allow_hyphen_values(true),
            false => arg,
        };
        command.mut_args(name).mut_subcommands(names_may_begin_so)
    }
    let raw = |word: std::ffi::OsString| word.as_encoded_bytes().starts_with(b"-@");
    match std::env::args_os().any(raw) {
        true => names_may_begin_so(Cli::command()),
        false => Cli::command(),
    }
}

/// Why a command fails; with exit code 1 unless said otherwise.
#[derive(Debug)]
enum Failure {
    /// For this reason, which is not yet told.
    Line(String),
    /// Because the command line makes no sense, for this reason; with exit code 2.
    Usage(String),
    /// For a reason that was told, or of which nobody needs to hear, as when a pipe's reader has
    /// gone.
    Told,
}

impl Failure {
    fn because(text: impl Into<String>) -> Self {
        Self::Line(text.into())
    }

    fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Line(error.to_string())
    }
}

/// One line for people, on the standard error output.
fn tell(line: impl fmt::Display) {
    // Should it be closed, there is nowhere left to complain.
    // Names of files may hold what a terminal would obey.
    let line = clean(&line.to_string());
    let _ = writeln!(io::stderr(), "faltung: {line}");
}

/// What was assumed of a response, a line each.
fn note(notes: &[String], quiet: bool) {
    for note in notes.iter().filter(|_| !quiet) {
        tell(format!("note: {note}"));
    }
}

/// Result text on the standard output; a reader who leaves early is no failure.
fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::because(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// A sample rate: `48k`.
fn rate(text: &str) -> Result<SampleRate, String> {
    units::rate(text).map_err(|error| error.to_string())
}

/// A level in dB with one digit, never `-0.0`.
fn decibels(db: f64) -> String {
    let rounded = (db * 10.0).round() / 10.0;
    format!("{:.1} dB", if rounded == 0.0 { 0.0 } else { rounded })
}

/// What the host's names and the files' names must not do to a terminal.
fn clean(text: &str) -> String {
    text.replace(char::is_control, "?")
}

/// A gain as a factor, in dB; with the polarity it turns.
fn gain(factor: f64) -> String {
    let db = decibels(20.0 * factor.abs().log10());
    if factor < 0.0 {
        format!("{db} inverted")
    } else {
        db
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn zero_decibels_have_no_sign() {
        assert_eq!(decibels(-0.01), "0.0 dB");
        assert_eq!(decibels(-6.02), "-6.0 dB");
        assert_eq!(decibels(f64::NEG_INFINITY), "-inf dB");
    }
}
