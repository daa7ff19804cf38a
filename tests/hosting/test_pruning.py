"""Pruning deletes what the catalogue wrote, and nothing else."""

from tests.factory.images import small_image
from tests.hosting.conftest import Publisher


def test_what_a_symbolic_link_leads_to_stays(publisher: Publisher) -> None:
    """A folder of the catalogue may be a link, or hold one, to a place with files of others."""
    for folder in ("indexes", "v2/other"):
        other = publisher.folder.parent / "elsewhere" / folder
        other.mkdir(parents=True)
        (other / "theirs").write_text("kept")
        link = publisher.folder / folder
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(other)
    publisher.publish("web", "1.0", small_image())
    publisher.export(prune=True)
    assert len(list((publisher.folder.parent / "elsewhere").rglob("theirs"))) == 2
