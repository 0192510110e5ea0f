//! The transform against its definition and against direct convolution, on every CPU path.

use std::f64::consts::TAU;
use std::sync::Arc;

use super::super::delay_line::DelayLine;
use super::super::direct::{Begun, First, GROUP, Past, arrange, fir, lookback, next};
use super::super::product::{Partitions, Pasts, Path, Run};
use super::super::spectra::Spectra;
use super::*;
use crate::kernel::{Body, Lane};

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        self.0 >> 33
    }

    fn below(&mut self, n: usize) -> usize {
        self.next() as usize % n
    }

    fn samples<T: Sample>(&mut self, len: usize) -> Vec<T> {
        (0..len)
            .map(|_| T::of(self.next() as f64 / (1u64 << 30) as f64 - 1.0))
            .collect()
    }
}

fn sizes() -> impl Iterator<Item = usize> {
    (4..=17).map(|n| 1 << n)
}

/// The spectrum of some points, in one call.
fn forward<T: Sample>(transform: &Transform<T>, points: Points<'_, T>) -> Buffer<T> {
    let mut work = Buffer::zeros(transform.work_len());
    let mut spectrum = Buffer::zeros(2 * transform.block());
    transform.run_forward(
        0..transform.steps(),
        points,
        &mut work,
        Slot::near(&mut spectrum, 0),
    );
    spectrum
}

/// A past of one block and a response of one window, ready to be multiplied.
struct Pair<T> {
    lines: [DelayLine<T>; 1],
    paths: [Path<T>; 1],
    runs: [Run; 1],
}

impl<T: Sample> Pair<T> {
    fn new(transform: &Transform<T>, block: &[T], window: &[T]) -> Self {
        let mut line = DelayLine::new(transform.block(), 1);
        line.turn(false);
        let mut work = Buffer::zeros(transform.work_len());
        let past = line.spectra_mut().samples_mut();
        transform.forward(0..transform.steps(), block, &mut work, Slot::near(past, 0));
        let mut spectra = Spectra::new(transform.block(), 1);
        transform.response(window, spectra.samples_mut(), 0);
        let partitions = Partitions {
            spectra,
            silent: vec![false],
            all_sound: true,
        };
        Self {
            lines: [line],
            paths: [Path {
                input: 0,
                partitions: Arc::new(partitions),
            }],
            runs: [Run {
                path: 0,
                slot: 0,
                part: 0,
                count: 1,
            }],
        }
    }

    fn sum(&self) -> Sum<'_, T> {
        Sum {
            begun: None,
            runs: &self.runs,
            paths: &self.paths,
            pasts: Pasts::Lines(&self.lines),
        }
    }
}

fn inverse<T: Sample>(transform: &Transform<T>, sum: Sum<'_, T>) -> Vec<T> {
    let mut work = Buffer::zeros(transform.work_len());
    let mut out = vec![T::zero(); transform.block()];
    transform.inverse(0..transform.steps(), sum, &mut work, &mut out);
    out
}

/// Bins as pairs, tile by tile.
fn bins<T: Sample>(transform: &Transform<T>, spectrum: &[T]) -> Vec<(f64, f64)> {
    let tile = transform.tile;
    let pairs = |t: &[T]| -> Vec<_> {
        (0..tile)
            .map(|k| (t[k].wide(), t[tile + k].wide()))
            .collect()
    };
    spectrum.chunks(2 * tile).flat_map(pairs).collect()
}

fn db(error: f64, of: f64) -> f64 {
    10.0 * (error / of).log10()
}

/// The error of what came out beside what should have, pair by pair.
fn error(pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (error, power) = pairs.fold((0.0, 0.0), |(error, power), (y, expected)| {
        let difference: f64 = y - expected;
        (error + difference.powi(2), power + expected * expected)
    });
    db(error, power)
}

