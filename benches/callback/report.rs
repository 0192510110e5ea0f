//! From rounds to figures, from figures to tables.

use std::fmt::Write;

use crate::Case;
use crate::clock;
use crate::pace::Pace;
use crate::subject::{About, Round, TWO_STAGE, UNIFORM};
use crate::zita::ZITA;

/// One channel of faltung that runs beside the subject of another case.
pub const MONO_BESIDE: &str = "faltung, one channel beside";

/// The lower middle one of the values.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[(values.len() - 1) / 2]
}

/// How unequal the calls are.
#[derive(Clone, Copy)]
struct Spread {
    /// The call that 99.9 % do not exceed, over the mean.
    rare: f64,
    /// The longest over the mean.
    worst: f64,
}

impl Spread {
    fn of(mut calls: Vec<f64>) -> Self {
        let mean = calls.iter().sum::<f64>() / calls.len() as f64;
        calls.sort_unstable_by(f64::total_cmp);
        let rare = (calls.len() as f64 * 0.999).ceil() as usize - 1;
        Self {
            rare: calls[rare] / mean,
            worst: calls[calls.len() - 1] / mean,
        }
    }
}

/// One subject in one cell.
pub struct Row {
    about: About,
    /// dB, where it was compared.
    error: Option<f64>,
    /// ns per frame, over the rounds.
    median: f64,
    least: f64,
    /// All calls of all rounds.
    raw: Spread,
    /// For each call of a round, the shortest of three rounds.
    of_three: Spread,
}

impl Row {
    pub fn new(about: About, error: Option<f64>, rounds: &[Round]) -> Self {
        let mut means: Vec<f64> = rounds.iter().map(|round| round.ns_per_frame).collect();
        let raw = rounds.iter().flat_map(|round| round.calls.iter().copied());
        let three = &rounds[..rounds.len().min(3)];
        let shortest = |k: usize| {
            three
                .iter()
                .map(|r| r.calls[k])
                .fold(f64::INFINITY, f64::min)
        };
        Self {
            about,
            error,
            median: median(&mut means),
            least: means[0],
            raw: Spread::of(raw.collect()),
            of_three: Spread::of((0..rounds[0].calls.len()).map(shortest).collect()),
        }
    }
}

/// Subjects that ran in turns.
pub struct Cell {
    pub case: Case,
    pub ir: f64,
    pub block: usize,
    /// ns of the transform that tells the machine's pace.
    pub pace: f64,
    /// Whether others disturbed most rounds of a subject.
    pub is_disturbed: bool,
    pub rows: Vec<Row>,
}

impl Cell {
    fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.about.name == name)
    }

    fn ours(&self) -> &Row {
        &self.rows[0]
    }

    fn peers(&self) -> impl Iterator<Item = &Row> {
        self.rows[1..]
            .iter()
            .filter(|row| row.about.name != MONO_BESIDE)
    }

    fn fastest_peer(&self) -> Option<&Row> {
        self.peers().min_by(|a, b| a.median.total_cmp(&b.median))
    }

    /// Tells that most rounds of a subject were disturbed.
    fn mark(&self) -> &'static str {
        if self.is_disturbed { " †" } else { "" }
    }

    /// What the cost model allows on this CPU, scaled to the machine's pace during this cell.
    fn bound(&self) -> Option<f64> {
        if !["mono", "avx2"].contains(&self.case.name) || self.block != 64 {
            return None;
        }
        let [avx512, avx2] = match self.ir {
            0.05 => [4.0, 5.3],
            0.5 => [6.5, 8.7],
            2.0 => [10.3, 13.9],
            10.0 => [16.3, 21.1],
            _ => return None,
        };
        let bound = match self.case.cpu().to_string().as_str() {
            "AVX-512" => avx512,
            "AVX2" => avx2,
            _ => return None,
        };
        Some(bound * self.pace / Pace::REFERENCE)
    }
}

