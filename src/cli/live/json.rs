//! A session for programs: one JSON object a line.

use std::net::SocketAddr;

use serde_json::{Map, Value, json};

use crate::io::port::{Clocks, Port};
use crate::run::live::{Event, Heard, Level, Path, Recording, State, Status, What};

/// A number for people who read along: no more than four digits behind the point.
fn number(value: f64) -> Value {
    match (value * 1e4).round() / 1e4 {
        rounded if rounded.is_finite() => json!(if rounded == 0.0 { 0.0 } else { rounded }),
        _ => Value::Null,
    }
}

/// A magnitude in dB; null for silence.
fn db(magnitude: f64) -> Value {
    number(20.0 * magnitude.abs().log10())
}

fn port(port: &Port, channels: &[usize]) -> Value {
    json!({
        "host": port.host,
        "device": port.device,
        "rate": port.rate.hz(),
        "channels": port.channels,
        "period": port.period,
        "format": port.format.to_string(),
        "used": channels.iter().map(|k| k + 1).collect::<Vec<_>>(),
    })
}

pub(super) fn latency(path: &Path, rate: f64) -> Value {
    json!({
        "input": number(path.input),
        "buffer": number(path.ring),
        "resampler": number(path.resampler),
        "engine": number(path.engine),
        "output": number(path.output),
        "frames": number(path.total()),
        "ms": number(1e3 * path.total() / rate),
    })
}

fn response(ir: &Heard) -> Value {
    json!({
        "number": ir.index + 1,
        "name": ir.name,
        "channels": ir.channels,
        "frames": ir.frames,
        "resampled_from": ir.resampled_from.map(|rate| rate.hz()),
        "pending": ir.pending,
    })
}

fn recording(recording: &Recording) -> Value {
    json!({
        "path": recording.path.to_string_lossy(),
        "frames": recording.frames,
        "lost": recording.lost,
    })
}

fn clocks(clocks: Clocks) -> &'static str {
    match clocks {
        Clocks::One => "one",
        Clocks::Two => "two",
    }
}

fn rate(status: &Status) -> f64 {
    status.output.rate.hz().into()
}

fn time(status: &Status) -> Value {
    number(status.time.as_secs_f64())
}

/// The first line: what is assumed.
pub(super) fn start(status: &Status, osc: Option<SocketAddr>) -> Value {
    json!({
        "type": "start",
        "time": time(status),
        "version": env!("CARGO_PKG_VERSION"),
        "input": port(&status.input, &status.inputs),
        "output": port(&status.output, &status.outputs),
        "routing": status.routing,
        "clocks": clocks(status.clocks),
        "latency": latency(&status.latency, rate(status)),
        "mix": number(status.mix),
        "gain_db": db(status.gain),
        "inverted": status.gain < 0.0,
        "guard": status.guard_db.is_some(),
        "irs": status.irs,
        "ir": response(&status.ir),
        "osc": osc.map(|address| address.to_string()),
    })
}

fn levels(levels: &[Level]) -> Value {
    let level = |level: &Level| {
        json!({
            "peak_db": db(level.peak.into()),
            "rms_db": db(level.rms.into()),
        })
    };
    levels.iter().map(level).collect()
}

/// What is counted, by name.
fn counts(status: &Status) -> Value {
    let counts = &status.counts;
    json!({
        "dropouts": counts.dropouts(),
        "lost_frames": counts.lost_frames(),
        "input_xruns": counts.input_xruns,
        "output_xruns": counts.output_xruns,
        "starved": counts.starved,
        "starved_frames": counts.starved_frames,
        "overflowed_frames": counts.overflowed_frames,
        "skipped_frames": counts.skipped_frames,
        "nonfinite": counts.nonfinite,
        "clipped": counts.clipped,
        "caught": counts.caught,
        "reconnects": counts.reconnects,
    })
}

