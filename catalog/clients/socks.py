"""The client's part of SOCKS 5: asking a proxy on an open socket to connect to a host.

Source: RFC 1928, RFC 1929. With ``socks5`` the host is resolved here, with ``socks5h`` by the proxy, as in curl.
"""

import ipaddress
import socket
from typing import Final

from catalog.clients.proxy import Proxy

_VERSION: Final = 5
_NO_LOGIN: Final = 0
_PASSWORD: Final = 2
_CONNECT: Final = 1
_IPV4, _NAME, _IPV6 = 1, 3, 4
_FAILURES: Final = {
    1: "general failure",
    2: "not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "time to live expired",
    7: "command not supported",
    8: "address type not supported",
}


def open_tunnel(sock: socket.socket, proxy: Proxy, host: str, port: int) -> None:
    """Make the proxy at the other end of ``sock`` connect to ``host``, a name or an address; raise `ConnectionError`."""
    methods = bytes([_NO_LOGIN, _PASSWORD]) if proxy.user else bytes([_NO_LOGIN])
    sock.sendall(bytes([_VERSION, len(methods)]) + methods)
    version, method = _receive(sock, 2)
    if version != _VERSION:
        raise ConnectionRefusedError(f"what answers at {proxy.name} is not a SOCKS 5 proxy")
    if method == _PASSWORD and proxy.user:
        user, password = (text.encode()[:255] for text in (proxy.user, proxy.password))
        sock.sendall(bytes([1, len(user)]) + user + bytes([len(password)]) + password)
        if _receive(sock, 2)[1] != 0:
            raise ConnectionRefusedError(f"the proxy {proxy.name} refuses the user name and password")
    elif method != _NO_LOGIN:
        raise ConnectionRefusedError(f"the proxy {proxy.name} requires a login")
    sock.sendall(bytes([_VERSION, _CONNECT, 0]) + _encode_address(host) + port.to_bytes(2, "big"))
    _, failure, _, kind = _receive(sock, 4)
    if failure:
        raise ConnectionRefusedError(f"the proxy {proxy.name} does not connect: {_FAILURES.get(failure, f'failure {failure}')}")
    size = {_IPV4: 4, _IPV6: 16}.get(kind)
    _receive(sock, (_receive(sock, 1)[0] if size is None else size) + 2)


def _encode_address(host: str) -> bytes:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        name = host.encode("idna")
        return bytes([_NAME, len(name)]) + name
    return bytes([_IPV4 if address.version == 4 else _IPV6]) + address.packed


def _receive(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = sock.recv(size - len(data))
        if not piece:
            raise ConnectionAbortedError("the proxy closed the connection")
        data += piece
    return data
