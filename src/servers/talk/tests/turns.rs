//! Random events, against a plain model of the client with the turn and what must be shown.

use super::*;

/// What happens in a talk.
#[derive(Clone, Debug)]
enum Event {
    Comes,
    /// One of those who are there, by number, says so many lines.
    Says(usize, usize),
    Quits(usize),
    Ends(usize),
    Vanishes(usize),
    OperatorSays,
    OperatorQuits,
    Waits,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => Just(Event::Comes),
        4 => (any::<usize>(), 0..4usize).prop_map(|(who, lines)| Event::Says(who, lines)),
        1 => any::<usize>().prop_map(Event::Quits),
        1 => any::<usize>().prop_map(Event::Ends),
        1 => any::<usize>().prop_map(Event::Vanishes),
        2 => Just(Event::OperatorSays),
        1 => Just(Event::OperatorQuits),
        1 => Just(Event::Waits),
    ];
    proptest::collection::vec(event, 0..80)
}

/// A client as it ought to be treated.
struct Model {
    peer: SimPeer,
    name: String,
    kept: Vec<String>,
    has_ended: bool,
}

/// The clients in order, the one with the turn first; what must have been shown; the clients spoken to.
#[derive(Default)]
struct Hall {
    clients: Vec<Model>,
    shown: String,
    next_line: usize,
}

impl Hall {
    fn show(&mut self, name: &str, line: &str) {
        self.shown.extend([name, ": ", line, "\n"]);
    }

    /// The first is gone: those who follow have their turns.
    fn next_turn(&mut self) {
        while !self.clients.is_empty() {
            let name = self.clients[0].name.clone();
            for line in std::mem::take(&mut self.clients[0].kept) {
                self.show(&name, &line);
            }
            if !self.clients[0].has_ended {
                return;
            }
            self.clients.remove(0);
        }
    }

    fn leaves(&mut self, at: usize) {
        self.clients.remove(at);
        if at == 0 {
            self.next_turn();
        }
    }

    fn says(&mut self, at: usize) -> String {
        self.next_line += 1;
        let line = format!("line {}", self.next_line);
        if at == 0 {
            let name = self.clients[0].name.clone();
            self.show(&name, &line);
        } else {
            self.clients[at].kept.push(line.clone());
        }
        line
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn turns_come_in_order_and_every_line_is_shown_once(events in events()) {
        let mut room = Room::new();
        let mut hall = Hall::default();
        let mut count = 0;
        for event in events {
            let size = hall.clients.len();
            match event {
                Event::Comes => {
                    let (peer, name) = (room.0.connect(), format!("127.0.0.1:{}", 10_000 + count));
                    count += 1;
                    hall.clients.push(Model { peer, name, kept: Vec::new(), has_ended: false });
                }
                Event::Says(who, lines) if size > 0 && !hall.clients[who % size].has_ended => {
                    for _ in 0..lines {
                        let line = hall.says(who % size);
                        room.says(hall.clients[who % size].peer, &line);
                    }
                }
                Event::Quits(who) if size > 0 && !hall.clients[who % size].has_ended => {
                    room.says(hall.clients[who % size].peer, "q");
                    hall.leaves(who % size);
                }
                Event::Ends(who) if size > 0 && !hall.clients[who % size].has_ended => {
                    let at = who % size;
                    room.0.shut_down(hall.clients[at].peer);
                    room.0.run();
                    hall.clients[at].has_ended = true;
                    if hall.clients[at].kept.is_empty() {
                        hall.leaves(at);
                    }
                }
                Event::Vanishes(who) if size > 0 && !hall.clients[who % size].has_ended => {
                    room.0.reset(hall.clients[who % size].peer);
                    room.0.run();
                    hall.leaves(who % size);
                }
                Event::OperatorSays => {
                    if let Some(first) = hall.clients.first() {
                        room.sees(first.peer);
                        room.operator("a word");
                        prop_assert_eq!(room.sees(first.peer), "a word\n");
                    } else {
                        room.operator("a word");
                    }
                }
                Event::OperatorQuits => {
                    room.operator("q");
                    if size > 0 {
                        hall.leaves(0);
                    }
                }
                Event::Waits => {
                    room.pause();
                    for (place, client) in hall.clients.iter().enumerate() {
                        let seen = room.sees(client.peer);
                        let last = seen.lines().rfind(|line| line.starts_with("You are number"));
                        let right = format!("You are number {place} in the queue.");
                        prop_assert!(place == 0 || last.is_none_or(|line| line == right), "{place}: {seen}");
                    }
                }
                _ => {}
            }
            prop_assert_eq!(room.printed(), std::mem::take(&mut hall.shown));
            let talk = room.0.handler_mut().get_ref();
            prop_assert_eq!(talk.guest.is_some(), !hall.clients.is_empty());
            prop_assert_eq!(talk.waiting(), hall.clients.len().saturating_sub(1));
        }
    }
}
