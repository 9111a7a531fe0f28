//! Jobs: one for each session, whose input and end wait for it.

use super::*;
use crate::framing::{Lines, MessageHandler};
use crate::sim::assert_chunking_law;
use crate::workers::{Busy, Done, Workers};

/// A worker turns each line into capitals. `two` offloads two jobs, `bye` closes while its job is running.
struct Slow {
    workers: Workers<()>,
    finished: Vec<String>,
}

impl Slow {
    fn lines() -> Lines<Slow> {
        Slow::with_room_for(100)
    }

    fn with_room_for(capacity: usize) -> Lines<Slow> {
        Lines::new(Slow { workers: Workers::new("slow", capacity, vec![()]), finished: Vec::new() }, 100)
    }

    fn offload(&self, line: &str, cx: &mut Context<'_>) -> Result<(), Busy> {
        let line = line.to_owned();
        cx.offload(&self.workers, move |()| line.to_uppercase())
    }
}

impl MessageHandler for Slow {
    type Session = usize;

    fn open(&mut self, _: &Origin, _: &mut Context<'_>) -> usize {
        0
    }

    fn message<'a>(&mut self, more: &mut usize, line: &'a mut [u8], cx: &mut Context<'a>) {
        let line = String::from_utf8_lossy(line).into_owned();
        if let Some(text) = line.strip_prefix("aside ") {
            let text = text.to_owned();
            cx.offload_detached(&self.workers, move |()| text)
                .unwrap_or_else(|busy| cx.reply(busy.to_string().as_bytes()));
        } else if self.offload(&line, cx).is_err() {
            cx.reply(b"busy\n");
        }
        match &*line {
            "two" => *more = 1,
            "again" => assert_eq!(self.offload("x", cx), Err(Busy), "one job a session"),
            "bye" => cx.close(),
            _ => {}
        }
    }

    fn done(&mut self, more: &mut usize, done: Done, cx: &mut Context<'_>) {
        let text: String = done.downcast().expect("a text");
        cx.reply(format!("{text}\n").as_bytes());
        if *more > 0 {
            *more -= 1;
            self.offload("more", cx).expect("the first is done");
        }
    }

    fn eof(&mut self, _: &mut usize, cx: &mut Context<'_>) {
        cx.reply(b"end\n");
        cx.close();
    }

    fn console(&mut self, line: &[u8], cx: &mut Context<'_>) {
        self.offload(&String::from_utf8_lossy(line), cx).expect("room");
    }

    fn service_done(&mut self, done: Done, _: &mut Context<'_>) {
        let text: String = done.downcast().expect("a text");
        self.finished.push(text);
    }
}

#[test]
fn input_waits_for_the_job_and_the_end_comes_last() {
    let mut sim = Sim::new(Slow::lines());
    let peer = sim.connect();
    sim.hold_jobs();
    sim.send(peer, b"one\ntwo\nthree");
    sim.shut_down(peer);
    assert_eq!((sim.received(peer), sim.ending(peer)), (vec![], None));
    sim.release_jobs();
    assert_eq!(sim.received(peer), b"ONE\nTWO\nMORE\nTHREE\nend\n");
    assert_eq!(sim.ending(peer), Some(Ending::Eof));
}

#[test]
fn a_session_that_waits_is_not_read_and_its_neighbours_are() {
    let mut sim = Sim::new(Slow::lines());
    let (waiting, other) = (sim.connect(), sim.connect());
    sim.hold_jobs();
    sim.send(waiting, b"one\n");
    sim.run();
    sim.send(waiting, b"two\n");
    assert_eq!(sim.unread(waiting), 4);
    sim.send(other, b"hello\n");
    assert_eq!(sim.unread(other), 0);
    sim.release_jobs();
    assert_eq!((sim.received(waiting), sim.received(other)), (b"ONE\nTWO\nMORE\n".to_vec(), b"HELLO\n".to_vec()));
}

#[test]
fn one_job_a_session_and_no_more_than_the_queue_holds() {
    let mut sim = Sim::new(Slow::with_room_for(1));
    let (first, second) = (sim.connect(), sim.connect());
    sim.hold_jobs();
    sim.send(first, b"again\n");
    sim.send(second, b"one\ntwo\n");
    assert_eq!(sim.received(second), b"busy\nbusy\n", "a refused job holds nothing up");
    sim.release_jobs();
    assert_eq!(sim.received(first), b"AGAIN\n");
}

