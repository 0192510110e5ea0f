//! Numbers with units, as people write them: `20ms`, `3k`, `-6dB`, `30%`.

use thiserror::Error;

use crate::signal::SampleRate;

/// A value that could not be read, with an example of one that can.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{value}` is not {what}; write for example {example}")]
pub struct UnitError {
    /// What was written.
    pub value: String,
    /// What was expected: "a duration", "a frequency", and so on.
    pub what: &'static str,
    /// Two or three values that would have been read.
    pub example: &'static str,
}

const DURATION: (&str, &str) = ("a duration of 0 or more", "`250ms`, `2.5s` or `500us`");
const FREQUENCY: (&str, &str) = ("a frequency above 0", "`80`, `3kHz` or `44.1k`");
const RATE: (&str, &str) = (
    "a sample rate, a whole number of frames a second",
    "`48k`, `44.1k` or `96000`",
);
const GAIN: (&str, &str) = ("a gain", "`-6dB` or, as a factor, `0.5`");
const LENGTH: (&str, &str) = ("a length of 0 or more", "`6`, `6m` or `20cm`");
const FRACTION: (&str, &str) = ("a share between 0 and 1", "`30%` or `0.3`");

/// Seconds from `250ms`, `2.5s`, `500us` (or `µs`), `1min`. The unit must be written; only a
/// plain `0` needs none. Never negative.
pub(crate) fn seconds(text: &str) -> Result<f64, UnitError> {
    let units = [
        ("min", 60.0),
        ("ms", 1e-3),
        ("us", 1e-6),
        ("µs", 1e-6),
        ("s", 1.0),
    ];
    let value = match scaled(text, &units) {
        None => number(text).filter(|&v| v == 0.0),
        some => some,
    };
    value
        .filter(|&v| v >= 0.0)
        .ok_or_else(|| refuse(text, DURATION))
}

/// Hertz from `80`, `3k`, `3kHz`, `3000Hz`, `0.1MHz`. Always above 0.
pub(crate) fn hertz(text: &str) -> Result<f64, UnitError> {
    let units = [("mhz", 1e6), ("khz", 1e3), ("hz", 1.0), ("k", 1e3)];
    let value = scaled(text, &units).or_else(|| number(text));
    value
        .filter(|&v| v > 0.0)
        .ok_or_else(|| refuse(text, FREQUENCY))
}

/// A sample rate from what [`hertz`] takes, if it is a whole number.
#[cfg_attr(not(feature = "wav"), allow(dead_code))]
pub(crate) fn rate(text: &str) -> Result<SampleRate, UnitError> {
    let hz = hertz(text).ok();
    let whole = hz.filter(|hz| hz.fract() == 0.0 && *hz <= f64::from(u32::MAX));
    whole
        .and_then(|hz| SampleRate::new(hz as u32).ok())
        .ok_or_else(|| refuse(text, RATE))
}

/// A factor from `-6dB` or, linear, `0.5`; `-infdB` is 0, and a negative factor turns the
/// polarity.
pub(crate) fn gain(text: &str) -> Result<f64, UnitError> {
    let factor = match strip(text, "db") {
        Some(rest) if rest.eq_ignore_ascii_case("-inf") => Some(0.0),
        Some(rest) => number(rest).map(|db| 10f64.powf(db / 20.0)),
        None => number(text),
    };
    factor
        .filter(|v| v.is_finite())
        .ok_or_else(|| refuse(text, GAIN))
}

/// A share between 0 and 1 from `30%` or `0.3`.
pub(crate) fn fraction(text: &str) -> Result<f64, UnitError> {
    let value = scaled(text, &[("%", 0.01)]).or_else(|| number(text));
    value
        .filter(|v| (0.0..=1.0).contains(v))
        .ok_or_else(|| refuse(text, FRACTION))
}

/// Metres from `6`, `6m`, `20cm`. Never negative.
pub(crate) fn metres(text: &str) -> Result<f64, UnitError> {
    let value = scaled(text, &[("cm", 0.01), ("m", 1.0)]).or_else(|| number(text));
    value
        .filter(|&v| v >= 0.0)
        .ok_or_else(|| refuse(text, LENGTH))
}

