//! The therapist: applies a script to what a patient says.
//!
//! Invariant: no clause is offered twice to the same keyword, so work is bounded however keywords lead to each other. A
//! therapist keeps nothing itself; one serves any number of conversations.

use super::conversation::Conversation;
use super::hearing::{Clause, Heard};
use super::script::{Choice, KeywordId, List, Script};
use super::template::{Filling, Template};

/// Answers patients by the rules of a [`Script`].
#[derive(Debug)]
pub struct Therapist {
    script: Script,
}

/// What is said to a patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// One line without its end, of at most [`MAX_ANSWER`](super::MAX_ANSWER) bytes and never empty.
    pub text: String,
    /// Whether the patient took leave, and this ends the talk.
    pub is_farewell: bool,
}

impl Therapist {
    /// A therapist with this script.
    #[must_use]
    pub fn new(script: Script) -> Therapist {
        Therapist { script }
    }

    /// The question for the patient's name: what is said first of all, before there is a [`Conversation`].
    #[must_use]
    pub fn ask_name(&self) -> &str {
        &self.script.ask_name
    }

    /// What is said when a patient has come; another text to one who comes back. Counts the visit.
    pub fn greet(&self, conversation: &mut Conversation) -> String {
        let script = &self.script;
        let welcome = script.welcome_back.as_ref().filter(|_| conversation.visits() > 0);
        conversation.fit(script.lists);
        conversation.count_visit();
        self.say(welcome.unwrap_or(&script.greeting), conversation)
    }

    /// What is said to a line of the patient. The line should have gone through [`sanitize`](crate::sanitize):
    /// letters are given back as they are, but for control characters, which divide words.
    pub fn answer(&self, conversation: &mut Conversation, line: &str) -> Answer {
        let script = &self.script;
        conversation.fit(script.lists);
        conversation.count_line();
        let heard = script.lexicon.hear(line);
        if self.is_farewell(&heard) {
            return Answer { text: self.say(&script.farewell, conversation), is_farewell: true };
        }
        let text = if heard.clauses().next().is_none() {
            self.say(script.silence.as_ref().unwrap_or(&script.default), conversation)
        } else if let Some(text) = heard.clauses().find_map(|clause| self.respond(clause, conversation)) {
            text
        } else {
            conversation.recall().unwrap_or_else(|| self.say(&script.default, conversation))
        };
        Answer { text, is_farewell: false }
    }

    /// Whether the first or the last clause of a line takes leave. "Bye, and thanks", and "well, bye", but not "I
    /// said: bye, and left".
    fn is_farewell(&self, heard: &Heard<'_>) -> bool {
        let mut clauses = heard.clauses();
        let ends = [clauses.next(), clauses.next_back()];
        let mut ends = ends.into_iter().flatten();
        ends.any(|clause| self.script.quit.iter().any(|pattern| pattern.take_apart(clause).is_some()))
    }

    /// What a rule says to a clause: of its keywords, the highest rank goes first, and of the same rank the first in
    /// the clause.
    fn respond(&self, clause: Clause<'_, '_>, conversation: &mut Conversation) -> Option<String> {
        let script = &self.script;
        let found = clause.words.iter().filter_map(|word| script.by_word.get(&word.id?).copied());
        let mut keywords: Vec<KeywordId> = found.collect();
        keywords.sort_by_key(|&keyword| std::cmp::Reverse(script.keywords[keyword].rank));
        if keywords.is_empty() {
            return None;
        }
        let mut offer = Offer { clause, tried: vec![false; script.keywords.len()] };
        keywords.into_iter().find_map(|keyword| self.apply(keyword, &mut offer, conversation))
    }

    /// What a keyword says to a clause, or the one that it leads to. `None` if that has no rule for it, or was tried
    /// before.
    fn apply(&self, first: KeywordId, offer: &mut Offer<'_, '_>, conversation: &mut Conversation) -> Option<String> {
        let (clause, mut keyword) = (offer.clause, first);
        loop {
            if std::mem::replace(&mut offer.tried[keyword], true) {
                return None;
            }
            let rules = &self.script.keywords[keyword].rules;
            let (rule, parts) = rules.iter().find_map(|rule| Some((rule, rule.pattern.take_apart(clause)?)))?;
            let filling = Filling { words: clause.words, parts: &parts, reflection: &self.script.reflection };
            if let Some(list) = &rule.remember {
                let sentence = list.next(conversation).fill(&filling, conversation.name());
                conversation.remember(sentence);
            }
            match rule.answers.next(conversation) {
                Choice::Say(template) => return Some(template.fill(&filling, conversation.name())),
                Choice::Goto(other) => keyword = *other,
            }
        }
    }

    /// The next text of a list that has no parts.
    fn say(&self, list: &List<Template>, conversation: &mut Conversation) -> String {
        let filling = Filling { words: &[], parts: &[], reflection: &self.script.reflection };
        list.next(conversation).fill(&filling, conversation.name())
    }
}

/// A clause that is offered to keywords.
struct Offer<'h, 'a> {
    clause: Clause<'h, 'a>,
    /// Which keywords had it.
    tried: Vec<bool>,
}
