//! The flags of servers that pages reach, too.

use clap::Args;

use super::args::ListenArgs;
use super::server::StartError;
use crate::framing::websocket::WebSocketOptions;
use crate::net::{Address, Door, Host, ListenAddress};

/// The flags of a server with a web door, which apply to the addresses with `web:`.
#[derive(Args, Clone, Debug)]
pub struct WebArgs {
    /// The origins whose pages may connect, besides those of the server itself.
    #[arg(long, value_name = "URL", value_parser = parse_origin, help_heading = "Web",
        help = "Let pages of this origin connect, too, such as https://example.com; repeatable")]
    pub origin: Vec<String>,

    /// Name of this server in URLs, without a port; repeatable. IP addresses and localhost are always accepted. Without
    /// this flag, a server with a web: address on loopback accepts no other names, and another server any
    #[arg(long, value_name = "NAME", value_parser = parse_host, help_heading = "Web")]
    pub host: Vec<String>,
}

impl WebArgs {
    /// Returns the rules for pages. `None` if the server has no address with `web:`.
    ///
    /// # Errors
    /// If a flag is given without such an address.
    pub(crate) fn options(&self, listen: &ListenArgs) -> Result<Option<WebSocketOptions>, StartError> {
        if !listen.has_web_door() {
            return match (self.origin.is_empty(), self.host.is_empty()) {
                (true, true) => Ok(None),
                (false, _) => Err(unused("--origin")),
                (true, false) => Err(unused("--host")),
            };
        }
        let mut web = listen.listen.iter().filter(|listen| listen.door == Door::Web);
        let is_checked = !self.host.is_empty() || web.any(is_loopback);
        let mut options = WebSocketOptions::default();
        options.origins.clone_from(&self.origin);
        options.hosts = is_checked.then(|| self.host.clone());
        Ok(Some(options))
    }
}

fn unused(flag: &str) -> StartError {
    StartError::usage(format!("{flag} is for addresses with web:; add one, such as --listen web:PORT"))
}

/// Whether a browser reaches this address, and only from this machine. No browser connects to a path.
fn is_loopback(listen: &ListenAddress) -> bool {
    match listen.address.transport() {
        Address::Tcp { host: Host::Ip(ip), .. } => ip.to_canonical().is_loopback(),
        Address::Tcp { host: Host::Name(name), .. } => name.trim_end_matches('.').eq_ignore_ascii_case("localhost"),
        _ => false,
    }
}

/// Parses an origin (RFC 6454), and omits the default port of its scheme, as browsers do.
fn parse_origin(text: &str) -> Result<String, String> {
    let wrong = || format!("{text:?} is not an origin: use a scheme, a host and its port, such as https://example.com");
    let (scheme, authority) = text.split_once("://").ok_or_else(wrong)?;
    let is_good = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && !b"/?#@,".contains(&b));
    if !is_good(scheme) || !is_good(authority) {
        return Err(wrong());
    }
    let default = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => "",
    };
    Ok(format!("{scheme}://{}", authority.strip_suffix(default).unwrap_or(authority)))
}

/// Parses a name of this server.
fn parse_host(text: &str) -> Result<String, String> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if text.is_empty() || !text.bytes().all(is_name) {
        return Err(format!("{text:?} is not a name: use letters, digits, \"-\", \"_\" and \".\", without a port"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::servers::EchoServer;

    fn options(words: &str) -> Result<Option<WebSocketOptions>, String> {
        let words = ["echo-server"].into_iter().chain(words.split_whitespace());
        let server = EchoServer::try_parse_from(words).map_err(|error| error.to_string())?;
        server.web.options(&server.server.listen).map_err(|error| format!("{error:?}"))
    }

    #[test]
    fn names_are_checked_on_loopback_and_by_flag() {
        let hosts = |words: &str| options(words).expect(words).expect("a web door").hosts;
        for words in ["web:1", "web:[::1]:1", "web:127.9.9.9:1", "web:[::ffff:127.0.0.1]:1", "web+tls:LocalHost.:1"] {
            assert_eq!(hosts(&format!("-l {words}")), Some(vec![]), "{words}");
        }
        for words in ["web:*:1", "web:0.0.0.0:1", "web:10.0.0.1:1", "web+tls:example.org:1", "web:unix:x"] {
            assert_eq!(hosts(&format!("-l 1 -l {words}")), None, "{words}");
        }
        assert_eq!(hosts("-l web:*:1 -l web:1"), Some(vec![]));
        assert_eq!(hosts("-l web:*:1 --host a.example --host b"), Some(vec!["a.example".to_owned(), "b".to_owned()]));
        assert!(options("").is_ok_and(|options| options.is_none()));
        assert!(options("-l 127.0.0.1:1 -l tls:2").is_ok_and(|options| options.is_none()));
    }

    #[test]
    fn origins_are_as_a_browser_writes_them() {
        let words = "-l web:1 --origin https://a.example:443 --origin http://b:80 --origin http://c:443";
        let origins = options(words).expect("good flags").expect("a web door").origins;
        assert_eq!(origins, ["https://a.example", "http://b", "http://c:443"]);
        for wrong in ["example.com", "https://", "://a", "https://a/", "https://a/b", "null", "https://u@a", "*"] {
            let error = options(&format!("-l web:1 --origin {wrong}")).expect_err(wrong);
            assert!(error.contains("is not an origin: use"), "{error}");
        }
    }

    #[test]
    fn a_flag_of_the_web_door_needs_one() {
        for (words, flag) in [("--origin http://a", "--origin"), ("-l 7000 --host a", "--host")] {
            let error = options(words).expect_err(words);
            assert!(error.contains(&format!("{flag} is for addresses with web:; add one")), "{error}");
        }
        for wrong in ["a:80", "[::1]", "a/b", "http://a"] {
            let error = options(&format!("-l web:1 --host {wrong}")).expect_err(wrong);
            assert!(error.contains("is not a name: use letters"), "{error}");
        }
    }
}
