//! Files of folders and patterns, in an order that depends on their names alone.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirEntry};
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use glob::{MatchOptions, Pattern};
use walkdir::WalkDir;

use super::BatchError;
use crate::io::{FileSource, ReadError};

/// Extensions by which a sound is known in a folder.
const SOUNDS: [&str; 20] = [
    "wav", "wave", "rf64", "bwf", "w64", "flac", "ogg", "oga", "mp3", "aac", "m4a", "mp4", "m4b",
    "aif", "aiff", "aifc", "caf", "mka", "mkv", "webm",
];
/// The end of the names of unfinished files.
const PART: &str = ".faltung-tmp";

/// Why a link is left out.
const LOOP: &str = "is a link back to a folder that holds it";

/// What a name leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The folder that was searched, or in which the file lies.
    pub root: PathBuf,
    /// From there, in order.
    pub files: Vec<PathBuf>,
    /// What was left out and why, a line each.
    pub left_out: Vec<(PathBuf, String)>,
}

/// The same where nothing may be missing.
pub(super) fn whole(name: &Path) -> Result<Found, BatchError> {
    let found = sounds(name, None)?;
    if let Some((file, why)) = found.left_out.first() {
        let (file, why) = (file.clone(), why.clone());
        return Err(BatchError::Walk { file, why });
    }
    for file in &found.files {
        let path = found.root.join(file);
        let path = FileSource::file(&path).to_owned();
        if let Err(error) = path.metadata() {
            if path.is_symlink() {
                let why = "is a link that leads nowhere; remove it, or what it lacks put there";
                let why = why.to_owned();
                return Err(BatchError::Walk { file: path, why });
            }
            return Err(ReadError::from_io(&path.display().to_string(), error).into());
        }
    }
    Ok(found)
}

/// Finds the sounds of a folder, all levels of it, of a pattern, or the one file of this name.
/// What lies in `without`, a folder, is left out. What stands behind the `@` of a pattern is
/// written behind the name of each file that fits it.
pub(super) fn sounds(name: &Path, without: Option<&Path>) -> Result<Found, BatchError> {
    if name.is_dir() {
        return folder(name, without);
    }
    let file = FileSource::file(name);
    let pattern = name.to_str().filter(|text| {
        // What is there has its signs for itself.
        has_signs(text) && !file.exists()
    });
    let Some(pattern) = pattern else {
        let parent = name.parent().unwrap_or(Path::new(""));
        let last = name.file_name().unwrap_or(name.as_os_str());
        return Ok(Found {
            root: parent.to_owned(),
            files: vec![last.into()],
            left_out: Vec::new(),
        });
    };
    let (short, behind) = pattern.split_at(file.as_os_str().len());
    match fitting(pattern, without) {
        Err(BatchError::NothingFits { .. }) if !behind.is_empty() => {
            let mut found = fitting(short, without)?;
            for file in &mut found.files {
                file.as_mut_os_string().push(behind);
            }
            Ok(found)
        }
        found => found,
    }
}

fn folder(folder: &Path, without: Option<&Path>) -> Result<Found, BatchError> {
    let without = without.map(real);
    if without.as_deref() == Some(&real(folder)) {
        return Err(BatchError::Same {
            folder: folder.to_owned(),
        });
    }
    let wanted = |entry: &walkdir::DirEntry| {
        let hidden = is_hidden(entry.file_name());
        let folder = entry.file_type().is_dir();
        let left_out = folder && without.is_some() && Some(real(entry.path())) == without;
        entry.depth() == 0 || !(hidden || left_out)
    };
    let walk = WalkDir::new(folder).follow_links(true).sort_by_file_name();
    let (mut files, mut left_out) = (Vec::new(), Vec::new());
    for entry in walk.into_iter().filter_entry(wanted) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let path = error.path().unwrap_or(folder);
                let why = match error.io_error() {
                    Some(error) => format!("cannot be read: {error}"),
                    None => LOOP.to_owned(),
                };
                if error.depth() == 0 {
                    let file = path.to_owned();
                    return Err(BatchError::Walk { file, why });
                }
                match path.is_symlink() && error.io_error().is_some() {
                    // That it leads nowhere is told when it is opened.
                    true if is_sound(path) => {
                        files.push(path.strip_prefix(folder).unwrap_or(path).to_owned());
                    }
                    true => {}
                    false => left_out.push((path.to_owned(), why)),
                }
                continue;
            }
        };
        if !entry.file_type().is_dir() && is_sound(entry.path()) {
            let path = entry.path();
            files.push(path.strip_prefix(folder).unwrap_or(path).to_owned());
        }
    }
    if files.is_empty() {
        return Err(BatchError::NoSound {
            folder: folder.to_owned(),
            extensions: SOUNDS.join(", "),
        });
    }
    Ok(Found {
        root: folder.to_owned(),
        files,
        left_out,
    })
}

