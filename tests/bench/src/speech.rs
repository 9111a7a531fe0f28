//! How a room is spoken to: what a member says first, and what goes around each line that is published.

use clap::ValueEnum;

use crate::fanout::Plan;

/// The language of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Speech {
    /// First a nickname, then lines; the server puts the nickname before each
    Chat,
    /// Lines that hold the nickname already, so that the same bytes are delivered
    Plain,
}

impl Speech {
    /// The plan for a room that is spoken to so.
    pub(crate) fn used_in(self, mut plan: Plan) -> Plan {
        let (join, prefix, suffix) = match self {
            Speech::Chat => ("n{n}\\n", "", "\\n"),
            Speech::Plain => ("", "n{n}: ", "\\n"),
        };
        (plan.join, plan.prefix, plan.suffix) = (join.into(), prefix.into(), suffix.into());
        plan
    }
}
