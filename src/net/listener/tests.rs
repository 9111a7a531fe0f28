use super::*;
use std::net::TcpStream;
use std::os::unix::net::UnixListener;

const V6: &str = "[::]:0";
const V4: &str = "0.0.0.0:0";

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address in a test")
}

fn bind_text(text: &str) -> Result<Vec<Listener>, BindError> {
    bind(&text.parse().expect("an address in a test"), &SocketOptions::default())
}

fn refused(text: &str) -> String {
    bind_text(text).expect_err("it cannot be had").to_string()
}

/// A real listener on loopback, in the family asked for or not.
fn loopback(port: u16) -> io::Result<Listener> {
    SocketOptions::default().listen_tcp(([127, 0, 0, 1], port).into()).map(Listener::Tcp)
}

#[test]
fn the_real_address_is_shown() {
    let listeners = bind_text("0").expect("bind");
    assert_eq!(listeners.len(), 1);
    let port = listeners[0].port().unwrap();
    assert_ne!(port, 0);
    assert_eq!(listeners[0].local_addr().unwrap().to_string(), format!("127.0.0.1:{port}"));

    let listeners = bind_text("udp:0").expect("bind");
    let port = listeners[0].port().unwrap();
    assert_eq!(listeners[0].local_addr().unwrap().to_string(), format!("udp:127.0.0.1:{port}"));

    let directory = tempfile::tempdir().expect("a directory");
    let text = format!("unix:{}/socket", directory.path().display());
    let listeners = bind_text(&text).expect("bind");
    assert_eq!(listeners[0].local_addr().unwrap().to_string(), text);
}

#[test]
fn any_is_both_families_on_one_port() {
    for (text, prefix) in [("*:0", ""), ("udp:*:0", "udp:")] {
        let listeners = bind_text(text).expect("bind");
        let port = listeners[0].port().unwrap();
        let shown: Vec<_> = listeners.iter().map(|l| l.local_addr().unwrap().to_string()).collect();
        assert_eq!(shown, [format!("{prefix}[::]:{port}"), format!("{prefix}0.0.0.0:{port}")]);
    }
}

#[test]
fn any_is_reached_by_both_families() {
    let listeners = bind_text("*:0").expect("bind");
    let port = listeners[0].port().unwrap();
    TcpStream::connect(("127.0.0.1", port)).expect("IPv4");
    TcpStream::connect(("::1", port)).expect("IPv6");
}

#[test]
fn several_addresses_are_always_v6_only() {
    let options = SocketOptions { only_v6: false, ..SocketOptions::default() };
    assert_eq!(bind(&"*:0".parse().unwrap(), &options).expect("bind").len(), 2);
    let one = bind(&"[::]:0".parse().unwrap(), &options).expect("bind");
    TcpStream::connect(("127.0.0.1", one[0].port().unwrap())).expect("one address obeys the option");
}

#[test]
fn a_name_is_bound_on_all_its_addresses_on_one_port() {
    let address: Address = "localhost:0".parse().unwrap();
    let listeners = bind(&address, &SocketOptions::default()).expect("bind");
    assert_eq!(listeners.len(), address.resolve().unwrap().len());
    let port = listeners[0].port().unwrap();
    assert!(listeners.iter().all(|listener| listener.port().unwrap() == port));
}

#[test]
fn blocking_listeners_are_recognized() {
    let blocking = SocketOptions { nonblocking: false, ..SocketOptions::default() };
    let directory = tempfile::tempdir().expect("a directory");
    for text in ["0".to_owned(), "udp:0".to_owned(), format!("unix:{}/socket", directory.path().display())] {
        let address: Address = text.parse().unwrap();
        assert!(bind(&address, &SocketOptions::default()).expect("bind")[0].is_nonblocking().unwrap(), "{text}");
        assert!(!bind(&address, &blocking).expect("bind")[0].is_nonblocking().unwrap(), "{text}");
    }
}

#[test]
fn a_missing_family_is_left_out() {
    for errno in [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL] {
        let mut make = |at: SocketAddr| {
            if at.is_ipv6() { Err(errno.into()) } else { loopback(at.port()) }
        };
        let bound = bind_each(&[at(V6), at(V4)], &mut make).expect("the other family");
        assert_eq!(bound.listeners.len(), 1);
        let missing: Vec<_> = bound.missing.iter().map(|(at, _)| *at).collect();
        assert_eq!(missing, [at(V6)]);
    }
}

#[test]
fn an_address_that_is_not_ours_is_not_a_missing_family() {
    let mut make = |at: SocketAddr| {
        if at.is_ipv4() { Err(Errno::ADDRNOTAVAIL.into()) } else { loopback(at.port()) }
    };
    let (refused, _) = bind_each(&[at(V6), at(V4)], &mut make).expect_err("IPv4 is there");
    assert!(refused.is_ipv4());
}

#[test]
fn nothing_bound_is_an_error() {
    let mut make = |_| Err(Errno::AFNOSUPPORT.into());
    for targets in [&[at(V6)][..], &[at(V6), at(V4)]] {
        let (_, error) = bind_each(targets, &mut make).expect_err("nothing listens");
        assert_eq!(error.raw_os_error(), Some(Errno::AFNOSUPPORT.raw_os_error()));
    }
}

