//! The name of a test is a plain statement of at most 60 characters.

use super::files::{below, name};
use std::fs;

/// The folders with tests.
const FOLDERS: [&str; 4] = ["bin", "docs", "src", "tests"];

const LONGEST: usize = 60;

/// Words that make a person of a client, a server or a file.
const PERSONS: [&str; 6] = ["everybody", "nobody", "somebody", "who", "whoever", "whom"];

#[test]
fn test_names_are_plain_and_short() {
    let (mut count, mut faults) = (0, Vec::new());
    for path in FOLDERS.iter().flat_map(|place| below(place, &["rs"])) {
        let text = fs::read_to_string(&path).expect("a source file");
        for test in tests(&text) {
            count += 1;
            faults.extend(fault(test).map(|fault| format!("{}: {test}: {fault}", name(&path))));
        }
    }
    assert!(count > 500, "only {count} tests were found");
    assert!(faults.is_empty(), "{} names to change:\n{}", faults.len(), faults.join("\n"));
}

fn fault(test: &str) -> Option<String> {
    if test.len() > LONGEST {
        return Some(format!("{} characters, at most {LONGEST}", test.len()));
    }
    let person = test.split('_').find(|word| PERSONS.contains(word))?;
    Some(format!("name the thing in place of {person:?}"))
}

/// The names of the functions behind `#[test]`.
fn tests(source: &str) -> Vec<&str> {
    let marked = source.split("#[test]\n").skip(1);
    let functions = marked.filter_map(|rest| rest.split_once("fn ")).map(|(_, rest)| rest);
    functions.filter_map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next()).collect()
}

#[test]
fn a_bad_test_name_is_a_fault() {
    let source =
        format!("#[test]\n#[ignore]\nfn {}() {{}}\n\n    #[test]\n    fn second(x: u8) {{}}\n", "x".repeat(61));
    let found = tests(&source);
    assert_eq!(found, ["x".repeat(61).as_str(), "second"]);
    assert_eq!(fault(found[0]).as_deref(), Some("61 characters, at most 60"));
    assert!(fault("nobody_is_here").is_some() && fault("those_who_wait").is_some());
    assert_eq!(fault("a_whole_line_is_read"), None);
}
