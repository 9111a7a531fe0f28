//! The directory that is served, and what is found in it.
//!
//! Invariant: nothing outside of the directory is opened. The kernel resolves each path beneath it (openat2(2)), with
//! all links in it. Where the kernel cannot do that, no link is followed. A script is not shown, whatever link leads to
//! it. Runs in a worker, because a file system may be slow.

use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Access, Dir, FileType, Mode, OFlags, ResolveFlags, open, openat, openat2};
use rustix::io::Errno;

use super::SiteOptions;
use super::cgi::{Rules, ScriptFile, is_beneath};
use super::conditions::whole_seconds;
use super::encodings::Encodings;
use super::file::{Content, Identity, Version};
use super::listing::{self, Entry, MAX_ENTRIES};
use super::path::{BadPath, SitePath};
use super::types::Types;
use crate::framing::http::{Status, encode_header};

/// The directory that is served.
#[derive(Debug)]
pub(super) struct Tree {
    root: OwnedFd,
    /// Whether the system has openat2(2). Linux before 5.6 and some sandboxes lack it.
    pub(super) has_openat2: bool,
    options: SiteOptions,
    types: Types,
    rules: Rules,
}

/// What is found at a path.
#[derive(Debug)]
pub(super) enum Found {
    /// A regular file.
    Version(Arc<Version>),
    /// A script.
    Script(Arc<ScriptFile>),
    /// A directory whose path lacks the `/` at its end. The path with it.
    Directory(String),
    /// A directory without an index: its listing.
    Listing(String),
}

/// Why nothing is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: Status,
    /// For the client. It may be empty.
    pub(super) reason: &'static str,
    /// For the log, if the operator should know.
    pub(super) trouble: Option<String>,
}

impl Refusal {
    /// A refusal without a reason.
    pub(super) const fn of(status: Status) -> Self {
        Refusal::new(status, "")
    }

    /// A refusal with a reason for the client.
    pub(super) const fn new(status: Status, reason: &'static str) -> Self {
        Refusal { status, reason, trouble: None }
    }

    pub(super) fn of_not_executable(script: &Path) -> Self {
        let shown = crate::sanitize(script.as_os_str().as_bytes());
        let trouble = Some(format!("{shown} is not executable; run chmod +x {shown}"));
        Refusal { trouble, ..Refusal::new(Status::FORBIDDEN, "the script is not executable") }
    }

    /// Whether the process has no descriptor for the file.
    pub(super) fn lacks_descriptors(&self) -> bool {
        self.reason == NO_DESCRIPTORS.reason
    }
}

/// How a file is opened to be shown. Nonblocking: without a writer, the open of a named pipe would wait for one. For a
/// file it has no effect.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// How often a file that changes while it is read is read again.
const TRIES: usize = 3;

impl Tree {
    /// Opens the directory.
    ///
    /// # Errors
    /// If it is no directory, or cannot be opened.
    pub(super) fn open(path: &Path, options: SiteOptions) -> io::Result<Self> {
        let root = open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let types = Types { chosen: options.types.clone() };
        let rules = Rules::new(&options.cgi)?;
        let mut tree = Tree { root, has_openat2: true, options, types, rules };
        // Some sandboxes answer unknown calls with EPERM.
        if let Err(Errno::NOSYS | Errno::PERM) = tree.open_beneath(b".", READ) {
            log::warn!("links are not followed: the system call openat2 is missing, which Linux has since 5.6");
            tree.has_openat2 = false;
        }
        if let Some(prefix) = tree.rules.prefix.as_deref().filter(|prefix| !prefix.is_empty())
            && let Err(error) = tree.open_beneath(prefix, OFlags::PATH | OFlags::DIRECTORY)
        {
            log::warn!("there is no directory {} for --cgi: {}", crate::sanitize(prefix), io::Error::from(error));
        }
        match tree.open_beneath(b".", READ) {
            Err(error) => Err(error.into()),
            Ok(_) if tree.rules.is_empty() => Ok(tree),
            Ok(_) => path_of(&tree.root).map(|_| tree).map_err(|error| {
                io::Error::new(error.kind(), format!("/proc/self/fd, which scripts need, cannot be read: {error}"))
            }),
        }
    }

    /// Whether files may be scripts.
    pub(super) fn has_scripts(&self) -> bool {
        !self.rules.is_empty()
    }

