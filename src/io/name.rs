//! What people write for an impulse response: a file, several joined by `+` as the channels of one
//! set, half the name of a left and a right one, and behind `@` what a file does not tell itself.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::pcm::Layout;
use super::{ReadError, SampleFormat};
use crate::ir::units;
use crate::signal::SampleRate;

/// Files whose channels make one response, in this order.
#[derive(Debug, PartialEq)]
pub(super) struct Named {
    pub parts: Vec<Part>,
    /// What was assumed.
    pub notes: Vec<String>,
}

/// One file, and what was written behind its name.
#[derive(Debug, PartialEq)]
pub(super) struct Part {
    /// `-` is the standard input.
    pub file: PathBuf,
    pub options: Options,
}

/// Finds the files of a name. One that really has the name, with all signs in it, wins.
pub(super) fn resolve(name: &Path) -> Result<Named, ReadError> {
    // What is no text has no signs to look for.
    let Some(text) = name.to_str() else {
        return Ok(Named::of(name, Options::default()));
    };
    match joined(text) {
        Some(named) => named,
        None => Err(ReadError::Missing {
            file: missing(text).to_owned(),
        }),
    }
}

/// The part of a name to which there is no file.
fn missing(text: &str) -> &str {
    let pieces = || text.split('+');
    let found = |piece: &&str| part(piece).is_some();
    let text = match pieces().find(|piece| !found(piece)) {
        Some(piece) if pieces().any(|piece| found(&piece)) && !piece.is_empty() => piece,
        _ => text,
    };
    match text.rsplit_once('@') {
        Some((file, options)) if !file.is_empty() && Options::parse(file, options).is_ok() => file,
        _ => text,
    }
}

/// The one file that is meant where a sound is asked for, and what was written behind its name. A
/// file that really has the name, with all signs in it, wins.
///
/// # Errors
/// When what stands behind an existing file's name are no options.
pub(super) fn sound(name: &Path) -> Result<(&Path, Options), ReadError> {
    let whole = Ok((name, Options::default()));
    // What is no text has no signs to look for.
    let text = name
        .to_str()
        .filter(|text| text.contains('@') && !is_there(text));
    let signs = text.and_then(|text| text.rsplit_once('@'));
    let Some((file, options)) = signs.filter(|(file, _)| !file.is_empty()) else {
        return whole;
    };
    match Options::parse(file, options) {
        Ok(options) => Ok((Path::new(file), options)),
        Err(_) if !is_there(file) => whole,
        Err(error) => Err(error),
    }
}

/// One file or several; none where there are no such files.
fn joined(text: &str) -> Option<Result<Named, ReadError>> {
    let whole = part(text);
    if let Some(Ok(_)) = whole {
        return whole;
    }
    let join = text.match_indices('+').find_map(|(at, _)| {
        let first = part(&text[..at])?.ok()?;
        let rest = joined(&text[at + 1..])?;
        Some(rest.map(|rest| first.and(rest)))
    });
    join.or(whole)
}

/// One file, or a pair, with or without options.
fn part(text: &str) -> Option<Result<Named, ReadError>> {
    if let Some(named) = file(text, &Options::default()) {
        return Some(Ok(named));
    }
    text.rmatch_indices('@').find_map(|(at, _)| {
        // Whether there is such a file is asked first: what follows may be part of a name.
        file(&text[..at], &Options::default())?;
        let options = Options::parse(&text[..at], &text[at + 1..]);
        options
            .map(|options| file(&text[..at], &options))
            .transpose()
    })
}

/// The file of exactly this name, or a pair of it.
fn file(text: &str, options: &Options) -> Option<Named> {
    if is_there(text) {
        return Some(Named::of(Path::new(text), options.clone()));
    }
    let [left, right] = pair(text)?;
    let note = format!("{text}: taken from {left} and {right}");
    let mut named = Named::of(Path::new(&left), options.clone());
    named = named.and(Named::of(Path::new(&right), options.clone()));
    named.notes.push(note);
    Some(named)
}

impl Named {
    fn of(file: &Path, options: Options) -> Self {
        let file = file.to_owned();
        Self {
            parts: vec![Part { file, options }],
            notes: Vec::new(),
        }
    }

    fn and(mut self, other: Self) -> Self {
        self.parts.extend(other.parts);
        self.notes.extend(other.notes);
        self
    }
}

/// Whether something has this name, readable or not.
fn is_there(name: &str) -> bool {
    use io::ErrorKind::{InvalidInput, NotADirectory, NotFound};
    let missing =
        |error: &io::Error| matches!(error.kind(), NotFound | NotADirectory | InvalidInput);
    name == "-" || !fs::metadata(name).is_err_and(|error| missing(&error))
}

