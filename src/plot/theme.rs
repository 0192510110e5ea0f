//! Colours and sizes: light and dark, for eyes that tell few colours apart, too.

use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    Color, FontDesc, FontFamily, FontStyle, RGBAColor, RGBColor, ShapeStyle, TextStyle,
};

use super::scene::UNITS;

/// What lies behind a picture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Theme {
    /// Dark on white, for paper and most pages.
    #[default]
    Light,
    /// Light on almost black.
    Dark,
}

/// Most curves that can be told apart.
pub const MOST_TRACES: usize = 8;

/// Okabe & Ito, "Color Universal Design" (2008); yellow, too faint on white, is grey there, and
/// the dark blue, too faint on black, is lighter there.
const LIGHT: [(u8, u8, u8); MOST_TRACES] = [
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (204, 121, 167),
    (230, 159, 0),
    (86, 180, 233),
    (0, 0, 0),
    (128, 128, 128),
];
const DARK: [(u8, u8, u8); MOST_TRACES] = [
    (86, 180, 233),
    (230, 159, 0),
    (0, 178, 130),
    (220, 140, 185),
    (240, 228, 66),
    (232, 110, 20),
    (255, 255, 255),
    (60, 130, 215),
];

/// Nine of the colours of matplotlib's `viridis` (van der Walt & Smith, 2015; CC0), evenly spaced.
const VIRIDIS: [(u8, u8, u8); 9] = [
    (68, 1, 84),
    (71, 44, 122),
    (59, 81, 139),
    (44, 113, 142),
    (33, 144, 141),
    (39, 173, 129),
    (92, 200, 99),
    (170, 220, 50),
    (253, 231, 37),
];

/// Steps of the colour scale: as many as the eye tells apart, for smaller files.
const SHADES: f64 = 64.0;

/// The colour of a share between 0 and 1, from dark to bright and even to the eye.
pub(super) fn shade(share: f64) -> (u8, u8, u8) {
    let share = (share.clamp(0.0, 1.0) * (SHADES - 1.0)).round() / (SHADES - 1.0);
    let at = share * (VIRIDIS.len() - 1) as f64;
    let below = (at as usize).min(VIRIDIS.len() - 2);
    let (a, b, rest) = (VIRIDIS[below], VIRIDIS[below + 1], at - below as f64);
    let mix = |a: u8, b: u8| (f64::from(a) + rest * (f64::from(b) - f64::from(a))).round() as u8;
    (mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}

/// Colours of a theme, and the size of its letters, on which all other sizes rest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    theme: Theme,
    /// Size of ordinary letters in units.
    pub(super) em: f64,
}

impl Look {
    /// With letters of so many pixels.
    pub(super) fn new(theme: Theme, pixels: f64) -> Self {
        Self {
            theme,
            em: pixels * f64::from(UNITS),
        }
    }

    fn pick(&self, light: (u8, u8, u8), dark: (u8, u8, u8)) -> RGBColor {
        let (r, g, b) = match self.theme {
            Theme::Light => light,
            Theme::Dark => dark,
        };
        RGBColor(r, g, b)
    }

    pub(super) fn paper(&self) -> RGBColor {
        self.pick((255, 255, 255), (20, 22, 27))
    }

    /// Of titles.
    pub(super) fn ink(&self) -> RGBColor {
        self.pick((24, 24, 27), (236, 238, 242))
    }

    /// Of numbers at axes, and of notes.
    pub(super) fn pale(&self) -> RGBColor {
        self.pick((82, 82, 91), (166, 172, 184))
    }

    pub(super) fn axis(&self) -> RGBColor {
        self.pick((150, 150, 158), (96, 102, 114))
    }

    pub(super) fn grid(&self) -> RGBAColor {
        self.pick((0, 0, 0), (255, 255, 255)).mix(0.12)
    }

    /// Of lines between those of the grid.
    pub(super) fn fine(&self) -> RGBAColor {
        self.pick((0, 0, 0), (255, 255, 255)).mix(0.05)
    }

