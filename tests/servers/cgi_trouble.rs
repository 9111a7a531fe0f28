//! Scripts that misbehave: each client gets an answer or notices that it is broken off, and nothing is left of any
//! script.

use crate::support::data::noise;
use crate::support::peer::Peer;
use crate::support::scripts::{Scripts, expect_no_scripts};
use crate::support::tools::pass_through;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use switchboard_harness::{Process, Server, Stop, let_pass, until, until_some};

/// A site whose script `it` has these lines.
fn site(lines: &str) -> Scripts {
    Scripts::new(&[("it", lines)])
}

/// A site whose script `it` has these lines after those that write a head.
fn site_with_head(lines: &str) -> Scripts {
    site(&format!("echo Content-Type: text/plain\necho\n{lines}"))
}

/// Sends a request for the script.
fn get(server: &Server) -> Peer {
    let mut peer = Peer::connect(&server.address());
    peer.send("GET /cgi-bin/it HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    peer
}

/// Sends a request, and returns all of the answer.
#[track_caller]
fn answer(server: &Server) -> String {
    String::from_utf8(get(server).rest().expect("an orderly end")).expect("a text")
}

/// The processes whose numbers a script has written to the file `pids`.
fn processes(scripts: &Scripts) -> Vec<Process> {
    let path = scripts.path().join("cgi-bin/pids");
    let text =
        until_some("the numbers of processes", || fs::read_to_string(&path).ok().filter(|text| text.ends_with('\n')));
    text.split_whitespace().map(|pid| Process(pid.parse().expect("a number"))).collect()
}

/// Fails unless the server has as few descriptors as before and no child, and these processes have ended.
#[track_caller]
fn expect_nothing_left(server: &Server, descriptors: usize, processes: &[Process]) {
    expect_no_scripts(server);
    until("the descriptors to be closed", || server.descriptors() <= descriptors);
    until("the processes to end", || !processes.iter().any(|process| process.is_alive()));
    server.expect_manners();
}

#[test]
fn a_script_that_floods_is_held_and_ends_with_its_client() {
    let scripts = site_with_head("echo $$ >pids\nexec yes");
    let server = scripts.start("");
    let (idle, before) = (server.descriptors(), server.resident());
    let mut peer = get(&server);
    peer.expect("HTTP/1.1 200 OK\r\n");
    let process = processes(&scripts)[0];
    // When its pipe is full, it sleeps and uses no time.
    let used = || (process.state(), process.cpu().expect("the script runs"));
    until("the script to be held", || {
        let before = used();
        let_pass(Duration::from_millis(50));
        before.0 == Some('S') && used() == before
    });
    let growth = server.peak_resident().saturating_sub(before);
    assert!(growth < 4 << 20, "grown by {growth} bytes");
    peer.reset();
    expect_nothing_left(&server, idle, &[process]);
}

#[test]
fn output_that_is_no_answer_is_500() {
    for (lines, reason) in [
        ("", "/cgi-bin/it: it has no output"),
        ("exit 3", "/cgi-bin/it: it has no output (exit status: 3)"),
        ("echo hello", "/cgi-bin/it: \"hello\" is no header"),
        ("echo Content-Type: text/plain", "/cgi-bin/it: its output ends within the headers"),
        (
            "echo Content-Type: text/plain\nkill -KILL $$",
            "/cgi-bin/it: its output ends within the headers; an empty line ends them (signal: 9 (SIGKILL))",
        ),
        ("yes 'X: y'", "/cgi-bin/it: it has over 100 headers"),
        ("yes | tr -d '\\n'", "/cgi-bin/it: its head is over 16 KiB"),
    ] {
        let scripts = site(lines);
        let server = scripts.start("");
        let idle = server.descriptors();
        let answer = answer(&server);
        assert!(answer.starts_with("HTTP/1.1 500 Internal Server Error\r\n"), "{lines}: {answer}");
        server.stderr.wait_for(reason);
        expect_nothing_left(&server, idle, &[]);
    }
}

#[test]
fn a_script_that_cannot_run_any_more_is_refused() {
    let scripts = site_with_head("echo hi");
    let server = scripts.start("");
    let path = scripts.path().join("cgi-bin/it");
    assert!(answer(&server).starts_with("HTTP/1.1 200 OK\r\n"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("an own file");
    assert!(answer(&server).starts_with("HTTP/1.1 403 Forbidden\r\n"), "it is known still");
    fs::remove_file(&path).expect("an own file");
    assert!(answer(&server).starts_with("HTTP/1.1 404 Not Found\r\n"));
    expect_no_scripts(&server);
}

#[test]
fn a_child_left_behind_does_not_hold_the_answer() {
    let scripts = site_with_head("sleep 1000 &\necho $$ $! >pids\necho done");
    let server = scripts.start("");
    let idle = server.descriptors();
    let answer = answer(&server);
    // In chunks, unless it has ended within moments.
    assert!(["\r\n\r\ndone\n", "\r\n\r\n5\r\ndone\n\r\n0\r\n\r\n"].iter().any(|end| answer.ends_with(end)), "{answer}");
    expect_nothing_left(&server, idle, &processes(&scripts));
}

#[test]
fn a_flood_of_standard_error_is_bounded() {
    let scripts = site_with_head("yes trouble | head -n 100000 >&2\necho done");
    let server = scripts.start("");
    let (idle, before) = (server.descriptors(), server.resident());
    assert!(answer(&server).contains("done\n"));
    server.stderr.wait_for("lines of standard error not logged");
    assert!(server.stderr.lines().len() < 1000);
    let growth = server.peak_resident().saturating_sub(before);
    assert!(growth < 4 << 20, "grown by {growth} bytes");
    expect_nothing_left(&server, idle, &[]);
}

#[test]
fn a_script_that_falls_silent_breaks_its_answer_off() {
    let scripts = site_with_head("echo $$ >pids\necho part\nexec sleep 1000");
    let server = scripts.start("--cgi-timeout 200ms");
    let idle = server.descriptors();
    let mut peer = get(&server);
    peer.expect("HTTP/1.1 200 OK\r\n");
    let rest = peer.rest();
    assert!(rest.is_err(), "{rest:?}");
    expect_nothing_left(&server, idle, &processes(&scripts));
}

/// Without chunks and a length, an end in good order would make the part the whole.
#[test]
fn a_stop_at_once_breaks_an_answer_to_http_1_0_off() {
    let scripts = site_with_head("echo part\nexec sleep 1000");
    let mut server = scripts.start("--drain 100ms");
    let mut peer = Peer::connect(&server.address());
    peer.send("GET /cgi-bin/it HTTP/1.0\r\n\r\n");
    peer.expect("HTTP/1.1 200 OK\r\n");
    server.stop_by(Stop::Terminate);
    let rest = peer.rest();
    assert!(rest.is_err(), "{rest:?}");
}

#[test]
fn a_script_may_go_on_after_the_end_of_its_output() {
    let scripts =
        site_with_head("echo $$ >pids\necho done\nexec >&-\nuntil [ -e go ]; do sleep 0.02; done\ntouch went");
    let server = scripts.start("");
    let idle = server.descriptors();
    // In chunks, or with its length, if the output has ended before it was read.
    let answer = answer(&server);
    assert!(answer.ends_with("\r\n\r\ndone\n") || answer.ends_with("done\n\r\n0\r\n\r\n"), "{answer}");
    assert!(processes(&scripts)[0].is_alive());
    fs::write(scripts.path().join("cgi-bin/go"), "").expect("room");
    until("the script to go on", || scripts.path().join("cgi-bin/went").exists());
    expect_nothing_left(&server, idle, &processes(&scripts));
}

#[test]
fn a_script_that_does_not_read_its_body_answers() {
    // The smaller body passes through a pipe, the larger one is a file.
    for (lines, length) in
        [("exec <&-", 60_000), ("exec <&-", 3_000_000), ("head -c 5", 60_000), ("head -c 5", 3_000_000)]
    {
        let scripts = site_with_head(&format!("{lines}\necho done"));
        let server = scripts.start("");
        let idle = server.descriptors();
        let url = format!("http://{}/cgi-bin/it", server.address());
        let got = pass_through(&["curl", "-s", "--data-binary", "@-", &url], &noise(length, 3));
        assert!(got.ends_with(b"done\n"), "{lines} {length}: {}", got.escape_ascii());
        expect_nothing_left(&server, idle, &[]);
    }
}
