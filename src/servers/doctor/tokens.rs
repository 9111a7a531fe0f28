//! Divides a line into words and the marks between them.
//!
//! Invariant: a word contains no space, no control character and no mark, except a dot, comma or colon between digits.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

/// Words that are read of a line; the ones after them are ignored. 256 is several times the length of a spoken sentence.
pub const MAX_WORDS: usize = 256;

/// A piece of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Word(&'a str),
    /// A mark that divides clauses.
    Pause,
    /// A mark that ends a sentence.
    Stop,
}

/// Divides a line into tokens and stops after [`MAX_WORDS`] words.
pub(super) fn tokens(line: &str) -> impl Iterator<Item = Token<'_>> {
    let (mut rest, mut words) = (line, 0);
    std::iter::from_fn(move || {
        while words < MAX_WORDS {
            rest = rest.trim_start_matches(is_space);
            let first = rest.chars().next()?;
            let length = if mark(first).is_some() { first.len_utf8() } else { piece_length(rest) };
            let (piece, after) = rest.split_at(length);
            rest = after;
            if let Some(token) = mark(first).or_else(|| token_of(piece)) {
                words += usize::from(matches!(token, Token::Word(_)));
                return Some(token);
            }
        }
        None
    })
}

/// Whether a line is all in capitals: several words, no small letter, and more capitals than initials have.
pub(super) fn is_shouted(line: &str) -> bool {
    let words = tokens(line).filter_map(|token| if let Token::Word(word) = token { Some(word) } else { None });
    let words: Vec<_> = words.collect();
    let capitals = words.iter().flat_map(|word| word.chars()).filter(|letter| letter.is_uppercase()).count();
    words.len() > 1 && capitals > words.len() && !words.iter().any(|word| word.contains(char::is_lowercase))
}

/// The form in which words are compared: lower case, NFC, one kind of apostrophe.
///
/// NFKC would let a patient cause work, since it expands one character to as many as 18.
pub(super) fn fold(word: &str) -> Cow<'_, str> {
    if word.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase() && byte != b'`') {
        return Cow::Borrowed(word);
    }
    let plain = word.chars().map(|found| if is_apostrophe(found) { '\'' } else { found });
    Cow::Owned(plain.flat_map(char::to_lowercase).nfc().collect())
}

fn mark(found: char) -> Option<Token<'static>> {
    match found {
        '.' | '?' | '!' | '…' | '。' | '？' | '！' => Some(Token::Stop),
        ',' | ';' | ':' | '–' | '—' | '¿' | '¡' | '，' | '；' | '：' | '、' => Some(Token::Pause),
        _ => None,
    }
}

fn is_space(found: char) -> bool {
    found.is_whitespace() || found.is_control()
}

fn is_apostrophe(found: char) -> bool {
    matches!(found, '\'' | '’' | '‘' | 'ʼ' | '´' | '`')
}

/// Quotation marks, brackets and marks of emphasis.
fn is_wrapping(found: char) -> bool {
    let is_quote = matches!(found, '"' | '“' | '”' | '„' | '‚' | '«' | '»' | '‹' | '›' | '「' | '」' | '『' | '』');
    let is_bracket = matches!(found, '(' | ')' | '[' | ']' | '{' | '}' | '（' | '）');
    is_quote || is_bracket || is_apostrophe(found) || matches!(found, '*' | '_' | '~')
}

/// The length in bytes of the piece before the next space or mark.
fn piece_length(text: &str) -> usize {
    let is_digit = |at: usize| text.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    let ends = |&(at, found): &(usize, char)| {
        // 3.5, 10,000 and 12:30 are words.
        let is_in_number = at > 0 && matches!(found, '.' | ',' | ':') && is_digit(at - 1) && is_digit(at + 1);
        is_space(found) || (mark(found).is_some() && !is_in_number)
    };
    text.char_indices().find(ends).map_or(text.len(), |(at, _)| at)
}

/// The word in a piece, without what wraps it. Hyphens alone are a dash; other signs alone are nothing.
fn token_of(piece: &str) -> Option<Token<'_>> {
    if piece.bytes().all(|byte| byte == b'-') {
        return Some(Token::Pause);
    }
    let opened = piece.trim_start_matches(is_wrapping);
    let mut word = opened.trim_end_matches(is_wrapping);
    // The apostrophe of `parents'` is kept, unless the word stands in quotation marks.
    let after = opened[word.len()..].chars().next().filter(|&found| is_apostrophe(found));
    if opened.len() == piece.len() && word.ends_with(['s', 'S']) {
        word = &opened[..word.len() + after.map_or(0, char::len_utf8)];
    }
    let is_word = |found: char| found.is_alphanumeric() || found == '&' || !found.is_ascii();
    word.contains(is_word).then_some(Token::Word(word))
}
