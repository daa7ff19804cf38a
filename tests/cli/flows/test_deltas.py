"""What people see of deltas: at a publish, before and after a pull, in status, in what is freed; and how they are turned off."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cli.quantities import format_size
from tests.cli.conftest import Dcat, ok, read_json
from tests.factory.exports import write_save
from tests.factory.images import BASE, make_image, versioned_text
from tests.factory.tars import make_layer
from tests.fakes.served_home import served_home


def write_version(path: Path, version: str) -> str:
    """An image of text, a little of which is another one in each version."""
    layer = make_layer({"data": versioned_text(version, 800_000)})
    return write_save(path, make_image([BASE, layer], labels={"version": version}))


@pytest.fixture
def publish(dcat: Dcat, tmp_path: Path) -> Callable[..., object]:
    def run(version: str, *options: str) -> object:
        return read_json(
            dcat("publish", "web", version, "--from", write_version(tmp_path / "image.tar", version), "--json", *options)
        )

    return run


def deltas_of(document: object) -> list[dict[str, object]]:
    assert isinstance(document, dict)
    deltas = document["shared"]["deltas"]
    assert isinstance(deltas, list)
    return deltas


def test_a_publish_tells_its_delta(dcat: Dcat, publish: Callable[..., object], tmp_path: Path) -> None:
    publish("1.0")
    (delta,) = deltas_of(publish("1.1"))
    assert (delta["release"], delta["base"]) == ("web@1.1", "1.0")
    shown = ok(dcat("show", "web@1.1"))
    assert str(delta["cid"]) in shown
    told = ok(dcat("publish", "web", "1.2", "--from", write_version(tmp_path / "image.tar", "1.2")))
    assert "web@1.2 (linux/amd64) from 1.1: " in told


def test_deltas_are_turned_off_once_or_for_good(dcat: Dcat, publish: Callable[..., object]) -> None:
    publish("1.0")
    assert deltas_of(publish("1.1", "--no-delta")) == []
    ok(dcat("config", "set", "deltas", "off"))
    assert deltas_of(publish("1.2")) == []
    ok(dcat("config", "set", "deltas", "on"))
    assert len(deltas_of(publish("1.3"))) == 1


def test_a_pull_says_what_came_by_delta(
    dcat: Dcat, publish: Callable[..., object], home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish("1.0")
    publish("1.1")
    with served_home(home) as url:
        monkeypatch.setenv("DCAT_HOME", str(tmp_path / "other"))
        ok(dcat("subscribe", "bob", url, "--yes"))
        ok(dcat("pull", "bob/web@1.0", "--no-load"))
        planned = ok(dcat("pull", "bob/web@1.1", "--no-load", "--dry-run"))
        document = read_json(dcat("pull", "bob/web@1.1", "--no-load", "--dry-run", "--json"))
        delta = document["delta"]
        assert isinstance(delta, dict)
        assert (delta["base"], delta["source"], delta["blocks_bytes"]) == ("1.0", "published", document["missing"])
        done = dcat("pull", "bob/web@1.1", "--no-load", "--progress", "plain")
    phrase = f"{format_size(int(delta['bytes']))} by delta from 1.0 ("
    assert phrase in planned
    assert phrase in done.out
    assert phrase in done.err
    assert "1 delta saved" in ok(dcat("status"))
    status = read_json(dcat("status", "--json"))["deltas"]
    assert isinstance(status, dict)
    assert (status["taken"], status["received"]) == (1, delta["bytes"])
