//! The therapist: applies the rules of a script to what a patient says.
//!
//! Invariant: a clause is tried at most once with each keyword, which bounds the work however gotos lead from one to
//! another. A therapist never changes and serves any number of conversations.

use std::cmp::Reverse;
use std::collections::HashSet;

use super::conversation::Conversation;
use super::decomposition::Pattern;
use super::reassembly::Template;
use super::vocabulary::{Vocabulary, Word, clauses};

/// Answers patients by the rules of a script. `docs/doctor-script.md` describes the format of scripts.
#[derive(Debug)]
pub struct Therapist {
    pub(super) vocabulary: Vocabulary,
    pub(super) ask_name: String,
    /// Phrases before a name, in the order in which they are tried.
    pub(super) introductions: Vec<String>,
    pub(super) greeting: List<Template>,
    pub(super) welcome_back: Option<List<Template>>,
    pub(super) farewell: List<Template>,
    pub(super) default: List<Template>,
    pub(super) silence: Option<List<Template>>,
    pub(super) quit: Vec<Pattern>,
    pub(super) keywords: Vec<Keyword>,
    /// The number of lists, each of which has a position in a conversation.
    pub(super) lists: usize,
}

pub(super) type KeywordId = usize;

#[derive(Debug)]
pub(super) struct Keyword {
    pub(super) rank: u8,
    pub(super) rules: Vec<Rule>,
}

#[derive(Debug)]
pub(super) struct Rule {
    pub(super) pattern: Pattern,
    pub(super) answers: List<Reassembly>,
    pub(super) remember: Option<List<Template>>,
}

#[derive(Debug)]
pub(super) enum Reassembly {
    Say(Template),
    /// The rules of another keyword give the answer.
    Goto(KeywordId),
}

/// Choices that are used in turn; there is at least one.
#[derive(Debug)]
pub(super) struct List<T> {
    /// The index of its position in a conversation.
    pub(super) id: usize,
    pub(super) choices: Vec<T>,
}

/// The therapist's answer to a line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// One line without its end, of 1 to [`MAX_ANSWER`](super::MAX_ANSWER) bytes.
    pub text: String,
    /// Whether the patient said goodbye, which ends the conversation.
    pub is_farewell: bool,
}

impl Therapist {
    /// A therapist with the English script that comes with the crate.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "a test parses the script")]
    pub fn built_in() -> Therapist {
        Therapist::parse(include_str!("script.toml")).expect("the built-in script is tested")
    }

    /// The question for the patient's name, which comes before there is a [`Conversation`].
    #[must_use]
    pub fn ask_name(&self) -> &str {
        &self.ask_name
    }

    /// The name in a patient's answer to the question for it: "Tom" in "Hi, I am Tom!". Empty if there is only a
    /// greeting.
    #[must_use]
    pub fn name_in<'a>(&self, line: &'a str) -> &'a str {
        const MARKS: [char; 5] = [',', ';', '!', '?', '.'];
        let line = line.trim();
        let mut name = line;
        while let Some(rest) = self.introductions.iter().find_map(|phrase| strip_phrase(name, phrase)) {
            name = rest.trim_start_matches(|found: char| !found.is_alphanumeric());
        }
        // After an introduction, more may follow: "I am Tom, and I am sad."
        let end = if name.len() < line.len() { name.find(&MARKS[..4]) } else { None };
        name[..end.unwrap_or(name.len())].trim_end_matches(MARKS)
    }

    /// Begins a visit and returns the greeting, which can be another one for a patient who comes back.
    pub fn greet(&self, conversation: &mut Conversation) -> String {
        let welcome_back = self.welcome_back.as_ref().filter(|_| conversation.visits > 0);
        conversation.visits = conversation.visits.saturating_add(1);
        // As after a line, the last sentence of the visit before can be taken up.
        conversation.begin_line(self.lists);
        say(welcome_back.unwrap_or(&self.greeting), &[], conversation)
    }

    /// Answers a line of the patient. [`sanitize`](crate::sanitize) the line first: answers repeat its letters as they
    /// are, except control characters, which divide words.
    pub fn answer(&self, conversation: &mut Conversation, line: &str) -> Answer {
        conversation.begin_line(self.lists);
        let words = self.vocabulary.read(line);
        let clauses = clauses(&words);
        // "Bye, and thanks" and "Well, bye" are goodbyes; "I said: bye, and left" is not.
        let mut ends = clauses.first().into_iter().chain(clauses.last());
        let is_farewell = ends.any(|&clause| self.quit.iter().any(|pattern| pattern.decompose(clause).is_some()));
        let text = if is_farewell {
            say(&self.farewell, &[], conversation)
        } else if clauses.is_empty() {
            say(self.silence.as_ref().unwrap_or(&self.default), &[], conversation)
        } else {
            let transformed = clauses.iter().find_map(|&clause| self.transform(clause, conversation));
            let text = transformed.or_else(|| conversation.recall());
            text.unwrap_or_else(|| say(&self.default, &[], conversation))
        };
        Answer { text, is_farewell }
    }

    /// Applies the first rule that matches, with the keywords by descending rank and then in the order of the clause.
    fn transform(&self, clause: &[Word<'_>], conversation: &mut Conversation) -> Option<String> {
        let keywords = clause.iter().filter_map(|word| self.vocabulary.entries[word.id?].keyword);
        let mut keywords: Vec<_> = keywords.collect();
        keywords.sort_by_key(|&keyword| Reverse(self.keywords[keyword].rank));
        let mut tried = HashSet::new();
        for mut keyword in keywords {
            while tried.insert(keyword) {
                let mut rules = self.keywords[keyword].rules.iter();
                let matching = rules.find_map(|rule| Some((rule, rule.pattern.decompose(clause)?)));
                let Some((rule, parts)) = matching else { break };
                let parts: Vec<_> = parts.into_iter().map(|part| self.vocabulary.reflect(part)).collect();
                if let Some(sentences) = &rule.remember {
                    let sentence = say(sentences, &parts, conversation);
                    conversation.remember(sentence);
                }
                match conversation.next(&rule.answers) {
                    Reassembly::Say(template) => return Some(template.fill(&parts, conversation.name())),
                    Reassembly::Goto(other) => keyword = *other,
                }
            }
        }
        None
    }
}

/// Removes a phrase from the start of a line, in any case, unless it is only the beginning of a word.
fn strip_phrase<'a>(line: &'a str, phrase: &str) -> Option<&'a str> {
    let (start, rest) = line.split_at_checked(phrase.len())?;
    let is_whole = !rest.starts_with(|next: char| next.is_alphanumeric() || next == '-');
    (is_whole && start.eq_ignore_ascii_case(phrase)).then_some(rest)
}

fn say(list: &List<Template>, parts: &[String], conversation: &mut Conversation) -> String {
    conversation.next(list).fill(parts, conversation.name())
}
