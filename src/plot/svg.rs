//! A scene as SVG.

use std::fmt::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use plotters_backend::text_anchor::HPos;

use super::scene::{Colour, Image, Point, Scene, Shape, UNITS};
use super::{PlotError, font, png};

/// The whole document; `title` is what it tells those who cannot see it.
pub(super) fn write(scene: &Scene, title: &str) -> Result<String, PlotError> {
    let (width, height) = scene.size;
    let mut svg = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" font-family=\"{}\" \
         stroke-linejoin=\"round\">\n<title>{}</title>",
        font::FAMILIES,
        Escaped(title),
    );
    for shape in &scene.shapes {
        let _ = draw(&mut svg, shape)?;
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

fn draw(svg: &mut String, shape: &Shape) -> Result<fmt::Result, PlotError> {
    Ok(match shape {
        Shape::Line { points, width, ink } => writeln!(
            svg,
            "<path d=\"{}\" fill=\"none\"{} stroke-width=\"{}\"/>",
            Path(points),
            Painted("stroke", *ink),
            Pixels(f64::from(*width)),
        ),
        Shape::Area { points, ink } => {
            let painted = Painted("fill", *ink);
            writeln!(svg, "<path d=\"{}z\"{painted}/>", Path(points))
        }
        Shape::Text {
            text,
            at: (x, y),
            quarters,
            shift: (_, down),
            anchor,
            size,
            ink,
        } => {
            let (x, y) = (f64::from(*x), f64::from(*y));
            let anchor = match anchor {
                HPos::Left => "",
                HPos::Center => " text-anchor=\"middle\"",
                HPos::Right => " text-anchor=\"end\"",
            };
            let mut turned = String::new();
            if *quarters > 0 {
                let degrees = 360 - 90 * u32::from(*quarters);
                let (x, y) = (Pixels(x), Pixels(y));
                let _ = write!(turned, " transform=\"rotate({degrees} {x} {y})\"");
            }
            writeln!(
                svg,
                "<text x=\"{}\" y=\"{}\" font-size=\"{}\"{anchor}{turned}{}>{}</text>",
                Pixels(x),
                Pixels(y + down),
                Pixels(*size),
                Painted("fill", *ink),
                Escaped(text),
            )
        }
        Shape::Image {
            corner: (x, y),
            size: (width, height),
            image,
        } => writeln!(
            svg,
            "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" preserveAspectRatio=\"none\" \
             href=\"data:image/png;base64,{}\"/>",
            Pixels(f64::from(*x)),
            Pixels(f64::from(*y)),
            Pixels(f64::from(*width)),
            Pixels(f64::from(*height)),
            encoded(image)?,
        ),
    })
}

fn encoded(image: &Image) -> Result<String, PlotError> {
    Ok(STANDARD.encode(png::image(image)?.encode_png().map_err(png::failed)?))
}

/// Units as pixels, with no more digits than needed.
struct Pixels(f64);

impl fmt::Display for Pixels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = self.0.round() / f64::from(UNITS);
        write!(f, "{tenths}")
    }
}

/// A path from the first point on, in steps, which take the least room.
struct Path<'a>(&'a [Point]);

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = None;
        for &(x, y) in self.0 {
            let pixels = |from: i32, to: i32| Pixels(f64::from(to - from));
            match last {
                None => write!(f, "M{} {}l", pixels(0, x), pixels(0, y))?,
                Some((from, above)) => {
                    let (across, down) = (pixels(from, x), pixels(above, y));
                    // A minus sets numbers apart as well as a blank does.
                    let blank = |minus: bool| if minus { "" } else { " " };
                    let (one, two) = (blank(x < from), blank(y < above));
                    write!(f, "{one}{across}{two}{down}")?;
                }
            }
            last = Some((x, y));
        }
        Ok(())
    }
}

/// How a shape is painted: the attribute, and its colour.
struct Painted(&'static str, Colour);

impl fmt::Display for Painted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(what, Colour { rgb, alpha }) = self;
        let (r, g, b) = rgb;
        write!(f, " {what}=\"#{r:02x}{g:02x}{b:02x}\"")?;
        match *alpha < 1.0 {
            true => write!(f, " {what}-opacity=\"{alpha:.3}\""),
            false => Ok(()),
        }
    }
}

/// Text between tags.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '&' => f.write_str("&amp;")?,
                // XML has no place for these.
                '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => f.write_char('\u{fffd}')?,
                _ => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}
