//! Four responses between two inputs and two outputs: what each ear hears of each side.

use faltung::{MatrixConvolver, Plan, Routing};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Near ear at once, far ear 30 frames later and darker; one second of each at 48 kHz.
    let ring = |late: usize, level: f32| -> Vec<f32> {
        let tap = |i: usize| match i.checked_sub(late) {
            None => 0.0,
            Some(i) => level * (i as f32 * 1.7).cos() * (-(i as f32) / 5000.0).exp(),
        };
        (0..48_000).map(tap).collect()
    };
    let irs = [
        ring(0, 0.5),   // left to left
        ring(30, 0.25), // left to right
        ring(30, 0.25), // right to left
        ring(0, 0.5),   // right to right
    ];
    let mut room = MatrixConvolver::new(&Plan::new(48_000), 2, &irs, &Routing::TrueStereo)?;

    // A click on the left, one on the right 100 frames later.
    let mut dry = [vec![0.0; 256], vec![0.0; 256]];
    dry[0][0] = 1.0;
    dry[1][100] = 1.0;
    let mut wet = [vec![0.0; 256], vec![0.0; 256]];
    room.process(&dry, &mut wet); // each input is transformed once, whatever it feeds

    for (side, wet) in ["left", "right"].into_iter().zip(&wet) {
        for at in [0, 30, 100, 130] {
            println!("{side:5} frame {at:3}: {:+.3}", wet[at]);
        }
    }
    println!(
        "latency {} frames, tail {}",
        room.latency(),
        room.tail_len()
    );
    Ok(())
}
