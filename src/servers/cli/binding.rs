//! The sockets of a service: where its addresses are given, and the listeners that come of them.
//!
//! Invariant: an error names the setting as the user writes it, which is a flag, a word or a key of a file.

use std::error::Error;
use std::fmt::{self, Display};
use std::io::ErrorKind;
use std::net::Ipv4Addr;

use rustix::io::Errno;

use super::args::ListenArgs;
use super::inherited::InheritedSockets;
use super::server::{ServiceSetup, StartError};
use super::upgrade::Predecessor;
use crate::net::handover::Label;
use crate::net::{BindError, Door, ListenAddress, Listener, bind};
use crate::{Address, Host, ServiceId};

/// Where the addresses of a service are given.
#[derive(Clone, Debug)]
pub(crate) enum ListenSetting {
    /// The flag `--listen` of the only service.
    Flag,
    /// A word `NAME=ADDR` for the service with this name.
    Word(String),
    /// The key `listen` in the table of the service with this name.
    Key(String),
}

impl ListenSetting {
    /// The name of the service; empty for the only one.
    pub(crate) fn service(&self) -> &str {
        match self {
            ListenSetting::Flag => "",
            ListenSetting::Word(name) | ListenSetting::Key(name) => name,
        }
    }

    /// How a certificate is given.
    fn certificate(&self) -> String {
        match self {
            ListenSetting::Flag => "add --tls-cert FILE --tls-key FILE".to_owned(),
            ListenSetting::Word(name) => {
                format!("set tls-cert and tls-key in the table [{name}] of a file, and use --config FILE")
            }
            ListenSetting::Key(name) => format!("set tls-cert and tls-key in [{name}]"),
        }
    }

    /// The setting as the user writes it.
    fn with(&self, address: impl Display) -> String {
        match self {
            ListenSetting::Flag => format!("--listen {address}"),
            ListenSetting::Word(name) => format!("{name}={address}"),
            ListenSetting::Key(name) => format!("listen = {address} in [{name}]"),
        }
    }
}

/// The sockets that this process did not open, and that no service has taken yet.
pub(super) struct Ready {
    pub(super) inherited: InheritedSockets,
    pub(super) predecessor: Option<Predecessor>,
}

/// A listener of a service.
pub(super) struct Placed {
    pub(super) label: Label,
    pub(super) door: Door,
    pub(super) listener: Listener,
}

/// An address that is in use by this process, and the setting that gave it.
pub(super) struct Bound {
    pub(super) address: ListenAddress,
    given: String,
}

/// A service whose handler is in place, with the addresses to listen on.
pub(crate) struct ServiceBinding {
    pub(super) id: ServiceId,
    pub(super) setting: ListenSetting,
    pub(super) listen: ListenArgs,
    pub(super) setup: ServiceSetup<()>,
}

impl ServiceBinding {
    /// # Errors
    /// If a UDP address is given to a service that does not answer datagrams, if the service has not the door of an
    /// address, or if a TLS address and the certificate for it are not given together.
    pub(crate) fn new(
        id: ServiceId,
        setting: ListenSetting,
        listen: ListenArgs,
        setup: ServiceSetup<()>,
    ) -> Result<Self, StartError> {
        let binding = ServiceBinding { id, setting, listen, setup };
        if let Some(udp) = binding.listen.listen.iter().find(|listen| binding.is_unsupported(&listen.address)) {
            return Err(StartError::usage(format!("{udp}: this server does not support UDP; omit udp:")));
        }
        binding.check_doors()?;
        binding.check_tls()?;
        Ok(binding)
    }

    /// Checks that the service has the door of each address.
    fn check_doors(&self) -> Result<(), StartError> {
        let mut addresses = self.listen.listen.iter();
        if let Some(web) = addresses.clone().find(|listen| !self.setup.doors.contains(&listen.door)) {
            return Err(StartError::usage(format!("{web}: this server has no web door; use {}", web.address)));
        }
        match addresses.find(|listen| listen.door == Door::Web) {
            Some(web) if cfg!(not(feature = "web")) => Err(StartError::usage(format!(
                "{web}: this program was built without the feature web; build it with --features full"
            ))),
            _ => Ok(()),
        }
    }

    /// Checks that there is a certificate if there is a TLS address, and the other way round.
    fn check_tls(&self) -> Result<(), StartError> {
        let tls = self.listen.listen.iter().find(|listen| matches!(listen.address, Address::Tls(_)));
        match (tls, self.has_certificate()) {
            (Some(tls), _) if cfg!(not(feature = "tls")) => Err(StartError::usage(format!(
                "{tls}: this program was built without the feature tls; build it with --features full"
            ))),
            (Some(tls), false) => {
                Err(StartError::usage(format!("{tls}: TLS needs a certificate; {}", self.setting.certificate())))
            }
            (None, true) if !self.listen.listen.is_empty() => Err(StartError::usage(UNUSED_CERTIFICATE)),
            _ => Ok(()),
        }
    }

