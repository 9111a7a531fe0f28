//! What the page of the chat does, beside members with a netcat.

use super::{Chat, enter, expect, expect_last, say, texts};
use crate::support::cable::Cable;
use crate::support::peer::Peer;
use std::ops::Range;
use switchboard_harness::{Browser, key};

#[test]
fn the_form_says_what_is_wrong_beside_its_field() {
    let chat = Chat::start("--max-rooms 2");
    let mut bob = chat.member("bob");
    let browser = Browser::start();
    let window = browser.window();
    window.open(&format!("http://{}/", chat.web));
    window.press(key::ENTER);
    expect(&window, "#nick-error", &["Please choose a nickname."]);
    window.press(&format!("Bob{}", key::ENTER));
    expect(&window, "#nick-error", &["The nickname Bob is taken (please choose another one)"]);
    window.until("document.activeElement.id === 'nick'");
    assert_eq!(window.value("document.getElementById('nick').getAttribute('aria-invalid')"), "true");
    window.press(&format!("Bobby{}", key::TAB));
    window.press(&format!("a b{}", key::ENTER));
    window.until("document.getElementById('room-error').innerText.startsWith('The name of a room is 1 to 32 letters')");
    expect(&window, "#nick-error", &[""]);
    window.until("document.activeElement.id === 'room'");
    window.press(&format!("rust{}", key::ENTER));
    expect(&window, "#name", &["rust"]);
    expect(&window, "#nicks li", &["Bobby (you)"]);
    bob.send("/who\n");
    assert_eq!(bob.line(), "1 person is here: bob.", "it was never in the first room");

    // The next visit of this window begins with the same names.
    say(&window, "/quit");
    window.until("!document.getElementById('login').hidden");
    expect(&window, "#login .status", &["Good bye!"]);
    window.open(&format!("http://{}/", chat.web));
    assert_eq!(window.value("['nick', 'room'].map(id => document.getElementById(id).value)"), "Bobby,rust");
    window.press(key::ENTER);
    expect(&window, "#nicks li", &["Bobby (you)"]);
    chat.server.expect_manners();
}

#[test]
fn own_lines_are_marked_and_no_text_is_markup() {
    let chat = Chat::start("");
    let mut bob = chat.member("bob");
    let browser = Browser::start();
    let window = browser.window();
    enter(&window, &chat.web, "ann");
    let markup = "<script>document.title='x'</script><img src=x onerror=alert(1)> &amp; ${1} שלום";
    say(&window, markup);
    bob.line_where(|line| line == format!("ann: {markup}"));
    bob.send(format!("{markup}\n/me <b>waves</b>\n"));
    window.until("document.querySelectorAll('#log li > b + bdi').length === 3");
    let shown = texts(&window, "#log li > b + bdi");
    assert_eq!(shown, [markup, markup, "<b>waves</b>"]);
    assert_eq!(window.value("document.querySelectorAll('#log script, #log img, #log b b').length"), "0");
    assert_eq!(window.value("document.title"), "lobby");
    // The browser itself refuses a script that makes markup of a text.
    let refusal = window.run("try { document.body.innerHTML = '<b>'; return '' } catch (error) { return error.name }");
    assert_eq!(refusal, "TypeError");
    expect(&window, "#log .own bdi:last-child", &[markup]);

    // The mark moves with the nickname.
    say(&window, "/nick eve");
    bob.line_where(|line| line == "ann is now known as eve.");
    bob.send("/nick ann\nit is bob\n");
    say(&window, "it is eve");
    window.until("document.querySelectorAll('#log .own').length === 2");
    expect(&window, "#log .own bdi:last-child", &[markup, "it is eve"]);
    expect(&window, "#nicks li", &["ann", "eve (you)"]);
    assert_eq!(window.value("sessionStorage.getItem('nick')"), "eve");
    chat.server.expect_manners();
}

