//! Configuration files: `--config FILE` of each server and of `switchboard`, and `switchboard check FILE`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use switchboard_harness::{Launch, Server, Stop};
use tempfile::TempDir;

use crate::support::peer::Peer;

/// A file in a directory of its own.
struct Config {
    place: TempDir,
}

impl Config {
    fn new(text: impl AsRef<[u8]>) -> Self {
        let place = TempDir::new().expect("room for a directory");
        fs::write(place.path().join("f.toml"), text).expect("room for a file");
        Config { place }
    }

    fn path(&self) -> PathBuf {
        self.place.path().join("f.toml")
    }

    /// Runs a program that ends by itself, in the directory of the file.
    fn run(&self, program: &str, args: &[&str]) -> Output {
        let mut command = Command::new(binaries().join(program));
        command.args(args).current_dir(self.place.path()).output().expect("the program")
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Where the programs are.
fn binaries() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_echo-server")).parent().expect("a file is in a directory")
}

/// Starts a server with a file and more flags.
fn launch(program: &str, config: &Config, args: &[&str]) -> Server {
    let launch = Launch::of(binaries().join(program)).arg("--config").arg(config.path());
    args.iter().fold(launch, Launch::arg).spawn()
}

/// Stops a server that is expected to listen on this number of addresses, and on no more.
#[track_caller]
fn stop(mut server: Server, listeners: usize) {
    let exit = server.stop_by(Stop::Terminate);
    assert_eq!(exit.code, Some(0), "{:?}", server.stderr.lines());
    assert_eq!(server.stdout.lines().len(), listeners, "{:?}", server.stdout.lines());
}

#[test]
fn a_server_takes_its_flags_from_a_file() {
    let config = Config::new("listen = ['127.0.0.1:0', '127.0.0.1:0']\nreply-prefix = 'You said: '\n");
    let server = launch("echo-server", &config, &[]);
    for address in server.addresses(2) {
        let mut client = Peer::connect(&address);
        client.send("hi\n");
        client.expect("You said: hi\n");
    }
    stop(server, 2);
}

#[test]
fn the_command_line_wins() {
    let config = Config::new("listen = ['127.0.0.1:0', '127.0.0.1:0']\nreply-prefix = 'A'\nquiet = true\n");
    let server = launch("echo-server", &config, &["-l", "127.0.0.1:0", "--reply-prefix", "B", "-v"]);
    let mut client = Peer::connect(&server.address());
    client.send("hi\n");
    client.expect("Bhi\n");
    stop(server, 1);
}

#[test]
fn a_flag_without_a_value_can_be_taken_back() {
    let config = Config::new("listen = '127.0.0.1:0'\nmax-line = 9\nread-reply = true\n");
    let server = launch("greeting-server", &config, &[]);
    server.address();
    stop(server, 1);
    // Without it, `max-line` has no use: so the file was heard, and then the command line.
    let output = config.run("greeting-server", &["--config", "f.toml", "--read-reply=false"]);
    assert!(text(&output.stderr).contains("--max-line needs --read-reply"), "{output:?}");
    assert_eq!(output.status.code(), Some(2));
    let output = config.run("greeting-server", &["--config", "f.toml", "--read-reply=no"]);
    assert!(text(&output.stderr).contains("invalid value 'no' for '--read-reply[=<BOOL>]'"), "{output:?}");

    let config = Config::new("quiet = true\n[echo]\nlisten = '127.0.0.1:0'\n");
    for (args, is_quiet) in [(&[][..], true), (&["--quiet=false"], false)] {
        let mut server = launch("switchboard", &config, args);
        server.address();
        server.stop_by(Stop::Terminate);
        assert_eq!(server.stderr.all_text().is_empty(), is_quiet, "{args:?}");
    }
}

#[test]
fn of_the_syntax_only_the_first_mistake_is_told() {
    for (text_of_file, wanted) in [
        ("x = = 1\n", "f.toml:1:5: extra `=`"),
        ("backlog = [1\nlissen = 2\n", "f.toml:2:1: missing comma"),
        ("backlog = 1\nbacklog = 2\nlissen = 'a\n", "f.toml:2:1: duplicate key"),
    ] {
        let config = Config::new(text_of_file);
        for (program, args) in [
            ("echo-server", &["--config", "f.toml"][..]),
            ("switchboard", &["check", "f.toml"]),
            ("switchboard", &["--config", "f.toml"]),
        ] {
            let output = config.run(program, args);
            assert!(text(&output.stderr).starts_with(wanted), "{output:?}");
            assert_eq!((output.status.code(), text(&output.stderr).lines().count()), (Some(2), 1), "{output:?}");
        }
    }
}

#[test]
fn a_required_flag_may_be_in_the_file() {
    let echo = Launch::of(binaries().join("echo-server")).start();
    let config = Config::new(format!("listen = '127.0.0.1:0'\nto = '{}'\n", echo.address()));
    let relay = launch("relay-server", &config, &[]);
    let mut client = Peer::connect(&relay.address());
    client.send("through\n");
    client.expect("through\n");
    drop(client);
    stop(relay, 1);
    stop(echo, 1);
}

#[test]
fn each_server_starts_from_a_file() {
    for command in switchboard::servers::programs() {
        let name = command.get_name();
        if !name.ends_with("-server") {
            continue;
        }
        let more = match name {
            "relay-server" => "to = '127.0.0.1:9'\n",
            "exec-server" => "command = ['cat']\n",
            "bank-server" | "doctor-server" | "phonebook-server" => "data = ':memory:'\n",
            "talk-server" => "stdin = 'commands'\n",
            _ => "",
        };
        let own = name.trim_end_matches("-server");
        let config = Config::new(format!("server = '{own}'\nlisten = '127.0.0.1:0'\nmax-connections = 5\n{more}"));
        let checked = config.run("switchboard", &["check", "f.toml"]);
        assert_eq!(text(&checked.stdout), format!("f.toml: a file of {name}\n"), "{checked:?}");
        let server = launch(name, &config, &[]);
        server.address();
        stop(server, 1);
    }
}

#[test]
fn all_mistakes_of_a_file_have_their_places() {
    let text =
        "\u{FEFF}lissen = 5\r\nbacklog = 'many'\r\nlisten = ['7000', '7001:x:y']\r\nverbose = 1\r\nquiet = true\r\n";
    let config = Config::new(text);
    let output = config.run("echo-server", &["--config", "f.toml"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    let places: Vec<_> = errors.lines().filter_map(|line| line.split(": ").next()).collect();
    assert_eq!(places.len(), 4, "{errors}");
    for (place, wanted) in places.iter().zip(["f.toml:1:1", "f.toml:2:11", "f.toml:3:19", "f.toml:4:1"]) {
        assert!(place.starts_with(wanted), "{place} is not {wanted}: {errors}");
    }
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
}

#[test]
fn a_file_that_is_none_is_an_error() {
    let config = Config::new(b"listen = 5\n\xff\n");
    for (args, code, wanted) in [
        (["--config", "f.toml"], 2, "f.toml:2:1: the text from here on is not UTF-8"),
        (["--config", "missing.toml"], 1, "cannot read missing.toml: No such file"),
        (["--config", "."], 1, "cannot read .: Is a directory"),
        (["--config", "/dev/zero"], 1, "cannot read /dev/zero: a configuration file has at most 1 MiB"),
    ] {
        let output = config.run("echo-server", &args);
        assert!(text(&output.stderr).contains(wanted), "{output:?}");
        assert_eq!((output.status.code(), text(&output.stderr).lines().count()), (Some(code), 1), "{output:?}");
    }
}

#[test]
fn a_file_for_another_server_is_refused() {
    let config = Config::new("server = 'echo'\n");
    let output = config.run("chat-server", &["--config", "f.toml"]);
    assert_eq!(text(&output.stderr), "f.toml:1:10: this file is for the server \"echo\", not for \"chat\"\n");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn switchboard_takes_flags_of_the_process_from_its_file() {
    let config = Config::new("drain = '1s'\nslow-turn = 'off'\n[echo]\nlisten = '127.0.0.1:0'\n");
    let server = launch("switchboard", &config, &[]);
    let mut client = Peer::connect(&server.address());
    client.send("hi\n");
    client.expect("hi\n");
    stop(server, 1);
}

#[test]
fn check_reports_every_mistake_and_starts_nothing() {
    let config = Config::new("stdin = 'go'\n[echo]\nlisten = 'nowhere'\n[ecko]\n[relay]\n");
    let output = config.run("switchboard", &["check", "f.toml"]);
    let errors = text(&output.stderr);
    let places: Vec<_> = errors.lines().filter_map(|line| line.split(": ").next()).collect();
    assert_eq!(places, ["f.toml:1:9", "f.toml:3:10", "f.toml:4:2", "f.toml:5:2"], "{errors}");
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()));

    let config = Config::new("[echo]\nlisten = '127.0.0.1:7000'\n[den]\nserver = 'chat'\n");
    let output = config.run("switchboard", &["check", "f.toml"]);
    assert_eq!(text(&output.stdout), "f.toml: a file of switchboard, with the services echo, den\n");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

#[test]
fn check_knows_the_server_of_a_file_or_is_told() {
    let config = Config::new("to = '127.0.0.1:9'\n");
    let output = config.run("switchboard", &["check", "--server", "relay", "f.toml"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), "f.toml: a file of relay-server\n".to_owned()));
    let output = config.run("switchboard", &["check", "--server", "rely", "f.toml"]);
    assert!(text(&output.stderr).contains("unknown server \"rely\" (did you mean relay?)"), "{output:?}");
    assert_eq!(output.status.code(), Some(2));
    let config = Config::new("server = 'relay'\n");
    let output = config.run("switchboard", &["check", "f.toml"]);
    assert_eq!(text(&output.stdout), "f.toml: a file of relay-server; it needs --to\n");
}

#[test]
fn check_compares_the_keys_of_a_table() {
    let config = Config::new(
        "[chat]\nlisten = 'udp:7000'\n[den]\nserver = 'chat'\nreuse-port = true\n[sum]\nmax-connections = 1\n\
         [relay]\nlisten = 7001\nto = 7001\n[page]\nserver = 'echo'\norigin = 'http://a'\n\
         [daytime]\nlisten = 'web:7002'\n[safe]\nserver = 'echo'\nlisten = 'tls:7003'\n\
         [greeting]\nmax-line = 9\n[many]\nserver = 'chat'\nbus = 'redis://:p@h'\nbus-password = 'f'\n",
    );
    let output = config.run("switchboard", &["check", "f.toml"]);
    let errors = text(&output.stderr);
    let wanted = [
        "f.toml:2:1: [chat]: udp:127.0.0.1:7000: this server does not support UDP",
        "f.toml:5:1: [den]: --reuse-port: the kernel would split the room",
        "f.toml:7:1: [sum]: --max-connections 1 is too low",
        "f.toml:10:1: [relay]: --to 127.0.0.1:7001 is an address of this server itself",
        "f.toml:13:1: [page]: --origin is for addresses with web:",
        "f.toml:15:1: [daytime]: web:127.0.0.1:7002: this server has no web door",
        "f.toml:18:1: [safe]: tls:127.0.0.1:7003: TLS needs a certificate; set tls-cert and tls-key in [safe]",
        "f.toml:20:1: [greeting]: --max-line needs --read-reply",
        "f.toml:23:1: [many]: --bus and --bus-password both give a password",
    ];
    assert_eq!(errors.lines().count(), wanted.len(), "{errors}");
    for (line, wanted) in errors.lines().zip(wanted) {
        assert!(line.starts_with(wanted), "{line} is not {wanted}");
    }
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn what_a_key_needs_may_be_on_the_command_line() {
    let config = Config::new("listen = '127.0.0.1:0'\nmax-line = 9\n");
    let output = config.run("echo-server", &["--config", "f.toml"]);
    assert!(text(&output.stderr).starts_with("f.toml:2:1: --max-line needs --reply-prefix"), "{output:?}");
    assert_eq!((output.status.code(), text(&output.stderr).lines().count()), (Some(2), 1));
    let server = launch("echo-server", &config, &["--reply-prefix", "> "]);
    let mut client = Peer::connect(&server.address());
    client.send("hi\n");
    client.expect("> hi\n");
    stop(server, 1);
}

#[test]
fn a_file_of_the_other_kind_is_recognized() {
    for (program, text_of_file, wanted) in [
        ("switchboard", "server = 'echo'\n", "f.toml:1:1: server: this file is for one server"),
        ("echo-server", "[chat]\nlisten = 7000\n", "f.toml:1:2: [chat]: a table is for the file of switchboard"),
    ] {
        let output = Config::new(text_of_file).run(program, &["--config", "f.toml"]);
        assert!(text(&output.stderr).starts_with(wanted), "{output:?}");
        assert_eq!((output.status.code(), text(&output.stderr).lines().count()), (Some(2), 1));
    }
}

#[test]
fn the_words_of_a_program_may_be_in_the_file() {
    let config = Config::new("listen = '127.0.0.1:0'\ncommand = ['printf', '%s;', '-n', 'a b']\n");
    for (args, wanted) in [(&[][..], "-n;a b;"), (&["--", "echo", "from the words"], "from the words\n")] {
        let server = launch("exec-server", &config, args);
        let mut client = Peer::connect(&server.address());
        client.expect(wanted);
        client.expect_eof();
        stop(server, 1);
    }
}
