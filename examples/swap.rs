//! Another room while it plays: the audio half here, the half that may wait in a thread.

use std::thread;

use faltung::{Bypass, Convolver, Swap};

fn room(frames: usize, pitch: f32) -> Vec<f32> {
    let tap = |i: usize| (i as f32 * pitch).cos() * (-8.0 * i as f32 / frames as f32).exp() * 1e-2;
    (0..frames).map(tap).collect()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut reverb, control) = Convolver::builder()
        .capacity(2 * 48_000) // the longest response that will come
        .build_with_control(&room(24_000, 0.9))?;

    // Where a program listens to its user: this thread may allocate, and wait.
    let director = control.clone();
    let wishes = thread::spawn(move || {
        director.set_ir(&room(96_000, 0.4))?; // answers to what was played before, too
        director.set_gain(0.5)?;
        director.set_predelay(960)?;
        Ok::<(), faltung::ControlError>(())
    });
    wishes.join().expect("a thread without panics")?;

    // Where the sound card calls: nothing here allocates, frees, locks or waits.
    let mut block = [0.0f32; 64];
    let mut play = |seconds: f32| {
        let mut loudest = 0.0f32;
        for k in 0..(seconds * 750.0) as usize {
            for (n, x) in block.iter_mut().enumerate() {
                *x = ((k * 64 + n) as f32 * 0.05).sin();
            }
            reverb.process_in_place(&mut block);
            loudest = block.iter().fold(loudest, |most, y| most.max(y.abs()));
        }
        loudest
    };
    println!("loudest {:.2}; {:?}", play(3.0), control.status()?);

    control.set_irs(&[room(12_000, 1.3)], Swap::Ring)?; // the old room rings out
    control.bypass(Bypass::Trails)?;
    println!("loudest {:.2}; {:?}", play(3.0), control.status()?);
    assert!(!control.status()?.is_pending());
    Ok(())
}
