//! The options of an outbound connection.

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
}

impl Link {
    /// A link with this tag. All else is as in [`Link::default`].
    #[must_use]
    pub fn tagged(tag: u64) -> Self {
        Link { tag }
    }
}
