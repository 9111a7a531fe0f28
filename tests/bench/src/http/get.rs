//! Clients that ask for one file and stay: for what wrk(1) cannot do.

use std::io::{self, Read, Write};
use std::net::{SocketAddrV4, TcpStream};

use switchboard_harness::Process;

use crate::dial;
use crate::server::Server;

/// As wrk(1) asks.
const REQUEST: &[u8] = b"GET /1k.txt HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";

/// Returns what the server keeps for each of many connections that have asked once, in bytes of its resident memory.
///
/// # Errors
/// The server does not start, or an answer is not the file.
pub(super) fn memory(command: &[String], connections: u64) -> io::Result<f64> {
    let server = Server::start(command)?;
    dial::prepare(connections as usize + 1)?;
    // Served before the first look at the memory, so that the pages of the code and of the shared buffer are in.
    let _first = ask(server.address, 0)?;
    let before = Process(server.pid()).resident_exact()?;
    let clients = (1..=connections).map(|nth| ask(server.address, nth as usize)).collect::<io::Result<Vec<_>>>()?;
    let grown = Process(server.pid()).resident_exact()?.saturating_sub(before);
    drop(clients);
    Ok(grown as f64 / connections as f64)
}

fn ask(target: SocketAddrV4, nth: usize) -> io::Result<TcpStream> {
    let mut client = dial::dial(target, nth)?;
    client.write_all(REQUEST)?;
    hear(&mut client)?;
    Ok(client)
}

/// Reads one answer, which has to be the file: its body is 64 lines of 16 bytes.
fn hear(client: &mut TcpStream) -> io::Result<()> {
    const FILE: usize = 1024;
    let (mut answer, mut buffer) = (Vec::new(), [0; 2048]);
    loop {
        let count = client.read(&mut buffer)?;
        answer.extend_from_slice(&buffer[..count]);
        let head = memchr::memmem::find(&answer, b"\r\n\r\n").map(|end| end + 4);
        match head {
            Some(head) if answer.len() == head + FILE && answer.starts_with(b"HTTP/1.1 200 OK\r\n") => return Ok(()),
            Some(head) if answer.len() > head + FILE => break,
            _ if count == 0 => break,
            _ => {}
        }
    }
    Err(io::Error::other(format!("not the answer that was expected: {}", String::from_utf8_lossy(&answer))))
}
