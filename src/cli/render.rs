//! `faltung render`: file to file.

use std::fs;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::progress::Progress;
use super::sound::{Sound, factor};
use super::{Failure, decibels, note, print, tell};
use crate::dsp::control::Swap;
use crate::dsp::mode::Mode;
use crate::dsp::routing::{Routing, StereoOrder};
use crate::io::{
    Container, FileSink, FileSource, Loaded, Origin, SampleFormat, Sink, Spec, Tags, WriteError,
};
use crate::ir::{ImpulseResponse, UnitError, units};
use crate::run::{Render, Report, RunError, Session, SwapAt, Tail};
use crate::signal::{Sample, SampleRate};

/// Put a sound through an impulse response.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// File that is heard: WAV, FLAC, Ogg Vorbis, MP3, AAC, AIFF or CAF, or raw samples with what
    /// they do not tell (`voice.s16@48k`); `-` is the standard input
    #[arg(value_name = "IN")]
    input: PathBuf,

    /// Impulse response: a file, or `synth:` and a recipe (see `faltung ir list`)
    #[arg(value_name = "IR")]
    ir: PathBuf,

    /// File that is made: WAV, FLAC, AIFF or raw by its extension; `-` is the standard output
    #[arg(value_name = "OUT")]
    output: PathBuf,

    /// Part of the convolution, as numpy has it: `full`, `same` or `valid`
    #[arg(long, default_value_t, value_parser = str::parse::<Mode>)]
    mode: Mode,

    #[command(flatten)]
    sound: Sound,

    /// Another impulse response from this time of the input on: `3.2s=plate.wav`, or a recipe as
    /// for IR; may be given again
    #[arg(long, value_name = "TIME=IR", value_parser = swap)]
    swap: Vec<SwapArg>,

    /// How it takes over: `warm`, it answers to what was heard before, too; `ring`, the old one
    /// rings out; `cut`, the old one fades out [default: warm]
    #[arg(long, value_name = "MODE", value_parser = str::parse::<Swap>, requires = "swap")]
    swap_mode: Option<Swap>,

    /// Order of the four IR channels of true stereo; LR goes from the left input to the right
    /// output [default: LL,LR,RL,RR]
    #[arg(long, value_parser = str::parse::<StereoOrder>)]
    order: Option<StereoOrder>,

    /// Kind of the file that is made: `wav`, `flac`, `aiff` or `raw` [default: by the extension of
    /// OUT, `wav` where that says nothing]
    #[arg(long = "type", value_name = "KIND", value_parser = str::parse::<Container>)]
    container: Option<Container>,

    /// Sample format of the result: `u8`, `i16`, `i24`, `i32`, `f32` or `f64` [default: the
    /// input's, or what of it the kind of file can hold]
    #[arg(long, value_parser = str::parse::<SampleFormat>)]
    format: Option<SampleFormat>,

    /// Threads that compute; the result is the same to the bit. One is all that --swap and a way
    /// from pipe to pipe take [default: one for each core]
    #[arg(short, long, value_name = "N", value_parser = threads)]
    jobs: Option<usize>,

    /// Replace OUT if it exists
    #[arg(short = 'y', long)]
    yes: bool,

    /// Say nothing but errors
    #[arg(short, long)]
    quiet: bool,

    /// Report as one JSON object on the standard output, also when a signal ends the run; on the
    /// standard error output, and nothing but errors beside it, if OUT is `-`
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Defaults: all wet, no gain, the full tail, the input's sample format (dithered where the result
does not fit it exactly), and OUT appears only when it is whole.

Channels: one IR channel serves every input channel; N serve N, each its own; two on a mono input
give stereo; four on a stereo input are true stereo; HeSuVi's 7 and 14 give stereo of 1, 2, 6 or 8.
An IR at another rate is resampled.

Names of IRs: L.wav+R.wav joins the channels of files, and hall.wav stands for hall_L.wav and
hall_R.wav where only those exist. What a file does not tell stands behind @: ir.f32@48k,
ir.f64@48k,2ch, list.txt@44.1k; a direction of a SOFA file: head.sofa@az=30,el=0 (90 is left).