/// The sum of products as if in twice the precision of f64 (Ogita, Rump, Oishi 2005), so that the
/// reference is better than what is tested.
fn dot(pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (mut sum, mut rest) = (0.0, 0.0);
    for (a, b) in pairs {
        let product = a * b;
        let total = sum + product;
        let kept = total - sum;
        rest += a.mul_add(b, -product) + ((sum - (total - kept)) + (product - kept));
        sum = total;
    }
    sum + rest
}

fn bins_are_the_values_at_the_roots<T: Sample>(limit: f64) {
    for block in sizes().take_while(|&block| block <= 1024) {
        let mut random = Random(block as u64);
        let (re, im) = (random.samples::<T>(block), random.samples::<T>(block));
        for im in [None, Some(&im[..])] {
            // u(z) at z = exp(i pi (4 k + 1) / (2 B)), k = 0 .. B
            let turn = |j: usize| (TAU * j as f64 / (4 * block) as f64).sin_cos();
            let turns: Vec<(f64, f64)> = (0..4 * block).map(turn).collect();
            let roots: Vec<(f64, f64)> = (0..block)
                .map(|k| {
                    (0..block).fold((0.0, 0.0), |(sum_re, sum_im), n| {
                        let (sin, cos) = turns[(4 * k + 1) * n % (4 * block)];
                        let (a, b) = (re[n].wide(), im.map_or(0.0, |im| im[n].wide()));
                        (sum_re + a * cos - b * sin, sum_im + a * sin + b * cos)
                    })
                })
                .collect();
            for cpu in Cpu::available() {
                let transform = Transform::<T>::new(block, cpu);
                let mut expected = roots.clone();
                // Each bin must be the nearest of those that are left.
                let (mut error, mut power) = (0.0, 0.0);
                for (re, im) in bins(&transform, &forward(&transform, Points { re: &re, im })) {
                    let distance = |&(a, b): &(f64, f64)| (a - re).powi(2) + (b - im).powi(2);
                    let nearest = (0..expected.len())
                        .min_by(|&a, &b| distance(&expected[a]).total_cmp(&distance(&expected[b])))
                        .unwrap();
                    error += distance(&expected[nearest]);
                    power += re * re + im * im;
                    expected.swap_remove(nearest);
                }
                let error = db(error, power);
                assert!(error < limit, "block {block}, {cpu:?}: {error:.1} dB");
            }
        }
    }
}

#[test]
fn bins_are_the_values_at_the_roots_f32() {
    bins_are_the_values_at_the_roots::<f32>(-136.0);
}

#[test]
fn bins_are_the_values_at_the_roots_f64() {
    bins_are_the_values_at_the_roots::<f64>(-290.0);
}

/// Frame B + `at` of the block convolved with the window, in f64.
fn valid<T: Sample>(block: &[T], window: &[T], at: usize) -> f64 {
    let tap = |n: usize| window[block.len() + at - n].wide();
    dot((0..block.len()).map(|n| (block[n].wide(), tap(n))))
}

fn products_convolve<T: Sample>(limit: f64) {
    for block in sizes() {
        for cpu in Cpu::available() {
            let transform = Transform::<T>::new(block, cpu);
            let mut random = Random(block as u64 + 1);
            let (x, window) = (random.samples::<T>(block), random.samples::<T>(2 * block));
            let out = inverse(&transform, Pair::new(&transform, &x, &window).sum());
            let some = (0..200.min(block)).map(|_| random.below(block));
            let error = error(some.map(|at| (out[at].wide(), valid(&x, &window, at))));
            println!("block {block}, {cpu:?}: {error:.1} dB");
            assert!(error < limit, "block {block}, {cpu:?}: {error:.1} dB");
        }
    }
}

#[test]
fn products_convolve_f32() {
    products_convolve::<f32>(-127.0);
}

#[test]
fn products_convolve_f64() {
    products_convolve::<f64>(-300.0);
}

