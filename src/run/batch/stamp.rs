//! By what a change is noticed: files have stamps, tasks have keys.

use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use super::draw::Fnv;
use super::find;
use crate::io::FileSource;

/// Of where a file lies, its size and time of change; contents are not read. The same however its
/// path is written.
pub(super) fn file(path: &Path) -> u64 {
    let named = Fnv::new().with(find::real(path).as_os_str().as_encoded_bytes());
    let Ok(about) = fs::metadata(path) else {
        return named.value();
    };
    let changed = about.modified().ok();
    let changed = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let nanos = changed.map_or(0, |time| time.as_nanos() as u64);
    named.with_number(about.len()).with_number(nanos).value()
}

/// The same of a sound by its name, with what is written behind it.
pub(super) fn sound(name: &Path) -> u64 {
    written(file(FileSource::file(name)), &FileSource::options(name))
}

/// A file's stamp with what is written behind its name.
pub(super) fn written(stamp: u64, options: &str) -> u64 {
    match options {
        "" => stamp,
        _ => Fnv::new().with_number(stamp).with_text(options).value(),
    }
}

/// All that settles a result, each kind of it by itself, so that what changed can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    /// Options, and the version of this program.
    pub options: u64,
    pub ir: u64,
    pub input: u64,
    /// Noise with its place and level; 0 without.
    pub noise: u64,
}

impl Key {
    /// As it stands in the manifest.
    pub fn text(self) -> String {
        let Self {
            options,
            ir,
            input,
            noise,
        } = self;
        format!("{options:016x}-{ir:016x}-{input:016x}-{noise:016x}")
    }

    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-').map(|part| {
            let whole = part.len() == 16;
            whole.then(|| u64::from_str_radix(part, 16).ok()).flatten()
        });
        let mut next = || parts.next().flatten();
        let key = Self {
            options: next()?,
            ir: next()?,
            input: next()?,
            noise: next()?,
        };
        parts.next().is_none().then_some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_is_written() {
        let key = Key {
            options: 1,
            ir: u64::MAX,
            input: 0x1234,
            noise: 0,
        };
        assert_eq!(Key::parse(&key.text()), Some(key));
        for wrong in [
            "",
            "1-2-3-4",
            &key.text()[1..],
            &format!("{}-0", key.text()),
        ] {
            assert_eq!(Key::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_file_has_one_stamp_however_its_path_is_written() {
        let cargo = Path::new("Cargo.toml");
        let whole = cargo.canonicalize().unwrap();
        for path in [Path::new("./src/../Cargo.toml"), &whole] {
            assert_eq!(file(path), file(cargo), "{}", path.display());
        }
        assert!(file(Path::new("src")) != file(cargo));
    }

    #[test]
    fn a_file_that_grew_has_another_stamp() {
        let name = format!("faltung-stamp-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let missing = file(&path);
        fs::write(&path, "one").unwrap();
        let one = file(&path);
        assert_eq!(one, file(&path));
        fs::write(&path, "three").unwrap();
        assert!(one != file(&path) && one != missing);
        fs::remove_file(path).unwrap();
    }
}
