import tomllib
from pathlib import Path

import pytest

from catalog.errors import InvalidConfigError
from cli.mirror.containers import check_others, make_drop_in, remove_drop_in
from cli.mirror.mirror import Mirror


def test_the_drop_in() -> None:
    text = make_drop_in("", Mirror(5078, ("docker.io", "ghcr.io"), pull_only=True), "x.conf")
    tables = {table["prefix"]: table for table in tomllib.loads(text)["registry"]}
    assert list(tables) == ["docker.io", "ghcr.io"]
    for prefix, table in tables.items():
        assert table["location"] == prefix
        assert table["mirror"] == [{"location": f"127.0.0.1:5078/{prefix}", "insecure": True, "pull-from-mirror": "digest-only"}]
    assert remove_drop_in(text, "") == ""
    assert make_drop_in(text, Mirror(6000), "x.conf") != text


def test_a_registry_with_a_port_is_refused() -> None:
    with pytest.raises(InvalidConfigError, match="cannot be changed"):
        make_drop_in("", Mirror(5078, ("localhost:5000",)), "x.conf")


def test_a_file_of_somebody_else_is_refused() -> None:
    with pytest.raises(InvalidConfigError, match="cannot be changed"):
        make_drop_in("[[registry]]\n", Mirror(5078), "x.conf")
    assert remove_drop_in("[[registry]]\n", "") == "[[registry]]\n"


@pytest.mark.parametrize("name", ["registries.conf", "registries.conf.d/000-site.conf"])
def test_what_another_file_says_of_the_registry_is_not_replaced(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "etc/containers"
    (folder / "registries.conf.d").mkdir(parents=True)
    (folder / name).write_text('unqualified-search-registries = ["docker.io"]\n[[registry]]\nlocation = "quay.io"\n')
    check_others(tmp_path, Mirror(5078))
    (folder / name).write_text('[[registry]]\nlocation = "docker.io"\n[[registry.mirror]]\nlocation = "site.example"\n')
    with pytest.raises(InvalidConfigError, match="cannot be changed") as refused:
        check_others(tmp_path, Mirror(5078))
    assert name in refused.value.why
    check_others(tmp_path, Mirror(5078, ("ghcr.io",)))
    (folder / name).write_text("[[registry")
    with pytest.raises(InvalidConfigError, match="cannot be changed"):
        check_others(tmp_path, Mirror(5078))
