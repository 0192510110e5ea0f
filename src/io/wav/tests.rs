//! Files written and read back, by this, by hound, by ffmpeg and by sox.

use std::fs;
use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use super::*;
use crate::io::medium::Medium;
use crate::io::{ReadError, SampleFormat, Sink, Source, Spec, Tags};
use crate::signal::SampleRate;

/// A WAV file made by hound.
fn made(spec: hound::WavSpec, samples: usize) -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = hound::WavWriter::new(Cursor::new(&mut file), spec).unwrap();
    for i in 0..samples {
        match spec.sample_format {
            hound::SampleFormat::Float => writer.write_sample(value(i) as f32).unwrap(),
            hound::SampleFormat::Int => {
                let top = f64::from(1 << (spec.bits_per_sample - 2)) * 2.0;
                writer.write_sample((value(i) * top) as i32).unwrap();
            }
        }
    }
    writer.finalize().unwrap();
    file
}

fn value(i: usize) -> f64 {
    (i as f64 * 0.7).sin() * 0.9
}

fn spec(channels: u16, bits: u16, float: bool) -> hound::WavSpec {
    hound::WavSpec {
        channels,
        sample_rate: 48_000,
        bits_per_sample: bits,
        sample_format: match float {
            true => hound::SampleFormat::Float,
            false => hound::SampleFormat::Int,
        },
    }
}

fn open(file: &[u8]) -> Result<WavSource, ReadError> {
    let reader = Box::new(Cursor::new(file.to_vec()));
    WavSource::new("x.wav", reader, Some(file.len() as u64))
}

fn all(mut source: WavSource, block: usize) -> Result<Vec<Vec<f64>>, ReadError> {
    let mut buffer = vec![vec![0.0; block]; source.spec().channels];
    let mut channels = vec![Vec::new(); source.spec().channels];
    loop {
        let frames = source.read(&mut buffer)?;
        if frames == 0 {
            return Ok(channels);
        }
        for (channel, new) in channels.iter_mut().zip(&buffer) {
            channel.extend_from_slice(&new[..frames]);
        }
    }
}

#[test]
fn blocks_hold_what_hound_reads_one_by_one() {
    for (channels, bits, float) in [
        (1, 8, false),
        (2, 16, false),
        (3, 24, false),
        (2, 32, false),
        (5, 32, true),
    ] {
        let spec = spec(channels, bits, float);
        let file = made(spec, 30 * usize::from(channels));
        let mut reader = hound::WavReader::new(Cursor::new(&file)).unwrap();
        let expected: Vec<f64> = if float {
            reader
                .samples::<f32>()
                .map(|s| f64::from(s.unwrap()))
                .collect()
        } else {
            let scale = 2f64.powi(i32::from(bits) - 1);
            reader
                .samples::<i32>()
                .map(|s| f64::from(s.unwrap()) / scale)
                .collect()
        };
        for block in [1, 7, 30, 100] {
            let source = open(&file).unwrap();
            assert_eq!(source.frames(), Some(30));
            let got = all(source, block).unwrap();
            let woven: Vec<f64> = (0..30)
                .flat_map(|i| got.iter().map(move |c| c[i]))
                .collect();
            assert_eq!(woven, expected, "{channels} channels of {bits} bits");
        }
    }
}

#[test]
fn twenty_four_bits_in_four_bytes_are_read_from_either_side() {
    let values = [0i32, 5, -8_000_001, 3];
    for shift in [0, 8] {
        let mut file = made(spec(1, 32, false), 4);
        let data = file.len() - 16;
        file[38..40].copy_from_slice(&24u16.to_le_bytes());
        for (k, v) in values.iter().enumerate() {
            file[data + 4 * k..][..4].copy_from_slice(&(v << shift).to_le_bytes());
        }
        let got = all(open(&file).unwrap(), 100).unwrap();
        assert_eq!(
            got[0],
            values.map(|v| f64::from(v) / 8_388_608.0),
            "shift {shift}"
        );
    }
}

