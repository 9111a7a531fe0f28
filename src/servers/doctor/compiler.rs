//! From the file format to a script: gives everything its number, and finds what could not work.
//!
//! Invariant: a script that is made here keeps what [`Script`] promises. A fault is told with its place and its
//! remedy; the first one ends the work.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::error::Fault;
use super::hearing::{Lexicon, Token, tokens_of};
use super::pattern::{Element, Pattern, Single};
use super::reflection::{Phrase, Reflection};
use super::script::{Choice, Keyword, KeywordId, List, MAX_ELEMENTS, Rule, Script};
use super::source::{KeywordSource, RuleSource, Source, Text, Texts};
use super::template::Template;
use super::vocabulary::WordId;

/// What an answer begins with that leads to another keyword.
const GOTO: &str = "goto";

/// A script in the making.
#[derive(Default)]
struct Compiler {
    lexicon: Lexicon,
    groups: BTreeMap<String, Arc<[WordId]>>,
    by_word: HashMap<WordId, KeywordId>,
    gotos: Vec<Goto>,
    lists: usize,
    elements: usize,
}

/// That a keyword leads to another one, and where this is written.
struct Goto {
    from: KeywordId,
    to: KeywordId,
    at: usize,
}

pub(super) fn compile(source: Source) -> Result<Script, Fault> {
    let mut compiler = Compiler::default();
    compiler.replacements(&source.replace)?;
    for word in &source.breaks.0 {
        let id = compiler.word(word.get_ref(), place(word))?;
        compiler.lexicon.breaks.insert(id);
    }
    for word in &source.plain.0 {
        compiler.heard_word(word.get_ref(), place(word))?;
    }
    compiler.synonyms(&source.synonyms)?;
    let reflection = compiler.reflection(&source.reflect)?;
    // All words first: a goto may lead to a keyword further down.
    for (id, keyword) in source.keyword.iter().enumerate() {
        compiler.keyword_words(id, keyword)?;
    }
    let mut keywords = Vec::new();
    for (id, keyword) in source.keyword.iter().enumerate() {
        keywords.push(compiler.keyword(id, keyword)?);
    }
    compiler.check_gotos(&source.keyword)?;
    let quit = source.quit.0.iter().map(|text| compiler.pattern(text)).collect::<Result<_, _>>()?;
    let optional =
        |compiler: &mut Compiler, texts: Option<Texts>| texts.map(|texts| compiler.templates(&texts, 0)).transpose();
    Ok(Script {
        ask_name: question(&source.ask_name)?,
        greeting: compiler.templates(&source.greeting, 0)?,
        welcome_back: optional(&mut compiler, source.welcome_back)?,
        farewell: compiler.templates(&source.farewell, 0)?,
        default: compiler.templates(&source.default, 0)?,
        silence: optional(&mut compiler, source.silence)?,
        quit,
        keywords,
        lexicon: compiler.lexicon,
        reflection,
        by_word: compiler.by_word,
        lists: compiler.lists,
    })
}

/// Where a value begins in the file.
fn place(text: &Text) -> usize {
    text.span().start
}

/// The question for the name: a text without gaps.
fn question(text: &Text) -> Result<Box<str>, Fault> {
    let at = place(text);
    Template::parse(text.get_ref(), 0).map_err(|message| Fault::new(at, message))?;
    if text.get_ref().contains('{') {
        return Err(Fault::new(at, "{name} is not known when it is asked for: remove it"));
    }
    Ok(text.get_ref().trim().into())
}

impl Compiler {
    /// A word of the script: one that a patient could type.
    fn word(&mut self, text: &str, at: usize) -> Result<WordId, Fault> {
        let mut tokens = tokens_of(text);
        let is_word = tokens.next() == Some(Token::Word(text)) && tokens.next().is_none();
        if !is_word || crate::sanitize(text.as_bytes()) != text {
            return Err(Fault::new(
                at,
                format!("{text:?} is not a single word: remove spaces, punctuation and quotation marks"),
            ));
        }
        let id = self.lexicon.vocabulary.add(text);
        if let Some(words) = self.lexicon.replacements.get(&id) {
            let words: Vec<_> = words.iter().map(|&word| self.lexicon.vocabulary.spelling(word)).collect();
            let words = words.join(" ");
            return Err(Fault::new(
                at,
                format!("{text:?} is never met here, since [replace] makes it {words:?}: write that"),
            ));
        }
        Ok(id)
    }

