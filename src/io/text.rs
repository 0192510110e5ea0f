//! Impulse responses as text: REW's and rePhase's exports, and any plain list of numbers.
//!
//! REW writes a header of remarks and of values with their meaning behind `//`, and one sample a
//! line (REW help, "Export impulse response as text"); rePhase writes the samples alone.

use std::borrow::Cow;

use super::ReadError;
use super::name::{Given, Options};
use crate::signal::{Audio, SampleRate};

/// What the remarks and values before the samples tell.
#[derive(Debug, Default)]
struct Header {
    /// Seconds from sample to sample.
    interval: Option<f64>,
    frames: Option<u64>,
    /// Seconds of the first sample.
    start: Option<f64>,
    peak: Option<f64>,
    normalised: bool,
    /// The remarks speak of frequencies and levels.
    spectrum: bool,
}

/// Numbers as they stand in their lines.
struct Table {
    header: Header,
    values: Vec<f64>,
    /// Numbers a line, if all lines have as many.
    columns: Option<usize>,
}

/// The samples, and what was assumed.
pub(super) fn read(
    file: &str,
    bytes: &[u8],
    options: &Options,
) -> Result<(Audio<f32>, Vec<String>), ReadError> {
    let takes = |given| matches!(given, Given::Rate(_) | Given::Channels(_));
    options.only(file, "text", takes)?;
    let Table {
        header,
        mut values,
        columns,
    } = parse(file, &String::from_utf8_lossy(bytes))?;
    if values.is_empty() {
        return Err(ReadError::refused(
            file,
            "is a text without samples",
            "name a text with one sample a line, or a WAV file",
        ));
    }
    let mut notes = Vec::new();
    let mut rate = header.rate(file)?;
    let mut channels = options.channels();
    let several = columns.filter(|&columns| channels.is_none() && (2..=3).contains(&columns));
    if let Some(columns) = several {
        let step = rising(&values, columns);
        if header.spectrum || (step.is_some() && columns == 3) {
            return Err(spectrum(file));
        }
        // Steps of less than a millisecond are of time; a spectrum's are of hertz.
        match step.map(|step| (step, even(&values, columns))) {
            Some((step, true)) if step < 1e-3 => {
                rate = Some(rate_of(file, step)?);
                notes.push(format!("{file}: its first column is taken as the time"));
                values = values.chunks(2).map(|line| line[1]).collect();
                channels = Some(1);
            }
            Some((step, true)) if step == 1.0 && values[0] <= 1.0 => {
                notes.push(format!(
                    "{file}: its first column is taken as the number of the sample"
                ));
                values = values.chunks(2).map(|line| line[1]).collect();
                channels = Some(1);
            }
            Some(_) => return Err(spectrum(file)),
            None => {
                return Err(ReadError::refused(
                    file,
                    format!("has {columns} numbers a line"),
                    format!(
                        "if they are channels, write {file}@{columns}ch; if they are one list, {file}@1ch"
                    ),
                ));
            }
        }
    } else if header.spectrum {
        return Err(spectrum(file));
    }
    let rate = match (rate, options.rate()) {
        (Some(told), Some(given)) if told != given => {
            return Err(ReadError::refused(
                file,
                format!("tells a rate of {told}, not {given}"),
                "leave the rate out",
            ));
        }
        (Some(told), _) => told,
        (None, Some(given)) => given,
        (None, None) => {
            return Err(ReadError::refused(
                file,
                "a list of numbers tells no rate",
                format!("write it behind the name, such as {file}@48k"),
            ));
        }
    };
    let channels = channels.unwrap_or(1);
    if values.len() % channels != 0 {
        return Err(ReadError::refused(
            file,
            format!(
                "its {} numbers do not divide into {channels} channels",
                values.len()
            ),
            "name the channels that it has",
        ));
    }
    let plane = |channel| {
        let samples = values.iter().skip(channel).step_by(channels);
        samples.map(|&value| value as f32).collect()
    };
    let planes: Vec<Vec<f32>> = (0..channels).map(plane).collect();
    let found = planes[0].len() as u64;
    if let Some(promised) = header.frames.filter(|&promised| promised != found) {
        let file = file.to_owned();
        return Err(ReadError::Short {
            file,
            promised,
            found,
        });
    }
    notes.extend(header.notes(file, rate));
    let audio = Audio::new(rate, planes);
    let audio = audio.map_err(|error| ReadError::Response {
        file: file.to_owned(),
        why: error.to_string(),
    })?;
    Ok((audio, notes))
}

fn spectrum(file: &str) -> ReadError {
    ReadError::refused(
        file,
        "is a frequency response, and no impulse response",
        "export the impulse response instead, as WAV or as text",
    )
}

