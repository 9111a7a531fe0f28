//! The bounds of HTTP.

use std::time::Duration;

/// The bounds of HTTP on one connection, for what [`Limits`](crate::Limits) does not know.
///
/// Start with [`HttpOptions::default`] and change the fields that matter. Sizes are in bytes. `None` switches a limit
/// off. [`Limits::inbox`](crate::Limits::inbox) must be larger than [`max_head`](Self::max_head) and
/// [`max_trailers`](Self::max_trailers).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HttpOptions {
    /// Longest line of a head, without its end. Above it, the answer is 414 for the request line and 431 for a header.
    /// 8 KiB: what RFC 9112 recommends for the request line, and what most servers take.
    pub max_line: usize,
    /// Largest head: the request line, the headers and the empty line. Above it, the answer is 431. 16 KiB: a few times
    /// what browsers send with many cookies.
    pub max_head: usize,
    /// Longest line with the size of a chunk, without its end. Above it, the answer is 400. 256: extensions are not
    /// used by any known client.
    pub max_chunk_line: usize,
    /// Bytes that the lines with sizes of chunks may have in one body beyond 16 bytes for each chunk. Above it, the
    /// answer is 400. 16 KiB: without it, a body of few bytes could take any amount of work.
    pub max_chunk_extensions: usize,
    /// Largest trailer section. Above it, the answer is 431. 8 KiB.
    pub max_trailers: usize,
    /// Largest body of a request. Above it, the answer is 413. 1 MiB.
    pub max_body: Option<u64>,
    /// How long a head may take, from the connection or its first byte to its end. After that, the answer is 408. 10 s:
    /// a head fits into a few packets.
    pub header_timeout: Option<Duration>,
    /// How long a connection may wait for the next request. After that, it is closed. 60 s: a reader of a page often
    /// follows a link within it.
    pub keep_alive: Option<Duration>,
    /// Least rate of a body, in bytes a second, in ten seconds in which the server waits for it. Below it, the answer
    /// is 408. Time in which the handler is not ready for more input does not count. 1 KiB: less than any network of
    /// today carries.
    pub body_rate: Option<u64>,
    /// How long a client may take none of the answer that is sent to it. After that, the connection is reset. 60 s:
    /// what most servers allow. A client that takes some bytes in each minute is not hurried.
    pub send_timeout: Option<Duration>,
    /// Whether an exchange has an [`Outcome`](super::Outcome), for an access log. Off: it copies each head.
    pub outcomes: bool,
}

impl Default for HttpOptions {
    fn default() -> Self {
        HttpOptions {
            max_line: 8 * 1024,
            max_head: 16 * 1024,
            max_chunk_line: 256,
            max_chunk_extensions: 16 * 1024,
            max_trailers: 8 * 1024,
            max_body: Some(1024 * 1024),
            header_timeout: Some(Duration::from_secs(10)),
            keep_alive: Some(Duration::from_secs(60)),
            body_rate: Some(1024),
            send_timeout: Some(Duration::from_secs(60)),
            outcomes: false,
        }
    }
}
