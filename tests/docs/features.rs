//! What the README says of the features is true: what a bare library brings, and what a missing feature looks like.

use std::process::{Command, Output};

/// Runs cargo on this package without the network and without touching the lock file.
fn cargo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--package", "switchboard", "--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs")
}

#[test]
fn a_library_without_features_brings_few_crates() {
    let output = cargo(&["tree", "--edges", "normal", "--no-default-features", "--prefix", "none"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("names are text");
    let mut crates: Vec<_> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    crates.sort_unstable();
    crates.dedup();
    for heavy in ["argon2", "clap", "env_logger", "jiff", "libsqlite3-sys", "rusqlite", "serde", "serde_core", "toml"] {
        assert!(!crates.contains(&heavy), "a library without features brings {heavy}: {crates:?}");
    }
    assert!(crates.contains(&"mio") && crates.len() <= 20, "{} crates: {crates:?}", crates.len());
}

#[test]
fn a_program_without_its_feature_names_it() {
    let bare = ["run", "--no-default-features", "--features", "cli", "--bin"];
    for (program, feature) in [
        ("bank-server", "`bank`"),
        ("doctor-server", "`doctor`"),
        ("phonebook-server", "`storage`"),
        ("sum-server", "`sum`"),
    ] {
        let output = cargo(&[&bare[..], &[program]].concat());
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && error.contains("requires the features") && error.contains(feature),
            "{error}"
        );
    }
}
