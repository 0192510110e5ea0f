//! Recipes with parameters, through the binary.

mod common;

use common::*;

#[test]
fn a_room_is_made_as_a_file_and_what_was_assumed_is_told() {
    let room = Room::new();
    let ran = room
        .faltung("ir synth room=6x4x3,rt60=0.5s made.wav -r 44.1k")
        .ok();
    ran.says(&[
        "synth:room=6x4x3,rt60=0.5s -> made.wav: 44100 Hz, 2 ch, 0.750 s, f32",
        "source at 1.86 x 1.08 x 1.6 m",
        "microphones 0.2 m apart",
        "RT60 0.5 s (Eyring)",
        "images up to 64 ms",
        "0 dB at 1 kHz",
    ]);
    assert!(ran.out.is_empty(), "{}", ran.stdout());
    let made = room.read("made.wav");
    assert_eq!(
        (made.rate, made.channels.len(), made.frames()),
        (44_100, 2, 33_075)
    );
    // Direct sound first, and no two microphones hear the same.
    assert!(made.channels.iter().all(|taps| taps[0] > 0.1));
    assert_ne!(made.channels[0], made.channels[1]);

    let ran = room
        .faltung("ir synth room=6x4x3,rt60=0.5s quiet.wav -r 44.1k -q")
        .ok();
    assert_eq!(ran.err, "");
    assert_eq!(room.read("quiet.wav"), made);
}

#[test]
fn a_recipe_with_parameters_stands_wherever_a_response_is_asked_for() {
    let room = Room::new();
    room.wav("impulse.wav", &float(&[impulse(1)]));
    for recipe in [
        "room=6x4x3,absorption=0.1/0.12/0.2/0.3/0.35/0.4/0.45,source=2x1x1.5,mic=4x2.7x1.2",
        "room=8x6x3,floor=0.4,humidity=50%,channels=1",
        "hall,rt60=1s,seed=3",
        "plate,rt60=2.5/2.3/2/1.8/1.5/1/0.6",
        "min:lowpass=3k,taps=101,window=kaiser:8.6",
        "tilt=-3dB,taps=1023",
    ] {
        room.faltung(&format!("render impulse.wav synth:{recipe} wet.wav -y"))
            .ok();
        room.faltung(&format!("ir synth {recipe} made.wav -y")).ok();
        let (wet, made) = (room.read("wet.wav"), room.read("made.wav"));
        same_within(&wet.channels, &made.channels, FLOAT, recipe);
        assert!(
            made.channels.iter().all(|taps| peak(taps) > 0.0),
            "{recipe}"
        );
    }
    let swap =
        "render impulse.wav synth:room=6x4x3,rt60=0.3 wet.wav -y --swap 0s=synth:hall,rt60=1s";
    room.faltung(swap).ok().says(&["synth:hall,rt60=1s"]);
}

#[test]
fn filters_tell_their_taps_and_their_delay() {
    let room = Room::new();
    room.faltung("ir synth lowpass=3k,taps=101 low.wav")
        .ok()
        .says(&["101 taps, window hamming; linear phase, which delays by 50 frames (1.04 ms)"]);
    room.faltung("ir synth min:highpass=80,taps=255,window=hann high.wav")
        .ok()
        .says(&["255 taps, window hann; minimum phase"]);
}

#[test]
fn the_list_shows_every_parameter_below_its_recipes() {
    let ran = Room::new().faltung("ir list").ok();
    let lines: Vec<&str> = ran.stdout().lines().collect();
    let at = |word: &str| {
        let found = lines.iter().position(|line| line.contains(word));
        found.unwrap_or_else(|| panic!("no {word} in\n{}", lines.join("\n")))
    };
    let (room, after) = (at("synth:room=6x4x3 "), at("synth:lowpass"));
    for key in [
        ",rt60=",
        ",absorption=",
        ",source=",
        ",mic=",
        ",spacing=",
        ",humidity=",
        ",order=",
        ",level=",
        ",flight=",
    ] {
        let found = (room..after).any(|n| lines[n].contains(key));
        assert!(found, "no {key} in\n{}", lines.join("\n"));
    }
    assert!(at("synth:cathedral") < at(",rt60=3s") && at(",rt60=3s") < room);
    assert!(at(",taps=101,window=kaiser") > after);
}

#[test]
fn what_cannot_be_made_is_refused_and_leaves_nothing() {
    let room = Room::new();
    for (recipe, words) in [
        ("room=6x4", &["`room=6x4`", "synth:room=6x4x3"][..]),
        ("room=6x4x3,rt60=0.01", &["0.01 s", "0.05 to 30 s"]),
        (
            "room=6x4x3,source=9x1x1",
            &["9 m along the length", "0 and 6 m"],
        ),
        (
            "room=6x4x3,rt6=1",
            &["`rt6` is unknown", "rt60, absorption"],
        ),
        ("hall,rt60=long", &["`long`", "`250ms`"]),
        ("highpass=80,taps=100", &["100", "99 or 101"]),
        (
            "lowpass=3k,taps=101,window=round",
            &["`round`", "`kaiser:8.6`"],
        ),
    ] {
        room.faltung(&format!("ir synth {recipe} made.wav"))
            .refused(words);
        assert!(room.files().is_empty(), "{recipe}: {:?}", room.files());
    }
}
