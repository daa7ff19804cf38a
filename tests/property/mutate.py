"""The mutation kit: thousands of damaged inputs for one parser, which may refuse each only by its own error.

How to put a parser under it, in the tests of its owner::

    from tests.property.mutate import Target, check_memory, check_target

    TARGETS = [Target("manifest", parse_manifest, ArchiveError, seeds=[GOOD, OTHER], tokens=JSON_TOKENS)]

    @pytest.mark.parametrize("target", TARGETS, ids=str)
    def test_a_damaged_manifest_is_refused_by_its_own_error(target: Target) -> None:
        check_target(target, 25_000)

    @pytest.mark.long
    @pytest.mark.parametrize("target", TARGETS, ids=str)
    def test_a_million_damaged_manifests(target: Target) -> None:
        check_memory(__name__, target.name, 1_000_000)

- ``parse`` takes bytes and must do all of the reading: exhaust an iterator, close what it opened. What it returns is handed to
  ``again``.
- ``error`` is the class, or a tuple of them, that the parser declares. Anything else fails the test, with the input as hex.
- ``seeds`` are valid inputs, best small and different: a mutation of a large one mostly hits its content. The kit checks that they
  parse.
- ``tokens`` are what the format is made of (tags, heads, keys): they are inserted and put over other bytes.
- ``again``, for strict formats: encodes what was parsed; the kit demands the very bytes that were read.

Inputs are a function of the target's name and the count, so a failure comes again. `check_memory` runs the same in a process of
its own and holds its peak memory to 256 MiB and the time for one input to 50 ms; it finds the target by the module and the list
``TARGETS`` in it.
"""

import contextlib
import importlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.memory import peak_memory
from tests.needs import QUICK, ROOT

MAX_MEMORY = 256 << 20
MAX_INPUT = 16 << 10
MAX_TIME = 0.05

JSON_TOKENS = (
    *(b"{", b"}", b"[", b"]", b'"', b":", b",", b"null", b"true", b"-0", b"1e5", b"NaN", b"1.5", b"9007199254740993", b"{}", b"[]"),
    *(b"\\ud800", b"\\u0000", b"\\n", b"\xed\xa0\x80", b"\xff", b" ", b"\n", b'""', b"[" * 600, b'{"a":' * 200, b"1" * 5000),
)
_CBOR = """
00 17 1817 1818 1bffffffffffffffff 20 3bffffffffffffffff 40 5bffffffffffffffff 60 61ff 80 9bffffffffffffffff 9f a0 a16161 bf d82a
f4 f5 f6 f7 f97e00 fb7ff8000000000000 fb3ff0000000000000 ff 81818181818181818181818181818181818181818181818181818181818181818181
"""
_PROTOBUF = """
0a 12 18 20 0802 0805 0a00 1200 1800 8000 808001 ffffffffffffffffff01 ffffffffffffffffffff 2822 308002 15 3a00 42020801
"""
CBOR_TOKENS = tuple(map(bytes.fromhex, _CBOR.split()))
PROTOBUF_TOKENS = tuple(map(bytes.fromhex, _PROTOBUF.split()))
TAR_TOKENS = (
    *(
        b"\0" * 512,
        b"ustar\x0000",
        b"0000000\0",
        b"\x80" + b"\xff" * 11,
        b"77777777777\0",
        b"x",
        b"L",
        b"12 size=99\n",
        b"../",
        b"/",
    ),
)

Again = Callable[[Any], bytes]


@dataclass(frozen=True)
class Target:
    """A parser and what it is given."""

    name: str
    parse: Callable[[bytes], Any]
    error: type[Exception] | tuple[type[Exception], ...]
    seeds: Sequence[bytes]
    tokens: Sequence[bytes] = ()
    again: Again | None = None

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Outcome:
    """What happened: how many inputs were accepted and refused, and the most that one took of the processor, in seconds."""

    accepted: int
    refused: int
    slowest: float


def check_target(target: Target, count: int) -> Outcome:
    """Give ``count`` mutated inputs to the parser; fail on any error that it does not declare."""
    if os.environ.get(QUICK):
        count = min(count, 1000)
    for seed in target.seeds:
        target.parse(seed)
    accepted = refused = 0
    slowest = 0.0
    parse, error, again = target.parse, target.error, target.again
    clock = time.thread_time  # what it took of the processor: a busy machine is no fault of a parser
    for data in mutations(target, count):
        started = clock()
        try:
            parsed = parse(data)
        except error:
            refused += 1
        except Exception as other:
            raise AssertionError(f"{target}: {type(other).__name__}: {other}; input {data.hex()}") from other
        else:
            accepted += 1
            if again is not None:
                assert again(parsed) == data, f"{target}: accepted, but written again it is something else; input {data.hex()}"
        took = clock() - started
        if took > slowest:  # once more: an interruption of the machine also counts as the thread's time
            slowest = max(slowest, min(took, *(_time(parse, error, data) for _ in range(3))))
    return Outcome(accepted, refused, slowest)


