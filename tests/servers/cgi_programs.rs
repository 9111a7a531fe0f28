//! The scripts of the page on CGI, and large programs that speak CGI.

use crate::support::data::{assert_same, noise};
use crate::support::server::Program;
use crate::support::tools::pass_through;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use switchboard_harness::Server;
use tempfile::TempDir;

/// Serves the scripts of the page, with uploads in the directory.
pub(crate) fn start() -> (Server, TempDir) {
    let uploads = TempDir::new().expect("room");
    let site = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples/cgi");
    let launch = Program::Http.launch().arg(site).args("--cgi --cgi-handler .php=/usr/bin/php-cgi --slow-turn off");
    let server = launch.arg("--cgi-env").arg(format!("UPLOADS={}", uploads.path().display())).start();
    (server, uploads)
}

/// What curl gets for `words` and the path of a URL.
#[track_caller]
fn curl(server: &Server, words: &[&str], path: &str) -> String {
    let url = format!("http://{}/{path}", server.address());
    let bytes = pass_through(&[&["curl", "-s"], words, &[&*url]].concat(), b"");
    String::from_utf8(bytes).expect("a text")
}

#[test]
fn each_script_of_the_page_answers_curl() {
    let (server, _place) = start();
    for (words, path, want) in [
        (&[][..], "cgi-bin/hello.py", "Hello, world\n"),
        (&[], "cgi-bin/hello.pl", "Hello from Perl, 127.0.0.1\n"),
        (&[], "hello.php?name=Zo%C3%AB%20%3Cb%3E", "<p>Hello, Zoë &lt;b&gt;, from PHP\n"),
        (&[], "cgi-bin/environment.py/a%20path", "<tr><td>PATH_INFO<td>/a path\n"),
        (&["-d", "a=b"], "cgi-bin/environment.py", "<tr><td>CONTENT_LENGTH<td>3\n"),
        (&[], "cgi-bin/get.py?name=A+%26+B", "<p>Hello A &amp; B from nowhere!\n"),
        (&["-d", "comment=a+b%0Ac"], "cgi-bin/post.py", "has 3 words:\n<pre>a b\nc</pre>\n"),
        (&["-d", "comment=%FF%3C"], "cgi-bin/post.py", "<pre>\u{fffd}&lt;</pre>\n"),
        (&["-X", "POST"], "cgi-bin/post.py", "has 0 words:\n"),
        (&[], "cgi-bin/boxes.py?topping=a&topping=b", "<li>a\n<li>b\n"),
        (&["-b", "visits=41"], "cgi-bin/cookies.py", "Visits: 42\n"),
        (&["-b", "visits=-1"], "cgi-bin/cookies.py", "Visits: 1\n"),
        (&["-ib", "visits=41"], "cgi-bin/cookies.py", "visits=42; HttpOnly; Max-Age=86400; SameSite=Lax\r\n"),
        (&["-d", ""], "cgi-bin/cookies.py", "forgotten.\n"),
        (&["-id", ""], "cgi-bin/cookies.py", "Max-Age=0;"),
        (&["-F", "note=a"], "cgi-bin/upload.py", "<ul>\n</ul>\n"),
        (&["-d", "note=a"], "cgi-bin/upload.py", "<ul>\n</ul>\n"),
        (&[], "cgi-bin/download.py", "no such file\n"),
        (&["-i"], "cgi-bin/download.py?key=../../../../etc/passwd", "HTTP/1.1 404 Not Found\r\n"),
    ] {
        let got = curl(&server, words, path);
        assert!(got.contains(want), "{path} {words:?}: {got}");
    }
}

/// Writes a script, and makes it executable.
fn write_script(path: &Path, text: &str) {
    fs::write(path, text).expect("room");
    fs::set_permissions(path, Permissions::from_mode(0o755)).expect("a file");
}

