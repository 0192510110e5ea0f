//! A whole corpus at once: what comes out, what is said of it, and how an interrupted run goes on.
#![cfg(feature = "cli")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use faltung::run::batch::Draw;
use serde_json::Value;

mod common;
use common::*;

/// Frames of a sound: a fifth of a second.
const FRAMES: usize = 9600;

/// A room with a corpus of six sounds in `in/`, one of them hidden, and three responses in `irs/`.
fn corpus() -> Room {
    let room = Room::new();
    for folder in ["in/anna", "in/ben/deep", "irs"] {
        fs::create_dir_all(room.path(folder)).unwrap();
    }
    for (seed, name) in SOUNDS.into_iter().enumerate() {
        room.wav(
            &format!("in/{name}"),
            &float(&[noise(seed as u64, FRAMES, 16)]),
        );
    }
    room.wav("in/.hidden.wav", &float(&[vec![1.0; 9]]));
    room.bytes("in/anna/text.txt", b"no sound");
    room.bytes("in/anna/.a.wav.1.0.faltung-tmp", b"left over");
    for (seed, name) in ["big.wav", "dull.wav", "small.wav"].into_iter().enumerate() {
        room.wav(
            &format!("irs/{name}"),
            &float(&[taps(50 + seed as u64, 300)]),
        );
    }
    room
}

const SOUNDS: [&str; 5] = [
    "anna/a.wav",
    "anna/b.wav",
    "ben/a.wav",
    "ben/deep/c.wav",
    "z.wav",
];

/// All files of a folder, from there, sorted.
fn tree(folder: &Path) -> Vec<String> {
    fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => walk(root, &path, found),
                false => found.push(path.strip_prefix(root).unwrap().display().to_string()),
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    found.sort();
    found
}

/// The results below a folder, without manifests.
fn results(room: &Room, folder: &str) -> Vec<String> {
    let mut files = tree(&room.path(folder));
    files.retain(|file| !file.ends_with(".jsonl"));
    files
}

/// The lines of a manifest or of events.
fn lines(text: &str) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
    text.lines().map(parse).collect()
}

fn manifest(room: &Room, path: &str) -> Vec<Value> {
    lines(&fs::read_to_string(room.path(path)).unwrap())
}

/// Which response each sound got, of the last line for each.
fn choices(room: &Room, path: &str) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let line = |line: Value| (text(&line["id"]), text(&line["ir"]));
    manifest(room, path).into_iter().map(line).collect()
}

