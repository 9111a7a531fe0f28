//! Tests of the reactor without sockets, one topic in a file. This file has the handler that they share.

use std::process::ExitStatus;

use super::*;
use crate::connection::closed::Closed;
use crate::connection::feeds::FeedId;
use crate::connection::link::Link;
use crate::connection::origin::Origin;
use crate::connection::timer_id::TimerId;
use crate::handler::context::Context;

mod admission;
mod back_pressure;
mod child;
mod chunking;
mod closing;
mod connecting;
mod crowd;
mod feed;
mod files;
mod jobs;
mod links;
mod operator;
mod order;
mod others;
mod proxy;
mod reading;
mod receipts;
mod relay;
mod removed_feed;
mod several;
mod starting;
mod stopping;
mod suspended;
mod timers;
#[cfg(feature = "tls")]
mod tls;
mod tokens;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// A call of the handler.
#[derive(Clone, Copy)]
enum Call<'c> {
    Open,
    Data(&'c [u8]),
    Eof,
    Drained,
    Timeout(TimerId),
    Exited(ExitStatus),
    Alarm,
    Closed(&'c Closed),
}

/// The record of a scene.
#[derive(Default)]
struct Notes {
    /// The tokens of the sessions, by number: the order in which they opened.
    tokens: Vec<Token>,
    /// A line for each call. It starts with the number of the session.
    calls: Vec<String>,
    room: Option<FeedId>,
}

impl Notes {
    /// The one feed of a scene.
    fn room(&mut self, cx: &mut Context<'_>) -> FeedId {
        *self.room.get_or_insert_with(|| cx.create_feed())
    }

    /// The number of `closed` calls of a session.
    fn closings(&self, who: usize) -> usize {
        let start = format!("{who} closed");
        self.calls.iter().filter(|call| call.starts_with(&start)).count()
    }
}

/// A handler that records each call and then calls a function. It uses all input.
struct Scene<F> {
    act: F,
    notes: Notes,
}

/// The number in calls that concern no session.
const NOBODY: usize = usize::MAX;

fn scene<F>(act: F) -> Scene<F>
where
    F: FnMut(&mut Notes, usize, Call<'_>, &mut Context<'_>),
{
    Scene { act, notes: Notes::default() }
}

impl<F> Scene<F>
where
    F: FnMut(&mut Notes, usize, Call<'_>, &mut Context<'_>),
{
    fn call(&mut self, who: usize, call: Call<'_>, cx: &mut Context<'_>) {
        let line = match &call {
            Call::Open => format!("{who} open"),
            Call::Data(input) => format!("{who} data {}", input.len()),
            Call::Eof => format!("{who} eof"),
            Call::Drained => format!("{who} drained"),
            Call::Timeout(_) => format!("{who} timeout"),
            Call::Exited(status) => format!("{who} exited: {status}"),
            Call::Alarm => "alarm".to_owned(),
            Call::Closed(why) => format!("{who} closed: {why}"),
        };
        self.notes.calls.push(line);
        (self.act)(&mut self.notes, who, call, cx);
    }
}

impl<F> Handler for Scene<F>
where
    F: FnMut(&mut Notes, usize, Call<'_>, &mut Context<'_>),
{
    type Session = usize;

    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> usize {
        self.notes.tokens.push(origin.token);
        let who = self.notes.tokens.len() - 1;
        self.call(who, Call::Open, cx);
        who
    }

    fn data<'a>(&mut self, who: &mut usize, input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        self.call(*who, Call::Data(input), cx);
        input.len()
    }

    fn eof(&mut self, who: &mut usize, cx: &mut Context<'_>) {
        self.call(*who, Call::Eof, cx);
        cx.close();
    }

    fn drained(&mut self, who: &mut usize, cx: &mut Context<'_>) {
        self.call(*who, Call::Drained, cx);
    }

    fn timer(&mut self, who: &mut usize, timer: TimerId, cx: &mut Context<'_>) {
        self.call(*who, Call::Timeout(timer), cx);
    }

    fn exited(&mut self, who: &mut usize, status: ExitStatus, cx: &mut Context<'_>) {
        self.call(*who, Call::Exited(status), cx);
    }

    fn service_timer(&mut self, _: TimerId, cx: &mut Context<'_>) {
        self.call(NOBODY, Call::Alarm, cx);
    }

    fn closed(&mut self, who: usize, why: &Closed, cx: &mut Context<'_>) {
        self.call(who, Call::Closed(why), cx);
    }
}

impl<F> Sim<Scene<F>>
where
    F: FnMut(&mut Notes, usize, Call<'_>, &mut Context<'_>),
{
    /// The calls since the last time.
    fn calls(&mut self) -> Vec<String> {
        std::mem::take(&mut self.handler_mut().notes.calls)
    }

    /// Publishes to the room of the scene, without a session.
    fn publish(&mut self, bytes: &[u8]) {
        self.run();
        self.with_context(|handler, cx| {
            let room = handler.notes.room(cx);
            cx.publish(room, bytes);
        });
        self.run();
    }

    fn connections(&mut self) -> usize {
        self.stats().connections
    }
}

/// All follow the room. Input of one goes to the others.
fn hear_others(notes: &mut Notes, call: &Call<'_>, cx: &mut Context<'_>) {
    let room = notes.room(cx);
    match call {
        Call::Open => cx.follow(room),
        Call::Data(input) => cx.publish_others(room, input),
        _ => {}
    }
}

/// Limits in round figures: `max_queue` is 16,000, so the high mark is 4,000 and the low mark 1,000.
fn small() -> Limits {
    Limits { max_queue: Some(16_000), ..Limits::default() }
}
