//! Octave bands: filters that leave the decay of what they pass as it is.
//!
//! Butterworth band-passes by the bilinear transform, which keep the limits of IEC 61260-1:2014,
//! class 1: of order 3 (six poles), and of order 4 near Nyquist, where the transform makes the lower
//! side less steep. They run backwards in time: their own ringing then comes before each sound and
//! not after it, so that it adds nothing to a decay, however short (Jacobsen & Rindel 1987, "Time
//! reversed decay measurements").

use std::f64::consts::PI;

use num_complex::Complex;

use crate::signal::SampleRate;

/// Nominal midband frequencies in Hz of the octave bands in which rooms are judged.
pub const OCTAVES: [f64; 7] = [125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0];

/// Half an octave, as a ratio of frequencies: the standard's octave is 10^0.3.
const HALF_OCTAVE: f64 = 1.412_537_544_622_754_3;
/// Frequencies this close to a nominal one are taken as that one.
const NOMINAL: f64 = 0.02;
/// Time in which a filter's ringing falls by 100 dB, times its bandwidth: the slowest of its poles
/// loses 1.1 B nepers a second (0.8 B in order 4), and begins with some dB more.
const RINGING: f64 = 15.0;
/// Share of the rate above which a band's upper edge asks for the higher order.
const NEAR_NYQUIST: f64 = 0.25;
/// Time in which a filter comes up from nothing, times its bandwidth.
const SETTLING: f64 = 2.0;

/// A band of frequencies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Band {
    nominal: f64,
    low: f64,
    high: f64,
}

impl Band {
    /// The octave around a midband frequency in Hz. A nominal one such as 125 stands for the exact
    /// one next to it (125.89 Hz; IEC 61260-1:2014, 5.2), any other for itself.
    pub fn octave(hz: f64) -> Self {
        let step = ((hz / 1e3).log10() / 0.3).round();
        let exact = 1e3 * 10f64.powf(0.3 * step);
        let middle = if (exact / hz - 1.0).abs() < NOMINAL {
            exact
        } else {
            hz
        };
        Self {
            nominal: hz,
            low: middle / HALF_OCTAVE,
            high: middle * HALF_OCTAVE,
        }
    }

    /// Midband frequency in Hz as it was given.
    pub fn hz(&self) -> f64 {
        self.nominal
    }

    /// Lower edge in Hz, -3 dB.
    pub fn low(&self) -> f64 {
        self.low
    }

    /// Upper edge in Hz, -3 dB.
    pub fn high(&self) -> f64 {
        self.high
    }

    /// Distance of the edges in Hz.
    pub fn width(&self) -> f64 {
        self.high - self.low
    }

    /// Whether all of the band lies below half of the rate.
    pub fn fits(&self, rate: SampleRate) -> bool {
        self.low > 0.0 && self.high < f64::from(rate.hz()) / 2.0
    }

    /// Frames in which the filter comes up from nothing, at the end of a response that ends
    /// abruptly.
    pub(super) fn settling(&self, rate: SampleRate) -> usize {
        rate.frames(SETTLING / self.width())
    }

    /// Frames of ringing before a sound, until -100 dB.
    pub(super) fn ringing(&self, rate: SampleRate) -> usize {
        rate.frames(RINGING / self.width())
    }
}

/// What of a response lies in a band, in as many frames. What rings before frame 0 is lost; a band
/// that does not [fit](Band::fits) the rate gives silence.
pub fn filter(taps: &[f64], rate: SampleRate, band: Band) -> Vec<f64> {
    filter_with_lead(taps, rate, band, 0)
}

/// The same with `lead` frames of ringing before frame 0.
pub(super) fn filter_with_lead(
    taps: &[f64],
    rate: SampleRate,
    band: Band,
    lead: usize,
) -> Vec<f64> {
    let mut out = vec![0.0; lead];
    if !band.fits(rate) {
        out.resize(lead + taps.len(), 0.0);
        return out;
    }
    out.extend(taps);
    for section in sections(rate, band) {
        section.run_backwards(&mut out);
    }
    out
}

/// Two conjugate poles, and one zero each at 0 Hz and at Nyquist:
/// gain (1 - z^-2) / (1 + a1 z^-1 + a2 z^-2).
#[derive(Debug, Clone, Copy)]
struct Section {
    gain: f64,
    a1: f64,
    a2: f64,
}

impl Section {
    fn at(&self, z: Complex<f64>) -> Complex<f64> {
        let back = z.inv();
        let square = back * back;
        (1.0 - square) * self.gain / (1.0 + back * self.a1 + square * self.a2)
    }

    /// Transposed direct form II, from the last frame to the first.
    fn run_backwards(&self, samples: &mut [f64]) {
        let (mut s1, mut s2) = (0.0, 0.0);
        for sample in samples.iter_mut().rev() {
            let x = self.gain * *sample;
            let y = x + s1;
            s1 = s2 - self.a1 * y;
            s2 = -x - self.a2 * y;
            *sample = y;
        }
    }
}