/// The files of the left and the right channel that share a name, such as `hall_L.wav` and
/// `hall_R.wav` for `hall.wav`.
fn pair(text: &str) -> Option<[String; 2]> {
    const SIDES: [[&str; 2]; 5] = [
        ["L", "R"],
        ["l", "r"],
        ["Left", "Right"],
        ["left", "right"],
        ["LEFT", "RIGHT"],
    ];
    let path = Path::new(text);
    let (stem, extension) = (path.file_stem()?.to_str()?, path.extension()?.to_str()?);
    let sides = ['_', '-', ' ', '.']
        .into_iter()
        .flat_map(|sign| SIDES.map(|sides| (sign, sides)));
    sides
        .map(|(sign, sides)| {
            sides.map(|side| {
                let name = format!("{stem}{sign}{side}.{extension}");
                path.with_file_name(name).to_string_lossy().into_owned()
            })
        })
        .find(|pair| pair.iter().all(|name| is_there(name)))
}

/// What stands behind `@`, in the order in which it was written.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Options(Vec<(String, Given)>);

/// One option.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Given {
    /// `48k`
    Rate(SampleRate),
    /// `2ch`
    Channels(usize),
    /// `f32`
    Encoding(Layout),
    /// `be`
    BigEndian,
    /// `az=30`, in degrees
    Azimuth(f64),
    /// `el=0`, in degrees
    Elevation(f64),
    /// `r=1.4`, in metres
    Distance(f64),
}

const ALL: &str = "there are a rate (`48k`), channels (`2ch`), an encoding (`u8`, `i16`, `i24`, `i32`, `f32`, `f64`, `alaw`, `mulaw`), `be` for big-endian and, for SOFA, a direction (`az=30`, `el=0`, `r=1.4`)";

impl Options {
    pub fn parse(file: &str, text: &str) -> Result<Self, ReadError> {
        let mut all: Vec<(String, Given)> = Vec::new();
        for word in text.split(',').map(str::trim) {
            let given = Given::parse(word).ok_or_else(|| {
                ReadError::refused(file, format!("`{word}` is no option behind `@`"), ALL)
            })?;
            let same = |(_, other): &&(String, Given)| {
                std::mem::discriminant(other) == std::mem::discriminant(&given)
            };
            if let Some((other, _)) = all.iter().find(same) {
                let what = format!("`{other}` and `{word}` say the same twice");
                return Err(ReadError::refused(file, what, "leave one of them out"));
            }
            all.push((word.to_owned(), given));
        }
        Ok(Self(all))
    }

    /// Refuses all but those that a file of this kind takes.
    pub fn only(
        &self,
        file: &str,
        kind: &str,
        takes: impl Fn(Given) -> bool,
    ) -> Result<(), ReadError> {
        match self.0.iter().find(|(_, given)| !takes(*given)) {
            None => Ok(()),
            Some((word, _)) => Err(ReadError::refused(
                file,
                format!("`{word}` is no option of {kind}"),
                "leave it out",
            )),
        }
    }

    fn get<T>(&self, of: impl Fn(Given) -> Option<T>) -> Option<T> {
        self.0.iter().find_map(|(_, given)| of(*given))
    }

    pub fn rate(&self) -> Option<SampleRate> {
        self.get(|given| match given {
            Given::Rate(rate) => Some(rate),
            _ => None,
        })
    }

    pub fn channels(&self) -> Option<usize> {
        self.get(|given| match given {
            Given::Channels(channels) => Some(channels),
            _ => None,
        })
    }

    pub fn encoding(&self) -> Option<Layout> {
        self.get(|given| match given {
            Given::Encoding(layout) => Some(layout),
            _ => None,
        })
    }

    pub fn big_endian(&self) -> bool {
        self.0.iter().any(|(_, given)| *given == Given::BigEndian)
    }

    /// As they were written.
    #[cfg(feature = "resample")]
    pub fn words(&self) -> String {
        let words: Vec<_> = self.0.iter().map(|(word, _)| word.as_str()).collect();
        words.join(",")
    }

    #[cfg(feature = "formats")]
    pub fn azimuth(&self) -> Option<f64> {
        self.get(|given| match given {
            Given::Azimuth(degrees) => Some(degrees),
            _ => None,
        })
    }

    #[cfg(feature = "formats")]
    pub fn elevation(&self) -> Option<f64> {
        self.get(|given| match given {
            Given::Elevation(degrees) => Some(degrees),
            _ => None,
        })
    }

    #[cfg(feature = "formats")]
    pub fn distance(&self) -> Option<f64> {
        self.get(|given| match given {
            Given::Distance(metres) => Some(metres),
            _ => None,
        })
    }
}

