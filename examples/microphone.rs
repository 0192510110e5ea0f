//! A microphone in another room: `cargo run --release --example microphone -- hall.wav [seconds]`.
//!
//! Uses the default devices, prints what it assumes, and changes the room while it plays. Put
//! headphones on, or mind the guard's word.

use std::thread::sleep;
use std::time::{Duration, Instant};

use faltung::io::Origin;
use faltung::io::device::{Choice, DevicePorts};
use faltung::run::live::{Live, Setup};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let room = args.next().unwrap_or_else(|| "synth:hall".to_owned());
    let seconds: f64 = args.next().map_or(Ok(20.0), |text| text.parse())?;

    let setup = Setup {
        irs: vec![room.parse()?, "synth:plate".parse::<Origin>()?],
        ..Setup::default()
    };
    let ports = DevicePorts::new(Choice {
        host: std::env::var("FALTUNG_HOST").ok(),
        ..Choice::default()
    });
    let live = Live::start(setup, Box::new(ports))?;

    let status = live.status();
    println!("{} -> {}", status.input.device, status.output.device);
    println!("{}; {}", status.output.rate, status.routing);

    let begun = Instant::now();
    let mut changed = false;
    while begun.elapsed().as_secs_f64() < seconds {
        sleep(Duration::from_millis(500));
        for event in live.events() {
            println!("{event}");
        }
        let status = live.status();
        let frames = status.latency.total();
        println!(
            "{}: latency {frames:.0} frames, load {:.1} %, {} dropouts",
            status.state,
            100.0 * status.load.worst,
            status.counts.dropouts()
        );
        if !changed && begun.elapsed().as_secs_f64() > seconds / 2.0 {
            live.select(1); // answers to what was said before, too
            changed = true;
        }
    }
    println!("{:?}", live.stop().0.counts);
    Ok(())
}
