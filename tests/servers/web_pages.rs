//! The pages of the doctor and the phone book over a restart of their server, in a real browser.

use crate::support::peer::Peer;
use crate::support::server::Program;
use std::net::SocketAddrV4;
use switchboard_harness::{Browser, Server, Stop, Window, key, own_address};
use tempfile::TempDir;

/// A server with both doors, which can start again at the same addresses with the same data.
struct Site {
    program: Program,
    place: TempDir,
    line: SocketAddrV4,
    web: SocketAddrV4,
}

impl Site {
    fn new(program: Program) -> Self {
        Self { program, place: TempDir::new().expect("room"), line: own_address(), web: own_address() }
    }

    /// Slow turns are not logged, because the tests look at the log.
    #[track_caller]
    fn start(&self) -> Server {
        let launch = self.program.launch().args("--slow-turn off --data").arg(self.place.path().join("data.db"));
        launch.listen(&self.line.to_string()).listen(&format!("web:{}", self.web)).start()
    }

    #[track_caller]
    fn open(&self, window: &Window<'_>) {
        window.open(&format!("http://{}/", self.web));
    }
}

/// Types a line where the focus is, which has to be the field for lines.
#[track_caller]
fn say(window: &Window<'_>, line: &str) {
    window.until("document.activeElement.id === 'line'");
    window.press(&format!("{line}{}", key::ENTER));
}

/// Waits until the last line of the log ends in this text.
#[track_caller]
fn hears(window: &Window<'_>, text: &str) {
    window.until(&format!("(document.querySelector('#log li:last-child')?.innerText ?? '').endsWith({text:?})"));
}

#[test]
fn a_patient_is_remembered_after_a_restart_of_the_doctor() {
    let site = Site::new(Program::Doctor);
    let mut server = site.start();
    let browser = Browser::start();
    let window = browser.window();
    site.open(&window);
    hears(&window, "Good day. What is your name?");
    say(&window, "Ann");
    hears(&window, "Welcome, Ann. What is on your mind?");
    say(&window, "My garden is a <script>desert</script>");
    hears(&window, "What does it mean to you: your garden is a <script>desert</script>?");
    assert_eq!(window.value("document.querySelectorAll('#log script').length"), "0");
    server.stop_by(Stop::Terminate);
    let server = site.start();
    window.shows("The connection was lost. This is a new one.");
    hears(&window, "Good day. What is your name?");
    say(&window, "ann");
    hears(&window, "You are back, Ann. How have you been since then?");
    say(&window, "Hm.");
    window.shows("A while ago you said: your garden is a <script>desert</script>.");
    say(&window, "Goodbye.");
    window.shows("The connection is closed.");
    server.expect_manners();
}

#[test]
fn a_page_of_the_phone_book_goes_on_after_a_restart() {
    let site = Site::new(Program::Phonebook);
    let mut server = site.start();
    let browser = Browser::start();
    let window = browser.window();
    site.open(&window);
    hears(&window, "HELP lists the commands.");
    let click = |command: &str| window.find(&format!("[value={command}]")).click();
    let name = "<script>document.title='owned'</script> \"Zo\u{eb}\"";
    window.find("#name").type_in(name);
    window.find("#number").type_in("555-0102");
    click("ADD");
    let shown = name.replace('"', "\\\"");
    hears(&window, &format!("Added: \"{shown}\" \"555-0102\""));
    click("ADD");
    hears(&window, &format!("Exists: \"{shown}\" \"555-0102\""));
    assert_eq!(window.value("[document.title, document.querySelectorAll('#log script').length]"), "Phone book,0");

    server.stop_by(Stop::Terminate);
    let server = site.start();
    window.shows("The connection was lost. This is a new one.");
    hears(&window, "HELP lists the commands.");
    let mut nc = Peer::connect(&site.line.to_string());
    nc.send(format!("CHANGE \"{shown}\" 5\nADD ann 1\n"));
    nc.line_where(|line| line.starts_with("Added: "));
    click("FIND");
    hears(&window, &format!("\"{shown}\" \"5\""));
    click("REMOVE");
    hears(&window, &format!("Removed: \"{shown}\" \"5\""));
    click("FIND");
    hears(&window, &format!("Not found: \"{shown}\""));
    window.find("#line").type_in("LIST\ndial ann\n");
    window.shows("\"ann\" \"1\"\nTotal: 1");
    hears(&window, "Unknown command: dial (HELP lists them)");
    server.expect_manners();
}
