//! Remote control.

use std::net::UdpSocket;

use rosc::{OscMessage, OscPacket, OscType, encoder};

/// A port that is free just now.
pub fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

pub fn send(port: u16, address: &str, value: OscType) {
    let message = OscMessage {
        addr: address.into(),
        args: vec![value],
    };
    let bytes = encoder::encode(&OscPacket::Message(message)).unwrap();
    send_bytes(port, &bytes);
}

/// Whatever it may mean.
pub fn send_bytes(port: u16, bytes: &[u8]) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(bytes, ("127.0.0.1", port)).unwrap();
}