fn a_square_is_one_block_to_the_next<T: Sample>(limit: f64) {
    for cpu in Cpu::available() {
        let block = square::TILES * TILE * cpu.lanes::<T>();
        let transform = Transform::<T>::new(block, cpu);
        // The window ends with the response.
        for taps in [2 * block, block + 3, 2] {
            let mut random = Random(taps as u64);
            let x = random.samples::<T>(block);
            let mut window = random.samples::<T>(taps);
            let mut spectrum = Spectra::new(block, 1);
            transform.response(&window, spectrum.samples_mut(), 0);
            window.resize(2 * block, T::zero());
            let before = random.samples::<T>(block);
            let mut out = before.clone();
            transform.square(&x, spectrum.samples(), &mut out);
            let expected = |at: usize| before[at].wide() + valid(&x, &window, at);
            let error = error((0..block).map(|at| (out[at].wide(), expected(at))));
            assert!(error < limit, "{taps} taps, {cpu:?}: {error:.1} dB");
        }
    }
}

#[test]
fn a_square_is_one_block_to_the_next_f32() {
    a_square_is_one_block_to_the_next::<f32>(-127.0);
}

#[test]
fn a_square_is_one_block_to_the_next_f64() {
    a_square_is_one_block_to_the_next::<f64>(-300.0);
}

fn steps_change_no_bit<T: Sample>() {
    for block in sizes() {
        for cpu in Cpu::available() {
            let transform = Transform::<T>::new(block, cpu);
            let mut random = Random(block as u64 + 2);
            let (x, window) = (random.samples::<T>(block), random.samples::<T>(2 * block));
            let whole = forward(&transform, Points { re: &x, im: None });
            let pair = Pair::new(&transform, &x, &window);
            let whole_out = inverse(&transform, pair.sum());
            for longest in [1, 7, transform.steps()] {
                let mut cut = || {
                    let mut at = 0;
                    let mut cuts = Vec::new();
                    while at < transform.steps() {
                        let end = (at + 1 + random.below(longest)).min(transform.steps());
                        cuts.push(at..end);
                        at = end;
                    }
                    cuts
                };
                let mut work = Buffer::zeros(transform.work_len());
                let mut pieces = Buffer::zeros(2 * block);
                for (far, steps) in [false, true].into_iter().cycle().zip(cut()) {
                    let slot = Slot {
                        spectra: &mut pieces,
                        index: 0,
                        far,
                    };
                    transform.forward(steps, &x, &mut work, slot);
                }
                assert!(*whole == *pieces, "forward, block {block}, {cpu:?}");
                let mut out = vec![T::zero(); block];
                for steps in cut() {
                    transform.inverse(steps, pair.sum(), &mut work, &mut out);
                }
                assert!(whole_out == out, "inverse, block {block}, {cpu:?}");
            }
        }
    }
}

#[test]
fn steps_change_no_bit_f32() {
    steps_change_no_bit::<f32>();
}

#[test]
fn steps_change_no_bit_f64() {
    steps_change_no_bit::<f64>();
}

#[test]
fn no_step_is_more_than_a_sixteenth_of_a_large_transform() {
    for block in sizes().filter(|&block| block >= 8192) {
        for cpu in Cpu::available() {
            let transform = Transform::<f32>::new(block, cpu);
            let costs: Vec<u32> = (0..transform.steps())
                .map(|s| transform.forward_cost(s))
                .collect();
            let (largest, all) = (*costs.iter().max().unwrap(), costs.iter().sum::<u32>());
            assert!(
                16 * largest <= all,
                "block {block}, {cpu:?}: {largest} of {all}"
            );
        }
    }
}

#[test]
fn a_unit_impulse_has_all_bins_one() {
    for block in sizes() {
        for cpu in Cpu::available() {
            let transform = Transform::<f32>::new(block, cpu);
            let mut impulse = vec![0.0; block];
            impulse[0] = 1.0;
            let points = Points {
                re: &impulse,
                im: None,
            };
            let spectrum = forward(&transform, points);
            assert!(
                bins(&transform, &spectrum)
                    .iter()
                    .all(|&bin| bin == (1.0, 0.0))
            );
        }
    }
}

