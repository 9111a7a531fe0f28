//! The table of connections.

use std::ops::{Index, IndexMut};

use slotmap::SlotMap;

use crate::connection::Connection;
use crate::connection::token::{ConnectionKey, Token};

/// Every connection of a reactor, by its token. The slot of a removed connection is reused, its token is not.
#[derive(Debug, Default)]
pub(crate) struct Connections(SlotMap<ConnectionKey, Connection>);

impl Connections {
    pub(crate) fn insert(&mut self, connection: Connection) -> Token {
        Token::new(self.0.insert(connection))
    }

    pub(crate) fn remove(&mut self, token: Token) -> Option<Connection> {
        self.0.remove(token.key())
    }

    #[inline]
    pub(crate) fn get(&self, token: Token) -> Option<&Connection> {
        self.0.get(token.key())
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, token: Token) -> Option<&mut Connection> {
        self.0.get_mut(token.key())
    }

    /// The connection of this token, while its session is open.
    #[inline]
    pub(crate) fn get_open(&mut self, token: Token) -> Option<&mut Connection> {
        self.get_mut(token).filter(|connection| connection.is_open())
    }

    pub(crate) fn is_open(&self, token: Token) -> bool {
        self.get(token).is_some_and(Connection::is_open)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Token, &Connection)> {
        self.0.iter().map(|(key, connection)| (Token::new(key), connection))
    }

    pub(crate) fn tokens(&self) -> Vec<Token> {
        self.0.keys().map(Token::new).collect()
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Connection> {
        self.0.values()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Index<Token> for Connections {
    type Output = Connection;

    fn index(&self, token: Token) -> &Connection {
        &self.0[token.key()]
    }
}

impl IndexMut<Token> for Connections {
    fn index_mut(&mut self, token: Token) -> &mut Connection {
        &mut self.0[token.key()]
    }
}
