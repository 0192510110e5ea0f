//! Bars on a terminal, and nothing elsewhere.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::tell;
use crate::signal::SampleRate;

/// Workers that have a line of their own; more would not be read.
const LINES: usize = 8;

/// How far one file is, and how fast it goes.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Of a file of so many frames, where that is known; hidden if `quiet`.
    pub fn for_file(frames: Option<u64>, rate: SampleRate, quiet: bool) -> Self {
        if quiet {
            let bar = ProgressBar::hidden();
            return Self { bar };
        }
        let (bar, template) = match frames {
            Some(frames) => (
                ProgressBar::new(frames),
                "{wide_bar} {percent} % {speed}, {eta} left",
            ),
            None => (
                ProgressBar::new_spinner(),
                "{spinner} {sound} heard {speed}",
            ),
        };
        let hz = f64::from(rate.hz());
        let style = style(template)
            .with_key(
                "speed",
                move |state: &ProgressState, out: &mut dyn fmt::Write| {
                    let _ = write!(out, "{}", speed(state.pos() as f64 / hz, state.elapsed()));
                },
            )
            .with_key(
                "sound",
                move |state: &ProgressState, out: &mut dyn fmt::Write| {
                    let _ = write!(out, "{:.0} s", state.pos() as f64 / hz);
                },
            );
        Self {
            bar: bar.with_style(style),
        }
    }

    /// So many frames are done.
    pub fn at(&self, frames: u64) {
        self.bar.set_position(frames);
    }

    /// Clears the line.
    pub fn done(&self) {
        self.bar.finish_and_clear();
    }
}

/// How far many files are: a bar for all, and a line for each worker's file.
#[derive(Debug)]
pub(super) struct Bars {
    all: MultiProgress,
    files: ProgressBar,
    workers: Vec<ProgressBar>,
    /// Microseconds of sound that were heard in files that are done.
    heard: Arc<AtomicU64>,
}

impl Bars {
    /// For so many files and workers; hidden if `quiet`.
    pub fn new(files: u64, workers: usize, quiet: bool) -> Self {
        let target = match quiet {
            true => ProgressDrawTarget::hidden(),
            false => ProgressDrawTarget::stderr(),
        };
        let all = MultiProgress::with_draw_target(target);
        let heard = Arc::new(AtomicU64::new(0));
        let sound = heard.clone();
        let template = "{wide_bar} {pos}/{len} files, {speed}, {eta} left";
        let style = style(template).with_key(
            "speed",
            move |state: &ProgressState, out: &mut dyn fmt::Write| {
                let seconds = sound.load(Relaxed) as f64 * 1e-6;
                let _ = write!(out, "{}", speed(seconds, state.elapsed()));
            },
        );
        let workers = (0..workers.min(LINES)).map(|_| {
            let bar = all.add(ProgressBar::new(0));
            bar.set_style(self::style("  {percent:>3} % {wide_msg}"));
            bar
        });
        let workers = workers.collect();
        let files = all.add(ProgressBar::new(files).with_style(style));
        // Also while one long file takes its time.
        files.enable_steady_tick(Duration::from_millis(200));
        Self {
            all,
            files,
            workers,
            heard,
        }
    }

    /// A worker begins a file.
    pub fn begin(&self, worker: usize, name: &str, frames: Option<u64>) {
        if let Some(bar) = self.workers.get(worker) {
            bar.set_length(frames.unwrap_or(0));
            bar.set_position(0);
            bar.set_message(name.replace(char::is_control, "?"));
        }
    }

    /// It has heard so many frames of it.
    pub fn at(&self, worker: usize, frames: u64) {
        if let Some(bar) = self.workers.get(worker) {
            bar.set_position(frames);
        }
    }

    /// It is through with it, and has heard so many seconds.
    pub fn end(&self, seconds: f64) {
        self.heard.fetch_add((seconds * 1e6) as u64, Relaxed);
        self.files.inc(1);
    }

    /// One line for people, above the bars.
    pub fn tell(&self, line: impl fmt::Display) {
        self.all.suspend(|| tell(line));
    }

    /// What clears all lines for good, whatever else goes on.
    pub fn curtain(&self) -> impl Fn() + Send + Sync + 'static {
        let all = self.all.clone();
        move || {
            let _ = all.clear();
            all.set_draw_target(ProgressDrawTarget::hidden());
        }
    }

    /// Clears all lines.
    pub fn done(&self) {
        for bar in &self.workers {
            bar.finish_and_clear();
        }
        self.files.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    // A template of ours that were wrong would show in the tests.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// How many seconds of sound a second takes.
pub(super) fn speed(seconds: f64, elapsed: Duration) -> String {
    let times = seconds / elapsed.as_secs_f64().max(1e-9);
    match times {
        10.0.. => format!("{times:.0}x real time"),
        _ => format!("{times:.1}x real time"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_templates_are_understood() {
        for template in [
            "{wide_bar} {percent} % {speed}, {eta} left",
            "{spinner} {sound} heard {speed}",
            "{wide_bar} {pos}/{len} files, {speed}, {eta} left",
            "  {percent:>3} % {wide_msg}",
        ] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn speed_is_told_as_precisely_as_one_cares() {
        assert_eq!(speed(624.2, Duration::from_secs(2)), "312x real time");
        assert_eq!(speed(3.0, Duration::from_secs(2)), "1.5x real time");
        assert_eq!(speed(0.0, Duration::ZERO), "0.0x real time");
    }
}
