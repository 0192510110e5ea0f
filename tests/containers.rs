//! Results in every container: what is written comes back bit for bit, here and elsewhere.
//!
//! ffmpeg makes and reads files where there is one (`FALTUNG_FORMATS=required` insists); `flac` and
//! `sox` look at the results where they are.
#![cfg(feature = "cli")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::slice::from_ref;
use std::sync::{Arc, Mutex};

use faltung::io::{
    Container, FileSink, FileSource, FlacSink, SampleFormat, Sink, Source, Spec, Tags, WriteError,
};
use faltung::run::{Render, RunError, Session};
use faltung::{Audio, ImpulseResponse, SampleRate};

mod common;
use common::*;

const FORMATS: [SampleFormat; 5] = [
    SampleFormat::U8,
    SampleFormat::I16,
    SampleFormat::I24,
    SampleFormat::I32,
    SampleFormat::F32,
];

/// Runs a program in the room and hands out what it says; none where there is no such program.
#[track_caller]
fn program(room: &Room, name: &str, line: &str) -> Option<Vec<u8>> {
    let ran = Command::new(name)
        .args(line.split_whitespace())
        .current_dir(&room.0)
        .output();
    let Ok(ran) = ran else {
        let required = std::env::var("FALTUNG_FORMATS").is_ok_and(|word| word == "required");
        assert!(!required || !name.starts_with("ff"), "there is no {name}");
        eprintln!("skipped: there is no {name}");
        return None;
    };
    let error = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{name} {line}: {error}");
    Some(ran.stdout)
}

fn ffmpeg(room: &Room, line: &str) -> Option<Vec<u8>> {
    program(room, "ffmpeg", &format!("-v error -y {line}"))
}

fn spec(format: SampleFormat, channels: usize, hz: u32) -> Spec {
    Spec {
        rate: SampleRate::new(hz).unwrap(),
        channels,
        format,
    }
}

/// Samples that the format holds, with both ends of its range among them.
fn sound(format: SampleFormat, channels: usize, frames: usize) -> Vec<Vec<f64>> {
    let bits = match format.steps() {
        Some(_) => 8 * format.bytes() as u32,
        None => 24,
    };
    let mut sound: Vec<_> = (0..channels as u64)
        .map(|seed| noise(seed + 1, frames, bits))
        .collect();
    // Opposite ends at once are the hardest that a difference of channels can meet.
    let highest = 1.0 - format.steps().map_or(0.0, f64::recip);
    for (k, channel) in sound.iter_mut().enumerate() {
        for (i, x) in channel.iter_mut().enumerate().skip(frames / 2).take(5) {
            *x = if (i + k) % 2 == 0 { -1.0 } else { highest };
        }
    }
    sound
}

/// Writes in pieces of all lengths.
fn fill(mut sink: impl Sink<f64>, sound: &[Vec<f64>]) -> Result<(), WriteError> {
    let (mut at, mut piece) = (0, 1);
    while at < sound[0].len() {
        let end = sound[0].len().min(at + piece);
        let block: Vec<_> = sound
            .iter()
            .map(|channel| channel[at..end].to_vec())
            .collect();
        sink.write(&block)?;
        (at, piece) = (end, 3 * piece);
    }
    let levels = sink.levels();
    assert_eq!((levels.frames, levels.clipped), (at as u64, 0));
    assert_eq!(levels.dithered, 0);
    sink.finish()
}

/// All that a file says and holds.
struct Heard {
    spec: Spec,
    frames: Option<u64>,
    sound: Vec<Vec<f64>>,
    tags: Tags,
}

fn hear(path: &Path) -> Heard {
    let mut source = FileSource::open(path).unwrap();
    let spec = source.spec();
    let mut sound = vec![Vec::new(); spec.channels];
    let mut block = vec![vec![0.0; 1000]; spec.channels];
    loop {
        let frames = Source::<f64>::read(&mut source, &mut block).unwrap();
        if frames == 0 {
            break;
        }
        for (all, new) in sound.iter_mut().zip(&block) {
            all.extend_from_slice(&new[..frames]);
        }
    }
    Heard {
        spec,
        frames: Source::<f64>::frames(&source),
        sound,
        tags: source.tags().clone(),
    }
}

