//! Scripts of CGI, with real programs: what clients get, and that nothing is left of any of them.

use crate::support::peer::Peer;
use crate::support::scripts::{Scripts, expect_no_scripts, write};
use crate::support::server::Program;
use crate::support::tools::pass_through;
use std::fs;
use switchboard_harness::{Process, Server, Stop, until};

/// A site with these scripts and the file `a.txt`.
fn site(scripts: &[(&str, &str)]) -> Scripts {
    let scripts = Scripts::new(scripts);
    fs::write(scripts.path().join("a.txt"), "a file").expect("room");
    scripts
}

#[track_caller]
fn curl(server: &Server, words: &[&str], path: &str) -> String {
    let url = format!("http://{}{path}", server.address());
    let got = pass_through(&[&["curl", "-s"], words, &[&*url]].concat(), b"");
    String::from_utf8(got).expect("a text")
}

/// Asks for a script, and returns the connection.
fn ask(server: &Server, name: &str) -> Peer {
    let mut peer = Peer::connect(&server.address());
    peer.send(format!("GET /cgi-bin/{name} HTTP/1.1\r\nHost: a\r\n\r\n"));
    peer
}

/// No child is left, neither alive nor dead, and no more descriptors than `most`.
#[track_caller]
fn expect_nothing_left(server: &Server, most: usize) {
    expect_no_scripts(server);
    until("the descriptors to be closed", || server.descriptors() <= most);
}

const HELLO: &str = "echo 'Content-Type: text/plain'; echo; echo \"hello $QUERY_STRING\"";

#[test]
fn a_script_answers_curl_and_old_clients() {
    let scripts = site(&[
        ("hello", HELLO),
        ("echo", "echo 'Content-Type: a/b'; echo; echo \"$CONTENT_LENGTH\"; cat"),
        ("nph-raw", "printf 'HTTP/1.1 299 Mine\\r\\n\\r\\nraw'"),
        ("to-file", "echo 'Location: /a.txt'; echo"),
        ("none", "true"),
    ]);
    let server = scripts.start("");
    curl(&server, &[], "/a.txt");
    let before = server.descriptors();
    for words in [&[][..], &["-0"], &["--http1.1", "-H", "Connection: close"]] {
        assert_eq!(curl(&server, words, "/cgi-bin/hello?world"), "hello world\n", "{words:?}");
    }
    assert_eq!(curl(&server, &["-d", "a=b"], "/cgi-bin/echo"), "3\na=b");
    assert_eq!(curl(&server, &["-d", "a=b", "-H", "Transfer-Encoding: chunked"], "/cgi-bin/echo"), "3\na=b");
    assert_eq!(curl(&server, &["-d", "a=b", "-H", "Expect: 100-continue"], "/cgi-bin/echo"), "3\na=b");
    assert_eq!(curl(&server, &[], "/cgi-bin/nph-raw"), "raw");
    assert_eq!(curl(&server, &[], "/cgi-bin/to-file"), "a file");
    assert_eq!(
        curl(&server, &[], "/cgi-bin/none"),
        "500 Internal Server Error: the script gave no answer; see the server's log\n"
    );
    assert!(curl(&server, &["-I"], "/cgi-bin/hello").starts_with("HTTP/1.1 200 OK\r\n"));
    expect_nothing_left(&server, before + 8);
    server.expect_manners();
}

#[test]
fn a_handler_runs_files_and_the_operator_adds_variables() {
    let scripts = site(&[]);
    let text = "echo Content-Type: a/b; echo; echo \"$A $B $HOME $SERVER_PORT $REMOTE_ADDR $PATH_INFO ${0##*/}\"";
    fs::write(scripts.path().join("index.sh"), text).expect("room");
    let flags = "--cgi-handler .SH=sh --index index.sh --cgi-env A=one --cgi-env B --cgi-env NO_SUCH_VARIABLE";
    let server = scripts.launch().after("export B=two HOME=/secret").args(flags).start();
    let port = server.port();
    for (path, path_info) in [("/", ""), ("/index.sh", ""), ("/index.sh/a%20b", "/a b")] {
        let want = format!("one two  {port} 127.0.0.1 {path_info} index.sh\n");
        assert_eq!(curl(&server, &["--path-as-is"], path), want, "{path}");
    }
    assert_eq!(curl(&server, &["-d", "x"], "/index.sh").lines().count(), 1);
}

