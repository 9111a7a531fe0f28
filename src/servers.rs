//! The servers of the family as programs: the command line of each, and the handler that it makes.
//!
//! The programs in `bin` are these, one each; `switchboard` hosts any of them together.

#[cfg(feature = "bank")]
mod bank;
mod catalog;
mod chargen;
mod chat;
mod daytime;
mod discard;
#[cfg(all(feature = "doctor", feature = "storage"))]
mod doctor;
mod echo;
mod greeting;
#[cfg(feature = "storage")]
mod phonebook;
mod plan;
#[cfg(feature = "sum")]
mod sum;
mod switchboard;
mod talk;
mod time;
mod time_zone;
mod uppercase;

#[cfg(feature = "bank")]
pub use bank::BankServer;
pub use chargen::ChargenServer;
pub use chat::ChatServer;
pub use daytime::DaytimeServer;
pub use discard::DiscardServer;
#[cfg(all(feature = "doctor", feature = "storage"))]
pub use doctor::DoctorServer;
pub use echo::EchoServer;
pub use greeting::GreetingServer;
#[cfg(feature = "storage")]
pub use phonebook::PhonebookServer;
#[cfg(feature = "sum")]
pub use sum::SumServer;
pub use switchboard::Switchboard;
pub use talk::TalkServer;
pub use time::TimeServer;
pub use uppercase::UppercaseServer;
