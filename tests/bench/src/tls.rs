//! TLS beside plain text, and beside nginx: echo, full handshakes, and what an idle connection keeps.
//!
//! The rounds are interleaved, and each figure is the median of the ratios within a round. The client is a reactor of
//! this crate, in this process, so the echo row has the cost of TLS on both sides.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use clap::Args;
use switchboard::net::tls::{TlsClient, TlsClientOptions, Trust};
use switchboard::{Address, Context, Handler, Limits, Link, Origin, Reactor, ServiceOptions, Token};
use switchboard_harness::{Certificates, Launch, Pair, SERVER, Server, until};

use crate::kernel;
use crate::stats::Spread;

/// What to measure.
#[derive(Args)]
pub(crate) struct Options {
    /// The echo server, built with the feature tls
    #[arg(long, default_value = "target/release/echo-server")]
    server: PathBuf,
    /// The nginx to compare handshakes with, with its module stream
    #[arg(long, default_value = "/usr/sbin/nginx")]
    nginx: PathBuf,
    /// Rounds of each row
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

const CONNECTIONS: usize = 50;
const MESSAGE: [u8; 64] = [b'x'; 64];
const MESSAGES: usize = 100_000;
const HANDSHAKES: usize = 1000;
/// Handshakes under way at a time.
const AT_ONCE: usize = 8;
const IDLE: usize = 4000;
const NGINX_PORT: u16 = 15_443;

/// Runs all rows.
///
/// # Errors
/// A server does not start, or a connection fails.
pub(crate) fn run(options: &Options) -> io::Result<()> {
    switchboard_harness::allow_descriptors(0, u64::MAX)?;
    let certificates = Certificates::new();
    let pair = certificates.self_signed("server", SERVER);
    let ours = Launch::of(&options.server)
        .pinned(Some(0))
        .args("--stdin ignore -q")
        .arg("--tls-cert")
        .arg(&pair.cert)
        .arg("--tls-key")
        .arg(&pair.key)
        .listen("tls:127.0.0.1:0")
        .listen("127.0.0.1:0")
        .try_start()?;
    let addresses = ours.try_addresses(2)?;
    let [tls, plain] = [&addresses[0], &addresses[1]];
    let nginx = start_nginx(options, &certificates, &pair)?;
    let theirs = format!("tls:127.0.0.1:{NGINX_PORT}");

    let mut ratios = Vec::new();
    for _ in 0..options.rounds {
        let (plain, tls) = (echoes(plain, &pair)?, echoes(tls, &pair)?);
        println!("echo of 64 bytes at 50 connections: {plain:.0}/s plain, {tls:.0}/s TLS");
        ratios.push(tls / plain);
    }
    println!("echo: {:.2} of plain", Spread::of(ratios.iter().copied()).median);
    ratios.clear();
    for _ in 0..options.rounds {
        let (ours, theirs) = (handshakes(tls, &ours, &pair)?, handshakes(&theirs, &nginx, &pair)?);
        println!("full handshake: {ours:.0} us of CPU, nginx {theirs:.0} us");
        ratios.push(ours / theirs);
    }
    println!("handshake: {:.2} of nginx", Spread::of(ratios.iter().copied()).median);
    let before = ours.resident();
    let kept = idle(tls, &ours, &pair)?.saturating_sub(before) / IDLE;
    println!("idle: {kept} bytes of resident memory a connection, at {IDLE} connections");
    Ok(())
}

fn start_nginx(options: &Options, certificates: &Certificates, pair: &Pair) -> io::Result<Server> {
    let place = certificates.path("nginx");
    fs::create_dir(&place)?;
    let config = format!(
        "load_module modules/ngx_stream_module.so; daemon off; master_process off; pid {0}/pid; error_log {0}/log;
         events {{ worker_connections 4096; }}
         stream {{ server {{ listen 127.0.0.1:{NGINX_PORT} ssl; ssl_certificate {1}; ssl_certificate_key {2};
                             ssl_protocols TLSv1.2 TLSv1.3; return x; }} }}",
        place.display(),
        pair.cert.display(),
        pair.key.display()
    );
    fs::write(place.join("conf"), config)?;
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(&options.nginx).arg("-c").arg(place.join("conf"));
    let server = Server::try_spawn(&mut command)?;
    until("nginx listens", || std::net::TcpStream::connect(("127.0.0.1", NGINX_PORT)).is_ok());
    Ok(server)
}

/// What the connections do.
#[derive(Clone, Copy, PartialEq)]
enum Task {
    Echo,
    Handshake,
    Idle,
}

/// Connects many times to one server.
struct Load {
    to: Address,
    task: Task,
    /// Connections to request after those that are under way.
    left: usize,
    open: Vec<Token>,
    /// Messages that have come back, or handshakes that are complete.
    done: usize,
    begin: Instant,
    failure: Option<io::Error>,
}

impl Handler for Load {
    /// Bytes of the message that has come back in part.
    type Session = usize;

    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> usize {
        match self.task {
            Task::Handshake => {
                self.done += 1;
                cx.close();
                if self.done == HANDSHAKES {
                    cx.stop();
                }
            }
            Task::Echo | Task::Idle => self.open.push(origin.token),
        }
        if self.left > 0 {
            self.left -= 1;
            cx.connect(self.to.clone(), Link::default());
        } else if self.task == Task::Echo && self.open.len() == CONNECTIONS {
            self.begin = Instant::now();
            for &token in &self.open {
                cx.send(token, &MESSAGE);
            }
        } else if self.task == Task::Idle && self.open.len() == IDLE {
            cx.stop();
        }
        0
    }

