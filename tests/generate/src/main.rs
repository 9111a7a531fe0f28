//! Writes the files of `docs` that are made from the code, or checks that they are current.
//!
//! | file | from |
//! |---|---|
//! | `docs/man/NAME.1` | the command line of the program NAME |
//! | `docs/completions/SHELL/` | the same, for bash, fish and zsh |
//! | `docs/api.txt` | the documentation of the crate with all features (feature `api`) |

#[cfg(feature = "api")]
mod api;
mod completions;
mod manual;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

/// Write the manual pages, the completions and, with the feature api, the listing of the public interface
#[derive(Parser)]
#[command(name = "switchboard-generate", version)]
struct Options {
    /// Write nothing; name the files that are not current, and exit with 1 if there is one
    #[arg(long)]
    check: bool,
}

/// Files by their path in `docs`.
type Files = BTreeMap<PathBuf, Vec<u8>>;

/// The directories whose files are all generated: what else is there is left over from a program that has gone.
const OWNED: [&str; 4] = ["man", "completions/bash", "completions/fish", "completions/zsh"];

fn main() -> ExitCode {
    let options = Options::parse();
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    match generated().and_then(|files| if options.check { check(&docs, &files) } else { write(&docs, &files) }) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("switchboard-generate: {error}");
            ExitCode::FAILURE
        }
    }
}

fn generated() -> io::Result<Files> {
    let mut files = Files::new();
    for command in switchboard::servers::programs() {
        files.insert(format!("man/{}.1", command.get_name()).into(), manual::page(command.clone())?);
        files.extend(completions::of(&command));
    }
    #[cfg(feature = "api")]
    files.extend(api::listing()?);
    Ok(files)
}

fn write(docs: &Path, files: &Files) -> io::Result<ExitCode> {
    for directory in OWNED {
        fs::create_dir_all(docs.join(directory))?;
    }
    for path in left_over(docs, files)? {
        fs::remove_file(docs.join(path))?;
    }
    for (path, text) in files {
        fs::write(docs.join(path), text)?;
    }
    println!("{} files are written", files.len());
    Ok(ExitCode::SUCCESS)
}

fn check(docs: &Path, files: &Files) -> io::Result<ExitCode> {
    let is_current = |(path, text): &(&PathBuf, &Vec<u8>)| fs::read(docs.join(path)).is_ok_and(|old| old == **text);
    let mut stale: Vec<_> = files.iter().filter(|file| !is_current(file)).map(|(path, _)| path.clone()).collect();
    stale.extend(left_over(docs, files)?);
    if stale.is_empty() {
        println!("{} files are current", files.len());
        return Ok(ExitCode::SUCCESS);
    }
    for path in stale {
        eprintln!("docs/{}: not current", path.display());
    }
    eprintln!("to write them: cargo run --package switchboard-generate --features api");
    Ok(ExitCode::FAILURE)
}

/// The files of the owned directories that are not among `files`.
fn left_over(docs: &Path, files: &Files) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for directory in OWNED {
        let Ok(entries) = fs::read_dir(docs.join(directory)) else { continue };
        for entry in entries {
            let path = Path::new(directory).join(entry?.file_name());
            found.extend(Some(path).filter(|path| !files.contains_key(path)));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_of_the_package_has_its_files() {
        let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml"));
        let manifest = manifest.expect("the manifest of the crate");
        let programs: Vec<_> =
            manifest.split("[[bin]]\nname = \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let files = generated().expect("files");
        assert!(programs.len() >= 18, "{programs:?}");
        for name in &programs {
            for path in
                [format!("man/{name}.1"), format!("completions/bash/{name}"), format!("completions/zsh/_{name}")]
            {
                assert!(files.contains_key(Path::new(&path)), "{path}");
            }
        }
        assert_eq!(files.keys().filter(|path| path.starts_with("man")).count(), programs.len());
    }

    #[test]
    fn a_changed_a_missing_and_a_left_over_file_are_found() {
        let docs = std::env::temp_dir().join(format!("switchboard-generate-{}", std::process::id()));
        let files = Files::from([("man/a.1".into(), b"a".to_vec()), ("man/b.1".into(), b"b".to_vec())]);
        let code = |code: io::Result<ExitCode>| format!("{:?}", code.expect("readable files"));
        let (good, bad) = (format!("{:?}", ExitCode::SUCCESS), format!("{:?}", ExitCode::FAILURE));
        assert_eq!(code(check(&docs, &files)), bad, "nothing is there");
        assert_eq!(code(write(&docs, &files)), good);
        assert_eq!(code(check(&docs, &files)), good);
        fs::write(docs.join("man/a.1"), "changed").expect("a file");
        assert_eq!(code(check(&docs, &files)), bad, "changed");
        write(&docs, &files).expect("written");
        fs::write(docs.join("man/c.1"), "left over").expect("a file");
        assert_eq!(code(check(&docs, &files)), bad, "left over");
        write(&docs, &files).expect("written");
        assert!(!docs.join("man/c.1").exists());
        fs::remove_dir_all(&docs).expect("it was there");
    }
}