#[test]
fn what_a_sink_writes_a_source_and_hound_read_back() {
    for format in SampleFormat::ALL {
        let path =
            std::env::temp_dir().join(format!("faltung-wav-{format}-{}.wav", std::process::id()));
        let rate = SampleRate::new(44_100).unwrap();
        let spec = Spec {
            rate,
            channels: 3,
            format,
        };
        let mut sink = WavSink::create(&path, spec, Some(5), true).unwrap();
        let block = vec![vec![0.5f64, -1.0, 0.0, 0.25, 0.125]; 3];
        sink.write(&block).unwrap();
        assert!(!path.exists());
        Sink::<f64>::finish(sink).unwrap();
        let file = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(file.len() % 2, 0);
        let riff = u32::from_le_bytes([file[4], file[5], file[6], file[7]]);
        assert_eq!(riff as usize + 8, file.len());
        // hound knows no doubles.
        if format != SampleFormat::F64 {
            let reader = hound::WavReader::new(Cursor::new(&file)).unwrap();
            assert_eq!(reader.duration(), 5);
        }
        let source = open(&file).unwrap();
        assert_eq!(source.spec(), spec);
        assert_eq!(all(source, 2).unwrap(), block);
    }
}

#[test]
fn a_file_cut_short_is_refused_with_both_numbers() {
    let file = made(spec(2, 16, false), 100);
    let error = open(&file[..file.len() - 50]).unwrap_err().to_string();
    assert!(
        error.contains("promises 200 bytes") && error.contains("150 are there"),
        "{error}"
    );
    let pipe = Box::new(Cursor::new(file[..file.len() - 50].to_vec()));
    let error = all(WavSource::new("pipe", pipe, None).unwrap(), 7)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("promises 200 bytes") && error.contains("150 are there"),
        "{error}"
    );
}

#[test]
fn a_length_left_open_runs_to_the_end() {
    for open_length in [u32::MAX, 0x7fff_f000] {
        let mut file = made(spec(2, 16, false), 100);
        file[40..44].copy_from_slice(&open_length.to_le_bytes());
        assert_eq!(open(&file).unwrap().frames(), Some(50));
        let pipe = Box::new(Cursor::new(file));
        let source = WavSource::new("pipe", pipe, None).unwrap();
        assert_eq!(source.frames(), None);
        assert_eq!(all(source, 7).unwrap()[1].len(), 50);
    }
}

#[test]
fn a_length_of_zero_is_open_where_the_whole_has_none_either() {
    for riff in [0, u32::MAX] {
        let mut file = made(spec(2, 16, false), 100);
        file[4..8].copy_from_slice(&riff.to_le_bytes());
        file[40..44].fill(0);
        assert_eq!(open(&file).unwrap().frames(), Some(50));
        let pipe = Box::new(Cursor::new(file));
        let source = WavSource::new("pipe", pipe, None).unwrap();
        assert_eq!(all(source, 7).unwrap()[1].len(), 50);
    }
}

#[test]
fn lengths_of_64_bits_are_read_and_believed() {
    let wav = made(spec(2, 16, false), 100);
    for magic in [b"RF64", b"BW64"] {
        for (data, frames) in [(200u64, Some(50)), (196, Some(49)), (0, Some(50))] {
            let mut ds64 = b"ds64\x1c\0\0\0".to_vec();
            ds64.extend(300u64.to_le_bytes());
            ds64.extend(data.to_le_bytes());
            ds64.extend(50u64.to_le_bytes());
            ds64.extend(0u32.to_le_bytes());
            let mut file = [&wav[..12], &ds64[..], &wav[12..]].concat();
            file[..4].copy_from_slice(magic);
            file[4..8].fill(0xff);
            file[76..80].fill(0xff);
            assert_eq!(open(&file).unwrap().frames(), frames, "{data}");
        }
    }
    let cut = [&b"RF64\xff\xff\xff\xffWAVEds64\x1c\0\0\0"[..], &[0; 9]].concat();
    let text = open(&cut).unwrap_err().to_string();
    assert!(
        text.contains("`ds64` claims 28 bytes, 9 are there"),
        "{text}"
    );
}

/// A file of one channel with this tag, these bits and these bytes of samples.
fn raw(tag: u16, bits: u16, data: &[u8]) -> Vec<u8> {
    let bytes = bits.div_ceil(8);
    let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0".to_vec();
    for word in [tag, 1] {
        file.extend(word.to_le_bytes());
    }
    for long in [48_000, 48_000 * u32::from(bytes)] {
        file.extend(long.to_le_bytes());
    }
    for word in [bytes, bits] {
        file.extend(word.to_le_bytes());
    }
    file.extend(b"data");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    file
}

