//! The command line of `phonebook-server`.

use clap::Parser;

#[cfg(feature = "web")]
use crate::servers::Doors;
#[cfg(feature = "web")]
use crate::servers::cli::WebArgs;
use crate::servers::cli::{DataArgs, LineArgs, Server, ServerArgs, ServiceHost, ServiceSetup, StartError};
use crate::servers::{Phonebook, PhonebookOptions};

/// One phone book for all clients, kept in a file, over TCP and Unix sockets
#[derive(Parser, Debug)]
#[command(name = "phonebook-server", version, after_help = EXAMPLES)]
#[command(mut_arg("data", |data| data.help(DATA)))]
pub struct PhonebookServer {
    /// The data file.
    #[command(flatten)]
    pub data: DataArgs,

    /// The longest line.
    #[command(flatten)]
    pub lines: LineArgs,

    /// The flags of the web door.
    #[cfg(feature = "web")]
    #[command(flatten)]
    pub web: WebArgs,

    /// The flags of every server.
    #[command(flatten)]
    pub server: ServerArgs,
}

const DATA: &str = "File that keeps the book, created if it is missing; :memory: keeps it in memory only \
    [default: phonebook.db in the user's data directory, ~/.local/share/switchboard]";

const EXAMPLES: &str = "\
Examples:
  phonebook-server                               on 127.0.0.1:5002; try: nc 127.0.0.1 5002
  phonebook-server --data /tmp/book.db -l '*:5002' --max-connections 500 --idle-timeout 1h
  phonebook-server --data :memory: -l unix:/tmp/book.sock --stdin commands -v
  phonebook-server -l 5002 -l web:8082           for browsers, too: http://127.0.0.1:8082/";

impl Server for PhonebookServer {
    fn shared(&self) -> &ServerArgs {
        &self.server
    }

    #[cfg(feature = "web")]
    fn check(&self) -> Result<(), StartError> {
        self.web.options(&self.server.listen).map(drop)
    }

    fn start<T: ServiceHost>(&self, host: T) -> Result<T::Output, StartError> {
        #[cfg(feature = "web")]
        let web = self.web.options(&self.server.listen)?;
        let store = self.data.open("phonebook", &Phonebook::SCHEMA)?;
        let book = Phonebook::lines(store, PhonebookOptions { max_line: self.lines.max_line() });
        book.get_ref().start_thread().map_err(StartError::thread)?;
        let setup = ServiceSetup::new(5002, book).with_limits(self.lines.limits()).with_web_door();
        #[cfg(feature = "web")]
        if let Some(web) = web {
            return Ok(host.host(setup.map(|book| Doors::of_lines(book, web))));
        }
        Ok(host.host(setup))
    }
}
