//! A recipe's text on its way to what it stands for.

use std::fmt::Display;
use std::ops::RangeInclusive;

use super::catalogue::{self, CatalogueEntry, catalogue};
use crate::ir::IrError;
use crate::ir::units::{self, UnitError};

/// What a seed may be.
pub(super) const SEEDS: RangeInclusive<u64> = 0..=u32::MAX as u64;

/// `NAME`, `NAME=VALUE` or `NAME=VALUE,VALUE`, then `,KEY=VALUE` as often as there are parameters.
pub(super) struct Reading<'a> {
    text: &'a str,
    pub(super) name: &'a str,
    pub(super) value: Option<&'a str>,
    /// A second value without a name.
    second: Option<&'a str>,
    parameters: Vec<(&'a str, &'a str)>,
    entry: &'static CatalogueEntry,
}

impl<'a> Reading<'a> {
    /// Takes `rest` apart; `text` is the whole recipe, for errors.
    pub(super) fn new(text: &'a str, rest: &'a str) -> Result<Self, IrError> {
        let mut parts = rest.split(',').map(str::trim);
        let (name, value) = halves(parts.next().unwrap_or_default());
        let Some(entry) = catalogue::entry(name, value.is_some()) else {
            return Err(unknown(name));
        };
        let mut reading = Self {
            text,
            name,
            value,
            second: None,
            parameters: Vec::new(),
            entry,
        };
        for part in parts {
            match halves(part) {
                (key, Some(value)) => reading.add(key, value)?,
                (value, None) if reading.parameters.is_empty() && reading.second.is_none() => {
                    reading.second = Some(value);
                }
                (value, None) => return Err(reading.nameless(value)),
            }
        }
        Ok(reading)
    }

    fn add(&mut self, key: &'a str, value: &'a str) -> Result<(), IrError> {
        let keys = self.entry.keys();
        if keys.is_empty() {
            let problem = format!("`{key}` is unknown; `{}` takes no parameters", self.name);
            return Err(self.usage(problem));
        }
        if !keys.contains(&key) {
            let (name, keys) = (self.name, keys.join(", "));
            return Err(self.usage(format!("`{key}` is unknown; `{name}` takes {keys}")));
        }
        if self.parameters.iter().any(|(other, _)| *other == key) {
            return Err(self.usage(format!("`{key}` is given twice")));
        }
        self.parameters.push((key, value));
        Ok(())
    }

    /// Whether a parameter is there and was not taken yet.
    pub(super) fn has(&self, key: &str) -> bool {
        self.parameters.iter().any(|(other, _)| *other == key)
    }