/// A cell for the terminal.
pub fn lines(cell: &Cell) -> String {
    let mut text = String::new();
    for (k, row) in cell.rows.iter().enumerate() {
        let place = if k == 0 {
            format!("{:>5} s, block {:>4}", cell.ir, cell.block)
        } else {
            String::new()
        };
        let Row {
            about,
            median,
            least,
            raw,
            of_three,
            ..
        } = row;
        let name = match about.setting.as_str() {
            "" => about.name.clone(),
            setting => format!("{} ({setting})", about.name),
        };
        let _ = write!(
            text,
            "{place:<19} {name:<44} {median:>8.2} ns/frame (least {least:.2}), calls p99.9 {:.2} worst {:.2} of three, {:.1} {:.1} raw, latency {}, {}, {}",
            of_three.rare,
            of_three.worst,
            raw.rare,
            raw.worst,
            about.latency,
            megabytes(about.bytes),
            decibels(row.error),
        );
        if k > 0 {
            let _ = write!(text, ", {:.2} x", median / cell.ours().median);
        }
        text.push('\n');
    }
    let _ = write!(text, "{:<19} realfft 1024: {:.0} ns", "", cell.pace);
    if let Some(bound) = cell.bound() {
        let over = cell.ours().median / bound;
        let _ = write!(
            text,
            ", bound scaled {bound:.2} ns, faltung at {over:.2} of it"
        );
    }
    if cell.is_disturbed {
        text.push_str(", most rounds disturbed");
    }
    text + "\n"
}

fn megabytes(bytes: usize) -> String {
    format!("{:.2} MB", bytes as f64 / 1e6)
}

fn decibels(error: Option<f64>) -> String {
    error.map_or("-".into(), |error| format!("{error:.1} dB"))
}

fn cost(row: Option<&Row>) -> String {
    row.map_or("-".into(), |row| format!("{:.1}", row.median))
}

/// A whole run.
pub struct Report {
    pub cells: Vec<Cell>,
    pub clock_cost: f64,
    machine: Vec<String>,
    /// What a run was cut down to.
    asked: String,
    /// Why zita-convolver is not there.
    no_zita: Option<String>,
}

impl Report {
    pub fn new(asked: String, no_zita: Option<String>, clock_cost: f64) -> Self {
        Self {
            cells: vec![],
            clock_cost,
            machine: clock::machine(),
            asked,
            no_zita,
        }
    }

    pub fn opening(&self) -> String {
        let mut text = self.machine.join("\n") + "\n";
        let _ = writeln!(
            text,
            "one reading of the clock: {:.0} ns, taken off",
            self.clock_cost
        );
        if let Some(why) = &self.no_zita {
            let _ = writeln!(text, "{ZITA}: {why}");
        }
        text
    }

    pub fn markdown(&self) -> String {
        let mut text = String::from(
            "# Results\n\nWritten by `cargo bench --bench callback -- --write`; do not edit.\n\n",
        );
        for line in &self.machine {
            let _ = writeln!(text, "- {line}");
        }
        let _ = writeln!(text, "- load average at the end {}", clock::load());
        if !self.asked.is_empty() {
            let _ = writeln!(text, "- not a full run: `{}`", self.asked);
        }
        if let Some(why) = &self.no_zita {
            let _ = writeln!(text, "- {ZITA}: {why}");
        }
        let _ = writeln!(text, "\n{METHOD}");
        let mut done = vec![];
        for cell in &self.cells {
            if !done.contains(&cell.case.name) {
                done.push(cell.case.name);
                let cells = || self.cells.iter().filter(|other| other.case == cell.case);
                let _ = write!(text, "\n## {}\n\n", cell.case.title);
                match cell.case.name {
                    "mono" => {
                        costs(&mut text, cells());
                        text.push_str("\nfaltung's calls, memory and error:\n\n");
                        calls(&mut text, cells(), true);
                    }
                    _ => {
                        beside(&mut text, cells());
                        text.push('\n');
                        calls(&mut text, cells(), true);
                    }
                }
            }
        }
        if self.cells.iter().any(|cell| cell.peers().next().is_some()) {
            text.push_str("\n## The peers' calls, memory and error\n\n");
            calls(&mut text, self.cells.iter(), false);
        }
        text
    }
}