#[test]
fn doubles_are_read_to_the_last_bit() {
    let values = [0.1f64, -1.0 / 3.0, 1e-300, 1.5];
    let data: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let source = open(&raw(3, 64, &data)).unwrap();
    assert_eq!(source.spec().format, SampleFormat::F64);
    assert_eq!(all(source, 3).unwrap(), [values]);
}

#[test]
fn companded_and_odd_sample_sizes_are_read() {
    let one = |file: Vec<u8>| all(open(&file).unwrap(), 8).unwrap().remove(0);
    // Full scale of both laws, in 16 bits.
    assert_eq!(one(raw(6, 8, &[0xaa, 0x2a])), [0.984375, -0.984375]);
    let mu = 32_124.0 / 32_768.0;
    assert_eq!(
        one(raw(7, 8, &[0x80, 0x00, 0xff, 0xff])),
        [mu, -mu, 0.0, 0.0]
    );
    // 12 bits at the top of two bytes, 20 at the top of three.
    assert_eq!(
        one(raw(1, 12, &[0x00, 0x40, 0xf0, 0xff])),
        [0.5, -1.0 / 2048.0]
    );
    assert_eq!(
        one(raw(1, 20, &[0x00, 0x00, 0xc0, 0, 0, 0x20])),
        [-0.5, 0.25]
    );
}

#[test]
fn chunks_of_odd_length_are_passed_with_and_without_padding() {
    let file = made(spec(1, 16, false), 10);
    for pad in [&b""[..], b"\0"] {
        let extra = [&file[..12], b"LIST\x03\0\0\0abc", pad, &file[12..]].concat();
        assert_eq!(open(&extra).unwrap().frames(), Some(10));
    }
}

