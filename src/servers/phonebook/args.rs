//! Phone book: names and numbers in a data file, shared by all clients.

use clap::Parser;

use crate::servers::cli::{
    LimitOrOff, Server, ServerArgs, ServiceHost, ServiceSetup, StartError, line_limits, parse_off, parse_size,
};
use crate::servers::{Phonebook, PhonebookOptions};
use crate::workers::storage::{DataFile, Store};

/// One phone book for all clients, kept in a file, over TCP and Unix sockets
#[derive(Parser, Debug)]
#[command(name = "phonebook-server", version, after_help = EXAMPLES)]
pub struct PhonebookServer {
    /// File that keeps the book, made if it is missing; :memory: keeps it nowhere [default: phonebook.db in the user's
    /// data directory, ~/.local/share/switchboard]
    #[arg(long, value_name = "FILE")]
    pub data: Option<DataFile>,

    /// Longest line that a client may send
    #[arg(long, value_name = "BYTES|off", default_value = "4096", value_parser = parse_off(parse_size))]
    pub max_line: LimitOrOff<usize>,

    /// The flags of every server.
    #[command(flatten)]
    pub server: ServerArgs,
}

const EXAMPLES: &str = "\
Examples:
  phonebook-server                               on 127.0.0.1:5002; try: nc 127.0.0.1 5002
  phonebook-server --data /tmp/book.db -l '*:5002' --max-connections 500 --idle-timeout 1h
  phonebook-server --data :memory: -l unix:/tmp/book.sock --stdin commands -v";

impl Server for PhonebookServer {
    fn shared(&self) -> &ServerArgs {
        &self.server
    }

    fn start<T: ServiceHost>(&self, host: T) -> Result<T::Output, StartError> {
        let file = self.data.clone().map_or_else(|| DataFile::of_user("phonebook"), Ok).map_err(StartError::failure)?;
        let store = Store::open(&file, &Phonebook::SCHEMA).map_err(StartError::failure)?;
        let max_line = self.max_line.0.unwrap_or(usize::MAX);
        let book = Phonebook::book(store, PhonebookOptions { max_line });
        Ok(host.host(ServiceSetup::new(5002, book).with_limits(line_limits(max_line))))
    }
}
