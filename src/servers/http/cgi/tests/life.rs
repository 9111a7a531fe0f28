//! How scripts start, wait and end, and what their clients notice of it.

use std::io::ErrorKind;
use std::time::Duration;

use super::*;
use crate::servers::http::cgi::MAX_WAITING;
use crate::servers::http::cgi::script::HOLD;
use crate::sim::Ending;

const TERM: i32 = 15;
const KILL: i32 = 9;

const HEAD: &str = "Content-Type: a/b\n\n";

#[test]
fn a_silent_script_is_ended() {
    let mut stage = Stage::new();
    let (client, script, _) = stage.request("GET /cgi-bin/hello");
    stage.sim.advance(Duration::from_millis(29_900));
    assert_eq!((stage.received(client), stage.sim.signals(script)), (String::new(), vec![]));
    stage.sim.advance(Duration::from_millis(200));
    assert_eq!(status(&stage.received(client)), "504");
    assert_eq!(stage.sim.signals(script), [TERM]);
    stage.sim.advance(Duration::from_millis(1_800));
    assert!(stage.sim.signals(script).is_empty());
    stage.sim.advance(Duration::from_millis(200));
    assert_eq!((stage.sim.signals(script), stage.sim.stats().children), (vec![KILL], 0));
    stage.send(client, "GET /a.txt");
    assert!(stage.received(client).ends_with("a file"), "the connection is kept");
}

#[test]
fn each_output_gives_a_script_more_time() {
    let mut stage = Stage::new();
    let (client, script, _) = stage.request("GET /cgi-bin/hello");
    for piece in ["Content-Type:", " a/b\n", "\n", "a", "b"] {
        stage.sim.advance(Duration::from_secs(29));
        stage.sim.send(script, piece.as_bytes());
        assert_eq!(stage.sim.ending(client), None);
    }
    stage.sim.advance(Duration::from_secs(31));
    assert!(stage.received(client).ends_with("\r\n1\r\na\r\n1\r\nb\r\n"));
    assert_eq!((stage.sim.ending(client), stage.sim.signals(script)), (Some(Ending::Reset), vec![TERM]));
}

#[test]
fn a_script_whose_client_does_not_read_is_not_silent() {
    let mut stage = Stage::new();
    let (client, script, _) = stage.request("GET /cgi-bin/hello");
    stage.sim.stall(client);
    stage.sim.send(script, HEAD.as_bytes());
    stage.sim.send(script, &vec![b'x'; 3 << 20]);
    assert!(stage.sim.unread(script) > 2 << 20, "the script is held");
    for _ in 0..10 {
        stage.sim.advance(Duration::from_secs(50));
        assert!(stage.sim.signals(script).is_empty());
        stage.sim.allow(client, 1000);
    }
    assert!(stage.sim.stats().queued < 400 << 10, "flat memory: {}", stage.sim.stats().queued);
    // A client that takes nothing at all does not keep the place of a script for ever.
    stage.sim.advance(Duration::from_secs(180));
    assert_eq!((stage.sim.signals(script), stage.sim.ending(client)), (vec![TERM, KILL], Some(Ending::Reset)));
}

#[test]
fn a_client_that_leaves_ends_its_script() {
    let mut stage = Stage::new();
    for output in ["", HEAD] {
        let (client, script, _) = stage.request("GET /cgi-bin/hello");
        stage.sim.send(script, output.as_bytes());
        stage.received(client);
        stage.sim.reset(client);
        assert_eq!(stage.sim.signals(script), [TERM], "{output}");
        stage.sim.exit(script, 0);
        stage.sim.advance(Duration::from_secs(2));
        assert_eq!(stage.sim.stats().children, 0);
    }
    stage.assert_idle();
}

