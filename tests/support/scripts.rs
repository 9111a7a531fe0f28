//! A directory with scripts for `http-server`.

use crate::support::server::Program;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use switchboard_harness::{Launch, Server, until};
use tempfile::TempDir;

/// A directory whose `cgi-bin` has scripts of the shell.
pub(crate) struct Scripts(TempDir);

impl Scripts {
    /// Creates a directory with these scripts: a name and the lines after `#!/bin/sh`.
    pub(crate) fn new(scripts: &[(&str, &str)]) -> Self {
        let place = TempDir::new().expect("room");
        fs::create_dir(place.path().join("cgi-bin")).expect("room");
        fs::create_dir(place.path().join("tmp")).expect("room");
        for (name, lines) in scripts {
            write(&place.path().join("cgi-bin").join(name), &format!("#!/bin/sh\n{lines}\n"));
        }
        Scripts(place)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The command line of a server for this directory. Its directory for temporary files is `tmp` here.
    pub(crate) fn launch(&self) -> Launch {
        let setup = format!("export TMPDIR={}", self.path().join("tmp").display());
        Program::Http.launch().arg(self.path()).args("--cgi --slow-turn off").after(&setup)
    }

    pub(crate) fn start(&self, flags: &str) -> Server {
        self.launch().args(flags).start()
    }
}

/// Writes an executable file.
pub(crate) fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("room");
    fs::set_permissions(path, Permissions::from_mode(0o755)).expect("an own file");
}

/// Waits until no child of the server is left, not even a zombie.
#[track_caller]
pub(crate) fn expect_no_scripts(server: &Server) {
    let pid = server.process().0;
    let children = || fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("the server runs");
    until("the scripts to be reaped", || children().is_empty());
}
