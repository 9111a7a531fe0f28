//! The five ways to build the uppercase server, under the same loads, in interleaved rounds.
//!
//! As in [`crate::contest`], a round's figures are only ever compared with each other: each way is divided by the
//! readiness loop of its own round. Who comes first changes from round to round.

mod report;

use std::env;
use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;

use crate::capacity::{self, End};
use crate::cases::Service;
use crate::contest;
use crate::crowd;
use crate::handler::Handler;
use crate::models::conversation;
use crate::ours;
use crate::progress::{self, Progress};
use crate::server::Server;
use report::Survey;

/// How many processes and threads the servers may have: guards for the machine, not limits of theirs.
const MOST_PROCESSES: usize = 2000;
const MOST_THREADS: usize = 15_000;

/// A measurement is disturbed when other programs take more than this of the two cores, in cores.
const DISTURBED: f64 = 0.1;

/// How often one that was disturbed is tried in all, and how long to wait for quiet in between.
const TRIES: usize = 5;
const PAUSE: Duration = Duration::from_secs(1);

/// What to measure, and how thoroughly.
#[derive(Args)]
pub(crate) struct Options {
    /// Rounds of each load
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u64).range(1..=1000))]
    rounds: u64,
    /// Milliseconds of each measurement
    #[arg(long, default_value_t = 700, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    millis: u64,
    /// 2 rounds of 200 ms: shows that all is well, measures nothing to rely on
    #[arg(long, conflicts_with_all = ["rounds", "millis", "patience"])]
    quick: bool,
    /// How many clients come at once, one load after the other
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "1,10,50,200,1000,5000")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=19_000))]
    clients: Vec<u64>,
    /// Clients after which the search for the most that a server serves is over
    #[arg(long, default_value_t = 15_000, value_parser = clap::value_parser!(u64).range(1..=19_000))]
    most: u64,
    /// Seconds that may be spent on repeating what other programs have disturbed
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    patience: u64,
    /// Where to write the plot, an SVG
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

/// Measures all, prints the tables and draws the plot.
///
/// # Errors
/// A server could not be started, or served wrongly; there is no table then.
pub(crate) fn run(options: &Options) -> io::Result<()> {
    let (rounds, millis, patience) =
        if options.quick { (2, 200, 0) } else { (options.rounds, options.millis, options.patience) };
    progress::warn_of_noise()?;
    let ways = Way::all()?;
    let crowds: Vec<usize> = options.clients.iter().map(|&count| count as usize).collect();
    let mut progress = Progress::new(rounds * (crowds.len() as u64 + 1));
    let mut time = Duration::from_secs(patience);
    let mut survey = Survey::new(&ways.each_ref().map(|way| way.name), &crowds);
    for (nth, &connections) in crowds.iter().enumerate() {
        for round in 0..rounds {
            progress.show(&format!("{connections} clients, round {} of {rounds}", round + 1));
            for place in contest::order(ways.len(), round) {
                let report = ways[place].stand((connections, millis), &mut time);
                survey.crowds[nth][place].push(report.map_err(|error| ways[place].blame(&error))?);
            }
        }
    }
    for round in 0..rounds {
        progress.show(&format!("capacity, round {} of {rounds}", round + 1));
        for place in contest::order(ways.len(), round) {
            let server = Server::start(&ways[place].command)?;
            let plan = capacity::Plan { target: server.address, pid: server.pid(), most: options.most };
            let mut report = capacity::run(&plan).map_err(|error| ways[place].blame(&error))?;
            if report.end == End::Closed && Some(report.served) == ways[place].guard {
                report.end = End::Guarded;
            }
            survey.capacities[place].push(report);
        }
    }
    progress.end();
    println!("{rounds} rounds of {millis} ms; {} B a message, one under way; median (quartiles)", crowd::SIZE);
    println!("{}; server on core 0, clients on core 1", crate::table::machine());
    println!(
        "a Sim as the host of the handler costs the blocking ways {:?} a message and {:.1} KiB a client",
        conversation::cost(crowd::SIZE),
        conversation::memory()? / 1024.0
    );
    let (disturbed, all) = survey.disturbed();
    println!("in {disturbed} of {all} measurements other programs took more than {DISTURBED} of a core");
    print!("{survey}");
    if let Some(path) = &options.plot {
        crate::plot::write(path, &survey.charts())?;
    }
    Ok(())
}

/// One way to build the server. The last of them is what the others are compared with.
struct Way {
    name: &'static str,
    command: Vec<String>,
    /// The number of clients at which it stops for the machine's sake.
    guard: Option<usize>,
}

impl Way {
    fn all() -> io::Result<[Way; 5]> {
        let this = env::current_exe()?.display().to_string();
        let blocking = |name, model: &str, guard: Option<usize>| {
            let mut command = [&this, "serve-model", model, "0"].map(str::to_owned).to_vec();
            command.extend(guard.iter().flat_map(|most| ["--most".to_owned(), most.to_string()]));
            Way { name, command, guard }
        };
        let command = ours::serving(Service::Reply(Handler::Upper))?;
        Ok([
            blocking("one at a time", "one-at-a-time", None),
            blocking("process per connection", "process-per-connection", Some(MOST_PROCESSES)),
            blocking("thread per connection", "thread-per-connection", Some(MOST_THREADS)),
            blocking("thread pool", "thread-pool", None),
            Way { name: "readiness loop", command, guard: None },
        ])
    }

    /// Meets a crowd; again, if other programs were at work meanwhile and there is time for that.
    fn stand(&self, (connections, millis): (usize, u64), time: &mut Duration) -> io::Result<crowd::Report> {
        for _ in 1..TRIES {
            let begin = Instant::now();
            let report = self.meet(connections, millis)?;
            if report.intrusion <= DISTURBED || time.is_zero() {
                return Ok(report);
            }
            thread::sleep(PAUSE);
            *time = time.saturating_sub(begin.elapsed());
        }
        self.meet(connections, millis)
    }

    fn meet(&self, connections: usize, millis: u64) -> io::Result<crowd::Report> {
        let server = Server::start(&self.command)?;
        crowd::run(&crowd::Plan { target: server.address, pid: server.pid(), connections, millis })
    }

    fn blame(&self, error: &io::Error) -> io::Error {
        io::Error::other(format!("{}: {error}", self.name))
    }
}
