//! A cable between a client and a server that a test can cut and mend.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

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
                    Mode::Whole | Mode::Mute => connect(client, server, &state),
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

    /// Ends all connections, and refuses new ones.
    pub(crate) fn cut(&self) {
        self.set(Mode::Cut);
    }

    /// Accepts connections again.
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
    let (from_client, to_server) = (twin(&client), twin(&server));
    thread::spawn(move || pass_on(from_client, to_server, || true));
    let shared = Arc::clone(shared);
    thread::spawn(move || pass_on(server, client, || shared.lock().expect("a state").mode != Mode::Mute));
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
