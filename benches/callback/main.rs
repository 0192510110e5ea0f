//! The distribution of single calls and the mean, with peers in the same run.
//!
//! ```text
//! cargo bench --bench callback -- [--quick] [--write] [case=mono,64] [ir=0.5,2] [block=64] [rounds=5]
//!     [patience=120]
//! ```
//! `--write` puts the tables into `benches/RESULTS.md`; `patience` is how many seconds the run may wait in
//! all for a machine that others disturb.

mod clock;
mod pace;
mod reference;
mod report;
mod signals;
mod subject;
mod turns;
mod zita;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use faltung::{Cpu, Latency};

use pace::Pace;
use reference::Reference;
use report::{Cell, Report, Row};
use subject::{Job, Lengths, Subject};
use turns::Turns;
use zita::Zita;

#[global_allocator]
static ALLOCATOR: clock::Counting = clock::Counting;

const RATE: f64 = 48_000.0;
const IRS: [f64; 4] = [0.05, 0.5, 2.0, 10.0];
const BLOCKS: [usize; 7] = [16, 32, 64, 128, 256, 512, 1024];
/// Where rounds are disturbed, there are so many times as many at most.
const AGAIN: usize = 3;

/// A table of the report.
#[derive(Clone, Copy, PartialEq)]
pub struct Case {
    pub name: &'static str,
    pub title: &'static str,
    channels: usize,
    irs: usize,
    blocks: &'static [usize],
    pub precise: bool,
    delayed: bool,
    /// Instructions for faltung that are not the machine's best.
    vectors: Option<&'static str>,
}

const MONO: Case = Case {
    name: "mono",
    title: "Mono, f32, zero latency",
    channels: 1,
    irs: 1,
    blocks: &BLOCKS,
    precise: false,
    delayed: false,
    vectors: None,
};

const CASES: [Case; 10] = [
    MONO,
    Case {
        name: "delayed",
        title: "Mono, f32, a latency of up to one block accepted",
        blocks: &[64, 256],
        delayed: true,
        ..MONO
    },
    Case {
        name: "one-frame",
        title: "Mono, f32, cut into calls of one frame",
        blocks: &[1],
        ..MONO
    },
    Case {
        name: "stereo",
        title: "True stereo (2 x 2, four responses), f32",
        channels: 2,
        irs: 4,
        blocks: &[64],
        ..MONO
    },
    Case {
        name: "16",
        title: "16 channels, each with a response of its own, f32",
        channels: 16,
        irs: 16,
        blocks: &[64],
        ..MONO
    },
    Case {
        name: "64",
        title: "64 channels, each with a response of its own, f32",
        channels: 64,
        irs: 64,
        blocks: &[64],
        ..MONO
    },
    Case {
        name: "16-shared",
        title: "16 channels, one response for all, f32",
        channels: 16,
        blocks: &[64],
        ..MONO
    },
    Case {
        name: "64-shared",
        title: "64 channels, one response for all, f32",
        channels: 64,
        blocks: &[64],
        ..MONO
    },
    Case {
        name: "f64",
        title: "Mono, f64",
        blocks: &[64],
        precise: true,
        ..MONO
    },
    Case {
        name: "avx2",
        title: "Mono, f32, zero latency, as on a CPU whose best is AVX2",
        blocks: &[64],
        vectors: Some("AVX2"),
        ..MONO
    },
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let wishes = match Wishes::parse(&args) {
        Ok(wishes) => wishes,
        Err(why) => {
            eprintln!(
                "{why}\ncallback [--quick] [--write] [case=..] [ir=..] [block=..] [rounds=..] [patience=..]"
            );
            std::process::exit(2);
        }
    };
    let zita = if wishes.smoke {
        Err("not asked".into())
    } else {
        Zita::start()
    };
    let cut = args
        .iter()
        .filter(|arg| !["--bench", "--write"].contains(&arg.as_str()));
    let asked = cut.cloned().collect::<Vec<_>>().join(" ");
    let mut report = Report::new(asked, zita.as_ref().err().cloned(), clock::clock_cost());
    print!("{}", report.opening());

    // Inputs for the longest run there is.
    let longest = wishes.lengths(MONO, frames(10.0)).total() + subject::CHANNEL_SHIFT * 64;
    let mut bench = Bench {
        single: signals::noise::<f32>(longest, 1).into(),
        double: signals::noise::<f64>(longest, 1).into(),
        zita: zita.ok(),
        pace: Pace::new(wishes.patience()),
    };
    for case in CASES.iter().filter(|case| wishes.case(case)) {
        println!("\n{}", case.title);
        for ir in IRS.into_iter().filter(|&ir| wishes.ir(case, ir)) {
            let lengths = wishes.lengths(*case, frames(ir));
            let mut reference = None;
            for &block in case
                .blocks
                .iter()
                .filter(|&&block| wishes.block(case, block))
            {
                let turns = wishes.turns(case, lengths, report.clock_cost);
                let cell = bench.run(*case, ir, block, turns, &mut reference);
                print!("{}", report::lines(&cell));
                report.cells.push(cell);
            }
        }
    }
    if wishes.write {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/RESULTS.md");
        // What benches/offline/offline.py has put there stays.
        let old = std::fs::read_to_string(path).unwrap_or_default();
        let offline = old
            .find("<!-- offline: begin -->")
            .map_or("", |at| &old[at..]);
        let text = format!("{}\n\n{offline}", report.markdown().trim_end());
        std::fs::write(path, text.trim_end().to_owned() + "\n")
            .expect("benches/ can be written to");
        println!("\nwritten to {path}");
    }
}

