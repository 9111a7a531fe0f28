//! Faults of scripts are reported with their place and a remedy.

use super::*;

/// A complete script of five lines. Additions begin at line 6, column 1.
const SHORT: &str = "ask_name = '?'\ngreeting = ['a']\nfarewell = ['a']\ndefault = ['a']\nquit = ['bye']\n";

#[track_caller]
fn is_refused(script: &str, expected: &str) {
    let error = Therapist::parse(script).expect_err(expected);
    assert_eq!(error.to_string(), expected);
    assert_eq!(format!("line {}, column {}", error.line, error.column), expected.split_once(": ").expect("a place").0);
}

/// Checks that the short script with these lines added is refused.
#[track_caller]
fn adding(lines: &str, expected: &str) {
    is_refused(&format!("{SHORT}{lines}"), expected);
}

/// Checks that the short script with a keyword `a` is refused for this rule, which is line 8.
#[track_caller]
fn rule(rule: &str, expected: &str) {
    adding(&format!("[[keyword]]\nwords = ['a']\nrule = [{{ {rule} }}]"), expected);
}

#[test]
fn the_short_script_has_no_fault() {
    Therapist::parse(SHORT).expect("a script");
    Therapist::parse(format!("\u{FEFF}{}", SHORT.replace('\n', "\r\n"))).expect("with a byte order mark and CRLF");
}

#[test]
fn form() {
    // The words for these are those of the TOML reader.
    for (lines, place) in [("[oops", "line 6, column 6: "), ("[x]\nbreaks = ['ä", "line 7, column 13: ")] {
        let error = Therapist::parse(format!("{SHORT}{lines}")).expect_err(lines).to_string();
        assert!(error.starts_with(place) && !error.contains('\n'), "{error}");
    }
    is_refused("", "line 1, column 1: missing field `ask_name`");
    adding(
        "pliny = 1",
        "line 6, column 1: unknown field `pliny`, expected one of `ask_name`, `greeting`, `welcome_back`, `farewell`, \
         `default`, `silence`, `quit`, `breaks`, `introductions`, `plain`, `replace`, `reflect`, `synonyms`, `keyword`",
    );
    adding("introductions = [' ']", "line 6, column 18: an introduction without a word: write at least one");
    adding("quit = ['x']", "line 6, column 1: duplicate key");
    adding(
        "[[keyword]]\nword = ['a']",
        "line 7, column 1: unknown field `word`, expected one of `words`, `rank`, `rule`",
    );
    adding("[[keyword]]\nrank = 1", "line 6, column 1: missing field `words`");
    adding("[[keyword]]\nwords = ['a']", "line 6, column 1: missing field `rule`");
    rule("match = '*'", "line 8, column 9: missing field `answers`");
    rule(
        "match = '*', answer = ['x']",
        "line 8, column 24: unknown field `answer`, expected one of `match`, `answers`, `remember`",
    );
    adding("[replace]\na = 1", "line 7, column 5: invalid type: integer `1`, expected a string");
    adding(
        "[keyword]\nwords = ['a']",
        "line 6, column 1: invalid type: map, expected a sequence; a table that can be repeated has double brackets, \
         as in [[keyword]]",
    );
}

#[test]
fn lists() {
    let empty = "an empty list: write at least one text, as in [\"one\", \"two\"]";
    adding("breaks = []", &format!("line 6, column 10: {empty}"));
    rule("match = '*', answers = []", &format!("line 8, column 34: {empty}"));
    rule("match = '*', answers = ['x'], remember = []", &format!("line 8, column 52: {empty}"));
    is_refused(&SHORT.replace("['bye']", "[]"), &format!("line 5, column 8: {empty}"));
    adding(
        "plain = 'a'",
        "line 6, column 9: invalid type: string \"a\", expected a sequence; a list stands in brackets, as in \
         [\"one\", \"two\"]",
    );
    adding(
        "[[keyword]]\nwords = ['é', 'a']\nrule = []",
        "line 7, column 10: a keyword without a rule: add a [[keyword.rule]]",
    );
}

#[test]
fn ranks() {
    for rank in ["101", "-1", "99999999999999999999", "'high'", "1.5"] {
        let lines = format!("[[keyword]]\nwords = ['a']\nrank = {rank}");
        adding(&lines, "line 8, column 8: a rank is a whole number from 0 to 100");
    }
}

