//! `faltung ir measure` as a program of its own, and how it ends.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{Kept, session::Env};
use crate::common::{BINARY, Room};

pub struct Measuring {
    process: Kept,
    /// Where it says what it says, so that it leaves nothing beside its results.
    said: Room,
}

/// What a measurement left behind, beside its files.
pub struct Ended {
    pub code: Option<i32>,
    out: String,
    pub err: String,
}

impl Measuring {
    /// Starts one that works in the room.
    pub fn start(room: &Room, line: &str, env: &Env) -> Self {
        let said = Room::new();
        let file = |name: &str| File::create(said.path(name)).unwrap();
        let mut command = Command::new(BINARY);
        command
            .args(["ir", "measure"])
            .args(line.split_whitespace());
        command.envs(env.iter().map(|(name, value)| (name, value)));
        command.current_dir(&room.0).stdin(Stdio::null());
        command.stdout(file("out")).stderr(file("err"));
        let process = Kept::spawn(&mut command);
        process.hurry();
        Self { process, said }
    }

    pub fn process(&mut self) -> &mut Kept {
        &mut self.process
    }

    /// Waits for its end.
    #[track_caller]
    pub fn ends_within(&mut self, seconds: f64) -> Ended {
        let ended = self.process.ends_within(seconds);
        self.process.kill();
        let read = |name: &str| fs::read_to_string(self.said.path(name)).unwrap();
        let (out, err) = (read("out"), read("err"));
        let ended = ended.unwrap_or_else(|| panic!("no end in {seconds} s\n{err}"));
        let code = ended.code();
        Ended { code, out, err }
    }
}

impl Ended {
    /// Its report.
    #[track_caller]
    pub fn well(self) -> Value {
        assert_eq!(self.code, Some(0), "{}\n{}", self.out, self.err);
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}
