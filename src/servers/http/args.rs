//! The command line of `http-server`.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;

use super::{AccessLog, CgiOptions, SPARE_DESCRIPTORS, Site, SiteOptions};
use crate::Limits;
use crate::framing::http::{HttpOptions, is_token};
use crate::servers::cli::{
    JsonLines, LimitOrOff, LogFormat, Server, ServerArgs, ServiceHost, ServiceSetup, StartError,
    former_descriptor_limit, parse_count, parse_duration, parse_off, parse_size,
};
use crate::servers::log_file::{LogFile, StandardError};
use crate::servers::time_zone::{local_time, time_zone};

/// Serves the files of a directory and runs CGI scripts over HTTP, over TCP and Unix sockets
#[derive(Parser, Debug)]
#[command(name = "http-server", version, after_help = EXAMPLES)]
pub struct HttpServer {
    /// The directory
    #[arg(value_name = "DIR", default_value = ".")]
    pub directory: PathBuf,

    /// The file that is served for a directory
    #[arg(long, value_name = "NAME", default_value = "index.html", value_parser = parse_name)]
    pub index: String,

    /// Answer 404 for a directory without an index, instead of listing it
    #[arg(long)]
    pub no_listing: bool,

    /// Serve and list files whose names begin with a dot
    #[arg(long)]
    pub dotfiles: bool,

    /// The type of files with this extension; may be given several times
    #[arg(long = "type", value_name = "EXT=TYPE", value_parser = parse_type)]
    pub types: Vec<(String, String)>,

    /// A header of each answer; may be given several times
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = parse_header)]
    pub headers: Vec<(String, String)>,

    /// The header Cache-Control of each file, such as max-age=60
    #[arg(long, value_name = "VALUE", value_parser = parse_value)]
    pub cache_control: Option<String>,

    /// Memory for small files that were served last
    #[arg(long, value_name = "BYTES|off", default_value = "64MiB", value_parser = parse_off(parse_size))]
    pub cache: LimitOrOff<usize>,

    /// Execute the files beneath this path of a URL (CGI/1.1), and never show them
    #[arg(long, value_name = "/PATH", num_args = 0..=1, require_equals = true, default_missing_value = "/cgi-bin",
        value_parser = parse_prefix)]
    pub cgi: Option<String>,

    /// The program that runs files with this extension; may be given several times
    #[arg(long = "cgi-handler", value_name = ".EXT=PROGRAM", value_parser = parse_handler)]
    pub cgi_handlers: Vec<(String, PathBuf)>,

    /// A variable for scripts, without a value that of the server; may be given several times
    #[arg(long = "cgi-env", value_name = "NAME[=VALUE]", value_parser = parse_variable)]
    pub cgi_env: Vec<(String, Option<String>)>,

    /// Append a line for each answer to this file (Combined Log Format); -: to standard error
    #[arg(long, value_name = "FILE|-")]
    pub access_log: Option<PathBuf>,

    // Before the limits of its own, so that the groups of the help have the order of the other servers.
    /// The flags of every server.
    #[command(flatten)]
    pub server: ServerArgs,

    /// End a script that writes nothing for this long
    #[arg(long, value_name = "DUR|off", default_value = "30s", value_parser = parse_off(parse_duration),
        help_heading = "Limits")]
    pub cgi_timeout: LimitOrOff<Duration>,

    /// Scripts at a time; further requests wait
    #[arg(long, value_name = "N|off", default_value = "64", value_parser = parse_off(parse_count),
        help_heading = "Limits")]
    pub max_scripts: LimitOrOff<usize>,

    /// Largest body of a request
    #[arg(long, value_name = "BYTES|off", default_value = "16MiB", value_parser = parse_off(parse_size),
        help_heading = "Limits")]
    pub max_body: LimitOrOff<usize>,

    /// How long a request line with its headers may take to arrive; after that, the answer is 408
    #[arg(long, value_name = "DUR|off", default_value = "10s", value_parser = parse_off(parse_duration),
        help_heading = "Limits")]
    pub header_timeout: LimitOrOff<Duration>,

    /// Close a connection that has waited for the next request for this long
    #[arg(long, value_name = "DUR|off", default_value = "60s", value_parser = parse_off(parse_duration),
        help_heading = "Limits")]
    pub keep_alive: LimitOrOff<Duration>,

    /// Least rate of the body of a request, per second, in 10 seconds in which the server waits for it; below it, the
    /// answer is 408
    #[arg(long, value_name = "BYTES|off", default_value = "1KiB", value_parser = parse_off(parse_size),
        help_heading = "Limits")]
    pub body_rate: LimitOrOff<usize>,

    /// Close a client that takes none of an answer for this long
    #[arg(long, value_name = "DUR|off", default_value = "60s", value_parser = parse_off(parse_duration),
        help_heading = "Limits")]
    pub send_timeout: LimitOrOff<Duration>,
}

const EXAMPLES: &str = "\
Examples:
  http-server                                    this directory, on http://127.0.0.1:8080/
  http-server /usr/share/doc -l '*:8080'         for all hosts
  http-server --no-listing --header 'Content-Security-Policy: default-src self'
  http-server --type log=text/plain --cache-control max-age=60
  http-server --cgi                              runs ./cgi-bin/hello for /cgi-bin/hello
  http-server --cgi-handler .sh=/bin/sh --cgi-env LANG --cgi-timeout 5s
  http-server --access-log /tmp/access.log";

const PORT: u16 = 8080;

impl Server for HttpServer {
    fn shared(&self) -> &ServerArgs {
        &self.server
    }

