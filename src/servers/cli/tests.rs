use super::run::console_use;
use super::*;
use crate::net::{Network, SocketOptions};
use crate::{ConsoleMode, Limits, ServiceId};
use clap::{CommandFactory, Parser};
use std::time::Duration;

#[derive(Parser, Debug)]
#[command(name = "test-server")]
struct TestArgs {
    #[command(flatten)]
    server: ServerArgs,
}

fn parsed(words: &[&str]) -> Result<ServerArgs, String> {
    let words = std::iter::once(&"test-server").chain(words);
    TestArgs::try_parse_from(words).map(|args| args.server).map_err(|error| error.to_string())
}

#[test]
fn the_flags_are_well_formed() {
    TestArgs::command().debug_assert();
}

#[test]
fn defaults_are_those_of_the_contract() {
    let args = parsed(&[]).expect("no flag is required");
    assert_eq!(
        (args.listen.backlog, args.listen.reuse_address, args.listen.reuse_port, args.listen.nodelay),
        (LimitOrOff(Some(1024)), true, false, true)
    );
    assert_eq!(
        (args.listen.keepalive, args.listen.max_connections, args.listen.idle_timeout),
        (LimitOrOff(None), LimitOrOff(None), LimitOrOff(None))
    );
    assert_eq!(
        (args.listen.max_queue, args.process.drain),
        (LimitOrOff(Some(1 << 20)), LimitOrOff(Some(Duration::from_secs(5))))
    );
    assert_eq!(args.process.stdin, Stdin::Stop);
}

/// With all features, this shows the absence of the message. `.ci/run` tests the default features, too.
#[test]
fn an_address_of_a_missing_feature_names_it() {
    for (address, feature, is_built) in
        [("web:0", "web", cfg!(feature = "web")), ("tls:0", "tls", cfg!(feature = "tls"))]
    {
        let listen = parsed(&["--listen", address]).expect("every build knows the address").listen;
        let setup = ServiceSetup::new(1, ()).with_web_door();
        let told = match ServiceBinding::new(ServiceId::DEFAULT, ListenSetting::Flag, listen, setup) {
            Err(StartError::Usage(told)) => told,
            _ => String::new(),
        };
        let missing = format!("this program was built without the feature {feature}; build it with --features full");
        assert_eq!(told.ends_with(&missing), !is_built, "{address}: {told}");
    }
}

#[test]
fn every_limit_takes_off() {
    for flag in ["--backlog", "--keepalive", "--max-connections", "--idle-timeout", "--max-queue", "--drain"] {
        parsed(&[flag, "off"]).unwrap_or_else(|error| panic!("{flag} off: {error}"));
    }
}

#[test]
fn values_are_understood_or_refused_with_the_flag_named() {
    let args =
        parsed(&["--idle-timeout", "500ms", "--max-queue", "64KiB", "--keepalive", "2m", "--recv-buffer", "4096"])
            .expect("good values");
    assert_eq!(args.listen.idle_timeout, LimitOrOff(Some(Duration::from_millis(500))));
    assert_eq!((args.listen.max_queue, args.listen.recv_buffer), (LimitOrOff(Some(65536)), Some(4096)));
    assert_eq!(args.listen.keepalive, LimitOrOff(Some(Duration::from_secs(120))));
    for (flag, value) in [
        ("--idle-timeout", "5"),
        ("--idle-timeout", "0s"),
        ("--max-queue", "0"),
        ("--max-queue", "5 apples"),
        ("--max-queue", "99999999999999G"),
        ("--max-connections", "0"),
        ("--keepalive", "500ms"),
        ("--keepalive", "10h"),
        ("--keepalive", "32767s 1ms"),
        ("--allow", "10.0.0.0/33"),
        ("--proxy-protocol", "10.0.0.0/33"),
        ("--proxy-protocol", "unix:/run/proxy"),
        ("--backlog", "many"),
        ("--nodelay", "maybe"),
        ("--listen", "nonsense"),
    ] {
        let error = parsed(&[flag, value]).expect_err(value);
        assert!(error.contains(flag), "{flag} {value}: {error}");
    }
}