Raw samples, IN and IR alike: the rate, the channels (2ch; 1 if nothing is said) and the encoding
(u8, i16, i24, i32, f32, f64, alaw, mulaw; be for big-endian) stand behind @, as in voice.s16@48k,
talk.pcm@i16,8k,2ch and -@f32,48k; the extensions .s16, .s24, .s32, .f32, .f64 and .dbl tell the
encoding.

Mix: the dry signal lies as if the response began with an impulse; modes cut the sum of both.

Speed: files are computed in large blocks on all cores; from pipe to pipe, every frame comes out as
soon as it is known, at the latest 1024 frames after it went in.

Swap: responses change as they do live, with as many channels and faded over 1024 frames; the later
parts of a long response take over later, by up to about their own length. There is no latency then,
which takes longer, and the result ends with the last tail of them all.

Examples:
  faltung render voice.wav hall.wav out.wav
  faltung render voice.wav synth:plate out.wav --mix 30% --predelay 20ms --tail -60dB
  faltung render drums.wav synth:lowpass=3k out.wav --mode same
  faltung render band.wav loud.wav out.wav --guard --format i24
  faltung render voice.wav synth:hall out.wav --swap 3.2s=synth:plate --swap 5s=room.wav
  faltung render song.flac hall_L.wav+hall_R.wav out.wav
  faltung render voice.wav head.sofa@az=30 out.wav
  faltung render call.ul@mulaw,8k synth:room out.wav
  sox song.opus -t wav - | faltung render - synth:room - | aplay";

/// One `--swap`.
#[derive(Debug, Clone, PartialEq)]
struct SwapArg {
    /// Time of the input.
    seconds: f64,
    ir: PathBuf,
}

/// A time and a response, `3.2s=plate.wav`.
fn swap(text: &str) -> Result<SwapArg, UnitError> {
    let (time, ir) = text
        .split_once('=')
        .filter(|(_, ir)| !ir.is_empty())
        .ok_or_else(|| UnitError {
            value: text.to_owned(),
            what: "a time and an impulse response",
            example: "`3.2s=plate.wav` or `250ms=synth:room`",
        })?;
    Ok(SwapArg {
        seconds: units::seconds(time)?,
        ir: PathBuf::from(ir),
    })
}

/// A number of threads.
fn threads(text: &str) -> Result<usize, UnitError> {
    let most = 1..=1024;
    let threads = text.parse().ok().filter(|threads| most.contains(threads));
    threads.ok_or_else(|| UnitError {
        value: text.to_owned(),
        what: "a number of threads",
        example: "`1`, or up to 1024",
    })
}

/// Whether sound comes in through a pipe and goes out into one, so that somebody may listen to it
/// meanwhile.
fn is_listened_to(input: &Path, output: &Path) -> bool {
    let flows = |path: &Path, standard: &str, terminal: bool| {
        let (path, terminal) = match path == Path::new("-") {
            true => (Path::new(standard), terminal),
            false => (path, false),
        };
        terminal || fs::metadata(path).is_ok_and(|about| is_pipe(about.file_type()))
    };
    flows(input, "/dev/stdin", std::io::stdin().is_terminal())
        && flows(output, "/dev/stdout", std::io::stdout().is_terminal())
}

#[cfg(unix)]
fn is_pipe(kind: fs::FileType) -> bool {
    use std::os::unix::fs::FileTypeExt;
    kind.is_fifo() || kind.is_socket()
}

#[cfg(not(unix))]
fn is_pipe(kind: fs::FileType) -> bool {
    !kind.is_file()
}

/// Whether a name leads to the standard input, from which what was read once is gone.
fn is_stdin(path: &Path) -> bool {
    let other = ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"].map(Path::new);
    // A plain file is opened anew under these names, and read from its start.
    path == Path::new("-")
        || other.contains(&path) && !fs::metadata(path).is_ok_and(|about| about.is_file())
}

/// Reads or makes a response at the stream's rate.
fn load(origin: &Origin, rate: SampleRate, quiet: bool) -> Result<Loaded, Failure> {
    let loaded = origin.load(rate)?;
    note(&loaded.notes(), quiet || origin.file().is_none());
    Ok(loaded)
}

