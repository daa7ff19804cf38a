"""What a reference means: each rule, with the message that users get."""

import random
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from catalog.errors import (
    AmbiguousReferenceError,
    DcatError,
    PlatformNotFoundError,
    RecordExpiredError,
    ReleaseConflictError,
    ReleaseNotFoundError,
)
from catalog.index.catalogue import CatalogueRow
from catalog.index.releases import put_releases
from catalog.ipld.cid import DAG_PB, cid_from_digest
from catalog.lookup.locate import Resolved, open_lookup
from catalog.model.release import parse_time
from catalog.trust import ownership
from catalog.trust.conflicts import list_conflicts, refuse_conflict
from catalog.trust.contents import accept_conflict
from tests.factory.platforms import AMD64, ARM64
from tests.factory.releases import make_release
from tests.factory.times import AT, NOW
from tests.lookup.world import OWN, World, Worlds
from tests.needs import ROOT

LATER = NOW + timedelta(hours=1)


def resolve(world: World, reference: str, now: datetime = LATER, **options: object) -> Resolved:
    return world.lookup.resolve(reference, now=now, **options)  # type: ignore[arg-type]


def meaning(world: World, reference: str) -> tuple[str, str]:
    found = resolve(world, reference)
    return found.catalogue.label, found.release.reference


def test_own_catalogue_first_then_the_owner(world: World) -> None:
    world.put_own(make_release("nginx", "1.25"))
    world.subscribe("bob", make_release("nginx", "1.26"), make_release("api", "2"))
    world.subscribe("carol", make_release("api", "3"), make_release("db", "1"))
    assert meaning(world, "nginx@1.25") == ("mine", "nginx@1.25")
    assert meaning(world, "api@2") == ("bob", "api@2")
    assert meaning(world, "db:1") == ("carol", "db@1")
    for reference in ("nginx@1.26", "api@3"):  # nothing falls through to another catalogue
        with pytest.raises(ReleaseNotFoundError):
            resolve(world, reference)
    assert meaning(world, "carol/api@3") == ("carol", "api@3")
    assert meaning(world, "bob/nginx@1.26") == ("bob", "nginx@1.26")


def test_alias_means_that_catalogue_only(world: World) -> None:
    world.subscribe("acme", make_release("acme/api", "1"), make_release("web", "1"), make_release("tool", "1"))
    world.subscribe("carol", make_release("other", "1"))
    assert meaning(world, "acme/api@1") == ("acme", "acme/api@1")
    assert meaning(world, "acme/acme/api@1") == ("acme", "acme/api@1")
    assert meaning(world, "acme/web@1") == ("acme", "web@1")
    with pytest.raises(ReleaseNotFoundError, match='in the catalogue "acme"'):
        resolve(world, "acme/other@1")


def test_alias_with_both_is_not_clear(world: World) -> None:
    world.subscribe("acme", make_release("acme/api", "1"), make_release("api", "1"))
    with pytest.raises(AmbiguousReferenceError) as caught:
        resolve(world, "acme/api@1")
    assert caught.value.nearest == ("acme/acme/api",)
    assert meaning(world, "api@1") == ("acme", "api@1")


def test_unsubscribed_owner_keeps_its_names(world: World) -> None:
    world.subscribe("bob", make_release("api", "2"))
    world.unsubscribe("bob")
    world.subscribe("carol", make_release("api", "2", "other"))
    with pytest.raises(ReleaseNotFoundError) as caught:
        resolve(world, "api@2")
    assert "no longer followed" in caught.value.why
    assert caught.value.nearest == ("carol/api",)
    with pytest.raises(ReleaseNotFoundError):
        resolve(world, "bob/api@2")


def test_name_waits_for_the_first_sync_of_an_earlier_subscription(world: World) -> None:
    ownership.follow(world.trust, "k51bob", "bob", AT)
    world.subscribe("carol", make_release("api", "3"))
    with pytest.raises(AmbiguousReferenceError, match="not clear yet"):
        resolve(world, "api@3")
    assert meaning(world, "carol/api@3") == ("carol", "api@3")
    world.sync("bob", make_release("api", "2"))
    assert meaning(world, "api@2") == ("bob", "api@2")


def test_preferred_catalogue_comes_before_the_own_one(world: World) -> None:
    world.put_own(make_release("api", "1"))
    world.subscribe("bob", make_release("api", "2"))
    ownership.prefer(world.trust, "api", "k51bob")
    assert meaning(world, "api@2") == ("bob", "api@2")
    ownership.prefer(world.trust, "api", OWN)
    assert meaning(world, "api@1") == ("mine", "api@1")