    /// Finds what is at the path of a target. If `known` is still the version there, it is returned.
    ///
    /// # Errors
    /// If the path is not valid, if there is nothing to serve, or if it cannot be read.
    pub(super) fn find(&self, path: &str, accepted: Encodings, known: Option<&Arc<Version>>) -> Result<Found, Refusal> {
        let path = &SitePath::decode(path, self.options.dotfiles).map_err(|bad| match bad {
            BadPath::Malformed(reason) => Refusal::new(Status::BAD_REQUEST, reason),
            BadPath::Missing => NOT_FOUND,
        })?;
        if let Some(script) = self.script(path)? {
            return Ok(Found::Script(script));
        }
        let (file, kind) = self.open_kind(&path.names)?;
        match (kind, path.has_slash) {
            (FileType::RegularFile, false) => self.version(file, &path.names, accepted, known),
            (FileType::Directory, false) => Ok(Found::Directory(path.as_directory())),
            (FileType::Directory, true) => {
                let mut index = path.names.clone();
                index.extend(if index.is_empty() { &b""[..] } else { b"/" });
                index.extend(self.options.index.as_bytes());
                if let Some(script) = self.script(&SitePath { names: index.clone(), has_slash: false })? {
                    return Ok(Found::Script(script));
                }
                match self.open_kind(&index) {
                    Ok((file, FileType::RegularFile)) => self.version(file, &index, accepted, known),
                    Ok(_) | Err(NOT_FOUND) => self.listing(&file, path),
                    Err(refusal) => Err(refusal),
                }
            }
            _ => Err(NOT_FOUND),
        }
    }

    /// Returns the script that a path leads to. What is left of the path is for the script.
    ///
    /// # Errors
    /// If there is only a script that cannot run, or another thing that is not shown.
    fn script(&self, path: &SitePath) -> Result<Option<Arc<ScriptFile>>, Refusal> {
        if self.rules.is_empty() {
            return Ok(None);
        }
        let names = &path.names[..];
        let ends = memchr::memchr_iter(b'/', names).chain([names.len()]);
        for end in ends.filter(|&end| self.rules.is_script(&names[..end])) {
            match self.open_as(&names[..end], OFlags::PATH) {
                Ok((_, FileType::RegularFile)) => {
                    let rest = [&names[end..], if path.has_slash { b"/" } else { b"" }].concat();
                    return self.script_at(&names[..end], rest).map(|script| Some(Arc::new(script)));
                }
                Ok((_, FileType::Directory)) => {}
                Ok(_) => return Err(NOT_FOUND),
                Err(NOT_FOUND) => break,
                Err(refusal) => return Err(refusal),
            }
        }
        if self.rules.is_beneath(names) { Err(NOT_FOUND) } else { Ok(None) }
    }

    fn script_at(&self, names: &[u8], path_info: Vec<u8>) -> Result<ScriptFile, Refusal> {
        let root = path_of(&self.root).map_err(|error| failure(&error, names))?;
        let (file, name) = (root.join(OsStr::from_bytes(names)), [b"/", names].concat());
        let handler = self.rules.handler(names).map(Path::to_owned);
        if handler.is_none() && rustix::fs::access(&file, Access::EXEC_OK).is_err() {
            return Err(Refusal::of_not_executable(&file));
        }
        Ok(ScriptFile { root, file, name, path_info, handler })
    }

    /// Whether an open file is a script, or a directory has scripts, whatever path has led to it.
    fn is_script(&self, file: &File, kind: FileType) -> io::Result<bool> {
        if self.rules.is_empty() {
            return Ok(false);
        }
        let path = path_of(file)?;
        let path = path.as_os_str().as_bytes();
        // proc(5): a file that was removed meanwhile, as editors do to replace it.
        let path = path.strip_suffix(b" (deleted)").unwrap_or(path);
        if kind == FileType::RegularFile && self.rules.handler(path).is_some() {
            return Ok(true);
        }
        let Some(prefix) = &self.rules.prefix else { return Ok(false) };
        // The directory of scripts may itself be a link.
        let directory = std::fs::canonicalize(path_of(&self.root)?.join(OsStr::from_bytes(prefix)));
        Ok(directory.is_ok_and(|directory| is_beneath(path, directory.as_os_str().as_bytes())))
    }

