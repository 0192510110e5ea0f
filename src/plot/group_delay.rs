//! When the energy of each frequency comes.

use super::Smoothing;
use super::axis::{Axis, DELAY};
use super::frame::{self, Area, Drawn, MARGINS};
use super::theme::Look;
use super::trace::{self, Trace};
use super::waveform::columns;
use crate::ir::spectrum::log_spaced;

/// Where less than this share of the strongest band's power is left (-60 dB), nothing is shown:
/// noise has a delay, too, but not of the response.
const ENOUGH: f64 = 1e-6;
/// How much further than 98 of 100 values the axis reaches for the others.
const STRAY: f64 = 1.5;

pub(super) fn draw(
    area: &Area<'_>,
    look: &Look,
    traces: &[Trace<'_>],
    smoothing: Smoothing,
) -> Drawn {
    let title = format!("Group delay after the onset, smoothed by {smoothing}");
    let area = frame::heading(area, look, &title, &[])?;
    let (width, height) = frame::room(&area, look, MARGINS);
    let octaves = smoothing.octaves();
    let delays: Vec<Vec<_>> = traces
        .iter()
        .map(|one| {
            let power = |hz: f64| one.spectrum().smoothed(hz, octaves);
            let columns = columns(width, look);
            let (from, to) = one.band();
            let most = log_spaced(from, to, columns).into_iter().map(power);
            let least = ENOUGH * most.fold(0.0, f64::max);
            let onset = one.rate.seconds(one.onset());
            points(one, columns, |hz| match power(hz) > least {
                true => one
                    .spectrum()
                    .group_delay(hz, octaves)
                    .map_or(f64::NAN, |t| t - onset),
                false => f64::NAN,
            })
        })
        .collect();
    let (from, to) = trace::widest_band(traces);
    let x = Axis::frequency(from, to, width / 2.6);
    let mut all: Vec<f64> = delays.iter().flatten().map(|&(_, delay)| delay).collect();
    all.retain(|delay| delay.is_finite());
    all.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let last = all.len().saturating_sub(1) as f64;
        all.get((share * last).round() as usize)
            .copied()
            .unwrap_or(0.0)
    };
    // A few stray values at the edges of the spectrum do not stretch the axis.
    let usual = (at(0.01).min(0.0), at(0.99).max(0.0));
    let most = STRAY * (usual.1 - usual.0);
    let (low, high) = (at(0.0).clamp(-most, 0.0), at(1.0).clamp(0.0, most));
    let frame_long = traces
        .iter()
        .map(|one| one.rate.seconds(1))
        .fold(0.0, f64::max);
    let spare = (0.05 * (high - low)).max(2.0 * frame_long);
    let low = if low < 0.0 {
        low - spare
    } else {
        -0.25 * spare
    };
    let y = Axis::time(low, high + spare, (height / 2.0).min(8.0), DELAY);
    let mut chart = frame::chart(&area, look, MARGINS, &x, &y)?;
    for (one, points) in traces.iter().zip(delays) {
        let style = look.line(look.trace(one.colour), 1.6);
        frame::curve(&mut chart, style, points)?;
    }
    if all.is_empty() {
        frame::vacant(&chart, look, "silence")?;
    }
    Ok(())
}

/// A curve over the frequencies that are shown of a trace, one point per column.
pub(super) fn points(
    one: &Trace<'_>,
    columns: usize,
    value: impl Fn(f64) -> f64,
) -> Vec<(f64, f64)> {
    let (from, to) = one.band();
    let hz = log_spaced(from, to, columns).into_iter();
    hz.map(|hz| (hz.log10(), value(hz))).collect()
}
