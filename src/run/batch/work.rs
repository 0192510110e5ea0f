//! What is to be done, task by task: settled, and refused where it cannot end well, before
//! anything is done.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::draw::{Draw, Fnv};
use super::find;
use super::irs::{Ir, Irs};
use super::list;
use super::manifest::{Before, Past, VERSION, is_manifest};
use super::name::{Parts, Template, within};
use super::stamp::{self, Key};
use super::{Batch, BatchError, Corpus, Earlier, Pick};
use crate::io::{Container, FileSource, WriteError};
use crate::run::augment::Noise;

/// A sound and its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Task {
    pub entry: u32,
    pub ir: u32,
    /// Among all tasks, of other shards as well, from 0.
    pub index: u32,
}

/// Why results of an earlier run are made again, and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Again {
    /// They had failed.
    pub failed: usize,
    /// Another version of this program had made them.
    pub version: usize,
    /// Options differ.
    pub options: usize,
    /// The response is another, or was changed.
    pub ir: usize,
    /// The sound was changed.
    pub input: usize,
    /// The noise is another, or was changed.
    pub noise: usize,
    /// Their files are gone, or have other sizes.
    pub gone: usize,
}

impl Again {
    /// The reasons that there are, in words, and how many results each concerns.
    pub fn reasons(&self) -> impl Iterator<Item = (&'static str, usize)> {
        let all = [
            ("failed before", self.failed),
            ("made by another version", self.version),
            ("options changed", self.options),
            ("impulse response changed", self.ir),
            ("input changed", self.input),
            ("noise changed", self.noise),
            ("result gone or changed", self.gone),
        ];
        all.into_iter().filter(|(_, count)| *count > 0)
    }
}

/// A batch that is ready to run.
#[derive(Debug)]
pub struct Work {
    pub(super) batch: Batch,
    pub(super) corpus: Corpus,
    pub(super) irs: Irs,
    /// Those of the shard.
    pub(super) tasks: Vec<Task>,
    /// Which of them are still to be done.
    pub(super) todo: Vec<u32>,
    /// Of those, the results that lie there and are not to be replaced.
    pub(super) foreign: HashSet<u32>,
    /// Results of which the manifest of an unfinished run does not tell.
    orphans: usize,
    noise_stamps: Vec<u64>,
    /// Of the options and the version.
    options: u64,
    again: Again,
    usual: [Template; 4],
}

impl Batch {
    /// Settles which sound goes through which response, and what the results are called.
    ///
    /// # Errors
    /// When a sound has no response; when two results would have one name, or one would replace
    /// what is read; when a manifest exists that is not to be replaced or resumed.
    pub fn work(self, corpus: Corpus, irs: Irs) -> Result<Work, BatchError> {
        if corpus.is_empty() {
            return Err(BatchError::NoInput);
        }
        if self.out.metadata().is_ok_and(|out| !out.is_dir()) {
            return Err(BatchError::NotFolder { folder: self.out });
        }
        let manifest = self.manifest();
        let old = fs::metadata(&manifest).is_ok_and(|old| old.is_file() && old.len() > 0);
        if old && !is_manifest(&manifest)? {
            return Err(BatchError::NoManifest { file: manifest });
        }
        if self.earlier == Earlier::Keep && old {
            return Err(BatchError::ManifestExists { file: manifest });
        }
        if let Some(scp) = self.scp()
            && self.earlier == Earlier::Keep
            && scp.symlink_metadata().is_ok()
        {
            let file = scp.display().to_string();
            return Err(WriteError::Exists { file }.into());
        }
        if let Some(scp) = self.scp()
            && self.earlier == Earlier::Resume
            && !is_earlier_list(&scp, &self.out)
        {
            return Err(BatchError::NoList { file: scp });
        }
        let mut work = Work {
            noise_stamps: match &self.noise {
                Some(noise) => noise.files.iter().map(|file| stamp::sound(file)).collect(),
                None => Vec::new(),
            },
            options: options(&self),
            batch: self,
            corpus,
            irs,
            tasks: Vec::new(),
            todo: Vec::new(),
            foreign: HashSet::new(),
            orphans: 0,
            again: Again::default(),
            usual: [
                Template::new("{dir}/{stem}.{ext}")?,
                Template::new("{dir}/{stem}.{ir}.{ext}")?,
                Template::new("{id}.{ext}")?,
                Template::new("{id}.{ir}.{ext}")?,
            ],
        };
        work.settle()?;
        work.refuse_to_replace_inputs()?;
        if work.batch.earlier == Earlier::Resume {
            work.look_back(&Past::read(&manifest)?)?;
        } else {
            work.todo = (0..work.tasks.len() as u32).collect();
        }
        // Where there are fewer files than workers, those that are left help with the files.
        let threads = (work.batch.jobs.get() / work.jobs().max(1)).max(1);
        work.batch.how.render.threads = Some(threads);
        Ok(work)
    }
}

