//! Windows, symmetric: weights that fall from 1 in the middle to their edges.

use std::f64::consts::PI;
use std::fmt;
use std::str::FromStr;

use super::units::UnitError;

/// Largest shape of Kaiser's window; its side lobes are 400 dB down there.
const MOST_BETA: f64 = 50.0;

/// A window, symmetric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Window {
    Rect,
    Hann,
    Hamming,
    Blackman,
    BlackmanHarris,
    Kaiser(f64),
}

impl FromStr for Window {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let beta = text.strip_prefix("kaiser:").map(str::parse);
        match (text, beta) {
            ("rect", _) => Ok(Self::Rect),
            ("hann", _) => Ok(Self::Hann),
            ("hamming", _) => Ok(Self::Hamming),
            ("blackman", _) => Ok(Self::Blackman),
            ("blackmanharris", _) => Ok(Self::BlackmanHarris),
            (_, Some(Ok(beta))) if (0.0..=MOST_BETA).contains(&beta) => Ok(Self::Kaiser(beta)),
            _ => Err(UnitError {
                value: text.to_owned(),
                what: "a window",
                example: "`hamming`, `hann`, `blackman`, `blackmanharris`, `rect` or, with a beta \
                          from 0 to 50, `kaiser:8.6`",
            }),
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rect => f.write_str("rect"),
            Self::Hann => f.write_str("hann"),
            Self::Hamming => f.write_str("hamming"),
            Self::Blackman => f.write_str("blackman"),
            Self::BlackmanHarris => f.write_str("blackmanharris"),
            Self::Kaiser(beta) => write!(f, "kaiser:{beta}"),
        }
    }
}

impl Window {
    /// So many weights, 1 in the middle.
    pub(super) fn weights(self, count: usize) -> Vec<f64> {
        let middle = (count as f64 - 1.0) / 2.0;
        let span = if count > 1 { middle } else { 1.0 };
        // From -1 at the first to 1 at the last.
        let at = (0..count).map(|n| (n as f64 - middle) / span);
        at.map(|x| self.at(x)).collect()
    }

    /// The weight at a place from 0, the middle, to 1 or -1, the edges.
    pub(super) fn at(self, x: f64) -> f64 {
        let cosines: &[f64] = match self {
            Self::Rect => &[1.0],
            Self::Hann => &[0.5, 0.5],
            Self::Hamming => &[0.54, 0.46],
            Self::Blackman => &[0.42, 0.5, 0.08],
            // Harris 1978, "On the use of windows", the minimum of four terms.
            Self::BlackmanHarris => &[0.35875, 0.48829, 0.14128, 0.01168],
            Self::Kaiser(beta) => {
                let inside = (1.0 - x * x).max(0.0).sqrt();
                return bessel_i0(beta * inside) / bessel_i0(beta);
            }
        };
        let terms = cosines.iter().enumerate();
        terms.map(|(k, a)| a * (PI * k as f64 * x).cos()).sum()
    }
}

/// Shape of Kaiser's window for side lobes so many dB below, from 50 dB on.
pub(super) fn kaiser_beta(attenuation: f64) -> f64 {
    0.1102 * (attenuation - 8.7)
}

/// Modified Bessel function of the first kind, order 0: the sum of ((x/2)^k / k!)^2.
fn bessel_i0(x: f64) -> f64 {
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1.0);
    while term > f64::EPSILON * sum {
        term *= (x / (2.0 * k)) * (x / (2.0 * k));
        sum += term;
        k += 1.0;
    }
    sum
}
