//! Lines for a reader who may be slow, or never read at all: nothing waits for him.

use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::thread;
use std::time::Duration;

use crate::cli::tell;

/// Lines that may wait: a quarter of an hour's.
const LINES: usize = 1000;
/// How long the last ones are waited for.
const PATIENCE: Duration = Duration::from_millis(500);

/// Passes whole lines on to a thread that writes them. Those for which there is no room are left
/// out and counted.
pub(super) struct Outlet {
    line: Vec<u8>,
    lines: Option<SyncSender<Vec<u8>>>,
    end: Receiver<io::Result<()>>,
    lost: u64,
}

impl Outlet {
    pub fn new(mut to: impl Write + Send + 'static) -> io::Result<Self> {
        let (lines, waiting) = mpsc::sync_channel::<Vec<u8>>(LINES);
        let (over, end) = mpsc::channel();
        let write = move || {
            let mut lines = waiting.iter();
            let done = lines.try_for_each(|line| to.write_all(&line).and_then(|()| to.flush()));
            let _ = over.send(done);
        };
        thread::Builder::new().name("lines".into()).spawn(write)?;
        Ok(Self {
            line: Vec::new(),
            lines: Some(lines),
            end,
            lost: 0,
        })
    }
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// The line is whole.
    ///
    /// # Errors
    /// What befell a line before it.
    fn flush(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        let Some(lines) = &self.lines else {
            return Ok(());
        };
        match lines.try_send(line) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => {
                self.lost += 1;
                Ok(())
            }
            Err(TrySendError::Disconnected(_)) => match self.end.try_recv() {
                Ok(Err(error)) => Err(error),
                _ => Err(io::ErrorKind::BrokenPipe.into()),
            },
        }
    }
}

impl Drop for Outlet {
    /// Gives the last lines their time, and tells what was left out.
    fn drop(&mut self) {
        self.lines = None;
        let waited = self.end.recv_timeout(PATIENCE);
        let late = matches!(waited, Err(RecvTimeoutError::Timeout));
        if self.lost > 0 {
            tell(format!(
                "{} line(s) of JSON were left out: nobody read them in time",
                self.lost
            ));
        } else if late {
            tell("the last lines of JSON were not read");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Left, Sheet};
    use super::*;
    use std::time::Instant;

    #[test]
    fn lines_arrive_in_their_order() {
        let sheet = Sheet::default();
        let mut outlet = Outlet::new(sheet.clone()).unwrap();
        for n in 0..100 {
            writeln!(outlet, "{n}").unwrap();
            outlet.flush().unwrap();
        }
        drop(outlet);
        let text = String::from_utf8(sheet.0.lock().unwrap().clone()).unwrap();
        let numbers: Vec<u32> = text.lines().map(|line| line.parse().unwrap()).collect();
        assert_eq!(numbers, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_reader_who_never_reads_holds_nobody_up() {
        struct Stalled;
        impl Write for Stalled {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                thread::sleep(Duration::from_secs(3600));
                Ok(0)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let begun = Instant::now();
        let mut outlet = Outlet::new(Stalled).unwrap();
        for _ in 0..2 * LINES {
            writeln!(outlet, "line").unwrap();
            outlet.flush().unwrap();
        }
        assert!(outlet.lost >= LINES as u64 - 1);
        drop(outlet);
        assert!(begun.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn a_reader_who_has_left_is_noticed() {
        let mut outlet = Outlet::new(Left).unwrap();
        let begun = Instant::now();
        loop {
            writeln!(outlet, "line").unwrap();
            match outlet.flush() {
                Ok(()) => assert!(begun.elapsed() < Duration::from_secs(20)),
                Err(error) => return assert_eq!(error.kind(), io::ErrorKind::BrokenPipe),
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}
