//! Services: listeners and connections that are served together, under the same limits.
//!
//! Invariant: the counts of a service are those of its connections in the state, except outbound ones. Dead connections
//! count until they are removed.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::{Index, IndexMut};
use std::time::Instant;

use slotmap::SparseSecondaryMap;

use crate::connection::Connection;
use crate::connection::flags::Flags;
use crate::connection::ids::ServiceId;
use crate::connection::link::LinkLimits;
use crate::connection::stream::Stream;
#[cfg(feature = "tls")]
use crate::connection::tls::TlsStream;
use crate::connection::token::{ConnectionKey, Token};
#[cfg(feature = "tls")]
use crate::net::tls::{TlsClient, TlsServer, server_name};
use crate::net::{Address, Door, SocketOptions};
use crate::state::admission::{Admission, HostRates, Hosts, Proxies, Refusal};
use crate::state::limits::Limits;

/// The options of one service.
///
/// Start with [`ServiceOptions::default`] and change the fields that matter.
///
/// ```
/// use switchboard::ServiceOptions;
///
/// let mut options = ServiceOptions::default();
/// options.limits.max_connections = Some(100);
/// options.admission.allow.push("192.0.2.0/24".parse()?);
/// # Ok::<(), switchboard::net::NetworkError>(())
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ServiceOptions {
    /// The name of the service in the log, if it shares the reactor with others.
    pub name: String,
    /// The limits of its connections.
    pub limits: Limits,
    /// The hosts that it admits.
    pub admission: Admission,
    /// The proxies in front of it.
    pub proxies: Proxies,
    /// The options of the sockets that the reactor creates for it: outbound connections, and connections accepted from
    /// a Unix listener. [`Reactor::bind`](crate::Reactor::bind) uses them for listeners, too.
    pub sockets: SocketOptions,
    /// The certificate and the key for its `tls:` listeners.
    #[cfg(feature = "tls")]
    pub tls_server: Option<TlsServer>,
    /// The servers that its outbound `tls:` connections trust.
    #[cfg(feature = "tls")]
    pub tls_client: Option<TlsClient>,
    /// Whether the log shows at level debug what its connections and datagrams carry: escaped, at most 64 bytes a line.
    /// Default: false, because that may be secret.
    pub log_data: bool,
}

/// A service of a reactor, with the counts of its connections.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) limits: Limits,
    pub(crate) admission: Admission,
    pub(crate) proxies: Proxies,
    pub(crate) sockets: SocketOptions,
    #[cfg(feature = "tls")]
    pub(crate) tls_server: Option<TlsServer>,
    #[cfg(feature = "tls")]
    tls_client: Option<TlsClient>,
    pub(crate) log_data: bool,
    /// Events since the start.
    pub(crate) counters: Counters,
    /// Connections, except outbound ones.
    pub(crate) connections: usize,
    /// Children that are not reaped.
    pub(crate) children: usize,
    /// Connections of each host, counted while `max_per_host` is set.
    pub(crate) hosts: Hosts,
    /// Rates of new connections of each host.
    rates: HostRates,
    /// Rates of datagrams of each host.
    datagram_rates: HostRates,
}

/// Events of a service since the start. They also count in [`Stats`](crate::Stats).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) accepted: u64,
    /// Refusals, in the order of [`Refusal::ALL`].
    pub(crate) refused: [u64; Refusal::ALL.len()],
    pub(crate) handshakes_failed: u64,
    pub(crate) connects: u64,
    pub(crate) connects_failed: u64,
    pub(crate) spawned: u64,
    /// Bytes received. Without those of [`ServiceId::DEFAULT`], see [`ServiceTable::note_received`].
    pub(crate) bytes_in: u64,
    /// Bytes sent, likewise.
    pub(crate) bytes_out: u64,
}

impl Service {
    fn new(options: ServiceOptions) -> Self {
        Service {
            name: options.name,
            limits: options.limits,
            admission: options.admission,
            proxies: options.proxies,
            sockets: options.sockets,
            #[cfg(feature = "tls")]
            tls_server: options.tls_server,
            #[cfg(feature = "tls")]
            tls_client: options.tls_client,
            log_data: options.log_data,
            counters: Counters::default(),
            connections: 0,
            children: 0,
            hosts: Hosts::default(),
            rates: HostRates::default(),
            datagram_rates: HostRates::default(),
        }
    }

    /// Checks that this service has what TLS needs.
    ///
    /// # Errors
    /// `InvalidInput` if it has no certificate, or if TLS was left out of this build.
    #[cfg_attr(not(feature = "tls"), allow(clippy::unused_self, reason = "it has no certificate"))]
    pub(crate) fn check_tls(&self) -> io::Result<()> {
        #[cfg(feature = "tls")]
        if self.tls_server.is_some() {
            return Ok(());
        }
        Err(no_tls("a tls: listener needs a certificate and a key; set ServiceOptions::tls_server"))
    }

