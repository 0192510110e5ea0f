//! The workers: each takes the next file from one queue and renders it alone.

use std::any::Any;
use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::find::with_slashes;
use super::manifest::{Made, Manifest, Record};
use super::shelf::{self, Said, Shelf};
use super::work::{Task, Work};
use super::{BatchError, Earlier};
use crate::io::{FileSource, PartFile, SampleFormat, Source, WriteError};
use crate::run::augment::{Noise, Targets, reverberate};
use crate::signal::{Sample, SampleRate};

/// Bytes of responses that are kept ready, by estimate.
const ROOM: usize = 1 << 30;
/// Failures that the summary names.
const NAMED: usize = 10;

/// What happens while a batch runs.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A worker, from 0, has opened a file.
    Begin {
        /// Which worker.
        worker: usize,
        /// The sound.
        input: &'a Path,
        /// Its length, where it is known.
        frames: Option<u64>,
        /// Its rate.
        rate: SampleRate,
    },
    /// A worker has heard so many frames of its file.
    At {
        /// Which worker.
        worker: usize,
        /// From the file's start.
        frames: u64,
    },
    /// Something that people should know.
    Note(&'a str),
    /// A file is done, or has failed.
    End {
        /// Which worker.
        worker: usize,
        /// What the manifest says of it.
        record: &'a Record,
    },
}

/// A file that could not be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The sound.
    pub input: String,
    /// What happened.
    pub why: String,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Summary {
    /// Results that were made.
    pub done: usize,
    /// Results of an earlier run that were left as they are.
    pub skipped: usize,
    /// Files that could not be done.
    pub failed: usize,
    /// Of the files that could not be done, those of whose name a result is there, from before.
    pub older: usize,
    /// Files that were not begun, because another failed.
    pub left: usize,
    /// Results with clipped samples.
    pub clipped: usize,
    /// Results that hold dither.
    pub dithered: usize,
    /// Sounds in which something was no number.
    pub nonfinite: usize,
    /// Seconds of sound that were heard.
    pub seconds: f64,
    /// Unfinished files of earlier runs that were removed.
    pub stale: usize,
    /// Results for which no noise was added, for they are silent.
    pub silent: usize,
    /// Results whose noise was resampled.
    pub noise_resampled: usize,
    /// Results whose noise is the mean of its channels.
    pub noise_averaged: usize,
    /// Time taken.
    pub elapsed: Duration,
    /// Why the manifest or the list of results could not be written; what was begun came to its
    /// end, and nothing was begun from then on.
    pub broken: Option<String>,
    /// The first failures.
    pub failures: Vec<Failed>,
}

impl Summary {
    /// Counts what became of a file.
    pub fn book(&mut self, record: &Record) {
        match &record.result {
            Ok(made) => {
                let report = &made.done.report;
                self.done += 1;
                self.clipped += usize::from(report.levels.clipped > 0);
                self.dithered += usize::from(report.levels.dithered > 0);
                self.nonfinite += usize::from(report.replaced.count > 0);
                self.seconds += made.seconds_in();
                let noisy = made.noise.is_some();
                self.silent += usize::from(noisy && made.done.snr_db.is_none());
                self.noise_resampled += usize::from(made.done.noise_resampled_from.is_some());
                self.noise_averaged += usize::from(made.done.noise_averaged_from.is_some());
            }
            Err(why) => {
                self.failed += 1;
                self.older += usize::from(record.older);
                if self.failures.len() < NAMED {
                    self.failures.push(Failed {
                        input: record.input.clone(),
                        why: why.clone(),
                    });
                }
            }
        }
    }
}

/// What the workers share.
struct Desk<'a> {
    next: AtomicUsize,
    stop: AtomicBool,
    books: Mutex<Books>,
    narrow: Shelf<f32>,
    wide: Shelf<f64>,
    said: Said,
    /// Tasks whose results are there.
    there: Vec<AtomicBool>,
    watch: &'a (dyn Fn(Event<'_>) + Sync),
}

struct Books {
    manifest: Manifest,
    summary: Summary,
    /// The manifest could not be written.
    broken: Option<std::io::Error>,
}

