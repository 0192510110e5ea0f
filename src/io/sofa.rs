//! SOFA (AES69): impulse responses measured from many directions, one of which is chosen.
//!
//! `hdf5-reader` reads the HDF5 file below. Of two receivers the first is taken as the left ear, as
//! everybody does: what `ReceiverPosition` says of that is wrong in most files of the conventions
//! before 1.0.

use hdf5_reader::error::Error;
use hdf5_reader::{Dataset, Datatype, Hdf5File};

use super::ReadError;
use super::name::{Given, Options};
use crate::signal::{Audio, SampleRate};

/// A measurement and where its source was, seen from the listener.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Direction {
    /// Degrees, counterclockwise: 90 is left.
    azimuth: f64,
    /// Degrees, upwards.
    elevation: f64,
    /// Metres.
    distance: f64,
}

type Vector = [f64; 3];

/// The values of a variable, row by row, and the sizes of its dimensions.
type Table = (Vec<f64>, Vec<usize>);

/// The responses of the nearest direction, one channel for each receiver, and what was assumed.
pub(super) fn read(
    file: &str,
    bytes: Vec<u8>,
    options: &Options,
) -> Result<(Audio<f32>, Vec<String>), ReadError> {
    let takes = |given| {
        matches!(
            given,
            Given::Azimuth(_) | Given::Elevation(_) | Given::Distance(_)
        )
    };
    options.only(file, "a SOFA file", takes)?;
    let set = Set::of(file, bytes)?;
    let mut notes = Vec::new();
    let (index, note) = set.choose(options)?;
    notes.extend(note);
    let mut channels: Vec<Vec<f64>> = set.taps(index).map(<[f64]>::to_vec).collect();
    notes.extend(set.delay(index, &mut channels)?);
    let narrow = |taps: Vec<f64>| taps.into_iter().map(|tap| tap as f32).collect();
    let audio = Audio::new(set.rate()?, channels.into_iter().map(narrow).collect());
    let audio = audio.map_err(|error| ReadError::Response {
        file: file.to_owned(),
        why: error.to_string(),
    })?;
    Ok((audio, notes))
}

/// The variables of a file that are of use here.
struct Set<'a> {
    file: &'a str,
    hdf: Hdf5File,
    /// Measurements, receivers and taps of `Data.IR`.
    sizes: [usize; 3],
    taps: Vec<f64>,
}

impl<'a> Set<'a> {
    fn of(file: &'a str, bytes: Vec<u8>) -> Result<Self, ReadError> {
        let hdf = Hdf5File::from_vec(bytes).map_err(|error| unreadable(file, &error))?;
        let root = hdf.root_group().map_err(|error| unreadable(file, &error))?;
        let attribute = |name: &str| {
            let found = root
                .attribute(name)
                .and_then(|attribute| attribute.read_string());
            match found {
                Err(error) if !is_missing(&error) => Err(unreadable(file, &error)),
                found => Ok(found.unwrap_or_default()),
            }
        };
        if attribute("Conventions")? != "SOFA" {
            return Err(ReadError::refused(
                file,
                "is an HDF5 file, but not one of SOFA",
                "export the impulse response as WAV",
            ));
        }
        let kind = attribute("DataType")?;
        let (taps, sizes) = match values(file, &hdf, "Data.IR")? {
            Some(found) if kind == "FIR" => found,
            None if kind == "FIR" => return Err(broken(file, "Data.IR")),
            _ => {
                let convention = attribute("SOFAConventions")?;
                return Err(ReadError::refused(
                    file,
                    format!("holds data of the type `{kind}` ({convention}), not FIR"),
                    "only impulse responses of one emitter (FIR) are read",
                ));
            }
        };
        let sizes: [usize; 3] = sizes[..].try_into().unwrap_or_default();
        let all = sizes
            .iter()
            .try_fold(1usize, |all, &size| all.checked_mul(size));
        if taps.is_empty() || all != Some(taps.len()) {
            return Err(broken(file, "Data.IR"));
        }
        Ok(Self {
            file,
            hdf,
            sizes,
            taps,
        })
    }

