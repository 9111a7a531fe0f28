//! The options of an outbound connection.

use std::time::Duration;

/// How [`Context::connect`](crate::Context::connect) makes an outbound connection.
///
/// Start with [`Link::default`], or with [`Link::tagged`], and change the fields that matter.
///
/// ```
/// use switchboard::{Context, Handler, Link, Origin, Sim, Via};
///
/// /// The tag of the connection for commands.
/// const COMMANDS: u64 = 1;
///
/// struct Dialer;
///
/// impl Handler for Dialer {
///     type Session = ();
///
///     fn started(&mut self, cx: &mut Context<'_>) {
///         cx.connect("127.0.0.1:6379".parse().expect("an address"), Link::tagged(COMMANDS));
///     }
///
///     fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) {
///         if let Via::Connect { tag: COMMANDS, .. } = origin.via {
///             cx.reply(b"PING\r\n");
///         }
///     }
///
///     fn data<'a>(&mut self, (): &mut (), input: &'a mut [u8], _: &mut Context<'a>) -> usize {
///         input.len()
///     }
/// }
///
/// let mut sim = Sim::new(Dialer);
/// let server = sim.connected(&"127.0.0.1:6379".parse()?);
/// assert_eq!(sim.received(server), b"PING\r\n");
/// # Ok::<(), switchboard::AddressError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Link {
    /// A number of the handler's choice, which [`Via::Connect`](crate::Via::Connect) has when the session opens.
    /// Default: 0.
    pub tag: u64,
    /// Limits of the connection, in place of those of its service and of
    /// [`Limits::memory_limit`](crate::Limits::memory_limit). Default: `None`, the limits of the service.
    pub limits: Option<LinkLimits>,
    /// Whether a stop of the reactor ends the connection after all others of its service.
    ///
    /// Until then it goes on as if there were no stop: its input is read, its timers expire, and what is sent to it in
    /// [`closed`](crate::Handler::closed) of another session still leaves. When every other connection of the service
    /// has received its output and is gone, the session is [`dismissed`](crate::Handler::dismissed) and ends as others
    /// do. [`Limits::drain`](crate::Limits::drain) bounds the time for all of this, and a second request to stop drops
    /// the connection. One that is not established when the stop begins is dropped then.
    ///
    /// Default: false.
    pub closes_last: bool,
}

/// Limits of one outbound connection. Sizes are in bytes. `None` switches a limit off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkLimits {
    /// As [`Limits::inbox`](crate::Limits::inbox). Default: 64 KiB.
    pub inbox: usize,
    /// As [`Limits::max_queue`](crate::Limits::max_queue), together with the marks that depend on it. Default: 1 MiB.
    pub max_queue: Option<usize>,
    /// As [`Limits::idle_timeout`](crate::Limits::idle_timeout). Default: off.
    pub idle_timeout: Option<Duration>,
}

impl Link {
    /// A link with this tag. All else is as in [`Link::default`].
    #[must_use]
    pub fn tagged(tag: u64) -> Self {
        Link { tag, ..Link::default() }
    }
}

impl Default for LinkLimits {
    fn default() -> Self {
        LinkLimits { inbox: 64 << 10, max_queue: Some(1 << 20), idle_timeout: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::limits::Limits;

    #[test]
    fn the_limits_of_a_link_have_the_usual_defaults() {
        let Limits { inbox, max_queue, idle_timeout, .. } = Limits::default();
        assert_eq!(LinkLimits::default(), LinkLimits { inbox, max_queue, idle_timeout });
    }
}
