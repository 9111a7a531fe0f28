//! The stages of a stop, and the log of its causes.

/// The target of the log lines about stops. Programs show it at the default level.
pub(crate) const LOG_TARGET: &str = module_path!();

/// The stages of a stop, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stop {
    Running,
    /// A stop was requested. Sessions are still open.
    Requested,
    /// Each session ends when its input is answered. Connections receive their pending output.
    Draining,
    /// Every connection is dropped.
    Now,
}

impl Stop {
    /// Requests a stop, if none was requested before.
    pub(crate) fn request(&mut self) {
        *self = (*self).max(Stop::Requested);
    }

    /// Logs the cause of a request that has led to this stage: a signal, the operator, or the program.
    pub(crate) fn log(self, cause: &str) {
        let how = if self == Stop::Now { "stopping at once" } else { "stopping" };
        log::info!(target: LOG_TARGET, "{how}: {cause}");
    }

    /// The stage after further requests: the first request drains, the second drops every connection.
    pub(crate) fn after(self, requests: usize) -> Stop {
        match (self, requests) {
            (stop, 0) => stop,
            (Stop::Running | Stop::Requested, 1) => Stop::Requested,
            _ => Stop::Now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_request_drains_and_the_second_ends() {
        assert_eq!(Stop::Running.after(0), Stop::Running);
        assert_eq!(Stop::Running.after(1), Stop::Requested);
        assert_eq!(Stop::Running.after(2), Stop::Now);
        assert_eq!((Stop::Draining.after(0), Stop::Draining.after(1)), (Stop::Draining, Stop::Now));
        let mut stop = Stop::Draining;
        stop.request();
        assert_eq!(stop, Stop::Draining, "a stop never goes back");
    }
}