const METHOD: &str = "\
**Method.** Noise at 48 kHz through decaying noise of the length given. In each row all subjects \
run in turns, round after round (five rounds for one and two channels, three for more and for \
`--quick`). Before and behind each, realfft's forward transform of 1,024 samples is timed; where \
it takes 5 % longer than the least time of the run, others disturb the machine: that round is \
made again, and of three times as many rounds at most the quietest count. A dagger stands where \
most of a subject's were disturbed all the same. Each round begins with a reset: once through \
the response's length so that every partition is in use, then single calls with a clock around \
each and their input just written, as a driver leaves it, then the same length as a whole, \
straight from memory. Costs are CPU time of the whole process (all threads), less what it takes \
to move the buffers on, in ns per frame, one frame being one sample of every channel: medians \
over the rounds, and least. For calls, the mean of their wall times is 1; p99.9 and worst are \
given for the shortest of three rounds at each position, so that the machine's own interruptions \
drop out, and raw. Latency is measured with an impulse. Memory is what the heap grew by, set-up \
included are the responses' transforms. Errors are RMS over the output's RMS, against f64 by \
FFT, which is itself checked against the sum in doubled precision (f64 rows: directly against \
that sum). Peers run with the partitions that a short trial found fastest (fft-convolver: heads \
from the block to eight times that, tails from its own choice to four times that) or with all \
the help their options give (zita-convolver: FFTW measures, vector mode, synchronous; its larger \
partitions run in threads of its own, its smallest is 64, and FFTW's plans are kept from the \
first set-up on). *Bound* is what the cost model of the partition plan allows for the CPU's \
vectors, scaled by the time of that transform in the same rounds.
";

/// Cost against the bound and the peers, one row for each cell.
fn costs<'a>(text: &mut String, cells: impl Iterator<Item = &'a Cell>) {
    text.push_str(
        "| IR s | block | faltung ns/frame | least | bound | of bound | fft-convolver two-stage | fft-convolver uniform | zita-convolver | fastest peer / faltung |\n\
         | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |\n",
    );
    for cell in cells {
        let ours = cell.ours();
        let bound = cell.bound();
        let _ = writeln!(
            text,
            "| {} | {} | **{:.1}**{} | {:.1} | {} | {} | {} | {} | {} | {} |",
            cell.ir,
            cell.block,
            ours.median,
            cell.mark(),
            ours.least,
            bound.map_or("".into(), |bound| format!("{bound:.1}")),
            bound.map_or("".into(), |bound| format!("{:.2}", ours.median / bound)),
            cost(cell.row(TWO_STAGE)),
            cost(cell.row(UNIFORM)),
            cost(cell.row(ZITA)),
            faster(cell),
        );
    }
}

/// Cost against one channel that ran beside and the peers.
fn beside<'a>(text: &mut String, cells: impl Iterator<Item = &'a Cell>) {
    text.push_str(
        "| IR s | block | faltung ns/frame | least | one channel beside, f32 | times that | fft-convolver two-stage | fft-convolver uniform | zita-convolver | fastest peer / faltung |\n\
         | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |\n",
    );
    for cell in cells {
        let (ours, mono) = (cell.ours(), cell.row(MONO_BESIDE));
        let _ = writeln!(
            text,
            "| {} | {} | **{:.1}**{} | {:.1} | {} | {} | {} | {} | {} | {} |",
            cell.ir,
            cell.block,
            ours.median,
            cell.mark(),
            ours.least,
            cost(mono),
            mono.map_or("-".into(), |mono| format!(
                "{:.2}",
                ours.median / mono.median
            )),
            cost(cell.row(TWO_STAGE)),
            cost(cell.row(UNIFORM)),
            cost(cell.row(ZITA)),
            faster(cell),
        );
    }
}

fn faster(cell: &Cell) -> String {
    let times = |peer: &Row| format!("**{:.1}**", peer.median / cell.ours().median);
    cell.fastest_peer().map_or("-".into(), times)
}

/// The distribution of calls and the rest, of our rows or the peers'.
fn calls<'a>(text: &mut String, cells: impl Iterator<Item = &'a Cell>, ours: bool) {
    let (who, line) = if ours {
        ("", "")
    } else {
        ("case | who | set up with | ", " -- | -- | -- |")
    };
    let _ = writeln!(
        text,
        "| {who}IR s | block | p99.9 of three | worst of three | p99.9 raw | worst raw | latency frames | memory | set-up ms | error |\n\
         |{line} --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |"
    );
    for cell in cells {
        let rows: Vec<&Row> = if ours {
            vec![cell.ours()]
        } else {
            cell.peers().collect()
        };
        for Row {
            about,
            error,
            raw,
            of_three,
            ..
        } in rows
        {
            if !ours {
                let _ = write!(
                    text,
                    "| {} | {} | {} ",
                    cell.case.name, about.name, about.setting
                );
            }
            let _ = writeln!(
                text,
                "| {} | {} | {:.2} | {:.2} | {:.1} | {:.1} | {} | {} | {:.1} | {} |",
                cell.ir,
                cell.block,
                of_three.rare,
                of_three.worst,
                raw.rare,
                raw.worst,
                about.latency,
                megabytes(about.bytes),
                about.setup_ms,
                decibels(*error),
            );
        }
    }
}
