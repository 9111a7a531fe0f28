//! The pages point to what exists: pages, headings, tests, and flags with their defaults.

use super::script::{page, pages};
use std::fs;
use std::path::Path;
use std::process::Command;

/// The targets of the links on a page.
fn links(text: &str) -> Vec<&str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter(|link| !link.contains("://")).collect()
}

fn is_source(link: &str) -> bool {
    Path::new(link).extension().is_some_and(|extension| extension == "rs" || extension == "js")
}

/// The name by which a heading can be linked to.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>().replace(' ', "-")
}

#[test]
fn every_link_leads_somewhere() {
    let mut count = 0;
    for path in pages() {
        let text = fs::read_to_string(&path).expect("a readable page");
        let folder = path.parent().expect("a file is in a directory");
        for link in links(&text) {
            count += 1;
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { folder.join(file) };
            assert!(target.exists(), "{}: no such file: {link}", path.display());
            let has_heading = heading.is_empty()
                || fs::read_to_string(&target)
                    .is_ok_and(|text| text.lines().any(|line| line.starts_with('#') && anchor(line) == heading));
            assert!(has_heading, "{}: no such heading: {link}", path.display());
        }
    }
    assert!(count > 30, "only {count} links were found");
}

#[test]
fn the_summary_of_the_book_lists_every_page_once() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let mut expected = pages();
    expected.retain(|path| path.starts_with(&folder) && !path.ends_with("SUMMARY.md"));
    let summary = page("docs/SUMMARY.md");
    let mut listed: Vec<_> = links(&summary).iter().map(|link| folder.join(link)).collect();
    listed.sort();
    assert_eq!(listed, expected);
}

/// The part of a page below a heading.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let (_, after) = text.split_once(&format!("\n## {heading}\n")).expect("the heading");
    after.split("\n## ").next().unwrap_or_default()
}

fn rows(table: &str) -> impl Iterator<Item = &str> {
    table.lines().filter(|line| line.starts_with("| ")).skip(1)
}

#[test]
fn every_promise_names_tests_that_exist() {
    let testing = page("docs/testing.md");
    let mut count = 0;
    for row in rows(section(&testing, "Promises and their tests")) {
        let sources = links(row).into_iter().filter(|link| is_source(link));
        let files: String = sources.map(|file| page(&format!("docs/{file}"))).collect();
        let names = code(row).filter(|word| word.contains('_') && !word.contains([' ', '.']));
        for name in names {
            count += 1;
            assert!(files.contains(&format!("fn {name}()")), "no test {name} in the files of {row}");
        }
    }
    assert!(count >= 10, "only {count} tests were found");
}

#[test]
fn every_promise_of_the_readme_has_one_link() {
    let readme = page("README.md");
    let promises: Vec<_> = rows(section(&readme, "Promises")).collect();
    assert!(promises.len() >= 9, "only {} promises were found", promises.len());
    for row in promises {
        assert_eq!(links(row).len(), 1, "{row}");
    }
}

#[test]
fn the_readme_shows_the_echo_example() {
    let readme = page("README.md");
    let shown = readme.split("```rust,no_run\n").nth(1).and_then(|after| after.split("```").next());
    let example = page("docs/examples/echo.rs");
    let (_, example) = example.split_once("\n\n").expect("a comment, then the code");
    assert_eq!(shown, Some(example));
}

/// Words in backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn the_architecture_points_to_what_is_there() {
    let text = page("docs/architecture.md");
    let (_, after) = text.split_once("## Where is X?").expect("the heading");
    let (table, _) = after.split_once("\n## ").expect("another heading follows");
    let mut count = 0;
    for row in table.lines().filter(|line| line.starts_with("| W")) {
        let answer = row.rsplit(" | ").next().unwrap_or_default();
        let files = code(answer).filter(|word| is_source(word));
        let reactor = answer.contains("`Reactor::").then_some("reactor/mod.rs");
        let sources: String = files.chain(reactor).map(|file| page(&format!("src/{file}"))).collect();
        for name in code(answer).filter(|word| !is_source(word)) {
            let name = name.rsplit("::").next().unwrap_or_default();
            let forms = ["fn {}(", "fn {}<", "struct {} ", "const {}:", "class {} ", "function {}("];
            let forms = forms.map(|form| form.replace("{}", name));
            let is_there = forms.iter().any(|form| sources.contains(form));
            assert!(is_there, "{name} is not where it should be: {row}");
            count += 1;
        }
    }
    assert!(count >= 20, "only {count} names were found");
}

