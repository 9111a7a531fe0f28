//! No input makes the therapist panic, or answer at length, or work for long.

use std::fmt::Write;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::decomposition::COMPARISONS;
use super::*;

static BUILT_IN: LazyLock<Therapist> = LazyLock::new(Therapist::built_in);

/// The default limit of a server for a line.
const LINE: usize = 4096;

/// Pieces of hard lines: many clauses, many keywords, beginnings of patterns, letters that are slow to compare.
const PIECES: &str = "\
a |a b |a,|a b c d e f g h i j k l m n o p q r s t |i |i,|my |my,|my mother |i am |i am not |i you me |you |like is |\
why do you not |\
why cannot |was like |u |gonna |don't |yes |yes,|kill |kill,|how,|@family |{1} |goto my |x|...|- |1.|'|(|\
i i'm you my me like always never nobody mother if remember dream name because sorry help what your cannot |\
i,my,you,me,like,always,never,nobody,mother,if,remember,name,because,sorry,help,what,your,cannot,|\
i think you i think you i want you to want you to |\u{FDFA}|e\u{301}|\u{301}|ẞ|İ |👩\u{200D}👧 ";

/// Lines that cause much work.
fn hard_lines() -> Vec<String> {
    let mut lines: Vec<_> = PIECES.split('|').map(|piece| piece.repeat(LINE / piece.len())).collect();
    // All keywords of the hard script, and the longest search for each pattern.
    lines.push(format!("b c d e f g h i j k l m n o p q r s t {}", "a ".repeat(MAX_WORDS)));
    lines.push(format!("b c d e f g h i j k l m n o p q r s t {}", "a a a b ".repeat(MAX_WORDS)));
    let shouted: Vec<_> = lines.iter().map(|line| line.to_uppercase()).collect();
    lines.extend(shouted);
    lines
}

/// A script at the limit. Every rule is tried on every clause, and each attempt fails at its last word.
fn hard_script() -> String {
    let mut script = TOP.to_owned();
    let pattern = "* a a a a a a a a a a a a a a b *";
    let rules = (MAX_ELEMENTS - 100) / pattern.split(' ').count();
    let keywords = 20;
    for keyword in 0..keywords {
        let word = char::from(b'a' + keyword);
        write!(script, "\n[[keyword]]\nwords = [\"{word}\"]\nrule = [").expect("memory");
        for _ in 0..rules / usize::from(keywords) {
            write!(script, "{{ match = \"{pattern}\", answers = [\"x\"] }}, ").expect("memory");
        }
        script.push(']');
    }
    script
}

/// Answers a line, and checks what holds for all lines.
fn listen(therapist: &Therapist, conversation: &mut Conversation, line: &str) -> String {
    let text = therapist.answer(conversation, line).text;
    assert!(!text.trim().is_empty(), "{line:?}");
    assert!(text.len() <= MAX_ANSWER, "{} bytes to {line:?}", text.len());
    assert!(!text.chars().any(char::is_control), "{text:?} to {line:?}");
    assert!(conversation.memories().len() <= MAX_MEMORIES);
    assert!(conversation.memories().all(|memory| memory.len() <= MAX_ANSWER));
    text
}

#[test]
fn a_line_costs_a_bounded_number_of_comparisons() {
    let hard = Therapist::parse(hard_script()).expect("a script");
    let mut most = 0;
    for therapist in [&hard, &*BUILT_IN] {
        let mut conversation = ann();
        for line in hard_lines() {
            COMPARISONS.set(0);
            listen(therapist, &mut conversation, &line);
            let count = COMPARISONS.get();
            assert!(count <= MAX_WORDS * MAX_ELEMENTS, "{count} for {line}");
            most = most.max(count);
        }
    }
    assert!(most > MAX_WORDS * MAX_ELEMENTS / 2, "the lines are too easy: {most}");
}

#[test]
fn the_built_in_script_is_far_below_the_limit_of_a_script() {
    let rules = ", 'a b c d e f g h'".repeat(MAX_ELEMENTS / 16);
    let text = include_str!("../script.toml").replacen("\"quit\",", &format!("\"quit\"{rules},"), 1);
    Therapist::parse(&text).expect("there is room for as much again as half of the limit");
}