#[test]
fn headers_that_lie_are_refused_in_one_clear_line() {
    let good = made(spec(2, 16, false), 100);
    let with = |at: usize, bytes: &[u8]| {
        let mut file = good.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        open(&file).unwrap_err().to_string()
    };
    let cases = [
        (with(22, &[0, 0]), "0 channels"),
        (with(24, &[0; 4]), "0 Hz"),
        (with(40, &[0; 4]), "no samples"),
        (with(40, &[201, 0, 0, 0]), "promises 201 bytes"),
        (
            with(40, &[199, 0, 0, 0]),
            "199 bytes is no whole number of frames of 4",
        ),
        (with(0, b"RIFX"), "big-endian"),
        (with(0, b"fLaC"), "FLAC"),
        (with(0, b"\x01\x02zz"), r"begins with `\x01\x02zz`"),
        (with(8, b"AVI "), "of the kind `AVI `"),
        (with(20, &[2, 0]), "ADPCM"),
        (with(20, &[7, 0]), "16-bit A-law or mu-law"),
        (with(20, &[3, 0]), "16-bit float"),
        (with(34, &[20, 0]), "bits exceeds size"),
        (with(32, &[3, 0]), "3 bytes do not divide into 2"),
        (with(16, &[15, 0, 0, 0]), "15 bytes, 16 are needed"),
        (with(16, &[255; 4]), "claims 4294967295 bytes"),
        (with(12, b"junk"), "samples come before the format"),
        (with(36, b"junk"), "ends before the samples"),
    ];
    for (text, part) in cases {
        assert!(
            text.contains(part) && text.starts_with("x.wav: "),
            "{part}: {text}"
        );
        assert!(!text.contains('\n') && text.contains(';'), "{text}");
    }
    for (file, part) in [
        (&b""[..], "nothing at all"),
        (b"RIFF", "ends within its header"),
    ] {
        let text = open(file).unwrap_err().to_string();
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn no_header_makes_the_reader_panic_or_hang() {
    let kinds = [
        spec(2, 16, false),
        spec(3, 24, false),
        spec(1, 32, true),
        spec(1, 8, false),
    ];
    let plain = kinds.map(|kind| {
        let file = made(kind, 60);
        let header = file.len() - 60 * usize::from(kind.bits_per_sample / 8);
        (file, header)
    });
    let path = path("no-panic");
    let (kind, block) = (ours(1, SampleFormat::I16), tone(1, 60));
    let mut long = limited(&path, kind, Some(60), &tags(), 100, &block);
    fs::remove_file(path).unwrap();
    let bext = long.windows(4).position(|id| id == b"bext").unwrap();
    // Without most of what is only carried along.
    let len = u32::from_le_bytes(long[bext + 4..bext + 8].try_into().unwrap());
    long.drain(bext..bext + 8 + len.next_multiple_of(2) as usize);
    let with_tags = (long.clone(), long.len() - 120);
    let wave_64 = (wave_64(&[7; 120]), 136);
    let mut state = 1u64;
    let mut random = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize
    };
    for (good, header) in plain.into_iter().chain([with_tags, wave_64]) {
        assert!(open(&good).is_ok());
        let try_out = |file: &[u8]| {
            let _ = open(file).map(|source| all(source, 16));
            let pipe = Box::new(Cursor::new(file.to_vec()));
            let _ = WavSource::new("pipe", pipe, None).map(|source| all(source, 16));
        };
        for at in 0..header {
            for byte in [0, 1, 2, 3, 0x7f, 0x80, 0xfe, 0xff] {
                let mut file = good.clone();
                file[at] = byte;
                try_out(&file);
            }
            try_out(&good[..at]);
        }
        for _ in 0..2000 {
            let mut file = good.clone();
            for _ in 0..1 + random() % 5 {
                file[random() % header] = random() as u8;
            }
            try_out(&file);
        }
    }
}

#[test]
fn what_is_no_number_is_read_as_zero_and_counted() {
    let mut file = made(spec(2, 32, true), 20);
    let data = file.len() - 80;
    file[data + 4 * 7..][..4].copy_from_slice(&f32::NAN.to_le_bytes());
    file[data + 4 * 10..][..4].copy_from_slice(&f32::INFINITY.to_le_bytes());
    let mut source = open(&file).unwrap();
    let mut block = vec![vec![1.0f32; 4]; 2];
    while source.read(&mut block).unwrap() > 0 {
        assert!(block.iter().flatten().all(|v| v.is_finite()));
    }
    let replaced = Source::<f32>::replaced(&source);
    assert_eq!((replaced.count, replaced.first), (2, Some((3, 1))));
}

#[test]
fn what_does_not_fit_into_a_header_is_refused() {
    let rate = SampleRate::new(4_000_000_000).unwrap();
    let spec = |channels, rate| Spec {
        rate,
        channels,
        format: SampleFormat::I24,
    };
    let sink = |spec, frames| {
        let path = Path::new("x.wav");
        WavSink::pipe(path, Box::new(io::sink()), spec, frames)
            .err()
            .map(|e| e.to_string())
    };
    assert!(sink(spec(2, rate), None).unwrap().contains("4000000000 Hz"));
    let rate = SampleRate::new(48_000).unwrap();
    assert!(
        sink(spec(30_000, rate), None)
            .unwrap()
            .contains("30000 channels")
    );
    assert!(sink(spec(2, rate), Some(715_000_000)).is_none());
}

// ------------------------------------------------------------- beyond 4 GiB

fn ours(channels: usize, format: SampleFormat) -> Spec {
    Spec {
        rate: SampleRate::new(48_000).unwrap(),
        channels,
        format,
    }
}

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("faltung-wav-{name}-{}.wav", std::process::id()))
}

/// Values that all formats hold, and no negative zero, which others read as a positive one.
fn tone(channels: usize, frames: usize) -> Vec<Vec<f64>> {
    (0..channels)
        .map(|k| {
            (0..frames)
                .map(|i| (value(3 * i + k) * 128.0).round() / 128.0 + 0.0)
                .collect()
        })
        .collect()
}

/// Writes blocks into a file that is named in 32 bits up to `limit`.
fn limited(
    path: &Path,
    spec: Spec,
    frames: Option<u64>,
    tags: &Tags,
    limit: u64,
    block: &[Vec<f64>],
) -> Vec<u8> {
    let medium = Medium::create(path, true).unwrap();
    let mut sink = WavSink::new(medium, spec, frames, tags, limit).unwrap();
    let half = block[0].len() / 2;
    for piece in [0..half, half..block[0].len()] {
        let cut: Vec<Vec<f64>> = block.iter().map(|c| c[piece.clone()].to_vec()).collect();
        sink.write(&cut).unwrap();
    }
    Sink::<f64>::finish(sink).unwrap();
    fs::read(path).unwrap()
}

