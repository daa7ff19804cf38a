"""The files of a release are listed, read and compared, and only the blocks that are needed are fetched."""

from pathlib import Path

import pytest

from catalog.errors import InvalidReferenceError, PathNotFoundError, UnavailableError
from catalog.home.home import Home, open_home
from catalog.home.listings import LISTINGS_DIRECTORY, ListingCache
from catalog.operations.cat import open_file, split_place
from catalog.operations.diff import diff_files
from catalog.operations.files import list_files
from catalog.rootfs.content import Mark
from catalog.rootfs.listing import LayerListing, encode_listing
from catalog.sources.network import NO_NETWORK
from tests.factory.images import SampleImage, make_image, versioned_text
from tests.factory.platforms import HOST
from tests.factory.tars import make_tar
from tests.factory.times import NOW
from tests.operations.conftest import Publish


def image(version: str) -> SampleImage:
    base = make_tar({"etc/os-release": b"ID=sample\n", "etc/gone": b"x", "usr/lib/big.so": versioned_text("0", 600_000)})
    metadata = f"Name: app\nVersion: {version}\n".encode()
    info = f"app/app-{version}.dist-info"
    app = {f"{info}/METADATA": metadata, f"{info}/RECORD": b"main.py,,\n", "app/main.py": version.encode(), "etc/.wh.gone": b""}
    return make_image([base, make_tar({**app, "app/link": ("symlink", "../etc/os-release")})])


@pytest.fixture
def released(home: Home, put: Publish) -> Home:
    """A home with two releases of one image."""
    for version in ("1.0", "1.1"):
        put("app", version, image(version))
    return home


def listed(home: Home, path: str = "", **options: object) -> list[tuple[str, int, int]]:
    found = list_files(home, "app@1.0", path, platform=HOST, network=NO_NETWORK, **options)  # type: ignore[arg-type]
    return [(file.path, file.size, file.layer) for file in found.files]


def test_a_directory_is_listed_with_sizes_and_layers(released: Home) -> None:
    assert listed(released) == [("app", 0, 2), ("etc", 0, 1), ("usr", 0, 1)]
    assert listed(released, "/usr/lib/") == [("usr/lib/big.so", 600_000, 1)]


def test_a_file_is_listed_by_itself_and_a_link_is_followed(released: Home) -> None:
    assert listed(released, "app/main.py") == [("app/main.py", 3, 2)]
    assert listed(released, "app/link") == [("etc/os-release", 10, 1)]


def test_all_below_a_directory_is_listed_or_what_holds_a_text(released: Home) -> None:
    assert listed(released, "etc", recursive=True) == [("etc/os-release", 10, 1)]
    assert listed(released, search="OS-REL") == [("etc/os-release", 10, 1)]


def test_a_path_that_is_not_there_is_an_error_of_its_own(released: Home) -> None:
    with pytest.raises(PathNotFoundError):
        listed(released, "etc/gone")


def test_a_file_is_read(released: Home) -> None:
    with open_file(released, "app@1.1:/app/link", platform=HOST, network=NO_NETWORK) as file:
        assert (file.path, file.size, b"".join(file.pieces)) == ("etc/os-release", 10, b"ID=sample\n")


def test_a_directory_has_no_content(released: Home) -> None:
    with (
        pytest.raises(PathNotFoundError, match="no content"),
        open_file(released, "app@1.1:/app", platform=HOST, network=NO_NETWORK) as file,
    ):
        assert b"".join(file.pieces) == b""


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("web@1.0:/etc/os-release", ("web@1.0", "/etc/os-release")),
        ("web:1.0:/a:/b", ("web:1.0", "/a:/b")),
        ("ann/web@sha256:00:/x", ("ann/web@sha256:00", "/x")),
        ("ipfs://bafy:/x", ("ipfs://bafy", "/x")),
    ],
)
def test_a_place_is_a_reference_and_a_path(text: str, parts: tuple[str, str]) -> None:
    assert split_place(text) == parts


@pytest.mark.parametrize("text", ["web@1.0", "web@1.0:etc", ":/etc", "ipfs://:/x", ""])
def test_a_place_without_one_of_both_is_refused(text: str) -> None:
    with pytest.raises(InvalidReferenceError):
        split_place(text)


def test_files_and_packages_of_two_releases_are_compared(released: Home) -> None:
    found = diff_files(released, "app@1.0", "app@1.1", platform=HOST, network=NO_NETWORK)
    assert [(change.system, change.old_version, change.new_version) for change in found.packages] == [("Python", "1.0", "1.1")]
    assert {(file.change, file.path) for file in found.files} == {
        ("changed", "app/main.py"),
        *(
            (change, f"app/app-{version}.dist-info/{name}")
            for change, version in (("removed", "1.0"), ("added", "1.1"))
            for name in ("METADATA", "RECORD")
        ),
    }


def test_listings_are_kept_beside_the_blocks_and_used(released: Home) -> None:
    before = listed(released, recursive=True)
    kept = list((released.path / LISTINGS_DIRECTORY).iterdir())
    assert len(kept) == 2
    big = max(released.blocks.sizes(released.blocks.cids()).items(), key=lambda pair: pair[1])[0]
    released.blocks.delete([big])
    assert listed(released, recursive=True) == before
    with (
        pytest.raises(UnavailableError),
        open_file(released, "app@1.0:/usr/lib/big.so", platform=HOST, network=NO_NETWORK) as file,
    ):
        list(file.pieces)


def test_a_damaged_listing_is_made_again(released: Home) -> None:
    before = listed(released, recursive=True)
    for path in (released.path / LISTINGS_DIRECTORY).iterdir():
        path.write_bytes(b"damaged")
    assert listed(released, recursive=True) == before


def test_a_home_that_is_read_only_keeps_no_listing(released: Home) -> None:
    with open_home(released.path, now=NOW, read_only=True) as home:
        assert listed(home) == [("app", 0, 2), ("etc", 0, 1), ("usr", 0, 1)]
    assert not (released.path / LISTINGS_DIRECTORY).exists()


def test_the_cache_is_bounded(tmp_path: Path, released: Home) -> None:
    cids = list(released.blocks.cids())[:6]
    listing = LayerListing((), tuple(Mark(number, 10 * number) for number in range(1, 100)))
    room = 4 * len(encode_listing(listing))
    cache = ListingCache(tmp_path / "files", max_size=room)
    for cid in cids:
        cache.keep(cid, listing)
    assert 0 < cache.size() <= room
    assert cache.find(cids[-1]) == listing
    assert cache.find(cids[0]) is None
