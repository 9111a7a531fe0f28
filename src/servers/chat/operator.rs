//! The operator's commands of the chat: bans, the rooms, and a line for all of them.

use std::time::Duration;

#[cfg(feature = "bus")]
use crate::connection::token::Token;
use crate::handler::commands::{CommandHelp, answer, run_common};
use crate::handler::context::Context;
use crate::handler::sanitize::sanitize;
use crate::servers::text::counted;

use super::Chat;
use super::bans::Banned;
use super::room::{Room, What};

const BAN: CommandHelp = CommandHelp {
    word: "ban",
    arguments: "NICK|HOST [DUR]",
    what: "keep a nickname, an address or a network out of the room",
};
const UNBAN: CommandHelp = CommandHelp { word: "unban", arguments: "NICK|HOST", what: "end a ban" };
const BANS: CommandHelp = CommandHelp { word: "bans", arguments: "", what: "list the bans" };
const ROOMS: CommandHelp = CommandHelp { word: "rooms", arguments: "", what: "list the rooms" };
const SAY: CommandHelp = CommandHelp { word: "say", arguments: "TEXT", what: "say a line to all rooms" };

/// The reason that a member receives whose nickname or host is banned.
const BANNED: &str = "banned";

impl Chat {
    /// Carries out a line of the operator.
    pub(super) fn obey(&mut self, line: &[u8], cx: &mut Context<'_>) {
        let text = String::from_utf8_lossy(line);
        let (word, rest) = text.trim().split_once(char::is_whitespace).unwrap_or((text.trim(), ""));
        match (word, rest.trim()) {
            ("ban", "") => usage(&BAN, cx),
            ("unban", "") => usage(&UNBAN, cx),
            ("say", "") => usage(&SAY, cx),
            ("ban", rest) => self.ban(rest, cx),
            ("unban", of) => {
                let is_ended = Banned::parse(of).is_some_and(|of| self.bans.remove(&of, cx.now()));
                let result = if is_ended { "no longer banned" } else { "not banned; type bans for the list" };
                answer(&format!("{of:?} is {result}"), cx);
            }
            ("bans", "") => answer(&self.bans.list(cx.now()), cx),
            #[cfg(feature = "bus")]
            ("rooms", _) if self.shared.is_some() => self.ask_rooms(Token::none(), cx),
            ("rooms", _) => answer(&self.room_list(), cx),
            ("say", text) => self.ask_everywhere(What::Operator { text: &sanitize(text.as_bytes()) }, cx),
            _ => run_common(&[BAN, UNBAN, BANS, ROOMS, SAY], line, cx),
        }
    }

    /// All rooms, one a line, each with the number of its members.
    fn room_list(&self) -> String {
        let line = |room: &Room| format!("{}  {}", room.name, counted(room.count(), "person"));
        self.rooms.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// Bans a nickname or a host, and closes the connections of its members.
    fn ban(&mut self, rest: &str, cx: &mut Context<'_>) {
        let (of, time) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let Some(banned) = Banned::parse(of) else {
            return answer(&format!("{of:?} is no nickname, no address and no network such as 10.0.0.0/8"), cx);
        };
        let time = match (time.trim(), duration(time.trim())) {
            ("", _) => None,
            (_, Some(time)) => Some(time),
            (time, None) => return answer(&format!("{time:?} is no time such as 30s, 10m, 1h or 7d"), cx),
        };
        if !self.bans.add(banned.clone(), time, cx.now()) {
            return answer("there are too many bans: end one with unban", cx);
        }
        let is_banned = |folded: &str, token| match &banned {
            Banned::Nick(nick) => **nick == *folded,
            network @ Banned::Network(_) => cx.address_of(token).is_some_and(|peer| network.is_host_of(peer)),
        };
        let members = self.rooms.members_here().filter(|&(folded, token)| is_banned(folded, token));
        let tokens: Vec<_> = members.map(|(_, token)| token).collect();
        for &token in &tokens {
            cx.kick(token, BANNED);
        }
        answer(&format!("banned {banned}; {} in the room", tokens.len()), cx);
    }
}

fn usage(command: &CommandHelp, cx: &mut Context<'_>) {
    answer(&format!("usage: {}", command.usage()), cx);
}

/// Reads a time of one unit: `30s`, `10m`, `1h`, `7d`.
fn duration(text: &str) -> Option<Duration> {
    let (last, unit) = text.char_indices().next_back()?;
    let scale = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    let number: u64 = text[..last].parse().ok()?;
    number.checked_mul(scale).filter(|&seconds| seconds > 0).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_and_a_unit() {
        let seconds = |text| duration(text).map(|time| time.as_secs());
        assert_eq!(["30s", "10m", "1h", "7d"].map(seconds), [30, 600, 3600, 604_800].map(Some));
        for text in ["", "s", "0s", "10", "1x", "-1s", "1.5h", "99999999999999999999s", "18446744073709551615d", "1é"]
        {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
