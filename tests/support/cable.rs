//! A cable between a client and a server that a test can cut and mend.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use switchboard_harness::let_pass;

/// Passes on the bytes of each connection, until it is cut.
pub(crate) struct Cable {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    mode: Mode,
    /// The ends of the connections since the last cut.
    ends: Vec<TcpStream>,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Mode {
    #[default]
    Whole,
    /// What the server sends is dropped.
    Mute,
    /// Nothing passes in either direction, and nothing is dropped.
    Held,
    /// Connections are closed at once.
    Cut,
    /// The test is over.
    Gone,
}

impl Cable {
    /// Leads to the server at `address`.
    #[track_caller]
    pub(crate) fn to(address: &str) -> Self {
        let server: SocketAddr = address.parse().expect("an address in digits");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let cable = Self { address: listener.local_addr().expect("a port"), state: Arc::default() };
        let state = Arc::clone(&cable.state);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let mode = state.lock().expect("a state").mode;
                match mode {
                    Mode::Gone => return,
                    Mode::Cut => {}
                    Mode::Whole | Mode::Mute | Mode::Held => connect(client, server, &state),
                }
            }
        });
        cable
    }

    /// The client's end.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on, the server is heard no more.
    pub(crate) fn mute(&self) {
        self.set(Mode::Mute);
    }

    /// From now on nothing passes, as in a network that lost its way, until the cable is mended.
    pub(crate) fn hold(&self) {
        self.set(Mode::Held);
    }

    /// Ends all connections, and refuses new ones.
    pub(crate) fn cut(&self) {
        self.set(Mode::Cut);
    }

    /// Accepts connections again, and passes on what was held.
    pub(crate) fn mend(&self) {
        self.set(Mode::Whole);
    }

    fn set(&self, mode: Mode) {
        let mut state = self.state.lock().expect("a state");
        state.mode = mode;
        if matches!(mode, Mode::Cut | Mode::Gone) {
            for end in state.ends.drain(..) {
                // It may have ended by itself.
                let _ = end.shutdown(Shutdown::Both);
            }
        }
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.set(Mode::Gone);
        // Wakes the thread.
        let _ = TcpStream::connect(self.address);
    }
}

fn connect(client: TcpStream, server: SocketAddr, shared: &Arc<Mutex<State>>) {
    let Ok(server) = TcpStream::connect(server) else { return };
    let twin = |stream: &TcpStream| stream.try_clone().expect("a free descriptor");
    shared.lock().expect("a state").ends.extend([twin(&client), twin(&server)]);
    let (from_client, to_server, state) = (twin(&client), twin(&server), Arc::clone(shared));
    thread::spawn(move || pass_on(from_client, to_server, || open(&state) != Mode::Gone));
    let state = Arc::clone(shared);
    thread::spawn(move || pass_on(server, client, || open(&state) != Mode::Mute));
}

/// Waits while the cable is held, and returns its mode.
fn open(shared: &Mutex<State>) -> Mode {
    loop {
        let mode = shared.lock().expect("a state").mode;
        if mode != Mode::Held {
            return mode;
        }
        let_pass(Duration::from_millis(1));
    }
}

/// Passes bytes on until either end is closed.
fn pass_on(mut from: TcpStream, mut to: TcpStream, is_heard: impl Fn() -> bool) {
    let mut buffer = [0; 16_384];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if is_heard() && to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    // The other thread ends, too.
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