/// What is told of a response; its taps are not needed any more when a session has them.
struct Known {
    name: String,
    channels: usize,
    /// As it is used.
    used: (SampleRate, usize),
    measured: (SampleRate, usize),
    resampled_from: Option<SampleRate>,
}

impl Known {
    fn new(loaded: &Loaded) -> Self {
        let ir = &loaded.ir;
        Self {
            name: ir.name().to_owned(),
            channels: ir.channel_count(),
            used: (ir.rate(), ir.frames()),
            measured: loaded.measured,
            resampled_from: loaded.resampled_from(),
        }
    }

    /// Its name and what it is.
    fn in_words(&self) -> String {
        let (from, frames) = self.measured;
        let resampled = match self.resampled_from {
            None => String::new(),
            Some(from) => format!(", resampled from {from}"),
        };
        let seconds = from.seconds(frames);
        let Self { name, channels, .. } = self;
        format!("{name}: {channels} ch, {seconds:.3} s{resampled}")
    }

    fn json(&self) -> Value {
        let ((from, frames), (rate, used)) = (self.measured, self.used);
        json!({
            "name": self.name,
            "rate": from.hz(),
            "channels": self.channels,
            "frames": frames,
            "resampled_to": self.resampled_from.map(|_| rate.hz()),
            "frames_used": used,
        })
    }
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let irs: Vec<&Path> = [&args.ir]
        .into_iter()
        .chain(args.swap.iter().map(|swap| &swap.ir))
        .map(PathBuf::as_path)
        .collect();
    let origins: Vec<Origin> = irs.into_iter().map(Origin::new).collect::<Result<_, _>>()?;
    let input = FileSource::file(&args.input);
    if is_stdin(input) && is_stdin(&args.ir) {
        let text = "the standard input cannot be both IN and IR; name a file for one of them";
        return Err(Failure::usage(text));
    }
    let files: Vec<PathBuf> = origins.iter().flat_map(Origin::files).collect();
    let read = || {
        [input]
            .into_iter()
            .chain(files.iter().map(PathBuf::as_path))
    };
    if read().filter(|file| is_stdin(file)).count() > 1 {
        let text = "the standard input can be read only once; name files for all but one of IN, IR and each --swap";
        return Err(Failure::usage(text));
    }
    if !args.swap.is_empty() && args.mode != Mode::Full {
        let text = format!(
            "--swap is for mode full; mode {} goes by the length of one response, so leave one of them out",
            args.mode
        );
        return Err(Failure::usage(text));
    }
    if args.sound.tail.is_some() && args.mode != Mode::Full {
        let text = format!(
            "--tail is for mode full; mode {} has no tail, so leave it out",
            args.mode
        );
        return Err(Failure::usage(text));
    }
    let quiet = args.is_quiet();
    let foreign = Container::foreign(&args.output).filter(|_| args.container.is_none());
    if let Some(kind) = foreign {
        return Err(WriteError::Refused {
            file: args.output.display().to_string(),
            what: format!("{kind} is not written here"),
            remedy: "name it .wav, .flac or .aiff, or say --type wav if it is to be WAV".into(),
        }
        .into());
    }
    let source = FileSource::open(&args.input)?;
    note(source.notes(), quiet);
    for other in read() {
        if same_file(&args.output, other) {
            let (file, other) = (
                args.output.display().to_string(),
                other.display().to_string(),
            );
            return Err(WriteError::SameFile { file, other }.into());
        }
    }
    let rate = source.spec().rate;
    let load = |origin: &Origin| load(origin, rate, quiet);
    let ir = load(&origins[0])?;
    let mut swaps = Vec::with_capacity(args.swap.len());
    for (SwapArg { seconds, .. }, origin) in args.swap.iter().zip(&origins[1..]) {
        swaps.push((rate.frames(*seconds) as u64, load(origin)?));
    }
    swaps.sort_by_key(|(frame, _)| *frame);
    let render = options(args, source.spec(), &ir.ir)?;
    let container = args.container.or_else(|| Container::of(&args.output));
    let container = container.unwrap_or(Container::Wav);
    let format = args.format.or_else(|| Container::format_of(&args.output));
    let format = format.unwrap_or_else(|| container.nearest(source.spec().format));
    let known = |(frame, loaded): &(u64, Loaded)| (*frame, Known::new(loaded));
    let job = Job {
        args,
        ir: Known::new(&ir),
        swaps: swaps.iter().map(known).collect(),
        render,
        container,
        format,
    };
    // These hold more than f32 does.
    let wide = |format| matches!(format, SampleFormat::I32 | SampleFormat::F64);
    if wide(format) || wide(source.spec().format) {
        job.run::<f64>(source, ir, swaps)
    } else {
        job.run::<f32>(source, ir, swaps)
    }
}

