//! How far a stop has come.

/// The stages of a stop, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stop {
    Running,
    /// Asked for. Sessions still go on.
    Requested,
    /// Every session is over. Connections receive what is pending for them.
    Draining,
    /// Every connection is dropped.
    Now,
}

impl Stop {
    /// Asks for a stop, if none was asked for before.
    pub(crate) fn request(&mut self) {
        *self = (*self).max(Stop::Requested);
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
