//! Which files are executed, and that none of them is shown.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::connection::spawn::StdinMode;
use crate::servers::http::cache::FRESH;

#[test]
fn a_script_gets_its_path_and_the_rest_of_it() {
    let mut stage = Stage::new();
    write(stage.place.path(), "cgi-bin/deep/er/script", "source", 0o755);
    let root = fs::canonicalize(stage.place.path()).expect("a directory");
    for (line, file, path_info) in [
        ("GET /cgi-bin/hello", "hello", None),
        ("GET //cgi-bin///hello", "hello", None),
        ("GET /%63gi-bin/hell%6F", "hello", None),
        ("GET /cgi-bin/hello/", "hello", Some("/")),
        ("GET /cgi-bin/hello/x%20y/z?a=b", "hello", Some("/x y/z")),
        ("DELETE /cgi-bin/hello/a/", "hello", Some("/a/")),
        ("BREW /cgi-bin/deep/er/script/hello", "deep/er/script", Some("/hello")),
    ] {
        let (client, script, spawn) = stage.request(line);
        let file = format!("cgi-bin/{file}");
        assert_eq!((&spawn.program, spawn.dir.as_deref()), (&root.join(&file), root.join(&file).parent()), "{line}");
        assert_eq!(variable(&spawn, "SCRIPT_NAME"), Some(&*format!("/{file}")), "{line}");
        assert_eq!(variable(&spawn, "PATH_INFO"), path_info, "{line}");
        assert_eq!(spawn.stdin, StdinMode::Null);
        stage.end(script, "Status: 204\n\n");
        assert_eq!(status(&stage.received(client)), "204", "{line}");
    }
    stage.assert_idle();
}

#[test]
fn a_handler_runs_its_files_anywhere() {
    let mut stage = Stage::new();
    let root = fs::canonicalize(stage.place.path()).expect("a directory");
    write(stage.place.path(), "cgi-bin/also.PHP", "source", 0o644);
    for (line, file, path_info) in [
        ("GET /app/index.php", "app/index.php", None),
        ("POST /app/", "app/index.php", None),
        ("GET /app/index.php/a/b", "app/index.php", Some("/a/b")),
        ("GET /cgi-bin/also.PHP", "cgi-bin/also.PHP", None),
    ] {
        let (_, script, spawn) = stage.request(line);
        assert_eq!((spawn.program, spawn.args), ("/bin/cat".into(), vec![root.join(file).into()]), "{line}");
        assert_eq!(variable(&stage.request(line).2, "SCRIPT_NAME"), Some(&*format!("/{file}")), "{line}");
        assert_eq!(variable(&stage.request(line).2, "PATH_INFO"), path_info, "{line}");
        stage.end(script, "");
    }
}

#[test]
fn no_link_and_no_sibling_shows_a_script() {
    let mut stage = Stage::new();
    let at = |name: &str| stage.place.path().join(name);
    write(stage.place.path(), "cgi-bin/plain", "secret", 0o644);
    write(stage.place.path(), "cgi-bin/deep/script.html", "secret", 0o644);
    write(stage.place.path(), "page.html", "a page", 0o644);
    for (target, link) in [
        ("cgi-bin/plain", "link.txt"),
        ("cgi-bin", "directory"),
        ("cgi-bin/deep", "deep"),
        ("app/index.php", "source.txt"),
        ("cgi-bin/plain", "page.html.gz"),
        ("link.txt", "link-to-a-link"),
    ] {
        symlink(target, at(link)).expect("a link");
    }
    for (path, want) in [
        ("/cgi-bin/plain", "403"),
        ("/cgi-bin/plain/a", "403"),
        ("/cgi-bin/none", "404"),
        ("/cgi-bin/none/hello", "404"),
        ("/cgi-bin", "404"),
        ("/cgi-bin/", "404"),
        ("/cgi-bin/deep", "404"),
        ("/cgi-bin/deep/", "404"),
        ("//cgi-bin/plain", "403"),
        ("/%63gi-bin/plain", "403"),
        ("/cgi-bin/deep/script.html", "403"),
        ("/cgi-bin/hello.gz", "404"),
        ("/cgi-bin/hello%00", "400"),
        ("/cgi-bin/../cgi-bin/plain", "400"),
        ("/link.txt", "404"),
        ("/link-to-a-link", "404"),
        ("/directory/plain", "404"),
        ("/directory/hello", "404"),
        ("/directory/", "404"),
        ("/deep/script.html", "404"),
        ("/source.txt", "404"),
        ("/page.html", "200"),
        ("/app", "301"),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = stage.refused(&format!("{method} {path}"));
            assert_eq!(status(&answer), want, "{method} {path}");
            assert!(!answer.contains("secret") && !answer.contains("source"), "{path}: {answer}");
        }
    }
    let client = stage.sim.connect();
    stage.sim.send(client, b"GET /page.html HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n");
    assert!(stage.received(client).ends_with("a page"));
    let listing = stage.refused("GET /");
    for hidden in ["cgi-bin", "link.txt", "directory", "deep", "source.txt", "page.html.gz"] {
        assert!(!listing.contains(&format!("\"./{hidden}")), "{hidden}: {listing}");
    }
    assert!(listing.contains("\"./page.html\""), "{listing}");
}

