//! What a response does to each frequency: magnitude, group delay, and how both fall with time.

use std::f64::consts::TAU;

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

use crate::signal::SampleRate;

/// Magnitude and group delay of one channel over frequency.
///
/// The transform is at least two seconds long, so that its bins lie 0.5 Hz apart or closer.
#[derive(Debug, Clone, PartialEq)]
pub struct Spectrum {
    /// Hz from bin to bin.
    step: f64,
    /// |H|^2 of each bin, from 0 Hz to half of the rate.
    power: Vec<f64>,
    /// |H|^2 times the group delay in seconds.
    delay: Vec<f64>,
}

impl Spectrum {
    /// Transforms taps. Without any, all is 0.
    pub fn of(taps: &[f64], rate: SampleRate) -> Self {
        let size = taps.len().max(2 * rate.hz() as usize).next_power_of_two();
        // The group delay without a derivative of the phase: with G the transform of n h[n], it
        // is Re(G / H) (Smith, Introduction to Digital Filters, "Numerical Computation of Group
        // Delay"). Time runs from 0 to 1 here, so that both parts are of one magnitude.
        let scale = 1.0 / size as f64;
        let ramped = taps.iter().enumerate();
        let ramped = ramped.map(|(n, tap)| Complex::new(*tap, tap * n as f64 * scale));
        let seconds = size as f64 / f64::from(rate.hz());
        let (power, delay) = pairs(ramped, size, &mut FftPlanner::new())
            .map(|(h, g)| (h.norm_sqr(), (h.conj() * g).re * seconds))
            .unzip();
        Self {
            step: f64::from(rate.hz()) / size as f64,
            power,
            delay,
        }
    }

    /// Power gain |H|^2 at a frequency in Hz, on a straight line between two bins; at frequencies
    /// that the rate does not have, that of the last bin.
    pub fn power(&self, hz: f64) -> f64 {
        between(&self.power, hz / self.step)
    }

    /// Mean power gain over a band around a frequency in Hz, so many octaves wide. The band is
    /// cut at half of the rate.
    pub fn smoothed(&self, hz: f64, octaves: f64) -> f64 {
        self.mean(&self.power, hz, octaves)
    }

    /// Least and largest power gain of any bin between two frequencies in Hz.
    pub fn extremes(&self, from: f64, to: f64) -> (f64, f64) {
        let (a, b) = (self.power(from), self.power(to));
        let bins = (from / self.step).ceil() as usize..=(to / self.step).floor() as usize;
        let last = self.power.len() - 1;
        let inside = bins.filter(|&bin| bin <= last).map(|bin| self.power[bin]);
        inside.fold((a.min(b), a.max(b)), |(least, most), power| {
            (least.min(power), most.max(power))
        })
    }

    /// Group delay in seconds in a band around a frequency in Hz, so many octaves wide, counted
    /// from the first tap; none where there is no energy.
    ///
    /// Each bin counts by its energy, which makes the result the time around which the energy of
    /// the band lies (Cohen, Time-Frequency Analysis, 1995, chapter 1): bins between the modes
    /// of a room, of little energy and wild phase, carry no weight.
    pub fn group_delay(&self, hz: f64, octaves: f64) -> Option<f64> {
        let power = self.mean(&self.power, hz, octaves);
        (power > 0.0).then(|| self.mean(&self.delay, hz, octaves) / power)
    }

    /// Mean of `values` over a band; each stands for its bin, half a step to either side. A band
    /// narrower than a bin has the value on the line between two.
    fn mean(&self, values: &[f64], hz: f64, octaves: f64) -> f64 {
        let half = (octaves / 2.0).exp2();
        let top = (values.len() - 1) as f64;
        let (from, to) = (hz / half / self.step, (hz * half / self.step).min(top));
        if to - from < 1.0 {
            return between(values, hz / self.step);
        }
        let (first, last) = (from.round(), to.round());
        let inner: f64 = values[first as usize + 1..last as usize].iter().sum();
        let edges = values[first as usize] * (first + 0.5 - from)
            + values[last as usize] * (to - last + 0.5);
        (inner + edges) / (to - from)
    }
}

/// The value on a straight line between two neighbours.
fn between(values: &[f64], at: f64) -> f64 {
    let last = values.len() - 1;
    let below = (at.max(0.0).floor() as usize).min(last);
    let above = (below + 1).min(last);
    let share = (at - below as f64).clamp(0.0, 1.0);
    values[below] + share * (values[above] - values[below])
}

