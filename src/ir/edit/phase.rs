//! Phase: linear, or the least there is.

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

use super::{EditError, frames};
use crate::ir::ImpulseResponse;

/// Transform length over response length: what keeps the response from folding onto itself.
const ROOM: usize = 8;
/// Shortest transform.
const SHORTEST: usize = 1 << 14;
/// Taps at both ends below this share of the largest (-140 dB) are left out.
const SILENCE: f64 = 1e-7;

impl ImpulseResponse {
    /// Every channel with its magnitude response kept and its energy gathered symmetrically around
    /// a middle tap, the same one in all channels: what goes through is delayed at all frequencies
    /// alike, by half of the length.
    ///
    /// The inverse transform of |H|, with as many taps to either side as the response has, less
    /// what lies below -140 dB at both ends. Where |H| falls to zero as sharply as a room's does
    /// between its modes, the taps beyond are missing; elsewhere nothing is.
    ///
    /// # Errors
    /// None but what [`EditError::Response`] may bring.
    pub fn linear_phase(self) -> Result<Self, EditError> {
        let half = self.frames() - 1;
        Ok(self.across(|mut channels| {
            for taps in &mut channels {
                *taps = zero_phase(taps, half);
            }
            let fold = |peak: f64, tap: &f64| peak.max(tap.abs());
            let peak = channels.iter().flatten().fold(0.0, fold);
            let sounds = |tap: &f64| tap.abs() > SILENCE * peak;
            // Symmetric: what is silent at one end is so at the other.
            let edges = channels
                .iter()
                .filter_map(|taps| taps.iter().position(sounds));
            let edge = edges.min().unwrap_or(0).min(half);
            let cut = |taps: Vec<f64>| taps[edge..taps.len() - edge].to_vec();
            channels.into_iter().map(cut).collect()
        })?)
    }
}

/// 2 half + 1 symmetric taps with the magnitude of `taps`.
fn zero_phase(taps: &[f64], half: usize) -> Vec<f64> {
    let size = (ROOM * taps.len()).next_power_of_two().max(SHORTEST);
    let mut planner = FftPlanner::new();
    let mut bins: Vec<Complex<f64>> = taps.iter().map(|&tap| tap.into()).collect();
    bins.resize(size, Complex::default());
    planner.plan_fft_forward(size).process(&mut bins);
    bins.iter_mut().for_each(|bin| *bin = bin.norm().into());
    planner.plan_fft_inverse(size).process(&mut bins);
    let later = bins[..=half].iter().map(|bin| bin.re / size as f64);
    let mut symmetric: Vec<f64> = later.clone().skip(1).rev().collect();
    symmetric.extend(later);
    symmetric
}

/// The frame around which the energy of the earliest channel lies.
fn centre(ir: &ImpulseResponse) -> Option<f64> {
    let each = ir.audio().channels().iter().filter_map(|taps| {
        let energy = taps.iter().map(|&tap| f64::from(tap).powi(2));
        let moment = energy
            .clone()
            .enumerate()
            .map(|(n, e)| n as f64 * e)
            .sum::<f64>();
        Some(moment / energy.sum::<f64>()).filter(|centre| centre.is_finite())
    });
    each.reduce(f64::min)
}

pub(super) fn minimum(ir: ImpulseResponse) -> Result<(ImpulseResponse, String), EditError> {
    let (rate, before) = (ir.rate(), centre(&ir));
    let ir = ir.minimum_phase()?;
    let report = match before.zip(centre(&ir)) {
        None => "silent, and so it stays".to_owned(),
        Some((before, after)) => {
            let ms = |frames: f64| 1e3 * frames / f64::from(rate.hz());
            format!(
                "middle of the energy {:.2} ms -> {:.2} ms",
                ms(before),
                ms(after)
            )
        }
    };
    Ok((ir, report))
}