/// Whether a list of results may be written here: nothing is there, or one of this folder's.
fn is_earlier_list(scp: &Path, out: &Path) -> bool {
    let mut line = Vec::new();
    let Ok(file) = fs::File::open(scp) else {
        return true;
    };
    let read = BufReader::new(file.take(1 << 16)).read_until(b'\n', &mut line);
    let blank = line.iter().position(|&byte| byte == b' ');
    let path = blank.map(|blank| list::path(line[blank + 1..].trim_ascii_end()));
    let ours = path.is_some_and(|path| find::real(&path).starts_with(find::real(out)));
    read.is_ok() && (line.is_empty() || ours)
}

/// Of everything that settles results beside the files.
fn options(batch: &Batch) -> u64 {
    let Batch {
        how,
        container,
        format,
        ..
    } = batch;
    // The result does not depend on it.
    let mut how = how.clone();
    how.render.threads = None;
    let text = format!("{how:?} {container:?} {format:?}");
    Fnv::new().with_text(VERSION).with_text(&text).value()
}

impl Work {
    /// Results that the shard has.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether the shard has none.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Results that are still to be made.
    pub fn to_do(&self) -> usize {
        self.todo.len()
    }

    /// Why results of an earlier run are made again.
    pub fn again(&self) -> Again {
        self.again
    }

    /// Results that are replaced though the manifest of the earlier run does not tell of them: it
    /// was stopped before it could, or somebody else put them there.
    pub fn orphans(&self) -> usize {
        self.orphans
    }

    /// Workers: as many as were asked for, and as there is work for.
    pub fn jobs(&self) -> usize {
        self.batch.jobs.get().min(self.todo.len())
    }

    /// What is to be done with each file, and the rest of the order.
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// Sounds, those of other shards as well.
    pub fn sounds(&self) -> usize {
        self.corpus.len()
    }

    /// Responses that may be taken.
    pub fn responses(&self) -> usize {
        self.irs.len()
    }

    /// Lists all tasks and their names, and keeps those of the shard.
    fn settle(&mut self) -> Result<(), BatchError> {
        // Those of the command line come first: lots are drawn among them only.
        let given = self.irs.len();
        let mut named = Vec::with_capacity(self.corpus.irs().len());
        for ir in self.corpus.irs() {
            named.push(self.irs.add_named(ir)?);
        }
        let (mut names, mut ids) = (HashMap::new(), HashMap::new());
        let mut index = 0u32;
        for entry in 0..self.corpus.len() {
            let own = self.corpus.ir(entry).map(|ir| named[ir as usize]);
            let irs = match (own, self.batch.pick) {
                (Some(own), _) => own..own + 1,
                (None, _) if given == 0 => {
                    return Err(BatchError::NoIr {
                        input: self.corpus.path(entry).display().to_string(),
                    });
                }
                (None, Pick::All) => 0..given as u32,
                (None, Pick::Cycle) => {
                    let ir = (entry % given) as u32;
                    ir..ir + 1
                }
                (None, Pick::Random) => {
                    let key = self.corpus.key(entry);
                    let ir = Draw::new(self.batch.seed, key.as_encoded_bytes()).below(given) as u32;
                    ir..ir + 1
                }
            };
            for ir in irs {
                let entry = entry as u32;
                let task = Task { entry, ir, index };
                self.book_name(task, &mut names)?;
                if let Some(scp) = &self.batch.scp {
                    self.book_id(task, &mut ids, scp)?;
                }
                if self.batch.shard.has(index) {
                    self.tasks.push(task);
                }
                let next = index.checked_add(1).filter(|&next| next < u32::MAX);
                index = next.ok_or(BatchError::TooMany { most: u32::MAX })?;
            }
        }
        self.refuse_to_meet(&names)
    }

