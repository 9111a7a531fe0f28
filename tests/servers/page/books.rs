//! The pages of the doctor and the phone book: conversations.

use super::{expect, expect_last, say, texts};
use crate::support::cable::Cable;
use crate::support::server::Program;
use switchboard_harness::{Browser, Server, Window, key};

#[track_caller]
fn open(window: &Window<'_>, server: &Server) {
    let address = server.address();
    window.open(&format!("http://{}/", address.strip_prefix("web:").expect("a web door")));
    expect(window, ".status", &["Connected"]);
}

/// What has been said.
#[track_caller]
fn said(window: &Window<'_>) -> Vec<String> {
    texts(window, "#log li > :last-child")
}

#[test]
fn the_doctor_talks_on_its_page() {
    let server = Program::Doctor.launch().args("--data :memory:").listen("web:127.0.0.1:0").start();
    let browser = Browser::start();
    let window = browser.window();
    open(&window, &server);
    window.shows("Doctor: Good day. What is your name?");
    window.press(&format!("Ann{}", key::ENTER));
    window.shows("Doctor: Welcome, Ann. What is on your mind?");
    say(&window, "My <b>dog</b> is long.");
    window.shows("your <b>dog</b> is long?");
    expect(&window, "#log .own > :last-child", &["Ann", "My <b>dog</b> is long."]);
    say(&window, "Bye!");
    window.shows("Goodbye, Ann. The door is open whenever you like.");
    expect(&window, ".status", &["The connection is closed."]);
    say(&window, "Hello?");
    expect(&window, "#line-error", &["There is no connection."]);
    window.find("#again").click();
    window.until("document.getElementById('again').hidden && document.activeElement.id === 'line'");
    assert_eq!(window.value("document.getElementById('line').value"), "Hello?");
    expect_last(&window, "What is your name?");
    server.expect_manners();
}

#[test]
fn the_doctor_begins_anew_after_a_lost_connection() {
    let server = Program::Doctor.launch().args("--data :memory:").listen("web:127.0.0.1:0").start();
    let cable = Cable::to(server.address().strip_prefix("web:").expect("a web door"));
    let browser = Browser::start();
    let window = browser.window();
    window.open(&format!("http://{}/", cable.address()));
    window.shows("What is your name?");
    say(&window, "Ann");
    window.shows("Welcome, Ann.");
    cable.mute();
    say(&window, "My answer is lost.");
    window.shows("You: My answer is lost.");
    cable.cut();
    window.until("document.querySelector('.status').innerText.startsWith('No connection. The next try is in ')");
    cable.mend();
    window.shows("The connection was lost. This is a new one.");
    expect_last(&window, "What is your name?");
    say(&window, "Ann");
    window.shows("You are back, Ann.");
    server.expect_manners();
}

#[test]
fn the_form_of_the_phone_book_composes_commands() {
    let server = Program::Phonebook.launch().args("--data :memory:").listen("web:127.0.0.1:0").start();
    let browser = Browser::start();
    let window = browser.window();
    open(&window, &server);
    let (name, number) = (window.find("#name"), window.find("#number"));
    let click = |command: &str| window.find(&format!("[value={command}]")).click();
    name.type_in("Al \"Ace\" \\ Jones");
    click("ADD");
    expect(&window, "#number-error", &["This is needed."]);
    window.until("document.activeElement.id === 'number'");
    window.press("555-0102 ext 2");
    click("ADD");
    window.shows(r#"Phone book: Added: "Al \"Ace\" \\ Jones" "555-0102 ext 2""#);
    number.type_in("3");
    click("CHANGE");
    window.shows(r#"Changed: "Al \"Ace\" \\ Jones" "555-0102 ext 23" (was "555-0102 ext 2")"#);
    // Enter in a field finds.
    name.type_in("\n");
    expect_last(&window, r#"Jones" "555-0102 ext 23""#);
    number.type_in("?");
    click("CHANGE");
    window.until("document.getElementById('number-error').innerText.startsWith('Bad number: use up to 40 digits')");
    say(&window, "ADD Bob 1");
    window.shows(r#"Added: "Bob" "1""#);
    window.run("document.getElementById('name').value = ''; return ''");
    click("LIST");
    window.shows("Total: 2");
    assert_eq!(
        said(&window).last().map(String::as_str),
        Some("Total: 2"),
        "the entries and their number are one answer"
    );
    window.run("document.getElementById('name').value = 'b'; return ''");
    click("LIST");
    window.shows("Total: 1");
    click("REMOVE");
    window.shows(r#"Not found: "b""#);
    server.expect_manners();
}
