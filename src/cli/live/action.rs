//! What a person can do while sound passes, by key or from afar, and how it is done.

use std::path::PathBuf;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::takes::Takes;
use crate::dsp::control::Bypass;
use crate::io::Origin;
use crate::run::live::{Event, Live, Status};

/// Highest gain that can be set while sound passes, in dB.
pub(super) const MOST_DB: f64 = 60.0;
/// Lowest gain that keys reach, in dB; below is only silence.
const LEAST_DB: f64 = -60.0;

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    /// The response after the chosen one; after the last comes the first.
    Next,
    /// The response before it.
    Previous,
    /// The response with this number, from 0.
    Select(usize),
    /// A response that need not be in the list yet.
    Open(Origin),
    /// The chosen response again, from where it came.
    Reload,
    /// Share of the convolved sound, more or less by this much.
    MixBy(f64),
    /// Share of the convolved sound, 0 to 1.
    Mix(f64),
    /// Gain, more or less by so many dB.
    GainBy(f64),
    /// Gain in dB; minus infinity is silence.
    Gain(f64),
    /// Take the convolver out of the way, or back.
    Bypass(Bypass),
    /// In this way out of the way; back if it is so already.
    ToggleBypass(Bypass),
    /// Begin or end a recording.
    Record(bool),
    /// Begin a recording, or end the one under way.
    ToggleRecord,
    /// Show or hide the keys.
    Help,
    /// Close what is open, or else quit.
    Escape,
    /// Draw everything anew.
    Redraw,
    /// End the session.
    Quit,
}

/// The keys, and what they do in words: for the help and the guide.
pub(super) const KEYS: [(&str, &str); 12] = [
    ("n, right", "next response"),
    ("p, left", "previous response"),
    ("1-9", "that response of the list"),
    ("r", "load the response again"),
    ("m, up", "5 % more of the convolved sound"),
    ("M, down", "5 % less of it"),
    ("+, -", "gain 1 dB up or down"),
    ("b", "bypass, the tail rings on (again: back)"),
    ("B", "bypass, at once (again: back)"),
    ("R", "record, or end the recording"),
    ("?, h", "this help"),
    ("q, Esc", "quit; Ctrl-C too"),
];

/// What a key asks for.
pub(super) fn of_key(key: KeyEvent) -> Option<Action> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c' | 'C') => Some(Action::Quit),
            KeyCode::Char('l' | 'L') => Some(Action::Redraw),
            _ => None,
        };
    }
    if key.modifiers.contains(KeyModifiers::ALT) {
        return None;
    }
    Some(match key.code {
        KeyCode::Char('n') | KeyCode::Right => Action::Next,
        KeyCode::Char('p') | KeyCode::Left => Action::Previous,
        KeyCode::Char(digit @ '1'..='9') => Action::Select(digit as usize - '1' as usize),
        KeyCode::Char('r') => Action::Reload,
        KeyCode::Char('m') | KeyCode::Up => Action::MixBy(0.05),
        KeyCode::Char('M') | KeyCode::Down => Action::MixBy(-0.05),
        KeyCode::Char('+' | '=') => Action::GainBy(1.0),
        KeyCode::Char('-') => Action::GainBy(-1.0),
        KeyCode::Char('b') => Action::ToggleBypass(Bypass::Trails),
        KeyCode::Char('B') => Action::ToggleBypass(Bypass::Cut),
        KeyCode::Char('R') => Action::ToggleRecord,
        KeyCode::Char('?' | 'h') => Action::Help,
        KeyCode::Char('q') => Action::Quit,
        KeyCode::Esc => Action::Escape,
        _ => return None,
    })
}

/// A session as it is watched and played; a trait so that one can be made up.
pub(super) trait Session {
    fn status(&self) -> Status;
    fn events(&self) -> Vec<Event>;
    fn select(&self, index: usize);
    fn add(&self, origin: Origin);
    fn reload(&self);
    fn set_mix(&self, mix: f64);
    fn set_gain(&self, gain: f64);
    fn bypass(&self, bypass: Bypass);
    fn record(&self, path: Option<PathBuf>);
}

impl Session for Live {
    fn status(&self) -> Status {
        Live::status(self)
    }
    fn events(&self) -> Vec<Event> {
        Live::events(self)
    }
    fn select(&self, index: usize) {
        Live::select(self, index);
    }
    fn add(&self, origin: Origin) {
        Live::add(self, origin);
    }
    fn reload(&self) {
        Live::reload(self);
    }
    fn set_mix(&self, mix: f64) {
        Live::set_mix(self, mix);
    }
    fn set_gain(&self, gain: f64) {
        Live::set_gain(self, gain);
    }
    fn bypass(&self, bypass: Bypass) {
        Live::bypass(self, bypass);
    }
    fn record(&self, path: Option<PathBuf>) {
        Live::record(self, path);
    }
}

