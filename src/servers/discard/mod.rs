//! Discard: input is thrown away (RFC 863).
//!
//! Invariant: nothing is answered and nothing is stored. When the peer ends its side, the connection is closed.

#[cfg(feature = "cli")]
mod args;

#[cfg(feature = "cli")]
pub use args::DiscardServer;

use crate::connection::origin::Origin;
use crate::handler::Handler;
use crate::handler::context::Context;

/// Reads everything and answers nothing, over connections and in datagrams (RFC 863).
///
/// ```
/// use switchboard::servers::Discard;
/// use switchboard::{Ending, Sim};
///
/// let mut sim = Sim::new(Discard);
/// let peer = sim.connect();
/// sim.send(peer, b"anything");
/// assert_eq!((sim.unread(peer), sim.received(peer)), (0, b"".to_vec()));
/// sim.shut_down(peer);
/// assert_eq!(sim.ending(peer), Some(Ending::Eof));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Discard;

impl Handler for Discard {
    type Session = ();

    fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}

    fn data<'a>(&mut self, (): &mut (), input: &'a mut [u8], _: &mut Context<'a>) -> usize {
        input.len()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use proptest::prelude::*;

    use super::*;
    use crate::servers::chunking::{in_pieces, steps};
    use crate::sim::{Ending, Sim, assert_chunking_law};

    #[test]
    fn a_datagram_has_no_answer_not_even_an_empty_one() {
        let mut sim = Sim::new(Discard);
        for bytes in [&b"text\n"[..], b""] {
            assert_eq!(sim.datagram((Ipv4Addr::LOCALHOST, 5000).into(), bytes), None);
        }
    }

    #[test]
    fn however_much_comes_nothing_of_it_is_kept() {
        let mut sim = Sim::new(Discard);
        let peer = sim.connect();
        sim.send(peer, &vec![b'x'; 10_000_000]);
        assert_eq!((sim.unread(peer), sim.stats().queued, sim.stats().bytes_in), (0, 0, 10_000_000));
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 5000));
        sim.datagram(address, b"counted, too");
        assert_eq!(sim.stats().bytes_in, 10_000_012);
    }

    #[test]
    fn obeys_the_chunking_law() {
        assert_chunking_law(|| Discard, b"one\r\ntwo\n\0\xff no end");
    }

    proptest! {
        #[test]
        fn no_input_has_an_answer(input: Vec<u8>, steps in steps()) {
            prop_assert_eq!(in_pieces(Discard, &input, &steps), (Vec::new(), Some(Ending::Eof)));
        }
    }
}
