use super::*;
use proptest::prelude::*;
use proptest::string::string_regex;

fn tcp(host: Host, port: u16) -> Address {
    Address::Tcp { host, port }
}

fn ip(text: &str) -> Host {
    Host::Ip(text.parse().expect("an address in a test"))
}

fn zoned(text: &str, zone: &str) -> Host {
    Host::Zoned { ip: text.parse().expect("an address in a test"), zone: zone.to_owned() }
}

fn name(text: &str) -> Host {
    Host::Name(text.to_owned())
}

fn error(text: &str) -> AddressError {
    match text.parse::<Address>() {
        Ok(address) => panic!("{text:?} parsed as {address:?}"),
        Err(error) => error,
    }
}

#[test]
fn every_form_is_understood() {
    let udp = |host, port| Address::Udp { host, port };
    for (text, address) in [
        ("0", tcp(ip("127.0.0.1"), 0)),
        ("50000", tcp(ip("127.0.0.1"), 50000)),
        ("1.2.3.4:65535", tcp(ip("1.2.3.4"), 65535)),
        ("localhost:80", tcp(name("localhost"), 80)),
        ("a-b.c_d.example.:1", tcp(name("a-b.c_d.example."), 1)),
        ("1.2.3.4.example:1", tcp(name("1.2.3.4.example"), 1)),
        ("[::1]:80", tcp(ip("::1"), 80)),
        ("[::ffff:1.2.3.4]:80", tcp(ip("::ffff:1.2.3.4"), 80)),
        ("[fe80::1%eth0]:80", tcp(zoned("fe80::1", "eth0"), 80)),
        ("[fe80::1%2]:80", tcp(zoned("fe80::1", "2"), 80)),
        ("*:80", tcp(Host::Any, 80)),
        ("unix:/run/x", Address::Unix("/run/x".into())),
        ("unix:x y:1", Address::Unix("x y:1".into())),
        ("udp:5000", udp(ip("127.0.0.1"), 5000)),
        ("udp:1.2.3.4:5", udp(ip("1.2.3.4"), 5)),
        ("udp:localhost:5", udp(name("localhost"), 5)),
        ("udp:[::1]:5", udp(ip("::1"), 5)),
        ("udp:[fe80::1%br-a.1]:5", udp(zoned("fe80::1", "br-a.1"), 5)),
        ("udp:*:5", udp(Host::Any, 5)),
    ] {
        assert_eq!(text.parse(), Ok(address), "{text:?}");
    }
}

#[test]
fn every_mistake_is_named() {
    use AddressError as E;
    for (text, expected) in [
        ("", E::Empty),
        ("udp:", E::Empty),
        ("nonsense", E::NoPort),
        ("127.0.0.1", E::NoPort),
        ("*", E::NoPort),
        ("-1", E::NoPort),
        ("localhost:", E::NoPort),
        ("[::1]", E::NoPort),
        ("[::1]:", E::NoPort),
        ("[::1]80", E::NoPort),
        ("99999", E::BadPort("99999".into())),
        ("1.2.3.4:99999", E::BadPort("99999".into())),
        ("1.2.3.4:+80", E::BadPort("+80".into())),
        ("1.2.3.4:-80", E::BadPort("-80".into())),
        ("1.2.3.4: 80", E::BadPort(" 80".into())),
        ("1.2.3.4:80 ", E::BadPort("80 ".into())),
        ("[::1]:+80", E::BadPort("+80".into())),
        ("a:٣", E::BadPort("٣".into())),
        (":80", E::NoHost),
        ("::1:80", E::NeedsBrackets("::1:80".into())),
        ("::1", E::NeedsBrackets("::1".into())),
        (":::80", E::NeedsBrackets(":::80".into())),
        ("1:2:3:4:5:6:7:8:80", E::NeedsBrackets("1:2:3:4:5:6:7:8:80".into())),
        ("[zz]:1", E::BadV6("zz".into())),
        ("[::1", E::NoPort),
        ("[1.2.3.4]:1", E::BadV6("1.2.3.4".into())),
        ("[fe80::1%eth0", E::NoPort),
        ("[1.2.3.4%eth0]:1", E::BadV6("1.2.3.4%eth0".into())),
        ("[fe80::1%]:1", E::BadZone(String::new())),
        ("[fe80::1%eth 0]:1", E::BadZone("eth 0".into())),
        ("[fe80::1%a/b]:1", E::BadZone("a/b".into())),
        ("[fe80::1%a-name-far-too-long]:1", E::BadZone("a-name-far-too-long".into())),
        ("fe80::1%eth0", E::NeedsBrackets("fe80::1%eth0".into())),
        ("fe80::1%eth0:1", E::NeedsBrackets("fe80::1%eth0:1".into())),
        ("[]:1", E::BadV6(String::new())),
        ("256.1.1.1:1", E::BadV4("256.1.1.1".into())),
        ("127.1:1", E::BadV4("127.1".into())),
        ("1.2.3.4.:1", E::BadV4("1.2.3.4.".into())),
        ("01.2.3.4:1", E::BadV4("01.2.3.4".into())),
        ("0x7f000001:1", E::BadV4("0x7f000001".into())),
        ("80:80", E::BadV4("80".into())),
        ("a b:1", E::BadName("a b".into())),
        (" 1.2.3.4:1", E::BadName(" 1.2.3.4".into())),
        ("a..b:1", E::BadName("a..b".into())),
        (".:1", E::BadName(".".into())),
        ("-a:1", E::BadName("-a".into())),
        ("a-.b:1", E::BadName("a-.b".into())),
        ("ä:1", E::BadName("ä".into())),
        ("a:b:1", E::BadName("a:b".into())),
        ("http://a:1", E::BadName("http://a".into())),
        ("tcp:1.2.3.4:1", E::BadName("tcp:1.2.3.4".into())),
        ("unix:", E::NoPath),
        ("unix:a\nb", E::BadPath("a\nb".into())),
        ("unix:a\0b", E::BadPath("a\0b".into())),
        ("udp:unix:/x", E::UdpUnix),
    ] {
        assert_eq!(error(text), expected, "{text:?}");
    }
}

