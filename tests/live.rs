//! Live sessions on real audio servers, which the tests start by themselves: no sound card needed.
//!
//! A test whose servers are not installed is skipped by name; `FALTUNG_LIVE=required` makes that a
//! failure.

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("skipped: these servers run on Linux only");
}

#[cfg(target_os = "linux")]
mod common;
#[cfg(target_os = "linux")]
mod rig;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    rig::jack::peer_if_asked();
    rig::run(&linux::TESTS)
}

#[cfg(target_os = "linux")]
mod linux {
    use std::f64::consts::TAU;
    use std::process::{Command, Stdio};

    use faltung::ir::measure::{Options, Sweep, SweepSetup, deconvolve};
    use faltung::{Audio, SampleRate};
    use rosc::OscType;
    use rustfft::num_complex::Complex;
    use rustix::process::Signal;

    use crate::common::{BINARY, RATE, Room, float};
    use crate::rig::face::Face;
    use crate::rig::jack::{self, Wiring};
    use crate::rig::measuring::{self, Measuring};
    use crate::rig::pulse::{self, Microphone};
    use crate::rig::session::{self, Session};
    use crate::rig::signal::{self, align, compare, compare_following, db, delays, rms};
    use crate::rig::{Failed, Heard, Kept, Server, Test, osc, sleep, undisturbed};

    const STRESS: &[&str] = &["jackd", "stress-ng"];

    macro_rules! tests {
        ($($needs:expr => $name:ident,)*) => { [$((stringify!($name), $needs, $name)),*] };
    }

    pub const TESTS: [Test; 20] = tests![
        &[] => the_ruler_is_straight,
        jack::NEEDS => jack_at_256_equals_the_offline_render,
        jack::NEEDS => jack_at_1024_equals_the_offline_render,
        pulse::NEEDS => pulseaudio_at_1024_equals_the_offline_render_within_its_resampling,
        pulse::NEEDS => two_clocks_are_followed_and_their_drift_is_told,
        jack::NEEDS => a_session_survives_the_death_of_jack,
        pulse::NEEDS => a_session_survives_the_death_of_pulseaudio,
        pulse::NEEDS => a_loudspeaker_that_goes_and_comes_back_is_heard_again,
        pulse::NEEDS => a_loudspeaker_that_falls_silent_and_wakes_is_heard_again,
        jack::NEEDS => a_key_changes_the_response_while_it_runs,
        pulse::NEEDS => a_message_changes_the_response_while_it_runs,
        jack::NEEDS => signals_end_a_session_within_a_second_and_with_a_summary,
        jack::NEEDS => latency_measured_through_jack_is_what_is_stated,
        pulse::NEEDS => latency_measured_through_pulseaudio_is_about_what_is_stated,
        jack::NEEDS => a_loop_through_jack_is_measured_as_a_delta,
        pulse::NEEDS => a_loop_through_pulseaudio_is_measured_as_a_delta,
        jack::NEEDS => a_measurement_whose_server_dies_leaves_nothing,
        jack::NEEDS => a_measurement_that_is_stopped_leaves_nothing,
        STRESS => under_stress_on_every_core_the_frames_lost_are_told,
        pulse::NEEDS => devices_of_a_server_are_listed,
    ];

    /// A real response: 1.6 s, two channels.
    const HALL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/hall.wav");
    /// The key that chooses the next response.
    const NEXT: &str = "n";

    /// From the device's one channel to both of the other's.
    fn start(server: &impl Server, line: &str) -> Session {
        let mut session = Session::start(&words(server, line), &server.env());
        session.waits_for("started", 1, 15.0);
        session
    }

    fn words(server: &impl Server, line: &str) -> String {
        let options = server.options();
        format!("{line} {options} --in-ch 1 --out-ch 1,2")
    }

    /// Ends a session as the terminal's Ctrl-C would.
    fn stop(mut session: Session) -> session::Ended {
        session.process().signal(Signal::INT);
        session.ends_within(5.0).well()
    }

