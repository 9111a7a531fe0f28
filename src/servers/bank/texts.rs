//! All texts of the server. Scripts rely on them, and the server's page lists them.
//!
//! [`fill`](crate::servers::text::fill) replaces names in braces. Invariant: an answer is one line that begins with
//! `ok` or `error`. Only `ok lines {count}` is followed by further lines, whose number it gives. An answer repeats
//! nothing of a client's line except a valid name, so no answer can be mistaken for another, and no PIN is shown.

/// The first line, to a new connection.
pub(super) const WELCOME: &str = "ok welcome to the bank: HELP lists the commands\n";
/// `OPEN`. The name is as typed.
pub(super) const OPENED: &str = "ok opened {name}\n";
/// `LOGIN`. The name is as in `OPEN`.
pub(super) const LOGGED_IN: &str = "ok logged in as {name}\n";
/// `BALANCE`.
pub(super) const BALANCE: &str = "ok balance {amount}\n";
/// `DEPOSIT`, `WITHDRAW`, `TRANSFER`: the number of the row in the journal, and the new balance.
pub(super) const BOOKED: &str = "ok entry {entry} balance {amount}\n";
/// `HISTORY`, `HELP`: the number of lines that follow.
pub(super) const LINES: &str = "ok lines {count}\n";
/// `HISTORY`: a deposit, a withdrawal, or interest.
pub(super) const ENTRY: &str = "{entry} {time} {kind} {amount}\n";
/// `HISTORY`: a transfer, with the name of the other account.
pub(super) const ENTRY_WITH: &str = "{entry} {time} {kind} {amount} {name}\n";
/// `PIN`.
pub(super) const PIN_CHANGED: &str = "ok PIN changed\n";
/// `CLOSE`. The session is logged out.
pub(super) const CLOSED: &str = "ok closed {name}\n";
/// `LOGOUT`.
pub(super) const LOGGED_OUT: &str = "ok logged out\n";
/// `QUIT`. The connection is closed.
pub(super) const BYE: &str = "ok good bye\n";

/// `LOGIN`: no such account, or a wrong PIN. The text does not say which.
pub(super) const WRONG: &str = "error wrong name or PIN\n";
/// `PIN`, `CLOSE`: a wrong PIN.
pub(super) const WRONG_PIN: &str = "error wrong PIN\n";
/// `CLOSE`: the account holds money.
pub(super) const NOT_EMPTY: &str = "error the balance is {amount}: WITHDRAW or TRANSFER it first\n";
/// A request for an account that another session has closed. The session is logged out.
pub(super) const GONE: &str = "error this account is closed\n";
/// `LOGIN`, `PIN`, `CLOSE`: too many wrong PINs for this name, known or unknown.
pub(super) const LOCKED: &str = "error locked after 3 wrong PINs: try again in {seconds} s\n";
/// Too many PINs or requests wait.
pub(super) const BUSY: &str = "error busy, try again\n";
/// A request for an account, without a login.
pub(super) const LOG_IN: &str = "error log in first: LOGIN name PIN\n";
/// `LOGIN` after a login.
pub(super) const LOG_OUT: &str = "error logged in as {name}: LOGOUT first\n";
/// `OPEN`: an account has this name, or one that differs only in case.
pub(super) const TAKEN: &str = "error the name {name} is taken\n";
/// `WITHDRAW`, `TRANSFER`: the balance is too small.
pub(super) const SHORT: &str = "error insufficient funds: the balance is {amount}\n";
/// A balance would exceed the maximum.
pub(super) const FULL: &str = "error a balance cannot be more than 92233720368547758.07\n";
/// `TRANSFER` to an unknown name.
pub(super) const UNKNOWN_RECEIVER: &str = "error no account is called {name}\n";
/// `TRANSFER` to the own account.
pub(super) const SELF: &str = "error a transfer needs an account other than your own\n";
/// An invalid name.
pub(super) const BAD_NAME: &str = "error a name is a letter, then up to 31 of A-Z, a-z, 0-9 and _-.\n";
/// An invalid PIN.
pub(super) const BAD_PIN: &str = "error a PIN is 4 to 12 digits\n";
/// An invalid amount.
pub(super) const BAD_AMOUNT: &str =
    "error write an amount as 12, 12.5 or 12.50: more than 0, at most 92233720368547758.07\n";
/// `HISTORY` with an invalid number.
pub(super) const BAD_COUNT: &str = "error HISTORY takes a number from 1 to 1000\n";
/// A command with the wrong number of words.
pub(super) const USAGE: &str = "error usage: {usage}\n";
/// An unknown command.
pub(super) const UNKNOWN: &str = "error unknown command: HELP lists them\n";
/// The line is longer than the limit, in bytes.
pub(super) const TOO_LONG: &str = "error the line is over {limit} bytes\n";
/// A web request. The connection is closed.
pub(super) const NO_HTTP: &str = "error this is a bank and does not speak HTTP\n";
/// The operator closes the connection. The reason may be empty.
pub(super) const KICKED: &str = "error closed by the operator{reason}\n";
/// The data file or the system failed. Nothing was changed.
pub(super) const TROUBLE: &str = "error {trouble}\n";

/// `HELP`.
pub(super) const HELP: &str = "\
OPEN name PIN         open an account; a PIN is 4 to 12 digits
LOGIN name PIN        log in to an account
BALANCE               show the balance
DEPOSIT amount        pay in: 12 or 12.50
WITHDRAW amount       pay out
TRANSFER name amount  pay to another account
HISTORY [n]           show the last n entries, 10 by default
PIN old new           change the PIN
CLOSE PIN             close the account, once its balance is 0; its name stays taken
LOGOUT                log out
HELP                  show this list
QUIT                  close the connection
";
