//! Files of impulse responses, watched: who changes one hears it.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::input::Input;

/// How long a file must be left alone before it counts as written.
const QUIET: Duration = Duration::from_millis(200);

/// The files as they were given, by folder and name.
type Files = Arc<Mutex<HashMap<(PathBuf, OsString), HashSet<PathBuf>>>>;

/// Watches the folders of files; a folder tells also when another file takes the name.
pub(super) struct Watch {
    watcher: RecommendedWatcher,
    files: Files,
    folders: HashSet<PathBuf>,
}

impl Watch {
    /// Each change of a file is put into `inputs` once it is over.
    pub(super) fn new(inputs: SyncSender<Input>) -> Result<Self, notify::Error> {
        let files = Files::default();
        let (sender, changes) = mpsc::channel();
        let watcher = notify::recommended_watcher(tell(files.clone(), sender))?;
        thread::Builder::new()
            .name("watch".into())
            .spawn(move || settle(&changes, &inputs))
            .map_err(notify::Error::io)?;
        Ok(Self {
            watcher,
            files,
            folders: HashSet::new(),
        })
    }

    /// Watches one more file and, if it is a link, what it leads to.
    pub(super) fn add(&mut self, file: &Path) -> Result<(), notify::Error> {
        self.add_as(file, file)?;
        match file.canonicalize() {
            Ok(real) => self.add_as(&real, file),
            Err(_) => Ok(()),
        }
    }

    /// Watches what is at `place`, called `file`.
    fn add_as(&mut self, place: &Path, file: &Path) -> Result<(), notify::Error> {
        let Some(name) = place.file_name() else {
            return Ok(());
        };
        let folder = place.parent().filter(|folder| *folder != Path::new(""));
        let folder = folder.unwrap_or(Path::new(".")).canonicalize();
        let folder = folder.map_err(notify::Error::io)?;
        let key = (folder.clone(), name.to_owned());
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.entry(key).or_default().insert(file.to_owned());
        drop(files);
        if !self.folders.contains(&folder) {
            self.watcher.watch(&folder, RecursiveMode::NonRecursive)?;
            self.folders.insert(folder);
        }
        Ok(())
    }
}

/// Picks the files out of all that happens in their folders.
fn tell(files: Files, sender: Sender<PathBuf>) -> impl Fn(notify::Result<notify::Event>) {
    move |event| {
        let Ok(event) = event else { return };
        // Reading is no change, and we read ourselves.
        if matches!(event.kind, EventKind::Access(_)) {
            return;
        }
        let files = files.lock().unwrap_or_else(PoisonError::into_inner);
        for path in &event.paths {
            let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
                continue;
            };
            let found = files.get(&(folder.to_owned(), name.to_owned()));
            for file in found.into_iter().flatten() {
                let _ = sender.send(file.clone());
            }
        }
    }
}

/// Waits until a file has been left alone, then says so once. Ends when either side has.
fn settle(changes: &Receiver<PathBuf>, inputs: &SyncSender<Input>) {
    let mut due: HashMap<PathBuf, Instant> = HashMap::new();
    loop {
        let next = due.values().min().copied();
        let change = match next {
            None => changes.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(at) => changes.recv_timeout(at.saturating_duration_since(Instant::now())),
        };
        match change {
            Ok(file) => {
                due.insert(file, Instant::now() + QUIET);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let now = Instant::now();
        let over: Vec<_> = due
            .extract_if(|_, at| *at <= now)
            .map(|(file, _)| file)
            .collect();
        for file in over {
            // One that is gone will be written again, or was only renamed.
            if file.is_file() && inputs.send(Input::Changed(file)).is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Folder;
    use super::*;
    use std::fs::{self, File};
    use std::io::Write;
    use std::sync::mpsc::sync_channel;

    struct Room {
        folder: Folder,
        file: PathBuf,
        inputs: Receiver<Input>,
        watch: Watch,
    }

    fn room(name: &str) -> Room {
        let folder = Folder::new(name);
        let file = folder.path().join("ir.wav");
        fs::write(&file, "first").unwrap();
        let (sender, inputs) = sync_channel(64);
        let mut watch = Watch::new(sender).unwrap();
        watch.add(&file).unwrap();
        Room {
            folder,
            file,
            inputs,
            watch,
        }
    }

    impl Room {
        fn hears(&self, file: &Path) {
            match self.inputs.recv_timeout(Duration::from_secs(10)) {
                Ok(Input::Changed(changed)) => assert_eq!(changed, file),
                other => panic!("{other:?}"),
            }
        }

        fn hears_nothing(&self) {
            let heard = self.inputs.recv_timeout(3 * QUIET);
            assert!(heard.is_err(), "{heard:?}");
        }
    }

    #[test]
    fn a_file_written_in_pieces_is_told_once_and_when_it_is_over() {
        let room = room("watch-pieces");
        let mut out = File::create(&room.file).unwrap();
        for _ in 0..8 {
            out.write_all(&[0; 1000]).unwrap();
            out.flush().unwrap();
            assert!(room.inputs.try_recv().is_err());
            thread::sleep(QUIET / 4);
        }
        drop(out);
        room.hears(&room.file);
        room.hears_nothing();
    }

    #[test]
    fn a_file_renamed_over_it_is_told() {
        let room = room("watch-rename");
        let other = room.folder.path().join("other.wav");
        for text in ["second", "third"] {
            fs::write(&other, text).unwrap();
            fs::rename(&other, &room.file).unwrap();
            room.hears(&room.file);
        }
        room.hears_nothing();
    }

    #[test]
    fn a_file_removed_is_told_when_it_comes_back() {
        let room = room("watch-removed");
        fs::remove_file(&room.file).unwrap();
        room.hears_nothing();
        fs::write(&room.file, "again").unwrap();
        room.hears(&room.file);
    }

    #[cfg(unix)]
    #[test]
    fn what_a_link_leads_to_is_told_by_the_links_name() {
        let mut room = room("watch-link");
        let link = room.folder.path().join("link.wav");
        let far = Folder::new("watch-far");
        let real = far.path().join("real.wav");
        fs::write(&real, "first").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        room.watch.add(&link).unwrap();
        fs::write(&real, "second").unwrap();
        room.hears(&link);
    }

    #[test]
    fn neighbours_and_readers_are_not_told() {
        let room = room("watch-others");
        fs::write(room.folder.path().join("neighbour.wav"), "new").unwrap();
        fs::read(&room.file).unwrap();
        room.hears_nothing();
    }

    #[test]
    fn another_file_of_the_folder_can_join_later() {
        let mut room = room("watch-later");
        let second = room.folder.path().join("second.wav");
        room.watch.add(&second).unwrap();
        fs::write(&second, "new").unwrap();
        room.hears(&second);
        let nowhere = room.folder.path().join("nowhere").join("x.wav");
        assert!(room.watch.add(&nowhere).is_err());
    }
}
