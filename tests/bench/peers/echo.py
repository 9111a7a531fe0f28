"""Echo as the standard library of Python offers it: one thread, epoll, a buffer of 64 KiB. A peer to compare with."""

import resource
import select
import socket

most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
listener.setblocking(False)
print(f"listening on 127.0.0.1:{listener.getsockname()[1]}", flush=True)

epoll = select.epoll()
epoll.register(listener, select.EPOLLIN)
connections = {}
refused = {}  # by descriptor, what the kernel would not take; nothing more is read before it has


def accept():
    connection, _ = listener.accept()
    connection.setblocking(False)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connections[connection.fileno()] = connection
    epoll.register(connection, select.EPOLLIN)


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
        epoll.modify(fd, select.EPOLLOUT if rest else select.EPOLLIN)


while True:
    for fd, _ in epoll.poll():
        try:
            accept() if fd == listener.fileno() else answer(fd)
        except BlockingIOError:
            pass
        except OSError:
            connections.pop(fd).close()
            refused.pop(fd, None)
