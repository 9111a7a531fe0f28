//! The answers of a site, in a simulation, with files of a temporary directory.

mod access_log;

use std::fs::{self, File, FileTimes};
use std::io::Write;
use std::os::unix::fs::{FileExt, symlink};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use tempfile::TempDir;

use super::{Site, SiteOptions};
use crate::sim::{Ending, Sim, SimPeer, assert_chunking_law};

/// The time of change of each file: 2001-09-09.
const MODIFIED: &str = "Sun, 09 Sep 2001 01:46:40 GMT";

/// A directory to serve.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Place(TempDir::new().expect("room for a directory"));
        place.write("a.txt", b"0123456789");
        place.write("big.bin", &vec![b'x'; 3 << 20]);
        place
    }

    /// Writes a file with an old time of change.
    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("room for a directory");
        let mut file = File::create(path).expect("room for a file");
        file.write_all(bytes).expect("room for a file");
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        file.set_times(FileTimes::new().set_modified(time)).expect("an own file");
    }

    fn site_with(&self, options: SiteOptions) -> Site {
        Site::new(self.0.path(), options).expect("a directory")
    }

    fn site(&self) -> Site {
        self.site_with(SiteOptions::default())
    }

    fn sim(&self) -> Sim<Site> {
        Sim::new(self.site())
    }

    /// A site on a system without openat2(2).
    fn site_without_openat2(&self) -> Site {
        let mut site = self.site();
        Arc::get_mut(&mut site.tree).expect("no worker has it yet").has_openat2 = false;
        site
    }
}

/// The head and the body of an answer.
struct Answer {
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    fn status(&self) -> &str {
        &self.head["HTTP/1.1 ".len()..][..3]
    }
}

/// Sends a request with these header lines, and returns the only answer.
fn ask(sim: &mut Sim<Site>, line: &str, headers: &[&str]) -> Answer {
    let peer = sim.connect();
    ask_as(sim, peer, line, headers)
}

fn ask_as(sim: &mut Sim<Site>, peer: SimPeer, line: &str, headers: &[&str]) -> Answer {
    let headers = headers.iter().map(|header| format!("{header}\r\n")).collect::<Vec<_>>().concat();
    sim.send(peer, format!("{line} HTTP/1.1\r\nHost: a\r\n{headers}\r\n").as_bytes());
    let received = sim.received(peer);
    let end = received.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("the end of a head");
    let head = String::from_utf8(received[..end].to_vec()).expect("a head of ASCII");
    Answer { head, body: received[end + 4..].to_vec() }
}

#[test]
fn a_file_is_served_with_what_describes_it() {
    let place = Place::new();
    let mut sim = place.sim();
    for name in ["a.txt", "big.bin"] {
        let want = fs::read(place.0.path().join(name)).expect("a file");
        for method in ["GET", "HEAD", "GET"] {
            let answer = ask(&mut sim, &format!("{method} /{name}?query"), &[]);
            assert_eq!(answer.status(), "200");
            assert_eq!(answer.header("Content-Length"), Some(&*want.len().to_string()));
            assert_eq!(answer.header("Last-Modified"), Some(MODIFIED));
            assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"));
            assert_eq!(answer.header("Accept-Ranges"), Some("bytes"));
            assert_eq!(answer.header("Vary"), None);
            assert_eq!(answer.body, if method == "GET" { want.clone() } else { Vec::new() });
        }
    }
    let answer = ask(&mut sim, "GET /a.txt", &[]);
    assert_eq!(answer.header("Content-Type"), Some("text/plain; charset=utf-8"));
    let etag = answer.header("ETag").expect("a tag");
    assert!(etag.starts_with('"') && etag.ends_with('"'), "{etag}");
}

#[test]
fn options_add_headers_and_types() {
    let place = Place::new();
    let options = SiteOptions {
        headers: vec![("X-Frame-Options".to_owned(), "DENY".to_owned())],
        cache_control: Some("max-age=60".to_owned()),
        types: [("txt".to_owned(), "text/x-own".to_owned())].into(),
        ..SiteOptions::default()
    };
    let mut sim = Sim::new(place.site_with(options));
    for (line, cache_control) in [("GET /a.txt", Some("max-age=60")), ("GET /none", None), ("POST /", None)] {
        let answer = ask(&mut sim, line, &[]);
        assert_eq!(answer.header("X-Frame-Options"), Some("DENY"), "{line}");
        assert_eq!(answer.header("Cache-Control"), cache_control, "{line}");
    }
    assert_eq!(ask(&mut sim, "GET /a.txt", &[]).header("Content-Type"), Some("text/x-own"));
}

