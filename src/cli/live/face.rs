//! The face: a session drawn on a terminal of any size.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph};

use super::action::KEYS;
use super::meter::{FLOOR, Meter};
use super::second::Gathered;
use super::words;
use crate::cli::gain;
use crate::dsp::control::Bypass;
use crate::run::live::{Event, Level, Load, State, Status};

/// Events that are kept.
const EVENTS: usize = 200;
/// From this width on, inputs and outputs stand side by side.
const WIDE: u16 = 60;
/// Levels from which a meter changes its colour, in dB.
const HIGH: f32 = -6.0;
const FULL: f32 = -1.0;

/// What is drawn besides the session's own status.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beside {
    /// The response that was chosen last.
    pub chosen: usize,
    /// Where messages may come from, and how many made no sense.
    pub osc: Option<(SocketAddr, u64)>,
    /// Time until the session ends by itself.
    pub left: Option<Duration>,
}

/// What moves, and what was said.
#[derive(Debug, Default)]
pub(super) struct Face {
    inputs: Vec<Meter>,
    outputs: Vec<Meter>,
    gathered: Gathered,
    load: Load,
    since: Duration,
    events: VecDeque<String>,
    /// The keys are shown.
    pub help: bool,
}

impl Face {
    /// Sees how the session stands after some time.
    pub(super) fn see(&mut self, status: &Status, passed: Duration) {
        move_all(&mut self.inputs, &status.input_levels, passed);
        move_all(&mut self.outputs, &status.output_levels, passed);
        self.gathered.add(status);
        self.since += passed;
        // Slow enough to be read.
        if self.since >= Duration::from_secs(1) || self.load == Load::default() {
            let mut second = status.clone();
            self.gathered.take(&mut second);
            self.load = second.load;
            self.since = Duration::ZERO;
        }
    }

    /// Takes note of an event.
    pub(super) fn hear(&mut self, event: &Event) {
        if self.events.len() == EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(words::clean(&event.to_string()));
    }

    /// Draws everything there is room for, what matters most first.
    pub(super) fn draw(&self, frame: &mut Frame, status: &Status, beside: &Beside) {
        let area = frame.area();
        let mut rows = Rows { area, next: 0 };
        let footer = u16::from(area.height >= 6);
        let body = area.height.saturating_sub(1 + footer);
        rows.put(frame, title(status, beside));

        let wide = area.width >= WIDE;
        let (ins, outs) = (self.inputs.len(), self.outputs.len());
        let meters = if wide { ins.max(outs) } else { ins + outs };
        let meters = rows_of(meters).min((body / 3).max(1)).min(body);
        let mut facts = self.facts(status, beside);
        let airy = u16::from(body >= 18);
        let event = u16::from(body >= 6);
        let room = body.saturating_sub(meters + event + 2 * airy);
        facts.sort_by_key(|fact| fact.rank);
        facts.truncate(room.into());
        facts.sort_by_key(|fact| fact.place);
        let rest = body - meters - rows_of(facts.len()).min(body - meters);
        let rest = rest.saturating_sub(2 * airy);

        rows.skip(0);
        self.meters(frame, rows.take(meters), status, wide);
        rows.skip(airy);
        for fact in facts {
            rows.put(frame, fact.line);
        }
        rows.skip(airy);
        // A list of one tells nothing that is not told already.
        let many = status.irs.len() > 1 && rest > 2;
        let list = if many {
            rows_of(status.irs.len()).min(rest / 2)
        } else {
            0
        };
        responses(frame, rows.take(list), status, beside);
        let gap = u16::from(airy > 0 && list > 0 && rest > list + 3);
        rows.skip(gap);
        self.last_events(frame, rows.take(rest.saturating_sub(list + gap)));
        if footer > 0 {
            let keys = if area.width >= 78 {
                " n/p response  m/M mix  +/- gain  b bypass  r reload  R record  ? help  q quit"
            } else {
                " ? help  q quit  n p m M + - b r R"
            };
            let last = Rect {
                y: area.bottom().saturating_sub(1),
                height: 1,
                ..area
            };
            frame.render_widget(Line::styled(keys, dim()), last);
        }
        if self.help {
            help(frame);
        }
    }

