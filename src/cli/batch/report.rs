//! What a batch says: before, of each file, and at the end; to people and to programs.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::cli::decibels;
use crate::cli::progress::speed;
use crate::cli::sound::factor;
use crate::run::Tail;
use crate::run::augment::{Align, Length, LevelMatch};
use crate::run::batch::{Pick, Record, Summary, Work};

pub(super) struct Report<'a> {
    pub work: &'a Work,
    /// Responses from the command line.
    pub given: usize,
    pub json: bool,
}

/// One of them, or so many.
fn count(number: usize, one: &str, many: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {many}"),
    }
}

impl Report<'_> {
    /// The one line that says what happens.
    pub fn status(&self) -> String {
        let (work, batch) = (self.work, self.work.batch());
        let pick = match (self.given, batch.pick) {
            (0 | 1, _) => String::new(),
            (_, Pick::Random) => format!(" (random, seed {})", batch.seed),
            (_, pick) => format!(" ({pick})"),
        };
        let shard = match batch.shard {
            whole if whole.is_whole() => String::new(),
            shard => format!(", shard {shard}"),
        };
        let skipped = match work.len() - work.to_do() {
            0 => String::new(),
            1 => " (1 is done)".to_owned(),
            skipped => format!(" ({skipped} are done)"),
        };
        let jobs = match work.jobs() {
            0 => ", nothing to be done".to_owned(),
            jobs => format!(", {jobs} at a time"),
        };
        format!(
            "{} * {}{pick} -> {}: {}{shard}{skipped}{jobs}; {}; routing as each file's channels want it",
            count(work.sounds(), "sound", "sounds"),
            count(work.responses(), "response", "responses"),
            batch.out.display(),
            count(work.len(), "result", "results"),
            self.sound().join(", "),
        )
    }

    fn sound(&self) -> Vec<String> {
        let batch = self.work.batch();
        let (how, render) = (&batch.how, &batch.how.render);
        let mut words = vec![match (render.dry, render.wet) {
            (0.0, 1.0) => "all wet".to_owned(),
            (dry, wet) => format!("dry {}, wet {}", factor(dry), factor(wet)),
        }];
        if render.predelay != 0.0 {
            words.push(format!("pre-delay {:.1} ms", 1e3 * render.predelay));
        }
        words.push(format!("gain {}", factor(render.gain)));
        words.push(match (how.length, render.tail) {
            (Length::Same, _) => "as long as the input".to_owned(),
            (_, Tail::Full) => "full tail".to_owned(),
            (_, Tail::Cut) => "no tail".to_owned(),
            (_, Tail::Seconds(most)) => format!("tail {most:.3} s at most"),
            (_, Tail::Down(db)) => format!("tail down to {}", decibels(db)),
        });
        if how.align == Align::Onset {
            words.push("direct sound in time".to_owned());
        }
        words.push(match how.level {
            LevelMatch::Keep => "level of the input".to_owned(),
            _ => "level as it comes".to_owned(),
        });
        if let Some(early) = how.early {
            words.push(format!("early part of {:.1} ms beside", 1e3 * early));
        }
        if let Some(noise) = &batch.noise {
            let (low, high) = noise.snr_db;
            let ratio = match low == high {
                true => decibels(low),
                false => format!("{} to {}", decibels(low), decibels(high)),
            };
            words.push(format!(
                "noise of {} at {ratio} (seed {})",
                count(noise.files.len(), "file", "files"),
                batch.seed,
            ));
        }
        words
    }

    /// What of an earlier run is made again, and why.
    pub fn again(&self) -> Option<String> {
        let again = self.work.again();
        let reasons = again
            .reasons()
            .map(|(why, count)| format!("{why}: {count}"));
        let reasons: Vec<_> = reasons.collect();
        match reasons.is_empty() {
            true => None,
            false => Some(format!("made again: {}", reasons.join(", "))),
        }
    }

    /// What is replaced though nobody knows where it comes from.
    pub fn orphans(&self) -> Option<String> {
        let why = "the unfinished manifest does not tell of";
        match self.work.orphans() {
            0 => None,
            1 => Some(format!("note: 1 file is replaced that {why}")),
            count => Some(format!("note: {count} files are replaced that {why}")),
        }
    }

    /// What was done, in lines.
    pub fn summary(&self, summary: &Summary) -> Vec<String> {
        let seconds = summary.elapsed.as_secs_f64();
        let mut parts = vec![format!("{} done", summary.done)];
        let others = [
            (summary.skipped, "done before"),
            (summary.failed, "failed"),
            (summary.left, "not begun"),
        ];
        let others = others.into_iter().filter(|(count, _)| *count > 0);
        parts.extend(others.map(|(count, what)| format!("{count} {what}")));
        if summary.done + summary.failed == 0 {
            return vec![parts.join(", ")];
        }
        let mut lines = vec![format!(
            "{}; {:.1} s of sound in {seconds:.2} s: {}, {:.1} files a second",
            parts.join(", "),
            summary.seconds,
            speed(summary.seconds, summary.elapsed),
            summary.done as f64 / seconds.max(1e-9),
        )];
        let notes = [
            (summary.clipped, "holds", "hold", "clipped samples"),
            (summary.dithered, "is", "are", "rounded with dither"),
            (
                summary.nonfinite,
                "comes",
                "come",
                "from sounds in which something was no number and became 0",
            ),
            (
                summary.noise_resampled,
                "has",
                "have",
                "noise that was resampled, for its rate differs",
            ),
            (
                summary.noise_averaged,
                "has",
                "have",
                "the mean of a noise's channels, for their number differs",
            ),
            (summary.silent, "is", "are", "silent, so no noise was added"),
            (
                summary.older,
                "file that failed has",
                "files that failed have",
                "an older result, which stays as it was",
            ),
            (
                summary.stale,
                "unfinished file",
                "unfinished files",
                "of an earlier run removed",
            ),
        ];
        for (count, one, many, what) in notes.into_iter().filter(|note| note.0 > 0) {
            lines.push(format!("note: {} {what}", self::count(count, one, many)));
        }
        // Few of them are still in sight.
        if summary.failed > 0 && summary.done + summary.failed > 20 {
            for failed in &summary.failures {
                // Most errors name the file themselves.
                lines.push(match failed.why.contains(&failed.input) {
                    true => format!("failed: {}", failed.why),
                    false => format!("failed: {}: {}", failed.input, failed.why),
                });
            }
            let more = summary.failed - summary.failures.len();
            if more > 0 {
                lines.push(format!("failed: and {more} more"));
            }
        }
        lines
    }

    /// To programs: it begins.
    pub fn start(&self) {
        let (work, batch) = (self.work, self.work.batch());
        self.print(|| {
            json!({
                "event": "start",
                "sounds": work.sounds(),
                "responses": work.responses(),
                "results": work.len(),
                "skipped": work.len() - work.to_do(),
                "again": work.again().reasons().map(|(why, count)| (why.to_owned(), json!(count))).collect::<serde_json::Map<_, _>>(),
                "pick": batch.pick.to_string(),
                "seed": batch.seed,
                "shard": batch.shard.to_string(),
                "jobs": work.jobs(),
                "out": batch.out.to_string_lossy(),
                "manifest": batch.manifest().to_string_lossy(),
                "gain_db": Some(20.0 * batch.how.render.gain.abs().log10()).filter(|gain| gain.is_finite()),
            })
        });
    }

    /// To programs: a file is done, or has failed.
    pub fn file(&self, record: &Record) {
        self.print(|| {
            let event = match record.result {
                Ok(_) => "file",
                Err(_) => "error",
            };
            let mut all = json!({ "event": event });
            if let (Value::Object(all), Value::Object(record)) = (&mut all, record.json()) {
                all.extend(record);
            }
            all
        });
    }

    /// To programs: it is over.
    pub fn end(&self, summary: &Summary) {
        self.print(|| self::end(summary, None));
    }

    fn print(&self, event: impl FnOnce() -> Value) {
        if self.json {
            print(&event());
        }
    }
}

/// A line in one piece; a reader who leaves early is no failure.
pub(super) fn print(event: &Value) {
    let line = format!("{event}\n");
    let mut out = io::stdout().lock();
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
}

/// The last event; with the signal that brought the end, and how many files were being worked on.
pub(super) fn end(summary: &Summary, interrupted: Option<(&str, usize)>) -> Value {
    let seconds = summary.elapsed.as_secs_f64();
    json!({
        "event": "summary",
        "interrupted": interrupted.map(|(signal, _)| signal),
        "done": summary.done,
        "skipped": summary.skipped,
        "failed": summary.failed,
        "older": summary.older,
        "broken_off": interrupted.map_or(0, |(_, files)| files),
        "not_begun": summary.left,
        "clipped": summary.clipped,
        "noise_resampled": summary.noise_resampled,
        "noise_averaged": summary.noise_averaged,
        "silent": summary.silent,
        "seconds": summary.seconds,
        "elapsed": seconds,
        "times_real_time": summary.seconds / seconds.max(1e-9),
        "files_per_second": summary.done as f64 / seconds.max(1e-9),
    })
}
