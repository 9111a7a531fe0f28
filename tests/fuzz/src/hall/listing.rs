//! A long answer that its client reads slowly, while others change what it tells of.
//!
//! What is there all the time is told once. What comes or goes meanwhile is told or not, but never what was not there.

use std::collections::BTreeSet;

/// What a slow client may be told: entries, and last of all how many they are.
#[derive(Debug)]
pub(super) struct Listing {
    /// What it has asked for.
    pub(super) line: &'static str,
    /// What it was told so far.
    text: Vec<u8>,
    /// Names of entries that have been there all the time.
    always: BTreeSet<String>,
    /// Entries that have been there at some time.
    ever: BTreeSet<String>,
}

impl Listing {
    /// A client asks, and now would be told this.
    pub(super) fn new(line: &'static str, answer: &str) -> Self {
        let always = entries(answer).map(|entry| name(entry).to_owned()).collect();
        let ever = entries(answer).map(str::to_owned).collect();
        Listing { line, text: Vec::new(), always, ever }
    }

    /// A listing that is asked for now has this.
    pub(super) fn watch(&mut self, answer: &str) {
        let names: BTreeSet<&str> = entries(answer).map(name).collect();
        self.always.retain(|name| names.contains(&**name));
        self.ever.extend(entries(answer).map(str::to_owned));
    }

    /// The client has received more of it.
    pub(super) fn hear(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
    }

    /// The client has received all of it.
    pub(super) fn check(&self) {
        let text = str::from_utf8(&self.text).expect("the server sends UTF-8");
        let told: Vec<&str> = entries(text).collect();
        assert_eq!(text.lines().skip(told.len()).collect::<Vec<_>>(), [format!("Total: {}", told.len())]);
        assert!(told.iter().all(|&entry| self.ever.contains(entry)), "{self:?}");
        let names: BTreeSet<&str> = told.iter().map(|entry| name(entry)).collect();
        assert_eq!(names.len(), told.len(), "one is told twice: {told:?}");
        assert!(self.always.iter().all(|name| names.contains(&**name)), "{self:?}");
    }
}

/// The lines that are entries.
fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| line.starts_with('"'))
}

/// What stands before the number.
fn name(entry: &str) -> &str {
    entry.rsplit_once("\" \"").expect("a name and a number").0
}
