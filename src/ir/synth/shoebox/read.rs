//! A room from what was written, and what was not.

use std::ops::RangeInclusive;

use super::geometry::{air, surface, volume};
use super::{Images, Shoebox};
use crate::ir::IrError;
use crate::ir::synth::LONGEST;
use crate::ir::synth::bands::{BANDS, LOWEST_BAND};
use crate::ir::synth::images::SPEED;
use crate::ir::synth::octaves::{TIMES, list, listed, rounded, rt60};
use crate::ir::synth::reading::{Reading, SEEDS};
use crate::ir::units;

/// Sides in metres, images at most.
const SIDES: RangeInclusive<f64> = 0.5..=200.0;
const MOST_IMAGES: f64 = 2e7;
const MOST_REFLECTIONS: u64 = 200;
/// Beyond this mean absorption a room has no reverberation to speak of.
const MOST_ABSORPTION: f64 = 0.99;
/// Absorption of walls that nobody wrote about.
const ABSORPTION: f64 = 0.2;
/// Metres between source and microphone, at least.
const NEAREST: f64 = 0.1;
const SPACING: f64 = 0.2;
const HIGHPASS: f64 = 20.0;
const HIGHEST_HIGHPASS: f64 = 1000.0;

const WALLS: [[&str; 2]; 3] = [["left", "right"], ["front", "back"], ["floor", "ceiling"]];
const AXES: [&str; 3] = ["length", "width", "height"];

/// Mixing times that a decay lasts at least where noise, and with it Eyring's formula, has a part
/// in it.
const LASTING: f64 = 3.0;

impl Shoebox {
    /// A room of the size in the value, with what the parameters say.
    pub(in crate::ir::synth) fn read(reading: &mut Reading) -> Result<Self, IrError> {
        let sides = point(reading, reading.value.unwrap_or_default())?;
        if let Some(side) = sides.iter().find(|side| !SIDES.contains(side)) {
            return Err(reading.outside("a side", format!("{side} m"), "0.5 to 200 m"));
        }
        let humidity = reading.parameter("humidity", units::fraction)?;
        let air = humidity.map_or([0.0; BANDS], air);
        let walls = walls(reading, &sides, &air)?;

        // Neither in the middle of anything nor at a wall, a person's height at most.
        let place = |shares: [f64; 2], height: f64| {
            let up = height.min(height / 2.8 * sides[2]);
            [shares[0] * sides[0], shares[1] * sides[1], up]
        };
        let mut placed = |key, otherwise| match reading.take(key) {
            Some(text) => point(reading, text),
            None => Ok(otherwise),
        };
        let source = placed("source", place([0.31, 0.27], 1.6))?;
        let mic = placed("mic", place([0.64, 0.71], 1.2))?;
        let channels = reading.channels()?;
        let mut spacing = SPACING.min(0.1 * sides[0].min(sides[1]));
        if channels == 2 {
            spacing = reading
                .parameter("spacing", units::metres)?
                .unwrap_or(spacing);
        }
        let images = match reading.take("order") {
            None => Images::Mixing,
            Some("all") => Images::All,
            Some(number) => match number.parse() {
                Ok(order) if u64::from(order) <= MOST_REFLECTIONS => Images::Order(order),
                _ => {
                    let possible = format!("0 to {MOST_REFLECTIONS} or `all`");
                    return Err(reading.outside("order", format!("`{number}`"), &possible));
                }
            },
        };
        let seed = match images {
            // Images have nothing random about them; a seed is left over and refused.
            Images::All | Images::Order(_) => 0,
            Images::Mixing => reading.whole("seed", SEEDS)?.unwrap_or(1),
        };
        let level = reading.parameter("level", units::gain)?;
        let flight = match reading.take("flight") {
            None | Some("cut") => false,
            Some("keep") => true,
            Some(other) => {
                return Err(reading.outside("flight", format!("`{other}`"), "`keep` or `cut`"));
            }
        };
        let highpass = match reading.take("highpass") {
            None => Some(HIGHPASS),
            Some("off") => None,
            Some(text) => Some(reading.unit(units::hertz(text))?),
        };
        if let Some(hz) = highpass.filter(|&hz| hz > HIGHEST_HIGHPASS) {
            return Err(reading.outside("highpass", format!("{hz} Hz"), "up to 1 kHz, or `off`"));
        }
        let room = Self {
            sides,
            walls,
            air,
            humidity,
            source,
            mic,
            channels,
            spacing,
            images,
            seed,
            level,
            flight,
            highpass,
        };
        room.check(reading)?;
        Ok(room)
    }

