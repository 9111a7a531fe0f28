//! Bodies of requests, while a worker writes them.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::connection::spawn::StdinMode;
use crate::servers::chunking::{Step, play, steps};

/// Bytes that differ from place to place.
fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at % 251) as u8).collect()
}

fn variable<'s>(spawn: &'s Spawn, name: &str) -> Option<&'s str> {
    spawn.env.iter().find(|(found, _)| found == name).and_then(|(_, value)| value.to_str())
}

/// What a script reads from its file.
#[track_caller]
fn file_of(spawn: &Spawn) -> Vec<u8> {
    let StdinMode::File(file) = &spawn.stdin else { panic!("{:?}", spawn.stdin) };
    let (mut file, mut read): (&File, _) = (Arc::as_ref(file), Vec::new());
    file.read_to_end(&mut read).expect("a readable file");
    read
}

fn head(length: usize) -> String {
    format!("POST /cgi-bin/hello HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n")
}

#[test]
fn a_client_is_not_read_while_its_body_is_written() {
    let (mut stage, body) = (Stage::new(), bytes(1_000_000));
    let client = stage.sim.connect();
    stage.sim.send(client, head(body.len()).as_bytes());
    stage.sim.run();
    stage.sim.hold_jobs();
    stage.sim.send(client, &body);
    stage.sim.run();
    let unread = stage.sim.unread(client);
    assert!(unread > 700_000, "{unread} bytes are not read");
    stage.sim.release_jobs();
    let (script, spawn) = stage.started();
    assert_eq!(variable(&spawn, "CONTENT_LENGTH"), Some("1000000"));
    assert!(file_of(&spawn) == body);
    stage.end(script, "Status: 200\n\n");
    assert_eq!(status(&stage.received(client)), "200");
    stage.assert_idle();
}

#[test]
fn a_client_that_leaves_within_its_body_starts_no_script() {
    for has_end in [false, true] {
        let mut stage = Stage::new();
        let client = stage.sim.connect();
        stage.sim.send(client, head(300_000).as_bytes());
        stage.sim.run();
        stage.sim.hold_jobs();
        stage.sim.send(client, &bytes(200_000));
        if has_end {
            stage.sim.shut_down(client);
        } else {
            stage.sim.reset(client);
        }
        stage.sim.run();
        stage.sim.release_jobs();
        stage.sim.run();
        assert!(stage.sim.spawned().is_empty());
        let answer = stage.received(client);
        assert_eq!(status(&answer), if has_end { "400" } else { "" }, "{answer}");
        stage.assert_idle();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    /// Both in memory and in a file, with a length and in chunks.
    #[test]
    fn a_script_gets_the_body_however_it_arrives(
        length in prop_oneof![0..100usize, 65_000..66_000usize, 130_000..140_000usize],
        is_chunked: bool,
        steps in steps(),
    ) {
        let (mut stage, body) = (Stage::new(), bytes(length));
        let client = stage.sim.connect();
        let input = if is_chunked {
            let head = "POST /cgi-bin/hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
            let framed = |chunk: &[u8]| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat();
            let chunks: Vec<_> = body.chunks(9999).map(framed).collect();
            [head.as_bytes(), &chunks.concat(), b"0\r\n\r\n"].concat()
        } else {
            [head(length).as_bytes(), &body].concat()
        };
        // Steps are small; these reach into the body.
        let scaled: Vec<_> = steps.iter().map(|step| match step {
            Step::Send(count) => Step::Send(count * 1500),
            Step::Look(count) => Step::Look(count * 1500),
            Step::Pause(_) => Step::Pause(1),
            step => *step,
        }).collect();
        play(&mut stage.sim, client, &input, &scaled);
        let (script, spawn) = stage.started();
        prop_assert_eq!(variable(&spawn, "CONTENT_LENGTH"), Some(&*length.to_string()));
        let read = if length > 65_536 { file_of(&spawn) } else { stage.sim.received(script) };
        prop_assert!(read == body);
        stage.end(script, "Status: 200\n\n");
        stage.assert_idle();
    }
}
