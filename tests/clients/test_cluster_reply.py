"""A cluster's answers under the mutation kit: whatever the bytes, nothing is raised but that they are no JSON."""

import json

import pytest

from catalog.clients import cluster_reply as reply
from tests.property.mutate import JSON_TOKENS, Target, check_memory, check_target

IDENTITY = {"id": "A", "version": "1.1.6", "cluster_peers": ["A", "B"], "ipfs": {"id": "a", "error": ""}, "peername": "one"}
PEERS = [IDENTITY, {"id": "B", "error": "failed to dial", "ipfs": None}]
SPACE = [{"peer": "A", "value": "9999979668", "valid": True}, {"peer": "B", "value": "1", "valid": False}]
ALLOCATION = {"allocations": ["A", "B"], "replication_factor_min": 2, "replication_factor_max": 3}
STATES = {"peer_map": {"A": {"peername": "one", "ipfs_peer_id": "a", "status": "pinned", "error": ""}, "B": {"status": "pinning"}}}
ERROR = {"code": 500, "message": "not enough peers"}


def read(data: bytes) -> None:
    """Read an answer as each of those that it may be."""
    values = reply.read_values(data)
    reply.read_peers(values)
    reply.read_free_space(values)
    for value in values:
        reply.read_identity(value)
        reply.read_allocation(value)
        found = reply.read_replicas(value)
        assert found.pinned <= len(found.by_peer)
        assert len(found.failures) <= len(found.by_peer)


def read_error(data: bytes) -> None:
    assert len(reply.read_error(data)) <= 300


SEEDS = [json.dumps(value).encode() for value in (IDENTITY, PEERS, SPACE, ALLOCATION, STATES)]
TARGETS = [
    Target("cluster", read, ValueError, seeds=SEEDS, tokens=JSON_TOKENS),
    Target("error of a cluster", read_error, (), seeds=[json.dumps(ERROR).encode()], tokens=JSON_TOKENS),
]


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_a_damaged_answer_is_refused_by_its_own_error(target: Target) -> None:
    check_target(target, 20_000)


@pytest.mark.long
@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_a_million_damaged_answers(target: Target) -> None:
    check_memory(__name__, target.name, 1_000_000)
