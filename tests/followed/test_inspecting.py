"""What each source answers: asked as a sync would ask it."""

from datetime import UTC, datetime
from pathlib import Path

from catalog.errors import UnavailableError
from catalog.followed.inspecting import inspect_sources
from catalog.home.home import open_home
from catalog.intake.intake import Wanted
from catalog.operations.publish import publish
from catalog.sources.network import SourceSetting, open_network
from tests.factory.exports import source_of
from tests.factory.images import SAMPLE
from tests.factory.platforms import HOST
from tests.fakes.served_home import served_home


def test_each_source_is_asked_and_says_what_it_has(tmp_path: Path) -> None:
    """A server that has the record, one that has none, one that requires a token, and one that is down."""
    with open_home(tmp_path / "ann", now=datetime.now(UTC)) as ann:
        done = publish(ann, "web", "1.0", source_of(SAMPLE), Wanted(HOST))
        assert done.shared is not None
        name = str(done.shared.record.name)
        with open_home(tmp_path / "empty", now=ann.now):
            pass
        with (
            served_home(tmp_path / "ann") as good,
            served_home(tmp_path / "empty") as empty,
            served_home(tmp_path / "ann", token="sesame") as closed,
        ):
            down = "http://127.0.0.1:1"
            with open_network([SourceSetting(url) for url in (good, empty, closed, down)]) as network:
                reports = inspect_sources(ann, network)
    assert [str(report.name) for report in reports] == [name] * 4
    has, nothing, denied, dead = [report.answer for report in reports]
    assert has is not None
    assert has.record is not None
    assert nothing is not None
    assert (nothing.record, nothing.failure) == (None, None)
    for answer, words in ((denied, "denies access"), (dead, "cannot be reached")):
        assert answer is not None
        assert isinstance(answer.failure, UnavailableError)
        assert words in answer.failure.message


def test_a_source_learns_only_the_catalogue_that_it_was_named_for(tmp_path: Path) -> None:
    with open_home(tmp_path / "home", now=datetime.now(UTC)) as home:
        with open_network([SourceSetting("http://127.0.0.1:1")]) as network:
            assert [report.name for report in inspect_sources(home, network)] == [None]
        publish(home, "web", "1.0", source_of(SAMPLE), Wanted(HOST))
        other = "k51qzi5uqu5dgutdk6i1ynyzgkqngpha5xpgia3a5qqp4jsh0u4csozksxel2r"
        with open_network([SourceSetting("http://127.0.0.1:1", catalogue=other)]) as network:
            assert [str(report.name) for report in inspect_sources(home, network)] == [other]
