//! The completions of a command line, each file with the name under which its shell looks for it.

use std::path::PathBuf;

use clap::Command;
use clap_complete::Shell;

/// Returns the files of one program, by their path in `docs`.
pub(crate) fn of(command: &Command) -> Vec<(PathBuf, Vec<u8>)> {
    let name = command.get_name().to_owned();
    let files = [
        (Shell::Bash, format!("completions/bash/{name}")),
        (Shell::Fish, format!("completions/fish/{name}.fish")),
        (Shell::Zsh, format!("completions/zsh/_{name}")),
    ];
    let script = |shell| {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut command.clone(), &name, &mut text);
        text
    };
    files.into_iter().map(|(shell, path)| (path.into(), script(shell))).collect()
}
