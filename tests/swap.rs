//! Exchanges while it plays: what comes out is what the two responses and the fade explain.

mod signals;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};

use faltung::{
    Bypass, Control, ControlError, Convolver, Cpu, Latency, MatrixConvolver, Method, Mode,
    Partition, Plan, Route, Routing, Sample, Settings, Swap, convolve_with,
};
use signals::{Noise, norm, wide};

fn full(x: &[f64], h: &[f64]) -> Vec<f64> {
    convolve_with(x, h, Mode::Full, Method::Auto).unwrap()
}

/// The bound of the contract's first point, with the responses of both sides.
fn bound<T: Sample>(x: &[f64], responses: &[&[f64]]) -> f64 {
    let most = responses.iter().map(|h| h.len()).max().unwrap();
    let norms: f64 = responses.iter().map(|h| norm(h)).sum();
    let length = (x.len() + most) as f64;
    8.0 * T::epsilon().wide() * length.log2() * norm(x) * norms
}

fn assert_close<T: Sample>(left: &[T], right: &[f64], bound: f64, what: &str) {
    for (n, (l, r)) in left.iter().zip(right).enumerate() {
        let error = (l.wide() - r).abs();
        assert!(
            error <= bound,
            "{what}: {error:e} above {bound:e} at frame {n}"
        );
    }
}

/// w(x) = x^2 (3 - 2 x), as documented; in the middle of frame n.
fn weight(n: usize, fade: usize) -> f64 {
    let x = (n as f64 + 0.5) / fade as f64;
    if x < 1.0 {
        x * x * (3.0 - 2.0 * x)
    } else {
        1.0
    }
}

/// Something that happens at a frame.
type Event<'a, T> = (usize, Box<dyn Fn(&Control<T>) + 'a>);

