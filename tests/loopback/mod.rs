//! The reactor in this process, on real sockets: what it does must be what the simulation says.

mod agreement;
mod child;
mod files;
mod link;
mod proxy;
mod reactor;
mod relay;
mod tls;
mod websocket;
mod workers;

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;

use switchboard::{Address, Handler, Limits, Reactor, ServiceOptions, Stopper};

/// A reactor on a thread of its own; stopped and joined when dropped.
pub(crate) struct Running {
    pub(crate) listening: Vec<Address>,
    pub(crate) stopper: Stopper,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Runs the handler that `make` makes on these addresses, which have port 0.
    pub(crate) fn start<H: Handler>(make: impl FnOnce() -> H + Send + 'static, addresses: &[&str]) -> Self {
        Self::with_limits(make, addresses, Limits::default())
    }

    pub(crate) fn with_limits<H: Handler>(
        make: impl FnOnce() -> H + Send + 'static,
        addresses: &[&str],
        limits: Limits,
    ) -> Self {
        let mut options = ServiceOptions::default();
        options.limits = limits;
        Self::with_options(make, addresses, options)
    }

    pub(crate) fn with_options<H: Handler>(
        make: impl FnOnce() -> H + Send + 'static,
        addresses: &[&str],
        options: ServiceOptions,
    ) -> Self {
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let (sender, receiver) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let mut reactor = Reactor::with_options(make(), options).expect("a poll");
            let bound = addresses.iter().flat_map(|address| reactor.bind(address).expect("port 0 is free")).collect();
            sender.send((bound, reactor.stopper())).expect("the test waits");
            reactor.run().expect("the poll works");
        });
        let (listening, stopper) = receiver.recv().expect("the reactor starts");
        Running { listening, stopper, thread: Some(thread) }
    }

    /// The socket address of the first listener.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listening[0].resolve().expect("an IP address")[0]
    }

    /// Asks to stop and waits for the end of the thread.
    pub(crate) fn stop(mut self) {
        self.join();
    }

    /// Waits for the end of the thread, which something else has stopped.
    pub(crate) fn wait(mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the reactor does not panic");
        }
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.stopper.stop().expect("the reactor can be woken");
            let result = thread.join();
            assert!(result.is_ok() || std::thread::panicking(), "the reactor panicked");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.join();
    }
}
