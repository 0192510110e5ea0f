//! `faltung batch`: a corpus through impulse responses.

mod report;
mod values;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::progress::Bars;
use super::sound::Sound;
use super::{Failure, tell};
use crate::io::{Container, SampleFormat};
use crate::run::augment::{Align, Augment, Length, LevelMatch};
use crate::run::batch::{
    Batch, Corpus, Earlier, Event, Irs, ListKind, NoiseRange, Pick, Record, Shard, Summary,
    Template,
};
use values::{early, list_kind, snr};

/// Failures that are told when they happen; the manifest has them all.
const TOLD: usize = 100;

/// Put a whole corpus through impulse responses.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Sounds: a folder, a pattern in quotes, a file, a list (.scp, .jsonl, .json, .csv), or `-`
    /// for a list on the standard input
    #[arg(value_name = "IN", required_unless_present = "list")]
    inputs: Vec<PathBuf>,

    /// A list of sounds, whatever its name: by its extension, or else one path per line; may be
    /// given again
    #[arg(long, value_name = "FILE")]
    list: Vec<PathBuf>,

    /// How lists are written: `scp`, `jsonl`, `csv` or `paths` [default: as the extension says]
    #[arg(long, value_name = "KIND", value_parser = list_kind)]
    list_type: Option<ListKind>,

    /// Impulse responses: a file, a recipe such as `synth:room`, a folder or a pattern in quotes;
    /// may be given again
    #[arg(long, value_name = "IR", num_args = 1..)]
    ir: Vec<PathBuf>,

    /// Folder of the results, made if it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// How a sound's response is found among several: `random`, by lot; `cycle`, one after the
    /// other; `all`, each sound through each of them
    #[arg(long, default_value_t, value_parser = str::parse::<Pick>)]
    pick: Pick,

    /// Settles all lots
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// Files that are worked on at a time [default: one for each core]
    #[arg(short, long, value_name = "N")]
    jobs: Option<NonZeroUsize>,

    /// Names of results: {dir}, {stem}, {ext}, {ir}, {id} and {index} are replaced
    /// [default: {dir}/{stem}.{ext}, or {id}.{ext} where a list gives ids; with --pick all
    /// .{ir} before .{ext}]
    #[arg(long, value_name = "TEMPLATE", value_parser = Template::new)]
    name: Option<Template>,

    /// Kind of file: `wav`, `flac`, `aiff` or `raw` [default: the input's, or wav]
    #[arg(long = "type", value_name = "TYPE", value_parser = str::parse::<Container>)]
    container: Option<Container>,

    /// Sample format of the results: `u8`, `i16`, `i24`, `i32`, `f32` or `f64` [default: the
    /// input's]
    #[arg(long, value_parser = str::parse::<SampleFormat>)]
    format: Option<SampleFormat>,

    #[command(flatten)]
    sound: Sound,

    /// Length of the results: `full`, with the tail, or `same`, as long as the input
    #[arg(long, default_value_t, value_parser = str::parse::<Length>, conflicts_with = "tail")]
    length: Length,

    /// Where results begin: `none`, as they are, or `onset`, so that the direct sound comes when
    /// it does in the input
    #[arg(long, default_value_t, value_parser = str::parse::<Align>)]
    align: Align,

    /// Loudness of the results: `none`, as it is, or `keep`, the input's
    #[arg(long, default_value_t, value_parser = str::parse::<LevelMatch>)]
    level: LevelMatch,

    /// Also the direct sound with this much of what follows it, in a file beside each result
    /// (NAME.early.EXT): `50ms`
    #[arg(long, value_name = "TIME", value_parser = early)]
    early: Option<f64>,

    /// Noise to be added: a file, a folder or a pattern in quotes; may be given again
    #[arg(long, value_name = "NOISE", num_args = 1.., requires = "snr")]
    noise: Vec<PathBuf>,

    /// Ratio to the noise: `10dB`, or by lot within `5..20dB`
    #[arg(long, value_name = "LEVEL", value_parser = snr, allow_hyphen_values = true, requires = "noise")]
    snr: Option<(f64, f64)>,

    /// Go on with an earlier run: leave results that are still right, make the others
    #[arg(long, conflicts_with = "yes")]
    resume: bool,

    /// Only this part of the work: `2/8` is the second of eight
    #[arg(long, value_name = "I/N", default_value_t, hide_default_value = true, value_parser = str::parse::<Shard>)]
    shard: Shard,

    /// Stop at the first failure
    #[arg(long)]
    fail_fast: bool,

    /// Where the manifest is written [default: faltung.jsonl in DIR, faltung.I-of-N.jsonl of a shard]
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,

    /// Also write a Kaldi wav.scp of the results; of a shard FILE.I-of-N.scp
    #[arg(long, value_name = "FILE")]
    scp: Option<PathBuf>,

    /// Replace results that exist, and begin the manifest anew
    #[arg(short = 'y', long)]
    yes: bool,

    /// Say nothing but errors
    #[arg(short, long)]
    quiet: bool,

    /// Tell what happens as JSON objects on the standard output, one on a line
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
A folder is searched in all depths for sounds, known by their extensions; hidden files and what
lies in DIR are left out. A list is a Kaldi wav.scp (id and path; commands are refused), JSON lines
(the sound under audio_filepath, path, input or wav; id, ir and out if wanted), CSV with such names
in its first line, or one path per line. Paths in lists start from where you are; those in JSON and
CSV that lead to nothing from there start at the list's folder. `out` starts at DIR.

