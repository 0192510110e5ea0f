//! Rooms and plates: a direct sound, early reflections, and a decay that depends on frequency.
//!
//! Physics in place of a table of numbers. The early reflections are those of a shoebox by the
//! image method (Allen & Berkley 1979), as heard by two microphones. From the mixing time on,
//! the images are too many to count and become noise, with the energy density that they have in
//! the mean: n images per second of 4 pi c^3 t^2 / V, each (d / ct)^2 as strong as the direct
//! sound from d metres, give 4 pi c d^2 / V per second (Kuttruff, Room Acoustics, sections 4.1
//! and 5.1). Walls and air then let every octave band decay exponentially at its own rate,
//! reflections and noise alike. The channels' noises are independent.

use std::f64::consts::PI;

use super::bands::{BANDS, KILOHERTZ, LOWEST_BAND, split};
use super::catalogue;
use super::images::{Hits, Mirrors, SPEED, distance};
use super::noise::Noise;
use super::octaves;
use super::reading::{Reading, SEEDS};
use super::tail::{LENGTH, fade_out, given_way};
use crate::ir::IrError;
use crate::signal::SampleRate;

/// One space with all that is known about it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Space {
    /// One line for people; the tests hold it to the truth.
    pub(super) about: &'static str,
    /// Time in seconds in which the sound falls by 60 dB, in the 500 Hz and 1 kHz bands unless it
    /// was asked for band by band.
    pub(super) rt60: f64,
    /// The bands' decay times, 125 Hz to 8 kHz, relative to that.
    bands: [f64; BANDS],
    reverb: Reverb,
    channels: usize,
    seed: u64,
}

#[derive(Debug, Clone, PartialEq)]
enum Reverb {
    /// A shoebox. Lengths in metres: sides, source, the point between the microphones, and their
    /// distance. Source and microphones form a T, so the direct sound reaches both at once.
    Shoebox {
        sides: [f64; 3],
        source: [f64; 3],
        ears: [f64; 3],
        apart: f64,
        mixing: f64,
    },
    /// A plate: dense from the start, the highs first, as bending waves travel (the onset of a
    /// band in seconds at 1 kHz, and as 1 / sqrt(f)).
    Plate { density: f64, onset: f64 },
}

pub(super) const ROOM: Space = Space {
    about: catalogue::ROOM,
    rt60: 0.4,
    bands: [1.15, 1.05, 1.0, 1.0, 0.95, 0.85, 0.7],
    reverb: Reverb::Shoebox {
        sides: [4.0, 5.0, 2.6],
        source: [1.7, 1.3, 1.4],
        ears: [1.7, 3.3, 1.4],
        apart: 0.2,
        mixing: 0.025,
    },
    channels: 2,
    seed: 0x0001,
};

pub(super) const HALL: Space = Space {
    about: catalogue::HALL,
    rt60: 2.0,
    bands: [1.15, 1.1, 1.0, 1.0, 0.9, 0.7, 0.45],
    reverb: Reverb::Shoebox {
        sides: [23.0, 40.0, 15.0],
        source: [10.3, 6.0, 2.0],
        ears: [10.3, 18.0, 3.0],
        apart: 0.5,
        mixing: 0.08,
    },
    channels: 2,
    seed: 0x0002,
};

pub(super) const CATHEDRAL: Space = Space {
    about: catalogue::CATHEDRAL,
    rt60: 6.0,
    bands: [1.1, 1.1, 1.0, 1.0, 0.8, 0.55, 0.3],
    reverb: Reverb::Shoebox {
        sides: [30.0, 90.0, 22.0],
        source: [13.0, 15.0, 2.5],
        ears: [13.0, 30.0, 2.5],
        apart: 0.8,
        mixing: 0.12,
    },
    channels: 2,
    seed: 0x0003,
};

pub(super) const PLATE: Space = Space {
    about: catalogue::PLATE,
    rt60: 1.8,
    bands: [1.3, 1.15, 1.0, 1.0, 0.85, 0.65, 0.45],
    reverb: Reverb::Plate {
        density: 60.0,
        onset: 0.004,
    },
    channels: 2,
    seed: 0x0004,
};

