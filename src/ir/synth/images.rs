//! Image sources of a shoebox (Allen & Berkley 1979), and where they land between the frames.

use std::f64::consts::PI;

/// Speed of sound in m/s, dry air at 20 degrees.
pub(super) const SPEED: f64 = 343.0;
/// Frames on each side of an image that its windowed sinc covers.
pub(super) const REACH: usize = 40;

/// A source and a microphone between six mirrors; metres from one corner.
pub(super) struct Mirrors<'a> {
    pub(super) sides: &'a [f64; 3],
    pub(super) source: &'a [f64; 3],
    pub(super) ear: &'a [f64; 3],
}

/// How often the sound of an image met the walls: per axis, the one at 0 and the one across.
pub(super) type Hits = [[u32; 2]; 3];

impl Mirrors<'_> {
    /// Tells the distance in metres and the hits of every image nearer than `reach` metres and of
    /// at most `order` reflections; the direct sound, the one without hits, is among them.
    pub(super) fn each(&self, reach: f64, order: u32, mut tell: impl FnMut(f64, Hits)) {
        let [along, across, up] = [0, 1, 2].map(|axis| self.axis(axis, reach, order));
        let beyond = reach * reach * (1.0 + 1e-9);
        for &(x, left) in &along {
            for &(y, front) in &across {
                if x + y > beyond {
                    continue;
                }
                for &(z, floor) in &up {
                    let far = (x + y + z).sqrt();
                    let hits = [left, front, floor];
                    if far < reach && hits.iter().flatten().sum::<u32>() <= order {
                        tell(far, hits);
                    }
                }
            }
        }
    }

    /// Squared distance and hits of the images along one axis: at 2 m side + source after |m| hits
    /// of each wall, at 2 m side - source after |m - 1| of the near and |m| of the far one.
    fn axis(&self, axis: usize, reach: f64, order: u32) -> Vec<(f64, [u32; 2])> {
        let (side, source, ear) = (self.sides[axis], self.source[axis], self.ear[axis]);
        let by_reach = (reach / (2.0 * side)).ceil() + 1.0;
        let most = by_reach.min(f64::from(order) / 2.0 + 1.0) as i32;
        let both = move |m: i32| {
            let at = 2.0 * f64::from(m) * side;
            let far = m.unsigned_abs();
            [
                (at + source, [far, far]),
                (at - source, [(m - 1).unsigned_abs(), far]),
            ]
        };
        (-most..=most)
            .flat_map(both)
            .map(|(at, hits)| ((at - ear) * (at - ear), hits))
            .filter(|(_, hits)| hits.iter().sum::<u32>() <= order)
            .collect()
    }
}

pub(super) fn distance(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b) * (a - b))
        .sum::<f64>()
        .sqrt()
}

/// Impulses between the frames: a sinc under Hann's window of 81 taps, symmetric around the true
/// place, so that the delay is exact at every frequency.
pub(super) struct Placer {
    /// cos and sin of pi k / 40 at k = -40 ..= 40.
    turn: Vec<(f64, f64)>,
    taps: [f64; 2 * REACH + 1],
}

impl Placer {
    pub(super) fn new() -> Self {
        let angle = |k: usize| PI * (k as f64 - REACH as f64) / REACH as f64;
        Self {
            turn: (0..=2 * REACH)
                .map(|k| (angle(k).cos(), angle(k).sin()))
                .collect(),
            taps: [0.0; 2 * REACH + 1],
        }
    }

    /// The taps of an impulse of 1 at `frame`, and the frame of their middle one.
    pub(super) fn at(&mut self, frame: f64) -> (isize, &[f64]) {
        let middle = frame.round();
        let off = middle - frame;
        self.taps.fill(0.0);
        // x = k + off from the true place: sin(pi x) = +-sin(pi off), and the window's cosine by
        // the sum of angles.
        let (sin, shift) = ((PI * off).sin() / PI, PI * off / REACH as f64);
        let (shift_sin, shift_cos) = shift.sin_cos();
        for (k, (tap, (cos, sin_k))) in self.taps.iter_mut().zip(&self.turn).enumerate() {
            let x = k as f64 - REACH as f64 + off;
            if x.abs() < REACH as f64 {
                let window = 0.5 + 0.5 * (cos * shift_cos - sin_k * shift_sin);
                let sign = if k % 2 == REACH % 2 { 1.0 } else { -1.0 };
                *tap = window * sign * sin / x;
            }
        }
        if off == 0.0 {
            self.taps.fill(0.0);
            self.taps[REACH] = 1.0;
        }
        (middle as isize, &self.taps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_impulse_between_frames_is_a_delay_at_every_frequency() {
        let mut placer = Placer::new();
        for place in [7.0, 7.25, 7.5, 7.75, -3.1, 1e-9, -1e-13] {
            let (middle, taps) = placer.at(place);
            // Up to twice the window's transition of 2 in 80 below Nyquist.
            for f in [0.0, 0.1, 0.3, 0.45] {
                let (re, im) = taps
                    .iter()
                    .enumerate()
                    .fold((0.0, 0.0), |(re, im), (k, tap)| {
                        let n = middle as f64 + k as f64 - REACH as f64 - place;
                        let (sin, cos) = (2.0 * PI * f * n).sin_cos();
                        (re + tap * cos, im + tap * sin)
                    });
                // Ripples of a sinc under Hann's window are 44 dB down, and so is what comes back
                // from beyond Nyquist, with a phase of its own.
                let ripple = 10f64.powf(-44.0 / 20.0);
                assert!(
                    (re - 1.0).hypot(im) < 2.0 * ripple,
                    "{place} at {f}: {re} {im}"
                );
            }
        }
        assert_eq!(placer.at(12.0).1[REACH], 1.0);
        assert_eq!(placer.at(12.0).1.iter().sum::<f64>(), 1.0);
    }

    #[test]
    fn the_first_images_are_those_of_the_six_walls() {
        let (sides, source, ear) = ([6.0, 4.0, 3.0], [1.0, 1.5, 1.2], [4.0, 2.5, 1.7]);
        let mirrors = Mirrors {
            sides: &sides,
            source: &source,
            ear: &ear,
        };
        let mut found = Vec::new();
        mirrors.each(f64::INFINITY, 1, |far, hits| found.push((hits, far)));
        assert_eq!(found.len(), 7);
        for axis in 0..3 {
            for (wall, at) in [-source[axis], 2.0 * sides[axis] - source[axis]]
                .into_iter()
                .enumerate()
            {
                let mut hits = Hits::default();
                hits[axis][wall] = 1;
                let mut image = source;
                image[axis] = at;
                let far = found.iter().find(|(other, _)| *other == hits).unwrap().1;
                assert!((far - distance(&image, &ear)).abs() < 1e-12, "{hits:?}");
            }
        }
    }

    #[test]
    fn images_fill_a_sphere_as_densely_as_rooms_fill_space() {
        let (sides, source, ear) = ([6.0, 4.0, 3.0], [1.0, 1.5, 1.2], [4.0, 2.5, 1.7]);
        let mirrors = Mirrors {
            sides: &sides,
            source: &source,
            ear: &ear,
        };
        let mut count = 0;
        mirrors.each(60.0, u32::MAX, |far, _| {
            assert!(far < 60.0);
            count += 1;
        });
        // One image per room volume; what the surface cuts is less than surface times diagonal.
        let (volume, surface) = (4.0 / 3.0 * PI * 60f64.powi(3), 4.0 * PI * 3600.0);
        let off = f64::from(count) - volume / 72.0;
        assert!(off.abs() < surface * 7.8 / 72.0 / 10.0, "{count}");
    }
}
