//! Remote control: Open Sound Control over UDP.
//!
//! Bundles are taken apart here, not by the decoder, which follows them by recursion as deep as
//! the sender likes; arrays, which nest likewise, are of no use to any address.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::SyncSender;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rosc::{OscBundle, OscMessage, OscPacket, OscTime, OscType};

use super::action::{Action, MOST_DB};
use super::input::{Input, Request};
use crate::dsp::control::Bypass;
use crate::io::Origin;
use crate::run::live::Status;

/// Where it listens unless told otherwise.
pub(super) const DEFAULT: &str = "127.0.0.1:9000";
/// How deep bundles may lie in bundles.
const DEPTH: usize = 8;
/// The largest packet that UDP carries.
const PACKET: usize = 65_536;

/// Reads where to listen: `127.0.0.1:9000`, `localhost:9000`, or a port of this machine alone.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix(':').unwrap_or(text);
    if let Ok(port) = port.parse() {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    let refuse = || {
        format!(
            "`{text}` is no address and port; write for example --osc={DEFAULT}, or --osc alone at the end"
        )
    };
    let found = text.to_socket_addrs().map_err(|_| refuse())?;
    // A name may have several addresses: one of this machine alone is the safest.
    let all: Vec<_> = found.collect();
    let own = all.iter().find(|address| !is_public(address));
    own.or(all.first()).copied().ok_or_else(refuse)
}

/// Whether other machines reach it.
pub(super) fn is_public(address: &SocketAddr) -> bool {
    !address.ip().to_canonical().is_loopback()
}

