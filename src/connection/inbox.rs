//! What a connection has received and its handler has not used yet.
//!
//! Invariant: `bytes` is exactly the unused input, oldest first. Exists only while there is such a remainder; the bound
//! on its size ([`Limits::inbox`](crate::Limits::inbox)) is kept by who fills it.

/// The unread remainder of one connection's input.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
}

impl Inbox {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets the oldest `count` bytes: those that the handler used.
    ///
    /// # Panics
    /// When `count` is more than there is, which is a bug of the caller.
    pub(crate) fn consume(&mut self, count: usize) {
        self.bytes.drain(..count);
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }

    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_was_not_consumed_in_order() {
        let mut inbox = Inbox::default();
        inbox.push(b"abc");
        inbox.push(b"def");
        inbox.consume(2);
        assert_eq!((inbox.bytes_mut().to_vec(), inbox.len()), (b"cdef".to_vec(), 4));
        inbox.consume(4);
        assert_eq!(inbox.len(), 0);
        assert!(inbox.capacity() >= 6, "the buffer is kept for the next use");
        inbox.push(b"x");
        inbox.clear();
        assert_eq!(inbox.len(), 0);
    }
}
