//! The doctor from outside: netcats, whole conversations, a crowd, a kill, a locked file.

use crate::support::peer::Peer;
use crate::support::server::{Program, expect_only_the_stop};
use crate::support::tools::{pass_through, tool};
use rusqlite::Connection;
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use switchboard::servers::doctor::Conversation;
use switchboard_harness::{Launch, Server, Stop, alone, until};
use tempfile::TempDir;

const SWITCHBOARD: &str = env!("CARGO_BIN_EXE_switchboard");
const ASKED: &str = "Good day. What is your name?";
const GREETED: &str = "Welcome, Ann. What is on your mind?";
const BACK: &str = "You are back, Ann. How have you been since then?";
const TAKEN_UP: &str = "A while ago you said: your garden is a desert. What comes to mind about it now?";

/// A data file in a directory of its own.
struct Office {
    place: TempDir,
}

impl Office {
    fn new() -> Self {
        Self { place: TempDir::new().expect("room for a directory") }
    }

    /// A file in the directory.
    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Slow turns are not logged, because the tests look at the log.
    fn launch(&self) -> Launch {
        Program::Doctor.launch().args("--slow-turn off --data").arg(text(&self.path("doctor.db")))
    }

    fn start(&self) -> Server {
        self.launch().start()
    }

    /// Opens the data file as another program.
    fn open(&self) -> Connection {
        Connection::open(self.path("doctor.db")).expect("a data file")
    }

    /// The conversation of a patient in the file.
    fn kept(&self, key: &str) -> Option<String> {
        self.open().query_row("SELECT conversation FROM patient WHERE key = ?1", [key], |row| row.get(0)).ok()
    }

    /// Waits until a patient's conversation in the file contains `words`.
    #[track_caller]
    fn keeps(&self, key: &str, words: &str) {
        until(&format!("{words:?} in the file"), || self.kept(key).is_some_and(|kept| kept.contains(words)));
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a UTF-8 path")
}

/// A peer that has given a name, and the greeting.
#[track_caller]
fn patient(server: &Server, name: &str) -> (Peer, String) {
    let mut peer = Peer::connect(&server.address());
    assert_eq!(peer.line(), ASKED);
    let greeting = ask(&mut peer, name);
    (peer, greeting)
}

/// Sends a line and returns its answer.
#[track_caller]
fn ask(peer: &mut Peer, line: &str) -> String {
    peer.send(format!("{line}\n"));
    peer.line()
}

#[test]
fn a_greeting_is_not_taken_for_a_name() {
    let office = Office::new();
    let server = office.start();
    let (mut tom, answer) = patient(&server, "Hello!");
    assert_eq!(answer, ASKED);
    assert_eq!(ask(&mut tom, "Hi, I am Tom."), "Welcome, Tom. What is on your mind?");
    assert_eq!(ask(&mut tom, "what do you remember of me?"), "I remember what you tell me. What should I not forget?");
    assert_eq!(ask(&mut tom, "I already told you."), "What difference does it make that you already told me?");
}

#[test]
fn every_netcat_is_served_over_tcp_and_a_unix_path() {
    let office = Office::new();
    let path = office.path("socket");
    let server = office.launch().listen("127.0.0.1:0").listen(&format!("unix:{}", text(&path))).start();
    server.addresses(2);
    let port = server.port().to_string();
    let ways: [&[&str]; 4] = [
        &["nc", "-N", "127.0.0.1", &port],
        &["ncat", "127.0.0.1", &port],
        &["nc", "-N", "-U", text(&path)],
        &["ncat", "-U", text(&path)],
    ];
    for (number, words) in ways.into_iter().enumerate() {
        let talk = format!("Nr. {number}\r\nMy garden is a desert.\nbye");
        let heard = String::from_utf8(pass_through(words, talk.as_bytes())).expect("text");
        let wanted = format!(
            "{ASKED}\nWelcome, Nr. {number}. What is on your mind?\n\
             What does it mean to you: your garden is a desert?\n\
             Goodbye, Nr. {number}. The door is open whenever you like.\n"
        );
        assert_eq!(heard, wanted, "{words:?}");
    }
    for (number, words) in ways.into_iter().enumerate() {
        let heard = String::from_utf8(pass_through(words, format!("nr. {number}\nHm.").as_bytes())).expect("text");
        assert_eq!(heard, format!("{ASKED}\nYou are back, Nr. {number}. How have you been since then?\n{TAKEN_UP}\n"));
    }
    server.expect_manners();
}

/// The lines of the patient in a transcript, and everything that the server sends.
fn transcript(path: &Path) -> (Vec<String>, String) {
    let all = fs::read_to_string(path).expect("a readable transcript");
    let lines = all.lines().filter(|line| !line.starts_with('#'));
    let (said, shown): (Vec<_>, Vec<_>) = lines.partition(|line| line.starts_with('>'));
    let said = said.into_iter().map(|line| line[1..].strip_prefix(' ').unwrap_or_default().to_owned());
    (said.collect(), shown.join("\n") + "\n")
}

#[test]
fn every_transcript_is_replayed_by_netcat() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/doctor");
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("the transcripts") {
        let path = entry.expect("a readable directory").path();
        let (said, shown) = transcript(&path);
        // Each transcript begins with a new patient.
        let server = Program::Doctor.launch().args("--data :memory:").start();
        let port = server.port().to_string();
        let typed = said.join("\n") + "\n";
        let heard = pass_through(&["nc", "-N", "127.0.0.1", &port], typed.as_bytes());
        assert_eq!(String::from_utf8_lossy(&heard), shown, "{}", path.display());
        count += 1;
    }
    assert!(count >= 12, "only {count} transcripts were found");
}