impl Work {
    /// Does the work. `watch` hears what happens, from all workers.
    ///
    /// # Errors
    /// When a folder cannot be made, or the manifest not be opened. What befalls single files is
    /// told in the manifest and the summary.
    pub fn run(&self, watch: &(dyn Fn(Event<'_>) + Sync)) -> Result<Summary, BatchError> {
        let started = Instant::now();
        let batch = &self.batch;
        let (path, scp) = (batch.manifest(), batch.scp());
        let beside = |file: &Path| file.parent().map(Path::to_owned);
        let folders = [beside(&path), scp.as_deref().and_then(beside)];
        for folder in [Some(batch.out.clone())].into_iter().chain(folders) {
            if let Some(folder) = folder.filter(|folder| !folder.as_os_str().is_empty()) {
                fs::create_dir_all(&folder).map_err(|error| WriteError::from_io(&folder, error))?;
            }
        }
        let manifest = Manifest::open(&path, batch.earlier == Earlier::Resume)?;
        let stale = match batch.earlier {
            Earlier::Keep => 0,
            Earlier::Replace | Earlier::Resume => self.remove_stale(),
        };
        let desk = Desk {
            next: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            books: Mutex::new(Books {
                manifest,
                summary: Summary::default(),
                broken: None,
            }),
            narrow: Shelf::new(ROOM),
            wide: Shelf::new(ROOM),
            said: Said::default(),
            there: self.tasks.iter().map(|_| AtomicBool::new(true)).collect(),
            watch,
        };
        for &at in &self.todo {
            desk.there[at as usize].store(false, Relaxed);
        }
        self.corpus
            .notes()
            .iter()
            .for_each(|note| watch(Event::Note(note)));
        std::thread::scope(|scope| {
            for worker in 0..self.jobs() {
                let desk = &desk;
                scope.spawn(move || self.toil(worker, desk));
            }
        });
        let listed = scp.map(|scp| self.write_scp(&scp, &desk.there));
        let listed = listed.transpose().map_err(|error| error.to_string()).err();
        let books = desk
            .books
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let broken = books.broken.map(|error| {
            format!(
                "{}: {error}; the run stopped there, and --resume goes on when that is mended",
                path.display()
            )
        });
        let summary = books.summary;
        Ok(Summary {
            skipped: self.tasks.len() - self.todo.len(),
            left: self.todo.len() - summary.done - summary.failed,
            stale,
            elapsed: started.elapsed(),
            broken: broken.or(listed),
            ..summary
        })
    }

    /// Removes what killed runs left in the folders of the results.
    fn remove_stale(&self) -> usize {
        let folders: BTreeSet<PathBuf> = self
            .tasks
            .iter()
            .filter_map(|&task| Some(self.batch.out.join(self.out(task).ok()?.parent()?)))
            .collect();
        let stale = |folder: &PathBuf| crate::io::remove_stale_parts(folder, None);
        folders
            .iter()
            .filter(|folder| folder.is_dir())
            .map(stale)
            .sum()
    }

    /// One worker, until nothing is left.
    fn toil(&self, worker: usize, desk: &Desk<'_>) {
        while !desk.stop.load(Relaxed) {
            let next = desk.next.fetch_add(1, Relaxed);
            let Some(&at) = self.todo.get(next) else {
                return;
            };
            let record = self.record(at, worker, desk);
            let fine = record.result.is_ok();
            desk.there[at as usize].store(fine, Relaxed);
            if !fine && self.batch.fail_fast {
                desk.stop.store(true, Relaxed);
            }
            let mut json = record.json();
            {
                let mut books = desk.books.lock().unwrap_or_else(PoisonError::into_inner);
                books.summary.book(&record);
                let left = self.todo.len() - books.summary.done - books.summary.failed;
                json["left"] = left.into();
                if let Err(error) = books.manifest.write(&json) {
                    books.broken.get_or_insert(error);
                    desk.stop.store(true, Relaxed);
                }
            }
            let record = &record;
            (desk.watch)(Event::End { worker, record });
        }
    }

    /// Does a task; whatever happens becomes its record.
    fn record(&self, at: u32, worker: usize, desk: &Desk<'_>) -> Record {
        let (task, started) = (self.tasks[at as usize], Instant::now());
        let replace = match self.batch.earlier {
            Earlier::Keep => false,
            Earlier::Replace => true,
            Earlier::Resume => !self.foreign.contains(&at),
        };
        let entry = task.entry as usize;
        let input = self.corpus.path(entry);
        let (key, noise) = self.key(task);
        let mut older = false;
        let (result, out) = match self.out(task) {
            Ok(out) => {
                let order = (noise, replace);
                let result = guarded(|| self.make(task, worker, &input, &out, order, desk));
                let is_there = |name: &Path| self.batch.out.join(name).symlink_metadata().is_ok();
                older = result.is_err()
                    && (is_there(&out) || self.early(&out).is_some_and(|early| is_there(&early)));
                (result, out)
            }
            Err(error) => (Err(error.to_string()), PathBuf::new()),
        };
        Record {
            id: self.corpus.key(entry).to_string_lossy().into_owned(),
            input: input.to_string_lossy().into_owned(),
            ir: self.ir(task).called.clone(),
            out,
            result: result.map(Box::new),
            elapsed: started.elapsed(),
            key: key.text(),
            kept: older && !replace,
            older,
        }
    }

    fn make(
        &self,
        task: Task,
        worker: usize,
        input: &Path,
        out: &Path,
        order: (Option<Noise>, bool),
        desk: &Desk<'_>,
    ) -> Result<Made, String> {
        let source = FileSource::open(input).map_err(|error| error.to_string())?;
        let spec = source.spec();
        if let FileSource::Raw(raw) = &source
            && desk.said.first(raw.taken_as())
        {
            let (raw, first) = (raw.taken_as(), input.display());
            let note = format!("raw samples, the first in {first}, are {raw}");
            (desk.watch)(Event::Note(&note));
        }
        (desk.watch)(Event::Begin {
            worker,
            input,
            frames: Source::<f32>::frames(&source),
            rate: spec.rate,
        });
        // 32-bit integers, and floats of 64 bits, hold more than f32 does.
        let wide = |format: SampleFormat| format == SampleFormat::I32 || format.bytes() > 4;
        if wide(spec.format) || self.batch.format.is_some_and(wide) {
            self.render(source, &desk.wide, task, worker, out, order, desk)
        } else {
            self.render(source, &desk.narrow, task, worker, out, order, desk)
        }
    }

    #[allow(clippy::too_many_arguments)] // each is used once
    fn render<T: Sample>(
        &self,
        source: FileSource,
        shelf: &Shelf<T>,
        task: Task,
        worker: usize,
        out: &Path,
        (noise, replace): (Option<Noise>, bool),
        desk: &Desk<'_>,
    ) -> Result<Made, String> {
        let (batch, spec) = (&self.batch, source.spec());
        let place = (task.ir, spec.rate.hz(), spec.channels);
        let note = |text: String| (desk.watch)(Event::Note(&text));
        let make = || shelf::make(&self.irs, place, spec.rate, &batch.how, &desk.said, &note);
        let ready = shelf.get(place, make)?;
        let wet = batch.out.join(out);
        let early = self.early(out);
        let early_wet = early.as_ref().map(|early| batch.out.join(early));
        if let Some(folder) = wet.parent() {
            fs::create_dir_all(folder)
                .map_err(|error| WriteError::from_io(folder, error).to_string())?;
        }
        let notes = source.notes().to_vec();
        let targets = Targets {
            wet: &wet,
            early: early_wet.as_deref(),
            container: Some(self.container(task)),
            format: batch.format,
            replace,
        };
        let mut at = |frames: u64| (desk.watch)(Event::At { worker, frames });
        let done = reverberate(
            source,
            &ready.kit,
            &batch.how,
            noise.as_ref(),
            &targets,
            &mut at,
        );
        let done = done.map_err(|error| error.to_string())?;
        Ok(Made {
            inputs: spec.channels,
            outputs: ready.outputs,
            bytes: fs::metadata(&wet).map_or(0, |file| file.len()),
            early: early.as_deref().map(with_slashes),
            early_bytes: early_wet
                .and_then(|early| fs::metadata(early).ok())
                .map_or(0, |file| file.len()),
            noise,
            resampled_from: ready.resampled_from,
            onset: ready.kit.onset(),
            notes,
            done,
        })
    }

    /// Writes Kaldi's list of the results that are there.
    fn write_scp(&self, path: &Path, there: &[AtomicBool]) -> Result<(), BatchError> {
        let mut lines = Vec::new();
        for (&task, there) in self.tasks.iter().zip(there) {
            if !there.load(Relaxed) {
                continue;
            }
            let out = self.out(task)?;
            let (id, path) = (self.scp_id(task)?, self.batch.out.join(out));
            let mut line = id;
            line.push(b' ');
            line.extend_from_slice(path.as_os_str().as_encoded_bytes());
            line.push(b'\n');
            lines.push(line);
        }
        // As Kaldi sorts, by bytes.
        lines.sort_unstable();
        let mut part = PartFile::create(path, self.batch.earlier != Earlier::Keep)?;
        part.write_all(&lines.concat())?;
        Ok(part.finish()?)
    }
}

/// A panic is a fault of this program, but the other files need not suffer for it.
fn guarded<R>(work: impl FnOnce() -> Result<R, String>) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        Err(format!(
            "a fault in this program, please report it: {}",
            words(&*panic)
        ))
    })
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without words")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_with_its_words() {
        let result: Result<(), String> = guarded(|| panic!("index {}", 7));
        assert!(result.unwrap_err().contains("index 7"));
        let result: Result<(), String> = guarded(|| panic!("plain"));
        assert!(result.unwrap_err().contains("plain"));
        assert_eq!(guarded(|| Ok(3)), Ok(3));
    }
}
