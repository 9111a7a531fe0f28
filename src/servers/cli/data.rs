//! The flags of servers whose protocol consists of lines, and of servers that keep data in a file.

use clap::Args;

use super::server::line_limits;
use super::value::{LimitOrOff, parse_off, parse_size};
use crate::Limits;
#[cfg(feature = "storage")]
use crate::servers::cli::StartError;
#[cfg(feature = "storage")]
use crate::workers::storage::{DataFile, Schema, Store};

/// The flag of a server whose clients send lines.
#[derive(Args, Clone, Copy, Debug)]
pub struct LineArgs {
    /// Longest line that a client may send
    #[arg(long, value_name = "BYTES|off", default_value = "4096", value_parser = parse_off(parse_size))]
    pub max_line: LimitOrOff<usize>,
}

impl LineArgs {
    /// The longest line, in bytes.
    #[must_use]
    pub fn max_line(self) -> usize {
        self.max_line.0.unwrap_or(usize::MAX)
    }

    /// The default limits, with an inbox that holds the longest line.
    #[must_use]
    pub fn limits(self) -> Limits {
        line_limits(self.max_line())
    }
}

/// The flag of a server that keeps data in a file.
#[cfg(feature = "storage")]
#[derive(Args, Clone, Debug)]
pub struct DataArgs {
    // Each server sets the help with `mut_arg`, because the help names the server's data.
    /// The data file.
    #[arg(long, value_name = "FILE")]
    pub data: Option<DataFile>,
}

#[cfg(feature = "storage")]
impl DataArgs {
    /// Opens the data file. Without the flag, it is the file `name` in the user's data directory.
    ///
    /// # Errors
    /// If the file cannot be created or opened, or if its tables are not those of `schema`.
    pub fn open(&self, name: &str, schema: &Schema) -> Result<Store, StartError> {
        let file = self.data.clone().map_or_else(|| DataFile::of_user(name), Ok);
        file.and_then(|file| Store::open(&file, schema)).map_err(StartError::failure)
    }
}