/// RFC 9110, section 13.2.2, step by step.
#[test]
fn conditions_are_evaluated_in_order() {
    let place = Place::new();
    let mut sim = place.sim();
    let tag = ask(&mut sim, "GET /a.txt", &[]).header("ETag").expect("a tag").to_owned();
    let (before, after) = ("Sun, 09 Sep 2001 01:46:39 GMT", "Sun, 09 Sep 2001 01:46:41 GMT");
    for (headers, want) in [
        (vec![format!("If-Match: {tag}")], "200"),
        (vec!["If-Match: *".to_owned()], "200"),
        (vec![format!("If-Match: \"other\", {tag}")], "200"),
        (vec!["If-Match: \"other\"".to_owned()], "412"),
        (vec![format!("If-Match: W/{tag}")], "412"),
        (vec![format!("If-Match: {tag}"), format!("If-Unmodified-Since: {before}")], "200"),
        (vec![format!("If-Unmodified-Since: {before}")], "412"),
        (vec![format!("If-Unmodified-Since: {MODIFIED}")], "200"),
        (vec!["If-Unmodified-Since: yesterday".to_owned()], "200"),
        (vec![format!("If-None-Match: {tag}")], "304"),
        (vec![format!("If-None-Match: W/{tag}")], "304"),
        (vec!["If-None-Match: *".to_owned()], "304"),
        (vec!["If-None-Match: \"other\"".to_owned()], "200"),
        (vec!["If-None-Match: \"other\"".to_owned(), format!("If-Modified-Since: {after}")], "200"),
        (vec![format!("If-Modified-Since: {MODIFIED}")], "304"),
        (vec![format!("If-Modified-Since: {before}")], "200"),
        (vec!["If-Modified-Since: never".to_owned()], "200"),
        (vec![format!("If-Match: {tag}"), format!("If-None-Match: {tag}")], "304"),
        (vec!["Range: bytes=0-0".to_owned(), format!("If-None-Match: {tag}")], "304"),
        (vec!["Range: bytes=0-0".to_owned(), format!("If-Range: {tag}")], "206"),
        (vec!["Range: bytes=0-0".to_owned(), format!("If-Range: {MODIFIED}")], "206"),
        (vec!["Range: bytes=0-0".to_owned(), "If-Range: \"other\"".to_owned()], "200"),
        (vec!["Range: bytes=0-0".to_owned(), format!("If-Range: W/{tag}")], "200"),
        (vec!["Range: bytes=0-0".to_owned(), format!("If-Range: {after}")], "200"),
        (vec!["Range: bytes=99-".to_owned(), "If-Range: \"other\"".to_owned()], "200"),
    ] {
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        for method in ["GET", "HEAD"] {
            let answer = ask(&mut sim, &format!("{method} /a.txt"), &headers);
            let want = if method == "HEAD" && want == "206" { "200" } else { want };
            assert_eq!(answer.status(), want, "{method} {headers:?}");
            if want == "304" {
                let names = (answer.header("ETag"), answer.header("Content-Length"), answer.header("Content-Type"));
                assert_eq!((names, &answer.body[..]), ((Some(&*tag), None, None), &b""[..]));
            }
        }
    }
}

/// RFC 9110, section 15.3.7.
#[test]
fn parts_of_a_file_are_served() {
    let place = Place::new();
    let mut sim = place.sim();
    let answer = ask(&mut sim, "GET /a.txt", &["Range: bytes=2-4"]);
    assert_eq!((answer.status(), &answer.body[..]), ("206", &b"234"[..]));
    assert_eq!(answer.header("Content-Range"), Some("bytes 2-4/10"));
    let answer = ask(&mut sim, "GET /big.bin", &["Range: bytes=1000-2999999"]);
    assert_eq!((answer.status(), answer.body.len()), ("206", 2_999_000));
    let answer = ask(&mut sim, "GET /a.txt", &["Range: bytes=10-"]);
    assert_eq!((answer.status(), answer.header("Content-Range")), ("416", Some("bytes */10")));
    for name in ["a.txt", "big.bin"] {
        let answer = ask(&mut sim, &format!("GET /{name}"), &["Range: bytes=0-1,-2"]);
        let kind = answer.header("Content-Type").expect("a type");
        let boundary = kind.strip_prefix("multipart/byteranges; boundary=").expect("several parts");
        assert_eq!(answer.header("Content-Length"), Some(&*answer.body.len().to_string()));
        let body = String::from_utf8(answer.body.clone()).expect("a text");
        let parts: Vec<&str> = body.split(&format!("\r\n--{boundary}")).collect();
        assert_eq!((parts.len(), parts[0], parts[3]), (4, "", "--\r\n"), "{body}");
        let (first, last) = if name == "a.txt" { ("01", "89") } else { ("xx", "xx") };
        assert!(parts[1].contains("\r\nContent-Range: bytes 0-1/") && parts[1].ends_with(&format!("\r\n\r\n{first}")));
        assert!(parts[2].ends_with(&format!("\r\n\r\n{last}")), "{body}");
    }
}

