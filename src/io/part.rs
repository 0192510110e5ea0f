//! A file that gets its name only when it is whole.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::WriteError;

/// Parts that exist at this moment, for whoever has to end the process at once.
static PARTS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn parts() -> std::sync::MutexGuard<'static, Vec<PathBuf>> {
    PARTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How the name of a part ends.
const ENDING: &str = ".faltung-tmp";

/// Removes every unfinished part of this process, for a program that is told to stop: it must end
/// then, since whoever begins or finishes a part from now on waits for ever. Says how many there
/// were.
pub fn remove_parts() -> usize {
    let mut parts = parts();
    let count = parts.len();
    for part in parts.drain(..) {
        // Nobody is left to be told.
        let _ = fs::remove_file(part);
    }
    // Whoever wants to begin or to finish another one waits until the process has ended.
    std::mem::forget(parts);
    count
}

/// Removes the parts in a folder that killed processes have left behind, those of one target or of
/// all, and says how many they were.
///
/// A part is left alone while its process may be alive: on Linux while there is a process of its
/// number, elsewhere until it is a day old; and wherever a process, also one in another container,
/// holds its lock. What cannot be removed is passed over.
pub fn remove_stale_parts(folder: &Path, target_name: Option<&str>) -> usize {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    let wanted = target_name.map(stem);
    let stale = entries.flatten().filter(|entry| {
        let name = entry.file_name();
        let Some((of, process)) = name.to_str().and_then(part_of) else {
            return false;
        };
        entry.file_type().is_ok_and(|kind| kind.is_file())
            && wanted.as_ref().is_none_or(|wanted| wanted == of)
            && process != process::id()
            && !may_live(process, &entry.path())
    });
    stale
        .filter(|entry| fs::remove_file(entry.path()).is_ok())
        .count()
}

/// The beginning of a target's name; cut, so that a long name does not become too long.
fn stem(name: &str) -> String {
    const MOST: usize = 180;
    let fits = |(at, letter): &(usize, char)| at + letter.len_utf8() <= MOST;
    let letters = name.char_indices().take(60).take_while(fits);
    letters.map(|(_, letter)| letter).collect()
}

/// The beginning of the target's name, and the number of the process, that a part's name tells.
fn part_of(name: &str) -> Option<(&str, u32)> {
    let name = name.strip_prefix('.')?.strip_suffix(ENDING)?;
    let (name, count) = name.rsplit_once('.')?;
    let (of, process) = name.rsplit_once('.')?;
    count.parse::<u32>().ok()?;
    Some((of, process.parse().ok()?))
}

/// Whether the process that has made a part may still be there.
fn may_live(process: u32, part: &Path) -> bool {
    if cfg!(target_os = "linux") {
        if Path::new("/proc").join(process.to_string()).exists() {
            return true;
        }
    } else {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        let changed = fs::metadata(part).and_then(|about| about.modified());
        let age = changed.ok().and_then(|changed| changed.elapsed().ok());
        if age.is_none_or(|age| age < DAY) {
            return true;
        }
    }
    // Where locks are not known, the process has been asked for.
    let lock = File::open(part).map(|file| file.try_lock());
    matches!(lock, Ok(Err(TryLockError::WouldBlock)))
}

/// A file under construction: a hidden neighbour of its target, renamed by
/// [`finish`](Self::finish), removed when dropped before.
#[derive(Debug)]
pub struct PartFile {
    file: File,
    part: PathBuf,
    /// Where it goes, links resolved; none for scratch that is only ever removed.
    target: Option<PathBuf>,
    /// What the user called it.
    name: PathBuf,
    replace: bool,
    done: bool,
}

impl PartFile {
    /// Begins a file that will be called `target`; an existing one is replaced only if asked to.
    ///
    /// # Errors
    /// When the target exists or is a folder, or its folder is missing or closed.
    pub fn create(target: &Path, replace: bool) -> Result<Self, WriteError> {
        let file = target.display().to_string();
        let old = fs::metadata(target).ok();
        if old.as_ref().is_some_and(fs::Metadata::is_dir) {
            return Err(WriteError::Folder { file });
        }
        // Also a link that leads nowhere is somebody's.
        if !replace && target.symlink_metadata().is_ok() {
            return Err(WriteError::Exists { file });
        }
        let mode = old.map(|old| old.permissions());
        if mode.as_ref().is_some_and(fs::Permissions::readonly) {
            return Err(WriteError::Protected { file });
        }
        // A link stays a link: what it points to is replaced.
        let real = match fs::canonicalize(target) {
            Ok(real) => real,
            Err(_) if target.is_symlink() => {
                return Err(WriteError::Refused {
                    file,
                    what: "is a link that leads nowhere".to_owned(),
                    remedy: "remove it, or name the file that it is meant to lead to".to_owned(),
                });
            }
            Err(_) => target.to_owned(),
        };
        let mut made = Self::beside(&real, target, OpenOptions::new())?;
        if let Some(mode) = mode {
            let kept = made.file.set_permissions(mode);
            kept.map_err(|error| made.refuse(error))?;
        }
        made.target = Some(real);
        made.replace = replace;
        Ok(made)
    }

