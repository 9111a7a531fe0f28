//! The file format of scripts, and its compiler.
//!
//! Invariant: compiled rules refer only to words, groups and keywords that exist, no goto leads in a circle, and no
//! list is empty. The first fault ends the work; it is reported with its place and a remedy.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::decomposition::{Element, Pattern};
use super::reassembly::{Phrase, Template};
use super::therapist::{Keyword, KeywordId, List, Reassembly, Rule, Therapist};
use super::vocabulary::{Entry, Token, Vocabulary, WordId, tokens};

/// The limit on the elements of all patterns and the words of all keys of `reflect` together, which bounds the work for
/// a line. 4096 is several times what the built-in script needs.
pub const MAX_ELEMENTS: usize = 4096;

const MAX_RANK: u8 = 100;

/// The first fault of a script. Displays as one sentence with the place and the remedy: `line 12, column 3: ...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptError {
    /// The line, counted from 1.
    pub line: usize,
    /// The character in the line, counted from 1.
    pub column: usize,
    message: String,
}

/// A fault at a byte of the script.
struct Fault {
    at: usize,
    message: String,
}

type Text = Spanned<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    ask_name: Text,
    greeting: Texts,
    welcome_back: Option<Texts>,
    farewell: Texts,
    default: Texts,
    silence: Option<Texts>,
    quit: Texts,
    breaks: Option<Texts>,
    introductions: Option<Texts>,
    plain: Option<Texts>,
    replace: Option<BTreeMap<Text, Text>>,
    reflect: Option<BTreeMap<Text, Text>>,
    synonyms: Option<BTreeMap<Text, Texts>>,
    keyword: Option<Vec<KeywordSource>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeywordSource {
    words: Texts,
    #[serde(default, deserialize_with = "rank")]
    rank: u8,
    rule: Vec<RuleSource>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleSource {
    r#match: Text,
    answers: Texts,
    remember: Option<Texts>,
}

/// A list of at least one text.
#[derive(Deserialize)]
#[serde(try_from = "Vec<Text>")]
struct Texts(Vec<Text>);

#[derive(Default)]
struct Compiler<'a> {
    keywords: &'a [KeywordSource],
    vocabulary: Vocabulary,
    groups: HashMap<&'a str, Arc<[WordId]>>,
    /// The keywords that the gotos of each keyword lead to.
    gotos: Vec<Vec<KeywordId>>,
    lists: usize,
    elements: usize,
}

impl Therapist {
    /// Parses the text of a script.
    ///
    /// # Errors
    ///
    /// The first fault: bytes that are not UTF-8, text that is not TOML, a key that is unknown, missing or duplicate, a
    /// reference to something that does not exist, or a rule that could never be used.
    pub fn parse(script: impl AsRef<[u8]>) -> Result<Therapist, ScriptError> {
        let script = script.as_ref();
        read(script).and_then(|source| compile(&source)).map_err(|fault| fault.locate(script))
    }
}

fn read(script: &[u8]) -> Result<Source, Fault> {
    let text = std::str::from_utf8(script).map_err(|error| {
        let message = "this is not UTF-8: save the file in that encoding".to_owned();
        Fault { at: error.valid_up_to(), message }
    })?;
    Ok(toml::from_str(text)?)
}