    fn seconds(seconds: f64) -> usize {
        (seconds * f64::from(RATE)) as usize
    }

    /// What `faltung render` makes of it.
    fn rendered(signal: &[f32], ir: &str) -> Vec<Vec<f32>> {
        let room = Room::new();
        let x = signal.iter().map(|x| f64::from(*x)).collect();
        room.wav("in.wav", &float(&[x]));
        room.faltung(&format!("render in.wav {ir} out.wav --format f32"))
            .ok();
        let narrow = |x: &Vec<f64>| x.iter().map(|x| *x as f32).collect();
        room.read("out.wav").channels.iter().map(narrow).collect()
    }

    // ------------------------------------------------------------ what is measured with

    fn the_ruler_is_straight() {
        let signal = signal::voice(seconds(6.0));
        // As it comes from a clock that is 300 ppm slow, 1234.3 frames late.
        let slow = |i: usize| signal::between(&signal, (i as f64 - 1234.3) / (1.0 + 300e-6));
        let late: Vec<f32> = (0..seconds(7.0)).map(slow).collect();
        let offset = align(&signal, &late);
        let (pace, off) = signal::slope_ppm(&delays(&signal, &late, offset, 8192));
        assert!(
            (pace - 300.0).abs() < 3.0 && off < 0.25,
            "{pace} ppm, off by {off}"
        );
        let near = compare_following(&signal, &late, 8192);
        println!("    {pace:.2} ppm found for 300, off by {off:.2} frames at most; {near}");
        assert!(near.gaps.is_empty() && near.residual_db < -40.0, "{near}");

        // 100 frames of silence, in the middle.
        let mut late = [vec![0.0; 777], signal.clone()].concat();
        late[100_000..100_100].fill(0.0);
        let offset = align(&signal, &late);
        let near = compare(&signal, &late, offset);
        assert_eq!((offset, near.gaps.len()), (777, 1), "{near}");
        let (from, to) = near.gaps[0];
        assert!((99_100..99_224).contains(&from) && to <= 99_423, "{near}");
    }

    // ------------------------------------------------------------ the sound itself

    fn jack_at_256_equals_the_offline_render() {
        jack_equals_the_offline_render(256, "");
    }

    fn jack_at_1024_equals_the_offline_render() {
        jack_equals_the_offline_render(1024, "--no-guard");
    }

    fn jack_equals_the_offline_render(period: usize, options: &str) {
        let signal = signal::voice(seconds(10.0));
        let expected = rendered(&signal, HALL);
        undisturbed(500.0 * period as f64 / f64::from(RATE), || {
            let server = jack::Server::start(period, RATE);
            let session = start(&server, &format!("{HALL} {options}"));
            let heard = server.hear(&signal, 12.0);
            let latency = session.number("/latency/frames");
            let ended = stop(session);
            let offset = align(&expected[0], &heard.channels[0]);
            let delay = offset - heard.played_at.unwrap() as i64;
            let mut told = format!("delay {delay} frames, {latency} stated");
            // The signal has no moment without a shape: what is lost of it is seen, whatever is told.
            let mut well = true;
            for (expected, heard) in expected.iter().zip(&heard.channels) {
                let near = compare(expected, heard, offset);
                told += &format!("; {near}");
                // Two ways to round to f32: the residual of f32 sums in other orders.
                well &= near.gaps.is_empty() && near.residual_db < -120.0;
                well &= near.largest_db < -100.0;
            }
            let dropouts = ended.dropouts();
            told += &format!(
                "; {dropouts} dropouts told, {} xruns of the server",
                heard.xruns
            );
            if well {
                Ok(told)
            } else {
                // Who takes less than half of a period makes no server late.
                let excused = heard.xruns > 0 && ended.last("/load/worst_ever") < 0.5;
                Err(Failed::new(told + "\n" + &ended.events(), excused))
            }
        });
    }

