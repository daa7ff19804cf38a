"""A Kubernetes node pulls from `dcat serve`: containerd 2 through its CRI plugin, one stream for a layer or several."""

from collections.abc import Iterator

import pytest

from tests.compat.containerd import Node, run_node
from tests.compat.publisher import wait_until
from tests.compat.registry import sent_of
from tests.server.registry.conftest import RegistryServer

pytestmark = pytest.mark.xdist_group("engines")


@pytest.fixture(scope="module", params=[0, 65536], ids=["one stream", "parallel"])
def node(request: pytest.FixtureRequest) -> Iterator[Node]:
    with run_node(chunk=request.param) as running:
        yield running


def test_by_tag_and_digest(registry: RegistryServer, node: Node) -> None:
    """The stored frames travel as they are, once; in parallel mode too, since an encoded layer has no ranges."""
    view, host = registry.view("team/web@1.0"), f"localhost:{registry.port}"
    registry.log.clear()
    node.pull(f"{host}/team/web:1.0")
    assert node.image(f"{host}/team/web:1.0")["id"] == str(view.config_digest)
    node.pull(f"{host}/team/web@{view.manifest_digest}")
    assert node.image(f"{host}/team/web@{view.manifest_digest}")["id"] == str(view.config_digest)
    sizes = {str(layer.diff_id): layer.stored_size for layer in view.layers}
    wait_until(lambda: sizes.items() <= sent_of(registry).items())


def test_of_several_platforms_its_own(registry: RegistryServer, node: Node) -> None:
    host = f"localhost:{registry.port}"
    node.pull(f"{host}/tool:1.0")
    assert node.image(f"{host}/tool:1.0")["id"] == str(registry.view("tool@1.0").config_digest)


def test_what_is_not_here_ends_clearly(registry: RegistryServer, node: Node) -> None:
    done = node.crictl("pull", f"localhost:{registry.port}/tool:9")
    assert done.returncode != 0
    assert "not found" in done.stderr