#[test]
fn wrong_flags_are_usage_errors() {
    for (flag, value) in [
        ("--cgi=", "cgi-bin"),
        ("--cgi=", "/a/../b"),
        ("--cgi-handler=", "php=/bin/sh"),
        ("--cgi-handler=", ".php"),
        ("--cgi-handler=", ".=/bin/sh"),
        ("--cgi-env=", "=value"),
        ("--cgi-timeout=", "soon"),
        ("--max-scripts=", "many"),
        ("--max-body=", "-1"),
    ] {
        let finished = Program::Http.launch().arg(format!("{flag}{value}")).run();
        assert_eq!((finished.code, &*finished.stdout), (Some(2), ""), "{flag}{value}: {finished:?}");
    }
    let finished = Program::Http.launch().args("--cgi-handler .php=/no/program").run();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let start = "http-server: cannot run /no/program for .php: No such file";
    assert!(finished.stderr.starts_with(start), "the directory is fine: {finished:?}");
}

#[test]
fn mistakes_about_the_directory_are_explained() {
    let finished = Program::Http.launch().args("--cgi /cgi-bin").run();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("; the path of scripts follows a =, as in --cgi=/cgi-bin"), "{finished:?}");
    let scripts = site(&[]);
    let server = Program::Http.launch().arg(scripts.path()).args("--cgi=/scripts").start();
    server.stderr.wait_for("there is no directory scripts for --cgi");
}

#[test]
fn a_client_that_leaves_ends_its_script_and_its_children() {
    let scripts = site(&[("sleep", "echo $$ > pids; sleep 1000 & echo $! >> pids; wait"), ("hello", HELLO)]);
    let server = scripts.start("");
    curl(&server, &[], "/cgi-bin/hello");
    let before = server.descriptors();
    for is_reset in [true, false] {
        let peer = ask(&server, "sleep");
        let path = scripts.path().join("cgi-bin/pids");
        until("the script to run", || fs::read_to_string(&path).is_ok_and(|text| text.lines().count() == 2));
        let pids = fs::read_to_string(&path).expect("two lines");
        fs::remove_file(&path).expect("an own file");
        // Closed in good order, the client looks as one that has ended its side only.
        if is_reset {
            peer.reset();
        } else {
            drop(peer);
        }
        expect_nothing_left(&server, before);
        for pid in pids.lines() {
            let process = Process(pid.parse().expect("a number"));
            until("the whole group to end", || !process.is_alive());
        }
    }
}

#[test]
fn a_netcat_that_ends_its_side_gets_the_answer() {
    let scripts = site(&[("slow", "sleep 0.2; echo 'Content-Type: a/b'; echo; echo slow")]);
    let server = scripts.start("");
    let port = server.port().to_string();
    let request = b"GET /cgi-bin/slow HTTP/1.0\r\n\r\n";
    let got = pass_through(&["nc", "-N", "127.0.0.1", &port], request);
    assert!(got.ends_with(b"\r\n\r\nslow\n"), "{}", got.escape_ascii());
}

#[test]
fn a_crash_after_the_head_is_noticed() {
    let scripts = site(&[("crash", "echo 'Content-Type: a/b'; echo; echo half; kill -SEGV $$")]);
    let server = scripts.start("");
    ask(&server, "crash").rest().expect_err("a reset");
}

