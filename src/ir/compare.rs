//! How two responses differ, once what delay and gain explain is taken away.

use std::f64::consts::PI;

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;
use thiserror::Error;

use super::ImpulseResponse;
use crate::signal::SampleRate;

/// Nominal centres of the octave bands in Hz; exactly, they lie at 1 kHz times powers of 10^0.3
/// (IEC 61260).
const OCTAVES: [f64; 10] = [
    31.5, 63.0, 125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0, 16_000.0,
];
/// A delay between two frames has to bring the correlation this much nearer to its bound to be
/// believed; less is rounding.
const BETTER: f64 = 1e-12;
/// Shortest transform: bins narrow enough for the lowest band.
const SHORTEST: usize = 1 << 16;
/// Summits of the correlation that are looked at closely.
const CANDIDATES: usize = 4;
/// Newton's method has settled, in frames.
const SETTLED: f64 = 1e-9;

/// Why two responses cannot be compared.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum CompareError {
    /// Frames mean different times.
    #[error("{a} runs at {a_rate}, {b} at {b_rate}; resample one of them first")]
    Rates {
        /// Name of the first.
        a: String,
        /// Its rate.
        a_rate: SampleRate,
        /// Name of the second.
        b: String,
        /// Its rate.
        b_rate: SampleRate,
    },
    /// Channels cannot be paired.
    #[error(
        "{a} has {a_channels} ch, {b} has {b_channels} ch; bring both to the same number, or choose one channel (--channel N)"
    )]
    Channels {
        /// Name of the first.
        a: String,
        /// Its channels.
        a_channels: usize,
        /// Name of the second.
        b: String,
        /// Its channels.
        b_channels: usize,
    },
    /// There is nothing to match.
    #[error("{name} is silent: all taps are 0; there is nothing to compare")]
    Silent {
        /// Its name.
        name: String,
    },
}

/// What brings a second response nearest to a first, and what is left between them.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Frames by which the second comes later than the first.
    pub delay: f64,
    /// Factor that the second needs, by least squares; below 0 where its polarity is turned.
    pub gain: f64,
    /// Energy of the difference over that of the first, as they are.
    pub raw: f64,
    /// The same after delay and gain are matched: from 1, nothing in common, to 0, equal.
    pub residual: f64,
    /// The same for each channel, with the delay and the gain of all; none where the first is
    /// silent.
    pub channels: Vec<Option<f64>>,
    /// Octave bands from 31.5 Hz to 16 kHz, as far as the rate reaches.
    pub bands: Vec<BandDifference>,
}

/// One octave band of a [`Comparison`], all channels together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BandDifference {
    /// Nominal centre in Hz.
    pub hz: f64,
    /// Energy of the second, as it is, over that of the first; none where the first has none.
    pub level: Option<f64>,
    /// Energy of the difference, after the match of the whole, over that of the first; none where
    /// the first has none.
    pub residual: Option<f64>,
}