/// The directory with scripts may itself be a link.
#[test]
fn a_linked_directory_of_scripts_is_not_shown() {
    let mut stage = Stage::new();
    let at = |name: &str| stage.place.path().join(name);
    fs::rename(at("cgi-bin"), at("scripts")).expect("an own directory");
    symlink("scripts", at("cgi-bin")).expect("a link");
    for path in ["/scripts/hello", "/scripts/", "/scripts"] {
        assert_eq!(status(&stage.refused(&format!("GET {path}"))), "404", "{path}");
    }
    assert_eq!(status(&stage.answer("GET /cgi-bin/hello", "Status: 202\n\n")), "202");
    // A system without openat2(2) follows no link, and shows as little.
    stage.sim.advance(FRESH);
    stage.sim.with_context(|site, _| {
        Arc::get_mut(&mut site.tree).expect("no job has it").has_openat2 = false;
    });
    for path in ["/scripts/hello", "/scripts/", "/cgi-bin/hello"] {
        assert_eq!(status(&stage.refused(&format!("GET {path}"))), "404", "{path}");
    }
}

#[test]
fn a_link_out_of_the_directory_is_not_executed() {
    let mut stage = Stage::new();
    symlink("/bin/true", stage.place.path().join("cgi-bin/true")).expect("a link");
    symlink("../../bin/true", stage.place.path().join("cgi-bin/up")).expect("a link");
    for path in ["/cgi-bin/true", "/cgi-bin/up"] {
        assert_eq!(status(&stage.refused(&format!("GET {path}"))), "404", "{path}");
    }
}

#[test]
fn other_methods_for_files_are_refused_as_before() {
    let mut stage = Stage::new();
    for (line, want) in [
        ("POST /a.txt", "405"),
        ("POST /", "405"),
        ("BREW /a.txt", "501"),
        ("OPTIONS /a.txt", "204"),
        ("OPTIONS *", "204"),
        ("TRACE /cgi-bin/hello", "405"),
        ("POST /none", "404"),
    ] {
        assert_eq!(status(&stage.refused(line)), want, "{line}");
    }
    // Also after the file is known.
    stage.refused("GET /a.txt");
    assert_eq!(status(&stage.refused("POST /a.txt")), "405");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever the spelling, the source of a script is never an answer.
    #[test]
    fn no_path_shows_a_script(pieces in prop::collection::vec(
        prop::sample::select(vec![
            "/", "cgi-bin", "hello", "%63gi-bin", "%2f", "%2e", ".", "..", "CGI-BIN", "%00", "?", ";", "link", "app",
            "index.php", "index%2ephp", ".gz", "%", "5c", "\\", "*",
        ]), 0..8,
    )) {
        let mut stage = Stage::new();
        symlink("cgi-bin", stage.place.path().join("link")).expect("a link");
        let client = stage.sim.connect();
        stage.send(client, &format!("GET /{}", pieces.concat()));
        for (script, _) in stage.sim.spawned() {
            stage.end(script, "Status: 200\n\n");
        }
        prop_assert!(!stage.received(client).contains("source"));
    }
}

#[test]
fn a_script_is_looked_for_again_after_a_second() {
    let mut stage = Stage::new();
    let script = stage.place.path().join("cgi-bin/hello");
    assert_eq!(status(&stage.answer("GET /cgi-bin/hello/info", "Status: 202\n\n")), "202");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o644)).expect("an own file");
    let (_, running, spawn) = stage.request("POST /cgi-bin/hello/info");
    assert_eq!(variable(&spawn, "PATH_INFO"), Some("/info"), "of the request before it, and still fresh");
    stage.end(running, "Status: 202\n\n");
    stage.sim.advance(FRESH);
    assert_eq!(status(&stage.refused("GET /cgi-bin/hello/info")), "403");
    fs::remove_file(&script).expect("an own file");
    assert_eq!(status(&stage.refused("GET /cgi-bin/hello/info")), "404");
    write(stage.place.path(), "cgi-bin/hello", "source", 0o755);
    assert_eq!(status(&stage.answer("GET /cgi-bin/hello/info", "Status: 202\n\n")), "202");
}