#[test]
fn the_log_names_the_mistakes_that_learners_make() {
    let place = TempDir::new().expect("room");
    let scripts = place.path().join("cgi-bin");
    fs::create_dir(&scripts).expect("room");
    let server = Program::Http.launch().arg(place.path()).args("--cgi --slow-turn off").start();
    let program = "its first line names no program, or ends in CRLF";
    let ends = "its output ends within the headers; an empty line ends them (exit status: 0)";
    for (name, text, line) in [
        ("crlf", "#!/bin/sh\r\necho\r\n", program),
        ("crlf.py", "#!/usr/bin/env python3\r\nprint()\r\n", "crlf.py (child "),
        ("wrong.py", "#!/usr/bin/python99\nprint()\n", program),
        ("mark.py", "\u{feff}#!/usr/bin/env python3\nprint()\n", "begin a script with a line such as #!/bin/sh"),
        ("page.py", "#!/usr/bin/env python3\nprint('<p>Hello')\n", "\"<p>Hello\" is no header; an empty line ends"),
        ("head.py", "#!/usr/bin/env python3\nprint('Content-Type: text/plain')\n", ends),
        ("none.py", "#!/usr/bin/env python3\nmain()\n", "none.py: it has no output (exit status: 1)"),
        ("none.py", "#!/usr/bin/env python3\nmain()\n", "): NameError: name 'main' is not defined"),
    ] {
        write_script(&scripts.join(name), text);
        let status = curl(&server, &["-o", "/dev/null", "-w", "%{http_code}"], &format!("cgi-bin/{name}"));
        assert_eq!(status, "500", "{name}");
        server.stderr.wait_for(line);
    }
    server.expect_manners();
}

/// Runs git in the directory, with it as the home.
#[track_caller]
fn git(place: &Path, args: &[&str]) {
    let mut command = Command::new("git");
    command.args(args).current_dir(place).env("HOME", place).env("GIT_CONFIG_NOSYSTEM", "1");
    command.env("GIT_TRACE_CURL", place.join("trace")).env("GIT_TRACE_CURL_NO_DATA", "1");
    let status = Server::try_spawn(&mut command).unwrap_or_else(|error| panic!("{error}")).wait().status;
    assert!(status.success(), "{args:?}: {status}");
}

#[test]
fn git_pushes_and_clones_six_megabytes() {
    let place = TempDir::new().expect("room");
    let place = place.path();
    fs::create_dir_all(place.join("site/cgi-bin")).expect("room");
    write_script(&place.join("site/cgi-bin/git"), "#!/bin/sh\nexec git http-backend\n");
    git(place, &["init", "--quiet", "--bare", "repos/notes.git"]);
    git(place, &["-C", "repos/notes.git", "config", "http.receivepack", "true"]);
    let launch = Program::Http.launch().arg(place.join("site")).args("--cgi --cgi-env GIT_HTTP_EXPORT_ALL=1");
    let root = format!("GIT_PROJECT_ROOT={}", place.join("repos").display());
    let server = launch.args("--slow-turn off --cgi-env").arg(root).start();

    let url = format!("http://{}/cgi-bin/git/notes.git", server.address());
    git(place, &["clone", "--quiet", &url, "first"]);
    let bytes = noise(6_000_000, 5);
    fs::write(place.join("first/noise"), &bytes).expect("room");
    git(place, &["-C", "first", "add", "noise"]);
    let author = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com"];
    git(place, &[&["-C", "first"], &author[..], &["commit", "--quiet", "--message", "Add noise"]].concat());
    git(place, &["-C", "first", "push", "--quiet"]);
    let trace = fs::read_to_string(place.join("trace")).expect("a text").to_lowercase();
    assert!(trace.contains("=> send header: transfer-encoding: chunked"), "git no longer sends its pack in chunks");
    git(place, &["clone", "--quiet", &url, "second"]);
    assert_same(&fs::read(place.join("second/noise")).expect("a file"), &bytes);
    server.expect_manners();
}
