//! Takes the pictures of the pages. `tests/web/shoot` runs it.
//!
//! Invariant: the same build takes the same pictures on the same machine. So no page shows the time of the day, and
//! each step is shown before the next one begins.

mod room;

use room::{Netcat, Transcript};
use std::fs;
use std::path::{Path, PathBuf};
use switchboard_harness::{Browser, Launch, Server, Window, key};
use tempfile::TempDir;

/// The pixels for one of CSS in a picture as wide as the text beside it. It is sharp on fine screens, too.
const SHARP: u32 = 2;

/// The clock of the pages. That of a chat is the server's.
const NOON: &str = "Date.now = () => Date.UTC(2026, 10, 27, 14, 2)";

fn main() {
    let [programs, folder] = std::env::args()
        .skip(1)
        .map(PathBuf::from)
        .collect::<Vec<_>>()
        .try_into()
        .expect("two arguments: the folder of the programs, and the one for the pictures");
    fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let studio = Studio { programs, folder, browser: Browser::start() };
    studio.room();
    studio.chat();
    studio.doctor();
    studio.phonebook();
}

struct Studio {
    programs: PathBuf,
    folder: PathBuf,
    browser: Browser,
}

impl Studio {
    /// Two netcats and a page, with the ports of the README.
    fn room(&self) {
        let clock = Clock::new("14:02");
        let server = self.chat_server(&clock);
        let address = server.addresses(2);
        let mut terminal = Transcript::new("server", "chat-server -l 8888 -l web:8080");
        let listening = server.stdout.text();
        terminal.show(&listening.replace(&address[1], "web:127.0.0.1:8080").replace(&address[0], "127.0.0.1:8888"));
        let enter = |nick| Netcat::enter(&address[0], nick, "nc 127.0.0.1 8888");

        let mut bob = enter("bob");
        let mut dan = enter("dan");
        bob.hears("Welcome dan");
        let ann = self.window(room::WIDTH, room::PAGE_HEIGHT);
        self::enter(&ann, &url(&address[1]), "ann");
        let mut netcats = [&mut bob, &mut dan];
        for netcat in &mut netcats {
            netcat.hears("Welcome ann");
        }
        for (author, text, minute) in [
            (0, "The hut is ours on Saturday, with six beds.", "14:03"),
            (2, "Great! Which train do we take?", "14:03"),
            (1, "The 7:40 from platform 3.", "14:04"),
            (2, "I have the map.", "14:06"),
            (0, "And I the stove. See you at the station!", "14:06"),
        ] {
            match netcats.get_mut(author) {
                Some(netcat) => netcat.say(text),
                None => say(&ann, text),
            }
            ann.shows(text);
            for (_, netcat) in netcats.iter_mut().enumerate().filter(|(index, _)| *index != author) {
                netcat.hears(text);
            }
            clock.set(minute);
        }
        ann.run("document.activeElement.blur(); return ''");
        let transcripts = [&terminal, &bob.transcript, &dan.transcript];
        self.write("room.svg", room::draw(&transcripts, "http://127.0.0.1:8080/", &ann.picture(SHARP)).as_bytes());
    }

    fn chat(&self) {
        let clock = Clock::new("14:02");
        let mut server = self.chat_server(&clock);
        let address = server.addresses(2);
        let url = url(&address[1]);

        let mut bob = netcat(&address[0], "bob");
        let (ann, cleo) = (self.window(720, 448), self.window(720, 448));
        enter(&cleo, &url, "cleo");
        enter(&ann, &url, "ann");
        // The clock goes on when the line is shown.
        let shown = |text: &str, minute: &str| {
            ann.shows(text);
            clock.set(minute);
        };
        bob.say("The hut is ours on Saturday, with six beds.\n");
        shown("six beds.", "14:03");
        say(&cleo, "Great! Which train do we take?");
        shown("Which train", "14:03");
        say(&ann, "The 7:40 from platform 3. I have the map.");
        shown("The 7:40", "14:04");
        bob.say("/me packs the stove\n");
        shown("packs the stove", "14:06");
        let mut dan = netcat(&address[0], "dan");
        dan.say("Hello from a terminal: my browser is netcat.\n");
        shown("my browser", "14:07");
        say(&cleo, "And mine is <b>bold</b>.");
        shown("And mine is", "14:07");
        bob.say("/msg ann Do they know about the cake?\n");
        shown("about the cake?", "14:08");
        say(&ann, "/msg bob Not a word!");
        shown("Not a word!", "14:09");
        server.say("say The server restarts at three o'clock.\n");
        shown("three o'clock.", "14:09");

        self.shoot(&ann, "chat.png", SHARP);
        ann.prefer("prefers-color-scheme", "dark");
        ann.resize(360, 640);
        self.shoot(&ann, "chat-narrow.png", 1);
    }

