import socket
import threading
from collections.abc import Iterator

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from catalog.clients.dnslink import is_domain, resolve_dnslink
from catalog.errors import CatalogueNotFoundError, UnavailableError
from catalog.ipns.key import IpnsKey
from catalog.limits import MAX_DNSLINKS

NAME = IpnsKey(b"n" * 32).name
OTHER = IpnsKey(b"o" * 32).name


class Zone:
    """A DNS server on loopback that knows TXT records."""

    def __init__(self, texts: dict[str, list[str]]) -> None:
        self.texts = texts
        self.questions: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            data, address = self._socket.recvfrom(4096)
            if data == b"stop":
                self._socket.close()
                return
            query = dns.message.from_wire(data)
            question = query.question[0].name.to_text(omit_final_dot=True)
            self.questions.append(question)
            response = dns.message.make_response(query)
            if question not in self.texts:
                response.set_rcode(dns.rcode.NXDOMAIN)
            elif self.texts[question]:
                quoted = [" ".join(f'"{text[at : at + 100]}"' for at in range(0, len(text), 100)) for text in self.texts[question]]
                response.answer.append(dns.rrset.from_text_list(query.question[0].name, 60, "IN", "TXT", quoted))
            self._socket.sendto(response.to_wire(), address)

    def stop(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"stop", ("127.0.0.1", self.port))
        self._thread.join(60)

    def ask(self, domain: str) -> str:
        return str(resolve_dnslink(domain, timeout=5, nameservers=["127.0.0.1"], port=self.port))


@pytest.fixture
def zone() -> Iterator[Zone]:
    server = Zone(
        {
            "_dnslink.bob.example": ["v=spf1 -all", f"dnslink=/ipns/{NAME}"],
            "_dnslink.old.example": [f"dnslink=/ipns/{NAME.peer_id}/"],
            "_dnslink.away.example": ["dnslink=/ipns/bob.example"],
            "_dnslink.two.example": [
                "dnslink=/ipns/away.example",
                *(f"dnslink=/ipns/{name}" for name in sorted((NAME, OTHER), reverse=True)),
            ],
            "_dnslink.loop.example": ["dnslink=/ipns/loop.example"],
            "_dnslink.fixed.example": ["dnslink=/ipfs/bafkqaaa"],
            "_dnslink.bad.example": ["dnslink=/ipns/nonsense", "x" * 250],
            "_dnslink.empty.example": [],
            "_dnslink.shouting.example": ["dnslink=/ipns/Bob.Example."],
            **{f"_dnslink.hop{number}.example": [f"dnslink=/ipns/hop{number + 1}.example"] for number in range(9)},
            "_dnslink.many.example": [*(f"x={'y' * 40}{number}" for number in range(500)), f"dnslink=/ipns/{NAME}"],
            "_dnslink.long.example": ["dnslink=/ipns/" + "k51" * 15_000],
            "_dnslink.escapes.example": ["dnslink=/ipns/\\027[2Jbob\\010\\255.example"],
            "_dnslink.path.example": [f"dnslink=/ipns/{NAME}/images"],
            "_dnslink.inside.example": ["dnslink=/ipns/localhost", "dnslink=/ipns/127.0.0.1"],
        }
    )
    yield server
    server.stop()


def test_a_domain_gives_its_name(zone: Zone) -> None:
    assert zone.ask("bob.example") == str(NAME)
    assert zone.ask("Bob.Example.") == str(NAME)
    assert zone.ask("old.example") == str(NAME)
    assert set(zone.questions) == {"_dnslink.bob.example", "_dnslink.old.example"}


def test_one_domain_may_lead_to_another(zone: Zone) -> None:
    assert zone.ask("away.example") == str(NAME)


def test_a_domain_is_read_as_it_may_be_typed(zone: Zone) -> None:
    assert zone.ask("shouting.example") == str(NAME)


def test_a_name_among_hundreds_of_other_texts_is_found(zone: Zone) -> None:
    assert zone.ask("many.example") == str(NAME)


def test_a_chain_of_domains_has_an_end(zone: Zone) -> None:
    with pytest.raises(CatalogueNotFoundError):
        zone.ask("hop0.example")
    assert len(zone.questions) == MAX_DNSLINKS


@pytest.mark.parametrize("domain", ["long.example", "escapes.example", "path.example", "inside.example"])
def test_what_a_domain_says_is_shown_short_and_escaped(zone: Zone, domain: str) -> None:
    with pytest.raises(CatalogueNotFoundError) as caught:
        zone.ask(domain)
    shown = f"{caught.value.message} {caught.value.why}"
    assert shown.isprintable()
    assert len(shown) < 300
    assert zone.questions == [f"_dnslink.{domain}"]


def test_of_several_the_same_one_is_taken_each_time(zone: Zone) -> None:
    assert {zone.ask("two.example") for _ in range(5)} == {min(str(NAME), str(OTHER))}


@pytest.mark.parametrize("domain", ["loop.example", "fixed.example", "bad.example", "empty.example", "nowhere.example"])
def test_a_domain_without_a_name_says_so(zone: Zone, domain: str) -> None:
    with pytest.raises(CatalogueNotFoundError) as caught:
        zone.ask(domain)
    assert domain in caught.value.message
    assert caught.value.why


def test_a_server_that_does_not_answer_is_unavailable() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        with pytest.raises(UnavailableError):
            resolve_dnslink("bob.example", timeout=0.2, nameservers=["127.0.0.1"], port=silent.getsockname()[1])


@pytest.mark.parametrize("text", ["example.org", "a-b.example.org", "xn--bcher-kva.example", "_x.example.org"])
def test_domains(text: str) -> None:
    assert is_domain(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example",
        "bücher.example",
        "a..b",
        ".example.org",
        "-a.org",
        "a b.org",
        "10.0.0.1",
        "x" * 64 + ".org",
        "a.org/x",
        str(NAME),
    ],
)
def test_what_is_no_domain(text: str) -> None:
    assert not is_domain(text)
