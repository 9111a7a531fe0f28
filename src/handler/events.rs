//! The events that [`Handler`] and [`MessageHandler`] have in common, listed once.
//!
//! Both traits declare the events from this list, and each wrapper of a handler forwards them from it, so that a new
//! event is added here and nowhere else. An entry is a trait method with its default; a semicolon stands before `cx`.
//!
//! ```text
//! events! { connection => declare }
//! events! { connection => forward(self, session, cx) to INNER_HANDLER, INNER_SESSION }
//! events! { service => forward(self, cx) to INNER_HANDLER }
//! ```
//!
//! Deliberately not here: `open`, the input (`data`, `message`), and what only a framing calls; `kicked`, since its
//! defaults differ. A wrapper writes `closed` itself, since it takes its session apart.
//!
//! [`Handler`]: crate::Handler
//! [`MessageHandler`]: crate::framing::MessageHandler

/// Applies `declare` or `forward` to one group of events: `connection`, `closing`, `service` or `process`.
macro_rules! events {
    // What happens to one connection while its session lasts.
    (connection => $action:ident $($arguments:tt)*) => {
        $crate::handler::events::$action! { $($arguments)*;
            /// The peer has ended its side of the connection, and all of its input was used.
            ///
            /// The default closes the connection.
            fn eof(&mut self, session: &mut Self::Session; cx: &mut Context<'_>) {
                cx.close();
            }

            /// The queued output has fallen to the low mark, after
            /// [`Context::is_writable`](crate::Context::is_writable) was false.
            ///
            /// A handler that produces output of its own, rather than in answer to input, continues here.
            fn drained(&mut self, session: &mut Self::Session; cx: &mut Context<'_>) {}

            /// A timer that this session set with [`Context::set_timer`](crate::Context::set_timer) has expired.
            fn timer(&mut self, session: &mut Self::Session, timer: $crate::TimerId; cx: &mut Context<'_>) {}

            /// The job that this session passed to [`Context::offload`](crate::Context::offload) is done.
            ///
            /// Its result is `done`. Input that arrived while the job ran is passed after this call.
            fn done(&mut self, session: &mut Self::Session, done: $crate::Done; cx: &mut Context<'_>) {}

            /// The program of this connection, started with [`Context::spawn`](crate::Context::spawn), has exited.
            ///
            /// Called at most once, and not after the session has ended. Output of the program may follow, and
            /// [`eof`](Self::eof) may have come before: a program can end its output first, and other processes can
            /// continue it.
            fn exited(
                &mut self, session: &mut Self::Session, status: ::std::process::ExitStatus; cx: &mut Context<'_>
            ) {}

            /// The reactor is stopping, and is about to end this session.
            ///
            /// The handler may reply with a last message, which is still sent: a protocol may have one for this.
            /// [`closed`](Self::closed) follows. Not called if a second request to stop drops all connections at once.
            fn dismissed(&mut self, session: &mut Self::Session; cx: &mut Context<'_>) {}
        }
    };
    // The end of a session.
    (closing => $action:ident $($arguments:tt)*) => {
        $crate::handler::events::$action! { $($arguments)*;
            /// The session has ended because of `cause`. This is the last call for its connection.
            ///
            /// Output that was queued before [`Context::close`](crate::Context::close) is still sent. Replies are
            /// dropped here; the handler may send to other connections and publish to feeds.
            fn closed(&mut self, session: Self::Session, cause: &$crate::Closed; cx: &mut Context<'_>) {}
        }
    };
    // What happens to the service as a whole.
    (service => $action:ident $($arguments:tt)*) => {
        $crate::handler::events::$action! { $($arguments)*;
            /// A datagram has arrived at a `udp:` listener.
            ///
            /// All replies of one call are sent back as one datagram. A call that does not reply sends none.
            fn datagram<'a>(&mut self, source: &$crate::Source, input: &'a mut [u8]; cx: &mut Context<'a>) {}

            /// Output for which [`Context::request_receipt`](crate::Context::request_receipt) has asked with `ticket`
            /// was sent, or is lost: `unsent` bytes of it.
            ///
            /// Sent means that the kernel has taken it. The connection may be gone.
            fn receipt(&mut self, ticket: u64, unsent: u64; cx: &mut Context<'_>) {}

            /// A timer that was set outside of any connection has expired.
            fn service_timer(&mut self, timer: $crate::TimerId; cx: &mut Context<'_>) {}

            /// A job is done that was passed to [`Context::offload`](crate::Context::offload) outside of any
            /// connection, or to [`Context::offload_detached`](crate::Context::offload_detached).
            fn service_done(&mut self, done: $crate::Done; cx: &mut Context<'_>) {}

            /// The connection `requested`, which [`Context::connect`](crate::Context::connect) returned, could not be
            /// made.
            ///
            /// `error` is that of the last socket address of `to` that was tried.
            fn connect_failed(
                &mut self, requested: $crate::Token, to: &$crate::Address, error: &::std::io::Error;
                cx: &mut Context<'_>
            ) {}
        }
    };
    // What concerns the whole process: the start, the lines of operators, files that are opened again, and the stop.
    (process => $action:ident $($arguments:tt)*) => {
        $crate::handler::events::$action! { $($arguments)*;
            /// The reactor starts to run.
            ///
            /// Called once, before the first poll, and so before any other event. A handler that needs connections or
            /// timers of its own requests them here.
            fn started(&mut self; cx: &mut Context<'_>) {}

            /// A line of an operator has arrived, given without its line end. Replies go to this operator.
            ///
            /// It comes from standard input, if that is open for commands or for input
            /// ([`Reactor::open_console`](crate::Reactor::open_console)), or from a client of the control socket
            /// ([`Reactor::open_control`](crate::Reactor::open_control)). The default obeys the commands `help`,
            /// `stats`, `who`, `kick` and `quit`.
            fn console(&mut self, line: &[u8]; cx: &mut Context<'_>) {
                $crate::handler::commands::run(line, cx);
            }

            /// Standard input has ended.
            ///
            /// Called only if it is open for commands or for input. The end of a control client is not reported. The
            /// default stops the reactor.
            fn console_end(&mut self; cx: &mut Context<'_>) {
                cx.stop();
            }

            /// Files that may have been replaced should be opened again: logs that were rotated, certificates.
            ///
            /// Called at SIGHUP if standard input is not the controlling terminal
            /// ([`Reactor::handle_signals`](crate::Reactor::handle_signals)).
            fn reload(&mut self; cx: &mut Context<'_>) {}

            /// The reactor begins to stop, as [`Context::stop`](crate::Context::stop) or a signal has requested.
            ///
            /// Called once, before the stop ends any session, so what is sent and published here still reaches every
            /// peer. Not called if a second request to stop drops all connections at once.
            fn stopping(&mut self; cx: &mut Context<'_>) {}
        }
    };
}

/// Declares each event of the list as a trait method.
macro_rules! declare {
    (; $(
        $(#[$doc:meta])*
        fn $name:ident $(<$input:lifetime>)? (
            &mut self $(, $argument:ident: $type:ty)*; $cx:ident: &mut Context<$life:lifetime>
        ) $default:block
    )*) => { $(
        $(#[$doc])*
        #[allow(unused_variables, reason = "most defaults do nothing, and the documentation shows the names")]
        fn $name $(<$input>)? (
            &mut self $(, $argument: $type)*, $cx: &mut $crate::Context<$life>
        ) $default
    )* };
}

/// Forwards each event of the list to the handler `$inner` and, for events of a connection, its session.
macro_rules! forward {
    (($self:ident, $session:ident, $cx:ident) to $inner:expr, $inner_session:expr; $(
        $(#[$doc:meta])*
        fn $name:ident (
            &mut self, session: &mut Self::Session $(, $argument:ident: $type:ty)*; cx: &mut Context<$life:lifetime>
        ) $default:block
    )*) => { $(
        fn $name(
            &mut $self,
            $session: &mut Self::Session,
            $($argument: $type,)*
            $cx: &mut $crate::Context<$life>,
        ) {
            $inner.$name($inner_session, $($argument,)* $cx);
        }
    )* };
    (($self:ident, $cx:ident) to $inner:expr; $(
        $(#[$doc:meta])*
        fn $name:ident $(<$input:lifetime>)? (
            &mut self $(, $argument:ident: $type:ty)*; cx: &mut Context<$life:lifetime>
        ) $default:block
    )*) => { $(
        fn $name $(<$input>)? (
            &mut $self, $($argument: $type,)* $cx: &mut $crate::Context<$life>,
        ) {
            $inner.$name($($argument,)* $cx);
        }
    )* };
}

pub(crate) use {declare, events, forward};
