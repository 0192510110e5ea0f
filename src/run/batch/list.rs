//! Lists of sounds: Kaldi's `wav.scp`, JSON lines, CSV, and one name per line.

#[cfg(unix)]
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::BatchError;
use crate::io::{FileSource, ReadError};

/// Names under which the sound of an entry is known.
const SOUND: [&str; 4] = ["audio_filepath", "path", "input", "wav"];

/// How a list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListKind {
    /// Kaldi's `wav.scp`: an id, a space and a path on each line.
    Scp,
    /// A JSON object on each line, or an array of them.
    Json,
    /// Comma-separated values under a line of names.
    Csv,
    /// A path on each line.
    Paths,
}

impl ListKind {
    /// By the extension of a name, if it is that of a list.
    pub fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "scp" => Some(Self::Scp),
            "jsonl" | "json" | "ndjson" => Some(Self::Json),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }

    /// Whether a name that does not start at the root may also start at the list's own folder.
    pub(super) fn knows_its_folder(self) -> bool {
        matches!(self, Self::Json | Self::Csv)
    }
}

/// One entry as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Line {
    /// Counted from 1.
    pub number: u64,
    pub path: PathBuf,
    pub id: Option<String>,
    pub ir: Option<String>,
    pub out: Option<String>,
    /// It stands for a part of the file only.
    pub part: bool,
}

/// Reads a list, `-` being the standard input, and gives its lines to `take`.
pub(super) fn read(
    name: &Path,
    kind: Option<ListKind>,
    take: &mut dyn FnMut(ListKind, Line) -> Result<(), BatchError>,
) -> Result<(), BatchError> {
    let (called, bytes) = if name == Path::new("-") {
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut bytes);
        ("standard input".to_owned(), read.map(|_| bytes))
    } else {
        (name.display().to_string(), fs::read(name))
    };
    let bytes = bytes.map_err(|error| ReadError::from_io(&called, error))?;
    let text = match str::from_utf8(&bytes) {
        Ok(text) => text,
        Err(error) => {
            let kind = kind.or_else(|| ListKind::of(name));
            return match kind.unwrap_or_else(|| guess(&String::from_utf8_lossy(&bytes))) {
                kind @ (ListKind::Scp | ListKind::Paths) => bare(&bytes, kind, &called, take),
                _ => Err(BatchError::WholeList {
                    list: called,
                    why: format!(
                        "is no text in UTF-8 (byte {}), so no list",
                        error.valid_up_to()
                    ),
                }),
            };
        }
    };
    // What editors on Windows put before it.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let untold = kind.is_none();
    let kind = kind
        .or_else(|| ListKind::of(name))
        .unwrap_or_else(|| guess(text));
    let refuse = |line: u64, why: String| BatchError::List {
        list: called.clone(),
        line,
        why,
    };
    if let (true, ListKind::Paths, Some((number, id))) = (untold, kind, with_id(text)) {
        return Err(refuse(
            number,
            format!("`{id}` looks like an id before a path; read such a list with --list-type scp"),
        ));
    }
    match kind {
        ListKind::Csv => csv(text, &called, &mut |line| take(kind, line)),
        ListKind::Json if text.trim_start().starts_with('[') => {
            let values: Vec<Value> = serde_json::from_str(text)
                .map_err(|error| refuse(error.line() as u64, error.to_string()))?;
            for (at, value) in values.iter().enumerate() {
                let number = at as u64 + 1;
                let line = json(number, value).map_err(|why| BatchError::WholeList {
                    list: called.clone(),
                    why: format!("entry {number}: {why}"),
                })?;
                take(kind, line)?;
            }
            Ok(())
        }
        _ => {
            for (at, text) in text.lines().enumerate() {
                let (number, text) = (at as u64 + 1, text.trim());
                if text.is_empty() {
                    continue;
                }
                let line = match kind {
                    ListKind::Scp => scp(number, text),
                    ListKind::Json => serde_json::from_str(text)
                        .map_err(|error| error.to_string())
                        .and_then(|value| json(number, &value)),
                    _ => Ok(Line {
                        number,
                        path: text.into(),
                        ..Line::default()
                    }),
                };
                take(kind, line.map_err(|why| refuse(number, why))?)?;
            }
            Ok(())
        }
    }
}

/// A list of paths, with ids or not, of which some are no text.
fn bare(
    bytes: &[u8],
    kind: ListKind,
    list: &str,
    take: &mut dyn FnMut(ListKind, Line) -> Result<(), BatchError>,
) -> Result<(), BatchError> {
    for (number, bytes) in (1..).zip(bytes.split(|&byte| byte == b'\n')) {
        let bytes = bytes.trim_ascii();
        let line = match (kind, str::from_utf8(bytes)) {
            _ if bytes.is_empty() => continue,
            (ListKind::Scp, Ok(text)) => scp(number, text),
            (ListKind::Scp, Err(_)) => {
                let blank = bytes.iter().position(u8::is_ascii_whitespace);
                let (id, rest) = bytes.split_at(blank.unwrap_or(0));
                let line = scp(number, &String::from_utf8_lossy(bytes));
                line.and_then(|line| match str::from_utf8(id) {
                    Ok(_) => Ok(Line {
                        path: path(rest.trim_ascii()),
                        ..line
                    }),
                    Err(_) => Err(format!(
                        "`{}` is no text in UTF-8, so no id",
                        id.escape_ascii()
                    )),
                })
            }
            _ => Ok(Line {
                number,
                path: path(bytes),
                ..Line::default()
            }),
        };
        let line = line.map_err(|why| BatchError::List {
            list: list.to_owned(),
            line: number,
            why,
        })?;
        take(kind, line)?;
    }
    Ok(())
}

