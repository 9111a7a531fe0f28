//! What comes later: timers, jobs, connections and programs.

use std::io;
use std::time::Duration;

use super::{Context, ReplyTarget};
use crate::connection::link::Link;
use crate::connection::spawn::Spawn;
use crate::connection::timer_id::TimerId;
use crate::connection::token::Token;
use crate::net::Address;
use crate::state::TimerTarget;
use crate::state::results::Recipient;
use crate::workers::{Busy, Job, Worker, Workers};

impl Context<'_> {
    /// Sets a timer, which expires once, no earlier than `after` from [`now`](Self::now). An `after` of more than 30
    /// years counts as 30 years.
    ///
    /// [`Handler::timer`](crate::Handler::timer) follows for this connection, or
    /// [`Handler::service_timer`](crate::Handler::service_timer) without a connection. The timers of a connection are
    /// cancelled when it closes.
    pub fn set_timer(&mut self, after: Duration) -> TimerId {
        let due = match self.target {
            ReplyTarget::Connection(token) => TimerTarget::Session(token),
            _ => TimerTarget::Service(self.state.current_service),
        };
        self.state.set_timer(self.state.clock.after(after), due)
    }

    /// Sets a timer of the connection `other`, as [`set_timer`](Self::set_timer) sets one of this connection.
    pub fn set_timer_of(&mut self, other: Token, after: Duration) -> TimerId {
        self.state.set_timer(self.state.clock.after(after), TimerTarget::Session(other))
    }

    /// Sets a timer of the service, also in a callback of a connection, as [`set_timer`](Self::set_timer) does without
    /// one. [`Handler::service_timer`](crate::Handler::service_timer) follows.
    pub fn set_service_timer(&mut self, after: Duration) -> TimerId {
        self.state.set_timer(self.state.clock.after(after), TimerTarget::Service(self.service()))
    }

    /// Cancels a timer. No effect if it has expired or was cancelled.
    pub fn cancel_timer(&mut self, timer: TimerId) {
        self.state.timers.cancel(timer);
    }

    /// Runs `job` on a thread of the pool `workers`.
    ///
    /// [`Handler::done`](crate::Handler::done) follows for this connection, with what `job` returned. Until then the
    /// session receives no input and no [`eof`](crate::Handler::eof), and does not count as idle. Without a connection,
    /// [`Handler::service_done`](crate::Handler::service_done) follows.
    ///
    /// # Errors
    /// [`Busy`] if the queue of the pool is full, this session has a job under way, or the system refuses to start the
    /// pool's first thread, which is logged.
    pub fn offload<W: Worker, T: Send + 'static>(
        &mut self,
        workers: &Workers<W>,
        job: impl FnOnce(&mut W) -> W::Output<T> + Send + 'static,
    ) -> Result<(), Busy> {
        let session = self.session();
        if self.state.has_job(session) {
            return Err(Busy);
        }
        let recipient = session.map_or(Recipient::Service(self.state.current_service), Recipient::Session);
        self.submit(workers, Job::new(recipient.to_bits(), job))?;
        self.state.begin_job(session);
        Ok(())
    }

    /// Runs `job` on a thread of the pool `workers`, while the session goes on.
    ///
    /// [`Handler::service_done`](crate::Handler::service_done) follows, also in a callback of a connection. Any number
    /// of such jobs may be under way.
    ///
    /// # Errors
    /// [`Busy`] if the queue of the pool is full, or the system refuses to start the pool's first thread.
    pub fn offload_detached<W: Worker, T: Send + 'static>(
        &mut self,
        workers: &Workers<W>,
        job: impl FnOnce(&mut W) -> W::Output<T> + Send + 'static,
    ) -> Result<(), Busy> {
        self.submit(workers, Job::new(Recipient::Service(self.service()).to_bits(), job))?;
        self.state.begin_job(None);
        Ok(())
    }

    /// Requests a connection to `to` with the options `link`, and returns its token.
    ///
    /// [`Handler::open`](crate::Handler::open) or [`Handler::connect_failed`](crate::Handler::connect_failed) follows
    /// with this token, never before this callback has returned. Neither follows if the connection is
    /// [closed](Self::close_other) before, or the reactor stops. Each socket address of `to` has
    /// [`Limits::connect_timeout`](crate::Limits::connect_timeout) to accept. Until then the connection is not open:
    /// output sent to it is dropped. Over UDP, each [`send`](Self::send) to the connection is one datagram.
    ///
    /// If `to` is a host name, the loop waits for its look-up, which may take seconds. A server should connect to IP
    /// addresses.
    pub fn connect(&mut self, to: Address, link: Link) -> Token {
        let service = self.service();
        self.state.connect(to, link, service)
    }

    /// Starts a program whose standard input and output are a connection. Returns its token.
    ///
    /// [`Handler::open`](crate::Handler::open) follows with [`Via::Spawn`](crate::Via::Spawn), never before this
    /// callback has returned. Then output for the connection is the input of the program, and its output is input of
    /// the session. When the program closes its standard input, the rest of the output is dropped, which does not end
    /// the connection. [`Handler::exited`](crate::Handler::exited) reports the exit.
    ///
    /// The program belongs to the service of this callback. It does not count towards
    /// [`Limits::max_connections`](crate::Limits::max_connections), and
    /// [`Limits::idle_timeout`](crate::Limits::idle_timeout) and [`Limits::queue_time`](crate::Limits::queue_time) do
    /// not apply to it.
    ///
    /// After [`close`](Self::close), the program gets the end of its input, and has
    /// [`Limits::linger`](crate::Limits::linger) to exit; at a stop, it has [`Limits::drain`](crate::Limits::drain).
    /// Then, or after [`abort`](Self::abort), its process group receives SIGTERM, and SIGKILL after [`Spawn::grace`].
    ///
    /// The loop waits until the program runs, which takes 50 us, or a few milliseconds on a busy machine.
    ///
    /// # Errors
    /// [`ResourceBusy`](std::io::ErrorKind::ResourceBusy) if this turn has started
    /// [`Limits::turn_spawns`](crate::Limits::turn_spawns) programs: try again in a later turn, for example with a
    /// timer of no delay. [`QuotaExceeded`](std::io::ErrorKind::QuotaExceeded) if the service has
    /// [`Limits::max_children`](crate::Limits::max_children) programs. Otherwise, if the reactor is stopping, and the
    /// errors of the system, such as [`NotFound`](std::io::ErrorKind::NotFound). The text has the remedy, and the error
    /// of the system is the source of the inner error.
    pub fn spawn(&mut self, spawn: &Spawn) -> io::Result<Token> {
        let service = self.service();
        self.state.spawn(spawn, service)
    }

    /// Queues a job for the threads of its pool or, in a simulation, for this turn.
    fn submit<W: Worker>(&mut self, workers: &Workers<W>, job: Job<W>) -> Result<(), Busy> {
        if let Some(results) = self.state.jobs.queue() {
            return workers.submit_to_threads(job, results);
        }
        workers.submit(job)?;
        self.state.jobs.simulate(workers.inline());
        Ok(())
    }
}
