//! What fuzzers do with their bytes: one plain function a target, which panics when it has found something.
//!
//! A target makes a script of the bytes, plays it to the code under test, and compares what happens with a model, or
//! with what is promised. It runs under libFuzzer (`fuzz_targets`, and `run` beside this crate), and each build of the
//! tests replays the inputs that are kept in `corpus`. Invariant: what a target does depends on its bytes alone, so a
//! finding can be repeated. Opens no socket, starts no thread and reads no clock.

use std::fmt::Debug;
use std::sync::LazyLock;

pub mod address;
#[cfg(feature = "bank")]
pub mod bank;
#[cfg(feature = "http")]
pub mod cgi_answer;
pub mod chat;
#[cfg(feature = "web")]
pub mod chat_web;
#[cfg(feature = "doctor")]
pub mod doctor;
pub mod framing;
#[cfg(feature = "storage")]
mod hall;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http")]
pub mod http_body;
#[cfg(feature = "http")]
pub mod http_head;
#[cfg(feature = "http")]
pub mod http_path;
#[cfg(feature = "storage")]
pub mod phonebook;
pub mod proxy;
pub mod relay;
#[cfg(feature = "bus")]
pub mod resp;
pub mod sanitizer;
pub mod sim;
mod telnet;
#[cfg(feature = "websocket")]
pub mod websocket;

/// A target: what is fuzzed under this name.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of its program, and of its folder in `corpus`.
    pub name: &'static str,
    /// Takes any bytes. Panics when something is wrong with the code under test.
    pub run: fn(&[u8]),
}

/// All targets. A new one needs a module, a line here, a program in `fuzz_targets` and Cargo.toml, and a folder in
/// `corpus`; and where what it tests is a feature, that feature here, too.
pub const TARGETS: &[Target] = &[
    Target { name: "address", run: address::run },
    #[cfg(feature = "bank")]
    Target { name: "bank", run: bank::run },
    #[cfg(feature = "http")]
    Target { name: "cgi_answer", run: cgi_answer::run },
    Target { name: "chat", run: chat::run },
    #[cfg(feature = "web")]
    Target { name: "chat_web", run: chat_web::run },
    #[cfg(feature = "doctor")]
    Target { name: "doctor", run: doctor::run },
    Target { name: "framing", run: framing::run },
    #[cfg(feature = "http")]
    Target { name: "http_body", run: http_body::run },
    #[cfg(feature = "http")]
    Target { name: "http_head", run: http_head::run },
    #[cfg(feature = "http")]
    Target { name: "http_path", run: http_path::run },
    #[cfg(feature = "storage")]
    Target { name: "phonebook", run: phonebook::run },
    Target { name: "proxy", run: proxy::run },
    Target { name: "relay", run: relay::run },
    #[cfg(feature = "bus")]
    Target { name: "resp", run: resp::run },
    Target { name: "sanitizer", run: sanitizer::run },
    Target { name: "sim", run: sim::run },
    #[cfg(feature = "websocket")]
    Target { name: "websocket", run: websocket::run },
];

/// Shows a step of a script where the environment variable `SHOW` is set, to look at one input.
fn show(step: &dyn Debug) {
    static IS_ON: LazyLock<bool> = LazyLock::new(|| std::env::var_os("SHOW").is_some());
    if *IS_ON {
        eprintln!("{step:?}");
    }
}
