//! Pages of two servers, in a real browser.

use super::{Member, chat, url};
use crate::servers::page::{enter, say};
use crate::support::page::{Page, field, id, undated};
use switchboard_harness::{Browser, RedisServer, Server, Window};

/// The messages in the log, without their times.
const MESSAGES: &str = "[...document.querySelectorAll('#log li:not(.day)')].map((li) => \
                        [...li.childNodes].slice(1).map((node) => node.textContent).join('').trim())";

const SPOKEN: &str = "filter((text) => text.includes(' of ')).map((text) => text.replace(' (you)', ''))";

#[test]
fn pages_of_two_servers_and_a_netcat_see_one_order() {
    let redis = RedisServer::start("");
    let servers = [0, 1]
        .map(|_| chat(&url(&redis)).listen("127.0.0.1:0").listen("web:127.0.0.1:0").args("--history 100").start());
    let web: Vec<String> = servers
        .iter()
        .map(|server| server.addresses(2)[1].strip_prefix("web:").expect("a web door").to_owned())
        .collect();
    let mut bob = Member::enter(&servers[0], "bob");
    let browser = Browser::start();
    let (ann, eve) = (browser.window(), browser.window());
    enter(&ann, &web[0], "ann");
    enter(&eve, &web[1], "eve");
    let numbered = |nick: &str| (0..20).map(|number| format!("{number} of {nick}")).collect::<Vec<_>>().join("\n");
    bob.count(0..20);
    say(&ann, &numbered("ann"));
    say(&eve, &numbered("eve"));
    for page in [&ann, &eve] {
        page.until(&format!("{MESSAGES}.{SPOKEN}.length === 60"));
    }
    let order = ann.value(&format!("{MESSAGES}.{SPOKEN}.join('\\n')"));
    assert_eq!(eve.value(&format!("{MESSAGES}.{SPOKEN}.join('\\n')")), order);
    let others: Vec<&str> = order.lines().filter(|line| !line.starts_with("bob")).collect();
    bob.hears(&others.join("\n"));
    let members =
        |page: &Window<'_>| page.value("[...document.querySelectorAll('#nicks li')].map(e => e.innerText).join('|')");
    assert_eq!(members(&ann).replace(" (you)", ""), "ann|bob|eve");
    assert_eq!(members(&eve).replace(" (you)", ""), "ann|bob|eve");

    drop(bob);
    for page in [&ann, &eve] {
        page.until("[...document.querySelectorAll('#nicks li')].length === 2");
    }
    servers.iter().for_each(Server::expect_manners);
}

/// A page as a program, at its web door.
#[test]
fn a_page_resumes_with_what_another_server_said() {
    let redis = RedisServer::start("");
    let far = chat(&url(&redis)).start();
    let near = chat(&url(&redis)).listen("web:127.0.0.1:0").start();
    let mut bob = Member::enter(&far, "bob");
    let mut page = Page::open(&near.address());
    let key = field(&page.enter("ann"), "key").to_owned();
    page.say("hello");
    page.expect(r#"{"type":"say","nick":"ann","text":"hello"}"#);
    bob.say("one");
    let last = id(&page.hear());
    page.reset();
    bob.hears("ann leaves the room!\n");
    bob.say("two");
    bob.say("/who");
    bob.hears("1 person is here: bob.\n");
    let mut back = Page::open(&near.address());
    let entrance = undated(&back.enter(&format!("/resume {key} {last}")));
    let missed =
        r#""history":[{"type":"leave","nick":"ann"},{"type":"say","nick":"bob","text":"two"}],"is_resumed":true"#;
    assert!(entrance.contains(missed), "{entrance}");
    // At another server, the key is unknown.
    let other = chat(&url(&redis)).listen("web:127.0.0.1:0").start();
    let mut stranger = Page::open(&other.address());
    stranger.say(&format!("/resume {key} {last}"));
    stranger.expect(r#"{"type":"expired"}"#);
}
