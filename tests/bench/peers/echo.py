"""Echo as the standard library of Python offers it: one thread, a buffer of 64 KiB, and select(2), or epoll(7) where more than
1,024 descriptors are needed. Which of them is the argument. A peer to compare with."""

import itertools
import resource
import select
import socket
import sys

most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
listener.setblocking(False)
print(f"listening on 127.0.0.1:{listener.getsockname()[1]}", flush=True)

connections = {}
refused = {}  # by descriptor, what the kernel would not take; nothing more is read before it has


class Select:
    """One system call to wait; it is told all descriptors each time."""

    def __init__(self):
        self.readers, self.writers = set(), set()

    def read(self, fd):
        self.readers.add(fd)
        self.writers.discard(fd)

    def write(self, fd):
        self.readers.discard(fd)
        self.writers.add(fd)

    def forget(self, fd):
        self.readers.discard(fd)
        self.writers.discard(fd)

    def wait(self):
        readable, writable, _ = select.select(self.readers, self.writers, ())
        return itertools.chain(readable, writable)


class Epoll:
    """The kernel remembers the descriptors; a closed one it forgets."""

    def __init__(self):
        self.epoll, self.known = select.epoll(), set()

    def watch(self, fd, event):
        (self.epoll.modify if fd in self.known else self.epoll.register)(fd, event)
        self.known.add(fd)

    def read(self, fd):
        self.watch(fd, select.EPOLLIN)

    def write(self, fd):
        self.watch(fd, select.EPOLLOUT)

    def forget(self, fd):
        self.known.discard(fd)

    def wait(self):
        return (fd for fd, _ in self.epoll.poll())


poll = {"select": Select, "epoll": Epoll}[sys.argv[1]]()
poll.read(listener.fileno())


def accept():
    connection, _ = listener.accept()
    connection.setblocking(False)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connections[connection.fileno()] = connection
    poll.read(connection.fileno())


def answer(fd):
    data = refused.pop(fd, None)
    was_refused = data is not None
    data = data or connections[fd].recv(65536)
    if not data:
        raise ConnectionError("the peer has ended")
    try:
        rest = data[connections[fd].send(data):]
    except BlockingIOError:
        rest = data
    if rest:
        refused[fd] = rest
    if bool(rest) != was_refused:
        (poll.write if rest else poll.read)(fd)


while True:
    for fd in poll.wait():
        try:
            accept() if fd == listener.fileno() else answer(fd)
        except BlockingIOError:
            pass
        except OSError:
            poll.forget(fd)
            connections.pop(fd).close()
            refused.pop(fd, None)