/// All source files below a folder, one after the other.
fn sources(folder: &Path) -> String {
    let entries = fs::read_dir(folder).expect("a folder of sources");
    let paths = entries.map(|entry| entry.expect("a readable directory").path());
    let texts = paths.map(|path| {
        if path.is_dir() { sources(&path) } else { fs::read_to_string(&path).expect("a readable source file") }
    });
    texts.collect()
}

#[test]
fn the_glossary_names_types_that_exist() {
    let text = page("docs/architecture.md");
    let (_, after) = text.split_once("## Words").expect("the heading");
    let (words, _) = after.split_once("\n## ").expect("another heading follows");
    let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let rows = words.lines().filter(|line| line.starts_with('|')).filter_map(|row| row.split(" | ").next());
    let names: Vec<&str> = rows.flat_map(code).collect();
    for name in &names {
        let is_there = ["struct", "enum", "trait"].iter().any(|kind| {
            let declaration = format!("{kind} {name}");
            sources.split(declaration.as_str()).skip(1).any(|rest| !rest.starts_with(char::is_alphanumeric))
        });
        assert!(is_there, "there is no type {name}");
    }
    assert!(names.len() >= 20, "only {} names were found", names.len());
}

#[test]
fn the_architecture_has_a_line_for_each_dependency() {
    let (text, manifest) = (page("docs/architecture.md"), page("Cargo.toml"));
    let (_, after) = manifest.split_once("\n[dependencies]\n").expect("the dependencies");
    let (crates, _) = after.split_once("\n[").expect("another table follows");
    for name in crates.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name) {
        assert!(text.contains(&format!("`{name}`")), "{name} is missing");
    }
}

/// Long flags of a help text, each with its default, if one is shown.
fn flags(help: &str) -> Vec<(&str, Option<&str>)> {
    let mut flags = Vec::new();
    for line in help.lines() {
        let text = line.trim();
        if text.starts_with('-')
            && let Some(at) = text.find("--")
        {
            let name = text[at..].split([' ', '.', '[']).next().unwrap_or_default();
            flags.push((name, None));
        } else if let Some((_, after)) = text.split_once("[default: ")
            && let Some((_, default)) = flags.last_mut()
        {
            *default = after.split(']').next();
        }
    }
    flags
}

#[test]
fn the_table_of_flags_is_that_of_the_servers() {
    let flags_page = page("docs/flags.md");
    let rows: Vec<Vec<&str>> =
        flags_page.lines().filter(|line| line.starts_with("| `-")).map(|line| line.split(" | ").collect()).collect();
    let shown = |name: &str| {
        rows.iter().find(|row| row[0].contains(&format!("{name} ")) || row[0].contains(&format!("{name}`")))
    };
    let output =
        Command::new(env!("CARGO_BIN_EXE_uppercase-server")).arg("--help").output().expect("a program that runs");
    let help = String::from_utf8(output.stdout).expect("help is text");
    let known: Vec<_> =
        flags(&help).into_iter().filter(|(name, _)| !["--unicode", "--help", "--version"].contains(name)).collect();
    for (name, default) in &known {
        let row = shown(name).unwrap_or_else(|| panic!("{name} is not in the table"));
        assert!(default.is_none_or(|default| row[1] == default), "{name}: {default:?} is not {:?}", row[1]);
    }
    assert_eq!(rows.len(), known.len(), "the table has flags that the servers do not have");
}
