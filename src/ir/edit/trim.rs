//! Trim: silence before the sound, and after it.

use std::ops::Range;

use super::reading::{Reading, keyed};
use super::{EditError, fade, frames};
use crate::ir::ImpulseResponse;

/// What is kept before the onset, in seconds: the sound's own rise, and the ringing that filters
/// and converters put before it.
const LEAD: f64 = 1e-3;
/// Where the end of a sound lies unless told: -100 dB of the largest tap.
const END: f64 = 1e-5;

/// What [`ImpulseResponse::trim`] cuts, in all channels alike, so that they stay in time with
/// each other. The default drops the pre-delay but for 1 ms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trim {
    /// Seconds that stay before the onset of the earliest channel; none leaves the start alone.
    pub lead: Option<f64>,
    /// Share of the largest tap below which the end is silence; none leaves the end alone.
    pub end: Option<f64>,
}

impl Default for Trim {
    fn default() -> Self {
        Self {
            lead: Some(LEAD),
            end: None,
        }
    }
}

impl ImpulseResponse {
    /// Cuts what lies before the onset ([`onset`](Self::onset)) or after the last sound. Where
    /// something is cut at the start, the first millisecond that stays fades in, at most up to
    /// the onset.
    ///
    /// # Errors
    /// [`EditError::Silent`] where all taps are 0.
    pub fn trim(self, trim: &Trim) -> Result<Self, EditError> {
        Ok(trim.run(self)?.0)
    }
}

impl Trim {
    pub(super) fn read(reading: &Reading) -> Result<Self, EditError> {
        reading.once(&["start", "keep"])?;
        let mut trim = Self {
            lead: None,
            end: None,
        };
        for item in reading.items() {
            match keyed(item) {
                ("start", None) => trim.lead = Some(LEAD),
                ("keep", Some(time)) => trim.lead = Some(reading.seconds(time)?),
                ("end", None) => trim.end = Some(END),
                ("end", Some(level)) => {
                    let db = reading.decibels(level, 300.0)?;
                    let problem = "the end lies at -20dB of the largest tap or below";
                    let db = reading.within(db, -300.0, -20.0, problem)?;
                    trim.end = Some(10f64.powf(db / 20.0));
                }
                _ => return Err(reading.unknown(item, "start, keep:5ms, end and end:-80dB")),
            }
        }
        if trim.lead.or(trim.end).is_none() {
            trim = Self::default();
        }
        Ok(trim)
    }

    pub(super) fn run(&self, ir: ImpulseResponse) -> Result<(ImpulseResponse, String), EditError> {
        let onset = ir.onset().ok_or(EditError::Silent { operation: "trim" })?;
        let Range { start, end } = self.span(&ir, onset);
        let (rate, after) = (ir.rate(), ir.frames() - end);
        let rise = (onset - start).min(rate.frames(LEAD));
        let ir = ir.mapped(rate, |taps| {
            let mut taps = taps[start..end].to_vec();
            if start > 0 {
                fade::rise(&mut taps[..rise]);
            }
            Ok(taps)
        })?;
        let mut cut = Vec::new();
        if self.lead.is_some() {
            cut.push(format!("{} from the start", frames(start, rate)));
        }
        if self.end.is_some() {
            cut.push(format!("{} from the end", frames(after, rate)));
        }
        let report = format!(
            "cut {}; the sound begins at {}",
            cut.join(", "),
            frames(onset - start, rate)
        );
        Ok((ir, report))
    }

    /// The frames that stay.
    fn span(&self, ir: &ImpulseResponse, onset: usize) -> Range<usize> {
        let keep = |lead| onset.saturating_sub(ir.rate().frames(lead));
        let channels = ir.audio().channels();
        let peak = channels
            .iter()
            .flatten()
            .fold(0.0, |peak: f64, &tap| peak.max(f64::from(tap).abs()));
        let last = |share: f64| {
            let sounds = |tap: &f32| f64::from(tap.abs()) > share * peak;
            let ends = channels
                .iter()
                .filter_map(|taps| taps.iter().rposition(sounds));
            ends.max().map_or(ir.frames(), |last| last + 1)
        };
        let end = self.end.map_or(ir.frames(), last);
        // A faint channel may begin after the last tap that counts.
        self.lead.map_or(0, keep)..end.max(onset + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::edit::tests::{edit, ir, refused};

    #[test]
    fn the_pre_delay_goes_but_for_a_millisecond_that_fades_in() {
        let mut left = vec![0.001; 2000];
        left[500] = 1.0;
        let mut right = vec![0.0; 2000];
        right[510] = 1.0;
        let (cut, said) = edit(&ir(48_000, vec![left, right]), "trim");
        // The earliest channel decides: 500 frames, of which 48 stay.
        assert_eq!(cut.frames(), 2000 - 452);
        assert_eq!((cut.channel(0)[48], cut.channel(1)[58]), (1.0, 1.0));
        assert!(cut.channel(0)[0] < 1e-6 && cut.channel(0)[47] > 0.99e-3);
        assert!(
            cut.channel(0)[..48]
                .windows(2)
                .all(|pair| pair[0] < pair[1])
        );
        assert!(
            said.contains("452 frames (9.42 ms) from the start"),
            "{said}"
        );
        assert!(said.contains("begins at 48 frames"), "{said}");
    }

    #[test]
    fn pre_delay_and_silence_after_the_sound_are_kept_or_cut_as_asked() {
        let mut taps = vec![0.0; 4800];
        taps[960] = 1.0;
        taps[1500] = 1.01e-5;
        taps[1600] = 0.9e-5;
        let whole = ir(48_000, vec![taps]);
        for (text, frames, onset) in [
            ("trim=keep:5ms", 4800 - 720, 240),
            ("trim=keep:1s", 4800, 960),
            ("trim=keep:0s", 4800 - 960, 0),
            ("trim=end", 1501, 960),
            ("trim=end:-60dB", 961, 960),
            ("trim=start,end", 1501 - 912, 48),
        ] {
            let (cut, _) = edit(&whole, text);
            assert_eq!((cut.frames(), cut.onset()), (frames, Some(onset)), "{text}");
        }
    }

    #[test]
    fn what_it_does_not_know_is_refused() {
        for text in [
            "trim=all",
            "trim=keep:5",
            "trim=end:-3dB",
            "trim=end:0",
            "trim=",
        ] {
            refused(text, text.split(':').nth(1).unwrap_or(text));
        }
        let silent = ir(48_000, vec![vec![0.0; 100]]);
        let error = silent.trim(&Trim::default()).unwrap_err();
        assert_eq!(error, EditError::Silent { operation: "trim" });
    }
}
