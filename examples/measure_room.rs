//! A room is measured, from the sweep to the picture: with noise, a loudspeaker that distorts and
//! a recorder whose clock is not the player's.
//!
//! `cargo run --release --example measure_room -- decay.svg` also draws the decay.

use faltung::ir::decay::Decay;
use faltung::ir::measure::{Options, Sweep, SweepSetup, deconvolve, thd};
use faltung::plot::{Kind, Picture};
use faltung::{Audio, ImpulseResponse, Mode, Recipe, SampleRate, convolve};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rate = SampleRate::new(48_000)?;
    let sweep = Sweep::new(SweepSetup {
        seconds: 3.0,
        repeats: 4,
        silence: 1.0,
        ..SweepSetup::new(rate)
    })?;
    println!("played     {}", sweep.setup());

    // What a recorder in the room hears.
    let room = "room".parse::<Recipe>()?.render(rate)?;
    let recorded = record(sweep.samples(), &room)?;

    let found = deconvolve(&recorded, &sweep.into(), &Options::default())?;
    let snr = found.snr_db.unwrap_or(f64::INFINITY);
    println!("recorded   {snr:.1} dB above the noise");
    println!("clocks     {:.2} ppm apart", found.drift.ppm);
    for harmonic in found
        .harmonics
        .iter()
        .filter(|harmonic| harmonic.is_heard())
    {
        println!("harmonic   {}: {:.1} dB", harmonic.order, harmonic.db);
    }
    if let Some(share) = thd(&found.harmonics) {
        println!("distortion {:.2} %", 100.0 * share);
    }

    for (name, ir) in [("the room", &room), ("measured", &found.ir)] {
        let taps: Vec<f64> = ir.channel(0).iter().map(|&tap| f64::from(tap)).collect();
        match Decay::of(&taps, rate).and_then(|decay| decay.t20()) {
            Ok(t20) => println!("{name}   T20 {t20:.3} s"),
            Err(reason) => println!("{name}   T20 not judged: {reason}"),
        }
    }

    if let Some(file) = std::env::args_os().nth(1) {
        let irs = [&room, &found.ir];
        std::fs::write(file, Picture::new(&irs).kind(Kind::Decay).svg()?)?;
    }
    Ok(())
}

/// The signal through a loudspeaker, the room and a recorder with 48,010 frames in a second of the
/// player's: 208.3 ppm.
fn record(played: &[f64], room: &ImpulseResponse) -> Result<Audio, Box<dyn std::error::Error>> {
    let speaker = |x: f64| x + 0.02 * x * x;
    let moved: Vec<f64> = played.iter().map(|&x| speaker(x)).collect();
    let taps: Vec<f64> = room.channel(0).iter().map(|&tap| f64::from(tap)).collect();
    let mut heard = convolve(&moved, &taps, Mode::Full)?;

    let level = (heard.iter().map(|x| x * x).sum::<f64>() / heard.len() as f64).sqrt();
    let mut state = 1u64;
    for x in &mut heard {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let even = (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5;
        *x += 0.003 * level * 12f64.sqrt() * even; // 50 dB below
    }

    let narrow = heard.iter().map(|&x| x as f32).collect();
    let heard = ImpulseResponse::new(Audio::new(room.rate(), vec![narrow])?)?;
    let fast = heard.resample(SampleRate::new(48_010)?)?;
    Ok(Audio::new(room.rate(), fast.into_audio().into_channels())?)
}
