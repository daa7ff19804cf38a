"""Why a source is not reached is said plainly."""

import pytest

from catalog.clients.http import HttpClient
from catalog.clients.timeouts import Timeouts
from catalog.errors import UnavailableError
from tests.fakes.certificates import Certificates
from tests.fakes.lying_source import LyingSource


def why(url: str) -> str:
    with pytest.raises(UnavailableError) as caught:
        HttpClient(url, timeouts=Timeouts(retry=0.01)).open("GET", "/")
    for noise in ("Errno", "HTTPConnectionPool", "object at 0x", "_ssl.c", "[SSL"):
        assert noise not in f"{caught.value.message} {caught.value.why}"
    return caught.value.why


def test_nobody_listens() -> None:
    assert why("http://127.0.0.1:1") == why("https://127.0.0.1:1") == "Connection refused"


def test_the_name_is_unknown() -> None:
    assert "known" in why("http://nowhere.invalid") or "Temporary failure" in why("http://nowhere.invalid")


def test_the_certificate_is_of_nobody_known(certificates: Certificates) -> None:
    with LyingSource([], certificate=certificates.server) as source:
        assert why(source.url) == "TLS: unable to get local issuer certificate"


def test_what_answers_speaks_no_tls() -> None:
    with LyingSource([]) as source:
        assert why(source.url.replace("http", "https"))
