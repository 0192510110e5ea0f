//! A session in words: what it assumes, how it stands in one line, how it went.

use std::time::Duration;

use super::meter;
pub(super) use crate::cli::clean;
use crate::cli::gain;
use crate::dsp::control::Bypass;
use crate::io::port::{Clocks, Port};
use crate::run::live::{Heard, Level, Path, State, Status, What};

/// `00:07`, `1:02:03`.
pub(super) fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    match hours {
        0 => format!("{minutes:02}:{:02}", seconds % 60),
        _ => format!("{hours}:{minutes:02}:{:02}", seconds % 60),
    }
}

pub(super) fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

pub(super) fn state(state: State) -> String {
    match state {
        State::Lost { attempts } => format!("lost, attempt {attempts}"),
        other => other.to_string(),
    }
}

/// Channels as people count them: `1,2`.
pub(super) fn channels(list: &[usize]) -> String {
    let numbers: Vec<_> = list.iter().map(|k| (k + 1).to_string()).collect();
    numbers.join(",")
}

fn milliseconds(frames: f64, rate: f64) -> String {
    format!("{:.1} ms", 1e3 * frames / rate)
}

/// The sum and what it is made of.
pub(super) fn latency(path: &Path, rate: f64) -> String {
    let total = path.total();
    format!(
        "{total:.0} frames ({}): {}",
        milliseconds(total, rate),
        parts(path),
    )
}

/// What the latency is made of.
pub(super) fn parts(path: &Path) -> String {
    format!(
        "input {:.0}, buffer {:.0}, resampler {:.0}, engine {:.0}, output {:.0}",
        path.input, path.ring, path.resampler, path.engine, path.output,
    )
}

/// The name of a response and what it is.
pub(super) fn response(ir: &Heard, status: &Status) -> String {
    let seconds = status.output.rate.seconds(ir.frames);
    let resampled = match ir.resampled_from {
        Some(from) => format!(", resampled from {from}"),
        None => String::new(),
    };
    let pending = if ir.pending { ", pending" } else { "" };
    let name = &ir.name;
    clean(&format!(
        "{name}: {} ch, {seconds:.3} s{resampled}{pending}",
        ir.channels
    ))
}

fn port(port: &Port) -> String {
    let host = match port.host.as_str() {
        "" => String::new(),
        host => format!("{host}: "),
    };
    let period = match port.period {
        Some(frames) => format!("period {frames}"),
        None => String::from("period left to the device"),
    };
    clean(&format!(
        "{host}{}, {}, {} ch, {}, {period}",
        port.device, port.rate, port.channels, port.format,
    ))
}

/// What a session assumes, a matter a line.
pub(super) fn assumptions(status: &Status) -> Vec<String> {
    let rate = f64::from(status.output.rate.hz());
    let clocks = match status.clocks {
        Clocks::One => "one clock, nothing is resampled on the way",
        Clocks::Two => "two clocks, the input is resampled to follow the output",
    };
    let guard = match status.guard_db {
        Some(_) => "guard on",
        None => "guard off",
    };
    vec![
        format!(
            "input    {}; hears channel {}",
            port(&status.input),
            channels(&status.inputs)
        ),
        format!(
            "output   {}; plays on channel {}",
            port(&status.output),
            channels(&status.outputs)
        ),
        format!("routing  {}; {clocks}", status.routing),
        format!("latency  {}", latency(&status.latency, rate)),
        format!(
            "level    mix {}, gain {}, {guard}",
            percent(status.mix),
            gain(status.gain)
        ),
        format!(
            "response {} of {}, {}",
            status.ir.index + 1,
            status.irs.len(),
            response(&status.ir, status)
        ),
    ]
}

/// The highest of several levels.
fn loudest(levels: &[Level]) -> String {
    let peak = levels
        .iter()
        .fold(0.0f32, |peak, level| peak.max(level.peak));
    match meter::db(peak) {
        db if db <= -100.0 => String::from("silent"),
        db => format!("{db:.1} dB"),
    }
}

