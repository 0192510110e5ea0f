//! How the energy falls: Schroeder's curve, lines through it, decay times.

use plotters::style::Color;

use super::axis::{Axis, TIME};
use super::frame::{self, Area, Chart, Drawn, Entry, MARGINS};
use super::theme::Look;
use super::trace::{self, Trace};
use super::waveform::{columns, ending, pieces, span};
use crate::ir::decay::{Decay, Unjudged};

/// Least and greatest range in dB that is shown.
const RANGE: (f64, f64) = (50.0, 90.0);
/// What is shown below the end of the decay, in dB.
const BELOW: f64 = 5.0;

pub(super) fn draw(area: &Area<'_>, look: &Look, traces: &[Trace<'_>]) -> Drawn {
    let entries = match traces {
        [one] => alone(look, one),
        _ => traces.iter().map(|one| among(look, one)).collect(),
    };
    let area = frame::heading(area, look, "Energy decay", &entries)?;
    let (width, height) = frame::room(&area, look, MARGINS);
    let ranges = traces
        .iter()
        .filter_map(|one| Some(one.decay().ok()?.range));
    let range = ranges.fold(0.0, f64::max) + BELOW;
    let range = (range / 10.0).ceil() * 10.0;
    let bottom = -range.clamp(RANGE.0, RANGE.1);
    let (from, to) = trace::time_span(traces);
    let x = Axis::time(from, to, width / 6.0, TIME);
    let y = Axis::linear(bottom, 5.0, (height / 2.0).min(10.0), "level / dB");
    let mut chart = frame::chart(&area, look, MARGINS, &x, &y)?;
    if let [one] = traces {
        etc(&mut chart, look, one, columns(width, look))?;
    }
    for one in traces {
        let Ok(decay) = one.decay() else { continue };
        edc(&mut chart, look, one, decay, columns(width, look))?;
        // Of several only the times are told: more lines would hide the curves.
        if traces.len() == 1 {
            fits(&mut chart, look, one, decay)?;
            let end = one.rate.seconds(decay.end);
            frame::landmark(&mut chart, look, end, &ending(decay, end), 0.0)?;
        }
    }
    if traces.iter().all(|one| one.decay().is_err()) {
        let reasons = traces.iter().filter_map(|one| one.decay().err());
        let reason = reasons.map(Unjudged::to_string).next();
        frame::vacant(&chart, look, &reason.unwrap_or_default())?;
    }
    Ok(())
}

/// Lines of a fit: their names, the levels between which they run, and their colours.
const FITS: [(&str, f64, f64, usize); 2] = [("T20", -5.0, -25.0, 1), ("T30", -5.0, -35.0, 2)];

/// What a legend tells of the only curve there is.
fn alone(look: &Look, one: &Trace<'_>) -> Vec<Entry> {
    let Ok(decay) = one.decay() else {
        return Vec::new();
    };
    let colour = look.trace(one.colour);
    let mut entries = vec![
        Entry::solid(look.on_paper(colour, 0.35), "energy-time curve"),
        Entry::solid(colour, "decay curve"),
    ];
    for (name, from, to, colour) in FITS {
        let colour = look.trace(one.colour + colour);
        entries.push(match decay.fit(from, to) {
            Ok(line) => Entry::dashed(colour, format!("{name} {}", span(line.rt60()))),
            Err(Unjudged::Range { .. }) => {
                Entry::note(format!("no {name}: range of {:.0} dB", decay.range))
            }
            Err(_) => Entry::note(format!("no {name}")),
        });
    }
    entries
}

/// What a legend tells of one of several curves.
fn among(look: &Look, one: &Trace<'_>) -> Entry {
    let time = |decay: &Decay| match (decay.t30(), decay.t20()) {
        (Ok(t30), _) => format!("T30 {}", span(t30)),
        (_, Ok(t20)) => format!("T20 {}", span(t20)),
        _ => format!("range of {:.0} dB, no T20", decay.range),
    };
    let time = one.decay().map_or_else(|_| "no decay".to_owned(), time);
    Entry::solid(look.trace(one.colour), format!("{}: {time}", one.label))
}

/// The energy-time curve: the largest squared tap of each column, relative to the peak.
fn etc(chart: &mut Chart<'_>, look: &Look, one: &Trace<'_>, columns: usize) -> Drawn {
    let peak = one.peak();
    let bottom = chart.y_range().start;
    let points: Vec<_> = pieces(one.taps.len(), columns)
        .map(|piece| {
            let middle = one.rate.seconds(piece.start) + 0.5 * one.rate.seconds(piece.len());
            let most = one.taps[piece]
                .iter()
                .fold(0.0, |most: f64, tap| tap.abs().max(most));
            (middle, bottom, 20.0 * (most / peak).log10())
        })
        .collect();
    match peak > 0.0 {
        true => frame::band(chart, look, look.trace(one.colour).mix(0.18), &points),
        false => Ok(()),
    }
}

fn edc(
    chart: &mut Chart<'_>,
    look: &Look,
    one: &Trace<'_>,
    decay: &Decay,
    columns: usize,
) -> Drawn {
    let curve = decay.curve();
    let begin = one.rate.seconds(decay.onset);
    let time = |frame: usize| begin + one.rate.seconds(frame);
    let step = (curve.len() / columns).max(1);
    let last = curve.len().saturating_sub(1);
    let frames = (0..last).step_by(step).chain([last]);
    let points = frames.filter_map(|frame| Some((time(frame), *curve.get(frame)?)));
    let style = look.line(look.trace(one.colour), 1.8);
    frame::curve(chart, style, points)
}

/// The lines of a fit, from the onset down to the chart's end; where they leave the curve shows
/// how straight the decay is.
fn fits(chart: &mut Chart<'_>, look: &Look, one: &Trace<'_>, decay: &Decay) -> Drawn {
    let begin = one.rate.seconds(decay.onset);
    for (_, from, to, colour) in FITS {
        let Ok(line) = decay.fit(from, to) else {
            continue;
        };
        let ends = [0.0, chart.x_range().end - begin];
        let points = ends.map(|time| (begin + time, line.level + line.slope * time));
        let style = look.line(look.trace(one.colour + colour), 1.2);
        frame::dashes(chart, look, style, points)?;
    }
    Ok(())
}
