//! How a session is shown the room: one rendering for each kind of door.

use super::line;
use super::room::Event;
#[cfg(feature = "web")]
use super::web;

/// The form in which a session is shown events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rendering {
    /// Lines of text.
    Line,
    /// Messages for pages.
    #[cfg(feature = "web")]
    Web,
}

impl Rendering {
    /// All renderings. Each is at the position of its number.
    pub(crate) const ALL: &[Rendering] = &[
        Rendering::Line,
        #[cfg(feature = "web")]
        Rendering::Web,
    ];

    /// Appends an event as those see it that follow the room. `stamp` stands before a line.
    pub(crate) fn render(self, event: &Event<'_>, stamp: &str, out: &mut Vec<u8>) {
        match self {
            Rendering::Line => {
                out.extend_from_slice(stamp.as_bytes());
                line::render(&event.what, out);
            }
            #[cfg(feature = "web")]
            Rendering::Web => web::render(event, out),
        }
    }

    /// Whether a newcomer is asked, and so answers one question after the other.
    pub(crate) fn has_prompt(self) -> bool {
        match self {
            Rendering::Line => true,
            // A page sends its room and its nickname at once.
            #[cfg(feature = "web")]
            Rendering::Web => false,
        }
    }

    /// Whether a member is shown its own words, too.
    pub(crate) fn shows_own_talk(self) -> bool {
        match self {
            // The terminal has shown them.
            Rendering::Line => false,
            // That shows a page that they have arrived.
            #[cfg(feature = "web")]
            Rendering::Web => true,
        }
    }
}