    fn pulseaudio_at_1024_equals_the_offline_render_within_its_resampling() {
        let signal = signal::voice(seconds(10.0));
        // The first 50 ms of the hall. While the pace follows the other clock, a long tail is not
        // where a render has it: by 50 ppm of 1.6 s, four frames.
        let room = Room::new();
        let hall = room.read(HALL);
        let early = |taps: &Vec<f64>| taps[..2400].to_vec();
        let early: Vec<_> = hall.channels.iter().map(early).collect();
        room.wav("early.wav", &float(&early));
        let early = room.path("early.wav").display().to_string();
        let expected = rendered(&signal, &early);
        undisturbed(10.0, || {
            let server = pulse::Server::start(Microphone::Sink(RATE));
            let session = start(&server, &early);
            let Heard { channels, .. } = server.hear(&signal, 12.5);
            let ended = stop(session);
            let (mut told, mut well) = (String::new(), true);
            for (expected, heard) in expected.iter().zip(&channels) {
                let near = compare_following(expected, heard, 8192);
                told += &format!("{near}; {} dropouts told; ", ended.dropouts());
                // The ruler itself is good for 40 dB where the pace changes.
                well &= near.gaps.is_empty() && near.residual_db < -35.0;
            }
            if well {
                Ok(told)
            } else {
                Err(Failed::new(told + "\n" + &ended.events(), false))
            }
        });
    }

    fn two_clocks_are_followed_and_their_drift_is_told() {
        const PPM: f64 = 300.0;
        let signal = signal::voice(seconds(35.0));
        undisturbed(10.0, || {
            let server = pulse::Server::start(Microphone::Pipe);
            let writer = server.write(&signal, PPM);
            let session = start(&server, "synth:identity");
            let recorder = server.record();
            sleep(28.0);
            let heard = recorder.end();
            let ended = stop(session);
            drop(writer);
            // The last of it, when the controller has long settled.
            let last = &heard[0][seconds(14.0)..heard[0].len() - seconds(1.0)];
            let offset = -align(last, &signal);
            let found = delays(last, &signal, -offset, 16_384);
            let (pace, off) = signal::slope_ppm(&found);
            let (drift, fill) = (ended.last("/drift_ppm"), ended.last("/fill"));
            let target = ended.last("/target");
            let told = format!(
                "{PPM} ppm apart: {drift:.0} told, the sound goes {pace:.0} faster, off a straight \
                 line by {off:.1} frames at most; fill {fill:.0} for {target:.0}"
            );
            let well =
                ended.dropouts() == 0.0 && (drift - PPM).abs() < 60.0 && (pace - PPM).abs() < 60.0;
            if well {
                Ok(told)
            } else {
                Err(Failed::new(told + "\n" + &ended.events(), false))
            }
        });
    }

    fn under_stress_on_every_core_the_frames_lost_are_told() {
        let signal = signal::voice(seconds(10.0));
        let expected = rendered(&signal, HALL);
        let server = jack::Server::start(256, RATE);
        let session = start(&server, HALL);
        let mut stress = Command::new("stress-ng");
        stress
            .args(["--cpu", "0", "--timeout", "30", "--quiet"])
            .stdin(Stdio::null());
        let stress = Kept::spawn(&mut stress);
        let heard = server.hear(&signal, 12.0);
        drop(stress);
        let ended = stop(session);
        let offset = align(&expected[0], &heard.channels[0]);
        let near = compare(&expected[0], &heard.channels[0], offset);
        println!(
            "    {} frames lost of {}, {} dropouts told, {} xruns of the server; {near}",
            ended.lost_frames(),
            signal.len(),
            ended.dropouts(),
            heard.xruns,
        );
    }

    // ------------------------------------------------------------ faults

    fn a_session_survives_the_death_of_jack() {
        survives_the_death_of(jack::Server::start(256, RATE));
    }

    fn a_session_survives_the_death_of_pulseaudio() {
        survives_the_death_of(pulse::Server::start(Microphone::Sink(RATE)));
    }