/// Plays `x` and then the tail in calls of random lengths up to `longest`, with the events at
/// their frames.
fn play<T: Sample>(
    convolver: &mut Convolver<T>,
    control: &Control<T>,
    x: &[T],
    events: &[Event<'_, T>],
    longest: usize,
    seed: u64,
) -> Vec<T> {
    let mut noise = Noise(seed);
    let mut out = vec![T::zero(); x.len()];
    let mut at = 0;
    while at < x.len() {
        for (_, event) in events.iter().filter(|(frame, _)| *frame == at) {
            event(control);
        }
        let next = events.iter().map(|(frame, _)| *frame);
        let next = next.filter(|&frame| frame > at).min().unwrap_or(x.len());
        let n = (1 + noise.below(longest)).min(next.min(x.len()) - at);
        convolver.process(&x[at..at + n], &mut out[at..at + n]);
        at += n;
    }
    let mut tail = vec![T::zero(); longest];
    loop {
        match convolver.drain(&mut tail) {
            0 => return out,
            n => out.extend_from_slice(&tail[..n]),
        }
    }
}

const SCHEMES: [(Partition, Latency); 6] = [
    (Partition::Auto, Latency::Zero),
    (Partition::Auto, Latency::AtMost(512)),
    (Partition::Direct, Latency::Zero),
    (Partition::Uniform { block: 64 }, Latency::Zero),
    (Partition::Uniform { block: 256 }, Latency::AtMost(256)),
    (
        Partition::Levels {
            first: 32,
            growth: 4,
        },
        Latency::Zero,
    ),
];

fn an_equal_response_changes_nothing<T: Sample>() {
    let every = |cpu| SCHEMES.map(|(partition, latency)| (partition, latency, cpu));
    for (partition, latency, cpu) in Cpu::available().into_iter().flat_map(every) {
        let mut noise = Noise(1);
        let h: Vec<T> = noise.response(3_000);
        let x: Vec<T> = noise.samples(20_000);
        let builder = Convolver::builder()
            .partition(partition)
            .latency(latency)
            .cpu(cpu);
        let (mut convolver, control) = builder.build_with_control(&h).unwrap();
        let again = |control: &Control<T>| control.set_ir(&h).unwrap();
        let events: Vec<Event<'_, T>> = vec![(5_003, Box::new(again)), (9_000, Box::new(again))];
        let out = play(&mut convolver, &control, &x, &events, 300, 2);
        let mut expected = vec![0.0; convolver.latency()];
        expected.extend(full(&wide(&x), &wide(&h)));
        assert_eq!(out.len(), expected.len());
        let bound = bound::<T>(&wide(&x), &[&wide(&h)]);
        assert_close(&out, &expected, bound, &format!("{partition:?}, {cpu}"));
        assert_eq!(control.status().unwrap().settled, 2);
    }
}

#[test]
fn an_equal_response_changes_nothing_beyond_rounding_f32() {
    an_equal_response_changes_nothing::<f32>();
}

#[test]
fn an_equal_response_changes_nothing_beyond_rounding_f64() {
    an_equal_response_changes_nothing::<f64>();
}

#[test]
fn the_very_same_response_changes_no_bit() {
    let mut noise = Noise(3);
    let (h, x): (Vec<f32>, Vec<f32>) = (noise.response(5_000), noise.samples(30_000));
    let (mut quiet, _control) = Convolver::builder().build_with_control(&h).unwrap();
    let mut expected = vec![0.0; x.len()];
    quiet.process(&x, &mut expected);
    let (mut convolver, control) = Convolver::builder().build_with_control(&h).unwrap();
    let ready = control.prepare(&h).unwrap();
    let set = |control: &Control<f32>| {
        control
            .set_prepared(std::slice::from_ref(&ready), Swap::Warm)
            .unwrap();
    };
    // From the second time on it is the very same.
    let events: Vec<Event<'_, f32>> = (0..20)
        .map(|k| (1_000 + 1_234 * k, Box::new(set) as _))
        .collect();
    let out = play(&mut convolver, &control, &x, &events, 500, 4);
    let differ = (0..x.len()).filter(|&n| out[n] != expected[n]).max();
    // The first of these is equal only, and fades for 1,024 frames and up to two of the largest blocks.
    assert!(
        differ.is_none_or(|n| n < 12_000),
        "still differs at {differ:?}"
    );
}

fn warm_keeps_the_history<T: Sample>(old: usize, new: usize) {
    for (partition, latency) in SCHEMES {
        let mut noise = Noise(5);
        let (a, b): (Vec<T>, Vec<T>) = (noise.response(old), noise.response(new));
        let x: Vec<T> = noise.samples(40_000);
        let capacity = old.max(new);
        let builder = Convolver::builder().partition(partition).latency(latency);
        let builder = builder.capacity(capacity);
        let (mut convolver, control) = builder.build_with_control(&a).unwrap();
        let at = 20_011;
        let set = |control: &Control<T>| control.set_ir(&b).unwrap();
        let events: Vec<Event<'_, T>> = vec![(at, Box::new(set))];
        let out = play(&mut convolver, &control, &x, &events, 700, 6);
        let shift = convolver.latency();
        let (before, after) = (full(&wide(&x), &wide(&a)), full(&wide(&x), &wide(&b)));
        let bound = bound::<T>(&wide(&x), &[&wide(&a), &wide(&b)]);
        let what = format!("{partition:?}, {old} to {new}");
        assert_close(&out[shift..at], &before, bound, &what);
        // Every level has begun within two blocks of its own, and blocks are at most half the
        // capacity, or one block of the scheme; then comes one fade.
        let settled = at + 2 * capacity.max(256) + 1_024 + 256 + shift;
        assert_close(&out[settled..], &after[settled - shift..], bound, &what);
        let end = x.len() + new - 1 + shift;
        assert_eq!(out.len(), end, "{what}: length of the tail");
        // In between it is a mixture of both: no level is ever missing or doubled.
        let (low, high): (Vec<f64>, Vec<f64>) = (before.clone(), after.clone());
        let reach = |n: usize| {
            let near = |y: &[f64]| {
                let from = (n - shift).saturating_sub(64);
                y[from..(n - shift + 64).min(y.len())]
                    .iter()
                    .fold(0.0f64, |m, y| m.max(y.abs()))
            };
            near(&low).max(near(&high))
        };
        let loudest = (at..settled)
            .map(|n| out[n].wide().abs() / reach(n))
            .fold(0.0, f64::max);
        assert!(
            loudest < 2.0,
            "{what}: {loudest} times what either has nearby"
        );
    }
}

#[test]
fn a_warm_swap_answers_to_what_was_heard_before_f32() {
    warm_keeps_the_history::<f32>(4_000, 4_000);
    warm_keeps_the_history::<f32>(300, 4_500);
    warm_keeps_the_history::<f32>(4_500, 300);
}

#[test]
fn a_warm_swap_answers_to_what_was_heard_before_f64() {
    warm_keeps_the_history::<f64>(4_000, 2_500);
}

#[test]
fn early_taps_come_first_and_soon() {
    // Two responses that are one tap each: the output shows which one each level plays.
    let settings = Settings {
        fade: 0,
        ..Settings::default()
    };
    let taps = [0, 10, 63, 64, 500, 1_500, 7_000, 23_000];
    // Wherever in the levels' blocks the exchange comes.
    for (tap, calls) in taps
        .into_iter()
        .flat_map(|tap| (2_000..2_008).map(move |n| (tap, n)))
    {
        let (mut a, mut b) = (vec![0.0f32; 24_000], vec![0.0f32; 24_000]);
        (a[tap], b[tap]) = (1.0, -1.0);
        let builder = Convolver::builder().settings(settings);
        let (mut convolver, control) = builder.build_with_control(&a).unwrap();
        let mut block = [0.0; 32];
        let mut run = |convolver: &mut Convolver| {
            block.fill(1.0);
            convolver.process_in_place(&mut block);
            block[31]
        };
        for _ in 0..calls {
            run(&mut convolver);
        }
        control.set_ir(&b).unwrap();
        let mut frames = 0;
        while run(&mut convolver) > 0.0 {
            frames += 32;
        }
        // Before the first input of after the exchange reaches the tap.
        assert!(
            frames <= tap.max(64),
            "tap {tap} came after {frames} frames, {calls} calls from the start"
        );
    }
}

#[test]
fn ring_and_cut_are_what_they_say() {
    let fade = 1_024;
    let mut noise = Noise(7);
    let (a, b): (Vec<f64>, Vec<f64>) = (noise.response(6_000), noise.response(4_000));
    let x: Vec<f64> = noise.samples(30_000);
    let at = 10_007;
    for swap in [Swap::Ring, Swap::Cut] {
        let builder = Convolver::builder().capacity(6_000);
        let (mut convolver, control) = builder.build_with_control(&a).unwrap();
        let set = |control: &Control<f64>| control.set_irs(&[&b], swap).unwrap();
        let events: Vec<Event<'_, f64>> = vec![(at, Box::new(set))];
        let out = play(&mut convolver, &control, &x, &events, 400, 8);
        let since = |n: usize| if n < at { 0.0 } else { weight(n - at, fade) };
        let heard: Vec<f64> = x.iter().enumerate().map(|(n, x)| x * since(n)).collect();
        let left: Vec<f64> = x.iter().zip(&heard).map(|(x, h)| x - h).collect();
        let old = match swap {
            Swap::Ring => full(&left, &a),
            _ => {
                let all = full(&x, &a);
                let out = all.iter().enumerate().map(|(n, y)| y * (1.0 - since(n)));
                out.collect()
            }
        };
        let new = full(&heard, &b);
        let sum: Vec<f64> = (0..out.len())
            .map(|n| old.get(n).unwrap_or(&0.0) + new.get(n).unwrap_or(&0.0))
            .collect();
        assert!(out.len() >= new.len());
        assert_close(
            &out,
            &sum,
            bound::<f64>(&x, &[&a, &b]),
            &format!("{swap:?}"),
        );
        let status = control.status().unwrap();
        assert_eq!((status.heard, status.settled), (1, 1), "{swap:?}");
    }
}

#[test]
fn how_the_calls_are_cut_changes_no_bit() {
    let mut noise = Noise(9);
    let irs: Vec<Vec<f32>> = [3_000, 900, 3_000, 50].map(|n| noise.response(n)).into();
    let x: Vec<f32> = noise.samples(30_000);
    let run = |longest: usize| {
        let builder = Convolver::builder().capacity(3_000);
        let (mut convolver, control) = builder.build_with_control(&irs[0]).unwrap();
        let irs = &irs;
        let set = move |k: usize, swap| {
            move |control: &Control<f32>| control.set_irs(&[&irs[k]], swap).unwrap()
        };
        let events: Vec<Event<'_, f32>> = vec![
            (3_001, Box::new(set(1, Swap::Warm))),
            (3_500, Box::new(set(2, Swap::Warm))),
            (7_000, Box::new(|c| c.set_mix(0.3).unwrap())),
            (7_300, Box::new(|c| c.set_gain(2.0).unwrap())),
            (9_000, Box::new(|c| c.set_predelay(777).unwrap())),
            (12_345, Box::new(set(3, Swap::Ring))),
            (14_000, Box::new(|c| c.bypass(Bypass::Trails).unwrap())),
            (16_000, Box::new(|c| c.bypass(Bypass::Cut).unwrap())),
            (18_000, Box::new(|c| c.bypass(Bypass::Off).unwrap())),
            (20_000, Box::new(set(0, Swap::Cut))),
            // Each of these has to wait for the one before it.
            (22_000, Box::new(set(1, Swap::Ring))),
            (22_500, Box::new(set(2, Swap::Ring))),
            (22_600, Box::new(set(3, Swap::Cut))),
            (25_000, Box::new(set(0, Swap::Ring))),
            (25_100, Box::new(set(1, Swap::Ring))),
            (25_200, Box::new(set(2, Swap::Warm))),
            (26_000, Box::new(|c| c.set_predelay(100).unwrap())),
            (26_500, Box::new(|c| c.set_predelay(0).unwrap())),
        ];
        play(&mut convolver, &control, &x, &events, longest, 10)
    };
    let whole = run(100_000);
    for longest in [1, 7, 64, 250, 1_000] {
        assert!(whole == run(longest), "calls of up to {longest} frames");
    }
}