    /// Begins scratch space beside `neighbour`, read and written and then removed.
    ///
    /// # Errors
    /// When the folder is missing or closed.
    pub fn scratch(neighbour: &Path) -> Result<Self, WriteError> {
        #[allow(unused_mut)] // only some systems know modes
        let mut options = OpenOptions::new();
        // Nobody else's business, wherever it lies.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Self::beside(neighbour, neighbour, options)
    }

    fn beside(real: &Path, name: &Path, mut options: OpenOptions) -> Result<Self, WriteError> {
        let Some(last) = real.file_name() else {
            let file = name.display().to_string();
            return Err(WriteError::Folder { file });
        };
        let mut count = 0;
        loop {
            let stem = stem(&last.to_string_lossy());
            let hidden = format!(".{stem}.{}.{count}{ENDING}", process::id());
            let part = real.with_file_name(hidden);
            // Nobody is told to stop between the two.
            let mut known = parts();
            let opened = options.read(true).write(true).create_new(true).open(&part);
            match opened {
                Ok(file) => {
                    known.push(part.clone());
                    drop(known);
                    // For those who look for what killed processes leave; not all media know locks.
                    let _ = file.try_lock();
                    return Ok(Self {
                        file,
                        part,
                        target: None,
                        name: name.to_owned(),
                        replace: false,
                        done: false,
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && count < 1000 => {
                    count += 1;
                }
                Err(error) => return Err(WriteError::from_io(name, error)),
            }
        }
    }

    /// Appends bytes, or overwrites where [`seek`](Self::seek) went.
    ///
    /// # Errors
    /// When the medium fails or is full.
    pub fn write_all(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| self.refuse(error))
    }

    /// Goes to a byte, counted from the start.
    ///
    /// # Errors
    /// When the medium fails.
    pub fn seek(&mut self, byte: u64) -> Result<(), WriteError> {
        let moved = self.file.seek(SeekFrom::Start(byte));
        moved.map(drop).map_err(|error| self.refuse(error))
    }

    /// Reads what was written.
    pub(crate) fn reader(&mut self) -> &mut File {
        &mut self.file
    }

    /// Gives the file its name.
    ///
    /// Where that replaces another file, everything is brought to the medium first, so that a
    /// power cut leaves the old file or the new one. Under a new name there is nothing to lose but
    /// the result itself, and waiting for the medium would take longer than most results take to
    /// make: after a power cut within the next seconds it may be missing or incomplete.
    ///
    /// # Errors
    /// When the medium fails or is full, or the name was taken meanwhile.
    pub fn finish(mut self) -> Result<(), WriteError> {
        let Some(target) = self.target.take() else {
            return Ok(());
        };
        if target.symlink_metadata().is_ok() {
            if !self.replace {
                let file = self.name.display().to_string();
                return Err(WriteError::Exists { file });
            }
            // A full or failing disk may say so only now.
            let synced = self.file.sync_all();
            synced.map_err(|error| self.refuse(error))?;
        }
        let named = {
            // A part that was removed because the process ends is not to be missed here.
            let mut known = parts();
            let named = fs::rename(&self.part, &target);
            if named.is_ok() {
                known.retain(|part| *part != self.part);
            }
            named
        };
        named.map_err(|error| self.refuse(error))?;
        self.done = true;
        Ok(())
    }

    fn refuse(&self, error: io::Error) -> WriteError {
        WriteError::from_io(&self.name, error)
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        if !self.done {
            parts().retain(|part| *part != self.part);
            // A part that cannot be removed cannot be helped.
            let _ = fs::remove_file(&self.part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("faltung-part-{name}-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_file_has_its_name_only_when_it_is_whole() {
        let folder = folder("whole");
        let target = folder.join("out.wav");
        let mut part = PartFile::create(&target, false).unwrap();
        part.write_all(b"12345").unwrap();
        assert!(!target.exists());
        part.seek(1).unwrap();
        part.write_all(b"x").unwrap();
        part.finish().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"1x345");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_given_up_leaves_nothing() {
        let folder = folder("dropped");
        let mut part = PartFile::create(&folder.join("out.wav"), false).unwrap();
        part.write_all(b"12345").unwrap();
        drop(part);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn an_existing_file_is_replaced_only_when_asked() {
        let folder = folder("replace");
        let target = folder.join("out.wav");
        fs::write(&target, "old").unwrap();
        let refused = PartFile::create(&target, false).unwrap_err();
        assert!(matches!(refused, WriteError::Exists { .. }), "{refused}");
        let mut part = PartFile::create(&target, true).unwrap();
        part.write_all(b"new").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"old");
        part.finish().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_name_taken_meanwhile_is_not_overwritten() {
        let folder = folder("taken");
        let target = folder.join("out.wav");
        let part = PartFile::create(&target, false).unwrap();
        fs::write(&target, "theirs").unwrap();
        assert!(matches!(part.finish(), Err(WriteError::Exists { .. })));
        assert_eq!(fs::read(&target).unwrap(), b"theirs");
        fs::remove_dir_all(folder).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_replaced_file_keeps_its_mode_and_a_link_to_it_stays_one() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = folder("mode");
        let (target, link) = (folder.join("out.wav"), folder.join("link.wav"));
        fs::write(&target, "old").unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("out.wav", &link).unwrap();
        let mut part = PartFile::create(&link, true).unwrap();
        part.write_all(b"new").unwrap();
        part.finish().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(
            fs::metadata(&target).unwrap().permissions().mode() & 0o777,
            0o640
        );
        assert!(link.is_symlink());
        fs::set_permissions(&target, fs::Permissions::from_mode(0o440)).unwrap();
        assert!(matches!(
            PartFile::create(&link, true),
            Err(WriteError::Protected { .. })
        ));
        let lost = folder.join("lost.wav");
        symlink("nowhere", &lost).unwrap();
        assert!(matches!(
            PartFile::create(&lost, false),
            Err(WriteError::Exists { .. })
        ));
        symlink("round.wav", folder.join("round.wav")).unwrap();
        for link in [lost, folder.join("round.wav")] {
            assert!(matches!(
                PartFile::create(&link, true),
                Err(WriteError::Refused { .. })
            ));
            assert!(link.is_symlink());
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn parts_of_processes_that_are_gone_are_removed_and_no_others() {
        let folder = folder("stale");
        let ended = std::process::Command::new(std::env::current_exe().unwrap())
            .arg("--list")
            .stdout(std::process::Stdio::null())
            .spawn()
            .and_then(|mut child| child.wait().map(|_| child.id()))
            .unwrap();
        let ours = PartFile::create(&folder.join("out.wav"), false).unwrap();
        let long = "x".repeat(80) + ".wav";
        let make = |name: &str| {
            let path = folder.join(name);
            let file = File::create(&path).unwrap();
            let old = std::time::SystemTime::now() - Duration::from_secs(100_000);
            file.set_modified(old).unwrap();
            path
        };
        let stale = make(&format!(".out.wav.{ended}.0{ENDING}"));
        let of_long = make(&format!(".{}.{ended}.12{ENDING}", &long[..60]));
        let held = make(&format!(".held.wav.{ended}.0{ENDING}"));
        let lock = File::open(&held).unwrap();
        lock.lock().unwrap();
        let others = [
            make("out.wav"),
            make(&format!(".out.wav.{ended}.0.tmp")),
            make(&format!(".out.wav.x.0{ENDING}")),
            make(&format!("out.wav.{ended}.0{ENDING}")),
            make(&format!(".out.wav.{}.7{ENDING}", process::id())),
        ];
        #[cfg(target_os = "linux")]
        let init = make(&format!(".out.wav.1.0{ENDING}"));
        assert_eq!(remove_stale_parts(&folder, Some("other.wav")), 0);
        assert_eq!(remove_stale_parts(&folder, Some("out.wav")), 1);
        assert!(!stale.exists() && of_long.exists());
        assert_eq!(remove_stale_parts(&folder, Some(&long)), 1);
        assert_eq!(remove_stale_parts(&folder, None), 0);
        assert!(held.exists());
        drop(lock);
        assert_eq!(remove_stale_parts(&folder, None), 1);
        #[cfg(target_os = "linux")]
        assert!(init.exists());
        assert!(ours.part.exists() && others.iter().all(|path| path.exists()));
        assert_eq!(remove_stale_parts(&folder.join("nowhere"), None), 0);
        drop(ours);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_part_is_locked_while_it_is_made() {
        let folder = folder("locked");
        let part = PartFile::create(&folder.join("out.wav"), false).unwrap();
        let second = File::open(&part.part).unwrap().try_lock();
        assert!(matches!(second, Err(TryLockError::WouldBlock)));
        drop(part);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = PartFile::create(Path::new("/nowhere/at/all/out.wav"), false).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("/nowhere/at/all does not exist"), "{text}");
    }
}
