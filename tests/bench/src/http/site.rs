//! The files that are served, and the servers: their commands and configurations.

use std::env;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use switchboard_harness::{Certificates, Pair, SERVER};

use crate::ours;
use crate::server::PORT;

/// A web server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    Ours,
    Lighttpd,
    Nginx,
    Python,
}

/// How a server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    /// With TLS 1.3.
    Https,
}

impl Scheme {
    pub(super) fn name(self) -> &'static str {
        if self == Scheme::Http { "http" } else { "https" }
    }
}

impl Peer {
    /// The name of the program, which for ours is beside this one.
    pub(super) fn program(self) -> &'static str {
        match self {
            Peer::Ours => "http-server",
            Peer::Lighttpd => "lighttpd",
            Peer::Nginx => "nginx",
            Peer::Python => "python3",
        }
    }

    /// Where the program is, if it is installed. Debian's web servers are in a directory that the `PATH` of an ordinary
    /// user does not have.
    fn path(self) -> Option<String> {
        let directories = env::var_os("PATH").unwrap_or_default();
        let directories = env::split_paths(&directories).chain([PathBuf::from("/usr/sbin")]);
        let path = directories.map(|directory| directory.join(self.program())).find(|path| path.is_file());
        path.map(|path| text(&path))
    }
}

/// The files that are served. They are removed when this is dropped.
pub(crate) struct Site {
    place: Certificates,
}

impl Site {
    pub(crate) fn new() -> io::Result<Self> {
        let site = Site { place: Certificates::new() };
        fs::create_dir_all(site.place.path("site/cgi-bin"))?;
        fs::write(site.place.path("site/1k.txt"), "0123456789abcde\n".repeat(64))?;
        fs::write(site.place.path("site/1m.bin"), vec![b'x'; 1 << 20])?;
        let script = site.place.path("site/cgi-bin/hi");
        fs::write(&script, "#!/bin/sh\necho 'Content-Type: text/plain'\necho\necho hi\n")?;
        fs::set_permissions(&script, Permissions::from_mode(0o755))?;
        Ok(site)
    }

    /// The directory.
    pub(crate) fn directory(&self) -> String {
        text(&self.place.path("site"))
    }

    /// The command of a server, or `None` if it is not installed.
    ///
    /// # Errors
    /// Ours was not built, or a configuration cannot be written.
    pub(super) fn command(&self, peer: Peer, scheme: Scheme) -> io::Result<Option<Vec<String>>> {
        if peer == Peer::Ours {
            return self.ours(scheme).map(Some);
        }
        let Some(program) = peer.path() else { return Ok(None) };
        let place = self.directory();
        // Neither lighttpd nor nginx takes its port from the command line. Python's server logs each request.
        let words = match peer {
            Peer::Lighttpd => {
                let file = self.write("lighttpd.conf", &lighttpd(&place))?;
                let port = format!("PORT={PORT}");
                ["env", &port, &program, "-D", "-f", &file].map(str::to_owned).to_vec()
            }
            Peer::Nginx => {
                let file = self.write("nginx.conf", &self.nginx(scheme))?;
                let start = "sed s/PORT/\"$1\"/ \"$2\" >\"$2.port\" && exec \"$0\" -c \"$2.port\"";
                ["sh", "-c", start, &program, PORT, &file].map(str::to_owned).to_vec()
            }
            _ => {
                let start =
                    "exec \"$0\" -m http.server --protocol HTTP/1.1 --bind 127.0.0.1 --directory \"$@\" 2>/dev/null";
                ["sh", "-c", start, &program, &place, PORT].map(str::to_owned).to_vec()
            }
        };
        Ok(Some(words))
    }

    fn ours(&self, scheme: Scheme) -> io::Result<Vec<String>> {
        match scheme {
            Scheme::Http => ours::site(&self.directory(), PORT),
            Scheme::Https => {
                let (cert, key) = self.pair();
                let mut words = ours::site(&self.directory(), &format!("tls:{PORT}"))?;
                words.extend(["--tls-cert", &cert, "--tls-key", &key].map(str::to_owned));
                Ok(words)
            }
        }
    }

    /// One process, no log, sendfile, and open files that are looked at again after a second, as ours are.
    fn nginx(&self, scheme: Scheme) -> String {
        let place = text(&self.place.path("nginx"));
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary = temporary.map(|name| format!("{name}_temp_path {place}; ")).concat();
        let (ssl, tls) = match scheme {
            Scheme::Http => ("", String::new()),
            Scheme::Https => {
                let (cert, key) = self.pair();
                let tls = format!("ssl_certificate {cert}; ssl_certificate_key {key}; ssl_protocols TLSv1.3;");
                (" ssl", tls)
            }
        };
        format!(
            "daemon off; master_process off; pid {place}.pid; error_log /dev/null;
             events {{ worker_connections 4096; use epoll; }}
             http {{ {temporary}
                     access_log off; keepalive_requests 1000000000; sendfile on; tcp_nopush on;
                     open_file_cache max=1000; open_file_cache_valid 1s; types {{ text/plain txt; }} {tls}
                     server {{ listen 127.0.0.1:PORT{ssl}; root {}; }} }}\n",
            self.directory()
        )
    }

    /// The paths of a certificate and of its ECDSA key.
    fn pair(&self) -> (String, String) {
        let Pair { cert, key } = self.place.self_signed("server", SERVER);
        (text(&cert), text(&key))
    }

    /// Writes a configuration, and returns its path.
    fn write(&self, name: &str, config: &str) -> io::Result<String> {
        let path = self.place.path(name);
        fs::write(&path, config)?;
        Ok(text(&path))
    }
}

/// One process, no log, and as many requests on a connection as it can count.
fn lighttpd(directory: &str) -> String {
    format!(
        "server.document-root = \"{directory}\"
         server.bind = \"127.0.0.1\"
         server.port = env.PORT
         server.event-handler = \"linux-sysepoll\"
         server.max-fds = 4096
         server.max-connections = 2048
         server.max-keep-alive-requests = 65535
         server.max-keep-alive-idle = 60
         server.errorlog = \"/dev/null\"
         server.modules += (\"mod_cgi\")
         $HTTP[\"url\"] =~ \"^/cgi-bin/\" {{ cgi.assign = (\"\" => \"\") }}
         mimetype.assign = (\".txt\" => \"text/plain; charset=utf-8\", \".bin\" => \"application/octet-stream\")\n"
    )
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
