use proptest::prelude::*;

use super::*;
use crate::sim::{Ending, Sim, SimPeer};
use crate::state::limits::Limits;

const SECOND: Duration = Duration::from_secs(1);
const TERM: i32 = 15;
const KILL: i32 = 9;

fn exec() -> Sim<Exec> {
    Sim::new(Exec::new(Spawn::new("program")))
}

/// Connects a client. Returns it with its program.
fn connect(sim: &mut Sim<Exec>) -> (SimPeer, SimPeer) {
    let client = sim.connect();
    (client, sim.spawned().pop().expect("a program for each client").0)
}

#[test]
fn the_environment_has_the_address_of_the_client() {
    let mut spawn = Spawn::new("program");
    spawn.env.push(("LANG".into(), "C".into()));
    let mut sim = Sim::new(Exec::new(spawn));
    sim.connect_from("2001:db8::1".parse().expect("an address"));
    let (_, spawn) = sim.spawned().pop().expect("a program");
    let env: Vec<_> = spawn.env.iter().map(|(name, value)| (name.to_str(), value.to_str())).collect();
    let want = [("LANG", "C"), ("REMOTE_ADDR", "2001:db8::1"), ("REMOTE_PORT", "10000")];
    assert_eq!(env, want.map(|(name, value)| (Some(name), Some(value))));
}

#[test]
fn the_end_of_input_does_not_cut_the_answer() {
    let mut sim = exec();
    let (client, program) = connect(&mut sim);
    sim.send(client, b"question");
    sim.shut_down(client);
    assert_eq!((sim.received(program), sim.ending(program)), (b"question".to_vec(), Some(Ending::Eof)));
    sim.advance(60 * SECOND);
    sim.send(program, b"late answer");
    assert_eq!((sim.received(client), sim.ending(client)), (b"late answer".to_vec(), None));
    sim.shut_down(program);
    assert_eq!(sim.ending(client), Some(Ending::Eof));
    sim.exit(program, 0);
    assert_eq!((sim.stats().children, sim.signals(program)), (0, Vec::new()));
}

#[test]
fn a_program_that_exits_early_closes_a_client_that_still_sends() {
    let mut sim = exec();
    let (client, program) = connect(&mut sim);
    sim.close_input(program);
    sim.send(client, &vec![b'x'; 1_000_000]);
    sim.send(program, b"enough");
    sim.shut_down(program);
    sim.exit(program, 1);
    assert_eq!((sim.received(client), sim.ending(client)), (b"enough".to_vec(), Some(Ending::Eof)));
    sim.send(client, b"more");
    assert_eq!(sim.unread(client), 0, "it is read, so that no reset destroys the answer");
    sim.shut_down(client);
    assert_eq!((sim.stats().connections, sim.stats().children), (0, 0));
}

#[test]
fn a_program_reads_on_after_its_output_has_ended() {
    let mut sim = exec();
    let (client, program) = connect(&mut sim);
    sim.shut_down(program);
    assert_eq!(sim.ending(client), Some(Ending::Eof));
    sim.send(client, b"input");
    assert_eq!(sim.received(program), b"input");
    sim.exit(program, 0);
    sim.shut_down(client);
    assert_eq!((sim.stats().connections, sim.stats().children), (0, 0));
}

#[test]
fn output_of_another_process_reaches_the_client_after_the_exit() {
    let mut sim = exec();
    let (client, program) = connect(&mut sim);
    sim.exit(program, 0);
    sim.send(program, b"from the background");
    assert_eq!((sim.received(client), sim.ending(client)), (b"from the background".to_vec(), None));
    sim.shut_down(program);
    assert_eq!((sim.ending(client), sim.signals(program)), (Some(Ending::Eof), Vec::new()));
}

#[test]
fn a_client_that_is_gone_ends_its_program() {
    let mut sim = exec();
    let (client, program) = connect(&mut sim);
    sim.reset(client);
    assert_eq!((sim.signals(program), sim.stats().children), (vec![TERM], 1));
    sim.advance(5 * SECOND);
    assert_eq!((sim.signals(program), sim.stats().children), (vec![KILL], 0));
}

#[test]
fn a_client_that_is_gone_at_once_leaves_no_program() {
    let mut sim = exec();
    let client = sim.connect();
    sim.reset(client);
    let (program, _) = sim.spawned().pop().expect("it was started");
    assert_eq!(sim.signals(program), [TERM]);
    sim.exit(program, 0);
    sim.advance(5 * SECOND);
    assert_eq!((sim.stats().children, sim.handler_mut().starting.len()), (0, 0));
}

