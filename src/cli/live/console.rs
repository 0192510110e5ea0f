//! The loop of a live session: keys, messages, files and the session's own events come in, and
//! how it stands goes out.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::action::{self, Action, Desk, Outcome, Session};
use super::face::{Beside, Face};
use super::input::{Input, Request};
use super::osc::Remote;
use super::screen::Screen;
use super::second::Gathered;
use super::watch::Watch;
use super::{json, words};
use crate::cli::tell;
use crate::run::live::{Event, Recording, State, Status, What};

/// Time between two looks at the session.
const LOOK: Duration = Duration::from_millis(50);
/// Time between two lines.
const LINE: Duration = Duration::from_secs(1);

/// Where it goes.
pub(super) enum Shown {
    /// A picture on the terminal.
    Face(Box<Screen>, Box<Face>),
    /// Lines for people, on the standard error output.
    Lines {
        /// Only what is grave.
        quiet: bool,
    },
    /// Lines for programs.
    Json(Box<dyn Write>),
}

/// Why the loop has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Somebody asked for it, or it was time.
    Asked,
    /// Nobody looks any more.
    Gone,
    /// The session is over for a reason of its own.
    Itself,
}

/// All that stands around a session.
pub(super) struct Console {
    pub desk: Desk,
    pub inputs: Receiver<Input>,
    pub remote: Option<Remote>,
    pub watch: Option<Watch>,
    pub shown: Shown,
    /// To be told with the next events.
    pub notes: Vec<String>,
    /// Recordings that were finished.
    pub recorded: Vec<Recording>,
    /// Why recordings failed.
    pub failed: Vec<String>,
}

impl Console {
    /// Attends to a session until there is a reason to end.
    pub(super) fn run(
        &mut self,
        session: &impl Session,
        until: Option<Instant>,
        stop: impl Fn() -> bool,
    ) -> io::Result<Ending> {
        let mut gathered = Gathered::default();
        let mut looked = Instant::now();
        let mut line = looked + LINE;
        let mut status = session.status();
        loop {
            gathered.add(&status);
            if let Some(ending) = self.listen(looked + LOOK, session, &status) {
                return Ok(ending);
            }
            let now = Instant::now();
            status = session.status();
            let mut events = session.events();
            let note = |text| Event {
                at: status.time,
                what: What::Notice(text),
            };
            events.extend(self.notes.drain(..).map(note));
            for event in &events {
                self.keep(event, &status);
            }
            let left = until.map(|until| until.saturating_duration_since(now));
            if let Err(error) = self.show(&events, &status, now - looked, left) {
                return match error.kind() {
                    io::ErrorKind::BrokenPipe => Ok(Ending::Gone),
                    // A terminal fails only when it has gone.
                    _ if matches!(self.shown, Shown::Face(..)) => Ok(Ending::Gone),
                    _ => Err(error),
                };
            }
            if now >= line {
                let mut second = status.clone();
                gathered.take(&mut second);
                if let Err(error) = self.line(&second) {
                    return match error.kind() {
                        io::ErrorKind::BrokenPipe => Ok(Ending::Gone),
                        _ => Err(error),
                    };
                }
                // Whole seconds, unless one was missed.
                line = (line + LINE).max(now);
            }
            looked = now;
            if status.state == State::Stopped {
                return Ok(Ending::Itself);
            }
            if stop() || left == Some(Duration::ZERO) {
                return Ok(Ending::Asked);
            }
        }
    }