/// Transforms of two real signals by one of `size` points: one signal is the real part, the other
/// the imaginary. Bins from 0 to the middle.
fn pairs(
    both: impl Iterator<Item = Complex<f64>>,
    size: usize,
    planner: &mut FftPlanner<f64>,
) -> impl Iterator<Item = (Complex<f64>, Complex<f64>)> {
    let mut bins: Vec<_> = both.collect();
    bins.resize(size, Complex::default());
    planner.plan_fft_forward(size).process(&mut bins);
    (0..=size / 2).map(move |k| {
        let (here, mirror) = (bins[k], bins[(size - k) % size].conj());
        let odd = here - mirror;
        ((here + mirror) * 0.5, Complex::new(odd.im, -odd.re) * 0.5)
    })
}

/// Frequencies in Hz from one to another, both included, all in one ratio.
pub fn log_spaced(from: f64, to: f64, count: usize) -> Vec<f64> {
    let step = (to / from).ln() / count.max(2).saturating_sub(1) as f64;
    (0..count).map(|k| from * (step * k as f64).exp()).collect()
}

/// Short-time power spectra of one channel: a spectrogram.
#[derive(Debug, Clone, PartialEq)]
pub struct ShortTime {
    /// Hz from bin to bin.
    step: f64,
    columns: Vec<Vec<f64>>,
}

impl ShortTime {
    /// Slides a Hann window of `window` frames, centred on `columns` instants that divide the
    /// length evenly, from the first tap to the last; what lies outside is silence.
    ///
    /// A column has the power of the windowed piece, transformed with four times its length.
    pub fn of(taps: &[f64], rate: SampleRate, window: usize, columns: usize) -> Self {
        let size = (4 * window).next_power_of_two();
        let transform = FftPlanner::new().plan_fft_forward(size);
        let shape: Vec<f64> = (0..window)
            .map(|n| 0.5 - 0.5 * (TAU * (n as f64 + 0.5) / window as f64).cos())
            .collect();
        let mut bins = vec![Complex::default(); size];
        let mut scratch = vec![Complex::default(); transform.get_inplace_scratch_len()];
        let span = taps.len().saturating_sub(1) as f64;
        let column = |k: usize| {
            let centre = span * k as f64 / columns.max(2).saturating_sub(1) as f64;
            let first = centre.round() as isize - window as isize / 2;
            for (n, bin) in bins.iter_mut().enumerate() {
                let at = first + n as isize;
                let tap = usize::try_from(at).ok().and_then(|at| taps.get(at));
                let shape = shape.get(n).copied().unwrap_or(0.0);
                *bin = Complex::new(tap.copied().unwrap_or(0.0) * shape, 0.0);
            }
            transform.process_with_scratch(&mut bins, &mut scratch);
            bins[..=size / 2].iter().map(Complex::norm_sqr).collect()
        };
        Self {
            step: f64::from(rate.hz()) / size as f64,
            columns: (0..columns).map(column).collect(),
        }
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns.len()
    }

    /// Largest power of a column between two frequencies in Hz.
    pub fn power(&self, column: usize, from: f64, to: f64) -> f64 {
        let column = &self.columns[column];
        let (first, last) = (from / self.step, to / self.step);
        let ends = between(column, first).max(between(column, last));
        let inside = first.ceil() as usize..(last.floor() as usize + 1).min(column.len());
        let inside = column.get(inside).unwrap_or_default();
        inside.iter().fold(ends, |most, &power| most.max(power))
    }
}

