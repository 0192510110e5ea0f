//! Level over time and frequency, in colours.

use plotters::style::text_anchor::{HPos, VPos};

use super::axis::{Axis, TIME, signed};
use super::frame::{self, Area, Drawn, MARGINS, Margins, SMALL};
use super::scene::{Image, Stretched};
use super::theme::{self, Look};
use super::trace::Trace;
use super::waveform::{columns, span};
use crate::ir::spectrum::{ShortTime, log_spaced};

/// What the colours cover, in dB below the strongest cell.
const RANGE: f64 = 80.0;
/// Most cells across and down.
const MOST: (usize, usize) = (400, 200);
/// Shortest and longest window in seconds.
const WINDOW: (f64, f64) = (2e-3, 60e-3);
/// Windows in the length of a response.
const WINDOWS: f64 = 30.0;

/// Room for the colours at the right.
const BESIDE: Margins = Margins {
    right: 5.4,
    ..MARGINS
};

pub(super) fn draw(area: &Area<'_>, look: &Look, one: &Trace<'_>, title: &str) -> Drawn {
    let (width, _) = frame::room(area, look, BESIDE);
    // Two pixels or more to a cell.
    let columns = (columns(width, look) / 2).min(MOST.0).min(one.taps.len());
    // No window so short that something would fall between two columns.
    let seconds = (one.seconds() / WINDOWS).clamp(WINDOW.0, WINDOW.1);
    let seconds = seconds.max(2.0 * one.seconds() / columns as f64);
    let window = one.rate.frames(seconds).max(8);
    let title = format!("{title}, window of {}", span(one.rate.seconds(window)));
    let area = frame::heading(area, look, &title, &[])?;
    let (_, height) = frame::room(&area, look, BESIDE);
    let x = Axis::time(0.0, one.seconds(), width / 6.0, TIME);
    let (from, to) = one.band();
    let y = Axis::frequency(from, to, height / 1.4);
    let mut chart = frame::chart(&area, look, BESIDE, &x, &y)?;
    if one.peak() == 0.0 {
        return frame::vacant(&chart, look, "silence");
    }
    let rows = (self::columns(height, look) / 2).clamp(1, MOST.1);
    let image = image(one, window, columns, rows);
    chart.draw_series([Stretched {
        corners: [(x.from, y.to), (x.to, y.from)],
        image,
    }])?;
    scale(&area, look)
}

fn image(one: &Trace<'_>, window: usize, columns: usize, rows: usize) -> Image {
    let levels = ShortTime::of(&one.taps, one.rate, window, columns);
    let (from, to) = one.band();
    let edges = log_spaced(from, to, rows + 1);
    // Row by row, the highest frequency first.
    let cells: Vec<f64> = edges
        .windows(2)
        .rev()
        .flat_map(|edge| (0..columns).map(|column| (edge[0], edge[1], column)))
        .map(|(from, to, column)| levels.power(column, from, to))
        .collect();
    let most = cells.iter().copied().fold(0.0, f64::max);
    let shade = |power: f64| theme::shade(1.0 + 10.0 * (power / most).log10() / RANGE);
    Image {
        columns,
        cells: cells.into_iter().map(shade).collect(),
    }
}

/// What the colours mean, at the right.
fn scale(area: &Area<'_>, look: &Look) -> Drawn {
    let (width, height) = area.dim_in_pixel();
    let left = width as i32 - look.ems(4.6);
    let (top, bottom) = (
        look.ems(MARGINS.top),
        height as i32 - look.ems(MARGINS.bottom),
    );
    let rows = 64;
    let cells = (0..rows)
        .rev()
        .map(|row| theme::shade(f64::from(row) / f64::from(rows - 1)));
    let image = Image {
        columns: 1,
        cells: cells.collect(),
    };
    let corners = [(left, top), (left + look.ems(0.9), bottom)];
    area.draw(&Stretched { corners, image })?;
    let style = look.text(SMALL, look.pale(), (HPos::Left, VPos::Center));
    for step in 0..=4 {
        let share = f64::from(step) / 4.0;
        let y = top + (share * f64::from(bottom - top)).round() as i32;
        let text = signed(-RANGE * share, 0);
        let text = if step == 0 {
            format!("{text} dB")
        } else {
            text
        };
        // The ends stay inside.
        let inside = y.clamp(top + look.ems(0.4), bottom - look.ems(0.4));
        area.draw_text(&text, &style, (left + look.ems(1.3), inside))?;
    }
    Ok(())
}
