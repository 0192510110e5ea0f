//! Early and late: a response in two that add up to it.

use super::reading::{Reading, keyed};
use super::{EditError, fade, frames};
use crate::ir::ImpulseResponse;

/// Length of the crossfade in seconds unless told.
const FADE: f64 = 5e-3;

/// Where a response is divided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Split {
    /// Seconds from the onset of the earliest channel to the middle of the crossfade.
    pub time: f64,
    /// Length of the crossfade in seconds; at most twice the time, so that the onset is early.
    pub fade: f64,
}

impl Split {
    /// After a time in seconds, with a crossfade of 5 ms.
    pub fn after(time: f64) -> Self {
        Self { time, fade: FADE }
    }

    pub(super) fn read(reading: &Reading) -> Result<Self, EditError> {
        reading.value()?;
        reading.once(&[])?;
        let mut split = Self::after(0.0);
        for (k, item) in reading.items().enumerate() {
            match keyed(item) {
                (time, None) if k == 0 => split.time = reading.seconds(time)?,
                ("fade", Some(time)) if k > 0 => split.fade = reading.seconds(time)?,
                _ => return Err(reading.unknown(item, "a time and fade:5ms")),
            }
        }
        Ok(split)
    }

    /// First frame of the crossfade and its length.
    fn place(
        &self,
        ir: &ImpulseResponse,
        operation: &'static str,
    ) -> Result<(usize, usize), EditError> {
        super::check_length(operation, self.time)?;
        super::check_length(operation, self.fade)?;
        let onset = ir.onset().ok_or(EditError::Silent { operation })?;
        let rate = ir.rate();
        let length = rate.frames(self.fade.min(2.0 * self.time));
        let middle = onset.saturating_add(rate.frames(self.time));
        Ok((middle - length / 2, length))
    }
}

impl ImpulseResponse {
    /// What comes up to a time after the onset: direct sound and early reflections. Ends with the
    /// crossfade.
    ///
    /// # Errors
    /// [`EditError::Silent`] where all taps are 0, [`EditError::TooLong`].
    pub fn early(self, split: Split) -> Result<Self, EditError> {
        let (from, length) = split.place(&self, "early")?;
        let (rate, end) = (self.rate(), (from + length).clamp(1, self.frames()));
        Ok(self.mapped(rate, |taps| {
            let mut taps = taps.to_vec();
            let rest = &mut taps[from.min(end)..];
            let mut whole = vec![1.0; length];
            fade::fall(&mut whole);
            rest.iter_mut()
                .zip(whole)
                .for_each(|(tap, share)| *tap *= share);
            taps.truncate(end);
            Ok(taps)
        })?)
    }

    /// What comes later: the rest, at its place behind silence, so that early and late add up to
    /// the response.
    ///
    /// # Errors
    /// [`EditError::Silent`] where all taps are 0, [`EditError::TooLong`].
    pub fn late(self, split: Split) -> Result<Self, EditError> {
        let (from, length) = split.place(&self, "late")?;
        let rate = self.rate();
        Ok(self.mapped(rate, |taps| {
            let mut taps = taps.to_vec();
            let from = from.min(taps.len());
            let (silent, rest) = taps.split_at_mut(from);
            silent.fill(0.0);
            let mut whole = vec![1.0; length];
            fade::rise(&mut whole);
            rest.iter_mut()
                .zip(whole)
                .for_each(|(tap, share)| *tap *= share);
            Ok(taps)
        })?)
    }
}

pub(super) fn early(
    ir: ImpulseResponse,
    split: Split,
) -> Result<(ImpulseResponse, String), EditError> {
    let rate = ir.rate();
    let ir = ir.early(split)?;
    let report = format!("{} are left", frames(ir.frames(), rate));
    Ok((ir, report))
}

pub(super) fn late(
    ir: ImpulseResponse,
    split: Split,
) -> Result<(ImpulseResponse, String), EditError> {
    let from = split.place(&ir, "late")?.0.min(ir.frames());
    let report = format!("begins after {} of silence", frames(from, ir.rate()));
    Ok((ir.late(split)?, report))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Recipe;
    use crate::ir::edit::tests::{edit, ir, refused};
    use crate::signal::SampleRate;

    #[test]
    fn early_and_late_add_up_to_the_whole() {
        let rate = SampleRate::new(48_000).unwrap();
        let room = "room".parse::<Recipe>().unwrap().render(rate).unwrap();
        let room = room.predelay(0.01).unwrap();
        for value in ["80ms", "0s", "1ms", "20ms,fade:30ms", "80ms,fade:0s", "10s"] {
            let early = edit(&room, &format!("early={value}")).0;
            let late = edit(&room, &format!("late={value}")).0;
            assert_eq!(late.frames(), room.frames(), "{value}");
            for channel in 0..2 {
                for n in 0..room.frames() {
                    let whole = room.channel(channel)[n];
                    let first = early.channel(channel).get(n).copied().unwrap_or(0.0);
                    let sum = f64::from(first) + f64::from(late.channel(channel)[n]);
                    // Either part is rounded once to f32.
                    let bound = f64::from(f32::EPSILON) * f64::from(whole.abs());
                    assert!((sum - f64::from(whole)).abs() <= bound, "{value}: {n}");
                }
            }
        }
    }

    #[test]
    fn the_border_lies_after_the_onset() {
        let mut taps = vec![1.0; 1000];
        taps[..100].fill(0.0);
        let (early, said) = edit(&ir(1000, vec![taps.clone()]), "early=200ms,fade:10ms");
        assert_eq!(early.frames(), 305, "{said}");
        assert_eq!((early.channel(0)[294], early.channel(0)[99]), (1.0, 0.0));
        let (late, said) = edit(&ir(1000, vec![taps]), "late=200ms,fade:10ms");
        assert!(said.contains("295 frames"), "{said}");
        assert_eq!((late.channel(0)[294], late.channel(0)[305]), (0.0, 1.0));
        for text in ["early", "late=80", "early=80ms,5ms", "late=fade:5ms"] {
            refused(text, text);
        }
        let silent = ir(1000, vec![vec![0.0; 9]]);
        assert!(silent.clone().early(Split::after(0.1)).is_err());
        assert!(silent.late(Split::after(0.1)).is_err());
    }
}