#[test]
fn a_client_that_has_ended_its_side_is_asked() {
    let mut stage = Stage::new();
    let (client, script, _) = stage.request("GET /cgi-bin/hello");
    stage.sim.shut_down(client);
    assert_eq!(stage.received(client), "HTTP/1.1 100 Continue\r\n\r\n");
    stage.end(script, "Content-Type: a/b\n\nhello");
    assert_eq!(body_of(&stage.received(client)), ("hello".to_owned(), true));
    assert_eq!(stage.sim.ending(client), Some(Ending::Eof));
    // The system of one that is gone answers with a reset.
    let (client, script, _) = stage.request("GET /cgi-bin/hello");
    stage.sim.shut_down(client);
    stage.received(client);
    stage.sim.reset(client);
    assert_eq!(stage.sim.signals(script), [TERM]);
    // Not when its answer has begun, and not for HTTP/1.0.
    let (client, script, _) = stage.request("GET /cgi-bin/hello");
    stage.sim.send(script, HEAD.as_bytes());
    stage.sim.advance(HOLD);
    stage.received(client);
    stage.sim.shut_down(client);
    assert_eq!(stage.received(client), "");
    let client = stage.sim.connect();
    stage.sim.send(client, b"GET /cgi-bin/hello HTTP/1.0\r\n\r\n");
    stage.sim.shut_down(client);
    assert_eq!((stage.received(client), stage.sim.spawned().len()), (String::new(), 1));
}

#[test]
fn a_client_is_not_asked_after_its_answer() {
    let mut stage = Stage::new();
    let (client, script, _) = stage.request("GET /cgi-bin/hello");
    // The client ends its side in the turn in which the answer is relayed.
    stage.sim.send(script, b"Content-Type: a/b\nContent-Length: 5\n\nhello");
    stage.sim.shut_down(client);
    assert_eq!(body_of(&stage.received(client)), ("hello".to_owned(), true));
}

#[test]
fn a_process_left_behind_does_not_hold_the_answer() {
    let mut stage = Stage::new();
    let (client, script, _) = stage.request("GET /cgi-bin/hello");
    stage.sim.send(script, b"Content-Type: a/b\n\nhello");
    stage.sim.exit(script, 0);
    assert_eq!(body_of(&stage.received(client)), ("hello".to_owned(), true));
    assert_eq!(stage.sim.signals(script), [TERM], "for the others of its group");
    stage.sim.advance(Duration::from_secs(2));
    // A slow client still gets all that the script has written.
    let (client, script, _) = stage.request("GET /cgi-bin/hello");
    stage.sim.stall(client);
    stage.sim.send(script, HEAD.as_bytes());
    stage.sim.send(script, &vec![b'x'; 1_000_000]);
    stage.sim.exit(script, 0);
    stage.sim.advance(Duration::from_secs(5));
    assert!(stage.sim.signals(script).is_empty());
    stage.sim.resume(client);
    stage.sim.advance(Duration::from_secs(1));
    let (body, is_complete) = body_of(&stage.received(client));
    assert_eq!((body.len(), is_complete), (1_000_000, true));
}

#[test]
fn a_script_may_close_its_output_and_go_on() {
    let mut stage = Stage::new();
    let (client, script, _) = stage.request("GET /cgi-bin/hello");
    stage.sim.send(script, b"Content-Type: a/b\n\nhello");
    stage.sim.shut_down(script);
    stage.sim.advance(Duration::from_millis(100));
    assert_eq!(body_of(&stage.received(client)), ("hello".to_owned(), true));
    stage.sim.reset(client);
    stage.sim.advance(Duration::from_secs(29));
    assert_eq!((stage.sim.signals(script), stage.sim.stats().children), (vec![], 1));
    stage.sim.exit(script, 0);
    assert_eq!((stage.sim.signals(script), stage.sim.stats().children), (vec![], 0));
    stage.assert_idle();
}

#[test]
fn a_script_that_floods_after_its_answer_is_ended() {
    let mut stage = Stage::new();
    let (client, script, _) = stage.request("GET /cgi-bin/hello");
    stage.sim.send(script, b"Content-Type: a/b\nContent-Length: 1\n\n");
    for _ in 0..40 {
        stage.sim.send(script, &[b'x'; 10_000]);
        stage.sim.advance(Duration::from_secs(1));
    }
    assert!(stage.received(client).ends_with("\r\n\r\nx"));
    assert_eq!((stage.sim.signals(script), stage.sim.ending(client)), (vec![TERM, KILL], None));
}

