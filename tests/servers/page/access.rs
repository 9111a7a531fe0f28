//! What the pages look like, and what a screen reader is told.

use super::{Chat, enter, expect, expect_last, say, texts};
use crate::support::peer::Peer;
use std::fmt::Write;
use switchboard_harness::{Browser, Window, alone, key};

/// Returns the texts whose contrast with what is behind them is below 4.5 to 1 (WCAG 2.2, success criterion 1.4.3).
const FAINT: &str = "
    const parts = (color) => color.match(/[\\d.]+/g).map(Number);
    const linear = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
    const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const behind = (e) => {
        const color = parts(getComputedStyle(e).backgroundColor);
        return color[3] === 0 && e.parentElement ? behind(e.parentElement) : color;
    };
    const contrast = (e) => {
        const pair = [light(parts(getComputedStyle(e).color)), light(behind(e))].sort((a, b) => b - a);
        return (pair[0] + 0.05) / (pair[1] + 0.05);
    };
    const hasText = (e) => [...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.data.trim() !== '');
    const shown = [...document.body.querySelectorAll('*')].filter((e) => e.checkVisibility() && hasText(e));
    if (shown.length < 6) return 'only ' + shown.length + ' texts';
    return shown.filter((e) => contrast(e) < 4.5).map((e) => e.innerText + ' ' + contrast(e)).join(', ');
";

#[track_caller]
fn expect_legible(window: &Window<'_>, selector: &str) {
    for scheme in ["light", "dark"] {
        window.prefer("prefers-color-scheme", scheme);
        window.until(&format!("matchMedia('(prefers-color-scheme: {scheme})').matches"));
        let ground = window.value("getComputedStyle(document.documentElement).backgroundColor");
        assert_eq!(ground == "rgb(255, 255, 255)", scheme == "light", "{scheme}: {ground}");
        assert_eq!(window.run(FAINT), "", "{selector} in {scheme} mode");
    }
}

#[test]
fn a_page_is_legible_on_a_narrow_screen_in_light_and_dark() {
    let chat = Chat::start("");
    let mut bob = chat.member("bob");
    let browser = Browser::start();
    let window = browser.window();
    window.resize(320, 500);
    window.open(&format!("http://{}/", chat.web));
    window.press(&format!("bob{}", key::ENTER));
    window.until("document.getElementById('nick-error').innerText !== ''");
    expect_legible(&window, "the form");
    enter(&window, &chat.web, "ann");
    say(&window, "hello");
    bob.send(format!("{}\n/msg ann psst\n/nick {}\n", "wide".repeat(200), "n".repeat(32)));
    say(&window, "/nobody");
    window.shows("There is no command /nobody");
    window.shows("is now known as");
    expect_legible(&window, "the room");

    // Nothing is cut off at the side, and the list of members leaves room for the messages.
    assert_eq!(window.value("document.documentElement.scrollWidth <= 320"), "true");
    assert_eq!(window.value("document.getElementById('scroller').scrollWidth <= 320"), "true");
    assert_eq!(window.value("document.getElementById('members').open"), "false");
    assert_eq!(window.value("document.getElementById('scroller').clientHeight > 250"), "true");
    window.find("#count").click();
    expect(&window, "#nicks li", &["ann (you)", &"n".repeat(32)]);
    assert_eq!(window.value("document.getElementById('scroller').clientHeight > 150"), "true");
    assert_eq!(window.value("document.getElementById('entry').getBoundingClientRect().bottom <= innerHeight"), "true");

    // On a wide one, the list is beside them, and open.
    window.find("#count").click();
    window.until("!document.getElementById('members').open");
    window.resize(1000, 500);
    window.until("document.getElementById('members').open");
    window.open(&format!("http://{}/", chat.web));
    window.press(key::ENTER);
    window.until("document.getElementById('nicks').checkVisibility()");
    let left = |id: &str| format!("document.getElementById('{id}').getBoundingClientRect().right");
    window.until(&format!("{} < {}", left("scroller"), left("nicks")));
    chat.server.expect_manners();
}