#[test]
fn a_directory_has_an_index_or_a_listing() {
    let place = Place::new();
    place.write("dir/index.html", b"an index");
    place.write("other/sub/file", b"x");
    let mut sim = place.sim();
    assert_eq!(ask(&mut sim, "GET /dir/", &[]).body, b"an index");
    let answer = ask(&mut sim, "GET //dir?a=b", &[]);
    assert_eq!((answer.status(), answer.header("Location")), ("301", Some("/dir/?a=b")));
    let page = String::from_utf8(ask(&mut sim, "GET /other/", &[]).body).expect("a page");
    assert!(page.contains("<a href=\"./sub/\">sub/</a>") && page.contains("<a href=\"../\">"), "{page}");
    for line in ["GET /dir/index.html/", "GET /a.txt/", "GET /a.txt/b", "GET /none", "GET /dir/none/"] {
        assert_eq!(ask(&mut sim, line, &[]).status(), "404", "{line}");
    }
    let options = SiteOptions { listing: false, index: "file".to_owned(), ..SiteOptions::default() };
    let mut sim = Sim::new(place.site_with(options));
    assert_eq!(ask(&mut sim, "GET /other/", &[]).status(), "404");
    assert_eq!(ask(&mut sim, "GET /other/sub/", &[]).body, b"x");
}

/// Asks for what the test below has made.
fn assert_stays_within(sim: &mut Sim<Site>, follows_links: bool) {
    assert_eq!(ask(sim, "GET /inside", &[]).status(), if follows_links { "200" } else { "404" });
    assert_eq!(ask(sim, "GET /deep/er/file", &[]).body, b"deep");
    for (path, want) in [
        ("/absolute", "404"),
        ("/relative", "404"),
        ("/directory/secret", "404"),
        ("/directory/", "404"),
        ("/magic/etc/passwd", "404"),
        ("/loop", "404"),
        ("/pipe", "404"),
        ("/.env", "404"),
        ("/..%2f..%2fetc/passwd", "404"),
        ("/../a.txt", "400"),
        ("/%2e%2e/a.txt", "400"),
        ("/a.txt%00", "400"),
        ("/a%5cb", "400"),
        ("/%c0%ae%c0%ae/a.txt", "404"),
    ] {
        let answer = ask(sim, &format!("GET {path}"), &[]);
        assert_eq!(answer.status(), want, "{path}");
        assert!(!answer.body.windows(6).any(|bytes| bytes == b"secret"), "{path}");
    }
    let page = String::from_utf8(ask(sim, "GET /", &[]).body).expect("a page");
    assert!(page.contains("inside") == follows_links && page.contains("a.txt"), "{page}");
    for hidden in ["absolute", "relative", "directory", "magic", "loop", "pipe", ".env"] {
        assert!(!page.contains(hidden), "{hidden}: {page}");
    }
}

#[test]
fn nothing_outside_and_nothing_special_is_served() {
    let place = Place::new();
    let outside = TempDir::new().expect("room for a directory");
    fs::write(outside.path().join("secret"), "secret").expect("room for a file");
    let at = |name: &str| place.0.path().join(name);
    symlink(outside.path().join("secret"), at("absolute")).expect("a link");
    symlink("../../../../../../etc/passwd", at("relative")).expect("a link");
    symlink(outside.path(), at("directory")).expect("a link");
    symlink("/proc/self/root", at("magic")).expect("a link");
    symlink("loop", at("loop")).expect("a link");
    symlink("a.txt", at("inside")).expect("a link");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        at("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o644),
        0,
    )
    .expect("a pipe");
    place.write(".env", b"secret");
    place.write("deep/er/file", b"deep");
    assert_stays_within(&mut place.sim(), true);
    assert_stays_within(&mut Sim::new(place.site_without_openat2()), false);
    let mut sim = Sim::new(place.site_with(SiteOptions { dotfiles: true, ..SiteOptions::default() }));
    assert_eq!(ask(&mut sim, "GET /.env", &[]).body, b"secret");
}

