//! Types every session of the README and the pages at real shells, and compares what is shown.

use super::examples;
use super::pane::Pane;
use super::ports::{self, DEFAULTS, EXAMPLES, Ports};
use super::script::{self, Act, Session};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long one session may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A directory for one session, with the servers in it.
pub(crate) struct Stage {
    place: TempDir,
    ports: Ports,
}

impl Stage {
    /// Moves the ports that `lines` name to free ones.
    pub(crate) fn new<'a>(lines: impl Iterator<Item = &'a str>) -> Self {
        let stage = Self { place: TempDir::new().expect("room for a directory"), ports: ports::choose(lines) };
        let wrappers = stage.place.path().join("bin");
        fs::create_dir(&wrappers).expect("an empty directory");
        for (name, port) in DEFAULTS {
            wrap(&wrappers.join(name), &binaries().join(name), stage.ports[&port]);
        }
        write_script(&wrappers.join("cargo"), &cargo(stage.ports[&EXAMPLES]));
        fs::create_dir(stage.home()).expect("an empty directory");
        stage
    }

    /// Brings in what a command line names: pages, and programs that tests do not build by themselves.
    pub(crate) fn prepare(&self, command: &str) {
        let link = |name: &str, target: &Path| {
            let place = self.home().join(name);
            fs::create_dir_all(place.parent().expect("a path below the home")).expect("room for a directory");
            if !place.exists() {
                symlink(target, place).expect("no such file yet");
            }
        };
        if command.contains(" docs/") {
            link("docs", &Path::new(env!("CARGO_MANIFEST_DIR")).join("docs"));
        }
        if command.contains("target/release/") {
            link("target/release", binaries());
        }
        if command.contains("switchboard-bench") {
            build_benches();
        }
        if let Some((_, after)) = command.split_once("cargo run") {
            let name = after.split_once("--example ").and_then(|(_, after)| after.split(' ').next());
            if name.is_some() || !after.contains("--bin") {
                examples::make_current(name.unwrap_or(TUTORIAL));
            }
        }
    }

    /// An empty directory to work in.
    pub(crate) fn home(&self) -> PathBuf {
        self.place.path().join("home")
    }

    /// Where the shell looks for programs first.
    pub(crate) fn path(&self) -> String {
        format!("{}:{}", self.place.path().join("bin").display(), binaries().display())
    }

    /// The text with the free ports in it.
    pub(crate) fn translate(&self, text: &str) -> String {
        ports::replace(text, &self.ports)
    }
}

/// Where the binaries under test are.
pub(crate) fn binaries() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_echo-server")).parent().expect("a file is in a directory")
}

/// Builds `switchboard-bench` and `switchboard-faults`, unless they are there: `tests/run` builds them with the tests.
pub(crate) fn build_benches() {
    let names = ["switchboard-bench", "switchboard-faults"];
    if names.iter().all(|name| binaries().join(name).exists()) {
        return;
    }
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "--locked", "--offline", "--workspace", "--features", "full"]);
    command.args(names.iter().flat_map(|name| ["--bin", name])).current_dir(env!("CARGO_MANIFEST_DIR"));
    assert!(command.status().expect("cargo runs").success(), "{command:?}");
}

/// The example that a reader of the tutorial has made, and starts without naming it.
const TUTORIAL: &str = "guess";

/// Stands for cargo, which would build first, and with other settings: builds nothing, and runs what is there. An
/// example listens on a free port.
fn cargo(port: u16) -> String {
    format!(
        "#!/usr/bin/env bash\n\
         [[ $1 == build ]] && exit\n\
         [[ $1 == run ]] || {{ echo \"no stand-in for: cargo $*\" >&2; exit 101; }}\n\
         run=('{binaries}/examples/{TUTORIAL}' 127.0.0.1:{port})\n\
         while shift; do\n\
         case ${{1:-}} in\n\
         --bin) run=(\"$2\"); shift ;;\n\
         --example) run=(\"{binaries}/examples/$2\" 127.0.0.1:{port}); shift ;;\n\
         --) shift; break ;;\n\
         esac\n\
         done\n\
         exec \"${{run[@]}}\" \"$@\"\n",
        binaries = binaries().display()
    )
}

