//! Values of options that only a batch has.

use crate::ir::{UnitError, units};
use crate::run::batch::ListKind;

/// `10dB` or `5..20dB`.
pub(super) fn snr(text: &str) -> Result<(f64, f64), UnitError> {
    let refuse = || UnitError {
        value: text.to_owned(),
        what: "a ratio to noise",
        example: "`10dB` or, by lot within a range, `5..20dB`, from -200dB to 200dB",
    };
    let level = |text: &str| {
        let number = text.trim().parse::<f64>().ok();
        // Beyond, no noise can be made.
        number.filter(|level| (-200.0..=200.0).contains(level))
    };
    let without_unit = |text: &str| {
        let at = text.len().checked_sub(2)?;
        let (number, unit) = text.split_at_checked(at)?;
        unit.eq_ignore_ascii_case("db").then(|| number.to_owned())
    };
    let whole = without_unit(text).ok_or_else(refuse)?;
    let (low, high) = match whole.split_once("..") {
        // The unit may stand at both.
        Some((low, high)) => {
            let low = without_unit(low).unwrap_or_else(|| low.to_owned());
            (level(&low), level(high))
        }
        None => (level(&whole), level(&whole)),
    };
    match (low, high) {
        (Some(low), Some(high)) if low <= high => Ok((low, high)),
        _ => Err(refuse()),
    }
}

/// How long the early part of a response is.
pub(super) fn early(text: &str) -> Result<f64, UnitError> {
    let seconds = units::seconds(text)?;
    match seconds > 0.0 {
        true => Ok(seconds),
        false => Err(UnitError {
            value: text.to_owned(),
            what: "a length of the early part",
            example: "a time behind the direct sound, `50ms`",
        }),
    }
}

/// A kind of list by its name.
pub(super) fn list_kind(text: &str) -> Result<ListKind, String> {
    match text {
        "scp" => Ok(ListKind::Scp),
        "jsonl" | "json" => Ok(ListKind::Json),
        "csv" => Ok(ListKind::Csv),
        "paths" => Ok(ListKind::Paths),
        _ => Err("there are scp, jsonl, csv and paths".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_a_level_or_a_range_of_levels() {
        assert_eq!(snr("10dB"), Ok((10.0, 10.0)));
        assert_eq!(snr("5..20dB"), Ok((5.0, 20.0)));
        assert_eq!(snr("-5dB..2.5db"), Ok((-5.0, 2.5)));
        for wrong in [
            "",
            "10",
            "dB",
            "20..5dB",
            "..dB",
            "a..bdB",
            "infdB",
            "5..20",
            "300dB",
            "-201dB..0dB",
        ] {
            assert!(snr(wrong).is_err(), "{wrong}");
        }
    }
}