fn compile(source: &Source) -> Result<Therapist, Fault> {
    let keywords = source.keyword.as_deref().unwrap_or_default();
    let mut compiler = Compiler { keywords, gotos: vec![Vec::new(); keywords.len()], ..Compiler::default() };
    for (key, text) in source.replace.iter().flatten() {
        let id = compiler.word(key.get_ref(), key)?;
        let words = text.get_ref().split_whitespace().map(|word| compiler.vocabulary.add(word));
        compiler.vocabulary.entries[id].replacement = words.collect();
        let is_empty = compiler.vocabulary.entries[id].replacement.is_empty();
        ensure(!is_empty, text, "a word cannot be replaced by nothing: write at least one word")?;
    }
    for text in source.replace.iter().flat_map(BTreeMap::values) {
        text.get_ref().split_whitespace().try_for_each(|word| compiler.word(word, text).map(|_| ()))?;
    }
    for word in source.breaks.iter().flat_map(|words| &words.0) {
        let id = compiler.word(word.get_ref(), word)?;
        compiler.vocabulary.entries[id].is_break = true;
    }
    for word in source.plain.iter().flat_map(|words| &words.0) {
        compiler.spoken_word(word.get_ref(), word)?;
    }
    for (name, words) in source.synonyms.iter().flatten() {
        let words = words.0.iter().map(|word| compiler.spoken_word(word.get_ref(), word));
        let mut words = words.collect::<Result<Vec<_>, _>>()?;
        words.sort_unstable();
        compiler.groups.insert(name.get_ref(), words.into());
    }
    for (key, text) in source.reflect.iter().flatten() {
        compiler.reflection(key, text)?;
    }
    // All words first, because a goto can lead to a later keyword.
    for (id, keyword) in keywords.iter().enumerate() {
        compiler.keyword_words(id, keyword)?;
    }
    let keywords = keywords.iter().enumerate().map(|(id, keyword)| {
        let rules = keyword.rule.iter().map(|rule| compiler.rule(id, rule)).collect::<Result<_, _>>()?;
        Ok(Keyword { rank: keyword.rank, rules })
    });
    Ok(Therapist {
        keywords: keywords.collect::<Result<_, Fault>>()?,
        quit: source.quit.0.iter().map(|text| compiler.pattern(text)).collect::<Result<_, _>>()?,
        ask_name: question(&source.ask_name)?,
        introductions: introductions(source)?,
        greeting: compiler.templates(&source.greeting, 0)?,
        welcome_back: source.welcome_back.as_ref().map(|texts| compiler.templates(texts, 0)).transpose()?,
        farewell: compiler.templates(&source.farewell, 0)?,
        default: compiler.templates(&source.default, 0)?,
        silence: source.silence.as_ref().map(|texts| compiler.templates(texts, 0)).transpose()?,
        lists: compiler.lists,
        vocabulary: compiler.vocabulary,
    })
}