    fn start<T: ServiceHost>(&self, host: T) -> Result<T::Output, StartError> {
        let options = SiteOptions {
            dotfiles: self.dotfiles,
            index: self.index.clone(),
            listing: !self.no_listing,
            types: self.types.iter().cloned().collect(),
            headers: self.headers.clone(),
            cache_control: self.cache_control.clone(),
            cache: self.cache.0.unwrap_or(0),
            cgi: self.cgi_options(),
            http: HttpOptions {
                header_timeout: self.header_timeout.0,
                keep_alive: self.keep_alive.0,
                body_rate: self.body_rate.0.map(|rate| rate as u64),
                max_body: self.max_body.0.map(|most| most as u64),
                send_timeout: self.send_timeout.0,
                ..HttpOptions::default()
            },
        };
        let site = Site::new(&self.directory, options).map_err(|error| self.not_served(&error))?;
        site.start_threads().map_err(StartError::thread)?;
        let site = match &self.access_log {
            Some(path) => site.with_access_log(access_log(path)?),
            None => site,
        };
        let limits = Limits {
            max_children: self.max_scripts.0,
            spare_descriptors: SPARE_DESCRIPTORS,
            // Files wait for each start. A turn between two of them costs microseconds (docs/performance.md).
            turn_spawns: 1,
            ..Limits::default()
        };
        Ok(host.host(ServiceSetup {
            limits,
            alpn: &["http/1.1", "http/1.0"],
            ..ServiceSetup::new(PORT, site).with_overlapping_upgrades()
        }))
    }
}

impl HttpServer {
    fn not_served(&self, error: &io::Error) -> StartError {
        // Only the errors of the directory come from the system as they are.
        if error.raw_os_error().is_none() {
            return StartError::failure(error.to_string());
        }
        let directory = self.directory.display();
        let is_prefix = self.cgi.is_some() && self.directory.is_absolute() && error.kind() == io::ErrorKind::NotFound;
        let remedy = if is_prefix {
            format!("; the path of scripts follows a =, as in --cgi={directory}")
        } else {
            String::new()
        };
        StartError::failure(format!("cannot serve {directory}: {error}{remedy}"))
    }

    fn cgi_options(&self) -> CgiOptions {
        let env = self.cgi_env.iter().filter_map(|(name, value)| {
            let value = value.as_ref().map_or_else(|| env::var_os(name), |value| Some(value.into()));
            Some((OsString::from(name), value?))
        });
        CgiOptions {
            prefix: self.cgi.clone(),
            handlers: self.cgi_handlers.clone(),
            env: env.collect(),
            timeout: self.cgi_timeout.0,
            max_scripts: self.max_scripts.0,
            descriptors: former_descriptor_limit(),
        }
    }
}

/// The target of the access log's records on standard error.
const ACCESS_TARGET: &str = "switchboard::access";

/// Opens the access log at `path`, or on standard error.
fn access_log(path: &Path) -> Result<AccessLog, StartError> {
    let zone = time_zone();
    let clock = move |at| local_time(at, &zone);
    let name = path.display().to_string();
    let log = if name == "-" {
        match LogFormat::chosen() {
            LogFormat::Text => AccessLog::new("standard error", StandardError, clock),
            LogFormat::Json => {
                AccessLog::new("standard error", JsonLines { target: ACCESS_TARGET, out: StandardError }, clock)
            }
        }
    } else {
        let file = LogFile::open(path).map_err(|error| {
            let remedy = "give --access-log a file that can be written to";
            StartError::failure(format!("cannot log to {name}: {error}; {remedy}"))
        })?;
        AccessLog::new(&name, file, clock)
    };
    log.start_thread().map_err(StartError::thread)?;
    Ok(log)
}

fn parse_name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(['/', '\0']) || [".", ".."].contains(&text) {
        return Err("write the name of a file".to_owned());
    }
    Ok(text.to_owned())
}

fn parse_type(text: &str) -> Result<(String, String), String> {
    let (extension, media_type) = text.split_once('=').unwrap_or_default();
    let extension = extension.trim_start_matches('.').to_ascii_lowercase();
    if extension.is_empty() || !media_type.contains('/') {
        return Err("write EXT=TYPE, such as log=text/plain".to_owned());
    }
    Ok((extension, parse_value(media_type)?))
}

fn parse_header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').unwrap_or_default();
    if !is_token(name) {
        return Err("write 'NAME: VALUE'".to_owned());
    }
    let framing = ["connection", "content-length", "date", "transfer-encoding"];
    if framing.contains(&&*name.to_ascii_lowercase()) {
        return Err(format!("the server itself writes {name}"));
    }
    Ok((name.to_owned(), parse_value(value)?))
}

fn parse_prefix(text: &str) -> Result<String, String> {
    if !text.starts_with('/')
        || text.contains(['%', '\\', '\0'])
        || text.split('/').any(|name| [".", ".."].contains(&name))
    {
        return Err("write the path of a URL, such as /cgi-bin".to_owned());
    }
    Ok(text.to_owned())
}

fn parse_handler(text: &str) -> Result<(String, PathBuf), String> {
    let (extension, program) = text.split_once('=').unwrap_or_default();
    if !extension.starts_with('.') || extension.len() < 2 || extension[1..].contains(['.', '/']) || program.is_empty() {
        return Err("write .EXT=PROGRAM, such as .php=/usr/bin/php-cgi".to_owned());
    }
    Ok((extension.to_owned(), program.into()))
}

fn parse_variable(text: &str) -> Result<(String, Option<String>), String> {
    let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value.to_owned())));
    if name.is_empty() || text.contains('\0') {
        return Err("write NAME=VALUE, or NAME for the value that the server has".to_owned());
    }
    Ok((name.to_owned(), value))
}

fn parse_value(text: &str) -> Result<String, String> {
    if text.chars().any(char::is_control) {
        return Err("a header has no control characters".to_owned());
    }
    Ok(text.trim().to_owned())
}
