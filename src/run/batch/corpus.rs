//! The sounds of a batch: folders, patterns, files and lists become entries in one order.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use super::BatchError;
use super::find;
use super::list::{self, Line, ListKind};
use super::name::{Parts, within};
use crate::io::FileSource;

/// The sounds of a batch, in the order in which they were named; those of a folder or a pattern
/// by their names, those of a list as they stand there. Takes some 100 bytes for each.
#[derive(Debug, Default)]
pub struct Corpus {
    roots: Vec<PathBuf>,
    entries: Vec<Entry>,
    /// Responses that lists name, each once.
    irs: Vec<PathBuf>,
    known: HashMap<PathBuf, u32>,
    /// The lists themselves.
    lists: Vec<PathBuf>,
    notes: Vec<String>,
}

/// One sound; small, for there may be millions.
#[derive(Debug)]
struct Entry {
    root: u32,
    /// From there.
    file: Box<Path>,
    /// What only lists tell.
    more: Option<Box<More>>,
}

#[derive(Debug)]
struct More {
    id: Option<Box<str>>,
    ir: Option<u32>,
    out: Option<Box<str>>,
}

impl Corpus {
    /// Without any sound.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what a name leads to: the sounds of a folder and of all folders within, known by
    /// their extensions, without hidden ones; what fits a pattern; the entries of a list, known by
    /// its extension or the name `-`, the standard input; or else one file. What lies in the
    /// folder `without` is left out, for the results go there.
    ///
    /// # Errors
    /// When nothing is there, or it cannot be read.
    pub fn add(&mut self, name: &Path, without: Option<&Path>) -> Result<(), BatchError> {
        let list = name == Path::new("-") || (ListKind::of(name).is_some() && name.is_file());
        if list {
            return self.add_list(name, None);
        }
        let found = find::sounds(name, without)?;
        if let ([file], true) = (&found.files[..], !name.is_dir()) {
            let path = found.root.join(file);
            if let Err(error) = FileSource::file(&path).metadata() {
                let file = name.display().to_string();
                return Err(crate::io::ReadError::from_io(&file, error).into());
            }
        }
        let left_out = found.left_out.iter();
        self.notes.extend(
            left_out.map(|(path, why)| format!("{}: {why}; it is left out", path.display())),
        );
        let root = self.root(found.root);
        self.entries
            .extend(found.files.into_iter().map(|file| Entry {
                root,
                file: file.into(),
                more: None,
            }));
        Ok(())
    }

    /// Adds the entries of a list, `-` being the standard input; of the kind that its extension
    /// tells, or of one path per line. Paths start where the program was started; those of JSON
    /// and CSV at the list's own folder, if they lead to nothing from there.
    ///
    /// # Errors
    /// When the list cannot be read or understood.
    pub fn add_list(&mut self, name: &Path, kind: Option<ListKind>) -> Result<(), BatchError> {
        let folder = name.parent().unwrap_or(Path::new("")).to_owned();
        let (here, there) = (self.root(PathBuf::new()), self.root(folder.clone()));
        let (before, mut parts) = (self.entries.len(), 0u64);
        let called = name.display().to_string();
        list::read(name, kind, &mut |kind, line| {
            parts += u64::from(line.part);
            let there_is = |name: &Path| FileSource::file(name).exists();
            let beside = |name: &Path| {
                kind.knows_its_folder() && !there_is(name) && there_is(&folder.join(name))
            };
            let root = if beside(&line.path) { there } else { here };
            let Line {
                number,
                path,
                id,
                ir,
                out,
                ..
            } = line;
            if let Some(Err(why)) = out.as_deref().map(below) {
                return Err(BatchError::List {
                    list: called.clone(),
                    line: number,
                    why,
                });
            }
            let ir = ir.map(|ir| {
                let ir = match beside(Path::new(&ir)) {
                    true => folder.join(ir),
                    false => ir.into(),
                };
                self.intern(ir)
            });
            let more = More {
                id: id.map(String::into_boxed_str),
                ir,
                out: out.map(String::into_boxed_str),
            };
            let told = more.id.is_some() || more.ir.is_some() || more.out.is_some();
            self.entries.push(Entry {
                root,
                file: path.into(),
                more: told.then(|| Box::new(more)),
            });
            Ok(())
        })?;
        if self.entries.len() == before {
            return Err(BatchError::WholeList {
                list: called,
                why: "holds no entry".into(),
            });
        }
        self.lists.push(name.to_owned());
        if parts > 0 {
            let have = match parts {
                1 => "entry has",
                _ => "entries have",
            };
            self.notes.push(format!(
                "{called}: {parts} {have} an offset; whole files are taken all the same"
            ));
        }
        Ok(())
    }

