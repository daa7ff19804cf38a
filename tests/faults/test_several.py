"""Several images pulled at once into a real engine, one of them bad (docs/safety.md C11)."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from catalog.home.home import open_home
from catalog.index.history import Change
from catalog.model.release import Release
from cli.main import main
from tests.compat.engines import PrivateEngine
from tests.factory.platforms import AMD64
from tests.factory.releases import archive_block, listed_image


def test_what_is_bad_does_not_keep_from_the_rest(
    docker20: PrivateEngine,
    images: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    docker20.clear()
    monkeypatch.setenv("DCAT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DCAT_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setenv("DOCKER_HOST", docker20.host)
    for name, version in (("one", "1.0"), ("three", "1.1")):
        assert main(["publish", name, "1", "--from", images[version]]) == 0
    image, block = listed_image("no archive at all"), archive_block("no archive at all")
    with open_home(tmp_path / "home", now=datetime.now(UTC)) as home:
        home.blocks.put_many([block])
        change = Change(home.own_catalogue() or "", home.time, "published", "two", "1")
        home.put_own([Release("two", "1", home.time, {AMD64: image})], [change])
    with docker20.connect() as engine:
        before = engine.tags()
        capfd.readouterr()
        assert main(["pull", "one@1", "two@1", "three@1"]) == 20
        assert "two@1" in capfd.readouterr().err
        assert set(engine.tags()) == {*before, "one:1", "three:1"}
