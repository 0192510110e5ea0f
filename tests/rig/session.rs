//! A live session as a program of its own: what it says, one JSON object a line, and how it ends.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::Value;

use super::{Kept, until};
use crate::common::BINARY;

pub type Env = Vec<(&'static str, String)>;

/// `faltung live` and its arguments.
pub fn command(line: &str, env: &Env) -> Command {
    let mut command = Command::new(BINARY);
    command.arg("live").args(line.split_whitespace());
    command.envs(env.iter().map(|(name, value)| (name, value)));
    command
}

pub struct Session {
    process: Kept,
    said: Arc<Mutex<Vec<Value>>>,
    readers: [JoinHandle<()>; 2],
    err: Arc<Mutex<String>>,
}

/// What a session left behind.
pub struct Ended {
    /// None if a signal ended it, or it did not end.
    pub code: Option<i32>,
    /// Every line of standard output.
    pub said: Vec<Value>,
    pub err: String,
}

impl Session {
    /// Starts one that says JSON lines.
    pub fn start(line: &str, env: &Env) -> Self {
        let mut command = command(&format!("{line} --json"), env);
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Kept::spawn(&mut command);
        process.hurry();
        let out = BufReader::new(process.child().stdout.take().unwrap());
        let mut stderr = process.child().stderr.take().unwrap();
        let (said, err) = (Arc::default(), Arc::default());
        let (to_said, to_err): (Arc<Mutex<Vec<Value>>>, Arc<Mutex<String>>) =
            (Arc::clone(&said), Arc::clone(&err));
        let say = move || {
            for line in out.lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line);
                let value = value.unwrap_or_else(|error| panic!("{error} in {line}"));
                to_said.lock().unwrap().push(value);
            }
        };
        let complain = move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = stderr.read(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..count]);
                to_err.lock().unwrap().push_str(&text);
            }
        };
        let readers = [std::thread::spawn(say), std::thread::spawn(complain)];
        Self {
            process,
            said,
            readers,
            err,
        }
    }

    pub fn process(&mut self) -> &mut Kept {
        &mut self.process
    }

    fn said(&self) -> Vec<Value> {
        self.said.lock().unwrap().clone()
    }

    fn err(&self) -> String {
        self.err.lock().unwrap().clone()
    }

    /// Waits for it to have happened so often.
    #[track_caller]
    pub fn waits_for(&mut self, name: &str, times: usize, seconds: f64) -> Value {
        let seen = || named(&self.said(), name).get(times - 1).cloned();
        let event = until(seconds, seen);
        event.unwrap_or_else(|| {
            let (said, err) = (lines(&self.said()), self.err());
            panic!("`{name}` has not happened {times} times in {seconds} s\n{said}\n{err}")
        })
    }

    /// A number of the last status, by its path such as `/counts/starved`.
    #[track_caller]
    pub fn number(&self, path: &str) -> f64 {
        let seen = || status_number(&self.said(), path);
        until(3.0, seen).unwrap_or_else(|| panic!("no {path} in\n{}", lines(&self.said())))
    }

    /// Waits for its end.
    #[track_caller]
    pub fn ends_within(mut self, seconds: f64) -> Ended {
        let ended = self.process.ends_within(seconds);
        let late = ended.is_none();
        self.process.kill();
        for reader in self.readers {
            reader.join().unwrap();
        }
        let said = std::mem::take(&mut *self.said.lock().unwrap());
        let err = std::mem::take(&mut *self.err.lock().unwrap());
        assert!(!late, "no end in {seconds} s\n{}\n{err}", lines(&said));
        Ended {
            code: ended.and_then(|status| status.code()),
            said,
            err,
        }
    }
}

impl Ended {
    #[track_caller]
    pub fn well(self) -> Self {
        assert_eq!(self.code, Some(0), "{}\n{}", lines(&self.said), self.err);
        self
    }

    pub fn has_summary(&self) -> bool {
        self.said
            .last()
            .is_some_and(|line| line["type"] == "summary")
    }

    /// A number of the last status, by its path such as `/counts/starved`.
    #[track_caller]
    pub fn last(&self, path: &str) -> f64 {
        let number = status_number(&self.said, path);
        number.unwrap_or_else(|| panic!("no {path} in\n{}", lines(&self.said)))
    }

    /// Interruptions that it tells of, whoever caused them.
    pub fn dropouts(&self) -> f64 {
        let names = ["input_xruns", "output_xruns", "starved"];
        names
            .map(|name| self.last(&format!("/counts/{name}")))
            .iter()
            .sum()
    }

    /// Frames that it says were lost.
    pub fn lost_frames(&self) -> f64 {
        let names = ["starved_frames", "overflowed_frames", "skipped_frames"];
        names
            .map(|name| self.last(&format!("/counts/{name}")))
            .iter()
            .sum()
    }

    /// Frames from end to end, as measured and as stated.
    #[track_caller]
    pub fn latencies(&self) -> (f64, f64) {
        let found = self.said.iter().find(|line| line["type"] == "latency");
        let number = |path: &str| found.and_then(|line| line.pointer(path)?.as_f64());
        let both = number("/median").zip(number("/stated/frames"));
        both.unwrap_or_else(|| panic!("no latency in\n{}\n{}", lines(&self.said), self.err))
    }

    /// What happened, for a message.
    pub fn events(&self) -> String {
        let events = self.said.iter().filter(|line| line["type"] == "event");
        lines(&events.cloned().collect::<Vec<_>>())
    }
}

fn status_number(said: &[Value], path: &str) -> Option<f64> {
    let status = said.iter().rev().find(|line| line["type"] == "status")?;
    status.pointer(path)?.as_f64()
}

fn named(said: &[Value], name: &str) -> Vec<Value> {
    let ours = |line: &&Value| line["type"] == "event" && line["event"] == name;
    said.iter().filter(ours).cloned().collect()
}

fn lines(said: &[Value]) -> String {
    said.iter().map(|line| format!("{line}\n")).collect()
}
