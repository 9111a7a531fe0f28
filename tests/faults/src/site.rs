//! What an HTTP server serves: fifteen small pages and a large one, which polite clients request in turn, and an
//! endless file and scripts for faults.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::LazyLock;

use crate::speech;

/// The number of pages. The last one is large.
const PAGES: u64 = 16;

/// Lines of the large page: about 260 KiB. A server keeps it open instead of its bytes, and sends it in several writes.
const LARGE: u64 = 4500;

/// The path of a file of 1 TiB. It is a hole, so it takes no room.
pub(crate) const ENDLESS: &str = "/endless";

/// Scripts beneath [`CGI`], each with a mistake of its own.
pub(crate) const SCRIPTS: [(&str, &str); 7] = [
    ("sleep", "exec sleep 1000"),
    ("ignore", "trap '' TERM; while :; do sleep 1000; done"),
    ("flood", "printf 'Content-Type: text/plain\\n\\n'; exec yes"),
    ("crash", "kill -SEGV $$"),
    ("complain", "yes trouble | head -c 1000000 >&2; printf 'Content-Type: text/plain\\n\\ndone'"),
    ("fork", "sleep 1000 & printf 'Content-Type: text/plain\\n\\ndone'"),
    ("cat", "printf 'Content-Type: text/plain\\n\\n'; exec cat"),
];

/// The path of the scripts.
pub(crate) const CGI: &str = "/cgi-bin";

/// The path of the page for the request with this number.
pub(crate) fn path(number: u64) -> String {
    format!("/page{}.txt", number % PAGES)
}

/// The text of the page for the request with this number.
pub(crate) fn page(number: u64) -> &'static str {
    static TEXTS: LazyLock<Vec<String>> = LazyLock::new(|| (0..PAGES).map(text).collect());
    &TEXTS[(number % PAGES) as usize]
}

/// The request for the page with this number.
pub(crate) fn request(number: u64) -> String {
    get(&path(number))
}

/// The request for a path.
pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// Writes all files.
pub(crate) fn write(directory: &Path) -> io::Result<()> {
    let place = |path: &str| directory.join(&path[1..]);
    (0..PAGES).try_for_each(|number| fs::write(place(&path(number)), page(number)))?;
    fs::create_dir(place(CGI))?;
    for (name, script) in SCRIPTS {
        let file = place(CGI).join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n"))?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
    }
    File::create(place(ENDLESS))?.set_len(1 << 40)
}

fn text(page: u64) -> String {
    let lines = if page == PAGES - 1 { LARGE } else { 1 + 4 * page };
    (0..lines).map(|number| speech::line(page as usize, number) + "\n").collect()
}
