//! `faltung ir info`: what a response is, in numbers.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::super::plan;
use super::{Failure, decibels, print};
use crate::dsp::plan::{Outline, Plan};
use crate::dsp::routing::Routing;
use crate::ir::ImpulseResponse;
use crate::ir::acoustics::Parameters;
use crate::ir::decay::Unjudged;
use crate::ir::info::{Delay, Info};
use crate::ir::level::Level;
use crate::signal::SampleRate;

/// Tell what an impulse response is: levels, decay, clarity, noise, delay and cost
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Impulse response: a file, or `synth:` and a recipe (see `faltung ir list`)
    #[arg(value_name = "IR")]
    ir: String,

    /// Channel whose room acoustics are told, counted from 1
    #[arg(long, value_name = "N", default_value_t = 1)]
    channel: usize,

    /// Sample rate of a recipe [default: 48k]; a file has its own
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
Levels, for each channel:
  onset      the first tap within 20 dB of the largest; what comes before is pre-delay
  energy     sum of the squared taps
  DC         gain at 0 Hz
  worst      the most that full scale can become: the sum of the taps' magnitudes
  pink       gain of RMS on pink noise, 20 Hz to 20 kHz
  loudness   the same K-weighted (ITU-R BS.1770-4)

Room acoustics after ISO 3382-1, for one channel:
  EDT, T20, T30   time of a decay by 60 dB, from 0 to -10, -5 to -25, -5 to -35 dB
  C50, C80, D50   energy before 50 or 80 ms against the later one, and its share
  Ts              the energy's centre of gravity
  range, noise    how far the energy falls before the noise floor, and the floor's RMS
A `-` was not judged, for a reason that is told; in JSON it is null, beside the reason.

Examples:
  faltung ir info hall.wav
  faltung ir info studio-4ch.wav --channel 4
  faltung ir info synth:cathedral --json";

/// Columns of a terminal, and of a label in it.
const COLUMNS: usize = 80;
const LABEL: usize = 8;

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let ir = super::read(&args.ir, args.rate, args.quiet)?;
    let channels = ir.channel_count();
    if !(1..=channels).contains(&args.channel) {
        return Err(Failure::because(format!(
            "{}: there is no channel {}; choose one from 1 to {channels}",
            ir.name(),
            args.channel,
        )));
    }
    let info = Info::of(&ir, args.channel - 1);
    // What no routing fits has no cost.
    let cost = plan::outline(&ir, Plan::new(ir.frames()), None, false).ok();
    if args.json {
        let json = to_json(&ir, &info, cost.as_ref());
        print(|out| writeln!(out, "{json}"))
    } else {
        print(|out| {
            let (name, rate, frames) = (ir.name(), ir.rate(), ir.frames());
            let seconds = rate.seconds(frames);
            writeln!(
                out,
                "{name}: {rate}, {channels} ch, {frames} frames ({seconds:.3} s)\n"
            )?;
            levels(out, &info, rate)?;
            acoustics(out, &info)?;
            delay(out, &info, rate)?;
            match &cost {
                Some((routing, outline)) => {
                    let text = format!(
                        "about {:.1} ns per frame, {:.2} % of one core, {:.1} MiB ({routing})",
                        outline.ns_per_frame(),
                        plan::load(outline, rate),
                        outline.bytes() as f64 / f64::from(1 << 20),
                    );
                    paragraph(out, "cost", &text)
                }
                None => paragraph(out, "cost", "depends on the routing; see `faltung plan`"),
            }
        })
    }
}

// ---------------------------------------------------------------- for people

fn levels(out: &mut dyn Write, info: &Info, rate: SampleRate) -> io::Result<()> {
    let names = ["peak", "energy", "DC", "worst", "pink", "loudness"];
    write!(out, "{:<7}{:>11}", "channel", "onset")?;
    for name in names {
        write!(out, "{name:>10}")?;
    }
    write!(out, "\n{:>18}", "ms")?;
    for _ in names {
        write!(out, "{:>10}", "dB")?;
    }
    writeln!(out)?;
    for (index, (level, delay)) in info.levels.iter().zip(&info.delays).enumerate() {
        let onset = delay.onset.map(|frame| 1e3 * rate.seconds(frame));
        write!(out, "{:<7}{:>11}", index + 1, fixed(onset, 2))?;
        for (_, db) in in_decibels(level) {
            write!(out, "{:>10}", fixed(db, 1))?;
        }
        writeln!(out)?;
    }
    writeln!(out)
}