    fn meters(&self, frame: &mut Frame, area: Rect, status: &Status, wide: bool) {
        let named = |what, channels: &[usize], meters: &[Meter]| -> Vec<(String, Meter)> {
            let number = |k: usize| channels.get(k).map_or(k, |&channel| channel) + 1;
            let meter = |(k, meter): (usize, &Meter)| (format!("{what} {}", number(k)), *meter);
            meters.iter().enumerate().map(meter).collect()
        };
        let ins = named("in", &status.inputs, &self.inputs);
        let outs = named("out", &status.outputs, &self.outputs);
        if wide {
            let half = area.width / 2;
            let right = Rect {
                x: area.x + half,
                width: area.width - half,
                ..area
            };
            let left = Rect {
                width: half,
                ..area
            };
            draw_meters(frame, left, &ins);
            draw_meters(frame, right, &outs);
        } else {
            // Both, even where there is hardly room.
            let upper = rows_of(ins.len()).min(area.height.div_ceil(2));
            let upper = upper.max(area.height.saturating_sub(rows_of(outs.len())));
            let upper = upper.min(area.height);
            let over = Rect {
                height: upper,
                ..area
            };
            let below = Rect {
                y: area.y + upper,
                height: area.height - upper,
                ..area
            };
            draw_meters(frame, over, &ins);
            draw_meters(frame, below, &outs);
        }
    }

    fn facts(&self, status: &Status, beside: &Beside) -> Vec<Fact> {
        let rate = f64::from(status.output.rate.hz());
        let (counts, latency) = (&status.counts, &status.latency);
        let total = latency.total();
        let mut facts = Facts::default();

        let number = status.ir.index + 1;
        let ir = format!("{number} {}", words::response(&status.ir, status));
        let style = if status.ir.pending { warn() } else { bold() };
        facts.add(1, "response", ir, style);

        let mut sound = format!(
            "mix {}   gain {}   bypass {}",
            words::percent(status.mix),
            gain(status.gain),
            status.bypass,
        );
        sound += &match status.guard_db {
            Some(db) => format!("   guard {:.1} dB", if db == 0.0 { 0.0 } else { db }),
            None => String::from("   guard off"),
        };
        let held = status.guard_db.is_some_and(|db| db < -0.05);
        let special = held || status.bypass != Bypass::Off;
        facts.add(2, "sound", sound, if special { warn() } else { plain() });

        let mut dropouts = counts.dropouts().to_string();
        if let Some(at) = status.last_dropout {
            dropouts += &format!(", the last at {}", words::clock(at));
        }
        for (count, what) in [
            (counts.lost_frames(), "frames lost"),
            (counts.nonfinite, "not finite"),
            (counts.clipped, "clipped"),
            (counts.caught, "caught"),
            (counts.reconnects, "reconnected"),
        ] {
            if count > 0 {
                dropouts += &format!("; {count} {what}");
            }
        }
        let recent = |at: Duration| status.time.saturating_sub(at) < Duration::from_secs(10);
        let style = if status.last_dropout.is_some_and(recent) {
            bad()
        } else {
            plain()
        };
        facts.add(3, "dropouts", dropouts, style);

        let share = |load: f32| words::percent(load.into());
        let load = format!(
            "mean {}, worst {}; worst ever {}",
            share(self.load.mean),
            share(self.load.worst),
            share(self.load.worst_ever),
        );
        let style = match self.load.worst {
            worst if worst >= 1.0 => bad(),
            worst if worst >= 0.7 => warn(),
            _ => plain(),
        };
        facts.add(4, "load", load, style);

        let mut buffer = format!("fill {:.0} of {:.0} frames", status.fill, status.target);
        buffer += &match status.drift_ppm {
            Some(ppm) => format!(", drift {ppm:+.1} ppm"),
            None => String::from(", no drift known"),
        };
        facts.add(6, "buffer", buffer, plain());
        let ms = 1e3 * total / rate;
        let text = format!("{total:.0} frames, {ms:.1} ms");
        facts.add(5, "latency", text, plain());
        facts.add(8, "", words::parts(latency), dim());
        if let Some(recording) = &status.recording {
            let seconds = Duration::from_secs_f64(recording.frames as f64 / rate);
            let mut text = format!("{} {}", words::clock(seconds), recording.path.display());
            let style = match recording.lost {
                0 => plain(),
                lost => {
                    text += &format!("; {lost} frames lost");
                    bad()
                }
            };
            facts.add(3, "record", words::clean(&text), style);
        }
        let (input, output) = (&status.input, &status.output);
        let devices = if input.host == output.host {
            format!("{}: {} to {}", input.host, input.device, output.device)
        } else {
            let (from, to) = (&input.host, &output.host);
            format!("{from}: {} to {to}: {}", input.device, output.device)
        };
        let rates = if input.rate == output.rate {
            format!(", {}", output.rate)
        } else {
            format!(", {} to {}", input.rate, output.rate)
        };
        facts.add(9, "devices", words::clean(&(devices + &rates)), dim());
        if let Some((address, ignored)) = beside.osc {
            let text = match ignored {
                0 => address.to_string(),
                count => format!("{address}, {count} message(s) ignored"),
            };
            facts.add(10, "osc", text, dim());
        }
        facts.0
    }

