//! The commands of our servers and of the floors: programs beside this one, on a port that the system picks.

use std::env;
use std::io;
use std::path::PathBuf;

use crate::cases::Service;
use crate::handler::Handler;

/// Our server for that.
///
/// # Errors
/// It has not been built.
pub(crate) fn serving(service: Service) -> io::Result<Vec<String>> {
    match service {
        Service::Reply(handler) => replying(handler),
        Service::Room => room(),
    }
}

/// The floor for that.
pub(crate) fn floor(service: Service) -> io::Result<Vec<String>> {
    let this = env::current_exe()?.display().to_string();
    Ok(match service {
        Service::Reply(handler) => [&this, "floor-echo", "0", "--handler", handler.name()].map(str::to_owned).to_vec(),
        Service::Room => [&this, "floor-fanout", "0"].map(str::to_owned).to_vec(),
    })
}

/// Our server that does this to the bytes.
pub(crate) fn replying(handler: Handler) -> io::Result<Vec<String>> {
    beside_or_fail(match handler {
        Handler::Echo => "echo-server",
        Handler::Upper => "uppercase-server",
    })
}

/// Our room, in which nobody is slowed down.
pub(crate) fn room() -> io::Result<Vec<String>> {
    Ok([beside_or_fail("chat-server")?, ["--rate", "off"].map(str::to_owned).to_vec()].concat())
}

fn beside_or_fail(program: &str) -> io::Result<Vec<String>> {
    beside(program)?.ok_or_else(|| {
        let text = format!("no {program} beside this program: build it with `cargo build --release --workspace`");
        io::Error::other(text)
    })
}

/// The command of one of our servers, if it has been built.
pub(crate) fn beside(program: &str) -> io::Result<Option<Vec<String>>> {
    let path: PathBuf = env::current_exe()?.with_file_name(program);
    let command = [&path.display().to_string(), "--listen", "0", "--stdin", "ignore"].map(str::to_owned).to_vec();
    Ok(path.exists().then_some(command))
}
