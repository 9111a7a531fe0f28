//! The answer depends on the bytes, not on how they arrive; and whatever dies at any time, nothing is left.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::sim::Ending;

/// What happens to a client or a script.
#[derive(Clone, Debug)]
enum Step {
    Request(usize),
    Output(usize, &'static str),
    ShutDown(usize),
    Exit(usize),
    Crash(usize),
    EndClient(usize),
    ResetClient(usize),
    Stall(usize),
    Resume(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let output = prop::sample::select(vec![
        "Content-Type: a/b\n\n",
        "Content-Type: a/b\nContent-Length: 3\n\n",
        "Location: /cgi-bin/hello\n\n",
        "Location: /a.txt\n\n",
        "hello",
        "\n\n",
        "Status: 204\n\n",
    ]);
    prop_oneof![
        3 => (0..4usize).prop_map(Step::Request),
        4 => (0..9usize, output).prop_map(|(script, output)| Step::Output(script, output)),
        2 => (0..9usize).prop_map(Step::ShutDown),
        2 => (0..9usize).prop_map(Step::Exit),
        1 => (0..9usize).prop_map(Step::Crash),
        1 => (0..4usize).prop_map(Step::EndClient),
        1 => (0..4usize).prop_map(Step::ResetClient),
        1 => (0..4usize).prop_map(Step::Stall),
        1 => (0..4usize).prop_map(Step::Resume),
        1 => (0..40_000u64).prop_map(Step::Wait),
    ]
}

const REQUESTS: [&str; 4] = [
    "GET /cgi-bin/hello HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /cgi-bin/hello HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "HEAD /cgi-bin/hello HTTP/1.1\r\nHost: a\r\n\r\nGET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /cgi-bin/nph-raw HTTP/1.0\r\n\r\n",
];

/// Takes steps, and then ends all programs and clients, with or without a stop.
fn take(steps: &[Step], has_stop: bool) {
    let mut stage = Stage::with(CgiOptions { max_scripts: Some(2), ..CgiOptions::default() });
    let (mut clients, mut scripts) = ([(); 4].map(|()| (stage.sim.connect(), true)), Vec::new());
    let mut open: Vec<bool> = Vec::new();
    for step in steps {
        match *step {
            Step::Request(client) if clients[client].1 => {
                stage.sim.send(clients[client].0, REQUESTS[client].as_bytes());
            }
            Step::Output(script, output) if open.get(script) == Some(&true) => {
                stage.sim.send(scripts[script], output.as_bytes());
            }
            Step::ShutDown(script) if open.get(script) == Some(&true) => {
                open[script] = false;
                stage.sim.shut_down(scripts[script]);
            }
            Step::Exit(script) if script < scripts.len() => stage.sim.exit(scripts[script], 0),
            Step::Crash(script) if script < scripts.len() => stage.sim.crash(scripts[script], 11),
            Step::EndClient(client) if clients[client].1 => {
                clients[client].1 = false;
                stage.sim.shut_down(clients[client].0);
            }
            Step::ResetClient(client) => {
                stage.sim.reset(clients[client].0);
                clients[client] = (stage.sim.connect(), true);
            }
            Step::Stall(client) => stage.sim.stall(clients[client].0),
            Step::Resume(client) => stage.sim.resume(clients[client].0),
            Step::Wait(millis) => stage.sim.advance(Duration::from_millis(millis)),
            _ => {}
        }
        for (script, _) in stage.sim.spawned() {
            scripts.push(script);
            open.push(true);
        }
    }
    if has_stop {
        stage.sim.stop();
    }
    for (client, _) in clients {
        stage.sim.reset(client);
    }
    stage.sim.received(clients[0].0);
    for script in scripts {
        stage.sim.exit(script, 0);
    }
    stage.sim.advance(Duration::from_secs(100));
    stage.assert_idle();
    assert_eq!(stage.sim.is_stopped(), has_stop);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_dies_nothing_is_left(steps in prop::collection::vec(step(), 0..25), has_stop: bool) {
        take(&steps, has_stop);
    }

    #[test]
    fn an_answer_does_not_depend_on_the_pieces(
        output in prop::sample::select(OUTPUTS.to_vec()),
        method in prop::sample::select(vec!["GET", "HEAD"]),
        sizes in prop::collection::vec(1..9usize, 0..20),
    ) {
        let whole = transcript(method, &[output]);
        let mut pieces = Vec::new();
        let mut rest = output;
        for size in sizes {
            let (piece, after) = rest.split_at(size.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces.push(rest);
        prop_assert_eq!(transcript(method, &pieces), whole);
    }
}

const OUTPUTS: [&str; 7] = [
    "Content-Type: text/plain\r\nX-A: b\r\n\r\nhello, world",
    "Content-Type: a/b\nContent-Length: 5\n\nhello, world",
    "Content-Type: a/b\nContent-Length: 50\n\nhello, world",
    "Location: /a.txt\n\nignored",
    "Location: http://a/\n\n",
    "no head",
    "",
];

/// The head of the answer without its framing, its body, and how the connection ends, if the output arrives in these
/// pieces.
fn transcript(method: &str, pieces: &[&str]) -> (String, String, Option<Ending>) {
    let mut stage = Stage::new();
    let (client, script, _) = stage.request(&format!("{method} /cgi-bin/hello"));
    let (last, before) = pieces.split_last().expect("a piece");
    for piece in before {
        stage.sim.send(script, piece.as_bytes());
        stage.sim.stats();
    }
    stage.end(script, last);
    let answer = stage.received(client);
    let (head, body) = answer.split_once("\r\n\r\n").expect("the end of a head");
    let body = if head.contains("chunked") && method == "GET" { body_of(&answer).0 } else { body.to_owned() };
    let varies = ["Content-Length", "ETag", "Last-Modified", "Transfer-Encoding"];
    let head = head.lines().filter(|line| !varies.iter().any(|name| line.starts_with(name)));
    (head.collect::<Vec<_>>().join("\n"), body, stage.sim.ending(client))
}
