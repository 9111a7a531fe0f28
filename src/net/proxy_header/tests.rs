use proptest::prelude::*;

use super::*;

/// Builds a header of version 2.
fn binary(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).expect("a short block").to_be_bytes();
    [SIGNATURE, &[command, family], &length, block].concat()
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("a literal address")
}

/// The answer for all of `bytes`, after a check that the header is found as soon as it is whole, and not before.
#[track_caller]
fn parsed(bytes: &[u8]) -> Result<ProxyHeader, ProxyHeaderError> {
    let whole = ProxyHeader::parse(bytes);
    let mut was_refused = false;
    for end in 0..bytes.len() {
        let answer = ProxyHeader::parse(&bytes[..end]);
        match (answer, whole) {
            (Ok(None), Ok(Some(header))) => assert!(end < header.length, "found late: {end} {header:?}"),
            (Ok(Some(early)), Ok(Some(header))) => assert_eq!((early, end >= header.length), (header, true)),
            (Ok(None), Err(_)) => assert!(!was_refused, "refused, and then not: {end}"),
            (Err(early), Err(error)) => assert_eq!(early, error),
            other => panic!("{other:?} at {end} of {:?}", bytes.escape_ascii().to_string()),
        }
        was_refused |= answer.is_err();
    }
    whole.map(|header| header.expect("all bytes are there"))
}

#[test]
fn the_lines_of_the_specification_are_read() {
    let longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    for (line, client) in [
        ("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", Some("192.168.0.1:56324")),
        ("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", Some("255.255.255.255:65535")),
        ("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", Some("0.0.0.0:0")),
        ("PROXY TCP6 2001:db8::1 2001:DB8::2 56324 443\r\n", Some("[2001:db8::1]:56324")),
        (&format!("PROXY TCP6 {longest} {longest} 65535 65535\r\n"), Some(&*format!("[{longest}]:65535"))),
        ("PROXY TCP6 ::ffff:192.0.2.1 ::1 7 443\r\n", Some("192.0.2.1:7")),
        ("PROXY UNKNOWN\r\n", None),
        (&format!("PROXY UNKNOWN {longest} {longest} 65535 65535\r\n"), None),
        ("PROXY UNKNOWN \u{ff} \r \t\r\n", None),
    ] {
        let bytes = [line.as_bytes(), b"GET / HTTP/1.1\r\n"].concat();
        let header = parsed(&bytes).expect(line);
        assert_eq!((header.length, header.client), (line.len(), client.map(address)), "{line}");
    }
}

#[test]
fn any_other_line_is_malformed() {
    for line in [
        "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\n",
        "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\r\n",
        "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443 \r\n",
        "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443 1\r\n",
        "PROXY TCP4  192.168.0.1 192.168.0.11 56324 443\r\n",
        "PROXY TCP4 192.168.0.01 192.168.0.11 56324 443\r\n",
        "PROXY TCP4 192.168.0.1 192.168.0.256 56324 443\r\n",
        "PROXY TCP4 192.168.0.1 192.168.0.11 056324 443\r\n",
        "PROXY TCP4 192.168.0.1 192.168.0.11 +6324 443\r\n",
        "PROXY TCP4 192.168.0.1 192.168.0.11 65536 443\r\n",
        "PROXY TCP4 192.168.0.1 192.168.0.11 56324 \r\n",
        "PROXY TCP4 192.168.0.1 192.168.0.11 56324\r\n",
        "PROXY TCP4 192.168.0.1 192.168.0.11\r\n",
        "PROXY TCP4 ::1 ::2 56324 443\r\n",
        "PROXY TCP6 192.168.0.1 192.168.0.11 56324 443\r\n",
        "PROXY TCP6 fe80::1%eth0 ::2 56324 443\r\n",
        "PROXY UDP4 192.168.0.1 192.168.0.11 56324 443\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY UNKNOWN\n",
        "PROXY \r\n",
        "PROXY \n",
        &format!("PROXY UNKNOWN {}\r\n", "f".repeat(92)),
    ] {
        assert_eq!(parsed(line.as_bytes()), Err(ProxyHeaderError::Line), "{line}");
    }
    let longest = format!("PROXY UNKNOWN {}\r\n", "f".repeat(91));
    assert_eq!(parsed(longest.as_bytes()).map(|header| header.length), Ok(107));
}