#[test]
fn a_talk_goes_line_by_line_until_the_farewell() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/doctor/visit.txt");
    let (said, shown) = transcript(&path);
    let server = Program::Doctor.launch().args("--data :memory:").start();
    for netcat in ["nc", "ncat"] {
        let mut tool = tool(&[netcat, "127.0.0.1", &server.port().to_string()]);
        let mut answers = shown.lines();
        let mut seen = format!("{}\n", answers.next().expect("a question"));
        tool.stdout.shows(&seen);
        for (line, answer) in said.iter().zip(answers) {
            let line = if line == "Ann" { netcat } else { line };
            seen += &answer.replace("Ann", netcat);
            seen.push('\n');
            tool.say(format!("{line}\n"));
            tool.stdout.shows(&seen);
        }
        // The farewell closed the connection. nc ends when its input ends, too.
        tool.hang_up();
        assert!(tool.wait().status.success());
    }
}

#[test]
fn the_next_server_remembers_a_patient_with_two_connections() {
    let office = Office::new();
    let mut server = office.start();
    let (mut one, greeting) = patient(&server, "Ann");
    assert_eq!(greeting, GREETED);
    let (mut two, greeting) = patient(&server, "ＡＮＮ");
    assert_eq!(greeting, BACK);
    ask(&mut one, "My garden is a desert.");
    ask(&mut two, "My cellar is a lake.");
    assert!(ask(&mut two, "bye").starts_with("Goodbye, Ann."));
    two.expect_eof();
    assert_eq!(ask(&mut one, "Hm."), TAKEN_UP);
    server.stop_by(Stop::Terminate).expect_clean_within(Duration::from_secs(2));
    server.expect_manners();
    expect_only_the_stop(&server);

    let server = office.start();
    let (mut ann, greeting) = patient(&server, "ann");
    assert_eq!(greeting, "Good to see you again, Ann. Where shall we begin today?");
    assert!(ask(&mut ann, "Hm.").contains("your cellar is a lake"));
}

#[test]
fn the_default_data_file_is_in_the_users_data_directory() {
    let mut server = Program::Doctor.start();
    let file = server.data_home().join("switchboard/doctor.db");
    let (_, greeting) = patient(&server, "Ann");
    assert_eq!(greeting, GREETED);
    server.stop_by(Stop::Line).expect_clean_within(Duration::from_secs(2));
    let again = Program::Doctor.launch().arg("--data").arg(text(&file)).start();
    assert_eq!(patient(&again, "Ann").1, BACK);
}

#[test]
fn a_switchboard_hosts_the_doctor_beside_others() {
    let office = Office::new();
    let config = office.path("services.toml");
    let services = format!(
        "[echo]\nlisten = '127.0.0.1:0'\n[doctor]\nlisten = '127.0.0.1:0'\ndata = '{}'\n",
        text(&office.path("doctor.db"))
    );
    fs::write(&config, services).expect("room");
    for (wanted, thing) in [(GREETED, "hat"), (BACK, "coat")] {
        let mut server = Launch::of(SWITCHBOARD).arg("--config").arg(text(&config)).spawn();
        let at = server.addresses(2);
        let mut ann = Peer::connect(&at[1]);
        assert_eq!(ann.line(), ASKED);
        assert_eq!(ask(&mut ann, "Ann"), wanted);
        assert!(ask(&mut ann, &format!("my {thing} is red")).contains(thing));
        office.keeps("ann", &format!("your {thing} is red"));
        server.stop_by(Stop::Line).expect_clean_within(Duration::from_secs(2));
    }
}