#[test]
fn the_newest_request_wins_and_a_fade_is_not_begun_anew() {
    let mut noise = Noise(11);
    let irs: Vec<Vec<f64>> = (0..5).map(|_| noise.response(2_000)).collect();
    let x: Vec<f64> = noise.samples(12_000);
    let builder = Convolver::builder().partition(Partition::Levels {
        first: 64,
        growth: 8,
    });
    let (mut convolver, control) = builder.build_with_control(&irs[0]).unwrap();
    let set = |from: usize, to: usize| {
        let irs = &irs;
        move |control: &Control<f64>| {
            for ir in &irs[from..to] {
                control.set_ir(ir).unwrap();
            }
        }
    };
    // 1 and 2 are overtaken by 3 at once; 4 comes in the middle of 3's fade.
    let events: Vec<Event<'_, f64>> =
        vec![(4_096, Box::new(set(1, 4))), (4_608, Box::new(set(4, 5)))];
    let out = play(&mut convolver, &control, &x, &events, 64, 12);
    // The first tap alone: its fades are 1,024 frames each, from step to step.
    let heads: Vec<Vec<f64>> = irs.iter().map(|ir| full(&x, &ir[..64])).collect();
    let (mut mixed, all) = (Vec::new(), full(&x, &irs[0]));
    for n in 0..5_120 {
        let w = if n < 4_096 {
            0.0
        } else {
            weight(n - 4_096, 1_024)
        };
        mixed.push(heads[0][n] * (1.0 - w) + heads[3][n] * w - heads[0][n] + all[n]);
    }
    // Until the smallest level turns, only the head differs.
    assert_close(
        &out[..4_160],
        &mixed,
        bound::<f64>(&x, &[&irs[0], &irs[3]]),
        "head",
    );
    let settled = 4_608 + 2 * 2_000 + 2 * 1_024;
    let last = full(&x, &irs[4]);
    assert_close(
        &out[settled..],
        &last[settled..],
        bound::<f64>(&x, &[&irs[4], &irs[3]]),
        "end",
    );
    let status = control.status().unwrap();
    assert_eq!((status.requested, status.heard, status.settled), (4, 4, 4));
}

