//! Close codes: why a WebSocket ends.

use std::fmt;

/// The code of a close frame (RFC 6455, section 7.4, and the registry of IANA).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose of the connection is fulfilled.
    pub const NORMAL: CloseCode = CloseCode(1000);
    /// 1001: the server stops, or the page is left.
    pub const GOING_AWAY: CloseCode = CloseCode(1001);
    /// 1002: a frame breaks the protocol.
    pub const PROTOCOL_ERROR: CloseCode = CloseCode(1002);
    /// 1003: a kind of message that is not served, such as binary.
    pub const UNSUPPORTED_DATA: CloseCode = CloseCode(1003);
    /// 1007: the content is not of its kind: a text that is no UTF-8.
    pub const INVALID_DATA: CloseCode = CloseCode(1007);
    /// 1008: a rule of the server is broken.
    pub const POLICY_VIOLATION: CloseCode = CloseCode(1008);
    /// 1009: a message over the limit.
    pub const MESSAGE_TOO_BIG: CloseCode = CloseCode(1009);
    /// 1011: the server cannot go on.
    pub const INTERNAL_ERROR: CloseCode = CloseCode(1011);
    /// 1012: the server restarts.
    pub const SERVICE_RESTART: CloseCode = CloseCode(1012);
    /// 1013: the server is overloaded.
    pub const TRY_AGAIN_LATER: CloseCode = CloseCode(1013);

    /// Creates a code from its number, if a close frame may have it: 1000 to 1003, 1007 to 1014, and 3000 to 4999. Of
    /// these, applications choose theirs from 4000 on.
    #[must_use]
    pub fn new(number: u16) -> Option<CloseCode> {
        matches!(number, 1000..=1003 | 1007..=1014 | 3000..=4999).then_some(CloseCode(number))
    }

    /// Returns the number.
    #[must_use]
    pub fn number(self) -> u16 {
        self.0
    }
}

/// Shows the number.
impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1004 is reserved; 1005, 1006 and 1015 are for programs, and never sent; 1016 to 2999 have no meaning yet.
    #[test]
    fn only_codes_that_may_be_sent_exist() {
        let codes: Vec<u16> = (0..=u16::MAX).filter(|&number| CloseCode::new(number).is_some()).collect();
        let want: Vec<u16> = (1000..1004).chain(1007..1015).chain(3000..5000).collect();
        assert_eq!(codes, want);
        assert_eq!(CloseCode::new(4321).map(|code| (code.number(), code.to_string())), Some((4321, "4321".into())));
    }
}