/// Brings `b` to `a` by one delay and one gain for all channels, and tells what is left: a null
/// test.
///
/// The delay is the place of the largest correlation of either polarity, between frames too
/// (Newton's method on the band-limited correlation, begun at the best whole frame); the gain is
/// that of least squares. Bands are cut out of the spectrum.
///
/// ```
/// # use faltung::{SampleRate, ir::{Recipe, compare::compare}};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let rate = SampleRate::new(48_000)?;
/// let (a, b) = ("delay=1ms".parse::<Recipe>()?, "delay=1.25ms".parse::<Recipe>()?);
/// let told = compare(&a.render(rate)?, &b.render(rate)?)?;
/// assert_eq!((told.delay, told.gain.round()), (12.0, 1.0));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`CompareError`] where rates or channel counts differ, or one is silent.
pub fn compare(a: &ImpulseResponse, b: &ImpulseResponse) -> Result<Comparison, CompareError> {
    if a.rate() != b.rate() {
        return Err(CompareError::Rates {
            a: a.name().to_owned(),
            a_rate: a.rate(),
            b: b.name().to_owned(),
            b_rate: b.rate(),
        });
    }
    if a.channel_count() != b.channel_count() {
        return Err(CompareError::Channels {
            a: a.name().to_owned(),
            a_channels: a.channel_count(),
            b: b.name().to_owned(),
            b_channels: b.channel_count(),
        });
    }
    for ir in [a, b] {
        if ir.onset().is_none() {
            let name = ir.name().to_owned();
            return Err(CompareError::Silent { name });
        }
    }
    let size = (a.frames() + b.frames()).next_power_of_two().max(SHORTEST);
    let (first, second) = (spectra(a, size), spectra(b, size));
    let correlation = Correlation::new(&first, &second, size);
    let delay = correlation.best(a.frames(), b.frames());
    // Summed in the same order, so that equal responses have a gain of exactly 1.
    let energy_of_second = Correlation::new(&second, &second, size).at(0.0).0;
    let gain = correlation.at(delay).0 / energy_of_second;

    // Each bin's energies: of the first, of the second, of their difference before and after.
    let bins = |channel: usize| {
        let both = first[channel].iter().zip(&second[channel]).enumerate();
        both.map(move |(k, (a, b))| {
            let matched = b * turn(k, size, delay) * gain;
            [
                a.norm_sqr(),
                b.norm_sqr(),
                (a - b).norm_sqr(),
                (a - matched).norm_sqr(),
            ]
        })
    };
    let channels: Vec<Sums> = (0..first.len()).map(|n| Sums::of(bins(n))).collect();
    let all = Sums::of(channels.iter().map(|sums| sums.0));
    let hz = f64::from(a.rate().hz());
    let bands = (0..OCTAVES.len()).filter(|&n| edge(n + 1) <= 0.5 * hz);
    let band = |n: usize| {
        let bin = |edge: f64| ((edge / hz * size as f64).ceil() as usize).min(size / 2 + 1);
        let (low, high) = (bin(edge(n)), bin(edge(n + 1)));
        let sums = Sums::of((0..first.len()).flat_map(|n| bins(n).take(high).skip(low)));
        BandDifference {
            hz: OCTAVES[n],
            level: sums.over_first(1),
            residual: sums.over_first(3),
        }
    };
    Ok(Comparison {
        delay,
        gain,
        raw: all.0[2] / all.0[0],
        residual: all.0[3] / all.0[0],
        channels: channels.iter().map(|sums| sums.over_first(3)).collect(),
        bands: bands.map(band).collect(),
    })
}

/// Lower edge of an octave band in Hz; the next one's is the upper.
fn edge(band: usize) -> f64 {
    1000.0 * 10f64.powf(0.3 * (band as f64 - 5.5))
}

/// Energies of the first, the second, and their difference before and after the match.
struct Sums([f64; 4]);

impl Sums {
    fn of(bins: impl Iterator<Item = [f64; 4]>) -> Self {
        Self(bins.fold([0.0; 4], |sum, bin| {
            std::array::from_fn(|n| sum[n] + bin[n])
        }))
    }

    fn over_first(&self, which: usize) -> Option<f64> {
        (self.0[0] > 0.0).then(|| self.0[which] / self.0[0])
    }
}

/// Half spectra of all channels, scaled so that their energy is that of the taps.
fn spectra(ir: &ImpulseResponse, size: usize) -> Vec<Vec<Complex<f64>>> {
    let forward = FftPlanner::new().plan_fft_forward(size);
    let spectrum = |taps: &Vec<f32>| {
        let mut bins: Vec<_> = taps
            .iter()
            .map(|&tap| Complex::from(f64::from(tap)))
            .collect();
        bins.resize(size, Complex::default());
        forward.process(&mut bins);
        bins.truncate(size / 2 + 1);
        for (k, bin) in bins.iter_mut().enumerate() {
            // All but the first and the last stand for two.
            let twice = if k == 0 || k == size / 2 { 1.0 } else { 2.0 };
            *bin *= f64::sqrt(twice / size as f64);
        }
        bins
    };
    ir.audio().channels().iter().map(spectrum).collect()
}

/// What moves bin `k` earlier by `delay` frames.
fn turn(k: usize, size: usize, delay: f64) -> Complex<f64> {
    // Whole turns first: they would cost the angle its precision.
    let turns = (k as f64 * delay / size as f64).fract();
    Complex::from_polar(1.0, 2.0 * PI * turns)
}

/// Correlation of two sets at any delay, all channels together.
struct Correlation {
    /// conj(A) B
    cross: Vec<Complex<f64>>,
    size: usize,
}

impl Correlation {
    fn new(a: &[Vec<Complex<f64>>], b: &[Vec<Complex<f64>>], size: usize) -> Self {
        let mut cross = vec![Complex::default(); size / 2 + 1];
        for (a, b) in a.iter().zip(b) {
            for (sum, (a, b)) in cross.iter_mut().zip(a.iter().zip(b)) {
                *sum += a.conj() * b;
            }
        }
        Self { cross, size }
    }

