//! One room with two pages and a netcat, through restarts, removals and TLS.

use super::{Chat, enter, expect, say};
use crate::support::server::Program;
use crate::support::tools::tool;
use rustix::process::Signal;
use switchboard_harness::{Browser, Certificates, Launch, SERVER, Server, Window, key, own_address};

/// The messages in the log, without their times.
const MESSAGES: &str = "[...document.querySelectorAll('#log li:not(.day)')].map((li) => \
                        [...li.childNodes].slice(1).map((node) => node.textContent).join('').trim())";

/// Enters the room with a real netcat.
#[track_caller]
fn netcat(address: &str, nick: &str) -> Server {
    let (host, port) = address.rsplit_once(':').expect("a port");
    let mut netcat = tool(&["nc", host, port]);
    netcat.stdout.wait_for("Enter your nickname: ");
    netcat.say(format!("{nick}\n"));
    netcat.stdout.wait_for(" here.\n");
    netcat
}

/// Waits until the members are these, at each of the pages.
#[track_caller]
fn expect_members(pages: &[(&Window<'_>, &str)], members: &[&str]) {
    for &(page, own) in pages {
        let you = format!("{own} (you)");
        let shown: Vec<&str> = members.iter().map(|&nick| if nick == own { &*you } else { nick }).collect();
        expect(page, "#nicks li", &shown);
    }
}

/// Waits until each of the messages is in the log once.
#[track_caller]
fn expect_once(page: &Window<'_>, messages: &[&str]) {
    for message in messages {
        page.until(&format!("{MESSAGES}.filter((text) => text === {message:?}).length === 1"));
    }
}

#[test]
fn two_pages_and_a_netcat_hear_each_other_in_one_order() {
    let chat = Chat::start("");
    let mut bob = netcat(&chat.line, "bob");
    let browser = Browser::start();
    let (ann, eve) = (browser.window(), browser.window());
    ann.open(&format!("http://{}/", chat.web));
    ann.press(&format!("Bob{}", key::ENTER));
    expect(&ann, "#nick-error", &["The nickname Bob is taken (please choose another one)"]);
    ann.press(&format!("ann{}", key::ENTER));
    enter(&eve, &chat.web, "eve");
    expect_members(&[(&ann, "ann"), (&eve, "eve")], &["ann", "bob", "eve"]);

    // All talk at once. The netcat does not get its own lines back.
    let numbered = |nick: &str| (0..20).map(|number| format!("{number} of {nick}")).collect::<Vec<_>>().join("\n");
    bob.say(numbered("bob") + "\n");
    say(&ann, &numbered("ann"));
    say(&eve, &numbered("eve"));
    let spoken = "filter((text) => text.includes(' of ')).map((text) => text.replace(' (you)', ''))";
    for page in [&ann, &eve] {
        page.until(&format!("{MESSAGES}.{spoken}.length === 60"));
    }
    let order = ann.value(&format!("{MESSAGES}.{spoken}.join('\\n')"));
    assert_eq!(eve.value(&format!("{MESSAGES}.{spoken}.join('\\n')")), order);
    let others: Vec<&str> = order.lines().filter(|line| !line.starts_with("bob")).collect();
    bob.stdout.wait_for(&others.join("\n"));
    for nick in ["ann", "bob", "eve"] {
        let own: Vec<String> = (0..20).map(|number| format!("{nick}: {number} of {nick}")).collect();
        assert_eq!(order.lines().filter(|line| line.starts_with(nick)).collect::<Vec<_>>(), own);
    }

    // Private messages, and actions.
    say(&ann, "/msg bob psst");
    bob.stdout.wait_for("[ann] psst\n");
    bob.say("/msg ann what?\n/me waves\n");
    let tail = |page: &Window<'_>, wanted: &[&str]| {
        page.until(&format!("{MESSAGES}.slice(-{}).join('|') === {:?}", wanted.len(), wanted.join("|")));
    };
    tail(&eve, &["* bob waves"]);
    say(&eve, "/me nods");
    bob.stdout.wait_for("* eve nods\n");
    tail(&ann, &["You, to bob alone: psst", "bob, to you alone: what?", "* bob waves", "* eve nods"]);
    tail(&eve, &["* bob waves", "* eve (you) nods"]);
    assert!(!eve.text().contains("psst") && !eve.text().contains("what?"));

    // Markup is text.
    let markup = "<script>document.title = 'run'</script><img src=x onerror=document.title='run'> &lt; ${1}";
    bob.say(format!("{markup}\n"));
    tail(&ann, &[&format!("bob: {markup}")]);
    say(&ann, markup);
    bob.stdout.wait_for(&format!("ann: {markup}\n"));
    tail(&ann, &[&format!("bob: {markup}"), &format!("ann (you): {markup}")]);
    tail(&eve, &[&format!("bob: {markup}"), &format!("ann: {markup}")]);
    for page in [&ann, &eve] {
        assert_eq!(page.value("document.title + document.querySelectorAll('#chat :is(script, img)').length"), "lobby0");
    }
    chat.server.expect_manners();
}

#[test]
fn two_pages_see_the_same_members_in_each_room() {
    let chat = Chat::start("");
    let browser = Browser::start();
    let (ann, eve) = (browser.window(), browser.window());
    enter(&ann, &chat.web, "ann");
    enter(&eve, &chat.web, "eve");
    let mut bob = netcat(&chat.line, "bob");
    expect_members(&[(&ann, "ann"), (&eve, "eve")], &["ann", "bob", "eve"]);
    bob.say("/nick rob\n");
    say(&eve, "/nick Zoe");
    expect_members(&[(&ann, "ann"), (&eve, "Zoe")], &["ann", "rob", "Zoe"]);
    bob.say("/join rust\n");
    expect_members(&[(&ann, "ann"), (&eve, "Zoe")], &["ann", "Zoe"]);
    say(&ann, "/join rust");
    expect(&ann, "#name", &["rust"]);
    expect_members(&[(&ann, "ann")], &["ann", "rob"]);
    expect_members(&[(&eve, "Zoe")], &["Zoe"]);
    say(&eve, "to an empty room");
    bob.say("to the room rust\n");
    expect_once(&ann, &["rob: to the room rust"]);
    assert!(!eve.text().contains("to the room rust"));
    bob.say("/quit\n");
    expect_members(&[(&ann, "ann")], &["ann"]);
    say(&ann, "/join lobby");
    expect_members(&[(&ann, "ann"), (&eve, "Zoe")], &["ann", "Zoe"]);
    assert!(!ann.text().contains("to an empty room"), "it was said while ann was in another room");
    ann.close();
    expect_members(&[(&eve, "Zoe")], &["Zoe"]);
    chat.server.expect_manners();
}

#[test]
fn two_windows_are_two_members() {
    let chat = Chat::start("");
    let browser = Browser::start();
    let (one, other) = (browser.window(), browser.window());
    enter(&one, &chat.web, "ann");
    other.open(&format!("http://{}/", chat.web));
    assert_eq!(other.value("document.getElementById('nick').value"), "", "the name is of the other window");
    other.press(&format!("ann{}", key::ENTER));
    expect(&other, "#nick-error", &["The nickname ann is taken (please choose another one)"]);
    other.press(&format!("ann2{}", key::ENTER));
    expect_members(&[(&one, "ann"), (&other, "ann2")], &["ann", "ann2"]);

    // Loading the page anew is a new visit with the same nickname. Only the other window has seen the former one.
    say(&one, "before");
    expect_once(&other, &["ann: before"]);
    one.run("location.reload(); return ''");
    expect_members(&[(&other, "ann2")], &["ann2"]);
    one.until("document.getElementById('nick')?.value === 'ann' && document.activeElement.id === 'nick'");
    one.press(key::ENTER);
    expect_members(&[(&one, "ann"), (&other, "ann2")], &["ann", "ann2"]);
    assert!(!one.text().contains("before"));

    // The page before this one, and back.
    one.back();
    expect_members(&[(&other, "ann2")], &["ann2"]);
    chat.server.expect_manners();
}

/// A chat at addresses that it has again after a restart.
struct Restarted {
    line: String,
    web: String,
}

impl Restarted {
    #[track_caller]
    fn start(&self) -> Server {
        let launch = Program::Chat.launch().args("--history 100").listen(&self.line);
        let server = launch.listen(&format!("web:{}", self.web)).start();
        server.addresses(2);
        server
    }
}

#[track_caller]
fn pages_come_back_after(signal: Signal, farewell: &str) {
    let chat = Restarted { line: own_address().to_string(), web: own_address().to_string() };
    let mut server = chat.start();
    let browser = Browser::start();
    let (ann, eve) = (browser.window(), browser.window());
    enter(&ann, &chat.web, "ann");
    enter(&eve, &chat.web, "eve");
    let mut bob = netcat(&chat.line, "bob");
    bob.say("before\n");
    say(&ann, "here, too");
    bob.stdout.wait_for("ann: here, too\n");
    expect_once(&eve, &["bob: before", "ann: here, too"]);

    server.signal(signal);
    server.wait();
    drop(bob);
    for page in [&ann, &eve] {
        page.until(
            "document.querySelector('#chat .status').innerText.startsWith('No connection. The next try is in ')",
        );
        assert_eq!(page.text().contains("The server is stopping."), !farewell.is_empty(), "{}", page.text());
    }
    say(&ann, "in between");
    expect(&ann, "#pending li", &["in between …"]);

    let server = chat.start();
    for page in [&ann, &eve] {
        expect(page, "#chat .status", &["Connected"]);
        page.shows("The server has lost this page, so messages may be missing here.");
    }
    expect_members(&[(&ann, "ann"), (&eve, "eve")], &["ann", "eve"]);
    // The new server has not seen the line, but a server that is reached again may have. So it is not sent unasked.
    expect(&ann, "#pending li", &[]);
    ann.until("document.getElementById('line').value === 'in between'");
    say(&ann, "");
    let bob = netcat(&chat.line, "bob");
    expect_members(&[(&ann, "ann"), (&eve, "eve")], &["ann", "bob", "eve"]);
    say(&eve, "after");
    bob.stdout.wait_for("eve: after\n");
    expect_once(&ann, &["bob: before", "ann (you): here, too", "ann (you): in between", "eve: after"]);
    expect_once(&eve, &["bob: before", "ann: here, too", "ann: in between", "eve (you): after"]);
    server.expect_manners();
}

#[test]
fn pages_come_back_after_a_server_was_restarted() {
    pages_come_back_after(Signal::TERM, "The server is stopping.");
}

#[test]
fn pages_come_back_after_a_server_was_killed() {
    pages_come_back_after(Signal::KILL, "");
}

#[test]
fn a_page_says_why_it_was_removed() {
    let mut chat = Chat::start("--stdin commands");
    let browser = Browser::start();
    let (ann, eve) = (browser.window(), browser.window());
    enter(&ann, &chat.web, "ann");
    enter(&eve, &chat.web, "eve");
    expect_members(&[(&ann, "ann")], &["ann", "eve"]);
    chat.server.say("say the room closes at <b>ten</b>\nkick eve too loud\n");
    expect_once(&ann, &["Operator: the room closes at <b>ten</b>", "eve was removed by the operator: too loud"]);
    expect(&eve, "#login .status", &["You were removed by the operator: too loud"]);
    expect_members(&[(&ann, "ann")], &["ann"]);
    eve.press(key::ENTER);
    expect_members(&[(&ann, "ann"), (&eve, "eve")], &["ann", "eve"]);

    chat.server.say("ban eve\n");
    expect(&eve, "#login .status", &["You were removed by the operator: banned"]);
    eve.press(key::ENTER);
    expect(&eve, "#login .status", &["The nickname eve is banned from this room."]);
    eve.press(&format!("eve2{}", key::ENTER));
    expect_members(&[(&ann, "ann"), (&eve, "eve2")], &["ann", "eve2"]);

    chat.server.say("ban 127.0.0.1\n");
    for page in [&ann, &eve] {
        expect(page, "#login .status", &["You were removed by the operator: banned"]);
        page.press(key::ENTER);
        expect(page, "#login .status", &["You are banned from this room."]);
    }
    chat.server.expect_manners();
}

#[test]
fn a_page_and_openssl_share_a_room_over_tls() {
    let certificates = Certificates::new();
    let pair = certificates.self_signed("server", SERVER);
    let launch = Program::Chat.launch().listen("tls:127.0.0.1:0").listen("web+tls:127.0.0.1:0").arg("--tls-cert");
    let server = launch.arg(&pair.cert).arg("--tls-key").arg(&pair.key).start();
    let at = server.addresses(2);
    let (line, web) = (at[0].strip_prefix("tls:"), at[1].strip_prefix("web+tls:"));
    let (line, web) = (line.expect("a line door with TLS"), web.expect("a web door with TLS"));
    let browser = Browser::start();
    let ann = browser.window();
    ann.open(&format!("https://{web}/"));
    ann.press(&format!("ann{}", key::ENTER));
    expect(&ann, "#chat .status", &["Connected"]);
    let mut bob =
        Launch::of("openssl").args("s_client -quiet -connect").arg(line).arg("-CAfile").arg(&pair.cert).spawn();
    bob.stdout.wait_for("Enter your nickname: ");
    bob.say("bob\n");
    bob.stdout.wait_for("2 persons are here.\n");
    bob.say("hello\n");
    expect_once(&ann, &["bob: hello"]);
    say(&ann, "hello bob");
    bob.stdout.wait_for("ann: hello bob\n");
    server.expect_manners();
}