/// The input of a session is used before its timers apply, so endless output would delay them for ever.
#[test]
fn endless_output_is_cut() {
    let flood = vec![b'x'; 2 << 20];
    // A script goes on after its answer, or leaves behind a process that does.
    let document = "Content-Type: a/b\nContent-Length: 1\n\nx";
    for (head, has_exited) in [(document, false), ("Location: /a.txt\n\n", false), (HEAD, true)] {
        let mut stage = Stage::new();
        let (client, script, _) = stage.request("GET /cgi-bin/hello");
        stage.sim.send(script, &[head.as_bytes(), &flood].concat());
        if has_exited {
            stage.sim.exit(script, 0);
        }
        assert!(body_of(&stage.received(client)).1, "{head}");
        assert_eq!(stage.sim.signals(script), [TERM], "{head}");
        assert!(stage.sim.unread(script) > 0, "{head}");
        stage.sim.exit(script, 0);
        stage.sim.advance(Duration::from_secs(2));
        stage.assert_idle();
    }
}

#[test]
fn requests_above_the_limit_wait_in_order() {
    let mut stage = Stage::with(CgiOptions { max_scripts: Some(2), ..CgiOptions::default() });
    let mut clients = Vec::new();
    for number in 0..5 {
        let client = stage.sim.connect();
        stage.send(client, &format!("GET /cgi-bin/hello?{number}"));
        clients.push(client);
    }
    let mut running = stage.sim.spawned();
    assert_eq!(running.len(), 2);
    for (number, &client) in clients.iter().enumerate() {
        let (script, spawn) = running.remove(0);
        assert_eq!(variable(&spawn, "QUERY_STRING"), Some(&*number.to_string()));
        stage.end(script, "Content-Type: a/b\n\nhello");
        assert_eq!(body_of(&stage.received(client)), ("hello".to_owned(), true));
        running.extend(stage.sim.spawned());
        assert!(running.len() <= 2);
    }
    // Files are served at any time.
    let (_, script, _) = stage.request("GET /cgi-bin/hello");
    stage.request("GET /cgi-bin/hello");
    assert!(stage.refused("GET /cgi-bin/hello").is_empty());
    assert!(stage.refused("GET /a.txt").ends_with("a file"));
    // One that leaves gives its place to the next.
    stage.sim.exit(script, 0);
    assert_eq!(stage.sim.spawned().len(), 1);
}

#[test]
fn a_request_does_not_wait_for_ever() {
    let mut stage = Stage::with(CgiOptions { max_scripts: Some(1), ..CgiOptions::default() });
    let (first, script, _) = stage.request("GET /cgi-bin/hello");
    let second = stage.sim.connect();
    stage.send(second, "GET /cgi-bin/hello");
    stage.sim.advance(Duration::from_secs(20));
    stage.sim.send(script, HEAD.as_bytes());
    stage.sim.advance(Duration::from_secs(10));
    let answer = stage.received(second);
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\r\nRetry-After: 1\r\n"), "{answer}");
    stage.sim.shut_down(script);
    stage.sim.exit(script, 0);
    assert!(body_of(&stage.received(first)).1);
    // A client that leaves the line holds back no other.
    let (_, script, _) = stage.request("GET /cgi-bin/hello");
    let clients = [(); 3].map(|()| stage.sim.connect());
    for client in clients {
        stage.send(client, "GET /cgi-bin/hello");
    }
    assert!(stage.sim.spawned().is_empty());
    stage.sim.reset(clients[0]);
    stage.end(script, HEAD);
    let (second, _) = stage.started();
    stage.sim.reset(clients[1]);
    let (third, _) = stage.started();
    assert_eq!(stage.sim.signals(second), [TERM]);
    stage.end(third, "Content-Type: a/b\n\nthird");
    assert_eq!(body_of(&stage.received(clients[2])).0, "third");
}

#[test]
fn the_line_is_bounded() {
    let mut stage = Stage::with(CgiOptions { max_scripts: Some(1), ..CgiOptions::default() });
    stage.request("GET /cgi-bin/hello");
    let clients: Vec<_> = (0..MAX_WAITING).map(|_| stage.sim.connect()).collect();
    for &client in &clients {
        stage.send(client, "GET /cgi-bin/hello");
    }
    let answer = stage.refused("GET /cgi-bin/hello");
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\r\nRetry-After: 1\r\n"), "{answer}");
    // A client that ends its side in the line is asked whether it is gone.
    stage.sim.shut_down(clients[0]);
    assert_eq!(stage.received(clients[0]), "HTTP/1.1 100 Continue\r\n\r\n");
    stage.sim.reset(clients[0]);
    stage.sim.stats();
    assert!(stage.refused("GET /cgi-bin/hello").is_empty(), "there is room for one");
}