    fn check(&self, reading: &Reading) -> Result<(), IrError> {
        let ears = self.ears();
        let places = [("the source", &self.source)]
            .into_iter()
            .chain(ears.iter().map(|ear| ("a microphone", ear)));
        for (what, place) in places {
            for (axis, (at, side)) in place.iter().zip(&self.sides).enumerate() {
                if !(*at > 0.0 && at < side) {
                    let value = format!("{} m along the {}", rounded(*at), AXES[axis]);
                    let possible = format!("between 0 and {side} m");
                    return Err(reading.outside(what, value, &possible));
                }
            }
        }
        let direct = self.direct();
        if direct < NEAREST {
            let value = format!("{} m from the source", rounded(direct));
            return Err(reading.outside("a microphone", value, "10 cm and more"));
        }
        for band in 0..BANDS {
            let mean = self.absorption(band);
            if mean == 0.0 && self.air[band] == 0.0 && !matches!(self.images, Images::Order(_)) {
                return Err(reading.usage("a room that absorbs nothing never falls silent"));
            }
            if mean > MOST_ABSORPTION && !matches!(self.images, Images::Order(_)) {
                return Err(reading.outside(
                    "the mean absorption",
                    rounded(mean),
                    "up to 0.99, or `order=` for images alone",
                ));
            }
        }
        self.check_size(reading)
    }

    fn check_size(&self, reading: &Reading) -> Result<(), IrError> {
        let (seconds, remedy) = match self.images {
            Images::Order(order) => {
                let longest = self.sides.iter().copied().fold(0.0, f64::max);
                let far = f64::from(order + 1) * longest;
                (far / SPEED, "choose a lower order")
            }
            _ => (self.seconds(), "let the walls absorb more"),
        };
        if seconds > LONGEST {
            return Err(reading.too_long(seconds, LONGEST, remedy));
        }
        let far = self.direct() + SPEED * self.lasts();
        let images = 4.0 / 3.0 * std::f64::consts::PI * far.powi(3) / self.volume();
        if self.images == Images::All && images > MOST_IMAGES {
            let millions = format!("{:.0} million images", images / 1e6);
            return Err(reading.outside("order=all", millions, "20 million; leave it out"));
        }
        Ok(())
    }

    /// What a person would want to know and did not write.
    pub(in crate::ir::synth) fn assumed(&self) -> Vec<String> {
        let place =
            |[x, y, z]: [f64; 3]| format!("{} x {} x {} m", rounded(x), rounded(y), rounded(z));
        let mics = match self.channels {
            1 => format!("microphone at {}", place(self.mic)),
            _ => format!(
                "two microphones {} m apart around {}",
                rounded(self.spacing),
                place(self.mic)
            ),
        };
        let mut lines = vec![format!(
            "source at {}, {mics}, {} m away",
            place(self.source),
            rounded(self.direct()),
        )];
        let of_bands = |of: &dyn Fn(usize) -> f64| -> [f64; BANDS] { std::array::from_fn(of) };
        let air = match self.humidity {
            None => String::from("air nothing"),
            Some(humidity) => format!("air as at 20 degrees and {} %", rounded(100.0 * humidity)),
        };
        let absorbed = listed(&of_bands(&|band| self.absorption(band)), "");
        let times = listed(&of_bands(&|band| self.eyring(band)), " s");
        lines.push(format!(
            "walls absorb {absorbed} in the mean, {air}; RT60 {times} (Eyring)"
        ));
        let mut count = 0;
        self.each_image(0, |_, _| count += 1);
        lines.push(match self.images {
            Images::Mixing => format!(
                "{count} images up to {:.0} ms after the direct sound, noise from {:.0} ms on",
                1250.0 * self.mixing(),
                750.0 * self.mixing(),
            ),
            Images::All => format!("{count} images, no noise"),
            Images::Order(order) => {
                format!("{count} images of up to {order} reflections, no noise")
            }
        });
        let shortest = (0..BANDS)
            .map(|band| self.eyring(band))
            .fold(f64::MAX, f64::min);
        if self.images == Images::Mixing && shortest < LASTING * self.mixing() {
            lines.push(String::from(
                "so short a decay is the images' own, and lasts longer than Eyring's formula says",
            ));
        }
        let way = 1e3 * self.direct() / SPEED;
        let flight = if self.flight {
            format!("the direct sound comes after {way:.1} ms")
        } else {
            format!("the direct sound comes at once, {way:.1} ms of flight are cut")
        };
        let at_metre = 20.0 * self.gain().abs().log10();
        let all = match self.level {
            Some(_) => "",
            None => ", which brings all to 0 dB at 1 kHz",
        };
        let highpass = match self.highpass {
            Some(hz) => format!("high-pass at {} Hz", rounded(hz)),
            None => String::from("no high-pass"),
        };
        lines.push(format!(
            "level: direct sound {at_metre:.2} dB at 1 m{all}; {flight}; {highpass}"
        ));
        lines
    }
}