    /// Opens what is at `names` to be shown, and tells what it is.
    fn open_kind(&self, names: &[u8]) -> Result<(File, FileType), Refusal> {
        let (file, kind) = self.open_as(names, READ)?;
        let is_script = self.is_script(&file, kind).map_err(|error| failure(&error, names))?;
        if is_script { Err(NOT_FOUND) } else { Ok((file, kind)) }
    }

    fn open_as(&self, names: &[u8], flags: OFlags) -> Result<(File, FileType), Refusal> {
        let names = if names.is_empty() { b"." } else { names };
        let file = File::from(self.open_beneath(names, flags).map_err(|error| refusal(error, names))?);
        let found = rustix::fs::fstat(&file).map_err(|error| refusal(error, names))?;
        Ok((file, FileType::from_raw_mode(found.st_mode)))
    }

    fn open_beneath(&self, names: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::CLOEXEC;
        if !self.has_openat2 {
            return open_without_links(&self.root, names, flags);
        }
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let mut result = Err(Errno::AGAIN);
        for _ in 0..TRIES {
            result = openat2(&self.root, names, flags, Mode::empty(), resolve);
            // openat2(2): another process renames something on the way of `..`.
            if !matches!(result, Err(Errno::AGAIN)) {
                break;
            }
        }
        result
    }

    /// Returns the file, or its sibling that is compressed in an accepted encoding and not older.
    fn version(
        &self,
        file: File,
        names: &[u8],
        accepted: Encodings,
        known: Option<&Arc<Version>>,
    ) -> Result<Found, Refusal> {
        let failed = |error: io::Error| failure(&error, names);
        let identity = Identity::of(&file).map_err(failed)?;
        let mut chosen = (file, identity, None);
        let mut varies = false;
        for encoding in [Encodings::GZIP, Encodings::BR] {
            let sibling = [names, encoding.suffix().as_bytes()].concat();
            let Ok((file, FileType::RegularFile)) = self.open_kind(&sibling) else { continue };
            let found = Identity::of(&file).map_err(failed)?;
            if found.modified() >= identity.modified() {
                varies = true;
                if accepted.contains(encoding) {
                    chosen = (file, found, Some(encoding));
                }
            }
        }
        let (mut file, mut identity, encoding) = chosen;
        for _ in 0..TRIES {
            if let Some(known) = known.filter(|known| known.identity == identity && known.varies == varies) {
                return Ok(Found::Version(Arc::clone(known)));
            }
            let again = file.try_clone().map_err(failed)?;
            if let Some(content) = Content::load(file, &identity).map_err(failed)? {
                let version = self.describe(names, (content, identity), encoding, varies);
                return Ok(Found::Version(Arc::new(version)));
            }
            (identity, file) = (Identity::of(&again).map_err(failed)?, again);
        }
        Err(Refusal::new(Status::SERVICE_UNAVAILABLE, "the file is being changed"))
    }

    fn describe(
        &self,
        names: &[u8],
        (content, identity): (Content, Identity),
        encoding: Option<Encodings>,
        varies: bool,
    ) -> Version {
        let validators = identity.validators(encoding.map_or("", Encodings::suffix));
        let (mut common, mut about) = (self.options.headers(), Vec::new());
        encode_header(&mut common, "ETag", validators.etag.as_bytes());
        encode_header(&mut common, "Last-Modified", httpdate::fmt_http_date(validators.modified).as_bytes());
        if let Some(value) = &self.options.cache_control {
            encode_header(&mut common, "Cache-Control", value.as_bytes());
        }
        if varies {
            encode_header(&mut common, "Vary", b"Accept-Encoding");
        }
        if let Some(encoding) = encoding {
            encode_header(&mut about, "Content-Encoding", encoding.name().as_bytes());
        }
        encode_header(&mut about, "Accept-Ranges", b"bytes");
        let media_type = self.types.of(names);
        let mut whole = common.clone();
        encode_header(&mut whole, "Content-Type", media_type.as_bytes());
        whole.extend(&about);
        Version { content, identity, validators, varies, common, media_type, whole, about }
    }

    fn listing(&self, directory: &File, path: &SitePath) -> Result<Found, Refusal> {
        if !self.options.listing {
            return Err(NOT_FOUND);
        }
        let (entries, is_cut) = self.entries(directory, path).map_err(|error| refusal(error, &path.names))?;
        Ok(Found::Listing(listing::page(path, entries, is_cut)))
    }

