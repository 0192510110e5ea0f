//! The contract: what holds for every partition scheme and every sample type.

mod signals;

use faltung::dsp::stored::{Analysis, StoredConvolver};
use faltung::{
    Convolver, Cpu, Latency, MatrixConvolver, Method, Mode, Partition, Plan, Route, Routing,
    Sample, convolve, convolve_with,
};
use signals::{Noise, norm, wide};

/// The direct sum in double precision.
fn exact<T: Sample>(x: &[T], h: &[T]) -> Vec<f64> {
    convolve_with(&wide(x), &wide(h), Mode::Full, Method::Direct).unwrap()
}

/// 8 * eps * log2(FFT length) * ||x|| * ||h||
fn bound<T: Sample>(x: &[T], h: &[T]) -> f64 {
    let length = (x.len() + h.len()) as f64;
    8.0 * T::epsilon().wide() * length.log2().max(1.0) * norm(x) * norm(h)
}

fn stream<T: Sample>(convolver: &mut Convolver<T>, x: &[T], calls: &[usize]) -> Vec<T> {
    let mut out = vec![T::zero(); x.len()];
    let mut at = 0;
    for &n in calls {
        convolver.process(&x[at..at + n], &mut out[at..at + n]);
        at += n;
    }
    assert_eq!(at, x.len());
    out
}

fn drain_in<T: Sample>(convolver: &mut Convolver<T>, piece: usize, out: &mut Vec<T>) {
    let mut block = vec![T::zero(); piece];
    loop {
        let frames = convolver.drain(&mut block);
        out.extend_from_slice(&block[..frames]);
        if frames == 0 {
            return;
        }
    }
}

fn build<T: Sample>(plan: Plan, latency: Latency, h: &[T]) -> Convolver<T> {
    let plan = plan.with_capacity(h.len()).with_latency(latency);
    plan.prepare(h).unwrap().into()
}

/// A plan that cuts so.
fn cut(partition: Partition) -> Plan {
    Plan::new(1).with_partition(partition)
}

/// Each path through the kernels that this machine can take, forced in turn.
fn each_cpu(plan: Plan, promise: impl Fn(Plan)) {
    for cpu in Cpu::available() {
        promise(plan.with_cpu(cpu));
    }
}

/// (input, response) lengths: one tap, shorter and longer than a block, not a multiple of it.
const LENGTHS: [(usize, usize); 9] = [
    (1, 1),
    (1, 777),
    (777, 1),
    (63, 65),
    (500, 64),
    (1000, 129),
    (3000, 2000),
    (100, 5000),
    (20_000, 9001),
];

fn blocks_and_tail_equal_the_whole<T: Sample>(plan: Plan) {
    for latency in [Latency::Zero, Latency::AtMost(64), Latency::AtMost(5000)] {
        let mut noise = Noise(1);
        for (n, m) in LENGTHS {
            let (x, h) = (noise.samples::<T>(n), noise.response::<T>(m));
            let mut convolver = build(plan, latency, &h);
            let calls = noise.calls(n, 700);
            let mut out = stream(&mut convolver, &x, &calls);
            drain_in(&mut convolver, 97, &mut out);
            assert_eq!(convolver.tail_len(), m - 1);
            let silence = convolver.latency();
            match latency {
                Latency::Zero => assert_eq!(silence, 0),
                Latency::AtMost(most) => assert!(silence <= most),
            }
            assert_eq!(out.len(), silence + n + m - 1, "{n} x {m}, {latency:?}");
            let (want, bound) = (exact(&x, &h), bound(&x, &h));
            for (k, y) in out[..silence].iter().enumerate() {
                assert!(y.wide().abs() <= bound, "latency frame {k}: {y}");
            }
            for (k, (y, want)) in out[silence..].iter().zip(&want).enumerate() {
                let error = (y.wide() - want).abs();
                assert!(
                    error <= bound,
                    "{n} x {m}, {latency:?}, frame {k}: {error:e} > {bound:e}"
                );
            }
        }
    }
}

