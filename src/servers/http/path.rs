//! The path of a request, decoded once.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};

/// A path below the directory that is served: names joined by `/`, without empty ones. The directory itself is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SitePath {
    pub(super) names: Vec<u8>,
    /// Whether it ends in `/`, so that it can only be a directory.
    pub(super) has_slash: bool,
}

/// Why a path is not looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadPath {
    /// It has no meaning: 400, with a reason.
    Malformed(&'static str),
    /// There is no file for it: 404.
    Missing,
}

/// Characters of a name that are encoded in a URL: all that could end a path or have another meaning in one.
const ENCODED: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'<').add(b'>').add(b'?').add(b'\\').add(b'^').add(b'`');

impl SitePath {
    /// Decodes the path of a target, which begins with `/`. Empty names are left out. Names that begin with a dot are
    /// missing unless `has_dotfiles`.
    pub(super) fn decode(path: &str, has_dotfiles: bool) -> Result<Self, BadPath> {
        if !is_encoded_well(path) {
            return Err(BadPath::Malformed("a % in the path is not followed by two hexadecimal digits"));
        }
        let mut names = Vec::with_capacity(path.len());
        for encoded in path.split('/').filter(|name| !name.is_empty()) {
            let name: Vec<u8> = percent_decode_str(encoded).collect();
            match &name[..] {
                b"." | b".." => return Err(BadPath::Malformed("the path has . or .. as a name")),
                _ if name.contains(&0) => return Err(BadPath::Malformed("the path has a zero byte")),
                _ if name.contains(&b'\\') => return Err(BadPath::Malformed("the path has a backslash")),
                [b'.', ..] if !has_dotfiles => return Err(BadPath::Missing),
                // No name of a file has a slash.
                _ if name.contains(&b'/') => return Err(BadPath::Missing),
                _ => {}
            }
            if !names.is_empty() {
                names.push(b'/');
            }
            names.extend(name);
        }
        Ok(SitePath { names, has_slash: path.ends_with('/') })
    }

    /// Returns the path with `/` at both ends, encoded for a header or a link.
    pub(super) fn as_directory(&self) -> String {
        let names = percent_encode(&self.names, ENCODED);
        if self.names.is_empty() { "/".to_owned() } else { format!("/{names}/") }
    }
}

/// Encodes a name for a link.
pub(super) fn encode(name: &[u8]) -> String {
    percent_encode(name, ENCODED).to_string()
}

fn is_encoded_well(path: &str) -> bool {
    path.split('%').skip(1).all(|after| after.len() >= 2 && after.bytes().take(2).all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(path: &str) -> Result<(String, bool), BadPath> {
        let path = SitePath::decode(path, false)?;
        Ok((String::from_utf8_lossy(&path.names).into_owned(), path.has_slash))
    }

    #[test]
    fn a_path_is_decoded_once() {
        for (path, names, has_slash) in [
            ("/", "", true),
            ("/a", "a", false),
            ("/a/b.txt", "a/b.txt", false),
            ("/a/", "a", true),
            ("//a///b//", "a/b", true),
            ("/a%20b%2541", "a b%41", false),
            ("/%c3%BC/ü", "ü/ü", false),
            ("/a;b=c&d", "a;b=c&d", false),
            ("/...a", "", false),
        ] {
            let want = if path == "/...a" { Err(BadPath::Missing) } else { Ok((names.to_owned(), has_slash)) };
            assert_eq!(decoded(path), want, "{path}");
        }
        assert_eq!(SitePath::decode("/.well-known/x", true).map(|path| path.names), Ok(b".well-known/x".to_vec()));
    }

    #[test]
    fn no_path_leads_out() {
        for path in ["/..", "/../etc", "/a/../b", "/./a", "/%2e%2e/etc", "/%2E./x", "/a/.", "/%2e"] {
            let malformed = BadPath::Malformed("the path has . or .. as a name");
            assert_eq!(decoded(path), Err(malformed), "{path}");
            assert_eq!(SitePath::decode(path, true), Err(malformed), "{path}");
        }
        for path in ["/..%2fetc", "/a%2fb", "/%2F", "/.git", "/a/.env", "/..a"] {
            assert_eq!(decoded(path), Err(BadPath::Missing), "{path}");
        }
        assert_eq!(decoded("/a%00b"), Err(BadPath::Malformed("the path has a zero byte")));
        for path in ["/a\\b", "/..%5c..%5cetc", "/%5C"] {
            assert_eq!(decoded(path), Err(BadPath::Malformed("the path has a backslash")), "{path}");
        }
        for path in ["/%", "/a%2", "/%zz", "/%2", "/%%20", "/%+1"] {
            assert!(matches!(decoded(path), Err(BadPath::Malformed(_))), "{path}");
        }
    }

    #[test]
    fn a_directory_is_encoded_for_a_header() {
        for (path, want) in [("/", "/"), ("//evil.example", "/evil.example/"), ("/a%0d%0a b%3f", "/a%0D%0A%20b%3F/")] {
            let path = SitePath::decode(&path.replace(' ', "%20"), false).expect("a good path");
            assert_eq!(path.as_directory(), want);
        }
    }
}