    /// Returns what is served of a directory, and whether there is more.
    fn entries(&self, directory: &File, path: &SitePath) -> Result<(Vec<Entry>, bool), Errno> {
        let mut entries = Vec::new();
        for found in Dir::read_from(directory.as_fd())? {
            let found = found?;
            if entries.len() == MAX_ENTRIES {
                return Ok((entries, true));
            }
            entries.extend(self.entry(directory, found.file_name(), path));
        }
        Ok((entries, false))
    }

    /// Returns what is at a name of a directory, if it is served.
    fn entry(&self, directory: &File, name: &CStr, path: &SitePath) -> Option<Entry> {
        let name = name.to_bytes();
        let is_hidden = name.starts_with(b".") && !self.options.dotfiles;
        // Requests for these are refused.
        if is_hidden || name == b"." || name == b".." || name.contains(&b'\\') {
            return None;
        }
        let slash: &[u8] = if path.names.is_empty() { b"" } else { b"/" };
        let names = [&path.names, slash, name].concat();
        if self.rules.is_beneath(&names) {
            return None;
        }
        let mut found = rustix::fs::statat(directory, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).ok()?;
        if FileType::from_raw_mode(found.st_mode) == FileType::Symlink {
            // A link that leads outside is not followed, not even for its size.
            let (target, _) = self.open_kind(&names).ok()?;
            found = rustix::fs::fstat(target).ok()?;
        }
        let is_directory = match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile => false,
            FileType::Directory => true,
            _ => return None,
        };
        let size = u64::try_from(found.st_size).unwrap_or(0);
        Some(Entry { name: name.to_vec(), is_directory, size, modified: whole_seconds(found.st_mtime) })
    }
}

/// Opens what is at `names` beneath a directory, and follows no link. Each name is opened in the directory before it,
/// so nothing leads out, whatever is renamed meanwhile.
fn open_without_links(root: &OwnedFd, names: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut place = None;
    let mut names = names.split(|&byte| byte == b'/').peekable();
    while let Some(name) = names.next() {
        if name == b".." {
            return Err(Errno::XDEV);
        }
        let is_last = names.peek().is_none();
        let flags = if is_last { flags } else { OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC };
        place = Some(openat(place.as_ref().unwrap_or(root), name, flags | OFlags::NOFOLLOW, Mode::empty())?);
    }
    place.ok_or(Errno::NOENT)
}

const NOT_FOUND: Refusal = Refusal::new(Status::NOT_FOUND, "");
const NO_DESCRIPTORS: Refusal = Refusal::new(Status::SERVICE_UNAVAILABLE, "too many files are open");

/// The absolute path of an open file, without links (proc(5)).
fn path_of(file: &impl AsRawFd) -> io::Result<PathBuf> {
    std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// What an error of a system call means for the client.
fn refusal(error: Errno, names: &[u8]) -> Refusal {
    match error {
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV | Errno::NAMETOOLONG | Errno::NXIO => NOT_FOUND,
        Errno::ACCESS | Errno::PERM => Refusal::new(Status::FORBIDDEN, "the server may not read it"),
        error => failure(&error.into(), names),
    }
}

fn failure(error: &io::Error, names: &[u8]) -> Refusal {
    let is_out = matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE));
    let (refusal, remedy) = if is_out {
        (NO_DESCRIPTORS, "; raise \"ulimit -n\"")
    } else {
        (Refusal::new(Status::INTERNAL_SERVER_ERROR, "the file cannot be read"), "")
    };
    let trouble = format!("cannot read {}: {error}{remedy}", crate::sanitize(names));
    Refusal { trouble: Some(trouble), ..refusal }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::servers::http::CgiOptions;

    /// An editor replaces a script at any time, also while a link to it is looked at.
    #[test]
    fn a_script_that_was_removed_is_still_one() {
        let place = tempfile::TempDir::new().expect("room for a directory");
        let cgi = CgiOptions { handlers: vec![(".php".to_owned(), "/bin/cat".into())], ..CgiOptions::default() };
        let tree = Tree::open(place.path(), SiteOptions { cgi, ..SiteOptions::default() }).expect("a directory");
        let path = place.path().join("a.php");
        fs::write(&path, "source").expect("room for a file");
        let file = File::open(&path).expect("a file");
        fs::remove_file(&path).expect("an own file");
        assert!(tree.is_script(&file, FileType::RegularFile).expect("a path"));
    }
}