/// How a session stands, in one line.
pub(super) fn line(status: &Status) -> String {
    let mut words = vec![
        format!("{} {}", clock(status.time), state(status.state)),
        format!(
            "in {}, out {}",
            loudest(&status.input_levels),
            loudest(&status.output_levels)
        ),
        format!(
            "load {}, worst {}",
            percent(status.load.mean.into()),
            percent(status.load.worst.into())
        ),
        format!("dropouts {}", status.counts.dropouts()),
        format!("fill {:.0} of {:.0}", status.fill, status.target),
    ];
    if let Some(ppm) = status.drift_ppm {
        words.push(format!("drift {ppm:+.1} ppm"));
    }
    words.push(format!(
        "ir {} {}{}",
        status.ir.index + 1,
        clean(&status.ir.name),
        if status.ir.pending { " (pending)" } else { "" },
    ));
    words.push(format!("mix {}", percent(status.mix)));
    words.push(format!("gain {}", gain(status.gain)));
    if status.bypass != Bypass::Off {
        words.push(format!("bypass {}", status.bypass));
    }
    if let Some(db) = status.guard_db.filter(|db| *db < -0.05) {
        words.push(format!("guard {db:.1} dB"));
    }
    if let Some(recording) = &status.recording {
        let seconds = recording.frames as f64 / f64::from(status.output.rate.hz());
        words.push(format!("recording {seconds:.0} s"));
    }
    words.join(" | ")
}

/// What would be an error if anything stopped for it.
pub(super) fn is_grave(what: &What) -> bool {
    matches!(
        what,
        What::Lost { .. } | What::ResponseFailed { .. } | What::RecordingFailed { .. }
    )
}

/// How a session went.
pub(super) fn summary(status: &Status) -> String {
    let counts = &status.counts;
    let mut words = vec![
        format!("{} played", clock(status.time)),
        format!(
            "{} dropout(s), {} frame(s) lost",
            counts.dropouts(),
            counts.lost_frames()
        ),
        format!("worst load {}", percent(status.load.worst_ever.into())),
    ];
    for (count, what) in [
        (counts.nonfinite, "input sample(s) that were no numbers"),
        (counts.clipped, "sample(s) beyond full scale"),
        (counts.caught, "time(s) caught by the guard"),
        (counts.reconnects, "time(s) connected again"),
    ] {
        if count > 0 {
            words.push(format!("{count} {what}"));
        }
    }
    words.join("; ")
}

#[cfg(test)]
mod tests {
    use super::super::tests::status;
    use super::*;

    #[test]
    fn a_line_tells_how_things_stand() {
        assert_eq!(
            line(&status()),
            "01:15 running | in -6.0 dB, out silent | load 5 %, worst 11 % | dropouts 3 | \
             fill 510 of 512 | drift +1.2 ppm | ir 1 hall.wav | mix 100 % | gain 0.0 dB | \
             guard -0.4 dB"
        );
    }

    #[test]
    fn the_beginning_tells_what_is_assumed() {
        let text = assumptions(&status()).join("\n");
        for want in [
            "jack: system, 48000 Hz, 2 ch, f32, period 256; hears channel 1,2",
            "plays on channel 1,2",
            "each channel its own; two clocks",
            "1088 frames (22.7 ms): input 256, buffer 512, resampler 64, engine 0, output 256",
            "mix 100 %, gain 0.0 dB, guard on",
            "1 of 2, hall.wav: 2 ch, 2.000 s, resampled from 44100 Hz",
        ] {
            assert!(text.contains(want), "{want} in\n{text}");
        }
    }

    #[test]
    fn the_end_tells_what_went_wrong() {
        assert_eq!(
            summary(&status()),
            "01:15 played; 3 dropout(s), 640 frame(s) lost; worst load 20 %; \
             4 input sample(s) that were no numbers; 1 time(s) connected again"
        );
    }

    #[test]
    fn a_name_cannot_speak_to_the_terminal() {
        let mut status = status();
        status.ir.name = "hall\x1b[2J\n.wav".into();
        status.input.device = "\x07bell".into();
        let text = line(&status) + &assumptions(&status).concat();
        assert!(!text.contains(char::is_control), "{text:?}");
    }

    #[test]
    fn hours_are_written_when_there_are_some() {
        assert_eq!(clock(Duration::from_secs(59)), "00:59");
        assert_eq!(clock(Duration::from_secs(3723)), "1:02:03");
    }
}