#[test]
fn the_list_of_members_follows_each_change() {
    let chat = Chat::start("--join-rate off");
    let mut zoe = chat.member("zoe");
    let browser = Browser::start();
    let window = browser.window();
    enter(&window, &chat.web, "ann");
    let members = |wanted: &[&str]| {
        expect(&window, "#nicks li", wanted);
        expect(&window, "#count", &[&format!("{} member{}", wanted.len(), if wanted.len() == 1 { "" } else { "s" })]);
    };
    members(&["ann (you)", "zoe"]);
    let mut bob = chat.member("Bob");
    members(&["ann (you)", "Bob", "zoe"]);
    bob.send("/nick yan\n");
    members(&["ann (you)", "yan", "zoe"]);
    zoe.send("/join rust\n");
    members(&["ann (you)", "yan"]);
    zoe.send("/join lobby\n");
    members(&["ann (you)", "yan", "zoe"]);
    bob.send("/quit\n");
    members(&["ann (you)", "zoe"]);
    zoe.reset();
    members(&["ann (you)"]);

    // A crowd is counted in one line, and listed by name.
    let names: Vec<String> = (100..160).map(|number| format!("n{number}")).collect();
    let crowd: Vec<Peer> = names.iter().map(|nick| chat.member(nick)).collect();
    let all: Vec<&str> = ["ann (you)"].into_iter().chain(names.iter().map(String::as_str)).collect();
    members(&all);
    drop(crowd);
    members(&["ann (you)"]);
    chat.server.expect_manners();
}

#[test]
fn unread_messages_are_counted_in_the_title() {
    let chat = Chat::start("");
    let mut bob = chat.member("bob");
    let browser = Browser::start();
    let window = browser.window();
    enter(&window, &chat.web, "ann");
    bob.send("one\n");
    window.shows("bob: one");
    assert_eq!(window.value("document.title"), "lobby", "it is looked at");
    // A window of its own would hide this one on a desktop. Without a display, the page is told so.
    window.run(
        "Object.defineProperty(document, 'hidden', { configurable: true, value: true }); \
         document.dispatchEvent(new Event('visibilitychange')); return ''",
    );
    bob.send("two\n/me waves\n/msg ann three\n/nick rob\n");
    window.until("document.title === '(3) lobby'");
    window.run("delete document.hidden; document.dispatchEvent(new Event('visibilitychange')); return ''");
    window.until("document.title === 'lobby'");
    chat.server.expect_manners();
}

/// Whether the end of the log is in sight.
const AT_END: &str = "(s => s.scrollHeight - s.scrollTop - s.clientHeight < 8)(document.getElementById('scroller'))";

#[test]
fn the_log_follows_only_a_reader_at_its_end() {
    let chat = Chat::start("--rate off");
    let mut bob = chat.member("bob");
    let browser = Browser::start();
    let window = browser.window();
    window.resize(800, 500);
    enter(&window, &chat.web, "ann");
    let lines = |numbers: Range<usize>| numbers.map(|number| format!("line {number}\n")).collect::<Vec<_>>().concat();
    bob.send(lines(0..200));
    expect_last(&window, "line 199");
    window.until(AT_END);
    assert_eq!(window.value("document.getElementById('to-end').hidden"), "true");

    window.press(key::PAGE_UP);
    window.until("!document.getElementById('to-end').hidden");
    expect(&window, "#to-end", &["To the end"]);
    let top = window.value("document.getElementById('scroller').scrollTop");
    bob.send(lines(200..400));
    expect_last(&window, "line 399");
    expect(&window, "#to-end", &["New messages"]);
    assert_eq!(window.value("document.getElementById('scroller').scrollTop"), top);
    window.find("#to-end").click();
    window.until(AT_END);
    window.until("document.getElementById('to-end').hidden && document.activeElement.id === 'line'");
    bob.send(lines(400..500));
    expect_last(&window, "line 499");
    window.until(AT_END);

    // A narrower page has longer lines, and is still at its end. An own line leads there.
    window.resize(400, 300);
    window.until(AT_END);
    window.press(key::PAGE_UP);
    window.until(&format!("!{AT_END}"));
    say(&window, "my own");
    window.shows("my own");
    window.until(AT_END);
    chat.server.expect_manners();
}