fn chopping_changes_no_bit<T: Sample>(plan: Plan) {
    for latency in [Latency::Zero, Latency::AtMost(512)] {
        let mut noise = Noise(2);
        let n = 12_000;
        let (mut x, h) = (noise.samples::<T>(n), noise.response::<T>(5001));
        // Silence, and what is nothing beside the rest.
        x[3000..3100].fill(T::zero());
        let nothing = num_traits::Float::powf(T::min_positive_value(), T::of(0.6));
        x[5000..5200].iter_mut().for_each(|x| *x *= nothing);
        let mut convolver = build(plan, latency, &h);
        let mut whole = stream(&mut convolver, &x, &[n]);
        drain_in(&mut convolver, 100_000, &mut whole);
        let choppings = [
            vec![1; n],
            [[4096].repeat(2), vec![n - 8192]].concat(),
            [0, 1, 0, 63, 0, 0]
                .repeat(n / 64)
                .into_iter()
                .chain([n % 64])
                .collect(),
            noise.calls(n, 3),
            noise.calls(n, 65),
            noise.calls(n, 1000),
        ];
        for (index, calls) in choppings.iter().enumerate() {
            convolver.reset();
            let mut pieces = stream(&mut convolver, &x, calls);
            drain_in(
                &mut convolver,
                [1, 7, 64, 500, 1024, 9999][index],
                &mut pieces,
            );
            let same = whole
                .iter()
                .zip(&pieces)
                .position(|(a, b)| a.wide().to_bits() != b.wide().to_bits());
            assert_eq!(whole.len(), pieces.len());
            assert_eq!(
                same, None,
                "chopping {index}, {latency:?}: first frame that differs"
            );
        }
    }
}

fn what_has_decayed_to_nothing_is_nothing<T: Sample>(plan: Plan) {
    let mut noise = Noise(8);
    let (mut x, h) = (noise.samples::<T>(4000), noise.response::<T>(300));
    let nothing = num_traits::Float::powf(T::min_positive_value(), T::of(0.6));
    x[1000..].iter_mut().for_each(|x| *x *= nothing);
    let mut convolver = build(plan, Latency::Zero, &h);
    let whole = stream(&mut convolver, &x, &[4000]);
    assert!(whole[1000] != T::zero() && whole[2500..].iter().all(|&y| y == T::zero()));
    for calls in [vec![1; 4000], noise.calls(4000, 3), noise.calls(4000, 70)] {
        convolver.reset();
        assert!(whole == stream(&mut convolver, &x, &calls));
    }
}

fn what_underflows_is_cut_alike<T: Sample>(plan: Plan) {
    let mut noise = Noise(9);
    let (mut x, mut h) = (noise.samples::<T>(4000), noise.response::<T>(900));
    let tiny = |power| num_traits::Float::powf(T::min_positive_value(), T::of(power));
    x.iter_mut().for_each(|x| *x *= tiny(0.8));
    x[1000..].fill(T::zero());
    h.iter_mut().for_each(|h| *h *= tiny(0.35));
    let mut convolver = build(plan, Latency::Zero, &h);
    let bits = |y: Vec<T>| y.iter().map(|y| y.wide().to_bits()).collect::<Vec<_>>();
    let whole = bits(stream(&mut convolver, &x, &[4000]));
    for calls in [vec![1; 4000], vec![16; 250], noise.calls(4000, 40)] {
        convolver.reset();
        assert!(whole == bits(stream(&mut convolver, &x, &calls)));
    }
}

fn in_place_and_a_clone_give_the_same_bits<T: Sample>(plan: Plan) {
    let mut noise = Noise(3);
    let (x, h) = (noise.samples::<T>(3000), noise.response::<T>(1500));
    let mut convolver = build(plan, Latency::Zero, &h);
    let mut twin = convolver.clone();
    let out = stream(&mut convolver, &x, &[1000, 2000]);
    let mut block = x.clone();
    twin.process_in_place(&mut block[..1234]);
    twin.process_in_place(&mut block[1234..]);
    assert_eq!(out, block);
}

