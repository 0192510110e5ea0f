//! How loud a response is, by several measures, as factors of what goes in.

use std::f64::consts::TAU;

use num_complex::Complex;
use rustfft::FftPlanner;

use super::ImpulseResponse;
use crate::signal::SampleRate;

/// Range in Hz of the pink noise that responses are judged with.
const PINK: (f64, f64) = (20.0, 20_000.0);
/// Shortest transform: 20 Hz are then many bins at any usual rate.
const SHORTEST: usize = 1 << 16;

/// Levels of one channel, or the largest ones of several. All are factors; 20 log10 of them is dB,
/// for [`energy`](Self::energy) 10 log10.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Level {
    /// Largest magnitude of a tap.
    pub peak: f64,
    /// Sum of the squared taps: power gain on white noise up to Nyquist.
    pub energy: f64,
    /// Sum of the taps: gain at 0 Hz, with its sign.
    pub dc: f64,
    /// Sum of the taps' magnitudes (the L1 norm): the most that any input within +-1 can become.
    pub l1: f64,
    /// Gain of RMS on pink noise from 20 Hz to 20 kHz, or to Nyquist where that is lower.
    pub pink: f64,
    /// The same heard through the K-weighting of ITU-R BS.1770-4: gain of loudness on pink noise.
    pub loudness: f64,
}

impl Level {
    /// Levels of one channel's taps.
    pub fn of(taps: &[f64], rate: SampleRate) -> Self {
        let (pink, loudness) = on_pink_noise(taps, rate);
        Self {
            peak: taps.iter().fold(0.0, |peak: f64, tap| peak.max(tap.abs())),
            energy: taps.iter().map(|tap| tap * tap).sum(),
            dc: taps.iter().sum(),
            l1: taps.iter().map(|tap| tap.abs()).sum(),
            pink,
            loudness,
        }
    }

    /// The larger of each, in magnitude.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            peak: self.peak.max(other.peak),
            energy: self.energy.max(other.energy),
            dc: if other.dc.abs() > self.dc.abs() {
                other.dc
            } else {
                self.dc
            },
            l1: self.l1.max(other.l1),
            pink: self.pink.max(other.pink),
            loudness: self.loudness.max(other.loudness),
        }
    }
}

impl ImpulseResponse {
    /// Levels of each channel.
    pub fn levels(&self) -> Vec<Level> {
        let channels = self.audio().channels().iter();
        let level = |taps: &Vec<f32>| {
            let wide: Vec<f64> = taps.iter().map(|&tap| f64::from(tap)).collect();
            Level::of(&wide, self.rate())
        };
        channels.map(level).collect()
    }

    /// The channels' levels linked: the largest of each measure.
    pub fn level(&self) -> Level {
        let silence = Level {
            peak: 0.0,
            energy: 0.0,
            dc: 0.0,
            l1: 0.0,
            pink: 0.0,
            loudness: 0.0,
        };
        self.levels().into_iter().fold(silence, Level::max)
    }
}

/// Gains of RMS and of loudness: square roots of the mean of |H|^2 over log f, the second one
/// weighted.
fn on_pink_noise(taps: &[f64], rate: SampleRate) -> (f64, f64) {
    let hz = f64::from(rate.hz());
    let (low, high) = (PINK.0, PINK.1.min(hz / 2.0));
    let size = (2 * taps.len()).next_power_of_two().max(SHORTEST);
    let mut bins: Vec<Complex<f64>> = taps.iter().map(|&tap| tap.into()).collect();
    bins.resize(size, Complex::default());
    FftPlanner::new().plan_fft_forward(size).process(&mut bins);

    let step = hz / size as f64;
    let [mut power, mut whole, mut loud, mut all] = [0.0; 4];
    for (k, bin) in bins[..=size / 2].iter().enumerate() {
        let f = k as f64 * step;
        // Pink noise has equal power in equal ratios of frequency.
        let (from, to) = ((f - step / 2.0).max(low), (f + step / 2.0).min(high));
        if from < to {
            let (share, weight) = ((to / from).ln(), k_weighting(f));
            power += share * bin.norm_sqr();
            whole += share;
            loud += share * weight * bin.norm_sqr();
            all += share * weight;
        }
    }
    if whole == 0.0 {
        // Nyquist lies below 20 Hz: there is no pink noise to judge with.
        return (0.0, 0.0);
    }
    ((power / whole).sqrt(), (loud / all).sqrt())
}