    /// Of a curve, counted from 0.
    pub(super) fn trace(&self, index: usize) -> RGBColor {
        let index = index % MOST_TRACES;
        self.pick(LIGHT[index], DARK[index])
    }

    /// From bright to dark as a share of the time goes by; never as that of the paper.
    pub(super) fn aged(&self, age: f64) -> RGBColor {
        let (young, old) = match self.theme {
            Theme::Light => (0.92, 0.08),
            Theme::Dark => (1.0, 0.28),
        };
        let (r, g, b) = shade(young + age * (old - young));
        RGBColor(r, g, b)
    }

    /// A colour thinned with that of the paper, to a share of itself; hides what lies below.
    pub(super) fn on_paper(&self, colour: RGBColor, share: f64) -> RGBColor {
        let paper = self.paper();
        let mix = |a: u8, b: u8| (f64::from(a) + share * (f64::from(b) - f64::from(a))) as u8;
        let RGBColor(r, g, b) = colour;
        RGBColor(mix(paper.0, r), mix(paper.1, g), mix(paper.2, b))
    }

    /// So many times the size of letters, in whole units; at least one.
    pub(super) fn ems(&self, ems: f64) -> i32 {
        (ems * self.em).round().max(1.0) as i32
    }

    /// A line, its width being a multiple of the usual one.
    pub(super) fn line(&self, colour: impl Into<RGBAColor>, width: f64) -> ShapeStyle {
        ShapeStyle {
            color: colour.into(),
            filled: false,
            stroke_width: self.ems(0.09 * width) as u32,
        }
    }

    pub(super) fn area(&self, colour: impl Into<RGBAColor>) -> ShapeStyle {
        ShapeStyle {
            filled: true,
            ..self.line(colour, 1.0)
        }
    }

    /// Letters, their size being a multiple of the usual one, and which of their sides is put
    /// where they are drawn.
    pub(super) fn text(&self, size: f64, colour: RGBColor, at: (HPos, VPos)) -> TextStyle<'static> {
        let size = size * self.em;
        TextStyle {
            font: FontDesc::new(FontFamily::SansSerif, size, FontStyle::Normal),
            color: colour.to_backend_color(),
            pos: Pos::new(at.0, at.1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_colour_scale_grows_brighter_all_the_way() {
        // Luma of Rec. 709, on the coded values.
        let luma = |share: f64| {
            let (r, g, b) = shade(share);
            0.2126 * f64::from(r) + 0.7152 * f64::from(g) + 0.0722 * f64::from(b)
        };
        let steps: Vec<f64> = (0..64).map(|k| luma(f64::from(k) / 63.0)).collect();
        assert!(steps.windows(2).all(|pair| pair[0] < pair[1]), "{steps:?}");
        assert_eq!(shade(0.0), VIRIDIS[0]);
        assert_eq!(shade(1.0), VIRIDIS[8]);
        assert_eq!(shade(f64::NEG_INFINITY), VIRIDIS[0]);
    }

    #[test]
    fn every_curve_stands_out_from_the_paper() {
        // WCAG 2.1, 1.4.11: graphics want a contrast of 3 to 1. Grey, orange and sky blue, which
        // fall short of it on white, come late; nothing falls below 2.
        let linear = |v: u8| {
            let v = f64::from(v) / 255.0;
            if v <= 0.04045 {
                v / 12.92
            } else {
                ((v + 0.055) / 1.055).powf(2.4)
            }
        };
        let luminance = |RGBColor(r, g, b): RGBColor| {
            0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
        };
        for (theme, firm) in [(Theme::Light, 3), (Theme::Dark, MOST_TRACES)] {
            let look = Look::new(theme, 14.0);
            let paper = luminance(look.paper());
            for trace in 0..MOST_TRACES {
                let curve = luminance(look.trace(trace));
                let contrast = (curve.max(paper) + 0.05) / (curve.min(paper) + 0.05);
                let want = if trace < firm { 3.0 } else { 2.0 };
                assert!(contrast >= want, "{theme:?} {trace}: {contrast:.2}");
            }
        }
    }
}
