"""A mirror of another registry: what a tag means there does not change because a catalogue that is followed brings the name."""

import pytest

from tests.server.registry.conftest import RegistryServer

WAYS = {
    "containerd": ("/v2/{}?ns=docker.io", {}),
    "docker": ("/v2/{}", {"host": "[::ffff:127.0.0.1]:5078"}),
    "podman": ("/v2/docker.io/{}", {}),
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> tuple[str, dict[str, str]]:
    return WAYS[request.param]


def test_names_that_were_chosen_here_are_found(registry: RegistryServer, way: tuple[str, dict[str, str]]) -> None:
    """Of the own catalogue, with and without what engines put before short names, and behind an alias."""
    path, headers = way
    for name, reference in (("library/tool", "tool@1.0"), ("tool", "tool@1.0"), ("team/web", "team/web@1.0")):
        view = registry.view(reference)
        assert registry.ask(path.format(f"{name}/manifests/1.0"), **headers).status == 200
        assert registry.ask(path.format(f"{name}/blobs/{view.config_digest}"), **headers).status == 200
        assert registry.ask(path.format(f"{name}/tags/list"), **headers).status == 200
    assert registry.ask(path.format("library/nothing/manifests/1.0"), **headers).status == 404


def test_a_name_that_a_followed_catalogue_brought_is_not(registry: RegistryServer, way: tuple[str, dict[str, str]]) -> None:
    path, headers = way
    digest = registry.view("team/web@1.0").manifest_digest
    assert registry.ask("/v2/web/manifests/1.0").status == 200  # here it means that catalogue's
    for name in ("web", "library/web"):
        assert registry.ask(path.format(f"{name}/manifests/1.0"), **headers).status == 404
        assert registry.ask(path.format(f"{name}/tags/list"), **headers).status == 404
        assert registry.ask(path.format(f"{name}/manifests/{digest}"), **headers).status == 200  # the same everywhere


def test_names_of_this_registry_are_what_they_are(registry: RegistryServer) -> None:
    assert registry.ask("/v2/library/tool/manifests/1.0").status == 404
    assert registry.ask("/v2/library/tool/manifests/1.0?ns=ghcr.io").status == 404
    assert registry.ask("/v2/ghcr.io/team/web/manifests/1.0").status == 200
