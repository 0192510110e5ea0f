//! The terminal while a face is drawn on it: taken, given back on every way out, read by a thread
//! of its own.

use std::io::{self, IsTerminal, Stdout, stdin, stdout};
use std::mem::ManuallyDrop;
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::thread;
use std::time::Duration;

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{self, Event};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::{Frame, Terminal};

use super::input::Input;
use crate::cli::hush::Hush;
use crate::cli::signals::before_the_end;

/// The terminal is ours at the moment.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Meanwhile the libraries behind the devices write nothing over it.
static HUSHED: Mutex<Option<Hush>> = Mutex::new(None);

/// Whether a face can be drawn: somebody looks, and can press keys.
pub(super) fn is_possible() -> bool {
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    stdout().is_terminal() && stdin().is_terminal() && !dumb
}

/// Gives the terminal back, if it is ours; from any thread, and never for long: a terminal may
/// take no more text.
pub(super) fn leave() {
    if !TAKEN.swap(false, SeqCst) {
        return;
    }
    hush(None);
    let _ = disable_raw_mode();
    let (done, wait) = mpsc::channel();
    let leave = move || {
        let _ = execute!(stdout(), LeaveAlternateScreen, Show);
        let _ = done.send(());
    };
    match thread::Builder::new().spawn(leave) {
        Ok(_) => drop(wait.recv_timeout(Duration::from_millis(300))),
        // No threads left: then here.
        Err(_) => drop(execute!(stdout(), LeaveAlternateScreen, Show)),
    }
}

fn hush(hush: Option<Hush>) {
    *HUSHED.lock().unwrap_or_else(PoisonError::into_inner) = hush;
}

/// The terminal, taken until this is dropped.
pub(super) struct Screen {
    /// Never dropped: it would show the cursor, which `leave` has done, and panic where it cannot
    /// tell that it could not.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<Stdout>>>,
    end: Arc<AtomicBool>,
}

impl Screen {
    /// Takes the terminal; its keys go to `inputs`.
    pub(super) fn take(inputs: SyncSender<Input>) -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            before_the_end(|_| leave());
            let told = panic::take_hook();
            // The message is of use only where it can be read.
            panic::set_hook(Box::new(move |info| {
                leave();
                told(info);
            }));
        });
        TAKEN.store(true, SeqCst);
        hush(Some(Hush::new()));
        let end = Arc::new(AtomicBool::new(false));
        let taken = (|| {
            enable_raw_mode()?;
            execute!(stdout(), EnterAlternateScreen)?;
            let terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
            let ended = end.clone();
            thread::Builder::new()
                .name("keys".into())
                .spawn(move || listen(&ended, &inputs))?;
            Ok(terminal)
        })();
        match taken {
            Ok(terminal) => Ok(Self {
                terminal: ManuallyDrop::new(terminal),
                end,
            }),
            Err(error) => {
                leave();
                Err(error)
            }
        }
    }

    /// Whether it is still ours: a panic elsewhere gives it back.
    pub(super) fn is_taken(&self) -> bool {
        TAKEN.load(SeqCst)
    }

    /// Draws a picture.
    pub(super) fn draw(&mut self, picture: impl FnOnce(&mut Frame)) -> io::Result<()> {
        self.terminal.draw(picture).map(drop)
    }

    /// Draws the next picture from nothing, should somebody have written over this one.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.terminal.clear()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.end.store(true, SeqCst);
        leave();
    }
}

/// Reads keys. On a thread of its own, since with the terminal gone the reader may never come back.
fn listen(end: &AtomicBool, inputs: &SyncSender<Input>) {
    while !end.load(SeqCst) {
        let input = match event::poll(Duration::from_millis(50)) {
            Ok(false) => continue,
            Ok(true) => match event::read() {
                Ok(Event::Key(key)) => Input::Key(key),
                Ok(Event::Resize(..)) => Input::Resized,
                Ok(_) => continue,
                Err(_) => Input::Gone,
            },
            Err(_) => Input::Gone,
        };
        let gone = matches!(input, Input::Gone);
        if inputs.send(input).is_err() || gone {
            return;
        }
    }
}