impl Space {
    /// Another decay, number of channels or noise, where they are asked for.
    pub(super) fn with(mut self, reading: &mut Reading) -> Result<Self, IrError> {
        reading.plain()?;
        if let Some(times) = octaves::rt60(reading)? {
            match times[..] {
                [time] => self.rt60 = time,
                _ => {
                    self.rt60 = times.iter().copied().fold(0.0, f64::max);
                    for (band, time) in self.bands.iter_mut().zip(&times) {
                        *band = time / self.rt60;
                    }
                }
            }
        }
        self.channels = reading.channels()?;
        if let (Reverb::Shoebox { apart, .. }, 1) = (&mut self.reverb, self.channels) {
            *apart = 0.0;
        }
        self.seed = reading.whole("seed", SEEDS)?.unwrap_or(self.seed);
        Ok(self)
    }

    /// What a person would want to know and did not write.
    pub(super) fn assumed(&self) -> Vec<String> {
        let times = self.bands.map(|band| band * self.rt60);
        vec![
            format!("RT60 {}, 125 Hz to 8 kHz", octaves::listed(&times, " s")),
            String::from("level: 0 dB at 1 kHz; the direct sound comes at once"),
        ]
    }

    /// One or two channels. The level is such that a steady tone in the 1 kHz band leaves, in the
    /// mean over frequency, with the energy it came with.
    pub(super) fn render(&self, rate: SampleRate) -> Vec<Vec<f64>> {
        let hz = f64::from(rate.hz());
        let frames = rate.frames(LENGTH * self.rt60).max(1);
        let mut channels = vec![vec![0.0; frames]; self.channels];
        let dry = [0, 1].map(|channel| self.excitation(channel, rate, frames));
        for (band, part) in split(&dry, hz) {
            let tau = 2.0 * self.rt60 * self.bands[band] / 1e6f64.ln();
            let onset = rate.frames(self.onset(band));
            for (n, x) in part.iter().enumerate().skip(onset) {
                let decay = (-((n - onset) as f64) / (hz * tau)).exp();
                for (taps, x) in channels.iter_mut().zip([x.re, x.im]) {
                    taps[n] += x * decay;
                }
            }
        }
        let gain = self.gain();
        for taps in &mut channels {
            fade_out(taps);
            taps[0] += 1.0;
            taps.iter_mut().for_each(|tap| *tap *= gain);
        }
        channels
    }

    /// Reflections and noise before they decay; the direct sound is not among them.
    fn excitation(&self, channel: usize, rate: SampleRate, frames: usize) -> Vec<f64> {
        let hz = f64::from(rate.hz());
        // White noise whose energy is `density` per second, whatever the rate.
        let sigma = (self.density() / hz).sqrt();
        let mut noise = Noise::new(self.seed, channel);
        let mut x: Vec<f64> = (0..frames).map(|_| sigma * noise.normal()).collect();
        if let Reverb::Shoebox { mixing, .. } = self.reverb {
            let share = |t: f64| given_way(t, mixing);
            for (n, x) in x.iter_mut().enumerate() {
                *x *= (PI * 0.5 * share(n as f64 / hz)).sin();
            }
            for (t, level) in self.images(channel) {
                if let Some(x) = x.get_mut(rate.frames(t)) {
                    *x += level * (PI * 0.5 * share(t)).cos();
                }
            }
        }
        x
    }

    /// Delay in seconds after the direct sound, and level relative to it, of every reflection
    /// up to the mixing time and a quarter.
    fn images(&self, channel: usize) -> Vec<(f64, f64)> {
        let Reverb::Shoebox {
            sides,
            source,
            ears,
            apart,
            mixing,
        } = &self.reverb
        else {
            return Vec::new();
        };
        let ear = &[ears[0] + (channel as f64 - 0.5) * apart, ears[1], ears[2]];
        let direct = distance(source, ear);
        let reach = direct + 1.25 * mixing * SPEED;
        let mirrors = Mirrors { sides, source, ear };
        let mut images = Vec::new();
        mirrors.each(reach, u32::MAX, |far, hits| {
            if hits != Hits::default() {
                images.push(((far - direct) / SPEED, direct / far));
            }
        });
        images
    }

    /// Energy of the reverberation per second before decay, direct sound = 1.
    fn density(&self) -> f64 {
        match &self.reverb {
            Reverb::Shoebox {
                sides,
                source,
                ears,
                apart,
                ..
            } => {
                let ear = [ears[0] + 0.5 * apart, ears[1], ears[2]];
                let volume: f64 = sides.iter().product();
                4.0 * PI * SPEED * distance(source, &ear).powi(2) / volume
            }
            Reverb::Plate { density, .. } => *density,
        }
    }

