//! Cumulative spectral decay: what is left of each frequency as time goes on, slice behind slice.

use plotters::element::{PathElement, Polygon};
use plotters::style::FontTransform;
use plotters::style::text_anchor::{HPos, VPos};

use super::Smoothing;
use super::axis::{Axis, TIME};
use super::frame::{self, Area, Drawn, SMALL};
use super::theme::Look;
use super::trace::Trace;
use super::waveform::span;
use crate::ir::spectrum::{cumulative_decay, log_spaced};

/// What is shown, in dB below the strongest frequency of the whole.
const RANGE: f64 = 60.0;
/// Fewest and most slices, and how many there are in the depth of a letter's size.
const SLICES: (f64, f64) = (16.0, 40.0);
const PER_EM: f64 = 2.2;
/// How far each slice moves, over all of them, as a share of the room: to the right and down.
const DEPTH: (f64, f64) = (0.16, 0.46);
/// Fewest and most points of a slice, and how many there are for what is averaged into one.
const POINTS: (f64, f64) = (100.0, 240.0);
const PER_BAND: f64 = 2.5;
/// Where there is no decay to tell when all is over: this share of the length.
const ALL: f64 = 0.9;

pub(super) fn draw(
    area: &Area<'_>,
    look: &Look,
    one: &Trace<'_>,
    title: &str,
    smoothing: Smoothing,
) -> Drawn {
    let (onset, seconds) = (one.onset(), length(one));
    let depth = DEPTH.1 * f64::from(area.dim_in_pixel().1) / look.em;
    let count = (PER_EM * depth).clamp(SLICES.0, SLICES.1) as usize;
    let age = |k: usize| k as f64 / (count - 1) as f64;
    let rise = one.rate.frames(seconds / count as f64).max(1);
    let title = format!(
        "{title}, {smoothing}, rise of {}",
        span(one.rate.seconds(rise))
    );
    let area = frame::heading(area, look, &title, &[])?;
    let (width, height) = area.dim_in_pixel();
    let margin = [0.8, 1.2, 3.0, 4.8].map(|ems| f64::from(look.ems(ems)));
    let [top, right, bottom, left] = margin;
    let (wide, high) = (
        f64::from(width) - left - right,
        f64::from(height) - top - bottom,
    );
    let place = Place {
        left,
        bottom: f64::from(height) - bottom,
        across: wide * (1.0 - DEPTH.0),
        up: high * (1.0 - DEPTH.1),
        depth: (wide * DEPTH.0, high * DEPTH.1),
    };
    let (from, to) = one.band();
    let room = place.across / look.em;
    let x = Axis::frequency(from, to, room / 2.6);
    let y = Axis::linear(
        -RANGE,
        0.0,
        (place.up / look.em / 2.0).min(6.0),
        "level / dB",
    );
    let time = Axis::time(0.0, seconds, 4.0, TIME);
    floor(&area, look, &place, &x, &y, &time)?;
    if one.peak() == 0.0 {
        let style = look.text(SMALL, look.pale(), (HPos::Center, VPos::Center));
        let middle = place.at(0.5, 0.5, 0.5);
        return area.draw_text("silence", &style, middle);
    }
    let starts: Vec<usize> = (0..count)
        .map(|k| onset + one.rate.frames(seconds * age(k)))
        .collect();
    let bands = (to / from).log2() / smoothing.octaves();
    let points = (PER_BAND * bands).clamp(POINTS.0, POINTS.1) as usize;
    let hz = log_spaced(from, to, points);
    let slices = cumulative_decay(&one.taps, one.rate, &starts, rise, &hz, smoothing.octaves());
    let most = slices[0].iter().copied().fold(0.0, f64::max);
    for (k, slice) in slices.iter().enumerate() {
        let age = age(k);
        let line: Vec<_> = slice
            .iter()
            .enumerate()
            .map(|(n, power)| {
                let level = 1.0 + 10.0 * (power / most).log10() / RANGE;
                let across = n as f64 / (points - 1) as f64;
                place.at(across, level.clamp(0.0, 1.0), age)
            })
            .collect();
        let mut below = line.clone();
        below.push(place.at(1.0, 0.0, age));
        below.push(place.at(0.0, 0.0, age));
        // The young are bright, and the old cover them.
        let colour = look.aged(age);
        area.draw(&Polygon::new(below, look.area(look.on_paper(colour, 0.25))))?;
        area.draw(&PathElement::new(line, look.line(colour, 1.0)))?;
    }
    // The floor's edge runs along the slices' feet.
    let edge = [place.at(0.0, 0.0, 0.0), place.at(0.0, 0.0, 1.0)];
    area.draw(&PathElement::new(edge, look.line(look.axis(), 1.6)))
}