/// What becomes of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is done.
    Done,
    /// It makes no sense here, and nothing was done.
    Refused,
    /// It is none of the session's business: the one who shows it has to see to it.
    Yours,
}

/// What was wished for last. The session follows a little later; keys count from the wishes, so
/// that none is lost that comes in between.
#[derive(Debug)]
pub(super) struct Desk {
    /// The responses in the session's order.
    pub origins: Vec<Origin>,
    /// The one chosen, whether it could be had or not.
    pub index: usize,
    pub mix: f64,
    pub gain: f64,
    pub bypass: Bypass,
    pub recording: bool,
    pub takes: Takes,
}

impl Desk {
    /// Does what is asked for, with the session.
    pub(super) fn apply(&mut self, action: Action, session: &impl Session) -> Outcome {
        let count = self.origins.len();
        match action {
            Action::Next => return self.select((self.index + 1) % count, session),
            Action::Previous => return self.select((self.index + count - 1) % count, session),
            Action::Select(index) => return self.select(index, session),
            Action::Open(origin) => match self.origins.iter().position(|o| *o == origin) {
                Some(index) => return self.select(index, session),
                None => {
                    self.index = count;
                    self.origins.push(origin.clone());
                    session.add(origin);
                }
            },
            Action::Reload => self.reload(session),
            Action::MixBy(step) => {
                // On the grid of the step, so that 1 and 0 are reached exactly.
                let steps = ((self.mix + step) / step).round();
                return self.apply(Action::Mix((steps * step).clamp(0.0, 1.0)), session);
            }
            Action::Mix(mix) if (0.0..=1.0).contains(&mix) => {
                self.mix = mix;
                session.set_mix(mix);
            }
            Action::GainBy(step) => {
                let db = (20.0 * self.gain.abs().log10()).max(LEAST_DB - 1.0);
                let db = db + step;
                let db = if db < LEAST_DB { f64::NEG_INFINITY } else { db };
                return self.apply(Action::Gain(db.min(MOST_DB)), session);
            }
            Action::Gain(db) if db <= MOST_DB => {
                // A polarity that was asked for stays.
                self.gain = 10f64.powf(db / 20.0).copysign(self.gain);
                session.set_gain(self.gain);
            }
            Action::Mix(_) | Action::Gain(_) => return Outcome::Refused,
            Action::Bypass(bypass) => {
                self.bypass = bypass;
                session.bypass(bypass);
            }
            Action::ToggleBypass(way) => {
                let back = self.bypass == way;
                let bypass = if back { Bypass::Off } else { way };
                return self.apply(Action::Bypass(bypass), session);
            }
            Action::Record(on) if on == self.recording => {}
            Action::Record(on) => {
                self.recording = on;
                session.record(on.then(|| self.takes.next()));
            }
            Action::ToggleRecord => {
                return self.apply(Action::Record(!self.recording), session);
            }
            Action::Help | Action::Escape | Action::Redraw | Action::Quit => return Outcome::Yours,
        }
        Outcome::Done
    }

    fn select(&mut self, index: usize, session: &impl Session) -> Outcome {
        if index >= self.origins.len() {
            return Outcome::Refused;
        }
        self.index = index;
        session.select(index);
        Outcome::Done
    }

