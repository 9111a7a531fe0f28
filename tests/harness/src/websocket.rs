//! The client's side of a WebSocket (RFC 6455), byte by byte.

/// A request for a WebSocket, with `more` header lines, each ended by CRLF.
pub fn request(target: &str, host: &str, more: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{more}\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// A frame of a client, with its first byte: 0x81 is a whole text, 0x82 whole bytes, 0x88 a close.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x12, 0x34, 0xab, 0xcd];
    let masked = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    let length = match payload.len() {
        length @ ..126 => vec![0x80 | length as u8],
        length @ ..0x1_0000 => [&[0xfe][..], &(length as u16).to_be_bytes()].concat(),
        length => [&[0xff][..], &(length as u64).to_be_bytes()].concat(),
    };
    [first].into_iter().chain(length).chain(mask).chain(masked).collect()
}
