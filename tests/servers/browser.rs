//! `http-server` as a real browser sees it.

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
