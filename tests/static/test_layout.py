"""Paths."""

from catalog.ipld.cid import RAW, cid_of
from catalog.static.layout import PING_PATH, blob_path, is_pullable, manifest_path, outline_path, tags_path


def test_folders_are_filled_evenly() -> None:
    folders = {outline_path(cid_of(b"%d" % number, RAW)).split("/")[1] for number in range(5000)}
    assert len(folders) > 900


def test_no_file_can_be_where_a_folder_has_to_be() -> None:
    """Names whose parts are words of a registry's paths stand elsewhere: ``acme/tags/list`` is a list and could be a name."""
    assert is_pullable("acme/tagsy")
    for name in ("acme/tags", "acme/manifests/web", "blobs", "index.html", "index.html/web"):
        assert not is_pullable(name)
    paths = [
        tags_path("acme"),
        manifest_path("acme", "list"),
        manifest_path("acme/tags/list", "1.0"),
        blob_path("acme/manifests", bytes(32)),
        blob_path("index.html", bytes(32)),
        PING_PATH,
    ]
    for path in paths:
        assert not any(other.startswith(f"{path}/") for other in paths)
