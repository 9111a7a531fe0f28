//! The new process of an upgrade: taking over the listeners of the first one. See `reactor::upgrade` for the first.
//!
//! Invariant: this process changes nothing that clients can see until the first one has released its listeners.

use std::env;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{self, Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, recv, send, sockopt};
use rustix::stdio::{dup2_stdin, stdin};

use super::args::ProcessArgs;
use super::binding::ServiceBinding;
use super::inherited;
use super::run::{former_descriptor_limit, set_former_descriptor_limit};
use crate::Address;
use crate::net::handover::{self, Label, Received};
use crate::net::{Listener, SocketOptions};
use crate::reactor::upgrade::{GO, LINE, MAGIC, PATIENCE, Program, READY, START, STARTED, Stage, Upgrade, Upgrades};

/// Longest message with a line of the operator that has begun. 128 KiB: more than one read of the console, and a line.
const MOST_LINE: usize = 128 * 1024;

/// The process that this one replaces, with the listeners that no service has taken yet.
#[derive(Debug)]
pub(super) struct Predecessor {
    channel: OwnedFd,
    received: Vec<Received>,
    is_owner: Arc<AtomicBool>,
}

static PREDECESSOR: Mutex<Option<Predecessor>> = Mutex::new(None);

/// Notes the process that this one replaces, if there is one, and restores standard input.
///
/// Does not return in the process that only starts the new one.
pub(super) fn meet_predecessor() -> io::Result<()> {
    if is_channel(START) {
        process::exit(i32::from(start_successor().is_err()));
    }
    if is_channel(MAGIC) {
        *PREDECESSOR.lock().unwrap_or_else(PoisonError::into_inner) = Some(Predecessor::meet()?);
    }
    Ok(())
}

