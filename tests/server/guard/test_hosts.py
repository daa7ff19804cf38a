"""Which Host values are answered: on loopback, and on a public server."""

from catalog.server.guard.hosts import HostList
from catalog.server.settings import ServerSettings

PUBLIC = HostList(ServerSettings(public=True), ("Bob-PC.example.org",))


def test_a_public_server_answers_to_its_own_names() -> None:
    own = ["bob-pc", "bob-pc.example.org:5078", "BOB-PC.local", "bob-pc.lan", "bob-pc.home.arpa", "bob-pc.local.", "localhost"]
    assert all(PUBLIC.allows(host, "192.168.1.7") for host in own)
    others = ["bob-pc.evil.example", "local", "bob-pc.local.evil.example", "alice-pc.local", ".local", "bob-pc."]
    assert [host for host in others if PUBLIC.allows(host, "192.168.1.7")] == ["bob-pc."]


def test_a_public_server_answers_to_the_address_that_was_connected_to() -> None:
    assert PUBLIC.allows("192.168.1.7:5078", "192.168.1.7")
    assert PUBLIC.allows("[2001:db8::7]", "2001:db8:0::7")
    assert PUBLIC.allows("192.168.1.7", "::ffff:192.168.1.7")
    assert not PUBLIC.allows("192.168.1.8", "192.168.1.7")
    assert not PUBLIC.allows("192.168.1.7", None)


def test_a_private_server_answers_to_loopback_only() -> None:
    private = HostList(ServerSettings(), ("bob-pc",))
    assert not private.allows("bob-pc", "127.0.0.1")
    assert not private.allows("192.168.1.7", "192.168.1.7")
    assert private.allows("127.0.0.1", "127.0.0.1")