    /// Refuses an id that another result has, and what a list of results cannot hold.
    fn book_id(
        &self,
        task: Task,
        ids: &mut HashMap<u64, Task>,
        scp: &Path,
    ) -> Result<(), BatchError> {
        let scp = scp.display().to_string();
        let out = self.batch.out.join(self.out(task)?);
        let out = out.to_string_lossy();
        if out.contains(['\n', '\r']) {
            let out = out.into_owned();
            return Err(BatchError::TwoLines { out, scp });
        }
        let id = self.scp_id(task)?;
        let hash = Fnv::new().with(&id).value();
        if let Some(other) = ids.insert(hash, task)
            && self.scp_id(other)? == id
        {
            return Err(BatchError::SameId {
                one: self.called(other),
                other: self.called(task),
                id: String::from_utf8_lossy(&id).into_owned(),
                scp,
            });
        }
        Ok(())
    }

    /// The result's id in Kaldi's list: the sound's own, without blanks, or by the result's name.
    pub(super) fn scp_id(&self, task: Task) -> Result<Vec<u8>, BatchError> {
        let entry = task.entry as usize;
        let id = match self.corpus.has_id(entry) && self.batch.pick != Pick::All {
            true => self.corpus.key(entry),
            false => {
                let out = self.out(task)?.with_extension("");
                let steps: Vec<_> = out.iter().collect();
                steps.join(OsStr::new("-"))
            }
        };
        let without_blank = |byte: &u8| {
            if byte.is_ascii_whitespace() {
                b'_'
            } else {
                *byte
            }
        };
        Ok(match id.to_str() {
            Some(id) => id.replace(char::is_whitespace, "_").into_bytes(),
            None => id.as_encoded_bytes().iter().map(without_blank).collect(),
        })
    }

    /// Refuses a manifest or a list of results that would be one file with another of them.
    fn refuse_to_meet(&self, names: &HashMap<u64, Task>) -> Result<(), BatchError> {
        const MANIFEST: &str = "the manifest";
        const LIST: &str = "the list of results";
        let folder = find::real(&self.batch.out);
        let manifest = find::real(&self.batch.manifest());
        let scp = self.batch.scp().map(|scp| find::real(&scp));
        let met = |file: &Path, one, other| {
            let file = file.display().to_string();
            Err(BatchError::Met { file, one, other })
        };
        if scp.as_ref() == Some(&manifest) {
            return met(&manifest, MANIFEST, LIST);
        }
        for (file, what) in [(Some(manifest), MANIFEST), (scp, LIST)] {
            let Some(file) = file else { continue };
            let Ok(below) = file.strip_prefix(&folder) else {
                continue;
            };
            let Some(&task) = names.get(&named(below)) else {
                continue;
            };
            let out = self.out(task)?;
            if below == out || self.early(&out).is_some_and(|early| early == below) {
                return met(&file, what, "a result");
            }
        }
        Ok(())
    }

    /// A task for people.
    fn called(&self, task: Task) -> String {
        let input = self.corpus.path(task.entry as usize);
        match self.batch.pick {
            Pick::All => format!("{} with {}", input.display(), self.ir(task).called),
            _ => input.display().to_string(),
        }
    }

    /// Refuses a name that another result has.
    fn book_name(&self, task: Task, names: &mut HashMap<u64, Task>) -> Result<(), BatchError> {
        let out = self.out(task).map_err(|error| match error {
            BatchError::Template { template, why } => BatchError::Template {
                template,
                why: format!("{why}; it is that of {}", self.called(task)),
            },
            other => other,
        })?;
        let kind = self.container(task);
        if let Some(named) = Container::of(&out).filter(|named| *named != kind) {
            let out = self.batch.out.join(out).display().to_string();
            return Err(BatchError::Kinds { out, named, kind });
        }
        let early = self.early(&out);
        for out in [Some(out), early].into_iter().flatten() {
            let bytes = out.file_name().map_or(0, |name| name.len());
            if bytes > 255 {
                let out = self.batch.out.join(out).display().to_string();
                return Err(BatchError::LongName { out, bytes });
            }
            let Some(other) = names.insert(named(&out), task) else {
                continue;
            };
            let theirs = self.out(other)?;
            if theirs == out || self.early(&theirs).as_ref() == Some(&out) {
                return Err(BatchError::Twice {
                    one: self.called(other),
                    other: self.called(task),
                    out: self.batch.out.join(out).display().to_string(),
                });
            }
        }
        Ok(())
    }

