//! The time in which a device is gone, and when to try again.

use std::time::{Duration, Instant};

/// Waits between attempts to get a device back: from this one, twice as long each time, up to
/// that one.
const FIRST_RETRY: Duration = Duration::from_millis(250);
const LAST_RETRY: Duration = Duration::from_secs(4);

/// One outage, however often the devices open and die again meanwhile.
#[derive(Debug)]
pub(super) struct Outage {
    /// When sound stopped.
    pub since: Instant,
    /// Attempts that have failed.
    pub attempts: u32,
    /// What is waited before the next one.
    pub wait: Duration,
    next: Instant,
}

impl Outage {
    /// It begins.
    pub fn begin() -> Self {
        let since = Instant::now();
        Self {
            since,
            attempts: 0,
            wait: FIRST_RETRY,
            next: since + FIRST_RETRY,
        }
    }

    /// After another attempt that has failed.
    pub fn longer(self) -> Self {
        let wait = (2 * self.wait).min(LAST_RETRY);
        Self {
            attempts: self.attempts + 1,
            next: Instant::now() + wait,
            wait,
            ..self
        }
    }

    /// Whether it is time for another attempt.
    pub fn is_due(&self) -> bool {
        Instant::now() >= self.next
    }
}