fn a_reset_convolver_is_a_new_one<T: Sample>(plan: Plan) {
    let mut noise = Noise(4);
    let (x, h) = (noise.samples::<T>(7000), noise.response::<T>(3000));
    let mut used = build(plan, Latency::Zero, &h);
    stream(&mut used, &noise.samples(4321), &[4321]);
    used.process(&[T::nan()], &mut [T::zero()]);
    used.reset();
    assert_eq!(used.drain(&mut [T::zero(); 10]), 0);
    let mut fresh = build(plan, Latency::Zero, &h);
    let (mut a, mut b) = (
        stream(&mut used, &x, &[7000]),
        stream(&mut fresh, &x, &[7000]),
    );
    drain_in(&mut used, 1000, &mut a);
    drain_in(&mut fresh, 1000, &mut b);
    assert_eq!(a, b);
    // Nothing goes on where the last input stopped, either.
    used.reset();
    stream(&mut used, &x[..5], &[5]);
    used.reset();
    let late = [&[T::zero(); 5], &x[..95]].concat();
    let mut fresh = build(plan, Latency::Zero, &h);
    let want = stream(&mut fresh, &late, &[100]);
    assert_eq!(stream(&mut used, &late, &[1; 100]), want);
}

fn a_tail_may_be_left_and_the_stream_goes_on<T: Sample>(plan: Plan) {
    let mut noise = Noise(5);
    let (x, h) = (noise.samples::<T>(2000), noise.response::<T>(900));
    let mut convolver = build(plan, Latency::Zero, &h);
    let mut out = stream(&mut convolver, &x[..1000], &[1000]);
    let mut gap = [T::zero(); 300];
    assert_eq!(convolver.drain(&mut gap), 300);
    out.extend_from_slice(&gap);
    out.extend(stream(&mut convolver, &x[1000..], &[1000]));
    drain_in(&mut convolver, 64, &mut out);
    let with_gap = [&x[..1000], &[T::zero(); 300], &x[1000..]].concat();
    let mut whole = build(plan, Latency::Zero, &h);
    let mut want = stream(&mut whole, &with_gap, &[2300]);
    drain_in(&mut whole, 1000, &mut want);
    assert_eq!(out, want);
}

fn a_fault_passes<T: Sample>(plan: Plan) {
    for latency in [Latency::Zero, Latency::AtMost(128)] {
        for (at, fault) in [
            (0, T::nan()),
            (700, T::infinity()),
            (1111, T::neg_infinity()),
        ] {
            let mut noise = Noise(6);
            let m = 1000;
            let (x, h) = (noise.samples::<T>(5000), noise.response::<T>(m));
            let mut faulty = x.clone();
            faulty[at] = fault;
            let mut silenced = x.clone();
            silenced[at] = T::zero();
            let calls = noise.calls(5000, 200);
            let mut convolver = build(plan, latency, &h);
            let harmed = stream(&mut convolver, &faulty, &calls);
            let clean = stream(&mut build(plan, latency, &h), &silenced, &calls);
            convolver.reset();
            let frame_by_frame = stream(&mut convolver, &faulty, &[1; 5000]);
            let same = |(a, b): (&T, &T)| a.wide().to_bits() == b.wide().to_bits();
            assert!(harmed.iter().zip(&frame_by_frame).all(same));
            let first = at + convolver.latency();
            for k in 0..5000 {
                if (first..first + m).contains(&k) {
                    assert!(harmed[k].is_nan(), "frame {k} must not look healthy");
                } else {
                    assert_eq!(harmed[k], clean[k], "frame {k}, fault at {at}, {latency:?}");
                }
            }
        }
    }
}

