//! The protocols of the family: pure handlers, bytes and time in, bytes and requests out.

#[cfg(feature = "bank")]
mod bank;
mod chargen;
mod chat;
mod client;
mod daytime;
mod discard;
#[cfg(feature = "doctor")]
pub mod doctor;
mod echo;
mod greeting;
#[cfg(feature = "sum")]
mod sum;
mod talk;
#[cfg(feature = "storage")]
mod phonebook;
mod text;
mod time;
mod uppercase;

#[cfg(feature = "bank")]
pub use bank::{Bank, BankOptions, BankSession};
pub use chargen::Chargen;
pub use chat::{Chat, ChatLog, ChatOptions, ChatSession, LocalDate, LocalTime, Record};
pub use client::{Client, ClientOptions};
pub use daytime::Daytime;
pub use discard::Discard;
pub use echo::{Echo, EchoLines};
pub use greeting::{Greeting, LateGreeting};
#[cfg(feature = "storage")]
pub use phonebook::{Phonebook, PhonebookOptions, PhonebookSession};
#[cfg(feature = "sum")]
pub use sum::{Sum, SumOptions};
pub use talk::{Talk, TalkOptions, TalkSession, Unheard};
pub use time::Time;
pub use uppercase::Uppercase;

#[cfg(test)]
pub(crate) mod chunking;
