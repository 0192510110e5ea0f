//! Gain over frequency: smoothed, and behind the only curve as it is.

use plotters::style::Color;

use super::axis::Axis;
use super::frame::{self, Area, Drawn, MARGINS};
use super::theme::Look;
use super::trace::{self, Trace};
use super::waveform::columns;
use super::{Smoothing, group_delay};
use crate::ir::spectrum::log_spaced;

/// Least and greatest range in dB that is shown.
const RANGE: (f64, f64) = (30.0, 80.0);

pub(super) fn draw(
    area: &Area<'_>,
    look: &Look,
    traces: &[Trace<'_>],
    smoothing: Smoothing,
) -> Drawn {
    let title = format!("Magnitude, smoothed by {smoothing}");
    let area = frame::heading(area, look, &title, &[])?;
    let (width, height) = frame::room(&area, look, MARGINS);
    let columns = columns(width, look);
    let smoothed: Vec<_> = traces
        .iter()
        .map(|one| {
            group_delay::points(one, columns, |hz| {
                decibels(one.spectrum().smoothed(hz, smoothing.octaves()))
            })
        })
        .collect();
    let (from, to) = trace::widest_band(traces);
    let x = Axis::frequency(from, to, width / 2.6);
    let levels = smoothed
        .iter()
        .flatten()
        .map(|&(_, db)| db)
        .filter(|db| db.is_finite());
    let ends = (f64::INFINITY, f64::NEG_INFINITY);
    let (least, most) = levels.fold(ends, |(least, most), db| (db.min(least), db.max(most)));
    // Silence has no level; an empty chart around 0 dB is left.
    let (least, most) = if most.is_finite() {
        (least, most)
    } else {
        (-RANGE.0, 0.0)
    };
    let top = 5.0 * (most / 5.0 + 0.8).ceil();
    let range = (top - least + 2.0).clamp(RANGE.0, RANGE.1);
    let y = Axis::linear(top - range, top, (height / 2.0).min(10.0), "gain / dB");
    let mut chart = frame::chart(&area, look, MARGINS, &x, &y)?;
    // Several would hide one another.
    if let [one] = traces {
        let colour = look.trace(one.colour).mix(0.18);
        frame::band(&mut chart, look, colour, &raw(one, columns, y.from))?;
    }
    for (one, points) in traces.iter().zip(smoothed) {
        let style = look.line(look.trace(one.colour), 1.8);
        frame::curve(&mut chart, style, points)?;
    }
    if traces.iter().all(|one| one.peak() == 0.0) {
        frame::vacant(&chart, look, "silence")?;
    }
    Ok(())
}

fn decibels(power: f64) -> f64 {
    10.0 * power.log10()
}

/// Least and largest gain of any bin within each column.
fn raw(one: &Trace<'_>, columns: usize, floor: f64) -> Vec<(f64, f64, f64)> {
    let (from, to) = one.band();
    let edges = log_spaced(from, to, columns + 1);
    edges
        .windows(2)
        .map(|edge| {
            let (least, most) = one.spectrum().extremes(edge[0], edge[1]);
            let middle = (edge[0] * edge[1]).sqrt().log10();
            (
                middle,
                decibels(least).max(floor),
                decibels(most).max(floor),
            )
        })
        .collect()
}