    fn last_events(&self, frame: &mut Frame, area: Rect) {
        let first = self.events.len().saturating_sub(area.height.into());
        let mut rows = Rows { area, next: 0 };
        for (k, event) in self.events.iter().enumerate().skip(first) {
            let newest = k + 1 == self.events.len();
            let style = if newest { plain() } else { dim() };
            rows.put(frame, Line::styled(format!(" {event}"), style));
        }
    }
}

fn move_all(meters: &mut Vec<Meter>, levels: &[Level], passed: Duration) {
    meters.resize(levels.len(), Meter::default());
    for (meter, level) in meters.iter_mut().zip(levels) {
        meter.see(level.peak, passed);
    }
}

/// A line of what is so.
struct Fact {
    /// 0 for what must be seen where there is hardly room.
    rank: u8,
    place: usize,
    line: Line<'static>,
}

#[derive(Default)]
struct Facts(Vec<Fact>);

impl Facts {
    fn add(&mut self, rank: u8, name: &'static str, text: String, style: Style) {
        let place = self.0.len();
        let name = Span::styled(format!(" {name:<9}"), dim());
        let line = Line::from(vec![name, Span::styled(text, style)]);
        self.0.push(Fact { rank, place, line });
    }
}

/// Rows of an area from the top; what is beyond its end is not drawn.
struct Rows {
    area: Rect,
    next: u16,
}

impl Rows {
    fn take(&mut self, count: u16) -> Rect {
        let left = self.area.height.saturating_sub(self.next);
        let rows = Rect {
            y: self.area.y + self.next.min(self.area.height),
            height: count.min(left),
            ..self.area
        };
        self.next += rows.height;
        rows
    }

    fn skip(&mut self, count: u16) {
        self.take(count);
    }

    fn put(&mut self, frame: &mut Frame, line: Line) {
        let row = self.take(1);
        frame.render_widget(line, row);
    }
}

fn rows_of(count: usize) -> u16 {
    count.try_into().unwrap_or(u16::MAX)
}

fn plain() -> Style {
    Style::new()
}

fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

fn warn() -> Style {
    Style::new().fg(Color::Yellow)
}

fn bad() -> Style {
    Style::new().fg(Color::Red).add_modifier(Modifier::BOLD)
}

fn title(status: &Status, beside: &Beside) -> Line<'static> {
    let state = match status.state {
        State::Running => Style::new().fg(Color::Green).add_modifier(Modifier::BOLD),
        State::Lost { .. } => bad(),
        _ => warn(),
    };
    let mut spans = vec![
        Span::styled(" faltung ", bold()),
        Span::styled(words::state(status.state), state),
        Span::raw(format!("  {}", words::clock(status.time))),
    ];
    if let Some(left) = beside.left {
        spans.push(Span::raw(format!(" (ends in {})", words::clock(left))));
    }
    if status.recording.is_some() {
        spans.push(Span::styled("  REC", bad()));
    }
    if status.bypass != Bypass::Off {
        spans.push(Span::styled("  BYPASS", warn()));
    }
    Line::from(spans)
}

fn draw_meters(frame: &mut Frame, area: Rect, meters: &[(String, Meter)]) {
    let mut rows = Rows { area, next: 0 };
    let names = meters.iter().map(|(name, _)| name.len()).max();
    let names = names.unwrap_or(0);
    let hidden = meters.len().saturating_sub(area.height.into());
    for (k, (name, meter)) in meters.iter().enumerate().take(area.height.into()) {
        let more = hidden > 0 && k + 1 == usize::from(area.height);
        let level = match meter.mark() {
            mark if mark <= FLOOR => String::from("  -"),
            mark => format!("{mark:5.1}"),
        };
        let mut spans = vec![Span::raw(format!(" {name:<names$} "))];
        let taken = names + 2 + 6 + if more { 5 } else { 0 };
        let cells = usize::from(area.width).saturating_sub(taken + 1);
        spans.extend(bar(meter, cells));
        spans.push(Span::styled(format!(" {level:<5}"), colour(meter.mark())));
        if more {
            // The last row tells that it is not the last channel.
            spans.push(Span::styled(format!(" +{hidden:<3}"), dim()));
        }
        rows.put(frame, Line::from(spans));
    }
}

