use super::*;
use crate::connection::link::Link;
use crate::connection::origin::Source;
use crate::connection::timer_id::TimerId;
use crate::servers::{Chat, ChatOptions, Uppercase};
use crate::sim::{Ending, Sim, assert_chunking_law};
use crate::state::limits::Limits;
use crate::state::service::ServiceOptions;
use crate::workers::{Done, Workers};
use std::time::Duration;

/// Says its name wherever it is called outside of any connection.
struct Named {
    name: &'static str,
    workers: Workers<()>,
}

impl Named {
    fn new(name: &'static str) -> Self {
        Named { name, workers: Workers::new(name, 10, vec![()]) }
    }

    fn report(&self, what: &str, cx: &mut Context<'_>) {
        cx.write_stderr(&format!("{} {what}", self.name));
    }
}

impl Handler for Named {
    type Session = String;

    fn open(&mut self, _: &Origin, cx: &mut Context<'_>) -> String {
        cx.reply(self.name.as_bytes());
        self.name.to_owned()
    }

    fn data<'a>(&mut self, _: &mut String, input: &'a mut [u8], _: &mut Context<'a>) -> usize {
        input.len()
    }

    fn closed(&mut self, session: String, _: &Closed, cx: &mut Context<'_>) {
        assert_eq!(session, self.name);
        self.report("closed", cx);
        cx.set_timer(Duration::ZERO);
        cx.offload(&self.workers, |()| 7).expect("room");
        let _ = cx.connect("127.0.0.1:1".parse().expect("a literal"), Link::default());
    }

    fn datagram<'a>(&mut self, _: &Source, _: &'a mut [u8], cx: &mut Context<'a>) {
        cx.reply(self.name.as_bytes());
    }

    fn console(&mut self, line: &[u8], cx: &mut Context<'_>) {
        self.report(&format!("heard {:?}", String::from_utf8_lossy(line)), cx);
        cx.set_timer(Duration::ZERO);
    }

    fn console_end(&mut self, cx: &mut Context<'_>) {
        self.report("heard the end", cx);
        cx.set_timer(Duration::ZERO);
    }

    fn reload(&mut self, cx: &mut Context<'_>) {
        self.report("reloads", cx);
    }

    fn service_timer(&mut self, _: TimerId, cx: &mut Context<'_>) {
        self.report("service timer", cx);
    }

    fn service_done(&mut self, done: Done, cx: &mut Context<'_>) {
        let number: i32 = done.downcast().expect("a number");
        self.report(&format!("service done {number}"), cx);
    }
}

/// Returns a simulation with the services `ann`, which is the default, and `bob`, with the limits of `bob`.
fn two(limits: Limits) -> (Sim<Services>, ServiceId) {
    let mut sim = Sim::new(Services::new());
    let bob = sim.add_service(ServiceOptions { limits, ..ServiceOptions::default() });
    sim.handler_mut().add(bob, "bob", Named::new("bob"));
    sim.handler_mut().add(ServiceId::DEFAULT, "ann", Named::new("ann"));
    (sim, bob)
}

#[test]
fn each_is_called_for_what_is_its_own() {
    let (mut sim, bob) = two(Limits::default());
    let (to_ann, to_bob) = (sim.connect(), sim.connect_to(bob));
    assert_eq!((sim.received(to_ann), sim.received(to_bob)), (b"ann".to_vec(), b"bob".to_vec()));
    sim.shut_down(to_bob);
    assert_eq!(sim.stderr(), "bob closed\nbob service done 7\nbob service timer\n");
    sim.shut_down(to_ann);
    assert_eq!(sim.stderr(), "ann closed\nann service done 7\nann service timer\n");
}

#[test]
fn the_operator_speaks_to_one_or_to_all() {
    let (mut sim, bob) = two(Limits::default());
    let _peer = sim.connect_to(bob);
    sim.console(b"  bob  interest 2 ");
    assert_eq!(sim.stderr(), "bob heard \"interest 2\"\nbob service timer\n");
    sim.console(b"ann");
    assert_eq!(sim.stderr(), "usage: ann LINE, which gives LINE to the service ann\n");
    sim.console(b"stats");
    let stats = sim.stderr();
    assert!(
        stats.contains("\nconnections  1 open, ") && stats.ends_with("\nbob: connections 1\nann: connections 0\n"),
        "{stats}"
    );
    sim.console(b"help");
    assert!(sim.stderr().ends_with("one of: bob, ann\n"));
    sim.console(b"eve hello");
    assert!(sim.stderr().contains("unknown command"));
    sim.console(b"quit");
    sim.run();
    assert!(sim.is_stopped());
}

