//! Properties that hold for any input: proptest looks for the one that breaks them.

use faltung::{
    Complex, ConvolveError, Convolver, Element, Latency, Method, Mode, ModeConvolver, Partition,
    convolve, convolve_with,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// The definition: full[k] = sum over i of a[i] v[k - i], cut as numpy cuts it.
fn by_definition<E: Element>(
    a: &[E],
    v: &[E],
    mode: Mode,
    zero: E,
    plus_product: impl Fn(E, E, E) -> E,
) -> Vec<E> {
    let mut full = vec![zero; a.len() + v.len() - 1];
    for (i, &a) in a.iter().enumerate() {
        for (j, &v) in v.iter().enumerate() {
            full[i + j] = plus_product(full[i + j], a, v);
        }
    }
    let (long, short) = (a.len().max(v.len()), a.len().min(v.len()));
    match mode {
        Mode::Full => full,
        Mode::Same => full[(short - 1) / 2..][..long].to_vec(),
        Mode::Valid => full[short - 1..long].to_vec(),
    }
}

fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![Just(Mode::Full), Just(Mode::Same), Just(Mode::Valid)]
}

fn partition() -> impl Strategy<Value = Partition> {
    prop_oneof![
        Just(Partition::Auto),
        Just(Partition::Direct),
        (4u32..12).prop_map(|power| Partition::Uniform { block: 1 << power }),
    ]
}

fn latency() -> impl Strategy<Value = Latency> {
    prop_oneof![
        Just(Latency::Zero),
        (0usize..3000).prop_map(Latency::AtMost),
    ]
}

fn norm(x: &[f32]) -> f64 {
    x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt()
}

fn bound(x: &[f32], h: &[f32]) -> f64 {
    let log = ((x.len() + h.len()) as f64).log2().max(1.0);
    8.0 * f64::from(f32::EPSILON) * log * norm(x) * norm(h)
}

fn exact(x: &[f32], h: &[f32], mode: Mode) -> Vec<f64> {
    let wide = |x: &[f32]| -> Vec<f64> { x.iter().map(|&x| f64::from(x)).collect() };
    convolve_with(&wide(x), &wide(h), mode, Method::Direct).unwrap()
}

macro_rules! integers_wrap {
    ($($name:ident: $t:ty),*) => {
        proptest! {
            $(#[test]
            fn $name(a in vec(any::<$t>(), 1..200), v in vec(any::<$t>(), 1..200), mode in mode()) {
                let want = by_definition(&a, &v, mode, 0, |y, a, v| y.wrapping_add(a.wrapping_mul(v)));
                prop_assert_eq!(convolve(&a, &v, mode).unwrap(), want);
            })*
        }
    };
}

integers_wrap!(
    i8_is_exact: i8, i16_is_exact: i16, i32_is_exact: i32, i64_is_exact: i64,
    u8_is_exact: u8, u16_is_exact: u16, u32_is_exact: u32, u64_is_exact: u64
);

proptest! {
    #[test]
    fn complex_is_not_conjugated(
        a in vec((-9i32..9, -9i32..9), 1..150),
        v in vec((-9i32..9, -9i32..9), 1..150),
        mode in mode(),
    ) {
        let complex = |x: &[(i32, i32)]| -> Vec<Complex<f64>> {
            x.iter().map(|&(re, im)| Complex::new(f64::from(re), f64::from(im))).collect()
        };
        let (a, v) = (complex(&a), complex(&v));
        let want = by_definition(&a, &v, mode, Complex::new(0.0, 0.0), |y, a, v| y + a * v);
        for method in [Method::Direct, Method::Fft] {
            let got = convolve_with(&a, &v, mode, method).unwrap();
            prop_assert_eq!(got.len(), want.len());
            for (got, want) in got.iter().zip(&want) {
                prop_assert!((got - want).norm() < 1e-9, "{method:?}: {got} {want}");
            }
        }
    }

    #[test]
    fn empty_inputs_are_named(x in vec(any::<f32>(), 1..5), mode in mode()) {
        prop_assert_eq!(convolve(&[], &x, mode), Err(ConvolveError::EmptyA));
        prop_assert_eq!(convolve(&x, &[], mode), Err(ConvolveError::EmptyV));
        prop_assert_eq!(ConvolveError::EmptyA.to_string(), "a cannot be empty");
        prop_assert_eq!(ConvolveError::EmptyV.to_string(), "v cannot be empty");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_chopping_gives_the_one_shot_result(
        x in vec(-1.0f32..1.0, 0..5000),
        h in vec(-1.0f32..1.0, 1..5000),
        cuts in vec(0usize..600, 1..40),
        partition in partition(),
        latency in latency(),
    ) {
        let builder = Convolver::builder().partition(partition).latency(latency);
        let mut convolver = builder.build(&h).unwrap();
        let mut whole = convolver.clone();
        let mut out = vec![0.0; x.len()];
        let (mut at, mut cut) = (0, cuts.iter().cycle());
        let mut stuck = 0;
        while at < x.len() {
            let n = (*cut.next().unwrap()).min(x.len() - at);
            stuck = if n == 0 { stuck + 1 } else { 0 };
            let n = if stuck > 50 { x.len() - at } else { n };
            convolver.process(&x[at..at + n], &mut out[at..at + n]);
            at += n;
        }
        let tail = if x.is_empty() { 0 } else { convolver.latency() + h.len() - 1 };
        out.resize(x.len() + tail + 5, 0.0);
        prop_assert_eq!(convolver.drain(&mut out[x.len()..]), tail);
        out.truncate(x.len() + tail);

        let mut at_once = vec![0.0; out.len()];
        whole.process(&x, &mut at_once[..x.len()]);
        whole.drain(&mut at_once[x.len()..]);
        prop_assert_eq!(&out, &at_once);

        if !x.is_empty() {
            let want = exact(&x, &h, Mode::Full);
            for (got, want) in out[convolver.latency()..].iter().zip(&want) {
                prop_assert!((f64::from(*got) - want).abs() <= bound(&x, &h));
            }
        }
    }

    #[test]
    fn a_streamed_mode_is_numpys(
        x in vec(-1.0f32..1.0, 0..2000),
        h in vec(-1.0f32..1.0, 1..2000),
        cut in 1usize..700,
        mode in mode(),
    ) {
        let mut stream = ModeConvolver::new(&h, mode).unwrap();
        let mut out = Vec::new();
        for block in x.chunks(cut) {
            stream.process(block, &mut out);
        }
        stream.finish(&mut out);
        if x.is_empty() {
            prop_assert!(out.is_empty());
        } else {
            let want = exact(&x, &h, mode);
            prop_assert_eq!(out.len(), want.len());
            for (got, want) in out.iter().zip(&want) {
                prop_assert!((f64::from(*got) - want).abs() <= bound(&x, &h));
            }
        }
    }
}