#[test]
fn a_compressed_sibling_is_served_if_accepted_and_not_older() {
    let place = Place::new();
    place.write("a.txt.gz", b"zipped");
    place.write("a.txt.br", b"brotli");
    let mut sim = place.sim();
    for (accepted, encoding, body) in [
        ("identity", None, &b"0123456789"[..]),
        ("gzip", Some("gzip"), b"zipped"),
        ("br;q=0, GZIP;q=0.5", Some("gzip"), b"zipped"),
        ("gzip, deflate, br", Some("br"), b"brotli"),
        ("gzip;q=0.0, x", None, b"0123456789"),
    ] {
        let answer = ask(&mut sim, "GET /a.txt", &[&format!("Accept-Encoding: {accepted}")]);
        assert_eq!((answer.header("Content-Encoding"), &answer.body[..]), (encoding, body), "{accepted}");
        assert_eq!(answer.header("Vary"), Some("Accept-Encoding"));
        assert_eq!(answer.header("Content-Type"), Some("text/plain; charset=utf-8"));
    }
    place.write("b.txt.gz", b"old");
    fs::write(place.0.path().join("b.txt"), "new").expect("room for a file");
    let answer = ask(&mut sim, "GET /b.txt", &["Accept-Encoding: gzip"]);
    assert_eq!((&answer.body[..], answer.header("Vary")), (&b"new"[..], None));
}

#[test]
fn other_methods_are_told_what_is_allowed() {
    let place = Place::new();
    let mut sim = place.sim();
    for (line, status, allow) in [
        ("POST /a.txt", "405", Some("GET, HEAD, OPTIONS")),
        ("DELETE /none", "405", Some("GET, HEAD, OPTIONS")),
        ("OPTIONS /a.txt", "204", Some("GET, HEAD, OPTIONS")),
        ("OPTIONS *", "204", Some("GET, HEAD, OPTIONS")),
        ("get /a.txt", "501", None),
        ("CONNECT a:80", "501", None),
        ("BREW /", "501", None),
    ] {
        let answer = ask(&mut sim, line, &[]);
        assert_eq!((answer.status(), answer.header("Allow")), (status, allow), "{line}");
    }
}

/// Within a second, a version counts as the present one. Then it is looked for again.
#[test]
fn a_changed_file_is_noticed_after_a_second() {
    let place = Place::new();
    let mut sim = place.sim();
    for name in ["a.txt", "big.bin"] {
        let path = place.0.path().join(name);
        let line = format!("GET /{name}");
        let old = ask(&mut sim, &line, &[]);
        let new = path.with_extension("new");
        fs::write(&new, "new").expect("room for a file");
        fs::rename(&new, &path).expect("an own file");
        sim.advance(Duration::from_secs(1));
        let answer = ask(&mut sim, &line, &[]);
        assert_eq!(answer.body, b"new");
        assert_ne!(answer.header("ETag"), old.header("ETag"));
        fs::remove_file(&path).expect("an own file");
        sim.advance(Duration::from_secs(1));
        assert_eq!(ask(&mut sim, &line, &[]).status(), "404");
    }
}

/// A client must not take the beginning of one version and the end of another for a file.
#[test]
fn a_file_that_changes_while_it_is_sent_ends_the_connection() {
    let place = Place::new();
    let path = place.0.path().join("big.bin");
    let changes: [&dyn Fn(); 3] = [
        &|| File::options().write(true).open(&path).expect("a file").write_all_at(b"y", 2 << 20).expect("a file"),
        &|| File::options().write(true).open(&path).expect("a file").set_len(2_000_000).expect("a file"),
        &|| fs::write(&path, b"short").expect("a file"),
    ];
    for change in changes {
        place.write("big.bin", &vec![b'x'; 3 << 20]);
        let mut sim = place.sim();
        let peer = sim.connect();
        sim.stall(peer);
        sim.send(peer, b"GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n");
        sim.allow(peer, 500_000);
        assert_eq!(sim.received(peer).len(), 500_000);
        change();
        sim.resume(peer);
        let received = sim.received(peer);
        assert!(received.len() < (3 << 20) - 500_000, "{} bytes", received.len());
        assert_eq!(sim.ending(peer), Some(Ending::Reset));
    }
}

#[test]
fn a_slow_reader_gets_large_files_one_after_the_other() {
    let place = Place::new();
    let mut sim = place.sim();
    let peer = sim.connect();
    sim.stall(peer);
    let request = b"GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n";
    sim.send(peer, &[&request[..], request].concat());
    let mut received = Vec::new();
    for _ in 0..200 {
        sim.allow(peer, 50_000);
        received.extend(sim.received(peer));
    }
    assert_eq!(received.split(|&byte| byte == b'x').count() - 1, 6 << 20);
    assert_eq!(sim.ending(peer), None);
}

