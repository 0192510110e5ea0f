//! A source that circles a head: two responses for each direction, exchanged every 10 ms.
//!
//! `cargo run --release --example moving -- circle.wav` also writes what the ears hear (with the
//! feature `wav`, which the command-line tool has). The head is a sphere: the later ear by
//! Woodworth and Schlosberg (1954), its shadow by Brown and Duda (1998).

use std::f64::consts::PI;

use faltung::{MatrixConvolver, Plan, Prepared, Routing, Settings, Swap};

const RATE: f64 = 48_000.0;
const TAPS: usize = 128;
const HEAD: f64 = 0.0875; // radius in metres
const SOUND: f64 = 343.0; // metres in a second

/// What one ear hears of a source that lies `angle` from its axis, as taps.
fn ear(angle: f64) -> Vec<f32> {
    let delay = match angle {
        near if near < PI / 2.0 => HEAD / SOUND * (1.0 - near.cos()),
        far => HEAD / SOUND * (1.0 + far - PI / 2.0),
    };
    // H(s) = (1 + alpha s / (2 w)) / (1 + s / (2 w)) with w = c / a, by the bilinear transform.
    let alpha = 1.05 + 0.95 * (angle / (5.0 * PI / 6.0) * PI).cos();
    let (w, t) = (SOUND / HEAD, 2.0 * RATE);
    let norm = 2.0 * w + t;
    let (b0, b1, a1) = (
        (2.0 * w + alpha * t) / norm,
        (2.0 * w - alpha * t) / norm,
        (2.0 * w - t) / norm,
    );
    // An impulse between two frames, as a short windowed sinc, through that filter.
    let at = 16.0 + delay * RATE;
    let sinc = |n: usize| match n as f64 - at {
        x if x.abs() < 1e-9 => 1.0,
        x if x.abs() < 16.0 => (PI * x).sin() / (PI * x) * (0.5 + 0.5 * (PI * x / 16.0).cos()),
        _ => 0.0,
    };
    let (mut last_in, mut last_out) = (0.0, 0.0);
    let filter = |n: usize| {
        let x = sinc(n);
        last_out = b0 * x + b1 * last_in - a1 * last_out;
        last_in = x;
        last_out as f32
    };
    (0..TAPS).map(filter).collect()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The trajectory: once round in four seconds, a new direction every 10 ms.
    let (step, steps) = (480, 400);
    let ears = |k: usize| {
        let azimuth = 2.0 * PI * k as f64 / steps as f64;
        [-PI / 2.0, PI / 2.0].map(|side| ear((azimuth - side).cos().acos()))
    };
    let settings = Settings {
        fade: step, // each fade ends as the next exchange comes
        ..Settings::default()
    };
    let (plan, routing) = (Plan::new(TAPS), Routing::FanOut);
    let (mut scene, control) =
        MatrixConvolver::with_control(&plan, 1, &ears(0), &routing, settings)?;
    // All directions are prepared before they are needed; an exchange then costs next to nothing.
    let ready: Result<Vec<Vec<Prepared>>, _> = (0..steps)
        .map(|k| ears(k).iter().map(|ir| control.prepare(ir)).collect())
        .collect();

    let mut heard = [Vec::new(), Vec::new()];
    let mut noise = 1u32;
    for (k, directions) in ready?.iter().enumerate() {
        control.set_prepared(directions, Swap::Warm)?;
        let mut hiss = || {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 8) as f32 / (1 << 24) as f32 * 0.2 - 0.1
        };
        let dry: Vec<f32> = (0..step).map(|_| hiss()).collect();
        let mut wet = [vec![0.0; step], vec![0.0; step]];
        scene.process(&[dry], &mut wet);
        let level = |y: &[f32]| 10.0 * (y.iter().map(|y| y * y).sum::<f32>() / step as f32).log10();
        if k % 50 == 49 {
            let [left, right] = [level(&wet[0]), level(&wet[1])];
            println!(
                "{:3} degrees: left {left:.1} dB, right {right:.1} dB",
                k * 360 / steps
            );
        }
        heard
            .iter_mut()
            .zip(&wet)
            .for_each(|(all, now)| all.extend_from_slice(now));
    }
    if let Some(path) = std::env::args().nth(1) {
        write(&path, &heard)?;
    }
    Ok(())
}

#[cfg(feature = "wav")]
fn write(path: &str, heard: &[Vec<f32>; 2]) -> Result<(), Box<dyn std::error::Error>> {
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: RATE as u32,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut file = hound::WavWriter::create(path, spec)?;
    for (left, right) in heard[0].iter().zip(&heard[1]) {
        file.write_sample(*left)?;
        file.write_sample(*right)?;
    }
    Ok(file.finalize()?)
}

#[cfg(not(feature = "wav"))]
fn write(path: &str, _: &[Vec<f32>; 2]) -> Result<(), Box<dyn std::error::Error>> {
    Err(format!("{path} is not written: that needs the feature `wav`").into())
}
