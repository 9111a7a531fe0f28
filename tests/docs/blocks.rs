//! Each block of code on the pages is run, compiled, or read by the program that it is for. Sessions and commands have
//! files of their own: `replay.rs` and `commands.rs`.

use super::replay::binaries;
use super::script::{self, Block};
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use tempfile::TempDir;

/// The language of blocks on a page, a file that checks them, and the test there.
const CHECKED: [(&str, &str, &str, &str); 10] = [
    ("README.md", "toml", "tests/docs/blocks.rs", "a_dependency_on_the_pages_is_this_crate"),
    ("docs/tutorial.md", "toml", "tests/docs/blocks.rs", "a_dependency_on_the_pages_is_this_crate"),
    ("docs/switchboard.md", "toml", "tests/docs/blocks.rs", "the_file_on_the_page_is_one_of_switchboard"),
    ("docs/doctor-script.md", "toml", "src/servers/doctor/tests/replay.rs", "docs/doctor-script.md"),
    ("docs/cgi.md", "python", "tests/docs/examples.rs", "the_page_on_cgi_shows_its_scripts"),
    ("docs/cgi.md", "html", "tests/docs/examples.rs", "the_page_on_cgi_shows_its_scripts"),
    ("docs/echo-server.md", "js", "tests/servers/web.rs", "a_browser_talks_to_its_own_server_only"),
    ("docs/metrics.md", "yaml", "tests/servers/metrics.rs", "prometheus_accepts_the_settings_on_the_page"),
    ("docs/proxy.md", "nginx", "tests/servers/proxy.rs", "nginx_with_the_settings_on_the_page_serves_pages"),
    ("docs/systemd.md", "ini", "tests/servers/service.rs", "the_unit_with_a_control_socket_is_sound"),
];

/// The blocks of all pages: the page, and the block.
fn all() -> Vec<(String, Block)> {
    let pages = script::pages().into_iter().flat_map(|path| {
        let text = fs::read_to_string(&path).expect("a readable page");
        let name = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).expect("a page of ours").display().to_string();
        script::blocks(&text).into_iter().map(move |block| (name.clone(), block))
    });
    pages.collect()
}

/// The only block of a language on a page.
fn only(page: &str, language: &str) -> String {
    let mut blocks = all();
    blocks.retain(|(name, block)| name == page && block.marker == language);
    assert_eq!(blocks.len(), 1, "{page} has several blocks of {language}");
    blocks[0].1.lines.join("\n") + "\n"
}

#[test]
fn each_block_of_the_pages_has_a_check() {
    let library = script::page("src/lib.rs");
    let mut counts = BTreeMap::new();
    for (page, block) in all() {
        let place = format!("{page}:{}", block.first_line);
        let language = block.marker.split(',').next().unwrap_or_default().to_owned();
        match language.as_str() {
            "console" | "sh" => {}
            "text" => assert!(!block.lines[0].starts_with("$ "), "{place}: a session is marked `console`"),
            "rust" => {
                assert!(library.contains(&format!("include_str!(\"../{page}\")")), "{place}: compiled by no doctest");
            }
            _ => {
                let check = CHECKED.iter().find(|(name, marker, ..)| (*name, *marker) == (&*page, &*language));
                let (.., file, test) = check.unwrap_or_else(|| panic!("{place}: {language} without a check"));
                assert!(script::page(file).contains(test), "{place}: {file} has no {test}");
            }
        }
        *counts.entry(language).or_insert(0) += 1;
    }
    assert!(counts["console"] > 90 && counts["rust"] > 10, "{counts:?}");
    for (page, language, ..) in CHECKED {
        assert!(counts[language] > 0, "{page} has no {language}");
    }
}

#[test]
fn a_dependency_on_the_pages_is_this_crate() {
    for page in ["README.md", "docs/tutorial.md"] {
        let table: toml::Table = only(page, "toml").parse().expect("TOML");
        let dependency = table["dependencies"]["switchboard"].as_table().expect("a table");
        assert_eq!(dependency["default-features"].as_bool(), Some(false), "{page}");
        let version = dependency.get("version").and_then(toml::Value::as_str);
        assert!(version.is_none_or(|version| env!("CARGO_PKG_VERSION").starts_with(version)), "{page}: {version:?}");
        assert!(version.is_some() || dependency["path"].as_str() == Some("../switchboard"), "{page}");
    }
}

#[test]
fn the_file_on_the_page_is_one_of_switchboard() {
    let place = TempDir::new().expect("room for a directory");
    let file = place.path().join("services.toml");
    fs::write(&file, only("docs/switchboard.md", "toml")).expect("room for a file");
    let output = Command::new(binaries().join("switchboard")).arg("check").arg(file).output();
    let output = output.expect("a program that runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
