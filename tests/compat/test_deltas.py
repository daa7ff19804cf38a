"""An upgrade through two Kubo nodes: two blocks in place of many, and nothing lost for those who have plain IPFS only."""

import json
from pathlib import Path

from tests.cli.flows.test_deltas import write_version
from tests.compat.kubo import KuboNode
from tests.compat.test_sharing import name_of, ok, person


def test_an_upgrade_through_two_nodes(kubo_nodes: tuple[KuboNode, KuboNode], tmp_path: Path) -> None:
    node_a, node_b = kubo_nodes
    bob, ann = person(tmp_path, "bob", node_a), person(tmp_path, "ann", node_b)
    ok(bob("publish", "web", "1.0", "--from", write_version(tmp_path / "image.tar", "1.0")))
    name = name_of(bob)
    ok(ann("subscribe", "bob", name))
    ok(ann("pull", "bob/web@1.0", "--no-load"))
    published = json.loads(ok(bob("publish", "web", "1.1", "--from", write_version(tmp_path / "image.tar", "1.1"), "--json")))
    (made,) = published["shared"]["deltas"]
    assert published["shared"]["targets"] == ["kubo"]
    ok(ann("sync"))
    pulled = json.loads(ok(ann("pull", "bob/web@1.1", "--no-load", "--json")).splitlines()[-1])
    assert pulled["delta"] == {
        "base": "1.0",
        "bytes": made["bytes"],
        "steps": 1,
        "source": "published",
        "blocks_bytes": pulled["missing"],
        "complete": True,
    }
    assert pulled["fetched"]["blocks"] == 0
    assert [entry["source"] for entry in pulled["fetched"]["sources"]] == ["kubo"]

    # Plain tools find archive and delta by their paths, the same bytes as dcat's own.
    base = ok(ann("resolve", "bob/web@1.0")).strip()
    assert len(node_b.run("cat", f"/ipns/{name}/images/web/1.1.linux-amd64.{base}.delta")) == made["bytes"]
    ok(ann("save", "bob/web@1.1", "-o", str(tmp_path / "out.tar.zst")))
    assert node_b.run("cat", f"/ipns/{name}/images/web/1.1.linux-amd64.tar.zst") == (tmp_path / "out.tar.zst").read_bytes()

    # The pin of the catalogue keeps the delta.
    node_a.run("repo", "gc")
    node_a.run("block", "stat", "--offline", made["cid"])