#[test]
fn one_response_of_a_matrix_leaves_the_others_alone() {
    let mut noise = Noise(13);
    let irs: Vec<Vec<f32>> = (0..4).map(|_| noise.response(3_000)).collect();
    let other: Vec<f32> = noise.response(2_000);
    let input: Vec<Vec<f32>> = (0..2).map(|_| noise.samples(16_000)).collect();
    let plan = Plan::new(3_000);
    let routing = Routing::TrueStereo;
    let run = |change: bool| {
        let made = MatrixConvolver::with_control(&plan, 2, &irs, &routing, Settings::default());
        let (mut matrix, control) = made.unwrap();
        let mut output = vec![vec![0.0; 16_000]; 2];
        for block in 0..250 {
            if block == 100 && change {
                control.set_ir_at(1, &other, Swap::Warm).unwrap();
            }
            let now = block * 64..block * 64 + 64;
            let input: Vec<&[f32]> = input.iter().map(|x| &x[now.clone()]).collect();
            let mut output: Vec<&mut [f32]> =
                output.iter_mut().map(|y| &mut y[now.clone()]).collect();
            matrix.process(&input, &mut output);
        }
        output
    };
    let (still, changed) = (run(false), run(true));
    assert!(
        still[0] == changed[0],
        "left hears LL and RL, which are the same"
    );
    assert!(still[1] != changed[1], "right hears LR");
    let mut fresh = irs.clone();
    fresh[1] = other;
    let right = |h: usize, x: usize| full(&wide(&input[x]), &wide(&fresh[h]));
    let expected: Vec<f64> = right(1, 0)
        .iter()
        .zip(right(3, 1))
        .map(|(a, b)| a + b)
        .collect();
    let bound = 2.0 * bound::<f32>(&wide(&input[0]), &[&wide(&irs[1]), &wide(&irs[3])]);
    assert_close(&changed[1][14_000..], &expected[14_000..], bound, "right");
}

#[test]
fn gains_move_in_small_steps_to_where_they_should() {
    let fade = 1_000;
    let settings = Settings {
        fade,
        ..Settings::default()
    };
    for latency in [Latency::Zero, Latency::AtMost(64)] {
        let taps = vec![0.0f64, 0.5, 0.0, 0.0];
        let builder = Convolver::builder().settings(settings).latency(latency);
        let (mut convolver, control) = builder
            .partition(Partition::Uniform { block: 64 })
            .build_with_control(&taps)
            .unwrap();
        let x = vec![1.0f64; 20_000];
        let events: Vec<Event<'_, f64>> = vec![
            (2_000, Box::new(|c| c.set_gain(2.0).unwrap())),
            (4_000, Box::new(|c| c.set_mix(0.25).unwrap())),
            (6_000, Box::new(|c| c.bypass(Bypass::Cut).unwrap())),
            (8_000, Box::new(|c| c.bypass(Bypass::Off).unwrap())),
            (10_000, Box::new(|c| c.bypass(Bypass::Trails).unwrap())),
            (12_000, Box::new(|c| c.bypass(Bypass::Off).unwrap())),
            (12_200, Box::new(|c| c.set_mix(1.0).unwrap())),
            (14_000, Box::new(|c| c.set_predelay(100).unwrap())),
        ];
        let out = play(&mut convolver, &control, &x, &events, 333, 14);
        let levels = [
            (1_999, 0.5),
            (3_999, 1.0),
            (5_999, 1.0 * 0.25 + 0.75),
            (7_999, 1.0),
            (9_999, 1.0),
            (11_999, 1.0),
            (13_999, 1.0),
            (19_999, 1.0),
        ];
        for (n, level) in levels {
            assert!(
                (out[n] - level).abs() < 1e-12,
                "{} at frame {n}, not {level}",
                out[n]
            );
        }
        // No wish moves a gain by more than 1, nor the level by more than 1 in `fade` frames.
        let steps = out[200..20_000].windows(2).map(|w| (w[1] - w[0]).abs());
        assert!(steps.fold(0.0, f64::max) <= 1.001 / fade as f64 * 2.0);
    }
}

