//! TLS between two reactors: both handlers read the application protocol that the handshake has agreed on.

use std::io;

use switchboard::net::tls::{TlsClient, TlsClientOptions, TlsServer, TlsServerOptions, Trust};
use switchboard::{Address, Context, Handler, Link, Origin, Reactor, ServiceOptions, Token};
use switchboard_harness::{Certificates, SERVER};

use super::Running;

/// Notes the protocol of its connection, or the reason why there is none, and stops.
#[derive(Default)]
struct Caller(Vec<String>);

/// Serves any protocol, and says nothing.
struct Silent;

fn protocol(cx: &Context<'_>) -> String {
    cx.alpn().map_or("any".to_owned(), |name| String::from_utf8_lossy(name).into_owned())
}

impl Handler for Caller {
    type Session = ();

    fn open(&mut self, _: &Origin, cx: &mut Context<'_>) {
        self.0.push(protocol(cx));
        cx.stop();
    }

    fn data<'a>(&mut self, (): &mut (), input: &'a mut [u8], _: &mut Context<'a>) -> usize {
        input.len()
    }

    fn connect_failed(&mut self, _: Token, _: &Address, error: &io::Error, cx: &mut Context<'_>) {
        self.0.push(error.to_string());
        cx.stop();
    }
}

impl Handler for Silent {
    type Session = ();

    fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}

    fn data<'a>(&mut self, (): &mut (), input: &'a mut [u8], _: &mut Context<'a>) -> usize {
        input.len()
    }
}

#[test]
fn a_client_learns_the_protocol_or_why_there_is_none() {
    let certificates = Certificates::new();
    let pair = certificates.self_signed("server", SERVER);
    let names = |names: &[&str]| names.iter().map(|name| name.as_bytes().to_vec()).collect();
    let mut files = TlsServerOptions::new(&pair.cert, &pair.key);
    files.alpn = names(&["chat/2", "chat/1"]);
    let mut options = ServiceOptions::default();
    options.tls_server = Some(TlsServer::load(files).expect("a good pair"));
    let server = Running::with_options(|| Silent, &["tls:127.0.0.1:0"], options);
    for (protocols, wanted) in [
        (&["irc", "chat/1"][..], "chat/1"),
        (&[], "any"),
        (&["irc"], "the peer gave up: no application protocol in common (ALPN)"),
    ] {
        let mut trust = TlsClientOptions::default();
        (trust.trust, trust.alpn) = (Trust::Authorities(pair.cert.clone()), names(protocols));
        let mut options = ServiceOptions::default();
        options.tls_client = Some(TlsClient::load(&trust).expect("a certificate"));
        let mut reactor = Reactor::with_options(Caller::default(), options).expect("a poll");
        reactor.with_context(|_, cx| {
            cx.connect(server.listening[0].clone(), Link::default());
        });
        let caller = reactor.run().expect("the poll works");
        assert_eq!(caller.0, [wanted]);
    }
    server.stop();
}
