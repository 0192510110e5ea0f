//! Impulse responses and sounds in the formats that people have, from their names to what is heard.
//!
//! Files are made by ffmpeg where there is one (`FALTUNG_FORMATS=required` insists), by hand
//! elsewhere, and by netCDF4 for SOFA (`assets/golden/sofa.py`).
#![cfg(feature = "cli")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::slice::from_ref;

mod common;
use common::*;

/// Runs ffmpeg in the room; false where there is none.
#[track_caller]
fn ffmpeg(room: &Room, line: &str) -> bool {
    let ran = Command::new("ffmpeg")
        .args(["-v", "error", "-y"])
        .args(line.split_whitespace())
        .current_dir(&room.0)
        .output();
    let Ok(ran) = ran else {
        let required = std::env::var("FALTUNG_FORMATS").is_ok_and(|word| word == "required");
        assert!(!required, "there is no ffmpeg");
        eprintln!("skipped: there is no ffmpeg to make the files with");
        return false;
    };
    let error = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "ffmpeg {line}: {error}");
    true
}

/// The channels of a response, as an impulse makes them sound; what it said on the way is told.
#[track_caller]
fn response(room: &Room, ir: &str, inputs: usize, rate: u32) -> (Vec<Vec<f64>>, String) {
    let mut x = vec![vec![0.0]; inputs];
    x[0][0] = 1.0;
    room.wav("one.wav", &float(&x).rate(rate));
    let ran = room
        .faltung(&format!("render one.wav {ir} heard.wav -y"))
        .ok();
    (room.read("heard.wav").channels, ran.err)
}

/// The taps of a file, without a convolver on the way.
#[track_caller]
fn read(room: &Room, file: &str) -> Vec<Vec<f64>> {
    let ir = faltung::ImpulseResponse::read(room.path(file)).unwrap();
    let wide = |taps: &Vec<f32>| taps.iter().map(|&tap| tap.into()).collect();
    ir.audio().channels().iter().map(wide).collect()
}

/// Two channels that no codec finds hard: decaying tones.
fn tones(frames: usize) -> Vec<Vec<f64>> {
    let tone = |hz: f64| {
        sine(hz, RATE, frames)
            .iter()
            .enumerate()
            .map(|(i, x)| {
                (x * (-4.0 * i as f64 / frames as f64).exp() * 32_768.0).round() / 32_768.0
            })
            .collect()
    };
    vec![tone(440.0), tone(1234.5)]
}

// ---------------------------------------------------------------- through symphonia

#[test]
fn what_is_stored_without_loss_comes_back_bit_for_bit() {
    let room = Room::new();
    let (wide, narrow) = (noise(1, 5000, 24), noise(2, 5000, 16));
    room.wav("i24.wav", &wav(I24, &[wide.clone(), scaled(&wide, -1.0)]));
    room.wav(
        "i16.wav",
        &wav(I16, &[narrow.clone(), scaled(&narrow, -1.0)]),
    );
    for (from, codec, to, kind) in [
        ("i16", "", "a.flac", I16),
        ("i24", "-sample_fmt s32 -strict -2", "b.flac", I24),
        ("i16", "-c:a flac", "c.oga", I16),
        ("i16", "-c:a alac", "d.m4a", I16),
        ("i24", "-c:a alac -sample_fmt s32p", "e.m4a", I24),
        ("i16", "-c:a alac", "f.caf", I16),
        ("i24", "-c:a pcm_s24be", "g.aiff", I24),
        ("i16", "-c:a pcm_s16le", "h.caf", I16),
        ("i24", "-c:a pcm_f32be", "i.caf", F32),
        ("i16", "-c:a flac -f flac", "no-extension", I16),
        ("i16", "-c:a flac", "j.mkv", I16),
        ("i24", "-c:a pcm_s24le", "k.mka", I24),
        ("i24", "-c:a pcm_f32le", "l.mkv", F32),
        ("i16", "-c:a alac", "m.mkv", I16),
        ("i24", "-c:a pcm_f64be", "n.aiff", F64),
    ] {
        if !ffmpeg(&room, &format!("-i {from}.wav {codec} {to}")) {
            return;
        }
        let expected = room.read(&format!("{from}.wav"));
        // As a response.
        assert_eq!(read(&room, to), expected.channels, "{to}");
        // As a sound, from a file and through a pipe; the format of the result follows.
        room.faltung(&format!("render {to} synth:identity out.wav -y"))
            .ok();
        let out = room.read("out.wav");
        assert_eq!(
            (out.kind, out.channels),
            (kind, expected.channels.clone()),
            "{to}"
        );
        let bytes = fs::read(room.path(to)).unwrap();
        room.faltung_fed("render - synth:identity out.wav -y", &bytes)
            .ok();
        assert_eq!(
            room.read("out.wav").channels,
            expected.channels,
            "{to} through a pipe"
        );
    }
}