#[test]
fn what_begins_otherwise_is_no_header() {
    for bytes in ["hello\n", "PROXY\r\n", "PROXYTCP4", "proxy tcp4", "\r\nhello", "\r\n\r\n\0\r\nQUIT\r"] {
        assert_eq!(parsed(bytes.as_bytes()), Err(ProxyHeaderError::Missing), "{bytes:?}");
    }
    for bytes in ["", "P", "PROXY", "PROXY ", "\r\n\r\n\0\r\nQUI"] {
        assert_eq!(ProxyHeader::parse(bytes.as_bytes()), Ok(None), "{bytes:?}");
    }
}

#[test]
fn binary_headers_are_read() {
    let four = [192, 0, 2, 1, 192, 0, 2, 99, 0xdc, 0x04, 0x01, 0xbb];
    let six = [&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1][..], &[0; 16], &[0, 80, 0, 81]].concat();
    let mapped = [&[0; 10][..], &[0xff, 0xff, 192, 0, 2, 1], &[0; 16], &[0, 80, 0, 81]].concat();
    let more = [&four[..], &[4, 0, 2, 0, 0]].concat();
    let largest = [&four[..], &[0; ProxyHeader::MAX - FIXED - 12]].concat();
    for (command, family, block, client) in [
        (0x21, 0x11, &four[..], Some("192.0.2.1:56324")),
        (0x21, 0x12, &four, Some("192.0.2.1:56324")),
        (0x21, 0x11, &more, Some("192.0.2.1:56324")),
        (0x21, 0x11, &largest, Some("192.0.2.1:56324")),
        (0x21, 0x21, &six, Some("[2001:db8::1]:80")),
        (0x21, 0x22, &six, Some("[2001:db8::1]:80")),
        (0x21, 0x21, &mapped, Some("192.0.2.1:80")),
        (0x21, 0x31, &[b'/'; 216], None),
        (0x21, 0x32, &[b'/'; 216], None),
        (0x21, 0x00, &[], None),
        (0x21, 0x00, &four, None),
        (0x21, 0x10, &four, None),
        (0x21, 0x01, &four, None),
        (0x20, 0x00, &[], None),
        (0x20, 0x11, &four, None),
        (0x20, 0xff, &[1, 2, 3], None),
    ] {
        let bytes = binary(command, family, block);
        let header = parsed(&[&bytes, &b"hello"[..]].concat()).expect("a good header");
        let name = format!("{command:#x} {family:#x} {}", block.len());
        assert_eq!((header.length, header.client), (bytes.len(), client.map(address)), "{name}");
    }
}

#[test]
fn binary_headers_have_a_known_version_family_and_length() {
    let block = [0; 36];
    for (command, family, length, error) in [
        (0x11, 0x11, 12, ProxyHeaderError::Command(0x11)),
        (0x22, 0x11, 12, ProxyHeaderError::Command(0x22)),
        (0x31, 0x11, 12, ProxyHeaderError::Command(0x31)),
        (0x21, 0x13, 12, ProxyHeaderError::Family(0x13)),
        (0x21, 0x41, 12, ProxyHeaderError::Family(0x41)),
        (0x21, 0x11, 11, ProxyHeaderError::Length(11)),
        (0x21, 0x21, 35, ProxyHeaderError::Length(35)),
        (0x21, 0x31, 36, ProxyHeaderError::Length(36)),
    ] {
        assert_eq!(parsed(&binary(command, family, &block[..length])), Err(error));
    }
    let endless = [SIGNATURE, &[0x20, 0, 0xff, 0xff]].concat();
    assert_eq!(parsed(&endless), Err(ProxyHeaderError::Length(65535)));
}

proptest! {
    #[test]
    fn every_address_comes_back(source: SocketAddr, after: Vec<u8>) {
        let port = source.port();
        let (line, family, octets) = match source.ip() {
            IpAddr::V4(ip) => (format!("PROXY TCP4 {ip} 127.0.0.1 {port} 5000\r\n"), 0x11, ip.octets().to_vec()),
            IpAddr::V6(ip) => (format!("PROXY TCP6 {ip} ::1 {port} 5000\r\n"), 0x21, ip.octets().to_vec()),
        };
        let block = [&octets[..], &octets, &port.to_be_bytes(), &[0, 80]].concat();
        for header in [line.into_bytes(), binary(0x21, family, &block)] {
            let client = Some(SocketAddr::new(source.ip().to_canonical(), port));
            let wanted = ProxyHeader { length: header.len(), client };
            prop_assert_eq!(parsed(&[&header[..], &after].concat()), Ok(wanted));
        }
    }
}
