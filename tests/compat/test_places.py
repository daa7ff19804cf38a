"""The commands of docs/guides/hosting.md for the places that are not plain files, as Ann and Bob type them there."""

import re
import shlex
import sys
from pathlib import Path

from tests.compat.engines import start_process, stop_process, wait_for
from tests.compat.ports import free_port
from tests.compat.proxies import listens
from tests.compat.test_sharing import Nodes, name_of, ok, person
from tests.factory.exports import write_image
from tests.needs import ROOT

_LINE = re.compile(r"    (ann|bob)\$ dcat (.*)")
_TEXT = (ROOT / "docs/guides/hosting.md").read_text(encoding="utf-8")


def lines(place: str) -> list[tuple[str, list[str]]]:
    """Return who types which words in the paragraph of a place."""
    _, _, text = _TEXT.partition(f"\n{place}")
    found = [_LINE.fullmatch(line) for line in text.split("\n\n")[1].splitlines()]
    assert found
    return [(line[1], shlex.split(line[2])) for line in found if line is not None]


def test_every_line_is_run() -> None:
    places = ("A server of dcat", "A Kubo node each", "A bundle")
    assert sum(len(lines(place)) for place in places) == len(_LINE.findall(_TEXT))


def test_a_server(tmp_path: Path) -> None:
    ann, bob = person(tmp_path, "ann", None), person(tmp_path, "bob", None)
    ok(ann("publish", "web", "1.0", "--from", write_image(tmp_path / "image.tar")))
    (_, serve), (_, subscribe) = lines("A server of dcat")
    port = free_port()
    assert serve == ["serve", "--public"]  # on loopback here
    command = [sys.executable, "-m", "cli.main", "serve", "--port", str(port)]
    variables = {"PYTHONPATH": str(ROOT), "DCAT_HOME": str(tmp_path / "ann"), "HOME": str(tmp_path)}
    server = start_process(command, tmp_path / "serve.log", variables)
    try:
        assert wait_for(lambda: listens(port), server)
        ok(bob(*(word.replace("ann-pc:5078", f"127.0.0.1:{port}") for word in subscribe), "--yes"))
        ok(bob("pull", "ann/web@1.0", "--no-load"))
    finally:
        stop_process(server)


def test_nodes(kubo_nodes: Nodes, tmp_path: Path) -> None:
    people = {"ann": person(tmp_path, "ann", None), "bob": person(tmp_path, "bob", None)}
    urls = {"ann": kubo_nodes[0].url, "bob": kubo_nodes[1].url}
    image = write_image(tmp_path / "image.tar")
    for who, words in lines("A Kubo node each"):
        here = {"http://127.0.0.1:5001": urls[who]}
        if "k51…" in words:
            here["k51…"] = name_of(people["ann"])
        more = {"config": ["--yes"], "publish": ["--from", image], "subscribe": ["--yes"]}[words[0]]
        ok(people[who](*(here.get(word, word) for word in words), *more))
    ok(people["bob"]("pull", "ann/web@1.1", "--no-load"))


def test_a_bundle(tmp_path: Path) -> None:
    ann, bob = person(tmp_path, "ann", None), person(tmp_path, "bob", None)
    ok(ann("publish", "web", "1.0", "--from", write_image(tmp_path / "image.tar")))
    for who, words in lines("A bundle"):
        here = [str(tmp_path / word) if word == "ann.car" else word for word in words]
        ok((ann if who == "ann" else bob)(*here, *(["--yes"] if words[0] == "subscribe" else [])))
    ok(bob("save", "ann/web@1.0", "-o", str(tmp_path / "out.tar.zst")))
