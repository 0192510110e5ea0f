//! What a result sounds like: the options that all commands for files share.

use crate::ir::{UnitError, units};
use crate::run::{Render, Tail};

/// How wet, how loud, how late and how long.
#[derive(Debug, clap::Args)]
pub(super) struct Sound {
    /// What sounds on after the input's end: `full`, `cut`, a duration such as `2.5s`, or a level
    /// below the peak of the result such as `-60dB` at which it ends
    #[arg(long, value_parser = tail, allow_hyphen_values = true)]
    pub tail: Option<Tail>,

    /// Share of the convolved sound; the rest is the input itself: `30%`
    #[arg(long, value_parser = units::fraction, conflicts_with_all = ["dry", "wet"])]
    pub mix: Option<f64>,

    /// Level of the input itself in the result: `-6dB`, or a factor
    #[arg(long, value_parser = units::gain, allow_hyphen_values = true)]
    pub dry: Option<f64>,

    /// Level of the convolved sound in the result: `-3dB`, or a factor
    #[arg(long, value_parser = units::gain, allow_hyphen_values = true)]
    pub wet: Option<f64>,

    /// Level of the whole result: `-3dB`, or a factor
    #[arg(long, value_parser = units::gain, allow_hyphen_values = true)]
    pub gain: Option<f64>,

    /// Delay of the convolved sound: `20ms`
    #[arg(long, value_parser = units::seconds)]
    pub predelay: Option<f64>,

    /// Lower a result that exceeds full scale until it fits, instead of refusing it
    #[arg(long)]
    pub guard: bool,
}

impl Sound {
    /// As a session takes it.
    pub fn render(&self) -> Render {
        let (dry, wet) = match self.mix {
            Some(wet) => (1.0 - wet, wet),
            None => (self.dry.unwrap_or(0.0), self.wet.unwrap_or(1.0)),
        };
        Render {
            tail: self.tail.unwrap_or_default(),
            dry,
            wet,
            gain: self.gain.unwrap_or(1.0),
            predelay: self.predelay.unwrap_or(0.0),
            guard: self.guard,
            ..Render::default()
        }
    }
}

/// `full`, `cut`, a duration or a level.
pub(super) fn tail(text: &str) -> Result<Tail, UnitError> {
    let level = text.to_ascii_lowercase().ends_with("db");
    match text {
        "full" => Ok(Tail::Full),
        "cut" => Ok(Tail::Cut),
        _ if level => match units::gain(text)? {
            share if (0.0..1.0).contains(&share) => Ok(Tail::Down(20.0 * share.log10())),
            _ => Err(not_a_tail(text)),
        },
        _ => units::seconds(text)
            .map(Tail::Seconds)
            .map_err(|_| not_a_tail(text)),
    }
}

fn not_a_tail(text: &str) -> UnitError {
    UnitError {
        value: text.to_owned(),
        what: "a tail",
        example: "`full`, `cut`, `2.5s` or, below the peak, `-60dB`",
    }
}

/// A factor in dB, with a word for what dB cannot say.
pub(super) fn factor(factor: f64) -> String {
    match factor {
        0.0 => "off".to_owned(),
        _ => super::gain(factor),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_is_a_word_a_duration_or_a_level() {
        assert_eq!(tail("full"), Ok(Tail::Full));
        assert_eq!(tail("cut"), Ok(Tail::Cut));
        assert_eq!(tail("2.5s"), Ok(Tail::Seconds(2.5)));
        assert!(matches!(tail("-60dB"), Ok(Tail::Down(db)) if (db + 60.0).abs() < 1e-9));
        for wrong in ["", "long", "-1s", "6dB", "0dB", "dB", "2.5"] {
            assert!(tail(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_factor_is_told_in_words_where_decibels_fail() {
        assert_eq!(factor(0.0), "off");
        assert_eq!(factor(-1.0), "0.0 dB inverted");
        assert_eq!(factor(0.5), "-6.0 dB");
    }
}
