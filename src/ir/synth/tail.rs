//! How a room's tail takes over from its images, and ends.

use std::f64::consts::PI;

/// Length of a response, in its RT60: down to -90 dB.
pub(super) const LENGTH: f64 = 1.5;
/// Share of the length that fades out at the end.
const FADE: f64 = 0.1;

/// How far images have given way to noise `t` seconds after the direct sound: from 0 to 1 over
/// half of the mixing time, with the mixing time in the middle.
pub(super) fn given_way(t: f64, mixing: f64) -> f64 {
    ((t - 0.75 * mixing) / (0.5 * mixing)).clamp(0.0, 1.0)
}

/// Lets the end fall to 0.
pub(super) fn fade_out(taps: &mut [f64]) {
    let fade = (FADE * taps.len() as f64).max(1.0);
    for (n, tap) in taps.iter_mut().rev().enumerate().take(fade as usize) {
        *tap *= (PI * 0.5 * n as f64 / fade).sin().powi(2);
    }
}