    fn survives_the_death_of(mut server: impl Server) {
        let mut session = start(&server, HALL);
        sounds(&server);
        server.kill();
        let lost = session.waits_for("lost", 1, 10.0);
        // Long enough for an attempt to fail.
        sleep(1.0);
        server.start_again();
        let resumed = session.waits_for("resumed", 1, 20.0);
        println!("    {lost}\n    {resumed}");
        sounds(&server);
        stop(session);
    }

    fn a_loudspeaker_that_goes_and_comes_back_is_heard_again() {
        // The only sink: the server moves what plays to another one, if there is one.
        let server = pulse::Server::start(Microphone::Pipe);
        let _silence = server.write(&vec![0.0; seconds(5.0)], 0.0);
        let mut session = start(&server, HALL);
        server.unload_loudspeaker();
        let lost = session.waits_for("lost", 1, 10.0);
        sleep(1.0);
        server.load_loudspeaker();
        let _silence = server.write(&vec![0.0; seconds(5.0)], 0.0);
        let resumed = session.waits_for("resumed", 1, 20.0);
        println!("    {lost}\n    {resumed}");
        sounds(&server);
        stop(session);
    }

    fn a_loudspeaker_that_falls_silent_and_wakes_is_heard_again() {
        let server = pulse::Server::start(Microphone::Sink(RATE));
        let mut session = start(&server, HALL);
        server.suspend_loudspeaker(true);
        // No error comes, and no callback.
        let lost = session.waits_for("lost", 1, 10.0);
        server.suspend_loudspeaker(false);
        let resumed = session.waits_for("resumed", 1, 20.0);
        println!("    {lost}\n    {resumed}");
        sounds(&server);
        stop(session);
    }

    /// What is played is heard.
    #[track_caller]
    fn sounds(server: &impl Server) {
        let level = gain(server);
        assert!(level > 0.05, "{:.1} dB is no sound", db(level));
    }

    /// The level that is heard beside the one that is played.
    fn gain(server: &impl Server) -> f64 {
        let signal = signal::voice(seconds(6.0));
        let heard = server.hear(&signal, 2.5).channels.remove(0);
        let first = heard.iter().position(|x| x.abs() > 1e-5).unwrap_or(0);
        let heard = signal::part(&heard, first as i64, seconds(1.2));
        rms(&heard) / rms(&signal[..heard.len()])
    }

    // ------------------------------------------------------------ changes while it runs

    /// Two responses that differ in nothing but their level.
    fn loud_and_soft() -> (Room, String) {
        let room = Room::new();
        room.wav("loud.wav", &float(&[vec![0.8], vec![0.8]]));
        room.wav("soft.wav", &float(&[vec![0.2], vec![0.2]]));
        let path = |name: &str| room.path(name).display().to_string();
        let both = format!("{} {}", path("loud.wav"), path("soft.wav"));
        (room, both)
    }

    #[track_caller]
    fn is_about(gain: f64, expected: f64) {
        let off = db(gain / expected).abs();
        assert!(off < 1.5, "a gain of {gain:.3} for {expected}");
    }

    fn a_key_changes_the_response_while_it_runs() {
        let server = jack::Server::start(256, RATE);
        let (_room, both) = loud_and_soft();
        let mut face = Face::start(session::command(&words(&server, &both), &server.env()));
        face.shows("loud");
        is_about(gain(&server), 0.8);
        face.press(NEXT);
        sleep(0.5);
        is_about(gain(&server), 0.2);
        face.press("q");
        let ended = face.process.ends_within(5.0).expect("an end");
        assert!(ended.success(), "{ended}\n{}", face.drawn());
    }

    fn a_message_changes_the_response_while_it_runs() {
        let server = pulse::Server::start(Microphone::Sink(RATE));
        let ((_room, both), port) = (loud_and_soft(), osc::free_port());
        let mut session = start(&server, &format!("{both} --osc 127.0.0.1:{port}"));
        osc::send_bytes(port, b"/ir\0this is none");
        is_about(gain(&server), 0.8);
        osc::send(port, "/ir", OscType::Int(2));
        session.waits_for("response", 1, 5.0);
        sleep(0.2);
        is_about(gain(&server), 0.2);
        stop(session);
    }