#[test]
fn bypassed_it_is_the_input_and_only_trails_ring_on() {
    let mut noise = Noise(15);
    let h: Vec<f64> = noise.response(5_000);
    let x: Vec<f64> = noise.samples(20_000);
    for bypass in [Bypass::Cut, Bypass::Trails] {
        let builder = Convolver::builder().latency(Latency::AtMost(128));
        let (mut convolver, control) = builder.build_with_control(&h).unwrap();
        let events: Vec<Event<'_, f64>> = vec![
            (
                6_000,
                Box::new(move |c: &Control<f64>| c.bypass(bypass).unwrap()),
            ),
            (15_000, Box::new(|c| c.bypass(Bypass::Off).unwrap())),
        ];
        let out = play(&mut convolver, &control, &x, &events, 200, 16);
        let shift = convolver.latency();
        let send = |n: usize| match n {
            0..6_000 => 1.0,
            6_000..15_000 => 1.0 - ((n + 1 - 6_000) as f64 / 1_024.0).min(1.0),
            _ => ((n + 1 - 15_000) as f64 / 1_024.0).min(1.0),
        };
        let sent: Vec<f64> = match bypass {
            Bypass::Trails => x.iter().enumerate().map(|(n, x)| x * send(n)).collect(),
            _ => x.clone(),
        };
        let wet = full(&sent, &h);
        let expected: Vec<f64> = (shift..x.len())
            .map(|n| {
                let heard = if bypass == Bypass::Cut { send(n) } else { 1.0 };
                wet[n - shift] * heard + x[n - shift] * (1.0 - send(n))
            })
            .collect();
        assert_close(
            &out[shift..],
            &expected,
            bound::<f64>(&x, &[&h, &[1.0]]),
            &format!("{bypass:?}"),
        );
    }
}

#[test]
fn a_moving_source_with_equal_filters_stands_still() {
    let mut noise = Noise(17);
    let h: Vec<f32> = noise.response(20_000);
    let x: Vec<f32> = noise.samples(60_000);
    let (mut convolver, control) = Convolver::builder().build_with_control(&h).unwrap();
    // Equal, but prepared anew each time: 125 exchanges, each before the last has settled.
    let ready: Vec<_> = (0..125).map(|_| control.prepare(&h).unwrap()).collect();
    let mut out = vec![0.0; x.len()];
    for (k, (x, y)) in x.chunks(480).zip(out.chunks_mut(480)).enumerate() {
        control
            .set_prepared(std::slice::from_ref(&ready[k]), Swap::Warm)
            .unwrap();
        convolver.process(x, y);
    }
    let expected = full(&wide(&x), &wide(&h));
    let bound = bound::<f32>(&wide(&x), &[&wide(&h), &wide(&h)]);
    assert_close(&out, &expected, bound, "standing still");
    let status = control.status().unwrap();
    assert!(status.is_pending() && status.heard > 50, "{status:?}");
}

#[test]
fn ten_thousand_swaps_make_no_click() {
    // Smooth input through smooth responses: a jump would stand out in the second difference.
    let frames = 1_200;
    let bell = |shift: f64, scale: f64| -> Vec<f64> {
        let tap = |n: usize| {
            let x = (n as f64 - shift) / 150.0;
            scale * (-0.5 * x * x).exp() / 150.0
        };
        (0..frames).map(tap).collect()
    };
    let irs: Vec<Vec<f64>> = (0..8)
        .map(|k| bell(400.0 + 50.0 * k as f64, [1.0, -1.0, 0.5, 2.0][k % 4]))
        .collect();
    let settings = Settings {
        fade: 256,
        max_predelay: 0,
    };
    let builder = Convolver::builder().settings(settings).capacity(frames);
    let (mut convolver, control) = builder.build_with_control(&irs[0]).unwrap();
    let ready: Vec<_> = irs.iter().map(|ir| control.prepare(ir).unwrap()).collect();
    let mut noise = Noise(18);
    let (mut swaps, mut frame, mut out) = (0, 0usize, Vec::new());
    let mut block = vec![0.0; 700];
    let mut most_work = 0.0f64;
    let mut work = 0;
    while swaps < 10_000 {
        if noise.below(3) > 0 {
            let next = ready[noise.below(ready.len())].clone();
            let swap = [Swap::Warm, Swap::Warm, Swap::Ring, Swap::Cut][noise.below(4)];
            control.set_prepared(&[next], swap).unwrap();
            swaps += 1;
        }
        let n = 1 + noise.below(block.len());
        for x in &mut block[..n] {
            *x = (frame as f64 * 0.01).sin();
            frame += 1;
        }
        convolver.process_in_place(&mut block[..n]);
        out.extend_from_slice(&block[..n]);
        let now = convolver.counted_work();
        if n >= 64 && now > work {
            most_work = most_work.max((now - work) as f64 / n as f64);
        }
        work = now;
    }
    // The sine of 0.01 a frame at a gain of 2: second difference 2e-4. What a fade of 256 frames
    // between +2 and -1 adds: w'' <= 6 / 256^2 times 3, and 2 w' y' with w' <= 1.5 / 256 and
    // y' <= 0.03: together below 1e-3 for each of the parts that may fade at once (head, two
    // levels, two engines). A click of one part in a hundred would be 2e-2.
    let second = out
        .windows(3)
        .map(|w| (w[2] - 2.0 * w[1] + w[0]).abs())
        .fold(0.0, f64::max);
    assert!(second < 4e-3, "a second difference of {second:e}");
    let loudest = out.iter().fold(0.0f64, |m, y| m.max(y.abs()));
    assert!(loudest < 4.5, "{loudest}");
    let mut still = Convolver::new(&irs[0]).unwrap();
    let mut x = vec![1.0; 64 * 400];
    still.process_in_place(&mut x);
    let mean = still.counted_work() as f64 / x.len() as f64;
    // Two engines, each with two sets.
    assert!(
        most_work < 6.0 * mean,
        "{most_work} per frame where {mean} is usual"
    );
    let status = control.status().unwrap();
    assert_eq!(status.requested, 10_000);
}

