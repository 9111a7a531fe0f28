//! The file format of a script: its keys, each value with its place in the file.
//!
//! Invariant: what is read here has the form of a script, and no list in it is empty. What it means is not checked.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

/// The highest rank of a keyword.
const MAX_RANK: u8 = 100;

/// A text and its place.
pub(super) type Text = Spanned<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Source {
    pub(super) ask_name: Text,
    pub(super) greeting: Texts,
    pub(super) welcome_back: Option<Texts>,
    pub(super) farewell: Texts,
    pub(super) default: Texts,
    pub(super) silence: Option<Texts>,
    pub(super) quit: Texts,
    #[serde(default)]
    pub(super) breaks: Texts,
    #[serde(default)]
    pub(super) plain: Texts,
    #[serde(default)]
    pub(super) replace: BTreeMap<Text, Text>,
    #[serde(default)]
    pub(super) reflect: BTreeMap<Text, Text>,
    #[serde(default)]
    pub(super) synonyms: BTreeMap<Text, Texts>,
    #[serde(default)]
    pub(super) keyword: Vec<KeywordSource>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeywordSource {
    pub(super) words: Texts,
    #[serde(default)]
    pub(super) rank: Rank,
    pub(super) rule: Vec<RuleSource>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleSource {
    #[serde(rename = "match")]
    pub(super) pattern: Text,
    pub(super) answers: Texts,
    pub(super) remember: Option<Texts>,
}

/// A list of texts, not empty where it is written.
#[derive(Default)]
pub(super) struct Texts(pub(super) Vec<Text>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Texts, D::Error> {
        struct TextsVisitor;

        impl<'de> Visitor<'de> for TextsVisitor {
            type Value = Texts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of texts, as in [\"one\", \"two\"]")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Texts, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = items.next_element()? {
                    texts.push(text);
                }
                if texts.is_empty() {
                    return Err(A::Error::custom("an empty list: write at least one text, as in [\"one\", \"two\"]"));
                }
                Ok(Texts(texts))
            }
        }

        deserializer.deserialize_seq(TextsVisitor)
    }
}

/// The rank of a keyword.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Rank(pub(super) u8);

impl<'de> Deserialize<'de> for Rank {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Rank, D::Error> {
        let wrong = || D::Error::custom(format!("a rank is a whole number from 0 to {MAX_RANK}"));
        let rank = i64::deserialize(deserializer).map_err(|_| wrong())?;
        u8::try_from(rank).ok().filter(|rank| *rank <= MAX_RANK).map(Rank).ok_or_else(wrong)
    }
}
