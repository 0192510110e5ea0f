//! `--measure-latency`: what a loop through cable or air says, beside what is stated.

use serde_json::{Value, json};

use super::{json as lines, words};
use crate::cli::{Failure, print, tell};
use crate::run::live::Measured;

/// Middle, least and largest.
fn spread(frames: &[f64]) -> Option<(f64, f64, f64)> {
    let mut sorted = frames.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (least, most) = (*sorted.first()?, *sorted.last()?);
    let half = sorted.len() / 2;
    let median = match sorted.len() % 2 {
        0 => 0.5 * (sorted[half - 1] + sorted[half]),
        _ => sorted[half],
    };
    Some((median, least, most))
}

/// Prints what was measured.
pub(super) fn report(measured: &Measured, json: bool, quiet: bool) -> Result<(), Failure> {
    let Some((median, least, most)) = spread(&measured.frames) else {
        return Err(Failure::because(
            "no burst came back; connect the output to the input, or put the microphone before the loudspeaker and raise the level",
        ));
    };
    if json {
        return print(|out| writeln!(out, "{}", to_json(measured, median, least, most)));
    }
    if !quiet {
        let (input, output) = (&measured.input, &measured.output);
        tell(words::clean(&format!(
            "from {} to {}, {}",
            output.device, input.device, measured.rate
        )));
    }
    let rate = f64::from(measured.rate.hz());
    let both = |frames: f64| format!("{frames:9.2} frames {:9.3} ms", 1e3 * frames / rate);
    let stated = measured.stated.total();
    print(|out| {
        for (k, &frames) in measured.frames.iter().enumerate() {
            writeln!(out, "burst {:<3} {}", k + 1, both(frames))?;
        }
        writeln!(out, "median    {}", both(median))?;
        writeln!(out, "spread    {}", both(most - least))?;
        let parts = words::parts(&measured.stated);
        writeln!(out, "stated    {}: {parts}", both(stated))?;
        writeln!(
            out,
            "beyond    {}: converters, cables, air, the host's own buffers",
            both(median - stated)
        )
    })
}

fn to_json(measured: &Measured, median: f64, least: f64, most: f64) -> Value {
    let rate = f64::from(measured.rate.hz());
    json!({
        "type": "latency",
        "rate": measured.rate.hz(),
        "input": measured.input.device,
        "output": measured.output.device,
        "frames": measured.frames,
        "median": median,
        "median_ms": 1e3 * median / rate,
        "spread": most - least,
        "spread_ms": 1e3 * (most - least) / rate,
        "stated": lines::latency(&measured.stated, rate),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_lies_in_the_middle() {
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[5.0]), Some((5.0, 5.0, 5.0)));
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Some((2.0, 1.0, 3.0)));
        assert_eq!(spread(&[4.0, 1.0, 2.0, 9.0]), Some((3.0, 1.0, 9.0)));
    }
}
