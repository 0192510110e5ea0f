//! The page: what the picture shows, and its panels.

use plotters::style::text_anchor::{HPos, VPos};

use super::frame::{self, Area, Drawn, Entry, Refusal};
use super::theme::Look;
use super::trace::Trace;
use super::waveform::span;
use super::{
    Kind, Smoothing, decay, font, group_delay, magnitude, spectrogram, waterfall, waveform,
};
use crate::ir::ImpulseResponse;

/// Most spectrograms in a row of a sheet.
const MOST_BESIDE: usize = 3;

/// Responses, and the channels of them that are drawn.
pub(super) struct Page<'a> {
    pub(super) irs: &'a [&'a ImpulseResponse],
    pub(super) traces: &'a [Trace<'a>],
    pub(super) smoothing: Smoothing,
}

impl Page<'_> {
    /// Draws everything that a kind asks for.
    pub(super) fn draw(&self, area: &Area<'_>, look: &Look, kind: Kind) -> Drawn {
        area.fill(&look.paper())?;
        let (width, height) = area.dim_in_pixel();
        let edge = look.ems(1.0);
        let inner = (width as i32 - 2 * edge, height as i32 - 2 * edge);
        let area = area.clone().shrink((edge, edge), inner);
        let area = self.head(&area, look, kind)?;
        match kind {
            Kind::Sheet => self.all(&area, look),
            Kind::Spectrogram | Kind::Waterfall => {
                let cells = area.split_evenly(grid(self.singles().len(), 2));
                let mut cells = cells.iter();
                self.singles().into_iter().try_for_each(|one| {
                    let cell = cells.next().unwrap_or(&area);
                    self.single(cell, look, one, kind)
                })
            }
            kind => self.panel(&area, look, kind),
        }
    }

    /// All kinds on one sheet. Of several responses none has a waterfall, and of more than
    /// [`MOST_BESIDE`] none a spectrogram: they could not be compared.
    fn all(&self, area: &Area<'_>, look: &Look) -> Drawn {
        let singles = self.singles();
        let gap = look.ems(0.8);
        let rows = stacked(area, if singles.len() > MOST_BESIDE { 2 } else { 3 }, gap);
        let pair = |row: &Area<'_>, left: Kind, right: Kind| -> Drawn {
            for (cell, kind) in beside(row, 2, gap).iter().zip([left, right]) {
                self.panel(cell, look, kind)?;
            }
            Ok(())
        };
        pair(&rows[0], Kind::Waveform, Kind::Decay)?;
        pair(&rows[1], Kind::Magnitude, Kind::GroupDelay)?;
        let cells = beside(rows.last().unwrap_or(area), singles.len().max(2), gap);
        match singles[..] {
            [one] => {
                self.single(&cells[0], look, one, Kind::Spectrogram)?;
                self.single(&cells[1], look, one, Kind::Waterfall)
            }
            _ if singles.len() > MOST_BESIDE => Ok(()),
            _ => {
                let mut cells = cells.iter().zip(singles);
                cells.try_for_each(|(cell, one)| self.single(cell, look, one, Kind::Spectrogram))
            }
        }
    }

    /// The first drawn channel of each response: for what holds only one.
    fn singles(&self) -> Vec<&Trace<'_>> {
        let mut singles: Vec<&Trace<'_>> = Vec::new();
        for trace in self.traces {
            if singles
                .last()
                .is_none_or(|last| !std::ptr::eq(last.ir, trace.ir))
            {
                singles.push(trace);
            }
        }
        singles
    }

    fn panel(&self, area: &Area<'_>, look: &Look, kind: Kind) -> Drawn {
        match kind {
            Kind::Decay => decay::draw(area, look, self.traces),
            Kind::Magnitude => magnitude::draw(area, look, self.traces, self.smoothing),
            Kind::GroupDelay => group_delay::draw(area, look, self.traces, self.smoothing),
            _ => waveform::draw(area, look, self.traces),
        }
    }

    fn single(&self, area: &Area<'_>, look: &Look, one: &Trace<'_>, kind: Kind) -> Drawn {
        let what = match kind {
            Kind::Waterfall => "cumulative spectral decay",
            _ => "spectrogram",
        };
        let title = match (self.irs, self.traces) {
            (_, [_]) => capital(what),
            ([_], _) => format!("{} of {}", capital(what), one.label),
            _ => format!("{}: {}", one.label, what.trim_start_matches("cumulative ")),
        };
        match kind {
            Kind::Waterfall => waterfall::draw(area, look, one, &title, self.smoothing),
            _ => spectrogram::draw(area, look, one, &title),
        }
    }

    /// Names, facts, and which colour is which; gives back what is left below.
    fn head<'p>(&self, area: &Area<'p>, look: &Look, kind: Kind) -> Result<Area<'p>, Refusal> {
        let room = f64::from(area.dim_in_pixel().0) / look.em;
        let names: Vec<&str> = self.irs.iter().map(|ir| ir.name()).collect();
        let size = 1.5;
        let title = font::fitted(&names.join(", "), (room - 1.0) / size);
        let style = look.text(size, look.ink(), (HPos::Left, VPos::Center));
        area.draw_text(&title, &style, (look.ems(0.5), look.ems(0.9)))?;
        let (_, below) = area.split_vertically(look.ems(2.1));
        // The colours of these say something else.
        let plain = matches!(kind, Kind::Spectrogram | Kind::Waterfall);
        let entry = |trace: &Trace<'_>| {
            let text = match self.irs {
                [_] => trace.label.clone(),
                _ => format!("{}: {}", trace.label, facts(trace.ir)),
            };
            match plain {
                true => Entry::note(text),
                false => Entry::solid(look.trace(trace.colour), text),
            }
        };
        let mut entries = Vec::new();
        if let [ir] = self.irs {
            entries.push(Entry::note(facts(ir)));
        }
        match self.traces {
            [one] if one.ir.channel_count() > 1 && !entries.is_empty() => {
                entries.push(Entry::note(format!("{} alone", one.label)));
            }
            [_] => (),
            // The title names the channel.
            _ if plain && self.irs.len() == 1 => (),
            several => entries.extend(several.iter().map(entry)),
        }
        frame::legend(&below, look, &entries)
    }
}

