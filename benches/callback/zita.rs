//! zita-convolver beside us: a program of its own (`peers/zita.cpp`), spoken to over pipes.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;

use faltung::Latency;

use crate::subject::{About, Job, Lengths, Round, Subject};

pub const ZITA: &str = "zita-convolver";

/// The running program.
pub struct Zita {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Zita {
    /// Compiles and starts it, or tells why not.
    pub fn start() -> Result<Rc<RefCell<Self>>, String> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/zita.cpp");
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("zita");
        let compiled = Command::new("c++")
            .args(["-std=c++17", "-O2", "-ffp-contract=off", "-o"])
            .args([&program, &source])
            .args(["-lzita-convolver", "-lfftw3f", "-lpthread"])
            .output()
            .map_err(|error| format!("no C++ compiler: {error}"))?;
        if !compiled.status.success() {
            let errors = String::from_utf8_lossy(&compiled.stderr);
            let line = errors
                .lines()
                .find(|line| line.contains("error"))
                .unwrap_or("c++ failed");
            let why = line.split_once("error: ").map_or(line, |(_, why)| why);
            return Err(format!("not installed ({why})"));
        }
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let commands = child.stdin.take().expect("piped");
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        Ok(Rc::new(RefCell::new(Self {
            child,
            commands,
            answers,
        })))
    }

    fn tell(&mut self, command: std::fmt::Arguments) {
        writeln!(self.commands, "{command}").expect("zita's program runs");
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        let read = self.answers.read_line(&mut line);
        assert!(
            read.is_ok_and(|bytes| bytes > 0),
            "zita's program has ended"
        );
        line
    }

    fn numbers(&mut self) -> Vec<f64> {
        let line = self.answer();
        let number = |word: &str| word.parse().expect("a number from zita's program");
        line.split_whitespace().map(number).collect()
    }
}

impl Drop for Zita {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Hosted {
    zita: Rc<RefCell<Zita>>,
    about: About,
}

/// Sets it up for `job`; only one job at a time.
pub fn zita(zita: &Rc<RefCell<Zita>>, job: &Job) -> Option<Box<dyn Subject>> {
    let fits = job.block.is_power_of_two() && (16..=8192).contains(&job.block);
    if !fits || job.latency != Latency::Zero {
        return None;
    }
    let answer = {
        let mut zita = zita.borrow_mut();
        let Job {
            channels,
            irs,
            ir_frames,
            block,
            ..
        } = job;
        zita.tell(format_args!("setup {channels} {irs} {ir_frames} {block}"));
        zita.answer()
    };
    let words: Vec<&str> = answer.split_whitespace().collect();
    let ["ok", latency, bytes, setup_ms] = words[..] else {
        return None;
    };
    let about = About {
        name: ZITA.into(),
        setting: format!("partitions from {}", job.block.max(64)),
        latency: latency.parse().ok()?,
        bytes: bytes.parse().ok()?,
        setup_ms: setup_ms.parse().ok()?,
    };
    Some(Box::new(Hosted {
        zita: zita.clone(),
        about,
    }))
}

impl Subject for Hosted {
    fn about(&self) -> &About {
        &self.about
    }

    fn round(&mut self, lengths: Lengths, clock_cost: f64) -> Round {
        let Lengths {
            warm,
            calls,
            mean,
            check,
        } = lengths;
        let mut zita = self.zita.borrow_mut();
        zita.tell(format_args!("round {warm} {calls} {mean} {check}"));
        let ns = zita.numbers()[0];
        let laps = zita.numbers();
        Round {
            ns_per_frame: ns / mean as f64,
            calls: laps
                .into_iter()
                .map(|lap| (lap - clock_cost).max(0.0))
                .collect(),
            checked: zita.numbers(),
        }
    }
}
