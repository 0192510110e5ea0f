//! What surrounds curves: titles, legends, axes, marks.

use std::convert::Infallible;

use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind};
use plotters::element::{PathElement, Polygon, Rectangle};
use plotters::series::DashedLineSeries;
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, RGBColor, ShapeStyle};

use super::axis::Axis;
use super::font;
use super::scene::Pen;
use super::theme::Look;

pub(super) type Area<'p> = DrawingArea<Pen<'p>, Shift>;
pub(super) type Chart<'p> = ChartContext<'p, Pen<'p>, Cartesian2d<Axis, Axis>>;
/// Drawing fails only as `plotters` does.
pub(super) type Refusal = DrawingAreaErrorKind<Infallible>;
pub(super) type Drawn = Result<(), Refusal>;

/// Size of the numbers at axes, and of notes.
pub(super) const SMALL: f64 = 0.85;

/// One line of a legend.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) stroke: Stroke,
    pub(super) text: String,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Stroke {
    Solid(RGBColor),
    Dashed(RGBColor),
    None,
}

impl Entry {
    pub(super) fn solid(colour: RGBColor, text: impl Into<String>) -> Self {
        let (stroke, text) = (Stroke::Solid(colour), text.into());
        Self { stroke, text }
    }

    pub(super) fn dashed(colour: RGBColor, text: impl Into<String>) -> Self {
        let (stroke, text) = (Stroke::Dashed(colour), text.into());
        Self { stroke, text }
    }

    pub(super) fn note(text: impl Into<String>) -> Self {
        let (stroke, text) = (Stroke::None, text.into());
        Self { stroke, text }
    }

    /// In sizes of letters, with the gap to the next.
    fn width(&self) -> f64 {
        let swatch = if matches!(self.stroke, Stroke::None) {
            0.0
        } else {
            2.2
        };
        swatch + SMALL * font::width(&self.text) + 1.4
    }
}

/// Writes a title with its legend, and gives back what is left below.
pub(super) fn heading<'p>(
    area: &Area<'p>,
    look: &Look,
    title: &str,
    entries: &[Entry],
) -> Result<Area<'p>, Refusal> {
    let room = f64::from(area.dim_in_pixel().0) / look.em;
    let size = 1.1;
    let title = font::fitted(title, (room - 1.0) / size);
    let style = look.text(size, look.ink(), (HPos::Left, VPos::Center));
    area.draw_text(&title, &style, (look.ems(0.5), look.ems(0.9)))?;
    // Beside the title if all of it fits there, else in rows below it.
    let beside = 0.5 + size * font::width(&title) + 2.0;
    let whole: f64 = entries.iter().map(Entry::width).sum();
    let (_, below) = area.split_vertically(look.ems(1.9));
    if beside + whole > room {
        return legend(&below, look, entries);
    }
    let mut at = room - whole;
    for entry in entries {
        draw_entry(area, look, entry, at, 0.9, room)?;
        at += entry.width();
    }
    Ok(below)
}

/// Writes a legend in as many rows as it takes, and gives back what is left below.
pub(super) fn legend<'p>(
    area: &Area<'p>,
    look: &Look,
    entries: &[Entry],
) -> Result<Area<'p>, Refusal> {
    let room = f64::from(area.dim_in_pixel().0) / look.em;
    let (mut rows, mut at) = (0, 0.0);
    for entry in entries {
        // The gap after the last one may be cut.
        if rows == 0 || at + entry.width() > room + 1.4 {
            (rows, at) = (rows + 1, 0.5);
        }
        draw_entry(area, look, entry, at, 1.5 * f64::from(rows) - 0.8, room)?;
        at += entry.width();
    }
    let (_, rest) = area.split_vertically(look.ems(1.5 * f64::from(rows) + 0.2));
    Ok(rest)
}

fn draw_entry(area: &Area<'_>, look: &Look, entry: &Entry, x: f64, y: f64, room: f64) -> Drawn {
    let mut x = x;
    let swatch = |from: f64, to: f64, colour: RGBColor| {
        let ends = [from, to].map(|at| (look.ems(x + at), look.ems(y)));
        area.draw(&PathElement::new(ends, look.line(colour, 2.2)))
    };
    match entry.stroke {
        Stroke::Solid(colour) => swatch(0.0, 1.6, colour)?,
        Stroke::Dashed(colour) => {
            swatch(0.0, 0.6, colour)?;
            swatch(1.0, 1.6, colour)?;
        }
        Stroke::None => (),
    }
    if !matches!(entry.stroke, Stroke::None) {
        x += 2.2;
    }
    let text = font::fitted(&entry.text, (room - x) / SMALL);
    let style = look.text(SMALL, look.pale(), (HPos::Left, VPos::Center));
    area.draw_text(&text, &style, (look.ems(x), look.ems(y)))
}