fn fir_is_the_same_for_every_chopping<T: Sample>(limit: f64) {
    // All that there are taps for, or only what has come since some frames before the first.
    for before in [100_000, 0, 48] {
        fir_with_a_reach::<T>(before, limit);
    }
}

/// A single frame.
struct Next<'a, T> {
    taps: First<T>,
    x: T,
    at: usize,
    begun: &'a mut Begun<T>,
    y: &'a mut T,
}

impl<T: Sample> Body<T> for Next<'_, T> {
    #[inline(always)]
    fn run<L: Lane<T = T>>(self) {
        *self.y += next::<L>(&self.taps, self.x, self.at, self.begun);
    }
}

fn fir_with_a_reach<T: Sample>(before: usize, limit: f64) {
    let mut random = Random(4);
    for cpu in Cpu::available() {
        for taps in [
            1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 128, 129, 255, 300,
        ] {
            let h: Vec<T> = random.samples(taps);
            let arranged = arrange(&h);
            let lookback = lookback(&arranged);
            let len = 700;
            let x: Vec<T> = random.samples(lookback + len);
            let past = |at: usize, n: usize, begun: bool| Past {
                frames: &x[at / GROUP * GROUP..at + n + lookback],
                at,
                reach: before + at / GROUP * GROUP,
                begun,
            };
            let mut whole = vec![T::zero(); len];
            let begun = &mut Begun::new();
            fir(cpu, &arranged, past(0, len, false), None, &mut whole, begun);
            for longest in [1, 2, 5, 40, 200] {
                let mut pieces = vec![T::zero(); len];
                let mut begun = Begun::new();
                let (mut at, mut gone_on) = (0, 0);
                while at < len {
                    let n = random.below(longest + 1).min(len - at);
                    // Now and then from the history alone.
                    let goes_on = !at.is_multiple_of(GROUP) && random.below(4) > 0;
                    if n == 1 && goes_on {
                        let next = Next {
                            taps: First::of(&arranged),
                            x: x[at + lookback],
                            at,
                            begun: &mut begun,
                            y: &mut pieces[at],
                        };
                        kernel::run(cpu, next);
                        gone_on += 1;
                    } else if n > 0 {
                        // A share may lie elsewhere, and what was in its place does not matter.
                        let share = vec![T::zero(); n];
                        let elsewhere = random.below(2) == 0;
                        let share = elsewhere.then_some(&share[..]);
                        let out = &mut pieces[at..at + n];
                        if elsewhere {
                            out.fill(T::nan());
                        }
                        let past = past(at, n, goes_on);
                        fir(cpu, &arranged, past, share, out, &mut begun);
                    }
                    at += n;
                }
                assert!(longest > 2 || gone_on > 50, "{gone_on}");
                assert!(
                    whole == pieces,
                    "{taps} taps, {cpu:?}, up to {longest} at a time"
                );
            }
            let (mut error, mut power) = (0.0, 0.0);
            for t in 0..len {
                let input = |j: usize| x[t + lookback - j].wide();
                let heard = (0..taps.min(t + before + 1)).map(|j| (h[j].wide(), input(j)));
                let expected = dot(heard);
                error += (whole[t].wide() - expected).powi(2);
                power += expected * expected;
            }
            let error = db(error + 1e-40, power);
            assert!(error < limit, "{taps} taps, {cpu:?}: {error:.1} dB");
        }
    }
}

#[test]
fn fir_is_the_same_for_every_chopping_f32() {
    fir_is_the_same_for_every_chopping::<f32>(-130.0);
}

#[test]
fn fir_is_the_same_for_every_chopping_f64() {
    fir_is_the_same_for_every_chopping::<f64>(-300.0);
}