#[test]
fn lossy_files_are_aligned_as_long_as_the_original_and_near_it() {
    let room = Room::new();
    // An odd number of frames, so that no codec's blocks fit.
    let x = tones(30_011);
    room.wav("x.wav", &wav(I16, &x));
    for (codec, file) in [
        ("-c:a libmp3lame -b:a 320k", "x.mp3"),
        ("-c:a libvorbis -q:a 9", "x.ogg"),
        ("-c:a aac -b:a 320k", "x.m4a"),
        ("-c:a aac -b:a 320k -movflags +faststart", "x.mp4"),
    ] {
        if !ffmpeg(&room, &format!("-i x.wav {codec} {file}")) {
            return;
        }
        room.faltung(&format!("render {file} synth:identity out.wav -y"))
            .ok();
        let out = room.read("out.wav");
        assert_eq!((out.kind, out.frames()), (F32, x[0].len()), "{file}");
        for (ours, x) in out.channels.iter().zip(&x) {
            let error: Vec<f64> = ours.iter().zip(x).map(|(a, b)| a - b).collect();
            // One frame off would give, at 440 Hz and above, 2 sin(pi 440 / 48000): -25 dB.
            let off = 20.0 * (level(&error) / level(x)).log10();
            assert!(off < -30.0, "{file}: {off:.1} dB");
        }
        let (heard, said) = response(&room, file, 1, RATE);
        same_within(&heard, &out.channels, FLOAT, file);
        assert!(!said.contains("delay"), "{said}");
    }
}

#[test]
fn where_a_lossy_file_does_not_tell_its_delay_it_is_said() {
    let room = Room::new();
    room.wav("x.wav", &wav(I16, &tones(30_000)));
    let delay = "does not tell its encoder's delay";
    for (codec, file, frames, words) in [
        (
            "-c:a libmp3lame -b:a 320k -write_xing 0",
            "x.mp3",
            1105,
            delay,
        ),
        ("-c:a aac -b:a 320k", "x.aac", 1024, delay),
        ("-c:a aac -b:a 320k", "x.mkv", 1024, delay),
        ("-c:a mp2 -b:a 384k", "x.mp2", 481, delay),
        ("-c:a libvorbis -q:a 9", "x.webm", 0, "where the sound ends"),
    ] {
        if !ffmpeg(&room, &format!("-i x.wav {codec} {file}")) {
            return;
        }
        let ran = room
            .faltung(&format!("render {file} synth:identity out.wav -y"))
            .ok();
        ran.says(&["note: ", file, words, "kept"]);
        let out = room.read("out.wav").channels.remove(0);
        let x = &room.read("x.wav").channels[0];
        let error: Vec<f64> = out[frames..].iter().zip(x).map(|(a, b)| a - b).collect();
        assert!(error.len() == x.len(), "{file}");
        assert!(level(&error) < db(-30.0) * level(x), "{file}");
    }
}

#[test]
fn adpcm_is_heard_as_others_hear_it() {
    let room = Room::new();
    let x = tones(20_000);
    room.wav("x.wav", &wav(I16, &x));
    for (codec, file, allowed) in [
        ("-c:a adpcm_ms", "ms.wav", I16.step()),
        ("-c:a adpcm_ima_wav", "ima.wav", I16.step()),
        // Its blocks begin with a value of 9 bits, which ffmpeg takes finer from the block before;
        // what follows goes by differences.
        ("-c:a adpcm_ima_qt", "ima.caf", 2.0 / 256.0),
    ] {
        if !ffmpeg(&room, &format!("-i x.wav {codec} {file}")) {
            return;
        }
        ffmpeg(&room, &format!("-i {file} -c:a pcm_s16le theirs.wav"));
        room.faltung(&format!("render {file} synth:identity ours.wav -y"))
            .ok();
        let (ours, theirs) = (room.read("ours.wav"), room.read("theirs.wav"));
        assert_eq!(ours.kind, F32, "{file}");
        // Both may be longer than the sound by what filled up the last block.
        assert!(ours.frames() >= x[0].len(), "{file}: {}", ours.frames());
        for (ours, theirs) in ours.channels.iter().zip(&theirs.channels) {
            let both = ours.iter().zip(theirs);
            let most = both.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(most <= allowed, "{file}: off by {most}");
        }
        // As a response, too.
        let taps = read(&room, file);
        assert_eq!(taps, ours.channels, "{file}");
        // Where the header tells the true length, what fills up the last block is left out.
        let mut bytes = fs::read(room.path(file)).unwrap();
        let fact = bytes
            .windows(8)
            .position(|eight| eight == b"fact\x04\0\0\0");
        let Some(fact) = fact else {
            assert_eq!(file, "ima.caf");
            continue;
        };
        bytes[fact + 8..fact + 12].copy_from_slice(&20_000u32.to_le_bytes());
        let ran = room.faltung_fed("render - synth:identity out.wav -y", &bytes);
        ran.ok();
        let out = room.read("out.wav");
        assert_eq!(out.frames(), 20_000, "{file}");
        assert_eq!(out.channels[1], ours.channels[1][..20_000], "{file}");
    }
}