/// The measures of a level in dB; none of silence.
fn in_decibels(level: &Level) -> [(&'static str, Option<f64>); 6] {
    let db = |gain: f64| Some(20.0 * gain.abs().log10()).filter(|db| db.is_finite());
    [
        ("peak_db", db(level.peak)),
        ("energy_db", db(level.energy.sqrt())),
        ("dc_db", db(level.dc)),
        ("l1_db", db(level.l1)),
        ("pink_db", db(level.pink)),
        ("loudness_db", db(level.loudness)),
    ]
}

fn fixed(value: Option<f64>, digits: usize) -> String {
    match value {
        Some(value) => {
            let text = format!("{value:.digits$}");
            // Never a signed zero.
            let zero =
                text.starts_with('-') && text.bytes().all(|b| matches!(b, b'-' | b'0' | b'.'));
            text[usize::from(zero)..].to_owned()
        }
        None => String::from("-"),
    }
}

/// One value of a band: its name for people and for JSON, the value, what people read it in.
struct Cell<'a> {
    name: &'static str,
    key: &'static str,
    value: Result<f64, &'a Unjudged>,
    scale: f64,
    digits: usize,
}

fn cells(band: &Parameters) -> [Cell<'_>; 7] {
    fn cell<'a>(
        name: &'static str,
        key: &'static str,
        value: &'a Result<f64, Unjudged>,
        scale: f64,
        digits: usize,
    ) -> Cell<'a> {
        Cell {
            name,
            key,
            value: value.as_ref().copied(),
            scale,
            digits,
        }
    }
    [
        cell("EDT", "edt_s", &band.edt, 1.0, 3),
        cell("T20", "t20_s", &band.t20, 1.0, 3),
        cell("T30", "t30_s", &band.t30, 1.0, 3),
        cell("C50", "c50_db", &band.c50, 1.0, 1),
        cell("C80", "c80_db", &band.c80, 1.0, 1),
        cell("D50", "d50", &band.d50, 100.0, 1),
        cell("Ts", "ts_s", &band.ts, 1e3, 1),
    ]
}

fn label(band: &Parameters) -> String {
    match band.hz {
        None => String::from("broadband"),
        Some(hz) if hz < 1e3 => format!("{hz} Hz"),
        Some(hz) => format!("{} kHz", hz / 1e3),
    }
}

fn rows(info: &Info) -> impl Iterator<Item = &Parameters> {
    std::iter::once(&info.acoustics.broadband).chain(&info.acoustics.bands)
}

fn acoustics(out: &mut dyn Write, info: &Info) -> io::Result<()> {
    write!(out, "{:<11}", format!("channel {}", info.channel + 1))?;
    for name in [
        "EDT", "T20", "T30", "C50", "C80", "D50", "Ts", "range", "noise",
    ] {
        write!(out, "{name:>7}")?;
    }
    write!(out, "\n{:11}", "")?;
    for unit in ["s", "s", "s", "dB", "dB", "%", "ms", "dB", "dB"] {
        write!(out, "{unit:>7}")?;
    }
    writeln!(out)?;
    for band in rows(info) {
        write!(out, "{:<11}", label(band))?;
        for cell in cells(band) {
            let value = cell.value.ok().map(|value| cell.scale * value);
            write!(out, "{:>7}", fixed(value, cell.digits))?;
        }
        let range = band.range.as_ref().ok().copied();
        writeln!(out, "{:>7}{:>7}", fixed(range, 1), fixed(band.noise, 1))?;
    }
    writeln!(out)?;
    let direct = match &info.acoustics.direct_to_reverberant {
        Ok(db) => format!(
            "{} against the reverberant sound, up to 2.5 ms after the onset",
            decibels(*db)
        ),
        Err(why) => format!("no ratio to the reverberant sound: {why}"),
    };
    paragraph(out, "direct", &direct)?;
    for (index, reason) in reasons(info).iter().enumerate() {
        paragraph(out, if index == 0 { "not told" } else { "" }, reason)?;
    }
    Ok(())
}

/// A label, and text beside it that is broken into lines of 80 columns.
fn paragraph(out: &mut dyn Write, label: &str, text: &str) -> io::Result<()> {
    write!(out, "{label:<8}")?;
    let mut column = LABEL;
    for word in text.split(' ') {
        if column > LABEL && column + 1 + word.chars().count() > COLUMNS {
            write!(out, "\n{:LABEL$}", "")?;
            column = LABEL;
        }
        write!(out, " {word}")?;
        column += 1 + word.chars().count();
    }
    writeln!(out)
}

/// Why values are missing, a line for each reason; bands that share it share the line.
fn reasons(info: &Info) -> Vec<String> {
    let mut lines: Vec<(Vec<String>, String)> = Vec::new();
    for band in rows(info) {
        let cells = cells(band);
        let mut told: Vec<(Vec<&str>, String)> = Vec::new();
        let mut short: Vec<String> = Vec::new();
        for cell in &cells {
            match cell.value {
                Ok(_) => {}
                Err(Unjudged::Range { what, need, .. }) => {
                    short.push(format!("{what} needs {need:.0}"));
                }
                Err(why) => {
                    let why = why.to_string();
                    match told.iter_mut().find(|(_, other)| *other == why) {
                        Some((names, _)) => names.push(cell.name),
                        None => told.push((vec![cell.name], why)),
                    }
                }
            }
        }
        let mut texts: Vec<String> = Vec::new();
        if let (false, Ok(range)) = (short.is_empty(), &band.range) {
            texts.push(format!("range {range:.1} dB; {}", short.join(", ")));
        }
        texts.extend(told.into_iter().map(|(names, why)| {
            if names.len() == cells.len() {
                why
            } else {
                format!("{}: {why}", names.join(", "))
            }
        }));
        for text in texts {
            match lines.iter_mut().find(|(_, other)| *other == text) {
                Some((bands, _)) => bands.push(label(band)),
                None => lines.push((vec![label(band)], text)),
            }
        }
    }
    let all = rows(info).count();
    let line = |(bands, text): (Vec<String>, String)| {
        if bands.len() == all {
            format!("all bands: {text}")
        } else {
            format!("{}: {text}", bands.join(", "))
        }
    };
    lines.into_iter().map(line).collect()
}

