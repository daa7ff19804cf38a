"""The requests of gateway-conformance (trustless raw, CAR, IPNS) and what it wants of the answers."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from catalog.errors import DcatError
from catalog.ipld.block import Block
from catalog.ipld.car import CarReader
from catalog.ipld.cid import convert_to_v1, parse_cid
from catalog.ipns.name import parse_ipns_name
from catalog.ipns.record import check_record
from tests.needs import vectors
from tests.server.serving import Answer, Blocks, Records, Served, serving


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    blocks: list[Block] = []
    folder = vectors("car") / "gateway-conformance"
    for path in (*folder.glob("trustless_gateway_car/*.car"), folder / "gateway-raw-block.car"):
        with path.open("rb") as stream:
            blocks += CarReader(stream)
    records = {}
    for path in (vectors("ipns-records") / "gateway-conformance" / "ipns_records").iterdir():
        name = parse_ipns_name(path.name.split("_")[0].split(".")[0])
        try:
            records[name] = check_record(name, path.read_bytes()).encoded
        except DcatError:
            continue  # some of these are invalid on purpose
    with serving(Blocks(blocks), Records(records)) as served:
        yield served


def cases() -> list[dict[str, Any]]:
    path = vectors("gateway-conformance-derived") / "trustless-cases.json"
    loaded: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cases"]
    return loaded


def requests_of(case: dict[str, Any]) -> Iterator[tuple[str, dict[str, str]]]:
    query = dict(case.get("query", {}))
    headers = {"Accept": case["accept"]} if "accept" in case else {}
    path = case["path"]
    for form in case.get("run_as", [""]):
        more = {"format": form.removeprefix("?format=")} if form.startswith("?format=") else {}
        accept = {"Accept": form.removeprefix("Accept: ")} if form.startswith("Accept: ") else {}
        text = urlencode({**query, **more}, quote_via=quote)
        yield path + (("&" if "?" in path else "?") + text if text else ""), {**headers, **accept}


def test_every_case_is_answered_as_the_suite_wants(served: Served) -> None:
    found = cases()
    assert len(found) == 41
    for case in found:
        for path, headers in requests_of(case):
            answer = served.ask(path, "GET", None, **headers)
            try:
                check(case, answer)
            except AssertionError as error:
                raise AssertionError(f"{case['test']} {path} {headers}: {answer.status} {answer.headers}") from error


def check(case: dict[str, Any], answer: Answer) -> None:
    if "expect_any_of" in case:
        assert answer.status in {choice["status"] for choice in case["expect_any_of"]}
        return
    assert answer.status == case.get("expect_status", 200)
    content_type = answer.headers["content-type"]
    assert all(part in content_type for part in case.get("content_type_contains", []))
    assert content_type == case.get("content_type_equals", content_type)
    for name, wanted in case.get("headers", {}).items():
        check_header(answer.headers[name.lower()], wanted)
    assert len(answer.body) == case.get("body_len", len(answer.body))
    assert answer.body == case["body_utf8"].encode() if "body_utf8" in case else True
    if "record_value" in case:
        name = parse_ipns_name(case["path"].rpartition("/")[2])
        assert check_record(name, answer.body).value == case["record_value"].encode()
    if "application/vnd.ipld.car" in content_type:
        check_car(case, answer)


def check_header(value: str, wanted: str) -> None:
    if wanted.startswith("contains "):
        assert all(part in value for part in wanted.removeprefix("contains ").split(" and "))
    elif wanted == "public, immutable, max-age>=29030400":
        assert {"public", "immutable", "max-age=29030400"} <= {part.strip() for part in value.split(",")}
    elif wanted != "present":
        assert value == wanted


def check_car(case: dict[str, Any], answer: Answer) -> None:
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["accept-ranges"] == "none"
    assert answer.headers["content-disposition"].startswith('attachment; filename="')
    assert answer.headers["content-disposition"].endswith('.car"')
    assert answer.headers["etag"]
    if not case.get("expect_blocks") and not case.get("exact"):
        return
    cids = [convert_to_v1(block.cid) for block in answer.blocks()]
    wanted = [convert_to_v1(parse_cid(text)) for text in case["expect_blocks"]]
    if case["ordered"]:
        assert cids == wanted
    elif case["exact"]:
        assert sorted(cids) == sorted(wanted)
    else:
        assert set(cids) == set(wanted)
