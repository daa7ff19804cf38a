"""What is offered while a reference is typed."""

from pathlib import Path

from catalog.lookup.completing import complete_names, complete_versions
from catalog.lookup.opening import open_view
from tests.factory.releases import make_release
from tests.factory.times import AT
from tests.lookup.world import World


def test_names_and_versions_are_completed_as_they_resolve(world: World) -> None:
    world.put_own(make_release("nginx", "1.25"), make_release("nginx", "1.24"), make_release("nginx", "1.9", removed=AT))
    world.subscribe("bob", make_release("nginx", "2"), make_release("netbox", "1"), make_release("gone", "1", removed=AT))
    world.subscribe("carol", make_release("netbox", "2"))
    view = world.lookup.view
    assert complete_names(view, "n", 10) == ["netbox", "nginx"]
    assert complete_names(view, "bob/n", 10) == ["bob/netbox", "bob/nginx"]
    assert complete_names(view, "", 10) == ["bob/netbox", "bob/nginx", "carol/netbox", "netbox", "nginx"]
    assert complete_names(view, "", 2) == ["bob/netbox", "bob/nginx"]
    assert complete_versions(view, "nginx", "", 10) == ["1.25", "1.24"]
    assert complete_versions(view, "carol/netbox", "", 10) == ["2"]
    assert complete_versions(view, "nginx", "1.2", 1) == ["1.25"]
    assert complete_versions(view, "nothing", "", 1) == []


def test_an_empty_home_completes_nothing(tmp_path: Path) -> None:
    with open_view(tmp_path / "none") as view:
        assert complete_names(view, "", 10) == []
        assert complete_versions(view, "web", "", 10) == []