def test_digests_and_cids(world: World) -> None:
    release = make_release("web", "1.0", platforms=(AMD64, ARM64))
    world.put_own(release)
    image = release.images[ARM64]
    for target in (image.config, image.manifest, image.archive):
        found = resolve(world, f"web@{target}", platform=AMD64)
        assert (found.release, found.platform, found.image) == (release, ARM64, image)
        assert resolve(world, str(target)).image == image
    assert resolve(world, f"ipfs://{image.archive}").release == release
    other = make_release("web", "2.0").images[AMD64]
    for reference in (f"web@{other.config}", f"web@{other.archive}", str(other.config), str(other.archive)):
        with pytest.raises(ReleaseNotFoundError):
            resolve(world, reference)


def test_content_in_several_catalogues_is_the_own_one(world: World) -> None:
    world.subscribe("bob", make_release("api", "1", "same"))
    world.subscribe("adam", make_release("api", "1", "same"))
    archive = make_release("api", "1", "same").images[AMD64].archive
    assert meaning(world, str(archive))[0] == "bob"
    world.put_own(make_release("web", "1", "same"))
    assert meaning(world, str(archive))[0] == "mine"
    assert meaning(world, str(cid_from_digest(archive.digest, DAG_PB)))[0] == "mine"


def test_platform(world: World) -> None:
    world.put_own(make_release("web", "1.0", platforms=(AMD64,)))
    assert resolve(world, "web@1.0", platform=AMD64).image is not None
    assert resolve(world, "web@1.0").image is None
    with pytest.raises(PlatformNotFoundError) as caught:
        resolve(world, "web@1.0", platform=ARM64)
    assert caught.value.why == "it has linux/amd64"


def test_no_version_is_refused_with_the_newest(world: World) -> None:
    world.put_own(*(make_release("web", version) for version in ("1.9", "1.10", "1.2")))
    with pytest.raises(AmbiguousReferenceError) as caught:
        resolve(world, "web")
    assert caught.value.nearest == ("web@1.10", "web@1.9", "web@1.2")


def test_latest_skips_yanked_and_removed(world: World) -> None:
    world.put_own(make_release("web", "1.0"), make_release("web", "1.1", yanked="broken"), make_release("web", "1.2", removed=AT))
    assert resolve(world, "web", latest=True).release.version == "1.0"
    found = resolve(world, "web@1.1")
    assert [(notice.kind, notice.text) for notice in found.notices] == [("yanked", "web@1.1 was yanked: broken")]
    with pytest.raises(ReleaseNotFoundError, match="removed by its publisher"):
        resolve(world, "web@1.2")
    world.put_own(make_release("web", "1.0", yanked="too"))
    with pytest.raises(ReleaseNotFoundError, match="no version to choose"):
        resolve(world, "web", latest=True)


def test_latest_of_an_age_counts_from_when_it_was_seen_here(world: World) -> None:
    world.subscribe("bob", make_release("web", "1.0", published="2020-01-01T00:00:00Z"))
    world.sync("bob", make_release("web", "1.1", published="2020-01-01T00:00:00Z"), at="2026-11-24T07:59:00Z")
    assert resolve(world, "web", latest=True).release.version == "1.1"
    assert resolve(world, "web", latest=True, min_age=timedelta(hours=1)).release.version == "1.0"
    with pytest.raises(ReleaseNotFoundError):
        resolve(world, "web", latest=True, min_age=timedelta(days=3))


def test_near_names_are_suggested_as_they_resolve(world: World) -> None:
    world.put_own(make_release("nginx", "1.25"), make_release("nginx", "1.24"))
    world.subscribe("bob", make_release("redis", "7"), make_release("nginy", "1"))
    world.subscribe("carol", make_release("redis", "8"))
    with pytest.raises(ReleaseNotFoundError) as caught:
        resolve(world, "ngnix@1.25")
    assert caught.value.message == 'no release "ngnix@1.25" in your catalogue or 2 subscriptions'
    assert caught.value.why == 'no name "ngnix"; the nearest is "nginx" (1.25, 1.24)'
    assert caught.value.nearest[0] == "nginx@1.25"
    with pytest.raises(ReleaseNotFoundError) as caught:
        resolve(world, "radis@7")
    assert caught.value.nearest == ("redis@7", "carol/redis@7")
    with pytest.raises(ReleaseNotFoundError) as caught:
        resolve(world, "bbo/redis@7")
    assert "bob/redis@7" in caught.value.nearest
    with pytest.raises(ReleaseNotFoundError) as caught:
        resolve(world, "nginx@1.26")
    assert set(caught.value.nearest) == {"nginx@1.24", "nginx@1.25"}
    with pytest.raises(ReleaseNotFoundError) as caught:
        resolve(world, "bob/radis@7")
    assert caught.value.nearest == ("bob/redis",)


def test_empty_home_says_so(world: World, tmp_path: Path) -> None:
    with pytest.raises(ReleaseNotFoundError), open_lookup(tmp_path / "none") as lookup:
        lookup.resolve("web@1.0", now=LATER)


