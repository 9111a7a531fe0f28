//! `http-server` as a real browser sees it.

use super::cgi_programs;
use crate::support::data::noise;
use crate::support::server::Program;
use std::fs;
use switchboard_harness::Browser;
use tempfile::TempDir;

#[test]
fn a_browser_walks_through_a_listing() {
    let place = TempDir::new().expect("room");
    let folder = place.path().join("a <b>&amp; %41 folder");
    fs::create_dir(&folder).expect("room");
    fs::write(folder.join("é #1?.txt"), "the text of é").expect("room");
    fs::write(folder.join("page.html"), "<p>a page").expect("room");
    let server = Program::Http.launch().arg(place.path()).args("--slow-turn off").start();
    let browser = Browser::start();
    let window = browser.window();
    window.open(&format!("http://{}/", server.address()));
    window.shows("a <b>&amp; %41 folder/");
    window.find("a[href*=folder]").click();
    window.shows("page.html");
    window.find("a[href$=txt]").click();
    window.shows("the text of é");
    window.back();
    window.shows("page.html");
    window.find("a[href$=html]").click();
    window.shows("a page");
    server.expect_manners();
}

#[test]
fn a_browser_fills_in_the_forms_of_the_page() {
    let (server, place) = cgi_programs::start();
    let browser = Browser::start();
    let window = browser.window();
    let forms = || window.open(&format!("http://{}/", server.address()));

    forms();
    window.find("[name=name]").type_in("Zoë <b>");
    window.find("[name=town]").type_in("X&Y=Z #1 +\n");
    window.shows("Hello Zoë <b> from X&Y=Z #1 +!");

    forms();
    window.find("textarea").type_in("two words\nand 100% \"more\" <b>");
    window.find("[action$='post.py'] button").click();
    window.shows("Your comment has 6 words:\n\ntwo words\nand 100% \"more\" <b>");

    forms();
    window.find("[action$='boxes.py'] button").click();
    window.shows("Your pizza comes without toppings.");
    window.back();
    window.find("[value=cheese]").click();
    window.find("[value=olives]").click();
    window.find("[action$='boxes.py'] button").click();
    window.shows("Your pizza comes with:\n\ncheese\nolives");

    forms();
    window.find("a[href$='cookies.py']").click();
    window.shows("Visits: 1");
    let other = browser.window();
    let cookies = format!("http://{}/cgi-bin/cookies.py", server.address());
    other.open(&cookies);
    other.shows("Visits: 2");
    other.close();
    window.find("button").click();
    window.shows("Your visits are forgotten.");
    window.open(&cookies);
    window.shows("Visits: 1");

    let bytes = noise(1_000_000, 7);
    let (name, path) = ("Zoë's 50% & #1;.bin", place.path().join("file"));
    fs::create_dir(&path).expect("room");
    fs::write(path.join(name), &bytes).expect("room");
    forms();
    window.find("[type=file]").type_in(path.join(name).to_str().expect("a text"));
    window.find("[action$='upload.py'] button").click();
    window.shows(&format!("{name}, 1000000 bytes"));
    window.find("li a").click();
    assert!(browser.downloaded(name) == bytes);
    server.expect_manners();
}
