//! The page that lists a directory.

use std::fmt::Write;
use std::time::SystemTime;

use super::path::{SitePath, encode};

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    pub(super) is_directory: bool,
    /// In bytes.
    pub(super) size: u64,
    pub(super) modified: SystemTime,
}

/// The most entries of a page. The others are only mentioned.
pub(super) const MAX_ENTRIES: usize = 10_000;

/// Returns the page of a directory, in HTML: directories first, each part sorted by name.
pub(super) fn page(path: &SitePath, mut entries: Vec<Entry>, is_cut: bool) -> String {
    entries.sort_by(|a, b| b.is_directory.cmp(&a.is_directory).then_with(|| a.name.cmp(&b.name)));
    let title = format!("/{}", String::from_utf8_lossy(&path.names));
    let title = escape(&title);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body>\n<h1>{title}</h1>\n<table>\n<tr><th>Name</th><th>Size</th><th>Modified</th></tr>\n"
    );
    if !path.names.is_empty() {
        page += "<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>\n";
    }
    for entry in &entries {
        let slash = if entry.is_directory { "/" } else { "" };
        let size = if entry.is_directory { String::new() } else { entry.size.to_string() };
        // With `./` before it, no name is taken for a URL of its own.
        let link = escape(&encode(&entry.name));
        let name = escape(&String::from_utf8_lossy(&entry.name));
        let time = httpdate::fmt_http_date(entry.modified);
        // Writing to a String does not fail.
        let _ = writeln!(
            page,
            "<tr><td><a href=\"./{link}{slash}\">{name}{slash}</a></td><td>{size}</td><td>{time}</td></tr>"
        );
    }
    page += "</table>\n";
    if is_cut {
        let _ = writeln!(page, "<p>Only {MAX_ENTRIES} entries are shown.</p>");
    }
    page + "</body>\n</html>\n"
}

/// Replaces the characters that have a meaning in HTML, and control characters.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            _ if c.is_control() => escaped.push('\u{FFFD}'),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_sorted() {
        let entry = |name: &str, is_directory| Entry {
            name: name.as_bytes().to_vec(),
            is_directory,
            size: 5,
            modified: SystemTime::UNIX_EPOCH,
        };
        let path = SitePath::decode("/a%3Cb%3E/", false).expect("a good path");
        let entries = vec![entry("b.txt", false), entry("<i>\n'\"&.txt", false), entry("javascript:x", true)];
        let page = page(&path, entries, false);
        assert!(page.contains("<title>/a&lt;b&gt;</title>"), "{page}");
        let lines: Vec<&str> = page.lines().filter(|line| line.contains("./")).collect();
        let time = "Thu, 01 Jan 1970 00:00:00 GMT";
        let want = [
            "<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>".to_owned(),
            format!("<tr><td><a href=\"./javascript:x/\">javascript:x/</a></td><td></td><td>{time}</td></tr>"),
            format!(
                "<tr><td><a href=\"./%3Ci%3E%0A&#39;%22&amp;.txt\">&lt;i&gt;\u{FFFD}&#39;&quot;&amp;.txt</a></td>\
                 <td>5</td><td>{time}</td></tr>"
            ),
            format!("<tr><td><a href=\"./b.txt\">b.txt</a></td><td>5</td><td>{time}</td></tr>"),
        ];
        assert_eq!(lines, want);
    }
}