/// With a capital letter to begin with.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// Rate, channels, length and peak in a few words.
fn facts(ir: &ImpulseResponse) -> String {
    let taps = ir.audio().channels().iter().flatten();
    let peak = taps.fold(0.0f32, |peak, tap| peak.max(tap.abs()));
    let level = match peak {
        0.0 => "silent".to_owned(),
        peak => format!(
            "peak {} dB",
            super::axis::signed(20.0 * f64::from(peak).log10(), 1)
        ),
    };
    let channels = match ir.channel_count() {
        1 => "mono".to_owned(),
        count => format!("{count} channels"),
    };
    let length = span(ir.rate().seconds(ir.frames()));
    format!("{}, {channels}, {length}, {level}", ir.rate())
}

/// Cells below one another, a gap between them.
fn stacked<'p>(area: &Area<'p>, count: i32, gap: i32) -> Vec<Area<'p>> {
    let (width, height) = area.dim_in_pixel();
    let cell = ((height as i32 - gap * (count - 1)) / count).max(1);
    (0..count)
        .map(|k| {
            area.clone()
                .shrink((0, k * (cell + gap)), (width as i32, cell))
        })
        .collect()
}

/// Cells side by side, a gap between them.
fn beside<'p>(area: &Area<'p>, count: usize, gap: i32) -> Vec<Area<'p>> {
    let (width, height) = area.dim_in_pixel();
    let count = count as i32;
    let cell = ((width as i32 - gap * (count - 1)) / count).max(1);
    (0..count)
        .map(|k| {
            area.clone()
                .shrink((k * (cell + gap), 0), (cell, height as i32))
        })
        .collect()
}

/// Rows and columns for so many, with at most so many columns.
fn grid(count: usize, columns: usize) -> (usize, usize) {
    let columns = count.clamp(1, columns);
    (count.div_ceil(columns).max(1), columns)
}
