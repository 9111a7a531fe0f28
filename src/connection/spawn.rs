//! The request to start a program.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A program to start with [`Context::spawn`](crate::Context::spawn), and how it runs.
///
/// Start with [`Spawn::new`] and change the fields that matter.
///
/// ```
/// use switchboard::Spawn;
///
/// let mut spawn = Spawn::new("sort");
/// spawn.args.push("-n".into());
/// spawn.env.push(("LC_ALL".into(), "C".into()));
/// ```
///
/// The program gets no descriptor except its standard input, output and error. It leads a process group of its own, so
/// a signal of the terminal does not reach it. It blocks no signal. A signal that this process was started to ignore
/// stays ignored, as `nohup` requires; SIGPIPE does not.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spawn {
    /// The path of the program. A name without a slash is looked up in the `PATH` of [`env`](Self::env), or in
    /// `/usr/local/bin:/usr/bin:/bin` if that has none. No shell is involved.
    pub program: PathBuf,
    /// The arguments, without the name of the program.
    pub args: Vec<OsString>,
    /// The whole environment of the program. It starts empty, so that no secret of this process reaches the program by
    /// chance.
    pub env: Vec<(OsString, OsString)>,
    /// The working directory. Default: that of this process.
    pub dir: Option<PathBuf>,
    /// What the program reads. Default: [`StdinMode::Piped`].
    pub stdin: StdinMode,
    /// Where its standard error goes. Default: [`StderrMode::Log`].
    pub stderr: StderrMode,
    /// The time between SIGTERM and SIGKILL. 5 s: longer than a good program needs to clean up.
    pub grace: Duration,
}

/// What a child reads from its standard input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StdinMode {
    /// The output of its connection.
    #[default]
    Piped,
    /// Nothing: `/dev/null`. The output of its connection is dropped.
    Null,
}

/// Where the standard error of a child goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StderrMode {
    /// To the log as warnings, line by line. At most 1024 bytes of a line are shown. All children together get 10 lines
    /// a second after a burst of 100; the others are counted and dropped.
    #[default]
    Log,
    /// Nowhere: `/dev/null`.
    Null,
}

/// Where programs are looked up without a `PATH`.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

impl Spawn {
    /// Creates a request to start `program` without arguments and with an empty environment.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Spawn {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            dir: None,
            stdin: StdinMode::default(),
            stderr: StderrMode::default(),
            grace: Duration::from_secs(5),
        }
    }

    /// Returns the absolute path of the program, looked up if it is a name without a slash. `None` if there is no such
    /// file that may be executed.
    ///
    /// ```
    /// use switchboard::Spawn;
    ///
    /// assert_eq!(Spawn::new("/bin/sh").find_program(), Some("/bin/sh".into()));
    /// assert_eq!(Spawn::new("no-such-program").find_program(), None);
    /// ```
    #[must_use]
    pub fn find_program(&self) -> Option<PathBuf> {
        if self.program.as_os_str().as_encoded_bytes().contains(&b'/') {
            // Absolute, because `dir` changes the meaning of a relative path.
            return std::path::absolute(&self.program).ok().filter(|path| is_executable(path));
        }
        let path = self.env.iter().rev().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_os_str());
        let dirs = std::env::split_paths(path.unwrap_or(OsStr::new(DEFAULT_PATH)));
        // An empty entry of `PATH` means the working directory, which is the choice of an attacker.
        let absolute = dirs.filter(|dir| dir.is_absolute());
        absolute.map(|dir| dir.join(&self.program)).find(|path| is_executable(path))
    }
}

fn is_executable(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_up_in_the_path_of_the_request() {
        let mut spawn = Spawn::new("sh");
        assert!(spawn.find_program().is_some(), "the default path");
        spawn.env.push(("PATH".into(), "/nowhere:relative::/bin".into()));
        assert_eq!(spawn.find_program(), Some("/bin/sh".into()));
        spawn.env.push(("PATH".into(), "/nowhere".into()));
        assert_eq!(spawn.find_program(), None, "the last one counts");
    }

    #[test]
    fn a_directory_or_plain_file_is_no_program() {
        for path in ["/etc/passwd", "/bin/", "/nowhere", "", "./nowhere"] {
            assert_eq!(Spawn::new(path).find_program(), None, "{path}");
        }
    }
}
