"""How an answer of `tests.fakes.lying_source` goes wrong: one method for each behaviour."""

import datetime
import gzip
import socket
import struct
import time
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fakes.lying_source import LyingSource


class MisbehavingHandler(BaseHTTPRequestHandler):
    """Sends what a subclass has to answer as the server's behaviour says."""

    lying: "LyingSource"
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _reply(self, body: bytes, media_type: str, status: int = 200, behaviour: str | None = None) -> None:
        if self.lying.token is not None and self.headers.get("Authorization") != f"Bearer {self.lying.token}":
            self._send(b"who are you?\n", "text/plain", 401)
            return
        behaviour = behaviour or self.lying.behaviour
        if status != 200 and behaviour not in {
            "stall",
            "page",
            "busy",
            "unavailable",
            "redirect-private",
            "redirect-loop",
            "realm",
        }:
            self._send(body, media_type, status)
            return
        self.lying.answers += 1
        method = getattr(self, f"_reply_{behaviour.replace('-', '_')}", None)
        if method is None:
            self._send(body, media_type, status)
        else:
            method(body, media_type)

    def _send(self, body: bytes, media_type: str, status: int = 200, **headers: str) -> None:
        self._send_head(media_type, status, Content_Length=str(len(body)), **headers)
        self._write(body)

    def _send_head(self, media_type: str, status: int = 200, **headers: str) -> None:
        self.send_response_only(status)
        if "Date" not in headers:
            self.send_header("Date", self.date_time_string())
        for name, value in {"Content_Type": media_type, **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def _write(self, data: bytes) -> None:
        self.lying.sent += len(data)  # first: whoever reads it all may look at once
        self.wfile.write(data)
        self.wfile.flush()

    def _end(self) -> None:
        self.close_connection = True

    def _reply_flip(self, body: bytes, media_type: str) -> None:
        changed = bytearray(body)
        if changed:
            changed[self.lying.random.randrange(len(changed))] ^= 1 << self.lying.random.randrange(8)
        self._send(bytes(changed), media_type)

    def _reply_truncate(self, body: bytes, media_type: str) -> None:
        self._send_head(media_type, Content_Length=str(len(body)))
        self._write(body[: self.lying.random.randrange(max(1, len(body)))])
        self._end()

    def _reply_truncate_silently(self, body: bytes, media_type: str) -> None:
        self._send_head(media_type, Transfer_Encoding="chunked")
        if half := body[: self.lying.random.randrange(max(1, len(body)))]:
            self._write(b"%x\r\n%b\r\n" % (len(half), half))
        self._write(b"0\r\n\r\n")

    def _reply_cut(self, body: bytes, media_type: str) -> None:
        self._send_head(media_type, Content_Length=str(len(body)))
        self._write(body[: self.lying.cut])
        self._end()

    def _reply_slow_line(self, body: bytes, media_type: str) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
        self._send_head(media_type, Content_Length=str(len(body)))
        began = time.monotonic()
        for start in range(0, len(body), 1 << 15):
            self._write(body[start : start + (1 << 15)])
            while self.lying.behaviour == "slow-line" and (early := began + start / self.lying.rate - time.monotonic()) > 0:
                time.sleep(min(early, 0.1))

    def _reply_stall(self, body: bytes, media_type: str) -> None:
        self.lying.released.wait(60)
        self._end()

    def _reply_stall_inside(self, body: bytes, media_type: str) -> None:
        self._send_head(media_type, Content_Length=str(len(body)))
        self._write(body[: int(len(body) * self.lying.inside)])
        self.lying.released.wait(60)
        self._end()

    def _reply_drip(self, body: bytes, media_type: str) -> None:
        self._send_head(media_type, Content_Length=str(len(body)))
        for position in range(len(body)):
            self._write(body[position : position + 1])
            if self.lying.released.wait(0.01):
                break
        self._end()

    def _reply_drip_headers(self, body: bytes, media_type: str) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Padding: ")
        for _ in range(60000):
            self.wfile.write(b"x")
            self.wfile.flush()
            if self.lying.released.wait(0.01):
                break
        self._end()

    def _reply_endless(self, body: bytes, media_type: str) -> None:
        self._send_head(media_type, Connection="close")
        self._write(body)
        while not self.lying.released.is_set():
            self._write(bytes(1 << 16))
        self._end()

    def _reply_gzip_bomb(self, body: bytes, media_type: str) -> None:
        self._send(_bomb(), media_type, Content_Encoding="gzip")

    def _reply_page(self, body: bytes, media_type: str) -> None:
        media_type, body = self.lying.page
        self._send(body, media_type)

    def _reply_busy(self, body: bytes, media_type: str) -> None:
        self._send(b"slow down\n", "text/plain", 429, Retry_After="3600")

    def _reply_unavailable(self, body: bytes, media_type: str) -> None:
        self._send(b"later\n", "text/plain", 503)

    def _reply_busy_once(self, body: bytes, media_type: str) -> None:
        if self.lying.answers == 1:
            self._send(b"later\n", "text/plain", self.lying.busy, Retry_After="0")
        else:
            self._send(body, media_type)

    def _reply_redirect_private(self, body: bytes, media_type: str) -> None:
        self._send(b"", media_type, self.lying.status, Location=self.lying.target)

    def _reply_realm(self, body: bytes, media_type: str) -> None:
        self._send(b"", media_type, 401, WWW_Authenticate=f'Bearer realm="{self.lying.target}",service="blocks"')

    def _reply_redirect_loop(self, body: bytes, media_type: str) -> None:
        self._send(b"", media_type, 307, Location=self.path)

    def _reply_reset(self, body: bytes, media_type: str) -> None:
        self._send_head(media_type, Content_Length=str(len(body)))
        self._write(body[: len(body) // 2])
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self._end()

    def _reply_wrong_type(self, body: bytes, media_type: str) -> None:
        self._send(body, "application/json")

    def _reply_skewed_date(self, body: bytes, media_type: str) -> None:
        date = datetime.datetime(1999, 12, 31, tzinfo=datetime.UTC)
        self._send(body, media_type, Date=format_datetime(date, usegmt=True), Expires="0")

    def _reply_poison(self, body: bytes, media_type: str) -> None:
        self._send(body, media_type)
        self._send(b"poison", media_type)

    def _reply_not_found(self, body: bytes, media_type: str) -> None:
        self._send(b"not here\n", "text/plain", 404)


def _bomb() -> bytes:
    """About 1 MB that inflates to 1 GiB of zeros."""
    if not _BOMB:
        piece = gzip.compress(bytes(1 << 26), 9)
        _BOMB.append(piece * 16)  # members of gzip may follow each other
    return _BOMB[0]


_BOMB: list[bytes] = []