    fn doctor(&self) {
        let server = self.start("doctor-server");
        let page = self.window(720, 480);
        page.open(&url(&server.address()));
        page.shows("What is your name?");
        for (line, answer) in [
            ("Ann", "What is on your mind?"),
            ("My garden is a desert.", "your garden is a desert"),
            ("I never water it.", "?"),
            ("I think you are a machine.", "?"),
        ] {
            say(&page, line);
            page.until("document.querySelector('#log li:last-child').innerText.includes('Doctor: ')");
            page.shows(answer);
        }
        self.shoot(&page, "doctor.png", SHARP);
    }

    fn phonebook(&self) {
        let server = self.start("phonebook-server");
        let page = self.window(720, 480);
        page.open(&url(&server.address()));
        page.shows("HELP lists the commands.");
        for (name, number) in [("Ann Lee", "555-0100"), ("Bob", "555-0199")] {
            page.run("for (const id of ['name', 'number']) document.getElementById(id).value = ''; return ''");
            page.find("#name").type_in(name);
            page.find("#number").type_in(number);
            page.find("[value=ADD]").click();
            page.shows(&format!("Added: \"{name}\""));
        }
        page.run("for (const id of ['name', 'number']) document.getElementById(id).value = ''; return ''");
        page.find("[value=LIST]").click();
        page.shows("Total: 2");
        self.shoot(&page, "phonebook.png", SHARP);
    }

    /// Starts a chat with both doors, which goes by a clock.
    fn chat_server(&self, clock: &Clock) -> Server {
        let launch = Launch::of("faketime").args("-f +0 env -u FAKETIME FAKETIME_NO_CACHE=1");
        let launch = launch.args("FAKETIME_DONT_FAKE_MONOTONIC=1").arg(clock.variable());
        let launch = launch.arg(self.programs.join("chat-server")).args("--stdin commands");
        launch.listen("127.0.0.1:0").listen("web:127.0.0.1:0").spawn()
    }

    /// Starts a server that forgets what it hears.
    fn start(&self, program: &str) -> Server {
        Launch::of(self.programs.join(program)).args("--data :memory:").listen("web:127.0.0.1:0").start()
    }

    /// Opens a window of this size, in pixels of CSS.
    fn window(&self, width: u32, height: u32) -> Window<'_> {
        let window = self.browser.window();
        window.resize(width, height);
        window.locate("en-GB", "UTC");
        window.before_each_page(NOON);
        window
    }

    /// Writes the picture of a page. The cursor of the input blinks, so the focus is taken away first.
    fn shoot(&self, window: &Window<'_>, name: &str, scale: u32) {
        window.run("document.activeElement.blur(); return ''");
        self.write(name, &window.picture(scale));
    }

    fn write(&self, name: &str, picture: &[u8]) {
        let path = self.folder.join(name);
        fs::write(&path, picture).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        println!("{}: {} KiB", path.display(), picture.len().div_ceil(1024));
    }
}

/// The clock of a server, which stands still until it is set. faketime(1) reads it from a file.
struct Clock {
    place: TempDir,
}

impl Clock {
    fn new(minute: &str) -> Self {
        let clock = Self { place: TempDir::new().expect("room for a file") };
        clock.set(minute);
        clock
    }

    fn set(&self, minute: &str) {
        // It is never seen half written.
        let written = self.place.path().join("next");
        fs::write(&written, format!("2026-11-27 {minute}:00\n")).expect("room for a file");
        fs::rename(&written, self.path()).expect("room for a file");
    }

    fn path(&self) -> PathBuf {
        self.place.path().join("clock")
    }

    /// Sets the environment of a program that goes by this clock.
    fn variable(&self) -> String {
        format!("FAKETIME_TIMESTAMP_FILE={}", Path::display(&self.path()))
    }
}

fn url(address: &str) -> String {
    format!("http://{}/", address.strip_prefix("web:").expect("a web door"))
}

/// Enters the room with a page.
fn enter(window: &Window<'_>, url: &str, nick: &str) {
    window.open(url);
    window.press(&format!("{nick}{}", key::ENTER));
    window.until("!document.getElementById('chat').hidden");
}

/// Enters the room with a netcat.
fn netcat(address: &str, nick: &str) -> Server {
    let (host, port) = address.rsplit_once(':').expect("a port");
    let mut netcat = Launch::of("nc").args(host).args(port).spawn();
    netcat.say(format!("{nick}\n"));
    netcat.stdout.wait_for(" here.\n");
    netcat
}

fn say(window: &Window<'_>, line: &str) {
    window.find("#line").type_in(&format!("{line}\n"));
}
