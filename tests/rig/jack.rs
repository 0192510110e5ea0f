//! JACK with its dummy driver, and a peer that plays into the session's ports and hears what comes
//! out of them, to the frame.
//!
//! A process can be a client of one JACK server only, and a server that dies may take its clients
//! along: so the peer is this test binary once more, in a process of its own. It looks for JACK's
//! library when it runs, as the session does, so building it needs no header.

use std::ffi::{CStr, CString, c_char, c_int, c_ulong, c_void};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use rustix::process::Signal;

use super::{Heard, Kept, Server as _, channels, session, sleep, to_bytes, until};
use crate::common::Room;

/// What a test of JACK needs on the machine.
pub const NEEDS: &[&str] = &["jackd"];

/// Set in a peer's environment: this process is one.
const PEER: &str = "FALTUNG_JACK_PEER";

// ---------------------------------------------------------------- the server

/// A server of its own name, without a sound card.
pub struct Server {
    name: String,
    period: usize,
    rate: u32,
    process: Kept,
}

impl Server {
    pub fn start(period: usize, rate: u32) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, SeqCst);
        let name = format!("faltung-{}-{number}", std::process::id());
        let process = Self::spawn(&name, period, rate);
        let server = Self {
            name,
            period,
            rate,
            process,
        };
        server.ready();
        server
    }

    fn spawn(name: &str, period: usize, rate: u32) -> Kept {
        let mut command = Command::new("jackd");
        // Few ports: shared memory is scarce in a container. Unlocked memory needs no rights.
        let line = format!(
            "--name {name} --no-mlock --port-max 64 --realtime -P 10 -d dummy -r {rate} -p {period}"
        );
        command.args(line.split(' '));
        command.env("JACK_NO_AUDIO_RESERVATION", "1");
        command.stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Kept::spawn(&mut command)
    }

    /// A peer can be its client.
    fn ready(&self) {
        drop(self.peer(&[]));
    }

    /// A client that can play this signal.
    pub fn peer(&self, signal: &[f32]) -> Peer {
        Peer::start(self, signal)
    }
}

impl super::Server for Server {
    fn env(&self) -> session::Env {
        vec![
            ("JACK_DEFAULT_SERVER", self.name.clone()),
            ("JACK_NO_START_SERVER", "1".into()),
        ]
    }

    fn options(&self) -> String {
        let Self { period, rate, .. } = self;
        format!("--host jack --input Input --output Output -r {rate} -p {period}")
    }

    fn hear(&self, signal: &[f32], seconds: f64) -> Heard {
        let mut peer = self.peer(signal);
        peer.wire(Wiring::Through);
        peer.play();
        sleep(seconds);
        peer.end()
    }

    fn kill(&mut self) {
        self.process.kill();
    }

    fn start_again(&mut self) {
        self.process = Self::spawn(&self.name, self.period, self.rate);
        self.ready();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // First, while it can still clear up behind itself.
        self.process.signal(Signal::TERM);
        self.process.ends_within(2.0);
        self.process.kill();
        // What a killed server leaves lying.
        for file in fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
            let name = file.file_name();
            if name.to_str().is_some_and(|name| name.contains(&self.name)) {
                let _ = fs::remove_file(file.path());
            }
        }
    }
}

// ---------------------------------------------------------------- the peer, as the tests see it

/// What is connected to the session's ports.
#[derive(Clone, Copy, PartialEq)]
pub enum Wiring {
    /// The peer plays into the session's inputs and hears its outputs.
    Through,
    /// The session's first output goes to its first input.
    Loop,
}

pub struct Peer {
    process: Kept,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    room: Room,
}

impl Peer {
    fn start(server: &Server, signal: &[f32]) -> Self {
        let room = Room::new();
        room.bytes("signal", &to_bytes(signal));
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(PEER, &room.0).envs(server.env());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(Stdio::null());
        let mut process = Kept::spawn(&mut command);
        let input = process.child().stdin.take().unwrap();
        let output = BufReader::new(process.child().stdout.take().unwrap());
        let mut peer = Self {
            process,
            input,
            output,
            room,
        };
        assert_eq!(peer.answer(), "ready", "no server that lets clients in");
        peer
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().into()
    }

    fn ask(&mut self, word: &str) -> String {
        writeln!(self.input, "{word}").unwrap();
        self.answer()
    }

    /// Connects the session's ports, once they are there.
    #[track_caller]
    pub fn wire(&mut self, wiring: Wiring) {
        let word = match wiring {
            Wiring::Through => "through",
            Wiring::Loop => "loop",
        };
        assert_eq!(self.ask(word), "wired", "no ports of a session");
    }

    /// Plays the signal from its beginning.
    pub fn play(&mut self) {
        assert_eq!(self.ask("play"), "played");
    }

