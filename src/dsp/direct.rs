//! Time-domain FIR: the zero-latency head.

use crate::signal::Sample;

/// Outputs that are summed at once.
const TILE: usize = 64;

/// `output[n] += sum over j of taps[j] x[n - j]`, where `history` ends with the newest input and
/// holds `taps.len() - 1` frames before the first of `output.len()` new ones.
///
/// Every output's sum runs from the oldest input to the newest, one addition after the other, so
/// its bits do not depend on how many outputs are made at once.
pub(crate) fn fir<T: Sample>(taps: &[T], history: &[T], output: &mut [T]) {
    debug_assert!(taps.is_empty() || history.len() == taps.len() - 1 + output.len());
    for (tile, output) in output.chunks_mut(TILE).enumerate() {
        let mut sums = [T::zero(); TILE];
        let sums = &mut sums[..output.len()];
        let window = &history[tile * TILE..];
        for (&tap, x) in taps.iter().rev().zip(window.windows(sums.len())) {
            for (sum, &x) in sums.iter_mut().zip(x) {
                *sum += tap * x;
            }
        }
        for (y, &sum) in output.iter_mut().zip(sums.iter()) {
            *y += sum;
        }
    }
}
