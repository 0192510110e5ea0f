//! From what every turn gave to one response with a common beginning.

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

use crate::signal::SampleRate;

/// Seconds of a response before the sound begins, where nothing tells when it was sent.
pub(super) const LEAD: f64 = 0.005;
/// Seconds before its largest tap from which on nothing should come yet.
const EARLY: f64 = 0.05;
/// Seconds before its largest tap in which a response begins, at most.
const FIRST: f64 = 0.1;
/// Seconds of a loop's response around its peak that are divided by, before and after: converters
/// ring for less.
const BEFORE: f64 = 0.01;
const AFTER: f64 = 0.1;
/// What a loop does not carry, -60 dB below what it carries best, is not made good: its noise
/// would be.
const FLOOR: f64 = 1e-6;

/// The largest tap's place, with a fraction: the top of a parabola through three points.
pub(super) fn peak(taps: &[f32]) -> Option<f64> {
    let size = |k: usize| f64::from(taps[k]).abs();
    let top = (0..taps.len()).max_by(|&a, &b| size(a).total_cmp(&size(b)))?;
    if size(top) == 0.0 || top == 0 || top + 1 == taps.len() {
        return (size(top) > 0.0).then_some(top as f64);
    }
    let (a, b, c) = (size(top - 1), size(top), size(top + 1));
    let bend = a - 2.0 * b + c;
    let shift = if bend < 0.0 {
        0.5 * (a - c) / bend
    } else {
        0.0
    };
    Some(top as f64 + shift.clamp(-0.5, 0.5))
}

/// The first tap within 20 dB of the largest, as [`onset`](crate::ir::ImpulseResponse::onset) has
/// it, but no more than so long before it: what is further away is noise.
pub(super) fn first_sound(taps: &[f32], rate: SampleRate) -> Option<usize> {
    let top = peak(taps)?.round() as usize;
    let from = top.saturating_sub(rate.frames(FIRST));
    let loud = |tap: &f32| tap.abs() >= 0.1 * taps[top].abs();
    taps[from..=top].iter().position(loud).map(|at| from + at)
}

/// How far a peak stands out from the mean of everything else, in dB.
pub(super) fn prominence(taps: &[f32]) -> f64 {
    let square = |x: &f32| f64::from(*x).powi(2);
    let most = taps.iter().map(square).fold(0.0, f64::max);
    let mean = taps.iter().map(square).sum::<f64>() / taps.len().max(1) as f64;
    10.0 * (most / mean.max(f64::MIN_POSITIVE)).log10()
}

/// Taps from frame `zero` on, silence where there are none.
pub(super) fn from(taps: &[f32], zero: i64, frames: usize) -> Vec<f32> {
    let at = |k: i64| usize::try_from(k).ok().and_then(|k| taps.get(k)).copied();
    let last = zero.saturating_add(i64::try_from(frames).unwrap_or(i64::MAX));
    (zero..last).map(|k| at(k).unwrap_or(0.0)).collect()
}

/// What a response would be behind a loop that changes nothing: H = Y conj(X) / (|X|^2 + e), the
/// loop's delay included. Frame 0 is when the loop's sound comes.
pub(super) fn divided(taps: &[f32], by: &[f32], rate: SampleRate) -> Vec<f32> {
    let Some(middle) = peak(by) else {
        return taps.to_vec();
    };
    let (before, after) = (rate.frames(BEFORE) as f64, rate.frames(AFTER) as f64);
    // Falls smoothly to 0 on either side.
    let window = |k: usize| {
        let away = k as f64 - middle;
        let share = away / if away < 0.0 { before } else { after };
        match share.abs() < 1.0 {
            true => (0.5 * std::f64::consts::PI * share).cos().powi(2),
            false => 0.0,
        }
    };
    let size = (2 * taps.len().max(by.len())).next_power_of_two();
    let mut planner = FftPlanner::new();
    let spectrum = planner.plan_fft_forward(size);
    let transformed = |values: &mut dyn Iterator<Item = f64>| {
        let mut bins: Vec<Complex<f64>> = values.map(|x| Complex::new(x, 0.0)).collect();
        bins.resize(size, Complex::default());
        spectrum.process(&mut bins);
        bins
    };
    let loops = by.iter().enumerate();
    let x = transformed(&mut loops.map(|(k, &x)| f64::from(x) * window(k)));
    let mut y = transformed(&mut taps.iter().map(|&y| f64::from(y)));
    let most = x.iter().fold(0.0, |most: f64, x| most.max(x.norm_sqr()));
    for (y, x) in y.iter_mut().zip(&x) {
        *y *= x.conj() / (x.norm_sqr() + FLOOR * most) / size as f64;
    }
    planner.plan_fft_inverse(size).process(&mut y);
    y[..taps.len()].iter().map(|y| y.re as f32).collect()
}