/// Power gain of the K-weighting at a frequency in Hz: that of the two filters that ITU-R BS.1770-4
/// gives for 48 kHz (its tables 1 and 2), at every rate.
fn k_weighting(hz: f64) -> f64 {
    let back = Complex::from_polar(1.0, -TAU * hz / 48_000.0);
    let section = |b: [f64; 3], a: [f64; 2]| {
        let above = b[0] + back * b[1] + back * back * b[2];
        let below = 1.0 + back * a[0] + back * back * a[1];
        (above / below).norm_sqr()
    };
    let shelf = section(
        [1.53512485958697, -2.69169618940638, 1.19839281085285],
        [-1.69065929318241, 0.73248077421585],
    );
    let highpass = section([1.0, -2.0, 1.0], [-1.99004745483398, 0.99007225036621]);
    shelf * highpass
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Recipe;
    use crate::signal::Audio;

    fn rate(hz: u32) -> SampleRate {
        SampleRate::new(hz).unwrap()
    }

    fn db(gain: f64) -> f64 {
        20.0 * gain.log10()
    }

    #[test]
    fn one_tap_is_its_own_level_by_every_measure() {
        for hz in [8000, 44_100, 192_000] {
            let level = Level::of(&[0.0, -0.5, 0.0], rate(hz));
            assert_eq!((level.peak, level.energy), (0.5, 0.25));
            assert_eq!((level.dc, level.l1), (-0.5, 0.5));
            assert!((level.pink - 0.5).abs() < 1e-12 && (level.loudness - 0.5).abs() < 1e-12);
        }
    }

    #[test]
    fn sums_are_taken_with_and_without_sign() {
        let level = Level::of(&[0.5, -0.25, 0.5], rate(48_000));
        assert_eq!((level.peak, level.energy), (0.5, 0.5625));
        assert_eq!((level.dc, level.l1), (0.75, 1.25));
    }

    #[test]
    fn half_of_the_octaves_pass_at_3_db_less() {
        // 20 Hz to 20 kHz are 9.97 octaves; from 632.5 Hz on there is half of them.
        let ir = "highpass=632.455532".parse::<Recipe>().unwrap();
        for hz in [44_100, 48_000, 96_000] {
            let level = ir.render(rate(hz)).unwrap().level();
            // The transition of 12.5 % to either side lies symmetrically over frequency, so the
            // power between is off by less than its width: 0.25 / ln(1000) = 3.6 %, 0.16 dB.
            assert!((db(level.pink) + 3.01).abs() < 0.16, "{}", db(level.pink));
            // Loudness has most of its weight above.
            assert!(db(level.loudness) > db(level.pink) + 0.5);
        }
    }

    #[test]
    fn k_weighting_is_that_of_the_standard() {
        // -0.691 + 10 log10 of the power of a full-scale sine at 997 Hz is -3.01 LKFS.
        let sine = -0.691 + 10.0 * (0.5 * k_weighting(997.0)).log10();
        assert!((sine + 3.01).abs() < 0.005, "{sine}");
        assert!((10.0 * k_weighting(10_000.0).log10() - 4.0).abs() < 0.1);
        assert!(10.0 * k_weighting(20.0).log10() < -13.0);
    }

    #[test]
    fn a_set_has_the_largest_level_of_its_channels() {
        let audio = Audio::new(rate(48_000), vec![vec![0.5, 0.5], vec![-1.0, 0.25]]).unwrap();
        let ir = ImpulseResponse::new(audio).unwrap();
        let (all, each) = (ir.level(), ir.levels());
        assert_eq!((all.peak, all.energy, all.l1), (1.0, 1.0625, 1.25));
        assert_eq!((all.dc, each[1].dc), (1.0, -0.75));
        assert_eq!(all.pink, each[0].pink.max(each[1].pink));
    }

    #[test]
    fn silence_has_no_level() {
        let level = Level::of(&[0.0; 10], rate(48_000));
        assert_eq!((level.peak, level.pink, level.loudness), (0.0, 0.0, 0.0));
        assert_eq!(Level::of(&[1.0], rate(30)).pink, 0.0);
    }
}
