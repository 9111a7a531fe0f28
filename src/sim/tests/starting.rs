//! The start: `started` comes once and first, and what it requests follows.

use std::net::SocketAddr;

use super::*;
use crate::connection::ids::ServiceId;
use crate::connection::origin::Source;
use crate::framing::{Framed, LineFramer, MessageHandler};
use crate::handler::services::Services;
use crate::workers::{Done, Workers};

/// Records its calls, and requests at the start what a service can have.
struct Starter {
    calls: Vec<String>,
    workers: Workers<()>,
}

impl Starter {
    fn new() -> Self {
        Starter { calls: Vec::new(), workers: Workers::new("starter", 1, vec![()]) }
    }
}

impl Handler for Starter {
    type Session = ();

    fn started(&mut self, cx: &mut Context<'_>) {
        self.calls.push("started".to_owned());
        cx.set_timer(SECOND);
        cx.offload(&self.workers, |()| 7).expect("room");
        let _ = cx.connect("127.0.0.1:1".parse().expect("an address"), Link::default());
    }

    fn open(&mut self, _: &Origin, _: &mut Context<'_>) {
        self.calls.push("open".to_owned());
    }

    fn data<'a>(&mut self, (): &mut (), input: &'a mut [u8], _: &mut Context<'a>) -> usize {
        input.len()
    }

    fn datagram<'a>(&mut self, _: &Source, _: &'a mut [u8], _: &mut Context<'a>) {
        self.calls.push("datagram".to_owned());
    }

    fn service_timer(&mut self, _: TimerId, _: &mut Context<'_>) {
        self.calls.push("timer".to_owned());
    }

    fn service_done(&mut self, done: Done, _: &mut Context<'_>) {
        self.calls.push(format!("done {}", done.downcast::<i32>().expect("a number")));
    }

    fn console(&mut self, _: &[u8], _: &mut Context<'_>) {
        self.calls.push("console".to_owned());
    }

    fn reload(&mut self, _: &mut Context<'_>) {
        self.calls.push("reload".to_owned());
    }

    fn stopping(&mut self, _: &mut Context<'_>) {
        self.calls.push("stopping".to_owned());
    }
}

/// The first two calls if this is the first action, apart from the job that the start has offloaded.
fn first_calls(act: impl FnOnce(&mut Sim<Starter>)) -> Vec<String> {
    let mut sim = Sim::new(Starter::new());
    act(&mut sim);
    sim.run();
    sim.handler_mut().calls.iter().filter(|call| *call != "done 7").cloned().collect()
}

#[test]
fn the_start_comes_once_and_before_every_other_call() {
    let from = SocketAddr::from(([127, 0, 0, 1], 40_000));
    assert_eq!(first_calls(|sim| _ = sim.connect()), ["started", "open"]);
    assert_eq!(first_calls(|sim| _ = sim.datagram(from, b"x")), ["started", "datagram"]);
    assert_eq!(first_calls(|sim| sim.console(b"x")), ["started", "console"]);
    assert_eq!(first_calls(Sim::reload), ["started", "reload"]);
    assert_eq!(first_calls(Sim::stop), ["started", "stopping"]);
    assert_eq!(
        first_calls(|sim| sim.with_context(|starter, _| starter.calls.push("call".to_owned()))),
        ["started", "call"]
    );
    assert_eq!(first_calls(|sim| sim.advance(SECOND)), ["started", "timer"]);
}

#[test]
fn the_handler_can_be_set_up_before_the_start() {
    let mut sim = Sim::new(Starter::new());
    sim.handler_mut().calls.push("set up".to_owned());
    assert_eq!(sim.handler_mut().calls, ["set up"]);
    sim.run();
    assert_eq!(sim.handler_mut().calls, ["set up", "started", "done 7"]);
}

#[test]
fn what_the_start_requests_follows() {
    let mut sim = Sim::new(Starter::new());
    let [to] = &sim.pending_connects()[..] else { panic!("one request") };
    sim.connected(to);
    sim.advance(SECOND);
    assert_eq!(sim.handler_mut().calls, ["started", "done 7", "open", "timer"]);
}

#[test]
fn a_second_request_to_stop_at_once_still_starts() {
    let mut sim = Sim::new(Starter::new());
    sim.stop();
    sim.stop();
    assert!(sim.is_stopped());
    assert_eq!(sim.handler_mut().calls[0], "started");
}

#[test]
fn each_handler_of_a_list_starts_for_its_service() {
    let mut sim = Sim::new(Services::new());
    let second = sim.add_service(ServiceOptions::default());
    sim.handler_mut().add(ServiceId::DEFAULT, "first", Framed::with_framer(Says("first"), LineFramer::new(80)));
    sim.handler_mut().add(second, "second", Framed::with_framer(Says("second"), LineFramer::new(80)));
    sim.run();
    assert_eq!(sim.stderr(), "first started\nsecond started\n");
    sim.advance(SECOND);
    assert_eq!(sim.stderr(), "first has time\nsecond has time\n");
}

/// Says what it is called for, as a handler of messages.
struct Says(&'static str);

impl MessageHandler for Says {
    type Session = ();

    fn started(&mut self, cx: &mut Context<'_>) {
        cx.write_stderr(&format!("{} started", self.0));
        cx.set_timer(SECOND);
    }

    fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}

    fn message<'a>(&mut self, (): &mut (), _: &'a mut [u8], _: &mut Context<'a>) {}

    fn service_timer(&mut self, _: TimerId, cx: &mut Context<'_>) {
        cx.write_stderr(&format!("{} has time", self.0));
    }
}