fn frames(seconds: f64) -> usize {
    (seconds * RATE).round() as usize
}

impl Case {
    /// The instructions for faltung.
    pub fn cpu(&self) -> Cpu {
        let asked = |cpu: &Cpu| self.vectors == Some(&cpu.to_string());
        Cpu::available()
            .into_iter()
            .find(asked)
            .unwrap_or_else(Cpu::detect)
    }
}

/// What the arguments ask for.
#[derive(Default)]
struct Wishes {
    quick: bool,
    write: bool,
    /// Not a bench at all: only to see that it runs.
    smoke: bool,
    cases: Vec<String>,
    irs: Vec<f64>,
    blocks: Vec<usize>,
    rounds: Option<usize>,
    /// In seconds.
    patience: Option<u64>,
}

impl Wishes {
    fn parse(args: &[String]) -> Result<Self, String> {
        let mut wishes = Self {
            smoke: true,
            ..Self::default()
        };
        for arg in args {
            let no = |_| format!("`{arg}` is not understood");
            match (arg.as_str(), arg.split_once('=')) {
                ("--bench", _) => wishes.smoke = false,
                ("--quick", _) => wishes.quick = true,
                ("--write", _) => wishes.write = true,
                (_, Some(("case", names))) => {
                    let known = |name: &str| CASES.iter().any(|case| case.name == name);
                    if let Some(name) = names.split(',').find(|name| !known(name)) {
                        let names: Vec<_> = CASES.iter().map(|case| case.name).collect();
                        return Err(format!("no case `{name}`; there are {}", names.join(", ")));
                    }
                    wishes.cases = names.split(',').map(String::from).collect();
                }
                (_, Some(("ir", seconds))) => {
                    let list: Result<_, _> = seconds.split(',').map(str::parse).collect();
                    wishes.irs = list.map_err(|_| format!("`{arg}`: seconds of {IRS:?}"))?;
                }
                (_, Some(("block", sizes))) => {
                    let list: Result<_, _> = sizes.split(',').map(str::parse).collect();
                    wishes.blocks = list.map_err(no)?;
                }
                (_, Some(("rounds", count))) => {
                    let count: usize = count.parse().map_err(no)?;
                    wishes.rounds = Some(count.max(1));
                }
                (_, Some(("patience", seconds))) => {
                    wishes.patience = Some(seconds.parse().map_err(no)?);
                }
                _ => return Err(format!("`{arg}` is not understood")),
            }
        }
        Ok(wishes)
    }

    fn case(&self, case: &Case) -> bool {
        // It has to be there, and be something else.
        if case.vectors.is_some() && case.cpu() == Cpu::detect() {
            return false;
        }
        let short = !self.quick || !["64", "64-shared"].contains(&case.name);
        if self.smoke {
            return ["mono", "stereo"].contains(&case.name);
        }
        if self.cases.is_empty() {
            short
        } else {
            self.cases.iter().any(|name| name == case.name)
        }
    }

    fn ir(&self, case: &Case, seconds: f64) -> bool {
        // Sharing and latency are of interest where they matter most.
        let typical = !case.name.ends_with("shared") && !self.quick || case.name == "mono";
        match self.irs.is_empty() {
            _ if self.smoke => seconds == IRS[0],
            true => typical || seconds == 2.0,
            false => self.irs.contains(&seconds),
        }
    }