def _time(parse: Callable[[bytes], Any], error: type[Exception] | tuple[type[Exception], ...], data: bytes) -> float:
    started = time.thread_time()
    with contextlib.suppress(*(error if isinstance(error, tuple) else (error,))):
        parse(data)
    return time.thread_time() - started


def check_memory(module: str, name: str, count: int, most: float = MAX_TIME) -> None:
    """Do what `check_target` does in a process of its own; hold its peak memory to the bound, each input to ``most`` seconds."""
    command = [sys.executable, "-m", "tests.property.mutate", module, name, str(count)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    figures = json.loads(done.stdout)
    print(f"{name}: {figures}")
    assert figures["peak"] <= MAX_MEMORY, figures
    assert figures["slowest"] <= most, figures


def mutations(target: Target, count: int) -> Iterator[bytes]:
    """Yield ``count`` inputs: each a seed with one to four changes."""
    source = random.Random(target.name)
    pick, choose = source.random, source.choice
    tokens = tuple(target.tokens) or (b"\0",)
    seeds = tuple(target.seeds)
    for _ in range(count):
        data = bytearray(choose(seeds))
        for _ in range(1 + int(pick() ** 3 * 4)):
            choose(_MUTATORS)(data, pick, tokens, seeds)
        yield bytes(data[:MAX_INPUT])


_Pick = Callable[[], float]


def _flip_bit(data: bytearray, pick: _Pick, tokens: Sequence[bytes], seeds: Sequence[bytes]) -> None:
    if data:
        data[int(pick() * len(data))] ^= 1 << int(pick() * 8)


def _set_byte(data: bytearray, pick: _Pick, tokens: Sequence[bytes], seeds: Sequence[bytes]) -> None:
    if data:
        data[int(pick() * len(data))] = b"\x00\x01\x02\x7f\x80\x81\xfe\xff"[int(pick() * 8)]


def _count_up_or_down(data: bytearray, pick: _Pick, tokens: Sequence[bytes], seeds: Sequence[bytes]) -> None:
    """Lengths and counters that are off by one are what hand-written parsers get wrong."""
    if data:
        place = int(pick() * len(data))
        data[place] = (data[place] + (1 if pick() < 0.5 else -1)) & 0xFF


def _cut(data: bytearray, pick: _Pick, tokens: Sequence[bytes], seeds: Sequence[bytes]) -> None:
    del data[int(pick() * (len(data) + 1)) :]


def _delete(data: bytearray, pick: _Pick, tokens: Sequence[bytes], seeds: Sequence[bytes]) -> None:
    place = int(pick() * len(data))
    del data[place : place + 1 + int(pick() ** 4 * 64)]


def _repeat(data: bytearray, pick: _Pick, tokens: Sequence[bytes], seeds: Sequence[bytes]) -> None:
    place = int(pick() * len(data))
    end = place + 1 + int(pick() ** 2 * 100)
    data[place:place] = data[place:end] * (1 if pick() < 0.9 else 20)


def _insert_token(data: bytearray, pick: _Pick, tokens: Sequence[bytes], seeds: Sequence[bytes]) -> None:
    place = int(pick() * (len(data) + 1))
    data[place:place] = tokens[int(pick() * len(tokens))]


def _overwrite_token(data: bytearray, pick: _Pick, tokens: Sequence[bytes], seeds: Sequence[bytes]) -> None:
    token = tokens[int(pick() * len(tokens))]
    place = int(pick() * (len(data) + 1))
    data[place : place + len(token)] = token


def _splice(data: bytearray, pick: _Pick, tokens: Sequence[bytes], seeds: Sequence[bytes]) -> None:
    """Go on with the rest of another seed."""
    other = seeds[int(pick() * len(seeds))]
    data[int(pick() * (len(data) + 1)) :] = other[int(pick() * (len(other) + 1)) :]


def _move(data: bytearray, pick: _Pick, tokens: Sequence[bytes], seeds: Sequence[bytes]) -> None:
    place = int(pick() * len(data))
    end = place + 1 + int(pick() ** 2 * 60)
    part = data[place:end]
    del data[place:end]
    target = int(pick() * (len(data) + 1))
    data[target:target] = part


_MUTATORS = (
    *(_flip_bit, _flip_bit, _set_byte, _count_up_or_down, _cut, _delete),
    *(_repeat, _insert_token, _overwrite_token, _splice, _move),
)


def _main(module: str, name: str, count: str) -> None:
    targets: list[Target] = importlib.import_module(module).TARGETS
    (target,) = [target for target in targets if target.name == name]
    outcome = check_target(target, int(count))
    print(json.dumps({"peak": peak_memory(), "accepted": outcome.accepted, "refused": outcome.refused, "slowest": outcome.slowest}))


if __name__ == "__main__":
    _main(*sys.argv[1:])
