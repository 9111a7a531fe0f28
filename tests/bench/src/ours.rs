//! The commands of our servers and of the floors: programs beside this one, on a port that the system picks.

use std::env;
use std::io;

use crate::cases::Service;
use crate::handler::Handler;

/// Our server for that, a room without limits of its rates.
///
/// # Errors
/// It has not been built.
pub(crate) fn serving(service: Service) -> io::Result<Vec<String>> {
    let unlimited: &[&str] = &["--rate", "off", "--join-rate", "off"];
    let (name, listen, flags) = match service {
        Service::Reply(Handler::Echo) => ("echo-server", "0", &[][..]),
        Service::Reply(Handler::Upper) => ("uppercase-server", "0", &[][..]),
        Service::WebEcho => ("echo-server", "web:0", &[][..]),
        Service::Room => ("chat-server", "0", unlimited),
        Service::WebRoom => ("chat-server", "web:0", unlimited),
    };
    let program = program(name)?;
    let words = [&program, "--listen", listen, "--stdin", "ignore"].into_iter().chain(flags.iter().copied());
    Ok(words.map(str::to_owned).collect())
}

/// The floor for that. The floor of a room at the web door is the same room at the line door.
pub(crate) fn floor(service: Service) -> io::Result<Vec<String>> {
    let this = env::current_exe()?.display().to_string();
    Ok(match service {
        Service::WebRoom => serving(Service::Room)?,
        Service::WebEcho => floor(Service::Reply(Handler::Echo))?,
        Service::Reply(handler) => [&this, "floor-echo", "0", "--handler", handler.name()].map(str::to_owned).to_vec(),
        Service::Room => [&this, "floor-fanout", "0"].map(str::to_owned).to_vec(),
    })
}

/// Our web server, of this directory and its scripts, at this address.
pub(crate) fn site(directory: &str, listen: &str) -> io::Result<Vec<String>> {
    let program = program("http-server")?;
    Ok([&program, directory, "--cgi", "--listen", listen, "--stdin", "ignore"].map(str::to_owned).to_vec())
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
