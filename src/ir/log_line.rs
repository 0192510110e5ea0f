//! Straight lines over the logarithm of frequency.

/// The value at `hz` on the line through points of Hz, rising, and values; that of the nearest
/// point outside of them. None without any.
pub(super) fn at(points: &[(f64, f64)], hz: f64) -> Option<f64> {
    let after = points.partition_point(|(at, _)| *at <= hz);
    let before = after.checked_sub(1).map(|before| points[before]);
    match (before, points.get(after)) {
        (Some((from, a)), Some(&(to, b))) => {
            Some(a + (b - a) * (hz / from).ln() / (to / from).ln())
        }
        (Some((_, value)), None) | (None, Some(&(_, value))) => Some(value),
        (None, None) => None,
    }
}
