//! Where the last page of an Ogg file ends: looked up in a file, and seen as the bytes pass by in a
//! pipe, where it is learnt only at the end.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of a page's header up to its position, and behind it to its serial number.
const HEADER: usize = 18;
/// The most bytes of a page.
const PAGE: usize = 65_307;

/// What was read last, a page at least.
#[derive(Debug, Clone, Default)]
pub(super) struct Passed(Arc<Mutex<Vec<u8>>>);

impl Passed {
    /// From the end of a file, which stands at its start then.
    pub fn at_end(file: &mut (impl Read + Seek)) -> io::Result<Self> {
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(length.saturating_sub(2 * PAGE as u64)))?;
        let mut bytes = Vec::new();
        file.by_ref()
            .take(2 * PAGE as u64)
            .read_to_end(&mut bytes)?;
        file.rewind()?;
        Ok(Self(Arc::new(Mutex::new(bytes))))
    }

    /// The position at the end of the last page of a stream.
    pub fn end(&self, serial: u32) -> Option<i64> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pages = bytes.windows(HEADER).rev();
        let mut pages =
            pages.filter(|page| page.starts_with(b"OggS\0") && page[14..] == serial.to_le_bytes());
        let position = pages.next()?[6..14].try_into().ok()?;
        // Below 0 where no packet ends.
        Some(i64::from_le_bytes(position)).filter(|&position| position >= 0)
    }
}

/// A pipe that is watched.
pub(super) struct Watched<R> {
    pub pipe: R,
    pub passed: Passed,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.pipe.read(bytes)?;
        let mut passed = self.passed.0.lock().unwrap_or_else(PoisonError::into_inner);
        passed.extend(&bytes[..read]);
        // Rarely, so that little is moved.
        if passed.len() > 8 * PAGE {
            let old = passed.len() - PAGE;
            passed.drain(..old);
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_page_of_the_stream_is_found_however_much_passed() {
        let page = |serial: u32, position: i64| {
            let mut page = b"OggS\0\0".to_vec();
            page.extend(position.to_le_bytes());
            page.extend(serial.to_le_bytes());
            page.extend([7; 1000]);
            page
        };
        let all: Vec<u8> = (0..2000).flat_map(|k| page(k as u32 % 2, k)).collect();
        let passed = Passed::default();
        let pipe = &all[..];
        let mut watched = Watched {
            pipe,
            passed: passed.clone(),
        };
        assert_eq!(passed.end(0), None);
        io::copy(&mut watched, &mut io::sink()).unwrap();
        assert_eq!(
            (passed.end(0), passed.end(1), passed.end(2)),
            (Some(1998), Some(1999), None)
        );
        let looked = Passed::at_end(&mut io::Cursor::new(&all)).unwrap();
        assert_eq!((looked.end(0), looked.end(2)), (Some(1998), None));
        assert!(passed.0.lock().unwrap().len() < 1 << 20);
    }
}