pub(super) fn linear(ir: ImpulseResponse) -> Result<(ImpulseResponse, String), EditError> {
    let rate = ir.rate();
    let ir = ir.linear_phase()?;
    let report = format!(
        "delays by {}, half of its {}",
        frames(ir.frames() / 2, rate),
        frames(ir.frames(), rate)
    );
    Ok((ir, report))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Recipe;
    use crate::ir::edit::tests::{edit, ir, magnitude, refused};
    use crate::signal::SampleRate;

    fn recipe(text: &str) -> ImpulseResponse {
        let rate = SampleRate::new(48_000).unwrap();
        text.parse::<Recipe>().unwrap().render(rate).unwrap()
    }

    #[test]
    fn a_linear_phase_filter_comes_back_from_minimum_phase() {
        for text in ["lowpass=3k", "highpass=300"] {
            let linear = recipe(text);
            let (least, _) = edit(&recipe(&format!("min:{text}")), "linear-phase");
            let taps = least.channel(0);
            assert!(taps.iter().eq(taps.iter().rev()));
            let (ours, theirs) = (taps.len() / 2, linear.frames() / 2);
            // The filters are shaped for 108 dB, and minimum phase kept 100 of them.
            for k in 0..ours.min(theirs) {
                let off = taps[ours + k] - linear.channel(0)[theirs + k];
                assert!(off.abs() < 1e-5, "{text}: {k}: {off}");
            }
        }
    }

    #[test]
    fn the_magnitude_is_kept_and_the_delay_is_half_the_length_in_all_channels() {
        // Two filters of clearly different length: the middle is the same.
        let set = recipe("min:lowpass=3k")
            .mix(0.0, &recipe("lowpass=8k"), 1.0)
            .unwrap();
        let set = ir(
            48_000,
            vec![
                recipe("min:lowpass=3k").channel(0).to_vec(),
                set.channel(0)[..recipe("min:lowpass=3k").frames()].to_vec(),
            ],
        );
        let (linear, said) = edit(&set, "linear-phase");
        let middle = linear.frames() / 2;
        assert!(said.contains(&format!("by {middle} frames")), "{said}");
        for channel in 0..2 {
            let taps = linear.channel(channel);
            assert!(taps.iter().eq(taps.iter().rev()));
            for f in [0.0, 100.0, 1000.0, 2000.0, 2600.0] {
                let change =
                    magnitude(taps, 48_000, f) / magnitude(set.channel(channel), 48_000, f);
                assert!((20.0 * change.log10()).abs() < 0.001, "{channel}, {f} Hz");
            }
        }
    }

    #[test]
    fn phase_edits_tell_what_they_did_to_the_delay() {
        let (_, said) = edit(&recipe("lowpass=3k"), "minimum-phase");
        assert!(said.starts_with("middle of the energy"), "{said}");
        let (lone, said) = edit(&ir(1000, vec![vec![0.0, 0.0, -0.5]]), "linear-phase");
        assert_eq!(lone.channel(0), [0.5]);
        assert!(said.contains("by 0 frames"), "{said}");
        let silent = ir(1000, vec![vec![0.0; 3]]);
        assert!(edit(&silent, "minimum-phase").1.contains("silent"));
        assert_eq!(edit(&silent, "linear-phase").0.channel(0), [0.0; 5]);
        refused("linear-phase=2", "linear-phase=2");
    }

    /// What scipy makes of the same taps; see assets/golden/edit.py.
    #[test]
    fn minimum_phase_is_that_of_scipy() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/golden");
        let csv = std::fs::read_to_string(folder.join("edit.csv")).unwrap();
        let blob = std::fs::read(folder.join("edit.bin")).unwrap();
        let row = csv
            .lines()
            .find(|line| line.starts_with("minimum-phase;"))
            .unwrap();
        let fields: Vec<usize> = row.split(';').skip(2).map(|x| x.parse().unwrap()).collect();
        let values = blob[fields[0]..][..8 * fields[1]].chunks_exact(8);
        let values: Vec<f64> = values
            .map(|x| f64::from_le_bytes(x.try_into().unwrap()))
            .collect();
        let (linear, theirs) = values.split_at(401);
        let ours = crate::ir::minimum_phase::minimum_phase(linear);
        let most = ours
            .iter()
            .zip(theirs)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f64::max);
        println!("largest difference {most:e}, largest tap {:.3}", theirs[5]);
        // Without zeros the cepstrum is gone before it folds, in 2^15 points here and 2^17 there; but
        // scipy adds 10^-7 of the least magnitude to every one.
        assert!(most < 1e-8, "{most:e}");
    }
}