fn refuse(value: &str, (what, example): (&'static str, &'static str)) -> UnitError {
    UnitError {
        value: value.to_owned(),
        what,
        example,
    }
}

/// The number before the first unit that fits, times that unit's scale.
fn scaled(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    units
        .iter()
        .find_map(|&(unit, scale)| Some((strip(text, unit)?, scale)))
        .and_then(|(rest, scale)| Some(number(rest)? * scale))
        .filter(|v| v.is_finite())
}

/// The text before `unit`, in whatever case the unit is written.
fn strip<'a>(text: &'a str, unit: &str) -> Option<&'a str> {
    let text = text.trim();
    let at = text.len().checked_sub(unit.len())?;
    let tail = text.get(at..)?;
    tail.eq_ignore_ascii_case(unit)
        .then(|| text[..at].trim_end())
}

/// A plain finite number: digits, sign, point, exponent; not `inf`, not `nan`.
fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
    if !text.chars().all(plain) {
        return None;
    }
    text.parse().ok().filter(|v: &f64| v.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn near(got: Result<f64, UnitError>, want: f64) {
        let got = got.unwrap();
        assert!(
            (got - want).abs() <= 4.0 * f64::EPSILON * want.abs(),
            "{got} is not {want}"
        );
    }

    #[test]
    fn durations_are_read_with_their_unit() {
        near(seconds("250ms"), 0.25);
        near(seconds("2.5s"), 2.5);
        near(seconds("500us"), 5e-4);
        near(seconds("500µs"), 5e-4);
        near(seconds("1.5min"), 90.0);
        near(seconds(" 20 MS "), 0.02);
        near(seconds("0"), 0.0);
    }

    #[test]
    fn a_duration_without_unit_or_below_zero_is_refused() {
        for text in [
            "20", "-20ms", "", "ms", "ten s", "infs", "nans", "1e999s", "2s5", "µ", "é",
        ] {
            let error = seconds(text).unwrap_err().to_string();
            assert!(
                error.contains(&format!("`{text}`")) && error.contains("`250ms`"),
                "{error}"
            );
        }
    }

    #[test]
    fn frequencies_are_read_with_or_without_unit() {
        near(hertz("80"), 80.0);
        near(hertz("3k"), 3000.0);
        near(hertz("3kHz"), 3000.0);
        near(hertz("3000Hz"), 3000.0);
        near(hertz("0.1MHz"), 1e5);
        near(hertz("44.1k"), 44_100.0);
        for text in ["0", "-80", "", "k", "Hz", "inf", "3kk", "1e400", "1e308k"] {
            assert!(hertz(text).is_err(), "{text}");
        }
    }

    #[test]
    fn gains_are_decibels_or_factors() {
        near(gain("-20dB"), 0.1);
        near(gain("0 db"), 1.0);
        near(gain("+6.020599913279624dB"), 2.0);
        near(gain("0.5"), 0.5);
        near(gain("-1"), -1.0);
        assert_eq!(gain("-infdB"), Ok(0.0));
        for text in ["", "dB", "loud", "1e9dB", "nan", "6d"] {
            assert!(gain(text).is_err(), "{text}");
        }
    }

    #[test]
    fn lengths_are_metres_or_say_so() {
        near(metres("6"), 6.0);
        near(metres("6.5 m"), 6.5);
        near(metres("20cm"), 0.2);
        near(metres("0"), 0.0);
        for text in ["", "m", "-1", "6ft", "20mm", "infm"] {
            assert!(metres(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shares_are_per_cent_or_fractions() {
        near(fraction("30%"), 0.3);
        near(fraction("0.3"), 0.3);
        near(fraction("100 %"), 1.0);
        near(fraction("0"), 0.0);
        for text in ["", "%", "101%", "-1%", "30", "half"] {
            assert!(fraction(text).is_err(), "{text}");
        }
    }
}
