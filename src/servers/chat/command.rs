//! The lines of a member: text, or one of a few commands.
//!
//! Invariant: a command borrows from its line and is independent of the state of the room.

/// The number of lines that `/history` shows if no other is given: a screen.
const LINES_OF_HISTORY: usize = 20;

/// A parsed line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    /// Text for the room.
    Say(&'a str),
    /// `/me`: an action, for the room.
    Act(&'a str),
    /// `/who`
    Who,
    /// `/rooms`
    Rooms,
    /// `/join`: a name, as typed.
    Join(&'a str),
    /// `/nick`
    Rename(&'a str),
    /// `/msg`
    Message {
        /// The receiver's nickname, as typed.
        nick: &'a str,
        text: &'a str,
    },
    /// `/history`: the number of lines, if it is one.
    History(Option<usize>),
    /// `/help`
    Help,
    /// `/quit`
    Quit,
    /// An empty line.
    Nothing,
    /// A command with a missing argument; holds its usage.
    Incomplete(&'static str),
    /// An unknown command; holds its name.
    Unknown(&'a str),
}

impl Command<'_> {
    pub(super) fn parse(line: &str) -> Command<'_> {
        let Some(command) = line.strip_prefix('/') else {
            return if line.is_empty() { Command::Nothing } else { Command::Say(line) };
        };
        if command.starts_with('/') {
            return Command::Say(command);
        }
        let (name, rest) = split(line);
        match (name, rest) {
            ("/who", _) => Command::Who,
            ("/rooms", _) => Command::Rooms,
            ("/join", "") => Command::Incomplete("/join ROOM"),
            ("/join", room) => Command::Join(room),
            ("/help", _) => Command::Help,
            ("/history", "") => Command::History(Some(LINES_OF_HISTORY)),
            ("/history", count) => Command::History(count.parse().ok().filter(|&count| count > 0)),
            ("/quit", _) => Command::Quit,
            ("/me", "") => Command::Incomplete("/me TEXT"),
            ("/me", text) => Command::Act(text),
            ("/nick", "") => Command::Incomplete("/nick NICK"),
            ("/nick", nick) => Command::Rename(nick),
            ("/msg", rest) => match split(rest) {
                (_, "") => Command::Incomplete("/msg NICK TEXT"),
                (nick, text) => Command::Message { nick, text },
            },
            (name, _) => Command::Unknown(name),
        }
    }
}

/// Splits off the first word. The rest is trimmed.
fn split(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    (word, rest.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_text_unless_they_begin_with_one_slash() {
        assert_eq!(Command::parse("hello /who"), Command::Say("hello /who"));
        assert_eq!(Command::parse(" /who"), Command::Say(" /who"));
        assert_eq!(Command::parse("//who"), Command::Say("/who"));
        assert_eq!(Command::parse("//"), Command::Say("/"));
        assert_eq!(Command::parse(""), Command::Nothing);
    }

    #[test]
    fn commands_take_the_rest_of_the_line() {
        assert_eq!(Command::parse("/me  waves at  bob "), Command::Act("waves at  bob"));
        assert_eq!(Command::parse("/nick ann"), Command::Rename("ann"));
        assert_eq!(Command::parse("/msg bob hi  there"), Command::Message { nick: "bob", text: "hi  there" });
        assert_eq!(Command::parse("/who is it"), Command::Who);
        assert_eq!(Command::parse("/rooms"), Command::Rooms);
        assert_eq!(Command::parse("/join  rust "), Command::Join("rust"));
        assert_eq!(Command::parse("/quit"), Command::Quit);
        assert_eq!(Command::parse("/help"), Command::Help);
        assert_eq!(Command::parse("/history"), Command::History(Some(20)));
        assert_eq!(Command::parse("/history 5"), Command::History(Some(5)));
        assert_eq!(Command::parse("/history 0"), Command::History(None));
        assert_eq!(Command::parse("/history -x"), Command::History(None));
    }

    #[test]
    fn what_is_missing_and_what_is_unknown_is_told_apart() {
        assert_eq!(Command::parse("/me "), Command::Incomplete("/me TEXT"));
        assert_eq!(Command::parse("/nick"), Command::Incomplete("/nick NICK"));
        assert_eq!(Command::parse("/join"), Command::Incomplete("/join ROOM"));
        assert_eq!(Command::parse("/msg bob "), Command::Incomplete("/msg NICK TEXT"));
        assert_eq!(Command::parse("/"), Command::Unknown("/"));
        assert_eq!(Command::parse("/meow x"), Command::Unknown("/meow"));
        assert_eq!(Command::parse("/ who"), Command::Unknown("/"));
    }
}
