//! PulseAudio with two null sinks: what is played to one, its monitor gives as a microphone; what
//! the other gets, its monitor lets be heard.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::Instant;

use rustix::process::{Signal, setpriority_process};

use super::{Heard, Kept, Server as _, channels, session, sleep, to_bytes, until};
use crate::common::Room;

/// What a test of PulseAudio needs on the machine.
pub const NEEDS: &[&str] = &["pulseaudio", "pactl", "pacat"];

/// How the microphone is made.
#[derive(Clone, Copy)]
pub enum Microphone {
    /// A null sink of that rate, by the system's clock: one plays to it.
    Sink(u32),
    /// A pipe that says 48 kHz: its clock is that of who writes.
    Pipe,
}

/// A server of our own, with a microphone of one channel and a loudspeaker of two.
pub struct Server {
    room: Room,
    microphone: Microphone,
    process: Kept,
    listener: Option<Kept>,
}

const LOUDSPEAKER: &str = "module-null-sink sink_name=loudspeaker rate=48000 channels=2 \
     format=float32le norewinds=1 sink_properties=device.description=rig-loudspeaker";

impl Server {
    pub fn start(microphone: Microphone) -> Self {
        let room = Room::new();
        for folder in ["runtime", "runtime/pulse", "home"] {
            fs::create_dir(room.path(folder)).unwrap();
        }
        room.bytes("client.conf", b"enable-shm = no\nautospawn = no\n");
        // Anonymous clients are let in, but must show one.
        room.bytes("cookie", &[0; 256]);
        let process = Self::spawn(&room, microphone);
        let mut server = Self {
            room,
            microphone,
            process,
            listener: None,
        };
        server.ready();
        server
    }

    fn spawn(room: &Room, microphone: Microphone) -> Kept {
        let socket = room.path("runtime/pulse/native");
        let named = "device.description=rig-microphone";
        let microphone = match microphone {
            Microphone::Sink(rate) => format!(
                "module-null-sink sink_name=microphone rate={rate} channels=1 format=float32le \
                 norewinds=1 sink_properties={named}"
            ),
            Microphone::Pipe => format!(
                "module-pipe-source source_name=microphone file={} rate=48000 channels=1 \
                 format=float32le source_properties={named}",
                room.path("pipe").display()
            ),
        };
        let mut command = Command::new("pulseaudio");
        command.args([
            "-n",
            "--daemonize=no",
            "--use-pid-file=no",
            "--disable-shm=yes",
        ]);
        command.args(["--exit-idle-time=-1", "--log-target=stderr"]);
        let socket = socket.display();
        for module in [
            format!("module-native-protocol-unix auth-anonymous=1 socket={socket}"),
            microphone,
            LOUDSPEAKER.into(),
        ] {
            command.args(["-L", &module]);
        }
        command
            .envs(env(room))
            .env_remove("DBUS_SESSION_BUS_ADDRESS");
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(File::create(room.path("log")).unwrap());
        Kept::spawn(&mut command)
    }

    #[track_caller]
    fn ready(&mut self) {
        let devices = || {
            let told = self.control("list short sinks");
            told.filter(|told| told.contains("loudspeaker"))
        };
        let log = || fs::read_to_string(self.room.path("log")).unwrap_or_default();
        assert!(until(10.0, devices).is_some(), "no server\n{}", log());
        if let Microphone::Sink(_) = self.microphone {
            self.listener = Some(self.listen_closely("microphone"));
        }
    }

    /// Makes a sink's monitor hand over in short pieces.
    ///
    /// A null sink's pieces are as long as its most impatient listener lets them be. Those that it
    /// makes for cpal's record stream overflow that stream's queue, which holds but one period, and
    /// are cut without a word.
    pub fn listen_closely(&self, sink: &str) -> Kept {
        self.record_to(sink, 1, 5, Path::new("/dev/null"))
    }

    fn command(&self, program: &str, line: &str) -> Command {
        let mut command = Command::new(program);
        command.args(line.split_whitespace()).envs(self.env());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(Stdio::null());
        command
    }

    /// What the server answers, if it does so well and in time.
    fn control(&self, line: &str) -> Option<String> {
        let told = self.room.path("told");
        let mut command = self.command("pactl", line);
        command.stdout(File::create(&told).unwrap());
        let ended = Kept::spawn(&mut command).ends_within(5.0)?;
        ended.success().then(|| fs::read_to_string(told).unwrap())
    }

    #[track_caller]
    fn told(&self, line: &str) -> String {
        let told = self.control(line);
        told.unwrap_or_else(|| panic!("pactl {line}"))
    }

    #[track_caller]
    pub fn unload_loudspeaker(&self) {
        let modules = self.told("list short modules");
        let ours = modules
            .lines()
            .find(|line| line.contains("sink_name=loudspeaker"));
        let number = ours
            .and_then(|line| line.split('\t').next())
            .expect("a loudspeaker");
        self.told(&format!("unload-module {number}"));
    }

