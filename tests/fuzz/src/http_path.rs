//! Paths of any bytes, to a server of files: an answer with a file has the file that the path names, and it is beneath
//! the directory.
//!
//! The model decodes a path by itself, and lets the standard library resolve it, name by name.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use switchboard::Sim;
use switchboard::servers::{Site, SiteOptions};
use tempfile::TempDir;

/// What the bytes below 32 stand for, so that few of them make a path that leads somewhere. A line feed ends a path.
const WORDS: [&str; 32] = [
    "/",
    "/..",
    "/.",
    "%2e",
    "%2f",
    "%5c",
    "%00",
    "%25",
    "/cgi-bin",
    "%c0%af",
    "?",
    "/a.txt",
    "/dir",
    "/b.txt",
    "/deep",
    "/c.txt",
    "/up",
    "/.hidden",
    "/.git",
    "/inside",
    "/inside-dir",
    "/outside",
    "/outside-dir",
    "/absolute",
    "/and-back",
    "/loop",
    "/script",
    "/fifo",
    "/socket",
    "/device",
    "/hello",
    "%41%41%41%41%41%41%41%41",
];

/// The content of files that no answer may have.
const SECRET: &str = "a secret";

/// The directory of scripts. It has one, which cannot be executed, so none is started.
const SCRIPTS: &str = "/cgi-bin";

/// Links that leave the directory and come back to it, which is refused, too.
const LEAVING: [&str; 2] = ["absolute", "and-back"];

/// Longer targets may be refused for their length.
const LONGEST: usize = 4096;

/// Takes a path from each line, and asks for it.
pub fn run(bytes: &[u8]) {
    let place = TempDir::new().expect("room for a directory");
    let site = fs::canonicalize(place.path()).expect("a directory").join("site");
    write(&site).expect("room for files");
    let mut options = SiteOptions::default();
    options.cgi.prefix = Some(SCRIPTS.to_owned());
    let mut sim = Sim::new(Site::new(&site, options).expect("a directory"));
    for line in bytes.split(|&byte| byte == b'\n') {
        let mut target = Vec::new();
        for &byte in line {
            match WORDS.get(usize::from(byte)) {
                Some(word) => target.extend(word.bytes()),
                None => target.push(byte),
            }
        }
        ask(&mut sim, &target, &site);
    }
}

fn ask(sim: &mut Sim<Site>, target: &[u8], site: &Path) {
    let peer = sim.connect();
    sim.send(peer, &[b"GET ", target, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat());
    let answer = sim.received(peer);
    sim.shut_down(peer);
    sim.run();
    let shown = target.escape_ascii();
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("the end of a head");
    let (head, body) = (String::from_utf8_lossy(&answer[..end]), String::from_utf8_lossy(&answer[end + 4..]));
    crate::show(&(&shown.to_string(), &head, &body));
    assert!(!body.contains(SECRET), "{shown} brings {body}");
    if target.len() > LONGEST || !target.starts_with(b"/") {
        return;
    }
    let is_found = head.starts_with("HTTP/1.1 200 ");
    match wanted(target, site) {
        Some(Wanted::File(file)) => {
            assert!(is_found, "{shown} is {}, but the answer is {head}", file.display());
            assert_eq!(body, file.to_string_lossy(), "{shown}");
        }
        Some(Wanted::Directory) => {
            assert!(is_found && body.starts_with("<!DOCTYPE html>"), "{shown}: {head}\n{body}");
        }
        None => assert!(!is_found, "{shown} is nothing, but the answer is {head}\n{body}"),
    }
    assert!(!is_found || !body.contains(".hidden") && !body.contains(".git"), "{shown} lists {body}");
}

/// What a path leads to.
enum Wanted {
    /// A regular file at this place beneath the directory. The place is its content, too.
    File(PathBuf),
    Directory,
}

fn wanted(target: &[u8], site: &Path) -> Option<Wanted> {
    let target = str::from_utf8(target).ok()?;
    if target.bytes().any(|byte| byte <= b' ' || byte == 0x7f || byte == b'#') {
        return None;
    }
    let path = target.split('?').next()?;
    let mut found = site.to_owned();
    for name in path.split('/').filter(|name| !name.is_empty()) {
        let name = decode(name)?;
        if name.starts_with('.') || name.contains(['/', '\\', '\0']) || LEAVING.contains(&&*name) {
            return None;
        }
        let is_shown = |found: &PathBuf| found.starts_with(site) && !found.starts_with(site.join(&SCRIPTS[1..]));
        found = fs::canonicalize(found.join(name)).ok().filter(is_shown)?;
    }
    match (fs::metadata(&found).ok()?.file_type(), path.ends_with('/')) {
        (kind, false) if kind.is_file() => Some(Wanted::File(found.strip_prefix(site).ok()?.to_owned())),
        (kind, true) if kind.is_dir() => Some(Wanted::Directory),
        _ => None,
    }
}

/// The bytes that a name stands for, if they are UTF-8: all names of the directory are.
fn decode(name: &str) -> Option<String> {
    let (mut decoded, mut rest) = (Vec::new(), name.as_bytes());
    while let Some((&byte, after)) = rest.split_first() {
        if byte == b'%' {
            let digits = str::from_utf8(after.get(..2)?).ok().filter(|digits| !digits.starts_with('+'))?;
            decoded.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            decoded.push(byte);
            rest = after;
        }
    }
    String::from_utf8(decoded).ok()
}

/// Writes the files. Each file beneath the directory has its own path as its content, except secrets.
fn write(site: &Path) -> io::Result<()> {
    fs::create_dir_all(site.join("dir/deep"))?;
    fs::create_dir(site.join(".git"))?;
    fs::create_dir(site.join("cgi-bin"))?;
    for file in ["a.txt", "dir/b.txt", "dir/deep/c.txt"] {
        fs::write(site.join(file), file)?;
    }
    for file in [".hidden", ".git/config", "cgi-bin/hello", "../secret"] {
        fs::write(site.join(file), SECRET)?;
    }
    for (link, target) in [
        ("inside", "dir/b.txt"),
        ("inside-dir", "dir/deep"),
        ("dir/deep/up", "../../a.txt"),
        ("and-back", "../site/a.txt"),
        ("outside", "../secret"),
        ("outside-dir", ".."),
        ("script", "cgi-bin/hello"),
        ("dir/scripts", "../cgi-bin"),
        ("loop", "loop"),
        ("device", "/dev/zero"),
        ("proc", "/proc/self/root"),
    ] {
        symlink(target, site.join(link))?;
    }
    symlink(site.join("dir"), site.join("absolute"))?;
    UnixListener::bind(site.join("socket"))?;
    mknodat(CWD, site.join("fifo"), FileType::Fifo, Mode::RWXU, 0)?;
    Ok(())
}