/// Prints the worst times; `cargo test --release --lib doctor::tests::bounds -- --ignored --nocapture`.
#[test]
#[ignore = "measures, and shows nothing in a debug build"]
fn the_slowest_line() {
    let hard = Therapist::parse(hard_script()).expect("a script");
    for (name, therapist) in [("built-in", &*BUILT_IN), ("at the limit", &hard)] {
        let mut worst = (Duration::ZERO, String::new());
        for line in hard_lines() {
            let mut conversation = ann();
            // The best of several times excludes what else the machine does.
            let times = (0..20).map(|_| {
                let start = Instant::now();
                std::hint::black_box(therapist.answer(&mut conversation, std::hint::black_box(&line)));
                start.elapsed()
            });
            let time = times.min().unwrap_or_default();
            if time > worst.0 {
                worst = (time, line);
            }
        }
        println!("{name}: {:?} for {:.60}...", worst.0, worst.1);
    }
}

proptest! {
    #[test]
    fn any_text_gets_a_short_answer_of_one_line(lines in prop::collection::vec(".*", 0..8), name in ".*") {
        let mut conversation = Conversation::new(&name).unwrap_or_else(ann);
        prop_assert!(BUILT_IN.greet(&mut conversation).len() <= MAX_ANSWER);
        for line in lines {
            listen(&BUILT_IN, &mut conversation, &line);
        }
    }

    #[test]
    fn sanitized_lines_get_sanitized_answers(lines in prop::collection::vec("(my |i am )?.*", 0..12)) {
        let mut conversation = ann();
        for line in lines {
            let text = listen(&BUILT_IN, &mut conversation, &crate::sanitize(line.as_bytes()));
            prop_assert_eq!(&*crate::sanitize(text.as_bytes()), text.as_str());
        }
    }

    #[test]
    fn words_of_the_script_get_bounded_answers(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "I", "you", "my", "me", "mother", "am", "not", "sad", "if", "because", "don't", "why", "is", "like",
                "want", "bye", "but", ",", ".", "?!", "X", "MY", "I'm", "remember", "thank", "kill", "die", "to", "…",
                "(", "—", "'",
            ]),
            0..60,
        ),
    ) {
        let mut conversation = ann();
        let line = words.join(" ");
        for _ in 0..4 {
            listen(&BUILT_IN, &mut conversation, &line);
        }
        listen(&BUILT_IN, &mut conversation, &words.concat());
    }

    #[test]
    fn no_text_makes_the_compiler_panic(text in ".*", rule in "[*+_@.{}a-c1-3 ]{0,12}", answer in "[{}a-c1-3 ]{0,12}") {
        let _ = Therapist::parse(&text);
        let rule = format!("{{ match = '{rule}', answers = ['{answer}'] }}");
        let keyword = format!("keyword = [{{ words = ['a'], rule = [{rule}] }}]");
        if let Ok(script) = Therapist::parse(format!("{TOP}{keyword}")) {
            listen(&script, &mut ann(), "a b c a b c");
        }
    }

    #[test]
    fn restoring_any_data_keeps_the_bounds(
        positions: Vec<u32>,
        memories in prop::collection::vec(".*", 0..40),
        visits: u32,
        lines_since: u32,
    ) {
        let mut table = toml::Table::new();
        table.insert("name".into(), "Ann".into());
        table.insert("visits".into(), i64::from(visits).into());
        table.insert("lines_since".into(), i64::from(lines_since).into());
        table.insert("positions".into(), positions.into_iter().map(i64::from).collect::<Vec<_>>().into());
        table.insert("memories".into(), memories.into());
        let mut conversation: Conversation = table.try_into().expect("the form of a conversation");
        prop_assert!(!BUILT_IN.greet(&mut conversation).is_empty());
        for line in ["hm", "my mother hates me", "i am sad", "hm"] {
            listen(&BUILT_IN, &mut conversation, line);
        }
    }
}