    /// The taps of one measurement, receiver by receiver.
    fn taps(&self, index: usize) -> impl Iterator<Item = &[f64]> {
        let [_, receivers, taps] = self.sizes;
        let all = &self.taps[index * receivers * taps..][..receivers * taps];
        all.chunks_exact(taps)
    }

    fn rate(&self) -> Result<SampleRate, ReadError> {
        let rates = self.variable("Data.SamplingRate")?;
        let hz = rates.first().copied().unwrap_or_default();
        let whole = hz.round();
        // One rate for all, in whole hertz but for the rounding of a float.
        let fits = (hz - whole).abs() < 1e-3 && (1.0..4e9).contains(&whole);
        if !fits || rates.iter().any(|&other| other != hz) {
            return Err(ReadError::refused(
                self.file,
                format!("has a sampling rate of {hz}, or several"),
                "only one rate in whole hertz is read",
            ));
        }
        SampleRate::new(whole as u32).map_err(|error| ReadError::Response {
            file: self.file.to_owned(),
            why: error.to_string(),
        })
    }

    /// A variable's values, all empty where it is not there.
    fn variable(&self, name: &str) -> Result<Vec<f64>, ReadError> {
        let found = values(self.file, &self.hdf, name)?;
        Ok(found.map(|(values, _)| values).unwrap_or_default())
    }

    /// Positions in metres, one for all measurements or one for each.
    fn positions(&self, name: &str) -> Result<Vec<Vector>, ReadError> {
        let values = self.variable(name)?;
        let (positions, rest) = values.as_chunks::<3>();
        let count = positions.len();
        if !rest.is_empty() || !(count <= 1 || count == self.sizes[0]) {
            return Err(broken(self.file, name));
        }
        Ok(match self.is_spherical(name)? {
            true => positions.iter().map(|&at| cartesian(at)).collect(),
            false => positions.to_vec(),
        })
    }

    /// Whether a variable's positions are angles and a distance.
    fn is_spherical(&self, variable: &str) -> Result<bool, ReadError> {
        let variable = self.hdf.dataset(variable);
        let kind = variable.and_then(|variable| variable.attribute("Type")?.read_string());
        match kind {
            Err(error) if !is_missing(&error) => Err(unreadable(self.file, &error)),
            kind => Ok(kind.is_ok_and(|kind| kind.starts_with("spherical"))),
        }
    }

    /// Where the source of each measurement was, seen from the listener.
    fn directions(&self) -> Result<Vec<Direction>, ReadError> {
        let sources = self.positions("SourcePosition")?;
        if sources.is_empty() {
            return Err(broken(self.file, "SourcePosition"));
        }
        let listeners = self.positions("ListenerPosition")?;
        let views = self.positions("ListenerView")?;
        let ups = self.positions("ListenerUp")?;
        let at = |all: &[Vector], k: usize, none: Vector| match all {
            [] => none,
            [one] => *one,
            all => all[k],
        };
        Ok((0..self.sizes[0])
            .map(|k| {
                let source = at(&sources, k, [0.0; 3]);
                let listener = at(&listeners, k, [0.0; 3]);
                let view = at(&views, k, [1.0, 0.0, 0.0]);
                let up = at(&ups, k, [0.0, 0.0, 1.0]);
                seen(minus(source, listener), view, up)
            })
            .collect())
    }