#[test]
fn work_aside_holds_no_input_up_and_outlives_its_session() {
    let mut sim = Sim::new(Slow::with_room_for(3));
    let (peer, other) = (sim.connect(), sim.connect());
    sim.hold_jobs();
    sim.send(peer, b"aside one\naside two\nthree\nunread");
    sim.run();
    sim.send(other, b"aside four\n");
    assert_eq!(sim.received(other), b"busy, try again");
    assert_eq!((sim.received(peer), sim.handler_mut().get_ref().finished.len()), (vec![], 0));
    sim.send(other, b"bye\n");
    sim.release_jobs();
    assert_eq!(sim.received(peer), b"THREE\n");
    assert_eq!(sim.handler_mut().get_ref().finished, ["one", "two"]);
    sim.hold_jobs();
    sim.send(peer, b"\naside five\n");
    sim.run();
    sim.stop();
    sim.shut_down(peer);
    sim.run();
    assert!(!sim.is_stopped(), "a stop waits for it, too");
    sim.release_jobs();
    sim.shut_down(other);
    assert!(sim.is_stopped());
    assert_eq!(sim.handler_mut().get_ref().finished, ["one", "two", "five"]);
}

#[test]
fn a_result_for_a_session_that_is_over_is_dropped_and_counted() {
    let mut sim = Sim::new(Slow::lines());
    let (closed, reset) = (sim.connect(), sim.connect());
    sim.hold_jobs();
    sim.send(closed, b"bye\n");
    sim.send(reset, b"one\n");
    sim.run();
    sim.reset(reset);
    let stale = sim.stats().stale;
    sim.release_jobs();
    assert_eq!(sim.received(closed), b"");
    assert_eq!(sim.ending(closed), Some(Ending::Eof));
    // The job of `closed`. A reset is not noticed while nothing is read, so the other answer was written and lost.
    assert!(sim.stats().stale > stale);
    sim.shut_down(closed);
    assert_eq!(sim.stats().connections, 0);
}

#[test]
fn a_connection_that_waits_for_a_worker_is_not_idle() {
    let limits = Limits { idle_timeout: Some(SECOND), ..Limits::default() };
    let mut sim = Sim::with_limits(Slow::lines(), limits);
    let peer = sim.connect();
    sim.hold_jobs();
    sim.send(peer, b"one\n");
    sim.advance(10 * SECOND);
    assert_eq!(sim.ending(peer), None);
    sim.release_jobs();
    assert_eq!(sim.received(peer), b"ONE\n");
    sim.advance(SECOND.saturating_sub(MS));
    assert_eq!(sim.ending(peer), None);
    sim.advance(MS);
    assert_eq!(sim.ending(peer), Some(Ending::Eof));
}

#[test]
fn a_stop_waits_for_jobs_and_for_input_that_was_read() {
    let mut sim = Sim::new(Slow::lines());
    let peer = sim.connect();
    sim.hold_jobs();
    sim.send(peer, b"one\ntwo\nthree\n");
    sim.console(b"operator");
    sim.stop();
    sim.run();
    assert!(!sim.is_stopped());
    sim.release_jobs();
    assert_eq!(sim.received(peer), b"ONE\nTWO\nMORE\nTHREE\n");
    sim.shut_down(peer);
    assert!(sim.is_stopped());
    assert_eq!(sim.handler_mut().get_ref().finished, ["OPERATOR"]);
}

#[test]
fn a_stop_waits_for_jobs_no_longer_than_the_drain_time() {
    let mut sim = Sim::new(Slow::lines());
    let peer = sim.connect();
    sim.hold_jobs();
    sim.send(peer, b"one\n");
    sim.stop();
    sim.run();
    sim.advance(Limits::default().drain.saturating_sub(MS));
    assert_eq!(sim.ending(peer), None);
    assert!(!sim.is_stopped());
    sim.advance(MS);
    assert!(sim.ending(peer).is_some());
    assert!(sim.is_stopped(), "a job that hangs does not hold up the end");
    sim.release_jobs();
    sim.run();
}

#[test]
fn a_turn_hands_over_no_more_than_its_budget() {
    let limits = Limits { turn_jobs: 2, ..Limits::default() };
    let mut sim = Sim::with_limits(Slow::lines(), limits);
    for n in 0..7 {
        sim.console(format!("job {n}").as_bytes());
    }
    let finished = &sim.handler_mut().get_ref().finished;
    assert_eq!(*finished, (0..7).map(|n| format!("JOB {n}")).collect::<Vec<_>>());
}

#[test]
fn the_chunking_law_holds_for_work_that_is_offloaded() {
    assert_chunking_law(Slow::lines, b"one\r\ntwo\nthree\n\nagain\nlast");
    assert_chunking_law(Slow::lines, b"one\nbye\nnever seen\n");
}
