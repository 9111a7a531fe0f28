//! Which thread runs first where the faults and their witnesses share a core.

use std::fs;
use std::io;
use std::process::Command;

use rustix::process::{getpriority_process, setpriority_process};
use rustix::thread::gettid;

/// Whether this process, and so what it starts, goes before all that is not scheduled so (`SCHED_FIFO` or `SCHED_RR`,
/// sched(7)).
pub(crate) fn goes_first() -> bool {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Field 41; the name in field 2 may hold spaces.
    let policy = stat.rsplit_once(") ").and_then(|(_, fields)| fields.split_whitespace().nth(38));
    matches!(policy, Some("1" | "2"))
}

/// Lets the calling thread go before all others of this process, if that one goes first: among those, niceness is
/// nothing.
pub(crate) fn go_before_others() -> io::Result<()> {
    if !goes_first() {
        return Ok(());
    }
    let thread = gettid().as_raw_nonzero().to_string();
    let raised = Command::new("chrt").args(["--fifo", "--pid", "11", &thread]).status()?.success();
    raised.then_some(()).ok_or_else(|| io::Error::other("chrt (of util-linux) cannot let a thread go first"))
}

/// Lets the calling thread yield to others: what abuses the server shares a core with those who measure, and is not to
/// be what they measure.
pub(crate) fn yield_to_others() -> io::Result<()> {
    // Linux: niceness is a thread's, and `None` is the calling one.
    Ok(setpriority_process(None, getpriority_process(None)? + 10)?)
}