#[test]
fn files_are_served_while_all_scripts_hang() {
    let scripts = site(&[("hang", "sleep 1000")]);
    let server = scripts.launch().args("--max-scripts 3 --cgi-timeout 1s").start();
    let peers: Vec<Peer> = (0..9).map(|_| ask(&server, "hang")).collect();
    until("three scripts to run", || server.process().children().is_ok_and(|children| children.len() == 3));
    assert_eq!(curl(&server, &[], "/a.txt"), "a file");
    for mut peer in peers {
        peer.expect("HTTP/1.1 50");
    }
    expect_nothing_left(&server, usize::MAX);
}

#[test]
fn a_script_that_ignores_the_signal_is_killed() {
    let scripts = site(&[("deaf", "trap '' TERM; while :; do sleep 1; done")]);
    let server = scripts.launch().args("--cgi-timeout 100ms").start();
    let mut peer = ask(&server, "deaf");
    peer.expect("HTTP/1.1 504 Gateway Timeout\r\n");
    expect_nothing_left(&server, usize::MAX);
}

#[test]
fn what_cannot_run_is_answered_and_logged() {
    let scripts = site(&[]);
    let at = |name: &str| scripts.path().join("cgi-bin").join(name);
    write(&at("no-program"), "#!/no/program\n");
    write(&at("no-line"), "echo hello\n");
    fs::write(at("plain"), "#!/bin/sh\n").expect("room");
    let server = scripts.start("");
    for (name, want) in [("no-program", "500"), ("no-line", "500"), ("plain", "403"), ("missing", "404")] {
        let status = curl(&server, &["-o", "/dev/null", "-w", "%{http_code}"], &format!("/cgi-bin/{name}"));
        assert_eq!(status, want, "{name}");
    }
    for line in ["cgi-bin/plain is not executable; run chmod +x ", "no-line: cannot run ", "begin a script with a line"]
    {
        server.stderr.wait_for(line);
    }
}

#[test]
fn without_descriptors_requests_are_refused_and_later_served() {
    let scripts = site(&[("hang", "sleep 1000"), ("hello", HELLO)]);
    let server = scripts.launch().after("ulimit -n 64").args("--max-scripts off --cgi-timeout off").start();
    let mut peers: Vec<Peer> = (0..20).map(|_| Peer::connect(&server.address())).collect();
    for peer in &mut peers {
        peer.send("GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n");
        peer.expect("HTTP/1.1 200 OK\r\n");
        peer.send("GET /cgi-bin/hang HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    let last = peers.last_mut().expect("a peer");
    last.line_where(|line| line.ends_with("HTTP/1.1 503 Service Unavailable"));
    last.line_where(|line| line.starts_with("Retry-After: "));
    server.stderr.wait_for("Too many open files (os error 24); raise \"ulimit -n\"");
    assert_eq!(server.stderr.text().matches("cannot run").count(), 1, "one line in 10 seconds");
    let mut kept = peers.pop().expect("a peer");
    peers.into_iter().for_each(Peer::reset);
    expect_nothing_left(&server, 40);
    kept.send("GET /cgi-bin/hello HTTP/1.1\r\nHost: a\r\n\r\n");
    kept.line_where(|line| line.starts_with("hello"));
}

#[test]
fn a_stop_waits_for_the_script() {
    let scripts = site(&[("slow", "echo 'Content-Type: a/b'; echo; echo begun; read x < fifo; echo over")]);
    pass_through(&["mkfifo", &scripts.path().join("cgi-bin/fifo").display().to_string()], b"");
    let mut server = scripts.launch().args("--drain 20s").start();
    let mut peer = ask(&server, "slow");
    peer.line_where(|line| line == "begun");
    server.ask(Stop::Terminate);
    server.stderr.wait_for("stopping");
    fs::write(scripts.path().join("cgi-bin/fifo"), "go\n").expect("a reader");
    let rest = peer.rest().expect("an orderly end");
    assert!(rest.ends_with(b"over\n\r\n0\r\n\r\n"), "{}", rest.escape_ascii());
    assert_eq!(server.wait().code, Some(0));
}
