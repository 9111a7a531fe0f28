//! Listeners on their way from one process to its successor: one message for each, with its descriptor (unix(7)).
//!
//! Invariant: a received listener is as the first process left it. The file of its path stays until the successor owns
//! the path.

use std::ffi::OsStr;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};

use super::{Address, Listener, PathGuard, SocketOptions};

/// How the user has asked for a listener. Listeners of one address with several socket addresses have equal labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    /// The name of the service; empty for the only one.
    pub(crate) service: String,
    /// The address as it was given; empty for a socket of the service manager.
    pub(crate) given: String,
}

/// A listener that was received.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) label: Label,
    socket: OwnedFd,
    /// The path that the first process created, with the device and the inode of its file.
    file: Option<(PathBuf, u64, u64)>,
}

/// Longest message. 8192: the longest path, twice.
const MOST_BYTES: usize = 8192;

/// Sends one message of fields, with one descriptor.
///
/// # Errors
/// Those of sendmsg(2), among them [`WouldBlock`](io::ErrorKind::WouldBlock) if the buffer of the socket is full.
pub(crate) fn send(channel: impl AsFd, fields: &[&[u8]], passed: BorrowedFd<'_>) -> io::Result<()> {
    let text = fields.join(&0);
    let descriptors = [passed];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    sendmsg(channel, &[IoSlice::new(&text)], &mut control, flags)?;
    Ok(())
}

/// Receives one message of fields, with one descriptor.
///
/// # Errors
/// Those of recvmsg(2). [`InvalidData`](io::ErrorKind::InvalidData) if the message has no descriptor.
pub(crate) fn receive(channel: impl AsFd) -> io::Result<(Vec<Vec<u8>>, OwnedFd)> {
    let mut text = vec![0; MOST_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let count = recvmsg(channel, &mut [IoSliceMut::new(&mut text)], &mut control, flags)?.bytes;
    let descriptor = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    let fields = text[..count].split(|&byte| byte == 0).map(<[u8]>::to_vec).collect();
    Ok((fields, descriptor.ok_or_else(malformed)?))
}

/// Sends a listener, and the guard of its path if this process owns it.
///
/// # Errors
/// Those of [`send`].
pub(crate) fn send_listener(
    channel: impl AsFd,
    label: &Label,
    socket: BorrowedFd<'_>,
    guard: Option<&PathGuard>,
) -> io::Result<()> {
    let (path, device, inode) = guard.map_or((Path::new(""), 0, 0), PathGuard::file);
    let (device, inode) = (device.to_string(), inode.to_string());
    let path = path.as_os_str().as_bytes();
    let fields = [label.service.as_bytes(), label.given.as_bytes(), device.as_bytes(), inode.as_bytes(), path];
    send(channel, &fields, socket)
}

/// Receives a listener.
///
/// # Errors
/// Those of [`receive`]. [`InvalidData`](io::ErrorKind::InvalidData) if the message is malformed.
pub(crate) fn receive_listener(channel: impl AsFd) -> io::Result<Received> {
    let (fields, socket) = receive(channel)?;
    let [service, given, device, inode, path] = fields.as_slice() else { return Err(malformed()) };
    let text = |field: &[u8]| String::from_utf8(field.to_vec()).map_err(|_| malformed());
    let number = |field: &[u8]| text(field)?.parse::<u64>().map_err(|_| malformed());
    let path = PathBuf::from(OsStr::from_bytes(path));
    let file = (!path.as_os_str().is_empty()).then_some((path, number(device)?, number(inode)?));
    Ok(Received { label: Label { service: text(service)?, given: text(given)? }, socket, file })
}

impl Received {
    /// Creates a listener at `address`. Its path is removed at its end if `is_owner` is set then.
    ///
    /// # Errors
    /// Those of [`SocketOptions::adopt`].
    pub(crate) fn listener(
        self,
        address: &Address,
        options: &SocketOptions,
        is_owner: &Arc<AtomicBool>,
    ) -> io::Result<Listener> {
        let mut listener = options.adopt(self.socket)?;
        if let (Listener::Unix(bound), Some((path, device, inode))) = (&mut listener, self.file) {
            bound.guard_by(PathGuard::new(path, (device, inode), Arc::clone(is_owner)));
        }
        Ok(if let Address::Tls(_) = address { Listener::Tls(Box::new(listener)) } else { listener })
    }

    /// Closes a socket that nothing serves any more, and removes its path if `is_owner` is set.
    pub(crate) fn close(self, is_owner: &Arc<AtomicBool>) {
        // The guard is dropped before the socket, as its type demands.
        let Received { socket: _socket, file, .. } = self;
        drop(file.map(|(path, device, inode)| PathGuard::new(path, (device, inode), Arc::clone(is_owner))));
    }

    /// Creates a listener that the service manager has opened.
    ///
    /// # Errors
    /// Those of [`SocketOptions::adopt`].
    pub(crate) fn adopt(self, options: &SocketOptions) -> io::Result<Listener> {
        options.adopt(self.socket)
    }
}

fn malformed() -> io::Error {
    Errno::BADMSG.into()
}
