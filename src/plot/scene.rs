//! What `plotters` draws on: shapes, kept to be written as SVG or PNG.
//!
//! It counts in whole units; here ten of them make a pixel, so that curves stay smooth.

use std::convert::Infallible;

use plotters::element::{Drawable, PointCollection};
use plotters::prelude::DrawingBackend;
use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingErrorKind, FontTransform,
};

use super::font;

/// Units of a pixel.
pub(super) const UNITS: u32 = 10;

/// A place in units, from the upper left corner.
pub(super) type Point = BackendCoord;

/// One mark of a picture; sizes are in units.
pub(super) enum Shape {
    Line {
        points: Vec<Point>,
        width: u32,
        ink: Colour,
    },
    Area {
        points: Vec<Point>,
        ink: Colour,
    },
    Text {
        text: String,
        /// Where it is anchored, and by how much it is turned to the left about this place.
        at: Point,
        quarters: u8,
        /// From there to the beginning of its line.
        shift: (f64, f64),
        anchor: HPos,
        size: f64,
        ink: Colour,
    },
    Image {
        corner: Point,
        size: (u32, u32),
        image: Image,
    },
}

/// Red, green, blue, and opacity from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Colour {
    pub(super) rgb: (u8, u8, u8),
    pub(super) alpha: f64,
}

impl From<BackendColor> for Colour {
    fn from(BackendColor { rgb, alpha }: BackendColor) -> Self {
        Self { rgb, alpha }
    }
}

/// Coloured cells, row by row from the upper left.
#[derive(Debug, Clone)]
pub(super) struct Image {
    pub(super) columns: usize,
    pub(super) cells: Vec<(u8, u8, u8)>,
}

impl Image {
    pub(super) fn rows(&self) -> usize {
        self.cells.len() / self.columns
    }
}

/// All marks of a picture in the order in which they are laid.
pub(super) struct Scene {
    /// Width and height in pixels.
    pub(super) size: (u32, u32),
    pub(super) shapes: Vec<Shape>,
}

/// Draws on a scene.
pub(super) struct Pen<'a>(pub(super) &'a mut Scene);

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

impl Pen<'_> {
    fn lay(&mut self, ink: BackendColor, shape: impl FnOnce(Colour) -> Shape) -> Drawn {
        if ink.alpha > 0.0 {
            self.0.shapes.push(shape(ink.into()));
        }
        Ok(())
    }
}

impl DrawingBackend for Pen<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        (self.0.size.0 * UNITS, self.0.size.1 * UNITS)
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): Point, ink: BackendColor) -> Drawn {
        self.draw_rect((x, y), (x + 1, y + 1), &ink, true)
    }

    fn draw_line<S: BackendStyle>(&mut self, from: Point, to: Point, style: &S) -> Drawn {
        self.draw_path([from, to], style)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        (left, top): Point,
        (right, bottom): Point,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let corners = [(left, top), (right, top), (right, bottom), (left, bottom)];
        if fill {
            self.fill_polygon(corners, style)
        } else {
            self.draw_path(corners.into_iter().chain([(left, top)]), style)
        }
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = Point>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        let mut points: Vec<_> = path.into_iter().collect();
        points.dedup();
        // A single place has no line.
        if points.len() < 2 {
            return Ok(());
        }
        let width = style.stroke_width();
        self.lay(style.color(), |ink| Shape::Line { points, width, ink })
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        (x, y): Point,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let radius = f64::from(radius);
        let round = (0..=24).map(|k| {
            let (sin, cos) = (f64::from(k) * std::f64::consts::TAU / 24.0).sin_cos();
            let (dx, dy) = (radius * cos, radius * sin);
            (x + dx.round() as i32, y + dy.round() as i32)
        });
        if fill {
            self.fill_polygon(round, style)
        } else {
            self.draw_path(round, style)
        }
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = Point>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        let points: Vec<_> = path.into_iter().collect();
        if points.len() < 3 {
            return Ok(());
        }
        self.lay(style.color(), |ink| Shape::Area { points, ink })
    }

    fn draw_text<T: BackendTextStyle>(&mut self, text: &str, style: &T, at: Point) -> Drawn {
        let size = style.size();
        let anchor = style.anchor();
        let across = match anchor.h_pos {
            HPos::Left => 0.0,
            HPos::Center => -0.5,
            HPos::Right => -1.0,
        };
        let down = match anchor.v_pos {
            VPos::Top => font::CAPITAL,
            VPos::Center => font::CAPITAL / 2.0,
            VPos::Bottom => -font::DESCENT,
        };
        let quarters = match style.transform() {
            FontTransform::None => 0,
            FontTransform::Rotate270 => 1,
            FontTransform::Rotate180 => 2,
            FontTransform::Rotate90 => 3,
        };
        self.lay(style.color(), |ink| Shape::Text {
            text: text.to_owned(),
            at,
            quarters,
            shift: (size * across * font::width(text), size * down),
            anchor: anchor.h_pos,
            size,
            ink,
        })
    }

    fn estimate_text_size<T: BackendTextStyle>(
        &self,
        text: &str,
        style: &T,
    ) -> Result<(u32, u32), DrawingErrorKind<Infallible>> {
        let width = style.size() * font::width(text);
        Ok((width.ceil() as u32, style.size().ceil() as u32))
    }
}

/// An image between two opposite corners, stretched to fill the place.
pub(super) struct Stretched<P> {
    pub(super) corners: [P; 2],
    pub(super) image: Image,
}

impl<'a, P> PointCollection<'a, P> for &'a Stretched<P> {
    type Point = &'a P;
    type IntoIter = std::slice::Iter<'a, P>;

    fn point_iter(self) -> Self::IntoIter {
        self.corners.iter()
    }
}

impl<P> Drawable<Pen<'_>> for Stretched<P> {
    fn draw<I: Iterator<Item = Point>>(
        &self,
        corners: I,
        pen: &mut Pen<'_>,
        _: (u32, u32),
    ) -> Drawn {
        let corners: Vec<_> = corners.collect();
        let (a, b) = (corners[0], corners[corners.len() - 1]);
        pen.0.shapes.push(Shape::Image {
            corner: (a.0.min(b.0), a.1.min(b.1)),
            size: (a.0.abs_diff(b.0), a.1.abs_diff(b.1)),
            image: self.image.clone(),
        });
        Ok(())
    }
}
