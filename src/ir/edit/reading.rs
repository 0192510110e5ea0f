//! An operation's text on its way to its values: `name`, or `name=value[,value..]`, where a value
//! may be `key:value[:value..]`.

use super::{EditError, catalogue};
use crate::ir::units::{self, UnitError};

/// One operation as it was written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) text: &'a str,
    pub(super) name: &'a str,
    value: Option<&'a str>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let text = text.trim();
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim())),
            None => (text, None),
        };
        Self { text, name, value }
    }

    /// An operation that takes no value.
    pub(super) fn plain<T>(&self, kind: T) -> Result<T, EditError> {
        match self.value {
            None => Ok(kind),
            Some(_) => Err(self.usage("it takes no value")),
        }
    }

    /// An operation that does not work without a value.
    pub(super) fn value(&self) -> Result<&'a str, EditError> {
        let value = self.value.filter(|value| !value.is_empty());
        value.ok_or_else(|| self.usage("a value is needed"))
    }

    /// The values between the commas; none where nothing is written.
    pub(super) fn items(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let items = self.value.into_iter().flat_map(|value| value.split(','));
        items.map(str::trim)
    }

    /// Whether no key is written twice, nor two of those that mean the same thing.
    pub(super) fn once(&self, alike: &[&str]) -> Result<(), EditError> {
        let mut seen = Vec::new();
        for item in self.items() {
            let (key, _) = keyed(item);
            let thing = if alike.contains(&key) { alike[0] } else { key };
            if seen.contains(&thing) {
                return Err(self.usage(format!("`{key}` comes a second time")));
            }
            seen.push(thing);
        }
        Ok(())
    }

    /// One number.
    pub(super) fn number(
        &self,
        read: fn(&str) -> Result<f64, UnitError>,
    ) -> Result<f64, EditError> {
        self.unit(read(self.value()?))
    }

    pub(super) fn seconds(&self, text: &str) -> Result<f64, EditError> {
        self.unit(units::seconds(text))
    }

    /// Hz, from 1 on: below lies nothing that a response could tell.
    pub(super) fn hertz(&self, text: &str) -> Result<f64, EditError> {
        let hz = self.unit(units::hertz(text))?;
        self.within(hz, 1.0, f64::MAX, "a frequency of 1 Hz or more is needed")
    }

    /// A level or a gain in dB, from `-3dB` or a factor above 0.
    pub(super) fn decibels(&self, text: &str, most: f64) -> Result<f64, EditError> {
        let factor = self.unit(units::gain(text))?;
        if factor <= 0.0 {
            return Err(self.usage("a gain above 0 is needed"));
        }
        let db = 20.0 * factor.log10();
        let problem = format!("`{text}` is more than {most} dB up or down");
        self.within(db, -most, most, &problem)
    }

    /// A plain number.
    pub(super) fn factor(&self, text: &str) -> Result<f64, EditError> {
        let number = text.trim().parse::<f64>().ok();
        number
            .filter(|number| number.is_finite())
            .ok_or_else(|| self.usage(format!("`{text}` is not a number")))
    }

    pub(super) fn within(
        &self,
        number: f64,
        least: f64,
        most: f64,
        problem: &str,
    ) -> Result<f64, EditError> {
        if (least..=most).contains(&number) {
            Ok(number)
        } else {
            Err(self.usage(problem))
        }
    }

    pub(super) fn unit(&self, result: Result<f64, UnitError>) -> Result<f64, EditError> {
        result.map_err(|source| EditError::Unit {
            operation: self.text.to_owned(),
            source,
        })
    }

    pub(super) fn usage(&self, problem: impl Into<String>) -> EditError {
        let entry = catalogue().iter().find(|entry| entry.name() == self.name);
        EditError::Usage {
            operation: self.text.to_owned(),
            problem: problem.into(),
            example: entry.map_or("trim", |entry| entry.usage),
        }
    }

    /// A value that the operation does not know.
    pub(super) fn unknown(&self, item: &str, known: &str) -> EditError {
        self.usage(format!("`{item}` is none of {known}"))
    }
}

/// `key` and what stands behind its first colon, if anything.
pub(super) fn keyed(item: &str) -> (&str, Option<&str>) {
    match item.split_once(':') {
        Some((key, value)) => (key.trim(), Some(value.trim())),
        None => (item.trim(), None),
    }
}