#[test]
fn a_port_taken_in_the_second_family_is_tried_again() {
    let mut asked = Vec::new();
    let mut make = |at: SocketAddr| {
        asked.push(at);
        match at {
            SocketAddr::V6(_) => loopback(at.port()),
            SocketAddr::V4(_) if asked.len() < 6 => Err(Errno::ADDRINUSE.into()),
            // The first one has the port on this very address.
            SocketAddr::V4(_) => loopback(0),
        }
    };
    let bound = bind_each(&[at(V6), at(V4)], &mut make).expect("at the third try");
    assert_eq!(bound.listeners.len(), 2);
    assert_eq!(asked.len(), 6);
    for pair in asked.chunks(2) {
        assert_eq!(pair[0].port(), 0, "the system picks");
        assert_ne!(pair[1].port(), 0, "the second follows the first");
    }
}

#[test]
fn the_search_for_a_port_ends() {
    let mut asked = 0;
    let mut make = |_| {
        asked += 1;
        Err(Errno::ADDRINUSE.into())
    };
    bind_each(&[at(V4)], &mut make).expect_err("never free");
    assert_eq!(asked, PORT_TRIES);
}

#[test]
fn a_given_port_is_tried_once() {
    let mut asked = 0;
    let mut make = |_| {
        asked += 1;
        Err(Errno::ADDRINUSE.into())
    };
    bind_each(&[at("0.0.0.0:7")], &mut make).expect_err("taken");
    assert_eq!(asked, 1);
}

#[test]
fn a_second_copy_fails_with_the_remedy() {
    let first = bind_text("0").expect("bind");
    let port = first[0].port().unwrap();
    let second = bind_text(&port.to_string()).expect_err("taken");
    assert_eq!(second.io_error().kind(), io::ErrorKind::AddrInUse);
    assert_eq!(second.address().to_string(), format!("127.0.0.1:{port}"));
    assert_eq!(
        second.to_string(),
        format!(
            "cannot listen on 127.0.0.1:{port}: Address already in use (os error 98); another \
             program has this port: see \"ss -ltnp sport = :{port}\", \
             or choose another"
        )
    );

    let first = bind_text("udp:0").expect("bind");
    let port = first[0].port().unwrap();
    let shown = refused(&format!("udp:{port}"));
    assert!(shown.contains(&format!("\"ss -lunp sport = :{port}\"")), "{shown}");
}

#[test]
fn the_error_names_the_address_that_failed() {
    // Both first, so that the port is free in IPv6 when that one is dropped.
    let mut first = bind_text("*:0").expect("bind");
    let port = first[0].port().unwrap();
    drop(first.remove(0));
    let shown = refused(&format!("*:{port}"));
    assert!(
        shown.starts_with(&format!("cannot listen on *:{port} (0.0.0.0:{port}): Address already in use")),
        "{shown}"
    );
}

#[test]
fn a_name_without_an_address_is_one_line() {
    let shown = refused("no-such-host.invalid:1");
    assert!(shown.starts_with("cannot listen on no-such-host.invalid:1: "), "{shown}");
    assert!(shown.ends_with("; check the name, or give an IP address"), "{shown}");
    assert!(!shown.contains('\n'), "{shown}");
}

#[test]
fn an_address_of_another_machine_is_one_line() {
    // TEST-NET-1 is reserved (RFC 5737).
    assert_eq!(
        refused("192.0.2.1:0"),
        "cannot listen on 192.0.2.1:0: Cannot assign requested address (os error 99); it is \
         not an address of this machine: see \"ip address\", or choose another"
    );
    let shown = refused("[fe80::1]:0");
    assert!(shown.contains("a link-local address needs its zone, such as [fe80::1%eth0]:0"), "{shown}");
}

#[test]
fn each_socket_error_has_its_remedy() {
    for (errno, text, remedy) in [
        (Errno::ACCESS, "1.2.3.4:80", "; ports below 1024 need CAP_NET_BIND_SERVICE or root"),
        (Errno::AFNOSUPPORT, "[::1]:80", "; this machine has no IPv6, choose an IPv4 address"),
        (Errno::MFILE, "1.2.3.4:80", "; raise \"ulimit -n\""),
        (Errno::NOBUFS, "1.2.3.4:80", "; check the address and the socket options"),
    ] {
        let error = BindError {
            address: text.parse().expect("an address in a test"),
            stage: Stage::Socket(at(text)),
            source: errno.into(),
        };
        let shown = error.to_string();
        assert!(shown.starts_with(&format!("cannot listen on {text}: ")), "{shown}");
        assert!(shown.contains(remedy), "{shown}");
        assert!(!shown.contains('\n'), "{shown}");
    }
}

#[test]
fn each_path_error_has_its_remedy() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    let _live = UnixListener::bind(path("live")).expect("listen");
    std::fs::write(path("file"), "precious").expect("write");
    for (name, remedy) in [
        ("live", "Address already in use (os error 98); another program listens there: see \"ss -lxp\""),
        ("file", "the file there is not a socket; it was left alone: remove it"),
        ("none/socket", "No such file or directory (os error 2); create its directory first"),
    ] {
        let text = format!("unix:{}", path(name).display());
        let shown = refused(&text);
        assert!(shown.starts_with(&format!("cannot listen on {text}: {remedy}")), "{shown}");
        assert!(shown.ends_with("or choose another path"), "{shown}");
    }
}