    /// A word that can be met in a clause.
    fn heard_word(&mut self, text: &str, at: usize) -> Result<WordId, Fault> {
        let id = self.word(text, at)?;
        if self.lexicon.breaks.contains(&id) {
            return Err(Fault::new(
                at,
                format!("{text:?} is never met here, since it divides sentences: remove it from breaks"),
            ));
        }
        Ok(id)
    }

    fn replacements(&mut self, table: &BTreeMap<Text, Text>) -> Result<(), Fault> {
        let mut keys = Vec::new();
        for key in table.keys() {
            let id = self.word(key.get_ref(), place(key))?;
            if keys.contains(&id) {
                return Err(Fault::new(
                    place(key),
                    format!("{:?} is replaced twice: remove one of them", key.get_ref()),
                ));
            }
            keys.push(id);
        }
        for text in table.values() {
            for word in text.get_ref().split_whitespace() {
                let id = self.word(word, place(text))?;
                if keys.contains(&id) {
                    return Err(Fault::new(
                        place(text),
                        format!("{word:?} is itself replaced: write what it is replaced by"),
                    ));
                }
            }
        }
        for (key, text) in keys.into_iter().zip(table.values()) {
            let words: Box<[_]> =
                text.get_ref().split_whitespace().map(|word| self.lexicon.vocabulary.add(word)).collect();
            if words.is_empty() {
                return Err(Fault::new(place(text), "a word cannot be replaced by nothing: write at least one word"));
            }
            self.lexicon.replacements.insert(key, words);
        }
        Ok(())
    }

    fn synonyms(&mut self, table: &BTreeMap<Text, Texts>) -> Result<(), Fault> {
        for (name, texts) in table {
            let words = texts.0.iter().map(|text| self.heard_word(text.get_ref(), place(text)));
            let mut words: Vec<_> = words.collect::<Result<_, _>>()?;
            words.sort_unstable();
            self.groups.insert(name.get_ref().clone(), words.into());
        }
        Ok(())
    }

    fn reflection(&mut self, table: &BTreeMap<Text, Text>) -> Result<Reflection, Fault> {
        let mut reflection = Reflection::default();
        for (key, text) in table {
            let at = place(key);
            let (phrase, is_end) = split_end(key.get_ref());
            let words = phrase.split_whitespace().map(|word| self.heard_word(word, at));
            let words: Box<[_]> = words.collect::<Result<_, _>>()?;
            if words.is_empty() {
                return Err(Fault::new(at, "a phrase without a word: write at least one"));
            }
            self.count_elements(words.len(), at)?;
            // As an answer without gaps: this text becomes part of one.
            Template::parse(text.get_ref(), 0).map_err(|message| Fault::new(place(text), message))?;
            let phrase = Phrase { words, is_end, text: text.get_ref().trim().into() };
            reflection
                .add(phrase)
                .map_err(|_| Fault::new(at, format!("{:?} is reflected twice: remove one of them", key.get_ref())))?;
        }
        Ok(reflection)
    }

    /// Notes which words belong to a keyword.
    fn keyword_words(&mut self, id: KeywordId, keyword: &KeywordSource) -> Result<(), Fault> {
        for text in &keyword.words.0 {
            let at = place(text);
            let words = match text.get_ref().strip_prefix('@') {
                Some(group) => self.group(group, at)?,
                None => [self.heard_word(text.get_ref(), at)?].into(),
            };
            for &word in &*words {
                if self.by_word.insert(word, id).is_some() {
                    let word = self.lexicon.vocabulary.spelling(word);
                    return Err(Fault::new(
                        at,
                        format!("{word:?} is a keyword already: put its rules into one [[keyword]]"),
                    ));
                }
            }
        }
        Ok(())
    }

    fn keyword(&mut self, id: KeywordId, source: &KeywordSource) -> Result<Keyword, Fault> {
        if source.rule.is_empty() {
            return Err(Fault::new(place(&source.words.0[0]), "a keyword without a rule: add a [[keyword.rule]]"));
        }
        let rules = source.rule.iter().map(|rule| self.rule(id, rule)).collect::<Result<_, _>>()?;
        Ok(Keyword { rank: source.rank, rules })
    }

    fn rule(&mut self, keyword: KeywordId, rule: &RuleSource) -> Result<Rule, Fault> {
        let pattern = self.pattern(&rule.pattern)?;
        let parts = pattern.parts();
        let mut choices = Vec::new();
        for text in &rule.answers.0 {
            let (first, rest) = text.get_ref().trim().split_once(' ').unwrap_or((text.get_ref(), ""));
            choices.push(if first == GOTO {
                Choice::Goto(self.goto(keyword, rest.trim(), place(text))?)
            } else {
                Choice::Say(template(text, parts)?)
            });
        }
        let answers = self.list(choices);
        let remember = rule.remember.as_ref().map(|texts| self.templates(texts, parts)).transpose()?;
        Ok(Rule { pattern, answers, remember })
    }

