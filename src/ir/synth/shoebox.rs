//! Rooms from their sizes, walls and places: image sources, then noise of the same energy.
//!
//! The images (Allen & Berkley 1979) are all there up to the mixing time, from which on nobody
//! can tell one room from another of its kind: 50.1 ms + 0.0117 ms per cubic metre, the estimate
//! of Lindau, Kosanke & Weinzierl 2012 that 95 % of listeners agree on. Noise takes over with the
//! energy that the images have there in the mean, and decays as Eyring 1930 has it: in images
//! alone the sound that runs along the largest distance lasts longest, which no room with things
//! in it does. Walls and air absorb per octave band.

mod geometry;
mod read;
#[cfg(test)]
mod tests;

use std::f64::consts::{PI, SQRT_2};

use super::bands::{BANDS, KILOHERTZ, merge};
use super::images::{Hits, Placer, REACH, SPEED};
use super::noise::Noise;
use super::tail::{LENGTH, fade_out, given_way};
use crate::ir::IrError;
use crate::signal::SampleRate;

/// Seconds that the lowest band rings for behind an image.
const RINGING: f64 = 0.02;

/// A room with a source and one or two microphones. Metres; the corner where left, front and
/// floor meet is 0.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shoebox {
    /// Length, width, height.
    sides: [f64; 3],
    /// Absorption of the walls per band: left and right, front and back, floor and ceiling.
    walls: [[[f64; BANDS]; 2]; 3],
    /// What air takes of the energy per metre, and the humidity that makes it so.
    air: [f64; BANDS],
    humidity: Option<f64>,
    source: [f64; 3],
    /// The place of one microphone, or the middle of two.
    mic: [f64; 3],
    channels: usize,
    spacing: f64,
    images: Images,
    seed: u64,
    /// Gain of the direct sound at 1 m; without, all is brought to 0 dB at 1 kHz.
    level: Option<f64>,
    /// Whether the way to the nearest microphone takes its time.
    flight: bool,
    highpass: Option<f64>,
}

/// How far the images go.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Images {
    /// To the mixing time, noise behind.
    Mixing,
    /// All of them, to the end.
    All,
    /// As long as there are not more reflections than this.
    Order(u32),
}

impl Shoebox {
    /// One channel for each microphone.
    ///
    /// # Errors
    /// For a high-pass frequency at or above half of the rate. `recipe` is for errors.
    pub(super) fn render(&self, rate: SampleRate, recipe: &str) -> Result<Vec<Vec<f64>>, IrError> {
        let hz = f64::from(rate.hz());
        if let Some(at) = self.highpass.filter(|&at| at >= hz / 2.0) {
            return Err(IrError::AboveNyquist {
                recipe: recipe.to_owned(),
                hz: at,
                nyquist: hz / 2.0,
                rate,
            });
        }
        let early = self.early(hz);
        let frames = match self.images {
            Images::Order(_) => {
                let last = early[0].iter().map(Vec::len).max().unwrap_or(1);
                last + if self.is_flat() {
                    0
                } else {
                    rate.frames(RINGING)
                }
            }
            Images::All | Images::Mixing => rate.frames(self.seconds()).max(1),
        };
        let noise: Vec<Vec<f64>> = (0..self.channels)
            .map(|channel| self.noise(channel, hz, frames))
            .collect();
        let of = |band: usize| -> Vec<Vec<f64>> {
            let envelope = self.envelope(band);
            let images = early[band].iter();
            images
                .zip(&noise)
                .map(|(images, noise)| {
                    let mut taps = images.clone();
                    taps.resize(frames, 0.0);
                    for (n, (tap, noise)) in taps.iter_mut().zip(noise).enumerate() {
                        if *noise != 0.0 {
                            *tap += noise * envelope.at(n as f64 / hz + self.begin()).sqrt();
                        }
                    }
                    taps
                })
                .collect()
        };
        let mut channels = if self.is_flat() {
            of(0)
        } else {
            let pair = merge(frames, hz, |band| {
                let mut channels = of(band).into_iter();
                [(); 2].map(|()| channels.next().unwrap_or_else(|| vec![0.0; frames]))
            });
            pair.into_iter().take(self.channels).collect()
        };
        let gain = self.gain();
        for taps in &mut channels {
            if let Some(at) = self.highpass {
                highpass(taps, at / hz);
            }
            if !matches!(self.images, Images::Order(_)) {
                fade_out(taps);
            }
            taps.iter_mut().for_each(|tap| *tap *= gain);
        }
        Ok(channels)
    }