/// A server that listens on a free port where it would listen on its own. It does not report slow turns, which come on
/// a busy machine and are not on the page.
fn wrap(wrapper: &Path, server: &Path, port: u16) {
    let text = format!(
        "#!/usr/bin/env bash\n\
         case \" $* \" in\n\
         *' --help '* | *' -h '* | *' --version '*) exec '{server}' \"$@\" ;;\n\
         *' -l '* | *' --listen'* | *' --config '*) listen=() ;;\n\
         *) listen=(--listen 127.0.0.1:{port}) ;;\n\
         esac\n\
         exec '{server}' \"${{listen[@]}}\" --slow-turn off \"$@\"\n",
        server = server.display()
    );
    write_script(wrapper, &text);
}

pub(crate) fn write_script(path: &Path, text: &str) {
    fs::write(path, text).expect("room for a file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a file of ours");
}

/// Carries out a session; an error says where it differs from the page.
fn replay(session: &Session) -> Result<(), String> {
    let stage = Stage::new(session.steps.iter().map(|step| step.text.as_str()));
    session.steps.iter().filter(|step| step.act == Act::Command).for_each(|step| stage.prepare(&step.text));
    let deadline = Instant::now() + TIMEOUT;
    let mut panes: BTreeMap<&str, Pane> = BTreeMap::new();
    for step in &session.steps {
        let pane = panes.entry(&step.terminal).or_insert_with(|| Pane::open(&stage.home(), &stage.path(), deadline));
        let text = stage.translate(&step.text);
        let outcome = match step.act {
            Act::Command => pane.command(&text),
            Act::Show => pane.expect(&text),
            Act::Type => {
                pane.type_in(&text);
                Ok(())
            }
        };
        outcome.map_err(|error| explain(session, step.line, &error, &panes))?;
    }
    let last = session.steps.last().map_or(0, |step| step.line);
    for name in panes.keys().copied().collect::<Vec<_>>() {
        let outcome = panes.get_mut(name).map_or(Ok(()), |pane| {
            // Of several terminals, some may still run what they show; a single one has come to its end.
            if name == script::ONLY || pane.is_ready() { pane.ready() } else { Ok(()) }
        });
        outcome.map_err(|error| explain(session, last, &error, &panes))?;
    }
    Ok(())
}

fn explain(session: &Session, line: usize, error: &str, panes: &BTreeMap<&str, Pane>) -> String {
    let showed = panes.iter().map(|(name, pane)| format!("--- the terminal {name} showed:\n{}\n", pane.transcript()));
    format!("the session at {}, line {line}:\n{error}\n{}", session.place, showed.collect::<String>())
}

#[test]
fn every_session_of_the_pages_happens_as_it_is_written() {
    let mut failures = Vec::new();
    let mut count = 0;
    for path in script::pages() {
        let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("a readable page");
        for session in script::sessions(&name, &text) {
            count += 1;
            failures.extend(replay(&session).err());
        }
    }
    assert!(failures.is_empty(), "{} of {count} sessions differ:\n\n{}", failures.len(), failures.join("\n"));
    assert!(count >= 1, "only {count} sessions were found");
}

#[test]
fn a_difference_is_seen() {
    let check = |text: &str| {
        let text = format!("```console\n{text}\n```\n");
        let sessions = script::sessions("page", &text);
        assert_eq!(sessions.len(), 1);
        replay(&sessions[0])
    };
    assert_eq!(check("$ printf 'a\\nb\\n'\na\nb"), Ok(()));
    assert_eq!(check("$ printf 'a\\nb\\n'\n..."), Ok(()));
    assert_eq!(check("$ printf 'a\\nb\\nc\\n'\n...\nc\n$ printf unfinished\nunfinished"), Ok(()));
    assert_eq!(check("ann$ read word\nann> hi\nann$ echo \"$word\"\nann| hi"), Ok(()));
    for (text, complaint) in [
        ("$ echo a\nb", "expected \"b\"\n     got \"a\""),
        ("$ echo a", "expected nothing more\n     got \"a\""),
        ("$ printf 'a\\nb\\n'\na", "expected nothing more\n     got \"b\""),
        ("$ printf 'a\\nb\\n'\n...\na", "got \"b\""),
    ] {
        let error = check(text).expect_err(text);
        assert!(error.contains(complaint), "{error}");
    }
}