#[test]
fn a_control_socket_has_a_path_and_nothing_else() {
    for value in ["/run/control", "7000", "off", ""] {
        let error = parsed(&["--control", value]).expect_err(value);
        assert!(error.contains("such as unix:/run/chat/control") && !error.contains("PORT,"), "{value}: {error}");
    }
    let error = parsed(&["--control", "unix:"]).expect_err("no path");
    assert!(error.contains("path"), "{error}");
}

#[test]
fn networks_and_single_hosts_are_networks() {
    let args = parsed(&["--allow", "10.0.0.0/8", "--deny", "10.0.0.1", "--deny", "::1"]).expect("good networks");
    assert_eq!(args.listen.allow, ["10.0.0.0/8".parse::<Network>().expect("a literal")]);
    assert_eq!(args.listen.deny.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.1/32", "::1/128"]);
}

#[test]
fn sizes_have_the_units_of_dd() {
    for (text, wanted) in [
        ("1", 1),
        ("1K", 1 << 10),
        ("1k", 1 << 10),
        ("64KiB", 64 << 10),
        ("1kB", 1000),
        ("1MB", 1_000_000),
        ("1M", 1 << 20),
        ("1mib", 1 << 20),
        ("2GB", 2_000_000_000),
        ("1G", 1 << 30),
    ] {
        assert_eq!(parse_size(text), Ok(wanted), "{text}");
    }
    for text in ["", "K", "1 K", "1.5M", "-1", "1Ki", "99999999999999G"] {
        let error = parse_size(text).expect_err(text);
        assert!(error.contains("such as 4096, 64KiB or 1MB"), "{text}: {error}");
    }
}

/// Hosts are compared as IPv4 on every socket, so a network in the mapped form would match no host.
#[test]
fn a_mapped_network_is_the_ipv4_network_that_it_maps() {
    let args = parsed(&["--deny", "::ffff:127.0.0.1", "--deny", "::ffff:10.0.0.0/104", "--deny", "::ffff:0:0/96"])
        .expect("good networks");
    assert_eq!(
        args.listen.deny.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["127.0.0.1/32", "10.0.0.0/8", "0.0.0.0/0"]
    );
    let wider = parsed(&["--deny", "::/0"]).expect("a good network");
    assert_eq!(wider.listen.deny.iter().map(ToString::to_string).collect::<Vec<_>>(), ["::/0"]);
}

#[test]
fn a_server_that_needs_an_operator_reads_commands() {
    let needed = OperatorNeed::Required { hint: "say something" };
    assert_eq!(console_use(Stdin::Commands, needed), Ok(Some((ConsoleMode::Commands, "say something"))));
    for (stdin, name) in [(Stdin::Stop, "stop"), (Stdin::Ignore, "ignore")] {
        let error = console_use(stdin, needed).expect_err(name);
        assert!(error.starts_with(&format!("--stdin {name}: ")) && error.ends_with("--stdin commands"), "{error}");
        assert!(console_use(stdin, OperatorNeed::Optional).is_ok());
    }
    assert_eq!(console_use(Stdin::Ignore, OperatorNeed::Optional), Ok(None));
}

#[test]
fn the_inbox_holds_the_longest_line() {
    assert_eq!(line_limits(4096).inbox, Limits::default().inbox);
    assert_eq!(line_limits(1 << 20).inbox, (1 << 20) + 2);
    assert_eq!(line_limits(usize::MAX).inbox, usize::MAX);
}

/// Without it, a reply in pieces waits up to 40 ms for the delayed acknowledgement of the peer.
#[test]
fn accepted_connections_have_nodelay_unless_told_otherwise() {
    for (flags, wanted) in [(&[][..], true), (&["--nodelay", "true"], true), (&["--nodelay", "false"], false)] {
        let options = parsed(flags).expect("good flags").listen.socket_options();
        let options = SocketOptions { nonblocking: false, ..options };
        let listener = options.listen_tcp(([127, 0, 0, 1], 0).into()).expect("port 0 is free");
        let address = listener.local_addr().expect("bound");
        let _peer = std::net::TcpStream::connect(address).expect("within the backlog");
        let (accepted, _) = listener.accept().expect("a client waits");
        assert_eq!(accepted.nodelay().expect("a TCP socket"), wanted, "{flags:?}");
    }
}