/// What a program says of a file or makes of it; none where there is no such program.
fn by(program: &str, line: &[&str], file: &Path) -> Option<Vec<u8>> {
    let file = file.display().to_string();
    let line = line.iter().map(|word| word.replace("FILE", &file));
    let ran = Command::new(program)
        .args(line)
        .stdin(Stdio::null())
        .output();
    let Ok(ran) = ran else {
        let required = std::env::var("FALTUNG_FORMATS").is_ok_and(|word| word == "required");
        assert!(!required || program == "sox", "there is no {program}");
        eprintln!("skipped: there is no {program}");
        return None;
    };
    let error = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{program}: {error}");
    Some(ran.stdout)
}

/// The samples, interleaved, as ffmpeg and sox read them.
fn by_others(file: &Path, expected: &[Vec<f64>]) {
    let woven: Vec<u8> = (0..expected[0].len())
        .flat_map(|i| expected.iter().flat_map(move |c| c[i].to_le_bytes()))
        .collect();
    for (program, line) in [
        (
            "ffmpeg",
            &["-v", "error", "-i", "FILE", "-f", "f64le", "-"][..],
        ),
        ("sox", &["-D", "FILE", "-t", "f64", "-"]),
    ] {
        if let Some(heard) = by(program, line, file) {
            assert!(
                heard == woven,
                "{program}: {} of {} bytes",
                heard.len(),
                woven.len()
            );
        }
    }
}

fn sizes(file: &[u8]) -> ([u8; 4], u32, [u8; 4]) {
    let id = |at: usize| [file[at], file[at + 1], file[at + 2], file[at + 3]];
    (id(0), u32::from_le_bytes(id(4)), id(12))
}

#[test]
fn a_file_that_outgrows_the_limit_becomes_rf64_and_others_read_it() {
    // 3 odd bytes a frame, an odd number of frames.
    let (spec, block) = (ours(1, SampleFormat::I24), tone(1, 1001));
    let path = path("rf64");
    for (frames, limit, kind, first) in [
        (Some(1001), 4000, b"RIFF", b"fmt "),
        (Some(1001), 3000, b"RF64", b"ds64"),
        (None, 4000, b"RIFF", b"JUNK"),
        (None, 3000, b"RF64", b"ds64"),
    ] {
        let file = limited(&path, spec, frames, &Tags::default(), limit, &block);
        let (magic, riff, second) = sizes(&file);
        assert_eq!((&magic, &second), (kind, first), "{frames:?}, {limit}");
        assert_eq!(file.len() % 2, 0);
        let long = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().unwrap());
        if kind == b"RF64" {
            assert_eq!((riff, long(20)), (u32::MAX, file.len() as u64 - 8));
            assert_eq!((long(28), long(36)), (3003, 1001));
        } else {
            assert_eq!(u64::from(riff), file.len() as u64 - 8);
        }
        let source = WavSource::open(&path).unwrap();
        assert_eq!((source.frames(), source.spec()), (Some(1001), spec));
        assert_eq!(all(source, 100).unwrap(), block);
        by_others(&path, &block);
    }
    fs::remove_file(path).unwrap();
}

#[test]
fn the_limit_is_where_32_bits_end() {
    let (spec, path) = (ours(1, SampleFormat::U8), path("limit"));
    // 44 bytes before the samples, of which 8 do not count.
    for (frames, limit, kind) in [(100, 136, b"RIFF"), (100, 135, b"RF64"), (99, 135, b"RF64")] {
        let block = tone(1, frames);
        let file = limited(
            &path,
            spec,
            Some(frames as u64),
            &Tags::default(),
            limit,
            &block,
        );
        assert_eq!(&file[..4], kind, "{frames} {limit}");
    }
    assert_eq!(header::LIMIT, 0xffff_fffe);
    fs::remove_file(path).unwrap();
}

