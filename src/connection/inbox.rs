//! Unused input: bytes that a connection has received and its handler has not used yet.

/// The unused input of one connection, oldest byte first. The caller of [`push`](Self::push) bounds its size by
/// [`Limits::inbox`](crate::Limits::inbox).
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
}

impl Inbox {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    #[cfg(feature = "http")]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Removes the oldest `count` bytes, which the handler has used.
    ///
    /// # Panics
    /// If there are fewer than `count` bytes, which is a bug of the caller.
    pub(crate) fn consume(&mut self, count: usize) {
        self.bytes.drain(..count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_unused_bytes_in_order() {
        let mut inbox = Inbox::default();
        inbox.push(b"abc");
        inbox.push(b"def");
        inbox.consume(2);
        assert_eq!((inbox.bytes_mut().to_vec(), inbox.len()), (b"cdef".to_vec(), 4));
        inbox.consume(4);
        assert_eq!(inbox.len(), 0);
        assert!(inbox.bytes.capacity() >= 6, "the buffer is kept while more input follows");
    }
}
