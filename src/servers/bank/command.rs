//! The lines of a client.
//!
//! Invariant: a command borrows from its line. Every mistake in a line is found here, before any account is read. An
//! error repeats nothing of the line except a valid name, because any other part may be a PIN.

use super::money::Money;
use super::pin::Pin;
use super::texts;

/// A parsed line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    Open {
        name: &'a str,
        pin: Pin,
    },
    Login {
        name: &'a str,
        pin: Pin,
    },
    /// A new PIN for the account of the session.
    ChangePin {
        old: Pin,
        new: Pin,
    },
    /// The end of the account of the session.
    Close {
        pin: Pin,
    },
    /// A request for the account of the session.
    Request(Request),
    Logout,
    Help,
    Quit,
    /// An empty line.
    Nothing,
    /// A wrong line: the text of the error and its values.
    Wrong(&'static str, &'static [&'static str]),
}

/// A request for an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Balance,
    Deposit(Money),
    Withdraw(Money),
    /// A transfer to the account with this name.
    Transfer(Box<str>, Money),
    /// The last entries, up to this number.
    History(u32),
}

/// How many entries `HISTORY` lists by default.
const HISTORY: u32 = 10;
/// The most entries that `HISTORY` lists, which bounds the length of an answer.
const MOST_HISTORY: u32 = 1000;

impl Command<'_> {
    /// Parses a line. Spaces and tabs separate words. The first word is the command, in upper or lower case.
    pub(super) fn parse(line: &[u8]) -> Command<'_> {
        let Ok(line) = std::str::from_utf8(line) else { return UNKNOWN };
        let words: Vec<&str> = line.split([' ', '\t']).filter(|word| !word.is_empty()).take(MOST_WORDS + 1).collect();
        let Some((command, rest)) = words.split_first() else { return Command::Nothing };
        match (command.to_ascii_uppercase().as_str(), rest) {
            ("OPEN", [name, pin]) => with_pin(name, pin, |name, pin| Command::Open { name, pin }),
            ("OPEN", _) => Command::Wrong(texts::USAGE, &["OPEN name PIN"]),
            ("LOGIN", [name, pin]) => with_pin(name, pin, |name, pin| Command::Login { name, pin }),
            ("LOGIN", _) => Command::Wrong(texts::USAGE, &["LOGIN name PIN"]),
            ("BALANCE", []) => Command::Request(Request::Balance),
            ("BALANCE", _) => Command::Wrong(texts::USAGE, &["BALANCE"]),
            ("DEPOSIT", [amount]) => with_amount(amount, Request::Deposit),
            ("DEPOSIT", _) => Command::Wrong(texts::USAGE, &["DEPOSIT amount"]),
            ("WITHDRAW", [amount]) => with_amount(amount, Request::Withdraw),
            ("WITHDRAW", _) => Command::Wrong(texts::USAGE, &["WITHDRAW amount"]),
            ("TRANSFER", [name, _]) if !is_name(name) => Command::Wrong(texts::BAD_NAME, &[]),
            ("TRANSFER", [name, amount]) => with_amount(amount, |amount| Request::Transfer((*name).into(), amount)),
            ("TRANSFER", _) => Command::Wrong(texts::USAGE, &["TRANSFER name amount"]),
            ("HISTORY", []) => Command::Request(Request::History(HISTORY)),
            ("HISTORY", [count]) => history(count),
            ("HISTORY", _) => Command::Wrong(texts::USAGE, &["HISTORY [n]"]),
            ("PIN", [old, new]) => match (Pin::parse(old), Pin::parse(new)) {
                (Some(old), Some(new)) => Command::ChangePin { old, new },
                _ => Command::Wrong(texts::BAD_PIN, &[]),
            },
            ("PIN", _) => Command::Wrong(texts::USAGE, &["PIN old new"]),
            ("CLOSE", [pin]) => {
                Pin::parse(pin).map_or(Command::Wrong(texts::BAD_PIN, &[]), |pin| Command::Close { pin })
            }
            ("CLOSE", _) => Command::Wrong(texts::USAGE, &["CLOSE PIN"]),
            ("LOGOUT", []) => Command::Logout,
            ("LOGOUT", _) => Command::Wrong(texts::USAGE, &["LOGOUT"]),
            ("HELP", []) => Command::Help,
            ("HELP", _) => Command::Wrong(texts::USAGE, &["HELP"]),
            ("QUIT", []) => Command::Quit,
            ("QUIT", _) => Command::Wrong(texts::USAGE, &["QUIT"]),
            _ => UNKNOWN,
        }
    }
}

const UNKNOWN: Command<'static> = Command::Wrong(texts::UNKNOWN, &[]);

/// The most words of a command. Further words are not read.
const MOST_WORDS: usize = 3;

fn with_pin<'a>(name: &'a str, pin: &str, make: impl FnOnce(&'a str, Pin) -> Command<'a>) -> Command<'a> {
    match Pin::parse(pin) {
        _ if !is_name(name) => Command::Wrong(texts::BAD_NAME, &[]),
        Some(pin) => make(name, pin),
        None => Command::Wrong(texts::BAD_PIN, &[]),
    }
}