#[test]
fn a_program_ends_at_its_timeout() {
    let mut sim = Sim::new(Exec::new(Spawn::new("program")).with_timeout(SECOND));
    let (client, program) = connect(&mut sim);
    sim.send(program, b"so far");
    sim.advance(SECOND);
    assert_eq!((sim.received(client), sim.ending(client)), (b"so far".to_vec(), Some(Ending::Eof)));
    assert_eq!(sim.signals(program), [TERM]);
}

#[test]
fn a_burst_of_clients_waits_for_its_programs_in_turn() {
    let mut sim = exec();
    let clients: Vec<SimPeer> = (0..50).map(|_| sim.connect()).collect();
    for (number, &client) in clients.iter().enumerate() {
        sim.send(client, number.to_string().as_bytes());
        sim.shut_down(client);
    }
    let programs = sim.spawned();
    assert_eq!((programs.len(), sim.stats().children), (50, 50));
    let mut inputs: Vec<usize> = Vec::new();
    for (program, _) in programs {
        let input = String::from_utf8(sim.received(program)).expect("a number");
        assert_eq!(sim.ending(program), Some(Ending::Eof));
        inputs.push(input.parse().expect("a number"));
    }
    inputs.sort_unstable();
    assert_eq!(inputs, (0..50).collect::<Vec<_>>());
}

#[test]
fn a_client_above_the_limit_is_closed() {
    let limits = Limits { max_children: Some(1), ..Limits::default() };
    let mut sim = Sim::with_limits(Exec::new(Spawn::new("program")), limits);
    let (_, program) = connect(&mut sim);
    let refused = sim.connect();
    assert_eq!((sim.ending(refused), sim.spawned().len()), (Some(Ending::Eof), 0));
    sim.shut_down(program);
    sim.exit(program, 0);
    sim.run();
    connect(&mut sim);
}

#[test]
fn a_program_that_cannot_start_closes_its_client() {
    let mut sim = exec();
    sim.fail_spawns(Some(ErrorKind::NotFound));
    let client = sim.connect();
    assert_eq!(sim.ending(client), Some(Ending::Eof));
    assert_eq!(sim.handler_mut().starting.len(), 0);
}

#[test]
fn the_operator_sees_both_and_a_kick_of_one_ends_both() {
    for wanted in ["program", "127.0.0.1"] {
        let mut sim = exec();
        let (client, program) = connect(&mut sim);
        let listing = sim.control(format!("who {wanted}").as_bytes());
        let row = listing.lines().find(|row| row.contains(wanted)).unwrap_or_else(|| panic!("{listing}"));
        let number = row.split_whitespace().next().expect("a number");
        sim.control(format!("kick {number}").as_bytes());
        assert_eq!(sim.ending(client), Some(Ending::Eof), "{listing}");
        assert!(sim.ending(program).is_some(), "{listing}");
    }
}

#[test]
fn a_stop_cuts_no_answer() {
    let mut sim = exec();
    let (client, program) = connect(&mut sim);
    sim.send(client, b"question");
    assert_eq!(sim.received(program), b"question");
    sim.stop();
    sim.run();
    sim.send(client, b", and more");
    sim.shut_down(client);
    assert_eq!((sim.received(program), sim.ending(program)), (b", and more".to_vec(), Some(Ending::Eof)));
    sim.send(program, b"answer");
    sim.shut_down(program);
    sim.exit(program, 0);
    assert_eq!((sim.received(client), sim.is_stopped()), (b"answer".to_vec(), true));
    assert!(sim.signals(program).is_empty());
}

#[test]
fn a_stop_waits_for_a_program_that_has_not_spoken_yet() {
    let mut sim = exec();
    let (client, program) = connect(&mut sim);
    sim.stop();
    sim.advance(SECOND);
    assert_eq!((sim.signals(program), sim.ending(client)), (Vec::new(), None));
    sim.send(program, b"answer");
    sim.shut_down(program);
    sim.exit(program, 0);
    assert_eq!((sim.received(client), sim.is_stopped()), (b"answer".to_vec(), true));
}

#[test]
fn a_stop_ends_a_program_after_the_time_of_draining() {
    let mut sim = exec();
    let (client, program) = connect(&mut sim);
    sim.send(client, b"question");
    sim.stop();
    sim.advance(5 * SECOND);
    assert_eq!((sim.signals(program), sim.is_stopped()), (vec![TERM], false));
    sim.exit(program, 0);
    sim.advance(5 * SECOND);
    assert!(sim.is_stopped());
}