/// The line of each second.
pub(super) fn status(status: &Status, osc_ignored: Option<u64>) -> Value {
    json!({
        "type": "status",
        "time": time(status),
        "state": status.state.to_string(),
        "attempts": match status.state {
            State::Lost { attempts } => Some(attempts),
            _ => None,
        },
        "inputs": levels(&status.input_levels),
        "outputs": levels(&status.output_levels),
        "load": {
            "mean": number(status.load.mean.into()),
            "worst": number(status.load.worst.into()),
            "worst_ever": number(status.load.worst_ever.into()),
        },
        "counts": counts(status),
        "last_dropout": status.last_dropout.map(|at| number(at.as_secs_f64())),
        "fill": number(status.fill),
        "target": number(status.target),
        "drift_ppm": status.drift_ppm.map(number),
        "latency": latency(&status.latency, rate(status)),
        "ir": response(&status.ir),
        "mix": number(status.mix),
        "gain_db": db(status.gain),
        "bypass": status.bypass.to_string(),
        "guard_db": status.guard_db.map(number),
        "recording": status.recording.as_ref().map(recording),
        "osc_ignored": osc_ignored,
    })
}

/// The line of an event.
pub(super) fn event(event: &Event) -> Value {
    let mut line = Map::new();
    line.insert("type".into(), "event".into());
    line.insert("time".into(), number(event.at.as_secs_f64()));
    line.insert("event".into(), event.what.name().into());
    line.insert("text".into(), event.what.to_string().into());
    let (name, value) = match &event.what {
        What::Xrun { side, times } => {
            line.insert("side".into(), side.to_string().into());
            ("times", json!(times))
        }
        What::Starved { frames } | What::Overflowed { frames } | What::Skipped { frames } => {
            ("frames", json!(frames))
        }
        What::NonFinite { samples } => ("samples", json!(samples)),
        What::Lost { why } | What::ResponseFailed { why } | What::RecordingFailed { why } => {
            ("why", json!(why))
        }
        What::Retry { why, after } => {
            line.insert("why".into(), why.clone().into());
            ("after", number(after.as_secs_f64()))
        }
        What::Resumed { after } => ("after", number(after.as_secs_f64())),
        What::Response(ir) => ("ir", response(ir)),
        What::RecordingStarted { path } => ("path", json!(path.to_string_lossy())),
        What::Recorded(take) => ("recording", recording(take)),
        _ => return Value::Object(line),
    };
    line.insert(name.into(), value);
    Value::Object(line)
}

/// The last line.
pub(super) fn summary(status: &Status, recorded: &[Recording], failed: &[String]) -> Value {
    json!({
        "type": "summary",
        "time": time(status),
        "counts": counts(status),
        "last_dropout": status.last_dropout.map(|at| number(at.as_secs_f64())),
        "worst_load": number(status.load.worst_ever.into()),
        "recordings": recorded.iter().map(recording).collect::<Vec<_>>(),
        "recordings_failed": failed,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::status as some;
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_status_names_every_number() {
        let line = status(&some(), Some(7));
        assert_eq!(line["type"], "status");
        assert_eq!(line["state"], "running");
        assert_eq!(line["counts"]["dropouts"], 3);
        assert_eq!(line["latency"]["frames"], 1088.0);
        assert_eq!(line["inputs"][0]["peak_db"], -6.0206);
        assert_eq!(line["outputs"][0]["peak_db"], Value::Null);
        assert_eq!(line["gain_db"], 0.0);
        assert_eq!(line["ir"]["number"], 1);
        assert_eq!(line["osc_ignored"], 7);
        assert!(!line.to_string().contains('\n'));
    }

    #[test]
    fn an_event_has_its_name_its_words_and_its_values() {
        let of = |what| {
            event(&Event {
                at: Duration::from_millis(1500),
                what,
            })
        };
        let line = of(What::Starved { frames: 64 });
        let want = json!({
            "type": "event",
            "time": 1.5,
            "event": "starved",
            "text": "input came too late: 64 frame(s) of silence played",
            "frames": 64,
        });
        assert_eq!(line, want);
        let line = of(What::Response(some().ir));
        assert_eq!(line["ir"]["name"], "hall.wav");
        assert_eq!(of(What::Started)["event"], "started");
    }
}