/// Room in sizes of letters beside a chart, from the top clockwise.
#[derive(Debug, Clone, Copy)]
pub(super) struct Margins {
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
    pub(super) left: f64,
}

/// With numbers and names at the left and below.
pub(super) const MARGINS: Margins = Margins {
    top: 0.4,
    right: 1.2,
    bottom: 3.0,
    left: 4.8,
};

/// Width and height of a chart in an area, in sizes of letters.
pub(super) fn room(area: &Area<'_>, look: &Look, margins: Margins) -> (f64, f64) {
    let (width, height) = area.dim_in_pixel();
    let (width, height) = (f64::from(width) / look.em, f64::from(height) / look.em);
    (
        (width - margins.left - margins.right).max(1.0),
        (height - margins.top - margins.bottom).max(1.0),
    )
}

/// Draws axes with their grid. Without a name, an axis has no numbers either.
pub(super) fn chart<'p>(
    area: &Area<'p>,
    look: &Look,
    margins: Margins,
    x: &Axis,
    y: &Axis,
) -> Result<Chart<'p>, Refusal> {
    let tick = if x.name.is_empty() { 0 } else { look.ems(0.25) };
    let mut chart = ChartBuilder::on(area)
        .margin_top(look.ems(margins.top))
        .margin_right(look.ems(margins.right))
        .x_label_area_size(look.ems(margins.bottom))
        .y_label_area_size(look.ems(margins.left))
        .build_cartesian_2d(x.clone(), y.clone())?;
    let text = look.text(SMALL, look.pale(), (HPos::Center, VPos::Center));
    chart
        .configure_mesh()
        .bold_line_style(look.line(look.grid(), 0.8))
        .light_line_style(look.line(look.fine(), 0.8))
        .axis_style(look.line(look.axis(), 1.0))
        .label_style(text.clone())
        .axis_desc_style(text)
        .x_desc(x.name)
        .y_desc(y.name)
        .set_all_tick_mark_size(look.ems(0.25))
        .set_tick_mark_size(plotters::chart::LabelAreaPosition::Bottom, tick)
        .draw()?;
    Ok(chart)
}

/// A curve, cut where it leaves the chart above or below. A point that is not finite breaks it.
pub(super) fn curve(
    chart: &mut Chart<'_>,
    style: ShapeStyle,
    points: impl IntoIterator<Item = (f64, f64)>,
) -> Drawn {
    let y = chart.y_range();
    for piece in clipped(points, y.start, y.end) {
        chart.draw_series([PathElement::new(piece, style)])?;
    }
    Ok(())
}

/// The same in dashes.
pub(super) fn dashes(
    chart: &mut Chart<'_>,
    look: &Look,
    style: ShapeStyle,
    points: impl IntoIterator<Item = (f64, f64)>,
) -> Drawn {
    let y = chart.y_range();
    for piece in clipped(points, y.start, y.end) {
        let (dash, gap) = (look.ems(0.6), look.ems(0.4));
        chart.draw_series(DashedLineSeries::new(piece, dash, gap, style))?;
    }
    Ok(())
}

/// The area between the least and the most at each place, with a thin edge, so that it is seen
/// where both are one.
pub(super) fn band(
    chart: &mut Chart<'_>,
    look: &Look,
    colour: plotters::style::RGBAColor,
    columns: &[(f64, f64, f64)],
) -> Drawn {
    let y = chart.y_range();
    let inside = |value: f64| value.clamp(y.start, y.end);
    let above = columns.iter().map(|&(x, _, most)| (x, inside(most)));
    let below = columns.iter().rev();
    let below = below.map(|&(x, least, _)| (x, inside(least)));
    let mut outline: Vec<_> = above.chain(below).collect();
    chart.draw_series([Polygon::new(outline.clone(), look.area(colour))])?;
    outline.extend(outline.first().copied());
    chart.draw_series([PathElement::new(outline, look.line(colour, 0.6))])?;
    Ok(())
}

/// The pieces of a line that lie between two heights.
fn clipped(
    points: impl IntoIterator<Item = (f64, f64)>,
    low: f64,
    high: f64,
) -> Vec<Vec<(f64, f64)>> {
    let mut pieces: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut last: Option<(f64, f64)> = None;
    let mut open = false;
    for point in points {
        if !point.1.is_finite() {
            (last, open) = (None, false);
            continue;
        }
        let Some(from) = last.replace(point) else {
            continue;
        };
        let at = |share: f64| {
            let between = |a: f64, b: f64| a + share * (b - a);
            (between(from.0, point.0), between(from.1, point.1))
        };
        // Shares of the way at which it enters and leaves.
        let rise = point.1 - from.1;
        let (mut enter, mut leave) = (0.0f64, 1.0f64);
        if rise == 0.0 {
            if !(low..=high).contains(&from.1) {
                leave = -1.0;
            }
        } else {
            let (a, b) = ((low - from.1) / rise, (high - from.1) / rise);
            (enter, leave) = (enter.max(a.min(b)), leave.min(a.max(b)));
        }
        if enter > leave {
            open = false;
            continue;
        }
        if !open || enter > 0.0 {
            pieces.push(vec![at(enter)]);
        }
        pieces.last_mut().expect("one was begun").push(at(leave));
        open = leave >= 1.0;
    }
    pieces
}

