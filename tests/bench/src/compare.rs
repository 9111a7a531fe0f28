//! Runs each case in rounds of all its contestants, each a fresh process, and shows what was found.

use std::io;
use std::path::PathBuf;
use std::process::Command;

use clap::Args;

use crate::cases::{self, Case, Field, Service};
use crate::contest::{Contest, Contestant, FLOOR, FLOOR_AGAIN, OURS};
use crate::counter::Counter;
use crate::document::{self, Document};
use crate::handler::Handler;
use crate::ours;
use crate::outcome::Outcome;
use crate::peers;
use crate::progress::{self, Progress};
use crate::speech::Speech;

/// What to compare, and how thoroughly.
#[derive(Args)]
pub(crate) struct Options {
    /// Rounds of each case; those that take long have at most 5, and those that count at most 2
    #[arg(long, default_value_t = 11, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pairs: u64,
    /// Milliseconds of each measurement
    #[arg(long, default_value_t = 700, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    millis: u64,
    /// One round of 150 ms: shows that all is well, measures nothing to rely on
    #[arg(long, conflicts_with_all = ["pairs", "millis"])]
    quick: bool,
    /// Only the cases whose name has this in it, such as 'x 50' or 'idle'
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Without the peers, as also when --ours, --room or --floor is given
    #[arg(long)]
    no_peers: bool,
    /// Command of another server to measure instead of ours, in the cases of --handler alone
    #[arg(long, value_name = "COMMAND", conflicts_with = "room")]
    ours: Option<String>,
    /// What that server does
    #[arg(long, value_enum, default_value = "echo")]
    handler: Handler,
    /// Command of another room to measure instead of ours, in the cases of rooms alone
    #[arg(long, value_name = "COMMAND")]
    room: Option<String>,
    /// How that room is spoken to
    #[arg(long, value_enum, default_value = "chat")]
    speech: Speech,
    /// Command of what to compare with, instead of the floor
    #[arg(long, value_name = "COMMAND")]
    floor: Option<String>,
    /// Write tables, raw figures and plots into this directory, which has a performance.md with a place for them
    #[arg(long, value_name = "DIRECTORY", conflicts_with_all = ["quick", "only", "no_peers", "ours", "room", "floor"])]
    write: Option<PathBuf>,
}

impl Options {
    fn has_peers(&self) -> bool {
        !self.no_peers && self.ours.is_none() && self.room.is_none() && self.floor.is_none()
    }
}

/// Measures all and prints the tables.
///
/// # Errors
/// A server could not be started, or failed under the load. The tables show the cases that were over; nothing is
/// written.
pub(crate) fn run(options: &Options) -> io::Result<()> {
    let (asked, millis) = if options.quick { (1, 150) } else { (options.pairs, options.millis) };
    progress::warn_of_noise()?;
    let mut contests = contests(options)?;
    let mut missing = if options.has_peers() { peers::missing() } else { Vec::new() };
    contests.retain(|contest| match contest.case.counter().and_then(Counter::missing) {
        Some(program) => {
            missing.push(format!("{} is left out: {program} is not installed", contest.case.name()));
            false
        }
        None => true,
    });
    for sentence in &missing {
        eprintln!("switchboard-bench: note: {sentence}");
    }
    if let Some(directory) = &options.write {
        document::check(directory)?;
    }
    let title = title(options, (asked, millis))?;
    let mut outcomes = Vec::new();
    let result = measure(&mut contests, (asked, millis), &mut outcomes);
    let document = Document { title, peers: peers::versions(), missing, outcomes: &outcomes };
    print!("{}", document.tables());
    result?;
    options.write.as_ref().map_or(Ok(()), |directory| document.write(directory))
}

/// Adds an outcome for each contest that is over.
fn measure(contests: &mut [Contest], (asked, millis): (u64, u64), outcomes: &mut Vec<Outcome>) -> io::Result<()> {
    let mut progress = Progress::new(contests.iter().map(|contest| contest.case.rounds(asked)).sum());
    for contest in contests {
        let (name, count) = (contest.case.name(), contest.case.rounds(asked));
        let mut rounds = Vec::new();
        for number in 0..count {
            progress.show(&format!("{name}, round {} of {count}", number + 1));
            rounds.push(contest.round(number, millis)?);
        }
        let names = contest.contestants.iter().map(|contestant| contestant.name).collect();
        outcomes.push(Outcome { case: contest.case, names, rounds });
    }
    progress.end();
    Ok(())
}

/// When and how it was measured. The date is what `date` says: the standard library has no calendar.
fn title(options: &Options, (rounds, millis): (u64, u64)) -> io::Result<String> {
    let date = Command::new("date").args(["-u", "+%F"]).output()?.stdout;
    let command = match &options.write {
        Some(_) => format!(" with `tests/bench/run --write --pairs {rounds} --millis {millis}`"),
        None => String::new(),
    };
    Ok(format!(
        "Taken on {}{command}: {rounds} rounds of {millis} ms; load average before it {}",
        String::from_utf8_lossy(&date).trim(),
        progress::load_average()?
    ))
}

/// What was asked for.
fn contests(options: &Options) -> io::Result<Vec<Contest>> {
    let only = match (&options.ours, &options.room) {
        (Some(_), _) => Some(Service::Reply(options.handler)),
        (_, Some(_)) => Some(Service::Room),
        _ => None,
    };
    let wanted =
        |case: &Case| case.name().contains(&options.only) && only.is_none_or(|service| service == case.service());
    let contests = cases::all().into_iter().filter(wanted).map(|case| contest(case, options));
    let contests = contests.collect::<io::Result<Vec<_>>>()?;
    if contests.is_empty() {
        return Err(io::Error::other(format!("no case to measure has `{}` in its name", options.only)));
    }
    Ok(contests)
}

fn contest(case: Case, options: &Options) -> io::Result<Contest> {
    let service = case.service();
    let given = options.ours.as_ref().or(options.room.as_ref());
    let ours = given.map_or_else(|| ours::serving(service), |given| Ok(words(given)))?;
    let speech = if service == Service::WebRoom { Speech::Web } else { options.speech };
    let mut contestants = vec![Contestant { name: OURS, command: ours, speech }];
    if case.field() != Field::Ours {
        let floor = options.floor.as_ref().map_or_else(|| ours::floor(service), |given| Ok(words(given)))?;
        let speech = if service == Service::WebRoom { Speech::Chat } else { Speech::Plain };
        contestants.push(Contestant { name: FLOOR, command: floor, speech });
    }
    if case.field() == Field::All {
        contestants.push(Contestant { name: FLOOR_AGAIN, ..contestants[1].clone() });
        if options.has_peers() {
            contestants.extend(peers::of(case)?);
        }
    }
    Ok(Contest::new(case, contestants))
}

/// Splits at blanks; there is no quoting.
fn words(command: &str) -> Vec<String> {
    command.split_whitespace().map(str::to_owned).collect()
}
