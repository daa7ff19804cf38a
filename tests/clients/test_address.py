"""Where a name may lead."""

import socket
import threading

import pytest

from catalog.clients.address import Address, AddressRule, LookUp, classify_address, resolve_host
from catalog.errors import UnavailableError


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("93.184.216.34", "public"),
        ("2606:2800:220:1::1", "public"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::127.0.0.1", "loopback"),
        ("64:ff9b::7f00:1", "loopback"),
        ("2002:7f00:1::", "loopback"),
        ("2001:0:4136:e378:8000:63bf:80ff:fffe", "loopback"),
        ("10.1.2.3", "private"),
        ("172.31.255.255", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "private"),
        ("192.0.2.1", "private"),
        ("198.18.0.1", "private"),
        ("240.0.0.1", "private"),
        ("fd00::1", "private"),
        ("fec0::1", "private"),
        ("64:ff9b:1::1", "private"),
        ("2002:a00:1::", "private"),
        ("2001:db8::1", "private"),
        ("169.254.169.254", "link-local"),
        ("::ffff:169.254.169.254", "link-local"),
        ("64:ff9b::a9fe:a9fe", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
        ("::ffff:0.0.0.0", "unspecified"),
        ("224.0.0.1", "multicast"),
        ("255.255.255.255", "multicast"),
        ("ff02::1", "multicast"),
    ],
)
def test_kinds_are_those_of_the_embedded_address(text: str, kind: str) -> None:
    assert classify_address(text) == kind


def table(**names: list[list[str]]) -> "dict[str, list[list[str]]]":
    return names


def look_up_in(names: dict[str, list[list[str]]]) -> LookUp:
    """Answer each look-up of a name with its next list of addresses; the last one stays."""

    def look_up(host: str, port: int) -> list[Address]:
        answers = names[host]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return [Address(int(socket.AF_INET6 if ":" in text else socket.AF_INET), (text, port)) for text in answer]

    return look_up


def test_a_public_host_leads_to_public_addresses_only() -> None:
    names = table(gateway=[["93.184.216.34"]], inside=[["10.0.0.1"]], mixed=[["10.0.0.1", "93.184.216.35"]])
    rule = AddressRule("gateway", look_up_host=look_up_in(names))
    assert [address.text for address in rule.resolve("gateway", 443, 1)] == ["93.184.216.34"]
    with pytest.raises(UnavailableError, match=r"inside was not asked: 10\.0\.0\.1 is a private address"):
        rule.resolve("inside", 80, 1)
    assert [address.text for address in rule.resolve("mixed", 80, 1)] == ["93.184.216.35"]


def test_a_name_that_is_bound_anew_to_the_inside_is_refused() -> None:
    rule = AddressRule("gateway", look_up_host=look_up_in(table(gateway=[["93.184.216.34"], ["127.0.0.1"]])))
    rule.resolve("gateway", 80, 1)
    with pytest.raises(UnavailableError):
        rule.resolve("gateway", 80, 1)


def test_a_private_host_may_lead_to_its_own_kind() -> None:
    names = table(server=[["192.168.1.5"]], other=[["192.168.1.6"]], here=[["127.0.0.1"]], metadata=[["169.254.169.254"]])
    rule = AddressRule("server", look_up_host=look_up_in(names))
    rule.resolve("server", 80, 1)
    rule.resolve("other", 80, 1)
    for host in ("here", "metadata"):
        with pytest.raises(UnavailableError):
            rule.resolve(host, 80, 1)


def test_before_the_configured_host_was_looked_up_only_public_addresses_count() -> None:
    rule = AddressRule("server", look_up_host=look_up_in(table(inside=[["10.0.0.1"]])))
    with pytest.raises(UnavailableError):
        rule.resolve("inside", 80, 1)


def test_a_dead_name_server_costs_what_was_allowed() -> None:
    released = threading.Event()

    def hang(host: str, port: int) -> list[Address]:
        released.wait(60)
        return []

    with pytest.raises(UnavailableError, match="could not be resolved"):
        resolve_host("gateway", 80, 0.05, hang)
    released.set()


def test_behind_a_proxy_what_is_known_to_be_inside_is_refused() -> None:
    def look_up(host: str, port: int) -> list[Address]:
        if host == "unknown":
            raise OSError("no such name")
        return look_up_in(table(inside=[["10.0.0.1"]], gateway=[["93.184.216.34"]]))(host, port)

    rule = AddressRule("gateway", look_up_host=look_up)
    rule.check_behind_proxy("gateway", 80, 1)
    rule.check_behind_proxy("unknown", 80, 1)
    with pytest.raises(UnavailableError):
        rule.check_behind_proxy("inside", 80, 1)