    fn block(&self, case: &Case, block: usize) -> bool {
        match self.blocks.is_empty() {
            _ if self.smoke => block == 64,
            true => !self.quick || [1, 64, 512].contains(&block) || case.blocks.len() == 1,
            false => self.blocks.contains(&block) || case.blocks.len() == 1,
        }
    }

    fn rounds(&self, case: &Case) -> usize {
        let usual = if self.quick || case.channels > 2 {
            3
        } else {
            5
        };
        self.rounds.unwrap_or(if self.smoke { 1 } else { usual })
    }

    fn turns(&self, case: &Case, lengths: Lengths, clock_cost: f64) -> Turns {
        let rounds = self.rounds(case);
        Turns {
            rounds,
            most: if self.smoke { rounds } else { AGAIN * rounds },
            lengths,
            clock_cost,
        }
    }

    fn patience(&self) -> Duration {
        let usual = if self.smoke { 0 } else { 120 };
        Duration::from_secs(self.patience.unwrap_or(usual))
    }

    /// Two periods of the largest level, and no less than 2.7 s (of one channel 5.4 s).
    fn lengths(&self, case: Case, ir_frames: usize) -> Lengths {
        let timed = match (self.smoke, self.quick || case.channels > 2) {
            (true, _) => 4096,
            (_, true) => 2 * 65_536,
            (_, false) => 4 * 65_536,
        };
        Lengths {
            warm: ir_frames.next_multiple_of(1024),
            calls: timed,
            mean: timed,
            check: if self.smoke { 1024 } else { 16_384 },
        }
    }
}

/// Everything that outlives a cell.
struct Bench {
    single: Arc<[f32]>,
    double: Arc<[f64]>,
    zita: Option<Rc<RefCell<Zita>>>,
    pace: Pace,
}

impl Bench {
    fn subjects(&self, case: Case, job: Job) -> Vec<Box<dyn Subject>> {
        let (single, double) = (&self.single, &self.double);
        let mut all = vec![];
        if case.precise {
            all.push(subject::faltung("faltung", &job, double));
            all.push(subject::two_stage(&job, double));
            all.push(subject::uniform(&job, double));
        } else {
            all.push(subject::faltung("faltung", &job, single));
        }
        if case != MONO {
            // What the same costs one channel, in f32, without latency, in calls of usual length.
            let block = if job.block == 1 { 64 } else { job.block };
            let mono = Job {
                channels: 1,
                irs: 1,
                block,
                latency: Latency::Zero,
                cpu: Cpu::detect(),
                ..job
            };
            all.push(subject::faltung(report::MONO_BESIDE, &mono, single));
        }
        let shared = job.channels > 1 && job.irs == 1;
        if !case.precise && !shared && !case.delayed && job.block > 1 {
            all.push(subject::two_stage(&job, single));
            if job.channels == 1 {
                all.push(subject::uniform(&job, single));
            }
            all.extend(
                self.zita
                    .as_ref()
                    .and_then(|program| zita::zita(program, &job)),
            );
        }
        all
    }

    fn run(
        &mut self,
        case: Case,
        ir: f64,
        block: usize,
        turns: Turns,
        reference: &mut Option<Reference>,
    ) -> Cell {
        let job = Job {
            channels: case.channels,
            irs: case.irs,
            ir_frames: frames(ir),
            block,
            latency: if case.delayed {
                Latency::AtMost(block)
            } else {
                Latency::Zero
            },
            cpu: case.cpu(),
        };
        let reference: &Reference = reference.get_or_insert_with(|| match case.precise {
            true => Reference::new(&job, turns.lengths, &self.double),
            false => Reference::new(&job, turns.lengths, &self.single),
        });
        let mut subjects = self.subjects(case, job);
        let outcome = turns.run(&mut self.pace, &mut subjects);
        let rows = subjects
            .iter()
            .zip(outcome.rounds)
            .map(|(subject, rounds)| {
                let about = subject.about();
                let error = (about.name != report::MONO_BESIDE)
                    .then(|| reference.error(&rounds[0].checked, about.latency, case.precise));
                Row::new(about.clone(), error, &rounds)
            });
        let rows = rows.collect();
        Cell {
            case,
            ir,
            block,
            pace: outcome.pace,
            is_disturbed: outcome.is_disturbed,
            rows,
        }
    }
}
