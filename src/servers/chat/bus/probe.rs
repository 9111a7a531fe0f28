//! The start probe: whether a broker serves as a bus, found out before the server starts.

use std::time::{Duration, Instant};

use crate::connection::origin::Origin;
use crate::connection::timer_id::TimerId;
use crate::connection::token::Token;
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::net::Address;
use crate::reactor::Reactor;
use crate::state::service::ServiceOptions;

use super::{Ask, Bus, BusOptions, Fault, Heard, HearsBus, OnBus, ServerId};

/// The time that the broker has to answer everything.
const MOST_TIME: Duration = Duration::from_secs(5);

/// Time between two looks at the links.
const LOOK: Duration = Duration::from_millis(10);

/// A server without members that enters the bus and leaves it.
#[derive(Debug)]
struct Probe {
    bus: Bus,
    until: Instant,
    outcome: Result<(), Fault>,
}

/// Connects to the broker at `to` as a server does, does all that needs a permission, and leaves. Blocks for at most
/// five seconds.
///
/// `sockets` has the options of the connections, and the servers that TLS trusts.
///
/// # Errors
/// One line with the address, the cause and the remedy.
pub(crate) fn probe(to: &Address, options: BusOptions, sockets: ServiceOptions) -> Result<(), String> {
    let has_password = options.password.is_some();
    let now = Instant::now();
    let bus = Bus::new(ServerId::random(), options, now);
    let probe = Probe { bus, until: now + MOST_TIME, outcome: Ok(()) };
    let reactor = Reactor::with_options(OnBus::new(probe, to.clone()).without_log(), sockets);
    let probe =
        reactor.map(Reactor::without_peer_log).and_then(Reactor::run).map_err(|error| error.to_string())?.into_inner();
    probe.outcome.map_err(|fault| explain(to, &fault, has_password))
}

impl HearsBus for Probe {
    fn bus(&mut self) -> &mut Bus {
        &mut self.bus
    }

    fn heard(&mut self, _: Heard, _: &mut Context<'_>) {}

    fn link_lost(&mut self, fault: &Fault, cx: &mut Context<'_>) {
        if self.outcome.is_ok() {
            self.outcome = Err(fault.clone());
        }
        cx.stop();
    }
}

impl Handler for Probe {
    type Session = ();

    fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}

    fn data<'a>(&mut self, (): &mut (), input: &'a mut [u8], _: &mut Context<'a>) -> usize {
        input.len()
    }

    fn started(&mut self, cx: &mut Context<'_>) {
        cx.set_service_timer(LOOK);
    }

    fn service_timer(&mut self, _: TimerId, cx: &mut Context<'_>) {
        if self.bus.is_ready() {
            self.bus.ask(Token::none(), Ask::Depart);
            cx.stop();
        } else if cx.now() >= self.until {
            self.link_lost(&Fault::Silent, cx);
        } else {
            cx.set_service_timer(LOOK);
        }
    }
}

/// The line for an operator whose server does not start.
fn explain(to: &Address, fault: &Fault, has_password: bool) -> String {
    let (what, remedy) = match fault {
        Fault::Ended(cause) => {
            let remedy = "start a Redis there, or give --bus another address";
            return format!("cannot use the Redis at {to}: {cause}; {remedy}");
        }
        Fault::Foreign(_) | Fault::Unexpected => ("is no Redis", "give --bus the address of one"),
        Fault::Silent if matches!(to, Address::Tls(_)) => {
            ("does not answer", "look whether it is a Redis that listens for TLS there, and whether it runs")
        }
        Fault::Silent => ("does not answer", "look whether it is a Redis, and whether it runs"),
        Fault::Refused(error) => return explain_error(to, error, has_password),
    };
    format!("what listens at {to} {what}; {remedy}")
}

/// Explains an error of the broker, which begins with a code in capitals.
fn explain_error(to: &Address, error: &str, has_password: bool) -> String {
    let code = error.split(' ').next().unwrap_or_default();
    let (what, remedy) = match code {
        "NOAUTH" | "WRONGPASS" if has_password => {
            ("does not accept the user or the password", "correct them in --bus or in the file of --bus-password")
        }
        "NOAUTH" | "WRONGPASS" => ("asks for a password", "put it into a file for --bus-password"),
        "NOPERM" => ("forbids its user what a bus needs", "permit it with ACL SETUSER as docs/many-machines.md shows"),
        "NOPROTO" => ("is too old", "use Redis 6.2 or newer"),
        "ERR" if error.contains("unknown command") => ("is too old", "use Redis 6.2 or newer"),
        "ERR" if error.contains("DB index") => ("has no such database", "give --bus another number after the slash"),
        "READONLY" => ("is a replica, which only reads", "give --bus the address of its primary"),
        "LOADING" => ("is loading its data", "start the server again when it has finished"),
        "MASTERDOWN" => ("is a replica without its primary", "give --bus the address of the primary"),
        "CROSSSLOT" | "MOVED" | "CLUSTERDOWN" => ("is a cluster", "use a Redis without cluster mode"),
        "ERR" if error.contains("non local key") => ("is a cluster", "use a Redis without cluster mode"),
        "ERR" if error.contains("READONLY") => {
            ("is a replica, which only reads", "give --bus the address of its primary")
        }
        _ => ("refuses the bus", "look at its log"),
    };
    // These say no more than their code.
    let shown = if matches!(code, "NOAUTH" | "WRONGPASS" | "READONLY" | "LOADING") { code } else { error };
    format!("the Redis at {to} {what} ({shown}); {remedy}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(fault: &Fault) -> String {
        explain(&"unix:/r".parse().expect("an address"), fault, false)
    }

    #[test]
    fn each_fault_is_one_line_with_its_remedy() {
        for (fault, words) in [
            (
                Fault::Ended("Connection refused".to_owned()),
                ["cannot use the Redis at unix:/r: Connection refused", "start a Redis"],
            ),
            (Fault::Foreign("malformed input".to_owned()), ["what listens at unix:/r is no Redis", "give --bus"]),
            (Fault::Unexpected, ["is no Redis", "give --bus"]),
            (Fault::Silent, ["does not answer", "whether it runs"]),
        ] {
            let line = explained(&fault);
            assert!(words.iter().all(|word| line.contains(word)) && !line.contains('\n'), "{line}");
        }
    }

    #[test]
    fn each_error_of_a_broker_is_explained() {
        for (error, words) in [
            ("NOAUTH HELLO must be called with ..", "asks for a password (NOAUTH); put it into a file"),
            ("NOPERM this user has no permissions", "forbids its user what a bus needs (NOPERM this user"),
            ("NOPROTO unsupported protocol version", "is too old"),
            ("ERR unknown command 'HELLO'", "is too old (ERR unknown command 'HELLO'); use Redis 6.2"),
            ("ERR DB index is out of range", "has no such database"),
            (
                "READONLY You can't write",
                "is a replica, which only reads (READONLY); give --bus the address of its primary",
            ),
            ("LOADING Redis is loading", "is loading its data (LOADING); start the server again"),
            ("CROSSSLOT Keys in request", "is a cluster"),
            ("MISCONF Errors writing to the AOF file", "refuses the bus (MISCONF Errors writing to the AOF file)"),
        ] {
            let line = explained(&Fault::Refused(error.to_owned()));
            assert!(line.starts_with("the Redis at unix:/r ") && line.contains(words), "{line}");
        }
        let wrong = explain_error(&"unix:/r".parse().expect("an address"), "WRONGPASS invalid", true);
        assert!(wrong.contains("does not accept the user or the password (WRONGPASS); correct them"), "{wrong}");
    }
}
