//! Everything that the bank says, in one place: scripts rely on these texts, and the server's page lists them.
//!
//! Names in braces stand for what [`fill`](crate::servers::text::fill) puts there. Invariant: an answer is one line that
//! begins with `ok` or `error`; only `ok lines {count}` is followed by more, and says by how many. Nothing that a client
//! typed is repeated but a well-formed name, so no answer can be mistaken for another one, and no PIN is shown.

/// `OPEN`. The name as it was typed.
pub(super) const OPENED: &str = "ok opened {name}\n";
/// `LOGIN`. The name as the account was opened.
pub(super) const LOGGED_IN: &str = "ok logged in as {name}\n";
/// `BALANCE`.
pub(super) const BALANCE: &str = "ok balance {amount}\n";
/// `DEPOSIT`, `WITHDRAW`, `TRANSFER`: the number of the journal's row, and the balance after it.
pub(super) const BOOKED: &str = "ok entry {entry} balance {amount}\n";
/// `HISTORY`, `HELP`: so many lines follow.
pub(super) const LINES: &str = "ok lines {count}\n";
/// `HISTORY`: a deposit, a withdrawal, or interest.
pub(super) const ENTRY: &str = "{entry} {time} {kind} {amount}\n";
/// `HISTORY`: a transfer, and with whom.
pub(super) const ENTRY_WITH: &str = "{entry} {time} {kind} {amount} {name}\n";
/// `LOGOUT`.
pub(super) const LOGGED_OUT: &str = "ok logged out\n";
/// `QUIT`; the connection is closed.
pub(super) const BYE: &str = "ok good bye\n";

/// `LOGIN`: no such account, or another PIN. Which of them is not said.
pub(super) const WRONG: &str = "error wrong name or PIN\n";
/// `LOGIN`: too many wrong PINs for this name, whether it is an account's or nobody's.
pub(super) const LOCKED: &str = "error locked after 3 wrong PINs: try again in {seconds} s\n";
/// Too many PINs wait to be hashed, or too many requests for the data file.
pub(super) const BUSY: &str = "error busy, try again\n";
/// A command that concerns an account.
pub(super) const LOG_IN: &str = "error log in first: LOGIN name PIN\n";
/// `LOGIN` of somebody who is logged in.
pub(super) const LOG_OUT: &str = "error logged in as {name}: LOGOUT first\n";
/// `OPEN`: somebody has the name, or one that differs in case only.
pub(super) const TAKEN: &str = "error the name {name} is taken\n";
/// `WITHDRAW`, `TRANSFER`.
pub(super) const SHORT: &str = "error insufficient funds: the balance is {amount}\n";
/// A balance would be more than can be counted.
pub(super) const FULL: &str = "error a balance cannot be more than 92233720368547758.07\n";
/// `TRANSFER`.
pub(super) const NOBODY: &str = "error no account is called {name}\n";
/// `TRANSFER`.
pub(super) const SELF: &str = "error a transfer needs another account than your own\n";
/// A name that no account can have.
pub(super) const BAD_NAME: &str = "error a name is a letter, then up to 31 of A-Z, a-z, 0-9 and _-.\n";
/// A PIN that no account can have.
pub(super) const BAD_PIN: &str = "error a PIN is 4 to 12 digits\n";
/// What is no amount, or too much.
pub(super) const BAD_AMOUNT: &str = "error an amount is 12, 12.5 or 12.50: more than 0, at most 92233720368547758.07\n";
/// `HISTORY`.
pub(super) const BAD_COUNT: &str = "error HISTORY takes a number from 1 to 1000\n";
/// A command with too little or too much behind it.
pub(super) const USAGE: &str = "error usage: {usage}\n";
/// No command.
pub(super) const UNKNOWN: &str = "error unknown command: HELP lists them\n";
/// A line over the limit. `{limit}` counts bytes.
pub(super) const TOO_LONG: &str = "error the line is over {limit} bytes\n";
/// A web request; the connection is closed.
pub(super) const NO_HTTP: &str = "error this is a bank and does not speak HTTP\n";
/// The data file, or the system, refuses; nothing was changed.
pub(super) const TROUBLE: &str = "error {trouble}\n";

/// `HELP`.
pub(super) const HELP: &str = "\
OPEN name PIN         open an account; a PIN is 4 to 12 digits
LOGIN name PIN        speak for an account from now on
BALANCE               what is in it
DEPOSIT amount        pay in: 12 or 12.50
WITHDRAW amount       pay out
TRANSFER name amount  pay to another account
HISTORY [n]           the last n entries, 10 unless said
LOGOUT                speak for no account
HELP                  this list
QUIT                  close the connection
";
