//! The web door of the chat: pages, as programs, in one room with netcats.

use super::http::curl_at;
use crate::support::page::{Page, field, id, undated};
use crate::support::peer::Peer;
use crate::support::server::Program;
use std::time::Duration;
use switchboard_harness::{Launch, Server, Stop};

const SWITCHBOARD: &str = env!("CARGO_BIN_EXE_switchboard");

/// A chat at both doors, with these words on its command line, and its addresses: lines, then pages.
fn both(words: &str) -> (Server, [String; 2]) {
    let server = Program::Chat.launch().listen("127.0.0.1:0").listen("web:0").args(words).start();
    let at = server.addresses(2).try_into().expect("two addresses");
    (server, at)
}

/// A member at the line door that has read its entrance.
fn netcat(address: &str, nick: &str) -> Peer {
    let mut peer = Peer::connect(address);
    peer.send(format!("{nick}\n"));
    peer.line_where(|line| line.ends_with(" here."));
    peer
}

fn say(nick: &str, text: &str) -> String {
    format!(r#"{{"type":"say","nick":"{nick}","text":"{text}"}}"#)
}

#[test]
fn a_page_and_a_netcat_talk() {
    let (mut server, [lines, web]) = both("--max-line 100");
    let mut nc = netcat(&lines, "nc");
    let mut page = Page::open(&web);
    page.say("NC");
    page.expect(r#"{"type":"refused","text":"The nickname NC is taken (please choose another one)"}"#);
    let entrance = page.enter("ann");
    assert!(entrance.contains(r#""room":"lobby","nick":"ann","key":""#), "{entrance}");
    assert!(entrance.contains(r#""max_line":100,"members":["ann","nc"],"history":[],"#), "{entrance}");
    page.say("h\u{e9}llo <b>");
    page.expect(&say("ann", "h\u{e9}llo <b>"));
    nc.line_where(|line| line == "ann: h\u{e9}llo <b>");
    nc.send("/msg ann psst\nhi\n");
    page.expect(r#"{"type":"tell","from":"nc","to":"ann","text":"psst"}"#);
    page.expect(&say("nc", "hi"));
    page.say("/join garden");
    assert!(page.hear().contains(r#""room":"garden","#));
    nc.line_where(|line| line == "ann leaves the room!");
    page.say("/msg nc still here");
    page.expect(r#"{"type":"tell","from":"ann","to":"nc","text":"still here"}"#);
    nc.line_where(|line| line == "[ann] still here");
    page.say("/quit");
    page.expect(r#"{"type":"notice","text":"Good bye!"}"#);
    page.expect("close 1000 ");
    server.stop_by(Stop::Line).expect_clean_within(Duration::from_secs(5));
}

#[test]
fn a_page_resumes_after_a_reset_and_beside_its_old_connection() {
    let (_server, [lines, web]) = both("");
    let (mut nc, mut page) = (netcat(&lines, "nc"), Page::open(&web));
    let key = field(&page.enter("ann"), "key").to_owned();
    nc.send("one\n");
    let last = id(&page.hear());
    page.reset();
    nc.line_where(|line| line == "ann leaves the room!");
    nc.send("two\n");
    let mut back = Page::open(&web);
    let entrance = undated(&back.enter(&format!("/resume {key} {last}")));
    let missed = format!(r#"[{{"type":"leave","nick":"ann"}},{}]"#, say("nc", "two"));
    assert!(entrance.contains(&format!(r#""history":{missed},"is_resumed":true,"has_gap":false"#)), "{entrance}");
    let mut other = Page::open(&web);
    let entrance = other.enter(&format!("/resume {key} {last}"));
    assert_eq!(field(&entrance, "key"), key);
    assert!(entrance.contains(r#""nick":"ann","#) && entrance.contains(r#""is_resumed":true"#), "{entrance}");
    back.wait_for(r#"{"type":"notice","text":"You have come back on another connection."}"#);
    back.expect("close 1008 ");
    back.expect_eof();
    other.say("three");
    other.expect(&say("ann", "three"));
}

#[test]
fn a_key_ends_with_the_server() {
    let (mut server, [_, web]) = both("");
    let mut page = Page::open(&web);
    let key = field(&page.enter("ann"), "key").to_owned();
    server.stop_by(Stop::Terminate);
    page.expect(r#"{"type":"stop"}"#);
    page.expect("close 1001 ");
    let (_again, [_, web]) = both("");
    let mut back = Page::open(&web);
    back.say(&format!("/resume {key} 1"));
    back.expect(r#"{"type":"expired"}"#);
    let entrance = back.enter("ann");
    assert_ne!(field(&entrance, "key"), key);
}

#[test]
fn the_operator_closes_a_page_for_good() {
    let (mut server, [_, web]) = both("--stdin commands");
    let mut page = Page::open(&web);
    page.enter("ann");
    server.say("say hello\nkick ann enough\n");
    page.expect(r#"{"type":"operator","text":"hello"}"#);
    page.expect(r#"{"type":"notice","text":"You were removed by the operator: enough"}"#);
    page.expect("close 1008 enough");
    let mut other = Page::open(&web);
    other.send_frame(0x82, b"ann");
    other.expect("close 1003 only text");
}

#[test]
fn curl_gets_the_page_and_its_files() {
    let (_server, [lines, web]) = both("");
    let socket = web.strip_prefix("web:").expect("a web door");
    let get = |path: &str, words: &[&str]| {
        String::from_utf8(curl_at(&format!("http://{socket}{path}"), words)).expect("text")
    };
    for file in ["", "chat.js", "chat.css", "shell.js", "shell.css", "icon.svg"] {
        let head = get(&format!("/{file}"), &["-I"]);
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{file}: {head}");
        assert!(head.contains("Content-Security-Policy: default-src 'none'; script-src 'self';"), "{head}");
    }
    assert_eq!(get("/", &["-H", "Host: evil.example"]), "403 Forbidden: the host is not a name of this server\n");
    assert!(get("/", &["--compressed"]).contains("<script type=\"module\" src="), "the page has a script");
    let mut nc = Peer::connect(&lines);
    nc.send("GET / HTTP/1.1\r\n\r\n");
    assert_eq!(nc.line(), "Enter your nickname: This is a chat server and does not speak HTTP.");
}

#[test]
fn a_chat_within_switchboard_has_both_doors() {
    let server = Launch::of(SWITCHBOARD).args("chat=127.0.0.1:0 chat=web:127.0.0.1:0 echo=web:127.0.0.1:0").spawn();
    let at = server.addresses(3);
    let (mut nc, mut page) = (netcat(&at[0], "nc"), Page::open(&at[1]));
    page.enter("ann");
    page.say("hello");
    nc.line_where(|line| line == "ann: hello");
    let mut echo = Page::open(&at[2]);
    echo.say("by itself");
    echo.expect("by itself");
}