/// A line across the chart at a place of the x axis, with a text beside it, if any, so many rows
/// below the upper edge.
pub(super) fn landmark(chart: &mut Chart<'_>, look: &Look, x: f64, text: &str, row: f64) -> Drawn {
    let (across, up) = (chart.x_range(), chart.y_range());
    if !(across.start..=across.end).contains(&x) {
        return Ok(());
    }
    let style = look.line(look.pale(), 0.9);
    dashes(chart, look, style, [(x, up.start), (x, up.end)])?;
    if text.is_empty() {
        return Ok(());
    }
    let area = chart.plotting_area();
    let (left, top) = area.map_coordinate(&(x, up.end));
    let (base, width) = (area.get_base_pixel(), area.dim_in_pixel().0 as i32);
    let (left, top) = (left - base.0, top - base.1);
    let wide = look.ems(SMALL * font::width(text) + 0.5);
    // To the right, unless it is cut there and would not be on the left.
    let (side, gap) = match left + wide <= width || left < wide {
        true => (HPos::Left, look.ems(0.4)),
        false => (HPos::Right, -look.ems(0.4)),
    };
    let place = (left + gap, top + look.ems(0.9 + 1.3 * row));
    note(chart, look, look.pale(), text, side, place)
}

/// A note in a chart, so many units from its upper left corner, with paper behind it, for the
/// curves not to run through the letters.
pub(super) fn note(
    chart: &Chart<'_>,
    look: &Look,
    colour: RGBColor,
    text: &str,
    side: HPos,
    (x, y): (i32, i32),
) -> Drawn {
    let wide = look.ems(SMALL * font::width(text) + 0.2);
    let from = match side {
        HPos::Left => x,
        HPos::Center => x - wide / 2,
        HPos::Right => x - wide,
    };
    let (edge, half) = (look.ems(0.1), look.ems(0.55));
    let corners = [(from - edge, y - half), (from + wide, y + half)];
    let screen = chart.plotting_area().strip_coord_spec();
    let paper = look.area(look.paper().mix(0.75));
    screen.draw(&Rectangle::new(corners, paper))?;
    let style = look.text(SMALL, colour, (side, VPos::Center));
    screen.draw_text(text, &style, (x, y))
}

/// A note in the middle of a chart that has nothing to show.
pub(super) fn vacant(chart: &Chart<'_>, look: &Look, note: &str) -> Drawn {
    let screen = chart.plotting_area().strip_coord_spec();
    let (width, height) = screen.dim_in_pixel();
    let room = f64::from(width) / look.em;
    let text = font::fitted(note, (room - 1.0) / SMALL);
    let style = look.text(SMALL, look.pale(), (HPos::Center, VPos::Center));
    let middle = (width as i32 / 2, height as i32 / 2);
    screen.draw_text(&text, &style, middle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_where_it_leaves_the_chart() {
        let line = [(0.0, 2.0), (2.0, 0.0), (4.0, 2.0), (6.0, 2.0)];
        let want = vec![vec![(1.0, 1.0), (2.0, 0.0), (3.0, 1.0)]];
        assert_eq!(clipped(line, 0.0, 1.0), want);
        assert_eq!(clipped(line, 3.0, 4.0), Vec::<Vec<(f64, f64)>>::new());
        assert_eq!(clipped(line, 0.0, 2.0), [line.to_vec()]);
    }

    #[test]
    fn a_line_across_the_whole_chart_is_cut_at_both_ends() {
        let want = vec![vec![(1.0, 0.0), (2.0, 1.0)]];
        assert_eq!(clipped([(0.0, -1.0), (3.0, 2.0)], 0.0, 1.0), want);
        let want = vec![vec![(1.0, 1.0), (2.0, 0.0)]];
        assert_eq!(clipped([(0.0, 2.0), (3.0, -1.0)], 0.0, 1.0), want);
    }

    #[test]
    fn what_is_not_finite_breaks_a_line() {
        let line = [
            (0.0, 0.0),
            (1.0, 1.0),
            (2.0, f64::NEG_INFINITY),
            (3.0, 1.0),
            (4.0, 0.0),
        ];
        let want = vec![vec![(0.0, 0.0), (1.0, 1.0)], vec![(3.0, 1.0), (4.0, 0.0)]];
        assert_eq!(clipped(line, 0.0, 1.0), want);
    }
}
