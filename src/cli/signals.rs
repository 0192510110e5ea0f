//! What happens when the process is told to stop: unfinished files go.

/// From now on an interrupt or a request to end removes unfinished files before it ends the
/// process, and the limit on file sizes is an error like any other.
#[cfg(unix)]
pub(super) fn tidy_up_when_told_to_stop() {
    use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
    use signal_hook::iterator::Signals;
    use signal_hook::low_level::emulate_default_handler;

    // Without a handler the system's own comes: nothing is tidied up then, and nothing is lost.
    if let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGXFSZ]) {
        std::thread::spawn(move || {
            for signal in signals.forever().filter(|&signal| signal != SIGXFSZ) {
                crate::io::remove_parts();
                let _ = emulate_default_handler(signal);
            }
        });
    }
}

/// Other systems end the process at once.
#[cfg(not(unix))]
pub(super) fn tidy_up_when_told_to_stop() {}
