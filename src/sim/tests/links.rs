//! Links: outbound connections with limits of their own, and those that close last at a stop.

use proptest::prelude::*;

use super::*;
use crate::connection::link::LinkLimits;
use crate::connection::origin::Via;
use crate::net::Address;

/// A server whose members are announced on a link: it says there when one has left.
struct Announcer {
    link: Link,
    /// The connection of the link, from its request on.
    to: Token,
    /// What has happened, in order. Members have their numbers, the link is `link`.
    calls: Vec<String>,
    members: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Role {
    Member(usize),
    Link,
}

impl Announcer {
    fn new(link: Link) -> Self {
        Announcer { link, to: Token::none(), calls: Vec::new(), members: 0 }
    }

    fn note(&mut self, role: Role, call: &str) {
        self.calls.push(match role {
            Role::Member(number) => format!("{number} {call}"),
            Role::Link => format!("link {call}"),
        });
    }
}

impl Handler for Announcer {
    type Session = Role;

    fn started(&mut self, cx: &mut Context<'_>) {
        self.to = cx.connect(broker(), self.link);
    }

    fn open(&mut self, origin: &Origin, _: &mut Context<'_>) -> Role {
        if let Via::Connect { .. } = origin.via {
            return Role::Link;
        }
        self.members += 1;
        Role::Member(self.members - 1)
    }

    /// A member echoes. The link takes the time that a line asks for, and answers it then.
    fn data<'a>(&mut self, role: &mut Role, input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        match role {
            Role::Member(_) => cx.reply_input(input),
            Role::Link if input == b"hold" => cx.hold_input(),
            Role::Link if input == b"hoard" => return 0,
            Role::Link => {
                self.note(Role::Link, &String::from_utf8_lossy(input));
                cx.set_timer(SECOND);
            }
        }
        input.len()
    }

    fn timer(&mut self, role: &mut Role, _: TimerId, cx: &mut Context<'_>) {
        self.note(*role, "has waited");
        cx.reply(b"waited;");
    }

    fn eof(&mut self, role: &mut Role, cx: &mut Context<'_>) {
        self.note(*role, "eof");
        cx.close();
    }

    fn dismissed(&mut self, role: &mut Role, cx: &mut Context<'_>) {
        self.note(*role, "dismissed");
        cx.reply(b"bye;");
    }

    fn stopping(&mut self, cx: &mut Context<'_>) {
        cx.send(self.to, b"stopping;");
    }

    fn closed(&mut self, role: Role, why: &Closed, cx: &mut Context<'_>) {
        self.note(role, &format!("closed: {why}"));
        if let Role::Member(number) = role {
            cx.send(self.to, format!("{number} left;").as_bytes());
        }
    }
}

fn broker() -> Address {
    "127.0.0.1:6379".parse().expect("an address")
}

fn closes_last() -> Link {
    Link { closes_last: true, ..Link::default() }
}

/// A server with this link, the broker at its other end, and members.
fn server<const N: usize>(link: Link, limits: Limits) -> (Sim<Announcer>, SimPeer, [SimPeer; N]) {
    let mut sim = Sim::with_limits(Announcer::new(link), limits);
    let broker = sim.connected(&broker());
    let members = [(); N].map(|()| sim.connect());
    sim.run();
    (sim, broker, members)
}

fn text(sim: &mut Sim<Announcer>, peer: SimPeer) -> String {
    String::from_utf8(sim.received(peer)).expect("a text")
}

/// The calls so far.
fn calls(sim: &mut Sim<Announcer>) -> Vec<String> {
    std::mem::take(&mut sim.handler_mut().calls)
}

#[test]
fn a_link_that_closes_last_hears_of_every_end() {
    let (mut sim, broker, members) = server::<2>(closes_last(), Limits::default());
    sim.stop();
    assert_eq!(text(&mut sim, broker), "stopping;0 left;1 left;bye;");
    assert_eq!(members.map(|peer| sim.received(peer)), [b"bye;"; 2]);
    assert_eq!(sim.ending(broker), Some(Ending::Eof));
    assert!(sim.is_stopped());
    assert_eq!(
        calls(&mut sim),
        [
            "0 dismissed",
            "1 dismissed",
            "0 closed: stopping",
            "1 closed: stopping",
            "link dismissed",
            "link closed: stopping"
        ]
    );
}

