//! How evenly the work falls on the calls, counted, not timed; and where there is none to do.

use faltung::{Convolver, Latency, MatrixConvolver, Partition, Plan, Route, Routing, Sample};

fn response<T: Sample>(frames: usize) -> Vec<T> {
    let tap = |n: usize| T::of(((n * 7919) % 101) as f64 / 101.0 - 0.497);
    (0..frames).map(tap).collect()
}

/// Work of each call of `block` frames, once every partition has something to do.
fn work_of_calls(
    mut process: impl FnMut(usize) -> u64,
    warm_up: usize,
    block: usize,
    frames: usize,
) -> Vec<u64> {
    let mut before = process(warm_up.next_multiple_of(block));
    let calls = (0..frames / block).map(|_| {
        let after = process(block);
        let work = after - before;
        before = after;
        work
    });
    calls.collect()
}

fn worst_to_mean(work: &[u64]) -> f64 {
    let mean = work.iter().sum::<u64>() as f64 / work.len() as f64;
    *work.iter().max().unwrap() as f64 / mean
}

fn flatness_of_one_channel<T: Sample>() {
    for seconds in [0.05, 0.5, 2.0, 10.0] {
        for latency in [Latency::Zero, Latency::AtMost(64), Latency::AtMost(1024)] {
            for block in [64, 128, 256, 1024] {
                let frames = (seconds * 48_000.0) as usize;
                let builder = Convolver::builder().latency(latency);
                let mut convolver = builder.build(&response::<T>(frames)).unwrap();
                let process = |n: usize| {
                    convolver.process_in_place(&mut response::<T>(n));
                    convolver.counted_work()
                };
                let work = work_of_calls(process, frames + 131_072, block, 262_144);
                let ratio = worst_to_mean(&work);
                assert!(
                    ratio <= 1.5,
                    "{seconds} s, {latency:?}, block {block}: {ratio:.2}"
                );
            }
        }
    }
}

#[test]
fn no_call_does_more_than_one_and_a_half_times_the_mean_in_f32() {
    flatness_of_one_channel::<f32>();
}

#[test]
fn no_call_does_more_than_one_and_a_half_times_the_mean_in_f64() {
    flatness_of_one_channel::<f64>();
}

/// What is spread may wait for up to 16 frames where calls are smaller, and no longer.
#[test]
fn calls_of_a_few_frames_leave_nothing_for_later() {
    let ir = response::<f32>(24_000);
    for few in [1, 3, 10, 16] {
        let mut convolver = Convolver::new(&ir).unwrap();
        let process = |n: usize| {
            for frames in response::<f32>(n).chunks_mut(few) {
                convolver.process_in_place(frames);
            }
            convolver.counted_work()
        };
        let work = work_of_calls(process, 155_136, 256, 65_536);
        let ratio = worst_to_mean(&work);
        assert!(ratio <= 1.2, "{few} at a time: {ratio:.2}");
    }
}

/// Sound in the first half of each block takes all that sound in its second half does, and the largest
/// square.
#[test]
fn a_square_counts_as_work() {
    for block in [256, 512, 2048] {
        let plan = Plan::new(2400).with_partition(Partition::Uniform { block });
        let outline = plan.outline::<f32>(1, 1, &Routing::Each).unwrap();
        let ready = plan.prepare(&response::<f32>(2400)).unwrap();
        let work = |half: usize| {
            let mut convolver = Convolver::from(ready.clone());
            for _ in 0..100 {
                let mut samples = vec![0.0f32; block];
                samples[half * block / 2..][..block / 2].fill(0.5);
                convolver.process_in_place(&mut samples);
            }
            convolver.counted_work()
        };
        let (with, without) = (work(0), work(1));
        match outline.squares().last() {
            // A unit for each of its frames, at the very least.
            Some(half) => assert!(with >= without + 99 * half as u64, "{with}, {without}"),
            None => assert_eq!(with, without),
        }
    }
}

#[test]
fn many_inputs_of_one_output_are_as_flat_as_one() {
    let ir = response::<f32>(24_000);
    let route = |input| Route {
        input,
        output: 0,
        ir: 0,
    };
    let routing = Routing::Custom {
        outputs: 1,
        routes: (0..8).map(route).collect(),
    };
    let mut matrix = MatrixConvolver::new(&Plan::new(ir.len()), 8, &[ir], &routing).unwrap();
    let process = |n: usize| {
        let input = vec![response::<f32>(n); 8];
        let mut output = [vec![0.0; n]];
        matrix.process(&input, &mut output);
        matrix.counted_work()
    };
    let work = work_of_calls(process, 60_000, 64, 65_536);
    let ratio = worst_to_mean(&work);
    assert!(ratio <= 1.5, "{ratio:.2}");
}