fn bytes(room: &Room, path: &str) -> Vec<u8> {
    fs::read(room.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn a_folder_is_searched_and_each_sound_goes_through_the_response_as_render_does_it() {
    let room = corpus();
    let ran = room.faltung("batch in --ir irs/big.wav --out wet").ok();
    ran.says(&["5 sounds * 1 response -> wet: 5 results", "5 done"]);
    assert_eq!(results(&room, "wet"), SOUNDS);
    for sound in SOUNDS {
        room.faltung(&format!("render in/{sound} irs/big.wav one.wav -y"))
            .ok();
        assert_eq!(
            bytes(&room, &format!("wet/{sound}")),
            bytes(&room, "one.wav"),
            "{sound}"
        );
    }
    // The results lie within the corpus, and are not taken for sounds the next time.
    room.faltung("batch in --ir synth:identity --out in/wet -q")
        .ok();
    assert_eq!(results(&room, "in/wet"), SOUNDS);
    let ran = room.faltung("batch in --ir synth:identity --out in/wet -y");
    ran.ok().says(&["5 sounds"]);
    room.faltung("batch in --ir synth:identity --out in")
        .refused(&["in:", "another folder"]);
}

#[test]
fn sounds_come_from_patterns_files_and_lists_of_all_kinds() {
    let room = corpus();
    let run = |line: &str, expected: &[&str]| {
        let ran = room.faltung(&format!("batch {line} --ir synth:identity --out wet"));
        ran.ok();
        assert_eq!(results(&room, "wet"), expected, "{line}");
        fs::remove_dir_all(room.path("wet")).unwrap();
    };
    run("in/*/a.wav", &["anna/a.wav", "ben/a.wav"]);
    run("in/**/c.wav in/z.wav", &["ben/deep/c.wav", "z.wav"]);
    room.bytes("wav.scp", b"utt-1 in/anna/a.wav\nutt-2   in/z.wav\n\n");
    run("wav.scp", &["utt-1.wav", "utt-2.wav"]);
    // Paths of JSON and CSV also start at the list's folder.
    room.bytes(
        "in/train.jsonl",
        br#"{"audio_filepath": "anna/b.wav", "duration": 0.2, "text": "hello"}
{"path": "in/anna/a.wav", "id": "one"}
{"wav": "z.wav", "out": "x/y.wav"}
"#,
    );
    run("in/train.jsonl", &["anna/b.wav", "one.wav", "x/y.wav"]);
    room.bytes(
        "list.json",
        br#"[{"input": "in/z.wav"}, {"input": "in/anna/a.wav"}]"#,
    );
    run("list.json", &["in/anna/a.wav", "in/z.wav"]);
    room.bytes(
        "list.csv",
        b"\xef\xbb\xbfid,wav,ir\n1,in/z.wav,\n\"2\",\"in/anna/a.wav\",synth:hall\n",
    );
    run("list.csv", &["1.wav", "2.wav"]);
    room.bytes("names", b"in/z.wav\r\nin/ben/a.wav\r\n");
    run("--list names", &["in/ben/a.wav", "in/z.wav"]);
    run(
        "--list names --list-type paths in/anna",
        &["a.wav", "b.wav", "in/ben/a.wav", "in/z.wav"],
    );
    let feed = |line: &str, text: &str| room.faltung_fed(line, text.as_bytes());
    feed("batch - --ir synth:identity --out wet", "in/z.wav\n").ok();
    feed(
        "batch - --list-type scp --ir synth:identity --out wet -y",
        "u in/z.wav\n",
    )
    .ok();
    assert_eq!(results(&room, "wet"), ["in/z.wav", "u.wav"]);
}

#[test]
fn an_entry_of_a_list_may_name_its_response() {
    let room = corpus();
    room.bytes(
        "list.jsonl",
        br#"{"path": "in/z.wav", "ir": "irs/dull.wav"}
{"path": "in/anna/a.wav", "ir": "synth:identity"}
"#,
    );
    room.faltung("batch list.jsonl --out wet").ok();
    let chosen = choices(&room, "wet/faltung.jsonl");
    assert_eq!(chosen["in/z.wav"], "irs/dull.wav");
    assert_eq!(chosen["in/anna/a.wav"], "synth:identity");
    let (wet, dry) = (room.read("wet/in/anna/a.wav"), room.read("in/anna/a.wav"));
    same_within(&wet.channels, &dry.channels, 0.0, "identity");
    room.bytes("list.csv", b"path,ir\nin/z.wav,\n");
    room.faltung("batch list.csv --out wet -y")
        .refused(&["in/z.wav", "--ir"]);
}

#[test]
fn a_choice_hangs_on_the_seed_and_the_key_and_on_nothing_else() {
    let room = corpus();
    room.faltung("batch in --ir irs --out one --seed 2 -j 1")
        .ok();
    let chosen = choices(&room, "one/faltung.jsonl");
    // By the generator in the documentation, done by another program.
    let expected = PINNED.map(|(id, ir)| (id.to_owned(), format!("irs/{ir}.wav")));
    assert_eq!(chosen, expected.into());
    // More workers, and others beside.
    room.faltung("batch in --ir irs --out four --seed 2 -j 4")
        .ok();
    assert_eq!(choices(&room, "four/faltung.jsonl"), chosen);
    // Fewer files, in another order.
    room.bytes(
        "list.csv",
        b"id,path\nz.wav,in/z.wav\nanna/b.wav,in/anna/b.wav\n",
    );
    room.faltung("batch list.csv --ir irs --out few --seed 2")
        .ok();
    for (id, ir) in choices(&room, "few/faltung.jsonl") {
        assert_eq!(ir, chosen[&id], "{id}");
    }
    let other = |seed: u32| {
        let out = format!("seed{seed}");
        room.faltung(&format!("batch in --ir irs --out {out} --seed {seed}"))
            .ok();
        choices(&room, &format!("{out}/faltung.jsonl"))
    };
    assert!((4..8).any(|seed| other(seed) != chosen));
}

#[test]
fn shards_together_are_one_run() {
    let room = corpus();
    let options = "--ir irs --pick all --seed 5 --snr 5..20dB --noise in/z.wav";
    room.faltung(&format!("batch in {options} --out whole"))
        .ok();
    let whole = manifest(&room, "whole/faltung.jsonl");
    assert_eq!(whole.len(), 15);
    for line in &whole {
        let word = line["ir"].as_str().unwrap();
        let word = word.trim_start_matches("irs/").trim_end_matches(".wav");
        let mut draw = Draw::new(5, &format!("{}\t{word}", line["id"].as_str().unwrap()));
        // The response's lot, which nobody needs, and the file's.
        let (_, file) = (draw.bits(), draw.below(1));
        assert_eq!((file, &line["noise"]["file"]), (0, &"in/z.wav".into()));
        let (place, ratio) = (draw.unit(), 5.0 + 15.0 * draw.unit());
        let close = |name: &str, expected: f64| {
            let told = line["noise"][name].as_f64().unwrap();
            assert!(
                (told - expected).abs() < 1e-9,
                "{name}: {told} for {expected}"
            );
        };
        close("place", place);
        close("snr_db", ratio);
    }
    for shard in 1..=3 {
        let ran = room.faltung(&format!("batch in {options} --out parts --shard {shard}/3"));
        ran.ok().says(&["5 results", &format!("shard {shard}/3")]);
    }
    assert_eq!(results(&room, "parts"), results(&room, "whole"));
    let by_name = |lines: Vec<Value>| -> BTreeMap<String, (Value, Value, Value)> {
        let of = |line: Value| {
            let out = line["out"].as_str().unwrap().to_owned();
            (
                out,
                (
                    line["noise"].clone(),
                    line["ir"].clone(),
                    line["key"].clone(),
                ),
            )
        };
        lines.into_iter().map(of).collect()
    };
    let parts = (1..=3).flat_map(|k| manifest(&room, &format!("parts/faltung.{k}-of-3.jsonl")));
    let (parts, whole) = (by_name(parts.collect()), by_name(whole));
    assert_eq!(parts, whole);
    for result in results(&room, "whole") {
        let both = ["whole", "parts"].map(|out| bytes(&room, &format!("{out}/{result}")));
        assert!(both[0] == both[1], "{result}");
    }
    for wrong in ["0/3", "4/3", "x", "2"] {
        room.faltung(&format!("batch in --ir irs --out no --shard {wrong}"))
            .wrong_usage();
    }
}

#[test]
fn responses_are_taken_in_turn_or_all_of_them_for_each_sound() {
    let room = corpus();
    room.faltung("batch in --ir irs synth:identity --out wet --pick cycle")
        .ok();
    let chosen: Vec<_> = choices(&room, "wet/faltung.jsonl").into_values().collect();
    assert_eq!(
        chosen,
        [
            "irs/big.wav",
            "irs/dull.wav",
            "irs/small.wav",
            "synth:identity",
            "irs/big.wav"
        ]
    );
    room.faltung("batch in/anna --ir irs/*.wav --out all --pick all")
        .ok();
    let expected = [
        "a.big.wav",
        "a.dull.wav",
        "a.small.wav",
        "b.big.wav",
        "b.dull.wav",
        "b.small.wav",
    ];
    assert_eq!(results(&room, "all"), expected);
}

#[test]
fn a_run_goes_on_where_it_was_cut_off() {
    let room = corpus();
    let line = "batch in --ir irs --out wet --resume -j 1";
    room.faltung(line).ok();
    let whole = fs::read_to_string(room.path("wet/faltung.jsonl")).unwrap();
    let times = || {
        SOUNDS.map(|sound| {
            fs::metadata(room.path(&format!("wet/{sound}")))
                .unwrap()
                .modified()
                .unwrap()
        })
    };
    let before = times();
    room.faltung(line)
        .ok()
        .says(&["5 are done", "0 done, 5 done before"]);
    assert_eq!(times(), before);
    // Killed in the third line, with a part of the fourth result left behind.
    let third = whole.match_indices('\n').nth(1).unwrap().0 + 50;
    fs::write(room.path("wet/faltung.jsonl"), &whole[..third]).unwrap();
    room.bytes("wet/ben/.a.wav.99999999.0.faltung-tmp", b"torn");
    room.faltung(line)
        .ok()
        .says(&["2 are done", "3 done, 2 done before"]);
    assert_eq!(results(&room, "wet"), SOUNDS);
    assert_eq!(manifest(&room, "wet/faltung.jsonl").len(), 5);
    let after = times();
    assert_eq!(after[..2], before[..2]);
    assert!(
        after[2..]
            .iter()
            .zip(&before[2..])
            .all(|(after, before)| after > before)
    );
}

#[test]
fn what_changed_is_made_again_and_the_reason_is_told() {
    let room = corpus();
    let line = "batch in --ir irs --out wet --resume";
    room.faltung(line).ok();
    let again = |line: &str, words: &[&str]| {
        room.faltung(line).ok().says(words);
        room.faltung(line).ok().says(&["0 done, 5 done before"]);
    };
    again(
        &format!("{line} --gain -6dB"),
        &["options changed: 5", "5 done;"],
    );
    again(line, &["options changed: 5"]);
    room.wav("in/z.wav", &float(&[noise(99, FRAMES + 1, 16)]));
    again(line, &["input changed: 1", "1 done, 4 done before"]);
    fs::remove_file(room.path("wet/anna/a.wav")).unwrap();
    room.bytes("wet/anna/b.wav", b"short");
    again(line, &["result gone or changed: 2"]);
    let big = choices(&room, "wet/faltung.jsonl");
    let big = big.values().filter(|ir| *ir == "irs/big.wav").count();
    assert!(big > 0);
    room.wav("irs/big.wav", &float(&[taps(70, 301)]));
    again(line, &[&format!("impulse response changed: {big}")]);
    let noisy = format!("{line} --noise in/z.wav --snr 3dB");
    again(&noisy, &["noise changed: 5"]);
    // An earlier version, by its own word.
    let path = room.path("wet/faltung.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let version = format!("\"version\":\"{}\"", env!("CARGO_PKG_VERSION"));
    fs::write(&path, text.replace(&version, "\"version\":\"0.0.1\"")).unwrap();
    again(&noisy, &["made by another version: 5"]);
}

#[test]
fn a_manifest_is_not_begun_anew_unless_asked() {
    let room = corpus();
    room.faltung("batch in --ir irs --out wet").ok();
    let before = bytes(&room, "wet/faltung.jsonl");
    room.faltung("batch in --ir irs --out wet")
        .refused(&["faltung.jsonl", "--resume", "-y"]);
    assert_eq!(bytes(&room, "wet/faltung.jsonl"), before);
    room.faltung("batch in --ir irs --out wet -y").ok();
    assert_eq!(manifest(&room, "wet/faltung.jsonl").len(), 5);
    // Results without a manifest stay, too, each an error.
    fs::remove_file(room.path("wet/faltung.jsonl")).unwrap();
    fs::remove_file(room.path("wet/z.wav")).unwrap();
    let ran = room.faltung("batch in --ir irs --out wet");
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    ran.says(&["1 done, 4 failed", "wet/anna/a.wav", "exists"]);
    room.faltung("batch in --ir irs --out wet --resume -y")
        .wrong_usage();
}

#[test]
fn what_cannot_be_read_is_told_and_the_others_are_done() {
    let room = corpus();
    room.bytes("in/anna/bad.wav", b"RIFF....WAVE nothing more");
    room.wav("in/loud.wav", &wav(I16, &[vec![0.75; 100]]));
    let ran = room.faltung("batch in --ir synth:identity --gain 6dB --out wet --json");
    assert_eq!(ran.code, Some(1));
    ran.says(&[
        "in/anna/bad.wav",
        "full scale",
        "2 of 7 failed",
        "wet/faltung.jsonl",
    ]);
    let events = lines(ran.stdout());
    let named = |name: &str| events.iter().filter(|event| event["event"] == name).count();
    assert_eq!(
        (
            named("start"),
            named("file"),
            named("error"),
            named("summary")
        ),
        (1, 5, 2, 1)
    );
    let last = events.last().unwrap();
    assert_eq!((&last["done"], &last["failed"]), (&5.into(), &2.into()));
    let failed: Vec<Value> = manifest(&room, "wet/faltung.jsonl")
        .into_iter()
        .filter(|line| line["status"] == "error")
        .collect();
    assert_eq!(failed.len(), 2);
    for line in failed {
        let (input, error) = (
            line["input"].as_str().unwrap(),
            line["error"].as_str().unwrap(),
        );
        assert!(
            ["in/anna/bad.wav", "in/loud.wav"].contains(&input),
            "{input}"
        );
        assert!(!error.is_empty() && !error.contains("panicked"), "{error}");
    }
    // The two again, and now they can be done.
    room.wav("in/anna/bad.wav", &float(&[vec![0.5; 10]]));
    let ran = room.faltung("batch in --ir synth:identity --gain 6dB --guard --out wet --resume");
    ran.ok().says(&["failed before: 2"]);
}

#[test]
fn the_first_failure_ends_the_run_if_asked() {
    let room = corpus();
    room.bytes("in/anna/a.wav", b"");
    let ran = room.faltung("batch in --ir irs --out wet --fail-fast -j 1");
    assert_eq!(ran.code, Some(1));
    ran.says(&["1 of 5 failed, and 4 were not begun"]);
    assert!(results(&room, "wet").is_empty());
}

#[test]
fn names_that_meet_are_refused_before_anything_is_done() {
    let room = corpus();
    let ran = room.faltung("batch in --ir irs --out wet --name {stem}.{ext}");
    ran.refused(&["in/anna/a.wav", "in/ben/a.wav", "wet/a.wav", "--name"]);
    room.faltung("batch in in --ir irs --out wet")
        .refused(&["in/anna/a.wav"]);
    // The early part of one would have the name of another.
    room.wav("in/z.early.wav", &float(&[vec![1.0; 9]]));
    room.faltung("batch in --ir irs --out wet --early 50ms")
        .refused(&["in/z.wav", "in/z.early.wav"]);
    // What is read is not replaced, under whatever name.
    room.faltung("batch in/anna --ir irs --out in/anna/../anna/x/.. -y --name {stem}.{ext}")
        .refused(&["in/anna"]);
    room.faltung("batch in/z.wav --ir irs --out in -y")
        .refused(&["in/z.wav", "--out"]);
    room.faltung("batch in/anna --ir irs -y --out irs --name big.{ext} --pick cycle")
        .refused(&["irs/big.wav"]);
    room.bytes("wav.scp", b"a in/z.wav\n");
    for other in ["--manifest", "--scp"] {
        room.faltung(&format!(
            "batch wav.scp --ir irs --out wet -y {other} wav.scp"
        ))
        .refused(&["wav.scp"]);
    }
    assert_eq!(bytes(&room, "wav.scp"), b"a in/z.wav\n");
    room.faltung("batch in --ir irs --out wet --name ../{stem}")
        .refused(&["../"]);
    room.faltung("batch in --ir irs --out wet --name {what}")
        .wrong_usage();
    assert!(!room.path("wet").exists());
    assert_eq!(room.read("in/z.wav").frames(), FRAMES);
}

#[test]
fn a_template_names_the_results() {
    let room = corpus();
    room.faltung("batch in --ir irs/big.wav --out wet --name {ir}/{index}-{stem}.{ext}")
        .ok();
    let expected = ["000001-a", "000002-b", "000003-a", "000004-c", "000005-z"];
    assert_eq!(
        results(&room, "wet"),
        expected.map(|name| format!("big/{name}.wav"))
    );
}

#[test]
fn what_leads_nowhere_is_named() {
    let room = corpus();
    let refused = |line: &str, words: &[&str]| {
        room.faltung(&format!("batch {line} --out wet"))
            .refused(words);
        assert!(!room.path("wet").exists(), "{line}");
    };
    refused("nowhere --ir irs", &["nowhere"]);
    refused("in/*.flac --ir irs", &["in/*.flac"]);
    refused("in --ir nowhere.wav", &["nowhere.wav"]);
    refused("in --ir nowhere/*.wav", &["nowhere/*.wav"]);
    refused("in --ir synth:nonsense", &["nonsense"]);
    refused("in", &["--ir"]);
    refused("in --ir irs --noise nowhere --snr 3dB", &["nowhere"]);
    fs::create_dir(room.path("empty")).unwrap();
    refused("empty --ir irs", &["empty", "flac"]);
    room.bytes("pipe.scp", b"a in/z.wav\nb sox in/z.wav -t wav - |\n");
    refused("pipe.scp --ir irs", &["pipe.scp, line 2", "command"]);
    room.bytes("bad.jsonl", b"{\"path\": \"in/z.wav\"}\n{\"text\": 1}\n");
    refused(
        "bad.jsonl --ir irs",
        &["bad.jsonl, line 2", "audio_filepath"],
    );
    room.bytes("torn.jsonl", b"{\"path\": \"in/z.wav\n");
    refused("torn.jsonl --ir irs", &["torn.jsonl, line 1"]);
    room.bytes("bad.csv", b"file,name\nin/z.wav,a\n");
    refused("bad.csv --ir irs", &["bad.csv, line 1", "file, name"]);
    room.bytes("away.csv", b"path,out\nin/z.wav,../../z.wav\n");
    refused("away.csv --ir irs", &["away.csv, line 2", "leads out"]);
    room.faltung("batch in --ir irs --out wet --noise in/z.wav")
        .wrong_usage();
    room.faltung("batch in --ir irs --out wet --noise in/z.wav --snr loud")
        .wrong_usage();
}

#[test]
fn the_manifest_tells_what_was_made() {
    let room = corpus();
    let stereo = wav(I16, &[noise(1, 4800, 16), noise(2, 4800, 16)]).rate(44_100);
    room.wav("two.wav", &stereo);
    let line =
        "batch two.wav in/z.wav --ir irs/dull.wav --out wet --gain -6dB --scp wet/wav.scp --seed 9";
    let ran = room.faltung(line).ok();
    ran.says(&["irs/dull.wav: resampled from 48000 Hz to 44100 Hz"]);
    let lines = manifest(&room, "wet/faltung.jsonl");
    let two = lines.iter().find(|line| line["id"] == "two.wav").unwrap();
    let wet = room.read("wet/two.wav");
    assert_eq!(two["status"], "ok");
    assert_eq!(two["out"], "two.wav");
    assert_eq!(two["input"], "two.wav");
    assert_eq!(
        (&two["rate"], &two["resampled_from"]),
        (&44_100.into(), &48_000.into())
    );
    assert_eq!(
        (&two["channels"], &two["channels_in"]),
        (&2.into(), &2.into())
    );
    assert_eq!(
        (&two["frames_in"], &two["frames_out"]),
        (&4800.into(), &wet.frames().into())
    );
    assert_eq!(two["bytes"], bytes(&room, "wet/two.wav").len());
    assert_eq!((&two["clipped"], &two["nonfinite"]), (&0.into(), &0.into()));
    assert_eq!(two["dithered"], 2 * wet.frames());
    assert_eq!(two["version"], env!("CARGO_PKG_VERSION"));
    let number = |key: &str| two[key].as_f64().unwrap_or_else(|| panic!("{key}: {two}"));
    assert!((number("gain_db") + 6.0).abs() < 1e-9);
    assert!((number("seconds") - wet.frames() as f64 / 44_100.0).abs() < 1e-9);
    // Before dither and rounding.
    let loudest = wet
        .channels
        .iter()
        .map(|channel| peak(channel))
        .fold(0.0, f64::max);
    assert!((number("peak") - loudest).abs() < 3.0 * I16.step());
    assert!(number("elapsed") > 0.0);
    assert!(two["noise"].is_null() && two["early"].is_null());
    let scp = fs::read_to_string(room.path("wet/wav.scp")).unwrap();
    assert_eq!(scp, "two wet/two.wav\nz wet/z.wav\n");
    // Only the one at the other rate was noted.
    assert_eq!(ran.err.matches("resampled").count(), 1);
}

#[test]
fn what_is_said_goes_to_the_right_place() {
    let room = corpus();
    let ran = room.faltung("batch in --ir irs --out wet -q").ok();
    assert!(ran.err.is_empty() && ran.out.is_empty(), "{}", ran.err);
    let ran = room.faltung("batch in --ir irs --out wet -y").ok();
    assert!(ran.out.is_empty());
    // Neither bars nor control sequences in a pipe.
    assert!(
        !ran.err.contains('\x1b') && !ran.err.contains('\r'),
        "{}",
        ran.err
    );
    assert!(
        ran.err.lines().all(|line| line.starts_with("faltung: ")),
        "{}",
        ran.err
    );
    let ran = room
        .faltung("batch in --ir irs --out wet -y -q --json")
        .ok();
    assert!(ran.err.is_empty(), "{}", ran.err);
    assert_eq!(lines(ran.stdout()).len(), 7);
}

/// `(id, response)` under seed 2, by the generator in the documentation as Python has it:
///
/// ```python
/// h = 0xcbf29ce484222325
/// for byte in seed.to_bytes(8, "little") + key.encode():
///     h = (h ^ byte) * 0x100000001b3 % 2**64
/// s = (h + 0x9e3779b97f4a7c15) % 2**64
/// z = (s ^ s >> 30) * 0xbf58476d1ce4e5b9 % 2**64
/// z = (z ^ z >> 27) * 0x94d049bb133111eb % 2**64
/// choice = (z ^ z >> 31) * n >> 64
/// ```
const PINNED: [(&str, &str); 5] = [
    ("anna/a.wav", "small"),
    ("anna/b.wav", "big"),
    ("ben/a.wav", "dull"),
    ("ben/deep/c.wav", "dull"),
    ("z.wav", "small"),
];

#[cfg(unix)]
mod terminal {
    use std::fs::File;
    use std::io::Read;
    use std::os::unix::ffi::OsStrExt;
    use std::process::{Command, Stdio};

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::{Winsize, tcsetwinsize};

    use super::*;

    /// Runs the binary with a terminal for its standard error output; what it drew there.
    fn drawn(room: &Room, line: &str) -> String {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let size = Winsize {
            ws_row: 40,
            ws_col: 100,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&master, size).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let name = std::ffi::OsStr::from_bytes(name.as_bytes());
        let terminal = File::options().read(true).write(true).open(name).unwrap();
        let mut command = Command::new(BINARY);
        command
            .args(line.split_whitespace())
            .current_dir(&room.0)
            .env("TERM", "xterm-256color")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(terminal);
        let mut child = command.spawn().unwrap();
        drop(command);
        let (mut master, mut text, mut bytes) = (File::from(master), Vec::new(), [0; 4096]);
        // An error is the terminal's end.
        while let Ok(count @ 1..) = master.read(&mut bytes) {
            text.extend(&bytes[..count]);
        }
        assert!(child.wait().unwrap().success());
        String::from_utf8_lossy(&text).into_owned()
    }

    #[test]
    fn a_terminal_shows_how_far_it_is() {
        let room = corpus();
        let text = drawn(&room, "batch in --ir irs --out wet");
        for words in ["/5 files", "real time", " left", "in/anna/a.wav", "\x1b["] {
            assert!(text.contains(words), "no `{words}` in {text:?}");
        }
        room.wav("long.wav", &float(&[noise(1, 1 << 20, 16)]));
        let text = drawn(&room, "render long.wav irs/big.wav out.wav");
        for words in ["x real time", " left", " %"] {
            assert!(text.contains(words), "no `{words}` in {text:?}");
        }
        for line in [
            "batch in --ir irs --out wet -y -q",
            "render long.wav irs/big.wav out.wav -yq",
        ] {
            assert_eq!(drawn(&room, line), "", "{line}");
        }
    }
}