#[test]
fn words() {
    for (word, shown) in [("two words", "\"two words\""), ("a,b", "\"a,b\""), ("", "\"\""), ("(x)", "\"(x)\"")] {
        let error =
            format!("line 6, column 10: {shown} is not a single word: remove spaces, punctuation and quotation marks");
        adding(&format!("plain = ['{word}']").replace("plain =", "breaks ="), &error.replace("column 10", "column 11"));
        adding(&format!("plain = ['{word}']"), &error);
    }
    adding(
        "breaks = ['but']\nplain = ['ok', 'But']",
        "line 7, column 16: \"But\" never occurs here, because it divides sentences: remove it from breaks",
    );
    adding(
        "plain = [\"Don't\"]\n[replace]\n\"don't\" = 'do not'",
        "line 6, column 10: \"Don't\" never occurs here, because [replace] makes it \"do not\": write that, or \
         remove it",
    );
    adding(
        "[replace]\nDoc = 'x'\ndoc = 'y'",
        "line 8, column 1: \"doc\" never occurs here, because [replace] makes it \"x\": write that, or remove it",
    );
    adding(
        "[replace]\na = 'x b'\nb = 'y'",
        "line 7, column 5: \"b\" never occurs here, because [replace] makes it \"y\": write that, or remove it",
    );
    adding("[replace]\na = ' '", "line 7, column 5: a word cannot be replaced by nothing: write at least one word");
    adding("[reflect]\nI = 'x'\ni = 'y'", "line 8, column 1: \"i\" is reflected twice: remove one of them");
    adding("[reflect]\n'.' = 'x'", "line 7, column 1: a phrase without a word: write at least one");
    adding(
        "[reflect]\na = \"x\\ty\"",
        "line 7, column 5: an answer is one line without control characters: remove them",
    );
}

#[test]
fn keywords() {
    let two = "[[keyword]]\nwords = ['a']\nrule = [{ match = '*', answers = ['x'] }]\n";
    adding(
        &format!("{two}{}", two.replace("'a'", "'b', 'A'")),
        "line 10, column 15: \"a\" is a keyword already: put its rules into one [[keyword]]",
    );
    adding(
        &format!("synonyms = {{ g = ['b', 'a'] }}\n{two}{}", two.replace("'a'", "'@g'")),
        "line 11, column 10: \"a\" is a keyword already: put its rules into one [[keyword]]",
    );
    adding(
        &two.replace("'a'", "'@g'"),
        "line 7, column 10: @g: there is no \"g\" in [synonyms]; add it, or name one that is there",
    );
}

#[test]
fn patterns() {
    rule(
        "match = '* @g', answers = ['x']",
        "line 8, column 19: @g: there is no \"g\" in [synonyms]; add it, or name one that is there",
    );
    rule("match = '.', answers = ['x']", "line 8, column 19: an empty pattern matches nothing: write * for any words");
    rule(
        "match = 'a, b', answers = ['x']",
        "line 8, column 19: \"a,\" is not a single word: remove spaces, punctuation and quotation marks",
    );
    is_refused(
        &SHORT.replace("bye", "@bye"),
        "line 5, column 9: @bye: there is no \"bye\" in [synonyms]; add it, or name one that is there",
    );
    let long = "a ".repeat(MAX_ELEMENTS);
    Therapist::parse(SHORT.replace("bye", &long[2..])).expect("just as many");
    is_refused(
        &SHORT.replace("bye", &format!("a', '{long}")),
        "line 5, column 14: the patterns up to this one have more than 4096 words and signs: use fewer rules",
    );
}

#[test]
fn answers() {
    rule(
        "match = '* a *', answers = ['x', '{3}?']",
        "line 8, column 44: {3}: the pattern has 2 parts; write {1} to {2}",
    );
    rule(
        "match = 'a *', answers = ['x'], remember = ['{2}?']",
        "line 8, column 55: {2}: the pattern has one part; write {1}",
    );
    is_refused(
        &SHORT.replace("default = ['a']", "default = ['{1}?']"),
        "line 4, column 12: {1}: there are no parts here; only a rule with *, +, _ or @GROUP in its pattern has",
    );
    is_refused(
        &SHORT.replace("'?'", "'You, {name}?'"),
        "line 1, column 12: {name} is not known yet when the question for it is asked: remove it",
    );
    is_refused(
        &SHORT.replace("'?'", "\"a\\u0007\""),
        "line 1, column 12: an answer is one line without control characters: remove them",
    );
}

#[test]
fn gotos() {
    let missing = "no [[keyword]] has this word; name one that is in its words";
    rule("match = '*', answers = ['x', 'goto b c']", &format!("line 8, column 40: goto \"b c\": {missing}"));
    rule("match = '*', answers = ['goto']", &format!("line 8, column 35: goto \"\": {missing}"));
    rule(
        "match = '*', answers = ['goto A']",
        "line 8, column 35: goto leads in a circle: a, a; let one of them give an answer instead",
    );
    // From a to the circle of b, c and d; e is beside it.
    let gotos = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "b"), ("e", "f"), ("f", "")];
    let keywords = gotos.map(|(from, to)| {
        let answer = if to.is_empty() { "x".to_owned() } else { format!("goto {to}") };
        format!("[[keyword]]\nwords = ['{from}']\nrule = [{{ match = '*', answers = ['x', '{answer}'] }}]\n")
    });
    adding(
        &keywords.concat(),
        "line 17, column 40: goto leads in a circle: b, c, d, b; let one of them give an answer instead",
    );
    let straight: String = keywords.iter().filter(|keyword| !keyword.contains("goto b")).map(String::as_str).collect();
    let straight = straight.replace("goto d'", "x'");
    Therapist::parse(format!("{SHORT}{straight}")).expect("gotos that end");
}
