//! All texts of the server. Scripts rely on them, and the server's page lists them.
//!
//! [`fill`](crate::servers::text::fill) replaces names in braces. Invariant: the words of members always follow a mark
//! that begins no other text, so they cannot be mistaken for the words of another member or of the server. In a line of
//! the room, the first colon precedes the first space and is followed by a space (in a time of the history, by a
//! digit). `*` and `[` begin no nickname. No notice and no line of the operator begins in any of these ways: `*** `
//! differs from `* ` at the second character.

/// On connecting, and again after a refusal. Has no line end, so that the answer is typed on the same line.
pub(super) const PROMPT: &str = "Enter your nickname: ";
/// To all members, including the newcomer.
pub(super) const WELCOME: &str = "Welcome {nick} to the room!\n";
/// To the first newcomer.
pub(super) const COUNT_ALONE: &str = "1 person is here.\n";
/// To any other newcomer. The count includes it.
pub(super) const COUNT: &str = "{count} persons are here.\n";
/// To all other members.
pub(super) const LINE: &str = "{nick}: {text}\n";
/// To all other members.
pub(super) const ACTION: &str = "* {nick} {text}\n";
/// To the receiver of a private message.
pub(super) const PRIVATE: &str = "[{nick}] {text}\n";
/// To the sender of a private message. A nickname contains no space, so this is no message from another member.
pub(super) const PRIVATE_SENT: &str = "[to {nick}] {text}\n";
/// To all members.
pub(super) const RENAMED: &str = "{old} is now known as {nick}.\n";
/// To all remaining members.
pub(super) const LEAVES: &str = "{nick} leaves the room!\n";
/// `/who`, typed by the only member.
pub(super) const WHO_ALONE: &str = "1 person is here: {nick}.\n";
/// `/who`: the count, and the names in order.
pub(super) const WHO: &str = "{count} persons are here: {nicks}.\n";
/// `/history`, if the room keeps none.
pub(super) const NO_HISTORY: &str = "No history is kept.\n";
/// `/history` with an argument that is not a number of at least 1.
pub(super) const HISTORY_USAGE: &str = "Type /history, or /history N for the last N lines\n";
/// `/rooms`: the first room has always begun.
pub(super) const ROOMS_ALONE: &str = "1 room is open: {room}.\n";
/// `/rooms`: the count, and each room with the number of its members, such as `lobby (2)`.
pub(super) const ROOMS: &str = "{count} rooms are open: {rooms}.\n";
/// `/quit`.
pub(super) const BYE: &str = "Good bye!\n";
/// To all members: a line of the operator. `***` begins no nickname and no other text.
pub(super) const OPERATOR: &str = "*** Operator: {text}\n";
/// To all other members, before the notice that the member leaves. The reason is empty, or follows a colon.
pub(super) const REMOVED: &str = "{nick} was removed by the operator{reason}\n";
/// To the member. The connection is closed.
pub(super) const KICKED: &str = "You were removed by the operator{reason}\n";
/// To a client of a banned host. The connection is closed.
pub(super) const BANNED: &str = "You are banned from this room.\n";
/// The nickname is banned. The connection of a newcomer is closed.
pub(super) const BANNED_NICK: &str = "The nickname {nick} is banned from this room.\n";
/// In a crowd, to all members: the joins and leaves of a second. The first value is `12 people` or `1 person`.
pub(super) const CROWD: &str = "{people} joined, {count} left\n";
/// To a newcomer over the rate of joins.
pub(super) const WAIT: &str = "Too many people join from your address at once. Please wait for your turn.\n";
/// To the former connection of a page that has come back on another one. It is closed.
#[cfg(feature = "web")]
pub(super) const TAKEN_OVER: &str = "You have come back on another connection.\n";
/// To all members, before the server closes their connections.
pub(super) const STOPPING: &str = "The server is stopping.\n";

/// To all members, when the broker of the bus cannot be reached. Lines wait meanwhile.
#[cfg(feature = "bus")]
pub(super) const CATCHING_UP: &str = "The room is catching up.\n";
/// To all members, where the broker has not kept what this server has not read.
#[cfg(feature = "bus")]
pub(super) const MISSING: &str = "Some lines are missing here.\n";
/// To a newcomer, while the broker cannot be reached.
#[cfg(feature = "bus")]
pub(super) const WAIT_FOR_ROOM: &str = "The room cannot be reached now. You will enter when it can.\n";
/// The same if newcomers do not wait for the broker. The connection is closed.
#[cfg(feature = "bus")]
pub(super) const UNREACHABLE: &str = "The room cannot be reached now. Please come back later.\n";
/// Another member took the nickname while this server was cut off. The connection is closed.
#[cfg(feature = "bus")]
pub(super) const LOST_NICK: &str = "Another member has taken the nickname {nick} meanwhile.\n";

/// The nickname is invalid.
pub(super) const BAD_NICK: &str =
    "A nickname is 1 to 32 letters and digits, and any of _-. after the first (please choose another one)\n";
/// Another member has this nickname, or one that differs only in case or form.
pub(super) const TAKEN_NICK: &str = "The nickname {nick} is taken (please choose another one)\n";
/// `/join` with an invalid name.
pub(super) const BAD_ROOM: &str =
    "The name of a room is 1 to 32 letters and digits, and any of _-. after the first (please choose another one)\n";
/// `/join` with the name of the room that the member is in.
pub(super) const SAME_ROOM: &str = "You are in the room {room} already\n";
/// `/join` with the name of a room that would be over the limit.
pub(super) const TOO_MANY_ROOMS: &str = "There are too many rooms to begin {room} (type /rooms for a list)\n";
/// A web request in place of a nickname. The connection is closed.
pub(super) const NO_HTTP: &str = "This is a chat server and does not speak HTTP.\n";
/// No nickname was chosen in time. The text follows the prompt, and the connection is closed.
pub(super) const TOO_LATE: &str = "You took too long to choose a nickname.\n";
/// The line is longer than the limit, in bytes.
pub(super) const TOO_LONG: &str = "Your line is over {limit} bytes and was not sent.\n";
/// `/msg` to an unknown nickname.
pub(super) const UNKNOWN_NICK: &str = "No member is called {nick}\n";
/// An unknown command.
pub(super) const UNKNOWN: &str = "There is no command {command} (type /help for a list)\n";
/// A command with a missing argument.
pub(super) const USAGE: &str = "This command needs more: {usage}\n";
/// `/help`.
pub(super) const HELP: &str = "\
/who            list the people in the room
/me TEXT        say what you do
/join ROOM      go to another room
/rooms          list the rooms
/nick NICK      change your nickname
/msg NICK TEXT  send a private message
/history [N]    show the last N lines of the room, with times
/help           show this list
/quit           leave
//TEXT          say /TEXT
";
