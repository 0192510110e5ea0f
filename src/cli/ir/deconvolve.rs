//! `faltung ir deconvolve`: the impulse response in a recording of a sweep.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::{print, tell};
use super::{Failure, Output, decibels};
use crate::io::Origin;
use crate::ir::measure::{Deconvolved, DriftOption, Excitation, Options, deconvolve, thd};
use crate::ir::units;
use crate::signal::{Audio, SampleRate};

/// Make an impulse response of the recording of a sweep
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// What was recorded: a sound file that holds the whole sweep, or at least one of its repeats
    #[arg(value_name = "RECORDED")]
    recorded: PathBuf,

    /// What was played: a sound file, or the recipe that `faltung ir sweep` printed
    #[arg(value_name = "SWEEP")]
    sweep: PathBuf,

    #[command(flatten)]
    output: Output,

    /// Time from the beginning of OUT to its first sound
    #[arg(long, value_name = "TIME", default_value = "5ms", value_parser = units::seconds)]
    lead: f64,

    /// Instead, keep the whole delay: recording and playing began together
    #[arg(long, conflicts_with = "lead")]
    keep_delay: bool,

    /// Length of OUT [default: the sweep's silence, a sequence's period]
    #[arg(long, value_name = "TIME", value_parser = units::seconds)]
    length: Option<f64>,

    /// Difference of the two clocks: `auto`, `off` where both are one, or in ppm, positive where
    /// the recorder's is faster
    #[arg(long, value_name = "DRIFT", default_value = "auto", value_parser = drift, allow_hyphen_values = true)]
    drift: DriftOption,

    /// Go on although the recording is clipped
    #[arg(long)]
    allow_clipped: bool,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  faltung ir deconvolve recorded.wav sweep.wav room.wav
  faltung ir deconvolve recorded.wav sweep:20-20k,10s room.wav --length 1.5s
  faltung ir deconvolve recorded.wav sweep.wav room.wav --keep-delay --drift off";

/// Signal-to-noise ratio in dB below which a measurement is called poor.
const POOR: f64 = 20.0;

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let pipe = Path::new("-");
    if args.recorded == pipe && args.sweep == pipe {
        let text =
            "the standard input cannot be both RECORDED and SWEEP; name a file for one of them";
        return Err(Failure::usage(text));
    }
    let recipe = args
        .sweep
        .to_str()
        .filter(|text| Excitation::is_recipe(text));
    let recorded = read(&args.recorded)?;
    let excitation = match recipe {
        Some(recipe) => Excitation::recipe(recipe, recorded.rate())?,
        None => {
            let refuse = |error| Failure::because(format!("{}: {error}", args.sweep.display()));
            Excitation::recognise(&read(&args.sweep)?).map_err(refuse)?
        }
    };
    let options = Options {
        drift: args.drift,
        lead: args.lead,
        keep_delay: args.keep_delay,
        length: args.length,
        allow_clipped: args.allow_clipped,
    };
    let refuse = |error| Failure::because(format!("{}: {error}", args.recorded.display()));
    let mut found = deconvolve(&recorded, &excitation, &options).map_err(refuse)?;
    found.ir = found.ir.named(args.recorded.display().to_string());
    args.output.write(&found.ir)?;
    if !args.output.quiet {
        for note in notes(&found) {
            tell(format!("note: {}: {note}", args.recorded.display()));
        }
    }
    let report = match args.json {
        true => json_of(&found, &excitation).to_string(),
        false => text_of(&found, &excitation),
    };
    if args.output.output == Path::new("-") {
        let _ = writeln!(io::stderr(), "{report}");
        return Ok(());
    }
    print(|out| writeln!(out, "{report}"))
}

/// A sound file at its own rate.
fn read(file: &Path) -> Result<Audio<f32>, Failure> {
    let rate = SampleRate::new(48_000)?; // a file has its own
    let loaded = Origin::File(file.to_owned()).load_as_it_is(rate)?;
    Ok(loaded.ir.into_audio())
}

fn drift(text: &str) -> Result<DriftOption, String> {
    match text {
        "auto" => Ok(DriftOption::Estimate),
        "off" => Ok(DriftOption::Ignore),
        ppm => {
            let ppm = ppm.strip_suffix("ppm").unwrap_or(ppm).trim();
            let ppm = ppm.parse().ok().filter(|ppm: &f64| ppm.is_finite());
            ppm.map(DriftOption::Ppm).ok_or_else(|| {
                format!("`{text}` is no drift; write `auto`, `off` or for example `-20ppm`")
            })
        }
    }
}