#[test]
fn a_lost_connection_resumes_without_loss_or_double() {
    let chat = Chat::start("");
    let mut bob = chat.member("bob");
    let cable = Cable::to(&chat.web);
    let browser = Browser::start();
    let window = browser.window();
    enter(&window, &cable.address().to_string(), "ann");
    say(&window, "one");
    window.shows("ann (you): one");

    // The room sees the next two lines, but the page is not told.
    cable.mute();
    say(&window, "two");
    say(&window, "/me waves");
    bob.line_where(|line| line == "* ann waves");
    expect(&window, "#pending li", &["two …", "/me waves …"]);
    cable.cut();
    window.until("document.querySelector('#chat .status').innerText.startsWith('No connection. The next try is in ')");
    bob.line_where(|line| line == "ann leaves the room!");
    bob.send("you are away\n");
    say(&window, "three");
    say(&window, "/who");
    expect(&window, "#line-error", &["There is no connection yet."]);
    assert_eq!(window.value("document.getElementById('line').value"), "/who");

    cable.mend();
    expect(&window, "#chat .status", &["Connected"]);
    assert_eq!(bob.line_where(|line| line.starts_with("ann:")), "ann: three");
    bob.send("welcome back\n");
    window.shows("welcome back");
    let lines = texts(&window, "#log li > b ~ bdi");
    assert_eq!(lines, ["one", "two", "waves", "you are away", "three", "welcome back"]);
    expect(&window, "#pending li", &[]);
    expect(&window, "#nicks li", &["ann (you)", "bob"]);
    assert_eq!(window.value("document.querySelectorAll('#log .own').length"), "4");
    chat.server.expect_manners();
}

#[test]
fn lines_of_unknown_fate_go_back_to_the_input() {
    let chat = Chat::start("--rate off");
    let mut bob = chat.member("bob");
    let cable = Cable::to(&chat.web);
    let browser = Browser::start();
    let window = browser.window();
    enter(&window, &cable.address().to_string(), "ann");
    let field = |wanted: &str| window.until(&format!("document.getElementById('line').value === '{wanted}'"));

    // The history no longer shows whether the room has seen the line.
    cable.mute();
    say(&window, "two");
    bob.line_where(|line| line == "ann: two");
    cable.cut();
    bob.line_where(|line| line == "ann leaves the room!");
    bob.send(format!("{}\n", "x".repeat(4000)).repeat(20));
    bob.send("/who\n");
    bob.line_where(|line| line == "1 person is here: bob.");
    cable.mend();
    window.shows("Some messages are missing here.");
    field("two");
    expect(&window, "#pending li", &[]);
    window.press(key::ESCAPE);
    say(&window, "three");
    assert_eq!(bob.line_where(|line| line.starts_with("ann:")), "ann: three");
    window.shows("ann (you): three");

    // The page cannot come back with its nickname.
    cable.cut();
    bob.line_where(|line| line == "ann leaves the room!");
    say(&window, "four");
    let _other = chat.member("ann");
    cable.mend();
    expect(&window, "#nick-error", &["The nickname ann is taken (please choose another one)"]);
    window.press(&format!("anna{}", key::ENTER));
    field("four");
    expect(&window, "#pending li", &[]);
    chat.server.expect_manners();
}