/// Little-endian and interleaved, unsigned if of 8 bits.
fn bytes(format: SampleFormat, sound: &[Vec<f64>]) -> Vec<u8> {
    let kind = match format.to_string().as_str() {
        "u8" => U8,
        "i16" => I16,
        "i24" => I24,
        "i32" => I32,
        _ => F32,
    };
    let mut bytes = Vec::new();
    for i in 0..sound[0].len() {
        for channel in sound {
            kind.write(channel[i], &mut bytes);
        }
    }
    bytes
}

// ---------------------------------------------------------------- there and back

#[test]
fn what_is_written_comes_back_bit_for_bit() {
    let room = Room::new();
    for container in [Container::Wav, Container::Flac, Container::Aiff] {
        for format in FORMATS
            .into_iter()
            .filter(|&format| container.holds(format))
        {
            // Less than a block of FLAC, a whole one, and more.
            for (channels, frames) in [(1, 1), (2, 4096), (2, 9001), (3, 777), (8, 5000)] {
                let what = format!("{container} {format} {channels} ch {frames}");
                let x = sound(format, channels, frames);
                let spec = spec(format, channels, 44_100);
                let path = room.path(&what.replace(' ', "-"));
                let tags = Tags::default();
                let length = (frames % 2 == 0).then_some(frames as u64);
                let sink = FileSink::create(&path, container, spec, length, &tags, false).unwrap();
                fill(sink, &x).unwrap();
                let heard = hear(&path);
                assert_eq!(heard.spec, spec, "{what}");
                assert_eq!(heard.frames, Some(frames as u64), "{what}");
                assert!(heard.sound == x, "{what}");
            }
        }
    }
}

#[test]
fn raw_samples_are_the_bytes_alone_and_read_back_by_their_name() {
    let room = Room::new();
    for (format, name) in FORMATS
        .into_iter()
        .zip(["x.pcm", "x.s16", "x.s24", "x.s32", "x.f32"])
    {
        let x = sound(format, 2, 3000);
        let tags = Tags {
            info: vec![(*b"INAM", "x".into())],
            ..Tags::default()
        };
        let path = room.path(name);
        assert_eq!(Container::of(&path), Some(Container::Raw));
        let spec = spec(format, 2, 48_000);
        let sink = FileSink::create(&path, Container::Raw, spec, None, &tags, false).unwrap();
        fill(sink, &x).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes(format, &x), "{name}");
        if let Some(told) = Container::format_of(&path) {
            assert_eq!(told, format);
            let ir = ImpulseResponse::read(room.path(&format!("{name}@48k,2ch"))).unwrap();
            let narrow = |x: &Vec<f64>| x.iter().map(|&x| x as f32).collect::<Vec<_>>();
            let narrow: Vec<_> = x.iter().map(narrow).collect();
            assert!(ir.audio().channels() == narrow, "{name}");
        }
    }
    let other = spec(SampleFormat::I16, 1, 48_000);
    let path = room.path("y.f32");
    let refused = FileSink::create(&path, Container::Raw, other, None, &Tags::default(), false);
    says(
        refused,
        &["y.f32", "stands for f32", "are i16", "--format f32"],
    );
}

#[test]
fn other_programs_read_the_same_samples() {
    let room = Room::new();
    for (container, name) in [(Container::Flac, "x.flac"), (Container::Aiff, "x.aiff")] {
        for format in FORMATS
            .into_iter()
            .filter(|&format| container.holds(format))
        {
            // A few frames, several blocks, and more channels.
            let all = [(2, 9000), (1, 5), (6, 6000)];
            let some = if format == SampleFormat::I24 { 3 } else { 1 };
            for (channels, frames) in all.into_iter().take(some) {
                let what = format!("{name} {format} {channels} ch");
                let x = sound(format, channels, frames);
                let path = room.path(name);
                let (spec, tags) = (spec(format, channels, 96_000), Tags::default());
                let sink = FileSink::create(&path, container, spec, None, &tags, true).unwrap();
                fill(sink, &x).unwrap();
                let plain = match format.to_string().as_str() {
                    "i16" => "s16le",
                    "i24" => "s24le",
                    "i32" => "s32le",
                    "f32" => "f32le",
                    _ => "u8",
                };
                let Some(theirs) = ffmpeg(&room, &format!("-i {name} -f {plain} -")) else {
                    return;
                };
                assert!(theirs == bytes(format, &x), "{what}, ffmpeg");
                assert_eq!(hear(&path).spec, spec, "{what}");
                if container == Container::Flac {
                    // Its own checksum is over signed samples.
                    let signed = if plain == "u8" { "s8" } else { plain };
                    let line = format!("-i {name} -f md5 -c:a pcm_{signed} -");
                    let sum = String::from_utf8(ffmpeg(&room, &line).unwrap()).unwrap();
                    let file = fs::read(&path).unwrap();
                    let ours: String = file[26..42].iter().map(|b| format!("{b:02x}")).collect();
                    assert_eq!(sum.trim(), format!("MD5={ours}"), "{what}");
                    program(&room, "flac", &format!("-s -w -t {name}"));
                }
                // sox knows no more than 24 bits of FLAC and rounds nothing of these.
                let line = format!("-V1 -D {name} -t raw -e signed -b 32 -");
                if format != SampleFormat::F32
                    && let Some(theirs) = program(&room, "sox", &line)
                {
                    let wide: Vec<_> = x.iter().map(|x| x.to_vec()).collect();
                    assert!(theirs == bytes(SampleFormat::I32, &wide), "{what}, sox");
                }
            }
        }
    }
}