    #[cfg_attr(not(feature = "tls"), expect(clippy::unused_self, reason = "the flags are those of the feature"))]
    fn has_certificate(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.listen.tls.tls_cert.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }

    /// Whether this is a UDP address, and the service does not answer datagrams.
    fn is_unsupported(&self, address: &Address) -> bool {
        matches!(address, Address::Udp { .. }) && !self.setup.has_datagrams
    }

    /// Collects the inherited sockets, and binds the addresses of the flags. Without any of these, binds the default
    /// port on loopback. Adds the real addresses to `bound`.
    pub(super) fn listeners(&self, ready: &mut Ready, bound: &mut Vec<Bound>) -> Result<Vec<Placed>, Box<dyn Error>> {
        let options = self.listen.socket_options();
        let service = Some(self.setting.service()).filter(|name| !name.is_empty());
        let mut adopted = ready.inherited.take(service, &options)?;
        if let Some(predecessor) = &mut ready.predecessor {
            adopted.extend(predecessor.take_inherited(self.setting.service(), &options)?);
        }
        let locals = adopted.iter().map(Listener::local_addr).collect::<Result<Vec<_>, _>>()?;
        if let Some(udp) = locals.iter().find(|address| self.is_unsupported(address)) {
            return Err(format!("{udp}: this server does not support UDP; use ListenStream= instead").into());
        }
        let given = "the service manager";
        bound.extend(locals.into_iter().map(|local| Bound { address: local.into(), given: given.to_owned() }));
        let mut listeners: Vec<_> = adopted
            .into_iter()
            .map(|listener| Placed { label: self.label(String::new()), door: Door::Line, listener })
            .collect();
        if self.has_certificate() && self.listen.listen.is_empty() {
            return Err(Box::new(WrongUse(UNUSED_CERTIFICATE.to_owned())));
        }
        let default = Address::Tcp { host: Host::Ip(Ipv4Addr::LOCALHOST.into()), port: self.setup.port }.into();
        let default = (listeners.is_empty() && self.listen.listen.is_empty()).then_some(&default);
        for listen in self.listen.listen.iter().chain(default) {
            let label = self.label(listen.to_string());
            let mut opened = match &mut ready.predecessor {
                Some(predecessor) => predecessor.take(&label, &listen.address, &options)?,
                None => Vec::new(),
            };
            if opened.is_empty() {
                opened = bind(&listen.address, &options).map_err(|error| self.explain(listen, &error, bound))?;
            }
            for listener in opened {
                let address = ListenAddress { address: listener.local_addr()?, ..listen.clone() };
                bound.push(Bound { address, given: self.setting.with(listen) });
                listeners.push(Placed { label: label.clone(), door: listen.door, listener });
            }
        }
        Ok(listeners)
    }

    fn label(&self, given: String) -> Label {
        Label { service: self.setting.service().to_owned(), given }
    }

    /// Adds to an error of binding the setting that mends it. An address that this process has already is given twice.
    fn explain(&self, listen: &ListenAddress, error: &BindError, bound: &[Bound]) -> Box<dyn Error> {
        let kind = error.io_error().kind();
        let twice = bound.iter().find(|own| kind == ErrorKind::AddrInUse && is_in_use_by(error, &own.address.address));
        if let Some(Bound { given, .. }) = twice {
            let again = self.setting.with(listen);
            return Box::new(WrongUse(format!("{} is given twice: {given} and {again}", error.address())));
        }
        let is_full = matches!(Errno::from_io_error(error.io_error()), Some(Errno::MFILE | Errno::NFILE));
        let setting = if is_full { String::new() } else { format!(" ({})", self.setting.with("ADDR")) };
        format!("{error}{setting}").into()
    }
}

const UNUSED_CERTIFICATE: &str = "--tls-cert is for addresses with tls:; add one, such as --listen tls:PORT";

/// Whether a socket at `own` is the reason why an address could not be bound.
fn is_in_use_by(error: &BindError, own: &Address) -> bool {
    match (error.address().transport(), own.transport()) {
        (Address::Tcp { .. }, Address::Tcp { host: Host::Ip(ip), port })
        | (Address::Udp { .. }, Address::Udp { host: Host::Ip(ip), port }) => error.socket_addr().is_some_and(|at| {
            let is_wildcard = at.ip().is_unspecified() || ip.is_unspecified();
            at.port() == *port && (at.ip() == *ip || is_wildcard && at.is_ipv4() == ip.is_ipv4())
        }),
        (address, own) => address == own,
    }
}

/// An error of the command line that is found when the sockets are bound.
#[derive(Debug)]
pub(super) struct WrongUse(pub(super) String);

impl fmt::Display for WrongUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for WrongUse {}
