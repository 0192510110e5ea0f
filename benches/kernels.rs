//! Throughput: where the one-shot FFT overtakes the direct sum, and `Convolver` at large blocks.
//!
//! `cargo bench --bench kernels`, with a filter: `cargo bench --bench kernels -- one_shot`.

#[path = "callback/signals.rs"]
mod signals;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use faltung::{Convolver, Element, Method, Mode, Sample, convolve_with};
use fft_convolver::{FFTConvolver, TwoStageFFTConvolver};
use realfft::FftNum;
use signals::{noise, response};

fn main() {
    divan::main();
}

/// Lengths of the two inputs; `Auto` should be as fast as the faster of the other two.
#[divan::bench_group(name = "one_shot", max_time = 0.2)]
mod one_shot {
    use super::*;

    const SIZES: [(usize, usize); 12] = [
        (64, 16),
        (64, 64),
        (256, 64),
        (256, 256),
        (1_000, 32),
        (1_000, 48),
        (1_000, 100),
        (1_000, 1_000),
        (10_000, 48),
        (10_000, 200),
        (100_000, 64),
        (100_000, 500),
    ];

    fn run<T: Sample + Element>(bencher: Bencher, (n, m): (usize, usize), method: Method) {
        let (a, v): (Vec<T>, Vec<T>) = (noise(n, 1), noise(m, 2));
        bencher
            .counter(ItemsCount::new(n + m - 1))
            .bench_local(|| convolve_with(black_box(&a), black_box(&v), Mode::Full, method));
    }

    #[divan::bench(types = [f32, f64], args = SIZES)]
    fn auto<T: Sample + Element>(bencher: Bencher, sizes: (usize, usize)) {
        run::<T>(bencher, sizes, Method::Auto);
    }

    #[divan::bench(types = [f32, f64], args = SIZES)]
    fn direct<T: Sample + Element>(bencher: Bencher, sizes: (usize, usize)) {
        run::<T>(bencher, sizes, Method::Direct);
    }

    #[divan::bench(types = [f32, f64], args = SIZES)]
    fn fft<T: Sample + Element>(bencher: Bencher, sizes: (usize, usize)) {
        run::<T>(bencher, sizes, Method::Fft);
    }
}

/// Frames of the response and of a block.
#[divan::bench_group(name = "stream", max_time = 0.5)]
mod stream {
    use super::*;

    const SIZES: [(usize, usize); 4] = [
        (24_000, 4_096),
        (96_000, 4_096),
        (96_000, 16_384),
        (480_000, 16_384),
    ];

    fn run<T: Sample>(bencher: Bencher, block: usize, mut process: impl FnMut(&[T], &mut [T])) {
        let (input, mut output) = (noise::<T>(block, 1), vec![T::zero(); block]);
        bencher
            .counter(ItemsCount::new(block))
            .bench_local(|| process(black_box(&input), black_box(&mut output)));
    }

    #[divan::bench(types = [f32, f64], args = SIZES)]
    fn faltung<T: Sample>(bencher: Bencher, (ir, block): (usize, usize)) {
        let mut convolver = Convolver::new(&response::<T>(ir, 0)).expect("a sound response");
        run(bencher, block, |x, y| convolver.process(x, y));
    }

    #[divan::bench(types = [f32, f64], args = SIZES)]
    fn fft_convolver_uniform<T: Sample + FftNum>(bencher: Bencher, (ir, block): (usize, usize)) {
        let mut convolver = FFTConvolver::<T>::default();
        convolver
            .init(block, &response(ir, 0))
            .expect("a sound response");
        run(bencher, block, |x, y| {
            convolver.process(x, y).expect("equal lengths")
        });
    }

    #[divan::bench(types = [f32, f64], args = SIZES)]
    fn fft_convolver_two_stage<T: Sample + FftNum>(bencher: Bencher, (ir, block): (usize, usize)) {
        let mut convolver = TwoStageFFTConvolver::<T>::default();
        convolver
            .init_default(block, &response(ir, 0))
            .expect("a sound response");
        run(bencher, block, |x, y| {
            convolver.process(x, y).expect("equal lengths")
        });
    }
}