    /// Correlation at a delay, and its first and second derivatives.
    fn at(&self, delay: f64) -> (f64, f64, f64) {
        let step = 2.0 * PI / self.size as f64;
        let bins = self.cross.iter().enumerate();
        bins.fold((0.0, 0.0, 0.0), |(c, d, dd), (k, x)| {
            let (x, w) = (x * turn(k, self.size, delay), step * k as f64);
            (c + x.re, d - w * x.im, dd - w * w * x.re)
        })
    }

    /// Delay of the largest magnitude, for responses of so many frames.
    fn best(&self, a_frames: usize, b_frames: usize) -> f64 {
        let mut all: Vec<_> = self.cross.clone();
        // The other half is what a real signal asks for; half of each pair's weight lies there.
        all.resize(self.size, Complex::default());
        FftPlanner::new()
            .plan_fft_inverse(self.size)
            .process(&mut all);
        let place = |delay: isize| delay.rem_euclid(self.size as isize) as usize;
        let at = |delay: isize| all[place(delay)].re.abs();
        // Summits by whole frames, the height being that of the parabola through three of them: a
        // summit between frames may look lower than a lesser one that falls on a frame.
        let mut summits: Vec<(f64, isize)> = Vec::new();
        for delay in 1 - a_frames as isize..b_frames as isize {
            let [before, here, after] = [-1, 0, 1].map(|step| at(delay + step));
            if here >= before && here >= after {
                let bend = 2.0 * here - before - after;
                let rise = if bend > 0.0 {
                    (after - before).powi(2) / (8.0 * bend)
                } else {
                    0.0
                };
                summits.push((here + rise, delay));
            }
        }
        summits.sort_by(|one, two| two.0.total_cmp(&one.0));
        let refined = summits.iter().take(CANDIDATES);
        let refined = refined.map(|&(_, whole)| self.refined(whole as f64));
        let height = |delay: &f64| self.at(*delay).0.abs();
        let best = refined.max_by(|one, two| height(one).total_cmp(&height(two)));
        best.unwrap_or(0.0)
    }

