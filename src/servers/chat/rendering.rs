//! How a session is shown the room: one rendering for each kind of door.

use super::line;
use super::room::Event;

/// The form in which a session is shown events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rendering {
    /// Lines of text.
    Line,
}

impl Rendering {
    /// All renderings. Each is at the position of its number.
    pub(crate) const ALL: [Rendering; 1] = [Rendering::Line];

    /// Appends an event as those see it that follow the room. `stamp` stands before a line.
    pub(crate) fn render(self, event: &Event<'_>, stamp: &str, out: &mut Vec<u8>) {
        match self {
            Rendering::Line => {
                out.extend_from_slice(stamp.as_bytes());
                line::render(&event.what, out);
            }
        }
    }

    /// Whether a member is shown its own words, too.
    pub(crate) fn shows_own_talk(self) -> bool {
        match self {
            // The terminal has shown them.
            Rendering::Line => false,
        }
    }
}