#[test]
fn a_swap_costs_one_more_pass_at_most_and_flatly() {
    let mut noise = Noise(19);
    let (a, b): (Vec<f32>, Vec<f32>) = (noise.response(96_000), noise.response(96_000));
    let (mut convolver, control) = Convolver::builder().build_with_control(&a).unwrap();
    let block = noise.samples::<f32>(64);
    let calls = |convolver: &mut Convolver, count: usize| -> Vec<f64> {
        let mut call = || {
            let before = convolver.counted_work();
            convolver.process_in_place(&mut block.clone());
            (convolver.counted_work() - before) as f64
        };
        (0..count).map(|_| call()).collect()
    };
    calls(&mut convolver, 4_000);
    let still = calls(&mut convolver, 2_048);
    let mean = still.iter().sum::<f64>() / still.len() as f64;
    control.set_ir(&b).unwrap();
    let fading = calls(&mut convolver, 4_000);
    let worst = fading.iter().fold(0.0f64, |m, &w| m.max(w));
    assert!(worst <= 2.0 * 1.5 * mean, "{:.2} of the mean", worst / mean);
    assert!(!control.status().unwrap().is_pending());
    let after = calls(&mut convolver, 2_048);
    let again = after.iter().sum::<f64>() / after.len() as f64;
    assert!(
        (again / mean - 1.0).abs() < 0.02,
        "{again} after, {mean} before"
    );
}

#[test]
fn wishes_that_cannot_be_are_refused_with_their_numbers() {
    let (convolver, control) = Convolver::builder()
        .capacity(100)
        .build_with_control(&[1.0f32; 10])
        .unwrap();
    let text = |result: Result<(), ControlError>| result.unwrap_err().to_string();
    assert!(text(control.set_ir(&[1.0; 101])).contains("101 frames"));
    assert!(text(control.set_ir(&[])).contains("empty"));
    assert!(text(control.set_ir(&[f32::NAN])).contains("NaN"));
    assert!(text(control.set_irs(&[[1.0], [2.0]], Swap::Warm)).contains("2 impulse response(s)"));
    assert!(text(control.set_ir_at(3, &[1.0], Swap::Warm)).contains("no impulse response 3"));
    assert!(text(control.set_mix(1.5)).contains("1.5"));
    assert!(text(control.set_mix(f64::NAN)).contains("NaN"));
    assert!(text(control.set_gain(f64::INFINITY)).contains("inf"));
    assert!(text(control.set_predelay(50_000)).contains("48000"));
    let other = Plan::new(5_000).prepare(&[1.0f32]).unwrap();
    assert!(text(control.set_prepared(&[other], Swap::Warm)).contains("different plans"));
    assert_eq!(control.status().unwrap().requested, 0);
    drop(convolver);
    assert_eq!(control.set_ir(&[1.0]), Err(ControlError::Gone));
    assert_eq!(control.set_mix(0.5), Err(ControlError::Gone));
    assert_eq!(control.status(), Err(ControlError::Gone));
}

#[test]
fn without_its_control_it_plays_on_and_a_copy_is_on_its_own() {
    let (mut convolver, control) = Convolver::builder().build_with_control(&[1.0f32]).unwrap();
    control.set_ir(&[0.5]).unwrap();
    drop(control);
    let mut block = [1.0; 3_000];
    convolver.process_in_place(&mut block);
    assert_eq!((block[0] > 0.99, block[2_999]), (true, 0.5));

    let (mut convolver, control) = Convolver::builder().build_with_control(&[1.0f32]).unwrap();
    let mut copy = convolver.clone();
    control.set_ir(&[0.5]).unwrap();
    let (mut left, mut right) = ([1.0; 3_000], [1.0; 3_000]);
    convolver.process_in_place(&mut left);
    copy.process_in_place(&mut right);
    assert_eq!((left[2_999], right[2_999]), (0.5, 1.0));
}

#[test]
fn a_copy_plays_on_with_no_room_for_a_predelay() {
    let settings = Settings {
        max_predelay: 0,
        ..Settings::default()
    };
    let builder = Convolver::builder().settings(settings).capacity(2_000);
    let (mut convolver, control) = builder.build_with_control(&[0.5f32; 2_000]).unwrap();
    let mut block = [1.0; 500];
    convolver.process_in_place(&mut block);
    control.set_ir(&[0.25; 1_000]).unwrap();
    convolver.process_in_place(&mut block);
    let mut copy = convolver.clone();
    let (mut left, mut right) = ([0.5; 5_000], [0.5; 5_000]);
    convolver.process_in_place(&mut left);
    copy.process_in_place(&mut right);
    assert!(left == right);
}

