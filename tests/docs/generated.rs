//! The generated files of `docs` as their programs read them. That they are current is checked by `.ci/run`.

use super::replay::binaries;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn docs(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(path)
}

/// The names of the programs, from their manual pages.
fn programs() -> Vec<String> {
    let entries = fs::read_dir(docs("man")).expect("the manual pages");
    let name = |path: PathBuf| path.file_stem().expect("a name").to_string_lossy().into_owned();
    let mut names: Vec<_> = entries.map(|entry| name(entry.expect("an entry").path())).collect();
    names.sort_unstable();
    names
}

/// What bash offers for the last word of a command line.
fn completed(program: &str, words: &str) -> Vec<String> {
    // The function has the name that `complete -p` prints, and fills COMPREPLY (bash(1), Programmable Completion).
    let script = format!(
        "source '{}' || exit; complete=$(complete -p {program}); function=${{complete#*-F }}; \
         function=${{function%% *}}; \
         COMP_WORDS=({program} {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
         $function {program} \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD - 1]}}\"; \
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        docs(&format!("completions/bash/{program}")).display()
    );
    let output = Command::new("bash").args(["--norc", "-c", &script]).output().expect("bash");
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_the_flags_of_a_server() {
    assert_eq!(completed("echo-server", "--std"), ["--stdin"]);
    assert_eq!(completed("echo-server", "--stdin ''"), ["stop", "commands", "ignore"]);
    assert!(completed("chat-server", "--").contains(&"--max-rooms".to_owned()));
}

#[test]
fn bash_completes_every_program_with_the_flags_that_it_has() {
    let names = programs();
    assert!(names.len() >= 18, "{names:?}");
    for name in names {
        let flags = completed(&name, "--");
        let help = Command::new(binaries().join(&name)).arg("--help").output().expect("the program");
        let help = String::from_utf8_lossy(&help.stdout).into_owned();
        assert!(flags.contains(&"--help".to_owned()), "{name}: {flags:?}");
        for flag in flags.iter().filter(|flag| flag.starts_with("--")) {
            assert!(help.contains(flag.as_str()), "{name} has no {flag}");
        }
    }
}

#[test]
fn every_manual_page_has_the_sections_of_one() {
    for name in programs() {
        let text = fs::read_to_string(docs(&format!("man/{name}.1"))).expect("a manual page");
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "\"EXIT STATUS\"", "ENVIRONMENT"] {
            assert!(text.lines().any(|line| line == format!(".SH {section}")), "{name}: no {section}");
        }
    }
}