    /// Does what comes in until it is time to look again.
    fn listen(&mut self, until: Instant, session: &impl Session, last: &Status) -> Option<Ending> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let input = match self.inputs.recv_timeout(left) {
                Ok(input) => input,
                Err(RecvTimeoutError::Timeout) => return None,
                Err(RecvTimeoutError::Disconnected) => {
                    std::thread::sleep(left);
                    return None;
                }
            };
            let ending = match input {
                Input::Key(key) => action::of_key(key).and_then(|action| self.act(action, session)),
                // The next picture has the new size.
                Input::Resized => return None,
                Input::Gone => Some(Ending::Gone),
                Input::Osc(Request::Act(action)) => self.act(action, session),
                Input::Osc(Request::Status(asker)) => {
                    if let Some(remote) = &self.remote {
                        remote.reply(asker, last);
                    }
                    None
                }
                Input::Changed(file) => {
                    let chosen = &self.desk.origins[self.desk.index];
                    if chosen.files().contains(&file) {
                        self.desk.apply(Action::Reload, session);
                    }
                    None
                }
            };
            // Whoever sends more than can be done in time must not keep the picture from moving.
            if ending.is_some() || left.is_zero() {
                return ending;
            }
        }
    }

    fn act(&mut self, action: Action, session: &impl Session) -> Option<Ending> {
        if let (Action::Open(origin), Some(watch)) = (&action, &mut self.watch) {
            for file in origin.files() {
                if let Err(error) = watch.add(&file) {
                    self.notes.push(unwatched(&file, &error));
                }
            }
        }
        match self.desk.apply(action.clone(), session) {
            Outcome::Done => None,
            Outcome::Refused => {
                if let Some(remote) = &self.remote {
                    remote.ignore();
                }
                None
            }
            Outcome::Yours => self.mine(&action),
        }
    }

    /// What concerns the picture alone, or the end.
    fn mine(&mut self, action: &Action) -> Option<Ending> {
        match (action, &mut self.shown) {
            (Action::Help, Shown::Face(_, face)) => face.help ^= true,
            (Action::Escape, Shown::Face(_, face)) if face.help => face.help = false,
            (Action::Redraw, Shown::Face(screen, _)) => return gone(screen.clear()),
            (Action::Quit | Action::Escape, _) => return Some(Ending::Asked),
            _ => {}
        }
        None
    }

    /// Remembers what the summary tells.
    fn keep(&mut self, event: &Event, status: &Status) {
        match &event.what {
            What::Recorded(recording) => {
                self.recorded.push(recording.clone());
                // It may have ended by itself.
                self.desk.recording = status.recording.is_some();
            }
            What::RecordingFailed { why } => {
                self.failed.push(why.clone());
                // Another may have begun meanwhile.
                self.desk.recording = status.recording.is_some();
            }
            _ => {}
        }
    }

    /// Events, and the picture.
    fn show(
        &mut self,
        events: &[Event],
        status: &Status,
        passed: Duration,
        left: Option<Duration>,
    ) -> io::Result<()> {
        // A panic on another thread has given the terminal back.
        if matches!(&self.shown, Shown::Face(screen, _) if !screen.is_taken()) {
            self.shown = Shown::Lines { quiet: false };
        }
        match &mut self.shown {
            Shown::Face(screen, face) => {
                face.see(status, passed);
                events.iter().for_each(|event| face.hear(event));
                // The libraries behind the devices write where they like when something fails.
                if events.iter().any(|event| is_trouble(&event.what)) {
                    screen.clear()?;
                }
                let beside = Beside {
                    chosen: self.desk.index,
                    osc: self.remote.as_ref().map(|r| (r.address(), r.ignored())),
                    left,
                };
                screen.draw(|frame| face.draw(frame, status, &beside))
            }
            Shown::Lines { quiet } => {
                for event in events {
                    if !*quiet || words::is_grave(&event.what) {
                        tell(words::clean(&event.to_string()));
                    }
                }
                Ok(())
            }
            Shown::Json(out) => events
                .iter()
                .try_for_each(|event| write(out, &json::event(event))),
        }
    }

    /// The line of a second.
    fn line(&mut self, status: &Status) -> io::Result<()> {
        let ignored = self.remote.as_ref().map(Remote::ignored);
        match &mut self.shown {
            Shown::Lines { quiet: false } => {
                let mut line = words::line(status);
                if let Some(ignored) = ignored.filter(|&ignored| ignored > 0) {
                    line += &format!(" | osc ignored {ignored}");
                }
                tell(line);
                Ok(())
            }
            Shown::Json(out) => write(out, &json::status(status, ignored)),
            _ => Ok(()),
        }
    }
}

fn is_trouble(what: &What) -> bool {
    matches!(
        what,
        What::Lost { .. } | What::Retry { .. } | What::Resumed { .. } | What::Xrun { .. }
    )
}

fn gone(done: io::Result<()>) -> Option<Ending> {
    done.err().map(|_| Ending::Gone)
}

/// Why a file that changes will not be heard by itself.
pub(super) fn unwatched(file: &std::path::Path, error: &notify::Error) -> String {
    let file = file.display();
    format!("{file} is not watched for changes: {error}; load it again by key or message")
}