    fn signals_end_a_session_within_a_second_and_with_a_summary() {
        let server = jack::Server::start(256, RATE);
        for signal in [Signal::TERM, Signal::INT] {
            let mut session = start(&server, HALL);
            session.process().signal(signal);
            let ended = session.ends_within(1.5).well();
            assert!(ended.has_summary(), "{signal:?}: no summary");
        }
    }

    // ------------------------------------------------------------ latency, devices

    fn latency_measured_through_jack_is_what_is_stated() {
        let server = jack::Server::start(256, RATE);
        let line = words(&server, "synth:identity --measure-latency");
        let session = Session::start(&line, &server.env());
        let mut peer = server.peer(&[]);
        peer.wire(Wiring::Loop);
        let ended = session.ends_within(20.0).well();
        peer.end();
        let (measured, stated) = ended.latencies();
        println!("    {measured} frames measured, {stated} stated");
        // A loop from port to port spares the periods of the device, in and out; whether input or
        // output is called first in a cycle makes another one.
        let spared = stated - measured;
        assert!(
            (-8.0..=3.0 * 256.0 + 8.0).contains(&spared),
            "{spared} frames"
        );
    }

    fn latency_measured_through_pulseaudio_is_about_what_is_stated() {
        let server = pulse::Server::start(Microphone::Sink(RATE));
        // The loudspeaker's monitor is the microphone.
        let _listener = server.listen_closely("loudspeaker");
        let line = words(&server, "synth:identity --measure-latency");
        let line = line.replace("--input microphone", "--input loudspeaker");
        let ended = Session::start(&line, &server.env())
            .ends_within(20.0)
            .well();
        let (measured, stated) = ended.latencies();
        println!("    {measured} frames measured, {stated} stated");
        // The server holds up to two periods of its own on each side.
        assert!((measured - stated).abs() <= 4.0 * 1024.0);
    }

    // ------------------------------------------------------------ measuring a response

    /// How far a measured response is from that of a wire, in dB: the largest difference to what
    /// the measurement's own sweep gives when it is taken for the recording.
    fn off_a_wire(room: &Room, setup: SweepSetup) -> f64 {
        let narrow = |x: &Vec<f64>| x.iter().map(|x| *x as f32).collect();
        let sweep = Sweep::new(setup).unwrap();
        let played: Vec<f32> = narrow(&room.read("room-sweep.wav").channels[0]);
        assert!(
            played
                .iter()
                .zip(sweep.samples())
                .all(|(a, b)| *a == *b as f32)
        );
        let played = Audio::new(sweep.rate(), vec![played]).unwrap();
        let wire = deconvolve(&played, &sweep.into(), &Options::default())
            .unwrap()
            .ir;
        let measured: Vec<f32> = narrow(&room.read("room.wav").channels[0]);
        let pairs = measured.iter().zip(wire.channel(0));
        let off = pairs.map(|(a, b)| f64::from((a - b).abs()));
        let most = wire
            .channel(0)
            .iter()
            .fold(0.0, |most: f32, x| most.max(x.abs()));
        db(off.fold(0.0, f64::max) / f64::from(most))
    }

    /// What the loops are measured with.
    const SWEEP: &str = "--seconds 3s --silence 500ms --level 0.25";

    fn sweep() -> SweepSetup {
        SweepSetup {
            seconds: 3.0,
            silence: 0.5,
            level: 0.25,
            ..SweepSetup::new(SampleRate::new(RATE).unwrap())
        }
    }

