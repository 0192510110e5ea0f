//! A terminal for a program to run in: presses keys, reads the screen.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;
use std::sync::{Arc, Mutex};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::{Kept, until};

pub struct Face {
    pub process: Kept,
    keyboard: File,
    drawn: Arc<Mutex<Vec<u8>>>,
}

impl Face {
    /// Runs a program in a terminal of 100 by 40 characters.
    pub fn start(mut command: Command) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let size = Winsize {
            ws_row: 40,
            ws_col: 100,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&master, size).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let name = std::ffi::OsStr::from_bytes(name.as_bytes());
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(libc::O_NOCTTY);
        let terminal = options.open(name).unwrap();
        command.env("TERM", "xterm-256color");
        command.stdin(terminal.try_clone().unwrap());
        command
            .stdout(terminal.try_clone().unwrap())
            .stderr(terminal);
        let process = Kept::spawn(&mut command);
        // The command keeps the terminal's end open that shall close with the program.
        drop(command);
        let keyboard = File::from(master);
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