// ---------------------------------------------------------------- beside the samples

/// Texts of all kinds.
fn texts() -> Tags {
    let text = |id: &[u8; 4], text: &str| (*id, text.to_owned());
    Tags {
        info: vec![
            text(b"INAM", "Große Halle"),
            text(b"IART", "A, B = C"),
            text(b"ICMT", "two\nlines"),
            text(b"ICRD", "2024-05-06"),
            text(b"ITRK", "7"),
            text(b"ICOP", "CC0"),
            text(b"ISFT", "faltung"),
        ],
        ..Tags::default()
    }
}

#[test]
fn flac_carries_texts_and_positions() {
    let room = Room::new();
    let path = room.path("x.flac");
    for (channels, mask, told) in [
        (2, None, None),
        (2, Some(0x3), None),
        // A pair at the sides, which is not what two channels are otherwise.
        (2, Some(0x600), Some(0x600)),
        (6, Some(0x3f), Some(0x3f)),
        (6, Some(0x60f), Some(0x60f)),
        // FLAC always gives six channels positions.
        (6, None, Some(0x3f)),
        (4, Some(0x107), Some(0x107)),
    ] {
        let tags = Tags { mask, ..texts() };
        let spec = spec(SampleFormat::I16, channels, 48_000);
        let sink = FileSink::create(&path, Container::Flac, spec, None, &tags, true).unwrap();
        fill(sink, &sound(SampleFormat::I16, channels, 100)).unwrap();
        let heard = hear(&path).tags;
        assert_eq!(heard.mask, told, "{channels} ch, {mask:x?}");
        assert_eq!(heard.info, tags.info);
    }
    let line =
        "-v error x.flac -show_entries format_tags=title,track:stream=channel_layout -of csv=p=0";
    if let Some(theirs) = program(&room, "ffprobe", line) {
        let theirs = String::from_utf8(theirs).unwrap();
        for word in ["Große Halle", "7", "4.0"] {
            assert!(theirs.contains(word), "{word} in {theirs}");
        }
    }
}

#[test]
fn flac_says_the_positions_of_more_than_two_channels() {
    let room = Room::new();
    let path = room.path("x.flac");
    for (channels, mask) in [(6, 0x3f), (5, 0x37), (2, 0x3)] {
        let mask = Some(mask);
        let tags = Tags { mask, ..texts() };
        let spec = spec(SampleFormat::I16, channels, 48_000);
        let sink = FileSink::create(&path, Container::Flac, spec, None, &tags, true).unwrap();
        fill(sink, &sound(SampleFormat::I16, channels, 100)).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let field = b"WAVEFORMATEXTENSIBLE_CHANNEL_MASK=0x00";
        let told = bytes.windows(field.len()).any(|text| text == field);
        assert_eq!(told, channels > 2, "{channels} ch");
    }
}

#[test]
fn texts_of_aiff_in_utf_8_are_read_as_such() {
    let room = Room::new();
    room.wav("x.wav", &wav(I16, &[noise(1, 3000, 16)]));
    let line = "-i x.wav -metadata comment=Gru\u{df} -metadata title=Halle x.aiff";
    if ffmpeg(&room, line).is_none() {
        return;
    }
    let heard = hear(&room.path("x.aiff")).tags.info;
    assert!(heard.contains(&(*b"ICMT", "Gru\u{df}".into())), "{heard:?}");
}