#[test]
fn without_the_option_a_link_ends_with_the_others() {
    let (mut sim, broker, _) = server::<2>(Link::default(), Limits::default());
    sim.stop();
    assert_eq!(text(&mut sim, broker), "stopping;bye;");
    assert!(sim.is_stopped());
}

#[test]
fn a_link_without_members_stops_at_once() {
    let (mut sim, broker, []) = server(closes_last(), Limits::default());
    sim.stop();
    assert!(sim.is_stopped());
    assert_eq!(text(&mut sim, broker), "stopping;bye;");
}

#[test]
fn a_link_works_on_while_a_member_drains() {
    let (mut sim, broker, [slow, quick]) = server(closes_last(), Limits::default());
    sim.stall(slow);
    sim.send(slow, b"echo");
    sim.stop();
    assert_eq!((text(&mut sim, broker), sim.ending(quick)), ("stopping;0 left;1 left;".to_owned(), Some(Ending::Eof)));
    sim.send(broker, b"line");
    sim.advance(2 * SECOND);
    assert_eq!(text(&mut sim, broker), "waited;", "its input is read, and its timers expire");
    assert!(!sim.is_stopped());
    sim.resume(slow);
    assert_eq!((text(&mut sim, slow), text(&mut sim, broker)), ("echobye;".to_owned(), "bye;".to_owned()));
    assert!(sim.is_stopped());
}

#[test]
fn the_drain_time_bounds_the_wait_for_a_member() {
    let (mut sim, broker, [stuck]) = server(closes_last(), Limits::default());
    sim.stall(stuck);
    sim.send(stuck, b"echo");
    sim.stop();
    sim.advance(4999 * MS);
    assert!(!sim.is_stopped() && sim.ending(broker).is_none());
    sim.advance(MS);
    assert!(sim.is_stopped());
    assert_eq!(text(&mut sim, broker), "stopping;0 left;");
    assert_eq!(calls(&mut sim).last().expect("calls"), "link closed: stopping");
}

#[test]
fn the_drain_time_bounds_the_output_of_the_link() {
    let (mut sim, broker, [_member]) = server(closes_last(), Limits::default());
    sim.stall(broker);
    sim.stop();
    sim.advance(4999 * MS);
    assert_eq!((sim.is_stopped(), sim.stats().queued), (false, "stopping;0 left;bye;".len()));
    sim.advance(MS);
    assert!(sim.is_stopped());
}

#[test]
fn a_second_request_drops_the_link() {
    let (mut sim, broker, [stuck]) = server(closes_last(), Limits::default());
    sim.stall(stuck);
    sim.send(stuck, b"echo");
    sim.stop();
    sim.run();
    sim.stop();
    assert!(sim.is_stopped());
    assert_eq!(text(&mut sim, broker), "stopping;0 left;", "the link was not dismissed");
}

#[test]
fn a_link_may_end_before_the_members() {
    for ends_by_reset in [false, true] {
        let (mut sim, broker, [slow]) = server(closes_last(), Limits::default());
        sim.stall(slow);
        sim.send(slow, b"echo");
        sim.stop();
        sim.run();
        if ends_by_reset {
            sim.reset(broker);
        } else {
            sim.shut_down(broker);
        }
        assert!(!sim.is_stopped(), "the member has time to drain");
        sim.resume(slow);
        assert!(sim.is_stopped());
        assert_eq!(text(&mut sim, slow), "echobye;");
    }
}

#[test]
fn a_link_that_is_not_established_is_dropped_at_a_stop() {
    let mut sim = Sim::new(Announcer::new(closes_last()));
    let member = sim.connect();
    sim.stop();
    assert!(sim.is_stopped());
    assert_eq!((sim.requests(), text(&mut sim, member)), (vec![], "bye;".to_owned()));
}

#[test]
fn a_held_link_is_released_when_it_is_its_turn() {
    let (mut sim, broker, [slow]) = server(closes_last(), Limits::default());
    sim.stall(slow);
    sim.send(slow, b"echo");
    sim.stop();
    sim.run();
    sim.send(broker, b"hold");
    sim.run();
    sim.send(broker, b"more");
    assert_eq!(sim.unread(broker), 4);
    sim.resume(slow);
    sim.shut_down(broker);
    assert!(sim.is_stopped());
    assert_eq!(text(&mut sim, broker), "stopping;0 left;bye;");
}

