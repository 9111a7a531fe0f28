//! How a room is spoken to: what a member says first, and what goes around each line that is published.

use clap::ValueEnum;

use crate::door::Door;
use crate::fanout::Plan;

/// The language of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Speech {
    /// First a nickname, then lines; the server puts the nickname before each
    Chat,
    /// The same at the web door
    Web,
    /// Lines that hold the nickname already, so that the same bytes are delivered
    Plain,
    /// Lines without a nickname; the server puts one before each by itself
    Bare,
    /// Redis: members subscribe to a channel, and publishers publish to it
    Redis,
}

impl Speech {
    /// The plan for a room that is spoken to so.
    pub(crate) fn used_in(self, mut plan: Plan) -> Plan {
        let publish = format!("*3\\r\\n$7\\r\\nPUBLISH\\r\\n$4\\r\\nroom\\r\\n${}\\r\\n", plan.size);
        let (join, prefix, suffix) = match self {
            Speech::Chat | Speech::Web => ("n{n}\\n", "", "\\n"),
            Speech::Plain => ("", "n{n}: ", "\\n"),
            Speech::Bare => ("", "", "\\n"),
            Speech::Redis => ("SUBSCRIBE room\\r\\n", &*publish, "\\r\\n"),
        };
        (plan.join, plan.prefix, plan.suffix) = (join.into(), prefix.into(), suffix.into());
        if self == Speech::Web {
            plan.door = Door::Web;
        }
        if self == Speech::Redis {
            // A subscriber may not publish.
            plan.publisher_join = Some(String::new());
        }
        plan
    }
}