impl Compiler<'_> {
    /// Adds a word that a patient can type.
    fn word(&mut self, word: &str, at: &Text) -> Result<WordId, Fault> {
        let is_word = tokens(word).eq([Token::Word(word)]) && crate::sanitize(word.as_bytes()) == word;
        let remedy = "remove spaces, punctuation and quotation marks";
        ensure(is_word, at, format_args!("{word:?} is not a single word: {remedy}"))?;
        let id = self.vocabulary.add(word);
        let words = self.vocabulary.entries[id].replacement.iter().map(|&id| &*self.vocabulary.entries[id].spelling);
        let words = words.collect::<Vec<_>>().join(" ");
        let message =
            format_args!("{word:?} never occurs here, because [replace] makes it {words:?}: write that, or remove it");
        ensure(words.is_empty(), at, message).map(|()| id)
    }

    /// Adds a word that can occur in a clause.
    fn spoken_word(&mut self, word: &str, at: &Text) -> Result<WordId, Fault> {
        let id = self.word(word, at)?;
        let message = format_args!("{word:?} never occurs here, because it divides sentences: remove it from breaks");
        ensure(!self.vocabulary.entries[id].is_break, at, message).map(|()| id)
    }

    fn reflection(&mut self, key: &Text, text: &Text) -> Result<(), Fault> {
        let (phrase, is_end) = split_end(key);
        let words = phrase.split_whitespace().map(|word| self.spoken_word(word, key));
        let words: Vec<_> = words.collect::<Result<_, Fault>>()?;
        ensure(!words.is_empty(), key, "a phrase without a word: write at least one")?;
        self.count_elements(words.len(), key)?;
        // The text has to obey the rules of answers, because it becomes part of one.
        template(text, 0)?;
        let phrases = &mut self.vocabulary.entries[words[0]].reflections;
        let is_known = phrases.iter().any(|phrase| phrase.words == words && phrase.is_end == is_end);
        ensure(!is_known, key, format_args!("{:?} is reflected twice: remove one of them", key.get_ref()))?;
        phrases.push(Phrase { words, is_end, text: text.get_ref().trim().to_owned() });
        phrases.sort_by_key(|phrase| Reverse((phrase.words.len(), phrase.is_end)));
        Ok(())
    }

    fn keyword_words(&mut self, id: KeywordId, source: &KeywordSource) -> Result<(), Fault> {
        let message = "a keyword without a rule: add a [[keyword.rule]]";
        ensure(!source.rule.is_empty(), &source.words.0[0], message)?;
        for text in &source.words.0 {
            let words = match text.get_ref().strip_prefix('@') {
                Some(group) => self.group(group, text)?,
                None => [self.spoken_word(text.get_ref(), text)?].into(),
            };
            for &word in &*words {
                let Entry { spelling, keyword, .. } = &mut self.vocabulary.entries[word];
                let message = format_args!("{spelling:?} is a keyword already: put its rules into one [[keyword]]");
                ensure(keyword.replace(id).is_none(), text, message)?;
            }
        }
        Ok(())
    }

    fn rule(&mut self, keyword: KeywordId, source: &RuleSource) -> Result<Rule, Fault> {
        let pattern = self.pattern(&source.r#match)?;
        let parts = pattern.parts();
        let answers = source.answers.0.iter().map(|text| {
            let (first, rest) = text.get_ref().trim().split_once(' ').unwrap_or((text.get_ref(), ""));
            match first {
                "goto" => Ok(Reassembly::Goto(self.goto(keyword, rest.trim(), text)?)),
                _ => Ok(Reassembly::Say(template(text, parts)?)),
            }
        });
        let answers = answers.collect::<Result<_, Fault>>()?;
        let answers = self.list(answers);
        let remember = source.remember.as_ref().map(|texts| self.templates(texts, parts)).transpose()?;
        Ok(Rule { pattern, answers, remember })
    }

    /// Finds the keyword that a goto names by one of its words.
    fn goto(&mut self, from: KeywordId, word: &str, at: &Text) -> Result<KeywordId, Fault> {
        let id = self.vocabulary.find(word);
        let to = id.and_then(|id| self.vocabulary.entries[id].keyword);
        let message = format_args!("goto {word:?}: no [[keyword]] has this word; name one that is in its words");
        let to = to.ok_or_else(|| Fault::new(at, message))?;
        // A search of the gotos so far, depth first. This goto closes a circle if they lead back to its own keyword.
        let (mut path, mut seen) = (vec![to], HashSet::new());
        while let Some(&last) = path.last() {
            if last == from {
                let names = path.iter().chain([&to]).map(|&id| self.keywords[id].words.0[0].get_ref().as_str());
                let names = names.collect::<Vec<_>>().join(", ");
                let message = format_args!("goto leads in a circle: {names}; let one of them give an answer instead");
                return Err(Fault::new(at, message));
            }
            match self.gotos[last].iter().find(|&&next| seen.insert(next)) {
                Some(&next) => path.push(next),
                None => _ = path.pop(),
            }
        }
        self.gotos[from].push(to);
        Ok(to)
    }

    fn pattern(&mut self, text: &Text) -> Result<Pattern, Fault> {
        let (body, is_final) = split_end(text);
        let elements = body.split_whitespace().map(|element| match (element, element.strip_prefix('@')) {
            ("*", _) => Ok(Element::Gap(0)),
            ("+", _) => Ok(Element::Gap(1)),
            ("_", _) => Ok(Element::One),
            (_, Some(group)) => Ok(Element::Group(self.group(group, text)?)),
            (word, None) => Ok(Element::Word(self.spoken_word(word, text)?)),
        });
        let elements: Vec<_> = elements.collect::<Result<_, Fault>>()?;
        ensure(!elements.is_empty(), text, "an empty pattern matches nothing: write * for any words")?;
        self.count_elements(elements.len(), text)?;
        Ok(Pattern { elements, is_final })
    }

    fn group(&self, name: &str, at: &Text) -> Result<Arc<[WordId]>, Fault> {
        let message = format_args!("@{name}: there is no {name:?} in [synonyms]; add it, or name one that is there");
        self.groups.get(name).cloned().ok_or_else(|| Fault::new(at, message))
    }

    fn count_elements(&mut self, count: usize, at: &Text) -> Result<(), Fault> {
        self.elements += count;
        let have = "the patterns up to this one have more than";
        let message = format_args!("{have} {MAX_ELEMENTS} words and signs: use fewer rules");
        ensure(self.elements <= MAX_ELEMENTS, at, message)
    }

    fn templates(&mut self, texts: &Texts, parts: usize) -> Result<List<Template>, Fault> {
        let choices = texts.0.iter().map(|text| template(text, parts)).collect::<Result<_, Fault>>()?;
        Ok(self.list(choices))
    }

    fn list<T>(&mut self, choices: Vec<T>) -> List<T> {
        self.lists += 1;
        List { id: self.lists - 1, choices }
    }
}