    /// A result that would replace something that is read is refused, through links as well.
    fn refuse_to_replace_inputs(&self) -> Result<(), BatchError> {
        // Where folders are still missing, `..` would hide what they will be.
        let folder = find::real(&self.batch.out);
        // With the task whose result it is; none for a list of results.
        let mut there: HashMap<FileId, Option<Task>> = HashMap::new();
        for &task in &self.tasks {
            let out = self.out(task)?;
            for out in [self.early(&out), Some(out)].into_iter().flatten() {
                if let Some(id) = file_id(&folder.join(out)) {
                    there.insert(id, Some(task));
                }
            }
        }
        let others = [Some(self.batch.manifest()), self.batch.scp()];
        for other in others.into_iter().flatten() {
            if let Some(id) = file_id(&find::real(&other)) {
                there.insert(id, None);
            }
        }
        if there.is_empty() {
            return Ok(());
        }
        let sounds = (0..self.corpus.len()).map(|entry| self.corpus.path(entry));
        let irs = self.irs.iter().flat_map(|ir| ir.origin.files());
        let noise = self.batch.noise.iter();
        let noise = noise.flat_map(|noise| noise.files.iter().cloned());
        let lists = self.corpus.lists().iter().cloned();
        for read in sounds.chain(irs).chain(noise).chain(lists) {
            if let Some(task) = file_id(FileSource::file(&read)).and_then(|id| there.get(&id)) {
                let out = match task {
                    Some(task) => self.batch.out.join(self.out(*task)?),
                    None => read.clone(),
                };
                return Err(BatchError::OverInput {
                    out: out.display().to_string(),
                    input: read.display().to_string(),
                });
            }
        }
        Ok(())
    }

    /// Finds out what an earlier run has left to be done.
    fn look_back(&mut self, past: &Past) -> Result<(), BatchError> {
        let mut first = None;
        for at in 0..self.tasks.len() {
            let task = self.tasks[at];
            let Ok(out) = self.out(task) else { continue };
            let Some(before) = past.of(&out) else {
                self.todo.push(at as u32);
                let there = self.batch.out.join(out);
                if there.symlink_metadata().is_ok() {
                    self.orphans += 1;
                    first.get_or_insert(there);
                }
                continue;
            };
            if before.kept {
                self.foreign.insert(at as u32);
            }
            let (key, _) = self.key(task);
            let early = self.early(&out).map(|early| self.batch.out.join(early));
            let Some(why) = changed(before, key, &self.batch.out.join(&out), early.as_deref())
            else {
                continue;
            };
            self.todo.push(at as u32);
            *match why {
                Why::Failed => &mut self.again.failed,
                Why::Version => &mut self.again.version,
                Why::Options => &mut self.again.options,
                Why::Ir => &mut self.again.ir,
                Why::Input => &mut self.again.input,
                Why::Noise => &mut self.again.noise,
                Why::Gone => &mut self.again.gone,
            } += 1;
        }
        match first.filter(|_| !past.unfinished) {
            None => Ok(()),
            Some(first) => {
                let manifest = self.batch.manifest();
                let manifest = manifest.display();
                Err(BatchError::Unknown {
                    file: first.display().to_string(),
                    why: match past.exists {
                        true => format!(
                            "{manifest}, of a run that came to its end, does not tell of it"
                        ),
                        false => format!("there is no manifest {manifest} that tells of it"),
                    },
                    count: self.orphans,
                })
            }
        }
    }

    pub(super) fn ir(&self, task: Task) -> &Ir {
        self.irs.get(task.ir)
    }

    /// The result's kind of file.
    pub(super) fn container(&self, task: Task) -> Container {
        let entry = task.entry as usize;
        let listed = match self.corpus.out(entry) {
            Some(out) => Container::of(Path::new(out)),
            None => self.batch.name.as_ref().and_then(Template::container),
        };
        let usual =
            || Container::of(&self.corpus.path(entry)).filter(|kind| *kind != Container::Raw);
        let kind = self.batch.container.or(listed).or_else(usual);
        kind.unwrap_or(Container::Wav)
    }

