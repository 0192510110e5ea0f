//! How far the signal stood above the noise, octave by octave.

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

use super::excitation::{Excitation, Kind};
use super::inverse::{Range, good_size};

/// Octaves' middle frequencies in Hz.
const OCTAVES: [f64; 10] = [
    31.5, 63.0, 125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0, 16_000.0,
];
/// Least silence to judge noise by, in seconds.
pub(super) const LEAST_SILENCE: f64 = 0.1;

/// Signal-to-noise ratio of the recording within an octave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OctaveSnr {
    /// Middle of the octave.
    pub hz: f64,
    /// Power while the signal passed through the octave over that of the noise, in dB.
    pub snr_db: f64,
}

/// Signal-to-noise ratios.
pub(super) struct Snr {
    /// Over the whole band.
    pub all_db: f64,
    pub octaves: Vec<OctaveSnr>,
}

/// By a silence and what was heard of the signal.
pub(super) fn snr(
    silence: &[f64],
    heard: &[f64],
    excitation: &Excitation,
    band: Range,
) -> Option<Snr> {
    let rate = f64::from(excitation.rate.hz());
    if (silence.len() as f64) < LEAST_SILENCE * rate {
        return None;
    }
    let (noise, signal) = (Powers::of(silence, rate), Powers::of(heard, rate));
    if noise.within(band) == 0.0 {
        return None;
    }
    let ratio = |range: Range, share: f64| {
        // The noise is in what was heard, too.
        let noise = noise.within(range);
        let signal = (signal.within(range) - noise).max(0.0) / share;
        10.0 * (signal / noise).log10()
    };
    let within = |&hz: &f64| {
        hz / 2f64.sqrt() >= 0.99 * band.from && hz * 2f64.sqrt() <= 1.01 * band.to.min(rate / 2.0)
    };
    // A sweep is in an octave for L ln 2 of its time.
    let share = match excitation.kind {
        Kind::Sweep { growth, .. } => {
            (growth * std::f64::consts::LN_2 * rate / heard.len() as f64).min(1.0)
        }
        _ => 1.0,
    };
    let octaves = OCTAVES.iter().filter(|hz| within(hz)).map(|&hz| OctaveSnr {
        hz,
        snr_db: ratio(
            Range {
                from: hz / 2f64.sqrt(),
                to: hz * 2f64.sqrt(),
            },
            share,
        ),
    });
    Some(Snr {
        all_db: ratio(band, 1.0),
        octaves: octaves.collect(),
    })
}

/// Mean power by frequency.
struct Powers {
    powers: Vec<f64>,
    step: f64,
}

impl Powers {
    fn of(samples: &[f64], rate: f64) -> Self {
        let size = good_size(samples.len());
        let mut bins: Vec<_> = samples.iter().map(|&x| Complex::new(x, 0.0)).collect();
        bins.resize(size, Complex::default());
        FftPlanner::new().plan_fft_forward(size).process(&mut bins);
        let scale = 2.0 / (size as f64 * samples.len() as f64);
        Self {
            powers: bins[..size / 2]
                .iter()
                .map(|bin| bin.norm_sqr() * scale)
                .collect(),
            step: rate / size as f64,
        }
    }

    fn within(&self, range: Range) -> f64 {
        let bin = |f: f64| ((f / self.step) as usize).min(self.powers.len());
        self.powers[bin(range.from)..bin(range.to)].iter().sum()
    }
}
