//! Requests that no test has thought of, and changed ones.

#![allow(clippy::format_push_string, reason = "a generator of tests need not be fast")]

use proptest::prelude::*;

use super::super::HttpOptions;
use super::{Show, readable};
use crate::servers::chunking::{in_pieces, steps, whole};

/// Without limits of time: the steps have pauses.
fn patient() -> Show {
    let options = HttpOptions { header_timeout: None, keep_alive: None, body_rate: None, ..HttpOptions::default() };
    Show::with(options)
}

/// A valid request: what is sent, and what [`Show`] says about it.
#[derive(Clone, Debug)]
struct Valid {
    sent: Vec<u8>,
    text: String,
}

fn valid() -> impl Strategy<Value = Valid> {
    let chunks = proptest::collection::vec("[a-z]{1,20}", 0..5);
    let headers = proptest::collection::vec(("X-[A-Za-z0-9]{1,9}", "[!-~]([ -~]{0,20}[!-~])?"), 0..5);
    let path = "/[a-z0-9%]{0,9}";
    let query = proptest::option::of("[a-z=&?/]{0,9}");
    ("[A-Z]{1,8}", path, query, headers, proptest::option::of(chunks), any::<bool>()).prop_filter_map(
        "a method with a target of its own, or a path with a meaning",
        |(method, path, query, headers, chunks, has_length)| {
            if method == "CONNECT" || method == "HEAD" || ["/early", "/later", "/chunks", "/busy"].contains(&&*path) {
                return None;
            }
            let query = query.map(|query| format!("?{query}")).unwrap_or_default();
            let mut sent = format!("{method} {path}{query} HTTP/1.1\r\nHost: a\r\n");
            for (name, value) in headers {
                sent += &format!("{name}: {value}\r\n");
            }
            let mut text = format!("{method} {path}{query} at a");
            match chunks {
                None => sent += "\r\n",
                Some(chunks) if has_length => {
                    let body = chunks.concat();
                    sent += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
                    if !body.is_empty() {
                        text += &format!(" <{body}>");
                    }
                }
                Some(chunks) => {
                    sent += "Transfer-Encoding: chunked\r\n\r\n";
                    for chunk in &chunks {
                        sent += &format!("{:X}\r\n{chunk}\r\n", chunk.len());
                    }
                    sent += "0\r\n\r\n";
                    text += &format!(" <{}>", chunks.concat());
                }
            }
            Some(Valid { sent: sent.into_bytes(), text })
        },
    )
}

/// A change of a byte or of a few.
fn mutation() -> impl Strategy<Value = (proptest::sample::Index, usize, Vec<u8>)> {
    let pieces = [
        "",
        "\r",
        "\n",
        "\r\n",
        " ",
        "\t",
        ":",
        "0",
        "\0",
        ";",
        ",",
        "Content-Length: 3\r\n",
        "\r\n\r\n",
        "Transfer-Encoding: chunked\r\n",
        "GET /x HTTP/1.1\r\nHost: b\r\n\r\n",
        "HTTP/1.0",
        "\u{e9}",
    ];
    let piece = proptest::sample::select(pieces.to_vec()).prop_map(|piece| piece.as_bytes().to_vec());
    (any::<proptest::sample::Index>(), 0..3usize, piece)
}

proptest! {
    #[test]
    fn valid_requests_are_understood(requests in proptest::collection::vec(valid(), 0..5), steps in steps()) {
        let sent = requests.iter().flat_map(|request| request.sent.clone()).collect::<Vec<_>>();
        let texts = requests.iter().map(|request| &*request.text);
        let want = texts.map(|text| format!("HTTP/1.1 200 OK\nContent-Length: {}\n\n{text}", text.len()));
        let (received, ending) = whole(patient(), &sent);
        prop_assert_eq!(readable(&received), want.collect::<String>());
        prop_assert_eq!(in_pieces(patient(), &sent, &steps).1, ending);
    }

    /// What a change does to a request does not depend on the way of its bytes: nothing can be smuggled past a server
    /// that reads in other pieces.
    #[test]
    fn a_changed_request_means_the_same_in_pieces(
        requests in proptest::collection::vec(valid(), 1..4),
        mutations in proptest::collection::vec(mutation(), 1..4),
        steps in steps(),
    ) {
        let mut sent = requests.iter().flat_map(|request| request.sent.clone()).collect::<Vec<_>>();
        for (at, removed, added) in mutations {
            let at = at.index(sent.len() + 1);
            let end = (at + removed).min(sent.len());
            sent.splice(at..end, added);
        }
        let (received, ending) = whole(patient(), &sent);
        let (in_pieces, ending_in_pieces) = in_pieces(patient(), &sent, &steps);
        prop_assert_eq!(readable(&in_pieces), readable(&received));
        prop_assert_eq!(ending_in_pieces, ending);
    }
}
