//! All that can be told about a response from its taps alone.

use super::ImpulseResponse;
use super::acoustics::Acoustics;
use super::level::Level;
use super::minimum_phase::minimum_phase;
use super::onset::onset;

/// How much the two halves of a linear-phase response may differ, relative to its largest tap.
const SYMMETRY: f64 = 1e-4;

/// A response's levels and delays by channel, and the room acoustics of one channel.
///
/// ```
/// # use faltung::{SampleRate, Recipe, ir::info::Info};
/// let hall = "hall".parse::<Recipe>()?.render(SampleRate::new(48_000)?)?;
/// let info = Info::of(&hall, 0);
/// assert!((info.acoustics.bands[3].t30.clone()? / 2.0 - 1.0).abs() < 0.05); // 2 s at 1 kHz
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Info {
    /// Level of each channel.
    pub levels: Vec<Level>,
    /// Delay of each channel.
    pub delays: Vec<Delay>,
    /// Channel of which the acoustics are, counted from 0.
    pub channel: usize,
    /// Its acoustics.
    pub acoustics: Acoustics,
}

/// How long a channel's response lets wait, in frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delay {
    /// Frame of the first tap within 20 dB of the largest; none where all are 0.
    pub onset: Option<usize>,
    /// For a symmetric response, which has linear phase: frames by which its peak would come
    /// sooner with the same magnitude and minimum phase.
    pub saved_by_minimum_phase: Option<usize>,
}

impl Info {
    /// Judges a response; its acoustics by one channel, counted from 0.
    #[track_caller]
    pub fn of(ir: &ImpulseResponse, channel: usize) -> Self {
        let wide = |taps: &[f32]| taps.iter().map(|&tap| f64::from(tap)).collect::<Vec<_>>();
        let delay = |taps: &Vec<f32>| Delay::of(&wide(taps));
        Self {
            levels: ir.levels(),
            delays: ir.audio().channels().iter().map(delay).collect(),
            channel,
            acoustics: Acoustics::of(&wide(ir.channel(channel)), ir.rate()),
        }
    }
}

impl Delay {
    fn of(taps: &[f64]) -> Self {
        Self {
            onset: onset(taps),
            saved_by_minimum_phase: symmetric(taps).map(|part| {
                let sooner = peak(part).saturating_sub(peak(&minimum_phase(part)));
                // What lies before the symmetric part is a delay that minimum phase has not.
                sooner + peak(taps) - peak(part)
            }),
        }
    }
}

/// First frame of the largest magnitude.
fn peak(taps: &[f64]) -> usize {
    let larger = |most: usize, n: usize| {
        if taps[n].abs() > taps[most].abs() {
            n
        } else {
            most
        }
    };
    (0..taps.len()).fold(0, larger)
}

/// The taps without zeros at either end, if they read the same from both.
fn symmetric(taps: &[f64]) -> Option<&[f64]> {
    let first = taps.iter().position(|&tap| tap != 0.0)?;
    let last = taps.iter().rposition(|&tap| tap != 0.0)?;
    let part = &taps[first..=last];
    let most = SYMMETRY * part[peak(part)].abs();
    let same = part
        .iter()
        .zip(part.iter().rev())
        .all(|(a, b)| (a - b).abs() <= most);
    (part.len() > 2 && same).then_some(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Recipe;
    use crate::signal::SampleRate;

    fn delay(recipe: &str) -> (Delay, usize) {
        let rate = SampleRate::new(48_000).unwrap();
        let ir = recipe.parse::<Recipe>().unwrap().render(rate).unwrap();
        (Info::of(&ir, 0).delays[0], ir.frames())
    }

    #[test]
    fn minimum_phase_is_advised_where_phase_is_linear() {
        let (linear, frames) = delay("lowpass=1k");
        let (least, _) = delay("min:lowpass=1k");
        // The peak is in the middle, and then where the other recipe has it or after it.
        let saved = linear.saved_by_minimum_phase.unwrap();
        assert!(
            saved <= frames / 2 - least.onset.unwrap(),
            "{saved} of {frames}"
        );
        assert!(saved > frames / 3, "{saved} of {frames}");
        assert_eq!(least.saved_by_minimum_phase, None);
        for recipe in ["identity", "hall", "delay=10ms", "echo=10ms,0.5"] {
            assert_eq!(delay(recipe).0.saved_by_minimum_phase, None, "{recipe}");
        }
    }

    #[test]
    fn a_symmetric_response_may_have_silence_around_it() {
        let taps = [0.0, 0.0, 0.5, 1.0, 0.5, 0.0];
        assert_eq!(symmetric(&taps), Some(&taps[2..5]));
        let delay = Delay::of(&taps);
        assert_eq!(delay.onset, Some(2));
        // [0.25, 1, 0.25] would begin with its largest tap; this one is (1 + z^-1)^2 / 2 and
        // minimum phase already: only the silence goes.
        assert_eq!(delay.saved_by_minimum_phase, Some(2));
        assert_eq!(symmetric(&[1.0, 0.5, 0.9]), None);
        assert_eq!(symmetric(&[0.0; 3]), None);
    }
}