/// A path as it is written in a list, whatever its bytes.
#[cfg(unix)]
pub(super) fn path(bytes: &[u8]) -> PathBuf {
    <OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes).into()
}

/// Elsewhere paths are text.
#[cfg(not(unix))]
pub(super) fn path(bytes: &[u8]) -> PathBuf {
    String::from_utf8_lossy(bytes).into_owned().into()
}

/// What a list without a telling name is.
fn guess(text: &str) -> ListKind {
    match text.trim_start().chars().next() {
        Some('{' | '[') => ListKind::Json,
        _ => ListKind::Paths,
    }
}

/// The number and the id of the first entry, if it is no path, but holds one behind an id.
fn with_id(text: &str) -> Option<(u64, &str)> {
    let mut lines = (1..).zip(text.lines().map(str::trim));
    let (number, line) = lines.find(|(_, line)| !line.is_empty())?;
    let (id, path) = line.split_once(char::is_whitespace)?;
    let there = |name: &str| FileSource::file(Path::new(name)).exists();
    (!there(line) && there(path.trim())).then_some((number, id))
}

fn scp(number: u64, text: &str) -> Result<Line, String> {
    let Some((id, path)) = text.split_once(char::is_whitespace) else {
        return Err(format!(
            "`{text}` is no id and a path; a list of paths alone is read with --list-type paths"
        ));
    };
    let path = path.trim();
    if path.ends_with('|') {
        return Err(format!(
            "`{id}` is a command, and commands are not run; write its sound to a file first (Kaldi: extract-segments, or wav-copy) and name that"
        ));
    }
    Ok(Line {
        number,
        path: path.into(),
        id: Some(id.to_owned()),
        ..Line::default()
    })
}

fn json(number: u64, value: &Value) -> Result<Line, String> {
    let Some(object) = value.as_object() else {
        return Err("is no JSON object".into());
    };
    let text = |key: &str| match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        // As an empty cell of CSV.
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(_) => Err(format!("`{key}` is neither a text nor a number")),
    };
    let mut path = None;
    for key in SOUND {
        path = path.or(text(key)?);
    }
    let path = path.ok_or_else(|| {
        format!(
            "names no sound; it stands under one of {}",
            SOUND.join(", ")
        )
    })?;
    let offset = object.get("offset").and_then(Value::as_f64);
    Ok(Line {
        number,
        path: path.into(),
        id: text("id")?,
        ir: text("ir")?,
        out: text("out")?,
        part: offset.is_some_and(|offset| offset != 0.0),
    })
}

fn csv(
    text: &str,
    list: &str,
    take: &mut dyn FnMut(Line) -> Result<(), BatchError>,
) -> Result<(), BatchError> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let refuse = |error: csv::Error| BatchError::List {
        list: list.to_owned(),
        line: error.position().map_or(1, csv::Position::line),
        why: error.to_string(),
    };
    let header = reader.headers().map_err(refuse)?.clone();
    let column = |name: &str| header.iter().position(|title| title == name);
    let Some(sound) = SOUND.into_iter().find_map(column) else {
        return Err(BatchError::List {
            list: list.to_owned(),
            line: 1,
            why: format!(
                "no column is called one of {}; there are: {}",
                SOUND.join(", "),
                header.iter().collect::<Vec<_>>().join(", ")
            ),
        });
    };
    let (id, ir, out) = (column("id"), column("ir"), column("out"));
    let mut row = csv::StringRecord::new();
    while reader.read_record(&mut row).map_err(refuse)? {
        let cell = |column: Option<usize>| {
            let cell = column.and_then(|column| row.get(column));
            cell.filter(|cell| !cell.is_empty()).map(str::to_owned)
        };
        let number = row.position().map_or(0, csv::Position::line);
        let path = cell(Some(sound)).ok_or_else(|| BatchError::List {
            list: list.to_owned(),
            line: number,
            why: "names no sound".into(),
        })?;
        take(Line {
            number,
            path: path.into(),
            id: cell(id),
            ir: cell(ir),
            out: cell(out),
            part: false,
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_kaldi_is_an_id_and_a_path_with_its_blanks() {
        let line = scp(3, "utt-1   /data/my file.wav").unwrap();
        assert_eq!(
            (line.id.as_deref(), line.path.to_str(), line.number),
            (Some("utt-1"), Some("/data/my file.wav"), 3)
        );
        let error = scp(1, "utt-2 sph2pipe -f wav a.sph |").unwrap_err();
        assert!(
            error.contains("command") && error.contains("utt-2"),
            "{error}"
        );
        assert!(scp(1, "alone.wav").is_err());
    }

    #[test]
    fn an_object_names_its_sound_under_any_of_the_usual_names() {
        for key in SOUND {
            let value = serde_json::json!({ key: "a.wav", "id": 7, "duration": 2.5 });
            let line = json(1, &value).unwrap();
            assert_eq!(
                (line.path.to_str(), line.id.as_deref()),
                (Some("a.wav"), Some("7"))
            );
            assert!(!line.part);
        }
        let value = serde_json::json!({ "path": "a.wav", "offset": 1.5 });
        assert!(json(1, &value).unwrap().part);
        assert!(json(1, &serde_json::json!({ "text": "hello" })).is_err());
        assert!(json(1, &serde_json::json!(["a.wav"])).is_err());
        // What is empty is as good as unsaid.
        let value = serde_json::json!({ "path": "a.wav", "ir": "", "id": "" });
        let line = json(1, &value).unwrap();
        assert_eq!((line.ir, line.id), (None, None));
        assert!(json(1, &serde_json::json!({ "path": "" })).is_err());
    }
}
