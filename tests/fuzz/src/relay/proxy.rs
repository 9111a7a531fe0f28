//! A handler that joins each client to another connection, and passes bytes and ends on in both directions.

use std::io;
use std::process::ExitStatus;

use switchboard::{Address, Closed, Context, Handler, Link, Origin, Spawn, Token, Via};

/// The handler.
#[derive(Default)]
pub(super) struct Proxy {
    /// The next client is joined to a child.
    pub(super) starts_child: bool,
    pub(super) pairs: Vec<Joint>,
    /// The numbers of the pairs that wait for their connection, in order.
    pub(super) waiting: Vec<usize>,
}

/// What the handler knows of a pair.
pub(super) struct Joint {
    client: Token,
    server: Option<Token>,
    /// The sides that have ended: of the client, and of the other end.
    has_ended: [bool; 2],
    /// Sessions that are open.
    pub(super) sessions: usize,
    /// A session has ended.
    pub(super) is_over: bool,
    has_exited: bool,
}

/// The number of a pair, and which end it is.
#[derive(Clone, Copy)]
pub(super) struct Side {
    pair: usize,
    is_server: bool,
}

/// Where the client of a pair is connected to.
pub(super) fn address(pair: usize) -> Address {
    Address::Unix(format!("/run/{pair}").into())
}

impl Proxy {
    fn partner(&self, side: Side) -> Option<Token> {
        let pair = &self.pairs[side.pair];
        if side.is_server { Some(pair.client) } else { pair.server }
    }

    fn join(&mut self, client: Token, cx: &mut Context<'_>) -> Side {
        let number = self.pairs.len();
        let server = if self.starts_child {
            cx.spawn(&Spawn::new("/bin/cat")).expect("a simulated child")
        } else {
            self.waiting.push(number);
            cx.connect(address(number), Link::default())
        };
        let server = Some(server);
        let (has_ended, sessions) = ([false; 2], 1);
        self.pairs.push(Joint { client, server, has_ended, sessions, is_over: false, has_exited: false });
        Side { pair: number, is_server: false }
    }
}

impl Handler for Proxy {
    type Session = Side;

    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> Side {
        if let Via::Listener(_) = origin.via {
            return self.join(origin.token, cx);
        }
        let number = self.pairs.iter().position(|pair| pair.server == Some(origin.token));
        let pair = number.expect("a token that the handler was given");
        self.waiting.retain(|&waiting| waiting != pair);
        self.pairs[pair].sessions += 1;
        Side { pair, is_server: true }
    }

    fn data<'a>(&mut self, side: &mut Side, input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        if let Some(to) = self.partner(*side)
            && !cx.relay(to, input)
        {
            // The other end is gone, or the write has found that.
            cx.close();
        }
        input.len()
    }

    fn eof(&mut self, side: &mut Side, cx: &mut Context<'_>) {
        let pair = &mut self.pairs[side.pair];
        let had_ended = std::mem::replace(&mut pair.has_ended[usize::from(side.is_server)], true);
        assert!(!had_ended, "the end is told once");
        let both = pair.has_ended == [true; 2];
        if let Some(other) = self.partner(*side) {
            if both { cx.close_other(other) } else { cx.shut_down_other(other) }
        }
        if both {
            cx.close();
        }
    }

    fn exited(&mut self, side: &mut Side, _: ExitStatus, _: &mut Context<'_>) {
        let pair = &mut self.pairs[side.pair];
        assert!(side.is_server && !std::mem::replace(&mut pair.has_exited, true), "an exit is told once");
    }

    fn closed(&mut self, side: Side, cause: &Closed, cx: &mut Context<'_>) {
        let pair = &mut self.pairs[side.pair];
        pair.sessions -= 1;
        pair.is_over = true;
        self.waiting.retain(|&waiting| waiting != side.pair);
        if let Some(other) = self.partner(side) {
            if let Closed::Failed(_) = cause { cx.abort_other(other) } else { cx.close_other(other) }
        }
    }

    fn connect_failed(&mut self, token: Token, _: &Address, _: &io::Error, cx: &mut Context<'_>) {
        let number = self.pairs.iter().position(|pair| pair.server == Some(token));
        let number = number.expect("a token that the handler was given");
        self.waiting.retain(|&waiting| waiting != number);
        self.pairs[number].is_over = true;
        cx.close_other(self.pairs[number].client);
    }
}