    /// The images, per band and microphone, as long as there are any; one band where all are
    /// alike.
    fn early(&self, hz: f64) -> Vec<Vec<Vec<f64>>> {
        let bands = if self.is_flat() { 1 } else { BANDS };
        let mut early = vec![vec![Vec::new(); self.channels]; bands];
        let (mut placer, losses) = (Placer::new(), self.losses());
        for channel in 0..self.channels {
            self.each_image(channel, |far, hits| {
                let share = self.images_share(far);
                let (middle, taps) = placer.at((far / SPEED - self.begin()) * hz);
                let first = middle - REACH as isize;
                // What would sound before frame 0 is left out.
                let cut = usize::try_from(-first).unwrap_or(0).min(taps.len());
                let from = usize::try_from(first).unwrap_or(0);
                for (band, early) in early.iter_mut().enumerate() {
                    let level = share * losses.amplitude(far, &hits, band);
                    let early = &mut early[channel];
                    let end = from + taps.len() - cut;
                    if early.len() < end {
                        early.resize(end, 0.0);
                    }
                    for (x, tap) in early[from..end].iter_mut().zip(&taps[cut..]) {
                        *x += level * tap;
                    }
                }
            });
        }
        early
    }

    /// Distance in metres and hits of every image that one microphone hears.
    fn each_image(&self, channel: usize, tell: impl FnMut(f64, Hits)) {
        let ear = &self.ears()[channel];
        let (reach, order) = match self.images {
            Images::Order(order) => (f64::INFINITY, order),
            Images::All => (self.direct() + SPEED * self.lasts(), u32::MAX),
            Images::Mixing => (self.direct() + SPEED * 1.25 * self.mixing(), u32::MAX),
        };
        self.mirrors(ear).each(reach, order, tell);
    }

    /// What images lose on their way.
    fn losses(&self) -> Losses {
        let mut walls = [[0.0; BANDS]; 6];
        for (of, wall) in walls.iter_mut().zip(self.walls.iter().flatten()) {
            *of = wall.map(|absorption| 0.5 * (-absorption).ln_1p());
        }
        let air = self.air.map(|air| -0.5 * air);
        Losses { walls, air }
    }

    /// What is left of an image where noise takes over; the two powers add up to 1.
    fn images_share(&self, far: f64) -> f64 {
        match self.images {
            Images::Order(_) | Images::All => 1.0,
            Images::Mixing => {
                let after = (far - self.direct()) / SPEED;
                (PI * 0.5 * given_way(after, self.mixing())).cos()
            }
        }
    }

    /// White noise with a power of 1 per second, from where the images give way.
    fn noise(&self, channel: usize, hz: f64, frames: usize) -> Vec<f64> {
        if self.images != Images::Mixing {
            return vec![0.0; frames];
        }
        let mut noise = Noise::new(self.seed, channel);
        let sigma = hz.sqrt().recip();
        let early = self.direct() / SPEED - self.begin();
        (0..frames)
            .map(|n| {
                let share = given_way(n as f64 / hz - early, self.mixing());
                sigma * noise.normal() * (PI * 0.5 * share).sin()
            })
            .collect()
    }

    /// The mean energy per second of a band, with the images' own decay up to the end of the
    /// joint and Eyring's behind it.
    fn envelope(&self, band: usize) -> Envelope {
        let direct = self.direct() / SPEED;
        let [from, to] = [0.75, 1.25].map(|share| direct + share * self.mixing());
        // 4 pi c^3 t^2 / V images per second, each 1 / (c t)^2 strong (Kuttruff, Room Acoustics,
        // section 4.1), times what walls and air have left.
        let density = 4.0 * PI * SPEED / self.volume();
        let [first, last] = [from, to].map(|t| density * self.left_over(SPEED * t, band));
        Envelope {
            from,
            to,
            last,
            // Between walls that take everything nothing is left.
            joint: if last > 0.0 {
                (first / last).ln() / (to - from)
            } else {
                0.0
            },
            tail: 1e6f64.ln() / self.eyring(band),
        }
    }