fn a_matrix_is_the_sum_of_its_routes<T: Sample>(plan: Plan) {
    let mut noise = Noise(7);
    let plan = plan.with_capacity(1200);
    let irs = [
        noise.response::<T>(1200),
        noise.response::<T>(300),
        noise.response::<T>(1),
    ];
    let x: Vec<Vec<T>> = (0..3).map(|_| noise.samples(2500)).collect();
    let route = |input, output, ir| Route { input, output, ir };
    let routes = vec![
        route(0, 0, 0),
        route(1, 0, 1),
        route(2, 0, 2),
        route(2, 1, 0),
        route(0, 3, 2),
        route(0, 3, 1),
    ];
    let routing = Routing::Custom {
        outputs: 4,
        routes: routes.clone(),
    };
    let mut matrix = MatrixConvolver::new(&plan, 3, &irs, &routing).unwrap();
    let (mut interleaved, mut single) = (matrix.clone(), matrix.clone());
    let mut out: Vec<Vec<T>> = vec![Vec::new(); 4];
    let mut at = 0;
    for n in noise.calls(2500, 333) {
        let input: Vec<&[T]> = x.iter().map(|x| &x[at..at + n]).collect();
        let mut block = vec![vec![T::zero(); n]; 4];
        matrix.process(&input, &mut block);
        let frames = (at..at + n).flat_map(|k| [x[0][k], x[1][k], x[2][k]]);
        let mut mixed = vec![T::zero(); n * 4];
        interleaved.process_interleaved(&frames.collect::<Vec<T>>(), &mut mixed);
        for (k, y) in mixed.iter().enumerate() {
            assert_eq!(*y, block[k % 4][k / 4]);
        }
        // Frame by frame, now of planes and now side by side.
        for k in 0..n {
            let mut frame = [T::zero(); 4];
            let input: Vec<&[T]> = x.iter().map(|x| &x[at + k..][..1]).collect();
            match k % 3 {
                0 => {
                    let input: Vec<T> = input.iter().map(|x| x[0]).collect();
                    single.process_interleaved(&input, &mut frame);
                }
                _ => {
                    let mut planes: Vec<&mut [T]> = frame.chunks_mut(1).collect();
                    single.process(&input, &mut planes);
                }
            }
            for (y, block) in frame.iter().zip(&block) {
                assert_eq!(*y, block[k]);
            }
        }
        out.iter_mut()
            .zip(&block)
            .for_each(|(out, b)| out.extend(b));
        at += n;
    }
    let mut block = vec![vec![T::zero(); 100]; 4];
    loop {
        let frames = matrix.drain(&mut block);
        if frames == 0 {
            break;
        }
        out.iter_mut()
            .zip(&block)
            .for_each(|(out, b)| out.extend(&b[..frames]));
    }
    for (output, got) in out.iter().enumerate() {
        assert_eq!(got.len(), 2500 + 1199);
        let mut want = vec![0.0; got.len()];
        let mut most = 0.0;
        for r in routes.iter().filter(|r| r.output == output) {
            let share = exact(&x[r.input], &irs[r.ir]);
            want.iter_mut().zip(share).for_each(|(w, s)| *w += s);
            most += bound(&x[r.input], &irs[r.ir]);
        }
        for (k, (y, want)) in got.iter().zip(&want).enumerate() {
            let error = (y.wide() - want).abs();
            assert!(
                error <= most,
                "output {output}, frame {k}: {error:e} > {most:e}"
            );
        }
    }
}