Raw samples tell what they are behind @, in a list as well: voice.s16@16k, talk.pcm@i16,8k,2ch; behind
a pattern it is told of all that fits ('corpus/*.s16@16k'). `faltung render --help` has the words.

Lots: a sound's response, noise, place and ratio hang on --seed and its id, or its path below IN,
alone: not on -j, the shard, the order or other files. (`cycle` goes by the place in the whole list.)

Results keep the input's sample format, or the nearest that their kind of file holds; nothing is
made louder or softer unless asked. What exceeds full scale is not delivered, unless --guard lowers it.

Manifest: one JSON object for each file in the moment in which it is done; of several with the same
`out` the last counts. `out` starts at DIR. --resume leaves a result alone when version, options,
response, input and noise are what they were (by where they lie, size and time of change) and the
result has its size. A file under a result's name that no manifest tells of is replaced only where an
unfinished run may have made it.

Shards: run 1/N to N/N anywhere, with the same options; together they make each result once.

Exit codes: 0 all is done; 1 something failed; 2 wrong usage; 128 + n ended by signal n.

Examples:
  faltung batch corpus --ir rooms/ --out wet --align onset --length same
  faltung batch 'corpus/**/*.flac' --ir 'rirs/*.wav' --out wet --pick all -j 8
  faltung batch data/train/wav.scp --ir synth:room synth:hall --out wet --scp wet/wav.scp
  faltung batch train.jsonl --ir rooms/ --out wet --noise noise/ --snr 5..20dB --seed 7
  faltung batch corpus --ir rooms/ --out wet --resume
  faltung batch corpus --ir rooms/ --out wet --shard 3/16
  find . -name '*.wav' | faltung batch - --ir synth:plate --out wet";

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    args.check()?;
    let mut corpus = Corpus::new();
    for input in &args.inputs {
        match args.list_type {
            Some(_) if is_list(input) => corpus.add_list(input, args.list_type)?,
            _ => corpus.add(input, Some(&args.out))?,
        }
    }
    for list in &args.list {
        corpus.add_list(list, args.list_type)?;
    }
    let mut irs = Irs::new();
    for ir in &args.ir {
        irs.add(ir)?;
    }
    let given = irs.len();
    let work = args.batch()?.work(corpus, irs)?;
    let report = report::Report {
        work: &work,
        given,
        json: args.json,
    };
    let quiet = args.quiet || args.json;
    if !args.quiet {
        tell(report.status());
        report.again().iter().for_each(tell);
        report.orphans().iter().for_each(tell);
    }
    let bars = Bars::new(work.to_do() as u64, work.jobs(), quiet);
    let told = AtomicUsize::new(0);
    let course = stop::prepare(&bars, &work, args);
    course.tell(|_| report.start());
    let done = work.run(&|event| match event {
        Event::Begin {
            worker,
            input,
            frames,
            ..
        } => {
            course.tell(|books| books.begin(worker));
            bars.begin(worker, &input.to_string_lossy(), frames);
        }
        Event::At { worker, frames } => bars.at(worker, frames),
        Event::Note(note) if !args.quiet => bars.tell(format!("note: {note}")),
        Event::End { worker, record } => {
            bars.end(record.result.as_ref().map_or(0.0, |made| made.seconds_in()));
            if let Err(why) = &record.result {
                tell_failure(&bars, &told, record, why);
            }
            course.tell(|books| {
                books.end(worker, record);
                report.file(record);
            });
        }
        _ => {}
    });
    bars.done();
    course.tell(|books| {
        books.is_over = true;
        let summary = done?;
        if !args.quiet {
            report.summary(&summary).iter().for_each(tell);
        }
        report.end(&summary);
        if let Some(why) = summary.broken {
            return Err(Failure::because(why));
        }
        verdict(&work.batch().manifest(), &summary)
    })
}

/// How far it is, and what is told of that when the process is told to stop.
mod stop {
    use std::collections::BTreeSet;
    use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
    use std::time::Instant;

    use super::{Args, report};
    use crate::cli::progress::Bars;
    use crate::cli::signals::{self, Told};
    use crate::cli::tell;
    use crate::run::batch::{Record, Summary, Work};

    /// What was told so far.
    pub struct Books {
        summary: Summary,
        /// Workers that have a file open.
        open: BTreeSet<usize>,
        /// The usual summary tells it.
        pub is_over: bool,
    }

    impl Books {
        pub fn begin(&mut self, worker: usize) {
            self.open.insert(worker);
        }

        pub fn end(&mut self, worker: usize, record: &Record) {
            self.open.remove(&worker);
            self.summary.book(record);
        }
    }