/// A socket that listens on a thread of its own.
#[derive(Debug)]
pub(super) struct Remote {
    socket: UdpSocket,
    address: SocketAddr,
    ignored: Arc<AtomicU64>,
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Remote {
    /// Listens from now on.
    pub(super) fn new(address: SocketAddr, inputs: SyncSender<Input>) -> io::Result<Self> {
        let socket = UdpSocket::bind(address)?;
        let address = socket.local_addr()?;
        let (ignored, end) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let ear = Ear {
            socket: socket.try_clone()?,
            ignored: ignored.clone(),
            end: end.clone(),
            inputs,
        };
        // Both see it: replies do not wait either.
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        socket.set_write_timeout(Some(Duration::from_millis(20)))?;
        let thread = thread::Builder::new()
            .name("osc".into())
            .spawn(move || ear.listen())?;
        Ok(Self {
            socket,
            address,
            ignored,
            end,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Messages and packets so far that made no sense.
    pub(super) fn ignored(&self) -> u64 {
        self.ignored.load(Relaxed)
    }

    /// Counts a message that turned out to make no sense.
    pub(super) fn ignore(&self) {
        self.ignored.fetch_add(1, Relaxed);
    }

    /// Tells the asker how things stand.
    pub(super) fn reply(&self, asker: SocketAddr, status: &Status) {
        if let Ok(bytes) = rosc::encoder::encode(&report(status)) {
            // Who does not listen any more misses it.
            let _ = self.socket.send_to(&bytes, asker);
        }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.end.store(true, Relaxed);
        // A packet wakes the thread at once. It may also be stuck at a full queue that nobody
        // empties any more: it goes with the process.
        let ip = match self.address.ip() {
            ip if !ip.is_unspecified() => ip,
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        };
        let _ = self.socket.send_to(&[], (ip, self.address.port()));
        let done = self.thread.take().filter(JoinHandle::is_finished);
        done.map(JoinHandle::join);
    }
}

/// The listener's half.
struct Ear {
    socket: UdpSocket,
    ignored: Arc<AtomicU64>,
    end: Arc<AtomicBool>,
    inputs: SyncSender<Input>,
}

impl Ear {
    fn listen(self) {
        let mut packet = vec![0; PACKET];
        while !self.end.load(Relaxed) {
            let (bytes, sender) = match self.socket.recv_from(&mut packet) {
                Ok((count, sender)) => (&packet[..count], sender),
                Err(error) => {
                    // A time-out, or word that a reply found nobody; whatever else it may be
                    // must not keep a core busy.
                    let harmless = [
                        ErrorKind::WouldBlock,
                        ErrorKind::TimedOut,
                        ErrorKind::Interrupted,
                    ];
                    if !harmless.contains(&error.kind()) {
                        thread::sleep(Duration::from_millis(10));
                    }
                    continue;
                }
            };
            if self.end.load(Relaxed) {
                return;
            }
            let mut requests = Vec::new();
            let bad = read(bytes, sender, &mut requests);
            self.ignored.fetch_add(bad, Relaxed);
            for request in requests {
                // A full queue waits here, and the system drops what is too much.
                if self.inputs.send(Input::Osc(request)).is_err() {
                    return;
                }
            }
        }
    }
}

/// Reads a packet; gives the number of messages, or pieces that might have been some, that made
/// no sense.
fn read(packet: &[u8], sender: SocketAddr, requests: &mut Vec<Request>) -> u64 {
    let mut bad = 0;
    let mut open = vec![(packet, 0)];
    while let Some((packet, depth)) = open.pop() {
        let Some(elements) = packet.strip_prefix(b"#bundle\0") else {
            match message(packet).and_then(|message| request(&message, sender)) {
                Some(Some(request)) => requests.push(request),
                Some(None) => {}
                None => bad += 1,
            }
            continue;
        };
        match split(elements).filter(|_| depth < DEPTH) {
            // Backwards, so that the first is read first.
            Some(parts) => open.extend(parts.into_iter().rev().map(|part| (part, depth + 1))),
            None => bad += 1,
        }
    }
    bad
}

/// The elements of a bundle behind its time tag, which is read over: everything is done at once.
fn split(bundle: &[u8]) -> Option<Vec<&[u8]>> {
    let mut rest = bundle.get(8..)?;
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let (size, behind) = rest.split_first_chunk::<4>()?;
        let size = usize::try_from(u32::from_be_bytes(*size)).ok()?;
        let (part, behind) = behind.split_at_checked(size)?;
        parts.push(part);
        rest = behind;
    }
    Some(parts)
}

/// One message, alone in its bytes.
fn message(bytes: &[u8]) -> Option<OscMessage> {
    let tags = bytes.iter().position(|&b| b == b',').unwrap_or(bytes.len());
    let text = bytes[tags..].split(|&b| b == 0).next().unwrap_or_default();
    if text.contains(&b'[') || bytes.first() != Some(&b'/') {
        return None;
    }
    match rosc::decoder::decode_udp(bytes) {
        Ok(([], OscPacket::Message(message))) => Some(message),
        _ => None,
    }
}

/// What a message asks for; `Some(None)` for one that is in order and asks for nothing, `None`
/// for one that makes no sense.
fn request(message: &OscMessage, sender: SocketAddr) -> Option<Option<Request>> {
    let action = match (message.addr.as_str(), message.args.as_slice()) {
        ("/status", _) => return Some(Some(Request::Status(sender))),
        ("/reload", []) => Action::Reload,
        // A button that is let go sends 0.
        ("/reload", [arg]) => match switch(arg)? {
            true => Action::Reload,
            false => return Some(None),
        },
        ("/ir", [OscType::String(path)]) => Action::Open(origin(path)?),
        ("/ir", [arg]) => Action::Select(whole(arg)?.checked_sub(1)?.try_into().ok()?),
        ("/mix", [arg]) => Action::Mix(number(arg).filter(|mix| (0.0..=1.0).contains(mix))?),
        ("/gain", [arg]) => Action::Gain(number(arg).filter(|&db| db <= MOST_DB)?),
        ("/bypass", [arg]) => Action::Bypass(bypass(arg)?),
        ("/record", [arg]) => Action::Record(switch(arg)?),
        _ => return None,
    };
    Some(Some(Request::Act(action)))
}

fn number(arg: &OscType) -> Option<f64> {
    match *arg {
        OscType::Int(value) => Some(value.into()),
        OscType::Long(value) => Some(value as f64),
        OscType::Float(value) => Some(value.into()),
        OscType::Double(value) => Some(value),
        _ => None,
    }
    .filter(|value| !value.is_nan())
}

/// A number without a fraction, 0 or more.
fn whole(arg: &OscType) -> Option<u32> {
    let value = number(arg)?;
    let fits = value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value);
    fits.then_some(value as u32)
}

fn switch(arg: &OscType) -> Option<bool> {
    match arg {
        OscType::Bool(on) => Some(*on),
        other => match whole(other)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        },
    }
}

fn bypass(arg: &OscType) -> Option<Bypass> {
    match arg {
        OscType::String(word) => word.parse().ok(),
        other => Some(match switch(other)? {
            true => Bypass::Trails,
            false => Bypass::Off,
        }),
    }
}

/// A file or a recipe. What is neither, such as a pipe, would be waited for.
fn origin(path: &str) -> Option<Origin> {
    let origin: Origin = path.parse().ok()?;
    let odd = |file: &PathBuf| {
        file.as_os_str().is_empty()
            || file == Path::new("-")
            || file.metadata().is_ok_and(|meta| !meta.is_file())
    };
    (!origin.files().iter().any(odd)).then_some(origin)
}

/// The reply to `/status`: a bundle, one message for each matter.
fn report(status: &Status) -> OscPacket {
    let int = |value: u64| OscType::Int(i32::try_from(value).unwrap_or(i32::MAX));
    let float = |value: f64| OscType::Float(value as f32);
    let text = |value: &str| OscType::String(value.replace('\0', " "));
    let latency = status.latency.total();
    let rate = f64::from(status.output.rate.hz());
    let mut matters = vec![
        ("state", vec![text(&status.state.to_string())]),
        (
            "ir",
            vec![int(status.ir.index as u64 + 1), text(&status.ir.name)],
        ),
        ("mix", vec![float(status.mix)]),
        ("gain", vec![float(20.0 * status.gain.abs().log10())]),
        ("bypass", vec![text(&status.bypass.to_string())]),
        (
            "load",
            vec![
                float(status.load.mean.into()),
                float(status.load.worst.into()),
            ],
        ),
        ("dropouts", vec![int(status.counts.dropouts())]),
        ("fill", vec![float(status.fill), float(status.target)]),
        ("latency", vec![float(latency), float(1e3 * latency / rate)]),
        ("record", vec![OscType::Bool(status.recording.is_some())]),
    ];
    if let Some(ppm) = status.drift_ppm {
        matters.push(("drift", vec![float(ppm)]));
    }
    let content = matters.into_iter().map(|(name, args)| {
        let addr = format!("/status/{name}");
        OscPacket::Message(OscMessage { addr, args })
    });
    OscPacket::Bundle(OscBundle {
        timetag: OscTime {
            seconds: 0,
            fractional: 1, // at once
        },
        content: content.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::status;
    use super::*;
    use proptest::prelude::*;
    use rosc::encoder::encode;
    use std::sync::mpsc::{Receiver, sync_channel};
    use std::time::Instant;

    fn me() -> SocketAddr {
        "127.0.0.1:1".parse().unwrap()
    }

    fn packet(addr: &str, args: Vec<OscType>) -> OscPacket {
        let addr = addr.to_owned();
        OscPacket::Message(OscMessage { addr, args })
    }

    fn bundle(content: Vec<OscPacket>) -> OscPacket {
        let timetag = OscTime {
            seconds: 5,
            fractional: 6,
        };
        OscPacket::Bundle(OscBundle { timetag, content })
    }

    fn read_all(bytes: &[u8]) -> (Vec<Request>, u64) {
        let mut requests = Vec::new();
        let bad = read(bytes, me(), &mut requests);
        (requests, bad)
    }

    /// What one message leads to.
    fn one(addr: &str, arg: impl Into<OscType>) -> Option<Action> {
        let (mut requests, bad) = read_all(&encode(&packet(addr, vec![arg.into()])).unwrap());
        match requests.pop() {
            Some(Request::Act(action)) => {
                assert_eq!((requests.len(), bad), (0, 0));
                Some(action)
            }
            other => {
                assert_eq!((other, bad), (None, 1), "{addr}");
                None
            }
        }
    }

    #[test]
    fn numbers_may_be_int_float_or_double() {
        assert_eq!(one("/ir", 2), Some(Action::Select(1)));
        assert_eq!(one("/ir", 2.0f32), Some(Action::Select(1)));
        assert_eq!(one("/ir", 2.0f64), Some(Action::Select(1)));
        assert_eq!(one("/mix", 0.25f32), Some(Action::Mix(0.25)));
        assert_eq!(one("/mix", 1), Some(Action::Mix(1.0)));
        assert_eq!(one("/gain", -6.5f64), Some(Action::Gain(-6.5)));
        assert_eq!(
            one("/gain", f32::NEG_INFINITY),
            Some(Action::Gain(f64::NEG_INFINITY))
        );
    }

    #[test]
    fn switches_are_true_false_1_0_or_a_word() {
        for (arg, want) in [
            (OscType::Bool(true), Bypass::Trails),
            (OscType::Bool(false), Bypass::Off),
            (OscType::Int(1), Bypass::Trails),
            (OscType::Float(0.0), Bypass::Off),
            (OscType::String("trails".into()), Bypass::Trails),
            (OscType::String("cut".into()), Bypass::Cut),
            (OscType::String("off".into()), Bypass::Off),
        ] {
            assert_eq!(one("/bypass", arg), Some(Action::Bypass(want)));
        }
        assert_eq!(one("/record", true), Some(Action::Record(true)));
        assert_eq!(one("/record", 0), Some(Action::Record(false)));
    }

    #[test]
    fn values_that_make_no_sense_are_counted_and_do_nothing() {
        for (addr, arg) in [
            ("/ir", OscType::Int(0)),
            ("/ir", OscType::Int(-1)),
            ("/ir", OscType::Float(1.5)),
            ("/ir", OscType::String(String::new())),
            ("/ir", OscType::String("-".into())),
            ("/ir", OscType::String("/".into())),
            ("/ir", OscType::String("synth:nothing".into())),
            ("/ir", OscType::Bool(true)),
            ("/mix", OscType::Float(1.01)),
            ("/mix", OscType::Float(f32::NAN)),
            ("/mix", OscType::String("0.5".into())),
            ("/mix", OscType::Nil),
            ("/gain", OscType::Float(61.0)),
            ("/gain", OscType::Double(f64::INFINITY)),
            ("/bypass", OscType::Int(2)),
            ("/bypass", OscType::String("on".into())),
            ("/record", OscType::String("out.wav".into())),
            ("/quit", OscType::Int(1)),
            ("/m*", OscType::Float(0.5)),
        ] {
            assert_eq!(one(addr, arg.clone()), None, "{addr} {arg:?}");
        }
        let (requests, bad) = read_all(&encode(&packet("/mix", vec![])).unwrap());
        assert_eq!((requests.len(), bad), (0, 1));
        let two = vec![OscType::Float(0.5), OscType::Float(0.5)];
        let (requests, bad) = read_all(&encode(&packet("/mix", two)).unwrap());
        assert_eq!((requests.len(), bad), (0, 1));
    }

    #[test]
    fn a_button_let_go_reloads_nothing_and_is_no_mistake() {
        let bytes = |args| encode(&packet("/reload", args)).unwrap();
        let reload = vec![Request::Act(Action::Reload)];
        assert_eq!(read_all(&bytes(vec![])), (reload.clone(), 0));
        assert_eq!(read_all(&bytes(vec![1.0f32.into()])), (reload, 0));
        assert_eq!(read_all(&bytes(vec![0.0f32.into()])), (vec![], 0));
    }

    #[test]
    fn bundles_are_read_in_order_however_they_nest() {
        let mix = |value: f32| packet("/mix", vec![value.into()]);
        let nested = bundle(vec![
            mix(0.25),
            bundle(vec![
                mix(0.5),
                bundle(vec![mix(0.75)]),
                packet("/x", vec![]),
            ]),
            mix(1.0),
        ]);
        let (requests, bad) = read_all(&encode(&nested).unwrap());
        let want = [0.25, 0.5, 0.75, 1.0].map(|mix| Request::Act(Action::Mix(mix)));
        assert_eq!((requests.as_slice(), bad), (want.as_slice(), 1));
    }

    #[test]
    fn nesting_has_an_end() {
        let mut deep = encode(&packet("/reload", vec![])).unwrap();
        for depth in 1.. {
            let size = (deep.len() as u32).to_be_bytes();
            deep = [b"#bundle\0\0\0\0\0\0\0\0\x01", &size[..], &deep].concat();
            if deep.len() > 60_000 {
                break;
            }
            let (requests, bad) = read_all(&deep);
            let fine = depth <= DEPTH;
            assert_eq!((requests.len(), bad), (usize::from(fine), u64::from(!fine)));
        }
        let arrays = [b"/mix\0\0\0\0,", "[".repeat(30_000).as_bytes()].concat();
        let arrays = [&arrays, "]".repeat(30_000).as_bytes(), &[0; 8]].concat();
        assert_eq!(read_all(&arrays), (vec![], 1));
    }

    proptest! {
        #[test]
        fn no_bytes_whatever_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            read_all(&bytes);
            read_all(&[b"#bundle\0", &bytes[..]].concat());
            read_all(&[b"/mix\0\0\0\0,", &bytes[..]].concat());
        }

        #[test]
        fn a_packet_cut_or_bent_does_no_harm(cut in 0usize..120, at in 0usize..120, to: u8) {
            let whole = bundle(vec![
                packet("/mix", vec![0.5f32.into()]),
                packet("/ir", vec!["synth:hall".to_owned().into()]),
                bundle(vec![packet("/status", vec![])]),
            ]);
            let mut bytes = encode(&whole).unwrap();
            let end = bytes.len();
            bytes[at % end] = to;
            bytes.truncate(cut.min(end));
            read_all(&bytes);
        }
    }

    fn remote() -> (Remote, UdpSocket, Receiver<Input>) {
        let (sender, inputs) = sync_channel(64);
        let remote = Remote::new("127.0.0.1:0".parse().unwrap(), sender).unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(remote.address()).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        (remote, socket, inputs)
    }

    fn next(inputs: &Receiver<Input>) -> Request {
        match inputs.recv_timeout(Duration::from_secs(10)).unwrap() {
            Input::Osc(request) => request,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn noise_on_the_wire_is_counted_and_a_good_packet_behind_it_is_heard() {
        let (remote, socket, inputs) = remote();
        let mut seed = 1u64;
        let mut noise = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as usize
        };
        for _ in 0..50 {
            let bytes: Vec<u8> = (0..noise() % 100).map(|_| noise() as u8).collect();
            socket.send(&bytes).unwrap();
        }
        let mix = encode(&packet("/mix", vec![0.5f32.into()])).unwrap();
        socket.send(&mix).unwrap();
        assert_eq!(next(&inputs), Request::Act(Action::Mix(0.5)));
        assert_eq!(remote.ignored(), 50);
    }

    #[test]
    fn who_asks_for_the_status_gets_it() {
        let (remote, socket, inputs) = remote();
        let ask = encode(&packet("/status", vec![])).unwrap();
        socket.send(&ask).unwrap();
        let Request::Status(asker) = next(&inputs) else {
            panic!()
        };
        assert_eq!(asker, socket.local_addr().unwrap());
        remote.reply(asker, &status());
        let mut bytes = [0; 2000];
        let count = socket.recv(&mut bytes).unwrap();
        let (_, OscPacket::Bundle(bundle)) = rosc::decoder::decode_udp(&bytes[..count]).unwrap()
        else {
            panic!()
        };
        let find = |name: &str| {
            bundle.content.iter().find_map(|packet| match packet {
                OscPacket::Message(message) if message.addr == name => Some(message.args.clone()),
                _ => None,
            })
        };
        assert_eq!(
            find("/status/state"),
            Some(vec!["running".to_owned().into()])
        );
        let ir = vec![1.into(), "hall.wav".to_owned().into()];
        assert_eq!(find("/status/ir"), Some(ir));
        assert_eq!(find("/status/mix"), Some(vec![1.0f32.into()]));
        assert_eq!(
            find("/status/fill"),
            Some(vec![510.5f32.into(), 512.0f32.into()])
        );
    }

    #[test]
    fn it_ends_at_once_and_frees_its_port() {
        let (remote, _socket, _inputs) = remote();
        let (address, begun) = (remote.address(), Instant::now());
        drop(remote);
        assert!(begun.elapsed() < Duration::from_secs(1));
        while UdpSocket::bind(address).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(10));
            thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn addresses_are_read_and_public_ones_known() {
        let private = [
            "9001",
            ":9001",
            "127.0.0.1:9001",
            "[::1]:9001",
            "[::ffff:127.0.0.1]:9001",
        ];
        for text in private {
            let address = address(text).unwrap();
            assert_eq!(address.port(), 9001);
            assert!(!is_public(&address), "{text}");
        }
        for text in ["0.0.0.0:9001", "192.168.1.2:9001", "[::]:9001"] {
            assert!(is_public(&address(text).unwrap()), "{text}");
        }
        for text in ["", "hall.wav", "127.0.0.1", "127.0.0.1:99999", "1.2.3:x"] {
            let error = address(text).unwrap_err();
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
    }
}