/// The colour of a level.
fn colour(db: f32) -> Style {
    Style::new().fg(match db {
        db if db >= FULL => Color::Red,
        db if db >= HIGH => Color::Yellow,
        _ => Color::Green,
    })
}

/// A bar from [`FLOOR`] to full scale, with its mark.
fn bar(meter: &Meter, cells: usize) -> impl Iterator<Item = Span<'static>> {
    const EIGHTHS: [&str; 9] = [" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"];
    let place = |db: f32| ((db - FLOOR) / -FLOOR).clamp(0.0, 1.0) * cells as f32;
    let (level, mark) = (place(meter.level()), place(meter.mark()));
    let marked = (mark > 0.0).then_some(mark.ceil() as usize);
    (0..cells).map(move |cell| {
        let db = FLOOR * (1.0 - (cell as f32 + 0.5) / cells as f32);
        let part = ((level - cell as f32).clamp(0.0, 1.0) * 8.0) as usize;
        let text = match part {
            0..8 if marked == Some(cell + 1) => "│",
            0 => "·",
            part => EIGHTHS[part],
        };
        let style = if text == "·" { dim() } else { colour(db) };
        Span::styled(text, style)
    })
}

/// The list around the chosen response.
fn responses(frame: &mut Frame, area: Rect, status: &Status, beside: &Beside) {
    let (count, rows) = (status.irs.len(), usize::from(area.height));
    let first = beside.chosen.saturating_sub(rows / 2);
    let first = first.min(count.saturating_sub(rows));
    let mut lines = Rows { area, next: 0 };
    for (k, name) in status.irs.iter().enumerate().skip(first).take(rows) {
        let heard = k == status.ir.index;
        let (sign, style) = match (heard, k == beside.chosen) {
            (true, _) if !status.ir.pending => (">", bold()),
            (true, _) | (_, true) => ("~", warn()),
            _ => (" ", plain()),
        };
        let name = words::clean(name);
        lines.put(
            frame,
            Line::styled(format!(" {sign} {} {name}", k + 1), style),
        );
    }
}

fn help(frame: &mut Frame) {
    let area = frame.area();
    let lines: Vec<_> = KEYS
        .iter()
        .map(|(keys, what)| {
            let keys = Span::styled(format!(" {keys:<9}"), bold());
            Line::from(vec![keys, Span::raw(*what)])
        })
        .collect();
    let (width, height) = (52.min(area.width), rows_of(KEYS.len() + 2).min(area.height));
    let place = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    frame.render_widget(Clear, place);
    let block = Block::bordered().title(" keys ");
    frame.render_widget(Paragraph::new(lines).block(block), place);
}

#[cfg(test)]
mod tests {
    use super::super::tests::status;
    use super::*;
    use crate::run::live::{Recording, What};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn beside() -> Beside {
        Beside {
            chosen: 0,
            osc: Some(("127.0.0.1:9000".parse().unwrap(), 3)),
            left: Some(Duration::from_secs(5)),
        }
    }

    fn face(status: &Status) -> Face {
        let mut face = Face::default();
        face.see(status, Duration::from_millis(50));
        for k in 0..30 {
            face.hear(&Event {
                at: Duration::from_secs(k),
                what: What::Notice(format!("note {k}")),
            });
        }
        face
    }

    fn picture(face: &Face, status: &Status, beside: &Beside, size: (u16, u16)) -> String {
        let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
        let drawn = terminal.draw(|frame| face.draw(frame, status, beside));
        let buffer = drawn.unwrap().buffer;
        let symbols: Vec<_> = buffer.content().iter().map(|cell| cell.symbol()).collect();
        let rows = symbols.chunks(size.0.max(1).into());
        rows.map(|row| row.concat() + "\n").collect()
    }