    pub struct Course {
        books: Mutex<Books>,
        started: Instant,
        /// Results, with those of an earlier run.
        all: usize,
        to_do: usize,
        quiet: bool,
        json: bool,
        clear: Box<dyn Fn() + Send + Sync>,
    }

    /// There is one batch to a process.
    static COURSE: OnceLock<Course> = OnceLock::new();

    pub fn prepare(bars: &Bars, work: &Work, args: &Args) -> &'static Course {
        let course = COURSE.get_or_init(|| Course {
            books: Mutex::new(Books {
                summary: Summary::default(),
                open: BTreeSet::new(),
                is_over: false,
            }),
            started: Instant::now(),
            all: work.len(),
            to_do: work.to_do(),
            quiet: args.quiet,
            json: args.json,
            clear: Box::new(bars.curtain()),
        });
        signals::before_the_end(|told| {
            if let Some(course) = COURSE.get() {
                course.leave(told);
            }
        });
        course
    }

    impl Course {
        fn books(&self) -> MutexGuard<'_, Books> {
            self.books.lock().unwrap_or_else(PoisonError::into_inner)
        }

        /// Counts and tells something in one step, so that the last word fits what was told before.
        pub fn tell<R>(&self, tell: impl FnOnce(&mut Books) -> R) -> R {
            tell(&mut self.books())
        }

        fn leave(&self, told: Told) {
            (self.clear)();
            let mut books = self.books();
            if books.is_over {
                return;
            }
            let (open, summary) = (books.open.len(), &mut books.summary);
            summary.skipped = self.all - self.to_do;
            summary.left = (self.to_do - summary.done - summary.failed).saturating_sub(open);
            summary.elapsed = self.started.elapsed();
            let done = summary.skipped + summary.done;
            if !self.quiet {
                let all = self.all;
                tell(format!(
                    "stopped; {done} of {all} are done, --resume goes on"
                ));
            }
            if self.json {
                report::print(&report::end(summary, Some((told.signal, open))));
            }
            // Nothing is told after the last word.
            std::mem::forget(books);
        }
    }
}

/// Whether a name is that of a list, whose kind may be told.
fn is_list(name: &Path) -> bool {
    name.as_os_str() == "-" || ListKind::of(name).is_some() && name.is_file()
}

fn tell_failure(bars: &Bars, told: &AtomicUsize, record: &Record, why: &str) {
    match told.fetch_add(1, Relaxed) {
        // Most errors name the file themselves.
        ..TOLD if why.contains(&record.input) => bars.tell(format!("error: {why}")),
        ..TOLD => bars.tell(format!("error: {}: {why}", record.input)),
        TOLD => bars.tell("error: more failures follow; the manifest tells of all"),
        _ => {}
    }
}

fn verdict(manifest: &Path, summary: &Summary) -> Result<(), Failure> {
    match summary.failed {
        0 => Ok(()),
        failed => Err(Failure::because(format!(
            "{failed} of {} failed{}; {} tells why, and --resume tries again",
            summary.done + summary.failed + summary.left,
            match summary.left {
                0 => String::new(),
                left => format!(", and {left} were not begun"),
            },
            manifest.display(),
        ))),
    }
}

impl Args {
    /// Refuses what would fail with every file.
    fn check(&self) -> Result<(), Failure> {
        if self.list_type.is_some()
            && self.list.is_empty()
            && !self.inputs.iter().any(|input| is_list(input))
        {
            return Err(Failure::usage(
                "--list-type tells how a list is written, and there is none; name it with --list",
            ));
        }
        if self.align == Align::Onset && self.sound.render().dry != 0.0 {
            return Err(Failure::usage(
                "--align onset moves the result to where the dry signal lies already; leave out --align, or --dry and --mix",
            ));
        }
        let named = self.name.as_ref().and_then(Template::container);
        if let (Some(kind), Some(format)) = (self.container.or(named), self.format)
            && !kind.holds(format)
        {
            return Err(Failure::usage(format!(
                "a file of type {kind} does not hold {format}; the nearest is --format {}",
                kind.nearest(format)
            )));
        }
        Ok(())
    }

    fn batch(&self) -> Result<Batch, Failure> {
        let noise = match (&self.noise[..], self.snr) {
            ([_, ..], Some(snr)) => Some(NoiseRange::find(&self.noise, snr)?),
            _ => None,
        };
        let usual = Batch::into_folder(&self.out);
        Ok(Batch {
            name: self.name.clone(),
            manifest: self.manifest.clone(),
            scp: self.scp.clone(),
            pick: self.pick,
            seed: self.seed,
            shard: self.shard,
            jobs: self.jobs.unwrap_or(usual.jobs),
            earlier: match (self.resume, self.yes) {
                (true, _) => Earlier::Resume,
                (_, true) => Earlier::Replace,
                _ => Earlier::Keep,
            },
            fail_fast: self.fail_fast,
            how: Augment {
                render: self.sound.render(),
                length: self.length,
                align: self.align,
                level: self.level,
                early: self.early,
            },
            noise,
            container: self.container,
            format: self.format,
            ..usual
        })
    }
}