#[test]
fn links_wait_for_their_own_service_and_not_for_each_other() {
    let mut sim = Sim::new(Announcer::new(closes_last()));
    let first = sim.connected(&broker());
    sim.with_context(|announcer, cx| announcer.to = cx.connect(broker(), closes_last()));
    let second = sim.connected(&broker());
    let service = sim.add_service(ServiceOptions::default());
    let (member, other) = (sim.connect(), sim.connect_to(service));
    sim.stall(other);
    sim.send(other, b"echo");
    sim.stop();
    assert_eq!(
        (text(&mut sim, first), text(&mut sim, second)),
        ("bye;".to_owned(), "stopping;0 left;1 left;bye;".to_owned())
    );
    assert_eq!((text(&mut sim, member), sim.ending(first)), ("bye;".to_owned(), Some(Ending::Eof)));
    assert!(!sim.is_stopped(), "the other service drains");
    sim.resume(other);
    assert!(sim.is_stopped());
}

/// What a test does before or after the stop.
#[derive(Clone, Copy, Debug)]
enum Step {
    Say(usize),
    Stall(usize),
    Resume(usize),
    Reset(usize),
    ShutDown(usize),
    /// The broker reads this number of bytes more.
    Allow(usize),
    StallBroker,
    EndBroker,
    Stop,
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let member = 0..4_usize;
    let step = prop_oneof![
        4 => member.clone().prop_map(Step::Say),
        3 => member.clone().prop_map(Step::Stall),
        3 => member.clone().prop_map(Step::Resume),
        1 => member.clone().prop_map(Step::Reset),
        1 => member.prop_map(Step::ShutDown),
        2 => (1..20_usize).prop_map(Step::Allow),
        1 => Just(Step::StallBroker),
        1 => Just(Step::EndBroker),
        2 => Just(Step::Stop),
        2 => (0..3000_u64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..30)
}

proptest! {
    #[test]
    fn whatever_happens_a_stop_keeps_the_order_and_its_time(steps in steps()) {
        let limits = Limits { queue_time: None, ..Limits::default() };
        let (mut sim, broker, members) = server::<4>(closes_last(), limits);
        let mut scene = Scenery { is_ended: [false; 4], stops: 0, is_broker_ended: false, left: 5 * SECOND };
        for step in steps {
            scene.take(step, &mut sim, broker, members);
            sim.run();
        }
        if scene.stops == 0 {
            sim.stop();
        }
        sim.resume(broker);
        sim.advance(5 * SECOND);
        prop_assert!(sim.is_stopped());
        let (said, calls) = (text(&mut sim, broker), calls(&mut sim));
        let closed = |what: &str| calls.iter().position(|call| call.starts_with(&format!("{what} closed")));
        let ends: Vec<_> = (0..4).map(|number| closed(&number.to_string()).expect("each session ends")).collect();
        let link = closed("link").expect("the link ends");
        let dismissed = calls.iter().position(|call| call == "link dismissed");
        if let Some(dismissed) = dismissed {
            prop_assert!(ends.iter().all(|&end| end < dismissed) && dismissed < link, "{:?}", calls);
        }
        if !scene.is_broker_ended && scene.stops < 2 && !scene.left.is_zero() {
            // The broker reads, so it hears of each member, once.
            for number in 0..4 {
                prop_assert_eq!(said.matches(&format!("{number} left;")).count(), 1, "{}", said);
            }
            prop_assert_eq!(dismissed.is_some(), said.ends_with("bye;"), "{} {:?}", said, calls);
        }
    }
}

/// What has happened so far.
struct Scenery {
    is_ended: [bool; 4],
    stops: usize,
    is_broker_ended: bool,
    /// The drain time that is left.
    left: Duration,
}

impl Scenery {
    fn take(&mut self, step: Step, sim: &mut Sim<Announcer>, broker: SimPeer, members: [SimPeer; 4]) {
        match step {
            Step::Say(number) if !self.is_ended[number] => sim.send(members[number], b"echo"),
            Step::Stall(number) => sim.stall(members[number]),
            Step::Resume(number) => sim.resume(members[number]),
            Step::Reset(number) => {
                self.is_ended[number] = true;
                sim.reset(members[number]);
            }
            Step::ShutDown(number) => {
                self.is_ended[number] = true;
                sim.shut_down(members[number]);
            }
            Step::Allow(count) => sim.allow(broker, count),
            Step::StallBroker => sim.stall(broker),
            Step::EndBroker => {
                self.is_broker_ended = true;
                sim.shut_down(broker);
            }
            Step::Stop if self.stops < 2 => {
                self.stops += 1;
                sim.stop();
            }
            Step::Wait(millis) => {
                let time = Duration::from_millis(millis);
                self.left = if self.stops > 0 { self.left.saturating_sub(time) } else { self.left };
                sim.advance(time);
            }
            Step::Say(_) | Step::Stop => {}
        }
    }
}

/// Limits in round figures for a link: the high mark is 250.
fn tight() -> Link {
    let limits = LinkLimits { inbox: 10, max_queue: Some(1000), idle_timeout: Some(SECOND) };
    Link { limits: Some(limits), ..Link::default() }
}

#[test]
fn a_link_has_an_inbox_of_its_own() {
    let (mut sim, broker, [_member]) = server(tight(), Limits::default());
    sim.send(broker, b"hoard");
    assert_eq!(calls(&mut sim), [""; 0]);
    sim.send(broker, b"hoard");
    assert_eq!(sim.ending(broker), None, "the handler is given all of the full inbox once more");
    assert_eq!(calls(&mut sim), ["link hoardhoard"]);
}

#[test]
fn others_may_queue_as_much_for_a_link_as_it_says() {
    let (mut sim, broker, [member]) = server(tight(), Limits::default());
    for peer in [broker, member] {
        sim.stall(peer);
    }
    sim.with_context(|announcer, cx| cx.send(announcer.to, &[b'x'; 1000]));
    assert_eq!(sim.ending(broker), None);
    sim.with_context(|announcer, cx| cx.send(announcer.to, b"x"));
    assert_eq!(calls(&mut sim), ["link closed: 1001 bytes queued and not read, limit 1000 (--max-queue)"]);
    assert_eq!(sim.ending(member), None);
}

#[test]
fn what_waits_on_a_link_with_limits_is_not_in_the_memory_limit() {
    let limits = Limits { memory_limit: Some(100), ..Limits::default() };
    let (mut sim, broker, [modest, greedy]) = server(tight(), limits);
    for peer in [broker, modest, greedy] {
        sim.stall(peer);
    }
    sim.with_context(|announcer, cx| cx.send(announcer.to, &[b'x'; 900]));
    sim.send(modest, &[b'x'; 10]);
    sim.send(greedy, &[b'x'; 90]);
    assert_eq!(sim.stats().queued, 1000);
    assert_eq!([broker, modest, greedy].map(|peer| sim.ending(peer)), [None, None, None]);
    sim.send(greedy, b"x");
    assert_eq!([broker, modest, greedy].map(|peer| sim.ending(peer)), [None, None, Some(Ending::Reset)]);
}

#[test]
fn a_link_that_is_quiet_ends_and_a_member_does_not() {
    let (mut sim, broker, [member]) = server(tight(), Limits::default());
    sim.advance(SECOND);
    assert_eq!((sim.ending(broker), sim.ending(member)), (Some(Ending::Eof), None));
    assert_eq!(calls(&mut sim).len(), 1);
}

#[test]
fn a_link_without_a_limit_stays_where_members_do_not() {
    let limits = Limits { idle_timeout: Some(SECOND), ..Limits::default() };
    let link = Link { limits: Some(LinkLimits::default()), ..Link::default() };
    let (mut sim, broker, [member]) = server(link, limits);
    sim.advance(SECOND);
    assert_eq!((sim.ending(broker), sim.ending(member)), (None, Some(Ending::Eof)));
}

#[test]
fn the_limits_of_a_link_end_with_it() {
    let (mut sim, broker, [_member]) = server(tight(), Limits::default());
    sim.reset(broker);
    sim.run();
    let services = &sim.dispatcher.state.services;
    assert_eq!(services.own_limits_count(), 0);
    let later = sim.connect();
    sim.advance(2 * SECOND);
    assert_eq!(sim.ending(later), None, "the slot has no limits of its own");
}