fn sections(rate: SampleRate, band: Band) -> Vec<Section> {
    let hz = f64::from(rate.hz());
    let order = if band.high > NEAR_NYQUIST * hz { 4 } else { 3 };
    // Bilinear transform with the edges where they belong: W = tan(pi f / rate).
    let warped = |f: f64| (PI * f / hz).tan();
    let (low, high) = (warped(band.low), warped(band.high));
    let (square, width) = (low * high, high - low);
    let middle = Complex::from_polar(1.0, 2.0 * square.sqrt().atan());
    // The low-pass prototype's poles, each of which becomes two: s^2 - width p s + low high = 0.
    // Of those in conjugate pairs one per pair is enough; the real pole of order 3 makes a pair by
    // itself, as its band is narrow.
    let split = |p: Complex<f64>, sign: f64| {
        let half = p * (width / 2.0);
        let s = half + (half * half - square).sqrt() * sign;
        let z = (1.0 + s) / (1.0 - s);
        let section = Section {
            gain: 1.0,
            a1: -2.0 * z.re,
            a2: z.norm_sqr(),
        };
        let gain = 1.0 / section.at(middle).norm();
        Section { gain, ..section }
    };
    let pole = |k: usize| {
        let turn = (2 * k + order + 1) as f64 / (2 * order) as f64;
        Complex::from_polar(1.0, PI * turn)
    };
    let complex = (0..order / 2).map(pole);
    let both = complex.flat_map(|p| [split(p, 1.0), split(p, -1.0)]);
    let real = (!order.is_multiple_of(2)).then(|| split(Complex::new(-1.0, 0.0), 1.0));
    both.chain(real).collect()
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    /// IEC 61260-1:2014, table 1, class 1, octaves: exponent of 10^0.3 above the midband, least
    /// and largest attenuation in dB there; straight lines over log f between them.
    const CLASS_1: [(f64, f64, f64); 9] = [
        (0.0, -0.4, 0.4),
        (0.125, -0.4, 0.5),
        (0.25, -0.4, 0.7),
        (0.375, -0.4, 1.4),
        // At the edge the lower limit jumps.
        (0.4999, -0.4, 5.3),
        (0.5, 1.6, 5.3),
        (1.0, 16.6, f64::INFINITY),
        (2.0, 40.5, f64::INFINITY),
        (3.0, 60.0, f64::INFINITY),
    ];

    /// Power gain of the filter at a frequency in Hz.
    fn power(rate: SampleRate, band: Band) -> impl Fn(f64) -> f64 {
        let (sections, step) = (sections(rate, band), TAU / f64::from(rate.hz()));
        move |hz| {
            let z = Complex::from_polar(1.0, step * hz);
            sections.iter().map(|s| s.at(z).norm_sqr()).product()
        }
    }

    fn rate(hz: u32) -> SampleRate {
        SampleRate::new(hz).unwrap()
    }

    #[test]
    fn octaves_keep_the_limits_of_class_1_at_every_rate() {
        for hz in [22_050, 24_000, 32_000, 44_100, 48_000, 96_000, 192_000] {
            for octave in OCTAVES.map(Band::octave) {
                if !octave.fits(rate(hz)) {
                    continue;
                }
                let power = power(rate(hz), octave);
                let middle = (octave.low() * octave.high()).sqrt();
                for step in -2400..=2400 {
                    let x = f64::from(step) / 800.0;
                    let f = middle * 10f64.powf(0.3 * x);
                    if f >= f64::from(hz) / 2.0 {
                        continue;
                    }
                    let (least, most) = CLASS_1
                        .windows(2)
                        .find(|pair| (pair[0].0..=pair[1].0).contains(&x.abs()))
                        .map(|pair| {
                            let share = (x.abs() - pair[0].0) / (pair[1].0 - pair[0].0);
                            let line = |a: f64, b: f64| a + share * (b - a);
                            let most = if pair[1].2.is_finite() {
                                line(pair[0].2, pair[1].2)
                            } else {
                                f64::INFINITY
                            };
                            (line(pair[0].1, pair[1].1), most)
                        })
                        .unwrap();
                    let loss = -10.0 * power(f).log10();
                    assert!(
                        loss >= least && loss <= most,
                        "{} Hz at {hz}: {loss} dB at {f} Hz, not {least} to {most}",
                        octave.hz()
                    );
                }
            }
        }
    }

    #[test]
    fn nominal_frequencies_stand_for_exact_ones() {
        let middle = |hz| {
            let band = Band::octave(hz);
            (band.low() * band.high()).sqrt()
        };
        assert!((middle(125.0) - 125.892_541).abs() < 1e-5);
        assert!((middle(8000.0) - 7_943.282_347).abs() < 1e-5);
        assert!((middle(1000.0) - 1000.0).abs() < 1e-9);
        assert!((middle(700.0) - 700.0).abs() < 1e-9);
        assert_eq!(Band::octave(125.0).hz(), 125.0);
    }

    #[test]
    fn ringing_comes_before_the_sound_and_falls_by_100_db() {
        for octave in OCTAVES.map(Band::octave) {
            let rate = rate(48_000);
            let (lead, mut taps) = (octave.ringing(rate), vec![0.0; 3000]);
            taps[20] = 1.0;
            let out = filter_with_lead(&taps, rate, octave, 2 * lead);
            let energy = |part: &[f64]| part.iter().map(|y| y * y).sum::<f64>();
            let (before, after) = out.split_at(2 * lead + 21);
            assert_eq!(energy(after), 0.0);
            // Parseval: the energy of one tap is the mean power gain.
            let power = power(rate, octave);
            let mean = (0..48_000).map(|k| power(f64::from(k) / 2.0)).sum::<f64>() / 48_000.0;
            assert!((energy(before) / mean - 1.0).abs() < 1e-6);
            let lost = energy(&out[..lead]) / energy(&out);
            assert!(lost < 1e-10, "{} Hz: {lost}", octave.hz());
            assert_eq!(filter(&taps, rate, octave), out[2 * lead..]);
        }
    }

    #[test]
    fn a_band_beyond_nyquist_is_silent() {
        let band = Band::octave(8000.0);
        assert!(!band.fits(rate(22_050)) && band.fits(rate(24_000)));
        assert_eq!(filter(&[1.0, 2.0], rate(22_050), band), [0.0, 0.0]);
    }
}
