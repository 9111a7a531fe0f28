//! A binary of this crate as a child process, with any kind of standard input.

use super::capture::Capture;
use super::process::Process;
use super::wait::until_some;
use rustix::process::Signal;
use std::ffi::OsString;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The servers, and what differs between them seen from outside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Program {
    Echo,
    Uppercase,
    Chat,
    Greeting,
    Daytime,
    Time,
    Discard,
    Chargen,
    Sum,
    Talk,
    Phonebook,
    Bank,
    Doctor,
}

impl Program {
    /// Those that serve with or without an operator.
    pub(crate) const ALL: [Self; 12] = [
        Self::Echo,
        Self::Uppercase,
        Self::Chat,
        Self::Greeting,
        Self::Daytime,
        Self::Time,
        Self::Discard,
        Self::Chargen,
        Self::Sum,
        Self::Phonebook,
        Self::Bank,
        Self::Doctor,
    ];

    /// Those that stay with a peer, answer what it sends, and are otherwise quiet.
    pub(crate) const TALKERS: [Self; 7] =
        [Self::Echo, Self::Uppercase, Self::Chat, Self::Sum, Self::Phonebook, Self::Bank, Self::Doctor];

    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Echo => env!("CARGO_BIN_EXE_echo-server"),
            Self::Uppercase => env!("CARGO_BIN_EXE_uppercase-server"),
            Self::Chat => env!("CARGO_BIN_EXE_chat-server"),
            Self::Bank => env!("CARGO_BIN_EXE_bank-server"),
            Self::Greeting => env!("CARGO_BIN_EXE_greeting-server"),
            Self::Daytime => env!("CARGO_BIN_EXE_daytime-server"),
            Self::Time => env!("CARGO_BIN_EXE_time-server"),
            Self::Discard => env!("CARGO_BIN_EXE_discard-server"),
            Self::Chargen => env!("CARGO_BIN_EXE_chargen-server"),
            Self::Sum => env!("CARGO_BIN_EXE_sum-server"),
            Self::Talk => env!("CARGO_BIN_EXE_talk-server"),
            Self::Phonebook => env!("CARGO_BIN_EXE_phonebook-server"),
            Self::Doctor => env!("CARGO_BIN_EXE_doctor-server"),
        }
    }

    /// What a peer that is served by a talker sees first after it has sent `hi` and a newline.
    #[track_caller]
    pub(crate) fn greeting(self) -> &'static str {
        match self {
            Self::Echo => "hi\n",
            Self::Uppercase => "HI\n",
            Self::Chat => "Enter your nickname: ",
            Self::Bank => "error unknown command: HELP lists them\n",
            Self::Sum => "That is not an integer: send digits, as 42 or -7.\n",
            Self::Talk => "Welcome to my chat room!\n",
            Self::Phonebook => "Unknown command: hi (HELP lists them)\n",
            Self::Doctor => "Good day. What is your name?\n",
            _ => panic!("{self:?} is no talker"),
        }
    }

    /// The server on a free port of the loopback interface.
    pub(crate) fn start(self) -> Server {
        self.launch().start()
    }

    /// What keeps data keeps it nowhere.
    pub(crate) fn launch(self) -> Launch {
        let launch = Launch::of(self.path());
        if self == Self::Bank { launch.args("--data :memory:") } else { launch }
    }
}

/// The path of the client.
pub(crate) const LINE_CLIENT: &str = env!("CARGO_BIN_EXE_line-client");

/// What a process finds at its descriptor 0.
pub(crate) enum Input {
    /// A pipe whose other end the test holds.
    Pipe,
    /// `/dev/null`.
    Null,
    /// Nothing at all.
    Closed,
    /// A file or a socket.
    Open(OwnedFd),
    /// A terminal that becomes the controlling one of a new session, with the process in its foreground.
    Terminal(OwnedFd),
}

/// A command line that is not yet run.
pub(crate) struct Launch {
    path: &'static str,
    args: Vec<OsString>,
    input: Input,
    listens: bool,
    setup: String,
    redirections: String,
    /// The user's data directory, as far as the process knows: no test touches the real one.
    data_home: TempDir,
}

impl Launch {
    pub(crate) fn of(path: &'static str) -> Self {
        let (setup, redirections) = (String::new(), String::new());
        let data_home = TempDir::new().expect("room for a directory");
        Self { path, args: Vec::new(), input: Input::Pipe, listens: false, setup, redirections, data_home }
    }

    /// Adds arguments, separated by blanks.
    pub(crate) fn args(mut self, args: &str) -> Self {
        self.args.extend(args.split_whitespace().map(OsString::from));
        self
    }

    /// Adds one argument as it stands.
    pub(crate) fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Listens there; without any call, on a free port of 127.0.0.1.
    pub(crate) fn listen(mut self, address: &str) -> Self {
        self.listens = true;
        self.arg("--listen").arg(address)
    }

    pub(crate) fn input(mut self, input: Input) -> Self {
        self.input = input;
        self
    }

    /// A shell command that runs first, in the same process: `ulimit -n 40`.
    pub(crate) fn after(mut self, command: &str) -> Self {
        self.setup = format!("{command}; ");
        self
    }

    /// Redirections of the shell: `>&-`.
    pub(crate) fn redirected(mut self, redirections: &str) -> Self {
        self.redirections.push_str(redirections);
        self
    }

    /// Starts a server and waits for its first `listening on` line.
    #[track_caller]
    pub(crate) fn start(mut self) -> Server {
        if !self.listens {
            self = self.listen("127.0.0.1:0");
        }
        let server = self.spawn();
        server.addresses(1);
        server
    }

