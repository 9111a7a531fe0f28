//! The inputs that fuzzers found worth keeping, played to their targets by stable Rust, with every run of the tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use switchboard_fuzz::TARGETS;

/// A corpus is a few inputs that reach much, not all that were ever found.
const MOST_INPUTS: usize = 64;
const LONGEST_INPUT: usize = 1024;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// What is in a folder, in order.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let found = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = found.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.sort();
    paths
}

fn stems(folder: &Path) -> BTreeSet<String> {
    entries(folder).iter().filter_map(|path| path.file_stem()).map(|stem| stem.to_string_lossy().into_owned()).collect()
}

#[test]
fn every_input_of_the_corpus_passes() {
    for target in TARGETS {
        let inputs = entries(&folder("corpus").join(target.name));
        assert!((1..=MOST_INPUTS).contains(&inputs.len()), "{} has {} inputs", target.name, inputs.len());
        for path in inputs {
            // Shown only when the test fails: the last one is the culprit.
            eprintln!("{}", path.display());
            let input = fs::read(&path).expect("a readable file");
            assert!(input.len() <= LONGEST_INPUT, "{} bytes", input.len());
            (target.run)(&input);
        }
    }
}

#[test]
fn each_target_has_a_program_and_a_corpus() {
    let names: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(names.len(), TARGETS.len());
    let programs = stems(&folder("fuzz_targets"));
    assert_eq!(stems(&folder("corpus")), programs);
    // Without a feature its targets are missing, and nothing else.
    let has_all = cfg!(all(
        feature = "bank",
        feature = "bus",
        feature = "doctor",
        feature = "http",
        feature = "storage",
        feature = "websocket"
    ));
    assert!(names == programs || names.is_subset(&programs) && !has_all, "{names:?}");
    let manifest = fs::read_to_string(folder("Cargo.toml")).expect("a readable file");
    for name in names {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "Cargo.toml lacks {name}");
    }
}
