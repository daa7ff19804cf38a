"""A relay between clients and a server on this machine, for tests that meddle with connections on their way."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def relaying(target: Callable[[], int], answer: Callable[[socket.socket, socket.socket], None]) -> Iterator[int]:
    """Relay each connection to the port that ``target`` returns then, and yield the port of the relay.

    ``answer(server, client)`` passes on what the server sends; the connection ends when it returns.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    clients: list[socket.socket] = []
    relays: list[threading.Thread] = []

    def relay(client: socket.socket) -> None:
        with client, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", target())) as server:
            pumping = threading.Thread(target=pump, args=(client, server), daemon=True)
            pumping.start()
            try:
                answer(server, client)
            finally:
                for end in (client, server):
                    _end(end)
                pumping.join(60)

    def pump(source: socket.socket, drain: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                drain.sendall(data)
        _end(drain, socket.SHUT_WR)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                clients.append(listener.accept()[0])
                relays.append(threading.Thread(target=relay, args=(clients[-1],), daemon=True))
                relays[-1].start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join(60)
        listener.close()
        for client in clients:
            _end(client)
        for thread in relays:
            thread.join(60)


def _end(connection: socket.socket, directions: int = socket.SHUT_RDWR) -> None:
    """End a connection: closing alone does not end one that another thread reads."""
    with contextlib.suppress(OSError):
        connection.shutdown(directions)
