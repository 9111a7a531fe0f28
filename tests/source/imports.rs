//! The folders of `src` stand in one order, and a folder imports only from those above it.
//!
//! Looks at paths only (`use`, `crate::...`, `super::...`), in code that is not compiled for tests alone. Macros that
//! make paths would be missed; there are none.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The folders of `src`, each above those that may import from it.
const FOLDERS: [&str; 10] =
    ["net", "workers", "connection", "state", "handler", "framing", "console", "reactor", "sim", "servers"];

/// What a reader takes in at one look.
const MOST_ENTRIES: usize = 13;

#[test]
fn a_folder_imports_only_from_folders_above_it() {
    let root = Path::new("src");
    let lib = fs::read_to_string(root.join("lib.rs")).expect("the root of the crate");
    let exports = exports(&tokens(&lib));
    let (mut files, mut faults) = (0, Vec::new());
    for folder in FOLDERS {
        for path in sources(&root.join(folder)) {
            let source = fs::read_to_string(&path).expect("a source file");
            files += 1;
            faults.extend(faults_of(path.strip_prefix(root).expect("a path in src"), &source, &exports));
        }
    }
    assert!(files > 50, "only {files} files were found");
    assert!(faults.is_empty(), "imports from a folder below:\n{}", faults.join("\n"));
}

#[test]
fn src_has_few_entries_and_each_folder_its_place() {
    let entries: Vec<PathBuf> =
        fs::read_dir("src").expect("src").map(|entry| entry.expect("an entry").path()).collect();
    assert!(entries.len() <= MOST_ENTRIES, "{} entries in src: {entries:?}", entries.len());
    for folder in entries.iter().filter(|path| path.is_dir()) {
        let name = folder.file_name().expect("a name").to_string_lossy();
        assert!(FOLDERS.contains(&&*name), "src/{name} has no place in the order of folders");
    }
}

/// The names that a file imports though its folder may not.
fn faults_of(path: &Path, source: &str, exports: &HashMap<String, String>) -> Vec<String> {
    let folder = path.iter().next().and_then(|name| name.to_str()).expect("a file in a folder");
    let named = roots(&without_tests(&tokens(source)), depth(path));
    let below = named.into_iter().filter(|name| !may_import(folder, exports.get(name).unwrap_or(name)));
    below.map(|name| format!("src/{} imports {name}", path.display())).collect()
}

fn may_import(folder: &str, from: &str) -> bool {
    let place = |name| FOLDERS.iter().position(|&folder| folder == name);
    // A name that is neither a folder nor exported from one belongs to no folder: the root of the crate itself.
    place(from).is_some_and(|from| Some(from) <= place(folder))
}

/// The source files below a folder, those of tests left out.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of src") {
        let path = entry.expect("an entry").path();
        match path.file_stem().and_then(|stem| stem.to_str()) {
            Some("tests") => {}
            _ if path.is_dir() => found.extend(sources(&path)),
            _ if path.extension().is_some_and(|extension| extension == "rs") => found.push(path),
            _ => {}
        }
    }
    found
}

/// How many `super` lead from the module of a file to the root of the crate.
fn depth(path: &Path) -> usize {
    path.components().count() - usize::from(path.ends_with("mod.rs"))
}

/// The words and signs of a source. Comments, strings and characters are left out; `::` is one sign.
fn tokens(source: &str) -> Vec<String> {
    let (mut tokens, mut rest) = (Vec::new(), source);
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len());
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("r#\"") {
            rest.find("\"#").expect("the end of a raw string") + 2
        } else if first == '"' {
            string_length(rest)
        } else if first == '\'' {
            character_length(rest)
        } else if word > 0 {
            tokens.push(rest[..word].to_owned());
            word
        } else if rest.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text[1..].find(|c| {
        let is_end = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        is_end
    });
    end.expect("the end of a string") + 2
}

/// A character, or the quote of a lifetime.
fn character_length(text: &str) -> usize {
    if text[1..].starts_with('\\') {
        return 3 + text[3..].find('\'').expect("the end of a character") + 1;
    }
    let length = text[1..].chars().next().map_or(0, char::len_utf8);
    if text[1 + length..].starts_with('\'') { length + 2 } else { 1 }
}

