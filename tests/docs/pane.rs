//! A terminal with a shell in it, as the reader of a page has it, and a look at what it shows.

use crate::support::terminal::Terminal;
use rustix::termios::{LocalModes, OptionalActions, OutputModes, Winsize, tcgetattr, tcsetattr, tcsetwinsize};
use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};
use switchboard_harness::Process;

/// What the shell shows when it is ready: a character that no program prints (RS).
const PROMPT: char = '\x1e';

/// A terminal wide enough that no line of a page is folded.
const WIDTH: u16 = 120;

/// One terminal of a session. What was started in it ends with it.
pub(crate) struct Pane {
    terminal: Terminal,
    shell: Child,
    commands: usize,
    /// Bytes of the transcript that were looked at.
    seen: usize,
    /// The last thing that was looked at had no newline yet.
    is_partial: bool,
    /// Any lines may stand before the next one that is looked for.
    skips: bool,
    /// Characters after which a typed newline ended what was shown.
    breaks: Vec<usize>,
    deadline: Instant,
}

impl Pane {
    /// A shell in the directory `place`, which finds its programs by `path` first. All has to be over at `deadline`.
    pub(crate) fn open(place: &Path, path: &str, deadline: Instant) -> Self {
        let terminal = Terminal::open();
        let slave = terminal.slave();
        let mut settings = tcgetattr(&slave).expect("a terminal has settings");
        // The page has what was typed on lines of its own, so it need not be shown a second time.
        settings.local_modes.remove(LocalModes::ECHO);
        settings.output_modes.remove(OutputModes::OPOST);
        tcsetattr(&slave, OptionalActions::Now, &settings).expect("a terminal of ours");
        let size = Winsize { ws_row: 50, ws_col: WIDTH, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&slave, size).expect("a terminal of ours");
        let mut command = Command::new("setsid");
        command.args(["--ctty", "bash", "--norc", "--noprofile", "--noediting", "-i"]);
        command.env("PATH", format!("{path}:{}", std::env::var("PATH").unwrap_or_default()));
        command.env("PS1", PROMPT.to_string()).env("PS2", "").env("HISTFILE", "/dev/null").env("TERM", "dumb");
        // Where CI is set, clap colours what it shows at any terminal.
        command.env("NO_COLOR", "1");
        command.env("LC_ALL", "C.UTF-8").env("HOME", place).env_remove("RUST_LOG").current_dir(place);
        // Data goes below that home, also where the reader's is elsewhere.
        command.env_remove("XDG_DATA_HOME");
        command.stdin(terminal.slave()).stdout(terminal.slave()).stderr(terminal.slave());
        let shell = command.spawn().expect("setsid and bash are installed");
        Self { terminal, shell, commands: 0, seen: 0, is_partial: false, skips: false, breaks: Vec::new(), deadline }
    }

    /// Types a command, once the shell is ready for it and everything that it showed was looked for.
    pub(crate) fn command(&mut self, command: &str) -> Result<(), String> {
        self.ready()?;
        self.commands += 1;
        self.type_in(command);
        Ok(())
    }

    /// Waits until the shell is ready for a command.
    pub(crate) fn ready(&mut self) -> Result<(), String> {
        self.wait("the shell to be ready for a command", Self::is_ready)?;
        self.expect_no_more()
    }

    /// Types a line to whatever runs; `^C` and `^D` are those keys.
    pub(crate) fn type_in(&mut self, line: &str) {
        // The newline that is typed ends a line that the program had begun, a prompt for example.
        if self.is_partial {
            self.breaks.push(self.terminal.screen.text().chars().count());
        }
        match line {
            "^C" => self.terminal.type_in("\x03"),
            "^D" => self.terminal.type_in("\x04"),
            _ => self.terminal.type_in(format!("{line}\n")),
        }
    }

    /// Waits until the terminal shows this line next.
    pub(crate) fn expect(&mut self, line: &str) -> Result<(), String> {
        if line == "..." {
            self.skips = true;
            return Ok(());
        }
        let mut outcome = Ok(());
        let waited = self.wait(&format!("the line {line:?}"), |pane| {
            let found = pane.look(line);
            let is_over = !matches!(found, Ok(false));
            outcome = found.map(drop);
            is_over
        });
        outcome.and(waited)
    }