    /// Measures a loop; how far it is from a wire.
    #[track_caller]
    fn measured(measuring: &mut Measuring, room: &Room) -> Result<String, Failed> {
        let report = measuring.ends_within(60.0).well();
        let files = [
            "room-recording.wav",
            "room-report.json",
            "room-sweep.wav",
            "room.wav",
        ];
        assert_eq!(room.files(), files);
        let off = off_a_wire(room, sweep());
        let level = tone(&room.read("room.wav").channels[0], 1000.0);
        let arrival = &report["arrival"];
        let told = format!("{off:.1} dB off a wire, {level:.4} at 1 kHz, arrival {arrival}");
        // What comes back is what is played, to the bit. What the first 5 ms cut off of the
        // ringing at 20 Hz is a step of 2 * 20 / 48,000 at most: 0.006 of a tone of 1 kHz.
        match off < -100.0 && (level - 1.0).abs() < 0.01 {
            true => Ok(told),
            false => Err(Failed::new(format!("{told}\n{report}"), false)),
        }
    }

    /// How much of a tone a response lets through.
    fn tone(taps: &[f64], hz: f64) -> f64 {
        let step = TAU * hz / f64::from(RATE);
        let turned = |(n, x): (usize, &f64)| Complex::from_polar(*x, -step * n as f64);
        taps.iter()
            .enumerate()
            .map(turned)
            .sum::<Complex<f64>>()
            .norm()
    }

    fn a_loop_through_jack_is_measured_as_a_delta() {
        undisturbed(10.0, || {
            let server = jack::Server::start(256, RATE);
            let room = Room::new();
            let line = format!("room.wav {} {SWEEP} --tries 5 --json", server.options());
            let mut measuring = Measuring::start(&room, &line, &server.env());
            let mut peer = server.peer(&[]);
            peer.wire(Wiring::Loop);
            let told = measured(&mut measuring, &room);
            peer.end();
            told
        });
    }

    fn a_loop_through_pulseaudio_is_measured_as_a_delta() {
        undisturbed(10.0, || {
            let server = pulse::Server::start(Microphone::Sink(RATE));
            let _listener = server.listen_closely("loudspeaker");
            let room = Room::new();
            let options = server.options();
            let options = options.replace("--input microphone", "--input loudspeaker");
            let line = format!("room.wav {options} {SWEEP} --tries 5 --json");
            measured(&mut Measuring::start(&room, &line, &server.env()), &room)
        });
    }

    fn a_measurement_whose_server_dies_leaves_nothing() {
        let mut server = jack::Server::start(256, RATE);
        let (room, ended) = interrupted(&mut server, |server, _| server.kill());
        // One that is killed and never started again keeps its place among the few that can be.
        server.start_again();
        assert!(ended.err.contains("the device was lost"), "{}", ended.err);
        assert!(room.files().is_empty(), "{:?}", room.files());
    }

    fn a_measurement_that_is_stopped_leaves_nothing() {
        let mut server = jack::Server::start(256, RATE);
        let (room, ended) = interrupted(&mut server, |_, measuring| {
            measuring.process().signal(Signal::INT);
        });
        assert!(ended.err.contains("stopped"), "{}", ended.err);
        assert!(room.files().is_empty(), "{:?}", room.files());
    }

    /// A measurement to which something happens while the sweep is played.
    #[track_caller]
    fn interrupted(
        server: &mut jack::Server,
        event: impl FnOnce(&mut jack::Server, &mut Measuring),
    ) -> (Room, measuring::Ended) {
        let room = Room::new();
        let line = format!("room.wav {}", server.options());
        let mut measuring = Measuring::start(&room, &line, &server.env());
        sleep(6.0);
        event(server, &mut measuring);
        let ended = measuring.ends_within(10.0);
        assert_eq!(ended.code, Some(1), "{}", ended.err);
        (room, ended)
    }

    fn devices_of_a_server_are_listed() {
        let server = pulse::Server::start(Microphone::Sink(RATE));
        let mut command = Command::new(BINARY);
        command.args(["devices", "--json"]).envs(server.env());
        let room = Room::new();
        let listed = room.run(command, "devices --json", b"").ok();
        let _: serde_json::Value = serde_json::from_str(listed.stdout()).expect("JSON");
        for name in ["rig-microphone", "rig-loudspeaker"] {
            assert!(
                listed.stdout().contains(name),
                "no {name} in\n{}",
                listed.stdout()
            );
        }
    }
}
