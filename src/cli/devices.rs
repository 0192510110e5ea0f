//! `faltung devices`: what sound can come from and go to, by host.

use std::io::{self, Write};

use serde_json::json;

use super::hush::Hush;
use super::{Failure, print};
use crate::io::device::{DeviceInfo, HostInfo, Side, hosts};

/// List audio hosts and devices for `faltung live`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Only this host
    #[arg(long)]
    host: Option<String>,

    /// Report as one JSON object on the standard output
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
A host is a way to reach devices: a sound server or the system itself. `*` marks what `faltung live`
takes where nothing is asked for. A device is named by its number, or by any part of its name that
no other has.

Examples:
  faltung devices
  faltung devices --host jack --json
  faltung live hall.wav --host alsa --input usb --output 3";

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let hushed = Hush::new();
    let mut hosts = hosts();
    drop(hushed);
    if let Some(wanted) = &args.host {
        let known: Vec<String> = hosts.iter().map(|host| host.name.clone()).collect();
        hosts.retain(|host| host.name.eq_ignore_ascii_case(wanted));
        if hosts.is_empty() {
            return Err(Failure::because(format!(
                "there is no host `{wanted}` here; choose one of {}",
                known.join(", ")
            )));
        }
    }
    if args.json {
        let hosts: Vec<_> = hosts.iter().map(to_json).collect();
        return print(|out| writeln!(out, "{}", json!({ "hosts": hosts })));
    }
    print(|out| hosts.iter().try_for_each(|host| list(host, out)))
}

fn list(host: &HostInfo, out: &mut dyn Write) -> io::Result<()> {
    let mark = if host.default { " *" } else { "" };
    match &host.error {
        Some(why) => writeln!(out, "{}{mark}: cannot be reached, {why}", host.name)?,
        None if host.devices.is_empty() => writeln!(out, "{}{mark}: no devices", host.name)?,
        None => writeln!(out, "{}{mark}", host.name)?,
    }
    let closed = |device: &&DeviceInfo| device.input.is_none() && device.output.is_none();
    for device in host.devices.iter().filter(|device| !closed(device)) {
        writeln!(out, "{:>4}  {}", device.number, device.name)?;
        if !device.id.is_empty() && device.id != device.name {
            writeln!(out, "      id      {}", device.id)?;
        }
        for (title, side) in [("input", &device.input), ("output", &device.output)] {
            if let Some(side) = side {
                writeln!(out, "      {title:<6}{}", in_words(side))?;
            }
        }
    }
    match host.devices.iter().filter(closed).count() {
        0 => Ok(()),
        count => writeln!(
            out,
            "      {count} more cannot be opened now; --json names them"
        ),
    }
}

fn in_words(side: &Side) -> String {
    let mark = if side.default { " *" } else { "  " };
    let rate = |&(low, high): &(u32, u32)| match low == high {
        true => format!("{low}"),
        false => format!("{low} to {high}"),
    };
    let mut words = Vec::new();
    if let Some((channels, rate)) = side.suggested {
        words.push(format!("{channels} ch at {rate}"));
    }
    words.push(format!("up to {} ch", side.channels));
    let rates: Vec<_> = side.rates.iter().map(rate).collect();
    words.push(format!("{} Hz", rates.join(", ")));
    if let Some((least, most)) = side.periods {
        words.push(match least == most {
            true => format!("period {least}"),
            false => format!("period {least} to {most}"),
        });
    }
    let formats: Vec<_> = side.formats.iter().map(ToString::to_string).collect();
    words.push(match formats.is_empty() {
        true => "no format that is spoken here".to_owned(),
        false => formats.join(", "),
    });
    format!("{mark}{}", words.join("; "))
}

fn to_json(host: &HostInfo) -> serde_json::Value {
    let devices: Vec<_> = host.devices.iter().map(device_to_json).collect();
    json!({
        "name": host.name,
        "default": host.default,
        "error": host.error,
        "devices": devices,
    })
}

fn device_to_json(device: &DeviceInfo) -> serde_json::Value {
    let side = |side: &Option<Side>| {
        side.as_ref().map(|side| {
            let formats: Vec<_> = side.formats.iter().map(ToString::to_string).collect();
            json!({
                "default": side.default,
                "suggested": side.suggested.map(|(channels, rate)| {
                    json!({ "channels": channels, "rate": rate.hz() })
                }),
                "channels": side.channels,
                "rates": side.rates,
                "periods": side.periods,
                "formats": formats,
            })
        })
    };
    json!({
        "number": device.number,
        "name": device.name,
        "id": device.id,
        "input": side(&device.input),
        "output": side(&device.output),
    })
}
