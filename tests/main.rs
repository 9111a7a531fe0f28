//! The crate from outside. `loopback` runs the reactor in this process; `servers` takes the servers and the client as
//! their users meet them: the real binaries, spawned on free ports, driven by real netcats, terminals and signals;
//! `docs` does what the pages say. One target, so that everything links once.
//!
//! Invariant: no test waits for a length of time in the hope that something has happened by then. A wait has a
//! condition and a deadline; a length of time appears only where it is itself what is measured (idle time, a throttled
//! reader).

mod loopback;

/// Spawning, watching and talking to processes.
mod support {
    pub(crate) mod bank;
    pub(crate) mod cable;
    pub(crate) mod data;
    pub(crate) mod page;
    pub(crate) mod peer;
    pub(crate) mod scripts;
    pub(crate) mod server;
    pub(crate) mod silence;
    pub(crate) mod terminal;
    pub(crate) mod tools;

    pub(crate) use switchboard_harness::websocket;
}

/// What the servers promise, one file a topic.
mod servers {
    mod bank;
    mod bank_crash;
    mod browser;
    mod bus;
    mod bus_script;
    mod cgi_body;
    mod cgi_programs;
    mod cgi_trouble;
    mod chargen;
    mod chat;
    mod chat_operator;
    mod chat_record;
    mod chat_web;
    mod client;
    mod clock;
    mod control;
    mod command_line;
    mod config;
    mod crowd;
    mod data_file;
    mod descriptors;
    mod discard;
    mod doctor;
    mod cgi;
    mod exec;
    mod greeting;
    mod http;
    mod http_limits;
    mod http_log;
    mod http_service;
    mod greeting_file;
    mod job_control;
    mod limits;
    mod log_format;
    mod listening;
    mod metrics;
    mod operator;
    mod page;
    mod phonebook;
    mod process;
    mod proxy;
    mod relay;
    mod service;
    mod soak;
    mod stopping;
    mod sum;
    mod suspended;
    mod switchboard;
    mod talk;
    mod telnet;
    mod terminal;
    mod tls;
    mod transfer;
    mod udp;
    mod unix;
    mod upgrade;
    mod web;
    mod web_lines;
    mod web_pages;
}

/// What the pages and the help texts say is what happens.
mod docs {
    mod blocks;
    mod commands;
    pub(crate) mod examples;
    mod features;
    mod generated;
    mod help;
    mod links;
    mod pane;
    mod ports;
    mod replay;
    pub(crate) mod script;
    mod texts;
}

/// How the source is laid out.
mod source {
    mod english;
    pub(crate) mod files;
    mod imports;
    mod names;
}