macro_rules! contract {
    ($name:ident, $plan:expr) => {
        mod $name {
            use super::*;
            contract!(@each $plan,
                blocks_and_tail_equal_the_whole
                chopping_changes_no_bit
                what_has_decayed_to_nothing_is_nothing
                what_underflows_is_cut_alike
                in_place_and_a_clone_give_the_same_bits
                a_reset_convolver_is_a_new_one
                a_tail_may_be_left_and_the_stream_goes_on
                a_fault_passes
                a_matrix_is_the_sum_of_its_routes
            );
        }
    };
    (@each $plan:expr, $($promise:ident)*) => {
        mod in_f32 {
            use super::*;
            $(#[test] fn $promise() { each_cpu($plan, super::super::$promise::<f32>); })*
        }
        mod in_f64 {
            use super::*;
            $(#[test] fn $promise() { each_cpu($plan, super::super::$promise::<f64>); })*
        }
    };
}

/// Levels from `first` on that grow by `growth`.
fn levels(first: usize, growth: usize) -> Plan {
    cut(Partition::Levels { first, growth })
}

fn uniform(block: usize) -> Plan {
    cut(Partition::Uniform { block })
}

contract!(automatic, cut(Partition::Auto));
contract!(automatic_for_swaps, cut(Partition::Auto).for_swaps());
contract!(direct, cut(Partition::Direct));
contract!(uniform_16, uniform(16));
contract!(uniform_64, uniform(64));
contract!(uniform_128, uniform(128));
contract!(uniform_512, uniform(512));
contract!(uniform_8192, uniform(8192));
contract!(levels_16_16_times, levels(16, 16));
contract!(levels_32_twice, levels(32, 2));
contract!(levels_64_512_4096, levels(64, 8));
contract!(levels_64_512_4096_for_swaps, levels(64, 8).for_swaps());
contract!(levels_256_4096, levels(256, 16));

#[test]
fn a_matrix_without_outputs_only_listens() {
    for plan in [uniform(64), levels(64, 8), Plan::new(0)] {
        let routing = Routing::Custom {
            outputs: 0,
            routes: vec![],
        };
        let irs = [Noise(1).response::<f32>(2000)];
        let plan = plan.with_capacity(2000);
        let mut matrix = MatrixConvolver::new(&plan, 1, &irs, &routing).unwrap();
        let none: &mut [Vec<f32>] = &mut [];
        matrix.process(&[[0.5; 3000]], none);
    }
}

#[test]
fn one_channel_may_go_no_way_or_two() {
    for cpu in Cpu::available() {
        one_channel_goes_no_way_or_two::<f32>(cpu);
        one_channel_goes_no_way_or_two::<f64>(cpu);
    }
}

fn one_channel_goes_no_way_or_two<T: Sample>(cpu: Cpu) {
    let mut noise = Noise(9);
    let irs = [noise.response::<T>(500), noise.response::<T>(700)];
    let x = noise.samples::<T>(2000);
    let route = |ir| Route {
        input: 0,
        output: 0,
        ir,
    };
    for plan in [uniform(64), levels(64, 8), cut(Partition::Direct)] {
        for routes in [vec![], vec![route(1)], vec![route(0), route(1)]] {
            let mut want = vec![0.0; x.len()];
            for route in &routes {
                let share = exact(&x, &irs[route.ir]);
                want.iter_mut().zip(share).for_each(|(w, s)| *w += s);
            }
            let routing = Routing::Custom { outputs: 1, routes };
            let plan = plan.with_capacity(700).with_cpu(cpu);
            let mut blocks = MatrixConvolver::new(&plan, 1, &irs, &routing).unwrap();
            let mut frames = blocks.clone();
            let most = bound(&x, &irs[0]) + bound(&x, &irs[1]);
            let mut y = [vec![T::zero(); x.len()]];
            blocks.process(&[&x], &mut y);
            for (n, x) in x.chunks(1).enumerate() {
                let mut frame = [[T::zero()]];
                match n % 5 {
                    0 => frames.process(&[x], &mut frame),
                    _ => frames.process_interleaved(x, &mut frame[0]),
                }
                let bits = [frame[0][0], y[0][n]].map(|y| y.wide().to_bits());
                assert_eq!(bits[0], bits[1], "{cpu}, frame {n}");
                assert!((y[0][n].wide() - want[n]).abs() <= most, "{cpu}, frame {n}");
            }
        }
    }
}

#[test]
fn one_shot_and_stream_are_the_same_convolution() {
    let mut noise = Noise(8);
    for (n, m) in LENGTHS {
        let (x, h) = (noise.samples::<f32>(n), noise.response::<f32>(m));
        let want = exact(&x, &h);
        for method in [Method::Auto, Method::Direct, Method::Fft] {
            let full = convolve_with(&x, &h, Mode::Full, method).unwrap();
            assert_eq!(full.len(), want.len());
            for (y, want) in full.iter().zip(&want) {
                assert!((f64::from(*y) - want).abs() <= bound(&x, &h), "{method:?}");
            }
        }
    }
    assert_eq!(
        convolve(&[1, 5], &[3, 4, 2], Mode::Full).unwrap(),
        [3, 19, 22, 10]
    );
}

#[test]
#[should_panic(expected = "buffers of unequal length: 3 and 2 samples")]
fn unequal_buffers_panic_as_copy_from_slice_does() {
    let mut convolver = Convolver::new(&[1.0f32]).unwrap();
    convolver.process(&[0.0; 3], &mut [0.0; 2]);
}

#[test]
fn a_convolver_can_be_sent_and_a_prepared_response_shared() {
    fn send<T: Send>() {}
    fn sync<T: Send + Sync + Clone>() {}
    send::<Convolver<f32>>();
    send::<MatrixConvolver<f64>>();
    sync::<faltung::Prepared<f32>>();
}

/// A stored signal in blocks, so many at once.
fn stored<T: Sample>(convolver: &StoredConvolver<T>, x: &[T], group: usize) -> Vec<T> {
    let (block, frames) = (convolver.block(), x.len() + convolver.tail_len());
    let mut desk = convolver.desk();
    let mut past: Vec<Analysis<T>> = Vec::new();
    let mut out = Vec::new();
    let blocks: Vec<usize> = (0..frames.div_ceil(block)).collect();
    let cut = |k: usize| {
        let from = x.iter().skip(k * block).take(block);
        let mut cut: Vec<T> = from.copied().collect();
        cut.resize(block, T::zero());
        [cut]
    };
    for group in blocks.chunks(group) {
        for &k in group {
            past.insert(0, convolver.analyse(&cut(k), &mut desk, None));
        }
        let mut answer = vec![vec![T::nan(); block]; group.len()];
        let all: Vec<&Analysis<T>> = past.iter().collect();
        convolver.answer(0, &all, &mut desk, &mut answer);
        out.extend(answer.into_iter().flatten());
    }
    out.truncate(frames);
    out
}

fn stored_signals_equal_the_whole<T: Sample>() {
    for cpu in Cpu::available() {
        let mut noise = Noise(7);
        for (n, m) in LENGTHS {
            let (x, h) = (noise.samples::<T>(n), noise.response::<T>(m));
            let (want, bound) = (exact(&x, &h), bound(&x, &h));
            // What costs least, and so small blocks that there are many.
            let small = Plan::new(m)
                .with_partition(Partition::Uniform { block: 256 })
                .with_latency(Latency::AtMost(256));
            for plan in [Plan::for_throughput(m), small] {
                let plan = plan.with_cpu(cpu);
                let convolver =
                    StoredConvolver::new(&plan, 1, &[&h[..]], &Routing::Shared).unwrap();
                let out = stored(&convolver, &x, 1);
                assert_eq!(out.len(), want.len());
                for (k, (y, want)) in out.iter().zip(&want).enumerate() {
                    let error = (y.wide() - want).abs();
                    assert!(error <= bound, "{n} x {m}, {cpu}, frame {k}: {error:e}");
                }
                for group in [convolver.group(), 3] {
                    let together = stored(&convolver, &x, group);
                    assert!(together == out, "{n} x {m}, {cpu}, {group} at once");
                }
            }
        }
    }
}

#[test]
fn stored_signals_equal_the_whole_in_f32() {
    stored_signals_equal_the_whole::<f32>();
}

#[test]
fn stored_signals_equal_the_whole_in_f64() {
    stored_signals_equal_the_whole::<f64>();
}