    /// Whether the next line is there and is this one.
    fn look(&mut self, wanted: &str) -> Result<bool, String> {
        let text = self.transcript();
        let mut rest = &text[self.seen..];
        if self.is_partial {
            let end = rest.trim_start_matches(' ');
            rest = end.strip_prefix('\n').unwrap_or(end);
        }
        while let Some((line, after)) = rest.split_once('\n') {
            if is_like(wanted, line) {
                (self.seen, self.skips, self.is_partial) = (text.len() - after.len(), false, false);
                return Ok(true);
            }
            if !self.skips && !is_of_shell(line) {
                return Err(format!("expected {wanted:?}\n     got {line:?}"));
            }
            rest = after;
        }
        let is_there = !rest.is_empty() && is_like(wanted, rest);
        if is_there {
            (self.seen, self.skips, self.is_partial) = (text.len(), false, true);
        }
        Ok(is_there)
    }

    /// Fails when the terminal shows something that was not looked for.
    pub(crate) fn expect_no_more(&mut self) -> Result<(), String> {
        if self.skips {
            self.seen = self.transcript().len();
            (self.skips, self.is_partial) = (false, false);
            return Ok(());
        }
        let text = self.transcript();
        let left = text[self.seen..].lines().find(|line| !line.trim().is_empty() && !is_of_shell(line));
        left.map_or(Ok(()), |line| Err(format!("expected nothing more\n     got {line:?}")))
    }

    /// Whether the shell waits for a command.
    pub(crate) fn is_ready(&mut self) -> bool {
        self.terminal.screen.text().matches(PROMPT).count() > self.commands
    }

    /// All that was shown, without prompts; a prompt ends a line.
    pub(crate) fn transcript(&self) -> String {
        let mut text = String::new();
        for (at, c) in self.terminal.screen.text().chars().enumerate() {
            // Where the newline comes at last, it was no prompt but a line whose end was late.
            if self.breaks.contains(&at) && !text.ends_with('\n') && c != '\n' {
                text.push('\n');
            }
            match c {
                '\r' => {}
                PROMPT if text.is_empty() || text.ends_with('\n') => {}
                PROMPT => text.push('\n'),
                _ => text.push(c),
            }
        }
        text
    }

    fn wait(&mut self, what: &str, mut met: impl FnMut(&mut Self) -> bool) -> Result<(), String> {
        while !met(self) {
            if Instant::now() > self.deadline {
                return Err(format!("waited in vain for {what}"));
            }
            thread::park_timeout(Duration::from_millis(1));
        }
        Ok(())
    }

    /// The processes that were started at this terminal: those of its session.
    fn processes(&self) -> Vec<Process> {
        let leader = self.shell.id();
        let all = fs::read_dir("/proc").expect("Linux has /proc").filter_map(|entry| {
            let process = Process(entry.ok()?.file_name().to_str()?.parse().ok()?);
            (process.session().ok()? == leader).then_some(process)
        });
        all.collect()
    }
}

impl Drop for Pane {
    fn drop(&mut self) {
        for process in self.processes() {
            process.end();
        }
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

/// Whether a line is as the page has it; `...` stands for any text, and blanks at the end do not count.
fn is_like(wanted: &str, line: &str) -> bool {
    let (wanted, line) = (wanted.trim_end(), line.trim_end());
    let Some((first, rest)) = wanted.split_once("...") else { return wanted == line };
    let Some(mut left) = line.strip_prefix(first) else { return false };
    let mut pieces: Vec<_> = rest.split("...").collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        match left.find(piece) {
            Some(at) => left = &left[at + piece.len()..],
            None => return false,
        }
    }
    left.ends_with(last)
}

/// What the shell says of its jobs, `[1] 4242` or `[1]+  Done`: the pages leave it out.
fn is_of_shell(line: &str) -> bool {
    line.strip_prefix('[').and_then(|rest| rest.split_once(']')).is_some_and(|(number, rest)| {
        !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) && rest.starts_with([' ', '+', '-'])
    })
}

#[test]
fn dots_stand_for_any_text() {
    for (wanted, line, is) in [
        ("abc", "abc  ", true),
        ("abc", "abcd", false),
        ("a...c", "abc", true),
        ("a...c", "ac", true),
        ("a...c", "acd", false),
        ("...", "", true),
        ("a...b...c", "a b c", true),
        ("a...b...c", "a c", false),
    ] {
        assert_eq!(is_like(wanted, line), is, "{wanted:?} {line:?}");
    }
}

#[test]
fn the_lines_of_the_shell_are_known() {
    for (line, is) in [("[1] 4242", true), ("[1]+  Done  x", true), ("[::1]:80", false), ("[]", false), ("[1]", false)]
    {
        assert_eq!(is_of_shell(line), is, "{line:?}");
    }
}