#[test]
fn a_web_request_is_refused_only_in_place_of_a_name() {
    let server = Program::Doctor.launch().args("--data :memory:").start();
    let port = server.port().to_string();
    let request = b"POST / HTTP/1.1\r\nHost: here\r\n\r\nAnn\r\nmy dog bites\r\n";
    let heard = pass_through(&["nc", "-N", "127.0.0.1", &port], request);
    assert_eq!(String::from_utf8_lossy(&heard), format!("{ASKED}\nThis is a doctor and does not speak HTTP.\n"));
    let (mut ann, _) = patient(&server, "Ann");
    assert_eq!(ask(&mut ann, "GET out of my head"), "What does it mean to you: your head?");
}

#[test]
fn lines_over_the_limit_get_a_notice() {
    let server = Program::Doctor.launch().args("--data :memory: --max-line 30").start();
    let (mut ann, _) = patient(&server, "Ann");
    assert_eq!(ask(&mut ann, &format!("my dog {}", "x".repeat(30))), "Your line is over 30 bytes and was not heard.");
    assert_eq!(ask(&mut ann, "my dog is big"), "What does it mean to you: your dog is big?");
    let server = Program::Doctor.launch().args("--data :memory: --max-line off").start();
    let (mut ann, _) = patient(&server, "Ann");
    let answer = ask(&mut ann, &format!("my dog {}", "x".repeat(200_000)));
    assert!(answer.starts_with("What does it mean to you: your dog") && answer.len() <= 1024, "{}", answer.len());
}

const GARDENER: &str = "\
ask_name = 'Who is there?'
greeting = ['Hello, {name}.']
farewell = ['Mind the gate, {name}.']
default = ['And the garden?']
quit = ['bye']

[[keyword]]
words = ['rose']
rule = [{ match = '* rose *', answers = ['Roses are work.'] }]
";

#[test]
fn the_flag_script_replaces_the_script() {
    let office = Office::new();
    fs::write(office.path("garden.toml"), GARDENER).expect("room");
    let mut server = office.launch().arg("--script").arg(text(&office.path("garden.toml"))).start();
    let port = server.port().to_string();
    let heard = pass_through(&["nc", "-N", "127.0.0.1", &port], b"Ann\na rose is a rose\nx\nbye\n");
    let wanted = "Who is there?\nHello, Ann.\nRoses are work.\nAnd the garden?\nMind the gate, Ann.\n";
    assert_eq!(String::from_utf8_lossy(&heard), wanted);
    server.stop_by(Stop::Line).expect_clean_within(Duration::from_secs(2));
    // Another script continues with the same patients.
    assert_eq!(patient(&office.start(), "Ann").1, BACK);
}

#[test]
fn a_fault_in_a_script_is_a_usage_error_with_its_place() {
    let office = Office::new();
    let file = office.path("garden.toml");
    for (script, place) in [
        (GARDENER.replace("ask_name =", "ask_name ==").into_bytes(), "line 1, column 11: "),
        (GARDENER.replace("* rose *", "* @rose *").into_bytes(), "line 9, column 19: @rose: there is no \"rose\""),
        (GARDENER.replace("Hello, {name}", "Hello, {you}").into_bytes(), "line 2, column 13: "),
        (b"ask_name = 'Who'\ngreeting = ['Gr\xfc\xdfe']\n".to_vec(), "line 2, column 16: this is not UTF-8"),
        (Vec::new(), "line 1, column 1: missing field"),
    ] {
        fs::write(&file, script).expect("room");
        let finished = office.launch().arg("--script").arg(text(&file)).run();
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""), "{finished:?}");
        let first = finished.stderr.lines().next().expect("a line");
        assert!(first.starts_with(&format!("error: {}: {place}", text(&file))), "{finished:?}");
        assert!(!office.path("doctor.db").exists(), "{place}");
    }
}

