//! What may have happened where a recording is not one of the signal.

use super::excitation::{Excitation, Kind};
use super::recognise::{Chirp, chirp};

/// How much a sweep's growth may differ before its trace shows that it is another sweep, as a
/// factor: more than a room leads the trace astray, and more than that where a part is missing.
pub(super) const OTHER: f64 = 1.04;
pub(super) const OTHER_OF_A_PART: f64 = 1.1;
/// Least length of a sweep that counts as one, as a share of the signal's: a room has many a trace.
const LEAST: f64 = 0.25;
/// Rates that signals are made and played at, in Hz.
const RATES: [f64; 9] = [
    16_000.0, 22_050.0, 32_000.0, 44_100.0, 48_000.0, 88_200.0, 96_000.0, 176_400.0, 192_000.0,
];
/// Peak below which a recording is called quiet: -60 dB.
const QUIET: f32 = 1e-3;

/// What the recording holds, if it is clearly another sweep.
pub(super) fn other_sweep(
    recorded: &[f32],
    excitation: &Excitation,
    factor: f64,
) -> Option<String> {
    let Kind::Sweep { growth, .. } = excitation.kind else {
        return None;
    };
    let wide: Vec<f64> = recorded.iter().map(|&x| f64::from(x)).collect();
    let heard = chirp(&wide, excitation.rate)?;
    let ratio = heard.growth / growth;
    let whole = heard.seconds > LEAST * excitation.rate.seconds(excitation.one.len());
    let other = whole && !(heard.exponential && (factor.recip()..factor).contains(&ratio));
    other.then(|| describe(&heard, excitation))
}

/// What may have happened where nothing was found.
pub(super) fn not_found(recorded: &[f32], excitation: &Excitation) -> String {
    let wide: Vec<f64> = recorded.iter().map(|&x| f64::from(x)).collect();
    let peak = recorded.iter().fold(0.0f32, |peak, x| peak.max(x.abs()));
    if let Some(heard) = chirp(&wide, excitation.rate) {
        describe(&heard, excitation)
    } else if peak < QUIET {
        let db = 20.0 * peak.log10();
        format!("its peak is {db:.0} dB, so check the microphone, its input and its gain")
    } else {
        "it holds no sweep at all; check which file or channel was recorded".to_owned()
    }
}

fn describe(heard: &Chirp, excitation: &Excitation) -> String {
    let kind = if heard.exponential {
        "an exponential"
    } else {
        "a linear"
    };
    let found = format!(
        "it holds {kind} sweep of about {:.0} Hz to {:.0} Hz in {:.2} s",
        heard.from, heard.to, heard.seconds,
    );
    let Kind::Sweep { from, to, growth } = excitation.kind else {
        return format!("{found}; give the signal that was played");
    };
    // Played at another rate, all is longer and lower by the same factor.
    let slower = heard.growth / growth;
    let near = |a: f64, b: f64| (a / b).ln().abs() < 0.03;
    let rate = f64::from(excitation.rate.hz());
    let at_rate = RATES.into_iter().find(|other| {
        heard.exponential
            && !near(*other, rate)
            && near(rate / other, slower)
            && near(heard.to * slower, to)
    });
    match at_rate {
        Some(other) => format!(
            "{found}, which may be the measuring signal played at {other:.0} Hz instead of {rate:.0} Hz"
        ),
        None => format!(
            "{found}, the measuring signal goes from {from:.0} Hz to {to:.0} Hz in {:.2} s; give the one that was played",
            excitation.rate.seconds(excitation.one.len()),
        ),
    }
}
