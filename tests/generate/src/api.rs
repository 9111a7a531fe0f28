//! The listing of the public interface: one line for each item, without the implementations that the compiler derives.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use public_api::Builder;

/// Documents the crate as JSON, and lists it.
///
/// # Errors
/// If the crate cannot be documented, or if this compiler writes another format than `public-api` reads.
pub(crate) fn listing() -> io::Result<Option<(PathBuf, Vec<u8>)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = root.join("target/api");
    let mut rustdoc = Command::new(env!("CARGO"));
    // JSON is not stable yet. The listing depends on the crate only, not on the format.
    rustdoc.current_dir(&root).env("RUSTC_BOOTSTRAP", "1").env_remove("RUSTDOCFLAGS");
    rustdoc.args(["rustdoc", "--quiet", "--package", "switchboard", "--lib", "--features", "full", "--target-dir"]);
    rustdoc.arg(&target).args(["--", "-Z", "unstable-options", "--output-format", "json", "--cap-lints", "allow"]);
    if !rustdoc.status()?.success() {
        return Err(io::Error::other("cargo rustdoc has failed"));
    }
    let json = target.join("doc/switchboard.json");
    let format = format(&json)?;
    if format != Some(u64::from(rustdoc_types::FORMAT_VERSION)) {
        println!("docs/api.txt is left out: this compiler writes another format of its documentation ({format:?})");
        return Ok(None);
    }
    let api = Builder::from_rustdoc_json(json).omit_blanket_impls(true).omit_auto_trait_impls(true);
    let api = api.omit_auto_derived_impls(true).build().map_err(io::Error::other)?;
    Ok(Some(("api.txt".into(), api.to_string().into_bytes())))
}

/// The version of the format of a file.
fn format(json: &Path) -> io::Result<Option<u64>> {
    let crate_: serde_json::Value = serde_json::from_reader(io::BufReader::new(File::open(json)?))?;
    Ok(crate_["format_version"].as_u64())
}