    /// Seconds from the direct sound to the beginning of a band.
    fn onset(&self, band: usize) -> f64 {
        match self.reverb {
            Reverb::Shoebox { .. } => 0.0,
            Reverb::Plate { onset, .. } => {
                onset * (1000.0 / (LOWEST_BAND * f64::from(1 << band))).sqrt()
            }
        }
    }

    /// What makes direct sound, early reflections and decay at 1 kHz a unit of energy together.
    fn gain(&self) -> f64 {
        // Energy decays as exp(-t / tau), tau = RT60 / ln(10^6).
        let tau = self.rt60 * self.bands[KILOHERTZ] / 1e6f64.ln();
        let (early, begin) = match self.reverb {
            Reverb::Plate { .. } => (0.0, 0.0),
            Reverb::Shoebox { mixing, .. } => {
                let both = [self.images(0), self.images(1)].concat();
                let until = both.into_iter().filter(|(t, _)| *t < mixing);
                (
                    until
                        .map(|(t, level)| level * level * (-t / tau).exp())
                        .sum::<f64>()
                        / 2.0,
                    mixing,
                )
            }
        };
        (1.0 + early + self.density() * tau * (-begin / tau).exp())
            .sqrt()
            .recip()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use rustfft::FftPlanner;
    use rustfft::num_complex::Complex;

    use super::*;

    const ALL: [&Space; 4] = [&ROOM, &PLATE, &HALL, &CATHEDRAL];

    fn usual() -> impl Iterator<Item = (&'static Space, u32)> {
        ALL.into_iter().map(|space| (space, 44_100))
    }

    fn rate(hz: u32) -> SampleRate {
        SampleRate::new(hz).unwrap()
    }

    /// One octave around band `band`: flat over half an octave, down by 3 dB at the borders, gone
    /// at 3/4 of an octave; a sharper cut would ring longer than a small room.
    pub(in crate::ir::synth) fn octave(taps: &[f64], hz: f64, band: usize) -> Vec<f64> {
        let centre = LOWEST_BAND * f64::from(1 << band);
        let size = (2 * taps.len()).next_power_of_two();
        let mut planner = FftPlanner::new();
        let mut bins: Vec<Complex<f64>> = taps.iter().map(|&tap| tap.into()).collect();
        bins.resize(size, Complex::default());
        planner.plan_fft_forward(size).process(&mut bins);
        for (k, bin) in bins.iter_mut().enumerate() {
            let f = k.min(size - k) as f64 * hz / size as f64;
            let away = (2.0 * (f / centre).log2().abs() - 0.5).clamp(0.0, 1.0);
            *bin *= (PI * 0.5 * away).cos();
        }
        planner.plan_fft_inverse(size).process(&mut bins);
        bins[..taps.len()]
            .iter()
            .map(|x| x.re / size as f64)
            .collect()
    }

    /// T30: time to fall by 60 dB, from the straight line through the backward integral
    /// (Schroeder 1965) between -5 and -35 dB, as ISO 3382-1 has it.
    pub(in crate::ir::synth) fn decay_time(taps: &[f64], hz: f64) -> f64 {
        let mut left = 0.0;
        let mut curve: Vec<f64> = taps
            .iter()
            .rev()
            .map(|tap| {
                left += tap * tap;
                left
            })
            .collect();
        curve.reverse();
        let points: Vec<(f64, f64)> = curve
            .iter()
            .enumerate()
            .map(|(n, energy)| (n as f64 / hz, 10.0 * (energy / curve[0]).log10()))
            .filter(|(_, db)| (-35.0..=-5.0).contains(db))
            .collect();
        let count = points.len() as f64;
        let (mt, md) = points
            .iter()
            .fold((0.0, 0.0), |(a, b), (t, d)| (a + t / count, b + d / count));
        let slope = points.iter().map(|(t, d)| (t - mt) * (d - md)).sum::<f64>()
            / points.iter().map(|(t, _)| (t - mt) * (t - mt)).sum::<f64>();
        -60.0 / slope
    }

    #[test]
    fn the_decay_is_what_is_stated_in_every_band() {
        for (space, hz) in [(&ROOM, 96_000), (&HALL, 96_000)]
            .into_iter()
            .chain(usual())
        {
            let mut middle = 0.0;
            for (channel, taps) in space.render(rate(hz)).iter().enumerate() {
                let decay = |band| decay_time(&octave(taps, hz.into(), band), hz.into());
                let times: Vec<f64> = (0..BANDS).map(decay).collect();
                let shown = format!("{} at {hz}, channel {channel}: {times:.2?}", space.about);
                println!("{shown}");
                middle += (times[2] + times[3]) / 4.0;
                for (band, time) in times.iter().enumerate() {
                    // Bands mix at their borders. The decay of noise is as uncertain as
                    // 1 / sqrt(B T); allowed is three times that.
                    let near = &space.bands[band.saturating_sub(1)..(band + 2).min(BANDS)];
                    let least = space.rt60 * near.iter().copied().fold(f64::INFINITY, f64::min);
                    let most = space.rt60 * near.iter().copied().fold(0.0, f64::max);
                    let wide = 0.7 * LOWEST_BAND * f64::from(1 << band);
                    let bound = 3.0 / (wide * least).sqrt();
                    let within = least * (1.0 - bound)..most * (1.0 + bound);
                    assert!(within.contains(time), "{shown}, band {band}");
                }
            }
            let off = 100.0 * (middle / space.rt60 - 1.0);
            println!(
                "{} at {hz}: RT60 at mid frequencies {middle:.3} s",
                space.about
            );
            assert!(
                off.abs() < 4.0,
                "{} at {hz}: off by {off:.1} %",
                space.about
            );
        }
    }

    #[test]
    fn the_line_for_people_tells_the_decay_and_the_length() {
        for space in ALL {
            let length = (10.0 * LENGTH * space.rt60).round() / 10.0;
            let want = format!("stereo, RT60 {:.1} s, {length} s long", space.rt60);
            assert!(space.about.starts_with(&want), "{want}: {}", space.about);
            let frames = space.render(rate(16_000))[0].len();
            assert_eq!(frames, rate(16_000).frames(LENGTH * space.rt60));
        }
    }

    #[test]
    fn the_level_is_unity_at_1_khz_at_every_rate() {
        for (space, hz) in [(&ROOM, 16_000), (&HALL, 96_000)]
            .into_iter()
            .chain(usual())
        {
            for taps in space.render(rate(hz)) {
                let energy = |taps: &[f64]| taps.iter().map(|tap| tap * tap).sum::<f64>();
                // Energy of an octave over that of an impulse's.
                let mut impulse = vec![0.0; taps.len()];
                impulse[taps.len() / 2] = 1.0;
                let share = energy(&octave(&impulse, hz.into(), 3));
                let level = 10.0 * (energy(&octave(&taps, hz.into(), 3)) / share).log10();
                let peak = taps.iter().fold(0.0, |peak: f64, tap| peak.max(tap.abs()));
                println!(
                    "{} at {hz}: {level:.2} dB, largest tap {peak:.3}",
                    space.about
                );
                assert!(level.abs() < 1.0, "{} at {hz}: {level} dB", space.about);
            }
        }
    }

    #[test]
    fn the_direct_sound_comes_at_once_and_the_channels_differ() {
        for space in ALL {
            let channels = space.render(rate(48_000));
            for taps in &channels {
                assert!(
                    (taps[0] / space.gain() - 1.0).abs() < 0.5,
                    "{}",
                    space.about
                );
            }
            // Normalised correlation of the late part.
            let late = rate(48_000).frames(0.35 * space.rt60);
            let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let (a, b) = (&channels[0][late..], &channels[1][late..]);
            let together = product(a, b) / (product(a, a) * product(b, b)).sqrt();
            println!("{:.14}: correlation {together:.3}", space.about);
            assert!(together.abs() < 0.1, "{}: {together}", space.about);
        }
    }

    #[test]
    fn reflections_come_at_the_same_times_at_every_rate() {
        for space in [&ROOM, &HALL, &CATHEDRAL] {
            let images = space.images(0);
            println!("{:.14}: {} early reflections", space.about, images.len());
            assert!(images.len() >= 10 && images.iter().all(|&(t, level)| t > 0.0 && level < 1.0));
            let first = images.iter().map(|&(t, _)| t).fold(f64::INFINITY, f64::min);
            for hz in [22_050, 192_000] {
                let x = space.excitation(0, rate(hz), rate(hz).frames(0.2));
                let found = x.iter().position(|&x| x != 0.0).unwrap() as f64 / f64::from(hz);
                assert!(
                    (found - first).abs() <= 0.5 / f64::from(hz) + 1e-12,
                    "{found} {first}"
                );
            }
        }
    }
}