#[test]
fn sixty_four_channels_are_as_flat_as_one() {
    let ir = response::<f32>(24_000);
    let mut matrix =
        MatrixConvolver::new(&Plan::new(ir.len()), 64, &[ir], &Routing::Shared).unwrap();
    let process = |n: usize| {
        let input = vec![response::<f32>(n); 64];
        let mut output = input.clone();
        matrix.process(&input, &mut output);
        matrix.counted_work()
    };
    let work = work_of_calls(process, 60_000, 64, 65_536);
    let ratio = worst_to_mean(&work);
    assert!(ratio <= 1.5, "{ratio:.2}");
}

#[test]
fn silence_costs_next_to_nothing() {
    let ir = response::<f32>(96_000);
    let mut convolver = Convolver::new(&ir).unwrap();
    let mut work = |input: &mut [f32]| {
        let before = convolver.counted_work();
        convolver.process_in_place(input);
        convolver.counted_work() - before
    };
    let sound = work(&mut response(200_000));
    // The tail and the blocks in flight ring out.
    work(&mut vec![0.0; 400_000]);
    let silence = work(&mut vec![0.0; 200_000]);
    assert!(silence * 50 < sound, "{silence} of {sound}");
}

/// Hosts of plugins set the CPU so.
#[cfg(target_arch = "x86_64")]
#[test]
fn silence_is_silence_where_subnormal_numbers_count_as_zero() {
    const TO_ZERO: u32 = 1 << 15 | 1 << 6;
    /// Sets these bits of the SSE control register, for this thread.
    fn set(bits: u32) {
        let mut word = 0u32;
        // SAFETY: the exceptions' masks stay, and nothing here computes with subnormal numbers.
        unsafe {
            std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut word, options(nostack));
            word |= bits;
            std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const word, options(nostack, readonly));
        }
    }
    let work = |bits: u32, block: usize| {
        let silence = move || {
            let mut convolver = Convolver::new(&response::<f32>(24_000)).unwrap();
            set(bits);
            for _ in 0..20_000 / block {
                convolver.process_in_place(&mut vec![0.0; block]);
                // Frame by frame it takes another way between two buffers.
                convolver.process(&vec![0.0; block], &mut vec![0.0; block]);
            }
            convolver.counted_work()
        };
        std::thread::spawn(silence).join().unwrap()
    };
    for block in [1, 64] {
        assert_eq!(work(TO_ZERO, block), work(0, block), "blocks of {block}");
    }
}

#[test]
fn the_empty_part_of_a_response_costs_nothing() {
    let mut sparse = vec![0.0f32; 96_000];
    sparse[..100].fill(0.1);
    sparse[90_000] = 0.1;
    let work = |ir: &[f32]| {
        let mut convolver = Convolver::new(ir).unwrap();
        convolver.process_in_place(&mut response(300_000));
        convolver.counted_work()
    };
    let (full, sparse) = (work(&response(96_000)), work(&sparse));
    // What is left is the head and the transforms.
    assert!(sparse < full, "{sparse} of {full}");
}

#[test]
fn a_decay_into_nothing_becomes_silence_and_a_faint_signal_does_not() {
    let ir = response::<f32>(1_000);
    let mut convolver = Convolver::new(&ir).unwrap();
    let mut loud: Vec<f32> = (0..60_000).map(|n| (-0.005 * n as f32).exp()).collect();
    convolver.process_in_place(&mut loud);
    assert!(loud[..4_000].iter().all(|y| *y != 0.0));
    let last = loud.iter().rposition(|y| *y != 0.0).unwrap();
    assert!(
        loud[last].is_normal() && last < 16_000,
        "frame {last}: {:e}",
        loud[last]
    );

    // The same filter, for a signal that was never louder than 1e-30.
    convolver.reset();
    let faint: Vec<f32> = response::<f32>(3_000).iter().map(|x| x * 1e-30).collect();
    let mut output = vec![0.0; 3_000];
    convolver.process(&faint, &mut output);
    let wide = |x: &[f32]| -> Vec<f64> { x.iter().map(|&x| f64::from(x)).collect() };
    let (x, h) = (wide(&faint), wide(&ir));
    let norm = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
    let bound = 8.0 * f64::from(f32::EPSILON) * 12.0 * norm(&x) * norm(&h);
    for (n, y) in output.iter().enumerate() {
        let want: f64 = (0..=n.min(999)).map(|j| h[j] * x[n - j]).sum();
        assert!(
            (f64::from(*y) - want).abs() <= bound,
            "frame {n}: {y:e}, {want:e}"
        );
    }
}