#[test]
fn a_length_that_was_announced_too_short_lasts_until_the_file_ends() {
    let (spec, path, block) = (ours(2, SampleFormat::I16), path("announced"), tone(2, 1000));
    let file = limited(&path, spec, Some(100), &Tags::default(), 3000, &block);
    assert_eq!((&file[..4], &file[40..44]), (&b"RIFF"[..], &[0xff; 4][..]));
    let source = WavSource::open(&path).unwrap();
    assert_eq!(all(source, 100).unwrap(), block);
    fs::remove_file(path).unwrap();
}

/// A pipe whose other end can be looked at.
#[derive(Clone, Default)]
struct Pipe(Arc<Mutex<Vec<u8>>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_pipe_names_its_length_where_it_knows_it_and_leaves_it_open_elsewhere() {
    let (spec, block) = (ours(2, SampleFormat::I16), tone(2, 1000));
    for (frames, limit, kind, open) in [
        (Some(1000), 5000, b"RIFF", false),
        (Some(1000), 3000, b"RF64", true),
        (None, 5000, b"RIFF", true),
        (None, 3000, b"RIFF", true),
    ] {
        let pipe = Pipe::default();
        let writer: Box<dyn Write + Send> = Box::new(pipe.clone());
        let medium = Medium::pipe(Path::new("x"), writer);
        let none = Tags::default();
        let mut sink = WavSink::new(medium, spec, frames, &none, limit).unwrap();
        sink.write(&block).unwrap();
        Sink::<f64>::finish(sink).unwrap();
        let file = pipe.0.lock().unwrap().clone();
        let (magic, riff, _) = sizes(&file);
        assert_eq!(
            (&magic, riff == u32::MAX),
            (kind, open),
            "{frames:?}, {limit}"
        );
        let reader = Box::new(Cursor::new(file));
        let source = WavSource::new("x", reader, None).unwrap();
        assert_eq!(source.frames(), frames);
        assert_eq!(all(source, 300).unwrap(), block);
    }
}

#[test]
fn a_length_beyond_32_bits_that_was_cut_to_them_is_told_by_the_files_size() {
    let mut file = made(spec(2, 16, false), 100);
    let (true_len, begin) = (5_000_000_000u64, 44);
    file[40..44].copy_from_slice(&(true_len as u32).to_le_bytes());
    let frames = |size: u64| {
        let reader = Box::new(Cursor::new(file.clone()));
        let source = WavSource::new("x", reader, Some(size)).unwrap();
        source.frames().unwrap()
    };
    assert_eq!(frames(begin + true_len), true_len / 4);
    // With a few chunks behind it.
    assert_eq!(frames(begin + true_len + 1000), true_len / 4);
    // What is said and there is believed: other things may lie behind.
    let said = u64::from(true_len as u32);
    assert_eq!(frames(begin + said + 1000), said / 4);
    assert_eq!(frames(begin + true_len - 1000), said / 4);
}

#[test]
fn a_writer_that_died_before_it_named_a_length_leaves_its_samples() {
    let mut file = made(spec(2, 16, false), 100);
    file[4..8].copy_from_slice(&36u32.to_le_bytes());
    file[40..44].fill(0);
    assert_eq!(open(&file).unwrap().frames(), Some(50));
    assert!(matches!(open(&file[..44]), Err(ReadError::Empty { .. })));
}

/// A Wave64 file of one channel of 16 bits, with a chunk of another kind on the way.
fn wave_64(data: &[u8]) -> Vec<u8> {
    let guid = b"\xf3\xac\xd3\x11\x8c\xd1\0\xc0\x4f\x8e\xdb\x8a";
    let wav = raw(1, 16, data);
    let mut file = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0".to_vec();
    file.extend((40u64 + 40 + 32 + 24 + data.len() as u64).to_le_bytes());
    file.extend([&b"wave"[..], guid].concat());
    for (id, content) in [
        (b"fmt ", &wav[20..36]),
        (b"fact", b"other"),
        (b"data", data),
    ] {
        file.extend([&id[..], guid].concat());
        file.extend((24 + content.len() as u64).to_le_bytes());
        file.extend(content);
        if id != b"data" {
            file.resize(file.len().next_multiple_of(8), 0);
        }
    }
    file
}

#[test]
fn wave64_is_read() {
    let block = tone(1, 501);
    let data: Vec<u8> = block[0]
        .iter()
        .flat_map(|v| ((v * 32_768.0) as i16).to_le_bytes())
        .collect();
    let mut file = wave_64(&data);
    let source = open(&file).unwrap();
    assert_eq!(source.spec(), ours(1, SampleFormat::I16));
    assert_eq!(source.frames(), Some(501));
    assert_eq!(all(source, 100).unwrap(), block);
    for cut in 0..file.len() {
        assert!(open(&file[..cut]).is_err(), "{cut} bytes");
    }
    // A chunk shorter than its own header.
    file[56] = 23;
    let text = open(&file).unwrap_err().to_string();
    assert!(text.contains("`fmt ` claims 23 bytes"), "{text}");
    // ffmpeg counts what makes the length a multiple of 8.
    let block = tone(1, 504);
    let (path, out) = (path("w64-in"), path("w64").with_extension("w64"));
    limited(
        &path,
        ours(1, SampleFormat::I16),
        None,
        &Tags::default(),
        1 << 20,
        &block,
    );
    let line = ["-v", "error", "-y", "-i", "FILE", out.to_str().unwrap()];
    if by("ffmpeg", &line, &path).is_some() {
        assert_eq!(all(WavSource::open(&out).unwrap(), 100).unwrap(), block);
        fs::remove_file(out).unwrap();
    }
    fs::remove_file(path).unwrap();
}

// ------------------------------------------------------------- beside the samples

fn tags() -> Tags {
    let mut bext = vec![0; 602];
    bext[..4].copy_from_slice(b"take");
    // The time reference, and version 2.
    bext[338..346].copy_from_slice(&172_800_000u64.to_le_bytes());
    bext[346] = 2;
    bext.extend(b"A=ANALOGUE,T=tape\r\n");
    Tags {
        mask: None,
        info: vec![
            (*b"INAM", "Große Fuge".into()),
            (*b"IART", "odd".into()),
            (*b"ICMT", "even".into()),
        ],
        bext: Some(bext),
    }
}

#[test]
fn tags_are_carried_from_file_to_file_and_others_see_them() {
    let (spec, path, block) = (ours(2, SampleFormat::I24), path("tags"), tone(2, 501));
    let given = tags();
    for (frames, limit) in [(Some(501), 1 << 20), (None, 1 << 20), (None, 2000)] {
        limited(&path, spec, frames, &given, limit, &block);
        let source = WavSource::open(&path).unwrap();
        let found = source.tags().clone();
        assert_eq!(found.info, given.info);
        assert_eq!(found.mask, Some(3));
        let history = String::from_utf8(found.bext.unwrap()[602..].to_vec()).unwrap();
        let version = env!("CARGO_PKG_VERSION");
        let line = format!("A=PCM,F=48000,W=24,M=stereo,T=faltung {version}\r\n");
        assert_eq!(history, format!("A=ANALOGUE,T=tape\r\n{line}"));
        assert_eq!(all(source, 100).unwrap(), block);
        if (frames, limit) == (None, 1 << 20) {
            continue;
        }
        by_others(&path, &block);
        let line = ["-v", "error", "-show_format", "FILE"];
        if let Some(said) = by("ffprobe", &line, &path) {
            let said = String::from_utf8(said).unwrap();
            for tag in [
                "title=Große Fuge",
                "artist=odd",
                "comment=even",
                "time_reference=172800000",
            ] {
                assert!(said.contains(&format!("TAG:{tag}\n")), "{tag}: {said}");
            }
        }
    }
    fs::remove_file(path).unwrap();
}

#[test]
fn tags_of_others_are_found_before_and_behind_the_samples_and_bounded() {
    let good = made(spec(1, 16, false), 51);
    let list = [
        &b"LIST\x10\0\0\0INFOINAM\x04\0\0\0late"[..],
        b"more\x01\0\0\0x\0",
    ]
    .concat();
    let bext = [&b"bext\x5a\x02\0\0"[..], &[7; 602]].concat();
    let path = path("behind");
    for (odd, pad) in [(false, &b""[..]), (true, b"\0"), (true, b"")] {
        let mut file = good.clone();
        if odd {
            // 8 bits, so that the samples end at an odd byte.
            file = raw(1, 8, &[128; 51]);
        }
        file.extend(pad);
        file.extend([&list[..], &bext].concat());
        fs::write(&path, &file).unwrap();
        let source = WavSource::open(&path).unwrap();
        assert_eq!(source.tags().info, [(*b"INAM", "late".to_string())]);
        assert_eq!(source.tags().bext.as_deref(), Some(&[7; 602][..]));
        assert_eq!(all(source, 7).unwrap()[0].len(), 51);
        // A pipe is not read twice.
        let pipe = WavSource::new("pipe", Box::new(Cursor::new(file)), None).unwrap();
        assert_eq!(pipe.tags(), &Tags::default());
    }
    // Lengths that lie: behind the samples they are passed over, before them they are an error.
    for behind in [
        &b"LIST\xff\xff\xff\xffINFOINAM"[..],
        b"bext\xff\xff\x0f\0abc",
        b"LI",
    ] {
        fs::write(&path, [&good, behind].concat()).unwrap();
        let source = WavSource::open(&path).unwrap();
        assert_eq!(source.tags(), &Tags::default());
        assert_eq!(all(source, 7).unwrap()[0].len(), 51);
    }
    let lies = [&good[..12], b"LIST\xff\xff\x0f\0INFOINAM"].concat();
    let text = open(&lies).unwrap_err().to_string();
    assert!(
        text.contains("`LIST` claims 1048575 bytes, 8 are there"),
        "{text}"
    );
    fs::remove_file(path).unwrap();
}

#[test]
fn the_broadcast_extension_of_ffmpeg_is_found() {
    let path = path("bext");
    let line = "-v error -y -f lavfi -i sine=d=0.1 -metadata description=door -metadata title=Tür \
                -metadata time_reference=4711 -write_bext 1 FILE";
    let line: Vec<&str> = line.split_whitespace().collect();
    if by("ffmpeg", &line, &path).is_none() {
        return;
    }
    let source = WavSource::open(&path).unwrap();
    let tags = source.tags();
    let bext = tags.bext.as_ref().unwrap();
    assert!(bext.starts_with(b"door\0"));
    assert_eq!(bext[338..346], 4711u64.to_le_bytes());
    assert!(tags.info.contains(&(*b"INAM", "Tür".into())), "{tags:?}");
    fs::remove_file(path).unwrap();
}

#[test]
fn speaker_positions_are_kept_where_there_is_one_for_each_channel() {
    let path = path("mask");
    let words = |file: &[u8], at: usize| u16::from_le_bytes([file[at], file[at + 1]]);
    for (channels, format, mask, plain, found) in [
        (1, SampleFormat::I16, Some(0x4), true, None),
        (2, SampleFormat::I16, Some(0x3), true, None),
        (2, SampleFormat::I16, None, true, None),
        (2, SampleFormat::I16, Some(0x600), false, Some(0x600)),
        (2, SampleFormat::I24, None, false, Some(0x3)),
        (1, SampleFormat::F64, None, false, Some(0x4)),
        (6, SampleFormat::I16, Some(0x60f), false, Some(0x60f)),
        (6, SampleFormat::I16, Some(0x3), false, None),
        (6, SampleFormat::I16, None, false, None),
    ] {
        let tags = Tags {
            mask,
            ..Tags::default()
        };
        let (spec, block) = (ours(channels, format), tone(channels, 10));
        let file = limited(&path, spec, Some(10), &tags, 1 << 20, &block);
        assert_eq!(
            words(&file, 20) == 0xfffe,
            !plain,
            "{channels} {format} {mask:?}"
        );
        let source = WavSource::open(&path).unwrap();
        assert_eq!(source.tags().mask, found, "{channels} {format} {mask:?}");
        assert_eq!(all(source, 4).unwrap(), block);
        if format == SampleFormat::F64 {
            by_others(&path, &block);
        }
        if mask == Some(0x60f) {
            by_others(&path, &block);
            let line = ["-v", "error", "-show_streams", "FILE"];
            if let Some(said) = by("ffprobe", &line, &path) {
                let said = String::from_utf8(said).unwrap();
                assert!(said.contains("channel_layout=5.1(side)"), "{said}");
            }
        }
    }
    fs::remove_file(path).unwrap();
}
