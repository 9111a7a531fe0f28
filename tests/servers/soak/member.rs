//! A member of the chat who checks every line that the room shows.
//!
//! What polite members say carries its number and a checksum. So each hearer can tell that no character was
//! changed, and that of each speaker nothing is missing, twice or out of order. Names of the polite begin with `p` and
//! a digit; what others say is only held to the forms of the server's page.

use super::hall::Visit;
use crate::support::peer::Peer;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

pub(super) struct Member {
    pub(super) peer: Peer,
    pub(super) nick: String,
    /// The number of what each polite member said last, of those that are here.
    heard: BTreeMap<String, u64>,
    /// The same for what each has whispered to this one.
    whispers: BTreeMap<String, u64>,
    said: u64,
    /// How often this one has whispered to each.
    friends: BTreeMap<String, u64>,
}

impl Member {
    #[track_caller]
    pub(super) fn join(visit: &Visit<'_>) -> Self {
        let (mut peer, nick) = (visit.connect("chat"), format!("p{}", visit.serial));
        visit.expect(&mut peer, "Enter your nickname: ");
        peer.send(format!("{nick}\n"));
        visit.expect(&mut peer, format!("Welcome {nick} to the room!\n"));
        let count = peer.line();
        let is_count = count == "1 person is here." || count.strip_suffix(" persons are here.").is_some_and(is_number);
        assert!(is_count, "{count:?}");
        let (heard, whispers, friends) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { peer, nick, heard, whispers, said: 0, friends }
    }

    /// Says a line to all, as text or as `/me`.
    pub(super) fn say(&mut self, visit: &mut Visit<'_>, length: u64) {
        self.said += 1;
        let command = visit.one_of(&["", "", "/me "]);
        let text = signed(&self.nick, self.said, &visit.letters(length));
        self.peer.send(format!("{command}{text}\n"));
    }

    /// Whispers to one of those that are known to be here.
    pub(super) fn whisper(&mut self, visit: &mut Visit<'_>) {
        if self.heard.is_empty() {
            return;
        }
        let at = visit.random.below(self.heard.len() as u64) as usize;
        let friend = self.heard.keys().nth(at).expect("not empty");
        let count = self.friends.entry(friend.clone()).or_default();
        *count += 1;
        let text = signed(&self.nick, *count, &visit.letters(40));
        self.peer.send(format!("/msg {friend} {text}\n"));
    }