    /// The gain that [`level`](Self::level) or 0 dB at 1 kHz asks for.
    fn gain(&self) -> f64 {
        if let Some(level) = self.level {
            return level;
        }
        let (mut energy, losses) = (0.0, self.losses());
        for channel in 0..self.channels {
            self.each_image(channel, |far, hits| {
                let level = self.images_share(far) * losses.amplitude(far, &hits, KILOHERTZ);
                energy += level * level / self.channels as f64;
            });
        }
        if self.images == Images::Mixing {
            energy += self.envelope(KILOHERTZ).energy();
        }
        energy.sqrt().recip()
    }

    /// Seconds from the direct sound to the end of images and noise.
    fn lasts(&self) -> f64 {
        LENGTH * (0..BANDS).map(|band| self.eyring(band)).fold(0.0, f64::max)
    }

    /// Length of the response in seconds.
    fn seconds(&self) -> f64 {
        self.lasts() + self.direct() / SPEED - self.begin()
    }

    /// Seconds from the source's sound to frame 0.
    fn begin(&self) -> f64 {
        if self.flight {
            0.0
        } else {
            self.direct() / SPEED
        }
    }
}

/// What amplitudes lose per hit and per metre, in nepers, per band.
struct Losses {
    /// In the order of the hits.
    walls: [[f64; BANDS]; 6],
    air: [f64; BANDS],
}

impl Losses {
    /// Level of an image in a band, 1 being that of the source at 1 m.
    fn amplitude(&self, far: f64, hits: &Hits, band: usize) -> f64 {
        let mut nepers = self.air[band] * far;
        for (hits, wall) in hits.iter().flatten().zip(&self.walls) {
            // A wall that takes everything is -infinity, which must not meet 0.
            if *hits > 0 {
                nepers += f64::from(*hits) * wall[band];
            }
        }
        nepers.exp() / far
    }
}

/// Energy per second of the diffuse sound, over seconds since the source sounded.
struct Envelope {
    from: f64,
    to: f64,
    /// At `to`.
    last: f64,
    /// Nepers of energy per second between the two, and from `to` on.
    joint: f64,
    tail: f64,
}

impl Envelope {
    fn at(&self, t: f64) -> f64 {
        let slope = if t < self.to { self.joint } else { self.tail };
        self.last * (-slope * (t - self.to)).exp()
    }

    /// Of all noise together: over the joint it fades in as sin^2, half of its power in the mean.
    fn energy(&self) -> f64 {
        let steps = 64;
        let step = (self.to - self.from) / f64::from(steps);
        let joint = (0..steps).map(|k| {
            let share = (f64::from(k) + 0.5) / f64::from(steps);
            (PI * 0.5 * share).sin().powi(2) * self.at(self.from + share * (self.to - self.from))
        });
        step * joint.sum::<f64>() + self.last / self.tail
    }
}

/// Butterworth's of second order at `cutoff` (of the rate), by the bilinear transform. All images
/// have one sign: below the lowest mode they would add up to a pressure that no loudspeaker makes
/// (Allen & Berkley 1979 take a high-pass for the same reason).
fn highpass(taps: &mut [f64], cutoff: f64) {
    let w = (PI * cutoff).tan();
    let scale = 1.0 / (1.0 + SQRT_2 * w + w * w);
    let (a1, a2) = (
        2.0 * (w * w - 1.0) * scale,
        (1.0 - SQRT_2 * w + w * w) * scale,
    );
    let (mut s1, mut s2) = (0.0, 0.0);
    for tap in taps {
        let x = *tap * scale;
        let y = x + s1;
        s1 = s2 - 2.0 * x - a1 * y;
        s2 = x - a2 * y;
        *tap = y;
    }
}
