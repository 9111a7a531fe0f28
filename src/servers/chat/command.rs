//! What a member types: text, or one of a few commands.
//!
//! Invariant: borrowed from the line and changes nothing. Does not know who is here.

/// A line of a member, understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    /// To all others.
    Say(&'a str),
    /// `/me`: to all others.
    Act(&'a str),
    /// `/who`
    Who,
    /// `/nick`
    Rename(&'a str),
    /// `/msg`
    Tell {
        /// The receiver, as typed.
        nick: &'a str,
        text: &'a str,
    },
    /// `/help`
    Help,
    /// `/quit`
    Quit,
    /// An empty line.
    Nothing,
    /// A command without what it needs: how it is written.
    Incomplete(&'static str),
    /// No command has this name.
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
            ("/help", _) => Command::Help,
            ("/quit", _) => Command::Quit,
            ("/me", "") => Command::Incomplete("/me TEXT"),
            ("/me", text) => Command::Act(text),
            ("/nick", "") => Command::Incomplete("/nick NICK"),
            ("/nick", nick) => Command::Rename(nick),
            ("/msg", rest) => match split(rest) {
                (_, "") => Command::Incomplete("/msg NICK TEXT"),
                (nick, text) => Command::Tell { nick, text },
            },
            (name, _) => Command::Unknown(name),
        }
    }
}

/// The first word, and what follows it without the space between and around.
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
        assert_eq!(Command::parse("/msg bob hi  there"), Command::Tell { nick: "bob", text: "hi  there" });
        assert_eq!(Command::parse("/who is it"), Command::Who);
        assert_eq!(Command::parse("/quit"), Command::Quit);
        assert_eq!(Command::parse("/help"), Command::Help);
    }

    #[test]
    fn what_is_missing_and_what_is_unknown_is_told_apart() {
        assert_eq!(Command::parse("/me "), Command::Incomplete("/me TEXT"));
        assert_eq!(Command::parse("/nick"), Command::Incomplete("/nick NICK"));
        assert_eq!(Command::parse("/msg bob "), Command::Incomplete("/msg NICK TEXT"));
        assert_eq!(Command::parse("/"), Command::Unknown("/"));
        assert_eq!(Command::parse("/meow x"), Command::Unknown("/meow"));
        assert_eq!(Command::parse("/ who"), Command::Unknown("/"));
    }
}