#[test]
fn the_tail_is_that_of_what_is_still_heard() {
    let mut noise = Noise(40);
    let (long, short): (Vec<f32>, Vec<f32>) = (noise.response(60_000), noise.response(100));
    for swap in [Swap::Warm, Swap::Ring, Swap::Cut] {
        let (mut convolver, control) = Convolver::builder().build_with_control(&long).unwrap();
        let mut block: Vec<f32> = noise.samples(480);
        convolver.process_in_place(&mut block);
        control.set_irs(&[&short], swap).unwrap();
        let mut waited = 0;
        while control.status().unwrap().is_pending() {
            let mut block: Vec<f32> = noise.samples(480);
            convolver.process_in_place(&mut block);
            waited += 480;
        }
        assert!(waited < 200_000, "{swap:?}: {waited}");
        assert_eq!(convolver.tail_len(), 99, "{swap:?}");
        let mut tail = vec![0.0; 1_000];
        assert_eq!(convolver.drain(&mut tail), 99, "{swap:?}");
        assert_eq!(convolver.drain(&mut tail), 0, "{swap:?}");
    }
}

#[test]
fn settled_means_that_nothing_else_is_heard() {
    // One tap far behind, where the largest level has it.
    let (mut a, b) = (vec![0.0f64; 200_000], vec![0.0f64; 200_000]);
    a[199_000] = 1.0;
    let (mut convolver, control) = Convolver::builder().build_with_control(&a).unwrap();
    let mut block = vec![1.0; 64];
    for _ in 0..6_000 {
        block.fill(1.0);
        convolver.process_in_place(&mut block);
    }
    control.set_ir(&b).unwrap();
    let mut last = 0;
    for call in 0..6_000 {
        block.fill(1.0);
        convolver.process_in_place(&mut block);
        if block.iter().any(|y| y.abs() > 1e-9) {
            last = call;
        }
        if !control.status().unwrap().is_pending() {
            assert!(call >= last);
            for _ in 0..3_000 {
                block.fill(1.0);
                convolver.process_in_place(&mut block);
                assert!(
                    block.iter().all(|y| y.abs() < 1e-9),
                    "heard after it had settled"
                );
            }
            return;
        }
    }
    panic!("never settled");
}

#[test]
fn a_fault_passes_in_the_middle_of_exchanges() {
    let mut noise = Noise(41);
    let irs: Vec<Vec<f32>> = (0..3).map(|_| noise.response(3_000)).collect();
    for swap in [Swap::Warm, Swap::Ring, Swap::Cut] {
        let (mut convolver, control) = Convolver::builder().build_with_control(&irs[0]).unwrap();
        let mut x: Vec<f32> = noise.samples(30_000);
        x[9_990] = f32::NAN;
        let irs = &irs;
        let set = move |k: usize| move |c: &Control<f32>| c.set_irs(&[&irs[k]], swap).unwrap();
        let events: Vec<Event<'_, f32>> =
            vec![(10_000, Box::new(set(1))), (12_000, Box::new(set(2)))];
        let out = play(&mut convolver, &control, &x, &events, 300, 42);
        let faults: Vec<usize> = (0..out.len()).filter(|&n| !out[n].is_finite()).collect();
        assert_eq!(faults[0], 9_990);
        let last = *faults.last().unwrap();
        // One response, and one block that held it.
        assert!(last < 9_990 + 3_000 + 300, "{swap:?}: {last}");
    }
}

#[test]
fn the_tail_has_its_predelay_and_new_answers() {
    // One tap: no tail but the pre-delay.
    let (mut convolver, control) = Convolver::builder()
        .capacity(5_000)
        .build_with_control(&[1.0f64])
        .unwrap();
    control.set_predelay(3_000).unwrap();
    convolver.process_in_place(&mut [0.0; 2_000]);
    let x: Vec<f64> = Noise(50).samples(1_000);
    let mut out = x.clone();
    convolver.process_in_place(&mut out);
    let mut tail = vec![9.0; 5_000];
    assert_eq!(convolver.drain(&mut tail), 3_000);
    assert!(out.iter().all(|&y| y == 0.0) && tail[2_000..3_000] == x[..]);

    // What takes over in the tail answers to what was heard before.
    let new: Vec<f64> = Noise(51).response(4_000);
    let (mut convolver, control) = Convolver::builder()
        .capacity(5_000)
        .build_with_control(&[1.0f64])
        .unwrap();
    convolver.process_in_place(&mut x.clone());
    control.set_ir(&new).unwrap();
    assert_eq!(convolver.drain(&mut tail), 3_999);
    let expected = full(&x, &new);
    assert_close(&tail[3_500..3_999], &expected[4_500..], 1e-12, "answer");
}

#[test]
fn gains_that_are_no_samples_are_refused_and_large_ones_pass() {
    let (mut convolver, control) = Convolver::builder().build_with_control(&[1.0f32]).unwrap();
    assert_eq!(control.set_gain(1e39), Err(ControlError::Gain(1e39)));
    let mut block = [0.0; 3_000];
    for gain in [3e38, -3e38, 0.5] {
        control.set_gain(gain).unwrap();
        convolver.process_in_place(&mut block);
    }
    block.fill(1.0);
    convolver.process_in_place(&mut block);
    assert!(block.iter().all(|&y| y == 0.5));
}