    #[test]
    fn everything_is_there_on_80_by_24() {
        let mut status = status();
        status.recording = Some(Recording {
            path: "take.wav".into(),
            frames: 96_000,
            lost: 0,
        });
        status.bypass = Bypass::Trails;
        let text = picture(&face(&status), &status, &beside(), (80, 24));
        for want in [
            "faltung running  01:15 (ends in 00:05)  REC  BYPASS",
            "in 1 ",
            "out 2 ",
            "1 hall.wav: 2 ch, 2.000 s, resampled from 44100 Hz",
            "mix 100 %   gain 0.0 dB   bypass trails   guard -0.4 dB",
            "3, the last at 01:14; 640 frames lost",
            "mean 5 %, worst 11 %; worst ever 20 %",
            "fill 510 of 512 frames, drift +1.2 ppm",
            "1088 frames, 22.7 ms",
            "input 256, buffer 512, resampler 64, engine 0, output 256",
            "00:02 take.wav",
            "jack: system to system, 48000 Hz",
            "127.0.0.1:9000, 3 message(s) ignored",
            "> 1 hall.wav",
            "  2 plate.wav",
            "note 29",
            "n/p response",
        ] {
            assert!(text.contains(want), "{want} in\n{text}");
        }
    }

    #[test]
    fn what_matters_is_there_on_40_by_10() {
        let status = status();
        let text = picture(&face(&status), &status, &beside(), (40, 10));
        for want in [
            "running",
            "in 1 ",
            "out 1 ",
            "hall.wav",
            "mix 100 %",
            "dropouts",
            "load",
            "note 29",
        ] {
            assert!(text.contains(want), "{want} in\n{text}");
        }
    }

    #[test]
    fn no_size_and_no_number_of_channels_is_too_much() {
        for channels in [0, 1, 2, 9, 64] {
            let mut status = status();
            status.inputs = (0..channels).collect();
            status.input_levels = vec![
                Level {
                    peak: 2.0,
                    rms: 1.0
                };
                channels
            ];
            status.output_levels = status.input_levels.clone();
            status.irs = vec![String::from("a long name of a response \u{1f3b5}"); 40];
            let mut face = face(&status);
            for width in (1..=200).step_by(if channels == 2 { 1 } else { 7 }) {
                for height in [1, 2, 3, 4, 5, 6, 7, 8, 10, 13, 17, 20, 24, 31, 45, 60] {
                    face.help = (width + height) % 2 == 0;
                    for chosen in [0, 39, 1000] {
                        let beside = Beside { chosen, ..beside() };
                        picture(&face, &status, &beside, (width, height));
                    }
                }
            }
        }
    }

    #[test]
    fn numbers_that_are_none_can_be_drawn() {
        let mut status = status();
        let nan = f64::NAN;
        (status.fill, status.target, status.mix) = (nan, f64::INFINITY, nan);
        status.gain = 0.0;
        status.drift_ppm = Some(nan);
        status.guard_db = Some(f64::NEG_INFINITY);
        status.load.worst = f32::NAN;
        status.input_levels[0].peak = f32::NAN;
        picture(&face(&status), &status, &beside(), (80, 24));
    }

    #[test]
    fn help_lies_over_the_rest() {
        let status = status();
        let mut face = face(&status);
        face.help = true;
        let text = picture(&face, &status, &beside(), (80, 24));
        for (keys, what) in KEYS {
            assert!(
                text.contains(keys) && text.contains(what),
                "{keys} in\n{text}"
            );
        }
    }

    #[test]
    fn a_response_that_could_not_be_had_is_marked() {
        let status = status();
        let beside = Beside {
            chosen: 1,
            ..beside()
        };
        let text = picture(&face(&status), &status, &beside, (80, 24));
        assert!(
            text.contains("> 1 hall.wav") && text.contains("~ 2 plate.wav"),
            "{text}"
        );
    }

    #[test]
    fn a_bar_is_as_long_as_its_level_says() {
        let mut meter = Meter::default();
        meter.see(0.001, Duration::ZERO);
        let text = |meter: &Meter| -> String { bar(meter, 20).map(|s| s.content).collect() };
        assert_eq!(text(&meter), "·".repeat(20));
        meter.see(10f32.powf(-1.5), Duration::ZERO);
        assert_eq!(text(&meter), "█".repeat(10) + &"·".repeat(10));
        meter.see(1.0, Duration::ZERO);
        assert_eq!(text(&meter), "█".repeat(20));
        meter.see(0.0, Duration::from_millis(1500));
        assert_eq!(text(&meter), "█".repeat(10) + &"·".repeat(9) + "│");
    }
}
