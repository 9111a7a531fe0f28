//! The pages of the servers in a real browser.

mod access;
mod books;
mod chat;
mod room;

use crate::support::peer::Peer;
use crate::support::server::Program;
use switchboard_harness::{Server, Window, key};

/// A chat with both doors.
struct Chat {
    server: Server,
    line: String,
    web: String,
}

impl Chat {
    #[track_caller]
    fn start(args: &str) -> Self {
        let server = Program::Chat.launch().listen("127.0.0.1:0").listen("web:127.0.0.1:0").args(args).start();
        let mut at = server.addresses(2);
        let web = at.remove(1).strip_prefix("web:").expect("a web door").to_owned();
        Self { server, line: at.remove(0), web }
    }

    /// A member with a netcat. Its welcome is read.
    #[track_caller]
    fn member(&self, nick: &str) -> Peer {
        let mut peer = Peer::connect(&self.line);
        peer.send(format!("{nick}\n"));
        peer.line_where(|line| line.ends_with(" here."));
        peer
    }
}

/// Opens the page and enters the room.
#[track_caller]
pub(in crate::servers) fn enter(window: &Window<'_>, address: &str, nick: &str) {
    window.open(&format!("http://{address}/"));
    window.press(&format!("{nick}{}", key::ENTER));
    window.until("!document.getElementById('chat').hidden");
}

/// Types a line.
#[track_caller]
pub(in crate::servers) fn say(window: &Window<'_>, line: &str) {
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

/// Waits until the last line of the log ends in a text. It may be out of sight.
#[track_caller]
fn expect_last(window: &Window<'_>, text: &str) {
    let last = "document.querySelector('#log > :last-child > :last-child')";
    window.until(&format!("{last}?.textContent.endsWith({text:?})"));
}