#[test]
fn a_kick_breaks_a_download_off() {
    let place = Place::new();
    let mut sim = place.sim();
    let (peer, idle) = (sim.connect(), sim.connect());
    sim.stall(peer);
    sim.send(peer, b"GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n");
    sim.allow(peer, 500_000);
    sim.control(b"who");
    sim.control(b"kick 1");
    sim.control(b"kick 2");
    sim.resume(peer);
    assert!(sim.received(peer).len() <= 500_000);
    assert_eq!((sim.ending(peer), sim.ending(idle)), (Some(Ending::Reset), Some(Ending::Eof)));
}

/// A stop lets a download end, however large it is.
#[test]
fn a_stop_waits_for_a_download() {
    let place = Place::new();
    let mut sim = place.sim();
    let peer = sim.connect();
    sim.stall(peer);
    sim.send(peer, b"GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n");
    sim.stop();
    sim.resume(peer);
    assert_eq!(sim.received(peer).split(|&byte| byte == b'x').count() - 1, 3 << 20);
    assert_eq!(sim.ending(peer), Some(Ending::Eof));
}

proptest! {
    /// Pieces that decoders and file systems have stumbled over never lead out of the directory.
    #[test]
    fn no_path_leads_out(pieces in proptest::collection::vec(proptest::sample::select(PIECES.to_vec()), 1..9)) {
        let outside = TempDir::new().expect("room for a directory");
        fs::create_dir_all(outside.path().join("site/dir")).expect("room for a directory");
        fs::write(outside.path().join("secret"), "secret").expect("room for a file");
        symlink("../..", outside.path().join("site/dir/out")).expect("a link");
        let site = Site::new(&outside.path().join("site"), SiteOptions { dotfiles: true, ..SiteOptions::default() });
        let answer = ask(&mut Sim::new(site.expect("a directory")), &format!("GET /{}", pieces.concat()), &[]);
        prop_assert!(["200", "301", "400", "404"].contains(&answer.status()), "{}", answer.head);
        prop_assert!(!answer.body.windows(6).any(|bytes| bytes == b"secret"), "{}", answer.head);
        prop_assert!(answer.header("Location").is_none_or(|to| to.starts_with('/') && !to.starts_with("//")));
    }
}

const PIECES: [&str; 19] = [
    "/", "//", "..", ".", "%2e", "%2E%2e", "%2f", "%5c", "\\", "%00", "%c0%af", "%252e", "secret", "dir", "out",
    "site", "?", ";", "%",
];

#[test]
fn answers_have_the_order_of_the_requests() {
    let place = Place::new();
    place.write("b.txt", b"b");
    let mut sim = place.sim();
    sim.hold_jobs();
    let peer = sim.connect();
    let get = |path| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    sim.send(peer, (get("/a.txt") + &get("/none") + &get("/b.txt")).as_bytes());
    assert_eq!(sim.received(peer), b"");
    sim.release_jobs();
    let text = String::from_utf8(sim.received(peer)).expect("a text");
    let places: Vec<_> = ["0123456789", "404 Not Found\n", "\r\n\r\nb"].iter().map(|part| text.find(part)).collect();
    assert!(places.is_sorted() && places.iter().all(Option::is_some), "{text}");
}

#[test]
fn the_chunking_law_holds() {
    let place = Place::new();
    let input = "GET /a.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=1-2\r\n\r\n\
        HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET /x HTTP/1.0\r\n\r\n";
    assert_chunking_law(|| place.site(), input.as_bytes());
}

#[test]
fn the_cache_is_bounded() {
    let place = Place::new();
    for number in 0..300 {
        place.write(&format!("many/{number}"), &[b'x'; 1000]);
        place.write(&format!("large/{number}"), &vec![b'x'; 70_000]);
    }
    let mut sim = Sim::new(place.site_with(SiteOptions { cache: 100_000, ..SiteOptions::default() }));
    for folder in ["many", "large"] {
        for number in 0..300 {
            assert_eq!(ask(&mut sim, &format!("GET /{folder}/{number}"), &[]).status(), "200");
        }
    }
    let (bytes, open, entries) = sim.handler_mut().cache.usage();
    assert!(bytes <= 100_000 && open <= 256 && entries <= 98, "{bytes} bytes, {open} open, {entries} entries");
}
