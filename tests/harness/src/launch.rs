//! A command line that is not yet run.

use crate::server::{Finished, Server};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Descriptor 0 of a process.
#[derive(Debug)]
pub enum Input {
    /// A pipe; its other end is held by [`Server`].
    Pipe,
    /// `/dev/null`.
    Null,
    /// No descriptor.
    Closed,
    /// A file or a socket.
    Open(OwnedFd),
    /// A terminal, which becomes the controlling one of a new session with the process in its foreground.
    Terminal(OwnedFd),
}

/// A command line.
#[derive(Debug)]
pub struct Launch {
    program: OsString,
    args: Vec<OsString>,
    last: Vec<OsString>,
    input: Input,
    listens: bool,
    core: Option<u32>,
    setup: String,
    redirections: String,
    /// The user's data directory for the process: no test touches the real one.
    data_home: TempDir,
}

impl Launch {
    /// A command line without arguments.
    pub fn of(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            last: Vec::new(),
            input: Input::Pipe,
            listens: false,
            core: None,
            setup: String::new(),
            redirections: String::new(),
            data_home: TempDir::new().expect("room for a directory"),
        }
    }

    /// Adds the blank-separated words of `args`.
    #[must_use]
    pub fn args(mut self, args: &str) -> Self {
        self.args.extend(args.split_whitespace().map(OsString::from));
        self
    }

    /// Adds one argument unchanged.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Replaces the arguments that follow all others.
    #[must_use]
    pub fn last(mut self, args: &[&str]) -> Self {
        self.last = args.iter().map(OsString::from).collect();
        self
    }

    /// Adds an address to listen on. A server without any is started on port 0 of 127.0.0.1.
    #[must_use]
    pub fn listen(mut self, address: &str) -> Self {
        self.listens = true;
        self.arg("--listen").arg(address)
    }

    /// Chooses descriptor 0.
    #[must_use]
    pub fn input(mut self, input: Input) -> Self {
        self.input = input;
        self
    }

    /// Pins the process to a core by taskset, if there is one.
    #[must_use]
    pub fn pinned(mut self, core: Option<u32>) -> Self {
        self.core = core;
        self
    }

    /// Runs a shell command first, in the same process: `ulimit -n 40`.
    #[must_use]
    pub fn after(mut self, command: &str) -> Self {
        self.setup = format!("{command}; ");
        self
    }

    /// Adds redirections of the shell: `>&-`.
    #[must_use]
    pub fn redirected(mut self, redirections: &str) -> Self {
        self.redirections.push_str(redirections);
        self
    }

    /// Starts a server and waits for its first `listening on` line.
    pub fn try_start(mut self) -> io::Result<Server> {
        if !self.listens {
            self = self.listen("127.0.0.1:0");
        }
        let server = self.try_spawn()?;
        server.try_addresses(1)?;
        Ok(server)
    }

    /// Starts a server and waits for its first `listening on` line. Panics on an error.
    #[track_caller]
    pub fn start(self) -> Server {
        self.try_start().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Starts the process without waiting for output.
    pub fn try_spawn(mut self) -> io::Result<Server> {
        if matches!(self.input, Input::Closed) {
            self.redirections.push_str(" <&-");
        }
        let mut command = self.command();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(match self.input {
            Input::Pipe => Stdio::piped(),
            Input::Null | Input::Closed => Stdio::null(),
            Input::Open(open) | Input::Terminal(open) => open.into(),
        });
        let mut server = Server::try_spawn(&mut command)?;
        server.keep(self.data_home);
        Ok(server)
    }

    /// Starts the process without waiting for output. Panics on an error.
    #[track_caller]
    pub fn spawn(self) -> Server {
        self.try_spawn().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Runs the process to its end, for a command line that must fail.
    #[track_caller]
    pub fn run(self) -> Finished {
        self.spawn().finish()
    }

    /// Each wrapper replaces itself (`exec`), so the process id of the child is that of the program.
    fn command(&self) -> Command {
        let mut words: Vec<OsString> = Vec::new();
        if let Some(core) = self.core {
            words.extend(["taskset".into(), "-c".into(), core.to_string().into()]);
        }
        if matches!(self.input, Input::Terminal(_)) {
            words.extend(["setsid", "--ctty"].map(OsString::from));
        }
        if !self.setup.is_empty() || !self.redirections.is_empty() {
            let script = format!("{}exec \"$0\" \"$@\" {}", self.setup, self.redirections);
            words.extend(["bash".into(), "-c".into(), script.into()]);
        }
        words.push(self.program.clone());
        words.extend(self.args.iter().chain(&self.last).cloned());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env_remove("RUST_LOG").env("XDG_DATA_HOME", self.data_home.path());
        command
    }
}
