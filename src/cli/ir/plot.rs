//! `faltung ir plot`: pictures of impulse responses.

use std::path::{Path, PathBuf};

use super::{Failure, tell};
use crate::io::PartFile;
use crate::ir::ImpulseResponse;
use crate::plot::{Kind, Picture, SIZES, Smoothing, Theme};
use crate::signal::SampleRate;

/// Draw impulse responses as SVG or PNG
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Impulse responses: WAV files, or `synth:` and a recipe (see `faltung ir list`); several are
    /// laid over one another
    #[arg(value_name = "IN", required = true)]
    irs: Vec<String>,

    /// Picture that is made; its name ends in `.svg` or `.png`
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,

    /// What it shows: `waveform`, `decay`, `magnitude`, `group-delay`, `spectrogram`,
    /// `waterfall`, or `sheet` for all of them
    #[arg(long, default_value_t, value_parser = str::parse::<Kind>)]
    kind: Kind,

    /// Part of an octave over which magnitude, group delay and waterfall are averaged: `1/1` to
    /// `1/48`
    #[arg(long, value_name = "1/N", value_parser = str::parse::<Smoothing>)]
    #[arg(default_value = "1/6")]
    smooth: Smoothing,

    /// Light on a dark ground
    #[arg(long)]
    dark: bool,

    /// Width and height in pixels [default: 1600x1200 for a sheet, 1200x700 for one kind]
    #[arg(long, value_name = "WxH", value_parser = size)]
    size: Option<(u32, u32)>,

    /// Only this channel of each response, counted from 1 [default: all of one response, the
    /// first of each of several]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    channel: Option<u32>,

    /// Sample rate of recipes [default: 48k]
    #[arg(short, long, value_parser = super::rate)]
    rate: Option<SampleRate>,

    /// Replace OUT if it exists
    #[arg(short = 'y', long)]
    yes: bool,

    /// Say nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

const EXAMPLES: &str = "\
Waveform and decay begin with the first frame; the group delay counts from the onset, the first
tap within 20 dB of the largest. Decay times are those of ISO 3382-1; where the noise leaves too
small a range for one, none is given.

Examples:
  faltung ir plot hall.wav -o hall.svg
  faltung ir plot hall.wav -o decay.png --kind decay --dark
  faltung ir plot hall.wav room.wav synth:plate -o both.svg --kind magnitude --smooth 1/3";

/// `1600x1200`.
fn size(text: &str) -> Result<(u32, u32), String> {
    let parts = text.split_once(['x', 'X', '\u{d7}']);
    let number = |side: &str| side.trim().parse().ok();
    let (least, most) = SIZES;
    parts
        .and_then(|(width, height)| Some((number(width)?, number(height)?)))
        .filter(|(width, height)| (least..=most).contains(width) && (least..=most).contains(height))
        .ok_or_else(|| {
            format!(
                "`{text}` is no size from {least} to {most} pixels; write for example `1600x1200`"
            )
        })
}

/// Which file a picture becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Svg,
    Png,
}

fn format(file: &Path) -> Result<Format, Failure> {
    let ending = file.extension().and_then(|ending| ending.to_str());
    match ending.map(str::to_ascii_lowercase).as_deref() {
        Some("svg") => Ok(Format::Svg),
        Some("png") => Ok(Format::Png),
        _ => Err(Failure::usage(format!(
            "{}: pictures are SVG or PNG; give -o a name that ends in .svg or .png",
            file.display()
        ))),
    }
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let format = format(&args.output)?;
    // Before the work, for what would be refused after it.
    let mut file = PartFile::create(&args.output, args.yes)?;
    let irs: Vec<ImpulseResponse> = args
        .irs
        .iter()
        .map(|ir| super::read(ir, args.rate, args.quiet))
        .collect::<Result<_, _>>()?;
    let irs: Vec<&ImpulseResponse> = irs.iter().collect();
    let theme = if args.dark { Theme::Dark } else { Theme::Light };
    let mut picture = Picture::new(&irs)
        .kind(args.kind)
        .theme(theme)
        .smoothing(args.smooth);
    if let Some((width, height)) = args.size {
        picture = picture.size(width, height);
    }
    if let Some(channel) = args.channel {
        picture = picture.channel(channel as usize - 1);
    }
    match format {
        Format::Svg => file.write_all(picture.svg()?.as_bytes())?,
        Format::Png => file.write_all(&picture.png()?)?,
    }
    file.finish()?;
    if !args.quiet {
        let names: Vec<&str> = irs.iter().map(|ir| ir.name()).collect();
        tell(format!(
            "{} -> {}: {}",
            names.join(", "),
            args.output.display(),
            args.kind
        ));
    }
    Ok(())
}