#[test]
fn an_unusable_file_is_a_failure_in_one_line() {
    let office = Office::new();
    let missing = office.path("missing.toml");
    let folder = text(office.place.path());
    let script = |path: &str| office.launch().arg("--script").arg(path).run();
    let data = |path: &str| Program::Doctor.launch().arg("--data").arg(path).run();
    for (finished, words) in [
        (script(text(&missing)), ["doctor-server: cannot read ", "missing.toml: No such file"]),
        (script(folder), ["doctor-server: cannot read ", "Is a directory"]),
        (data(folder), ["doctor-server: cannot use ", folder]),
        (data(text(&office.path("missing/doctor.db"))), ["doctor-server: cannot use ", "No such file"]),
    ] {
        assert_eq!((finished.code, finished.stderr.lines().count()), (Some(1), 1), "{finished:?}");
        assert!(words.iter().all(|word| finished.stderr.contains(word)), "{finished:?}");
    }
    let book = office.path("book.db");
    let mut other = Program::Phonebook.launch().arg("--data").arg(text(&book)).start();
    other.stop_by(Stop::Line).expect_clean_within(Duration::from_secs(2));
    let finished = data(text(&book));
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("another program"), "{finished:?}");
}

#[test]
fn saved_conversations_outlive_a_kill() {
    let office = Office::new();
    let server = office.start();
    let (mut ann, _) = patient(&server, "Ann");
    ask(&mut ann, "My garden is a desert.");
    office.keeps("ann", "your garden is a desert");
    server.signal(Signal::KILL);
    drop(server);
    let server = office.start();
    let (mut ann, greeting) = patient(&server, "Ann");
    assert_eq!((greeting.as_str(), ask(&mut ann, "Hm.").as_str()), (BACK, TAKEN_UP));
}

#[test]
fn a_damaged_row_is_logged_and_left_alone() {
    let office = Office::new();
    let mut server = office.start();
    let (mut ann, _) = patient(&server, "Ann");
    ask(&mut ann, "My garden is a desert.");
    server.stop_by(Stop::Line).expect_clean_within(Duration::from_secs(2));
    office.open().execute_batch("UPDATE patient SET conversation = 'oops'").expect("a table");
    let server = office.start();
    let (mut ann, greeting) = patient(&server, "ann");
    assert_eq!(greeting, "My notes of earlier visits cannot be read at the moment.");
    assert_eq!(ann.line(), "Welcome, ann. What is on your mind?");
    server.stderr.wait_for("the conversation of ann in the data file cannot be read");
    server.stderr.wait_for("correct it, or delete the row");
    assert!(ask(&mut ann, "my dog bites").contains("your dog bites"));
    let (_bob, _) = patient(&server, "Bob");
    office.keeps("bob", "visits = 1");
    assert_eq!(office.kept("ann").as_deref(), Some("oops"));
    assert_eq!(server.stderr.text().lines().count(), 1, "{}", server.stderr.text());
}

/// The numbers of the boxes that a patient's memories mention.
fn boxes(kept: &str) -> Vec<usize> {
    let conversation: Conversation = toml::from_str(kept).expect("a whole conversation");
    let numbers = conversation.memories().map(|memory| {
        let (_, after) = memory.split_once("box ").expect("a memory of a box");
        after.split(' ').next().and_then(|number| number.parse().ok()).expect("a number")
    });
    numbers.collect()
}

#[test]
fn a_kill_under_traffic_leaves_every_conversation_whole() {
    const CLIENTS: usize = 20;
    let office = Office::new();
    for round in 0..3 {
        let server = office.start();
        let answered = AtomicUsize::new(0);
        let said: Vec<usize> = thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|client| {
                    let (mut peer, _) = patient(&server, &format!("r{round} c{client}"));
                    ask(&mut peer, "my box 0 is red");
                    let answered = &answered;
                    scope.spawn(move || {
                        let talks = (1..).take_while(|number| {
                            let is_answered = peer.tell(&format!("my box {number} is red")).is_some();
                            answered.fetch_add(usize::from(is_answered), Ordering::Relaxed);
                            is_answered
                        });
                        talks.last().unwrap_or(0)
                    })
                })
                .collect();
            (0..CLIENTS).for_each(|client| office.keeps(&format!("r{round} c{client}"), "your box"));
            until("traffic", || answered.load(Ordering::Relaxed) >= 300);
            server.signal(Signal::KILL);
            clients.into_iter().map(|client| client.join().expect("no surprise")).collect()
        });
        drop(server);
        drop(office.start());
        for (client, said) in said.into_iter().enumerate() {
            let boxes = boxes(&office.kept(&format!("r{round} c{client}")).expect("a patient"));
            assert!(boxes.windows(2).all(|pair| pair[1] == pair[0] + 1), "{boxes:?}");
            // The last lines can be missing, and a line without an answer can be there.
            assert!(boxes.last().is_some_and(|&last| last <= said + 1), "{boxes:?} of {said}");
        }
    }
}

