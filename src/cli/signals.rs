//! What happens when the process is told to stop: unfinished files go, and what has to end
//! gracefully gets the time to.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// Something wants to end by itself when the process is told to stop.
static GRACEFUL: AtomicBool = AtomicBool::new(false);
/// It was told to.
static ASKED: AtomicBool = AtomicBool::new(false);

/// How the process was told to stop.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    /// The signal's name.
    pub signal: &'static str,
    /// Unfinished files that were removed. No other will get its name from now on.
    pub unfinished: usize,
}

/// What has to be done before the process is ended.
static BEFORE: std::sync::OnceLock<fn(Told)> = std::sync::OnceLock::new();

/// Has this done before the process is ended, as far as it takes no longer than a second: who reads
/// along, and does not read on, shall not hold up the end.
pub(super) fn before_the_end(leave: fn(Told)) {
    let _ = BEFORE.set(leave);
}

/// Does what has to be done.
#[cfg(unix)]
fn leave(told: Told) {
    if let Some(before) = BEFORE.get() {
        let (done, is_done) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            before(told);
            let _ = done.send(());
        });
        let _ = is_done.recv_timeout(std::time::Duration::from_secs(1));
    }
}

/// From now on an interrupt, a request to end or the terminal's going away removes unfinished files
/// before it ends the process, and the limit on file sizes is an error like any other. What somebody
/// had ignored (`nohup`) stays so.
#[cfg(unix)]
pub(super) fn tidy_up_when_told_to_stop() {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};
    use signal_hook::iterator::Signals;
    use signal_hook::low_level::{emulate_default_handler, signal_name};

    let mut told = vec![SIGINT, SIGTERM, SIGXFSZ];
    // Where it cannot be known, they are left alone.
    let heard = |signal: &i32| ignored(*signal) == Some(false);
    told.extend([SIGHUP, SIGQUIT].into_iter().filter(heard));
    // Without a handler the system's own comes: nothing is tidied up then, and nothing is lost.
    if let Ok(mut signals) = Signals::new(told) {
        #[cfg(feature = "live")]
        let _ = hangup::HANDLE.set(signals.handle());
        std::thread::spawn(move || {
            for signal in signals.forever().filter(|&signal| signal != SIGXFSZ) {
                // Once only: who says it again means it, and who asks for a core at once.
                if signal != SIGQUIT && GRACEFUL.swap(false, SeqCst) {
                    ASKED.store(true, SeqCst);
                    continue;
                }
                leave(Told {
                    signal: signal_name(signal).unwrap_or("a signal"),
                    unfinished: crate::io::remove_parts(),
                });
                let _ = emulate_default_handler(signal);
            }
        });
    }
}

/// Whether a signal came ignored; none where that cannot be known.
#[cfg(unix)]
fn ignored(signal: i32) -> Option<bool> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let mask = status.lines().find_map(|l| l.strip_prefix("SigIgn:"))?;
    let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
    Some(mask >> (signal - 1) & 1 == 1)
}

/// Other systems end the process at once.
#[cfg(not(unix))]
pub(super) fn tidy_up_when_told_to_stop() {}

/// While it exists, the first request to stop is only noted, so that the one who holds it can end
/// by himself. The second one ends the process.
#[cfg(feature = "live")]
#[derive(Debug)]
pub(super) struct Graceful(());

#[cfg(feature = "live")]
impl Graceful {
    /// Takes requests over; also the terminal's going away, if that would end the process.
    pub(super) fn begin(terminal: bool) -> Self {
        ASKED.store(false, SeqCst);
        GRACEFUL.store(true, SeqCst);
        #[cfg(unix)]
        hangup::hear(terminal);
        #[cfg(not(unix))]
        let _ = terminal;
        Self(())
    }

    /// Whether there was a request.
    pub(super) fn asked(&self) -> bool {
        ASKED.load(SeqCst)
    }

    /// The end has begun for another reason: a request from now on ends the process.
    pub(super) fn ending(&self) {
        GRACEFUL.store(false, SeqCst);
    }
}

#[cfg(feature = "live")]
impl Drop for Graceful {
    fn drop(&mut self) {
        self.ending();
    }
}

#[cfg(all(unix, feature = "live"))]
mod hangup {
    use std::sync::OnceLock;

    use signal_hook::consts::SIGHUP;
    use signal_hook::iterator::Handle;

    pub static HANDLE: OnceLock<Handle> = OnceLock::new();

    /// Has the signal handled like the others, unless somebody had it ignored (`nohup`).
    pub fn hear(terminal: bool) {
        // Where it cannot be known, who draws on the terminal wants to hear of its end.
        if !super::ignored(SIGHUP).unwrap_or(!terminal)
            && let Some(handle) = HANDLE.get()
        {
            // Without it the terminal's end shows when it is drawn on.
            let _ = handle.add_signal(SIGHUP);
        }
    }
}