    /// The chosen response, which the session may have failed to get before.
    fn reload(&self, session: &impl Session) {
        if session.status().ir.index == self.index {
            session.reload();
        } else {
            session.select(self.index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Fake, desk};
    use super::*;

    fn key(code: KeyCode, modifiers: KeyModifiers) -> Option<Action> {
        of_key(KeyEvent::new(code, modifiers))
    }

    #[test]
    fn control_c_quits_and_other_control_keys_do_not_play() {
        let control = KeyModifiers::CONTROL;
        assert_eq!(key(KeyCode::Char('c'), control), Some(Action::Quit));
        for letter in ['n', 'b', 'r', 'm', 'q', 'z'] {
            assert_eq!(key(KeyCode::Char(letter), control), None, "{letter}");
        }
    }

    #[test]
    fn a_key_that_is_let_go_does_nothing() {
        let mut event = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
        event.kind = KeyEventKind::Release;
        assert_eq!(of_key(event), None);
    }

    #[test]
    fn a_digit_is_a_place_in_the_list() {
        let none = KeyModifiers::NONE;
        assert_eq!(key(KeyCode::Char('1'), none), Some(Action::Select(0)));
        assert_eq!(key(KeyCode::Char('9'), none), Some(Action::Select(8)));
        assert_eq!(key(KeyCode::Char('0'), none), None);
    }

    #[test]
    fn the_list_goes_round() {
        let (mut desk, fake) = (desk(3), Fake::new());
        for action in [Action::Next, Action::Next, Action::Next, Action::Previous] {
            assert_eq!(desk.apply(action, &fake), Outcome::Done);
        }
        assert_eq!(
            fake.calls(),
            ["select 1", "select 2", "select 0", "select 2"]
        );
    }

    #[test]
    fn a_place_that_does_not_exist_is_refused() {
        let (mut desk, fake) = (desk(3), Fake::new());
        assert_eq!(desk.apply(Action::Select(3), &fake), Outcome::Refused);
        assert_eq!(
            desk.apply(Action::Select(usize::MAX), &fake),
            Outcome::Refused
        );
        assert!(fake.calls().is_empty());
    }

    #[test]
    fn a_response_from_outside_is_added_once() {
        let (mut desk, fake) = (desk(1), Fake::new());
        let hall: Origin = "synth:hall".parse().unwrap();
        desk.apply(Action::Open(hall.clone()), &fake);
        desk.apply(Action::Previous, &fake);
        desk.apply(Action::Open(hall), &fake);
        assert_eq!(fake.calls(), ["add synth:hall", "select 0", "select 1"]);
    }

    #[test]
    fn the_mix_moves_in_steps_and_ends_at_its_ends() {
        let (mut desk, fake) = (desk(1), Fake::new());
        for _ in 0..30 {
            desk.apply(Action::MixBy(-0.05), &fake);
        }
        assert_eq!(desk.mix, 0.0);
        for _ in 0..10 {
            desk.apply(Action::MixBy(0.05), &fake);
        }
        assert!((desk.mix - 0.5).abs() < 1e-12);
        for _ in 0..30 {
            desk.apply(Action::MixBy(0.05), &fake);
        }
        assert_eq!(desk.mix, 1.0);
        for wrong in [-0.1, 1.1, f64::NAN] {
            assert_eq!(desk.apply(Action::Mix(wrong), &fake), Outcome::Refused);
        }
    }

    #[test]
    fn the_gain_goes_down_to_silence_and_comes_back() {
        let (mut desk, fake) = (desk(1), Fake::new());
        desk.gain = -1.0;
        desk.apply(Action::GainBy(-1.0), &fake);
        assert!(
            (desk.gain + 10f64.powf(-0.05)).abs() < 1e-12,
            "{}",
            desk.gain
        );
        for _ in 0..100 {
            desk.apply(Action::GainBy(-1.0), &fake);
        }
        assert_eq!(desk.gain, 0.0);
        desk.apply(Action::GainBy(1.0), &fake);
        assert!((desk.gain.abs() - 1e-3).abs() < 1e-9, "{}", desk.gain);
        for _ in 0..200 {
            desk.apply(Action::GainBy(1.0), &fake);
        }
        assert!((desk.gain.abs() - 1e3).abs() < 1e-6, "{}", desk.gain);
        for wrong in [60.1, f64::INFINITY, f64::NAN] {
            assert_eq!(desk.apply(Action::Gain(wrong), &fake), Outcome::Refused);
        }
    }

    #[test]
    fn bypass_comes_back_by_the_key_that_made_it() {
        let (mut desk, fake) = (desk(1), Fake::new());
        for way in [Bypass::Trails, Bypass::Cut, Bypass::Cut, Bypass::Trails] {
            desk.apply(Action::ToggleBypass(way), &fake);
        }
        let want = ["bypass Trails", "bypass Cut", "bypass Off", "bypass Trails"];
        assert_eq!(fake.calls(), want);
    }

    #[test]
    fn a_recording_begins_once_and_ends_once() {
        let (mut desk, fake) = (desk(1), Fake::new());
        for on in [true, true, false, false, true] {
            desk.apply(Action::Record(on), &fake);
        }
        let want = ["record take-x.wav", "record none", "record take-x-2.wav"];
        assert_eq!(fake.calls(), want);
    }

    #[test]
    fn a_response_that_could_not_be_had_is_asked_for_again() {
        let (mut desk, fake) = (desk(2), Fake::new());
        desk.apply(Action::Reload, &fake);
        desk.apply(Action::Next, &fake);
        desk.apply(Action::Reload, &fake);
        assert_eq!(fake.calls(), ["reload", "select 1", "select 1"]);
    }
}
