//! A measurement for a program that reads it.

use serde_json::{Value, json};

use crate::io::port::{Clocks, Port};
use crate::ir::measure::thd;
use crate::run::measure::{Heard, Measured, Session, Setup, Turn, Zero};

/// What a report is made from.
pub(super) struct Report<'a> {
    pub session: &'a Session,
    pub setup: &'a Setup,
    pub heard: &'a [Heard],
    /// None where only the levels were asked for.
    pub measured: Option<&'a Measured>,
}

/// What is not finite, such as the level of digital silence, becomes null.
fn db(factor: f64) -> f64 {
    20.0 * factor.log10()
}

impl Report<'_> {
    pub fn json(&self) -> Value {
        let (pair, sweep) = (self.session.pair(), &self.setup.sweep);
        let [input, output] = self.session.periods();
        let mut report = json!({
            "type": "measurement",
            "version": env!("CARGO_PKG_VERSION"),
            "input": port(&pair.input, self.session.recorded(), input),
            "output": port(&pair.output, &self.setup.outputs, output),
            "clocks": match pair.clocks { Clocks::One => "one", Clocks::Two => "two" },
            "sweep": {
                "seconds": sweep.seconds,
                "from": sweep.from,
                "to": sweep.to,
                "level_db": db(sweep.level),
                "repeats": sweep.repeats,
                "silence": sweep.silence,
                "fade_in": sweep.fade_in,
                "fade_out": sweep.fade_out,
            },
            "channels": self.channels(),
        });
        if let Some(measured) = self.measured {
            report["zero"] = zero(self.setup.zero);
            report["arrival"] = json!(measured.arrival);
            report["loopback"] = json!(measured.loopback);
            report["disturbed"] = measured.disturbed.iter().map(ToString::to_string).collect();
            report["turns"] = measured.turns.iter().map(turn).collect();
            report["response"] = json!({
                "rate": measured.ir.rate().hz(),
                "frames": measured.ir.frames(),
                "channels": self.ways(measured),
            });
        }
        report
    }

    fn channels(&self) -> Vec<Value> {
        let peak = |k: usize| self.measured.map(|measured| db(measured.peaks[k]));
        let heard = self.heard.iter().enumerate();
        heard
            .map(|(k, heard)| {
                json!({
                    "channel": heard.channel + 1,
                    "noise_db": db(heard.noise),
                    "noise_peak_db": db(heard.noise_peak),
                    "soft_db": db(heard.soft),
                    "expected_db": heard.expected.map(db),
                    "peak_db": peak(k),
                })
            })
            .collect()
    }

    /// Which way each channel of the response is.
    fn ways(&self, measured: &Measured) -> Vec<Value> {
        let outputs = &self.setup.outputs;
        let inputs = measured.ir.channel_count() / outputs.len();
        let inputs = &self.session.recorded()[..inputs];
        let way =
            |output: &usize, input: &usize| json!({ "output": output + 1, "input": input + 1 });
        let of = |output| inputs.iter().map(move |input| way(output, input));
        outputs.iter().flat_map(of).collect()
    }
}

fn port(port: &Port, channels: &[usize], period: f64) -> Value {
    let channels: Vec<_> = channels.iter().map(|channel| channel + 1).collect();
    json!({
        "host": port.host,
        "device": port.device,
        "rate": port.rate.hz(),
        "channels": channels,
        "period": period,
    })
}

fn zero(zero: Zero) -> Value {
    match zero {
        Zero::Onset => json!({ "at": "onset" }),
        Zero::Sent(latency) => json!({ "at": "sent", "latency": latency }),
        Zero::Loopback { channel, divide } => {
            json!({ "at": "loopback", "channel": channel + 1, "divide": divide })
        }
    }
}

fn turn(turn: &Turn) -> Value {
    let told = &turn.told;
    let octaves: Vec<_> = told
        .octaves
        .iter()
        .map(|o| json!({ "hz": o.hz, "snr_db": o.snr_db }))
        .collect();
    let harmonics = told.harmonics.iter().map(|harmonic| {
        json!({
            "order": harmonic.order,
            "db": harmonic.db,
            "floor_db": harmonic.floor_db,
        })
    });
    let harmonics: Vec<_> = harmonics.collect();
    let repeats = told.repeats.iter().map(|repeat| {
        json!({
            "frame": repeat.frame,
            "noise_db": repeat.noise_db,
            "used": repeat.used,
        })
    });
    let repeats: Vec<_> = repeats.collect();
    json!({
        "output": turn.output + 1,
        "frame": turn.frame,
        "snr_db": told.snr_db,
        "octaves": octaves,
        "noise_db": told.noise_db,
        "early_db": turn.early_db,
        "thd": thd(&told.harmonics),
        "harmonics": harmonics,
        "drift_ppm": told.drift.ppm,
        "drift_floor_ppm": told.drift.floor_ppm,
        "drift_error_ppm": told.drift.error_ppm,
        "repeats": repeats,
    })
}