#[test]
fn a_start_that_fails_is_answered() {
    let mut stage = Stage::new();
    for (kind, want) in [(ErrorKind::OutOfMemory, "503"), (ErrorKind::Other, "503")] {
        stage.sim.fail_spawns(Some(kind));
        let client = stage.sim.connect();
        stage.send(client, "GET /cgi-bin/hello");
        let answer = stage.received(client);
        assert_eq!(status(&answer), want, "{kind:?}");
        assert!(answer.contains("\r\nRetry-After: 1\r\n"), "{answer}");
        stage.sim.fail_spawns(None);
        stage.send(client, "GET /cgi-bin/hello");
        let (script, _) = stage.started();
        stage.end(script, HEAD);
        assert_eq!(status(&stage.received(client)), "200");
    }
}

#[test]
fn more_starts_than_a_turn_has_are_only_delayed() {
    let mut stage = Stage::new();
    let clients = [(); 30].map(|()| stage.sim.connect());
    for client in clients {
        stage.send(client, "GET /cgi-bin/hello");
    }
    let scripts = stage.sim.spawned();
    assert_eq!(scripts.len(), 30);
    for (script, _) in scripts {
        stage.end(script, "Content-Type: a/b\n\nhello");
    }
    for client in clients {
        assert!(body_of(&stage.received(client)).1);
        stage.sim.reset(client);
    }
    stage.assert_idle();
}

#[test]
fn a_stop_lets_scripts_finish_and_refuses_the_others() {
    let mut stage = Stage::with(CgiOptions { max_scripts: Some(2), ..CgiOptions::default() });
    let (first, script, _) = stage.request("GET /cgi-bin/hello");
    let (second, slow, _) = stage.request("GET /cgi-bin/hello");
    let waiting = stage.sim.connect();
    stage.send(waiting, "GET /cgi-bin/hello");
    let (kept, third) = (stage.sim.connect(), stage.sim.connect());
    stage.send(third, "GET /a.txt");
    stage.received(third);
    stage.sim.stop();
    assert_eq!(status(&stage.received(waiting)), "503");
    for client in [waiting, kept, third] {
        assert_eq!(stage.sim.ending(client), Some(Ending::Eof));
    }
    stage.end(script, "Content-Type: a/b\n\nhello");
    assert_eq!(body_of(&stage.received(first)), ("hello".to_owned(), true));
    assert_eq!((stage.sim.ending(first), stage.sim.ending(second)), (Some(Ending::Eof), None));
    assert!(!stage.sim.is_stopped());
    stage.sim.advance(Duration::from_secs(5));
    assert_eq!((stage.sim.ending(second), stage.sim.signals(slow)), (Some(Ending::Reset), vec![TERM]));
    stage.sim.advance(Duration::from_secs(2));
    assert!(stage.sim.is_stopped());
}

#[test]
fn a_stop_answers_requests_without_a_script() {
    let mut stage = Stage::with(CgiOptions { max_scripts: Some(1), ..CgiOptions::default() });
    let (first, script, _) = stage.request("GET /cgi-bin/hello");
    let clients = [(); 3].map(|()| stage.sim.connect());
    for (client, line) in clients.iter().zip(["GET", "HEAD"]) {
        stage.send(*client, &format!("{line} /cgi-bin/hello"));
    }
    let upload = b"POST /cgi-bin/hello HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello";
    stage.sim.send(clients[2], upload);
    stage.sim.stop();
    for client in clients {
        let answer = stage.received(client);
        assert_eq!(status(&answer), "503");
        for header in ["Retry-After: 1", "Connection: close"] {
            assert!(answer.contains(&format!("\r\n{header}\r\n")), "{answer}");
        }
    }
    stage.end(script, HEAD);
    assert!(body_of(&stage.received(first)).1);
    stage.assert_idle();
    assert!(stage.sim.is_stopped());
}

/// A connection that was an end of a relay before is not waited for.
#[test]
fn a_stop_does_not_wait_for_a_kept_connection() {
    let mut stage = Stage::new();
    let (client, script, _) = stage.request("GET /cgi-bin/hello");
    stage.end(script, HEAD);
    assert!(body_of(&stage.received(client)).1);
    stage.sim.stop();
    assert_eq!(stage.sim.ending(client), Some(Ending::Eof));
    assert!(stage.sim.is_stopped());
}