fn options(args: &Args, input: Spec, ir: &ImpulseResponse) -> Result<Render, Failure> {
    let (inputs, irs) = (input.channels, ir.channel_count());
    if args.order.is_some() && (inputs, irs) != (2, 4) {
        return Err(Failure::because(format!(
            "--order is for true stereo, an input of 2 channels and an IR of 4; here they have {inputs} and {irs}, so leave it out"
        )));
    }
    Ok(Render {
        mode: args.mode,
        routing: args.order.map(Routing::TrueStereoOrder),
        immediate: is_listened_to(FileSource::file(&args.input), &args.output),
        threads: args.jobs,
        ..args.sound.render()
    })
}

/// Whether a result would replace a file that is read, through links of either kind, or behind the
/// standard input.
fn same_file(output: &Path, input: &Path) -> bool {
    let pipe = Path::new("-");
    if output == pipe || input == pipe && cfg!(not(unix)) {
        return false;
    }
    let (a, b) = (output, input);
    #[cfg(unix)]
    if let (Ok(a), Ok(b)) = (fs::metadata(a), about(b)) {
        use std::os::unix::fs::MetadataExt;
        return a.is_file() && (a.dev(), a.ino()) == (b.dev(), b.ino());
    }
    matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}

/// What the system knows of a file that is read.
#[cfg(unix)]
fn about(input: &Path) -> std::io::Result<fs::Metadata> {
    use std::os::fd::AsFd;
    match input == Path::new("-") {
        true => fs::File::from(std::io::stdin().as_fd().try_clone_to_owned()?).metadata(),
        false => fs::metadata(input),
    }
}

impl Args {
    /// Whether nothing but errors is told. JSON that has to go where people are told is alone there.
    fn is_quiet(&self) -> bool {
        self.quiet || self.json && self.output == Path::new("-")
    }
}

/// Everything but the sample type is settled.
struct Job<'a> {
    args: &'a Args,
    ir: Known,
    /// In the order of time, each with its frame of the input.
    swaps: Vec<(u64, Known)>,
    render: Render,
    container: Container,
    format: SampleFormat,
}

