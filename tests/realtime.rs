//! The audio thread's promise: running neither allocates nor frees, and what it has done with is
//! freed elsewhere.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use faltung::{
    Bypass, Control, Convolver, Latency, MatrixConvolver, Partition, Plan, Routing, Sample, Swap,
};

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

/// Counts what this thread asks of the allocator.
struct Counting;

fn count(bytes: isize) {
    CALLS.with(|calls| calls.set(calls.get() + 1));
    LIVE.with(|live| live.set(live.get() + bytes));
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(ptr, layout) }
    }
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        unsafe { System.realloc(ptr, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocator_calls(run: impl FnOnce()) -> usize {
    let before = CALLS.with(Cell::get);
    run();
    CALLS.with(Cell::get) - before
}

fn response<T: Sample>(frames: usize) -> Vec<T> {
    let tap = |n: usize| T::of(((n * 7919) % 101) as f64 / 101.0 - 0.5);
    (0..frames).map(tap).collect()
}

fn every_input<T: Sample>() -> Vec<T> {
    let mut input = response::<T>(20_000);
    input[500] = T::nan();
    input[5_000] = T::infinity();
    input[5_001] = T::max_value();
    input[5_002] = T::min_positive_value() / T::of(8.0);
    input
}

fn a_running_convolver_leaves_the_allocator_alone<T: Sample>() {
    for partition in [
        Partition::Auto,
        Partition::Direct,
        Partition::Uniform { block: 64 },
        Partition::Uniform { block: 4096 },
    ] {
        for latency in [Latency::Zero, Latency::AtMost(256)] {
            let builder = Convolver::builder().partition(partition).latency(latency);
            let mut convolver = builder.build(&response::<T>(9_000)).unwrap();
            let input = every_input::<T>();
            let mut output = vec![T::zero(); input.len()];
            let calls = allocator_calls(|| {
                let mut at = 0;
                for n in [0, 1, 63, 64, 65, 0, 1000, 4096].into_iter().cycle() {
                    let n = n.min(input.len() - at);
                    convolver.process(&input[at..at + n], &mut output[at..at + n]);
                    at += n;
                    if at == input.len() {
                        break;
                    }
                }
                convolver.process_in_place(&mut output);
                while convolver.drain(&mut output[..777]) > 0 {}
                convolver.reset();
                // Frame by frame, faults and tail included.
                for (x, y) in input.chunks(1).zip(output.chunks_mut(1)) {
                    convolver.process(x, y);
                }
                output
                    .chunks_mut(1)
                    .for_each(|y| convolver.process_in_place(y));
                while convolver.drain(&mut output[..1]) > 0 {}
                convolver.reset();
                convolver.process(&input, &mut output);
            });
            assert_eq!(calls, 0, "{partition:?}, {latency:?}");
        }
    }
}

#[test]
fn a_running_convolver_leaves_the_allocator_alone_in_f32() {
    a_running_convolver_leaves_the_allocator_alone::<f32>();
}

#[test]
fn a_running_convolver_leaves_the_allocator_alone_in_f64() {
    a_running_convolver_leaves_the_allocator_alone::<f64>();
}

#[test]
fn a_running_matrix_leaves_the_allocator_alone() {
    let irs: Vec<Vec<f32>> = (1..=4).map(|k| response(k * 2_000)).collect();
    let plan = Plan::new(8_000);
    let mut matrix = MatrixConvolver::new(&plan, 2, &irs, &Routing::TrueStereo).unwrap();
    let input = [every_input::<f32>(), response(20_000)];
    let mut output = [vec![0.0; 20_000], vec![0.0; 20_000]];
    let interleaved = response::<f32>(2 * 5_000);
    let mut mixed = vec![0.0; 2 * 5_000];
    let calls = allocator_calls(|| {
        matrix.process(&input, &mut output);
        matrix.process_interleaved(&interleaved, &mut mixed);
        while matrix.drain(&mut output) > 0 {}
        matrix.reset();
        let [left, right] = &input;
        for (left, right) in left.chunks(1).zip(right.chunks(1)) {
            matrix.process(&[left, right], &mut [[0.0], [0.0]]);
        }
        for (x, y) in interleaved.chunks(2).zip(mixed.chunks_mut(2)) {
            matrix.process_interleaved(x, y);
        }
        while matrix.drain(&mut [[0.0], [0.0]]) > 0 {}
        matrix.reset();
    });
    assert_eq!(calls, 0);
}

/// Every kind of wish, one for each call that follows.
fn wish(control: &Control<f32>, irs: &[Vec<f32>], round: usize) {
    let swap = [Swap::Warm, Swap::Warm, Swap::Ring, Swap::Cut][round / 8 % 4];
    match round % 8 {
        0 => control.set_irs(&[&irs[round / 8 % irs.len()]], swap),
        1 => control.set_mix((round % 11) as f64 / 10.0),
        2 => control.set_gain((round % 3) as f64),
        3 => control.set_predelay(round % 2_000),
        4 => control.bypass(Bypass::Trails),
        5 => control.bypass(Bypass::Off),
        6 => control.bypass(Bypass::Cut),
        _ => control.bypass(Bypass::Off),
    }
    .unwrap();
}

#[test]
fn taking_wishes_over_leaves_the_allocator_alone() {
    let irs: Vec<Vec<f32>> = [9_000, 3, 4_000].map(response).into();
    for latency in [Latency::Zero, Latency::AtMost(256)] {
        let builder = Convolver::builder().latency(latency).capacity(9_000);
        let (mut convolver, control) = builder.build_with_control(&irs[0]).unwrap();
        let mut block = every_input::<f32>();
        let mut calls = 0;
        for round in 0..600 {
            wish(&control, &irs, round);
            let n = [1, 64, 480, 1_000, 3_333][round % 5];
            calls += allocator_calls(|| {
                convolver.process_in_place(&mut block[..n]);
                block[..20]
                    .chunks_mut(1)
                    .for_each(|y| convolver.process_in_place(y));
                if round % 100 == 99 {
                    while convolver.drain(&mut block[..777]) > 0 {}
                    convolver.reset();
                }
            });
        }
        assert_eq!(calls, 0, "{latency:?}");
        let status = control.status().unwrap();
        assert!(status.heard > 40, "{status:?}");
    }
}

#[test]
fn a_copy_leaves_the_allocator_alone() {
    let irs: Vec<Vec<f32>> = [9_000, 3, 4_000].map(response).into();
    let (mut convolver, control) = Convolver::builder().build_with_control(&irs[0]).unwrap();
    let plain = Convolver::new(&irs[0]).unwrap();
    let mut block = every_input::<f32>();
    let mut copies = vec![plain.clone()];
    // In the middle of a fade, of a ring, and of what waits for it.
    for (k, swap) in [Swap::Warm, Swap::Ring, Swap::Cut].into_iter().enumerate() {
        control.set_irs(&[&irs[k]], swap).unwrap();
        convolver.process_in_place(&mut block[..700]);
        copies.push(convolver.clone());
    }
    for copy in &mut copies {
        let calls = allocator_calls(|| {
            for n in [1, 64, 3_000, 9_000] {
                copy.process_in_place(&mut block[..n]);
                // Silence that breaks the past into pieces.
                block[n / 2..n].fill(0.0);
            }
            while copy.drain(&mut block[..777]) > 0 {}
            copy.reset();
        });
        assert_eq!(calls, 0);
    }
}

#[test]
fn nothing_is_kept_whichever_half_goes_first() {
    let irs: Vec<Vec<f32>> = [2_000, 3, 1_000].map(response).into();
    for control_first in [true, false] {
        let mut block = response::<f32>(640);
        let before = LIVE.with(Cell::get);
        let builder = Convolver::builder().capacity(2_000);
        let (mut convolver, control) = builder.build_with_control(&irs[0]).unwrap();
        let mut settled = 0;
        for round in 0..2_000 {
            wish(&control, &irs, round);
            convolver.process_in_place(&mut block);
            if round == 600 {
                settled = LIVE.with(Cell::get);
            }
        }
        // As much as after 600 rounds, but for what is just on its way: at most a few sets of
        // 50 kB and two engines of twice that.
        let grown = LIVE.with(Cell::get) - settled;
        assert!(
            grown.abs() < 500_000,
            "{grown} bytes more after 1,400 rounds more"
        );
        // In the middle of everything.
        control.set_irs(&[&irs[1]], Swap::Ring).unwrap();
        control.set_irs(&[&irs[1]], Swap::Warm).unwrap();
        if control_first {
            drop(control);
            convolver.process_in_place(&mut block);
            drop(convolver);
        } else {
            drop(convolver);
            drop(control);
        }
        assert_eq!(LIVE.with(Cell::get), before);
    }
}

#[test]
fn the_counter_counts() {
    assert!(allocator_calls(|| drop(std::hint::black_box(vec![0u8; 100]))) >= 2);
}

/// Both callbacks of a live session, on scripted devices: while sound begins, passes, starves,
/// overflows, is swapped, recorded and ends.
#[cfg(feature = "live")]
#[test]
fn the_callbacks_of_a_live_session_leave_the_allocator_alone() {
    use faltung::SampleRate;
    use faltung::io::memory::MemoryPorts;
    use faltung::io::port::Clocks;
    use faltung::run::live::{Live, Setup, State};
    use std::time::Duration;

    for (clocks, rates) in [
        (Clocks::One, [48_000, 48_000]),
        (Clocks::Two, [48_000, 48_000]),
        (Clocks::Two, [44_100, 48_000]),
    ] {
        let rates = rates.map(|hz| SampleRate::new(hz).unwrap());
        let (ports, script) = MemoryPorts::new(rates, [2, 2], clocks);
        let setup = Setup {
            irs: vec![
                "synth:room".parse().unwrap(),
                "synth:plate".parse().unwrap(),
            ],
            ..Setup::default()
        };
        let live = Live::start(setup, Box::new(ports)).unwrap();
        let name = format!("faltung-realtime-{}.wav", std::process::id());
        let file = std::env::temp_dir().join(name);
        live.record(Some(file.clone()));
        let mut input = every_input::<f32>();
        let loud = 2.0 / input[100].abs().max(0.1);
        input.iter_mut().for_each(|x| *x *= loud);
        let mut output = vec![0.0f32; 2 * 8192];
        let mut run = |record: bool, play: bool| {
            let calls = allocator_calls(|| {
                for k in 0..400 {
                    // The script's lock and clock are the test's own; neither allocates.
                    script.advance(Duration::from_millis(5));
                    let from = k * 37 % 8_000;
                    if record {
                        script.record(&input[2 * from..][..2 * 240]);
                    }
                    if play {
                        script.play(&mut output[..2 * 240]);
                    }
                }
                script.play(&mut output);
            });
            assert_eq!(calls, 0, "{clocks:?} {rates:?}");
        };
        run(true, true);
        assert!(live.status().latency.total() > 0.0);
        live.select(1);
        std::thread::sleep(Duration::from_millis(300));
        run(true, true);
        run(false, true);
        run(true, false);
        run(true, true);
        let (status, _) = live.stop();
        assert_eq!(status.state, State::Stopped);
        assert!(status.counts.starved > 0 && status.counts.nonfinite > 0);
        std::fs::remove_file(file).unwrap();
    }
}

/// Both callbacks of a deck, on scripted devices: while it is silent, plays, is recorded, turns to
/// another channel and is broken off.
#[cfg(feature = "live")]
#[test]
fn the_callbacks_of_a_measurement_leave_the_allocator_alone() {
    use faltung::SampleRate;
    use faltung::io::memory::MemoryPorts;
    use faltung::io::port::Clocks;
    use faltung::run::measure::{Deck, Program, TakeError};
    use std::time::Duration;

    let rate = SampleRate::new(48_000).unwrap();
    let (ports, script) = MemoryPorts::new([rate; 2], [2, 2], Clocks::One);
    let mut deck = Deck::open(&[0, 1], Box::new(ports)).unwrap();
    let program = |seconds: usize| Program {
        signal: vec![0.5; 24_000 * seconds],
        turns: vec![vec![0], vec![1]],
        lead: 0.1,
        tail: 0.1,
    };
    let takes = std::thread::spawn(move || {
        let whole = deck.take(program(1), &mut |_| true).unwrap();
        let broken = deck.take(program(60), &mut |progress| progress.seconds < 1.0);
        (whole, broken.unwrap_err())
    });
    let input = every_input::<f32>();
    let mut output = vec![0.0f32; 2 * 240];
    let mut sounded = [false; 2];
    let mut at = 0;
    while !takes.is_finished() {
        let calls = allocator_calls(|| {
            // The script's lock and clock are the test's own; neither allocates.
            script.advance(Duration::from_millis(5));
            script.record(&input[at..at + 2 * 240]);
            script.play(&mut output);
        });
        assert_eq!(calls, 0);
        at = (at + 480) % 16_000;
        for (k, sounded) in sounded.iter_mut().enumerate() {
            *sounded |= output.iter().skip(k).step_by(2).any(|x| *x != 0.0);
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    let (whole, broken) = takes.join().unwrap();
    assert_eq!(sounded, [true; 2]);
    assert!(whole.recorded.frames() >= 48_000 && whole.nonfinite > 0);
    assert!(matches!(broken, TakeError::Stopped), "{broken}");
}