#[test]
fn a_page_works_with_the_keyboard_alone() {
    let chat = Chat::start("");
    let mut bob = chat.member("bob");
    let browser = Browser::start();
    let window = browser.window();
    enter(&window, &chat.web, "ann");
    let focus = |wanted: &str| {
        let found = "document.activeElement.id || document.activeElement.innerText";
        window.until(&format!("({found}) === '{wanted}'"));
    };
    focus("line");
    for line in ["first", "second"] {
        window.press(&format!("{line}{}", key::ENTER));
        bob.line_where(|heard| heard == format!("ann: {line}"));
    }
    let field = |wanted: &str| assert_eq!(window.value("document.getElementById('line').value"), wanted);
    window.press(&format!("draft{}", key::UP));
    field("second");
    window.press(&key::UP.repeat(2));
    field("first");
    window.press(&key::DOWN.repeat(3));
    field("draft");
    window.press(key::ESCAPE);
    field("");

    // Around the page: each part can be reached, and the focus is seen.
    for stop in ["Send", "SUMMARY", "nicks"] {
        window.press(key::TAB);
        window.until(&format!(
            "[document.activeElement.id, document.activeElement.innerText, document.activeElement.tagName]\
             .includes('{stop}')"
        ));
        window.until("getComputedStyle(document.activeElement).outlineStyle === 'solid'");
    }
    window.press(key::ESCAPE);
    focus("line");
    window.run("document.activeElement.blur(); document.querySelector('.skip').focus(); return ''");
    window.until("document.querySelector('.skip').getBoundingClientRect().top >= 0");
    for stop in ["leave", "scroller"] {
        window.press(key::TAB);
        focus(stop);
    }
    window.run("document.querySelector('.skip').focus(); return ''");
    window.press(key::ENTER);
    focus("line");
    window.press(&format!("/quit{}", key::ENTER));
    focus("nick");
    chat.server.expect_manners();
}

#[test]
fn commands_and_private_messages_are_shown_apart() {
    let chat = Chat::start("--history 10");
    let mut bob = chat.member("bob");
    let browser = Browser::start();
    let window = browser.window();
    enter(&window, &chat.web, "ann");
    say(&window, "/msg bob <b>psst</b>");
    assert_eq!(bob.line_where(|line| line.starts_with('[')), "[ann] <b>psst</b>");
    bob.send("/msg ann what?\n");
    window.shows("bob, to you alone: what?");
    say(&window, "/who");
    window.shows("2 persons are here: ann, bob.");
    let apart = window.run(
        "const text = (line) => [...line.childNodes].slice(2).map((node) => node.textContent).join('');
         return [...document.querySelectorAll('#log .apart')].map(text).join()",
    );
    assert_eq!(apart, "You, to bob alone: <b>psst</b>,bob, to you alone: what?,2 persons are here: ann, bob.");
    say(&window, "/help");
    window.shows("/msg NICK TEXT  send a private message\n");
    say(&window, "all hear this");
    bob.line_where(|line| line == "ann: all hear this");
    say(&window, "/history");
    window.until("document.querySelector('#log .apart .lines')?.innerText.includes('all hear this')");
    // Only what is for all is unmarked, and a line that only looks like a command is for all.
    say(&window, "//who");
    bob.line_where(|line| line == "ann: /who");
    expect(&window, "#log > * > .own > bdi", &["all hear this", "/who"]);
    expect(&window, "#pending li", &[]);
    chat.server.expect_manners();
}

#[test]
fn another_room_and_a_removal_change_the_page() {
    let mut chat = Chat::start("--stdin commands --history 10");
    let mut bob = chat.member("bob");
    let browser = Browser::start();
    let window = browser.window();
    enter(&window, &chat.web, "ann");
    bob.send("in the lobby\n");
    window.shows("bob: in the lobby");
    say(&window, "/join rust");
    expect(&window, "#name", &["rust"]);
    expect(&window, "#nicks li", &["ann (you)"]);
    assert_eq!(window.value("document.title"), "rust");
    window.shows("You are in the room rust.");
    bob.send("she has gone\n");
    say(&window, "/join lobby");
    window.shows("she has gone");
    let said = texts(&window, "#log li > b ~ bdi");
    assert_eq!(said, ["in the lobby", "she has gone"], "the history of a room is shown once");

    chat.server.say("say we close at ten\n");
    window.shows("Operator: we close at ten");
    chat.server.say("kick ann no adverts, please\n");
    window.until("!document.getElementById('login').hidden");
    expect(&window, "#login .status", &["You were removed by the operator: no adverts, please"]);
    bob.line_where(|line| line == "ann leaves the room!");
    assert_eq!(window.value("document.querySelectorAll('#log li').length"), "0");
    window.press(key::ENTER);
    expect(&window, "#nicks li", &["ann (you)", "bob"]);
    chat.server.expect_manners();
}