def test_open_conflict_refuses_that_platform(world: World) -> None:
    world.subscribe("bob", make_release("api", "1", "old", platforms=(AMD64, ARM64)), make_release("api", "2"))
    other = make_release("api", "1", "old", platforms=(ARM64,)).images
    new = make_release("api", "1", images={**make_release("api", "1", "new").images, **other})
    world.sync("bob", new)
    with pytest.raises(ReleaseConflictError):
        resolve(world, "api@1", platform=AMD64)
    with pytest.raises(ReleaseConflictError):
        resolve(world, "api@1")
    assert resolve(world, "api@1", platform=ARM64).notices == ()
    assert resolve(world, "api@2", platform=AMD64).notices == ()
    (conflict,) = list_conflicts(world.trust)
    refuse_conflict(world.trust, conflict, AT)
    found = resolve(world, "api@1", platform=AMD64)
    assert [notice.kind for notice in found.notices] == ["refused"]
    assert found.image == make_release("api", "1", "old", platforms=(AMD64, ARM64)).images[AMD64]
    accept_conflict(world.trust, conflict, conflict.release)
    put_releases(world.index, "k51bob", [conflict.release])
    found = resolve(world, "api@1", platform=AMD64)
    assert (found.notices, found.release) == ((), conflict.release)


def test_age_of_a_catalogue_hour_by_hour(world: World) -> None:
    """A3: an exact version always resolves, with a word about it; the newest is refused behind the end of the record."""
    checked, expires = parse_time("2026-11-01T00:00:00Z"), parse_time("2026-12-01T00:00:00Z")
    row = CatalogueRow("k51bob", alias="bob", checked="2026-11-01T00:00:00Z", expires="2026-12-01T00:00:00Z")
    world.subscribe("bob", make_release("api", "1"), row=row)
    world.put_own(make_release("web", "1"))
    silent = 0
    for hour in range(-24 * 365, 24 * 365, 7):
        now = checked + timedelta(hours=hour)
        kinds = [notice.kind for notice in resolve(world, "api@1", now).notices]
        if now >= expires:
            assert kinds == ["expired"]
            with pytest.raises(RecordExpiredError):
                resolve(world, "api", now, latest=True)
            assert resolve(world, "api", now, latest=True, allow_stale=True).release.version == "1"
        elif hour < -1:
            assert kinds == ["clock"]
        elif hour >= 24:
            assert kinds == ["unchecked"]
        else:
            silent += not kinds
        assert resolve(world, "web", now, latest=True).notices == ()
    assert silent > 0


NAMES = ["a", "b", "c", "a/a", "a/b", "b/a", "c/b"]
VERSIONS = ["1", "2"]
ALIASES = ["a", "b", "c", "d"]


def everything(world: World) -> dict[str, object]:
    """What every reference means that can be written with these names."""
    lookup = world.lookup
    found: dict[str, object] = {}
    for name in [*NAMES, *(f"{alias}/{name}" for alias in ALIASES for name in NAMES)]:
        for version in VERSIONS:
            try:
                resolved = lookup.resolve(f"{name}@{version}", now=LATER)
            except DcatError:
                continue
            found[f"{name}@{version}"] = (resolved.catalogue.catalogue, resolved.release)
        try:
            resolved = lookup.resolve(name, now=LATER, latest=True)
        except DcatError:
            continue
        found[name] = (resolved.catalogue.catalogue, resolved.release)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("sets", [250, pytest.param(1000, marks=pytest.mark.long)])
def test_a_new_subscription_changes_nothing_that_resolved(worlds: Worlds, monkeypatch: pytest.MonkeyPatch, sets: int) -> None:
    """A8, over random sets of catalogues: aliases that are names, names that begin with aliases, all of it."""
    monkeypatch.setattr("catalog.lookup.unknown.near_names", lambda *arguments, **options: [])  # nine tenths of the time
    choices = random.Random(8)
    subscriptions = 0
    for _ in range(sets):
        with worlds.world() as world:

            def some(salt: str) -> list[object]:
                picked = choices.sample(NAMES, choices.randrange(1, 4))
                return [
                    make_release(name, version, (salt, name, version))
                    for name in picked
                    for version in VERSIONS[: choices.randrange(1, 3)]
                ]

            world.put_own(*some("own"))  # type: ignore[arg-type]
            before = everything(world)
            for count, alias in enumerate(choices.sample(ALIASES, choices.randrange(1, 4))):
                try:
                    world.subscribe(alias, *some(f"{alias} {count}"))  # type: ignore[arg-type]
                except AmbiguousReferenceError:
                    continue
                subscriptions += 1
                after = everything(world)
                assert {reference: after.get(reference) for reference in before} == before
                before = after
    assert subscriptions > 0.8 * sets


def test_imports_nothing_heavy() -> None:
    code = "import catalog.lookup.locate, sys; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    heavy = {"sqlalchemy", "alembic", "requests", "urllib3", "rich", "typer", "docker", "multiformats", "cryptography", "zstandard"}
    heavy |= {"backports", "dns", "starlette", "uvicorn", "asyncio", "pyfastcdc", "platformdirs"}
    assert loaded & heavy == set()
