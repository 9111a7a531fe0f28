//! Events of connections.

/// An event of a connection, reported by the kernel or its simulation.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one bit of the kernel's event")]
pub(crate) struct Edge {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The peer has ended its side. A short read does not prove that the socket is empty.
    pub(crate) read_closed: bool,
    /// The peer takes no more output: it has reset the connection, or a Unix socket has closed.
    pub(crate) write_closed: bool,
    /// Urgent data has arrived. A short read does not prove that the socket is empty.
    pub(crate) urgent: bool,
}
