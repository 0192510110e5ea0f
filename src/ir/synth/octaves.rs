//! Values of the seven octave bands, as people write and read them.

use std::ops::RangeInclusive;

use super::bands::BANDS;
use super::reading::Reading;
use crate::ir::IrError;
use crate::ir::units::{self, UnitError};

/// Reverberation times in seconds.
pub(super) const TIMES: RangeInclusive<f64> = 0.05..=30.0;

/// The parameter `rt60`: one time in seconds or seven, 125 Hz to 8 kHz; the unit may be left out.
pub(super) fn rt60(reading: &mut Reading) -> Result<Option<Vec<f64>>, IrError> {
    let Some(text) = reading.take("rt60") else {
        return Ok(None);
    };
    let seconds = |text: &str| units::seconds(text).or_else(|e| text.parse().map_err(|_| e));
    let times = list(reading, "rt60", text, seconds)?;
    if let Some(time) = times.iter().find(|time| !TIMES.contains(time)) {
        return Err(reading.outside("rt60", format!("{time} s"), "0.05 to 30 s"));
    }
    Ok(Some(times))
}

/// One value or seven.
pub(super) fn list(
    reading: &Reading,
    key: &str,
    text: &str,
    read: impl Fn(&str) -> Result<f64, UnitError>,
) -> Result<Vec<f64>, IrError> {
    let values = text.split('/').map(|part| reading.unit(read(part.trim())));
    let values: Vec<f64> = values.collect::<Result<_, _>>()?;
    if values.len() != 1 && values.len() != BANDS {
        let problem = format!(
            "{key} has {} values; it takes one, or {BANDS} for the octaves from 125 Hz to 8 kHz",
            values.len()
        );
        return Err(reading.usage(problem));
    }
    Ok(values)
}

/// To three places, as people read them.
pub(super) fn rounded(value: f64) -> f64 {
    // No -0.
    (value * 1e3).round() / 1e3 + 0.0
}

/// Values of bands behind one another, or one for all.
pub(super) fn listed(values: &[f64; BANDS], unit: &str) -> String {
    let texts = values.map(|value| rounded(value).to_string());
    if texts.iter().all(|text| *text == texts[0]) {
        return format!("{}{unit}", texts[0]);
    }
    format!("{}{unit}", texts.join("/"))
}