#[test]
fn broken_and_foreign_files_are_refused_by_name() {
    let room = Room::new();
    room.wav("in.wav", &float(&[impulse(10)]));
    room.wav("x.wav", &wav(I16, &[noise(1, 20_000, 16)]));
    room.bytes(
        "junk.flac",
        b"fLaC and then nothing that FLAC would know of",
    );
    room.bytes("junk.xyz", &[7, 1, 200, 0, 3, 9, 255, 13, 0, 0, 1, 2]);
    room.bytes("zip.wav", b"PK\x03\x04 and so on and so on");
    let remedy = ["name their encoding and rate"];
    room.faltung("render in.wav junk.xyz out.wav")
        .refused(&[&["junk.xyz"][..], &remedy].concat());
    room.faltung("render in.wav zip.wav out.wav")
        .refused(&["zip.wav", "ZIP archive"]);
    room.faltung("render in.wav junk.flac out.wav")
        .refused(&["junk.flac", ";"]);
    room.faltung("render junk.flac in.wav out.wav")
        .refused(&["junk.flac", ";"]);
    if !ffmpeg(&room, "-i x.wav x.flac") {
        return;
    }
    let whole = fs::read(room.path("x.flac")).unwrap();
    room.bytes("cut.flac", &whole[..whole.len() / 2]);
    for line in [
        "render in.wav cut.flac out.wav",
        "render cut.flac in.wav out.wav",
    ] {
        room.faltung(line)
            .refused_midway(&["cut.flac", "get a whole copy"]);
    }
    for (codec, file) in [
        ("-c:a libmp3lame", "x.mp3"),
        ("-c:a aac -movflags +faststart", "x.m4a"),
    ] {
        ffmpeg(&room, &format!("-i x.wav {codec} {file}"));
        let bytes = fs::read(room.path(file)).unwrap();
        room.bytes(file, &bytes[..bytes.len() / 2]);
        let ran = room.faltung(&format!("render in.wav {file} out.wav"));
        ran.refused(&[file, "get a whole copy"]);
    }
    ffmpeg(&room, "-i x.wav -c:a flac x.mkv");
    let bytes = fs::read(room.path("x.mkv")).unwrap();
    room.bytes("cut.mkv", &bytes[..bytes.len() / 2]);
    room.faltung("render cut.mkv in.wav out.wav")
        .refused(&["cut.mkv", "get a whole copy"]);
    let mut spoiled = whole.clone();
    let half = whole.len() / 2;
    spoiled[half..half + 64].fill(0x55);
    room.bytes("spoiled.flac", &spoiled);
    room.faltung("render in.wav spoiled.flac out.wav")
        .refused(&["spoiled.flac"]);
    ffmpeg(&room, "-i x.wav -c:a libopus x.opus");
    room.faltung("render in.wav x.opus out.wav")
        .refused(&["x.opus", "Opus", "convert it to WAV"]);
    ffmpeg(&room, "-i x.wav -c:a libopus opus.webm");
    room.faltung("render opus.webm in.wav out.wav").refused(&[
        "opus.webm",
        "Opus",
        "convert it to WAV",
    ]);
    let left: Vec<_> = room
        .files()
        .into_iter()
        .filter(|file| file.starts_with("out"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Where each page of an Ogg file begins.
fn pages(ogg: &[u8]) -> Vec<usize> {
    let mut at = 0;
    let mut all = Vec::new();
    while let Some(head) = ogg.get(at..at + 27) {
        assert_eq!(&head[..4], b"OggS");
        let table = &ogg[at + 27..][..usize::from(head[26])];
        let content: usize = table.iter().copied().map(usize::from).sum();
        all.push(at);
        at += 27 + table.len() + content;
    }
    all.push(at);
    all
}

#[test]
fn a_page_of_ogg_vorbis_that_is_lost_or_spoiled_is_missed() {
    let room = Room::new();
    room.wav("x.wav", &wav(I16, &[noise(1, 250_000, 16)]));
    // Pages of a tenth of a second.
    let line = "-i x.wav -c:a libvorbis -page_duration 100000 x.ogg";
    if !ffmpeg(&room, line) {
        return;
    }
    let whole = fs::read(room.path("x.ogg")).unwrap();
    let pages = pages(&whole);
    let sounding = 3..pages.len() - 1;
    assert!(sounding.len() > 20, "{} pages", pages.len());
    room.faltung("render x.ogg synth:identity out.wav -q").ok();
    assert_eq!(room.read("out.wav").frames(), 250_000);
    fs::remove_file(room.path("out.wav")).unwrap();
    let last = pages.len() - 2;
    for page in [5, 12, last - 1, last] {
        let gap = pages[page]..pages[page + 1];
        let lost = [&whole[..gap.start], &whole[gap.end..]].concat();
        let mut spoiled = whole.clone();
        spoiled[gap.end - 40] ^= 0x55;
        for (file, bytes) in [("lost.ogg", lost), ("spoiled.ogg", spoiled)] {
            room.bytes(file, &bytes);
            room.faltung(&format!("render {file} synth:identity out.wav"))
                .refused_midway(&[file, "get a whole copy"]);
            let piped = room.faltung_fed("render - synth:identity out.wav", &bytes);
            piped.refused_midway(&["standard input", "get a whole copy"]);
            assert!(!room.files().contains(&"out.wav".to_owned()));
        }
    }
}

// ---------------------------------------------------------------- WAV of all kinds

#[test]
fn wav_of_all_kinds_that_others_write_is_read() {
    let room = Room::new();
    let x: Vec<f64> = noise(3, 4000, 24);
    room.wav("x.wav", &wav(I24, from_ref(&x)));
    for (codec, file, allowed) in [
        ("-c:a pcm_f64le", "f64.wav", 0.0),
        ("-c:a pcm_f32le -f wav", "f32.irs", 0.0),
        ("-c:a pcm_s24le -rf64 always", "rf64.wav", 0.0),
        ("-c:a pcm_s32le", "i32.wav", 0.0),
        // Below a quarter of full scale a step is 2^-7 (G.711), and which end is taken is free.
        ("-c:a pcm_mulaw", "mu.wav", 1.0 / 128.0),
        ("-c:a pcm_alaw", "a.wav", 1.0 / 128.0),
    ] {
        if !ffmpeg(&room, &format!("-i x.wav {codec} {file}")) {
            return;
        }
        let taps = read(&room, file);
        same_within(&taps, from_ref(&x), allowed, file);
        room.faltung(&format!(
            "render {file} synth:identity out.wav -y --format f32"
        ))
        .ok();
        same_within(&room.read("out.wav").channels, &taps, 0.0, file);
    }
}

// ---------------------------------------------------------------- names, raw samples and text

#[test]
fn files_are_joined_to_the_channels_of_one_set() {
    let room = Room::new();
    let [a, b, c, d] = [1, 2, 3, 4].map(|k| taps(k, 200));
    for (name, channels) in [
        ("a.wav", vec![a.clone()]),
        ("b.wav", vec![b.clone()]),
        ("short.wav", vec![b[..150].to_vec()]),
        ("hall_L.wav", vec![a.clone(), b.clone()]),
        ("hall_R.wav", vec![c.clone(), d.clone()]),
        ("in.wav", vec![impulse(1), vec![0.0]]),
    ] {
        room.wav(name, &float(&channels));
    }
    room.wav("other.wav", &float(from_ref(&c)).rate(44_100));
    let (heard, said) = response(&room, "a.wav+b.wav", 1, RATE);
    same_within(&heard, &[a.clone(), b.clone()], FLOAT, "a + b");
    assert!(said.contains("a.wav+b.wav: 2 ch"), "{said}");
    let (heard, said) = response(&room, "a.wav+short.wav", 1, RATE);
    same_within(
        &heard[1..],
        &[[&b[..150], &[0.0; 50]].concat()],
        FLOAT,
        "padded",
    );
    assert!(
        said.contains("short.wav: has 150 frames where others have 200"),
        "{said}"
    );
    // Two stereo files are true stereo: what the left input makes is on the left.
    for name in ["hall.wav", "hall_L.wav+hall_R.wav"] {
        let (heard, said) = response(&room, name, 2, RATE);
        same_within(&heard, &[a.clone(), b.clone()], FLOAT, name);
        assert!(said.contains("true stereo (LL, LR, RL, RR)"), "{said}");
        let taken = said.contains("taken from hall_L.wav and hall_R.wav");
        assert_eq!(taken, name == "hall.wav", "{said}");
    }
    let ran = room.faltung("render in.wav a.wav+other.wav out.wav");
    ran.refused(&["other.wav has 44100 Hz", "a.wav has 48000 Hz"]);
    room.faltung("render in.wav a.wav+gone.wav out.wav")
        .refused(&["gone.wav: no such file"]);
    room.faltung("render in.wav a.wav@48k out.wav")
        .refused(&["a.wav", "`48k`", "leave it out"]);
    // What would be read is not overwritten either.
    room.faltung("render in.wav hall.wav hall_R.wav -y")
        .refused(&["hall_R.wav", "same file"]);
}

#[test]
fn raw_samples_are_read_with_the_rate_that_is_stated() {
    let room = Room::new();
    let x: Vec<f64> = taps(9, 300);
    let f32s: Vec<u8> = x.iter().flat_map(|&v| (v as f32).to_le_bytes()).collect();
    let f64s: Vec<u8> = x.iter().flat_map(|v| v.to_le_bytes()).collect();
    room.bytes("x.f32", &f32s);
    room.bytes("x.dbl", &f64s);
    room.bytes("x.f64", &f64s);
    room.bytes("x.bin", &f32s);
    for name in ["x.f32@48k", "x.dbl@48k", "x.f64@48000", "x.bin@f32,48k"] {
        let (heard, said) = response(&room, name, 1, RATE);
        same_within(&heard, from_ref(&x), FLOAT, name);
        assert!(
            said.contains("taken as") && said.contains("48000 Hz"),
            "{said}"
        );
    }
    let (heard, _) = response(&room, "x.f32@44.1k,2ch", 1, 44_100);
    let every = |from: usize| x.iter().skip(from).step_by(2).copied().collect::<Vec<_>>();
    same_within(&heard, &[every(0), every(1)], FLOAT, "2ch");
    room.faltung("render one.wav x.f32 out.wav")
        .refused(&["x.f32", "no rate", "x.f32@48k"]);
    room.faltung("render one.wav x.bin out.wav")
        .refused(&["x.bin", "@f32,48k"]);
    room.bytes("x.f32", &f32s[..1199]);
    room.faltung("render one.wav x.f32@48k out.wav")
        .refused(&["1199 bytes", "frames of 4"]);
    room.faltung("render one.wav x.f64@48k,az=3 out.wav")
        .refused(&["`az=3`", "leave it out"]);
    // The standard input has no extension.
    let ran = room.faltung_fed("render -- one.wav -@f32,44.1k pipe.wav", &f32s);
    ran.ok().says(&["standard input: taken as 32-bit floats"]);
    let ran = room.faltung_fed("render one.wav -@f32,44.1k again.wav -q", &f32s);
    assert!(ran.ok().err.is_empty());
    assert_eq!(room.read("again.wav"), room.read("pipe.wav"));
    room.faltung_fed("render -- - -@f32,44.1k out.wav", &f32s)
        .wrong_usage();
}

/// The samples of a file that have no header any more.
fn bare(wav: &Wav) -> Vec<u8> {
    wav.bytes()[44..].to_vec()
}

#[test]
fn raw_samples_sound_as_the_same_samples_with_a_header() {
    let room = Room::new();
    room.wav("ir.wav", &float(&[taps(1, 2000), taps(2, 2000)]));
    let mut format = wav(U8, &[vec![0.0]]).rate(8000).format();
    let heard = |name: &str, sound: &str, words: &str| {
        room.faltung("render in.wav ir.wav expected.wav -y -q").ok();
        let ran = room.faltung(&format!("render {sound} ir.wav out.wav -y"));
        ran.ok().says(&[&format!("note: {name}: taken as {words}")]);
        let [expected, out] = ["expected.wav", "out.wav"].map(|file| room.path(file));
        assert!(
            fs::read(expected).unwrap() == fs::read(out).unwrap(),
            "{sound}"
        );
    };
    let two = |bits| [noise(1, 20_000, bits), noise(2, 20_000, bits)];
    for (kind, name, options, words) in [
        (
            U8,
            "x.raw",
            "@u8,44.1k,2ch",
            "unsigned 8-bit integers, 2 ch",
        ),
        (
            I16,
            "x.s16",
            "@44.1k,2ch",
            "16-bit integers, little-endian, 2 ch",
        ),
        (I24, "x.s24", "@2ch,44100", "24-bit integers, little-endian"),
        (
            I32,
            "x.pcm",
            "@i32,44.1k,2ch",
            "32-bit integers, little-endian",
        ),
        (F32, "x.f32", "@44.1k,2ch", "32-bit floats, little-endian"),
        (
            I16,
            "no.name",
            "@i16,be,44.1k,2ch",
            "16-bit integers, big-endian",
        ),
        (I24, "x.S24", "@be,44.1k,2ch", "24-bit integers, big-endian"),
    ] {
        let sound = wav(kind, &two(kind.bits().min(24))).rate(44_100);
        room.wav("in.wav", &sound);
        let mut bytes = bare(&sound);
        if options.contains("be") {
            bytes.chunks_mut(kind.bytes()).for_each(<[u8]>::reverse);
        }
        room.bytes(name, &bytes);
        heard(name, &format!("{name}{options}"), words);
    }
    for (tag, option, words) in [(6, "alaw", "A-law, 1 ch, 8000 Hz"), (7, "mulaw", "mu-law")] {
        let bytes: Vec<u8> = (0..=255).cycle().take(9000).collect();
        format[0] = tag;
        room.bytes("in.wav", &container(&format, &bytes));
        room.bytes("x.raw", &bytes);
        heard("x.raw", &format!("x.raw@{option},8k"), words);
    }
    // Doubles are as wide as they are computed.
    let sound = two(24).map(|x| x.iter().map(|x| x / 3.0).collect::<Vec<f64>>());
    let bytes = sound[0].iter().zip(&sound[1]).flat_map(|(l, r)| [*l, *r]);
    let bytes: Vec<u8> = bytes.flat_map(f64::to_le_bytes).collect();
    room.bytes("x.dbl", &bytes);
    room.faltung("render x.dbl@48k,2ch synth:identity wide.f64 -q")
        .ok();
    assert!(fs::read(room.path("wide.f64")).unwrap() == bytes);
}

#[test]
fn raw_samples_come_through_the_standard_input() {
    let room = Room::new();
    room.wav("ir.wav", &float(&[taps(1, 2000)]));
    let sound = wav(I16, &[noise(1, 30_000, 16)]);
    room.wav("in.wav", &sound);
    room.faltung("render in.wav ir.wav expected.wav").ok();
    let bytes = bare(&sound);
    for line in [
        "render -@i16,48k ir.wav out.wav",
        "render --json -j 1 -@i16,48k ir.wav out.wav",
        "render -y -- -@i16,48k ir.wav out.wav",
    ] {
        let ran = room.faltung_fed(line, &bytes).ok();
        ran.says(&["standard input: taken as 16-bit integers", "1 ch, 48000 Hz"]);
        assert_eq!(room.read("out.wav"), room.read("expected.wav"), "{line}");
        fs::remove_file(room.path("out.wav")).unwrap();
    }
    for (line, bytes, words) in [
        (
            "render -@i16,48k ir.wav out.wav",
            &bytes[..30_001],
            ["standard input", "30001 bytes", "frames of 2 bytes"],
        ),
        (
            "render -@i16,48k ir.wav out.wav",
            &[],
            ["standard input", "no samples", "one frame"],
        ),
        (
            "render -@48k ir.wav out.wav",
            &bytes,
            ["standard input", "no encoding", "@i16,48k"],
        ),
        (
            "render -@i16,48k ir.wav out.wav",
            &sound.bytes(),
            [
                "standard input",
                "`i16` is no option of a WAV file",
                "leave it out",
            ],
        ),
    ] {
        room.faltung_fed(line, bytes).refused_in_the_end(&words);
        assert!(!room.files().contains(&"out.wav".to_owned()), "{line}");
    }
    room.faltung_fed("render -@i16,48k -@f32,48k out.wav", &bytes)
        .wrong_usage();
    // Other words that begin so are options still.
    room.faltung_fed("render -z ir.wav out.wav", &bytes)
        .wrong_usage();
}

#[test]
fn what_raw_samples_lack_is_asked_for() {
    let room = Room::new();
    let sound = wav(I16, &[noise(1, 3000, 16)]);
    let bytes = bare(&sound);
    for name in ["x.s16", "x.raw", "x.bin", "a@48k"] {
        room.bytes(name, &bytes);
    }
    room.wav("w.wav", &sound);
    let refused = |sound: &str, words: &[&str]| {
        let ran = room.faltung(&format!("render {sound} synth:identity out.wav"));
        ran.refused(words);
    };
    refused("x.s16", &["x.s16: raw samples tell no rate", "x.s16@48k"]);
    refused(
        "x.raw",
        &["x.raw: raw samples tell no encoding", "x.raw@i16,48k"],
    );
    refused("x.bin@48k", &["x.bin: raw", "no encoding", "x.bin@i16,48k"]);
    refused(
        "x.s16@48k,4ch,f64",
        &["6000 bytes", "frames of 32 bytes (4 ch, 64-bit floats)"],
    );
    refused(
        "x.s16@48q",
        &["x.s16: `48q` is no option", "`48k`", "`be`", "`mulaw`"],
    );
    refused(
        "x.s16@48k,az=3",
        &["`az=3` is no option of raw samples", "leave it out"],
    );
    refused("x.s16@48k,44k", &["`48k` and `44k`", "twice"]);
    refused("x.s16@48k,70000ch", &["`70000ch` is no option"]);
    refused("y.s16@48k", &["y.s16: no such file; check"]);
    refused(
        "w.wav@48k",
        &["w.wav: `48k` is no option of a WAV file", "leave it out"],
    );
    refused("a@48k", &["a@48k: not a WAV file"]);
    room.faltung("render a@48k@i16,48k synth:identity out.wav")
        .ok();
    assert_eq!(room.read("out.wav").channels, sound.channels);
    // What is read is not overwritten, whatever stands behind its name.
    room.faltung("render x.s16@48k synth:identity x.s16 -y")
        .refused_in_the_end(&["x.s16: is the same file"]);
    assert_eq!(fs::read(room.path("x.s16")).unwrap(), bytes);
}

#[test]
fn text_of_rew_and_rephase_is_read_and_a_frequency_response_refused() {
    let room = Room::new();
    room.bytes(
        "rew.txt",
        b"* Impulse Response data saved by REW V5.20.13\n* IR is not normalised\n\
          0.5 // Peak value before normalisation\n0 // Peak index\n4 // Response length\n\
          2.0833333333333333E-5 // Sample interval (seconds)\n0.0 // Start time (seconds)\n\
          * Data start\n0.5\n-0.25\n0.125\n1.0E-3\n",
    );
    room.bytes("rephase.txt", b"0.5\r\n-0.25\r\n0.125\r\n0.001\r\n");
    room.bytes(
        "spl.txt",
        b"* Freq(Hz), SPL(dB), Phase(degrees)\n20.0, 70.1, 10.0\n20.5, 70.3, 9.0\n",
    );
    let expected = [vec![0.5, -0.25, 0.125, 0.001]];
    for name in ["rew.txt", "rephase.txt@48k"] {
        let (heard, _) = response(&room, name, 1, RATE);
        same_within(&heard, &expected, FLOAT, name);
    }
    room.faltung("render one.wav rephase.txt out.wav")
        .refused(&["rephase.txt@48k"]);
    room.faltung("render one.wav spl.txt@48k out.wav")
        .refused(&["spl.txt", "frequency response"]);
}

// ---------------------------------------------------------------- SOFA

/// The golden folder's file of this name.
fn golden(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/golden");
    folder.join(name).display().to_string()
}

#[test]
fn the_direction_of_a_sofa_file_that_is_nearest_is_what_netcdf_reads() {
    let room = Room::new();
    let table = fs::read_to_string(golden("sofa.csv")).unwrap();
    assert!(table.lines().count() > 8);
    for row in table.lines().skip(1) {
        let fields: Vec<&str> = row.split(',').collect();
        let [file, asked, rate, _, left, right] = fields[..] else {
            panic!("{row}");
        };
        let asked = asked.replace(';', ",");
        let ear = |taps: &str| {
            let taps = taps
                .split(' ')
                .map(|tap| tap.parse::<f64>().unwrap() / 32_768.0);
            taps.collect::<Vec<_>>()
        };
        let ir = golden(&format!("{file}.sofa@{asked}"));
        let (heard, said) = response(&room, &ir, 1, rate.parse().unwrap());
        assert_eq!(heard, [ear(left), ear(right)], "{ir}");
        assert!(
            said.contains("asked for az") || said.contains("asked for el"),
            "{said}"
        );
        assert!(said.contains("nearest of"), "{said}");
    }
}

#[test]
fn two_directions_make_two_loudspeakers() {
    let room = Room::new();
    let (left, right) = (golden("hrir.sofa@az=30"), golden("hrir.sofa@az=-30"));
    let alone = response(&room, &left, 1, RATE).0;
    let (heard, said) = response(&room, &format!("{left}+{right}"), 2, RATE);
    assert!(said.contains("true stereo"), "{said}");
    for (heard, alone) in heard.iter().zip(&alone) {
        let padded = sum(alone, &vec![0.0; heard.len()]);
        same_within(
            from_ref(heard),
            from_ref(&padded),
            FLOAT,
            "az 30 on the left",
        );
    }
}

#[test]
fn a_sofa_file_without_a_direction_or_in_pieces_is_refused_with_the_way_out() {
    let room = Room::new();
    room.wav("one.wav", &float(&[impulse(1)]));
    let hrir = golden("hrir.sofa");
    let ran = room.faltung(&format!("render one.wav {hrir} out.wav"));
    ran.refused(&["33 directions", "hrir.sofa@az=30,el=0", "0.50 to 1.40 m"]);
    room.faltung(&format!("render one.wav {hrir}@48k out.wav"))
        .refused(&["`48k`"]);
    room.faltung(&format!("render {hrir} synth:identity out.wav"))
        .refused(&["HDF5"]);
    let whole = fs::read(&hrir).unwrap();
    room.bytes("cut.sofa", &whole[..whole.len() / 2]);
    room.faltung("render one.wav cut.sofa@az=0 out.wav")
        .refused(&["cut.sofa", "whole copy"]);
    // Whatever is broken, it ends in one line; a step of a prime, so that all kinds of bytes are
    // met.
    for at in (0..whole.len()).step_by(997) {
        let mut broken = whole.clone();
        broken[at] ^= 0x55;
        room.bytes("broken.sofa", &broken);
        let ran = room.faltung("render one.wav broken.sofa@az=0 out.wav -y -q");
        assert!(
            ran.code == Some(0) || ran.err.lines().count() == 1,
            "{at}: {}",
            ran.err
        );
        assert!(!ran.err.contains("panicked"), "{at}: {}", ran.err);
    }
}

// ---------------------------------------------------------------- HeSuVi

#[test]
fn hesuvi_puts_every_loudspeaker_on_both_ears() {
    let room = Room::new();
    // Left and right ear of each input of 7.1, by channel of the file.
    let ears = [
        [0, 1],
        [8, 7],
        [6, 13],
        [6, 13],
        [4, 5],
        [12, 11],
        [2, 3],
        [10, 9],
    ];
    let irs: Vec<_> = (0..14).map(|k| taps(k, 60)).collect();
    room.wav("14.wav", &float(&irs));
    // A head that is the same on both sides.
    room.wav("7.wav", &float(&irs[..7]));
    for (inputs, speakers) in [
        (1, vec![2]),
        (2, vec![0, 1]),
        (6, vec![0, 1, 2, 3, 6, 7]),
        (8, (0..8).collect()),
    ] {
        let x: Vec<_> = (0..inputs).map(|k| noise(20 + k, 300, 16)).collect();
        room.wav("in.wav", &float(&x));
        for (file, count) in [("14.wav", 14), ("7.wav", 7)] {
            let ran = room
                .faltung(&format!("render in.wav {file} out.wav -y"))
                .ok();
            ran.says(&["HeSuVi", "LFE"]);
            let expected = [0, 1].map(|ear: usize| {
                let heard = speakers
                    .iter()
                    .zip(&x)
                    .map(|(&speaker, x): (&usize, _)| full(x, &irs[ears[speaker][ear] % count]));
                heard.reduce(|all, one| sum(&all, &one)).unwrap()
            });
            let what = format!("{inputs} inputs, {file}");
            same_within(
                &room.read("out.wav").channels,
                &expected,
                8.0 * FLOAT,
                &what,
            );
        }
    }
    let ran = room.faltung("plan 14.wav").ok();
    assert!(ran.stdout().contains("HeSuVi"), "{}", ran.stdout());
}
