//! Receipts: reports that output of a connection was sent, or is lost.
//!
//! Invariant: each receipt that was requested is given once, when the kernel has taken the output before it, or when
//! its connection is removed. Receipts of a connection are given in the order of the requests.

use std::collections::VecDeque;

use crate::connection::ids::ServiceId;
use crate::connection::token::Token;
use crate::state::State;

/// A receipt that was requested.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Receipt {
    ticket: u64,
    /// The number of unsent bytes before it.
    unsent: u64,
}

/// The receipts of one connection.
pub(crate) type Receipts = VecDeque<Receipt>;

impl State {
    /// Requests a receipt for the output that is pending for a connection.
    pub(crate) fn request_receipt(&mut self, token: Token, ticket: u64) {
        let unsent = self.connections.get(token).map_or(0, |found| found.undelivered(&self.feeds));
        if unsent == 0 {
            return self.work.receipts.push((self.service_of(Some(token)), ticket, 0));
        }
        let receipt = Receipt { ticket, unsent };
        match self.receipts.get_mut(token.key()) {
            Some(receipts) => receipts.push_back(receipt),
            None => drop(self.receipts.insert(token.key(), [receipt].into())),
        }
    }

    /// Gives the receipts for output of which `sent` more bytes are sent.
    #[cold]
    pub(super) fn give_receipts(&mut self, token: Token, sent: usize) {
        let service = self.service_of(Some(token));
        let Some(receipts) = self.receipts.get_mut(token.key()) else { return };
        for receipt in receipts.iter_mut() {
            receipt.unsent = receipt.unsent.saturating_sub(sent as u64);
        }
        let sent = receipts.iter().take_while(|receipt| receipt.unsent == 0).count();
        self.work.receipts.extend(receipts.drain(..sent).map(|Receipt { ticket, .. }| (service, ticket, 0)));
        if receipts.is_empty() {
            self.receipts.remove(token.key());
        }
    }

    /// Gives the receipts for output that is lost with its connection.
    pub(super) fn give_last_receipts(&mut self, token: Token, service: ServiceId) {
        let receipts = self.receipts.remove(token.key()).unwrap_or_default();
        self.work.receipts.extend(receipts.into_iter().map(|Receipt { ticket, unsent }| (service, ticket, unsent)));
    }
}
