//! Axes: their ranges, their marks, and what is written at them.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// One side of a chart. Frequencies run as log10 of Hz, all else as it is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    pub(super) from: f64,
    pub(super) to: f64,
    /// Marks with what is written at them.
    pub(super) marks: Vec<(f64, String)>,
    /// Lines between them.
    pub(super) fine: Vec<f64>,
    /// What it counts, with its unit.
    pub(super) name: &'static str,
}

impl Axis {
    /// Even steps, at most about `count` of them.
    pub(super) fn linear(from: f64, to: f64, count: f64, name: &'static str) -> Self {
        let marks = steps(from, to, count).map(|(value, step)| (value, number(value, step)));
        Self {
            from,
            to,
            marks: marks.collect(),
            fine: Vec::new(),
            name,
        }
    }

    /// Seconds, written in whichever of s, ms and us gives handy numbers.
    pub(super) fn time(from: f64, to: f64, count: f64, name: [&'static str; 3]) -> Self {
        let (unit, name) = match to - from {
            span if span >= 1.5 => (1.0, name[0]),
            span if span >= 2e-3 => (1e-3, name[1]),
            _ => (1e-6, name[2]),
        };
        let marks = steps(from / unit, to / unit, count)
            .map(|(value, step)| (value * unit, number(value, step)));
        Self {
            from,
            to,
            marks: marks.collect(),
            fine: Vec::new(),
            name,
        }
    }

    /// Frequencies in Hz, marked at 1, 2 and 5 of each decade, or at 1 alone where there is room
    /// for few.
    pub(super) fn frequency(from: f64, to: f64, count: f64) -> Self {
        let decades = from.log10().floor() as i32..=to.log10().floor() as i32;
        // Not to lose an end to rounding.
        let inside = |hz: &f64| (from * 0.999..=to * 1.001).contains(hz);
        let all = |digits: &'static [u32]| {
            let decades = decades.clone();
            decades
                .flat_map(move |decade| {
                    let one = 10f64.powi(decade);
                    digits.iter().map(move |&digit| f64::from(digit) * one)
                })
                .filter(inside)
        };
        let often = all(&[1, 2, 5]).count() as f64 <= count;
        let marked = all(if often { &[1, 2, 5] } else { &[1] });
        Self {
            from: from.log10(),
            to: to.log10(),
            marks: marked.map(|hz| (hz.log10(), hertz(hz))).collect(),
            fine: all(&[2, 3, 4, 5, 6, 7, 8, 9]).map(f64::log10).collect(),
            name: "frequency / Hz",
        }
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let share = (value - self.from) / (self.to - self.from);
        from + (share * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        match hint.weight().allow_light_points() {
            true => self.fine.clone(),
            false => self.marks.iter().map(|(mark, _)| *mark).collect(),
        }
    }

    fn range(&self) -> Range<f64> {
        self.from..self.to
    }
}

/// What is written at a mark: nothing where the axis has no name.
impl ValueFormatter<f64> for Axis {
    fn format(value: &f64) -> String {
        value.to_string()
    }

    fn format_ext(&self, value: &f64) -> String {
        let at = self.marks.iter().find(|(mark, _)| mark == value);
        let text = at
            .filter(|_| !self.name.is_empty())
            .map(|(_, text)| text.clone());
        text.unwrap_or_default()
    }
}

/// Names of a time axis in its three units.
pub(super) const TIME: [&str; 3] = ["time / s", "time / ms", "time / \u{b5}s"];
/// The same for the delay of a group.
pub(super) const DELAY: [&str; 3] = ["delay / s", "delay / ms", "delay / \u{b5}s"];

/// Round numbers between two, and the step from one to the next.
fn steps(from: f64, to: f64, count: f64) -> impl Iterator<Item = (f64, f64)> {
    let marks = |step: f64| {
        let (first, last) = ((from / step - 1e-6).ceil(), (to / step + 1e-6).floor());
        (first as i64..=last as i64).map(move |k| (k as f64 * step, step))
    };
    let wide = round_step((to - from) / count.max(1.0));
    // One alone tells no scale.
    match marks(wide).count() {
        0 | 1 => marks(round_step((to - from) / 5.0)),
        _ => marks(wide),
    }
}

/// The least of 1, 2 and 5 times a power of ten that is not smaller.
fn round_step(least: f64) -> f64 {
    let ten = 10f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter();
    let mut large = factor.map(|factor| factor * ten);
    large
        .find(|step| *step >= 0.999 * least)
        .unwrap_or(10.0 * ten)
}

/// A number with the digits that its step needs, and a proper minus.
fn number(value: f64, step: f64) -> String {
    let digits = (-(step * 1.001).log10().floor()).clamp(0.0, 9.0) as usize;
    signed(value, digits)
}

/// A number with so many digits after the point, and a proper minus.
pub(super) fn signed(value: f64, digits: usize) -> String {
    let text = format!("{:.digits$}", value.abs());
    let zero = text.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    let sign = if value < 0.0 && !zero { "\u{2212}" } else { "" };
    format!("{sign}{text}")
}

fn hertz(hz: f64) -> String {
    match hz {
        hz if hz >= 999.5 => format!("{}k", (hz / 100.0).round() / 10.0),
        hz if hz >= 0.95 => format!("{}", hz.round()),
        hz => format!("{hz}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(axis: &Axis) -> Vec<&str> {
        axis.marks.iter().map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn frequencies_are_marked_as_people_read_them() {
        let axis = Axis::frequency(20.0, 20_000.0, 12.0);
        let want = [
            "20", "50", "100", "200", "500", "1k", "2k", "5k", "10k", "20k",
        ];
        assert_eq!(texts(&axis), want);
        assert_eq!(axis.format_ext(&1000f64.log10()), "1k");
        assert_eq!(axis.map(&1000f64.log10(), (0, 3000)), 1699);
        let few = Axis::frequency(20.0, 20_000.0, 5.0);
        assert_eq!(texts(&few), ["100", "1k", "10k"]);
        assert_eq!(
            texts(&Axis::frequency(0.05, 0.5, 9.0)),
            ["0.05", "0.1", "0.2", "0.5"]
        );
    }

    #[test]
    fn steps_are_round_and_written_with_the_digits_they_need() {
        let decay = Axis::linear(-80.0, 5.0, 6.0, "level / dB");
        assert_eq!(
            texts(&decay),
            ["\u{2212}80", "\u{2212}60", "\u{2212}40", "\u{2212}20", "0"]
        );
        let small = Axis::linear(-0.1, 0.1, 4.0, "amplitude");
        assert_eq!(
            texts(&small),
            ["\u{2212}0.10", "\u{2212}0.05", "0.00", "0.05", "0.10"]
        );
    }

    #[test]
    fn times_have_a_handy_unit() {
        let of = |seconds: f64| Axis::time(0.0, seconds, 4.0, TIME);
        assert_eq!(
            (of(1.6).name, texts(&of(1.6))),
            ("time / s", vec!["0.0", "0.5", "1.0", "1.5"])
        );
        assert_eq!(
            (of(0.4).name, texts(&of(0.4))),
            ("time / ms", vec!["0", "100", "200", "300", "400"])
        );
        assert_eq!(of(1e-4).name, "time / \u{b5}s");
    }
}