    #[track_caller]
    pub fn load_loudspeaker(&self) {
        self.told(&format!("load-module {LOUDSPEAKER}"));
    }

    /// Whether the loudspeaker's clock stands still.
    #[track_caller]
    pub fn suspend_loudspeaker(&self, still: bool) {
        self.told(&format!("suspend-sink loudspeaker {}", u8::from(still)));
    }

    /// Plays to the microphone, a null sink, until it is dropped.
    pub fn play(&self, signal: &[f32]) -> Kept {
        let Microphone::Sink(rate) = self.microphone else {
            panic!("a pipe is written to, not played to");
        };
        self.room.bytes("signal", &to_bytes(signal));
        let line = format!(
            "--playback --raw -d microphone --format=float32le --rate={rate} --channels=1 \
             --latency-msec=400"
        );
        let mut command = self.command("pacat", &line);
        command.arg(self.room.path("signal"));
        Kept::spawn(&mut command)
    }

    /// Writes to the microphone, a pipe, by a clock that is so much too fast, until it is dropped.
    pub fn write(&self, signal: &[f32], ppm: f64) -> Writer {
        Writer::start(self, signal, ppm)
    }

    fn record_to(&self, sink: &str, count: usize, latency_ms: u32, file: &Path) -> Kept {
        let mut command = self.command(
            "pacat",
            &format!(
                "--record --raw -d {sink}.monitor --format=float32le --rate=48000 \
                 --channels={count} --latency-msec={latency_ms}"
            ),
        );
        Kept::spawn(command.arg(file))
    }

    /// Hears the loudspeaker.
    pub fn record(&self) -> Recorder {
        let room = Room::new();
        let process = self.record_to("loudspeaker", 2, 100, &room.path("heard"));
        let recorder = Recorder { process, room };
        assert!(until(5.0, || recorder.runs()).is_some(), "no recording");
        recorder
    }
}

impl super::Server for Server {
    fn env(&self) -> session::Env {
        env(&self.room)
    }

    fn options(&self) -> String {
        "--host pulseaudio --input microphone --output loudspeaker -r 48k -p 1024".into()
    }

    fn hear(&self, signal: &[f32], seconds: f64) -> Heard {
        let recorder = self.record();
        let _player = match self.microphone {
            Microphone::Sink(_) => Ok(self.play(signal)),
            Microphone::Pipe => Err(self.write(signal, 0.0)),
        };
        sleep(seconds);
        Heard {
            channels: recorder.end(),
            played_at: None,
            xruns: 0,
        }
    }

    fn kill(&mut self) {
        self.process.kill();
    }

    fn start_again(&mut self) {
        self.process = Self::spawn(&self.room, self.microphone);
        self.ready();
    }
}

fn env(room: &Room) -> session::Env {
    let path = |name: &str| room.path(name).display().to_string();
    vec![
        ("HOME", path("home")),
        ("XDG_RUNTIME_DIR", path("runtime")),
        ("XDG_CONFIG_HOME", path("home")),
        ("PULSE_CLIENTCONFIG", path("client.conf")),
        ("PULSE_COOKIE", path("cookie")),
        (
            "PULSE_SERVER",
            format!("unix:{}", path("runtime/pulse/native")),
        ),
    ]
}

/// A recording under way.
pub struct Recorder {
    process: Kept,
    room: Room,
}

impl Recorder {
    fn runs(&self) -> Option<()> {
        let file = fs::metadata(self.room.path("heard")).ok()?;
        (file.len() > 0).then_some(())
    }

    /// Ends it; what was heard, by channels.
    pub fn end(mut self) -> Vec<Vec<f32>> {
        self.process.signal(Signal::TERM);
        self.process.ends_within(2.0);
        channels(&fs::read(self.room.path("heard")).unwrap(), 2)
    }
}

/// A microphone's clock and what it hears: a thread that writes.
pub struct Writer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    fn start(server: &Server, signal: &[f32], ppm: f64) -> Self {
        let bytes = to_bytes(signal);
        let mut options = OpenOptions::new();
        // Neither to open nor to write may wait for ever.
        options.write(true).custom_flags(libc::O_NONBLOCK);
        let mut pipe = options.open(server.room.path("pipe")).unwrap();
        let (stop, rate) = (
            Arc::new(AtomicBool::new(false)),
            48_000.0 * (1.0 + 1e-6 * ppm),
        );
        let told = stop.clone();
        let write = move || {
            // Of this thread alone.
            let _ = setpriority_process(None, -11);
            let (begun, mut written) = (Instant::now(), 0);
            while !told.load(SeqCst) && written < bytes.len() {
                let due = (begun.elapsed().as_secs_f64() * rate) as usize * 4;
                // What a full pipe refuses is written later.
                written += pipe
                    .write(&bytes[written..due.min(bytes.len())])
                    .unwrap_or(0);
                sleep(0.002);
            }
        };
        Self {
            stop,
            thread: Some(std::thread::spawn(write)),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, SeqCst);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
