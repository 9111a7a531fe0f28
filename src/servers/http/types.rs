//! The type of a file, by the extension of its name.

use std::collections::HashMap;

/// Types that the operator has chosen, by extension in small letters. All others are those of `mime_guess`.
#[derive(Clone, Debug, Default)]
pub(super) struct Types {
    pub(super) chosen: HashMap<String, String>,
}

const UNKNOWN: &str = "application/octet-stream";

impl Types {
    /// Returns the value of `Content-Type` for a file with this name. Text is UTF-8.
    pub(super) fn of(&self, name: &[u8]) -> String {
        let name = String::from_utf8_lossy(name);
        let name = name.rsplit('/').next().unwrap_or_default();
        let Some((_, extension)) = name.rsplit_once('.') else { return UNKNOWN.to_owned() };
        if let Some(chosen) = self.chosen.get(&extension.to_ascii_lowercase()) {
            return chosen.clone();
        }
        let found = mime_guess::from_ext(extension).first_raw().unwrap_or(UNKNOWN);
        let is_text = found.starts_with("text/")
            || found.ends_with("+xml")
            || ["application/javascript", "application/json", "application/xml"].contains(&found);
        if is_text { format!("{found}; charset=utf-8") } else { found.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_decides() {
        let chosen = HashMap::from([("log".to_owned(), "text/plain".to_owned())]);
        let types = Types { chosen };
        for (name, want) in [
            ("a/b.html", "text/html; charset=utf-8"),
            ("INDEX.HTM", "text/html; charset=utf-8"),
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.svg", "image/svg+xml; charset=utf-8"),
            ("a.json", "application/json; charset=utf-8"),
            ("a.png", "image/png"),
            ("a.tar.gz", "application/gzip"),
            ("a.LOG", "text/plain"),
            ("a.unknown", UNKNOWN),
            ("a.dir/name", UNKNOWN),
            ("Makefile", UNKNOWN),
        ] {
            assert_eq!(types.of(name.as_bytes()), want, "{name}");
        }
    }
}