    /// The measurement of the direction that is asked for, and what to say of it.
    fn choose(&self, options: &Options) -> Result<(usize, Option<String>), ReadError> {
        let directions = self.directions()?;
        let several = directions.len() > 1;
        let asked = [options.azimuth(), options.elevation(), options.distance()];
        if several && options.azimuth().is_none() && options.elevation().is_none() {
            let range = |of: fn(&Direction) -> f64| {
                let all = directions.iter().map(of);
                let least = all.clone().fold(f64::INFINITY, f64::min);
                (least, all.fold(f64::NEG_INFINITY, f64::max))
            };
            let (lowest, highest) = range(|d| d.elevation);
            let (nearest, farthest) = range(|d| d.distance);
            let file = self.file;
            return Err(ReadError::refused(
                file,
                format!(
                    "holds {} directions (el {lowest:.0} to {highest:.0}, {nearest:.2} to {farthest:.2} m)",
                    directions.len()
                ),
                format!("write which behind the name, such as {file}@az=30,el=0 (az 90 is left)"),
            ));
        }
        let wanted = Direction {
            azimuth: asked[0].unwrap_or(0.0),
            elevation: asked[1].unwrap_or(0.0),
            distance: asked[2].unwrap_or(1.0),
        };
        // By angle if no distance is asked for, else by the points' distance; the first of equals.
        let target = wanted.vector();
        let off = |direction: &Direction| match asked[2] {
            None => 1.0 - dot(unit(direction.vector()), target),
            Some(_) => length(minus(direction.vector(), target)),
        };
        let nearest = directions
            .iter()
            .enumerate()
            .min_by(|(_, a), (_, b)| off(a).total_cmp(&off(b)));
        let Some((index, nearest)) = nearest else {
            return Err(broken(self.file, "SourcePosition"));
        };
        let mut words = [("az", asked[0]), ("el", asked[1]), ("r", asked[2])]
            .into_iter()
            .filter_map(|(key, value)| Some(format!("{key} {}", value?)))
            .collect::<Vec<_>>()
            .join(", ");
        if words.is_empty() {
            words = "no direction".to_owned();
        }
        let note = format!(
            "{}: asked for {words}; nearest of {} is {nearest}",
            self.file,
            directions.len(),
        );
        Ok((index, (several || asked != [None; 3]).then_some(note)))
    }

    /// Applies `Data.Delay`, in whole frames.
    fn delay(&self, index: usize, channels: &mut [Vec<f64>]) -> Result<Option<String>, ReadError> {
        // More than that is no delay of a response.
        const MOST: f64 = 1e6;
        let receivers = self.sizes[1];
        let delays = self.variable("Data.Delay")?;
        let delays = match delays.len() {
            0 => return Ok(None),
            // One for all receivers, as some write it.
            1 => vec![delays[0]; receivers],
            all if all == receivers => delays,
            all if all == receivers * self.sizes[0] => {
                delays[index * receivers..][..receivers].to_vec()
            }
            _ => return Err(broken(self.file, "Data.Delay")),
        };
        if delays.iter().any(|delay| !(0.0..=MOST).contains(delay)) {
            return Err(ReadError::refused(
                self.file,
                format!("has delays of {delays:?} frames"),
                format!("only 0 to {MOST} are possible; write the file anew"),
            ));
        }
        if delays.iter().all(|&delay| delay == 0.0) {
            return Ok(None);
        }
        let most = delays
            .iter()
            .fold(0.0f64, |most, delay| most.max(delay.round())) as usize;
        for (taps, delay) in channels.iter_mut().zip(&delays) {
            let before = delay.round() as usize;
            taps.splice(0..0, vec![0.0; before]);
            taps.extend(vec![0.0; most - before]);
        }
        let list = |delays: Vec<String>| delays.join(", ");
        let exact = list(delays.iter().map(|delay| format!("{delay}")).collect());
        let rounded = list(
            delays
                .iter()
                .map(|delay| format!("{}", delay.round()))
                .collect(),
        );
        Ok(Some(match exact == rounded {
            true => format!("{}: its delays of {exact} frames are applied", self.file),
            false => format!(
                "{}: its delays of {exact} frames are applied, rounded to {rounded}",
                self.file
            ),
        }))
    }
}

fn broken(file: &str, variable: &str) -> ReadError {
    ReadError::refused(
        file,
        format!("its variable {variable} is missing, or not of the size that it should have"),
        "get a whole copy, or write it anew with a SOFA library",
    )
}

/// What the library says of a broken file.
fn unreadable(file: &str, error: &Error) -> ReadError {
    ReadError::refused(
        file,
        format!("is an HDF5 file that cannot be read ({error})"),
        "get a whole copy, or write it anew with a SOFA library",
    )
}

/// A variable of numbers; none where there is no such variable.
fn values(file: &str, hdf: &Hdf5File, name: &str) -> Result<Option<Table>, ReadError> {
    let variable = match hdf.dataset(name) {
        Ok(variable) => variable,
        Err(error) if is_missing(&error) => return Ok(None),
        Err(error) => return Err(unreadable(file, &error)),
    };
    let values = numbers(&variable).map_err(|error| unreadable(file, &error))?;
    let sizes = variable.shape().iter().map(|&size| size as usize);
    values
        .map(|values| Some((values, sizes.collect())))
        .ok_or_else(|| broken(file, name))
}

