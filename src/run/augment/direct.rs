//! When the direct sound of a response comes, to a fraction of a frame.

use std::f64::consts::PI;

use crate::ir::ImpulseResponse;
use crate::ir::onset::onset;
use crate::signal::SampleRate;

/// Seconds behind the onset within which the direct sound peaks.
const RISE: f64 = 1e-3;
/// The same in frames, for low rates.
const LEAST_RISE: usize = 4;
/// Channels whose largest tap is below this share of the largest of all are not asked: -40 dB.
const FAINT: f32 = 0.01;
/// Taps to either side that the interpolation goes by.
const REACH: usize = 32;

/// The peak of the direct sound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Direct {
    /// The tap nearest to it.
    pub(super) frame: usize,
    /// What is between the two in frames, from -0.5 to 0.5.
    pub(super) fraction: f64,
}

impl Direct {
    /// Of the channel in which it comes first; none where all taps are 0.
    ///
    /// From the onset (ISO 3382-1: the first tap within 20 dB of the largest) on, the largest tap
    /// within a millisecond is the one nearest to the peak, or the top of the slope that begins
    /// there.
    pub(super) fn of(ir: &ImpulseResponse) -> Option<Self> {
        let peak = |taps: &[f32]| taps.iter().fold(0.0f32, |most, tap| most.max(tap.abs()));
        let channels = ir.audio().channels();
        let loudest = channels.iter().map(|taps| peak(taps)).fold(0.0, f32::max);
        let heard = channels.iter().filter(|taps| peak(taps) >= FAINT * loudest);
        heard
            .filter_map(|taps| Self::of_channel(taps, ir.rate()))
            .min_by(|a, b| a.time().total_cmp(&b.time()))
    }

    /// Frames, with fraction.
    pub(super) fn time(&self) -> f64 {
        self.frame as f64 + self.fraction
    }

    fn of_channel(taps: &[f32], rate: SampleRate) -> Option<Self> {
        let begin = onset(taps)?;
        let end = taps
            .len()
            .min(begin + 1 + rate.frames(RISE).max(LEAST_RISE));
        let mut frame = begin;
        for k in begin..end {
            if taps[k].abs() > taps[frame].abs() {
                frame = k;
            }
        }
        while taps
            .get(frame + 1)
            .is_some_and(|next| next.abs() > taps[frame].abs())
        {
            frame += 1;
        }
        let fraction = fraction(taps, frame);
        Some(Self { frame, fraction })
    }
}

/// Where between -0.5 and 0.5 beside a tap the band-limited curve through the taps is furthest
/// from 0, to a millionth.
fn fraction(taps: &[f32], frame: usize) -> f64 {
    const GRID: i32 = 32;
    let sign = f64::from(taps[frame].signum());
    let height = |t: f64| sign * curve(taps, frame, t);
    let step = 1.0 / f64::from(GRID);
    let grid = (-GRID / 2..=GRID / 2).map(|k| f64::from(k) * step);
    let top = grid.fold((0.0, f64::NEG_INFINITY), |best, t| match height(t) {
        // The nearest to the tap, where several are equal.
        h if h > best.1 || (h == best.1 && t.abs() < f64::abs(best.0)) => (t, h),
        _ => best,
    });
    let (mut low, mut high) = ((top.0 - step).max(-0.5), (top.0 + step).min(0.5));
    // One maximum in between: a third goes each time.
    while high - low > 1e-7 {
        let (a, b) = ((2.0 * low + high) / 3.0, (low + 2.0 * high) / 3.0);
        if height(a) < height(b) {
            low = a;
        } else {
            high = b;
        }
    }
    // Without the sign of a zero.
    ((low + high) / 2.0 * 1e6).round() / 1e6 + 0.0
}

/// sum over n of h[n] sinc(frame + t - n) cos^2(pi/2 (frame + t - n) / (REACH + 1))
fn curve(taps: &[f32], frame: usize, t: f64) -> f64 {
    let first = frame.saturating_sub(REACH);
    let near = taps
        .iter()
        .enumerate()
        .skip(first)
        .take(frame - first + REACH + 1);
    near.map(|(n, &tap)| {
        let away = frame as f64 - n as f64 + t;
        let sinc = match PI * away {
            x if x.abs() < 1e-12 => 1.0,
            x => x.sin() / x,
        };
        let window = (0.5 * PI * away / (REACH + 1) as f64).cos();
        f64::from(tap) * sinc * window * window
    })
    .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::Audio;

    fn direct(channels: Vec<Vec<f32>>) -> Option<Direct> {
        let rate = SampleRate::new(16_000).unwrap();
        Direct::of(&ImpulseResponse::new(Audio::new(rate, channels).unwrap()).unwrap())
    }

    /// A band-limited pulse of `width` frames around `at`.
    fn pulse(at: f64, width: f64, frames: usize) -> Vec<f32> {
        let bell = |n: usize| (-0.5 * ((n as f64 - at) / width).powi(2)).exp() as f32;
        (0..frames).map(bell).collect()
    }

    #[test]
    fn a_lone_tap_is_where_it_is() {
        let lone = |at: usize, tap: f32| [vec![0.0; at], vec![tap], vec![0.0; 5]].concat();
        for at in [0, 3, 100] {
            for tap in [1.0, -0.25] {
                let found = direct(vec![lone(at, tap)]).unwrap();
                assert_eq!((found.frame, found.fraction), (at, 0.0));
            }
        }
        assert_eq!(direct(vec![vec![0.0; 9]]), None);
    }

    #[test]
    fn a_pulse_between_two_taps_is_found_to_a_thousandth() {
        for tenth in -4..=4 {
            let at = 60.0 + f64::from(tenth) / 10.0;
            for width in [1.2, 2.5] {
                for sign in [1.0, -1.0] {
                    let taps = pulse(at, width, 200).iter().map(|tap| sign * tap).collect();
                    let found = direct(vec![taps]).unwrap();
                    assert_eq!(found.frame, 60);
                    assert!((found.time() - at).abs() < 1e-3, "{at}: {found:?}");
                }
            }
        }
    }

    #[test]
    fn a_later_and_louder_reflection_is_not_the_direct_sound() {
        let mut taps = pulse(50.0, 1.5, 400);
        // 2 ms later.
        taps[82] = 1.8;
        assert_eq!(direct(vec![taps]).unwrap().frame, 50);
        // A slope longer than a millisecond is followed to its top.
        let slow = pulse(120.0, 30.0, 400);
        assert_eq!(direct(vec![slow]).unwrap().frame, 120);
    }

    #[test]
    fn the_earliest_channel_counts_unless_it_is_faint() {
        let (early, late) = (pulse(30.25, 1.5, 100), pulse(40.0, 1.5, 100));
        let scaled = |by: f32| early.iter().map(|tap| by * tap).collect::<Vec<f32>>();
        let found = direct(vec![late.clone(), scaled(0.1)]).unwrap();
        assert!((found.time() - 30.25).abs() < 1e-3, "{found:?}");
        assert_eq!(direct(vec![late, scaled(0.001)]).unwrap().frame, 40);
    }
}