/// How much of a response's energy comes long before its largest tap, in dB of all of it, beyond
/// the noise at its end. `reach` is how many frames before that tap are looked at: distortion
/// comes still earlier.
///
/// No room answers before it is asked. A sweep plays every frequency once, so frames that a server
/// doubled, left out or brought too late look like a room's echoes and dips; those that it brought
/// too early show here.
pub(super) fn early(taps: &[f32], reach: usize, rate: SampleRate) -> f64 {
    let energy = |x: &[f32]| x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
    let top = peak(taps).map_or(0, |top| top.round() as usize);
    let to = top.saturating_sub(rate.frames(EARLY));
    let before = &taps[to.saturating_sub(reach)..to];
    let noise = energy(&taps[taps.len() - before.len()..]);
    let share = (energy(before) - noise).max(0.0) / energy(taps).max(f64::MIN_POSITIVE);
    10.0 * share.log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_between_two_frames_is_found() {
        let at = |k: usize| (-0.5 * ((k as f32 - 20.3) / 2.0).powi(2)).exp();
        let taps: Vec<f32> = (0..50).map(at).collect();
        // A bell is no parabola: 3 hundredths off.
        assert!((peak(&taps).unwrap() - 20.3).abs() < 0.03);
        assert_eq!(peak(&[0.0; 5]), None);
        assert_eq!(peak(&[1.0, 0.5]), Some(0.0));
    }

    #[test]
    fn the_first_sound_is_near_the_largest_tap() {
        let rate = SampleRate::new(1000).unwrap();
        let mut taps = vec![0.0; 500];
        (taps[300], taps[250], taps[100]) = (-1.0, 0.1, 0.5);
        assert_eq!(first_sound(&taps, rate), Some(250));
        assert_eq!(first_sound(&[0.0; 5], rate), None);
        assert_eq!(first_sound(&[0.05, 1.0], rate), Some(1));
    }

    #[test]
    fn what_comes_long_before_the_largest_tap_is_weighed_without_the_noise() {
        let rate = SampleRate::new(1000).unwrap();
        let mut taps: Vec<f32> = (0..2000)
            .map(|k| if k % 2 == 0 { 0.01 } else { -0.01 })
            .collect();
        taps[1000] = 10.0;
        assert_eq!(early(&taps, 400, rate), f64::NEG_INFINITY);
        // Nearer than 50 ms it is a room's, further than 400 frames it is distortion.
        (taps[960], taps[500]) = (1.0, 1.0);
        assert_eq!(early(&taps, 400, rate), f64::NEG_INFINITY);
        taps[900] = 1.0;
        let share = early(&taps, 400, rate);
        assert!((share + 20.0).abs() < 0.2, "{share} dB");
    }

    #[test]
    fn frames_before_the_first_are_silent() {
        assert_eq!(from(&[1.0, 2.0, 3.0], -2, 4), [0.0, 0.0, 1.0, 2.0]);
        assert_eq!(from(&[1.0, 2.0, 3.0], 2, 2), [3.0, 0.0]);
    }

    #[test]
    fn what_a_loop_does_is_taken_away() {
        let rate = SampleRate::new(48_000).unwrap();
        // A loop of 300 frames and a little filter; a room behind the same.
        let (mut by, mut taps) = (vec![0.0; 4096], vec![0.0; 4096]);
        let filter = [0.05, 0.7, 0.2, -0.1];
        let room = [(144, 1.0), (500, -0.5), (1700, 0.25)];
        for (k, x) in filter.into_iter().enumerate() {
            by[300 + k] = x;
            for (delay, gain) in room {
                taps[300 + k + delay] += gain * x;
            }
        }
        let clean = divided(&taps, &by, rate);
        for (k, &tap) in clean.iter().enumerate() {
            let expected = room
                .iter()
                .find(|room| room.0 == k)
                .map_or(0.0, |room| room.1);
            // The floor is -60 dB of the best; this loop's worst is 12 dB below that: 1.6e-5.
            assert!((tap - expected).abs() < 1e-4, "{tap} at {k}");
        }
    }
}