fn is_missing(error: &Error) -> bool {
    match error {
        Error::DatasetNotFound(_) | Error::AttributeNotFound(_) => true,
        Error::Context { source, .. } => is_missing(source),
        _ => false,
    }
}

/// The numbers of a data set of whatever type; none if they are no numbers.
fn numbers(variable: &Dataset) -> Result<Option<Vec<f64>>, Error> {
    use Datatype::{FixedPoint, FloatingPoint};
    fn each<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f64) -> Option<Vec<f64>> {
        let (numbers, _) = bytes.as_chunks::<N>();
        Some(numbers.iter().map(|&raw| number(raw)).collect())
    }
    let bytes = variable.read_native_bytes()?;
    Ok(match variable.dtype() {
        FloatingPoint { size: 8, .. } => each(&bytes, f64::from_ne_bytes),
        FloatingPoint { size: 4, .. } => each(&bytes, |raw| f32::from_ne_bytes(raw).into()),
        FixedPoint { size: 8, .. } => each(&bytes, |raw| i64::from_ne_bytes(raw) as f64),
        FixedPoint { size: 4, .. } => each(&bytes, |raw| i32::from_ne_bytes(raw).into()),
        FixedPoint { size: 2, .. } => each(&bytes, |raw| i16::from_ne_bytes(raw).into()),
        _ => None,
    })
}

impl Direction {
    fn vector(self) -> Vector {
        cartesian([self.azimuth, self.elevation, self.distance])
    }
}

impl std::fmt::Display for Direction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never `-0.0`.
        let plain = |degrees: f64| (10.0 * degrees).round() / 10.0 + 0.0;
        let (az, el) = (plain(self.azimuth), plain(self.elevation));
        write!(f, "az {az:.1}, el {el:.1}, {:.2} m", self.distance)
    }
}

/// From azimuth and elevation in degrees and a distance.
fn cartesian([azimuth, elevation, distance]: Vector) -> Vector {
    let (azimuth, elevation) = (azimuth.to_radians(), elevation.to_radians());
    [
        distance * azimuth.cos() * elevation.cos(),
        distance * azimuth.sin() * elevation.cos(),
        distance * elevation.sin(),
    ]
}

/// The direction of a point for someone who looks along `view`, the top of the head at `up`.
fn seen(point: Vector, view: Vector, up: Vector) -> Direction {
    let ahead = unit(view);
    let left = unit(cross(up, ahead));
    let above = cross(ahead, left);
    let [x, y, z] = [ahead, left, above].map(|axis| dot(point, axis));
    let distance = length(point);
    Direction {
        azimuth: y.atan2(x).to_degrees(),
        elevation: z.atan2(x.hypot(y)).to_degrees(),
        distance,
    }
}

fn dot(a: Vector, b: Vector) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn minus(a: Vector, b: Vector) -> Vector {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

fn cross(a: Vector, b: Vector) -> Vector {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

fn length(a: Vector) -> f64 {
    dot(a, a).sqrt()
}

fn unit(a: Vector) -> Vector {
    let length = length(a).max(f64::MIN_POSITIVE);
    a.map(|x| x / length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direction_is_that_of_the_listener() {
        let near = |direction: Direction, az: f64, el: f64, r: f64| {
            let off = [
                direction.azimuth - az,
                direction.elevation - el,
                direction.distance - r,
            ];
            assert!(off.iter().all(|off| off.abs() < 1e-9), "{direction:?}");
        };
        let (front, up) = ([1.0, 0.0, 0.0], [0.0, 0.0, 1.0]);
        near(seen([0.0, 2.0, 0.0], front, up), 90.0, 0.0, 2.0);
        near(
            seen(cartesian([-30.0, 45.0, 1.4]), front, up),
            -30.0,
            45.0,
            1.4,
        );
        // Who looks to the left has on the right what was in front.
        near(seen([3.0, 0.0, 0.0], [0.0, 1.0, 0.0], up), -90.0, 0.0, 3.0);
        assert_eq!(
            seen([1.4, -1e-9, 0.0], front, up).to_string(),
            "az 0.0, el 0.0, 1.40 m"
        );
    }
}
