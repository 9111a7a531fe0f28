//! A pseudo-terminal (pty(7)). The test types at the master, and the process under test uses the slave.

use rustix::fs::{OFlags, fcntl_getfl};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Action, tcflow, tcgetattr};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use switchboard_harness::Capture;

/// A terminal and all that it has shown.
pub(crate) struct Terminal {
    keyboard: File,
    /// Shares its open file, and so its status flags, with every descriptor that [`Self::slave`] gave away.
    line: File,
    pub(crate) screen: Capture,
}

impl Terminal {
    pub(crate) fn open() -> Self {
        let mut terminal = Self::unseen();
        terminal.screen = Capture::of(terminal.keyboard.try_clone().expect("a descriptor is free"));
        terminal
    }

    /// A terminal whose output is not read. It closes when it is dropped.
    pub(crate) fn unseen() -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a free terminal");
        grantpt(&master).expect("a terminal of ours");
        unlockpt(&master).expect("a terminal of ours");
        let path = ptsname(&master, Vec::new()).expect("a terminal has a name").into_bytes();
        let path = std::ffi::OsString::from_vec(path);
        let flags = OFlags::NOCTTY.bits().cast_signed();
        let line =
            OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).expect("an unlocked terminal");
        Self { keyboard: File::from(master), line, screen: Capture::empty() }
    }

    /// Returns a descriptor of the slave, for a child.
    pub(crate) fn slave(&self) -> OwnedFd {
        self.line.try_clone().expect("a descriptor is free").into()
    }

    /// Its path.
    pub(crate) fn path(&self) -> PathBuf {
        fs::read_link(format!("/proc/self/fd/{}", self.line.as_raw_fd())).expect("an open file has a path")
    }

    /// Presses keys.
    #[track_caller]
    pub(crate) fn type_in(&mut self, keys: impl AsRef<[u8]>) {
        self.keyboard.write_all(keys.as_ref()).expect("a terminal takes a line");
    }

    /// Stops the output, as Ctrl-S does.
    pub(crate) fn hold_output(&self) {
        tcflow(&self.line, Action::OOff).expect("a terminal");
    }

    /// Continues the output, as Ctrl-Q does.
    pub(crate) fn release_output(&self) {
        tcflow(&self.line, Action::OOn).expect("a terminal");
    }

    /// Every setting of the terminal (termios(3)), in a form that can be compared.
    pub(crate) fn settings(&self) -> String {
        format!("{:?}", tcgetattr(&self.line).expect("a terminal"))
    }

    /// True if the open file that the children share has `O_NONBLOCK`.
    pub(crate) fn is_nonblocking(&self) -> bool {
        fcntl_getfl(&self.line).expect("an open file").contains(OFlags::NONBLOCK)
    }
}

/// A shell with job control at a terminal of its own.
pub(crate) struct Shell {
    pub(crate) terminal: Terminal,
    child: Child,
    commands: usize,
}

impl Shell {
    pub(crate) fn start() -> Self {
        let terminal = Terminal::open();
        let mut command = Command::new("setsid");
        command.args(["--ctty", "bash", "--norc", "--noprofile", "--noediting", "-i"]);
        command.env("PS1", "$ ").env("HISTFILE", "/dev/null").env("TERM", "dumb").env_remove("RUST_LOG");
        command.stdin(terminal.slave()).stdout(terminal.slave()).stderr(terminal.slave());
        let child = command.spawn().expect("setsid and bash are installed");
        let mut shell = Self { terminal, child, commands: 0 };
        shell.proves_alive();
        shell
    }

    /// Types a command that leaves the shell in the foreground, and waits until the shell is ready again.
    #[track_caller]
    pub(crate) fn command(&mut self, command: &str) {
        self.commands += 1;
        let number = self.commands;
        // The arithmetic keeps the terminal's echo of what we type from looking like the answer.
        self.terminal.type_in(format!("{command}\necho \"end-$(({number}+0))-\"\n"));
        self.terminal.screen.wait_for(&format!("end-{number}-"));
    }

    /// Checks that the shell still reads and answers.
    #[track_caller]
    pub(crate) fn proves_alive(&mut self) {
        self.command("true");
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