#[test]
fn lengths_are_exact() {
    let path = |bytes: usize| format!("unix:/{}", "p".repeat(bytes - 1));
    assert!(path(107).parse::<Address>().is_ok());
    assert_eq!(error(&path(108)), AddressError::LongPath(108));

    let label = |bytes| format!("{}:1", "a".repeat(bytes));
    assert!(label(63).parse::<Address>().is_ok());
    assert_eq!(error(&label(64)), AddressError::BadName("a".repeat(64)));

    let host = |last| format!("{}{}", "a.".repeat(120), "b".repeat(last));
    assert!(format!("{}:1", host(13)).parse::<Address>().is_ok());
    assert!(format!("{}.:1", host(13)).parse::<Address>().is_ok());
    assert_eq!(error(&format!("{}:1", host(14))), AddressError::LongName(254));
}

#[test]
fn errors_are_one_clause_with_the_allowed_forms() {
    for (text, shown) in [
        ("nonsense", "the port is missing, use PORT, HOST:PORT, [V6]:PORT or *:PORT, or unix:PATH"),
        ("1.2.3.4:99999", "the port \"99999\" is not a number from 0 to 65535"),
        ("256.1.1.1:1", "\"256.1.1.1\" is not an IPv4 address: four numbers from 0 to 255 without leading zeros"),
        ("::1:80", "the IPv6 address in \"::1:80\" needs brackets, use [V6]:PORT"),
        ("[zz]:1", "\"zz\" in brackets is not an IPv6 address, use [V6]:PORT"),
        ("unix:", "the path after unix: is missing, use unix:PATH"),
        ("unix:\u{1b}[2J", "the path \"\\u{1b}[2J\" contains a control character, use one without"),
        (
            "udp:unix:/x",
            "udp: and unix: exclude each other, use unix:PATH, or udp: before PORT, HOST:PORT, [V6]:PORT or *:PORT",
        ),
    ] {
        assert_eq!(error(text).to_string(), shown);
    }
}

#[test]
fn any_resolves_to_both_families() {
    let found = tcp(Host::Any, 7).resolve().expect("no look-up");
    assert_eq!(found, ["[::]:7".parse().unwrap(), "0.0.0.0:7".parse().unwrap()]);
}

#[test]
fn an_ip_resolves_to_itself() {
    let found = Address::Udp { host: ip("::1"), port: 7 }.resolve().expect("no look-up");
    assert_eq!(found, ["[::1]:7".parse().unwrap()]);
}

#[test]
fn a_name_resolves_to_each_address_once() {
    let found = tcp(name("localhost"), 7).resolve().expect("every system knows localhost");
    assert!(found.iter().all(|a| a.ip().is_loopback() && a.port() == 7), "{found:?}");
    for (at, address) in found.iter().enumerate() {
        assert!(!found[..at].contains(address), "{address} twice in {found:?}");
    }
}

#[test]
fn a_path_does_not_resolve() {
    let error = Address::Unix("/run/x".into()).resolve().expect_err("a path has no address");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

/// Hosts without the names that are prefixes: `udp:1` is UDP, so TCP to a host named `udp` has no text.
fn hosts() -> impl Strategy<Value = Host> {
    let label = "[a-zA-Z_]([a-zA-Z0-9_-]{0,20}[a-zA-Z0-9_])?";
    prop_oneof![
        Just(Host::Any),
        any::<std::net::Ipv4Addr>().prop_map(|ip| Host::Ip(ip.into())),
        any::<std::net::Ipv6Addr>().prop_map(|ip| Host::Ip(ip.into())),
        string_regex(&format!("{label}(\\.{label}){{0,4}}\\.?"))
            .expect("a regular expression")
            .prop_filter("prefixes", |name| name != "udp" && name != "unix")
            .prop_map(Host::Name),
    ]
}

fn addresses() -> impl Strategy<Value = Address> {
    prop_oneof![
        (hosts(), any::<u16>()).prop_map(|(host, port)| Address::Tcp { host, port }),
        (hosts(), any::<u16>()).prop_map(|(host, port)| Address::Udp { host, port }),
        "[^\\p{Cc}]{1,26}".prop_map(|path| Address::Unix(path.into())),
    ]
}

proptest! {
    #[test]
    fn display_parses_back(address in addresses()) {
        prop_assert_eq!(address.to_string().parse(), Ok(address));
    }

    #[test]
    fn parsing_any_text_ends_in_an_address_or_one_line(text in any::<String>()) {
        check_any_text(&text)?;
    }

    #[test]
    fn parsing_address_like_text_ends_in_an_address_or_one_line(
        text in "(udp:|unix:)?[]\\[*:.0-9a-fx %+-]{0,24}(:[0-9]{0,6})?",
    ) {
        check_any_text(&text)?;
    }
}

fn check_any_text(text: &str) -> Result<(), TestCaseError> {
    match text.parse::<Address>() {
        Ok(address) => prop_assert_eq!(address.to_string().parse(), Ok(address)),
        Err(error) => prop_assert!(!error.to_string().contains(char::is_control), "{:?}", error),
    }
    Ok(())
}