#[test]
fn the_end_of_the_console_reaches_every_handler() {
    let (mut sim, _) = two(Limits::default());
    sim.console_end();
    sim.run();
    assert_eq!(sim.stderr(), "bob heard the end\nann heard the end\nbob service timer\nann service timer\n");
    assert!(!sim.is_stopped(), "neither of the two handlers stops at the end");
}

#[test]
fn a_reload_reaches_every_handler() {
    let (mut sim, _) = two(Limits::default());
    sim.reload();
    assert_eq!(sim.stderr(), "bob reloads\nann reloads\n");
}

#[test]
fn a_service_without_a_handler_closes_its_connections() {
    let (mut sim, _) = two(Limits::default());
    let empty = sim.add_service(ServiceOptions::default());
    let peer = sim.connect_to(empty);
    sim.send(peer, b"hello");
    sim.handler_mut().add(empty, "late", Named::new("late"));
    assert_eq!((sim.received(peer), sim.ending(peer)), (Vec::new(), Some(Ending::Eof)));
    let late = sim.connect_to(empty);
    assert_eq!(sim.received(late), b"late");
    sim.shut_down(peer);
    assert_eq!(sim.stderr(), "", "the handler that was added later is not told of the end");
}

#[test]
fn a_second_handler_serves_later_connections() {
    let (mut sim, bob) = two(Limits::default());
    let before = sim.connect_to(bob);
    sim.run();
    sim.handler_mut().add(bob, "eve", Named::new("eve"));
    let after = sim.connect_to(bob);
    assert_eq!((sim.received(before), sim.received(after)), (b"bob".to_vec(), b"eve".to_vec()));
    sim.shut_down(before);
    assert!(sim.stderr().starts_with("bob closed\n"));
}

#[test]
fn limits_are_each_services_own() {
    let idle = Some(Duration::from_secs(5));
    let (mut sim, bob) = two(Limits { idle_timeout: idle, ..Limits::default() });
    let (to_ann, to_bob) = (sim.connect(), sim.connect_to(bob));
    sim.advance(Duration::from_secs(5));
    assert_eq!(sim.ending(to_ann), None);
    assert!(sim.ending(to_bob).is_some(), "only the second has an idle time");
}

#[test]
fn a_room_keeps_to_the_limits_of_the_service_that_it_belongs_to() {
    let mut sim = Sim::new(Services::new());
    let mut options = ServiceOptions::default();
    options.limits.feed_buffer = Some(10_000);
    let chat = sim.add_service(options);
    sim.handler_mut().add(chat, "chat", Chat::room(ChatOptions::default()));
    let [talks, stuck] = [(); 2].map(|()| sim.connect_to(chat));
    for (peer, nick) in [(talks, "talks\n"), (stuck, "stuck\n")] {
        sim.send(peer, nick.as_bytes());
        sim.run();
    }
    sim.stall(stuck);
    for _ in 0..20 {
        sim.send(talks, &[&[b'x'; 1000][..], b"\n"].concat());
        sim.run();
    }
    assert!(sim.received(talks).ends_with(b"stuck leaves the room!\n"), "a whole room buffer behind");
}

#[test]
fn the_chunking_law_holds_through_the_table_too() {
    let lines = || {
        let mut services = Services::new();
        services.add(ServiceId::DEFAULT, "chat", Chat::room(ChatOptions::default()));
        services
    };
    assert_chunking_law(lines, b"ann\nhello\n/who\n/quit\n");
    let bytes = || {
        let mut services = Services::new();
        services.add(ServiceId::DEFAULT, "uppercase", Uppercase::unicode());
        services
    };
    assert_chunking_law(bytes, "straße\n".as_bytes());
}

#[test]
fn an_empty_session_takes_no_memory_of_its_own() {
    assert!(size_of::<ServiceSession>() <= 24);
}
