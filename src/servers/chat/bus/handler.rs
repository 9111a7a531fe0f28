//! The link handler: both links of a [`Bus`], beside the connections of the server that is on it.

use crate::handler::Handler;
use crate::handler::context::Context;

use super::{Bus, Heard};

/// A server that is on a bus.
pub(crate) trait HearsBus: Handler {
    /// The client of the broker.
    fn bus(&mut self) -> &mut Bus;

    /// Handles what the bus says. It may ask again.
    fn heard(&mut self, heard: Heard, cx: &mut Context<'_>);
}