    /// The value of a parameter; it counts as taken.
    pub(super) fn take(&mut self, key: &str) -> Option<&'a str> {
        let at = self.parameters.iter().position(|(other, _)| *other == key);
        at.map(|at| self.parameters.remove(at).1)
    }

    /// The same, read as something.
    pub(super) fn parameter<T>(
        &mut self,
        key: &str,
        read: impl Fn(&str) -> Result<T, UnitError>,
    ) -> Result<Option<T>, IrError> {
        let value = self.take(key);
        value.map(|value| self.unit(read(value))).transpose()
    }

    /// A whole number in a range.
    pub(super) fn whole(
        &mut self,
        key: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, IrError> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        match value.parse() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => Err(self.usage(format!(
                "{key} is a whole number from {} to {}, not `{value}`",
                range.start(),
                range.end()
            ))),
        }
    }

    /// 1 or 2, 2 without a word.
    pub(super) fn channels(&mut self) -> Result<usize, IrError> {
        Ok(self.whole("channels", 1..=2)?.unwrap_or(2) as usize)
    }

    /// Nothing may be left over: what is written counts, or is refused.
    pub(super) fn finish(&self) -> Result<(), IrError> {
        if let Some(value) = self.second {
            return Err(self.nameless(value));
        }
        match self.parameters.first() {
            None => Ok(()),
            Some((key, _)) => {
                Err(self.usage(format!("`{key}` has no effect beside what else is written")))
            }
        }
    }

    /// A recipe that takes no value.
    pub(super) fn plain(&self) -> Result<(), IrError> {
        match self.value {
            None => Ok(()),
            Some(_) => Err(self.usage("this recipe takes no value")),
        }
    }

    /// A recipe that takes one number.
    pub(super) fn number(&self, read: fn(&str) -> Result<f64, UnitError>) -> Result<f64, IrError> {
        let value = self.value.ok_or_else(|| self.usage("a value is needed"))?;
        self.unit(read(value))
    }

    /// A recipe that takes two values behind each other.
    pub(super) fn both(&mut self, problem: &str) -> Result<(&'a str, &'a str), IrError> {
        let pair = self.value.zip(self.second.take());
        pair.ok_or_else(|| self.usage(problem))
    }

    /// A recipe that takes a span of frequencies, lower first.
    pub(super) fn span(&self) -> Result<(f64, f64), IrError> {
        let pair = self.value.and_then(|value| value.split_once('-'));
        let (low, high) = pair.ok_or_else(|| self.usage("two frequencies are needed"))?;
        let low = self.unit(units::hertz(low))?;
        let high = self.unit(units::hertz(high))?;
        if low >= high {
            return Err(self.usage("the lower frequency comes first"));
        }
        Ok((low, high))
    }

    pub(super) fn unit<T>(&self, result: Result<T, UnitError>) -> Result<T, IrError> {
        result.map_err(|source| IrError::Unit {
            recipe: self.text.to_owned(),
            source,
        })
    }

    pub(super) fn usage(&self, problem: impl Into<String>) -> IrError {
        IrError::Usage {
            recipe: self.text.to_owned(),
            problem: problem.into(),
            example: self.entry.usage,
        }
    }

    /// Refuses a value outside of what is possible.
    pub(super) fn outside(&self, what: &str, value: impl Display, possible: &str) -> IrError {
        self.usage(format!("{what} is {value}, possible is {possible}"))
    }

    pub(super) fn too_long(&self, seconds: f64, most: f64, remedy: &'static str) -> IrError {
        IrError::TooLong {
            recipe: self.text.to_owned(),
            seconds,
            most,
            remedy,
        }
    }

    fn nameless(&self, value: &str) -> IrError {
        let keys = self.entry.keys();
        let problem = if keys.is_empty() {
            format!("`{value}` is one value too many")
        } else {
            format!("`{value}` needs a name: one of {}", keys.join(", "))
        };
        self.usage(problem)
    }

    /// `min:` before something that is no filter.
    pub(super) fn no_filter(&self) -> IrError {
        IrError::Usage {
            recipe: self.text.to_owned(),
            problem: String::from("`min:` is for filters of linear phase"),
            example: "min:lowpass=3k",
        }
    }
}

fn halves(part: &str) -> (&str, Option<&str>) {
    match part.split_once('=') {
        Some((name, value)) => (name.trim(), Some(value.trim())),
        None => (part, None),
    }
}

fn unknown(name: &str) -> IrError {
    let known: Vec<&str> = catalogue().iter().map(|entry| entry.usage).collect();
    IrError::UnknownRecipe {
        name: name.to_owned(),
        known: known.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use crate::ir::Recipe;

    #[test]
    fn what_is_written_counts_or_is_refused_with_what_would_count() {
        for (text, words) in [
            (
                "hall,rt6=3",
                &["`rt6` is unknown", "rt60, channels, seed"][..],
            ),
            ("identity,rt60=3", &["`rt60` is unknown", "no parameters"]),
            ("hall,rt60=2s,rt60=3s", &["`rt60` is given twice"]),
            ("hall,3s", &["`3s` needs a name", "rt60"]),
            ("hall,rt60=3s,4s", &["`4s` needs a name", "rt60"]),
            ("hall,", &["`` needs a name"]),
            ("echo=300ms,0.5,0.7", &["`0.7` is one value too many"]),
            ("delay=1s,2s", &["`2s` is one value too many"]),
            ("lowpass=3k,window=hann", &["`window`", "taps"]),
            ("hall,channels=3", &["from 1 to 2, not `3`"]),
            ("hall,seed=-1", &["not `-1`"]),
            ("hall,seed=", &["not ``"]),
        ] {
            let error = text.parse::<Recipe>().unwrap_err().to_string();
            for word in words {
                assert!(error.contains(word), "{text}: no `{word}` in {error}");
            }
        }
    }
}