/// The mean step from line to line, if the first column rises from each to the next.
fn rising(values: &[f64], columns: usize) -> Option<f64> {
    let mut lines = values.chunks_exact(columns).map(|line| line[0]);
    let (first, last) = (lines.next()?, lines.next_back()?);
    let rises = values
        .chunks_exact(columns)
        .is_sorted_by(|a, b| a[0] < b[0]);
    let steps = values.len() / columns - 1;
    (rises && steps > 1).then(|| (last - first) / steps as f64)
}

/// Whether the first column rises by even steps, as far as its digits tell.
fn even(values: &[f64], columns: usize) -> bool {
    let at = |line: usize| values[line * columns];
    let lines = values.len() / columns;
    let step = (at(lines - 1) - at(0)) / (lines - 1) as f64;
    (1..lines).all(|line| (at(line) - at(line - 1) - step).abs() < 0.1 * step)
}

fn rate_of(file: &str, interval: f64) -> Result<SampleRate, ReadError> {
    let hz = 1.0 / interval;
    // Intervals are written with as few as five digits; all usual rates are multiples of 25 Hz.
    let near = |whole: &f64| (hz - whole).abs() < 1e-4 * hz && (1.0..4e9).contains(whole);
    let whole = [25.0 * (hz / 25.0).round(), hz.round()]
        .into_iter()
        .find(near);
    whole
        .and_then(|whole| SampleRate::new(whole as u32).ok())
        .ok_or_else(|| {
            ReadError::refused(
                file,
                format!("has samples every {interval} s, which is no whole rate"),
                "export it anew, or leave the times out and name the rate behind `@`",
            )
        })
}

impl Header {
    fn rate(&self, file: &str) -> Result<Option<SampleRate>, ReadError> {
        self.interval
            .map(|interval| rate_of(file, interval))
            .transpose()
    }

    /// A value and what stands behind `//`.
    fn value(&mut self, value: &str, meaning: &str) {
        let meaning = meaning.trim().to_ascii_lowercase();
        let Ok(value) = value.trim().parse::<f64>() else {
            return;
        };
        let begins = |words| meaning.starts_with(words);
        if begins("sample interval") {
            self.interval = Some(value);
        } else if begins("response length") {
            self.frames = Some(value as u64);
        } else if begins("start time") {
            self.start = Some(value);
        } else if begins("peak value") {
            self.peak = Some(value);
        }
    }

    fn remark(&mut self, line: &str) {
        let line = line.to_ascii_lowercase();
        let speaks = |word| line.contains(word);
        self.normalised |= speaks("ir is normalised");
        self.spectrum |= speaks("freq") && (speaks("spl") || speaks("(db") || speaks("phase"));
    }

    fn notes(&self, file: &str, rate: SampleRate) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(peak) = self.peak.filter(|_| self.normalised) {
            notes.push(format!(
                "{file}: was normalised when it was exported, from a peak of {peak:.3e}; used as it is"
            ));
        }
        if let Some(start) = self.start.filter(|&start| start < 0.0) {
            notes.push(format!(
                "{file}: its time 0 lies {:.3} s ({} frames) into it; what comes before is kept",
                -start,
                rate.frames(-start),
            ));
        }
        notes
    }
}

fn parse(file: &str, text: &str) -> Result<Table, ReadError> {
    let mut header = Header::default();
    let mut values = Vec::new();
    let mut columns = None;
    let text = text.trim_start_matches('\u{feff}');
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        if let Some((value, meaning)) = line.split_once("//") {
            header.value(value, meaning);
            continue;
        }
        let before = values.len();
        match numbers(line, &mut values) {
            Ok(()) => {
                let here = values.len() - before;
                columns = match columns {
                    None => Some(Some(here)),
                    Some(columns) => Some(columns.filter(|&columns| columns == here)),
                };
            }
            Err(_) if line.starts_with(['*', '#', ';', '%', '"']) || before == 0 => {
                values.truncate(before);
                header.remark(line);
            }
            Err(word) => {
                return Err(ReadError::refused(
                    file,
                    format!("`{word}` in line {} is no number", number + 1),
                    "correct it, or export the impulse response anew",
                ));
            }
        }
    }
    Ok(Table {
        header,
        values,
        columns: columns.flatten(),
    })
}