/// Difference between repeats, in dB of their level, that is told where noise does not explain it.
const UNLIKE: f64 = -40.0;
/// Level beside the peak, in dB, below which a response's end is taken for silence.
const RUNG_OUT: f64 = -60.0;

/// What is not as it should be.
fn notes(found: &Deconvolved) -> Vec<String> {
    let mut notes = Vec::new();
    let rate = found.ir.rate();
    if let Some((frame, channel)) = found.clipping.first {
        notes.push(format!(
            "{} sample(s) are clipped, the first at {:.3} s in channel {channel}, counted from 0: what they distort is in the response",
            found.clipping.samples,
            rate.seconds(frame),
        ));
    }
    if let Some(snr) = found.snr_db.filter(|&snr| snr < POOR) {
        notes.push(format!(
            "the sweep stands only {} above the noise; play it louder, longer or more often",
            decibels(snr),
        ));
    }
    for (index, repeat) in found
        .repeats
        .iter()
        .enumerate()
        .filter(|(_, repeat)| !repeat.used)
    {
        notes.push(format!(
            "repeat {} at {:.3} s is much noisier than the others and left out",
            index + 1,
            repeat.frame / f64::from(rate.hz()),
        ));
    }
    let used = found.repeats.iter().filter(|repeat| repeat.used);
    let worst = used.filter_map(|repeat| repeat.noise_db).reduce(f64::max);
    if let (Some(noise), Some(snr)) = (worst, found.snr_db)
        && noise > UNLIKE
        && noise > 15.0 - snr
    {
        notes.push(format!(
            "the repeats differ by {}, of which the noise explains {}: a few frames were lost, or something moved",
            decibels(noise),
            decibels(-snr),
        ));
    }
    for channel in &found.faint {
        notes.push(format!(
            "channel {} holds hardly anything of the signal; where the response begins is taken from the others",
            channel + 1,
        ));
    }
    if found.drift.ppm == 0.0 && found.drift.floor_ppm.is_some_and(f64::is_infinite) {
        notes.push(
            "whether two clocks drifted cannot be told from one sweep here; if player and recorder \
             are two devices, use --repeats, or give --drift"
                .to_owned(),
        );
    }
    if found.end_db > RUNG_OUT
        && found
            .noise_db
            .is_none_or(|noise| found.end_db > noise + 10.0)
    {
        notes.push(format!(
            "the response has not rung out at its end, {} below its peak; make the sweep with a longer --silence, or the sequence of a higher order",
            decibels(-found.end_db),
        ));
    }
    if found.cut_short > 0 {
        notes.push(format!(
            "it leaves {:.3} s too little for the response to ring out; its end lacks high frequencies",
            rate.seconds(found.cut_short),
        ));
    }
    notes
}