    /// Listens for so long, or until the end of the evening.
    #[track_caller]
    pub(super) fn listen(&mut self, visit: &Visit<'_>, time: Duration) {
        let end = Instant::now() + time;
        while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            let slice = left.min(Duration::from_millis(250));
            if !visit.hall.is_open() {
                return;
            }
            if self.peer.hears_within(slice) {
                let line = self.peer.line();
                self.hear(visit, &line);
            }
        }
    }

    /// Listens until this very line comes; everything before is checked, too.
    #[track_caller]
    pub(super) fn wait_for(&mut self, visit: &Visit<'_>, wanted: impl Fn(&str) -> bool) -> String {
        loop {
            let line = self.peer.line();
            if wanted(&line) {
                visit.checked(line.len() + 1);
                return line;
            }
            self.hear(visit, &line);
        }
    }

    /// Asks who is here, which comes behind the answers to all that was asked before.
    #[track_caller]
    pub(super) fn ask_who(&mut self, visit: &Visit<'_>) {
        self.peer.send("/who\n");
        let list = self.wait_for(visit, |line| !line.starts_with(['[', '*']) && line.contains(" here: "));
        let (count, names) = list.split_once(" here: ").expect("just seen");
        let names: Vec<&str> = names.trim_end_matches('.').split(", ").collect();
        let expected = if names.len() == 1 { "1 person is".into() } else { format!("{} persons are", names.len()) };
        assert!(count == expected && names.contains(&&*self.nick), "{}: {list:?}", self.nick);
        // In a crowd, the leaving of a member is counted at the end of the second.
        self.heard.retain(|known, _| names.contains(&&**known));
    }

    /// Leaves with a word, and hears everything up to it.
    #[track_caller]
    pub(super) fn quit(mut self, visit: &Visit<'_>) {
        self.peer.send("/quit\n");
        self.wait_for(visit, |line| line == "Good bye!");
        self.peer.expect_eof();
    }

    /// Leaves by the end of input, and hears everything that was said until then.
    #[track_caller]
    pub(super) fn hang_up(mut self, visit: &Visit<'_>) {
        self.peer.finish();
        let rest = self.peer.rest().expect("an orderly end, no reset");
        let rest = String::from_utf8(rest).expect("the room speaks UTF-8");
        assert!(rest.is_empty() || rest.ends_with('\n'), "{}: half a line: {rest:?}", self.nick);
        for line in rest.lines() {
            self.hear(visit, line);
        }
    }

    /// One line of the room.
    #[track_caller]
    fn hear(&mut self, visit: &Visit<'_>, line: &str) {
        visit.checked(line.len() + 1);
        let is_fine = self.hear_whisper(line) || self.hear_talk(line) || self.hear_event(line);
        assert!(is_fine, "{} hears {line:?}; of all it knows {:?}, {:?}", self.nick, self.heard, self.whispers);
    }

    fn hear_whisper(&mut self, line: &str) -> bool {
        let Some((name, text)) = line.strip_prefix('[').and_then(|rest| rest.split_once("] ")) else { return false };
        if let Some(friend) = name.strip_prefix("to ") {
            return self.friends.contains_key(friend) && number_signed(&self.nick, text).is_some();
        }
        let last = self.whispers.insert(name.to_owned(), number_signed(name, text).unwrap_or(u64::MAX));
        self.whispers[name] == last.unwrap_or(0) + 1
    }

    fn hear_talk(&mut self, line: &str) -> bool {
        // What others than the polite say may be nothing but blanks.
        let (name, text) = match line.strip_prefix("* ") {
            Some(act) => act.split_once(' ').unwrap_or((act, "")),
            None => line.split_once(':').unwrap_or(("", "")),
        };
        if name.is_empty() || name.contains(' ') {
            return false;
        }
        if !is_polite(name) {
            return true;
        }
        let Some(number) = number_signed(name, text.trim_start()) else { return false };
        // Of those who were here before, the first word that one hears may have any number.
        self.heard.insert(name.to_owned(), number).is_none_or(|last| number == last + 1) && name != self.nick
    }

    fn hear_event(&mut self, line: &str) -> bool {
        if let Some(name) = line.strip_prefix("Welcome ").and_then(|rest| rest.strip_suffix(" to the room!")) {
            return !is_polite(name) || self.heard.insert(name.to_owned(), 0).is_none();
        }
        if let Some(name) = line.strip_suffix(" leaves the room!") {
            self.heard.remove(name);
            self.whispers.remove(name);
            return !name.contains(' ');
        }
        if let Some((joined, left)) = line.split_once(" joined, ") {
            return is_crowd(joined, left);
        }
        let Some(missing) = line.strip_prefix("No member is called ") else { return false };
        self.heard.remove(missing);
        self.friends.contains_key(missing)
    }
}

/// What a polite member says: its number, the text, and a checksum of both and of who says it.
fn signed(nick: &str, number: u64, text: &str) -> String {
    format!("{number} {text} {:016x}", checksum(&format!("{nick} {number} {text}")))
}

/// The number of a signed text, if it is as it was said.
fn number_signed(nick: &str, line: &str) -> Option<u64> {
    let (text, sum) = line.rsplit_once(' ')?;
    let is_right = u64::from_str_radix(sum, 16) == Ok(checksum(&format!("{nick} {text}")));
    is_right.then(|| text.split(' ').next()?.parse().ok()).flatten()
}

/// FNV-1a of 64 bits.
fn checksum(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Whether these are the parts of a line such as `12 people joined, 9 left`.
fn is_crowd(joined: &str, left: &str) -> bool {
    let joined = joined.strip_suffix(" people").or_else(|| joined.strip_suffix(" person"));
    joined.is_some_and(is_number) && left.strip_suffix(" left").is_some_and(is_number)
}

fn is_polite(name: &str) -> bool {
    name.strip_prefix('p').is_some_and(is_number)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