    /// Puts TLS above a stream that was accepted at this door.
    ///
    /// # Errors
    /// Those of [`check_tls`](Self::check_tls), and those of the library.
    #[cfg_attr(not(feature = "tls"), allow(unused_variables, reason = "without TLS, all doors are the same"))]
    pub(crate) fn secure(&self, stream: Stream, door: Door) -> io::Result<Stream> {
        self.check_tls()?;
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls_server {
            return Ok(Stream::Tls(Box::new(TlsStream::server(stream, tls.config(door))?)));
        }
        Ok(stream)
    }

    /// Puts TLS above the stream of an outbound connection to `to`.
    ///
    /// # Errors
    /// `InvalidInput` if the service trusts no server, if `to` has no valid name, or if TLS was left out of this build.
    #[cfg(feature = "tls")]
    pub(crate) fn secure_outbound(&self, stream: Stream, to: &Address) -> io::Result<Stream> {
        let tls = self.tls_client.as_ref();
        let tls = tls.ok_or_else(|| no_tls("to connect with TLS, set ServiceOptions::tls_client"))?;
        Ok(Stream::Tls(Box::new(TlsStream::client(stream, tls.config(), server_name(to)?)?)))
    }

    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unused_self, reason = "without TLS, a service trusts no server")]
    pub(crate) fn secure_outbound(&self, _: Stream, _: &Address) -> io::Result<Stream> {
        Err(no_tls(""))
    }

    pub(crate) fn count_in(&mut self, connection: &Connection) {
        if connection.flags.contains(Flags::OUTBOUND) {
            return;
        }
        self.connections += 1;
        if let Some(host) = self.limits.max_per_host.and(connection.host()) {
            self.hosts.add(host);
        }
    }

    pub(crate) fn count_out(&mut self, connection: &Connection) {
        if connection.flags.contains(Flags::OUTBOUND) {
            return;
        }
        self.connections -= 1;
        if let Some(host) = self.limits.max_per_host.and(connection.host()) {
            self.hosts.remove(host);
        }
    }

    /// Returns the reason to refuse a new connection of a host at the time `now`, if there is one. One that is not
    /// refused counts for the rate of its host.
    ///
    /// The host of a peer that is a proxy is not known yet. [`host_refusal`](Self::host_refusal) is called for it when
    /// it is known.
    pub(crate) fn refusal(&mut self, host: Option<IpAddr>, now: Instant) -> Option<Refusal> {
        let is_full = self.limits.max_connections.is_some_and(|most| self.connections >= most);
        match host {
            Some(host) if !self.admission.admits(host) => Some(Refusal::Denied),
            _ if is_full => Some(Refusal::Full),
            host => self.host_refusal(host?, now),
        }
    }

    /// Whether a datagram of a host is answered at the time `now`. If so, it counts for the rate of its host.
    pub(crate) fn admits_datagram(&mut self, host: IpAddr, now: Instant) -> bool {
        let is_within = |rate| self.datagram_rates.try_take(host, rate, now);
        self.admission.admits(host) && self.limits.datagram_rate.as_ref().is_none_or(is_within)
    }

    /// Gives a connection of a proxy the peer that its header has named; `None` is the proxy itself. Returns the reason
    /// to refuse the peer at the time `now`, if there is one.
    pub(crate) fn reveal(
        &mut self,
        connection: &mut Connection,
        client: Option<SocketAddr>,
        now: Instant,
    ) -> Option<Refusal> {
        connection.reveal(client);
        let host = connection.host()?;
        let refusal = self.host_refusal(host, now);
        // Also the connection of a refused host, which counts until it is removed.
        if self.limits.max_per_host.is_some() {
            self.hosts.add(host);
        }
        refusal
    }

    /// Returns the reason to refuse a host at the time `now`, if there is one. A connection that is not refused counts
    /// for the rate of its host.
    pub(crate) fn host_refusal(&mut self, host: IpAddr, now: Instant) -> Option<Refusal> {
        let Limits { max_per_host, connect_rate, .. } = &self.limits;
        if !self.admission.admits(host) {
            Some(Refusal::Denied)
        } else if max_per_host.is_some_and(|most| self.hosts.count(host) >= most) {
            Some(Refusal::HostFull)
        } else if let Some(rate) = connect_rate
            && !self.rates.try_take(host, rate, now)
        {
            Some(Refusal::HostRate)
        } else {
            None
        }
    }
}

#[cfg(feature = "tls")]
impl ServiceTable {
    /// Reads the certificates of all services again, and logs the outcome for each.
    pub(crate) fn reload_certificates(&mut self) {
        for tls in self.services.iter_mut().filter_map(|service| service.tls_server.as_mut()) {
            let cert = tls.options().cert.display().to_string();
            match tls.reload() {
                Ok(()) => log::info!("the certificate in {cert} is in use for new connections"),
                Err(error) => log::error!("the certificate stays as it was: {error}"),
            }
        }
    }
}

