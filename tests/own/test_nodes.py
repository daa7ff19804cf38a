"""What becomes public through a Kubo node is confirmed once for each node (docs/safety.md, A16)."""

from pathlib import Path

from catalog.own.nodes import has_consent
from tests.fakes.homes import open_at


def test_consent_is_asked_once_for_each_node(tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(url: str) -> bool:
        asked.append(url)
        return len(asked) > 1

    with open_at(tmp_path / "home") as home:
        assert not has_consent(home, "http://a", None)
        assert not has_consent(home, "http://a", answer)
        assert has_consent(home, "http://a", answer)
        assert has_consent(home, "http://a", None)
        assert has_consent(home, "http://b", answer)
    assert asked == ["http://a", "http://a", "http://b"]
