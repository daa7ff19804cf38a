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

    def relay(client: socket.socket) -> None:
        with client, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", target())) as server:
            threading.Thread(target=pump, args=(client, server), daemon=True).start()
            answer(server, client)
            for end in (client, server):  # closing alone does not end a socket that another thread reads
                end.shutdown(socket.SHUT_RDWR)

    def pump(source: socket.socket, drain: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                drain.sendall(data)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=relay, args=(listener.accept()[0],), daemon=True).start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join(60)
        listener.close()
