//! Target curves: a level over frequency, by points.

use super::EditError;
use crate::ir::log_line;

/// A level in dB over frequency: straight lines over log f between points, held beyond the
/// outermost.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Hz and dB, rising in Hz; never empty.
    points: Vec<(f64, f64)>,
}

impl Curve {
    /// From points of Hz and dB in any order.
    ///
    /// # Errors
    /// [`EditError::Curve`] for no points, a frequency of 0 or below, a value that is not finite,
    /// or two points at one frequency.
    pub fn new(mut points: Vec<(f64, f64)>) -> Result<Self, EditError> {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let odd = |(hz, db): &&(f64, f64)| !(hz.is_finite() && *hz > 0.0 && db.is_finite());
        let problem = if points.is_empty() {
            "it has no points".to_owned()
        } else if let Some((hz, db)) = points.iter().find(odd) {
            format!("{hz} Hz at {db} dB is no point of a curve")
        } else if let Some(pair) = points.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            format!("it has two levels at {} Hz", pair[0].0)
        } else {
            return Ok(Self { points });
        };
        Err(EditError::Curve { problem })
    }

    /// From text: one point on a line, Hz and dB apart by blanks, tabs, commas or semicolons. Empty
    /// lines and lines that begin with `#`, `*`, `;` or `"` are passed over, and what follows the
    /// two numbers too: this is what measuring programs export.
    ///
    /// # Errors
    /// [`EditError::Curve`] with the number of a line that cannot be read, and as [`new`](Self::new).
    pub fn parse(text: &str) -> Result<Self, EditError> {
        let mut points = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim().trim_start_matches('\u{feff}');
            if line.is_empty() || line.starts_with(['#', '*', ';', '"']) {
                continue;
            }
            // Between numbers that stand apart already, a comma would be a decimal one.
            let blank = |c: char| c.is_whitespace() || c == ';';
            let apart = line.split(blank).filter(|word| !word.is_empty());
            let words: Vec<&str> = match apart.clone().count() {
                1 => line.split(',').collect(),
                _ => apart.map(|word| word.trim_end_matches(',')).collect(),
            };
            let number_of = |at: usize| words.get(at).and_then(|word| word.parse::<f64>().ok());
            match (number_of(0), number_of(1)) {
                (Some(hz), Some(db)) => points.push((hz, db)),
                _ => {
                    let hint = match words.iter().take(2).any(|word| word.contains(',')) {
                        true => "; write 20.5, not 20,5",
                        false => "",
                    };
                    let line_number = number + 1;
                    let problem =
                        format!("line {line_number}, `{line}`, is no frequency and level{hint}");
                    return Err(EditError::Curve { problem });
                }
            }
        }
        Self::new(points)
    }

    /// The same level at all frequencies.
    pub fn flat() -> Self {
        Self {
            points: vec![(1000.0, 0.0)],
        }
    }

    /// A straight line over log f from 20 Hz to 20 kHz, 0 dB at 1 kHz.
    pub fn tilt(db_per_octave: f64) -> Self {
        let at = |hz: f64| (hz, db_per_octave * (hz / 1000.0).log2());
        Self {
            points: vec![at(20.0), at(20_000.0)],
        }
    }

    /// Level in dB at a frequency in Hz.
    pub fn at(&self, hz: f64) -> f64 {
        log_line::at(&self.points, hz).unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_measuring_programs_is_read() {
        let text =
            "\u{feff}* Freq(Hz) SPL(dB) Phase\n\n20 3 10.5\n# comment\n200,0.0\r\n2000;-3e0\n";
        let curve = Curve::parse(text).unwrap();
        assert_eq!(
            (curve.at(10.0), curve.at(20.0), curve.at(1e5)),
            (3.0, 3.0, -3.0)
        );
        // Halfway over log f.
        assert!((curve.at(200.0 * 10f64.sqrt()) + 1.5).abs() < 1e-12);
        assert_eq!(Curve::flat().at(50.0), 0.0);
        let tilt = Curve::tilt(-1.0);
        assert!((tilt.at(4000.0) + 2.0).abs() < 1e-12 && (tilt.at(500.0) - 1.0).abs() < 1e-12);
        assert_eq!(tilt.at(1.0), tilt.at(20.0));
    }

    #[test]
    fn what_is_no_curve_is_refused_with_its_place() {
        for (text, word) in [
            ("", "no points"),
            ("20 0\nloud 3", "line 2, `loud 3`"),
            ("20", "line 1"),
            ("0 3", "0 Hz"),
            ("20 inf", "inf dB"),
            ("20 1\n20 2", "two levels at 20 Hz"),
        ] {
            let error = Curve::parse(text).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