    /// Starts the process, and waits for nothing.
    #[track_caller]
    pub(crate) fn spawn(mut self) -> Server {
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
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let input = child.stdin.take();
        let stdout = Capture::of(child.stdout.take().expect("piped above"));
        let stderr = Capture::of(child.stderr.take().expect("piped above"));
        Server { child, input, stdout, stderr, data_home: self.data_home }
    }

    /// Runs to the end, for command lines that must fail.
    #[track_caller]
    pub(crate) fn run(self) -> Finished {
        let mut server = self.spawn();
        let code = server.wait().code;
        Finished { code, stdout: server.stdout.all_text(), stderr: server.stderr.all_text() }
    }

    /// Wrappers `exec` the program, so that the child's number is the server's.
    fn command(&self) -> Command {
        let mut words: Vec<OsString> = Vec::new();
        if matches!(self.input, Input::Terminal(_)) {
            words.extend(["setsid", "--ctty"].map(OsString::from));
        }
        if !self.setup.is_empty() || !self.redirections.is_empty() {
            let script = format!("{}exec \"$0\" \"$@\" {}", self.setup, self.redirections);
            words.extend(["bash".into(), "-c".into(), script.into()]);
        }
        words.push(self.path.into());
        words.extend(self.args.iter().cloned());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env_remove("RUST_LOG").env("XDG_DATA_HOME", self.data_home.path());
        command
    }
}

/// How a process that must fail has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// How, and how long after it was asked to, a process ended.
#[derive(Debug)]
pub(crate) struct Exit {
    pub(crate) code: Option<i32>,
    pub(crate) took: Duration,
}

impl Exit {
    /// Fails unless the code is 0 and less than `time` has passed.
    #[track_caller]
    pub(crate) fn expect_clean_within(&self, time: Duration) {
        assert_eq!(self.code, Some(0), "{self:?}");
        assert!(self.took < time, "{self:?}, allowed {time:?}");
    }
}

/// The ways to ask a server to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stop {
    Line,
    EmptyLine,
    EndOfPipe,
    Terminate,
    Interrupt,
}

impl Stop {
    pub(crate) const ALL: [Self; 5] = [Self::Line, Self::EmptyLine, Self::EndOfPipe, Self::Terminate, Self::Interrupt];
}

/// A running process; it is ended when the test is, however that ends.
pub(crate) struct Server {
    child: Child,
    input: Option<ChildStdin>,
    pub(crate) stdout: Capture,
    pub(crate) stderr: Capture,
    data_home: TempDir,
}

impl Server {
    /// Where it keeps data unless told otherwise.
    pub(crate) fn data_home(&self) -> &Path {
        self.data_home.path()
    }

    pub(crate) fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// The first address, as printed.
    #[track_caller]
    pub(crate) fn address(&self) -> String {
        self.addresses(1).swap_remove(0)
    }

    /// The port of the first address.
    #[track_caller]
    pub(crate) fn port(&self) -> u16 {
        let address = self.address();
        address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("the address ends with a port")
    }

    /// Waits until `count` sockets listen; returns all that are printed by then.
    #[track_caller]
    pub(crate) fn addresses(&self, count: usize) -> Vec<String> {
        until_some("the `listening on` lines", || {
            // Asked before the text is read: what has ended says no more.
            let ended = self.stdout.has_ended();
            let text = self.stdout.text();
            let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
            let found: Vec<_> = whole.lines().filter_map(|line| line.strip_prefix("listening on ")).collect();
            let enough = found.len() >= count;
            assert!(enough || !ended, "it ended: {:?}", self.stderr.text());
            enough.then(|| found.into_iter().map(str::to_owned).collect())
        })
    }

    /// Writes to its standard input.
    #[track_caller]
    pub(crate) fn say(&mut self, bytes: impl AsRef<[u8]>) {
        let input = self.input.as_mut().expect("standard input is a pipe of ours");
        input.write_all(bytes.as_ref()).expect("the process reads its input");
    }

    /// Our end of its standard input, for a thread of its own.
    #[track_caller]
    pub(crate) fn take_input(&mut self) -> ChildStdin {
        self.input.take().expect("standard input is a pipe of ours")
    }

    /// Closes our end of its standard input.
    pub(crate) fn hang_up(&mut self) {
        self.input = None;
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.process().signal(signal);
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("our own child").is_none()
    }

    /// Asks it to stop, and waits until it has.
    #[track_caller]
    pub(crate) fn stop_by(&mut self, stop: Stop) -> Exit {
        let asked = Instant::now();
        self.ask(stop);
        self.wait_since(asked)
    }

    /// Asks it to stop.
    #[track_caller]
    pub(crate) fn ask(&mut self, stop: Stop) {
        match stop {
            Stop::Line => self.say("enough\n"),
            Stop::EmptyLine => self.say("\n"),
            Stop::EndOfPipe => self.hang_up(),
            Stop::Terminate => self.signal(Signal::TERM),
            Stop::Interrupt => self.signal(Signal::INT),
        }
    }

    /// Waits for its end; the time counts from now.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> Exit {
        self.wait_since(Instant::now())
    }

    /// Waits for its end; the time counts from `start`.
    #[track_caller]
    pub(crate) fn wait_since(&mut self, start: Instant) -> Exit {
        let status = until_some("the end of a process", || self.child.try_wait().expect("our own child"));
        Exit { code: status.code(), took: start.elapsed() }
    }

    /// Fails if standard error speaks of a panic, or standard output says more than the addresses.
    #[track_caller]
    pub(crate) fn expect_manners(&self) {
        assert!(!self.stderr.text().contains("panicked"), "{}", self.stderr.text());
        for line in self.stdout.lines() {
            assert!(line.starts_with("listening on "), "standard output says {line:?}");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- standard error of the process:\n{}", self.stderr.text());
        }
    }
}