/// Seconds from the onset to where 60 dB are lost, or to where the decay ends.
fn length(one: &Trace<'_>) -> f64 {
    let rest = one.rate.seconds(one.taps.len() - one.onset());
    let frames = match one.decay() {
        Ok(decay) => decay.curve().partition_point(|&db| db > -RANGE) as f64,
        Err(_) => ALL * f64::from(one.rate.hz()) * rest,
    };
    (frames / f64::from(one.rate.hz()))
        .max(one.rate.seconds(8))
        .min(rest.max(one.rate.seconds(8)))
}

/// Where things lie on the area, in its units.
struct Place {
    left: f64,
    bottom: f64,
    across: f64,
    up: f64,
    depth: (f64, f64),
}

impl Place {
    /// Shares of frequency, level and age: the young lie behind, up and to the left.
    fn at(&self, across: f64, level: f64, age: f64) -> (i32, i32) {
        let x = self.left + across * self.across + age * self.depth.0;
        let y = self.bottom - (1.0 - age) * self.depth.1 - level * self.up;
        (x.round() as i32, y.round() as i32)
    }
}

/// The floor on which slices stand, the wall behind them, and what is written at both.
fn floor(area: &Area<'_>, look: &Look, place: &Place, x: &Axis, y: &Axis, time: &Axis) -> Drawn {
    let (grid, axis) = (look.line(look.grid(), 0.8), look.line(look.axis(), 1.0));
    let line = |ends: [(f64, f64, f64); 2], style| {
        let ends = ends.map(|(across, level, age)| place.at(across, level, age));
        area.draw(&PathElement::new(ends, style))
    };
    let share = |axis: &Axis, value: f64| (value - axis.from) / (axis.to - axis.from);
    let text = |side| look.text(SMALL, look.pale(), (side, VPos::Center));
    let (below, beside) = (look.ems(1.0), look.ems(0.5));
    for (value, mark) in &x.marks {
        let at = share(x, *value);
        line([(at, 0.0, 0.0), (at, 0.0, 1.0)], grid)?;
        line([(at, 0.0, 0.0), (at, 1.0, 0.0)], grid)?;
        let (left, top) = place.at(at, 0.0, 1.0);
        area.draw_text(mark, &text(HPos::Center), (left, top + below))?;
    }
    for (value, mark) in &y.marks {
        let at = share(y, *value);
        line([(0.0, at, 0.0), (1.0, at, 0.0)], grid)?;
        let (left, top) = place.at(0.0, at, 0.0);
        area.draw_text(mark, &text(HPos::Right), (left - beside, top))?;
    }
    for (value, mark) in &time.marks {
        let at = share(time, *value);
        line([(0.0, 0.0, at), (1.0, 0.0, at)], grid)?;
        let (left, top) = place.at(0.0, 0.0, at);
        // Where the level's last number stands, none of the time's has room.
        if *value > 0.0 {
            area.draw_text(mark, &text(HPos::Right), (left - beside, top))?;
        }
    }
    line([(0.0, 0.0, 0.0), (0.0, 1.0, 0.0)], axis)?;
    line([(0.0, 0.0, 1.0), (1.0, 0.0, 1.0)], axis)?;
    line([(1.0, 0.0, 0.0), (1.0, 0.0, 1.0)], axis)?;
    let (left, top) = place.at(0.5, 0.0, 1.0);
    area.draw_text(x.name, &text(HPos::Center), (left, top + look.ems(2.5)))?;
    let (left, top) = place.at(0.0, 0.5, 0.0);
    let turned = text(HPos::Center).transform(FontTransform::Rotate270);
    area.draw_text(y.name, &turned, (left - look.ems(4.0), top))?;
    let (left, top) = place.at(0.0, 0.0, 0.5);
    let name = (left - look.ems(3.2), top + look.ems(1.0));
    area.draw_text(time.name, &text(HPos::Right), name)
}
