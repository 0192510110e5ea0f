//! Time: the response backwards, later, or cut to a length.

use super::{EditError, frames};
use crate::ir::ImpulseResponse;
use crate::signal::SampleRate;

impl ImpulseResponse {
    /// Last frame first.
    ///
    /// # Errors
    /// None but what [`EditError::Response`] may bring.
    pub fn reverse(self) -> Result<Self, EditError> {
        let rate = self.rate();
        Ok(self.mapped(rate, |taps| Ok(taps.iter().rev().copied().collect()))?)
    }

    /// Puts silence in front, in seconds.
    ///
    /// # Errors
    /// [`EditError::TooLong`] where it would be longer than ten minutes.
    pub fn predelay(self, seconds: f64) -> Result<Self, EditError> {
        let rate = self.rate();
        super::check_length("predelay", rate.seconds(self.frames()) + seconds)?;
        let silence = vec![0.0; rate.frames(seconds)];
        Ok(self.mapped(rate, |taps| Ok([&silence[..], taps].concat()))?)
    }

    /// Cuts it, or adds silence at its end, to a length in seconds; at least one frame.
    ///
    /// # Errors
    /// [`EditError::TooLong`] for more than ten minutes.
    pub fn length(self, seconds: f64) -> Result<Self, EditError> {
        super::check_length("length", seconds)?;
        let (rate, length) = (self.rate(), length(self.rate(), seconds));
        Ok(self.mapped(rate, |taps| {
            let mut taps = taps.to_vec();
            taps.resize(length, 0.0);
            Ok(taps)
        })?)
    }
}

fn length(rate: SampleRate, seconds: f64) -> usize {
    rate.frames(seconds).max(1)
}

pub(super) fn reverse(ir: ImpulseResponse) -> Result<(ImpulseResponse, String), EditError> {
    let last = format!(
        "now ends with what was frame 0, after {}",
        frames(ir.frames(), ir.rate())
    );
    Ok((ir.reverse()?, last))
}

pub(super) fn predelay(
    ir: ImpulseResponse,
    seconds: f64,
) -> Result<(ImpulseResponse, String), EditError> {
    let rate = ir.rate();
    let report = format!("{} of silence in front", frames(rate.frames(seconds), rate));
    Ok((ir.predelay(seconds)?, report))
}

pub(super) fn set_length(
    ir: ImpulseResponse,
    seconds: f64,
) -> Result<(ImpulseResponse, String), EditError> {
    let (rate, before) = (ir.rate(), ir.frames());
    let ir = ir.length(seconds)?;
    let report = match ir.frames() {
        after if after < before => format!("{} cut from the end", frames(before - after, rate)),
        after => format!(
            "{} of silence added at the end",
            frames(after - before, rate)
        ),
    };
    Ok((ir, report))
}

#[cfg(test)]
mod tests {
    use crate::ir::edit::tests::{edit, ir, refused};

    #[test]
    fn a_response_turns_around_and_back() {
        let two = ir(1000, vec![vec![1.0, 2.0, 3.0], vec![4.0, 5.0, 6.0]]);
        let (back, _) = edit(&two, "reverse");
        assert_eq!(
            (back.channel(0), back.channel(1)),
            (&[3.0, 2.0, 1.0][..], &[6.0, 5.0, 4.0][..])
        );
        assert_eq!(edit(&back, "reverse").0, two);
    }

    #[test]
    fn silence_comes_in_front_or_behind_and_an_end_is_cut() {
        let one = ir(1000, vec![vec![1.0, 2.0, 3.0]]);
        let (late, said) = edit(&one, "predelay=2ms");
        assert_eq!(late.channel(0), [0.0, 0.0, 1.0, 2.0, 3.0]);
        assert!(said.contains("2 frames (2.00 ms)"), "{said}");
        assert_eq!(
            edit(&one, "length=5ms").0.channel(0),
            [1.0, 2.0, 3.0, 0.0, 0.0]
        );
        let (cut, said) = edit(&one, "length=2ms");
        assert_eq!(cut.channel(0), [1.0, 2.0]);
        assert!(said.contains("1 frame (1.00 ms) cut"), "{said}");
        assert_eq!(edit(&one, "length=1us").0.channel(0), [1.0]);
    }

    #[test]
    fn no_time_below_zero_and_none_beyond_ten_minutes() {
        for text in [
            "predelay",
            "predelay=-5ms",
            "length=5",
            "length=0s",
            "reverse=yes",
        ] {
            refused(text, text);
        }
        for text in ["predelay=11min", "length=11min"] {
            let long = text.parse::<crate::ir::edit::Operation>().unwrap();
            let error = long.apply(ir(1000, vec![vec![1.0]]), &mut ()).unwrap_err();
            assert!(error.to_string().contains("600 s"), "{error}");
        }
    }
}