impl Given {
    fn parse(word: &str) -> Option<Self> {
        if let Some((key, value)) = word.split_once('=') {
            let value: f64 = value.trim().parse().ok().filter(|v: &f64| v.is_finite())?;
            return match key.trim() {
                "az" if value.abs() <= 360.0 => Some(Self::Azimuth(value)),
                "el" if value.abs() <= 90.0 => Some(Self::Elevation(value)),
                "r" if value > 0.0 => Some(Self::Distance(value)),
                _ => None,
            };
        }
        if let Ok(format) = word.parse::<SampleFormat>() {
            return Some(Self::Encoding(Layout::Plain(format)));
        }
        match word {
            "alaw" => return Some(Self::Encoding(Layout::ALaw)),
            "mulaw" => return Some(Self::Encoding(Layout::MuLaw)),
            "be" => return Some(Self::BigEndian),
            _ => {}
        }
        if let Some(channels) = word.strip_suffix("ch") {
            // More than a WAV header could name are meant by nobody.
            let channels = channels.trim().parse::<u16>().ok();
            return channels
                .filter(|&n| n > 0)
                .map(|n| Self::Channels(n.into()));
        }
        units::rate(word).ok().map(Self::Rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with empty files of these names.
    struct Folder(PathBuf);

    impl Folder {
        fn with(test: &str, files: &[&str]) -> Self {
            let folder = format!("faltung-name-{test}-{}", std::process::id());
            let folder = std::env::temp_dir().join(folder);
            fs::create_dir(&folder).unwrap();
            for file in files {
                fs::write(folder.join(file), b"").unwrap();
            }
            Self(folder)
        }

        /// The files of a name in this folder, each `/` in it standing for the folder, and the
        /// options of each.
        fn parts(&self, name: &str) -> Result<Vec<String>, String> {
            let folder = format!("{}/", self.0.display());
            let named = resolve(Path::new(&name.replace('/', &folder)));
            let named = named.map_err(|error| error.to_string().replace(&folder, ""))?;
            let words = |part: Part| {
                let file = part.file.display().to_string().replace(&folder, "");
                let words = part
                    .options
                    .0
                    .into_iter()
                    .map(|(word, _)| format!(" {word}"));
                words.fold(file, |all, word| all + &word)
            };
            Ok(named.parts.into_iter().map(words).collect())
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_file_that_really_has_the_name_wins() {
        let folder = Folder::with("wins", &["a@48k", "a", "b+c", "b", "c"]);
        assert_eq!(folder.parts("/a@48k").unwrap(), ["a@48k"]);
        assert_eq!(folder.parts("/a@44.1k").unwrap(), ["a 44.1k"]);
        assert_eq!(folder.parts("/a@48k@48k").unwrap(), ["a@48k 48k"]);
        assert_eq!(folder.parts("/b+c").unwrap(), ["b+c"]);
        assert_eq!(folder.parts("/b+/c").unwrap(), ["b", "c"]);
        assert_eq!(folder.parts("/b+c+/b").unwrap(), ["b+c", "b"]);
    }

    #[test]
    fn options_belong_to_the_file_before_them() {
        let folder = Folder::with("options", &["k.sofa", "x.f64", "y.wav"]);
        let parts = folder.parts("/k.sofa@az=+30,el=-5.5,r=1.4+/x.f64@44.1k,2ch+/y.wav");
        let wanted = ["k.sofa az=+30 el=-5.5 r=1.4", "x.f64 44.1k 2ch", "y.wav"];
        assert_eq!(parts.unwrap(), wanted);
    }

    #[test]
    fn half_a_name_finds_the_pair() {
        let names = [
            "a_L.wav",
            "a_R.wav",
            "b left.wav",
            "b right.wav",
            "c-L.wav",
            "d.l.f32",
            "d.r.f32",
        ];
        let folder = Folder::with("pair", &names);
        assert_eq!(folder.parts("/a.wav").unwrap(), ["a_L.wav", "a_R.wav"]);
        assert_eq!(
            folder.parts("/b.wav").unwrap(),
            ["b left.wav", "b right.wav"]
        );
        let parts = folder.parts("/d.f32@48k").unwrap();
        assert_eq!(parts, ["d.l.f32 48k", "d.r.f32 48k"]);
        let both = folder.parts("/a.wav+/b.wav").unwrap();
        assert_eq!(both.len(), 4);
        assert!(
            folder
                .parts("/c.wav")
                .unwrap_err()
                .starts_with("c.wav: no such file")
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_the_way_out() {
        let folder = Folder::with("wrong", &["k.sofa", "a.wav"]);
        for (name, words) in [
            ("/no.wav", "no.wav: no such file"),
            ("/no.sofa@az=30", "no.sofa: no such file"),
            ("/no@home.wav", "no@home.wav: no such file"),
            ("/a.wav+/no.wav", "no.wav: no such file"),
            ("/no.wav+/a.wav", "no.wav: no such file"),
            ("/a.wav+", "a.wav+: no such file"),
            ("/no.wav+/neither.wav", "no.wav+neither.wav: no such file"),
            ("/k.sofa@foo=1", "`foo=1` is no option"),
            ("/k.sofa@el=91", "`el=91` is no option"),
            ("/k.sofa@r=0", "`r=0` is no option"),
            ("/k.sofa@az=nan", "`az=nan` is no option"),
            ("/k.sofa@", "`` is no option"),
            ("/k.sofa@0ch", "`0ch` is no option"),
            ("/k.sofa@48.5", "`48.5` is no option"),
            ("/k.sofa@az=1,az=2", "say the same twice"),
        ] {
            let error = folder.parts(name).unwrap_err();
            assert!(error.contains(words), "{name}: {error}");
        }
    }
}
