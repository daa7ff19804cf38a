from pathlib import Path

import pytest

from catalog.errors import CatalogueNotFoundError, InvalidInputError, InvalidIpnsNameError, VerificationError
from catalog.followed.target import Target, name_of_target, parse_target
from catalog.ipns.key import IpnsKey

NAME, OTHER = IpnsKey(b"t" * 32).name, IpnsKey(b"u" * 32).name


@pytest.mark.parametrize("text", [str(NAME), NAME.peer_id, f"/ipns/{NAME}", f"ipns://{NAME}"])
def test_a_name_in_any_form(text: str) -> None:
    target = parse_target(text)
    assert target.kind == "name"
    assert name_of_target(target, clients={}, bundled=[]) == NAME


def test_other_kinds(tmp_path: Path) -> None:
    file = tmp_path / "bob.example"
    file.write_bytes(b"x")
    assert parse_target("http://bob-pc.lan:5078/") == Target("url", "http://bob-pc.lan:5078")
    assert parse_target(str(file)) == Target("file", str(file))
    assert parse_target("Catalogue.Example.org") == Target("domain", "catalogue.example.org")
    assert parse_target("/ipns/example.org") == Target("domain", "example.org")


@pytest.mark.parametrize(
    "text", ["", "bob", "k51qzi5uqu5dl", "./none.car", "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"]
)
def test_what_is_no_catalogue_says_what_is(text: str) -> None:
    with pytest.raises(InvalidInputError, match="not a catalogue") as caught:
        parse_target(text)
    assert "k51" in caught.value.hint


@pytest.mark.parametrize("address", ["localhost:5078", "ann-pc.lan:80", "[::1]:5078", "www.example.org:443/dcat"])
def test_an_address_without_a_scheme_gets_one(address: str) -> None:
    with pytest.raises(InvalidInputError, match="is not a catalogue") as caught:
        parse_target(address)
    assert caught.value.hint == f"dcat subscribe ALIAS http://{address}"


def test_an_rsa_name_is_refused() -> None:
    target = parse_target("QmVujd5Vb7moysJj8itnGufN7MEtPRCNHkKpNuA4onsRa3")
    with pytest.raises(InvalidIpnsNameError, match="RSA"):
        name_of_target(target, clients={}, bundled=[])


def test_a_fingerprint_fixes_what_stands_behind_a_file() -> None:
    target = Target("file", "bundle.car")
    assert name_of_target(target, clients={}, bundled=[str(NAME)]) == NAME
    assert name_of_target(target, clients={}, bundled=[str(NAME), str(OTHER)], fingerprint=OTHER) == OTHER
    with pytest.raises(VerificationError, match=str(OTHER)):
        name_of_target(target, clients={}, bundled=[str(NAME)], fingerprint=OTHER)
    with pytest.raises(CatalogueNotFoundError, match="2 catalogues"):
        name_of_target(target, clients={}, bundled=[str(NAME), str(OTHER)])
    with pytest.raises(CatalogueNotFoundError, match="no catalogue"):
        name_of_target(target, clients={}, bundled=[])
