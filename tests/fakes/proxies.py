"""Proxies that lead every request to one server of the test, whatever host it was meant for."""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

LOGIN = ("user", "pass word")


class FakeProxy:
    """A running proxy: its port, the hosts that it was asked for, and what it answers instead of connecting."""

    def __init__(self, backend: tuple[str, int]) -> None:
        self.backend = backend
        self.port = 0
        self.hosts: list[str] = []
        self.logins: list[tuple[str, str]] = []
        self.wants_login = False
        self.failure = 0
        self.refusal = b""

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


@contextmanager
def socks_proxy(backend: tuple[str, int]) -> Iterator[FakeProxy]:
    """Run a SOCKS 5 proxy."""
    yield from _run(backend, _SocksHandler)


@contextmanager
def http_proxy(backend: tuple[str, int]) -> Iterator[FakeProxy]:
    """Run an HTTP proxy for ``CONNECT``; ``refusal`` is the status line of what it answers to every request."""
    yield from _run(backend, _ConnectHandler)


def _run(backend: tuple[str, int], serve: "type[socketserver.StreamRequestHandler]") -> Iterator[FakeProxy]:
    proxy = FakeProxy(backend)
    handler = type("BoundHandler", (serve,), {"proxy": proxy})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        proxy.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()


class _SocksHandler(socketserver.StreamRequestHandler):
    proxy: FakeProxy

    def handle(self) -> None:
        _, count = self.rfile.read(2)
        methods = self.rfile.read(count)
        method = 2 if self.proxy.wants_login else 0
        self.wfile.write(bytes([5, method if method in methods else 255]))
        if method not in methods:
            return
        if method == 2:
            user = self.rfile.read(self.rfile.read(2)[1]).decode()
            password = self.rfile.read(self.rfile.read(1)[0]).decode()
            self.proxy.logins.append((user, password))
            self.wfile.write(bytes([1, 0 if (user, password) == LOGIN else 1]))
            if (user, password) != LOGIN:
                return
        _, _, _, kind = self.rfile.read(4)
        if kind == 3:
            self.proxy.hosts.append(self.rfile.read(self.rfile.read(1)[0]).decode())
        else:
            family, size = (socket.AF_INET, 4) if kind == 1 else (socket.AF_INET6, 16)
            self.proxy.hosts.append(socket.inet_ntop(family, self.rfile.read(size)))
        self.rfile.read(2)
        self.wfile.write(bytes([5, self.proxy.failure, 0, 3, 4]) + b"host" + bytes(2))
        if not self.proxy.failure:
            _relay(self.connection, self.proxy.backend)


class _ConnectHandler(socketserver.StreamRequestHandler):
    proxy: FakeProxy

    def handle(self) -> None:
        line = self.rfile.readline().split()
        while self.rfile.readline().strip():
            pass
        self.proxy.hosts.append(line[1].decode())
        if self.proxy.refusal:
            self.wfile.write(b"HTTP/1.1 " + self.proxy.refusal + b"\r\nContent-Length: 0\r\n\r\n")
            return
        self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        _relay(self.connection, self.proxy.backend)


def _relay(client: socket.socket, backend: tuple[str, int]) -> None:
    with socket.create_connection(backend) as server:
        threads = [threading.Thread(target=_copy, args=pair, daemon=True) for pair in ((client, server), (server, client))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