    /// Sounds so far.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True before anything was added.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What people should know of lists, a line each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    fn root(&mut self, root: PathBuf) -> u32 {
        let at = self.roots.iter().position(|known| *known == root);
        at.unwrap_or_else(|| {
            self.roots.push(root);
            self.roots.len() - 1
        }) as u32
    }

    fn intern(&mut self, ir: PathBuf) -> u32 {
        if let Some(&at) = self.known.get(&ir) {
            return at;
        }
        let at = self.irs.len() as u32;
        self.known.insert(ir.clone(), at);
        self.irs.push(ir);
        at
    }

    /// The lists that were read.
    pub(super) fn lists(&self) -> &[PathBuf] {
        &self.lists
    }

    /// Responses that lists name.
    pub(super) fn irs(&self) -> &[PathBuf] {
        &self.irs
    }

    /// Which of them the entry wants, if it says so.
    pub(super) fn ir(&self, entry: usize) -> Option<u32> {
        self.entries[entry].more.as_ref()?.ir
    }

    /// The sound as it was named, with what stands behind `@`.
    pub(super) fn path(&self, entry: usize) -> PathBuf {
        let entry = &self.entries[entry];
        self.roots[entry.root as usize].join(&entry.file)
    }

    /// Where it lies from its folder, without what stands behind `@`.
    fn below(&self, entry: usize) -> &Path {
        let path = self.path(entry);
        let (whole, short) = (
            path.as_os_str().len(),
            FileSource::file(&path).as_os_str().len(),
        );
        let file = &self.entries[entry].file;
        match file.to_str() {
            Some(text) if short < whole => Path::new(&text[..text.len() - (whole - short)]),
            _ => file,
        }
    }

    /// What its lots are drawn for: its id, or its path from the folder that was named.
    pub(super) fn key(&self, at: usize) -> OsString {
        let entry = &self.entries[at];
        match entry.more.as_ref().and_then(|more| more.id.as_deref()) {
            Some(id) => id.into(),
            None => find::slashed(self.below(at)),
        }
    }

    /// Whether a list gave it an id.
    pub(super) fn has_id(&self, entry: usize) -> bool {
        let more = &self.entries[entry].more;
        more.as_ref().is_some_and(|more| more.id.is_some())
    }

    /// What a list wants the result to be called, below the folder of all.
    pub(super) fn out(&self, entry: usize) -> Option<&str> {
        self.entries[entry].more.as_ref()?.out.as_deref()
    }

    /// The parts of its name; those of the response and the result are not known here.
    pub(super) fn parts(&self, entry: usize) -> Parts {
        let file = self.below(entry);
        // What begins elsewhere has no place below the folder of the results.
        let below = |step: Component| matches!(step, Component::Normal(_) | Component::CurDir);
        let dir = match file.components().all(below) {
            true => file.parent().unwrap_or(Path::new("")).into(),
            false => OsString::new(),
        };
        Parts {
            dir,
            stem: file.file_stem().unwrap_or_default().to_owned(),
            id: self.key(entry),
            ..Parts::default()
        }
    }
}

/// The name that a list wants, if it lies below the folder of the results.
fn below(out: &str) -> Result<PathBuf, String> {
    if Path::new(out).has_root() {
        return Err(format!(
            "`out` is {out}, but begins at the folder of the results; leave its beginning out"
        ));
    }
    within(out)
}