fn delay(out: &mut dyn Write, info: &Info, rate: SampleRate) -> io::Result<()> {
    let ms = |frames: usize| 1e3 * rate.seconds(frames);
    let Delay {
        onset,
        saved_by_minimum_phase: saved,
        ..
    } = info.delays[info.channel];
    let own = onset.map_or_else(String::new, |frames| {
        format!("{:.2} ms before the response sounds, ", ms(frames))
    });
    let saved = saved.filter(|&saved| saved > 0).map_or_else(String::new, |saved| {
        format!(
            "; its phase is linear: `ir edit minimum-phase` would make it answer {:.2} ms sooner",
            ms(saved)
        )
    });
    paragraph(
        out,
        "latency",
        &format!("{own}0 frames added by faltung{saved}"),
    )
}

// ---------------------------------------------------------------- for programs

/// A number with no more than six digits behind the point; null where there is none.
fn number(value: Option<f64>) -> Value {
    match value.map(|value| (value * 1e6).round() / 1e6) {
        Some(value) if value.is_finite() => json!(if value == 0.0 { 0.0 } else { value }),
        _ => Value::Null,
    }
}

fn to_json(ir: &ImpulseResponse, info: &Info, cost: Option<&(Routing, Outline)>) -> Value {
    let rate = ir.rate();
    let mut json = Map::new();
    let mut put = |key: &str, value: Value| drop(json.insert(key.into(), value));
    put("ir", json!(ir.name()));
    put("rate", json!(rate.hz()));
    put("channels", json!(ir.channel_count()));
    put("frames", json!(ir.frames()));
    put("seconds", number(Some(rate.seconds(ir.frames()))));
    put("channel", json!(info.channel + 1));
    let channel = |index: usize| {
        let mut json = Map::new();
        let delay = info.delays[index];
        let predelay = delay.onset.map(|frame| rate.seconds(frame));
        json.insert("onset".into(), json!(delay.onset));
        json.insert("predelay_s".into(), number(predelay));
        for (key, db) in in_decibels(&info.levels[index]) {
            json.insert(key.into(), number(db));
        }
        json
    };
    for (key, value) in channel(info.channel) {
        put(&key, value);
    }
    let broadband = &info.acoustics.broadband;
    put("noise_db", number(broadband.noise));
    put("range_db", number(broadband.range.as_ref().ok().copied()));
    let ratio = &info.acoustics.direct_to_reverberant;
    put("drr_db", number(ratio.as_ref().ok().copied()));
    let reason = ratio
        .as_ref()
        .err()
        .map(|why| json!({ "drr_db": why.to_string() }));
    put("reasons", reason.unwrap_or_else(|| json!({})));
    let delay = info.delays[info.channel];
    let saved = delay.saved_by_minimum_phase;
    put(
        "latency",
        json!({
            "frames": cost.map(|(_, outline)| outline.latency()),
            "predelay_frames": delay.onset,
            "linear_phase": saved.is_some(),
            "saved_by_minimum_phase_s": number(saved.map(|frames| rate.seconds(frames))),
        }),
    );
    put(
        "cost",
        json!(cost.map(|(routing, outline)| json!({
            "routing": routing.to_string(),
            "ns_per_frame": outline.ns_per_frame(),
            "load_percent": plan::load(outline, rate),
            "bytes": outline.bytes(),
            "cpu": outline.cpu().to_string(),
        }))),
    );
    put("broadband", band(broadband));
    put("bands", info.acoustics.bands.iter().map(band).collect());
    put(
        "levels",
        (0..ir.channel_count())
            .map(|k| Value::Object(channel(k)))
            .collect(),
    );
    Value::Object(json)
}

fn band(band: &Parameters) -> Value {
    let (mut json, mut reasons) = (Map::new(), Map::new());
    if let Some(hz) = band.hz {
        json.insert("hz".into(), json!(hz as u32));
    }
    for cell in cells(band) {
        json.insert(cell.key.into(), number(cell.value.ok()));
        if let Err(why) = cell.value {
            reasons.insert(cell.key.into(), json!(why.to_string()));
        }
    }
    json.insert("range_db".into(), number(band.range.as_ref().ok().copied()));
    json.insert("noise_db".into(), number(band.noise));
    json.insert("reasons".into(), Value::Object(reasons));
    Value::Object(json)
}
