//! What the kernel reports of a connection.

/// What the kernel, or its simulation, reports of a connection.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "the kernel's words, one bit each")]
pub(crate) struct Edge {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The peer has ended its side, or there is urgent data: a short read proves nothing.
    pub(crate) read_closed: bool,
    pub(crate) urgent: bool,
}