    fn data<'a>(&mut self, came: &mut usize, input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        *came += input.len();
        while self.task == Task::Echo && *came >= MESSAGE.len() {
            *came -= MESSAGE.len();
            self.done += 1;
            if self.done == MESSAGES {
                cx.stop();
            }
            cx.reply(&MESSAGE);
        }
        input.len()
    }

    fn connect_failed(&mut self, _: Token, to: &Address, error: &io::Error, cx: &mut Context<'_>) {
        self.failure = Some(io::Error::other(format!("{to}: {error}")));
        cx.stop();
    }
}

/// A reactor whose connections do the task.
fn reactor(to: &str, task: Task, pair: &Pair) -> io::Result<Reactor<Load>> {
    let to: Address = to.parse().map_err(io::Error::other)?;
    let mut trust = TlsClientOptions::default();
    trust.trust = Trust::Authorities(pair.cert.clone());
    trust.no_resumption = true;
    let mut options = ServiceOptions::default();
    options.tls_client = Some(TlsClient::load(&trust).map_err(io::Error::other)?);
    options.limits = Limits::default();
    options.limits.drain = Duration::from_millis(100);
    options.limits.slow_turn = None;
    let (all, at_once) = match task {
        Task::Echo => (CONNECTIONS, AT_ONCE),
        Task::Handshake => (HANDSHAKES, AT_ONCE),
        Task::Idle => (IDLE, AT_ONCE),
    };
    let begin = Instant::now();
    let load = Load { to, task, left: all - at_once, open: Vec::new(), done: 0, begin, failure: None };
    let mut reactor = Reactor::with_options(load, options)?;
    reactor.with_context(|load, cx| {
        for _ in 0..at_once {
            cx.connect(load.to.clone(), Link::default());
        }
    });
    Ok(reactor)
}

fn finish(load: Load) -> io::Result<Load> {
    load.failure.map_or(Ok(Load { failure: None, ..load }), Err)
}

/// Messages a second.
fn echoes(to: &str, pair: &Pair) -> io::Result<f64> {
    let load = finish(reactor(to, Task::Echo, pair)?.run()?)?;
    Ok(load.done as f64 / load.begin.elapsed().as_secs_f64())
}

/// Microseconds of the server's CPU time for each handshake.
fn handshakes(to: &str, server: &Server, pair: &Pair) -> io::Result<f64> {
    let pid = server.process().0;
    let before = kernel::cpu_time(pid)?;
    let load = finish(reactor(to, Task::Handshake, pair)?.run()?)?;
    Ok(kernel::cpu_time(pid)?.saturating_sub(before).as_secs_f64() * 1e6 / load.done as f64)
}

/// The resident bytes of the server while the connections are idle.
fn idle(to: &str, server: &Server, pair: &Pair) -> io::Result<usize> {
    let mut reactor = reactor(to, Task::Idle, pair)?;
    while reactor.handler_mut().open.len() < IDLE && reactor.handler_mut().failure.is_none() {
        reactor.turn()?;
    }
    let resident = server.resident();
    finish(reactor.run()?)?;
    Ok(resident)
}