#[test]
fn a_screen_reader_finds_and_hears_all() {
    let chat = Chat::start("");
    let mut bob = chat.member("bob");
    let browser = Browser::start();
    let window = browser.window();
    window.open(&format!("http://{}/", chat.web));
    let found = |selector: &str| {
        let element = window.find(selector);
        (element.role(), element.label())
    };
    let is = |selector: &str, role: &str, label: &str| {
        assert_eq!(found(selector), (role.to_owned(), label.to_owned()), "{selector}");
    };
    is("#nick", "textbox", "Nickname");
    is("#room", "textbox", "Room");
    is("#login-form button", "button", "Enter");
    is("#login .status", "status", "");
    is("#nick-error", "alert", "");
    enter(&window, &chat.web, "ann");
    bob.send("hello\n");
    say(&window, "hi");
    window.shows("ann (you): hi");
    is("#log", "log", "Messages");
    is("#line", "textbox", "Message");
    is("#entry button", "button", "Send");
    is("#line-error", "alert", "");
    is("#chat .status", "status", "");
    is("aside", "complementary", "Members");
    is("#nicks", "list", "2 members");
    is("h1#name", "heading", "lobby");
    expect(&window, "#chat .status", &["Connected"]);
    assert_eq!(window.value("document.documentElement.lang"), "en");
    // New lines are additions within the log, which is announced; nothing else in it changes.
    assert_eq!(window.value("document.querySelector('[role=log] li:last-child').innerText.includes('hi')"), "true");
    chat.server.expect_manners();
}

#[test]
fn each_line_has_its_time_and_each_day_a_heading() {
    let chat = Chat::start("--history 10");
    let mut bob = chat.member("bob");
    bob.send("hello\n");
    let browser = Browser::start();
    let window = browser.window();
    enter(&window, &chat.web, "ann");
    window.shows("bob: hello");
    let age = window.value("Date.now() - new Date(document.querySelector('#log .own, #log li time').dateTime)");
    assert!(age.parse::<f64>().is_ok_and(|age| (-1000.0..600_000.0).contains(&age)), "{age} ms");
    assert_eq!(window.value("document.querySelectorAll('#log .day').length"), "1");
    // The log itself, with lines of several days.
    let days = window.run(
        "const { Log, element, time } = await import('/shell.js');
         const list = document.createElement('div');
         const log = new Log(document.createElement('div'), list, document.createElement('button'));
         for (const at of ['2026-11-26T23:59', '2026-11-27T00:00', '2026-11-27T12:00', '2026-12-01T12:00'])
             log.add(element('li', {}, time(new Date(at))), new Date(at));
         return [...list.querySelectorAll('li')].map(li => li.className).join()",
    );
    assert_eq!(days, "day,,day,,,day,");
    chat.server.expect_manners();
}

#[test]
fn five_hundred_members_and_ten_thousand_lines_stay_usable() {
    let _alone = alone();
    let chat = Chat::start("--rate off --join-rate off --max-connections off --max-per-host off --room-buffer 64MiB");
    let browser = Browser::start();
    let window = browser.window();
    enter(&window, &chat.web, "ann");
    // They read nothing, so the lines wait once for all of them in the feed.
    let _crowd: Vec<Peer> = (0..499)
        .map(|number| {
            let mut peer = Peer::connect_narrow(&chat.line, 4096);
            peer.send(format!("member{number}\n"));
            peer
        })
        .collect();
    expect(&window, "#count", &["500 members"]);
    let mut bob = chat.member("bob");
    // The last members of a crowd are named at the end of its second, in a line of the log.
    expect(&window, "#count", &["501 members"]);
    let mut lines = String::new();
    for number in 0..12_000 {
        writeln!(lines, "line {number} {}", "of words ".repeat(number % 9)).expect("a string");
    }
    bob.send(lines);
    expect_last(&window, &format!("line 11999 {}", "of words ".repeat(11_999 % 9)));
    let kept = window.value("document.querySelectorAll('#log li').length").parse::<usize>().expect("a number");
    assert!((9_000..=10_000).contains(&kept), "{kept} lines");
    assert_eq!(texts(&window, "#nicks li").len(), 501);

    // A key, a line and a scroll each have their effect; the time is that of a busy machine.
    say(&window, "still here");
    bob.line_where(|line| line == "ann: still here");
    expect_last(&window, "still here");
    let frame = window.run(
        "const begin = performance.now();
         document.getElementById('scroller').scrollTop = 0;
         await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
         return String(performance.now() - begin)",
    );
    assert!(frame.parse::<f64>().expect("a time") < 2_000.0, "{frame} ms to scroll to the beginning");
    chat.server.expect_manners();
}
