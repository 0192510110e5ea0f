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

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

use crate::signal::SampleRate;

/// Speed of sound in m/s.
const SPEED: f64 = 343.0;
/// Centre of the lowest octave band in Hz; the others follow at factors of 2. The lowest takes
/// everything below, the highest everything above.
const LOWEST_BAND: f64 = 125.0;
const BANDS: usize = 7;
/// Length of a response, in RT60 of its 1 kHz band: down to -90 dB there.
const LENGTH: f64 = 1.5;
/// Share of the length that fades out at the end.
const FADE: f64 = 0.1;

/// One space with all that is known about it.
#[derive(Debug, PartialEq)]
pub(super) struct Space {
    /// One line for people; the tests hold it to the truth.
    pub(super) about: &'static str,
    /// Time in seconds in which the 500 Hz and 1 kHz bands fall by 60 dB.
    pub(super) rt60: f64,
    /// The bands' decay times, 125 Hz to 8 kHz, relative to that.
    bands: [f64; BANDS],
    /// Energy of the reverberation per second before decay, direct sound = 1.
    reverb: Reverb,
    seed: u64,
}

#[derive(Debug, PartialEq)]
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
    about: "stereo, RT60 0.4 s, 0.6 s long, 5 x 4 x 2.6 m heard from 2 m, 0 dB at 1 kHz",
    rt60: 0.4,
    bands: [1.15, 1.05, 1.0, 1.0, 0.95, 0.85, 0.7],
    reverb: Reverb::Shoebox {
        sides: [4.0, 5.0, 2.6],
        source: [1.7, 1.3, 1.4],
        ears: [1.7, 3.3, 1.4],
        apart: 0.2,
        mixing: 0.025,
    },
    seed: 0x0001,
};

pub(super) const HALL: Space = Space {
    about: "stereo, RT60 2.0 s, 3 s long, 23 x 40 x 15 m heard from 12 m, 0 dB at 1 kHz",
    rt60: 2.0,
    bands: [1.15, 1.1, 1.0, 1.0, 0.9, 0.7, 0.45],
    reverb: Reverb::Shoebox {
        sides: [23.0, 40.0, 15.0],
        source: [10.3, 6.0, 2.0],
        ears: [10.3, 18.0, 3.0],
        apart: 0.5,
        mixing: 0.08,
    },
    seed: 0x0002,
};

pub(super) const CATHEDRAL: Space = Space {
    about: "stereo, RT60 6.0 s, 9 s long, 30 x 90 x 22 m heard from 15 m, 0 dB at 1 kHz",
    rt60: 6.0,
    bands: [1.1, 1.1, 1.0, 1.0, 0.8, 0.55, 0.3],
    reverb: Reverb::Shoebox {
        sides: [30.0, 90.0, 22.0],
        source: [13.0, 15.0, 2.5],
        ears: [13.0, 30.0, 2.5],
        apart: 0.8,
        mixing: 0.12,
    },
    seed: 0x0003,
};

pub(super) const PLATE: Space = Space {
    about: "stereo, RT60 1.8 s, 2.7 s long, dense from the start, bright, 0 dB at 1 kHz",
    rt60: 1.8,
    bands: [1.3, 1.15, 1.0, 1.0, 0.85, 0.65, 0.45],
    reverb: Reverb::Plate {
        density: 60.0,
        onset: 0.004,
    },
    seed: 0x0004,
};