/// The error of TLS that is not set up. If TLS was left out of this build, that is the reason instead of `text`.
fn no_tls(text: &str) -> io::Error {
    let text = if cfg!(feature = "tls") { text } else { "this build has no TLS; build it with the feature tls" };
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

/// The services of a reactor. The first one always exists.
#[derive(Debug)]
pub(crate) struct ServiceTable {
    services: Vec<Service>,
    /// The lowest [`Limits::high_mark`] of a service: output up to this is not above the high mark of any service.
    pub(crate) lowest_high_mark: usize,
    /// The most [`Limits::spare_descriptors`] of a service: all services share the descriptors of the process.
    pub(crate) spare_descriptors: usize,
    /// The limits of the connections that have their own ([`Flags::OWN_LIMITS`]). Sparse, since few have.
    own_limits: SparseSecondaryMap<ConnectionKey, Box<Limits>>,
}

impl ServiceTable {
    pub(crate) fn new(first: ServiceOptions) -> Self {
        let (lowest_high_mark, spare_descriptors) = (first.limits.high_mark(), first.limits.spare_descriptors);
        let own_limits = SparseSecondaryMap::new();
        ServiceTable { services: vec![Service::new(first)], lowest_high_mark, spare_descriptors, own_limits }
    }

    /// Adds a service.
    ///
    /// # Panics
    /// If there are 65,536 services already.
    pub(crate) fn add(&mut self, options: ServiceOptions) -> ServiceId {
        let id = ServiceId::from_index(self.services.len()).expect("a reactor has at most 65,536 services");
        self.lowest_high_mark = self.lowest_high_mark.min(options.limits.high_mark());
        self.spare_descriptors = self.spare_descriptors.max(options.limits.spare_descriptors);
        self.services.push(Service::new(options));
        id
    }

    /// The limits of a connection: its own, or those of its service.
    #[inline]
    pub(crate) fn limits_of(&self, token: Token, connection: &Connection) -> &Limits {
        if connection.flags.contains(Flags::OWN_LIMITS) {
            return self.own_limits(token, connection.service);
        }
        &self[connection.service].limits
    }

    #[cold]
    fn own_limits(&self, token: Token, service: ServiceId) -> &Limits {
        self.own_limits.get(token.key()).map_or(&self[service].limits, |own| own)
    }

    /// Gives a connection limits of its own.
    pub(crate) fn set_own_limits(&mut self, token: Token, connection: &mut Connection, own: LinkLimits) {
        let LinkLimits { inbox, max_queue, idle_timeout } = own;
        let limits = Limits { inbox, max_queue, idle_timeout, ..self[connection.service].limits.clone() };
        self.lowest_high_mark = self.lowest_high_mark.min(limits.high_mark());
        self.own_limits.insert(token.key(), Box::new(limits));
        connection.flags.insert(Flags::OWN_LIMITS);
    }

    /// The connections with limits of their own.
    pub(crate) fn with_own_limits(&self) -> impl Iterator<Item = Token> {
        self.own_limits.keys().map(Token::new)
    }

    /// Forgets the limits of a connection that was removed.
    pub(crate) fn forget(&mut self, token: Token, connection: &Connection) {
        if connection.flags.contains(Flags::OWN_LIMITS) {
            self.own_limits.remove(token.key());
        }
    }

    /// The number of connections with limits of their own.
    #[cfg(test)]
    pub(crate) fn own_limits_count(&self) -> usize {
        self.own_limits.len()
    }

    /// Counts bytes for a service, beside [`Stats::bytes_in`](crate::Stats::bytes_in). On the path of a message, it is
    /// called only for other services than [`ServiceId::DEFAULT`], whose bytes are all those that no other service has.
    #[cold]
    pub(crate) fn note_received(&mut self, service: ServiceId, count: usize) {
        self[service].counters.bytes_in += count as u64;
    }

    /// Counts bytes that the kernel has taken, as [`note_received`](Self::note_received) does.
    #[cold]
    pub(crate) fn note_sent(&mut self, service: ServiceId, count: usize) {
        self[service].counters.bytes_out += count as u64;
    }

    pub(crate) fn len(&self) -> usize {
        self.services.len()
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Service> {
        self.services.iter()
    }

    /// The service of an id that may belong to another reactor.
    pub(crate) fn get(&self, id: ServiceId) -> Option<&Service> {
        self.services.get(id.index())
    }
}

impl Index<ServiceId> for ServiceTable {
    type Output = Service;

    fn index(&self, id: ServiceId) -> &Service {
        &self.services[id.index()]
    }
}

impl IndexMut<ServiceId> for ServiceTable {
    fn index_mut(&mut self, id: ServiceId) -> &mut Service {
        &mut self.services[id.index()]
    }
}
