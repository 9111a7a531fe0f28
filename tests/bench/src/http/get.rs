//! A client that asks for one file, again and again: for what wrk(1) cannot do.

use std::io::{self, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use switchboard_harness::Process;

use crate::dial;
use crate::server::Server;
use crate::stats;

/// Connections of the load by which instructions are counted.
const CONNECTIONS: u64 = 50;

/// Scripts that start at the same time, and how long a file is asked for meanwhile.
const SCRIPTS: usize = 20;
const TIME: Duration = Duration::from_secs(3);

/// As wrk(1) asks.
const REQUEST: &[u8] = b"GET /1k.txt HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";

/// Sends `count` requests on 50 connections, each when the one before it was answered, and checks each answer.
///
/// # Errors
/// An answer is not the file.
pub(crate) fn send(target: SocketAddrV4, count: u64) -> io::Result<()> {
    let mut clients = (0..CONNECTIONS).map(|nth| dial::dial(target, nth as usize)).collect::<io::Result<Vec<_>>>()?;
    for _ in 0..count / CONNECTIONS {
        for client in &mut clients {
            client.write_all(REQUEST)?;
        }
        clients.iter_mut().try_for_each(hear)?;
    }
    Ok(())
}

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

/// Returns the time to an answer with a file, alone and while scripts start: on the core of the server, and on both.
///
/// # Errors
/// A server does not start, or an answer is not what it should be.
pub(super) fn among_scripts(command: &[String]) -> io::Result<String> {
    let alone = Server::start(command)?;
    let mut text = latencies(&alone)?;
    for (cores, name) in [("0", "one core"), ("0,1", "two cores")] {
        let server = Server::start(&[["taskset", "-c", cores].map(str::to_owned).to_vec(), command.to_vec()].concat())?;
        let is_over = AtomicBool::new(false);
        let found = thread::scope(|scope| {
            let scripts = scope.spawn(|| start_scripts(server.address, &is_over));
            let found = latencies(&server);
            is_over.store(true, Ordering::Relaxed);
            let started = scripts.join().map_err(|_| io::Error::other("the thread of the scripts has panicked"))??;
            Ok::<_, io::Error>(format!("{} ({started} scripts)", found?))
        })?;
        text = format!("{text}; with scripts on {name} {found}");
    }
    Ok(text)
}

fn latencies(server: &Server) -> io::Result<String> {
    let mut client = ask(server.address, 0)?;
    let (mut samples, end) = (Vec::new(), Instant::now() + TIME);
    while Instant::now() < end {
        let begin = Instant::now();
        client.write_all(REQUEST)?;
        hear(&mut client)?;
        samples.push(u32::try_from(begin.elapsed().as_nanos()).unwrap_or(u32::MAX));
    }
    samples.sort_unstable();
    let [middle, most] = [0.5, 0.99].map(|share| stats::percentile(&samples, share) / 1e6);
    Ok(format!("p50 {middle:.2} ms, p99 {most:.2} ms"))
}

/// Has scripts start together, and again when all have answered. Returns the number of scripts.
fn start_scripts(target: SocketAddrV4, is_over: &AtomicBool) -> io::Result<usize> {
    let mut clients = (1..=SCRIPTS).map(|nth| dial::dial(target, nth)).collect::<io::Result<Vec<_>>>()?;
    let mut started = 0;
    while !is_over.load(Ordering::Relaxed) {
        for client in &mut clients {
            client.write_all(b"GET /cgi-bin/hi HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n")?;
        }
        for client in &mut clients {
            let mut answer = Vec::new();
            // With a length, or in chunks.
            while !answer.ends_with(b"\r\n\r\nhi\n") && !answer.ends_with(b"0\r\n\r\n") {
                let mut buffer = [0; 1024];
                match client.read(&mut buffer)? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    count => answer.extend_from_slice(&buffer[..count]),
                }
            }
            if !answer.starts_with(b"HTTP/1.1 200 OK\r\n") {
                return Err(io::Error::other(format!("a script failed: {}", String::from_utf8_lossy(&answer))));
            }
        }
        started += SCRIPTS;
    }
    Ok(started)
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
