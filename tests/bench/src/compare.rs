//! Runs each case in rounds: ours, the floor, and the floor again, each a fresh process.
//!
//! A machine's speed drifts by more than what is to be seen, but little within a round; so a round's figures are only ever
//! compared with each other. The three change places from round to round, because who comes first may have an advantage.

use std::env;
use std::io;
use std::path::PathBuf;

use clap::Args;

use crate::cases::{self, Case, Setting};
use crate::handler::Handler;
use crate::progress::{self, Progress};
use crate::server::Server;
use crate::speech::Speech;
use crate::table::{Round, Table};

/// What to compare, and how thoroughly.
#[derive(Args)]
pub(crate) struct Options {
    /// Rounds of each case
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pairs: u64,
    /// Milliseconds of each measurement
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    millis: u64,
    /// 3 rounds of 400 ms: shows that all is well, measures nothing to rely on
    #[arg(long, conflicts_with_all = ["pairs", "millis"])]
    quick: bool,
    /// Which server, and its floor
    #[arg(long, value_enum, default_value = "echo")]
    handler: Handler,
    /// Only the cases whose name has this in it, such as 'x 50' or 'idle'
    #[arg(long, default_value = "")]
    only: String,
    /// Command of the server to measure [default: echo-server or uppercase-server, beside this program]
    #[arg(long, value_name = "COMMAND")]
    ours: Option<String>,
    /// Command of what to compare it with, instead of the floor
    #[arg(long, value_name = "COMMAND")]
    floor: Option<String>,
    /// Command of the room to measure [default: chat-server, beside this program]
    #[arg(long, value_name = "COMMAND")]
    room: Option<String>,
    /// How that room is spoken to
    #[arg(long, value_enum, default_value = "chat")]
    speech: Speech,
}

/// Measures all and prints the table.
///
/// # Errors
/// A server could not be started, or failed under the load; there is no table then.
pub(crate) fn run(options: &Options) -> io::Result<()> {
    let (rounds, millis) = if options.quick { (3, 400) } else { (options.pairs, options.millis) };
    let setting = Setting { handler: options.handler, millis };
    progress::warn_of_noise()?;
    let contests = Contest::all(options)?;
    let mut progress = Progress::new(contests.len() as u64 * rounds);
    let mut table = Table::new(format!("{rounds} rounds of {millis} ms"));
    for contest in &contests {
        let name = contest.case.name(setting.handler);
        let mut results = Vec::new();
        for round in 0..rounds {
            progress.show(&format!("{name}, round {} of {rounds}", round + 1));
            results.push(contest.round(round, setting).map_err(|error| io::Error::other(format!("{name}: {error}")))?);
        }
        table.add(name, contest.case.figures(), &results);
    }
    progress.end();
    print!("{table}");
    Ok(())
}

/// A case, and the commands of the two that it compares.
struct Contest {
    case: Case,
    ours: Vec<String>,
    speech: Speech,
    floor: Vec<String>,
}

impl Contest {
    /// The contests that were asked for and can be held.
    fn all(options: &Options) -> io::Result<Vec<Contest>> {
        let mut contests = Vec::new();
        for case in cases::ALL {
            if !case.name(options.handler).contains(&options.only) {
                continue;
            }
            contests.push(Contest::new(case, options)?);
        }
        if contests.is_empty() {
            return Err(io::Error::other(format!("no case to measure has `{}` in its name", options.only)));
        }
        Ok(contests)
    }

    fn new(case: Case, options: &Options) -> io::Result<Contest> {
        let this = env::current_exe()?.display().to_string();
        let name = options.handler.name().to_owned();
        if let Case::Room { .. } = case {
            let ours = options.room.as_deref().map(words).map_or_else(room, Ok)?;
            let floor = options.floor.as_deref().map(words);
            let floor = floor.unwrap_or_else(|| vec![this, "floor-fanout".to_owned(), "0".to_owned()]);
            return Ok(Contest { case, ours, speech: options.speech, floor });
        }
        let ours = match &options.ours {
            Some(given) => words(given),
            None => beside_or_fail(options.handler.server())?,
        };
        let floor = options.floor.as_deref().map(words);
        let floor = floor.unwrap_or_else(|| [&this, "floor-echo", "0", "--handler", &name].map(str::to_owned).to_vec());
        Ok(Contest { case, ours, speech: Speech::Plain, floor })
    }

    fn round(&self, number: u64, setting: Setting) -> io::Result<Round> {
        let mut round = Round::default();
        for turn in 0..3 {
            match (number + turn) % 3 {
                0 => round.ours = self.measure(&self.ours, setting, self.speech)?,
                1 => round.floor = self.measure(&self.floor, setting, Speech::Plain)?,
                _ => round.floor_again = self.measure(&self.floor, setting, Speech::Plain)?,
            }
        }
        Ok(round)
    }

    fn measure(&self, command: &[String], setting: Setting, speech: Speech) -> io::Result<Vec<f64>> {
        self.case.measure(&Server::start(command)?, setting, speech)
    }
}

/// The command of our room, in which nobody is slowed down.
pub(crate) fn room() -> io::Result<Vec<String>> {
    Ok([beside_or_fail("chat-server")?, ["--rate", "off"].map(str::to_owned).to_vec()].concat())
}

/// The command of one of our servers, if it has been built.
pub(crate) fn beside(program: &str) -> io::Result<Option<Vec<String>>> {
    let path: PathBuf = env::current_exe()?.with_file_name(program);
    let command = [&path.display().to_string(), "--listen", "0", "--stdin", "ignore"].map(str::to_owned).to_vec();
    Ok(path.exists().then_some(command))
}

/// The same, where there is nothing to do without it.
pub(crate) fn beside_or_fail(program: &str) -> io::Result<Vec<String>> {
    beside(program)?.ok_or_else(|| {
        io::Error::other(format!(
            "no {program} beside switchboard-bench: build it with `cargo build --release --workspace`"
        ))
    })
}

/// Splits at blanks; there is no quoting.
fn words(command: &str) -> Vec<String> {
    command.split_whitespace().map(str::to_owned).collect()
}
