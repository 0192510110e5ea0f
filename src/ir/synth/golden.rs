//! Tables of numbers that other programs made, for tests: see assets/golden.

use std::path::Path;

/// `NAME.csv` and `NAME.bin`.
pub(super) struct Golden {
    rows: Vec<Vec<String>>,
    blob: Vec<u8>,
}

impl Golden {
    /// Reads both; `fields` are the columns, of which the last may hold commas.
    pub(super) fn read(name: &str, fields: usize) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/golden");
        let csv = std::fs::read_to_string(folder.join(format!("{name}.csv"))).unwrap();
        let row = |line: &str| line.splitn(fields, ',').map(String::from).collect();
        Self {
            rows: csv.lines().skip(1).map(row).collect(),
            blob: std::fs::read(folder.join(format!("{name}.bin"))).unwrap(),
        }
    }

    /// The rows.
    pub(super) fn rows(&self) -> &[Vec<String>] {
        &self.rows
    }

    /// Doubles from a place in bytes on.
    pub(super) fn values(&self, at: &str, count: usize) -> Vec<f64> {
        let at: usize = at.parse().unwrap();
        self.blob[at..at + 8 * count]
            .chunks_exact(8)
            .map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap()))
            .collect()
    }
}
