//! Servers and a broker in one simulated world.

mod law;
mod person;
mod world;

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::{Index, select};
use switchboard_harness::redis::Kept;

use super::*;
use person::Person;
use world::World;

const SECOND: Duration = Duration::from_secs(1);

/// Long enough for back-off, leases, and rooms that are loaded again.
const QUIET: Duration = Duration::from_secs(15);

/// What happens. Persons and servers are chosen among those that there are.
#[derive(Clone, Debug)]
enum Deed {
    Arrive {
        server: Index,
        is_page: bool,
        nick: &'static str,
    },
    Say(Index),
    Act(Index),
    Enter(Index, &'static str),
    Rename(Index, &'static str),
    Tell(Index, &'static str),
    Quit(Index),
    Reset(Index),
    /// This many bytes of each link are carried, and a command of each client is executed.
    Trickle(usize),
    Settle,
    /// Time passes, in milliseconds: with all that happens meanwhile, or with nothing carried.
    Pass(u64),
    Wait(u64),
    Lose(Index, usize),
    Cut(Index, bool),
    StopServer(Index),
    ContinueServer(Index),
    KillServer(Index),
    StopBroker,
    ContinueBroker,
    RestartBroker(Kept),
    /// The broker saves its data, for a later start.
    Save,
    /// The data of the broker are deleted.
    Wipe,
    /// The last entries of a room are kept.
    Trim(&'static str, &'static str),
}

fn nick() -> impl Strategy<Value = &'static str> {
    select(vec!["Ann", "ann", "bob", "cat", "dan", "eve"])
}

fn peace() -> impl Strategy<Value = Deed> {
    let room = || select(vec!["lobby", "rust", "Go"]);
    prop_oneof![
        3 => (any::<Index>(), any::<bool>(), nick())
            .prop_map(|(server, is_page, nick)| Deed::Arrive { server, is_page, nick }),
        6 => any::<Index>().prop_map(Deed::Say),
        1 => any::<Index>().prop_map(Deed::Act),
        2 => (any::<Index>(), room()).prop_map(|(person, room)| Deed::Enter(person, room)),
        2 => (any::<Index>(), nick()).prop_map(|(person, nick)| Deed::Rename(person, nick)),
        1 => (any::<Index>(), nick()).prop_map(|(person, nick)| Deed::Tell(person, nick)),
        1 => any::<Index>().prop_map(Deed::Quit),
        1 => any::<Index>().prop_map(Deed::Reset),
        4 => (1..400_usize).prop_map(Deed::Trickle),
        2 => Just(Deed::Settle),
        2 => (1..3000_u64).prop_map(Deed::Pass),
    ]
}

/// What ends, and whatever happens the data of the broker stays.
fn trouble() -> impl Strategy<Value = Deed> {
    prop_oneof![
        6 => (any::<Index>(), 0..2_usize).prop_map(|(server, link)| Deed::Lose(server, link)),
        1 => (1..8000_u64).prop_map(Deed::Wait),
        1 => (1..8000_u64).prop_map(Deed::Pass),
        2 => any::<Index>().prop_map(|server| Deed::Cut(server, true)),
        2 => any::<Index>().prop_map(|server| Deed::Cut(server, false)),
        1 => any::<Index>().prop_map(Deed::StopServer),
        2 => any::<Index>().prop_map(Deed::ContinueServer),
        1 => any::<Index>().prop_map(Deed::KillServer),
        1 => Just(Deed::StopBroker),
        2 => Just(Deed::ContinueBroker),
        1 => Just(Deed::RestartBroker(Kept::All)),
    ]
}

/// What happens to the data of the broker.
fn loss() -> impl Strategy<Value = Deed> {
    let keys = select(vec!["switchboard:room:lobby", "switchboard:room:rust"]);
    prop_oneof![
        Just(Deed::RestartBroker(Kept::Saved)),
        Just(Deed::RestartBroker(Kept::Nothing)),
        Just(Deed::Save),
        Just(Deed::Wipe),
        (keys, select(vec!["1", "2", "5"])).prop_map(|(key, count)| Deed::Trim(key, count)),
    ]
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    prop::collection::vec(prop_oneof![3 => peace(), 1 => trouble()], 1..60)
}

fn deeds_with_loss() -> impl Strategy<Value = Vec<Deed>> {
    prop::collection::vec(prop_oneof![12 => peace(), 3 => trouble(), 2 => loss()], 1..60)
}

/// A world and the persons in it.
struct Play {
    world: World,
    persons: Vec<Person>,
    /// The number of texts that were said.
    texts: usize,
}

impl Play {
    fn new(servers: usize) -> Play {
        let mut world = World::of(servers);
        world.pass(SECOND);
        Play { world, persons: Vec::new(), texts: 0 }
    }

    /// Lets a person arrive and choose a nickname.
    fn arrive(&mut self, server: usize, is_page: bool, nick: &str) {
        if let Some(mut person) = Person::arrive(&mut self.world, server, is_page) {
            person.look(&mut self.world);
            person.type_line(&mut self.world, nick);
            self.persons.push(person);
        }
    }

    /// Lets a person type a line, if it is inside. One that is asked for a nickname types that.
    fn types(&mut self, person: Index, line: &str, nick: &str) {
        if self.persons.is_empty() {
            return;
        }
        let person = person.get_mut(&mut self.persons);
        person.look(&mut self.world);
        if person.is_inside() {
            person.type_line(&mut self.world, line);
        } else if person.is_asked {
            person.type_line(&mut self.world, nick);
        }
    }

    fn say(&mut self, person: Index, mark: &str) {
        if self.persons.is_empty() {
            return;
        }
        let person = person.get_mut(&mut self.persons);
        person.look(&mut self.world);
        if person.is_inside() {
            self.texts += 1;
            person.say(&mut self.world, &format!("{mark}text {}", self.texts));
        }
    }

    fn does(&mut self, deed: &Deed) {
        let count = self.world.servers.len();
        match *deed {
            Deed::Arrive { ref server, is_page, nick } => self.arrive(server.index(count), is_page, nick),
            Deed::Say(person) => self.say(person, ""),
            Deed::Act(person) => self.say(person, "/me "),
            Deed::Enter(person, room) => self.types(person, &format!("/join {room}"), "fay"),
            Deed::Rename(person, nick) => self.types(person, &format!("/nick {nick}"), nick),
            Deed::Tell(person, nick) => self.types(person, &format!("/msg {nick} psst"), nick),
            Deed::Quit(person) => self.types(person, "/quit", "gil"),
            Deed::Reset(person) if !self.persons.is_empty() => person.get_mut(&mut self.persons).reset(&mut self.world),
            Deed::Trickle(most) => {
                self.world.trickle(most);
            }
            Deed::Settle => self.world.settle(),
            Deed::Pass(time) => self.world.pass(Duration::from_millis(time)),
            Deed::Wait(time) => self.world.wait(Duration::from_millis(time)),
            Deed::Lose(server, link) => self.world.lose(server.index(count), link),
            Deed::Cut(server, is_cut) => self.world.cut(server.index(count), is_cut),
            Deed::StopServer(server) => self.world.stop_server(server.index(count)),
            Deed::ContinueServer(server) => self.world.continue_server(server.index(count)),
            // One server stays.
            Deed::KillServer(server) if server.index(count) > 0 => self.world.kill_server(server.index(count)),
            Deed::Reset(_) | Deed::KillServer(_) => {}
            Deed::StopBroker => self.world.redis.stop(),
            Deed::ContinueBroker => self.world.redis.resume(),
            Deed::RestartBroker(kept) => self.world.restart_broker(kept),
            Deed::Save => self.world.redis.save(),
            Deed::Wipe => {
                self.world.redis.execute(&["FLUSHALL"]);
            }
            Deed::Trim(key, count) => {
                self.world.redis.execute(&["XTRIM", key, "MAXLEN", count]);
            }
        }
    }

    /// Ends all trouble, and lets everything come to rest.
    fn rest(&mut self) {
        self.world.mend();
        self.world.pass(QUIET);
        for person in &mut self.persons {
            person.look(&mut self.world);
        }
    }

    /// Judges what has happened, also if the broker has lost data: then a line that was not read may be lost.
    fn judge_after_loss(&mut self) {
        for person in &self.persons {
            law::has_seen_nothing_twice(person);
        }
        law::servers_agree(&mut self.world, &self.persons);
    }

    /// Judges what has happened. The data of the broker was kept.
    fn judge(&mut self) {
        law::nicknames_have_one_owner(&self.world);
        for person in &self.persons {
            law::was_heard_once(&self.world, person);
            law::has_seen_its_rooms(&self.world, person);
        }
        law::servers_agree(&mut self.world, &self.persons);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_is_lost_or_stopped_all_members_see_the_same(servers in 2..4_usize, deeds in deeds()) {
        let mut play = Play::new(servers);
        for deed in &deeds {
            play.does(deed);
        }
        play.rest();
        play.judge();
    }

    #[test]
    fn servers_agree_again_after_the_broker_has_lost_data(servers in 2..4_usize, deeds in deeds_with_loss()) {
        let mut play = Play::new(servers);
        for deed in &deeds {
            play.does(deed);
        }
        play.rest();
        play.judge_after_loss();
    }
}

#[test]
fn members_of_two_servers_see_each_other() {
    let mut play = Play::new(2);
    play.arrive(0, false, "ann");
    play.world.settle();
    play.arrive(1, true, "bob");
    play.world.settle();
    for (person, text) in [(0, "hello"), (1, "/me waves")] {
        play.persons[person].look(&mut play.world);
        play.persons[person].say(&mut play.world, text);
        play.world.settle();
    }
    play.rest();
    assert_eq!(play.persons[0].stays, [["Welcome bob to the room!", "* bob waves"]]);
    assert_eq!(play.persons[1].stays, [["ann: hello", "* bob waves"]]);
    play.judge();
}

#[test]
fn a_member_that_leaves_while_it_is_renamed_is_gone() {
    let mut play = Play::new(2);
    play.arrive(0, false, "ann");
    play.world.settle();
    play.persons[0].type_line(&mut play.world, "/nick bob");
    play.persons[0].reset(&mut play.world);
    play.rest();
    play.judge();
}

#[test]
fn a_broker_with_older_data_has_no_member_that_has_left() {
    let mut play = Play::new(2);
    play.arrive(0, false, "ann");
    play.arrive(1, false, "bob");
    play.world.settle();
    play.world.redis.save();
    play.arrive(1, true, "cat");
    play.world.settle();
    play.persons[0].type_line(&mut play.world, "/quit");
    play.world.settle();
    play.world.restart_broker(Kept::Saved);
    play.rest();
    play.judge_after_loss();
    assert_eq!(law::keys(&mut play.world, "switchboard:nicks"), ["bob", "cat"].map(str::to_owned).into());
}

#[test]
fn a_server_that_was_away_for_minutes_has_no_member_of_the_past() {
    let mut play = Play::new(2);
    for (server, nick) in [(0, "ann"), (1, "bob")] {
        play.arrive(server, false, nick);
        play.world.settle();
        let person = play.persons.last_mut().expect("it has arrived");
        person.look(&mut play.world);
        person.type_line(&mut play.world, "/join rust");
        play.world.settle();
    }
    play.world.stop_server(0);
    play.world.pass(10 * SECOND);
    play.persons[1].type_line(&mut play.world, "/join lobby");
    play.world.pass(120 * SECOND);
    play.rest();
    law::servers_agree(&mut play.world, &play.persons);
    play.persons[0].look(&mut play.world);
    play.persons[0].say(&mut play.world, "text 1");
    play.rest();
    law::servers_agree(&mut play.world, &play.persons);
}

#[test]
fn nothing_is_left_of_members_and_rooms_that_have_ended() {
    let mut play = Play::new(3);
    for round in 0..3 {
        for server in 0..3 {
            play.arrive(server, server == round, ["ann", "bob", "cat"][server]);
            play.world.settle();
            let person = play.persons.last_mut().expect("it has arrived");
            person.look(&mut play.world);
            person.type_line(&mut play.world, ["/join rust", "/join go", "/nick dan"][round]);
            play.world.settle();
        }
        for person in &mut play.persons {
            person.reset(&mut play.world);
        }
        play.world.pass(SECOND);
    }
    play.rest();
    play.judge();
    play.world.pass(70 * SECOND);
    for server in 0..3 {
        let chat = play.world.chat(server).expect("it runs");
        assert_eq!((chat.rooms.iter().count(), chat.audiences.len(), chat.bus().rooms.len()), (1, 1, 1));
        assert!(play.world.running(server).expect("it runs").timers() <= 3, "timers of server {server}");
    }
    let kinds = ["count:lobby", "epoch", "firsts", "lease:", "room:lobby", "rooms", "seq:", "servers", "wake:"];
    for key in law::texts(play.world.redis.execute(&["KEYS", "switchboard:*"])) {
        let kind = key.strip_prefix("switchboard:").expect("a key");
        assert!(kinds.iter().any(|known| kind.starts_with(known)), "{key} is left");
    }
}

#[test]
fn a_broker_may_lose_its_data_twice_in_a_row() {
    let mut play = Play::new(2);
    play.arrive(1, true, "cat");
    play.arrive(0, true, "Ann");
    play.world.restart_broker(Kept::Nothing);
    play.world.pass(3 * SECOND);
    play.arrive(1, true, "Ann");
    play.world.restart_broker(Kept::Nothing);
    play.rest();
    play.judge_after_loss();
}
