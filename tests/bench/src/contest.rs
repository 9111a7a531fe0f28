//! The contestants of a case, and one round of it.
//!
//! A machine's speed drifts by more than the differences of interest, but little within a round; so a round's figures
//! are only ever compared with each other. Contestants change places from round to round, because who comes first may
//! have an advantage.

use std::io::{self, ErrorKind};

use crate::cases::Case;
use crate::measure;
use crate::speech::Speech;

/// The names that have a meaning to the tables. Any other contestant is a peer.
pub(crate) const OURS: &str = "ours";
pub(crate) const FLOOR: &str = "floor";
pub(crate) const FLOOR_AGAIN: &str = "floor again";

/// How often a measurement is tried whose time ran out.
const ATTEMPTS: u64 = 3;

/// A server that is measured.
#[derive(Clone)]
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    /// Program and arguments, as for [`crate::server::Server::start`].
    pub(crate) command: Vec<String>,
    /// If it is a room.
    pub(crate) speech: Speech,
}

/// A case, and those who compete in it.
pub(crate) struct Contest {
    pub(crate) case: Case,
    pub(crate) contestants: Vec<Contestant>,
    /// Peers that have failed: of no more use, but no reason to end the run.
    withdrawn: Vec<&'static str>,
}

/// The figures of a round: for each contestant a list. One that has failed has NaN.
pub(crate) type Round = Vec<Vec<f64>>;

impl Contest {
    pub(crate) fn new(case: Case, contestants: Vec<Contestant>) -> Contest {
        Contest { case, contestants, withdrawn: Vec::new() }
    }

    /// Measures each contestant once.
    ///
    /// # Errors
    /// Ours or the floor failed. Of a peer that does, it is said on stderr why.
    pub(crate) fn round(&mut self, number: u64, millis: u64) -> io::Result<Round> {
        let count = self.contestants.len();
        let mut round = vec![vec![f64::NAN; self.case.figures().len()]; count];
        for place in order(count, number) {
            let contestant = &self.contestants[place];
            let name = contestant.name;
            if self.withdrawn.contains(&name) {
                continue;
            }
            match self.measure(contestant, millis) {
                Ok(figures) => round[place] = figures,
                Err(error) if is_peer(name) => {
                    eprintln!("switchboard-bench: note: {name} is left out of {}: {error}", self.case.name());
                    self.withdrawn.push(name);
                }
                Err(error) => {
                    return Err(io::Error::new(error.kind(), format!("{}, {name}: {error}", self.case.name())));
                }
            }
        }
        Ok(round)
    }

    /// Again if time ran out: on a busy machine a short measurement may end before anything has come back.
    fn measure(&self, contestant: &Contestant, millis: u64) -> io::Result<Vec<f64>> {
        for _ in 1..ATTEMPTS {
            match measure::once(self.case, contestant, millis) {
                Err(error) if error.kind() == ErrorKind::TimedOut => {
                    eprintln!("switchboard-bench: note: {}, {}: {error}; again", self.case.name(), contestant.name);
                }
                other => return other,
            }
        }
        measure::once(self.case, contestant, millis)
    }
}

/// The places of all who compete, in each round from another one on.
pub(crate) fn order(count: usize, round: u64) -> impl Iterator<Item = usize> {
    (0..count).map(move |turn| (turn + round as usize) % count)
}

/// Whether it is neither ours nor the floor.
pub(crate) fn is_peer(name: &str) -> bool {
    ![OURS, FLOOR, FLOOR_AGAIN].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contestant(name: &'static str) -> Contestant {
        Contestant { name, command: vec!["true".to_owned()], speech: Speech::Plain }
    }

    #[test]
    fn a_peer_that_fails_is_left_out_and_ours_ends_the_run() {
        let mut contest = Contest::new(Case::Connect, vec![contestant("a peer"), contestant("a peer")]);
        let round = contest.round(0, 10).expect("a peer may fail");
        assert!(round.len() == 2 && round.iter().flatten().all(|figure| figure.is_nan()));
        assert_eq!(contest.withdrawn, ["a peer"]);
        let error = Contest::new(Case::Connect, vec![contestant(OURS)]).round(0, 10).expect_err("ours may not");
        assert!(error.to_string().starts_with("connect, ask, close, ours: `true`: "), "{error}");
    }
}