/// Cumulative spectral decay of one channel: the power gain of what is left of a response from
/// each of `starts` (in frames) on, at the frequencies `hz`, each averaged over so many octaves.
///
/// What came before a start is faded out by half a Hann window, `rise` frames long, that ends
/// there (Berman & Fincham, "The Application of Digital Techniques to the Measurement of
/// Loudspeakers", JAES 25(6), 1977).
pub fn cumulative_decay(
    taps: &[f64],
    rate: SampleRate,
    starts: &[usize],
    rise: usize,
    hz: &[f64],
    octaves: f64,
) -> Vec<Vec<f64>> {
    let left = |start: usize, n: usize| -> f64 {
        let before = start.saturating_sub(n);
        let Some(&tap) = taps.get(n).filter(|_| before <= rise) else {
            return 0.0;
        };
        let share = before as f64 / (rise + 1) as f64;
        tap * (0.5 + 0.5 * (TAU / 2.0 * share).cos())
    };
    let mut planner = FftPlanner::new();
    let mut slices = Vec::with_capacity(starts.len());
    for pair in starts.chunks(2) {
        let (one, two) = (pair[0], pair[pair.len() - 1]);
        let first = one.min(two).saturating_sub(rise).min(taps.len());
        let rest = first..taps.len();
        // Bins 2 Hz apart, or closer.
        let size = rest.len().max(rate.hz() as usize / 2).next_power_of_two();
        let step = f64::from(rate.hz()) / size as f64;
        let both = rest.map(|n| Complex::new(left(one, n), left(two, n)));
        let (a, b): (Vec<_>, Vec<_>) = pairs(both, size, &mut planner)
            .map(|(a, b)| (a.norm_sqr(), b.norm_sqr()))
            .unzip();
        for power in [a, b].into_iter().take(pair.len()) {
            let delay = Vec::new();
            let slice = Spectrum { step, power, delay };
            slices.push(hz.iter().map(|&hz| slice.smoothed(hz, octaves)).collect());
        }
    }
    slices
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    fn rate() -> SampleRate {
        SampleRate::new(48_000).unwrap()
    }

    #[track_caller]
    fn near(got: f64, want: f64, bound: f64) {
        assert!((got - want).abs() <= bound, "{got} is not {want}");
    }

    /// Rounding of a transform of 2^17 points, over values of the size 1 to 10, with a wide margin.
    const EXACT: f64 = 1e-11;

    #[test]
    fn a_delayed_tap_is_flat_and_its_group_delay_is_the_delay() {
        let mut taps = vec![0.0; 600];
        taps[480] = -0.5;
        let spectrum = Spectrum::of(&taps, rate());
        for hz in [20.0, 333.3, 1000.0, 20_000.0, 24_000.0, 99_000.0] {
            near(spectrum.power(hz), 0.25, EXACT);
            near(spectrum.smoothed(hz, 1.0 / 3.0), 0.25, EXACT);
            near(spectrum.group_delay(hz, 1.0 / 6.0).unwrap(), 0.01, EXACT);
        }
        let (least, most) = spectrum.extremes(1000.0, 2000.0);
        near(least, 0.25, EXACT);
        near(most, 0.25, EXACT);
    }

    #[test]
    fn a_symmetric_filter_is_late_by_half_of_its_length_at_all_frequencies() {
        let taps: Vec<f64> = (0..101)
            .map(|n| (PI * (f64::from(n) + 0.5) / 101.0).sin())
            .collect();
        let spectrum = Spectrum::of(&taps, rate());
        for hz in [30.0, 100.0, 200.0] {
            let delay = spectrum.group_delay(hz, 1.0 / 12.0).unwrap();
            near(delay, 50.0 / 48_000.0, EXACT);
        }
    }

    #[test]
    fn two_taps_make_a_comb() {
        // |1 + exp(-jwD)|^2 = 2 + 2 cos wD, and the group delay is D/2 wherever there is any.
        let mut taps = vec![0.0; 49];
        (taps[0], taps[48]) = (1.0, 1.0);
        let spectrum = Spectrum::of(&taps, rate());
        // Not quite on a bin: the line between two is off by step^2 / 8 times the curvature.
        let step = 48_000.0 / 131_072.0;
        let bound = step * step / 8.0 * 2.0 * (TAU / 1000.0f64).powi(2);
        for hz in [125.0, 250.0, 500.0, 750.0, 10_000.0] {
            let want = 2.0 + 2.0 * (TAU * hz / 1000.0).cos();
            near(spectrum.power(hz), want, bound);
        }
        near(
            spectrum.group_delay(1000.0, 1.0).unwrap(),
            24.0 / 48_000.0,
            EXACT,
        );
        let (least, most) = spectrum.extremes(900.0, 1600.0);
        near(least, 0.0, bound);
        near(most, 4.0, bound);
    }

    #[test]
    fn smoothing_is_the_mean_power_of_the_band() {
        let mut taps = vec![0.0; 49];
        (taps[0], taps[48]) = (1.0, 1.0);
        let spectrum = Spectrum::of(&taps, rate());
        for (hz, octaves) in [(1000.0, 1.0), (440.0, 1.0 / 3.0), (10_000.0, 1.0 / 6.0)] {
            let half = 2f64.powf(octaves / 2.0);
            let (from, to) = (hz / half, hz * half);
            // The integral of 2 + 2 cos(2 pi f / 1000) over the band, over its width.
            let integral = |f: f64| 2.0 * f + 2.0 * (1000.0 / TAU) * (TAU * f / 1000.0).sin();
            let want = (integral(to) - integral(from)) / (to - from);
            // The steps of bins instead of the integral: half a step's slope at both ends.
            let step = 48_000.0 / 131_072.0;
            let bound = step * step * 2.0 * TAU / 1000.0 / (to - from);
            near(spectrum.smoothed(hz, octaves), want, bound);
        }
    }

    #[test]
    fn all_bands_together_hold_the_energy_of_the_taps() {
        let taps: Vec<f64> = (0..999)
            .map(|n| f64::from((n * n) % 17 - 8) / 8.0)
            .collect();
        let spectrum = Spectrum::of(&taps, rate());
        let energy: f64 = taps.iter().map(|tap| tap * tap).sum();
        // Parseval: the mean over the whole circle, of which the ends count once.
        let inner: f64 = spectrum.power[1..spectrum.power.len() - 1].iter().sum();
        let ends = spectrum.power[0] + spectrum.power[spectrum.power.len() - 1];
        let mean = (2.0 * inner + ends) / (2 * spectrum.power.len() - 2) as f64;
        near(mean, energy, EXACT * energy);
    }

    #[test]
    fn silence_and_single_frames_have_a_spectrum() {
        for rate in [1, 8000, 192_000] {
            let rate = SampleRate::new(rate).unwrap();
            let silence = Spectrum::of(&[0.0; 3], rate);
            assert_eq!(silence.power(0.3), 0.0);
            assert_eq!(silence.group_delay(0.3, 0.5), None);
            near(Spectrum::of(&[1.0], rate).smoothed(0.3, 0.5), 1.0, EXACT);
            near(Spectrum::of(&[], rate).power(0.3), 0.0, 0.0);
        }
    }

    #[test]
    fn frequencies_lie_in_one_ratio_and_hold_both_ends() {
        let hz = log_spaced(20.0, 20_000.0, 4);
        for (got, want) in hz.iter().zip([20.0, 200.0, 2000.0, 20_000.0]) {
            near(*got, want, 1e-10 * want);
        }
    }

    #[test]
    fn a_spectrogram_shows_when_and_where_it_sounds() {
        // A tap in the middle, and after it 2 kHz.
        let mut taps = vec![0.0; 9601];
        taps[4800] = 1.0;
        for (n, tap) in taps.iter_mut().enumerate().skip(7200) {
            *tap = (TAU * 2000.0 * n as f64 / 48_000.0).sin();
        }
        let shown = ShortTime::of(&taps, rate(), 480, 21);
        assert_eq!(shown.columns(), 21);
        for column in 0..21 {
            let (low, mid) = (
                shown.power(column, 20.0, 900.0),
                shown.power(column, 1900.0, 2100.0),
            );
            match column {
                // 480 frames from column to column: only one window reaches the tap, and its
                // Hann shape is 1 there but for half a frame: 1 - (pi / 480 / 2)^2.
                10 => near(low, 1.0, 2.0 * (PI / 960.0).powi(2)),
                16..=19 => {
                    // A Hann window's sum is half its length, and half of it again belongs to
                    // the positive frequency.
                    near(mid.sqrt(), 120.0, 1.0);
                    assert!(low < 1e-3 * mid, "{column}: {low} {mid}");
                }
                15 | 20 => assert!(mid > 0.0),
                _ => assert!(low.max(mid) < 1e-12, "{column}: {low} {mid}"),
            }
        }
    }

    #[test]
    fn what_is_left_loses_what_came_before() {
        let mut taps = vec![0.0; 5000];
        (taps[100], taps[2000]) = (1.0, 0.1);
        let hz = [50.0, 1000.0, 15_000.0];
        let slices = cumulative_decay(
            &taps,
            rate(),
            &[0, 100, 125, 151, 2000, 2200, 9999],
            50,
            &hz,
            1.0,
        );
        assert_eq!(slices.len(), 7);
        let flat = |slice: &[f64], want: f64| {
            slice.iter().for_each(|&power| near(power, want, 1e-9));
        };
        // Over an octave at 15 kHz the two make 2700 periods of a comb: 1 + 0.01 on average.
        near(slices[0][2], 1.01, 1e-3);
        for (all, same) in slices[0].iter().zip(&slices[1]) {
            near(*all, *same, EXACT);
        }
        // Half of the fade is over: the first has half of its height.
        let first = 0.5 + 0.5 * (PI * 25.0 / 51.0).cos();
        near(slices[2][2], first * first + 0.01, 1e-3);
        flat(&slices[3], 0.01);
        flat(&slices[4], 0.01);
        flat(&slices[5], 0.0);
        flat(&slices[6], 0.0);
    }
}