fn template(text: &Text, parts: usize) -> Result<Template, Fault> {
    Template::parse(text.get_ref(), parts).map_err(|message| Fault::new(text, message))
}

fn question(text: &Text) -> Result<String, Fault> {
    template(text, 0)?;
    let message = "{name} is not known yet when the question for it is asked: remove it";
    ensure(!text.get_ref().contains('{'), text, message)?;
    Ok(text.get_ref().trim().to_owned())
}

fn introductions(source: &Source) -> Result<Vec<String>, Fault> {
    let texts = source.introductions.iter().flat_map(|texts| &texts.0);
    let phrases = texts.map(|text| {
        let phrase = text.get_ref().trim().to_owned();
        ensure(!phrase.is_empty(), text, "an introduction without a word: write at least one").map(|()| phrase)
    });
    phrases.collect()
}

/// Removes the dot that stands for the end of the line, and returns whether it was there.
fn split_end(text: &Text) -> (&str, bool) {
    let text = text.get_ref().trim();
    text.strip_suffix('.').map_or((text, false), |body| (body, true))
}

fn ensure(holds: bool, at: &Text, message: impl fmt::Display) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(Fault::new(at, message)) }
}

impl Fault {
    fn new(at: &Text, message: impl fmt::Display) -> Fault {
        Fault { at: at.span().start, message: message.to_string() }
    }

    /// Converts the byte into a line and a column of `script`, as an editor counts them.
    fn locate(self, script: &[u8]) -> ScriptError {
        let before = String::from_utf8_lossy(&script[..self.at.min(script.len())]);
        let last = before.rsplit('\n').next().unwrap_or_default();
        // A byte order mark is not a column.
        let column = last.trim_start_matches('\u{FEFF}').chars().count() + 1;
        ScriptError { line: before.matches('\n').count() + 1, column, message: self.message }
    }
}

impl From<toml::de::Error> for Fault {
    fn from(error: toml::de::Error) -> Fault {
        let mut message = error.message().trim_end().replace('\n', "; ");
        if message.ends_with("map, expected a sequence") {
            message.push_str("; a table that can be repeated has double brackets, as in [[keyword]]");
        } else if message.ends_with("expected a sequence") {
            message.push_str("; a list stands in brackets, as in [\"one\", \"two\"]");
        }
        Fault { at: error.span().map_or(0, |span| span.start), message }
    }
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for ScriptError {}

impl TryFrom<Vec<Text>> for Texts {
    type Error = &'static str;

    fn try_from(texts: Vec<Text>) -> Result<Texts, &'static str> {
        let error = "an empty list: write at least one text, as in [\"one\", \"two\"]";
        if texts.is_empty() { Err(error) } else { Ok(Texts(texts)) }
    }
}

fn rank<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    let rank = u8::deserialize(deserializer).ok().filter(|rank| *rank <= MAX_RANK);
    rank.ok_or_else(|| D::Error::custom(format_args!("a rank is a whole number from 0 to {MAX_RANK}")))
}
