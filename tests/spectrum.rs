//! Magnitude, smoothing and group delay against numpy and scipy, really run: see
//! assets/golden/spectrum.py.

use std::path::Path;

use faltung::SampleRate;
use faltung::ir::spectrum::Spectrum;

/// Knuth's MMIX generator and halving every 512 frames, as in spectrum.py.
fn taps() -> Vec<f64> {
    let mut x: u64 = 41;
    let tap = |n: i32| {
        x = x.wrapping_mul(6364136223846793005);
        x = x.wrapping_add(1442695040888963407);
        ((x as i64) >> 40) as f64 / 8_388_608.0 * 2f64.powi(-(n / 512))
    };
    (0..3000).map(tap).collect()
}

#[test]
fn spectra_agree_with_numpy_and_scipy() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/golden/spectrum.csv");
    let table = std::fs::read_to_string(file).unwrap();
    let spectrum = Spectrum::of(&taps(), SampleRate::new(48_000).unwrap());
    let mut rows = 0;
    for line in table.lines().skip(1) {
        let row: Vec<f64> = line
            .split(',')
            .map(|value| value.parse().unwrap())
            .collect();
        let [hz, power, delay, third, narrow] = row[..] else {
            panic!("{line}");
        };
        // Narrower than a bin, the band is the bin. Both sides round in f64; the taps' energy is
        // about 10^3, and the group delay, up to 10^3 frames, is a quotient in which a weak bin
        // magnifies the rounding.
        let bin = 1e-9;
        let got = spectrum.group_delay(hz, bin).unwrap() * 48_000.0;
        for (what, got, want, bound) in [
            ("power", spectrum.power(hz), power, 1e-8),
            ("group delay", got, delay, 1e-6),
            ("third", spectrum.smoothed(hz, 1.0 / 3.0), third, 1e-8),
            ("24th", spectrum.smoothed(hz, 1.0 / 24.0), narrow, 1e-8),
        ] {
            assert!(
                (got - want).abs() <= bound,
                "{what} at {hz} Hz: {got}, not {want}"
            );
        }
        rows += 1;
    }
    assert_eq!(rows, 60);
}
