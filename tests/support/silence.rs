//! An address that answers nothing.

use socket2::{Domain, Socket, Type};
use std::net::SocketAddr;

/// A listener that accepts no connection and has no room left: a client hears nothing at all.
pub(crate) fn silence() -> (Socket, Vec<Socket>, String) {
    let tcp = || Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let listener = tcp();
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
    listener.listen(0).expect("a listener");
    let address = listener.local_addr().expect("bound");
    // Linux: one more than the backlog is queued; the others stay on their way, and the client behind them too.
    let queue: Vec<_> = (0..4).map(|_| tcp()).collect();
    for waiting in &queue {
        waiting.set_nonblocking(true).expect("a socket of ours");
        let _ = waiting.connect(&address);
    }
    let text = address.as_socket().expect("an internet socket").to_string();
    (listener, queue, text)
}
