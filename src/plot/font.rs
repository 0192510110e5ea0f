//! The one font of the pictures: how wide a text is, and its outlines.

use std::sync::LazyLock;

use ttf_parser::Face;
pub(super) use ttf_parser::OutlineBuilder;

/// DejaVu Sans, cut down to Latin, Greek and Cyrillic; see `assets/README.md`.
static FACE: LazyLock<Face<'static>> = LazyLock::new(|| {
    const FONT: &[u8] = include_bytes!("../../assets/font/DejaVuSans-subset.ttf");
    Face::parse(FONT, 0).expect("the font within the program is whole")
});

/// Families for whoever draws an SVG, widest first: what fits in the first fits in all.
pub(super) const FAMILIES: &str = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif";

/// Height of capital letters and digits over the size.
pub(super) const CAPITAL: f64 = 0.73;
/// What hangs below the line, over the size.
pub(super) const DESCENT: f64 = 0.24;

/// Width over size.
pub(super) fn width(text: &str) -> f64 {
    text.chars().map(advance).sum()
}

/// Width of one character over size.
fn advance(letter: char) -> f64 {
    let glyph = FACE.glyph_index(letter).unwrap_or_default();
    let units = FACE.glyph_hor_advance(glyph).unwrap_or_default();
    f64::from(units) / f64::from(FACE.units_per_em())
}

/// As much of a text as a width over size has room for: where it is too long, its middle is left
/// out, for the ends of names tell most.
pub(super) fn fitted(text: &str, room: f64) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let letters: Vec<char> = text.chars().collect();
    let cut = |kept: usize| -> String {
        let (head, tail) = (kept / 2, letters.len() - kept.div_ceil(2));
        let ends = letters[..head].iter().chain(['\u{2026}'].iter());
        ends.chain(&letters[tail..]).collect()
    };
    let fits = |&kept: &usize| width(&cut(kept)) <= room;
    cut((1..letters.len()).rev().find(fits).unwrap_or(1))
}

/// Draws the outlines of a text that begins at (0, 0) on its line, one em being 1, y upward.
pub(super) fn outline(text: &str, pen: &mut dyn OutlineBuilder) {
    let mut from = 0.0;
    for letter in text.chars() {
        let mut placed = Placed {
            pen,
            from,
            em: f32::from(FACE.units_per_em()),
        };
        FACE.outline_glyph(FACE.glyph_index(letter).unwrap_or_default(), &mut placed);
        from += advance(letter) as f32;
    }
}

/// Glyphs in font units, moved to their place in the text.
struct Placed<'a> {
    pen: &'a mut dyn OutlineBuilder,
    from: f32,
    em: f32,
}

impl Placed<'_> {
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        (self.from + x / self.em, y / self.em)
    }
}

impl OutlineBuilder for Placed<'_> {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.pen.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.pen.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.at(x1, y1), self.at(x, y));
        self.pen.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.at(x1, y1), self.at(x2, y2), self.at(x, y));
        self.pen.curve_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.pen.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_font_has_every_sign_that_pictures_write() {
        for sign in " 0123456789.\u{2212}\u{2013}\u{2026}\u{b5}\u{d7}\u{b7}/%().".chars() {
            assert!(FACE.glyph_index(sign).is_some(), "{sign:?}");
        }
    }

    #[test]
    fn a_long_text_loses_its_middle_and_then_fits() {
        assert_eq!(fitted("hall.wav", 100.0), "hall.wav");
        let short = fitted("a-very-long-name-of-a-hall.wav", 8.0);
        assert!(width(&short) <= 8.0, "{short}");
        assert!(
            short.starts_with("a-") && short.ends_with(".wav"),
            "{short}"
        );
        assert_eq!(fitted("hall", 0.1), "\u{2026}l");
    }
}
