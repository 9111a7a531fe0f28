//! The names of rooms.

use std::fmt;
use std::str::FromStr;

use super::nickname;

/// The name of a room. It has the form of a nickname: 1 to 32 letters and digits, and any of `_-.` after the first.
///
/// Two names that differ only in case or form name the same room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomName(Box<str>);

impl RoomName {
    /// The name of the first room, if no other is chosen.
    #[must_use]
    pub fn lobby() -> RoomName {
        RoomName("lobby".into())
    }

    /// The name as it is shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RoomName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<RoomName, &'static str> {
        let name = nickname::parse(text.as_bytes()).map(RoomName);
        name.ok_or("the name of a room is 1 to 32 letters and digits, and any of _-. after the first")
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