impl Job<'_> {
    fn run<T: Sample>(
        self,
        source: FileSource,
        ir: Loaded,
        others: Vec<(u64, Loaded)>,
    ) -> Result<(), Failure> {
        let args = self.args;
        let input = source.spec();
        let tags = source.tags().clone();
        let swaps: Vec<SwapAt> = others
            .iter()
            .map(|(frame, to)| SwapAt {
                frame: *frame,
                ir: &to.ir,
                swap: self.swap_mode(),
            })
            .collect();
        let session: Session<T, _> =
            Session::with_swaps(source, &ir.ir, &swaps, self.render.clone()).map_err(|error| {
                match error {
                    RunError::Dry { .. } => Failure::because(format!(
                        "{} with {}: {error}",
                        args.input.display(),
                        self.ir.name
                    )),
                    other => other.into(),
                }
            })?;
        // The session has what it needs; long responses are large.
        drop((ir, others));
        let output = Spec {
            rate: input.rate,
            channels: session.outputs(),
            format: self.format,
        };
        // Other channels than the input's are other loudspeakers'.
        let mask = tags.mask.filter(|_| output.channels == input.channels);
        let tags = Tags { mask, ..tags };
        let (out, frames) = (&args.output, session.frames_out());
        let sink = FileSink::create(out, self.container, output, frames, &tags, args.yes)
            .map_err(quiet_if_left)?;
        let name = Sink::<T>::name(&sink).to_owned();
        let settled = Settled {
            input,
            output,
            routing: session.routing().to_string(),
            latency: session.latency(),
            blocks: session.blocks(),
            tail: session.tail(),
        };
        let quiet = args.is_quiet();
        if !quiet {
            tell(self.status(&settled));
            if let Some(jobs) = args.jobs.filter(|&jobs| jobs > 1 && settled.blocks.1 == 1) {
                let why = match (self.swaps.is_empty(), self.render.immediate) {
                    (false, _) => ", as --swap takes one thread",
                    (true, true) => ", as sound from pipe to pipe takes one thread",
                    _ => ": one thread has all there is to do",
                };
                tell(format!("note: -j {jobs} has no effect here{why}"));
            }
        }
        let bar = Progress::for_file(session.frames_in(), input.rate, args.quiet || args.json);
        let head = self.head(&settled, session.frames_in());
        let course = stop::prepare(head, args, Sink::<T>::can_take_back(&sink));
        let done = session.run(sink, &mut |frames| {
            bar.at(frames);
            course.at(frames);
        });
        bar.done();
        let floats = match self.container.holds(SampleFormat::F32) {
            true => "--format f32",
            false => "--type wav --format f32",
        };
        // Whoever comes too late to stop it hears what became of it all the same.
        let _over = course.over();
        let report = done.map_err(|error| match error {
            RunError::Write(error) => quiet_if_left(error),
            RunError::OverFullScale { gain_db, .. } => Failure::because(format!(
                "{error} (--gain {gain_db:.1}dB, --guard, {floats})"
            )),
            other => other.into(),
        })?;
        if !quiet {
            self.tell_notes(&report);
        }
        if args.json {
            print_json(&self.json(&settled, &report), &args.output)?;
        }
        // Only a pipe comes here with clipped samples.
        if report.levels.clipped > 0 {
            let fits = report.gain_db + self.format.gain_that_fits(&report.levels);
            return Err(Failure::because(format!(
                "{name}: {} sample(s) exceeded full scale and were clipped, for a pipe cannot be taken back; a gain of {} fits, --guard applies it",
                report.levels.clipped,
                decibels((fits * 10.0).floor() / 10.0),
            )));
        }
        Ok(())
    }

    fn swap_mode(&self) -> Swap {
        self.args.swap_mode.unwrap_or_default()
    }

    /// The one line that says what happens.
    fn status(&self, settled: &Settled) -> String {
        let Settled {
            input,
            output,
            routing,
            latency,
            blocks: (block, threads),
            tail,
        } = settled;
        let render = &self.render;
        let mix = match (render.dry, render.wet) {
            (0.0, 1.0) => "all wet".to_owned(),
            (dry, wet) => format!("dry {}, wet {}", factor(dry), factor(wet)),
        };
        let latency = match (latency, threads) {
            (0, _) if render.immediate => format!("latency 0, as it comes in blocks of {block}"),
            (0, 1) => format!("latency 0, blocks of {block}"),
            (0, _) => format!("latency 0, blocks of {block} on {threads} threads"),
            (frames, _) => format!("latency {frames} (taken out)"),
        };
        let predelay = match render.predelay {
            0.0 => String::new(),
            seconds if seconds < 1e-3 => format!(", pre-delay {:.3} ms", 1e3 * seconds),
            seconds => format!(", pre-delay {:.1} ms", 1e3 * seconds),
        };
        let tail = match (render.mode, render.tail, tail) {
            (Mode::Full, Tail::Down(db), _) => format!("tail down to {}", decibels(db)),
            (Mode::Full, _, Some(0)) => "no tail".to_owned(),
            (Mode::Full, _, Some(tail)) => {
                format!("tail {:.3} s", output.rate.seconds(*tail as usize))
            }
            (Mode::Full, Tail::Seconds(most), None) => format!("tail {most:.3} s at most"),
            (Mode::Full, ..) => "tail of the last response".to_owned(),
            (mode, ..) => format!("mode {mode}"),
        };
        let mode = self.swap_mode();
        let swap = |(frame, to): &(u64, Known)| {
            let seconds = input.rate.seconds(*frame as usize);
            format!("; at {seconds:.3} s {mode} swap to {}", to.in_words())
        };
        let swaps: String = self.swaps.iter().map(swap).collect();
        format!(
            "{}: {}, {} ch, {} * {} -> {}: {} ch, {}{}; {routing}; {latency}; {mix}{predelay}; gain {}; {tail}{swaps}",
            self.args.input.display(),
            input.rate,
            input.channels,
            input.format,
            self.ir.in_words(),
            self.args.output.display(),
            output.channels,
            output.format,
            self.kind_in_words(),
            factor(render.gain),
        )
    }

    /// What the file is, where that is not WAV, or its name does not tell.
    fn kind_in_words(&self) -> String {
        let output = &self.args.output;
        match self.container {
            Container::Wav if output == Path::new("-") => String::new(),
            Container::Wav if Container::of(output) == Some(Container::Wav) => String::new(),
            kind => format!(" in {kind}"),
        }
    }

    /// What happened that was not ordered.
    fn tell_notes(&self, report: &Report) {
        let levels = &report.levels;
        let input = self.args.input.display();
        let output = self.args.output.display();
        if let Some((frame, channel)) = report.replaced.first {
            tell(format!(
                "note: {input}: {} sample(s) were no numbers (NaN or infinity) and became 0, the first at frame {frame} of channel {channel}, counted from 0",
                report.replaced.count,
            ));
        }
        for (frame, to) in &self.swaps[report.swaps..] {
            tell(format!(
                "note: {input}: ends at {:.3} s, so the swap to {} at {:.3} s was never reached",
                report.rate.seconds(report.frames_in as usize),
                to.name,
                report.rate.seconds(*frame as usize),
            ));
        }
        if report.guard_db != 0.0 {
            tell(format!(
                "note: {output}: --guard applied {}, gain {} in all",
                decibels(report.guard_db),
                decibels(report.gain_db),
            ));
        }
        if levels.dithered > 0 {
            tell(format!(
                "note: {output}: rounded to {} with dither",
                self.format
            ));
        }
        if self.format.steps().is_none() && levels.peak() > 1.0 {
            let peak = decibels(20.0 * levels.peak().log10());
            tell(format!(
                "note: {output}: peak {peak} over full scale, which {} holds and a loudspeaker does not",
                self.format
            ));
        }
    }

    /// What is known to programs before anything is heard.
    fn head(&self, settled: &Settled, frames: Option<u64>) -> Value {
        let Settled { input, output, .. } = settled;
        json!({
            "event": "summary",
            "interrupted": null,
            "input": {
                "file": self.args.input.to_string_lossy(),
                "rate": input.rate.hz(),
                "channels": input.channels,
                "format": input.format.to_string(),
                "frames": frames,
            },
            "ir": self.ir.json(),
            "output": {
                "file": self.args.output.to_string_lossy(),
                "rate": output.rate.hz(),
                "channels": output.channels,
                "format": output.format.to_string(),
                "type": self.container.to_string(),
                "delivered": "all",
            },
            "mode": self.render.mode.to_string(),
        })
    }

    fn json(&self, settled: &Settled, report: &Report) -> Value {
        let Settled {
            routing,
            latency,
            blocks,
            ..
        } = settled;
        let levels = &report.levels;
        // JSON has no infinity.
        let finite = |value: f64| value.is_finite().then_some(value);
        let first = report.replaced.first;
        let swaps = self.swaps.iter().enumerate().map(|(index, (frame, to))| {
            json!({
                "time": report.rate.seconds(*frame as usize),
                "frame": frame,
                "mode": self.swap_mode().to_string(),
                "reached": index < report.swaps,
                "ir": to.json(),
            })
        });
        let swaps: Vec<_> = swaps.collect();
        let mut json = self.head(settled, Some(report.frames_in));
        add(
            &mut json["input"],
            json!({
                "nonfinite": report.replaced.count,
                "first_nonfinite": first.map(|(frame, channel)| {
                    json!({ "frame": frame, "channel": channel })
                }),
            }),
        );
        add(
            &mut json["output"],
            json!({
                "frames": report.frames_out,
                "peak": finite(levels.peak()),
                "peak_db": finite(20.0 * levels.peak().log10()),
                "clipped": levels.clipped,
                "dithered": levels.dithered,
            }),
        );
        add(
            &mut json,
            json!({
                "swaps": swaps,
                "routing": routing,
                "latency": latency,
                "block": blocks.0,
                "threads": report.threads,
                "dry": self.render.dry,
                "wet": self.render.wet,
                "gain_db": finite(report.gain_db),
                "guard_db": report.guard_db,
                "predelay": self.render.predelay,
                "tail": report.tail,
                "seconds": report.elapsed.as_secs_f64(),
            }),
        );
        json
    }
}