/// Absorption of every wall per band.
fn walls(
    reading: &mut Reading,
    sides: &[f64; 3],
    air: &[f64; BANDS],
) -> Result<[[[f64; BANDS]; 2]; 3], IrError> {
    if let Some(times) = rt60(reading)? {
        let other = WALLS.iter().flatten().chain(&["absorption"]);
        if let Some(other) = other.copied().find(|key| reading.has(key)) {
            let problem = format!("`rt60` says what all walls absorb; leave it or `{other}` out");
            return Err(reading.usage(problem));
        }
        let mut of = [0.0; BANDS];
        for (band, of) in of.iter_mut().enumerate() {
            *of = absorption(reading, sides, air[band], times[band % times.len()], band)?;
        }
        return Ok([[of; 2]; 3]);
    }
    let mut bands = |key: &str| -> Result<Option<[f64; BANDS]>, IrError> {
        let Some(text) = reading.take(key) else {
            return Ok(None);
        };
        let values = list(reading, key, text, units::fraction)?;
        Ok(Some(std::array::from_fn(|band| {
            values[band % values.len()]
        })))
    };
    let all = bands("absorption")?.unwrap_or([ABSORPTION; BANDS]);
    let mut walls = [[all; 2]; 3];
    for (wall, name) in walls.iter_mut().flatten().zip(WALLS.iter().flatten()) {
        *wall = bands(name)?.unwrap_or(all);
    }
    Ok(walls)
}

/// Eyring's formula solved for the absorption that all walls need.
fn absorption(
    reading: &Reading,
    sides: &[f64; 3],
    air: f64,
    time: f64,
    band: usize,
) -> Result<f64, IrError> {
    let (volume, surface) = (volume(sides), surface(sides));
    let time_of = |exponent: f64| {
        4.0 * 1e6f64.ln() * volume / (SPEED * (surface * exponent + 4.0 * air * volume))
    };
    let exponent = (4.0 * 1e6f64.ln() / (SPEED * time) - 4.0 * air) * volume / surface;
    let most = -(-MOST_ABSORPTION).ln_1p();
    if exponent <= 0.0 || exponent > most {
        let hz = LOWEST_BAND * f64::from(1 << band);
        let shortest = rounded((1e3 * time_of(most)).ceil() / 1e3);
        let longest = (1e3 * time_of(0.0)).floor() / 1e3;
        let longest = rounded(longest.min(*TIMES.end()));
        return Err(reading.outside(
            "rt60",
            format!("{time} s"),
            &format!("{shortest} to {longest} s at {hz} Hz in a room of this size and air"),
        ));
    }
    Ok(-(-exponent).exp_m1())
}

/// Three lengths: `6x4x3`.
fn point(reading: &Reading, text: &str) -> Result<[f64; 3], IrError> {
    let parts: Vec<&str> = text.split('x').map(str::trim).collect();
    let Ok(parts) = <[&str; 3]>::try_from(parts) else {
        let problem = format!("`{text}` is not length x width x height, such as `6x4x3`");
        return Err(reading.usage(problem));
    };
    let mut point = [0.0; 3];
    for (at, part) in point.iter_mut().zip(parts) {
        *at = reading.unit(units::metres(part))?;
    }
    Ok(point)
}
