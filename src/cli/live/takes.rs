//! Names of recordings: each its own, none twice.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Hands out a name for each recording of a session.
#[derive(Debug)]
pub(super) struct Takes {
    first: Option<PathBuf>,
    given: usize,
}

impl Takes {
    /// `first` is the name that was asked for; `given` tells whether it is in use already.
    pub(super) fn new(first: Option<PathBuf>, given: bool) -> Self {
        Self {
            first,
            given: usize::from(given),
        }
    }

    /// The next name, which no file has: `out.wav`, `out-2.wav`, `out-3.wav`; without a first one
    /// it is made of the time.
    pub(super) fn next(&mut self) -> PathBuf {
        let first = self
            .first
            .get_or_insert_with(|| stamped(SystemTime::now()).into());
        loop {
            self.given += 1;
            let name = numbered(first, self.given);
            // Also a link that leads nowhere is somebody's.
            if name.symlink_metadata().is_err() {
                return name;
            }
        }
    }
}

fn numbered(first: &Path, number: usize) -> PathBuf {
    if number == 1 {
        return first.to_owned();
    }
    let mut name: OsString = first.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{number}"));
    if let Some(extension) = first.extension() {
        name.push(".");
        name.push(extension);
    }
    first.with_file_name(name)
}

/// `faltung-YYYYMMDD-HHMMSS.wav`, by the world's clock (UTC).
fn stamped(now: SystemTime) -> String {
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days to a date, with years that begin in March (Hinnant, chrono-compatible algorithms).
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day = shifted % 146_097;
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let in_year = day - (365 * year + year / 4 - year / 100);
    let march = (5 * in_year + 2) / 153;
    let date = in_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("faltung-{year:04}{month:02}{date:02}-{hour:02}{minute:02}{second:02}.wav")
}

#[cfg(test)]
mod tests {
    use super::super::tests::Folder;
    use super::*;
    use std::fs;
    use std::time::Duration;

    #[test]
    fn a_time_becomes_a_name() {
        for (seconds, name) in [
            (0, "faltung-19700101-000000.wav"),
            (951_782_399, "faltung-20000228-235959.wav"),
            (951_782_400, "faltung-20000229-000000.wav"),
            (1_735_689_599, "faltung-20241231-235959.wav"),
            (4_107_542_400, "faltung-21000301-000000.wav"),
        ] {
            assert_eq!(stamped(UNIX_EPOCH + Duration::from_secs(seconds)), name);
        }
    }

    #[test]
    fn each_recording_has_a_name_that_no_file_has() {
        let folder = Folder::new("takes");
        let first = folder.path().join("out.take.wav");
        let mut takes = Takes::new(Some(first.clone()), false);
        assert_eq!(takes.next(), first);
        assert_eq!(takes.next(), folder.path().join("out.take-2.wav"));
        fs::write(folder.path().join("out.take-3.wav"), "theirs").unwrap();
        assert_eq!(takes.next(), folder.path().join("out.take-4.wav"));
        let mut takes = Takes::new(Some(first), true);
        assert_eq!(takes.next(), folder.path().join("out.take-2.wav"));
        let mut takes = Takes::new(Some("plain".into()), true);
        assert_eq!(takes.next(), Path::new("plain-2"));
    }
}
