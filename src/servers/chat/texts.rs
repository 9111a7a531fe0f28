//! Everything that the server says, in one place: scripts rely on these texts, and the server's page lists them.
//!
//! Names in braces stand for what [`fill`](crate::servers::text::fill) puts there. Invariant: what members write always comes behind a mark that no
//! other text begins with, so none of it can be mistaken for another member's words or the server's. A line of the room
//! has its first colon before its first space, and a space behind it, where a time of the history has a digit; `*` and `[`
//! begin no nickname; no notice begins in any of these ways.

/// Asked when a connection opens, and again after a refusal. Without a line end, so that the answer is typed behind it.
pub(super) const PROMPT: &str = "Enter your nickname: ";
/// To all, the newcomer included.
pub(super) const WELCOME: &str = "Welcome {nick} to the room!\n";
/// To the first newcomer.
pub(super) const COUNT_ALONE: &str = "1 person is here.\n";
/// To any other newcomer, who is counted.
pub(super) const COUNT: &str = "{count} persons are here.\n";
/// To all others.
pub(super) const LINE: &str = "{nick}: {text}\n";
/// To all others.
pub(super) const ACTION: &str = "* {nick} {text}\n";
/// To a newcomer, where a history is kept: what was said before. The time is `12:00`, or `2000-01-01 12:00` of another day.
pub(super) const PAST_LINE: &str = "{time} {nick}: {text}\n";
/// To a newcomer, where a history is kept: what was done before.
pub(super) const PAST_ACTION: &str = "{time} * {nick} {text}\n";
/// To the receiver of a private message.
pub(super) const PRIVATE: &str = "[{nick}] {text}\n";
/// To its sender. No nickname holds a space, so this is no private message.
pub(super) const PRIVATE_SENT: &str = "[to {nick}] {text}\n";
/// To all.
pub(super) const RENAMED: &str = "{old} is now known as {nick}.\n";
/// To all who stay.
pub(super) const LEAVES: &str = "{nick} leaves the room!\n";
/// `/who`, typed by the only member.
pub(super) const WHO_ALONE: &str = "1 person is here: {nick}.\n";
/// `/who`: the count, and the names in order.
pub(super) const WHO: &str = "{count} persons are here: {nicks}.\n";
/// To who says `/quit`.
pub(super) const BYE: &str = "Good bye!\n";

/// A nickname is refused.
pub(super) const BAD_NICK: &str = "A nickname is 1 to 32 letters, digits and any of _-. (please choose another one)\n";
/// A nickname is refused: somebody has it, or one that differs only in case or form.
pub(super) const TAKEN_NICK: &str = "The nickname {nick} is taken (please choose another one)\n";
/// A nickname that a browser or a web client sends; the connection is closed.
pub(super) const NO_HTTP: &str = "This is a chat server and does not speak HTTP.\n";
/// No nickname was chosen in time, behind the prompt; the connection is closed.
pub(super) const TOO_LATE: &str = "You took too long to choose a nickname.\n";
/// A line over the limit. `{limit}` counts bytes.
pub(super) const TOO_LONG: &str = "Your line is over {limit} bytes and was not sent.\n";
/// `/msg` to a nickname that nobody has.
pub(super) const NOBODY: &str = "Nobody here is called {nick}\n";
/// Neither a command nor text.
pub(super) const UNKNOWN: &str = "There is no command {command} (type /help for a list)\n";
/// A command without what it needs.
pub(super) const USAGE: &str = "This command needs more: {usage}\n";
/// `/help`.
pub(super) const HELP: &str = "\
/who            who is here
/me TEXT        tell all what you do
/nick NICK      change your nickname
/msg NICK TEXT  tell one person only
/help           this list
/quit           leave
//TEXT          say /TEXT
";