/// The process that this one replaces, once.
pub(super) fn predecessor() -> Option<Predecessor> {
    PREDECESSOR.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Starts the new process, and tells the first one its id.
fn start_successor() -> io::Result<()> {
    recv(stdin(), &mut [0; START.len()], RecvFlags::DONTWAIT)?;
    let child = program().command().spawn()?;
    send(stdin(), &[STARTED, child.id().to_string().as_bytes()].concat(), SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Whether standard input is the channel of an upgrade, and its next message begins with `start`.
fn is_channel(start: &[u8]) -> bool {
    let is_pair = sockopt::socket_domain(stdin()) == Ok(AddressFamily::UNIX)
        && sockopt::socket_type(stdin()) == Ok(SocketType::SEQPACKET);
    let mut text = vec![0; start.len()];
    is_pair && recv(stdin(), text.as_mut_slice(), RecvFlags::PEEK | RecvFlags::DONTWAIT).is_ok() && text == start
}

impl Predecessor {
    fn meet() -> io::Result<Self> {
        let channel = fcntl_dupfd_cloexec(stdin(), 3)?;
        let (fields, input) = handover::receive(&channel)?;
        dup2_stdin(input.as_fd())?;
        let number = |index: usize| fields.get(index).and_then(|field| str::from_utf8(field).ok()?.parse().ok());
        set_former_descriptor_limit(number(2));
        let count: u64 = number(1).ok_or(Errno::BADMSG)?;
        let received = (0..count).map(|_| handover::receive_listener(&channel)).collect::<io::Result<_>>()?;
        Ok(Predecessor { channel, received, is_owner: Arc::default() })
    }

    /// Takes the listeners of an address.
    pub(super) fn take(
        &mut self,
        label: &Label,
        address: &Address,
        options: &SocketOptions,
    ) -> io::Result<Vec<Listener>> {
        let taken = self.received.extract_if(.., |received| received.label == *label);
        taken.map(|received| received.listener(address, options, &self.is_owner)).collect()
    }

    /// Takes the listeners that the service manager has opened for a service.
    pub(super) fn take_inherited(&mut self, service: &str, options: &SocketOptions) -> io::Result<Vec<Listener>> {
        let label = Label { service: service.to_owned(), given: String::new() };
        let taken = self.received.extract_if(.., |received| received.label == label);
        taken.map(|received| received.adopt(options)).collect()
    }

    /// Reports that this process is ready, and waits until the first one has released its listeners. The listeners that
    /// no service has taken are closed then. Returns the line of the operator that has begun.
    ///
    /// # Errors
    /// If the first process has ended, or does not answer.
    pub(super) fn take_over(self) -> io::Result<Vec<u8>> {
        // A process that waits for no answer has sent `GO`, and ended.
        let _ = send(&self.channel, READY, SendFlags::NOSIGNAL);
        let wait = Timespec::try_from(PATIENCE).ok();
        let (mut begun, mut text) = (Vec::new(), vec![0; MOST_LINE]);
        loop {
            // A signal is kept for the loop.
            while poll(&mut [PollFd::new(&self.channel, PollFlags::IN)], wait.as_ref()) == Err(Errno::INTR) {}
            let count = recv(&self.channel, text.as_mut_slice(), RecvFlags::DONTWAIT).map_or(0, |(_, count)| count);
            match text[..count].strip_prefix(LINE) {
                Some(line) => begun = line.to_vec(),
                None if text[..count] == *GO => break,
                None => return Err(io::Error::other("the process that was being replaced has kept its listeners")),
            }
        }
        self.is_owner.store(true, Ordering::Relaxed);
        self.received.into_iter().for_each(|left| left.close(&self.is_owner));
        Ok(begun)
    }
}

/// Takes the listeners of an address, if this process replaces another one that has them.
pub(super) fn take(
    predecessor: &mut Option<Predecessor>,
    label: &Label,
    address: &Address,
    options: &SocketOptions,
) -> io::Result<Vec<Listener>> {
    predecessor.as_mut().map_or_else(|| Ok(Vec::new()), |predecessor| predecessor.take(label, address, options))
}

/// The label of the control socket.
pub(super) fn control_label(path: &Path) -> Label {
    Label { service: String::new(), given: format!("--control unix:{}", path.display()) }
}

/// The label of the metrics listener.
#[cfg(feature = "metrics")]
pub(super) fn metrics_label(address: &Address) -> Label {
    Label { service: String::new(), given: format!("--metrics {address}") }
}

/// How this process can be replaced. `labels` are those of its listeners.
pub(super) fn upgrade(
    program: Program,
    labels: Vec<Label>,
    process: &ProcessArgs,
    bindings: &[ServiceBinding],
) -> Upgrade {
    let is_overlapping = bindings.iter().all(|binding| binding.setup.upgrades == Upgrades::Overlapping);
    // The end of process 1 is the end of its container.
    let kind = if is_overlapping && process::id() != 1 { Upgrades::Overlapping } else { Upgrades::Exclusive };
    Upgrade {
        program,
        kind,
        labels,
        control: process.control.as_deref().map(control_label),
        #[cfg(feature = "metrics")]
        metrics: process.metrics.as_ref().map(metrics_label),
        manager: inherited::manager,
        stage: Stage::Serving,
    }
}

/// The program of this process, as a successor runs it: its path as it was called, because the file may be replaced.
/// Without `/proc`, as in an image without files, this path cannot be compared with that of the process.
pub(super) fn program() -> Program {
    let own = env::current_exe().ok();
    let mut args = env::args_os();
    let called = args.next().map(PathBuf::from).and_then(|name| {
        if name.components().count() > 1 {
            return path::absolute(name).ok();
        }
        let directories = env::var_os("PATH")?;
        env::split_paths(&directories).map(|directory| directory.join(&name)).find(|path| path.is_file())
    });
    let is_own = |path: &PathBuf| own.as_ref().is_none_or(|own| fs::canonicalize(path).is_ok_and(|real| real == *own));
    // An empty path fails when it is started: the upgrade fails, and the server serves on.
    let path = called.filter(is_own).or_else(|| own.clone()).unwrap_or_default();
    Program { path, args: args.collect(), descriptors: former_descriptor_limit() }
}