/// What happens next to a client or its program, which sends back its input.
#[derive(Clone, Debug)]
enum Step {
    Send(Vec<u8>),
    Answer,
    StallClient,
    StallProgram,
    ClientReads(usize),
    ProgramReads(usize),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..3000).prop_map(Step::Send),
        Just(Step::Answer),
        Just(Step::StallClient),
        Just(Step::StallProgram),
        (1_usize..3000).prop_map(Step::ClientReads),
        (1_usize..3000).prop_map(Step::ProgramReads),
        (0_u64..3000).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 0..40)
}

/// A client, and a program that sends back its input.
struct Scene {
    sim: Sim<Exec>,
    client: SimPeer,
    program: SimPeer,
    sent: Vec<u8>,
    received: Vec<u8>,
}

impl Scene {
    fn new() -> Self {
        // Small, so that the relays fill.
        let limits = Limits { max_queue: Some(4000), ..Limits::default() };
        let mut sim = Sim::with_limits(Exec::new(Spawn::new("cat")), limits);
        let (client, program) = connect(&mut sim);
        Scene { sim, client, program, sent: Vec::new(), received: Vec::new() }
    }

    fn step(&mut self, step: Step) {
        let Scene { sim, client, program, .. } = self;
        match step {
            Step::Send(bytes) => {
                self.sent.extend_from_slice(&bytes);
                sim.send(*client, &bytes);
            }
            Step::Answer => {
                let input = sim.received(*program);
                sim.send(*program, &input);
            }
            Step::StallClient => sim.stall(*client),
            Step::StallProgram => sim.stall(*program),
            Step::ClientReads(count) => sim.allow(*client, count),
            Step::ProgramReads(count) => sim.allow(*program, count),
            Step::Wait(millis) => sim.advance(Duration::from_millis(millis)),
        }
        self.received.extend(self.sim.received(self.client));
        assert!(self.sim.stats().queued <= 2 * (1000 + 64 * 1024), "a relay holds a read beyond its high mark at most");
    }

    /// Lets the program answer all that it gets, and both read.
    fn finish(&mut self) {
        for peer in [self.client, self.program] {
            self.sim.resume(peer);
        }
        loop {
            self.step(Step::Answer);
            self.sim.run();
            if self.sim.ending(self.program).is_some() {
                self.step(Step::Answer);
                return;
            }
        }
    }
}

proptest! {
    /// However the bytes are split and whichever side stalls, a program that sends back its input sends back all of it.
    #[test]
    fn nothing_is_lost_or_reordered_by_stalls(steps in steps(), exits_first: bool) {
        let mut scene = Scene::new();
        for step in steps {
            scene.step(step);
        }
        scene.sim.shut_down(scene.client);
        scene.finish();
        if exits_first {
            scene.sim.exit(scene.program, 0);
            scene.sim.run();
            scene.sim.shut_down(scene.program);
        } else {
            scene.sim.shut_down(scene.program);
            scene.sim.run();
            scene.sim.exit(scene.program, 0);
        }
        let rest = scene.sim.received(scene.client);
        scene.received.extend(rest);
        prop_assert!(scene.received == scene.sent);
        prop_assert_eq!(scene.sim.ending(scene.client), Some(Ending::Eof));
        let stats = scene.sim.stats();
        prop_assert_eq!((stats.connections, stats.children, scene.sim.signals(scene.program)), (0, 0, Vec::new()));
    }

    /// A client, a program or the server that ends in the middle leaves nothing behind, and the client has received
    /// nothing but the start of the answer.
    #[test]
    fn a_death_or_stop_in_the_middle_leaves_nothing(steps in steps(), death in 0..5) {
        let mut scene = Scene::new();
        for step in steps {
            scene.step(step);
        }
        let Scene { sim, client, program, .. } = &mut scene;
        match death {
            0 => sim.reset(*client),
            1 => {
                sim.exit(*program, 9);
                sim.shut_down(*program);
            }
            2 => sim.stop(),
            3 => {
                sim.stop();
                sim.stop();
            }
            _ => {
                sim.close_input(*program);
                sim.shut_down(*client);
                sim.shut_down(*program);
            }
        }
        sim.run();
        scene.received.extend(scene.sim.received(scene.client));
        prop_assert!(scene.sent.starts_with(&scene.received));
        if death != 3 {
            scene.sim.advance(60 * SECOND);
            scene.sim.advance(60 * SECOND);
        }
        if death == 4 {
            // Both sides have ended, and the program runs on.
            prop_assert_eq!(scene.sim.stats().children, 1);
            scene.sim.exit(scene.program, 0);
        }
        scene.sim.resume(scene.client);
        scene.sim.advance(60 * SECOND);
        prop_assert_eq!(scene.sim.stats().connections, 0);
        prop_assert!(death == 3 || scene.sim.stats().children == 0);
        prop_assert_eq!(scene.sim.is_stopped(), death == 2 || death == 3);
    }
}
