//! Second-order sections: Butterworth's cuts and the Audio EQ Cookbook's filters.

use std::f64::consts::{PI, TAU};

use super::{EqBand, SILENCE};
use crate::signal::SampleRate;

/// Longest ringing that is waited for, in seconds.
pub(super) const LONGEST: f64 = 30.0;

/// y\[n\] = b0 x\[n\] + b1 x\[n-1\] + b2 x\[n-2\] - a1 y\[n-1\] - a2 y\[n-2\].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Section {
    b: [f64; 3],
    a: [f64; 2],
}

/// The sections of a band; none of a tilt, which is no recursive filter. Its frequency lies below
/// Nyquist.
pub(super) fn of(band: &EqBand, rate: SampleRate) -> Vec<Section> {
    let sections = |hz: f64, order: usize, low: bool| -> Vec<Section> {
        let turn = Turn::new(hz, rate);
        // Butterworth's poles in pairs, the nearer to the real axis the lower their q; the one
        // that is left of an odd order is real.
        let pairs = (0..order / 2).map(|k| {
            let angle = PI * (2 * k + 1) as f64 / (2 * order) as f64;
            turn.cut(low, 1.0 / (2.0 * angle.sin()))
        });
        pairs
            .chain((order % 2 == 1).then(|| turn.first_order(low)))
            .collect()
    };
    match *band {
        EqBand::LowCut { hz, order } => sections(hz, order, false),
        EqBand::HighCut { hz, order } => sections(hz, order, true),
        EqBand::LowShelf { hz, db, q } => vec![Turn::new(hz, rate).shelf(db, q, 1.0)],
        EqBand::HighShelf { hz, db, q } => vec![Turn::new(hz, rate).shelf(db, q, -1.0)],
        EqBand::Peak { hz, db, q } => vec![Turn::new(hz, rate).peak(db, q)],
        EqBand::Notch { hz, q } => vec![Turn::new(hz, rate).notch(q)],
        EqBand::Tilt { .. } => Vec::new(),
    }
}

/// A frequency as the angle w by which one frame turns it.
struct Turn {
    w: f64,
    cos: f64,
}

/// Names and formulas are the cookbook's.
impl Turn {
    fn new(hz: f64, rate: SampleRate) -> Self {
        let w = TAU * hz / f64::from(rate.hz());
        Self { w, cos: w.cos() }
    }

    fn alpha(&self, q: f64) -> f64 {
        self.w.sin() / (2.0 * q)
    }

    fn cut(&self, low: bool, q: f64) -> Section {
        let (cos, alpha) = (self.cos, self.alpha(q));
        let sign = if low { 1.0 } else { -1.0 };
        // 1 - cos w loses digits at low frequencies.
        let edge = if low {
            2.0 * (self.w / 2.0).sin().powi(2)
        } else {
            1.0 + cos
        };
        let b = [edge / 2.0, sign * edge, edge / 2.0];
        Section::over(1.0 + alpha, b, [-2.0 * cos, 1.0 - alpha])
    }

    /// Bilinear transform of 1 / (s + 1), or s / (s + 1), with the corner kept.
    fn first_order(&self, low: bool) -> Section {
        let k = (self.w / 2.0).tan();
        let b = if low { [k, k, 0.0] } else { [1.0, -1.0, 0.0] };
        Section::over(1.0 + k, b, [k - 1.0, 0.0])
    }

    fn peak(&self, db: f64, q: f64) -> Section {
        let (a, alpha, turn) = (10f64.powf(db / 40.0), self.alpha(q), -2.0 * self.cos);
        let b = [1.0 + alpha * a, turn, 1.0 - alpha * a];
        Section::over(1.0 + alpha / a, b, [turn, 1.0 - alpha / a])
    }

    fn notch(&self, q: f64) -> Section {
        let (alpha, turn) = (self.alpha(q), -2.0 * self.cos);
        Section::over(1.0 + alpha, [1.0, turn, 1.0], [turn, 1.0 - alpha])
    }

    /// The low one for a `side` of 1, the high one, its mirror, for -1.
    fn shelf(&self, db: f64, q: f64, side: f64) -> Section {
        let a = 10f64.powf(db / 40.0);
        let (more, less) = (a + 1.0, a - 1.0);
        let (cos, bump) = (side * self.cos, 2.0 * a.sqrt() * self.alpha(q));
        let b = [
            a * (more - less * cos + bump),
            side * 2.0 * a * (less - more * cos),
            a * (more - less * cos - bump),
        ];
        let a = [side * -2.0 * (less + more * cos), more + less * cos - bump];
        Section::over(more + less * cos + bump, b, a)
    }
}

impl Section {
    fn over(a0: f64, b: [f64; 3], a: [f64; 2]) -> Self {
        Self {
            b: b.map(|b| b / a0),
            a: a.map(|a| a / a0),
        }
    }

    /// Transposed direct form II, in place.
    pub(super) fn run(&self, samples: &mut [f64]) {
        let ([b0, b1, b2], [a1, a2]) = (self.b, self.a);
        let (mut s1, mut s2) = (0.0, 0.0);
        for sample in samples {
            let x = *sample;
            let y = b0 * x + s1;
            s1 = b1 * x - a1 * y + s2;
            s2 = b2 * x - a2 * y;
            *sample = y;
        }
    }

    /// Seconds in which the slower pole falls to -140 dB.
    pub(super) fn ringing(&self, rate: SampleRate) -> f64 {
        let [a1, a2] = self.a;
        let split = a1 * a1 / 4.0 - a2;
        // Conjugate poles have the radius sqrt(a2), real ones lie at -a1/2 +- sqrt(split).
        let radius = if split < 0.0 {
            a2.sqrt()
        } else {
            a1.abs() / 2.0 + split.sqrt()
        };
        let frames = SILENCE.ln() / radius.clamp(1e-300, 1.0 - 1e-12).ln();
        (frames / f64::from(rate.hz())).min(LONGEST)
    }
}
