//! A room's sizes and places, and what statistics make of them.

use std::f64::consts::PI;

use super::Shoebox;
use crate::ir::synth::bands::{BANDS, LOWEST_BAND};
use crate::ir::synth::images::{Mirrors, SPEED, distance};

/// Directions per axis that an octant is sampled in.
const DIRECTIONS: u32 = 32;
/// Longest mixing time in seconds; the estimate was made with rooms of up to 8,500 cubic metres,
/// which mix after 150 ms.
const LATEST_MIXING: f64 = 1.0;

impl Shoebox {
    /// Places of the microphones: two lie level beside each other, the left one first, and face
    /// the source, so that its sound reaches both at once.
    pub(super) fn ears(&self) -> Vec<[f64; 3]> {
        if self.channels == 1 {
            return vec![self.mic];
        }
        let [x, y] = [0, 1].map(|axis| self.source[axis] - self.mic[axis]);
        let away = x.hypot(y);
        // Below the source every direction faces it.
        let left = if away < 1e-6 {
            [-1.0, 0.0]
        } else {
            [-y / away, x / away]
        };
        let ear = |side: f64| {
            let [x, y, z] = self.mic;
            let half = side * 0.5 * self.spacing;
            [x + half * left[0], y + half * left[1], z]
        };
        vec![ear(1.0), ear(-1.0)]
    }

    pub(super) fn mirrors<'a>(&'a self, ear: &'a [f64; 3]) -> Mirrors<'a> {
        Mirrors {
            sides: &self.sides,
            source: &self.source,
            ear,
        }
    }

    /// Metres from the source to the nearest microphone.
    pub(super) fn direct(&self) -> f64 {
        let ears = self.ears();
        let away = ears.iter().map(|ear| distance(&self.source, ear));
        away.fold(f64::INFINITY, f64::min)
    }

    /// Cubic metres.
    pub(super) fn volume(&self) -> f64 {
        volume(&self.sides)
    }

    /// Seconds from the direct sound to where noise stands for images.
    pub(super) fn mixing(&self) -> f64 {
        (0.0501 + 1.17e-5 * self.volume()).min(LATEST_MIXING)
    }

    /// The mean absorption of the walls by their area.
    pub(super) fn absorption(&self, band: usize) -> f64 {
        let [x, y, z] = self.sides;
        let areas = [y * z, x * z, x * y];
        let taken = areas.iter().zip(&self.walls);
        let taken: f64 = taken
            .map(|(area, [near, far])| area * (near[band] + far[band]))
            .sum();
        taken / surface(&self.sides)
    }

    /// Seconds in which a band falls by 60 dB (Eyring 1930; air as Knudsen 1931 added it).
    pub(super) fn eyring(&self, band: usize) -> f64 {
        let walls = -surface(&self.sides) * (-self.absorption(band)).ln_1p();
        let taken = walls + 4.0 * self.air[band] * self.volume();
        4.0 * 1e6f64.ln() * self.volume() / (SPEED * taken)
    }

    /// The share of a band's energy that walls and air leave of sound after `way` metres, in the
    /// mean over all directions. Along a direction u, a pair of walls is met |u| / side times per
    /// metre, one and the other in turn.
    pub(super) fn left_over(&self, way: f64, band: usize) -> f64 {
        let mut per_metre = [0.0; 3];
        for (axis, [near, far]) in self.walls.iter().enumerate() {
            let both = (-near[band]).ln_1p() + (-far[band]).ln_1p();
            per_metre[axis] = -0.5 * both / self.sides[axis];
        }
        let middle = |k: u32| (f64::from(k) + 0.5) / f64::from(DIRECTIONS);
        let mut sum = 0.0;
        for k in 0..DIRECTIONS {
            let up = middle(k);
            let level = (1.0 - up * up).sqrt();
            for j in 0..DIRECTIONS {
                let (sin, cos) = (0.5 * PI * middle(j)).sin_cos();
                let [x, y, z] = per_metre;
                let nepers = level * cos * x + level * sin * y + up * z + self.air[band];
                sum += (-way * nepers).exp();
            }
        }
        sum / f64::from(DIRECTIONS * DIRECTIONS)
    }

    /// Whether all bands are alike.
    pub(super) fn is_flat(&self) -> bool {
        let alike = |bands: &[f64; BANDS]| bands.iter().all(|band| *band == bands[0]);
        alike(&self.air) && self.walls.iter().flatten().all(alike)
    }
}

pub(super) fn volume(sides: &[f64; 3]) -> f64 {
    sides.iter().product()
}

/// Square metres of all six walls.
pub(super) fn surface([x, y, z]: &[f64; 3]) -> f64 {
    2.0 * (x * y + y * z + x * z)
}

/// What air at 20 degrees and 101.325 kPa takes of the energy per metre in every band, by ISO
/// 9613-1:1993, 6.2; `humidity` is relative, from 0 to 1.
pub(super) fn air(humidity: f64) -> [f64; BANDS] {
    let kelvin: f64 = 293.15;
    // Saturation pressure and with it the molar concentration of water vapour in per cent
    // (annex B); the reference temperature and pressure are those of the room.
    let saturation = 10f64.powf(-6.8346 * (273.16 / kelvin).powf(1.261) + 4.6151);
    let water = 100.0 * humidity * saturation;
    let oxygen = 24.0 + 4.04e4 * water * (0.02 + water) / (0.391 + water);
    let nitrogen = 9.0 + 280.0 * water;
    std::array::from_fn(|band| {
        let f = LOWEST_BAND * f64::from(1 << band);
        let relaxing = 0.01275 * (-2239.1 / kelvin).exp() / (oxygen + f * f / oxygen)
            + 0.1068 * (-3352.0 / kelvin).exp() / (nitrogen + f * f / nitrogen);
        // 8.686 dB are a neper of amplitude, two of energy.
        2.0 * f * f * (1.84e-11 + relaxing)
    })
}