#[test]
fn a_stop_saves_a_whole_crowd() {
    const CROWD: usize = 500;
    let _alone = alone();
    let office = Office::new();
    let mut server = office.start();
    let mut crowd: Vec<_> = (0..CROWD).map(|_| Peer::connect(&server.address())).collect();
    for (number, peer) in crowd.iter_mut().enumerate() {
        peer.send(format!("p{number}\nmy box {number} is red\nmy box {} is blue\n", number + 1));
    }
    for peer in &mut crowd {
        peer.line_where(|line| line.contains(" is blue"));
    }
    server.stop_by(Stop::Terminate).expect_clean_within(Duration::from_secs(4));
    server.expect_manners();
    expect_only_the_stop(&server);
    for number in 0..CROWD {
        let kept = office.kept(&format!("p{number}")).expect("a patient");
        assert_eq!(boxes(&kept), [number, number + 1]);
    }
}

/// Another program holds the lock. For a save this is the same as a disk that does not respond.
#[test]
fn a_locked_file_delays_no_answer_and_loses_none() {
    let _alone = alone();
    let office = Office::new();
    let server = office.start();
    let (mut ann, _) = patient(&server, "Ann");
    office.keeps("ann", "visits = 1");
    let other = office.open();
    other.execute_batch("BEGIN IMMEDIATE").expect("no other writer");
    let started = Instant::now();
    for number in 0..100 {
        assert!(ask(&mut ann, &format!("my box {number} is red")).contains(&format!("box {number} is red")));
    }
    let took = started.elapsed();
    assert!(took < Duration::from_secs(1), "a hundred answers took {took:?}");
    server.stderr.wait_for("stop that program");
    let (mut bob, greeting) = patient(&server, "Bob");
    assert_eq!(greeting, "Welcome, Bob. What is on your mind?", "reading needs no lock");
    ask(&mut bob, "My garden is a desert.");
    other.execute_batch("ROLLBACK").expect("it was begun");
    office.keeps("ann", "box 99 is red");
    office.keeps("bob", "your garden is a desert");
    assert_eq!(boxes(&office.kept("ann").expect("a patient")), (84..100).collect::<Vec<_>>());
    let log = server.stderr.text();
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("doctor: ") && log.contains("locked"), "{log}");
}

#[test]
fn a_stop_waits_for_a_locked_file_and_logs_what_is_lost() {
    let office = Office::new();
    let mut server = office.launch().args("--drain 200ms").start();
    let (mut ann, _) = patient(&server, "Ann");
    office.keeps("ann", "visits = 1");
    let other = office.open();
    other.execute_batch("BEGIN IMMEDIATE").expect("no other writer");
    ask(&mut ann, "My garden is a desert.");
    // The server waits at most a second for the job that is under way.
    server.stop_by(Stop::Terminate).expect_clean_within(Duration::from_secs(2));
    server.expect_manners();
    server.stderr.wait_for("doctor: the last words of up to 1 patient were not saved");
    drop(other);
    assert_eq!(patient(&office.start(), "Ann").1, BACK);
}

/// `ulimit -f` needs no privileges. For SQLite, a file at that limit is a disk that fails to write.
#[test]
fn a_full_disk_loses_nothing_once_there_is_room() {
    const MOST: usize = 2000;
    let office = Office::new();
    let server = office.launch().after("ulimit -S -f 64").start();
    let mut count = 0;
    while server.stderr.text().is_empty() {
        let (mut peer, greeting) = patient(&server, &format!("p{count}"));
        assert!(greeting.starts_with("Welcome, ") || greeting.starts_with("My notes "), "{greeting}");
        ask(&mut peer, &format!("my box {count} is red"));
        count += 1;
        assert!(count < MOST, "{count} were kept");
    }
    server.stderr.wait_for("look at the disk");
    let process = Pid::from_raw(server.process().0.cast_signed()).expect("a process");
    prlimit(Some(process), Resource::Fsize, Rlimit { current: None, maximum: None }).expect("a process of ours");
    for number in 0..count {
        office.keeps(&format!("p{number}"), &format!("box {number} is red"));
    }
}
