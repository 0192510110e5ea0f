//! A file that gets its name only when it is whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Mutex, PoisonError};

use super::WriteError;

/// Parts that exist at this moment, for whoever has to end the process at once.
static PARTS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn parts() -> std::sync::MutexGuard<'static, Vec<PathBuf>> {
    PARTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes every unfinished part of this process: for a program that is told to stop.
pub fn remove_parts() {
    for part in parts().drain(..) {
        // Nobody is left to be told.
        let _ = fs::remove_file(part);
    }
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
        let real = fs::canonicalize(target).unwrap_or_else(|_| target.to_owned());
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
            // Cut, so that a long name does not become too long.
            let stem: String = last.to_string_lossy().chars().take(60).collect();
            let hidden = format!(".{stem}.{}.{count}.faltung-tmp", process::id());
            let part = real.with_file_name(hidden);
            let opened = options.read(true).write(true).create_new(true).open(&part);
            match opened {
                Ok(file) => {
                    parts().push(part.clone());
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

    /// Brings everything to the medium and gives the file its name.
    ///
    /// # Errors
    /// When the medium fails or is full, or the name was taken meanwhile.
    pub fn finish(mut self) -> Result<(), WriteError> {
        let Some(target) = self.target.take() else {
            return Ok(());
        };
        // A full or failing disk may say so only now.
        let synced = self.file.sync_all();
        synced.map_err(|error| self.refuse(error))?;
        if !self.replace && target.symlink_metadata().is_ok() {
            let file = self.name.display().to_string();
            return Err(WriteError::Exists { file });
        }
        let named = fs::rename(&self.part, &target);
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
        parts().retain(|part| *part != self.part);
        if !self.done {
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
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = PartFile::create(Path::new("/nowhere/at/all/out.wav"), false).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("/nowhere/at/all does not exist"), "{text}");
    }
}