fn with_amount(text: &str, make: impl FnOnce(Money) -> Request) -> Command<'static> {
    let amount = Money::parse_amount(text);
    amount.map_or(Command::Wrong(texts::BAD_AMOUNT, &[]), |amount| Command::Request(make(amount)))
}

fn history(text: &str) -> Command<'static> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(count @ 1..=MOST_HISTORY) if is_number => Command::Request(Request::History(count)),
        _ => Command::Wrong(texts::BAD_COUNT, &[]),
    }
}

/// Whether a name is a letter, followed by up to 31 letters, digits and any of `_-.`.
///
/// Names are ASCII, because names of other scripts may look alike. A name does not begin with a digit, so a PIN that is
/// typed in its place is not accepted as a name, and is neither stored nor logged.
fn is_name(text: &str) -> bool {
    text.len() <= 32
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(line: &str) -> Command<'_> {
        Command::parse(line.as_bytes())
    }

    fn amount(text: &str) -> Money {
        Money::parse_amount(text).expect("a good amount")
    }

    fn pin() -> Pin {
        Pin::parse("1234").expect("a good PIN")
    }

    #[test]
    fn commands_are_read_in_any_case_and_with_any_blanks() {
        assert_eq!(parsed("OPEN ann 1234"), Command::Open { name: "ann", pin: pin() });
        assert_eq!(parsed("\t login  Ann\t1234 "), Command::Login { name: "Ann", pin: pin() });
        for (line, request) in [
            ("balance", Request::Balance),
            ("Deposit 12.5", Request::Deposit(amount("12.50"))),
            ("WITHDRAW 3", Request::Withdraw(amount("3.00"))),
            ("transfer bob  1.07", Request::Transfer("bob".into(), amount("1.07"))),
            ("HISTORY", Request::History(10)),
            ("HISTORY 1000", Request::History(1000)),
        ] {
            assert_eq!(parsed(line), Command::Request(request), "{line}");
        }
        let new = Pin::parse("56789").expect("a good PIN");
        assert_eq!(parsed("pin 1234 56789"), Command::ChangePin { old: pin(), new });
        assert_eq!(parsed("CLOSE 1234"), Command::Close { pin: pin() });
        assert_eq!((parsed("LOGOUT"), parsed("HELP"), parsed("QUIT")), (Command::Logout, Command::Help, Command::Quit));
        assert_eq!((parsed(""), parsed(" \t")), (Command::Nothing, Command::Nothing));
    }

    #[test]
    fn each_mistake_has_its_own_text() {
        let text = |line| match parsed(line) {
            Command::Wrong(text, _) => text,
            command => panic!("{line:?} is {command:?}"),
        };
        for (wanted, lines) in [
            (texts::BAD_NAME, &["OPEN 1234 ann", "LOGIN ann! 1234", "TRANSFER -ann 5", "LOGIN änn 1234"][..]),
            (
                texts::BAD_PIN,
                &["OPEN ann 123", "LOGIN ann 12345678901234", "LOGIN ann 12e4", "PIN 1 1234", "PIN 1234 x", "CLOSE 1"],
            ),
            (texts::BAD_AMOUNT, &["DEPOSIT 0", "WITHDRAW -5", "TRANSFER bob 1e3", "DEPOSIT 99999999999999999999"]),
            (texts::BAD_COUNT, &["HISTORY 0", "HISTORY 1001", "HISTORY -1", "HISTORY +5", "HISTORY all"]),
            (texts::USAGE, &["OPEN ann", "LOGIN", "DEPOSIT", "DEPOSIT 5 EUR", "TRANSFER 5", "TRANSFER a 5 now please"]),
            (
                texts::USAGE,
                &["BALANCE ann", "WITHDRAW", "HISTORY 1 2", "LOGOUT now", "HELP me", "QUIT 1", "PIN 1234", "CLOSE"],
            ),
            (texts::UNKNOWN, &["DANCE", "1234", "LOGIN\u{a0}ann 1234", "\u{1b}[2J"]),
        ] {
            for line in lines {
                assert_eq!(text(line), wanted, "{line:?}");
            }
        }
        assert_eq!(Command::parse(b"OPEN ann\xff 1234"), UNKNOWN);
    }

    #[test]
    fn a_name_has_32_characters_at_most() {
        let longest = "a".repeat(32);
        assert!(is_name(&longest) && is_name("a") && is_name("A-b_c.9"));
        assert!(!is_name(&format!("{longest}a")) && !is_name("") && !is_name("9a") && !is_name("a b"));
    }

    proptest! {
        #[test]
        fn any_line_is_read(line: Vec<u8>) {
            let _ = Command::parse(&line);
        }

        /// What fills a text about a mistake is the program's own.
        #[test]
        fn nothing_of_a_wrong_line_is_repeated(rest in "[ -~]{0,40}") {
            let line = format!("OPEN {rest}");
            if let Command::Wrong(text, values) = parsed(&line) {
                prop_assert!(text != texts::USAGE || values == ["OPEN name PIN"]);
            }
        }
    }
}
