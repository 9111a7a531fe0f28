//! The files of the repository that tests read.

use std::fs;
use std::path::{Path, PathBuf};

/// Returns the files below `place` (a folder or a file below the root) with one of these extensions, in order.
pub(crate) fn below(place: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join(place), &mut found);
    found.retain(|path| path.extension().and_then(|found| found.to_str()).is_some_and(|e| extensions.contains(&e)));
    found.sort();
    found
}

fn collect(place: &Path, found: &mut Vec<PathBuf>) {
    if place.is_dir() {
        for entry in fs::read_dir(place).expect("a readable folder") {
            collect(&entry.expect("a readable folder").path(), found);
        }
    } else {
        found.push(place.to_owned());
    }
}

/// The path of a file as it is written in messages: below the root.
pub(crate) fn name(path: &Path) -> String {
    path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(path).display().to_string()
}