/// Appends the numbers of a line, or tells what is none.
fn numbers<'a>(line: &'a str, values: &mut Vec<f64>) -> Result<(), Cow<'a, str>> {
    let separator = |c: char| c.is_whitespace() || matches!(c, ',' | ';');
    for word in line.split(separator).filter(|word| !word.is_empty()) {
        match word.parse() {
            Ok(value) => values.push(value),
            Err(_) => return Err(word.chars().take(20).collect()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "\
Impulse Response data saved by REW V5.19
IR is normalised
IR window has not been applied
IR is not the min phase version
Source: Microphone (Umik-1  Gain:  0dB  ), Right channel, volume: 0.550
Dated: 05-May-2014 14:12:40
Excitation:  256k Log Swept Sine, 1 sweep at -12.0 dB FS
Response measured over: 2.2 to 24,000.0 Hz
4.33353241533041E-4 // Peak value before normalisation
1 // Peak index
3 // Response length
2.0833333333333333E-5 // Sample interval (seconds)
-2.0833333333333333E-5 // Start time (seconds)

-3.1990022E-4
1.0
-3.4590682E-4
";

    const NEW: &str = "\
* Impulse Response data saved by REW
* IR is not normalised
* Excitation: Imported Impulse Response, 48000.0 Hz sampling
* Response measured over: 2,9 to 24 000,0 Hz
0.25 // Peak value before normalisation
0 // Peak index
2 // Response length
2.2675736961451248E-5 // Sample interval (seconds)
0.0 // Start time (seconds)
120.0 // Data offset (dB)
* Data start
0.25
-0.125
";

    fn of(text: &str) -> Result<(Audio<f32>, Vec<String>), String> {
        with(text, &Options::default())
    }

    fn with(text: &str, options: &Options) -> Result<(Audio<f32>, Vec<String>), String> {
        read("ir.txt", text.as_bytes(), options).map_err(|error| error.to_string())
    }

    fn options(text: &str) -> Options {
        Options::parse("ir.txt", text).unwrap()
    }

    #[test]
    fn both_forms_of_rew_are_read_with_their_rate() {
        for text in [
            OLD.to_owned(),
            OLD.replace('\n', "\r\n"),
            format!("\u{feff}{OLD}"),
        ] {
            let (audio, notes) = of(&text).unwrap();
            assert_eq!(audio.rate().hz(), 48_000);
            assert_eq!(audio.channels(), [[-3.1990022e-4, 1.0, -3.4590682e-4]]);
            assert!(notes[0].contains("normalised") && notes[0].contains("4.334e-4"));
            assert!(notes[1].contains("(1 frames)"), "{notes:?}");
        }
        let (audio, notes) = of(NEW).unwrap();
        assert_eq!(audio.rate().hz(), 44_100);
        assert_eq!(audio.channels(), [[0.25, -0.125]]);
        assert!(notes.is_empty(), "{notes:?}");
        assert!(
            of(&NEW.replace("2 //", "3 //"))
                .unwrap_err()
                .contains("promises 3 frames, 2")
        );
        assert!(
            with(NEW, &options("48k"))
                .unwrap_err()
                .contains("44100 Hz, not 48000 Hz")
        );
    }

    #[test]
    fn a_plain_list_needs_a_rate_and_may_stand_in_any_lines() {
        assert!(of("1\n0.5\n").unwrap_err().contains("ir.txt@48k"));
        for text in [
            "1\n0.5\n.25\n-1e-1",
            "1 0.5\n.25, -0.1",
            "1;.5;.25;-.1",
            "# 4 taps\n1\n.5\n.25\n-.1",
        ] {
            let (audio, _) = with(text, &options("48k,1ch")).unwrap();
            assert_eq!(audio.channels(), [[1.0, 0.5, 0.25, -0.1]], "{text}");
        }
        let (audio, _) = with("1 2\n3 4\n5 6\n", &options("48k,2ch")).unwrap();
        assert_eq!(audio.channels(), [[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]]);
        assert!(
            with("1 2 3", &options("48k,2ch"))
                .unwrap_err()
                .contains("3 numbers")
        );
        let error = with("5 2\n3 4\n", &options("48k")).unwrap_err();
        assert!(
            error.contains("ir.txt@2ch") && error.contains("@1ch"),
            "{error}"
        );
    }

    #[test]
    fn a_column_of_times_tells_the_rate() {
        let line = |i: usize| format!("{:.9}\t{}\n", i as f64 / 48e3, 1.0 / (i + 1) as f64);
        let text: String = (0..1000).map(line).collect();
        let (audio, notes) = of(&format!("Time\tAmplitude\n{text}")).unwrap();
        assert_eq!((audio.rate().hz(), audio.channels().len()), (48_000, 1));
        assert_eq!(audio.channel(0)[3], 0.25);
        assert!(notes[0].contains("time"));
    }

    #[test]
    fn a_frequency_response_is_refused_as_what_it_is() {
        for text in [
            "* Freq(Hz), SPL(dB), Phase(degrees)\n20.0, 65.0, 10\n21.0, 66.0, 12\n",
            "20 65.0 1\n20.5 66.0 2\n21 64 3\n",
            "20.0\t-3.0\n40.0\t-2.0\n80.0\t-1.0\n",
            "Freq(Hz) SPL(dB)\n20 65\n",
        ] {
            let error = with(text, &options("48k")).unwrap_err();
            assert!(error.contains("frequency response"), "{error}");
        }
    }

    #[test]
    fn what_is_no_number_is_named_with_its_line() {
        let error = with("1\n0.5\nx7\n", &options("48k")).unwrap_err();
        assert!(error.contains("`x7` in line 3"), "{error}");
        assert!(of("dear reader\n").unwrap_err().contains("without samples"));
    }
}
