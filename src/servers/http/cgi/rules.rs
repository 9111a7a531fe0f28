//! Which paths are scripts.
//!
//! Invariant: the rules see decoded paths only, so no spelling of a path evades them.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::CgiOptions;
use crate::servers::http::path::SitePath;

/// Tells scripts from other files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    /// The names of the directory with scripts, joined by `/`.
    pub(crate) prefix: Option<Vec<u8>>,
    /// Programs by extension, in small letters and without the dot.
    handlers: Vec<(String, PathBuf)>,
}

impl Rules {
    /// # Errors
    /// If the prefix is no path, an extension is empty, or a program cannot be found.
    pub(crate) fn new(options: &CgiOptions) -> io::Result<Self> {
        let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidInput, what);
        let prefix = options.prefix.as_ref().map(|prefix| {
            let path = SitePath::decode(prefix, true).ok().filter(|_| prefix.starts_with('/'));
            path.map(|path| path.names).ok_or_else(|| invalid(format!("{prefix} is no path of a URL")))
        });
        let handlers = options.handlers.iter().map(|(extension, program)| {
            let name = extension.strip_prefix('.').unwrap_or(extension);
            if name.is_empty() || name.contains(['.', '/']) {
                return Err(invalid(format!("{extension} is no extension")));
            }
            let program = crate::Spawn::new(program).find_program().map_err(|error| {
                io::Error::new(error.kind(), format!("cannot run {} for {extension}: {error}", program.display()))
            })?;
            Ok((name.to_ascii_lowercase(), program))
        });
        Ok(Rules { prefix: prefix.transpose()?, handlers: handlers.collect::<io::Result<_>>()? })
    }

    /// Whether no file is a script.
    pub(crate) fn is_empty(&self) -> bool {
        self.prefix.is_none() && self.handlers.is_empty()
    }

    /// Whether a path is the directory with scripts, or beneath it.
    pub(crate) fn is_beneath(&self, names: &[u8]) -> bool {
        self.prefix.as_deref().is_some_and(|prefix| is_beneath(names, prefix))
    }

    /// Returns the program that runs a file with this path, by its extension.
    pub(crate) fn handler(&self, names: &[u8]) -> Option<&Path> {
        let name = names.rsplit(|&byte| byte == b'/').next()?;
        let extension = &name[memchr::memrchr(b'.', name)? + 1..];
        let found = self.handlers.iter().find(|(known, _)| extension.eq_ignore_ascii_case(known.as_bytes()));
        found.map(|(_, program)| program.as_path())
    }

    /// Whether a file with this path is a script.
    pub(crate) fn is_script(&self, names: &[u8]) -> bool {
        self.is_beneath(names) || self.handler(names).is_some()
    }
}

/// Whether a path without a `/` at its end is `directory`, or beneath it.
pub(crate) fn is_beneath(path: &[u8], directory: &[u8]) -> bool {
    let rest = path.strip_prefix(directory);
    rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/' || directory.is_empty() || directory == b"/")
}

/// A script, and the rest of the path of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScriptFile {
    /// The directory that is served.
    pub(crate) root: PathBuf,
    /// The file.
    pub(crate) file: PathBuf,
    /// The path of the URL that leads to it, decoded.
    pub(crate) name: Vec<u8>,
    /// The path after that, decoded. It is empty, or begins with `/`.
    pub(crate) path_info: Vec<u8>,
    /// The program that runs it, if it is not executed itself.
    pub(crate) handler: Option<PathBuf>,
}

impl ScriptFile {
    /// Whether its output goes to the client as it is: `nph-` stands for *non-parsed header* (RFC 3875, section 5).
    pub(super) fn is_nph(&self) -> bool {
        self.file.file_name().is_some_and(|name| name.as_bytes().starts_with(b"nph-"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(prefix: Option<&str>, extensions: &[&str]) -> io::Result<Rules> {
        let handlers = extensions.iter().map(|&extension| (extension.to_owned(), "/bin/sh".into())).collect();
        Rules::new(&CgiOptions { prefix: prefix.map(str::to_owned), handlers, ..CgiOptions::default() })
    }

    #[test]
    fn whole_names_decide_about_the_prefix() {
        let rules = rules(Some("/cgi-bin/"), &[]).expect("a path");
        for (names, want) in [
            (&b"cgi-bin"[..], true),
            (b"cgi-bin/a", true),
            (b"cgi-bin/a/b.html", true),
            (b"cgi-binary/a", false),
            (b"a/cgi-bin/b", false),
            (b"", false),
            (b"Cgi-bin/a", false),
        ] {
            assert_eq!(rules.is_script(names), want, "{}", names.escape_ascii());
        }
    }

    #[test]
    fn the_whole_site_may_be_scripts() {
        let rules = rules(Some("/"), &[]).expect("a path");
        assert!(rules.is_script(b"a") && rules.is_script(b"a/b"));
        assert!(is_beneath(b"/a", b"/") && is_beneath(b"/", b"/") && !is_beneath(b"/ab", b"/a"));
    }

    #[test]
    fn the_last_extension_decides_in_any_case() {
        let rules = rules(None, &[".php", "PL"]).expect("extensions");
        for (names, want) in [
            (&b"a.php"[..], true),
            (b"x/a.PhP", true),
            (b"a.pl", true),
            (b"a.php.gz", false),
            (b"a.php/b", false),
            (b"php", false),
            (b".php", true),
            (b"a.", false),
        ] {
            assert_eq!(rules.is_script(names), want, "{}", names.escape_ascii());
        }
    }

    #[test]
    fn wrong_rules_are_errors() {
        for prefix in ["", "cgi-bin", "/../a", "/a%zz"] {
            assert!(rules(Some(prefix), &[]).is_err(), "{prefix}");
        }
        for extension in ["", ".", ".a.b", "/"] {
            assert!(rules(None, &[extension]).is_err(), "{extension}");
        }
        let handlers = vec![(".a".to_owned(), "/no/program".into())];
        let error = Rules::new(&CgiOptions { handlers, ..CgiOptions::default() }).expect_err("no such program");
        assert!(error.to_string().starts_with("cannot run /no/program for .a: No such file"), "{error}");
    }
}