    /// The keyword that a goto names by one of its words.
    fn goto(&mut self, from: KeywordId, word: &str, at: usize) -> Result<KeywordId, Fault> {
        let known = self.lexicon.vocabulary.find(word).and_then(|id| self.by_word.get(&id));
        let Some(&to) = known else {
            return Err(Fault::new(
                at,
                format!("goto {word:?}: no [[keyword]] has this word; name one that is in its words"),
            ));
        };
        self.gotos.push(Goto { from, to, at });
        Ok(to)
    }

    fn pattern(&mut self, text: &Text) -> Result<Pattern, Fault> {
        let at = place(text);
        let (body, is_end) = split_end(text.get_ref());
        let mut elements = Vec::new();
        for element in body.split_whitespace() {
            elements.push(match element {
                "*" => Element::Any,
                "+" => Element::More,
                "_" => Element::Single(Single::One),
                _ => Element::Single(match element.strip_prefix('@') {
                    Some(group) => Single::Group(self.group(group, at)?),
                    None => Single::Word(self.heard_word(element, at)?),
                }),
            });
        }
        if elements.is_empty() {
            return Err(Fault::new(at, "an empty pattern matches nothing: write * for any words"));
        }
        self.count_elements(elements.len(), at)?;
        elements.extend(is_end.then_some(Element::End));
        Ok(Pattern::new(&elements))
    }

    fn group(&self, name: &str, at: usize) -> Result<Arc<[WordId]>, Fault> {
        let unknown = || {
            Fault::new(at, format!("@{name}: there is no {name:?} in [synonyms]; add it, or name one that is there"))
        };
        self.groups.get(name).cloned().ok_or_else(unknown)
    }

    fn count_elements(&mut self, count: usize, at: usize) -> Result<(), Fault> {
        self.elements += count;
        if self.elements > MAX_ELEMENTS {
            let text = format!("here the patterns come to more than {MAX_ELEMENTS} words and signs: use fewer rules");
            return Err(Fault::new(at, text));
        }
        Ok(())
    }

    fn templates(&mut self, texts: &Texts, parts: usize) -> Result<List<Template>, Fault> {
        let choices = texts.0.iter().map(|text| template(text, parts)).collect::<Result<_, _>>()?;
        Ok(self.list(choices))
    }

    fn list<T>(&mut self, choices: Vec<T>) -> List<T> {
        self.lists += 1;
        List { id: self.lists - 1, choices: choices.into() }
    }

    /// Finds keywords that lead to each other in a circle.
    fn check_gotos(&self, keywords: &[KeywordSource]) -> Result<(), Fault> {
        // What leads nowhere is no part of a circle; nor is then what leads only there.
        let mut rest: Vec<&Goto> = self.gotos.iter().collect();
        loop {
            let count = rest.len();
            let starts: HashSet<KeywordId> = rest.iter().map(|goto| goto.from).collect();
            rest.retain(|goto| starts.contains(&goto.to));
            if rest.len() == count {
                break;
            }
        }
        // Every goto that is left leads to another one, so following them ends in a circle.
        let Some(mut goto) = rest.first().copied() else { return Ok(()) };
        let mut path: Vec<&Goto> = Vec::new();
        while !path.iter().any(|earlier| earlier.from == goto.from) {
            path.push(goto);
            goto = rest.iter().find(|next| next.from == goto.to).expect("it leads to one that is left");
        }
        path.retain({
            let mut is_in_circle = false;
            move |step| {
                is_in_circle |= step.from == goto.from;
                is_in_circle
            }
        });
        let name = |id: KeywordId| keywords[id].words.0[0].get_ref().as_str();
        let names: Vec<_> = path.iter().map(|step| name(step.from)).chain([name(goto.from)]).collect();
        let text = format!("goto leads in a circle: {}; let one of them give an answer instead", names.join(", "));
        Err(Fault::new(path.last().map_or(goto.at, |last| last.at), text))
    }
}

/// An answer that may use so many parts.
fn template(text: &Text, parts: usize) -> Result<Template, Fault> {
    Template::parse(text.get_ref(), parts).map_err(|message| Fault::new(place(text), message))
}

/// Takes the dot off that stands for the end.
fn split_end(text: &str) -> (&str, bool) {
    let text = text.trim();
    text.strip_suffix('.').map_or((text, false), |body| (body, true))
}
