//! The commands of our servers and of the floors: programs beside this one, on a port that the system picks.

use std::env;
use std::io;

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
    beside(match handler {
        Handler::Echo => "echo-server",
        Handler::Upper => "uppercase-server",
    })
}

/// Our room, without limits of its rates.
pub(crate) fn room() -> io::Result<Vec<String>> {
    Ok([beside("chat-server")?, ["--rate", "off", "--join-rate", "off"].map(str::to_owned).to_vec()].concat())
}

/// Our web server, of this directory and its scripts, at this address.
pub(crate) fn site(directory: &str, listen: &str) -> io::Result<Vec<String>> {
    let program = program("http-server")?;
    Ok([&program, directory, "--cgi", "--listen", listen, "--stdin", "ignore"].map(str::to_owned).to_vec())
}

/// The command of one of our servers.
fn beside(name: &str) -> io::Result<Vec<String>> {
    Ok([&*program(name)?, "--listen", "0", "--stdin", "ignore"].map(str::to_owned).to_vec())
}

/// The path of one of our programs.
fn program(name: &str) -> io::Result<String> {
    let path = env::current_exe()?.with_file_name(name);
    if !path.exists() {
        let text =
            format!("no {name} beside this program: build it with `cargo build --release --workspace --features full`");
        return Err(io::Error::other(text));
    }
    Ok(path.display().to_string())
}
