//! The pages of the servers in a real browser.

mod books;

use switchboard_harness::Window;

/// Types a line.
#[track_caller]
fn say(window: &Window<'_>, line: &str) {
    window.find("#line").type_in(&format!("{line}\n"));
}

/// The texts of all elements that a CSS selector matches.
#[track_caller]
fn texts(window: &Window<'_>, selector: &str) -> Vec<String> {
    let all = window.value(&format!("[...document.querySelectorAll('{selector}')].map(e => e.innerText).join('\\n')"));
    all.lines().map(str::to_owned).collect()
}

/// Waits until these are the texts of all elements that a CSS selector matches.
#[track_caller]
fn expect(window: &Window<'_>, selector: &str, wanted: &[&str]) {
    let list = format!("[...document.querySelectorAll('{selector}')].map(e => e.innerText).join('|')");
    window.until(&format!("{list} === {:?}", wanted.join("|")));
}
