//! How long a WAV file of packed samples says that it is: its chunk `fact`, which `symphonia` puts
//! the whole last block in place of.

/// The number of frames that is told among the first bytes of a file, before its samples.
pub(super) fn fact(head: &[u8]) -> Option<u64> {
    let mut chunks = head.strip_prefix(b"RIFF")?.get(8..)?;
    loop {
        let (id, rest) = chunks.split_first_chunk::<4>()?;
        let (length, content) = rest.split_first_chunk::<4>()?;
        match id {
            b"fact" => {
                let frames = u32::from_le_bytes(*content.first_chunk()?);
                return (frames > 0).then_some(frames.into());
            }
            b"data" => return None,
            _ => {}
        }
        let length = u32::from_le_bytes(*length);
        chunks = content.get(length.checked_next_multiple_of(2)? as usize..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_found_behind_other_chunks_and_before_the_samples() {
        let file = |chunks: &[u8]| [b"RIFF\0\0\0\0WAVE", chunks].concat();
        let fact_of_300 = b"fact\x04\0\0\0\x2c\x01\0\0";
        let odd = b"odd \x03\0\0\0abc\0";
        assert_eq!(fact(&file(&[&odd[..], fact_of_300].concat())), Some(300));
        assert_eq!(
            fact(&file(&[b"data\0\0\0\0", &fact_of_300[..]].concat())),
            None
        );
        assert_eq!(fact(&file(b"fact\x04\0\0\0\0\0\0\0")), None);
        assert_eq!(fact(&file(b"fact\x04\0\0\0\x2c\x01")), None);
        assert_eq!(fact(&file(b"odd \xff\xff\xff\xffabc")), None);
        assert_eq!(fact(b"RIFF"), None);
    }
}
