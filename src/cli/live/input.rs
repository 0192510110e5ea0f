//! What comes in from the threads that listen: keys, messages, changed files.

use std::net::SocketAddr;
use std::path::PathBuf;

use ratatui::crossterm::event::KeyEvent;

use super::action::Action;

/// What comes in from other threads.
#[derive(Debug)]
pub(super) enum Input {
    /// A key was pressed.
    Key(KeyEvent),
    /// The terminal has another size.
    Resized,
    /// The terminal has gone.
    Gone,
    /// A message came.
    Osc(Request),
    /// A file has changed.
    Changed(PathBuf),
}

/// What a message asks for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Request {
    /// To do something.
    Act(Action),
    /// To tell the sender how things stand.
    Status(SocketAddr),
}