impl Space {
    /// Two channels. The level is such that a steady tone in the 1 kHz band leaves, in the mean
    /// over frequency, with the energy it came with.
    pub(super) fn render(&self, rate: SampleRate) -> Vec<Vec<f64>> {
        let hz = f64::from(rate.hz());
        let frames = rate.frames(LENGTH * self.rt60).max(1);
        let mut channels = vec![vec![0.0; frames]; 2];
        let dry = [0, 1].map(|channel| self.excitation(channel, rate, frames));
        for (band, part) in split(&dry, hz) {
            let tau = 2.0 * self.rt60 * self.bands[band] / 1e6f64.ln();
            let onset = rate.frames(self.onset(band));
            for (n, x) in part.iter().enumerate().skip(onset) {
                let decay = (-((n - onset) as f64) / (hz * tau)).exp();
                channels[0][n] += x.re * decay;
                channels[1][n] += x.im * decay;
            }
        }
        let gain = self.gain();
        let fade = (FADE * frames as f64).max(1.0);
        for taps in &mut channels {
            for (n, tap) in taps.iter_mut().rev().enumerate().take(fade as usize) {
                *tap *= (PI * 0.5 * n as f64 / fade).sin().powi(2);
            }
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
        let mut noise = Noise(self.seed << 32 | channel as u64);
        let mut x: Vec<f64> = (0..frames).map(|_| sigma * noise.normal()).collect();
        if let Reverb::Shoebox { mixing, .. } = self.reverb {
            // Images give way to noise around the mixing time: equal power over half of it.
            let share = |t: f64| ((t - 0.75 * mixing) / (0.5 * mixing)).clamp(0.0, 1.0);
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
        let ear = [ears[0] + (channel as f64 - 0.5) * apart, ears[1], ears[2]];
        let direct = distance(source, &ear);
        let reach = direct + 1.25 * mixing * SPEED;
        // Mirrored sources along one axis: 2 m side + source and 2 m side - source.
        let along = |axis: usize| {
            let most = (reach / (2.0 * sides[axis])).ceil() as i32 + 1;
            (-most..=most).flat_map(move |m| {
                let at = 2.0 * f64::from(m) * sides[axis];
                [at + source[axis], at - source[axis]]
            })
        };
        let mut images = Vec::new();
        for x in along(0) {
            for y in along(1) {
                for z in along(2) {
                    let far = distance(&[x, y, z], &ear);
                    if far < reach && [x, y, z] != *source {
                        images.push(((far - direct) / SPEED, direct / far));
                    }
                }
            }
        }
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
        let tau = self.rt60 / 1e6f64.ln();
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

fn distance(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b) * (a - b))
        .sum::<f64>()
        .sqrt()
}

/// The octave bands of two signals of one length, each band as long as they, one signal in the
/// real and one in the imaginary parts; added up they are the signals again. Between two centres
/// one band gives way to the next as cos^2 over log frequency.
fn split(signals: &[Vec<f64>; 2], hz: f64) -> impl Iterator<Item = (usize, Vec<Complex<f64>>)> {
    let [a, b] = signals;
    let frames = a.len();
    // Some room behind, so that a band's ringing around the end does not come back at the start.
    let size = (frames + frames / 8 + 4096).next_power_of_two();
    let mut planner = FftPlanner::new();
    let forward = planner.plan_fft_forward(size);
    let inverse = planner.plan_fft_inverse(size);
    let mut spectrum: Vec<_> = a.iter().zip(b).map(|(&a, &b)| Complex::new(a, b)).collect();
    spectrum.resize(size, Complex::default());
    forward.process(&mut spectrum);
    let octaves: Vec<f64> = (0..=size / 2)
        .map(|k| (k as f64 * hz / size as f64 / LOWEST_BAND).log2())
        .map(|octave| octave.clamp(0.0, (BANDS - 1) as f64))
        .collect();
    (0..BANDS).map(move |band| {
        // The same real gain at both frequencies of a pair keeps the two signals apart.
        let gain = |k: usize| {
            let away = (octaves[k.min(size - k)] - band as f64).abs().min(1.0);
            (PI * 0.5 * away).cos().powi(2) / size as f64
        };
        let mut bins: Vec<_> = spectrum
            .iter()
            .enumerate()
            .map(|(k, x)| x * gain(k))
            .collect();
        inverse.process(&mut bins);
        bins.truncate(frames);
        (band, bins)
    })
}

/// SplitMix64 (Steele, Lea & Flood 2014), from a seed.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Above 0, up to 1.
    fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// Mean 0, variance 1 (Box & Muller 1958).
    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (2.0 * PI * self.uniform()).cos()
    }
}

#[cfg(test)]
mod tests {
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
    fn octave(taps: &[f64], hz: f64, band: usize) -> Vec<f64> {
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
    fn decay_time(taps: &[f64], hz: f64) -> f64 {
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
