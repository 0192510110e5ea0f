//! One channel in blocks of changing length, as an audio callback gets them, then the tail.

use faltung::{Convolver, Mode, convolve};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A plucked tone of a second at 48 kHz, and a response that rings for half a second.
    let tone = |i: usize| (i as f32 * 0.05).sin() * (-(i as f32) / 6000.0).exp();
    let ring = |i: usize| (i as f32 * 0.9).cos() * (-(i as f32) / 4000.0).exp() * 1e-3;
    let dry: Vec<f32> = (0..48_000).map(tone).collect();
    let ir: Vec<f32> = (0..24_000).map(ring).collect();

    let mut reverb = Convolver::new(&ir)?; // may allocate, may fail
    let mut wet = Vec::with_capacity(dry.len() + reverb.tail_len());
    let mut buffer = [0.0; 1024];
    let mut rest = &dry[..];
    for block in [64, 1, 441, 1024, 0, 37].into_iter().cycle() {
        let (now, later) = rest.split_at(block.min(rest.len()));
        reverb.process(now, &mut buffer[..now.len()]); // does neither
        wet.extend_from_slice(&buffer[..now.len()]);
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    loop {
        let frames = reverb.drain(&mut buffer);
        if frames == 0 {
            break;
        }
        wet.extend_from_slice(&buffer[..frames]);
    }

    let at_once = convolve(&dry, &ir, Mode::Full)?;
    let off = wet.iter().zip(&at_once).map(|(a, b)| (a - b).abs());
    let worst = off.fold(0.0, f32::max);
    assert_eq!(wet.len(), at_once.len());
    println!("latency {} frames, tail {}", reverb.latency(), ir.len() - 1);
    println!(
        "{} frames, off the one-shot result by {:.0} dB",
        wet.len(),
        20.0 * worst.log10()
    );
    Ok(())
}
