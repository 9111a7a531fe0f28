//! Ready-made servers, from echo to a bank. Each folder holds a handler, its texts and, with the feature `cli`, its
//! command line.
//!
//! The programs in `bin` are these servers, one each; `switchboard` hosts any of them together.

#[cfg(feature = "bank")]
mod bank;
mod chargen;
mod chat;
#[cfg(test)]
pub(crate) mod chunking;
#[cfg(feature = "cli")]
pub mod cli;
mod client;
mod daytime;
mod discard;
#[cfg(feature = "doctor")]
pub mod doctor;
#[cfg(feature = "web")]
mod doors;
mod echo;
mod exec;
mod greeting;
#[cfg(feature = "http")]
mod http;
mod line_log;
#[cfg(feature = "web")]
mod line_server;
mod local_time;
#[cfg(feature = "cli")]
mod log_file;
#[cfg(feature = "web")]
mod page;
#[cfg(feature = "storage")]
mod phonebook;
mod relay;
#[cfg(feature = "sum")]
mod sum;
#[cfg(feature = "cli")]
mod switchboard;
mod talk;
mod text;
mod time;
#[cfg(feature = "cli")]
mod time_zone;
mod uppercase;

#[cfg(all(feature = "cli", feature = "bank"))]
pub use bank::BankServer;
#[cfg(feature = "bank")]
pub use bank::{Bank, BankOptions, BankSession};
pub use chargen::Chargen;
#[cfg(feature = "cli")]
pub use chargen::ChargenServer;
#[cfg(feature = "cli")]
pub use chat::ChatServer;
pub use chat::{Chat, ChatLog, ChatOptions, ChatSession, Record, RoomName};
#[cfg(feature = "cli")]
pub use client::LineClient;
pub use client::{Client, ClientOptions};
pub use daytime::Daytime;
#[cfg(feature = "cli")]
pub use daytime::DaytimeServer;
pub use discard::Discard;
#[cfg(feature = "cli")]
pub use discard::DiscardServer;
#[cfg(all(feature = "cli", feature = "doctor", feature = "storage"))]
pub use doctor::DoctorServer;
#[cfg(feature = "web")]
pub use doors::{AtDoors, DoorSession, Doors};
#[cfg(feature = "cli")]
pub use echo::EchoServer;
pub use echo::{Echo, EchoLines};
#[cfg(feature = "cli")]
pub use exec::ExecServer;
pub use exec::{Exec, ExecSession};
#[cfg(feature = "cli")]
pub use greeting::GreetingServer;
pub use greeting::{Greeting, GreetingReply};
#[cfg(all(feature = "cli", feature = "http"))]
pub use http::HttpServer;
#[cfg(feature = "http")]
pub use http::{AccessLog, CgiOptions, Site, SiteOptions, SiteSession};
#[cfg(feature = "web")]
pub use line_server::LineServer;
pub use local_time::{LocalDate, LocalTime};
#[cfg(all(feature = "cli", feature = "storage"))]
pub use phonebook::PhonebookServer;
#[cfg(feature = "storage")]
pub use phonebook::{Phonebook, PhonebookOptions, PhonebookSession};
pub use relay::Relay;
#[cfg(feature = "cli")]
pub use relay::RelayServer;
#[cfg(all(feature = "cli", feature = "sum"))]
pub use sum::SumServer;
#[cfg(feature = "sum")]
pub use sum::{Sum, SumOptions};
#[cfg(feature = "cli")]
pub use switchboard::{Switchboard, SwitchboardCommand, programs};
#[cfg(feature = "cli")]
pub use talk::TalkServer;
pub use talk::{Talk, TalkOptions, TalkSession, Unheard};
pub use time::Time;
#[cfg(feature = "cli")]
pub use time::TimeServer;
pub use uppercase::Uppercase;
#[cfg(feature = "cli")]
pub use uppercase::UppercaseServer;
