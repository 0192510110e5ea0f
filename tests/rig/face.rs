//! A program in a terminal: presses keys, reads the screen.

use std::fs::File;
use std::io::{Read, Write};
use std::process::Command;
use std::sync::{Arc, Mutex};

use super::{Kept, until};
use crate::common::terminal;

pub struct Face {
    pub process: Kept,
    keyboard: File,
    drawn: Arc<Mutex<Vec<u8>>>,
}

impl Face {
    /// Runs a program in a terminal.
    pub fn start(mut command: Command) -> Self {
        let (keyboard, terminal) = terminal::open();
        command.env("TERM", "xterm-256color");
        command.stdin(terminal.try_clone().unwrap());
        command
            .stdout(terminal.try_clone().unwrap())
            .stderr(terminal);
        let process = Kept::spawn(&mut command);
        // The command keeps the terminal's end open that shall close with the program.
        drop(command);
        let mut screen = keyboard.try_clone().unwrap();
        let drawn = Arc::new(Mutex::new(Vec::new()));
        let sink = drawn.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // An error is the terminal's end.
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                sink.lock().unwrap().extend(&bytes[..count]);
            }
        });
        Self {
            process,
            keyboard,
            drawn,
        }
    }

    pub fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Everything drawn so far, control sequences left out.
    pub fn drawn(&self) -> String {
        let drawn = self.drawn.lock().unwrap();
        let (text, mut plain) = (String::from_utf8_lossy(&drawn), String::new());
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '\x1b' => {
                    letters.find(|end| end.is_ascii_alphabetic());
                }
                _ => plain.push(letter),
            }
        }
        plain
    }

    /// Waits until the words have been drawn.
    #[track_caller]
    pub fn shows(&self, words: &str) {
        let shown = || self.drawn().contains(words).then_some(());
        assert!(
            until(10.0, shown).is_some(),
            "no `{words}` in\n{}",
            self.drawn()
        );
    }
}