    /// Ends it.
    pub fn end(mut self) -> Heard {
        let told = self.ask("end");
        let mut numbers = told.split(' ').map(|word| word.parse().unwrap());
        let (played_at, xruns) = (numbers.next().unwrap(), numbers.next().unwrap());
        self.process.ends_within(2.0);
        Heard {
            channels: channels(&fs::read(self.room.path("heard")).unwrap(), 2),
            played_at: Some(played_at),
            xruns,
        }
    }
}

// ---------------------------------------------------------------- the peer, in its own process

/// Frames that a peer can hear.
const MOST: usize = 90 * 48_000;
const NEVER: usize = usize::MAX;

type Client = *mut c_void;
type Port = *mut c_void;
type Process = extern "C" fn(u32, *mut c_void) -> c_int;
type Xrun = extern "C" fn(*mut c_void) -> c_int;
type Quiet = extern "C" fn(*const c_char);

/// The few functions of JACK's library that a peer uses.
struct Jack {
    open: unsafe extern "C" fn(*const c_char, c_int, *mut c_int, ...) -> Client,
    register: unsafe extern "C" fn(Client, *const c_char, *const c_char, c_ulong, c_ulong) -> Port,
    buffer: unsafe extern "C" fn(Port, u32) -> *mut f32,
    on_process: unsafe extern "C" fn(Client, Process, *mut c_void) -> c_int,
    on_xrun: unsafe extern "C" fn(Client, Xrun, *mut c_void) -> c_int,
    activate: unsafe extern "C" fn(Client) -> c_int,
    close: unsafe extern "C" fn(Client) -> c_int,
    connect: unsafe extern "C" fn(Client, *const c_char, *const c_char) -> c_int,
    ports: unsafe extern "C" fn(Client, *const c_char, *const c_char, c_ulong) -> *mut *mut c_char,
    on_error: unsafe extern "C" fn(Quiet),
    on_info: unsafe extern "C" fn(Quiet),
}

impl Jack {
    #[allow(clippy::missing_transmute_annotations)] // the fields say the types
    fn load() -> Self {
        // SAFETY: the signatures are those of jack.h.
        unsafe {
            let library = libc::dlopen(c"libjack.so.0".as_ptr(), libc::RTLD_NOW);
            assert!(!library.is_null(), "there is no libjack.so.0");
            let symbol = |name: &CStr| {
                let symbol = libc::dlsym(library, name.as_ptr());
                assert!(!symbol.is_null(), "libjack has no {name:?}");
                symbol
            };
            use std::mem::transmute as function;
            Self {
                open: function(symbol(c"jack_client_open")),
                register: function(symbol(c"jack_port_register")),
                buffer: function(symbol(c"jack_port_get_buffer")),
                on_process: function(symbol(c"jack_set_process_callback")),
                on_xrun: function(symbol(c"jack_set_xrun_callback")),
                activate: function(symbol(c"jack_activate")),
                close: function(symbol(c"jack_client_close")),
                connect: function(symbol(c"jack_connect")),
                ports: function(symbol(c"jack_get_ports")),
                on_error: function(symbol(c"jack_set_error_function")),
                on_info: function(symbol(c"jack_set_info_function")),
            }
        }
    }

    /// A client's ports whose names match.
    fn matching(&self, client: Client, pattern: &CStr) -> Vec<CString> {
        // SAFETY: an array of strings that ends with null; it is small, and never freed.
        unsafe {
            let mut port = (self.ports)(client, pattern.as_ptr(), std::ptr::null(), 0);
            let mut found = Vec::new();
            while !port.is_null() && !(*port).is_null() {
                found.push(CStr::from_ptr(*port).into());
                port = port.add(1);
            }
            found
        }
    }
}

struct State {
    jack: Jack,
    signal: Vec<f32>,
    heard: Vec<AtomicU32>,
    frames: AtomicUsize,
    played_at: AtomicUsize,
    xruns: AtomicUsize,
    ports: OnceLock<[usize; 3]>,
}

/// If this process is a peer, it is one to its end.
pub fn peer_if_asked() {
    let Some(room) = std::env::var_os(PEER).map(PathBuf::from) else {
        return;
    };
    let signal = channels(&fs::read(room.join("signal")).unwrap(), 1).remove(0);
    let state: &'static State = Box::leak(Box::new(State {
        jack: Jack::load(),
        signal,
        heard: (0..2 * MOST).map(|_| AtomicU32::new(0)).collect(),
        frames: AtomicUsize::new(0),
        played_at: AtomicUsize::new(NEVER),
        xruns: AtomicUsize::new(0),
        ports: OnceLock::new(),
    }));
    let client = until(10.0, || open(state)).expect("a server");
    println!("ready");
    for line in std::io::stdin().lines() {
        match line.unwrap_or_default().as_str() {
            "through" => say(wire(state, client, Wiring::Through), "wired"),
            "loop" => say(wire(state, client, Wiring::Loop), "wired"),
            "play" => {
                state.played_at.store(state.frames.load(SeqCst), SeqCst);
                println!("played");
            }
            _ => break,
        }
    }
    let frames = state.frames.load(SeqCst).min(MOST);
    let heard = state.heard[..2 * frames].iter();
    let heard: Vec<f32> = heard.map(|x| f32::from_bits(x.load(SeqCst))).collect();
    // The test may be gone, and its room with it.
    let _ = fs::write(room.join("heard"), to_bytes(&heard));
    let (played_at, xruns) = (state.played_at.load(SeqCst), state.xruns.load(SeqCst));
    println!("{played_at} {xruns}");
    // A client that just vanishes makes the others late. Of a dead server there is no leaving.
    let client = client as usize;
    // SAFETY: the client is not used any more.
    std::thread::spawn(move || unsafe { (state.jack.close)(client as Client) });
    sleep(0.5);
    // SAFETY: nothing is left to be done.
    unsafe { libc::_exit(0) };
}

