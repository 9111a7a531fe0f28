//! The command line of `chat-server`.
//!
//! The time zone and the log file are chosen here, so the protocol needs neither a calendar nor the file system.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

#[cfg(feature = "web")]
use crate::framing::websocket::WebSocketOptions;
#[cfg(feature = "web")]
use crate::servers::cli::WebArgs;
use crate::servers::cli::{
    LimitOrOff, LineArgs, Server, ServerArgs, ServiceHost, ServiceSetup, StartError, parse_count, parse_duration,
    parse_off, parse_rate, parse_size,
};
#[cfg(feature = "web")]
use crate::servers::doors::Doors;
use crate::servers::log_file::LogFile;
use crate::servers::time_zone::{local_time, time_zone};
use crate::servers::{Chat, ChatLog, ChatOptions, Record, RoomName};
use crate::{Limits, Rate};

#[cfg(feature = "bus")]
use super::bus::{BusArgs, OnBus};
#[cfg(feature = "web")]
use super::web::longest_message;

/// Chat rooms: every member reads what the others in its room type, over TCP and Unix sockets
#[derive(Parser, Debug)]
#[command(name = "chat-server", version, after_help = EXAMPLES)]
#[cfg_attr(not(feature = "bus"), command(mut_arg("reuse_port", |flag| flag.hide(true))))]
pub struct ChatServer {
    /// The longest line.
    #[command(flatten)]
    pub lines: LineArgs,

    /// Close a member that is this far behind the room
    #[arg(long, value_name = "BYTES|off", default_value = "4MiB", value_parser = parse_off(parse_size))]
    pub room_buffer: LimitOrOff<usize>,

    /// How often a member may send a line, after a burst of 20 times N; a faster member is read more slowly
    #[arg(long, value_name = "N/DUR|off", default_value = "5/1s", value_parser = parse_off(with_burst::<20>))]
    pub rate: LimitOrOff<Rate>,

    /// How often newcomers of one host (for IPv6, of one /64) may join, after a burst of 100 times N; further ones wait
    #[arg(long, value_name = "N/DUR|off", default_value = "2/1s", value_parser = parse_off(with_burst::<100>))]
    pub join_rate: LimitOrOff<Rate>,

    /// How long a newcomer may take to choose a nickname
    #[arg(long, value_name = "DUR|off", default_value = "30s", value_parser = parse_off(parse_duration))]
    pub handshake_timeout: LimitOrOff<Duration>,

    /// The room in which members begin
    #[arg(long, value_name = "NAME", default_value_t = RoomName::lobby())]
    pub room: RoomName,

    /// The most rooms at a time; a room beside the first ends with its last member
    #[arg(long, value_name = "N|off", default_value = "100", value_parser = parse_off(parse_count))]
    pub max_rooms: LimitOrOff<usize>,

    /// Show newcomers the last N lines that were said, with their times
    #[arg(long, value_name = "N|off", default_value = "off", value_parser = parse_off(parse_count))]
    pub history: LimitOrOff<usize>,

    /// Show the time before each line of the room
    #[arg(long)]
    pub timestamps: bool,

    /// Append what happens in the room to this file
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,

    /// The flags of the bus.
    #[cfg(feature = "bus")]
    #[command(flatten)]
    pub bus: BusArgs,

    /// The flags of the web door.
    #[cfg(feature = "web")]
    #[command(flatten)]
    pub web: WebArgs,

    /// The flags of every server.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// The reason why `--reuse-port` is rejected.
#[cfg(not(feature = "bus"))]
const SHARED_PORT: &str =
    "--reuse-port: the kernel would split the room over the processes; run one chat server on each address";

/// The reason why `--reuse-port` is rejected without a bus.
#[cfg(feature = "bus")]
const SHARED_PORT: &str = "--reuse-port: the kernel would split the room over the processes; \
     run one chat server on each address, or share the rooms with --bus";

const EXAMPLES: &str = "\
Examples:
  chat-server                                    on 127.0.0.1:8888; try: nc 127.0.0.1 8888
  chat-server -l '*:8888' --max-connections 500 --idle-timeout 1h
  chat-server -l 8888 -l web:8080                for netcats and for browsers
  chat-server --history 50 --log /tmp/room.log
  chat-server -l unix:/tmp/chat.sock --stdin commands -v";

impl Server for ChatServer {
    fn shared(&self) -> &ServerArgs {
        &self.server
    }

    fn check(&self) -> Result<(), StartError> {
        #[cfg(feature = "bus")]
        let has_bus = self.bus.is_given();
        #[cfg(not(feature = "bus"))]
        let has_bus = false;
        if self.server.listen.reuse_port && !has_bus {
            return Err(StartError::usage(SHARED_PORT));
        }
        #[cfg(feature = "bus")]
        self.bus.check()?;
        #[cfg(feature = "web")]
        self.web.options(&self.server.listen)?;
        Ok(())
    }

    fn start<T: ServiceHost>(&self, host: T) -> Result<T::Output, StartError> {
        let max_line = self.lines.max_line();
        let limits = Limits { feed_buffer: self.room_buffer.0, ..self.lines.limits() };
        let record = self.record(&limits)?;
        let options = ChatOptions {
            max_line,
            rate: self.rate.0,
            join_rate: self.join_rate.0,
            handshake: self.handshake_timeout.0,
            room: self.room.clone(),
            max_rooms: self.max_rooms.0,
            record: Some(record),
            ..ChatOptions::default()
        };
        #[cfg(feature = "bus")]
        let bus = self.bus.enter(&options, self.history.0)?;
        let setup = ServiceSetup::new(8888, Chat::room(options)).with_limits(limits).with_web_door();
        #[cfg(feature = "web")]
        let web = self.web.options(&self.server.listen)?;
        #[cfg(feature = "web")]
        let web = web.map(|web| WebSocketOptions { max_message: longest_message(max_line), ..web });
        #[cfg(feature = "bus")]
        if let Some(bus) = bus {
            let (setup, on_bus) = bus.put(setup);
            #[cfg(feature = "web")]
            if let Some(web) = web {
                return Ok(host.host(setup.map(|chat| OnBus::new(Doors::new(chat, web), on_bus))));
            }
            return Ok(host.host(setup.map(|chat| OnBus::new(chat, on_bus))));
        }
        #[cfg(feature = "web")]
        if let Some(web) = web {
            return Ok(host.host(setup.map(|chat| Doors::new(chat, web))));
        }
        Ok(host.host(setup))
    }
}

impl ChatServer {
    /// The record that the flags ask for.
    fn record(&self, limits: &Limits) -> Result<Record, StartError> {
        let zone = time_zone();
        let mut record = Record::new(move |at| local_time(at, &zone));
        if self.timestamps {
            record = record.with_timestamps();
        }
        if let Some(lines) = self.history.0 {
            // The whole history is sent at once, so it must fit below the mark at which a connection is paused.
            record = record.with_history(lines, self.server.listen.limits(limits).high_mark());
        }
        if let Some(path) = &self.log {
            let name = path.display().to_string();
            let file = LogFile::open(path).map_err(|error| {
                StartError::failure(format!("cannot log to {name}: {error}; give --log a file that can be written to"))
            })?;
            let log = ChatLog::new(&name, file);
            log.start_thread().map_err(StartError::thread)?;
            record = record.with_log(log);
        }
        Ok(record)
    }
}

/// Parses a rate with a burst of `TIMES` times its number.
fn with_burst<const TIMES: u32>(text: &str) -> Result<Rate, String> {
    parse_rate(text).map(|rate| Rate { burst: rate.count.saturating_mul(TIMES), ..rate })
}