/// Adds the fields of one object to another.
fn add(json: &mut Value, more: Value) {
    if let (Value::Object(json), Value::Object(more)) = (json, more) {
        json.extend(more);
    }
}

/// A report to programs: on the standard error output, where the standard output is the result's.
fn print_json(json: &Value, output: &Path) -> Result<(), Failure> {
    if output == Path::new("-") {
        let _ = writeln!(std::io::stderr(), "{json}");
        return Ok(());
    }
    print(|out| writeln!(out, "{json}"))
}

/// How far it is, and what programs are told of that when the process is told to stop.
mod stop {
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
    use std::thread;
    use std::time::{Duration, Instant};

    use serde_json::{Value, json};

    use super::{Args, add, print_json};
    use crate::cli::signals::{self, Told};

    pub struct Course {
        head: Value,
        output: PathBuf,
        /// Nothing is delivered before the end.
        is_file: bool,
        started: Instant,
        heard: AtomicU64,
        /// The usual report tells it, or the error; held by whoever has the last word.
        is_over: Mutex<bool>,
    }

    /// There is one render to a process.
    static COURSE: OnceLock<Course> = OnceLock::new();

    pub fn prepare(head: Value, args: &Args, is_file: bool) -> &'static Course {
        if args.json {
            signals::before_the_end(|told| {
                if let Some(course) = COURSE.get() {
                    course.leave(told);
                }
            });
        }
        COURSE.get_or_init(|| Course {
            head,
            output: args.output.clone(),
            is_file,
            started: Instant::now(),
            heard: AtomicU64::new(0),
            is_over: Mutex::new(false),
        })
    }

    impl Course {
        /// So many frames of the input are done.
        pub fn at(&self, frames: u64) {
            self.heard.store(frames, Relaxed);
        }

        /// It came to its end; a request to stop finds everything told, or waits for that.
        pub fn over(&self) -> MutexGuard<'_, bool> {
            let mut is_over = self.is_over();
            *is_over = true;
            is_over
        }

        fn is_over(&self) -> MutexGuard<'_, bool> {
            self.is_over.lock().unwrap_or_else(PoisonError::into_inner)
        }

        fn leave(&self, told: Told) {
            let mut is_over = self.is_over();
            // With no file left to be broken off, the usual report is about to come.
            while !*is_over && self.is_file && told.unfinished == 0 {
                drop(is_over);
                thread::sleep(Duration::from_millis(1));
                is_over = self.is_over();
            }
            if *is_over {
                return;
            }
            let mut json = self.head.clone();
            let delivered = if self.is_file { "nothing" } else { "part" };
            json["output"]["delivered"] = json!(delivered);
            let of = json["input"]["frames"].take();
            json["input"]["of"] = of;
            json["input"]["frames"] = json!(self.heard.load(Relaxed));
            add(
                &mut json,
                json!({
                    "interrupted": told.signal,
                    "seconds": self.started.elapsed().as_secs_f64(),
                }),
            );
            let _ = print_json(&json, &self.output);
            // Nothing is told after the last word.
            std::mem::forget(is_over);
        }
    }
}

/// What the session made of options and files.
struct Settled {
    input: Spec,
    output: Spec,
    routing: String,
    latency: usize,
    /// Their frames, and the threads that compute them.
    blocks: (usize, usize),
    tail: Option<u64>,
}

/// A pipe whose reader has gone needs no message.
fn quiet_if_left(error: WriteError) -> Failure {
    match error {
        WriteError::BrokenPipe { .. } => Failure::Told,
        other => other.into(),
    }
}
