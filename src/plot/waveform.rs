//! The taps themselves, each channel in a lane of its own.

use plotters::element::{Circle, PathElement};
use plotters::style::Color;
use plotters::style::text_anchor::HPos;

use super::axis::{Axis, TIME};
use super::font;
use super::frame::{self, Area, Drawn, MARGINS, Margins, SMALL};
use super::theme::Look;
use super::trace::{self, Trace};
use crate::ir::decay::Decay;

/// Most taps that are drawn one by one.
const STEMS: usize = 128;

pub(super) fn draw(area: &Area<'_>, look: &Look, traces: &[Trace<'_>]) -> Drawn {
    let area = frame::heading(area, look, "Waveform", &[])?;
    let count = traces.len();
    let (width, height) = area.dim_in_pixel();
    // The axis below belongs to all lanes.
    let below = f64::from(look.ems(MARGINS.bottom));
    let lane = (f64::from(height) - below).max(f64::from(count as u32)) / count as f64;
    let (from, to) = trace::time_span(traces);
    let (room, _) = frame::room(&area, look, MARGINS);
    let mut shown = None;
    for (n, one) in traces.iter().enumerate() {
        let last = n + 1 == count;
        let top = (lane * n as f64).round() as u32;
        let bottom = if last {
            height
        } else {
            (lane * (n + 1) as f64).round() as u32
        };
        let area = area.clone().shrink((0, top), (width, bottom - top));
        let margins = match last {
            true => MARGINS,
            false => Margins {
                bottom: 0.0,
                ..MARGINS
            },
        };
        let mut x = Axis::time(from, to, room / 6.0, TIME);
        if !last {
            x.name = "";
        }
        let rows = lane / look.em - margins.top;
        let peak = match loudest(one, traces) {
            0.0 => 1.0,
            peak => 1.08 * peak,
        };
        let name = match rows {
            rows if rows >= 6.0 => "amplitude",
            rows if rows >= 2.8 => "ampl.",
            // There is no room for numbers either.
            _ => "",
        };
        let y = Axis::linear(-peak, peak, (rows / 1.8).min(9.0), name);
        let mut chart = frame::chart(&area, look, margins, &x, &y)?;
        lane_of(&mut chart, look, one, room)?;
        // Said once for each response.
        let first = shown != Some(one.ir.name());
        shown = Some(one.ir.name());
        marks(&mut chart, look, one, first && rows >= 4.0)?;
        if count > 1 {
            let text = font::fitted(&one.label, 0.4 * room / SMALL);
            let (width, height) = chart.plotting_area().dim_in_pixel();
            let place = (width as i32 - look.ems(0.6), height as i32 - look.ems(0.7));
            let colour = look.trace(one.colour);
            frame::note(&chart, look, colour, &text, HPos::Right, place)?;
        }
    }
    Ok(())
}

/// Largest tap among the channels of the same response.
fn loudest(one: &Trace<'_>, traces: &[Trace<'_>]) -> f64 {
    let same = traces.iter().filter(|other| std::ptr::eq(other.ir, one.ir));
    same.map(Trace::peak).fold(0.0, f64::max)
}

fn lane_of(chart: &mut frame::Chart<'_>, look: &Look, one: &Trace<'_>, room: f64) -> Drawn {
    let colour = look.trace(one.colour);
    let time = |frame: usize| one.rate.seconds(frame);
    if one.taps.len() <= STEMS {
        let style = look.line(colour, 1.6);
        for (n, &tap) in one.taps.iter().enumerate() {
            let stem = vec![(time(n), 0.0), (time(n), tap)];
            chart.draw_series([PathElement::new(stem, style)])?;
        }
        let dots = one.taps.iter().enumerate();
        let dots =
            dots.map(|(n, &tap)| Circle::new((time(n), tap), look.ems(0.22), look.area(colour)));
        chart.draw_series(dots)?;
        return Ok(());
    }
    let columns = columns(room, look);
    if one.taps.len() <= 2 * columns {
        let points = one.taps.iter().enumerate();
        return frame::curve(
            chart,
            look.line(colour, 1.0),
            points.map(|(n, &tap)| (time(n), tap)),
        );
    }
    let extremes: Vec<_> = pieces(one.taps.len(), columns)
        .map(|piece| {
            let middle = time(piece.start) + 0.5 * time(piece.len());
            let ends = (f64::INFINITY, f64::NEG_INFINITY);
            let (least, most) = one.taps[piece]
                .iter()
                .fold(ends, |(least, most), &tap| (tap.min(least), tap.max(most)));
            (middle, least, most)
        })
        .collect();
    frame::band(chart, look, colour.mix(1.0), &extremes)
}

/// How many columns are worth drawing in so much room: about one per pixel.
pub(super) fn columns(room: f64, look: &Look) -> usize {
    (room * look.em / f64::from(super::scene::UNITS)).max(16.0) as usize
}

/// So many pieces of a length, none empty.
pub(super) fn pieces(length: usize, count: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let count = count.clamp(1, length.max(1));
    (0..count).map(move |k| length * k / count..length * (k + 1) / count)
}

fn marks(chart: &mut frame::Chart<'_>, look: &Look, one: &Trace<'_>, told: bool) -> Drawn {
    let Some(onset) = one.ir.onset() else {
        return frame::vacant(chart, look, "silence");
    };
    let say = |text: String| if told { text } else { String::new() };
    let at = one.rate.seconds(onset);
    frame::landmark(chart, look, at, &say(format!("onset {}", span(at))), 0.0)?;
    if let Ok(decay) = one.decay() {
        let at = one.rate.seconds(decay.end);
        frame::landmark(chart, look, at, &say(ending(decay, at)), 1.0)?;
    }
    Ok(())
}

/// What stands at the end of a decay.
pub(super) fn ending(decay: &Decay, seconds: f64) -> String {
    let what = if decay.noise.is_some() {
        "noise from"
    } else {
        "end"
    };
    format!("{what} {}", span(seconds))
}

/// A time with a unit that suits it.
pub(super) fn span(seconds: f64) -> String {
    match seconds.abs() {
        s if s >= 0.9995 => format!("{seconds:.2} s"),
        s if s >= 0.1 => format!("{:.0} ms", 1e3 * seconds),
        s if s >= 1e-3 || s == 0.0 => format!("{:.1} ms", 1e3 * seconds),
        _ => format!("{:.0} \u{b5}s", 1e6 * seconds),
    }
}