fn fitting(pattern: &str, without: Option<&Path>) -> Result<Found, BatchError> {
    let without = without.map(real);
    // The part before the first sign is where the names begin.
    let plain = |step: &Component| !step.as_os_str().to_str().is_some_and(has_signs);
    let steps = || Path::new(pattern).components();
    let root: PathBuf = steps().take_while(plain).collect();
    let rest = steps().skip_while(plain);
    let rest: Vec<Step> = rest
        .map(|step| Step::of(pattern, step))
        .collect::<Result<_, _>>()?;
    let mut all = Found {
        root: PathBuf::new(),
        files: Vec::new(),
        left_out: Vec::new(),
    };
    follow(&root, &rest, &mut all)?;
    // A file may fit in more than one way.
    all.files.sort_unstable();
    all.files.dedup();
    let (mut files, mut results) = (Vec::new(), false);
    for path in all.files {
        let ours = without
            .as_ref()
            .is_some_and(|without| real(&path).starts_with(without));
        results |= ours;
        if !ours && !is_part(path.as_os_str()) && !path.is_dir() {
            files.push(path.strip_prefix(&root).unwrap_or(&path).to_owned());
        }
    }
    if let (true, true, Some(folder)) = (files.is_empty(), results, without) {
        let pattern = pattern.to_owned();
        return Err(BatchError::OnlyResults { pattern, folder });
    }
    if files.is_empty() {
        return Err(BatchError::NothingFits {
            pattern: pattern.to_owned(),
        });
    }
    Ok(Found {
        root,
        files,
        left_out: all.left_out,
    })
}

/// A part of a pattern between two slashes.
enum Step {
    /// Without signs.
    Plain(OsString),
    /// Any name that fits.
    Fitting(Pattern),
    /// `**`: this folder and all below.
    Deep,
}

impl Step {
    fn of(pattern: &str, step: Component) -> Result<Self, BatchError> {
        let name = step.as_os_str();
        match name.to_str().filter(|text| has_signs(text)) {
            None => Ok(Self::Plain(name.to_owned())),
            Some("**") => Ok(Self::Deep),
            Some(text) => Pattern::new(text).map(Self::Fitting).map_err(|error| {
                let (pattern, why) = (pattern.to_owned(), error.msg.to_owned());
                BatchError::Pattern { pattern, why }
            }),
        }
    }
}

/// What the steps lead to from a folder. Names of any bytes fit `*` and `?`.
fn follow(from: &Path, steps: &[Step], found: &mut Found) -> Result<(), BatchError> {
    let signs = MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    let Some((first, rest)) = steps.split_first() else {
        found.files.push(from.to_owned());
        return Ok(());
    };
    let entries = match first {
        Step::Plain(name) => {
            let path = from.join(name);
            return match path.symlink_metadata() {
                Ok(_) => follow(&path, rest, found),
                Err(_) => Ok(()),
            };
        }
        _ => entries(from)?,
    };
    if matches!(first, Step::Deep) && !rest.is_empty() {
        follow(from, rest, found)?;
    }
    for entry in entries {
        let name = entry.file_name();
        let path = from.join(&name);
        match first {
            Step::Fitting(pattern)
                if pattern.matches_with(&name.to_string_lossy(), signs)
                    && (rest.is_empty() || path.is_dir()) =>
            {
                follow(&path, rest, found)?;
            }
            Step::Deep if !is_hidden(&name) && path.is_dir() => {
                match path.is_symlink() && leads_back(&path) {
                    true => found.left_out.push((path, LOOP.to_owned())),
                    false => follow(&path, steps, found)?,
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether a link leads to one of the folders on the way to it.
fn leads_back(link: &Path) -> bool {
    let to = real(link);
    link.ancestors().skip(1).any(|holder| real(holder) == to)
}

/// What lies in a folder; nothing in what is none.
fn entries(folder: &Path) -> Result<Vec<DirEntry>, BatchError> {
    let here = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    let read = fs::read_dir(here).and_then(Iterator::collect);
    read.or_else(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Ok(Vec::new()),
        _ => Err(BatchError::Walk {
            file: folder.to_owned(),
            why: format!("cannot be read: {error}"),
        }),
    })
}

/// Where a path leads, links resolved as far as it exists; what does not is taken to become plain
/// folders.
pub(super) fn real(path: &Path) -> PathBuf {
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    let mut real = PathBuf::from(".").canonicalize().unwrap_or_default();
    for step in path.components() {
        match step {
            Component::CurDir => {}
            Component::ParentDir => {
                real.pop();
            }
            step => {
                real.push(step);
                if let Ok(resolved) = real.canonicalize() {
                    real = resolved;
                }
            }
        }
    }
    real
}

/// Whether a name holds what only a pattern needs.
fn has_signs(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

fn is_part(name: &OsStr) -> bool {
    name.as_encoded_bytes().ends_with(PART.as_bytes())
}

fn is_sound(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str);
    extension.is_some_and(|extension| {
        SOUNDS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(extension))
    })
}

/// A path as it is written here and everywhere: with `/` between its steps. What is no text is kept
/// where `/` is what the system writes.
pub(super) fn slashed(path: &Path) -> OsString {
    match std::path::MAIN_SEPARATOR {
        '/' => path.into(),
        separator => path.to_string_lossy().replace(separator, "/").into(),
    }
}

/// The same for people and for programs that read text.
pub(super) fn with_slashes(path: &Path) -> String {
    slashed(path).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_through_folders_that_are_still_missing_leads_where_it_will() {
        let name = format!("faltung-find-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(folder.join("in")).unwrap();
        let folder = folder.canonicalize().unwrap();
        assert_eq!(real(&folder.join("in/x/../y/..")), folder.join("in"));
        assert_eq!(real(&folder.join("./new/a")), folder.join("new/a"));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("in", folder.join("link")).unwrap();
            assert_eq!(real(&folder.join("link/new")), folder.join("in/new"));
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
