//! The same noise and responses in every run; `peers/zita.cpp` makes the same bits.

use faltung::Sample;

/// Uniform noise in [-1, 1), exact in `f32`: the upper 24 bits of a linear congruential generator.
pub fn noise<T: Sample>(frames: usize, seed: u32) -> Vec<T> {
    let mut state = seed;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        T::of(f64::from(state >> 8) / f64::from(1 << 23) - 1.0)
    })
    .take(frames)
    .collect()
}

/// Response number `index`: a direct sound of 1, then noise under (1 - t / frames)^4.
pub fn response<T: Sample>(frames: usize, index: usize) -> Vec<T> {
    let mut taps: Vec<T> = noise::<f64>(frames, 1000 + index as u32)
        .into_iter()
        .enumerate()
        .map(|(t, x)| {
            let fade = 1.0 - t as f64 / frames as f64;
            T::of(x * (fade * fade) * (fade * fade))
        })
        .collect();
    taps[0] = T::one();
    taps
}
