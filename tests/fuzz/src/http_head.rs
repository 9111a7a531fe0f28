//! Heads of HTTP, of any bytes: what is accepted has the form of the RFCs, means the same in pieces, and means the same
//! when it is written in the plainest way.

use crate::http::{Head, Told, play};

/// Takes the size of the pieces from the first byte, and sends the others.
pub fn run(bytes: &[u8]) {
    let Some((&size, input)) = bytes.split_first() else { return };
    let outcome = play(input, size);
    for told in &outcome.told {
        if let Told::Request(head) = told {
            check(head);
        }
    }
}

fn check(head: &Head) {
    assert!(is_token(&head.method), "{head:?}");
    let is_special = matches!((&*head.path, &*head.method), ("*", "OPTIONS") | (_, "CONNECT"));
    assert!(head.path.starts_with('/') || is_special, "{head:?}");
    assert!(head.target.bytes().all(|byte| byte > b' ' && byte != 0x7f), "{head:?}");
    assert!(head.is_http10 || head.host.is_some(), "{head:?}");
    for (name, value) in &head.headers {
        assert!(is_token(name), "{head:?}");
        assert!(value.iter().all(|&byte| byte == b'\t' || byte >= b' ' && byte != 0x7f), "{head:?}");
        assert_eq!(value.trim_ascii(), value, "{head:?}");
    }
    let plain = play(&plain(head), 7);
    assert_eq!(plain.told.first(), Some(&Told::Request(head.clone())));
    let count = plain.told.iter().filter(|told| matches!(told, Told::Request(_))).count();
    assert_eq!(count, 1, "a head has brought another one with it");
}

/// The head, written as plainly as possible.
fn plain(head: &Head) -> Vec<u8> {
    let version = if head.is_http10 { "1.0" } else { "1.1" };
    let mut plain = format!("{} {} HTTP/{version}\r\n", head.method, head.target).into_bytes();
    for (name, value) in &head.headers {
        plain.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    plain.extend(b"\r\n");
    plain
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
