//! A scene as PNG.

use tiny_skia::{
    Color, FillRule, FilterQuality, LineJoin, Paint, Path, PathBuilder, Pixmap, PixmapPaint,
    Stroke, Transform,
};

use super::PlotError;
use super::font::{self, OutlineBuilder};
use super::scene::{Colour, Image, Point, Scene, Shape, UNITS};

const UNIT: f32 = 1.0 / UNITS as f32;

/// The whole file.
pub(super) fn write(scene: &Scene) -> Result<Vec<u8>, PlotError> {
    let mut pixels = canvas(scene.size.0, scene.size.1)?;
    for shape in &scene.shapes {
        draw(&mut pixels, shape)?;
    }
    pixels.encode_png().map_err(failed)
}

/// The cells of an image, one pixel each.
pub(super) fn image(image: &Image) -> Result<Pixmap, PlotError> {
    let mut pixels = canvas(image.columns as u32, image.rows() as u32)?;
    for (pixel, &(r, g, b)) in pixels.pixels_mut().iter_mut().zip(&image.cells) {
        *pixel = tiny_skia::ColorU8::from_rgba(r, g, b, 255).premultiply();
    }
    Ok(pixels)
}

pub(super) fn failed(cause: impl ToString) -> PlotError {
    PlotError::Encoder {
        cause: cause.to_string(),
    }
}

fn canvas(width: u32, height: u32) -> Result<Pixmap, PlotError> {
    Pixmap::new(width, height).ok_or_else(|| failed("no memory for the pixels"))
}

fn draw(pixels: &mut Pixmap, shape: &Shape) -> Result<(), PlotError> {
    let whole = Transform::from_scale(UNIT, UNIT);
    match shape {
        Shape::Line { points, width, ink } => {
            let stroke = Stroke {
                width: *width as f32,
                line_join: LineJoin::Round,
                ..Stroke::default()
            };
            // A path of a single point has nothing to draw.
            if let Some(path) = path(points, false) {
                pixels.stroke_path(&path, &paint(*ink), &stroke, whole, None);
            }
        }
        Shape::Area { points, ink } => {
            if let Some(path) = path(points, true) {
                pixels.fill_path(&path, &paint(*ink), FillRule::Winding, whole, None);
            }
        }
        Shape::Text {
            text,
            at: (x, y),
            quarters,
            shift: (across, down),
            size,
            ink,
            ..
        } => {
            let mut outline = Outline(PathBuilder::new());
            font::outline(text, &mut outline);
            // From the outside in: place, turn, way to the line's beginning, size.
            let place = whole
                .pre_translate(*x as f32, *y as f32)
                .pre_rotate(-90.0 * f32::from(*quarters))
                .pre_translate(*across as f32, *down as f32)
                .pre_scale(*size as f32, -*size as f32);
            // Blanks alone have no outline.
            if let Some(path) = outline.0.finish() {
                pixels.fill_path(&path, &paint(*ink), FillRule::Winding, place, None);
            }
        }
        Shape::Image {
            corner: (x, y),
            size: (width, height),
            image: cells,
        } => {
            let (columns, rows) = (cells.columns as f32, cells.rows() as f32);
            let stretch = whole
                .pre_translate(*x as f32, *y as f32)
                .pre_scale(*width as f32 / columns, *height as f32 / rows);
            let smooth = PixmapPaint {
                quality: FilterQuality::Bilinear,
                ..PixmapPaint::default()
            };
            pixels.draw_pixmap(0, 0, image(cells)?.as_ref(), &smooth, stretch, None);
        }
    }
    Ok(())
}

fn path(points: &[Point], closed: bool) -> Option<Path> {
    let mut path = PathBuilder::new();
    for (n, &(x, y)) in points.iter().enumerate() {
        let (x, y) = (x as f32, y as f32);
        match n {
            0 => path.move_to(x, y),
            _ => path.line_to(x, y),
        }
    }
    if closed {
        path.close();
    }
    path.finish()
}

fn paint(Colour { rgb, alpha }: Colour) -> Paint<'static> {
    let (r, g, b) = rgb;
    let mut colour = Color::from_rgba8(r, g, b, 255);
    colour.set_alpha(alpha as f32);
    let mut paint = Paint::default();
    paint.set_color(colour);
    paint
}

/// Glyphs as a path.
struct Outline(PathBuilder);

impl OutlineBuilder for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        self.0.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.0.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.0.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.0.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.0.close();
    }
}
