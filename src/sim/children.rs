//! Simulated children: the test plays the programs that a handler starts.

use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use super::{Entry, Sim, SimPeer};
use crate::connection::edge::Edge;
use crate::connection::spawn::Spawn;
use crate::handler::Handler;
use crate::state::children::{SimulatedChild, Simulation};

impl<H: Handler> Sim<H> {
    /// Returns the children that the handler has started since the last call, each with the request of
    /// [`Context::spawn`](crate::Context::spawn).
    ///
    /// The test plays a child as any other peer: [`send`](Self::send) is its output and [`shut_down`](Self::shut_down)
    /// the end of that, [`received`](Self::received) is its input, and [`ending`](Self::ending) is
    /// [`Ending::Eof`](crate::Ending::Eof) at the end of its input. [`exit`](Self::exit) ends the program.
    ///
    /// ```
    /// use switchboard::{Context, Handler, Origin, Sim, Spawn, Via};
    ///
    /// /// Starts a program for each client and tells its exit.
    /// struct Starter;
    ///
    /// impl Handler for Starter {
    ///     type Session = ();
    ///
    ///     fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) {
    ///         if origin.via == Via::Spawn {
    ///             cx.reply(b"3 1 2");
    ///             cx.shut_down();
    ///         } else {
    ///             cx.spawn(&Spawn::new("sort")).expect("a child");
    ///         }
    ///     }
    ///
    ///     fn data<'a>(&mut self, (): &mut (), input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
    ///         cx.write_stdout(input);
    ///         input.len()
    ///     }
    /// }
    ///
    /// let mut sim = Sim::new(Starter);
    /// sim.connect();
    /// let (child, spawn) = sim.spawned().pop().expect("one child");
    /// assert_eq!((spawn, sim.received(child)), (Spawn::new("sort"), b"3 1 2".to_vec()));
    /// sim.send(child, b"1 2 3");
    /// sim.shut_down(child);
    /// sim.exit(child, 0);
    /// assert_eq!((sim.stdout(), sim.stats().children), (b"1 2 3".to_vec(), 0));
    /// ```
    pub fn spawned(&mut self) -> Vec<(SimPeer, Spawn)> {
        self.run();
        let started = self.simulation().map(|simulation| std::mem::take(&mut simulation.started));
        let mut children = Vec::new();
        for SimulatedChild { token, end, process, spawn } in started.into_iter().flatten() {
            children.push((SimPeer(self.peers.len()), spawn));
            self.peers.push(Entry { token, end, process: Some(process) });
        }
        children
    }

    /// Makes each start of a child fail with an error of this kind from now on, or succeed again.
    pub fn fail_spawns(&mut self, kind: Option<ErrorKind>) {
        self.run();
        if let Some(simulation) = self.simulation() {
            simulation.failure = kind;
        }
    }

    /// Ends the program of a child, with this exit code. Its output and input stay as they are: other processes may
    /// have them. No effect if it has exited.
    ///
    /// # Panics
    /// If the peer is no child.
    pub fn exit(&mut self, child: SimPeer, code: u8) {
        self.end_program(child, ExitStatus::from_raw(i32::from(code) << 8));
    }

    /// Ends the program of a child by a signal, such as 11 (SIGSEGV), as [`exit`](Self::exit) does with a code.
    ///
    /// # Panics
    /// If the peer is no child.
    pub fn crash(&mut self, child: SimPeer, signal: u8) {
        self.end_program(child, ExitStatus::from_raw(i32::from(signal)));
    }

    fn end_program(&mut self, child: SimPeer, status: ExitStatus) {
        let entry = &self.peers[child.0];
        let process = entry.process.as_ref().expect("a peer that the handler has started");
        process.fate(|fate| _ = fate.status.get_or_insert(status));
        self.dispatcher.state.children.mark_ready(entry.token);
    }

    /// Makes a child read no more: it closes its standard input.
    pub fn close_input(&mut self, child: SimPeer) {
        let mut wires = self.wires(child);
        wires.is_deaf = true;
        wires.raise(Edge { writable: true, ..Edge::default() });
        drop(wires);
        self.touched.push(child);
    }

    /// Returns the numbers of the signals that a child has received since the last call. SIGKILL, 9, has ended it.
    ///
    /// # Panics
    /// If the peer is no child.
    pub fn signals(&mut self, child: SimPeer) -> Vec<i32> {
        self.run();
        let process = self.peers[child.0].process.as_ref().expect("a peer that the handler has started");
        process.fate(|fate| std::mem::take(&mut fate.signals))
    }

    fn simulation(&mut self) -> Option<&mut Simulation> {
        self.dispatcher.state.children.simulation.as_mut()
    }
}