fn text_of(found: &Deconvolved, excitation: &Excitation) -> String {
    let rate = found.ir.rate();
    let seconds = |frames: f64| frames / f64::from(rate.hz());
    let mut lines = vec![
        format!("signal      {excitation}"),
        format!(
            "heard       at {:.3} s; {:.2} ms after it was played, if recording and playing began together",
            rate.seconds(found.heard_at),
            1e3 * seconds(found.delay as f64),
        ),
    ];
    lines.push(
        match (
            found.drift.ppm,
            found.drift.error_ppm,
            found.drift.floor_ppm,
        ) {
            (0.0, _, None) => "clocks      taken as one".to_owned(),
            (0.0, _, Some(floor)) if floor.is_finite() => {
                format!("clocks      no drift beyond doubt, which {floor:.3} ppm would be")
            }
            (0.0, ..) => {
                "clocks      a drift cannot be told from the response itself; repeats would tell"
                    .to_owned()
            }
            (ppm, Some(error), _) => {
                format!("clocks      the recorder's is {ppm:+.3} ppm off (+-{error:.3}), undone")
            }
            (ppm, None, _) => {
                format!("clocks      the recorder's is {ppm:+.3} ppm off as given, undone")
            }
        },
    );
    if found.repeats.len() > 1 {
        let each = found.repeats.iter().map(|repeat| {
            let noise = repeat.noise_db.map_or(String::new(), decibels);
            if repeat.used {
                noise
            } else {
                format!("{noise} (left out)")
            }
        });
        let each: Vec<String> = each.collect();
        lines.push(format!(
            "repeats     {}, noise of each {}",
            each.len(),
            each.join(", ")
        ));
    }
    let peaks: Vec<String> = found
        .peaks
        .iter()
        .map(|peak| decibels(20.0 * peak.log10()))
        .collect();
    lines.push(format!("recorded    peak {}", peaks.join(", ")));
    lines.push(match found.snr_db {
        Some(snr) => format!("noise       sweep {} above it", decibels(snr)),
        None => "noise       none found in at least 0.1 s of silence before the sweep".to_owned(),
    });
    if !found.octaves.is_empty() {
        let octaves = found.octaves.iter();
        let octaves: Vec<String> = octaves
            .map(|octave| format!("{}: {:.0}", hertz(octave.hz), octave.snr_db))
            .collect();
        lines.push(format!("  by octave {} dB", octaves.join(", ")));
    }
    let range = match found.noise_db {
        Some(noise) => format!("; noise {} below its peak", decibels(-noise)),
        None => String::new(),
    };
    lines.push(format!(
        "response    first sound at {:.2} ms{range}",
        1e3 * rate.seconds(found.onset)
    ));
    if let Some(share) = thd(&found.harmonics) {
        let heard = found
            .harmonics
            .iter()
            .filter(|harmonic| harmonic.is_heard());
        let heard: Vec<String> = heard
            .map(|harmonic| format!("{}: {}", harmonic.order, decibels(harmonic.db)))
            .collect();
        lines.push(match heard.is_empty() {
            true => "distortion  none above the noise".to_owned(),
            false => format!(
                "distortion  {:.3} %; by harmonic {}",
                100.0 * share,
                heard.join(", ")
            ),
        });
    }
    lines.join("\n")
}

/// A frequency as short as it is read.
fn hertz(hz: f64) -> String {
    if hz < 1000.0 {
        format!("{hz}")
    } else {
        format!("{}k", hz / 1000.0)
    }
}

fn json_of(found: &Deconvolved, excitation: &Excitation) -> Value {
    let rate = f64::from(found.ir.rate().hz());
    // JSON has no infinity.
    let finite = |value: f64| value.is_finite().then_some(value);
    let harmonics = found.harmonics.iter().map(|harmonic| {
        json!({
            "order": harmonic.order,
            "db": finite(harmonic.db),
            "floor_db": finite(harmonic.floor_db),
            "heard": harmonic.is_heard(),
        })
    });
    let repeats = found.repeats.iter().map(|repeat| {
        json!({
            "time_s": repeat.frame / rate,
            "noise_db": repeat.noise_db.and_then(finite),
            "used": repeat.used,
        })
    });
    let octaves = found
        .octaves
        .iter()
        .map(|octave| json!({ "hz": octave.hz, "snr_db": finite(octave.snr_db) }));
    json!({
        "signal": excitation.to_string(),
        "rate": found.ir.rate().hz(),
        "channels": found.ir.channel_count(),
        "frames": found.ir.frames(),
        "onset": found.onset,
        "heard_at": found.heard_at,
        "delay": found.delay,
        "drift_ppm": found.drift.ppm,
        "drift_error_ppm": found.drift.error_ppm.and_then(finite),
        "drift_estimated": found.drift.floor_ppm.is_some_and(f64::is_finite),
        "drift_floor_ppm": found.drift.floor_ppm.and_then(finite),
        "contrast_db": finite(found.contrast_db),
        "snr_db": found.snr_db.and_then(finite),
        "octaves": octaves.collect::<Vec<_>>(),
        "noise_db": found.noise_db.and_then(finite),
        "thd": thd(&found.harmonics).and_then(finite),
        "harmonics": harmonics.collect::<Vec<_>>(),
        "clipped": found.clipping.samples,
        "repeats": repeats.collect::<Vec<_>>(),
        "cut_short": found.cut_short,
        "faint_channels": found.faint.iter().map(|channel| channel + 1).collect::<Vec<_>>(),
        "end_db": finite(found.end_db),
        "peaks_db": found.peaks.iter().map(|peak| finite(20.0 * peak.log10())).collect::<Vec<_>>(),
    })
}