#[test]
fn aiff_carries_texts_and_positions() {
    let room = Room::new();
    for (format, name) in [(SampleFormat::I16, "x.aiff"), (SampleFormat::F32, "x.aifc")] {
        let tags = Tags {
            mask: Some(0x60f),
            ..texts()
        };
        let spec = spec(format, 6, 48_000);
        let path = room.path(name);
        let sink = FileSink::create(&path, Container::Aiff, spec, None, &tags, true).unwrap();
        fill(sink, &sound(format, 6, 100)).unwrap();
        let heard = hear(&path).tags;
        for (id, text) in &tags.info[..3] {
            let found = heard.info.iter().find(|(other, _)| other == id);
            assert_eq!(found.map(|(_, text)| text), Some(text), "{name}");
        }
        let line = format!("-v error {name} -show_entries stream=channel_layout -of csv=p=0");
        if let Some(theirs) = program(&room, "ffprobe", &line) {
            let theirs = String::from_utf8(theirs).unwrap();
            assert!(theirs.contains("5.1(side)"), "{name}: {theirs}");
        }
    }
}

#[test]
fn what_other_programs_write_beside_the_samples_is_read() {
    let room = Room::new();
    room.wav(
        "x.wav",
        &wav(I16, &[noise(1, 3000, 16), noise(2, 3000, 16)]),
    );
    let six: Vec<_> = (0..6).map(|k| noise(k, 3000, 16)).collect();
    room.wav("six.wav", &wav(I16, &six));
    let hexagon = "-af channelmap=channel_layout=hexagonal";
    for (from, codec, file, mask) in [
        ("x", "", "x.flac", None),
        ("x", "", "x.mp3", None),
        ("x", "-c:a libvorbis", "x.ogg", None),
        ("x", "-c:a aac", "x.m4a", None),
        ("x", "-c:a alac", "alac.m4a", None),
        ("x", "-c:a flac", "x.mkv", None),
        ("x", "-write_id3v2 1", "x.aiff", None),
        ("six", hexagon, "six.flac", Some(0x137)),
        (
            "six",
            "-af channelmap=channel_layout=5.1",
            "back.flac",
            Some(0x3f),
        ),
    ] {
        let tags = "-metadata title=Halle -metadata artist=Niemand -metadata comment=leise";
        let line = format!("-i {from}.wav {codec} {tags} {file}");
        if ffmpeg(&room, &line).is_none() {
            return;
        }
        let heard = hear(&room.path(file)).tags;
        let told = [
            (b"IART", "Niemand"),
            (b"ICMT", "leise"),
            // Matroska has the title in a place of its own, which is not looked at.
            (b"INAM", if file == "x.mkv" { "" } else { "Halle" }),
        ];
        for (id, text) in told {
            let found = heard.info.iter().find(|(other, _)| other == id);
            let found = found.map_or("", |(_, text)| text.as_str());
            assert_eq!(found, text, "{file}");
        }
        assert_eq!(heard.mask, mask, "{file}");
    }
}

// ---------------------------------------------------------------- from all to all

/// One tap of 1.
fn identity(hz: u32) -> ImpulseResponse {
    let rate = SampleRate::new(hz).unwrap();
    ImpulseResponse::new(Audio::new(rate, vec![vec![1.0]]).unwrap()).unwrap()
}

