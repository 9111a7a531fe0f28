//! Job control: what a terminal does to a process in its background (tcsetpgrp(3), termios(3)).
//!
//! Invariant: after [`keep_running`], the terminal does not stop this thread or the threads that it starts. A read in
//! the background then fails with EIO, and a write succeeds even with `stty tostop`.
//!
//! Deliberately not here: SIGTSTP (Ctrl-Z), with which the user stops the process.

use std::os::fd::AsFd;

use nix::sys::signal::{SigSet, Signal};
use rustix::termios::{LocalModes, tcgetattr, tcgetpgrp};

/// Blocks SIGTTIN and SIGTTOU in this thread.
///
/// A handler does not suffice: the kernel repeats the write after the handler, and sends the signal again.
pub(crate) fn keep_running() {
    // Fails only for invalid arguments (pthread_sigmask(3)).
    let _ = [Signal::SIGTTIN, Signal::SIGTTOU].into_iter().collect::<SigSet>().thread_block();
}

/// Whether this process is in the background of `terminal`.
///
/// False for a terminal that is not, or no longer, the controlling one: job control does not apply there.
pub(crate) fn is_in_background(terminal: impl AsFd) -> bool {
    tcgetpgrp(terminal).is_ok_and(|foreground| foreground != rustix::process::getpgrp())
}

/// Whether `terminal` wants no output from this process: it is in the background, and `stty tostop` is set.
pub(crate) fn is_muted(terminal: impl AsFd) -> bool {
    is_in_background(&terminal) && tcgetattr(&terminal).is_ok_and(|set| set.local_modes.contains(LocalModes::TOSTOP))
}
