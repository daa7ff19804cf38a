"""Whether an engine runs on this machine and in this network namespace, so that its 127.0.0.1 is ours.

A Unix socket may be forwarded from another machine, or belong to an engine in a container: what listens on 127.0.0.1 there is not
this process. The kernel names the process at the other end of the socket (``SO_PEERCRED``), and lists the TCP sockets of that
process's network namespace: a listening socket of ours must be among them. Anything else counts as elsewhere.
"""

import os
import socket
import struct
import sys
from pathlib import Path

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid
_LISTENING = "0A"
_PID_FILE = Path("/run/docker.pid")
_PROC = Path("/proc")


def is_local(address: str, listener: socket.socket) -> bool:
    """Return whether the engine at a Unix socket's ``address`` reaches ``listener`` (TCP, on 127.0.0.1) by that address."""
    if sys.platform != "linux" or not address.startswith("unix://"):
        return False
    try:
        pid = _peer(address.removeprefix("unix://"))
        if pid == 1:  # systemd made the socket, and the engine that it started has its process ID in a file
            pid = int(_PID_FILE.read_text(encoding="ascii"))
        return _name(pid).startswith("dockerd") and _sees(pid, listener)
    except (OSError, ValueError, struct.error):
        return False


def _peer(path: str) -> int:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        probe.connect(path)
        pid, _, _ = _CREDENTIALS.unpack(probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    if pid <= 0:
        raise ValueError("the process is in another PID namespace")
    return int(pid)


def _name(pid: int) -> str:
    return (_PROC / str(pid) / "comm").read_text(encoding="utf-8", errors="replace").strip()


def _sees(pid: int, listener: socket.socket) -> bool:
    """Return whether ``listener`` is a socket of the network namespace of a process."""
    inode = str(os.fstat(listener.fileno()).st_ino)
    port = f":{listener.getsockname()[1]:04X}"
    with (_PROC / str(pid) / "net" / "tcp").open(encoding="ascii") as table:
        next(table)
        return any(
            fields[9] == inode and fields[3] == _LISTENING and fields[1].endswith(port)
            for fields in (line.split() for line in table)
            if len(fields) > 9
        )
