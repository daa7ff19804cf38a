"""``dcat status``."""

import re

from tests.cli.conftest import Dcat, read_json


def test_status_and_doctor(stocked: Dcat, dcat: Dcat) -> None:
    status = read_json(stocked("status", "--json"))
    catalogues = status["catalogues"]
    assert isinstance(catalogues, list)
    assert catalogues[0]["role"] == "own"
    assert catalogues[0]["releases"] == 2
    ran = stocked("doctor")
    assert ran.code == 52  # there is no engine in this test
    assert re.search(r"^encoder\tok\t", ran.out, re.MULTILINE)
    assert re.search(r"^key\tok\t", ran.out, re.MULTILINE)
    assert stocked("doctor", "--network").code == 0