fn say(done: bool, word: &str) {
    println!("{}", if done { word } else { "no" });
}

fn open(state: &'static State) -> Option<Client> {
    extern "C" fn quiet(_: *const c_char) {}
    const NO_START: c_int = 1;
    const INPUT: c_ulong = 1;
    const OUTPUT: c_ulong = 2;
    let (jack, context) = (&state.jack, std::ptr::from_ref(state).cast_mut().cast());
    let audio = c"32 bit float mono audio".as_ptr();
    let mut status = 0;
    // SAFETY: as jack.h asks; the state lives as long as the process.
    unsafe {
        (jack.on_error)(quiet);
        (jack.on_info)(quiet);
        let client = (jack.open)(c"peer".as_ptr(), NO_START, &raw mut status);
        if client.is_null() {
            return None;
        }
        let port = |name: &CStr, flags| (jack.register)(client, name.as_ptr(), audio, flags, 0);
        let ports = [
            port(c"play", OUTPUT) as usize,
            port(c"hear_0", INPUT) as usize,
            port(c"hear_1", INPUT) as usize,
        ];
        state.ports.set(ports).unwrap();
        (jack.on_process)(client, process, context);
        (jack.on_xrun)(client, xrun, context);
        assert_eq!((jack.activate)(client), 0);
        Some(client)
    }
}

extern "C" fn xrun(state: *mut c_void) -> c_int {
    // SAFETY: it is the state that was given, and lives for ever.
    let state = unsafe { &*state.cast::<State>() };
    state.xruns.fetch_add(1, SeqCst);
    0
}

extern "C" fn process(frames: u32, state: *mut c_void) -> c_int {
    // SAFETY: it is the state that was given, and lives for ever.
    let state = unsafe { &*state.cast::<State>() };
    let ports = state.ports.get().expect("ports before activation");
    let now = state.frames.load(SeqCst);
    let buffer = |port: usize| {
        // SAFETY: a buffer of this cycle, of so many frames, which nobody else has.
        let buffer = unsafe { (state.jack.buffer)(ports[port] as Port, frames) };
        unsafe { std::slice::from_raw_parts_mut(buffer, frames as usize) }
    };
    let from = state.played_at.load(SeqCst);
    for (i, y) in buffer(0).iter_mut().enumerate() {
        let at = (now + i).checked_sub(from);
        *y = at
            .and_then(|at| state.signal.get(at))
            .copied()
            .unwrap_or(0.0);
    }
    for port in [1, 2] {
        for (i, x) in buffer(port).iter().enumerate() {
            if let Some(heard) = state.heard.get(2 * (now + i) + port - 1) {
                heard.store(x.to_bits(), SeqCst);
            }
        }
    }
    state.frames.store(now + frames as usize, SeqCst);
    0
}

/// Connects the ports of a session, once all are there.
fn wire(state: &State, client: Client, wiring: Wiring) -> bool {
    let jack = &state.jack;
    let both = until(10.0, || {
        let inputs = jack.matching(client, c"_in.*:in_");
        let outputs = jack.matching(client, c"_out.*:out_");
        (!inputs.is_empty() && !outputs.is_empty()).then_some((inputs, outputs))
    });
    let Some((inputs, outputs)) = both else {
        return false;
    };
    // Ports are there before they are in use.
    std::thread::sleep(Duration::from_millis(200));
    let connect = |from: &CStr, to: &CStr| {
        // SAFETY: names of ports; a connection that is there already is none to be refused.
        let told = unsafe { (jack.connect)(client, from.as_ptr(), to.as_ptr()) };
        told == 0 || told == libc::EEXIST
    };
    match wiring {
        Wiring::Loop => connect(&outputs[0], &inputs[0]),
        Wiring::Through => {
            let hears = [c"peer:hear_0", c"peer:hear_1"];
            let heard = outputs
                .iter()
                .zip(hears)
                .all(|(port, hear)| connect(port, hear));
            heard && inputs.iter().all(|port| connect(c"peer:play", port))
        }
    }
}