#[test]
fn what_is_not_heard_does_no_harm() {
    let fault = |bypass: Bypass, mix: f64| {
        let h: Vec<f32> = Noise(60).response(3_000);
        let (mut convolver, control) = Convolver::builder().build_with_control(&h).unwrap();
        control.bypass(bypass).unwrap();
        control.set_mix(mix).unwrap();
        convolver.process_in_place(&mut [0.0; 5_000]);
        let mut block = vec![0.25; 5_000];
        block[100] = f32::INFINITY;
        convolver.process_in_place(&mut block);
        block.remove(100);
        block.iter().all(|y| y.is_finite())
    };
    assert!(fault(Bypass::Cut, 1.0));
    assert!(fault(Bypass::Trails, 1.0));
    assert!(fault(Bypass::Off, 0.0));
    assert!(!fault(Bypass::Off, 0.5));
}

#[test]
fn a_copy_in_the_middle_of_a_ring_rings_on() {
    let mut noise = Noise(70);
    let (a, b): (Vec<f32>, Vec<f32>) = (noise.response(5_000), noise.response(2_000));
    let builder = Convolver::builder().capacity(5_000);
    let (mut convolver, control) = builder.build_with_control(&a).unwrap();
    convolver.process_in_place(&mut noise.samples::<f32>(3_000));
    control.set_irs(&[&b], Swap::Ring).unwrap();
    convolver.process_in_place(&mut noise.samples::<f32>(300));
    control.set_irs(&[&a], Swap::Cut).unwrap();
    convolver.process_in_place(&mut noise.samples::<f32>(300));
    let mut copy = convolver.clone();
    let (mut left, mut right) = (noise.samples::<f32>(20_000), Vec::new());
    right.clone_from(&left);
    convolver.process_in_place(&mut left);
    copy.process_in_place(&mut right);
    assert!(left == right);
}

#[test]
fn reset_forgets_the_sound_and_keeps_the_wishes() {
    let (mut convolver, control) = Convolver::builder()
        .build_with_control(&[1.0f32, 1.0])
        .unwrap();
    let mut block = [1.0; 100];
    convolver.process_in_place(&mut block);
    control.set_irs(&[[0.5, 0.0]], Swap::Ring).unwrap();
    control.set_gain(2.0).unwrap();
    convolver.process_in_place(&mut block);
    convolver.reset();
    let mut impulse = [1.0, 0.0, 0.0];
    convolver.process_in_place(&mut impulse);
    assert_eq!(impulse, [1.0, 0.0, 0.0]);
    let mut tail = [1.0; 100];
    assert_eq!((convolver.drain(&mut tail), tail[0]), (1, 0.0));
}

#[test]
fn two_threads_at_once_stay_sound() {
    let irs: Vec<Vec<f32>> = (1..=4).map(|k| vec![0.25 * k as f32; 700]).collect();
    let plan = Plan::new(700);
    let routing = Routing::Custom {
        outputs: 3,
        routes: vec![
            Route {
                input: 0,
                output: 0,
                ir: 0,
            },
            Route {
                input: 1,
                output: 2,
                ir: 1,
            },
        ],
    };
    let made = MatrixConvolver::with_control(&plan, 2, &irs[..2], &routing, Settings::default());
    let (mut matrix, control) = made.unwrap();
    let (stop, start) = (Arc::new(AtomicBool::new(false)), Arc::new(Barrier::new(3)));
    let threads: Vec<_> = (0..2)
        .map(|seed| {
            let (control, stop, start) = (control.clone(), stop.clone(), start.clone());
            let irs = irs.clone();
            std::thread::spawn(move || {
                let mut noise = Noise(20 + seed);
                start.wait();
                while !stop.load(Ordering::Relaxed) {
                    let ir = &irs[noise.below(4)];
                    let swap = [Swap::Warm, Swap::Warm, Swap::Ring, Swap::Cut][noise.below(4)];
                    match noise.below(5) {
                        0 => control.set_ir_at(noise.below(2), ir, swap).unwrap(),
                        1 => control.set_irs(&[ir, ir], swap).unwrap(),
                        2 => control.set_mix(noise.below(11) as f64 / 10.0).unwrap(),
                        3 => control.set_predelay(noise.below(1_000)).unwrap(),
                        _ => drop(control.status().unwrap()),
                    }
                }
            })
        })
        .collect();
    start.wait();
    let mut noise = Noise(30);
    let mut loudest = 0.0f32;
    for _ in 0..6_000 {
        let n = noise.below(200);
        let input = vec![vec![1.0f32; n]; 2];
        let mut output = vec![vec![0.0f32; n]; 3];
        matrix.process(&input, &mut output);
        loudest = output.iter().flatten().fold(loudest, |m, y| m.max(y.abs()));
        assert!(output.iter().flatten().all(|y| y.is_finite()));
    }
    stop.store(true, Ordering::Relaxed);
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    // 700 taps of at most 1, in two engines at most.
    assert!(loudest < 1_500.0, "{loudest}");
    let mut input = vec![vec![0.0f32; 3_000]; 2];
    let mut output = vec![vec![0.0f32; 3_000]; 3];
    control.set_mix(1.0).unwrap();
    for _ in 0..4 {
        matrix.process(&input, &mut output);
    }
    input[0][0] = 1.0;
    matrix.process(&input, &mut output);
    let status = control.status().unwrap();
    assert!(!status.is_pending(), "{status:?}");
    assert!(
        output[1].iter().all(|&y| y == 0.0),
        "an output without a route"
    );
}
