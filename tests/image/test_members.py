"""What the members of an outer archive leave behind in memory."""

import gzip
import threading

from catalog.image.archive import read_export
from catalog.image.dag import LayerWriter
from tests.factory.archives import MemoryBlocks
from tests.factory.exports import docker_25
from tests.factory.images import SAMPLE
from tests.factory.tars import make_tar


def test_damaged_members_keep_nothing_but_their_error() -> None:
    """An error that is kept must not keep the writer of its layer, with its threads and megabytes."""
    members = docker_25(SAMPLE)
    for number in range(20):
        lines = b"".join(b"%d %064d\n" % (number, line) for line in range(20_000))
        members[f"damaged/{number}"] = gzip.compress(lines, 1)[:-9]
    before = compressing()
    export = read_export([make_tar(members)], lambda: LayerWriter(MemoryBlocks()))
    assert len(compressing() - before) <= 4
    assert export.choose().config == SAMPLE.config


def compressing() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("compress")}
