//! A terminal that a program may run in: its screen and keyboard here, its other end for the program.

use std::fs::{File, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// A terminal of 100 by 40 characters: where it is read and keys are pressed, and what the program
/// gets. Reading fails once nobody has that end open any more.
pub fn open() -> (File, File) {
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
    let flags = rustix::fs::OFlags::NOCTTY.bits() as i32;
    options.read(true).write(true).custom_flags(flags);
    (master.into(), options.open(name).unwrap())
}