    /// The summit beside a whole frame, or the frame itself where it is as high.
    fn refined(&self, whole: f64) -> f64 {
        let mut delay = whole;
        for _ in 0..20 {
            let (_, slope, bend) = self.at(delay);
            let step = -slope / bend;
            // A plateau, or another summit: the whole frame stands.
            if !step.is_finite() || (delay + step - whole).abs() > 1.0 {
                return whole;
            }
            delay += step;
            if step.abs() < SETTLED {
                break;
            }
        }
        let (at_whole, between) = (self.at(whole).0.abs(), self.at(delay).0.abs());
        if between > at_whole * (1.0 + BETTER) {
            delay
        } else {
            whole
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Recipe;
    use crate::signal::Audio;

    fn rate() -> SampleRate {
        SampleRate::new(48_000).unwrap()
    }

    fn ir(channels: Vec<Vec<f32>>) -> ImpulseResponse {
        ImpulseResponse::new(Audio::new(rate(), channels).unwrap()).unwrap()
    }

    fn recipe(text: &str) -> ImpulseResponse {
        text.parse::<Recipe>().unwrap().render(rate()).unwrap()
    }

    fn changed(from: &ImpulseResponse, change: impl Fn(usize, f32) -> f32) -> ImpulseResponse {
        let channel = |taps: &Vec<f32>| {
            taps.iter()
                .enumerate()
                .map(|(n, &x)| change(n, x))
                .collect()
        };
        ir(from.audio().channels().iter().map(channel).collect())
    }

    #[test]
    fn a_response_equals_itself_exactly() {
        for name in ["identity", "room", "lowpass=3k"] {
            let one = recipe(name);
            let told = compare(&one, &one).unwrap();
            assert_eq!((told.delay, told.gain), (0.0, 1.0), "{name}");
            assert_eq!((told.raw, told.residual), (0.0, 0.0), "{name}");
            assert!(
                told.channels.iter().all(|&left| left == Some(0.0)),
                "{name}"
            );
            assert!(
                told.bands.iter().all(|band| band.level == Some(1.0)),
                "{name}"
            );
        }
    }

    #[test]
    fn delay_gain_and_polarity_are_found_and_leave_nothing() {
        let room = recipe("room");
        for (frames, factor) in [(0, 0.5), (1, -0.25), (1000, 2.0), (7, -1.0)] {
            let later = |taps: &Vec<f32>| {
                let silence = std::iter::repeat_n(0.0, frames);
                silence.chain(taps.iter().map(|&x| x * factor)).collect()
            };
            let moved = ir(room.audio().channels().iter().map(later).collect());
            for (told, delay, gain) in [
                (compare(&room, &moved).unwrap(), frames as f64, 1.0 / factor),
                (compare(&moved, &room).unwrap(), -(frames as f64), factor),
            ] {
                assert_eq!(told.delay, delay);
                assert!(
                    (told.gain / f64::from(gain) - 1.0).abs() < 1e-12,
                    "{}",
                    told.gain
                );
                // Two transforms in double precision: some 1e-15 each.
                assert!(told.residual < 1e-28, "{}", told.residual);
            }
        }
    }

    #[test]
    fn a_delay_between_frames_is_found() {
        // A band-limited pulse, sampled at two places.
        let pulse = |at: f64| {
            let tap = |n: usize| {
                let x = (n as f64 - at) / 40.0;
                (-x * x * 8.0).exp() * (PI * 0.3 * (n as f64 - at)).cos()
            };
            ir(vec![(0..400).map(|n| tap(n) as f32).collect()])
        };
        let told = compare(&pulse(200.0), &pulse(203.37)).unwrap();
        // Rounding to f32 leaves some 1e-8 of a frame.
        assert!((told.delay - 3.37).abs() < 1e-6, "{told:?}");
        assert!(told.residual < 1e-12, "{}", told.residual);
    }

    #[test]
    fn what_is_added_is_what_is_left() {
        let room = recipe("room");
        // Orthogonal enough: signs from a hash, -40 dB beside the response's own RMS.
        let taps = room.audio().channels().iter().flatten();
        let energy: f64 = taps.map(|&x| f64::from(x).powi(2)).sum();
        let size = 0.01 * (energy / (2 * room.frames()) as f64).sqrt();
        let sign = |n: usize| {
            if n.wrapping_mul(0x9e37_79b1) >> 13 & 1 == 0 {
                1.0
            } else {
                -1.0
            }
        };
        let noisy = changed(&room, |n, x| x + (size * sign(n)) as f32);
        let told = compare(&room, &noisy).unwrap();
        let db = 10.0 * told.residual.log10();
        assert!((db + 40.0).abs() < 0.1, "{db} dB");
        assert!((10.0 * told.raw.log10() + 40.0).abs() < 0.1);
        assert!(told.delay.abs() < 1e-3, "{}", told.delay);
    }

    #[test]
    fn unrelated_responses_leave_everything() {
        let told = compare(&recipe("hall"), &recipe("cathedral")).unwrap();
        assert!((0.5..=1.0).contains(&told.residual), "{}", told.residual);
    }

    #[test]
    fn bands_tell_where_the_difference_lies() {
        let told = compare(&recipe("identity"), &recipe("lowpass=3k")).unwrap();
        let level = |hz| {
            told.bands
                .iter()
                .find(|band| band.hz == hz)
                .unwrap()
                .level
                .unwrap()
        };
        for hz in [31.5, 500.0, 1000.0] {
            assert!((10.0 * level(hz).log10()).abs() < 0.1, "{hz}");
        }
        assert!(level(8000.0) < 1e-9 && level(16_000.0) < 1e-9);
        let highest = told.bands.last().unwrap().hz;
        assert_eq!(highest, 16_000.0);
    }

    #[test]
    fn what_cannot_be_compared_is_refused_with_both_numbers() {
        let (one, two) = (recipe("lowpass=3k"), recipe("room"));
        let text = compare(&one, &two).unwrap_err().to_string();
        assert!(text.contains("1 ch") && text.contains("2 ch"), "{text}");
        let silent = ir(vec![vec![0.0; 10]]).named("nothing.wav");
        for (a, b) in [(&one, &silent), (&silent, &one)] {
            let text = compare(a, b).unwrap_err().to_string();
            assert!(text.starts_with("nothing.wav is silent"), "{text}");
        }
        let slow = "room".parse::<Recipe>().unwrap();
        let slow = slow.render(SampleRate::new(44_100).unwrap()).unwrap();
        let text = compare(&two, &slow).unwrap_err().to_string();
        assert!(
            text.contains("48000 Hz") && text.contains("44100 Hz"),
            "{text}"
        );
    }

    #[test]
    fn the_shortest_responses_are_compared() {
        let told = compare(&ir(vec![vec![2.0]]), &ir(vec![vec![-1.0]])).unwrap();
        assert_eq!((told.delay, told.gain, told.residual), (0.0, -2.0, 0.0));
    }
}