/// Leaves out the items under `#[cfg(test)]`.
fn without_tests(tokens: &[String]) -> Vec<String> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at..].iter().take(MARK.len()).eq(&MARK) {
            at += item_length(&tokens[at..]);
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// An item ends with its first semicolon or closing brace outside of brackets.
fn item_length(tokens: &[String]) -> usize {
    let mut open = 0;
    for (index, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "(" | "[" | "{" => open += 1,
            ")" | "]" | "}" => open -= 1,
            _ => {}
        }
        if open == 0 && matches!(token.as_str(), ";" | "}") {
            return index + 1;
        }
    }
    tokens.len()
}

/// What is named below the root of the crate, by `crate::` or by `depth` times `super::`.
fn roots(tokens: &[String], depth: usize) -> Vec<String> {
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        let supers = tokens[at..].chunks(2).take_while(|pair| pair == &["super", "::"]).count();
        let is_first = at < 2 || tokens[at - 1] != "::";
        if tokens[at..].starts_with(&["crate".to_owned(), "::".to_owned()]) {
            found.extend(names(&tokens[at + 2..]));
        } else if is_first && supers >= depth.max(1) {
            found.extend(names(&tokens[at + 2 * supers..]));
        }
    }
    found
}

/// The first name of a path, or of each path in a list.
fn names(tokens: &[String]) -> Vec<String> {
    if tokens[0] != "{" {
        return vec![tokens[0].clone()];
    }
    let (mut found, mut open) = (Vec::new(), 0);
    for (index, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "{" => open += 1,
            "}" => open -= 1,
            name if open == 1 && matches!(tokens[index - 1].as_str(), "{" | ",") => found.push(name.to_owned()),
            _ => {}
        }
        if open == 0 {
            break;
        }
    }
    found
}

/// The folder of each name that `lib.rs` exports: `pub use FOLDER::...::NAME;` or `...::{NAME, NAME};`
fn exports(tokens: &[String]) -> HashMap<String, String> {
    let mut found = HashMap::new();
    for item in tokens.split(|token| token == ";") {
        let Some(path) = item.iter().position(|token| token == "use").map(|at| &item[at + 1..]) else { continue };
        for (index, name) in path.iter().enumerate() {
            if path.get(index + 1).is_none_or(|next| matches!(next.as_str(), "," | "}")) && name != "}" {
                found.insert(name.clone(), path[0].clone());
            }
        }
    }
    found
}

mod tests {
    use super::*;

    fn roots_of(source: &str, depth: usize) -> Vec<String> {
        roots(&without_tests(&tokens(source)), depth)
    }

    #[test]
    fn finds_every_way_to_name_a_folder() {
        assert_eq!(roots_of("use crate::net::Address;", 1), ["net"]);
        assert_eq!(roots_of("use crate::{net::{A, B}, state::C, Context};", 1), ["net", "state", "Context"]);
        assert_eq!(roots_of("fn f(cx: &mut crate::Context<'_>) -> char { '\"' }", 1), ["Context"]);
        assert_eq!(roots_of("pub(crate) use super::super::sim::Sim;", 2), ["sim"]);
        assert_eq!(roots_of("use super::sim::Sim;", 1), ["sim"]);
        assert_eq!(roots_of("use super::sibling::Thing;", 2), <[&str; 0]>::default());
    }

    #[test]
    fn comments_strings_and_tests_name_nothing() {
        let none: [&str; 0] = [];
        assert_eq!(
            roots_of("/// See crate::servers.\nconst A: &str = \"crate::\\\"servers::\"; // crate::sim", 1),
            none
        );
        assert_eq!(roots_of("#[cfg(test)]\nmod tests { use crate::servers::Echo; fn f() { g() } }", 1), none);
        assert_eq!(roots_of("#[cfg(test)] use crate::sim::Sim; use crate::net::Host;", 1), ["net"]);
    }

    #[test]
    fn an_import_from_below_is_a_fault() {
        let exports = exports(&tokens("pub use handler::context::Context; pub use state::{limits::Limits, Stop};"));
        let faults = |path: &str, source: &str| faults_of(Path::new(path), source, &exports);
        assert_eq!(faults("state/mod.rs", "use crate::{net::Host, sim::Sim};"), ["src/state/mod.rs imports sim"]);
        assert_eq!(faults("state/flush.rs", "fn f(_: crate::Context) {}"), ["src/state/flush.rs imports Context"]);
        assert_eq!(faults("net/mod.rs", "use super::{state, workers};").len(), 2);
        assert!(faults("handler/mod.rs", "use crate::state::State; use crate::{Limits, Stop};").is_empty());
        assert!(faults("state/mod.rs", "#[cfg(test)] use crate::sim::Sim;").is_empty());
    }
}
