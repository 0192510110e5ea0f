//! Libraries of the system write to the standard error output as they like; while it is hushed,
//! nobody sees it.

/// Until dropped, what is written to the standard error output by this process is lost, our own
/// words too.
#[cfg(unix)]
pub(super) struct Hush(Option<std::os::fd::OwnedFd>);

#[cfg(unix)]
impl Hush {
    /// From now on. Where the system refuses, nothing changes.
    pub fn new() -> Self {
        let hush = || -> std::io::Result<std::os::fd::OwnedFd> {
            let null = std::fs::File::options().write(true).open("/dev/null")?;
            let kept = rustix::io::dup(std::io::stderr())?;
            rustix::stdio::dup2_stderr(null)?;
            Ok(kept)
        };
        Self(hush().ok())
    }
}

#[cfg(unix)]
impl Drop for Hush {
    fn drop(&mut self) {
        if let Some(kept) = self.0.take() {
            let _ = rustix::stdio::dup2_stderr(kept);
        }
    }
}

/// Other systems' libraries are silent.
#[cfg(not(unix))]
pub(super) struct Hush;

#[cfg(not(unix))]
impl Hush {
    /// Nothing to do.
    pub fn new() -> Self {
        Self
    }
}