/// One object, one line, at once.
pub(super) fn write(out: &mut dyn Write, line: &Value) -> io::Result<()> {
    writeln!(out, "{line}")?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Fake, Folder, Left, Sheet, desk, recording};
    use super::*;
    use crate::io::Origin;
    use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
    use std::net::UdpSocket;
    use std::sync::mpsc::{SyncSender, sync_channel};
    use std::thread;

    fn console(count: usize, shown: Shown) -> (Console, SyncSender<Input>) {
        let (sender, inputs) = sync_channel(64);
        let console = Console {
            desk: desk(count),
            inputs,
            remote: None,
            watch: None,
            shown,
            notes: Vec::new(),
            recorded: Vec::new(),
            failed: Vec::new(),
        };
        (console, sender)
    }

    fn soon() -> Option<Instant> {
        Some(Instant::now() + Duration::from_millis(300))
    }

    fn never() -> bool {
        false
    }

    const QUIET: Shown = Shown::Lines { quiet: true };

    #[test]
    fn keys_do_what_they_say_in_their_order() {
        let (mut console, keys) = console(3, QUIET);
        for key in "n1bmR".chars().chain("q".chars()) {
            let key = KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE);
            keys.send(Input::Key(key)).unwrap();
        }
        let fake = Fake::new();
        assert_eq!(console.run(&fake, None, never).unwrap(), Ending::Asked);
        let want = [
            "select 1",
            "select 0",
            "bypass Trails",
            "mix 1.00",
            "record take-x.wav",
        ];
        assert_eq!(fake.calls(), want);
    }

    #[test]
    fn it_ends_when_it_is_time_when_it_is_told_and_when_nobody_looks() {
        let fake = Fake::new();
        let (mut console, inputs) = console(1, QUIET);
        let begun = Instant::now();
        assert_eq!(console.run(&fake, soon(), never).unwrap(), Ending::Asked);
        assert!(begun.elapsed() >= Duration::from_millis(300));
        assert_eq!(console.run(&fake, None, || true).unwrap(), Ending::Asked);
        inputs.send(Input::Gone).unwrap();
        assert_eq!(console.run(&fake, None, never).unwrap(), Ending::Gone);
        fake.change(|status| status.state = State::Stopped);
        assert_eq!(console.run(&fake, None, never).unwrap(), Ending::Itself);
    }

    #[test]
    fn a_flood_does_not_keep_it_from_ending() {
        let (mut console, inputs) = console(1, QUIET);
        let flood = thread::spawn(move || {
            let mix = || Input::Osc(Request::Act(Action::Mix(0.5)));
            while inputs.send(mix()).is_ok() {}
        });
        let begun = Instant::now();
        let ending = console.run(&Fake::new(), soon(), never).unwrap();
        assert_eq!(ending, Ending::Asked);
        assert!(begun.elapsed() < Duration::from_secs(5));
        drop(console);
        flood.join().unwrap();
    }

    #[test]
    fn every_line_for_programs_is_an_object() {
        let sheet = Sheet::default();
        let (mut console, _inputs) = console(1, Shown::Json(Box::new(sheet.clone())));
        let fake = Fake::new();
        fake.say(What::Starved { frames: 64 });
        console.notes.push("a note".into());
        let until = Some(Instant::now() + Duration::from_millis(2500));
        console.run(&fake, until, never).unwrap();
        let text = String::from_utf8(sheet.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let types: Vec<_> = lines.iter().map(|l| l["type"].as_str().unwrap()).collect();
        assert_eq!(types, ["event", "event", "status", "status"]);
        assert_eq!(lines[0]["frames"], 64);
        assert_eq!(lines[1]["text"], "a note");
    }

    #[test]
    fn a_reader_who_leaves_ends_it_quietly() {
        let (mut console, _inputs) = console(1, Shown::Json(Box::new(Left)));
        let ending = console.run(&Fake::new(), None, never).unwrap();
        assert_eq!(ending, Ending::Gone);
    }

    #[test]
    fn a_changed_file_is_loaded_again_only_if_it_is_chosen() {
        let (mut console, inputs) = console(1, QUIET);
        let folder = Folder::new("console-changed");
        let files = ["a.wav", "b.wav"].map(|name| folder.path().join(name));
        console.desk.origins = files.iter().cloned().map(Origin::File).collect();
        let fake = Fake::new();
        inputs.send(Input::Changed(files[1].clone())).unwrap();
        inputs.send(Input::Changed(files[0].clone())).unwrap();
        console.run(&fake, soon(), never).unwrap();
        assert_eq!(fake.calls(), ["reload"]);
    }

    #[test]
    fn messages_over_the_wire_play_and_senseless_ones_are_counted() {
        let (mut console, sender) = console(2, QUIET);
        let remote = Remote::new("127.0.0.1:0".parse().unwrap(), sender).unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let send = |addr: &str, arg: rosc::OscType| {
            let message = rosc::OscMessage {
                addr: addr.into(),
                args: vec![arg],
            };
            let bytes = rosc::encoder::encode(&rosc::OscPacket::Message(message)).unwrap();
            socket.send_to(&bytes, remote.address()).unwrap();
        };
        send("/ir", 2.into());
        send("/ir", 3.into());
        send("/gain", "loud".to_owned().into());
        send("/gain", (-6.0f32).into());
        console.remote = Some(remote);
        let fake = Fake::new();
        let until = Some(Instant::now() + Duration::from_secs(1));
        console.run(&fake, until, never).unwrap();
        assert_eq!(fake.calls(), ["select 1", "gain 0.50"]);
        assert_eq!(console.remote.unwrap().ignored(), 2);
    }

    #[test]
    fn recordings_are_remembered_and_one_that_failed_can_be_begun_again() {
        let (mut console, _inputs) = console(1, QUIET);
        let fake = Fake::new();
        console.desk.apply(Action::Record(true), &fake);
        fake.say(What::Recorded(recording()));
        fake.say(What::RecordingFailed {
            why: "the disk is full".into(),
        });
        console.run(&fake, soon(), never).unwrap();
        assert_eq!(console.recorded, [recording()]);
        assert_eq!(console.failed, ["the disk is full"]);
        assert!(!console.desk.recording);
    }
}
