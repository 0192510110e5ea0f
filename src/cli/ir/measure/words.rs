//! A measurement in words: what it assumes, what it hears, what came of it.

use crate::cli::{clean, decibels};
use crate::io::port::{Clocks, Port};
use crate::ir::measure::thd;
use crate::run::measure::{Heard, Measured, Progress, Session, Setup, Stage, Turn, Zero};

/// A recording that stands out from the silence by less is told of, in dB.
const LEAST_SNR: f64 = 20.0;

/// Energy before a response that no room explains, in dB.
const MOST_EARLY: f64 = -30.0;

fn db(factor: f64) -> String {
    decibels(20.0 * factor.log10())
}

/// Channels as people count them: `1,2`.
fn channels(list: &[usize]) -> String {
    let numbers: Vec<_> = list.iter().map(|k| (k + 1).to_string()).collect();
    numbers.join(",")
}

fn port(port: &Port, list: &[usize]) -> String {
    let host = match port.host.as_str() {
        "" => String::new(),
        host => format!("{host} "),
    };
    clean(&format!(
        "{host}{}, {}, channel {}",
        port.device,
        port.rate,
        channels(list)
    ))
}

/// What is measured, through what, and how.
pub(super) fn assumptions(session: &Session, setup: &Setup) -> Vec<String> {
    let (pair, sweep) = (session.pair(), &setup.sweep);
    let clocks = match pair.clocks {
        Clocks::One => "one clock",
        Clocks::Two => "two clocks, whose drift is measured and taken out",
    };
    let repeats = match sweep.repeats {
        1 => String::new(),
        count => format!("{count} x "),
    };
    let rates = match pair.input.rate == pair.output.rate {
        true => String::new(),
        false => format!(
            "; played at {}, the response is at {}",
            pair.output.rate, pair.input.rate
        ),
    };
    let mut lines = vec![
        format!("output   {}", port(&pair.output, &setup.outputs)),
        format!("input    {}", port(&pair.input, session.recorded())),
        format!("clocks   {clocks}{rates}"),
        format!(
            "sweep    {repeats}{} s from {} to {} Hz, peak {}, silence {} s",
            sweep.seconds,
            sweep.from,
            sweep.to,
            db(sweep.level),
            sweep.silence
        ),
        format!("frame 0  {}", zero(setup)),
    ];
    // Two rates are measured as they are.
    let resampled = |notice: &&String| !notice.ends_with("the input is resampled");
    lines.extend(
        pair.notices
            .iter()
            .filter(resampled)
            .map(|text| clean(text)),
    );
    lines
}

fn zero(setup: &Setup) -> String {
    match setup.zero {
        Zero::Onset => "5 ms before the first sound; when it was sent is not known (--loopback or --latency tells)".to_owned(),
        Zero::Sent(0.0) => "when the host says that the sound is sent; the devices' own delay is in it".to_owned(),
        Zero::Sent(frames) => format!("when the sound is sent, the devices taking {frames} frames"),
        Zero::Loopback { channel, divide } => format!(
            "when the sound comes to the loopback, channel {}{}",
            channel + 1,
            if divide { ", whose level and colour are taken away" } else { "" }
        ),
    }
}

/// What the silence and the soft sweep tell.
pub(super) fn heard(heard: &[Heard]) -> Vec<String> {
    let line = |heard: &Heard| {
        let expected = match heard.expected {
            Some(peak) => format!("the sweep will reach {}", db(peak)),
            None if heard.soft == 0.0 => {
                "nothing at all came back; is the microphone on this channel?".to_owned()
            }
            None => {
                "it hardly stands out; see the microphone and the level if the sweep does not either"
                    .to_owned()
            }
        };
        format!(
            "channel {}: silence {} (peak {}), soft sweep {}; {expected}",
            heard.channel + 1,
            db(heard.noise),
            db(heard.noise_peak),
            db(heard.soft)
        )
    };
    heard.iter().map(line).collect()
}

/// What is done just now, and how loud it comes back.
pub(super) fn progress(stage: Stage<'_>, progress: &Progress) -> String {
    let stage = match stage {
        Stage::Silence => "silence".to_owned(),
        Stage::Soft => "soft sweep".to_owned(),
        Stage::Sweep { attempt: 1, .. } => "sweep".to_owned(),
        Stage::Sweep { attempt, .. } => format!("sweep, take {attempt}"),
    };
    let levels = progress.levels.iter();
    let levels: Vec<_> = levels.map(|level| db(f64::from(level.peak))).collect();
    format!(
        "{stage} {:.1} of {:.1} s, input {}",
        progress.seconds,
        progress.of,
        levels.join(", ")
    )
}

/// What came of it.
pub(super) fn summary(setup: &Setup, heard: &[Heard], measured: &Measured) -> Vec<String> {
    let ir = &measured.ir;
    let rate = ir.rate();
    let both = |frames: f64| {
        let milliseconds = 1e3 * frames / f64::from(rate.hz());
        format!("{frames:.1} frames ({milliseconds:.2} ms)")
    };
    let mut lines = vec![format!(
        "response   {rate}, {} ch, {:.3} s",
        ir.channel_count(),
        rate.seconds(ir.frames())
    )];
    lines.push(format!("frame 0    {}", zero(setup)));
    lines.push(format!(
        "arrival    {} after the host says that the sound is sent",
        both(measured.arrival)
    ));
    if let Some(loops) = measured.loopback {
        lines.push(format!(
            "loopback   {} of them are the devices' own: without the cable, --latency {loops:.1}",
            both(loops)
        ));
    }
    for (heard, &peak) in heard.iter().zip(&measured.peaks) {
        lines.push(format!(
            "channel {:<2} peak {}, silence {}",
            heard.channel + 1,
            db(peak),
            db(heard.noise)
        ));
    }
    for told in &measured.turns {
        lines.push(turn(told));
        if told.early_db > MOST_EARLY {
            lines.push(format!(
                "           doubtful: {} of the energy comes 50 ms and more before the largest tap, as if frames were shuffled on the way; measure again, and compare",
                decibels(told.early_db)
            ));
        }
    }
    if !measured.disturbed.is_empty() {
        lines.push(format!(
            "disturbed  {} take(s) before this one",
            measured.disturbed.len()
        ));
    }
    lines
}

/// What one output's recording told.
fn turn(turn: &Turn) -> String {
    let told = &turn.told;
    let mut line = format!("output {:<3} ", turn.output + 1);
    line += &match told.snr_db {
        Some(snr) if snr < LEAST_SNR => format!(
            "only {} above the noise: raise the level, lengthen the sweep, or repeat it",
            decibels(snr)
        ),
        Some(f64::INFINITY) => "no noise at all".to_owned(),
        Some(snr) => format!("{} above the noise", decibels(snr)),
        None => "noise unknown, there is too little silence".to_owned(),
    };
    if let Some(noise) = told.noise_db.filter(|noise| noise.is_finite()) {
        line += &format!(", the response's peak {}", decibels(-noise));
    }
    if let Some(share) = thd(&told.harmonics) {
        // Never `-0.00`.
        line += &format!(", THD {:.3} %", (100.0 * share).abs());
    }
    if told.drift.ppm != 0.0 {
        line += &format!(", drift {:+.1} ppm taken out", told.drift.ppm);
    }
    let unused = told.repeats.iter().filter(|repeat| !repeat.used).count();
    if unused > 0 {
        let all = told.repeats.len();
        line += &format!(", {unused} of {all} sweeps were disturbed and left out");
    }
    line
}
