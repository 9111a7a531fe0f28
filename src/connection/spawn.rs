//! The request to start a program.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;

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
/// a signal of the terminal does not reach it. It blocks no signal, and neither does the thread of the reactor while it
/// starts. A signal that this process was started to ignore stays ignored, as `nohup` requires; SIGPIPE does not.
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
    /// The soft limit of its descriptors (`RLIMIT_NOFILE`). Default: that of this process. A server with many clients
    /// has raised its own, and some programs are slow or fail with a high one (select(2)).
    pub descriptors: Option<u64>,
    /// The time between SIGTERM and SIGKILL. 5 s: longer than a good program needs to clean up.
    pub grace: Duration,
}

/// What a child reads from its standard input. Without a pipe, the output of its connection is dropped.
#[derive(Clone, Debug, Default)]
pub enum StdinMode {
    /// The output of its connection.
    #[default]
    Piped,
    /// Nothing: `/dev/null`.
    Null,
    /// This file, from its position to its end. For input of which nothing has to be passed on, such as a request that
    /// was received before.
    ///
    /// The position is one for the file and all its clones (`dup(2)`), so the program changes it here, too. A program
    /// can write to a file that is open for writing.
    File(Arc<File>),
}

/// Two files are equal if they are the same open file.
impl PartialEq for StdinMode {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (StdinMode::Piped, StdinMode::Piped) | (StdinMode::Null, StdinMode::Null) => true,
            (StdinMode::File(one), StdinMode::File(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl Eq for StdinMode {}

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
            descriptors: None,
            grace: Duration::from_secs(5),
        }
    }

    /// Returns the absolute path of the program, looked up if it is a name without a slash.
    ///
    /// ```
    /// use switchboard::Spawn;
    ///
    /// assert_eq!(Spawn::new("/bin/sh").find_program()?, std::path::Path::new("/bin/sh"));
    /// assert!(Spawn::new("no-such-program").find_program().is_err());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound), or [`PermissionDenied`](io::ErrorKind::PermissionDenied) if there is only
    /// a file that may not be executed.
    pub fn find_program(&self) -> io::Result<PathBuf> {
        let mut refused = false;
        for path in self.candidates()? {
            if path.is_file() {
                if rustix::fs::access(&path, rustix::fs::Access::EXEC_OK).is_ok() {
                    return Ok(path);
                }
                refused = true;
            }
        }
        Err(if refused { Errno::ACCESS } else { Errno::NOENT }.into())
    }

    /// Whether the program is a path, and no name to be looked up.
    pub(crate) fn has_path(&self) -> bool {
        self.program.as_os_str().as_encoded_bytes().contains(&b'/')
    }

    /// The paths that the program may have.
    fn candidates(&self) -> io::Result<Vec<PathBuf>> {
        if self.has_path() {
            // Absolute, because `dir` changes the meaning of a relative path.
            return Ok(vec![std::path::absolute(&self.program)?]);
        }
        let path = self.env.iter().rev().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_os_str());
        let dirs = std::env::split_paths(path.unwrap_or(OsStr::new(DEFAULT_PATH)));
        // A relative entry depends on the working directory, which may be the choice of an attacker.
        Ok(dirs.filter(|dir| dir.is_absolute()).map(|dir| dir.join(&self.program)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(spawn: &Spawn) -> Result<PathBuf, io::ErrorKind> {
        spawn.find_program().map_err(|error| error.kind())
    }

    #[test]
    fn a_name_is_looked_up_in_the_path_of_the_request() {
        let mut spawn = Spawn::new("sh");
        assert!(found(&spawn).is_ok(), "the default path");
        spawn.env.push(("PATH".into(), "/nowhere:relative::/bin".into()));
        assert_eq!(found(&spawn), Ok("/bin/sh".into()));
        spawn.env.push(("PATH".into(), "/nowhere".into()));
        assert_eq!(found(&spawn), Err(io::ErrorKind::NotFound), "the last one counts");
    }

    #[test]
    fn a_directory_or_plain_file_is_no_program() {
        assert_eq!(found(&Spawn::new("/etc/passwd")), Err(io::ErrorKind::PermissionDenied));
        for path in ["/bin/", "/nowhere", "./nowhere"] {
            assert_eq!(found(&Spawn::new(path)), Err(io::ErrorKind::NotFound), "{path}");
        }
        assert!(found(&Spawn::new("")).is_err());
    }
}