    /// The result's name below the folder of all.
    pub(super) fn out(&self, task: Task) -> Result<PathBuf, BatchError> {
        let entry = task.entry as usize;
        let parts = || Parts {
            ext: self.container(task).extension().to_owned(),
            ir: self.ir(task).word.clone(),
            index: u64::from(task.index) + 1,
            ..self.corpus.parts(entry)
        };
        if let Some(out) = self.corpus.out(entry) {
            return within(out).map_err(|why| BatchError::Template {
                template: out.to_owned(),
                why,
            });
        }
        let all = usize::from(self.batch.pick == Pick::All);
        let usual = || &self.usual[all + 2 * usize::from(self.corpus.has_id(entry))];
        let template = self.batch.name.as_ref().unwrap_or_else(usual);
        template.fill(&parts())
    }

    /// The name of the early part beside a result.
    pub(super) fn early(&self, out: &Path) -> Option<PathBuf> {
        self.batch.how.early?;
        let mut extension = OsString::from("early");
        if let Some(old) = out.extension() {
            extension.push(".");
            extension.push(old);
        }
        Some(out.with_extension(extension))
    }

    /// The noise that the lots give the task, and the number of its file.
    fn noise(&self, task: Task) -> Option<(Noise, usize)> {
        let range = self.batch.noise.as_ref()?;
        let mut key = self.corpus.key(task.entry as usize);
        if self.batch.pick == Pick::All {
            key.push("\t");
            key.push(&self.ir(task).word);
        }
        let mut draw = Draw::new(self.batch.seed, key.as_encoded_bytes());
        // The response's.
        draw.bits();
        let at = draw.below(range.files.len());
        let (low, high) = range.snr_db;
        let noise = Noise {
            file: range.files.get(at)?.clone(),
            place: draw.unit(),
            snr_db: low + draw.unit() * (high - low),
        };
        Some((noise, at))
    }

    /// What settles the result, and the noise that belongs to it.
    pub(super) fn key(&self, task: Task) -> (Key, Option<Noise>) {
        let noise = self.noise(task);
        let noisy = noise.as_ref().map_or(0, |(noise, at)| {
            Fnv::new()
                .with_number(self.noise_stamps[*at])
                .with_number(noise.place.to_bits())
                .with_number(noise.snr_db.to_bits())
                .value()
        });
        let key = Key {
            options: self.options,
            ir: self.ir(task).stamp,
            input: stamp::sound(&self.corpus.path(task.entry as usize)),
            noise: noisy,
        };
        (key, noise.map(|(noise, _)| noise))
    }
}

/// Why a result is made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Failed,
    Version,
    Options,
    Ir,
    Input,
    Noise,
    Gone,
}

/// What is not as it was, if anything.
fn changed(before: &Before, key: Key, out: &Path, early: Option<&Path>) -> Option<Why> {
    let Some(bytes) = before.bytes else {
        return Some(Why::Failed);
    };
    let size = fs::metadata(out).map(|file| file.len()).ok();
    let early_size = early.map(|early| fs::metadata(early).map(|file| file.len()).ok());
    let early_gone = early_size.is_some_and(|size| size.is_none() || size != before.early);
    let old = before.key;
    let reasons = [
        (!before.this_version, Why::Version),
        (old.options != key.options, Why::Options),
        (old.ir != key.ir, Why::Ir),
        (old.input != key.input, Why::Input),
        (old.noise != key.noise, Why::Noise),
        (size != Some(bytes) || early_gone, Why::Gone),
    ];
    reasons.into_iter().find(|(is, _)| *is).map(|(_, why)| why)
}

/// The hash of a name below the folder of the results.
fn named(out: &Path) -> u64 {
    Fnv::new().with(out.as_os_str().as_encoded_bytes()).value()
}

/// The same for all names of a file.
#[cfg(unix)]
type FileId = (u64, u64);

#[cfg(unix)]
fn file_id(path: &Path) -> Option<FileId> {
    use std::os::unix::fs::MetadataExt;
    let about = fs::metadata(path).ok()?;
    Some((about.dev(), about.ino()))
}

#[cfg(not(unix))]
type FileId = PathBuf;

#[cfg(not(unix))]
fn file_id(path: &Path) -> Option<FileId> {
    fs::canonicalize(path).ok()
}
