//! A script: everything that a therapist says, and when.
//!
//! Invariant: whatever a rule refers to is there, no goto leads back to where it came from, and no list is empty. A
//! script never changes; what changes in a talk is in its [`Conversation`](super::Conversation).

use std::collections::HashMap;

use super::compiler::compile;
use super::conversation::Conversation;
use super::error::{Fault, ScriptError};
use super::hearing::Lexicon;
use super::pattern::Pattern;
use super::reflection::Reflection;
use super::source::Rank;
use super::template::Template;
use super::vocabulary::WordId;

/// How many elements all patterns of a script may have together, and all phrases of its `reflect`: with
/// [`MAX_WORDS`](super::MAX_WORDS), the bound on the work that a line can cause. 4096: several times the built-in
/// script's.
pub const MAX_ELEMENTS: usize = 4096;

/// The rules of a therapist, read from TOML. How to write them is in `docs/doctor-script.md`.
///
/// ```
/// use switchboard::servers::doctor::Script;
///
/// let error = Script::parse("ask_name = 'Who is there?'\ngreeting = []").expect_err("not complete");
/// assert!(error.to_string().starts_with("line 2, column 12: an empty list: write at least one text"));
/// ```
#[derive(Debug)]
pub struct Script {
    pub(super) lexicon: Lexicon,
    pub(super) reflection: Reflection,
    pub(super) ask_name: Box<str>,
    pub(super) greeting: List<Template>,
    pub(super) welcome_back: Option<List<Template>>,
    pub(super) farewell: List<Template>,
    pub(super) default: List<Template>,
    pub(super) silence: Option<List<Template>>,
    pub(super) quit: Vec<Pattern>,
    pub(super) keywords: Vec<Keyword>,
    /// The keyword that a word belongs to.
    pub(super) by_word: HashMap<WordId, KeywordId>,
    /// How many lists there are, and so how many positions a conversation has.
    pub(super) lists: usize,
}

/// The index of a keyword in its script.
pub(super) type KeywordId = usize;

/// Texts that are said in turn.
#[derive(Debug)]
pub(super) struct List<T> {
    /// The index of its position in a conversation.
    pub(super) id: usize,
    /// Not empty.
    pub(super) choices: Box<[T]>,
}

/// What is done about a word.
#[derive(Debug)]
pub(super) struct Keyword {
    pub(super) rank: Rank,
    pub(super) rules: Vec<Rule>,
}

/// A pattern, and what is said when a clause matches it.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) pattern: Pattern,
    pub(super) answers: List<Choice>,
    pub(super) remember: Option<List<Template>>,
}

/// One of the answers of a rule.
#[derive(Debug)]
pub(super) enum Choice {
    Say(Template),
    /// The rules of this keyword answer.
    Goto(KeywordId),
}

impl Script {
    /// The script that comes with the crate, in English.
    ///
    /// # Panics
    ///
    /// Never: it is the same text for everybody, and a test parses it.
    #[must_use]
    pub fn built_in() -> Script {
        Script::parse(include_str!("script.toml")).expect("the built-in script was tested")
    }

    /// Reads a script.
    ///
    /// # Errors
    ///
    /// The first fault that is found: a text that is not TOML, a key that is unknown, missing or written twice, a
    /// reference to what is not there, or a rule that could never be used.
    pub fn parse(text: &str) -> Result<Script, ScriptError> {
        let source = toml::from_str(text).map_err(Fault::from);
        source.and_then(compile).map_err(|fault| fault.locate(text))
    }

    /// Reads a script from the bytes of a file.
    ///
    /// # Errors
    ///
    /// As with [`parse`](Self::parse); and where they are not UTF-8.
    pub fn from_bytes(bytes: &[u8]) -> Result<Script, ScriptError> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            Fault::new(before.len(), "this is not UTF-8: save the file in that encoding").locate(&before)
        })?;
        Script::parse(text)
    }
}

impl<T> List<T> {
    /// What comes next in this conversation.
    pub(super) fn next(&self, conversation: &mut Conversation) -> &T {
        &self.choices[conversation.turn_to(self.id, self.choices.len())]
    }
}