#[test]
fn every_kind_of_file_is_rendered_into_every_container() {
    let room = Room::new();
    let (x, y) = (noise(1, 5003, 16), noise(2, 5003, 16));
    room.wav("x.wav", &wav(I16, &[x.clone(), y.clone()]));
    room.wav("fine.wav", &wav(I24, from_ref(&noise(3, 5003, 24))));
    let six: Vec<_> = (0..6).map(|k| noise(k, 2003, 16)).collect();
    room.wav("six.wav", &wav(I16, &six));
    // `exact`: nothing is lost on the way into the file.
    for (from, codec, file, exact) in [
        ("x", "-c:a flac", "x.flac", true),
        ("x", "-c:a libmp3lame", "x.mp3", false),
        ("x", "-c:a libvorbis", "x.ogg", false),
        ("x", "-c:a aac", "x.m4a", false),
        ("x", "-c:a aac", "x.aac", false),
        ("x", "-c:a alac", "alac.m4a", true),
        ("fine", "-c:a pcm_s24be", "x.aiff", true),
        ("x", "-c:a pcm_f32le", "x.caf", true),
        ("x", "-c:a flac", "flac.mkv", true),
        ("x", "-c:a libvorbis", "x.webm", false),
        ("fine", "-c:a pcm_s24le", "pcm.mkv", true),
        (
            "six",
            "-c:a pcm_s16le -af channelmap=channel_layout=5.1(side)",
            "six-51.wav",
            true,
        ),
        ("x", "-c:a pcm_s16le -rf64 always", "rf64.wav", true),
        ("fine", "-c:a pcm_f64le", "f64.wav", true),
        ("x", "-c:a pcm_alaw", "alaw.wav", false),
        ("x", "-c:a pcm_mulaw", "ulaw.wav", false),
        ("x", "-c:a pcm_u8", "u8.wav", false),
        ("x", "-c:a adpcm_ms", "adpcm.wav", false),
    ] {
        let Some(_) = ffmpeg(&room, &format!("-i {from}.wav {codec} {file}")) else {
            return;
        };
        let heard = hear(&room.path(file));
        if exact {
            let original = room.read(&format!("{from}.wav")).channels;
            assert!(heard.sound == original, "{file}");
        }
        for container in Container::ALL {
            let what = format!("{file} to {container}");
            let source = FileSource::open(&room.path(file)).unwrap();
            let tags = source.tags().clone();
            let format = container.nearest(heard.spec.format);
            let spec = Spec {
                format,
                ..heard.spec
            };
            let ir = identity(spec.rate.hz());
            let session = Session::<f64, _>::new(source, &ir, Render::default()).unwrap();
            let path = room.path(&format!("out.{}", container.extension()));
            let frames = session.frames_out();
            let sink = FileSink::create(&path, container, spec, frames, &tags, true).unwrap();
            let report = session.run(sink, &mut |_| {}).unwrap();
            assert_eq!(report.frames_out, heard.sound[0].len() as u64, "{what}");
            if container == Container::Raw {
                let length = heard.sound[0].len() * spec.frame_bytes();
                assert_eq!(fs::metadata(&path).unwrap().len(), length as u64, "{what}");
                continue;
            }
            let out = hear(&path);
            assert_eq!(out.spec, spec, "{what}");
            // TPDF noise reaches a step, and rounding half of one; what fits is not touched.
            let fits = container.holds(heard.spec.format) || exact;
            let allowed = format
                .steps()
                .filter(|_| !fits)
                .map_or(0.0, |steps| 1.5 / steps);
            same_within(&out.sound, &heard.sound, allowed, &what);
        }
    }
}

#[test]
fn a_stream_of_unknown_length_becomes_flac() {
    let room = Room::new();
    let x = noise(1, 5003, 16);
    room.wav("x.wav", &wav(I16, from_ref(&x)));
    // Through a pipe ffmpeg leaves the length open.
    let Some(stream) = ffmpeg(&room, "-i x.wav -f wav -") else {
        return;
    };
    room.bytes("stream.wav", &stream);
    let source = FileSource::open(&room.path("stream.wav")).unwrap();
    let spec = Source::<f32>::spec(&source);
    let session = Session::<f32, _>::new(source, &identity(48_000), Render::default()).unwrap();
    let path = room.path("out.flac");
    let sink = FileSink::create(&path, Container::Flac, spec, None, &Tags::default(), false);
    session.run(sink.unwrap(), &mut |_| {}).unwrap();
    let heard = hear(&path);
    assert_eq!(heard.frames, Some(5003));
    assert!(heard.sound == [x]);
}

// ---------------------------------------------------------------- pipes

/// A pipe whose other end is looked at.
#[derive(Clone, Default)]
struct Pipe(Arc<Mutex<Vec<u8>>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn flac_goes_through_a_pipe_with_and_without_a_known_length() {
    let room = Room::new();
    let x = sound(SampleFormat::I24, 2, 9001);
    let spec = spec(SampleFormat::I24, 2, 48_000);
    let name = Path::new("pipe");
    for known in [None, Some(9001)] {
        let pipe = Pipe::default();
        let writer = Box::new(pipe.clone());
        let sink = FlacSink::pipe(name, writer, spec, known, &texts()).unwrap();
        assert!(!Sink::<f64>::can_take_back(&sink));
        fill(sink, &x).unwrap();
        let file = pipe.0.lock().unwrap().clone();
        // The checksum is not known at the start.
        assert_eq!(file[26..42], [0; 16]);
        room.bytes("x.flac", &file);
        let heard = hear(&room.path("x.flac"));
        assert_eq!(heard.frames, known);
        assert!(heard.sound == x, "{known:?}");
        assert_eq!(heard.tags.info, texts().info);
        program(&room, "flac", "-s -t x.flac");
        if let Some(theirs) = ffmpeg(&room, "-i x.flac -f s24le -") {
            assert!(theirs == bytes(SampleFormat::I24, &x), "{known:?}");
        }
    }
}

#[cfg(unix)]
#[test]
fn aiff_goes_through_a_pipe_where_its_length_is_known() {
    let spec = spec(SampleFormat::I16, 1, 48_000);
    let (path, tags) = (Path::new("/dev/null"), Tags::default());
    let create = |frames| FileSink::create(path, Container::Aiff, spec, frames, &tags, false);
    says(
        create(None),
        &["/dev/null", "length at its start", "--type wav or flac"],
    );
    let sink = create(Some(1000)).unwrap();
    assert!(!Sink::<f64>::can_take_back(&sink));
    fill(sink, &sound(SampleFormat::I16, 1, 1000)).unwrap();
}

// ---------------------------------------------------------------- refusals

/// Refused in these words, the file's name among them.
#[track_caller]
fn says(made: Result<FileSink, WriteError>, words: &[&str]) {
    let text = made.map(drop).unwrap_err().to_string();
    for word in words {
        assert!(text.contains(word), "no `{word}` in {text}");
    }
}

#[test]
fn what_a_container_has_no_place_for_is_refused_with_the_way_out() {
    let room = Room::new();
    let tags = Tags::default();
    let path = room.path("x");
    let create =
        |container, spec, frames| FileSink::create(&path, container, spec, frames, &tags, false);
    let (i16, flac, aiff) = (SampleFormat::I16, Container::Flac, Container::Aiff);
    for format in [SampleFormat::F32, SampleFormat::I32] {
        let words = ["x: FLAC", &format.to_string(), "--format i24"];
        says(create(flac, spec(format, 1, 48_000), None), &words);
    }
    says(
        create(flac, spec(i16, 9, 48_000), None),
        &["x: FLAC", "8 channels", "9", "WAV"],
    );
    for hz in [96_001, 700_000] {
        let words = ["x: FLAC", "655350", &hz.to_string(), "WAV"];
        says(create(flac, spec(i16, 1, hz), None), &words);
    }
    // 4 GiB less a header: of frames of 4 bytes 2^30 less some.
    says(
        create(aiff, spec(i16, 2, 48_000), Some(1 << 30)),
        &["x: 4294967296 bytes", "4 GiB", "WAV"],
    );
    drop(create(aiff, spec(i16, 2, 48_000), Some((1 << 30) - 100)).unwrap());
    says(
        create(aiff, spec(i16, 40_000, 48_000), None),
        &["x: 40000 channels", "fewer"],
    );
    assert!(room.files().is_empty(), "{:?}", room.files());
}

#[test]
fn what_clips_is_not_delivered_and_what_is_given_up_leaves_nothing() {
    let room = Room::new();
    room.wav("x.wav", &wav(I16, from_ref(&noise(1, 9000, 16))));
    for container in [Container::Flac, Container::Aiff, Container::Raw] {
        let source = FileSource::open(&room.path("x.wav")).unwrap();
        let spec = Source::<f64>::spec(&source);
        let loud = Render {
            gain: 8.0,
            ..Render::default()
        };
        let session = Session::<f64, _>::new(source, &identity(48_000), loud).unwrap();
        let path = room.path("out");
        let create =
            |replace| FileSink::create(&path, container, spec, None, &Tags::default(), replace);
        let refused = session
            .run(create(false).unwrap(), &mut |_| {})
            .unwrap_err();
        assert!(
            matches!(refused, RunError::OverFullScale { .. }),
            "{refused}"
        );
        assert_eq!(room.files(), ["x.wav"], "{container}");
        // What is there already is neither replaced unasked nor by what was given up.
        room.bytes("out", b"old");
        says(create(false), &["out", "exists already"]);
        drop(create(true).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        fs::remove_file(&path).unwrap();
    }
}
